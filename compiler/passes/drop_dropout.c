/* drop_dropout: dropout does nothing at inference.
 *
 *   before   %3 = dropout %2 : f32[4096]
 *            %4 = dense %3 {units=1000} weight=@fc.weight bias=@fc.bias : f32[1000]
 *   after    %3 = dense %2 {units=1000} weight=@fc.weight bias=@fc.bias : f32[1000]
 *
 * requires          nothing
 * keeps             every value bit for bit; an output that read a dropout reads what it dropped from
 * does not handle   other ops that do nothing: fold_constants does
 */
#include "passes/rewrite.h"

static bool match_dropout(const Node *node)
{
    return node->op == OP_DROPOUT;
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        if (match_dropout(node)) {
            rewriter_bypass(&rewriter, node, node->inputs[0]);
        }
    }
    return rewriter_finish(&rewriter);
}

bool drop_dropout(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
