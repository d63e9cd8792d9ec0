/* Direct convolution: what its emitters share. emit_conv_direct.c writes tiles, the kernel and its order of loops,
 * emit_prologue.c the kernel that normalises its inputs first. */
#ifndef CNNC_BACKEND_EMIT_DIRECT_H
#define CNNC_BACKEND_EMIT_DIRECT_H

#include "backend/emit_vector.h"

typedef struct Direct {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    int64_t groups, sets;                     /* sets of one group */
    int64_t group_planes;                     /* vectors of output channels of a group */
    int32_t vectors, last_vectors;            /* of a set, of a group's last one */
    int64_t in_group;                         /* floats of the input from group to group */
    int64_t depth;                            /* products of one output: channels with their padding, times window */
    int64_t set_floats, group_floats;         /* of weights */
    int32_t tile_rows, last_rows;             /* last_rows: of the last row of tiles */
    int64_t row_tiles, col_tiles, wide_tiles; /* the first wide_tiles tiles of a row are `cols` wide, others one less */
    int32_t cols;
    int32_t unroll, rounds, kx_loop;
    int32_t out_pixel;              /* floats between the outputs of neighbouring pixels */
    int32_t step, second_step;      /* floats between the inputs of neighbouring pixels; of the second input, 0: none */
    int32_t prefetch, row_prefetch; /* cache lines of the next set, a round or a window row */
    int64_t later;                  /* floats of x from a tile to the one that it asks for; 0: none */
    int64_t block, blocks;          /* pixels outside: tiles of a block */
    int64_t slot, slots;            /* with a prologue: floats of a tile in scratch, of a plane there; 0: none */
    bool half;                      /* the last vector of the last set is a half one */
    int32_t last_rounds;            /* of the last plane, of a window of one pixel */
    const char *index;
} Direct;

/* The numbers of a tile's rows and columns. */
typedef struct Place {
    CExpr rows, cols;
} Place;

/* Which pixels the tile number `tile` of an image has: row, column, first. */
Place emit_direct_place(const Direct *d, CWriter *w);
/* "const int vectors = ..": of the set `set`. */
CExpr emit_direct_vectors(const Direct *d, CWriter *w);
/* Sums of a tile, and what follows them. */
void emit_direct_sums(const Direct *d, const Place *place, const char *vectors, CWriter *w);

/* --- emit_prologue.c */
void emit_prologue_input(const Direct *d, CWriter *w);  /* the function NAME_input, before the kernel */
void emit_prologue_blocks(const Direct *d, CWriter *w); /* the kernel's body */

#endif
