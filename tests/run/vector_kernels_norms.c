/* Vector kernels whose outputs depend on all channels, or all pixels, of their inputs. */
#include <criterion/criterion.h>

#include "vector_check.h"

static void fill_lrn(Batch *b)
{
    for (int i = 0; i < 16; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4 * b->b), .in_rows = pick(b, 1, 5), .in_cols = pick(b, 1, 9)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        static const double beta[] = {0.75, 0.5, 1.0, 0.6};
        s.lrn = (LrnAttr){i % 5 == 4 ? pick(b, 1, 8) : 5, 0.5, beta[i % 4], 1.0 + i % 3, i % 2 == 0};
        Kernel *k = add_kernel(b, KERNEL_LRN, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, lrn)
{
    check_widths("lrn", fill_lrn, 1e-6);
}

static void fill_instance_norm(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        bool large = i % 6 == 0, flat = i % 3 == 0;
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .eps = 1e-5};
        s.in_rows = pick(b, 2, large ? 30 : 7);
        s.in_cols = pick(b, 2, large ? 150 : 20);
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        Kernel *k = add_kernel(b, KERNEL_INSTANCE_NORM, s, i % 2, i % 4 > 1, acts[i % 6]);
        k->in = flat ? image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                     : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        if (flat) {
            k->out = k->in;
            k->residual = k->epilogue.residual ? k->in : (Layout){0};
        }
    }
}

Test(vector_kernels, instance_norm)
{
    check_widths("instance_norm", fill_instance_norm, 2e-6);
}

static void fill_softmax(Batch *b)
{
    static const int32_t channels[] = {1, 2, 10, 16, 17, 100, 1000, 33};
    for (int i = 0; i < 16; ++i) {
        KernelSizes s = {.in_channels = channels[i % 8], .in_rows = 1, .in_cols = 1, .out_rows = 1, .out_cols = 1};
        s.out_channels = s.in_channels;
        s.is_log = i >= 8;
        Kernel *k = add_kernel(b, KERNEL_SOFTMAX, s, false, false, OP_IDENTITY);
        k->in = k->out = image(1, s.in_channels, 1, 1, 0, 0, 0, 0);
    }
}

Test(vector_kernels, softmax)
{
    check_widths("softmax", fill_softmax, 1e-6);
}

static void fill_gram(Batch *b)
{
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4 * b->b), .in_rows = pick(b, 1, 20), .in_cols = pick(b, 2, 30)};
        s.in_cols = i == 3 ? 300 : s.in_cols;
        s.out_channels = s.out_rows = s.in_channels;
        s.out_cols = 1;
        Kernel *k = add_kernel(b, KERNEL_GRAM, s, false, false, OP_IDENTITY);
        k->in = i % 2 == 0 ? image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                           : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, gram)
{
    check_widths("gram", fill_gram, 1e-6);
}
