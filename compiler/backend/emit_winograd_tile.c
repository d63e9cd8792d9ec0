/* The transforms of one tile of Winograd's convolution as C functions: inputs to points, points to outputs with all that
 * follows a sum: bias, residual, activation, a 2x2 max pool. */
#include "backend/emit_winograd.h"

#include <inttypes.h>

/* One axis of a transform: from `from` values, of which the first `loaded` are read and the others are zero, to `to`, of
 * which the first `kept` are wanted. */
typedef struct Axis {
    int32_t from, loaded, to, kept;
} Axis;

/* columns[r][c] = the transform, along the rows, of what `load` reads for (r, c). One tap along this axis: as it is. */
static void emit_columns(const char *load, const char *transform, Axis down, int32_t cols, int32_t width, CWriter *w)
{
    cw_line(w, "vector columns[%d][%d];", down.kept, width);
    emit_open_unrolled(w, "c", cols);
    if (down.from == 1) {
        cw_line(w, "const int r = 0;");
        cw_line(w, "columns[r][c] = %s;", load);
    } else {
        cw_line(w, "vector d[%d], t[%d];", down.from, down.to);
        emit_open_unrolled(w, "r", down.loaded);
        cw_line(w, "d[r] = %s;", load);
        cw_close(w, "");
        for (int32_t r = down.loaded; r < down.from; ++r) {
            cw_line(w, "d[%d] = vector_all(0.0f);", r);
        }
        cw_line(w, "%s(d, t);", transform);
        emit_open_unrolled(w, "r", down.kept);
        cw_line(w, "columns[r][c] = t[r];");
        cw_close(w, "");
    }
    cw_close(w, "");
    if (cols < width) {
        emit_open_unrolled(w, "r", down.kept);
        cw_line(w, "columns[r][%d] = vector_all(0.0f);", width - 1);
        cw_close(w, "");
    }
}

CExpr emit_winograd_input_suffix(const Winograd *g, int32_t qr, int32_t qc)
{
    return g->stride > 1 ? cexpr_format("_%d%d", (int)qr, (int)qc) : (CExpr){""};
}

/* Where V holds the planes of phase (qr, qc) among those that add to a point: their number times a plane's floats. */
static int64_t place_in_v(const Winograd *g, int32_t qr, int32_t qc, bool last_col)
{
    if (g->live) {
        return (qr * (int64_t)g->stride + qc) * g->area * g->chunk * g->b;
    }
    return (qr * (int64_t)winograd_col_phases(g, last_col) + qc) * g->in_planes * g->block * g->b;
}

/* "v + (r * 5 + 2) * 464 + 896": point (r, col) of phase (qr, qc). */
static CExpr point_of(const Winograd *g, const char *col, int32_t qr, int32_t qc, bool last_col)
{
    CExpr xi = g->point_cols > 1 ? cexpr_format("(r * %d + %s)", (int)g->point_cols, col) : (CExpr){"r"};
    return cexpr_sum((Term[]){{"v", 1}, {xi.text, g->v_stride}, {NULL, 0}}, place_in_v(g, qr, qc, last_col));
}

/* Live: what the filters are not divided by, along one axis. */
static void emit_inverses(const Winograd *g, const char *name, int32_t phase, CWriter *w)
{
    StrBuf list = {0};
    for (int32_t i = 0; i < g->point_rows; ++i) {
        double divisor = winograd_live_divisor(i, g->point_rows, g->stride, phase);
        strbuf_printf(&list, "%s%s", i > 0 ? ", " : "", emit_float(1.0 / divisor).text);
    }
    cw_line(w, "static const float %s[%d] = {%s};", name, g->point_rows, list.ptr);
    strbuf_free(&list);
}

