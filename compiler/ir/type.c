/* Tensor types: making, comparing, counting and printing them. A type is a small value; nothing here allocates
 * but type_format. */
#include "ir/type.h"

#include <stdio.h>

TensorType type_make(DType dtype, int rank, const int32_t *dims)
{
    TensorType type = {.dtype = dtype, .rank = (uint8_t)rank};
    if (rank < 1 || rank > TYPE_MAX_RANK) {
        ICE("tensor type of rank %d", rank);
    }
    for (int i = 0; i < rank; ++i) {
        type.dim[i] = dims[i];
    }
    return type;
}

TensorType type_f32_1(int32_t d0)
{
    return (TensorType){.dtype = DT_F32, .rank = 1, .dim = {d0}};
}

TensorType type_f32_3(int32_t c, int32_t h, int32_t w)
{
    return (TensorType){.dtype = DT_F32, .rank = 3, .dim = {c, h, w}};
}

bool type_equal(TensorType a, TensorType b)
{
    if (a.dtype != b.dtype || a.rank != b.rank) {
        return false;
    }
    for (int i = 0; i < a.rank; ++i) {
        if (a.dim[i] != b.dim[i]) {
            return false;
        }
    }
    return true;
}

int64_t type_elements(TensorType type)
{
    int64_t count = 1;
    for (int i = 0; i < type.rank; ++i) {
        count *= type.dim[i];
    }
    return count;
}

int64_t type_bytes(TensorType type)
{
    return type_elements(type) * (type.dtype == DT_U8 ? 1 : 4);
}

int64_t type_count(int rank, const int64_t *dims)
{
    int64_t count = 1;
    bool too_large = false;
    for (int i = 0; i < rank; ++i) {
        if (dims[i] == 0) {
            return 0;
        }
        /* count stays at most TYPE_MAX_ELEMENTS, so the quotient decides without a product that could overflow. */
        if (dims[i] > TYPE_MAX_ELEMENTS / count) {
            too_large = true;
        } else {
            count *= dims[i];
        }
    }
    return too_large ? -1 : count;
}

const char *dtype_name(DType dtype)
{
    switch (dtype) {
    case DT_F32:
        return "f32";
    case DT_U8:
        return "u8";
    case DT_I32:
        return "i32";
    }
    ICE("element type %d", (int)dtype);
}

TypeText type_text(TensorType type)
{
    TypeText out;
    size_t len = (size_t)snprintf(out.text, sizeof out.text, "%s[", dtype_name(type.dtype));
    for (int i = 0; i < type.rank && i < TYPE_MAX_RANK; ++i) {
        len += (size_t)snprintf(out.text + len, sizeof out.text - len, "%s%d", i > 0 ? "," : "", (int)type.dim[i]);
    }
    snprintf(out.text + len, sizeof out.text - len, "]");
    return out;
}

Str type_format(Arena *arena, TensorType type)
{
    return arena_copy(arena, str_from(type_text(type).text));
}
