/* fuse_add: an addition moves into the epilogue of the layer that makes one of its operands.
 *
 *   before   %5 = conv %4 {channels=256, kernel=[1, 1]} weight=@c.weight bias=@c.bias : f32[256,56,56]
 *            %6 = add %5, %1 | relu : f32[256,56,56]
 *   after    %5 = conv %4 {channels=256, kernel=[1, 1]} weight=@c.weight bias=@c.bias + %1 | relu : f32[256,56,56]
 *
 * The layer must be read by the addition alone, so the other operand cannot depend on it, and reading it makes no
 * cycle. Where both operands could take the addition, the one computed last does: the other one is ready by then.
 *
 * requires          nothing; the layer must have no activation yet: y = act(layer + residual)
 * keeps             every value bit for bit, up to the order of the two operands
 * does not handle   sub, mul; additions that broadcast; constants as operands
 */
#include "passes/rewrite.h"

static bool can_take_residual(const Rewriter *rewriter, const Node *layer)
{
    bool is_layer = layer->op == OP_CONV || layer->op == OP_DEPTHWISE_CONV || layer->op == OP_CONV_TRANSPOSE ||
                    layer->op == OP_DENSE || layer->op == OP_INSTANCE_NORM;
    return is_layer && !layer->adds_residual && layer->act.op == OP_IDENTITY && rewriter_read_once(rewriter, layer);
}

/* The operand that can take the addition in; else NULL. */
static Node *match_add(const Rewriter *rewriter, const Node *node)
{
    if (node->op != OP_ADD || node->adds_residual) {
        return NULL;
    }
    Node *a = node->inputs[0], *b = node->inputs[1];
    if (!type_equal(a->type, b->type) || node_is_constant(a) || node_is_constant(b)) {
        return NULL;
    }
    Node *later = a->id > b->id ? a : b, *earlier = later == a ? b : a;
    if (can_take_residual(rewriter, later)) {
        return later;
    }
    return can_take_residual(rewriter, earlier) ? earlier : NULL;
}

static void rewrite_add(Rewriter *rewriter, Node *node, Node *layer)
{
    Node *residual = node->inputs[0] == layer ? node->inputs[1] : node->inputs[0];
    Node *data[] = {layer->inputs[0], residual};
    graph_set_data(rewriter->graph, layer, data, 2);
    layer->adds_residual = true;
    layer->act = node->act;
    rewriter_change_readers(rewriter, residual, 0);
    rewriter_bypass(rewriter, node, layer);
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        Node *layer = match_add(&rewriter, node);
        if (layer != NULL) {
            rewrite_add(&rewriter, node, layer);
        }
    }
    return rewriter_finish(&rewriter);
}

bool fuse_add(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
