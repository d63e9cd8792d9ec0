/* Made-up weights. Private to weights/; formula_fill_input and formula_fill_weight are in weights.h. */
#ifndef CNNC_WEIGHTS_FILL_H
#define CNNC_WEIGHTS_FILL_H

#include "weights/weights.h"

/* Elements [first, first + count) of a tensor, in the ranges of the formula. */
void random_fill_weight(uint64_t seed, Str name, TensorType type, int64_t first, int64_t count, float *out);

#endif
