/* See vector_check.h. */
#include "vector_check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox.h"

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

/* A width of vectors and what compiles its text here. */
typedef struct Compilation {
    int32_t b;
    const char *flags, *cc, *name;
} Compilation;

enum { COMPILATIONS = 8 };

/* `gcc` and clang for every width that the processor has. With `emulated`, 16 floats too where it has 8, two vectors of 8 to
 * gcc: slow, so unoptimised, and not under the sanitizers. */
static int list_compilations(const char *gcc, bool emulated, Compilation list[COMPILATIONS])
{
    static const struct {
        int32_t b;
        const char *flags;
    } widths[] = {{16, "-march=x86-64-v4"}, {8, "-march=x86-64-v3"}, {4, ""}};
    int count = 0;
    if (emulated && !IS_SANITIZED && can_run(8) && !can_run(16)) {
        list[count++] = (Compilation){16, "-march=x86-64-v3 -Wno-psabi", "gcc -O1", "gcc"};
    }
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; ++i) {
        if (can_run(widths[i].b)) {
            list[count++] = (Compilation){widths[i].b, widths[i].flags, gcc, "gcc"};
            if (batch_asks_clang()) {
                list[count++] = (Compilation){widths[i].b, widths[i].flags, "clang -O2", "clang"};
            }
        }
    }
    return count;
}

/* --- layouts */

int64_t place(const Layout *l, int64_t c, int64_t y, int64_t x)
{
    return c / l->block * l->plane_stride + (y + l->halo_top) * l->row_stride + (x + l->halo_left) * l->block +
           c % l->block;
}

Layout image(int32_t block, int32_t channels, int32_t rows, int32_t cols, int32_t top, int32_t left, int32_t bottom,
             int32_t right)
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

Layout with_halo(Batch *b, int32_t block, int32_t channels, int32_t rows, int32_t cols)
{
    return image(block, channels, rows, cols, pick(b, 0, 2), pick(b, 0, 2), pick(b, 0, 2), pick(b, 0, 2));
}

/* The input of windows: a halo that reaches as far as they do, or one further, on each side. */
static Layout for_windows(Batch *b, int32_t block, const KernelSizes *s)
{
    int32_t bottom =
        (s->out_rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1 - s->pad_top - s->in_rows;
    int32_t right =
        (s->out_cols - 1) * s->stride_cols + (s->kernel_cols - 1) * s->dilation_cols + 1 - s->pad_left - s->in_cols;
    return image(block, s->in_channels, s->in_rows, s->in_cols, s->pad_top + pick(b, 0, 1), s->pad_left + pick(b, 0, 1),
                 at_least(bottom, 0) + pick(b, 0, 1), at_least(right, 0) + pick(b, 0, 1));
}

Memory image_memory(Batch *b, const Layout *l, const float *values)
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

const OpKind acts[6] = {OP_IDENTITY, OP_RELU, OP_RELU6, OP_SILU, OP_LEAKY_RELU, OP_TANH};
const OpKind rectifiers[3] = {OP_RELU, OP_IDENTITY, OP_LEAKY_RELU};

Kernel *add_kernel(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act)
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

KernelSizes window(int32_t ic, int32_t rows, int32_t cols, int32_t oc, int32_t kernel, int32_t stride, int32_t pad)
{
    return reference_sizes(ic, rows, cols, oc, kernel, stride, pad, 0);
}

void set_format(Batch *b, Kernel *k, int32_t vectors, int32_t in_block)
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

/* Memory of NaN for the result; where it is a frame, with the input in its place, of other memory than the kernel
 * reads. */
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

static Memory blank_result(const void *check)
{
    const Check *c = check;
    return result_memory(c->kernel, &c->x[0]);
}

/* Runs in one part, and compares with the definition. */
static double check_result(Check *c, double tolerance)
{
    c->y = blank_result(c);
    c->a.y = c->y.values;
    run_parts(c->b, c->kernel, c->function, c->a, 1);
    memory_check(&c->y, c->b, c->kernel, "y");
    double error = compare(c);
    cr_assert(error <= tolerance, "error %g: %s", error, describe(c->b, c->kernel));
    return error;
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
    check_parts(b, c.kernel, function, c.a, &c.y, blank_result, &c);
    check_in_place(&c);
    check_release(&c);
    return error;
}

static void check_compilations(bool emulated, const char *test, FillBatch *fill, double tolerance)
{
    const char *gcc = IS_SANITIZED ? "gcc -O1" : "gcc -O3"; /* they look at cnnc, not at what gcc makes of its text */
    Compilation list[COMPILATIONS];
    int count = list_compilations(gcc, emulated, list);
    for (int i = 0; i < count; ++i) {
        Batch b = batch_create(list[i].b);
        fill(&b);
        const char *name = arena_printf(b.arena, "%s-%s", test, list[i].name).ptr;
        batch_check(&b, name, list[i].cc, list[i].flags, check_kernel, tolerance);
        arena_destroy(b.arena);
    }
}

void check_widths(const char *test, FillBatch *fill, double tolerance)
{
    check_compilations(false, test, fill, tolerance);
}

void check_emulated_widths(const char *test, FillBatch *fill, double tolerance)
{
    check_compilations(true, test, fill, tolerance);
}

void check_compiled(const char *test, CheckCompiled *check)
{
    Compilation list[COMPILATIONS];
    int count = list_compilations("gcc -O3", false, list); /* which makes one operation of product and sum */
    for (int i = 0; i < count; ++i) {
        char name[64], cc[64];
        snprintf(name, sizeof name, "%s-%s", test, list[i].name);
        snprintf(cc, sizeof cc, "%s -ffp-contract=fast", list[i].cc);
        check(list[i].b, list[i].flags, cc, name);
    }
}
