/* Between which bounds the values of inputs and outputs lie, as far as the ops tell: for the comment of the header. An
 * interval is carried through the graph; what no rule bounds (weights, whole convolutions) is unbounded. */
#include <math.h>
#include <stdio.h>

#include "backend/emit_parts.h"

typedef struct Range {
    double lo, hi;
} Range;

static const Range unbounded = {-INFINITY, INFINITY};

static Range either(Range a, Range b)
{
    return (Range){fmin(a.lo, b.lo), fmax(a.hi, b.hi)};
}

static Range with(Range a, double value)
{
    return either(a, (Range){value, value});
}

/* Infinity minus infinity, and 0 times infinity, tell nothing. */
static Range of_corners(const double *corner, int count)
{
    Range range = {INFINITY, -INFINITY};
    for (int i = 0; i < count; ++i) {
        if (isnan(corner[i])) {
            return unbounded;
        }
        range = with(range, corner[i]);
    }
    return range;
}

static Range scaled(Range x, double factor)
{
    return of_corners((double[]){x.lo * factor, x.hi * factor}, 2);
}

static Range sum_of(Range a, Range b)
{
    return of_corners((double[]){a.lo + b.lo, a.hi + b.hi}, 2);
}

static Range arithmetic(OpKind op, Range a, Range b)
{
    if (op == OP_MUL) {
        return of_corners((double[]){a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi}, 4);
    }
    return sum_of(a, op == OP_ADD ? b : scaled(b, -1.0));
}

static Range clipped(Range x, double lo, double hi)
{
    return (Range){fmin(fmax(x.lo, lo), hi), fmin(fmax(x.hi, lo), hi)};
}

/* OPF_ACT ops. */
static Range activated(OpKind op, const ActAttr *act, Range x)
{
    switch ((int)op) {
    case OP_IDENTITY:
        return x;
    case OP_RELU:
        return clipped(x, 0.0, INFINITY);
    case OP_RELU6:
        return clipped(x, 0.0, 6.0);
    case OP_CLAMP:
        return clipped(x, act->a, act->b);
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_STEP:
        return (Range){0.0, 1.0};
    case OP_TANH:
        return (Range){-1.0, 1.0};
    case OP_SCALED_TANH:
        return (Range){-fabs(act->a), fabs(act->a)};
    case OP_SOFTPLUS:
        return (Range){0.0, INFINITY};
    case OP_ELU:
        return act->a >= 0.0 ? (Range){-act->a, INFINITY} : unbounded;
    case OP_SILU: /* the next three: their minima, rounded down */
        return (Range){-0.2785, INFINITY};
    case OP_HARD_SWISH:
        return (Range){-0.375, INFINITY};
    case OP_GELU:
        return (Range){-0.17, INFINITY};
    case OP_LEAKY_RELU:
        return act->a >= 0.0 ? (Range){x.lo < 0.0 ? x.lo * act->a : x.lo, x.hi < 0.0 ? x.hi * act->a : x.hi}
                             : unbounded;
    }
    return unbounded;
}

static Range normalized(const Node *node, Range x)
{
    const MiscAttr *attr = &node->attr.misc;
    Range all = {INFINITY, -INFINITY};
    for (int32_t c = 0; c < type_channels(node->type); ++c) {
        double mean = attr->mean.values[attr->mean.count == 1 ? 0 : c];
        double deviation = attr->std.values[attr->std.count == 1 ? 0 : c];
        all = either(all, scaled(sum_of(scaled(x, attr->scale), (Range){-mean, -mean}), 1.0 / deviation));
    }
    return all;
}

static Range of_constant(const Node *node)
{
    Range range = {INFINITY, -INFINITY};
    if (node->attr.constant.expr != CONST_VALUES) {
        return unbounded;
    }
    for (int64_t i = 0; i < type_elements(node->type); ++i) {
        range = with(range, node->attr.constant.values[i]);
    }
    return range;
}

