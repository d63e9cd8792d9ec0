/* The generated code's side of bench.py: loads one network once, computes once, then times runs on command.
 *
 * Usage: worker MODEL.weights THREADS OUTPUT_PREFIX INPUT...     (inputs: raw files; output i goes to OUTPUT_PREFIX<i>)
 * When the first outputs are there it prints `ready` and the monotonic clock in nanoseconds. Then each line of standard input
 * `time RUNS SECONDS` makes at least RUNS runs, and more until SECONDS are over, after two that warm up; the answer is one
 * line of nanoseconds. The end of standard input ends the worker.
 *
 * ports.h, written by bench.py from the generated header: N_INPUTS, N_OUTPUTS, input_bytes, output_bytes,
 * RUN(net, in, out), and SET_PARALLEL(net, run, pool) where the network has it. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cnn.h"
#include "model.h"
#include "ports.h"

enum { RUNS_MAX = 4096, WARMING = 2 };

static long long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "worker: %s: %s\n", what, why);
    exit(1);
}

static void check(cnn_status status, const char *what)
{
    if (status != CNN_OK) {
        fail(what, cnn_status_text(status));
    }
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(CNN_ALIGNMENT, (bytes + 2 * CNN_ALIGNMENT - 1) / CNN_ALIGNMENT * CNN_ALIGNMENT);
    if (memory == NULL) {
        fail("allocation", "no memory");
    }
    return memory;
}

static void *read_input(const char *path, size_t bytes)
{
    void *memory = allocate(bytes);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(memory, 1, bytes, file) != bytes) {
        fail(path, "cannot be read, or is too short");
    }
    fclose(file);
    return memory;
}

static void write_output(const char *prefix, int index, const void *bytes, size_t count)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%d", prefix, index);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
        fail(path, "cannot be written");
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 + N_INPUTS) {
        fprintf(stderr, "usage: worker MODEL.weights THREADS OUTPUT_PREFIX INPUT...   (%d inputs)\n", N_INPUTS);
        return 2;
    }
    static model net;
    static long long times[RUNS_MAX];
    void *in[N_INPUTS], *out[N_OUTPUTS], *arena;
    check(cnn_arena_create(&arena, MODEL_ARENA_BYTES), "arena");
    cnn_weights weights = {NULL, 0, NULL};
    if (MODEL_WEIGHTS_BYTES > 0) {
        check(cnn_weights_load(&weights, argv[1]), argv[1]);
    }
    check(model_init(&net, weights.bytes, weights.size, arena, MODEL_ARENA_BYTES), "init");
#ifdef SET_PARALLEL
    cnn_threads *pool = NULL;
    int threads = atoi(argv[2]);
    if (threads > 1) {
        check(cnn_threads_create(&pool, threads), "threads");
        SET_PARALLEL(&net, cnn_threads_run, pool);
    }
#endif
    for (int i = 0; i < N_INPUTS; ++i) {
        in[i] = read_input(argv[4 + i], input_bytes[i]);
    }
    for (int i = 0; i < N_OUTPUTS; ++i) {
        out[i] = allocate(output_bytes[i]);
    }
    check(RUN(&net, in, out), "run");
    printf("ready %lld\n", nanoseconds());
    for (int i = 0; i < N_OUTPUTS; ++i) {
        write_output(argv[3], i, out[i], output_bytes[i]);
    }
    puts("written");
    fflush(stdout);
    char line[128];
    int runs;
    double seconds;
    while (fgets(line, sizeof line, stdin) != NULL && sscanf(line, "time %d %lf", &runs, &seconds) == 2) {
        for (int i = 0; i < WARMING; ++i) {
            check(RUN(&net, in, out), "run");
        }
        int done = 0;
        long long begin = nanoseconds();
        while (done < RUNS_MAX && (done < runs || (double)(nanoseconds() - begin) < 1e9 * seconds)) {
            long long start = nanoseconds();
            cnn_status status = RUN(&net, in, out);
            times[done++] = nanoseconds() - start;
            check(status, "run");
        }
        for (int i = 0; i < done; ++i) {
            printf("%lld%c", times[i], i + 1 < done ? ' ' : '\n');
        }
        fflush(stdout);
    }
#ifdef SET_PARALLEL
    cnn_threads_destroy(pool);
#endif
    cnn_weights_unmap(&weights);
    return 0;
}
