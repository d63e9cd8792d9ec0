/* See lower_exec.h. Slow and literal on purpose; shares nothing with the emitters or the interpreter. */
#include "lower_exec.h"

#include <criterion/criterion.h>
#include <math.h>

#include "interp/interp.h"

typedef struct Exec {
    const Program *program;
    const Weights *weights;
    Arena *arena;
    double *memory;    /* the arena, one double a float */
    double **ports[3]; /* by BufferKind */
} Exec;

typedef struct View { /* a tensor in memory */
    double *base;
    const Layout *layout;
} View;

static double *at(View v, int32_t c, int32_t y, int32_t x)
{
    const Layout *l = v.layout;
    return v.base + (c / l->block) * l->plane_stride + (y + l->halo_top) * l->row_stride +
           (x + l->halo_left) * l->block + c % l->block;
}

static double *memory_of(const Exec *e, const Buffer *buffer)
{
    return buffer->kind == BUFFER_ARENA ? e->memory + buffer->offset / 4 : e->ports[buffer->kind][buffer->port];
}

static View view_of(const Exec *e, const Buffer *buffer)
{
    return (View){memory_of(e, buffer), &buffer->layout};
}

/* --- blocks: what every buffer of that layout promises */

static bool is_interior(const Layout *l, int64_t plane, int64_t element)
{
    int64_t row = element / l->row_stride - l->halo_top;
    int64_t col = element % l->row_stride / l->block - l->halo_left;
    (void)plane;
    return row >= 0 && row < l->rows && col >= 0 && col < l->cols;
}

/* Zeros in the halo, numbers in the lanes past the last channel; kernels rely on both. */
static void expect_sound(const Exec *e, const Step *step, const Buffer *buffer)
{
    const Layout *l = &buffer->layout;
    const double *memory = memory_of(e, buffer);
    int64_t planes = (l->channels + l->block - 1) / l->block;
    for (int64_t p = 0; p < planes; ++p) {
        for (int64_t i = 0; i < l->plane_stride; ++i) {
            double value = memory[p * l->plane_stride + i];
            if (buffer->is_interior && !is_interior(l, p, i)) { /* a border, there or to come */
                continue;
            }
            cr_assert(is_interior(l, p, i) ? isfinite(value) : value == 0.0,
                      STR_FMT ", " STR_FMT ": %g at %lld of plane %lld", STR_ARG(step->title), STR_ARG(buffer->name),
                      value, (long long)i, (long long)p);
        }
    }
}

static void fill(double *values, int64_t count, double value)
{
    for (int64_t i = 0; i < count; ++i) {
        values[i] = value;
    }
}

static void zero_halo(const Exec *e, const Buffer *buffer)
{
    const Layout *l = &buffer->layout;
    double *memory = memory_of(e, buffer);
    int64_t planes = (l->channels + l->block - 1) / l->block;
    for (int64_t i = 0; i < planes * l->plane_stride; ++i) {
        if (!is_interior(l, i / l->plane_stride, i % l->plane_stride)) {
            memory[i] = 0.0;
        }
    }
}

/* What a step of vectors writes beside its results. */
static void fill_lanes(const Exec *e, const Buffer *buffer)
{
    const Layout *l = &buffer->layout;
    for (int32_t c = l->channels; l->block > 1 && c % l->block != 0; ++c) {
        for (int32_t y = 0; y < l->rows; ++y) {
            for (int32_t x = 0; x < l->cols; ++x) {
                *at(view_of(e, buffer), c, y, x) = 12345.0;
            }
        }
    }
}

static double activate(const Activation *act, double x, double slope)
{
    double a = act->attr.a, b = act->attr.b;
    if (act->op == OP_PRELU || act->op == OP_LEAKY_RELU) {
        return x >= 0 ? x : x * (act->op == OP_PRELU ? slope : a);
    }
    if (act->op == OP_IDENTITY) {
        return x;
    }
    if (act->op == OP_RELU) {
        return x > 0 ? x : 0;
    }
    if (act->op == OP_TANH) {
        return tanh(x);
    }
    if (act->op == OP_SCALED_TANH) {
        return a * tanh(b * x);
    }
    if (act->op == OP_CLAMP) {
        return fmin(fmax(x, a), b);
    }
    if (act->op == OP_SIGMOID) {
        return 1 / (1 + exp(-x));
    }
    if (act->op == OP_RELU6) {
        return fmin(fmax(x, 0), 6);
    }
    if (act->op == OP_SILU) {
        return x / (1 + exp(-x));
    }
    cr_assert_fail("activation %s is not known here", op_info(act->op)->name);
    return 0;
}

