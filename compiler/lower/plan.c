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
#include "support/ints.h"

enum { PLAN_ALIGN = 64 }; /* bytes: a cache line, and the widest vector */

typedef struct Plan {
    Program *program;
    /* By buffer id: of a view, the buffer it looks at; of a result, the first in its place, itself where it has its
     * own. Two look-ups lead to the root from anywhere; chains of parents, as long as the program, are not walked. */
    Buffer **origin;
} Plan;

static Buffer *root_of(const Plan *plan, const Buffer *buffer)
{
    return plan->origin[plan->origin[buffer->id]->id];
}

/* --- 1. live ranges */

static void extend(Buffer *buffer, int32_t step)
{
    if (step < buffer->first_step) {
        buffer->first_step = step;
    }
    if (step > buffer->last_step) {
        buffer->last_step = step;
    }
}

static void touch(const Plan *plan, Buffer *buffer, int32_t step)
{
    if (buffer != NULL) {
        extend(buffer, step);
        extend(root_of(plan, buffer), step); /* a view keeps what it looks at alive */
    }
}

static void find_live_ranges(const Plan *plan)
{
    Program *program = plan->program;
    int32_t end = program->n_steps > 0 ? (int32_t)program->n_steps - 1 : 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        program->buffers[i]->first_step = INT32_MAX;
        program->buffers[i]->last_step = -1;
    }
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        for (uint32_t i = 0; i < step->n_inputs; ++i) {
            touch(plan, step->inputs[i], (int32_t)s);
        }
        touch(plan, step->residual, (int32_t)s);
        touch(plan, step->scratch, (int32_t)s);
        touch(plan, step->output, (int32_t)s);
    }
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        if (buffer->kind == BUFFER_INPUT) {
            touch(plan, buffer, 0);
        } else if (buffer->kind == BUFFER_OUTPUT && buffer->parent == NULL) {
            touch(plan, buffer, end); /* the caller reads it after the last step */
        } else if (buffer->last_step < 0) {
            /* A view that nobody reads; it lives where its root is made. Roots are written, so they have a range. */
            buffer->first_step = buffer->last_step = root_of(plan, buffer)->first_step;
        }
    }
}

/* --- 2. in place */

static bool is_elementwise(KernelFamily family)
{
    return family == KERNEL_UNARY || family == KERNEL_BINARY || family == KERNEL_CHANNEL_AFFINE ||
           family == KERNEL_INSTANCE_NORM; /* whose element i also depends on others, all read before the first write */
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
static bool may_replace(const Plan *plan, const Step *step, int32_t s, Buffer *operand)
{
    const Buffer *root = root_of(plan, operand);
    const Buffer *output = step->output;
    if (root->kind != BUFFER_ARENA || operand->is_interior || root->last_step != s || root->bytes != output->bytes ||
        operand->bytes != output->bytes) {
        return false;
    }
    for (uint32_t i = 0; i < step->n_inputs; ++i) { /* nothing else may be read from there out of order */
        if (root_of(plan, step->inputs[i]) == root && !input_is_aligned(step, i)) {
            return false;
        }
    }
    return true;
}

/* The operand whose place the result takes; NULL: none. */
static Buffer *find_operand_to_replace(const Plan *plan, const Step *step, int32_t s)
{
    const Buffer *output = step->output;
    if (output->kind != BUFFER_ARENA || output->parent != NULL || output->first_step != s || step->output_offset != 0) {
        return NULL;
    }
    if (step->residual != NULL && layout_equal(&step->residual->layout, &output->layout) &&
        may_replace(plan, step, s, step->residual)) {
        return step->residual;
    }
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        if (input_is_aligned(step, i) && layout_equal(&step->inputs[i]->layout, &output->layout) &&
            may_replace(plan, step, s, step->inputs[i])) {
            return step->inputs[i];
        }
    }
    return NULL;
}

static void share_memory(const Plan *plan)
{
    const Program *program = plan->program;
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        Buffer *operand = find_operand_to_replace(plan, step, (int32_t)s);
        if (operand != NULL) {
            step->output->parent = operand;
            plan->origin[step->output->id] = root_of(plan, operand);
            extend(root_of(plan, operand), step->output->last_step);
        }
    }
    for (uint32_t s = program->n_steps; s-- > 0;) { /* from the last of a chain: parents cover their children */
        const Buffer *output = program->steps[s].output;
        if (output->parent != NULL) {
            extend(output->parent, output->last_step);
            if (output->parent->parent != NULL) { /* of a view: what it looks at */
                extend(output->parent->parent, output->last_step);
            }
        }
    }
}

/* --- 3. offsets */

void plan_buffers(Program *program, Arena *scratch)
{
    Plan plan = {.program = program, .origin = ARENA_ARRAY(scratch, Buffer *, program->n_buffers)};
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        plan.origin[i] = buffer->parent != NULL ? buffer->parent : buffer; /* so far only views, of roots */
    }
    find_live_ranges(&plan);
    share_memory(&plan);
    PlanBlock *blocks = ARENA_ARRAY(scratch, PlanBlock, program->n_buffers);
    Buffer **owners = ARENA_ARRAY(scratch, Buffer *, program->n_buffers);
    uint32_t count = 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        if (buffer->kind == BUFFER_ARENA && buffer->parent == NULL) {
            blocks[count] = (PlanBlock){.bytes = int_align_up(buffer->bytes, PLAN_ALIGN),
                                        .first = buffer->first_step,
                                        .last = buffer->last_step};
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
        Buffer *buffer = program->buffers[i]; /* what has a parent_offset looks at a root that is in nobody's place */
        buffer->offset = root_of(&plan, buffer)->offset + buffer->parent_offset;
    }
}
