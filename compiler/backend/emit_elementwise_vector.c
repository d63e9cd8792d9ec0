/* unary, binary, channel_affine on vectors: one vector of channels of a pixel at a time, row by row; images without
 * zeros around them are one long row; activations of plain memory too. y may be an operand itself: each vector is read before it is written. */
#include <inttypes.h>

#include "backend/emit_vector.h"
#include "support/ints.h"

typedef struct Images {
    const Kernel *kernel;
    bool flat; /* all images are one row a plane */
    int64_t rows, cols;
} Images;

static Images images_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Images m = {.kernel = kernel, .rows = s->in_rows, .cols = s->in_cols};
    m.flat = layout_is_dense(&kernel->in) && layout_is_dense(&kernel->out) && layout_is_dense(&kernel->in2) &&
             layout_is_dense(&kernel->residual);
    if (m.flat) {
        m.cols *= m.rows;
        m.rows = 1;
    }
    if (kernel->out.block != kernel->vector) {
        ICE("kernel '" STR_FMT "' is not one of blocked images", STR_ARG(kernel->name));
    }
    return m;
}

/* "a->x[0] + plane * 802816 + row * 928 + 960" */
static CExpr at(const Images *m, const char *array, const Layout *l)
{
    return cexpr_sum(
        (Term[]){{array, 1}, {"plane", l->plane_stride}, {"row", m->rows > 1 ? l->row_stride : 0}, {NULL, 0}},
        emit_interior(l));
}

