/* v / (1 + exp(-x)), with x as n * log(2) + r. Relative errors measured: 2.7e-7 from -20 on, 4.3e-7 below. n would leave the
 * range of exponents where exp(-x) is set to 0, and where the result is: with AVX-512 masks of operations that are there
 * anyway. */
CNN_INLINE vector vector_logistic(vector v, vector x)
{
    const float shift = 12582912.0f;
    const vector shifted = x * -1.44269504f + shift;
    const vector r = x + (shifted - shift) * 0.693147182f;
    vector p = 4.18979637e-2f - r * 8.29030853e-3f;
    p = 0.166676372f - r * p;
    p = 0.499991506f - r * p;
    p = 0.999999702f - r * p;
    p = 1.0f - r * p;
    const vector_bits e = ((vector_bits)p + ((vector_bits)shifted << 23)) & ~(vector_bits)(x > vector_all(87.0f));
    return (vector)((vector_bits)(v / ((vector)e + 1.0f)) & ~(vector_bits)(x < vector_all(-87.0f)));
}
