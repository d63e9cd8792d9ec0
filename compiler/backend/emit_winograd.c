/* winograd: convolution with fewer multiplications: F(2x2,2x2) to F(7x7,3x3), F(5x5,5x5), and along one axis for windows of
 * one row or column. Stride 2: the input in four phases (even or odd rows and columns) that are convolved with stride 1
 * and add up before the transform back; V has the planes of all phases that add to a point.
 *
 * The output is cut into tiles of m x m pixels, or of another m down than across. For a block of tiles
 *     NAME_input     transforms the inputs of each tile and channel: V [xi][channels/b][tile][b], where xi numbers the
 *                    points, (m + r - 1) along an axis of r taps;
 *     micro-kernel   for each set of output channels and each xi a matrix product with the transformed weights gives
 *                    M [xi][chunk of tiles][vector][tile of the chunk][b];
 *     NAME_output    transforms M back and applies bias, residual, activation, maybe a 2x2 max pool; of
 *                    odd m that pool goes over quads, four tiles at a time.
 * V and M stay in the second-level cache. Their xi strides are padded by a cache line: multiples of 4 KiB would fight
 * for the same sets of the first level. Tiles are computed by one part each, in the same way in every split. */
#include <inttypes.h>

#include "backend/emit_winograd.h"
#include "support/ints.h"

/* Planes of V that are summed up at point xi. */
static int64_t point_planes(const Winograd *g, int32_t xi)
{
    bool last_row = xi / g->point_cols == g->point_rows - 1, last_col = xi % g->point_cols == g->point_cols - 1;
    return winograd_row_phases(g, last_row) * (int64_t)winograd_col_phases(g, last_col) * g->in_planes;
}

static void check_record(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    WinogradTile m = kernel->winograd;
    bool live = kernel->family == KERNEL_WINOGRAD_LIVE;
    bool format = live ? f->kind == PACK_VECTORS && f->vectors == 1 && f->in_block == 1 : f->kind == PACK_WINOGRAD;
    bool window = !live || (s->kernel_rows == 3 && s->kernel_cols == 3 && s->stride_rows <= 2);
    bool whole = s->in_channels / s->groups % kernel->vector == 0 && s->out_channels / s->groups % kernel->vector == 0;
    REFUSE_IF(kernel, s->stride_rows != s->stride_cols || (s->stride_rows > 1 && s->groups > 1) || !window,
              "has a window or strides that it cannot have");
    int32_t taps = winograd_taps(s->kernel_rows, s->stride_rows);
    bool many_points = live && (m.rows != m.cols || winograd_points(m.rows, taps) > WINOGRAD_FEW_POINTS);
    REFUSE_IF(kernel,
              m.rows < 2 || m.rows > WINOGRAD_MOST_OUTPUTS || m.cols < 2 || m.cols > WINOGRAD_MOST_OUTPUTS ||
                  many_points,
              "has tiles of another size");
    REFUSE_IF(kernel, !format || f->vectors < 1, "has weights in another order");
    REFUSE_IF(kernel, kernel->block_tiles < 1 || kernel->tile_cols < 1, "has no tiles");
    REFUSE_IF(kernel, kernel->max_pool && (kernel->epilogue.residual || !winograd_takes_pool(kernel)),
              "cannot take a pool");
    REFUSE_IF(kernel, s->groups > 1 && !whole, "has groups that are not whole vectors");
}

static void check_blocks(const Winograd *g)
{
    const Kernel *kernel = g->kernel;
    REFUSE_IF(kernel, kernel->scratch_bytes < 4 * (g->v_floats + g->m_floats) + winograd_quad_bytes(kernel),
              "has too little scratch");
    REFUSE_IF(kernel, g->quads && g->block % 4 != 0, "has no whole quads in a block");
}

static void plan_points(Winograd *g)
{
    const KernelSizes *s = g->s;
    WinogradTile m = g->kernel->winograd;
    g->stride = s->stride_rows;
    int32_t tap_rows = winograd_taps(s->kernel_rows, g->stride), tap_cols = winograd_taps(s->kernel_cols, g->stride);
    g->out_rows = winograd_outputs(m.rows, tap_rows);
    g->out_cols = winograd_outputs(m.cols, tap_cols);
    g->point_rows = winograd_points(m.rows, tap_rows);
    g->point_cols = winograd_points(m.cols, tap_cols);
    g->area = g->point_rows * g->point_cols;
    g->quads = winograd_quads(g->kernel);
    /* Of a quad, the pool leaves as many pixels as one tile has. */
    int32_t pooled = g->kernel->max_pool && !g->quads ? 2 : 1;
    g->y_rows = g->out_rows / pooled;
    g->y_cols = g->out_cols / pooled;
}

