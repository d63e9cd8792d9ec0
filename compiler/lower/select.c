/* Selection: which kernel family carries out an operation. A function of shape and target only, so that a network gives
 * the same code whatever its weights are. The constants of the chosen kernel (tiles, packing, scratch) are tiles.c's.
 *
 * One table of rules; the first whose condition holds decides. A faster kernel is a new row above the general one, with
 * its condition on target and shape and what it sets in the record. */
#include "lower/program.h"

const bool vector_kernel_ready[KERNEL_FAMILY_COUNT] = {
    [KERNEL_CONV] = false, /* has none: DIRECT and others take its place */
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
