/* See kernel_pack.h. */
#include "kernel_pack.h"

#include <criterion/criterion.h>
#include <math.h>

static Memory zeros(int64_t count)
{
    Memory m = memory_create(count, true);
    for (int64_t i = 0; i < count; ++i) {
        m.values[i] = 0.0f;
    }
    return m;
}

Memory pack_blocks(const float *values, int64_t rows, int64_t cols, int64_t groups, int64_t row_block,
                   int64_t col_block)
{
    int64_t group_rows = rows / groups, row_blocks = ceil_div(group_rows, row_block);
    int64_t col_blocks = ceil_div(cols, col_block);
    Memory packed = zeros(groups * row_blocks * col_blocks * row_block * col_block);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < cols; ++c) {
            int64_t group = r / group_rows, row = r % group_rows;
            int64_t block = (group * row_blocks + row / row_block) * col_blocks + c / col_block;
            packed.values[(block * row_block + row % row_block) * col_block + c % col_block] = values[r * cols + c];
        }
    }
    return packed;
}

static Memory pack_vectors(const Kernel *k, const float *values, int64_t rows, int64_t inputs, int64_t groups)
{
    const PackFormat *f = &k->weight_format;
    int64_t O = rows / groups, KH = f->window_rows, KW = f->window_cols, V = f->vectors, blocks = ceil_div(O, f->lanes);
    int64_t padded = ceil_div(inputs, f->in_block) * f->in_block, group = blocks * f->lanes * padded * KH * KW;
    Memory m = zeros(group * groups);
    for (int64_t r = 0; r < rows; ++r) {
        int64_t g = r / O, o = r % O, set = o / f->lanes / V, v = o / f->lanes % V;
        int64_t width = blocks - set * V < V ? blocks - set * V : V;
        for (int64_t i = 0; i < inputs; ++i) {
            for (int64_t at = 0; at < KH * KW; ++at) {
                int64_t step = (i / f->in_block * KH * KW + at) * f->in_block + i % f->in_block;
                m.values[g * group + set * V * f->lanes * padded * KH * KW + (step * width + v) * f->lanes +
                         o % f->lanes] = values[(r * inputs + i) * KH * KW + at];
            }
        }
    }
    return m;
}

/* Row i of G for an axis of r taps, from its definition. */
static double winograd_g(int m, int r, int64_t i, int64_t j)
{
    static const double few[] = {0, 1, -1, 2, -2, .5, -.5},
                        most[] = {2.125, -2.125, 1.125, -1.125, .6875, -.6875, .25, -.25};
    int t = winograd_points(m, r);
    const double *points = t == 9 ? most : few;
    double n = 1.0;
    if (r == 1 || i == t - 1) {
        return j == r - 1;
    }
    for (int k = 0; k < t - 1; ++k) {
        n *= k == i ? 1.0 : points[i] - points[k];
    }
    return (j == 0 ? 1.0 : pow(points[i], (double)j)) / (i == 0 ? fabs(n) : n);
}

/* Planes of inputs at a point: phases that have a tap for its last coefficient, or all. */
static int64_t phases_at(int kernel, int stride, bool last)
{
    return last && kernel % stride != 0 ? kernel % stride : stride;
}

