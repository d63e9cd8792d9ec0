/* conv_transpose: outputs whose row and whose column leave the same rest after division by the stride are a phase. All
 * pixels of a phase see the same taps, each at a fixed distance: a phase is an ordinary convolution of stride 1, done
 * as a matrix product in tiles like conv. Nothing is multiplied by the zeros between the strides, and no result is
 * added to memory that another part writes.
 *
 *   NAME_row_..., NAME_col_...  tables: of each phase its taps, and which input row (column) each sees for pixel 0
 *   NAME_gather                 rows[tap][pixel] of one tile, as in conv
 *   NAME_select                 the weights of the phase's taps, for four output channels, as the kernel reads them
 *   NAME_store                  residual, activation, and the way to the phase's places in the output
 * Weights lie as [oc/4][ic][ky][kx][4], zero past the last channel; the bias is padded alike. */
#include "backend/emit.h"

#include <inttypes.h>

#include "support/ints.h"

typedef struct Transposed {
    const Kernel *kernel;
    const KernelSizes *s;
    const char *name;
    int name_length;
    TransposedAxis axis[2];
    int32_t phases[2];
    int64_t groups, in_channels, out_channels, padded_out; /* of one group */
    int64_t window, in_plane, out_plane;
    int64_t tile, channels; /* pixels, input channels done at once */
    int64_t tiles;          /* of all phases and groups */
    bool single;            /* all input channels at once */
    const char *index;
} Transposed;

/* Pixels of a phase along one axis. */
static int64_t pixels_along(const TransposedAxis *axis, int32_t phase)
{
    return int_div_up((int64_t)axis->out - phase, axis->stride);
}

static Transposed transposed_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Transposed t = {.kernel = kernel, .s = s, .name = kernel->name.ptr, .name_length = (int)kernel->name.len};
    for (int i = 0; i < 2; ++i) {
        t.axis[i] = transposed_axis(s, i);
        t.phases[i] = t.axis[i].stride < t.axis[i].out ? t.axis[i].stride : t.axis[i].out;
    }
    t.groups = s->groups;
    t.in_channels = s->in_channels / s->groups;
    t.out_channels = s->out_channels / s->groups;
    t.padded_out = int_div_up(t.out_channels, CONV_ROWS) * CONV_ROWS;
    t.window = (int64_t)s->kernel_rows * s->kernel_cols;
    t.in_plane = (int64_t)s->in_rows * s->in_cols;
    t.out_plane = (int64_t)s->out_rows * s->out_cols;
    t.tile = kernel->tile_pixels;
    int64_t taps = (int64_t)transposed_taps(s, 0) * transposed_taps(s, 1);
    t.channels = kernel->tile_taps / taps;
    t.single = t.channels >= t.in_channels;
    if (t.tile <= 0 || t.channels <= 0 || kernel->tile_taps % CONV_COLS != 0 ||
        kernel->weight_format.row_block != CONV_ROWS || kernel->weight_format.col_block != 1 ||
        kernel->scratch_bytes < 4 * (t.tile * (kernel->tile_taps + (t.single ? CONV_ROWS : t.padded_out)) +
                                     CONV_ROWS * kernel->tile_taps)) {
        ICE("conv_transpose kernel '" STR_FMT "' has no tiles", STR_ARG(kernel->name));
    }
    for (int32_t row = 0; row < t.phases[0]; ++row) {
        for (int32_t col = 0; col < t.phases[1]; ++col) {
            t.tiles += t.groups * int_div_up(pixels_along(&t.axis[0], row) * pixels_along(&t.axis[1], col), t.tile);
        }
    }
    t.index = cexpr_index_type(
        int_max(int_max(s->in_channels * t.in_plane, s->out_channels * t.out_plane) + int_max(t.tile, s->stride_cols),
                t.groups * t.padded_out * t.in_channels * t.window));
    return t;
}

/* --- tables */

