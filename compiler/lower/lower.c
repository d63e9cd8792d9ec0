/* Lowering: graph -> program. First every node is looked at for what generated C has no place for, so that one run
 * reports all of it; then each node, in order, becomes steps (lower_<family>.c) or a view; at the end outputs are bound
 * to the caller's memory, the weights get their places in the blob, and memory is planned.
 *
 * Adding an op: a case in lower_node, a function in a family file. */
#include "lower/lowering.h"

/* --- what cannot be lowered */

/* Literals are fine as the operands of arithmetic; a constant anywhere else would need a place in memory. */
static bool takes_literals(OpKind op)
{
    return op == OP_ADD || op == OP_SUB || op == OP_MUL;
}

static bool has_constant_operand(const Node *node)
{
    uint32_t literals = 0;
    for (uint32_t i = 0; i < node->n_data; ++i) {
        double value;
        if (!node_is_constant(node->inputs[i])) {
            continue;
        }
        if (!takes_literals(node->op) || i >= 2 || !lower_is_literal(node->inputs[i], &value)) {
            return true;
        }
        ++literals;
    }
    return literals > 1;
}

static void report_constant_operand(Diag *diag, Arena *scratch, const Node *node)
{
    Str label = node_label(scratch, node);
    diag_error(diag, DIAG_UNSUPPORTED_OP, node->span, STR_FMT " of a constant is not supported by the backend",
               STR_ARG(label));
    diag_chain(diag, node->site);
    diag_help(diag, "--emit=graph and --summary work with every op; only generated C is missing");
}

static bool check_supported(const Graph *graph, Arena *scratch, Diag *diag)
{
    bool ok = true;
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        if (graph->nodes[i]->op != OP_CONST && has_constant_operand(graph->nodes[i])) {
            report_constant_operand(diag, scratch, graph->nodes[i]);
            ok = false;
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Port *port = &graph->outputs[i];
        if (node_is_constant(port->node)) {
            diag_error(diag, DIAG_UNSUPPORTED_OP, port->span,
                       "output '" STR_FMT "' that is a constant is not supported by the backend", STR_ARG(port->name));
            diag_help(diag, "an output must depend on an input");
            ok = false;
        }
    }
    return ok;
}

/* --- node by node */

static void lower_node(Lowering *l, const Node *node)
{
    const NodeLayout *layout = &l->layouts[node->id];
    if (layout->is_second || layout->is_before) {
        return; /* the step that takes it does its work, or it is a view that leads there (layout_merge.c) */
    }
    switch (node->op) {
    case OP_INPUT:
    case OP_CONST:
        return; /* ports have their buffers already; constants become segments where they are read */
    case OP_CONV:
    case OP_DEPTHWISE_CONV:
        lower_conv(l, node);
        return;
    case OP_DENSE:
        lower_dense(l, node);
        return;
    case OP_MAX_POOL:
    case OP_AVG_POOL:
        lower_window_pool(l, node);
        return;
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
        lower_global_pool(l, node);
        return;
    case OP_ADAPTIVE_AVG_POOL:
        lower_adaptive_pool(l, node);
        return;
    case OP_RELU:
    case OP_RELU6:
    case OP_LEAKY_RELU:
    case OP_PRELU:
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
    case OP_CLAMP:
        lower_unary(l, node);
        return;
    case OP_IDENTITY:
    case OP_DROPOUT:
        return; /* lower_value_of sees through them */
    case OP_RESHAPE:
        lower_reshape(l, node);
        return;
    case OP_BATCH_NORM:
    case OP_AFFINE:
    case OP_NORMALIZE:
        lower_scale_and_shift(l, node);
        return;
    case OP_SCALE:
        lower_scale(l, node);
        return;
    case OP_LRN:
        lower_lrn(l, node);
        return;
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
        lower_softmax(l, node);
        return;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        lower_binary(l, node);
        return;
    case OP_CONCAT:
        lower_concat(l, node);
        return;
    case OP_FLATTEN:
        lower_flatten(l, node);
        return;
    case OP_PERMUTE:
        lower_permute(l, node);
        return;
    case OP_SLICE:
        lower_slice(l, node);
        return;
    case OP_CROP:
        lower_crop(l, node);
        return;
    case OP_CHANNEL_SHUFFLE:
        lower_channel_shuffle(l, node);
        return;
    case OP_PAD:
        if (node->attr.shape.pad_mode == PAD_ZERO && !lower_is_blocked(l, node)) {
            lower_pad(l, node);
        } else {
            lower_border(l, node);
        }
        return;
    case OP_CONV_TRANSPOSE:
        lower_conv_transpose(l, node);
        return;
    case OP_INSTANCE_NORM:
        lower_instance_norm(l, node);
        return;
    case OP_SUBSAMPLE:
        lower_subsample(l, node);
        return;
    case OP_RBF:
        lower_rbf(l, node);
        return;
    case OP_L2_NORMALIZE:
        lower_l2_normalize(l, node);
        return;
    case OP_UPSAMPLE:
        lower_upsample(l, node);
        return;
    case OP_GRAM:
        lower_gram(l, node);
        return;
    case OP_MSE:
    case OP_SUM:
    case OP_MEAN:
        lower_reduce(l, node);
        return;
    case OP_ARGMAX:
        lower_argmax(l, node);
        return;
    case OP_TOP_K:
        lower_top_k(l, node);
        return;
    case OP_COUNT:
        break;
    }
    ICE("no op %d", (int)node->op);
}

