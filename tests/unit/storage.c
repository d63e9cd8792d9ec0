/* Weights of 16 bits: every value, every tie. */
#include <criterion/criterion.h>
#include <math.h>

#include "lower/program.h"

enum { F16_INFINITY = 0x7C00, BF16_INFINITY = 0x7F80 };

static uint16_t infinity_of(Storage storage)
{
    return storage == STORE_F16 ? F16_INFINITY : BF16_INFINITY;
}

/* The value from the definition: sign, exponent, fraction. */
static double value_of(Storage storage, uint16_t bits)
{
    int fraction_bits = storage == STORE_F16 ? 10 : 7, bias = storage == STORE_F16 ? 15 : 127;
    int exponent = (bits & 0x7FFF) >> fraction_bits, fraction = bits & ((1 << fraction_bits) - 1);
    double magnitude = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits)
                                     : ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    return bits & 0x8000 ? -magnitude : magnitude;
}

Test(storage, every_value_comes_back)
{
    for (Storage storage = STORE_F16; storage <= STORE_BF16; ++storage) {
        for (uint32_t bits = 0; bits < 0x10000; ++bits) {
            if ((bits & 0x7FFF) >= infinity_of(storage)) {
                continue;
            }
            float value = storage_decode(storage, (uint16_t)bits);
            cr_assert((double)value == value_of(storage, (uint16_t)bits), "%s %04x is %g", storage_name(storage), bits,
                      (double)value);
            cr_assert_eq(signbit(value) != 0, bits >> 15 != 0);
            cr_assert_eq(storage_encode(storage, value), bits, "%s %04x", storage_name(storage), bits);
        }
        cr_assert((double)storage_decode(storage, (uint16_t)(infinity_of(storage) - 1)) == storage_largest(storage));
    }
}

/* Between neighbours: below the middle the lower, above it the upper, in the middle the even one. */
Test(storage, rounds_to_nearest_even)
{
    for (Storage storage = STORE_F16; storage <= STORE_BF16; ++storage) {
        for (uint32_t bits = 0; bits + 1 < infinity_of(storage); ++bits) {
            float low = storage_decode(storage, (uint16_t)bits), high = storage_decode(storage, (uint16_t)(bits + 1));
            float middle = (float)(((double)low + (double)high) / 2);
            uint32_t even = bits % 2 == 0 ? bits : bits + 1;
            for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
                float s = sign == 0 ? 1.0f : -1.0f;
                cr_assert_eq(storage_encode(storage, s * middle), sign | even);
                cr_assert_eq(storage_encode(storage, s * nextafterf(middle, 0.0f)), sign | bits);
                cr_assert_eq(storage_encode(storage, s * nextafterf(middle, INFINITY)), sign | (bits + 1));
            }
        }
    }
}

Test(storage, names)
{
    Storage storage = STORE_F32;
    cr_assert(storage_find(STR("bf16"), &storage) && storage == STORE_BF16);
    cr_assert(storage_find(STR("f16"), &storage) && storage == STORE_F16);
    cr_assert(storage_find(STR("f32"), &storage) && storage == STORE_F32);
    cr_assert_not(storage_find(STR("f64"), &storage));
    cr_assert_not(storage_find(STR(""), &storage));
    cr_assert_eq(storage_bytes(STORE_F32), 4);
    cr_assert_eq(storage_bytes(STORE_BF16), 2);
}
