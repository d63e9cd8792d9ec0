/* Child processes, so that nothing is left behind when the user stops us: while interrupts are held, SIGINT, SIGTERM and
 * SIGHUP wait; whoever waits for children looks whether one has come, ends them, cleans up and releases it. */
#ifndef CNNC_TUNE_PROCESS_H
#define CNNC_TUNE_PROCESS_H

#include <signal.h>
#include <sys/types.h>

#include "support/arena.h"

typedef struct Interrupts {
    sigset_t held, before;
} Interrupts;
void interrupts_hold(Interrupts *interrupts);
bool interrupts_came(const Interrupts *interrupts);
void interrupts_release(const Interrupts *interrupts); /* what has come now takes its usual effect */

/* Starts argv (found in PATH; ends with NULL) with output and errors in new files; children take signals as we did before
 * interrupts were held. 0 with a reason where it cannot be started. */
pid_t process_start(const Interrupts *interrupts, const char *const *argv, const char *out, const char *errors,
                    Str *reason);
/* True when it has ended: *status as of waitpid. */
bool process_ended(pid_t process, int *status);
void process_stop(pid_t process); /* kills it and waits for its end */
void process_pause(void);         /* a moment between two looks */

/* "ended with status 1", "was ended by signal 11 (Segmentation fault)"; empty for success. */
Str process_fault(Arena *arena, int status);

/* The words of a command as argv, with room for `more` and NULL behind them; *count words. */
const char **process_words(Arena *arena, Str command, size_t more, size_t *count);

#endif
