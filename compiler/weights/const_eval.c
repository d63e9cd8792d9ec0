/* Carries out the recipes of constant nodes, a range of elements (row-major) at a time, in double. Ranges keep memory
 * small: no tensor is ever held whole in double, so packing costs little more than the weights file itself.
 *
 * A chain of elementwise steps may be as long as a net has foldable layers in a row. It is therefore walked with a
 * loop, down its first operands to a leaf and back up, each step changing the range in place; only second operands
 * recurse. */
#include <math.h>

#include "weights/weights.h"

enum { READ_BLOCK = 1024, DOT_BLOCK = 8192 };

typedef struct Eval {
    const Weights *weights;
    Arena *scratch;
} Eval;

static void eval_range(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out);

/* Elements per index of the first axis. */
static int64_t row_elements(TensorType type)
{
    return type_elements(type) / type.dim[0];
}

static void read_weight(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    const ConstAttr *attr = &node->attr.constant;
    float block[READ_BLOCK];
    for (int64_t done = 0; done < count; done += READ_BLOCK) {
        int64_t size = count - done < READ_BLOCK ? count - done : READ_BLOCK;
        weights_read(eval->weights, attr->name, node->type, first + done, size, block);
        for (int64_t i = 0; i < size; ++i) {
            out[done + i] = (double)block[i];
        }
    }
}

/* --- elementwise steps */

static bool is_elementwise(ConstExpr expr)
{
    return expr == CONST_ADD || expr == CONST_SUB || expr == CONST_MUL || expr == CONST_DIV || expr == CONST_RSQRT;
}

/* a[i] = a[i] op b[i * step]: step 0 is one number for all, step 1 one for each. */
static void combine(ConstExpr expr, double *a, int64_t count, const double *b, int64_t step)
{
    switch (expr) {
    case CONST_ADD:
        for (int64_t i = 0; i < count; ++i) {
            a[i] += b[i * step];
        }
        return;
    case CONST_SUB:
        for (int64_t i = 0; i < count; ++i) {
            a[i] -= b[i * step];
        }
        return;
    case CONST_MUL:
        for (int64_t i = 0; i < count; ++i) {
            a[i] *= b[i * step];
        }
        return;
    case CONST_DIV:
        for (int64_t i = 0; i < count; ++i) {
            a[i] /= b[i * step];
        }
        return;
    case CONST_WEIGHT:
    case CONST_VALUES:
    case CONST_RSQRT:
    case CONST_DOT:
    case CONST_HWC_TO_CHW:
    case CONST_RESHAPE:
    case CONST_CONCAT:
        break;
    }
    ICE("constant expression %d takes no second operand", (int)expr);
}

/* Combines elements [first, first + count) of a tensor of type `type` with a vector along `axis`. */
static void combine_vector(const Eval *eval, ConstExpr expr, TensorType type, int32_t axis, const Node *vector,
                           int64_t first, int64_t count, double *out)
{
    int64_t inner = 1, length = type.dim[axis];
    for (int i = axis + 1; i < type.rank; ++i) {
        inner *= type.dim[i];
    }
    /* Along the first axis only the rows at hand are wanted. */
    int64_t from = axis == 0 ? first / inner : 0;
    int64_t to = axis == 0 ? (first + count - 1) / inner + 1 : length;
    double *values = ARENA_ARRAY(eval->scratch, double, to - from);
    eval_range(eval, vector, from, to - from, values);
    int64_t index = first / inner % length, skipped = first % inner;
    for (int64_t done = 0; done < count;) {
        /* One run has one vector element; where the axis is the last, a run takes the vector's elements in turn. */
        int64_t run = inner == 1 ? length - index : inner - skipped;
        run = run < count - done ? run : count - done;
        combine(expr, out + done, run, values + index - from, inner == 1);
        done += run;
        index = inner == 1 ? 0 : index + 1;
        index = index == length && done < count ? 0 : index;
        skipped = 0;
    }
}

static bool same_shape(TensorType a, TensorType b)
{
    return a.rank == b.rank && memcmp(a.dim, b.dim, a.rank * sizeof a.dim[0]) == 0;
}

/* Carries out one elementwise step on the values of its first operand. */
static void apply_step(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    const ConstAttr *attr = &node->attr.constant;
    if (attr->expr == CONST_RSQRT) {
        for (int64_t i = 0; i < count; ++i) {
            out[i] = 1.0 / sqrt(out[i] + attr->eps);
        }
        return;
    }
    const Node *b = node->inputs[1];
    if (same_shape(node->type, b->type)) {
        double *values = ARENA_ARRAY(eval->scratch, double, count);
        eval_range(eval, b, first, count, values);
        combine(attr->expr, out, count, values, 1);
    } else if (type_elements(b->type) == 1) {
        double value;
        eval_range(eval, b, 0, 1, &value);
        combine(attr->expr, out, count, &value, 0);
    } else if (b->type.rank == 1 && attr->axis >= 0 && attr->axis < node->type.rank &&
               b->type.dim[0] == node->type.dim[attr->axis]) {
        combine_vector(eval, attr->expr, node->type, attr->axis, b, first, count, out);
    } else {
        ICE("constant '" STR_FMT "': operands do not fit", STR_ARG(node->path));
    }
}

/* --- steps that move elements */

