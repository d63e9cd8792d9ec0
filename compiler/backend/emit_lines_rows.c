/* lines of rows: vectors are pixels of a row, each weight is one number for all of them. A pass covers a few vectors of all
 * channels of a set. A pool 2x2 may be all that is stored: two rows become one, then its even and odd places.
 *
 * The last vector of a row begins so far left that it ends with the row; what two vectors share is computed twice, alike.
 * Where that would be half a vector (28 = 3 * 8 + 4), the last pass computes these columns of two channels at once: even
 * lanes are one channel, odd lanes the other. V has these columns twice, and a pair of weights is one load. */
#include <inttypes.h>

#include "backend/emit_lines.h"

typedef struct Pass {
    int32_t first, end; /* columns; tile_cols of them at a time */
    int32_t vectors;    /* of one channel */
    bool single;        /* all at a time */
    bool pairs;         /* the last half vector follows, of two channels at once */
} Pass;

static int32_t sums_of(const Lines *l, const Pass *pass)
{
    return l->channels * pass->vectors + (pass->pairs ? l->channels / 2 : 0);
}

/* Of the sums of a pass, behind those of vectors: those of channels c and c + 1. */
static CExpr pair_place(const Lines *l, const Pass *pass)
{
    return cexpr_sum((Term[]){{"c / 2", 1}, {NULL, 0}}, l->channels * pass->vectors);
}

/* "const int col1 = first + 16 < 12 ? first + 16 : 12;": where each vector of the pass begins. */
static void emit_columns(const Lines *l, const Pass *pass, CWriter *w)
{
    int32_t last = l->cols - l->b;
    if (l->pools && !pass->single) { /* neighbours, of which one vector of the pool is made */
        cw_line(w, "const int col0 = first < %d ? first : %d;", last - l->b, last - l->b);
        cw_line(w, "const int col1 = col0 + %d;", l->b);
        return;
    }
    for (int32_t i = 0; i < pass->vectors; ++i) {
        CExpr col = cexpr_sum((Term[]){{"first", 1}, {NULL, 0}}, i * l->b);
        int32_t from = pass->first + i * l->b;
        if (pass->single) {
            cw_line(w, "const int col%d = %d;", i, from < last ? from : last);
        } else {
            cw_line(w, "const int col%d = %s < %d ? %s : %d;", i, col.text, last, col.text, last);
        }
    }
}

/* The sums of all points, one after the other: those of one stay in registers. */
static void emit_sums(const Lines *l, const Pass *pass, CWriter *w)
{
    const KernelSizes *s = l->s;
    int32_t c = l->channels, vectors = pass->vectors, size = sums_of(l, pass);
    cw_line(w, "vector sums[%d][%d];", l->points, size);
    cw_open(w, "for (int t = 0; t < %d; ++t)", l->points);
    cw_line(w, "vector s[%d];", size);
    emit_open_unrolled(w, "i", size);
    cw_line(w, "s[i] = vector_all(0.0f);");
    cw_close(w, "");
    cw_line(w, "const float *u = weights + t * %" PRId64 ";", l->depth * c);
    cw_open(w, "for (int plane = 0; plane < %d; ++plane)", s->in_channels);
    cw_line(w, "const float *from = %s;",
            cexpr_sum((Term[]){{"v", 1}, {"t", l->v_point}, {"plane", l->v_row}, {NULL, 0}}, 0).text);
    if (pass->pairs) {
        int64_t skipped = l->b / 2 + 1 - s->kernel_cols; /* of a vector that ends with the row */
        cw_line(w, "const float *twice = from + %" PRId64 ";", l->v_row - 2 * l->b + 2 * skipped);
    }
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int kx = 0; kx < %d; ++kx, ++from, %su += %d)", s->kernel_cols, pass->pairs ? "twice += 2, " : "",
            c);
    for (int32_t i = 0; i < vectors; ++i) {
        cw_line(w, "const vector x%d = vector_load_anywhere(from + col%d);", i, i);
    }
    if (vectors > 0) {
        emit_open_unrolled(w, "c", c);
        for (int32_t i = 0; i < vectors; ++i) {
            cw_line(w, "s[%s] += x%d * u[c];", cexpr_sum((Term[]){{"c", vectors}, {NULL, 0}}, i).text, i);
        }
        cw_close(w, "");
    }
    if (pass->pairs) {
        cw_line(w, "const vector both = vector_load_anywhere(twice);");
        emit_open_unrolled(w, "c", c / 2);
        cw_line(w, "s[%s] += both * vector_pair(u + 2 * c);",
                cexpr_sum((Term[]){{"c", 1}, {NULL, 0}}, c * vectors).text);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    emit_open_unrolled(w, "i", size);
    cw_line(w, "sums[t][i] = s[i];");
    cw_close(w, "");
    cw_close(w, "");
}

