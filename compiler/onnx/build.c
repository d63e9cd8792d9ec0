/* The pieces of a model: names, nodes with attributes, initializers. Nothing here knows what an op means. */
#include "onnx/build.h"

/* protobuf-c wants char * everywhere and changes nothing. */
static char *mutable_text(Str text)
{
    return (char *)(uintptr_t)text.ptr;
}

static char *copy_text(Arena *arena, const char *text)
{
    return mutable_text(arena_copy(arena, str_from(text)));
}

char *onnx_name(OnnxModel *model, Map *taken, Str wanted)
{
    Str name = arena_copy(model->arena, wanted);
    for (int i = 2; map_has(taken, name); ++i) {
        name = arena_printf(model->arena, STR_FMT "_%d", STR_ARG(wanted), i);
    }
    map_put(taken, name, model);
    return mutable_text(name);
}

static Str part_name(const Emit *e, const char *part)
{
    return arena_printf(e->model->arena, "%s/%s", e->name, part);
}

/* --- values */

static Onnx__TensorProto__DataType data_type(DType dtype)
{
    switch (dtype) {
    case DT_F32:
        return ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    case DT_U8:
        return ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    case DT_I32:
        return ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    }
    ICE("unknown element type %d", (int)dtype);
}

static Onnx__TensorShapeProto__Dimension *dimension(Arena *arena, int64_t size)
{
    Onnx__TensorShapeProto__Dimension *dim = ARENA_NEW(arena, Onnx__TensorShapeProto__Dimension);
    onnx__tensor_shape_proto__dimension__init(dim);
    dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dim->dim_value = size;
    return dim;
}

Onnx__ValueInfoProto *onnx_value_info(OnnxModel *model, char *name, TensorType type, bool hwc)
{
    Arena *arena = model->arena;
    Onnx__TensorShapeProto *shape = ARENA_NEW(arena, Onnx__TensorShapeProto);
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = (size_t)type.rank + 1;
    shape->dim = ARENA_ARRAY(arena, Onnx__TensorShapeProto__Dimension *, shape->n_dim);
    shape->dim[0] = dimension(arena, 1);
    for (int i = 0; i < type.rank; ++i) {
        shape->dim[i + 1] = dimension(arena, type.dim[hwc ? (i + 1) % type.rank : i]);
    }
    Onnx__TypeProto__Tensor *tensor = ARENA_NEW(arena, Onnx__TypeProto__Tensor);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type = (int32_t)data_type(type.dtype);
    tensor->shape = shape;
    Onnx__TypeProto *proto = ARENA_NEW(arena, Onnx__TypeProto);
    onnx__type_proto__init(proto);
    proto->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    proto->tensor_type = tensor;
    Onnx__ValueInfoProto *info = ARENA_NEW(arena, Onnx__ValueInfoProto);
    onnx__value_info_proto__init(info);
    info->name = name;
    info->type = proto;
    return info;
}

/* --- nodes */

Onnx__NodeProto *onnx_node(const Emit *e, const char *op_type, const char *part, char *const *inputs, size_t n_inputs)
{
    OnnxModel *model = e->model;
    Onnx__NodeProto *node = ARENA_NEW(model->arena, Onnx__NodeProto);
    onnx__node_proto__init(node);
    node->op_type = copy_text(model->arena, op_type);
    node->input = ARENA_ARRAY(model->arena, char *, n_inputs);
    node->n_input = n_inputs;
    for (size_t i = 0; i < n_inputs; ++i) {
        node->input[i] = inputs[i];
    }
    node->output = ARENA_ARRAY(model->arena, char *, 1);
    node->n_output = 1;
    if (part == NULL) {
        node->name = e->name;
        node->output[0] = e->result;
    } else {
        node->name = onnx_name(model, model->node_names, part_name(e, part));
        node->output[0] = onnx_name(model, model->names, part_name(e, part));
    }
    model->nodes = arena_grow(model->arena, model->nodes, model->n_nodes, &model->node_capacity, sizeof *model->nodes);
    model->nodes[model->n_nodes++] = node;
    return node;
}

static Onnx__AttributeProto *add_attribute(const Emit *e, Onnx__NodeProto *node, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Arena *arena = e->model->arena;
    Onnx__AttributeProto *attribute = ARENA_NEW(arena, Onnx__AttributeProto);
    onnx__attribute_proto__init(attribute);
    attribute->name = copy_text(arena, name);
    attribute->has_type = 1;
    attribute->type = type;
    Onnx__AttributeProto **list = ARENA_ARRAY(arena, Onnx__AttributeProto *, node->n_attribute + 1);
    for (size_t i = 0; i < node->n_attribute; ++i) {
        list[i] = node->attribute[i];
    }
    list[node->n_attribute++] = attribute;
    node->attribute = list;
    return attribute;
}

void onnx_attr_int(const Emit *e, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = add_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    attribute->has_i = 1;
    attribute->i = value;
}

void onnx_attr_ints(const Emit *e, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t count)
{
    Onnx__AttributeProto *attribute = add_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    attribute->ints = ARENA_ARRAY(e->model->arena, int64_t, count);
    attribute->n_ints = count;
    memcpy(attribute->ints, values, count * sizeof *values);
}

void onnx_attr_float(const Emit *e, Onnx__NodeProto *node, const char *name, double value)
{
    Onnx__AttributeProto *attribute = add_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    attribute->has_f = 1;
    attribute->f = (float)value;
}

