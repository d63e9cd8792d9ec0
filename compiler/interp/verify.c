/* --verify: interprets the graph before and after each pass on formula-filled inputs and compares the outputs.
 *
 * When they differ, the graph before the pass is gone: passes rewrite in place. What is kept of it is a fingerprint of
 * every node's value. A pass that keeps results makes next to no value that was not there before (folding a batch norm
 * into a convolution gives the convolution the batch norm's value), so the first node whose fingerprint matches none of
 * the graph before is where things went wrong. */
#include <stdint.h>
#include <math.h>

#include "interp/eval.h"

enum { N_PROJECTIONS = 4 };

static const double tolerance = 1e-9; /* of the largest value */

/* A value in a few numbers: the sum of its elements' sizes, and sums weighted with fixed pseudo-random factors of
 * [-1, 1), so that a change of any element shows in them. */
typedef struct Fingerprint {
    TensorType type;
    double size;
    double projection[N_PROJECTIONS];
} Fingerprint;

typedef struct OutputValue {
    TensorType type;
    double *values;
    double max; /* of the finite sizes */
} OutputValue;

/* All that is kept of one state of the graph. */
typedef struct State {
    Arena *arena;
    Fingerprint *fingerprints; /* of the nodes that are no constants, in topological order */
    const Node **nodes;        /* whose fingerprint it is: valid while the graph is in this state */
    uint32_t n_fingerprints;
    OutputValue *outputs;
} State;

struct InterpVerifier {
    const Weights *weights;
    State *before; /* NULL before the first check */
};

static State *state_create(void)
{
    Arena *arena = arena_create();
    State *state = ARENA_NEW(arena, State);
    state->arena = arena;
    return state;
}

static void state_destroy(State *state)
{
    if (state != NULL) {
        arena_destroy(state->arena);
    }
}

/* A factor of [-1, 1) for element i: a 64-bit counter through a multiply-and-fold mix. */
static double factor(uint64_t i, uint64_t projection)
{
    uint64_t z = (i * N_PROJECTIONS + projection + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    z ^= z >> 32;
    return (double)(z >> 11) / 4503599627370496.0 - 1.0; /* 53 bits over 2^52 */
}

static void take_fingerprint(void *user, const Node *node, const double *values)
{
    State *state = user;
    Fingerprint *print = &state->fingerprints[state->n_fingerprints];
    state->nodes[state->n_fingerprints++] = node;
    print->type = node->type;
    int64_t count = type_elements(node->type);
    for (int64_t i = 0; i < count; ++i) {
        print->size += fabs(values[i]);
        for (int k = 0; k < N_PROJECTIONS; ++k) {
            print->projection[k] += factor((uint64_t)i, (uint64_t)k) * values[i];
        }
    }
}

/* Evaluates the graph and keeps its outputs and the fingerprints of all nodes. */
static State *state_of(const Graph *graph, const Weights *weights)
{
    State *state = state_create();
    state->fingerprints = ARENA_ARRAY(state->arena, Fingerprint, graph->n_nodes);
    state->nodes = ARENA_ARRAY(state->arena, const Node *, graph->n_nodes);
    state->outputs = ARENA_ARRAY(state->arena, OutputValue, graph->n_outputs);
    bool *keep = ARENA_ARRAY(state->arena, bool, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        keep[graph->outputs[i].node->id] = true;
    }
    double **inputs = interp_formula_inputs(graph, state->arena);
    InterpResult result =
        interp_run_visiting(graph, weights, (const double *const *)inputs, keep, state->arena, take_fingerprint, state);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Node *node = graph->outputs[i].node;
        OutputValue *output = &state->outputs[i];
        *output = (OutputValue){.type = node->type, .values = result.values[node->id]};
        if (node_is_constant(node)) {
            output->values = interp_constant_values(node, weights, state->arena);
        }
        for (int64_t k = 0; k < type_elements(node->type); ++k) {
            double size = fabs(output->values[k]);
            output->max = isfinite(size) && size > output->max ? size : output->max;
        }
    }
    return state;
}

/* Largest difference of two values of one type; infinite where one of them is no number and the other is. */
static double largest_difference(const OutputValue *a, const OutputValue *b)
{
    double largest = 0.0;
    for (int64_t i = 0; i < type_elements(a->type); ++i) {
        double x = a->values[i], y = b->values[i];
        if (x == y || (isnan(x) && isnan(y))) {
            continue;
        }
        double difference = fabs(x - y);
        largest = fmax(largest, isnan(difference) ? INFINITY : difference);
    }
    return largest;
}

static bool fingerprints_match(const Fingerprint *a, const Fingerprint *b)
{
    if (!type_equal(a->type, b->type)) {
        return false;
    }
    for (int k = 0; k < N_PROJECTIONS; ++k) {
        if (!(fabs(a->projection[k] - b->projection[k]) <= tolerance * fmax(a->size, b->size))) {
            return false;
        }
    }
    return true;
}

/* The first node of `after` whose value is none of those before; NULL where all are known. */
static const Node *first_new_value(const State *before, const State *after)
{
    for (uint32_t i = 0; i < after->n_fingerprints; ++i) {
        bool known = false;
        for (uint32_t k = 0; k < before->n_fingerprints && !known; ++k) {
            known = fingerprints_match(&before->fingerprints[k], &after->fingerprints[i]);
        }
        if (!known) {
            return after->nodes[i];
        }
    }
    return NULL;
}

InterpVerifier *interp_verifier_create(Arena *arena, const Weights *weights)
{
    InterpVerifier *verifier = ARENA_NEW(arena, InterpVerifier);
    verifier->weights = weights;
    return verifier;
}

void interp_verifier_destroy(InterpVerifier *verifier)
{
    state_destroy(verifier->before);
    verifier->before = NULL;
}

/* Reports the first output that differs; true without one. */
static bool compare(const State *before, const State *after, const Graph *graph, const char *pass_name, Diag *diag)
{
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const OutputValue *a = &before->outputs[i], *b = &after->outputs[i];
        bool same_type = type_equal(a->type, b->type);
        double difference = same_type ? largest_difference(a, b) : INFINITY;
        if (difference <= tolerance * a->max) {
            continue;
        }
        const Node *node = first_new_value(before, after);
        if (node == NULL) {
            node = graph->outputs[i].node; /* every value was there before: the wrong one is read */
        }
        Str label = node_label(after->arena, node);
        diag_error(diag, DIAG_MISCOMPILED_PASS, node->span,
                   "pass '%s' changes what the net computes: output '" STR_FMT
                   "' moves by %.3g (its largest value is %.3g); "
                   "the first value that was not there before is that of " STR_FMT,
                   pass_name, STR_ARG(graph->outputs[i].name), difference, a->max, STR_ARG(label));
        diag_help(diag, "this is a bug of cnnc, please report it; --no-%s avoids it", pass_name);
        diag_chain(diag, node->site);
        return false;
    }
    return true;
}

bool interp_verifier_check(InterpVerifier *verifier, const Graph *graph, const char *pass_name, Diag *diag)
{
    State *after = state_of(graph, verifier->weights);
    bool ok = verifier->before == NULL || compare(verifier->before, after, graph, pass_name, diag);
    state_destroy(verifier->before);
    verifier->before = after;
    return ok;
}
