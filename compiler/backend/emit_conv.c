/* conv: any 2-D convolution as a matrix product in tiles.
 *
 *     sums[oc][pixel] = bias[oc] + sum over taps of weights[oc][tap] * rows[tap][pixel]
 *
 * A tap is (input channel, ky, kx), flattened. Three functions are written for each kernel:
 *   NAME_gather  fills rows: for each tap the input elements under it, one for each output pixel of a tile; zeros where
 *                the tap lies in the padding. After it no loop asks where a border is, and all rows have one length.
 *   NAME_store   adds the residual, applies the activation and writes four channels of a tile.
 *   NAME         loops over tiles, blocks of taps and blocks of four channels; the product itself is the micro-kernel
 *                matrix_tile_<pixels> that all convolutions share (emit_helpers.c).
 * Weights lie as the micro-kernel reads them: [oc/4][tap/4][4][4], zero past the edges; the bias is padded alike.
 * Of small images rows and columns change places: emit_conv_wide.c.
 * Each output is computed by one part, with an order of additions that does not depend on the number of parts. */
#include "backend/emit_conv.h"
#include "support/ints.h"

#include <inttypes.h>

static Conv conv_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Conv c = {.kernel = kernel, .s = s, .name = kernel->name.ptr, .name_length = (int)kernel->name.len};
    c.wide = conv_is_wide(kernel);
    c.rows = c.wide ? kernel->weight_format.row_block : CONV_ROWS;
    c.groups = s->groups;
    c.in_channels = s->in_channels / s->groups;
    c.out_channels = s->out_channels / s->groups;
    c.taps = c.in_channels * s->kernel_rows * s->kernel_cols;
    c.padded_taps = int_align_up(c.taps, CONV_COLS);
    c.padded_out = int_align_up(c.out_channels, c.rows);
    c.in_plane = (int64_t)s->in_rows * s->in_cols;
    c.pixels = (int64_t)s->out_rows * s->out_cols;
    c.tile = kernel->tile_pixels;
    c.tiles = int_div_up(c.pixels, c.tile);
    c.block = kernel->tile_taps;
    c.blocks = int_div_up(c.taps, c.block);
    int64_t rows = window_extent(s->out_rows, s->kernel_rows, s->stride_rows, s->dilation_rows);
    int64_t cols = window_extent(s->out_cols, s->kernel_cols, s->stride_cols, s->dilation_cols);
    c.pads_rows = s->pad_top > 0 || rows - s->pad_top > s->in_rows;
    c.pads_cols = s->pad_left > 0 || cols - s->pad_left > s->in_cols;
    c.pointwise = s->kernel_rows == 1 && s->kernel_cols == 1 && s->stride_rows == 1 && s->stride_cols == 1 &&
                  !c.pads_rows && !c.pads_cols && s->in_cols == s->out_cols;
    c.index = cexpr_index_type(int_max(int_max(s->in_channels * c.in_plane, s->out_channels * c.pixels),
                                       c.groups * c.padded_out * c.padded_taps));
    bool fits = c.wide ? c.taps % CONV_COLS == 0 && c.tile % CONV_ROWS == 0 && c.groups == 1
                       : kernel->weight_format.row_block == CONV_ROWS && kernel->weight_format.col_block == CONV_COLS;
    if (!fits || kernel->tile_pixels <= 0 || c.block % CONV_COLS != 0 ||
        kernel->scratch_bytes < 4 * c.tile * ((c.wide ? 2 : 1) * c.block + (c.blocks == 1 ? c.rows : c.padded_out))) {
        ICE("conv kernel '" STR_FMT "' has no tiles", STR_ARG(kernel->name));
    }
    return c;
}

static bool last_tile_is_short(const Conv *c)
{
    return c->pixels % c->tile != 0;
}

/* Whether tiles, or a part's shares of one, do not all begin with the first pixel. */
static bool has_first(const Conv *c)
{
    return c->tiles > 1 || c->wide;
}

/* --- NAME_gather */

