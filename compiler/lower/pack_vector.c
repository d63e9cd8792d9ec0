/* See pack_vector.h; the orders themselves are described at PackKind. */
#include "lower/pack_vector.h"

#include "support/ints.h"

int64_t pack_vectors_size(const PackFormat *f, int32_t rows, int32_t inputs)
{
    return int_align_up(rows, f->lanes) * int_align_up(inputs, f->in_block) * f->window_rows * f->window_cols;
}

/* out is [inputs / in_block][window][in_block][rows padded to lanes]: V vectors of lanes are one row of outputs. */
void pack_vectors(const PackFormat *f, const float *in, int32_t rows, int32_t inputs, float *out)
{
    int64_t window = (int64_t)f->window_rows * f->window_cols, width = int_align_up(rows, f->lanes);
    memset(out, 0, (size_t)pack_vectors_size(f, rows, inputs) * sizeof *out);
    for (int32_t i = 0; i < inputs; ++i) {
        int64_t block = i / f->in_block, lane = i % f->in_block;
        for (int64_t tap = 0; tap < window; ++tap) {
            float *to = out + ((block * window + tap) * f->in_block + lane) * width;
            const float *from = in + i * window + tap;
            for (int32_t row = 0; row < rows; ++row) {
                to[row] = from[(int64_t)row * inputs * window];
            }
        }
    }
}

static int32_t stride_of(const PackFormat *f)
{
    return f->phases > 1 ? f->phases : 1;
}

/* Inputs of one phase with their padding; 0 where phases share lanes. */
static int64_t phase_inputs(const PackFormat *f, int32_t inputs)
{
    return f->phase_lanes ? 0 : int_align_up(inputs, f->in_block);
}

/* Products of one output at point (i, j). */
static int64_t point_inputs(const PackFormat *f, int32_t inputs, bool last_row, bool last_col)
{
    int32_t stride = stride_of(f);
    if (f->phase_lanes) {
        return int_align_up((int64_t)stride * stride * inputs, f->lanes);
    }
    return winograd_phases(f->window_rows, stride, last_row) *
           (int64_t)winograd_phases(f->window_cols, stride, last_col) * phase_inputs(f, inputs);
}

int64_t pack_winograd_inputs(const PackFormat *f, int32_t inputs)
{
    int32_t stride = stride_of(f);
    int64_t rows = winograd_points(f->winograd.rows, winograd_taps(f->window_rows, stride));
    int64_t cols = winograd_points(f->winograd.cols, winograd_taps(f->window_cols, stride));
    bool row_ends = rows > 1, col_ends = cols > 1; /* the last point is infinity */
    return (rows - row_ends) * (cols - col_ends) * point_inputs(f, inputs, false, false) +
           (row_ends ? (cols - col_ends) * point_inputs(f, inputs, true, false) : 0) +
           (col_ends ? (rows - row_ends) * point_inputs(f, inputs, false, true) : 0) +
           (row_ends && col_ends ? point_inputs(f, inputs, true, true) : 0);
}

int64_t pack_winograd_size(const PackFormat *f, int32_t rows, int32_t inputs)
{
    return pack_winograd_inputs(f, inputs) * int_align_up(rows, f->lanes);
}

/* All but infinity: of nine points, four pairs without 0. */
static const double *finite_points(int32_t points)
{
    static const double few[WINOGRAD_FEW_POINTS - 1] = {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5};
    static const double most[WINOGRAD_MOST_POINTS - 1] = {2.125, -2.125, 1.125, -1.125, 0.6875, -0.6875, 0.25, -0.25};
    return points > WINOGRAD_FEW_POINTS ? most : few;
}

double winograd_point(int32_t i, int32_t points)
{
    return finite_points(points)[i];
}

double winograd_divisor(int32_t i, int32_t points)
{
    const double *at = finite_points(points);
    double n = 1.0;
    for (int32_t k = 0; k < points - 1 && i < points - 1; ++k) {
        n *= k == i ? 1.0 : at[i] - at[k];
    }
    return i == 0 && n < 0.0 ? -n : n;
}

/* G of one axis. */
typedef struct AxisTransform {
    int32_t points, taps;
    double g[WINOGRAD_MOST_POINTS][WINOGRAD_MOST_POINTS];
} AxisTransform;

static AxisTransform axis_transform(int32_t m, int32_t taps)
{
    AxisTransform axis = {.points = winograd_points(m, taps), .taps = taps};
    if (taps == 1) {
        axis.g[0][0] = 1.0;
        return axis;
    }
    if (axis.points > WINOGRAD_MOST_POINTS) {
        ICE("Winograd's convolution with %d points", (int)axis.points);
    }
    for (int32_t i = 0; i < axis.points - 1; ++i) {
        double n = winograd_divisor(i, axis.points), power = 1.0;
        for (int32_t j = 0; j < taps; ++j, power *= finite_points(axis.points)[i]) {
            axis.g[i][j] = power / n;
        }
    }
    axis.g[axis.points - 1][taps - 1] = 1.0; /* infinity */
    return axis;
}

