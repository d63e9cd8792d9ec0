/* Where weights come from. Names, shapes and layouts are PyTorch's. */
#ifndef CNNC_WEIGHTS_WEIGHTS_H
#define CNNC_WEIGHTS_WEIGHTS_H

#include "ir/graph.h"

typedef struct Weights Weights;

/* A safetensors file (F32, F16, BF16), mapped, not copied. The whole header is checked; NULL after an error in diag. */
Weights *weights_open_safetensors(Arena *arena, Diag *diag, Str path);
Weights *weights_formula(Arena *arena);               /* numbers made from the names: formula.c */
Weights *weights_random(Arena *arena, uint64_t seed); /* the formula's ranges, other numbers for every seed */
/* What --weights says: "formula", "random:SEED" (digits, which options.c has checked), else a safetensors file. */
Weights *weights_open(Arena *arena, Diag *diag, Str source);
void weights_close(Weights *weights);
Str weights_description(const Weights *weights); /* "formula", "random:7", the file's path */

/* Checks a source against a graph as elaborated: every CONST_WEIGHT exists with its shape, and every tensor of a file
 * is used (num_batches_tracked is ignored; allow_extra ignores the rest). Reports all faults; true without any. */
bool weights_check(const Weights *weights, const Graph *graph, bool allow_extra, Diag *diag);

/* Elements [first, first + count) of a named tensor, row-major, as float32 values. The tensor must have passed
 * weights_check. */
void weights_read(const Weights *weights, Str name, TensorType type, int64_t first, int64_t count, float *out);

/* --- formula.c: also fills inputs: value 2u - 1 for tensor `name`, scaled by the caller */
void formula_fill_input(Str name, int64_t count, float *out);
void formula_fill_bytes(Str name, int64_t count, uint8_t *out); /* u8 inputs: floor(256 u) */
void formula_fill_weight(Str name, TensorType type, int64_t first, int64_t count, float *out);

/* --- const_eval.c: carries out a constant node's recipe for elements [first, first + count), row-major, in double.
 * `scratch` is used, and reset by the caller. */
void const_eval_range(const Node *constant, const Weights *weights, int64_t first, int64_t count, double *out,
                      Arena *scratch);

#endif
