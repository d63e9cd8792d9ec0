/* Scale and shift into the weights of linear layers; see linear.h. */
#include "passes/linear.h"

enum { RECIPE_MAX_DEPTH = 48 }; /* no published net folds more than three times into a layer */

/* --- recipes */

Node *recipe_binary(Graph *graph, ConstExpr expr, Node *a, Node *b, int32_t axis)
{
    return graph_add_recipe(graph, (ConstAttr){.expr = expr, .axis = axis}, a, b, a->type);
}

Node *recipe_rsqrt(Graph *graph, Node *a, double eps)
{
    return graph_add_recipe(graph, (ConstAttr){.expr = CONST_RSQRT, .eps = eps}, a, NULL, a->type);
}

Node *recipe_values(Graph *graph, int32_t count, double value, WeightRole role, const Node *origin)
{
    Arena *scratch = arena_create();
    double *values = ARENA_ARRAY(scratch, double, count);
    for (int32_t i = 0; i < count; ++i) {
        values[i] = value;
    }
    Node *node =
        graph_add_values(graph, type_f32_1(count), values, (NodeSource){origin->path, origin->span, origin->site});
    arena_destroy(scratch);
    node->attr.constant.role = role;
    return node;
}

static Node *reshape(Graph *graph, Node *constant, TensorType type)
{
    return graph_add_recipe(graph, (ConstAttr){.expr = CONST_RESHAPE}, constant, NULL, type);
}

Node *recipe_for_role(Graph *graph, Node *constant, WeightRole role)
{
    if (constant->attr.constant.role == role) {
        return constant;
    }
    bool is_leaf = constant->n_inputs == 0;
    Node *node = is_leaf ? reshape(graph, constant, constant->type) : constant;
    if (node->attr.constant.role != ROLE_NONE) { /* a recipe that serves another role elsewhere */
        node = reshape(graph, constant, constant->type);
    }
    node->attr.constant.role = role;
    return node;
}

static int recipe_depth(const Node *constant)
{
    int depth = 0;
    for (uint32_t i = 0; i < constant->n_inputs; ++i) {
        int below = recipe_depth(constant->inputs[i]);
        depth = below > depth ? below : depth;
    }
    return depth + 1;
}

bool recipe_has_room(const Node *constant)
{
    return recipe_depth(constant) < RECIPE_MAX_DEPTH;
}

/* plus - minus*scale as [channels]; NULL where that is nothing. */
static Node *shift_of(Graph *graph, const ChannelAffine *affine)
{
    if (affine->minus == NULL) {
        return affine->plus;
    }
    Node *scaled = affine->minus;
    if (affine->scale != NULL) {
        scaled = recipe_binary(graph, CONST_MUL, scaled, affine->scale, 0);
    }
    if (affine->plus != NULL) {
        return recipe_binary(graph, CONST_SUB, affine->plus, scaled, 0);
    }
    return recipe_binary(graph, CONST_MUL, scaled, recipe_values(graph, 1, -1.0, ROLE_NONE, scaled), 0);
}

Node *affine_weight(Graph *graph, const ChannelAffine *affine, int32_t channels, const Node *origin)
{
    Node *scale = affine->scale;
    if (scale == NULL) {
        scale = recipe_values(graph, channels, 1.0, ROLE_WEIGHT, origin);
    } else if (type_elements(scale->type) != channels) { /* one factor for all */
        scale = recipe_binary(graph, CONST_MUL, recipe_values(graph, channels, 1.0, ROLE_NONE, origin), scale, 0);
    }
    return recipe_for_role(graph, scale, ROLE_WEIGHT);
}

Node *affine_bias(Graph *graph, const ChannelAffine *affine, int32_t channels, const Node *origin)
{
    Node *shift = shift_of(graph, affine);
    if (shift == NULL) {
        shift = recipe_values(graph, channels, 0.0, ROLE_BIAS, origin);
    }
    return recipe_for_role(graph, shift, ROLE_BIAS);
}

/* --- the layers */

static bool is_conv_like(const Node *node)
{
    return node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV || node->op == OP_CONV_TRANSPOSE;
}

static bool has_room(const Node *layer)
{
    const Node *weight = node_weight(layer, ROLE_WEIGHT), *bias = node_weight(layer, ROLE_BIAS);
    return recipe_has_room(weight) && (bias == NULL || recipe_has_room(bias));
}

static void set_bias(Graph *graph, Node *layer, Node *bias)
{
    if (layer->op == OP_DENSE) {
        layer->attr.dense.bias = true;
    } else {
        layer->attr.conv.bias = true;
    }
    graph_set_weight(graph, layer, ROLE_BIAS, recipe_for_role(graph, bias, ROLE_BIAS));
}

static void set_weight(Graph *graph, Node *layer, Node *weight)
{
    graph_set_weight(graph, layer, ROLE_WEIGHT, recipe_for_role(graph, weight, ROLE_WEIGHT));
}

