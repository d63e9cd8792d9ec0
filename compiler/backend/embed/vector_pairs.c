/* Two numbers in turns, in all lanes: p[0], p[1], p[0], p[1] ... */
typedef int64_t vector_twos __attribute__((vector_size(CNN_VECTOR_BYTES), may_alias));

CNN_INLINE vector vector_pair(const float *p)
{
    const vector_twos zero = {0};
    int64_t both;
    memcpy(&both, p, sizeof both);
    return (vector)(zero + both);
}
