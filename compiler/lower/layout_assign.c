/* Layout assignment: before anything is lowered, which values lie in blocks of channels, how wide their halos are, and
 * which parts of a concat are written straight into its result.
 *
 *   1. forward: a node is blocked where its op has a kernel for blocks and its operand is there already, or where it is
 *      a convolution, which is worth a conversion
 *      what another step does along with its own work has no value at all (layout_merge.c)
 *   2. values that should lie alike are brought together: the result of a step and the operand whose memory it may take,
 *      the parts of a concat and the concat
 *   3. a pool that a Winograd convolution can do with its tiles, or with its rows of pixels, is done there
 *   4. the halo of such a class is what its greediest reader needs; an image that gets a border of its own pixels is
 *      written into the interior of the result, so its halo is the border and the result's halo
 *
 * All of it follows from shapes and target. On a target without vectors nothing is blocked, and nothing else changes. */
#include "lower/lowering.h"
#include "support/ints.h"

const Node *lower_value_of(const Node *node)
{
    while (node->op == OP_IDENTITY || node->op == OP_DROPOUT || (node->op == OP_CONCAT && node->n_data == 1) ||
           (node->op == OP_ADAPTIVE_AVG_POOL && type_equal(node->type, node->inputs[0]->type))) {
        node = node->inputs[0];
    }
    return node;
}

static NodeLayout *layout_of(const Lowering *l, const Node *node)
{
    return &l->layouts[lower_value_of(node)->id];
}

static bool is_image(TensorType type)
{
    return (int64_t)type_height(type) * type_width(type) > 1;
}

/* --- 1. what is blocked */

bool lower_is_blocked(const Lowering *l, const Node *node)
{
    return layout_of(l, node)->blocked;
}

static bool assign_conv(const Lowering *l, const Node *node)
{
    NodeLayout *layout = &l->layouts[node->id];
    Kernel kernel;
    bool expands;
    if (!lower_vector_conv_record(l, node, &kernel, &expands)) {
        return false;
    }
    layout->vector_conv = true;
    layout->family = kernel.family;
    layout->winograd = kernel.winograd;
    layout->space_to_depth = kernel.lane_phases > 0;
    layout->lines_take_pool = lines_take_pool(&kernel);
    layout->tiles_take_pool = winograd_takes_pool(&kernel);
    return kernel.family != KERNEL_DENSE && kernel.family != KERNEL_ROWS && kernel.family != KERNEL_FEW;
}

/* The family that serves an op other than a convolution in blocks; FAMILY_COUNT: none. */
static KernelFamily family_of(const Node *node)
{
    if ((op_info(node->op)->flags & OPF_ACT) != 0 || node->op == OP_PRELU) {
        return KERNEL_UNARY;
    }
    if (node->op == OP_ADD || node->op == OP_SUB || node->op == OP_MUL || node->op == OP_SCALE) {
        return KERNEL_BINARY;
    }
    if (node->op == OP_BATCH_NORM || node->op == OP_AFFINE || node->op == OP_NORMALIZE) {
        return KERNEL_CHANNEL_AFFINE;
    }
    if (node->op == OP_MAX_POOL || node->op == OP_AVG_POOL || node->op == OP_ADAPTIVE_AVG_POOL) {
        return node->op == OP_MAX_POOL ? KERNEL_MAX_POOL : KERNEL_AVG_POOL;
    }
    if (node->op == OP_INSTANCE_NORM) {
        return KERNEL_INSTANCE_NORM;
    }
    if (node->op == OP_UPSAMPLE &&
        (node->attr.shape.upsample_mode == UPSAMPLE_NEAREST || node->attr.shape.scale[1] <= 8)) {
        return KERNEL_UPSAMPLE;
    }
    if (node->op == OP_SUBSAMPLE) {
        return KERNEL_SUBSAMPLE;
    }
    if (node->op == OP_PAD) {
        return KERNEL_BORDER;
    }
    if (node->op == OP_CROP || (node->op == OP_SLICE && node->attr.shape.axis > 0)) {
        return KERNEL_CONVERT;
    }
    if (node->op == OP_LRN && node->attr.lrn.size / 2 <= 4) { /* neighbours within the next vector, of any target */
        return KERNEL_LRN;
    }
    return KERNEL_FAMILY_COUNT;
}