static double *constant(const Exec *e, const Segment *segment)
{
    int64_t count = type_elements(segment->source->type);
    double *values = ARENA_ARRAY(e->arena, double, count);
    Arena *scratch = arena_create();
    const_eval_range(segment->source, e->weights, 0, count, values, scratch);
    arena_destroy(scratch);
    if (segment->table.n_rows > 0) { /* windows of connections: the others are zero */
        int64_t window = (int64_t)segment->format.window_rows * segment->format.window_cols;
        double *all = ARENA_ARRAY(e->arena, double, (int64_t)segment->rows * segment->cols);
        cr_assert_eq(count, segment->table.start[segment->table.n_rows] * window);
        for (int64_t o = 0; o < segment->rows; ++o) {
            for (int64_t k = segment->table.start[o]; k < segment->table.start[o + 1]; ++k) {
                memcpy(all + o * segment->cols + segment->table.values[k] * window, values + k * window,
                       (size_t)window * sizeof *all);
            }
        }
        return all;
    }
    if (segment->phase.rows > 0) { /* [in, out, kh, kw] to the phase's [out, in, taps], backwards */
        const TapPhase *p = &segment->phase;
        int64_t rows = segment->format.window_rows, cols = segment->format.window_cols;
        int64_t window = rows * cols, all = (int64_t)p->rows * p->cols, inputs = segment->cols / window;
        double *phase = ARENA_ARRAY(e->arena, double, (int64_t)segment->rows * segment->cols);
        cr_assert_eq(count, segment->rows * inputs * all);
        for (int64_t k = 0; k < segment->rows * segment->cols; ++k) {
            int64_t o = k / segment->cols, i = k % segment->cols / window, u = k % window / cols, v = k % cols;
            phase[k] = values[(i * segment->rows + o) * all + (p->first[0] + (rows - 1 - u) * p->step[0]) * p->cols +
                              p->first[1] + (cols - 1 - v) * p->step[1]];
        }
        return phase;
    }
    cr_assert_eq(count, (int64_t)segment->rows * segment->cols);
    return values;
}

/* CONV, DEPTHWISE, DENSE: weight rows are output channels, columns (input channel of the group, ky, kx). */
/* Filters [O][C][window] as those of the convolution of stride 1 whose inputs are the S x S phases: [O][S * S * C][taps]. */
static const double *filters_of_phases(const Exec *e, const Kernel *kernel, const double *weight)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t stride = kernel->lane_phases, rows = kernel->lane_rows, cols = kernel->lane_cols;
    int32_t channels = s->in_channels / stride / stride;
    double *filters =
        ARENA_ARRAY(e->arena, double, (int64_t)s->out_channels * s->in_channels * s->kernel_rows * s->kernel_cols);
    double *to = filters;
    for (int32_t o = 0; o < s->out_channels; ++o) {
        for (int32_t c = 0; c < s->in_channels; ++c) {
            int32_t phase = c / channels;
            const double *from = weight + ((int64_t)o * channels + c % channels) * rows * cols;
            for (int32_t u = 0; u < s->kernel_rows; ++u) {
                for (int32_t v = 0; v < s->kernel_cols; ++v) {
                    int32_t y = stride * u + phase / stride, x = stride * v + phase % stride;
                    *to++ = y < rows && x < cols ? from[y * cols + x] : 0.0;
                }
            }
        }
    }
    return filters;
}

static void run_space_to_depth(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    int32_t stride = s->stride_rows, block = out.layout->block;
    for (int32_t c = 0; c < (s->out_channels + block - 1) / block * block; ++c) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                int32_t phase = c / s->in_channels, y = stride * i + phase / stride - s->pad_top;
                int32_t x = stride * j + phase % stride - s->pad_left;
                bool inside = c < s->out_channels && y >= 0 && y < s->in_rows && x >= 0 && x < s->in_cols;
                *at(out, c, i, j) = inside ? *at(in, c % s->in_channels, y, x) : 0.0;
            }
        }
    }
}

/* The 2x2 pool that a convolution does too: of the results o, planes of rows x cols, which are not stored. */
static void store_pooled(const double *result, bool is_max, int32_t channels, int32_t rows, int32_t cols, View out)
{
    for (int32_t o = 0; o < channels; ++o, result += (int64_t)rows * cols) {
        for (int32_t i = 0; i < rows / 2; ++i) {
            for (int32_t j = 0; j < cols / 2; ++j) {
                const double *from = result + 2 * i * cols + 2 * j;
                double largest = fmax(fmax(from[0], from[1]), fmax(from[cols], from[cols + 1]));
                *at(out, o, i, j) = is_max ? largest : (from[0] + from[1] + from[cols] + from[cols + 1]) / 4;
            }
        }
    }
}

