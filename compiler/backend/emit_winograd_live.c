/* winograd_live: Winograd's convolution by 3x3 windows, F(2x2,3x3) to F(6x6,3x3), whose filters lie in the weights as they are
 * and are transformed each time they are used. For small images of many channels, where transformed filters would take
 * longer to come from memory than their products take.
 *
 * A tile function keeps one row of points of some 2-D tiles in registers. For each input channel it reads the nine
 * vectors of a filter, makes the row's three (down the columns) and of these its points one after the other, and multiplies
 * each by the tiles' inputs: nothing is stored but sums. Powers of two are additions, which on many processors have a unit
 * beside that of products; the divisors of G are in the transform of the inputs (emit_winograd_tile.c).
 *
 * Stride 2: four phases as in emit_winograd.c, F(2x2,2x2) to F(7x7,2x2). A phase of even rows has the taps 0 and 2 of a
 * column, one of odd rows tap 1 alone, which is the same at all finite points and nothing at infinity; columns alike. So
 * there are few additions, and a tile of many points pays even alone.
 *
 * V is [plane][chunk][phase][xi][tile of the chunk][b] and M [chunk][xi][tile of the chunk][b], so that what one plane needs,
 * filters, V and sums, stays in the first-level cache for small images. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/emit_winograd.h"

/* Points in the order of PackKind's WINOGRAD: 0, 1, -1, 2, -2, 1/2, -1/2 as far as they are needed, infinity. */
static bool is_infinite(int32_t point, int32_t points)
{
    return point == points - 1;
}

static bool is_negative(int32_t point)
{
    return point > 0 && point % 2 == 0;
}

/* A finite point other than 0 is even_part + odd_part, its negative even_part - odd_part: of the taps a, b, c at 1, at 2, four
 * times that at 1/2; stride 2: of the two taps a, c at 1, at 2, twice that at 1/2. */
static const char *even_part(const TileShape *t, int32_t point)
{
    static const char *const of_three[] = {"a + c", "a + (c + c + (c + c))", "a + a + (a + a) + c"};
    static const char *const of_two[] = {"a", "a", "a + a"};
    return (t->step > 1 ? of_two : of_three)[(point - 1) / 2];
}

static const char *odd_part(const TileShape *t, int32_t point)
{
    static const char *const of_three[] = {"b", "(b + b)", "(b + b)"}, *const of_two[] = {"c", "(c + c)", "c"};
    return (t->step > 1 ? of_two : of_three)[(point - 1) / 2];
}

double winograd_live_divisor(int32_t point, int32_t points, int32_t stride, int32_t phase)
{
    bool half = point > 4 && !is_infinite(point, points);
    double times = !half || phase > 0 ? 1.0 : stride > 1 ? 2.0 : 4.0;
    return winograd_divisor(point, points) * times;
}

CExpr emit_live_name(const TileShape *t)
{
    CExpr name = cexpr_format("live%d_%st%d", t->live, t->step > 1 ? "s2_" : "", t->cols);
    return t->ahead > 0 ? cexpr_format("%s_n%d", name.text, t->ahead) : name;
}

/* g[0] to g[2]: the filter at this row of points, of its three columns. Stride 2: its even rows. */
static void emit_filter_row(const TileShape *t, int32_t row, int32_t points, int32_t b, CWriter *w)
{
    cw_line(w, "vector g[3];");
    emit_open_unrolled(w, "k", 3);
    if (row == 0 || is_infinite(row, points)) {
        cw_line(w, "g[k] = vector_load(filter + k * %d%s);", b, emit_offset(row == 0 ? 0 : 6 * (int64_t)b).text);
    } else {
        cw_line(w, "const vector a = vector_load(filter + k * %d);", b);
        if (t->step == 1) {
            cw_line(w, "const vector b = vector_load(filter + k * %d + %d);", b, 3 * b);
        }
        cw_line(w, "const vector c = vector_load(filter + k * %d + %d);", b, 6 * b);
        cw_line(w, "g[k] = %s %s %s;", even_part(t, row), is_negative(row) ? "-" : "+", odd_part(t, row));
    }
    cw_close(w, "");
}