static void plan_channels(Winograd *g)
{
    const KernelSizes *s = g->s;
    int32_t in_channels = s->in_channels / s->groups;
    g->groups = s->groups;
    g->in_planes = int_div_up(in_channels, g->b);
    g->out_planes = int_div_up(s->out_channels / s->groups, g->b);
    g->vectors = (int32_t)int_min(g->kernel->weight_format.vectors, g->out_planes);
    g->sets = int_div_up(g->out_planes, g->vectors);
    g->last_vectors = (int32_t)(g->out_planes - (g->sets - 1) * g->vectors);
    g->products = 0;
    for (int32_t xi = 0; xi < g->area; ++xi) {
        g->products += point_planes(g, xi) * g->b;
    }
    g->products = g->live ? (int64_t)in_channels * 9 : g->products;
    g->set_floats = g->products * g->vectors * g->b;
}

static void plan_blocks(Winograd *g)
{
    const Kernel *kernel = g->kernel;
    int32_t phases = g->stride * g->stride;
    g->tile_rows = int_div_up(g->s->out_rows, g->out_rows);
    g->tile_cols = int_div_up(g->s->out_cols, g->out_cols);
    g->tiles = g->tile_rows * g->tile_cols;
    g->block = (int32_t)int_min(kernel->block_tiles, g->tiles);
    g->blocks = int_div_up(g->tiles, g->block);
    Pieces chunks = pieces_of(g->block, kernel->tile_cols);
    g->chunks = (int32_t)chunks.count;
    g->chunk = (int32_t)chunks.size;
    g->wide = (int32_t)chunks.wide;
    if (g->live) {
        g->slots = (int64_t)g->chunks * g->chunk;
        g->v_stride = g->m_stride = (int64_t)g->chunk * g->b;
        g->v_floats = phases * g->in_planes * g->slots * g->area * g->b;
        g->m_floats = g->slots * g->area * g->b;
    } else {
        g->slots = g->block;
        g->v_stride = phases * g->in_planes * g->block * g->b + SCRATCH_PAD;
        g->m_stride = (int64_t)g->vectors * g->block * g->b + SCRATCH_PAD;
        g->v_floats = g->area * g->v_stride;
        g->m_floats = g->area * g->m_stride;
    }
}

static Winograd winograd_of(const Kernel *kernel)
{
    check_record(kernel);
    Winograd g = {.kernel = kernel, .s = &kernel->sizes, .b = kernel->vector};
    g.live = kernel->family == KERNEL_WINOGRAD_LIVE;
    plan_points(&g);
    plan_channels(&g);
    plan_blocks(&g);
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    g.index = cexpr_index_type(int_max(int_max(in, out), g.groups * g.sets * g.set_floats));
    check_blocks(&g);
    return g;
}

/* --- tiles: chunks wide or one less, vectors full or last. While the chunks of one point are summed up, the weights of
 * the next point are asked for, each chunk a slice of them: memory has work to do all the time, not in the first chunk only. */

static int32_t round_of(const Winograd *g)
{
    return g->kernel->tile_round > 0 ? g->kernel->tile_round : 4;
}

/* Rounds of the last plane, which end with the channels where all points have the same planes. */
static int32_t last_rounds_of(const Winograd *g)
{
    return g->stride == 1 ? tile_last_rounds(g->s->in_channels / g->groups, g->b, round_of(g)) : g->b / round_of(g);
}

static int32_t rounds_of(const Winograd *g)
{
    return g->in_planes == 1 ? last_rounds_of(g) : g->b / round_of(g);
}

/* Cache lines that a chunk asks for: its share of `products` of each output. */
static int32_t prefetch_lines(const Winograd *g, int32_t products, int32_t vectors)
{
    int64_t lines = int_div_up((int64_t)products * vectors * g->b, CACHE_LINE);
    return g->kernel->prefetch_bytes == 0 ? 0 : (int32_t)int_div_up(lines, g->chunks);
}

/* Planes of one chain of additions. Errors of sums at points come out enlarged, the more the more points there are along
 * both axes, and those of long chains are most of them. 0: all in one. */
