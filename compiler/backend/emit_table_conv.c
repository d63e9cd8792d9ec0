/* table_conv: a convolution in which each output channel reads the input channels of its row in a table (LeNet-5's C3).
 *
 * A row of outputs at a time: the products of one connection are added up on their own, then added to the row's sums.
 * weights[connection][ky][kx]; the tables of connections and of columns that lie inside the input are part of the code.
 */
#include "backend/emit_sums.h"
#include "support/ints.h"

#include <inttypes.h>

static int64_t columns_before(int64_t limit, int64_t shift, int32_t stride,
                              int32_t out) /* of ox * stride + shift < limit */
{
    int64_t count = shift >= limit ? 0 : (limit - 1 - shift) / stride + 1;
    return count < out ? count : out;
}

/* "static const int NAME[] = {...};", broken into lines. */
static void emit_table(CWriter *w, const char *name, const int32_t *values, int64_t count)
{
    enum { A_LINE = 20 };
    cw_open(w, "static const int %s[%" PRId64 "] =", name, count);
    for (int64_t first = 0; first < count; first += A_LINE) {
        StrBuf line = {0};
        for (int64_t i = first; i < count && i < first + A_LINE; ++i) {
            strbuf_printf(&line, "%s%d,", i > first ? " " : "", (int)values[i]);
        }
        cw_line(w, "%s", line.ptr);
        strbuf_free(&line);
    }
    cw_close(w, ";");
}

static void emit_tables(const KernelSizes *s, CWriter *w)
{
    StrBuf first = {0}, end = {0};
    for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
        int64_t shift = (int64_t)kx * s->dilation_cols - s->pad_left; /* input column = ox * stride + shift */
        int64_t from = columns_before(0, shift, s->stride_cols, s->out_cols);
        int64_t to = columns_before(s->in_cols, shift, s->stride_cols, s->out_cols);
        strbuf_printf(&first, "%s%" PRId64, kx == 0 ? "" : ", ", from);
        strbuf_printf(&end, "%s%" PRId64, kx == 0 ? "" : ", ", to);
    }
    cw_comment(w, "Output columns [first, end) whose tap kx lies inside the input.");
    cw_line(w, "static const int first_column[%d] = {%s};", s->kernel_cols, first.ptr);
    cw_line(w, "static const int end_column[%d] = {%s};", s->kernel_cols, end.ptr);
    strbuf_free(&first);
    strbuf_free(&end);
    cw_comment(
        w,
        "Output channel oc has the connections [start[oc], start[oc + 1]); connection k reads input channel map[k].");
    emit_table(w, "start", s->table.start, (int64_t)s->table.n_rows + 1);
    emit_table(w, "map", s->table.values, s->table.start[s->table.n_rows]);
}

/* The products of connection k, in output row oy. */
static void emit_connection(const KernelSizes *s, const char *index, CWriter *w)
{
    CExpr weights =
        cexpr_sum((Term[]){{"a->weights", 1}, {"k", (int64_t)s->kernel_rows * s->kernel_cols}, {NULL, 0}}, 0);
    CExpr plane = cexpr_sum((Term[]){{"a->x[0]", 1}, {"map[k]", (int64_t)s->in_rows * s->in_cols}, {NULL, 0}}, 0);
    cw_open(w, "for (%s k = start[oc]; k < start[oc + 1]; ++k)", index);
    cw_line(w, "const float *const weights = %s;", weights.text);
    cw_line(w, "const float *const x = %s;", plane.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "products[ox] = 0.0f;");
    cw_close(w, "");
    cw_open(w, "for (int ky = 0; ky < %d; ++ky)", s->kernel_rows);
    CExpr iy = cexpr_sum((Term[]){{"oy", s->stride_rows}, {"ky", s->dilation_rows}, {NULL, 0}}, -s->pad_top);
    cw_line(w, "const int iy = %s;", iy.text);
    cw_open(w, "if (iy < 0 || iy >= %d)", s->in_rows);
    cw_line(w, "continue;");
    cw_close(w, "");
    cw_open(w, "for (int kx = 0; kx < %d; ++kx)", s->kernel_cols);
    cw_line(w, "const float weight = weights[%s];",
            cexpr_sum((Term[]){{"ky", s->kernel_cols}, {"kx", 1}, {NULL, 0}}, 0).text);
    CExpr row = cexpr_sum((Term[]){{"iy", s->in_cols}, {"kx", s->dilation_cols}, {NULL, 0}}, -s->pad_left);
    cw_line(w, "const int input = %s;", row.text);
    cw_open(w, "for (int ox = first_column[kx]; ox < end_column[kx]; ++ox)");
    cw_line(w, "products[ox] += weight * x[input + %s];",
            cexpr_sum((Term[]){{"ox", s->stride_cols}, {NULL, 0}}, 0).text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "sums[ox] += products[ox];");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_table_conv(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Epilogue *e = &kernel->epilogue;
    int64_t in_plane = (int64_t)s->in_rows * s->in_cols, out_plane = (int64_t)s->out_rows * s->out_cols;
    int64_t in = s->in_channels * in_plane, out = s->out_channels * out_plane;
    int64_t weights = (int64_t)s->table.start[s->table.n_rows] * s->kernel_rows * s->kernel_cols;
    const char *index = cexpr_index_type(int_max(int_max(in, out), weights));
    cw_comment(
        w,
        "Convolution %dx%d with a table of %d connections, stride %dx%d, padding from top left %dx%d: %dx%dx%d -> "
        "%dx%dx%d%s.",
        s->kernel_rows, s->kernel_cols, s->table.start[s->table.n_rows], s->stride_rows, s->stride_cols, s->pad_top,
        s->pad_left, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols,
        emit_epilogue_text(e).text);
    emit_kernel_head(kernel, w);
    emit_tables(s, w);
    CExpr slice = cexpr_sum((Term[]){{"a->scratch", 1}, {"part", kernel->scratch_bytes / 4}, {NULL, 0}}, 0);
    cw_line(w, "float *const sums = %s; /* [%d] */", slice.text, s->out_cols);
    cw_line(w, "float *const products = sums + %d; /* [%d] */", s->out_cols, s->out_cols);
    emit_split(w, "channel", s->out_channels);
    cw_blank(w);
    cw_open(w, "for (%s oc = first_channel; oc < end_channel; ++oc)", index);
    cw_open(w, "for (int oy = 0; oy < %d; ++oy)", s->out_rows);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "sums[ox] = %s;", e->bias ? "a->bias[oc]" : "0.0f");
    cw_close(w, "");
    emit_connection(s, index, w);
    CExpr output = cexpr_sum((Term[]){{"oc", out_plane}, {"oy", s->out_cols}, {NULL, 0}}, 0);
    if (e->residual) {
        cw_line(w, "const float *const residual = a->residual + %s; /* may be y itself */", output.text);
        cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
        cw_line(w, "sums[ox] += residual[ox];");
        cw_close(w, "");
    }
    cw_line(w, "float *const y = a->y + %s;", output.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    emit_store(w, &e->act, "y[ox]", "sums[ox]");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
