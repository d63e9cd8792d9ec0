/* Kernels that make few numbers of many: sum, mean, mse, rbf, argmax, top_k. Sums are in double: see emit_sums.h. Of
 * equal numbers the one with the lower index comes first, whatever the number of parts. */
#include "backend/emit_sums.h"
#include "support/ints.h"

#include <inttypes.h>

enum { PIXELS = 64 }; /* pixels of an argmax side by side */

void emit_reduce(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool is_mse = s->op == OP_MSE;
    cw_comment(w, "%s of %d numbers.",
               is_mse             ? "Mean squared difference"
               : s->op == OP_MEAN ? "Mean"
                                  : "Sum",
               s->in_channels);
    emit_kernel_head(kernel, w);
    emit_single_part(w);
    cw_line(w, "const float *const x = a->x[0];");
    if (is_mse) {
        cw_line(w, "const float *const other = a->x[1];");
        emit_double_sum(w, "sum", s->in_channels, "const double d = (double)x[@] - (double)other[@]", "d * d");
    } else {
        emit_double_sum(w, "sum", s->in_channels, NULL, "(double)x[@]");
    }
    if (s->op == OP_SUM) {
        cw_line(w, "a->y[0] = (float)sum;");
    } else {
        cw_line(w, "a->y[0] = (float)(sum / %d.0);", s->in_channels);
    }
    cw_close(w, "");
    cw_blank(w);
}

void emit_rbf(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t n = s->in_channels;
    const char *index = cexpr_index_type(n * s->out_channels);
    cw_comment(w, "Squared distance of the input, %d numbers, to each of %d rows of weights.", s->in_channels,
               s->out_channels);
    emit_kernel_head(kernel, w);
    cw_line(w, "const float *const x = a->x[0];");
    emit_split(w, "unit", s->out_channels);
    cw_blank(w);
    cw_open(w, "for (%s unit = first_unit; unit < end_unit; ++unit)", index);
    CExpr row = cexpr_sum((Term[]){{"a->weights", 1}, {"unit", n}, {NULL, 0}}, 0);
    cw_line(w, "const float *const row = %s;", row.text);
    emit_double_sum(w, "sum", n, "const double d = (double)x[@] - (double)row[@]", "d * d");
    cw_line(w, "a->y[unit] = (float)sum;");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_argmax_vector(const KernelSizes *s, CWriter *w)
{
    emit_single_part(w);
    cw_line(w, "const float *const x = a->x[0];");
    cw_line(w, "int best = 0;");
    cw_open(w, "for (int c = 1; c < %d; ++c)", s->in_channels);
    cw_line(w, "best = x[c] > x[best] ? c : best;");
    cw_close(w, "");
    cw_line(w, "a->indices[0] = best;");
}

static void emit_argmax_pixels(const KernelSizes *s, int64_t plane, CWriter *w)
{
    const char *index = cexpr_index_type(s->in_channels * plane);
    CExpr at = cexpr_sum((Term[]){{"c", plane}, {"p", 1}, {NULL, 0}}, 0);
    emit_split(w, "block", int_div_up(plane, PIXELS));
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    CExpr pixels = emit_block_pixels(w, plane, PIXELS);
    cw_line(w, "const float *const x = a->x[0] + block * %d;", PIXELS);
    cw_line(w, "float largest[%d];", PIXELS);
    cw_line(w, "int32_t best[%d];", PIXELS);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "largest[p] = x[p];");
    cw_line(w, "best[p] = 0;");
    cw_close(w, "");
    cw_open(w, "for (%s c = 1; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "const float v = x[%s];", at.text);
    cw_line(w, "best[p] = v > largest[p] ? (int32_t)c : best[p];");
    cw_line(w, "largest[p] = v > largest[p] ? v : largest[p];");
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "a->indices[block * %d + p] = best[p];", PIXELS);
    cw_close(w, "");
    cw_close(w, "");
}

void emit_argmax(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    cw_comment(w, "Index of the largest of %d channels%s; of equals the first.", s->in_channels,
               plane > 1 ? ", for each pixel" : "");
    emit_kernel_head(kernel, w);
    if (plane == 1) {
        emit_argmax_vector(s, w);
    } else {
        emit_argmax_pixels(s, plane, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

/* "i comes after j in order": a smaller number, or of equals the later index. */
static CExpr after(bool indices, const char *i, const char *j)
{
    return indices ? cexpr_format("(x[%s] < x[%s] || (x[%s] == x[%s] && %s > %s))", i, j, i, j, i, j)
                   : cexpr_format("%s < %s", i, j);
}

/* A heap of the k best so far, the last of them in order at its root, then sorted in place: no work depends on k * n.
 */
void emit_top_k(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool indices = s->indices;
    const char *type = indices ? "int32_t" : "float";
    int name = (int)kernel->name.len;
    cw_comment(w,
               "Moves `item` down from place `at` of a heap of `count`, until nothing below comes after it in order.");
    cw_line(w, "static void %.*s_sift(%s%s *heap, int at, int count, %s item)", name, kernel->name.ptr,
            indices ? "const float *x, " : "", type, type);
    cw_body(w);
    cw_open(w, "while (at < count / 2)");
    cw_line(w, "int child = 2 * at + 1;");
    cw_open(w, "if (child + 1 < count && %s)", after(indices, "heap[child + 1]", "heap[child]").text);
    cw_line(w, "++child;");
    cw_close(w, "");
    cw_open(w, "if (!(%s))", after(indices, "heap[child]", "item").text);
    cw_line(w, "break;");
    cw_close(w, "");
    cw_line(w, "heap[at] = heap[child];");
    cw_line(w, "at = child;");
    cw_close(w, "");
    cw_line(w, "heap[at] = item;");
    cw_close(w, "");
    cw_blank(w);

    const char *pass = indices ? "x, " : "";
    cw_comment(w, "The %s of the %d largest of %d numbers, falling; of equals the lower index first.",
               indices ? "indices" : "values", s->k, s->in_channels);
    emit_kernel_head(kernel, w);
    emit_single_part(w);
    cw_line(w, "const float *const x = a->x[0];");
    cw_line(w, "%s *const heap = %s;", type, indices ? "a->indices" : "a->y");
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->k);
    cw_line(w, "heap[i] = %s;", indices ? "i" : "x[i]");
    cw_close(w, "");
    cw_open(w, "for (int i = %d; i >= 0; --i)", s->k / 2 - 1);
    cw_line(w, "%.*s_sift(%sheap, i, %d, heap[i]);", name, kernel->name.ptr, pass, s->k);
    cw_close(w, "");
    if (s->k < s->in_channels) {
        cw_open(w, "for (int i = %d; i < %d; ++i)", s->k, s->in_channels);
        cw_open(w, "if (x[i] > %s)", indices ? "x[heap[0]]" : "heap[0]");
        cw_line(w, "%.*s_sift(%sheap, 0, %d, %s);", name, kernel->name.ptr, pass, s->k, indices ? "i" : "x[i]");
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_open(w, "for (int last = %d; last > 0; --last)", s->k - 1);
    cw_line(w, "const %s worst = heap[0];", type);
    cw_line(w, "%.*s_sift(%sheap, 0, last, heap[last]);", name, kernel->name.ptr, pass);
    cw_line(w, "heap[last] = worst;");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
