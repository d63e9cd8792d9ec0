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
    uint32_t last_what; /* of progress_bar where no terminal is: a hash of what was said last */
} Progress;

void progress_start(Progress *progress);
void progress_show(Progress *progress, const char *what, int64_t done, int64_t total); /* total 0: no percentage */
/* Of work that takes minutes: a bar; where no terminal is, a line whenever `what` is another. */
void progress_bar(Progress *progress, const char *what, int64_t done, int64_t total);
void progress_end(Progress *progress); /* wipes the line */

#endif
