/* The run function: one comment and one call a step, and the small functions through which the calls go.
 *
 * A kernel takes its operands in a struct, because it may be called from the caller's threads. So that a step is one
 * readable line, a step function fills the struct; its name tells which operands it takes, in order: step_xwby takes
 * input, weights, bias, output. Only those that this network calls are written. */
#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_parts.h"

/* --- which operands a step has */

enum Operand {
    HAS_X = 1,
    HAS_X2 = 2,
    HAS_RESIDUAL = 4,
    HAS_WEIGHTS = 8,
    HAS_BIAS = 16,
    HAS_SCRATCH = 32,
    HAS_BYTES = 64,    /* in place of x */
    HAS_INDICES = 128, /* in place of y */
    HAS_NORM = 256
};

static unsigned operands_of(const Step *step)
{
    bool bytes = step->n_inputs > 0 && step->inputs[0]->dtype == DT_U8;
    return (bytes                ? HAS_BYTES
            : step->n_inputs > 0 ? HAS_X
                                 : 0u) |
           (step->output->dtype == DT_I32 ? HAS_INDICES : 0u) | (step->n_inputs > 1 ? HAS_X2 : 0u) |
           (step->residual != NULL ? HAS_RESIDUAL : 0u) | (step->weight != NULL ? HAS_WEIGHTS : 0u) |
           (step->bias != NULL ? HAS_BIAS : 0u) | (step->scratch != NULL ? HAS_SCRATCH : 0u) |
           (step->norm != NULL ? HAS_NORM : 0u);
}

Str emit_step_function_name(Arena *arena, unsigned operands)
{
    return arena_printf(arena, "step_%s%s%s%s%s%s%s%s%s", operands & HAS_BYTES ? "u" : "", operands & HAS_X ? "x" : "",
                        operands & HAS_X2 ? "x" : "", operands & HAS_NORM ? "n" : "",
                        operands & HAS_RESIDUAL ? "r" : "", operands & HAS_WEIGHTS ? "w" : "",
                        operands & HAS_BIAS ? "b" : "", operands & HAS_SCRATCH ? "s" : "",
                        operands & HAS_INDICES ? "i" : "y");
}

bool emit_is_mixed(const Program *program)
{
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        if (operands_of(&program->steps[i]) & (HAS_BYTES | HAS_INDICES | HAS_NORM)) {
            return true;
        }
    }
    return false;
}

/* --- step functions */

