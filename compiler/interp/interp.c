/* The evaluation itself: walks the nodes in topological order, hands each to the function of its op, applies the
 * epilogue (residual, then activation), and frees values after their last reader, so that even a large net needs only a
 * few of its activations at a time. */
#include "interp/interp.h"

#include <stdlib.h>

#include "interp/eval.h"

double *interp_alloc(int64_t count)
{
    double *values = calloc(count > 0 ? (size_t)count : 1, sizeof(double));
    if (values == NULL) {
        out_of_memory();
    }
    return values;
}

/* State of one run, by node id. */
typedef struct Run {
    const Graph *graph;
    const Weights *weights;
    double **values;
    uint32_t *readers; /* reads still to come */
    const bool *keep;
    Arena *arena;
} Run;

static void dispatch(const Eval *eval)
{
    switch (eval->node->op) {
    case OP_CONV:
    case OP_DEPTHWISE_CONV:
        interp_conv(eval);
        return;
    case OP_CONV_TRANSPOSE:
        interp_conv_transpose(eval);
        return;
    case OP_DENSE:
        interp_dense(eval);
        return;
    case OP_RBF:
        interp_rbf(eval);
        return;
    case OP_BATCH_NORM:
        interp_batch_norm(eval);
        return;
    case OP_INSTANCE_NORM:
        interp_instance_norm(eval);
        return;
    case OP_LRN:
        interp_lrn(eval);
        return;
    case OP_L2_NORMALIZE:
        interp_l2_normalize(eval);
        return;
    case OP_AFFINE:
        interp_affine(eval);
        return;
    case OP_NORMALIZE:
        interp_normalize(eval);
        return;
    case OP_MAX_POOL:
        interp_max_pool(eval);
        return;
    case OP_AVG_POOL:
        interp_avg_pool(eval);
        return;
    case OP_GLOBAL_AVG_POOL:
        interp_global_avg_pool(eval);
        return;
    case OP_GLOBAL_MAX_POOL:
        interp_global_max_pool(eval);
        return;
    case OP_ADAPTIVE_AVG_POOL:
        interp_adaptive_avg_pool(eval);
        return;
    case OP_SUBSAMPLE:
        interp_subsample(eval);
        return;
    case OP_RELU:
    case OP_RELU6:
    case OP_LEAKY_RELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_TANH:
    case OP_SCALED_TANH:
    case OP_SILU:
    case OP_HARD_SWISH:
    case OP_GELU:
    case OP_ELU:
    case OP_SOFTPLUS:
    case OP_STEP:
    case OP_IDENTITY:
    case OP_CLAMP:
        interp_act(eval);
        return;
    case OP_PRELU:
        interp_prelu(eval);
        return;
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
        interp_softmax(eval);
        return;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        interp_binary(eval);
        return;
    case OP_SCALE:
        interp_scale(eval);
        return;
    case OP_DROPOUT:
    case OP_RESHAPE:
        interp_copy(eval);
        return;
    case OP_CONCAT:
        interp_concat(eval);
        return;
    case OP_FLATTEN:
        interp_flatten(eval);
        return;
    case OP_PERMUTE:
        interp_permute(eval);
        return;
    case OP_SLICE:
        interp_slice(eval);
        return;
    case OP_CROP:
        interp_crop(eval);
        return;
    case OP_CHANNEL_SHUFFLE:
        interp_channel_shuffle(eval);
        return;
    case OP_PAD:
        interp_pad(eval);
        return;
    case OP_UPSAMPLE:
        interp_upsample(eval);
        return;
    case OP_GRAM:
        interp_gram(eval);
        return;
    case OP_MSE:
        interp_mse(eval);
        return;
    case OP_SUM:
    case OP_MEAN:
        interp_sum(eval);
        return;
    case OP_ARGMAX:
        interp_argmax(eval);
        return;
    case OP_TOP_K:
        interp_top_k(eval);
        return;
    case OP_INPUT:
    case OP_CONST:
    case OP_COUNT:
        break;
    }
    ICE("the interpreter cannot evaluate a node of op %d", (int)eval->node->op);
}

/* One reader of `node` has been served. */
static void release(Run *run, const Node *node)
{
    if (--run->readers[node->id] == 0 && !run->keep[node->id]) {
        free(run->values[node->id]);
        run->values[node->id] = NULL;
    }
}

