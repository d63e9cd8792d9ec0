/* A safetensors file as a table of tensors. Private to weights/: others see Weights only. */
#ifndef CNNC_WEIGHTS_TENSOR_FILE_H
#define CNNC_WEIGHTS_TENSOR_FILE_H

#include "support/diag.h"
#include "support/file.h"
#include "support/map.h"

/* One tensor as the header describes it; checked: its bytes lie in the file and are as many as shape and dtype want. */
typedef struct TensorEntry {
    Str name;
    uint32_t dtype; /* index into the table of element types */
    uint32_t rank;
    const int64_t *dims; /* [rank], each >= 0 */
    int64_t elements;    /* product of dims; 1 for rank 0 */
    uint64_t begin, end; /* bytes, counted from the start of the data */
} TensorEntry;

typedef struct TensorFile {
    Str path;
    FileMap map;
    const unsigned char *data; /* of all tensors, within map; not aligned */
    TensorEntry *tensors;      /* by position in the file */
    size_t n_tensors;
    Map *by_name; /* name -> TensorEntry */
} TensorFile;

/* Maps a file and checks its whole header; everything but the mapping lives in `arena`. NULL after errors in diag. */
TensorFile *tensor_file_open(Arena *arena, Diag *diag, Str path);
void tensor_file_close(TensorFile *file);

const char *tensor_dtype_name(const TensorEntry *tensor);                  /* "F32" */
bool tensor_dtype_is_readable(const TensorEntry *tensor);                  /* F32, F16 or BF16 */
Str tensor_shape_format(Arena *arena, const int64_t *dims, uint32_t rank); /* "[64,3,7,7]" */
Str tensor_name_format(Arena *arena, Str name);                            /* for messages: cut where it is long */

/* --- convert.c: elements as little-endian bytes -> float32, each value exact */
void convert_f32(const unsigned char *bytes, size_t count, float *out);
void convert_f16(const unsigned char *bytes, size_t count, float *out);
void convert_bf16(const unsigned char *bytes, size_t count, float *out);

/* Elements [first, first + count) of a tensor of a readable dtype. */
void tensor_read(const TensorFile *file, const TensorEntry *tensor, int64_t first, int64_t count, float *out);

#endif
