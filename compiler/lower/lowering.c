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
        copy->bytes = layout_elements(&copy->layout) * (copy->dtype == DT_U8 ? 1 : (int64_t)sizeof(float));
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
    return str_is_empty(node->path) ? step_title(l->arena, node, NULL) : node->path;
}

/* Where a part of a concat lies: a view of the concat's buffer, which is made when the first part asks for it. */
static Buffer *new_part(Lowering *l, const Node *concat, Layout layout, int32_t channel, Str name)
{
    Buffer *whole = lower_whole_result(l, concat);
    int64_t offset = channel / layout.block * layout.plane_stride * (int64_t)sizeof(float);
    return new_buffer(l, (Buffer){.name = name,
                                  .kind = BUFFER_ARENA,
                                  .dtype = DT_F32,
                                  .layout = layout,
                                  .parent = whole->parent != NULL ? whole->parent : whole,
                                  .parent_offset = whole->parent_offset + offset});
}

/* What a border will be put around: the interior of the border's buffer, which is made now. */
static Buffer *new_interior(Lowering *l, const Node *border, Layout layout, Str name)
{
    Buffer *whole = lower_whole_result(l, border);
    if (layout.row_stride != whole->layout.row_stride || layout.plane_stride != whole->layout.plane_stride) {
        ICE("node %u does not lie inside its border", border->id);
    }
    return new_buffer(l, (Buffer){.name = name,
                                  .kind = BUFFER_ARENA,
                                  .dtype = DT_F32,
                                  .layout = layout,
                                  .parent = whole->parent != NULL ? whole->parent : whole,
                                  .parent_offset = whole->parent_offset,
                                  .is_interior = true});
}

Buffer *lower_result(Lowering *l, const Node *node)
{
    const NodeLayout *assigned = &l->layouts[node->id];
    Layout layout = assigned->blocked ? lower_blocked_layout(l, node) : layout_plain(node->type);
    Str name = result_name(l, node);
    Buffer *buffer =
        assigned->concat != NULL ? new_part(l, assigned->concat, layout, assigned->concat_channel, name)
        : assigned->border != NULL
            ? new_interior(l, assigned->border, layout, name)
            : new_buffer(l, (Buffer){.name = name, .kind = BUFFER_ARENA, .dtype = node->type.dtype, .layout = layout});
    l->buffer_of[node->id] = buffer;
    return buffer;
}

Buffer *lower_temporary(Lowering *l, Str name, Layout layout)
{
    return new_buffer(l, (Buffer){.name = name, .kind = BUFFER_ARENA, .dtype = DT_F32, .layout = layout});
}

Buffer *lower_whole_result(Lowering *l, const Node *whole)
{
    return l->buffer_of[whole->id] != NULL ? l->buffer_of[whole->id] : lower_result(l, whole);
}

Buffer *lower_whole_part(Lowering *l, const Node *whole, const Node *part, int32_t channel)
{
    const Layout *all = &lower_whole_result(l, whole)->layout;
    Layout layout = layout_with_halo(layout_blocked(part->type, all->block), all->halo_top, all->halo_left,
                                     all->halo_bottom, all->halo_right);
    return new_part(l, whole, layout, channel, result_name(l, part));
}

/* --- the forms of a value */

static Buffer *written_form(Lowering *l, const Node *value)
{
    if (l->buffer_of[value->id] == NULL && l->flat_of[value->id] != NULL) {
        lower_view(l, value, lower_operand(l, l->flat_of[value->id]));
    }
    Buffer *buffer = l->buffer_of[value->id];
    if (buffer == NULL) {
        ICE("node %u has no buffer: a constant where a tensor is wanted", value->id);
    }
    return buffer;
}

/* The value in the wanted layout: as it was written, or converted once. */
static Buffer *form(Lowering *l, const Node *value, Layout wanted, Buffer **converted)
{
    Buffer *buffer = written_form(l, value);
    if (layout_equal(&buffer->layout, &wanted)) {
        return buffer;
    }
    if (converted[value->id] == NULL) {
        Buffer *to = new_buffer(
            l, (Buffer){.name = buffer->name, .kind = BUFFER_ARENA, .dtype = value->type.dtype, .layout = wanted});
        lower_copy(l, value, buffer, to);
        converted[value->id] = to;
    }
    return converted[value->id];
}

Buffer *lower_operand(Lowering *l, const Node *node)
{
    const Node *value = lower_value_of(node);
    return form(l, value, layout_plain(value->type), l->plain_of);
}

Buffer *lower_blocked(Lowering *l, const Node *node)
{
    const Node *value = lower_value_of(node);
    return form(l, value, lower_blocked_layout(l, value), l->blocked_of);
}

Buffer *lower_planar(Lowering *l, const Node *node)
{
    const Node *value = lower_value_of(node);
    return form(l, value, lower_planar_layout(l, value), l->planar_of);
}

Buffer *lower_operand_as(Lowering *l, const Node *node, bool blocked)
{
    return blocked ? lower_blocked(l, node) : lower_operand(l, node);
}

void lower_view(Lowering *l, const Node *node, Buffer *same)
{
    Layout wanted = layout_plain(node->type);
    if (layout_equal(&same->layout, &wanted)) {
        l->buffer_of[node->id] = same;
        return;
    }
    if (!layout_is_plain(&same->layout) || same->bytes != type_bytes(node->type)) {
        ICE("node %u cannot be a view: its elements would lie in another order", node->id);
    }
    l->buffer_of[node->id] = new_buffer(l, (Buffer){.name = result_name(l, node),
                                                    .kind = same->kind,
                                                    .port = same->port,
                                                    .dtype = same->dtype,
                                                    .layout = wanted,
                                                    .parent = same->parent != NULL ? same->parent : same,
                                                    .parent_offset = same->parent_offset});
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
    kernel.vector = in->layout.block > out->layout.block ? in->layout.block : out->layout.block;
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

const Kernel *lower_intern(Lowering *l, const Kernel *record)
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
    lower_tiles(l, node, &completed);
    Step step = {.kernel = lower_intern(l, &completed),
                 .output = output,
                 .node = node,
                 .title = step_title(l->arena, node, NULL)};
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
