/* What a Weights is. Private to weights/. */
#ifndef CNNC_WEIGHTS_SOURCE_H
#define CNNC_WEIGHTS_SOURCE_H

#include "weights/tensor_file.h"
#include "weights/weights.h"

typedef enum WeightsKind { WEIGHTS_FORMULA, WEIGHTS_RANDOM, WEIGHTS_FILE } WeightsKind;

struct Weights {
    Arena *arena;
    WeightsKind kind;
    Str description;
    uint64_t seed;    /* RANDOM */
    TensorFile *file; /* FILE */
};

#endif
