/* lines: convolution of a few planes by Winograd's F(m, KH) down the columns: m rows of the output come from products of
 * m + KH - 1 transformed rows of the input, T points, where direct sums would take m * KH. Along a row all is as it is
 * in the two kinds of direct sums, so no lane waits for channels that do not exist:
 *     rows     vectors are pixels of a row (emit_rows.c; emit_lines_rows.c is that part of it);
 *     planar   vectors are output channels (emit_conv_direct.c); the micro-kernel sums up each point.
 *
 * A group is m rows of the output. The last one begins so far up that it ends with the image; rows that the group before
 * has written are left alone, so that each is computed in one way. Groups are shared out. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/emit_lines.h"
#include "support/ints.h"

static void check_record(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    int32_t b = kernel->vector, width = s->out_cols + s->kernel_cols - 1;
    bool rows = kernel->family == KERNEL_ROWS, pools = kernel->max_pool || kernel->avg_pool;
    REFUSE_IF(kernel, s->stride_rows != 1 || s->stride_cols != 1, "has strides");
    REFUSE_IF(kernel, s->dilation_rows != 1 || s->dilation_cols != 1, "has a dilated window");
    REFUSE_IF(kernel, s->groups != 1 || kernel->epilogue.residual, "has groups or a residual");
    REFUSE_IF(kernel, f->kind != PACK_LINES || f->winograd.rows != kernel->lines || f->lanes * f->vectors < 1,
              "has weights in another order");
    REFUSE_IF(kernel, rows ? f->vectors != 1 : f->lanes != b, "has sets of channels of another size");
    REFUSE_IF(kernel, s->out_rows < kernel->lines || 2 * width < b || (rows && s->out_cols < b),
              "has too small an image");
    REFUSE_IF(kernel, kernel->tile_cols < 1 || (rows && kernel->tile_cols % b != 0), "has no tiles");
    REFUSE_IF(kernel, pools && (!lines_take_pool(kernel) || kernel->tile_cols != 2 * b), "cannot take a pool");
    REFUSE_IF(kernel, pools && (kernel->out.rows != s->out_rows / 2 || kernel->out.cols != s->out_cols / 2),
              "has a pool of another size");
    int64_t v = (int64_t)winograd_points(kernel->lines, s->kernel_rows) * s->in_channels * lines_width(kernel);
    REFUSE_IF(kernel, kernel->scratch_bytes < 4 * v, "has too little scratch");
}

static Lines lines_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    check_record(kernel);
    Lines l = {.kernel = kernel, .s = s, .b = kernel->vector, .m = kernel->lines};
    l.points = winograd_points(l.m, s->kernel_rows);
    l.pools = kernel->max_pool || kernel->avg_pool;
    l.pairs = lines_pairs(kernel);
    l.rows = l.pools ? 2 * kernel->out.rows : s->out_rows;
    l.cols = l.pools ? 2 * kernel->out.cols : s->out_cols;
    l.groups = (l.rows + l.m - 1) / l.m;
    l.channels = f->lanes * f->vectors;
    l.width = s->out_cols + s->kernel_cols - 1;
    l.v_row = lines_width(kernel);
    l.v_point = l.v_row * s->in_channels;
    l.depth = (int64_t)s->in_channels * s->kernel_cols;
    l.sets = (s->out_channels + l.channels - 1) / l.channels;
    l.partial = s->out_channels % l.channels != 0;
    int64_t in = s->in_channels * kernel->in.plane_stride, out = (s->out_channels + l.b) * kernel->out.plane_stride;
    int64_t weights = l.points * l.depth * (s->out_channels + l.channels);
    l.index = cexpr_index_type(int_max(int_max(in, out), weights));
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
    if (l->pairs) {
        cw_open(w, "if (col == %d)", last);
        emit_lines_twice(l, w);
        cw_close(w, "");
    }
    for (int scopes = vectors > 1 ? 3 : 2; scopes > 0; --scopes) {
        cw_close(w, "");
    }
    cw_blank(w);
}

/* --- what both kinds begin with and end with */

bool lines_uneven(const Lines *l)
{
    return l->rows % l->m != 0;
}

void emit_line(const Lines *l, const char *place, CWriter *w)
{
    cw_line(w, "vector sum[%d];", l->points);
    emit_open_unrolled(w, "t", l->points);
    cw_line(w, "sum[t] = sums[t][%s];", place);
    cw_close(w, "");
    cw_line(w, "vector line[%d];", l->m);
    cw_line(w, "winograd_output%d_%d(sum, line);", l->points, l->m);
}

void emit_line_outputs(const Lines *l, const char *bias, const char *store, int64_t offset, const char *column,
                       CWriter *w)
{
    const Kernel *kernel = l->kernel;
    emit_open_unrolled(w, "r", l->m);
    if (lines_uneven(l)) {
        cw_open(w, "if (r >= written)");
    }
    cw_line(w, "const vector value = line[r]%s;", bias);
    CExpr to = cexpr_sum((Term[]){{"y", 1}, {"r", kernel->out.row_stride}, {column, offset}, {NULL, 0}}, 0);
    cw_line(w, "%s(%s, %s);", store, to.text, emit_vector_activation(&kernel->epilogue.act, "value").text);
    if (lines_uneven(l)) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

static void emit_head(const Lines *l, CWriter *w)
{
    const KernelSizes *s = l->s;
    const Epilogue *e = &l->kernel->epilogue;
    const char *vectors = l->kernel->family != KERNEL_ROWS ? "output channels"
                          : l->pairs ? "pixels of a row, its last half vector of two channels at once"
                                     : "pixels of a row";
    cw_comment(w,
               "Convolution %dx%d, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s%s, by Winograd's F(%d,%d) "
               "down the columns.\nVectors are %s. weights [%d/%d][%d][%d][%d][%d].",
               s->kernel_rows, s->kernel_cols, s->pad_top, s->pad_left, s->in_channels, s->in_rows, s->in_cols,
               s->out_channels, s->out_rows, s->out_cols, emit_epilogue_text(e).text,
               l->kernel->max_pool   ? ", max pool 2x2"
               : l->kernel->avg_pool ? ", average pool 2x2"
                                     : "",
               l->m, s->kernel_rows, vectors, s->out_channels, l->channels, l->points, s->in_channels, s->kernel_cols,
               l->channels);
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
    if (lines_uneven(l)) {
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
    int32_t planes = (l->s->out_channels + l->b - 1) / l->b, run = l->s->kernel_cols;
    Pieces columns = pieces_of(l->s->out_cols, kernel->tile_cols);
    t.count = (int32_t)columns.count;
    t.cols = (int32_t)columns.size;
    t.wide = (int32_t)columns.wide;
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
    emit_line(l, cexpr_sum((Term[]){{"k", many ? shape->cols : 0}, {"p", 1}, {NULL, 0}}, 0).text, w);
    emit_line_outputs(l, kernel->epilogue.bias ? " + bias" : "", "vector_store", l->b, "p", w);
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
        emit_lines_rows(&l, w);
    } else {
        emit_planar_kind(&l, w);
    }
    for (int scopes = 2 + (l.sets > 1); scopes > 0; --scopes) {
        cw_close(w, "");
    }
    cw_blank(w);
}
