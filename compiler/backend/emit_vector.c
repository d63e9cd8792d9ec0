/* Vector targets: what stands before their kernels, activations, and which emitter writes which family. */
#include "backend/emit_vector.h"

#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/embedded.h"

CExpr emit_offset(int64_t offset)
{
    return offset == 0  ? (CExpr){""}
           : offset > 0 ? cexpr_format(" + %" PRId64, offset)
                        : cexpr_format(" - %" PRId64, -offset);
}

void emit_open_unrolled(CWriter *w, const char *name, int32_t n)
{
    cw_line(w, "CNN_UNROLL(%d)", n);
    cw_open(w, "for (int %s = 0; %s < %d; ++%s)", name, name, n, name);
}

void emit_put_halves(int32_t b, int32_t results, int32_t lanes, bool upper, const char *vectors, StrBuf *out)
{
    strbuf_printf(out, "vector_shuffle(%s", vectors);
    for (int32_t side = 0; side < 2; ++side) {
        for (int32_t k = 0; k < results; ++k) {
            for (int32_t lane = 0; lane < lanes / 2; ++lane) {
                strbuf_printf(out, ", %d", (int)(side * b + k * lanes + (upper ? lanes / 2 : 0) + lane));
            }
        }
    }
    strbuf_printf(out, ")");
}

void emit_rows_ahead(CWriter *w, const char *base, int64_t first, int32_t rows, int64_t row_stride, int32_t floats,
                     const char *hint)
{
    int32_t lines = (floats + CACHE_LINE - 1) / CACHE_LINE;
    if (lines > 1) {
        emit_open_unrolled(w, "ahead", lines);
    }
    for (int32_t row = 0; row < rows; ++row) {
        CExpr at =
            cexpr_sum((Term[]){{base, 1}, {"ahead", lines > 1 ? CACHE_LINE : 0}, {NULL, 0}}, first + row * row_stride);
        cw_line(w, "__builtin_prefetch(%s%s);", at.text, hint);
    }
    if (lines > 1) {
        cw_close(w, "");
    }
}

int64_t emit_interior(const Layout *layout)
{
    return layout->halo_top * layout->row_stride + (int64_t)layout->halo_left * layout->block;
}

int64_t emit_window_origin(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *in = &kernel->in;
    if (s->pad_top > in->halo_top || s->pad_left > in->halo_left) {
        ICE("kernel '" STR_FMT "' has a halo narrower than its padding", STR_ARG(kernel->name));
    }
    return emit_interior(in) - s->pad_top * in->row_stride - (int64_t)s->pad_left * in->block;
}

CExpr emit_vector_activation(const Activation *act, const char *v)
{
    CExpr a = emit_float(act->attr.a), b = emit_float(act->attr.b);
    switch (act->op) {
    case OP_IDENTITY:
        return cexpr_format("%s", v);
    case OP_RELU:
        return cexpr_format("vector_relu(%s)", v);
    case OP_RELU6:
        return cexpr_format("vector_clamp(%s, 0.0f, 6.0f)", v);
    case OP_CLAMP:
        return cexpr_format("vector_clamp(%s, %s, %s)", v, a.text, b.text);
    case OP_LEAKY_RELU:
        return cexpr_format("vector_leaky_relu(%s, %s)", v, a.text);
    case OP_SIGMOID:
        return cexpr_format("vector_sigmoid(%s)", v);
    case OP_HARD_SIGMOID:
        return cexpr_format("vector_hard_sigmoid(%s)", v);
    case OP_TANH:
        return cexpr_format("vector_tanh(%s)", v);
    case OP_SCALED_TANH:
        return cexpr_format("%s * vector_tanh(%s * %s)", a.text, b.text, v);
    case OP_SILU:
        return cexpr_format("vector_silu(%s)", v);
    case OP_HARD_SWISH:
        return cexpr_format("vector_hard_swish(%s)", v);
    case OP_GELU:
        return cexpr_format("vector_gelu(%s)", v);
    case OP_ELU:
        return cexpr_format("vector_elu(%s, %s)", v, a.text);
    case OP_SOFTPLUS:
        return cexpr_format("vector_softplus(%s)", v);
    case OP_STEP:
        return cexpr_format("vector_step(%s)", v);
    default: /* not an activation */
        ICE("op '%s' is no activation", op_info(act->op)->name);
    }
}

CExpr emit_output_activation(const Activation *act, const char *v, OutputPass pass)
{
    return pass == OUTPUT_NEAR ? cexpr_format("vector_silu_near(%s, &far)", v) : emit_vector_activation(act, v);
}

OutputPass emit_first_pass(bool near, CWriter *w)
{
    if (!near) {
        return OUTPUT_ONCE;
    }
    cw_line(w, "vector_bits far = {0};");
    return OUTPUT_NEAR;
}

