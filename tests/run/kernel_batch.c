/* See kernel_batch.h. */
#include "kernel_batch.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/emit_parts.h"
#include "backend/emit_vector.h"
#include "sandbox.h"

/* --- records */

Batch batch_create(int32_t b)
{
    return (Batch){.arena = arena_create(), .random = 2463534242u, .b = b};
}

Kernel *batch_add(Batch *b, KernelFamily family, KernelSizes sizes, bool bias, bool residual, OpKind act)
{
    cr_assert_lt(b->count, MAX_KERNELS);
    Kernel *kernel = ARENA_NEW(b->arena, Kernel);
    kernel->family = family;
    kernel->vector = b->b;
    kernel->sizes = sizes;
    kernel->epilogue.bias = bias;
    kernel->epilogue.residual = residual;
    kernel->epilogue.act = (Activation){act, {0.3, 0.8}};
    kernel->id = b->count;
    kernel->name = arena_printf(b->arena, "kernel_%u", b->count);
    b->kernels[b->count++] = kernel;
    return kernel;
}

const char *describe(Batch *b, const Kernel *k)
{
    const KernelSizes *s = &k->sizes;
    return arena_printf(b->arena,
                        STR_FMT " (%s, b %d): %dx%dx%d -> %dx%dx%d, kernel %dx%d, stride %dx%d, dilation %dx%d, pad "
                                "%d,%d,%d,%d, groups %d, act %s, vectors %d, tile %dx%d",
                        STR_ARG(k->name), kernel_family_name(k->family), k->vector, s->in_channels, s->in_rows,
                        s->in_cols, s->out_channels, s->out_rows, s->out_cols, s->kernel_rows, s->kernel_cols,
                        s->stride_rows, s->stride_cols, s->dilation_rows, s->dilation_cols, s->pad_top, s->pad_left,
                        s->pad_bottom, s->pad_right, s->groups, op_info(k->epilogue.act.op)->name,
                        k->weight_format.vectors, k->tile_rows, k->tile_cols)
        .ptr;
}

/* --- deterministic numbers */

static uint32_t next_random(Batch *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 17;
    b->random ^= b->random << 5;
    return b->random;
}

int32_t pick(Batch *b, int32_t lo, int32_t hi)
{
    return lo + (int32_t)(next_random(b) % (uint32_t)(hi - lo + 1));
}

float random_float(Batch *b)
{
    return (float)(next_random(b) >> 8) / 8388608.0f - 1.0f;
}

float *random_floats(Batch *b, int64_t count, float scale)
{
    float *values = malloc((size_t)(count > 0 ? count : 1) * sizeof *values);
    cr_assert(values != NULL);
    for (int64_t i = 0; i < count; ++i) {
        values[i] = scale * random_float(b);
    }
    return values;
}

bool random_window(Batch *b, KernelSizes *s)
{
    /* Images of vector kernels are smaller: they run at several widths, and blocks of channels make up for it. */
    bool is_portable = b->b == 0;
    s->kernel_rows = pick(b, 1, 5);
    s->kernel_cols = pick(b, 1, 5);
    s->stride_rows = pick(b, 1, 3);
    s->stride_cols = pick(b, 1, is_portable ? 4 : 3);
    s->dilation_rows = pick(b, 1, 4) > 1 ? 1 : is_portable ? pick(b, 2, 3) : 2;
    s->dilation_cols = pick(b, 1, 4) == 1 ? pick(b, 2, 3) : 1;
    s->pad_top = pick(b, 0, 3);
    s->pad_bottom = pick(b, 0, 3);
    s->pad_left = pick(b, 0, 3);
    s->pad_right = pick(b, 0, 3);
    s->in_rows = pick(b, 1, is_portable ? 17 : 13);
    s->in_cols = pick(b, 1, is_portable ? 37 : 33);
    int32_t rows = s->in_rows + s->pad_top + s->pad_bottom - (s->kernel_rows - 1) * s->dilation_rows - 1;
    int32_t cols = s->in_cols + s->pad_left + s->pad_right - (s->kernel_cols - 1) * s->dilation_cols - 1;
    if (rows < 0 || cols < 0) {
        return false;
    }
    s->out_rows = rows / s->stride_rows + 1;
    s->out_cols = cols / s->stride_cols + 1;
    return true;
}