/* The input as it is multiplied: of a kernel with a prologue act(x * scale + shift) or act(x), else as it lies. */
static View prologue_of(const Exec *e, const Step *step, View in)
{
    const Kernel *kernel = step->kernel;
    cr_assert_eq(kernel->prologue.kind == PROLOGUE_NORM, step->norm != NULL);
    if (kernel->prologue.kind == PROLOGUE_NONE || kernel->prologue.kind == PROLOGUE_MEAN) {
        return in; /* means are taken by run_product */
    }
    const KernelSizes *s = &kernel->sizes;
    const double *scale = NULL, *shift = NULL;
    if (step->norm != NULL) {
        cr_assert(s->kernel_rows == 1 && s->kernel_cols == 1 && s->groups == 1 && s->pad_top == 0 && s->pad_left == 0);
        scale = constant(e, step->norm);
        shift = scale + s->in_channels;
    } else {
        cr_assert_eq(kernel->family, KERNEL_DEPTHWISE);
        cr_assert_eq(activate(&kernel->prologue.act, 0.0, 0), 0.0, "zeros around the image would change");
    }
    Layout *plain = ARENA_NEW(e->arena, Layout);
    *plain = layout_plain(type_f32_3(s->in_channels, s->in_rows, s->in_cols));
    View normed = {ARENA_ARRAY(e->arena, double, layout_elements(plain)), plain};
    for (int32_t c = 0; c < s->in_channels; ++c) {
        for (int32_t i = 0; i < s->in_rows * s->in_cols; ++i) {
            int32_t row = i / s->in_cols, col = i % s->in_cols;
            double value = *at(in, c, row, col);
            value = scale != NULL ? value * scale[c] + shift[c] : value;
            *at(normed, c, row, col) = activate(&kernel->prologue.act, value, 0);
        }
    }
    return normed;
}

static void run_product(const Exec *e, const Step *step)
{
    KernelSizes s = step->kernel->sizes;
    if (step->kernel->family == KERNEL_DENSE) {
        s.kernel_rows = s.kernel_cols = s.stride_rows = s.stride_cols = s.dilation_rows = s.dilation_cols = s.groups =
            1;
    } else if (step->kernel->family == KERNEL_DEPTHWISE) {
        cr_assert_eq(s.multiplier * s.in_channels, s.out_channels);
        s.groups = s.in_channels;
    }
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output), residual = {0};
    Layout plain = layout_plain(type_f32_1(s.in_channels));
    double *flat = NULL;
    if (step->kernel->family == KERNEL_DENSE) { /* of an image in any layout: its elements in logical order */
        const Layout *l = in.layout;
        flat = ARENA_ARRAY(e->arena, double, s.in_channels);
        int32_t pixels = l->rows * l->cols;
        if (step->kernel->prologue.kind == PROLOGUE_MEAN) {
            cr_assert(s.in_channels == l->channels && s.in_rows == l->rows && s.in_cols == l->cols);
            for (int32_t i = 0; i < s.in_channels * pixels; ++i) {
                flat[i / pixels] += *at(in, i / pixels, i / l->cols % l->rows, i % l->cols) / pixels;
            }
            s.in_rows = s.in_cols = 1;
        } else {
            for (int32_t i = 0; i < s.in_channels; ++i) {
                flat[i] = *at(in, i / pixels, i / l->cols % l->rows, i % l->cols);
            }
        }
        in = (View){flat, &plain};
    } else if (step->kernel->vector > 1) { /* rows may have become one: as the record says, not the buffers */
        in.layout = &step->kernel->in;
        out.layout = &step->kernel->out;
    }
    if (step->residual != NULL) {
        residual = view_of(e, step->residual);
        residual.layout = step->kernel->vector > 1 ? &step->kernel->residual : residual.layout;
    }
    in = prologue_of(e, step, in);
    const double *weight = constant(e, step->weight), *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    weight = step->kernel->lane_phases > 0 ? filters_of_phases(e, step->kernel, weight) : weight;
    View in2 = {0}; /* of a second convolution, 1x1, in the same sums */
    if (s.second_stride_rows > 0) {
        cr_assert_eq(step->n_inputs, 2);
        in2 = (View){memory_of(e, step->inputs[1]), &step->kernel->in2};
    } else {
        cr_assert_eq(step->n_inputs, 1);
    }
    cr_assert_eq(step->kernel->epilogue.bias, bias != NULL);
    cr_assert_eq(step->kernel->epilogue.residual, step->residual != NULL);
    int32_t per_group = s.in_channels / s.groups, out_per_group = s.out_channels / s.groups;
    int64_t plane = (int64_t)s.out_rows * s.out_cols;
    bool pools = step->kernel->max_pool || step->kernel->avg_pool;
    double *result = ARENA_ARRAY(e->arena, double, s.out_channels *plane);
    for (int32_t o = 0; o < s.out_channels; ++o) {
        for (int64_t p = 0; p < plane; ++p) {
            int32_t i = (int32_t)(p / s.out_cols), j = (int32_t)(p % s.out_cols);
            double sum = bias == NULL ? 0 : bias[o];
            int32_t second = in2.layout != NULL ? in2.layout->channels : 0;
            const double *w = weight + (int64_t)o * (per_group * s.kernel_rows * s.kernel_cols + second);
            for (int32_t c = 0; c < per_group; ++c) {
                for (int32_t u = 0; u < s.kernel_rows; ++u) {
                    for (int32_t v = 0; v < s.kernel_cols; ++v, ++w) {
                        int32_t y = i * s.stride_rows + u * s.dilation_rows - s.pad_top;
                        int32_t x = j * s.stride_cols + v * s.dilation_cols - s.pad_left;
                        if (y >= 0 && y < s.in_rows && x >= 0 && x < s.in_cols) {
                            sum += *w * *at(in, o / out_per_group * per_group + c, y, x);
                        }
                    }
                }
            }
            for (int32_t c = 0; c < second; ++c, ++w) {
                sum += *w * *at(in2, c, i * s.second_stride_rows, j * s.second_stride_cols);
            }
            result[o * plane + p] = sum;
        }
    }
    for (int32_t o = 0; o < s.out_channels; ++o) {
        for (int64_t p = 0; p < plane; ++p) {
            int32_t i = (int32_t)(p / s.out_cols), j = (int32_t)(p % s.out_cols);
            double sum = result[o * plane + p];
            if (step->residual != NULL) {
                sum += *at(residual, o, i, j);
            }
            sum = activate(&step->kernel->epilogue.act, sum, 0);
            if (step->weight->phase.rows > 0) { /* every so many pixels, from the step's offset on */
                int32_t apart = step->kernel->out_step > 1 ? step->kernel->out_step : 1;
                const Layout *l = out.layout;
                double *y = out.base + step->output_offset + o / l->block * l->plane_stride + i * l->row_stride;
                y[(int64_t)j * apart * l->block + o % l->block] = sum;
            } else if (pools) {
                result[o * plane + p] = sum;
            } else {
                *at(out, o, i, j) = sum;
            }
        }
    }
    if (pools) {
        store_pooled(result, step->kernel->max_pool, s.out_channels, s.out_rows, s.out_cols, out);
    }
}

