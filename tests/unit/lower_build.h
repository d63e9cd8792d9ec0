/* Builds graphs in few lines for the tests of lowering and planning. A builder owns everything it makes. */
#ifndef CNNC_TESTS_LOWER_BUILD_H
#define CNNC_TESTS_LOWER_BUILD_H

#include "lower/program.h"

typedef struct LowerBuild {
    Arena *arena;
    Diag *diag;
    Graph *graph;
} LowerBuild;

LowerBuild lower_build_start(void);
void lower_build_stop(LowerBuild *b);
Node *lower_build_input(LowerBuild *b, const char *name, int32_t c, int32_t h, int32_t w); /* [c] where h and w are 0 */
/* A node of one or two operands, with its weights, named path.role. Ends the test where the op refuses its operands. */
Node *lower_build_op(LowerBuild *b, OpKind op, const Attr *attr, const char *path, Node *first, Node *second);
Node *lower_build_many(LowerBuild *b, OpKind op, const Attr *attr, const char *path, Node *const *data, uint32_t count);
Node *lower_build_plain(LowerBuild *b, OpKind op, const char *path, Node *first); /* an op without parameters */
Node *lower_build_conv(LowerBuild *b, const char *path, Node *x, int32_t channels, int32_t kernel, int32_t stride,
                       int32_t pad);
Node *lower_build_add_residual(LowerBuild *b, Node *node, Node *residual); /* as fuse_add leaves it; returns node */
/* A convolution of stride 1 that keeps the size of an image of side x side. */
KernelSizes lower_build_sizes(int32_t in_channels, int32_t side, int32_t out_channels, int32_t window, int32_t groups);
Program *lower_build_finish(LowerBuild *b); /* one image, one part, portable; ends the test on errors */
Program *lower_build_finish_parts(LowerBuild *b, int32_t parts);

#endif
