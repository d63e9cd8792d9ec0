/* The walk that passes share; see rewrite.h. */
#include "passes/rewrite.h"

Rewriter rewriter_start(PassContext *context, Graph *graph)
{
    return (Rewriter){
        .graph = graph,
        .scratch = context->scratch,
        .uses = graph_uses(graph, context->scratch),
        .forward = ARENA_ARRAY(context->scratch, Node *, graph->n_nodes),
        .n_known = graph->n_nodes,
    };
}

/* Who stands for `node` now. Chains are short: what a node is forwarded to was up to date at that time. */
static Node *resolve(const Rewriter *rewriter, Node *node)
{
    while (node->id < rewriter->n_known && rewriter->forward[node->id] != NULL) {
        node = rewriter->forward[node->id];
    }
    return node;
}

Node *rewriter_visit(Rewriter *rewriter, uint32_t i)
{
    Node *node = rewriter->graph->nodes[i];
    for (uint32_t k = 0; k < node->n_inputs; ++k) {
        node->inputs[k] = resolve(rewriter, node->inputs[k]);
    }
    return node;
}

bool rewriter_read_once(const Rewriter *rewriter, const Node *node)
{
    return node->id < rewriter->n_known && uses_once(&rewriter->uses, node);
}

Node *rewriter_only_reader(const Rewriter *rewriter, const Node *node)
{
    if (!rewriter_read_once(rewriter, node) || rewriter->uses.user[node->id] == NULL) {
        return NULL;
    }
    return rewriter->uses.user[node->id][0];
}

void rewriter_bypass(Rewriter *rewriter, Node *node, Node *instead)
{
    if (!type_equal(node->type, instead->type)) {
        ICE("a pass puts a node of another type in the place of '" STR_FMT "'", STR_ARG(node->path));
    }
    Uses *uses = &rewriter->uses;
    rewriter->forward[node->id] = instead;
    rewriter->changed = true;
    if (instead->id >= rewriter->n_known) {
        return;
    }
    /* The readers of `node` take its place among the readers of `instead`. Where `instead` has others, their list would
     * have to be copied; it stays unknown until the next walk. */
    uses->user[instead->id] = uses->count[instead->id] == 1 ? uses->user[node->id] : NULL;
    uses->count[instead->id] += uses->count[node->id] - 1;
    uses->is_output[instead->id] |= uses->is_output[node->id];
}

void rewriter_change_readers(Rewriter *rewriter, const Node *input, int32_t more)
{
    if (input->id < rewriter->n_known) {
        rewriter->uses.user[input->id] = NULL;
        rewriter->uses.count[input->id] += (uint32_t)more;
    }
}

bool rewriter_finish(Rewriter *rewriter)
{
    if (rewriter->changed) {
        Graph *graph = rewriter->graph;
        for (uint32_t i = 0; i < graph->n_outputs; ++i) {
            graph->outputs[i].node = resolve(rewriter, graph->outputs[i].node);
        }
        graph_compact(graph);
    }
    return rewriter->changed;
}

bool rewriter_repeat(bool (*walk)(PassContext *context, Graph *graph), PassContext *context, Graph *graph)
{
    bool changed = false;
    while (walk(context, graph)) {
        changed = true;
    }
    return changed;
}
