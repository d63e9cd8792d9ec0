/* One axis of the transforms of Winograd's convolution: winograd_inputT takes T inputs to T points, winograd_outputT_m
 * takes them to m outputs. Points 0, 1, -1, 2, -2, 1/2, -1/2 as far as they are needed, and infinity; nine points are 2, -2,
 * 1, -1, 5/8, -5/8, 1/4, -1/4 and infinity. */
CNN_INLINE void winograd_input3(const vector *d, vector *t)
{
    t[0] = d[0] - d[1];
    t[1] = d[1];
    t[2] = d[2] - d[1];
}

CNN_INLINE void winograd_output3_2(const vector *m, vector *y)
{
    y[0] = m[0] + m[1];
    y[1] = m[1] + m[2];
}

CNN_INLINE void winograd_input4(const vector *d, vector *t)
{
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
}

CNN_INLINE void winograd_output4_2(const vector *m, vector *y)
{
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
}

CNN_INLINE void winograd_output4_3(const vector *m, vector *y)
{
    const vector sum = m[1] + m[2];
    y[0] = m[0] + sum;
    y[1] = m[1] - m[2];
    y[2] = sum + m[3];
}

CNN_INLINE void winograd_input5(const vector *d, vector *t)
{
    const vector odd = d[3] - d[1];
    t[0] = 2.0f * d[0] - d[1] - 2.0f * d[2] + d[3];
    t[1] = d[3] - d[2] - 2.0f * d[1];
    t[2] = d[3] - 3.0f * d[2] + 2.0f * d[1];
    t[3] = odd;
    t[4] = d[4] - d[2] - 2.0f * odd;
}

CNN_INLINE void winograd_output5_3(const vector *m, vector *y)
{
    y[0] = m[0] + (m[1] + m[2]) + m[3];
    y[1] = m[1] - m[2] + 2.0f * m[3];
    y[2] = m[1] + m[2] + 4.0f * m[3] + m[4];
}

CNN_INLINE void winograd_output5_4(const vector *m, vector *y)
{
    const vector sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = m[0] + sum + m[3];
    y[1] = difference + 2.0f * m[3];
    y[2] = sum + 4.0f * m[3];
    y[3] = difference + 8.0f * m[3] + m[4];
}

CNN_INLINE void winograd_input6(const vector *d, vector *t)
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

CNN_INLINE void winograd_output6_4(const vector *m, vector *y)
{
    const vector sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vector sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + sum1 + sum2;
    y[1] = difference1 + 2.0f * difference2;
    y[2] = sum1 + 4.0f * sum2;
    y[3] = difference1 + 8.0f * difference2 + m[5];
}

