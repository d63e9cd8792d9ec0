/* winograd: convolution of stride 1 with fewer multiplications: F(2x2,3x3), F(4x4,3x3), F(2x2,5x5), and along one axis for
 * windows of one row or column.
 *
 * The output is cut into tiles of m x m pixels. For a block of tiles
 *     NAME_input     transforms the inputs of each tile and channel: V [xi][channels/b][tile][b], where xi numbers the
 *                    points, (m + r - 1) along an axis of r taps;
 *     micro-kernel   for each set of output channels and each xi a matrix product with the transformed weights gives
 *                    M [xi][chunk of tiles][vector][tile of the chunk][b];
 *     NAME_output    transforms M back and applies bias, residual, activation, maybe a 2x2 max pool.
 * V and M stay in the second-level cache. Their xi strides are padded by a cache line: multiples of 4 KiB would fight
 * for the same sets of the first level. Tiles are computed by one part each, in the same way in every split. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/emit_vector.h"

enum { XI_PAD = 16 }; /* floats */

typedef struct Winograd {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    int32_t out_rows, out_cols;            /* pixels of a tile */
    int32_t point_rows, point_cols, area;  /* points of a tile; area: all */
    int64_t groups, in_planes, out_planes; /* of one group */
    int32_t vectors, last_vectors;
    int64_t sets, set_floats;
    int64_t tile_rows, tile_cols, tiles; /* of the image */
    int32_t block;                       /* tiles of a block */
    int64_t blocks;
    int32_t chunks, chunk, wide; /* of a block: the first `wide` of the chunks have `chunk` tiles, others one less */
    int64_t v_stride, m_stride;  /* floats from xi to xi */
    const char *index;
} Winograd;

static Winograd winograd_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    Winograd g = {.kernel = kernel, .s = s, .b = kernel->vector};
    int32_t m = kernel->winograd, in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    if ((m != 2 && m != 4) || f->kind != PACK_WINOGRAD || f->vectors < 1 || kernel->block_tiles < 1 ||
        kernel->tile_cols < 1 ||
        (kernel->max_pool && (m != 4 || kernel->epilogue.residual || s->kernel_rows == 1 || s->kernel_cols == 1)) ||
        (s->groups > 1 && (in_channels % g.b != 0 || out_channels % g.b != 0))) {
        ICE("kernel '" STR_FMT "' is not one of Winograd's convolution", STR_ARG(kernel->name));
    }
    g.out_rows = winograd_outputs(m, s->kernel_rows);
    g.out_cols = winograd_outputs(m, s->kernel_cols);
    g.point_rows = winograd_points(m, s->kernel_rows);
    g.point_cols = winograd_points(m, s->kernel_cols);
    g.area = g.point_rows * g.point_cols;
    g.groups = s->groups;
    g.in_planes = (in_channels + g.b - 1) / g.b;
    g.out_planes = (out_channels + g.b - 1) / g.b;
    g.vectors = f->vectors < g.out_planes ? f->vectors : (int32_t)g.out_planes;
    g.sets = (g.out_planes + g.vectors - 1) / g.vectors;
    g.last_vectors = (int32_t)(g.out_planes - (g.sets - 1) * g.vectors);
    g.set_floats = (int64_t)g.area * g.in_planes * g.b * g.vectors * g.b;
    g.tile_rows = (s->out_rows + g.out_rows - 1) / g.out_rows;
    g.tile_cols = (s->out_cols + g.out_cols - 1) / g.out_cols;
    g.tiles = g.tile_rows * g.tile_cols;
    g.block = kernel->block_tiles < g.tiles ? kernel->block_tiles : (int32_t)g.tiles;
    g.blocks = (g.tiles + g.block - 1) / g.block;
    g.chunks = (g.block + kernel->tile_cols - 1) / kernel->tile_cols;
    g.chunk = (g.block + g.chunks - 1) / g.chunks;
    g.wide = g.block - (g.chunk - 1) * g.chunks;
    g.v_stride = g.in_planes * g.block * g.b + XI_PAD;
    g.m_stride = (int64_t)g.vectors * g.block * g.b + XI_PAD;
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    int64_t weights = g.groups * g.sets * g.set_floats;
    g.index = cexpr_index_type(in > out ? in > weights ? in : weights : out > weights ? out : weights);
    if (kernel->scratch_bytes < 4 * g.area * (g.v_stride + g.m_stride)) {
        ICE("winograd kernel '" STR_FMT "' has too little scratch", STR_ARG(kernel->name));
    }
    return g;
}

