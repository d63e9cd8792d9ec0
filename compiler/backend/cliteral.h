/* Numbers as C literals that read back bit-equal, whatever the locale. */
#ifndef CNNC_BACKEND_CLITERAL_H
#define CNNC_BACKEND_CLITERAL_H

#include "support/arena.h"

enum { CLITERAL_MAX = 32 };
/* Shortest "%.{6..9}g" that reads back as the same float, with ".0" where it would look like an integer and suffix f;
 * "-0.0f". `text` has CLITERAL_MAX bytes. Infinity and NaN are an ICE: they are refused earlier. Returns text. */
const char *cliteral_float(float value, char *text);

#endif