static void emit_parallel(const ApiNames *names, CWriter *w)
{
    cw_comment(w,
               "A step for the caller's threads. Always " STR_FMT "_THREADS_MAX parts, whatever the number of threads, "
               "so that every run gives the same bits. Small steps come without a network: the calling thread runs "
               "them alone.",
               STR_ARG(names->upper));
    cw_open(w, "typedef struct parallel_step");
    cw_line(w, "step_kernel *kernel;");
    cw_line(w, "const step_arguments *a;");
    cw_close(w, " parallel_step;");
    cw_blank(w);
    cw_line(w, "static void run_part(void *data, int part)");
    cw_body(w);
    cw_line(w, "const parallel_step *step = (const parallel_step *)data;");
    cw_line(w, "step->kernel(step->a, part, " STR_FMT "_THREADS_MAX);", STR_ARG(names->upper));
    cw_close(w, "");
    cw_blank(w);
    cw_line(w, "static void run_step(const " STR_FMT " *" STR_FMT ", step_kernel *kernel, const step_arguments *a)",
            STR_ARG(names->prefix), STR_ARG(names->net));
    cw_body(w);
    cw_open(w, "if (" STR_FMT " == NULL || " STR_FMT "->parallel_for == NULL)", STR_ARG(names->net),
            STR_ARG(names->net));
    cw_line(w, "kernel(a, 0, 1);");
    cw_chain(w, "else");
    cw_line(w, "parallel_step step;");
    cw_line(w, "step.kernel = kernel;");
    cw_line(w, "step.a = a;");
    cw_line(w, STR_FMT "->parallel_for(" STR_FMT "->parallel_context, run_part, &step, " STR_FMT "_THREADS_MAX);",
            STR_ARG(names->net), STR_ARG(names->net), STR_ARG(names->upper));
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_step_function(Arena *arena, const Program *program, const ApiNames *names, unsigned operands,
                               CWriter *w)
{
    ItemList parameters = {.arena = arena};
    if (program->parts > 1) {
        items_add(&parameters, "const " STR_FMT " *" STR_FMT, STR_ARG(names->prefix), STR_ARG(names->net));
    }
    items_add(&parameters, "step_kernel *kernel");
    static const struct {
        unsigned operand;
        const char *parameter;
    } table[] = {
        {HAS_BYTES, "const uint8_t *bytes"},
        {HAS_X, "const float *x"},
        {HAS_X2, "const float *x2"},
        {HAS_NORM, "const float *norm"},
        {HAS_RESIDUAL, "const float *residual"},
        {HAS_WEIGHTS, "const float *weights"},
        {HAS_BIAS, "const float *bias"},
        {HAS_SCRATCH, "float *scratch"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; ++i) {
        if (operands & table[i].operand) {
            items_add(&parameters, "%s", table[i].parameter);
        }
    }
    items_add(&parameters, operands & HAS_INDICES ? "int32_t *indices" : "float *y");
    Str head = arena_printf(arena, "static void " STR_FMT, STR_ARG(emit_step_function_name(arena, operands)));
    emit_items(w, head.ptr, &parameters, "");
    cw_body(w);
    cw_line(w, "const step_arguments a = {{%s, %s}, %s, %s, %s, %s, %s%s%s%s};", operands & HAS_X ? "x" : "NULL",
            operands & HAS_X2 ? "x2" : "NULL", operands & HAS_RESIDUAL ? "residual" : "NULL",
            operands & HAS_WEIGHTS ? "weights" : "NULL", operands & HAS_BIAS ? "bias" : "NULL",
            operands & HAS_INDICES ? "NULL" : "y", operands & HAS_SCRATCH ? "scratch" : "NULL",
            !emit_is_mixed(program) ? ""
            : operands & HAS_BYTES  ? ", bytes"
                                    : ", NULL",
            !emit_is_mixed(program)  ? ""
            : operands & HAS_INDICES ? ", indices"
                                     : ", NULL",
            !emit_is_mixed(program) ? ""
            : operands & HAS_NORM   ? ", norm"
                                    : ", NULL");
    if (program->parts > 1) {
        cw_line(w, "run_step(" STR_FMT ", kernel, &a);", STR_ARG(names->net));
    } else {
        cw_line(w, "kernel(&a, 0, 1);");
    }
    cw_close(w, "");
    cw_blank(w);
}

void emit_step_functions(const Program *program, const ApiNames *names, CWriter *w)
{
    if (program->n_steps == 0) {
        return;
    }
    Arena *arena = arena_create();
    if (program->parts > 1) {
        emit_parallel(names, w);
    }
    bool used[EMIT_STEP_FUNCTIONS] = {false};
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        used[operands_of(&program->steps[i])] = true;
        used[0] = used[0] || program->steps[i].zero_halo != NULL;
    }
    cw_comment(w,
               "Steps: a kernel and its operands. The letters after step_ are the operands in order: x input (xx two), "
               "r residual, w weights, b bias, s scratch, y output%s.",
               emit_is_mixed(program)
                   ? "; u an input of bytes, i an output of indices, n scales and shifts of the input"
                   : "");
    for (unsigned operands = 0; operands < EMIT_STEP_FUNCTIONS; ++operands) {
        if (used[operands]) {
            emit_step_function(arena, program, names, operands, w);
        }
    }
    arena_destroy(arena);
}

/* --- the run function */

/* "arena + 802816": where an element of a buffer lies, in floats. */
static void add_pointer(ItemList *list, const ApiNames *names, const Buffer *buffer, int64_t element)
{
    while (buffer->parent != NULL) {
        element += buffer->parent_offset / FLOAT_BYTES;
        buffer = buffer->parent;
    }
    Str base = STR("");
    switch (buffer->kind) {
    case BUFFER_ARENA:
        base = names->local_arena;
        element += buffer->offset / FLOAT_BYTES;
        break;
    case BUFFER_INPUT:
        base = names->inputs[buffer->port].parameter;
        break;
    case BUFFER_OUTPUT:
        base = names->outputs[buffer->port].parameter;
        break;
    }
    bool cast = buffer->kind == BUFFER_ARENA && buffer->dtype == DT_I32; /* indices that nobody reads */
    if (element == 0) {
        items_add(list, "%s" STR_FMT, cast ? "(int32_t *)" : "", STR_ARG(base));
    } else {
        items_add(list, "%s" STR_FMT " + %" PRId64 "%s", cast ? "(int32_t *)(" : "", STR_ARG(base), element,
                  cast ? ")" : "");
    }
}

static void add_segment(ItemList *list, const ApiNames *names, const Segment *segment)
{
    if (segment->offset == 0) {
        items_add(list, STR_FMT, STR_ARG(names->local_weights));
    } else {
        items_add(list, STR_FMT " + %" PRId64, STR_ARG(names->local_weights), segment->offset / FLOAT_BYTES);
    }
}

/* Whose threads carry out a step: NULL for those that are not split. */
static void add_network(ItemList *list, const Program *program, const ApiNames *names, bool alone)
{
    if (program->parts > 1) {
        items_add(list, STR_FMT, STR_ARG(alone ? STR("NULL") : names->net));
    }
}

/* The border of zeros around what the step is about to write. */
static void emit_zero_halo_step(Arena *arena, const Program *program, const ApiNames *names, const Step *step,
                                CWriter *w)
{
    ItemList list = {.arena = arena};
    add_network(&list, program, names, step->halo_alone);
    items_add(&list, STR_FMT, STR_ARG(step->zero_halo->name));
    add_pointer(&list, names, step->halo_of, 0);
    emit_items(w, emit_step_function_name(arena, 0).ptr, &list, ";");
}

static void emit_step(Arena *arena, const Program *program, const ApiNames *names, const Step *step, CWriter *w)
{
    ItemList list = {.arena = arena};
    add_network(&list, program, names, step->alone);
    items_add(&list, STR_FMT, STR_ARG(step->kernel->name));
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        add_pointer(&list, names, step->inputs[i], step->input_offset[i]);
    }
    if (step->norm != NULL) {
        add_segment(&list, names, step->norm);
    }
    if (step->residual != NULL) {
        add_pointer(&list, names, step->residual, step->residual == step->output ? step->output_offset : 0);
    }
    if (step->weight != NULL) {
        add_segment(&list, names, step->weight);
    }
    if (step->bias != NULL) {
        add_segment(&list, names, step->bias);
    }
    if (step->scratch != NULL) {
        add_pointer(&list, names, step->scratch, 0);
    }
    add_pointer(&list, names, step->output, step->output_offset);
    cw_comment(w, STR_FMT, STR_ARG(step_describe(arena, program, step)));
    if (step->zero_halo != NULL) {
        emit_zero_halo_step(arena, program, names, step, w);
    }
    emit_items(w, emit_step_function_name(arena, operands_of(step)).ptr, &list, ";");
    cw_blank(w);
}

