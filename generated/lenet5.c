/* lenet5.c: the code of the network 'lenet5'.
 * Written by cnnc 0.1.0 from lenet5.net; change that and compile again, not this.
 *
 * Target   portable
 * Options  --target=portable
 * Weights  lenet5.weights, 268032 bytes
 *
 * This code is yours: use, change, share and sell it without conditions (BSD Zero Clause
 * License, SPDX: 0BSD). It comes without any warranty. */
#include "lenet5.h"

#include <math.h>

#if !defined(__cplusplus)
#define CNN_RESTRICT restrict
#elif defined(__GNUC__) || defined(_MSC_VER)
#define CNN_RESTRICT __restrict
#else
#define CNN_RESTRICT
#endif

/* The weights blob: a header of 64 bytes, then the packed weights in the order in which the steps read them, each segment
 * on a multiple of 64 bytes, gaps filled with zeros. All numbers are little-endian. A header word that is reserved is 0,
 * so every bit of a blob is checked: the header's by comparison, the rest by the checksum. */
typedef struct cnn_blob_header {
    unsigned char magic[8]; /* "CNNCWTS" and a zero */
    uint32_t version;       /* of this layout: 1 */
    uint32_t checksum;      /* cnn_checksum of everything after the header */
    uint64_t bytes;         /* of the whole blob, this header included */
    uint64_t fingerprint;   /* of the program that the weights were packed for */
    uint32_t reserved[8];
} cnn_blob_header;

enum { CNN_BLOB_VERSION = 1, CNN_CHECKSUM_LANES = 16 };

/* Checksum, in pieces: 16 lanes of FNV-1a, lane i over the words i, i + 16, i + 32 ...; at the end the lanes are joined by
 * FNV-1a. Every step maps states one to one, so a change of a single word always shows; lanes do not wait for each
 * other, so it runs at the speed of memory. */
static void cnn_checksum_start(uint32_t lanes[CNN_CHECKSUM_LANES])
{
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        lanes[lane] = 2166136261u;
    }
}

/* `count` is a multiple of 16. */
static void cnn_checksum_add(uint32_t lanes[CNN_CHECKSUM_LANES], const uint32_t *words, size_t count)
{
    uint32_t state[CNN_CHECKSUM_LANES]; /* a copy: it cannot overlap `words`, so it may stay in registers */
    size_t i;
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        state[lane] = lanes[lane];
    }
    for (i = 0; i + CNN_CHECKSUM_LANES <= count; i += CNN_CHECKSUM_LANES) {
        for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
            state[lane] = (state[lane] ^ words[i + (size_t)lane]) * 16777619u;
        }
    }
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        lanes[lane] = state[lane];
    }
}

static uint32_t cnn_checksum_end(const uint32_t lanes[CNN_CHECKSUM_LANES])
{
    uint32_t sum = 2166136261u;
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        sum = (sum ^ lanes[lane]) * 16777619u;
    }
    return sum;
}

/* Of all words at once; `count` is a multiple of 16. */
static inline uint32_t cnn_checksum(const uint32_t *words, size_t count)
{
    uint32_t lanes[CNN_CHECKSUM_LANES];
    cnn_checksum_start(lanes);
    cnn_checksum_add(lanes, words, count);
    return cnn_checksum_end(lanes);
}