/* Tables of the output columns whose input column, at offset kx, lies inside the input. */
static void emit_column_tables(const Conv *c, CWriter *w)
{
    const KernelSizes *s = c->s;
    StrBuf first = {0}, end = {0};
    for (int32_t kx = 0; kx < s->kernel_cols; ++kx) {
        int64_t shift = (int64_t)kx * s->dilation_cols - s->pad_left; /* input column = ox * stride + shift */
        int64_t from = shift >= 0 ? 0 : int_div_up(-shift, s->stride_cols);
        int64_t to = shift >= s->in_cols ? 0 : (s->in_cols - 1 - shift) / s->stride_cols + 1;
        to = to < s->out_cols ? to : s->out_cols;
        from = from < to ? from : to;
        strbuf_printf(&first, "%s%" PRId64, kx == 0 ? "" : ", ", from);
        strbuf_printf(&end, "%s%" PRId64, kx == 0 ? "" : ", ", to);
    }
    cw_comment(w, "Output columns [first, end) whose tap kx lies inside the input.");
    cw_line(w, "static const int first_column[%d] = {%s};", s->kernel_cols, first.ptr);
    cw_line(w, "static const int end_column[%d] = {%s};", s->kernel_cols, end.ptr);
    strbuf_free(&first);
    strbuf_free(&end);
}

/* One row of the tile's taps: runs of pixels, each within one output row. */
static void emit_runs(const Conv *c, CWriter *w)
{
    const KernelSizes *s = c->s;
    if (!has_first(c)) {
        cw_line(w, "int oy = 0, ox = 0;");
    } else {
        CExpr oy = cexpr_div("first", s->out_cols), ox = cexpr_mod("first", s->out_cols);
        cw_line(w, "int oy = %s, ox = %s;", oy.text, ox.text);
    }
    cw_open(w, "for (int p = 0; p < pixels; ++oy)");
    cw_comment(w, "The tile's pixels in output row oy: columns [ox, stop).");
    cw_line(w, "const int stop = ox + pixels - p < %d ? ox + pixels - p : %d;", s->out_cols, s->out_cols);
    CExpr iy = cexpr_sum((Term[]){{"oy", s->stride_rows},
                                  {s->kernel_rows > 1 ? "ky" : "", s->kernel_rows > 1 ? s->dilation_rows : 0},
                                  {NULL, 0}},
                         -s->pad_top);
    cw_line(w, "const int iy = %s;", iy.text);
    if (c->pads_rows) {
        cw_open(w, "if (iy >= 0 && iy < %d)", s->in_rows);
    }
    const char *from = "ox", *end = "stop";
    if (c->pads_cols) {
        const char *kx = s->kernel_cols > 1 ? "kx" : "0";
        cw_line(w, "const int from = ox > first_column[%s] ? ox : first_column[%s];", kx, kx);
        cw_line(w, "const int end = stop < end_column[%s] ? stop : end_column[%s];", kx, kx);
        from = "from";
        end = "end";
    }
    CExpr input = cexpr_sum((Term[]){{"ic", c->in_channels > 1 ? c->in_plane : 0},
                                     {"iy", s->in_cols},
                                     {"kx", s->kernel_cols > 1 ? s->dilation_cols : 0},
                                     {NULL, 0}},
                            -s->pad_left);
    CExpr column = cexpr_sum((Term[]){{"column", s->stride_cols}, {NULL, 0}}, 0);
    cw_line(w, "const %s input = %s;", c->index, input.text);
    cw_open(w, "for (int column = %s; column < %s; ++column)", from, end);
    cw_line(w, "rows[p - ox + column] = x[input + %s];", column.text);
    cw_close(w, "");
    if (c->pads_rows) {
        cw_close(w, "");
    }
    cw_line(w, "p += stop - ox;");
    cw_line(w, "ox = 0;");
    cw_close(w, "");
}

static void emit_tap_names(const Conv *c, CWriter *w)
{
    const KernelSizes *s = c->s;
    int64_t window = (int64_t)s->kernel_rows * s->kernel_cols;
    if (c->in_channels > 1) {
        cw_line(w, "const %s ic = %s;", c->index, cexpr_div("tap", window).text);
    }
    if (s->kernel_rows > 1) {
        CExpr ky = cexpr_div(c->in_channels > 1 ? cexpr_mod("tap", window).text : "tap", s->kernel_cols);
        cw_line(w, "const int ky = %s;", ky.text);
    }
    if (s->kernel_cols > 1) {
        bool alone = c->in_channels == 1 && s->kernel_rows == 1;
        cw_line(w, "const int kx = %s;", alone ? "tap" : cexpr_mod("tap", s->kernel_cols).text);
    }
}

