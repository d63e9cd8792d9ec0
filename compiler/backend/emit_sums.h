/* Sums of many numbers, as several families need them. For emit_<family>.c only. */
#ifndef CNNC_BACKEND_EMIT_SUMS_H
#define CNNC_BACKEND_EMIT_SUMS_H

#include "backend/emit.h"

/* Writes "const double NAME = ...": the sum of `value` for all i < count. `value` is an expression in which '@' stands
 * for the index, `prelude` a line before it that may declare what it needs, or NULL. Eight partial sums in double: no
 * digit of a float is lost, whatever the count, and the additions do not wait for each other. */
void emit_double_sum(CWriter *w, const char *name, int64_t count, const char *prelude, const char *value);

/* For kernels whose whole result is one number or one vector: part 0 does all of it. */
void emit_single_part(CWriter *w);

/* "const int pixels = ...": how many of `total` pixels block number `block` of `size` has; returns it as an expression.
 */
CExpr emit_block_pixels(CWriter *w, int64_t total, int size);

/* A double literal that reads back bit-equal: "1e-05", "3.0". */
CExpr emit_double(double value);

#endif
