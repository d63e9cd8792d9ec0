/* Times one network, called `model`, of TIME_NET_OUTPUTS outputs (time_net.sh compiles it). Runs back to back on one thread
 * and prints the smallest and the middle time, and the smallest processor time, which other work disturbs less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cnn.h"
#include "model.h"

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MAX_RUNS = 1000 };

int main(int argc, char **argv)
{
    int runs = argc > 2 ? atoi(argv[2]) : 20;
    if (argc < 2 || runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: time_net model.weights [runs, up to %d]\n", MAX_RUNS);
        return 2;
    }
    size_t weights_bytes = (MODEL_WEIGHTS_BYTES + (size_t)63) / 64 * 64;
    void *weights = aligned_alloc(64, weights_bytes + 64),
         *arena = aligned_alloc(64, (MODEL_ARENA_BYTES + (size_t)63) / 64 * 64 + 64);
    float *input = malloc(MODEL_IMAGE_ELEMENTS * sizeof *input), *output = malloc(TIME_NET_OUTPUTS * sizeof *output);
    FILE *file = fopen(argv[1], "rb");
    if (weights == NULL || arena == NULL || input == NULL || output == NULL || file == NULL ||
        fread(weights, 1, MODEL_WEIGHTS_BYTES, file) != MODEL_WEIGHTS_BYTES) {
        fprintf(stderr, "time_net: cannot read %s, or no memory\n", argv[1]);
        return 1;
    }
    fclose(file);
    unsigned state = 1;
    for (size_t i = 0; i < MODEL_IMAGE_ELEMENTS; ++i) {
        state = state * 1664525u + 1013904223u;
        input[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    model net;
    cnn_status status = model_init(&net, weights, MODEL_WEIGHTS_BYTES, arena, MODEL_ARENA_BYTES);
    static double times[MAX_RUNS];
    double least = 1e9;
    for (int i = 0; i < runs && status == CNN_OK; ++i) {
        double start = seconds();
        clock_t ticks = clock();
        status = model_run(&net, input, output);
        ticks = clock() - ticks;
        times[i] = seconds() - start;
        least = (double)ticks / CLOCKS_PER_SEC < least ? (double)ticks / CLOCKS_PER_SEC : least;
    }
    if (status != CNN_OK) {
        fprintf(stderr, "time_net: status %d\n", (int)status);
        return 1;
    }
    qsort(times, (size_t)runs, sizeof *times, compare);
    printf("min %.2f ms  median %.2f ms  processor min %.2f ms  (%d runs)\n", 1e3 * times[0], 1e3 * times[runs / 2],
           1e3 * least, runs);
    free(weights);
    free(arena);
    free(input);
    free(output);
    return 0;
}
