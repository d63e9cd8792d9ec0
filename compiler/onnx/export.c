/* From graph to model: ports, names of values, and each node through the function of its op. */
#include "onnx/build.h"

static void export_op(const Emit *e)
{
    switch (e->node->op) {
    case OP_INPUT:
    case OP_CONST:
        return; /* ports and initializers */
    case OP_CONV:
    case OP_DEPTHWISE_CONV:
    case OP_CONV_TRANSPOSE:
        onnx_conv(e);
        return;
    case OP_DENSE:
        onnx_dense(e);
        return;
    case OP_BATCH_NORM:
        onnx_batch_norm(e);
        return;
    case OP_INSTANCE_NORM:
        onnx_instance_norm(e);
        return;
    case OP_LRN:
        onnx_lrn(e);
        return;
    case OP_MAX_POOL:
        onnx_max_pool(e);
        return;
    case OP_AVG_POOL:
        onnx_avg_pool(e);
        return;
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
        onnx_global_pool(e);
        return;
    case OP_ADAPTIVE_AVG_POOL:
        onnx_adaptive_avg_pool(e);
        return;
    case OP_SUBSAMPLE:
        onnx_subsample(e);
        return;
    case OP_RELU:
    case OP_RELU6:
    case OP_LEAKY_RELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_TANH:
    case OP_SCALED_TANH:
    case OP_SILU:
    case OP_HARD_SWISH:
    case OP_GELU:
    case OP_ELU:
    case OP_SOFTPLUS:
    case OP_STEP:
    case OP_IDENTITY:
    case OP_CLAMP:
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
    case OP_DROPOUT:
        onnx_activation(e);
        return;
    case OP_PRELU:
        onnx_prelu(e);
        return;
    case OP_RBF:
        onnx_rbf(e);
        return;
    case OP_L2_NORMALIZE:
        onnx_l2_normalize(e);
        return;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        onnx_arithmetic(e);
        return;
    case OP_CONCAT:
        onnx_concat(e);
        return;
    case OP_FLATTEN:
        onnx_flatten(e);
        return;
    case OP_RESHAPE:
        onnx_reshape(e);
        return;
    case OP_PERMUTE:
        onnx_permute(e);
        return;
    case OP_SLICE:
        onnx_slice(e);
        return;
    case OP_CROP:
        onnx_crop(e);
        return;
    case OP_CHANNEL_SHUFFLE:
        onnx_channel_shuffle(e);
        return;
    case OP_PAD:
        onnx_pad(e);
        return;
    case OP_UPSAMPLE:
        onnx_upsample(e);
        return;
    case OP_AFFINE:
        onnx_affine(e);
        return;
    case OP_NORMALIZE:
        onnx_normalize(e);
        return;
    case OP_GRAM:
        onnx_gram(e);
        return;
    case OP_MSE:
        onnx_mse(e);
        return;
    case OP_SUM:
    case OP_MEAN:
        onnx_total(e);
        return;
    case OP_SCALE:
        onnx_scale(e);
        return;
    case OP_ARGMAX:
        onnx_argmax(e);
        return;
    case OP_TOP_K:
        onnx_top_k(e);
        return;
    case OP_COUNT:
        break;
    }
    ICE("no ONNX export of op %d", (int)e->node->op);
}

/* What the outputs depend on. Elaboration may leave nodes that nothing reads. */
static bool *find_live(Arena *scratch, const Graph *graph)
{
    bool *live = ARENA_ARRAY(scratch, bool, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        live[graph->outputs[i].node->id] = true;
    }
    for (uint32_t id = graph->n_nodes; id-- > 0;) { /* readers come after what they read */
        const Node *node = graph->nodes[id];
        for (uint32_t i = 0; live[id] && i < node->n_inputs; ++i) {
            live[node->inputs[i]->id] = true;
        }
    }
    return live;
}

/* Inputs declared hwc lie interleaved; the nodes want channels first. */
static void export_inputs(OnnxModel *model)
{
    const Graph *graph = model->graph;
    model->inputs = ARENA_ARRAY(model->arena, Onnx__ValueInfoProto *, graph->n_inputs);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        const Port *port = &graph->inputs[i];
        char *name = onnx_name(model, model->names, port->name);
        bool hwc = port->node->attr.input.hwc;
        model->inputs[model->n_inputs++] = onnx_value_info(model, name, port->node->type, hwc);
        model->value_of[port->node->id] = name;
    }
}

