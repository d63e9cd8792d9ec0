/* lines: convolution of a few planes by Winograd's F(m, KH) down the columns: m rows of the output come from products of
 * m + KH - 1 transformed rows of the input, T points, where direct sums would take m * KH. Along a row all is as it is
 * in the two kinds of direct sums, so no lane waits for channels that do not exist:
 *     rows     vectors are pixels of a row (emit_rows.c);
 *     planar   vectors are output channels (emit_conv_direct.c); the micro-kernel sums up each point.
 *
 * A group is m rows of the output. The last one begins so far up that it ends with the image; rows that the group before
 * has written are left alone, so that each is computed in one way. Groups are shared out.
 *
 * Of rows, a pool 2x2 may be all that is stored: two rows become one, then its even and odd places. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/emit_vector.h"

typedef struct Lines {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b, m, points;
    bool pools;
    int32_t rows, cols; /* of the result: all, or those that are in windows of the pool */
    int32_t groups;
    int32_t channels, sets; /* of a set */
    bool partial;           /* the last set has fewer channels */
    int32_t width;          /* columns of a plane that are read */
    int64_t v_row, v_point; /* floats of V from plane to plane, from point to point */
    int64_t depth;          /* products of an output at one point */
    const char *index;
} Lines;

static Lines lines_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    Lines l = {.kernel = kernel, .s = s, .b = kernel->vector, .m = kernel->lines};
    l.points = winograd_points(l.m, s->kernel_rows);
    l.pools = kernel->max_pool || kernel->avg_pool;
    l.rows = l.pools ? 2 * kernel->out.rows : s->out_rows;
    l.cols = l.pools ? 2 * kernel->out.cols : s->out_cols;
    l.groups = (l.rows + l.m - 1) / l.m;
    l.channels = f->lanes * f->vectors;
    l.width = s->out_cols + s->kernel_cols - 1;
    l.v_row = lines_width(kernel);
    l.v_point = l.v_row * s->in_channels;
    l.depth = (int64_t)s->in_channels * s->kernel_cols;
    if (f->kind != PACK_LINES || l.channels < 1 || f->winograd.rows != l.m || s->out_rows < l.m || 2 * l.width < l.b ||
        s->stride_rows != 1 || s->stride_cols != 1 || s->dilation_rows != 1 || s->dilation_cols != 1 ||
        s->groups != 1 || kernel->epilogue.residual || kernel->tile_cols < 1 ||
        kernel->scratch_bytes < 4 * l.points * l.v_point ||
        (l.pools && (!lines_take_pool(kernel) || kernel->tile_cols != 2 * l.b || l.rows != s->out_rows / 2 * 2 ||
                     l.cols != s->out_cols / 2 * 2)) ||
        (kernel->family == KERNEL_ROWS ? f->vectors != 1 || s->out_cols < l.b || kernel->tile_cols % l.b != 0
                                       : f->lanes != l.b)) {
        ICE("kernel '" STR_FMT "' is not one of lines", STR_ARG(kernel->name));
    }
    l.sets = (s->out_channels + l.channels - 1) / l.channels;
    l.partial = s->out_channels % l.channels != 0;
    int64_t in = s->in_channels * kernel->in.plane_stride,
            weights = l.points * l.depth * (s->out_channels + l.channels);
    int64_t out = (s->out_channels + l.b) * kernel->out.plane_stride;
    l.index = cexpr_index_type(in > out ? in > weights ? in : weights : out > weights ? out : weights);
    return l;
}

/* --- the input */

/* "d[r]" for all rows of a group. Rows of less than a vector are read past their end; the last one, which may end the
 * memory, from before its beginning. */
