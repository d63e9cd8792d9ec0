/* Pools on vectors: windows of any kind, adaptive and global ones. A vector of channels is reduced at a time; windows
 * are clipped to the image, so the zeros around it do not matter. NaN wins every maximum.
 *
 * Windows of a row that are not clipped on the left or right share their columns: each column is reduced once, and what
 * the next window needs of them stays in registers. */
#include <inttypes.h>

#include "backend/emit_vector.h"
#include "support/ints.h"

static const char *index_of(const Kernel *kernel)
{
    int64_t b = kernel->vector, in = int_div_up(kernel->sizes.in_channels, b) * kernel->in.plane_stride;
    int64_t out = int_div_up(kernel->sizes.out_channels, b) * kernel->out.plane_stride;
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
 * average is not theirs, how many count. TO only where it is needed. */
static void emit_range(const KernelSizes *s, bool rows, bool ends, bool counts, CWriter *w)
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
    if (!ends) {
        return;
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

/* Along one axis: outputs [first, end) have windows wholly inside the image. */
typedef struct {
    int32_t first, end;
} Whole;

static Whole whole_windows(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t pad)
{
    int32_t first = (pad + stride - 1) / stride, end = in + pad < kernel ? 0 : (in + pad - kernel) / stride + 1;
    Whole whole = {.first = first < out ? first : out, .end = end < out ? end : out};
    whole.end = whole.end > whole.first ? whole.end : whole.first;
    return whole;
}

/* "vector_max(a, b)", "a + b" */
static CExpr reduced(bool is_max, const char *a, const char *b)
{
    return is_max ? cexpr_format("vector_max(%s, %s)", a, b) : cexpr_format("%s + %s", a, b);
}

/* Asks for what the row of windows below reads and this one does not, to the second level: of the columns that one window
 * goes on. */
static void emit_inputs_ahead(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t rows = s->stride_rows < s->kernel_rows ? s->stride_rows : s->kernel_rows;
    int64_t row_stride = kernel->in.row_stride;
    emit_rows_ahead(w, "x", s->kernel_rows * row_stride, rows, row_stride, s->stride_cols * kernel->vector, ", 0, 2");
}

/* NAME_column: maximum or sum of rows pixels below each other. NAME_whole: a run of windows that no side clips. */
static void emit_whole(const Kernel *kernel, int32_t windows, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool is_max = kernel->family == KERNEL_MAX_POOL;
    int32_t b = kernel->vector, kept = s->kernel_cols > s->stride_cols ? s->kernel_cols - s->stride_cols : 0;
    cw_comment(w, "%s of the pixels of a column from x on.", is_max ? "Maximum" : "Sum");
    cw_line(w, "CNN_INLINE vector " STR_FMT "_column(const float *x, int rows)", STR_ARG(kernel->name));
    cw_body(w);
    cw_line(w, "vector total = vector_load(x);");
    cw_open(w, "for (int row = 1; row < rows; ++row)");
    cw_line(
        w, "total = %s;",
        reduced(is_max, "total", cexpr_format("vector_load(x + row * %" PRId64 ")", kernel->in.row_stride).text).text);
    cw_close(w, "");
    cw_line(w, "return total;");
    cw_close(w, "");
    cw_blank(w);

    cw_comment(w, "%d windows of rows x %d pixels beside each other.%s", windows, s->kernel_cols,
               kept > 0 ? " Columns of the next window stay in line." : "");
    cw_line(w, "CNN_INLINE void " STR_FMT "_whole(const float *x, float *y, int rows%s)", STR_ARG(kernel->name),
            is_max ? "" : ", float divisor");
    cw_body(w);
    cw_line(w, "vector line[%d];", s->kernel_cols);
    CExpr column = cexpr_format("line[col] = " STR_FMT "_column(x + col * %d, rows);", STR_ARG(kernel->name), b);
    if (kept > 0) {
        cw_open(w, "for (int col = 0; col < %d; ++col)", kept);
        cw_line(w, "%s", column.text);
        cw_close(w, "");
    }
    cw_open(w, "for (int i = 0; i < %d; ++i, x += %d, y += %d)", windows, s->stride_cols * b, b);
    if (kernel->input_ahead) {
        emit_inputs_ahead(kernel, w);
    }
    cw_open(w, "for (int col = %d; col < %d; ++col)", kept, s->kernel_cols);
    cw_line(w, "%s", column.text);
    cw_close(w, "");
    cw_line(w, "vector total = line[0];");
    if (s->kernel_cols > 1) {
        cw_open(w, "for (int col = 1; col < %d; ++col)", s->kernel_cols);
        cw_line(w, "total = %s;", reduced(is_max, "total", "line[col]").text);
        cw_close(w, "");
    }
    cw_line(w, "vector_store(y, total%s);", is_max ? "" : " / divisor");
    if (kept > 0) {
        cw_open(w, "for (int col = 0; col < %d; ++col)", kept);
        cw_line(w, "line[col] = line[col + %d];", s->stride_cols);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* The windows [first, end) of a row, whose rows are whole or clipped: "NAME_whole(x, y, 3)". */
static void emit_whole_call(const Kernel *kernel, Whole cols, bool rows_clipped, bool counts, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool is_max = kernel->family == KERNEL_MAX_POOL;
    int64_t from = ((int64_t)cols.first * s->stride_cols - s->pad_left) * kernel->vector;
    CExpr at = cexpr_format(STR_FMT "_whole(x%s, y%s, ", STR_ARG(kernel->name), emit_offset(from).text,
                            emit_offset((int64_t)cols.first * kernel->vector).text);
    CExpr divisor = cexpr_format(", %d.0f", s->kernel_rows * s->kernel_cols);
    if (rows_clipped) { /* the usual height as a constant: its loop is unrolled */
        cw_open(w, "if (bottom - top == %d)", s->kernel_rows);
    }
    cw_line(w, "%s%d%s);", at.text, s->kernel_rows, is_max ? "" : divisor.text);
    if (rows_clipped) {
        cw_chain(w, "else");
        divisor = cexpr_format(", (float)(%s * %d)", counts ? "high" : "(bottom - top)", s->kernel_cols);
        cw_line(w, "%sbottom - top%s);", at.text, is_max ? "" : divisor.text);
        cw_close(w, "");
    }
}

/* Each window of a row by itself; but [whole.first, whole.end), which are done already. */
static void emit_each(const Kernel *kernel, Whole whole, bool counts, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, done = whole.end - whole.first;
    if (whole.first == 0) { /* the rest of the row */
        cw_open(w, "for (int ox = %d; ox < %d; ++ox)", whole.end, s->out_cols);
    } else {
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->out_cols - done);
        cw_line(w, "const int ox = i < %d ? i : i + %d;", whole.first, done);
    }
    emit_range(s, false, true, counts, w);
    cw_line(w, "const vector total = " STR_FMT "_window(x + left * %d, bottom - top, right - left);",
            STR_ARG(kernel->name), b);
    if (kernel->family == KERNEL_MAX_POOL) {
        cw_line(w, "vector_store(y + ox * %d, total);", b);
    } else {
        cw_line(w, "vector_store(y + ox * %d, total / (float)(%s));", b,
                counts ? "high * wide" : "(bottom - top) * (right - left)");
    }
    cw_close(w, "");
}

void emit_pool_vector(const Kernel *kernel, CWriter *w)
{
    if (kernel->out.block == 1) {
        emit_pool_rows(kernel, w);
        return;
    }
    const KernelSizes *s = &kernel->sizes;
    bool is_max = kernel->family == KERNEL_MAX_POOL;
    int32_t b = kernel->vector;
    Whole rows = {0, 0}, cols = {0, 0};
    if (!s->adaptive) {
        rows = whole_windows(s->in_rows, s->out_rows, s->kernel_rows, s->stride_rows, s->pad_top);
        cols = whole_windows(s->in_cols, s->out_cols, s->kernel_cols, s->stride_cols, s->pad_left);
    }
    int32_t whole = cols.end - cols.first;
    bool rows_clipped = rows.end - rows.first < s->out_rows, cols_clipped = whole < s->out_cols;
    bool counts = !is_max && s->count_pad && (rows_clipped || cols_clipped) && !s->adaptive;
    if (cols_clipped) {
        emit_window(kernel, is_max, w);
    }
    if (whole > 0) {
        emit_whole(kernel, whole, w);
    }
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
    int64_t planes = int_div_up(s->in_channels, b);
    emit_split(w, "job", planes * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    const char *index = index_of(kernel);
    cw_line(w, "const %s plane = %s;", index, cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int oy = %s;", cexpr_mod("job", s->out_rows).text);
    emit_range(s, true, rows_clipped || cols_clipped, counts, w);
    CExpr in = cexpr_sum(
        (Term[]){{"a->x[0]", 1}, {"plane", kernel->in.plane_stride}, {"top", kernel->in.row_stride}, {NULL, 0}},
        emit_interior(&kernel->in));
    CExpr out =
        cexpr_sum((Term[]){{"a->y", 1}, {"plane", kernel->out.plane_stride}, {"oy", kernel->out.row_stride}, {NULL, 0}},
                  emit_interior(&kernel->out));
    cw_line(w, "const float *const x = %s;", in.text);
    cw_line(w, "float *const y = %s;", out.text);
    if (whole > 0) {
        emit_whole_call(kernel, cols, rows_clipped, counts, w);
    }
    if (cols_clipped) {
        emit_each(kernel, cols, counts, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* "const vector total = .." and, of an average, "mean": of the channels of `plane`. */
static const char *emit_reduced_plane(const Kernel *kernel, bool is_max, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    CExpr in =
        cexpr_sum((Term[]){{"a->x[0]", 1}, {"plane", kernel->in.plane_stride}, {NULL, 0}}, emit_interior(&kernel->in));
    cw_line(w, "const vector total = " STR_FMT "_window(%s, %d, %d);", STR_ARG(kernel->name), in.text, s->in_rows,
            s->in_cols);
    if (is_max) {
        return "total";
    }
    cw_line(w, "const vector mean = total / %" PRId64 ".0f;", (int64_t)s->in_rows * s->in_cols);
    return "mean";
}

void emit_means(const Kernel *kernel, const char *means, CWriter *w)
{
    int32_t b = kernel->vector;
    cw_open(w, "for (%s plane = 0; plane < %d; ++plane)", index_of(kernel), (kernel->sizes.in_channels + b - 1) / b);
    const char *mean = emit_reduced_plane(kernel, false, w);
    cw_line(w, "vector_store(%s + plane * %d, %s);", means, b, mean);
    cw_close(w, "");
}

void emit_means_window(const Kernel *kernel, CWriter *w)
{
    emit_window(kernel, false, w);
}

void emit_global_pool_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool is_max = s->is_max;
    int32_t b = kernel->vector, rest = s->in_channels % b;
    int64_t planes = int_div_up(s->in_channels, b);
    emit_window(kernel, is_max, w);
    cw_comment(w, "%s of each channel: %dx%dx%d -> %d.", is_max ? "Maximum" : "Average", s->in_channels, s->in_rows,
               s->in_cols, s->out_channels);
    emit_kernel_head(kernel, w);
    emit_split(w, "plane", planes);
    cw_blank(w);
    cw_open(w, "for (%s plane = first_plane; plane < end_plane; ++plane)", index_of(kernel));
    const char *value = emit_reduced_plane(kernel, is_max, w);
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
