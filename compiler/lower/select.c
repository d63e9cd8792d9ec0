/* Selection: which kernel family carries out an operation. A function of shape and target only, so that a network gives
 * the same code whatever its weights are. The constants of the chosen kernel (tiles, packing, scratch) are tiles.c's.
 *
 * Two functions decide, select_conv for plain layouts and select_vector_conv for blocked ones: rules from the special to
 * the general, of which the first whose condition holds wins. A faster kernel is a new condition (is_.., takes_..) above the
 * general ones. Where only measurement tells what pays, a rule compares costs, which are counted in products of vectors. */
#include <math.h>

#include "lower/program.h"
#include "lower/tiles.h"

/* One input channel that feeds many outputs is better served as a matrix product (LeNet's first layer). */
static bool is_depthwise(const KernelSizes *s)
{
    return s->groups == s->in_channels && (s->in_channels > 1 || s->out_channels == 1);
}

/* A window that covers the whole input is a dense layer over the input as it lies in memory (LeNet's C5, squeeze
 * layers). The weights [oc][ic][ky][kx] are in that order already. */
static bool is_dense(const KernelSizes *s)
{
    bool rows = s->out_rows == 1 && s->kernel_rows == s->in_rows && s->pad_top == 0 &&
                (s->dilation_rows == 1 || s->in_rows == 1);
    bool cols = s->out_cols == 1 && s->kernel_cols == s->in_cols && s->pad_left == 0 &&
                (s->dilation_cols == 1 || s->in_cols == 1);
    return s->groups == 1 && rows && cols;
}

/* The record of a dense layer knows no windows: equal work, equal records. */
static void become_dense(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t inputs = s->in_channels * s->in_rows * s->in_cols, units = s->out_channels;
    kernel->sizes = (KernelSizes){
        .in_channels = inputs, .in_rows = 1, .in_cols = 1, .out_channels = units, .out_rows = 1, .out_cols = 1};
    kernel->in = layout_plain(type_f32_1(inputs));
    kernel->out = layout_plain(type_f32_1(units));
}

/* --- vector targets */

/* Where a channel's data are worth blocks at all: vectors are plain in every target. */
static bool is_image(int32_t rows, int32_t cols)
{
    return (int64_t)rows * cols > 1;
}

/* The input of a first layer: few planes, of which each pixel is broadcast. */
static bool is_planar(const Target *target, const KernelSizes *s)
{
    enum { FEW_PLANES = 6 };
    return s->groups == 1 && s->in_channels < target->channel_block &&
           (s->in_channels <= FEW_PLANES || s->in_channels * 2 <= target->channel_block);
}

/* Where channels fill a small part of a vector, neighbouring pixels of a row may fill more. */
static bool is_rows(const Target *target, const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = target->channel_block;
    return is_planar(target, s) && s->out_channels < b && s->stride_cols == 1 && s->out_cols >= b &&
           !kernel->epilogue.residual && ceil_div(s->out_cols, b) * s->out_channels * 8 < s->out_cols * 7;
}

static bool is_grouped_by_shuffles(const Target *target, const KernelSizes *s)
{
    int32_t channels = s->in_channels / s->groups;
    return s->groups > 1 && s->in_channels == s->out_channels && channels > 1 && channels < target->channel_block &&
           target->channel_block % channels == 0;
}

static bool is_direct(const Target *target, const KernelSizes *s)
{
    int32_t block = target->channel_block;
    return s->groups == 1 || (s->in_channels / s->groups % block == 0 && s->out_channels / s->groups % block == 0);
}

/* Output channels that would leave most lanes empty: lanes over the input's channels cost less, though each sum's lanes
 * must be added at the end. Counted in vector operations a pixel. */
static bool is_few(const Target *target, const Kernel *kernel)
{
    enum { MOST_CHANNELS = 4, ADDING = 6 };
    const KernelSizes *s = &kernel->sizes;
    int64_t b = target->channel_block, window = (int64_t)s->kernel_rows * s->kernel_cols;
    int64_t planes = (s->in_channels + b - 1) / b;
    return s->groups == 1 && s->out_channels <= MOST_CHANNELS && !kernel->epilogue.residual &&
           (planes * window + ADDING) * s->out_channels < planes * b * window;
}

