/* Which tiles of Winograd's convolution pay, if any: in two dimensions, with filters transformed ahead or where they are
 * used, of a first layer's phases, and down the columns only. Costs are counted in products of one vector, as the
 * micro-kernel does one a cycle. */
#include <math.h>

#include "lower/select.h"
#include "lower/tiles.h"

/* --- filters transformed ahead */

/* Additions and moves of one axis of the transforms, from the texts in backend/embed/vector_winograd.c. */
static const double input_cost[WINOGRAD_MOST_POINTS + 1] = {
    [1] = 1, [3] = 5, [4] = 8, [5] = 13, [6] = 17, [7] = 28, [8] = 29, [9] = 36};
static const double output_cost[WINOGRAD_MOST_POINTS + 1] = {
    [1] = 1, [3] = 4, [4] = 7, [5] = 11, [6] = 15, [7] = 18, [8] = 24, [9] = 36};

enum { STREAM_FROM = 4 << 20 /* bytes of weights that no cache keeps from one image to the next */ };

/* Memory is asked ahead of time, but products and memory hide each other in part only (measured). */
static double overlapped(double products, double stream)
{
    return products > stream ? products + 0.3 * stream : stream + 0.3 * products;
}

/* So many vectors of weights from memory, or from a cache: nothing then. */
static double stream_cost(const Target *target, double vectors)
{
    return 4 * vectors * target->channel_block >= STREAM_FROM ? target->stream_cost * vectors : 0;
}

/* Of `in_planes` vectors of inputs a pixel, in S x S phases of which those that add nothing to a point are left out. */
static double winograd_cost(const Target *target, const KernelSizes *s, WinogradTile m, double in_planes,
                            bool phases_apart)
{
    double b = target->channel_block, groups = s->groups, stride = s->stride_rows;
    double out_planes = ceil_div(s->out_channels / s->groups, target->channel_block);
    int32_t tap_rows = winograd_taps(s->kernel_rows, s->stride_rows);
    int32_t tap_cols = winograd_taps(s->kernel_cols, s->stride_rows);
    int32_t rows = winograd_points(m.rows, tap_rows), cols = winograd_points(m.cols, tap_cols);
    double tiles = (double)ceil_div(s->out_rows, winograd_outputs(m.rows, tap_rows)) *
                   ceil_div(s->out_cols, winograd_outputs(m.cols, tap_cols));
    double all = stride * stride, points = all * rows * cols; /* each in each phase */
    if (phases_apart && s->stride_rows > 1) {
        points = (stride * (rows - 1) + winograd_phases(s->kernel_rows, s->stride_rows, true)) *
                 (stride * (cols - 1) + winograd_phases(s->kernel_cols, s->stride_rows, true));
    }
    double weights = points * in_planes * b * out_planes;
    double in = cols * input_cost[rows] + rows * input_cost[cols] + rows * cols;
    double out = cols * output_cost[rows] + winograd_outputs(m.rows, tap_rows) * output_cost[cols] + 2 * rows * cols;
    double transforms = tiles * (all * in_planes * in + out_planes * out);
    double products = fmax(tiles, target->near_cost) * weights;
    return groups * (overlapped(products, stream_cost(target, weights)) + transforms);
}

static double direct_cost(const Target *target, const KernelSizes *s, double in_planes)
{
    double b = target->channel_block, out_planes = ceil_div(s->out_channels / s->groups, target->channel_block);
    double weights = in_planes * b * s->kernel_rows * s->kernel_cols * out_planes;
    return s->groups * overlapped(s->out_rows * (double)s->out_cols * weights, stream_cost(target, weights));
}

static bool has_transform(int32_t m, int32_t taps)
{
    static const bool known[WINOGRAD_MOST_POINTS + 1][8] = {[3] = {[2] = true},
                                                            [4] = {[2] = true, [3] = true},
                                                            [5] = {[3] = true, [4] = true},
                                                            [6] = {[2] = true, [4] = true},
                                                            [7] = {[4] = true, [5] = true},
                                                            [8] = {[2] = true, [4] = true, [6] = true, [7] = true},
                                                            [9] = {[3] = true, [5] = true, [7] = true}};
    int32_t points = winograd_points(m, taps);
    return taps == 1 || (points <= WINOGRAD_MOST_POINTS && known[points][m]);
}

static bool is_tile_side(int32_t m)
{
    return m >= 2 && m <= WINOGRAD_MOST_OUTPUTS;
}

/* A window of one row or column. */
static bool is_line(const KernelSizes *s)
{
    return s->kernel_rows == 1 || s->kernel_cols == 1;
}

/* Along both axes; of lines, tiles are said as squares. */
bool has_transforms(const KernelSizes *s, WinogradTile m)
{
    return is_tile_side(m.rows) && is_tile_side(m.cols) && (!is_line(s) || m.rows == m.cols) &&
           has_transform(m.rows, winograd_taps(s->kernel_rows, s->stride_rows)) &&
           has_transform(m.cols, winograd_taps(s->kernel_cols, s->stride_rows));
}

