/* Winograd's convolution 3x3 in plain C, in tiles of m x m outputs, F(m x m, 3x3), T = m + 2 points along an axis.
 *
 *     V[point][tile][ic] = B^T d B of the T x T inputs d under a tile
 *     M[point][tile][oc] = sum over ic of V[point][tile][ic] * weights[point][ic][oc]
 *     outputs of a tile  = A^T M A + bias
 *
 * B, A and the filters' transform are those of PACK_WINOGRAD (lower/program.h). Four functions for each kernel:
 *   NAME_input    interleaves rows of four input channels, so that a tile's inputs are short vectors, and fills V in the order
 *                 of the micro-kernel's weights, [point][tile/4][ic/4][4][4];
 *   NAME_output   transforms M back, 16 channels at a time, to rows of pixels;
 *   NAME_store    what follows the sums (emit_conv.c);
 *   NAME          loops over blocks of rows of tiles and sets of output channels; each product is the micro-kernel that
 *                 all convolutions share, whose rows are channels as in emit_conv_wide.c.
 * What is shared out are sets of channels of blocks. Each output is computed by one part, in an order that does not depend on
 * how many there are. */
#include "backend/emit.h"
#include "backend/emit_conv.h"
#include "support/ints.h"

#include <inttypes.h>

enum { MOST_POINTS = 6, CHANNELS = PLAIN_WINOGRAD_CHANNELS };

/* --- the transforms of one axis: of d0 .. d<T-1> to points, of p0 .. p<T-1> to outputs */

typedef struct Transform {
    int32_t m;
    const char *terms; /* declared once, before the points */
    const char *points[MOST_POINTS], *outputs[MOST_POINTS];
} Transform;

static const Transform transforms[] = {
    {.m = 2, .points = {"d0 - d2", "d1 + d2", "d2 - d1", "d3 - d1"}, .outputs = {"p0 + p1 + p2", "p1 - p2 + p3"}},
    {.m = 4,
     .terms = "const float e1 = d4 - 4.0f * d2, o1 = d3 - 4.0f * d1, e2 = d4 - d2, o2 = 2.0f * (d3 - d1);",
     .points = {"4.0f * d0 - 5.0f * d2 + d4", "e1 + o1", "e1 - o1", "e2 + o2", "e2 - o2", "4.0f * d1 - 5.0f * d3 + d5"},
     .outputs = {"p0 + (p1 + p2) + (p3 + p4)", "(p1 - p2) + 2.0f * (p3 - p4)", "(p1 + p2) + 4.0f * (p3 + p4)",
                 "(p1 - p2) + 8.0f * (p3 - p4) + p5"}},
};

static const Transform *transform_of(int32_t m)
{
    for (size_t i = 0; i < sizeof transforms / sizeof transforms[0]; ++i) {
        if (transforms[i].m == m) {
            return &transforms[i];
        }
    }
    ICE("no transform for tiles of %d outputs in plain C", (int)m);
}

/* "const float d0 = from[i], d1 = from[step + i], ..;"; with `floats` > 0 they are so many apart, not `step`. */
static void emit_values(char letter, int32_t count, const char *from, const char *step, int64_t floats, CWriter *w)
{
    StrBuf line = {0};
    strbuf_printf(&line, "const float %c0 = %s[i]", letter, from);
    for (int32_t k = 1; k < count; ++k) {
        CExpr at = cexpr_sum((Term[]){{step, floats > 0 ? 0 : k}, {"i", 1}, {NULL, 0}}, k * floats);
        strbuf_printf(&line, ", %c%d = %s[%s]", letter, (int)k, from, at.text);
    }
    cw_line(w, "%s;", line.ptr);
    strbuf_free(&line);
}

/* d0 .. and the terms that several points share. */
static void emit_inputs(const Transform *t, int32_t points, const char *from, const char *step, int64_t floats,
                        CWriter *w)
{
    emit_values('d', points, from, step, floats, w);
    if (t->terms != NULL) {
        cw_line(w, "%s", t->terms);
    }
}

