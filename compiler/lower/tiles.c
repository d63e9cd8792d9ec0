/* Tiles: the last choices of a kernel record, which follow from its sizes: how weights are packed, how much of the work
 * is done at a time, and the scratch memory that takes. The emitters (backend/emit_<family>.c) rely on these values.
 *
 * conv is a matrix product: rows = output channels, inner dimension = taps (input channel, ky, kx), columns = output
 * pixels. A tile of pixels is gathered tap by tap into scratch, so that the product runs over plain rows of constant
 * length. Small images do not fill such rows: there rows and columns change places. Figures below were measured with gcc 12
 * and clang 14, with and without AVX-512 (bench/NOTES.md). */
#include "lower/tiles.h"
#include "support/ints.h"

enum {
    CONV_PIXELS = 112,     /* at most of a tile whose rows are channels */
    CONV_L1_FLOATS = 9216, /* a block of gathered taps stays in L1: 36 KiB */
    CONV_SINGLE_FLOATS =
        18432, /* up to here all taps are gathered at once: no accumulators but those of four channels */
    DENSE_WIDE = 64,
    DENSE_NARROW = 16,
    GRAM_PIXELS = 256, /* of two channels multiplied at once */
    SCRATCH_ALIGN = 64
};

/* Lengths of rows that both compilers turn into whole vectors, and what a product costs in each, in percent of the first. */
typedef struct ConvRow {
    int32_t length, cost;
} ConvRow;

static const ConvRow conv_rows[] = {{64, 100}, {112, 96}, {128, 96}, {96, 101},
                                    {80, 104}, {48, 101}, {32, 108}, {16, 125}};

static int64_t row_cost(const ConvRow *row, int64_t count)
{
    return int_align_up(count, row->length) * row->cost;
}

/* The rows that waste least of a partly filled last one, for `count` pixels or channels; of equals those that are faster. */
static const ConvRow *conv_row(int64_t count)
{
    const ConvRow *best = conv_rows;
    for (size_t i = 1; i < sizeof conv_rows / sizeof conv_rows[0]; ++i) {
        if (row_cost(&conv_rows[i], count) < row_cost(best, count)) {
            best = &conv_rows[i];
        }
    }
    return best;
}

int32_t tiles_matrix_row(int64_t count)
{
    return conv_row(count)->length;
}

static int64_t conv_taps(const KernelSizes *s)
{
    return (int64_t)(s->in_channels / s->groups) * s->kernel_rows * s->kernel_cols;
}

/* Products of a group whose rows of sums are pixels of a channel; of a group's channels of a pixel, with what it takes to turn
 * what is gathered for them, and their outputs: both in products of the micro-kernel for each number. */
static double cost_of_pixels(const KernelSizes *s)
{
    int64_t pixels = (int64_t)s->out_rows * s->out_cols, channels = s->out_channels / s->groups;
    double sums = (double)row_cost(conv_row(pixels), pixels) * (double)int_align_up(channels, CONV_ROWS);
    return sums / 100.0 * (double)conv_taps(s);
}

static double cost_of_channels(const KernelSizes *s)
{
    enum { TURN_INPUT = 5, TURN_OUTPUT = 10 };
    int64_t pixels = (int64_t)s->out_rows * s->out_cols, channels = s->out_channels / s->groups;
    double sums = (double)row_cost(conv_row(channels), channels) * (double)int_align_up(pixels, CONV_ROWS);
    double taps = (double)conv_taps(s);
    return sums / 100.0 * taps + (double)pixels * (TURN_INPUT * taps + TURN_OUTPUT * (double)channels);
}

/* Whether rows of sums are channels of a pixel, not pixels of a channel: of 7x7 pixels a row of 64 wastes a quarter. It must
 * save 8 %: 6 % of this count, for 17x17 pixels, was 3 % more of Inception v3. */
static bool rows_are_channels(const KernelSizes *s)
{
    return s->groups == 1 && conv_taps(s) % CONV_COLS == 0 && cost_of_channels(s) < 0.92 * cost_of_pixels(s);
}

double tiles_conv_cost(const KernelSizes *s)
{
    return s->groups * (rows_are_channels(s) ? cost_of_channels(s) : cost_of_pixels(s));
}

double tiles_matrix_cost(int64_t rows, int64_t channels, int64_t inputs)
{
    double sums = (double)row_cost(conv_row(channels), channels) * (double)int_align_up(rows, CONV_ROWS);
    return sums / 100.0 * (double)inputs;
}