/* --- the pool */

/* "rows[m / 2]", or those of vector k: line[m] with bias and activation, two rows made one. */
static void emit_pooled_rows(const Lines *l, const char *vector, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    const char *bias = kernel->epilogue.bias ? " + bias" : "";
    emit_open_unrolled(w, "r", l->m / 2);
    cw_line(w, "const vector upper = line[2 * r]%s, lower = line[2 * r + 1]%s;", bias, bias);
    cw_line(w, kernel->max_pool ? "rows[r]%s = vector_max(%s, %s);" : "rows[r]%s = %s + %s;", vector,
            emit_vector_activation(&kernel->epilogue.act, "upper").text,
            emit_vector_activation(&kernel->epilogue.act, "lower").text);
    cw_close(w, "");
}

/* The vector of pooled rows that ends with the last one: it begins in the row before. */
static void emit_last_pooled(const Lines *l, CWriter *w)
{
    int32_t cols = l->kernel->out.cols, n = l->m / 2;
    StrBuf lanes = {0};
    for (int32_t lane = 0; lane < l->b; ++lane) {
        int32_t place = lane - (l->b - cols); /* in the last row */
        strbuf_printf(&lanes, ", %d", (int)(place < 0 ? cols + place : l->b + place));
    }
    cw_line(w, "vector_store_anywhere(y + %" PRId64 ", vector_shuffle(pooled[%d], pooled[%d]%s));",
            (n - 1) * l->kernel->out.row_stride + cols - l->b, (int)n - 2, (int)n - 1, lanes.ptr);
    strbuf_free(&lanes);
}

/* `pooled[m / 2]` to `y`. Rows of less than a vector are written past their end where the next one is written later. */
static void emit_pooled_stores(const Lines *l, CWriter *w)
{
    const Layout *out = &l->kernel->out;
    int32_t n = l->m / 2;
    bool overlap = out->cols < l->b && out->row_stride == out->cols && n > 1 && !lines_uneven(l);
    emit_open_unrolled(w, "r", overlap ? n - 1 : n);
    if (lines_uneven(l)) {
        cw_open(w, "if (2 * r >= written)");
    }
    CExpr to = cexpr_sum((Term[]){{"y", 1}, {"r", out->row_stride}, {NULL, 0}}, 0);
    if (out->cols >= l->b || overlap) {
        cw_line(w, "vector_store_anywhere(%s, pooled[r]);", to.text);
    } else {
        cw_line(w, "memcpy(%s, &pooled[r], %d * sizeof(float));", to.text, (int)out->cols);
    }
    if (lines_uneven(l)) {
        cw_close(w, "");
    }
    cw_close(w, "");
    if (overlap) {
        emit_last_pooled(l, w);
    }
}

/* Channel c of a pass of two vectors. */
static void emit_pooled_channel(const Lines *l, bool single, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    CExpr y = cexpr_sum((Term[]){{"a->y", 1},
                                 {"channel", kernel->out.plane_stride},
                                 {"row / 2", kernel->out.row_stride},
                                 {"col0 / 2", !single},
                                 {NULL, 0}},
                        0);
    cw_line(w, "float *const y = %s;", y.text);
    cw_line(w, "vector rows[%d][2];", l->m / 2);
    cw_open(w, "for (int k = 0; k < 2; ++k)");
    emit_line(l, "c * 2 + k", w);
    emit_pooled_rows(l, "[k]", w);
    cw_close(w, "");
    cw_line(w, "vector pooled[%d];", l->m / 2);
    emit_open_unrolled(w, "r", l->m / 2);
    cw_line(w, "const vector left = rows[r][0], right = rows[r][1];");
    emit_pool_lanes(l->b, l->cols < 2 * l->b ? l->cols - l->b : l->b, kernel->max_pool, w);
    cw_line(w, "pooled[r] = value%s;", kernel->max_pool ? "" : " * 0.25f");
    cw_close(w, "");
    emit_pooled_stores(l, w);
}

/* rows[m / 2] of one vector, pooled two rows at a time: of four lanes that follow each other two are of the upper and two
 * of the lower row; they are two pixels, or one pixel of two channels. */
