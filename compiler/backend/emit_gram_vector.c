/* gram on vectors: a pair of planes, each of a vector of channels, is one square of the result. Of each pixel every channel
 * of the first plane is a factor for the vector of the second; the sums of a square stay in registers.
 *
 * Runs of pixels start from zero, so that rounding errors do not grow with the image. Squares beside the diagonal are
 * computed once and written twice: the result is symmetric to the last bit. */
#include <inttypes.h>

#include "backend/emit_vector.h"
#include "support/ints.h"

enum { RUN = 256 }; /* pixels that are summed before they join the others */

/* Sums of one run of `pixels` pixels from p and q on. */
static void emit_square(const Kernel *kernel, CWriter *w)
{
    int32_t b = kernel->vector;
    cw_comment(w, "total[i] += products of channel i at p with the vector at q, over pixels of two planes.");
    cw_line(w, "CNN_INLINE void " STR_FMT "_run(const float *p, const float *q, int pixels, vector *total)",
            STR_ARG(kernel->name));
    cw_body(w);
    cw_line(w, "vector s[%d];", b);
    emit_open_unrolled(w, "i", b);
    cw_line(w, "s[i] = vector_all(0.0f);");
    cw_close(w, "");
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int pixel = 0; pixel < pixels; ++pixel, p += %d, q += %d)", b, b);
    cw_line(w, "const vector v = vector_load(q);");
    emit_open_unrolled(w, "i", b);
    cw_line(w, "s[i] += v * p[i];");
    cw_close(w, "");
    cw_close(w, "");
    emit_open_unrolled(w, "i", b);
    cw_line(w, "total[i] += s[i];");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_runs(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *l = &kernel->in;
    int32_t b = kernel->vector;
    bool flat = layout_is_dense(l);
    int64_t rows = flat ? 1 : s->in_rows, cols = flat ? (int64_t)s->in_rows * s->in_cols : s->in_cols;
    if (rows > 1) {
        cw_open(w, "for (int row = 0; row < %" PRId64 "; ++row)", rows);
    }
    for (int side = 0; side < 2; ++side) {
        CExpr at = cexpr_sum((Term[]){{"a->x[0]", 1},
                                      {side == 0 ? "first" : "second", l->plane_stride},
                                      {"row", rows > 1 ? l->row_stride : 0},
                                      {NULL, 0}},
                             emit_interior(l));
        cw_line(w, "const float *const %s = %s;", side == 0 ? "p" : "q", at.text);
    }
    if (cols > RUN) {
        cw_open(w, "for (int pixel = 0; pixel < %" PRId64 "; pixel += %d)", cols / RUN * RUN, RUN);
        cw_line(w, STR_FMT "_run(p + pixel * %d, q + pixel * %d, %d, total);", STR_ARG(kernel->name), b, b, RUN);
        cw_close(w, "");
    }
    if (cols <= RUN || cols % RUN != 0) {
        int64_t done = cols <= RUN ? 0 : cols / RUN * RUN;
        CExpr at = emit_offset(done * b);
        cw_line(w, STR_FMT "_run(p%s, q%s, %" PRId64 ", total);", STR_ARG(kernel->name), at.text, at.text, cols - done);
    }
    if (rows > 1) {
        cw_close(w, "");
    }
}

void emit_gram_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, channels = s->in_channels;
    int64_t planes = int_div_up(channels, b), elements = layout_elements(&kernel->in);
    const char *index =
        cexpr_index_type(2 * (elements > (int64_t)channels * channels ? elements : (int64_t)channels * channels));
    emit_square(kernel, w);
    cw_comment(w, "Gram matrix of %d channels, sums over %dx%d pixels, in squares of %d channels.", channels,
               s->in_rows, s->in_cols, b);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes * (planes + 1) / 2);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "int line = 0, before = 0; /* squares of the lines above */");
    cw_open(w, "while (job - before > line)");
    cw_line(w, "++line;");
    cw_line(w, "before += line;");
    cw_close(w, "");
    cw_line(w, "const %s first = job - before, second = line; /* planes, first <= second */", index);
    cw_line(w, "vector total[%d];", b);
    cw_open(w, "for (int i = 0; i < %d; ++i)", b);
    cw_line(w, "total[i] = vector_all(0.0f);");
    cw_close(w, "");
    emit_runs(kernel, w);
    bool lacks = channels % b != 0;
    if (lacks) {
        cw_line(w, "const int rows = first < %" PRId64 " ? %d : %d, cols = second < %" PRId64 " ? %d : %d;", planes - 1,
                b, channels % b, planes - 1, b, channels % b);
    }
    CExpr all = cexpr_int(b);
    cw_open(w, "for (int i = 0; i < %s; ++i)", lacks ? "rows" : all.text);
    cw_line(w, "const vector value = total[i] / %s;", emit_float((double)channels * s->in_rows * s->in_cols).text);
    cw_open(w, "for (int k = 0; k < %s; ++k)", lacks ? "cols" : all.text);
    cw_line(w, "a->y[(first * %d + i) * %d + second * %d + k] = value[k];", b, channels, b);
    cw_line(w, "a->y[(second * %d + k) * %d + first * %d + i] = value[k];", b, channels, b);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