/* Tiles of 7x7 have two to three times the errors of smaller ones (F(5x5,5x5) as F(6x6,3x3)), for which something must be
 * gained: of stride 2, where four phases add up, more. */
static double coarseness(const KernelSizes *s, WinogradTile m)
{
    const double coarse = 1.05, coarse_phases = 1.2;
    double axes = (m.rows == WINOGRAD_MOST_OUTPUTS) + (m.cols == WINOGRAD_MOST_OUTPUTS);
    return is_line(s) ? 1.0 : pow(s->stride_rows > 1 ? coarse_phases : coarse, axes / 2);
}

/* None, or the cheapest tiles, which must save a tenth of *cheapest at least; that becomes their cost. Another m down than
 * across was measured with few registers only. */
static WinogradTile cheapest_winograd(const Target *target, const KernelSizes *s, double in_planes, bool phases_apart,
                                      double *cheapest)
{
    WinogradTile best = {0};
    double least = 0.9 * *cheapest;
    WinogradTile m;
    for (m.rows = 2; m.rows <= WINOGRAD_MOST_OUTPUTS; ++m.rows) {
        for (m.cols = 2; m.cols <= WINOGRAD_MOST_OUTPUTS; ++m.cols) {
            if (has_transforms(s, m) && (m.rows == m.cols || target->registers < MANY_REGISTERS)) {
                double cost = coarseness(s, m) * winograd_cost(target, s, m, in_planes, phases_apart);
                best = cost < least ? m : best;
                least = cost < least ? cost : least;
            }
        }
    }
    *cheapest = best.rows > 0 ? least : *cheapest;
    return best;
}

/* Blocked convolutions of stride 1, and of stride 2 in four phases. */
bool takes_winograd(const Target *target, const KernelSizes *s)
{
    enum { LEAST_ROWS = 4 };
    int32_t in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    int32_t block = target->channel_block;
    bool groups_fit = s->groups == 1 || (in_channels % block == 0 && out_channels % block == 0);
    bool strides_fit = s->stride_rows == 1 || (s->stride_rows == 2 && s->groups == 1 && !is_line(s) &&
                                               s->kernel_rows % 2 == 1 && s->kernel_cols % 2 == 1);
    return groups_fit && is_undilated(s) && strides_fit && s->out_rows >= LEAST_ROWS && s->out_cols >= LEAST_ROWS &&
           s->kernel_rows * s->kernel_cols > 1;
}

/* --- filters that are transformed where they are used */

bool takes_live(const Target *target, const KernelSizes *s)
{
    return takes_winograd(target, s) && s->kernel_rows == 3 && s->kernel_cols == 3;
}

bool has_live_transform(const KernelSizes *s, int32_t m)
{
    int32_t taps = winograd_taps(3, s->stride_rows);
    return is_tile_side(m) && winograd_points(m, taps) <= WINOGRAD_FEW_POINTS && has_transform(m, taps);
}

/* Additions that take nine taps to all points, by stride and points of an axis. One takes three tenths of a product's time
 * beside products (measured). */
static const double live_additions[2][WINOGRAD_MOST_POINTS + 1] = {{[4] = 24, [5] = 67, [6] = 96, [7] = 155, [8] = 192},
                                                                   {[3] = 8, [4] = 20, [5] = 48, [8] = 150}};

/* Bytes of V that the second level keeps; what a vector of a larger one costs (measured). */
enum { LIVE_NEAR = 1 << 20, LIVE_FAR_COST = 4 };

static double live_cost(const Target *target, const KernelSizes *s, int32_t m)
{
    int32_t points = winograd_points(m, winograd_taps(3, s->stride_rows)), stride = s->stride_rows;
    double tiles = (double)ceil_div(s->out_rows, m) * ceil_div(s->out_cols, m);
    int32_t chunk = winograd_live_chunk(target, points, (int64_t)tiles);
    double chunks = ceil_div((int32_t)tiles, chunk);
    double in_planes = ceil_div(s->in_channels / s->groups, target->channel_block);
    double out_planes = ceil_div(s->out_channels / s->groups, target->channel_block);
    double filters = (double)s->in_channels / s->groups * out_planes;
    double axis = stride * (points - 1) + winograd_phases(3, stride, true), phases = stride * stride;
    double products = chunks * (chunk * axis * axis + 0.3 * live_additions[stride - 1][points]);
    double in = 2 * points * input_cost[points] + points * points;
    double out = (points + m) * output_cost[points] + 2 * points * points;
    double transforms = tiles * (phases * in_planes * in + out_planes * out);
    double v = phases * in_planes * points * points * chunks * chunk; /* vectors, read for each vector of outputs */
    double far = 4 * v * target->channel_block > LIVE_NEAR ? LIVE_FAR_COST * v * out_planes : 0;
    return s->groups * (overlapped(products * filters, stream_cost(target, 9 * filters)) + transforms + far);
}

