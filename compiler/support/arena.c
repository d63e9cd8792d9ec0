/* Arena: a list of chunks that grow with use; a pointer moves through the newest one. Requests too large for a
 * chunk get one of their own. Chunks come from calloc, so large untouched memory costs nothing. */
#include "support/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CHUNK = 16 * 1024, LARGEST_CHUNK = 1024 * 1024 };

typedef struct Chunk {
    struct Chunk *older;
    size_t capacity, used;
    alignas(max_align_t) unsigned char bytes[];
} Chunk;

struct Arena {
    Chunk *newest;
    size_t next_capacity;
};

static Chunk *chunk_new(Chunk *older, size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(Chunk)) {
        out_of_memory();
    }
    Chunk *chunk = calloc(1, sizeof(Chunk) + capacity);
    if (chunk == NULL) {
        out_of_memory();
    }
    chunk->older = older;
    chunk->capacity = capacity;
    return chunk;
}

static void free_chunks(Chunk *chunk)
{
    while (chunk != NULL) {
        Chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

Arena *arena_create(void)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL) {
        out_of_memory();
    }
    arena->next_capacity = FIRST_CHUNK;
    return arena;
}

void arena_destroy(Arena *arena)
{
    if (arena != NULL) {
        free_chunks(arena->newest);
        free(arena);
    }
}

void arena_reset(Arena *arena)
{
    free_chunks(arena->newest);
    arena->newest = NULL;
    arena->next_capacity = FIRST_CHUNK;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    const size_t alignment = alignof(max_align_t);
    if (bytes > SIZE_MAX - alignment) {
        out_of_memory();
    }
    bytes = (bytes + alignment - 1) / alignment * alignment;
    if (bytes == 0) {
        bytes = alignment; /* every request has an address of its own */
    }
    Chunk *chunk = arena->newest;
    if (chunk != NULL && chunk->capacity - chunk->used >= bytes) {
        void *place = chunk->bytes + chunk->used;
        chunk->used += bytes;
        return place;
    }
    if (bytes > arena->next_capacity / 4 && chunk != NULL) {
        /* A large one goes behind the newest chunk, whose room stays in use. */
        chunk->older = chunk_new(chunk->older, bytes);
        chunk->older->used = bytes;
        return chunk->older->bytes;
    }
    size_t capacity = arena->next_capacity > bytes ? arena->next_capacity : bytes;
    arena->newest = chunk_new(chunk, capacity);
    arena->newest->used = bytes;
    if (arena->next_capacity < LARGEST_CHUNK) {
        arena->next_capacity *= 2;
    }
    return arena->newest->bytes;
}

void *arena_array(Arena *arena, size_t count, size_t item_bytes)
{
    if (item_bytes != 0 && count > SIZE_MAX / item_bytes) {
        out_of_memory();
    }
    return arena_alloc(arena, count * item_bytes);
}

void *arena_grow(Arena *arena, void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity) {
        return items;
    }
    if (*capacity > SIZE_MAX / 2) {
        out_of_memory();
    }
    size_t larger = *capacity == 0 ? 4 : *capacity * 2;
    void *copy = arena_array(arena, larger, item_bytes);
    if (count > 0) {
        memcpy(copy, items, count * item_bytes);
    }
    *capacity = larger;
    return copy;
}

Str arena_copy(Arena *arena, Str text)
{
    return (Str){arena_cstr(arena, text), text.len};
}

const char *arena_cstr(Arena *arena, Str text)
{
    if (text.len == SIZE_MAX) {
        out_of_memory();
    }
    char *copy = arena_alloc(arena, text.len + 1); /* zeroed: the NUL is there */
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

Str arena_printf(Arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        va_end(again);
        ICE("arena_printf cannot format '%s'", format);
    }
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (Str){text, (size_t)length};
}
