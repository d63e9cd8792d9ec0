/* Ops that only move elements: concat, slices, permutations, other orders of flattening, borders of zeros. All are one
 * strided copy, three loops whose strides say it all; what moves nothing becomes a view. */
#include "lower/lowering.h"

typedef struct Loop {
    int32_t count;
    int64_t in_stride, out_stride; /* elements */
} Loop;

typedef struct Border {  /* what padding adds around each plane */
    const int32_t *edge; /* rows and columns at the top, left, bottom, right; NULL: no border */
    double value;
} Border;

/* Brings equal copies to one form: loops of one turn go, the order follows the output, loops that run on without a gap
 * become one. */
static void normalise(Loop loops[3])
{
    for (int i = 0; i < 2; ++i) { /* falling output strides: a bubble sort of three */
        for (int j = 0; j < 2; ++j) {
            bool unit = loops[j + 1].count == 1;
            if (unit ? loops[j].count != 1 : loops[j].count != 1 && loops[j].out_stride < loops[j + 1].out_stride) {
                Loop swap = loops[j];
                loops[j] = loops[j + 1];
                loops[j + 1] = swap;
            }
        }
    }
    for (int i = 2; i > 0; --i) {
        Loop *inner = &loops[i], *outer = &loops[i - 1];
        while (outer->count > 1 && outer->in_stride == inner->count * inner->in_stride &&
               outer->out_stride == inner->count * inner->out_stride) {
            inner->count *= outer->count;
            for (int j = i - 1; j > 0; --j) {
                loops[j] = loops[j - 1];
            }
            loops[0] = (Loop){1, 0, 0};
        }
    }
    for (int i = 0; i < 3; ++i) {
        if (loops[i].count == 1) {
            loops[i].in_stride = loops[i].out_stride = i == 2 ? 1 : 0;
        }
    }
}

static Step *append_copy(Lowering *l, const Node *node, Buffer *from, Buffer *to, Loop loops[3], Border border)
{
    Kernel kernel = {.family = KERNEL_COPY};
    kernel.epilogue.act.op = OP_IDENTITY;
    KernelSizes *s = &kernel.sizes;
    if (border.edge == NULL) {
        normalise(loops);
    } else {
        s->pad_top = border.edge[PAD_TOP];
        s->pad_left = border.edge[PAD_LEFT];
        s->pad_bottom = border.edge[PAD_BOTTOM];
        s->pad_right = border.edge[PAD_RIGHT];
        s->scalar[0] = border.value;
    }
    s->in_channels = s->out_channels = loops[0].count;
    s->in_rows = loops[1].count;
    s->in_cols = loops[2].count;
    s->out_rows = s->in_rows + s->pad_top + s->pad_bottom;
    s->out_cols = s->in_cols + s->pad_left + s->pad_right;
    for (int i = 0; i < 3; ++i) {
        s->in_stride[i] = loops[i].in_stride;
        s->out_stride[i] = loops[i].out_stride;
    }
    Step *step = lower_step(l, &kernel, node, to);
    step_add_input(step, from);
    return step;
}

static const Border no_border = {NULL, 0};

/* Strides of c, y, x in a layout of one block or of block 1: in both, a channel's elements are evenly spaced. */
static void strides_of(const Layout *layout, int64_t stride[3])
{
    bool interleaved = layout->block > 1;
    if (interleaved && layout->block < layout->channels) {
        ICE("a strided copy of a layout with several channel blocks");
    }
    stride[0] = interleaved ? 1 : layout->plane_stride;
    stride[1] = layout->row_stride;
    stride[2] = layout->block;
}

/* Blocks and halos: a kernel of its own. */
static void append_convert(Lowering *l, const Node *node, Buffer *from, Buffer *to)
{
    Kernel kernel = lower_kernel(KERNEL_CONVERT, from, to);
    kernel.vector = l->program->target->vector_floats;
    Step *step = lower_step(l, &kernel, node, to);
    step_add_input(step, from);
    Str in = layout_format(l->scratch, &from->layout), out = layout_format(l->scratch, &to->layout);
    step->title =
        arena_printf(l->arena, STR_FMT " from " STR_FMT " to " STR_FMT, STR_ARG(from->name), STR_ARG(in), STR_ARG(out));
}

