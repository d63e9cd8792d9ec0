/* What the two kinds of convolution by lines share (emit_lines.c): vectors of channels, there, and vectors of pixels of a
 * row, in emit_lines_rows.c. */
#ifndef CNNC_BACKEND_EMIT_LINES_H
#define CNNC_BACKEND_EMIT_LINES_H

#include "backend/emit_vector.h"

typedef struct Lines {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b, m, points;
    bool pools, pairs;  /* lines_pairs() */
    int32_t rows, cols; /* of the result: all, or those that are in windows of the pool */
    int32_t groups;
    int32_t channels, sets; /* of a set */
    bool partial;           /* the last set has fewer channels */
    int32_t width;          /* columns of a plane that are read */
    int64_t v_row, v_point; /* floats of V from plane to plane, from point to point */
    int64_t depth;          /* products of an output at one point */
    const char *index;
} Lines;

/* --- both kinds, with a group of rows and `weights` open */

/* "line[m]" of one vector of sums, which are sums[t][place]. */
void emit_line(const Lines *l, const char *place, CWriter *w);
/* The last group of rows begins so far up that it ends with the image: `written` of its rows are. */
bool lines_uneven(const Lines *l);
/* Rows of line[m] to `y`, which is (row, r = 0). */
void emit_line_outputs(const Lines *l, const char *bias, const char *store, int64_t offset, const char *column,
                       CWriter *w);

/* --- vectors of pixels (emit_lines_rows.c) */

/* The sums of all sets at all points, and what becomes of them; a group of rows and `weights` are open. */
void emit_lines_rows(const Lines *l, CWriter *w);
/* Where l->pairs: lanes of t[r], the last columns of a row, to the end of row r of V, each twice. */
void emit_lines_twice(const Lines *l, CWriter *w);

#endif
