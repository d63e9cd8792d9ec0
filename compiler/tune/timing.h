/* Times programs: variants of one network as C, compiled and run here. */
#ifndef CNNC_TUNE_TIMING_H
#define CNNC_TUNE_TIMING_H

#include "lower/program.h"
#include "tune/process.h"

/* Shows how far a piece of work is; may be called often. */
typedef void TuneReport(void *user, const char *what, int64_t done, int64_t total);

typedef struct Timing {
    Arena *arena;
    Diag *diag;
    const Target *target;
    Str cc;                       /* the C compiler's command: "gcc-12"; blanks part words */
    int rounds;                   /* runs of each variant, of which the least time counts */
    const Interrupts *interrupts; /* held by the caller, who has something to clean up too */
    TuneReport *report;
    void *user;
} Timing;

/* What `CC --version` prints; false after an error in diag. */
bool timing_compiler_version(const Timing *timing, Str *version);

/* Nanoseconds of each step: result[variant][step]. NULL after an error in diag. The programs are of one graph, for one
 * image and one part. Nothing is left in the file system. An interrupt is an error like
 * others, and takes its effect when the caller releases it. */
double **timing_measure(const Timing *timing, const Program *const *programs, uint32_t n_programs);

#endif