/* --- tiles: chunks wide or one less, vectors full or last; the first chunk asks for weights ahead of time */

static int32_t prefetch_lines(const Winograd *g, int32_t vectors)
{
    int32_t lines = 4 * vectors * g->b / 16;
    return g->kernel->prefetch_bytes == 0 ? 0 : lines > 0 ? lines : 1;
}

static TileShape shape_of(const Winograd *g, bool narrow, int32_t vectors, bool prefetch)
{
    return (TileShape){1, g->chunk - narrow, vectors, g->b, 4, prefetch ? prefetch_lines(g, vectors) : 0};
}

int winograd_tiles(const Kernel *kernel, TileShape *shapes)
{
    Winograd g = winograd_of(kernel);
    int n = 0;
    for (int k = 0; k < 2; ++k) {
        int32_t vectors = k == 0 ? g.vectors : g.last_vectors;
        if ((k == 0 && g.sets == 1 && g.last_vectors != g.vectors) || (k == 1 && g.last_vectors == g.vectors)) {
            continue;
        }
        shapes[n++] = shape_of(&g, false, vectors, true);
        if (g.chunks > 1 && g.wide > 1) {
            shapes[n++] = shape_of(&g, false, vectors, false);
        }
        if (g.wide < g.chunks) {
            shapes[n++] = shape_of(&g, true, vectors, false);
        }
    }
    return n;
}

/* --- transforms */

/* "for (int NAME = 0; NAME < n; ++NAME)", unrolled. */
static void open_unrolled(CWriter *w, const char *name, int32_t n)
{
    cw_line(w, "CNN_UNROLL(%d)", n);
    cw_open(w, "for (int %s = 0; %s < %d; ++%s)", name, name, n, name);
}

/* columns[r][c] = the transform, along the rows, of what `load` reads for (r, c). One tap along this axis: as it is. */
static void emit_columns(const Winograd *g, const char *load, const char *transform, int32_t from, int32_t to,
                         CWriter *w)
{
    cw_line(w, "vector columns[%d][%d];", to, g->point_cols);
    open_unrolled(w, "c", g->point_cols);
    if (from == 1) {
        cw_line(w, "const int r = 0;");
        cw_line(w, "columns[r][c] = %s;", load);
    } else {
        cw_line(w, "vector d[%d], t[%d];", from, to);
        open_unrolled(w, "r", from);
        cw_line(w, "d[r] = %s;", load);
        cw_close(w, "");
        cw_line(w, "%s(d, t);", transform);
        open_unrolled(w, "r", to);
        cw_line(w, "columns[r][c] = t[r];");
        cw_close(w, "");
    }
    cw_close(w, "");
}

static void emit_input(const Winograd *g, CWriter *w)
{
    char load[120], transform[40];
    cw_comment(w, "%d x %d inputs of a tile, one vector of channels, to V: v points at xi = 0.", g->point_rows,
               g->point_cols);
    cw_line(w, "static void " STR_FMT "_input(const float *x, float *v)", STR_ARG(g->kernel->name));
    cw_body(w);
    snprintf(load, sizeof load, "vector_load(x + r * %" PRId64 " + c * %d)", g->kernel->in.row_stride, (int)g->b);
    snprintf(transform, sizeof transform, "winograd_input%d", (int)g->point_rows);
    emit_columns(g, load, transform, g->point_rows, g->point_rows, w);
    open_unrolled(w, "r", g->point_rows);
    if (g->point_cols == 1) {
        cw_line(w, "vector_store(v + r * %" PRId64 ", columns[r][0]);", g->v_stride);
    } else {
        cw_line(w, "vector t[%d];", g->point_cols);
        cw_line(w, "winograd_input%d(columns[r], t);", g->point_cols);
        open_unrolled(w, "c", g->point_cols);
        cw_line(w, "vector_store(v + (r * %d + c) * %" PRId64 ", t[c]);", g->point_cols, g->v_stride);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* What follows the sum of pixel (r, c) of a tile: "vector_relu(line[c] + bias)". */
static void emit_pixel(const Winograd *g, const char *target, CWriter *w)
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
        cw_line(w, "vector_store(y + r * %" PRId64 " + c * %d, %s);", g->kernel->out.row_stride, g->b, result.text);
    }
    strbuf_free(&value);
}