/* The op itself, before a residual and an activation that passes have fused into the node. `a`, `b`: its operands. */
static Range range_of_op(const Node *node, const Range *ranges, Range a, Range b)
{
    const Attr *attr = &node->attr;
    switch ((int)node->op) {
    case OP_INPUT:
        return node->type.dtype == DT_U8 ? (Range){0.0, 255.0} : unbounded;
    case OP_CONST:
        return of_constant(node);
    case OP_MAX_POOL:
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
    case OP_ADAPTIVE_AVG_POOL:
    case OP_DROPOUT:
    case OP_FLATTEN:
    case OP_RESHAPE:
    case OP_PERMUTE:
    case OP_SLICE:
    case OP_CROP:
    case OP_CHANNEL_SHUFFLE:
    case OP_UPSAMPLE:
    case OP_MEAN:
        return a;
    case OP_AVG_POOL:
        return attr->pool.count_pad ? with(a, 0.0) : a;
    case OP_PAD:
        return attr->shape.pad_mode == PAD_ZERO ? with(a, attr->shape.pad_value) : a;
    case OP_CONCAT:
        for (uint32_t i = 1; i < node->n_data; ++i) {
            a = either(a, ranges[node->inputs[i]->id]);
        }
        return a;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        return arithmetic(node->op, a, b);
    case OP_SCALE:
        return scaled(a, attr->misc.scale);
    case OP_NORMALIZE:
        return normalized(node, a);
    case OP_SOFTMAX:
        return (Range){0.0, 1.0};
    case OP_LOG_SOFTMAX:
        return (Range){-INFINITY, 0.0};
    case OP_L2_NORMALIZE:
        return (Range){-1.0, 1.0};
    case OP_MSE:
    case OP_RBF:
        return (Range){0.0, INFINITY};
    case OP_SUM:
    case OP_GRAM:
    case OP_LRN:
        return a.lo >= 0.0 ? (Range){0.0, INFINITY} : unbounded;
    case OP_ARGMAX:
        return (Range){0.0, type_channels(node->inputs[0]->type) - 1.0};
    case OP_TOP_K:
        return attr->misc.indices ? (Range){0.0, type_channels(node->inputs[0]->type) - 1.0} : a;
    }
    return op_info(node->op)->flags & OPF_ACT ? activated(node->op, &attr->act, a) : unbounded;
}

static Range range_of(const Graph *graph, const Node *wanted, Arena *scratch)
{
    Range *ranges = ARENA_ARRAY(scratch, Range, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        const Node *node = graph->nodes[i];
        Range a = node->n_data > 0 ? ranges[node->inputs[0]->id] : unbounded;
        Range b = node->n_data > 1 ? ranges[node->inputs[1]->id] : unbounded;
        Range range = range_of_op(node, ranges, a, b);
        if (node->adds_residual) {
            range = sum_of(range, ranges[node_residual(node)->id]);
        }
        ranges[node->id] = activated(node->act.op, &node->act.attr, range);
    }
    return ranges[wanted->id];
}

/* "0.25"; shorter than it is exact: a bound for people. */
static Str format_bound(Arena *arena, double value)
{
    Str text = arena_printf(arena, "%.7g", value == 0.0 ? 0.0 : value);
    for (size_t i = 0; i < text.len; ++i) {
        if (text.ptr[i] == ',') { /* the decimal point of some locales */
            ((char *)text.ptr)[i] = '.';
        }
    }
    return text;
}

Str emit_value_range(Arena *arena, const Graph *graph, const Node *node)
{
    Arena *scratch = arena_create();
    Range range = range_of(graph, node, scratch);
    arena_destroy(scratch);
    Str lo = format_bound(arena, range.lo), hi = format_bound(arena, range.hi);
    if (isinf(range.lo) && isinf(range.hi)) {
        return STR("any finite value");
    }
    if (isinf(range.hi)) {
        return arena_printf(arena, "values from " STR_FMT " up", STR_ARG(lo));
    }
    if (isinf(range.lo)) {
        return arena_printf(arena, "values up to " STR_FMT, STR_ARG(hi));
    }
    return arena_printf(arena, "values " STR_FMT " to " STR_FMT, STR_ARG(lo), STR_ARG(hi));
}
