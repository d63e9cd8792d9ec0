/* Vector kernels of one number after the other: activations and arithmetic, and how exact sigmoid and silu are. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "vector_check.h"

static void fill_elementwise(Batch *b)
{
    static const OpKind all[] = {OP_RELU, OP_RELU6,       OP_LEAKY_RELU, OP_SIGMOID,    OP_HARD_SIGMOID,
                                 OP_TANH, OP_SCALED_TANH, OP_SILU,       OP_HARD_SWISH, OP_GELU,
                                 OP_ELU,  OP_SOFTPLUS,    OP_STEP,       OP_CLAMP,      OP_PRELU};
    for (int i = 0; i < 60; ++i) {
        KernelSizes s = {.in_channels = pick(b, 1, 3 * b->b), .in_rows = pick(b, 1, 15), .in_cols = pick(b, 1, 15)};
        s.out_channels = s.in_channels;
        s.out_rows = s.in_rows;
        s.out_cols = s.in_cols;
        bool flat = pick(b, 0, 1) == 0;
        Kernel *k;
        if (i < 20) {
            k = add_kernel(b, KERNEL_UNARY, s, false, false, all[i % 15]);
        } else if (i < 26) {
            k = add_kernel(b, KERNEL_CHANNEL_AFFINE, s, i % 2, false, i < 23 ? OP_IDENTITY : acts[i % 6]);
        } else {
            static const OpKind ops[] = {OP_ADD, OP_SUB, OP_MUL};
            s.op = ops[i % 3];
            int other = i / 3 % 2, kind = i / 6 % 4;
            if (kind == 1) {
                s.broadcast[other] = BROADCAST_CHANNEL;
            } else if (kind > 1) {
                s.broadcast[other] = BROADCAST_SCALAR;
                s.scalar_is_literal[other] = kind == 3;
                s.scalar[other] = kind == 3 ? -1.5 : 0.0;
            }
            k = add_kernel(b, KERNEL_BINARY, s, false, i % 5 == 3, i % 4 == 0 ? OP_RELU : OP_IDENTITY);
        }
        Layout images[2];
        for (int n = 0; n < 2; ++n) {
            images[n] = flat ? image(b->b, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0)
                             : with_halo(b, b->b, s.in_channels, s.in_rows, s.in_cols);
        }
        k->in = images[0];
        if (flat) {
            k->out = images[0];
            k->residual = k->epilogue.residual ? images[0] : (Layout){0};
        }
        if (k->family == KERNEL_UNARY && k->epilogue.act.op != OP_PRELU && i % 2 == 1) { /* plain memory */
            k->in = k->out = image(1, s.in_channels, s.in_rows, s.in_cols, 0, 0, 0, 0);
        }
        if (k->family == KERNEL_BINARY) {
            bool image0 = s.broadcast[0] == BROADCAST_NONE, image1 = s.broadcast[1] == BROADCAST_NONE;
            k->in = image0 && !s.scalar_is_literal[0] ? images[0] : (Layout){0};
            k->in2 = image1 && !s.scalar_is_literal[1] ? images[1] : (Layout){0};
        }
    }
}

Test(vector_kernels, elementwise)
{
    check_widths("elementwise", fill_elementwise, 1e-6);
}

/* --- sigmoid and silu: how exact, and what becomes of numbers that have no exp */

enum { LOGISTIC_SIDE = 256, LOGISTIC_COUNT = 16 * LOGISTIC_SIDE * LOGISTIC_SIDE };

/* By the three kernels of check_logistic. The third, whose tiles are first computed as if near 0, multiplies by 1. */
static void run_logistic(step_kernel *const *table, const float *x, float *sigmoid, float *silu)
{
    Memory ones = memory_create(16, true), tiles = memory_create(LOGISTIC_COUNT, true);
    for (int i = 0; i < 16; ++i) {
        ones.values[i] = 1.0f;
    }
    table[0](&(step_arguments){.x = {x}, .y = sigmoid}, 0, 1);
    table[1](&(step_arguments){.x = {x}, .y = silu}, 0, 1);
    table[2](&(step_arguments){.x = {x}, .y = tiles.values, .weights = ones.values}, 0, 1);
    for (int i = 0; i < LOGISTIC_COUNT; ++i) {
        bool same = isnan(silu[i]) ? isnan(tiles.values[i]) : memcmp(&silu[i], &tiles.values[i], 4) == 0;
        cr_assert(same, "silu(%.9g) is %.9g, in a tile %.9g", (double)x[i], (double)silu[i], (double)tiles.values[i]);
    }
    free(ones.base);
    free(tiles.base);
}

