/* Strassen's product: what its emitters share. emit_strassen.c writes sums of inputs, outputs and the kernel of seven
 * products, emit_strassen_twice.c the one that makes each of them by seven smaller ones. */
#ifndef CNNC_BACKEND_EMIT_STRASSEN_H
#define CNNC_BACKEND_EMIT_STRASSEN_H

#include "backend/emit_vector.h"

enum { PRODUCTS = STRASSEN_PRODUCTS };

typedef struct Strassen {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    bool twice;
    int64_t in_planes, out_planes;             /* of a half */
    int64_t lower_in_planes, lower_out_planes; /* of the lower one: the same or one less */
    int64_t pixels;
    int32_t half, run;                 /* pixels of a half, of a product */
    int64_t blocks, sets, all_vectors; /* of the outputs of a product */
    int32_t vectors, last_vectors;     /* of a set */
    int32_t planes, last_planes;       /* of y in either half of a set's channels: two of a vector where `twice` */
    int32_t chunks, chunk, wide; /* of a product: the first `wide` of the chunks have `chunk` pixels, others one less */
    bool in_place;               /* x is read as it lies */
    int32_t unroll;              /* inputs of a round */
    int32_t rounds, last_rounds; /* of a plane, of the last one where products end with the inputs */
    bool half_vector;            /* of the last set, in products of lower outputs only; where `twice`, in all */
    int64_t v_stride, sum_stride;   /* floats in scratch from factor to factor, from U to U3 of a product */
    int64_t inputs, product_floats; /* of a product: channels, weights of a whole set */
    const char *index;
} Strassen;

/* Lanes of the last plane are no channels. */
bool strassen_has_odd_lanes(const Strassen *g);
/* Factors of x that lie in V: all, or those that are sums. */
int64_t strassen_factors_in_v(const Strassen *g);

/* The text of a kernel, piece by piece. What they declare is in quotes. */
/* "const int name = condition ? a : b;" */
void emit_strassen_either(const char *name, const char *condition, int64_t a, int64_t b, CWriter *w);
/* "static const float name[b]": 1 for the lanes of the last plane that are channels, else 0. */
void emit_strassen_lanes(const Strassen *g, const char *name, CWriter *w);
/* "first", "second", "skip": the halves of block number `block`, where pixels are clamped the first of `second` to skip. */
void emit_strassen_halves(const Strassen *g, CWriter *w);
bool strassen_is_clamped(const Strassen *g);
bool strassen_skips(const Strassen *g); /* pixels of a half are skipped, or those that both runs of a half have */
void emit_strassen_input_call(const Strassen *g, CWriter *w); /* their sums to v */
void emit_strassen_factors(const Strassen *g, CWriter *w);    /* "factors": of the seven products, in x or in v */
/* "lower", "right": where product n ends; `what` they are, for the reader. */
void emit_strassen_quarter(const char *what, CWriter *w);
void emit_strassen_place(const Strassen *g, CWriter *w); /* the same of y, "plane", "pixel": where that begins */
/* "existing": how many of the `planes` of y that a set has there exist; its name, or `planes` where all do. */
const char *emit_strassen_existing(const Strassen *g, const char *planes, CWriter *w);
/* "start", "to": what product n is added to, of the sums u, u3 or `none`, and where that goes: to another of them or sums. */
void emit_strassen_start(const char *none, CWriter *w);
/* Opens a block, which the caller closes, for products that end in sums, of `size` vectors; S1 T1 is added to u there too. */
void emit_strassen_open_end(const char *size, CWriter *w);
/* "i", "width": a loop over the chunks of a run, of `width` pixels from i on. */
void emit_strassen_open_chunks(const Strassen *g, CWriter *w);
void emit_strassen_close_chunks(CWriter *w);
/* Product n, of factors[n] and weights, with `vectors` of outputs: chunk by chunk, each followed by `output` of its "sums",
 * which lie in `result`, from `quarter` on, where `twice`. */
void emit_strassen_product(const Strassen *g, const char *output, CWriter *w);

/* --- emit_strassen_twice.c */
/* Floats of scratch between v and the sums of a product, and behind these. */
int64_t strassen_twice_floats(const Strassen *g);
/* The function NAME_product, before the kernel; the kernel's body, from scratch behind v on. */
void emit_strassen_inner(const Strassen *g, CWriter *w);
void emit_strassen_twice(const Strassen *g, CWriter *w);

#endif