static void transpose_inputs(OnnxModel *model)
{
    for (uint32_t i = 0; i < model->graph->n_inputs; ++i) {
        const Node *node = model->graph->inputs[i].node;
        if (!node->attr.input.hwc) {
            continue;
        }
        char *name = model->value_of[node->id];
        Emit e = {.model = model, .node = node, .name = name};
        Onnx__NodeProto *transpose = onnx_node(&e, "Transpose", "chw", &name, 1);
        onnx_attr_ints(&e, transpose, "perm", (const int64_t[]){0, 3, 1, 2}, 4);
        model->value_of[node->id] = transpose->output[0];
    }
}

/* A node's result is called after the output that it is; the first of several. */
static void reserve_outputs(OnnxModel *model)
{
    const Graph *graph = model->graph;
    model->outputs = ARENA_ARRAY(model->arena, Onnx__ValueInfoProto *, graph->n_outputs);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Port *port = &graph->outputs[i];
        char *name = onnx_name(model, model->names, port->name);
        model->outputs[model->n_outputs++] = onnx_value_info(model, name, port->node->type, false);
        if (model->value_of[port->node->id] == NULL && !node_is_constant(port->node)) {
            model->value_of[port->node->id] = name;
        }
    }
}

/* Weights keep their names, so these are taken before any value gets one. */
static void reserve_weights(OnnxModel *model, const bool *live)
{
    for (uint32_t id = 0; id < model->graph->n_nodes; ++id) {
        const Node *node = model->graph->nodes[id];
        bool has_table = node->op == OP_CONV && node->attr.conv.table.n_rows > 0;
        for (uint32_t i = node->n_data; live[id] && i < node->n_inputs; ++i) {
            if (!has_table || node->inputs[i] != node_weight(node, ROLE_WEIGHT)) {
                onnx_constant(model, node->inputs[i], false);
            }
        }
    }
}

static void export_node(OnnxModel *model, const Node *node)
{
    if (node->adds_residual || (node->act.op != OP_IDENTITY && node->act.op != OP_INPUT)) {
        ICE("'" STR_FMT "': a fused epilogue is exported; ONNX wants the graph as elaborated", STR_ARG(node->path));
    }
    Str path =
        !str_is_empty(node->path) ? node->path : arena_printf(model->arena, "%s_%u", op_info(node->op)->name, node->id);
    bool is_output = model->value_of[node->id] != NULL;
    Emit e = {.model = model, .node = node, .name = onnx_name(model, model->node_names, path)};
    e.result = is_output ? model->value_of[node->id] : onnx_name(model, model->names, path);
    export_op(&e);
    model->value_of[node->id] = e.result;
    if (!is_output) {
        model->values =
            arena_grow(model->arena, model->values, model->n_values, &model->value_capacity, sizeof *model->values);
        model->values[model->n_values++] = onnx_value_info(model, e.result, node->type, false);
    }
}

/* Outputs that share a node with another output, or are an input or a constant as it stands. */
static void copy_outputs(OnnxModel *model)
{
    for (uint32_t i = 0; i < model->graph->n_outputs; ++i) {
        const Node *node = model->graph->outputs[i].node;
        char *name = model->outputs[i]->name;
        char *value = node_is_constant(node) ? onnx_constant(model, node, true) : model->value_of[node->id];
        if (strcmp(value, name) != 0) {
            Emit e = {.model = model,
                      .node = node,
                      .name = onnx_name(model, model->node_names, str_from(name)),
                      .result = name};
            onnx_unary(&e, "Identity", NULL, value);
        }
    }
}

OnnxModel *onnx_model_create(Arena *arena, const Graph *graph)
{
    OnnxModel *model = ARENA_NEW(arena, OnnxModel);
    model->arena = arena;
    model->graph = graph;
    model->names = map_create(arena);
    model->node_names = map_create(arena);
    model->weights = map_create(arena);
    model->value_of = ARENA_ARRAY(arena, char *, graph->n_nodes);
    bool *live = find_live(arena, graph);
    export_inputs(model);
    reserve_outputs(model);
    reserve_weights(model, live);
    transpose_inputs(model);
    for (uint32_t id = 0; id < graph->n_nodes; ++id) {
        const Node *node = graph->nodes[id];
        if (live[id] && node->op != OP_INPUT && !node_is_constant(node)) {
            export_node(model, node);
        }
    }
    copy_outputs(model);
    return model;
}

int64_t onnx_model_bytes(const OnnxModel *model)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < model->n_tensors; ++i) {
        bytes += model->tensors[i].bytes;
    }
    return bytes;
}