/* Operands of a sum or product in blocks: images of the result's size, vectors, numbers. */
static bool binary_fits(const Lowering *l, const Node *node)
{
    int64_t elements = type_elements(node->type);
    bool any = node->adds_residual && lower_is_blocked(l, node_residual(node));
    for (uint32_t i = 0; i < (node->op == OP_SCALE ? 1u : 2u); ++i) {
        const Node *operand = node->inputs[i];
        int64_t own = type_elements(operand->type);
        if (own == elements && !node_is_constant(operand)) {
            any = any || lower_is_blocked(l, operand);
        } else if (own != 1 && is_image(operand->type)) {
            return false;
        }
    }
    return any;
}

/* Parts begin at whole blocks. */
static bool concat_fits(const Lowering *l, const Node *node)
{
    int32_t channel = 0;
    bool any = false;
    for (uint32_t i = 0; i < node->n_data; ++i) {
        if (channel % l->program->target->channel_block != 0) {
            return false;
        }
        channel += type_channels(node->inputs[i]->type);
        any = any || lower_is_blocked(l, node->inputs[i]);
    }
    return any;
}

/* A pool of plain values (behind an LRN, say) is worth a conversion, unless most lanes would be empty. */
static bool pool_pays(const Lowering *l, const Node *node)
{
    return type_channels(node->type) >= l->program->target->channel_block;
}

static bool wants_blocks(const Lowering *l, const Node *node)
{
    if (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV) {
        return assign_conv(l, node); /* may be one whose result is plain */
    }
    if (node->op == OP_CONV_TRANSPOSE) {
        NodeLayout *layout = &l->layouts[node->id];
        layout->vector_conv = lower_transposed_fits(l, node);
        layout->family = KERNEL_DIRECT;
        return layout->vector_conv;
    }
    if (node->n_data == 0 || node->type.rank != 3 || !is_image(node->type) || node->type.dtype != DT_F32) {
        return false;
    }
    if (node->op == OP_CONCAT) {
        return concat_fits(l, node);
    }
    KernelFamily family = family_of(node);
    if (family == KERNEL_FAMILY_COUNT) {
        return false;
    }
    if (family == KERNEL_BINARY) {
        return binary_fits(l, node);
    }
    bool is_pool = family == KERNEL_MAX_POOL || family == KERNEL_AVG_POOL;
    return lower_is_blocked(l, node->inputs[0]) || (is_pool && pool_pays(l, node));
}

/* The value that a convolution's kernel reads. */
static const Node *conv_input(const Lowering *l, const Node *node)
{
    const Node *before = l->layouts[node->id].before;
    return lower_value_of(before != NULL ? before->inputs[0] : node->inputs[0]);
}

/* --- 2. classes: values that lie alike */

static uint32_t leader_of(const Lowering *l, uint32_t id)
{
    while (l->layouts[id].leader != id) {
        l->layouts[id].leader = l->layouts[l->layouts[id].leader].leader; /* halves the way */
        id = l->layouts[id].leader;
    }
    return id;
}

static void join(const Lowering *l, const Node *a, const Node *b)
{
    uint32_t first = leader_of(l, lower_value_of(a)->id), second = leader_of(l, lower_value_of(b)->id);
    l->layouts[first].leader = second;
}

static bool same_image(const Node *a, const Node *b)
{
    return type_channels(a->type) == type_channels(b->type) && type_height(a->type) == type_height(b->type) &&
           type_width(a->type) == type_width(b->type);
}

/* Results of steps that write blocks themselves, in one piece, may be written into a concat's memory instead. */
static void place_parts(const Lowering *l, const Node *concat)
{
    int32_t channel = 0;
    for (uint32_t i = 0; i < concat->n_data; ++i) {
        const Node *part = lower_value_of(concat->inputs[i]);
        NodeLayout *layout = &l->layouts[part->id];
        if (layout->blocked && layout->concat == NULL && layout->border == NULL && part != concat) {
            layout->concat = concat;
            layout->concat_channel = channel;
            join(l, part, concat);
        }
        channel += type_channels(part->type);
    }
}

/* True where the node's kernel relies on zeros around the value that it reads in blocks. */
static bool reads_halo(const Lowering *l, const Node *node)
{
    const NodeLayout *layout = &l->layouts[node->id];
    return layout->vector_conv && !layout->space_to_depth && layout->family != KERNEL_DENSE &&
           layout->family != KERNEL_PLANAR && layout->family != KERNEL_ROWS;
}

