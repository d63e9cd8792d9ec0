/* conv of small images, which fill no rows of pixels: rows and columns of the product of emit_conv.c change places.
 *
 *     sums[pixel][oc] = bias[oc] + sum over taps of turned[pixel][tap] * weights[tap][oc]
 *
 * Weights lie as rows of channels, [oc/N][tap][N]; the micro-kernel matrix_tile_N takes them for its rows, and what was
 * gathered, turned so that four taps of four pixels lie together, for its weights. Finished sums are turned back, four
 * channels at a time, and NAME_store writes them. Parts share out the pixels of a tile, four at a time. All products and
 * sums are those of the other form, in the same order. */
#include "backend/emit_conv.h"

#include <inttypes.h>

/* Sums of a block of channels start with the bias; those of pixels past the last as well, which the last four have. */
static void emit_start(const Conv *c, bool many, CWriter *w)
{
    cw_open(w, "for (int p = from; p < 4 * end_four; ++p)");
    if (c->kernel->epilogue.bias) {
        CExpr bias = cexpr_sum((Term[]){{"a->bias", 1}, {"oc", many}, {NULL, 0}}, 0);
        cw_line(w, "memcpy(sums + p * %" PRId64 ", %s, %" PRId64 " * sizeof(float));", c->rows, bias.text, c->rows);
    } else {
        cw_line(w, "memset(sums + p * %" PRId64 ", 0, %" PRId64 " * sizeof(float));", c->rows, c->rows);
    }
    cw_close(w, "");
}

/* Four channels of sums become rows of pixels, where the gathered ones were. */
static void emit_outputs(const Conv *c, bool many, CWriter *w)
{
    bool last_is_short = c->out_channels % c->rows != 0;
    CExpr end = many ? cexpr_format("oc + %d", (int)c->rows) : cexpr_int(c->out_channels);
    CExpr exist = cexpr_format(" && channel < %d", (int)c->out_channels);
    cw_open(w, "for (%s channel = %s; channel < %s%s; channel += 4)", c->index, many ? "oc" : "0", end.text,
            many && last_is_short ? exist.text : "");
    cw_open(w, "for (int p = from; p < to; ++p)");
    cw_line(w, "const float *const sum = sums + p * %" PRId64 " + channel%s;", c->rows, many ? " - oc" : "");
    for (int i = 0; i < CONV_ROWS; ++i) {
        cw_line(w, "rows[%sp - from] = sum[%d];", i > 0 ? cexpr_format("%d + ", (int)(i * c->tile)).text : "", i);
    }
    cw_close(w, "");
    emit_conv_store_call(c, "channel", c->tiles > 1 ? "first + from" : "from", "to - from", "rows", w);
    cw_close(w, "");
}

void emit_conv_wide(const Conv *c, CWriter *w)
{
    bool single = c->blocks == 1, many = c->padded_out > c->rows;
    CExpr taps = emit_conv_taps(c);
    cw_line(w, "const int to = 4 * end_four < pixels ? 4 * end_four : pixels;");
    cw_line(w, "matrix_turn_%" PRId64 "(rows, %s, turned);", c->tile, taps.text);
    if (many) {
        cw_open(w, "for (%s oc = 0; oc < %" PRId64 "; oc += %" PRId64 ")", c->index, c->padded_out, c->rows);
    }
    CExpr sums = cexpr_sum((Term[]){{"acc", 1}, {"oc", many && !single ? c->tile : 0}, {NULL, 0}}, 0);
    cw_line(w, "float *const sums = %s;", sums.text);
    if (!single) {
        cw_open(w, "if (tap == 0)");
    }
    emit_start(c, many, w);
    if (!single) {
        cw_close(w, "");
    }
    CExpr weights =
        cexpr_sum((Term[]){{"a->weights", 1}, {"oc", many ? c->taps : 0}, {"tap", single ? 0 : c->rows}, {NULL, 0}}, 0);
    bool constant = c->padded_taps % c->block == 0;
    cw_open(w, "for (int p = from; p < to; p += 4)");
    cw_line(w, "matrix_tile_%" PRId64 "(%s, turned + p * %s%s%s, %s, sums + p * %" PRId64 ");", c->rows, weights.text,
            constant ? "" : "(", taps.text, constant ? "" : ")", taps.text, c->rows);
    cw_close(w, "");
    if (!single) {
        cw_open(w, "if (end_tap == %" PRId64 ")", c->padded_taps);
    }
    emit_outputs(c, many, w);
    if (!single) {
        cw_close(w, "");
    }
    if (many) {
        cw_close(w, "");
    }
}
