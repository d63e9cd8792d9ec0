/* Convolutions and dense layers.
 *
 * A convolution is evaluated a few output pixels at a time: what the taps see at those pixels is gathered into a small
 * table [tap][pixel], zero where a tap looks at the padding, and every output channel is a weighted sum of its rows.
 * The one bounds check is in the gathering; the sums run over contiguous memory. */
#include <stdlib.h>

#include "interp/eval.h"

enum { TILE = 64 }; /* output pixels at a time: 64 columns of ResNet's largest tap table fit a second-level cache */

/* What tap (channel, u, v) sees at output pixels [first, first + n), counted row by row. */
static void gather_tap(const Eval *eval, int32_t channel, int32_t u, int32_t v, int64_t first, int n, double *seen)
{
    const ConvAttr *attr = &eval->node->attr.conv;
    int32_t height = type_height(eval->in[0].type), width = type_width(eval->in[0].type);
    int32_t out_width = type_width(eval->node->type);
    const double *plane = eval->in[0].data + (int64_t)channel * height * width;
    for (int p = 0; p < n; ++p) {
        int64_t i = (first + p) / out_width, j = (first + p) % out_width;
        int64_t y = i * attr->stride[0] + (int64_t)u * attr->dilation[0] - attr->pad.edge[PAD_TOP];
        int64_t x = j * attr->stride[1] + (int64_t)v * attr->dilation[1] - attr->pad.edge[PAD_LEFT];
        bool inside = y >= 0 && y < height && x >= 0 && x < width;
        seen[p] = inside ? plane[y * width + x] : 0.0;
    }
}

/* out[p] = start + sum over taps k of weight[k] * seen[k][p] */
static void weigh_taps(const double *weight, const double *seen, int64_t taps, int n, double start, double *out)
{
    double sum[TILE];
    for (int p = 0; p < n; ++p) {
        sum[p] = start;
    }
    for (int64_t k = 0; k < taps; ++k) {
        const double *row = seen + k * TILE;
        for (int p = 0; p < n; ++p) {
            sum[p] += weight[k] * row[p];
        }
    }
    memcpy(out, sum, (size_t)n * sizeof(double));
}

static void grouped_conv(const Eval *eval, const double *weight, const double *bias)
{
    const ConvAttr *attr = &eval->node->attr.conv;
    int32_t in_group = type_channels(eval->in[0].type) / attr->groups, out_group = attr->channels / attr->groups;
    int64_t pixels = (int64_t)type_height(eval->node->type) * type_width(eval->node->type);
    int64_t taps = (int64_t)in_group * attr->kernel[0] * attr->kernel[1];
    double *seen = interp_alloc(taps * TILE);
    for (int32_t g = 0; g < attr->groups; ++g) {
        for (int64_t first = 0; first < pixels; first += TILE) {
            int n = pixels - first < TILE ? (int)(pixels - first) : TILE;
            double *row = seen;
            for (int32_t c = 0; c < in_group; ++c) {
                for (int32_t u = 0; u < attr->kernel[0]; ++u) {
                    for (int32_t v = 0; v < attr->kernel[1]; ++v, row += TILE) {
                        gather_tap(eval, g * in_group + c, u, v, first, n, row);
                    }
                }
            }
            for (int32_t o = g * out_group; o < (g + 1) * out_group; ++o) {
                weigh_taps(weight + o * taps, seen, taps, n, bias != NULL ? bias[o] : 0.0,
                           eval->out + o * pixels + first);
            }
        }
    }
    free(seen);
}

/* LeNet-5's C3: output map o reads the input maps in row o of the table; one kernel a connection, in that order. */
static void table_conv(const Eval *eval, const double *weight, const double *bias)
{
    const ConvAttr *attr = &eval->node->attr.conv;
    int64_t pixels = (int64_t)type_height(eval->node->type) * type_width(eval->node->type);
    for (int32_t o = 0; o < attr->table.n_rows; ++o) {
        double *out = eval->out + o * pixels;
        for (int64_t p = 0; p < pixels; ++p) {
            out[p] = bias != NULL ? bias[o] : 0.0;
        }
        for (int32_t k = attr->table.start[o]; k < attr->table.start[o + 1]; ++k) {
            const double *kernel = weight + (int64_t)k * attr->kernel[0] * attr->kernel[1];
            for (int32_t u = 0; u < attr->kernel[0]; ++u) {
                for (int32_t v = 0; v < attr->kernel[1]; ++v) {
                    for (int64_t p = 0; p < pixels; ++p) {
                        double seen;
                        gather_tap(eval, attr->table.values[k], u, v, p, 1, &seen);
                        out[p] += kernel[u * attr->kernel[1] + v] * seen;
                    }
                }
            }
        }
    }
}