void onnx_attr_text(const Emit *e, Onnx__NodeProto *node, const char *name, const char *text)
{
    Onnx__AttributeProto *attribute = add_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    attribute->has_s = 1;
    attribute->s = (ProtobufCBinaryData){strlen(text), (uint8_t *)copy_text(e->model->arena, text)};
}

char *onnx_unary(const Emit *e, const char *op_type, const char *part, char *x)
{
    return onnx_node(e, op_type, part, &x, 1)->output[0];
}

char *onnx_binary(const Emit *e, const char *op_type, const char *part, char *a, char *b)
{
    return onnx_node(e, op_type, part, (char *[]){a, b}, 2)->output[0];
}

/* --- initializers */

static OnnxTensor *add_tensor(OnnxModel *model, char *name, Onnx__TensorProto__DataType type, const int64_t *dims,
                              int32_t rank)
{
    model->tensors =
        arena_grow(model->arena, model->tensors, model->n_tensors, &model->tensor_capacity, sizeof *model->tensors);
    OnnxTensor *tensor = &model->tensors[model->n_tensors++];
    *tensor = (OnnxTensor){.name = name, .rank = rank, .type = type};
    tensor->bytes = type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ? 8 : 4;
    for (int32_t i = 0; i < rank; ++i) {
        tensor->dims[i] = dims[i];
        tensor->bytes *= dims[i];
    }
    return tensor;
}

static char *add_numbers(const Emit *e, const char *part, Onnx__TensorProto__DataType type, const void *numbers,
                         const int64_t *dims, int32_t rank)
{
    char *name = onnx_name(e->model, e->model->names, part_name(e, part));
    OnnxTensor *tensor = add_tensor(e->model, name, type, dims, rank);
    void *copy = arena_alloc(e->model->arena, (size_t)tensor->bytes);
    memcpy(copy, numbers, (size_t)tensor->bytes);
    tensor->numbers = copy;
    return name;
}

char *onnx_floats(const Emit *e, const char *part, const float *numbers, const int64_t *dims, int32_t rank)
{
    return add_numbers(e, part, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, numbers, dims, rank);
}

char *onnx_scalar(const Emit *e, const char *part, double value)
{
    return onnx_floats(e, part, &(float){(float)value}, NULL, 0);
}

char *onnx_ints(const Emit *e, const char *part, const int64_t *numbers, int64_t count)
{
    return add_numbers(e, part, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, numbers, &count, 1);
}

char *onnx_filled(const Emit *e, const char *part, float value, int64_t count)
{
    float *numbers = ARENA_ARRAY(e->model->arena, float, count);
    for (int64_t i = 0; i < count; ++i) {
        numbers[i] = value;
    }
    return onnx_floats(e, part, numbers, &count, 1);
}

char *onnx_constant(OnnxModel *model, const Node *constant, bool is_operand)
{
    if (model->value_of[constant->id] != NULL) {
        return model->value_of[constant->id];
    }
    const ConstAttr *attr = &constant->attr.constant;
    bool is_weight = attr->expr == CONST_WEIGHT;
    if (is_weight && map_has(model->weights, attr->name)) { /* shared: several nodes of the graph, one tensor */
        return model->value_of[constant->id] = map_get(model->weights, attr->name);
    }
    Str wanted = is_weight                       ? attr->name
                 : !str_is_empty(constant->path) ? constant->path
                                                 : arena_printf(model->arena, "const_%u", constant->id);
    int64_t dims[ONNX_MAX_RANK] = {1};
    int32_t rank = is_operand ? 1 : 0;
    for (int i = 0; i < constant->type.rank; ++i) {
        dims[rank++] = constant->type.dim[i];
    }
    char *name = onnx_name(model, model->names, wanted);
    add_tensor(model, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, rank)->constant = constant;
    model->value_of[constant->id] = name;
    if (is_weight) {
        map_put(model->weights, attr->name, name);
    }
    return name;
}

char *onnx_table_weight(const Emit *e, WeightRole role)
{
    const Node *weight = node_weight(e->node, role);
    const ConvAttr *conv = &e->node->attr.conv;
    int64_t dims[] = {conv->channels, e->node->inputs[0]->type.dim[0], conv->kernel[0], conv->kernel[1]};
    char *name = onnx_name(e->model, e->model->names, weight->attr.constant.name); /* two tables may share one weight */
    OnnxTensor *tensor = add_tensor(e->model, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, 4);
    tensor->constant = weight;
    tensor->table_of = e->node;
    return name;
}

/* --- operands */

char *onnx_data(const Emit *e, uint32_t index)
{
    const Node *input = e->node->inputs[index];
    return node_is_constant(input) ? onnx_constant(e->model, input, true) : e->model->value_of[input->id];
}

TensorType onnx_data_of(const Emit *e, uint32_t index)
{
    return e->node->inputs[index]->type;
}

char *onnx_weight(const Emit *e, WeightRole role)
{
    const Node *weight = node_weight(e->node, role);
    return weight == NULL ? NULL : onnx_constant(e->model, weight, false);
}

static char *per_channel(const Emit *e, const char *part, char *vector)
{
    if (e->node->type.rank == 1) {
        return vector;
    }
    const int64_t axes[] = {1, 2, 3};
    return onnx_binary(e, "Unsqueeze", part, vector, onnx_ints(e, "axes", axes, e->node->type.rank - 1));
}

char *onnx_channel_weight(const Emit *e, WeightRole role)
{
    return per_channel(e, role_name(role), onnx_weight(e, role));
}
