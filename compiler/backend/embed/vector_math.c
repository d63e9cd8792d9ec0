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

/* v / (1 + exp(-x)), where x is within 88 of 0. exp(-x) is s * (D - r) / (D + r) with s = 2^n, r = x + n * log(2) and
 * D = r / tanh(r / 2), which is even: here, times 361.8, 1632.6 - (r^2 - 30.15)^2. Relative errors measured: 2.7e-7 from -20
 * on, 4e-7 to -81; where a multiply-add rounds twice 1.3e-6 and 4.5e-6. Below, 0: the result is under 1e-33.
 *
 * The sum `shifted` counts from 2 on in steps of 2^-22, so that its lowest eight bits are n + 127, an exponent. As long as
 * that is from 0 to 255, the other bits are those of 2. In `far` others are set where it is not, and where x is NaN. */
CNN_INLINE vector vector_logistic_near(vector v, vector x, vector_bits *far)
{
    const float shift = 2.00003028f;                     /* 2 + 127 * 2^-22 */
    const vector shifted = x * -3.43965297e-7f + shift;  /* of -x / log(2), rounded to an integer, times 2^-22 */
    const vector r = x + (shifted - shift) * 2907270.0f; /* 2^22 * log(2) */
    const vector square = r * r - 30.1502647f;
    const vector d = 1632.64844f - square * square;
    const vector a = d - r * 361.804962f, b = d + r * 361.804962f;
    *far |= (vector_bits)shifted;
    return v * (b / (a * (vector)((vector_bits)shifted << 23) + b)); /* v itself where exp(-x) is small */
}

/* The same for any x: v where exp(-x) is too small to change it, 0 where it is too large. */
CNN_INLINE vector vector_logistic(vector v, vector x)
{
    vector_bits far = {0};
    const vector y = vector_select((vector_bits)(x > vector_all(88.0f)), v, vector_logistic_near(v, x, &far));
    return (vector)((vector_bits)y & ~(vector_bits)(x < vector_all(-88.0f)));
}

CNN_INLINE vector vector_sigmoid(vector v)
{
    return vector_logistic(vector_all(1.0f), v);
}

CNN_INLINE vector vector_silu(vector v)
{
    return vector_logistic(v, v);
}

/* The same bits where v is within 88 of 0, for fewer operations. `far` collects whether it is, in all lanes and calls. */
CNN_INLINE vector vector_silu_near(vector v, vector_bits *far)
{
    return vector_logistic_near(v, v, far);
}

/* Whether a lane that vector_silu_near was given is out of its range, and all of that tile must go through vector_silu. */
CNN_INLINE int vector_any_far(vector_bits far)
{
    typedef int64_t lanes __attribute__((vector_size(CNN_VECTOR_BYTES)));
    const lanes pairs = (lanes)((far ^ 0x40000000) >> 8);
    int64_t any = 0;
    for (int i = 0; i < CNN_VECTOR_FLOATS / 2; ++i) {
        any |= pairs[i];
    }
    return any != 0;
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
    return __builtin_convertvector(exponent, vector) * 0.693147181f + (p * square * f - 0.5f * square + f);
}
