/* For tests of generated kernels: many records go into one C file, which is compiled without a warning and loaded as a
 * table of functions; each then runs over operands of random numbers, between guards that must survive. Portable and
 * vector kernels share all of this; what they are packed for, laid out in and compared with is theirs.
 *
 * Names are short where tables of shapes are written in them: pick(b, 1, 9). */
#ifndef TESTS_RUN_KERNEL_BATCH_H
#define TESTS_RUN_KERNEL_BATCH_H

#include "kernel_reference.h"

/* Every kernel runs whole and in 2, 3 .. MAX_PARTS parts. */
enum { MAX_KERNELS = 200, MAX_PARTS = 5 };

/* As in generated code for nets of more than floats. Portable kernels know the members up to `scratch` alone, which lie
 * where they do in the shorter struct of their text. */
typedef struct step_arguments {
    const float *x[2];
    const float *residual;
    const float *weights, *bias;
    float *y;
    float *scratch;
    const uint8_t *bytes;
    int32_t *indices;
    const float *norm;
} step_arguments;
typedef void step_kernel(const step_arguments *a, int part, int parts);

typedef struct Batch {
    Arena *arena;
    Kernel *kernels[MAX_KERNELS];
    uint32_t count, random;
    int32_t b; /* floats of a vector; 0: the kernels are portable C */
} Batch;

/* Without kernels, and with the same random numbers as every other. arena_destroy(b.arena) releases it. */
Batch batch_create(int32_t b);
/* One more record, with a name of its own; layouts, tiles and the format of the weights are left to the caller. */
Kernel *batch_add(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act);
const char *describe(Batch *b, const Kernel *kernel); /* all that tells it from the others, for messages */

/* --- deterministic numbers: the same in every run, on every machine */

int32_t pick(Batch *b, int32_t lo, int32_t hi); /* both included */
float random_float(Batch *b);                   /* at least -1, below 1 */
/* Each `scale` times such a number. Of malloc, at their exact size, so that ASan sees reads past the end; free()
 * releases them. */
float *random_floats(Batch *b, int64_t count, float scale);
/* Any window that fits: rectangular kernels, uneven padding, dilation; false where the dice gave no output. */
bool random_window(Batch *b, KernelSizes *s);

/* The operands of a kernel, given as the record that kernel_reference takes: first sizes and `x`, up to `scale`; then
 * all others, weights rounded as they are stored. In two calls, so that a test may draw numbers of its own between. */
void draw_inputs(Batch *b, const Kernel *kernel, float scale, KernelData *data);
void draw_parameters(Batch *b, const Kernel *kernel, KernelData *data);
void kernel_data_release(KernelData *data);

/* --- memory between guards */

typedef struct Memory {
    float *base, *values; /* free(base) releases it */
    int64_t count;
} Memory;

/* Every float, those of the guards included, is a NaN of our own. Aligned to 64 bytes, which vector kernels may rely on
 * for most operands; or to one float only, for operands where they must not. */
Memory memory_create(int64_t count, bool aligned);
bool is_guard(float value); /* still that NaN, bit for bit */
/* Fails the test if the kernel has written outside of `m`, which is its `what`. */
void memory_check(const Memory *m, Batch *b, const Kernel *kernel, const char *what);

/* --- C text, compiled, and run */

Str batch_text(Batch *b);
/* Compiles the text with `cc` and `flags`, checks that C++ takes it too, and loads the kernels: a table in the batch's
 * order. */
step_kernel *const *batch_load(Batch *b, const char *test, const char *cc, const char *flags);

/* Runs the kernel against its definition, and returns the error, which is at most `tolerance`. */
typedef double CheckKernel(Batch *b, const Kernel *kernel, step_kernel *function, double tolerance);
/* Batches are checked by a second compiler too; not under the sanitizers, which look at cnnc. */
bool batch_asks_clang(void);
/* Loads the batch and checks each of its kernels. With CNNC_KERNELS_VERBOSE set, prints the worst error of them. */
void batch_check(Batch *b, const char *test, const char *cc, const char *flags, CheckKernel *check, double tolerance);

/* All parts, the last first, since their order must not matter; with scratch of its own between guards. */
void run_parts(Batch *b, const Kernel *kernel, step_kernel *function, step_arguments a, int parts);

/* The result's memory as a kernel finds it; `check` is what the caller of check_parts gives. */
typedef Memory BlankResult(const void *check);
/* In 2, 3 .. MAX_PARTS parts the kernel writes the bits of `y`, which it wrote in one, and nothing else. */
void check_parts(Batch *b, const Kernel *kernel, step_kernel *function, step_arguments a, const Memory *y,
                 BlankResult *blank, const void *check);

#endif