static void emit_load(const Lines *l, const char *col, CWriter *w)
{
    int64_t row = l->kernel->in.row_stride;
    int32_t whole = l->width < l->b ? l->points - 1 : l->points, before = l->b - l->width;
    CExpr at = cexpr_sum((Term[]){{"from", 1}, {"r", row}, {col, 1}, {NULL, 0}}, 0);
    emit_open_unrolled(w, "r", whole);
    cw_line(w, "d[r] = vector_load_anywhere(%s);", at.text);
    cw_close(w, "");
    if (whole < l->points) {
        StrBuf lanes = {0};
        for (int32_t lane = 0; lane < l->b; ++lane) {
            strbuf_printf(&lanes, ", %d", (int)(lane < l->width ? lane + before : l->b - 1));
        }
        cw_line(w, "const vector last = vector_load_anywhere(from + %" PRId64 ");", whole * row - before);
        cw_line(w, "d[%d] = vector_shuffle(last, last%s);", (int)whole, lanes.ptr);
        strbuf_free(&lanes);
    }
}

static void emit_input(const Lines *l, CWriter *w)
{
    int32_t vectors = (l->width + l->b - 1) / l->b, last = l->width - l->b;
    cw_comment(w, "%d rows of each plane, down the columns, to v [%d][%d][%" PRId64 "].", l->points, l->points,
               l->s->in_channels, l->v_row);
    cw_line(w, "static void " STR_FMT "_input(const float *x, float *v)", STR_ARG(l->kernel->name));
    cw_body(w);
    cw_open(w, "for (int plane = 0; plane < %d; ++plane)", l->s->in_channels);
    CExpr from = cexpr_sum((Term[]){{"x", 1}, {"plane", l->kernel->in.plane_stride}, {NULL, 0}}, 0);
    cw_line(w, "const float *const from = %s;", from.text);
    cw_line(w, "float *const to = %s;", cexpr_sum((Term[]){{"v", 1}, {"plane", l->v_row}, {NULL, 0}}, 0).text);
    const char *col = NULL;
    if (vectors > 1) {
        cw_open(w, "for (int first = 0; first < %d; first += %d)", l->width, l->b);
        cw_line(w, "const int col = first < %d ? first : %d;", last, last);
        col = "col";
    }
    cw_line(w, "vector d[%d], t[%d];", l->points, l->points);
    emit_load(l, col, w);
    cw_line(w, "winograd_input%d(d, t);", l->points);
    emit_open_unrolled(w, "r", l->points);
    CExpr to = cexpr_sum((Term[]){{"to", 1}, {"r", l->v_point}, {col, col != NULL}, {NULL, 0}}, 0);
    cw_line(w, "vector_store_anywhere(%s, t[r]);", to.text);
    cw_close(w, "");
    for (int scopes = vectors > 1 ? 3 : 2; scopes > 0; --scopes) {
        cw_close(w, "");
    }
    cw_blank(w);
}

/* --- what both kinds begin with and end with */

/* The points of one vector of sums. */
static void emit_sum(const Lines *l, const char *place, CWriter *w)
{
    cw_line(w, "vector sum[%d];", l->points);
    emit_open_unrolled(w, "t", l->points);
    cw_line(w, "sum[t] = sums[t][%s];", place);
    cw_close(w, "");
}

static bool is_uneven(const Lines *l)
{
    return l->rows % l->m != 0;
}

static void emit_transform(const Lines *l, CWriter *w)
{
    cw_line(w, "vector line[%d];", l->m);
    cw_line(w, "winograd_output%d_%d(sum, line);", l->points, l->m);
}

