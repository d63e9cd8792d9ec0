/* Normalisations, and scale and shift per channel. */
#include "onnx/build.h"

void onnx_batch_norm(const Emit *e)
{
    int64_t channels = e->node->type.dim[0];
    char *scale = onnx_weight(e, ROLE_WEIGHT), *shift = onnx_weight(e, ROLE_BIAS);
    char *inputs[] = {onnx_data(e, 0), scale != NULL ? scale : onnx_filled(e, "ones", 1.0f, channels),
                      shift != NULL ? shift : onnx_filled(e, "zeros", 0.0f, channels),
                      onnx_weight(e, ROLE_RUNNING_MEAN), onnx_weight(e, ROLE_RUNNING_VAR)};
    onnx_attr_float(e, onnx_node(e, "BatchNormalization", NULL, inputs, 5), "epsilon", e->node->attr.norm.eps);
}

void onnx_instance_norm(const Emit *e)
{
    int64_t channels = e->node->type.dim[0];
    char *scale = onnx_weight(e, ROLE_WEIGHT), *shift = onnx_weight(e, ROLE_BIAS);
    char *inputs[] = {onnx_data(e, 0), scale != NULL ? scale : onnx_filled(e, "ones", 1.0f, channels),
                      shift != NULL ? shift : onnx_filled(e, "zeros", 0.0f, channels)};
    onnx_attr_float(e, onnx_node(e, "InstanceNormalization", NULL, inputs, 3), "epsilon", e->node->attr.norm.eps);
}

/* Windows of even size lean to the other side in ONNX (and ONNX Runtime takes odd sizes only), so they are spelled out:
 * channels become rows, and the mean of the squares over `size` rows is an average pool that counts its padding. */
static void even_lrn(const Emit *e)
{
    const LrnAttr *lrn = &e->node->attr.lrn;
    TensorType type = e->node->type;
    int64_t plane = (int64_t)type.dim[1] * type.dim[2];
    char *x = onnx_data(e, 0);
    char *squares = onnx_binary(e, "Mul", "squares", x, x);
    char *rows_shape = onnx_ints(e, "rows_shape", (const int64_t[]){1, 1, type.dim[0], plane}, 4);
    char *rows = onnx_binary(e, "Reshape", "rows", squares, rows_shape);
    Onnx__NodeProto *pool = onnx_node(e, "AveragePool", "means", &rows, 1);
    onnx_attr_ints(e, pool, "kernel_shape", (const int64_t[]){lrn->size, 1}, 2);
    onnx_attr_ints(e, pool, "strides", (const int64_t[]){1, 1}, 2);
    onnx_attr_ints(e, pool, "pads", (const int64_t[]){lrn->size / 2, 0, (lrn->size - 1) / 2, 0}, 4);
    onnx_attr_int(e, pool, "count_include_pad", 1);
    char *image_shape = onnx_ints(e, "image_shape", (const int64_t[]){1, type.dim[0], type.dim[1], type.dim[2]}, 4);
    char *means = onnx_binary(e, "Reshape", "image", pool->output[0], image_shape);
    double alpha = lrn->alpha_div_n ? lrn->alpha : lrn->alpha * lrn->size; /* of the mean, not of the sum */
    char *weighted = onnx_binary(e, "Mul", "weighted", means, onnx_scalar(e, "alpha", alpha));
    char *base = onnx_binary(e, "Add", "base", weighted, onnx_scalar(e, "k", lrn->k));
    char *divisor = onnx_binary(e, "Pow", "divisor", base, onnx_scalar(e, "beta", lrn->beta));
    onnx_binary(e, "Div", NULL, x, divisor);
}

/* ONNX divides alpha by the size. */
void onnx_lrn(const Emit *e)
{
    const LrnAttr *lrn = &e->node->attr.lrn;
    if (lrn->size % 2 == 0) {
        even_lrn(e);
        return;
    }
    char *x = onnx_data(e, 0);
    Onnx__NodeProto *node = onnx_node(e, "LRN", NULL, &x, 1);
    onnx_attr_float(e, node, "alpha", lrn->alpha_div_n ? lrn->alpha : lrn->alpha * lrn->size);
    onnx_attr_float(e, node, "beta", lrn->beta);
    onnx_attr_float(e, node, "bias", lrn->k);
    onnx_attr_int(e, node, "size", lrn->size);
}

void onnx_l2_normalize(const Emit *e)
{
    char *x = onnx_data(e, 0);
    Onnx__NodeProto *length = onnx_node(e, "ReduceL2", "length", &x, 1);
    onnx_attr_ints(e, length, "axes", (const int64_t[]){1}, 1);
    onnx_attr_int(e, length, "keepdims", 1);
    char *divisor = onnx_binary(e, "Max", "divisor", length->output[0], onnx_scalar(e, "eps", e->node->attr.norm.eps));
    onnx_binary(e, "Div", NULL, x, divisor);
}

void onnx_affine(const Emit *e)
{
    char *scaled = onnx_binary(e, "Mul", "scaled", onnx_data(e, 0), onnx_channel_weight(e, ROLE_WEIGHT));
    onnx_binary(e, "Add", NULL, scaled, onnx_channel_weight(e, ROLE_BIAS));
}

/* One number for all channels, or [C,1,1]. */
static char *channel_numbers(const Emit *e, const char *part, FloatList list)
{
    if (list.count == 1) {
        return onnx_scalar(e, part, list.values[0]);
    }
    float *numbers = ARENA_ARRAY(e->model->arena, float, list.count);
    for (int32_t i = 0; i < list.count; ++i) {
        numbers[i] = (float)list.values[i];
    }
    return onnx_floats(e, part, numbers, (const int64_t[]){list.count, 1, 1}, e->node->type.rank == 1 ? 1 : 3);
}

void onnx_normalize(const Emit *e)
{
    const MiscAttr *attr = &e->node->attr.misc;
    char *x = onnx_data(e, 0);
    if (onnx_data_of(e, 0).dtype != DT_F32) {
        Onnx__NodeProto *cast = onnx_node(e, "Cast", "float", &x, 1);
        onnx_attr_int(e, cast, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        x = cast->output[0];
    }
    if (attr->scale != 1.0) {
        x = onnx_binary(e, "Mul", "scaled", x, onnx_scalar(e, "scale", attr->scale));
    }
    char *centred = onnx_binary(e, "Sub", "centred", x, channel_numbers(e, "mean", attr->mean));
    onnx_binary(e, "Div", NULL, centred, channel_numbers(e, "std", attr->std));
}