static void emit_pooled_twos(const Lines *l, bool pair, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int64_t row = kernel->out.row_stride, plane = kernel->out.plane_stride;
    int32_t n = l->m / 2, apart = pair ? 2 : 1;
    StrBuf lanes[2] = {{0}, {0}};
    for (int32_t k = 0; k < 2; ++k) {
        for (int32_t lane = 0; lane < l->b; ++lane) {
            int32_t place = lane / 4 * 4 + (pair ? lane % 2 : lane % 2 * 2) + k * apart;
            strbuf_printf(&lanes[k], ", %d", (int)(lane % 4 < 2 ? place : l->b + place));
        }
    }
    CExpr to = pair ? cexpr_sum((Term[]){{"lane / 2 % 2", row}, {"lane % 2", plane}, {"lane / 4", 1}, {NULL, 0}}, 0)
                    : cexpr_sum((Term[]){{"lane / 2 % 2", row}, {"lane % 2", 1}, {"lane / 4", 2}, {NULL, 0}}, 0);
    for (int32_t r = 0; r < n; r += 2) {
        int32_t below = r + 1 < n ? r + 1 : r;
        cw_body(w);
        cw_line(w, "const vector even = vector_shuffle(rows[%d], rows[%d]%s);", r, below, lanes[0].ptr);
        cw_line(w, "const vector odd = vector_shuffle(rows[%d], rows[%d]%s);", r, below, lanes[1].ptr);
        cw_line(w, kernel->max_pool ? "const vector value = vector_max(even, odd);"
                                    : "const vector value = (even + odd) * 0.25f;");
        cw_line(w, "const float *const from = (const float *)&value;");
        emit_open_unrolled(w, "lane", l->b);
        bool guarded = below == r || lines_uneven(l);
        if (below == r) {
            cw_open(w, lines_uneven(l) ? "if (lane / 2 %% 2 == 0 && %d >= written)" : "if (lane / 2 %% 2 == 0)", 2 * r);
        } else if (guarded) {
            cw_open(w, "if (%s >= written)", cexpr_sum((Term[]){{"lane / 2 % 2", 2}, {NULL, 0}}, 2 * r).text);
        }
        cw_line(w, "y[%s] = from[lane];", cexpr_sum((Term[]){{to.text, 1}, {NULL, 0}}, r * row).text);
        if (guarded) {
            cw_close(w, "");
        }
        cw_close(w, "");
        cw_close(w, "");
    }
    strbuf_free(&lanes[0]);
    strbuf_free(&lanes[1]);
}

/* --- what becomes of the sums */

/* Vectors of channel c. */
static void emit_channel(const Lines *l, const Pass *pass, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int32_t vectors = pass->vectors, last = l->cols - l->b;
    if (vectors > 1) {
        cw_open(w, "for (int k = 0; k < %d; ++k)", vectors);
    }
    bool fixed = pass->single && vectors == 1;
    CExpr at = cexpr_sum((Term[]){{"k", vectors > 1 ? l->b : 0}, {"first", !pass->single}, {NULL, 0}},
                         pass->single ? pass->first : 0);
    if (last > 0 && !fixed) {
        cw_line(w, "const int col = %s < %d ? %s : %d;", at.text, last, at.text, last);
    }
    emit_line(l, cexpr_sum((Term[]){{"c", vectors}, {"k", vectors > 1}, {NULL, 0}}, 0).text, w);
    CExpr y = cexpr_sum((Term[]){{"a->y", 1},
                                 {"channel", kernel->out.plane_stride},
                                 {"row", kernel->out.row_stride},
                                 {"col", last > 0 && !fixed},
                                 {NULL, 0}},
                        fixed ? pass->first : 0);
    cw_line(w, "float *const y = %s;", y.text);
    emit_line_outputs(l, kernel->epilogue.bias ? " + bias" : "", "vector_store_anywhere", 0, NULL, w);
    if (vectors > 1) {
        cw_close(w, "");
    }
}

/* One vector of channel c, or the last half vectors of channels c and c + 1. */
static void emit_pooled_vector(const Lines *l, const Pass *pass, bool pair, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int32_t col = pair ? l->cols - l->b / 2 : pass->first;
    CExpr y = cexpr_sum(
        (Term[]){{"a->y", 1}, {"channel", kernel->out.plane_stride}, {"row / 2", kernel->out.row_stride}, {NULL, 0}},
        col / 2);
    emit_line(l, pair ? pair_place(l, pass).text : "c", w);
    cw_line(w, "float *const y = %s;", y.text);
    cw_line(w, "vector rows[%d];", l->m / 2);
    emit_pooled_rows(l, "", w);
    emit_pooled_twos(l, pair, w);
}