/* 0: none; else m of the cheapest tiles, which must cost less than `least`. With 16 registers of 8 floats for stride 2
 * alone, whose filters take few additions: else a chunk of few tiles spends its time on filters (1.2 to 1.35 of the time
 * for 512 channels at 7x7). Not with narrower vectors, where a product waits for the load of its input (not measured).
 * Nor where images are large: V and sums of all tiles are to stay near. */
static int32_t live_of(const Target *target, const KernelSizes *s, double least)
{
    enum { LEAST_FLOATS = 16, LEAST_FLOATS_OF_STRIDES = 8, MOST_TILES = 56 };
    bool wide = target->registers >= MANY_REGISTERS && target->vector_floats >= LEAST_FLOATS;
    bool strides = s->stride_rows > 1 && target->vector_floats >= LEAST_FLOATS_OF_STRIDES;
    if (!(wide || strides) || !takes_live(target, s)) {
        return 0;
    }
    int32_t best = 0;
    for (int32_t m = 2; m <= WINOGRAD_MOST_OUTPUTS; ++m) {
        bool near =
            has_live_transform(s, m) && (int64_t)ceil_div(s->out_rows, m) * ceil_div(s->out_cols, m) <= MOST_TILES;
        double cost = near ? coarseness(s, winograd_square(m)) * live_cost(target, s, m) : least;
        best = cost < least ? m : best;
        least = cost < least ? cost : least;
    }
    return best;
}

/* Sets family and winograd where a form of Winograd's convolution pays. */
bool select_winograd(const Target *target, Kernel *kernel)
{
    enum { LEAST_CHANNELS = 16 };
    const KernelSizes *s = &kernel->sizes;
    int32_t in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    if (!takes_winograd(target, s) || in_channels < LEAST_CHANNELS || out_channels < LEAST_CHANNELS) {
        return false;
    }
    double planes = ceil_div(in_channels, target->channel_block), least = direct_cost(target, s, planes);
    WinogradTile m = cheapest_winograd(target, s, planes, true, &least);
    least *= m.rows > 0 ? 0.95 : 0.9; /* of stored filters a twentieth, of direct sums a tenth */
    int32_t live = live_of(target, s, least);
    kernel->family = live > 0 ? KERNEL_WINOGRAD_LIVE : KERNEL_WINOGRAD;
    kernel->winograd = live > 0 ? winograd_square(live) : m;
    return kernel->winograd.rows > 0;
}

/* --- a first layer's phases in lanes */

WinogradTile space_to_depth_of(const Target *target, const KernelSizes *s)
{
    int32_t stride = s->stride_rows, lanes = stride * stride * s->in_channels;
    /* Lanes that do not exist cost no products where there is one vector of them. */
    double planes = ceil_div(lanes, target->channel_block);
    double products = planes > 1 ? planes : 4.0 * ceil_div(lanes, 4) / target->channel_block;
    double direct = direct_cost(target, s, (double)s->in_channels / target->channel_block);
    return cheapest_winograd(target, s, products / (stride * stride), false, &direct);
}

/* --- Winograd down the columns only, for few planes: vectors are pixels or output channels as in direct sums, so that no
 * lane is lost to channels that do not exist, and one axis of transforms costs little. */

/* Vectors of a row of the output: of its pixels, or of its channels. */
static double lines_vectors(const Target *target, const KernelSizes *s, bool rows)
{
    int32_t b = target->channel_block;
    return rows ? (double)s->out_channels * ceil_div(s->out_cols, b)
                : (double)ceil_div(s->out_channels, b) * s->out_cols;
}

/* Of m rows of the output at once; V is written and read once, sums too. Nine points have larger errors, which
 * something must be gained for. */
static double lines_cost(const Target *target, const KernelSizes *s, int32_t m, bool rows)
{
    int32_t b = target->channel_block, points = winograd_points(m, s->kernel_rows);
    double taps = (double)s->in_channels * s->kernel_cols, width = s->out_cols + s->kernel_cols - 1;
    double in = s->in_channels * ceil_div((int32_t)width, b) * (input_cost[points] + 2 * points);
    double out = lines_vectors(target, s, rows) * (points * (taps + 1) + output_cost[points]);
    return (points == WINOGRAD_MOST_POINTS ? 1.1 : 1.0) * ceil_div(s->out_rows, m) * (in + out);
}

/* 0: none. */
int32_t lines_of(const Target *target, const Kernel *kernel, bool rows)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = target->channel_block, best = 0;
    if (!is_undilated(s) || s->stride_rows != 1 || s->kernel_rows == 1 || kernel->epilogue.residual ||
        2 * (s->out_cols + s->kernel_cols - 1) < b) {
        return 0;
    }
    double least =
        0.9 * lines_vectors(target, s, rows) * s->out_rows * s->in_channels * s->kernel_rows * s->kernel_cols;
    for (int32_t m = 2; m <= WINOGRAD_MOST_OUTPUTS && m <= s->out_rows; ++m) {
        double cost = has_transform(m, s->kernel_rows) ? lines_cost(target, s, m, rows) : least;
        best = cost < least ? m : best;
        least = cost < least ? cost : least;
    }
    return best;
}
