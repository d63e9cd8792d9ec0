/* See net_check.h. A shim beside the generated code gives sizes and a run function without types. */
#include "net_check.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cnn.h"
#include "frontend/frontend.h"
#include "interp/interp.h"
#include "lower/program.h"
#include "sandbox.h"
#include "../unit/weights_files.h"

#if defined(__SANITIZE_ADDRESS__)
static const char sanitize[] = "-fsanitize=address,undefined -fno-sanitize-recover=all -g";
#else
static const char sanitize[] = "";
#endif

enum { MAX_PORTS = 64, GUARD = 64, GUARD_BYTE = 0xA5 };

typedef struct Checked {
    const NetCheck *check;
    Arena *arena;
    const char *folder;
    /* the expected numbers */
    Sources *sources;
    Diag *diag;
    Graph *graph;
    double **inputs;
    InterpResult expected;
    /* the compiled net */
    void *library;
    const size_t *sizes; /* struct, arena, weights */
    cnn_status (*init)(void *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes);
    cnn_status (*run)(void *net, void *const *ports);
    void (*set_parallel)(void *net, cnn_parallel_for *run, void *context);
    unsigned char *blob;
} Checked;

/* --- the graph and its numbers */

/* "-D size=64 -D x=1" as the front end takes it. */
static FrontendOptions frontend_options(Arena *arena, const NetCheck *check)
{
    FrontendOptions options = {.net = check->net == NULL ? STR("") : str_from(check->net)};
    const char *at = check->defines == NULL ? "" : check->defines;
    Definement *defines = ARENA_ARRAY(arena, Definement, strlen(at) / 3 + 1);
    for (at = strstr(at, "-D "); at != NULL; at = strstr(at, "-D ")) {
        at += 3;
        size_t name = strcspn(at, "="), all = strcspn(at, " ");
        defines[options.n_defines++] = (Definement){{at, name}, {at + name + 1, all - name - 1}};
    }
    options.defines = defines;
    return options;
}

/* A file of the formula's weights, those of dense ops rounded as they will be stored. */
static Weights *rounded_weights(const Checked *c)
{
    Storage storage;
    cr_assert(storage_find(str_from(c->check->dense_storage), &storage));
    const char *folder = sandbox_create(c->arena, arena_printf(c->arena, "net_check-%s-rounded", c->check->name).ptr);
    const char *path = arena_printf(c->arena, "%s/rounded.safetensors", folder).ptr;
    StrBuf header = {0}, data = {0};
    for (uint32_t i = 0; i < c->graph->n_nodes; ++i) {
        const Node *node = c->graph->nodes[i];
        if (!node_is_constant(node) || node->attr.constant.expr != CONST_WEIGHT) {
            continue;
        }
        bool rounds = false;
        for (uint32_t k = 0; k < c->graph->n_nodes; ++k) {
            const Node *user = c->graph->nodes[k];
            rounds = rounds || (user->op == OP_DENSE && node_weight(user, ROLE_WEIGHT) == node);
        }
        int64_t count = type_elements(node->type);
        float *values = ARENA_ARRAY(c->arena, float, count);
        formula_fill_weight(node->attr.constant.name, node->type, 0, count, values);
        for (int64_t k = 0; rounds && k < count; ++k) {
            values[k] = storage_decode(storage, storage_encode(storage, values[k]));
        }
        strbuf_printf(&header, "%s\"" STR_FMT "\":{\"dtype\":\"F32\",\"shape\":[", header.len == 0 ? "{" : ",",
                      STR_ARG(node->attr.constant.name));
        for (int k = 0; k < node->type.rank; ++k) {
            strbuf_printf(&header, "%s%d", k == 0 ? "" : ",", (int)node->type.dim[k]);
        }
        strbuf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", data.len, data.len + (size_t)count * 4);
        strbuf_append(&data, (Str){(const char *)values, (size_t)count * 4});
    }
    strbuf_char(&header, '}');
    weights_bench_write_file(path, header.ptr, data.ptr, data.len);
    strbuf_free(&header);
    strbuf_free(&data);
    Weights *weights = weights_open_safetensors(c->arena, c->diag, str_from(path));
    cr_assert(weights != NULL, STR_FMT, STR_ARG(diag_text(c->diag)));
    return weights;
}

static void compute_expected(Checked *c)
{
    c->sources = sources_create(c->arena);
    c->diag = diag_create(c->arena, c->sources);
    FrontendOptions options = frontend_options(c->arena, c->check);
    AstFile *file = frontend_parse(c->arena, c->sources, c->diag, str_from(c->check->file), &options);
    cr_assert(file != NULL && diag_errors(c->diag) == 0, STR_FMT, STR_ARG(diag_text(c->diag)));
    c->graph = frontend_elaborate(c->arena, c->sources, c->diag, file, &options);
    cr_assert(c->graph != NULL, STR_FMT, STR_ARG(diag_text(c->diag)));
    cr_assert_leq(c->graph->n_inputs + c->graph->n_outputs, MAX_PORTS);
    Weights *weights = c->check->dense_storage == NULL ? weights_formula(c->arena) : rounded_weights(c);
    c->inputs = interp_formula_inputs(c->graph, c->arena);
    c->expected = interp_run(c->graph, weights, (const double *const *)c->inputs, false, c->arena);
    weights_close(weights);
}

