/* Vector kernels that move numbers: between layouts, into borders, from phases to channels, to larger images. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "vector_check.h"

static void fill_convert(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 9), .in_cols = pick(b, 1, 40)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        Kernel *k = add_kernel(b, KERNEL_CONVERT, s, false, false, OP_IDENTITY);
        int32_t blocks[2] = {1, b->b}, kind = i % 8;
        int32_t from = kind < 2 ? b->b : kind < 5 ? 1 : kind == 5 ? s.in_channels : blocks[i % 2];
        int32_t to = kind < 2    ? 1
                     : kind < 4  ? b->b
                     : kind == 4 ? 1
                     : kind == 5 ? b->b
                     : kind == 6 ? s.in_channels
                                 : b->b;
        k->in = i % 3 == 0 ? image(from, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                           : with_halo(b, from, s.in_channels, s.in_rows, s.in_cols);
        k->out = i % 3 == 1 ? image(to, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                            : with_halo(b, to, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, convert)
{
    check_widths("convert", fill_convert, 0.0);
}

/* Zeros in the halo, and nowhere else. */
Test(vector_kernels, zero_halo)
{
    Batch b = {.arena = arena_create(), .random = 99u, .b = 4};
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.out_channels = pick(&b, 1, 9), .out_rows = pick(&b, 1, 4), .out_cols = pick(&b, 1, 4)};
        Kernel *k = add_kernel(&b, KERNEL_ZERO_HALO, s, false, false, OP_IDENTITY);
        k->in = (Layout){0};
        k->out = with_halo(&b, i % 2 == 0 ? 4 : 1, s.out_channels, s.out_rows, s.out_cols);
    }
    step_kernel *const *table = batch_load(&b, "zero_halo", "gcc -O2", "");
    for (uint32_t i = 0; i < b.count; ++i) {
        const Layout *l = &b.kernels[i]->out;
        Memory y = image_memory(&b, l, NULL);
        step_arguments a = {.y = y.values};
        run_parts(&b, b.kernels[i], table[i], a, 1 + (int)(i % 3));
        for (int64_t c = 0; c < ceil_div(l->channels, l->block) * l->block; ++c) {
            for (int64_t row = -l->halo_top; row < l->rows + l->halo_bottom; ++row) {
                for (int64_t col = -l->halo_left; col < l->cols + l->halo_right; ++col) {
                    bool inside = row >= 0 && row < l->rows && col >= 0 && col < l->cols;
                    float value = y.values[place(l, c, row, col)];
                    cr_assert(inside ? is_guard(value) : value == 0.0f);
                }
            }
        }
        memory_check(&y, &b, b.kernels[i], "y");
        free(y.base);
    }
    arena_destroy(b.arena);
}

static void fill_borders(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 4, 9), .in_cols = pick(b, 4, 20)};
        s.border = i % 3 == 0 ? PAD_REFLECT : i % 3 == 1 ? PAD_EDGE : PAD_ZERO;
        s.scalar[0] = s.border == PAD_ZERO ? i % 2 * -1.5 : 0.0;
        s.pad_top = pick(b, 0, 3);
        s.pad_left = pick(b, 0, 3);
        s.pad_bottom = pick(b, 0, 3);
        s.pad_right = pick(b, 0, 3);
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows + s.pad_top + s.pad_bottom;
        s.out_cols = s.in_cols + s.pad_left + s.pad_right;
        s.frame = i / 3 % 2 == 1;
        Kernel *k = add_kernel(b, KERNEL_BORDER, s, false, false, OP_IDENTITY);
        const Layout *out = &k->out;
        k->in = s.frame
                    ? image(b->b, s.in_channels, s.in_rows, s.in_cols, out->halo_top + s.pad_top,
                            out->halo_left + s.pad_left, out->halo_bottom + s.pad_bottom, out->halo_right + s.pad_right)
                    : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, borders)
{
    check_widths("borders", fill_borders, 0.0);
}

/* A first layer: its phases side by side in lanes. Then the convolution of stride 1 is an ordinary one; how its filters
 * are packed is tested with the whole network (tests/unit/lower_vector.c) and in tests/unit/pack.c. */
static void fill_space_to_depth(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        int32_t stride = pick(b, 2, 4), channels = pick(b, 1, 4), rows = pick(b, 1, 23), cols = pick(b, 1, 40);
        KernelSizes s = {.in_channels = channels,
                         .in_rows = rows,
                         .in_cols = cols,
                         .out_channels = stride * stride * channels,
                         .out_rows = pick(b, 1, 14),
                         .out_cols = pick(b, 1, 24),
                         .stride_rows = stride,
                         .stride_cols = stride,
                         .pad_top = pick(b, 0, 5),
                         .pad_left = pick(b, 0, 5)};
        Kernel *k = add_kernel(b, KERNEL_SPACE_TO_DEPTH, s, false, false, OP_IDENTITY);
        k->in = image(1, channels, rows, cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, space_to_depth)
{
    check_widths("space_to_depth", fill_space_to_depth, 0.0);
}

static void fill_upsample(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 7), .in_cols = pick(b, 1, 12)};
        s.bilinear = i % 2 == 1;
        s.stride_rows = pick(b, 1, 4);
        s.stride_cols = s.bilinear ? pick(b, 1, 8) : pick(b, 1, 10);
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows * s.stride_rows;
        s.out_cols = s.in_cols * s.stride_cols;
        Kernel *k = add_kernel(b, KERNEL_UPSAMPLE, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, upsample)
{
    check_widths("upsample", fill_upsample, 1e-6);
}
