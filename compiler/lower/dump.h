/* What --emit=program and --emit=plan have in common. */
#ifndef CNNC_LOWER_DUMP_H
#define CNNC_LOWER_DUMP_H

#include "lower/program.h"

const char *dump_kind(const Buffer *buffer); /* "arena", "scratch", "input", "output" */
/* For each buffer id: is it the result of a step? What has a parent and is none is a view. */
bool *dump_written(const Program *program, Arena *scratch);

#endif
