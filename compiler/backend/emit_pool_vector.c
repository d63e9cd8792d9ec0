/* Pools on vectors: windows of any kind, adaptive and global ones. A vector of channels is reduced at a time; windows
 * are clipped to the image, so the zeros around it do not matter. NaN wins every maximum. */
#include <inttypes.h>

#include "backend/emit_vector.h"

static const char *index_of(const Kernel *kernel)
{
    int64_t b = kernel->vector, in = (kernel->sizes.in_channels + b - 1) / b * kernel->in.plane_stride;
    int64_t out = (kernel->sizes.out_channels + b - 1) / b * kernel->out.plane_stride;
    return cexpr_index_type(in > out ? in : out);
}

/* NAME_window: maximum or sum of rows x cols pixels. */
static void emit_window(const Kernel *kernel, bool is_max, CWriter *w)
{
    cw_comment(w, "%s of rows x cols pixels from x on.", is_max ? "Maximum" : "Sum");
    cw_line(w, "CNN_INLINE vector " STR_FMT "_window(const float *x, int rows, int cols)", STR_ARG(kernel->name));
    cw_body(w);
    cw_line(w, "vector total = vector_all(%s);", is_max ? "-INFINITY" : "0.0f");
    cw_open(w, "for (int row = 0; row < rows; ++row, x += %" PRId64 ")", kernel->in.row_stride);
    if (is_max) {
        cw_open(w, "for (int col = 0; col < cols; ++col)");
        cw_line(w, "total = vector_max(total, vector_load(x + col * %d));", kernel->vector);
        cw_close(w, "");
    } else {
        cw_line(w, "vector line = vector_all(0.0f);");
        cw_open(w, "for (int col = 0; col < cols; ++col)");
        cw_line(w, "line += vector_load(x + col * %d);", kernel->vector);
        cw_close(w, "");
        cw_line(w, "total += line;");
    }
    cw_close(w, "");
    cw_line(w, "return total;");
    cw_close(w, "");
    cw_blank(w);
}

/* "const int FROM = .., TO = ..": the window's cells inside the image, along one axis; and, where the divisor of an
 * average is not theirs, how many count. */
static void emit_range(const KernelSizes *s, bool rows, bool counts, CWriter *w)
{
    const char *i = rows ? "oy" : "ox", *from = rows ? "top" : "left", *to = rows ? "bottom" : "right";
    int32_t in = rows ? s->in_rows : s->in_cols, out = rows ? s->out_rows : s->out_cols;
    if (s->adaptive) {
        const char *type = cexpr_index_type(((int64_t)out + 1) * in + out);
        const char *cast = strcmp(type, "int") == 0 ? "" : "(int)";
        const char *wide = strcmp(type, "int") == 0 ? "" : "(ptrdiff_t)";
        cw_line(w, "const int %s = %s(%s%s * %d / %d), %s = %s((%s(%s + 1) * %d + %d) / %d);", from, cast, wide, i, in,
                out, to, cast, wide, i, in, out - 1, out);
        return;
    }
    int32_t stride = rows ? s->stride_rows : s->stride_cols, kernel = rows ? s->kernel_rows : s->kernel_cols;
    int32_t pad = rows ? s->pad_top : s->pad_left, far = rows ? s->pad_bottom : s->pad_right;
    CExpr first = cexpr_sum((Term[]){{i, stride}, {NULL, 0}}, -pad);
    CExpr end = cexpr_sum((Term[]){{i, stride}, {NULL, 0}}, (int64_t)kernel - pad);
    if (pad > 0) {
        cw_line(w, "const int %s = %s > 0 ? %s : 0;", from, first.text, first.text);
    } else {
        cw_line(w, "const int %s = %s;", from, first.text);
    }
    if ((int64_t)(out - 1) * stride + kernel - pad > in) {
        cw_line(w, "const int %s = %s < %d ? %s : %d;", to, end.text, in, end.text, in);
    } else {
        cw_line(w, "const int %s = %s;", to, end.text);
    }
    if (counts) {
        cw_line(w, "const int %s = (%s < %d ? %s : %d) - (%s);", rows ? "high" : "wide", end.text, in + far, end.text,
                in + far, first.text);
    }
}

/* True where some window is not wholly inside the image. */
static bool is_clipped(const KernelSizes *s)
{
    return s->pad_top > 0 || s->pad_left > 0 || (s->out_rows - 1) * s->stride_rows + s->kernel_rows > s->in_rows ||
           (s->out_cols - 1) * s->stride_cols + s->kernel_cols > s->in_cols;
}

