/* Convolution in plain C: what its two forms share. emit_conv.c gathers inputs, writes outputs and sums up rows of pixels;
 * emit_conv_wide.c sums up rows of channels. */
#ifndef CNNC_BACKEND_EMIT_CONV_H
#define CNNC_BACKEND_EMIT_CONV_H

#include "backend/emit.h"

/* Everything that the text of one kernel is made of. */
typedef struct Conv {
    const Kernel *kernel;
    const KernelSizes *s;
    const char *name;
    int name_length;
    bool wide;                                 /* rows of sums are channels */
    int64_t groups, in_channels, out_channels; /* of one group */
    int64_t rows;                              /* output channels of a block: of the micro-kernel, or of its rows */
    int64_t taps, padded_taps, padded_out;     /* of one group */
    int64_t in_plane, pixels;
    int64_t tile, tiles, block, blocks; /* pixels and taps done at once, and how many of them */
    bool pads_rows, pads_cols, pointwise;
    const char *index; /* type of indices: int unless a tensor is too large for it */
} Conv;

/* How many taps the micro-kernel adds up in one call. */
CExpr emit_conv_taps(const Conv *c);
/* NAME_store: of sums [4][tile], what follows them and where they go. */
void emit_conv_store(const Conv *c, CWriter *w);
/* "channels", of four from channel `oc` on, where some do not exist; then NAME_store of them. */
void emit_conv_store_call(const Conv *c, const char *oc, const char *sums, CWriter *w);

/* emit_conv_wide.c: what is another text there. */
void emit_wide_share(const Conv *c,
                     CWriter *w); /* "first", "end", "pixels": of a tile, a part's [first_four, end_four) */
void emit_wide_turn(const Conv *c, CWriter *w); /* gathered rows, to turned */
/* Sums of a block of channels: their start (bias NULL: zeros), a block of taps added, and what is done with finished ones. */
void emit_wide_start(const Conv *c, const char *bias, CWriter *w);
void emit_wide_product(const Conv *c, const char *weights, CWriter *w);
void emit_wide_outputs(const Conv *c, CWriter *w);

#endif