static void check_logistic(int32_t width, const char *flags, const char *compiler, const char *name)
{
    enum { SIDE = LOGISTIC_SIDE, COUNT = LOGISTIC_COUNT };
    Batch b = batch_create(width);
    KernelSizes s = {.in_channels = 16, .in_rows = SIDE, .in_cols = SIDE};
    s.out_channels = 16;
    s.out_rows = s.out_cols = SIDE;
    for (int i = 0; i < 2; ++i) {
        Kernel *k = add_kernel(&b, KERNEL_UNARY, s, false, false, i == 0 ? OP_SIGMOID : OP_SILU);
        k->in = k->out = image(b.b, 16, SIDE, SIDE, 0, 0, 0, 0);
    }
    KernelSizes window = {.in_channels = 16, .in_rows = SIDE, .in_cols = SIDE, .kernel_rows = 1, .kernel_cols = 1};
    window.stride_rows = window.stride_cols = window.dilation_rows = window.dilation_cols = window.multiplier = 1;
    window.out_channels = window.groups = 16;
    window.out_rows = window.out_cols = SIDE;
    Kernel *tiles = add_kernel(&b, KERNEL_DEPTHWISE, window, false, false, OP_SILU);
    tiles->in = tiles->out = image(b.b, 16, SIDE, SIDE, 0, 0, 0, 0);
    tiles->epilogue.act.attr = (ActAttr){0.0, 0.0};
    tiles->tile_rows = 1;
    tiles->tile_cols = 7;
    tiles->tile_ends = true;
    tiles->near = b.b < 16;
    set_format(&b, tiles, 1, 1);
    step_kernel *const *table = batch_load(&b, name, compiler, flags);
    Memory x = memory_create(COUNT, true), sigmoid = memory_create(COUNT, true), silu = memory_create(COUNT, true);
    bool fused = width > 4;                                 /* multiply-adds round once */
    const uint32_t least = 0x30000000u, most = 0x42AE0000u; /* of 4.7e-10 to 87 */
    const double smallest = width < 16 ? -81.0 : -87.0;     /* below, results may be 0 */
    for (int i = 0; i < COUNT; ++i) {
        uint32_t bits = least + (uint32_t)((uint64_t)(most - least) * (uint32_t)(i / 2) / (COUNT / 2));
        x.values[i] = float_of(i % 2 == 0 ? bits : bits | 0x80000000u);
    }
    run_logistic(table, x.values, sigmoid.values, silu.values);
    for (int i = 0; i < COUNT; ++i) {
        double v = x.values[i], right = 1.0 / (1.0 + exp(-v));
        double most_error = v < -20.0 ? (fused ? 4.5e-7 : 4.5e-6) : fused ? 2.8e-7 : 1.3e-6;
        if (v < smallest) {
            cr_assert_leq(fabs(sigmoid.values[i] - right), 1e-35, "%s: sigmoid(%.9g)", name, v);
            cr_assert_leq(fabs(silu.values[i] - v * right), 1e-33, "%s: silu(%.9g)", name, v);
            continue;
        }
        cr_assert_leq(fabs(sigmoid.values[i] / right - 1.0), most_error, "%s: sigmoid(%.9g)", name, v);
        cr_assert_leq(fabs(silu.values[i] / (v * right) - 1.0), most_error, "%s: silu(%.9g)", name, v);
    }
    const float endless = float_of(0x7F800000u), invalid = float_of(0x7FC00000u);
    const struct {
        float x, sigmoid, silu;
    } special[] = {
        {0.0f, 0.5f, 0.0f},     {88.0f, 1.0f, 88.0f},        {1e4f, 1.0f, 1e4f},           {1e8f, 1.0f, 1e8f},
        {1e20f, 1.0f, 1e20f},   {3.4e38f, 1.0f, 3.4e38f},    {endless, 1.0f, endless},     {-88.0f, 0.0f, 0.0f},
        {-1e4f, 0.0f, 0.0f},    {-1e8f, 0.0f, 0.0f},         {-1e20f, 0.0f, 0.0f},         {-3.4e38f, 0.0f, 0.0f},
        {-endless, 0.0f, 0.0f}, {invalid, invalid, invalid}, {-invalid, invalid, invalid},
    };
    enum { SPECIAL = sizeof special / sizeof special[0] };
    for (int i = 0; i < COUNT; ++i) {
        x.values[i] = special[i % SPECIAL].x;
    }
    run_logistic(table, x.values, sigmoid.values, silu.values);
    for (int i = 0; i < COUNT; ++i) {
        const float right[] = {special[i % SPECIAL].sigmoid, special[i % SPECIAL].silu};
        const float ours[] = {sigmoid.values[i], silu.values[i]};
        for (int k = 0; k < 2; ++k) {
            cr_assert(isnan(right[k]) ? isnan(ours[k]) : ours[k] == right[k], "%s: %s(%g) is %g", name,
                      k == 0 ? "sigmoid" : "silu", (double)x.values[i], (double)ours[k]);
        }
    }
    free(x.base);
    free(sigmoid.base);
    free(silu.base);
    arena_destroy(b.arena);
}

Test(vector_kernels, logistic)
{
    check_compiled("logistic", check_logistic);
}
