/* What a tile of pixels sums over: for each plane of the input, window row and window column some rounds of products,
 * over floats that are neighbours in the input. */
typedef struct conv_taps {
    int planes, rows, cols, rounds;
    ptrdiff_t plane_step, row_step, col_step; /* floats from one to the next */
    ptrdiff_t pixel_row;                      /* from the input of a pixel to that of its neighbour below */
} conv_taps;