static double pool_window(const Step *step, View in, int32_t c, int32_t i, int32_t j)
{
    const KernelSizes *s = &step->kernel->sizes;
    int32_t y0, y1, x0, x1;
    if (s->adaptive || step->kernel->family == KERNEL_GLOBAL_POOL) {
        y0 = i * s->in_rows / s->out_rows;
        y1 = ((i + 1) * s->in_rows + s->out_rows - 1) / s->out_rows;
        x0 = j * s->in_cols / s->out_cols;
        x1 = ((j + 1) * s->in_cols + s->out_cols - 1) / s->out_cols;
    } else {
        y0 = i * s->stride_rows - s->pad_top;
        y1 = y0 + s->kernel_rows;
        x0 = j * s->stride_cols - s->pad_left;
        x1 = x0 + s->kernel_cols;
    }
    bool is_max = step->kernel->family == KERNEL_MAX_POOL || s->is_max;
    double best = -INFINITY, sum = 0;
    int64_t cells = 0;
    for (int32_t y = y0; y < y1; ++y) {
        for (int32_t x = x0; x < x1; ++x) {
            bool inside = y >= 0 && y < s->in_rows && x >= 0 && x < s->in_cols;
            bool padded = y < s->in_rows + s->pad_bottom && x < s->in_cols + s->pad_right;
            if (inside) {
                best = fmax(best, *at(in, c, y, x));
                sum += *at(in, c, y, x);
            }
            cells += inside || (s->count_pad && padded);
        }
    }
    return is_max ? best : sum / (double)cells;
}

static void run_pool(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                *at(view_of(e, step->output), c, i, j) = pool_window(step, view_of(e, step->inputs[0]), c, i, j);
            }
        }
    }
}

static double binary_operand(const Exec *e, const Step *step, int operand, int32_t c, int32_t i, int32_t j)
{
    const KernelSizes *s = &step->kernel->sizes;
    if (s->scalar_is_literal[operand]) {
        return s->scalar[operand];
    }
    View v = view_of(e, step->inputs[operand == 1 && !s->scalar_is_literal[0] ? 1 : 0]);
    switch (s->broadcast[operand]) {
    case BROADCAST_NONE:
        return *at(v, c, i, j);
    case BROADCAST_CHANNEL:
        return *at(v, c, 0, 0);
    case BROADCAST_SCALAR:
        return *at(v, 0, 0, 0);
    }
    return 0;
}

