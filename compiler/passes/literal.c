/* Ops and recipes over literals; see literal.h. The formulas are those of ops.def, written a third time on purpose:
 * passes must not depend on the interpreter that checks them. */
#include "passes/literal.h"

#include <math.h>

/* Larger results stay as they are: a literal is written out in dumps and fingerprints. */
enum { LITERAL_MAX_ELEMENTS = 65536 };

bool literal_is(const Node *node)
{
    return node->op == OP_CONST && node->attr.constant.expr == CONST_VALUES;
}

static bool reads_literals(const Node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; ++i) {
        if (!literal_is(node->inputs[i])) {
            return false;
        }
    }
    return node->n_inputs > 0 && type_elements(node->type) <= LITERAL_MAX_ELEMENTS;
}

static bool is_elementwise_binary(const Node *node)
{
    return node->op == OP_ADD || node->op == OP_SUB || node->op == OP_MUL;
}

static bool is_copy(const Node *node)
{
    return node->op == OP_RESHAPE || node->op == OP_DROPOUT ||
           (node->op == OP_FLATTEN && node->attr.shape.order == FLATTEN_CHW);
}

bool literal_can_evaluate(const Node *node)
{
    if (!reads_literals(node) || node->adds_residual || node->act.op != OP_IDENTITY) {
        return false;
    }
    if (node->op == OP_CONST) {
        ConstExpr expr = node->attr.constant.expr;
        return expr != CONST_DOT && expr != CONST_HWC_TO_CHW && expr != CONST_CONCAT;
    }
    bool is_act = (op_info(node->op)->flags & OPF_ACT) != 0;
    return is_elementwise_binary(node) || node->op == OP_SCALE || is_act || is_copy(node);
}

/* --- operands that are repeated: the element of `operand` that meets element i of `result` */

static double operand_of_op(const Node *operand, TensorType result, int64_t i)
{
    int64_t count = type_elements(operand->type), total = type_elements(result);
    int64_t index = count == total ? i : count == 1 ? 0 : i / (total / type_channels(result));
    return operand->attr.constant.values[index];
}

static double operand_of_recipe(const Node *recipe, const Node *operand, int64_t i)
{
    TensorType type = recipe->type;
    if (type_equal(operand->type, type)) {
        return operand->attr.constant.values[i];
    }
    int32_t axis = recipe->attr.constant.axis;
    int64_t below = 1;
    for (int k = axis + 1; k < type.rank; ++k) {
        below *= type.dim[k];
    }
    return operand->attr.constant.values[type_elements(operand->type) == 1 ? 0 : i / below % type.dim[axis]];
}

/* --- values */

static double recipe_value(const Node *recipe, int64_t i)
{
    const ConstAttr *attr = &recipe->attr.constant;
    double a = recipe->inputs[0]->attr.constant.values[i];
    switch (attr->expr) {
    case CONST_ADD:
        return a + operand_of_recipe(recipe, recipe->inputs[1], i);
    case CONST_SUB:
        return a - operand_of_recipe(recipe, recipe->inputs[1], i);
    case CONST_MUL:
        return a * operand_of_recipe(recipe, recipe->inputs[1], i);
    case CONST_DIV:
        return a / operand_of_recipe(recipe, recipe->inputs[1], i);
    case CONST_RSQRT:
        return 1.0 / sqrt(a + attr->eps);
    case CONST_RESHAPE:
        return a;
    case CONST_WEIGHT:
    case CONST_VALUES:
    case CONST_DOT:
    case CONST_HWC_TO_CHW:
    case CONST_CONCAT:
        break;
    }
    ICE("recipe %d over literals", (int)attr->expr);
}

static double limit(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static double unary_value(const Node *node, double x)
{
    const ActAttr *act = &node->attr.act;
    switch (node->op) {
    case OP_SCALE:
        return node->attr.misc.scale * x;
    case OP_IDENTITY:
    case OP_DROPOUT:
    case OP_FLATTEN:
    case OP_RESHAPE:
        return x;
    case OP_RELU:
        return x > 0.0 ? x : 0.0;
    case OP_RELU6:
        return limit(x, 0.0, 6.0);
    case OP_LEAKY_RELU:
        return x >= 0.0 ? x : act->a * x;
    case OP_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case OP_HARD_SIGMOID:
        return limit(x / 6.0 + 0.5, 0.0, 1.0);
    case OP_TANH:
        return tanh(x);
    case OP_SCALED_TANH:
        return act->a * tanh(act->b * x);
    case OP_SILU:
        return x / (1.0 + exp(-x));
    case OP_HARD_SWISH:
        return x * limit(x / 6.0 + 0.5, 0.0, 1.0);
    case OP_GELU:
        return x / 2.0 * (1.0 + erf(x / sqrt(2.0)));
    case OP_ELU:
        return x > 0.0 ? x : act->a * expm1(x);
    case OP_SOFTPLUS:
        return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case OP_STEP:
        return x >= 0.0 ? 1.0 : 0.0;
    case OP_CLAMP:
        return limit(x, act->a, act->b);
    case OP_INPUT:
    case OP_CONST:
    case OP_CONV:
    case OP_DEPTHWISE_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_DENSE:
    case OP_BATCH_NORM:
    case OP_INSTANCE_NORM:
    case OP_LRN:
    case OP_MAX_POOL:
    case OP_AVG_POOL:
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
    case OP_ADAPTIVE_AVG_POOL:
    case OP_SUBSAMPLE:
    case OP_PRELU:
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
    case OP_RBF:
    case OP_L2_NORMALIZE:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_CONCAT:
    case OP_PERMUTE:
    case OP_SLICE:
    case OP_CROP:
    case OP_CHANNEL_SHUFFLE:
    case OP_PAD:
    case OP_UPSAMPLE:
    case OP_AFFINE:
    case OP_NORMALIZE:
    case OP_GRAM:
    case OP_MSE:
    case OP_SUM:
    case OP_MEAN:
    case OP_ARGMAX:
    case OP_TOP_K:
    case OP_COUNT:
        break;
    }
    ICE("op %d over a literal", (int)node->op);
}

static double op_value(const Node *node, int64_t i)
{
    if (!is_elementwise_binary(node)) {
        return unary_value(node, node->inputs[0]->attr.constant.values[i]);
    }
    double a = operand_of_op(node->inputs[0], node->type, i), b = operand_of_op(node->inputs[1], node->type, i);
    return node->op == OP_ADD ? a + b : node->op == OP_SUB ? a - b : a * b;
}

double *literal_evaluate(const Node *node, Arena *scratch)
{
    int64_t count = type_elements(node->type);
    double *values = ARENA_ARRAY(scratch, double, count);
    for (int64_t i = 0; i < count; ++i) {
        values[i] = node->op == OP_CONST ? recipe_value(node, i) : op_value(node, i);
    }
    return values;
}
