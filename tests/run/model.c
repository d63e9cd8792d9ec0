/* Compiles, loads and initialises a network for a test. A shim beside the generated code exports what its header says.
 */
#include "model.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox.h"

static const char shim[] =
    "#include <stddef.h>\n"
    "#include \"model.h\"\n"
    "size_t shim_net_bytes(void);\nsize_t shim_arena_bytes(void);\nsize_t shim_weights_bytes(void);\n"
    "size_t shim_net_bytes(void) { return sizeof(model); }\n"
    "size_t shim_arena_bytes(void) { return MODEL_ARENA_BYTES; }\n"
    "size_t shim_weights_bytes(void) { return MODEL_WEIGHTS_BYTES; }\n";

static size_t call_size(void *library, const char *name)
{
    size_t (*function)(void);
    *(void **)&function = sandbox_symbol(library, name);
    return function();
}

Model model_build(const char *name, const char *net, const char *arguments, const char *cc)
{
    Model model = {.arena = arena_create()};
    Arena *arena = model.arena;
    model.folder = sandbox_create(arena, name);
    sandbox_write(arena, model.folder, "shim.c", str_from(shim));
    sandbox_expect(arena, model.folder,
                   arena_printf(arena, "'%s/cnnc' --target=portable '%s' %s --name=model -o '%s/model.c'",
                                sandbox_build(), net, arguments, model.folder));
    sandbox_expect(arena, model.folder,
                   arena_printf(arena, "cd '%s' && %s -shared -fPIC model.c shim.c -o model.so -lm", model.folder, cc));

    model.library = sandbox_load(arena, model.folder, "model.so");
    *(void **)&model.init = sandbox_symbol(model.library, "model_init");
    model.symbol_run = sandbox_symbol(model.library, "model_run");
    *(void **)&model.run = model.symbol_run;
    *(void **)&model.set_parallel = sandbox_symbol(model.library, "model_set_parallel");
    model.net_bytes = call_size(model.library, "shim_net_bytes");
    model.arena_bytes = call_size(model.library, "shim_arena_bytes");
    model.weights_bytes = call_size(model.library, "shim_weights_bytes");
    model.net = sandbox_memory(model.net_bytes, 0xFF);
    model.memory = sandbox_memory(model.arena_bytes, 0xFF);
    if (model.weights_bytes > 0) {
        model.blob = sandbox_memory(model.weights_bytes, 0);
        FILE *blob = fopen(arena_printf(model.arena, "%s/model.weights", model.folder).ptr, "rb");
        cr_assert(blob != NULL && fread(model.blob, 1, model.weights_bytes, blob) == model.weights_bytes &&
                  fgetc(blob) == EOF);
        fclose(blob);
    }
    cnn_status status = model.init(model.net, model.blob, model.weights_bytes, model.memory, model.arena_bytes);
    cr_assert_eq(status, CNN_OK, "init: %s", cnn_status_text(status));
    return model;
}

void model_release(Model *model)
{
    dlclose(model->library);
    free(model->net);
    free(model->memory);
    free(model->blob);
    /* Weights of the whole zoo would fill a disk. */
    remove(arena_printf(model->arena, "%s/model.weights", model->folder).ptr);
    arena_destroy(model->arena);
}

/* The number N of "MODEL_<anything>_ELEMENTS = N", the index-th of the header. */
int model_elements(Model *model, int index)
{
    Str header = sandbox_read(model->arena, model->folder, "model.h");
    const char *at = header.ptr;
    for (int i = 0; i <= index; ++i) {
        at = strstr(i == 0 ? at : at + 1, "_ELEMENTS = ");
        cr_assert(at != NULL, "%s/model.h has no element count %d", model->folder, index);
    }
    char *end;
    double product = strtod(at + strlen("_ELEMENTS = "), &end);
    while (strncmp(end, " * ", 3) == 0) { /* written as 3 * 224 * 224 */
        product *= strtod(end + 3, &end);
    }
    return (int)product;
}

cnn_status model_call(Model *model, int n_inputs, int n_outputs, float **in, float **out)
{
    typedef cnn_status run_1_1(void *, const float *, float *);
    typedef cnn_status run_1_2(void *, const float *, float *, float *);
    typedef cnn_status run_1_3(void *, const float *, float *, float *, float *);
    typedef cnn_status run_1_4(void *, const float *, float *, float *, float *, float *);
    typedef cnn_status run_2_4(void *, const float *, const float *, float *, float *, float *, float *);
    union {
        void *symbol;
        run_1_1 *r11;
        run_1_2 *r12;
        run_1_3 *r13;
        run_1_4 *r14;
        run_2_4 *r24;
    } run = {.symbol = model->symbol_run};
    switch (10 * n_inputs + n_outputs) {
    case 11:
        return run.r11(model->net, in[0], out[0]);
    case 12:
        return run.r12(model->net, in[0], out[0], out[1]);
    case 13:
        return run.r13(model->net, in[0], out[0], out[1], out[2]);
    case 14:
        return run.r14(model->net, in[0], out[0], out[1], out[2], out[3]);
    case 24:
        return run.r24(model->net, in[0], in[1], out[0], out[1], out[2], out[3]);
    }
    cr_assert_fail("%d inputs and %d outputs", n_inputs, n_outputs);
    return CNN_ERROR_NULL_ARGUMENT;
}
