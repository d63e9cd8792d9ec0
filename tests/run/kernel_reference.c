/* The reference for generated kernels: each family as its definition reads, one output at a time, in double. */
#include "kernel_reference.h"

#include <math.h>

KernelSizes reference_sizes(int32_t ic, int32_t rows, int32_t cols, int32_t oc, int32_t kernel, int32_t stride,
                            int32_t pad, int32_t extra)
{
    KernelSizes s = {.in_channels = ic,
                     .in_rows = rows,
                     .in_cols = cols,
                     .out_channels = oc,
                     .kernel_rows = kernel,
                     .kernel_cols = kernel,
                     .stride_rows = stride,
                     .stride_cols = stride,
                     .dilation_rows = 1,
                     .dilation_cols = 1,
                     .pad_top = pad,
                     .pad_left = pad,
                     .pad_bottom = pad + extra,
                     .pad_right = pad + extra,
                     .groups = 1};
    s.out_rows = (rows + 2 * pad + extra - kernel) / stride + 1;
    s.out_cols = (cols + 2 * pad + extra - kernel) / stride + 1;
    return s;
}

static double activate(const Activation *act, double v)
{
    double a = act->attr.a, b = act->attr.b;
    switch ((int)act->op) {
    case OP_RELU:
        return v < 0.0 ? 0.0 : v;
    case OP_RELU6:
        return fmin(fmax(v, 0.0), 6.0);
    case OP_LEAKY_RELU:
        return v >= 0.0 ? v : a * v;
    case OP_SIGMOID:
        return 1.0 / (1.0 + exp(-v));
    case OP_HARD_SIGMOID:
        return fmin(fmax(v / 6.0 + 0.5, 0.0), 1.0);
    case OP_TANH:
        return tanh(v);
    case OP_SCALED_TANH:
        return a * tanh(b * v);
    case OP_SILU:
        return v / (1.0 + exp(-v));
    case OP_HARD_SWISH:
        return v * fmin(fmax(v / 6.0 + 0.5, 0.0), 1.0);
    case OP_GELU:
        return v / 2.0 * (1.0 + erf(v / sqrt(2.0)));
    case OP_ELU:
        return v > 0.0 ? v : a * expm1(v);
    case OP_SOFTPLUS:
        return fmax(v, 0.0) + log1p(exp(-fabs(v)));
    case OP_STEP:
        return v >= 0.0 ? 1.0 : 0.0;
    case OP_CLAMP:
        return fmin(fmax(v, a), b);
    case OP_IDENTITY:
        return v;
    default:
        return NAN;
    }
}

static int64_t volume(int64_t c, int64_t h, int64_t w)
{
    return c * h * w;
}

