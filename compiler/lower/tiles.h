/* Tiles: what tiles.c and select.c share with tiles_vector.c, and that with tiles_strassen.c. */
#ifndef CNNC_LOWER_TILES_H
#define CNNC_LOWER_TILES_H

#include "lower/choices.h"
#include "lower/program.h"
#include "support/ints.h"

/* AVX-512 and aarch64 have them; with 16 other tiles, and other kernels, are best. */
enum { MANY_REGISTERS = 32 };

/* The same as tiles_choose for a record with vector > 1; scratch_bytes is not rounded yet, members start at zero. */
void tiles_choose_vector(const Target *target, Kernel *kernel);

/* Replaces the tile that tiles_choose gave a record of the choice's family, with all that follows from it: packing,
 * prefetch, scratch. What is larger than the image or its channels is cut down. */
void tiles_take_choice(const Target *target, Kernel *kernel, const ConvChoice *choice);

/* WINOGRAD_LIVE: 2-D tiles whose row of `points` fits the registers; as many as one chunk of `tiles` had best have. */
int32_t winograd_live_most(const Target *target, int32_t points);
int32_t winograd_live_chunk(const Target *target, int32_t points, int64_t tiles);

/* --- products in plain C, by the micro-kernel of emit_helpers.c */
/* The length of rows that wastes least of a partly filled last one, for `count` pixels or channels. */
int32_t tiles_matrix_row(int64_t count);
/* Taps summed up at once: all of them if that is little, else equal blocks that fit the first level. A multiple of CONV_COLS. */
int64_t tiles_matrix_taps(int64_t taps, int64_t length);
/* In products of the micro-kernel at its best: a convolution of family CONV; and `rows` times `channels` sums of `inputs`
 * products each, in rows of channels. */
double tiles_conv_cost(const KernelSizes *sizes);
double tiles_matrix_cost(int64_t rows, int64_t channels, int64_t inputs);
/* tiles_winograd_plain.c: of a record of KERNEL_WINOGRAD in plain C. */
void tiles_choose_winograd_plain(Kernel *kernel);

/* --- for tiles of vector kernels only */

enum {
    /* Many registers: a tile of two vectors of channels and 14 pixels has 28 accumulators, and whatever an image's width
     * leaves over is still enough to hide the latency of sums. */
    MANY_PIXELS = 14,
    STREAMED = 600 * 1024,  /* bytes of transformed weights that come from memory: */
    STREAM_AHEAD = 8 * 1024 /* asked for so many bytes ahead */
};

typedef struct Split {
    int32_t vectors, rows, cols; /* of a tile */
} Split;

static inline int32_t ceil_div(int64_t a, int64_t b)
{
    return (int32_t)int_div_up(a, b);
}
/* `count` in equal pieces of at most `most`: the size of the largest. */
static inline int32_t even_piece(int64_t count, int32_t most)
{
    return (int32_t)pieces_of(count, most).size;
}
/* Products of a round that gcc keeps in registers (bench/NOTES.md). */
int32_t split_round(Split split);
/* PACK_VECTORS for sets of `vectors`; every other kind of vectors begins with it. */
PackFormat vectors_format(const Kernel *kernel, int32_t vectors, int32_t in_block);

/* tiles_strassen.c: of a record of KERNEL_STRASSEN, as tiles_choose_vector. */
void tiles_choose_strassen(const Target *target, Kernel *kernel);

#endif
