/* Tiles of Winograd's convolution in plain C. */
#include "lower/tiles.h"

PlainWinograd plain_winograd(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    PlainWinograd g = {.m = kernel->winograd.rows, .points = winograd_points(kernel->winograd.rows, s->kernel_rows)};
    g.tile_rows = ceil_div(s->out_rows, g.m);
    g.tile_cols = ceil_div(s->out_cols, g.m);
    g.block_rows = kernel->block_tiles / g.tile_cols;
    g.slots = (int32_t)int_align_up(kernel->block_tiles, CONV_ROWS);
    g.width = (g.tile_cols - 1) * g.m + g.points;
    g.pixels = int_min(g.block_rows * g.m, s->out_rows) * (int64_t)s->out_cols;
    int64_t area = (int64_t)g.points * g.points;
    g.v = area * g.slots * s->in_channels;
    g.products = int_max(area * g.slots * kernel->weight_format.lanes, 2LL * CONV_COLS * g.points * g.width);
    g.outputs = PLAIN_WINOGRAD_CHANNELS * g.pixels;
    return g;
}

/* Channels of a set: not 128, of which two sets of 64 take 0.93 of the time (measured), and are more to share out. */
static int32_t set_channels(int32_t out_channels)
{
    enum { MOST = 112 };
    int32_t row = tiles_matrix_row(out_channels);
    return row > MOST ? row / 2 : row;
}

/* Whole rows of tiles at a time: so many tiles that weights, which are read again for each block, come in time from
 * wherever they lie. */
void tiles_choose_winograd_plain(Kernel *kernel)
{
    enum { TILES = 24 };
    const KernelSizes *s = &kernel->sizes;
    int32_t rows = ceil_div(s->out_rows, kernel->winograd.rows), cols = ceil_div(s->out_cols, kernel->winograd.cols);
    int32_t channels = set_channels(s->out_channels);
    kernel->weight_format = (PackFormat){.kind = PACK_WINOGRAD,
                                         .row_block = channels,
                                         .col_block = 1,
                                         .lanes = channels,
                                         .vectors = 1,
                                         .in_block = CONV_COLS,
                                         .window_rows = s->kernel_rows,
                                         .window_cols = s->kernel_cols,
                                         .winograd = kernel->winograd};
    kernel->block_tiles = cols * even_piece(rows, ceil_div(TILES, cols));
    kernel->tile_taps = (int32_t)tiles_matrix_taps(s->in_channels, channels);
    PlainWinograd g = plain_winograd(kernel);
    kernel->scratch_bytes = 4 * (g.v + g.products + g.outputs);
}
