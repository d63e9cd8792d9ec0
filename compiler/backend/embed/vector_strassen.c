/* A product that is made by seven of its quarters: pixels in a left and a right run, channels by the lower and the upper
 * lanes of their vectors.
 *
 * The sums of the quarters of a factor, which lies as in_x says, `right` floats between its runs of `run` pixels: to v T2
 * and T3, side by side in the lanes of a vector, `stride` floats on T4 and T1. Upper lanes of the last plane that are 0 in
 * `exist` (NULL: none) count as zeros in the last quarter. */
CNN_INLINE void strassen_quarters(const conv_taps *in_x, const float *x, int run, ptrdiff_t right, const float *exist,
                                  float *v, ptrdiff_t stride)
{
    enum { LANES = CNN_VECTOR_FLOATS / 2 };
    for (int plane = 0; plane < in_x->planes; ++plane, x += in_x->plane_step) {
        for (int i = 0; i < run; ++i, v += CNN_VECTOR_FLOATS) {
            const float *const at = x + i * CNN_VECTOR_FLOATS;
            const vector_half x11 = *(const vector_half *)at, x21 = *(const vector_half *)(at + LANES);
            const vector_half x12 = *(const vector_half *)(at + right);
            vector_half x22 = *(const vector_half *)(at + right + LANES);
            if (exist != NULL && plane == in_x->planes - 1) {
                x22 *= *(const vector_half *)exist;
            }
            const vector_half t1 = x12 - x11, t2 = x22 - t1;
            *(vector_half *)v = t2;
            *(vector_half *)(v + LANES) = x22 - x12;
            *(vector_half *)(v + stride) = t2 - x21;
            *(vector_half *)(v + stride + LANES) = t1;
        }
    }
}

/* result = before (NULL: zeros) + sums [planes/2][width][half the lanes of two planes] from pixel `skip` on; those lie from
 * place `at` on, planes `step` floats apart. */
CNN_INLINE void strassen_quarter(const vector *sums, int planes, int width, int skip, int at, int step, const vector *before,
                                 vector *result)
{
    enum { LANES = CNN_VECTOR_FLOATS / 2 };
    for (int plane = 0; plane < planes; ++plane, at += step) {
        const float *const from = (const float *)(sums + plane / 2 * width) + plane % 2 * LANES;
        for (int i = skip > 0 ? skip : 0; i < width; ++i) {
            vector_half value = *(const vector_half *)(from + i * CNN_VECTOR_FLOATS);
            if (before != NULL) {
                value += *(const vector_half *)((const float *)before + at + i * CNN_VECTOR_FLOATS);
            }
            *(vector_half *)((float *)result + at + i * CNN_VECTOR_FLOATS) = value;
        }
    }
}