int64_t tiles_matrix_taps(int64_t taps, int64_t length)
{
    if (int_align_up(taps, CONV_COLS) * length <= CONV_SINGLE_FLOATS) {
        return int_align_up(taps, CONV_COLS);
    }
    int64_t blocks = int_div_up(taps, CONV_L1_FLOATS / length / CONV_COLS * CONV_COLS);
    for (int64_t n = blocks; n <= blocks + blocks / 4 + 1; ++n) {
        if (taps % (n * CONV_COLS) == 0) {
            return taps / n; /* no shorter last block */
        }
    }
    return int_align_up(int_div_up(taps, blocks), CONV_COLS);
}

static void choose_conv(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t taps = conv_taps(s), pixels = (int64_t)s->out_rows * s->out_cols;
    bool wide = rows_are_channels(s);
    int64_t rows = wide ? tiles_matrix_row(s->out_channels) : CONV_ROWS;
    int64_t tile_pixels = wide ? int_align_up(even_piece(pixels, CONV_PIXELS), CONV_ROWS) : tiles_matrix_row(pixels);
    int64_t tile_taps = tiles_matrix_taps(taps, wide ? int_max(rows, tile_pixels) : tile_pixels);
    bool single = taps <= tile_taps;
    int64_t accumulators = single ? rows : int_align_up(s->out_channels / s->groups, rows);
    kernel->weight_format = wide ? pack_rows((int32_t)rows, 1) : pack_rows(CONV_ROWS, CONV_COLS);
    kernel->tile_pixels = (int32_t)tile_pixels;
    kernel->tile_taps = (int32_t)tile_taps;
    kernel->scratch_bytes = 4 * tile_pixels * ((wide ? 2 : 1) * tile_taps + accumulators);
}

/* A row of sums, and one channel with its border of zeros unless the windows never leave the input. */
static void choose_depthwise(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t rows = window_extent(s->out_rows, s->kernel_rows, s->stride_rows, s->dilation_rows);
    int64_t cols = window_extent(s->out_cols, s->kernel_cols, s->stride_cols, s->dilation_cols);
    bool inside = s->pad_top == 0 && s->pad_left == 0 && rows <= s->in_rows && cols <= s->in_cols;
    kernel->weight_format = pack_rows(1, 1);
    kernel->scratch_bytes = 4 * (s->out_cols + (inside ? 0 : rows * cols));
}

/* Outputs side by side; narrow blocks where wide ones would be more than a tenth of padding. */
static void choose_dense(Kernel *kernel)
{
    int32_t units = kernel->sizes.out_channels;
    bool wide = int_align_up(units, DENSE_WIDE) * 10 <= (int64_t)units * 11;
    kernel->weight_format = pack_rows(wide ? DENSE_WIDE : DENSE_NARROW, 1);
}

/* One row of the padded input, reduced over the rows of the window. */
static void choose_pool(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    kernel->scratch_bytes = s->adaptive ? 0 : 4 * window_extent(s->out_cols, s->kernel_cols, s->stride_cols, 1);
}

/* As conv, for each phase on its own (transposed.c): whole input channels at a time, each with the taps of the phase
 * that has most. Beside them the weights of those taps for four channels, in the micro-kernel's order. */
static void choose_conv_transpose(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t taps = (int64_t)transposed_taps(s, 0) * transposed_taps(s, 1), channels = s->in_channels / s->groups;
    int64_t tile = tiles_matrix_row(int_div_up(s->out_rows, s->stride_rows) * int_div_up(s->out_cols, s->stride_cols));
    if (channels * taps * tile > CONV_SINGLE_FLOATS) {
        int64_t fitting = CONV_L1_FLOATS / tile / taps;
        channels = fitting < 1 ? 1 : fitting < channels ? fitting : channels;
    }
    kernel->weight_format = pack_rows(CONV_ROWS, 1);
    kernel->tile_pixels = (int32_t)tile;
    kernel->tile_taps = (int32_t)int_align_up(channels * taps, CONV_COLS);
    bool single = kernel->tile_taps / taps >= s->in_channels / s->groups;
    int64_t accumulators = single ? CONV_ROWS : int_align_up(s->out_channels / s->groups, CONV_ROWS);
    kernel->scratch_bytes = 4 * (tile * (kernel->tile_taps + accumulators) + CONV_ROWS * kernel->tile_taps);
}

