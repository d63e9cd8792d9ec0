/* Generated kernels against their definitions. Records are built directly, so that shapes are tested which no network
 * of the zoo has; many kernels go into one C file, which is compiled without a warning and loaded. Each kernel then
 * runs
 *   - alone and in 2, 3, 5 parts: the same bits;
 *   - with the residual, or an elementwise operand, in the output's own memory: the same bits;
 * over outputs and scratch that hold NaN before, between guards that must survive. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "kernel_batch.h"
#include "kernel_pack.h"
#include "sandbox.h"

/* --- records */

static Kernel *add(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act)
{
    Kernel *kernel = batch_add(b, family, sizes, bias, residual, act);
    kernel->in = layout_plain(type_f32_3(sizes.in_channels, sizes.in_rows, sizes.in_cols));
    kernel->out = layout_plain(type_f32_3(sizes.out_channels, sizes.out_rows, sizes.out_cols));
    tiles_choose(target_find(STR("portable")), kernel);
    return kernel;
}

/* --- running */

/* One kernel under test. */
typedef struct Check {
    Batch *b;
    const Kernel *kernel;
    step_kernel *function;
    KernelData data;
    double *reference;     /* what it should compute of `data` */
    float *weights, *bias; /* as it reads them; NULL: it has none */
    step_arguments a;      /* all but y and scratch */
    Memory y;              /* what it has computed, in one part */
} Check;

/* Moves values out of their guards into a block of their very size, so that ASan sees reads past the end. */
static float *exact(Memory m)
{
    float *values = malloc((size_t)(m.count > 0 ? m.count : 1) * sizeof *values);
    cr_assert(values != NULL);
    memcpy(values, m.values, (size_t)m.count * sizeof *values);
    free(m.base);
    return values;
}

static void pack_parameters(Check *c)
{
    const PackFormat *f = &c->kernel->weight_format;
    if (c->data.weight_count == 0 || f->row_block == 0) {
        return;
    }
    int64_t groups = c->kernel->family == KERNEL_CONV ? c->kernel->sizes.groups : 1;
    int64_t rows = c->kernel->sizes.out_channels, cols = c->data.weight_count / rows;
    Memory weights = c->kernel->family == KERNEL_WINOGRAD
                         ? pack_weights(c->kernel, &c->data)
                         : pack_blocks(c->data.weights, rows, cols, groups, f->row_block, f->col_block);
    half_pack(f->storage, weights.values, weights.count);
    c->weights = exact(weights);
    c->bias = exact(pack_blocks(c->data.bias, rows, 1, groups, f->row_block, 1));
}

/* Operands of random numbers, and the right answer. */
static Check check_create(Batch *b, const Kernel *kernel, step_kernel *function)
{
    Check c = {.b = b, .kernel = kernel, .function = function};
    bool is_curved =
        kernel->family == KERNEL_UNARY || kernel->family == KERNEL_SOFTMAX; /* numbers beyond the bend too */
    draw_inputs(b, kernel, is_curved ? 9.0f : 1.0f, &c.data);
    draw_parameters(b, kernel, &c.data);
    pack_parameters(&c);
    c.reference = malloc((size_t)c.data.y_count * sizeof *c.reference);
    cr_assert(c.reference != NULL);
    kernel_reference(kernel, &c.data, c.reference);
    c.a = (step_arguments){.x = {c.data.x[0], c.data.x[1]}, .weights = c.weights};
    c.a.bias = kernel->epilogue.bias ? c.bias : NULL;
    c.a.residual = kernel->epilogue.residual ? c.data.residual : NULL;
    return c;
}

static void check_release(Check *c)
{
    kernel_data_release(&c->data);
    free(c->reference);
    free(c->weights);
    free(c->bias);
    free(c->y.base);
}

/* Largest |y - reference| over the largest |reference|; elements that must not be touched count as infinite when they
 * are. */
static double relative_error(const float *y, const double *reference, int64_t count)
{
    double largest = 0.0, error = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        if (isnan(reference[i])) {
            error = is_guard(y[i]) ? error : INFINITY;
            continue;
        }
        double difference = fabs(y[i] - reference[i]);
        largest = fmax(largest, fabs(reference[i]));
        error = difference <= error ? error : difference; /* NaN sticks */
        if (isnan(difference)) {
            return INFINITY;
        }
    }
    return largest > 0.0 ? error / largest : error;
}

static Memory blank_result(const void *check)
{
    const Check *c = check;
    return memory_create(c->data.y_count, true);
}

