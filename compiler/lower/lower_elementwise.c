/* Elementwise families: activations, sums and products of two tensors, scale and shift per channel. Their results may
 * take the place of an operand that dies: plan.c decides. */
#include "lower/lowering.h"

void lower_unary(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_UNARY, in, out);
    kernel.epilogue.act = (Activation){.op = node->op};
    if (node->op != OP_PRELU) {
        kernel.epilogue.act.attr = node->attr.act;
        kernel.vector = l->program->target->vector_floats; /* plain memory too */
    }
    const Segment *slope =
        node->op == OP_PRELU ? lower_vector(l, &kernel, node_weight(node, ROLE_WEIGHT), node, ROLE_WEIGHT) : NULL;
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->weight = slope;
}

/* --- two operands */

/* An operand of the result's size lies as the result does, others are plain. */
static Buffer *binary_operand(Lowering *l, const Node *node, const Node *operand)
{
    bool same_size = type_elements(operand->type) == type_elements(node->type);
    return lower_operand_as(l, operand, same_size && lower_is_blocked(l, node));
}

/* Appends `in[0] op in[1]`; a NULL operand is the literal of the same index. */
static void append_binary(Lowering *l, const Node *node, OpKind op, Buffer *const operands[2], const double literals[2])
{
    bool blocked = lower_is_blocked(l, node);
    Buffer *residual = node->adds_residual ? lower_operand_as(l, node_residual(node), blocked) : NULL;
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_BINARY, out, out);
    KernelSizes *s = &kernel.sizes;
    s->op = op;
    lower_epilogue(node, &kernel);
    int64_t elements = type_elements(node->type);
    for (int i = 0; i < 2; ++i) {
        if (operands[i] == NULL) {
            s->broadcast[i] = BROADCAST_SCALAR;
            s->scalar_is_literal[i] = true;
            s->scalar[i] = literals[i];
            continue;
        }
        const Layout *layout = &operands[i]->layout;
        int64_t own = (int64_t)layout->channels * layout->rows * layout->cols;
        s->broadcast[i] = own == elements ? BROADCAST_NONE : own == 1 ? BROADCAST_SCALAR : BROADCAST_CHANNEL;
    }
    if (blocked) {
        kernel.in = operands[0] != NULL ? operands[0]->layout : (Layout){0};
        kernel.in2 = operands[1] != NULL ? operands[1]->layout : (Layout){0};
        kernel.residual = residual != NULL ? residual->layout : (Layout){0};
    }
    Step *step = lower_step(l, &kernel, node, out);
    for (int i = 0; i < 2; ++i) {
        if (operands[i] != NULL) {
            step_add_input(step, operands[i]);
        }
    }
    step->residual = residual;
}

void lower_binary(Lowering *l, const Node *node)
{
    Buffer *operands[2];
    double literals[2] = {0};
    for (int i = 0; i < 2; ++i) {
        operands[i] = lower_is_literal(node->inputs[i], &literals[i]) ? NULL : binary_operand(l, node, node->inputs[i]);
    }
    append_binary(l, node, node->op, operands, literals);
}

void lower_scale(Lowering *l, const Node *node)
{
    Buffer *const operands[2] = {binary_operand(l, node, node->inputs[0]), NULL};
    const double literals[2] = {0, node->attr.misc.scale};
    append_binary(l, node, OP_MUL, operands, literals);
}

/* --- scale and shift per channel: weight and bias are recipes, carried out when weights are packed. Where the only reader
 * is a 1x1 convolution, it does them itself (layout_merge.c). */

static void append_channel_affine(Lowering *l, const Node *node, const Node *weight, const Node *bias)
{
    bool of_pixels =
        node->inputs[0]->type.dtype == DT_U8; /* read as they lie: the kernel converts and sorts by channel */
    Buffer *in =
        of_pixels ? l->buffer_of[node->inputs[0]->id] : lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(of_pixels ? KERNEL_PIXELS : KERNEL_CHANNEL_AFFINE, in, out);
    kernel.vector = of_pixels ? 1 : kernel.vector; /* interleaved is no block */
    kernel.epilogue.bias = true;
    lower_epilogue(node, &kernel);
    const Segment *scale = lower_vector(l, &kernel, weight, node, ROLE_WEIGHT);
    const Segment *shift = lower_vector(l, &kernel, bias, node, ROLE_BIAS);
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->weight = scale;
    step->bias = shift;
}

/* (x - mean) * s + beta = x * s + (beta - mean * s) with s = gamma / sqrt(var + eps). */
static void batch_norm_recipe(Lowering *l, const Node *node, const Node **scale_of, const Node **shift_of)
{
    const Node *gamma = node_weight(node, ROLE_WEIGHT), *beta = node_weight(node, ROLE_BIAS);
    const Node *mean = node_weight(node, ROLE_RUNNING_MEAN), *var = node_weight(node, ROLE_RUNNING_VAR);
    const Node *scale = lower_recipe(l, CONST_RSQRT, var, NULL, node->attr.norm.eps);
    if (gamma != NULL) {
        scale = lower_recipe(l, CONST_MUL, gamma, scale, 0);
    }
    const Node *shift = lower_recipe(l, CONST_MUL, mean, scale, 0);
    if (beta != NULL) {
        shift = lower_recipe(l, CONST_SUB, beta, shift, 0);
    } else {
        const double minus_one = -1.0;
        shift = lower_recipe(l, CONST_MUL, shift, lower_values(l, 1, &minus_one), 0);
    }
    *scale_of = scale;
    *shift_of = shift;
}

static double list_at(const FloatList *list, int32_t channel)
{
    return list->values[list->count == 1 ? 0 : channel];
}

/* (x * scale - mean) / std = x * (scale / std) + (-mean / std). */
static void normalize_recipe(Lowering *l, const Node *node, const Node **scale, const Node **shift)
{
    const MiscAttr *attr = &node->attr.misc;
    int32_t channels = type_channels(node->type);
    double *weight = ARENA_ARRAY(l->scratch, double, channels);
    double *bias = ARENA_ARRAY(l->scratch, double, channels);
    for (int32_t c = 0; c < channels; ++c) {
        double deviation = list_at(&attr->std, c);
        weight[c] = attr->scale / deviation;
        bias[c] = -list_at(&attr->mean, c) / deviation;
    }
    *scale = lower_values(l, channels, weight);
    *shift = lower_values(l, channels, bias);
}

bool lower_is_norm(const Node *node)
{
    return node->op == OP_BATCH_NORM || node->op == OP_AFFINE || node->op == OP_NORMALIZE;
}

void lower_norm_recipe(Lowering *l, const Node *node, const Node **scale, const Node **shift)
{
    if (node->op == OP_BATCH_NORM) {
        batch_norm_recipe(l, node, scale, shift);
    } else if (node->op == OP_NORMALIZE) {
        normalize_recipe(l, node, scale, shift);
    } else {
        *scale = node_weight(node, ROLE_WEIGHT);
        *shift = node_weight(node, ROLE_BIAS);
    }
}

void lower_scale_and_shift(Lowering *l, const Node *node)
{
    const Node *scale, *shift;
    lower_norm_recipe(l, node, &scale, &shift);
    append_channel_affine(l, node, scale, shift);
}
