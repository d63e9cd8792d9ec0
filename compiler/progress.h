/* Progress on stderr: one line that rewrites itself, shown only on a terminal and only after a second. */
#ifndef CNNC_PROGRESS_H
#define CNNC_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct Progress {
    bool is_terminal, is_shown;
    struct timespec start;
    int last_percent;
} Progress;

void progress_start(Progress *progress);
void progress_show(Progress *progress, const char *what, int64_t done, int64_t total); /* total 0: no percentage */
void progress_end(Progress *progress);                                                 /* wipes the line */

#endif
