/* Weights files made by tests. */
#include "weights_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

WeightsBench weights_bench_create(const char *suite_and_test)
{
    WeightsBench bench = {.arena = arena_create()};
    Sources *sources = sources_create(bench.arena);
    bench.diag = diag_create(bench.arena, sources);
    bench.graph = graph_create(bench.arena, STR("tiny"), sources);
    const char *build = getenv("CNNC_BUILD");
    snprintf(bench.folder, sizeof bench.folder, "%s/tmp/%s", build == NULL ? "build" : build, suite_and_test);
    for (char *c = bench.folder + 1;; ++c) { /* mkdir -p */
        if (*c == '/' || *c == '\0') {
            char old = *c;
            *c = '\0';
            mkdir(bench.folder, 0777);
            *c = old;
            if (old == '\0') {
                break;
            }
        }
    }
    return bench;
}

void weights_bench_destroy(WeightsBench *bench)
{
    diag_destroy(bench->diag);
    arena_destroy(bench->arena);
}

const char *weights_bench_path(WeightsBench *bench, const char *name)
{
    return arena_printf(bench->arena, "%s/%s", bench->folder, name).ptr;
}

const char *weights_bench_text(const WeightsBench *bench)
{
    return arena_cstr(bench->arena, diag_text(bench->diag));
}

void weights_bench_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL, "cannot write %s", path);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

void weights_bench_write_file(const char *path, const char *json, const void *data, size_t size)
{
    size_t length = strlen(json);
    unsigned char *bytes = calloc(1, 8 + length + size);
    for (int i = 0; i < 8; ++i) {
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
    memcpy(bytes + 8, json, length);
    if (data != NULL && size > 0) {
        memcpy(bytes + 8 + length, data, size);
    }
    weights_bench_write(path, bytes, 8 + length + size);
    free(bytes);
}

Node *weights_bench_weight(WeightsBench *bench, const char *name, WeightRole role, const int32_t *dims)
{
    int rank = 0;
    while (dims[rank] != 0) {
        ++rank;
    }
    return graph_add_weight(bench->graph, str_from(name), type_make(DT_F32, rank, dims), role,
                            (NodeSource){.path = str_from(name)});
}
