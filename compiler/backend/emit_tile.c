/* The micro-kernel of all vector convolutions: sums of a few pixels and a few vectors of output channels stay in
 * registers, while input values are taken one by one and weights as vectors in the order in which they lie.
 *
 * One function a shape, not one a layer: how far it goes is told by conv_taps. All loops but the outer ones have
 * literal bounds and are unrolled; a round has few steps, because gcc hoists the loads of longer ones and then spills
 * (bench/NOTES.md). Windows of one pixel have tiles of their own, without loops over its rows and columns. */
#include "backend/emit_vector.h"

#include <inttypes.h>

#include "support/ints.h"

int32_t tile_last_rounds(int64_t channels, int32_t b, int32_t unroll)
{
    return (int32_t)int_div_up((channels - 1) % b + 1, unroll);
}

bool tile_takes_half(int64_t channels, int32_t b)
{
    enum { LEAST_HALF = 8 }; /* floats */
    return (channels - 1) % b < b / 2 && b / 2 >= LEAST_HALF;
}

CExpr emit_tile_name(const TileShape *t)
{
    if (t->live > 0) {
        return emit_live_name(t);
    }
    CExpr name = cexpr_format("tile_%dx%d_v%d_s%d_u%d", (int)t->rows, (int)t->cols, (int)t->vectors, (int)t->step,
                              (int)t->unroll);
    if (t->rounds > 0) {
        cexpr_append(&name, "_r%d", (int)t->rounds);
    }
    if (t->prefetch > 0) {
        cexpr_append(&name, "_p%d", (int)t->prefetch);
    } else if (t->row_prefetch > 0) {
        cexpr_append(&name, "_q%d", (int)t->row_prefetch);
    }
    if (t->chain > 0) {
        cexpr_append(&name, "_c%d", (int)t->chain);
    }
    cexpr_append(&name, "%s%s%s%s%s", t->input_ahead ? "_a" : "", t->plane_ahead ? "_n" : "",
                 t->short_plane ? "_t" : "", t->goes_on ? "_g" : "", t->half ? "_h" : "");
    if (t->second_step > 0) {
        cexpr_append(&name, "_and_s%d", (int)t->second_step);
    }
    return name;
}

static void emit_prefetch(int32_t lines, CWriter *w)
{
    for (int32_t line = 0; line < lines; ++line) {
        cw_line(w, "__builtin_prefetch(next%s);", emit_offset(line * CACHE_LINE).text);
    }
}

static int32_t full_vectors(const TileShape *t)
{
    return t->vectors - t->half;
}

