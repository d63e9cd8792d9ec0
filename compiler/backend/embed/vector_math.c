/* Functions of vectors, within two units of the last place where nothing else is said. NaN stays NaN; the limits keep
 * exponents in range. */
CNN_INLINE vector vector_exp(vector v)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    const vector x = vector_clamp(v, -87.3f, 88.3f);
    const vector shifted = x * 1.44269504f + shift;
    const vector n = shifted - shift;
    const vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* x - n * log(2), |r| <= log(2) / 2 */
    vector p = r * 1.39517162e-3f + 8.36959854e-3f;
    p = p * r + 4.16661873e-2f;
    p = p * r + 0.166665122f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    const vector_bits integer = (vector_bits)shifted - (vector_bits)vector_all(shift);
    return p * (vector)((integer + 127) << 23);
}

/* v * P(v^2) / Q(v^2), fitted to a relative error of 1.6e-7 below 7.9, where tanh is 1 - 2.7e-7; rounding makes it seven
 * units of the last place. Beyond, where P and Q may overflow, one with the sign of v; NaN is not beyond. */
CNN_INLINE vector vector_tanh(vector v)
{
    const vector square = v * v;
    vector p = square * 46.2652473f + 11877.2852f;
    p = p * square + 518922.844f;
    p = p * square + 4011953.0f;
    vector q = square + 962.917786f;
    q = q * square + 95701.4922f;
    q = q * square + 1856236.38f;
    q = q * square + 4011953.5f;
    const vector one = (vector)(((vector_bits)v & INT32_MIN) | (vector_bits)vector_all(1.0f));
    return vector_select((vector_bits)(square > vector_all(62.41f)), one, v * p / q);
}

/* Integers of less than 2^22 as floats. */
CNN_INLINE vector vector_of_integers(vector_bits n)
{
#if defined(__clang__) || __GNUC__ >= 9
    return __builtin_convertvector(n, vector);
#else
    return (vector)(n + 0x4B400000) - 12582912.0f; /* what is added to the bits of 1.5 * 2^23 is added to it */
#endif
}

/* Of normal positive numbers. */
CNN_INLINE vector vector_log(vector v)
{
    const vector_bits exponent = ((vector_bits)v - 0x3F3504F3) >> 23; /* leaves sqrt(1/2) <= m < sqrt(2) */
    const vector f = (vector)((vector_bits)v - (exponent << 23)) - 1.0f;
    vector p = f * -7.63442963e-2f + 0.127615497f;
    p = p * f + -0.131601945f;
    p = p * f + 0.142017618f;
    p = p * f + -0.166233569f;
    p = p * f + 0.200012267f;
    p = p * f + -0.250008225f;
    p = p * f + 0.333333313f;
    const vector square = f * f;
    return vector_of_integers(exponent) * 0.693147181f + (p * square * f - 0.5f * square + f);
}