static Memory pack_winograd(const Kernel *k, const float *values, int64_t rows, int64_t inputs, int64_t groups)
{
    const PackFormat *f = &k->weight_format;
    int kr = f->window_rows, kc = f->window_cols, mr = f->winograd.rows, mc = f->winograd.cols,
        S = f->phases > 1 ? f->phases : 1;
    int rr = (kr + S - 1) / S, rc = (kc + S - 1) / S, tr = winograd_points(mr, rr), tc = winograd_points(mc, rc);
    int64_t O = rows / groups, blocks = ceil_div(O, f->lanes), padded = ceil_div(inputs, f->in_block) * f->in_block;
    int64_t products = 0;
    for (int xi = 0; xi < tr * tc; ++xi) {
        products +=
            phases_at(kr, S, tr > 1 && xi / tc == tr - 1) * phases_at(kc, S, tc > 1 && xi % tc == tc - 1) * padded;
    }
    int64_t group = blocks * f->lanes * products;
    Memory packed = zeros(group * groups);
    for (int64_t r = 0; r < rows; ++r) {
        int64_t o = r % O, set = o / f->lanes / f->vectors, v = o / f->lanes % f->vectors;
        int64_t width = blocks - set * f->vectors < f->vectors ? blocks - set * f->vectors : f->vectors;
        float *to =
            packed.values + r / O * group + set * f->vectors * f->lanes * products + v * f->lanes + o % f->lanes;
        for (int xi = 0; xi < tr * tc; ++xi) {
            int64_t pr = phases_at(kr, S, tr > 1 && xi / tc == tr - 1),
                    pc = phases_at(kc, S, tc > 1 && xi % tc == tc - 1);
            for (int64_t i = 0; i < pr * pc * inputs; ++i) {
                int64_t phase = i / inputs, input = i % inputs, qr = phase / pc, qc = phase % pc;
                double sum = 0.0;
                for (int at = 0; at < rr * rc; ++at) {
                    int64_t y = at / rc * S + qr, x = at % rc * S + qc;
                    if (y < kr && x < kc) {
                        sum += winograd_g(mr, rr, xi / tc, at / rc) * winograd_g(mc, rc, xi % tc, at % rc) *
                               values[((r * inputs + input) * kr + y) * kc + x];
                    }
                }
                to[(phase * padded + input) * width * f->lanes] = (float)sum;
            }
            to += pr * pc * padded * width * f->lanes;
        }
    }
    return packed;
}

/* [sets][point][inputs][window column][width] */
static Memory pack_lines(const Kernel *k, const float *values, int64_t rows, int64_t inputs)
{
    const PackFormat *f = &k->weight_format;
    int64_t L = f->lanes, planes = ceil_div(rows, L), KR = f->window_rows, KC = f->window_cols;
    int64_t T = winograd_points(f->winograd.rows, f->window_rows), depth = T * inputs * KC;
    Memory packed = memory_create(planes * L * depth, true);
    for (int64_t row = 0; row < planes * L; ++row) {
        int64_t set = row / (L * f->vectors), first = set * f->vectors * L;
        int64_t width = planes * L - first < f->vectors * L ? planes * L - first : f->vectors * L;
        for (int64_t i = 0; i < depth; ++i) {
            int64_t t = i / (inputs * KC), input = i / KC % inputs, x = i % KC;
            double sum = 0.0;
            for (int64_t y = 0; row < rows && y < KR; ++y) {
                sum += winograd_g(f->winograd.rows, f->window_rows, t, y) *
                       values[((row * inputs + input) * KR + y) * KC + x];
            }
            packed.values[first * depth + i * width + row - first] = (float)sum;
        }
    }
    return packed;
}

/* The factors of the seven products in the order of their use, as sums of the four quarters of the weights. */
static const int strassen_sums[7][4] = {/* W11, W12, W21, W22 */
                                        {1, 0, 0, 0},  {0, 1, 0, 0}, {-1, 0, 1, 1}, {1, 0, -1, 0},
                                        {0, 0, 0, -1}, {0, 0, 1, 1}, {1, 1, -1, -1}};

/* Weight of output o and input i of factor n, for halves of O and I channels; the last factor is of X22 alone, 0 where
 * there is no such input. */
static double strassen_factor(const float *values, int64_t rows, int64_t inputs, int64_t O, int64_t I, int n, int64_t o,
                              int64_t i)
{
    double sum = 0.0;
    for (int64_t part = 0; part < 4 && o < O; ++part) {
        int64_t row = o + part / 2 * O, input = i + part % 2 * I;
        sum += row < rows && input < inputs ? strassen_sums[n][part] * (double)values[row * inputs + input] : 0.0;
    }
    return n == 6 && I + i >= inputs ? 0.0 : sum;
}

