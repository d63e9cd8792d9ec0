/* Planes of another size made of the input's own pixels: reflected and repeated borders, upsampling, and LeNet-5's
 * trained subsampling. */
#include "lower/lowering.h"

/* Where the operand was written into the result's memory already, only the frame is left to be done. */
void lower_border(Lowering *l, const Node *node)
{
    bool blocked = lower_is_blocked(l, node);
    const Node *value = lower_value_of(node->inputs[0]);
    Buffer *in = lower_operand_as(l, value, blocked);
    if (type_equal(node->type, value->type) && !blocked) {
        lower_view(l, node, in);
        return;
    }
    Buffer *out = blocked ? lower_whole_result(l, node) : lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_BORDER, in, out);
    const int32_t *edge = node->attr.shape.pads.edge;
    kernel.sizes.pad_top = edge[PAD_TOP];
    kernel.sizes.pad_left = edge[PAD_LEFT];
    kernel.sizes.pad_bottom = edge[PAD_BOTTOM];
    kernel.sizes.pad_right = edge[PAD_RIGHT];
    kernel.sizes.border = node->attr.shape.pad_mode;
    kernel.sizes.scalar[0] = kernel.sizes.border == PAD_ZERO ? node->attr.shape.pad_value : 0.0;
    kernel.sizes.frame = l->layouts[value->id].border == node;
    step_add_input(lower_step(l, &kernel, node, out), in);
}

void lower_upsample(Lowering *l, const Node *node)
{
    bool blocked = lower_is_blocked(l, node);
    Buffer *in = lower_operand_as(l, node->inputs[0], blocked);
    const int32_t *scale = node->attr.shape.scale;
    if (scale[0] == 1 && scale[1] == 1 && !blocked) {
        lower_view(l, node, in);
        return;
    }
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_UPSAMPLE, in, out);
    kernel.sizes.stride_rows = scale[0];
    kernel.sizes.stride_cols = scale[1];
    kernel.sizes.bilinear = node->attr.shape.upsample_mode == UPSAMPLE_BILINEAR;
    step_add_input(lower_step(l, &kernel, node, out), in);
}

void lower_subsample(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_SUBSAMPLE, in, out);
    kernel.sizes.kernel_rows = kernel.sizes.stride_rows = node->attr.pool.kernel[0];
    kernel.sizes.kernel_cols = kernel.sizes.stride_cols = node->attr.pool.kernel[1];
    kernel.epilogue.bias = true;
    if (lower_halves_rows(&kernel)) {
        kernel.vector = l->program->target->vector_floats;
    }
    const Segment *scale = lower_vector(l, &kernel, node_weight(node, ROLE_WEIGHT), node, ROLE_WEIGHT);
    const Segment *shift = lower_vector(l, &kernel, node_weight(node, ROLE_BIAS), node, ROLE_BIAS);
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->weight = scale;
    step->bias = shift;
}
