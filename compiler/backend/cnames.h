/* C identifiers for the names of a network. */
#ifndef CNNC_BACKEND_CNAMES_H
#define CNNC_BACKEND_CNAMES_H

#include "support/arena.h"
#include "support/map.h"

/* True for keywords of C (to C23) and C++ (to C++23), names of libc and libm (functions, types, macros), `cnn` and
 * names that start with cnn_ (in any case), that start with an underscore or hold two in a row. Such a name cannot be a
 * network's. */
bool cname_is_reserved(Str name);
bool cname_is_identifier(Str name); /* letters, digits, underscores; no digit first */

/* Names of one scope: every pick returns an identifier that no earlier pick of this scope returned, so that different
 * texts never share one; the same picks in the same order give the same identifiers. */
typedef struct CNames {
    Arena *arena;
    Map *taken;
} CNames;
CNames cnames_create(Arena *arena);
Str cname_pick(CNames *names, Str wanted); /* bad characters become '_', reserved names get '_', a clash _2, _3 .. */
Str cname_upper(Arena *arena, Str name);   /* "resnet50" -> "RESNET50" */

#endif
