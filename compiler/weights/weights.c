/* Weights: one face for the three sources. A file is mapped and read where it lies; formula and random make numbers
 * up. */
#include "weights/weights.h"

#include <stdlib.h>

#include "weights/fill.h"
#include "weights/source.h"

static Weights *weights_new(Arena *arena, WeightsKind kind, Str description)
{
    Weights *weights = ARENA_NEW(arena, Weights);
    weights->arena = arena;
    weights->kind = kind;
    weights->description = description;
    return weights;
}

Weights *weights_open_safetensors(Arena *arena, Diag *diag, Str path)
{
    TensorFile *file = tensor_file_open(arena, diag, path);
    if (file == NULL) {
        return NULL;
    }
    Weights *weights = weights_new(arena, WEIGHTS_FILE, file->path);
    weights->file = file;
    return weights;
}

Weights *weights_formula(Arena *arena)
{
    return weights_new(arena, WEIGHTS_FORMULA, STR("formula"));
}

Weights *weights_random(Arena *arena, uint64_t seed)
{
    Weights *weights = weights_new(arena, WEIGHTS_RANDOM, arena_printf(arena, "random:%llu", (unsigned long long)seed));
    weights->seed = seed;
    return weights;
}

Weights *weights_open(Arena *arena, Diag *diag, Str source)
{
    if (str_equal(source, STR("formula"))) {
        return weights_formula(arena);
    }
    if (str_starts_with(source, STR("random:"))) {
        return weights_random(arena, strtoull(arena_cstr(arena, source) + strlen("random:"), NULL, 10));
    }
    return weights_open_safetensors(arena, diag, source);
}

void weights_close(Weights *weights)
{
    if (weights != NULL && weights->file != NULL) {
        tensor_file_close(weights->file);
        weights->file = NULL;
    }
}

Str weights_description(const Weights *weights)
{
    return weights->description;
}

void weights_read(const Weights *weights, Str name, TensorType type, int64_t first, int64_t count, float *out)
{
    switch (weights->kind) {
    case WEIGHTS_FORMULA:
        formula_fill_weight(name, type, first, count, out);
        return;
    case WEIGHTS_RANDOM:
        random_fill_weight(weights->seed, name, type, first, count, out);
        return;
    case WEIGHTS_FILE:
        break;
    }
    const TensorEntry *tensor = map_get(weights->file->by_name, name);
    if (tensor == NULL || first < 0 || count < 0 || first > tensor->elements - count) {
        ICE("weight '" STR_FMT "' is read without weights_check", STR_ARG(name));
    }
    tensor_read(weights->file, tensor, first, count, out);
}
