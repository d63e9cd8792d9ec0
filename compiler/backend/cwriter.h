/* CWriter: C text with indentation. Knows C's braces and comments, and nothing of networks. */
#ifndef CNNC_BACKEND_CWRITER_H
#define CNNC_BACKEND_CWRITER_H

#include "support/strbuf.h"

typedef struct CWriter {
    StrBuf text; /* freed by cw_free */
    int depth;   /* open scopes */
} CWriter;

void cw_free(CWriter *w);
void cw_line(CWriter *w, const char *format, ...) PRINTF(2, 3); /* one line at the current indentation */
void cw_open(CWriter *w, const char *format, ...) PRINTF(2, 3); /* line + " {", then one level deeper */
void cw_body(CWriter *w);                      /* "{" on a line of its own, then one level deeper: a function */
void cw_close(CWriter *w, const char *suffix); /* "}" + suffix, one level back; ICE when nothing is open */
void cw_chain(CWriter *w, const char *format, ...) PRINTF(2, 3); /* "} else {": closes and opens */
void cw_comment(CWriter *w, const char *format, ...)
    PRINTF(2, 3);                                 /* wraps at 100 columns; comment ends inside are defused */
void cw_blank(CWriter *w);                        /* one blank line; never two, never after an opening brace */
void cw_raw(CWriter *w, Str text);                /* fixed text, as it is */
void cw_join(CWriter *w, const CWriter *section); /* appends a finished section; ICE unless its scopes are closed */

#endif