static double elementwise(const Exec *e, const Step *step, const double *weight, const double *bias, int32_t c,
                          int32_t i, int32_t j)
{
    const Kernel *kernel = step->kernel;
    if (kernel->family == KERNEL_CHANNEL_AFFINE) {
        return activate(&kernel->epilogue.act, *at(view_of(e, step->inputs[0]), c, i, j) * weight[c] + bias[c], 0);
    }
    if (kernel->family == KERNEL_UNARY) {
        double x = *at(view_of(e, step->inputs[0]), c, i, j);
        return activate(&kernel->epilogue.act, x, weight == NULL ? 0 : weight[c]);
    }
    double a = binary_operand(e, step, 0, c, i, j), b = binary_operand(e, step, 1, c, i, j);
    double y = kernel->sizes.op == OP_ADD ? a + b : kernel->sizes.op == OP_SUB ? a - b : a * b;
    if (step->residual != NULL) {
        y += *at(view_of(e, step->residual), c, i, j);
    }
    return activate(&kernel->epilogue.act, y, 0);
}

static void run_elementwise(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *weight = step->weight == NULL ? NULL : constant(e, step->weight);
    const double *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) { /* element by element: in place must do */
                *at(view_of(e, step->output), c, i, j) = elementwise(e, step, weight, bias, c, i, j);
            }
        }
    }
}

static void run_across_channels(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    for (int32_t p = 0; p < s->in_rows * s->in_cols; ++p) {
        int32_t i = p / s->in_cols, j = p % s->in_cols;
        double most = -INFINITY, sum = 0;
        for (int32_t c = 0; c < s->in_channels; ++c) {
            most = fmax(most, *at(in, c, i, j));
        }
        for (int32_t c = 0; c < s->in_channels; ++c) {
            sum += exp(*at(in, c, i, j) - most);
        }
        for (int32_t c = 0; c < s->in_channels; ++c) {
            double x = *at(in, c, i, j), squares = 0;
            for (int32_t k = c - s->lrn.size / 2; k <= c + (s->lrn.size - 1) / 2; ++k) {
                squares += k >= 0 && k < s->in_channels ? *at(in, k, i, j) * *at(in, k, i, j) : 0;
            }
            double alpha = s->lrn.alpha_div_n ? s->lrn.alpha / s->lrn.size : s->lrn.alpha;
            *at(out, c, i, j) = step->kernel->family == KERNEL_LRN ? x / pow(s->lrn.k + alpha * squares, s->lrn.beta)
                                : s->is_log                        ? x - most - log(sum)
                                                                   : exp(x - most) / sum;
        }
    }
}

static void run_copy(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *in = memory_of(e, step->inputs[0]) + step->input_offset[0];
    double *out = memory_of(e, step->output) + step->output_offset;
    for (int32_t c = 0; c < s->in_channels; ++c) {
        if (s->out_rows != s->in_rows || s->out_cols != s->in_cols) {
            for (int32_t y = 0; y < s->out_rows; ++y) {
                for (int32_t x = 0; x < s->out_cols; ++x) {
                    out[c * s->out_stride[0] + y * s->out_stride[1] + x * s->out_stride[2]] = s->scalar[0];
                }
            }
        }
        for (int32_t y = 0; y < s->in_rows; ++y) {
            for (int32_t x = 0; x < s->in_cols; ++x) {
                out[c * s->out_stride[0] + (y + s->pad_top) * s->out_stride[1] + (x + s->pad_left) * s->out_stride[2]] =
                    in[c * s->in_stride[0] + y * s->in_stride[1] + x * s->in_stride[2]];
            }
        }
    }
}

static void run_convert(const Exec *e, const Step *step)
{
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    in.base += step->input_offset[0];
    in.layout = &step->kernel->in; /* maybe a window of the buffer */
    for (int32_t c = 0; c < in.layout->channels; ++c) {
        for (int32_t y = 0; y < in.layout->rows; ++y) {
            for (int32_t x = 0; x < in.layout->cols; ++x) {
                *at(out, c, y, x) = *at(in, c, y, x);
            }
        }
    }
}

/* --- families of one op */

static void run_conv_transpose(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    const double *weight = constant(e, step->weight), *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    int32_t per_group = s->in_channels / s->groups, out_per_group = s->out_channels / s->groups;
    for (int32_t o = 0; o < s->out_channels; ++o) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                double sum = bias == NULL ? 0 : bias[o];
                for (int32_t c = 0; c < per_group; ++c) {
                    int32_t from = o / out_per_group * per_group + c; /* weights: [in][out of a group][ky][kx] */
                    const double *w =
                        weight + ((int64_t)from * out_per_group + o % out_per_group) * s->kernel_rows * s->kernel_cols;
                    for (int32_t k = 0; k < s->kernel_rows * s->kernel_cols; ++k) {
                        int32_t y = i + s->pad_top - k / s->kernel_cols * s->dilation_rows;
                        int32_t x = j + s->pad_left - k % s->kernel_cols * s->dilation_cols;
                        if (y >= 0 && y % s->stride_rows == 0 && y / s->stride_rows < s->in_rows && x >= 0 &&
                            x % s->stride_cols == 0 && x / s->stride_cols < s->in_cols) {
                            sum += w[k] * *at(in, from, y / s->stride_rows, x / s->stride_cols);
                        }
                    }
                }
                if (step->residual != NULL) {
                    sum += *at(view_of(e, step->residual), o, i, j);
                }
                *at(out, o, i, j) = activate(&step->kernel->epilogue.act, sum, 0);
            }
        }
    }
}

