/* Whole networks of the zoo, compiled and run, against PyTorch's numbers (tests/golden/numbers/, made by tools/golden/). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"
#include "weights/weights.h"

enum { MAX_PICKS = 16, MAX_ARGUMENTS = 256 };

typedef struct Numbers { /* one file of tests/golden/numbers */
    char net[64], defines[MAX_ARGUMENTS];
    int count, argmax, n_picks, pick[MAX_PICKS];
    double l2, max, value[MAX_PICKS];
} Numbers;

static Numbers read_numbers(const char *name)
{
    Numbers numbers = {0};
    char path[128], line[256], word[16], rest[200];
    snprintf(path, sizeof path, "tests/golden/numbers/%s.txt", name);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || sscanf(line, "%15s %199[^\n]", word, rest) != 2) {
            continue;
        }
        if (strcmp(word, "net") == 0) {
            snprintf(numbers.net, sizeof numbers.net, "dsl/zoo/%.50s", rest);
        } else if (strcmp(word, "define") == 0) {
            size_t used = strlen(numbers.defines);
            snprintf(numbers.defines + used, sizeof numbers.defines - used, " -D %.60s", rest);
        } else if (strcmp(word, "count") == 0) {
            numbers.count = atoi(rest);
        } else if (strcmp(word, "argmax") == 0) {
            numbers.argmax = atoi(rest);
        } else if (strcmp(word, "l2") == 0) {
            numbers.l2 = strtod(rest, NULL);
        } else if (strcmp(word, "max") == 0) {
            numbers.max = strtod(rest, NULL);
        } else if (strcmp(word, "at") == 0) {
            cr_assert(numbers.n_picks < MAX_PICKS);
            char *end;
            numbers.pick[numbers.n_picks] = (int)strtol(rest, &end, 10);
            numbers.value[numbers.n_picks++] = strtod(end, NULL);
        }
    }
    fclose(file);
    cr_assert(numbers.count > 0 && numbers.n_picks >= 10);
    return numbers;
}

/* Formula weights and image on both sides; 1e-5 of the largest logit is the tolerance of networks.md 0.6. */
static void check_numbers(const char *name, int image_elements)
{
    Numbers numbers = read_numbers(name);
    char arguments[2 * MAX_ARGUMENTS], test[64];
    snprintf(arguments, sizeof arguments, "--weights=formula --no-embed-weights -D probabilities=false%s", numbers.defines);
    snprintf(test, sizeof test, "numbers-%s", name);
    Model model = model_build(test, numbers.net, arguments, "cc -O2 -ftree-vectorize");
    float *image = ARENA_ARRAY(model.arena, float, image_elements);
    float *logits = ARENA_ARRAY(model.arena, float, numbers.count);
    formula_fill_input(STR("input"), image_elements, image);
    cr_assert_eq(model.run(model.net, image, logits), CNN_OK);

    int argmax = 0;
    double squares = 0.0;
    for (int i = 0; i < numbers.count; ++i) {
        argmax = logits[i] > logits[argmax] ? i : argmax;
        squares += (double)logits[i] * (double)logits[i];
    }
    double tolerance = 1e-5 * numbers.max;
    cr_assert_eq(argmax, numbers.argmax);
    cr_assert_float_eq(sqrt(squares), numbers.l2, 1e-5 * numbers.l2, "L2 %.9g, PyTorch %.9g", sqrt(squares), numbers.l2);
    for (int i = 0; i < numbers.n_picks; ++i) {
        double ours = (double)logits[numbers.pick[i]];
        cr_assert_float_eq(ours, numbers.value[i], tolerance, "logit %d: %.9g, PyTorch %.9g", numbers.pick[i], ours, numbers.value[i]);
    }
    model_release(&model);
}

enum { IMAGE_224 = 3 * 224 * 224 };

Test(numbers, lenet5)
{
    check_numbers("lenet5", 32 * 32);
}
Test(numbers, mobilenet_v1)
{
    check_numbers("mobilenet_v1", IMAGE_224);
}
Test(numbers, mobilenet_v1_75_192)
{
    check_numbers("mobilenet_v1_75_192", 3 * 192 * 192);
}
Test(numbers, alexnet)
{
    check_numbers("alexnet", IMAGE_224);
}
Test(numbers, vgg16)
{
    check_numbers("vgg16", IMAGE_224);
}
Test(numbers, resnet18)
{
    check_numbers("resnet18", IMAGE_224);
}
Test(numbers, resnet34)
{
    check_numbers("resnet34", IMAGE_224);
}
Test(numbers, resnet50)
{
    check_numbers("resnet50", IMAGE_224);
}
Test(numbers, resnet101)
{
    check_numbers("resnet101", IMAGE_224);
}
Test(numbers, resnet152)
{
    check_numbers("resnet152", IMAGE_224);
}