/* What init accepts as weights: the whole blob, of this network, undamaged. Every fault has a status of its own. */
static cnn_status cnn_check_weights(const void *weights, size_t bytes, size_t expected_bytes, uint64_t fingerprint)
{
    static const unsigned char magic[8] = {'C', 'N', 'N', 'C', 'W', 'T', 'S', 0};
    const cnn_blob_header *header = (const cnn_blob_header *)weights;
    const unsigned char *start = (const unsigned char *)weights;
    uint32_t reserved = 0;
    size_t i;
    if (weights == NULL || bytes == 0) {
        return CNN_ERROR_WEIGHTS_MISSING;
    }
    if ((uintptr_t)weights % CNN_ALIGNMENT != 0) {
        return CNN_ERROR_WEIGHTS_MISALIGNED;
    }
    for (i = 0; i < sizeof magic && i < bytes; ++i) {
        if (start[i] != magic[i]) {
            return CNN_ERROR_WEIGHTS_NOT_A_BLOB;
        }
    }
    if (bytes < sizeof *header) {
        return CNN_ERROR_WEIGHTS_TRUNCATED;
    }
    if (header->version == (uint32_t)CNN_BLOB_VERSION << 24) {
        return CNN_ERROR_WEIGHTS_BYTE_ORDER;
    }
    if (header->version != CNN_BLOB_VERSION) {
        return CNN_ERROR_WEIGHTS_VERSION;
    }
    if (header->fingerprint != fingerprint) {
        return CNN_ERROR_WEIGHTS_NETWORK;
    }
    if (bytes < expected_bytes) {
        return CNN_ERROR_WEIGHTS_TRUNCATED;
    }
    if (bytes > expected_bytes) {
        return CNN_ERROR_WEIGHTS_TOO_LONG;
    }
    for (i = 0; i < sizeof header->reserved / sizeof header->reserved[0]; ++i) {
        reserved |= header->reserved[i];
    }
    if (header->bytes != expected_bytes || reserved != 0 ||
        header->checksum != cnn_checksum((const uint32_t *)weights + sizeof *header / sizeof(uint32_t),
                                         (expected_bytes - sizeof *header) / sizeof(uint32_t))) {
        return CNN_ERROR_WEIGHTS_DAMAGED;
    }
    return CNN_OK;
}

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

/* Four rows of sums, of 112 pixels each, start with the bias of their channels. */
static void matrix_start_112(const float *CNN_RESTRICT bias, float *CNN_RESTRICT sums)
{
    for (int p = 0; p < 112; ++p) {
        sums[p] = bias[0];
        sums[112 + p] = bias[1];
        sums[224 + p] = bias[2];
        sums[336 + p] = bias[3];
    }
}

/* The micro-kernel of convolutions: sums[4][112] += w[4][taps] * rows[taps][112], four taps at a
 * time: each value of rows is loaded once for four products, each sum is loaded and stored once
 * for four. Weights lie in the order of use: w[taps / 4][4 channels][4 taps]. Sums of their own,
 * from zero, keep rounding errors small and show compilers that nothing overlaps. */
static void matrix_tile_112(const float *CNN_RESTRICT rows, const float *CNN_RESTRICT w, int taps, float *CNN_RESTRICT sums)
{
    float part[448];
    for (int p = 0; p < 448; ++p) {
        part[p] = 0.0f;
    }
    for (int tap = 0; tap < taps; tap += 4, rows += 448, w += 16) {
        for (int p = 0; p < 112; ++p) {
            const float x0 = rows[p], x1 = rows[112 + p], x2 = rows[224 + p], x3 = rows[336 + p];
            part[p] += w[0] * x0 + w[1] * x1 + w[2] * x2 + w[3] * x3;
            part[112 + p] += w[4] * x0 + w[5] * x1 + w[6] * x2 + w[7] * x3;
            part[224 + p] += w[8] * x0 + w[9] * x1 + w[10] * x2 + w[11] * x3;
            part[336 + p] += w[12] * x0 + w[13] * x1 + w[14] * x2 + w[15] * x3;
        }
    }
    for (int p = 0; p < 448; ++p) {
        sums[p] += part[p];
    }
}

/* sums[64] += w[inputs][64] * x[inputs], for a number of inputs that is divisible by 8. */
static void dense_add_64(const float *CNN_RESTRICT x, const float *CNN_RESTRICT w, int inputs, float *CNN_RESTRICT sums)
{
    for (int i = 0; i < inputs; i += 8, x += 8, w += 512) {
        for (int u = 0; u < 64; ++u) {
            sums[u] += x[0] * w[u] + x[1] * w[64 + u] + x[2] * w[128 + u] + x[3] * w[192 + u]
                       + x[4] * w[256 + u] + x[5] * w[320 + u] + x[6] * w[384 + u] + x[7] * w[448 + u];
        }
    }
}