static bool is_evenly_spaced(const Layout *layout)
{
    return layout_is_plain(layout) || (layout->block == layout->channels && layout_is_dense(layout));
}

void lower_copy(Lowering *l, const Node *node, Buffer *from, Buffer *to)
{
    if (!is_evenly_spaced(&from->layout) || !is_evenly_spaced(&to->layout)) {
        append_convert(l, node, from, to);
        return;
    }
    int64_t in[3], out[3];
    strides_of(&from->layout, in);
    strides_of(&to->layout, out);
    Loop loops[3] = {
        {from->layout.channels, in[0], out[0]}, {from->layout.rows, in[1], out[1]}, {from->layout.cols, in[2], out[2]}};
    append_copy(l, node, from, to, loops, no_border);
}

/* Most parts lie in their place already; what does not is copied there. */
static void join_blocks(Lowering *l, const Node *node)
{
    lower_whole_result(l, node);
    int32_t channel = 0;
    for (uint32_t i = 0; i < node->n_data; ++i) {
        const Node *part = lower_value_of(node->inputs[i]);
        const NodeLayout *layout = &l->layouts[part->id];
        if (layout->concat != node || layout->concat_channel != channel) {
            Buffer *from = layout->blocked ? lower_blocked(l, part) : lower_operand(l, part);
            lower_copy(l, node, from, lower_whole_part(l, node, part, channel));
        }
        channel += type_channels(part->type);
    }
}

void lower_concat(Lowering *l, const Node *node)
{
    if (lower_value_of(node) != node) {
        return; /* of one part */
    }
    if (lower_is_blocked(l, node)) {
        join_blocks(l, node);
        return;
    }
    Buffer **parts = ARENA_ARRAY(l->scratch, Buffer *, node->n_data);
    for (uint32_t i = 0; i < node->n_data; ++i) {
        parts[i] = lower_operand(l, node->inputs[i]); /* conversions come before the first part is written */
    }
    Buffer *out = lower_result(l, node);
    int64_t offset = 0;
    for (uint32_t i = 0; i < node->n_data; ++i) {
        int64_t elements = layout_elements(&parts[i]->layout); /* channels are outermost: parts follow each other */
        Loop loops[3] = {{1, 0, 0}, {1, 0, 0}, {(int32_t)elements, 1, 1}};
        append_copy(l, node, parts[i], out, loops, no_border)->output_offset = offset;
        offset += elements;
    }
}

bool lower_reshapes(const Node *node)
{
    return node->op == OP_FLATTEN || node->op == OP_RESHAPE || node->op == OP_DROPOUT || node->op == OP_IDENTITY;
}

void lower_reshape(Lowering *l, const Node *node)
{
    if (lower_is_blocked(l, node->inputs[0])) {
        l->flat_of[node->id] = node->inputs[0]; /* made when it is read: a dense layer can do without */
        return;
    }
    lower_view(l, node, lower_operand(l, node->inputs[0]));
}

void lower_flatten(Lowering *l, const Node *node)
{
    TensorType type = node->inputs[0]->type;
    int32_t channels = type_channels(type), rows = type_height(type), cols = type_width(type);
    if (node->attr.shape.order == FLATTEN_CHW || channels == 1 || (rows == 1 && cols == 1)) {
        lower_reshape(l, node);
        return;
    }
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    Loop loops[3] = {{channels, in->layout.plane_stride, 1},
                     {rows, in->layout.row_stride, (int64_t)cols * channels},
                     {cols, 1, channels}};
    append_copy(l, node, in, out, loops, no_border);
}

