/* pixels: bytes of a camera to floats, scaled and shifted by channel, in one pass; rows of interleaved colours become
 * planes on the way. What follows sees the prepared image, so the zeros that it pads with are zeros of that. */
#include "backend/emit_sums.h"

#include <inttypes.h>

void emit_bytes(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols, channels = s->in_channels;
    bool interleaved = kernel->in.block > 1;
    int64_t rows = interleaved ? s->in_rows : channels * s->in_rows; /* rows of memory */
    const char *index = cexpr_index_type(channels * plane);
    cw_comment(w, "Bytes to floats, %dx%dx%d%s: each channel scaled and shifted.", s->in_channels, s->in_rows,
               s->in_cols, interleaved ? ", from rows of interleaved channels to planes" : "");
    emit_kernel_head(kernel, w);
    emit_split(w, "row", rows);
    cw_blank(w);
    cw_open(w, "for (%s row = first_row; row < end_row; ++row)", index);
    CExpr from = {"i"}, to;
    if (interleaved) {
        cw_line(w, "const uint8_t *const pixels = a->bytes + row * %" PRId64 ";", s->in_cols * channels);
        cw_open(w, "for (%s channel = 0; channel < %" PRId64 "; ++channel)", index, channels);
        from = cexpr_sum((Term[]){{"i", channels}, {"channel", 1}, {NULL, 0}}, 0);
        to = cexpr_sum((Term[]){{"a->y", 1}, {"channel", plane}, {"row", s->in_cols}, {NULL, 0}}, 0);
    } else {
        cw_line(w, "const %s channel = %s;", index, cexpr_div("row", s->in_rows).text);
        cw_line(w, "const uint8_t *const pixels = %s;",
                cexpr_sum((Term[]){{"a->bytes", 1}, {"row", s->in_cols}, {NULL, 0}}, 0).text);
        to = cexpr_sum((Term[]){{"a->y", 1}, {"row", s->in_cols}, {NULL, 0}}, 0);
    }
    cw_line(w, "const float scale = a->weights[channel], shift = a->bias[channel];");
    cw_line(w, "float *const y = %s;", to.text);
    cw_open(w, "for (int i = 0; i < %d; ++i)", s->in_cols);
    cw_line(w, "y[i] = (float)pixels[%s] * scale + shift;", from.text);
    cw_close(w, "");
    if (interleaved) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
