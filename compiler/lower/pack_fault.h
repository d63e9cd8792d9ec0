/* Why a weight cannot be packed: not finite, or too large for its storage. Private to pack.c. */
#ifndef CNNC_LOWER_PACK_FAULT_H
#define CNNC_LOWER_PACK_FAULT_H

#include "lower/program.h"
#include "support/map.h"
#include "weights/weights.h"

typedef struct PackFaults {
    const Weights *weights;
    Diag *diag;
    Arena *arena;  /* lives as long as the packing */
    Map *reported; /* names of tensors that had their error: a tensor may be in several recipes */
} PackFaults;

/* Reports the non-finite element `index` (row-major) of a segment's source: names the tensor of the weights file at
 * fault, or, where all of those are sound, the folding that went wrong. */
void pack_report_fault(PackFaults *faults, const Segment *segment, int64_t index, float value);
/* Reports a finite element that 16 bits cannot hold, the first of its tensor. */
void pack_report_range(PackFaults *faults, const Segment *segment, int64_t index, float value);

#endif
