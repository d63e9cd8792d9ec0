/* Selection's parts: what select.c asks select_winograd.c and select_strassen.c. `sizes` are of a convolution. */
#ifndef CNNC_LOWER_SELECT_H
#define CNNC_LOWER_SELECT_H

#include "lower/program.h"

static inline bool is_undilated(const KernelSizes *s)
{
    return s->dilation_rows == 1 && s->dilation_cols == 1 && s->stride_rows == s->stride_cols;
}

/* --- select_winograd.c */
bool takes_winograd(const Target *target,
                    const KernelSizes *sizes); /* it could be of family WINOGRAD, with some tile .. */
bool has_transforms(const KernelSizes *sizes, WinogradTile tile); /* .. and with this one */
bool takes_live(const Target *target, const KernelSizes *sizes);  /* the same for WINOGRAD_LIVE .. */
bool has_live_transform(const KernelSizes *sizes, int32_t m);     /* .. and m outputs along either axis */
/* Sets family and winograd where a form of Winograd's convolution pays. */
bool select_winograd(const Target *target, Kernel *kernel);
/* Of a first layer whose phases lie side by side in lanes: the tile that pays most; 0, 0: none. */
WinogradTile space_to_depth_of(const Target *target, const KernelSizes *sizes);
/* Outputs down a column at once, of pixels (`rows`) or channels in lanes, of a layer of few planes; 0: direct sums. */
int32_t lines_of(const Target *target, const Kernel *kernel, bool rows);

/* --- select_winograd_plain.c */
/* In plain C: the tile that pays most, 2x2 or 4x4; 0, 0: none. */
WinogradTile select_plain_winograd(const KernelSizes *sizes);

/* --- select_strassen.c */
bool takes_strassen(const Target *target, const KernelSizes *sizes); /* it could be of family STRASSEN */
bool is_strassen(const Target *target, const KernelSizes *sizes);    /* and that pays */

#endif
