/* Source texts and places in them. Files follow each other in one space of positions, with a gap of one so that
 * the end of a file is a position of its own. Line starts are found once, when a file is added. */
#include "support/source.h"

typedef struct Entry {
    SourceFile file;
    uint32_t *lines; /* offset of each line's first byte */
    size_t n_lines;
} Entry;

struct Sources {
    Arena *arena;
    Entry **entries; /* ascending by base */
    size_t count, capacity;
    uint32_t next_base;
};

Sources *sources_create(Arena *arena)
{
    Sources *sources = ARENA_NEW(arena, Sources);
    sources->arena = arena;
    sources->next_base = 1;
    return sources;
}

/* A byte order mark is part of the text but not of its first line. */
static uint32_t first_line_start(Str text)
{
    return text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static void find_lines(Arena *arena, Entry *entry)
{
    Str text = entry->file.text;
    size_t count = 1;
    for (size_t i = 0; i < text.len; ++i) {
        count += text.ptr[i] == '\n';
    }
    entry->lines = ARENA_ARRAY(arena, uint32_t, count);
    entry->lines[0] = first_line_start(text);
    entry->n_lines = 1;
    for (size_t i = 0; i < text.len; ++i) {
        if (text.ptr[i] == '\n') {
            entry->lines[entry->n_lines++] = (uint32_t)i + 1;
        }
    }
}

const SourceFile *sources_add(Sources *sources, Str path, Str name, Str text)
{
    if (text.len >= UINT32_MAX - sources->next_base) {
        return NULL;
    }
    Entry *entry = ARENA_NEW(sources->arena, Entry);
    entry->file.path = arena_copy(sources->arena, path);
    entry->file.name = arena_copy(sources->arena, name);
    entry->file.text = arena_copy(sources->arena, text);
    entry->file.base = sources->next_base;
    sources->next_base += (uint32_t)text.len + 1;
    find_lines(sources->arena, entry);
    sources->entries =
        arena_grow(sources->arena, sources->entries, sources->count, &sources->capacity, sizeof(Entry *));
    sources->entries[sources->count++] = entry;
    return &entry->file;
}

static const Entry *entry_of(const Sources *sources, uint32_t position)
{
    size_t low = 0, high = sources->count; /* the entry is in [low, high) */
    if (position == 0 || position >= sources->next_base || high == 0) {
        return NULL;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (sources->entries[middle]->file.base <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return sources->entries[low];
}

SourceLocation sources_locate(const Sources *sources, uint32_t position)
{
    const Entry *entry = entry_of(sources, position);
    if (entry == NULL) {
        return (SourceLocation){0};
    }
    Str text = entry->file.text;
    uint32_t offset = position - entry->file.base;
    if (offset < entry->lines[0]) {
        offset = entry->lines[0];
    }
    size_t low = 0, high = entry->n_lines;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (entry->lines[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    size_t start = entry->lines[low];
    size_t end = low + 1 < entry->n_lines ? entry->lines[low + 1] - 1 : text.len;
    if (end > start && text.ptr[end - 1] == '\r') {
        --end;
    }
    if (offset > end) {
        offset = (uint32_t)end; /* on the line end itself */
    }
    uint32_t column = 1;
    for (size_t i = start; i < offset; ++i) {
        column += ((unsigned char)text.ptr[i] & 0xC0) != 0x80; /* continuation bytes start no character */
    }
    return (SourceLocation){
        .file = &entry->file,
        .line = (uint32_t)low + 1,
        .column = column,
        .line_text = {text.ptr + start, end - start},
        .line_offset = offset - (uint32_t)start,
    };
}
