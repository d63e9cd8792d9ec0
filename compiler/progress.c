/* Progress on stderr. The clock decides only whether a line is shown, never what is written to any file. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "support/hash.h"

void progress_start(Progress *progress)
{
    *progress = (Progress){.is_terminal = isatty(STDERR_FILENO) == 1, .last_percent = -1};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
}

void progress_show(Progress *progress, const char *what, int64_t done, int64_t total)
{
    if (!progress->is_terminal) {
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t elapsed_ms =
        (int64_t)(now.tv_sec - progress->start.tv_sec) * 1000 + (now.tv_nsec - progress->start.tv_nsec) / 1000000;
    int percent = total > 0 ? (int)((double)done / (double)total * 100.0) : 0;
    if (elapsed_ms < 1000 || (total > 0 && percent == progress->last_percent)) {
        return;
    }
    progress->is_shown = true;
    progress->last_percent = percent;
    if (total > 0) {
        fprintf(stderr, "\r\033[Kcnnc: %s %d %%", what, percent);
    } else {
        fprintf(stderr, "\r\033[Kcnnc: %s", what);
    }
    fflush(stderr);
}

void progress_bar(Progress *progress, const char *what, int64_t done, int64_t total)
{
    enum { WIDTH = 32 };
    static const char full[] = "################################", rest[] = "................................";
    double part = total > 0 ? (double)done / (double)total : 0.0;
    part = part > 1.0 ? 1.0 : part;
    int percent = (int)(100.0 * part), marks = (int)(WIDTH * part);
    uint32_t said = hash_fnv1a_32(str_from(what));
    bool is_new = said != progress->last_what;
    progress->last_what = said;
    if (!progress->is_terminal) {
        if (is_new) {
            fprintf(stderr, "cnnc: tuning, %d %%: %s\n", percent, what);
        }
    } else if (is_new || percent != progress->last_percent) {
        progress->is_shown = true;
        progress->last_percent = percent;
        fprintf(stderr, "\r\033[Kcnnc: tuning [%.*s%.*s] %d %%  %s", marks, full, WIDTH - marks, rest, percent, what);
        fflush(stderr);
    }
}

void progress_end(Progress *progress)
{
    if (progress->is_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->is_shown = false;
    }
}
