/* Tiles of kernels: what every record must have so that the emitters can rely on it, over many shapes. */
#include <criterion/criterion.h>

#include "lower/program.h"
#include "lower_build.h"
#include "support/ints.h"

static Kernel conv(int32_t ic, int32_t side, int32_t oc, int32_t kernel, int32_t groups)
{
    Kernel k = {.family = KERNEL_CONV};
    k.sizes = lower_build_sizes(ic, side, oc, kernel, groups);
    tiles_choose(target_find(STR("portable")), &k);
    return k;
}

Test(tiles, conv_fits_its_scratch)
{
    for (int32_t ic = 1; ic <= 2048; ic = ic * 2 + ic % 3) {
        for (int32_t oc = 1; oc <= 512; oc = oc * 3 + 1) {
            for (int32_t side = 1; side <= 224; side = side * 2 + 1) {
                for (int32_t kernel = 1; kernel <= 7; kernel += 2) {
                    Kernel k = conv(ic, side, oc, kernel, 1);
                    bool wide = conv_is_wide(&k);
                    int64_t taps = (int64_t)ic * kernel * kernel, rows = k.weight_format.row_block;
                    int64_t acc = taps <= k.tile_taps ? rows : (oc + rows - 1) / rows * rows;
                    cr_assert(k.tile_pixels > 0 && k.tile_taps > 0 && k.tile_taps % 4 == 0);
                    cr_assert_eq(k.tile_pixels % (wide ? 4 : 16), 0);
                    cr_assert_geq(k.scratch_bytes, 4 * k.tile_pixels * ((wide ? 2 : 1) * k.tile_taps + acc));
                    cr_assert_eq(k.scratch_bytes % 64, 0);
                    cr_assert(wide ? rows % 16 == 0 && taps % 4 == 0 : rows == 4);
                    cr_assert_eq(k.weight_format.col_block, wide ? 1 : 4);
                    cr_assert(!wide || k.tile_taps * rows <= 18432, "weights leave L2's near end");
                    cr_assert_leq((int64_t)k.tile_taps * k.tile_pixels, 18432,
                                  "gathered taps leave L2's near end: %dx%d", k.tile_taps, k.tile_pixels);
                }
            }
        }
    }
}

/* Rows are channels where few pixels would fill rows badly, of many channels, and taps come in fours. */
Test(tiles, small_images_have_rows_of_channels)
{
    Kernel last = conv(512, 7, 2048, 1, 1), middle = conv(256, 14, 256, 3, 1);
    cr_assert(conv_is_wide(&last) && conv_is_wide(&middle));
    cr_assert_eq(last.tile_pixels, 52);
    cr_assert_eq(middle.tile_pixels, 100);
    cr_assert_eq(last.weight_format.row_block, 128);
    Kernel full = conv(128, 28, 512, 1, 1), few = conv(256, 14, 16, 3, 1), odd = conv(255, 7, 512, 1, 1),
           grouped = conv(512, 7, 512, 1, 2);
    cr_assert(!conv_is_wide(&full) && !conv_is_wide(&few) && !conv_is_wide(&odd) && !conv_is_wide(&grouped));
}

/* The last tile is mostly filled: what a tile computes beyond the image is lost. */
Test(tiles, conv_wastes_little)
{
    static const int32_t sides[] = {7, 14, 28, 56, 112, 224, 13, 27, 55, 17, 35, 149};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; ++i) {
        Kernel k = conv(64, sides[i], 64, 3, 1);
        int64_t pixels = (int64_t)sides[i] * sides[i],
                done = (pixels + k.tile_pixels - 1) / k.tile_pixels * k.tile_pixels;
        cr_assert_leq(done * 100, pixels * 145, "%d pixels in tiles of %d", (int)pixels, k.tile_pixels);
        cr_assert(pixels < 190 || done * 100 <= pixels * 125, "%d pixels in tiles of %d", (int)pixels, k.tile_pixels);
    }
}

Test(tiles, dense_pads_little)
{
    static const int32_t units[] = {1, 10, 16, 17, 84, 120, 1000, 4096}, blocks[] = {16, 16, 16, 16, 16, 64, 64, 64};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; ++i) {
        Kernel k = {.family = KERNEL_DENSE, .sizes = {.in_channels = 100, .out_channels = units[i]}};
        tiles_choose(target_find(STR("portable")), &k);
        cr_assert_eq(k.weight_format.row_block, blocks[i], "%d units", units[i]);
        cr_assert_eq(k.weight_format.col_block, 1);
        cr_assert_eq(k.scratch_bytes, 0);
    }
}

Test(tiles, choosing_twice_changes_nothing)
{
    Kernel once = conv(96, 27, 256, 5, 2), twice = once;
    tiles_choose(target_find(STR("portable")), &twice);
    cr_assert(kernel_equal(&once, &twice));
}