/* Runs in one part, and compares with the definition. */
static double check_result(Check *c, double tolerance)
{
    c->y = blank_result(c);
    c->a.y = c->y.values;
    run_parts(c->b, c->kernel, c->function, c->a, 1);
    memory_check(&c->y, c->b, c->kernel, "y");
    double error = relative_error(c->y.values, c->reference, c->data.y_count);
    cr_assert(error <= tolerance, "error %g: %s", error, describe(c->b, c->kernel));
    return error;
}

/* Runs again with one operand, `slot` of `a`, in the output's own memory. */
static void check_overlap(const Check *c, step_arguments *a, const float **slot)
{
    const float *operand = *slot;
    Memory in_place = memory_create(c->y.count, true);
    memcpy(in_place.values, operand, (size_t)c->y.count * 4);
    *slot = a->y = in_place.values;
    run_parts(c->b, c->kernel, c->function, *a, 3);
    cr_assert(memcmp(in_place.values, c->y.values, (size_t)c->y.count * 4) == 0, "in place differs: %s",
              describe(c->b, c->kernel));
    memory_check(&in_place, c->b, c->kernel, "y in place");
    free(in_place.base);
    *slot = operand;
}

/* What may be the output's memory: the residual, or an elementwise operand that is not broadcast. */
static void check_in_place(const Check *c)
{
    const Kernel *kernel = c->kernel;
    bool elementwise =
        kernel->family == KERNEL_UNARY || kernel->family == KERNEL_BINARY || kernel->family == KERNEL_CHANNEL_AFFINE;
    step_arguments a = c->a;
    if (kernel->epilogue.residual) {
        check_overlap(c, &a, &a.residual);
    }
    for (int k = 0; elementwise && k < 2; ++k) {
        if (c->data.x_count[k] == c->y.count && c->y.count > 1) {
            check_overlap(c, &a, &a.x[k]);
        }
    }
}

static double check_kernel(Batch *b, const Kernel *kernel, step_kernel *function, double tolerance)
{
    Check c = check_create(b, kernel, function);
    double error = check_result(&c, tolerance);
    check_parts(b, c.kernel, function, c.a, &c.y, blank_result, &c);
    check_in_place(&c);
    check_release(&c);
    return error;
}

/* With gcc for this very machine, and with clang for any. */
static void check_batch(Batch *b, const char *test, double tolerance)
{
    batch_check(b, test, "gcc -O3", "-march=native", check_kernel, tolerance);
    if (batch_asks_clang()) {
        batch_check(b, arena_printf(b->arena, "%s-clang", test).ptr, "clang -O2", "", check_kernel, tolerance);
    }
    arena_destroy(b->arena);
}

/* --- convolutions */

Test(kernels, conv_of_networks)
{
    Batch b = batch_create(0);
    add(&b, KERNEL_CONV, reference_sizes(3, 32, 32, 16, 7, 2, 3, 0), true, false, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(64, 14, 14, 32, 3, 1, 1, 0), true, false, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(256, 7, 7, 24, 3, 1, 1, 0), true, true, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(300, 7, 7, 32, 1, 1, 0, 0), true, true, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(16, 28, 28, 20, 1, 2, 0, 0), true, false, OP_IDENTITY);
    add(&b, KERNEL_CONV, reference_sizes(32, 15, 15, 48, 3, 2, 0, 1), false, false, OP_RELU6);
    add(&b, KERNEL_CONV, reference_sizes(3, 67, 67, 8, 11, 4, 2, 0), true, false, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(1, 28, 28, 6, 5, 1, 2, 0), true, false, OP_TANH);
    add(&b, KERNEL_CONV, reference_sizes(6, 14, 14, 16, 5, 1, 0, 0), true, false, OP_TANH);
    add(&b, KERNEL_CONV, reference_sizes(17, 6, 6, 33, 6, 1, 0, 0), true, false,
        OP_SIGMOID); /* covers the whole input */
    add(&b, KERNEL_CONV, reference_sizes(2, 13, 130, 5, 3, 1, 1, 0), true, true, OP_SILU);
    check_batch(&b, "conv-networks", 3e-6);
}