static void emit_output(const Winograd *g, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    bool pool = kernel->max_pool;
    cw_comment(w, "A tile of one vector of channels from M to y%s: rows x cols pixels of it exist.%s",
               pool ? ", through the 2x2 max pool" : "", e->residual ? " residual may be y itself." : "");
    cw_line(w, "static void " STR_FMT "_output(const float *m,%s%s float *y, int rows, int cols)",
            STR_ARG(kernel->name), e->bias ? " vector bias," : "", e->residual ? " const float *residual," : "");
    cw_body(w);
    char load[120], transform[40];
    snprintf(load, sizeof load, "vector_load(m + (r * %d + c) * %" PRId64 ")", (int)g->point_cols, g->m_stride);
    snprintf(transform, sizeof transform, "winograd_output%d_%d", (int)g->point_rows, (int)g->out_rows);
    emit_columns(g, load, transform, g->point_rows, g->out_rows, w);
    if (pool) {
        cw_line(w, "vector pixels[4][4];");
    }
    open_unrolled(w, "r", g->out_rows);
    if (g->point_cols == 1) {
        cw_line(w, "const vector *const line = columns[r];");
    } else {
        cw_line(w, "vector line[%d];", g->out_cols);
        cw_line(w, "winograd_output%d_%d(columns[r], line);", g->point_cols, g->out_cols);
    }
    open_unrolled(w, "c", g->out_cols);
    if (pool) {
        emit_pixel(g, "pixels[r][c]", w);
    } else {
        cw_open(w, "if (r < rows && c < cols)");
        emit_pixel(g, NULL, w);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    if (pool) {
        cw_line(w, "CNN_UNROLL(2)");
        cw_open(w, "for (int r = 0; r < 2; ++r)");
        cw_line(w, "CNN_UNROLL(2)");
        cw_open(w, "for (int c = 0; c < 2; ++c)");
        cw_open(w, "if (r < rows && c < cols)");
        cw_line(w, "const vector upper = vector_max(pixels[2 * r][2 * c], pixels[2 * r][2 * c + 1]);");
        cw_line(w, "const vector lower = vector_max(pixels[2 * r + 1][2 * c], pixels[2 * r + 1][2 * c + 1]);");
        cw_line(w, "vector_store(y + r * %" PRId64 " + c * %d, vector_max(upper, lower));", kernel->out.row_stride,
                g->b);
        cw_close(w, "");
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}

/* --- the kernel */

/* "const int ty = tile / 14, tx = tile % 14;" */
static void emit_tile_place(const Winograd *g, CWriter *w)
{
    cw_line(w, "const int ty = %s, tx = %s;", cexpr_div("tile", g->tile_cols).text,
            cexpr_mod("tile", g->tile_cols).text);
}

/* The transforms of all inputs that one group's outputs need. */
static void emit_all_inputs(const Winograd *g, CWriter *w)
{
    const Layout *in = &g->kernel->in;
    cw_open(w, "for (%s plane = 0; plane < %" PRId64 "; ++plane)", g->index, g->in_planes);
    cw_open(w, "for (int i = 0; i < %d; ++i)", g->block);
    if (g->tiles % g->block != 0) {
        cw_line(w,
                "const int tile = first_tile + i < %" PRId64 " ? first_tile + i : %" PRId64
                "; /* past the last: the last again */",
                g->tiles, g->tiles - 1);
    } else {
        cw_line(w, "const int tile = %s;", g->blocks > 1 ? "first_tile + i" : "i");
    }
    emit_tile_place(g, w);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {"group", g->groups > 1 ? g->in_planes * in->plane_stride : 0},
                                 {"plane", in->plane_stride},
                                 {"ty", g->tile_rows > 1 ? g->out_rows * in->row_stride : 0},
                                 {"tx", (int64_t)g->out_cols * g->b},
                                 {NULL, 0}},
                        emit_window_origin(g->kernel));
    cw_line(w, STR_FMT "_input(%s, v + (plane * %d + i) * %d);", STR_ARG(g->kernel->name), x.text, g->block, g->b);
    cw_close(w, "");
    cw_close(w, "");
}

