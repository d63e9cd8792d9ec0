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
    int64_t t = f->winograd + 2;
    return t * t * int_align_up(rows, f->lanes) * int_align_up(inputs, f->lanes);
}

/* G of F(2x2,3x3) and of F(4x4,3x3). */
static const double transform2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
static const double transform4[6][3] = {{1.0 / 4, 0, 0},
                                        {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                        {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                        {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                        {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                        {0, 0, 1}};

/* G g G^T of one filter into out[xi * step]. */
static void transform(int32_t t, const double (*g)[3], const float filter[9], float *out, int64_t step)
{
    double half[6][3];
    for (int32_t i = 0; i < t; ++i) {
        for (int j = 0; j < 3; ++j) {
            half[i][j] = g[i][0] * (double)filter[j] + g[i][1] * (double)filter[3 + j] + g[i][2] * (double)filter[6 + j];
        }
    }
    for (int32_t i = 0; i < t; ++i) {
        for (int32_t j = 0; j < t; ++j) {
            out[(i * t + j) * step] = (float)(half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2]);
        }
    }
}

/* out is [T*T][inputs padded to lanes][rows padded to lanes]. */
void pack_winograd(const PackFormat *f, const float *in, int32_t rows, int32_t inputs, float *out)
{
    enum { TAPS = 9 };
    int64_t width = int_align_up(rows, f->lanes), step = int_align_up(inputs, f->lanes) * width;
    memset(out, 0, (size_t)pack_winograd_size(f, rows, inputs) * sizeof *out);
    for (int32_t i = 0; i < inputs; ++i) {
        for (int32_t row = 0; row < rows; ++row) {
            const float *filter = in + (row * (int64_t)inputs + i) * TAPS;
            transform(f->winograd + 2, f->winograd == 2 ? transform2 : transform4, filter, out + i * width + row, step);
        }
    }
}