static void evaluate(Run *run, const Node *node, double *out)
{
    uint32_t n = node->n_data;
    Operand *operands = calloc(n > 0 ? n : 1, sizeof *operands);
    double **literals = calloc(n > 0 ? n : 1, sizeof *literals); /* values of constants among the operands */
    if (operands == NULL || literals == NULL) {
        out_of_memory();
    }
    for (uint32_t i = 0; i < n; ++i) {
        const Node *input = node->inputs[i];
        if (node_is_constant(input)) {
            literals[i] = interp_alloc(type_elements(input->type));
            interp_constant(input, run->weights, 0, type_elements(input->type), literals[i]);
        }
        operands[i] = (Operand){input->type, literals[i] != NULL ? literals[i] : run->values[input->id]};
    }
    int64_t count = type_elements(node->type);
    Eval eval = {node, run->weights, operands, node->adds_residual ? n - 1 : n, out};
    dispatch(&eval);
    if (node->adds_residual) {
        const double *residual = operands[n - 1].data;
        for (int64_t i = 0; i < count; ++i) {
            out[i] += residual[i];
        }
    }
    interp_apply_activation(&node->act, out, count);
    for (uint32_t i = 0; i < n; ++i) {
        free(literals[i]);
    }
    free(literals);
    free(operands);
}

static const double *input_values(const Graph *graph, const double *const *inputs, const Node *node)
{
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        if (graph->inputs[i].node == node) {
            return inputs[i];
        }
    }
    ICE("input '" STR_FMT "' is no input of its graph", STR_ARG(node->path));
}

InterpResult interp_run_visiting(const Graph *graph, const Weights *weights, const double *const *inputs,
                                 const bool *keep, Arena *arena, InterpVisit *visit, void *user)
{
    Run run = {graph, weights, ARENA_ARRAY(arena, double *, graph->n_nodes), NULL, keep, arena};
    run.readers = calloc(graph->n_nodes > 0 ? graph->n_nodes : 1, sizeof *run.readers);
    if (run.readers == NULL) {
        out_of_memory();
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        const Node *node = graph->nodes[i];
        for (uint32_t k = 0; k < node->n_data; ++k) {
            ++run.readers[node->inputs[k]->id];
        }
    }
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        const Node *node = graph->nodes[i];
        if (node_is_constant(node)) {
            continue;
        }
        int64_t count = type_elements(node->type);
        double *out = keep[i] ? ARENA_ARRAY(arena, double, count) : interp_alloc(count);
        run.values[i] = out;
        if (node->op == OP_INPUT) {
            memcpy(out, input_values(graph, inputs, node), (size_t)count * sizeof(double));
        } else {
            evaluate(&run, node, out);
        }
        if (visit != NULL) {
            visit(user, node, out);
        }
        for (uint32_t k = 0; k < node->n_data; ++k) {
            if (!node_is_constant(node->inputs[k])) {
                release(&run, node->inputs[k]);
            }
        }
        if (run.readers[i] == 0 && !keep[i]) { /* nobody reads it */
            free(out);
            run.values[i] = NULL;
        }
    }
    free(run.readers);
    return (InterpResult){run.values};
}

InterpResult interp_run(const Graph *graph, const Weights *weights, const double *const *inputs, bool keep_all,
                        Arena *arena)
{
    bool *keep = ARENA_ARRAY(arena, bool, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        keep[i] = keep_all;
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        keep[graph->outputs[i].node->id] = true;
    }
    return interp_run_visiting(graph, weights, inputs, keep, arena, NULL, NULL);
}

static void fill_floats(Str name, int64_t count, double *out)
{
    float *floats = calloc((size_t)count, sizeof *floats);
    if (floats == NULL) {
        out_of_memory();
    }
    formula_fill_input(name, count, floats);
    for (int64_t i = 0; i < count; ++i) {
        out[i] = floats[i];
    }
    free(floats);
}

static void fill_bytes(Str name, int64_t count, double *out)
{
    uint8_t *bytes = calloc((size_t)count, sizeof *bytes);
    if (bytes == NULL) {
        out_of_memory();
    }
    formula_fill_bytes(name, count, bytes);
    for (int64_t i = 0; i < count; ++i) {
        out[i] = bytes[i];
    }
    free(bytes);
}

double **interp_formula_inputs(const Graph *graph, Arena *arena)
{
    double **inputs = ARENA_ARRAY(arena, double *, graph->n_inputs);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        const Port *port = &graph->inputs[i];
        int64_t count = type_elements(port->node->type);
        Str name = graph->n_inputs == 1 ? STR("input") : port->name;
        inputs[i] = ARENA_ARRAY(arena, double, count);
        if (port->node->type.dtype == DT_U8) {
            fill_bytes(name, count, inputs[i]);
        } else {
            fill_floats(name, count, inputs[i]);
        }
    }
    return inputs;
}