static void run_table_conv(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *weight = constant(e, step->weight), *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    for (int32_t o = 0; o < s->out_channels; ++o) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                double sum = bias == NULL ? 0 : bias[o];
                for (int32_t k = s->table.start[o]; k < s->table.start[o + 1]; ++k) {
                    for (int32_t t = 0; t < s->kernel_rows * s->kernel_cols; ++t) {
                        int32_t y = i * s->stride_rows + t / s->kernel_cols * s->dilation_rows - s->pad_top;
                        int32_t x = j * s->stride_cols + t % s->kernel_cols * s->dilation_cols - s->pad_left;
                        if (y >= 0 && y < s->in_rows && x >= 0 && x < s->in_cols) {
                            sum += weight[(int64_t)k * s->kernel_rows * s->kernel_cols + t] *
                                   *at(view_of(e, step->inputs[0]), s->table.values[k], y, x);
                        }
                    }
                }
                if (step->residual != NULL) {
                    sum += *at(view_of(e, step->residual), o, i, j);
                }
                *at(view_of(e, step->output), o, i, j) = activate(&step->kernel->epilogue.act, sum, 0);
            }
        }
    }
}

static void run_instance_norm(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    const double *weight = step->weight == NULL ? NULL : constant(e, step->weight);
    const double *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    int32_t pixels = s->in_rows * s->in_cols;
    double *normal = ARENA_ARRAY(e->arena, double, pixels);
    for (int32_t c = 0; c < s->in_channels; ++c) {
        double mean = 0, variance = 0;
        for (int32_t p = 0; p < pixels; ++p) {
            mean += *at(in, c, p / s->in_cols, p % s->in_cols) / pixels;
        }
        for (int32_t p = 0; p < pixels; ++p) {
            variance += pow(*at(in, c, p / s->in_cols, p % s->in_cols) - mean, 2) / pixels;
        }
        for (int32_t p = 0; p < pixels; ++p) {
            double y = (*at(in, c, p / s->in_cols, p % s->in_cols) - mean) / sqrt(variance + s->eps);
            y = weight == NULL ? y : y * weight[c] + bias[c];
            normal[p] = y;
        }
        for (int32_t p = 0; p < pixels; ++p) {
            double add =
                step->residual == NULL ? 0 : *at(view_of(e, step->residual), c, p / s->in_cols, p % s->in_cols);
            *at(out, c, p / s->in_cols, p % s->in_cols) = activate(&step->kernel->epilogue.act, normal[p] + add, 0);
        }
    }
}

static void run_l2_normalize(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]), out = view_of(e, step->output);
    for (int32_t p = 0; p < s->in_rows * s->in_cols; ++p) {
        int32_t i = p / s->in_cols, j = p % s->in_cols;
        double squares = 0;
        for (int32_t c = 0; c < s->in_channels; ++c) {
            squares += pow(*at(in, c, i, j), 2);
        }
        for (int32_t c = 0; c < s->in_channels; ++c) {
            *at(out, c, i, j) = *at(in, c, i, j) / fmax(sqrt(squares), s->eps);
        }
    }
}

