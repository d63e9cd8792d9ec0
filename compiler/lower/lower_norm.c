/* Ops that mix the channels of a pixel, or the pixels of a channel: LRN, softmax, normalisations by measured sizes. */
#include "lower/lowering.h"

void lower_lrn(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_LRN, in, out);
    kernel.sizes.lrn = node->attr.lrn;
    step_add_input(lower_step(l, &kernel, node, out), in);
}

void lower_softmax(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_SOFTMAX, in, out);
    if (in->layout.rows == 1 && in->layout.cols == 1) {
        kernel.vector = l->program->target->vector_floats;
    }
    kernel.sizes.is_log = node->op == OP_LOG_SOFTMAX;
    step_add_input(lower_step(l, &kernel, node, out), in);
}

/* The result may take the operand's place: a channel is read whole before it is written. */
void lower_instance_norm(Lowering *l, const Node *node)
{
    bool blocked = lower_is_blocked(l, node);
    Buffer *residual = node->adds_residual ? lower_operand_as(l, node_residual(node), blocked) : NULL;
    Buffer *in = lower_operand_as(l, node->inputs[0], blocked);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_INSTANCE_NORM, in, out);
    kernel.sizes.eps = node->attr.norm.eps;
    kernel.residual = blocked && residual != NULL ? residual->layout : (Layout){0};
    lower_epilogue(node, &kernel);
    const Node *gamma = node_weight(node, ROLE_WEIGHT), *beta = node_weight(node, ROLE_BIAS);
    kernel.epilogue.bias = gamma != NULL;
    const Segment *scale = gamma == NULL ? NULL : lower_vector(l, &kernel, gamma, node, ROLE_WEIGHT);
    const Segment *shift = gamma == NULL ? NULL : lower_vector(l, &kernel, beta, node, ROLE_BIAS);
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->residual = residual;
    step->weight = scale;
    step->bias = shift;
}

void lower_l2_normalize(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_L2_NORMALIZE, in, out);
    kernel.sizes.eps = node->attr.norm.eps;
    step_add_input(lower_step(l, &kernel, node, out), in);
}
