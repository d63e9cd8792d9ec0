/* Vector kernels of dense layers: of 32 and 16 bits, of inputs that are mostly 0, of the means of images. */
#include <criterion/criterion.h>

#include "vector_check.h"

static void fill_dense(Batch *b)
{
    static const int32_t inputs[] = {1, 3, 16, 100, 512, 513, 2048, 1500};
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.in_channels = inputs[i % 8], .in_rows = 1, .in_cols = 1, .out_rows = 1, .out_cols = 1};
        s.out_channels = i % 5 == 0 ? 8 * b->b : pick(b, 1, 20 * b->b);
        Kernel *k = add_kernel(b, KERNEL_DENSE, s, i % 4 > 0, i % 3 == 0, acts[i % 6]);
        k->in = image(1, s.in_channels, 1, 1, 0, 0, 0, 0);
        k->out = image(1, s.out_channels, 1, 1, 0, 0, 0, 0);
        k->residual = k->epilogue.residual ? k->out : (Layout){0};
        set_format(b, k, i % 7 == 0 ? 3 : 8, 1);
        k->weight_format.window_rows = k->weight_format.window_cols = 1;
        k->prefetch_bytes = i % 2 == 0 ? 4096 : 0;
    }
}

Test(vector_kernels, dense)
{
    check_widths("dense", fill_dense, 1e-5);
}

static void fill_dense_halves(Batch *b)
{
    fill_dense(b);
    fill_dense(b);
    for (uint32_t i = 0; i < b->count; ++i) {
        Kernel *k = b->kernels[i];
        k->weight_format.storage = i < b->count / 2 ? STORE_F16 : STORE_BF16;
        if (k->epilogue.act.op == OP_TANH) { /* at most 1, of sums around 20: their error would count twenty times */
            k->epilogue.act.op = OP_RELU;
        }
    }
}

Test(vector_kernels, dense_of_16_bits)
{
    check_widths("dense-half", fill_dense_halves, 1e-5);
}

static void make_nonzero(Batch *b)
{
    for (uint32_t i = 0; i < b->count; ++i) {
        Kernel *k = b->kernels[i];
        k->skips_zeros = true;
        k->prefetch_bytes = 0;
        k->weight_format.vectors = i % 3 == 0 ? DENSE_ROW / 4 / b->b : pick(b, 1, 12);
        k->scratch_bytes = (dense_scratch_bytes(k) + 63) / 64 * 64;
    }
}

static void fill_dense_nonzero(Batch *b)
{
    fill_dense(b);
    fill_dense(b);
    make_nonzero(b);
}

Test(vector_kernels, dense_that_skips_zeros)
{
    check_widths("dense-nonzero", fill_dense_nonzero, 1e-5);
}

static void fill_dense_nonzero_halves(Batch *b)
{
    fill_dense_halves(b);
    make_nonzero(b);
}

Test(vector_kernels, dense_of_16_bits_that_skips_zeros)
{
    check_widths("dense-nonzero-half", fill_dense_nonzero_halves, 1e-5);
}

/* Of the means of images with and without halo, channels that fill no block among them. */
static void fill_dense_of_means(Batch *b)
{
    fill_dense(b);
    for (uint32_t i = 0; i < b->count; ++i) {
        Kernel *k = b->kernels[i];
        KernelSizes *s = &k->sizes;
        k->prologue = (Prologue){PROLOGUE_MEAN, {OP_IDENTITY, {0.0, 0.0}}};
        s->in_rows = pick(b, 1, 9);
        s->in_cols = pick(b, 1, 9);
        k->in = i % 3 == 0 ? image(b->b, s->in_channels, s->in_rows, s->in_cols, 0, 0, 0, 0)
                           : with_halo(b, b->b, s->in_channels, s->in_rows, s->in_cols);
        k->scratch_bytes = (4 * ceil_div(s->in_channels, b->b) * b->b + 63) / 64 * 64;
    }
}

Test(vector_kernels, dense_of_means)
{
    check_widths("dense-means", fill_dense_of_means, 1e-5);
}
