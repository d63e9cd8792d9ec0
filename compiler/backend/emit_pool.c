/* Pools: maximum and average over windows, adaptive average, and over whole channels.
 *
 * A row of window outputs is made in two passes: first the rows of the window are reduced to one line in scratch (whole
 * rows of the input, which vectorises), then the columns of each window. The line starts as the neutral element
 * (-infinity or 0), so its ends are the padding and no test for borders is left. NaN wins every maximum. */
#include "backend/emit.h"

#include <inttypes.h>

enum { MAX_UNROLLED = 8, LANES = 8 }; /* columns written out in one expression; partial sums of a global pool */

static const char *index_type(const KernelSizes *s)
{
    int64_t in = (int64_t)s->in_channels * s->in_rows * s->in_cols;
    int64_t out = (int64_t)s->out_channels * s->out_rows * s->out_cols;
    return cexpr_index_type(in > out ? in : out);
}

static int64_t in_plane(const KernelSizes *s)
{
    return (int64_t)s->in_rows * s->in_cols;
}

/* Cells of window i along one axis that the divisor counts. */
static int32_t window_cells(int32_t i, int32_t stride, int32_t kernel, int32_t pad_lo, int32_t pad_hi, int32_t in,
                            bool count_pad)
{
    int64_t first = (int64_t)i * stride - pad_lo, end = first + kernel;
    int64_t lo = count_pad ? -(int64_t)pad_lo : 0, hi = (int64_t)in + (count_pad ? pad_hi : 0);
    first = first > lo ? first : lo;
    end = end < hi ? end : hi;
    return end > first ? (int32_t)(end - first) : 0;
}

/* True where all windows along an axis count the same number of cells. */
static bool is_uniform(int32_t out, int32_t stride, int32_t kernel, int32_t pad_lo, int32_t pad_hi, int32_t in,
                       bool count_pad)
{
    for (int32_t i = 0; i < out; ++i) {
        if (window_cells(i, stride, kernel, pad_lo, pad_hi, in, count_pad) != kernel) {
            return false;
        }
    }
    return true;
}

/* "const int NAME = cells of the window in this row or column": min(end) - max(first), in input coordinates. */
static void emit_cells(const char *name, const char *i, int32_t stride, int32_t kernel, int32_t pad_lo, int32_t pad_hi,
                       int32_t in, bool count_pad, CWriter *w)
{
    CExpr first = cexpr_sum((Term[]){{i, stride}, {NULL, 0}}, -pad_lo);
    CExpr end = cexpr_sum((Term[]){{i, stride}, {NULL, 0}}, (int64_t)kernel - pad_lo);
    int64_t hi = (int64_t)in + (count_pad ? pad_hi : 0);
    CExpr last = cexpr_int(hi);
    if (count_pad || pad_lo == 0) {
        cw_line(w, "const int %s = (%s < %s ? %s : %s) - (%s);", name, end.text, last.text, end.text, last.text,
                first.text);
    } else {
        cw_line(w, "const int %s = (%s < %s ? %s : %s) - (%s > 0 ? %s : 0);", name, end.text, last.text, end.text,
                last.text, first.text, first.text);
    }
}

/* "m = ..." for the next candidate; NaN wins. */
static void emit_max_step(CWriter *w, const char *best, const char *candidate)
{
    cw_line(w, "const float v = %s;", candidate);
    cw_line(w, "%s = v > %s || v != v ? v : %s;", best, best, best);
}

/* Reduces the rows of the window to line[]. */
static void emit_vertical(const Kernel *kernel, bool is_max, int64_t cols, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", cols);
    cw_line(w, "line[i] = %s;", is_max ? "-INFINITY" : "0.0f");
    cw_close(w, "");
    int64_t used = cols - s->pad_left;
    used = used < s->in_cols ? used : s->in_cols;
    if (used <= 0) {
        return;
    }
    CExpr top = cexpr_sum((Term[]){{"oy", s->stride_rows}, {NULL, 0}}, -s->pad_top);
    CExpr bottom = cexpr_sum((Term[]){{"oy", s->stride_rows}, {NULL, 0}}, (int64_t)s->kernel_rows - s->pad_top);
    int64_t last_end = (int64_t)(s->out_rows - 1) * s->stride_rows + s->kernel_rows - s->pad_top;
    if (s->pad_top > 0) {
        cw_line(w, "const int top = %s > 0 ? %s : 0;", top.text, top.text);
        top = (CExpr){"top"};
    }
    if (last_end > s->in_rows) {
        cw_line(w, "const int bottom = %s < %d ? %s : %d;", bottom.text, s->in_rows, bottom.text, s->in_rows);
        bottom = (CExpr){"bottom"};
    }
    cw_open(w, "for (int iy = %s; iy < %s; ++iy)", top.text, bottom.text);
    CExpr row = cexpr_sum((Term[]){{"x", 1}, {"iy", s->in_cols}, {NULL, 0}}, 0);
    CExpr cell = cexpr_sum((Term[]){{"ix", 1}, {NULL, 0}}, s->pad_left);
    cw_line(w, "const float *const row = %s;", row.text);
    cw_open(w, "for (int ix = 0; ix < %" PRId64 "; ++ix)", used);
    CExpr target = cexpr_at("line", cell);
    if (is_max) {
        emit_max_step(w, target.text, "row[ix]");
    } else {
        cw_line(w, "%s += row[ix];", target.text);
    }
    cw_close(w, "");
    cw_close(w, "");
}

