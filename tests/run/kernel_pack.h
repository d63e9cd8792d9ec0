/* For tests of generated kernels: weights as kernels read them, worked out from the definitions of PackKind in
 * lower/program.h. The compiler's own packing (lower/pack.c, tested in tests/unit/pack.c) has no part in it: it might
 * make the same mistake as the kernel. */
#ifndef TESTS_RUN_KERNEL_PACK_H
#define TESTS_RUN_KERNEL_PACK_H

#include "kernel_batch.h"

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* PACK_ROWS of values[rows][cols]. One column: a bias, or a number for each channel, padded in each group to whole
 * blocks. */
Memory pack_blocks(const float *values, int64_t rows, int64_t cols, int64_t groups, int64_t row_block,
                   int64_t col_block);
/* The weights of a vector kernel, whose weight_format says how they lie; in f32 whatever its storage. */
Memory pack_weights(const Kernel *k, const KernelData *data);

#endif
