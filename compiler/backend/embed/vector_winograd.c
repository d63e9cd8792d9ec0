/* One dimension of the transforms of Winograd's convolution, F(m, 3): the input of m outputs, and the way back. Points
 * 0, 1, -1, infinity for m = 2; 0, 1, -1, 2, -2, infinity for m = 4. */
CNN_INLINE void winograd2_input(const vector *d, vector *t)
{
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
}

CNN_INLINE void winograd2_output(const vector *m, vector *y)
{
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
}

CNN_INLINE void winograd4_input(const vector *d, vector *t)
{
    const vector even1 = d[4] - 4.0f * d[2], odd1 = d[3] - 4.0f * d[1];
    const vector even2 = d[4] - d[2], odd2 = 2.0f * (d[3] - d[1]);
    t[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    t[1] = even1 + odd1;
    t[2] = even1 - odd1;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

CNN_INLINE void winograd4_output(const vector *m, vector *y)
{
    const vector sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vector sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + sum1 + sum2;
    y[1] = difference1 + 2.0f * difference2;
    y[2] = sum1 + 4.0f * sum2;
    y[3] = difference1 + 8.0f * difference2 + m[5];
}
