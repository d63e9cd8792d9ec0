/* Generated code as a program meets it: compiled by cc, loaded, run; its numbers against the interpreter's, its bits
 * against its own under batches, threads and other instances. The nets are in nets/; together they hold every op that
 * the backend supports. */
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

/* --- a net, compiled and loaded */

typedef struct Built {
    Arena *arena;
    const char *folder; /* $CNNC_BUILD/tmp/generated-TEST */
    void *library;
    cnn_status (*init)(void *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes);
    cnn_status (*run)(void *net, const float *const *inputs, float *const *outputs);
    void (*set_parallel)(void *net, cnn_parallel_for *run, void *context);
    cnn_status (*threads_create)(cnn_threads **pool, int threads);
    cnn_parallel_for *threads_run;
    void (*threads_destroy)(cnn_threads *pool);
    const size_t *sizes; /* struct, arena, weights, then elements of inputs and outputs */
    size_t n_inputs, n_outputs;
    unsigned char *blob;
} Built;

/* Names of a net's ports in the generated code, read off the header: what follows "float " in the comment. Gives the
 * enumerators of their sizes, which is what the shim needs. */
static size_t port_sizes(Arena *arena, const char *header, const char *title, const char *end, StrBuf *names)
{
    const char *at = strstr(header, title);
    const char *stop = strstr(header, end);
    cr_assert(at != NULL && stop != NULL && at < stop);
    size_t count = 0;
    while ((at = strstr(at, "    float ")) != NULL && at < stop) {
        at += strlen("    float ");
        Str name = {at, strcspn(at, "[")};
        Str upper = arena_copy(arena, name);
        for (size_t i = 0; i < upper.len; ++i) {
            char *c = (char *)upper.ptr + i;
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        }
        strbuf_printf(names, "    MODEL_" STR_FMT "%sELEMENTS,\n", STR_ARG(upper),
                      upper.ptr[upper.len - 1] == '_' ? "" : "_");
        count++;
    }
    return count;
}

/* A file beside the generated one, which gives the test what a program has from the header, whatever the ports are. */
static void write_shim(Built *built)
{
    Str header = sandbox_read(built->arena, built->folder, "model.h");
    StrBuf shim = {0}, sizes = {0};
    built->n_inputs = port_sizes(built->arena, header.ptr, "Inputs\n", "Outputs\n", &sizes);
    built->n_outputs = port_sizes(built->arena, header.ptr, "Outputs\n", "Use\n", &sizes);
    strbuf_printf(&shim, "#include \"model.h\"\n");
    strbuf_printf(&shim,
                  "extern const size_t shim_sizes[];\nconst size_t shim_sizes[] = {\n    sizeof(model), "
                  "MODEL_ARENA_BYTES, MODEL_WEIGHTS_BYTES,\n" STR_FMT "};\n",
                  STR_ARG(strbuf_view(&sizes)));
    strbuf_printf(&shim, "cnn_status shim_run(model *net, const float *const *inputs, float *const *outputs);\n");
    strbuf_printf(&shim, "cnn_status shim_run(model *net, const float *const *inputs, float *const *outputs)\n{\n    "
                         "return model_run(net");
    for (size_t i = 0; i < built->n_inputs; ++i) {
        strbuf_printf(&shim, ", inputs[%zu]", i);
    }
    for (size_t i = 0; i < built->n_outputs; ++i) {
        strbuf_printf(&shim, ", outputs[%zu]", i);
    }
    strbuf_printf(&shim, ");\n}\n");
    sandbox_write(built->arena, built->folder, "shim.c", strbuf_view(&shim));
    strbuf_free(&shim);
    strbuf_free(&sizes);
}