/* One filter transformed: G g G^T, where g are the taps stride * t + q of the window. */
typedef struct Filter {
    double point[WINOGRAD_MOST_POINTS][WINOGRAD_MOST_POINTS];
} Filter;

static Filter transform(const AxisTransform *down, const AxisTransform *across, const PackFormat *f, int32_t qr,
                        int32_t qc, const float *window)
{
    Filter filter = {0};
    int32_t stride = stride_of(f);
    for (int32_t i = 0; i < down->points; ++i) {
        double half[WINOGRAD_MOST_POINTS] = {0.0}; /* row i of G g */
        for (int32_t x = 0; stride * x + qc < f->window_cols; ++x) {
            for (int32_t y = 0; stride * y + qr < f->window_rows; ++y) {
                half[x] += down->g[i][y] * (double)window[(stride * y + qr) * f->window_cols + stride * x + qc];
            }
        }
        for (int32_t j = 0; j < across->points; ++j) {
            for (int32_t x = 0; x < across->taps; ++x) {
                filter.point[i][j] += half[x] * across->g[j][x];
            }
        }
    }
    return filter;
}

/* out is [xi][inputs of the point, padded to in_block][rows padded to lanes]. */
void pack_winograd(const PackFormat *f, const float *in, int32_t rows, int32_t inputs, float *out)
{
    int32_t stride = stride_of(f);
    int64_t width = int_align_up(rows, f->lanes), window = (int64_t)f->window_rows * f->window_cols;
    AxisTransform down = axis_transform(f->winograd.rows, winograd_taps(f->window_rows, stride));
    AxisTransform across = axis_transform(f->winograd.cols, winograd_taps(f->window_cols, stride));
    memset(out, 0, (size_t)pack_winograd_size(f, rows, inputs) * sizeof *out);
    for (int32_t phase = 0; phase < stride * stride; ++phase) {
        int32_t qr = phase / stride, qc = phase % stride;
        for (int32_t input = 0; input < inputs; ++input) {
            for (int32_t row = 0; row < rows; ++row) {
                Filter filter = transform(&down, &across, f, qr, qc, in + ((int64_t)row * inputs + input) * window);
                float *to = out + row;
                for (int32_t i = 0; i < down.points; ++i) {
                    bool last_row = down.points > 1 && i == down.points - 1;
                    for (int32_t j = 0; j < across.points; ++j) {
                        bool last_col = across.points > 1 && j == across.points - 1;
                        int32_t cols = winograd_phases(f->window_cols, stride, last_col);
                        bool adds =
                            f->phase_lanes || (qr < winograd_phases(f->window_rows, stride, last_row) && qc < cols);
                        int64_t place = f->phase_lanes ? phase * (int64_t)inputs + input
                                                       : (qr * cols + qc) * phase_inputs(f, inputs) + input;
                        if (adds) {
                            to[place * width] = (float)filter.point[i][j];
                        }
                        to += point_inputs(f, inputs, last_row, last_col) * width;
                    }
                }
            }
        }
    }
}

/* --- lines: one axis only */

int64_t pack_lines_size(const PackFormat *f, int32_t rows, int32_t inputs)
{
    return winograd_points(f->winograd.rows, f->window_rows) * (int64_t)inputs * f->window_cols *
           int_align_up(rows, f->lanes);
}

/* out is [point][inputs][window column][rows padded to lanes]. */
void pack_lines(const PackFormat *f, const float *in, int32_t rows, int32_t inputs, float *out)
{
    AxisTransform down = axis_transform(f->winograd.rows, f->window_rows);
    int64_t width = int_align_up(rows, f->lanes), cols = (int64_t)inputs * f->window_cols;
    memset(out, 0, (size_t)pack_lines_size(f, rows, inputs) * sizeof *out);
    for (int64_t i = 0; i < down.points * cols; ++i) {
        int64_t point = i / cols, input = i % cols / f->window_cols, kx = i % f->window_cols;
        for (int32_t row = 0; row < rows; ++row) {
            const float *column = in + (row * (int64_t)inputs + input) * f->window_rows * f->window_cols + kx;
            double sum = 0.0;
            for (int32_t ky = 0; ky < f->window_rows; ++ky) {
                sum += down.g[point][ky] * (double)column[ky * f->window_cols];
            }
            out[i * width + row] = (float)sum;
        }
    }
}

/* --- Strassen */

int64_t pack_strassen_half(const PackFormat *f, int32_t channels)
{
    return int_align_up(channels, 2 * (int64_t)f->lanes) / 2;
}

/* Outputs of a quarter, which are whole vectors. */
static int64_t quarter_rows(const PackFormat *f, int64_t half)
{
    return int_align_up(half / 2, f->lanes);
}

