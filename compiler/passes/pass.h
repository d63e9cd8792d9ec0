/* Passes: graph -> graph changed in place. One file each, all listed in pipeline.c. */
#ifndef CNNC_PASSES_PASS_H
#define CNNC_PASSES_PASS_H

#include "ir/graph.h"

typedef struct PassContext {
    Arena *scratch; /* reset by the runner after each pass */
    Diag *diag;
} PassContext;

typedef struct Pass {
    const char *name; /* --no-NAME, --print-after=NAME; spelled with '_' here, '-' is accepted too */
    const char *doc;
    bool (*run)(PassContext *context, Graph *graph); /* true: changed something */
} Pass;

extern const Pass pass_pipeline[]; /* in order; name NULL ends it */

bool drop_dropout(PassContext *context, Graph *graph);
bool dead_code(PassContext *context, Graph *graph);
bool fold_constants(PassContext *context, Graph *graph);
bool fold_batch_norm(PassContext *context, Graph *graph);
bool fold_normalize(PassContext *context, Graph *graph);
bool fuse_activation(PassContext *context, Graph *graph);
bool fuse_add(PassContext *context, Graph *graph);
bool elide_flatten(PassContext *context, Graph *graph);

const Pass *pass_find(Str name); /* NULL where unknown */

/* What the runner does besides running; callbacks keep this folder free of interp/. */
typedef struct PassRun {
    Arena *arena;
    Diag *diag;
    const bool *off;         /* [number of passes] switched off; NULL: none */
    const bool *print_after; /* [number of passes]; NULL: none */
    bool verify_ir;          /* graph_verify after every pass */
    bool time;               /* one line a pass to `log` */
    StrBuf *log;             /* "after NAME:" dumps, "after NAME (unchanged)", times */
    /* Called after each pass that changed the graph; false stops the run (already reported). May be NULL. */
    bool (*check)(void *user, const Graph *graph, const char *pass_name);
    void *check_user;
} PassRun;

bool passes_run(const PassRun *run, Graph *graph); /* false after an error in diag */

#endif