/* sums[16] += w[inputs][16] * x[inputs], for a number of inputs that is divisible by 8. */
static void dense_add_16(const float *CNN_RESTRICT x, const float *CNN_RESTRICT w, int inputs, float *CNN_RESTRICT sums)
{
    for (int i = 0; i < inputs; i += 8, x += 8, w += 128) {
        for (int u = 0; u < 16; ++u) {
            sums[u] += x[0] * w[u] + x[1] * w[16 + u] + x[2] * w[32 + u] + x[3] * w[48 + u]
                       + x[4] * w[64 + u] + x[5] * w[80 + u] + x[6] * w[96 + u] + x[7] * w[112 + u];
        }
    }
}

/* rows[tap][p] = the input element under tap (ic, ky, kx) for pixel first + p of the output,
 * flattened; 0 where there is none. */
static void conv5x5_s1_1x32x32_to_6x28x28_tanh_gather(const float *x, int tap, int end_tap, int first, int pixels, float *rows)
{
    for (; tap < end_tap; ++tap, rows += 112) {
        for (int p = 0; p < 112; ++p) {
            rows[p] = 0.0f;
        }
        if (tap >= 25) {
            continue;
        }
        const int ky = tap / 5;
        const int kx = tap % 5;
        int oy = first / 28, ox = first % 28;
        for (int p = 0; p < pixels; ++oy) {
            /* The tile's pixels in output row oy: columns [ox, stop). */
            const int stop = ox + pixels - p < 28 ? ox + pixels - p : 28;
            const int iy = oy + ky;
            const int input = iy * 32 + kx;
            for (int column = ox; column < stop; ++column) {
                rows[p - ox + column] = x[input + column];
            }
            p += stop - ox;
            ox = 0;
        }
    }
}

/* Writes up to four channels of a tile after the activation. */
static void conv5x5_s1_1x32x32_to_6x28x28_tanh_store(const step_arguments *a, int oc, int channels, int first, int pixels, float *sums)
{
    for (int row = 0; row < channels; ++row, ++oc, sums += 112) {
        float *const y = a->y + oc * 784 + first;
        for (int p = 0; p < pixels; ++p) {
            const float v = sums[p];
            y[p] = tanhf(v);
        }
    }
}

/* Convolution 5x5, stride 1x1, padding from top left 0x0: 1x32x32 -> 6x28x28, + bias, tanh.
 * A matrix product in tiles of 112 pixels x 28 taps (input channel, ky, kx);
 * weights[oc/4][tap/4][4][4]. */
static void conv5x5_s1_1x32x32_to_6x28x28_tanh(const step_arguments *a, int part, int parts)
{
    float *const rows = a->scratch + part * 3584; /* [28 taps][112 pixels] */
    float *const acc = rows + 3136; /* [4 channels][112 pixels] */
    const int first_tile = 7 * part / parts, end_tile = 7 * (part + 1) / parts;

    for (int tile = first_tile; tile < end_tile; ++tile) {
        const int first = tile * 112;
        const int pixels = 112;
        conv5x5_s1_1x32x32_to_6x28x28_tanh_gather(a->x[0], 0, 28, first, pixels, rows);
        for (int oc = 0; oc < 8; oc += 4) {
            float *const sums = acc;
            matrix_start_112(a->bias + oc, sums);
            matrix_tile_112(rows, a->weights + oc * 28, 28, sums);
            const int channels = oc + 4 <= 6 ? 4 : 2;
            conv5x5_s1_1x32x32_to_6x28x28_tanh_store(a, oc, channels, first, pixels, sums);
        }
    }
}