/* For a target; the arguments may not name another. */
static Built build_net_for(const Target *target, const char *test, const char *net, const char *arguments)
{
    Built built = {.arena = arena_create()};
    Arena *arena = built.arena;
    built.folder = sandbox_create(arena, arena_printf(arena, "generated-%s", test).ptr);
    sandbox_expect(
        arena, built.folder,
        arena_printf(arena,
                     "'%s/cnnc' --target=%s '%s' --weights=formula --split-from=0 %s --name=model -o '%s/model.c'",
                     sandbox_build(), target->name, net, arguments, built.folder));
    write_shim(&built);
    sandbox_expect(arena, built.folder,
                   arena_printf(arena,
                                "cc -std=c11 -O2 %s -Iruntime -shared -fPIC '%s/model.c' '%s/shim.c' "
                                "runtime/cnn_threads.c -o '%s/model.so' -lm -pthread",
                                target->flags == NULL ? "" : target->flags, built.folder, built.folder, built.folder));
    built.library = sandbox_load(arena, built.folder, "model.so");
    built.sizes = sandbox_symbol(built.library, "shim_sizes");
    *(void **)&built.init = sandbox_symbol(built.library, "model_init");
    *(void **)&built.run = sandbox_symbol(built.library, "shim_run");
    *(void **)&built.set_parallel = sandbox_symbol(built.library, "model_set_parallel");
    *(void **)&built.threads_create = sandbox_symbol(built.library, "cnn_threads_create");
    *(void **)&built.threads_run = sandbox_symbol(built.library, "cnn_threads_run");
    *(void **)&built.threads_destroy = sandbox_symbol(built.library, "cnn_threads_destroy");
    if (built.sizes[2] > 0) {
        built.blob = sandbox_memory(built.sizes[2], 0);
        FILE *file = fopen(arena_printf(arena, "%s/model.weights", built.folder).ptr, "rb");
        cr_assert(file != NULL && fread(built.blob, 1, built.sizes[2], file) == built.sizes[2] && fgetc(file) == EOF);
        fclose(file);
    }
    return built;
}

static const Target *portable(void)
{
    return target_find(STR("portable"));
}

static Built build_net(const char *test, const char *net, const char *arguments)
{
    return build_net_for(portable(), test, net, arguments);
}

static void built_release(Built *built)
{
    dlclose(built->library);
    free(built->blob);
    arena_destroy(built->arena);
}

/* --- one instance: struct, arena, inputs and outputs, each followed by a guard */

enum { GUARD = 64, GUARD_BYTE = 0xA5 };

typedef struct Instance {
    const Built *built;
    void *net;
    unsigned char *memory;
    float *port[64]; /* inputs, then outputs */
} Instance;

static size_t port_bytes(const Built *built, size_t port)
{
    return built->sizes[3 + port] * sizeof(float);
}

static Instance instance_create(const Built *built, int arena_fill)
{
    Instance instance = {.built = built};
    instance.net = sandbox_memory(built->sizes[0], 0xFF);
    instance.memory = sandbox_memory(built->sizes[1] + GUARD, GUARD_BYTE);
    memset(instance.memory, arena_fill, built->sizes[1]);
    cr_assert_leq(built->n_inputs + built->n_outputs, sizeof instance.port / sizeof instance.port[0]);
    for (size_t i = 0; i < built->n_inputs + built->n_outputs; ++i) {
        instance.port[i] = sandbox_memory(port_bytes(built, i) + GUARD, GUARD_BYTE);
    }
    cnn_status status = built->init(instance.net, built->blob, built->sizes[2],
                                    built->sizes[1] > 0 ? instance.memory : NULL, built->sizes[1]);
    cr_assert_eq(status, CNN_OK, "init: %s", cnn_status_text(status));
    return instance;
}

static void instance_run(Instance *instance)
{
    const Built *built = instance->built;
    for (size_t i = built->n_inputs; i < built->n_inputs + built->n_outputs; ++i) {
        memset(instance->port[i], 0xFF, port_bytes(built, i)); /* NaN: every element must be written */
    }
    cnn_status status =
        built->run(instance->net, (const float *const *)instance->port, instance->port + built->n_inputs);
    cr_assert_eq(status, CNN_OK, "run: %s", cnn_status_text(status));
}

static void check_guard(const unsigned char *guard, const char *what)
{
    for (int i = 0; i < GUARD; ++i) {
        cr_assert_eq(guard[i], GUARD_BYTE, "written past the end of %s", what);
    }
}

static void instance_release(Instance *instance)
{
    const Built *built = instance->built;
    check_guard(instance->memory + built->sizes[1], "the arena");
    for (size_t i = 0; i < built->n_inputs + built->n_outputs; ++i) {
        check_guard((const unsigned char *)instance->port[i] + port_bytes(built, i), "an input or output");
        free(instance->port[i]);
    }
    free(instance->memory);
    free(instance->net);
}

/* Fills the inputs with numbers in -1 .. 1 that depend on the seed. */
static void fill_inputs(Instance *instance, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1u;
    for (size_t i = 0; i < instance->built->n_inputs; ++i) {
        for (size_t k = 0; k < instance->built->sizes[3 + i]; ++k) {
            state = state * 1664525u + 1013904223u;
            instance->port[i][k] = (float)(state >> 8) / 8388608.0f - 1.0f;
        }
    }
}