/* Rows of `line[m]` to `y`, which is (row, r = 0). */
static void emit_outputs(const Lines *l, const char *bias, const char *store, int64_t offset, const char *column,
                         CWriter *w)
{
    const Kernel *kernel = l->kernel;
    emit_transform(l, w);
    emit_open_unrolled(w, "r", l->m);
    if (is_uneven(l)) {
        cw_open(w, "if (r >= written)");
    }
    cw_line(w, "const vector value = line[r]%s;", bias);
    CExpr to = cexpr_sum((Term[]){{"y", 1}, {"r", kernel->out.row_stride}, {column, offset}, {NULL, 0}}, 0);
    cw_line(w, "%s(%s, %s);", store, to.text, emit_vector_activation(&kernel->epilogue.act, "value").text);
    if (is_uneven(l)) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

static void emit_head(const Lines *l, CWriter *w)
{
    const KernelSizes *s = l->s;
    const Epilogue *e = &l->kernel->epilogue;
    bool rows = l->kernel->family == KERNEL_ROWS;
    cw_comment(w,
               "Convolution %dx%d, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s%s%s%s, by Winograd's F(%d,%d) "
               "down the columns.\nVectors are %s. weights [%d/%d][%d][%d][%d][%d].",
               s->kernel_rows, s->kernel_cols, s->pad_top, s->pad_left, s->in_channels, s->in_rows, s->in_cols,
               s->out_channels, s->out_rows, s->out_cols, e->bias ? ", + bias" : "",
               e->act.op == OP_IDENTITY ? "" : ", ", e->act.op == OP_IDENTITY ? "" : op_info(e->act.op)->name,
               l->kernel->max_pool   ? ", max pool 2x2"
               : l->kernel->avg_pool ? ", average pool 2x2"
                                     : "",
               l->m, s->kernel_rows, rows ? "pixels of a row" : "output channels", s->out_channels, l->channels,
               l->points, s->in_channels, s->kernel_cols, l->channels);
    emit_kernel_head(l->kernel, w);
}

static void open_groups(const Lines *l, CWriter *w)
{
    const KernelSizes *s = l->s;
    cw_line(w, "float *const v = %s; /* [%d][%d][%" PRId64 "] */", emit_scratch(l->kernel).text, l->points,
            s->in_channels, l->v_row);
    emit_split(w, "group", l->groups);
    cw_blank(w);
    cw_open(w, "for (int group = first_group; group < end_group; ++group)");
    if (is_uneven(l)) {
        int32_t last = l->rows - l->m;
        cw_line(w, "const int row = group < %d ? group * %d : %d;", l->groups - 1, l->m, last);
        cw_line(w, "const int written = group * %d - row; /* rows, by the group before */", l->m);
    } else {
        cw_line(w, "const int row = group * %d;", l->m);
    }
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"row", l->kernel->in.row_stride}, {NULL, 0}},
                        emit_window_origin(l->kernel));
    cw_line(w, STR_FMT "_input(%s, v);", STR_ARG(l->kernel->name), x.text);
}

static void open_sets(const Lines *l, CWriter *w)
{
    if (l->sets > 1) {
        cw_open(w, "for (%s set = 0; set < %d; ++set)", l->index, l->sets);
    }
    CExpr weights = cexpr_sum(
        (Term[]){{"a->weights", 1}, {"set", l->sets > 1 ? l->points * l->depth * l->channels : 0}, {NULL, 0}}, 0);
    cw_line(w, "const float *const weights = %s;", weights.text);
}

/* --- rows */

/* "const int col1 = first + 16 < 12 ? first + 16 : 12;": where each vector of the pass begins. */
static void emit_columns(const Lines *l, int32_t vectors, bool one, CWriter *w)
{
    int32_t last = l->cols - l->b;
    if (l->pools && !one) { /* neighbours, of which one vector of the pool is made */
        cw_line(w, "const int col0 = first < %d ? first : %d;", last - l->b, last - l->b);
        cw_line(w, "const int col1 = col0 + %d;", l->b);
        return;
    }
    for (int32_t i = 0; i < vectors; ++i) {
        CExpr col = cexpr_sum((Term[]){{"first", 1}, {NULL, 0}}, i * l->b);
        if (one) {
            cw_line(w, "const int col%d = %d;", i, i * l->b < last ? i * l->b : last);
        } else {
            cw_line(w, "const int col%d = %s < %d ? %s : %d;", i, col.text, last, col.text, last);
        }
    }
}