static void emit_gather(const Conv *c, CWriter *w)
{
    bool odd_taps = c->taps != c->padded_taps;
    bool zeros = c->pads_rows || c->pads_cols || last_tile_is_short(c) || odd_taps;
    cw_comment(
        w, "rows[tap][p] = the input element under tap (ic, ky, kx) for pixel first + p of the output, flattened%s.",
        zeros ? "; 0 where there is none" : "");
    cw_line(w, "static void %.*s_gather(const float *x, int tap, int end_tap, %sint pixels, float *rows)",
            c->name_length, c->name, has_first(c) ? "int first, " : "");
    cw_body(w);
    if (c->pads_cols) {
        emit_column_tables(c, w);
    }
    cw_open(w, "for (; tap < end_tap; ++tap, rows += %" PRId64 ")", c->tile);
    if (zeros) {
        cw_open(w, "for (int p = 0; p < %" PRId64 "; ++p)", c->tile);
        cw_line(w, "rows[p] = 0.0f;");
        cw_close(w, "");
    }
    if (odd_taps) {
        cw_open(w, "if (tap >= %" PRId64 ")", c->taps);
        cw_line(w, "continue;");
        cw_close(w, "");
    }
    if (c->pointwise) {
        CExpr input =
            cexpr_sum((Term[]){{"tap", c->in_channels > 1 ? c->in_plane : 0}, {"first", has_first(c)}, {NULL, 0}}, 0);
        cw_line(w, "const %s input = %s;", c->index, input.text);
        cw_open(w, "for (int p = 0; p < pixels; ++p)");
        cw_line(w, "rows[p] = x[input + p];");
        cw_close(w, "");
    } else {
        emit_tap_names(c, w);
        emit_runs(c, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- NAME_store */

void emit_conv_store(const Conv *c, CWriter *w)
{
    const Epilogue *e = &c->kernel->epilogue;
    bool odd = c->out_channels % CONV_ROWS != 0;
    cw_comment(w, "Writes up to four channels of a tile%s%s.",
               e->residual ? ": adds the residual, which may be y itself" : "",
               e->act.op == OP_IDENTITY ? ""
               : e->residual            ? ", then the activation"
                                        : " after the activation");
    cw_line(w, "static void %.*s_store(const step_arguments *a, %s oc, %s%s%sfloat *sums)", c->name_length, c->name,
            c->index, odd ? "int channels, " : "", has_first(c) ? "int first, " : "", "int pixels, ");
    cw_body(w);
    CExpr at = cexpr_sum((Term[]){{"oc", c->pixels}, {"first", has_first(c)}, {NULL, 0}}, 0);
    cw_open(w,
            odd ? "for (int row = 0; row < channels; ++row, ++oc, sums += %" PRId64 ")"
                : "for (int row = 0; row < 4; ++row, ++oc, sums += %" PRId64 ")",
            c->tile);
    cw_line(w, "float *const y = a->y + %s;", at.text);
    if (e->residual) {
        cw_line(w, "const float *const residual = a->residual + %s;", at.text);
        cw_open(w, "for (int p = 0; p < pixels; ++p)");
        cw_line(w, "sums[p] += residual[p];");
        cw_close(w, "");
    }
    cw_open(w, "for (int p = 0; p < pixels; ++p)");
    emit_store(w, &e->act, "y[p]", "sums[p]");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- NAME */

/* What the parts share out: tiles where there are enough of them, else groups or blocks of channels; of small images pixels,
 * four at a time. */
typedef enum Split { SPLIT_TILES, SPLIT_GROUPS, SPLIT_CHANNELS, SPLIT_PIXELS } Split;

static Split split_of(const Conv *c)
{
    if (c->wide) {
        return SPLIT_PIXELS;
    }
    int64_t blocks = c->padded_out / CONV_ROWS;
    if (c->tiles >= 16 || (c->tiles >= blocks && c->tiles >= c->groups)) {
        return SPLIT_TILES;
    }
    return c->groups >= blocks ? SPLIT_GROUPS : SPLIT_CHANNELS;
}

static void emit_head_comment(const Conv *c, CWriter *w)
{
    const KernelSizes *s = c->s;
    const Epilogue *e = &c->kernel->epilogue;
    StrBuf more = {0};
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        strbuf_printf(&more, ", dilation %dx%d", s->dilation_rows, s->dilation_cols);
    }
    if (c->groups > 1) {
        strbuf_printf(&more, ", %" PRId64 " groups", c->groups);
    }
    CExpr weights =
        c->wide ? cexpr_format("[oc/%d][tap][%d]", (int)c->rows, (int)c->rows) : (CExpr){"[oc/4][tap/4][4][4]"};
    cw_comment(w,
               "Convolution %dx%d, stride %dx%d, padding from top left %dx%d%s: %dx%dx%d -> %dx%dx%d%s.\n"
               "A matrix product in tiles of %d pixels x %d taps (input channel, ky, kx)%s; weights%s.",
               s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top, s->pad_left,
               more.len > 0 ? more.ptr : "", s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, emit_epilogue_text(e).text, c->kernel->tile_pixels, c->kernel->tile_taps,
               c->wide ? ", in rows of channels, since so few pixels fill no rows" : "", weights.text);
    strbuf_free(&more);
}

/* Four rows of sums start with the bias; NULL: with zeros. */
static void emit_start(const Conv *c, const char *bias, CWriter *w)
{
    if (bias != NULL) {
        cw_line(w, "matrix_start_%" PRId64 "(%s, sums);", c->tile, bias);
    } else {
        cw_open(w, "for (int p = 0; p < %" PRId64 "; ++p)", CONV_ROWS * c->tile);
        cw_line(w, "sums[p] = 0.0f;");
        cw_close(w, "");
    }
}

static void emit_product(const Conv *c, const char *weights, CWriter *w)
{
    cw_line(w, "matrix_tile_%" PRId64 "(rows, %s, %s, sums);", c->tile, weights, emit_conv_taps(c).text);
}

static void emit_outputs(const Conv *c, CWriter *w)
{
    emit_conv_store_call(c, "oc", "sums", w);
}

CExpr emit_conv_taps(const Conv *c)
{
    if (c->padded_taps % c->block != 0) {
        return (CExpr){"end_tap - tap"};
    }
    return cexpr_int(c->block);
}

void emit_conv_store_call(const Conv *c, const char *oc, const char *sums, CWriter *w)
{
    CExpr channel = cexpr_sum(
        (Term[]){{"group", c->groups > 1 ? c->out_channels : 0}, {oc, c->padded_out > CONV_ROWS}, {NULL, 0}}, 0);
    bool odd = c->out_channels % CONV_ROWS != 0;
    if (odd && c->padded_out > CONV_ROWS) {
        cw_line(w, "const int channels = %s + 4 <= %" PRId64 " ? 4 : %" PRId64 ";", oc, c->out_channels,
                c->out_channels % CONV_ROWS);
    } else if (odd) {
        cw_line(w, "const int channels = %" PRId64 ";", c->out_channels);
    }
    cw_line(w, "%.*s_store(a, %s, %s%spixels, %s);", c->name_length, c->name, channel.text, odd ? "channels, " : "",
            has_first(c) ? "first, " : "", sums);
}

/* The loop over blocks of channels, for one tile and one block of taps. */
static void emit_channels(const Conv *c, Split split, CWriter *w)
{
    bool many = c->padded_out > c->rows, single = c->blocks == 1;
    if (many && split == SPLIT_CHANNELS) {
        cw_open(w, "for (%s oc = 4 * first_block; oc < 4 * end_block; oc += 4)", c->index);
    } else if (many) {
        cw_open(w, "for (%s oc = 0; oc < %" PRId64 "; oc += %" PRId64 ")", c->index, c->padded_out, c->rows);
    }
    CExpr sums = cexpr_sum((Term[]){{"acc", 1}, {"oc", many && !single ? c->tile : 0}, {NULL, 0}}, 0);
    cw_line(w, "float *const sums = %s;", sums.text);
    if (!single) {
        cw_open(w, "if (tap == 0)");
    }
    CExpr bias =
        cexpr_sum((Term[]){{"a->bias", 1}, {"group", c->groups > 1 ? c->padded_out : 0}, {"oc", many}, {NULL, 0}}, 0);
    (c->wide ? emit_wide_start : emit_start)(c, c->kernel->epilogue.bias ? bias.text : NULL, w);
    if (!single) {
        cw_close(w, "");
    }
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1},
                                       {"group", c->groups > 1 ? c->padded_out * c->padded_taps : 0},
                                       {"oc", many ? c->padded_taps : 0},
                                       {"tap", single ? 0 : c->rows},
                                       {NULL, 0}},
                              0);
    (c->wide ? emit_wide_product : emit_product)(c, weights.text, w);
    if (!single) {
        cw_open(w, "if (end_tap == %" PRId64 ")", c->padded_taps);
    }
    (c->wide ? emit_wide_outputs : emit_outputs)(c, w);
    if (!single) {
        cw_close(w, "");
    }
    if (many) {
        cw_close(w, "");
    }
}

