/* Recognises handwritten digits: reads image files, shows each as a small picture in the terminal, and beside it the ten
 * probabilities that LeNet-5 gives. The network is compiled in, weights included: lenet5.c was written by cnnc.
 *
 * Usage: digits FILE...      any image format of stb_image; white strokes on black, or black on white (told by the corners) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#include "lenet5.h"

enum { DIGIT = 28, PAD = 2, SIDE = DIGIT + 2 * PAD }; /* the net reads 32x32: a 28x28 digit and a black border */

/* Reads a file as 28x28 grey pixels, white strokes on black. Returns 0 and says why where that fails. */
static int load_digit(const char *path, unsigned char pixels[DIGIT * DIGIT])
{
    int width, height, channels;
    unsigned char *image = stbi_load(path, &width, &height, &channels, 1);
    if (image == NULL) {
        fprintf(stderr, "%s: cannot read the image: %s\n", path, stbi_failure_reason());
        return 0;
    }
    int ok = stbir_resize_uint8(image, width, height, 0, pixels, DIGIT, DIGIT, 0, 1);
    stbi_image_free(image);
    if (!ok) {
        fprintf(stderr, "%s: cannot resize a %dx%d image\n", path, width, height);
        return 0;
    }
    int corners = pixels[0] + pixels[DIGIT - 1] + pixels[(DIGIT - 1) * DIGIT] + pixels[DIGIT * DIGIT - 1];
    if (corners > 4 * 127) { /* a light background: dark strokes */
        for (int i = 0; i < DIGIT * DIGIT; ++i) {
            pixels[i] = (unsigned char)(255 - pixels[i]);
        }
    }
    return 1;
}

/* Two rows of pixels a line: the upper half block, the lower, both or none. */
static void print_pixels(const unsigned char *upper, const unsigned char *lower)
{
    static const char *const glyphs[4] = {" ", "\u2580", "\u2584", "\u2588"};
    for (int x = 0; x < DIGIT; ++x) {
        fputs(glyphs[(upper[x] > 100 ? 1 : 0) + (lower[x] > 100 ? 2 : 0)], stdout);
    }
}

static void print_bar(int digit, float probability, int is_answer)
{
    int length = (int)(probability * 40.0f + 0.5f);
    printf("   %d  ", digit);
    for (int i = 0; i < 40; ++i) {
        fputs(i < length ? "\u2588" : "\u00b7", stdout);
    }
    printf(" %5.1f %%%s", (double)probability * 100.0, is_answer ? "  <--" : "");
}

static void show(const char *path, const unsigned char *pixels, const float *probabilities, int answer)
{
    printf("%s\n", path);
    for (int line = 0; line < DIGIT / 2; ++line) {
        print_pixels(pixels + 2 * line * DIGIT, pixels + (2 * line + 1) * DIGIT);
        int digit = line - 2;
        if (digit >= 0 && digit < 10) {
            print_bar(digit, probabilities[digit], digit == answer);
        }
        putchar('\n');
    }
    printf("   this is a %d\n\n", answer);
}

int main(int argc, char **argv)
{
    lenet5 net;
    void *arena = aligned_alloc(64, (LENET5_ARENA_BYTES + 63) / 64 * 64);
    cnn_status status = lenet5_init(&net, NULL, 0, arena, LENET5_ARENA_BYTES);
    if (status != CNN_OK) {
        fprintf(stderr, "lenet5_init: %s\n", cnn_status_text(status));
        free(arena);
        return 1;
    }
    int failures = argc < 2;
    if (failures) {
        fputs("usage: digits FILE...\n", stderr);
    }
    for (int i = 1; i < argc; ++i) {
        unsigned char pixels[DIGIT * DIGIT];
        if (!load_digit(argv[i], pixels)) {
            ++failures;
            continue;
        }
        float image[LENET5_IMAGE_ELEMENTS] = {0};
        for (int y = 0; y < DIGIT; ++y) {
            for (int x = 0; x < DIGIT; ++x) {
                image[(y + PAD) * SIDE + x + PAD] = (float)pixels[y * DIGIT + x] / 255.0f;
            }
        }
        float probabilities[LENET5_PROBABILITIES_ELEMENTS];
        status = lenet5_run(&net, image, probabilities);
        if (status != CNN_OK) {
            fprintf(stderr, "lenet5_run: %s\n", cnn_status_text(status));
            ++failures;
            break;
        }
        int answer = 0;
        for (int digit = 1; digit < 10; ++digit) {
            answer = probabilities[digit] > probabilities[answer] ? digit : answer;
        }
        show(argv[i], pixels, probabilities, answer);
    }
    free(arena);
    return failures > 0;
}
