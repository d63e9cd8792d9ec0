/* Halos: kernels write the interior of a buffer only, and its readers rely on zeros around it. Whoever writes into a buffer
 * first has its halo zeroed before, unless the zeros of another of the same layout in the same place are still there. A
 * result in the place of its operand has the operand's layout, and with it the halo. */
#include "lower/lowering.h"

/* Buffers whose zeros are there, none of whose memory has had another use since. */
typedef struct Zeroed {
    const Buffer **roots;
    uint32_t count;
} Zeroed;

static bool same_place(const Buffer *a, const Buffer *b)
{
    return a->kind == BUFFER_ARENA && b->kind == BUFFER_ARENA && a->offset == b->offset &&
           layout_equal(&a->layout, &b->layout);
}

static bool has_zeros(const Zeroed *zeroed, const Buffer *root)
{
    for (uint32_t i = 0; i < zeroed->count; ++i) {
        if (same_place(zeroed->roots[i], root)) {
            return true;
        }
    }
    return false;
}

/* `written` may change any of its memory: buffers of the same layout in the same place keep their zeros. */
static void overwrite(Zeroed *zeroed, const Buffer *written)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < zeroed->count; ++i) {
        const Buffer *root = zeroed->roots[i];
        bool apart = written->kind != BUFFER_ARENA || root->kind != BUFFER_ARENA ||
                     written->offset + written->bytes <= root->offset || root->offset + root->bytes <= written->offset;
        if (apart || same_place(root, written)) {
            zeroed->roots[left++] = root;
        }
    }
    zeroed->count = left;
}

static void zero_before(Lowering *l, Step *step, Buffer *root)
{
    Kernel record = lower_kernel(KERNEL_ZERO_HALO, root, root);
    record.vector = l->program->target->vector_floats;
    record.sizes.in_channels = record.sizes.out_channels;
    step->zero_halo = lower_intern(l, &record);
    step->halo_of = root;
}

void halos_zero(Lowering *l)
{
    const Program *program = l->program;
    bool *done = ARENA_ARRAY(l->scratch, bool, program->n_buffers);
    Zeroed zeroed = {.roots = ARENA_ARRAY(l->scratch, const Buffer *, program->n_buffers)};
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        Step *step = &program->steps[i];
        Buffer *root = buffer_root(step->output);
        if (step->scratch != NULL) {
            overwrite(&zeroed, step->scratch);
        }
        overwrite(&zeroed, root);
        if (done[root->id] || !layout_has_halo(&root->layout)) {
            continue;
        }
        done[root->id] = true;
        if (!has_zeros(&zeroed, root)) {
            zero_before(l, step, root);
            zeroed.roots[zeroed.count++] = root;
        }
    }
}