/* Where along one axis a border shows the input: of n, for place i before or after it. */
static int32_t mirrored(const KernelSizes *s, int32_t i, int32_t n)
{
    if (s->border == PAD_EDGE) {
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    }
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

/* Bilinear: element of a row or column of n at a place between 0 and n - 1. */
static double place_of(int32_t i, int32_t scale, int32_t n)
{
    return fmin(fmax((i + 0.5) / scale - 0.5, 0), n - 1);
}

static double resampled(const Exec *e, const Step *step, int32_t c, int32_t i, int32_t j)
{
    const KernelSizes *s = &step->kernel->sizes;
    View in = view_of(e, step->inputs[0]);
    if (step->kernel->family == KERNEL_BORDER && s->border == PAD_ZERO) {
        bool inside =
            i >= s->pad_top && i < s->pad_top + s->in_rows && j >= s->pad_left && j < s->pad_left + s->in_cols;
        return inside ? *at(in, c, i - s->pad_top, j - s->pad_left) : s->scalar[0];
    }
    if (step->kernel->family == KERNEL_BORDER) {
        return *at(in, c, mirrored(s, i - s->pad_top, s->in_rows), mirrored(s, j - s->pad_left, s->in_cols));
    }
    if (!s->bilinear) {
        return *at(in, c, i / s->stride_rows, j / s->stride_cols);
    }
    double y = place_of(i, s->stride_rows, s->in_rows), x = place_of(j, s->stride_cols, s->in_cols), sum = 0;
    for (int32_t v = 0; v < s->in_rows; ++v) { /* a tent above each pixel */
        for (int32_t u = 0; u < s->in_cols; ++u) {
            sum += fmax(0, 1 - fabs(y - v)) * fmax(0, 1 - fabs(x - u)) * *at(in, c, v, u);
        }
    }
    return sum;
}

static double subsampled(const Exec *e, const Step *step, int32_t c, int32_t i, int32_t j)
{
    const KernelSizes *s = &step->kernel->sizes;
    double sum = 0;
    for (int32_t k = 0; k < s->kernel_rows * s->kernel_cols; ++k) {
        sum += *at(view_of(e, step->inputs[0]), c, i * s->kernel_rows + k / s->kernel_cols,
                   j * s->kernel_cols + k % s->kernel_cols);
    }
    return sum;
}

/* BORDER, UPSAMPLE, SUBSAMPLE, PIXELS: element by element. */
static void run_resample(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *weight = step->weight == NULL ? NULL : constant(e, step->weight);
    const double *bias = step->bias == NULL ? NULL : constant(e, step->bias);
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t i = 0; i < s->out_rows; ++i) {
            for (int32_t j = 0; j < s->out_cols; ++j) {
                double y = step->kernel->family == KERNEL_SUBSAMPLE ? subsampled(e, step, c, i, j)
                           : step->kernel->family == KERNEL_PIXELS  ? *at(view_of(e, step->inputs[0]), c, i, j)
                                                                    : resampled(e, step, c, i, j);
                *at(view_of(e, step->output), c, i, j) = weight == NULL ? y : y * weight[c] + bias[c];
            }
        }
    }
}

/* Operands of these are plain: the elements are simply counted. */
static void run_reduction(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *x = memory_of(e, step->inputs[0]);
    double *y = memory_of(e, step->output);
    int32_t pixels = s->in_rows * s->in_cols;
    if (step->kernel->family == KERNEL_GRAM) {
        for (int32_t k = 0; k < s->in_channels * s->in_channels; ++k) {
            y[k] = 0;
            for (int32_t p = 0; p < pixels; ++p) {
                double first = *at(view_of(e, step->inputs[0]), k / s->in_channels, p / s->in_cols, p % s->in_cols);
                double second = *at(view_of(e, step->inputs[0]), k % s->in_channels, p / s->in_cols, p % s->in_cols);
                y[k] += first * second / (s->in_channels * pixels);
            }
        }
    } else if (step->kernel->family == KERNEL_RBF) {
        const double *row = constant(e, step->weight);
        for (int32_t o = 0; o < s->out_channels; ++o) {
            y[o] = 0;
            for (int32_t i = 0; i < s->in_channels; ++i) {
                y[o] += pow(x[i] - *row++, 2);
            }
        }
    } else {
        double sum = 0;
        for (int32_t i = 0; i < s->in_channels; ++i) {
            sum += s->op == OP_MSE ? pow(x[i] - memory_of(e, step->inputs[1])[i], 2) : x[i];
        }
        y[0] = s->op == OP_SUM ? sum : sum / s->in_channels;
    }
}

static void run_selection(const Exec *e, const Step *step)
{
    const KernelSizes *s = &step->kernel->sizes;
    const double *x = memory_of(e, step->inputs[0]);
    double *y = memory_of(e, step->output);
    int32_t pixels = s->in_rows * s->in_cols;
    if (step->kernel->family == KERNEL_ARGMAX) {
        for (int32_t p = 0; p < pixels; ++p) {
            int32_t best = 0;
            for (int32_t c = 0; c < s->in_channels; ++c) {
                best = x[c * pixels + p] > x[best * pixels + p] ? c : best;
            }
            y[p] = best;
        }
        return;
    }
    for (int32_t i = 0; i < s->in_channels; ++i) { /* the rank of each: how many come before it */
        int32_t rank = 0;
        for (int32_t k = 0; k < s->in_channels; ++k) {
            rank += x[k] > x[i] || (x[k] == x[i] && k < i);
        }
        if (rank < s->k) {
            y[rank] = s->indices ? i : x[i];
        }
    }
}

