/* Every variant of the zoo at a small image size: generated C against the reference interpreter (float64), every
 * element of every output before the softmax, within 1e-5 of the output's largest value. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "interp/interp.h"
#include "model.h"
#include "sandbox.h"
#include "support/file.h"

enum { MAX_WORD = 64, MAX_VARIANTS = 128, MAX_DEFINES = 8, MAX_PORTS = 4 };

typedef struct Variant { /* by value: Criterion hands parameters to other processes */
    char name[MAX_WORD], file[MAX_WORD], net[MAX_WORD];
    char defines[MAX_DEFINES][MAX_WORD]; /* "depth=50" */
    int n_defines;
} Variant;

/* The smallest image that suits the family's windows; 0: the net has no size. */
static int small_size(const Variant *variant)
{
    static const struct {
        const char *file, *net;
        int size;
    } sizes[] = {
        {"linear.net", NULL, 0},
        {"lenet5.net", NULL, 0},
        {"nin.net", "nin_cifar10", 0},
        {"nin.net", NULL, 96},
        {"alexnet.net", NULL, 99},
        {"vgg.net", "vgg_keras", 40},
        {"vgg.net", NULL, 32},
        {"googlenet.net", "googlenet_keras", 160},
        {"googlenet.net", NULL, 96},
        {"inception_v2.net", NULL, 64},
        {"inception_v3.net", NULL, 107},
        {"inception_v4.net", NULL, 107},
        {"inception_resnet.net", NULL, 107},
        {"xception.net", NULL, 96},
        {"style.net", "style_johnson2016", 48},
        {NULL, NULL, 64},
    };
    if (strcmp(variant->name, "inception_v3+aux") == 0) {
        return 299; /* its auxiliary head needs the full grid */
    }
    size_t i = 0;
    while (sizes[i].file != NULL && (strcmp(sizes[i].file, variant->file) != 0 ||
                                     (sizes[i].net != NULL && strcmp(sizes[i].net, variant->net) != 0))) {
        ++i;
    }
    return sizes[i].size;
}

static bool ends_in_softmax(const Variant *variant)
{
    static const char *const without[] = {"perceptron", "logistic_regression", "lenet5_1998"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; ++i) {
        if (strcmp(variant->name, without[i]) == 0) {
            return false;
        }
    }
    return strcmp(variant->file, "style.net") != 0;
}

ParameterizedTestParameters(reduced, agrees_with_the_interpreter)
{
    static Variant variants[MAX_VARIANTS];
    FILE *index = fopen("dsl/zoo/index", "r");
    char line[512];
    size_t count = 0;
    while (index != NULL && fgets(line, sizeof line, index) != NULL) {
        Variant variant = {0};
        int used = 0, word = 0;
        if (line[0] == '#' || sscanf(line, "%63s %63s %63s%n", variant.name, variant.file, variant.net, &used) != 3) {
            continue;
        }
        for (const char *at = line + used;
             variant.n_defines < MAX_DEFINES && sscanf(at, " %63s%n", variant.defines[variant.n_defines], &word) == 1;
             at += word) {
            ++variant.n_defines;
        }
        /* Under the sanitizers the small families stand for all. */
        if (count < MAX_VARIANTS &&
            (!IS_SANITIZED || strcmp(variant.file, "linear.net") == 0 || strcmp(variant.file, "lenet5.net") == 0)) {
            variants[count++] = variant;
        }
    }
    if (index != NULL) {
        fclose(index);
    }
    return cr_make_param_array(Variant, variants, count);
}

static Graph *elaborate(Arena *arena, const Variant *variant, int size)
{
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    Definement defines[MAX_DEFINES + 2];
    FrontendOptions options = {.defines = defines,
                               .net = str_from(variant->net),
                               .with_training_outputs = strstr(variant->name, "+aux") != NULL};
    for (int i = 0; i < variant->n_defines; ++i) {
        const char *equals = strchr(variant->defines[i], '=');
        cr_assert(equals != NULL);
        Str name = {variant->defines[i], (size_t)(equals - variant->defines[i])};
        if (!str_equal(name, STR("size")) || size == 0) {
            defines[options.n_defines++] = (Definement){name, str_from(equals + 1)};
        }
    }
    if (size > 0) {
        defines[options.n_defines++] = (Definement){STR("size"), arena_printf(arena, "%d", size)};
    }
    if (ends_in_softmax(variant)) {
        defines[options.n_defines++] = (Definement){STR("probabilities"), STR("false")};
    }
    AstFile *file = frontend_parse(arena, sources, diag, arena_printf(arena, "dsl/zoo/%s", variant->file), &options);
    Graph *graph = file == NULL ? NULL : frontend_elaborate(arena, sources, diag, file, &options);
    cr_assert(graph != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    diag_destroy(diag);
    return graph;
}

ParameterizedTest(Variant *variant, reduced, agrees_with_the_interpreter)
{
    Arena *arena = arena_create();
    int size = small_size(variant);
    Graph *graph = elaborate(arena, variant, size);
    Weights *weights = weights_formula(arena);
    double **inputs = interp_formula_inputs(graph, arena);
    InterpResult expected = interp_run(graph, weights, (const double *const *)inputs, false, arena);

    StrBuf arguments = {0};
    strbuf_printf(&arguments, "--weights=formula --no-embed-weights%s",
                  ends_in_softmax(variant) ? " -D probabilities=false" : "");
    if (size > 0) {
        strbuf_printf(&arguments, " -D size=%d", size);
    }
    Str test = arena_printf(arena, "reduced-%s", variant->name), zoo = arena_printf(arena, "zoo:%s", variant->name);
    Model model = model_build(test.ptr, zoo.ptr, arguments.ptr, "cc -O1");
    float *in[MAX_PORTS], *out[MAX_PORTS];
    cr_assert(graph->n_inputs <= MAX_PORTS && graph->n_outputs <= MAX_PORTS);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        int64_t elements = type_elements(graph->inputs[i].node->type);
        in[i] = ARENA_ARRAY(arena, float, elements);
        for (int64_t k = 0; k < elements; ++k) {
            in[i][k] = (float)inputs[i][k];
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        out[i] = ARENA_ARRAY(arena, float, type_elements(graph->outputs[i].node->type));
    }
    cr_assert_eq(model_call(&model, (int)graph->n_inputs, (int)graph->n_outputs, in, out), CNN_OK);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const double *should = expected.values[graph->outputs[i].node->id];
        int64_t elements = type_elements(graph->outputs[i].node->type);
        double largest = 0.0, worst = 0.0;
        for (int64_t k = 0; k < elements; ++k) {
            largest = fmax(largest, fabs(should[k]));
            worst = fmax(worst, fabs((double)out[i][k] - should[k]));
        }
        double tolerance = strcmp(variant->name, "style_johnson2016") == 0 ? 1e-4 : 1e-5;
        cr_expect(worst <= tolerance * largest, "%s, output %u: differs by %.2g of %.2g", variant->name, i, worst,
                  largest);
    }
    strbuf_free(&arguments);
    model_release(&model);
    weights_close(weights);
    arena_destroy(arena);
}
