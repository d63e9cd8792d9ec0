/* Constants: carries out recipes (ir/attr.h, ConstExpr) on its own, element range by element range, so that not even
 * the largest dense layer's weights have to be in memory at once. Independent of weights/const_eval.c on purpose. */
#include <math.h>
#include <stdlib.h>

#include "interp/eval.h"

static void read_weight(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    enum { PIECE = 4096 };
    float piece[PIECE];
    const ConstAttr *attr = &constant->attr.constant;
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t n = count - done < PIECE ? count - done : PIECE;
        weights_read(weights, attr->name, constant->type, first + done, n, piece);
        for (int64_t i = 0; i < n; ++i) {
            out[done + i] = piece[i];
        }
    }
}

static double combine(ConstExpr expr, double a, double b)
{
    switch (expr) {
    case CONST_ADD:
        return a + b;
    case CONST_SUB:
        return a - b;
    case CONST_MUL:
        return a * b;
    case CONST_DIV:
        return a / b;
    case CONST_WEIGHT:
    case CONST_VALUES:
    case CONST_RSQRT:
    case CONST_DOT:
    case CONST_HWC_TO_CHW:
    case CONST_RESHAPE:
    case CONST_CONCAT:
        break;
    }
    ICE("%d is no binary recipe", (int)expr);
}

/* a op b, where b has a's shape, or is a vector along one axis of a, or a single value. */
static void binary(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    const ConstAttr *attr = &constant->attr.constant;
    const Node *a = constant->inputs[0], *b = constant->inputs[1];
    interp_constant(a, weights, first, count, out);
    int64_t n_b = type_elements(b->type);
    if (type_equal(a->type, b->type)) {
        double *values = interp_alloc(count);
        interp_constant(b, weights, first, count, values);
        for (int64_t i = 0; i < count; ++i) {
            out[i] = combine(attr->expr, out[i], values[i]);
        }
        free(values);
        return;
    }
    int64_t below = 1; /* elements of a between neighbours along the axis */
    for (int axis = attr->axis + 1; axis < a->type.rank; ++axis) {
        below *= a->type.dim[axis];
    }
    double *values = interp_alloc(n_b);
    interp_constant(b, weights, 0, n_b, values);
    for (int64_t i = 0; i < count; ++i) {
        int64_t along = n_b == 1 ? 0 : (first + i) / below % a->type.dim[attr->axis];
        out[i] = combine(attr->expr, out[i], values[along]);
    }
    free(values);
}

/* out[o] = sum over i, ky, kx of a[o,i,ky,kx] * b[i]. */
static void dot(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    const Node *a = constant->inputs[0], *b = constant->inputs[1];
    int64_t row = type_elements(a->type) / a->type.dim[0];
    int64_t taps = row / a->type.dim[1];
    double *row_values = interp_alloc(row), *vector = interp_alloc(a->type.dim[1]);
    interp_constant(b, weights, 0, a->type.dim[1], vector);
    for (int64_t o = 0; o < count; ++o) {
        interp_constant(a, weights, (first + o) * row, row, row_values);
        out[o] = 0.0;
        for (int64_t i = 0; i < row; ++i) {
            out[o] += row_values[i] * vector[i / taps];
        }
    }
    free(row_values);
    free(vector);
}

/* Columns of a dense weight from HWC order to CHW order: out[o, (c*H + y)*W + x] = a[o, (y*W + x)*C + c]. */
static void hwc_to_chw(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    const Node *a = constant->inputs[0];
    const int32_t *hwc = constant->attr.constant.hwc;
    int64_t h = hwc[0], w = hwc[1], c = hwc[2], row = h * w * c, have = -1;
    double *row_values = interp_alloc(row);
    for (int64_t i = 0; i < count; ++i) {
        int64_t o = (first + i) / row, column = (first + i) % row;
        if (o != have) {
            interp_constant(a, weights, o * row, row, row_values);
            have = o;
        }
        int64_t channel = column / (h * w), pixel = column % (h * w);
        out[i] = row_values[pixel * c + channel];
    }
    free(row_values);
}

/* One element at a time: which operand it is of, and where it lies there. */
static void concat(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    const Node *a = constant->inputs[0], *b = constant->inputs[1];
    int32_t axis = constant->attr.constant.axis, in_a = a->type.dim[axis], in_b = b->type.dim[axis];
    int64_t below = 1;
    for (int k = axis + 1; k < constant->type.rank; ++k) {
        below *= constant->type.dim[k];
    }
    for (int64_t i = 0; i < count; ++i) {
        int64_t element = first + i, inner = element % below, along = element / below % (in_a + in_b);
        int64_t outer = element / below / (in_a + in_b);
        if (along < in_a) {
            interp_constant(a, weights, (outer * in_a + along) * below + inner, 1, &out[i]);
        } else {
            interp_constant(b, weights, (outer * in_b + along - in_a) * below + inner, 1, &out[i]);
        }
    }
}

void interp_constant(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out)
{
    const ConstAttr *attr = &constant->attr.constant;
    switch (attr->expr) {
    case CONST_WEIGHT:
        read_weight(constant, weights, first, count, out);
        return;
    case CONST_VALUES:
        memcpy(out, attr->values + first, (size_t)count * sizeof(double));
        return;
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
        binary(constant, weights, first, count, out);
        return;
    case CONST_RSQRT:
        interp_constant(constant->inputs[0], weights, first, count, out);
        for (int64_t i = 0; i < count; ++i) {
            out[i] = 1.0 / sqrt(out[i] + attr->eps);
        }
        return;
    case CONST_DOT:
        dot(constant, weights, first, count, out);
        return;
    case CONST_HWC_TO_CHW:
        hwc_to_chw(constant, weights, first, count, out);
        return;
    case CONST_RESHAPE:
        interp_constant(constant->inputs[0], weights, first, count, out);
        return;
    case CONST_CONCAT:
        concat(constant, weights, first, count, out);
        return;
    }
    ICE("unknown recipe %d", (int)attr->expr);
}

double *interp_weight(const Eval *eval, WeightRole role)
{
    const Node *weight = node_weight(eval->node, role);
    if (weight == NULL) {
        return NULL;
    }
    int64_t count = type_elements(weight->type);
    double *values = interp_alloc(count);
    interp_constant(weight, eval->weights, 0, count, values);
    return values;
}

double *interp_constant_values(const Node *constant, const Weights *weights, Arena *arena)
{
    int64_t count = type_elements(constant->type);
    double *values = ARENA_ARRAY(arena, double, count);
    interp_constant(constant, weights, 0, count, values);
    return values;
}