/* A row of sums, and one of the products of a single connection. */
static void choose_table_conv(Kernel *kernel)
{
    kernel->weight_format = pack_rows(1, 1);
    kernel->scratch_bytes = 4 * 2 * (int64_t)kernel->sizes.out_cols;
}

/* A product of the channels with themselves: a stretch of pixels of some channels, the same of four others, sums. */
static void choose_gram(Kernel *kernel)
{
    int64_t channels = kernel->sizes.in_channels, tile = tiles_matrix_row(channels);
    int64_t pixels = (int64_t)kernel->sizes.in_rows * kernel->sizes.in_cols;
    int64_t taps = int_align_up(pixels < GRAM_PIXELS ? pixels : GRAM_PIXELS, CONV_COLS);
    kernel->tile_pixels = (int32_t)tile;
    kernel->tile_taps = (int32_t)taps;
    kernel->scratch_bytes = 4 * (taps * (tile + CONV_ROWS) + int_align_up(channels, CONV_ROWS) * tile);
}

static void choose(const Target *target, Kernel *kernel)
{
    kernel->weight_format = (PackFormat){.storage = kernel->weight_format.storage};
    kernel->tile_pixels = kernel->tile_taps = kernel->block_tiles = 0;
    kernel->scratch_bytes = 0;
    if (kernel->vector > 1) {
        kernel->tile_rows = kernel->tile_cols = kernel->tile_round = kernel->prefetch_bytes = 0;
        kernel->pixels_outer = kernel->input_ahead = false;
        tiles_choose_vector(target, kernel);
        kernel->scratch_bytes = int_align_up(kernel->scratch_bytes, SCRATCH_ALIGN);
        return;
    }
    kernel->vector = 1;
    switch (kernel->family) {
    case KERNEL_CONV:
        choose_conv(kernel);
        break;
    case KERNEL_WINOGRAD:
        tiles_choose_winograd_plain(kernel);
        break;
    case KERNEL_DEPTHWISE:
        choose_depthwise(kernel);
        break;
    case KERNEL_DENSE:
        choose_dense(kernel);
        break;
    case KERNEL_MAX_POOL:
    case KERNEL_AVG_POOL:
        choose_pool(kernel);
        break;
    case KERNEL_UNARY:
        if (kernel->epilogue.act.op == OP_PRELU) {
            kernel->weight_format = pack_rows(1, 1);
        }
        break;
    case KERNEL_CONV_TRANSPOSE:
        choose_conv_transpose(kernel);
        break;
    case KERNEL_TABLE_CONV:
        choose_table_conv(kernel);
        break;
    case KERNEL_SUBSAMPLE: /* the rows of a window, reduced to one */
        kernel->weight_format = pack_rows(1, 1);
        kernel->scratch_bytes = 4 * (int64_t)kernel->sizes.out_cols * kernel->sizes.kernel_cols;
        break;
    case KERNEL_UPSAMPLE: /* two rows mixed, and the first and last pixel once more */
        kernel->scratch_bytes = kernel->sizes.bilinear ? 4 * ((int64_t)kernel->sizes.in_cols + 2) : 0;
        break;
    case KERNEL_GRAM:
        choose_gram(kernel);
        break;
    case KERNEL_INSTANCE_NORM:
        if (kernel->epilogue.bias) {
            kernel->weight_format = pack_rows(1, 1);
        }
        break;
    case KERNEL_CHANNEL_AFFINE:
    case KERNEL_RBF:
    case KERNEL_PIXELS:
        kernel->weight_format = pack_rows(1, 1);
        break;
    case KERNEL_L2_NORMALIZE:
    case KERNEL_BORDER:
    case KERNEL_REDUCE:
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
    case KERNEL_GLOBAL_POOL:
    case KERNEL_BINARY:
    case KERNEL_LRN:
    case KERNEL_SOFTMAX:
    case KERNEL_COPY:
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_ROWS:
    case KERNEL_WINOGRAD_LIVE:
    case KERNEL_STRASSEN:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
    case KERNEL_CONVERT:
    case KERNEL_SPACE_TO_DEPTH:
    case KERNEL_ZERO_HALO:
    case KERNEL_FAMILY_COUNT:
        break;
    }
    kernel->scratch_bytes = int_align_up(kernel->scratch_bytes, SCRATCH_ALIGN);
}

void tiles_choose(const Target *target, Kernel *kernel)
{
    const Storage storage = kernel->weight_format.storage;
    choose(target, kernel);
    kernel->weight_format.storage = storage;
}