static void expect_same_bits(const Instance *a, const Instance *b, const char *what)
{
    for (size_t i = a->built->n_inputs; i < a->built->n_inputs + a->built->n_outputs; ++i) {
        cr_assert_eq(memcmp(a->port[i], b->port[i], port_bytes(a->built, i)), 0, "output %zu: %s",
                     i - a->built->n_inputs, what);
    }
}

/* --- against the interpreter, on the graph as elaborated: no pass has touched it */

typedef struct Reference {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    Graph *graph;
    double **inputs;
    InterpResult result;
} Reference;

static Reference reference_create(const char *net)
{
    Reference reference = {.arena = arena_create()};
    reference.sources = sources_create(reference.arena);
    reference.diag = diag_create(reference.arena, reference.sources);
    FrontendOptions options = {0};
    AstFile *file = frontend_parse(reference.arena, reference.sources, reference.diag, str_from(net), &options);
    cr_assert(file != NULL && diag_errors(reference.diag) == 0, STR_FMT, STR_ARG(diag_text(reference.diag)));
    reference.graph = frontend_elaborate(reference.arena, reference.sources, reference.diag, file, &options);
    cr_assert(reference.graph != NULL, STR_FMT, STR_ARG(diag_text(reference.diag)));
    Weights *weights = weights_formula(reference.arena);
    reference.inputs = interp_formula_inputs(reference.graph, reference.arena);
    reference.result =
        interp_run(reference.graph, weights, (const double *const *)reference.inputs, false, reference.arena);
    weights_close(weights);
    return reference;
}

static void reference_release(Reference *reference)
{
    diag_destroy(reference->diag);
    arena_destroy(reference->arena);
}

/* The interpreter's numbers are [C,H,W]; an hwc input's memory is [H,W,C]. */
static void copy_input(const Port *port, const double *values, float *memory)
{
    TensorType type = port->node->type;
    int64_t count = type_elements(type), planes = type_channels(type), pixels = count / planes;
    for (int64_t k = 0; k < count; ++k) {
        int64_t at = port->node->attr.input.hwc ? k % pixels * planes + k / pixels : k;
        memory[at] = (float)values[k];
    }
}

static void check_output(const Port *port, const double *expected, const float *got, double tolerance)
{
    int64_t count = type_elements(port->node->type);
    double largest = 0.0, error = 0.0;
    for (int64_t k = 0; k < count; ++k) {
        cr_assert(!isnan(got[k]), STR_FMT "[%ld] is not a number", STR_ARG(port->name), (long)k);
        largest = fmax(largest, fabs(expected[k]));
        error = fmax(error, fabs(expected[k] - (double)got[k]));
    }
    cr_assert(error <= tolerance * largest, STR_FMT ": error %g, largest value %g", STR_ARG(port->name), error,
              largest);
}

/* `tolerance`: of an output's largest value. */
static void check_numbers_within(double tolerance, const Target *target, const char *test, const char *net,
                                 const char *arguments)
{
    Reference reference = reference_create(net);
    const Graph *graph = reference.graph;
    Built built = build_net_for(target, test, net, arguments);
    cr_assert_eq(built.n_inputs, graph->n_inputs);
    cr_assert_eq(built.n_outputs, graph->n_outputs);
    Instance instance = instance_create(&built, 0xFF);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        cr_assert_eq(built.sizes[3 + i], (size_t)type_elements(graph->inputs[i].node->type));
        copy_input(&graph->inputs[i], reference.inputs[i], instance.port[i]);
    }
    instance_run(&instance);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        cr_assert_eq(built.sizes[3 + graph->n_inputs + i], (size_t)type_elements(graph->outputs[i].node->type));
        check_output(&graph->outputs[i], reference.result.values[graph->outputs[i].node->id],
                     instance.port[graph->n_inputs + i], tolerance);
    }
    for (uint32_t i = 0; i < graph->n_inputs; ++i) { /* inputs are only read */
        float *again = sandbox_memory(port_bytes(&built, i), 0);
        copy_input(&graph->inputs[i], reference.inputs[i], again);
        cr_assert_eq(memcmp(again, instance.port[i], port_bytes(&built, i)), 0);
        free(again);
    }
    instance_release(&instance);
    built_release(&built);
    reference_release(&reference);
}

static void check_numbers_for(const Target *target, const char *test, const char *net, const char *arguments)
{
    check_numbers_within(1e-5, target, test, net, arguments);
}

static void check_numbers(const char *test, const char *net, const char *arguments)
{
    check_numbers_for(portable(), test, net, arguments);
}

Test(generated, conv_against_the_interpreter)
{
    check_numbers("conv", "tests/run/nets/conv.net", "");
}

