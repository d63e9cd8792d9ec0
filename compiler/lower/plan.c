/* Memory: when each buffer lives, which results take the place of an operand, and where everything lies in the arena.
 *
 *   1. live ranges, from the order of the steps; a view lives in its root
 *   2. in place: the result of an elementwise step, or of any step that adds a residual, moves into the operand's
 *      memory where that operand is read for the last time, so that both never exist at once
 *   3. offsets of the roots that are left (plan_place.c)
 *
 * Inputs and outputs are the caller's memory: neither planned nor written over. */
#include "lower/plan.h"
#include "lower/program.h"

enum { PLAN_ALIGN = 64 }; /* bytes: a cache line, and the widest vector */

static Buffer *root_of(Buffer *buffer)
{
    while (buffer->parent != NULL) {
        buffer = buffer->parent;
    }
    return buffer;
}

/* --- 1. live ranges */

static void touch(Buffer *buffer, int32_t step)
{
    for (; buffer != NULL; buffer = buffer->parent) { /* a view keeps what it looks at alive */
        if (step < buffer->first_step) {
            buffer->first_step = step;
        }
        if (step > buffer->last_step) {
            buffer->last_step = step;
        }
    }
}

static void find_live_ranges(Program *program)
{
    int32_t end = program->n_steps > 0 ? (int32_t)program->n_steps - 1 : 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        program->buffers[i]->first_step = INT32_MAX;
        program->buffers[i]->last_step = -1;
    }
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        for (uint32_t i = 0; i < step->n_inputs; ++i) {
            touch(step->inputs[i], (int32_t)s);
        }
        touch(step->residual, (int32_t)s);
        touch(step->scratch, (int32_t)s);
        touch(step->output, (int32_t)s);
    }
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        if (buffer->kind == BUFFER_INPUT) {
            touch(buffer, 0);
        } else if (buffer->kind == BUFFER_OUTPUT && buffer->parent == NULL) {
            touch(buffer, end); /* the caller reads it after the last step */
        } else if (buffer->last_step < 0) {
            /* A view that nobody reads; it lives where its root is made. Roots are written, so they have a range. */
            buffer->first_step = buffer->last_step = root_of(buffer)->first_step;
        }
    }
}

/* --- 2. in place */

static bool is_elementwise(KernelFamily family)
{
    return family == KERNEL_UNARY || family == KERNEL_BINARY || family == KERNEL_CHANNEL_AFFINE;
}

/* Of a binary kernel: which operand Step.inputs[i] is, literals having no entry there. */
static int operand_of_input(const KernelSizes *sizes, uint32_t i)
{
    return sizes->scalar_is_literal[0] ? 1 : (int)i;
}

/* True where the step reads element i of that input only to write element i. */
static bool input_is_aligned(const Step *step, uint32_t i)
{
    if (!is_elementwise(step->kernel->family) || step->input_offset[i] != 0) {
        return false;
    }
    const KernelSizes *sizes = &step->kernel->sizes;
    return step->kernel->family != KERNEL_BINARY || sizes->broadcast[operand_of_input(sizes, i)] == BROADCAST_NONE;
}

/* True where the result of step `s` may be written over `operand`, one of the step's aligned operands. */
static bool may_replace(const Step *step, int32_t s, Buffer *operand)
{
    const Buffer *root = root_of(operand);
    const Buffer *output = step->output;
    if (root->kind != BUFFER_ARENA || root->last_step != s || root->bytes != output->bytes ||
        operand->bytes != output->bytes) {
        return false;
    }
    for (uint32_t i = 0; i < step->n_inputs; ++i) { /* nothing else may be read from there out of order */
        if (root_of(step->inputs[i]) == root && !input_is_aligned(step, i)) {
            return false;
        }
    }
    return true;
}

/* The operand whose place the result takes; NULL: none. */
static Buffer *find_operand_to_replace(const Step *step, int32_t s)
{
    const Buffer *output = step->output;
    if (output->kind != BUFFER_ARENA || output->parent != NULL || output->first_step != s || step->output_offset != 0) {
        return NULL;
    }
    if (step->residual != NULL && layout_equal(&step->residual->layout, &output->layout) &&
        may_replace(step, s, step->residual)) {
        return step->residual;
    }
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        if (input_is_aligned(step, i) && layout_equal(&step->inputs[i]->layout, &output->layout) &&
            may_replace(step, s, step->inputs[i])) {
            return step->inputs[i];
        }
    }
    return NULL;
}

static void share_memory(Program *program)
{
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        Buffer *operand = find_operand_to_replace(step, (int32_t)s);
        if (operand == NULL) {
            continue;
        }
        step->output->parent = operand;
        for (Buffer *b = operand; b != NULL; b = b->parent) {
            if (b->last_step < step->output->last_step) {
                b->last_step = step->output->last_step;
            }
        }
    }
}

/* --- 3. offsets */

static int64_t align_up(int64_t bytes)
{
    return (bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

void plan_buffers(Program *program, Arena *scratch)
{
    find_live_ranges(program);
    share_memory(program);
    PlanBlock *blocks = ARENA_ARRAY(scratch, PlanBlock, program->n_buffers);
    Buffer **owners = ARENA_ARRAY(scratch, Buffer *, program->n_buffers);
    uint32_t count = 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        if (buffer->kind == BUFFER_ARENA && buffer->parent == NULL) {
            blocks[count] = (PlanBlock){
                .bytes = align_up(buffer->bytes), .first = buffer->first_step, .last = buffer->last_step};
            owners[count++] = buffer;
        }
    }
    program->arena_lower_bound =
        plan_lower_bound(blocks, count, (int32_t)program->n_steps, &program->peak_step, scratch);
    program->arena_bytes = plan_place(blocks, count, program->arena_lower_bound, scratch);
    for (uint32_t i = 0; i < count; ++i) {
        owners[i]->offset = blocks[i].offset;
    }
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        program->buffers[i]->offset = root_of(program->buffers[i])->offset;
    }
}
