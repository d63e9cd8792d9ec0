/* Classifies photographs with MobileNet v1: any image file -> resized to the net's square -> the five likeliest labels.
 *
 * Usage: classify WEIGHTS LABELS FILE...
 *   WEIGHTS  mobilenet.weights, written by cnnc beside mobilenet.c
 *   LABELS   text file, one label a line, line 1 = class 0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#include "mobilenet.h"

enum { CLASSES = MOBILENET_PROBABILITIES_ELEMENTS, TOP = 5, LABEL_LENGTH = 128 };

/* The side of the square image: MOBILENET_IMAGE_ELEMENTS = 3 * side * side. */
static int image_side(void)
{
    int side = 1;
    while (3 * side * side < MOBILENET_IMAGE_ELEMENTS) {
        ++side;
    }
    return side;
}

/* Reads an image as planar RGB in -1..1, [3, side, side]; 0 where that fails. */
static int load_image(const char *path, int side, float *planes)
{
    int width, height, channels;
    unsigned char *pixels = stbi_load(path, &width, &height, &channels, 3);
    if (pixels == NULL) {
        fprintf(stderr, "%s: cannot read the image: %s\n", path, stbi_failure_reason());
        return 0;
    }
    size_t count = (size_t)side * (size_t)side;
    unsigned char *square = malloc(3 * count);
    int ok = square != NULL &&
             stbir_resize_uint8_generic(pixels, width, height, 0, square, side, side, 0, 3, -1, 0, STBIR_EDGE_CLAMP,
                                        STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, NULL);
    for (size_t i = 0; ok && i < count; ++i) {
        for (size_t c = 0; c < 3; ++c) {
            planes[c * count + i] = (float)square[3 * i + c] / 127.5f - 1.0f;
        }
    }
    if (!ok) {
        fprintf(stderr, "%s: cannot resize a %dx%d image\n", path, width, height);
    }
    free(square);
    stbi_image_free(pixels);
    return ok;
}

static int load_labels(const char *path, char (*labels)[LABEL_LENGTH])
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    int count = 0;
    while (count < CLASSES && fgets(labels[count], LABEL_LENGTH, file) != NULL) {
        labels[count][strcspn(labels[count], "\r\n")] = '\0';
        ++count;
    }
    fclose(file);
    if (count < CLASSES) {
        fprintf(stderr, "%s: %d labels, the net has %d classes\n", path, count, CLASSES);
    }
    return count == CLASSES;
}

static void print_top(const char *path, float *probabilities, char (*labels)[LABEL_LENGTH])
{
    printf("%s\n", path);
    for (int rank = 0; rank < TOP; ++rank) {
        int best = 0;
        for (int i = 1; i < CLASSES; ++i) {
            best = probabilities[i] > probabilities[best] ? i : best;
        }
        printf("  %5.1f %%  %s\n", (double)probabilities[best] * 100.0, labels[best]);
        probabilities[best] = -1.0f;
    }
}

/* Classifies files with a net that is ready; returns how many failed. */
static int classify(mobilenet *net, char (*labels)[LABEL_LENGTH], int count, char **paths)
{
    float *image = malloc(sizeof(float) * MOBILENET_IMAGE_ELEMENTS);
    int failures = image == NULL ? count : 0;
    for (int i = 0; image != NULL && i < count; ++i) {
        float probabilities[CLASSES];
        if (!load_image(paths[i], image_side(), image)) {
            ++failures;
            continue;
        }
        cnn_status status = mobilenet_run(net, image, probabilities);
        if (status != CNN_OK) {
            fprintf(stderr, "mobilenet_run: %s\n", cnn_status_text(status));
            ++failures;
            continue;
        }
        print_top(paths[i], probabilities, labels);
    }
    free(image);
    return failures;
}

int main(int argc, char **argv)
{
    static char labels[CLASSES][LABEL_LENGTH];
    if (argc < 4) {
        fputs("usage: classify WEIGHTS LABELS FILE...\n", stderr);
        return 2;
    }
    if (!load_labels(argv[2], labels)) {
        return 1;
    }
    cnn_weights weights;
    cnn_status status = cnn_weights_map(&weights, argv[1]);
    if (status != CNN_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], cnn_status_text(status));
        return 1;
    }
    mobilenet net;
    void *arena;
    int failures = 1;
    status = cnn_arena_create(&arena, MOBILENET_ARENA_BYTES);
    if (status == CNN_OK) {
        status = mobilenet_init(&net, weights.bytes, weights.size, arena, MOBILENET_ARENA_BYTES);
    }
    if (status == CNN_OK) {
        failures = classify(&net, labels, argc - 3, argv + 3);
    } else {
        fprintf(stderr, "mobilenet: %s\n", cnn_status_text(status));
    }
    cnn_arena_destroy(arena);
    cnn_weights_unmap(&weights);
    return failures > 0;
}
