/* Times every kernel call of one network: what profile_net.py builds and reads. It includes model.c, generated with
 * --threads-max=2 --split-from=0: `run` then hands each call to a cnn_parallel_for, and ours runs the kernel in one part with a clock
 * around it. ports.h is the same as worker.c's. VECTOR_BYTES is the width of the target's vectors.
 *
 * Usage: profile_net MODEL.weights RUNS SCALE      (inputs are made up, from -1 to 1, times SCALE)
 * Prints the machine's bounds, measured before and after (the better counts): `fma GFLOP/s`, `cache GB/s`, `memory GB/s`;
 * `cache_bytes`, `arena_bytes`; `whole ms` of a run without clocks; and of each call in order `call ms`. All are the least of RUNS. */
#define _POSIX_C_SOURCE 200809L
#include "model.c"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ports.h"

enum { CALLS_MAX = 1 << 16, LANES = VECTOR_BYTES / 4, SUMS = 12 };
typedef float lanes_t __attribute__((vector_size(VECTOR_BYTES)));

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(CNN_ALIGNMENT, (bytes + 2 * CNN_ALIGNMENT - 1) / CNN_ALIGNMENT * CNN_ALIGNMENT);
    if (memory == NULL) {
        fprintf(stderr, "profile_net: no memory\n");
        exit(1);
    }
    return memory;
}

static void check(cnn_status status, const char *what)
{
    if (status != CNN_OK) {
        fprintf(stderr, "profile_net: %s: %s\n", what, cnn_status_text(status));
        exit(1);
    }
}

/* --- the machine: the most that one thread gets out of it */

static volatile float sink;

/* GFLOP/s of independent multiply-adds that stay in registers. */
static double fma_rate(void)
{
    enum { ROUNDS = 200000 };
    lanes_t sums[SUMS], factor, term;
    for (int i = 0; i < LANES; ++i) {
        factor[i] = 0.5f + sink;
        term[i] = 1.0f + sink;
    }
    for (int k = 0; k < SUMS; ++k) {
        sums[k] = term;
    }
    double start = milliseconds();
    for (int i = 0; i < ROUNDS; ++i) {
        for (int k = 0; k < SUMS; ++k) {
            sums[k] = sums[k] * factor + term;
        }
    }
    double spent = milliseconds() - start;
    for (int k = 0; k < SUMS; ++k) {
        sink = 0.0f * sums[k][0];
    }
    return 1e-6 * 2.0 * LANES * SUMS * ROUNDS / spent;
}

/* GB/s of reading the block once. */
static double read_rate(const float *block, size_t bytes)
{
    lanes_t sums[8] = {{0}};
    double start = milliseconds();
    for (size_t i = 0; i < bytes / 4; i += 8 * LANES) {
        for (size_t k = 0; k < 8; ++k) {
            sums[k] += *(const lanes_t *)(const void *)(block + i + k * LANES);
        }
    }
    double spent = milliseconds() - start;
    for (int k = 0; k < 8; ++k) {
        sink = 0.0f * sums[k][0];
    }
    return 1e-6 * (double)bytes / spent;
}

typedef struct Machine {
    double fma, cache, memory;
} Machine;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void measure(Machine *machine)
{
    enum { TRIES = 20 };
    const size_t cached = (size_t)8 << 20, whole = (size_t)256 << 20;
    float *block = allocate(whole);
    for (size_t i = 0; i < whole / 4; ++i) {
        block[i] = 0.0f;
    }
    for (int i = 0; i < TRIES; ++i) {
        machine->fma = larger(machine->fma, fma_rate());
        machine->cache = larger(machine->cache, read_rate(block, cached));
    }
    for (int i = 0; i < TRIES / 4; ++i) {
        machine->memory = larger(machine->memory, read_rate(block, whole));
    }
    free(block);
}

/* --- the network */

typedef struct Calls {
    double least[CALLS_MAX];
    int count; /* of the run that is under way */
    bool first;
} Calls;

static void timed_call(void *context, void (*run)(void *data, int part), void *data, int parts)
{
    Calls *calls = (Calls *)context;
    const parallel_step *step = (const parallel_step *)data; /* model.c's */
    (void)run;
    (void)parts;
    double start = milliseconds();
    step->kernel(step->a, 0, 1);
    double spent = milliseconds() - start;
    if (calls->count == CALLS_MAX) {
        fprintf(stderr, "profile_net: more than %d calls\n", CALLS_MAX);
        exit(1);
    }
    double *least = &calls->least[calls->count++];
    *least = calls->first || spent < *least ? spent : *least;
}

static void fill(void *input, size_t bytes, float scale)
{
    unsigned state = 1;
    for (size_t i = 0; i < bytes / sizeof(float); ++i) {
        state = state * 1664525u + 1013904223u;
        ((float *)input)[i] = scale * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
}

int main(int argc, char **argv)
{
    int runs = argc == 4 ? atoi(argv[2]) : 0;
    if (runs < 1) {
        fprintf(stderr, "usage: profile_net MODEL.weights RUNS SCALE\n");
        return 2;
    }
    static model net;
    static Calls calls;
    Machine machine = {0, 0, 0};
    void *in[N_INPUTS], *out[N_OUTPUTS], *arena;
    cnn_weights weights = {NULL, 0, NULL};
    check(cnn_arena_create(&arena, MODEL_ARENA_BYTES), "arena");
    if (MODEL_WEIGHTS_BYTES > 0) {
        check(cnn_weights_load(&weights, argv[1]), argv[1]);
    }
    for (int i = 0; i < N_INPUTS; ++i) {
        in[i] = allocate(input_bytes[i]);
        fill(in[i], input_bytes[i], (float)atof(argv[3]));
    }
    for (int i = 0; i < N_OUTPUTS; ++i) {
        out[i] = allocate(output_bytes[i]);
    }
    measure(&machine);
    check(model_init(&net, weights.bytes, weights.size, arena, MODEL_ARENA_BYTES), "init");
    double whole = 1e30;
    for (int i = 0; i < 2 * runs; ++i) { /* by turns, so that both see the same neighbours */
        bool clocks = i % 2 != 0;
        model_set_parallel(&net, clocks ? timed_call : NULL, &calls);
        calls.first = i == 1;
        calls.count = 0;
        double start = milliseconds();
        check(RUN(&net, in, out), "run");
        double spent = milliseconds() - start;
        whole = !clocks && spent < whole ? spent : whole;
    }
    measure(&machine);
    printf("fma %.17g\ncache %.17g\nmemory %.17g\ncache_bytes %ld\narena_bytes %d\nwhole %.17g\n", machine.fma,
           machine.cache, machine.memory, sysconf(_SC_LEVEL3_CACHE_SIZE), (int)MODEL_ARENA_BYTES, whole);
    for (int i = 0; i < calls.count; ++i) {
        printf("call %.17g\n", calls.least[i]);
    }
    return 0;
}
