/* tiny_residual.c: the code of the network 'tiny_residual'.
 * Written by cnnc 0.1.0 from tiny_residual.net; change that and compile again, not this.
 *
 * Target   portable
 * Options  --batch=2 --target=portable --threads-max=4
 * Weights  tiny_residual.weights, 2304 bytes
 *
 * This code is yours: use, change, share and sell it without conditions (BSD Zero Clause
 * License, SPDX: 0BSD). It comes without any warranty. */
#include "tiny_residual.h"

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

/* Four rows of sums, of 64 pixels each, start with the bias of their channels. */
static void matrix_start_64(const float *CNN_RESTRICT bias, float *CNN_RESTRICT sums)
{
    for (int p = 0; p < 64; ++p) {
        sums[p] = bias[0];
        sums[64 + p] = bias[1];
        sums[128 + p] = bias[2];
        sums[192 + p] = bias[3];
    }
}

/* The micro-kernel of convolutions: sums[4][64] += w[4][taps] * rows[taps][64], four taps at a
 * time: each value of rows is loaded once for four products, each sum is loaded and stored once
 * for four. Weights lie in the order of use: w[taps / 4][4 channels][4 taps]. Sums of their own,
 * from zero, keep rounding errors small and show compilers that nothing overlaps. */
static void matrix_tile_64(const float *CNN_RESTRICT rows, const float *CNN_RESTRICT w, int taps, float *CNN_RESTRICT sums)
{
    float part[256];
    for (int p = 0; p < 256; ++p) {
        part[p] = 0.0f;
    }
    for (int tap = 0; tap < taps; tap += 4, rows += 256, w += 16) {
        for (int p = 0; p < 64; ++p) {
            const float x0 = rows[p], x1 = rows[64 + p], x2 = rows[128 + p], x3 = rows[192 + p];
            part[p] += w[0] * x0 + w[1] * x1 + w[2] * x2 + w[3] * x3;
            part[64 + p] += w[4] * x0 + w[5] * x1 + w[6] * x2 + w[7] * x3;
            part[128 + p] += w[8] * x0 + w[9] * x1 + w[10] * x2 + w[11] * x3;
            part[192 + p] += w[12] * x0 + w[13] * x1 + w[14] * x2 + w[15] * x3;
        }
    }
    for (int p = 0; p < 256; ++p) {
        sums[p] += part[p];
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
static void conv3x3_s2p1_3x16x16_to_8x8x8_relu_gather(const float *x, int tap, int end_tap, int pixels, float *rows)
{
    /* Output columns [first, end) whose tap kx lies inside the input. */
    static const int first_column[3] = {1, 0, 0};
    static const int end_column[3] = {8, 8, 8};
    for (; tap < end_tap; ++tap, rows += 64) {
        for (int p = 0; p < 64; ++p) {
            rows[p] = 0.0f;
        }
        if (tap >= 27) {
            continue;
        }
        const int ic = tap / 9;
        const int ky = tap % 9 / 3;
        const int kx = tap % 3;
        int oy = 0, ox = 0;
        for (int p = 0; p < pixels; ++oy) {
            /* The tile's pixels in output row oy: columns [ox, stop). */
            const int stop = ox + pixels - p < 8 ? ox + pixels - p : 8;
            const int iy = oy * 2 + ky - 1;
            if (iy >= 0 && iy < 16) {
                const int from = ox > first_column[kx] ? ox : first_column[kx];
                const int end = stop < end_column[kx] ? stop : end_column[kx];
                const int input = ic * 256 + iy * 16 + kx - 1;
                for (int column = from; column < end; ++column) {
                    rows[p - ox + column] = x[input + column * 2];
                }
            }
            p += stop - ox;
            ox = 0;
        }
    }
}

/* Writes up to four channels of a tile after the activation. */
static void conv3x3_s2p1_3x16x16_to_8x8x8_relu_store(const step_arguments *a, int oc, int pixels, float *sums)
{
    for (int row = 0; row < 4; ++row, ++oc, sums += 64) {
        float *const y = a->y + oc * 64;
        for (int p = 0; p < pixels; ++p) {
            const float v = sums[p];
            y[p] = v < 0.0f ? 0.0f : v;
        }
    }
}

/* Convolution 3x3, stride 2x2, padding from top left 1x1: 3x16x16 -> 8x8x8, + bias, relu.
 * A matrix product in tiles of 64 pixels x 28 taps (input channel, ky, kx);
 * weights[oc/4][tap/4][4][4]. */
static void conv3x3_s2p1_3x16x16_to_8x8x8_relu(const step_arguments *a, int part, int parts)
{
    float *const rows = a->scratch + part * 2048; /* [28 taps][64 pixels] */
    float *const acc = rows + 1792; /* [4 channels][64 pixels] */
    const int first_block = 2 * part / parts, end_block = 2 * (part + 1) / parts;

    const int pixels = 64;
    conv3x3_s2p1_3x16x16_to_8x8x8_relu_gather(a->x[0], 0, 28, pixels, rows);
    for (int oc = 4 * first_block; oc < 4 * end_block; oc += 4) {
        float *const sums = acc;
        matrix_start_64(a->bias + oc, sums);
        matrix_tile_64(rows, a->weights + oc * 28, 28, sums);
        conv3x3_s2p1_3x16x16_to_8x8x8_relu_store(a, oc, pixels, sums);
    }
}

/* One row of 8 outputs: x points at the input under the first tap of the first output. */
static void depthwise3x3_s1p1_8x8x8_to_8x8x8_relu_row(const float *CNN_RESTRICT x, const float *CNN_RESTRICT w, float bias, float *CNN_RESTRICT sums)
{
    float k[9]; /* a copy that sums cannot overlap: the loop below vectorises */
    for (int i = 0; i < 9; ++i) {
        k[i] = w[i];
    }
    for (int ox = 0; ox < 8; ++ox) {
        sums[ox] = bias + k[0] * x[ox] + k[1] * x[ox + 1] + k[2] * x[ox + 2]
                   + k[3] * x[ox + 10] + k[4] * x[ox + 11] + k[5] * x[ox + 12]
                   + k[6] * x[ox + 20] + k[7] * x[ox + 21] + k[8] * x[ox + 22];
    }
}

/* Depthwise convolution 3x3, stride 1x1, padding from top left 1x1: 8x8x8 -> 8x8x8, + bias, relu. */
static void depthwise3x3_s1p1_8x8x8_to_8x8x8_relu(const step_arguments *a, int part, int parts)
{
    float *const sums = a->scratch + part * 112; /* [8] */
    float *const padded = sums + 8; /* [10][10]: a channel with its border */
    const int first_channel = 8 * part / parts, end_channel = 8 * (part + 1) / parts;

    for (int i = 0; i < 100; ++i) {
        padded[i] = 0.0f;
    }
    for (int channel = first_channel; channel < end_channel; ++channel) {
        for (int iy = 0; iy < 8; ++iy) {
            for (int ix = 0; ix < 8; ++ix) {
                padded[iy * 10 + ix + 11] = a->x[0][channel * 64 + iy * 8 + ix];
            }
        }
        for (int oy = 0; oy < 8; ++oy) {
            depthwise3x3_s1p1_8x8x8_to_8x8x8_relu_row(padded + oy * 10, a->weights + channel * 9, a->bias[channel], sums);
            float *const y = a->y + channel * 64 + oy * 8;
            for (int ox = 0; ox < 8; ++ox) {
                const float v = sums[ox];
                y[ox] = v < 0.0f ? 0.0f : v;
            }
        }
    }
}

/* rows[tap][p] = the input element under tap (ic, ky, kx) for pixel first + p of the output,
 * flattened. */
static void conv1x1_s1_8x8x8_to_8x8x8_add_relu_gather(const float *x, int tap, int end_tap, int pixels, float *rows)
{
    for (; tap < end_tap; ++tap, rows += 64) {
        const int input = tap * 64;
        for (int p = 0; p < pixels; ++p) {
            rows[p] = x[input + p];
        }
    }
}

/* Writes up to four channels of a tile: adds the residual, which may be y itself, then the
 * activation. */
static void conv1x1_s1_8x8x8_to_8x8x8_add_relu_store(const step_arguments *a, int oc, int pixels, float *sums)
{
    for (int row = 0; row < 4; ++row, ++oc, sums += 64) {
        float *const y = a->y + oc * 64;
        const float *const residual = a->residual + oc * 64;
        for (int p = 0; p < pixels; ++p) {
            sums[p] += residual[p];
        }
        for (int p = 0; p < pixels; ++p) {
            const float v = sums[p];
            y[p] = v < 0.0f ? 0.0f : v;
        }
    }
}

/* Convolution 1x1, stride 1x1, padding from top left 0x0: 8x8x8 -> 8x8x8, + bias, + residual,
 * relu.
 * A matrix product in tiles of 64 pixels x 8 taps (input channel, ky, kx);
 * weights[oc/4][tap/4][4][4]. */
static void conv1x1_s1_8x8x8_to_8x8x8_add_relu(const step_arguments *a, int part, int parts)
{
    float *const rows = a->scratch + part * 768; /* [8 taps][64 pixels] */
    float *const acc = rows + 512; /* [4 channels][64 pixels] */
    const int first_block = 2 * part / parts, end_block = 2 * (part + 1) / parts;

    const int pixels = 64;
    conv1x1_s1_8x8x8_to_8x8x8_add_relu_gather(a->x[0], 0, 8, pixels, rows);
    for (int oc = 4 * first_block; oc < 4 * end_block; oc += 4) {
        float *const sums = acc;
        matrix_start_64(a->bias + oc, sums);
        matrix_tile_64(rows, a->weights + oc * 8, 8, sums);
        conv1x1_s1_8x8x8_to_8x8x8_add_relu_store(a, oc, pixels, sums);
    }
}

/* Average of each channel: 8x8x8 -> 8, in eight partial sums. */
static void global_avg_pool_8x8x8(const step_arguments *a, int part, int parts)
{
    const int first_channel = 8 * part / parts, end_channel = 8 * (part + 1) / parts;

    for (int channel = first_channel; channel < end_channel; ++channel) {
        const float *const x = a->x[0] + channel * 64;
        float lane[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        for (int i = 0; i < 64; i += 8) {
            for (int j = 0; j < 8; ++j) {
                lane[j] += x[i + j];
            }
        }
        const float sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
        a->y[channel] = sum / 64.0f;
    }
}

/* Dense layer: 8 -> 4, + bias. 16 units side by side; weights[units/16][8][16]. */
static void dense_8_to_4(const step_arguments *a, int part, int parts)
{
    const int first_block = part / parts, end_block = (part + 1) / parts;

    for (int block = first_block; block < end_block; ++block) {
        const float *const weights = a->weights + block * 128;
        float sums[16];
        for (int u = 0; u < 16; ++u) {
            sums[u] = a->bias[block * 16 + u];
        }
        dense_add_16(a->x[0], weights, 8, sums);
        for (int u = 0; u < 4; ++u) {
            a->y[block * 16 + u] = sums[u];
        }
    }
}

/* A step for the caller's threads. Always TINY_RESIDUAL_THREADS_MAX parts, whatever the number
 * of threads, so that every run gives the same bits. Small steps come without a network: the
 * calling thread runs them alone. */
typedef struct parallel_step {
    step_kernel *kernel;
    const step_arguments *a;
} parallel_step;

static void run_part(void *data, int part)
{
    const parallel_step *step = (const parallel_step *)data;
    step->kernel(step->a, part, TINY_RESIDUAL_THREADS_MAX);
}

static void run_step(const tiny_residual *net, step_kernel *kernel, const step_arguments *a)
{
    if (net == NULL || net->parallel_for == NULL) {
        kernel(a, 0, 1);
    } else {
        parallel_step step;
        step.kernel = kernel;
        step.a = a;
        net->parallel_for(net->parallel_context, run_part, &step, TINY_RESIDUAL_THREADS_MAX);
    }
}

/* Steps: a kernel and its operands. The letters after step_ are the operands in order: x input
 * (xx two), r residual, w weights, b bias, s scratch, y output. */
static void step_xy(const tiny_residual *net, step_kernel *kernel, const float *x, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, NULL, NULL, y, NULL};
    run_step(net, kernel, &a);
}

static void step_xwby(const tiny_residual *net, step_kernel *kernel, const float *x, const float *weights,
                      const float *bias, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, weights, bias, y, NULL};
    run_step(net, kernel, &a);
}

static void step_xwbsy(const tiny_residual *net, step_kernel *kernel, const float *x, const float *weights,
                       const float *bias, float *scratch, float *y)
{
    const step_arguments a = {{x, NULL}, NULL, weights, bias, y, scratch};
    run_step(net, kernel, &a);
}

static void step_xrwbsy(const tiny_residual *net, step_kernel *kernel, const float *x, const float *residual,
                        const float *weights, const float *bias, float *scratch, float *y)
{
    const step_arguments a = {{x, NULL}, residual, weights, bias, y, scratch};
    run_step(net, kernel, &a);
}

cnn_status tiny_residual_init(tiny_residual *net, const void *weights, size_t weights_bytes, void *arena,
                              size_t arena_bytes)
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
    if (arena_bytes < (size_t)TINY_RESIDUAL_ARENA_BYTES) {
        return CNN_ERROR_ARENA_TOO_SMALL;
    }
    const cnn_status status = cnn_check_weights(weights, weights_bytes, (size_t)TINY_RESIDUAL_WEIGHTS_BYTES,
                                                UINT64_C(0xc29dc771f75daa96));
    if (status != CNN_OK) {
        return status;
    }
    net->weights = (const float *)weights + sizeof(cnn_blob_header) / sizeof(float);
    net->arena = (float *)arena;
    net->parallel_for = NULL;
    net->parallel_context = NULL;
    net->ready = TINY_RESIDUAL_READY;
    return CNN_OK;
}