void kernel_data_sizes(const Kernel *kernel, KernelData *data)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t window = (int64_t)s->kernel_rows * s->kernel_cols;
    data->x_count[0] = volume(s->in_channels, s->in_rows, s->in_cols);
    data->x_count[1] = 0;
    data->y_count = volume(s->out_channels, s->out_rows, s->out_cols);
    data->weight_count = data->bias_count = 0;
    switch (kernel->family) {
    case KERNEL_CONV:
    case KERNEL_WINOGRAD:
        data->weight_count = s->out_channels * (int64_t)(s->in_channels / s->groups) * window;
        data->bias_count = s->out_channels;
        if (s->second_stride_rows > 0) {
            data->x_count[1] = volume(kernel->in2.channels, kernel->in2.rows, kernel->in2.cols);
            data->weight_count += s->out_channels * (int64_t)kernel->in2.channels;
        }
        break;
    case KERNEL_DEPTHWISE:
        data->weight_count = s->out_channels * window;
        data->bias_count = s->out_channels;
        break;
    case KERNEL_DENSE:
        data->weight_count = (int64_t)s->out_channels * s->in_channels;
        data->bias_count = s->out_channels;
        break;
    case KERNEL_UNARY:
    case KERNEL_CHANNEL_AFFINE:
    case KERNEL_SUBSAMPLE:
        data->weight_count = data->bias_count = s->in_channels;
        break;
    case KERNEL_INSTANCE_NORM:
        data->weight_count = data->bias_count = kernel->epilogue.bias ? s->in_channels : 0;
        break;
    case KERNEL_BINARY: {
        int next = 0;
        for (int k = 0; k < 2; ++k) {
            if (!s->scalar_is_literal[k]) {
                data->x_count[next++] = s->broadcast[k] == BROADCAST_NONE      ? data->y_count
                                        : s->broadcast[k] == BROADCAST_CHANNEL ? s->in_channels
                                                                               : 1;
            }
        }
        break;
    }
    case KERNEL_COPY: {
        int64_t last = 0, last_out = 0;
        const int32_t count[3] = {s->in_channels, s->in_rows, s->in_cols};
        const int32_t out_count[3] = {s->in_channels, s->in_rows + s->pad_top + s->pad_bottom,
                                      s->in_cols + s->pad_left + s->pad_right};
        for (int i = 0; i < 3; ++i) {
            last += (count[i] - 1) * s->in_stride[i];
            last_out += (out_count[i] - 1) * s->out_stride[i];
        }
        data->x_count[0] = last + 1;
        data->y_count = last_out + 1;
        break;
    }
    case KERNEL_MAX_POOL:
    case KERNEL_AVG_POOL:
    case KERNEL_GLOBAL_POOL:
    case KERNEL_LRN:
    case KERNEL_SOFTMAX:
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_ROWS:
    case KERNEL_WINOGRAD_LIVE:
    case KERNEL_STRASSEN:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
    case KERNEL_CONVERT:
    case KERNEL_SPACE_TO_DEPTH:
    case KERNEL_ZERO_HALO:
    case KERNEL_FAMILY_COUNT:
    case KERNEL_CONV_TRANSPOSE:
    case KERNEL_TABLE_CONV:
    case KERNEL_RBF:
    case KERNEL_L2_NORMALIZE:
    case KERNEL_BORDER:
    case KERNEL_UPSAMPLE:
    case KERNEL_GRAM:
    case KERNEL_REDUCE:
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
    case KERNEL_PIXELS:
        break;
    }
}

/* --- windows */

/* A second convolution, 1x1, of x[1]; its weights follow those of the first in each row. */
static double second_conv(const Kernel *kernel, const KernelData *d, int32_t oc, int32_t oy, int32_t ox)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *in = &kernel->in2;
    const float *w = d->weights + (int64_t)oc * (s->in_channels + in->channels) + s->in_channels;
    double sum = 0.0;
    for (int32_t i = 0; i < in->channels; ++i) {
        int64_t iy = (int64_t)oy * s->second_stride_rows, ix = (int64_t)ox * s->second_stride_cols;
        sum += (double)d->x[1][(i * in->rows + iy) * in->cols + ix] * w[i];
    }
    return sum;
}

/* x[0], or what becomes of it before it is multiplied. */
static double conv_input(const Kernel *kernel, const KernelData *d, int64_t channel, int64_t row, int64_t col)
{
    const KernelSizes *s = &kernel->sizes;
    double value = d->x[0][(channel * s->in_rows + row) * s->in_cols + col];
    if (kernel->prologue.kind == PROLOGUE_NORM) {
        value = value * d->norm[channel] + d->norm[s->in_channels + channel];
    }
    return kernel->prologue.kind == PROLOGUE_NONE ? value : activate(&kernel->prologue.act, value);
}

