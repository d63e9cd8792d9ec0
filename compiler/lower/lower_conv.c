/* Products with weights: conv, depthwise_conv, conv_transpose, dense. Sizes come from the node; the kernel itself from
 * select.c, how it wants its weights from tiles.c; packing follows what was selected. */
#include "lower/lowering.h"

/* Weight and bias of a product: a bias is padded like the rows of the weight, so that a tile of rows reads a tile of
 * biases. */
static void add_weights(Lowering *l, const Node *node, const Kernel *kernel, int32_t cols, const Segment **weight,
                        const Segment **bias, const IntTable *table)
{
    int32_t rows = kernel->sizes.out_channels;
    bool transposed = kernel->family == KERNEL_CONV_TRANSPOSE;
    bool by_group =
        kernel->family == KERNEL_CONV || kernel->family == KERNEL_DIRECT || is_winograd(kernel->family) || transposed;
    int32_t groups = by_group ? kernel->sizes.groups : 1;
    Packing packing = {
        .format = kernel->weight_format, .rows = rows, .cols = cols, .groups = groups, .transposed = transposed};
    if (table != NULL) {
        packing.table = *table;
    }
    if (kernel->family == KERNEL_TABLE_CONV) { /* one window a connection */
        packing.rows = kernel->sizes.table.start[kernel->sizes.table.n_rows];
    }
    *weight = lower_segment(l, node_weight(node, ROLE_WEIGHT), packing, node, ROLE_WEIGHT);
    *bias = NULL;
    if (kernel->epilogue.bias) {
        Packing vector = {
            .format = pack_rows(kernel->weight_format.row_block, 1), .rows = rows, .cols = 1, .groups = groups};
        *bias = lower_segment(l, node_weight(node, ROLE_BIAS), vector, node, ROLE_BIAS);
    }
}

/* `table`: which weights there are, the others being zero; NULL: all. */
static void append_product(Lowering *l, const Node *node, const Kernel *kernel, Buffer *in, Buffer *out, int32_t cols,
                           Buffer *residual, const IntTable *table)
{
    const Segment *weight, *bias;
    add_weights(l, node, kernel, cols, &weight, &bias, table);
    Step *step = lower_step(l, kernel, node, out);
    if (!pack_format_equal(&weight->format, &step->kernel->weight_format)) {
        ICE("kernel '" STR_FMT "' reads other weights than are packed", STR_ARG(step->kernel->name));
    }
    step_add_input(step, in);
    step->residual = residual;
    step->weight = weight;
    step->bias = bias;
    step->macs = node_macs(node);
}

static Buffer *residual_of(Lowering *l, const Node *node, bool blocked)
{
    return node->adds_residual ? lower_operand_as(l, node_residual(node), blocked) : NULL;
}

Kernel lower_conv_record(const Node *node)
{
    const ConvAttr *attr = &node->attr.conv;
    TensorType in = node->inputs[0]->type, out = node->type;
    Kernel kernel = {.family = KERNEL_CONV, .vector = 1};
    kernel.sizes = (KernelSizes){.in_channels = type_channels(in),
                                 .in_rows = type_height(in),
                                 .in_cols = type_width(in),
                                 .out_channels = type_channels(out),
                                 .out_rows = type_height(out),
                                 .out_cols = type_width(out),
                                 .kernel_rows = attr->kernel[0],
                                 .kernel_cols = attr->kernel[1],
                                 .stride_rows = attr->stride[0],
                                 .stride_cols = attr->stride[1],
                                 .dilation_rows = attr->dilation[0],
                                 .dilation_cols = attr->dilation[1],
                                 .pad_top = attr->pad.edge[PAD_TOP],
                                 .pad_left = attr->pad.edge[PAD_LEFT]};
    kernel.sizes.groups = node->op == OP_DEPTHWISE_CONV ? kernel.sizes.in_channels : attr->groups;
    kernel.epilogue.bias = node_weight(node, ROLE_BIAS) != NULL;
    lower_epilogue(node, &kernel);
    return kernel;
}

