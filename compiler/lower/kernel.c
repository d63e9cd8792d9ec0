/* Kernel records: equality and names. A name says what a reader wants to know of a kernel (work, sizes, fused parts);
 * records that differ in anything else get an ordinal from lowering.c. */
#include "lower/lowering.h"

const char *kernel_family_name(KernelFamily family)
{
    switch (family) {
    case KERNEL_CONV:
        return "conv";
    case KERNEL_DEPTHWISE:
        return "depthwise";
    case KERNEL_DENSE:
        return "dense";
    case KERNEL_MAX_POOL:
        return "max_pool";
    case KERNEL_AVG_POOL:
        return "avg_pool";
    case KERNEL_GLOBAL_POOL:
        return "global_pool";
    case KERNEL_UNARY:
        return "unary";
    case KERNEL_BINARY:
        return "binary";
    case KERNEL_CHANNEL_AFFINE:
        return "channel_affine";
    case KERNEL_LRN:
        return "lrn";
    case KERNEL_SOFTMAX:
        return "softmax";
    case KERNEL_CONV_TRANSPOSE:
        return "conv_transpose";
    case KERNEL_TABLE_CONV:
        return "table_conv";
    case KERNEL_RBF:
        return "rbf";
    case KERNEL_SUBSAMPLE:
        return "subsample";
    case KERNEL_INSTANCE_NORM:
        return "instance_norm";
    case KERNEL_L2_NORMALIZE:
        return "l2_normalize";
    case KERNEL_BORDER:
        return "border";
    case KERNEL_UPSAMPLE:
        return "upsample";
    case KERNEL_GRAM:
        return "gram";
    case KERNEL_REDUCE:
        return "reduce";
    case KERNEL_ARGMAX:
        return "argmax";
    case KERNEL_TOP_K:
        return "top_k";
    case KERNEL_PIXELS:
        return "pixels";
    case KERNEL_COPY:
        return "copy";
    case KERNEL_DIRECT:
        return "direct";
    case KERNEL_PLANAR:
        return "planar";
    case KERNEL_ROWS:
        return "rows";
    case KERNEL_WINOGRAD:
        return "winograd";
    case KERNEL_WINOGRAD_LIVE:
        return "winograd_live";
    case KERNEL_STRASSEN:
        return "strassen";
    case KERNEL_GROUPED:
        return "grouped";
    case KERNEL_FEW:
        return "few";
    case KERNEL_CONVERT:
        return "convert";
    case KERNEL_SPACE_TO_DEPTH:
        return "space_to_depth";
    case KERNEL_ZERO_HALO:
        return "zero_halo";
    case KERNEL_FAMILY_COUNT:
        break;
    }
    ICE("no kernel family %d", (int)family);
}

/* --- equality, member by member: padding bytes of structs must not count */

static bool lrn_equal(const LrnAttr *a, const LrnAttr *b)
{
    return a->size == b->size && a->alpha == b->alpha && a->beta == b->beta && a->k == b->k &&
           a->alpha_div_n == b->alpha_div_n;
}

static bool window_equal(const KernelSizes *a, const KernelSizes *b)
{
    return a->kernel_rows == b->kernel_rows && a->kernel_cols == b->kernel_cols && a->stride_rows == b->stride_rows &&
           a->stride_cols == b->stride_cols && a->dilation_rows == b->dilation_rows &&
           a->dilation_cols == b->dilation_cols && a->pad_top == b->pad_top && a->pad_left == b->pad_left &&
           a->pad_bottom == b->pad_bottom && a->pad_right == b->pad_right;
}

static bool operands_equal(const KernelSizes *a, const KernelSizes *b)
{
    for (int i = 0; i < 2; ++i) {
        /* Bits, not values: 0.0 and -0.0 are different kernels. */
        if (a->broadcast[i] != b->broadcast[i] || a->scalar_is_literal[i] != b->scalar_is_literal[i] ||
            memcmp(&a->scalar[i], &b->scalar[i], sizeof a->scalar[i]) != 0) {
            return false;
        }
    }
    for (int i = 0; i < 3; ++i) {
        if (a->in_stride[i] != b->in_stride[i] || a->out_stride[i] != b->out_stride[i]) {
            return false;
        }
    }
    return true;
}