Test(generated, pool_against_the_interpreter)
{
    check_numbers("pool", "tests/run/nets/pool.net", "--no-embed-weights");
}

Test(generated, elementwise_against_the_interpreter)
{
    check_numbers("elementwise", "tests/run/nets/elementwise.net", "");
}

Test(generated, shape_against_the_interpreter)
{
    check_numbers("shape", "tests/run/nets/shape.net", "--no-embed-weights");
}

Test(generated, blocks_against_the_interpreter)
{
    check_numbers("blocks", "tests/run/nets/blocks.net", "--no-embed-weights --threads-max=3");
}

Test(generated, borders_against_the_interpreter)
{
    check_numbers("borders", "tests/run/nets/vector_borders.net", "--no-embed-weights --threads-max=3");
}

Test(generated, hwc_input_against_the_interpreter)
{
    check_numbers("camera", "tests/run/nets/camera.net", "");
}

Test(generated, names_that_clash_against_the_interpreter)
{
    check_numbers("names", "tests/run/nets/names.net", "");
}

Test(generated, net_without_weights_and_arena_against_the_interpreter)
{
    check_numbers("bare", "tests/run/nets/bare.net", "--no-embed-weights --batch=1 --threads-max=2");
}

Test(generated, blocks_without_passes_against_the_interpreter)
{
    check_numbers("blocks-plain", "tests/run/nets/blocks.net",
                  "--embed-weights --no-fold-batch-norm --no-fold-normalize --no-fuse-activation --no-fuse-add "
                  "--no-elide-flatten");
}

/* --- bits */

/* Serial, then pools of 1 to 8 threads, over an arena of other garbage each time: the same bits. */
static void check_threads_for(const Target *target, const char *test, const char *net)
{
    Built built = build_net_for(target, test, net, "--no-embed-weights --threads-max=5");
    Instance serial = instance_create(&built, 0);
    fill_inputs(&serial, 1);
    instance_run(&serial);
    for (int threads = 1; threads <= 8; ++threads) {
        cnn_threads *pool;
        cr_assert_eq(built.threads_create(&pool, threads), CNN_OK);
        Instance parallel = instance_create(&built, 0x11 * threads);
        built.set_parallel(parallel.net, built.threads_run, pool);
        fill_inputs(&parallel, 1);
        for (int run = 0; run < 10; ++run) {
            instance_run(&parallel);
            expect_same_bits(&serial, &parallel, "threads change the result");
        }
        built.set_parallel(parallel.net, NULL, NULL);
        instance_run(&parallel);
        expect_same_bits(&serial, &parallel, "a run on one thread after runs on several");
        instance_release(&parallel);
        built.threads_destroy(pool);
    }
    instance_release(&serial);
    built_release(&built);
}

static void check_threads(const char *test, const char *net)
{
    check_threads_for(portable(), test, net);
}

Test(generated, same_bits_for_any_number_of_threads_conv)
{
    check_threads("threads-conv", "tests/run/nets/conv.net");
}

Test(generated, same_bits_for_any_number_of_threads_pool)
{
    check_threads("threads-pool", "tests/run/nets/pool.net");
}

Test(generated, same_bits_for_any_number_of_threads_elementwise)
{
    check_threads("threads-elementwise", "tests/run/nets/elementwise.net");
}

Test(generated, same_bits_for_any_number_of_threads_shape)
{
    check_threads("threads-shape", "tests/run/nets/shape.net");
}

Test(generated, same_bits_for_any_number_of_threads_blocks)
{
    check_threads("threads-blocks", "tests/run/nets/blocks.net");
}

/* The vector targets that run here, one after the other; NULL: no more. The sanitizers' build, which looks at cnnc and not
 * at what is compiled from its text, takes the first alone. */
static const Target *vector_target_after(const Target *last)
{
    const Target *target = last == NULL ? targets : last + 1;
    while (target->name != NULL && !(target->vector_floats > 1 && target_runs_here(target))) {
        ++target;
    }
    return target->name == NULL || (IS_SANITIZED && last != NULL) ? NULL : target;
}

/* Dense layers that skip zeros, on every vector target that runs here. */
Test(generated, dense_layers_that_skip_zeros)
{
    static const char net[] = "tests/run/nets/vector_dense_nonzero.net";
    for (const Target *target = vector_target_after(NULL); target != NULL; target = vector_target_after(target)) {
        check_numbers_for(target, "nonzero", net, "--threads-max=3");
        check_threads_for(target, "threads-nonzero", net);
    }
}

/* Norms in the convolutions that read them, on every vector target that runs here: numbers, and bits for any number of
 * threads. */
