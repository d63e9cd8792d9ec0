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

/* result += before (NULL: nothing): `count` vectors of both from number `at` on. */
CNN_INLINE void strassen_add(const vector *before, int at, int count, vector *result)
{
    if (before != NULL) {
        for (int k = at; k < at + count; ++k) {
            result[k] += before[k];
        }
    }
}
