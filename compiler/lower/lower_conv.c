/* Products with weights: conv, depthwise_conv, dense. Sizes come from the node; the kernel itself from
 * select.c, how it wants its weights from tiles.c; packing follows what was selected. */
#include "lower/lowering.h"

/* Weight and bias of a product: a bias is padded like the rows of the weight, so that a tile of rows reads a tile of
 * biases. */
static void add_weights(Lowering *l, const Node *node, const Kernel *kernel, int32_t cols, const Segment **weight,
                        const Segment **bias)
{
    int32_t rows = kernel->sizes.out_channels;
    int32_t groups = kernel->family == KERNEL_CONV ? kernel->sizes.groups : 1;
    Packing packing = {.format = kernel->weight_format, .rows = rows, .cols = cols, .groups = groups};
    *weight = lower_segment(l, node_weight(node, ROLE_WEIGHT), packing, node, ROLE_WEIGHT);
    *bias = NULL;
    if (kernel->epilogue.bias) {
        Packing vector = {.format = pack_rows(kernel->weight_format.row_block, 1), .rows = rows, .cols = 1, .groups = groups};
        *bias = lower_segment(l, node_weight(node, ROLE_BIAS), vector, node, ROLE_BIAS);
    }
}

static void append_product(Lowering *l, const Node *node, const Kernel *kernel, Buffer *in, Buffer *out, int32_t cols)
{
    const Segment *weight, *bias;
    add_weights(l, node, kernel, cols, &weight, &bias);
    Buffer *residual = node->adds_residual ? lower_operand(l, node_residual(node)) : NULL;
    Step *step = lower_step(l, kernel, node, out);
    step_add_input(step, in);
    step->residual = residual;
    step->weight = weight;
    step->bias = bias;
    step->macs = node_macs(node);
}

void lower_conv(Lowering *l, const Node *node)
{
    const ConvAttr *attr = &node->attr.conv;
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_CONV, in, out);
    KernelSizes *s = &kernel.sizes;
    s->kernel_rows = attr->kernel[0];
    s->kernel_cols = attr->kernel[1];
    s->stride_rows = attr->stride[0];
    s->stride_cols = attr->stride[1];
    s->dilation_rows = attr->dilation[0];
    s->dilation_cols = attr->dilation[1];
    s->pad_top = attr->pad.edge[PAD_TOP];
    s->pad_left = attr->pad.edge[PAD_LEFT];
    s->groups = node->op == OP_DEPTHWISE_CONV ? s->in_channels : attr->groups;
    kernel.epilogue.bias = node_weight(node, ROLE_BIAS) != NULL;
    lower_epilogue(node, &kernel);
    int32_t cols = s->in_channels / s->groups * s->kernel_rows * s->kernel_cols;
    select_conv(l->program->target, &kernel);
    append_product(l, node, &kernel, in, out, cols);
}

void lower_dense(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_DENSE, in, out);
    kernel.epilogue.bias = node_weight(node, ROLE_BIAS) != NULL;
    lower_epilogue(node, &kernel);
    int32_t cols = kernel.sizes.in_channels;
    tiles_choose(l->program->target, &kernel);
    append_product(l, node, &kernel, in, out, cols);
}
