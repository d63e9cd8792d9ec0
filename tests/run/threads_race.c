/* runtime/cnn_threads.c under ThreadSanitizer. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sandbox.h"

/* ThreadSanitizer wants its own layout of memory, which not every kernel gives. */
static bool sanitizer_works(Arena *arena, const char *folder)
{
    sandbox_write(arena, folder, "probe.c", STR("int main(void)\n{\n    return 0;\n}\n"));
    return system(arena_printf(arena, "cd '%s' && (cc -fsanitize=thread probe.c -o probe && ./probe) > log.txt 2>&1",
                               folder)
                      .ptr) == 0;
}

Test(threads_race, thread_sanitizer_finds_nothing)
{
    Arena *arena = arena_create();
    const char *folder = sandbox_create(arena, "threads_race");
    if (sanitizer_works(arena, folder)) {
        sandbox_expect(
            arena, folder,
            arena_printf(arena,
                         "cc -std=c11 -O1 -g -fsanitize=thread -Iruntime tests/run/programs/threads_stress.c "
                         "runtime/cnn_threads.c -o '%s/stress' -pthread && "
                         "TSAN_OPTIONS=halt_on_error=1 '%s/stress'",
                         folder, folder));
    }
    arena_destroy(arena);
}
