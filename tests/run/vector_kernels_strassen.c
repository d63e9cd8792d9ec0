/* Vector kernels of 1x1 convolutions by Winograd's variant of Strassen's product, once and twice. */
#include <criterion/criterion.h>

#include "vector_check.h"

/* Halves of any width that leaves every one a pixel of its own. */
static int32_t pick_half(Batch *b, int32_t pixels)
{
    int32_t blocks = pick(b, 1, (pixels + 1) / 2), half = (pixels + 2 * blocks - 1) / (2 * blocks);
    while ((2 * blocks - 1) * half >= pixels) {
        --blocks;
        half = (pixels + 2 * blocks - 1) / (2 * blocks);
    }
    return half;
}

static void fill_strassen(Batch *b)
{
    for (int i = 0; i < 90; ++i) {
        int32_t stride = i % 5 == 4 ? 2 : 1, rows = i % 3 == 0 ? 1 : pick(b, 2, 9), cols = pick(b, 2, 40);
        int32_t ic = b->b * pick(b, 2, 6), oc = b->b * pick(b, 2, 8);
        KernelSizes s = window(ic - pick(b, 0, b->b - 1), rows, cols, oc - pick(b, 0, b->b - 1), 1, stride, 0);
        if (s.out_rows * s.out_cols < 2) {
            continue;
        }
        Kernel *k = add_kernel(b, KERNEL_STRASSEN, s, pick(b, 0, 3) > 0, pick(b, 0, 1),
                               i % 7 == 3 ? OP_SILU : rectifiers[i / 4 % 3]);
        if (i % 2 == 0) { /* read in place, where the stride is 1 */
            k->in = image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        set_format(b, k, pick(b, 1, 3), b->b);
        k->weight_format.kind = PACK_STRASSEN;
        k->block_tiles = pick_half(b, s.out_rows * s.out_cols);
        k->tile_rows = 1;
        k->tile_cols = pick(b, 1, k->block_tiles < 14 ? k->block_tiles : 14);
        k->tile_round = (int32_t[]){0, 1, 2, 4}[pick(b, 0, 3)];
        k->input_ahead = pick(b, 0, 1);
        k->prefetch_bytes = pick(b, 0, 1) ? 8192 : 0;
        k->scratch_bytes = strassen_scratch_bytes(k);
    }
}

Test(vector_kernels, strassen)
{
    check_widths("strassen", fill_strassen, 1e-5);
}

/* Once more by seven products each: halves of vectors are rounds of four. */
static void fill_strassen_twice(Batch *b)
{
    fill_strassen(b);
    for (uint32_t i = 0; i < b->count && b->b >= 8; ++i) {
        Kernel *k = b->kernels[i];
        int32_t pixels = k->sizes.out_rows * k->sizes.out_cols;
        while (pixels >= 3 && k->block_tiles < 2) {
            k->block_tiles = pick_half(b, pixels);
        }
        if (pixels >= 3 && i % 2 == 1) { /* many chunks */
            k->block_tiles = (pixels + 1) / 2;
        }
        if (k->block_tiles >= 2) {
            k->weight_format.kind = PACK_STRASSEN_TWICE;
            k->tile_cols = pick(b, 1, k->block_tiles < 27 ? (k->block_tiles + 1) / 2 : 13);
            k->scratch_bytes = strassen_scratch_bytes(k);
        }
    }
}

Test(vector_kernels, strassen_twice)
{
    check_emulated_widths("strassen_twice", fill_strassen_twice, 1e-5);
}

/* --- x * scale + shift and an activation first */

static void give_prologues(Batch *b)
{
    for (uint32_t i = 0; i < b->count; ++i) {
        b->kernels[i]->prologue = (Prologue){PROLOGUE_NORM, {acts[i % 6], {0.3, 0.8}}};
        b->kernels[i]->scratch_bytes = strassen_scratch_bytes(b->kernels[i]);
    }
}

static void fill_strassen_prologue(Batch *b)
{
    fill_strassen(b);
    give_prologues(b);
}

Test(vector_kernels, norms_before_strassens_product)
{
    check_widths("strassen_prologue", fill_strassen_prologue, 1e-5);
}

static void fill_strassen_twice_prologue(Batch *b)
{
    fill_strassen_twice(b);
    give_prologues(b);
}

Test(vector_kernels, norms_before_strassens_product_twice)
{
    check_emulated_widths("strassen_twice_prologue", fill_strassen_twice_prologue, 1e-5);
}
