/* lrn on vectors: x / (k + alpha * sum of the squares of neighbouring channels) ^ beta. The neighbours of a vector of
 * channels lie in it and in the vectors before and after it; shuffles shift them into place. */
#include <inttypes.h>

#include "backend/emit_vector.h"
#include "support/ints.h"

/* "vector_shuffle(before, here, 14, 15, 0, ..)": the squares of channels that lie `shift` further. */
static void append_shifted(StrBuf *out, int32_t b, int32_t shift)
{
    if (shift == 0) {
        strbuf_printf(out, "here");
        return;
    }
    strbuf_printf(out, "vector_shuffle(%s", shift < 0 ? "before, here" : "here, after");
    for (int32_t lane = 0; lane < b; ++lane) {
        strbuf_printf(out, ", %d", (int)(shift < 0 ? b + lane + shift : lane + shift));
    }
    strbuf_printf(out, ")");
}

/* "const vector NAME = squares at x + OFFSET"; lanes past the channels count as zero. */
static void emit_squares(const Kernel *kernel, const char *name, int shift, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, rest = s->in_channels % b;
    int64_t planes = int_div_up(s->in_channels, b), stride = kernel->in.plane_stride;
    CExpr at = cexpr_sum((Term[]){{"x", 1}, {"col", b}, {NULL, 0}}, shift * stride);
    if (shift == 0) {
        cw_line(w, "vector %s = center * center;", name);
    } else {
        cw_line(w, "vector %s = vector_all(0.0f);", name);
        if (shift < 0) {
            cw_open(w, "if (plane > 0)");
        } else {
            cw_open(w, "if (plane < %" PRId64 ")", planes - 1);
        }
        cw_line(w, "const vector value = vector_load(%s);", at.text);
        cw_line(w, "%s = value * value;", name);
        cw_close(w, "");
    }
    if (rest != 0 && shift >= 0) {
        CExpr plane = cexpr_sum((Term[]){{"plane", 1}, {NULL, 0}}, shift);
        cw_open(w, "for (int lane = %d; %s == %" PRId64 " && lane < %d; ++lane)", rest, plane.text, planes - 1, b);
        cw_line(w, "%s[lane] = 0.0f; /* no channel */", name);
        cw_close(w, "");
    }
}

void emit_lrn_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, first = -(s->lrn.size / 2), last = (s->lrn.size - 1) / 2;
    if (-first > b || last > b) {
        ICE("kernel '" STR_FMT "' has more neighbours than lanes", STR_ARG(kernel->name));
    }
    int64_t planes = int_div_up(s->in_channels, b);
    double alpha = s->lrn.alpha_div_n ? s->lrn.alpha / s->lrn.size : s->lrn.alpha;
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    cw_comment(w, "Local response normalisation over %d channels, %dx%dx%d.", s->lrn.size, s->in_channels, s->in_rows,
               s->in_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes * s->in_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", cexpr_index_type(in > out ? in : out), cexpr_div("job", s->in_rows).text);
    cw_line(w, "const int row = %s;", cexpr_mod("job", s->in_rows).text);
    const Layout *layouts[] = {&kernel->in, &kernel->out};
    static const char *const names[] = {"const float *const x", "float *const y"}, *const arrays[] = {"a->x[0]",
                                                                                                      "a->y"};
    for (int i = 0; i < 2; ++i) {
        CExpr from = cexpr_sum(
            (Term[]){{arrays[i], 1}, {"plane", layouts[i]->plane_stride}, {"row", layouts[i]->row_stride}, {NULL, 0}},
            emit_interior(layouts[i]));
        cw_line(w, "%s = %s;", names[i], from.text);
    }
    cw_open(w, "for (int col = 0; col < %d; ++col)", s->in_cols);
    cw_line(w, "const vector center = vector_load(x + col * %d);", b);
    if (first < 0) {
        emit_squares(kernel, "before", -1, w);
    }
    emit_squares(kernel, "here", 0, w);
    if (last > 0) {
        emit_squares(kernel, "after", 1, w);
    }
    for (int32_t shift = first; shift <= last; ++shift) {
        StrBuf term = {0};
        append_shifted(&term, b, shift);
        cw_line(w, shift == first ? "vector sum = %s;" : "sum += %s;", term.ptr);
        strbuf_free(&term);
    }
    cw_line(w, "const vector base = sum * %s + %s;", emit_float(alpha).text, emit_float(s->lrn.k).text);
    cw_line(w, "vector_store(y + col * %d, center * vector_exp(vector_log(base) * %s));", b,
            emit_float(-s->lrn.beta).text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
