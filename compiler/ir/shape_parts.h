/* What the files of shape inference share; nobody else includes this. */
#ifndef CNNC_IR_SHAPE_PARTS_H
#define CNNC_IR_SHAPE_PARTS_H

#include "ir/graph.h"

/* The node whose type is wanted, where to report, and its data inputs without the fused residual. */
typedef struct Infer {
    Node *node;
    Diag *diag;
    const char *op;
    TensorType a, b; /* types of the first two inputs; b is empty where there is one */
    uint32_t n_inputs;
} Infer;

/* Reports an error at the node, with its call chain, and returns false. `help` may be NULL. */
bool shape_fail(const Infer *in, DiagId id, const char *help, const char *format, ...) PRINTF(4, 5);

/* --- the result: set the node's type, or report that it has too many elements */
bool shape_set(Infer *in, DType dtype, int rank, const int64_t *dims);
bool shape_set_1(Infer *in, int64_t d0);                      /* f32 [d0] */
bool shape_set_3(Infer *in, int64_t c, int64_t h, int64_t w); /* f32 [c,h,w] */

/* --- demands: report and return false where they are not met */
bool shape_need_image(const Infer *in); /* the first input is [C,H,W] */
bool shape_groups_divide(const Infer *in, int64_t channels, int64_t groups, const char *what);

/* --- shape_window.c: ops with a window */
bool shape_conv(Infer *in);
bool shape_depthwise(Infer *in);
bool shape_conv_transpose(Infer *in);
bool shape_pool(Infer *in); /* max_pool, avg_pool */
bool shape_global_pool(Infer *in);
bool shape_adaptive_pool(Infer *in);
bool shape_subsample(Infer *in);

/* --- shape_weights.c */
/* Dims of the weight of one role, not yet checked for size; returns the rank. Valid once the node's attributes are set.
 */
int shape_weight_dims(const Node *node, WeightRole role, int64_t dims[TYPE_MAX_RANK]);

#endif