bool emit_next_pass(OutputPass *pass, CWriter *w)
{
    if (*pass == OUTPUT_NEAR) {
        cw_open(w, "if (vector_any_far(far))");
        *pass = OUTPUT_FAR;
        return true;
    }
    if (*pass == OUTPUT_FAR) {
        cw_close(w, "");
    }
    return false;
}

/* --- the prologue */

static const Kernel *first_vector_kernel(const Program *program)
{
    for (uint32_t i = 0; i < program->n_kernels; ++i) {
        if (program->kernels[i]->vector > 1) {
            return program->kernels[i];
        }
    }
    return NULL;
}

/* Tuned for AMD's processors (-mtune=znver2, -march=native there), gcc reads a weight again for each pixel, as an operand
 * of the multiply-add, instead of once into a register: three loads for two products, where two loads can begin at once. */
static void emit_tuning(CWriter *w)
{
    cw_line(w, "#if !defined(__clang__)");
    cw_line(w,
            "/* Each weight is loaded once for all pixels of a tile; for some processors gcc would do so for each. */");
    cw_line(w, "#pragma GCC target(\"tune=skylake\")");
    cw_line(w, "#endif");
}

/* Compiled for another machine the code would be wrong (no such instructions) or very slow (emulated vectors). */
static void emit_checks(const Target *target, CWriter *w)
{
    cw_line(w, "#if !defined(__GNUC__)");
    cw_line(w, "#error \"this code uses vectors of gcc and clang; cnnc --target=portable writes plain C99\"");
    cw_line(w, "#endif");
    if (target != NULL && target->condition != NULL) {
        cw_line(w, "#if !(%s)", target->condition);
        cw_line(w, "#error \"written for %s: compile it %s%s; cnnc --target=portable writes code for any machine\"",
                target->name, target->flags != NULL ? "with " : "for that machine",
                target->flags != NULL ? target->flags : "");
        cw_line(w, "#endif");
    }
    cw_comment(w, "Product and sum as one instruction, in strict C too.");
    cw_line(w, "#if defined(__clang__)");
    cw_line(w, "#pragma STDC FP_CONTRACT ON");
    cw_line(w, "#elif defined(__STRICT_ANSI__) && !defined(__cplusplus)");
    cw_line(w, "#pragma GCC optimize(\"fp-contract=fast\")");
    cw_line(w, "#endif");
    if (target != NULL && target->architecture != NULL && str_equal(str_from(target->architecture), STR("x86-64"))) {
        emit_tuning(w);
    }
    cw_blank(w);
}

static bool same_shape(const TileShape *a, const TileShape *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->vectors == b->vectors && a->step == b->step &&
           a->unroll == b->unroll && a->rounds == b->rounds && a->prefetch == b->prefetch &&
           a->row_prefetch == b->row_prefetch && a->second_step == b->second_step && a->input_ahead == b->input_ahead &&
           a->short_plane == b->short_plane && a->goes_on == b->goes_on && a->plane_ahead == b->plane_ahead &&
           a->chain == b->chain && a->half == b->half && a->live == b->live && a->ahead == b->ahead;
}

static int tiles_of(const Kernel *kernel, TileShape *shapes)
{
    if (kernel->vector == 1) {
        return 0; /* plain C shares other functions: emit_helpers.c */
    }
    if (kernel->lines > 0) {
        return lines_tiles(kernel, shapes);
    }
    if (kernel->family == KERNEL_DIRECT || kernel->family == KERNEL_PLANAR) {
        return direct_tiles(kernel, shapes);
    }
    if (kernel->family == KERNEL_STRASSEN) {
        return strassen_tiles(kernel, shapes);
    }
    return is_winograd(kernel->family) ? winograd_tiles(kernel, shapes) : 0;
}

static void paste(const char *embedded, CWriter *w)
{
    cw_raw(w, str_from(embedded));
    cw_blank(w);
}

static void emit_tiles(const Program *program, CWriter *w)
{
    TileShape *all = NULL;
    size_t count = 0, capacity = 0;
    int32_t no_sums = 0;
    Arena *arena = arena_create();
    for (uint32_t i = 0; i < program->n_kernels; ++i) {
        TileShape shapes[MAX_TILE_SHAPES];
        int n = tiles_of(program->kernels[i], shapes);
        for (int k = 0; k < n; ++k) {
            size_t at = 0;
            while (at < count && !same_shape(&all[at], &shapes[k])) {
                ++at;
            }
            if (at == count) {
                if (count == 0) {
                    paste(embedded_vector_conv_c, w);
                }
                all = arena_grow(arena, all, count, &capacity, sizeof *all);
                all[count++] = shapes[k];
                emit_tile(&shapes[k], program->kernels[i]->vector, w);
                int32_t sums = shapes[k].goes_on ? shapes[k].rows * shapes[k].cols * shapes[k].vectors : 0;
                no_sums = sums > no_sums ? sums : no_sums;
            }
        }
    }
    arena_destroy(arena);
    if (no_sums > 0) {
        cw_comment(w, "What tiles begin with where there are no sums to go on with.");
        cw_line(w, "static const vector no_sums[%d] = {{0.0f}};", no_sums);
        cw_blank(w);
    }
}

