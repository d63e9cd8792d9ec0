/* Pools: windows, whole planes, and windows that adapt to a wanted size. */
#include "lower/lowering.h"

static Kernel window_kernel(const Buffer *in, const Buffer *out, bool is_max, const PoolAttr *attr)
{
    Kernel kernel = lower_kernel(is_max ? KERNEL_MAX_POOL : KERNEL_AVG_POOL, in, out);
    KernelSizes *s = &kernel.sizes;
    s->kernel_rows = attr->kernel[0];
    s->kernel_cols = attr->kernel[1];
    s->stride_rows = attr->stride[0];
    s->stride_cols = attr->stride[1];
    s->pad_top = attr->pad.edge[PAD_TOP];
    s->pad_left = attr->pad.edge[PAD_LEFT];
    if (!is_max) {
        s->pad_bottom = attr->pad.edge[PAD_BOTTOM];
        s->pad_right = attr->pad.edge[PAD_RIGHT];
        s->count_pad = attr->count_pad;
    }
    return kernel;
}

/* Whole windows 2x2 side by side of plain planes: vectors are pixels of a row. */
bool lower_halves_rows(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    return kernel->in.block == 1 && layout_is_plain(&kernel->out) && s->kernel_rows == 2 && s->kernel_cols == 2 &&
           s->stride_rows == 2 && s->stride_cols == 2 && s->pad_top == 0 && s->pad_left == 0 && s->out_cols > 1 &&
           2 * s->out_rows <= s->in_rows && 2 * s->out_cols <= s->in_cols;
}

void lower_window_pool(Lowering *l, const Node *node)
{
    if (l->buffer_of[node->id] != NULL) {
        return; /* done by the convolution before it (fuse_pool in layout_assign.c) */
    }
    Buffer *in = lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel = window_kernel(in, out, node->op == OP_MAX_POOL, &node->attr.pool);
    if (lower_halves_rows(&kernel)) {
        kernel.vector = l->program->target->vector_floats;
    }
    step_add_input(lower_step(l, &kernel, node, out), in);
}

static void append_global(Lowering *l, const Node *node, bool is_max)
{
    bool blocked = lower_is_blocked(l, node->inputs[0]);
    Buffer *in = lower_operand_as(l, node->inputs[0], blocked);
    Buffer *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_GLOBAL_POOL, in, out);
    kernel.sizes.is_max = is_max;
    step_add_input(lower_step(l, &kernel, node, out), in);
}

void lower_global_pool(Lowering *l, const Node *node)
{
    append_global(l, node, node->op == OP_GLOBAL_MAX_POOL);
}

/* Most adaptive pools adapt nothing: torchvision's VGG and AlexNet pool 7x7 to 7x7 and 6x6 to 6x6 at their usual
 * image size. Sizes that divide evenly are plain windows. */
void lower_adaptive_pool(Lowering *l, const Node *node)
{
    const int32_t *size = node->attr.pool.size;
    int32_t rows = type_height(node->inputs[0]->type), cols = type_width(node->inputs[0]->type);
    if (lower_value_of(node) != node) {
        return; /* adapts nothing */
    }
    if (size[0] == 1 && size[1] == 1) {
        append_global(l, node, false);
        return;
    }
    Buffer *in = lower_operand_as(l, node->inputs[0], lower_is_blocked(l, node));
    Buffer *out = lower_result(l, node);
    Kernel kernel;
    if (rows % size[0] == 0 && cols % size[1] == 0) {
        PoolAttr window = {.kernel = {rows / size[0], cols / size[1]}, .stride = {rows / size[0], cols / size[1]}};
        kernel = window_kernel(in, out, false, &window);
    } else {
        kernel = lower_kernel(KERNEL_AVG_POOL, in, out);
        kernel.sizes.adaptive = true;
    }
    step_add_input(lower_step(l, &kernel, node, out), in);
}
