/* What the files of interp/ share, and nobody else includes: one node under evaluation. */
#ifndef CNNC_INTERP_EVAL_H
#define CNNC_INTERP_EVAL_H

#include "interp/interp.h"

/* A data input: its logical type and its values, row-major. */
typedef struct Operand {
    TensorType type;
    const double *data;
} Operand;

typedef struct Eval {
    const Node *node;
    const Weights *weights;
    const Operand *in; /* data inputs; the residual of an epilogue is left out */
    uint32_t n_in;
    double *out; /* type_elements(node->type) values, all zero before the op runs */
} Eval;

/* `count` zeroed doubles from malloc; the caller frees them. No caller sees NULL. */
double *interp_alloc(int64_t count);

/* --- interp_const.c */
/* Elements [first, first + count) of a constant, row-major: carries out its recipe. */
void interp_constant(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out);
/* All elements of the node's weight of one role, to be freed by the caller; NULL where the node has none. */
double *interp_weight(const Eval *eval, WeightRole role);

/* --- one function an op, or a family of ops */
void interp_conv(const Eval *eval); /* conv, depthwise_conv */
void interp_conv_transpose(const Eval *eval);
void interp_dense(const Eval *eval);
void interp_rbf(const Eval *eval);

void interp_max_pool(const Eval *eval);
void interp_avg_pool(const Eval *eval);
void interp_global_avg_pool(const Eval *eval);
void interp_global_max_pool(const Eval *eval);
void interp_adaptive_avg_pool(const Eval *eval);
void interp_subsample(const Eval *eval);

void interp_batch_norm(const Eval *eval);
void interp_instance_norm(const Eval *eval);
void interp_lrn(const Eval *eval);
void interp_l2_normalize(const Eval *eval);
void interp_affine(const Eval *eval);
void interp_normalize(const Eval *eval);

void interp_act(const Eval *eval); /* every op with OPF_ACT */
void interp_prelu(const Eval *eval);
void interp_softmax(const Eval *eval); /* and log_softmax */
/* In place: values = act(values). OP_IDENTITY leaves them as they are. */
void interp_apply_activation(const Activation *act, double *values, int64_t count);

void interp_copy(const Eval *eval); /* reshape, dropout: the same elements in the same order */
void interp_concat(const Eval *eval);
void interp_flatten(const Eval *eval);
void interp_permute(const Eval *eval);
void interp_slice(const Eval *eval);
void interp_crop(const Eval *eval);
void interp_channel_shuffle(const Eval *eval);
void interp_pad(const Eval *eval);
void interp_upsample(const Eval *eval);

void interp_binary(const Eval *eval); /* add, sub, mul */
void interp_scale(const Eval *eval);
void interp_gram(const Eval *eval);
void interp_mse(const Eval *eval);
void interp_sum(const Eval *eval); /* and mean */
void interp_argmax(const Eval *eval);
void interp_top_k(const Eval *eval);

/* --- interp.c: runs a graph and shows each node's value, in topological order, to `visit` before the value may be
 * freed. Values of nodes for which keep[id] holds live in `arena`, all others are freed after their last reader. */
typedef void InterpVisit(void *user, const Node *node, const double *values);
InterpResult interp_run_visiting(const Graph *graph, const Weights *weights, const double *const *inputs,
                                 const bool *keep, Arena *arena, InterpVisit *visit, void *user);

#endif
