/* runtime/cnn_arena.c: memory of all sizes, aligned and usable to its end; large pages asked for; faults. */
#include "../../runtime/cnn_arena.c" /* first: it says which of the system's headers it wants */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../run/sandbox.h"

/* The variant for systems without large pages, compiled into the same program under other names. */
#undef CNN_ARENA_POSIX
#define CNN_ARENA_MALLOC
#define cnn_arena_create malloc_arena_create
#define cnn_arena_destroy malloc_arena_destroy
#define allocate malloc_allocate
#define release malloc_release
cnn_status malloc_arena_create(void **arena, size_t bytes);
void malloc_arena_destroy(void *arena);
#include "../../runtime/cnn_arena.c"
#undef cnn_arena_create
#undef cnn_arena_destroy

typedef cnn_status Creator(void **arena, size_t bytes);
typedef void Destroyer(void *arena);

static void check_arenas(Creator *create, Destroyer *destroy)
{
    static const size_t sizes[] = {
        0, 1, 63, 64, 65, 100000, CNN_LARGE_PAGE - 1, CNN_LARGE_PAGE, CNN_LARGE_PAGE + 1, 5000000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    void *arenas[SIZES];
    for (int i = 0; i < SIZES; ++i) {
        cr_assert_eq(create(&arenas[i], sizes[i]), CNN_OK);
        cr_assert(arenas[i] != NULL && (uintptr_t)arenas[i] % CNN_ALIGNMENT == 0);
        memset(arenas[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < SIZES; ++i) { /* none lies in another */
        for (size_t k = 0; k < sizes[i]; ++k) {
            cr_assert_eq(((unsigned char *)arenas[i])[k], i + 1);
        }
        destroy(arenas[i]);
    }
    destroy(NULL);
    /* The first two wrap around; what malloc is asked for and has not, ASan's malloc does not return from. */
    static const size_t too_many[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - CNN_LARGE_PAGE, SIZE_MAX / 2 + 1};
    const size_t n_too_many = IS_SANITIZED ? 2 : sizeof too_many / sizeof too_many[0];
    for (size_t i = 0; i < n_too_many; ++i) {
        void *arena = arenas;
        cr_assert_eq(create(&arena, too_many[i]), CNN_ERROR_OUT_OF_MEMORY);
        cr_assert_null(arena);
    }
    cr_assert_eq(create(NULL, 64), CNN_ERROR_NULL_ARGUMENT);
}

Test(runtime_arena, all_sizes)
{
    check_arenas(cnn_arena_create, cnn_arena_destroy);
}

Test(runtime_arena, all_sizes_from_malloc)
{
    check_arenas(malloc_arena_create, malloc_arena_destroy);
}

/* The flags of the mapping that holds an address, from /proc/self/smaps: "hg" is advice for large pages. False: none are told. */
static bool mapping_flags(const void *address, char *flags, size_t size)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[1024];
    bool here = false, found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            here = from <= (uintptr_t)address && (uintptr_t)address < to;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found = snprintf(flags, size, "%s", line + 8) > 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

Test(runtime_arena, a_large_one_asks_for_large_pages)
{
    FILE *pages = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (pages == NULL) {
        cr_skip_test("this system has no transparent large pages");
    }
    fclose(pages);
    const size_t bytes = 5 * CNN_LARGE_PAGE + 1;
    void *arena;
    char first[512], last[512];
    cr_assert_eq(cnn_arena_create(&arena, bytes), CNN_OK);
    bool told = mapping_flags(arena, first, sizeof first) &&
                mapping_flags((unsigned char *)arena + bytes - 1, last, sizeof last);
    cnn_arena_destroy(arena);
    if (!told) {
        cr_skip_test("/proc/self/smaps tells no flags");
    }
    cr_assert(strstr(first, " hg") != NULL, "%s", first);
    cr_assert(strstr(last, " hg") != NULL, "%s", last);
}
