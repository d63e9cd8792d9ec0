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
