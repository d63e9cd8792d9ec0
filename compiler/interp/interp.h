/* Reference interpreter: evaluates a graph in double precision, plainly and slowly. The oracle of the
 * project: it shares no arithmetic with the backend, nor with const_eval.c. */
#ifndef CNNC_INTERP_INTERP_H
#define CNNC_INTERP_INTERP_H

#include "ir/graph.h"
#include "weights/weights.h"

/* Values of one evaluation: row-major [C,H,W], inputs declared hwc too; u8 as 0..255, i32 as whole numbers. */
typedef struct InterpResult {
    double **values; /* by node id; NULL for constants, and, unless keep_all, for nodes that are no outputs */
} InterpResult;

/* `inputs`: one array a graph input, in declared order. Results live in `arena`; keep_all keeps every node's value. */
InterpResult interp_run(const Graph *graph, const Weights *weights, const double *const *inputs, bool keep_all,
                        Arena *arena);

/* All values of a constant node, in `arena`: carries out its recipe, independently of const_eval.c. */
double *interp_constant_values(const Node *constant, const Weights *weights, Arena *arena);

/* Formula-filled inputs (formula.c) for every input of the graph: f32 2u - 1, u8 floor(256u). A single input is
 * filled under the name "input", whatever it is called, so that numbers do not depend on our name; several inputs are
 * filled under their own names. */
double **interp_formula_inputs(const Graph *graph, Arena *arena);

/* --- verify: did a pass change what the net computes? */
typedef struct InterpVerifier InterpVerifier;
InterpVerifier *interp_verifier_create(Arena *arena, const Weights *weights);
/* Call after elaboration (pass_name NULL) and after each pass that changed the graph: interprets, compares all outputs
 * with the previous state within 1e-9 * max|y|; on a difference reports pass and first differing node to diag, and
 * returns false. */
bool interp_verifier_check(InterpVerifier *verifier, const Graph *graph, const char *pass_name, Diag *diag);
void interp_verifier_destroy(InterpVerifier *verifier);

#endif