/* The input of a dense layer: blocks as they lie where that is an order that weights can be packed for, else plain. */
static Buffer *dense_input(Lowering *l, const Node *node, bool vector)
{
    const Node *value = lower_value_of(node);
    while (l->buffer_of[value->id] == NULL && l->flat_of[value->id] != NULL) {
        value = lower_value_of(l->flat_of[value->id]);
    }
    if (vector && lower_is_blocked(l, value)) {
        const Layout packed = layout_blocked(value->type, l->program->target->channel_block);
        Buffer *buffer = lower_blocked(l, value);
        if (layout_equal(&packed, &buffer->layout) && packed.channels % packed.block == 0) {
            return buffer;
        }
    }
    return lower_operand(l, node);
}

/* Whether many of a value's numbers are 0: behind a relu, and what moves or picks from such a value. */
static bool has_zeros(const Node *node)
{
    while (lower_reshapes(node) || (node->op == OP_MAX_POOL && node->act.op == OP_IDENTITY) ||
           lower_value_of(node) != node) {
        node = node->inputs[0];
    }
    return node->op == OP_RELU || node->op == OP_RELU6 || node->act.op == OP_RELU || node->act.op == OP_RELU6;
}

static void append_dense(Lowering *l, const Node *node, Kernel *kernel)
{
    const Target *target = l->program->target;
    bool vector = target->vector_floats > 1;
    const Node *mean = l->layouts[node->id].before;
    kernel->weight_format.storage = l->dense_storage;
    Buffer *residual = residual_of(l, node, false);
    Buffer *in = mean != NULL ? lower_blocked(l, mean->inputs[0]) : dense_input(l, node->inputs[0], vector);
    Buffer *out = lower_result(l, node);
    kernel->vector = vector ? target->vector_floats : 1;
    kernel->in = in->layout.block > 1 ? in->layout : layout_plain(type_f32_1(kernel->sizes.in_channels));
    kernel->out = layout_plain(type_f32_1(kernel->sizes.out_channels));
    kernel->residual = vector && residual != NULL ? kernel->out : (Layout){0};
    kernel->skips_zeros = vector && mean == NULL && has_zeros(node->inputs[0]);
    if (mean != NULL) {
        kernel->prologue = (Prologue){.kind = PROLOGUE_MEAN, .act = {.op = OP_IDENTITY}};
        kernel->sizes.in_rows = in->layout.rows;
        kernel->sizes.in_cols = in->layout.cols;
    }
    tiles_choose(target, kernel);
    append_product(l, node, kernel, in, out, kernel->sizes.in_channels, residual, NULL);
    if (mean != NULL) {
        Step *step = &l->program->steps[l->program->n_steps - 1];
        step->before = mean;
        step->title = step_title_of_prologue(l->arena, mean, node);
    }
}

/* A row of all pixels instead of rows: the same memory. */
static Layout as_one_row(Layout layout)
{
    layout.cols *= layout.rows;
    layout.rows = 1;
    layout.row_stride = layout.plane_stride;
    return layout;
}

static bool runs_on(const Layout *layout)
{
    return layout->block > 1 && layout_is_dense(layout);
}

/* Where neither side has a halo, a 1x1 convolution sees pixels, not rows. */
static void merge_rows(Kernel *kernel)
{
    KernelSizes *s = &kernel->sizes;
    bool pointwise = s->kernel_rows == 1 && s->kernel_cols == 1 && s->stride_rows == 1 && s->stride_cols == 1 &&
                     s->in_rows == s->out_rows && s->in_cols == s->out_cols && s->pad_top == 0 && s->pad_left == 0;
    bool two = s->second_stride_rows > 0;
    if (two) {
        pointwise = pointwise && s->second_stride_rows == 1 && s->second_stride_cols == 1 &&
                    kernel->in2.rows == s->out_rows && kernel->in2.cols == s->out_cols;
    }
    bool merges = runs_on(&kernel->in) && runs_on(&kernel->out) && (!two || runs_on(&kernel->in2)) &&
                  (!kernel->epilogue.residual || runs_on(&kernel->residual));
    if ((kernel->family != KERNEL_DIRECT && kernel->family != KERNEL_STRASSEN) || !pointwise || !merges) {
        return;
    }
    kernel->in = as_one_row(kernel->in);
    kernel->out = as_one_row(kernel->out);
    kernel->in2 = two ? as_one_row(kernel->in2) : kernel->in2;
    kernel->residual = kernel->epilogue.residual ? as_one_row(kernel->residual) : kernel->residual;
    s->in_cols = s->out_cols = kernel->in.cols;
    s->in_rows = s->out_rows = 1;
}

