/* For tests: a net of any ports (floats, bytes, indices; several of each) compiled, run and compared. */
#ifndef TESTS_RUN_NET_CHECK_H
#define TESTS_RUN_NET_CHECK_H

#include <stdbool.h>

typedef struct NetCheck {
    const char *name;          /* of the folder $CNNC_BUILD/tmp/net_check-NAME */
    const char *file;          /* the .net file */
    const char *net;           /* one of its nets; NULL: the only one */
    const char *defines;       /* for the command line: "-D size=64"; NULL: none */
    const char *dense_storage; /* --dense-storage; weights of dense ops are expected to be rounded so; NULL: f32 */
    bool embeds;               /* --embed-weights */
    const char *flags;         /* more of them for cc: "-march=x86-64-v2"; NULL: none */
    int parts; /* --threads-max; 1: runs once. More: the bits must not depend on how many parts are run where */
} NetCheck;

/* Compiles the net with formula weights, runs it on formula inputs, and compares every output with the interpreter's
 * on the graph that no pass has touched: floats up to 1e-5 of the largest value, indices exactly. Inputs must stay as
 * they are, nothing may be written outside of arena and outputs. Fails the test on any fault. */
void net_check(const NetCheck *check);

#endif
