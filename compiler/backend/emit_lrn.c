/* lrn: y[c] = x[c] / (k + alpha * sum of x[j]^2)^beta over a window of channels.
 *
 * Done for a block of pixels at a time, so that every loop runs along memory. The sum of a window is formed afresh for
 * each channel: a running sum would be faster, but subtracting what leaves the window loses digits. */
#include "backend/emit_sums.h"
#include "support/ints.h"

enum { BLOCK = 64 }; /* pixels */

/* "x / d^beta" without powf for the exponents that networks use. */
static void emit_power(double beta, const char *target, const char *x, CWriter *w)
{
    if (beta == 0.75) {
        cw_line(w, "const float root = sqrtf(d);");
        cw_line(w, "%s = %s / (root * sqrtf(root));", target, x);
    } else if (beta == 0.5) {
        cw_line(w, "%s = %s / sqrtf(d);", target, x);
    } else if (beta == 1.0) {
        cw_line(w, "%s = %s / d;", target, x);
    } else {
        cw_line(w, "%s = %s / powf(d, %s);", target, x, emit_float(beta).text);
    }
}

void emit_lrn(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const LrnAttr *lrn = &s->lrn;
    int64_t plane = (int64_t)s->in_rows * s->in_cols, blocks = int_div_up(plane, BLOCK);
    int32_t below = lrn->size / 2, above = (lrn->size - 1) / 2;
    double alpha = lrn->alpha_div_n ? lrn->alpha / lrn->size : lrn->alpha;
    const char *index = cexpr_index_type(s->in_channels * plane);
    cw_comment(w, "Local response normalisation over %d channels, %dx%dx%d.", lrn->size, s->in_channels, s->in_rows,
               s->in_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "block", blocks);
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    CExpr pixels = emit_block_pixels(w, plane, BLOCK);
    cw_line(w, "const float *const x = a->x[0] + block * %d;", BLOCK);
    cw_line(w, "float *const y = a->y + block * %d;", BLOCK);
    cw_open(w, "for (%s c = 0; c < %d; ++c)", index, s->in_channels);
    CExpr from = cexpr_sum((Term[]){{"c", 1}, {NULL, 0}}, -below),
          to = cexpr_sum((Term[]){{"c", 1}, {NULL, 0}}, (int64_t)above + 1);
    cw_line(w, "const %s from = %s > 0 ? %s : 0;", index, from.text, from.text);
    cw_line(w, "const %s to = %s < %d ? %s : %d;", index, to.text, s->in_channels, to.text, s->in_channels);
    cw_line(w, "float sums[%d] = {0.0f};", BLOCK);
    cw_open(w, "for (%s j = from; j < to; ++j)", index);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    CExpr neighbour = cexpr_at("x", cexpr_sum((Term[]){{"j", plane}, {"p", 1}, {NULL, 0}}, 0));
    cw_line(w, "sums[p] += %s * %s;", neighbour.text, neighbour.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    CExpr at = cexpr_sum((Term[]){{"c", plane}, {"p", 1}, {NULL, 0}}, 0);
    cw_line(w, "const float d = %s + %s * sums[p];", emit_float(lrn->k).text, emit_float(alpha).text);
    emit_power(lrn->beta, cexpr_at("y", at).text, cexpr_at("x", at).text, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
