/* Generated vector kernels against their definitions, for every vector width that this machine can run. Records are
 * built directly, with random halos; a kernel runs alone and in several parts (the same bits), with the residual in the
 * output's memory (the same bits), over memory that holds NaN wherever nothing may be read or written. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/emit_vector.h"
#include "kernel_batch.h"
#include "kernel_pack.h"
#include "sandbox.h"

static const struct {
    int32_t b;
    const char *flags, *target;
} widths[] = {{16, "-march=x86-64-v4", "x86-64-v4"}, {8, "-march=x86-64-v3", "x86-64-v3"}, {4, "", "x86-64-v2"}};

static bool can_run(int32_t b)
{
#if defined(__x86_64__)
    return b == 4 || (b == 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) ||
           (b == 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
#else
    return b == 4;
#endif
}

/* --- layouts */

static int64_t place(const Layout *l, int64_t c, int64_t y, int64_t x)
{
    return c / l->block * l->plane_stride + (y + l->halo_top) * l->row_stride + (x + l->halo_left) * l->block +
           c % l->block;
}

static Layout image(int32_t block, int32_t channels, int32_t rows, int32_t cols, int32_t top, int32_t left,
                    int32_t bottom, int32_t right)
{
    Layout l = {.block = block,
                .channels = channels,
                .rows = rows,
                .cols = cols,
                .halo_top = top,
                .halo_left = left,
                .halo_bottom = bottom,
                .halo_right = right};
    l.row_stride = (int64_t)(left + cols + right) * block;
    l.plane_stride = (int64_t)(top + rows + bottom) * l.row_stride;
    return l;
}

static Layout with_halo(Batch *b, int32_t block, int32_t channels, int32_t rows, int32_t cols)
{
    return image(block, channels, rows, cols, pick(b, 0, 2), pick(b, 0, 2), pick(b, 0, 2), pick(b, 0, 2));
}

static int32_t at_least(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static Layout for_windows(Batch *b, int32_t block, const KernelSizes *s)
{
    int32_t bottom =
        (s->out_rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1 - s->pad_top - s->in_rows;
    int32_t right =
        (s->out_cols - 1) * s->stride_cols + (s->kernel_cols - 1) * s->dilation_cols + 1 - s->pad_left - s->in_cols;
    return image(block, s->in_channels, s->in_rows, s->in_cols, s->pad_top + pick(b, 0, 1), s->pad_left + pick(b, 0, 1),
                 at_least(bottom, 0) + pick(b, 0, 1), at_least(right, 0) + pick(b, 0, 1));
}

/* Zeros in the halo, finite numbers in lanes past the channels. `values` NULL: everything stays NaN. */
static Memory image_memory(Batch *b, const Layout *l, const float *values)
{
    int64_t planes = (l->channels + l->block - 1) / l->block;
    Memory m = memory_create(planes * l->plane_stride, l->block > 1);
    if (values == NULL) {
        return m;
    }
    for (int64_t i = 0; i < m.count; ++i) {
        m.values[i] = 0.0f;
    }
    for (int64_t c = 0; c < planes * l->block; ++c) {
        for (int64_t y = 0; y < l->rows; ++y) {
            for (int64_t x = 0; x < l->cols; ++x) {
                m.values[place(l, c, y, x)] =
                    c < l->channels ? values[(c * l->rows + y) * l->cols + x] : 1e4f * random_float(b);
            }
        }
    }
    return m;
}

/* --- records */

static Kernel *add(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act)
{
    Kernel *kernel = batch_add(b, family, sizes, bias, residual, act);
    bool planar = family == KERNEL_PLANAR || family == KERNEL_ROWS;
    kernel->in = for_windows(b, planar ? 1 : b->b, &sizes);
    kernel->out = with_halo(b, b->b, sizes.out_channels, sizes.out_rows, sizes.out_cols);
    if (residual) {
        kernel->residual =
            pick(b, 0, 1) == 0 ? kernel->out : with_halo(b, b->b, sizes.out_channels, sizes.out_rows, sizes.out_cols);
    }
    kernel->near = act == OP_SILU && !residual && b->b < 16;
    return kernel;
}

static KernelSizes window(int32_t ic, int32_t rows, int32_t cols, int32_t oc, int32_t kernel, int32_t stride,
                          int32_t pad)
{
    return reference_sizes(ic, rows, cols, oc, kernel, stride, pad, 0);
}

static void set_format(Batch *b, Kernel *k, int32_t vectors, int32_t in_block)
{
    k->weight_format = (PackFormat){.kind = PACK_VECTORS,
                                    .lanes = b->b,
                                    .vectors = vectors,
                                    .in_block = in_block,
                                    .window_rows = k->sizes.kernel_rows,
                                    .window_cols = k->sizes.kernel_cols};
}

/* --- running */

/* What the kernel computes, as a record that the reference knows. */
static Kernel reference_record(const Kernel *k)
{
    Kernel r = *k;
    bool is_conv = k->family == KERNEL_DIRECT || k->family == KERNEL_PLANAR || is_winograd(k->family) ||
                   k->family == KERNEL_STRASSEN || k->family == KERNEL_GROUPED || k->family == KERNEL_ROWS ||
                   k->family == KERNEL_FEW;
    r.family = is_conv ? KERNEL_CONV : k->family;
    r.in = layout_plain(type_f32_3(k->sizes.in_channels, k->sizes.in_rows, k->sizes.in_cols));
    r.out = layout_plain(type_f32_3(k->sizes.out_channels, k->sizes.out_rows, k->sizes.out_cols));
    return r;
}

/* Memory of NaN for the result; where it is a frame, with the input in its place, of other memory than the kernel reads. */
static Memory result_memory(const Kernel *k, const Memory *x)
{
    const Layout *l = &k->in;
    Memory y = image_memory(NULL, &k->out, NULL);
    int64_t planes = k->sizes.frame ? ceil_div(l->channels, l->block) : 0;
    for (int64_t c = 0; c < planes * l->block; ++c) {
        for (int64_t i = 0; i < (int64_t)l->rows * l->cols; ++i) {
            int64_t at = place(l, c, i / l->cols, i % l->cols);
            y.values[at] = x->values[at];
        }
    }
    return y;
}

static void reference_space_to_depth(const Kernel *k, const float *x, double *y)
{
    const KernelSizes *s = &k->sizes;
    int32_t stride = s->stride_rows;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                int32_t phase = c / s->in_channels, row = stride * i + phase / stride - s->pad_top,
                        col = stride * j + phase % stride - s->pad_left;
                bool inside = row >= 0 && row < s->in_rows && col >= 0 && col < s->in_cols;
                y[((int64_t)c * s->out_rows + i) * s->out_cols + j] =
                    inside ? x[(c % s->in_channels * (int64_t)s->in_rows + row) * s->in_cols + col] : 0.0;
            }
        }
    }
}

/* --- the steps of a check */

/* One kernel under test. */
typedef struct Check {
    Batch *b;
    const Kernel *kernel;
    step_kernel *function;
    KernelData data;
    double *reference;          /* what it should compute of `data`, without any layout */
    Memory x[2], residual;      /* as it reads them: in its layouts, */
    Memory weights, bias, norm; /* and packed */
    step_arguments a;           /* all but y and scratch */
    Memory y;                   /* what it has computed, in one part */
} Check;

/* Random numbers for all that it reads. */
static void draw_data(Check *c)
{
    const Kernel *k = c->kernel, record = reference_record(k);
    /* A kernel that is `near` treats large numbers on their own: every other one gets some. */
    draw_inputs(c->b, &record, k->family == KERNEL_UNARY ? 9.0f : k->near && k->id % 2 == 1 ? 60.0f : 1.0f, &c->data);
    if (k->skips_zeros) { /* all, none, or some of the inputs */
        int32_t zeros = (int32_t[]){0, 5, 10, 10, 10}[k->id % 5];
        for (int64_t i = 0; i < c->data.x_count[0]; ++i) {
            bool is_zero = pick(c->b, 1, 10) <= zeros && (k->id % 5 != 3 || i % 100 > 2);
            c->data.x[0][i] = is_zero ? 0.0f : c->data.x[0][i];
        }
    }
    draw_parameters(c->b, &record, &c->data);
}