/* Images too small for rows of pixels. */
Test(kernels, conv_rows_of_channels)
{
    Batch b = batch_create(0);
    add(&b, KERNEL_CONV, reference_sizes(64, 7, 7, 256, 3, 1, 1, 0), true, true, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(96, 14, 14, 256, 3, 1, 1, 0), true, false, OP_RELU); /* two tiles */
    add(&b, KERNEL_CONV, reference_sizes(128, 7, 7, 256, 1, 1, 0, 0), true, true, OP_SILU);   /* all taps at once */
    add(&b, KERNEL_CONV, reference_sizes(20, 7, 7, 190, 3, 1, 1, 0), true, true, OP_RELU); /* the last block is short */
    add(&b, KERNEL_CONV, reference_sizes(200, 7, 7, 255, 1, 1, 0, 0), false, false, OP_IDENTITY); /* channels, odd */
    add(&b, KERNEL_CONV, reference_sizes(256, 14, 14, 192, 1, 2, 0, 0), true, true, OP_RELU6);
    add(&b, KERNEL_CONV, reference_sizes(36, 13, 13, 320, 3, 2, 1, 0), false, true, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(332, 3, 7, 64, 1, 1, 0, 0), true, false,
        OP_HARD_SWISH); /* one block of channels */
    add(&b, KERNEL_CONV, reference_sizes(28, 3, 4, 31, 2, 1, 0, 0), true, false, OP_RELU);
    for (uint32_t i = 0; i < b.count; ++i) {
        cr_assert(conv_is_wide(b.kernels[i]), "%s", describe(&b, b.kernels[i]));
    }
    check_batch(&b, "conv-wide", 3e-6);
}

static Kernel *add_winograd(Batch *b, int32_t m, KernelSizes sizes, bool bias, bool residual, OpKind act)
{
    Kernel *kernel = add(b, KERNEL_CONV, sizes, bias, residual, act);
    kernel->family = KERNEL_WINOGRAD;
    kernel->winograd = winograd_square(m);
    tiles_choose(target_find(STR("portable")), kernel);
    return kernel;
}

/* Blocks that end with the image or before it, tiles that do, sets of channels, blocks of input channels. */
static void check_winograd(const char *test, int32_t m, double tolerance)
{
    Batch b = batch_create(0);
    add_winograd(&b, m, reference_sizes(64, 56, 56, 64, 3, 1, 1, 0), true, false, OP_RELU);
    add_winograd(&b, m, reference_sizes(32, 28, 28, 128, 3, 1, 1, 0), true, true, OP_RELU);    /* two sets */
    add_winograd(&b, m, reference_sizes(512, 7, 7, 48, 3, 1, 1, 0), true, true, OP_SILU);      /* all tiles at once */
    add_winograd(&b, m, reference_sizes(36, 13, 9, 33, 3, 1, 1, 0), false, true, OP_IDENTITY); /* odd channels */
    add_winograd(&b, m, reference_sizes(4, 35, 35, 96, 3, 1, 0, 0), true, false, OP_RELU6);    /* no padding */
    add_winograd(&b, m, reference_sizes(8, 4, 110, 80, 3, 1, 2, 0), true, false, OP_RELU);
    add_winograd(&b, m, reference_sizes(12, 17, 17, 5, 3, 1, 1, 0), false, false, OP_HARD_SWISH);
    add_winograd(&b, m, reference_sizes(268, 14, 14, 112, 3, 1, 1, 0), true, false, OP_RELU); /* a short last block */
    KernelSizes cut = reference_sizes(8, 12, 12, 16, 3, 1, 0, 0); /* the last rows and columns are not read */
    cut.out_rows = 5;
    cut.out_cols = 8;
    add_winograd(&b, m, cut, true, false, OP_RELU);
    for (int i = 0; i < 8; ++i) {
        KernelSizes s =
            reference_sizes(4 * pick(&b, 1, 9), pick(&b, 4, 40), pick(&b, 4, 40), pick(&b, 1, 130), 3, 1, 1 + i % 2, 0);
        s.pad_top = pick(&b, 0, 2); /* what is missing at the top and left is added at the bottom and right */
        s.pad_left = i < 4 ? 2 - s.pad_top : pick(&b, 0, 2);
        add_winograd(&b, m, s, pick(&b, 0, 1), pick(&b, 0, 1), pick(&b, 0, 1) ? OP_RELU : OP_IDENTITY);
    }
    check_batch(&b, test, tolerance);
}

Test(kernels, winograd_2x2_in_plain_c)
{
    check_winograd("winograd-plain-2", 2, 3e-6);
}

/* Of few input channels, over whose sums rounding errors do not even out. */
Test(kernels, winograd_4x4_in_plain_c)
{
    check_winograd("winograd-plain-4", 4, 1e-5);
}

