/* Names of what a timing belongs to: the processor and the C compiler. */
#ifndef CNNC_TUNE_MACHINE_H
#define CNNC_TUNE_MACHINE_H

#include "support/arena.h"

/* "AMD EPYC 9R45, family 26 model 2"; "unknown processor" where the system does not tell. */
Str machine_cpu(Arena *arena);
/* The same from the text of Linux's /proc/cpuinfo. */
Str machine_cpu_of_cpuinfo(Arena *arena, Str cpuinfo);
/* "gcc 12.2.0", "clang 14.0.6" from what `cc --version` prints; else its first line. */
Str machine_compiler_of(Arena *arena, Str version);

#endif
