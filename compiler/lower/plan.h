/* The planner's inner problem, apart from programs so that tests can feed it anything: blocks of memory that are each
 * needed from a first to a last step want offsets such that blocks alive at the same time do not overlap, in as little
 * memory as possible. (Known as dynamic storage allocation; NP-hard, easy in practice.) */
#ifndef CNNC_LOWER_PLAN_H
#define CNNC_LOWER_PLAN_H

#include <stdint.h>

#include "support/arena.h"

typedef struct PlanBlock {
    int64_t bytes;       /* > 0, multiple of the alignment that all offsets shall have */
    int32_t first, last; /* steps, both included */
    int64_t offset;      /* result */
} PlanBlock;

/* The largest sum of bytes alive at any step: no plan needs less. *peak_step is the first step where it is reached;
 * 0 without blocks. */
int64_t plan_lower_bound(const PlanBlock *blocks, uint32_t count, int32_t n_steps, int32_t *peak_step, Arena *scratch);

/* Sets all offsets; returns the memory used, the largest offset + bytes. Deterministic. */
int64_t plan_place(PlanBlock *blocks, uint32_t count, int64_t lower_bound, Arena *scratch);

#endif
