/* Halos: kernels write the interior of a buffer only, and its readers rely on zeros around it. Memory is used again and
 * again, so whoever writes into a buffer first has its halo zeroed before. A result in the place of its operand has the
 * operand's layout, and with it the halo. */
#include "lower/lowering.h"

static bool has_halo(const Layout *layout)
{
    return layout->halo_top != 0 || layout->halo_left != 0 || layout->halo_bottom != 0 || layout->halo_right != 0;
}

static Buffer *root_of(Buffer *buffer)
{
    while (buffer->parent != NULL) {
        buffer = buffer->parent;
    }
    return buffer;
}

void halos_zero(Lowering *l)
{
    const Program *program = l->program;
    bool *done = ARENA_ARRAY(l->scratch, bool, program->n_buffers);
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        Step *step = &program->steps[i];
        Buffer *root = root_of(step->output);
        if (done[root->id] || !has_halo(&root->layout)) {
            continue;
        }
        done[root->id] = true;
        Kernel record = lower_kernel(KERNEL_ZERO_HALO, root, root);
        record.vector = program->target->vector_floats;
        record.sizes.in_channels = record.sizes.out_channels;
        step->zero_halo = lower_intern(l, &record);
        step->halo_of = root;
    }
}