/* Floats of V from phase to phase. */
static int64_t phase_floats(const TileShape *t, int32_t points, int32_t b)
{
    return (int64_t)points * points * t->cols * b;
}

static void emit_point_products(const TileShape *t, int32_t point, const char *filter, int32_t b, CWriter *w)
{
    emit_open_unrolled(w, "i", t->cols);
    CExpr x = cexpr_sum((Term[]){{"i", b}, {NULL, 0}}, (int64_t)point * t->cols * b);
    CExpr sum = cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, (int64_t)point * t->cols);
    cw_line(w, "s[%s] += %s * in[%s];", sum.text, filter, x.text);
    cw_close(w, "");
}

/* The points of a row of taps, each used as soon as it is there. */
static void emit_points(const TileShape *t, int32_t points, int32_t b, CWriter *w)
{
    cw_comment(w,
               "Adds to the sums s [%d][%d] of a row of points the products of in [%d][%d][%d]%s with the points of "
               "the taps g.",
               points, t->cols, points, t->cols, b, t->step > 1 ? ", even and odd columns," : "");
    cw_line(w, "CNN_INLINE void %s_products(const float *in, const vector *g, vector *s)", emit_live_name(t).text);
    cw_body(w);
    cw_line(w, "const vector a = g[0], b = g[1], c = g[2];");
    emit_point_products(t, 0, "a", b, w);
    emit_point_products(t, points - 1, "c", b, w);
    if (t->step > 1) { /* the phase of odd columns */
        emit_open_unrolled(w, "i", (points - 1) * t->cols);
        CExpr x = cexpr_sum((Term[]){{"i", b}, {NULL, 0}}, phase_floats(t, points, b));
        cw_line(w, "s[i] += b * in[%s];", x.text);
        cw_close(w, "");
    }
    for (int32_t point = 1; point < points - 1; ++point) {
        if (!is_negative(point)) {
            cw_line(w, "const vector even%d = %s, odd%d = %s;", point, even_part(t, point), point, odd_part(t, point));
        }
        int32_t pair = is_negative(point) ? point - 1 : point;
        cw_line(w, "const vector u%d = even%d %s odd%d;", point, pair, is_negative(point) ? "-" : "+", pair);
        emit_point_products(t, point, cexpr_format("u%d", point).text, b, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

static void emit_point_row(const TileShape *t, int32_t row, int32_t points, int32_t b, CWriter *w)
{
    enum { FILTER = 9 };
    int32_t sums = points * t->cols;
    cw_body(w);
    CExpr in = cexpr_sum((Term[]){{"x", 1}, {NULL, 0}}, (int64_t)row * sums * b);
    cw_line(w, "const float *in = %s, *filter = w;", in.text);
    cw_line(w, "vector *const to = sums%s;", emit_offset((int64_t)row * sums).text);
    cw_line(w, "vector s[%d];", sums);
    emit_open_unrolled(w, "i", sums);
    cw_line(w, "s[i] = to[i];");
    cw_close(w, "");
    cw_line(w, "CNN_KEEP_LOOP");
    CExpr next = t->ahead > 0 ? cexpr_format(", next += %d", t->ahead) : (CExpr){""};
    cw_open(w, "for (int channel = 0; channel < channels; ++channel, ++in, filter += %d%s)", FILTER * b, next.text);
    for (int32_t line = 0; line * CACHE_LINE < t->ahead; ++line) {
        cw_line(w, "__builtin_prefetch(next%s, 0, 2);", emit_offset(line * CACHE_LINE).text);
    }
    emit_filter_row(t, row, points, b, w);
    cw_line(w, "%s_products(in, g, s);", emit_live_name(t).text);
    if (t->step > 1 && !is_infinite(row, points)) { /* the phases of odd rows */
        emit_open_unrolled(w, "k", 3);
        cw_line(w, "g[k] = vector_load(filter + k * %d + %d);", b, 3 * b);
        cw_close(w, "");
        cw_line(w, "%s_products(in + %" PRId64 ", g, s);", emit_live_name(t).text, 2 * phase_floats(t, points, b));
    }
    cw_close(w, "");
    emit_open_unrolled(w, "i", sums);
    cw_line(w, "to[i] = s[i];");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_live_tile(const TileShape *t, int32_t b, CWriter *w)
{
    int32_t taps = winograd_taps(3, t->step), points = winograd_points(t->live, taps);
    emit_points(t, points, b, w);
    cw_comment(w,
               "Adds to sums [%d][%d][%d tiles] the products of x %s[%d][%d][%d tiles][%d] with filters w "
               "[channels][3][3][%d], which are transformed here for F(%dx%d,%dx%d).%s",
               points, points, t->cols, t->step > 1 ? "[2][2]" : "", points, points, t->cols, b, b, t->live, t->live,
               taps, taps, t->ahead > 0 ? " The weights at next will be wanted soon." : "");
    cw_line(w, "CNN_TILE void %s(const float *x, const float *w,%s int channels, vector *sums)", emit_live_name(t).text,
            t->ahead > 0 ? " const float *next," : "");
    cw_body(w);
    for (int32_t row = 0; row < points; ++row) {
        emit_point_row(t, row, points, b, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

/* --- the kernel's part */

/* Weights of a plane of input channels, and how many of them each channel of each row of points asks for ahead of time. */
static int32_t plane_floats(const Winograd *g)
{
    return 9 * g->b * g->b;
}

static TileShape shape_of(const Winograd *g)
{
    int32_t ahead = (9 * g->b + g->point_rows * g->chunks - 1) / (g->point_rows * g->chunks);
    return (TileShape){.live = g->kernel->winograd.rows,
                       .cols = g->chunk,
                       .step = g->stride,
                       .ahead = g->kernel->prefetch_bytes > 0 ? ahead : 0};
}

int winograd_live_tiles(const Winograd *g, TileShape *shapes)
{
    shapes[0] = shape_of(g);
    return 1;
}

void emit_live_products(const Winograd *g, CWriter *w)
{
    TileShape shape = shape_of(g);
    int32_t sums = g->area * g->chunk * g->b, chunk_floats = g->stride * g->stride * sums;
    int32_t last = (int32_t)(g->s->in_channels / g->groups - (g->in_planes - 1) * g->b);
    cw_open(w, "for (int i = 0; i < %d; i += %d)", g->chunks * sums, g->b);
    cw_line(w, "vector_store(m + i, vector_all(0.0f));");
    cw_close(w, "");
    cw_open(w, "for (int plane = 0; plane < %" PRId64 "; ++plane)", g->in_planes);
    CExpr channels = last == g->b        ? cexpr_int(g->b)
                     : g->in_planes == 1 ? cexpr_int(last)
                                         : cexpr_format("plane < %" PRId64 " ? %d : %d", g->in_planes - 1, g->b, last);
    cw_line(w, "const int channels = %s;", channels.text);
    cw_line(w, "const float *const from = v + plane * %d, *const u = weights + plane * %d;", g->chunks * chunk_floats,
            plane_floats(g));
    if (g->chunks > 1) {
        cw_open(w, "for (int i = 0; i < %d; ++i)", g->chunks);
    }
    CExpr from = cexpr_sum((Term[]){{"from", 1}, {"i", g->chunks > 1 ? chunk_floats : 0}, {NULL, 0}}, 0);
    CExpr to = cexpr_sum((Term[]){{"m", 1}, {"i", g->chunks > 1 ? sums : 0}, {NULL, 0}}, 0);
    CExpr next =
        cexpr_sum((Term[]){{"u", 1}, {"i", g->chunks > 1 ? (int64_t)shape.ahead * g->b * g->point_rows : 0}, {NULL, 0}},
                  plane_floats(g));
    cw_line(w, "%s(%s, u,%s%s%s channels, (vector *)(%s));", emit_live_name(&shape).text, from.text,
            shape.ahead > 0 ? " " : "", shape.ahead > 0 ? next.text : "", shape.ahead > 0 ? "," : "", to.text);
    if (g->chunks > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
}
