/* softmax and log_softmax over channels, for each pixel on its own.
 *
 * The largest value is subtracted first, so that expf cannot overflow; the sum is kept in double, which costs nothing
 * here and keeps the probabilities of a thousand classes exact to the last float digit. May run in place. */
#include "backend/emit_sums.h"
#include "support/ints.h"

enum { BLOCK = 64 }; /* pixels done side by side */

/* One vector of channels: there is nothing to share out. */
static void emit_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    cw_open(w, "if (part > 0)");
    cw_line(w, "return; /* too small to share out */");
    cw_close(w, "");
    cw_line(w, "(void)parts;");
    cw_line(w, "const float *const x = a->x[0];");
    cw_line(w, "float *const y = a->y;");
    cw_line(w, "float largest = x[0];");
    cw_open(w, "for (int c = 1; c < %d; ++c)", s->in_channels);
    cw_line(w, "largest = x[c] > largest ? x[c] : largest;");
    cw_close(w, "");
    cw_line(w, "double sum = 0.0;");
    if (s->is_log) {
        cw_open(w, "for (int c = 0; c < %d; ++c)", s->in_channels);
        cw_line(w, "sum += (double)expf(x[c] - largest);");
        cw_close(w, "");
        cw_line(w, "const float log_sum = (float)log(sum);");
        cw_open(w, "for (int c = 0; c < %d; ++c)", s->in_channels);
        cw_line(w, "y[c] = x[c] - largest - log_sum;");
        cw_close(w, "");
    } else {
        cw_open(w, "for (int c = 0; c < %d; ++c)", s->in_channels);
        cw_line(w, "y[c] = expf(x[c] - largest);");
        cw_line(w, "sum += (double)y[c];");
        cw_close(w, "");
        cw_open(w, "for (int c = 0; c < %d; ++c)", s->in_channels);
        cw_line(w, "y[c] = (float)((double)y[c] / sum);");
        cw_close(w, "");
    }
}

/* Many pixels: blocks of them, so that the inner loops run along memory. */
static void emit_pixels(const Kernel *kernel, int64_t plane, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t blocks = int_div_up(plane, BLOCK);
    const char *index = cexpr_index_type(s->in_channels * plane);
    CExpr at = cexpr_sum((Term[]){{"c", plane}, {"p", 1}, {NULL, 0}}, 0);
    emit_split(w, "block", blocks);
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    CExpr pixels = emit_block_pixels(w, plane, BLOCK);
    cw_line(w, "const float *const x = a->x[0] + block * %d;", BLOCK);
    cw_line(w, "float *const y = a->y + block * %d;", BLOCK);
    cw_line(w, "float largest[%d];", BLOCK);
    cw_line(w, "double sum[%d] = {0.0};", BLOCK);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "largest[p] = x[p];");
    cw_close(w, "");
    cw_open(w, "for (%s c = 1; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "largest[p] = x[%s] > largest[p] ? x[%s] : largest[p];", at.text, at.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (%s c = 0; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    if (s->is_log) {
        cw_line(w, "sum[p] += (double)expf(x[%s] - largest[p]);", at.text);
    } else {
        cw_line(w, "y[%s] = expf(x[%s] - largest[p]);", at.text, at.text);
        cw_line(w, "sum[p] += (double)y[%s];", at.text);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (%s c = 0; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    if (s->is_log) {
        cw_line(w, "y[%s] = x[%s] - largest[p] - (float)log(sum[p]);", at.text, at.text);
    } else {
        cw_line(w, "y[%s] = (float)((double)y[%s] / sum[p]);", at.text, at.text);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_softmax(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    cw_comment(w, "%s over %d channels%s.", s->is_log ? "Logarithm of softmax" : "Softmax", s->in_channels,
               plane > 1 ? ", for each pixel" : "");
    emit_kernel_head(kernel, w);
    if (plane == 1) {
        emit_vector(kernel, w);
    } else {
        emit_pixels(kernel, plane, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