/* The sums of all points, one after the other: those of one stay in registers. */
static void emit_row_sums(const Lines *l, int32_t vectors, CWriter *w)
{
    const KernelSizes *s = l->s;
    int32_t c = l->channels, size = c * vectors;
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
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int kx = 0; kx < %d; ++kx, ++from, u += %d)", s->kernel_cols, c);
    for (int32_t i = 0; i < vectors; ++i) {
        cw_line(w, "const vector x%d = vector_load_anywhere(from + col%d);", i, i);
    }
    emit_open_unrolled(w, "c", c);
    for (int32_t i = 0; i < vectors; ++i) {
        cw_line(w, "s[%s] += x%d * u[c];", cexpr_sum((Term[]){{"c", vectors}, {NULL, 0}}, i).text, i);
    }
    for (int scopes = 3; scopes > 0; --scopes) {
        cw_close(w, "");
    }
    emit_open_unrolled(w, "i", size);
    cw_line(w, "sums[t][i] = s[i];");
    cw_close(w, "");
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
    bool overlap = out->cols < l->b && out->row_stride == out->cols && n > 1 && !is_uneven(l);
    emit_open_unrolled(w, "r", overlap ? n - 1 : n);
    if (is_uneven(l)) {
        cw_open(w, "if (2 * r >= written)");
    }
    CExpr to = cexpr_sum((Term[]){{"y", 1}, {"r", out->row_stride}, {NULL, 0}}, 0);
    if (out->cols >= l->b || overlap) {
        cw_line(w, "vector_store_anywhere(%s, pooled[r]);", to.text);
    } else {
        cw_line(w, "memcpy(%s, &pooled[r], %d * sizeof(float));", to.text, (int)out->cols);
    }
    if (is_uneven(l)) {
        cw_close(w, "");
    }
    cw_close(w, "");
    if (overlap) {
        emit_last_pooled(l, w);
    }
}

/* Channel c of a pass of two vectors, by way of the pool. */
static void emit_pooled_channel(const Lines *l, bool one, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    const char *bias = kernel->epilogue.bias ? " + bias" : "";
    CExpr y = cexpr_sum((Term[]){{"a->y", 1},
                                 {"channel", kernel->out.plane_stride},
                                 {"row / 2", kernel->out.row_stride},
                                 {"col0 / 2", !one},
                                 {NULL, 0}},
                        0);
    cw_line(w, "float *const y = %s;", y.text);
    cw_line(w, "vector rows[%d][2];", l->m / 2);
    cw_open(w, "for (int k = 0; k < 2; ++k)");
    emit_sum(l, "c * 2 + k", w);
    emit_transform(l, w);
    emit_open_unrolled(w, "r", l->m / 2);
    cw_line(w, "const vector upper = line[2 * r]%s, lower = line[2 * r + 1]%s;", bias, bias);
    cw_line(w, kernel->max_pool ? "rows[r][k] = vector_max(%s, %s);" : "rows[r][k] = %s + %s;",
            emit_vector_activation(&kernel->epilogue.act, "upper").text,
            emit_vector_activation(&kernel->epilogue.act, "lower").text);
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "vector pooled[%d];", l->m / 2);
    emit_open_unrolled(w, "r", l->m / 2);
    cw_line(w, "const vector left = rows[r][0], right = rows[r][1];");
    emit_pool_lanes(l->b, l->cols < 2 * l->b ? l->cols - l->b : l->b, kernel->max_pool, w);
    cw_line(w, "pooled[r] = value%s;", kernel->max_pool ? "" : " * 0.25f");
    cw_close(w, "");
    emit_pooled_stores(l, w);
}

static void emit_channel(const Lines *l, int32_t vectors, bool one, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    if (vectors > 1) {
        cw_open(w, "for (int k = 0; k < %d; ++k)", vectors);
    }
    int32_t last = l->cols - l->b;
    CExpr at = cexpr_sum((Term[]){{"k", vectors > 1 ? l->b : 0}, {"first", !one}, {NULL, 0}}, 0);
    if (last > 0) {
        cw_line(w, "const int col = %s < %d ? %s : %d;", at.text, last, at.text, last);
    }
    emit_sum(l, cexpr_sum((Term[]){{"c", vectors}, {"k", vectors > 1}, {NULL, 0}}, 0).text, w);
    CExpr y = cexpr_sum((Term[]){{"a->y", 1},
                                 {"channel", kernel->out.plane_stride},
                                 {"row", kernel->out.row_stride},
                                 {"col", last > 0},
                                 {NULL, 0}},
                        0);
    cw_line(w, "float *const y = %s;", y.text);
    emit_outputs(l, kernel->epilogue.bias ? " + bias" : "", "vector_store_anywhere", 0, NULL, w);
    if (vectors > 1) {
        cw_close(w, "");
    }
}