void emit_vector_prologue(const Program *program, Str text, CWriter *w)
{
    enum { AVX_512 = 16 };
    const Kernel *kernel = first_vector_kernel(program);
    if (kernel == NULL) {
        return;
    }
    const char *const shared[MAX_SHARED_TEXTS] = {
        embedded_vector_c,
        embedded_vector_math_c,
        kernel->vector == AVX_512 ? embedded_vector_logistic_512_c : embedded_vector_logistic_c,
        embedded_vector_sigmoid_c,
        embedded_vector_moments_c,
        embedded_vector_half_c,
        embedded_vector_winograd_c,
        embedded_vector_libm_c,
        embedded_vector_pairs_c,
    };
    CWriter users = {0};
    emit_tiles(program, &users);
    if (ctext_uses(text, "W11_X11")) {
        cw_comment(&users, "The products of Strassen's algorithm: a factor of weights, a factor of inputs.");
        cw_line(&users, "enum { W11_X11, W12_X21, S2_T2, S3_T3, W22_T4, S1_T1, S4_X22 };");
        cw_blank(&users);
    }
    if (ctext_uses(text, "strassen_quarters")) {
        paste(embedded_vector_strassen_c, &users);
    }
    emit_checks(program->target, w);
    cw_line(w, "#define CNN_VECTOR_FLOATS %d", kernel->vector);
    emit_vector_shared(shared, strbuf_view(&users.text), text, w);
    cw_join(w, &users);
    cw_free(&users);
}

/* --- families */

void emit_vector_kernel(const Kernel *kernel, CWriter *w)
{
    switch (kernel->family) {
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
        (kernel->lines > 0 ? emit_lines : emit_direct)(kernel, w);
        return;
    case KERNEL_ROWS:
        (kernel->lines > 0 ? emit_lines : emit_rows)(kernel, w);
        return;
    case KERNEL_WINOGRAD:
    case KERNEL_WINOGRAD_LIVE:
        emit_winograd(kernel, w);
        return;
    case KERNEL_STRASSEN:
        emit_strassen(kernel, w);
        return;
    case KERNEL_DEPTHWISE:
    case KERNEL_GROUPED:
        emit_depthwise_vector(kernel, w);
        return;
    case KERNEL_FEW:
        emit_conv_few(kernel, w);
        return;
    case KERNEL_DENSE:
        (kernel->skips_zeros ? emit_dense_nonzero : emit_dense_vector)(kernel, w);
        return;
    case KERNEL_MAX_POOL:
    case KERNEL_AVG_POOL:
        emit_pool_vector(kernel, w);
        return;
    case KERNEL_GLOBAL_POOL:
        emit_global_pool_vector(kernel, w);
        return;
    case KERNEL_UNARY:
    case KERNEL_BINARY:
    case KERNEL_CHANNEL_AFFINE:
        emit_elementwise_vector(kernel, w);
        return;
    case KERNEL_INSTANCE_NORM:
        emit_instance_norm_vector(kernel, w);
        return;
    case KERNEL_BORDER:
        emit_border_vector(kernel, w);
        return;
    case KERNEL_UPSAMPLE:
        emit_upsample_vector(kernel, w);
        return;
    case KERNEL_SUBSAMPLE:
        (kernel->out.block == 1 ? emit_pool_rows : emit_subsample_vector)(kernel, w);
        return;
    case KERNEL_GRAM:
        emit_gram_vector(kernel, w);
        return;
    case KERNEL_SOFTMAX:
        emit_softmax_vector(kernel, w);
        return;
    case KERNEL_LRN:
        emit_lrn_vector(kernel, w);
        return;
    case KERNEL_CONVERT:
        emit_convert(kernel, w);
        return;
    case KERNEL_SPACE_TO_DEPTH:
        emit_space_to_depth(kernel, w);
        return;
    case KERNEL_ZERO_HALO:
        emit_zero_halo(kernel, w);
        return;
    case KERNEL_CONV:
    case KERNEL_COPY:
    case KERNEL_CONV_TRANSPOSE:
    case KERNEL_TABLE_CONV:
    case KERNEL_RBF:
    case KERNEL_L2_NORMALIZE:
    case KERNEL_REDUCE:
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
    case KERNEL_PIXELS:
    case KERNEL_FAMILY_COUNT:
        break;
    }
    ICE("no vector emitter for kernel family '%s'", kernel_family_name(kernel->family));
}
