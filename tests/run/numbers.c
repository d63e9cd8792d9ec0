/* Whole networks of the zoo, compiled and run, against PyTorch's numbers (tests/golden/numbers/, made by
 * tools/golden/): formula weights and images on both sides, and differences of at most 1e-5 of an output's largest
 * value, or of PyTorch's own error in float32 where that is more. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lower/program.h"
#include "model.h"
#include "sandbox.h"
#include "weights/weights.h"

enum { MAX_PICKS = 16, MAX_OUTPUTS = 4, MAX_INPUTS = 2, MAX_NAME = 64, MAX_VARIANTS = 128 };

typedef struct Output { /* what PyTorch says of one output */
    int count, argmax, n_picks, pick[MAX_PICKS];
    double l2, max, float32, value[MAX_PICKS];
} Output;

typedef struct Variant { /* by value: Criterion hands parameters to other processes */
    char name[MAX_NAME];
} Variant;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const Variant *)a)->name, ((const Variant *)b)->name);
}

/* Every file of tests/golden/numbers/ that is a variant of the zoo. The sanitizers' build takes the small ones: what it
 * checks is cnnc, and cnnc's part is the same for all. */
static int list_variants(Variant variants[MAX_VARIANTS])
{
    DIR *folder = opendir("tests/golden/numbers");
    int count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        bool is_text = length > 4 && length < MAX_NAME && strcmp(entry->d_name + length - 4, ".txt") == 0;
        if (!is_text || strcmp(entry->d_name, "interp_ops.txt") == 0 ||
            (IS_SANITIZED && strncmp(entry->d_name, "lenet", 5) != 0)) {
            continue;
        }
        cr_assert(count < MAX_VARIANTS);
        memcpy(variants[count].name, entry->d_name, length - 4);
        variants[count++].name[length - 4] = '\0';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    qsort(variants, (size_t)count, sizeof variants[0], compare_names);
    return count;
}

static int read_numbers(const char *variant, Output outputs[MAX_OUTPUTS])
{
    char path[128], line[256], word[16];
    snprintf(path, sizeof path, "tests/golden/numbers/%s.txt", variant);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    int count = 0;
    Output *output = NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        int used = 0;
        if (line[0] == '#' || sscanf(line, "%15s%n", word, &used) != 1) {
            continue;
        }
        char *rest = line + used;
        if (strcmp(word, "output") == 0) {
            cr_assert(count < MAX_OUTPUTS);
            output = &outputs[count++];
            *output = (Output){.count = atoi(rest)};
            continue;
        }
        cr_assert(output != NULL);
        if (strcmp(word, "argmax") == 0) {
            output->argmax = atoi(rest);
        } else if (strcmp(word, "l2") == 0) {
            output->l2 = strtod(rest, NULL);
        } else if (strcmp(word, "max") == 0) {
            output->max = strtod(rest, NULL);
        } else if (strcmp(word, "float32") == 0) {
            output->float32 = strtod(rest, NULL);
        } else {
            cr_assert(strcmp(word, "at") == 0 && output->n_picks < MAX_PICKS, "%s", line);
            output->pick[output->n_picks] = (int)strtol(rest, &rest, 10);
            output->value[output->n_picks++] = strtod(rest, NULL);
        }
    }
    fclose(file);
    return count;
}

/* The style networks take pixels of 0..255, and two images under names of their own. */
static void fill_images(const char *variant, int n_inputs, const int *elements, float **images)
{
    bool is_bytes = strncmp(variant, "style_", 6) == 0 || strcmp(variant, "vgg16_loss_features") == 0;
    for (int i = 0; i < n_inputs; ++i) {
        Str name = n_inputs == 1 ? STR("input") : i == 0 ? STR("content") : STR("style");
        formula_fill_input(name, elements[i], images[i]);
        for (int k = 0; is_bytes && k < elements[i]; ++k) {
            images[i][k] = (float)(((double)images[i][k] + 1.0) * 0.5 * 255.0);
        }
    }
}

