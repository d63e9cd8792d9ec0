/* tiny_mlp.c: the code of the network 'tiny_mlp'.
 * Written by cnnc 0.1.0 from tiny_mlp.net; change that and compile again, not this.
 *
 * Target   portable
 * Options  --target=portable
 * Weights  built in, 448 bytes
 *
 * This code is yours: use, change, share and sell it without conditions (BSD Zero Clause
 * License, SPDX: 0BSD). It comes without any warranty. */
#include "tiny_mlp.h"

#include <math.h>

/* What a step works on. A kernel reads the members that it has a use for. */
typedef struct step_arguments {
    const float *x[2];     /* operands */
    const float *residual; /* added before the activation; may be y */
    const float *weights, *bias;
    float *y;
    float *scratch; /* working memory, of each part in turn */
} step_arguments;

/* A kernel carries out part number `part` of `parts` equal parts of a step: all of it for 0 of 1. */
typedef void step_kernel(const step_arguments *a, int part, int parts);

/* Dense layer: 2 -> 3, + bias, tanh. 16 units side by side; weights[units/16][2][16]. */
static void dense_2_to_3_tanh(const step_arguments *a, int part, int parts)
{
    const int first_block = part / parts, end_block = (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 32;
        float sums[16];
        for (int u = 0; u < 16; ++u) {
            sums[u] = a->bias[block * 16 + u];
        }
        for (int i = 0; i < 2; ++i) {
            for (int u = 0; u < 16; ++u) {
                sums[u] += a->x[0][i] * weights[i * 16 + u];
            }
        }
        for (int u = 0; u < 3; ++u) {
            const float v = sums[u];
            a->y[block * 16 + u] = tanhf(v);
        }
    }
}

/* Dense layer: 3 -> 1, + bias, sigmoid. 16 units side by side; weights[units/16][3][16]. */
static void dense_3_to_1_sigmoid(const step_arguments *a, int part, int parts)
{
    const int first_block = part / parts, end_block = (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 48;
        float sums[16];
        for (int u = 0; u < 16; ++u) {
            sums[u] = a->bias[block * 16 + u];
        }
        for (int i = 0; i < 3; ++i) {
            for (int u = 0; u < 16; ++u) {
                sums[u] += a->x[0][i] * weights[i * 16 + u];
            }
        }
        for (int u = 0; u < 1; ++u) {
            const float v = sums[u];
            a->y[block * 16 + u] = 1.0f / (1.0f + expf(-v));
        }
    }
}

/* Steps: a kernel and its operands. The letters after step_ are the operands in order: x input
 * (xx two), r residual, w weights, b bias, s scratch, y output. */
static void step_xwby(step_kernel *kernel, const float *x, const float *weights, const float *bias, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, weights, bias, y, NULL};
    kernel(&a, 0, 1);
}

/* The weights: at the end of this file. */
static const float *built_in_weights(void);

cnn_status tiny_mlp_init(tiny_mlp *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes)
{
    if (net == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    net->ready = 0;
    if (arena == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    if ((uintptr_t)arena % CNN_ALIGNMENT != 0) {
        return CNN_ERROR_ARENA_MISALIGNED;
    }
    if (arena_bytes < (size_t)TINY_MLP_ARENA_BYTES) {
        return CNN_ERROR_ARENA_TOO_SMALL;
    }
    if (weights != NULL || weights_bytes != 0) {
        return CNN_ERROR_WEIGHTS_BUILT_IN;
    }
    net->arena = (float *)arena;
    net->ready = TINY_MLP_READY;
    return CNN_OK;
}

cnn_status tiny_mlp_run(tiny_mlp *net, const float *x, float *y)
{
    if (net == NULL || x == NULL || y == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    if (net->ready != TINY_MLP_READY) {
        return CNN_ERROR_NOT_INITIALISED;
    }
    float *const arena = net->arena;
    const float *const weights = built_in_weights();

    /* hidden + tanh   dense   f32[2] -> f32[3]   6 MAC   tiny_mlp.net:4 */
    step_xwby(dense_2_to_3_tanh, x, weights, weights + 32, arena);

    /* output + sigmoid   dense   f32[3] -> f32[1]   3 MAC   tiny_mlp.net:4 */
    step_xwby(dense_3_to_1_sigmoid, arena, weights + 48, weights + 96, y);

    return CNN_OK;
}

void tiny_mlp_set_parallel(tiny_mlp *net, cnn_parallel_for *run, void *context)
{
    /* Compiled for one thread: cnnc --threads-max=N makes code whose steps are split. */
    (void)net;
    (void)run;
    (void)context;
}

static const float *built_in_weights(void)
{
    static CNN_ALIGNED const float values[112] = {
        /* 0: hidden.weight */
        -1.5318985f, 1.6859695f, 0.61078143f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        0.0f, 0.1355064f, 0.13074748f, 0.9673829f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        0.0f, 0.0f,
        /* 32: hidden.bias */
        0.00013476759f, -0.04888596f, -0.021631654f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        0.0f, 0.0f,
        /* 48: output.weight */
        0.5377088f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        -0.45655453f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        -0.2806882f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        /* 96: output.bias */
        -0.07367439f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    };
    return values;
}