void interp_conv(const Eval *eval)
{
    double *weight = interp_weight(eval, ROLE_WEIGHT), *bias = interp_weight(eval, ROLE_BIAS);
    if (eval->node->attr.conv.table.n_rows > 0) {
        table_conv(eval, weight, bias);
    } else {
        grouped_conv(eval, weight, bias);
    }
    free(weight);
    free(bias);
}

/* Adds factor * x to y where tap (u, v) takes each input pixel: row i * stride + u * dilation - pad, columns alike. */
static void scatter_tap(const Eval *eval, const double *x, double factor, int32_t u, int32_t v, double *y)
{
    const ConvAttr *attr = &eval->node->attr.conv;
    TensorType in = eval->in[0].type, out = eval->node->type;
    for (int32_t i = 0; i < type_height(in); ++i) {
        int64_t row = (int64_t)i * attr->stride[0] + (int64_t)u * attr->dilation[0] - attr->pad.edge[PAD_TOP];
        if (row < 0 || row >= type_height(out)) {
            continue;
        }
        for (int32_t j = 0; j < type_width(in); ++j) {
            int64_t column = (int64_t)j * attr->stride[1] + (int64_t)v * attr->dilation[1] - attr->pad.edge[PAD_LEFT];
            if (column >= 0 && column < type_width(out)) {
                y[row * type_width(out) + column] += factor * x[(int64_t)i * type_width(in) + j];
            }
        }
    }
}

/* Every input pixel, times the kernel, is added to the output around its place. weight [in, out/groups, kh, kw]. */
void interp_conv_transpose(const Eval *eval)
{
    const ConvAttr *attr = &eval->node->attr.conv;
    TensorType in = eval->in[0].type, out = eval->node->type;
    int32_t in_group = type_channels(in) / attr->groups, out_group = attr->channels / attr->groups;
    int64_t in_plane = (int64_t)type_height(in) * type_width(in),
            out_plane = (int64_t)type_height(out) * type_width(out);
    double *weight = interp_weight(eval, ROLE_WEIGHT), *bias = interp_weight(eval, ROLE_BIAS);
    for (int32_t o = 0; bias != NULL && o < attr->channels; ++o) {
        for (int64_t p = 0; p < out_plane; ++p) {
            eval->out[o * out_plane + p] = bias[o];
        }
    }
    const double *factor = weight;
    for (int32_t c = 0; c < type_channels(in); ++c) {
        for (int32_t o = 0; o < out_group; ++o) {
            double *y = eval->out + (int64_t)(c / in_group * out_group + o) * out_plane;
            for (int32_t u = 0; u < attr->kernel[0]; ++u) {
                for (int32_t v = 0; v < attr->kernel[1]; ++v) {
                    scatter_tap(eval, eval->in[0].data + c * in_plane, *factor++, u, v, y);
                }
            }
        }
    }
    free(weight);
    free(bias);
}

/* Calls `finish` once a row of the weight [units, n]; only some rows are in memory at a time. */
static void each_row(const Eval *eval, double (*finish)(const double *row, const double *x, int64_t n))
{
    const Node *weight = node_weight(eval->node, ROLE_WEIGHT);
    int64_t units = weight->type.dim[0], n = weight->type.dim[1];
    int64_t block = 1 + (1 << 20) / n; /* rows of about a million elements together */
    double *rows = interp_alloc(block * n);
    for (int64_t first = 0; first < units; first += block) {
        int64_t count = units - first < block ? units - first : block;
        interp_constant(weight, eval->weights, first * n, count * n, rows);
        for (int64_t o = 0; o < count; ++o) {
            eval->out[first + o] = finish(rows + o * n, eval->in[0].data, n);
        }
    }
    free(rows);
}

static double inner_product(const double *row, const double *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        sum += row[i] * x[i];
    }
    return sum;
}

static double squared_distance(const double *row, const double *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        sum += (x[i] - row[i]) * (x[i] - row[i]);
    }
    return sum;
}

void interp_dense(const Eval *eval)
{
    each_row(eval, inner_product);
    double *bias = interp_weight(eval, ROLE_BIAS);
    for (int32_t o = 0; bias != NULL && o < eval->node->attr.dense.units; ++o) {
        eval->out[o] += bias[o];
    }
    free(bias);
}

void interp_rbf(const Eval *eval)
{
    each_row(eval, squared_distance);
}
