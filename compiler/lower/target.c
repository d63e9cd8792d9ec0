/* The targets that --target knows. A target is data: selection and emission ask for its properties, never for its name.
 */
#include "lower/program.h"

/* What code for several targets may use, as gcc and clang name it: what __builtin_cpu_supports of both can be asked for
 * (embed/cnn_x86_64_level.c asks for the same). -march allows a little more (lzcnt, movbe), which such code has no use for. */
#define FEATURES_V2 "sse4.2,popcnt"
#define FEATURES_V3 "avx2,fma,bmi,bmi2,popcnt"
#define FEATURES_V4 "avx512f,avx512bw,avx512cd,avx512dq,avx512vl," FEATURES_V3

const Target targets[] = {
    {"portable", "strict C99 for any compiler: plain [C][H][W] arrays, loops that compilers vectorise", 1, 1, 0, NULL, NULL,
     NULL, 1, NULL, NULL},
    {"x86-64-v4", "AVX-512: vectors of 16 floats, gcc or clang with -march=x86-64-v4", 16, 16, 32, "__AVX512F__",
     "-march=x86-64-v4", "x86-64", 4, FEATURES_V4, "skylake-avx512"},
    {"x86-64-v3", "AVX2 and FMA: vectors of 8 floats, gcc or clang with -march=x86-64-v3", 8, 8, 16, "__FMA__",
     "-march=x86-64-v3", "x86-64", 3, FEATURES_V3, "haswell"},
    {"x86-64-v2", "SSE4.2: vectors of 4 floats, gcc or clang with -march=x86-64-v2", 4, 4, 16, "__SSE4_2__",
     "-march=x86-64-v2", "x86-64", 2, FEATURES_V2, "sandybridge"},
    {"aarch64", "64-bit ARM: vectors of 4 floats, gcc or clang", 4, 4, 32, "__aarch64__", NULL, "aarch64", 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL},
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
