/* Choices from outside (choices.h): keys, what fits, and where lowering asks. The rules come first everywhere: a choice
 * that is missing or does not fit leaves what they decided. */
#include "lower/choices.h"

#include "lower/lowering.h"
#include "lower/tiles.h"

Str conv_key_of(Arena *arena, const KernelSizes *s)
{
    return arena_printf(arena, "conv%dx%d s%dx%d p%dx%d d%dx%d g%d %dx%dx%d -> %dx%dx%d", (int)s->kernel_rows,
                        (int)s->kernel_cols, (int)s->stride_rows, (int)s->stride_cols, (int)s->pad_top,
                        (int)s->pad_left, (int)s->dilation_rows, (int)s->dilation_cols, (int)s->groups,
                        (int)s->in_channels, (int)s->in_rows, (int)s->in_cols, (int)s->out_channels, (int)s->out_rows,
                        (int)s->out_cols);
}

static bool is_conv(const Node *node)
{
    bool has_table = node->op == OP_CONV && node->attr.conv.table.n_rows > 0;
    return (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV) && !has_table;
}

Str conv_key(Arena *arena, const Node *node, const Target *target)
{
    if (!is_conv(node) || target->vector_floats == 1) {
        return STR("");
    }
    Kernel record = lower_conv_record(node);
    Str key = conv_key_of(arena, &record.sizes); /* before selection, which may make a dense layer of it */
    bool vector = select_vector_conv(target, true, &record);
    return vector && conv_choice_is_tunable(record.family) ? key : STR("");
}

KernelSizes conv_node_sizes(const Node *node)
{
    return lower_conv_record(node).sizes;
}

bool conv_choice_is_tunable(KernelFamily family)
{
    return family == KERNEL_DIRECT || family == KERNEL_PLANAR || is_winograd(family) || family == KERNEL_STRASSEN ||
           family == KERNEL_DEPTHWISE || family == KERNEL_GROUPED;
}

ConvChoice conv_choice_of(const Kernel *kernel)
{
    if (kernel->family == KERNEL_STRASSEN) { /* its tiles are the rules' */
        return (ConvChoice){.family = KERNEL_STRASSEN};
    }
    bool depthwise = kernel->family == KERNEL_DEPTHWISE, grouped = kernel->family == KERNEL_GROUPED;
    bool blocks = is_winograd(kernel->family) || kernel->pixels_outer;
    bool live = kernel->family == KERNEL_WINOGRAD_LIVE;
    return (ConvChoice){.family = kernel->family,
                        .winograd = kernel->winograd,
                        .vectors = depthwise || grouped || live ? 0 : kernel->weight_format.vectors,
                        .tile_rows = depthwise ? kernel->tile_rows : 0,
                        .tile_cols = depthwise ? kernel->tile_cols : kernel->tile_rows * kernel->tile_cols,
                        .pixels_outer = kernel->pixels_outer,
                        .block_tiles = blocks ? kernel->block_tiles : 0,
                        .prefetch = kernel->prefetch_bytes > 0};
}

const char *conv_choice_fault(const Target *target, const KernelSizes *sizes, const ConvChoice *choice)
{
    if (!vector_conv_fits(target, choice->family, choice->winograd, sizes)) {
        return is_winograd(choice->family) ? "there is no such Winograd transform for this convolution"
                                           : "kernels of this kind do not take this convolution";
    }
    int64_t sums = (int64_t)(choice->tile_rows > 0 ? choice->tile_rows : 1) * choice->tile_cols *
                   (choice->vectors > 0 ? choice->vectors : 1);
    if (choice->family == KERNEL_WINOGRAD_LIVE) { /* a row of points each */
        sums *= winograd_points(choice->winograd.rows, winograd_taps(sizes->kernel_rows, sizes->stride_rows));
    }
    return sums > CHOICE_MOST_SUMS ? "its tile has more sums than any target has registers" : NULL;
}

/* --- where lowering asks */

void choices_resolve(Lowering *l, Diag *diag)
{
    l->choice_of = ARENA_ARRAY(l->scratch, const ConvChoice *, l->graph->n_nodes);
    Map *seen = map_create(l->scratch);
    for (uint32_t i = 0; l->choices != NULL && i < l->graph->n_nodes; ++i) {
        const Node *node = l->graph->nodes[i];
        Str key = conv_key(l->scratch, node, l->program->target);
        const ConvChoice *choice = str_is_empty(key) ? NULL : map_get(l->choices, key);
        if (choice == NULL || (l->no_winograd && (is_winograd(choice->family) || choice->family == KERNEL_STRASSEN))) {
            continue;
        }
        const KernelSizes sizes = conv_node_sizes(node);
        const char *fault = conv_choice_fault(l->program->target, &sizes, choice);
        if (fault == NULL) {
            l->choice_of[i] = choice;
        } else if (map_put(seen, key, (void *)choice)) {
            diag_warning(diag, DIAG_TUNING_UNFIT, choice->span, "this choice cannot be used: %s", fault);
            diag_help(diag, "the rules decide for this layer; remove the line and tune it again");
        }
    }
}

bool lower_select(const Lowering *l, const Node *node, Kernel *kernel)
{
    bool vector = select_vector_conv(l->program->target, !l->no_winograd, kernel);
    const ConvChoice *choice = l->choice_of[node->id];
    if (vector && choice != NULL) {
        vector_conv_take(l->program->target, choice->family, choice->winograd, kernel);
    }
    return vector;
}

void lower_tiles(const Lowering *l, const Node *node, Kernel *kernel)
{
    tiles_choose(l->program->target, kernel);
    const ConvChoice *choice = l->choice_of[node->id];
    if (choice != NULL && kernel->vector > 1 && kernel->family == choice->family) {
        tiles_take_choice(l->program->target, kernel, choice);
    }
}
