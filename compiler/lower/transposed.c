/* Which taps of a transposed convolution an output element sees: output i sees tap t where i + pad - t * dilation is a
 * multiple of the stride. Outputs that leave the same rest (a phase) see the same taps, each at a fixed distance. */
#include "lower/program.h"

TransposedAxis transposed_axis(const KernelSizes *s, int axis)
{
    if (axis == 0) {
        return (TransposedAxis){.in = s->in_rows,
                                .out = s->out_rows,
                                .kernel = s->kernel_rows,
                                .stride = s->stride_rows,
                                .dilation = s->dilation_rows,
                                .pad = s->pad_top};
    }
    return (TransposedAxis){.in = s->in_cols,
                            .out = s->out_cols,
                            .kernel = s->kernel_cols,
                            .stride = s->stride_cols,
                            .dilation = s->dilation_cols,
                            .pad = s->pad_left};
}

bool transposed_sees(const TransposedAxis *axis, int32_t i, int32_t tap)
{
    return ((int64_t)i + axis->pad - (int64_t)tap * axis->dilation) % axis->stride == 0;
}

int32_t transposed_taps(const KernelSizes *sizes, int axis)
{
    TransposedAxis a = transposed_axis(sizes, axis);
    int32_t phases = a.stride < a.out ? a.stride : a.out, most = 1;
    for (int32_t i = 0; i < phases; ++i) {
        int32_t taps = 0;
        for (int32_t tap = 0; tap < a.kernel; ++tap) {
            taps += transposed_sees(&a, i, tap);
        }
        most = taps > most ? taps : most;
    }
    return most;
}
