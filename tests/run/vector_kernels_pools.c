/* Vector kernels that pool windows or whole images. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "vector_check.h"

static void fill_pools(Batch *b)
{
    for (int i = 0; i < 36; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b)};
        s.out_channels = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        s.dilation_rows = s.dilation_cols = 1;
        s.pad_top = s.pad_top < s.kernel_rows ? s.pad_top : 0;
        s.pad_left = s.pad_left < s.kernel_cols ? s.pad_left : 0;
        s.pad_bottom = s.pad_bottom < s.kernel_rows ? s.pad_bottom : 0;
        s.pad_right = s.pad_right < s.kernel_cols ? s.pad_right : 0;
        int32_t rows = s.in_rows + s.pad_top + s.pad_bottom - s.kernel_rows;
        int32_t cols = s.in_cols + s.pad_left + s.pad_right - s.kernel_cols;
        if (rows < 0 || cols < 0) {
            continue;
        }
        s.out_rows = rows / s.stride_rows + 1;
        s.out_cols = cols / s.stride_cols + 1;
        bool is_max = i % 3 == 0;
        s.count_pad = i % 3 == 1;
        Kernel *k = add_kernel(b, is_max ? KERNEL_MAX_POOL : KERNEL_AVG_POOL, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        k->input_ahead = i % 2 == 0;
    }
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 20), .in_cols = pick(b, 1, 20)};
        s.out_channels = s.in_channels;
        s.out_rows = i % 2 == 0 ? pick(b, 1, 24) : 1;
        s.out_cols = i % 2 == 0 ? pick(b, 1, 24) : 1;
        s.adaptive = i % 2 == 0;
        s.is_max = i % 4 == 1;
        Kernel *k = add_kernel(b, s.adaptive ? KERNEL_AVG_POOL : KERNEL_GLOBAL_POOL, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        if (!s.adaptive) {
            k->out = image(1, s.out_channels, 1, 1, 0, 0, 0, 0);
        }
    }
}

Test(vector_kernels, pools)
{
    check_widths("pools", fill_pools, 1e-6);
}

/* Plain planes, windows 2x2 side by side. */
static void fill_pool_rows(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        int32_t channels = pick(b, 1, 7), rows = pick(b, 2, 9), cols = pick(b, 4, 5 * b->b);
        KernelSizes s = window(channels, rows, cols, channels, 2, 2, 0);
        s.groups = 0;
        Kernel *k = add_kernel(b, i % 2 ? KERNEL_MAX_POOL : KERNEL_AVG_POOL, s, false, false, OP_IDENTITY);
        k->in = image(1, channels, rows, cols, 0, 0, 0, 0);
        k->out = image(1, channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, pool_rows)
{
    check_widths("pool_rows", fill_pool_rows, 1e-6);
}

static void fill_subsample(Batch *b)
{
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {
            .in_channels = pick(b, 1, 3 * b->b), .kernel_rows = pick(b, 1, 3), .kernel_cols = pick(b, 1, 3)};
        s.out_channels = s.in_channels;
        s.out_rows = pick(b, 1, 6);
        s.out_cols = pick(b, 1, 9);
        s.in_rows = s.out_rows * s.kernel_rows;
        s.in_cols = s.out_cols * s.kernel_cols;
        Kernel *k = add_kernel(b, KERNEL_SUBSAMPLE, s, true, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, subsample)
{
    check_widths("subsample", fill_subsample, 1e-6);
}

/* --- not a number */

/* The largest of a window, or not a number where it covers pixel (2, 3), which is none, in all lanes. */
static void check_invalid(const Kernel *k, const float *y)
{
    const KernelSizes *s = &k->sizes;
    for (int32_t oy = 0; oy < s->out_rows; ++oy) {
        for (int32_t ox = 0; ox < s->out_cols; ++ox) {
            int32_t top = oy * s->stride_rows - s->pad_top, left = ox * s->stride_cols - s->pad_left;
            int32_t bottom = top + s->kernel_rows - 1, right = left + s->kernel_cols - 1;
            bool covers = top <= 2 && bottom >= 2 && left <= 3 && right >= 3;
            bottom = bottom < s->in_rows ? bottom : s->in_rows - 1;
            right = right < s->in_cols ? right : s->in_cols - 1;
            for (int32_t lane = 0; lane < k->vector; ++lane) { /* values grow from left to right and downwards */
                float largest = y[(oy * s->out_cols + ox) * k->vector + lane];
                cr_assert(covers ? isnan(largest) : largest == (float)(bottom * s->in_cols + right - 20),
                          "%dx%d, stride %d: %g at %d,%d", (int)s->kernel_rows, (int)s->kernel_cols,
                          (int)s->stride_rows, (double)largest, (int)oy, (int)ox);
            }
        }
    }
}

static void check_pools_of_invalid(int32_t width, const char *flags, const char *compiler, const char *name)
{
    Batch b = batch_create(width);
    const KernelSizes sizes[] = {
        window(width, 7, 8, width, 3, 1, 1), window(width, 7, 8, width, 3, 2, 0), window(width, 7, 8, width, 2, 2, 0),
        window(width, 7, 8, width, 5, 1, 2), window(width, 7, 8, width, 1, 3, 0),
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        Kernel *k = add_kernel(&b, KERNEL_MAX_POOL, sizes[i], false, false, OP_IDENTITY);
        k->sizes.groups = 0;
        k->in = image(width, width, 7, 8, 0, 0, 0, 0);
        k->out = image(width, width, k->sizes.out_rows, k->sizes.out_cols, 0, 0, 0, 0);
    }
    step_kernel *const *table = batch_load(&b, name, compiler, flags);
    Memory x = memory_create(7 * 8 * width, true), y = memory_create(7 * 8 * width, true);
    for (int i = 0; i < 2 * (int)b.count; ++i) {
        const float invalid = float_of(i % 2 == 0 ? 0x7FC00000u : 0xFFC00000u);
        for (int32_t at = 0; at < 7 * 8 * width; ++at) {
            x.values[at] = at / width == 2 * 8 + 3 ? invalid : (float)(at / width - 20);
        }
        table[i / 2](&(step_arguments){.x = {x.values}, .y = y.values}, 0, 1);
        check_invalid(b.kernels[i / 2], y.values);
    }
    free(x.base);
    free(y.base);
    arena_destroy(b.arena);
}

Test(vector_kernels, max_pools_let_not_a_number_win)
{
    check_compiled("invalid", check_pools_of_invalid);
}
