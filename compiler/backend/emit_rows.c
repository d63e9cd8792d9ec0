/* rows: convolution of a few planes to a few planes, where channels would leave most lanes of a vector empty. A vector is
 * neighbouring pixels of a row of the output; each weight is one number for all of them.
 *
 * For a set of output channels and a few vectors of a row all sums stay in registers. The last vector of a row begins so
 * far left that it ends with the row; what two vectors share is computed twice, alike. Rows of the output are shared out. */
#include <inttypes.h>

#include "backend/emit_vector.h"

typedef struct Rows {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    int32_t channels, sets; /* of a set */
    int32_t vectors;        /* of a pass over part of a row */
    int32_t passes;
    bool partial; /* the last set has fewer channels */
} Rows;

static Rows rows_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Rows r = {.kernel = kernel, .s = s, .b = kernel->vector, .channels = kernel->weight_format.row_block};
    int32_t vectors = (s->out_cols + r.b - 1) / r.b;
    r.vectors = kernel->tile_cols / r.b;
    if (s->out_cols < r.b || s->stride_cols != 1 || s->groups != 1 || kernel->epilogue.residual || r.channels < 1 ||
        r.vectors < 1) {
        ICE("kernel '" STR_FMT "' is not one of rows", STR_ARG(kernel->name));
    }
    r.passes = (vectors + r.vectors - 1) / r.vectors;
    r.sets = (s->out_channels + r.channels - 1) / r.channels;
    r.partial = s->out_channels % r.channels != 0;
    return r;
}

static void emit_head_comment(const Rows *r, CWriter *w)
{
    const KernelSizes *s = r->s;
    const Epilogue *e = &r->kernel->epilogue;
    cw_comment(w,
               "Convolution %dx%d, stride %dx%d, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s.\nVectors are "
               "pixels of a row: x, y [channel][row][column], weights [%d/%d][%d][%d][%d][%d].",
               s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top, s->pad_left, s->in_channels,
               s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols, emit_epilogue_text(e).text,
               s->out_channels, r->channels, s->in_channels, s->kernel_rows, s->kernel_cols, r->channels);
}

/* "const int col1 = first + 16 < 12 ? first + 16 : 12;": where each vector of the pass begins. */
static void emit_columns(const Rows *r, CWriter *w)
{
    int32_t last = r->s->out_cols - r->b;
    for (int32_t v = 0; v < r->vectors; ++v) {
        if (r->passes == 1) {
            cw_line(w, "const int col%d = %d;", v, v * r->b < last ? v * r->b : last);
        } else {
            CExpr col = cexpr_sum((Term[]){{"pass", r->vectors * r->b}, {NULL, 0}}, v * r->b);
            cw_line(w, "const int col%d = %s < %d ? %s : %d;", v, col.text, last, col.text, last);
        }
    }
}

static void emit_sums(const Rows *r, CWriter *w)
{
    const KernelSizes *s = r->s;
    const Layout *in = &r->kernel->in;
    cw_line(w, "vector sums[%d][%d];", r->channels, r->vectors);
    emit_open_unrolled(w, "i", r->channels * r->vectors);
    cw_line(w, "sums[i / %d][i %% %d] = vector_all(0.0f);", r->vectors, r->vectors);
    cw_close(w, "");
    cw_open(w, "for (int plane = 0; plane < %d; ++plane)", s->in_channels);
    cw_open(w, "for (int ky = 0; ky < %d; ++ky)", s->kernel_rows);
    CExpr from = cexpr_sum(
        (Term[]){{"x", 1}, {"plane", in->plane_stride}, {"ky", s->dilation_rows * in->row_stride}, {NULL, 0}}, 0);
    cw_line(w, "const float *from = %s;", from.text);
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int kx = 0; kx < %d; ++kx, from += %d, weights += %d)", s->kernel_cols, s->dilation_cols,
            r->channels);
    for (int32_t v = 0; v < r->vectors; ++v) {
        cw_line(w, "const vector x%d = vector_load_anywhere(from + col%d);", v, v);
    }
    emit_open_unrolled(w, "c", r->channels);
    for (int32_t v = 0; v < r->vectors; ++v) {
        cw_line(w, "sums[c][%d] += x%d * weights[c];", v, v);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_stores(const Rows *r, CWriter *w)
{
    const Layout *out = &r->kernel->out;
    const Epilogue *e = &r->kernel->epilogue;
    CExpr channel = cexpr_sum((Term[]){{"set", r->sets > 1 ? r->channels : 0}, {"c", 1}, {NULL, 0}}, 0);
    cw_open(w, "for (int c = 0; c < %d; ++c)", r->channels);
    if (r->partial) {
        cw_open(w, "if (%s == %d)", channel.text, r->s->out_channels);
        cw_line(w, "break;");
        cw_close(w, "");
    }
    if (e->bias) {
        cw_line(w, "const float bias = a->bias[%s];", channel.text);
    }
    CExpr y =
        cexpr_sum((Term[]){{"a->y", 1}, {channel.text, out->plane_stride}, {"row", out->row_stride}, {NULL, 0}}, 0);
    if (r->sets > 1) {
        cw_line(w, "const int channel = %s;", channel.text);
        y = cexpr_sum((Term[]){{"a->y", 1}, {"channel", out->plane_stride}, {"row", out->row_stride}, {NULL, 0}}, 0);
    }
    cw_line(w, "float *const y = %s;", y.text);
    for (int32_t v = 0; v < r->vectors; ++v) {
        cw_line(w, "const vector value%d = sums[c][%d]%s;", v, v, e->bias ? " + bias" : "");
        CExpr name = cexpr_format("value%d", (int)v);
        cw_line(w, "vector_store_anywhere(y + col%d, %s);", v, emit_vector_activation(&e->act, name.text).text);
    }
    cw_close(w, "");
}

void emit_rows(const Kernel *kernel, CWriter *w)
{
    Rows r = rows_of(kernel);
    const KernelSizes *s = r.s;
    int64_t jobs = (int64_t)r.sets * s->out_rows * r.passes;
    emit_head_comment(&r, w);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", jobs);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    if (r.passes > 1) {
        cw_line(w, "const int pass = %s;", cexpr_mod("job", r.passes).text);
    }
    cw_line(w, "const int line = %s;", cexpr_div("job", r.passes).text);
    cw_line(w, "const int row = %s;", r.sets > 1 ? cexpr_mod("line", s->out_rows).text : "line");
    if (r.sets > 1) {
        cw_line(w, "const int set = %s;", cexpr_div("line", s->out_rows).text);
    }
    emit_columns(&r, w);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"row", s->stride_rows * kernel->in.row_stride}, {NULL, 0}},
                        emit_window_origin(kernel));
    cw_line(w, "const float *const x = %s;", x.text);
    int64_t set_floats = (int64_t)s->in_channels * s->kernel_rows * s->kernel_cols * r.channels;
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1}, {"set", r.sets > 1 ? set_floats : 0}, {NULL, 0}}, 0);
    cw_line(w, "const float *weights = %s;", weights.text);
    emit_sums(&r, w);
    emit_stores(&r, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