void draw_inputs(Batch *b, const Kernel *kernel, float scale, KernelData *data)
{
    kernel_data_sizes(kernel, data);
    for (int k = 0; k < 2; ++k) {
        data->x[k] = random_floats(b, data->x_count[k], scale);
    }
}

void draw_parameters(Batch *b, const Kernel *kernel, KernelData *data)
{
    int64_t norm_count = kernel->prologue.kind == PROLOGUE_NORM ? 2 * (int64_t)kernel->sizes.in_channels : 0;
    data->residual = random_floats(b, data->y_count, 1.0f);
    data->weights = random_floats(b, data->weight_count, 1.0f);
    data->bias = random_floats(b, data->bias_count, 1.0f);
    data->norm = random_floats(b, norm_count, 1.0f);
    half_round(kernel->weight_format.storage, data->weights, data->weight_count);
}

void kernel_data_release(KernelData *data)
{
    float *all[] = {data->x[0], data->x[1], data->residual, data->weights, data->bias, data->norm};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
        free(all[i]);
    }
}

/* --- memory between guards */

/* Floats before and after; a multiple of 16, so that values are as aligned as the whole. */
enum { GUARD = 32 };
static const uint32_t guard_bits = 0xFFC0DEADu;

Memory memory_create(int64_t count, bool aligned)
{
    int64_t floats = count + 2 * GUARD + 16; /* 16 more: the values begin one later where they are not aligned */
    Memory m = {.base = aligned_alloc(64, (size_t)((floats * 4 + 63) / 64 * 64)), .count = count};
    cr_assert(m.base != NULL);
    m.values = m.base + GUARD + (aligned ? 0 : 1);
    for (int64_t i = 0; i < floats; ++i) {
        memcpy(&m.base[i], &guard_bits, 4);
    }
    return m;
}

bool is_guard(float value)
{
    return memcmp(&value, &guard_bits, 4) == 0;
}

void memory_check(const Memory *m, Batch *b, const Kernel *kernel, const char *what)
{
    for (int64_t i = 0; i < GUARD; ++i) {
        cr_assert(is_guard(m->values[-1 - i]) && is_guard(m->values[m->count + i]), "writes outside of %s: %s", what,
                  describe(b, kernel));
    }
}

/* --- C text, compiled */

static void emit_batch(const Batch *b, CWriter *w)
{
    static EmitKernel *const portable[KERNEL_FAMILY_COUNT] = {
        [KERNEL_CONV] = emit_conv,
        [KERNEL_WINOGRAD] = emit_winograd_plain,
        [KERNEL_DEPTHWISE] = emit_depthwise,
        [KERNEL_DENSE] = emit_dense,
        [KERNEL_MAX_POOL] = emit_max_pool,
        [KERNEL_AVG_POOL] = emit_avg_pool,
        [KERNEL_GLOBAL_POOL] = emit_global_pool,
        [KERNEL_UNARY] = emit_unary,
        [KERNEL_BINARY] = emit_binary,
        [KERNEL_CHANNEL_AFFINE] = emit_channel_affine,
        [KERNEL_LRN] = emit_lrn,
        [KERNEL_SOFTMAX] = emit_softmax,
        [KERNEL_COPY] = emit_copy,
    };
    for (uint32_t i = 0; i < b->count; ++i) {
        EmitKernel *emit = b->b == 0 ? portable[b->kernels[i]->family] : emit_vector_kernel;
        emit(b->kernels[i], w);
    }
}

Str batch_text(Batch *b)
{
    Program program = {.arena = b->arena, .kernels = b->kernels, .n_kernels = b->count, .parts = MAX_PARTS};
    CWriter kernels = {0}, w = {0};
    emit_batch(b, &kernels);
    cw_line(&w, "#include <math.h>");
    cw_line(&w, "#include <stddef.h>");
    cw_line(&w, "#include <stdint.h>");
    cw_line(&w, "#include <string.h>");
    cw_line(&w, "#ifdef __cplusplus");
    cw_line(&w, "#define CNN_RESTRICT __restrict");
    cw_line(&w, "#else");
    cw_line(&w, "#define CNN_RESTRICT restrict");
    cw_line(&w, "#endif");
    cw_raw(&w, str_from(b->b == 0 ? embedded_step_types_c : embedded_step_types_mixed_c));
    if (b->b == 0) {
        emit_helpers(&program, &w);
    } else {
        emit_vector_prologue(&program, strbuf_view(&kernels.text), &w);
    }
    cw_join(&w, &kernels);
    cw_line(&w, "extern step_kernel *const table[];");
    cw_line(&w, "step_kernel *const table[] = {");
    for (uint32_t i = 0; i < b->count; ++i) {
        cw_line(&w, "    " STR_FMT ",", STR_ARG(b->kernels[i]->name));
    }
    cw_line(&w, "};");
    Str text = arena_copy(b->arena, strbuf_view(&w.text));
    cw_free(&w);
    cw_free(&kernels);
    return text;
}

