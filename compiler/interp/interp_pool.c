/* Pooling. A window is a range of rows and columns, clipped to the input; what lies in the padding counts, if at all,
 * in the divisor of an average only. */
#include <math.h>
#include <stdlib.h>

#include "interp/eval.h"

/* A range of rows or columns: [lo, hi). */
typedef struct Range {
    int64_t lo, hi;
} Range;

static Range clip(Range range, int64_t lo, int64_t hi)
{
    return (Range){range.lo < lo ? lo : range.lo, range.hi > hi ? hi : range.hi};
}

static int64_t length(Range range)
{
    return range.hi > range.lo ? range.hi - range.lo : 0;
}

static double sum_of(const double *plane, int64_t width, Range rows, Range columns)
{
    double sum = 0.0;
    for (int64_t y = rows.lo; y < rows.hi; ++y) {
        for (int64_t x = columns.lo; x < columns.hi; ++x) {
            sum += plane[y * width + x];
        }
    }
    return sum;
}

static double max_of(const double *plane, int64_t width, Range rows, Range columns)
{
    double max = -INFINITY;
    for (int64_t y = rows.lo; y < rows.hi; ++y) {
        for (int64_t x = columns.lo; x < columns.hi; ++x) {
            max = fmax(max, plane[y * width + x]);
        }
    }
    return max;
}

/* The window of output row (axis 0) or column (axis 1) `i`, in coordinates of the input; it may reach outside. */
static Range window(const PoolAttr *attr, int axis, int32_t i)
{
    int64_t lo = (int64_t)i * attr->stride[axis] - attr->pad.edge[axis == 0 ? PAD_TOP : PAD_LEFT];
    return (Range){lo, lo + attr->kernel[axis]};
}

static const double *plane_of(const Operand *in, int32_t channel)
{
    return in->data + (int64_t)channel * type_height(in->type) * type_width(in->type);
}

void interp_max_pool(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const PoolAttr *attr = &eval->node->attr.pool;
    int32_t height = type_height(in->type), width = type_width(in->type);
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int32_t i = 0; i < type_height(eval->node->type); ++i) {
            for (int32_t j = 0; j < type_width(eval->node->type); ++j) {
                Range rows = clip(window(attr, 0, i), 0, height), columns = clip(window(attr, 1, j), 0, width);
                *out++ = max_of(plane_of(in, c), width, rows, columns);
            }
        }
    }
}

void interp_avg_pool(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const PoolAttr *attr = &eval->node->attr.pool;
    int32_t height = type_height(in->type), width = type_width(in->type);
    const int32_t *pad = attr->pad.edge;
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int32_t i = 0; i < type_height(eval->node->type); ++i) {
            for (int32_t j = 0; j < type_width(eval->node->type); ++j) {
                Range rows = window(attr, 0, i), columns = window(attr, 1, j);
                Range real_rows = clip(rows, 0, height), real_columns = clip(columns, 0, width);
                Range padded_rows = clip(rows, -pad[PAD_TOP], height + pad[PAD_BOTTOM]);
                Range padded_columns = clip(columns, -pad[PAD_LEFT], width + pad[PAD_RIGHT]);
                int64_t divisor = attr->count_pad ? length(padded_rows) * length(padded_columns)
                                                  : length(real_rows) * length(real_columns);
                double sum = sum_of(plane_of(in, c), width, real_rows, real_columns);
                *out++ = divisor > 0 ? sum / (double)divisor : 0.0;
            }
        }
    }
}

void interp_global_avg_pool(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    Range rows = {0, type_height(in->type)}, columns = {0, type_width(in->type)};
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        eval->out[c] = sum_of(plane_of(in, c), columns.hi, rows, columns) / (double)(rows.hi * columns.hi);
    }
}

void interp_global_max_pool(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    Range rows = {0, type_height(in->type)}, columns = {0, type_width(in->type)};
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        eval->out[c] = max_of(plane_of(in, c), columns.hi, rows, columns);
    }
}

/* [floor(i*in/out), ceil((i+1)*in/out)) */
static Range adaptive_window(int64_t i, int64_t in, int64_t out)
{
    return (Range){i * in / out, ((i + 1) * in + out - 1) / out};
}

void interp_adaptive_avg_pool(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int32_t height = type_height(in->type), width = type_width(in->type);
    int32_t out_height = type_height(eval->node->type), out_width = type_width(eval->node->type);
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int32_t i = 0; i < out_height; ++i) {
            for (int32_t j = 0; j < out_width; ++j) {
                Range rows = adaptive_window(i, height, out_height), columns = adaptive_window(j, width, out_width);
                double sum = sum_of(plane_of(in, c), width, rows, columns);
                *out++ = sum / (double)(length(rows) * length(columns));
            }
        }
    }
}

void interp_subsample(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const int32_t *kernel = eval->node->attr.pool.kernel;
    int32_t width = type_width(in->type);
    double *weight = interp_weight(eval, ROLE_WEIGHT), *bias = interp_weight(eval, ROLE_BIAS);
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int64_t i = 0; i < type_height(eval->node->type); ++i) {
            for (int64_t j = 0; j < type_width(eval->node->type); ++j) {
                Range rows = {i * kernel[0], (i + 1) * kernel[0]}, columns = {j * kernel[1], (j + 1) * kernel[1]};
                *out++ = weight[c] * sum_of(plane_of(in, c), width, rows, columns) + bias[c];
            }
        }
    }
    free(weight);
    free(bias);
}