/* A value that a border is put around is written inside of it, unless somebody else wants it with zeros around. */
static void place_interiors(const Lowering *l)
{
    const Graph *graph = l->graph;
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        const Node *node = graph->nodes[i];
        if (node->op != OP_PAD || !l->layouts[i].blocked) {
            continue;
        }
        NodeLayout *inside = layout_of(l, node->inputs[0]);
        if (inside->blocked && inside->border == NULL && lower_value_of(node->inputs[0]) != node) {
            inside->border = node;
        }
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        for (uint32_t k = 0; k < graph->nodes[i]->n_data && reads_halo(l, graph->nodes[i]); ++k) {
            layout_of(l, graph->nodes[i]->inputs[k])->border = NULL;
        }
    }
}

static void join_alike(const Lowering *l, const Node *node)
{
    if (node->adds_residual && lower_is_blocked(l, node_residual(node))) {
        join(l, node, node_residual(node));
    }
    if (node->op == OP_CONCAT) {
        place_parts(l, node);
        return;
    }
    KernelFamily family = family_of(node);
    if (family == KERNEL_INSTANCE_NORM && l->layouts[node->id].border != NULL) {
        return; /* has memory that the operand's place is not */
    }
    if (family == KERNEL_UNARY || family == KERNEL_INSTANCE_NORM || family == KERNEL_BINARY ||
        family == KERNEL_CHANNEL_AFFINE) {
        uint32_t operands = family == KERNEL_BINARY && node->op != OP_SCALE ? 2 : 1;
        for (uint32_t i = 0; i < operands; ++i) {
            if (lower_is_blocked(l, node->inputs[i]) && same_image(node, node->inputs[i])) {
                join(l, node, node->inputs[i]);
            }
        }
    }
}

/* --- 3. pools that the convolution before them does */

static bool is_halving(const PoolAttr *pool)
{
    return pool->kernel[0] == 2 && pool->kernel[1] == 2 && pool->stride[0] == 2 && pool->stride[1] == 2 &&
           pool->pad.edge[PAD_TOP] == 0 && pool->pad.edge[PAD_LEFT] == 0;
}

/* A pool 2x2 of whole windows that alone reads a Winograd convolution: a max pool of its tiles, or a plain one of rows. */
static void fuse_pool(const Lowering *l, const Node *pool, const Uses *uses)
{
    const Node *conv = pool->inputs[0];
    if (!uses_once(uses, conv) || conv->op != OP_CONV || conv->adds_residual) {
        return;
    }
    NodeLayout *layout = &l->layouts[conv->id];
    bool blocked = l->layouts[pool->id].blocked;
    bool takes = blocked ? pool->op == OP_MAX_POOL && layout->tiles_take_pool : layout->lines_take_pool;
    bool whole =
        type_height(pool->type) == type_height(conv->type) / 2 && type_width(pool->type) == type_width(conv->type) / 2;
    if (takes && whole && is_halving(&pool->attr.pool)) {
        layout->pool = pool;
    }
}

/* --- 4. halos */

/* Rows or columns past the end of the input that the windows reach. */
static int64_t reach(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t dilation, int32_t pad)
{
    return window_extent(out, kernel, stride, dilation) - pad - in;
}

/* What one convolution needs around its input. */
static void raise_halo(const NodeLayout *layout, const KernelSizes *s, int32_t halo[4])
{
    halo[PAD_TOP] = (int32_t)int_max(halo[PAD_TOP], s->pad_top);
    halo[PAD_LEFT] = (int32_t)int_max(halo[PAD_LEFT], s->pad_left);
    int64_t bottom = reach(s->in_rows, s->out_rows, s->kernel_rows, s->stride_rows, s->dilation_rows, s->pad_top);
    int64_t right = reach(s->in_cols, s->out_cols, s->kernel_cols, s->stride_cols, s->dilation_cols, s->pad_left);
    if (is_winograd(layout->family)) {
        bottom = winograd_reach(s->out_rows, s->kernel_rows, s->stride_rows, layout->winograd.rows) - s->pad_top -
                 s->in_rows;
        right = winograd_reach(s->out_cols, s->kernel_cols, s->stride_cols, layout->winograd.cols) - s->pad_left -
                s->in_cols;
    }
    halo[PAD_BOTTOM] = (int32_t)int_max(halo[PAD_BOTTOM], bottom);
    halo[PAD_RIGHT] = (int32_t)int_max(halo[PAD_RIGHT], right);
}

