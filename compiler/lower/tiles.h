/* Tiles: what tiles.c and select.c share with tiles_vector.c. */
#ifndef CNNC_LOWER_TILES_H
#define CNNC_LOWER_TILES_H

#include "lower/choices.h"
#include "lower/program.h"

/* AVX-512 and aarch64 have them; with 16 other tiles, and other kernels, are best. */
enum { MANY_REGISTERS = 32 };

/* The same as tiles_choose for a record with vector > 1; scratch_bytes is not rounded yet, members start at zero. */
void tiles_choose_vector(const Target *target, Kernel *kernel);

/* Replaces the tile that tiles_choose gave a record of the choice's family, with all that follows from it: packing,
 * prefetch, scratch. What is larger than the image or its channels is cut down. */
void tiles_take_choice(Kernel *kernel, const ConvChoice *choice);

/* WINOGRAD_LIVE: 2-D tiles whose row of `points` fits the registers; as many as one chunk of `tiles` had best have. */
int32_t winograd_live_most(const Target *target, int32_t points);
int32_t winograd_live_chunk(const Target *target, int32_t points, int64_t tiles);

#endif
