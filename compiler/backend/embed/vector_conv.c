/* What a tile of pixels sums over: for each plane of the input, window row and window column some rounds of products,
 * over floats that are neighbours in the input. */
typedef struct conv_taps {
    int planes, rows, cols, rounds;
    ptrdiff_t plane_step, row_step, col_step; /* floats from one to the next */
    ptrdiff_t pixel_row;                      /* from the input of a pixel to that of its neighbour below */
} conv_taps;

/* The lower lanes of a vector: a processor with two multipliers of half a vector's width does two of them at once. */
typedef float vector_half __attribute__((vector_size(CNN_VECTOR_BYTES / 2), may_alias));

/* Tiles keep nearly all registers busy: gcc must not unroll their loops further for the few taps that they are called
 * with, nor keep inputs of one round for the next (predictive commoning). */
#if defined(__clang__)
#define CNN_TILE static __attribute__((noinline))
#else
#define CNN_TILE static __attribute__((noinline, noclone, optimize("no-predictive-commoning")))
#endif