static int32_t chain_of(const Winograd *g)
{
    enum { CHANNELS = 64, MANY_POINTS = 6 };
    int64_t planes = (int64_t)g->stride * g->stride * g->in_planes;
    int32_t chain = CHANNELS / g->b;
    return g->point_rows >= MANY_POINTS && g->point_cols >= MANY_POINTS && planes > chain ? chain : 0;
}

static TileShape shape_of(const Winograd *g, bool narrow, int32_t vectors)
{
    bool large = round_of(g) >= 4; /* a round that reads whole lines */
    return (TileShape){.rows = 1,
                       .cols = g->chunk - narrow,
                       .vectors = vectors,
                       .step = g->b,
                       .unroll = round_of(g),
                       .rounds = rounds_of(g),
                       .short_plane = last_rounds_of(g) < rounds_of(g),
                       .chain = chain_of(g),
                       .prefetch = large ? prefetch_lines(g, round_of(g), vectors) : 0,
                       .row_prefetch = large ? 0 : prefetch_lines(g, g->b, vectors)};
}

int winograd_tiles(const Kernel *kernel, TileShape *shapes)
{
    Winograd g = winograd_of(kernel);
    if (g.live) {
        return winograd_live_tiles(&g, shapes);
    }
    int n = 0;
    for (int k = 0; k < 2; ++k) {
        int32_t vectors = k == 0 ? g.vectors : g.last_vectors;
        if ((k == 0 && g.sets == 1 && g.last_vectors != g.vectors) || (k == 1 && g.last_vectors == g.vectors)) {
            continue;
        }
        shapes[n++] = shape_of(&g, false, vectors);
        if (g.wide < g.chunks) {
            shapes[n++] = shape_of(&g, true, vectors);
        }
    }
    return n;
}

/* --- the kernel */

/* "const int ty = tile / 14, tx = tile % 14;"; of quads "const int ty = tile / 28 * 2 + tile % 4 / 2, ..." */
static void emit_tile_place(const Winograd *g, CWriter *w)
{
    if (g->quads) {
        cw_line(w, "const int ty = tile / %" PRId64 " * 2 + tile %% 4 / 2;", 2 * g->tile_cols);
        cw_line(w, "const int tx = tile %% %" PRId64 " / 4 * 2 + tile %% 2;", 2 * g->tile_cols);
        return;
    }
    cw_line(w, "const int ty = %s, tx = %s;", cexpr_div("tile", g->tile_cols).text,
            cexpr_mod("tile", g->tile_cols).text);
}

/* Live, where tile i's points at xi = 0 are among those of a plane in so many phases, in vectors: "i / 4 * 144 + i % 4". */
static CExpr place_in_chunks(const Winograd *g, int32_t phases)
{
    if (g->chunks == 1) {
        return (CExpr){"i"};
    }
    return cexpr_format("i / %d * %d + i %% %d", g->chunk, phases * g->area * g->chunk, g->chunk);
}

/* The transforms of all inputs that one group's outputs need. */
static void emit_all_inputs(const Winograd *g, CWriter *w)
{
    const Layout *in = &g->kernel->in;
    const char *tile = g->blocks > 1 ? "first_tile + i" : "i";
    cw_open(w, "for (%s plane = 0; plane < %" PRId64 "; ++plane)", g->index, g->in_planes);
    cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", g->slots);
    if ((g->blocks - 1) * g->block + g->slots > g->tiles) {
        cw_line(w, "const int tile = %s < %" PRId64 " ? %s : %" PRId64 "; /* past the last: the last again */", tile,
                g->tiles, tile, g->tiles - 1);
    } else {
        cw_line(w, "const int tile = %s;", tile);
    }
    emit_tile_place(g, w);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {"group", g->groups > 1 ? g->in_planes * in->plane_stride : 0},
                                 {"plane", in->plane_stride},
                                 {"ty", g->stride * g->out_rows * in->row_stride},
                                 {"tx", (int64_t)g->stride * g->out_cols * g->b},
                                 {NULL, 0}},
                        emit_window_origin(g->kernel));
    cw_line(w, "const float *const x = %s;", x.text);
    if (g->kernel->input_ahead) {
        /* What the left neighbour does not read, two tiles further: in quads the same place of the next one. */
        int32_t shared = (g->point_cols - g->out_cols) * g->b, fresh = g->out_cols * g->b;
        emit_rows_ahead(w, "x", shared + 2 * fresh, g->point_rows, in->row_stride, fresh, "");
    }
    if (g->live) {
        int32_t phases = g->stride * g->stride;
        cw_line(w, "float *const to = v + plane * %" PRId64 " + (%s) * %d;", phases * g->slots * g->area * g->b,
                place_in_chunks(g, phases).text, g->b);
    } else {
        cw_line(w, "float *const to = v + (plane * %d + i) * %d;", g->block, g->b);
    }
    for (int32_t phase = 0; phase < g->stride * g->stride; ++phase) {
        int32_t qr = phase / g->stride, qc = phase % g->stride;
        cw_line(w, STR_FMT "_input%s(x%s, to);", STR_ARG(g->kernel->name), emit_winograd_input_suffix(g, qr, qc).text,
                emit_offset(qr * in->row_stride + qc * g->b).text);
    }
    cw_close(w, "");
    cw_close(w, "");
}

