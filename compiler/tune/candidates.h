/* What is tried: for each stage of the search, choices beside the one that is best so far. */
#ifndef CNNC_TUNE_CANDIDATES_H
#define CNNC_TUNE_CANDIDATES_H

#include "lower/choices.h"

/* Stages follow each other: which algorithm, then its tile, then the order of its loops. */
typedef enum TuneStage { STAGE_ALGORITHM, STAGE_TILE, STAGE_ORDER, STAGE_COUNT } TuneStage;
const char *tune_stage_name(TuneStage stage); /* "algorithms" */

typedef struct Candidates {
    ConvChoice *items; /* the first is `best` as it was given */
    uint32_t count;
} Candidates;
/* All fit the convolution. Some may make equal kernels, where the image or its channels are small. */
Candidates tune_candidates(Arena *arena, TuneStage stage, const Target *target, const KernelSizes *sizes,
                           const ConvChoice *best);

#endif
