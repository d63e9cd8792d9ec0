/* Tiles: what tiles.c shares with tiles_vector.c. */
#ifndef CNNC_LOWER_TILES_H
#define CNNC_LOWER_TILES_H

#include "lower/program.h"

/* The same as tiles_choose for a record with vector > 1; scratch_bytes is not rounded yet, members start at zero. */
void tiles_choose_vector(const Target *target, Kernel *kernel);

#endif
