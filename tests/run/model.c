/* Compiles, loads and initialises a network for a test. A shim beside the generated code exports what its header says.
 */
#include "model.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/file.h"

static const char shim[] =
    "#include <stddef.h>\n"
    "#include \"model.h\"\n"
    "size_t shim_net_bytes(void);\nsize_t shim_arena_bytes(void);\nsize_t shim_weights_bytes(void);\n"
    "size_t shim_net_bytes(void) { return sizeof(model); }\n"
    "size_t shim_arena_bytes(void) { return MODEL_ARENA_BYTES; }\n"
    "size_t shim_weights_bytes(void) { return MODEL_WEIGHTS_BYTES; }\n";

static void command(Arena *arena, const char *folder, Str line)
{
    Str redirected = arena_printf(arena, "(" STR_FMT ") > '%s/log.txt' 2>&1", STR_ARG(line), folder);
    if (system(redirected.ptr) != 0) {
        Str log = STR(""), reason;
        file_read(arena, arena_printf(arena, "%s/log.txt", folder).ptr, 1 << 20, &log, &reason);
        cr_assert_fail(STR_FMT ": " STR_FMT, STR_ARG(line), STR_ARG(log));
    }
}

static size_t call_size(void *library, const char *name)
{
    size_t (*function)(void);
    *(void **)&function = dlsym(library, name);
    cr_assert(function != NULL, "%s is missing", name);
    return function();
}

static unsigned char *aligned(size_t bytes, int fill)
{
    unsigned char *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    cr_assert(memory != NULL);
    memset(memory, fill, bytes);
    return memory;
}

Model model_build(const char *name, const char *net, const char *arguments, const char *cc)
{
    Model model = {.arena = arena_create()};
    const char *build = getenv("CNNC_BUILD") == NULL ? "build" : getenv("CNNC_BUILD");
    model.folder = arena_printf(model.arena, "%s/tmp/%s", build, name).ptr;
    cr_assert_eq(system(arena_printf(model.arena, "rm -rf '%s' && mkdir -p '%s'", model.folder, model.folder).ptr), 0);
    FILE *file = fopen(arena_printf(model.arena, "%s/shim.c", model.folder).ptr, "w");
    cr_assert(file != NULL && fputs(shim, file) >= 0);
    fclose(file);
    command(model.arena, model.folder,
            arena_printf(model.arena, "'%s/cnnc' '%s' %s --name=model -o '%s/model.c'", build, net, arguments,
                         model.folder));
    command(model.arena, model.folder,
            arena_printf(model.arena, "cd '%s' && %s -shared -fPIC model.c shim.c -o model.so -lm", model.folder, cc));

    model.library =
        dlopen(arena_printf(model.arena, "%s%s/model.so", model.folder[0] == '/' ? "" : "./", model.folder).ptr,
               RTLD_NOW | RTLD_LOCAL);
    cr_assert(model.library != NULL, "%s", dlerror());
    *(void **)&model.init = dlsym(model.library, "model_init");
    model.symbol_run = dlsym(model.library, "model_run");
    *(void **)&model.run = model.symbol_run;
    *(void **)&model.set_parallel = dlsym(model.library, "model_set_parallel");
    cr_assert(model.init != NULL && model.symbol_run != NULL && model.set_parallel != NULL);
    model.net_bytes = call_size(model.library, "shim_net_bytes");
    model.arena_bytes = call_size(model.library, "shim_arena_bytes");
    model.weights_bytes = call_size(model.library, "shim_weights_bytes");
    model.net = aligned(model.net_bytes, 0xFF);
    model.memory = aligned(model.arena_bytes, 0xFF);
    if (model.weights_bytes > 0) {
        model.blob = aligned(model.weights_bytes, 0);
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
    arena_destroy(model->arena);
}

/* The number N of "MODEL_<anything>_ELEMENTS = N", the index-th of the header. */
int model_elements(Model *model, int index)
{
    Str header, reason;
    cr_assert(file_read(model->arena, arena_printf(model->arena, "%s/model.h", model->folder).ptr, 1 << 20, &header,
                        &reason));
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
