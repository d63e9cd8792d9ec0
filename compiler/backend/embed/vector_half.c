/* Weights of 16 bits as floats. Vectors of halves are as long as vectors of floats. */
typedef uint16_t vector_halves __attribute__((vector_size(CNN_VECTOR_BYTES / 2), may_alias));
typedef int16_t vector_signed_halves __attribute__((vector_size(CNN_VECTOR_BYTES / 2), may_alias));

/* Each half as the lower bits of a lane, its sign in all upper ones. */
CNN_INLINE vector_bits vector_widen(const uint16_t *p)
{
    const vector_signed_halves halves = *(const vector_signed_halves *)p;
#if defined(__clang__) || __GNUC__ >= 9
    return __builtin_convertvector(halves, vector_bits);
#else
    vector_bits wide;
    for (int lane = 0; lane < CNN_VECTOR_FLOATS; ++lane) {
        wide[lane] = halves[lane];
    }
    return wide;
#endif
}

/* The upper halves of floats. */
CNN_INLINE vector vector_load_bf16(const uint16_t *p)
{
    return (vector)(vector_widen(p) << 16);
}

/* IEEE binary16 without infinities and NaN: with its bits in the place of a float's it is 2^112 times too small, subnormals too.
 * Exact. (A weight below 2^-14 is a subnormal float for a moment; where these count as zero, -ffast-math, it becomes one.) */
CNN_INLINE vector vector_load_f16(const uint16_t *p)
{
    return (vector)((vector_widen(p) << 13) & ~0x70001FFF) * 5.192296858534828e33f;
}