/* --- Winograd: which tiles, if any. Costs are counted in products of one vector, as the micro-kernel does one a cycle. */

/* Additions and moves of one axis of the transforms, from the texts in backend/embed/vector_winograd.c. */
static const double input_cost[WINOGRAD_MOST_POINTS + 1] = {
    [1] = 1, [3] = 5, [4] = 8, [5] = 13, [6] = 17, [7] = 28, [8] = 29, [9] = 36};
static const double output_cost[WINOGRAD_MOST_POINTS + 1] = {
    [1] = 1, [3] = 4, [4] = 7, [5] = 11, [6] = 15, [7] = 18, [8] = 24, [9] = 36};

/* A vector of weights takes the time of so many products at least, however few tiles need it (measured). */
static double least_uses(const Target *target)
{
    return has_dear_products(target) ? 4.0 : 6.0;
}

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
    double products = fmax(tiles, least_uses(target)) * weights;
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
static bool has_transforms(const KernelSizes *s, WinogradTile m)
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
 * across was measured for dear products only. */
static WinogradTile cheapest_winograd(const Target *target, const KernelSizes *s, double in_planes, bool phases_apart,
                                      double *cheapest)
{
    WinogradTile best = {0};
    double least = 0.9 * *cheapest;
    WinogradTile m;
    for (m.rows = 2; m.rows <= WINOGRAD_MOST_OUTPUTS; ++m.rows) {
        for (m.cols = 2; m.cols <= WINOGRAD_MOST_OUTPUTS; ++m.cols) {
            if (has_transforms(s, m) && (m.rows == m.cols || has_dear_products(target))) {
                double cost = coarseness(s, m) * winograd_cost(target, s, m, in_planes, phases_apart);
                best = cost < least ? m : best;
                least = cost < least ? cost : least;
            }
        }
    }
    *cheapest = best.rows > 0 ? least : *cheapest;
    return best;
}

static bool is_undilated(const KernelSizes *s)
{
    return s->dilation_rows == 1 && s->dilation_cols == 1 && s->stride_rows == s->stride_cols;
}

/* Blocked convolutions of stride 1, and of stride 2 in four phases. */
static bool takes_winograd(const Target *target, const KernelSizes *s)
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

static bool takes_live(const Target *target, const KernelSizes *s)
{
    return takes_winograd(target, s) && s->kernel_rows == 3 && s->kernel_cols == 3;
}

static bool has_live_transform(const KernelSizes *s, int32_t m)
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

/* 0: none; else m of the cheapest tiles, which must cost less than `least`. With 16 registers of 8 floats where products
 * are dear, and for stride 2 alone, whose filters take few additions: else a chunk of few tiles spends its time on filters
 * (1.35 of the time for 512 channels at 7x7). Not with narrower vectors, where a product waits for the load of its input
 * (not measured).
 * Nor where images are large: V and sums of all tiles are to stay near. */
