/* What a node costs: shapes of its weights, multiply-accumulates, parameters, counted as the literature does:
 * a MAC is one multiply-accumulate of a convolution or dense layer (those with padding included), a parameter is a
 * trained scalar. */
#include "ir/shape_parts.h"

int shape_weight_dims(const Node *node, WeightRole role, int64_t dims[TYPE_MAX_RANK])
{
    int64_t in_channels = node->inputs[0]->type.dim[0];
    bool is_weight = role == ROLE_WEIGHT;
    if (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV || node->op == OP_CONV_TRANSPOSE) {
        const ConvAttr *conv = &node->attr.conv;
        if (!is_weight) {
            dims[0] = conv->channels;
            return 1;
        }
        if (conv->table.n_rows > 0) {
            dims[0] = conv->table.start[conv->table.n_rows];
            dims[1] = conv->kernel[0];
            dims[2] = conv->kernel[1];
            return 3;
        }
        bool is_transposed = node->op == OP_CONV_TRANSPOSE;
        dims[0] = is_transposed ? in_channels : conv->channels;
        dims[1] = (is_transposed ? conv->channels : in_channels) / conv->groups;
        dims[2] = conv->kernel[0];
        dims[3] = conv->kernel[1];
        return 4;
    }
    if (node->op == OP_DENSE || node->op == OP_RBF) {
        dims[0] = node->attr.dense.units;
        dims[1] = in_channels;
        return is_weight ? 2 : 1;
    }
    dims[0] = in_channels; /* one a channel */
    return 1;
}

TensorType shape_of_weight(const Node *node, WeightRole role)
{
    int64_t dims[TYPE_MAX_RANK];
    TensorType type = {.dtype = DT_F32, .rank = (uint8_t)shape_weight_dims(node, role, dims)};
    for (int i = 0; i < type.rank; ++i) {
        type.dim[i] = (int32_t)dims[i];
    }
    return type;
}

/* No overflow: a weight and a plane of the output (or input) each have less than 2^31 elements. */
int64_t node_macs(const Node *node)
{
    if (node->op == OP_DENSE) {
        return type_elements(shape_of_weight(node, ROLE_WEIGHT));
    }
    if (node->op == OP_CONV_TRANSPOSE) { /* per input pixel */
        TensorType in = node->inputs[0]->type;
        return type_elements(shape_of_weight(node, ROLE_WEIGHT)) * type_height(in) * type_width(in);
    }
    if (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV) { /* each weight meets each output pixel once */
        return type_elements(shape_of_weight(node, ROLE_WEIGHT)) * type_height(node->type) * type_width(node->type);
    }
    return 0;
}

int64_t node_params(const Node *node)
{
    if (node->op == OP_RBF) {
        return 0; /* LeNet-5's bitmaps are fixed by hand, not trained */
    }
    WeightRole roles[4];
    int count = op_weights(node->op, &node->attr, roles);
    int64_t params = 0;
    for (int i = 0; i < count; ++i) {
        if (roles[i] == ROLE_WEIGHT || roles[i] == ROLE_BIAS) { /* running statistics are measured, not trained */
            params += type_elements(shape_of_weight(node, roles[i]));
        }
    }
    return params;
}