void emit_pool_vector(const Kernel *kernel, CWriter *w)
{
    if (kernel->out.block == 1) {
        emit_pool_rows(kernel, w);
        return;
    }
    const KernelSizes *s = &kernel->sizes;
    bool is_max = kernel->family == KERNEL_MAX_POOL, clipped = s->adaptive || is_clipped(s);
    bool counts = !is_max && s->count_pad && clipped && !s->adaptive;
    int32_t b = kernel->vector;
    emit_window(kernel, is_max, w);
    if (s->adaptive) {
        cw_comment(w,
                   "Adaptive average pool: %dx%dx%d -> %dx%dx%d; window i covers [floor(i * in / out), ceil((i + 1) "
                   "* in / out)).",
                   s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    } else {
        cw_comment(w, "%s pool %dx%d, stride %dx%d, padding from top left %dx%d%s: %dx%dx%d -> %dx%dx%d.",
                   is_max ? "Max" : "Average", s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols,
                   s->pad_top, s->pad_left,
                   is_max         ? ""
                   : s->count_pad ? ", padding counts"
                                  : ", padding does not count",
                   s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    }
    emit_kernel_head(kernel, w);
    int64_t planes = (s->in_channels + b - 1) / b;
    emit_split(w, "job", planes * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    const char *index = index_of(kernel);
    cw_line(w, "const %s plane = %s;", index, cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int oy = %s;", cexpr_mod("job", s->out_rows).text);
    emit_range(s, true, counts, w);
    CExpr in = cexpr_sum(
        (Term[]){{"a->x[0]", 1}, {"plane", kernel->in.plane_stride}, {"top", kernel->in.row_stride}, {NULL, 0}},
        emit_interior(&kernel->in));
    CExpr out =
        cexpr_sum((Term[]){{"a->y", 1}, {"plane", kernel->out.plane_stride}, {"oy", kernel->out.row_stride}, {NULL, 0}},
                  emit_interior(&kernel->out));
    cw_line(w, "const float *const x = %s;", in.text);
    cw_line(w, "float *const y = %s;", out.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    emit_range(s, false, counts, w);
    if (!s->adaptive) { /* the usual width as a constant: the loop over it is unrolled */
        cw_line(w, "const int whole = bottom - top == %d && right - left == %d;", s->kernel_rows, s->kernel_cols);
        cw_line(w, "const vector total = whole ? " STR_FMT "_window(x + left * %d, %d, %d)", STR_ARG(kernel->name), b,
                s->kernel_rows, s->kernel_cols);
        cw_line(w, "                           : " STR_FMT "_window(x + left * %d, bottom - top, right - left);",
                STR_ARG(kernel->name), b);
    } else {
        cw_line(w, "const vector total = " STR_FMT "_window(x + left * %d, bottom - top, right - left);",
                STR_ARG(kernel->name), b);
    }
    if (is_max) {
        cw_line(w, "vector_store(y + ox * %d, total);", b);
    } else if (!clipped) {
        cw_line(w, "vector_store(y + ox * %d, total / %d.0f);", b, s->kernel_rows * s->kernel_cols);
    } else {
        cw_line(w, "vector_store(y + ox * %d, total / (float)(%s));", b,
                counts ? "high * wide" : "(bottom - top) * (right - left)");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

void emit_global_pool_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool is_max = s->is_max;
    int32_t b = kernel->vector, rest = s->in_channels % b;
    int64_t planes = (s->in_channels + b - 1) / b;
    emit_window(kernel, is_max, w);
    cw_comment(w, "%s of each channel: %dx%dx%d -> %d.", is_max ? "Maximum" : "Average", s->in_channels, s->in_rows,
               s->in_cols, s->out_channels);
    emit_kernel_head(kernel, w);
    emit_split(w, "plane", planes);
    cw_blank(w);
    cw_open(w, "for (%s plane = first_plane; plane < end_plane; ++plane)", index_of(kernel));
    CExpr in =
        cexpr_sum((Term[]){{"a->x[0]", 1}, {"plane", kernel->in.plane_stride}, {NULL, 0}}, emit_interior(&kernel->in));
    cw_line(w, "const vector total = " STR_FMT "_window(%s, %d, %d);", STR_ARG(kernel->name), in.text, s->in_rows,
            s->in_cols);
    const char *value = "total";
    if (!is_max) {
        cw_line(w, "const vector mean = total / %" PRId64 ".0f;", (int64_t)s->in_rows * s->in_cols);
        value = "mean";
    }
    if (rest != 0) {
        cw_line(w, "const int channels = plane < %" PRId64 " ? %d : %d;", planes - 1, b, rest);
        cw_open(w, "for (int lane = 0; lane < channels; ++lane)");
        cw_line(w, "a->y[plane * %d + lane] = %s[lane];", b, value);
        cw_close(w, "");
    } else {
        cw_line(w, "vector_store_anywhere(a->y + plane * %d, %s);", b, value);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
