/* The search: which choices are fastest for the convolutions of a network, on this machine. */
#ifndef CNNC_TUNE_SEARCH_H
#define CNNC_TUNE_SEARCH_H

#include "tune/database.h"
#include "tune/timing.h"

typedef struct TuneResult {
    uint32_t n_convs;       /* distinct ones that were timed: those without an entry */
    double tuned, by_rules; /* milliseconds of all that were timed, as often as they occur in the network */
    StrBuf table;           /* a line for each whose choice is not the rules'; the caller frees it */
} TuneResult;

/* Adds entries to the section for all convolutions of the graph that it lacks. False after an error in diag; then the section
 * is as it was. */
bool tune_search(const Timing *timing, const Graph *graph, TuningDatabase *database, TuningSection *section,
                 TuneResult *result);

#endif
