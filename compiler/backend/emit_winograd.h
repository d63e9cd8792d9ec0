/* Winograd's convolution: what its emitters share. emit_winograd.c writes the kernel, emit_winograd_tile.c the functions
 * that transform one tile, emit_winograd_live.c the products with filters that are not transformed yet. */
#ifndef CNNC_BACKEND_EMIT_WINOGRAD_H
#define CNNC_BACKEND_EMIT_WINOGRAD_H

#include "backend/emit_vector.h"

typedef struct Winograd {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    int32_t out_rows, out_cols;            /* pixels of a tile */
    int32_t y_rows, y_cols;                /* pixels of y that a tile (of quads: four) leaves, pooled or not */
    int32_t point_rows, point_cols, area;  /* points of a tile; area: all */
    int32_t stride;                        /* S: the input is taken as S x S phases, each convolved with stride 1 */
    int64_t groups, in_planes, out_planes; /* of one group; in_planes: of one phase */
    int32_t vectors, last_vectors;
    int64_t products; /* of one output, padding included: over points and their planes */
    int64_t sets, set_floats;
    int64_t tile_rows, tile_cols, tiles; /* of the image */
    int32_t block;                       /* tiles of a block */
    int64_t blocks;
    int32_t chunks, chunk, wide; /* of a block: the first `wide` of the chunks have `chunk` tiles, others one less */
    int64_t v_stride, m_stride;  /* floats from xi to xi */
    bool live;                   /* filters are transformed where they are used */
    bool quads;                  /* tiles come four by four, 2 x 2 neighbours: a pool goes over four odd ones */
    int64_t slots;               /* tiles of a block in V: of live, whole chunks */
    int64_t v_floats, m_floats;
    const char *index;
} Winograd;

/* Phases (qr, qc) of the input that add to point (r, c), of one axis each. */
static inline int32_t winograd_row_phases(const Winograd *g, bool last_row)
{
    return winograd_phases(g->s->kernel_rows, g->stride, last_row && g->point_rows > 1);
}
static inline int32_t winograd_col_phases(const Winograd *g, bool last_col)
{
    return winograd_phases(g->s->kernel_cols, g->stride, last_col && g->point_cols > 1);
}

/* --- emit_winograd_tile.c */
/* "kernel_input_01(x, v)": the inputs of a tile in phase (qr, qc), one vector of channels, to V; S x S functions. */
void emit_winograd_inputs(const Winograd *g, CWriter *w);
CExpr emit_winograd_input_suffix(const Winograd *g, int32_t qr, int32_t qc); /* "_01"; "" for stride 1 */
/* "kernel_output(m, bias, residual, y, rows, cols)": a tile of one vector of channels from M to y. Of quads, with
 * "kernel_pool(pixels, y, rows, cols)": "kernel_output(m, bias, pixels)" leaves it among the pixels of four. */
void emit_winograd_output(const Winograd *g, CWriter *w);

/* --- emit_winograd_live.c */
int winograd_live_tiles(const Winograd *g, TileShape *shapes);
/* Along one axis, what a filter transformed in place lacks: to be divided out of the inputs of that phase. */
double winograd_live_divisor(int32_t point, int32_t points, int32_t stride, int32_t phase);
/* The product of one vector of output channels: V times weights gives M. */
void emit_live_products(const Winograd *g, CWriter *w);

#endif
