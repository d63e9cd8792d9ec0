/* tiny_mlp.h: the interface of the network 'tiny_mlp'.
 * Written by cnnc 0.1.0 from tiny_mlp.net; change that and compile again, not this.
 *
 * Target   portable
 * Options  --target=portable
 * Weights  built in, 448 bytes
 *
 * This code is yours: use, change, share and sell it without conditions (BSD Zero Clause
 * License, SPDX: 0BSD). It comes without any warranty. */

/* Inputs
 *     float x[2]   any finite value
 * Outputs
 *     float y[1]   values 0 to 1
 *
 * Use
 *     static CNN_ALIGNED unsigned char memory[TINY_MLP_ARENA_BYTES];
 *     static float x[TINY_MLP_X_ELEMENTS];
 *     static float y[TINY_MLP_Y_ELEMENTS];
 *     static tiny_mlp network;
 *     cnn_status status = tiny_mlp_init(&network, NULL, 0, memory, sizeof memory);
 *     if (status == CNN_OK)
 *         status = tiny_mlp_run(&network, x, y);
 *     if (status != CNN_OK)
 *         puts(cnn_status_text(status)); */

#ifndef TINY_MLP_H
#define TINY_MLP_H

/* cnn.h: what every network compiled by cnnc shares: status codes, the interface to threads, helpers of the runtime.
 *
 * Generated headers carry this text themselves, so that a network compiles alone; cnn.h and any number of them may be
 * included together, in any order, in C (C99 on) and C++. The helpers (cnn_arena_*, cnn_weights_*, cnn_threads_*) are
 * optional: link runtime/cnn_arena.c, cnn_weights.c, cnn_threads.c where you call them. Bare metal needs nothing but this
 * header.
 *
 * Yours without conditions: BSD Zero Clause License (SPDX: 0BSD). */
#ifndef CNN_H
#define CNN_H

/* Changes when generated code and this header no longer fit each other. */
#define CNN_INTERFACE 1

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Arenas and weights lie on a multiple of CNN_ALIGNMENT bytes. For a static or automatic array:
 *     static CNN_ALIGNED unsigned char arena[RESNET50_ARENA_BYTES];
 * Where the compiler has no way to say so CNN_ALIGNED is empty, and a network's init tells when the address is no such
 * multiple. mmap, cnn_arena_create, cnn_weights_map and aligned_alloc(64, ...) give memory that is. */
enum { CNN_ALIGNMENT = 64 };
#if defined(__GNUC__)
#define CNN_ALIGNED __attribute__((aligned(64)))
#elif defined(_MSC_VER)
#define CNN_ALIGNED __declspec(align(64))
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define CNN_ALIGNED _Alignas(64)
#else
#define CNN_ALIGNED
#endif

typedef enum cnn_status {
    CNN_OK = 0,
    CNN_ERROR_NULL_ARGUMENT,
    CNN_ERROR_NOT_INITIALISED,
    CNN_ERROR_ARENA_TOO_SMALL,
    CNN_ERROR_ARENA_MISALIGNED,
    CNN_ERROR_WEIGHTS_MISSING,
    CNN_ERROR_WEIGHTS_MISALIGNED,
    CNN_ERROR_WEIGHTS_NOT_A_BLOB,
    CNN_ERROR_WEIGHTS_BYTE_ORDER,
    CNN_ERROR_WEIGHTS_VERSION,
    CNN_ERROR_WEIGHTS_NETWORK,
    CNN_ERROR_WEIGHTS_TRUNCATED,
    CNN_ERROR_WEIGHTS_TOO_LONG,
    CNN_ERROR_WEIGHTS_DAMAGED,
    CNN_ERROR_WEIGHTS_BUILT_IN,
    CNN_ERROR_FILE_OPEN,
    CNN_ERROR_FILE_READ,
    CNN_ERROR_FILE_EMPTY,
    CNN_ERROR_OUT_OF_MEMORY,
    CNN_ERROR_THREAD_COUNT,
    CNN_ERROR_THREAD_START,
    CNN_ERROR_PROCESSOR
} cnn_status;

/* One sentence about a status, for people; never NULL. */
static inline const char *cnn_status_text(cnn_status status)
{
    switch (status) {
    case CNN_OK:
        return "no error";
    case CNN_ERROR_NULL_ARGUMENT:
        return "a pointer that must not be NULL is NULL";
    case CNN_ERROR_NOT_INITIALISED:
        return "the network is not initialised: its init was not called, or failed";
    case CNN_ERROR_ARENA_TOO_SMALL:
        return "the arena has fewer bytes than the network's ..._ARENA_BYTES";
    case CNN_ERROR_ARENA_MISALIGNED:
        return "the arena does not start at a multiple of 64 bytes (see CNN_ALIGNED)";
    case CNN_ERROR_WEIGHTS_MISSING:
        return "the network needs weights and got none";
    case CNN_ERROR_WEIGHTS_MISALIGNED:
        return "the weights do not start at a multiple of 64 bytes";
    case CNN_ERROR_WEIGHTS_NOT_A_BLOB:
        return "the weights are not a file written by cnnc (such as model.weights)";
    case CNN_ERROR_WEIGHTS_BYTE_ORDER:
        return "weights are little-endian and this machine is not";
    case CNN_ERROR_WEIGHTS_VERSION:
        return "the weights have another format version: pack them with the cnnc that wrote the code";
    case CNN_ERROR_WEIGHTS_NETWORK:
        return "the weights belong to another network, or to other options of cnnc (such as --target): pack them again";
    case CNN_ERROR_WEIGHTS_TRUNCATED:
        return "the weights end too early";
    case CNN_ERROR_WEIGHTS_TOO_LONG:
        return "there are more bytes than the weights should have";
    case CNN_ERROR_WEIGHTS_DAMAGED:
        return "the weights are damaged: their checksum does not match";
    case CNN_ERROR_WEIGHTS_BUILT_IN:
        return "the network has its weights built in: pass NULL and 0";
    case CNN_ERROR_FILE_OPEN:
        return "the file cannot be opened";
    case CNN_ERROR_FILE_READ:
        return "the file cannot be read, or is no ordinary file";
    case CNN_ERROR_FILE_EMPTY:
        return "the file is empty";
    case CNN_ERROR_OUT_OF_MEMORY:
        return "not enough memory";
    case CNN_ERROR_THREAD_COUNT:
        return "the number of threads must be 1 to 256";
    case CNN_ERROR_THREAD_START:
        return "the system cannot start another thread";
    case CNN_ERROR_PROCESSOR:
        return "the network was compiled for processors that can do more than this one";
    }
    return "unknown status";
}

