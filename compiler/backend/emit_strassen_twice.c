/* strassen, twice: each of the seven products of emit_strassen.c is made by seven smaller ones, which leaves 49 of 64.
 * The factors of a product are cut once more into quarters: pixels into a left and a right run, which share the middle one
 * where their number is odd; channels by lanes, the lower and the upper half of each vector, so that any number of vectors
 * has halves. Outputs of half the lanes of two planes are one vector of a product; of an odd last plane half a vector.
 * Sums stay in this order, [lower, upper lanes][left, right run][chunk of pixels][vector][pixel of the chunk][b], until
 * NAME_output joins the lanes.
 * Products go over whole planes, of a factor that ends with the inputs over those that exist; for lanes past the last input
 * W12, W22 and S4 are zeros here too, and X22 counts as zero.
 *
 * Order: products outside, sets of output channels inside, so that one factor of x and the sums of its quarters stay in
 * the second level of the cache for all sets; the sums U, U3 of all sets wait in scratch meanwhile.
 *
 *     strassen_quarters  writes the sums of a factor's quarters, [2][planes][pixel of a run][T2, T3 and T4, T1 side by side]
 *     NAME_product       the product of one factor and a set of channels, added to what is there;
 *     NAME_output        a chunk of both halves of the lanes to y.
 * strassen_quarters is shared (embed/vector_strassen.c). */
#include <inttypes.h>

#include "backend/emit_strassen.h"

/* Pixels from the left run of a product to the right one. */
static int32_t right_of(const Strassen *g)
{
    return g->half - g->run;
}

/* Floats from T2 and T3 to T4 and T1, sums of quarters [planes][run][b] with the padding. */
static int64_t quarters_stride(const Strassen *g)
{
    return g->in_planes * g->run * g->b + SCRATCH_PAD;
}

/* Floats of a set's result, in its four quarters. */
static int64_t set_floats(const Strassen *g)
{
    return 4 * (int64_t)g->run * g->vectors * g->b;
}

/* Floats from U to U3: results of all sets, with the padding. */
static int64_t all_sums_stride(const Strassen *g)
{
    return g->sets * set_floats(g) + SCRATCH_PAD;
}

int64_t strassen_twice_floats(const Strassen *g)
{
    return 2 * quarters_stride(g) + 2 * all_sums_stride(g) + set_floats(g);
}

