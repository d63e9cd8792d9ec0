/* Arena: memory that lives and dies together. Nothing taken from an arena is freed on its own; the
 * creator destroys the arena. All memory comes back zeroed and aligned for any type. When the system
 * has no memory left, the process ends with a message and exit status 70: no caller sees NULL. */
#ifndef CNNC_SUPPORT_ARENA_H
#define CNNC_SUPPORT_ARENA_H

#include "support/str.h"
#include "support/attributes.h"

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena);
void arena_reset(Arena *arena); /* gives everything back, keeps the arena usable */

void *arena_alloc(Arena *arena, size_t bytes);
void *arena_array(Arena *arena, size_t count, size_t item_bytes); /* checks the multiplication */
#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (size_t)(count), sizeof(type)))

/* Makes room for one more item in a growing array that lives in the arena: returns `items`, or a copy
 * twice as large, and updates *capacity. The caller then writes items[count]. */
void *arena_grow(Arena *arena, void *items, size_t count, size_t *capacity, size_t item_bytes);

Str arena_copy(Arena *arena, Str text);         /* the copy has a NUL after its last byte */
const char *arena_cstr(Arena *arena, Str text); /* NUL-terminated copy */
Str arena_printf(Arena *arena, const char *format, ...) PRINTF(2, 3);

#endif
