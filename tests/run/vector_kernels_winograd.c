/* Vector kernels that convolve by Winograd's algorithm: with square and oblong tiles, with filters that are transformed
 * in advance or where they are used, and down the columns alone. */
#include <criterion/criterion.h>

#include "vector_check.h"

/* --- tiles of both axes */

/* Makes it one whose filters are transformed where they are used. */
static void take_live(Batch *b, Kernel *k)
{
    int32_t stride = k->sizes.stride_rows, points = winograd_points(k->winograd.rows, winograd_taps(3, stride));
    k->family = KERNEL_WINOGRAD_LIVE;
    set_format(b, k, 1, 1);
    k->tile_cols = pick(b, 1, k->block_tiles < 26 / points ? k->block_tiles : 26 / points);
    k->tile_round = 0;
    int64_t planes = stride * stride * ceil_div(k->sizes.in_channels / k->sizes.groups, b->b);
    k->scratch_bytes =
        4 * (planes + 1) * ceil_div(k->block_tiles, k->tile_cols) * k->tile_cols * points * points * b->b;
    cr_assert_eq(k->scratch_bytes, winograd_live_scratch(k));
}

static void add_winograd(Batch *b, int i, bool live, int32_t kernel_rows, int32_t kernel_cols, WinogradTile m,
                         int32_t stride, int32_t groups)
{
    int32_t most = !live && i % 4 == 2 ? 160 : 4 * b->b; /* more than 64: several chains of additions */
    KernelSizes s = window(groups == 1 ? pick(b, 1, most) : groups * b->b * pick(b, 1, 2), pick(b, 7, 22),
                           pick(b, 7, 22), groups == 1 ? pick(b, 1, 6 * b->b) : groups * b->b * pick(b, 1, 3), 1, 1, 0);
    s.groups = groups;
    s.kernel_rows = kernel_rows;
    s.kernel_cols = kernel_cols;
    s.pad_top = pick(b, 0, 2);
    s.pad_left = pick(b, 0, 2);
    s.pad_bottom = pick(b, 0, 2);
    s.pad_right = pick(b, 0, 2);
    s.stride_rows = s.stride_cols = stride;
    s.out_rows = (s.in_rows + s.pad_top + s.pad_bottom - kernel_rows) / stride + 1;
    s.out_cols = (s.in_cols + s.pad_left + s.pad_right - kernel_cols) / stride + 1;
    int32_t tap_rows = winograd_taps(kernel_rows, stride), tap_cols = winograd_taps(kernel_cols, stride);
    int32_t mr = winograd_outputs(m.rows, tap_rows), mc = winograd_outputs(m.cols, tap_cols);
    int32_t down = (s.out_rows + mr - 1) / mr, across = (s.out_cols + mc - 1) / mc, tiles = down * across;
    bool pairs = (m.rows % 2 == 0 && m.cols % 2 == 0) || (!live && down % 2 == 0 && across % 2 == 0);
    bool pool = pairs && kernel_rows > 1 && kernel_cols > 1 && i % 3 == 0 && s.out_rows > 1 && s.out_cols > 1;
    Kernel *k = add_kernel(b, KERNEL_WINOGRAD, s, pick(b, 0, 3) > 0, !pool && pick(b, 0, 1), rectifiers[i / 4 % 3]);
    k->in = image(
        b->b, s.in_channels, s.in_rows, s.in_cols, s.pad_top + pick(b, 0, 1), s.pad_left + pick(b, 0, 1),
        at_least(winograd_reach(s.out_rows, kernel_rows, stride, m.rows) - s.pad_top - s.in_rows, 0) + pick(b, 0, 1),
        at_least(winograd_reach(s.out_cols, kernel_cols, stride, m.cols) - s.pad_left - s.in_cols, 0) + pick(b, 0, 1));
    k->winograd = m;
    k->max_pool = pool;
    if (pool) {
        k->out = with_halo(b, b->b, s.out_channels, s.out_rows / 2, s.out_cols / 2);
    }
    set_format(b, k, pick(b, 1, 3), b->b);
    k->weight_format.kind = PACK_WINOGRAD;
    k->weight_format.winograd = m;
    k->weight_format.phases = stride > 1 ? stride : 0;
    k->block_tiles = pick(b, 1, 2) == 1 ? tiles : winograd_quads(k) ? 4 * pick(b, 1, tiles / 4) : pick(b, 1, tiles);
    k->tile_cols = pick(b, 1, k->block_tiles < 14 ? k->block_tiles : 14);
    k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
    k->input_ahead = !live && stride == 1 && i % 2 == 0;
    k->prefetch_bytes = pick(b, 0, 1) ? 8192 : 0;
    int64_t in_planes = stride * stride * ceil_div(s.in_channels / groups, b->b);
    k->scratch_bytes = 4 * winograd_points(m.rows, tap_rows) * winograd_points(m.cols, tap_cols) *
                           ((in_planes + k->weight_format.vectors) * k->block_tiles * b->b + 32) +
                       winograd_quad_bytes(k);
    if (live) {
        take_live(b, k);
    }
}

