/* C text that is written already, as words, comments and the rest: shared functions and headers are written where a
 * text uses their names. What stands in a string counts as code: at worst something is written that nobody needs. */
#ifndef CNNC_BACKEND_CTEXT_H
#define CNNC_BACKEND_CTEXT_H

#include <stdbool.h>

#include "support/str.h"

typedef enum CTokenKind { CTOKEN_WORD, CTOKEN_COMMENT, CTOKEN_OTHER } CTokenKind;

/* A piece of the text itself, which stays its owner's. */
typedef struct CToken {
    CTokenKind kind; /* WORD: an identifier, a number or a part of one; OTHER: one character */
    Str text;        /* empty at the end */
} CToken;
CToken ctext_first(Str text);
CToken ctext_next(Str text, CToken token);
bool ctext_is_word(char c); /* can be part of a word; so can all bytes that are not ASCII */

/* True where C text uses `name` as an identifier: outside of comments, and not as part of a longer one. */
bool ctext_uses(Str text, const char *name);
bool ctext_uses_name(Str text, Str name);

#endif