static void reference_conv(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    bool depthwise = kernel->family == KERNEL_DEPTHWISE;
    int32_t groups = depthwise ? s->in_channels : s->groups, ic_of_group = s->in_channels / groups,
            oc_of_group = s->out_channels / groups, row = ic_of_group * s->kernel_rows * s->kernel_cols;
    row += s->second_stride_rows > 0 ? kernel->in2.channels : 0;
    for (int32_t oc = 0; oc < s->out_channels; ++oc) {
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                double sum = kernel->epilogue.bias ? d->bias[oc] : 0.0;
                for (int32_t i = 0; i < ic_of_group; ++i) {
                    for (int32_t ky = 0; ky < s->kernel_rows; ++ky) {
                        for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
                            int64_t iy = (int64_t)oy * s->stride_rows + ky * s->dilation_rows - s->pad_top;
                            int64_t ix = (int64_t)ox * s->stride_cols + kx * s->dilation_cols - s->pad_left;
                            if (iy >= 0 && iy < s->in_rows && ix >= 0 && ix < s->in_cols) {
                                int64_t ic = oc / oc_of_group * ic_of_group + i;
                                sum += conv_input(kernel, d, ic, iy, ix) *
                                       d->weights[(int64_t)oc * row +
                                                  ((int64_t)i * s->kernel_rows + ky) * s->kernel_cols + kx];
                            }
                        }
                    }
                }
                int64_t at = ((int64_t)oc * s->out_rows + oy) * s->out_cols + ox;
                sum += s->second_stride_rows > 0 ? second_conv(kernel, d, oc, oy, ox) : 0.0;
                y[at] = activate(&kernel->epilogue.act, sum + (kernel->epilogue.residual ? d->residual[at] : 0.0));
            }
        }
    }
}

static void reference_window_pool(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                double sum = 0.0, largest = -INFINITY;
                int inside = 0, padded = 0;
                for (int32_t ky = 0; ky < s->kernel_rows; ++ky) {
                    for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
                        int32_t iy = oy * s->stride_rows + ky - s->pad_top, ix = ox * s->stride_cols + kx - s->pad_left;
                        padded += iy < s->in_rows + s->pad_bottom && ix < s->in_cols + s->pad_right;
                        if (iy >= 0 && iy < s->in_rows && ix >= 0 && ix < s->in_cols) {
                            double v = d->x[0][((int64_t)c * s->in_rows + iy) * s->in_cols + ix];
                            sum += v;
                            largest = v > largest ? v : largest;
                            ++inside;
                        }
                    }
                }
                double divisor = s->count_pad ? padded : inside;
                y[((int64_t)c * s->out_rows + oy) * s->out_cols + ox] =
                    kernel->family == KERNEL_MAX_POOL ? largest : sum / divisor;
            }
        }
    }
}

static void reference_adaptive(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                int top = (int)floor((double)oy * s->in_rows / s->out_rows),
                    bottom = (int)ceil((oy + 1.0) * s->in_rows / s->out_rows);
                int left = (int)floor((double)ox * s->in_cols / s->out_cols),
                    right = (int)ceil((ox + 1.0) * s->in_cols / s->out_cols);
                double sum = 0.0;
                for (int iy = top; iy < bottom; ++iy) {
                    for (int ix = left; ix < right; ++ix) {
                        sum += d->x[0][((int64_t)c * s->in_rows + iy) * s->in_cols + ix];
                    }
                }
                y[((int64_t)c * s->out_rows + oy) * s->out_cols + ox] = sum / ((bottom - top) * (right - left));
            }
        }
    }
}

static void reference_global(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    for (int32_t c = 0; c < s->in_channels; ++c) {
        double sum = 0.0, largest = -INFINITY;
        for (int64_t i = 0; i < plane; ++i) {
            double v = d->x[0][c * plane + i];
            sum += v;
            largest = v > largest ? v : largest;
        }
        y[c] = s->is_max ? largest : sum / (double)plane;
    }
}

/* --- the rest */

/* x[0], or the mean over the image of channel i. */
static double dense_input(const Kernel *kernel, const KernelData *d, int32_t i)
{
    int64_t pixels = (int64_t)kernel->sizes.in_rows * kernel->sizes.in_cols;
    if (kernel->prologue.kind != PROLOGUE_MEAN) {
        return d->x[0][i];
    }
    double sum = 0.0;
    for (int64_t p = 0; p < pixels; ++p) {
        sum += d->x[0][i * pixels + p];
    }
    return sum / (double)pixels;
}

