/* Vector kernels that sum up products of windows as they are: convolutions, depthwise and grouped ones among them. */
#include <criterion/criterion.h>

#include "vector_check.h"

/* --- direct: blocks of channels to blocks of channels */

static void fill_direct(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .out_channels = pick(b, 1, 7 * b->b), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        if (i % 8 == 7) {
            s.groups = pick(b, 2, 3);
            s.in_channels = b->b * s.groups * pick(b, 1, 2);
            s.out_channels = b->b * s.groups * pick(b, 1, 3);
        }
        Kernel *k = add_kernel(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 3);
        k->tile_cols = k->tile_rows > 1 ? pick(b, 1, 7) : pick(b, 1, 14);
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = pick(b, 0, 1);
        k->block_tiles = k->pixels_outer ? pick(b, 1, 4) : 0;
        k->input_ahead = i % 3 == 0 && s.kernel_rows * s.kernel_cols == 1;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
    }
}

Test(vector_kernels, direct)
{
    check_widths("direct", fill_direct, 1e-5);
}

/* Two 1x1 convolutions in the same sums, of images of different sizes, strides and channels. */
static void fill_two_convs(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        KernelSizes s =
            window(b->b * pick(b, 1, 3), pick(b, 1, 13), pick(b, 1, 33), pick(b, 1, 7 * b->b), 1, pick(b, 1, 2), 0);
        s.second_stride_rows = pick(b, 1, 2);
        s.second_stride_cols = pick(b, 1, 3);
        Kernel *k = add_kernel(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        int32_t rows = (s.out_rows - 1) * s.second_stride_rows + pick(b, 1, 2);
        int32_t cols = (s.out_cols - 1) * s.second_stride_cols + pick(b, 1, 3);
        k->in2 = with_halo(b, b->b, pick(b, 1, 3 * b->b), rows, cols);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = k->tile_rows == 2 ? pick(b, 1, 7) : pick(b, 1, 14);
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = pick(b, 0, 1);
        k->block_tiles = k->pixels_outer ? pick(b, 1, 4) : 0;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
    }
}

Test(vector_kernels, two_convolutions_in_the_same_sums)
{
    check_widths("two_convs", fill_two_convs, 1e-5);
}

/* x * scale + shift and an activation first: blocks of any number of tiles, pixels that run on or not. */
static void fill_prologue(Batch *b)
{
    for (int i = 0; i < 60; ++i) {
        KernelSizes s = window(pick(b, 1, 4 * b->b), i % 3 == 0 ? 1 : pick(b, 2, 9), pick(b, 2, 33),
                               pick(b, 1, 7 * b->b), 1, i % 4 == 3 ? pick(b, 2, 3) : 1, 0);
        Kernel *k = add_kernel(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->prologue = (Prologue){PROLOGUE_NORM, {acts[i / 2 % 6], {0.3, 0.8}}};
        if (i % 2 == 0) {
            k->in = image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        k->tile_rows = pick(b, 1, 3);
        k->tile_cols = k->tile_rows > 1 ? pick(b, 1, 7) : pick(b, 1, 14);
        if (i % 5 == 0) { /* whole rows, or a stretch of every row */
            k->tile_cols = s.out_cols % 2 == 0 && s.out_cols < 20 ? s.out_cols / 2 : s.out_cols;
            k->tile_cols = k->tile_cols > 14 ? 7 : k->tile_cols;
        }
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = true;
        k->block_tiles = pick(b, 1, 6);
        k->input_ahead = i % 3 == 0;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
        k->scratch_bytes = (prologue_scratch_bytes(k) + 63) / 64 * 64;
    }
}

Test(vector_kernels, norms_before_a_convolution)
{
    check_widths("prologue", fill_prologue, 1e-5);
}

/* --- planar: few planes to blocks of channels */

static void fill_planar(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4), .out_channels = pick(b, 1, 5 * b->b), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_PLANAR, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, 8);
        k->tile_round = pick(b, 0, 1);
        set_format(b, k, pick(b, 1, 4), 1);
    }
    KernelSizes first = window(3, 30, 31, 2 * b->b, 7, 2, 3), alex = window(3, 40, 40, 4 * b->b, 11, 4, 2);
    Kernel *k = add_kernel(b, KERNEL_PLANAR, first, true, false, OP_RELU);
    k->tile_rows = 1;
    k->tile_cols = 8;
    set_format(b, k, 2, 1);
    k = add_kernel(b, KERNEL_PLANAR, alex, true, false, OP_RELU);
    k->tile_rows = 1;
    k->tile_cols = 6;
    set_format(b, k, 4, 1);
}