static void fill_winograd(Batch *b)
{
    static const int32_t windows[][4] = {
        {3, 3, 2, 1}, {3, 3, 4, 1}, {5, 5, 2, 1}, {1, 7, 2, 1}, {7, 1, 2, 1}, {3, 3, 6, 1}, {1, 3, 4, 1}, {3, 1, 4, 1},
        {1, 5, 4, 1}, {3, 3, 3, 1}, {3, 5, 2, 1}, {3, 3, 5, 1}, {4, 4, 4, 1}, {2, 2, 4, 1}, {3, 3, 4, 2}, {5, 5, 4, 2},
        {7, 7, 4, 2}, {5, 3, 4, 2}, {3, 3, 4, 1}, {7, 5, 4, 2}, {3, 3, 2, 2}, {3, 3, 3, 2}, {2, 2, 2, 1}, {2, 2, 3, 1},
        {5, 3, 2, 2}, {1, 7, 3, 1}, {7, 1, 3, 1}, {5, 1, 5, 1}, {1, 3, 7, 1}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    for (int i = 0; i < 3 * COUNT; ++i) {
        const int32_t *window = windows[i % COUNT];
        add_winograd(b, i, false, window[0], window[1], winograd_square(window[2]), window[3],
                     i % 5 == 4 && window[3] == 1 ? 2 : 1);
    }
}

Test(vector_kernels, winograd)
{
    check_widths("winograd", fill_winograd, 2e-5);
}

/* Another m down than across, max pools among them. */
static void fill_winograd_of_oblongs(Batch *b)
{
    static const int32_t tiles[][4] = {{3, 2, 4, 1}, {3, 4, 2, 1}, {3, 3, 4, 1}, {3, 5, 2, 1}, {3, 6, 3, 1},
                                       {5, 2, 4, 1}, {3, 2, 4, 2}, {3, 4, 3, 2}, {2, 2, 4, 1}, {3, 2, 6, 1}};
    enum { COUNT = sizeof tiles / sizeof tiles[0] };
    int pools = 0, quads = 0;
    for (int i = 0; i < 4 * COUNT; ++i) {
        const int32_t *tile = tiles[i % COUNT];
        add_winograd(b, i, false, tile[0], tile[0], (WinogradTile){tile[1], tile[2]}, tile[3],
                     i % 5 == 4 && tile[3] == 1 ? 2 : 1);
        pools += b->kernels[b->count - 1]->max_pool;
        quads += winograd_quads(b->kernels[b->count - 1]);
    }
    cr_assert(quads >= 1 && pools > quads);
}

Test(vector_kernels, winograd_of_oblongs)
{
    check_widths("winograd_of_oblongs", fill_winograd_of_oblongs, 2e-5);
}

/* Tiles of 7x7, and nine points along an axis: errors are up to three times those of F(6x6,3x3), 2e-5 of the largest
 * output in the mean of layers of 128 channels, 1e-5 of 32. Max pools, whose tiles come in quads, among them. */
static void fill_winograd_of_9(Batch *b)
{
    static const int32_t windows[][4] = {{3, 3, 7, 1}, {3, 3, 7, 1}, {5, 5, 5, 1}, {3, 5, 5, 1}, {7, 7, 3, 1},
                                         {3, 7, 3, 1}, {2, 3, 7, 1}, {2, 2, 7, 1}, {3, 3, 7, 2}, {5, 5, 5, 1}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    int quads = 0;
    for (int i = 0; i < 4 * COUNT; ++i) {
        const int32_t *window = windows[i % COUNT];
        add_winograd(b, i, false, window[0], window[1], winograd_square(window[2]), window[3],
                     i % 5 == 4 && window[3] == 1 ? 2 : 1);
        quads += winograd_quads(b->kernels[b->count - 1]);
    }
    cr_assert_geq(quads, 3);
}

Test(vector_kernels, winograd_of_9)
{
    check_widths("winograd_of_9", fill_winograd_of_9, 6e-5);
}

static void fill_winograd_live(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(i % 5 + 2), 1, i % 7 == 6 ? 2 : 1);
    }
    for (int i = 0; i < 24; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(i % 3 + 2), 2, 1);
    }
}