static void emit_images(const Images *m, const char *prelude, const char *value, CWriter *w)
{
    const Kernel *kernel = m->kernel;
    const Epilogue *e = &kernel->epilogue;
    int32_t b = kernel->vector;
    enum { RUN = 64 }; /* pixels of a long row that are one job */
    int64_t planes = int_div_up(kernel->sizes.in_channels, b), runs = m->rows == 1 ? int_div_up(m->cols, RUN) : 1;
    int64_t total = planes * kernel->out.plane_stride, other = planes * kernel->in.plane_stride;
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes * m->rows * runs);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", cexpr_index_type(total > other ? 2 * total : 2 * other),
            cexpr_div("job", m->rows * runs).text);
    if (m->rows > 1) {
        cw_line(w, "const int row = %s;", cexpr_mod("job", m->rows).text);
    }
    if (prelude[0] != '\0') {
        cw_raw(w, str_from(prelude));
    }
    bool is_binary = kernel->family == KERNEL_BINARY;
    for (int k = 0; k < 2; ++k) {
        if (!is_binary ? k == 0 : kernel->sizes.broadcast[k] == BROADCAST_NONE && !kernel->sizes.scalar_is_literal[k]) {
            int input = is_binary && k == 1 && !kernel->sizes.scalar_is_literal[0];
            const Layout *l = k == 1 ? &kernel->in2 : &kernel->in;
            CExpr array = cexpr_at("a->x", cexpr_int(input));
            cw_line(w, "const float *const x%d = %s;", k, at(m, array.text, l).text);
        }
    }
    if (e->residual) {
        cw_line(w, "const float *const residual = %s;", at(m, "a->residual", &kernel->residual).text);
    }
    cw_line(w, "float *const y = %s;", at(m, "a->y", &kernel->out).text);
    if (runs > 1) {
        cw_line(w, "const int first = %s, end = first + %d < %" PRId64 " ? first + %d : %" PRId64 ";",
                cexpr_sum((Term[]){{cexpr_mod("job", runs).text, RUN}, {NULL, 0}}, 0).text, RUN, m->cols, RUN, m->cols);
        cw_open(w, "for (int i = first; i < end; ++i)");
    } else {
        cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", m->cols);
    }
    cw_line(w, "const vector value = %s;", value);
    Activation act = e->act;
    act.op = act.op == OP_PRELU ? OP_IDENTITY : act.op; /* part of the value */
    cw_line(w, "vector_store(y + i * %d, %s);", b, emit_vector_activation(&act, "value").text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void append_operand(const Kernel *kernel, int k, int *next_input, StrBuf *prelude, StrBuf *value)
{
    static const char *const names[] = {"left", "right"};
    const KernelSizes *s = &kernel->sizes;
    if (s->scalar_is_literal[k]) {
        strbuf_printf(value, "vector_all(%s)", emit_float(s->scalar[k]).text);
        return;
    }
    int input = (*next_input)++;
    switch (s->broadcast[k]) {
    case BROADCAST_NONE:
        strbuf_printf(value, "vector_load(x%d + i * %d)", k, kernel->vector);
        return;
    case BROADCAST_CHANNEL:
        if (s->in_channels % kernel->vector != 0) { /* nothing may be read behind the last channel */
            int32_t rest = s->in_channels % kernel->vector, whole = s->in_channels / kernel->vector;
            strbuf_printf(prelude,
                          "        const vector %s = plane < %d ? vector_load_anywhere(a->x[%d] + plane * %d)\n"
                          "                                    : vector_load_first(a->x[%d] + %d, %d);\n",
                          names[k], whole, input, kernel->vector, input, whole * kernel->vector, rest);
            break;
        }
        strbuf_printf(prelude, "        const vector %s = vector_load_anywhere(a->x[%d] + plane * %d);\n", names[k],
                      input, kernel->vector);
        break;
    case BROADCAST_SCALAR:
        strbuf_printf(prelude, "        const vector %s = vector_all(a->x[%d][0]);\n", names[k], input);
        break;
    }
    strbuf_append(value, str_from(names[k]));
}

/* An activation over plain memory, aligned as floats: as it lies, whatever its shape. y may be x. */
static void emit_flat(const Kernel *kernel, CWriter *w)
{
    enum { RUN = 64 }; /* vectors that are one job */
    int64_t count = layout_elements(&kernel->out), b = kernel->vector, whole = count / b * b, rest = count - whole;
    int64_t jobs = int_div_up(count, RUN * b);
    const Activation *act = &kernel->epilogue.act;
    cw_comment(w, "%s, %" PRId64 " numbers side by side.", op_info(act->op)->name, count);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", jobs);
    cw_line(w, "const float *const x = a->x[0];");
    cw_line(w, "float *const y = a->y;");
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    if (whole > 0) {
        cw_line(w,
                "const %s first = job * %" PRId64 ", end = first + %" PRId64 " < %" PRId64 " ? first + %" PRId64
                " : %" PRId64 ";",
                cexpr_index_type(2 * count), RUN * b, RUN * b, whole, RUN * b, whole);
        cw_open(w, "for (%s i = first; i < end; i += %" PRId64 ")", cexpr_index_type(2 * count), b);
        cw_line(w, "const vector value = vector_load_anywhere(x + i);");
        cw_line(w, "vector_store_anywhere(y + i, %s);", emit_vector_activation(act, "value").text);
        cw_close(w, "");
    }
    if (rest > 0) {
        if (jobs > 1) {
            cw_open(w, "if (job == %" PRId64 ")", jobs - 1);
        }
        cw_line(w, "vector value = vector_load_first(x%s, %" PRId64 ");", emit_offset(whole).text, rest);
        cw_line(w, "value = %s;", emit_vector_activation(act, "value").text);
        cw_open(w, "for (int lane = 0; lane < %" PRId64 "; ++lane)", rest);
        cw_line(w, "y[%s] = value[lane];", cexpr_sum((Term[]){{"lane", 1}, {NULL, 0}}, whole).text);
        cw_close(w, "");
        if (jobs > 1) {
            cw_close(w, "");
        }
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

void emit_elementwise_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    if (kernel->out.block == 1) {
        emit_flat(kernel, w);
        return;
    }
    Images m = images_of(kernel);
    StrBuf prelude = {0}, value = {0};
    int32_t b = kernel->vector;
    const char *what = "";
    if (kernel->family == KERNEL_BINARY) {
        int next = 0;
        what = op_info(s->op)->name;
        append_operand(kernel, 0, &next, &prelude, &value);
        strbuf_printf(&value, " %s ", s->op == OP_ADD ? "+" : s->op == OP_SUB ? "-" : "*");
        append_operand(kernel, 1, &next, &prelude, &value);
    } else if (kernel->family == KERNEL_CHANNEL_AFFINE) {
        what = "Scale and shift of each channel";
        strbuf_printf(&prelude, "        const vector scale = vector_load(a->weights + plane * %d);\n", b);
        strbuf_printf(&value, "vector_load(x0 + i * %d) * scale", b);
        if (kernel->epilogue.bias) {
            strbuf_printf(&prelude, "        const vector shift = vector_load(a->bias + plane * %d);\n", b);
            strbuf_printf(&value, " + shift");
        }
    } else if (kernel->epilogue.act.op == OP_PRELU) {
        what = "prelu";
        strbuf_printf(&prelude, "        const vector slope = vector_load(a->weights + plane * %d);\n", b);
        strbuf_printf(&value, "vector_prelu(vector_load(x0 + i * %d), slope)", b);
    } else {
        what = op_info(kernel->epilogue.act.op)->name;
        strbuf_printf(&value, "vector_load(x0 + i * %d)", b);
    }
    if (kernel->epilogue.residual) {
        strbuf_printf(&value, " + vector_load(residual + i * %d)", b);
    }
    cw_comment(w, "%s, %dx%dx%d, a vector of channels at a time.", what, s->in_channels, s->in_rows, s->in_cols);
    emit_images(&m, prelude.ptr == NULL ? "" : prelude.ptr, value.ptr, w);
    strbuf_free(&prelude);
    strbuf_free(&value);
}
