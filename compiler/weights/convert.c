/* The three element types of trained weights to float32. All of their values are float32 values, so nothing is rounded.
 * Bytes are taken one by one, which compilers turn into plain loads: files need no alignment, hosts no byte order. */
#include <string.h>

#include "weights/tensor_file.h"

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t load_16(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t load_32(const unsigned char *bytes)
{
    return load_16(bytes) | load_16(bytes + 2) << 16;
}

void convert_f32(const unsigned char *bytes, size_t count, float *out)
{
    for (size_t i = 0; i < count; ++i) {
        out[i] = float_of_bits(load_32(bytes + 4 * i));
    }
}

/* F16: sign, 5 bits of exponent (bias 15), 10 bits of fraction. */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t fraction = half & 0x3FF;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, normal in float32 */
        float magnitude = (float)fraction * 5.9604644775390625e-8f;
        return sign != 0 ? -magnitude : magnitude;
    }
    if (exponent == 0x1F) { /* infinity, NaN */
        return float_of_bits(sign | 0x7F800000 | fraction << 13);
    }
    return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

void convert_f16(const unsigned char *bytes, size_t count, float *out)
{
    for (size_t i = 0; i < count; ++i) {
        out[i] = float_of_half(load_16(bytes + 2 * i));
    }
}

/* BF16: the upper half of a float32. */
void convert_bf16(const unsigned char *bytes, size_t count, float *out)
{
    for (size_t i = 0; i < count; ++i) {
        out[i] = float_of_bits(load_16(bytes + 2 * i) << 16);
    }
}