/* start[phase]: the phase's first tap; tap[]: its place in the window; shift[]: input row of the phase's pixel 0. */
static void emit_axis_tables(const Transposed *t, int i, CWriter *w)
{
    const TransposedAxis *axis = &t->axis[i];
    const char *along = i == 0 ? "row" : "col";
    StrBuf start = {0}, tap = {0}, shift = {0};
    int32_t count = 0;
    for (int32_t phase = 0; phase < t->phases[i]; ++phase) {
        strbuf_printf(&start, "%d, ", (int)count);
        for (int32_t k = 0; k < axis->kernel; ++k) {
            if (transposed_sees(axis, phase, k)) {
                int64_t at = ((int64_t)phase + axis->pad - (int64_t)k * axis->dilation) / axis->stride;
                strbuf_printf(&tap, "%s%d", count > 0 ? ", " : "", (int)k);
                strbuf_printf(&shift, "%s%" PRId64, count > 0 ? ", " : "", at);
                ++count;
            }
        }
    }
    strbuf_printf(&start, "%d", (int)count);
    if (count == 0) { /* C has no empty arrays */
        strbuf_printf(&tap, "0");
        strbuf_printf(&shift, "0");
    }
    cw_line(w, "static const int %.*s_%s_start[%d] = {%s};", t->name_length, t->name, along, t->phases[i] + 1,
            start.ptr);
    cw_line(w, "static const int %.*s_%s_tap[%d] = {%s};", t->name_length, t->name, along, count > 0 ? count : 1,
            tap.ptr);
    cw_line(w, "static const int %.*s_%s_shift[%d] = {%s};", t->name_length, t->name, along, count > 0 ? count : 1,
            shift.ptr);
    strbuf_free(&start);
    strbuf_free(&tap);
    strbuf_free(&shift);
}

static void emit_tables(const Transposed *t, CWriter *w)
{
    cw_comment(
        w,
        "Transposed convolution %dx%d: phase f are the outputs f, f + stride, ... of an axis. Its taps are number "
        "start[f] to start[f + 1] of tap; pixel i sees input i + shift under them.",
        t->s->kernel_rows, t->s->kernel_cols);
    emit_axis_tables(t, 0, w);
    emit_axis_tables(t, 1, w);
    cw_blank(w);
}

/* The loops over the taps of a phase; `body` is written inside by the caller. Closed by close_tap_loops. */
static void open_tap_loops(const Transposed *t, CWriter *w)
{
    cw_open(w, "for (int ic = 0; ic < channels; ++ic)");
    cw_open(w, "for (int u = %.*s_row_start[row_phase]; u < %.*s_row_start[row_phase + 1]; ++u)", t->name_length,
            t->name, t->name_length, t->name);
    cw_open(w, "for (int v = %.*s_col_start[col_phase]; v < %.*s_col_start[col_phase + 1]; ++v)", t->name_length,
            t->name, t->name_length, t->name);
}

static void close_tap_loops(CWriter *w)
{
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

/* "const int cols = (112 - col_phase + 1) / 2;": pixels of a row of the phase. */
static void emit_phase_cols(const Transposed *t, CWriter *w)
{
    const TransposedAxis *axis = &t->axis[1];
    if (axis->stride == 1) {
        cw_line(w, "const int cols = %d;", axis->out);
    } else {
        cw_line(w, "const int cols = (%" PRId64 " - col_phase) / %d;", (int64_t)axis->out + axis->stride - 1,
                axis->stride);
    }
}

/* --- NAME_gather */

static void emit_gather(const Transposed *t, CWriter *w)
{
    const KernelSizes *s = t->s;
    cw_comment(w, "rows[tap][p] = the input under each tap (ic, u, v) of a phase, for its pixel first + p; 0 where "
                  "there is none. "
                  "Returns the number of taps, with rows of zeros up to a multiple of four.");
    cw_line(w,
            "static int %.*s_gather(const float *x, int channels, int row_phase, int col_phase, int first, int pixels, "
            "float *rows)",
            t->name_length, t->name);
    cw_body(w);
    emit_phase_cols(t, w);
    cw_line(w, "int taps = 0;");
    open_tap_loops(t, w);
    cw_line(w, "const int row_shift = %.*s_row_shift[u], col_shift = %.*s_col_shift[v];", t->name_length, t->name,
            t->name_length, t->name);
    cw_line(w, "float *const row = rows + taps * %" PRId64 ";", t->tile);
    cw_line(
        w, "const float *const plane = %s;",
        cexpr_sum((Term[]){{"x", 1}, {t->index[0] == 'i' ? "ic" : "(ptrdiff_t)ic", t->in_plane}, {NULL, 0}}, 0).text);
    cw_line(w, "++taps;");
    cw_open(w, "for (int p = 0; p < %" PRId64 "; ++p)", t->tile);
    cw_line(w, "row[p] = 0.0f;");
    cw_close(w, "");
    cw_line(w, "int i = first / cols, j = first %% cols;");
    cw_open(w, "for (int p = 0; p < pixels; ++i)");
    cw_comment(w, "The tile's pixels in row i of the phase: columns [j, stop).");
    cw_line(w, "const int stop = j + pixels - p < cols ? j + pixels - p : cols;");
    cw_line(w, "const int iy = i + row_shift;");
    cw_open(w, "if (iy >= 0 && iy < %d)", s->in_rows);
    cw_line(w, "const int from = j + col_shift > 0 ? j : -col_shift;");
    cw_line(w, "const int end = stop + col_shift < %d ? stop : %d - col_shift;", s->in_cols, s->in_cols);
    cw_line(w, "const int input = iy * %d + col_shift; /* of column 0 */", s->in_cols);
    cw_open(w, "for (int column = from; column < end; ++column)");
    cw_line(w, "row[p - j + column] = plane[input + column];");
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "p += stop - j;");
    cw_line(w, "j = 0;");
    cw_close(w, "");
    close_tap_loops(w);
    cw_open(w, "for (; taps %% 4 != 0; ++taps)");
    cw_open(w, "for (int p = 0; p < %" PRId64 "; ++p)", t->tile);
    cw_line(w, "rows[taps * %" PRId64 " + p] = 0.0f;", t->tile);
    cw_close(w, "");
    cw_close(w, "");
    cw_line(w, "return taps;");
    cw_close(w, "");
    cw_blank(w);
}