/* "12288", or "at->planes * 512" where points differ in their planes. */
static CExpr floats_of_point(const Winograd *g, int64_t floats_of_plane)
{
    return g->stride > 1 ? cexpr_sum((Term[]){{"at->planes", floats_of_plane}, {NULL, 0}}, 0)
                         : cexpr_int(g->in_planes * floats_of_plane);
}

/* The chunks of tiles [first, end), `width` tiles each. */
static void emit_chunks(const Winograd *g, bool narrow, int32_t vectors, int32_t first, int32_t end, CWriter *w)
{
    TileShape shape = shape_of(g, narrow, vectors);
    int32_t width = g->chunk - narrow;
    bool one = end - first == width && first == 0;
    if (!one) {
        cw_open(w, "for (int i = %d; i < %d; i += %d)", first, end, width);
    }
    CExpr from = cexpr_sum((Term[]){{"from", 1}, {"i", one ? 0 : g->b}, {NULL, 0}}, 0);
    CExpr to = cexpr_sum((Term[]){{"to", 1}, {"i", one ? 0 : vectors * g->b}, {NULL, 0}}, 0);
    cw_line(w, "%s(%s, %s, u,%s (vector *)(%s));", emit_tile_name(&shape).text, g->stride > 1 ? "at" : "&taps",
            from.text, shape.prefetch + shape.row_prefetch > 0 ? " next," : "", to.text);
    if (shape.prefetch > 0 && g->chunks > 1) {
        cw_line(w, "next += %s;", floats_of_point(g, (int64_t)shape.rounds * shape.prefetch * CACHE_LINE).text);
    } else if (shape.row_prefetch > 0 && g->chunks > 1) { /* the next slice of each plane's */
        cw_line(w, "next += %d;", shape.row_prefetch * CACHE_LINE);
    }
    if (!one) {
        cw_close(w, "");
    }
}

/* The product of one set of channels for all points: V times weights gives M. */
static void emit_products(const Winograd *g, int32_t vectors, CWriter *w)
{
    CExpr floats = floats_of_point(g, (int64_t)g->b * vectors * g->b);
    cw_line(w, "const float *u = weights;");
    cw_open(w, "for (int xi = 0; xi < %d; ++xi)", g->area);
    if (g->stride > 1) {
        cw_line(w, "const conv_taps *const at = &taps[(xi >= %d) + (xi %% %d == %d)];",
                (g->point_rows - 1) * g->point_cols, g->point_cols, g->point_cols - 1);
    }
    cw_line(w, "const float *const from = v + xi * %" PRId64 ";", g->v_stride);
    cw_line(w, "float *const to = m + xi * %" PRId64 ";", g->m_stride);
    if (g->kernel->prefetch_bytes > 0) {
        cw_line(w, "const float *next = u + %s; /* the next point's */", floats.text);
    }
    emit_chunks(g, false, vectors, 0, g->wide * g->chunk, w);
    if (g->wide < g->chunks) {
        emit_chunks(g, true, vectors, g->wide * g->chunk, g->block, w);
    }
    cw_line(w, "u += %s;", floats.text);
    cw_close(w, "");
}

