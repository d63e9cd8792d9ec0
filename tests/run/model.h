/* For tests: a network compiled by build/cnnc and cc into a shared object, loaded, and ready to run. */
#ifndef TESTS_RUN_MODEL_H
#define TESTS_RUN_MODEL_H

#include <stdint.h>

#include "cnn.h"
#include "support/arena.h"

typedef struct Model {
    Arena *arena;
    const char *folder; /* $CNNC_BUILD/tmp/NAME: model.c, model.h, model.weights, model.so, cnnc.txt */
    void *library;      /* of dlopen */
    size_t net_bytes, arena_bytes, weights_bytes;
    void *net;             /* the struct `model` */
    unsigned char *memory; /* the arena, filled with 0xFF before init: nothing may rely on zeros */
    unsigned char *blob;   /* NULL where the weights are embedded */
    cnn_status (*init)(void *net, const void *weights, size_t weights_bytes, void *arena, size_t arena_bytes);
    cnn_status (*run)(void *net, const float *input, float *output); /* nets of one input and one output */
    void *symbol_run;                                                /* the same, to be cast for other signatures */
    void (*set_parallel)(void *net, cnn_parallel_for *run, void *context);
} Model;

/* Compiles NET with `cnnc NET ARGUMENTS --name=model` (for target portable, where ARGUMENTS name no other) and `CC -shared`; fails the test (with what was said) on any
 * fault. Calls init. */
Model model_build(const char *name, const char *net, const char *arguments, const char *cc);
void model_release(Model *model);

/* Elements of the index-th port: inputs first, then outputs, in declared order. */
int model_elements(Model *model, int index);
/* Runs a net of several float inputs and outputs (the combinations that the zoo has). */
cnn_status model_call(Model *model, int n_inputs, int n_outputs, float **in, float **out);

#endif