/* From the convolution's result to that of the pool after it, in the same memory. */
static void apply_fused_pool(const Kernel *k, double *reference)
{
    int64_t rows = k->out.rows, cols = k->out.cols, in_cols = k->sizes.out_cols;
    for (int64_t c = 0; c < k->out.channels; ++c) {
        for (int64_t i = 0; i < rows * cols; ++i) {
            const double *from = reference + (c * k->sizes.out_rows + i / cols * 2) * in_cols + i % cols * 2;
            double best = fmax(fmax(from[0], from[1]), fmax(from[in_cols], from[in_cols + 1]));
            double mean = (from[0] + from[1] + from[in_cols] + from[in_cols + 1]) / 4;
            reference[c * rows * cols + i] = k->max_pool ? best : mean; /* never past what is still to be read */
        }
    }
}

static void compute_reference(Check *c)
{
    const Kernel *k = c->kernel, record = reference_record(k);
    c->reference = malloc((size_t)c->data.y_count * sizeof *c->reference);
    cr_assert(c->reference != NULL);
    if (k->family == KERNEL_CONVERT) {
        for (int64_t i = 0; i < c->data.y_count; ++i) {
            c->reference[i] = c->data.x[0][i];
        }
    } else if (k->family == KERNEL_SPACE_TO_DEPTH) {
        reference_space_to_depth(k, c->data.x[0], c->reference);
    } else {
        kernel_reference(&record, &c->data, c->reference);
    }
    if (k->max_pool || k->avg_pool) {
        apply_fused_pool(k, c->reference);
    }
}

/* The weights of inputs that are 0 become NaN: a kernel that skips them must not read them. */
static void spoil_skipped_weights(Check *c)
{
    const Kernel *k = c->kernel;
    for (int64_t i = 0; k->weight_format.storage == STORE_F32 && i < c->data.x_count[0]; ++i) {
        for (int64_t u = 0; c->data.x[0][i] == 0.0f && u < k->sizes.out_channels; ++u) {
            c->data.weights[u * k->sizes.in_channels + i] = NAN;
        }
    }
}

static void lay_out_inputs(Check *c)
{
    const Kernel *k = c->kernel;
    for (int i = 0; i < 2; ++i) {
        /* A literal is no input: the other operand is the first. */
        bool second = i == 1 || (k->family == KERNEL_BINARY && k->sizes.scalar_is_literal[0]);
        const Layout *l = second ? &k->in2 : &k->in;
        int64_t count = c->data.x_count[i];
        if (count > 0 && l->channels > 0 && count == (int64_t)l->channels * l->rows * l->cols) {
            c->x[i] = image_memory(c->b, l, c->data.x[i]);
        } else if (count > 0) { /* a vector or one number */
            c->x[i] = memory_create(count, false);
            memcpy(c->x[i].values, c->data.x[i], (size_t)count * sizeof(float));
        }
        c->a.x[i] = c->x[i].values;
    }
}

static void pack_parameters(Check *c)
{
    const Kernel *k = c->kernel;
    if (c->data.weight_count > 0) {
        bool in_groups = k->family != KERNEL_GROUPED && k->family != KERNEL_DEPTHWISE && k->family != KERNEL_DENSE;
        int64_t groups = in_groups ? at_least(k->sizes.groups, 1) : 1;
        c->weights = pack_weights(k, &c->data);
        half_pack(k->weight_format.storage, c->weights.values, c->weights.count);
        c->bias = pack_blocks(c->data.bias, c->data.bias_count, 1, groups, k->vector, 1);
    }
    if (k->prologue.kind == PROLOGUE_NORM) {
        c->norm = pack_blocks(c->data.norm, 2 * (int64_t)k->sizes.in_channels, 1, 2, k->vector, 1);
    }
    c->a.weights = c->weights.values;
    c->a.bias = k->epilogue.bias ? c->bias.values : NULL;
    c->a.norm = c->norm.values;
}

static void lay_out_residual(Check *c)
{
    if (c->kernel->epilogue.residual) {
        c->residual = image_memory(c->b, &c->kernel->residual, c->data.residual);
        c->a.residual = c->residual.values;
    }
}

/* The interior of y against the reference; lanes past the channels are finite, and all else is as it was. */
static double compare(const Check *c)
{
    const Layout *l = &c->kernel->out;
    const Memory *y = &c->y;
    double largest = 0.0, error = 0.0;
    bool *inside = calloc((size_t)y->count + 1, sizeof *inside);
    cr_assert(inside != NULL);
    int64_t planes = ceil_div(l->channels, l->block);
    for (int64_t channel = 0; channel < planes * l->block; ++channel) {
        for (int64_t i = 0; i < (int64_t)l->rows * l->cols; ++i) {
            int64_t at = place(l, channel, i / l->cols, i % l->cols);
            inside[at] = true;
            if (channel >= l->channels) {
                cr_assert(isfinite(y->values[at]), "pad lane is not finite: %s", describe(c->b, c->kernel));
                continue;
            }
            double want = c->reference[channel * l->rows * l->cols + i], difference = fabs(y->values[at] - want);
            largest = fmax(largest, fabs(want));
            error = difference <= error ? error : difference;
            cr_assert(!isnan(difference), "NaN at %d,%d,%d: %s", (int)channel, (int)(i / l->cols), (int)(i % l->cols),
                      describe(c->b, c->kernel));
        }
    }
    for (int64_t i = 0; i < y->count; ++i) {
        cr_assert(inside[i] || is_guard(y->values[i]), "writes outside of the interior: %s", describe(c->b, c->kernel));
    }
    free(inside);
    return largest > 0.0 ? error / largest : error;
}

/* Runs in one part, and compares with the definition. */
static double check_result(Check *c, double tolerance)
{
    c->y = result_memory(c->kernel, &c->x[0]);
    c->a.y = c->y.values;
    run_parts(c->b, c->kernel, c->function, c->a, 1);
    memory_check(&c->y, c->b, c->kernel, "y");
    double error = compare(c);
    cr_assert(error <= tolerance, "error %g: %s", error, describe(c->b, c->kernel));
    return error;
}

static void check_parts(const Check *c)
{
    for (int parts = 2; parts <= MAX_PARTS; ++parts) {
        Memory other = result_memory(c->kernel, &c->x[0]);
        step_arguments a = c->a;
        a.y = other.values;
        run_parts(c->b, c->kernel, c->function, a, parts);
        cr_assert(memcmp(other.values, c->y.values, (size_t)c->y.count * 4) == 0, "%d parts differ from one: %s", parts,
                  describe(c->b, c->kernel));
        memory_check(&other, c->b, c->kernel, "y");
        free(other.base);
    }
}

/* Once more with the residual in the output's own memory, where they have one layout. */
static void check_in_place(const Check *c)
{
    const Kernel *k = c->kernel;
    if (!k->epilogue.residual || !layout_equal(&k->residual, &k->out)) {
        return;
    }
    Memory in_place = image_memory(c->b, &k->out, c->data.residual);
    step_arguments a = c->a;
    a.residual = a.y = in_place.values;
    run_parts(c->b, k, c->function, a, 3);
    for (int64_t channel = 0; channel < k->out.channels; ++channel) {
        for (int64_t i = 0; i < (int64_t)k->out.rows * k->out.cols; ++i) {
            int64_t at = place(&k->out, channel, i / k->out.cols, i % k->out.cols);
            cr_assert(memcmp(&in_place.values[at], &c->y.values[at], 4) == 0, "in place differs: %s",
                      describe(c->b, k));
        }
    }
    memory_check(&in_place, c->b, k, "y in place");
    free(in_place.base);
}

static void check_release(Check *c)
{
    const Memory *all[] = {&c->x[0], &c->x[1], &c->residual, &c->weights, &c->bias, &c->norm, &c->y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
        free(all[i]->base);
    }
    kernel_data_release(&c->data);
    free(c->reference);
}

/* The order of the steps is that of the random numbers that they take. */
static double check_kernel(Batch *b, const Kernel *k, step_kernel *function, double tolerance)
{
    Check c = {.b = b, .kernel = k, .function = function};
    draw_data(&c);
    compute_reference(&c);
    if (k->skips_zeros) {
        spoil_skipped_weights(&c);
    }
    lay_out_inputs(&c);
    pack_parameters(&c);
    lay_out_residual(&c);
    double error = check_result(&c, tolerance);
    check_parts(&c);
    check_in_place(&c);
    check_release(&c);
    return error;
}