static void emit_rows_kind(const Lines *l, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int32_t vectors = kernel->tile_cols / l->b;
    bool one = l->cols <= kernel->tile_cols;
    CExpr channel = cexpr_sum((Term[]){{"set", l->sets > 1 ? l->channels : 0}, {"c", 1}, {NULL, 0}}, 0);
    if (!one) {
        cw_open(w, "for (int first = 0; first < %d; first += %d)", l->cols, kernel->tile_cols);
    }
    emit_columns(l, vectors, one, w);
    emit_row_sums(l, vectors, w);
    cw_open(w, "for (int c = 0; c < %d; ++c)", l->channels);
    cw_line(w, "const %s channel = %s;", l->index, channel.text);
    if (l->partial) {
        cw_open(w, "if (channel == %d)", l->s->out_channels);
        cw_line(w, "break;");
        cw_close(w, "");
    }
    if (kernel->epilogue.bias) {
        cw_line(w, "const float bias = a->bias[channel];");
    }
    if (l->pools) {
        emit_pooled_channel(l, one, w);
    } else {
        emit_channel(l, vectors, one, w);
    }
    for (int scopes = 1 + !one; scopes > 0; --scopes) {
        cw_close(w, "");
    }
}

/* --- planar */

typedef struct LineTiles {
    int32_t count, cols, wide; /* of a row: the first `wide` are `cols` wide, others one less */
    int32_t vectors, last_vectors;
    int32_t unroll;
} LineTiles;

static LineTiles tiles_of(const Lines *l)
{
    enum { MOST_ROUND = 11 };
    const Kernel *kernel = l->kernel;
    LineTiles t = {.vectors = kernel->weight_format.vectors};
    int32_t planes = (l->s->out_channels + l->b - 1) / l->b, cols = l->s->out_cols, run = l->s->kernel_cols;
    t.count = (cols + kernel->tile_cols - 1) / kernel->tile_cols;
    t.cols = (cols + t.count - 1) / t.count;
    t.wide = cols - (t.cols - 1) * t.count;
    t.vectors = t.vectors < planes ? t.vectors : planes;
    t.last_vectors = planes - (planes - 1) / t.vectors * t.vectors;
    t.unroll = kernel->tile_round > 0 ? kernel->tile_round : run <= MOST_ROUND ? run : 1;
    t.unroll = run % t.unroll == 0 ? t.unroll : 1;
    return t;
}

static TileShape shape_of(const LineTiles *t, bool narrow, int32_t vectors)
{
    return (TileShape){.rows = 1, .cols = t->cols - narrow, .vectors = vectors, .step = 1, .unroll = t->unroll};
}

int lines_tiles(const Kernel *kernel, TileShape *shapes)
{
    Lines l = lines_of(kernel);
    int n = 0;
    if (kernel->family == KERNEL_ROWS) {
        return 0;
    }
    LineTiles t = tiles_of(&l);
    for (int k = l.sets > 1 ? 0 : 1; k < 2; ++k) {
        int32_t vectors = k == 0 ? t.vectors : t.last_vectors;
        shapes[n++] = shape_of(&t, false, vectors);
        if (t.wide < t.count) {
            shapes[n++] = shape_of(&t, true, vectors);
        }
    }
    return n;
}