/* The pixels of a tile. */
static void emit_pixels(const Conv *c, CWriter *w)
{
    if (c->tiles > 1) {
        cw_line(w, "const int first = tile * %" PRId64 ";", c->tile);
    }
    if (c->tiles > 1 && last_tile_is_short(c)) {
        cw_line(w, "const int pixels = tile < %" PRId64 " ? %" PRId64 " : %" PRId64 ";", c->tiles - 1, c->tile,
                c->pixels % c->tile);
    } else {
        cw_line(w, "const int pixels = %" PRId64 ";", c->tiles > 1 ? c->tile : c->pixels);
    }
}

/* One tile: its blocks of taps, one after the other. */
static void emit_tile(const Conv *c, Split split, CWriter *w)
{
    (c->wide ? emit_wide_share : emit_pixels)(c, w);
    CExpr x =
        cexpr_sum((Term[]){{"a->x[0]", 1}, {"group", c->groups > 1 ? c->in_channels * c->in_plane : 0}, {NULL, 0}}, 0);
    CExpr all = cexpr_int(c->padded_taps);
    const char *tap = "0", *end = all.text;
    if (c->blocks > 1) {
        cw_open(w, "for (int tap = 0; tap < %" PRId64 "; tap += %" PRId64 ")", c->padded_taps, c->block);
        if (c->padded_taps % c->block == 0) {
            cw_line(w, "const int end_tap = tap + %" PRId64 ";", c->block);
        } else {
            cw_line(w, "const int end_tap = tap + %" PRId64 " < %" PRId64 " ? tap + %" PRId64 " : %" PRId64 ";",
                    c->block, c->padded_taps, c->block, c->padded_taps);
        }
        tap = "tap";
        end = "end_tap";
    }
    cw_line(w, "%.*s_gather(%s, %s, %s, %spixels, rows);", c->name_length, c->name, x.text, tap, end,
            has_first(c) ? "first, " : "");
    if (c->wide) {
        emit_wide_turn(c, w);
    }
    emit_channels(c, split, w);
    if (c->blocks > 1) {
        cw_close(w, "");
    }
}

