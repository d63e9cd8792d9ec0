/* The targets that --target knows. A target is data: selection and emission ask for its properties, never for its name.
 */
#include "lower/program.h"

/* What code for several targets may use, as gcc and clang name it: what __builtin_cpu_supports of both can be asked for
 * (embed/cnn_x86_64_level.c asks for the same). -march allows a little more (lzcnt, movbe), which such code has no use for. */
#define FEATURES_V2 "sse4.2,popcnt"
#define FEATURES_V3 "avx2,fma,bmi,bmi2,popcnt"
#define FEATURES_V4 "avx512f,avx512bw,avx512cd,avx512dq,avx512vl," FEATURES_V3

/* near_cost was measured: with 16 floats, with 8 of which two products are made in a cycle, and of which one. stream_cost is
 * the bytes of a vector over those that memory gives in a cycle, times products of a cycle: 4.3 bytes on the Zen 4 of
 * bench/results; 6 on the Zen 3 of bench/results/zen3, of two products; 5.5 on the Zen 1, where 6.5, a little more, tells the
 * faster tiles at 14x14 and 7x7. 5 for x86-64-v2, whose processors have slower memory. */
const Target targets[] = {
    {.name = "portable",
     .doc = "strict C99 for any compiler: plain [C][H][W] arrays, loops that compilers vectorise",
     .vector_floats = 1,
     .channel_block = 1,
     .level = 1},
    {.name = "x86-64-v4",
     .doc = "AVX-512: vectors of 16 floats, gcc or clang with -march=x86-64-v4",
     .vector_floats = 16,
     .channel_block = 16,
     .registers = 32,
     .products = 1,
     .near_cost = 6,
     .stream_cost = 15,
     .condition = "defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)",
     .flags = "-march=x86-64-v4",
     .architecture = "x86-64",
     .level = 4,
     .features = FEATURES_V4,
     .tuned_for = "skylake-avx512"},
    {.name = "x86-64-v3",
     .doc = "AVX2 and FMA: vectors of 8 floats, gcc or clang with -march=x86-64-v3",
     .vector_floats = 8,
     .channel_block = 8,
     .registers = 16,
     .products = 2,
     .near_cost = 6,
     .stream_cost = 10,
     .condition = "defined(__AVX2__) && defined(__FMA__)",
     .flags = "-march=x86-64-v3",
     .architecture = "x86-64",
     .level = 3,
     .features = FEATURES_V3,
     .tuned_for = "haswell"},
    {.name = "znver1",
     .doc = "as x86-64-v3, for Zen 1 and Zen+, which make a vector in two halves; with -march=znver1",
     .vector_floats = 8,
     .channel_block = 8,
     .registers = 16,
     .products = 1,
     .near_cost = 4,
     .stream_cost = 6.5,
     .condition = "defined(__AVX2__) && defined(__FMA__)",
     .flags = "-march=znver1",
     .architecture = "x86-64",
     .level = 3,
     .features = FEATURES_V3,
     .tuned_for = "znver1"},
    {.name = "x86-64-v2",
     .doc = "SSE4.2: vectors of 4 floats, gcc or clang with -march=x86-64-v2",
     .vector_floats = 4,
     .channel_block = 4,
     .registers = 16,
     .products = 1,
     .near_cost = 4,
     .stream_cost = 5,
     .condition = "defined(__SSE4_2__)",
     .flags = "-march=x86-64-v2",
     .architecture = "x86-64",
     .level = 2,
     .features = FEATURES_V2,
     .tuned_for = "sandybridge"},
    {.name = "aarch64",
     .doc = "64-bit ARM: vectors of 4 floats, gcc or clang",
     .vector_floats = 4,
     .channel_block = 4,
     .registers = 32,
     .products = 2,
     .near_cost = 6,
     .stream_cost = 7,
     .condition = "defined(__aarch64__)",
     .architecture = "aarch64",
     .level = 1},
    {0},
};

#if defined(__x86_64__) && defined(__GNUC__)
/* The probe of generated code, here compiled into the compiler itself. */
#include "backend/embed/cnn_x86_64_level.c"
#endif

/* What this machine executes. cnnc that gcc or clang has compiled for x86-64 or 64-bit ARM is taken for a sign that one of
 * them will compile what it writes. */
static const char *native_name(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    int level = cnn_x86_64_level();
    if (level == 3 && __builtin_cpu_is("znver1")) {
        return "znver1";
    }
    for (const Target *target = targets; target->name != NULL; ++target) {
        if (target->level == level && target->architecture != NULL) {
            return target->name;
        }
    }
    return "portable";
#elif defined(__aarch64__) && defined(__GNUC__)
    return "aarch64";
#else
    return "portable";
#endif
}

const Target *target_find(Str name)
{
    if (str_equal(name, STR("native"))) {
        name = str_from(native_name());
    }
    for (const Target *target = targets; target->name != NULL; ++target) {
        if (str_equal(name, str_from(target->name))) {
            return target;
        }
    }
    return NULL;
}

bool target_runs_here(const Target *target)
{
    if (target->architecture == NULL) {
        return true;
    }
    Str architecture = str_from(target->architecture);
#if defined(__x86_64__) && defined(__GNUC__)
    return str_equal(architecture, STR("x86-64")) && target->level <= cnn_x86_64_level();
#elif defined(__aarch64__)
    return str_equal(architecture, STR("aarch64"));
#else
    (void)architecture;
    return false;
#endif
}
