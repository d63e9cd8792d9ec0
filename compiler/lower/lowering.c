/* The verbs of lowering: operands, results, views, records, steps. What the family files have in common, and the one
 * place that appends to the program. */
#include "lower/lowering.h"

/* --- buffers */

static Buffer *new_buffer(Lowering *l, Buffer buffer)
{
    Program *program = l->program;
    Buffer *copy = ARENA_NEW(l->arena, Buffer);
    *copy = buffer;
    copy->id = program->n_buffers;
    if (!copy->is_scratch) {
        copy->bytes = layout_elements(&copy->layout) * (int64_t)sizeof(float);
    }
    program->buffers =
        arena_grow(l->arena, program->buffers, program->n_buffers, &l->buffer_capacity, sizeof *program->buffers);
    program->buffers[program->n_buffers++] = copy;
    return copy;
}

Buffer *lower_new_port(Lowering *l, BufferKind kind, uint32_t port, Str name, TensorType type, Layout layout)
{
    return new_buffer(l, (Buffer){.name = name, .kind = kind, .port = port, .dtype = type.dtype, .layout = layout});
}

static Str result_name(Lowering *l, const Node *node)
{
    return str_is_empty(node->path) ? step_title(l->arena, node) : node->path;
}

Buffer *lower_result(Lowering *l, const Node *node)
{
    Buffer *buffer = new_buffer(l, (Buffer){.name = result_name(l, node),
                                            .kind = BUFFER_ARENA,
                                            .dtype = node->type.dtype,
                                            .layout = layout_plain(node->type)});
    l->buffer_of[node->id] = buffer;
    return buffer;
}

Buffer *lower_operand(Lowering *l, const Node *node)
{
    Buffer *buffer = l->buffer_of[node->id];
    if (buffer == NULL) {
        ICE("node %u has no buffer: a constant where a tensor is wanted", node->id);
    }
    Layout wanted = layout_plain(node->type);
    if (layout_equal(&buffer->layout, &wanted)) {
        return buffer;
    }
    if (l->working_of[node->id] == NULL) {
        Buffer *converted = new_buffer(
            l, (Buffer){.name = buffer->name, .kind = BUFFER_ARENA, .dtype = node->type.dtype, .layout = wanted});
        lower_copy(l, node, buffer, converted);
        l->working_of[node->id] = converted;
    }
    return l->working_of[node->id];
}

void lower_view(Lowering *l, const Node *node, Buffer *same)
{
    Layout wanted = layout_plain(node->type);
    if (layout_equal(&same->layout, &wanted)) {
        l->buffer_of[node->id] = same;
        return;
    }
    if (!layout_is_plain(&same->layout) || !layout_is_plain(&wanted) || same->bytes != type_bytes(node->type)) {
        ICE("node %u cannot be a view: its elements would lie in another order",
            node->id); /* blocked layouts must copy */
    }
    l->buffer_of[node->id] = new_buffer(l, (Buffer){.name = result_name(l, node),
                                                    .kind = same->kind,
                                                    .port = same->port,
                                                    .dtype = same->dtype,
                                                    .layout = wanted,
                                                    .parent = same->parent != NULL ? same->parent : same});
}

/* --- records */

static Kernel empty_record(KernelFamily family)
{
    Kernel kernel = {.family = family};
    kernel.epilogue.act.op = OP_IDENTITY;
    return kernel;
}

Kernel lower_kernel(KernelFamily family, const Buffer *in, const Buffer *out)
{
    Kernel kernel = empty_record(family);
    kernel.in = in->layout;
    kernel.out = out->layout;
    KernelSizes *s = &kernel.sizes;
    s->in_channels = in->layout.channels;
    s->in_rows = in->layout.rows;
    s->in_cols = in->layout.cols;
    s->out_channels = out->layout.channels;
    s->out_rows = out->layout.rows;
    s->out_cols = out->layout.cols;
    return kernel;
}

void lower_epilogue(const Node *node, Kernel *kernel)
{
    kernel->epilogue.residual = node->adds_residual;
    kernel->epilogue.act = node->act;
}

/* Records of one name; they differ in something that the name does not say. */
typedef struct KernelGroup KernelGroup;
struct KernelGroup {
    Kernel *kernel;
    KernelGroup *next;
};

static Str unique_name(Lowering *l, Str base)
{
    Str name = base;
    for (int ordinal = 2; map_has(l->kernel_names, name); ++ordinal) {
        name = arena_printf(l->arena, STR_FMT "_%d", STR_ARG(base), ordinal);
    }
    map_put(l->kernel_names, name, l);
    return name;
}

static const Kernel *intern_kernel(Lowering *l, const Kernel *record)
{
    Program *program = l->program;
    Str base = kernel_base_name(l->arena, record);
    KernelGroup *group = map_get(l->kernels, base);
    for (const KernelGroup *item = group; item != NULL; item = item->next) {
        if (kernel_equal(item->kernel, record)) {
            return item->kernel;
        }
    }
    Kernel *kernel = ARENA_NEW(l->arena, Kernel);
    *kernel = *record;
    kernel->id = program->n_kernels;
    kernel->name = unique_name(l, base);
    KernelGroup *item = ARENA_NEW(l->scratch, KernelGroup);
    *item = (KernelGroup){kernel, group};
    map_put(l->kernels, base, item);
    program->kernels =
        arena_grow(l->arena, program->kernels, program->n_kernels, &l->kernel_capacity, sizeof *program->kernels);
    program->kernels[program->n_kernels++] = kernel;
    return kernel;
}

/* --- steps */

Step *lower_step(Lowering *l, const Kernel *record, const Node *node, Buffer *output)
{
    Program *program = l->program;
    Kernel completed = *record;
    completed.vector = completed.vector == 0 ? 1 : completed.vector;
    tiles_choose(program->target, &completed);
    Step step = {
        .kernel = intern_kernel(l, &completed), .output = output, .node = node, .title = step_title(l->arena, node)};
    if (step.kernel->scratch_bytes > 0) {
        step.scratch = new_buffer(l, (Buffer){.name = output->name,
                                              .kind = BUFFER_ARENA,
                                              .dtype = DT_F32,
                                              .bytes = program->parts * step.kernel->scratch_bytes,
                                              .is_scratch = true});
    }
    program->steps = arena_grow(l->arena, program->steps, program->n_steps, &l->step_capacity, sizeof *program->steps);
    Step *appended = &program->steps[program->n_steps++];
    *appended = step;
    return appended;
}

void step_add_input(Step *step, Buffer *buffer)
{
    if (step->n_inputs == STEP_MAX_INPUTS) {
        ICE("a step with more than %d inputs", STEP_MAX_INPUTS);
    }
    step->inputs[step->n_inputs++] = buffer;
}

bool lower_is_literal(const Node *node, double *value)
{
    if (!node_is_constant(node) || node->attr.constant.expr != CONST_VALUES || type_elements(node->type) != 1) {
        return false;
    }
    *value = node->attr.constant.values[0];
    return true;
}