/* Place of tile i's vector v in a block of M: chunk by chunk. */
static void emit_place_in_m(const Winograd *g, const char *vectors, CWriter *w)
{
    if (g->live) {
        cw_line(w, "const int place = %s;", place_in_chunks(g, 1).text);
        return;
    }
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

/* "112 - 7 * ty", or "7" where all tiles are whole: pixels of y along an axis of `size` that `tiles` of them share. */
static CExpr pixels_left(int32_t size, int32_t of_tile, int64_t tiles, const char *tile)
{
    return tiles * of_tile != size ? cexpr_sum((Term[]){{tile, -of_tile}, {NULL, 0}}, size) : cexpr_int(of_tile);
}

/* "for (int i = 0; i < 14; ++i) {": the tiles of a block, of quads each fourth; where they lie and how much of them exists. */
static void emit_open_outputs(const Winograd *g, CWriter *w)
{
    const Layout *out = &g->kernel->out;
    const char *i = g->quads ? "quad" : "i", *next = g->quads ? "quad += 4" : "++i";
    int32_t along = g->quads ? 2 : 1;
    CExpr end = cexpr_int(g->block);
    if (g->tiles % g->block != 0) {
        cw_line(w, "const int count = %" PRId64 " - first_tile < %d ? %" PRId64 " - first_tile : %d;", g->tiles,
                g->block, g->tiles, g->block);
        end = (CExpr){"count"};
    }
    cw_open(w, "for (int %s = 0; %s < %s; %s)", i, i, end.text, next);
    cw_line(w, "const int tile = %s%s;", g->blocks > 1 ? "first_tile + " : "", i);
    if (g->quads) {
        cw_line(w, "const int ty = tile / %" PRId64 ", tx = tile %% %" PRId64 " / 4; /* of quads */", 2 * g->tile_cols,
                2 * g->tile_cols);
    } else {
        emit_tile_place(g, w);
    }
    cw_line(w, "const int rows = %s;", pixels_left(out->rows, g->y_rows, g->tile_rows / along, "ty").text);
    cw_line(w, "const int cols = %s;", pixels_left(out->cols, g->y_cols, g->tile_cols / along, "tx").text);
}

/* " vector_load(a->bias + plane * 16), residual,": what an output takes beside M and y. */
static void emit_output_operands(const Winograd *g, StrBuf *operands, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    if (kernel->epilogue.bias) {
        strbuf_printf(operands, " vector_load(a->bias + plane * %d),", g->b);
    }
    if (kernel->epilogue.residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1},
                                            {"plane", kernel->residual.plane_stride},
                                            {"ty", g->y_rows * kernel->residual.row_stride},
                                            {"tx", (int64_t)g->y_cols * g->b},
                                            {NULL, 0}},
                                   emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual = %s;", residual.text);
        strbuf_printf(operands, " residual,");
    }
}

static void emit_all_outputs(const Winograd *g, const char *vectors, CWriter *w)
{
    const Layout *out = &g->kernel->out;
    Str name = g->kernel->name;
    bool many = g->vectors > 1;
    emit_open_outputs(g, w);
    if (!g->quads) {
        emit_place_in_m(g, many ? vectors : "1", w);
    }
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
                                  {"ty", g->y_rows * out->row_stride},
                                  {"tx", (int64_t)g->y_cols * g->b},
                                  {NULL, 0}},
                         emit_interior(out));
    CExpr from =
        cexpr_sum((Term[]){{"(place + k * width)", many ? g->b : 0}, {"place", many ? 0 : g->b}, {NULL, 0}}, 0);
    StrBuf operands = {0};
    emit_output_operands(g, &operands, w);
    const char *more = operands.ptr != NULL ? operands.ptr : "";
    if (g->quads) {
        cw_open(w, "for (int i = quad; i < quad + 4; ++i)");
        emit_place_in_m(g, many ? vectors : "1", w);
        cw_line(w, STR_FMT "_output(m + %s,%s pixels + (i %% 4 / 2 * %d + i %% 2) * %d);", STR_ARG(name), from.text,
                more, 2 * g->out_rows, g->out_cols * g->b);
    } else {
        cw_line(w, STR_FMT "_output(m + %s,%s %s, rows, cols);", STR_ARG(name), from.text, more, to.text);
    }
    strbuf_free(&operands);
    if (!many && !g->live) {
        cw_line(w, "(void)width;");
    }
    if (g->quads) {
        cw_close(w, "");
        cw_line(w, STR_FMT "_pool(pixels, %s, rows, cols);", STR_ARG(name), to.text);
    }
    for (int scopes = 1 + many; scopes > 0; --scopes) {
        cw_close(w, "");
    }
}