static bool table_equal(const IntTable *a, const IntTable *b)
{
    if (a->n_rows != b->n_rows) {
        return false;
    }
    if (a->n_rows == 0) {
        return true;
    }
    size_t rows = (size_t)a->n_rows;
    return memcmp(a->start, b->start, (rows + 1) * sizeof *a->start) == 0 &&
           memcmp(a->values, b->values, (size_t)a->start[rows] * sizeof *a->values) == 0;
}

/* Members that only families of one op have. */
static bool special_sizes_equal(const KernelSizes *a, const KernelSizes *b)
{
    return a->eps == b->eps && a->border == b->border && a->frame == b->frame && a->bilinear == b->bilinear &&
           a->k == b->k && a->indices == b->indices && lrn_equal(&a->lrn, &b->lrn) && table_equal(&a->table, &b->table);
}

static bool sizes_equal(const KernelSizes *a, const KernelSizes *b)
{
    return a->in_channels == b->in_channels && a->in_rows == b->in_rows && a->in_cols == b->in_cols &&
           a->out_channels == b->out_channels && a->out_rows == b->out_rows && a->out_cols == b->out_cols &&
           window_equal(a, b) && a->groups == b->groups && a->multiplier == b->multiplier &&
           a->count_pad == b->count_pad && a->adaptive == b->adaptive && a->is_max == b->is_max &&
           a->is_log == b->is_log && a->op == b->op && a->second_stride_rows == b->second_stride_rows &&
           a->second_stride_cols == b->second_stride_cols && special_sizes_equal(a, b) && operands_equal(a, b);
}

static bool activation_equal(const Activation *a, const Activation *b)
{
    return a->op == b->op && memcmp(&a->attr.a, &b->attr.a, sizeof a->attr.a) == 0 &&
           memcmp(&a->attr.b, &b->attr.b, sizeof a->attr.b) == 0;
}

static bool prologue_equal(const Prologue *a, const Prologue *b)
{
    return a->kind == b->kind && activation_equal(&a->act, &b->act);
}

void winograd_tile_describe(WinogradTile tile, StrBuf *out)
{
    strbuf_printf(out, "%d", (int)tile.rows);
    if (tile.cols != tile.rows) {
        strbuf_printf(out, "x%d", (int)tile.cols);
    }
}

bool pack_format_equal(const PackFormat *a, const PackFormat *b)
{
    return a->kind == b->kind && a->row_block == b->row_block && a->col_block == b->col_block && a->lanes == b->lanes &&
           a->vectors == b->vectors && a->in_block == b->in_block && a->window_rows == b->window_rows &&
           a->window_cols == b->window_cols && winograd_tile_equal(a->winograd, b->winograd) &&
           a->phases == b->phases && a->phase_lanes == b->phase_lanes && a->storage == b->storage;
}

/* Members that only kernels of vector targets use. */
static bool vector_equal(const Kernel *a, const Kernel *b)
{
    return a->vector == b->vector && layout_equal(&a->in2, &b->in2) && layout_equal(&a->residual, &b->residual) &&
           a->tile_rows == b->tile_rows && a->tile_cols == b->tile_cols && a->tile_round == b->tile_round &&
           a->pixels_outer == b->pixels_outer && a->block_tiles == b->block_tiles && a->input_ahead == b->input_ahead &&
           a->tile_ends == b->tile_ends && a->near == b->near && a->prefetch_bytes == b->prefetch_bytes &&
           winograd_tile_equal(a->winograd, b->winograd) && a->max_pool == b->max_pool && a->avg_pool == b->avg_pool &&
           a->lane_phases == b->lane_phases && a->lane_rows == b->lane_rows && a->lane_cols == b->lane_cols &&
           a->out_step == b->out_step && a->lines == b->lines && a->skips_zeros == b->skips_zeros;
}

bool kernel_equal(const Kernel *a, const Kernel *b)
{
    return a->family == b->family && sizes_equal(&a->sizes, &b->sizes) && layout_equal(&a->in, &b->in) &&
           layout_equal(&a->out, &b->out) && a->epilogue.bias == b->epilogue.bias &&
           a->epilogue.residual == b->epilogue.residual && activation_equal(&a->epilogue.act, &b->epilogue.act) &&
           prologue_equal(&a->prologue, &b->prologue) && pack_format_equal(&a->weight_format, &b->weight_format) &&
           a->tile_pixels == b->tile_pixels && a->tile_taps == b->tile_taps && a->scratch_bytes == b->scratch_bytes &&
           vector_equal(a, b);
}

