/* Storage of weights in 16 bits: names, limits, rounding. Rounding happens once, when weights are packed. */
#include "lower/program.h"

static const struct {
    const char *name;
    int64_t bytes;
    double largest;
} storages[] = {
    [STORE_F32] = {"f32", 4, 0x1.fffffep127},
    [STORE_F16] = {"f16", 2, 65504.0},
    [STORE_BF16] = {"bf16", 2, 0x1.fep127},
};

const char *storage_name(Storage storage)
{
    return storages[storage].name;
}

bool storage_find(Str name, Storage *storage)
{
    for (size_t i = 0; i < sizeof storages / sizeof storages[0]; ++i) {
        if (str_equal(name, str_from(storages[i].name))) {
            *storage = (Storage)i;
            return true;
        }
    }
    return false;
}

int64_t storage_bytes(Storage storage)
{
    return storages[storage].bytes;
}

double storage_largest(Storage storage)
{
    return storages[storage].largest;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Takes `drop` bits off the end, to the nearest, ties to even. A carry runs into the exponent, where it belongs. */
static uint32_t round_off(uint32_t bits, int drop)
{
    return (bits + (1u << (drop - 1)) - 1 + (bits >> drop & 1)) >> drop;
}

/* f16: sign, 5 bits of exponent (bias 15), 10 of fraction. Below 2^-14 it counts steps of 2^-24, and that is what a
 * float between a half and one has as its last place: adding a half rounds as wanted. */
static uint32_t f16_of(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude < (127u - 14u) << 23) {
        return sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f));
    }
    return sign | (round_off(magnitude, 13) - ((127u - 15u) << 10));
}

uint16_t storage_encode(Storage storage, float value)
{
    return (uint16_t)(storage == STORE_F16 ? f16_of(value) : round_off(bits_of(value), 16));
}

float storage_decode(Storage storage, uint16_t bits)
{
    if (storage == STORE_BF16) {
        return float_of((uint32_t)bits << 16);
    }
    uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
    if (magnitude < 0x400u) {
        return float_of(sign | bits_of((float)magnitude * 0x1p-24f));
    }
    return float_of(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}
