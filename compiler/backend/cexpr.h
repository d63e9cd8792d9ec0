/* Index expressions of generated C: sums of variables times constants, folded while they are written, so that no
 * "+ 0" and no "* 1" reaches the reader. */
#ifndef CNNC_BACKEND_CEXPR_H
#define CNNC_BACKEND_CEXPR_H

#include <stdint.h>

#include "support/attributes.h"

/* One product: a variable (or any primary expression) and its factor. Factor 0 drops it. */
typedef struct Term {
    const char *name; /* NULL ends a list */
    int64_t factor;
} Term;

enum { CEXPR_MAX = 240 };
/* Text by value, so that several expressions can stand in one call of cw_line. Longer text is an ICE. */
typedef struct CExpr {
    char text[CEXPR_MAX];
} CExpr;

/* "ic * 3136 + iy * 56 + ix - 1"; "0" where nothing is left. `terms` ends with {NULL, 0}. */
CExpr cexpr_sum(const Term *terms, int64_t constant);
/* The same for a variable divided by a constant, remainder after division: "tap / 9", "tap % 9"; folded for 1. */
CExpr cexpr_div(const char *name, int64_t divisor);
CExpr cexpr_mod(const char *name, int64_t divisor);
/* A whole number: "3136"; "2 * 3136" is never written. */
CExpr cexpr_int(int64_t value);
CExpr cexpr_at(const char *array, CExpr index); /* "y[index]" */
/* Any text, as printf. */
CExpr cexpr_format(const char *format, ...) PRINTF(1, 2);
/* The same behind what is there already, for texts with parts that may be missing: "tile_1x14_v2" + "_p3". */
void cexpr_append(CExpr *expr, const char *format, ...) PRINTF(2, 3);
/* The type of an index that goes up to `largest`: "int", or "ptrdiff_t" where int could overflow. */
const char *cexpr_index_type(int64_t largest);

#endif
