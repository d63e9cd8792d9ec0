/* Tuning: the folder's interface. Choices for a network's convolutions, read from a database and, where that is asked for,
 * measured first. */
#ifndef CNNC_TUNE_TUNE_H
#define CNNC_TUNE_TUNE_H

#include "lower/choices.h"
#include "support/strbuf.h"
#include "tune/timing.h"

typedef struct TuneOptions {
    Str file;      /* the database */
    bool measures; /* --tune: what the database lacks is measured and added; it need not exist */
    Str wanted;    /* --tuned-for: part of a section's processor or compiler; empty: any */
    int32_t runs;  /* of each candidate */
} TuneOptions;

typedef struct Tuning {
    const Map *choices; /* for LowerOptions */
    Str note; /* "AMD EPYC, family 25 model 17, gcc 12.2.0 -O3, choices 0123456789abcdef": for generated code */
} Tuning;

typedef struct TuneContext { /* all borrowed */
    Arena *arena;
    Sources *sources;
    Diag *diag;
    StrBuf *log;
    TuneReport *report; /* NULL: silent */
    void *user;
} TuneContext;

/* False after an error in diag; then the database's file is as it was. The same database gives the same choices everywhere,
 * where it has one section for the target or --tuned-for names one. */
bool tune_choices(const TuneContext *context, const TuneOptions *options, const Graph *graph, const Target *target,
                  Tuning *tuning);

#endif