/* A first layer of stride S over few channels: its input with phases in lanes, and from then on a convolution of stride 1
 * over S x S times as many channels. */
static Buffer *phases_in_lanes(Lowering *l, const Node *node, Kernel *kernel)
{
    KernelSizes *s = &kernel->sizes;
    int32_t stride = s->stride_rows, channels = stride * stride * s->in_channels;
    int32_t tap_rows = winograd_taps(s->kernel_rows, stride), tap_cols = winograd_taps(s->kernel_cols, stride);
    int32_t rows = winograd_reach(s->out_rows, tap_rows, 1, kernel->winograd.rows);
    int32_t cols = winograd_reach(s->out_cols, tap_cols, 1, kernel->winograd.cols);
    Buffer *in = lower_operand(l, node->inputs[0]);
    Layout layout = layout_blocked(type_f32_3(channels, rows, cols), l->program->target->channel_block);
    Buffer *lanes = lower_temporary(l, in->name, layout);
    Kernel move = lower_kernel(KERNEL_SPACE_TO_DEPTH, in, lanes);
    move.sizes.stride_rows = move.sizes.stride_cols = stride;
    move.sizes.pad_top = s->pad_top;
    move.sizes.pad_left = s->pad_left;
    Step *step = lower_step(l, &move, node, lanes);
    step_add_input(step, in);
    step->title = arena_printf(l->arena, "phases of '" STR_FMT "'", STR_ARG(in->name));
    kernel->lane_rows = s->kernel_rows;
    kernel->lane_cols = s->kernel_cols;
    s->in_channels = channels;
    s->in_rows = rows;
    s->in_cols = cols;
    s->kernel_rows = tap_rows;
    s->kernel_cols = tap_cols;
    s->stride_rows = s->stride_cols = 1;
    s->pad_top = s->pad_left = 0;
    return lanes;
}

static Buffer *vector_input(Lowering *l, const Node *node, Kernel *kernel)
{
    if (kernel->lane_phases > 0) {
        return phases_in_lanes(l, node, kernel);
    }
    const Node *before = l->layouts[node->id].before;
    if (before != NULL) {
        kernel->prologue = lower_is_norm(before)
                               ? (Prologue){.kind = PROLOGUE_NORM, .act = before->act}
                               : (Prologue){.kind = PROLOGUE_ACT, .act = {.op = before->op, .attr = before->attr.act}};
        return lower_blocked(l, before->inputs[0]);
    }
    bool planar = kernel->family == KERNEL_PLANAR || kernel->family == KERNEL_ROWS;
    return planar ? lower_planar(l, node->inputs[0]) : lower_blocked(l, node->inputs[0]);
}

/* Scales, then shifts of the norm that the convolution does to its input; each padded to whole blocks, like groups. */
static const Segment *norm_segment(Lowering *l, const Kernel *kernel, const Node *before)
{
    const Node *scale, *shift;
    lower_norm_recipe(l, before, &scale, &shift);
    int32_t channels = kernel->sizes.in_channels;
    Node *both = lower_recipe(l, CONST_CONCAT, scale, shift, 0);
    both->type = type_f32_1(2 * channels);
    Packing packing = {.format = pack_rows(kernel->vector, 1), .rows = 2 * channels, .cols = 1, .groups = 2};
    return lower_segment(l, both, packing, before, ROLE_WEIGHT);
}