/* Outputs of a tile of Winograd's convolution in plain C; 0: direct sums. */
static int32_t winograd_of(int32_t ic, int32_t side, int32_t oc, int32_t stride, int32_t dilation, int32_t groups,
                           bool wanted)
{
    Kernel k = {.family = KERNEL_CONV, .sizes = lower_build_sizes(ic, side, oc, 3, groups)};
    k.sizes.stride_rows = k.sizes.stride_cols = stride;
    k.sizes.dilation_rows = k.sizes.dilation_cols = dilation;
    k.sizes.pad_top = k.sizes.pad_left = dilation;
    k.sizes.out_rows = k.sizes.out_cols = (side - 1) / stride + 1;
    select_conv(target_find(STR("portable")), wanted, &k);
    cr_assert_eq(k.family, k.winograd.rows > 0 ? KERNEL_WINOGRAD : KERNEL_CONV);
    if (k.family == KERNEL_WINOGRAD) {
        PlainWinograd g = plain_winograd(&k);
        int64_t area = (int64_t)g.points * g.points;
        cr_assert_eq(g.block_rows * g.tile_cols, k.block_tiles);
        cr_assert_eq(k.weight_format.lanes % PLAIN_WINOGRAD_CHANNELS, 0);
        int64_t products = area * g.slots * (ic + k.weight_format.lanes);
        int64_t rows = int_min(k.block_tiles / g.tile_cols * g.m, side),
                outputs = PLAIN_WINOGRAD_CHANNELS * rows * side;
        cr_assert_geq(k.scratch_bytes, 4 * (products + outputs));
    }
    return k.winograd.rows;
}

/* Large tiles where their weights are few beside the image, small ones else; none where it is not written for the shape, is not
 * wanted, or has few channels. */
Test(tiles, winograd_in_plain_c_where_it_pays)
{
    cr_assert_eq(winograd_of(64, 56, 64, 1, 1, 1, true), 4);
    cr_assert_eq(winograd_of(128, 28, 128, 1, 1, 1, true), 4);
    cr_assert_eq(winograd_of(256, 14, 256, 1, 1, 1, true), 2);
    cr_assert_eq(winograd_of(512, 7, 512, 1, 1, 1, true), 2);
    cr_assert_eq(winograd_of(64, 224, 64, 1, 1, 1, true), 4);
    cr_assert_eq(winograd_of(64, 56, 64, 1, 1, 1, false), 0);
    cr_assert_eq(winograd_of(64, 56, 64, 2, 1, 1, true), 0);
    cr_assert_eq(winograd_of(64, 56, 64, 1, 2, 1, true), 0);
    cr_assert_eq(winograd_of(64, 56, 64, 1, 1, 2, true), 0);
    cr_assert_eq(winograd_of(66, 56, 64, 1, 1, 1, true), 0);
    cr_assert_eq(winograd_of(16, 56, 64, 1, 1, 1, true), 0);
    cr_assert_eq(winograd_of(512, 3, 512, 1, 1, 1, true), 0);
}

static KernelFamily selected(int32_t side, int32_t kernel, int32_t dilation, int32_t pad, int32_t out, int32_t groups,
                             int32_t *inputs)
{
    Kernel k = conv(16, side, 120, kernel, groups);
    k.sizes.dilation_rows = k.sizes.dilation_cols = dilation;
    k.sizes.pad_top = k.sizes.pad_left = pad;
    k.sizes.out_rows = k.sizes.out_cols = out;
    select_conv(target_find(STR("portable")), true, &k);
    *inputs = k.sizes.in_channels;
    return k.family;
}

/* A window over the whole input is a dense layer; not so where a tap reads padding or there is more than one window. */
Test(tiles, whole_window_is_dense)
{
    int32_t inputs;
    cr_assert_eq(selected(5, 5, 1, 0, 1, 1, &inputs), KERNEL_DENSE);
    cr_assert_eq(inputs, 400);
    cr_assert_eq(selected(1, 1, 2, 0, 1, 1, &inputs), KERNEL_DENSE);
    cr_assert_eq(inputs, 16);
    cr_assert_eq(selected(5, 5, 1, 1, 1, 1, &inputs), KERNEL_CONV); /* shifted by its padding */
    cr_assert_eq(selected(5, 5, 2, 0, 1, 1, &inputs), KERNEL_CONV); /* reaches into the padding below */
    cr_assert_eq(selected(5, 5, 1, 0, 1, 2, &inputs), KERNEL_CONV);
    cr_assert_eq(selected(5, 3, 1, 0, 1, 1, &inputs), KERNEL_CONV);
    cr_assert_eq(selected(5, 5, 1, 0, 2, 1, &inputs), KERNEL_CONV);
}