/* --- names */

static void name_shape(StrBuf *name, int32_t channels, int32_t rows, int32_t cols)
{
    if (rows == 1 && cols == 1) {
        strbuf_printf(name, "_%d", (int)channels);
    } else {
        strbuf_printf(name, "_%dx%dx%d", (int)channels, (int)rows, (int)cols);
    }
}

static void name_in(StrBuf *name, const KernelSizes *s)
{
    name_shape(name, s->in_channels, s->in_rows, s->in_cols);
}

static void name_in_out(StrBuf *name, const KernelSizes *s)
{
    name_in(name, s);
    strbuf_printf(name, "_to");
    name_shape(name, s->out_channels, s->out_rows, s->out_cols);
}

/* Rows or columns of padding that the last window needs at the far edge. */
static int32_t far_pad(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t dilation, int32_t near_pad)
{
    int64_t end = window_extent(out, kernel, stride, dilation) - near_pad;
    return end > in ? (int32_t)(end - in) : 0;
}

static void name_pads(StrBuf *name, const KernelSizes *s)
{
    int32_t bottom = far_pad(s->in_rows, s->out_rows, s->kernel_rows, s->stride_rows,
                             s->dilation_rows == 0 ? 1 : s->dilation_rows, s->pad_top);
    int32_t right = far_pad(s->in_cols, s->out_cols, s->kernel_cols, s->stride_cols,
                            s->dilation_cols == 0 ? 1 : s->dilation_cols, s->pad_left);
    if (bottom > s->pad_top || right > s->pad_left) {
        strbuf_printf(name, "p%d_%d_%d_%d", (int)s->pad_top, (int)s->pad_left, (int)bottom, (int)right);
    } else if (s->pad_top != s->pad_left) {
        strbuf_printf(name, "p%dx%d", (int)s->pad_top, (int)s->pad_left);
    } else if (s->pad_top != 0) {
        strbuf_printf(name, "p%d", (int)s->pad_top);
    }
}

static void name_pair(StrBuf *name, const char *letter, int32_t rows, int32_t cols)
{
    if (rows == cols) {
        strbuf_printf(name, "%s%d", letter, (int)rows);
    } else {
        strbuf_printf(name, "%s%dx%d", letter, (int)rows, (int)cols);
    }
}

/* "3x3_s1p1_d2" */
static void name_window(StrBuf *name, const KernelSizes *s)
{
    strbuf_printf(name, "%dx%d_", (int)s->kernel_rows, (int)s->kernel_cols);
    name_pair(name, "s", s->stride_rows, s->stride_cols);
    name_pads(name, s);
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        name_pair(name, "_d", s->dilation_rows, s->dilation_cols);
    }
}

/* The same of a transposed convolution, whose padding is what it takes off the output: "3x3_s2p1_d2" */
static void name_transposed_window(StrBuf *name, const KernelSizes *s)
{
    strbuf_printf(name, "%dx%d_", (int)s->kernel_rows, (int)s->kernel_cols);
    name_pair(name, "s", s->stride_rows, s->stride_cols);
    if (s->pad_top != 0 || s->pad_left != 0) {
        name_pair(name, "p", s->pad_top, s->pad_left);
    }
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        name_pair(name, "_d", s->dilation_rows, s->dilation_cols);
    }
}

static void name_epilogue(StrBuf *name, const Epilogue *epilogue)
{
    if (epilogue->residual) {
        strbuf_printf(name, "_add");
    }
    if (epilogue->act.op != OP_IDENTITY) {
        strbuf_printf(name, "_%s", op_info(epilogue->act.op)->name);
    }
}

/* "_and_s2_256x56x56" */
static void name_second(StrBuf *name, const Kernel *kernel)
{
    if (kernel->sizes.second_stride_rows > 0) {
        name_pair(name, "_and_s", kernel->sizes.second_stride_rows, kernel->sizes.second_stride_cols);
        name_shape(name, kernel->in2.channels, kernel->in2.rows, kernel->in2.cols);
    }
}