/* The product of one set of channels for all points: V times weights gives M. */
static void emit_products(const Winograd *g, int32_t vectors, CWriter *w)
{
    int64_t depth = g->in_planes * g->b * vectors * g->b;
    bool ahead = g->kernel->prefetch_bytes > 0, narrow = g->wide < g->chunks;
    cw_open(w, "for (int xi = 0; xi < %d; ++xi)", g->area);
    cw_line(w, "const float *const u = weights + xi * %" PRId64 ", *const from = v + xi * %" PRId64 ";", depth,
            g->v_stride);
    cw_line(w, "float *const to = m + xi * %" PRId64 ";", g->m_stride);
    TileShape first = shape_of(g, false, vectors, true);
    if (ahead) {
        cw_line(w, "%s(&taps, from, u, u + %d, (vector *)to);", emit_tile_name(&first).text,
                g->kernel->prefetch_bytes / 4);
    } else {
        cw_line(w, "%s(&taps, from, u, (vector *)to);", emit_tile_name(&first).text);
    }
    CExpr wide = emit_tile_name(&(TileShape){1, g->chunk, vectors, g->b, 4, 0});
    CExpr thin = emit_tile_name(&(TileShape){1, g->chunk - 1, vectors, g->b, 4, 0});
    if (g->wide > 1) {
        cw_open(w, "for (int i = %d; i < %d; i += %d)", g->chunk, g->wide * g->chunk, g->chunk);
        cw_line(w, "%s(&taps, from + i * %d, u, (vector *)(to + i * %d));", wide.text, g->b, vectors * g->b);
        cw_close(w, "");
    }
    if (narrow) {
        cw_open(w, "for (int i = %d; i < %d; i += %d)", g->wide * g->chunk, g->block, g->chunk - 1);
        cw_line(w, "%s(&taps, from + i * %d, u, (vector *)(to + i * %d));", thin.text, g->b, vectors * g->b);
        cw_close(w, "");
    }
    cw_close(w, "");
}

/* Place of tile i's vector v in a block of M: chunk by chunk. */
static void emit_place_in_m(const Winograd *g, const char *vectors, CWriter *w)
{
    if (g->chunks == 1) {
        cw_line(w, "const int place = i;");
        cw_line(w, "const int width = %d;", g->block);
        return;
    }
    if (g->wide < g->chunks) {
        int32_t edge = g->wide * g->chunk;
        cw_line(w, "const int width = i < %d ? %d : %d;", edge, g->chunk, g->chunk - 1);
        cw_line(w, "const int within = i < %d ? i %% %d : (i - %d) %% %d;", edge, g->chunk, edge, g->chunk - 1);
    } else {
        cw_line(w, "const int width = %d, within = i %% %d;", g->chunk, g->chunk);
    }
    cw_line(w, "const int place = (i - within) * %s + within;", vectors);
}