Test(generated, norms_before_convolutions)
{
    static const char net[] = "tests/run/nets/vector_prologue.net";
    for (const Target *target = vector_target_after(NULL); target != NULL; target = vector_target_after(target)) {
        check_numbers_for(target, "prologue", net, "--threads-max=3");
        check_numbers_for(target, "prologue-plain", net, "--no-fold-batch-norm --no-fuse-activation --no-fuse-add");
        check_threads_for(target, "threads-prologue", net);
    }
}

/* Winograd's convolutions with groups and pools. A layer of nine points along both axes has errors of up to 5e-5. */
Test(generated, convolutions_by_winograd)
{
    static const char net[] = "tests/run/nets/vector_winograd.net";
    for (const Target *target = vector_target_after(NULL); target != NULL; target = vector_target_after(target)) {
        check_numbers_within(5e-5, target, "winograd", net, "--threads-max=3");
        check_numbers_for(target, "no-winograd", net, "--no-winograd");
        check_threads_for(target, "threads-winograd", net);
    }
}

/* Activations in the depthwise convolutions that read them, likewise. */
Test(generated, activations_before_depthwise_convolutions)
{
    static const char net[] = "tests/run/nets/vector_before_depthwise.net";
    for (const Target *target = vector_target_after(NULL); target != NULL; target = vector_target_after(target)) {
        check_numbers_for(target, "before-depthwise", net, "--threads-max=3");
        check_threads_for(target, "threads-before-depthwise", net);
    }
}

/* Parts in falling order, one at a time: a part that relied on an earlier one would show. */
static void backwards(void *context, cnn_task *task, void *data, int count)
{
    *(int *)context += 1;
    for (int index = count - 1; index >= 0; --index) {
        task(data, index);
    }
}

Test(generated, same_bits_in_any_order_of_parts)
{
    Built built = build_net("order", "tests/run/nets/blocks.net", "--threads-max=7");
    Instance forward = instance_create(&built, 0), backward = instance_create(&built, 0xFF);
    int calls = 0;
    built.set_parallel(backward.net, backwards, &calls);
    fill_inputs(&forward, 3);
    fill_inputs(&backward, 3);
    instance_run(&forward);
    instance_run(&backward);
    expect_same_bits(&forward, &backward, "the order of parts changes the result");
    cr_assert_gt(calls, 20, "the steps were not handed out");
    built.set_parallel(NULL, backwards, &calls); /* refused without harm */
    instance_release(&forward);
    instance_release(&backward);
    built_release(&built);
}

Test(generated, code_for_one_thread_accepts_set_parallel)
{
    Built built = build_net("one-thread", "tests/run/nets/camera.net", "");
    Instance plain = instance_create(&built, 0), offered = instance_create(&built, 0);
    int calls = 0;
    built.set_parallel(offered.net, backwards, &calls);
    fill_inputs(&plain, 5);
    fill_inputs(&offered, 5);
    instance_run(&plain);
    instance_run(&offered);
    expect_same_bits(&plain, &offered, "set_parallel changes the result");
    cr_assert_eq(calls, 0);
    instance_release(&plain);
    instance_release(&offered);
    built_release(&built);
}

static void check_batch(const char *test, const char *net)
{
    enum { BATCH = 3 };
    Arena *arena = arena_create();
    Built one = build_net(arena_printf(arena, "%s-1", test).ptr, net, "");
    Built many = build_net(arena_printf(arena, "%s-3", test).ptr, net, "--batch=3");
    Instance single = instance_create(&one, 0), batch = instance_create(&many, 0);
    for (int image = 0; image < BATCH; ++image) {
        fill_inputs(&single, (uint32_t)image);
        for (size_t i = 0; i < one.n_inputs; ++i) {
            cr_assert_eq(many.sizes[3 + i], BATCH * one.sizes[3 + i]);
            memcpy(batch.port[i] + (size_t)image * one.sizes[3 + i], single.port[i], port_bytes(&one, i));
        }
    }
    instance_run(&batch);
    for (int image = 0; image < BATCH; ++image) {
        fill_inputs(&single, (uint32_t)image);
        instance_run(&single);
        for (size_t i = one.n_inputs; i < one.n_inputs + one.n_outputs; ++i) {
            cr_assert_eq(many.sizes[3 + i], BATCH * one.sizes[3 + i]);
            cr_assert_eq(memcmp(batch.port[i] + (size_t)image * one.sizes[3 + i], single.port[i], port_bytes(&one, i)),
                         0, "image %d of a batch, output %zu", image, i - one.n_inputs);
        }
    }
    instance_release(&single);
    instance_release(&batch);
    built_release(&one);
    built_release(&many);
    arena_destroy(arena);
}