/* --- ports */

static void bind_inputs(Lowering *l)
{
    const Graph *graph = l->graph;
    l->program->inputs = ARENA_ARRAY(l->arena, Buffer *, graph->n_inputs);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        const Node *node = graph->inputs[i].node;
        Layout layout = layout_of_input(node->type, node->attr.input.hwc);
        Buffer *buffer = lower_new_port(l, BUFFER_INPUT, i, graph->inputs[i].name, node->type, layout);
        l->program->inputs[i] = buffer;
        l->buffer_of[node->id] = buffer;
    }
}

/* The steps that make a value may write straight into the caller's memory, unless it is promised to another port. */
static bool can_become_output(const Buffer *buffer)
{
    return buffer->kind == BUFFER_ARENA && layout_is_plain(&buffer->layout);
}

static void bind_outputs(Lowering *l)
{
    const Graph *graph = l->graph;
    Program *program = l->program;
    program->outputs = ARENA_ARRAY(l->arena, Buffer *, graph->n_outputs);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Port *port = &graph->outputs[i];
        Buffer *value = lower_operand(l, port->node); /* of an hwc input: its plain form */
        if (value->dtype == DT_I32 && value->kind != BUFFER_ARENA) {
            lower_node(l, port->node); /* promised to another port: copies are for floats, so it is made again */
            value = lower_operand(l, port->node);
        }
        Buffer *root = buffer_root(value);
        if (can_become_output(root)) {
            root->kind = BUFFER_OUTPUT;
            root->port = i;
            root->name = port->name;
            program->outputs[i] = root;
            continue;
        }
        Buffer *output =
            lower_new_port(l, BUFFER_OUTPUT, i, port->name, port->node->type, layout_plain(port->node->type));
        lower_copy(l, port->node, value, output);
        program->steps[program->n_steps - 1].title =
            arena_printf(l->arena, "copy to output '" STR_FMT "'", STR_ARG(port->name));
        program->outputs[i] = output;
    }
    for (uint32_t i = 0; i < program->n_buffers; ++i) { /* views are where their roots are */
        Buffer *buffer = program->buffers[i];
        buffer->kind = buffer_root(buffer)->kind;
        buffer->port = buffer_root(buffer)->port;
    }
}

Program *lower(Arena *arena, const Graph *graph, const LowerOptions *options, Diag *diag)
{
    Arena *scratch = arena_create();
    Program *program = NULL;
    if (check_supported(graph, scratch, diag)) {
        program = ARENA_NEW(arena, Program);
        program->arena = arena;
        program->graph = graph;
        program->target = options->target;
        program->batch = options->batch;
        program->parts = options->parts;
        program->dense_storage = options->dense_storage;
        Lowering l = {.arena = arena,
                      .scratch = scratch,
                      .graph = graph,
                      .program = program,
                      .buffer_of = ARENA_ARRAY(scratch, Buffer *, graph->n_nodes),
                      .plain_of = ARENA_ARRAY(scratch, Buffer *, graph->n_nodes),
                      .blocked_of = ARENA_ARRAY(scratch, Buffer *, graph->n_nodes),
                      .planar_of = ARENA_ARRAY(scratch, Buffer *, graph->n_nodes),
                      .flat_of = ARENA_ARRAY(scratch, const Node *, graph->n_nodes),
                      .no_winograd = options->no_winograd,
                      .dense_storage = options->dense_storage,
                      .choices = options->choices,
                      .no_fuse_projection = options->no_fuse_projection,
                      .no_fuse_prologue = options->no_fuse_prologue,
                      .kernels = map_create(scratch),
                      .kernel_names = map_create(scratch),
                      .segments = map_create(scratch)};
        choices_resolve(&l, diag);
        layouts_assign(&l);
        bind_inputs(&l);
        for (uint32_t i = 0; i < graph->n_nodes; ++i) {
            lower_node(&l, graph->nodes[i]);
        }
        bind_outputs(&l);
        segments_finish(program);
        plan_buffers(program, scratch);
        halos_zero(&l);
        steps_decide_alone(program, options->split_from);
    }
    arena_destroy(scratch);
    return program;
}