int64_t pack_strassen_size(const PackFormat *f, int32_t rows, int32_t inputs)
{
    int64_t half_rows = pack_strassen_half(f, rows), half = pack_strassen_half(f, inputs);
    return f->kind == PACK_STRASSEN ? STRASSEN_PRODUCTS * half_rows * half
                                    : STRASSEN_PRODUCTS * STRASSEN_PRODUCTS * quarter_rows(f, half_rows) * (half / 2);
}

/* The factors of a 2x2 matrix in the order of their use. `right`: there is such an input; where there is none, X22 counts
 * as zero. */
static void strassen_weights(double w11, double w12, double w21, double w22, bool right, double *factors)
{
    double s1 = w21 + w22, s2 = s1 - w11, s4 = right ? w12 - s2 : 0.0;
    const double all[STRASSEN_PRODUCTS] = {w11, w12, s2, w11 - w21, -w22, s1, s4};
    memcpy(factors, all, sizeof all);
}

/* out is [7][half of the inputs][upper rows padded to lanes]. */
void pack_strassen(const PackFormat *f, const float *upper, int32_t upper_rows, const float *lower, int32_t lower_rows,
                   int32_t inputs, float *out)
{
    int64_t half = pack_strassen_half(f, inputs), width = int_align_up(upper_rows, f->lanes), product = half * width;
    memset(out, 0, (size_t)(STRASSEN_PRODUCTS * product) * sizeof *out);
    for (int64_t i = 0; i < half && i < inputs; ++i) {
        bool right = half + i < inputs;
        for (int32_t row = 0; row < upper_rows; ++row) {
            const float *first = upper + (int64_t)row * inputs + i, *second = lower + (int64_t)row * inputs + i;
            bool below = row < lower_rows;
            double factors[STRASSEN_PRODUCTS];
            strassen_weights((double)first[0], right ? (double)first[half] : 0.0, below ? (double)second[0] : 0.0,
                             below && right ? (double)second[half] : 0.0, right, factors);
            for (int n = 0; n < STRASSEN_PRODUCTS; ++n) {
                out[n * product + i * width + row] = (float)factors[n];
            }
        }
    }
}

typedef struct Matrix {
    const float *values; /* [rows][inputs] */
    int64_t rows, inputs;
} Matrix;

static double value_at(const Matrix *m, int64_t row, int64_t input)
{
    return row < m->rows && input < m->inputs ? (double)m->values[row * m->inputs + input] : 0.0;
}

/* factors[7] of both halves of output `row` and of input `i`, of `half_rows` outputs and `half` inputs each. */
static void outer_factors(const Matrix *m, int64_t half_rows, int64_t half, int64_t row, int64_t i, double *factors)
{
    if (row >= half_rows) {
        memset(factors, 0, STRASSEN_PRODUCTS * sizeof *factors);
        return;
    }
    strassen_weights(value_at(m, row, i), value_at(m, row, half + i), value_at(m, half_rows + row, i),
                     value_at(m, half_rows + row, half + i), half + i < m->inputs, factors);
}

/* Channel of a half: `upper` lanes or lower ones of the blocks, number `k` of them. */
static int64_t of_lanes(int64_t k, bool upper, int32_t lanes)
{
    int64_t part = lanes / 2;
    return k / part * lanes + k % part + (upper ? part : 0);
}

void pack_strassen_twice(const PackFormat *f, const float *values, int32_t rows, int32_t inputs, float *out)
{
    Matrix m = {values, rows, inputs};
    int64_t half_rows = pack_strassen_half(f, rows), half = pack_strassen_half(f, inputs);
    int64_t width = quarter_rows(f, half_rows), set_width = (int64_t)f->vectors * f->lanes;
    int64_t all = STRASSEN_PRODUCTS * width * (half / 2); /* of an outer product */
    for (int64_t k = 0; k < width; ++k) {
        int64_t set = k / set_width, first = set * set_width;
        int64_t here = width - first < set_width ? width - first : set_width;
        for (int64_t c = 0; c < half / 2; ++c) {
            double quarters[4][STRASSEN_PRODUCTS], factors[STRASSEN_PRODUCTS];
            for (int q = 0; q < 4; ++q) {
                outer_factors(&m, half_rows, half, of_lanes(k, q / 2, f->lanes), of_lanes(c, q % 2, f->lanes),
                              quarters[q]);
            }
            for (int n = 0; n < STRASSEN_PRODUCTS; ++n) {
                bool right = !strassen_ends_with_inputs(n) || half + of_lanes(c, true, f->lanes) < inputs;
                float *to = out + n * all + STRASSEN_PRODUCTS * first * (half / 2) + c * here + (k - first);
                strassen_weights(quarters[0][n], quarters[1][n], quarters[2][n], quarters[3][n], right, factors);
                for (int product = 0; product < STRASSEN_PRODUCTS; ++product) {
                    to[product * here * (half / 2)] = (float)factors[product];
                }
            }
        }
    }
}
