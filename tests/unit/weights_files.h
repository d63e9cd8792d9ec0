/* Weights files made by tests: good ones and faulty ones. */
#ifndef CNNC_TESTS_WEIGHTS_FILES_H
#define CNNC_TESTS_WEIGHTS_FILES_H

#include <stdint.h>

#include "ir/graph.h"
#include "weights/weights.h"

/* What a test needs; made by weights_bench_create, given back by weights_bench_destroy. */
typedef struct WeightsBench {
    Arena *arena;
    Diag *diag;
    Graph *graph;     /* empty, named "tiny" */
    char folder[256]; /* $CNNC_BUILD/tmp/SUITE-TEST, made anew */
} WeightsBench;

WeightsBench weights_bench_create(const char *suite_and_test);
void weights_bench_destroy(WeightsBench *bench);
const char *weights_bench_path(WeightsBench *bench, const char *name); /* in the folder */
const char *weights_bench_text(const WeightsBench *bench);             /* what diag has collected, NUL-terminated */

/* Writes bytes as they are. */
void weights_bench_write(const char *path, const void *bytes, size_t size);
/* Writes a safetensors file: length of `json`, `json`, then `size` bytes of data (zeros where data is NULL). */
void weights_bench_write_file(const char *path, const char *json, const void *data, size_t size);
/* A weight of the graph; dims end with 0. */
Node *weights_bench_weight(WeightsBench *bench, const char *name, WeightRole role, const int32_t *dims);

#endif
