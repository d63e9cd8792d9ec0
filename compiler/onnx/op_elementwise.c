/* Activations and arithmetic. */
#include <math.h>

#include "onnx/build.h"

static void with_axis_1(const Emit *e, const char *op_type)
{
    char *x = onnx_data(e, 0);
    onnx_attr_int(e, onnx_node(e, op_type, NULL, &x, 1), "axis", 1);
}

static void with_alpha(const Emit *e, const char *op_type, double alpha)
{
    char *x = onnx_data(e, 0);
    onnx_attr_float(e, onnx_node(e, op_type, NULL, &x, 1), "alpha", alpha);
}

static void clip(const Emit *e, double lo, double hi)
{
    char *inputs[] = {onnx_data(e, 0), onnx_scalar(e, "min", lo), onnx_scalar(e, "max", hi)};
    onnx_node(e, "Clip", NULL, inputs, 3);
}

static void hard_sigmoid(const Emit *e)
{
    char *x = onnx_data(e, 0);
    Onnx__NodeProto *node = onnx_node(e, "HardSigmoid", NULL, &x, 1);
    onnx_attr_float(e, node, "alpha", 1.0 / 6.0);
    onnx_attr_float(e, node, "beta", 0.5);
}

static void scaled_tanh(const Emit *e)
{
    const ActAttr *act = &e->node->attr.act;
    char *inner = onnx_binary(e, "Mul", "inner", onnx_data(e, 0), onnx_scalar(e, "b", act->b));
    char *tanh = onnx_unary(e, "Tanh", "tanh", inner);
    onnx_binary(e, "Mul", NULL, tanh, onnx_scalar(e, "a", act->a));
}

static void silu(const Emit *e)
{
    char *x = onnx_data(e, 0);
    onnx_binary(e, "Mul", NULL, x, onnx_unary(e, "Sigmoid", "sigmoid", x));
}

/* Gelu is an operator from opset 20 on. */
static void gelu(const Emit *e)
{
    char *x = onnx_data(e, 0);
    char *inner = onnx_binary(e, "Mul", "inner", x, onnx_scalar(e, "rsqrt_2", 1.0 / sqrt(2.0)));
    char *erf = onnx_unary(e, "Erf", "erf", inner);
    char *weight = onnx_binary(e, "Add", "weight", erf, onnx_scalar(e, "one", 1.0));
    char *weighted = onnx_binary(e, "Mul", "weighted", x, weight);
    onnx_binary(e, "Mul", NULL, weighted, onnx_scalar(e, "half", 0.5));
}

static void step(const Emit *e)
{
    char *is_high = onnx_binary(e, "GreaterOrEqual", "is_high", onnx_data(e, 0), onnx_scalar(e, "zero", 0.0));
    onnx_attr_int(e, onnx_node(e, "Cast", NULL, &is_high, 1), "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
}

/* The operator that is the op, where there is one without attributes; else NULL. */
static const char *plain_operator(OpKind op)
{
    return op == OP_RELU         ? "Relu"
           : op == OP_SIGMOID    ? "Sigmoid"
           : op == OP_TANH       ? "Tanh"
           : op == OP_HARD_SWISH ? "HardSwish"
           : op == OP_SOFTPLUS   ? "Softplus"
           : op == OP_IDENTITY   ? "Identity"
           : op == OP_DROPOUT    ? "Identity"
                                 : NULL;
}

void onnx_activation(const Emit *e)
{
    const ActAttr *act = &e->node->attr.act;
    OpKind op = e->node->op;
    if (plain_operator(op) != NULL) {
        onnx_unary(e, plain_operator(op), NULL, onnx_data(e, 0));
    } else if (op == OP_RELU6) {
        clip(e, 0.0, 6.0);
    } else if (op == OP_CLAMP) {
        clip(e, act->a, act->b);
    } else if (op == OP_LEAKY_RELU) {
        with_alpha(e, "LeakyRelu", act->a);
    } else if (op == OP_ELU) {
        with_alpha(e, "Elu", act->a);
    } else if (op == OP_HARD_SIGMOID) {
        hard_sigmoid(e);
    } else if (op == OP_SCALED_TANH) {
        scaled_tanh(e);
    } else if (op == OP_SILU) {
        silu(e);
    } else if (op == OP_GELU) {
        gelu(e);
    } else if (op == OP_STEP) {
        step(e);
    } else if (op == OP_SOFTMAX) {
        with_axis_1(e, "Softmax");
    } else if (op == OP_LOG_SOFTMAX) {
        with_axis_1(e, "LogSoftmax");
    } else {
        ICE("no ONNX export of activation %d", (int)op);
    }
}

void onnx_prelu(const Emit *e)
{
    onnx_binary(e, "PRelu", NULL, onnx_data(e, 0), onnx_channel_weight(e, ROLE_WEIGHT));
}

/* A vector of channels against an image: [1,C] becomes [1,C,1,1]. A single number broadcasts as it is, but for the rank
 * of the result it must not be the only operand. */
static char *operand(const Emit *e, uint32_t index)
{
    TensorType type = onnx_data_of(e, index), result = e->node->type;
    if (type.rank >= result.rank || type_elements(type) == 1) {
        return onnx_data(e, index);
    }
    char *axes = onnx_ints(e, "axes", (const int64_t[]){2, 3}, 2);
    return onnx_binary(e, "Unsqueeze", index == 0 ? "left" : "right", onnx_data(e, index), axes);
}

void onnx_arithmetic(const Emit *e)
{
    const char *op_type = e->node->op == OP_ADD ? "Add" : e->node->op == OP_SUB ? "Sub" : "Mul";
    onnx_binary(e, op_type, NULL, operand(e, 0), operand(e, 1));
}

void onnx_scale(const Emit *e)
{
    onnx_binary(e, "Mul", NULL, onnx_data(e, 0), onnx_scalar(e, "factor", e->node->attr.misc.scale));
}