/* Of the batch's folder, and in messages. */
static const char *batch_name(const Batch *b, const char *test)
{
    return b->b == 0 ? arena_printf(b->arena, "kernels-%s", test).ptr
                     : arena_printf(b->arena, "vector_kernels-%s-%d", test, (int)b->b).ptr;
}

static void run_command(Arena *arena, const char *folder, Str line)
{
    sandbox_expect(arena, folder, arena_printf(arena, "cd '%s' && " STR_FMT, folder, STR_ARG(line)));
}

step_kernel *const *batch_load(Batch *b, const char *test, const char *cc, const char *flags)
{
    static const char warnings[] = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror";
    const char *sanitize =
        IS_SANITIZED && b->b == 0 ? "-fsanitize=address,undefined -fno-sanitize-recover=all -g -O1" : "";
    const char *folder = sandbox_create(b->arena, batch_name(b, test));
    Str text = batch_text(b);
    sandbox_write(b->arena, folder, "kernels.c", text);
    /* Indices are folded while they are printed. */
    cr_assert(b->b > 0 || (strstr(text.ptr, " + 0;") == NULL && strstr(text.ptr, " * 1;") == NULL &&
                           strstr(text.ptr, "(0 + ") == NULL));
    run_command(b->arena, folder,
                arena_printf(b->arena, "%s -std=c99 %s %s %s -shared -fPIC kernels.c -o kernels.so -lm", cc, flags,
                             warnings, sanitize));
    if (sandbox_has_program("g++")) {
        run_command(b->arena, folder,
                    arena_printf(b->arena, "g++ -x c++ -std=c++11 -fsyntax-only %s %s kernels.c", flags, warnings));
    }
    return sandbox_symbol(sandbox_load(b->arena, folder, "kernels.so"), "table");
}

bool batch_asks_clang(void)
{
    return !IS_SANITIZED && sandbox_has_program("clang");
}

/* --- running */

void batch_check(Batch *b, const char *test, const char *cc, const char *flags, CheckKernel *check, double tolerance)
{
    step_kernel *const *table = batch_load(b, test, cc, flags);
    double worst = 0.0;
    for (uint32_t i = 0; i < b->count; ++i) {
        worst = fmax(worst, check(b, b->kernels[i], table[i], tolerance));
    }
    if (getenv("CNNC_KERNELS_VERBOSE") != NULL) {
        fprintf(stderr, "%s: %u kernels, worst error %.2e\n", batch_name(b, test), b->count, worst);
    }
}

void run_parts(Batch *b, const Kernel *kernel, step_kernel *function, step_arguments a, int parts)
{
    Memory scratch = memory_create(kernel->scratch_bytes / 4 * parts, true);
    a.scratch = scratch.values;
    for (int part = parts - 1; part >= 0; --part) {
        function(&a, part, parts);
    }
    memory_check(&scratch, b, kernel, "scratch");
    free(scratch.base);
}

void check_parts(Batch *b, const Kernel *kernel, step_kernel *function, step_arguments a, const Memory *y,
                 BlankResult *blank, const void *check)
{
    for (int parts = 2; parts <= MAX_PARTS; ++parts) {
        Memory other = blank(check);
        a.y = other.values;
        run_parts(b, kernel, function, a, parts);
        cr_assert(memcmp(other.values, y->values, (size_t)y->count * 4) == 0, "%d parts differ from one: %s", parts,
                  describe(b, kernel));
        memory_check(&other, b, kernel, "y");
        free(other.base);
    }
}
