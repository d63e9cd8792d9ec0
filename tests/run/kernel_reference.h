/* For tests of generated kernels: what they should compute, in double and without any of the backend's tricks. */
#ifndef TESTS_RUN_KERNEL_REFERENCE_H
#define TESTS_RUN_KERNEL_REFERENCE_H

#include "lower/program.h"

/* The operands of one kernel, as the network sees them: weights in PyTorch's order, nothing packed or padded. */
typedef struct KernelData {
    int64_t x_count[2], y_count, weight_count, bias_count;
    float *x[2], *residual, *weights, *bias;
    float *norm; /* of a prologue: in_channels scales, then as many shifts */
} KernelData;

/* A square window; out sizes follow, with `extra` rows and columns of padding at the far side. No groups. */
KernelSizes reference_sizes(int32_t ic, int32_t rows, int32_t cols, int32_t oc, int32_t kernel, int32_t stride,
                            int32_t pad, int32_t extra);
/* Numbers of elements that the kernel's operands have. */
void kernel_data_sizes(const Kernel *kernel, KernelData *data);
/* Rounds weights as the storage does, some of them made so small that they are subnormal in f16; and, once they are
 * packed, turns them into what kernels read: numbers of 16 bits from the same address on. Nothing for f32. */
void half_round(Storage storage, float *values, int64_t count);
void half_pack(Storage storage, float *values, int64_t count);
/* The right answer: y_count doubles, before rounding. */
void kernel_reference(const Kernel *kernel, const KernelData *data, double *y);

#endif
