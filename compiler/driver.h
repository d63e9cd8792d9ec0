/* The driver: the way of the data as one function. The only place that knows all stages. */
#ifndef CNNC_DRIVER_H
#define CNNC_DRIVER_H

#include "options.h"

/* Runs one command. Messages go to diag; text asked for (--emit, --summary) to `out`, traces and notes to `log`.
 * Returns the exit status. Output files appear only when everything has succeeded. */
int driver_run(const Options *options, Arena *arena, Sources *sources, Diag *diag, StrBuf *out, StrBuf *log);

#endif