static void reference_dense(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t u = 0; u < s->out_channels; ++u) {
        double sum = kernel->epilogue.bias ? d->bias[u] : 0.0;
        for (int32_t i = 0; i < s->in_channels; ++i) {
            sum += (double)d->weights[(int64_t)u * s->in_channels + i] * dense_input(kernel, d, i);
        }
        y[u] = activate(&kernel->epilogue.act, sum + (kernel->epilogue.residual ? d->residual[u] : 0.0));
    }
}

static double operand(const KernelSizes *s, const KernelData *d, int k, int64_t at, int64_t channel)
{
    if (s->scalar_is_literal[k]) {
        return s->scalar[k];
    }
    const float *x = d->x[k == 1 && !s->scalar_is_literal[0] ? 1 : 0];
    return x[s->broadcast[k] == BROADCAST_NONE ? at : s->broadcast[k] == BROADCAST_CHANNEL ? channel : 0];
}

static void reference_elementwise(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    for (int64_t at = 0; at < s->in_channels * plane; ++at) {
        int64_t channel = at / plane;
        double v;
        if (kernel->family == KERNEL_BINARY) {
            double a = operand(s, d, 0, at, channel), b = operand(s, d, 1, at, channel);
            v = s->op == OP_ADD ? a + b : s->op == OP_SUB ? a - b : a * b;
            v = activate(&kernel->epilogue.act, v + (kernel->epilogue.residual ? d->residual[at] : 0.0));
        } else if (kernel->family == KERNEL_CHANNEL_AFFINE) {
            v = (double)d->x[0][at] * d->weights[channel] + (kernel->epilogue.bias ? d->bias[channel] : 0.0);
            v = activate(&kernel->epilogue.act, v);
        } else if (kernel->epilogue.act.op == OP_PRELU) {
            v = d->x[0][at] >= 0.0f ? d->x[0][at] : (double)d->x[0][at] * d->weights[channel];
        } else {
            v = activate(&kernel->epilogue.act, d->x[0][at]);
        }
        y[at] = v;
    }
}

static void reference_lrn(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    double alpha = s->lrn.alpha_div_n ? s->lrn.alpha / s->lrn.size : s->lrn.alpha;
    for (int32_t c = 0; c < s->in_channels; ++c) {
        for (int64_t p = 0; p < plane; ++p) {
            double sum = 0.0;
            for (int32_t j = c - s->lrn.size / 2; j <= c + (s->lrn.size - 1) / 2; ++j) {
                if (j >= 0 && j < s->in_channels) {
                    sum += (double)d->x[0][j * plane + p] * d->x[0][j * plane + p];
                }
            }
            y[c * plane + p] = d->x[0][c * plane + p] / pow(s->lrn.k + alpha * sum, s->lrn.beta);
        }
    }
}

static void reference_softmax(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    for (int64_t p = 0; p < plane; ++p) {
        double sum = 0.0, largest = -INFINITY;
        for (int32_t c = 0; c < s->in_channels; ++c) {
            largest = fmax(largest, d->x[0][c * plane + p]);
        }
        for (int32_t c = 0; c < s->in_channels; ++c) {
            sum += exp(d->x[0][c * plane + p] - largest);
        }
        for (int32_t c = 0; c < s->in_channels; ++c) {
            double v = d->x[0][c * plane + p] - largest;
            y[c * plane + p] = s->is_log ? v - log(sum) : exp(v) / sum;
        }
    }
}

