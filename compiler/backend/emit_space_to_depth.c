/* space_to_depth: the image that a first layer of stride S reads, its S x S phases as channels side by side in blocks.
 *
 * Channel (qr * S + qc) * C + c of the result, row i, column j is channel c, row S * i + qr - top, column S * j + qc - left
 * of the input, and zero outside it. Rows of the result are shared out. */
#include <inttypes.h>

#include "backend/emit_vector.h"

void emit_space_to_depth(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *in = &kernel->in, *out = &kernel->out;
    int32_t stride = s->stride_rows, b = out->block, lanes = stride * stride * s->in_channels;
    int32_t planes = (lanes + b - 1) / b;
    const char *index =
        cexpr_index_type(layout_elements(in) > layout_elements(out) ? layout_elements(in) : layout_elements(out));
    cw_comment(
        w,
        "%dx%dx%d, padded by %d rows above and %d columns on the left, to %dx%dx%d: every %dth row and column from "
        "each of %d x %d places on, as channels in blocks of %d.",
        s->in_channels, s->in_rows, s->in_cols, s->pad_top, s->pad_left, lanes, out->rows, out->cols, stride, stride,
        stride, b);
    emit_kernel_head(kernel, w);
    emit_split(w, "row", out->rows);
    cw_blank(w);
    cw_open(w, "for (int row = first_row; row < end_row; ++row)");
    cw_line(w, "float *const y = %s;",
            cexpr_sum((Term[]){{"a->y", 1}, {"row", out->row_stride}, {NULL, 0}}, emit_interior(out)).text);
    if (planes > 1) {
        cw_open(w, "for (int plane = 0; plane < %d; ++plane)", planes);
        cw_line(w, "memset(%s, 0, %" PRId64 " * sizeof(float));",
                cexpr_sum((Term[]){{"y", 1}, {"plane", out->plane_stride}, {NULL, 0}}, 0).text, (int64_t)out->cols * b);
        cw_close(w, "");
    } else {
        cw_line(w, "memset(y, 0, %" PRId64 " * sizeof(float));", (int64_t)out->cols * b);
    }
    cw_open(w, "for (int lane = 0; lane < %d; ++lane)", lanes);
    cw_line(w, "const int phase = %s;", cexpr_div("lane", s->in_channels).text);
    cw_line(w, "const int from_row = %s;",
            cexpr_sum((Term[]){{"row", stride}, {cexpr_div("phase", stride).text, 1}, {NULL, 0}}, -s->pad_top).text);
    cw_line(w, "const int from_col = %s;",
            cexpr_sum((Term[]){{cexpr_mod("phase", stride).text, 1}, {NULL, 0}}, -s->pad_left).text);
    cw_open(w, "if (from_row < 0 || from_row >= %d)", s->in_rows);
    cw_line(w, "continue;");
    cw_close(w, "");
    cw_line(w, "const float *const x = %s;",
            cexpr_sum((Term[]){{"a->x[0]", 1},
                               {cexpr_mod("lane", s->in_channels).text, in->plane_stride},
                               {"from_row", in->row_stride},
                               {NULL, 0}},
                      emit_interior(in))
                .text);
    CExpr to = planes > 1 ? cexpr_sum((Term[]){{"y", 1},
                                               {cexpr_div("lane", b).text, out->plane_stride},
                                               {cexpr_mod("lane", b).text, 1},
                                               {NULL, 0}},
                                      0)
                          : (CExpr){"y + lane"};
    cw_line(w, "float *const to = %s;", to.text);
    cw_line(w, "const int first = from_col < 0 ? (%d - from_col) / %d : 0;", stride - 1, stride);
    cw_line(w, "const int cols = (%d - from_col) / %d; /* that exist */", s->in_cols + stride - 1, stride);
    cw_line(w, "const int end = cols < %d ? cols : %d;", out->cols, out->cols);
    cw_open(w, "for (%s col = first; col < end; ++col)", index);
    cw_line(w, "to[col * %d] = x[col * %d + from_col];", b, stride);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