CNN_INLINE void winograd_output6_2(const vector *m, vector *y)
{
    y[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    y[1] = m[1] - m[2] + 2.0f * (m[3] - m[4]) + m[5];
}

CNN_INLINE void winograd_input7(const vector *d, vector *t)
{
    t[0] = 2.0f * d[0] - 4.0f * d[1] - 2.5f * d[2] + 5.0f * d[3] + 0.5f * d[4] - d[5];
    t[1] = d[5] + 0.5f * d[4] - 4.5f * d[3] - 2.0f * d[2] + 2.0f * d[1];
    t[2] = d[5] - 1.5f * d[4] - 3.5f * d[3] + 6.0f * d[2] - 2.0f * d[1];
    t[3] = d[5] + 1.5f * d[4] - 2.0f * d[3] - 1.5f * d[2] + d[1];
    t[4] = d[5] - 2.5f * d[4] + 2.5f * d[2] - d[1];
    t[5] = d[5] - 5.0f * d[3] + 4.0f * d[1];
    t[6] = d[6] - 0.5f * d[5] - 5.0f * d[4] + 2.5f * d[3] + 4.0f * d[2] - 2.0f * d[1];
}

/* The outputs that 7 points give before infinity is added to the last one. */
CNN_INLINE void winograd_finite7(const vector *m, int outputs, vector *y)
{
    const vector sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vector sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + sum1 + sum2 + m[5];
    y[1] = difference1 + 2.0f * difference2 + 0.5f * m[5];
    y[2] = sum1 + 4.0f * sum2 + 0.25f * m[5];
    y[3] = difference1 + 8.0f * difference2 + 0.125f * m[5];
    if (outputs > 4) {
        y[4] = sum1 + 16.0f * sum2 + 0.0625f * m[5];
    }
}

CNN_INLINE void winograd_output7_4(const vector *m, vector *y)
{
    winograd_finite7(m, 4, y);
    y[3] += m[6];
}

CNN_INLINE void winograd_output7_5(const vector *m, vector *y)
{
    winograd_finite7(m, 5, y);
    y[4] += m[6];
}

CNN_INLINE void winograd_input8(const vector *d, vector *t)
{
    const vector even1 = d[6] - 4.25f * d[4] + d[2], odd1 = d[5] - 4.25f * d[3] + d[1];
    const vector even2 = d[6] - 1.25f * d[4] + 0.25f * d[2], odd2 = 2.0f * d[5] - 2.5f * d[3] + 0.5f * d[1];
    const vector even3 = d[6] - 5.0f * d[4] + 4.0f * d[2], odd3 = 0.5f * d[5] - 2.5f * d[3] + 2.0f * d[1];
    t[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
    t[1] = even1 + odd1;
    t[2] = even1 - odd1;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = even3 + odd3;
    t[6] = even3 - odd3;
    t[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
}

/* The outputs that 8 points give before infinity is added to the last one. */
CNN_INLINE void winograd_finite8(const vector *m, int outputs, vector *y)
{
    const vector sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vector sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    const vector sum3 = m[5] + m[6], difference3 = m[5] - m[6];
    y[0] = m[0] + sum1 + sum2 + sum3;
    y[1] = difference1 + 2.0f * difference2 + 0.5f * difference3;
    if (outputs > 2) {
        y[2] = sum1 + 4.0f * sum2 + 0.25f * sum3;
        y[3] = difference1 + 8.0f * difference2 + 0.125f * difference3;
    }
    if (outputs > 4) {
        y[4] = sum1 + 16.0f * sum2 + 0.0625f * sum3;
        y[5] = difference1 + 32.0f * difference2 + 0.03125f * difference3;
    }
    if (outputs > 6) {
        y[6] = sum1 + 64.0f * sum2 + 0.015625f * sum3;
    }
}

CNN_INLINE void winograd_output8_2(const vector *m, vector *y)
{
    winograd_finite8(m, 2, y);
    y[1] += m[7];
}

CNN_INLINE void winograd_output8_4(const vector *m, vector *y)
{
    winograd_finite8(m, 4, y);
    y[3] += m[7];
}

CNN_INLINE void winograd_output8_6(const vector *m, vector *y)
{
    winograd_finite8(m, 6, y);
    y[5] += m[7];
}

CNN_INLINE void winograd_output8_7(const vector *m, vector *y)
{
    winograd_finite8(m, 7, y);
    y[6] += m[7];
}

/* Of points p and -p: (x + p) and (x - p) times the product of x^2 - q^2 over the other pairs. */
CNN_INLINE void winograd_input9(const vector *d, vector *t)
{
    const vector even1 = 2.0f * d[6] - 2.90625f * d[4] + 0.955078125f * d[2] - 0.048828125f * d[0];
    const vector odd1 = d[7] - 1.453125f * d[5] + 0.4775390625f * d[3] - 0.0244140625f * d[1];
    const vector even2 = d[6] - 4.453125f * d[4] + 1.8369140625f * d[2] - 0.09765625f * d[0];
    const vector odd2 = d[7] - 4.453125f * d[5] + 1.8369140625f * d[3] - 0.09765625f * d[1];
    const vector even3 = 0.625f * d[6] - 3.1640625f * d[4] + 2.6953125f * d[2] - 0.15625f * d[0];
    const vector odd3 = d[7] - 5.0625f * d[5] + 4.3125f * d[3] - 0.25f * d[1];
    const vector even4 = 0.25f * d[6] - 1.34765625f * d[4] + 1.48828125f * d[2] - 0.390625f * d[0];
    const vector odd4 = d[7] - 5.390625f * d[5] + 5.953125f * d[3] - 1.5625f * d[1];
    t[0] = odd1 + even1;
    t[1] = odd1 - even1;
    t[2] = odd2 + even2;
    t[3] = odd2 - even2;
    t[4] = odd3 + even3;
    t[5] = odd3 - even3;
    t[6] = odd4 + even4;
    t[7] = odd4 - even4;
    t[8] = d[8] - 5.453125f * d[6] + 6.2900390625f * d[4] - 1.9345703125f * d[2] + 0.09765625f * d[0];
}

CNN_INLINE void winograd_output9_5(const vector *m, vector *y)
{
    const vector sum1 = m[0] + m[1], difference1 = m[0] - m[1];
    const vector sum2 = m[2] + m[3], difference2 = m[2] - m[3];
    const vector sum3 = m[4] + m[5], difference3 = m[4] - m[5];
    const vector sum4 = m[6] + m[7], difference4 = m[6] - m[7];
    y[0] = sum1 + sum2 + (sum3 + sum4);
    y[1] = difference2 + 2.0f * difference1 + 0.625f * difference3 + 0.25f * difference4;
    y[2] = sum2 + 4.0f * sum1 + 0.390625f * sum3 + 0.0625f * sum4;
    y[3] = difference2 + 8.0f * difference1 + 0.244140625f * difference3 + 0.015625f * difference4;
    y[4] = sum2 + m[8] + 16.0f * sum1 + 0.152587890625f * sum3 + 0.00390625f * sum4;
}
