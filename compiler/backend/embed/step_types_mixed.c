/* What a step works on. A kernel reads the members that it has a use for. */
typedef struct step_arguments {
    const float *x[2];     /* operands */
    const float *residual; /* added before the activation; may be y */
    const float *weights, *bias;
    float *y;
    float *scratch;       /* working memory, of each part in turn */
    const uint8_t *bytes; /* an operand of bytes, in place of x */
    int32_t *indices;     /* a result of indices, in place of y */
    const float *norm;    /* of each channel of x: scales, then shifts, before it is multiplied */
} step_arguments;

/* A kernel carries out part number `part` of `parts` equal parts of a step: all of it for 0 of 1. */
typedef void step_kernel(const step_arguments *a, int part, int parts);