/* The last half vectors of channels c and c + 1. */
static void emit_pair(const Lines *l, const Pass *pass, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int32_t half = l->b / 2;
    StrBuf lanes = {0};
    for (int32_t lane = 0; lane < l->b; ++lane) {
        strbuf_printf(&lanes, ", %d", (int)(lane % half * 2 + lane / half));
    }
    emit_line(l, pair_place(l, pass).text, w);
    CExpr y = cexpr_sum(
        (Term[]){{"a->y", 1}, {"channel", kernel->out.plane_stride}, {"row", kernel->out.row_stride}, {NULL, 0}},
        l->cols - half);
    cw_line(w, "float *const y = %s;", y.text);
    emit_open_unrolled(w, "r", l->m);
    if (lines_uneven(l)) {
        cw_open(w, "if (r >= written)");
    }
    cw_line(w, "const vector value = line[r]%s;", kernel->epilogue.bias ? " + bias" : "");
    cw_line(w, "const vector result = %s;", emit_vector_activation(&kernel->epilogue.act, "value").text);
    cw_line(w, "const vector apart = vector_shuffle(result, result%s);", lanes.ptr);
    cw_line(w, "memcpy(y + r * %" PRId64 ", &apart, %d * sizeof(float));", kernel->out.row_stride, half);
    CExpr second = cexpr_sum((Term[]){{"y", 1}, {"r", kernel->out.row_stride}, {NULL, 0}}, kernel->out.plane_stride);
    cw_line(w, "memcpy(%s, (const float *)&apart + %d, %d * sizeof(float));", second.text, half, half);
    if (lines_uneven(l)) {
        cw_close(w, "");
    }
    cw_close(w, "");
    strbuf_free(&lanes);
}

static void open_channels(const Lines *l, int32_t step, CWriter *w)
{
    CExpr channel = cexpr_sum((Term[]){{"set", l->sets > 1 ? l->channels : 0}, {"c", 1}, {NULL, 0}}, 0);
    cw_open(w, step > 1 ? "for (int c = 0; c < %d; c += 2)" : "for (int c = 0; c < %d; ++c)", l->channels);
    cw_line(w, "const %s channel = %s;", l->index, channel.text);
    if (l->partial) {
        cw_open(w, "if (channel == %d)", l->s->out_channels);
        cw_line(w, "break;");
        cw_close(w, "");
    }
    if (l->kernel->epilogue.bias) {
        cw_line(w, step > 1 ? "const vector bias = vector_pair(a->bias + channel);"
                            : "const float bias = a->bias[channel];");
    }
}

static void emit_pass(const Lines *l, const Pass *pass, CWriter *w)
{
    if (!pass->single) {
        cw_open(w, "for (int first = %d; first < %d; first += %d)", pass->first, pass->end, l->kernel->tile_cols);
    } else if (l->pairs) {
        cw_body(w);
    }
    emit_columns(l, pass, w);
    emit_sums(l, pass, w);
    if (pass->vectors > 0) {
        open_channels(l, 1, w);
        if (!l->pools) {
            emit_channel(l, pass, w);
        } else if (pass->vectors > 1) {
            emit_pooled_channel(l, pass->single, w);
        } else {
            emit_pooled_vector(l, pass, false, w);
        }
        cw_close(w, "");
    }
    if (pass->pairs) {
        open_channels(l, 2, w);
        if (l->pools) {
            emit_pooled_vector(l, pass, true, w);
        } else {
            emit_pair(l, pass, w);
        }
        cw_close(w, "");
    }
    if (!pass->single || l->pairs) {
        cw_close(w, "");
    }
}

void emit_lines_rows(const Lines *l, CWriter *w)
{
    int32_t vectors = l->kernel->tile_cols / l->b, step = l->kernel->tile_cols;
    int32_t whole = l->pairs ? l->cols / step * step : l->cols;
    if (whole > 0) {
        emit_pass(l, &(Pass){.end = whole, .vectors = vectors, .single = whole <= step}, w);
    }
    if (l->pairs) {
        Pass pass = {
            .first = whole, .end = l->cols, .vectors = (l->cols - whole) / l->b, .single = true, .pairs = true};
        emit_pass(l, &pass, w);
    }
}

void emit_lines_twice(const Lines *l, CWriter *w)
{
    emit_open_unrolled(w, "r", l->points);
    for (int32_t part = 0; part < 2; ++part) {
        StrBuf lanes = {0};
        for (int32_t i = 0; i < l->b; ++i) {
            strbuf_printf(&lanes, ", %d", (int)(part * l->b / 2 + i / 2));
        }
        CExpr to = cexpr_sum((Term[]){{"to", 1}, {"r", l->v_point}, {NULL, 0}}, l->v_row + (part - 2) * l->b);
        cw_line(w, "vector_store_anywhere(%s, vector_shuffle(t[r], t[r]%s));", to.text, lanes.ptr);
        strbuf_free(&lanes);
    }
    cw_close(w, "");
}
