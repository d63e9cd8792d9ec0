/* Selection: which kernel family carries out an operation. A function of shape and target only, so that a network gives
 * the same code whatever its weights are. The constants of the chosen kernel (tiles, packing, scratch) are tiles.c's.
 *
 * Two functions decide, select_conv for plain layouts and select_vector_conv for blocked ones: rules from the special to
 * the general, of which the first whose condition holds wins. A faster kernel is a new condition (is_.., takes_..) above the
 * general ones. What pays where is a matter of cost for Winograd's and Strassen's algorithms: select_winograd.c,
 * select_strassen.c. */
#include "lower/select.h"
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

/* A first layer of a stride: its phases are few channels each, which lie side by side in the lanes of a vector. */
static bool takes_phases_in_lanes(const Target *target, const KernelSizes *s)
{
    return is_planar(target, s) && s->stride_rows > 1 && is_undilated(s) && s->out_channels >= target->channel_block;
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
        bool in_lanes = winograd && takes_phases_in_lanes(target, s);
        kernel->winograd = in_lanes ? space_to_depth_of(target, s) : (WinogradTile){0};
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

void select_conv(const Target *target, bool winograd, Kernel *kernel)
{
    KernelSizes *s = &kernel->sizes;
    kernel->winograd = (WinogradTile){0};
    if (is_dense(s)) {
        kernel->family = KERNEL_DENSE;
        become_dense(kernel);
    } else if (is_depthwise(s)) {
        kernel->family = KERNEL_DEPTHWISE;
        s->multiplier = s->out_channels / s->in_channels;
    } else {
        if (winograd) {
            kernel->winograd = select_plain_winograd(s);
        }
        kernel->family = kernel->winograd.rows > 0 ? KERNEL_WINOGRAD : KERNEL_CONV;
    }
    tiles_choose(target, kernel);
}
