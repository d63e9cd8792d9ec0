/* For tests of vector kernels: records with layouts, halos and packed weights, and the check that each kernel of a
 * batch goes through, for every vector width that this machine can run:
 *   - alone, against its definition; in 2 .. MAX_PARTS parts: the same bits;
 *   - with the residual in the output's memory, where they have one layout: the same bits;
 * over memory that holds NaN wherever nothing may be read or written.
 *
 * A test is a function that fills a batch with records, and a tolerance for check_widths. */
#ifndef TESTS_RUN_VECTOR_CHECK_H
#define TESTS_RUN_VECTOR_CHECK_H

#include "kernel_batch.h"
#include "kernel_pack.h"

/* --- layouts */

int64_t place(const Layout *l, int64_t c, int64_t y, int64_t x); /* of an element, in floats; of the halo too */
Layout image(int32_t block, int32_t channels, int32_t rows, int32_t cols, int32_t top, int32_t left, int32_t bottom,
             int32_t right);
/* The same with a halo of 0 to 2 on each side, as the dice say. */
Layout with_halo(Batch *b, int32_t block, int32_t channels, int32_t rows, int32_t cols);
/* Zeros in the halo, finite numbers in lanes past the channels. `values` NULL: everything stays NaN. */
Memory image_memory(Batch *b, const Layout *l, const float *values);

/* --- records */

/* `in` has the halo that the window needs or more, `out` and the residual have any; the caller changes what should be
 * otherwise. */
Kernel *add_kernel(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act);
KernelSizes window(int32_t ic, int32_t rows, int32_t cols, int32_t oc, int32_t kernel, int32_t stride, int32_t pad);
/* PACK_VECTORS with the window of the record, for the batch's width. */
void set_format(Batch *b, Kernel *k, int32_t vectors, int32_t in_block);

/* For what sums up products, taken in turn. Winograd's sums are large: an activation that saturates would make their
 * errors look larger, so it has its own. */
extern const OpKind acts[6], rectifiers[3];

/* --- checks */

typedef void FillBatch(Batch *b);
/* Fills a batch for every width, compiles it with gcc and with clang (under the sanitizers with gcc alone), and checks
 * each kernel. */
void check_widths(const char *test, FillBatch *fill, double tolerance);
/* The same, and of 16 floats where the processor has 8: for kernels that treat wide vectors differently. */
void check_emulated_widths(const char *test, FillBatch *fill, double tolerance);

/* For checks of their own, which compile what they need (batch_load): called for every width, with gcc and with clang;
 * `name` is for the batch's folder and for messages. */
typedef void CheckCompiled(int32_t width, const char *flags, const char *compiler, const char *name);
void check_compiled(const char *test, CheckCompiled *check);

/* --- small things */

static inline int32_t at_least(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

#endif