void emit_run_prototype(const Program *program, const ApiNames *names, const char *tail, CWriter *w)
{
    Arena *arena = arena_create();
    const Graph *graph = program->graph;
    ItemList list = {.arena = arena};
    items_add(&list, STR_FMT " *" STR_FMT, STR_ARG(names->prefix), STR_ARG(names->net));
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        items_add(&list, "const %s *" STR_FMT, emit_c_type(program->inputs[i]->dtype),
                  STR_ARG(names->inputs[i].parameter));
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        items_add(&list, "%s *" STR_FMT, emit_c_type(program->outputs[i]->dtype), STR_ARG(names->outputs[i].parameter));
    }
    emit_items(w, arena_printf(arena, "cnn_status " STR_FMT, STR_ARG(names->entry)).ptr, &list, tail);
    arena_destroy(arena);
}

void emit_run_checks(const Program *program, const ApiNames *names, CWriter *w)
{
    Arena *arena = arena_create();
    const Graph *graph = program->graph;
    StrBuf condition = {0};
    strbuf_printf(&condition, STR_FMT " == NULL", STR_ARG(names->net));
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        strbuf_printf(&condition, " || " STR_FMT " == NULL", STR_ARG(names->inputs[i].parameter));
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        strbuf_printf(&condition, " || " STR_FMT " == NULL", STR_ARG(names->outputs[i].parameter));
    }
    cw_open(w, "if (" STR_FMT ")", STR_ARG(arena_copy(arena, strbuf_view(&condition))));
    strbuf_free(&condition);
    cw_line(w, "return CNN_ERROR_NULL_ARGUMENT;");
    cw_close(w, "");
    cw_open(w, "if (" STR_FMT "->ready != " STR_FMT "_READY)", STR_ARG(names->net), STR_ARG(names->upper));
    cw_line(w, "return CNN_ERROR_NOT_INITIALISED;");
    cw_close(w, "");
    arena_destroy(arena);
}

