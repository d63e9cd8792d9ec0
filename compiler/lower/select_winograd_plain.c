/* Which tiles of Winograd's convolution pay in plain C, if any. Costs are counted in products of the micro-kernel. */
#include "lower/select.h"
#include "lower/tiles.h"

/* What is left out: windows and strides it is not written for, indices past 2^31, and few channels, as small processors
 * have, for which larger weights and scratch are no bargain. */
static bool takes_plain_winograd(const KernelSizes *s)
{
    enum { LEAST_CHANNELS = 32, LEAST_SIDE = 4, MOST_PAD = 2 };
    int64_t largest = int_max(s->in_rows * (int64_t)s->in_cols, s->out_rows * (int64_t)s->out_cols);
    largest *= int_max(s->in_channels, s->out_channels);
    int64_t weights = (int64_t)WINOGRAD_FEW_POINTS * WINOGRAD_FEW_POINTS * s->in_channels * s->out_channels;
    return s->groups == 1 && is_undilated(s) && s->stride_rows == 1 && s->kernel_rows == 3 && s->kernel_cols == 3 &&
           s->pad_top <= MOST_PAD && s->pad_left <= MOST_PAD && s->in_channels % CONV_COLS == 0 &&
           s->in_channels >= LEAST_CHANNELS && s->out_channels >= LEAST_CHANNELS && s->out_rows >= LEAST_SIDE &&
           s->out_cols >= LEAST_SIDE && int_max(largest, weights) < INT32_MAX / 8;
}

/* Of what smaller tiles, or direct sums, cost: for less, weights would not be made larger. */
static const double worth = 0.85;

/* A float of weights, most of which come from memory; of inputs and of outputs at a point: transforms (measured). */
enum { WEIGHT = 7, INPUT = 8, OUTPUT = 8 };

static double plain_winograd_cost(const KernelSizes *s, int32_t m)
{
    int32_t area = winograd_points(m, s->kernel_rows) * winograd_points(m, s->kernel_cols);
    double tiles = (double)ceil_div(s->out_rows, m) * ceil_div(s->out_cols, m);
    double in = s->in_channels, out = s->out_channels;
    return area * (tiles_matrix_cost((int64_t)tiles, s->out_channels, s->in_channels) + WEIGHT * in * out +
                   tiles * (INPUT * in + OUTPUT * out));
}

WinogradTile select_plain_winograd(const KernelSizes *s)
{
    static const int32_t sides[] = {2, 4};
    WinogradTile best = {0};
    if (!takes_plain_winograd(s)) {
        return best;
    }
    double least = tiles_conv_cost(s) + WEIGHT * 9.0 * s->in_channels * s->out_channels;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; ++i) {
        double cost = plain_winograd_cost(s, sides[i]);
        if (cost < worth * least) {
            best = winograd_square(sides[i]);
            least = cost;
        }
    }
    return best;
}
