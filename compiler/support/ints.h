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

#endif