Test(kernels, conv_odd_shapes)
{
    Batch b = batch_create(0);
    add(&b, KERNEL_CONV, reference_sizes(1, 1, 1, 1, 1, 1, 0, 0), false, false, OP_IDENTITY);
    add(&b, KERNEL_CONV, reference_sizes(1, 1, 1, 1, 3, 1, 1, 0), true, true, OP_LEAKY_RELU);
    add(&b, KERNEL_CONV, reference_sizes(5, 1, 300, 3, 1, 1, 0, 0), true, false, OP_ELU);
    add(&b, KERNEL_CONV, reference_sizes(7, 9, 9, 13, 2, 5, 0, 0), true, false,
        OP_IDENTITY); /* stride larger than the kernel */
    add(&b, KERNEL_CONV, reference_sizes(3, 2, 2, 9, 5, 1, 2, 0), true, true,
        OP_RELU); /* kernel larger than the input */
    add(&b, KERNEL_CONV, reference_sizes(2, 3, 3, 4, 3, 1, 7, 0), true, false,
        OP_IDENTITY); /* outputs that see padding alone */
    add(&b, KERNEL_CONV, reference_sizes(513, 4, 4, 5, 1, 1, 0, 0), true, false,
        OP_RELU); /* several blocks of taps, an odd rest */
    add(&b, KERNEL_CONV, reference_sizes(1030, 1, 1, 10, 1, 1, 0, 0), true, true, OP_HARD_SWISH);
    KernelSizes cut =
        reference_sizes(4, 9, 9, 4, 1, 1, 0, 0); /* negative padding at the far side: the last columns are not read */
    cut.out_cols = 8;
    add(&b, KERNEL_CONV, cut, true, false, OP_IDENTITY);
    for (int i = 0; i < 60; ++i) {
        KernelSizes s = {.groups = pick(&b, 1, 3) == 1 ? pick(&b, 2, 5) : 1};
        s.in_channels = s.groups * pick(&b, 1, 19);
        s.out_channels = s.groups * pick(&b, 1, 11);
        if (random_window(&b, &s)) {
            add(&b, KERNEL_CONV, s, pick(&b, 0, 1), pick(&b, 0, 1), pick(&b, 0, 1) ? OP_RELU : OP_IDENTITY);
        }
    }
    check_batch(&b, "conv-odd", 3e-6);
}

Test(kernels, conv_groups)
{
    Batch b = batch_create(0);
    for (int i = 0; i < 4; ++i) {
        static const int32_t groups[] = {2, 32, 3, 8}, size[] = {13, 7, 20, 40};
        KernelSizes s = reference_sizes(groups[i] * 5, size[i], size[i], groups[i] * 6, 3, 1 + i % 2, 1, 0);
        s.groups = groups[i];
        add(&b, KERNEL_CONV, s, true, i % 2, OP_RELU);
    }
    KernelSizes one = reference_sizes(12, 10, 10, 12, 3, 1, 1, 0); /* depthwise as a grouped convolution */
    one.groups = 12;
    add(&b, KERNEL_CONV, one, true, true, OP_RELU6);
    check_batch(&b, "conv-groups", 3e-6);
}

Test(kernels, depthwise)
{
    Batch b = batch_create(0);
    static const int32_t size[] = {112, 56, 14, 7, 5, 1}, stride[] = {1, 2, 1, 2, 1, 1};
    for (int i = 0; i < 6; ++i) {
        KernelSizes s = reference_sizes(3, size[i], size[i], 3, 3, stride[i], 1, 0);
        s.multiplier = 1;
        s.groups = 0;
        add(&b, KERNEL_DEPTHWISE, s, true, i % 2 == 0, i < 3 ? OP_RELU6 : OP_IDENTITY);
    }
    KernelSizes same = reference_sizes(4, 12, 12, 8, 3, 2, 0,
                                       1); /* TensorFlow's: padding at the far side alone; two outputs a channel */
    same.multiplier = 2;
    add(&b, KERNEL_DEPTHWISE, same, true, false, OP_RELU);
    KernelSizes large = reference_sizes(2, 20, 20, 2, 7, 1, 3, 0); /* too large to be unrolled */
    large.multiplier = 1;
    add(&b, KERNEL_DEPTHWISE, large, false, true, OP_SILU);
    KernelSizes inside = reference_sizes(3, 9, 9, 3, 3, 1, 0, 0);
    inside.multiplier = 1;
    add(&b, KERNEL_DEPTHWISE, inside, true, false, OP_IDENTITY);
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(&b, 1, 9), .multiplier = pick(&b, 1, 3)};
        s.out_channels = s.in_channels * s.multiplier;
        if (random_window(&b, &s)) {
            add(&b, KERNEL_DEPTHWISE, s, pick(&b, 0, 1), pick(&b, 0, 1), pick(&b, 0, 1) ? OP_RELU : OP_IDENTITY);
        }
    }
    check_batch(&b, "depthwise", 3e-6);
}

/* --- dense */

