/* Matrix products and ops that reduce tensors to few numbers. */
#include "onnx/build.h"

void onnx_dense(const Emit *e)
{
    char *inputs[] = {onnx_data(e, 0), onnx_weight(e, ROLE_WEIGHT), onnx_weight(e, ROLE_BIAS)};
    onnx_attr_int(e, onnx_node(e, "Gemm", NULL, inputs, inputs[2] != NULL ? 3 : 2), "transB", 1);
}

/* [1,N] - [units,N] broadcasts over the rows. */
void onnx_rbf(const Emit *e)
{
    char *difference = onnx_binary(e, "Sub", "difference", onnx_data(e, 0), onnx_weight(e, ROLE_WEIGHT));
    Onnx__NodeProto *distance = onnx_node(e, "ReduceSumSquare", "distance", &difference, 1);
    onnx_attr_ints(e, distance, "axes", (const int64_t[]){1}, 1);
    onnx_attr_int(e, distance, "keepdims", 0);
    onnx_binary(e, "Reshape", NULL, distance->output[0],
                onnx_ints(e, "shape", (const int64_t[]){1, e->node->type.dim[0]}, 2));
}

void onnx_gram(const Emit *e)
{
    TensorType in = onnx_data_of(e, 0);
    int64_t plane = (int64_t)in.dim[1] * in.dim[2];
    char *rows_shape = onnx_ints(e, "rows_shape", (const int64_t[]){1, in.dim[0], plane}, 3);
    char *rows = onnx_binary(e, "Reshape", "rows", onnx_data(e, 0), rows_shape);
    Onnx__NodeProto *columns = onnx_node(e, "Transpose", "columns", &rows, 1);
    onnx_attr_ints(e, columns, "perm", (const int64_t[]){0, 2, 1}, 3);
    char *products = onnx_binary(e, "MatMul", "products", rows, columns->output[0]);
    onnx_binary(e, "Div", NULL, products, onnx_scalar(e, "elements", (double)type_elements(in)));
}

/* One axis of x summed or averaged away; the last one, axis 1, stays with size 1. */
static char *reduce_axis(const Emit *e, const char *part, bool is_mean, char *x, int axis)
{
    Onnx__NodeProto *node;
    if (is_mean) {
        node = onnx_node(e, "ReduceMean", part, &x, 1);
        onnx_attr_ints(e, node, "axes", (const int64_t[]){axis}, 1);
    } else { /* ReduceSum alone takes its axes as an input in opset 17 */
        char *axes = onnx_ints(e, "axes", (const int64_t[]){axis}, 1);
        node = onnx_node(e, "ReduceSum", part, (char *[]){x, axes}, 2);
    }
    onnx_attr_int(e, node, "keepdims", axis == 1);
    return node->output[0];
}

/* Sum or mean of all elements, [1,1]: axis by axis, as engines add up millions of float32 numbers in a row carelessly.
 */
static void reduce_all(const Emit *e, bool is_mean, char *x)
{
    for (int axis = onnx_data_of(e, 0).rank; axis >= 1; --axis) {
        x = reduce_axis(e, axis == 3 ? "columns" : axis == 2 ? "rows" : NULL, is_mean, x, axis);
    }
}

void onnx_mse(const Emit *e)
{
    char *difference = onnx_binary(e, "Sub", "difference", onnx_data(e, 0), onnx_data(e, 1));
    reduce_all(e, true, onnx_binary(e, "Mul", "squares", difference, difference));
}

void onnx_total(const Emit *e)
{
    reduce_all(e, e->node->op == OP_MEAN, onnx_data(e, 0));
}

static void cast_to_int32(const Emit *e, char *indices)
{
    onnx_attr_int(e, onnx_node(e, "Cast", NULL, &indices, 1), "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT32);
}

void onnx_argmax(const Emit *e)
{
    char *x = onnx_data(e, 0);
    Onnx__NodeProto *node = onnx_node(e, "ArgMax", "index", &x, 1);
    onnx_attr_int(e, node, "axis", 1);
    onnx_attr_int(e, node, "keepdims", 1);
    onnx_attr_int(e, node, "select_last_index", 0);
    cast_to_int32(e, node->output[0]);
}

/* TopK gives values and indices; the one that is not wanted gets a name all the same, as its output is not optional. */
void onnx_top_k(const Emit *e)
{
    OnnxModel *model = e->model;
    const MiscAttr *attr = &e->node->attr.misc;
    char *inputs[] = {onnx_data(e, 0), onnx_ints(e, "k", (const int64_t[]){attr->k}, 1)};
    Onnx__NodeProto *node = onnx_node(e, "TopK", attr->indices ? "top" : NULL, inputs, 2);
    char *values = node->output[0];
    node->output = ARENA_ARRAY(model->arena, char *, 2);
    node->n_output = 2;
    node->output[0] = values;
    node->output[1] = onnx_name(model, model->names, arena_printf(model->arena, "%s/indices", e->name));
    onnx_attr_int(e, node, "axis", 1);
    onnx_attr_int(e, node, "largest", 1);
    onnx_attr_int(e, node, "sorted", 1);
    if (attr->indices) {
        cast_to_int32(e, node->output[1]);
    }
}
