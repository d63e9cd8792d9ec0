/* border, upsample and subsample on vectors: pixels are vectors of channels, so all that the portable kernels do with numbers along
 * a row is done with whole vectors. A border may be a frame: the image is in its place already. */
#include <inttypes.h>

#include "backend/emit_vector.h"

static const char *index_of(const Kernel *kernel)
{
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    return cexpr_index_type(2 * (in > out ? in : out));
}

static int64_t planes_of(const Kernel *kernel)
{
    return (kernel->sizes.out_channels + kernel->vector - 1) / kernel->vector;
}

/* "const float *const x = a->x[0] + plane * .. + ROW * .. + ..;" */
static void emit_pointer(const char *head, const char *array, const Layout *l, const char *row, CWriter *w)
{
    CExpr at =
        cexpr_sum((Term[]){{array, 1}, {"plane", l->plane_stride}, {row, l->row_stride}, {NULL, 0}}, emit_interior(l));
    cw_line(w, "%s = %s;", head, at.text);
}

/* --- border */

/* "iy": the input row that output row oy shows, or what it would be if the input went on. */
static void emit_source_row(const KernelSizes *s, CWriter *w)
{
    bool reflect = s->border == PAD_REFLECT;
    cw_line(w, "int iy = %s;", cexpr_sum((Term[]){{"oy", 1}, {NULL, 0}}, -s->pad_top).text);
    if (s->pad_top > 0) {
        cw_line(w, "iy = iy < 0 ? %s : iy;", reflect ? "-iy" : "0");
    }
    if (s->pad_bottom > 0) {
        CExpr last = reflect ? cexpr_int(2 * ((int64_t)s->in_rows - 1)) : cexpr_int(s->in_rows - 1);
        cw_line(w, "iy = iy >= %d ? %s%s : iy;", s->in_rows, last.text, reflect ? " - iy" : "");
    }
}

/* Pixels left and right of a row: y[TO] from x[FROM], vectors. */
static void emit_side(const KernelSizes *s, bool left, int32_t b, CWriter *w)
{
    int32_t count = left ? s->pad_left : s->pad_right;
    if (count <= 0) {
        return;
    }
    int64_t to = left ? 0 : (int64_t)(s->pad_left + s->in_cols) * b;
    cw_open(w, "for (int i = 0; i < %d; ++i)", count);
    CExpr y = cexpr_sum((Term[]){{"y", 1}, {"i", b}, {NULL, 0}}, to);
    if (s->border == PAD_ZERO) {
        cw_line(w, "vector_store(%s, fill);", y.text);
    } else {
        bool reflect = s->border == PAD_REFLECT;
        int64_t from = left ? (reflect ? s->pad_left : 0) : s->in_cols - (reflect ? 2 : 1);
        CExpr x = cexpr_sum((Term[]){{"x", 1}, {"i", reflect ? -b : 0}, {NULL, 0}}, from * b);
        cw_line(w, "vector_store(%s, vector_load(%s));", y.text, x.text);
    }
    cw_close(w, "");
}

void emit_border_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector;
    bool has_fill = s->border == PAD_ZERO, above = s->pad_top > 0 || s->pad_bottom > 0;
    cw_comment(w, "A border %s: %dx%dx%d -> %dx%dx%d%s.",
               s->border == PAD_REFLECT ? "of the input's own pixels, reflected"
               : s->border == PAD_EDGE  ? "of the input's own pixels, repeated"
                                        : "of one value",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols,
               s->frame ? ", around what is in y already" : "");
    emit_kernel_head(kernel, w);
    if (has_fill) {
        cw_line(w, "const vector fill = vector_all(%s);", emit_float(s->scalar[0]).text);
    }
    emit_split(w, "job", planes_of(kernel) * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", index_of(kernel), cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int oy = %s;", cexpr_mod("job", s->out_rows).text);
    emit_pointer("float *const y", "a->y", &kernel->out, "oy", w);
    if (above && (has_fill || s->frame)) {
        cw_line(w, "const int inside = oy >= %d && oy < %d;", s->pad_top, s->pad_top + s->in_rows);
    }
    if (above && has_fill) {
        cw_open(w, "if (!inside)");
        cw_open(w, "for (int i = 0; i < %d; ++i)", s->out_cols);
        cw_line(w, "vector_store(y + i * %d, fill);", b);
        cw_close(w, "");
        cw_line(w, "continue;");
        cw_close(w, "");
    }
    bool reads = !has_fill || !s->frame;
    if (reads && has_fill) {
        cw_line(w, "const int iy = %s;", cexpr_sum((Term[]){{"oy", 1}, {NULL, 0}}, -s->pad_top).text);
    } else if (reads) {
        emit_source_row(s, w);
    }
    if (reads) {
        emit_pointer("const float *const x", "a->x[0]", &kernel->in, "iy", w);
    }
    emit_side(s, true, b, w);
    if (!s->frame || (above && !has_fill)) {
        if (s->frame) {
            cw_open(w, "if (!inside)");
        }
        CExpr y = cexpr_sum((Term[]){{"y", 1}, {NULL, 0}}, (int64_t)s->pad_left * b);
        cw_line(w, "memcpy(%s, x, %" PRId64 " * sizeof(float));", y.text, (int64_t)s->in_cols * b);
        if (s->frame) {
            cw_close(w, "");
        }
    }
    emit_side(s, false, b, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- upsample */

static void emit_nearest(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, scale = s->stride_cols;
    cw_line(w, "const int iy = %s;", cexpr_div("oy", s->stride_rows).text);
    emit_pointer("const float *const x", "a->x[0]", &kernel->in, "iy", w);
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "const vector value = vector_load(x + i * %d);", b);
    cw_line(w, "CNN_UNROLL(%d)", scale < 8 ? scale : 8);
    cw_open(w, "for (int k = 0; k < %d; ++k)", scale);
    cw_line(w, "vector_store(y + (i * %d + k) * %d, value);", scale, b);
    cw_close(w, "");
    cw_close(w, "");
}

