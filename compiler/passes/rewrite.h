/* What passes share: a walk over the nodes that takes some of them out, in time linear in the graph.
 *
 * graph_replace and graph_uses look at the whole graph; called once a rewrite they would make a pass quadratic. Here a
 * node taken out is only noted, every node is brought up to date when the walk reaches it, and the facts about readers
 * follow along. A pass looks like this:
 *
 *     static bool walk(PassContext *context, Graph *graph)
 *     {
 *         Rewriter rewriter = rewriter_start(context, graph);
 *         for (uint32_t i = 0; i < rewriter.n_known; ++i) {
 *             Node *node = rewriter_visit(&rewriter, i);
 *             if (match_thing(&rewriter, node)) {
 *                 rewrite_thing(&rewriter, node);
 *             }
 *         }
 *         return rewriter_finish(&rewriter);
 *     }
 *
 *     bool the_pass(PassContext *context, Graph *graph)
 *     {
 *         return rewriter_repeat(walk, context, graph);
 *     }
 */
#ifndef CNNC_PASSES_REWRITE_H
#define CNNC_PASSES_REWRITE_H

#include "passes/pass.h"

typedef struct Rewriter {
    Graph *graph;
    Arena *scratch;
    Uses uses;        /* user[id] is NULL where rewriting has made it unknown; count and is_output are always right */
    Node **forward;   /* by id: the node that is read instead; NULL: the node itself */
    uint32_t n_known; /* nodes at the start, which ids below it index; constants added since come after them */
    bool changed;
} Rewriter;

Rewriter rewriter_start(PassContext *context, Graph *graph);
/* The i-th node, its inputs brought up to date. To be called for every node, in order. */
Node *rewriter_visit(Rewriter *rewriter, uint32_t i);
/* The one node that reads `node`, and once only, where no output reads it: then the two may be merged. Else NULL. */
Node *rewriter_only_reader(const Rewriter *rewriter, const Node *node);
/* True where another node reads `node`, once, and no output does. */
bool rewriter_read_once(const Rewriter *rewriter, const Node *node);
/* Takes out `node`, which reads `instead`: its readers and output ports read `instead` from now on. Same types. */
void rewriter_bypass(Rewriter *rewriter, Node *node, Node *instead);
/* `input` has got other readers by a rewrite of their inputs, `more` of them: who, only the next walk tells. */
void rewriter_change_readers(Rewriter *rewriter, const Node *input, int32_t more);
/* Brings the output ports up to date and compacts the graph, where anything changed. True where anything did. */
bool rewriter_finish(Rewriter *rewriter);

/* Walks until a walk changes nothing: a rewrite may make room for another one, and nodes that were read by dead nodes
 * only may turn out to have one reader. True where any walk changed anything. */
bool rewriter_repeat(bool (*walk)(PassContext *context, Graph *graph), PassContext *context, Graph *graph);

#endif
