/* What a step does along with its own work, before anything is lowered: a shortcut's projection in the sums of the
 * convolution that it is added to; a norm, an activation or a mean, done by the convolution or dense layer to what it reads.
 * Such a node has no step, and its value no memory. Called by layout_assign.c once it is known what is blocked. */
#include "lower/lowering.h"

/* --- convolutions that share their sums */

/* A 1x1 convolution as a product of matrices. */
static bool is_pointwise(const Lowering *l, const Node *node)
{
    const NodeLayout *layout = &l->layouts[node->id];
    if (node->op != OP_CONV || !layout->vector_conv ||
        (layout->family != KERNEL_DIRECT && layout->family != KERNEL_STRASSEN)) {
        return false;
    }
    const Kernel record = lower_conv_record(node);
    const KernelSizes *s = &record.sizes;
    /* Padding would have to be zeros of both inputs' halos. */
    return s->kernel_rows == 1 && s->kernel_cols == 1 && s->groups == 1 && s->pad_top == 0 && s->pad_left == 0 &&
           (s->out_rows - 1) * s->stride_rows < s->in_rows && (s->out_cols - 1) * s->stride_cols < s->in_cols;
}

static bool is_pointwise_direct(const Lowering *l, const Node *node)
{
    return is_pointwise(l, node) && l->layouts[node->id].family == KERNEL_DIRECT;
}

/* y = act(A x + B h) of two 1x1 convolutions, the end of a residual block whose shortcut is a projection: the sums of A
 * go on over the channels of h. B's result, which nobody else reads, is never written and never read back. */
static void assign_second(const Lowering *l, const Node *node, const Uses *uses)
{
    const Node *second = node->adds_residual ? node_residual(node) : NULL;
    if (second == NULL || !is_pointwise_direct(l, node) || !is_pointwise_direct(l, second) ||
        !uses_once(uses, second) || second->adds_residual || second->act.op != OP_IDENTITY ||
        type_channels(node->inputs[0]->type) % l->program->target->channel_block != 0) {
        return;
    }
    l->layouts[node->id].second = second;
    l->layouts[second->id].is_second = true;
    l->layouts[second->id].blocked = false;
}

/* --- what a step does to its input */

static void take_before(const Lowering *l, NodeLayout *layout, const Node *before)
{
    layout->before = before;
    l->layouts[before->id].is_before = true;
    l->layouts[before->id].blocked = false;
}

/* An image that stays in the second level, with the weights beside it, is normalised as fast by a step of its own; few
 * pixels do not pay for weights that are read again for each block of them; and with few outputs the time is that of
 * reading x, for which a step is the better order (bench/NOTES.md). But with a stride the step would normalise what
 * nobody reads. */
static bool prologue_pays(const NodeLayout *layout, const Node *node)
{
    enum { LEAST_BYTES = 400 * 1024, LEAST_PIXELS = 100, LEAST_OUTPUTS = 100 };
    const ConvAttr *conv = &node->attr.conv;
    int64_t pixels = (int64_t)type_height(node->type) * type_width(node->type);
    return layout->family == KERNEL_STRASSEN || conv->stride[0] > 1 || conv->stride[1] > 1 ||
           (pixels >= LEAST_PIXELS && type_channels(node->type) >= LEAST_OUTPUTS &&
            4 * type_elements(node->inputs[0]->type) >= LEAST_BYTES);
}

/* y = A act(x * scale + shift), where no convolution before the norm could take it (fold_batch_norm): its input is a
 * concat, or a sum that others read too. A 1x1 convolution that alone reads the result does it to some pixels at a time,
 * and no normalised image is written. Where nobody else reads x, the norm's result takes its place: that costs no memory,
 * and less time than reading what is normalised from somewhere else. */
static void assign_prologue(const Lowering *l, const Node *node, const Uses *uses)
{
    NodeLayout *layout = &l->layouts[node->id];
    if (!is_pointwise(l, node) || layout->second != NULL || layout->is_second || !prologue_pays(layout, node)) {
        return;
    }
    const Node *norm = node->inputs[0];
    if (lower_is_norm(norm) && l->layouts[norm->id].blocked && !norm->adds_residual && uses_once(uses, norm) &&
        !uses_once(uses, lower_value_of(norm->inputs[0]))) {
        take_before(l, layout, norm);
    }
}

