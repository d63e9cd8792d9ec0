/* fuse_activation: an activation moves into the epilogue of the op whose result it alone reads.
 *
 *   before   %1 = conv %0 {channels=64, kernel=[3, 3]} weight=@c.weight bias=@c.bias : f32[64,54,54]
 *            %2 = relu %1 : f32[64,54,54]
 *   after    %1 = conv %0 {channels=64, kernel=[3, 3]} weight=@c.weight bias=@c.bias | relu : f32[64,54,54]
 *
 * requires          nothing; after fold_batch_norm, which takes no layer that has an epilogue
 * keeps             every value bit for bit
 * does not handle   prelu (has a weight), softmax (no elementwise op); an activation after an activation
 */
#include "passes/rewrite.h"

/* The op that can take the activation in; else NULL. */
static Node *match_activation(const Rewriter *rewriter, const Node *node)
{
    if ((op_info(node->op)->flags & OPF_ACT) == 0 || node->op == OP_IDENTITY) {
        return NULL;
    }
    Node *producer = node->inputs[0];
    unsigned flags = op_info(producer->op)->flags;
    bool can = (flags & (OPF_EPILOGUE | OPF_ACTIVATED)) != 0 && producer->act.op == OP_IDENTITY;
    return can && rewriter_read_once(rewriter, producer) ? producer : NULL;
}

static void rewrite_activation(Rewriter *rewriter, Node *node, Node *producer)
{
    producer->act = (Activation){node->op, node->attr.act};
    rewriter_bypass(rewriter, node, producer);
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        Node *producer = match_activation(&rewriter, node);
        if (producer != NULL) {
            rewrite_activation(&rewriter, node, producer);
        }
    }
    return rewriter_finish(&rewriter);
}

bool fuse_activation(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
