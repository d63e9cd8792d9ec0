/* One line of a tuning database: a convolution's key and the choice for it, as text. */
#ifndef CNNC_TUNE_ENTRY_H
#define CNNC_TUNE_ENTRY_H

#include "lower/choices.h"

/* "winograd m=4 vectors=2 tile=14 block=28 prefetch=no" */
void choice_format(const ConvChoice *choice, StrBuf *out);

typedef struct Entry {
    Str key;
    ConvChoice choice; /* without span */
} Entry;
/* Reads "KEY = CHOICE", without blanks or comment around it. False with what is wrong in *fault, and in *at the place in
 * text where it is wrong. Strict: what it takes, the functions that write would write the same way. */
bool entry_parse(Arena *arena, Str text, Entry *entry, Str *fault, size_t *at);

#endif