/* Reduces the columns of each window: value of output ox in `m`. */
static void emit_horizontal(const Kernel *kernel, bool is_max, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    CExpr at = cexpr_sum((Term[]){{"ox", s->stride_cols}, {NULL, 0}}, 0);
    cw_line(w, "float m = line[%s];", at.text);
    if (s->kernel_cols > MAX_UNROLLED) {
        cw_open(w, "for (int kx = 1; kx < %d; ++kx)", s->kernel_cols);
        CExpr next = cexpr_at("line", cexpr_sum((Term[]){{"ox", s->stride_cols}, {"kx", 1}, {NULL, 0}}, 0));
        if (is_max) {
            emit_max_step(w, "m", next.text);
        } else {
            cw_line(w, "m += %s;", next.text);
        }
        cw_close(w, "");
        return;
    }
    for (int32_t kx = 1; kx < s->kernel_cols; ++kx) {
        CExpr next = cexpr_at("line", cexpr_sum((Term[]){{"ox", s->stride_cols}, {NULL, 0}}, kx));
        if (is_max) {
            cw_line(w, "m = %s > m || %s != %s ? %s : m;", next.text, next.text, next.text, next.text);
        } else {
            cw_line(w, "m += %s;", next.text);
        }
    }
}

/* The last step of an average: divides by the number of cells, a constant unless windows are cut at the borders. */
static void emit_divide(const Kernel *kernel, bool rows_uniform, bool cols_uniform, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    if (rows_uniform && cols_uniform) {
        cw_line(w, "y[ox] = m / %" PRId64 ".0f;", (int64_t)s->kernel_rows * s->kernel_cols);
        return;
    }
    CExpr cols = cexpr_int(s->kernel_cols), rows = cexpr_int(s->kernel_rows);
    if (!cols_uniform) {
        emit_cells("cols", "ox", s->stride_cols, s->kernel_cols, s->pad_left, s->pad_right, s->in_cols, s->count_pad,
                   w);
        cols = (CExpr){"cols"};
    }
    if (!rows_uniform) {
        rows = (CExpr){"rows"};
    }
    cw_line(w, "y[ox] = m / (float)(%s * %s);", rows.text, cols.text);
}

