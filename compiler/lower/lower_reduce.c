/* Ops that make few numbers of many: rbf, gram, sum, mean, mse, argmax, top_k. */
#include "lower/lowering.h"

void lower_rbf(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_RBF, in, out);
    Packing packing = {
        .format = pack_rows(1, 1), .rows = kernel.sizes.out_channels, .cols = kernel.sizes.in_channels, .groups = 1};
    const Segment *centres = lower_segment(l, node_weight(node, ROLE_WEIGHT), packing, node, ROLE_WEIGHT);
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->weight = centres;
}

void lower_gram(Lowering *l, const Node *node)
{
    bool blocked = lower_is_blocked(l, node->inputs[0]);
    Buffer *in = lower_operand_as(l, node->inputs[0], blocked);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_GRAM, in, out);
    step_add_input(lower_step(l, &kernel, node, out), in);
}

/* The operand's shape does not matter, only how many elements it has. */
void lower_reduce(Lowering *l, const Node *node)
{
    Buffer *operands[2] = {NULL, NULL};
    for (uint32_t i = 0; i < node->n_data; ++i) {
        operands[i] = lower_operand(l, node->inputs[i]);
    }
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_REDUCE, operands[0], out);
    kernel.sizes.op = node->op;
    kernel.sizes.in_channels = (int32_t)type_elements(node->inputs[0]->type);
    kernel.sizes.in_rows = kernel.sizes.in_cols = 1;
    kernel.in = layout_plain(type_f32_1(kernel.sizes.in_channels));
    Step *step = lower_step(l, &kernel, node, out);
    for (uint32_t i = 0; i < node->n_data; ++i) {
        step_add_input(step, operands[i]);
    }
}

void lower_argmax(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_ARGMAX, in, out);
    step_add_input(lower_step(l, &kernel, node, out), in);
}

void lower_top_k(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_TOP_K, in, out);
    kernel.sizes.k = node->attr.misc.k;
    kernel.sizes.indices = node->attr.misc.indices;
    step_add_input(lower_step(l, &kernel, node, out), in);
}