static void emit_set(const Winograd *g, CWriter *w)
{
    bool uneven = g->sets > 1 && g->last_vectors != g->vectors;
    int64_t group_floats = g->products * g->out_planes * g->b;
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
    } else if (g->live) {
        emit_live_products(g, w);
    } else {
        emit_products(g, g->vectors, w);
    }
    emit_all_outputs(g, vectors.text, w);
}

static void emit_head_comment(const Winograd *g, CWriter *w)
{
    const KernelSizes *s = g->s;
    const Epilogue *e = &g->kernel->epilogue;
    CExpr groups = g->groups > 1 ? cexpr_format(", %d groups", s->groups) : (CExpr){""};
    StrBuf weights = {0};
    if (g->live) {
        strbuf_printf(&weights, "[%d/%d][%d][3][3][%d]", s->out_channels, g->b, s->in_channels / s->groups, g->b);
    } else {
        strbuf_printf(&weights, "[%d/%d][%d][%d%s/%d][%d][%d][%d]", s->out_channels, g->vectors * g->b, g->area,
                      s->in_channels / s->groups, g->stride > 1 ? "/phases" : "", g->b, g->b, g->vectors, g->b);
    }
    cw_comment(w,
               "Convolution %dx%d, stride %dx%d, padding from top left %dx%d%s: %dx%dx%d -> %dx%dx%d%s%s, by "
               "Winograd's F(%dx%d,%dx%d)%s.\nx, y [channels/%d][row][column][%d], weights %s; "
               "%" PRId64 " tiles, %d at a time.",
               s->kernel_rows, s->kernel_cols, g->stride, g->stride, s->pad_top, s->pad_left, groups.text,
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols,
               emit_epilogue_text(e).text, g->kernel->max_pool ? ", max pool 2x2" : "", g->out_rows, g->out_cols,
               g->point_rows - g->out_rows + 1, g->point_cols - g->out_cols + 1, g->stride > 1 ? " in four phases" : "",
               g->b, g->b, weights.ptr, g->tiles, g->block);
    strbuf_free(&weights);
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

/* How far products go: at each point over its planes. Stride 2: at points where no, one, both axes are infinite. */
static void emit_taps(const Winograd *g, CWriter *w)
{
    if (g->stride == 1) {
        cw_line(w, "static const conv_taps taps = {%" PRId64 ", 1, 1, %d, %d, 0, 0, 0};", g->in_planes,
                last_rounds_of(g), g->block * g->b);
        return;
    }
    cw_open(w, "static const conv_taps taps[3] =");
    for (int k = 0; k < 3; ++k) {
        int64_t planes = winograd_row_phases(g, k > 0) * (int64_t)winograd_col_phases(g, k > 1) * g->in_planes;
        cw_line(w, "{%" PRId64 ", 1, 1, %d, %d, 0, 0, 0},", planes, rounds_of(g), g->block * g->b);
    }
    cw_close(w, ";");
}

void emit_winograd(const Kernel *kernel, CWriter *w)
{
    Winograd g = winograd_of(kernel);
    emit_winograd_inputs(&g, w);
    emit_winograd_output(&g, w);
    emit_head_comment(&g, w);
    emit_kernel_head(kernel, w);
    if (g.live) {
        cw_line(w, "float *const v = %s; /* [%" PRId64 "][%d]%s[%d][%d][%d] */", emit_scratch(kernel).text, g.in_planes,
                g.chunks, g.stride > 1 ? "[2][2]" : "", g.area, g.chunk, g.b);
        cw_line(w, "float *const m = v + %" PRId64 "; /* [%d][%d][%d][%d] */", g.v_floats, g.chunks, g.area, g.chunk,
                g.b);
    } else {
        emit_taps(&g, w);
        cw_line(w, "float *const v = %s; /* [%d][%" PRId64 "][%d][%d], xi strides padded */", emit_scratch(kernel).text,
                g.area, g.stride * g.stride * g.in_planes, g.block, g.b);
        cw_line(w, "float *const m = v + %" PRId64 "; /* [%d][%d tiles][%d][%d] in chunks */", g.v_floats, g.area,
                g.block, g.vectors, g.b);
    }
    if (g.quads) {
        cw_line(w, "float *const pixels = m + %" PRId64 "; /* [%d][%d][%d], of four tiles */", g.m_floats,
                2 * g.out_rows, 2 * g.out_cols, g.b);
    }
    if (g.blocks > 1) {
        emit_by_blocks(&g, w);
    } else {
        emit_by_sets(&g, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
