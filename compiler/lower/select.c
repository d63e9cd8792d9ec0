/* Selection: which kernel family carries out an operation. A function of shape and target only, so that a network gives
 * the same code whatever its weights are. The constants of the chosen kernel (tiles, packing, scratch) are tiles.c's.
 *
 * One table of rules; the first whose condition holds decides. A faster kernel is a new row above the general one, with
 * its condition on target and shape and what it sets in the record. */
#include "lower/program.h"

/* Rows are set as emitters come in. */
const bool vector_kernel_ready[KERNEL_FAMILY_COUNT] = {
    [KERNEL_DEPTHWISE] = true,     [KERNEL_DENSE] = true,
    [KERNEL_MAX_POOL] = true,      [KERNEL_AVG_POOL] = true,
    [KERNEL_GLOBAL_POOL] = true,   [KERNEL_UNARY] = true,
    [KERNEL_BINARY] = true,        [KERNEL_CHANNEL_AFFINE] = true,
    [KERNEL_DIRECT] = true,        [KERNEL_PLANAR] = true,
    [KERNEL_CONVERT] = true,       [KERNEL_ZERO_HALO] = true,
    [KERNEL_WINOGRAD] = true,      [KERNEL_LRN] = true,
    [KERNEL_GROUPED] = true,       [KERNEL_FEW] = true,
    [KERNEL_BORDER] = true,        [KERNEL_UPSAMPLE] = true,
    [KERNEL_INSTANCE_NORM] = true, [KERNEL_SUBSAMPLE] = true,
    [KERNEL_GRAM] = true,          [KERNEL_SOFTMAX] = true,
};

typedef struct Rule {
    KernelFamily family;
    bool (*holds)(const Target *target, const KernelSizes *sizes);
} Rule;

/* One input channel that feeds many outputs is better served as a matrix product (LeNet's first layer). */
static bool is_depthwise(const Target *target, const KernelSizes *s)
{
    (void)target;
    return s->groups == s->in_channels && (s->in_channels > 1 || s->out_channels == 1);
}

/* A window that covers the whole input is a dense layer over the input as it lies in memory (LeNet's C5, squeeze
 * layers). The weights [oc][ic][ky][kx] are in that order already. */
static bool is_dense(const Target *target, const KernelSizes *s)
{
    (void)target;
    bool rows = s->out_rows == 1 && s->kernel_rows == s->in_rows && s->pad_top == 0 &&
                (s->dilation_rows == 1 || s->in_rows == 1);
    bool cols = s->out_cols == 1 && s->kernel_cols == s->in_cols && s->pad_left == 0 &&
                (s->dilation_cols == 1 || s->in_cols == 1);
    return s->groups == 1 && rows && cols;
}

static bool always(const Target *target, const KernelSizes *s)
{
    (void)target;
    (void)s;
    return true;
}

static const Rule conv_rules[] = {
    {KERNEL_DENSE, is_dense},
    {KERNEL_DEPTHWISE, is_depthwise},
    {KERNEL_CONV, always},
};

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
    enum { MOST_PLANES = 4 };
    return s->groups == 1 && s->in_channels <= MOST_PLANES && s->in_channels < target->channel_block;
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

/* 0: none; else m. Large images pay for the transforms of F(4x4); in small ones F(2x2) is steadier, streams fewer weights
 * and has a quarter of the rounding error. Longer windows need the points of F(4x4) for two outputs already. */
static int32_t winograd_of(const Target *target, const KernelSizes *s)
{
    enum { LEAST_CHANNELS = 16, LEAST_ROWS = 4, LARGE_ROWS = 28 };
    int32_t in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    int32_t block = target->channel_block, rows = s->kernel_rows, cols = s->kernel_cols;
    bool groups_fit = s->groups == 1 || (in_channels % block == 0 && out_channels % block == 0);
    bool unit = s->stride_rows == 1 && s->stride_cols == 1 && s->dilation_rows == 1 && s->dilation_cols == 1;
    bool worth = in_channels >= LEAST_CHANNELS && out_channels >= LEAST_CHANNELS && s->out_rows >= LEAST_ROWS &&
                 s->out_cols >= LEAST_ROWS;
    if (!groups_fit || !unit || !worth) {
        return 0;
    }
    if (rows == 3 && cols == 3) {
        return s->out_rows >= LARGE_ROWS && s->out_cols >= LARGE_ROWS ? 4 : 2;
    }
    if (rows == 5 && cols == 5) {
        return 2;
    }
    int32_t taps = rows == 1 ? cols : cols == 1 ? rows : 0;
    return taps == 3 ? 4 : taps == 7 ? 2 : 0;
}

bool select_vector_conv(const Target *target, bool winograd, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const bool *ready = vector_kernel_ready;
    kernel->vector = target->vector_floats;
    kernel->winograd = 0;
    if (is_dense(target, s)) {
        kernel->family = KERNEL_DENSE;
        become_dense(kernel);
        return ready[KERNEL_DENSE];
    }
    if (!is_image(s->in_rows, s->in_cols) || !is_image(s->out_rows, s->out_cols)) {
        return false;
    }
    if (s->groups > 1 && s->groups == s->in_channels && s->out_channels == s->in_channels) {
        kernel->family = KERNEL_DEPTHWISE;
        kernel->sizes.multiplier = 1;
        return ready[KERNEL_DEPTHWISE];
    }
    if (is_grouped_by_shuffles(target, s)) {
        kernel->family = KERNEL_GROUPED;
        return ready[KERNEL_GROUPED];
    }
    if (is_planar(target, s)) {
        kernel->family = KERNEL_PLANAR;
        return ready[KERNEL_PLANAR];
    }
    if (ready[KERNEL_FEW] && is_few(target, kernel)) {
        kernel->family = KERNEL_FEW;
        return true;
    }
    int32_t m = winograd && ready[KERNEL_WINOGRAD] ? winograd_of(target, s) : 0;
    kernel->winograd = m;
    kernel->family = m > 0 ? KERNEL_WINOGRAD : KERNEL_DIRECT;
    return m > 0 || (is_direct(target, s) && ready[KERNEL_DIRECT]);
}

/* --- any target, plain layouts */

void select_conv(const Target *target, Kernel *kernel)
{
    const Rule *rule = conv_rules;
    while (!rule->holds(target, &kernel->sizes)) {
        ++rule; /* the last rule always holds */
    }
    kernel->family = rule->family;
    if (kernel->family == KERNEL_DEPTHWISE) {
        kernel->sizes.multiplier = kernel->sizes.out_channels / kernel->sizes.in_channels;
    }
    if (kernel->family == KERNEL_DENSE) {
        become_dense(kernel);
    }
    tiles_choose(target, kernel);
}
