/* Map: an array of entries in the order of insertion, and an open-addressing table of indices into it
 * (0 = free, else index + 1). Nothing is ever removed. */
#include "support/map.h"

#include "support/hash.h"

typedef struct Entry {
    Str key;
    void *value;
    uint32_t hash;
} Entry;

struct Map {
    Arena *arena;
    Entry *entries;
    size_t count, capacity;
    size_t *slots; /* n_slots of them, a power of two, at most half in use */
    size_t n_slots;
};

/* The slot that holds the key, or the free slot where it belongs. The table must not be full. */
static size_t *find_slot(const Map *map, Str key, uint32_t hash)
{
    size_t at = hash & (map->n_slots - 1);
    for (;; at = (at + 1) & (map->n_slots - 1)) {
        size_t *slot = &map->slots[at];
        if (*slot == 0) {
            return slot;
        }
        const Entry *entry = &map->entries[*slot - 1];
        if (entry->hash == hash && str_equal(entry->key, key)) {
            return slot;
        }
    }
}

static void grow_slots(Map *map)
{
    map->n_slots = map->n_slots == 0 ? 16 : map->n_slots * 2;
    map->slots = ARENA_ARRAY(map->arena, size_t, map->n_slots);
    for (size_t i = 0; i < map->count; ++i) {
        *find_slot(map, map->entries[i].key, map->entries[i].hash) = i + 1;
    }
}

static const Entry *lookup(const Map *map, Str key)
{
    if (map->n_slots == 0) {
        return NULL;
    }
    size_t slot = *find_slot(map, key, hash_fnv1a_32(key));
    return slot == 0 ? NULL : &map->entries[slot - 1];
}

Map *map_create(Arena *arena)
{
    Map *map = ARENA_NEW(arena, Map);
    map->arena = arena;
    return map;
}

void *map_get(const Map *map, Str key)
{
    const Entry *entry = lookup(map, key);
    return entry == NULL ? NULL : entry->value;
}

bool map_has(const Map *map, Str key)
{
    return lookup(map, key) != NULL;
}

bool map_put(Map *map, Str key, void *value)
{
    if (map->count >= map->n_slots / 2) {
        grow_slots(map);
    }
    uint32_t hash = hash_fnv1a_32(key);
    size_t *slot = find_slot(map, key, hash);
    if (*slot != 0) {
        map->entries[*slot - 1].value = value;
        return false;
    }
    map->entries = arena_grow(map->arena, map->entries, map->count, &map->capacity, sizeof(Entry));
    map->entries[map->count] = (Entry){.key = key, .value = value, .hash = hash};
    *slot = ++map->count;
    return true;
}

size_t map_count(const Map *map)
{
    return map->count;
}

Str map_key_at(const Map *map, size_t index)
{
    return map->entries[index].key;
}

void *map_value_at(const Map *map, size_t index)
{
    return map->entries[index].value;
}