/* "norm_relu_", "relu_" */
static void name_prologue(StrBuf *name, const Prologue *prologue)
{
    if (prologue->kind == PROLOGUE_NORM || prologue->kind == PROLOGUE_MEAN) {
        strbuf_printf(name, prologue->kind == PROLOGUE_NORM ? "norm_" : "mean_");
    }
    if (prologue->kind != PROLOGUE_NONE && prologue->act.op != OP_IDENTITY) {
        strbuf_printf(name, "%s_", op_info(prologue->act.op)->name);
    }
}

static void name_product(StrBuf *name, const char *stem, const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    name_prologue(name, &kernel->prologue);
    strbuf_printf(name, "%s%s", stem, kernel->skips_zeros ? "_nonzero" : "");
    if (kernel->family == KERNEL_CONV_TRANSPOSE) {
        name_transposed_window(name, s);
    } else if (kernel->family != KERNEL_DENSE) {
        name_window(name, s);
    }
    if (kernel->family != KERNEL_DEPTHWISE && kernel->family != KERNEL_TABLE_CONV && s->groups > 1) {
        strbuf_printf(name, "_g%d", (int)s->groups);
    }
    name_in(name, s);
    name_second(name, kernel);
    strbuf_printf(name, "_to");
    name_shape(name, s->out_channels, s->out_rows, s->out_cols);
    if (kernel->weight_format.storage != STORE_F32) {
        strbuf_printf(name, "_%s", storage_name(kernel->weight_format.storage));
    }
    strbuf_printf(name, "%s", kernel->epilogue.bias ? "" : "_nobias");
    name_epilogue(name, &kernel->epilogue);
}

static void name_binary(StrBuf *name, const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    strbuf_printf(name, "%s", op_info(s->op)->name);
    for (int i = 0; i < 2; ++i) {
        /* Of two operands one at least has the result's size; the other gives the name its colour. */
        if (s->scalar_is_literal[i]) {
            strbuf_printf(name, "_literal");
        } else if (s->broadcast[i] == BROADCAST_CHANNEL) {
            strbuf_printf(name, "_channel");
        } else if (s->broadcast[i] == BROADCAST_SCALAR) {
            strbuf_printf(name, "_scalar");
        }
    }
    name_in(name, s);
    name_epilogue(name, &kernel->epilogue);
}

static void name_copy(StrBuf *name, const KernelSizes *s)
{
    if (s->out_rows != s->in_rows || s->out_cols != s->in_cols) {
        strbuf_printf(name, "pad");
        name_in_out(name, s);
        return;
    }
    bool contiguous = s->in_channels == 1 && s->in_rows == 1 && s->in_stride[2] == 1 && s->out_stride[2] == 1;
    if (contiguous) {
        strbuf_printf(name, "copy_%d", (int)s->in_cols);
    } else {
        strbuf_printf(name, "copy_strided_%dx%dx%d", (int)s->in_channels, (int)s->in_rows, (int)s->in_cols);
    }
}

static void name_lines(StrBuf *name, const Kernel *kernel)
{
    if (kernel->lines > 0) {
        strbuf_printf(name, "lines%d_", (int)kernel->lines);
    }
}

static void name_pool(StrBuf *name, const Kernel *kernel)
{
    strbuf_printf(name, "%s", kernel->max_pool ? "_max_pool" : kernel->avg_pool ? "_avg_pool" : "");
}