/* `n`: the variable that says how far the sums go; `step`: floats between the inputs of pixels. */
static void emit_round(const TileShape *t, const char *n, int32_t step, int32_t b, CWriter *w)
{
    StrBuf head = {0};
    CExpr rounds = cexpr_format("%s.rounds", n), row = cexpr_format("r * %s.pixel_row", n);
    CExpr end = t->short_plane ? (CExpr){"end"} : t->rounds > 0 ? cexpr_int(t->rounds) : rounds;
    if (t->short_plane) {
        cw_line(w, "const int end = plane < %s.planes - 1 ? %d : %s;", n, (int)t->rounds, rounds.text);
    }
    cw_line(w, "CNN_KEEP_LOOP");
    strbuf_printf(&head, "for (int round = 0; round < %s; ++round, in += %d, w += %d", end.text, t->unroll,
                  t->unroll * t->vectors * b);
    if (t->prefetch > 0) {
        strbuf_printf(&head, ", next += %d", t->prefetch * CACHE_LINE);
    }
    cw_open(w, "%s)", head.ptr);
    strbuf_free(&head);
    emit_prefetch(t->prefetch, w);
    if (t->unroll > 1) {
        emit_open_unrolled(w, "i", t->unroll);
    }
    const char *i = t->unroll > 1 ? "i" : "0";
    for (int32_t v = 0; v < t->vectors; ++v) {
        CExpr at = cexpr_sum((Term[]){{"w", 1}, {i, t->unroll > 1 ? t->vectors * b : 0}, {NULL, 0}}, v * b);
        if (v < full_vectors(t)) {
            cw_line(w, "const vector w%d = vector_load(%s);", v, at.text);
        } else {
            cw_line(w, "const vector_half w%d = *(const vector_half *)(%s);", v, at.text);
        }
    }
    if (t->rows > 1) {
        emit_open_unrolled(w, "r", t->rows);
    }
    emit_open_unrolled(w, "p", t->cols);
    CExpr x = cexpr_sum((Term[]){{row.text, t->rows > 1}, {"p", step}, {i, t->unroll > 1}, {NULL, 0}}, 0);
    CExpr sum = cexpr_sum((Term[]){{"r", t->rows > 1 ? t->cols : 0}, {"p", 1}, {NULL, 0}}, 0);
    cw_line(w, "const float value = in[%s];", x.text);
    for (int32_t v = 0; v < full_vectors(t); ++v) {
        cw_line(w, "s[%" PRId32 "][%s] += w%d * value;", v, sum.text, v);
    }
    if (t->half) {
        cw_line(w, "h[%s] += w%d * value;", sum.text, full_vectors(t));
    }
    cw_close(w, "");
    if (t->rows > 1) {
        cw_close(w, "");
    }
    if (t->unroll > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

/* The lines of a later tile's inputs in this plane, to the second level: the first has this tile's. */
static void emit_input_ahead(const TileShape *t, const char *n, int32_t step, CWriter *w)
{
    int32_t pixels = step < CACHE_LINE ? CACHE_LINE / step : 1; /* of a line */
    cw_line(w, "CNN_UNROLL(%d)", (t->cols + pixels - 1) / pixels);
    cw_open(w, "for (int p = 0; p < %d; p += %d)", t->cols, pixels);
    cw_line(w, "__builtin_prefetch(later + p * %d, 0, 2);", step);
    cw_close(w, "");
    cw_line(w, "later += %s.plane_step;", n);
}

/* All products of the planes from `first` to `end` of one input; w goes on where it is. */
static void emit_planes(const TileShape *t, const char *n, const char *first, const char *end, const char *x,
                        int32_t step, int32_t b, CWriter *w)
{
    cw_open(w, "for (int plane = %s; plane < %s; ++plane, %s += %s.plane_step)", first, end, x, n);
    if (t->rounds == 0) {
        cw_line(w, "const float *row = %s;", x);
        cw_open(w, "for (int ky = 0; ky < %s.rows; ++ky, row += %s.row_step)", n, n);
        cw_line(w, "const float *column = row;");
        cw_open(w, "for (int kx = 0; kx < %s.cols; ++kx, column += %s.col_step)", n, n);
    }
    cw_line(w, "const float *in = %s;", t->rounds == 0 ? "column" : x);
    if (t->input_ahead) {
        emit_input_ahead(t, n, step, w);
    }
    for (int32_t at = 0; t->plane_ahead && at < t->cols * step; at += CACHE_LINE) {
        cw_line(w, "__builtin_prefetch(%s + %s.plane_step%s);", x, n, emit_offset(at).text);
    }
    emit_prefetch(t->row_prefetch, w);
    if (t->row_prefetch > 0) {
        CExpr rounds = cexpr_format("%s.rounds", n);
        CExpr all = cexpr_sum((Term[]){{rounds.text, t->rounds > 0 ? 0 : t->unroll * t->vectors * b}, {NULL, 0}},
                              t->rounds * t->unroll * t->vectors * b);
        cw_line(w, "next += %s;", all.text);
    }
    emit_round(t, n, step, b, w);
    if (t->rounds == 0) {
        cw_close(w, "");
        cw_close(w, "");
    }
    cw_close(w, "");
}

/* All products of one input. */
static void emit_products(const TileShape *t, const char *n, const char *taps, const char *x, int32_t step, int32_t b,
                          CWriter *w)
{
    CExpr end = cexpr_format("%s.planes", n);
    cw_line(w, "const conv_taps %s = *%s;", n, taps);
    emit_planes(t, n, "0", end.text, x, step, b, w);
}

/* Zeros, or what is at `start`, in the order of sums. */
static void emit_first_sums(const TileShape *t, CWriter *w)
{
    int32_t pixels = t->rows * t->cols, full = full_vectors(t) * pixels;
    if (full > 0) {
        emit_open_unrolled(w, "i", full);
        cw_line(w, "s[i / %d][i %% %d] = %s;", pixels, pixels, t->goes_on ? "start[i]" : "vector_all(0.0f)");
        cw_close(w, "");
    }
    if (t->half && t->goes_on) {
        CExpr last = cexpr_sum((Term[]){{"start", 1}, {NULL, 0}}, full);
        cw_line(w, "const vector_half *const first = (const vector_half *)(%s);", last.text);
    }
    if (t->half) {
        emit_open_unrolled(w, "i", pixels);
        cw_line(w, "h[i] = %s;", t->goes_on ? "first[2 * i]" : "zero");
        cw_close(w, "");
    }
}

/* Whole vectors of sums go to memory: `assign` is "=", or "+=" where they are added to what is there. */
static void emit_store_sums(const TileShape *t, const char *assign, CWriter *w)
{
    int32_t pixels = t->rows * t->cols;
    emit_open_unrolled(w, "i", full_vectors(t) * pixels);
    cw_line(w, "sums[i] %s s[i / %d][i %% %d];", assign, pixels, pixels);
    cw_close(w, "");
}

/* The sums of some planes at a time, added up: a chain of additions that is half as long has less than three quarters of
 * the rounding errors (bench/NOTES.md). */
static void emit_chains(const TileShape *t, int32_t b, CWriter *w)
{
    cw_line(w, "const conv_taps n = *taps;");
    cw_open(w, "for (int first = 0; first < n.planes; first += %d)", t->chain);
    cw_line(w, "const int after = n.planes - first < %d ? n.planes : first + %d;", t->chain, t->chain);
    cw_line(w, "vector s[%d][%d];", t->vectors, t->rows * t->cols);
    emit_first_sums(t, w);
    emit_planes(t, "n", "first", "after", "x", t->step, b, w);
    cw_open(w, "if (first == 0)");
    emit_store_sums(t, "=", w);
    cw_chain(w, "else");
    emit_store_sums(t, "+=", w);
    cw_close(w, "");
    cw_close(w, "");
}

/* All planes in one chain, of two inputs, with half a vector last where the tile has these. */
static void emit_one_chain(const TileShape *t, int32_t b, CWriter *w)
{
    int32_t pixels = t->rows * t->cols, full = full_vectors(t) * pixels;
    if (full > 0) {
        cw_line(w, "vector s[%d][%d];", full_vectors(t), pixels);
    }
    if (t->half) {
        cw_line(w, "const vector_half zero = {0.0f};");
        cw_line(w, "vector_half h[%d];", pixels);
    }
    emit_first_sums(t, w);
    emit_products(t, "n", "taps", "x", t->step, b, w);
    if (t->second_step > 0) {
        emit_products(t, "n2", "taps2", "x2", t->second_step, b, w);
    }
    if (full > 0) {
        emit_store_sums(t, "=", w);
    }
    if (t->half) {
        CExpr last = cexpr_sum((Term[]){{"sums", 1}, {NULL, 0}}, full);
        cw_line(w, "vector_half *const last = (vector_half *)(%s);", last.text);
        emit_open_unrolled(w, "i", pixels);
        cw_line(w, "last[2 * i] = h[i];");
        cw_line(w, "last[2 * i + 1] = zero;");
        cw_close(w, "");
    }
}

void emit_tile(const TileShape *t, int32_t b, CWriter *w)
{
    if (t->live > 0) {
        emit_live_tile(t, b, w);
        return;
    }
    int32_t pixels = t->rows * t->cols;
    bool ahead = t->prefetch > 0 || t->row_prefetch > 0;
    CExpr second = {""};
    if (t->second_step > 0) {
        second = cexpr_format(", %d in x2, which is next", (int)t->second_step);
    }
    cw_comment(w,
               "sums[%d][%d] = products for %d vector%s of output channels and %d x %d pixels, which lie %d floats "
               "apart in x%s. w lies in the order of use: [taps][%d][%d].%s%s%s%s%s",
               t->vectors, pixels, t->vectors, t->vectors > 1 ? "s" : "", t->rows, t->cols, t->step, second.text,
               t->vectors, b, ahead ? " The weights at next will be wanted soon." : "",
               t->input_ahead   ? " The pixels from later on will be wanted soon."
               : t->plane_ahead ? " The next plane is asked for in time."
                                : "",
               t->goes_on ? " Added to start." : "", t->half ? " Of the last vector, half." : "",
               t->chain > 0 ? " Some planes at a time: long chains of additions round more." : "");
    cw_line(w, "CNN_TILE void %s(const conv_taps *taps, const float *x,%s%s const float *w,%s%s vector *sums)",
            emit_tile_name(t).text, t->second_step > 0 ? " const conv_taps *taps2, const float *x2," : "",
            t->input_ahead ? " const float *later," : "", ahead ? " const float *next," : "",
            t->goes_on ? " const vector *start," : "");
    cw_body(w);
    if (t->chain > 0) {
        emit_chains(t, b, w);
    } else {
        emit_one_chain(t, b, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
