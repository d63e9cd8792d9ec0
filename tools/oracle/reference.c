/* What a network computes in double precision: the reference interpreter as a program, for oracles outside the compiler.
 *
 * Usage: reference FOLDER MODEL.net [cnnc's options: -D, --net, --weights, --with-training-outputs, ...]
 * Reads FOLDER/input0.bin, input1.bin, ... (float32, or bytes for u8 inputs; an hwc input interleaved, as the generated C
 * takes it) and writes FOLDER/output0.f64, ... in declared order. */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"
#include "interp/interp.h"
#include "support/file.h"
#include "weights/weights.h"

static int fail(const char *what, const char *where)
{
    fprintf(stderr, "reference: %s: %s\n", where, what);
    return EXIT_FAILURE;
}

/* Element `index` of an interleaved image, counted channels first. */
static int64_t place_of(const Node *input, int64_t index)
{
    if (!input->attr.input.hwc) {
        return index;
    }
    int64_t channels = input->type.dim[0], plane = type_elements(input->type) / channels;
    return index % plane * channels + index / plane;
}

static double *read_input(Arena *arena, const Node *input, const char *path)
{
    FileMap map;
    Str reason;
    int64_t count = type_elements(input->type), size = input->type.dtype == DT_U8 ? 1 : 4;
    if (!file_map(arena, path, &map, &reason)) {
        fprintf(stderr, "reference: %s: " STR_FMT "\n", path, STR_ARG(reason));
        return NULL;
    }
    if (map.size != (uint64_t)(count * size)) {
        fail("another size than the input", path);
        return NULL;
    }
    double *values = ARENA_ARRAY(arena, double, count);
    for (int64_t i = 0; i < count; ++i) {
        const unsigned char *bytes = map.bytes + place_of(input, i) * size;
        float number;
        memcpy(&number, bytes, size == 4 ? sizeof number : 1);
        values[i] = size == 4 ? (double)number : (double)*bytes;
    }
    file_unmap(&map);
    return values;
}

static bool write_output(const char *path, const double *values, int64_t count)
{
    FILE *file = fopen(path, "wb");
    bool ok = file != NULL && fwrite(values, sizeof *values, (size_t)count, file) == (size_t)count;
    return (file == NULL || fclose(file) == 0) && ok;
}

static int run(Arena *arena, const Graph *graph, const Weights *weights, const char *folder)
{
    const double **inputs = ARENA_ARRAY(arena, const double *, graph->n_inputs);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        inputs[i] = read_input(arena, graph->inputs[i].node, arena_printf(arena, "%s/input%u.bin", folder, i).ptr);
        if (inputs[i] == NULL) {
            return EXIT_FAILURE;
        }
    }
    InterpResult result = interp_run(graph, weights, inputs, false, arena);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Node *node = graph->outputs[i].node;
        const char *path = arena_printf(arena, "%s/output%u.f64", folder, i).ptr;
        const double *values =
            node_is_constant(node) ? interp_constant_values(node, weights, arena) : result.values[node->id];
        if (!write_output(path, values, type_elements(node->type))) {
            return fail("cannot write", path);
        }
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return fail("usage: reference FOLDER MODEL.net [OPTION]...", "command line");
    }
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    Options options;
    const char *folder = argv[1];
    argv[1] = argv[0];
    int status = EXIT_FAILURE;
    AstFile *file = NULL;
    if (options_parse(arena, diag, argc - 1, argv + 1, &options)) {
        file = frontend_parse(arena, sources, diag, options.model, &options.frontend);
    }
    Graph *graph = file == NULL ? NULL : frontend_elaborate(arena, sources, diag, file, &options.frontend);
    Str source = str_is_empty(options.weights) ? STR("formula") : options.weights;
    Weights *weights = graph == NULL ? NULL : weights_open(arena, diag, source);
    if (weights != NULL && weights_check(weights, graph, true, diag)) {
        status = run(arena, graph, weights, folder);
    }
    fwrite(diag_text(diag).ptr, 1, diag_text(diag).len, stderr);
    weights_close(weights);
    diag_destroy(diag);
    arena_destroy(arena);
    return status;
}
