/* Times several variants of one network, step by step. Written by cnnc --tune for itself: a scratch file.
 *
 * All variants share one arena, one block of weights and the same inputs, and take turns: a run of each, then the next round.
 * So a step finds the caches as in the network, and whatever else the machine does meets all variants alike. Of each step
 * the least time counts, in processor time of this thread. Weights are numbers of moderate size; their values do not matter.
 *
 * Prints a line a variant: the nanoseconds of its steps. A dot on standard error tells that a round is over. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void tune_run(const float *weights, float *arena, void *const *ports);
extern tune_run *const tune_runs[];           /* by variant */
extern const int tune_steps[];                /* by variant */
extern const int tune_variants, tune_ports;
extern const size_t tune_port_bytes[];        /* by port: inputs, then outputs */
extern const unsigned char tune_port_bytewise[]; /* by port: 1: u8, else floats */
extern const size_t tune_arena_bytes, tune_weights_bytes;
void cnn_tune_mark(int step);

static double started, *spent; /* of the step that runs; NULL: none */
static double *step_times;

static double now(void)
{
    struct timespec time;
#ifdef CLOCK_THREAD_CPUTIME_ID
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
#else
    clock_gettime(CLOCK_MONOTONIC, &time);
#endif
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

void cnn_tune_mark(int step)
{
    const double time = now();
    if (spent != NULL) {
        *spent = time - started;
    }
    spent = step < 0 ? NULL : &step_times[step];
    started = step < 0 ? 0.0 : now();
}

/* Whole cache lines, aligned to pages, filled with numbers: memory that was never written would be one page of zeros. */
static void *memory(size_t bytes, int bytewise)
{
    enum { PAGE = 4096 };
    unsigned char *block = (unsigned char *)malloc(bytes + 2 * PAGE);
    if (block == NULL) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        return NULL;
    }
    unsigned char *const start = block + (PAGE - (uintptr_t)block % PAGE);
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < bytes / 4 + 1; ++i) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        const float value = ((float)(state >> 8) / 8388608.0f - 1.0f) / 32.0f;
        memcpy(start + 4 * i, bytewise ? (const void *)&state : (const void *)&value, 4);
    }
    return start;
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 1;
    float *const weights = (float *)memory(tune_weights_bytes, 0), *const arena = (float *)memory(tune_arena_bytes, 0);
    void **const ports = (void **)calloc((size_t)tune_ports + 1, sizeof *ports);
    double **const least = (double **)calloc((size_t)tune_variants, sizeof *least);
    int most_steps = 1;
    for (int v = 0; v < tune_variants; ++v) {
        most_steps = tune_steps[v] > most_steps ? tune_steps[v] : most_steps;
    }
    step_times = (double *)calloc((size_t)most_steps, sizeof *step_times);
    if (weights == NULL || arena == NULL || ports == NULL || least == NULL || step_times == NULL) {
        return 2;
    }
    for (int i = 0; i < tune_ports; ++i) {
        ports[i] = memory(tune_port_bytes[i], tune_port_bytewise[i]);
        if (ports[i] == NULL) {
            return 2;
        }
    }
    for (int v = 0; v < tune_variants; ++v) {
        least[v] = (double *)calloc((size_t)most_steps, sizeof **least);
        if (least[v] == NULL) {
            return 2;
        }
    }
    for (int round = 0; round < rounds; ++round) {
        for (int v = 0; v < tune_variants; ++v) {
            tune_runs[v](weights, arena, ports);
            for (int i = 0; i < tune_steps[v]; ++i) {
                if (round == 0 || step_times[i] < least[v][i]) {
                    least[v][i] = step_times[i];
                }
            }
        }
        fputc('.', stderr);
        fflush(stderr);
    }
    for (int v = 0; v < tune_variants; ++v) {
        for (int i = 0; i < tune_steps[v]; ++i) {
            printf("%.0f ", least[v][i]);
        }
        printf("\n");
    }
    return fflush(stdout) == 0 ? 0 : 2;
}
