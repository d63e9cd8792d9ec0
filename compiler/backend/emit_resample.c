/* Planes of another size made of the input's own pixels: border (reflected or repeated), upsample, subsample. All work
 * row by row, so that the inner loops run along memory. */
#include "backend/emit_sums.h"
#include "support/ints.h"

#include <inttypes.h>

enum { MAX_UNROLLED = 8 }; /* neighbours of a row that are written out */

static int64_t plane_of(int32_t rows, int32_t cols)
{
    return (int64_t)rows * cols;
}

/* --- border */

/* "iy": the input row that output row oy shows. */
static void emit_source_row(const KernelSizes *s, CWriter *w)
{
    bool reflect = s->border == PAD_REFLECT;
    CExpr row = cexpr_sum((Term[]){{"oy", 1}, {NULL, 0}}, -s->pad_top);
    if (s->pad_top == 0 && s->pad_bottom == 0) {
        cw_line(w, "const int iy = oy;");
        return;
    }
    cw_line(w, "int iy = %s;", row.text);
    if (s->pad_top > 0) {
        cw_line(w, "iy = iy < 0 ? %s : iy;", reflect ? "-iy" : "0");
    }
    if (s->pad_bottom > 0 && reflect) {
        cw_line(w, "iy = iy >= %d ? %" PRId64 " - iy : iy;", s->in_rows, 2 * ((int64_t)s->in_rows - 1));
    } else if (s->pad_bottom > 0) {
        cw_line(w, "iy = iy >= %d ? %d : iy;", s->in_rows, s->in_rows - 1);
    }
}

void emit_border(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    bool reflect = s->border == PAD_REFLECT;
    int64_t out = plane_of(s->out_rows, s->out_cols), rows = (int64_t)s->in_channels * s->out_rows;
    const char *index = cexpr_index_type(int_max(s->in_channels * out, 2 * (int64_t)s->in_rows));
    cw_comment(w, "A border of the input's own pixels, %s: %dx%dx%d -> %dx%dx%d.", reflect ? "reflected" : "repeated",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "row", rows);
    cw_blank(w);
    cw_open(w, "for (%s row = first_row; row < end_row; ++row)", index);
    cw_line(w, "const %s channel = row / %d;", index, s->out_rows);
    cw_line(w, "const int oy = (int)(row %% %d);", s->out_rows);
    emit_source_row(s, w);
    CExpr x = cexpr_sum(
        (Term[]){{"a->x[0]", 1}, {"channel", plane_of(s->in_rows, s->in_cols)}, {"iy", s->in_cols}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_line(w, "float *const y = %s;", cexpr_sum((Term[]){{"a->y", 1}, {"row", s->out_cols}, {NULL, 0}}, 0).text);
    if (s->pad_left > 0) {
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->pad_left);
        if (reflect) {
            cw_line(w, "y[i] = x[%d - i];", s->pad_left);
        } else {
            cw_line(w, "y[i] = x[0];");
        }
        cw_close(w, "");
    }
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "y[%s] = x[i];", cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, s->pad_left).text);
    cw_close(w, "");
    if (s->pad_right > 0) {
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->pad_right);
        CExpr at = cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, (int64_t)s->pad_left + s->in_cols);
        if (reflect) {
            cw_line(w, "y[%s] = x[%d - i];", at.text, s->in_cols - 2);
        } else {
            cw_line(w, "y[%s] = x[%d];", at.text, s->in_cols - 1);
        }
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- upsample */

static void emit_nearest(const KernelSizes *s, const char *index, CWriter *w)
{
    int32_t scale = s->stride_cols;
    emit_split(w, "row", (int64_t)s->in_channels * s->in_rows);
    cw_blank(w);
    cw_open(w, "for (%s row = first_row; row < end_row; ++row)", index);
    cw_line(w, "const float *const x = %s;",
            cexpr_sum((Term[]){{"a->x[0]", 1}, {"row", s->in_cols}, {NULL, 0}}, 0).text);
    cw_line(w, "float *const y = %s;",
            cexpr_sum((Term[]){{"a->y", 1}, {"row", (int64_t)s->stride_rows * s->out_cols}, {NULL, 0}}, 0).text);
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "const float v = x[i];");
    if (scale <= MAX_UNROLLED) {
        for (int32_t k = 0; k < scale; ++k) {
            cw_line(w, "y[%s] = v;", cexpr_sum((Term[]){{"i", scale}, {NULL, 0}}, k).text);
        }
    } else {
        cw_open(w, "for (int k = 0; k < %d; ++k)", scale);
        cw_line(w, "y[i * %d + k] = v;", scale);
        cw_close(w, "");
    }
    cw_close(w, "");
    if (s->stride_rows > 1) {
        cw_open(w, "for (int k = 1; k < %d; ++k)", s->stride_rows);
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->out_cols);
        cw_line(w, "y[k * %d + i] = y[i];", s->out_cols);
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_close(w, "");
}

/* "y[i * 2 + 1] = 0.75f * line[i + 1] + 0.25f * line[i + 2];": column k of the `scale` that input column i becomes.
 * line[i + 1] is input column i. */
static void emit_mixed_column(int32_t scale, int32_t k, CWriter *w)
{
    double place = (k + 0.5) / scale - 0.5;
    int32_t first = place < 0.0 ? 0 : 1;
    double part = place < 0.0 ? place + 1.0 : place;
    CExpr at = cexpr_sum((Term[]){{"i", scale}, {NULL, 0}}, k);
    CExpr left = cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, first),
          right = cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, first + 1);
    if (part == 0.0) {
        cw_line(w, "y[%s] = line[%s];", at.text, left.text);
    } else {
        cw_line(w, "y[%s] = %s * line[%s] + %s * line[%s];", at.text, emit_float(1.0 - part).text, left.text,
                emit_float(part).text, right.text);
    }
}

