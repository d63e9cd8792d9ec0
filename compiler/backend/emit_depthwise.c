/* depthwise: each output channel is a small filter over one input channel.
 *
 * The channel is copied once into scratch with its border of zeros, so that the loop over a row of outputs has constant
 * length and no test: NAME_row adds all taps of one output row. The border is zeroed once a call, since the copies only
 * ever write the inside. Where no window leaves the input, rows are read in place. */
#include "backend/emit.h"
#include "support/ints.h"

#include <inttypes.h>

enum { MAX_UNROLLED = 25 }; /* taps written out in one expression: up to 5 x 5 */

typedef struct Depthwise {
    const Kernel *kernel;
    const KernelSizes *s;
    int name_length;
    const char *name;
    int64_t rows, cols; /* of the padded channel: what the windows cover */
    bool padded;
    int64_t row_stride; /* of what NAME_row reads */
    int64_t in_plane, out_plane, taps;
    const char *index;
} Depthwise;

static Depthwise depthwise_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Depthwise d = {.kernel = kernel, .s = s, .name = kernel->name.ptr, .name_length = (int)kernel->name.len};
    d.rows = window_extent(s->out_rows, s->kernel_rows, s->stride_rows, s->dilation_rows);
    d.cols = window_extent(s->out_cols, s->kernel_cols, s->stride_cols, s->dilation_cols);
    d.padded = s->pad_top > 0 || s->pad_left > 0 || d.rows > s->in_rows || d.cols > s->in_cols;
    d.row_stride = d.padded ? d.cols : s->in_cols;
    d.in_plane = (int64_t)s->in_rows * s->in_cols;
    d.out_plane = (int64_t)s->out_rows * s->out_cols;
    d.taps = (int64_t)s->kernel_rows * s->kernel_cols;
    int64_t in = s->in_channels * d.in_plane, out = s->out_channels * int_max(d.out_plane, d.taps);
    d.index = cexpr_index_type(int_max(in, out));
    if (kernel->scratch_bytes < 4 * (s->out_cols + (d.padded ? d.rows * d.cols : 0))) {
        ICE("depthwise kernel '" STR_FMT "' has too little scratch", STR_ARG(kernel->name));
    }
    return d;
}

/* One product of NAME_row: "k[4] * x[ox * 2 + 115]". */
static void format_product(const Depthwise *d, int32_t ky, int32_t kx, StrBuf *out)
{
    const KernelSizes *s = d->s;
    CExpr at = cexpr_sum((Term[]){{"ox", s->stride_cols}, {NULL, 0}},
                         ky * s->dilation_rows * d->row_stride + (int64_t)kx * s->dilation_cols);
    strbuf_printf(out, "k[%" PRId64 "] * x[%s]", (int64_t)ky * s->kernel_cols + kx, at.text);
}

static void emit_row_unrolled(const Depthwise *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    cw_line(w, "float k[%" PRId64 "]; /* a copy that sums cannot overlap: the loop below vectorises */", d->taps);
    cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", d->taps);
    cw_line(w, "k[i] = w[i];");
    cw_close(w, "");
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    for (int32_t ky = 0; ky < s->kernel_rows; ++ky) {
        StrBuf line = {0};
        for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
            strbuf_append(&line, kx == 0 ? STR("") : STR(" + "));
            format_product(d, ky, kx, &line);
        }
        bool last = ky == s->kernel_rows - 1;
        cw_line(w, "%s%s%s", ky == 0 ? "sums[ox] = bias + " : "           + ", line.ptr, last ? ";" : "");
        strbuf_free(&line);
    }
    cw_close(w, "");
}

