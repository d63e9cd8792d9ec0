/* Tensor types: element type and logical shape, no layout and no batch. */
#ifndef CNNC_IR_TYPE_H
#define CNNC_IR_TYPE_H

#include <stdint.h>

#include "support/arena.h"

typedef enum DType { DT_F32, DT_U8, DT_I32 } DType;

enum { TYPE_MAX_RANK = 4 };

typedef struct TensorType {
    DType dtype;
    uint8_t rank;               /* activations 1..3 ([C] or [C,H,W]; Gram [C,C]), weights 1..4; a scalar is [1] */
    int32_t dim[TYPE_MAX_RANK]; /* dims beyond rank are 0 */
} TensorType;

/* A type of given dims; `dims` has `rank` entries. */
TensorType type_make(DType dtype, int rank, const int32_t *dims);
TensorType type_f32_1(int32_t d0);
TensorType type_f32_3(int32_t c, int32_t h, int32_t w);
bool type_equal(TensorType a, TensorType b);
int64_t type_elements(TensorType type); /* product of dims; exact: dims are bounded by shape inference */
int64_t type_bytes(TensorType type);
const char *dtype_name(DType dtype);            /* "f32" */
Str type_format(Arena *arena, TensorType type); /* "f32[64,56,56]" */
/* The same where no arena is at hand; use it as `type_text(t).text` within one expression. */
typedef struct TypeText {
    char text[64]; /* the longest, "f32" and four dims of ten digits, takes 48 bytes */
} TypeText;
TypeText type_text(TensorType type);

/* No tensor may have more elements. With it, element counts fit int32_t and byte counts int64_t with ease. */
#define TYPE_MAX_ELEMENTS INT32_MAX
/* Product of `rank` dims, each at least 0; -1 where it exceeds TYPE_MAX_ELEMENTS. */
int64_t type_count(int rank, const int64_t *dims);

/* [C,H,W] and [C] alike: channels, rows, columns (1 where the rank is below). */
static inline int32_t type_channels(TensorType t)
{
    return t.dim[0];
}
static inline int32_t type_height(TensorType t)
{
    return t.rank >= 2 ? t.dim[1] : 1;
}
static inline int32_t type_width(TensorType t)
{
    return t.rank >= 3 ? t.dim[2] : 1;
}

#endif