static void reference_instance_norm(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    for (int32_t c = 0; c < s->in_channels; ++c) {
        const float *x = d->x[0] + c * plane;
        double mean = 0.0, variance = 0.0;
        for (int64_t p = 0; p < plane; ++p) {
            mean += (double)x[p] / (double)plane;
        }
        for (int64_t p = 0; p < plane; ++p) {
            variance += (x[p] - mean) * (x[p] - mean) / (double)plane;
        }
        for (int64_t p = 0; p < plane; ++p) {
            double v = (x[p] - mean) / sqrt(variance + s->eps);
            v = kernel->epilogue.bias ? v * d->weights[c] + d->bias[c] : v;
            y[c * plane + p] =
                activate(&kernel->epilogue.act, v + (kernel->epilogue.residual ? d->residual[c * plane + p] : 0.0));
        }
    }
}

static void reference_gram(const Kernel *kernel, const KernelData *d, double *y)
{
    int64_t channels = kernel->sizes.in_channels, plane = (int64_t)kernel->sizes.in_rows * kernel->sizes.in_cols;
    for (int64_t a = 0; a < channels; ++a) {
        for (int64_t b = 0; b < channels; ++b) {
            double sum = 0.0;
            for (int64_t p = 0; p < plane; ++p) {
                sum += (double)d->x[0][a * plane + p] * d->x[0][b * plane + p];
            }
            y[a * channels + b] = sum / (double)(channels * plane);
        }
    }
}

static void reference_subsample(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                double sum = 0.0;
                for (int32_t k = 0; k < s->kernel_rows * s->kernel_cols; ++k) {
                    int32_t iy = oy * s->kernel_rows + k / s->kernel_cols,
                            ix = ox * s->kernel_cols + k % s->kernel_cols;
                    sum += d->x[0][((int64_t)c * s->in_rows + iy) * s->in_cols + ix];
                }
                *y++ = sum * d->weights[c] + d->bias[c];
            }
        }
    }
}

/* The place of an axis of n that a border shows at i; -1: none. */
static int32_t shown(PadMode mode, int32_t i, int32_t n)
{
    if (i >= 0 && i < n) {
        return i;
    }
    return mode == PAD_ZERO ? -1 : mode == PAD_EDGE ? (i < 0 ? 0 : n - 1) : i < 0 ? -i : 2 * (n - 1) - i;
}

static void reference_border(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                int32_t iy = shown(s->border, oy - s->pad_top, s->in_rows);
                int32_t ix = shown(s->border, ox - s->pad_left, s->in_cols);
                *y++ = iy < 0 || ix < 0 ? s->scalar[0] : d->x[0][((int64_t)c * s->in_rows + iy) * s->in_cols + ix];
            }
        }
    }
}

static void reference_upsample(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int32_t c = 0; c < s->out_channels; ++c) {
        const float *x = d->x[0] + (int64_t)c * s->in_rows * s->in_cols;
        for (int32_t oy = 0; oy < s->out_rows; ++oy) {
            for (int32_t ox = 0; ox < s->out_cols; ++ox) {
                double sum = 0.0;
                for (int32_t v = 0; v < s->in_rows; ++v) { /* a tent above each pixel, or a box */
                    for (int32_t u = 0; u < s->in_cols; ++u) {
                        double at_y = fmin(fmax((oy + 0.5) / s->stride_rows - 0.5, 0.0), s->in_rows - 1);
                        double at_x = fmin(fmax((ox + 0.5) / s->stride_cols - 0.5, 0.0), s->in_cols - 1);
                        bool box = oy / s->stride_rows == v && ox / s->stride_cols == u;
                        double weight =
                            s->bilinear ? fmax(0.0, 1.0 - fabs(at_y - v)) * fmax(0.0, 1.0 - fabs(at_x - u)) : box;
                        sum += weight * x[v * s->in_cols + u];
                    }
                }
                *y++ = sum;
            }
        }
    }
}

