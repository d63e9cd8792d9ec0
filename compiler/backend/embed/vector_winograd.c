/* One axis of the transforms of Winograd's convolution: winograd_inputT takes T inputs to T points, winograd_outputT_m
 * takes them to m outputs. Points 0, 1, -1, 2, -2, 1/2, -1/2 as far as they are needed, and infinity; nine points are 17/8, -17/8,
 * 9/8, -9/8, 11/16, -11/16, 1/4, -1/4 and infinity. */
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

/* Points p and -p: x + p and x - p times the product of x^2 - q^2 over the other pairs. */
CNN_INLINE void winograd_input9(const vector *d, vector *t)
{
    const vector odd1 = d[7] - 1.80078125f * d[5] + 0.70684814453125f * d[3] - 0.037387847900390625f * d[1];
    const vector even1 = d[6] - 1.80078125f * d[4] + 0.70684814453125f * d[2] - 0.037387847900390625f * d[0];
    const vector odd2 = d[7] - 5.05078125f * d[5] + 2.44610595703125f * d[3] - 0.13339614868164062f * d[1];
    const vector even2 = d[6] - 5.05078125f * d[4] + 2.44610595703125f * d[2] - 0.13339614868164062f * d[0];
    const vector odd3 = d[7] - 5.84375f * d[5] + 6.076416015625f * d[3] - 0.3571929931640625f * d[1];
    const vector even3 = d[6] - 5.84375f * d[4] + 6.076416015625f * d[2] - 0.3571929931640625f * d[0];
    const vector odd4 = d[7] - 6.25390625f * d[5] + 8.4476318359375f * d[3] - 2.7012720108032227f * d[1];
    const vector even4 = d[6] - 6.25390625f * d[4] + 8.4476318359375f * d[2] - 2.7012720108032227f * d[0];
    t[0] = odd1 + 2.125f * even1;
    t[1] = odd1 - 2.125f * even1;
    t[2] = odd2 + 1.125f * even2;
    t[3] = odd2 - 1.125f * even2;
    t[4] = odd3 + 0.6875f * even3;
    t[5] = odd3 - 0.6875f * even3;
    t[6] = odd4 + 0.25f * even4;
    t[7] = odd4 - 0.25f * even4;
    t[8] =
        d[8] - 6.31640625f * d[6] + 8.8385009765625f * d[4] - 3.2292490005493164f * d[2] + 0.16882950067520142f * d[0];
}

/* The outputs that 9 points give before infinity is added to the last one. */
CNN_INLINE void winograd_finite9(const vector *m, int outputs, vector *y)
{
    const vector sum1 = m[0] + m[1], difference1 = m[0] - m[1];
    const vector sum2 = m[2] + m[3], difference2 = m[2] - m[3];
    const vector sum3 = m[4] + m[5], difference3 = m[4] - m[5];
    const vector sum4 = m[6] + m[7], difference4 = m[6] - m[7];
    y[0] = sum1 + sum2 + (sum3 + sum4);
    y[1] = 2.125f * difference1 + 1.125f * difference2 + 0.6875f * difference3 + 0.25f * difference4;
    y[2] = 4.515625f * sum1 + 1.265625f * sum2 + 0.47265625f * sum3 + 0.0625f * sum4;
    if (outputs > 3) {
        y[3] = 9.595703125f * difference1 + 1.423828125f * difference2 + 0.324951171875f * difference3 +
               0.015625f * difference4;
        y[4] = 20.390869140625f * sum1 + 1.601806640625f * sum2 + 0.2234039306640625f * sum3 + 0.00390625f * sum4;
    }
    if (outputs > 5) {
        y[5] = 43.330596923828125f * difference1 + 1.802032470703125f * difference2 +
               0.15359020233154297f * difference3 + 0.0009765625f * difference4;
        y[6] = 92.07751846313477f * sum1 + 2.0272865295410156f * sum2 + 0.10559326410293579f * sum3 +
               0.000244140625f * sum4;
    }
}

CNN_INLINE void winograd_output9_3(const vector *m, vector *y)
{
    winograd_finite9(m, 3, y);
    y[2] += m[8];
}

CNN_INLINE void winograd_output9_5(const vector *m, vector *y)
{
    winograd_finite9(m, 5, y);
    y[4] += m[8];
}

CNN_INLINE void winograd_output9_7(const vector *m, vector *y)
{
    winograd_finite9(m, 7, y);
    y[6] += m[8];
}
