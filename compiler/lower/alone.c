/* Which steps are too small to be split into parts: handing them out, and fetching from another core what lies in the
 * cache of this one, would cost more than is won. An estimate from shapes alone, so that the code depends on the network
 * alone: products, bytes, and functions such as exp, at rates of an ordinary machine of the target. */
#include "lower/program.h"

enum {
    MACS_A_LANE = 2500, /* products of a microsecond, for each lane of a vector */
    LEAST_LANES = 4,    /* compilers make vectors of plain C too */
    BYTES = 16000,      /* read or written in a microsecond, from the second-level cache */
    FUNCTIONS = 100,    /* exp and the like in a microsecond, one by one */
    FUNCTIONS_OF_VECTORS = 1000,
    WORTH_WAKING = 10 /* times split_from: what all steps that are split must take in a run */
};

static bool is_function(OpKind op)
{
    return op == OP_SIGMOID || op == OP_TANH || op == OP_SCALED_TANH || op == OP_SILU || op == OP_GELU ||
           op == OP_ELU || op == OP_SOFTPLUS;
}

static bool has_functions(const Kernel *kernel)
{
    return is_function(kernel->epilogue.act.op) || kernel->family == KERNEL_SOFTMAX || kernel->family == KERNEL_LRN;
}

/* Kernels that share out what here is one thing. */
static bool has_one_job(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    if (kernel->family == KERNEL_DENSE) {
        int32_t vectors = kernel->skips_zeros ? DENSE_SHARE : f->vectors;
        return s->out_channels <= (f->kind == PACK_VECTORS ? vectors * f->lanes : f->row_block);
    }
    return kernel->family == KERNEL_SOFTMAX && s->out_rows == 1 && s->out_cols == 1;
}

static double function_microseconds(const Kernel *kernel, int32_t channels, int32_t rows, int32_t cols)
{
    return (double)channels * rows * cols / (kernel->vector > 1 ? FUNCTIONS_OF_VECTORS : FUNCTIONS);
}

static double microseconds(const Target *target, const Step *step)
{
    const Kernel *kernel = step->kernel;
    int64_t bytes = step->output->bytes;
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        bytes += step->inputs[i]->bytes;
    }
    bytes += step->residual == NULL ? 0 : step->residual->bytes;
    bytes += step->weight == NULL ? 0 : step->weight->bytes;
    int32_t lanes = target->vector_floats > LEAST_LANES ? target->vector_floats : LEAST_LANES;
    double time = (double)step->macs / (MACS_A_LANE * lanes) + (double)bytes / BYTES;
    const KernelSizes *s = &kernel->sizes;
    if (has_functions(kernel)) {
        time += function_microseconds(kernel, s->out_channels, s->out_rows, s->out_cols);
    }
    if (kernel->prologue.kind == PROLOGUE_NORM && is_function(kernel->prologue.act.op)) {
        time += function_microseconds(kernel, s->in_channels, s->in_rows, s->in_cols);
    }
    return time;
}

static double halo_microseconds(const Layout *l)
{
    int64_t blocks = (l->channels + l->block - 1) / l->block;
    int64_t inside = blocks * l->block * l->rows * l->cols;
    return (double)(layout_elements(l) - inside) * (double)sizeof(float) / BYTES;
}

/* Threads that sleep must be woken, once a run: that takes as long as the work of some steps. */
void steps_decide_alone(Program *program, int32_t split_from)
{
    double split = 0.0;
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        Step *step = &program->steps[i];
        double time = microseconds(program->target, step);
        step->alone = split_from > 0 && (has_one_job(step->kernel) || time < split_from);
        step->halo_alone = step->zero_halo != NULL && halo_microseconds(&step->zero_halo->out) < split_from;
        split += step->alone ? 0.0 : time;
    }
    if (split * program->batch < WORTH_WAKING * (double)split_from) {
        for (uint32_t i = 0; i < program->n_steps; ++i) {
            program->steps[i].alone = program->steps[i].halo_alone = true;
        }
    }
}
