/* grouped on vectors: convolution with groups of 2, 4, 8 .. channels, several of which share a vector.
 *
 * Output lane o reads input channel j of its own group: lane o / n * n + j, for j = 0 .. n - 1. A shuffle brings these
 * into place once for each input pixel and j, and serves all columns of the window; no product is spent on zeros.
 * Only the products of a window row are here; what surrounds them is the same as for depthwise (emit_depthwise_vector.c). */
#include "backend/emit_vector.h"

/* The products of input channel j of each group, for the window row at `in`. */
static void emit_channel(const DepthwiseTile *t, int32_t j, CWriter *w)
{
    const KernelSizes *s = t->s;
    int32_t b = t->b, n = t->channels;
    int32_t span = (int32_t)window_extent(t->cols, s->kernel_cols, s->stride_cols, s->dilation_cols);
    if (t->rows > 1) {
        emit_open_unrolled(w, "r", t->rows);
    }
    emit_open_unrolled(w, "i", span);
    CExpr at =
        cexpr_sum((Term[]){{"in", 1}, {"r * row_stride", t->rows > 1 ? s->stride_rows : 0}, {"i", b}, {NULL, 0}}, 0);
    cw_line(w, "const vector pixel = vector_load(%s);", at.text);
    StrBuf lanes = {0};
    for (int32_t lane = 0; lane < b; ++lane) {
        strbuf_printf(&lanes, ", %d", (int)(lane / n * n + j));
    }
    cw_line(w, "const vector value = vector_shuffle(pixel, pixel%s);", lanes.ptr);
    strbuf_free(&lanes);
    emit_open_unrolled(w, "kx", s->kernel_cols);
    CExpr first = cexpr_sum((Term[]){{"i", 1}, {"kx", -s->dilation_cols}, {NULL, 0}}, 0);
    cw_line(w, "const int left = %s;", first.text);
    if (s->stride_cols > 1) {
        cw_open(w, "if (left >= 0 && left %% %d == 0 && left / %d < %d)", s->stride_cols, s->stride_cols, t->cols);
    } else {
        cw_open(w, "if (left >= 0 && left < %d)", t->cols);
    }
    CExpr sum = cexpr_sum(
        (Term[]){{"r", t->rows > 1 ? t->cols : 0}, {cexpr_div("left", s->stride_cols).text, 1}, {NULL, 0}}, 0);
    CExpr k = cexpr_sum((Term[]){{"w", 1}, {"kx", n * b}, {NULL, 0}}, j * b);
    cw_line(w, "s[%s] += vector_load(%s) * value;", sum.text, k.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    if (t->rows > 1) {
        cw_close(w, "");
    }
}

void emit_grouped_products(const DepthwiseTile *t, CWriter *w)
{
    for (int32_t j = 0; j < t->channels; ++j) {
        cw_comment(w, "channel %d of each group", j);
        emit_channel(t, j, w);
    }
}