/* y = depthwise(relu(x)), where others read x too, as Xception's blocks begin: maxima in the depthwise convolution's loads
 * cost little beside its sums, and no second image is written. Zeros around x stay what they are. */
static void assign_act_before(const Lowering *l, const Node *node, const Uses *uses)
{
    NodeLayout *layout = &l->layouts[node->id];
    if (node->op != OP_DEPTHWISE_CONV || !layout->vector_conv || layout->family != KERNEL_DEPTHWISE) {
        return;
    }
    const Node *act = node->inputs[0];
    if ((act->op != OP_RELU && act->op != OP_RELU6) || act->adds_residual || !l->layouts[act->id].blocked ||
        !uses_once(uses, act)) {
        return;
    }
    const NodeLayout *x = &l->layouts[lower_value_of(act->inputs[0])->id];
    if (x->blocked && x->border == NULL) {
        take_before(l, layout, act);
    }
}

/* Each channel's mean over the whole image. */
static bool is_mean(const Node *node)
{
    const PoolAttr *pool = &node->attr.pool;
    if (node->op == OP_AVG_POOL) {
        TensorType in = node->inputs[0]->type;
        const int32_t *pad = pool->pad.edge;
        return pool->kernel[0] == type_height(in) && pool->kernel[1] == type_width(in) && pad[PAD_TOP] == 0 &&
               pad[PAD_LEFT] == 0 && pad[PAD_BOTTOM] == 0 && pad[PAD_RIGHT] == 0;
    }
    return node->op == OP_GLOBAL_AVG_POOL ||
           (node->op == OP_ADAPTIVE_AVG_POOL && pool->size[0] == 1 && pool->size[1] == 1);
}

/* y = A mean(x): the end of most classifiers. Every part of a parallel run works out all means for itself, where a pool of its own
 * would be shared out, so the layer must have much more to do with each: not the layers of squeeze and excitation. */
static void assign_mean_before(const Lowering *l, const Node *node, const Uses *uses)
{
    NodeLayout *layout = &l->layouts[node->id];
    if (node->op != OP_DENSE && (node->op != OP_CONV || !layout->vector_conv || layout->family != KERNEL_DENSE)) {
        return;
    }
    const Node *mean = node->inputs[0];
    while (lower_reshapes(mean) && uses_once(uses, mean)) {
        mean = mean->inputs[0];
    }
    if (!uses_once(uses, mean) || !is_mean(mean) || mean->adds_residual || mean->act.op != OP_IDENTITY ||
        type_height(mean->type) != 1 || type_width(mean->type) != 1) {
        return;
    }
    const Node *x = lower_value_of(mean->inputs[0]);
    enum { OUTPUTS_A_PIXEL = 2, SHARED_OUTPUTS_A_PIXEL = 8 };
    int64_t pixels = (int64_t)type_height(x->type) * type_width(x->type), parts = l->program->parts;
    int64_t outputs = pixels * (parts > 1 ? SHARED_OUTPUTS_A_PIXEL * parts : OUTPUTS_A_PIXEL);
    if (!l->layouts[x->id].blocked || l->layouts[x->id].border != NULL || outputs > type_channels(node->type)) {
        return;
    }
    for (const Node *view = node->inputs[0]; view != mean; view = view->inputs[0]) {
        l->layouts[view->id].is_before = true;
    }
    take_before(l, layout, mean);
}

void layouts_merge(Lowering *l, const Uses *uses)
{
    const Graph *graph = l->graph;
    for (uint32_t i = 0; i < graph->n_nodes && !l->no_fuse_projection; ++i) {
        assign_second(l, graph->nodes[i], uses);
    }
    for (uint32_t i = 0; i < graph->n_nodes && !l->no_fuse_prologue; ++i) {
        assign_prologue(l, graph->nodes[i], uses);
        assign_act_before(l, graph->nodes[i], uses);
        assign_mean_before(l, graph->nodes[i], uses);
    }
}