/* Elements between the strides are left as NaN: the kernel must not touch them. */
static void reference_copy(const Kernel *kernel, const KernelData *d, double *y)
{
    const KernelSizes *s = &kernel->sizes;
    for (int64_t i = 0; i < d->y_count; ++i) {
        y[i] = NAN;
    }
    int32_t rows = s->in_rows + s->pad_top + s->pad_bottom, cols = s->in_cols + s->pad_left + s->pad_right;
    for (int32_t c = 0; c < s->in_channels; ++c) {
        for (int32_t oy = 0; oy < rows; ++oy) {
            for (int32_t ox = 0; ox < cols; ++ox) {
                int32_t iy = oy - s->pad_top, ix = ox - s->pad_left;
                bool inside = iy >= 0 && iy < s->in_rows && ix >= 0 && ix < s->in_cols;
                y[c * s->out_stride[0] + oy * s->out_stride[1] + ox * s->out_stride[2]] =
                    inside ? (double)d->x[0][c * s->in_stride[0] + iy * s->in_stride[1] + ix * s->in_stride[2]]
                           : s->scalar[0];
            }
        }
    }
}

void kernel_reference(const Kernel *kernel, const KernelData *data, double *y)
{
    switch (kernel->family) {
    case KERNEL_CONV:
    case KERNEL_WINOGRAD:
    case KERNEL_DEPTHWISE:
        reference_conv(kernel, data, y);
        break;
    case KERNEL_DENSE:
        reference_dense(kernel, data, y);
        break;
    case KERNEL_MAX_POOL:
        reference_window_pool(kernel, data, y);
        break;
    case KERNEL_AVG_POOL:
        (kernel->sizes.adaptive ? reference_adaptive : reference_window_pool)(kernel, data, y);
        break;
    case KERNEL_GLOBAL_POOL:
        reference_global(kernel, data, y);
        break;
    case KERNEL_UNARY:
    case KERNEL_BINARY:
    case KERNEL_CHANNEL_AFFINE:
        reference_elementwise(kernel, data, y);
        break;
    case KERNEL_LRN:
        reference_lrn(kernel, data, y);
        break;
    case KERNEL_SOFTMAX:
        reference_softmax(kernel, data, y);
        break;
    case KERNEL_INSTANCE_NORM:
        reference_instance_norm(kernel, data, y);
        break;
    case KERNEL_GRAM:
        reference_gram(kernel, data, y);
        break;
    case KERNEL_SUBSAMPLE:
        reference_subsample(kernel, data, y);
        break;
    case KERNEL_BORDER:
        reference_border(kernel, data, y);
        break;
    case KERNEL_UPSAMPLE:
        reference_upsample(kernel, data, y);
        break;
    case KERNEL_COPY:
        reference_copy(kernel, data, y);
        break;
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_ROWS:
    case KERNEL_WINOGRAD_LIVE:
    case KERNEL_STRASSEN:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
    case KERNEL_CONVERT:
    case KERNEL_SPACE_TO_DEPTH:
    case KERNEL_ZERO_HALO:
    case KERNEL_FAMILY_COUNT:
    case KERNEL_CONV_TRANSPOSE:
    case KERNEL_TABLE_CONV:
    case KERNEL_RBF:
    case KERNEL_L2_NORMALIZE:
    case KERNEL_REDUCE:
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
    case KERNEL_PIXELS:
        ICE("kernels of one op are tested by every_op.c");
    }
}

void half_round(Storage storage, float *values, int64_t count)
{
    for (int64_t i = 0; storage != STORE_F32 && i < count; ++i) {
        float value = i % 5 == 3 ? values[i] * 0x1p-15f : values[i];
        values[i] = storage_decode(storage, storage_encode(storage, value));
    }
}

void half_pack(Storage storage, float *values, int64_t count)
{
    unsigned char *to = (unsigned char *)values;
    for (int64_t i = 0; storage != STORE_F32 && i < count; ++i) { /* never past what is still to be read */
        uint16_t half = storage_encode(storage, values[i]);
        memcpy(to + 2 * i, &half, sizeof half);
    }
    if (storage != STORE_F32) { /* nothing may be read past them */
        memset(to + 2 * count, 0xFF, (size_t)count * 2);
    }
}
