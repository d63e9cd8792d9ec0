/* IEEE binary16 without infinities and NaN as float, exactly. Below 2^-14 it counts steps of 2^-24. */
static inline float float_of_f16(uint16_t half)
{
    const int magnitude = half & 0x7FFF;
    const uint32_t bits = ((uint32_t)magnitude << 13) + ((uint32_t)112 << 23);
    float value;
    memcpy(&value, &bits, sizeof value);
    value = magnitude < 0x400 ? (float)magnitude * 5.9604645e-8f : value;
    return half > 0x7FFF ? -value : value;
}
