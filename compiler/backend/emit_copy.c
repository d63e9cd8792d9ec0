/* copy: a strided copy of up to three loops, for concat, slice, permute, flatten "hwc" and zero padding.
 *
 * Lowering has merged and ordered the loops: a copy of one run has a single loop. Where the planes of the output are
 * larger than what is copied, they are first filled with the border's value. */
#include "backend/emit.h"
#include "support/ints.h"

#include <inttypes.h>

enum { RUN = 1024 }; /* elements of a single run that one part takes at a time */

static int64_t furthest(int32_t c, int32_t y, int32_t x, const int64_t *stride)
{
    return (int64_t)(c - 1) * stride[0] + (int64_t)(y - 1) * stride[1] + (int64_t)(x - 1) * stride[2];
}

/* One run: shared out in pieces. */
static void emit_run(const KernelSizes *s, const char *index, CWriter *w)
{
    int64_t n = s->in_cols, pieces = int_div_up(n, RUN);
    CExpr from = cexpr_sum((Term[]){{"x", s->in_stride[2]}, {NULL, 0}}, 0);
    CExpr to = cexpr_sum((Term[]){{"x", s->out_stride[2]}, {NULL, 0}},
                         s->pad_top * s->out_stride[1] + s->pad_left * s->out_stride[2]);
    emit_split(w, "piece", pieces);
    cw_blank(w);
    cw_open(w, "for (%s piece = first_piece; piece < end_piece; ++piece)", index);
    if (pieces == 1) {
        cw_open(w, "for (%s x = 0; x < %" PRId64 "; ++x)", index, n);
    } else {
        if (n % RUN == 0) {
            cw_line(w, "const %s end = piece * %d + %d;", index, RUN, RUN);
        } else {
            cw_line(w, "const %s end = piece < %" PRId64 " ? piece * %d + %d : %" PRId64 ";", index, pieces - 1, RUN,
                    RUN, n);
        }
        cw_open(w, "for (%s x = piece * %d; x < end; ++x)", index, RUN);
    }
    cw_line(w, "a->y[%s] = a->x[0][%s];", to.text, from.text);
    cw_close(w, "");
    cw_close(w, "");
}

/* Fills rows [first, end) of plane c with the border's value; `row_name` is the row's variable. */
static void emit_fill_row(const KernelSizes *s, const char *index, CWriter *w)
{
    CExpr at = cexpr_sum((Term[]){{"c", s->in_channels > 1 ? s->out_stride[0] : 0},
                                  {"y", s->out_stride[1]},
                                  {"x", s->out_stride[2]},
                                  {NULL, 0}},
                         0);
    cw_open(w, "for (%s y = 0; y < %d; ++y)", index, s->out_rows);
    cw_open(w, "for (%s x = 0; x < %d; ++x)", index, s->out_cols);
    cw_line(w, "a->y[%s] = %s;", at.text, emit_float(s->scalar[0]).text);
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_planes(const KernelSizes *s, bool filled, const char *index, CWriter *w)
{
    bool by_rows = s->in_channels == 1 && !filled;
    emit_split(w, by_rows ? "row" : "plane", by_rows ? s->in_rows : s->in_channels);
    cw_blank(w);
    if (by_rows) {
        cw_open(w, "for (%s y = first_row; y < end_row; ++y)", index);
    } else {
        cw_open(w, "for (%s c = first_plane; c < end_plane; ++c)", index);
        if (filled) {
            emit_fill_row(s, index, w);
        }
        if (s->in_rows > 1) {
            cw_open(w, "for (%s y = 0; y < %d; ++y)", index, s->in_rows);
        }
    }
    bool c = s->in_channels > 1, y = s->in_rows > 1;
    CExpr from = cexpr_sum(
        (Term[]){{"c", c ? s->in_stride[0] : 0}, {"y", y ? s->in_stride[1] : 0}, {"x", s->in_stride[2]}, {NULL, 0}}, 0);
    CExpr to = cexpr_sum(
        (Term[]){{"c", c ? s->out_stride[0] : 0}, {"y", y ? s->out_stride[1] : 0}, {"x", s->out_stride[2]}, {NULL, 0}},
        s->pad_top * s->out_stride[1] + s->pad_left * s->out_stride[2]);
    cw_open(w, "for (%s x = 0; x < %d; ++x)", index, s->in_cols);
    cw_line(w, "a->y[%s] = a->x[0][%s];", to.text, from.text);
    cw_close(w, "");
    if (!by_rows && y) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

void emit_copy(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool filled = s->out_rows > s->in_rows || s->out_cols > s->in_cols;
    int64_t in = furthest(s->in_channels, s->in_rows, s->in_cols, s->in_stride);
    int64_t out =
        furthest(s->in_channels, filled ? s->out_rows : s->in_rows, filled ? s->out_cols : s->in_cols, s->out_stride);
    const char *index = cexpr_index_type((in > out ? in : out) + RUN);
    cw_comment(w, "Copies %dx%dx%d elements%s.", s->in_channels, s->in_rows, s->in_cols,
               filled ? " into the middle of filled planes" : "");
    emit_kernel_head(kernel, w);
    if (s->in_channels == 1 && s->in_rows == 1 && !filled) {
        emit_run(s, index, w);
    } else {
        emit_planes(s, filled, index, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
