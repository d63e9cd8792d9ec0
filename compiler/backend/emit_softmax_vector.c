/* softmax and log_softmax of one vector of channels, on vectors. As in emit_softmax.c the largest is subtracted first, so
 * exponents stay in range. Memory may be the caller's: aligned as floats only, and nothing behind the last one. */
#include "backend/emit_vector.h"

/* "tail": the floats behind the whole vectors; other lanes get `filler`. */
static void emit_tail(int32_t whole, int32_t rest, int32_t b, const char *filler, CWriter *w)
{
    cw_line(w, "vector tail = vector_load_first(x + %d, %d);", whole, rest);
    cw_open(w, "for (int lane = %d; lane < %d; ++lane)", rest, b);
    cw_line(w, "tail[lane] = %s;", filler);
    cw_close(w, "");
}

void emit_softmax_vector(const Kernel *kernel, CWriter *w)
{
    int32_t b = kernel->vector, channels = kernel->sizes.in_channels, whole = channels / b * b, rest = channels - whole;
    bool is_log = kernel->sizes.is_log;
    cw_comment(w, "%s of %d channels.", is_log ? "Logarithm of the softmax" : "Softmax", channels);
    emit_kernel_head(kernel, w);
    cw_open(w, "if (part > 0)");
    cw_line(w, "return; /* too small to share out */");
    cw_close(w, "");
    cw_line(w, "(void)parts;");
    cw_line(w, "const float *const x = a->x[0];");
    cw_line(w, "float *const y = a->y;");
    cw_line(w, "vector best = vector_all(x[0]);");
    if (whole > 0) {
        cw_open(w, "for (int c = 0; c < %d; c += %d)", whole, b);
        cw_line(w, "best = vector_max(best, vector_load_anywhere(x + c));");
        cw_close(w, "");
    }
    if (rest > 0) {
        emit_tail(whole, rest, b, "x[0]", w);
        cw_line(w, "best = vector_max(best, tail);");
    }
    cw_line(w, "float largest = best[0];");
    cw_open(w, "for (int lane = 1; lane < %d; ++lane)", b);
    cw_line(w, "largest = best[lane] <= largest ? largest : best[lane]; /* NaN wins */");
    cw_close(w, "");
    cw_line(w, "vector sums = vector_all(0.0f);");
    if (whole > 0) {
        cw_open(w, "for (int c = 0; c < %d; c += %d)", whole, b);
        cw_line(w, "const vector value = vector_exp(vector_load_anywhere(x + c) - largest);");
        if (!is_log) {
            cw_line(w, "vector_store_anywhere(y + c, value);");
        }
        cw_line(w, "sums += value;");
        cw_close(w, "");
    }
    if (rest > 0) {
        cw_line(w, "tail = vector_exp(tail - largest);");
        cw_open(w, "for (int lane = 0; lane < %d; ++lane)", rest);
        cw_line(w, "sums[lane] += tail[lane];");
        if (!is_log) {
            cw_line(w, "y[%d + lane] = tail[lane];", whole);
        }
        cw_close(w, "");
    }
    cw_line(w, "double sum = 0.0;");
    cw_open(w, "for (int lane = 0; lane < %d; ++lane)", b);
    cw_line(w, "sum += (double)sums[lane];");
    cw_close(w, "");
    if (is_log) {
        cw_line(w, "const float log_sum = (float)log(sum);");
        cw_open(w, "for (int c = 0; c < %d; ++c)", channels);
        cw_line(w, "y[c] = x[c] - largest - log_sum;");
    } else {
        cw_line(w, "const float factor = (float)(1.0 / sum);");
        cw_open(w, "for (int c = 0; c < %d; ++c)", channels);
        cw_line(w, "y[c] *= factor;");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