static Memory pack_strassen(const Kernel *k, const float *values, int64_t rows, int64_t inputs)
{
    int64_t L = k->weight_format.lanes, V = k->weight_format.vectors, O = ceil_div(rows, 2 * L) * L;
    int64_t I = ceil_div(inputs, 2 * L) * L;
    Memory packed = memory_create(7 * O * I, true);
    for (int64_t o = 0; o < O; ++o) {
        int64_t set = o / L / V, width = (O / L - set * V < V ? O / L - set * V : V) * L;
        float *to = packed.values + set * V * L * 7 * I + o - set * V * L;
        for (int n = 0; n < 7; ++n) {
            for (int64_t i = 0; i < I; ++i) {
                to[(n * I + i) * width] = (float)strassen_factor(values, rows, inputs, O, I, n, o, i);
            }
        }
    }
    return packed;
}

/* The factors of each factor, whose halves are the lower and the upper lanes of vectors. Those of the second half of
 * the inputs (W12, -W22, S4) are zeros past the last input, at either level. */
static Memory pack_strassen_twice(const Kernel *k, const float *values, int64_t rows, int64_t inputs)
{
    int64_t L = k->weight_format.lanes, V = k->weight_format.vectors, O = ceil_div(rows, 2 * L) * L;
    int64_t I = ceil_div(inputs, 2 * L) * L, vectors = ceil_div(O / L, 2), at = 0;
    Memory packed = memory_create(49 * vectors * L * I / 2, true);
    for (int64_t n = 0; n < 7 * ceil_div(vectors, V) * 7; ++n) {
        int outer = (int)(n / 7 / ceil_div(vectors, V)), inner = (int)(n % 7);
        int64_t set = n / 7 % ceil_div(vectors, V), width = (vectors - set * V < V ? vectors - set * V : V) * L;
        for (int64_t i = 0; i < I / 2 * width; ++i) {
            int64_t output = set * V * L + i % width, input = i / width;
            int64_t o = output / (L / 2) * L + output % (L / 2), c = input / (L / 2) * L + input % (L / 2);
            double sum = 0.0;
            for (int part = 0; part < 4; ++part) {
                sum += strassen_sums[inner][part] * strassen_factor(values, rows, inputs, O, I, outer,
                                                                    o + part / 2 * (L / 2), c + part % 2 * (L / 2));
            }
            bool of_second = outer == 1 || outer == 4 || outer == 6;
            bool is_there = !of_second || I + c + L / 2 < inputs;
            packed.values[at++] = inner == 6 && !is_there ? 0.0f : (float)sum;
        }
    }
    cr_assert_eq(at, packed.count);
    return packed;
}

Memory pack_weights(const Kernel *k, const KernelData *data)
{
    const KernelSizes *s = &k->sizes;
    int64_t window = (int64_t)s->kernel_rows * s->kernel_cols;
    if (k->lines > 0) {
        return pack_lines(k, data->weights, s->out_channels, s->in_channels);
    }
    switch ((int)k->family) {
    case KERNEL_DEPTHWISE:
        return pack_vectors(k, data->weights, s->out_channels, 1, 1);
    case KERNEL_GROUPED:
        return pack_vectors(k, data->weights, s->out_channels, s->in_channels / s->groups, 1);
    case KERNEL_WINOGRAD:
        return pack_winograd(k, data->weights, s->out_channels, s->in_channels / s->groups, s->groups);
    case KERNEL_STRASSEN:
        return (k->weight_format.kind == PACK_STRASSEN ? pack_strassen : pack_strassen_twice)(
            k, data->weights, s->out_channels, s->in_channels);
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_FEW:
    case KERNEL_WINOGRAD_LIVE:
        return pack_vectors(k, data->weights, s->out_channels, data->weight_count / s->out_channels / window,
                            s->groups);
    case KERNEL_ROWS:
        return pack_blocks(data->weights, s->out_channels, data->weight_count / s->out_channels, 1,
                           k->weight_format.row_block, 1);
    case KERNEL_DENSE:
        return pack_vectors(k, data->weights, s->out_channels,
                            s->in_channels / k->weight_format.window_rows / k->weight_format.window_cols, 1);
    default:
        return pack_blocks(data->weights, data->weight_count, 1, 1, k->vector, 1);
    }
}
