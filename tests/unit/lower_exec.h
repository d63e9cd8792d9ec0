/* Carries out a program in double precision, from its records alone: what program.h says a record means, as code. */
#ifndef CNNC_TESTS_LOWER_EXEC_H
#define CNNC_TESTS_LOWER_EXEC_H

#include "lower/program.h"
#include "weights/weights.h"

/* inputs[i]: row-major [C,H,W], as the interpreter takes them. Returns one array an output, row-major, in `arena`. */
double **lower_exec(const Program *program, const Weights *weights, const double *const *inputs, Arena *arena);

/* Runs the interpreter and the program on formula weights and inputs, and ends the test where any output differs by
 * more than 1e-12 of its largest value. */
void lower_exec_compare(const Program *program, const char *what);

#endif
