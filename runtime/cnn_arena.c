/* Memory for an arena. On POSIX systems a large one is asked for in large pages where the system has them: kernels that
 * write to many places in turn, such as the transforms of Winograd's convolution, then wait less for the processor to find
 * pages. Elsewhere, or with -DCNN_ARENA_MALLOC, it comes from malloc alone. */
#if !defined(_WIN32) && !defined(CNN_ARENA_MALLOC) && (defined(__unix__) || defined(__APPLE__))
#define CNN_ARENA_POSIX 1
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1 /* madvise */
#endif
#ifdef __APPLE__
#define _DARWIN_C_SOURCE 1
#endif
#endif

#include "cnn.h"

#include <stdlib.h>

#ifdef CNN_ARENA_POSIX

#include <sys/mman.h>

#define CNN_LARGE_PAGE ((size_t)2 * 1024 * 1024)

/* On a multiple of CNN_ALIGNMENT; NULL where there is no memory. */
static void *allocate(size_t bytes)
{
    const size_t unit = bytes < CNN_LARGE_PAGE ? (size_t)CNN_ALIGNMENT : CNN_LARGE_PAGE;
    const size_t size = (bytes + unit - 1) / unit * unit;
    void *memory = NULL;
    if (size < bytes || posix_memalign(&memory, unit, size > 0 ? size : unit) != 0) {
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    if (unit == CNN_LARGE_PAGE) {
        (void)madvise(memory, size, MADV_HUGEPAGE); /* a wish: small pages serve as well */
    }
#endif
    return memory;
}

static void release(void *arena)
{
    free(arena);
}

#else

/* The same; in front of the arena stands what free wants. */
static void *allocate(size_t bytes)
{
    const size_t head = sizeof(void *) + CNN_ALIGNMENT;
    unsigned char *memory = bytes > SIZE_MAX - head ? NULL : (unsigned char *)malloc(bytes + head), *arena;
    if (memory == NULL) {
        return NULL;
    }
    arena = memory + head - (uintptr_t)(memory + head) % CNN_ALIGNMENT;
    ((void **)arena)[-1] = memory;
    return arena;
}

static void release(void *arena)
{
    free(((void **)arena)[-1]);
}

#endif

cnn_status cnn_arena_create(void **arena, size_t bytes)
{
    if (arena == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    *arena = allocate(bytes);
    return *arena == NULL ? CNN_ERROR_OUT_OF_MEMORY : CNN_OK;
}

void cnn_arena_destroy(void *arena)
{
    if (arena != NULL) {
        release(arena);
    }
}