static void lower_vector_conv(Lowering *l, const Node *node, Kernel *kernel, int32_t cols, const IntTable *table)
{
    const Node *pool = l->layouts[node->id].pool, *before = l->layouts[node->id].before;
    Buffer *in = vector_input(l, node, kernel);
    Buffer *residual = residual_of(l, node, true), *out = lower_result(l, pool != NULL ? pool : node);
    kernel->in = in->layout;
    kernel->out = out->layout;
    kernel->residual = residual != NULL ? residual->layout : (Layout){0};
    kernel->max_pool = pool != NULL && pool->op == OP_MAX_POOL;
    kernel->avg_pool = pool != NULL && pool->op == OP_AVG_POOL;
    merge_rows(kernel);
    lower_tiles(l, node, kernel);
    const Segment *norm = kernel->prologue.kind == PROLOGUE_NORM ? norm_segment(l, kernel, before) : NULL;
    append_product(l, node, kernel, in, out, cols, residual, table);
    Step *step = &l->program->steps[l->program->n_steps - 1];
    if (before != NULL) {
        step->before = before;
        step->norm = norm;
        step->title = step_title_of_prologue(l->arena, before, node);
    }
    if (pool != NULL) {
        step->title = arena_printf(l->arena, STR_FMT " + " STR_FMT, STR_ARG(step->title),
                                   STR_ARG(step_title(l->arena, pool, NULL)));
    }
}

/* The weight of one convolution of the channels of both. */
static const Segment *weight_of_both(Lowering *l, const Node *node, const Node *second, const Kernel *kernel)
{
    const Node *a = node_weight(node, ROLE_WEIGHT), *b = node_weight(second, ROLE_WEIGHT);
    Node *both = lower_recipe(l, CONST_CONCAT, a, b, 0);
    both->attr.constant.axis = 1;
    both->type.dim[1] += b->type.dim[1];
    Packing packing = {
        .format = kernel->weight_format, .rows = kernel->sizes.out_channels, .cols = both->type.dim[1], .groups = 1};
    return lower_segment(l, both, packing, node, ROLE_WEIGHT);
}

static const Segment *bias_of_both(Lowering *l, const Node *node, const Node *second, const Kernel *kernel)
{
    const Node *a = node_weight(node, ROLE_BIAS), *b = node_weight(second, ROLE_BIAS);
    if (a == NULL && b == NULL) {
        return NULL;
    }
    const Node *sum = a == NULL ? b : b == NULL ? a : lower_recipe(l, CONST_ADD, a, b, 0);
    return lower_vector(l, kernel, sum, node, ROLE_BIAS);
}

/* A 1x1 convolution and the one that would be its residual, in the same sums. */
static void lower_two_convs(Lowering *l, const Node *node, const Node *second)
{
    Kernel kernel = lower_conv_record(node), other = lower_conv_record(second);
    if (!lower_select(l, node, &kernel) || kernel.family != KERNEL_DIRECT) {
        ICE("convolution %u cannot share its sums", node->id);
    }
    Buffer *in = lower_blocked(l, node->inputs[0]), *in2 = lower_blocked(l, second->inputs[0]);
    Buffer *out = lower_result(l, node);
    kernel.in = in->layout;
    kernel.in2 = in2->layout;
    kernel.out = out->layout;
    kernel.sizes.second_stride_rows = other.sizes.stride_rows;
    kernel.sizes.second_stride_cols = other.sizes.stride_cols;
    kernel.epilogue.residual = false;
    kernel.epilogue.bias = kernel.epilogue.bias || other.epilogue.bias;
    merge_rows(&kernel);
    lower_tiles(l, node, &kernel);
    const Segment *weight = weight_of_both(l, node, second, &kernel), *bias = bias_of_both(l, node, second, &kernel);
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step_add_input(step, in2);
    step->weight = weight;
    step->bias = bias;
    step->macs = node_macs(node) + node_macs(second);
    step->second = second;
    step->title = step_title(l->arena, node, second);
}

static int32_t taps_of(const KernelSizes *s)
{
    return s->in_channels / s->groups * s->kernel_rows * s->kernel_cols;
}

static Kernel plain_record(const Node *node)
{
    Kernel kernel = lower_conv_record(node);
    kernel.in = layout_plain(node->inputs[0]->type);
    kernel.out = layout_plain(node->type);
    return kernel;
}

static void append_plain(Lowering *l, const Node *node, const Kernel *kernel, int32_t cols)
{
    Buffer *in = lower_operand(l, node->inputs[0]);
    Buffer *residual = residual_of(l, node, false), *out = lower_result(l, node);
    append_product(l, node, kernel, in, out, cols, residual, NULL);
}

static bool has_connections(const Node *node)
{
    return node->op == OP_CONV && node->attr.conv.table.n_rows > 0;
}

