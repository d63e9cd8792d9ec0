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

int64_t pack_winograd_size(const PackFormat *f, int32_t rows, int32_t inputs)
{
    int64_t area = winograd_points(f->winograd, f->window_rows) * winograd_points(f->winograd, f->window_cols);
    return area * int_align_up(rows, f->lanes) * int_align_up(inputs, f->lanes);
}

/* G of one axis. */
typedef struct AxisTransform {
    int32_t points, taps;
    double g[WINOGRAD_MOST_POINTS][WINOGRAD_MOST_POINTS];
} AxisTransform;

static AxisTransform axis_transform(int32_t m, int32_t taps)
{
    static const double points[WINOGRAD_MOST_POINTS - 1] = {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5};
    AxisTransform axis = {.points = winograd_points(m, taps), .taps = taps};
    if (taps == 1) {
        axis.g[0][0] = 1.0;
        return axis;
    }
    if (axis.points > WINOGRAD_MOST_POINTS) {
        ICE("Winograd's convolution with %d points", (int)axis.points);
    }
    for (int32_t i = 0; i < axis.points - 1; ++i) {
        double n = 1.0, power = 1.0;
        for (int32_t k = 0; k < axis.points - 1; ++k) {
            n *= k == i ? 1.0 : points[i] - points[k];
        }
        n = i == 0 && n < 0.0 ? -n : n;
        for (int32_t j = 0; j < taps; ++j, power *= points[i]) {
            axis.g[i][j] = power / n;
        }
    }
    axis.g[axis.points - 1][taps - 1] = 1.0; /* infinity */
    return axis;
}

/* G g G^T of one filter into out[xi * step]. */
static void transform(const AxisTransform *down, const AxisTransform *across, const float *filter, float *out,
                      int64_t step)
{
    for (int32_t i = 0; i < down->points; ++i) {
        double half[WINOGRAD_MOST_POINTS] = {0.0}; /* row i of G g */
        for (int32_t x = 0; x < across->taps; ++x) {
            for (int32_t y = 0; y < down->taps; ++y) {
                half[x] += down->g[i][y] * (double)filter[y * across->taps + x];
            }
        }
        for (int32_t j = 0; j < across->points; ++j) {
            double sum = 0.0;
            for (int32_t x = 0; x < across->taps; ++x) {
                sum += half[x] * across->g[j][x];
            }
            out[(i * across->points + j) * step] = (float)sum;
        }
    }
}

/* out is [xi][inputs padded to lanes][rows padded to lanes]. */
void pack_winograd(const PackFormat *f, const float *in, int32_t rows, int32_t inputs, float *out)
{
    int64_t width = int_align_up(rows, f->lanes), step = int_align_up(inputs, f->lanes) * width;
    int64_t taps = (int64_t)f->window_rows * f->window_cols;
    AxisTransform down = axis_transform(f->winograd, f->window_rows);
    AxisTransform across = axis_transform(f->winograd, f->window_cols);
    memset(out, 0, (size_t)pack_winograd_size(f, rows, inputs) * sizeof *out);
    for (int32_t i = 0; i < inputs; ++i) {
        for (int32_t row = 0; row < rows; ++row) {
            transform(&down, &across, in + (row * (int64_t)inputs + i) * taps, out + i * width + row, step);
        }
    }
}