/* --- NAME_select */

static void emit_select(const Transposed *t, CWriter *w)
{
    cw_comment(w, "w[taps / 4][4 channels][4 taps] = the weights under the same taps; zeros past the last.");
    cw_line(w, "static void %.*s_select(const float *weights, int channels, int row_phase, int col_phase, float *w)",
            t->name_length, t->name);
    cw_body(w);
    cw_line(w, "int taps = 0;");
    open_tap_loops(t, w);
    StrBuf at = {0};
    strbuf_printf(&at, "%.*s_row_tap[u]", t->name_length, t->name);
    StrBuf col = {0};
    strbuf_printf(&col, "%.*s_col_tap[v]", t->name_length, t->name);
    cw_line(w, "const int tap = %s * %d + %s;", at.ptr, t->s->kernel_cols, col.ptr);
    strbuf_free(&at);
    strbuf_free(&col);
    CExpr from = cexpr_sum((Term[]){{"weights", 1},
                                    {t->index[0] == 'i' ? "ic" : "(ptrdiff_t)ic", CONV_ROWS * t->window},
                                    {"tap", CONV_ROWS},
                                    {NULL, 0}},
                           0);
    cw_line(w, "const float *const from = %s;", from.text);
    cw_line(w, "float *const to = w + taps / 4 * 16 + taps %% 4;");
    for (int row = 0; row < CONV_ROWS; ++row) {
        cw_line(w, "to[%d] = from[%d];", CONV_COLS * row, row);
    }
    cw_line(w, "++taps;");
    close_tap_loops(w);
    cw_open(w, "for (; taps %% 4 != 0; ++taps)");
    cw_line(w, "float *const to = w + taps / 4 * 16 + taps %% 4;");
    cw_line(w, "to[0] = to[4] = to[8] = to[12] = 0.0f;");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- NAME_store */

static void emit_transposed_store(const Transposed *t, CWriter *w)
{
    const KernelSizes *s = t->s;
    const Epilogue *e = &t->kernel->epilogue;
    cw_comment(w, "Writes up to four channels of a tile of a phase%s%s.",
               e->residual ? ": adds the residual, which may be y itself" : "",
               e->act.op == OP_IDENTITY ? ""
               : e->residual            ? ", then the activation"
                                        : " after the activation");
    cw_line(
        w,
        "static void %.*s_store(const step_arguments *a, %s oc, int channels, int row_phase, int col_phase, int first, "
        "int pixels, const float *sums)",
        t->name_length, t->name, t->index);
    cw_body(w);
    emit_phase_cols(t, w);
    cw_open(w, "for (int row = 0; row < channels; ++row, ++oc, sums += %" PRId64 ")", t->tile);
    cw_line(w, "int i = first / cols, j = first %% cols;");
    cw_open(w, "for (int p = 0; p < pixels; ++i)");
    cw_line(w, "const int count = pixels - p < cols - j ? pixels - p : cols - j;");
    StrBuf oy = {0}, ox = {0};
    strbuf_printf(&oy, s->stride_rows > 1 ? "(row_phase + i * %d)" : "(row_phase + i)", (int)s->stride_rows);
    strbuf_printf(&ox, s->stride_cols > 1 ? "j * %d" : "j", (int)s->stride_cols);
    CExpr place =
        cexpr_sum((Term[]){{"oc", t->out_plane}, {oy.ptr, s->out_cols}, {"col_phase", 1}, {ox.ptr, 1}, {NULL, 0}}, 0);
    cw_line(w, "const %s at = %s;", t->index, place.text);
    strbuf_free(&oy);
    strbuf_free(&ox);
    cw_open(w, "for (int k = 0; k < count; ++k)");
    CExpr element = cexpr_sum((Term[]){{"at", 1}, {"k", s->stride_cols}, {NULL, 0}}, 0);
    StrBuf value = {0};
    strbuf_printf(&value, "sums[p + k]");
    if (e->residual) {
        strbuf_printf(&value, " + a->residual[%s]", element.text);
    }
    emit_store(w, &e->act, cexpr_at("a->y", element).text, value.ptr);
    strbuf_free(&value);
    cw_close(w, "");
    cw_line(w, "p += count;");
    cw_line(w, "j = 0;");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- NAME */

static void emit_head_comment(const Transposed *t, CWriter *w)
{
    const KernelSizes *s = t->s;
    const Epilogue *e = &t->kernel->epilogue;
    StrBuf more = {0};
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        strbuf_printf(&more, ", dilation %dx%d", (int)s->dilation_rows, (int)s->dilation_cols);
    }
    if (t->groups > 1) {
        strbuf_printf(&more, ", %" PRId64 " groups", t->groups);
    }
    cw_comment(w,
               "Transposed convolution %dx%d, stride %dx%d, padding at top left %dx%d%s: %dx%dx%d -> %dx%dx%d%s.\n"
               "Phase by phase; a matrix product in tiles of %d pixels x %" PRId64
               " input channels; weights[oc/4][ic][ky][kx][4].",
               s->kernel_rows, s->kernel_cols, s->stride_rows, s->stride_cols, s->pad_top, s->pad_left,
               more.len > 0 ? more.ptr : "", s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, emit_epilogue_text(e).text, t->kernel->tile_pixels,
               t->channels < t->in_channels ? t->channels : t->in_channels);
    strbuf_free(&more);
}

/* Four sums a pixel start with the bias. */
static void emit_start(const Transposed *t, CWriter *w)
{
    if (t->kernel->epilogue.bias) {
        CExpr bias = cexpr_sum((Term[]){{"a->bias", 1},
                                        {"group", t->groups > 1 ? t->padded_out : 0},
                                        {"oc", t->padded_out > CONV_ROWS},
                                        {NULL, 0}},
                               0);
        cw_line(w, "matrix_start_%" PRId64 "(%s, sums);", t->tile, bias.text);
    } else {
        cw_open(w, "for (int p = 0; p < %" PRId64 "; ++p)", CONV_ROWS * t->tile);
        cw_line(w, "sums[p] = 0.0f;");
        cw_close(w, "");
    }
}

/* One tile: its blocks of input channels, one after the other, and in each all output channels. */
static void emit_tile(const Transposed *t, CWriter *w)
{
    bool many = t->padded_out > CONV_ROWS;
    cw_line(w, "const int first = tile * %" PRId64 ";", t->tile);
    cw_line(w, "const int pixels = count - first < %" PRId64 " ? count - first : %" PRId64 ";", t->tile, t->tile);
    CExpr channels = cexpr_int(t->in_channels);
    CExpr ic = {"0"};
    if (!t->single) {
        cw_open(w, "for (%s ic = 0; ic < %" PRId64 "; ic += %" PRId64 ")", t->index, t->in_channels, t->channels);
        if (t->in_channels % t->channels == 0) {
            channels = cexpr_int(t->channels);
        } else {
            cw_line(w, "const int channels = ic < %" PRId64 " ? %" PRId64 " : %" PRId64 ";",
                    t->in_channels / t->channels * t->channels, t->channels, t->in_channels % t->channels);
            channels = (CExpr){"channels"};
        }
        ic = (CExpr){"ic"};
    }
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {"group", t->groups > 1 ? t->in_channels * t->in_plane : 0},
                                 {ic.text, t->single ? 0 : t->in_plane},
                                 {NULL, 0}},
                        0);
    cw_line(w, "const int taps = %.*s_gather(%s, %s, row_phase, col_phase, first, pixels, rows);", t->name_length,
            t->name, x.text, channels.text);
    if (many) {
        cw_open(w, "for (%s oc = 0; oc < %" PRId64 "; oc += 4)", t->index, t->padded_out);
    }
    CExpr sums = cexpr_sum((Term[]){{"acc", 1}, {"oc", many && !t->single ? t->tile : 0}, {NULL, 0}}, 0);
    cw_line(w, "float *const sums = %s;", sums.text);
    if (!t->single) {
        cw_open(w, "if (ic == 0)");
    }
    emit_start(t, w);
    if (!t->single) {
        cw_close(w, "");
    }
    int64_t row = t->in_channels * t->window; /* of the weights: one output channel */
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1},
                                       {"group", t->groups > 1 ? t->padded_out * row : 0},
                                       {"oc", many ? row : 0},
                                       {ic.text, t->single ? 0 : CONV_ROWS * t->window},
                                       {NULL, 0}},
                              0);
    cw_line(w, "%.*s_select(%s, %s, row_phase, col_phase, w);", t->name_length, t->name, weights.text, channels.text);
    cw_line(w, "matrix_tile_%" PRId64 "(rows, w, taps, sums);", t->tile);
    if (!t->single) {
        cw_open(w, "if (ic + %" PRId64 " >= %" PRId64 ")", t->channels, t->in_channels);
    }
    CExpr channel = cexpr_sum((Term[]){{"group", t->groups > 1 ? t->out_channels : 0}, {"oc", many}, {NULL, 0}}, 0);
    CExpr existing = cexpr_int(t->out_channels % CONV_ROWS == 0 ? CONV_ROWS : t->out_channels);
    if (t->out_channels % CONV_ROWS != 0 && many) {
        existing = cexpr_format("oc + 4 <= %" PRId64 " ? 4 : %" PRId64, t->out_channels, t->out_channels % CONV_ROWS);
    }
    cw_line(w, "%.*s_store(a, %s, %s, row_phase, col_phase, first, pixels, sums);", t->name_length, t->name,
            channel.text, existing.text);
    if (!t->single) {
        cw_close(w, "");
    }
    if (many) {
        cw_close(w, "");
    }
    if (!t->single) {
        cw_close(w, "");
    }
}