Str kernel_base_name(Arena *arena, const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    StrBuf name = {0};
    switch (kernel->family) {
    case KERNEL_CONV:
        name_product(&name, "conv", kernel);
        break;
    case KERNEL_DEPTHWISE:
        name_product(&name, "depthwise", kernel);
        break;
    case KERNEL_DENSE:
        name_product(&name, "dense", kernel);
        break;
    case KERNEL_MAX_POOL:
        strbuf_printf(&name, "max_pool");
        name_window(&name, s);
        name_in_out(&name, s);
        break;
    case KERNEL_AVG_POOL:
        strbuf_printf(&name, s->adaptive ? "adaptive_avg_pool" : "avg_pool");
        if (!s->adaptive) {
            name_window(&name, s);
        }
        name_in_out(&name, s);
        break;
    case KERNEL_GLOBAL_POOL:
        strbuf_printf(&name, s->is_max ? "global_max_pool" : "global_avg_pool");
        name_in(&name, s);
        break;
    case KERNEL_UNARY:
        strbuf_printf(&name, "%s", op_info(kernel->epilogue.act.op)->name);
        name_in(&name, s);
        break;
    case KERNEL_BINARY:
        name_binary(&name, kernel);
        break;
    case KERNEL_CHANNEL_AFFINE:
        strbuf_printf(&name, "channel_affine");
        name_in(&name, s);
        name_epilogue(&name, &kernel->epilogue);
        break;
    case KERNEL_LRN:
        strbuf_printf(&name, "lrn%d", (int)s->lrn.size);
        name_in(&name, s);
        break;
    case KERNEL_SOFTMAX:
        strbuf_printf(&name, s->is_log ? "log_softmax" : "softmax");
        name_in(&name, s);
        break;
    case KERNEL_CONV_TRANSPOSE:
        name_product(&name, "conv_transpose", kernel);
        break;
    case KERNEL_TABLE_CONV:
        name_product(&name, "table_conv", kernel);
        break;
    case KERNEL_SUBSAMPLE:
        strbuf_printf(&name, "subsample%dx%d", (int)s->kernel_rows, (int)s->kernel_cols);
        name_in_out(&name, s);
        break;
    case KERNEL_BORDER:
        strbuf_printf(&name, "%s_%s", s->frame ? "frame" : "pad",
                      s->border == PAD_REFLECT ? "reflect"
                      : s->border == PAD_EDGE  ? "edge"
                                               : "value");
        name_in_out(&name, s);
        break;
    case KERNEL_UPSAMPLE:
        strbuf_printf(&name, "%s_", s->bilinear ? "bilinear" : "nearest");
        name_pair(&name, "x", s->stride_rows, s->stride_cols);
        name_in(&name, s);
        break;
    case KERNEL_INSTANCE_NORM:
        strbuf_printf(&name, kernel->epilogue.bias ? "instance_norm_affine" : "instance_norm");
        name_in(&name, s);
        name_epilogue(&name, &kernel->epilogue);
        break;
    case KERNEL_PIXELS:
        strbuf_printf(&name, kernel->in.block > 1 ? "pixels_hwc" : "pixels");
        name_in(&name, s);
        break;
    case KERNEL_RBF:
        strbuf_printf(&name, "rbf");
        name_in_out(&name, s);
        break;
    case KERNEL_REDUCE:
        strbuf_printf(&name, "%s", op_info(s->op)->name);
        name_in(&name, s);
        break;
    case KERNEL_TOP_K:
        strbuf_printf(&name, s->indices ? "top_%d" : "top_%d_values", (int)s->k);
        name_in(&name, s);
        break;
    case KERNEL_L2_NORMALIZE:
    case KERNEL_GRAM:
    case KERNEL_ARGMAX:
        strbuf_printf(&name, "%s", kernel_family_name(kernel->family));
        name_in(&name, s);
        break;
    case KERNEL_COPY:
        name_copy(&name, s);
        break;
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
        name_lines(&name, kernel);
        name_product(&name, "conv", kernel);
        break;
    case KERNEL_ROWS:
        name_lines(&name, kernel);
        name_product(&name, "rows", kernel);
        name_pool(&name, kernel);
        break;
    case KERNEL_WINOGRAD:
    case KERNEL_WINOGRAD_LIVE:
        strbuf_printf(&name, "%s", kernel_family_name(kernel->family));
        winograd_tile_describe(kernel->winograd, &name);
        strbuf_printf(&name, "_");
        name_product(&name, "", kernel);
        name_pool(&name, kernel);
        break;
    case KERNEL_STRASSEN:
        name_product(&name, "strassen", kernel);
        break;
    case KERNEL_CONVERT:
        strbuf_printf(&name, "convert");
        name_in(&name, s);
        strbuf_printf(&name, "_c%d_to_c%d", (int)kernel->in.block, (int)kernel->out.block);
        break;
    case KERNEL_SPACE_TO_DEPTH:
        strbuf_printf(&name, "space_to_depth%d", (int)s->stride_rows);
        name_in(&name, s);
        break;
    case KERNEL_ZERO_HALO:
        strbuf_printf(&name, "zero_halo");
        name_in(&name, s);
        break;
    case KERNEL_FAMILY_COUNT:
        ICE("no kernel family");
    }
    Str result = arena_copy(arena, strbuf_view(&name));
    strbuf_free(&name);
    return result;
}
