/* One set of output channels in the order that vector kernels read: PACK_VECTORS, PACK_WINOGRAD, PACK_STRASSEN,
 * PACK_LINES; all of them: PACK_STRASSEN_TWICE. Private to pack.c. */
#ifndef CNNC_LOWER_PACK_VECTOR_H
#define CNNC_LOWER_PACK_VECTOR_H

#include "lower/program.h"

/* Floats of a set of `rows` output channels (at most vectors * lanes) over `inputs` input channels, padding included. */
int64_t pack_vectors_size(const PackFormat *format, int32_t rows, int32_t inputs);
int64_t pack_winograd_size(const PackFormat *format, int32_t rows, int32_t inputs);
int64_t pack_lines_size(const PackFormat *format, int32_t rows, int32_t inputs);
/* Products of one output over all points, padding included. */
int64_t pack_winograd_inputs(const PackFormat *format, int32_t inputs);

/* STRASSEN, STRASSEN_TWICE: channels of a half, padding included; floats of the whole weight. */
int64_t pack_strassen_half(const PackFormat *format, int32_t channels);
int64_t pack_strassen_size(const PackFormat *format, int32_t rows, int32_t inputs);

/* in: [rows][inputs][window_rows][window_cols] */
void pack_vectors(const PackFormat *format, const float *in, int32_t rows, int32_t inputs, float *out);
void pack_winograd(const PackFormat *format, const float *in, int32_t rows, int32_t inputs, float *out);
void pack_lines(const PackFormat *format, const float *in, int32_t rows, int32_t inputs, float *out);
/* A set of both halves of the rows, [rows][inputs] each; lower_rows <= upper_rows, and upper_rows are lanes * vectors or
 * what is left of the half, padding included. */
void pack_strassen(const PackFormat *format, const float *upper, int32_t upper_rows, const float *lower,
                   int32_t lower_rows, int32_t inputs, float *out);
/* STRASSEN_TWICE: all sets, of [rows][inputs]. */
void pack_strassen_twice(const PackFormat *format, const float *in, int32_t rows, int32_t inputs, float *out);

#endif
