/* winograd: 3x3 convolution of stride 1 with fewer multiplications, F(2x2,3x3) or F(4x4,3x3).
 *
 * The output is cut into tiles of m x m pixels. For a block of tiles
 *     NAME_input     transforms the (m+2) x (m+2) inputs of each tile and channel: V [xi][channels/b][tile][b], where xi
 *                    numbers the (m+2)^2 points;
 *     micro-kernel   for each set of output channels and each xi a matrix product with the transformed weights gives
 *                    M [xi][chunk of tiles][vector][tile of the chunk][b];
 *     NAME_output    transforms M back and applies bias, residual, activation, maybe a 2x2 max pool.
 * V and M stay in the second-level cache. Their xi strides are padded by a cache line: multiples of 4 KiB would fight
 * for the same sets of the first level. Tiles are computed by one part each, in the same way in every split. */
#include <inttypes.h>

#include "backend/emit_vector.h"

enum { XI_PAD = 16 }; /* floats */

typedef struct Winograd {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b, m, t, area; /* t = m + 2, area = t * t */
    int64_t in_planes, out_planes;
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
    Winograd g = {.kernel = kernel, .s = s, .b = kernel->vector, .m = kernel->winograd};
    if ((g.m != 2 && g.m != 4) || f->kind != PACK_WINOGRAD || f->vectors < 1 || kernel->block_tiles < 1 ||
        kernel->tile_cols < 1 || (kernel->max_pool && (g.m != 4 || kernel->epilogue.residual))) {
        ICE("kernel '" STR_FMT "' is not one of Winograd's convolution", STR_ARG(kernel->name));
    }
    g.t = g.m + 2;
    g.area = g.t * g.t;
    g.in_planes = (s->in_channels + g.b - 1) / g.b;
    g.out_planes = (s->out_channels + g.b - 1) / g.b;
    g.vectors = f->vectors < g.out_planes ? f->vectors : (int32_t)g.out_planes;
    g.sets = (g.out_planes + g.vectors - 1) / g.vectors;
    g.last_vectors = (int32_t)(g.out_planes - (g.sets - 1) * g.vectors);
    g.set_floats = (int64_t)g.area * g.in_planes * g.b * g.vectors * g.b;
    g.tile_rows = (s->out_rows + g.m - 1) / g.m;
    g.tile_cols = (s->out_cols + g.m - 1) / g.m;
    g.tiles = g.tile_rows * g.tile_cols;
    g.block = kernel->block_tiles < g.tiles ? kernel->block_tiles : (int32_t)g.tiles;
    g.blocks = (g.tiles + g.block - 1) / g.block;
    g.chunks = (g.block + kernel->tile_cols - 1) / kernel->tile_cols;
    g.chunk = (g.block + g.chunks - 1) / g.chunks;
    g.wide = g.block - (g.chunk - 1) * g.chunks;
    g.v_stride = g.in_planes * g.block * g.b + XI_PAD;
    g.m_stride = (int64_t)g.vectors * g.block * g.b + XI_PAD;
    int64_t in = g.in_planes * kernel->in.plane_stride, out = g.out_planes * kernel->out.plane_stride;
    int64_t weights = g.sets * g.set_floats;
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

static void emit_input(const Winograd *g, CWriter *w)
{
    cw_comment(w, "%d x %d inputs of a tile, one vector of channels, to V: v points at xi = 0.", g->t, g->t);
    cw_line(w, "static void " STR_FMT "_input(const float *x, float *v)", STR_ARG(g->kernel->name));
    cw_body(w);
    cw_line(w, "vector columns[%d][%d];", g->t, g->t);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int c = 0; c < %d; ++c)", g->t);
    cw_line(w, "vector d[%d], t[%d];", g->t, g->t);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->t);
    cw_line(w, "d[r] = vector_load(x + r * %" PRId64 " + c * %d);", g->kernel->in.row_stride, g->b);
    cw_close(w, "");
    cw_line(w, "winograd%d_input(d, t);", g->m);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->t);
    cw_line(w, "columns[r][c] = t[r];");
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->t);
    cw_line(w, "vector t[%d];", g->t);
    cw_line(w, "winograd%d_input(columns[r], t);", g->m);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int c = 0; c < %d; ++c)", g->t);
    cw_line(w, "vector_store(v + (r * %d + c) * %" PRId64 ", t[c]);", g->t, g->v_stride);
    cw_close(w, "");
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
    cw_line(w, "vector columns[%d][%d];", g->m, g->t);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int c = 0; c < %d; ++c)", g->t);
    cw_line(w, "vector d[%d], t[%d];", g->t, g->m);
    cw_line(w, "CNN_UNROLL(%d)", g->t);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->t);
    cw_line(w, "d[r] = vector_load(m + (r * %d + c) * %" PRId64 ");", g->t, g->m_stride);
    cw_close(w, "");
    cw_line(w, "winograd%d_output(d, t);", g->m);
    cw_line(w, "CNN_UNROLL(%d)", g->m);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->m);
    cw_line(w, "columns[r][c] = t[r];");
    cw_close(w, "");
    cw_close(w, "");
    if (pool) {
        cw_line(w, "vector pixels[4][4];");
    }
    cw_line(w, "CNN_UNROLL(%d)", g->m);
    cw_open(w, "for (int r = 0; r < %d; ++r)", g->m);
    cw_line(w, "vector line[%d];", g->m);
    cw_line(w, "winograd%d_output(columns[r], line);", g->m);
    cw_line(w, "CNN_UNROLL(%d)", g->m);
    cw_open(w, "for (int c = 0; c < %d; ++c)", g->m);
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
                                 {"plane", in->plane_stride},
                                 {"ty", g->m * in->row_stride},
                                 {"tx", (int64_t)g->m * g->b},
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
    int32_t step = kernel->max_pool ? g->m / 2 : g->m;
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
    bool uneven_rows = g->tile_rows * step != out->rows, uneven_cols = g->tile_cols * step != out->cols;
    cw_line(w, "const int rows = %s;",
            uneven_rows ? cexpr_sum((Term[]){{"ty", -step}, {NULL, 0}}, out->rows).text : cexpr_int(step).text);
    cw_line(w, "const int cols = %s;",
            uneven_cols ? cexpr_sum((Term[]){{"tx", -step}, {NULL, 0}}, out->cols).text : cexpr_int(step).text);
    emit_place_in_m(g, many ? vectors : "1", w);
    if (many) {
        cw_open(w, "for (int k = 0; k < %s; ++k)", vectors);
    }
    CExpr plane = cexpr_sum((Term[]){{"set", g->sets > 1 ? g->vectors : 0}, {"k", many}, {NULL, 0}}, 0);
    cw_line(w, "const %s plane = %s;", g->index, plane.text);
    CExpr to = cexpr_sum((Term[]){{"a->y", 1},
                                  {"plane", out->plane_stride},
                                  {"ty", step * out->row_stride},
                                  {"tx", (int64_t)step * g->b},
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
                                            {"ty", step * kernel->residual.row_stride},
                                            {"tx", (int64_t)step * g->b},
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
    if (g->sets > 1) {
        cw_line(w, "const float *const weights = a->weights + set * %s%" PRId64 ";",
                strcmp(g->index, "int") == 0 ? "" : "(ptrdiff_t)", g->set_floats);
    } else {
        cw_line(w, "const float *const weights = a->weights;");
    }
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
    cw_comment(w,
               "Convolution 3x3, stride 1x1, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s%s%s%s%s, by "
               "Winograd's F(%dx%d,3x3).\nx, y [channels/%d][row][column][%d], weights [%d/%d][%d][%d/%d][%d][%d][%d]; "
               "%" PRId64 " tiles, %d at a time.",
               s->pad_top, s->pad_left, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, e->bias ? ", + bias" : "", e->residual ? ", + residual" : "",
               e->act.op == OP_IDENTITY ? "" : ", ", e->act.op == OP_IDENTITY ? "" : op_info(e->act.op)->name,
               g->kernel->max_pool ? ", max pool 2x2" : "", g->m, g->m, g->b, g->b, s->out_channels, g->vectors * g->b,
               g->area, s->in_channels, g->b, g->b, g->vectors, g->b, g->tiles, g->block);
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
        emit_split(w, "block", g.blocks);
        cw_blank(w);
        cw_open(w, "for (int block = first_block; block < end_block; ++block)");
        cw_line(w, "const int first_tile = block * %d;", g.block);
        emit_all_inputs(&g, w);
        if (g.sets > 1) {
            cw_open(w, "for (%s set = 0; set < %" PRId64 "; ++set)", g.index, g.sets);
        }
        emit_set(&g, w);
        if (g.sets > 1) {
            cw_close(w, "");
        }
        cw_close(w, "");
    } else {
        /* One block: parts share out the sets, and each transforms the input for itself. */
        emit_split(w, "set", g.sets);
        cw_blank(w);
        cw_open(w, "if (first_set == end_set)");
        cw_line(w, "return; /* more parts than sets */");
        cw_close(w, "");
        emit_all_inputs(&g, w);
        cw_open(w, "for (%s set = first_set; set < end_set; ++set)", g.index);
        emit_set(&g, w);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}
