/* IEEE binary16 without infinities and NaN: with its bits in the place of a float's it is 2^112 times too small, subnormals too.
 * Exact. (A weight below 2^-14 is a subnormal float for a moment; where these count as zero, -ffast-math, it becomes one.) */
static inline float float_of_f16(uint16_t half)
{
    const uint32_t bits = (uint32_t)(half & 0x8000) << 16 | (uint32_t)(half & 0x7FFF) << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value * 5.192296858534828e33f;
}