/* Column k of the `scale` that an input column becomes: a mixture of it and a neighbour. */
static void emit_mixed_column(int32_t scale, int32_t k, int32_t b, CWriter *w)
{
    double place = (k + 0.5) / scale - 0.5, part = place < 0.0 ? -place : place;
    CExpr y = cexpr_sum((Term[]){{"y", 1}, {"i", (int64_t)scale * b}, {NULL, 0}}, (int64_t)k * b);
    if (part == 0.0) {
        cw_line(w, "vector_store(%s, here);", y.text);
    } else {
        cw_line(w, "vector_store(%s, %s * here + %s * %s);", y.text, emit_float(1.0 - part).text, emit_float(part).text,
                place < 0.0 ? "before" : "after");
    }
}

static void emit_bilinear(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector;
    cw_line(w, "const double place = ((double)oy + 0.5) / %d.0 - 0.5;", s->stride_rows);
    cw_line(w, "const int top = place > 0.0 ? (int)place : 0;");
    cw_line(w, "const int bottom = top < %d ? top + 1 : top;", s->in_rows - 1);
    cw_line(w, "const float share = place > 0.0 ? (float)(place - (double)top) : 0.0f;");
    emit_pointer("const float *const high", "a->x[0]", &kernel->in, "top", w);
    emit_pointer("const float *const low", "a->x[0]", &kernel->in, "bottom", w);
    CExpr mix = {"vector_load(high) * (1.0f - share) + vector_load(low) * share"};
    bool mixes = s->stride_cols > 1;
    cw_line(w, "vector here = %s%s;", mix.text, mixes ? ", before = here" : "");
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "vector after = here;");
    cw_open(w, "if (i < %d)", s->in_cols - 1);
    CExpr at = cexpr_sum((Term[]){{"i", b}, {NULL, 0}}, b);
    cw_line(w, "after = vector_load(high + %s) * (1.0f - share) + vector_load(low + %s) * share;", at.text, at.text);
    cw_close(w, "");
    for (int32_t k = 0; k < s->stride_cols; ++k) {
        emit_mixed_column(s->stride_cols, k, b, w);
    }
    if (mixes) {
        cw_line(w, "before = here;");
    }
    cw_line(w, "here = after;");
    cw_close(w, "");
}

void emit_upsample_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    cw_comment(w, "Upsampling, %s: %dx%dx%d -> %dx%dx%d.", s->bilinear ? "bilinear between pixel centres" : "nearest",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes_of(kernel) * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", index_of(kernel), cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int oy = %s;", cexpr_mod("job", s->out_rows).text);
    emit_pointer("float *const y", "a->y", &kernel->out, "oy", w);
    if (s->bilinear) {
        emit_bilinear(kernel, w);
    } else {
        emit_nearest(kernel, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- subsample */

void emit_subsample_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector;
    cw_comment(w, "Trained subsampling %dx%d: %dx%dx%d -> %dx%dx%d, the sum of a window times a weight plus a bias.",
               s->kernel_rows, s->kernel_cols, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes_of(kernel) * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", index_of(kernel), cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int oy = %s;", cexpr_mod("job", s->out_rows).text);
    cw_line(w, "const vector weight = vector_load(a->weights + plane * %d), bias = vector_load(a->bias + plane * %d);",
            b, b);
    emit_pointer("float *const y", "a->y", &kernel->out, "oy", w);
    Layout windows = kernel->in; /* a row of windows after the other */
    CExpr x = cexpr_sum(
        (Term[]){
            {"a->x[0]", 1}, {"plane", windows.plane_stride}, {"oy", s->kernel_rows * windows.row_stride}, {NULL, 0}},
        emit_interior(&windows));
    cw_line(w, "const float *const x = %s;", x.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "vector sum = vector_all(0.0f);");
    cw_open(w, "for (int ky = 0; ky < %d; ++ky)", s->kernel_rows);
    cw_open(w, "for (int kx = 0; kx < %d; ++kx)", s->kernel_cols);
    CExpr at =
        cexpr_sum((Term[]){{"x", 1}, {"ky", windows.row_stride}, {"ox", s->kernel_cols * b}, {"kx", b}, {NULL, 0}}, 0);
    cw_line(w, "sum += vector_load(%s);", at.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "vector_store(y + ox * %d, weight * sum + bias);", b);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