Test(vector_kernels, winograd_live)
{
    check_widths("winograd_live", fill_winograd_live, 2e-5);
}

/* Errors of F(7x7,2x2) are twice those of F(6x6,3x3): 1e-5 of the largest output in the mean of such layers, 6e-5 at
 * worst. */
static void fill_winograd_live_of_7(Batch *b)
{
    for (int i = 0; i < 16; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(7), 2, 1);
    }
}

Test(vector_kernels, winograd_live_of_7)
{
    check_widths("winograd_live_of_7", fill_winograd_live_of_7, 1e-4);
}

/* --- lines: both kinds of few planes, by Winograd down the columns */

/* `half`: rows end with half a vector (lines_pairs, with 8 lanes). */
static void add_lines(Batch *b, int i, int32_t kernel_rows, int32_t m, bool half)
{
    bool rows = half || pick(b, 0, 1);
    KernelSizes s = {.in_channels = pick(b, 1, 8), .out_channels = pick(b, 1, rows ? 17 : 5 * b->b), .groups = 1};
    s.kernel_rows = kernel_rows;
    s.kernel_cols = pick(b, 1, half ? b->b / 2 + 1 : 7);
    s.stride_rows = s.stride_cols = s.dilation_rows = s.dilation_cols = 1;
    s.pad_top = pick(b, 0, 2);
    s.pad_left = pick(b, 0, s.kernel_cols / 2);
    s.out_rows = m + pick(b, 0, 2 * m);
    s.out_cols = rows ? b->b + pick(b, 0, 2 * b->b) : pick(b, b->b / 2, 2 * b->b);
    if (half) {
        s.out_cols = b->b * pick(b, 1, 5) + b->b / 2;
        s.out_channels += s.out_channels % 2;
    }
    s.in_rows = s.out_rows + kernel_rows - 1 - s.pad_top;
    s.in_cols = s.out_cols + s.kernel_cols - 1 - s.pad_left;
    Kernel *k = add_kernel(b, rows ? KERNEL_ROWS : KERNEL_PLANAR, s, pick(b, 0, 3) > 0, false, rectifiers[i % 3]);
    k->lines = m;
    k->tile_rows = 1;
    k->tile_cols = rows ? b->b * pick(b, 1, 3) : pick(b, 1, 8);
    k->tile_round = rows ? 0 : pick(b, 0, 1);
    set_format(b, k, rows ? 1 : pick(b, 1, 4), 1);
    k->weight_format.kind = PACK_LINES;
    k->weight_format.winograd.rows = m;
    if (rows) {
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->weight_format.lanes = half ? 2 * pick(b, 1, 4) : pick(b, 1, 8);
        cr_assert(!half || b->b != 8 || lines_pairs(k));
    }
    k->scratch_bytes = 4 * winograd_points(m, kernel_rows) * s.in_channels * lines_width(k);
    if (rows && lines_take_pool(k) && pick(b, 0, 3) > 0) {
        k->max_pool = pick(b, 0, 1);
        k->avg_pool = !k->max_pool;
        k->tile_cols = 2 * b->b;
        k->out = image(1, s.out_channels, s.out_rows / 2, s.out_cols / 2, 0, 0, 0, 0);
    }
}

static void fill_lines(Batch *b)
{
    static const int32_t windows[][2] = {{3, 2}, {3, 3}, {3, 4}, {3, 5}, {3, 6}, {5, 2}, {5, 4},
                                         {5, 5}, {2, 4}, {4, 4}, {7, 2}, {3, 7}, {7, 3}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    for (int i = 0; i < 12 * COUNT; ++i) {
        add_lines(b, i, windows[i % COUNT][0], windows[i % COUNT][1], i >= 8 * COUNT);
    }
}

Test(vector_kernels, lines)
{
    check_widths("lines", fill_lines, 2e-5);
}
