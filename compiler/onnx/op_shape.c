/* Ops that move elements. Axes count from the batch axis, which is 0. */
#include "onnx/build.h"

static Onnx__NodeProto *flatten_node(const Emit *e, const char *part, char *x)
{
    Onnx__NodeProto *node = onnx_node(e, "Flatten", part, &x, 1);
    onnx_attr_int(e, node, "axis", 1);
    return node;
}

static char *transpose(const Emit *e, const char *part, char *x, const int64_t *order, size_t rank)
{
    Onnx__NodeProto *node = onnx_node(e, "Transpose", part, &x, 1);
    onnx_attr_ints(e, node, "perm", order, rank);
    return node->output[0];
}

void onnx_concat(const Emit *e)
{
    char **inputs = ARENA_ARRAY(e->model->arena, char *, e->node->n_data);
    for (uint32_t i = 0; i < e->node->n_data; ++i) {
        inputs[i] = onnx_data(e, i);
    }
    onnx_attr_int(e, onnx_node(e, "Concat", NULL, inputs, e->node->n_data), "axis", 1);
}

void onnx_flatten(const Emit *e)
{
    char *x = onnx_data(e, 0);
    int rank = onnx_data_of(e, 0).rank;
    if (e->node->attr.shape.order == FLATTEN_HWC && rank > 1) { /* channels last */
        int64_t order[ONNX_MAX_RANK] = {0};
        for (int i = 1; i <= rank; ++i) {
            order[i] = i < rank ? i + 1 : 1;
        }
        x = transpose(e, "hwc", x, order, (size_t)rank + 1);
    }
    flatten_node(e, NULL, x);
}

/* [1, dims of the result] */
static char *result_shape(const Emit *e)
{
    TensorType type = e->node->type;
    int64_t dims[ONNX_MAX_RANK] = {1};
    for (int i = 0; i < type.rank; ++i) {
        dims[i + 1] = type.dim[i];
    }
    return onnx_ints(e, "shape", dims, type.rank + 1);
}

void onnx_reshape(const Emit *e)
{
    onnx_binary(e, "Reshape", NULL, onnx_data(e, 0), result_shape(e));
}

void onnx_permute(const Emit *e)
{
    int64_t order[ONNX_MAX_RANK] = {0};
    for (int i = 0; i < e->node->type.rank; ++i) {
        order[i + 1] = e->node->attr.shape.permutation.values[i] + 1;
    }
    transpose(e, NULL, onnx_data(e, 0), order, (size_t)e->node->type.rank + 1);
}

static void slice(const Emit *e, const int64_t *begin, const int64_t *end, const int64_t *axes, int64_t count)
{
    char *inputs[] = {onnx_data(e, 0), onnx_ints(e, "begin", begin, count), onnx_ints(e, "end", end, count),
                      onnx_ints(e, "axes", axes, count)};
    onnx_node(e, "Slice", NULL, inputs, 4);
}

void onnx_slice(const Emit *e)
{
    const ShapeAttr *attr = &e->node->attr.shape;
    slice(e, &(int64_t){attr->begin}, &(int64_t){attr->end}, &(int64_t){attr->axis + 1}, 1);
}

void onnx_crop(const Emit *e)
{
    const int32_t *crop = e->node->attr.shape.crop;
    TensorType in = onnx_data_of(e, 0);
    const int64_t begin[] = {crop[0], crop[1]}, end[] = {in.dim[1] - crop[0], in.dim[2] - crop[1]}, axes[] = {2, 3};
    slice(e, begin, end, axes, 2);
}

/* Groups and channels of a group become two axes, which change places. */
void onnx_channel_shuffle(const Emit *e)
{
    TensorType type = e->node->type;
    int64_t groups = e->node->attr.shape.groups, below = type_elements(type) / type.dim[0];
    char *split_shape = onnx_ints(e, "groups", (const int64_t[]){1, groups, type.dim[0] / groups, below}, 4);
    char *split = onnx_binary(e, "Reshape", "split", onnx_data(e, 0), split_shape);
    char *swapped = transpose(e, "swapped", split, (const int64_t[]){0, 2, 1, 3}, 4);
    onnx_binary(e, "Reshape", NULL, swapped, result_shape(e));
}

static const char *pad_mode(PadMode mode)
{
    switch (mode) {
    case PAD_ZERO:
        return "constant";
    case PAD_REFLECT:
        return "reflect";
    case PAD_EDGE:
        return "edge";
    }
    ICE("unknown pad mode %d", (int)mode);
}

void onnx_pad(const Emit *e)
{
    const ShapeAttr *attr = &e->node->attr.shape;
    const int32_t *edge = attr->pads.edge;
    const int64_t pads[] = {0, 0, edge[PAD_TOP], edge[PAD_LEFT], 0, 0, edge[PAD_BOTTOM], edge[PAD_RIGHT]};
    bool is_constant = attr->pad_mode == PAD_ZERO;
    char *inputs[] = {onnx_data(e, 0), onnx_ints(e, "pads", pads, 8), NULL};
    if (is_constant) {
        inputs[2] = onnx_scalar(e, "value", attr->pad_value);
    }
    Onnx__NodeProto *node = onnx_node(e, "Pad", NULL, inputs, is_constant ? 3 : 2);
    onnx_attr_text(e, node, "mode", pad_mode(attr->pad_mode));
}

void onnx_upsample(const Emit *e)
{
    const ShapeAttr *attr = &e->node->attr.shape;
    const float scales[] = {1.0f, 1.0f, (float)attr->scale[0], (float)attr->scale[1]};
    char no_region[] = "";
    char *region = (char *)(uintptr_t)arena_copy(e->model->arena, str_from(no_region)).ptr;
    char *inputs[] = {onnx_data(e, 0), region, onnx_floats(e, "scales", scales, (const int64_t[]){4}, 1)};
    Onnx__NodeProto *node = onnx_node(e, "Resize", NULL, inputs, 3);
    bool is_nearest = attr->upsample_mode == UPSAMPLE_NEAREST;
    onnx_attr_text(e, node, "mode", is_nearest ? "nearest" : "linear");
    onnx_attr_text(e, node, "coordinate_transformation_mode", is_nearest ? "asymmetric" : "half_pixel");
    if (is_nearest) {
        onnx_attr_text(e, node, "nearest_mode", "floor");
    }
}