void lower_permute(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *out = lower_result(l, node);
    int64_t from[3], to[3];
    strides_of(&in->layout, from);
    strides_of(&out->layout, to);
    const int32_t counts[3] = {out->layout.channels, out->layout.rows, out->layout.cols};
    Loop loops[3];
    for (int axis = 0; axis < 3; ++axis) {
        bool given = axis < node->attr.shape.permutation.count; /* axes beyond the rank have one element */
        int source = given ? node->attr.shape.permutation.values[axis] : axis;
        loops[axis] = (Loop){counts[axis], from[source], to[axis]};
    }
    append_copy(l, node, in, out, loops, no_border);
}

/* The same of blocks: a conversion from what looks like a smaller image with wider halos. */
static void append_blocked_window(Lowering *l, const Node *node, const int32_t begin[3])
{
    Buffer *in = lower_blocked(l, node->inputs[0]), *out = lower_result(l, node);
    Kernel kernel = lower_kernel(KERNEL_CONVERT, in, out);
    Layout *from = &kernel.in;
    int64_t offset = begin[0] / from->block * from->plane_stride;
    from->channels = kernel.sizes.in_channels = out->layout.channels;
    from->halo_top += begin[1];
    from->halo_left += begin[2];
    from->halo_bottom += from->rows - out->layout.rows - begin[1];
    from->halo_right += from->cols - out->layout.cols - begin[2];
    from->rows = kernel.sizes.in_rows = out->layout.rows;
    from->cols = kernel.sizes.in_cols = out->layout.cols;
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->input_offset[0] = offset;
}

/* Copies the window of the result's size that begins at (c, y, x) of the operand. */
static void append_window(Lowering *l, const Node *node, const int32_t begin[3])
{
    if (lower_is_blocked(l, node)) {
        append_blocked_window(l, node, begin);
        return;
    }
    Buffer *in = lower_operand(l, node->inputs[0]);
    if (type_elements(node->type) == type_elements(node->inputs[0]->type)) {
        lower_view(l, node, in);
        return;
    }
    Buffer *out = lower_result(l, node);
    int64_t from[3], to[3];
    strides_of(&in->layout, from);
    strides_of(&out->layout, to);
    Loop loops[3] = {
        {out->layout.channels, from[0], to[0]}, {out->layout.rows, from[1], to[1]}, {out->layout.cols, from[2], to[2]}};
    Step *step = append_copy(l, node, in, out, loops, no_border);
    step->input_offset[0] = begin[0] * from[0] + begin[1] * from[1] + begin[2] * from[2];
}

void lower_slice(Lowering *l, const Node *node)
{
    int32_t begin[3] = {0};
    begin[node->attr.shape.axis] = node->attr.shape.begin;
    append_window(l, node, begin);
}

void lower_crop(Lowering *l, const Node *node)
{
    const int32_t begin[3] = {0, node->attr.shape.crop[0], node->attr.shape.crop[1]};
    append_window(l, node, begin);
}

/* y[c * groups + g] = x[g * (C / groups) + c], whole planes at a time. */
void lower_channel_shuffle(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    int32_t groups = node->attr.shape.groups;
    int32_t per_group = in->layout.channels / groups;
    if (groups == 1 || per_group == 1) {
        lower_view(l, node, in);
        return;
    }
    Buffer *out = lower_result(l, node);
    int64_t plane = in->layout.plane_stride;
    Loop loops[3] = {{per_group, plane, groups * plane}, {groups, per_group * plane, plane}, {(int32_t)plane, 1, 1}};
    append_copy(l, node, in, out, loops, no_border);
}

void lower_pad(Lowering *l, const Node *node)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    if (type_equal(node->type, node->inputs[0]->type)) {
        lower_view(l, node, in);
        return;
    }
    Buffer *out = lower_result(l, node);
    int64_t from[3], to[3];
    strides_of(&in->layout, from);
    strides_of(&out->layout, to);
    Loop loops[3] = {
        {in->layout.channels, from[0], to[0]}, {in->layout.rows, from[1], to[1]}, {in->layout.cols, from[2], to[2]}};
    append_copy(l, node, in, out, loops, (Border){node->attr.shape.pads.edge, node->attr.shape.pad_value});
}
