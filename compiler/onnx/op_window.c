/* Ops with a window. Padding is always written as edges: neither auto_pad nor ceil_mode is used, because engines do not
 * agree on ceil_mode (which windows exist, what an average divides by). */
#include "onnx/build.h"

static void attr_pair(const Emit *e, Onnx__NodeProto *node, const char *name, const int32_t pair[2])
{
    onnx_attr_ints(e, node, name, (const int64_t[]){pair[0], pair[1]}, 2);
}

/* Ours is top, left, bottom, right; so is ONNX's: beginnings of all axes, then ends. */
static void attr_pads(const Emit *e, Onnx__NodeProto *node, const int32_t edge[4])
{
    onnx_attr_ints(e, node, "pads", (const int64_t[]){edge[PAD_TOP], edge[PAD_LEFT], edge[PAD_BOTTOM], edge[PAD_RIGHT]},
                   4);
}

void onnx_conv(const Emit *e)
{
    const ConvAttr *conv = &e->node->attr.conv;
    bool transposed = e->node->op == OP_CONV_TRANSPOSE;
    bool has_table = e->node->op == OP_CONV && conv->table.n_rows > 0;
    char *weight = has_table ? onnx_table_weight(e, ROLE_WEIGHT) : onnx_weight(e, ROLE_WEIGHT);
    char *inputs[] = {onnx_data(e, 0), weight, onnx_weight(e, ROLE_BIAS)};
    Onnx__NodeProto *node =
        onnx_node(e, transposed ? "ConvTranspose" : "Conv", NULL, inputs, inputs[2] != NULL ? 3 : 2);
    attr_pair(e, node, "kernel_shape", conv->kernel);
    attr_pair(e, node, "strides", conv->stride);
    attr_pair(e, node, "dilations", conv->dilation);
    attr_pads(e, node, conv->pad.edge);
    onnx_attr_int(e, node, "group", conv->groups);
    if (transposed) {
        attr_pair(e, node, "output_padding", conv->output_pad);
    }
}

/* The padding with which floor mode gives our number of windows: what a ceil-mode window has over the edge is added at
 * the bottom and right. Less than the kernel, as every window begins before the end of the input. */
static void whole_pads(const Emit *e, int32_t edge[4])
{
    const PoolAttr *pool = &e->node->attr.pool;
    memcpy(edge, pool->pad.edge, sizeof pool->pad.edge);
    for (int axis = 0; axis < 2; ++axis) {
        int64_t windows = e->node->type.dim[1 + axis], in = onnx_data_of(e, 0).dim[1 + axis];
        int64_t reach = (windows - 1) * pool->stride[axis] + pool->kernel[axis];
        int64_t wanted = reach - in - edge[axis == 0 ? PAD_TOP : PAD_LEFT];
        int32_t *end = &edge[axis == 0 ? PAD_BOTTOM : PAD_RIGHT];
        *end = wanted > *end ? (int32_t)wanted : *end;
    }
}

static Onnx__NodeProto *pool_node(const Emit *e, const char *op_type, const char *part, const int32_t kernel[2],
                                  const int32_t stride[2], const int32_t edge[4])
{
    char *x = onnx_data(e, 0);
    Onnx__NodeProto *node = onnx_node(e, op_type, part, &x, 1);
    attr_pair(e, node, "kernel_shape", kernel);
    attr_pair(e, node, "strides", stride);
    attr_pads(e, node, edge);
    return node;
}

void onnx_max_pool(const Emit *e)
{
    const PoolAttr *pool = &e->node->attr.pool;
    int32_t edge[4];
    whole_pads(e, edge);
    pool_node(e, "MaxPool", NULL, pool->kernel, pool->stride, edge);
}

/* Cells of window `i` along one axis that lie in the input or its padding. */
static int64_t cells_inside(const Emit *e, int axis, int32_t i)
{
    const PoolAttr *pool = &e->node->attr.pool;
    int64_t begin = (int64_t)i * pool->stride[axis] - pool->pad.edge[axis == 0 ? PAD_TOP : PAD_LEFT];
    int64_t end = begin + pool->kernel[axis];
    int64_t limit = (int64_t)onnx_data_of(e, 0).dim[1 + axis] + pool->pad.edge[axis == 0 ? PAD_BOTTOM : PAD_RIGHT];
    return (end < limit ? end : limit) - begin;
}

/* Our average divides by the cells inside the padded input, ONNX by the whole window once the overhang is written as
 * padding: the quotient of the two, for every window. */