/* Average pool 2x2, stride 2x2, padding from top left 0x0, padding counts: 6x28x28 -> 6x14x14. */
static void avg_pool2x2_s2_6x28x28_to_6x14x14(const step_arguments *a, int part, int parts)
{
    float *const line = a->scratch + part * 32; /* [28]: the window's rows, reduced to one */
    const int first_channel = 6 * part / parts, end_channel = 6 * (part + 1) / parts;

    for (int channel = first_channel; channel < end_channel; ++channel) {
        const float *const x = a->x[0] + channel * 784;
        for (int oy = 0; oy < 14; ++oy) {
            for (int i = 0; i < 28; ++i) {
                line[i] = 0.0f;
            }
            for (int iy = oy * 2; iy < oy * 2 + 2; ++iy) {
                const float *const row = x + iy * 28;
                for (int ix = 0; ix < 28; ++ix) {
                    line[ix] += row[ix];
                }
            }
            float *const y = a->y + channel * 196 + oy * 14;
            for (int ox = 0; ox < 14; ++ox) {
                float m = line[ox * 2];
                m += line[ox * 2 + 1];
                y[ox] = m / 4.0f;
            }
        }
    }
}

/* rows[tap][p] = the input element under tap (ic, ky, kx) for pixel first + p of the output,
 * flattened; 0 where there is none. */
static void conv5x5_s1_6x14x14_to_16x10x10_tanh_gather(const float *x, int tap, int end_tap, int pixels, float *rows)
{
    for (; tap < end_tap; ++tap, rows += 112) {
        for (int p = 0; p < 112; ++p) {
            rows[p] = 0.0f;
        }
        if (tap >= 150) {
            continue;
        }
        const int ic = tap / 25;
        const int ky = tap % 25 / 5;
        const int kx = tap % 5;
        int oy = 0, ox = 0;
        for (int p = 0; p < pixels; ++oy) {
            /* The tile's pixels in output row oy: columns [ox, stop). */
            const int stop = ox + pixels - p < 10 ? ox + pixels - p : 10;
            const int iy = oy + ky;
            const int input = ic * 196 + iy * 14 + kx;
            for (int column = ox; column < stop; ++column) {
                rows[p - ox + column] = x[input + column];
            }
            p += stop - ox;
            ox = 0;
        }
    }
}

/* Writes up to four channels of a tile after the activation. */
static void conv5x5_s1_6x14x14_to_16x10x10_tanh_store(const step_arguments *a, int oc, int pixels, float *sums)
{
    for (int row = 0; row < 4; ++row, ++oc, sums += 112) {
        float *const y = a->y + oc * 100;
        for (int p = 0; p < pixels; ++p) {
            const float v = sums[p];
            y[p] = tanhf(v);
        }
    }
}

/* Convolution 5x5, stride 1x1, padding from top left 0x0: 6x14x14 -> 16x10x10, + bias, tanh.
 * A matrix product in tiles of 112 pixels x 152 taps (input channel, ky, kx);
 * weights[oc/4][tap/4][4][4]. */
static void conv5x5_s1_6x14x14_to_16x10x10_tanh(const step_arguments *a, int part, int parts)
{
    float *const rows = a->scratch + part * 17472; /* [152 taps][112 pixels] */
    float *const acc = rows + 17024; /* [4 channels][112 pixels] */
    const int first_block = 4 * part / parts, end_block = 4 * (part + 1) / parts;

    const int pixels = 100;
    conv5x5_s1_6x14x14_to_16x10x10_tanh_gather(a->x[0], 0, 152, pixels, rows);
    for (int oc = 4 * first_block; oc < 4 * end_block; oc += 4) {
        float *const sums = acc;
        matrix_start_112(a->bias + oc, sums);
        matrix_tile_112(rows, a->weights + oc * 152, 152, sums);
        conv5x5_s1_6x14x14_to_16x10x10_tanh_store(a, oc, pixels, sums);
    }
}