/* Compiles and checks a batch with gcc and with clang. */
static void check_batch(Batch *b, const char *test, const char *flags, double tolerance)
{
    batch_check(b, arena_printf(b->arena, "%s-gcc", test).ptr, "gcc -O3", flags, check_kernel, tolerance);
    if (sandbox_has_program("clang")) {
        batch_check(b, arena_printf(b->arena, "%s-clang", test).ptr, "clang -O2", flags, check_kernel, tolerance);
    }
    arena_destroy(b->arena);
}

typedef void FillBatch(Batch *b);
static void check_widths(const char *test, FillBatch *fill, double tolerance)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; ++i) {
        if (can_run(widths[i].b)) {
            Batch b = batch_create(widths[i].b);
            fill(&b);
            check_batch(&b, test, widths[i].flags, tolerance);
        }
    }
}

typedef void CheckCompiled(int32_t width, const char *flags, const char *compiler, const char *name);

/* For checks of their own: with every width that this machine runs, by gcc and by clang. */
static void check_compiled(const char *test, CheckCompiled *check)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; ++i) {
        char name[64];
        if (can_run(widths[i].b)) {
            snprintf(name, sizeof name, "%s-gcc", test);
            check(widths[i].b, widths[i].flags, "gcc -O3 -ffp-contract=fast", name);
            if (sandbox_has_program("clang")) {
                snprintf(name, sizeof name, "%s-clang", test);
                check(widths[i].b, widths[i].flags, "clang -O2 -ffp-contract=fast", name);
            }
        }
    }
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* --- direct, planar */

static const OpKind acts[] = {OP_IDENTITY, OP_RELU, OP_RELU6, OP_SILU, OP_LEAKY_RELU, OP_TANH};

static void fill_direct(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .out_channels = pick(b, 1, 7 * b->b), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        if (i % 8 == 7) {
            s.groups = pick(b, 2, 3);
            s.in_channels = b->b * s.groups * pick(b, 1, 2);
            s.out_channels = b->b * s.groups * pick(b, 1, 3);
        }
        Kernel *k = add(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 3);
        k->tile_cols = k->tile_rows > 1 ? pick(b, 1, 7) : pick(b, 1, 14);
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = pick(b, 0, 1);
        k->block_tiles = k->pixels_outer ? pick(b, 1, 4) : 0;
        k->input_ahead = i % 3 == 0 && s.kernel_rows * s.kernel_cols == 1;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
    }
}

Test(vector_kernels, direct)
{
    check_widths("direct", fill_direct, 1e-5);
}

/* Two 1x1 convolutions in the same sums, of images of different sizes, strides and channels. */
static void fill_two_convs(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        KernelSizes s =
            window(b->b * pick(b, 1, 3), pick(b, 1, 13), pick(b, 1, 33), pick(b, 1, 7 * b->b), 1, pick(b, 1, 2), 0);
        s.second_stride_rows = pick(b, 1, 2);
        s.second_stride_cols = pick(b, 1, 3);
        Kernel *k = add(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        int32_t rows = (s.out_rows - 1) * s.second_stride_rows + pick(b, 1, 2);
        int32_t cols = (s.out_cols - 1) * s.second_stride_cols + pick(b, 1, 3);
        k->in2 = with_halo(b, b->b, pick(b, 1, 3 * b->b), rows, cols);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = k->tile_rows == 2 ? pick(b, 1, 7) : pick(b, 1, 14);
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = pick(b, 0, 1);
        k->block_tiles = k->pixels_outer ? pick(b, 1, 4) : 0;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
    }
}

Test(vector_kernels, two_convolutions_in_the_same_sums)
{
    check_widths("two_convs", fill_two_convs, 1e-5);
}

static void fill_planar(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4), .out_channels = pick(b, 1, 5 * b->b), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add(b, KERNEL_PLANAR, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, 8);
        k->tile_round = pick(b, 0, 1);
        set_format(b, k, pick(b, 1, 4), 1);
    }
    KernelSizes first = window(3, 30, 31, 2 * b->b, 7, 2, 3), alex = window(3, 40, 40, 4 * b->b, 11, 4, 2);
    Kernel *k = add(b, KERNEL_PLANAR, first, true, false, OP_RELU);
    k->tile_rows = 1;
    k->tile_cols = 8;
    set_format(b, k, 2, 1);
    k = add(b, KERNEL_PLANAR, alex, true, false, OP_RELU);
    k->tile_rows = 1;
    k->tile_cols = 6;
    set_format(b, k, 4, 1);
}

Test(vector_kernels, planar)
{
    check_widths("planar", fill_planar, 1e-5);
}

/* --- few: output channels that would not fill a vector */

static void fill_few(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .out_channels = pick(b, 1, 4), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add(b, KERNEL_FEW, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->tile_rows = k->tile_cols = 1;
        int32_t most = 1 << pick(b, 0, 4);
        while (2 * k->tile_cols <= b->b && 2 * k->tile_cols <= s.out_cols && k->tile_cols < most) {
            k->tile_cols *= 2;
        }
        set_format(b, k, 1, b->b);
        k->weight_format.lanes = 1;
    }
}

Test(vector_kernels, few)
{
    check_widths("few", fill_few, 1e-5);
}

/* --- rows: few planes to few planes, vectors are pixels */

static void fill_rows(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 8), .out_channels = pick(b, 1, 17), .groups = 1};
        if (!random_window(b, &s)) {
            continue;
        }
        s.in_cols = pick(b, 1, 3) * b->b + pick(b, 0, 9) + 8;
        s.stride_cols = 1;
        s.out_cols = s.in_cols + s.pad_left + s.pad_right - (s.kernel_cols - 1) * s.dilation_cols;
        if (s.out_cols < b->b) {
            continue;
        }
        Kernel *k = add(b, KERNEL_ROWS, s, pick(b, 0, 3) > 0, false, acts[i % 6]);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->tile_rows = 1;
        k->tile_cols = b->b * pick(b, 1, 3);
        k->weight_format = pack_rows(pick(b, 1, 8), 1);
    }
}

Test(vector_kernels, rows)
{
    check_widths("rows", fill_rows, 1e-5);
}

/* Winograd's sums are large: an activation that saturates would make their errors look larger. */
static const OpKind rectifiers[] = {OP_RELU, OP_IDENTITY, OP_LEAKY_RELU};

/* --- lines: both kinds of few planes, by Winograd down the columns */

/* `half`: rows end with half a vector (lines_pairs, with 8 lanes). */
static void add_lines(Batch *b, int i, int32_t kernel_rows, int32_t m, bool half)
{
    bool rows = half || pick(b, 0, 1);
    KernelSizes s = {.in_channels = pick(b, 1, 8), .out_channels = pick(b, 1, rows ? 17 : 5 * b->b), .groups = 1};
    s.kernel_rows = kernel_rows;
    s.kernel_cols = pick(b, 1, half ? b->b / 2 + 1 : 7);
    s.stride_rows = s.stride_cols = s.dilation_rows = s.dilation_cols = 1;
    s.pad_top = pick(b, 0, 2);
    s.pad_left = pick(b, 0, s.kernel_cols / 2);
    s.out_rows = m + pick(b, 0, 2 * m);
    s.out_cols = rows ? b->b + pick(b, 0, 2 * b->b) : pick(b, b->b / 2, 2 * b->b);
    if (half) {
        s.out_cols = b->b * pick(b, 1, 5) + b->b / 2;
        s.out_channels += s.out_channels % 2;
    }
    s.in_rows = s.out_rows + kernel_rows - 1 - s.pad_top;
    s.in_cols = s.out_cols + s.kernel_cols - 1 - s.pad_left;
    Kernel *k = add(b, rows ? KERNEL_ROWS : KERNEL_PLANAR, s, pick(b, 0, 3) > 0, false, rectifiers[i % 3]);
    k->lines = m;
    k->tile_rows = 1;
    k->tile_cols = rows ? b->b * pick(b, 1, 3) : pick(b, 1, 8);
    k->tile_round = rows ? 0 : pick(b, 0, 1);
    set_format(b, k, rows ? 1 : pick(b, 1, 4), 1);
    k->weight_format.kind = PACK_LINES;
    k->weight_format.winograd.rows = m;
    if (rows) {
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
        k->weight_format.lanes = half ? 2 * pick(b, 1, 4) : pick(b, 1, 8);
        cr_assert(!half || b->b != 8 || lines_pairs(k));
    }
    k->scratch_bytes = 4 * winograd_points(m, kernel_rows) * s.in_channels * lines_width(k);
    if (rows && lines_take_pool(k) && pick(b, 0, 3) > 0) {
        k->max_pool = pick(b, 0, 1);
        k->avg_pool = !k->max_pool;
        k->tile_cols = 2 * b->b;
        k->out = image(1, s.out_channels, s.out_rows / 2, s.out_cols / 2, 0, 0, 0, 0);
    }
}