void emit_strassen_inner(const Strassen *g, CWriter *w)
{
    int32_t lanes = g->b / 2;
    cw_comment(w,
               "result = before (NULL: zeros) + weights [7][%" PRId64 "][planes/2][%d] times x, once more by seven "
               "products. x [%" PRId64 "][%d][%d] lies as in_x says, v: sums of its quarters; result, before: [lower, "
               "upper lanes of planes][left, right run][%d pixels][planes/2][%d] in chunks.",
               g->inputs, g->b, g->in_planes, g->half, g->b, g->run, g->b);
    cw_line(w,
            "static void " STR_FMT
            "_product(const conv_taps *in_x, const float *x, const float *v, const float *weights, "
            "int planes, const vector *before, vector *result, float *sums_u)",
            STR_ARG(g->kernel->name));
    cw_body(w);
    cw_line(w, "const conv_taps in_v = {in_x->planes, 1, 1, %d, %" PRId64 ", 0, 0, 0};", g->rounds,
            (int64_t)g->run * g->b);
    cw_line(w, "const conv_taps *const taps[%d] = {in_x, in_x, &in_v, &in_v, &in_v, &in_v, in_x};", PRODUCTS);
    cw_line(w, "const float *const factors[%d] = {x, x + %d, v, v + %d, v + %" PRId64 ", v + %" PRId64 ", x + %d};",
            PRODUCTS, lanes, lanes, quarters_stride(g), quarters_stride(g) + lanes, right_of(g) * g->b + lanes);
    cw_line(w, "float *const sums_u3 = sums_u + %" PRId64 ";", g->sum_stride);
    cw_line(w, "const int vectors = (planes + 1) / 2;");
    cw_open(w, "for (int n = 0; n < %d; ++n)", PRODUCTS);
    emit_strassen_quarter("quarters of result", w);
    cw_line(w, "const int quarter = (lower * 2 + right) * %d * vectors;", g->run);
    emit_strassen_product(g, "strassen_add(before, quarter + i * vectors, width * vectors, result);", w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* Scratch behind V. */
static void emit_places(const Strassen *g, CWriter *w)
{
    int64_t all = all_sums_stride(g);
    cw_line(w, "float *const quarters = v + %" PRId64 "; /* [2][%" PRId64 "][%d][%d] */",
            strassen_factors_in_v(g) * g->v_stride, g->in_planes, g->run, g->b);
    cw_line(w, "float *const all_u = quarters + %" PRId64 "; /* [set][2][2][%d pixels][%d][%d] in chunks */",
            2 * quarters_stride(g), g->run, g->vectors, g->b);
    cw_line(w, "float *const all_u3 = all_u + %" PRId64 ";", all);
    cw_line(w, "float *const sums_u = all_u3 + %" PRId64 "; /* of a product: [2][%d pixels][%d][%d] in chunks */", all,
            g->run, g->vectors, g->b);
    cw_line(w, "vector *const sums = (vector *)(sums_u + %" PRId64 "); /* of a set */", 2 * g->sum_stride);
}

/* A set's results in a half of the pixels, from sums to y: chunk by chunk, each pixel once. */
static void emit_outputs(const Strassen *g, const char *planes, CWriter *w)
{
    bool skips = strassen_skips(g);
    if (skips) {
        cw_line(w, "int written = %s; /* of the pixels of the half */",
                strassen_is_clamped(g) ? "right ? skip : 0" : "0");
    }
    cw_open(w, "for (int side = 0; side < 2; ++side)");
    emit_strassen_open_chunks(g, w);
    cw_line(w, "const int at = side * %d + i;", right_of(g));
    cw_line(w, "const vector *const lower_lanes = sums + (side * %d + i) * vectors;", g->run);
    cw_line(w, "const vector *const upper_lanes = lower_lanes + %d * vectors;", 2 * g->run);
    cw_line(w, STR_FMT "_output(a, lower_lanes, upper_lanes, plane, pixel + at,%s %s, width);",
            STR_ARG(g->kernel->name), skips ? " written - at," : "", planes);
    if (skips) {
        cw_line(w, "written = written > at + width ? written : at + width;");
    }
    emit_strassen_close_chunks(w);
    cw_close(w, "");
}

/* The products of the sets of a block, as many of them as are this part's. */
static void emit_sets(const Strassen *g, CWriter *w)
{
    Str name = g->kernel->name;
    int64_t floats = PRODUCTS * g->inputs * g->b;
    cw_open(w, "for (%s n = 0; n < %d; ++n)", g->index, PRODUCTS);
    if (strassen_has_odd_lanes(g)) {
        cw_line(w, "const float *const exist = n == W12_X21 || n == W22_T4 || n == S4_X22 ? exists + %d : NULL;",
                g->b / 2);
    }
    cw_line(w, "strassen_quarters(taps[n], factors[n], %d, %d, %s, quarters, %" PRId64 ");", g->run, right_of(g) * g->b,
            strassen_has_odd_lanes(g) ? "exist" : "NULL", quarters_stride(g));
    cw_open(w, "for (%s set = first_set; set < first_set + sets; ++set)", g->index);
    emit_strassen_place(g, w);
    emit_strassen_either("planes", cexpr_format("set < %" PRId64, g->sets - 1).text,
                         g->sets > 1 ? g->planes : g->last_planes, g->last_planes, w);
    cw_line(w, "const float *const weights = a->weights + n * %" PRId64 " + set * %" PRId64 ";",
            floats * g->all_vectors, floats * g->vectors);
    cw_line(w, "vector *const u = (vector *)(all_u + set * %" PRId64 ");", set_floats(g));
    cw_line(w, "vector *const u3 = (vector *)(all_u3 + set * %" PRId64 ");", set_floats(g));
    emit_strassen_start("NULL", w);
    cw_line(w, STR_FMT "_product(taps[n], factors[n], quarters, weights, planes, start, to, sums_u);", STR_ARG(name));
    const char *planes = emit_strassen_existing(g, "planes", w);
    cw_line(w, "const int vectors = (planes + 1) / 2;");
    emit_strassen_open_end(cexpr_format("%d * vectors", 4 * (int)g->run).text, w);
    emit_outputs(g, planes, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_strassen_twice(const Strassen *g, CWriter *w)
{
    if (strassen_has_odd_lanes(g)) {
        emit_strassen_lanes(g, "exists", w);
    }
    emit_places(g, w);
    emit_split(w, "job", g->blocks * g->sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job, sets; job < end_job; job += sets)");
    if (g->blocks > 1) {
        cw_line(w, "const int block = %s;", cexpr_div("job", g->sets).text);
    }
    cw_line(w, "const int first_set = %s, left = %" PRId64 " - first_set;",
            g->blocks > 1 ? cexpr_mod("job", g->sets).text : "job", g->sets);
    cw_line(w, "sets = end_job - job < left ? end_job - job : left;");
    emit_strassen_halves(g, w);
    emit_strassen_input_call(g, w);
    emit_strassen_factors(g, w);
    emit_sets(g, w);
    cw_close(w, "");
}