/* With a batch: the next image's place in every input and output. */
static void emit_advance(const ApiNames *names, const Program *program, CWriter *w)
{
    const Graph *graph = program->graph;
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        cw_line(w, STR_FMT " += " STR_FMT " / " STR_FMT "_BATCH;", STR_ARG(names->inputs[i].parameter),
                STR_ARG(names->inputs[i].elements), STR_ARG(names->upper));
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        cw_line(w, STR_FMT " += " STR_FMT " / " STR_FMT "_BATCH;", STR_ARG(names->outputs[i].parameter),
                STR_ARG(names->outputs[i].elements), STR_ARG(names->upper));
    }
}

void emit_run(const Program *program, const ApiNames *names, const EmitOptions *options, CWriter *w)
{
    Arena *arena = arena_create();
    CWriter steps = {.depth = 1}; /* inside the function */
    if (program->batch > 1) {
        cw_open(&steps, "for (int " STR_FMT " = 0; " STR_FMT " < " STR_FMT "_BATCH; ++" STR_FMT ")",
                STR_ARG(names->batch_index), STR_ARG(names->batch_index), STR_ARG(names->upper),
                STR_ARG(names->batch_index));
    }
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        if (options->marks) {
            cw_line(&steps, "cnn_tune_mark(%u);", i);
        }
        emit_step(arena, program, names, &program->steps[i], &steps);
    }
    if (program->batch > 1) {
        emit_advance(names, program, &steps);
        cw_close(&steps, "");
        cw_blank(&steps);
    }
    steps.depth = 0;

    emit_run_prototype(program, names, "", w);
    cw_body(w);
    if (options->set == NULL) { /* of several targets: it is called by a run that has looked */
        emit_run_checks(program, names, w);
    }
    if (ctext_uses_name(strbuf_view(&steps.text), names->local_arena)) {
        cw_line(w, "float *const " STR_FMT " = " STR_FMT "->arena;", STR_ARG(names->local_arena), STR_ARG(names->net));
    }
    if (ctext_uses_name(strbuf_view(&steps.text), names->local_weights)) {
        Str value = emit_keeps_weights(program, options) ? arena_printf(arena, STR_FMT "->weights", STR_ARG(names->net))
                                                         : STR("built_in_weights()");
        cw_line(w, "const float *const " STR_FMT " = " STR_FMT ";", STR_ARG(names->local_weights), STR_ARG(value));
    }
    bool uses_net = program->parts > 1 || ctext_uses_name(strbuf_view(&steps.text), names->local_arena) ||
                    ctext_uses_name(strbuf_view(&steps.text), names->local_weights);
    if (options->set != NULL && !uses_net) {
        cw_line(w, "(void)" STR_FMT ";", STR_ARG(names->net));
    }
    cw_blank(w);
    cw_join(w, &steps);
    cw_line(w, "return CNN_OK;");
    cw_close(w, "");
    cw_free(&steps);
    arena_destroy(arena);
}