static char *overhang_factors(const Emit *e)
{
    TensorType type = e->node->type;
    int64_t dims[] = {1, 1, type.dim[1], type.dim[2]};
    const int32_t *kernel = e->node->attr.pool.kernel;
    float *factors = ARENA_ARRAY(e->model->arena, float, dims[2] * dims[3]);
    for (int32_t i = 0; i < type.dim[1]; ++i) {
        for (int32_t j = 0; j < type.dim[2]; ++j) {
            double inside = (double)cells_inside(e, 0, i) * (double)cells_inside(e, 1, j);
            factors[(int64_t)i * type.dim[2] + j] = (float)((double)kernel[0] * (double)kernel[1] / inside);
        }
    }
    return onnx_floats(e, "factors", factors, dims, 4);
}

void onnx_avg_pool(const Emit *e)
{
    const PoolAttr *pool = &e->node->attr.pool;
    int32_t edge[4];
    whole_pads(e, edge);
    bool overhangs = edge[PAD_BOTTOM] > pool->pad.edge[PAD_BOTTOM] || edge[PAD_RIGHT] > pool->pad.edge[PAD_RIGHT];
    bool corrects = overhangs && pool->count_pad;
    Onnx__NodeProto *node = pool_node(e, "AveragePool", corrects ? "mean" : NULL, pool->kernel, pool->stride, edge);
    onnx_attr_int(e, node, "count_include_pad", pool->count_pad);
    if (corrects) {
        onnx_binary(e, "Mul", NULL, node->output[0], overhang_factors(e));
    }
}

void onnx_global_pool(const Emit *e)
{
    const char *op_type = e->node->op == OP_GLOBAL_AVG_POOL ? "GlobalAveragePool" : "GlobalMaxPool";
    if (e->node->attr.pool.keep) {
        onnx_unary(e, op_type, NULL, onnx_data(e, 0));
        return;
    }
    char *pooled = onnx_unary(e, op_type, "pool", onnx_data(e, 0));
    onnx_attr_int(e, onnx_node(e, "Flatten", NULL, &pooled, 1), "axis", 1);
}

/* Row i of [out, in] takes the mean of window i: [floor(i*in/out), ceil((i+1)*in/out)). With `transposed`: [in, out].
 */
static char *mean_matrix(const Emit *e, const char *part, int64_t in, int64_t out, bool transposed)
{
    float *matrix = ARENA_ARRAY(e->model->arena, float, in *out);
    for (int64_t i = 0; i < out; ++i) {
        int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
        for (int64_t k = begin; k < end; ++k) {
            matrix[transposed ? k * out + i : i * in + k] = (float)(1.0 / (double)(end - begin));
        }
    }
    return onnx_floats(e, part, matrix, transposed ? (const int64_t[]){in, out} : (const int64_t[]){out, in}, 2);
}

/* Where all windows are alike this is a plain pool; else two matrix products, over rows and over columns. */
void onnx_adaptive_avg_pool(const Emit *e)
{
    TensorType in = onnx_data_of(e, 0), out = e->node->type;
    if (out.dim[1] == 1 && out.dim[2] == 1) {
        onnx_unary(e, "GlobalAveragePool", NULL, onnx_data(e, 0));
        return;
    }
    if (in.dim[1] % out.dim[1] == 0 && in.dim[2] % out.dim[2] == 0) {
        const int32_t kernel[] = {in.dim[1] / out.dim[1], in.dim[2] / out.dim[2]}, edge[4] = {0};
        pool_node(e, "AveragePool", NULL, kernel, kernel, edge);
        return;
    }
    char *rows =
        onnx_binary(e, "MatMul", "rows", mean_matrix(e, "row_means", in.dim[1], out.dim[1], false), onnx_data(e, 0));
    onnx_binary(e, "MatMul", NULL, rows, mean_matrix(e, "column_means", in.dim[2], out.dim[2], true));
}

/* weight * sum + bias: the sum is the mean times the cells of the window. */
void onnx_subsample(const Emit *e)
{
    const PoolAttr *pool = &e->node->attr.pool;
    const int32_t edge[4] = {0};
    char *mean = pool_node(e, "AveragePool", "mean", pool->kernel, pool->kernel, edge)->output[0];
    char *cells = onnx_scalar(e, "cells", (double)pool->kernel[0] * (double)pool->kernel[1]);
    char *sum = onnx_binary(e, "Mul", "sum", mean, cells);
    char *scaled = onnx_binary(e, "Mul", "scaled", sum, onnx_channel_weight(e, ROLE_WEIGHT));
    onnx_binary(e, "Add", NULL, scaled, onnx_channel_weight(e, ROLE_BIAS));
}