/* --- threads: a network knows none. It hands out tasks through a function that you give to its ..._set_parallel. */

/* One piece of work; pieces 0 .. count-1 may run in any order and on any threads. */
typedef void cnn_task(void *data, int index);

/* Calls task(data, index) once for every index in 0 .. count-1, and returns when all calls have returned and what they
 * wrote is visible to the caller. `context` is the one given to ..._set_parallel. A plain loop is a correct one. */
typedef void cnn_parallel_for(void *context, cnn_task *task, void *data, int count);

/* runtime/cnn_threads.c: a pool of threads (POSIX). The thread that calls cnn_threads_run works too, so a pool of n has
 * n - 1 threads of its own. Give it to a network as  resnet50_set_parallel(&net, cnn_threads_run, pool). */
typedef struct cnn_threads cnn_threads;
cnn_status cnn_threads_create(cnn_threads **pool, int threads); /* on failure *pool is NULL */
void cnn_threads_run(void *pool, cnn_task *task, void *data, int count);
void cnn_threads_destroy(cnn_threads *pool); /* no run may be going on; NULL is allowed */

/* --- runtime/cnn_arena.c: memory for an arena, on a multiple of CNN_ALIGNMENT. One of 2 MB or more lies in large pages
 * where the system has them, in which most networks run faster, up to some hundredths. */
cnn_status cnn_arena_create(void **arena, size_t bytes); /* such as RESNET50_ARENA_BYTES; on failure *arena is NULL */
void cnn_arena_destroy(void *arena);                     /* after the last run that uses it; NULL is allowed */

/* --- runtime/cnn_weights.c: a weights file in memory, read only. */
typedef struct cnn_weights {
    const void *bytes; /* on a multiple of CNN_ALIGNMENT; NULL: nothing mapped */
    size_t size;
    void *memory; /* of the helper: what unmap gives back */
} cnn_weights;
cnn_status cnn_weights_map(cnn_weights *weights, const char *path); /* on failure *weights is all zero */
/* The same in memory of this process, in large pages where the system has them: costs a copy of the file and is shared
 * with nobody, but layers with many weights run faster, above all in virtual machines. */
cnn_status cnn_weights_load(cnn_weights *weights, const char *path);
void cnn_weights_unmap(cnn_weights *weights); /* after the last run that uses them; all zero is allowed */

#ifdef __cplusplus
}
#endif

#endif

#if CNN_INTERFACE != 1
#error "tiny_mlp.h and the cnn.h included before it come from versions of cnnc that do not fit each other"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes: of the memory that the caller gives (bytes), and of every input and output (elements). */
enum {
    TINY_MLP_ARENA_BYTES = 64,
    TINY_MLP_WEIGHTS_BYTES = 0,
    TINY_MLP_X_ELEMENTS = 2,
    TINY_MLP_Y_ELEMENTS = 1,
    TINY_MLP_BATCH = 1,
    TINY_MLP_THREADS_MAX = 1,
    TINY_MLP_READY = 0x0cf542b5 /* private */
};

/* One network. The caller's memory, nothing to free; the members are private. A network and its
 * arena serve one thread at a time; weights are only read and may be shared by any number of
 * networks. */
typedef struct tiny_mlp {
    uint32_t ready;
    float *arena;
} tiny_mlp;

/* Prepares a network. The arena: ..._ARENA_BYTES or more, on a multiple of 64 bytes, with any
 * contents. The weights: NULL and 0. Both stay the caller's, and must stay in place as long as
 * the network is used. Any status but CNN_OK leaves the network unusable. */
cnn_status tiny_mlp_init(tiny_mlp *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes);

/* Computes the outputs from the inputs. Inputs and outputs must not overlap. The same inputs
 * give the same bits in every run, with any number of threads. */
cnn_status tiny_mlp_run(tiny_mlp *net, const float *x, float *y);

/* Accepted without effect: this code was compiled for one thread (cnnc --threads-max=N makes
 * code for more). */
void tiny_mlp_set_parallel(tiny_mlp *net, cnn_parallel_for *run, void *context);

#ifdef __cplusplus
}
#endif

#endif