static void emit_all_outputs(const Winograd *g, const char *vectors, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    int32_t step_rows = kernel->max_pool ? g->out_rows / 2 : g->out_rows;
    int32_t step_cols = kernel->max_pool ? g->out_cols / 2 : g->out_cols;
    const Layout *out = &kernel->out;
    bool many = g->vectors > 1;
    if (g->tiles % g->block != 0) {
        cw_line(w, "const int count = %" PRId64 " - first_tile < %d ? %" PRId64 " - first_tile : %d;", g->tiles,
                g->block, g->tiles, g->block);
        cw_open(w, "for (int i = 0; i < count; ++i)");
    } else {
        cw_open(w, "for (int i = 0; i < %d; ++i)", g->block);
    }
    cw_line(w, "const int tile = %s;", g->blocks > 1 ? "first_tile + i" : "i");
    emit_tile_place(g, w);
    bool uneven_rows = g->tile_rows * step_rows != out->rows, uneven_cols = g->tile_cols * step_cols != out->cols;
    cw_line(w, "const int rows = %s;",
            uneven_rows ? cexpr_sum((Term[]){{"ty", -step_rows}, {NULL, 0}}, out->rows).text
                        : cexpr_int(step_rows).text);
    cw_line(w, "const int cols = %s;",
            uneven_cols ? cexpr_sum((Term[]){{"tx", -step_cols}, {NULL, 0}}, out->cols).text
                        : cexpr_int(step_cols).text);
    emit_place_in_m(g, many ? vectors : "1", w);
    if (many) {
        cw_open(w, "for (int k = 0; k < %s; ++k)", vectors);
    }
    CExpr plane = cexpr_sum((Term[]){{"group", g->groups > 1 ? g->out_planes : 0},
                                     {"set", g->sets > 1 ? g->vectors : 0},
                                     {"k", many},
                                     {NULL, 0}},
                            0);
    cw_line(w, "const %s plane = %s;", g->index, plane.text);
    CExpr to = cexpr_sum((Term[]){{"a->y", 1},
                                  {"plane", out->plane_stride},
                                  {"ty", step_rows * out->row_stride},
                                  {"tx", (int64_t)step_cols * g->b},
                                  {NULL, 0}},
                         emit_interior(out));
    CExpr from =
        cexpr_sum((Term[]){{"(place + k * width)", many ? g->b : 0}, {"place", many ? 0 : g->b}, {NULL, 0}}, 0);
    StrBuf more = {0};
    if (e->bias) {
        strbuf_printf(&more, " vector_load(a->bias + plane * %d),", g->b);
    }
    if (e->residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1},
                                            {"plane", kernel->residual.plane_stride},
                                            {"ty", step_rows * kernel->residual.row_stride},
                                            {"tx", (int64_t)step_cols * g->b},
                                            {NULL, 0}},
                                   emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual = %s;", residual.text);
        strbuf_printf(&more, " residual,");
    }
    cw_line(w, STR_FMT "_output(m + %s,%s %s, rows, cols);", STR_ARG(kernel->name), from.text,
            more.ptr != NULL ? more.ptr : "", to.text);
    strbuf_free(&more);
    if (many) {
        cw_close(w, "");
    } else {
        cw_line(w, "(void)width;");
    }
    cw_close(w, "");
}

static void emit_set(const Winograd *g, CWriter *w)
{
    bool uneven = g->sets > 1 && g->last_vectors != g->vectors;
    int64_t group_floats = g->area * g->in_planes * g->b * g->out_planes * g->b;
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1},
                                       {"group", g->groups > 1 ? group_floats : 0},
                                       {"set", g->sets > 1 ? g->set_floats : 0},
                                       {NULL, 0}},
                              0);
    cw_line(w, "const float *const weights = %s;", weights.text);
    CExpr vectors = cexpr_int(g->sets > 1 ? g->vectors : g->last_vectors);
    if (uneven) {
        cw_line(w, "const int vectors = set < %" PRId64 " ? %d : %d;", g->sets - 1, g->vectors, g->last_vectors);
        cw_open(w, "if (vectors == %d)", g->vectors);
        emit_products(g, g->vectors, w);
        cw_chain(w, "else");
        emit_products(g, g->last_vectors, w);
        cw_close(w, "");
        vectors = (CExpr){"vectors"};
    } else {
        emit_products(g, g->vectors, w);
    }
    emit_all_outputs(g, vectors.text, w);
}

