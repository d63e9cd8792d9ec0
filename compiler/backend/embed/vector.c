/* Vectors of gcc and clang: CNN_VECTOR_FLOATS floats that are computed at once. Memory of images and weights is aligned
 * to whole vectors; a vector_anywhere lies at any float, in the caller's memory. */
#define CNN_VECTOR_BYTES (4 * CNN_VECTOR_FLOATS)
#define CNN_INLINE static inline __attribute__((unused, always_inline))
typedef float vector __attribute__((vector_size(CNN_VECTOR_BYTES), may_alias));
typedef float vector_anywhere __attribute__((vector_size(CNN_VECTOR_BYTES), may_alias, aligned(4)));
typedef int32_t vector_bits __attribute__((vector_size(CNN_VECTOR_BYTES), may_alias));

/* So many steps of a loop at once; and: a loop that stays one, because a longer body would not fit the registers. */
#define CNN_PRAGMA(text) _Pragma(#text)
#define CNN_UNROLL(times) CNN_PRAGMA(GCC unroll times)
#define CNN_KEEP_LOOP CNN_PRAGMA(GCC unroll 1)

/* Lanes of a and b side by side, chosen by their numbers. */
#if defined(__clang__) || __GNUC__ >= 12
#define vector_shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define vector_shuffle(a, b, ...) __builtin_shuffle(a, b, (vector_bits){__VA_ARGS__})
#endif

CNN_INLINE vector vector_load(const float *p)
{
    return *(const vector *)p;
}

CNN_INLINE void vector_store(float *p, vector v)
{
    *(vector *)p = v;
}

CNN_INLINE vector vector_load_anywhere(const float *p)
{
    return *(const vector_anywhere *)p;
}

CNN_INLINE void vector_store_anywhere(float *p, vector v)
{
    *(vector_anywhere *)p = v;
}

/* The first floats of a vector; zeros in the other lanes. */
CNN_INLINE vector vector_load_first(const float *p, size_t floats)
{
    vector v = {0.0f};
    memcpy(&v, p, floats * sizeof(float));
    return v;
}

CNN_INLINE vector vector_all(float value)
{
    const vector zero = {0.0f};
    return value - zero; /* value as it is; value + 0 would be computed, since it makes 0 of -0 */
}

/* In each lane `a` where the mask is all ones, `b` where it is zero. With ^, of which gcc makes a blend; of | it does not. */
CNN_INLINE vector vector_select(vector_bits mask, vector a, vector b)
{
    return (vector)((mask & (vector_bits)a) ^ (~mask & (vector_bits)b));
}

/* The activations keep a lane that is NaN: comparisons with it are false. */
CNN_INLINE vector vector_relu(vector v)
{
    return (vector)((vector_bits)v & ~(vector_bits)(v < vector_all(0.0f)));
}

CNN_INLINE vector vector_at_most(vector v, float limit)
{
    return vector_select((vector_bits)(v > vector_all(limit)), vector_all(limit), v);
}

CNN_INLINE vector vector_at_least(vector v, float limit)
{
    return vector_select((vector_bits)(v < vector_all(limit)), vector_all(limit), v);
}

CNN_INLINE vector vector_clamp(vector v, float low, float high)
{
    return vector_at_most(vector_at_least(v, low), high);
}

CNN_INLINE vector vector_leaky_relu(vector v, float slope)
{
    return vector_select((vector_bits)(v < vector_all(0.0f)), v * slope, v);
}

CNN_INLINE vector vector_prelu(vector v, vector slope)
{
    return vector_select((vector_bits)(v < vector_all(0.0f)), v * slope, v);
}

CNN_INLINE vector vector_hard_sigmoid(vector v)
{
    return vector_clamp(v * 0.16666667f + 0.5f, 0.0f, 1.0f);
}

CNN_INLINE vector vector_hard_swish(vector v)
{
    return v * vector_hard_sigmoid(v);
}

CNN_INLINE vector vector_step(vector v)
{
    return vector_select((vector_bits)(v >= vector_all(0.0f)), vector_all(1.0f), vector_all(0.0f));
}

/* The larger; NaN wins. Written so that the second comparison can be made under the mask of the first. */
CNN_INLINE vector vector_max(vector best, vector v)
{
    return vector_select(~(vector_bits)(v <= best) & (vector_bits)(best == best), v, best);
}
