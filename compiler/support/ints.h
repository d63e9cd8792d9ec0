/* Arithmetic of sizes: int64_t, wide enough for every product that shape inference has let through. */
#ifndef CNNC_SUPPORT_INTS_H
#define CNNC_SUPPORT_INTS_H

#include <stdint.h>

/* a / b rounded up; a >= 0, b > 0 */
static inline int64_t int_div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The next multiple; a itself where it is one. */
static inline int64_t int_align_up(int64_t a, int64_t multiple)
{
    return int_div_up(a, multiple) * multiple;
}

static inline int64_t int_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t int_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `total` things in as few pieces of at most `most` as there can be, of equal size or one less: the first `wide` of the
 * `count` pieces have `size`, the others size - 1. total, most > 0 */
typedef struct Pieces {
    int64_t count, size, wide;
} Pieces;
static inline Pieces pieces_of(int64_t total, int64_t most)
{
    Pieces pieces = {.count = int_div_up(total, most)};
    pieces.size = int_div_up(total, pieces.count);
    pieces.wide = total - (pieces.size - 1) * pieces.count;
    return pieces;
}

#endif
