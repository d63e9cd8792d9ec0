/* Small nets for tests of interp/ and passes/, built through the graph API; and the check that every pass has to stand.
 */
#ifndef CNNC_TESTS_NET_BUILDER_H
#define CNNC_TESTS_NET_BUILDER_H

#include "interp/interp.h"
#include "passes/pass.h"

typedef struct NetBuilder {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    Graph *graph;
    Weights *weights; /* by formula */
} NetBuilder;

NetBuilder nb_create(void);
void nb_destroy(NetBuilder *nb);

/* --- nodes. Weights are named after `path`; nodes of one path share them. A NULL path gives an unnamed node. */
Node *nb_input(NetBuilder *nb, int32_t c, int32_t h, int32_t w); /* h 0: a vector [c] */
Node *nb_op(NetBuilder *nb, OpKind op, const char *path, Attr attr, Node *a, Node *b);
Node *nb_concat(NetBuilder *nb, Node *const *data, uint32_t count);
/* conv, depthwise_conv or conv_transpose: kernel, stride, dilation, groups, multiplier left 0 are 1. */
Node *nb_conv(NetBuilder *nb, OpKind op, const char *path, ConvAttr attr, Node *x);
Node *nb_dense(NetBuilder *nb, const char *path, int32_t units, bool bias, Node *x);
Node *nb_norm(NetBuilder *nb, const char *path, Node *x); /* batch_norm with all its weights */
Node *nb_plain(NetBuilder *nb, OpKind op, Node *x);       /* an op with the default attributes and no weights */
Node *nb_scale(NetBuilder *nb, double factor, Node *x);
Node *nb_flatten(NetBuilder *nb, FlattenOrder order, Node *x);
Node *nb_literal(NetBuilder *nb, double value);
void nb_output(NetBuilder *nb, const char *name, Node *node);

/* --- runs */
/* Values of the outputs on formula-filled inputs, in the builder's arena; constants as outputs included. */
double **nb_outputs(NetBuilder *nb);

typedef bool PassFunction(PassContext *context, Graph *graph);
/* Runs the pass and checks: it returns `changes`, the graph verifies, no output moves by more than 1e-9*max|y|, every
 * constant has the same value by the interpreter as by weights/const_eval.c, the verifier of --verify agrees, and a
 * second run reports no change and leaves the dump as it is. */
void nb_check_pass(NetBuilder *nb, PassFunction *pass, bool changes);

/* --- looking at the result */
int nb_count(const NetBuilder *nb, OpKind op);
Node *nb_find(const NetBuilder *nb, OpKind op, const char *path); /* the first of that op (and path, unless NULL) */
const char *nb_dump(NetBuilder *nb);

#endif
