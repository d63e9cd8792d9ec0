/* Functions that are rare enough to be left to the library, lane by lane. */
CNN_INLINE vector vector_gelu(vector v)
{
    for (int lane = 0; lane < CNN_VECTOR_FLOATS; ++lane) {
        v[lane] = 0.5f * v[lane] * (1.0f + erff(0.70710678f * v[lane]));
    }
    return v;
}

CNN_INLINE vector vector_elu(vector v, float scale)
{
    for (int lane = 0; lane < CNN_VECTOR_FLOATS; ++lane) {
        v[lane] = v[lane] > 0.0f ? v[lane] : scale * expm1f(v[lane]);
    }
    return v;
}

CNN_INLINE vector vector_softplus(vector v)
{
    for (int lane = 0; lane < CNN_VECTOR_FLOATS; ++lane) {
        v[lane] = v[lane] > 0.0f ? v[lane] + log1pf(expf(-v[lane])) : log1pf(expf(v[lane]));
    }
    return v;
}