void emit_conv(const Kernel *kernel, CWriter *w)
{
    Conv c = conv_of(kernel);
    Split split = split_of(&c);
    emit_gather(&c, w);
    emit_conv_store(&c, w);
    emit_head_comment(&c, w);
    emit_kernel_head(kernel, w);
    cw_line(w, "float *const rows = %s; /* [%" PRId64 " taps][%" PRId64 " pixels] */", emit_scratch(kernel).text,
            c.block, c.tile);
    int64_t gathered = c.block * c.tile, channels = c.blocks == 1 ? c.rows : c.padded_out;
    if (c.wide) {
        cw_line(w, "float *const turned = rows + %" PRId64 "; /* the same, [pixels/4][taps/4][4][4] */", gathered);
        cw_line(w,
                "float *const acc = turned + %" PRId64 "; /* [%" PRId64 " channels/%" PRId64 "][%" PRId64
                " pixels][%" PRId64 "] */",
                gathered, channels, c.rows, c.tile, c.rows);
    } else {
        cw_line(w, "float *const acc = rows + %" PRId64 "; /* [%" PRId64 " channels][%" PRId64 " pixels] */", gathered,
                channels, c.tile);
    }
    switch (split) {
    case SPLIT_TILES:
        emit_split(w, "tile", c.tiles);
        break;
    case SPLIT_GROUPS:
        emit_split(w, "group", c.groups);
        break;
    case SPLIT_CHANNELS:
        emit_split(w, "block", c.padded_out / CONV_ROWS);
        break;
    case SPLIT_PIXELS:
        emit_split(w, "four", c.tile / CONV_ROWS);
        break;
    }
    cw_blank(w);
    if (c.groups > 1 && split == SPLIT_GROUPS) {
        cw_open(w, "for (%s group = first_group; group < end_group; ++group)", c.index);
    } else if (c.groups > 1) {
        cw_open(w, "for (%s group = 0; group < %" PRId64 "; ++group)", c.index, c.groups);
    }
    if (split == SPLIT_TILES) {
        cw_open(w, "for (int tile = first_tile; tile < end_tile; ++tile)");
    } else if (c.tiles > 1) {
        cw_open(w, "for (int tile = 0; tile < %" PRId64 "; ++tile)", c.tiles);
    }
    emit_tile(&c, split, w);
    if (split == SPLIT_TILES || c.tiles > 1) {
        cw_close(w, "");
    }
    if (c.groups > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}