/* Average pool 2x2, stride 2x2, padding from top left 0x0, padding counts: 16x10x10 -> 16x5x5. */
static void avg_pool2x2_s2_16x10x10_to_16x5x5(const step_arguments *a, int part, int parts)
{
    float *const line = a->scratch + part * 16; /* [10]: the window's rows, reduced to one */
    const int first_channel = 16 * part / parts, end_channel = 16 * (part + 1) / parts;

    for (int channel = first_channel; channel < end_channel; ++channel) {
        const float *const x = a->x[0] + channel * 100;
        for (int oy = 0; oy < 5; ++oy) {
            for (int i = 0; i < 10; ++i) {
                line[i] = 0.0f;
            }
            for (int iy = oy * 2; iy < oy * 2 + 2; ++iy) {
                const float *const row = x + iy * 10;
                for (int ix = 0; ix < 10; ++ix) {
                    line[ix] += row[ix];
                }
            }
            float *const y = a->y + channel * 25 + oy * 5;
            for (int ox = 0; ox < 5; ++ox) {
                float m = line[ox * 2];
                m += line[ox * 2 + 1];
                y[ox] = m / 4.0f;
            }
        }
    }
}

/* Dense layer: 400 -> 120, + bias, tanh. 64 units side by side; weights[units/64][400][64]. */
static void dense_400_to_120_tanh(const step_arguments *a, int part, int parts)
{
    const int first_block = 2 * part / parts, end_block = 2 * (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 25600;
        float sums[64];
        for (int u = 0; u < 64; ++u) {
            sums[u] = a->bias[block * 64 + u];
        }
        dense_add_64(a->x[0], weights, 400, sums);
        const int units = block < 1 ? 64 : 56;
        for (int u = 0; u < units; ++u) {
            const float v = sums[u];
            a->y[block * 64 + u] = tanhf(v);
        }
    }
}

/* Dense layer: 120 -> 84, + bias, tanh. 16 units side by side; weights[units/16][120][16]. */
static void dense_120_to_84_tanh(const step_arguments *a, int part, int parts)
{
    const int first_block = 6 * part / parts, end_block = 6 * (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 1920;
        float sums[16];
        for (int u = 0; u < 16; ++u) {
            sums[u] = a->bias[block * 16 + u];
        }
        dense_add_16(a->x[0], weights, 120, sums);
        const int units = block < 5 ? 16 : 4;
        for (int u = 0; u < units; ++u) {
            const float v = sums[u];
            a->y[block * 16 + u] = tanhf(v);
        }
    }
}

/* Dense layer: 84 -> 10, + bias. 16 units side by side; weights[units/16][84][16]. */
static void dense_84_to_10(const step_arguments *a, int part, int parts)
{
    const int first_block = part / parts, end_block = (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 1344;
        float sums[16];
        for (int u = 0; u < 16; ++u) {
            sums[u] = a->bias[block * 16 + u];
        }
        dense_add_16(a->x[0], weights, 80, sums);
        for (int i = 80; i < 84; ++i) {
            for (int u = 0; u < 16; ++u) {
                sums[u] += a->x[0][i] * weights[i * 16 + u];
            }
        }
        for (int u = 0; u < 10; ++u) {
            a->y[block * 16 + u] = sums[u];
        }
    }
}

/* Softmax over 10 channels. */
static void softmax_10(const step_arguments *a, int part, int parts)
{
    if (part > 0) {
        return; /* too small to share out */
    }
    (void)parts;
    const float *const x = a->x[0];
    float *const y = a->y;
    float largest = x[0];
    for (int c = 1; c < 10; ++c) {
        largest = x[c] > largest ? x[c] : largest;
    }
    double sum = 0.0;
    for (int c = 0; c < 10; ++c) {
        y[c] = expf(x[c] - largest);
        sum += (double)y[c];
    }
    for (int c = 0; c < 10; ++c) {
        y[c] = (float)((double)y[c] / sum);
    }
}

/* Steps: a kernel and its operands. The letters after step_ are the operands in order: x input
 * (xx two), r residual, w weights, b bias, s scratch, y output. */
