/* Graphs for tests of ir/, written as short texts, without the front end. */
#ifndef CNNC_TESTS_IR_BUILD_H
#define CNNC_TESTS_IR_BUILD_H

#include "ir/graph.h"

typedef struct IrBuild {
    Arena *arena;
    Diag *diag;
    Graph *graph;
    int n_names; /* of automatic input and weight names */
} IrBuild;

IrBuild irbuild_start(void);
void irbuild_end(IrBuild *build);

/* "f32[3,8,8]" */
TensorType irbuild_type(const char *text);

/* Attributes from "channels=64 kernel=3,5 pad=same table=0,1/1,2"; those not named have their defaults. */
Attr irbuild_attr(IrBuild *build, OpKind op, const char *params);

/* An input port "in0", "in1", ... of that type. */
Node *irbuild_input(IrBuild *build, const char *type);

/* "conv channels=64 kernel=3" over `data` (NULL ends it), named `path`. Weights "path.role" are attached. NULL after a
 * shape error, which is in build->diag. */
Node *irbuild_add(IrBuild *build, const char *path, const char *op_and_params, Node *const *data);
Node *irbuild_add1(IrBuild *build, const char *path, const char *op_and_params, Node *x);
Node *irbuild_add2(IrBuild *build, const char *path, const char *op_and_params, Node *a, Node *b);

#endif
