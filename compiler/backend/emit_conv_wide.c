/* conv of small images, which fill no rows of pixels: rows and columns of the product of emit_conv.c change places.
 *
 *     sums[pixel][oc] = bias[oc] + sum over taps of turned[pixel][tap] * weights[tap][oc]
 *
 * Weights lie as rows of channels, [oc/N][tap][N]; the micro-kernel matrix_tile_N takes them for its rows, and what was
 * gathered, turned so that four taps of four pixels lie together, for its weights. Finished sums are turned back, four
 * channels at a time, and NAME_store writes them. Parts share out the pixels of a tile, four at a time: a
 * share is gathered as a tile of its own. */
#include "backend/emit_conv.h"

#include <inttypes.h>

void emit_wide_share(const Conv *c, CWriter *w)
{
    int64_t step = c->tiles > 1 ? c->tile : 0;
    CExpr first = cexpr_sum((Term[]){{"tile", step}, {"first_four", CONV_ROWS}, {NULL, 0}}, 0);
    CExpr end = cexpr_sum((Term[]){{"tile", step}, {"end_four", CONV_ROWS}, {NULL, 0}}, 0);
    cw_line(w, "const int first = %s, end = %s;", first.text, end.text);
    cw_line(w, "const int pixels = (end < %" PRId64 " ? end : %" PRId64 ") - first;", c->pixels, c->pixels);
}

void emit_wide_turn(const Conv *c, CWriter *w)
{
    cw_line(w, "matrix_turn_%" PRId64 "(rows, %s, pixels, turned);", c->tile, emit_conv_taps(c).text);
}

/* Pixels past the last, which the last four have, start too. */
void emit_wide_start(const Conv *c, const char *bias, CWriter *w)
{
    cw_open(w, "for (int p = 0; p < end - first; ++p)");
    if (bias != NULL) {
        cw_line(w, "memcpy(sums + p * %" PRId64 ", %s, %" PRId64 " * sizeof(float));", c->rows, bias, c->rows);
    } else {
        cw_line(w, "memset(sums + p * %" PRId64 ", 0, %" PRId64 " * sizeof(float));", c->rows, c->rows);
    }
    cw_close(w, "");
}

void emit_wide_product(const Conv *c, const char *weights, CWriter *w)
{
    CExpr taps = emit_conv_taps(c);
    bool constant = c->padded_taps % c->block == 0;
    cw_open(w, "for (int p = 0; p < pixels; p += 4)");
    cw_line(w, "matrix_tile_%" PRId64 "(%s, turned + p * %s%s%s, %s, sums + p * %" PRId64 ");", c->rows, weights,
            constant ? "" : "(", taps.text, constant ? "" : ")", taps.text, c->rows);
    cw_close(w, "");
}

/* Four channels of sums become rows of pixels, where the gathered ones were. */
void emit_wide_outputs(const Conv *c, CWriter *w)
{
    bool many = c->padded_out > c->rows, last_is_short = c->out_channels % c->rows != 0;
    CExpr end = many ? cexpr_format("oc + %d", (int)c->rows) : cexpr_int(c->out_channels);
    CExpr exist = cexpr_format(" && channel < %d", (int)c->out_channels);
    cw_open(w, "for (%s channel = %s; channel < %s%s; channel += 4)", c->index, many ? "oc" : "0", end.text,
            many && last_is_short ? exist.text : "");
    cw_open(w, "for (int p = 0; p < pixels; ++p)");
    cw_line(w, "const float *const sum = sums + p * %" PRId64 " + channel%s;", c->rows, many ? " - oc" : "");
    for (int i = 0; i < CONV_ROWS; ++i) {
        cw_line(w, "rows[%sp] = sum[%d];", i > 0 ? cexpr_format("%d + ", (int)(i * c->tile)).text : "", i);
    }
    cw_close(w, "");
    emit_conv_store_call(c, "channel", "rows", w);
    cw_close(w, "");
}
