/* The tuning database: a text file of choices, by target, processor and C compiler.
 *
 *     cnnc tuning 1
 *     # comments and empty lines are allowed everywhere, and stay
 *
 *     [x86-64-v4 | AMD EPYC 9R45, family 26 model 2 | gcc 12.2.0 -O3]
 *     conv3x3 s1x1 p1x1 d1x1 g1 64x56x56 -> 64x56x56 = winograd m=4 vectors=2 tile=14 block=28 prefetch=no  # 312 us
 *
 * In memory it keeps every line as it was read, so that writing it back changes nothing but what was added: entries at
 * the end of their section, new sections at the end of the file. Lives in the arena given. */
#ifndef CNNC_TUNE_DATABASE_H
#define CNNC_TUNE_DATABASE_H

#include "lower/choices.h"

typedef struct TuningLine {
    Str text; /* without its line end */
    struct TuningLine *next;
} TuningLine;

typedef struct TuningSection {
    Str target, cpu, compiler; /* of the head line; the first section of a file, of what stands before any, has none */
    Str head;                  /* its line */
    TuningLine *first, *last;  /* all lines below it */
    Map *choices;              /* key -> ConvChoice: what LowerOptions takes */
    struct TuningSection *next;
} TuningSection;

typedef struct TuningDatabase {
    Arena *arena;
    TuningSection *first, *last;
} TuningDatabase;

enum { TUNING_MOST_BYTES = 64 << 20 };

TuningDatabase *tuning_create(Arena *arena); /* empty, with a head that explains the file */
/* Reads a database; NULL after errors in diag, which name file and line. */
TuningDatabase *tuning_parse(Arena *arena, Sources *sources, Diag *diag, Str path, Str text);
void tuning_text(const TuningDatabase *database, StrBuf *out);

/* NULL where there is none. Every text must be equal. */
TuningSection *tuning_find(const TuningDatabase *database, Str target, Str cpu, Str compiler);
TuningSection *tuning_add_section(TuningDatabase *database, Str target, Str cpu, Str compiler);
/* The section to compile with: of those for the target whose "CPU | COMPILER" contains `wanted` (empty: all) the only one,
 * or the only one of this machine's `cpu`. NULL after an error in diag. */
TuningSection *tuning_choose_section(const TuningDatabase *database, Diag *diag, Str path, Str target, Str wanted,
                                     Str cpu);
void tuning_add(TuningDatabase *database, TuningSection *section, Str key, const ConvChoice *choice, Str comment);

/* A hash over what the section says of the graph's convolutions: names in generated code which choices made it. */
uint64_t tuning_digest(const TuningSection *section, const Graph *graph, const Target *target);

#endif