static void fill_lines(Batch *b)
{
    static const int32_t windows[][2] = {{3, 2}, {3, 3}, {3, 4}, {3, 5}, {3, 6}, {5, 2}, {5, 4},
                                         {5, 5}, {2, 4}, {4, 4}, {7, 2}, {3, 7}, {7, 3}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    for (int i = 0; i < 12 * COUNT; ++i) {
        add_lines(b, i, windows[i % COUNT][0], windows[i % COUNT][1], i >= 8 * COUNT);
    }
}

Test(vector_kernels, lines)
{
    check_widths("lines", fill_lines, 2e-5);
}

/* --- depthwise */

static void fill_depthwise(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .multiplier = 1};
        s.out_channels = s.groups = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add(b, KERNEL_DEPTHWISE, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, k->tile_rows == 2 ? 7 : 14);
        k->input_ahead = i % 2 == 0;
        k->tile_ends = pick(b, 0, 1);
        if (k->tile_ends && k->epilogue.act.op != OP_LEAKY_RELU) { /* no parameters */
            k->epilogue.act.attr = (ActAttr){0.0, 0.0};
        }
        set_format(b, k, 1, 1);
    }
}

static void fill_depthwise_prologue(Batch *b)
{
    fill_depthwise(b);
    for (uint32_t i = 0; i < b->count; ++i) {
        b->kernels[i]->prologue = (Prologue){PROLOGUE_ACT, {i % 2 == 0 ? OP_RELU : OP_RELU6, {0.0, 0.0}}};
    }
}

Test(vector_kernels, depthwise)
{
    check_widths("depthwise", fill_depthwise, 1e-5);
}

Test(vector_kernels, activations_before_depthwise)
{
    check_widths("depthwise_prologue", fill_depthwise_prologue, 1e-5);
}

/* --- pools */

static void fill_pools(Batch *b)
{
    for (int i = 0; i < 36; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b)};
        s.out_channels = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        s.dilation_rows = s.dilation_cols = 1;
        s.pad_top = s.pad_top < s.kernel_rows ? s.pad_top : 0;
        s.pad_left = s.pad_left < s.kernel_cols ? s.pad_left : 0;
        s.pad_bottom = s.pad_bottom < s.kernel_rows ? s.pad_bottom : 0;
        s.pad_right = s.pad_right < s.kernel_cols ? s.pad_right : 0;
        int32_t rows = s.in_rows + s.pad_top + s.pad_bottom - s.kernel_rows;
        int32_t cols = s.in_cols + s.pad_left + s.pad_right - s.kernel_cols;
        if (rows < 0 || cols < 0) {
            continue;
        }
        s.out_rows = rows / s.stride_rows + 1;
        s.out_cols = cols / s.stride_cols + 1;
        bool is_max = i % 3 == 0;
        s.count_pad = i % 3 == 1;
        Kernel *k = add(b, is_max ? KERNEL_MAX_POOL : KERNEL_AVG_POOL, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        k->input_ahead = i % 2 == 0;
    }
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 20), .in_cols = pick(b, 1, 20)};
        s.out_channels = s.in_channels;
        s.out_rows = i % 2 == 0 ? pick(b, 1, 24) : 1;
        s.out_cols = i % 2 == 0 ? pick(b, 1, 24) : 1;
        s.adaptive = i % 2 == 0;
        s.is_max = i % 4 == 1;
        Kernel *k = add(b, s.adaptive ? KERNEL_AVG_POOL : KERNEL_GLOBAL_POOL, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        if (!s.adaptive) {
            k->out = image(1, s.out_channels, 1, 1, 0, 0, 0, 0);
        }
    }
}

