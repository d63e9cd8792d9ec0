/* elide_flatten: leaves no flatten that moves elements where a layer can read them in another order instead, and no
 * view of a view. What remains is the same memory under another shape: lowering makes it free.
 *
 *   before   %1 = flatten %0 {order="hwc"} : f32[3200]      (%0 : f32[50,8,8])
 *            %2 = dense %1 {units=500, bias=false} weight=@fc.weight : f32[500]
 *   after    %1 = flatten %0 : f32[3200]
 *            %2 = dense %1 {units=500, bias=false} weight=hwc_to_chw(@fc.weight, 8, 8, 50) : f32[500]
 *
 *   before   %1 = flatten %0 : f32[400]
 *            %2 = reshape %1 {shape=[16, 25]} : f32[16,25]
 *   after    %1 = reshape %0 {shape=[16, 25]} : f32[16,25]
 *
 * requires          nothing
 * keeps             values up to the order in which a dense layer sums; shared weights: each layer gets its own recipe
 * does not handle   flatten "hwc" with any other reader (an output, an activation before the dense): it stays a copy
 */
#include "passes/rewrite.h"

static bool is_view(const Node *node)
{
    return node->op == OP_RESHAPE || (node->op == OP_FLATTEN && node->attr.shape.order == FLATTEN_CHW);
}

/* flatten "hwc" of a tensor where the orders agree: one channel, or one pixel (a vector is that, too). */
static bool match_same_order(const Node *node)
{
    if (node->op != OP_FLATTEN || node->attr.shape.order != FLATTEN_HWC) {
        return false;
    }
    TensorType type = node->inputs[0]->type;
    return type_channels(type) == 1 || (int64_t)type_height(type) * type_width(type) == 1;
}

static void rewrite_same_order(Rewriter *rewriter, Node *node)
{
    node->attr.shape.order = FLATTEN_CHW;
    rewriter->changed = true;
}

/* flatten "hwc" that only dense and rbf layers read, as their input. */
static bool match_permutable(const Rewriter *rewriter, const Node *node)
{
    const Uses *uses = &rewriter->uses;
    if (node->op != OP_FLATTEN || node->attr.shape.order != FLATTEN_HWC || uses->is_output[node->id] ||
        uses->user[node->id] == NULL || uses->count[node->id] == 0) {
        return false;
    }
    for (uint32_t i = 0; i < uses->count[node->id]; ++i) {
        const Node *reader = uses->user[node->id][i];
        if ((reader->op != OP_DENSE && reader->op != OP_RBF) || reader->inputs[0] != node ||
            node_residual(reader) == node) {
            return false;
        }
    }
    return true;
}

static void rewrite_permutable(Rewriter *rewriter, Node *node)
{
    const Uses *uses = &rewriter->uses;
    TensorType type = node->inputs[0]->type;
    for (uint32_t i = 0; i < uses->count[node->id]; ++i) {
        Node *reader = uses->user[node->id][i], *weight = node_weight(reader, ROLE_WEIGHT);
        ConstAttr recipe = {.expr = CONST_HWC_TO_CHW, .role = ROLE_WEIGHT};
        recipe.hwc[0] = type_height(type);
        recipe.hwc[1] = type_width(type);
        recipe.hwc[2] = type_channels(type);
        graph_set_weight(rewriter->graph, reader, ROLE_WEIGHT,
                         graph_add_recipe(rewriter->graph, recipe, weight, NULL, weight->type));
    }
    node->attr.shape.order = FLATTEN_CHW;
    rewriter->changed = true;
}

/* A view of a view: the outer one may read the inner one's input. */
static bool match_view_of_view(const Node *node)
{
    return is_view(node) && is_view(node->inputs[0]);
}

static void rewrite_view_of_view(Rewriter *rewriter, Node *node)
{
    Node *inner = node->inputs[0];
    node->inputs[0] = inner->inputs[0];
    rewriter_change_readers(rewriter, node->inputs[0], 1); /* `inner` may live on for others */
    rewriter_change_readers(rewriter, inner, -1);
    rewriter->changed = true;
}

/* A view that changes nothing. */
static bool match_same_type(const Node *node)
{
    return is_view(node) && type_equal(node->type, node->inputs[0]->type);
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        if (match_same_order(node)) {
            rewrite_same_order(&rewriter, node);
        } else if (match_permutable(&rewriter, node)) {
            rewrite_permutable(&rewriter, node);
        }
        if (match_view_of_view(node)) {
            rewrite_view_of_view(&rewriter, node);
        }
        if (match_same_type(node)) {
            rewriter_bypass(&rewriter, node, node->inputs[0]);
        }
    }
    return rewriter_finish(&rewriter);
}

bool elide_flatten(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