Test(kernels, dense)
{
    Batch b = batch_create(0);
    static const int32_t in[] = {1, 7, 8, 400, 120, 84, 512, 513, 520, 1000, 1543, 25088};
    static const int32_t out[] = {1, 3, 64, 120, 84, 10, 65, 1000, 16, 17, 130, 40};
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {
            .in_channels = in[i], .in_rows = 1, .in_cols = 1, .out_channels = out[i], .out_rows = 1, .out_cols = 1};
        add(&b, KERNEL_DENSE, s, i % 4 != 1, i % 3 == 2, i % 2 ? OP_RELU : OP_IDENTITY);
    }
    check_batch(&b, "dense", 1e-6);
}

/* Against sums of the rounded weights: as exact as with f32. */
Test(kernels, dense_of_16_bits)
{
    Batch b = batch_create(0);
    static const int32_t in[] = {1, 7, 8, 400, 120, 84, 512, 513, 520, 1000, 1543, 25088};
    static const int32_t out[] = {1, 3, 64, 120, 84, 10, 65, 1000, 16, 17, 130, 40};
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.in_channels = in[i / 2],
                         .in_rows = 1,
                         .in_cols = 1,
                         .out_channels = out[i / 2],
                         .out_rows = 1,
                         .out_cols = 1};
        Kernel *k = add(&b, KERNEL_DENSE, s, i % 8 > 2, i % 3 == 2, i % 4 > 1 ? OP_RELU : OP_IDENTITY);
        k->weight_format.storage = i % 2 == 0 ? STORE_F16 : STORE_BF16;
    }
    check_batch(&b, "dense-half", 1e-6);
}

/* --- pools */

Test(kernels, pools)
{
    Batch b = batch_create(0);
    for (int is_max = 0; is_max < 2; ++is_max) {
        KernelFamily family = is_max ? KERNEL_MAX_POOL : KERNEL_AVG_POOL;
        add(&b, family, reference_sizes(3, 112, 112, 3, 3, 2, 1, 0), false, false, OP_IDENTITY);
        add(&b, family, reference_sizes(4, 28, 28, 4, 2, 2, 0, 0), false, false, OP_IDENTITY);
        add(&b, family, reference_sizes(2, 55, 55, 2, 3, 2, 0, 0), false, false, OP_IDENTITY);
        add(&b, family, reference_sizes(2, 9, 9, 2, 9, 1, 0, 0), false, false, OP_IDENTITY);
        add(&b, family, reference_sizes(5, 1, 1, 5, 1, 1, 0, 0), false, false, OP_IDENTITY);
        for (int i = 0; i < 24; ++i) {
            KernelSizes s = {.in_channels = pick(&b, 1, 5), .count_pad = i % 2 == 0};
            s.out_channels = s.in_channels;
            if (!random_window(&b, &s) || s.pad_top >= s.kernel_rows || s.pad_left >= s.kernel_cols ||
                s.pad_bottom >= s.kernel_rows || s.pad_right >= s.kernel_cols) {
                continue;
            }
            s.dilation_rows = s.dilation_cols = 1;
            s.out_rows = (s.in_rows + s.pad_top + s.pad_bottom - s.kernel_rows) / s.stride_rows + 1;
            s.out_cols = (s.in_cols + s.pad_left + s.pad_right - s.kernel_cols) / s.stride_cols + 1;
            if (s.stride_rows <= s.in_rows && s.stride_cols <= s.in_cols &&
                i % 3 == 0) { /* ceil mode: a window that hangs over */
                s.out_rows += (s.out_rows * s.stride_rows < s.in_rows + s.pad_top);
                s.out_cols += (s.out_cols * s.stride_cols < s.in_cols + s.pad_left);
            }
            add(&b, family, s, false, false, OP_IDENTITY);
        }
    }
    static const int32_t from[][2] = {{14, 14}, {7, 7}, {6, 13}, {1, 1}, {3, 5}, {224, 3}},
                         to[][2] = {{4, 4}, {7, 7}, {6, 6}, {1, 1}, {7, 9}, {1, 2}};
    for (int i = 0; i < 6; ++i) {
        KernelSizes s = {.in_channels = 3,
                         .in_rows = from[i][0],
                         .in_cols = from[i][1],
                         .out_channels = 3,
                         .out_rows = to[i][0],
                         .out_cols = to[i][1],
                         .adaptive = true};
        add(&b, KERNEL_AVG_POOL, s, false, false, OP_IDENTITY);
        for (int is_max = 0; is_max < 2; ++is_max) {
            KernelSizes global = {.in_channels = 9,
                                  .in_rows = from[i][0],
                                  .in_cols = from[i][1],
                                  .out_channels = 9,
                                  .out_rows = 1,
                                  .out_cols = 1,
                                  .is_max = is_max};
            add(&b, KERNEL_GLOBAL_POOL, global, false, false, OP_IDENTITY);
        }
    }
    check_batch(&b, "pools", 1e-6);
}