static void emit_window_pool(const Kernel *kernel, bool is_max, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t cols = (int64_t)(s->out_cols - 1) * s->stride_cols + s->kernel_cols;
    if (kernel->scratch_bytes < 4 * cols) {
        ICE("pool kernel '" STR_FMT "' has too little scratch", STR_ARG(kernel->name));
    }
    cw_comment(w, "%s pool %dx%d, stride %dx%d, padding from top left %dx%d%s: %dx%dx%d -> %dx%dx%d.",
               is_max ? "Max" : "Average", s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top,
               s->pad_left,
               is_max         ? ""
               : s->count_pad ? ", padding counts"
                              : ", padding does not count",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    cw_line(w, "float *const line = %s; /* [%" PRId64 "]: the window's rows, reduced to one */",
            emit_scratch(kernel).text, cols);
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index_type(s));
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"channel", in_plane(s)}, {NULL, 0}}, 0);
    CExpr y = cexpr_sum(
        (Term[]){{"a->y", 1}, {"channel", (int64_t)s->out_rows * s->out_cols}, {"oy", s->out_cols}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_open(w, "for (int oy = 0; oy < %d; ++oy)", s->out_rows);
    emit_vertical(kernel, is_max, cols, w);
    bool rows_uniform =
        is_uniform(s->out_rows, s->stride_rows, s->kernel_rows, s->pad_top, s->pad_bottom, s->in_rows, s->count_pad);
    bool cols_uniform =
        is_uniform(s->out_cols, s->stride_cols, s->kernel_cols, s->pad_left, s->pad_right, s->in_cols, s->count_pad);
    if (!is_max && !rows_uniform) {
        emit_cells("rows", "oy", s->stride_rows, s->kernel_rows, s->pad_top, s->pad_bottom, s->in_rows, s->count_pad,
                   w);
    }
    cw_line(w, "float *const y = %s;", y.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    emit_horizontal(kernel, is_max, w);
    if (is_max) {
        cw_line(w, "y[ox] = m;");
    } else {
        emit_divide(kernel, rows_uniform, cols_uniform, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* "const int from = floor(i * in / out), to = ceil((i + 1) * in / out);" */
static void emit_adaptive_range(const char *from, const char *to, const char *i, int32_t in, int32_t out, CWriter *w)
{
    const char *type = cexpr_index_type(((int64_t)out + 1) * in + out);
    if (in % out == 0) {
        CExpr first = cexpr_sum((Term[]){{i, in / out}, {NULL, 0}}, 0),
              end = cexpr_sum((Term[]){{i, in / out}, {NULL, 0}}, in / out);
        cw_line(w, "const int %s = %s, %s = %s;", from, first.text, to, end.text);
    } else {
        cw_line(w, "const %s %s = %s * %d / %d, %s = ((%s + 1) * %d + %d) / %d;", type, from, i, in, out, to, i, in,
                out - 1, out);
    }
}

static void emit_adaptive_pool(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const char *row_type = cexpr_index_type(((int64_t)s->out_rows + 1) * s->in_rows + s->out_rows);
    const char *col_type = cexpr_index_type(((int64_t)s->out_cols + 1) * s->in_cols + s->out_cols);
    cw_comment(
        w,
        "Adaptive average pool: %dx%dx%d -> %dx%dx%d; window i covers [floor(i * in / out), ceil((i + 1) * in / out)).",
        s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index_type(s));
    cw_open(w, "for (%s oy = 0; oy < %d; ++oy)", row_type, s->out_rows);
    cw_open(w, "for (%s ox = 0; ox < %d; ++ox)", col_type, s->out_cols);
    emit_adaptive_range("top", "bottom", "oy", s->in_rows, s->out_rows, w);
    emit_adaptive_range("left", "right", "ox", s->in_cols, s->out_cols, w);
    CExpr x = cexpr_sum((Term[]){{"channel", in_plane(s)}, {"iy", s->in_cols}, {"ix", 1}, {NULL, 0}}, 0);
    CExpr y = cexpr_sum(
        (Term[]){{"channel", (int64_t)s->out_rows * s->out_cols}, {"oy", s->out_cols}, {"ox", 1}, {NULL, 0}}, 0);
    cw_line(w, "float sum = 0.0f;");
    cw_open(w, "for (%s iy = top; iy < bottom; ++iy)", row_type);
    cw_line(w, "float row = 0.0f;");
    cw_open(w, "for (%s ix = left; ix < right; ++ix)", col_type);
    cw_line(w, "row += a->x[0][%s];", x.text);
    cw_close(w, "");
    cw_line(w, "sum += row;");
    cw_close(w, "");
    cw_line(w, "a->y[%s] = sum / (float)((bottom - top) * (right - left));", y.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

void emit_max_pool(const Kernel *kernel, CWriter *w)
{
    emit_window_pool(kernel, true, w);
}

void emit_avg_pool(const Kernel *kernel, CWriter *w)
{
    if (kernel->sizes.adaptive) {
        emit_adaptive_pool(kernel, w);
    } else {
        emit_window_pool(kernel, false, w);
    }
}

/* Eight partial results side by side: the chain of additions is eight times shorter, and so are rounding errors. */
void emit_global_pool(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t n = in_plane(s), whole = n / LANES * LANES;
    bool is_max = s->is_max;
    cw_comment(w, "%s of each channel: %dx%dx%d -> %d, in eight partial %s.", is_max ? "Maximum" : "Average",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, is_max ? "maxima" : "sums");
    emit_kernel_head(kernel, w);
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index_type(s));
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"channel", n}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    const char *zero = is_max ? "-INFINITY" : "0.0f";
    cw_line(w, "float lane[%d] = {%s, %s, %s, %s, %s, %s, %s, %s};", LANES, zero, zero, zero, zero, zero, zero, zero,
            zero);
    if (whole > 0) {
        cw_open(w, "for (int i = 0; i < %" PRId64 "; i += %d)", whole, LANES);
        cw_open(w, "for (int j = 0; j < %d; ++j)", LANES);
        if (is_max) {
            emit_max_step(w, "lane[j]", "x[i + j]");
        } else {
            cw_line(w, "lane[j] += x[i + j];");
        }
        cw_close(w, "");
        cw_close(w, "");
    }
    if (whole < n) {
        cw_open(w, "for (int i = %" PRId64 "; i < %" PRId64 "; ++i)", whole, n);
        if (is_max) {
            emit_max_step(w, "lane[0]", "x[i]");
        } else {
            cw_line(w, "lane[0] += x[i];");
        }
        cw_close(w, "");
    }
    if (is_max) {
        cw_open(w, "for (int j = 1; j < %d; ++j)", LANES);
        emit_max_step(w, "lane[0]", "lane[j]");
        cw_close(w, "");
        cw_line(w, "a->y[channel] = lane[0];");
    } else {
        cw_line(w, "const float sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + "
                   "lane[7]));");
        cw_line(w, "a->y[channel] = sum / %" PRId64 ".0f;", n);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
