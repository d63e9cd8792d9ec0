/* Weights and inputs made from names alone: the same numbers in any language, so that two engines can be compared
 * without a weights file, and a wrong name shows as a wrong output. Element i of tensor NAME is made of
 *     u = mix(fnv1a_32(NAME) + (i + 1) * 0x9E3779B9) / 2^32, mix being murmur3's 32-bit finaliser,
 * in double and rounded to float32 once; range_of says to what range. tools/golden/formula.py is the same in Python.
 * Also the random weights, which follow the same ranges with another generator. */
#include <math.h>

#include "support/hash.h"
#include "weights/fill.h"

enum { BLOCK = 256 };

/* What a tensor's values are: low + scale * u, or (2u - 1) * scale where centred; u in [0, 1). */
typedef struct Range {
    bool is_centred;
    double low, scale;
} Range;

static bool has_role(Str name, WeightRole role)
{
    Str suffix = str_from(role_name(role));
    bool is_whole = name.len <= suffix.len || name.ptr[name.len - suffix.len - 1] == '.';
    return is_whole && str_ends_with(name, suffix);
}

static Range range_of(Str name, TensorType type)
{
    const Range positive = {.low = 0.75, .scale = 0.5}, small = {.is_centred = true, .scale = 0.1};
    if (has_role(name, ROLE_RUNNING_VAR)) {
        return positive;
    }
    if (has_role(name, ROLE_RUNNING_MEAN) || has_role(name, ROLE_BIAS)) {
        return small;
    }
    if (type.rank == 1) {
        return positive;
    }
    double fan_in = (double)(type_elements(type) / type.dim[0]);
    return (Range){.is_centred = true, .scale = sqrt(6.0 / fan_in)};
}

static void fill_block(Range range, const uint32_t *z, size_t count, float *out)
{
    const double unit = 1.0 / 4294967296.0;
    for (size_t i = 0; i < count; ++i) {
        double u = (double)z[i] * unit;
        out[i] = (float)(range.is_centred ? (2.0 * u - 1.0) * range.scale : range.low + range.scale * u);
    }
}

/* --- the formula's generator: a counter through murmur3's 32-bit finaliser */

static uint32_t formula_bits(uint32_t hash, uint32_t index)
{
    uint32_t z = hash + (index + 1) * 0x9E3779B9u;
    z ^= z >> 16;
    z *= 0x85EBCA6Bu;
    z ^= z >> 13;
    z *= 0xC2B2AE35u;
    z ^= z >> 16;
    return z;
}

static void fill_formula(Str name, Range range, int64_t first, int64_t count, float *out)
{
    uint32_t hash = hash_fnv1a_32(name), z[BLOCK];
    for (int64_t done = 0; done < count; done += BLOCK) {
        size_t block = (size_t)(count - done < BLOCK ? count - done : BLOCK);
        for (size_t i = 0; i < block; ++i) {
            z[i] = formula_bits(hash, (uint32_t)(first + done) + (uint32_t)i);
        }
        fill_block(range, z, block, out + done);
    }
}

void formula_fill_input(Str name, int64_t count, float *out)
{
    fill_formula(name, (Range){.is_centred = true, .scale = 1.0}, 0, count, out);
}

void formula_fill_bytes(Str name, int64_t count, uint8_t *out)
{
    uint32_t hash = hash_fnv1a_32(name);
    for (int64_t i = 0; i < count; ++i) {
        out[i] = (uint8_t)(formula_bits(hash, (uint32_t)i) >> 24);
    }
}

void formula_fill_weight(Str name, TensorType type, int64_t first, int64_t count, float *out)
{
    fill_formula(name, range_of(name, type), first, count, out);
}

/* --- random: a 64-bit counter through splitmix64's finaliser; seed and name choose where the counter starts */

static uint64_t random_bits(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void random_fill_weight(uint64_t seed, Str name, TensorType type, int64_t first, int64_t count, float *out)
{
    const uint64_t step = 0x9E3779B97F4A7C15u;
    uint64_t start = random_bits(random_bits(seed + step) + hash_fnv1a_64(name));
    Range range = range_of(name, type);
    uint32_t z[BLOCK];
    for (int64_t done = 0; done < count; done += BLOCK) {
        size_t block = (size_t)(count - done < BLOCK ? count - done : BLOCK);
        for (size_t i = 0; i < block; ++i) {
            z[i] = (uint32_t)(random_bits(start + ((uint64_t)(first + done) + i + 1) * step) >> 32);
        }
        fill_block(range, z, block, out + done);
    }
}
