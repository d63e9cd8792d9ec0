/* What this processor can do, as the number in x86-64-v1 to x86-64-v4; of a processor whose operating system does not save
 * the wide registers, only what goes without them. C has no way to ask; this builtin of gcc and clang is in their own small
 * libraries. Compile with -DCNN_X86_64_LEVEL_MAX=3 where x86-64-v4 is not to be used, or to test what is chosen then. */
#if !defined(CNN_X86_64_LEVEL_MAX)
#define CNN_X86_64_LEVEL_MAX 4
#endif
static int cnn_x86_64_level(void)
{
    int level = 1;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
        __builtin_cpu_supports("popcnt")) {
        level = 2;
    }
    if (level == 2 && __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        level = 3;
    }
    if (level == 3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        level = 4;
    }
    return level < CNN_X86_64_LEVEL_MAX ? level : CNN_X86_64_LEVEL_MAX;
}