/* --- elementwise */

static KernelSizes elementwise(int32_t c, int32_t h, int32_t w)
{
    return (KernelSizes){.in_channels = c, .in_rows = h, .in_cols = w, .out_channels = c, .out_rows = h, .out_cols = w};
}

Test(kernels, unary)
{
    Batch b = batch_create(0);
    for (OpKind op = (OpKind)0; op < OP_COUNT; ++op) {
        if (op_info(op)->flags & OPF_ACT) {
            add(&b, KERNEL_UNARY, elementwise(pick(&b, 1, 9), pick(&b, 1, 19), pick(&b, 1, 19)), false, false, op);
        }
    }
    static const int32_t shapes[][3] = {{1, 1, 1}, {1000, 1, 1}, {4, 16, 16}, {3, 31, 17}, {2, 16, 32}};
    for (int i = 0; i < 5; ++i) {
        add(&b, KERNEL_UNARY, elementwise(shapes[i][0], shapes[i][1], shapes[i][2]), false, false, OP_PRELU);
        add(&b, KERNEL_UNARY, elementwise(shapes[i][0], shapes[i][1], shapes[i][2]), false, false, OP_RELU);
        add(&b, KERNEL_CHANNEL_AFFINE, elementwise(shapes[i][0], shapes[i][1], shapes[i][2]), i % 2 == 0, false,
            i < 2   ? OP_IDENTITY
            : i < 4 ? OP_RELU
                    : OP_SILU);
    }
    check_batch(&b, "unary", 1e-6);
}

Test(kernels, binary)
{
    Batch b = batch_create(0);
    static const OpKind ops[] = {OP_ADD, OP_SUB, OP_MUL};
    static const int32_t shapes[][3] = {{1, 1, 1}, {1000, 1, 1}, {4, 16, 16}, {3, 31, 17}};
    for (int i = 0; i < 12 * 5; ++i) {
        const int32_t *shape = shapes[i % 4];
        KernelSizes s = elementwise(shape[0], shape[1], shape[2]);
        s.op = ops[i / 4 % 3];
        switch (i / 12) {
        case 1:
            s.broadcast[1] = BROADCAST_CHANNEL;
            break;
        case 2:
            s.broadcast[0] = BROADCAST_CHANNEL;
            break;
        case 3:
            s.broadcast[i % 2] = BROADCAST_SCALAR;
            break;
        case 4:
            s.broadcast[i % 2] = BROADCAST_SCALAR;
            s.scalar_is_literal[i % 2] = true;
            s.scalar[i % 2] = i % 3 == 0 ? -0.125 : 3.0;
            break;
        }
        add(&b, KERNEL_BINARY, s, false, i % 5 == 3, i % 3 == 0 ? OP_RELU : OP_IDENTITY);
    }
    check_batch(&b, "binary", 1e-6);
}

/* --- lrn, softmax, copy */

Test(kernels, lrn)
{
    Batch b = batch_create(0);
    static const int32_t sizes[] = {5, 5, 1, 4, 9, 3}, channels[] = {96, 7, 3, 6, 4, 1}, side[] = {9, 27, 1, 8, 5, 13};
    static const double beta[] = {0.75, 0.75, 0.5, 1.0, 0.6, 0.75};
    for (int i = 0; i < 6; ++i) {
        KernelSizes s = elementwise(channels[i], side[i], side[i]);
        s.lrn = (LrnAttr){sizes[i], 0.5, beta[i], 1.0 + i, i % 2 == 0};
        add(&b, KERNEL_LRN, s, false, false, OP_IDENTITY);
    }
    check_batch(&b, "lrn", 1e-6);
}

Test(kernels, softmax)
{
    Batch b = batch_create(0);
    static const int32_t shapes[][3] = {{1000, 1, 1}, {10, 1, 1}, {1, 1, 1}, {21, 9, 9}, {5, 1, 3}, {2, 8, 8}};
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = elementwise(shapes[i % 6][0], shapes[i % 6][1], shapes[i % 6][2]);
        s.is_log = i >= 6;
        add(&b, KERNEL_SOFTMAX, s, false, false, OP_IDENTITY);
    }
    check_batch(&b, "softmax", 1e-6);
}