static void emit_row_loops(const Depthwise *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "sums[ox] = bias;");
    cw_close(w, "");
    cw_open(w, "for (int ky = 0; ky < %d; ++ky)", s->kernel_rows);
    cw_open(w, "for (int kx = 0; kx < %d; ++kx)", s->kernel_cols);
    CExpr tap = cexpr_sum((Term[]){{"ky", s->kernel_cols}, {"kx", 1}, {NULL, 0}}, 0);
    CExpr at = cexpr_sum(
        (Term[]){{"ky", s->dilation_rows * d->row_stride}, {"kx", s->dilation_cols}, {"ox", s->stride_cols}, {NULL, 0}},
        0);
    cw_line(w, "const float k = w[%s];", tap.text);
    cw_open(w, "for (int ox = 0; ox < %d; ++ox)", s->out_cols);
    cw_line(w, "sums[ox] += k * x[%s];", at.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_row(const Depthwise *d, CWriter *w)
{
    cw_comment(w, "One row of %d outputs: x points at the input under the first tap of the first output.",
               d->s->out_cols);
    cw_line(w,
            "static void %.*s_row(const float *CNN_RESTRICT x, const float *CNN_RESTRICT w, float bias, float "
            "*CNN_RESTRICT sums)",
            d->name_length, d->name);
    cw_body(w);
    if (d->taps <= MAX_UNROLLED) {
        emit_row_unrolled(d, w);
    } else {
        emit_row_loops(d, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

/* Copies what the windows cover of one channel into the middle of `padded`. */
static void emit_padding_copy(const Depthwise *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    int64_t rows = d->rows - s->pad_top, cols = d->cols - s->pad_left;
    rows = rows < s->in_rows ? rows : s->in_rows;
    cols = cols < s->in_cols ? cols : s->in_cols;
    if (rows <= 0 || cols <= 0) {
        return; /* every window lies in the padding */
    }
    CExpr to = cexpr_sum((Term[]){{"iy", d->cols}, {"ix", 1}, {NULL, 0}}, s->pad_top * d->cols + s->pad_left);
    CExpr from = cexpr_sum(
        (Term[]){{"channel", s->in_channels > 1 ? d->in_plane : 0}, {"iy", s->in_cols}, {"ix", 1}, {NULL, 0}}, 0);
    cw_open(w, "for (int iy = 0; iy < %" PRId64 "; ++iy)", rows);
    cw_open(w, "for (int ix = 0; ix < %" PRId64 "; ++ix)", cols);
    cw_line(w, "padded[%s] = a->x[0][%s];", to.text, from.text);
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_rows_of_channel(const Depthwise *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    const Epilogue *e = &d->kernel->epilogue;
    const char *oc = s->multiplier > 1 ? "oc" : "channel";
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1}, {oc, d->taps}, {NULL, 0}}, 0);
    CExpr bias = e->bias ? cexpr_at("a->bias", (CExpr){"oc"}) : (CExpr){"0.0f"};
    if (e->bias && s->multiplier == 1) {
        bias = cexpr_at("a->bias", (CExpr){"channel"});
    }
    CExpr input = cexpr_sum((Term[]){{d->padded ? "padded" : "a->x[0]", 1},
                                     {"channel", d->padded ? 0 : d->in_plane},
                                     {"oy", s->stride_rows * d->row_stride},
                                     {NULL, 0}},
                            0);
    CExpr output = cexpr_sum((Term[]){{oc, d->out_plane}, {"oy", s->out_cols}, {NULL, 0}}, 0);
    cw_open(w, "for (int oy = 0; oy < %d; ++oy)", s->out_rows);
    cw_line(w, "%.*s_row(%s, %s, %s, sums);", d->name_length, d->name, input.text, weights.text, bias.text);
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
}

void emit_depthwise(const Kernel *kernel, CWriter *w)
{
    Depthwise d = depthwise_of(kernel);
    const KernelSizes *s = d.s;
    const Epilogue *e = &kernel->epilogue;
    emit_row(&d, w);
    cw_comment(w, "Depthwise convolution %dx%d, stride %dx%d, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s.",
               s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top, s->pad_left, s->in_channels,
               s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols, emit_epilogue_text(e).text);
    emit_kernel_head(kernel, w);
    cw_line(w, "float *const sums = %s; /* [%d] */", emit_scratch(kernel).text, s->out_cols);
    if (d.padded) {
        cw_line(w, "float *const padded = sums + %d; /* [%" PRId64 "][%" PRId64 "]: a channel with its border */",
                s->out_cols, d.rows, d.cols);
    }
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    if (d.padded) {
        cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", d.rows * d.cols);
        cw_line(w, "padded[i] = 0.0f;");
        cw_close(w, "");
    }
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", d.index);
    if (d.padded) {
        emit_padding_copy(&d, w);
    }
    if (s->multiplier > 1) {
        cw_open(w, "for (%s oc = channel * %d; oc < channel * %d + %d; ++oc)", d.index, s->multiplier, s->multiplier,
                s->multiplier);
    }
    emit_rows_of_channel(&d, w);
    if (s->multiplier > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