Test(vector_kernels, planar)
{
    check_widths("planar", fill_planar, 1e-5);
}

/* --- few: output channels that would not fill a vector */

static void fill_few(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .out_channels = pick(b, 1, 4), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_FEW, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->tile_rows = k->tile_cols = 1;
        int32_t most = 1 << pick(b, 0, 4);
        while (2 * k->tile_cols <= b->b && 2 * k->tile_cols <= s.out_cols && k->tile_cols < most) {
            k->tile_cols *= 2;
        }
        set_format(b, k, 1, b->b);
        k->weight_format.lanes = 1;
    }
}

Test(vector_kernels, few)
{
    check_widths("few", fill_few, 1e-5);
}

/* --- rows: few planes to few planes, vectors are pixels */

static void fill_rows(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 8), .out_channels = pick(b, 1, 17), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        s.in_cols = pick(b, 1, 3) * b->b + pick(b, 0, 9) + 8;
        s.stride_cols = 1;
        s.out_cols = s.in_cols + s.pad_left + s.pad_right - (s.kernel_cols - 1) * s.dilation_cols;
        if (s.out_cols < b->b) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_ROWS, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->tile_rows = 1;
        k->tile_cols = b->b * pick(b, 1, 3);
        k->weight_format = pack_rows(pick(b, 1, 8), 1);
    }
}

Test(vector_kernels, rows)
{
    check_widths("rows", fill_rows, 1e-5);
}

/* --- depthwise */

/* Every other kernel whose tiles can end, of one row and an activation without parameters, has them end. */
static void let_tiles_end(Batch *b, Kernel *k)
{
    k->tile_ends = pick(b, 0, 1) == 1 && k->tile_rows == 1 && k->epilogue.act.op != OP_LEAKY_RELU;
    if (k->tile_ends) {
        k->epilogue.act.attr = (ActAttr){0.0, 0.0};
    }
    k->near = k->near && k->tile_ends && k->family == KERNEL_DEPTHWISE;
}

static void fill_depthwise(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .multiplier = 1};
        s.out_channels = s.groups = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_DEPTHWISE, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, k->tile_rows == 2 ? 7 : 14);
        k->input_ahead = i % 2 == 0;
        let_tiles_end(b, k);
        set_format(b, k, 1, 1);
    }
}

static void fill_depthwise_prologue(Batch *b)
{
    fill_depthwise(b);
    for (uint32_t i = 0; i < b->count; ++i) {
        b->kernels[i]->prologue = (Prologue){PROLOGUE_ACT, {i % 2 == 0 ? OP_RELU : OP_RELU6, {0.0, 0.0}}};
    }
}

Test(vector_kernels, depthwise)
{
    check_widths("depthwise", fill_depthwise, 1e-5);
}

Test(vector_kernels, activations_before_depthwise)
{
    check_widths("depthwise_prologue", fill_depthwise_prologue, 1e-5);
}

/* --- grouped: groups narrower than a vector */

static void fill_grouped(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        int32_t channels = b->b == 4 ? 2 + i % 2 * 2 : 2 << i % 3, groups = pick(b, 1, 3 * b->b / channels);
        KernelSizes s = {.in_channels = channels * groups, .groups = groups};
        s.out_channels = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_GROUPED, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, k->tile_rows == 2 ? 7 : 14);
        let_tiles_end(b, k);
        set_format(b, k, 1, channels);
    }
}

Test(vector_kernels, grouped)
{
    check_widths("grouped", fill_grouped, 1e-5);
}