bool lower_vector_conv_record(const Lowering *l, const Node *node, Kernel *kernel, bool *expands)
{
    enum { MOST_GROUPS = 4 }; /* so many times the products */
    *kernel = lower_conv_record(node);
    *expands = false;
    if (!has_connections(node) && lower_select(l, node, kernel)) {
        return true;
    }
    *kernel = lower_conv_record(node);
    if (!has_connections(node) && (kernel->sizes.groups == 1 || kernel->sizes.groups > MOST_GROUPS)) {
        return false;
    }
    kernel->sizes.groups = 1;
    *expands = true;
    bool vector = select_vector_conv(l->program->target, !l->no_winograd, kernel);
    if (is_winograd(kernel->family) || kernel->family == KERNEL_STRASSEN) {
        /* their packing knows other windows than the source's */
        vector = select_vector_conv(l->program->target, false, kernel);
    }
    return vector && kernel->family != KERNEL_DENSE && kernel->family != KERNEL_ROWS;
}

/* Which input channels an output channel of a group reads, as a table of connections. */
static IntTable group_table(Lowering *l, const Node *node)
{
    KernelSizes s = lower_conv_record(node).sizes;
    int32_t inputs = s.in_channels / s.groups, outputs = s.out_channels / s.groups;
    int32_t *start = ARENA_ARRAY(l->arena, int32_t, s.out_channels + 1);
    int32_t *values = ARENA_ARRAY(l->arena, int32_t, (int64_t)s.out_channels * inputs);
    for (int32_t o = 0; o < s.out_channels; ++o) {
        start[o + 1] = (o + 1) * inputs;
        for (int32_t i = 0; i < inputs; ++i) {
            values[o * inputs + i] = o / outputs * inputs + i;
        }
    }
    return (IntTable){.n_rows = s.out_channels, .start = start, .values = values};
}

void lower_conv(Lowering *l, const Node *node)
{
    const NodeLayout *layout = &l->layouts[node->id];
    if (layout->second != NULL) {
        lower_two_convs(l, node, layout->second);
        return;
    }
    bool has_table = has_connections(node), expands = false;
    Kernel kernel = lower_conv_record(node);
    int32_t cols = has_table ? kernel.sizes.kernel_rows * kernel.sizes.kernel_cols : taps_of(&kernel.sizes);
    bool vector = layout->vector_conv && lower_vector_conv_record(l, node, &kernel, &expands);
    IntTable table = {0};
    if (vector && expands) {
        table = has_table ? node->attr.conv.table : group_table(l, node);
        cols = taps_of(&kernel.sizes);
    }
    if (!vector) {
        kernel = plain_record(node);
        if (has_table) {
            kernel.family = KERNEL_TABLE_CONV;
            kernel.sizes.table = node->attr.conv.table;
            tiles_choose(l->program->target, &kernel);
        } else {
            select_conv(l->program->target, !l->no_winograd, &kernel);
        }
    }
    if (kernel.family == KERNEL_DENSE) {
        append_dense(l, node, &kernel);
    } else if (vector) {
        lower_vector_conv(l, node, &kernel, cols, expands ? &table : NULL);
    } else {
        append_plain(l, node, &kernel, cols);
    }
}

/* --- transposed: one convolution a phase */

/* One axis of a phase: which taps its outputs see, and where the window begins. */
static bool phase_axis(const TransposedAxis *axis, int32_t at, int32_t *taps, int32_t *first, int32_t *pad,
                       int32_t *outputs)
{
    *first = (at + axis->pad) % axis->stride;
    *taps = (axis->kernel - *first + axis->stride - 1) / axis->stride;
    *pad = *taps - 1 - (at + axis->pad - *first) / axis->stride;
    *outputs = (axis->out - at + axis->stride - 1) / axis->stride;
    return axis->dilation == 1 && *first < axis->kernel && *pad >= 0 && *outputs > 0;
}

