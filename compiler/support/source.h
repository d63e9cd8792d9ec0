/* Source texts. Every loaded file gets a range of global byte positions, so that a Span of two numbers
 * says file, line and column. The texts live in the arena given at creation. */
#ifndef CNNC_SUPPORT_SOURCE_H
#define CNNC_SUPPORT_SOURCE_H

#include <stdint.h>

#include "support/arena.h"

typedef struct Span {
    uint32_t lo, hi; /* global byte positions, hi excluded; {0,0} = no place */
} Span;

typedef struct SourceFile {
    Str path; /* as opened: for diagnostics */
    Str name; /* as written: base name of the main file, or the text of the import; for generated code */
    Str text;
    uint32_t base; /* global position of text[0]; at least 1 */
} SourceFile;

typedef struct SourceLocation {
    const SourceFile *file; /* NULL for {0,0} */
    uint32_t line, column;  /* from 1; column counts characters (UTF-8 aware) */
    Str line_text;          /* without the line end */
    uint32_t line_offset;   /* byte offset of the position within line_text */
} SourceLocation;

typedef struct Sources Sources;

Sources *sources_create(Arena *arena);
/* Copies path, name and text. NULL where the sum of all sizes would reach 4 GiB. */
const SourceFile *sources_add(Sources *sources, Str path, Str name, Str text);
SourceLocation sources_locate(const Sources *sources, uint32_t position);

static inline Span span_join(Span a, Span b)
{
    if (a.lo == 0) {
        return b;
    }
    if (b.lo == 0) {
        return a;
    }
    return (Span){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

#endif
