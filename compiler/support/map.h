/* Map: text keys to pointers, iterated in the order of insertion (so output never depends on hashes).
 * Keys are borrowed: they must outlive the map. Memory comes from the arena given at creation. */
#ifndef CNNC_SUPPORT_MAP_H
#define CNNC_SUPPORT_MAP_H

#include "support/arena.h"

typedef struct Map Map;

Map *map_create(Arena *arena);
void *map_get(const Map *map, Str key); /* NULL where absent */
bool map_has(const Map *map, Str key);
bool map_put(Map *map, Str key, void *value); /* true where the key is new; else replaces */
size_t map_count(const Map *map);
Str map_key_at(const Map *map, size_t index);
void *map_value_at(const Map *map, size_t index);

#endif