Test(generated, batch_of_blocks_is_as_one_by_one)
{
    check_batch("batch-blocks", "tests/run/nets/blocks.net");
}

Test(generated, batch_of_several_inputs_is_as_one_by_one)
{
    check_batch("batch-shape", "tests/run/nets/shape.net");
}

Test(generated, instances_do_not_disturb_each_other)
{
    Built built = build_net("instances", "tests/run/nets/blocks.net", "--no-embed-weights");
    Instance alone = instance_create(&built, 0);
    Instance left = instance_create(&built, 0x7F), right = instance_create(&built, 0x33);
    for (uint32_t round = 0; round < 4; ++round) {
        fill_inputs(&left, round);
        fill_inputs(&right, round + 100);
        instance_run(&left);
        instance_run(&right);
        fill_inputs(&alone, round);
        instance_run(&alone);
        expect_same_bits(&alone, &left, "two instances");
        fill_inputs(&alone, round + 100);
        memset(alone.memory, 0xFF, built.sizes[1]); /* nothing in the arena matters between runs */
        instance_run(&alone);
        expect_same_bits(&alone, &right, "two instances");
    }
    instance_release(&alone);
    instance_release(&left);
    instance_release(&right);
    built_release(&built);
}

/* --- statuses of init and run */

typedef struct InitCase {
    const Built *built;
    void *net;
    unsigned char *memory, *blob; /* one alignment longer than needed */
} InitCase;

static void expect_init(const InitCase *c, cnn_status expected, const void *weights, size_t weights_bytes, void *memory,
                        size_t memory_bytes)
{
    cnn_status status = c->built->init(c->net, weights, weights_bytes, memory, memory_bytes);
    cr_assert_eq(status, expected, "got: %s; expected: %s", cnn_status_text(status), cnn_status_text(expected));
    if (status != CNN_OK) { /* a failed init leaves a net that refuses to run */
        float x[1000] = {0};
        const float *const inputs[] = {x, x};
        float *const outputs[] = {x, x};
        cr_assert_eq(c->built->run(c->net, inputs, outputs), CNN_ERROR_NOT_INITIALISED);
    }
}

/* A copy of the blob with byte `at` changed. */
static void expect_damage(const InitCase *c, size_t at, unsigned char flip, cnn_status expected)
{
    memcpy(c->blob, c->built->blob, c->built->sizes[2]);
    c->blob[at] ^= flip;
    expect_init(c, expected, c->blob, c->built->sizes[2], c->memory, c->built->sizes[1]);
}

Test(generated, init_says_what_is_wrong)
{
    Built built = build_net("init", "tests/run/nets/camera.net", "--no-embed-weights");
    size_t arena_bytes = built.sizes[1], blob_bytes = built.sizes[2];
    cr_assert(arena_bytes > 0 && blob_bytes > 64);
    InitCase c = {&built, sandbox_memory(built.sizes[0], 0), sandbox_memory(arena_bytes + CNN_ALIGNMENT, 0),
                  sandbox_memory(blob_bytes + CNN_ALIGNMENT, 0)};
    memcpy(c.blob, built.blob, blob_bytes);

    cr_assert_eq(built.init(NULL, built.blob, blob_bytes, c.memory, arena_bytes), CNN_ERROR_NULL_ARGUMENT);
    expect_init(&c, CNN_ERROR_NULL_ARGUMENT, built.blob, blob_bytes, NULL, arena_bytes);
    expect_init(&c, CNN_ERROR_ARENA_TOO_SMALL, built.blob, blob_bytes, c.memory, arena_bytes - 1);
    expect_init(&c, CNN_ERROR_ARENA_TOO_SMALL, built.blob, blob_bytes, c.memory, 0);
    expect_init(&c, CNN_ERROR_ARENA_MISALIGNED, built.blob, blob_bytes, c.memory + 16, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_MISSING, NULL, blob_bytes, c.memory, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_MISSING, NULL, 0, c.memory, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_MISSING, built.blob, 0, c.memory, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_MISALIGNED, c.blob + 4, blob_bytes, c.memory, arena_bytes);
    for (size_t length = 1; length < blob_bytes; length += length < 70 ? 1 : 97) {
        expect_init(&c, CNN_ERROR_WEIGHTS_TRUNCATED, built.blob, length, c.memory, arena_bytes);
    }
    expect_init(&c, CNN_ERROR_WEIGHTS_TRUNCATED, built.blob, blob_bytes - 1, c.memory, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_TOO_LONG, c.blob, blob_bytes + 1, c.memory, arena_bytes);

    /* Every byte of the header, every bit of the contents: magic, version, checksum, size, fingerprint, reserved, data.
     */
    for (size_t at = 0; at < 64; ++at) {
        cnn_status expected = at < 8    ? CNN_ERROR_WEIGHTS_NOT_A_BLOB
                              : at < 12 ? CNN_ERROR_WEIGHTS_VERSION
                              : at < 24 ? CNN_ERROR_WEIGHTS_DAMAGED
                              : at < 32 ? CNN_ERROR_WEIGHTS_NETWORK
                                        : CNN_ERROR_WEIGHTS_DAMAGED;
        expect_damage(&c, at, 0x40, expected);
    }
    for (size_t bit = 64 * 8; bit < blob_bytes * 8; bit += 7) {
        expect_damage(&c, bit / 8, (unsigned char)(1u << bit % 8), CNN_ERROR_WEIGHTS_DAMAGED);
    }
    memcpy(c.blob, built.blob, blob_bytes);
    static const unsigned char turned[4] = {0, 0, 0, 1}; /* the version as a machine of the other byte order reads it */
    memcpy(c.blob + 8, turned, 4);
    expect_init(&c, CNN_ERROR_WEIGHTS_BYTE_ORDER, c.blob, blob_bytes, c.memory, arena_bytes);
    memset(c.blob, 0, blob_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_NOT_A_BLOB, c.blob, blob_bytes, c.memory, arena_bytes);

    expect_init(&c, CNN_OK, built.blob, blob_bytes, c.memory, arena_bytes);
    expect_init(&c, CNN_OK, built.blob, blob_bytes, c.memory, arena_bytes + 64);
    free(c.net);
    free(c.memory);
    free(c.blob);
    built_release(&built);
}

