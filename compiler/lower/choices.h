/* Choices from outside: how a convolution is carried out on a vector target where a tuning database, not the rules of
 * select.c and tiles_vector.c, decides. A choice belongs to a key, the convolution's sizes as text, so that it serves every
 * network that has such a layer. */
#ifndef CNNC_LOWER_CHOICES_H
#define CNNC_LOWER_CHOICES_H

#include "lower/program.h"
#include "support/map.h"

typedef struct ConvChoice {
    KernelFamily family;   /* DIRECT, PLANAR, both WINOGRADs, STRASSEN (all else is 0), DEPTHWISE, GROUPED */
    WinogradTile winograd; /* WINOGRAD, WINOGRAD_LIVE (square); else none */
    int32_t vectors;       /* DIRECT, PLANAR, WINOGRAD: vectors of output channels of a tile; else 0 */
    /* DEPTHWISE: rows and columns of a tile. Others: 0, and the most pixels of a tile (of a chunk of WINOGRAD's product;
     * 2-D tiles of WINOGRAD_LIVE), to be shaped as the image's rows allow; so a choice fits whether or not a 1x1 sees rows. */
    int32_t tile_rows, tile_cols;
    bool pixels_outer;   /* DIRECT: order of the loops */
    int32_t block_tiles; /* DIRECT with pixels_outer; both WINOGRADs: most tiles transformed at once, of quads
                            whole fours; else 0 */
    bool prefetch;       /* DIRECT without pixels_outer, both WINOGRADs */
    Span span;           /* where it is written, for warnings */
} ConvChoice;

enum { CHOICE_MOST_VECTORS = 8, CHOICE_MOST_SUMS = 64 }; /* a tile of more sums than registers only spills */

/* "conv3x3 s1x1 p1x1 d1x1 g1 64x56x56 -> 64x56x56": window, stride, padding at top and left, dilation, groups, [C,H,W] of
 * input and output. */
Str conv_key_of(Arena *arena, const KernelSizes *sizes);
/* Of a convolution that has kernels to choose among; empty for any other node (dense layers, tables of connections). */
Str conv_key(Arena *arena, const Node *node, const Target *target);

KernelSizes conv_node_sizes(const Node *node); /* of a convolution, as the key says them */

/* The choice that makes tiles_choose's record out of itself: what the rules decided. */
ConvChoice conv_choice_of(const Kernel *kernel);
bool conv_choice_is_tunable(KernelFamily family);
/* Why the choice cannot carry out this convolution, as the end of "... cannot be used: "; NULL where it can. */
const char *conv_choice_fault(const Target *target, const KernelSizes *sizes, const ConvChoice *choice);

#endif