/* Plain planes, windows 2x2 side by side. */
static void fill_pool_rows(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        int32_t channels = pick(b, 1, 7), rows = pick(b, 2, 9), cols = pick(b, 4, 5 * b->b);
        KernelSizes s = window(channels, rows, cols, channels, 2, 2, 0);
        s.groups = 0;
        Kernel *k = add(b, i % 2 ? KERNEL_MAX_POOL : KERNEL_AVG_POOL, s, false, false, OP_IDENTITY);
        k->in = image(1, channels, rows, cols, 0, 0, 0, 0);
        k->out = image(1, channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, pool_rows)
{
    check_widths("pool_rows", fill_pool_rows, 1e-6);
}

Test(vector_kernels, pools)
{
    check_widths("pools", fill_pools, 1e-6);
}

/* The largest of a window, or not a number where it covers pixel (2, 3), which is none, in all lanes. */
static void check_invalid(const Kernel *k, const float *y)
{
    const KernelSizes *s = &k->sizes;
    for (int32_t oy = 0; oy < s->out_rows; ++oy) {
        for (int32_t ox = 0; ox < s->out_cols; ++ox) {
            int32_t top = oy * s->stride_rows - s->pad_top, left = ox * s->stride_cols - s->pad_left;
            int32_t bottom = top + s->kernel_rows - 1, right = left + s->kernel_cols - 1;
            bool covers = top <= 2 && bottom >= 2 && left <= 3 && right >= 3;
            bottom = bottom < s->in_rows ? bottom : s->in_rows - 1;
            right = right < s->in_cols ? right : s->in_cols - 1;
            for (int32_t lane = 0; lane < k->vector; ++lane) { /* values grow from left to right and downwards */
                float largest = y[(oy * s->out_cols + ox) * k->vector + lane];
                cr_assert(covers ? isnan(largest) : largest == (float)(bottom * s->in_cols + right - 20),
                          "%dx%d, stride %d: %g at %d,%d", (int)s->kernel_rows, (int)s->kernel_cols,
                          (int)s->stride_rows, (double)largest, (int)oy, (int)ox);
            }
        }
    }
}

static void check_pools_of_invalid(int32_t width, const char *flags, const char *compiler, const char *name)
{
    Batch b = batch_create(width);
    const KernelSizes sizes[] = {
        window(width, 7, 8, width, 3, 1, 1), window(width, 7, 8, width, 3, 2, 0), window(width, 7, 8, width, 2, 2, 0),
        window(width, 7, 8, width, 5, 1, 2), window(width, 7, 8, width, 1, 3, 0),
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        Kernel *k = add(&b, KERNEL_MAX_POOL, sizes[i], false, false, OP_IDENTITY);
        k->sizes.groups = 0;
        k->in = image(width, width, 7, 8, 0, 0, 0, 0);
        k->out = image(width, width, k->sizes.out_rows, k->sizes.out_cols, 0, 0, 0, 0);
    }
    step_kernel *const *table = batch_load(&b, name, compiler, flags);
    Memory x = memory_create(7 * 8 * width, true), y = memory_create(7 * 8 * width, true);
    for (int i = 0; i < 2 * (int)b.count; ++i) {
        const float invalid = float_of(i % 2 == 0 ? 0x7FC00000u : 0xFFC00000u);
        for (int32_t at = 0; at < 7 * 8 * width; ++at) {
            x.values[at] = at / width == 2 * 8 + 3 ? invalid : (float)(at / width - 20);
        }
        table[i / 2](&(step_arguments){.x = {x.values}, .y = y.values}, 0, 1);
        check_invalid(b.kernels[i / 2], y.values);
    }
    free(x.base);
    free(y.base);
    arena_destroy(b.arena);
}

Test(vector_kernels, max_pools_let_not_a_number_win)
{
    check_compiled("invalid", check_pools_of_invalid);
}

/* --- elementwise */

static void fill_elementwise(Batch *b)
{
    static const OpKind all[] = {OP_RELU, OP_RELU6,       OP_LEAKY_RELU, OP_SIGMOID,    OP_HARD_SIGMOID,
                                 OP_TANH, OP_SCALED_TANH, OP_SILU,       OP_HARD_SWISH, OP_GELU,
                                 OP_ELU,  OP_SOFTPLUS,    OP_STEP,       OP_CLAMP,      OP_PRELU};
    for (int i = 0; i < 60; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 15), .in_cols = pick(b, 1, 15)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        bool flat = pick(b, 0, 1) == 0;
        Kernel *k;
        if (i < 20) {
            k = add(b, KERNEL_UNARY, s, false, false, all[i % 15]);
        } else if (i < 26) {
            k = add(b, KERNEL_CHANNEL_AFFINE, s, i % 2, false, i < 23 ? OP_IDENTITY : acts[i % 6]);
        } else {
            static const OpKind ops[] = {OP_ADD, OP_SUB, OP_MUL};
            s.op = ops[i % 3];
            int other = i / 3 % 2, kind = i / 6 % 4;
            if (kind == 1) {
                s.broadcast[other] = BROADCAST_CHANNEL;
            } else if (kind > 1) {
                s.broadcast[other] = BROADCAST_SCALAR;
                s.scalar_is_literal[other] = kind == 3;
                s.scalar[other] = kind == 3 ? -1.5 : 0.0;
            }
            k = add(b, KERNEL_BINARY, s, false, i % 5 == 3, i % 4 == 0 ? OP_RELU : OP_IDENTITY);
        }
        Layout images[2];
        for (int n = 0; n < 2; ++n) {
            images[n] = flat ? image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                             : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        }
        k->in = images[0];
        if (flat) {
            k->out = images[0];
            k->residual = k->epilogue.residual ? images[0] : (Layout){0};
        }
        if (k->family == KERNEL_UNARY && k->epilogue.act.op != OP_PRELU && i % 2 == 1) { /* plain memory */
            k->in = k->out = image(1, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        if (k->family == KERNEL_BINARY) {
            bool image0 = s.broadcast[0] == BROADCAST_NONE, image1 = s.broadcast[1] == BROADCAST_NONE;
            k->in = image0 && !s.scalar_is_literal[0] ? images[0] : (Layout){0};
            k->in2 = image1 && !s.scalar_is_literal[1] ? images[1] : (Layout){0};
        }
    }
}

Test(vector_kernels, elementwise)
{
    check_widths("elementwise", fill_elementwise, 1e-6);
}

/* --- sigmoid and silu: how exact, and what becomes of numbers that have no exp */

enum { LOGISTIC_SIDE = 256, LOGISTIC_COUNT = 16 * LOGISTIC_SIDE * LOGISTIC_SIDE };

/* By the three kernels of check_logistic. The third, whose tiles are first computed as if near 0, multiplies by 1. */
static void run_logistic(step_kernel *const *table, const float *x, float *sigmoid, float *silu)
{
    Memory ones = memory_create(16, true), tiles = memory_create(LOGISTIC_COUNT, true);
    for (int i = 0; i < 16; ++i) {
        ones.values[i] = 1.0f;
    }
    table[0](&(step_arguments){.x = {x}, .y = sigmoid}, 0, 1);
    table[1](&(step_arguments){.x = {x}, .y = silu}, 0, 1);
    table[2](&(step_arguments){.x = {x}, .y = tiles.values, .weights = ones.values}, 0, 1);
    for (int i = 0; i < LOGISTIC_COUNT; ++i) {
        bool same = isnan(silu[i]) ? isnan(tiles.values[i]) : memcmp(&silu[i], &tiles.values[i], 4) == 0;
        cr_assert(same, "silu(%.9g) is %.9g, in a tile %.9g", (double)x[i], (double)silu[i], (double)tiles.values[i]);
    }
    free(ones.base);
    free(tiles.base);
}

static void check_logistic(int32_t width, const char *flags, const char *compiler, const char *name)
{
    enum { SIDE = LOGISTIC_SIDE, COUNT = LOGISTIC_COUNT };
    Batch b = batch_create(width);
    KernelSizes s = {.in_channels = 16, .in_rows = SIDE, .in_cols = SIDE};
    s.out_channels = 16;
    s.out_rows = s.out_cols = SIDE;
    for (int i = 0; i < 2; ++i) {
        Kernel *k = add(&b, KERNEL_UNARY, s, false, false, i == 0 ? OP_SIGMOID : OP_SILU);
        k->in = k->out = image(b.b, 16, SIDE, SIDE, 0, 0, 0, 0);
    }
    KernelSizes window = {.in_channels = 16, .in_rows = SIDE, .in_cols = SIDE, .kernel_rows = 1, .kernel_cols = 1};
    window.stride_rows = window.stride_cols = window.dilation_rows = window.dilation_cols = window.multiplier = 1;
    window.out_channels = window.groups = 16;
    window.out_rows = window.out_cols = SIDE;
    Kernel *tiles = add(&b, KERNEL_DEPTHWISE, window, false, false, OP_SILU);
    tiles->in = tiles->out = image(b.b, 16, SIDE, SIDE, 0, 0, 0, 0);
    tiles->epilogue.act.attr = (ActAttr){0.0, 0.0};
    tiles->tile_rows = 1;
    tiles->tile_cols = 7;
    tiles->tile_ends = true;
    tiles->near = b.b < 16;
    set_format(&b, tiles, 1, 1);
    step_kernel *const *table = batch_load(&b, name, compiler, flags);
    Memory x = memory_create(COUNT, true), sigmoid = memory_create(COUNT, true), silu = memory_create(COUNT, true);
    bool fused = width > 4;                                 /* multiply-adds round once */
    const uint32_t least = 0x30000000u, most = 0x42AE0000u; /* of 4.7e-10 to 87 */
    const double smallest = width < 16 ? -81.0 : -87.0;     /* below, results may be 0 */
    for (int i = 0; i < COUNT; ++i) {
        uint32_t bits = least + (uint32_t)((uint64_t)(most - least) * (uint32_t)(i / 2) / (COUNT / 2));
        x.values[i] = float_of(i % 2 == 0 ? bits : bits | 0x80000000u);
    }
    run_logistic(table, x.values, sigmoid.values, silu.values);
    for (int i = 0; i < COUNT; ++i) {
        double v = x.values[i], right = 1.0 / (1.0 + exp(-v));
        double most_error = v < -20.0 ? (fused ? 4.5e-7 : 4.5e-6) : fused ? 2.8e-7 : 1.3e-6;
        if (v < smallest) {
            cr_assert_leq(fabs(sigmoid.values[i] - right), 1e-35, "%s: sigmoid(%.9g)", name, v);
            cr_assert_leq(fabs(silu.values[i] - v * right), 1e-33, "%s: silu(%.9g)", name, v);
            continue;
        }
        cr_assert_leq(fabs(sigmoid.values[i] / right - 1.0), most_error, "%s: sigmoid(%.9g)", name, v);
        cr_assert_leq(fabs(silu.values[i] / (v * right) - 1.0), most_error, "%s: silu(%.9g)", name, v);
    }
    const float endless = float_of(0x7F800000u), invalid = float_of(0x7FC00000u);
    const struct {
        float x, sigmoid, silu;
    } special[] = {
        {0.0f, 0.5f, 0.0f},     {88.0f, 1.0f, 88.0f},        {1e4f, 1.0f, 1e4f},           {1e8f, 1.0f, 1e8f},
        {1e20f, 1.0f, 1e20f},   {3.4e38f, 1.0f, 3.4e38f},    {endless, 1.0f, endless},     {-88.0f, 0.0f, 0.0f},
        {-1e4f, 0.0f, 0.0f},    {-1e8f, 0.0f, 0.0f},         {-1e20f, 0.0f, 0.0f},         {-3.4e38f, 0.0f, 0.0f},
        {-endless, 0.0f, 0.0f}, {invalid, invalid, invalid}, {-invalid, invalid, invalid},
    };
    enum { SPECIAL = sizeof special / sizeof special[0] };
    for (int i = 0; i < COUNT; ++i) {
        x.values[i] = special[i % SPECIAL].x;
    }
    run_logistic(table, x.values, sigmoid.values, silu.values);
    for (int i = 0; i < COUNT; ++i) {
        const float right[] = {special[i % SPECIAL].sigmoid, special[i % SPECIAL].silu};
        const float ours[] = {sigmoid.values[i], silu.values[i]};
        for (int k = 0; k < 2; ++k) {
            cr_assert(isnan(right[k]) ? isnan(ours[k]) : ours[k] == right[k], "%s: %s(%g) is %g", name,
                      k == 0 ? "sigmoid" : "silu", (double)x.values[i], (double)ours[k]);
        }
    }
    free(x.base);
    free(sigmoid.base);
    free(silu.base);
    arena_destroy(b.arena);
}

Test(vector_kernels, logistic)
{
    check_compiled("logistic", check_logistic);
}

/* --- dense */

static void fill_dense(Batch *b)
{
    static const int32_t inputs[] = {1, 3, 16, 100, 512, 513, 2048, 1500};
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.in_channels = inputs[i % 8], .in_rows = 1, .in_cols = 1, .out_rows = 1, .out_cols = 1};
        s.out_channels = i % 5 == 0 ? 8 * b->b : pick(b, 1, 20 * b->b);
        Kernel *k = add(b, KERNEL_DENSE, s, i % 4 > 0, i % 3 == 0, acts[i % 6]);
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

/* --- convert */

static void fill_convert(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 9), .in_cols = pick(b, 1, 40)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        Kernel *k = add(b, KERNEL_CONVERT, s, false, false, OP_IDENTITY);
        int32_t blocks[2] = {1, b->b}, kind = i % 8;
        int32_t from = kind < 2 ? b->b : kind < 5 ? 1 : kind == 5 ? s.in_channels : blocks[i % 2];
        int32_t to = kind < 2    ? 1
                     : kind < 4  ? b->b
                     : kind == 4 ? 1
                     : kind == 5 ? b->b
                     : kind == 6 ? s.in_channels
                                 : b->b;
        k->in = i % 3 == 0 ? image(from, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                           : with_halo(b, from, s.in_channels, s.in_rows, s.in_cols);
        k->out = i % 3 == 1 ? image(to, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                            : with_halo(b, to, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, convert)
{
    check_widths("convert", fill_convert, 0.0);
}

/* Zeros in the halo, and nowhere else. */
Test(vector_kernels, zero_halo)
{
    Batch b = {.arena = arena_create(), .random = 99u, .b = 4};
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.out_channels = pick(&b, 1, 9), .out_rows = pick(&b, 1, 4), .out_cols = pick(&b, 1, 4)};
        Kernel *k = add(&b, KERNEL_ZERO_HALO, s, false, false, OP_IDENTITY);
        k->in = (Layout){0};
        k->out = with_halo(&b, i % 2 == 0 ? 4 : 1, s.out_channels, s.out_rows, s.out_cols);
    }
    step_kernel *const *table = batch_load(&b, "zero_halo", "gcc -O2", "");
    for (uint32_t i = 0; i < b.count; ++i) {
        const Layout *l = &b.kernels[i]->out;
        Memory y = image_memory(&b, l, NULL);
        step_arguments a = {.y = y.values};
        run_parts(&b, b.kernels[i], table[i], a, 1 + (int)(i % 3));
        for (int64_t c = 0; c < ceil_div(l->channels, l->block) * l->block; ++c) {
            for (int64_t row = -l->halo_top; row < l->rows + l->halo_bottom; ++row) {
                for (int64_t col = -l->halo_left; col < l->cols + l->halo_right; ++col) {
                    bool inside = row >= 0 && row < l->rows && col >= 0 && col < l->cols;
                    float value = y.values[place(l, c, row, col)];
                    cr_assert(inside ? is_guard(value) : value == 0.0f);
                }
            }
        }
        memory_check(&y, &b, b.kernels[i], "y");
        free(y.base);
    }
    arena_destroy(b.arena);
}

/* --- Winograd */

/* Makes it one whose filters are transformed where they are used. */
static void take_live(Batch *b, Kernel *k)
{
    int32_t stride = k->sizes.stride_rows, points = winograd_points(k->winograd.rows, winograd_taps(3, stride));
    k->family = KERNEL_WINOGRAD_LIVE;
    set_format(b, k, 1, 1);
    k->tile_cols = pick(b, 1, k->block_tiles < 26 / points ? k->block_tiles : 26 / points);
    k->tile_round = 0;
    int64_t planes = stride * stride * ceil_div(k->sizes.in_channels / k->sizes.groups, b->b);
    k->scratch_bytes =
        4 * (planes + 1) * ceil_div(k->block_tiles, k->tile_cols) * k->tile_cols * points * points * b->b;
    cr_assert_eq(k->scratch_bytes, winograd_live_scratch(k));
}

static void add_winograd(Batch *b, int i, bool live, int32_t kernel_rows, int32_t kernel_cols, WinogradTile m,
                         int32_t stride, int32_t groups)
{
    int32_t most = !live && i % 4 == 2 ? 160 : 4 * b->b; /* more than 64: several chains of additions */
    KernelSizes s = window(groups == 1 ? pick(b, 1, most) : groups * b->b * pick(b, 1, 2), pick(b, 7, 22),
                           pick(b, 7, 22), groups == 1 ? pick(b, 1, 6 * b->b) : groups * b->b * pick(b, 1, 3), 1, 1, 0);
    s.groups = groups;
    s.kernel_rows = kernel_rows;
    s.kernel_cols = kernel_cols;
    s.pad_top = pick(b, 0, 2);
    s.pad_left = pick(b, 0, 2);
    s.pad_bottom = pick(b, 0, 2);
    s.pad_right = pick(b, 0, 2);
    s.stride_rows = s.stride_cols = stride;
    s.out_rows = (s.in_rows + s.pad_top + s.pad_bottom - kernel_rows) / stride + 1;
    s.out_cols = (s.in_cols + s.pad_left + s.pad_right - kernel_cols) / stride + 1;
    int32_t tap_rows = winograd_taps(kernel_rows, stride), tap_cols = winograd_taps(kernel_cols, stride);
    int32_t mr = winograd_outputs(m.rows, tap_rows), mc = winograd_outputs(m.cols, tap_cols);
    int32_t down = (s.out_rows + mr - 1) / mr, across = (s.out_cols + mc - 1) / mc, tiles = down * across;
    bool pairs = (m.rows % 2 == 0 && m.cols % 2 == 0) || (!live && down % 2 == 0 && across % 2 == 0);
    bool pool = pairs && kernel_rows > 1 && kernel_cols > 1 && i % 3 == 0 && s.out_rows > 1 && s.out_cols > 1;
    Kernel *k = add(b, KERNEL_WINOGRAD, s, pick(b, 0, 3) > 0, !pool && pick(b, 0, 1), rectifiers[i / 4 % 3]);
    k->in = image(
        b->b, s.in_channels, s.in_rows, s.in_cols, s.pad_top + pick(b, 0, 1), s.pad_left + pick(b, 0, 1),
        at_least(winograd_reach(s.out_rows, kernel_rows, stride, m.rows) - s.pad_top - s.in_rows, 0) + pick(b, 0, 1),
        at_least(winograd_reach(s.out_cols, kernel_cols, stride, m.cols) - s.pad_left - s.in_cols, 0) + pick(b, 0, 1));
    k->winograd = m;
    k->max_pool = pool;
    if (pool) {
        k->out = with_halo(b, b->b, s.out_channels, s.out_rows / 2, s.out_cols / 2);
    }
    set_format(b, k, pick(b, 1, 3), b->b);
    k->weight_format.kind = PACK_WINOGRAD;
    k->weight_format.winograd = m;
    k->weight_format.phases = stride > 1 ? stride : 0;
    k->block_tiles = pick(b, 1, 2) == 1 ? tiles : winograd_quads(k) ? 4 * pick(b, 1, tiles / 4) : pick(b, 1, tiles);
    k->tile_cols = pick(b, 1, k->block_tiles < 14 ? k->block_tiles : 14);
    k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
    k->prefetch_bytes = pick(b, 0, 1) ? 8192 : 0;
    int64_t in_planes = stride * stride * ceil_div(s.in_channels / groups, b->b);
    k->scratch_bytes = 4 * winograd_points(m.rows, tap_rows) * winograd_points(m.cols, tap_cols) *
                           ((in_planes + k->weight_format.vectors) * k->block_tiles * b->b + 32) +
                       winograd_quad_bytes(k);
    if (live) {
        take_live(b, k);
    }
}

static void fill_winograd(Batch *b)
{
    static const int32_t windows[][4] = {
        {3, 3, 2, 1}, {3, 3, 4, 1}, {5, 5, 2, 1}, {1, 7, 2, 1}, {7, 1, 2, 1}, {3, 3, 6, 1}, {1, 3, 4, 1}, {3, 1, 4, 1},
        {1, 5, 4, 1}, {3, 3, 3, 1}, {3, 5, 2, 1}, {3, 3, 5, 1}, {4, 4, 4, 1}, {2, 2, 4, 1}, {3, 3, 4, 2}, {5, 5, 4, 2},
        {7, 7, 4, 2}, {5, 3, 4, 2}, {3, 3, 4, 1}, {7, 5, 4, 2}, {3, 3, 2, 2}, {3, 3, 3, 2}, {2, 2, 2, 1}, {2, 2, 3, 1},
        {5, 3, 2, 2}, {1, 7, 3, 1}, {7, 1, 3, 1}, {5, 1, 5, 1}, {1, 3, 7, 1}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    for (int i = 0; i < 3 * COUNT; ++i) {
        const int32_t *window = windows[i % COUNT];
        add_winograd(b, i, false, window[0], window[1], winograd_square(window[2]), window[3],
                     i % 5 == 4 && window[3] == 1 ? 2 : 1);
    }
}

Test(vector_kernels, winograd)
{
    check_widths("winograd", fill_winograd, 2e-5);
}

/* Another m down than across, max pools among them. */
static void fill_winograd_of_oblongs(Batch *b)
{
    static const int32_t tiles[][4] = {{3, 2, 4, 1}, {3, 4, 2, 1}, {3, 3, 4, 1}, {3, 5, 2, 1}, {3, 6, 3, 1},
                                       {5, 2, 4, 1}, {3, 2, 4, 2}, {3, 4, 3, 2}, {2, 2, 4, 1}, {3, 2, 6, 1}};
    enum { COUNT = sizeof tiles / sizeof tiles[0] };
    int pools = 0, quads = 0;
    for (int i = 0; i < 4 * COUNT; ++i) {
        const int32_t *tile = tiles[i % COUNT];
        add_winograd(b, i, false, tile[0], tile[0], (WinogradTile){tile[1], tile[2]}, tile[3],
                     i % 5 == 4 && tile[3] == 1 ? 2 : 1);
        pools += b->kernels[b->count - 1]->max_pool;
        quads += winograd_quads(b->kernels[b->count - 1]);
    }
    cr_assert(quads >= 1 && pools > quads);
}

Test(vector_kernels, winograd_of_oblongs)
{
    check_widths("winograd_of_oblongs", fill_winograd_of_oblongs, 2e-5);
}

/* Tiles of 7x7, and nine points along an axis: errors are up to three times those of F(6x6,3x3), 2e-5 of the largest output in the
 * mean of layers of 128 channels, 1e-5 of 32. Max pools, whose tiles come in quads, among them. */
static void fill_winograd_of_9(Batch *b)
{
    static const int32_t windows[][4] = {{3, 3, 7, 1}, {3, 3, 7, 1}, {5, 5, 5, 1}, {3, 5, 5, 1}, {7, 7, 3, 1},
                                         {3, 7, 3, 1}, {2, 3, 7, 1}, {2, 2, 7, 1}, {3, 3, 7, 2}, {5, 5, 5, 1}};
    enum { COUNT = sizeof windows / sizeof windows[0] };
    int quads = 0;
    for (int i = 0; i < 4 * COUNT; ++i) {
        const int32_t *window = windows[i % COUNT];
        add_winograd(b, i, false, window[0], window[1], winograd_square(window[2]), window[3],
                     i % 5 == 4 && window[3] == 1 ? 2 : 1);
        quads += winograd_quads(b->kernels[b->count - 1]);
    }
    cr_assert_geq(quads, 3);
}

Test(vector_kernels, winograd_of_9)
{
    check_widths("winograd_of_9", fill_winograd_of_9, 6e-5);
}

static void fill_winograd_live(Batch *b)
{
    for (int i = 0; i < 40; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(i % 5 + 2), 1, i % 7 == 6 ? 2 : 1);
    }
    for (int i = 0; i < 24; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(i % 3 + 2), 2, 1);
    }
}

Test(vector_kernels, winograd_live)
{
    check_widths("winograd_live", fill_winograd_live, 2e-5);
}

/* Errors of F(7x7,2x2) are twice those of F(6x6,3x3): 1e-5 of the largest output in the mean of such layers, 6e-5 at worst. */
static void fill_winograd_live_of_7(Batch *b)
{
    for (int i = 0; i < 16; ++i) {
        add_winograd(b, i, true, 3, 3, winograd_square(7), 2, 1);
    }
}

Test(vector_kernels, winograd_live_of_7)
{
    check_widths("winograd_live_of_7", fill_winograd_live_of_7, 1e-4);
}

/* A first layer: its phases side by side in lanes. Then the convolution of stride 1 is an ordinary one; how its filters are
 * packed is tested with the whole network (tests/unit/lower_vector.c) and in pack.c. */
static void fill_space_to_depth(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        int32_t stride = pick(b, 2, 4), channels = pick(b, 1, 4), rows = pick(b, 1, 23), cols = pick(b, 1, 40);
        KernelSizes s = {.in_channels = channels,
                         .in_rows = rows,
                         .in_cols = cols,
                         .out_channels = stride * stride * channels,
                         .out_rows = pick(b, 1, 14),
                         .out_cols = pick(b, 1, 24),
                         .stride_rows = stride,
                         .stride_cols = stride,
                         .pad_top = pick(b, 0, 5),
                         .pad_left = pick(b, 0, 5)};
        Kernel *k = add(b, KERNEL_SPACE_TO_DEPTH, s, false, false, OP_IDENTITY);
        k->in = image(1, channels, rows, cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, space_to_depth)
{
    check_widths("space_to_depth", fill_space_to_depth, 0.0);
}

/* --- Strassen */

/* Halves of any width that leaves every one a pixel of its own. */
static int32_t pick_half(Batch *b, int32_t pixels)
{
    int32_t blocks = pick(b, 1, (pixels + 1) / 2), half = (pixels + 2 * blocks - 1) / (2 * blocks);
    while ((2 * blocks - 1) * half >= pixels) {
        --blocks;
        half = (pixels + 2 * blocks - 1) / (2 * blocks);
    }
    return half;
}

static void fill_strassen(Batch *b)
{
    for (int i = 0; i < 90; ++i) {
        int32_t stride = i % 5 == 4 ? 2 : 1, rows = i % 3 == 0 ? 1 : pick(b, 2, 9), cols = pick(b, 2, 40);
        int32_t ic = b->b * pick(b, 2, 6), oc = b->b * pick(b, 2, 8);
        KernelSizes s = window(ic - pick(b, 0, b->b - 1), rows, cols, oc - pick(b, 0, b->b - 1), 1, stride, 0);
        if (s.out_rows * s.out_cols < 2) {
            continue;
        }
        Kernel *k =
            add(b, KERNEL_STRASSEN, s, pick(b, 0, 3) > 0, pick(b, 0, 1), i % 7 == 3 ? OP_SILU : rectifiers[i / 4 % 3]);
        if (i % 2 == 0) { /* read in place, where the stride is 1 */
            k->in = image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        set_format(b, k, pick(b, 1, 3), b->b);
        k->weight_format.kind = PACK_STRASSEN;
        k->block_tiles = pick_half(b, s.out_rows * s.out_cols);
        k->tile_rows = 1;
        k->tile_cols = pick(b, 1, k->block_tiles < 14 ? k->block_tiles : 14);
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        k->input_ahead = pick(b, 0, 1);
        k->prefetch_bytes = pick(b, 0, 1) ? 8192 : 0;
        k->scratch_bytes = strassen_scratch_bytes(k);
    }
}

/* Once more by seven products each: halves of vectors are rounds of four. */
static void fill_strassen_twice(Batch *b)
{
    fill_strassen(b);
    for (uint32_t i = 0; i < b->count && b->b >= 8; ++i) {
        Kernel *k = b->kernels[i];
        int32_t pixels = k->sizes.out_rows * k->sizes.out_cols;
        while (pixels >= 3 && k->block_tiles < 2) {
            k->block_tiles = pick_half(b, pixels);
        }
        if (pixels >= 3 && i % 2 == 1) { /* many chunks */
            k->block_tiles = (pixels + 1) / 2;
        }
        if (k->block_tiles >= 2) {
            k->weight_format.kind = PACK_STRASSEN_TWICE;
            k->tile_cols = pick(b, 1, k->block_tiles < 27 ? (k->block_tiles + 1) / 2 : 13);
            k->scratch_bytes = strassen_scratch_bytes(k);
        }
    }
}

/* x * scale + shift and an activation first: blocks of any number of tiles, pixels that run on or not. */
static void fill_prologue(Batch *b)
{
    for (int i = 0; i < 60; ++i) {
        KernelSizes s = window(pick(b, 1, 4 * b->b), i % 3 == 0 ? 1 : pick(b, 2, 9), pick(b, 2, 33),
                               pick(b, 1, 7 * b->b), 1, i % 4 == 3 ? pick(b, 2, 3) : 1, 0);
        Kernel *k = add(b, KERNEL_DIRECT, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->prologue = (Prologue){PROLOGUE_NORM, {acts[i / 2 % 6], {0.3, 0.8}}};
        if (i % 2 == 0) {
            k->in = image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        k->tile_rows = pick(b, 1, 3);
        k->tile_cols = k->tile_rows > 1 ? pick(b, 1, 7) : pick(b, 1, 14);
        if (i % 5 == 0) { /* whole rows, or a stretch of every row */
            k->tile_cols = s.out_cols % 2 == 0 && s.out_cols < 20 ? s.out_cols / 2 : s.out_cols;
            k->tile_cols = k->tile_cols > 14 ? 7 : k->tile_cols;
        }
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        set_format(b, k, pick(b, 1, 4), b->b);
        k->pixels_outer = true;
        k->block_tiles = pick(b, 1, 6);
        k->input_ahead = i % 3 == 0;
        k->prefetch_bytes = pick(b, 0, 1) ? 100000 : 0;
        k->scratch_bytes = (prologue_scratch_bytes(k) + 63) / 64 * 64;
    }
}

Test(vector_kernels, norms_before_a_convolution)
{
    check_widths("prologue", fill_prologue, 1e-5);
}

static void give_prologues(Batch *b)
{
    for (uint32_t i = 0; i < b->count; ++i) {
        b->kernels[i]->prologue = (Prologue){PROLOGUE_NORM, {acts[i % 6], {0.3, 0.8}}};
        b->kernels[i]->scratch_bytes = strassen_scratch_bytes(b->kernels[i]);
    }
}

static void fill_strassen_prologue(Batch *b)
{
    fill_strassen(b);
    give_prologues(b);
}

Test(vector_kernels, norms_before_strassens_product)
{
    check_widths("strassen_prologue", fill_strassen_prologue, 1e-5);
}

static void fill_strassen_twice_prologue(Batch *b)
{
    fill_strassen_twice(b);
    give_prologues(b);
}

Test(vector_kernels, norms_before_strassens_product_twice)
{
    check_widths("strassen_twice_prologue", fill_strassen_twice_prologue, 1e-5);
}

Test(vector_kernels, strassen_twice)
{
    check_widths("strassen_twice", fill_strassen_twice, 1e-5);
}

Test(vector_kernels, strassen)
{
    check_widths("strassen", fill_strassen, 1e-5);
}

/* --- grouped: groups narrower than a vector */

static void fill_grouped(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        int32_t channels = b->b == 4 ? 2 + i % 2 * 2 : 2 << i % 3, groups = pick(b, 1, 3 * b->b / channels);
        KernelSizes s = {.in_channels = channels * groups, .groups = groups};
        s.out_channels = s.in_channels;
        if (!random_window(b, &s)) {
            continue;
        }
        Kernel *k = add(b, KERNEL_GROUPED, s, pick(b, 0, 3) > 0, pick(b, 0, 1), acts[i % 6]);
        k->tile_rows = pick(b, 1, 2);
        k->tile_cols = pick(b, 1, k->tile_rows == 2 ? 7 : 14);
        set_format(b, k, 1, channels);
    }
}

Test(vector_kernels, grouped)
{
    check_widths("grouped", fill_grouped, 1e-5);
}

/* --- lrn */

static void fill_lrn(Batch *b)
{
    for (int i = 0; i < 16; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4 * b->b), .in_rows = pick(b, 1, 5), .in_cols = pick(b, 1, 9)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        static const double beta[] = {0.75, 0.5, 1.0, 0.6};
        s.lrn = (LrnAttr){i % 5 == 4 ? pick(b, 1, 8) : 5, 0.5, beta[i % 4], 1.0 + i % 3, i % 2 == 0};
        Kernel *k = add(b, KERNEL_LRN, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, lrn)
{
    check_widths("lrn", fill_lrn, 1e-6);
}

/* --- instance norm, borders, upsampling */

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
        Kernel *k = add(b, KERNEL_INSTANCE_NORM, s, i % 2, i % 4 > 1, acts[i % 6]);
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

static void fill_borders(Batch *b)
{
    for (int i = 0; i < 30; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 4, 9), .in_cols = pick(b, 4, 20)};
        s.border = i % 3 == 0 ? PAD_REFLECT : i % 3 == 1 ? PAD_EDGE : PAD_ZERO;
        s.scalar[0] = s.border == PAD_ZERO ? i % 2 * -1.5 : 0.0;
        s.pad_top = pick(b, 0, 3);
        s.pad_left = pick(b, 0, 3);
        s.pad_bottom = pick(b, 0, 3);
        s.pad_right = pick(b, 0, 3);
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows + s.pad_top + s.pad_bottom;
        s.out_cols = s.in_cols + s.pad_left + s.pad_right;
        s.frame = i / 3 % 2 == 1;
        Kernel *k = add(b, KERNEL_BORDER, s, false, false, OP_IDENTITY);
        const Layout *out = &k->out;
        k->in = s.frame
                    ? image(b->b, s.in_channels, s.in_rows, s.in_cols, out->halo_top + s.pad_top,
                            out->halo_left + s.pad_left, out->halo_bottom + s.pad_bottom, out->halo_right + s.pad_right)
                    : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, borders)
{
    check_widths("borders", fill_borders, 0.0);
}

static void fill_upsample(Batch *b)
{
    for (int i = 0; i < 24; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 7), .in_cols = pick(b, 1, 12)};
        s.bilinear = i % 2 == 1;
        s.stride_rows = pick(b, 1, 4);
        s.stride_cols = s.bilinear ? pick(b, 1, 8) : pick(b, 1, 10);
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows * s.stride_rows;
        s.out_cols = s.in_cols * s.stride_cols;
        Kernel *k = add(b, KERNEL_UPSAMPLE, s, false, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, upsample)
{
    check_widths("upsample", fill_upsample, 1e-6);
}

/* --- subsample, gram, softmax */

static void fill_subsample(Batch *b)
{
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {
            .in_channels = pick(b, 1, 3 * b->b), .kernel_rows = pick(b, 1, 3), .kernel_cols = pick(b, 1, 3)};
        s.out_channels = s.in_channels;
        s.out_rows = pick(b, 1, 6);
        s.out_cols = pick(b, 1, 9);
        s.in_rows = s.out_rows * s.kernel_rows;
        s.in_cols = s.out_cols * s.kernel_cols;
        Kernel *k = add(b, KERNEL_SUBSAMPLE, s, true, false, OP_IDENTITY);
        k->in = with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
    }
}

Test(vector_kernels, subsample)
{
    check_widths("subsample", fill_subsample, 1e-6);
}

static void fill_gram(Batch *b)
{
    for (int i = 0; i < 12; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 4 * b->b), .in_rows = pick(b, 1, 20), .in_cols = pick(b, 2, 30)};
        s.in_cols = i == 3 ? 300 : s.in_cols;
        s.out_channels = s.out_rows = s.in_channels;
        s.out_cols = 1;
        Kernel *k = add(b, KERNEL_GRAM, s, false, false, OP_IDENTITY);
        k->in = i % 2 == 0 ? image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                           : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        k->out = image(1, s.out_channels, s.out_rows, s.out_cols, 0, 0, 0, 0);
    }
}

Test(vector_kernels, gram)
{
    check_widths("gram", fill_gram, 1e-6);
}

static void fill_softmax(Batch *b)
{
    static const int32_t channels[] = {1, 2, 10, 16, 17, 100, 1000, 33};
    for (int i = 0; i < 16; ++i) {
        KernelSizes s = {.in_channels = channels[i % 8], .in_rows = 1, .in_cols = 1, .out_rows = 1, .out_cols = 1};
        s.out_channels = s.in_channels;
        s.is_log = i >= 8;
        Kernel *k = add(b, KERNEL_SOFTMAX, s, false, false, OP_IDENTITY);
        k->in = k->out = image(1, s.in_channels, 1, 1, 0, 0, 0, 0);
    }
}

Test(vector_kernels, softmax)
{
    check_widths("softmax", fill_softmax, 1e-6);
}