static void emit_down(const Transform *t, int32_t points, CWriter *w)
{
    cw_comment(w, "Tiles of %dx%d outputs: points[%d][n] of the columns of rows[%d][n].", (int)t->m, (int)t->m,
               (int)points, (int)points);
    cw_line(w, "static void winograd%d_down(const float *CNN_RESTRICT rows, int n, float *CNN_RESTRICT points)", t->m);
    cw_body(w);
    cw_open(w, "for (int i = 0; i < n; ++i)");
    emit_inputs(t, points, "rows", "n", 0, w);
    for (int32_t p = 0; p < points; ++p) {
        CExpr at = cexpr_sum((Term[]){{"n", p}, {"i", 1}, {NULL, 0}}, 0);
        cw_line(w, "points[%s] = %s;", at.text, t->points[p]);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_across(const Transform *t, int32_t points, CWriter *w)
{
    cw_comment(
        w,
        "The same across, of `tiles` neighbouring tiles and four channels: of columns[%d][n][4] to V[point][tile/4]"
        "[inputs/4][4 tiles][4], from tile `first` on, whose points are `step` floats apart.",
        (int)points);
    cw_line(w,
            "static void winograd%d_across(const float *CNN_RESTRICT columns, int first, int tiles, int inputs, "
            "float *CNN_RESTRICT v, int step)",
            t->m);
    cw_body(w);
    cw_line(w, "const int n = %d * tiles + %d;", t->m, points - t->m);
    cw_open(w, "for (int tile = first; tile < first + tiles; ++tile, columns += %d)", CONV_COLS * t->m);
    cw_line(w, "float *to = v + (tile / 4 * inputs + tile %% 4) * 4;");
    cw_open(w, "for (int row = 0; row < %d; ++row)", points);
    cw_line(w, "const float *from = columns + row * n * 4;");
    cw_line(w, "float points[%d][4];", points);
    cw_open(w, "for (int i = 0; i < 4; ++i)");
    emit_inputs(t, points, "from", "", CONV_COLS, w);
    for (int32_t p = 0; p < points; ++p) {
        cw_line(w, "points[%d][i] = %s;", p, t->points[p]);
    }
    cw_close(w, "");
    cw_open(w, "for (int col = 0; col < %d; ++col, to += step)", points);
    cw_line(w, "memcpy(to, points[col], sizeof points[col]);");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_back(const Transform *t, int32_t points, CWriter *w)
{
    cw_comment(w, "Sums at points, `step` floats apart, to y[%d][%d] of a tile, of %d channels each.", (int)t->m,
               (int)t->m, CHANNELS);
    cw_line(w, "static void winograd%d_back(const float *CNN_RESTRICT sums, int step, float *CNN_RESTRICT y)", t->m);
    cw_body(w);
    cw_line(w, "float rows[%d][%d][%d];", t->m, points, CHANNELS);
    cw_open(w, "for (int col = 0; col < %d; ++col, sums += step)", points);
    cw_line(w, "const int down = %d * step;", points);
    cw_open(w, "for (int i = 0; i < %d; ++i)", CHANNELS);
    emit_values('p', points, "sums", "down", 0, w);
    for (int32_t r = 0; r < t->m; ++r) {
        cw_line(w, "rows[%d][col][i] = %s;", r, t->outputs[r]);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int row = 0; row < %d; ++row, y += %d)", t->m, t->m * CHANNELS);
    cw_line(w, "const float *from = rows[row][0];");
    cw_open(w, "for (int i = 0; i < %d; ++i)", CHANNELS);
    emit_values('p', points, "from", "", CHANNELS, w);
    for (int32_t c = 0; c < t->m; ++c) {
        cw_line(w, "y[%s] = %s;", cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, c * (int64_t)CHANNELS).text, t->outputs[c]);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

void emit_winograd_transforms(int32_t m, CWriter *w)
{
    const Transform *t = transform_of(m);
    int32_t points = winograd_points(m, 3);
    emit_down(t, points, w);
    emit_across(t, points, w);
    emit_back(t, points, w);
}

/* --- one kernel */

typedef struct Plain {
    const Kernel *kernel;
    const KernelSizes *s;
    PlainWinograd g;
    Conv store; /* what NAME_store is made of */
    int32_t channels, sets, blocks, area;
    int64_t in_plane;
} Plain;

static Plain plain_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    PlainWinograd g = plain_winograd(kernel);
    Plain p = {.kernel = kernel, .s = s, .g = g, .channels = kernel->weight_format.lanes};
    p.sets = (int32_t)int_div_up(s->out_channels, p.channels);
    p.blocks = (int32_t)int_div_up(g.tile_rows, g.block_rows);
    p.area = g.points * g.points;
    p.in_plane = (int64_t)s->in_rows * s->in_cols;
    p.store = (Conv){.kernel = kernel,
                     .s = s,
                     .name = kernel->name.ptr,
                     .name_length = (int)kernel->name.len,
                     .wide = true,
                     .groups = 1,
                     .out_channels = s->out_channels,
                     .padded_out = (int64_t)p.sets * p.channels,
                     .pixels = (int64_t)s->out_rows * s->out_cols,
                     .tile = g.pixels,
                     .tiles = p.blocks,
                     .index = "int"};
    REFUSE_IF(kernel,
              kernel->weight_format.kind != PACK_WINOGRAD || p.channels % CHANNELS != 0 || g.block_rows == 0 ||
                  kernel->scratch_bytes < 4 * (g.v + g.products + g.outputs) || s->in_channels % CONV_COLS != 0 ||
                  kernel->tile_taps % CONV_COLS != 0,
              "has no tiles");
    return p;
}

/* "tile_row * 7": of so many rows, or of the rows before. */
static CExpr tiles_of(const Plain *p, const char *rows)
{
    return cexpr_sum((Term[]){{rows, p->g.tile_cols}, {NULL, 0}}, 0);
}

/* Rows of tiles of the last block. */
static int32_t last_rows(const Plain *p)
{
    return p->g.tile_rows - (p->blocks - 1) * p->g.block_rows;
}

/* Zeros for those of the last four tiles that do not exist: no output depends on them, but memory that nobody has written is not
 * read. */
static void emit_empty_slots(const Plain *p, CWriter *w)
{
    int32_t inputs = p->s->in_channels;
    bool full = p->kernel->block_tiles % CONV_ROWS == 0, last = last_rows(p) * p->g.tile_cols % CONV_ROWS == 0;
    CExpr tiles = tiles_of(p, "tile_rows");
    if (full && last) {
        return;
    }
    if (full != last) {
        cw_open(w, "if (%s %% 4 != 0)", tiles.text);
    }
    cw_open(w, "for (int point = 0; point < %d; ++point)", p->area);
    cw_line(w, "memset(v + point * %d + %s / 4 * %d, 0, %d * sizeof(float));", p->g.slots * inputs, tiles.text,
            CONV_ROWS * inputs, CONV_ROWS * inputs);
    cw_close(w, "");
    if (full != last) {
        cw_close(w, "");
    }
}

static void emit_input(const Plain *p, CWriter *w)
{
    const KernelSizes *s = p->s;
    const PlainWinograd *g = &p->g;
    int32_t width = CONV_COLS * g->width;
    int64_t cols = int_min(s->in_cols, g->width - s->pad_left);
    cw_comment(
        w,
        "V of `tile_rows` rows of tiles from first_row on. rows, columns: [%d][%d][4]; zeros where there is no input.",
        (int)g->points, (int)g->width);
    cw_line(w,
            "static void " STR_FMT "_input(const float *x, int first_row, int tile_rows, float *rows, float *columns, "
            "float *v)",
            STR_ARG(p->kernel->name));
    cw_body(w);
    emit_empty_slots(p, w);
    cw_open(w, "for (int ic = 0; ic < %d; ic += 4, x += %" PRId64 ")", s->in_channels, CONV_COLS * p->in_plane);
    cw_open(w, "for (int tile_row = 0; tile_row < tile_rows; ++tile_row)");
    cw_line(w, "memset(rows, 0, %d * sizeof(float));", g->points * width);
    cw_open(w, "for (int row = 0; row < %d; ++row)", g->points);
    cw_line(w, "const int iy = %s;",
            cexpr_sum((Term[]){{"(first_row + tile_row)", g->m}, {"row", 1}, {NULL, 0}}, -s->pad_top).text);
    cw_open(w, "if (iy >= 0 && iy < %d)", s->in_rows);
    cw_line(w, "const float *const from = x + iy * %d;", s->in_cols);
    cw_line(w, "float *const to = rows + %s;",
            cexpr_sum((Term[]){{"row", width}, {NULL, 0}}, CONV_COLS * (int64_t)s->pad_left).text);
    cw_open(w, "for (int col = 0; col < %" PRId64 "; ++col)", cols);
    for (int i = 0; i < CONV_COLS; ++i) {
        cw_line(w, "to[4 * col%s] = from[%s];", i > 0 ? cexpr_format(" + %d", i).text : "",
                cexpr_sum((Term[]){{"col", 1}, {NULL, 0}}, i * p->in_plane).text);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "winograd%d_down(rows, %d, columns);", g->m, width);
    cw_line(w, "winograd%d_across(columns, %s, %d, %d, v + ic * 4, %d);", g->m, tiles_of(p, "tile_row").text,
            g->tile_cols, s->in_channels, g->slots * s->in_channels);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_output(const Plain *p, CWriter *w)
{
    const PlainWinograd *g = &p->g;
    bool bias = p->kernel->epilogue.bias, odd = p->s->out_cols % g->m != 0;
    cw_comment(w,
               "sums[%d channels][%" PRId64
               "] = the outputs of `tile_rows` rows of tiles, of which `out_rows` rows exist%s.",
               CHANNELS, g->pixels, bias ? ", with their bias" : "");
    cw_line(w, "static void " STR_FMT "_output(const float *products, %sint tile_rows, int out_rows, float *sums)",
            STR_ARG(p->kernel->name), bias ? "const float *bias, " : "");
    cw_body(w);
    cw_open(w, "for (int tile = 0; tile < %s; ++tile, products += %d)", tiles_of(p, "tile_rows").text, p->channels);
    cw_line(w, "const int oy = %s, ox = %s;",
            cexpr_sum((Term[]){{cexpr_div("tile", g->tile_cols).text, g->m}, {NULL, 0}}, 0).text,
            cexpr_sum((Term[]){{cexpr_mod("tile", g->tile_cols).text, g->m}, {NULL, 0}}, 0).text);
    cw_line(w, "float y[%d];", g->m * g->m * CHANNELS);
    cw_line(w, "winograd%d_back(products, %d, y);", g->m, g->slots * p->channels);
    cw_open(w, "for (int row = 0; row < %d && oy + row < out_rows; ++row)", g->m);
    cw_open(w, odd ? "for (int col = 0; col < %d && ox + col < %d; ++col)" : "for (int col = 0; col < %d; ++col)", g->m,
            p->s->out_cols);
    cw_line(w, "const float *const from = y + (row * %d + col) * %d;", g->m, CHANNELS);
    cw_line(w, "float *const to = sums + (oy + row) * %d + ox + col;", p->s->out_cols);
    cw_open(w, "for (int i = 0; i < %d; ++i)", CHANNELS);
    cw_line(w, "to[i * %" PRId64 "] = from[i]%s;", g->pixels, bias ? " + bias[i]" : "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_head_comment(const Plain *p, CWriter *w)
{
    const KernelSizes *s = p->s;
    const PlainWinograd *g = &p->g;
    cw_comment(w,
               "Convolution 3x3, stride 1x1, padding from top left %dx%d: %dx%dx%d -> %dx%dx%d%s.\n"
               "Winograd's F(%dx%d, 3x3): %d products for %d outputs, not %d. %d rows of %d tiles at a time; weights"
               "[oc/%d][%d points][ic][%d].",
               s->pad_top, s->pad_left, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, emit_epilogue_text(&p->kernel->epilogue).text, (int)g->m, (int)g->m, (int)p->area,
               (int)(g->m * g->m), (int)(9 * g->m * g->m), (int)g->block_rows, (int)g->tile_cols, (int)p->channels,
               (int)p->area, (int)p->channels);
}

/* One call of the micro-kernel for every four tiles; of all input channels up to `count`, or as many from ic on. */
static void emit_fours(const Plain *p, bool from_ic, const char *count, CWriter *w)
{
    CExpr weights = cexpr_sum((Term[]){{"weights", 1}, {"ic", from_ic ? p->channels : 0}, {NULL, 0}}, 0);
    CExpr from =
        cexpr_sum((Term[]){{"inputs", 1}, {"tile", p->s->in_channels}, {"ic", from_ic ? CONV_ROWS : 0}, {NULL, 0}}, 0);
    cw_open(w, "for (int tile = 0; tile < tiles; tile += 4)");
    cw_line(w, "matrix_%s_%d(%s, %s, %s, sums + tile * %d);", from_ic ? "tile" : "first", p->channels, weights.text,
            from.text, count, p->channels);
    cw_close(w, "");
}

/* M of a block, for one set of channels. */
static void emit_products(const Plain *p, CWriter *w)
{
    const PlainWinograd *g = &p->g;
    int64_t inputs = p->s->in_channels, taps = p->kernel->tile_taps, point = inputs * p->channels;
    CExpr weights = cexpr_sum(
        (Term[]){{"a->weights", 1}, {"set", p->sets > 1 ? p->area * point : 0}, {"point", point}, {NULL, 0}}, 0);
    cw_open(w, "for (int point = 0; point < %d; ++point)", p->area);
    cw_line(w, "const float *const weights = %s;", weights.text);
    cw_line(w, "const float *const inputs = v + point * %" PRId64 ";", g->slots * inputs);
    cw_line(w, "float *const sums = products + point * %d;", g->slots * p->channels);
    emit_fours(p, false, cexpr_int(taps).text, w);
    if (taps < inputs) {
        CExpr end = cexpr_format("ic + %d < %d ? %d : %d - ic", (int)taps, (int)inputs, (int)taps, (int)inputs);
        cw_open(w, "for (int ic = %" PRId64 "; ic < %" PRId64 "; ic += %" PRId64 ")", taps, inputs, taps);
        emit_fours(p, true, inputs % taps == 0 ? cexpr_int(taps).text : end.text, w);
        cw_close(w, "");
    }
    cw_close(w, "");
}

/* Of the block of a job: "first_row", "tile_rows", "tiles"; "first", "out_rows" and "pixels" of the output. */
static void emit_block(const Plain *p, CWriter *w)
{
    const PlainWinograd *g = &p->g;
    int32_t full = g->block_rows * g->m, last = p->s->out_rows - (p->blocks - 1) * full;
    CExpr first = cexpr_sum((Term[]){{cexpr_div("job", p->sets).text, g->block_rows}, {NULL, 0}}, 0);
    CExpr pixel = cexpr_sum((Term[]){{"first_row", g->m * (int64_t)p->s->out_cols}, {NULL, 0}}, 0);
    cw_line(w, "const int first_row = %s, first = %s;", p->blocks > 1 ? first.text : "0",
            p->blocks > 1 ? pixel.text : "0");
    if (p->blocks == 1 || last == full) {
        cw_line(w, "const int tile_rows = %d, out_rows = %d;", g->block_rows, last);
    } else {
        cw_line(w, "const int is_last = first_row == %d;", (p->blocks - 1) * g->block_rows);
        CExpr rows = cexpr_format("is_last ? %d : %d", (int)last_rows(p), (int)g->block_rows);
        cw_line(w, "const int tile_rows = %s, out_rows = is_last ? %d : %d;",
                last_rows(p) < g->block_rows ? rows.text : cexpr_int(g->block_rows).text, last, full);
    }
    CExpr pixels = cexpr_sum((Term[]){{"out_rows", p->s->out_cols}, {NULL, 0}}, 0);
    cw_line(w, "const int tiles = %s, pixels = %s;", tiles_of(p, "tile_rows").text, pixels.text);
}

/* M to the outputs of a set, CHANNELS at a time. */
static void emit_results(const Plain *p, CWriter *w)
{
    int32_t channels = p->s->out_channels;
    bool ends = p->store.padded_out > channels;
    CExpr exist = cexpr_format(" && oc < %d", (int)channels);
    CExpr first = cexpr_sum((Term[]){{"set", p->sets > 1 ? p->channels : 0}, {"channel", 1}, {NULL, 0}}, 0);
    cw_open(w, "for (int channel = 0; channel < %d; channel += %d)", p->channels, CHANNELS);
    cw_line(w, "int oc = %s;", first.text);
    if (ends) {
        cw_open(w, "if (oc >= %d)", channels);
        cw_line(w, "break;");
        cw_close(w, "");
    }
    cw_line(w, STR_FMT "_output(products + channel, %stile_rows, out_rows, outputs);", STR_ARG(p->kernel->name),
            p->kernel->epilogue.bias ? "a->bias + oc, " : "");
    cw_open(w, "for (int i = 0; i < %d%s; i += 4, oc += 4)", CHANNELS, ends ? exist.text : "");
    emit_conv_store_call(&p->store, "oc", cexpr_format("outputs + i * %d", (int)p->g.pixels).text, w);
    cw_close(w, "");
    cw_close(w, "");
}

void emit_winograd_plain(const Kernel *kernel, CWriter *w)
{
    Plain p = plain_of(kernel);
    const PlainWinograd *g = &p.g;
    emit_input(&p, w);
    emit_output(&p, w);
    emit_conv_store(&p.store, w);
    emit_head_comment(&p, w);
    emit_kernel_head(kernel, w);
    cw_line(w, "float *const v = %s; /* [%d points][%d tiles/4][%d inputs/4][4][4] */", emit_scratch(kernel).text,
            p.area, g->slots, p.s->in_channels);
    cw_line(w, "float *const products = v + %" PRId64 "; /* [%d points][%d tiles][%d channels] */", g->v, p.area,
            g->slots, p.channels);
    cw_line(w, "float *const outputs = products + %" PRId64 "; /* [%d channels][%" PRId64 " pixels] */", g->products,
            CHANNELS, g->pixels);
    emit_split(w, "job", (int64_t)p.blocks * p.sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    emit_block(&p, w);
    if (p.sets > 1) {
        cw_line(w, "const int set = %s;", cexpr_mod("job", p.sets).text);
        cw_open(w, "if (set == 0 || job == first_job)");
    }
    cw_line(w, STR_FMT "_input(a->x[0], first_row, tile_rows, products, products + %d, v);", STR_ARG(kernel->name),
            CONV_COLS * g->width * g->points);
    if (p.sets > 1) {
        cw_close(w, "");
    }
    emit_products(&p, w);
    emit_results(&p, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
