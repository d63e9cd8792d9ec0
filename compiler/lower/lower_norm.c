/* Ops that mix the channels of a pixel: LRN, softmax, log_softmax. */
#include "lower/lowering.h"

void lower_lrn(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
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
    kernel.sizes.is_log = node->op == OP_LOG_SOFTMAX;
    step_add_input(lower_step(l, &kernel, node, out), in);
}