static void emit_bilinear(const Kernel *kernel, const char *index, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t scale = s->stride_cols;
    CExpr slice = cexpr_sum((Term[]){{"a->scratch", 1}, {"part", kernel->scratch_bytes / 4}, {NULL, 0}}, 0);
    cw_line(w, "float *const line = %s; /* [%" PRId64 "]: two rows mixed; first and last pixel once more */",
            slice.text, (int64_t)s->in_cols + 2);
    emit_split(w, "row", (int64_t)s->in_channels * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (%s row = first_row; row < end_row; ++row)", index);
    cw_line(w, "const %s channel = row / %d;", index, s->out_rows);
    cw_line(w, "const double place = ((double)(row %% %d) + 0.5) / %d.0 - 0.5;", s->out_rows, s->stride_rows);
    cw_line(w, "const int top = place > 0.0 ? (int)place : 0;");
    cw_line(w, "const int bottom = top < %d ? top + 1 : top;", s->in_rows - 1);
    cw_line(
        w,
        "const float part_bottom = place > 0.0 ? (float)(place - (double)top) : 0.0f, part_top = 1.0f - part_bottom;");
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"channel", plane_of(s->in_rows, s->in_cols)}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_line(w, "float *const y = %s;", cexpr_sum((Term[]){{"a->y", 1}, {"row", s->out_cols}, {NULL, 0}}, 0).text);
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "line[i + 1] = part_top * x[top * %d + i] + part_bottom * x[bottom * %d + i];", s->in_cols, s->in_cols);
    cw_close(w, "");
    cw_line(w, "line[0] = line[1];");
    cw_line(w, "line[%" PRId64 "] = line[%d];", (int64_t)s->in_cols + 1, s->in_cols);
    if (scale <= MAX_UNROLLED) {
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
        for (int32_t k = 0; k < scale; ++k) {
            emit_mixed_column(scale, k, w);
        }
        cw_close(w, "");
    } else {
        cw_open(w, "for (int k = 0; k < %d; ++k)", scale);
        cw_line(w, "const float column = ((float)k + 0.5f) / %d.0f - 0.5f; /* its distance from the pixel's centre */",
                scale);
        cw_line(w, "const int first = column < 0.0f ? 0 : 1;");
        cw_line(w, "const float part_right = column < 0.0f ? column + 1.0f : column, part_left = 1.0f - part_right;");
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
        cw_line(w, "y[i * %d + k] = part_left * line[i + first] + part_right * line[i + first + 1];", scale);
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_close(w, "");
}

void emit_upsample(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const char *index = cexpr_index_type((int64_t)s->out_channels * plane_of(s->out_rows, s->out_cols));
    cw_comment(w, "Upsampling, %s: %dx%dx%d -> %dx%dx%d.", s->bilinear ? "bilinear between pixel centres" : "nearest",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    if (s->bilinear) {
        emit_bilinear(kernel, index, w);
    } else {
        emit_nearest(s, index, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

/* --- subsample */

/* Columns of the window in one sum: "line[ox * 2] + line[ox * 2 + 1]", or a loop. */
static void emit_window_sum(const KernelSizes *s, CWriter *w)
{
    if (s->kernel_cols > MAX_UNROLLED) {
        cw_line(w, "float sum = 0.0f;");
        cw_open(w, "for (int kx = 0; kx < %d; ++kx)", s->kernel_cols);
        cw_line(w, "sum += line[ox * %d + kx];", s->kernel_cols);
        cw_close(w, "");
        return;
    }
    StrBuf sum = {0};
    for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
        strbuf_printf(&sum, "%sline[%s]", kx == 0 ? "" : " + ",
                      cexpr_sum((Term[]){{"ox", s->kernel_cols}, {NULL, 0}}, kx).text);
    }
    cw_line(w, "const float sum = %s;", sum.ptr);
    strbuf_free(&sum);
}

void emit_subsample(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t cols = (int64_t)s->out_cols * s->kernel_cols;
    const char *index = cexpr_index_type((int64_t)s->in_channels * plane_of(s->in_rows, s->in_cols));
    cw_comment(w,
               "Trained subsampling %dx%d: %dx%dx%d -> %dx%dx%d; the sum of a window, times the channel's weight, plus "
               "its bias.",
               s->kernel_rows, s->kernel_cols, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols);
    emit_kernel_head(kernel, w);
    CExpr slice = cexpr_sum((Term[]){{"a->scratch", 1}, {"part", kernel->scratch_bytes / 4}, {NULL, 0}}, 0);
    cw_line(w, "float *const line = %s; /* [%" PRId64 "]: the window's rows, reduced to one */", slice.text, cols);
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index);
    cw_line(w, "const float weight = a->weights[channel], bias = a->bias[channel];");
    cw_open(w, "for (int oy = 0; oy < %d; ++oy)", s->out_rows);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {"channel", plane_of(s->in_rows, s->in_cols)},
                                 {"oy", plane_of(s->kernel_rows, s->in_cols)},
                                 {NULL, 0}},
                        0);
    CExpr y = cexpr_sum(
        (Term[]){{"a->y", 1}, {"channel", plane_of(s->out_rows, s->out_cols)}, {"oy", s->out_cols}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_line(w, "float *const y = %s;", y.text);
    cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", cols);
    cw_line(w, "line[i] = x[i];");
    cw_close(w, "");
    if (s->kernel_rows > 1) {
        cw_open(w, "for (int ky = 1; ky < %d; ++ky)", s->kernel_rows);
        cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", cols);
        cw_line(w, "line[i] += x[ky * %d + i];", s->in_cols);
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    emit_window_sum(s, w);
    cw_line(w, "y[ox] = weight * sum + bias;");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