static void need_halo(const Lowering *l, const Node *node)
{
    const NodeLayout *layout = &l->layouts[node->id];
    if (!layout->vector_conv || layout->family == KERNEL_DENSE || layout->space_to_depth) {
        return;
    }
    const Node *x = conv_input(l, node);
    bool planar = layout->family == KERNEL_PLANAR || layout->family == KERNEL_ROWS;
    int32_t *halo = planar ? l->layouts[x->id].planar : l->layouts[leader_of(l, x->id)].halo;
    const int32_t *stride = node->attr.conv.stride;
    int32_t phases = node->op == OP_CONV_TRANSPOSE ? stride[0] * stride[1] : 0;
    for (int32_t phase = 0; phase < phases; ++phase) {
        Kernel record;
        TapPhase taps;
        lower_transposed_phase(node, phase / stride[1], phase % stride[1], &record, &taps);
        raise_halo(layout, &record.sizes, halo);
    }
    if (phases == 0) {
        const Kernel record = lower_conv_record(node);
        raise_halo(layout, &record.sizes, halo);
    }
}

/* The halo around an interior is the border and the border's halo, exactly. Classes have many members, so one raises
 * another; where that has no end, a class would lie inside itself, and borders are copies. */
static void settle_interiors(const Lowering *l)
{
    const Graph *graph = l->graph;
    enum { MOST_ROUNDS = 100 };
    bool changed = true;
    for (int round = 0; changed && round < MOST_ROUNDS; ++round) {
        changed = false;
        for (uint32_t i = 0; i < graph->n_nodes; ++i) {
            const Node *border = l->layouts[i].border;
            if (border == NULL) {
                continue;
            }
            int32_t *inner = l->layouts[leader_of(l, i)].halo, *outer = l->layouts[leader_of(l, border->id)].halo;
            const int32_t *edge = border->attr.shape.pads.edge;
            for (int side = 0; side < 4; ++side) {
                int32_t wanted = (int32_t)int_max(inner[side], (int64_t)outer[side] + edge[side]);
                changed = changed || inner[side] != wanted || outer[side] != wanted - edge[side];
                inner[side] = wanted;
                outer[side] = wanted - edge[side];
            }
        }
    }
    for (uint32_t i = 0; changed && i < graph->n_nodes; ++i) {
        l->layouts[i].border = NULL;
    }
}

void layouts_assign(Lowering *l)
{
    const Graph *graph = l->graph;
    l->layouts = ARENA_ARRAY(l->scratch, NodeLayout, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        l->layouts[i].leader = i;
    }
    if (l->program->target->channel_block == 1) {
        return;
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        const Node *node = graph->nodes[i];
        l->layouts[i].blocked = lower_value_of(node) == node && wants_blocks(l, node);
    }
    place_interiors(l);
    const Uses uses = graph_uses(graph, l->scratch);
    layouts_merge(l, &uses);
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        if (l->layouts[i].blocked) {
            join_alike(l, graph->nodes[i]);
        }
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        if (graph->nodes[i]->op == OP_MAX_POOL || graph->nodes[i]->op == OP_AVG_POOL) {
            fuse_pool(l, graph->nodes[i], &uses);
        }
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        need_halo(l, graph->nodes[i]);
    }
    settle_interiors(l);
}

static Layout with_halo(Layout layout, const int32_t halo[4])
{
    return layout_with_halo(layout, halo[PAD_TOP], halo[PAD_LEFT], halo[PAD_BOTTOM], halo[PAD_RIGHT]);
}

Layout lower_blocked_layout(const Lowering *l, const Node *node)
{
    const Node *value = lower_value_of(node);
    return with_halo(layout_blocked(value->type, l->program->target->channel_block),
                     l->layouts[leader_of(l, value->id)].halo);
}

Layout lower_planar_layout(const Lowering *l, const Node *node)
{
    const Node *value = lower_value_of(node);
    return with_halo(layout_plain(value->type), l->layouts[value->id].planar);
}
