/* Sources of weights: the formula's numbers (pinned to values computed with NumPy), random
 * numbers, and the exact conversion of file elements. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "weights/tensor_file.h"
#include "weights_files.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static TensorType type_of(const int32_t *dims)
{
    int rank = 0;
    while (dims[rank] != 0) {
        ++rank;
    }
    return type_make(DT_F32, rank, dims);
}

/* --- formula */

typedef struct Pinned {
    const char *name;
    int32_t dims[5];
    int64_t index[2];
    uint32_t bits[2]; /* of the float32 at these indices */
    uint32_t sum;     /* of all elements' bits, modulo 2^32 */
} Pinned;

/* NumPy: the formula of compiler/weights/formula.c; uint64 arithmetic masked to 32 bits, float64, then astype(float32).
 */
static const Pinned pinned[] = {
    {"conv1.weight", {64, 3, 7, 7, 0}, {0, 9407}, {0xBD2685DEu, 0xBD2C3BAAu}, 2377416510u},
    {"layer1.0.bn1.weight", {64, 0}, {0, 63}, {0x3F8827B1u, 0x3F7B6A2Fu}, 3724112232u},
    {"layer1.0.bn1.bias", {64, 0}, {0, 63}, {0x3CEF398Bu, 0xBD9F607Eu}, 3309617278u},
    {"layer1.0.bn1.running_mean", {64, 0}, {0, 63}, {0xBC903762u, 0xBD887ABBu}, 990320261u},
    {"layer1.0.bn1.running_var", {64, 0}, {0, 63}, {0x3F5A2C7Cu, 0x3F792DD5u}, 3730609378u},
    {"classifier.0.weight", {64, 4096, 0}, {0, 262143}, {0xBB967EB8u, 0xBCAC9EFEu}, 1220531610u},
};

static uint32_t sum_of_bits(const float *values, int64_t count)
{
    uint32_t sum = 0;
    for (int64_t i = 0; i < count; ++i) {
        sum += bits_of(values[i]);
    }
    return sum;
}

Test(weights, formula_is_numpys)
{
    for (size_t k = 0; k < sizeof pinned / sizeof pinned[0]; ++k) {
        const Pinned *p = &pinned[k];
        TensorType type = type_of(p->dims);
        int64_t count = type_elements(type);
        float *values = malloc((size_t)count * sizeof *values);
        formula_fill_weight(str_from(p->name), type, 0, count, values);
        for (int i = 0; i < 2; ++i) {
            cr_assert_eq(bits_of(values[p->index[i]]), p->bits[i], "%s[%lld] = %a", p->name, (long long)p->index[i],
                         (double)values[p->index[i]]);
        }
        cr_assert_eq(sum_of_bits(values, count), p->sum, "%s", p->name);
        free(values);
    }
}

Test(weights, formula_input_is_numpys)
{
    const int64_t count = 3 * 224 * 224;
    float *values = malloc((size_t)count * sizeof *values);
    formula_fill_input(STR("input"), count, values);
    cr_assert_eq(bits_of(values[0]), 0x3EBD9E51u);
    cr_assert_eq(bits_of(values[1]), 0x3F75E542u);
    cr_assert_eq(bits_of(values[count - 1]), 0x3EB16AECu);
    cr_assert_eq(sum_of_bits(values, count), 3327865815u);
    free(values);
}

/* A range read by itself equals the same range of the whole, for every source and any cut. */
static void assert_ranges(const Weights *weights, Str name, TensorType type)
{
    int64_t count = type_elements(type);
    float *whole = malloc((size_t)count * sizeof *whole), *part = malloc((size_t)count * sizeof *part);
    weights_read(weights, name, type, 0, count, whole);
    for (int64_t first = 0, size = 1; first + size <= count; first += size, size = size * 2 + 1) {
        weights_read(weights, name, type, first, size, part);
        cr_assert_eq(memcmp(part, whole + first, (size_t)size * sizeof *part), 0, "from %lld", (long long)first);
    }
    free(whole);
    free(part);
}

Test(weights, ranges_agree)
{
    Arena *arena = arena_create();
    TensorType type = type_of((const int32_t[]){10, 3, 11, 7, 0});
    assert_ranges(weights_formula(arena), STR("a.weight"), type);
    assert_ranges(weights_random(arena, 1), STR("a.weight"), type);
    arena_destroy(arena);
}

/* --- random */

Test(weights, random_depends_on_seed_and_name_and_keeps_the_ranges)
{
    Arena *arena = arena_create();
    enum { COUNT = 4096 };
    TensorType matrix = type_of((const int32_t[]){64, 64, 0}), vector = type_of((const int32_t[]){COUNT, 0});
    static const uint64_t seeds[] = {0, 1, 2, 4294967296u, UINT64_MAX};
    float first[5], *values = malloc(COUNT * sizeof *values), *again = malloc(COUNT * sizeof *again);
    for (int s = 0; s < 5; ++s) {
        Weights *weights = weights_random(arena, seeds[s]);
        weights_read(weights, STR("fc.weight"), matrix, 0, COUNT, values);
        weights_read(weights_random(arena, seeds[s]), STR("fc.weight"), matrix, 0, COUNT, again);
        cr_assert_eq(memcmp(values, again, COUNT * sizeof *values), 0);
        weights_read(weights, STR("gc.weight"), matrix, 0, COUNT, again);
        cr_assert_neq(bits_of(values[0]), bits_of(again[0]));
        double sum = 0.0, limit = sqrt(6.0 / 64.0), largest = 0.0;
        for (int i = 0; i < COUNT; ++i) {
            sum += (double)values[i];
            largest = fmax(largest, fabs((double)values[i]));
        }
        cr_assert(largest <= limit && largest > 0.99 * limit, "largest %g of %g", largest, limit);
        cr_assert_lt(fabs(sum / COUNT), 0.03 * limit);
        weights_read(weights, STR("bn.running_var"), vector, 0, COUNT, again);
        for (int i = 0; i < COUNT; ++i) {
            cr_assert(again[i] >= 0.75f && again[i] <= 1.25f);
        }
        weights_read(weights, STR("bn.bias"), vector, 0, COUNT, again);
        for (int i = 0; i < COUNT; ++i) {
            cr_assert(fabsf(again[i]) <= 0.1f);
        }
        first[s] = values[0];
        for (int t = 0; t < s; ++t) {
            cr_assert_neq(bits_of(first[s]), bits_of(first[t]), "seeds %d and %d", s, t);
        }
    }
    cr_assert(str_equal(weights_description(weights_random(arena, UINT64_MAX)), STR("random:18446744073709551615")));
    cr_assert(str_equal(weights_description(weights_formula(arena)), STR("formula")));
    free(values);
    free(again);
    arena_destroy(arena);
}