Test(kernels, copy)
{
    Batch b = batch_create(0);
    static const KernelSizes copies[] = {
        {.in_channels = 1,
         .in_rows = 1,
         .in_cols = 5000,
         .out_rows = 1,
         .out_cols = 5000,
         .in_stride = {0, 0, 1},
         .out_stride = {0, 0, 1}},
        {.in_channels = 1,
         .in_rows = 1,
         .in_cols = 1024,
         .out_rows = 1,
         .out_cols = 1024,
         .in_stride = {0, 0, 3},
         .out_stride = {0, 0, 2}},
        {.in_channels = 1,
         .in_rows = 1,
         .in_cols = 1,
         .out_rows = 1,
         .out_cols = 1,
         .in_stride = {0, 0, 1},
         .out_stride = {0, 0, 1}},
        {.in_channels = 1,
         .in_rows = 9,
         .in_cols = 7,
         .out_rows = 9,
         .out_cols = 7,
         .in_stride = {0, 12, 1},
         .out_stride = {0, 7, 1}},
        {.in_channels = 4,
         .in_rows = 5,
         .in_cols = 6,
         .out_rows = 5,
         .out_cols = 6,
         .in_stride = {1, 24, 4},
         .out_stride = {30, 6, 1}}, /* hwc to chw */
        {.in_channels = 4,
         .in_rows = 5,
         .in_cols = 6,
         .out_rows = 5,
         .out_cols = 6,
         .in_stride = {30, 6, 1},
         .out_stride = {1, 24, 4}},
        {.in_channels = 3,
         .in_rows = 1,
         .in_cols = 8,
         .out_rows = 1,
         .out_cols = 8,
         .in_stride = {10, 0, 1},
         .out_stride = {8, 0, 1}},
        {.in_channels = 3,
         .in_rows = 4,
         .in_cols = 5,
         .out_rows = 7,
         .out_cols = 9,
         .pad_top = 1,
         .pad_left = 3,
         .pad_bottom = 2,
         .pad_right = 1,
         .in_stride = {20, 5, 1},
         .out_stride = {63, 9, 1},
         .scalar = {-2.5, 0.0}},
        {.in_channels = 1,
         .in_rows = 4,
         .in_cols = 5,
         .out_rows = 6,
         .out_cols = 7,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1,
         .in_stride = {20, 5, 1},
         .out_stride = {42, 7, 1}},
        {.in_channels = 1,
         .in_rows = 1,
         .in_cols = 5,
         .out_rows = 1,
         .out_cols = 7,
         .pad_left = 1,
         .pad_right = 1,
         .in_stride = {0, 0, 1},
         .out_stride = {0, 0, 1},
         .scalar = {7.0, 0.0}},
        {.in_channels = 2,
         .in_rows = 1,
         .in_cols = 1,
         .out_rows = 3,
         .out_cols = 3,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1,
         .in_stride = {1, 1, 1},
         .out_stride = {9, 3, 1}},
    };
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; ++i) {
        add(&b, KERNEL_COPY, copies[i], false, false, OP_IDENTITY);
    }
    check_batch(&b, "copy", 0.0);
}

/* --- what the others do not reach */

/* A NaN is seen at the end, as in PyTorch: a rectifier or a maximum must not swallow it. */
Test(kernels, nan_passes)
{
    Batch b = batch_create(0);
    static const OpKind acts[] = {OP_RELU, OP_RELU6, OP_LEAKY_RELU, OP_CLAMP,    OP_HARD_SIGMOID, OP_HARD_SWISH,
                                  OP_ELU,  OP_SILU,  OP_GELU,       OP_SOFTPLUS, OP_PRELU};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; ++i) {
        add(&b, KERNEL_UNARY, elementwise(1, 3, 3), false, false, acts[i]);
    }
    add(&b, KERNEL_MAX_POOL, reference_sizes(1, 3, 3, 1, 3, 1, 0, 0), false, false, OP_IDENTITY);
    KernelSizes global = elementwise(1, 3, 3);
    global.out_rows = global.out_cols = 1;
    global.is_max = true;
    add(&b, KERNEL_GLOBAL_POOL, global, false, false, OP_IDENTITY);
    step_kernel *const *table = batch_load(&b, "nan", "cc -O2", "");
    for (uint32_t i = 0; i < b.count; ++i) {
        for (int at = 0; at < 9; ++at) {
            float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, y[9] = {0}, scratch[64] = {0}, slope[1] = {0.5f};
            x[at] = NAN;
            step_arguments a = {.x = {x, NULL}, .weights = slope, .y = y, .scratch = scratch};
            table[i](&a, 0, 1);
            cr_assert(isnan(y[b.kernels[i]->family == KERNEL_UNARY ? at : 0]), "%s", describe(&b, b.kernels[i]));
        }
    }
    arena_destroy(b.arena);
}