static void check_output(const Output *expected, const float *ours)
{
    int argmax = 0;
    double squares = 0.0, relative = fmax(1e-5, expected->float32), tolerance = relative * expected->max;
    for (int i = 0; i < expected->count; ++i) {
        argmax = ours[i] > ours[argmax] ? i : argmax;
        squares += (double)ours[i] * (double)ours[i];
    }
    bool is_tie = fabs((double)ours[argmax] - (double)ours[expected->argmax]) <= tolerance;
    cr_expect(argmax == expected->argmax || is_tie, "argmax %d, PyTorch %d", argmax, expected->argmax);
    cr_expect_float_eq(sqrt(squares), expected->l2, relative * expected->l2, "L2 %.9g, PyTorch %.9g", sqrt(squares),
                       expected->l2);
    for (int i = 0; i < expected->n_picks; ++i) {
        double value = (double)ours[expected->pick[i]];
        cr_expect_float_eq(value, expected->value[i], tolerance, "element %d: %.9g, PyTorch %.9g", expected->pick[i],
                           value, expected->value[i]);
    }
}

ParameterizedTestParameters(numbers, are_pytorchs)
{
    static Variant variants[MAX_VARIANTS];
    int count = list_variants(variants);
    return cr_make_param_array(Variant, variants, (size_t)count);
}

/* make test T=numbers CNNC_TARGET=x86-64-v3 CNNC_OPTIONS=--no-winograd: the same for another target, whose instructions this
 * machine must have, and with more options of cnnc. */
static const Target *tested_target(void)
{
    const char *name = getenv("CNNC_TARGET");
    const Target *target = target_find(name == NULL ? STR("portable") : str_from(name));
    cr_assert_not_null(target, "CNNC_TARGET=%s", name);
    return target;
}

ParameterizedTest(Variant *variant, numbers, are_pytorchs)
{
    Output outputs[MAX_OUTPUTS];
    int n_outputs = read_numbers(variant->name, outputs),
        n_inputs = strcmp(variant->name, "style_loss_graph") == 0 ? 2 : 1;
    bool has_softmax = strstr(variant->name, "style") == NULL && strcmp(variant->name, "perceptron") != 0 &&
                       strcmp(variant->name, "logistic_regression") != 0 && strcmp(variant->name, "lenet5_1998") != 0 &&
                       strcmp(variant->name, "vgg16_loss_features") != 0;
    Arena *arena = arena_create();
    Str test = arena_printf(arena, "numbers-%s", variant->name), zoo = arena_printf(arena, "zoo:%s", variant->name);
    const Target *target = tested_target();
    const char *more = getenv("CNNC_OPTIONS");
    Str arguments = arena_printf(arena, "--weights=formula --no-embed-weights --target=%s%s %s", target->name,
                                 has_softmax ? " -D probabilities=false" : "", more == NULL ? "" : more);
    Str compiler = arena_printf(arena, "cc -O2 -ftree-vectorize %s", target->flags == NULL ? "" : target->flags);
    Model model = model_build(test.ptr, zoo.ptr, arguments.ptr, compiler.ptr);
    int elements[MAX_INPUTS];
    float *in[MAX_INPUTS], *out[MAX_OUTPUTS];
    for (int i = 0; i < n_inputs; ++i) {
        elements[i] = model_elements(&model, i);
        in[i] = ARENA_ARRAY(arena, float, elements[i]);
    }
    for (int i = 0; i < n_outputs; ++i) {
        cr_assert_eq(model_elements(&model, n_inputs + i), outputs[i].count);
        out[i] = ARENA_ARRAY(arena, float, outputs[i].count);
    }
    fill_images(variant->name, n_inputs, elements, in);
    cr_assert_eq(model_call(&model, n_inputs, n_outputs, in, out), CNN_OK);
    for (int i = 0; i < n_outputs; ++i) {
        check_output(&outputs[i], out[i]);
    }
    model_release(&model);
    arena_destroy(arena);
}