bool lower_transposed_phase(const Node *node, int32_t row, int32_t col, Kernel *kernel, TapPhase *phase)
{
    *kernel = lower_conv_record(node);
    KernelSizes *s = &kernel->sizes;
    TransposedAxis rows = transposed_axis(s, 0), cols = transposed_axis(s, 1);
    *phase = (TapPhase){.rows = rows.kernel, .cols = cols.kernel, .step = {rows.stride, cols.stride}};
    bool fits = phase_axis(&rows, row, &s->kernel_rows, &phase->first[0], &s->pad_top, &s->out_rows) &&
                phase_axis(&cols, col, &s->kernel_cols, &phase->first[1], &s->pad_left, &s->out_cols);
    s->stride_rows = s->stride_cols = 1;
    kernel->out_step = cols.stride > 1 ? cols.stride : 0;
    kernel->family = KERNEL_DIRECT;
    return fits && s->groups == 1 && !kernel->epilogue.residual;
}

bool lower_transposed_fits(const Lowering *l, const Node *node)
{
    const int32_t *stride = node->attr.conv.stride;
    TensorType in = node->inputs[0]->type;
    bool fits = l->program->target->vector_floats > 1 && (int64_t)type_height(in) * type_width(in) > 1;
    for (int32_t phase = 0; fits && phase < stride[0] * stride[1]; ++phase) {
        Kernel kernel;
        TapPhase taps;
        fits = lower_transposed_phase(node, phase / stride[1], phase % stride[1], &kernel, &taps);
    }
    return fits;
}

/* The outputs of a phase lie `stride` pixels apart: strides say so, and the step's offset where they begin. */
static void append_phase(Lowering *l, const Node *node, int32_t row, int32_t col, Buffer *in, Buffer *out)
{
    Kernel kernel;
    TapPhase phase;
    lower_transposed_phase(node, row, col, &kernel, &phase);
    const KernelSizes *s = &kernel.sizes;
    const Layout *whole = &out->layout;
    kernel.vector = l->program->target->vector_floats;
    kernel.in = in->layout;
    kernel.out = (Layout){.block = whole->block,
                          .channels = whole->channels,
                          .rows = s->out_rows,
                          .cols = s->out_cols,
                          .row_stride = whole->row_stride * phase.step[0],
                          .plane_stride = whole->plane_stride};
    tiles_choose(l->program->target, &kernel);
    Packing packing = {.format = kernel.weight_format,
                       .rows = s->out_channels,
                       .cols = taps_of(s),
                       .groups = 1,
                       .transposed = true,
                       .phase = phase};
    const Segment *weight = lower_segment(l, node_weight(node, ROLE_WEIGHT), packing, node, ROLE_WEIGHT);
    const Segment *bias =
        kernel.epilogue.bias ? lower_vector(l, &kernel, node_weight(node, ROLE_BIAS), node, ROLE_BIAS) : NULL;
    Step *step = lower_step(l, &kernel, node, out);
    step_add_input(step, in);
    step->weight = weight;
    step->bias = bias;
    step->output_offset =
        (whole->halo_top + row) * whole->row_stride + (int64_t)(whole->halo_left + col) * whole->block;
    step->macs = (int64_t)taps_of(s) * s->out_channels * s->out_rows * s->out_cols;
}

void lower_conv_transpose(Lowering *l, const Node *node)
{
    if (lower_is_blocked(l, node)) {
        Buffer *in = lower_blocked(l, node->inputs[0]), *out = lower_result(l, node);
        const int32_t *stride = node->attr.conv.stride;
        for (int32_t phase = 0; phase < stride[0] * stride[1]; ++phase) {
            append_phase(l, node, phase / stride[1], phase % stride[1], in, out);
        }
        return;
    }
    Kernel kernel = plain_record(node);
    kernel.family = KERNEL_CONV_TRANSPOSE;
    tiles_choose(l->program->target, &kernel);
    append_plain(l, node, &kernel, taps_of(&kernel.sizes));
}

void lower_dense(Lowering *l, const Node *node)
{
    Kernel kernel = {.family = KERNEL_DENSE};
    kernel.sizes = (KernelSizes){.in_channels = (int32_t)type_elements(node->inputs[0]->type),
                                 .in_rows = 1,
                                 .in_cols = 1,
                                 .out_channels = type_channels(node->type),
                                 .out_rows = 1,
                                 .out_cols = 1};
    kernel.epilogue.bias = node_weight(node, ROLE_BIAS) != NULL;
    lower_epilogue(node, &kernel);
    append_dense(l, node, &kernel);
}