void emit_conv_transpose(const Kernel *kernel, CWriter *w)
{
    Transposed t = transposed_of(kernel);
    const KernelSizes *s = t.s;
    emit_tables(&t, w);
    emit_gather(&t, w);
    emit_select(&t, w);
    emit_transposed_store(&t, w);
    emit_head_comment(&t, w);
    emit_kernel_head(kernel, w);
    CExpr slice = cexpr_sum((Term[]){{"a->scratch", 1}, {"part", kernel->scratch_bytes / 4}, {NULL, 0}}, 0);
    cw_line(w, "float *const rows = %s; /* [%d taps][%" PRId64 " pixels] */", slice.text, kernel->tile_taps, t.tile);
    cw_line(w, "float *const w = rows + %" PRId64 "; /* [%d taps][4] */", kernel->tile_taps * t.tile,
            kernel->tile_taps);
    cw_line(w, "float *const acc = w + %d; /* [%" PRId64 " channels][%" PRId64 " pixels] */",
            CONV_ROWS * kernel->tile_taps, t.single ? CONV_ROWS : t.padded_out, t.tile);
    emit_split(w, "tile", t.tiles);
    cw_line(w, "int base = 0; /* number of the phase's first tile, over all groups and phases */");
    cw_blank(w);
    if (t.groups > 1) {
        cw_open(w, "for (%s group = 0; group < %" PRId64 "; ++group)", t.index, t.groups);
    }
    cw_open(w, "for (int row_phase = 0; row_phase < %d; ++row_phase)", t.phases[0]);
    cw_open(w, "for (int col_phase = 0; col_phase < %d; ++col_phase)", t.phases[1]);
    cw_line(w,
            "const int count = (%" PRId64 " - row_phase) / %d * ((%" PRId64
            " - col_phase) / %d); /* pixels of the phase */",
            (int64_t)s->out_rows + s->stride_rows - 1, s->stride_rows, (int64_t)s->out_cols + s->stride_cols - 1,
            s->stride_cols);
    cw_line(w, "const int tiles = (count + %" PRId64 ") / %" PRId64 ";", t.tile - 1, t.tile);
    cw_line(w, "const int from = first_tile > base ? first_tile - base : 0;");
    cw_line(w, "const int end = end_tile - base < tiles ? end_tile - base : tiles;");
    cw_open(w, "for (int tile = from; tile < end; ++tile)");
    emit_tile(&t, w);
    cw_close(w, "");
    cw_line(w, "base += tiles;");
    cw_close(w, "");
    cw_close(w, "");
    if (t.groups > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}