cnn_status tiny_residual_run(tiny_residual *net, const float *image, float *logits)
{
    if (net == NULL || image == NULL || logits == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    if (net->ready != TINY_RESIDUAL_READY) {
        return CNN_ERROR_NOT_INITIALISED;
    }
    float *const arena = net->arena;
    const float *const weights = net->weights;

    for (int batch_index = 0; batch_index < TINY_RESIDUAL_BATCH; ++batch_index) {
        /* stem + stem_bn + relu   conv 3x3 s2 p1   f32[3,16,16] -> f32[8,8,8]   13824 MAC
         * tiny_residual.net:12 */
        step_xwbsy(NULL, conv3x3_s2p1_3x16x16_to_8x8x8_relu, image, weights, weights + 224, arena, arena + 8192);

        /* unit1.spatial + bn1 + relu   depthwise_conv 3x3 s1 p1   f32[8,8,8] -> f32[8,8,8]
         * 4608 MAC   tiny_residual.net:4 via tiny_residual.net:13 */
        step_xwbsy(NULL, depthwise3x3_s1p1_8x8x8_to_8x8x8_relu, arena + 8192, weights + 240, weights + 320, arena,
                   arena + 3072);

        /* unit1.project + bn2 + add + relu   conv 1x1 s1 p0   f32[8,8,8] -> f32[8,8,8]   4096 MAC
         * tiny_residual.net:5 via tiny_residual.net:13 */
        step_xrwbsy(NULL, conv1x1_s1_8x8x8_to_8x8x8_add_relu, arena + 3072, arena + 8192, weights + 336, weights + 400,
                    arena, arena + 8192);

        /* pool1   global_avg_pool   f32[8,8,8] -> f32[8,1,1]   tiny_residual.net:14 */
        step_xy(NULL, global_avg_pool_8x8x8, arena + 8192, arena);

        /* fc   dense   f32[8] -> f32[4]   32 MAC   tiny_residual.net:15 */
        step_xwby(NULL, dense_8_to_4, arena, weights + 416, weights + 544, logits);

        image += TINY_RESIDUAL_IMAGE_ELEMENTS / TINY_RESIDUAL_BATCH;
        logits += TINY_RESIDUAL_LOGITS_ELEMENTS / TINY_RESIDUAL_BATCH;
    }

    return CNN_OK;
}

void tiny_residual_set_parallel(tiny_residual *net, cnn_parallel_for *run, void *context)
{
    if (net != NULL) {
        net->parallel_for = run;
        net->parallel_context = context;
    }
}