Test(generated, built_in_weights_take_no_others)
{
    Built built = build_net("init-embedded", "tests/run/nets/camera.net", "--embed-weights");
    cr_assert_eq(built.sizes[2], 0u);
    size_t arena_bytes = built.sizes[1];
    InitCase c = {&built, sandbox_memory(built.sizes[0], 0), sandbox_memory(arena_bytes, 0), sandbox_memory(64, 0)};
    expect_init(&c, CNN_ERROR_WEIGHTS_BUILT_IN, c.blob, 64, c.memory, arena_bytes);
    expect_init(&c, CNN_ERROR_WEIGHTS_BUILT_IN, c.blob, 0, c.memory, arena_bytes);
    expect_init(&c, CNN_OK, NULL, 0, c.memory, arena_bytes);
    free(c.net);
    free(c.memory);
    free(c.blob);
    built_release(&built);
}

Test(generated, run_refuses_null_and_what_is_not_initialised)
{
    Built built = build_net("run-status", "tests/run/nets/camera.net", "");
    Instance instance = instance_create(&built, 0);
    fill_inputs(&instance, 1);
    void *zeroed = sandbox_memory(built.sizes[0], 0);
    const float *const *inputs = (const float *const *)instance.port;
    float *const *outputs = instance.port + built.n_inputs;
    cr_assert_eq(built.run(zeroed, inputs, outputs), CNN_ERROR_NOT_INITIALISED);
    memset(zeroed, 0xFF, built.sizes[0]);
    cr_assert_eq(built.run(zeroed, inputs, outputs), CNN_ERROR_NOT_INITIALISED);
    cr_assert_eq(built.run(NULL, inputs, outputs), CNN_ERROR_NULL_ARGUMENT);
    for (size_t missing = 0; missing < built.n_inputs + built.n_outputs; ++missing) {
        float *ports[64];
        memcpy(ports, instance.port, sizeof ports);
        ports[missing] = NULL;
        cr_assert_eq(built.run(instance.net, (const float *const *)ports, ports + built.n_inputs),
                     CNN_ERROR_NULL_ARGUMENT, "port %zu", missing);
    }
    cr_assert_eq(built.run(instance.net, inputs, outputs), CNN_OK);
    free(zeroed);
    instance_release(&instance);
    built_release(&built);
}

/* A blob packed for another net, or for other options that change the packing, is refused as such. */
Test(generated, weights_of_another_net_are_refused)
{
    Built camera = build_net("other-camera", "tests/run/nets/camera.net", "--no-embed-weights");
    Built blocks = build_net("other-blocks", "tests/run/nets/blocks.net", "--no-embed-weights");
    InitCase c = {&camera, sandbox_memory(camera.sizes[0], 0), sandbox_memory(camera.sizes[1], 0), NULL};
    expect_init(&c, CNN_ERROR_WEIGHTS_NETWORK, blocks.blob, blocks.sizes[2], c.memory, camera.sizes[1]);
    free(c.net);
    free(c.memory);
    built_release(&camera);
    built_release(&blocks);
}