static const Port *port_at(const Checked *c, uint32_t i)
{
    return i < c->graph->n_inputs ? &c->graph->inputs[i] : &c->graph->outputs[i - c->graph->n_inputs];
}

static uint32_t port_count(const Checked *c)
{
    return c->graph->n_inputs + c->graph->n_outputs;
}

/* --- the code */

static const char *element_type(DType dtype)
{
    return dtype == DT_F32 ? "float" : dtype == DT_U8 ? "uint8_t" : "int32_t";
}

/* The shim does not compile where a port has another name, type, size or place in the order than the net says. */
static void write_shim(const Checked *c)
{
    FILE *file = fopen(arena_printf(c->arena, "%s/shim.c", c->folder).ptr, "w");
    cr_assert(file != NULL);
    fprintf(file,
            "#include \"model.h\"\nextern const size_t shim_sizes[];\ncnn_status shim_run(model *, void *const *);\n");
    fprintf(file, "const size_t shim_sizes[] = {sizeof(model), MODEL_ARENA_BYTES, MODEL_WEIGHTS_BYTES};\n");
    for (uint32_t i = 0; i < port_count(c); ++i) {
        const Port *port = port_at(c, i);
        char upper[128];
        cr_assert_lt(port->name.len, sizeof upper);
        for (size_t k = 0; k <= port->name.len; ++k) {
            char letter = k < port->name.len ? port->name.ptr[k] : '\0';
            upper[k] = (char)(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
        }
        fprintf(file, "typedef char size_of_port_%u[MODEL_%s_ELEMENTS == %lld ? 1 : -1];\n", i, upper,
                (long long)type_elements(port->node->type));
    }
    fprintf(file, "cnn_status shim_run(model *net, void *const *ports)\n{\n    return model_run(net");
    for (uint32_t i = 0; i < port_count(c); ++i) {
        fprintf(file, ", (%s%s *)ports[%u]", i < c->graph->n_inputs ? "const " : "",
                element_type(port_at(c, i)->node->type.dtype), i);
    }
    fprintf(file, ");\n}\n");
    cr_assert_eq(fclose(file), 0);
}

static void build(Checked *c)
{
    const NetCheck *check = c->check;
    c->folder = sandbox_create(c->arena, arena_printf(c->arena, "net_check-%s", check->name).ptr);
    sandbox_expect(c->arena, c->folder,
                   arena_printf(c->arena,
                                "'%s/cnnc' '%s' --target=portable %s%s %s %s%s --weights=formula %s --threads-max=%d "
                                "--split-from=0 --name=model "
                                "-o '%s/model.c'",
                                sandbox_build(), check->file, check->net == NULL ? "" : "--net=",
                                check->net == NULL ? "" : check->net, check->defines == NULL ? "" : check->defines,
                                check->dense_storage == NULL ? "" : "--dense-storage=",
                                check->dense_storage == NULL ? "" : check->dense_storage,
                                check->embeds ? "--embed-weights" : "--no-embed-weights", check->parts, c->folder));
    write_shim(c);
    sandbox_expect(
        c->arena, c->folder,
        arena_printf(
            c->arena,
            "cc -std=c99 -O2 %s %s -Wall -Wextra -Werror -shared -fPIC '%s/model.c' '%s/shim.c' -o '%s/model.so' -lm",
            check->flags == NULL ? "" : check->flags, sanitize, c->folder, c->folder, c->folder));
    c->library = sandbox_load(c->arena, c->folder, "model.so");
    c->sizes = sandbox_symbol(c->library, "shim_sizes");
    *(void **)&c->init = sandbox_symbol(c->library, "model_init");
    *(void **)&c->run = sandbox_symbol(c->library, "shim_run");
    *(void **)&c->set_parallel = sandbox_symbol(c->library, "model_set_parallel");
    if (c->sizes[2] > 0) {
        c->blob = sandbox_memory(c->sizes[2], 0);
        FILE *file = fopen(arena_printf(c->arena, "%s/model.weights", c->folder).ptr, "rb");
        cr_assert(file != NULL && fread(c->blob, 1, c->sizes[2], file) == c->sizes[2] && fgetc(file) == EOF);
        fclose(file);
    }
}

/* --- one run */

typedef struct Run {
    const Checked *checked;
    void *net;
    unsigned char *memory;
    void *port[MAX_PORTS];
} Run;

static size_t port_bytes(const Port *port)
{
    return (size_t)type_elements(port->node->type) * (port->node->type.dtype == DT_U8 ? 1 : 4);
}

/* The interpreter's numbers are [C,H,W]; an hwc input's memory is [H,W,C]. */
static void fill_input(const Port *port, const double *values, void *memory)
{
    TensorType type = port->node->type;
    int64_t count = type_elements(type), planes = type_channels(type), pixels = count / planes;
    for (int64_t k = 0; k < count; ++k) {
        int64_t at = port->node->attr.input.hwc ? k % pixels * planes + k / pixels : k;
        if (type.dtype == DT_U8) {
            ((uint8_t *)memory)[at] = (uint8_t)values[k];
        } else {
            ((float *)memory)[at] = (float)values[k];
        }
    }
}

static Run run_create(const Checked *c, int arena_fill)
{
    Run run = {.checked = c, .net = sandbox_memory(c->sizes[0], 0xFF)};
    run.memory = sandbox_memory(c->sizes[1] + GUARD, GUARD_BYTE);
    memset(run.memory, arena_fill, c->sizes[1]);
    for (uint32_t i = 0; i < port_count(c); ++i) {
        run.port[i] = sandbox_memory(port_bytes(port_at(c, i)) + GUARD, GUARD_BYTE);
        if (i < c->graph->n_inputs) {
            fill_input(port_at(c, i), c->inputs[i], run.port[i]);
        } else {
            memset(run.port[i], 0xFF, port_bytes(port_at(c, i))); /* every element must be written */
        }
    }
    cnn_status status = c->init(run.net, c->blob, c->sizes[2], c->sizes[1] > 0 ? run.memory : NULL, c->sizes[1]);
    cr_assert_eq(status, CNN_OK, "init: %s", cnn_status_text(status));
    return run;
}

static void run_net(Run *run)
{
    cnn_status status = run->checked->run(run->net, run->port);
    cr_assert_eq(status, CNN_OK, "run: %s", cnn_status_text(status));
}

static void check_guard(const unsigned char *guard, const char *what)
{
    for (int i = 0; i < GUARD; ++i) {
        cr_assert_eq(guard[i], GUARD_BYTE, "written past the end of %s", what);
    }
}

static void run_release(Run *run)
{
    const Checked *c = run->checked;
    check_guard(run->memory + c->sizes[1], "the arena");
    for (uint32_t i = 0; i < port_count(c); ++i) {
        const Port *port = port_at(c, i);
        size_t bytes = port_bytes(port);
        check_guard((const unsigned char *)run->port[i] + bytes, port->name.ptr);
        if (i < c->graph->n_inputs) {
            void *again = sandbox_memory(bytes, 0);
            fill_input(port, c->inputs[i], again);
            cr_assert_eq(memcmp(again, run->port[i], bytes), 0, "the net wrote over an input");
            free(again);
        }
        free(run->port[i]);
    }
    free(run->memory);
    free(run->net);
}

/* --- comparisons */

static void check_floats(const Checked *c, const Port *port, const double *expected, const float *got)
{
    int64_t count = type_elements(port->node->type);
    double largest = 0.0, error = 0.0;
    for (int64_t k = 0; k < count; ++k) {
        cr_assert(!isnan(got[k]), "%s: " STR_FMT "[%ld] is not a number", c->check->name, STR_ARG(port->name), (long)k);
        largest = fmax(largest, fabs(expected[k]));
        error = fmax(error, fabs(expected[k] - (double)got[k]));
    }
    cr_assert(error <= 1e-5 * largest, "%s: " STR_FMT ": error %g, largest value %g", c->check->name,
              STR_ARG(port->name), error, largest);
}

static void check_outputs(const Checked *c, const Run *run)
{
    for (uint32_t i = c->graph->n_inputs; i < port_count(c); ++i) {
        const Port *port = port_at(c, i);
        const double *expected = c->expected.values[port->node->id];
        if (port->node->type.dtype == DT_F32) {
            check_floats(c, port, expected, run->port[i]);
            continue;
        }
        for (int64_t k = 0; k < type_elements(port->node->type); ++k) {
            cr_assert_eq(((const int32_t *)run->port[i])[k], (int32_t)expected[k], "%s: " STR_FMT "[%ld]",
                         c->check->name, STR_ARG(port->name), (long)k);
        }
    }
}

/* The last part first: a part that relied on an earlier one, or on how they are shared out, would show. */
static void backwards(void *context, cnn_task *task, void *data, int count)
{
    *(int *)context += 1;
    for (int index = count - 1; index >= 0; --index) {
        task(data, index);
    }
}

static void check_parts(const Checked *c, const Run *serial)
{
    Run parts = run_create(c, 0x5A);
    int calls = 0;
    c->set_parallel(parts.net, backwards, &calls);
    run_net(&parts);
    cr_assert_gt(calls, 0, "the steps were not handed out");
    for (uint32_t i = c->graph->n_inputs; i < port_count(c); ++i) {
        const Port *port = port_at(c, i);
        cr_assert_eq(memcmp(serial->port[i], parts.port[i], port_bytes(port)), 0, "%s: " STR_FMT " in %d parts",
                     c->check->name, STR_ARG(port->name), c->check->parts);
    }
    run_release(&parts);
}

void net_check(const NetCheck *check)
{
    Checked c = {.check = check, .arena = arena_create()};
    compute_expected(&c);
    build(&c);
    Run run = run_create(&c, 0xFF);
    run_net(&run);
    check_outputs(&c, &run);
    if (check->parts > 1) {
        check_parts(&c, &run);
    }
    run_release(&run);
    dlclose(c.library);
    free(c.blob);
    diag_destroy(c.diag);
    arena_destroy(c.arena);
}