static void step_xy(step_kernel *kernel, const float *x, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, NULL, NULL, y, NULL};
    kernel(&a, 0, 1);
}

static void step_xwby(step_kernel *kernel, const float *x, const float *weights, const float *bias, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, weights, bias, y, NULL};
    kernel(&a, 0, 1);
}

static void step_xsy(step_kernel *kernel, const float *x, float *scratch, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, NULL, NULL, y, scratch};
    kernel(&a, 0, 1);
}

static void step_xwbsy(step_kernel *kernel, const float *x, const float *weights, const float *bias, float *scratch,
                       float *y)
{
    const step_arguments a = {{x, NULL}, NULL, weights, bias, y, scratch};
    kernel(&a, 0, 1);
}

cnn_status lenet5_init(lenet5 *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes)
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
    if (arena_bytes < (size_t)LENET5_ARENA_BYTES) {
        return CNN_ERROR_ARENA_TOO_SMALL;
    }
    const cnn_status status = cnn_check_weights(weights, weights_bytes, (size_t)LENET5_WEIGHTS_BYTES,
                                                UINT64_C(0x8e65a8359d885d5a));
    if (status != CNN_OK) {
        return status;
    }
    net->weights = (const float *)weights + sizeof(cnn_blob_header) / sizeof(float);
    net->arena = (float *)arena;
    net->ready = LENET5_READY;
    return CNN_OK;
}

cnn_status lenet5_run(lenet5 *net, const float *image, float *probabilities)
{
    if (net == NULL || image == NULL || probabilities == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    if (net->ready != LENET5_READY) {
        return CNN_ERROR_NOT_INITIALISED;
    }
    float *const arena = net->arena;
    const float *const weights = net->weights;

    /* conv1 + tanh   conv 5x5 s1 p0   f32[1,32,32] -> f32[6,28,28]   117600 MAC   lenet5.net:15 */
    step_xwbsy(conv5x5_s1_1x32x32_to_6x28x28_tanh, image, weights, weights + 224, arena + 4704, arena);

    /* pool1   avg_pool 2x2 s2 p0   f32[6,28,28] -> f32[6,14,14]   lenet5.net:15 */
    step_xsy(avg_pool2x2_s2_6x28x28_to_6x14x14, arena, arena + 4704, arena + 19072);

    /* conv2 + tanh   conv 5x5 s1 p0   f32[6,14,14] -> f32[16,10,10]   240000 MAC   lenet5.net:16 */
    step_xwbsy(conv5x5_s1_6x14x14_to_16x10x10_tanh, arena + 19072, weights + 240, weights + 2672, arena, arena + 17472);

    /* pool2   avg_pool 2x2 s2 p0   f32[16,10,10] -> f32[16,5,5]   lenet5.net:16 */
    step_xsy(avg_pool2x2_s2_16x10x10_to_16x5x5, arena + 17472, arena + 400, arena);

    /* fc1 + tanh   dense   f32[400] -> f32[120]   48000 MAC   lenet5.net:18 */
    step_xwby(dense_400_to_120_tanh, arena, weights + 2688, weights + 53888, arena + 400);

    /* fc2 + tanh   dense   f32[120] -> f32[84]   10080 MAC   lenet5.net:18 */
    step_xwby(dense_120_to_84_tanh, arena + 400, weights + 54016, weights + 65536, arena);

    /* fc3   dense   f32[84] -> f32[10]   840 MAC   lenet5.net:18 */
    step_xwby(dense_84_to_10, arena, weights + 65632, weights + 66976, arena + 96);

    /* softmax1   softmax   f32[10] -> f32[10]   lenet5.net:19 */
    step_xy(softmax_10, arena + 96, probabilities);

    return CNN_OK;
}

void lenet5_set_parallel(lenet5 *net, cnn_parallel_for *run, void *context)
{
    /* Compiled for one thread: cnnc --threads-max=N makes code whose steps are split. */
    (void)net;
    (void)run;
    (void)context;
}