/* --- under the sanitizers: a program whose every buffer is exactly as long as the header says */

static const char sanitized_main[] =
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include \"model.h\"\n"
    "extern const size_t shim_sizes[];\n"
    "cnn_status shim_run(model *net, const float *const *inputs, float *const *outputs);\n"
    "static void backwards(void *context, cnn_task *task, void *data, int count)\n"
    "{\n"
    "    (void)context;\n"
    "    while (count > 0) {\n"
    "        task(data, --count);\n"
    "    }\n"
    "}\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    int inputs = atoi(argv[1]), ports = inputs + atoi(argv[2]), i;\n"
    "    float *port[64];\n"
    "    model net;\n"
    "    cnn_weights file = {NULL, 0, NULL};\n"
    "    void *arena = aligned_alloc(64, shim_sizes[1]);\n"
    "    cnn_status status = shim_sizes[2] > 0 ? cnn_weights_map(&file, \"model.weights\") : CNN_OK;\n"
    "    for (i = 0; i < ports; ++i) {\n"
    "        port[i] = (float *)calloc(shim_sizes[3 + i], sizeof(float));\n"
    "    }\n"
    "    (void)argc;\n"
    "    if (status == CNN_OK) {\n"
    "        status = model_init(&net, file.bytes, file.size, arena, shim_sizes[1]);\n"
    "    }\n"
    "    if (status == CNN_OK) {\n"
    "        status = shim_run(&net, (const float *const *)port, port + inputs);\n"
    "    }\n"
    "    if (status == CNN_OK) {\n"
    "        model_set_parallel(&net, backwards, NULL);\n"
    "        status = shim_run(&net, (const float *const *)port, port + inputs);\n"
    "    }\n"
    "    puts(cnn_status_text(status));\n"
    "    for (i = 0; i < ports; ++i) {\n"
    "        free(port[i]);\n"
    "    }\n"
    "    free(arena);\n"
    "    cnn_weights_unmap(&file);\n"
    "    return status != CNN_OK;\n"
    "}\n";

static void check_sanitized(const char *test, const char *net, const char *arguments)
{
    Built built = build_net(test, net, arguments);
    Arena *arena = built.arena;
    FILE *file = fopen(arena_printf(arena, "%s/main.c", built.folder).ptr, "w");
    cr_assert(file != NULL && fputs(sanitized_main, file) >= 0);
    cr_assert_eq(fclose(file), 0);
    sandbox_expect(
        arena, built.folder,
        arena_printf(
            arena,
            "cp runtime/cnn_weights.c runtime/cnn.h '%s' && cd '%s' && cc -std=c11 -O1 -g -fno-sanitize-recover=all "
            "-fsanitize=address,undefined main.c model.c shim.c cnn_weights.c -o main -lm && "
            "ASAN_OPTIONS=abort_on_error=1:detect_leaks=0 ./main %zu %zu",
            built.folder, built.folder, built.n_inputs, built.n_outputs));
    built_release(&built);
}

Test(generated, sanitizers_find_nothing_in_conv)
{
    check_sanitized("sanitized-conv", "tests/run/nets/conv.net", "--no-embed-weights --threads-max=3");
}

Test(generated, sanitizers_find_nothing_in_pool)
{
    check_sanitized("sanitized-pool", "tests/run/nets/pool.net", "--no-embed-weights --threads-max=2");
}

Test(generated, sanitizers_find_nothing_in_elementwise)
{
    check_sanitized("sanitized-elementwise", "tests/run/nets/elementwise.net", "--embed-weights --batch=2");
}

Test(generated, sanitizers_find_nothing_in_shape)
{
    check_sanitized("sanitized-shape", "tests/run/nets/shape.net", "--no-embed-weights --threads-max=4");
}

Test(generated, sanitizers_find_nothing_in_blocks)
{
    check_sanitized("sanitized-blocks", "tests/run/nets/blocks.net", "--no-embed-weights --threads-max=5 --batch=2");
}

Test(generated, sanitizers_find_nothing_in_dense_of_16_bits)
{
    check_sanitized("sanitized-f16", "tests/run/nets/dense_storage.net",
                    "--no-embed-weights --dense-storage=f16 --threads-max=3");
    check_sanitized("sanitized-bf16", "tests/run/nets/dense_storage.net", "--embed-weights --dense-storage=bf16");
}
