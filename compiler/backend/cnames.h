/* C identifiers for the names of a network. */
#ifndef CNNC_BACKEND_CNAMES_H
#define CNNC_BACKEND_CNAMES_H

#include "support/arena.h"
#include "support/map.h"

/* True for keywords of C (to C23) and C++ (to C++23), names of libc and libm (functions, types, macros), and names that
 * start with cnn_, CNN_, an underscore. Such a name cannot be a network's. */
bool cname_is_reserved(Str name);

/* Names of one scope: cname_pick gives each distinct text its own identifier, always the same for the same order of calls. */
typedef struct CNames {
    Arena *arena;
    Map *taken;
} CNames;
CNames cnames_create(Arena *arena);
Str cname_pick(CNames *names, Str wanted);       /* maps bad characters to '_', adds '_' to reserved names and _2, _3 .. on a clash */
Str cname_upper(Arena *arena, Str name);         /* "resnet50" -> "RESNET50" */

#endif
