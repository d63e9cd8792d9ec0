/* Selection: which kernel family carries out an operation. A function of shape and target only, so that a network gives
 * the same code whatever its weights are. The constants of the chosen kernel (tiles, packing, scratch) are tiles.c's.
 *
 * One table of rules; the first whose condition holds decides. A faster kernel is a new row above the general one, with
 * its condition on target and shape and what it sets in the record. */
#include "lower/program.h"

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

static bool always(const Target *target, const KernelSizes *s)
{
    (void)target;
    (void)s;
    return true;
}

static const Rule conv_rules[] = {
    {KERNEL_DEPTHWISE, is_depthwise},
    {KERNEL_CONV, always},
};

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
    tiles_choose(target, kernel);
}
