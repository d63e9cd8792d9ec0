/* Diagnostics: every message a user sees about a bad input. Text is collected in a StrBuf; main.c (or a
 * test) prints it. Ids come from diags.def and stand in brackets at the end of the message line. */
#ifndef CNNC_SUPPORT_DIAG_H
#define CNNC_SUPPORT_DIAG_H

#include "support/source.h"
#include "support/strbuf.h"

typedef enum DiagId {
#define DIAG(id, name, doc) DIAG_##id,
#include "support/diags.def"
#undef DIAG
    DIAG_COUNT
} DiagId;

const char *diag_name(DiagId id); /* "shape-mismatch" */

/* One step of the chain of block calls that led to a place; built by the elaborator, lives in its arena. */
typedef struct CallSite {
    Span span;                     /* the call */
    Str block;                     /* name of the block called */
    Str path;                      /* scope that the call opened, e.g. "layer1.0"; may be empty */
    const struct CallSite *caller; /* NULL at the net's own level */
} CallSite;

enum { DIAG_MAX_ERRORS = 20 };

typedef struct Diag Diag;

Diag *diag_create(Arena *arena, const Sources *sources);
void diag_destroy(Diag *diag);

/* An error at a place in a source. The 21st and later are only counted. */
void diag_error(Diag *diag, DiagId id, Span span, const char *format, ...) PRINTF(4, 5);
/* An error about a thing without source text: a weights file, an option. `where` comes first ("w.safetensors"). */
void diag_error_in(Diag *diag, DiagId id, Str where, const char *format, ...) PRINTF(4, 5);
void diag_warning(Diag *diag, DiagId id, Span span, const char *format, ...) PRINTF(4, 5);
/* These belong to the error or warning just reported, and share its fate. */
void diag_note(Diag *diag, Span span, const char *format, ...) PRINTF(3, 4);
void diag_help(Diag *diag, const char *format, ...) PRINTF(2, 3); /* "  help: did you mean 'conv'?" */
void diag_chain(Diag *diag, const CallSite *site); /* "in block 'bottleneck' as 'layer1.0'", innermost first */

size_t diag_errors(const Diag *diag);           /* how many errors so far, shown or not */
size_t diag_fired(const Diag *diag, DiagId id); /* how often this id */
bool diag_is_full(const Diag *diag);            /* limit reached: stop early */
Str diag_text(const Diag *diag);                /* everything reported so far; borrowed */
const Sources *diag_sources(const Diag *diag);

#endif