/* A tile of `cols` columns from `first` on, of some vectors of channels. */
static void emit_tile_lines(const Lines *l, const TileShape *shape, CWriter *w)
{
    const Kernel *kernel = l->kernel;
    int32_t size = shape->vectors * shape->cols;
    bool many = shape->vectors > 1;
    cw_line(w, "vector sums[%d][%d];", l->points, size);
    cw_open(w, "for (int t = 0; t < %d; ++t)", l->points);
    CExpr from = cexpr_sum((Term[]){{"v", 1}, {"first", 1}, {"t", l->v_point}, {NULL, 0}}, 0);
    CExpr u = cexpr_sum((Term[]){{"weights", 1}, {"t", l->depth * shape->vectors * l->b}, {NULL, 0}}, 0);
    cw_line(w, "%s(&taps, %s, %s, sums[t]);", emit_tile_name(shape).text, from.text, u.text);
    cw_close(w, "");
    if (many) {
        cw_open(w, "for (int k = 0; k < %d; ++k)", shape->vectors);
    }
    CExpr plane =
        cexpr_sum((Term[]){{"set", l->sets > 1 ? kernel->weight_format.vectors : 0}, {"k", many}, {NULL, 0}}, 0);
    cw_line(w, "const %s plane = %s;", l->index, plane.text);
    if (kernel->epilogue.bias) {
        cw_line(w, "const vector bias = vector_load(a->bias + plane * %d);", l->b);
    }
    CExpr to = cexpr_sum((Term[]){{"a->y", 1},
                                  {"plane", kernel->out.plane_stride},
                                  {"row", kernel->out.row_stride},
                                  {"first", l->b},
                                  {NULL, 0}},
                         emit_interior(&kernel->out));
    cw_line(w, "float *const y = %s;", to.text);
    cw_open(w, "for (int p = 0; p < %d; ++p)", shape->cols);
    emit_sum(l, cexpr_sum((Term[]){{"k", many ? shape->cols : 0}, {"p", 1}, {NULL, 0}}, 0).text, w);
    emit_outputs(l, kernel->epilogue.bias ? " + bias" : "", "vector_store", l->b, "p", w);
    for (int scopes = 1 + many; scopes > 0; --scopes) {
        cw_close(w, "");
    }
}

static void emit_tile_row(const Lines *l, const LineTiles *t, int32_t vectors, CWriter *w)
{
    for (int narrow = 0; narrow < (t->wide < t->count ? 2 : 1); ++narrow) {
        TileShape shape = shape_of(t, narrow, vectors);
        int32_t edge = t->wide * t->cols, from = narrow ? edge : 0, end = narrow ? l->s->out_cols : edge;
        cw_open(w, "for (int first = %d; first < %d; first += %d)", from, end, shape.cols);
        emit_tile_lines(l, &shape, w);
        cw_close(w, "");
    }
}

static void emit_planar_kind(const Lines *l, CWriter *w)
{
    LineTiles t = tiles_of(l);
    if (l->sets > 1 && t.last_vectors != t.vectors) {
        cw_open(w, "if (set < %d)", l->sets - 1);
        emit_tile_row(l, &t, t.vectors, w);
        cw_chain(w, "else");
        emit_tile_row(l, &t, t.last_vectors, w);
        cw_close(w, "");
    } else {
        emit_tile_row(l, &t, t.last_vectors, w);
    }
}

void emit_lines(const Kernel *kernel, CWriter *w)
{
    Lines l = lines_of(kernel);
    emit_input(&l, w);
    emit_head(&l, w);
    if (kernel->family == KERNEL_PLANAR) {
        LineTiles t = tiles_of(&l);
        cw_line(w, "static const conv_taps taps = {%d, 1, 1, %d, %" PRId64 ", 0, 0, 0};", l.s->in_channels,
                l.s->kernel_cols / t.unroll, l.v_row);
    }
    open_groups(&l, w);
    open_sets(&l, w);
    if (kernel->family == KERNEL_ROWS) {
        emit_rows_kind(&l, w);
    } else {
        emit_planar_kind(&l, w);
    }
    for (int scopes = 2 + (l.sets > 1); scopes > 0; --scopes) {
        cw_close(w, "");
    }
    cw_blank(w);
}