static void run_step(const Exec *e, const Step *step)
{
    switch (step->kernel->family) {
    case KERNEL_CONV:
    case KERNEL_DEPTHWISE:
    case KERNEL_DENSE:
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_ROWS:
    case KERNEL_WINOGRAD:
    case KERNEL_WINOGRAD_LIVE:
    case KERNEL_STRASSEN:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
        run_product(e, step);
        return;
    case KERNEL_MAX_POOL:
    case KERNEL_AVG_POOL:
    case KERNEL_GLOBAL_POOL:
        run_pool(e, step);
        return;
    case KERNEL_UNARY:
    case KERNEL_BINARY:
    case KERNEL_CHANNEL_AFFINE:
        run_elementwise(e, step);
        return;
    case KERNEL_LRN:
    case KERNEL_SOFTMAX:
        run_across_channels(e, step);
        return;
    case KERNEL_COPY:
        run_copy(e, step);
        return;
    case KERNEL_CONV_TRANSPOSE:
        run_conv_transpose(e, step);
        return;
    case KERNEL_TABLE_CONV:
        run_table_conv(e, step);
        return;
    case KERNEL_INSTANCE_NORM:
        run_instance_norm(e, step);
        return;
    case KERNEL_L2_NORMALIZE:
        run_l2_normalize(e, step);
        return;
    case KERNEL_BORDER:
    case KERNEL_UPSAMPLE:
    case KERNEL_SUBSAMPLE:
    case KERNEL_PIXELS:
        run_resample(e, step);
        return;
    case KERNEL_GRAM:
    case KERNEL_RBF:
    case KERNEL_REDUCE:
        run_reduction(e, step);
        return;
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
        run_selection(e, step);
        return;
    case KERNEL_CONVERT:
        run_convert(e, step);
        return;
    case KERNEL_SPACE_TO_DEPTH:
        run_space_to_depth(e, step);
        return;
    case KERNEL_ZERO_HALO: /* not a step: Step.zero_halo */
    case KERNEL_FAMILY_COUNT:
        break;
    }
    cr_assert_fail("no such family");
}

double **lower_exec(const Program *program, const Weights *weights, const double *const *inputs, Arena *arena)
{
    const Graph *graph = program->graph;
    Exec e = {.program = program,
              .weights = weights,
              .arena = arena,
              .memory = ARENA_ARRAY(arena, double, program->arena_bytes / 4 + 1)};
    fill(e.memory, program->arena_bytes / 4, NAN); /* what is read before it is written shows */
    e.ports[BUFFER_INPUT] = ARENA_ARRAY(arena, double *, graph->n_inputs);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        const Layout *layout = &program->inputs[i]->layout;
        e.ports[BUFFER_INPUT][i] = ARENA_ARRAY(arena, double, layout_elements(layout));
        const double *from = inputs[i];
        View to = {e.ports[BUFFER_INPUT][i], layout};
        for (int32_t c = 0; c < layout->channels; ++c) {
            for (int32_t y = 0; y < layout->rows; ++y) {
                for (int32_t x = 0; x < layout->cols; ++x) {
                    *at(to, c, y, x) = *from++;
                }
            }
        }
    }
    e.ports[BUFFER_OUTPUT] = ARENA_ARRAY(arena, double *, graph->n_outputs);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        e.ports[BUFFER_OUTPUT][i] = ARENA_ARRAY(arena, double, layout_elements(&program->outputs[i]->layout));
    }
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        for (uint32_t i = 0; step->kernel->vector > 1 && i < step->n_inputs; ++i) {
            expect_sound(&e, step, step->inputs[i]);
        }
        if (step->kernel->vector > 1 && step->residual != NULL) {
            expect_sound(&e, step, step->residual);
        }
        if (step->zero_halo != NULL) {
            zero_halo(&e, step->halo_of);
        }
        if (step->scratch != NULL) { /* whatever zeros were there are gone */
            fill(memory_of(&e, step->scratch), step->scratch->bytes / 4, NAN);
        }
        run_step(&e, step);
        if (step->kernel->vector > 1) {
            fill_lanes(&e, step->output);
        }
    }
    return e.ports[BUFFER_OUTPUT];
}

void lower_exec_compare(const Program *program, const char *what)
{
    Arena *arena = arena_create();
    Weights *weights = weights_formula(arena);
    const Graph *graph = program->graph;
    double **inputs = interp_formula_inputs(graph, arena);
    InterpResult expected = interp_run(graph, weights, (const double *const *)inputs, false, arena);
    double **outputs = lower_exec(program, weights, (const double *const *)inputs, arena);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Node *node = graph->outputs[i].node;
        const double *want = expected.values[node->id];
        double most = 0;
        for (int64_t k = 0; k < type_elements(node->type); ++k) {
            most = fmax(most, fabs(want[k]));
        }
        for (int64_t k = 0; k < type_elements(node->type); ++k) {
            cr_assert(fabs(outputs[i][k] - want[k]) <= 1e-12 * most,
                      "%s, output %u, element %lld: %.17g instead of %.17g", what, i, (long long)k, outputs[i][k],
                      want[k]);
        }
    }
    weights_close(weights);
    arena_destroy(arena);
}