bool linear_takes_output(const Node *layer, FoldQuery query)
{
    if (layer->adds_residual || layer->act.op != OP_IDENTITY) {
        return false;
    }
    if (layer->op == OP_DENSE) {
        return has_room(layer);
    }
    if (!is_conv_like(layer) || !has_room(layer)) {
        return false;
    }
    if (!query.has_vector_scale) {
        return true;
    }
    /* Where output channels lie along one axis of the weight. A table's weight has one entry a connection; in a grouped
     * transposed one the channels of all groups share an axis. */
    return layer->op == OP_CONV_TRANSPOSE ? layer->attr.conv.groups == 1 : layer->attr.conv.table.n_rows == 0;
}

void linear_fold_output(Graph *graph, Node *layer, const ChannelAffine *affine)
{
    Node *bias = node_weight(layer, ROLE_BIAS);
    if (affine->scale != NULL) {
        bool along_second = layer->op == OP_CONV_TRANSPOSE && type_elements(affine->scale->type) > 1;
        int32_t axis = along_second ? 1 : 0;
        set_weight(graph, layer, recipe_binary(graph, CONST_MUL, node_weight(layer, ROLE_WEIGHT), affine->scale, axis));
    }
    if (bias == NULL) {
        bias = shift_of(graph, affine);
    } else {
        bias = affine->minus != NULL ? recipe_binary(graph, CONST_SUB, bias, affine->minus, 0) : bias;
        bias = affine->scale != NULL ? recipe_binary(graph, CONST_MUL, bias, affine->scale, 0) : bias;
        bias = affine->plus != NULL ? recipe_binary(graph, CONST_ADD, bias, affine->plus, 0) : bias;
    }
    if (bias != NULL) {
        set_bias(graph, layer, bias);
    }
}

static bool has_padding(const Node *layer)
{
    const int32_t *edge = layer->attr.conv.pad.edge;
    return edge[0] > 0 || edge[1] > 0 || edge[2] > 0 || edge[3] > 0;
}

bool linear_takes_input(const Node *layer, FoldQuery query)
{
    if (layer->op == OP_DENSE) {
        return has_room(layer);
    }
    if (!is_conv_like(layer) || !has_room(layer)) {
        return false;
    }
    const ConvAttr *attr = &layer->attr.conv;
    if (query.has_shift && (has_padding(layer) || layer->op == OP_CONV_TRANSPOSE)) {
        return false; /* at the borders, and between a transposed one's strides, fewer taps carry the shift */
    }
    if (query.has_vector_scale || query.has_shift) {
        bool is_plain_conv = layer->op == OP_CONV && attr->groups == 1 && attr->table.n_rows == 0;
        return is_plain_conv || layer->op == OP_DEPTHWISE_CONV || layer->op == OP_CONV_TRANSPOSE;
    }
    return true;
}

/* weight[o, i, ...] * scale[i], i the input channel. */
static Node *scale_inputs(Graph *graph, const Node *layer, Node *weight, Node *scale)
{
    if (layer->op == OP_DEPTHWISE_CONV && type_elements(scale->type) > 1) {
        /* [C*multiplier, 1, kh, kw]: the channel is part of the first axis */
        int32_t channels = type_channels(layer->inputs[0]->type);
        TensorType by_channel = {.dtype = DT_F32, .rank = 2};
        by_channel.dim[0] = channels;
        by_channel.dim[1] = (int32_t)(type_elements(weight->type) / channels);
        Node *scaled = recipe_binary(graph, CONST_MUL, reshape(graph, weight, by_channel), scale, 0);
        return reshape(graph, scaled, weight->type);
    }
    bool along_first = layer->op == OP_CONV_TRANSPOSE || type_elements(scale->type) == 1;
    return recipe_binary(graph, CONST_MUL, weight, scale, along_first ? 0 : 1);
}

/* What a constant input shift[i] adds to output channel o where no tap meets the padding. */
static Node *response_to(Graph *graph, const Node *layer, Node *weight, Node *shift)
{
    TensorType out = type_f32_1(weight->type.dim[0]);
    if (layer->op == OP_DEPTHWISE_CONV) { /* the sum of the channel's taps, times its shift */
        int32_t channels = type_channels(layer->inputs[0]->type);
        Node *sums = graph_add_recipe(graph, (ConstAttr){.expr = CONST_DOT}, weight,
                                      recipe_values(graph, 1, 1.0, ROLE_NONE, weight), out);
        TensorType by_channel = {.dtype = DT_F32, .rank = 2};
        by_channel.dim[0] = channels;
        by_channel.dim[1] = out.dim[0] / channels;
        return reshape(graph, recipe_binary(graph, CONST_MUL, reshape(graph, sums, by_channel), shift, 0), out);
    }
    return graph_add_recipe(graph, (ConstAttr){.expr = CONST_DOT}, weight, shift, out);
}

void linear_fold_input(Graph *graph, Node *layer, const ChannelAffine *affine)
{
    Node *weight = node_weight(layer, ROLE_WEIGHT), *bias = node_weight(layer, ROLE_BIAS);
    Node *shift = shift_of(graph, affine);
    if (shift != NULL) {
        Node *response = response_to(graph, layer, weight, shift);
        set_bias(graph, layer, bias == NULL ? response : recipe_binary(graph, CONST_ADD, bias, response, 0));
    }
    if (affine->scale != NULL) {
        set_weight(graph, layer, scale_inputs(graph, layer, weight, affine->scale));
    }
}
