/* The targets that --target knows. A target is data: selection and emission ask for its properties, never for its name.
 */
#include "lower/program.h"

const Target targets[] = {
    {"portable", "strict C99 for any compiler: plain [C][H][W] arrays, loops that compilers vectorise", 1, 1, 0, NULL, NULL},
    {"x86-64-v4", "AVX-512: vectors of 16 floats, gcc or clang with -march=x86-64-v4", 16, 16, 32, "__AVX512F__",
     "-march=x86-64-v4"},
    {"x86-64-v3", "AVX2 and FMA: vectors of 8 floats, gcc or clang with -march=x86-64-v3", 8, 8, 16, "__FMA__",
     "-march=x86-64-v3"},
    {"x86-64-v2", "SSE4.2: vectors of 4 floats, gcc or clang with -march=x86-64-v2", 4, 4, 16, "__SSE4_2__",
     "-march=x86-64-v2"},
    {"aarch64", "64-bit ARM: vectors of 4 floats, gcc or clang", 4, 4, 32, "__aarch64__", NULL},
    {NULL, NULL, 0, 0, 0, NULL, NULL},
};

/* What this machine executes; the operating system must save the wide registers too, which the builtin looks at. */
static const char *native_name(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return "x86-64-v4";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        return "x86-64-v3";
    }
    return __builtin_cpu_supports("sse4.2") ? "x86-64-v2" : "portable";
#elif defined(__aarch64__)
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
