/* The two ways in which cnnc stops at once: a bug of its own, and a system without memory. */
#include "support/attributes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_INTERNAL = 70 }; /* EX_SOFTWARE of sysexits.h */

void ice_at(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "cnnc: internal error at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputs("\ncnnc: this is a bug in cnnc; please report it together with the .net file\n", stderr);
    va_end(args);
    exit(EXIT_INTERNAL);
}

void out_of_memory(void)
{
    fputs("cnnc: out of memory\n", stderr);
    exit(EXIT_INTERNAL);
}
