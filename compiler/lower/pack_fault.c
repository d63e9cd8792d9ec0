/* A packed weight came out infinite or NaN. Which tensor of the weights file is to blame? The leaves of the recipe are
 * looked through for values that are not finite, and for variances that have no square root. */
#include "lower/pack_fault.h"

#include <math.h>

enum { READ_BLOCK = 1024 };

/* "conv1.weight[3,0,1,2]" */
static Str element_name(Arena *arena, Str name, TensorType type, int64_t index)
{
    Str text = STR("");
    for (int i = type.rank - 1; i >= 0; --i) {
        text = arena_printf(arena, "%lld%s" STR_FMT, (long long)(index % type.dim[i]), str_is_empty(text) ? "" : ",",
                            STR_ARG(text));
        index /= type.dim[i];
    }
    return arena_printf(arena, STR_FMT "[" STR_FMT "]", STR_ARG(name), STR_ARG(text));
}

static const char *value_name(float value)
{
    return isnan(value) ? "not a number (NaN)" : value > 0.0f ? "infinite" : "minus infinity";
}

/* Looks through one tensor of the weights file. `floor`: what no element may be at or below (-eps for a variance;
 * -INFINITY for all else). True where a fault was found, reported now or before. */
static bool check_leaf(PackFaults *faults, const Node *leaf, double floor)
{
    const ConstAttr *attr = &leaf->attr.constant;
    if (map_has(faults->reported, attr->name)) {
        return true;
    }
    float block[READ_BLOCK];
    int64_t count = type_elements(leaf->type);
    for (int64_t done = 0; done < count; done += READ_BLOCK) {
        int64_t size = count - done < READ_BLOCK ? count - done : READ_BLOCK;
        weights_read(faults->weights, attr->name, leaf->type, done, size, block);
        for (int64_t i = 0; i < size; ++i) {
            bool is_finite = isfinite(block[i]) != 0;
            if (is_finite && (double)block[i] > floor) {
                continue;
            }
            Str element = element_name(faults->arena, attr->name, leaf->type, done + i);
            Str where = weights_description(faults->weights);
            if (!is_finite) {
                diag_error_in(faults->diag, DIAG_WEIGHTS_VALUE, where, STR_FMT " is %s", STR_ARG(element),
                              value_name(block[i]));
                diag_help(faults->diag, "weights must be finite: did the training diverge, or was the file damaged?");
            } else {
                diag_error_in(faults->diag, DIAG_WEIGHTS_VALUE, where,
                              STR_FMT " is %g: a variance plus eps must be above zero", STR_ARG(element),
                              (double)block[i]);
                diag_help(faults->diag, "is it a running variance, in the right order among the batch norm's tensors?");
            }
            map_put(faults->reported, attr->name, faults);
            return true;
        }
    }
    return false;
}

/* All leaves below a node. Chains of first operands may be long, so they are walked with a loop. */
static bool check_leaves(PackFaults *faults, const Node *node)
{
    bool found = false;
    for (;;) {
        const ConstAttr *attr = &node->attr.constant;
        if (attr->expr == CONST_WEIGHT) {
            return check_leaf(faults, node, -INFINITY) || found;
        }
        if (attr->expr == CONST_RSQRT && node->inputs[0]->attr.constant.expr == CONST_WEIGHT) {
            return check_leaf(faults, node->inputs[0], -attr->eps) || found;
        }
        if (node->n_inputs == 2) {
            found = check_leaves(faults, node->inputs[1]) || found;
        }
        if (node->n_inputs == 0) {
            return found;
        }
        node = node->inputs[0];
    }
}

void pack_report_fault(PackFaults *faults, const Segment *segment, int64_t index, float value)
{
    if (check_leaves(faults, segment->source) || map_has(faults->reported, segment->name)) {
        return;
    }
    StrBuf recipe = {0};
    graph_format_constant(segment->source, &recipe);
    diag_error_in(faults->diag, DIAG_WEIGHTS_VALUE, weights_description(faults->weights),
                  STR_FMT " becomes %s by folding: " STR_FMT,
                  STR_ARG(element_name(faults->arena, segment->name, segment->source->type, index)), value_name(value),
                  STR_ARG(strbuf_view(&recipe)));
    diag_help(
        faults->diag,
        "its parts are finite, but so large or so close to a division by zero that float32 cannot hold the result");
    map_put(faults->reported, segment->name, faults);
    strbuf_free(&recipe);
}

void pack_report_range(PackFaults *faults, const Segment *segment, int64_t index, float value)
{
    if (map_has(faults->reported, segment->name)) {
        return;
    }
    Storage storage = segment->format.storage;
    Str element = element_name(faults->arena, segment->name, segment->source->type, index);
    diag_error_in(faults->diag, DIAG_WEIGHTS_VALUE, weights_description(faults->weights),
                  STR_FMT " is %.9g%s: %s holds numbers up to %.9g", STR_ARG(element), (double)value,
                  segment->source->attr.constant.expr == CONST_WEIGHT ? "" : " after folding", storage_name(storage),
                  storage_largest(storage));
    diag_help(faults->diag, "store dense layers with the range of float32: --dense-storage=%s",
              storage_name(storage == STORE_F16 ? STORE_BF16 : STORE_F32));
    map_put(faults->reported, segment->name, faults);
}
