/* Of each lane: the mean of all pixels so far, and their squared distances from it, summed. Runs of pixels are summed in
 * float, what runs have in common in double, so that a large mean does no harm (Chan, Golub, LeVeque). */
typedef struct vector_moments {
    double count;
    double mean[CNN_VECTOR_FLOATS], squares[CNN_VECTOR_FLOATS];
} vector_moments;

CNN_INLINE vector vector_distance(const float *x, vector mean)
{
    const vector d = vector_load(x) - mean;
    return d * d;
}

CNN_INLINE void vector_moments_add(vector_moments *m, const float *x, int pixels)
{
    vector sum[4] = {vector_all(0.0f), vector_all(0.0f), vector_all(0.0f), vector_all(0.0f)};
    const int whole = pixels / 4 * 4;
    for (int i = 0; i < whole; i += 4) {
        CNN_UNROLL(4)
        for (int k = 0; k < 4; ++k) {
            sum[k] += vector_load(x + (i + k) * CNN_VECTOR_FLOATS);
        }
    }
    for (int i = whole; i < pixels; ++i) {
        sum[0] += vector_load(x + i * CNN_VECTOR_FLOATS);
    }
    const vector total = (sum[0] + sum[1]) + (sum[2] + sum[3]), mean = total / (float)pixels;
    vector squares[4] = {vector_all(0.0f), vector_all(0.0f), vector_all(0.0f), vector_all(0.0f)};
    for (int i = 0; i < whole; i += 4) {
        CNN_UNROLL(4)
        for (int k = 0; k < 4; ++k) {
            squares[k] += vector_distance(x + (i + k) * CNN_VECTOR_FLOATS, mean);
        }
    }
    for (int i = whole; i < pixels; ++i) {
        squares[0] += vector_distance(x + i * CNN_VECTOR_FLOATS, mean);
    }
    const vector distance = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    float totals[CNN_VECTOR_FLOATS], distances[CNN_VECTOR_FLOATS];
    vector_store_anywhere(totals, total);
    vector_store_anywhere(distances, distance);
    const double before = m->count, count = before + (double)pixels, part = (double)pixels / count;
    for (int lane = 0; lane < CNN_VECTOR_FLOATS; ++lane) {
        const double delta = (double)totals[lane] / (double)pixels - m->mean[lane];
        m->mean[lane] += delta * part;
        m->squares[lane] += (double)distances[lane] + delta * delta * before * part;
    }
    m->count = count;
}