/* --- conversions */

typedef struct Conversion {
    uint32_t from, to;
} Conversion;

Test(weights, f16_is_exact)
{
    static const Conversion known[] = {
        {0x0000, 0x00000000}, {0x8000, 0x80000000}, {0x0001, 0x33800000}, {0x8001, 0xB3800000},
        {0x0200, 0x38000000}, {0x03FF, 0x387FC000}, {0x0400, 0x38800000}, {0x3555, 0x3EAAA000},
        {0x3C00, 0x3F800000}, {0xBC00, 0xBF800000}, {0x5640, 0x42C80000}, {0x7BFF, 0x477FE000},
        {0xFBFF, 0xC77FE000}, {0x7C00, 0x7F800000}, {0xFC00, 0xFF800000}, {0x7E00, 0x7FC00000},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        unsigned char bytes[2] = {(unsigned char)known[i].from, (unsigned char)(known[i].from >> 8)};
        float value;
        convert_f16(bytes, 1, &value);
        cr_assert_eq(bits_of(value), known[i].to, "%04X gives %08X", known[i].from, bits_of(value));
    }
    /* All 65,536 values against their definition. */
    for (uint32_t half = 0; half < 65536; ++half) {
        unsigned char bytes[2] = {(unsigned char)half, (unsigned char)(half >> 8)};
        int exponent = (int)(half >> 10 & 31);
        double fraction = (double)(half & 1023), sign = half >> 15 ? -1.0 : 1.0;
        double want = exponent == 0 ? sign * ldexp(fraction, -24) : sign * ldexp(1024.0 + fraction, exponent - 25);
        float value;
        convert_f16(bytes, 1, &value);
        if (exponent < 31) {
            cr_assert(bits_of(value) == bits_of((float)want), "%04X", half);
        } else {
            cr_assert(fraction == 0.0 ? isinf(value) : isnan(value), "%04X", half);
        }
    }
}

Test(weights, bf16_is_the_upper_half)
{
    static const Conversion known[] = {{0x0000, 0x00000000}, {0x8000, 0x80000000}, {0x0001, 0x00010000},
                                       {0x807F, 0x807F0000}, {0x3F80, 0x3F800000}, {0xC049, 0xC0490000},
                                       {0x7F7F, 0x7F7F0000}, {0x7F80, 0x7F800000}, {0xFF80, 0xFF800000}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        unsigned char bytes[2] = {(unsigned char)known[i].from, (unsigned char)(known[i].from >> 8)};
        float value;
        convert_bf16(bytes, 1, &value);
        cr_assert_eq(bits_of(value), known[i].to);
    }
}

/* Three types in one file, at odd places: the header's length makes the data begin anywhere. */
Test(weights, a_file_is_read_as_written)
{
    WeightsBench bench = weights_bench_create("weights-read");
    const unsigned char data[] = {0x00, 0x3C, 0x00, 0xC0, /* F16 1, -2 */
                                  0x80, 0x3F,             /* BF16 1 */
                                  0xDB, 0x0F, 0x49, 0x40, 0x01, 0x00, 0x00, 0x80 /* F32 pi, -smallest */};
    char json[256] = "{\"a.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"BF16\","
                     "\"shape\":[],\"data_offsets\":[4,6]},"
                     "\"c\":{\"data_offsets\":[6,14],\"shape\":[1,2,1],\"dtype\":\"F32\"}}";
    for (int pad = 0; pad < 4; ++pad, strcat(json, " ")) {
        const char *path = weights_bench_path(&bench, "read.safetensors");
        weights_bench_write_file(path, json, data, sizeof data);
        Weights *weights = weights_open_safetensors(bench.arena, bench.diag, str_from(path));
        cr_assert(weights != NULL, "%s", weights_bench_text(&bench));
        cr_assert(str_equal(weights_description(weights), str_from(path)));
        float value[2];
        weights_read(weights, STR("a.weight"), type_f32_1(2), 0, 2, value);
        cr_assert(value[0] == 1.0f && value[1] == -2.0f);
        weights_read(weights, STR("b"), type_f32_1(1), 0, 1, value);
        cr_assert(value[0] == 1.0f);
        weights_read(weights, STR("c"), type_f32_3(1, 2, 1), 1, 1, value);
        cr_assert_eq(bits_of(value[0]), 0x80000001u);
        weights_read(weights, STR("c"), type_f32_3(1, 2, 1), 0, 1, value);
        cr_assert_eq(bits_of(value[0]), 0x40490FDBu);
        weights_close(weights);
        weights_close(weights); /* twice is once */
    }
    weights_close(NULL);
    weights_bench_destroy(&bench);
}