static int32_t live_of(const Target *target, const KernelSizes *s, double least)
{
    enum { LEAST_FLOATS = 16, LEAST_FLOATS_OF_STRIDES = 8, MOST_TILES = 56 };
    bool wide = target->registers >= MANY_REGISTERS && target->vector_floats >= LEAST_FLOATS;
    bool strides = s->stride_rows > 1 && target->products == 1 && target->vector_floats >= LEAST_FLOATS_OF_STRIDES;
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
static bool select_winograd(const Target *target, Kernel *kernel)
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

/* A first layer of a stride: its phases are few channels each, which lie side by side in the lanes of a vector. */
static bool takes_phases_in_lanes(const Target *target, const KernelSizes *s)
{
    return is_planar(target, s) && s->stride_rows > 1 && is_undilated(s) && s->out_channels >= target->channel_block;
}

static WinogradTile space_to_depth_of(const Target *target, const KernelSizes *s)
{
    int32_t stride = s->stride_rows, lanes = stride * stride * s->in_channels;
    if (!takes_phases_in_lanes(target, s)) {
        return (WinogradTile){0};
    }
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
static int32_t lines_of(const Target *target, const Kernel *kernel, bool rows)
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

/* --- Strassen */

/* What a vector of inputs, of outputs, of weights costs beyond what it does in a direct sum (fitted to measurements of 50
 * layers): sums before and after. Three quarters more weights come while products run. Images that no cache holds cost more
 * with 32 registers; with 16, whose blocks of pixels are small, 128->128 at 147x147 takes 0.94 of direct sums. */
static const double strassen_input_cost = 7.0, strassen_output_cost = 6.0, strassen_weight_cost = 1.0;
static const double strassen_far = 1.3, strassen_worth = 0.985;
enum { STRASSEN_IMAGES = 8 << 20 /* bytes of x and y */ };

/* Both costs without the time of weights that come from memory: products hide it in either form. */
static bool strassen_pays(const Target *target, const KernelSizes *s)
{
    double b = target->channel_block, in_planes = ceil_div(s->in_channels, target->channel_block);
    double out_planes = ceil_div(s->out_channels, target->channel_block);
    double pixels = s->out_rows * (double)s->out_cols, direct = pixels * in_planes * b * out_planes;
    double pairs = 2.0 * ceil_div(s->out_rows * s->out_cols, 2);
    bool is_far = target->registers >= MANY_REGISTERS && 4 * pixels * b * (in_planes + out_planes) > STRASSEN_IMAGES;
    double far = is_far ? strassen_far : 1.0;
    double halves = 4.0 * ceil_div(s->in_channels, 2 * target->channel_block) *
                    ceil_div(s->out_channels, 2 * target->channel_block),
           weights = halves * b;
    double cost = pairs * weights * 7.0 / 8.0 + strassen_weight_cost * weights +
                  far * pairs * (strassen_input_cost * in_planes + strassen_output_cost * out_planes);
    return cost < strassen_worth * direct;
}

/* 1x1 convolutions of two blocks of channels or more on both sides. */
static bool takes_strassen(const Target *target, const KernelSizes *s)
{
    bool halves = s->in_channels > target->channel_block && s->out_channels > target->channel_block;
    bool plain = s->groups == 1 && s->kernel_rows == 1 && s->kernel_cols == 1 && s->stride_rows == s->stride_cols &&
                 s->pad_top == 0 && s->pad_left == 0 && (s->out_rows - 1) * s->stride_rows < s->in_rows &&
                 (s->out_cols - 1) * s->stride_cols < s->in_cols;
    return halves && plain;
}

/* Whether seven block products are worth the additions around them. Measured for even numbers of blocks with 32 registers;
 * with 16, where products are dear, for any number: fewer than 128 channels on a side gained nothing, for more rounding
 * errors, and fewer than 256 where processors have no multiply-add (EfficientNet-B7 with SSE4.2: 3.7e-4 of the largest logit
 * from float64, 6e-5 from 256 channels on). Not where two vectors of products are made in a cycle, for which tiles of four
 * pixels were not measured. */
static bool is_strassen(const Target *target, const KernelSizes *s)
{
    enum { LEAST_PIXELS = 32, FMA_FLOATS = 8 };
    int32_t least_channels = target->vector_floats < FMA_FLOATS ? 256 : 128;
    int32_t in_blocks = ceil_div(s->in_channels, target->channel_block),
            out_blocks = ceil_div(s->out_channels, target->channel_block);
    bool measured = target->registers >= MANY_REGISTERS ? in_blocks % 2 == 0 && out_blocks % 2 == 0
                                                        : target->products == 1 && s->in_channels >= least_channels &&
                                                              s->out_channels >= least_channels;
    return takes_strassen(target, s) && measured && (int64_t)s->out_rows * s->out_cols >= LEAST_PIXELS &&
           strassen_pays(target, s);
}

bool select_vector_conv(const Target *target, bool winograd, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    kernel->vector = target->vector_floats;
    kernel->winograd = (WinogradTile){0};
    kernel->lane_phases = kernel->lines = 0;
    if (is_dense(s)) {
        kernel->family = KERNEL_DENSE;
        become_dense(kernel);
        return true;
    }
    if (!is_image(s->in_rows, s->in_cols) || !is_image(s->out_rows, s->out_cols)) {
        return false;
    }
    if (s->groups > 1 && s->groups == s->in_channels && s->out_channels == s->in_channels) {
        kernel->family = KERNEL_DEPTHWISE;
        kernel->sizes.multiplier = 1;
        return true;
    }
    if (is_grouped_by_shuffles(target, s)) {
        kernel->family = KERNEL_GROUPED;
        return true;
    }
    if (is_rows(target, kernel)) {
        kernel->family = KERNEL_ROWS;
        kernel->lines = winograd ? lines_of(target, kernel, true) : 0;
        return true;
    }
    if (is_planar(target, s)) {
        kernel->winograd = winograd ? space_to_depth_of(target, s) : (WinogradTile){0};
        if (kernel->winograd.rows > 0) {
            kernel->family = KERNEL_WINOGRAD;
            kernel->lane_phases = s->stride_rows;
            return true;
        }
        kernel->family = KERNEL_PLANAR;
        kernel->lines = winograd ? lines_of(target, kernel, false) : 0;
        return true;
    }
    if (is_few(target, kernel)) {
        kernel->family = KERNEL_FEW;
        return true;
    }
    if (winograd && select_winograd(target, kernel)) {
        return true;
    }
    if (winograd && is_strassen(target, s)) {
        kernel->family = KERNEL_STRASSEN;
        return true;
    }
    kernel->family = KERNEL_DIRECT;
    return is_direct(target, s);
}

/* --- what a choice from outside may be */

bool vector_conv_fits(const Target *target, KernelFamily family, WinogradTile winograd, const KernelSizes *sizes)
{
    /* With a residual: where rows are the rule they are no choice, and where they are not, sizes do not tell. */
    Kernel rules = {.sizes = *sizes, .epilogue.residual = true};
    if (!select_vector_conv(target, true, &rules)) {
        return false;
    }
    if (rules.family == KERNEL_PLANAR || rules.lane_phases > 0) {
        return family == KERNEL_PLANAR ||
               (family == KERNEL_WINOGRAD && takes_phases_in_lanes(target, sizes) && has_transforms(sizes, winograd));
    }
    if (rules.family == KERNEL_DIRECT || is_winograd(rules.family) || rules.family == KERNEL_STRASSEN) {
        if (family == KERNEL_STRASSEN) {
            return takes_strassen(target, sizes);
        }
        if (family == KERNEL_WINOGRAD_LIVE) {
            return takes_live(target, sizes) && winograd.rows == winograd.cols &&
                   has_live_transform(sizes, winograd.rows);
        }
        return family == KERNEL_WINOGRAD ? takes_winograd(target, sizes) && has_transforms(sizes, winograd)
                                         : family == KERNEL_DIRECT && is_direct(target, sizes);
    }
    return family == rules.family;
}

void vector_conv_take(const Target *target, KernelFamily family, WinogradTile winograd, Kernel *kernel)
{
    kernel->family = family;
    kernel->winograd = winograd;
    kernel->lines = family == KERNEL_PLANAR ? kernel->lines : 0;
    bool phases = family == KERNEL_WINOGRAD && is_planar(target, &kernel->sizes);
    kernel->lane_phases = phases ? kernel->sizes.stride_rows : 0;
}

/* --- any target, plain layouts */

void select_conv(const Target *target, Kernel *kernel)
{
    KernelSizes *s = &kernel->sizes;
    if (is_dense(s)) {
        kernel->family = KERNEL_DENSE;
        become_dense(kernel);
    } else if (is_depthwise(s)) {
        kernel->family = KERNEL_DEPTHWISE;
        s->multiplier = s->out_channels / s->in_channels;
    } else {
        kernel->family = KERNEL_CONV;
    }
    tiles_choose(target, kernel);
}