/* Tensors of more than 2^31 elements: too large to run here, but the text must compile, with indices that can hold
 * them. */
Test(kernels, huge_tensors_have_wide_indices)
{
    Batch b = batch_create(0);
    KernelSizes pointwise = reference_sizes(70000, 1, 1, 70000, 1, 1, 0, 0),
                grouped = reference_sizes(70000, 3, 3, 140000, 3, 1, 1, 0);
    grouped.groups = 2;
    KernelSizes channelwise = reference_sizes(60000, 200, 200, 60000, 3, 1, 1, 0);
    channelwise.multiplier = 1;
    KernelSizes dense = elementwise(70000, 1, 1), same = elementwise(60000, 200, 200), scaled = same, pixels = same;
    scaled.op = OP_MUL;
    scaled.broadcast[1] = BROADCAST_CHANNEL;
    pixels.lrn = (LrnAttr){5, 1e-4, 0.75, 1.0, true};
    KernelSizes whole = same;
    whole.out_rows = whole.out_cols = 1;
    KernelSizes adaptive = same;
    adaptive.adaptive = true;
    adaptive.out_rows = adaptive.out_cols = 7;
    KernelSizes moved = {.in_channels = 60000,
                         .in_rows = 200,
                         .in_cols = 200,
                         .out_rows = 202,
                         .out_cols = 200,
                         .pad_top = 1,
                         .pad_bottom = 1,
                         .in_stride = {40000, 200, 1},
                         .out_stride = {40400, 200, 1}};
    add(&b, KERNEL_CONV, pointwise, true, true, OP_RELU);
    add(&b, KERNEL_CONV, grouped, true, true, OP_RELU);
    add(&b, KERNEL_CONV, channelwise, true, false, OP_RELU)->sizes.groups = 1;
    add(&b, KERNEL_DEPTHWISE, channelwise, true, true, OP_RELU);
    add(&b, KERNEL_DENSE, dense, true, true, OP_RELU);
    add(&b, KERNEL_MAX_POOL, channelwise, false, false, OP_IDENTITY);
    add(&b, KERNEL_AVG_POOL, channelwise, false, false, OP_IDENTITY);
    add(&b, KERNEL_AVG_POOL, adaptive, false, false, OP_IDENTITY);
    add(&b, KERNEL_GLOBAL_POOL, whole, false, false, OP_IDENTITY);
    add(&b, KERNEL_UNARY, same, false, false, OP_TANH);
    add(&b, KERNEL_UNARY, same, false, false, OP_PRELU);
    add(&b, KERNEL_BINARY, scaled, false, true, OP_RELU);
    add(&b, KERNEL_CHANNEL_AFFINE, same, true, false, OP_IDENTITY);
    add(&b, KERNEL_LRN, pixels, false, false, OP_IDENTITY);
    add(&b, KERNEL_SOFTMAX, same, false, false, OP_IDENTITY);
    add(&b, KERNEL_COPY, moved, false, false, OP_IDENTITY);
    for (uint32_t i = 0; i < b.count; ++i) {
        Batch one = {.arena = b.arena, .kernels = {b.kernels[i]}, .count = 1};
        cr_assert(strstr(batch_text(&one).ptr, "(ptrdiff_t ") != NULL, "%s", describe(&b, b.kernels[i]));
    }
    batch_load(&b, "huge", "cc -O1", "");
    arena_destroy(b.arena);
}

/* A program of one kernel gets the helpers that it calls and no other: an unused static function is a warning. */
Test(kernels, one_alone_compiles)
{
    Batch b = batch_create(0);
    KernelSizes dense = elementwise(7, 1, 1), wide = elementwise(100, 1, 1);
    add(&b, KERNEL_CONV, reference_sizes(3, 8, 8, 8, 3, 1, 1, 0), true, false, OP_RELU);
    add(&b, KERNEL_CONV, reference_sizes(3, 8, 8, 8, 3, 1, 1, 0), false, false, OP_IDENTITY);
    add(&b, KERNEL_CONV, reference_sizes(1, 1, 1, 1, 1, 1, 0, 0), false, true, OP_IDENTITY);
    add(&b, KERNEL_DENSE, dense, true, false, OP_IDENTITY);
    add(&b, KERNEL_DENSE, wide, false, false, OP_RELU);
    for (uint32_t i = 0; i < b.count; ++i) {
        Batch one = {.arena = b.arena, .kernels = {b.kernels[i]}, .count = 1};
        batch_load(&one, "alone", "cc -O1", "");
    }
    arena_destroy(b.arena);
}