static void emit_phase(const Winograd *g, int32_t qr, int32_t qc, CWriter *w)
{
    bool all_rows = qr < winograd_row_phases(g, true), all_cols = qc < winograd_col_phases(g, true);
    int32_t rows = g->point_rows - !all_rows, cols = g->point_cols - !all_cols;
    cw_line(w, "static void " STR_FMT "_input%s(const float *x, float *v)", STR_ARG(g->kernel->name),
            emit_winograd_input_suffix(g, qr, qc).text);
    cw_body(w);
    CExpr load = cexpr_format("vector_load(x + r * %" PRId64 " + c * %d)", g->stride * g->kernel->in.row_stride,
                              (int)(g->stride * g->b));
    CExpr transform = cexpr_format("winograd_input%d", (int)g->point_rows);
    emit_columns(load.text, transform.text, (Axis){g->point_rows, rows, g->point_rows, rows}, cols, g->point_cols, w);
    if (g->live) {
        emit_inverses(g, "down", qr, w);
        emit_inverses(g, "across", qc, w);
    }
    emit_open_unrolled(w, "r", rows);
    if (g->point_cols == 1) {
        cw_line(w, "vector_store(%s, columns[r][0]);", point_of(g, "0", qr, qc, false).text);
        cw_close(w, "");
        cw_close(w, "");
        cw_blank(w);
        return;
    }
    cw_line(w, "vector t[%d];", g->point_cols);
    cw_line(w, "winograd_input%d(columns[r], t);", g->point_cols);
    /* At the infinite point fewer phases may lie in V, and this one then elsewhere. */
    bool apart = all_cols && place_in_v(g, qr, qc, true) != place_in_v(g, qr, qc, false);
    emit_open_unrolled(w, "c", cols - apart);
    cw_line(w, "vector_store(%s, t[c]%s);", point_of(g, "c", qr, qc, false).text,
            g->live ? " * (down[r] * across[c])" : "");
    cw_close(w, "");
    if (apart) {
        CExpr last = cexpr_int(cols - 1);
        cw_line(w, "vector_store(%s, t[%s]);", point_of(g, last.text, qr, qc, true).text, last.text);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

void emit_winograd_inputs(const Winograd *g, CWriter *w)
{
    for (int32_t phase = 0; phase < g->stride * g->stride; ++phase) {
        CExpr of_phase = {""};
        if (g->stride > 1) {
            of_phase = cexpr_format(", every %dth row and column from (%d, %d) on", (int)g->stride,
                                    (int)(phase / g->stride), (int)(phase % g->stride));
        }
        cw_comment(w, "%d x %d inputs of a tile, one vector of channels%s, to V: v points at xi = 0.", g->point_rows,
                   g->point_cols, of_phase.text);
        emit_phase(g, phase / g->stride, phase % g->stride, w);
    }
}

/* What follows the sum of pixel (r, c) of a tile: "vector_relu(line[c] + bias)". */
static void emit_pixel(const Winograd *g, const char *target, int64_t row_stride, CWriter *w)
{
    const Epilogue *e = &g->kernel->epilogue;
    StrBuf value = {0};
    strbuf_printf(&value, "line[c]%s", e->bias ? " + bias" : "");
    if (e->residual) {
        strbuf_printf(&value, " + vector_load(residual + r * %" PRId64 " + c * %d)", g->kernel->residual.row_stride,
                      g->b);
    }
    cw_line(w, "const vector value = %s;", value.ptr);
    CExpr result = emit_vector_activation(&e->act, "value");
    if (target != NULL) {
        cw_line(w, "%s = %s;", target, result.text);
    } else {
        cw_line(w, "vector_store(y + r * %" PRId64 " + c * %d, %s);", row_stride, g->b, result.text);
    }
    strbuf_free(&value);
}

/* "pixels[2 * r + 1][2 * c]": of a tile in registers, or of the four tiles of a quad. */
static CExpr pooled_pixel(const Winograd *g, bool lower, bool right)
{
    const char *row = lower ? "2 * r + 1" : "2 * r", *col = right ? "2 * c + 1" : "2 * c";
    if (g->quads) {
        return cexpr_format("vector_load(pixels + ((%s) * %d + %s) * %d)", row, 2 * g->out_cols, col, g->b);
    }
    return cexpr_format("pixels[%s][%s]", row, col);
}

/* The largest of each 2x2 pixels, to y where it exists. */
static void emit_halving(const Winograd *g, CWriter *w)
{
    emit_open_unrolled(w, "r", g->quads ? g->out_rows : g->out_rows / 2);
    emit_open_unrolled(w, "c", g->quads ? g->out_cols : g->out_cols / 2);
    cw_open(w, "if (r < rows && c < cols)");
    cw_line(w, "const vector upper = vector_max(%s, %s);", pooled_pixel(g, false, false).text,
            pooled_pixel(g, false, true).text);
    cw_line(w, "const vector lower = vector_max(%s, %s);", pooled_pixel(g, true, false).text,
            pooled_pixel(g, true, true).text);
    cw_line(w, "vector_store(y + r * %" PRId64 " + c * %d, vector_max(upper, lower));", g->kernel->out.row_stride,
            g->b);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_quad_pool(const Winograd *g, CWriter *w)
{
    cw_comment(w, "The 2x2 max pool of four tiles: rows x cols pixels of it exist.");
    cw_line(w, "static void " STR_FMT "_pool(const float *pixels, float *y, int rows, int cols)",
            STR_ARG(g->kernel->name));
    cw_body(w);
    emit_halving(g, w);
    cw_close(w, "");
    cw_blank(w);
}

void emit_winograd_output(const Winograd *g, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    bool pool = kernel->max_pool && !g->quads;
    if (g->quads) {
        cw_comment(w, "A tile of one vector of channels from M to its place among the %d x %d pixels of four.",
                   2 * g->out_rows, 2 * g->out_cols);
    } else {
        cw_comment(w, "A tile of one vector of channels from M to y%s: rows x cols pixels of it exist.%s",
                   pool ? ", through the 2x2 max pool" : "", e->residual ? " residual may be y itself." : "");
    }
    cw_line(w, "static void " STR_FMT "_output(const float *m,%s%s float *y%s)", STR_ARG(kernel->name),
            e->bias ? " vector bias," : "", e->residual ? " const float *residual," : "",
            g->quads ? "" : ", int rows, int cols");
    cw_body(w);
    CExpr load = cexpr_format("vector_load(m + (r * %d + c) * %" PRId64 ")", (int)g->point_cols, g->m_stride);
    CExpr transform = cexpr_format("winograd_output%d_%d", (int)g->point_rows, (int)g->out_rows);
    emit_columns(load.text, transform.text, (Axis){g->point_rows, g->point_rows, g->out_rows, g->out_rows},
                 g->point_cols, g->point_cols, w);
    if (pool) {
        cw_line(w, "vector pixels[%d][%d];", g->out_rows, g->out_cols);
    }
    emit_open_unrolled(w, "r", g->out_rows);
    if (g->point_cols == 1) {
        cw_line(w, "const vector *const line = columns[r];");
    } else {
        cw_line(w, "vector line[%d];", g->out_cols);
        cw_line(w, "winograd_output%d_%d(columns[r], line);", g->point_cols, g->out_cols);
    }
    emit_open_unrolled(w, "c", g->out_cols);
    if (pool || g->quads) {
        emit_pixel(g, pool ? "pixels[r][c]" : NULL, 2 * (int64_t)g->out_cols * g->b, w);
    } else {
        cw_open(w, "if (r < rows && c < cols)");
        emit_pixel(g, NULL, kernel->out.row_stride, w);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    if (pool) {
        emit_halving(g, w);
    }
    cw_close(w, "");
    cw_blank(w);
    if (g->quads) {
        emit_quad_pool(g, w);
    }
}
