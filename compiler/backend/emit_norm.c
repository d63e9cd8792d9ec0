/* instance_norm and l2_normalize: division by what is measured in the input itself.
 *
 * Mean, variance and norm are summed in double. The mean is kept as two floats, high + low, so that x - mean is as
 * exact as x is, also where all of a channel lies far from 0. */
#include "backend/emit_sums.h"
#include "support/ints.h"

#include <inttypes.h>

enum { BLOCK = 256, PIXELS = 64 }; /* elements of a channel; pixels side by side */

/* The last pass of instance_norm: y may be x, hence the detour over values (as in emit_elementwise.c). */
static void emit_apply(const Kernel *kernel, int64_t n, bool affine, CWriter *w)
{
    const char *count = "count";
    bool many = n > BLOCK;
    CExpr all = cexpr_int(many ? BLOCK : n);
    if (many) {
        cw_open(w, "for (int start = 0; start < %" PRId64 "; start += %d)", n, BLOCK);
    }
    if (many && n % BLOCK != 0) {
        cw_line(w, "const int count = start < %" PRId64 " ? %d : %" PRId64 ";", n / BLOCK * BLOCK, BLOCK, n % BLOCK);
    } else {
        count = all.text;
    }
    const char *at = many ? "start + i" : "i";
    cw_line(w, "float values[%d];", BLOCK);
    cw_open(w, "for (int i = 0; i < %s; ++i)", count);
    bool acts = kernel->epilogue.act.op != OP_IDENTITY;
    cw_line(w, "%s(x[%s] - high - low) * scale%s%s%s%s;", acts ? "const float value = " : "values[i] = ", at,
            affine ? " + shift" : "", kernel->epilogue.residual ? " + residual[" : "",
            kernel->epilogue.residual ? at : "", kernel->epilogue.residual ? "]" : "");
    if (acts) {
        cw_line(w, "values[i] = %s;", emit_activation(&kernel->epilogue.act, "value").text);
    }
    cw_close(w, "");
    cw_open(w, "for (int i = 0; i < %s; ++i)", count);
    cw_line(w, "y[%s] = values[i];", at);
    cw_close(w, "");
    if (many) {
        cw_close(w, "");
    }
}

void emit_instance_norm(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t n = (int64_t)s->in_rows * s->in_cols;
    bool affine = kernel->epilogue.bias;
    const char *index = cexpr_index_type(s->in_channels * n);
    cw_comment(w, "Instance normalisation, %dx%dx%d: each channel by its own mean and variance%s. y may be x.",
               s->in_channels, s->in_rows, s->in_cols, affine ? ", then a scale and a shift" : "");
    emit_kernel_head(kernel, w);
    emit_split(w, "channel", s->in_channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"channel", n}, {NULL, 0}}, 0);
    CExpr y = cexpr_sum((Term[]){{"a->y", 1}, {"channel", n}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_line(w, "float *const y = %s;", y.text);
    if (kernel->epilogue.residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1}, {"channel", n}, {NULL, 0}}, 0);
        cw_line(w, "const float *const residual = %s;", residual.text);
    }
    emit_double_sum(w, "sum", n, NULL, "(double)x[@]");
    cw_line(w, "const double mean = sum / %" PRId64 ".0;", n);
    emit_double_sum(w, "squares", n, "const double d = (double)x[@] - mean", "d * d");
    cw_line(w, "const double deviation = sqrt(squares / %" PRId64 ".0 + %s);", n, emit_double(s->eps).text);
    cw_line(w, "const float high = (float)mean, low = (float)(mean - (double)high);");
    if (affine) {
        cw_line(w, "const float scale = (float)((double)a->weights[channel] / deviation), shift = a->bias[channel];");
    } else {
        cw_line(w, "const float scale = (float)(1.0 / deviation);");
    }
    emit_apply(kernel, n, affine, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_l2_vector(const KernelSizes *s, CWriter *w)
{
    emit_single_part(w);
    cw_line(w, "const float *const x = a->x[0];");
    emit_double_sum(w, "sum", s->in_channels, NULL, "(double)x[@] * (double)x[@]");
    cw_line(w, "const double norm = sqrt(sum);");
    cw_line(w, "const double divisor = norm < %s ? %s : norm;", emit_double(s->eps).text, emit_double(s->eps).text);
    cw_open(w, "for (int c = 0; c < %d; ++c)", s->in_channels);
    cw_line(w, "a->y[c] = (float)((double)x[c] / divisor);");
    cw_close(w, "");
}

static void emit_l2_pixels(const KernelSizes *s, int64_t plane, CWriter *w)
{
    const char *index = cexpr_index_type(s->in_channels * plane);
    CExpr at = cexpr_sum((Term[]){{"c", plane}, {"p", 1}, {NULL, 0}}, 0);
    emit_split(w, "block", int_div_up(plane, PIXELS));
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    CExpr pixels = emit_block_pixels(w, plane, PIXELS);
    cw_line(w, "const float *const x = a->x[0] + block * %d;", PIXELS);
    cw_line(w, "float *const y = a->y + block * %d;", PIXELS);
    cw_line(w, "double sum[%d] = {0.0};", PIXELS);
    cw_open(w, "for (%s c = 0; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "sum[p] += (double)x[%s] * (double)x[%s];", at.text, at.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "const double norm = sqrt(sum[p]);");
    cw_line(w, "sum[p] = norm < %s ? %s : norm;", emit_double(s->eps).text, emit_double(s->eps).text);
    cw_close(w, "");
    cw_open(w, "for (%s c = 0; c < %d; ++c)", index, s->in_channels);
    cw_open(w, "for (int p = 0; p < %s; ++p)", pixels.text);
    cw_line(w, "y[%s] = (float)((double)x[%s] / sum[p]);", at.text, at.text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_l2_normalize(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols;
    cw_comment(w, "Division by the Euclidean norm of %d channels%s.", s->in_channels,
               plane > 1 ? ", for each pixel" : "");
    emit_kernel_head(kernel, w);
    if (plane == 1) {
        emit_l2_vector(s, w);
    } else {
        emit_l2_pixels(s, plane, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
