/* "did you mean": the nearest of some names by edit distance. */
#ifndef CNNC_SUPPORT_SUGGEST_H
#define CNNC_SUPPORT_SUGGEST_H

#include "support/str.h"

typedef struct Suggest {
    Str wanted;
    Str best;        /* empty while nothing is near enough */
    size_t distance; /* of best */
} Suggest;

Suggest suggest_start(Str wanted);
void suggest_consider(Suggest *suggest, Str candidate); /* ties keep the earlier candidate */

#endif
