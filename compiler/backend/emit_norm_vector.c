/* instance_norm on vectors: lanes are channels, so a plane of blocks is measured and normalised at once. The image is read
 * twice: once for mean and variance (embed/vector_moments.c), once for the result. y may be x, or the residual. */
#include <inttypes.h>

#include "backend/emit_vector.h"

enum { RUN = 64 }; /* pixels that are summed in float: they are in the first-level cache when they are read again */

static void emit_row_pointer(const char *head, const char *array, const Layout *l, bool rows, CWriter *w)
{
    CExpr at = cexpr_sum((Term[]){{array, 1}, {"plane", l->plane_stride}, {"row", rows ? l->row_stride : 0}, {NULL, 0}},
                         emit_interior(l));
    cw_line(w, "%s = %s;", head, at.text);
}

/* The loop over rows, or none where all rows are one. */
static void open_rows(int64_t rows, CWriter *w)
{
    if (rows > 1) {
        cw_open(w, "for (int row = 0; row < %" PRId64 "; ++row)", rows);
    }
}

static void close_rows(int64_t rows, CWriter *w)
{
    if (rows > 1) {
        cw_close(w, "");
    }
}

static void emit_measure(const Kernel *kernel, int64_t rows, int64_t cols, CWriter *w)
{
    int32_t b = kernel->vector;
    cw_line(w, "vector_moments moments = {0.0, {0.0}, {0.0}};");
    open_rows(rows, w);
    emit_row_pointer("const float *const x", "a->x[0]", &kernel->in, rows > 1, w);
    if (cols > RUN) {
        cw_open(w, "for (int first = 0; first < %" PRId64 "; first += %d)", cols / RUN * RUN, RUN);
        cw_line(w, "vector_moments_add(&moments, x + first * %d, %d);", b, RUN);
        cw_close(w, "");
        if (cols % RUN != 0) {
            cw_line(w, "vector_moments_add(&moments, x + %" PRId64 ", %" PRId64 ");", cols / RUN * RUN * b, cols % RUN);
        }
    } else {
        cw_line(w, "vector_moments_add(&moments, x, %" PRId64 ");", cols);
    }
    close_rows(rows, w);
}

/* Scale and shift of the plane's channels; the mean as two floats, high + low. */
static void emit_scales(const Kernel *kernel, int64_t planes, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector, rest = s->in_channels % b;
    bool affine = kernel->epilogue.bias, lanes_lack = rest != 0 && !affine;
    cw_line(w, "vector high, low, scale;");
    if (lanes_lack) {
        cw_line(w, "const int lanes = plane < %" PRId64 " ? %d : %d;", planes - 1, b, rest);
    }
    cw_open(w, "for (int lane = 0; lane < %d; ++lane)", b);
    cw_line(w, "const double mean = moments.mean[lane], deviation = sqrt(moments.squares[lane] / moments.count + %s);",
            emit_float(s->eps).text);
    cw_line(w, "high[lane] = (float)mean;");
    cw_line(w, "low[lane] = (float)(mean - (double)high[lane]);");
    if (affine) {
        cw_line(w, "scale[lane] = (float)((double)a->weights[plane * %d + lane] / deviation);", b);
    } else if (lanes_lack) {
        cw_line(w, "scale[lane] = lane < lanes ? (float)(1.0 / deviation) : 0.0f;");
    } else {
        cw_line(w, "scale[lane] = (float)(1.0 / deviation);");
    }
    cw_close(w, "");
    if (affine) {
        cw_line(w, "const vector shift = vector_load(a->bias + plane * %d);", b);
    }
}

static void emit_apply(const Kernel *kernel, int64_t rows, int64_t cols, CWriter *w)
{
    const Epilogue *e = &kernel->epilogue;
    int32_t b = kernel->vector;
    open_rows(rows, w);
    if (rows > 1) { /* else it stands above */
        emit_row_pointer("const float *const x", "a->x[0]", &kernel->in, true, w);
    }
    emit_row_pointer("float *const y", "a->y", &kernel->out, rows > 1, w);
    if (e->residual) {
        emit_row_pointer("const float *const residual", "a->residual", &kernel->residual, rows > 1, w);
    }
    cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", cols);
    StrBuf value = {0};
    strbuf_printf(&value, "(vector_load(x + i * %d) - high - low) * scale%s", b, e->bias ? " + shift" : "");
    if (e->residual) {
        strbuf_printf(&value, " + vector_load(residual + i * %d)", b);
    }
    cw_line(w, "const vector value = %s;", value.ptr);
    strbuf_free(&value);
    cw_line(w, "vector_store(y + i * %d, %s);", b, emit_vector_activation(&e->act, "value").text);
    cw_close(w, "");
    close_rows(rows, w);
}

void emit_instance_norm_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *in = &kernel->in, *out = &kernel->out;
    int64_t rows = s->in_rows, cols = s->in_cols, planes = (s->in_channels + kernel->vector - 1) / kernel->vector;
    if (layout_is_dense(in) && layout_is_dense(out) &&
        (!kernel->epilogue.residual || layout_is_dense(&kernel->residual))) {
        cols *= rows;
        rows = 1;
    }
    int64_t total = layout_elements(in) > layout_elements(out) ? layout_elements(in) : layout_elements(out);
    cw_comment(w, "Instance normalisation, %dx%dx%d: each channel by its own mean and variance%s. y may be x.",
               s->in_channels, s->in_rows, s->in_cols, kernel->epilogue.bias ? ", then a scale and a shift" : "");
    emit_kernel_head(kernel, w);
    emit_split(w, "plane", planes);
    cw_blank(w);
    cw_open(w, "for (%s plane = first_plane; plane < end_plane; ++plane)", cexpr_index_type(2 * total));
    emit_measure(kernel, rows, cols, w);
    emit_scales(kernel, planes, w);
    emit_apply(kernel, rows, cols, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
