/* Whole nets with dense layers of 16 bits, against the interpreter on the rounded weights: as exact as with f32. */
#include <criterion/criterion.h>

#include "net_check.h"
#include "support/arena.h"

static const char net[] = "tests/run/nets/dense_storage.net";

Test(dense_storage, portable)
{
    net_check(
        &(NetCheck){.name = "f16", .file = net, .dense_storage = "f16", .defines = "--target=portable", .parts = 3});
    net_check(
        &(NetCheck){.name = "bf16", .file = net, .dense_storage = "bf16", .defines = "--target=portable", .parts = 3});
}

Test(dense_storage, built_in_weights)
{
    net_check(&(NetCheck){.name = "f16-embedded",
                          .file = net,
                          .dense_storage = "f16",
                          .defines = "--target=portable",
                          .embeds = true,
                          .parts = 1});
    net_check(&(NetCheck){.name = "bf16-embedded",
                          .file = net,
                          .dense_storage = "bf16",
                          .defines = "--target=portable",
                          .embeds = true,
                          .parts = 1});
}

#if defined(__x86_64__)
static void check_target(const char *target, const char *flags, bool embeds)
{
    Arena *arena = arena_create();
    static const char *const storages[] = {"f16", "bf16"};
    for (int i = 0; i < 2; ++i) {
        net_check(&(NetCheck){.name = arena_printf(arena, "%s-%s", storages[i], target).ptr,
                              .file = net,
                              .dense_storage = storages[i],
                              .defines = arena_printf(arena, "--target=%s", target).ptr,
                              .flags = flags,
                              .embeds = embeds,
                              .parts = 3});
    }
    arena_destroy(arena);
}

Test(dense_storage, vectors)
{
    check_target("x86-64-v2", "-march=x86-64-v2", false);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        check_target("x86-64-v3", "-march=x86-64-v3", true);
    }
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq")) {
        check_target("x86-64-v4", "-march=x86-64-v4", false);
    }
}
#endif