static void emit_head_comment(const Winograd *g, CWriter *w)
{
    const KernelSizes *s = g->s;
    const Epilogue *e = &g->kernel->epilogue;
    char groups[32] = "";
    if (g->groups > 1) {
        snprintf(groups, sizeof groups, ", %d groups", s->groups);
    }
    cw_comment(
        w,
        "Convolution %dx%d, stride 1x1, padding from top left %dx%d%s: %dx%dx%d -> %dx%dx%d%s%s%s%s%s, by "
        "Winograd's F(%dx%d,%dx%d).\nx, y [channels/%d][row][column][%d], weights [%d/%d][%d][%d/%d][%d][%d][%d]; "
        "%" PRId64 " tiles, %d at a time.",
        s->kernel_rows, s->kernel_cols, s->pad_top, s->pad_left, groups, s->in_channels, s->in_rows, s->in_cols,
        s->out_channels, s->out_rows, s->out_cols, e->bias ? ", + bias" : "", e->residual ? ", + residual" : "",
        e->act.op == OP_IDENTITY ? "" : ", ", e->act.op == OP_IDENTITY ? "" : op_info(e->act.op)->name,
        g->kernel->max_pool ? ", max pool 2x2" : "", g->out_rows, g->out_cols, s->kernel_rows, s->kernel_cols, g->b,
        g->b, s->out_channels, g->vectors * g->b, g->area, s->in_channels / s->groups, g->b, g->b, g->vectors, g->b,
        g->tiles, g->block);
}

/* Blocks of tiles are shared out: of each block, every group's inputs are transformed, then its sets are done. */
static void emit_by_blocks(const Winograd *g, CWriter *w)
{
    emit_split(w, "block", g->blocks);
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    cw_line(w, "const int first_tile = block * %d;", g->block);
    if (g->groups > 1) {
        cw_open(w, "for (%s group = 0; group < %" PRId64 "; ++group)", g->index, g->groups);
    }
    emit_all_inputs(g, w);
    if (g->sets > 1) {
        cw_open(w, "for (%s set = 0; set < %" PRId64 "; ++set)", g->index, g->sets);
    }
    emit_set(g, w);
    for (int scopes = 1 + (g->groups > 1) + (g->sets > 1); scopes > 0; --scopes) {
        cw_close(w, "");
    }
}

/* One block: parts share out the sets of all groups, and each transforms the inputs that it needs for itself. */
static void emit_by_sets(const Winograd *g, CWriter *w)
{
    emit_split(w, "job", g->groups * g->sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    if (g->groups > 1) {
        cw_line(w, "const %s group = %s;", g->index, cexpr_div("job", g->sets).text);
    }
    if (g->sets > 1) {
        cw_line(w, "const %s set = %s;", g->index, g->groups > 1 ? cexpr_mod("job", g->sets).text : "job");
    }
    bool again = g->groups > 1 && g->sets > 1;
    if (g->groups == 1 || g->sets > 1) {
        cw_open(w, again ? "if (job == first_job || set == 0)" : "if (job == first_job)");
    }
    emit_all_inputs(g, w);
    if (g->groups == 1 || g->sets > 1) {
        cw_close(w, "");
    }
    emit_set(g, w);
    cw_close(w, "");
}

void emit_winograd(const Kernel *kernel, CWriter *w)
{
    Winograd g = winograd_of(kernel);
    emit_input(&g, w);
    emit_output(&g, w);
    emit_head_comment(&g, w);
    emit_kernel_head(kernel, w);
    cw_line(w, "static const conv_taps taps = {%" PRId64 ", 1, 1, %d, %d, 0, 0, 0};", g.in_planes, g.b / 4,
            g.block * g.b);
    cw_line(w, "float *const v = %s; /* [%d][%" PRId64 "][%d][%d], xi strides padded */", emit_scratch(kernel).text,
            g.area, g.in_planes, g.block, g.b);
    cw_line(w, "float *const m = v + %" PRId64 "; /* [%d][%d tiles][%d][%d] in chunks */", g.area * g.v_stride, g.area,
            g.block, g.vectors, g.b);
    if (g.blocks > 1) {
        emit_by_blocks(&g, w);
    } else {
        emit_by_sets(&g, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
