/* few: convolution to a few output channels, blocked -> plain. Lanes are input channels: a vector of channels of a pixel
 * times a vector of weights of one output channel, summed over window and planes in registers; at the end the lanes of
 * each sum are added. The other kernels have output channels in their lanes, of which three would fill three.
 *
 * The output is cut into stretches of a row of `tile_cols` pixels, a power of two; the last stretch of a row begins
 * earlier and computes some pixels again, to the same bits. */
#include "backend/emit_vector.h"

#include <inttypes.h>

#include "backend/ctext.h"
#include "support/ints.h"

/* vector_sums_N: lane i of the result is the sum of the lanes of v[i], for N vectors. */
static void emit_sums(int32_t b, int32_t count, CWriter *w)
{
    CExpr name = cexpr_format("vector_sums_%d", (int)count);
    if (ctext_uses(strbuf_view(&w->text), name.text)) {
        return;
    }
    cw_comment(w, "Lane i of the result: all lanes of v[i] added, for %d vector%s. v is used up.", count,
               count == 1 ? "" : "s");
    cw_line(w, "CNN_INLINE vector %s(vector *v)", name.text);
    cw_body(w);
    int32_t results = 1; /* of a vector; once all are in one, twice as many of which half are copies */
    for (int32_t lanes = b; lanes > 1; lanes /= 2, results *= 2) {
        int32_t pairs = count / results / 2;
        const char *vectors = pairs > 0 ? "v[2 * i], v[2 * i + 1]" : "v[0], v[0]";
        StrBuf low = {0}, high = {0};
        emit_put_halves(b, results, lanes, false, vectors, &low);
        emit_put_halves(b, results, lanes, true, vectors, &high);
        if (pairs > 0) {
            emit_open_unrolled(w, "i", pairs);
        }
        cw_line(w, "v[%s] = %s +", pairs > 0 ? "i" : "0", low.ptr);
        cw_line(w, "       %s;", high.ptr);
        if (pairs > 0) {
            cw_close(w, "");
        }
        strbuf_free(&low);
        strbuf_free(&high);
    }
    cw_line(w, "return v[0];");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_products(const Kernel *kernel, int64_t planes, int64_t channel_floats, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, pixels = kernel->tile_cols;
    cw_line(w, "const float *weights = a->weights;");
    cw_line(w, "vector sums[%d][%d];", s->out_channels, pixels);
    emit_open_unrolled(w, "i", s->out_channels * pixels);
    cw_line(w, "sums[i / %d][i %% %d] = vector_all(0.0f);", pixels, pixels);
    cw_close(w, "");
    cw_open(w, "for (int plane = 0; plane < %" PRId64 "; ++plane)", planes);
    cw_open(w, "for (int ky = 0; ky < %d; ++ky)", s->kernel_rows);
    CExpr x = cexpr_sum((Term[]){{"x", 1},
                                 {"plane", planes > 1 ? kernel->in.plane_stride : 0},
                                 {"ky", s->kernel_rows > 1 ? s->dilation_rows * kernel->in.row_stride : 0},
                                 {NULL, 0}},
                        0);
    cw_line(w, "const float *in = %s;", x.text);
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int kx = 0; kx < %d; ++kx, in += %d, weights += %d)", s->kernel_cols, s->dilation_cols * b, b);
    for (int32_t o = 0; o < s->out_channels; ++o) {
        cw_line(w, "const vector w%d = vector_load(weights%s);", o, emit_offset(o * channel_floats).text);
    }
    emit_open_unrolled(w, "p", pixels);
    cw_line(w, "const vector value = vector_load(in + p * %d);", s->stride_cols * b);
    for (int32_t o = 0; o < s->out_channels; ++o) {
        cw_line(w, "sums[%d][p] += w%d * value;", o, o);
    }
    for (int n = 0; n < 4; ++n) {
        cw_close(w, "");
    }
}

void emit_conv_few(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Activation *act = &kernel->epilogue.act;
    int32_t b = kernel->vector, pixels = kernel->tile_cols;
    int64_t planes = int_div_up(s->in_channels, b), channel_floats = planes * b * s->kernel_rows * s->kernel_cols;
    int64_t tiles = int_div_up(s->out_cols, pixels), out = (int64_t)s->out_rows * s->out_cols;
    if (kernel->weight_format.lanes != 1 || kernel->out.block != 1 || pixels > b || (pixels & (pixels - 1)) != 0 ||
        pixels > s->out_cols || kernel->epilogue.residual) {
        ICE("kernel '" STR_FMT "' is not one of few output channels", STR_ARG(kernel->name));
    }
    emit_sums(b, pixels, w);
    cw_comment(w,
               "Convolution %dx%d, stride %dx%d, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s.\n"
               "x [%d/%d][row][column][%d], y [%d][row][column], weights [%d][%d/%d][%d][%d][%d].",
               s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top, s->pad_left, s->in_channels,
               s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols,
               emit_epilogue_text(&kernel->epilogue).text, s->in_channels, b, b, s->out_channels, s->out_channels,
               s->in_channels, b, s->kernel_rows, s->kernel_cols, b);
    emit_kernel_head(kernel, w);
    emit_split(w, "row", s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int row = first_row; row < end_row; ++row)");
    if (tiles > 1) {
        cw_open(w, "for (int tile = 0; tile < %" PRId64 "; ++tile)", tiles);
        if (s->out_cols % pixels == 0) {
            cw_line(w, "const int first = tile * %d;", pixels);
        } else {
            cw_line(w, "const int first = tile < %" PRId64 " ? tile * %d : %d;", tiles - 1, pixels,
                    s->out_cols - pixels);
        }
    }
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {"row", s->stride_rows * kernel->in.row_stride},
                                 {"first", tiles > 1 ? s->stride_cols * b : 0},
                                 {NULL, 0}},
                        emit_window_origin(kernel));
    cw_line(w, "const float *const x = %s;", x.text);
    emit_products(kernel, planes, channel_floats, w);
    cw_open(w, "for (int channel = 0; channel < %d; ++channel)", s->out_channels);
    cw_line(w, "const vector value = vector_sums_%d(sums[channel])%s;", pixels,
            kernel->epilogue.bias ? " + a->bias[channel]" : "");
    CExpr y = cexpr_sum(
        (Term[]){{"a->y", 1}, {"channel", out}, {"row", s->out_cols}, {"first", tiles > 1 ? 1 : 0}, {NULL, 0}}, 0);
    if (pixels == b) {
        cw_line(w, "vector_store_anywhere(%s, %s);", y.text, emit_vector_activation(act, "value").text);
    } else {
        cw_line(w, "const vector result = %s;", emit_vector_activation(act, "value").text);
        cw_line(w, "memcpy(%s, &result, %d * sizeof(float));", y.text, pixels);
    }
    cw_close(w, "");
    if (tiles > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