/* Outputs [first, first + count) of weight . vector. */
static void eval_dot(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    const Node *weight = node->inputs[0], *vector = node->inputs[1];
    int64_t row = row_elements(weight->type), inputs = type_elements(vector->type), inner = row / inputs;
    if (weight->type.rank < 2 || weight->type.dim[1] != inputs) {
        ICE("constant '" STR_FMT "': operands of dot do not fit", STR_ARG(node->path));
    }
    double *values = ARENA_ARRAY(eval->scratch, double, inputs);
    eval_range(eval, vector, 0, inputs, values);
    int64_t block = row < DOT_BLOCK ? DOT_BLOCK / row : 1;
    double *rows = ARENA_ARRAY(eval->scratch, double, block *row);
    Eval inner_eval = {.weights = eval->weights, .scratch = arena_create()};
    for (int64_t done = 0; done < count; done += block) {
        int64_t size = count - done < block ? count - done : block;
        eval_range(&inner_eval, weight, (first + done) * row, size * row, rows);
        arena_reset(inner_eval.scratch); /* what a block took would add up to the size of the weights */
        for (int64_t r = 0; r < size; ++r) {
            const double *w = rows + r * row;
            double sum = 0.0;
            for (int64_t i = 0; i < inputs; ++i) {
                for (int64_t k = 0; k < inner; ++k) {
                    sum += w[i * inner + k] * values[i];
                }
            }
            out[done + r] = sum;
        }
    }
    arena_destroy(inner_eval.scratch);
}

/* Columns from HWC order to CHW order; works on the whole rows around the range. */
static void eval_hwc_to_chw(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    const int32_t *hwc = node->attr.constant.hwc;
    int64_t height = hwc[0], width = hwc[1], channels = hwc[2], row = row_elements(node->type);
    double *from = ARENA_ARRAY(eval->scratch, double, row);
    double *to = ARENA_ARRAY(eval->scratch, double, row);
    Eval row_eval = {.weights = eval->weights, .scratch = arena_create()};
    for (int64_t done = 0; done < count;) {
        int64_t index = (first + done) / row, skipped = (first + done) % row;
        int64_t size = row - skipped < count - done ? row - skipped : count - done;
        eval_range(&row_eval, node->inputs[0], index * row, row, from);
        arena_reset(row_eval.scratch);
        for (int64_t c = 0; c < channels; ++c) {
            for (int64_t pixel = 0; pixel < height * width; ++pixel) {
                to[c * height * width + pixel] = from[pixel * channels + c];
            }
        }
        memcpy(out + done, to + skipped, (size_t)size * sizeof *out);
        done += size;
    }
    arena_destroy(row_eval.scratch);
}

/* Stretches of one operand, then of the other, in turn. */
static void eval_concat(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    int32_t axis = node->attr.constant.axis;
    int64_t inner = 1;
    for (int i = axis + 1; i < node->type.rank; ++i) {
        inner *= node->type.dim[i];
    }
    const int64_t runs[] = {node->inputs[0]->type.dim[axis] * inner, node->inputs[1]->type.dim[axis] * inner};
    Eval run_eval = {.weights = eval->weights, .scratch = arena_create()};
    for (int64_t done = 0; done < count;) {
        int64_t round = (first + done) / (runs[0] + runs[1]), at = (first + done) % (runs[0] + runs[1]);
        int which = at >= runs[0];
        int64_t skipped = which ? at - runs[0] : at;
        int64_t size = runs[which] - skipped < count - done ? runs[which] - skipped : count - done;
        eval_range(&run_eval, node->inputs[which], round * runs[which] + skipped, size, out + done);
        arena_reset(run_eval.scratch);
        done += size;
    }
    arena_destroy(run_eval.scratch);
}

static void eval_leaf(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    switch (node->attr.constant.expr) {
    case CONST_WEIGHT:
        read_weight(eval, node, first, count, out);
        return;
    case CONST_VALUES:
        memcpy(out, node->attr.constant.values + first, (size_t)count * sizeof *out);
        return;
    case CONST_DOT:
        eval_dot(eval, node, first, count, out);
        return;
    case CONST_HWC_TO_CHW:
        eval_hwc_to_chw(eval, node, first, count, out);
        return;
    case CONST_RESHAPE: /* the same elements in the same order */
        eval_range(eval, node->inputs[0], first, count, out);
        return;
    case CONST_CONCAT:
        eval_concat(eval, node, first, count, out);
        return;
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
    case CONST_RSQRT:
        break;
    }
    ICE("constant expression %d is no leaf", (int)node->attr.constant.expr);
}

static void eval_range(const Eval *eval, const Node *node, int64_t first, int64_t count, double *out)
{
    size_t depth = 0;
    const Node *leaf = node;
    for (; is_elementwise(leaf->attr.constant.expr); leaf = leaf->inputs[0]) {
        ++depth;
    }
    const Node **steps = ARENA_ARRAY(eval->scratch, const Node *, depth);
    for (size_t i = 0; i < depth; ++i, node = node->inputs[0]) {
        steps[i] = node;
    }
    eval_leaf(eval, leaf, first, count, out);
    for (size_t i = depth; i > 0; --i) {
        apply_step(eval, steps[i - 1], first, count, out);
    }
}

void const_eval_range(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out,
                      Arena *scratch)
{
    if (!node_is_constant(constant) || first < 0 || count < 0 || first > type_elements(constant->type) - count) {
        ICE("'" STR_FMT "': a range outside the constant is asked for", STR_ARG(constant->path));
    }
    if (count > 0) {
        Eval eval = {.weights = weights, .scratch = scratch};
        eval_range(&eval, constant, first, count, out);
    }
}
