/* strassen: convolution with a 1x1 window as a product of matrices with seven block products instead of eight, by
 * Winograd's variant of Strassen's algorithm. Of
 *     weights W = [channels out][channels in], input X = [channels in][pixels], output Y = [channels out][pixels]
 * the halves W11 (first outputs, first inputs), W12, W21, W22; X11 (first inputs, left pixels), X12, X21, X22 give
 *     S1 = W21 + W22, S2 = S1 - W11, S3 = W11 - W21, S4 = W12 - S2       packed beforehand: PACK_STRASSEN
 *     T1 = X12 - X11, T2 = X22 - T1, T3 = X22 - X12, T4 = T2 - X21
 * and, in this order, each product but the first and S1 T1 added to sums that are there,
 *     U = W11 X11, Y11 = U + W12 X21, U = U + S2 T2, U3 = U + S3 T3, Y21 = U3 + -W22 T4, Y22 = U3 + S1 T1,
 *     U = U + S1 T1, Y12 = U + S4 X22
 * where the first U waits in the place of U3, so that no product is added to where it goes.
 * Pixels are cut into halves of equal width, two of which, left and right, are a block; where the width does not divide
 * the pixels, the last half begins earlier and what the one before it has computed too is not written again.
 *
 * For a block, where each product is made as a whole (emit_strassen_twice.c: by seven more),
 *     NAME_input     writes the sums V [T2, T3, T4, T1][planes/2][pixel of a half][b]; the three factors that are no
 *                    sums stand between them, in the order of use, where they do not lie pixel by pixel in x, or where
 *                    x is normalised first, by the kernel's prologue;
 *     micro-kernel   for each set of output channels (of both halves of them) makes the seven products, each chunk of
 *                    pixels beginning with the sums that the product before has left, [U, U3][chunk of pixels][vector]
 *                    [pixel of the chunk][b];
 *     NAME_output    a chunk of Y, while it is in the first-level cache: bias, residual, activation.
 * A part that begins within a block works V out for itself: results are the same in every split.
 *
 * Halves of channels are whole vectors, and the last vector may be of few channels, or of none where their number is odd.
 * For lanes past the last input W12, W22 and S4 are zeros, and NAME_input takes X22 as zeros in its sums, so the products of
 * these three end with the last input. Where no more than half of the last output vector's channels exist, the products of
 * W22 and S1, which are of lower outputs only, leave out the others. */
#include <inttypes.h>

#include "backend/emit_strassen.h"

#include "support/ints.h"

enum { ROUND = 4 };

static bool is_original(int product)
{
    return product == W11_X11 || product == W12_X21 || product == S4_X22;
}

static int32_t round_of(const Kernel *kernel)
{
    return kernel->tile_round > 0 ? kernel->tile_round : ROUND;
}

static void check_record(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    bool twice = f->kind == PACK_STRASSEN_TWICE;
    int32_t b = kernel->vector, half = kernel->block_tiles, lanes = twice ? b / 2 : b;
    int64_t pixels = (int64_t)s->out_rows * s->out_cols;
    REFUSE_IF(kernel, s->groups != 1 || s->kernel_rows != 1 || s->kernel_cols != 1, "has a window or groups");
    REFUSE_IF(kernel, s->pad_top != 0 || s->pad_left != 0 || s->stride_rows != s->stride_cols,
              "has padding, or strides that differ");
    REFUSE_IF(kernel, s->in_channels <= b || s->out_channels <= b, "has channels that have no halves");
    REFUSE_IF(kernel, !pack_is_strassen(f) || f->vectors < 1, "has weights in another order");
    REFUSE_IF(kernel, kernel->tile_cols < 1 || half < (twice ? 2 : 1), "has no tiles");
    REFUSE_IF(kernel, (2 * int_div_up(pixels, 2 * (int64_t)half) - 1) * half >= pixels, "has no last half");
    REFUSE_IF(kernel, lanes % round_of(kernel) != 0, "has no whole rounds");
}

static void check_scratch(const Strassen *g)
{
    int64_t sums = 2 * g->sum_stride + (g->twice ? strassen_twice_floats(g) : 0);
    REFUSE_IF(g->kernel, g->kernel->scratch_bytes < 4 * (strassen_factors_in_v(g) * g->v_stride + sums),
              "has too little scratch");
}

static void plan_channels(Strassen *g)
{
    const KernelSizes *s = g->s;
    int64_t in_planes = int_div_up(s->in_channels, g->b), out_planes = int_div_up(s->out_channels, g->b);
    int32_t of_vector = g->twice ? 2 : 1; /* planes */
    g->in_planes = (in_planes + 1) / 2;
    g->out_planes = (out_planes + 1) / 2;
    g->lower_in_planes = in_planes - g->in_planes;
    g->lower_out_planes = out_planes - g->out_planes;
    g->all_vectors = int_div_up(g->out_planes, of_vector);
    g->vectors = (int32_t)int_min(g->kernel->weight_format.vectors, g->all_vectors);
    g->sets = int_div_up(g->all_vectors, g->vectors);
    g->last_vectors = (int32_t)(g->all_vectors - (g->sets - 1) * g->vectors);
    g->planes = g->vectors * of_vector;
    g->last_planes = (int32_t)(g->out_planes - (g->sets - 1) * g->planes);
    g->unroll = round_of(g->kernel);
    g->rounds = g->b / of_vector / g->unroll;
    g->last_rounds = g->twice ? g->rounds : tile_last_rounds(s->in_channels, g->b, g->unroll);
    /* Sets are told apart by their number of vectors, or planes. */
    g->half_vector = g->twice ? tile_takes_half(g->out_planes * g->b / 2, g->b)
                              : tile_takes_half(s->out_channels, g->b) && g->lower_out_planes == g->out_planes &&
                                    (g->sets == 1 || g->last_vectors != g->vectors);
    g->inputs = g->in_planes * g->b / of_vector;
    g->product_floats = g->inputs * g->vectors * g->b;
}

static void plan_pixels(Strassen *g)
{
    g->pixels = (int64_t)g->s->out_rows * g->s->out_cols;
    g->half = g->kernel->block_tiles;
    g->blocks = int_div_up(g->pixels, 2 * (int64_t)g->half);
    g->run = g->twice ? (g->half + 1) / 2 : g->half;
    Pieces chunks = pieces_of(g->run, g->kernel->tile_cols);
    g->chunks = (int32_t)chunks.count;
    g->chunk = (int32_t)chunks.size;
    g->wide = (int32_t)chunks.wide;
    g->in_place = strassen_in_place(g->kernel);
    g->v_stride = g->in_planes * g->half * g->b + SCRATCH_PAD;
    g->sum_stride = (int64_t)g->vectors * g->run * g->b + SCRATCH_PAD;
}

static Strassen strassen_of(const Kernel *kernel)
{
    check_record(kernel);
    Strassen g = {.kernel = kernel, .s = &kernel->sizes, .b = kernel->vector};
    g.twice = kernel->weight_format.kind == PACK_STRASSEN_TWICE;
    plan_channels(&g);
    plan_pixels(&g);
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    int64_t weights = PRODUCTS * (g.twice ? PRODUCTS : 1) * g.inputs * g.all_vectors * g.b;
    g.index = cexpr_index_type(int_max(int_max(in, out), weights));
    check_scratch(&g);
    return g;
}

int64_t strassen_factors_in_v(const Strassen *g)
{
    int64_t n = 0;
    for (int product = 0; product < PRODUCTS; ++product) {
        n += !g->in_place || !is_original(product);
    }
    return n;
}

/* --- tiles: chunks wide or one less, vectors full or last; the weights of the next product are asked for meanwhile, each
 * chunk a slice of them, as in emit_winograd.c. */

/* Of narrow vectors, product in product, a line in each round is as good as more (measured), and one tile fewer. */
static int32_t prefetch_lines(const Strassen *g, int32_t vectors)
{
    if (g->kernel->prefetch_bytes == 0) {
        return 0;
    }
    int64_t lines = int_div_up((int64_t)g->unroll * vectors * g->b, CACHE_LINE);
    return g->twice && g->b < CACHE_LINE ? 1 : (int32_t)int_div_up(lines, g->chunks);
}

bool strassen_has_odd_lanes(const Strassen *g)
{
    return g->s->in_channels % g->b != 0;
}

/* Some products end rounds before the last plane does. */
static bool is_short(const Strassen *g)
{
    return g->last_rounds < g->rounds;
}

/* Or a plane before. */
static bool ends_early(const Strassen *g)
{
    return is_short(g) || g->lower_in_planes < g->in_planes;
}

/* `half`: of the last vector no more is there. */
static TileShape shape_of(const Strassen *g, bool narrow, int32_t vectors, bool half)
{
    return (TileShape){.rows = 1,
                       .cols = g->chunk - narrow,
                       .vectors = vectors,
                       .step = g->b,
                       .unroll = g->unroll,
                       .rounds = g->rounds,
                       .prefetch = prefetch_lines(g, vectors),
                       .half = half,
                       .short_plane = is_short(g),
                       .plane_ahead = g->kernel->input_ahead,
                       .goes_on = true};
}

/* Those of half a vector come last. */
int strassen_tiles(const Kernel *kernel, TileShape *shapes)
{
    Strassen g = strassen_of(kernel);
    int widths = g.wide < g.chunks ? 2 : 1, n = 0;
    bool all_half = g.twice && g.half_vector, full = g.sets > 1 || !all_half;
    for (int k = 0; k < widths; ++k) {
        if (full) {
            shapes[n++] = shape_of(&g, k == 1, g.vectors, false);
        }
        if (!all_half && g.last_vectors != g.vectors) {
            shapes[n++] = shape_of(&g, k == 1, g.last_vectors, false);
        }
    }
    for (int k = 0; g.half_vector && k < widths; ++k) {
        shapes[n++] = shape_of(&g, k == 1, g.last_vectors, true);
    }
    return n;
}

/* --- sums of inputs */

/* The last half begins earlier than the ones before it say. */
bool strassen_is_clamped(const Strassen *g)
{
    return 2 * g->blocks * g->half != g->pixels;
}

bool strassen_skips(const Strassen *g)
{
    return strassen_is_clamped(g) || (g->twice && g->half % 2 != 0);
}

/* Where pixel number `pixel` lies within a plane: "pixel * 16", "pixel / 14 * 256 + pixel % 14 * 16". */
static CExpr place_of(const Strassen *g, const char *pixel, const Layout *layout, int32_t stride)
{
    int32_t cols = g->s->out_cols;
    if (stride == 1 && layout->row_stride == (int64_t)cols * g->b) {
        return cexpr_sum((Term[]){{pixel, g->b}, {NULL, 0}}, 0);
    }
    return cexpr_sum((Term[]){{cexpr_div(pixel, cols).text, g->s->out_rows > 1 ? stride * layout->row_stride : 0},
                              {cexpr_mod(pixel, cols).text, (int64_t)stride * g->b},
                              {NULL, 0}},
                     0);
}

/* `half` of the channels: whose scale and shift. */
static void emit_load(const Prologue *prologue, const char *name, const char *at, int half, CWriter *w)
{
    if (prologue->kind == PROLOGUE_NONE) {
        cw_line(w, "const vector %s = vector_load(%s);", name, at);
    } else if (prologue->act.op == OP_IDENTITY) {
        cw_line(w, "const vector %s = vector_load(%s) * scale%d + shift%d;", name, at, half, half);
    } else {
        CExpr value = cexpr_format("n%s", name + 1);
        cw_line(w, "const vector %s = vector_load(%s) * scale%d + shift%d;", value.text, at, half, half);
        cw_line(w, "const vector %s = %s;", name, emit_vector_activation(&prologue->act, value.text).text);
    }
}

void emit_strassen_lanes(const Strassen *g, const char *name, CWriter *w)
{
    StrBuf lanes = {0};
    for (int32_t lane = 0; lane < g->b; ++lane) {
        bool is_one = lane <= (g->s->in_channels - 1) % g->b;
        strbuf_printf(&lanes, "%s%d", lane > 0 ? ", " : "", is_one);
    }
    cw_line(w, "static const float %s[%d] = {%s};", name, g->b, lanes.ptr);
    strbuf_free(&lanes);
}

/* The sums of a plane in either half of the channels; `alone`: of the upper half only, where lower inputs count as zeros. */
static void emit_input_plane(const Strassen *g, bool alone, CWriter *w)
{
    const Layout *in = &g->kernel->in;
    const Prologue *prologue = &g->kernel->prologue;
    bool odd = !alone && strassen_has_odd_lanes(g);
    if (odd) {
        cw_line(w, "const vector exist = plane < %" PRId64 " ? vector_all(1.0f) : vector_load(last_exist);",
                g->lower_in_planes - 1);
    }
    cw_line(w, "const float *const from = x + plane * %" PRId64 ";", in->plane_stride);
    cw_line(w, "float *const to = v + plane * %d;", g->half * g->b);
    int halves = alone ? 1 : 2;
    for (int k = 1; prologue->kind == PROLOGUE_NORM && k <= halves; ++k) { /* of the plane in either half */
        int64_t half = (k - 1) * g->in_planes * g->b, all = (g->in_planes + g->lower_in_planes) * g->b;
        cw_line(w, "const vector scale%d = vector_load(norm + plane * %d%s);", k, g->b, emit_offset(half).text);
        cw_line(w, "const vector shift%d = vector_load(norm + plane * %d%s);", k, g->b, emit_offset(half + all).text);
    }
    cw_open(w, "for (int i = 0; i < %d; ++i)", g->half);
    cw_line(w, "const %s left = first + i, right = second + i;", g->index);
    cw_line(w, "const float *const x1 = from + %s;", place_of(g, "left", in, g->s->stride_cols).text);
    cw_line(w, "const float *const x2 = from + %s;", place_of(g, "right", in, g->s->stride_cols).text);
    CExpr second = emit_offset(g->in_planes * in->plane_stride);
    emit_load(prologue, "x11", "x1", 1, w);
    if (!alone) {
        emit_load(prologue, "x21", cexpr_format("x1%s", second.text).text, 2, w);
    }
    emit_load(prologue, "x12", "x2", 1, w);
    if (!alone) {
        emit_load(prologue, odd ? "c22" : "x22", cexpr_format("x2%s", second.text).text, 2, w);
    }
    if (odd) {
        cw_line(w, "const vector x22 = c22 * exist;");
    }
    for (int k = 1; !alone && k <= 2; ++k) { /* the next planes' */
        cw_line(w, "__builtin_prefetch(x%d%s);", k, emit_offset(in->plane_stride).text);
        cw_line(w, "__builtin_prefetch(x%d%s);", k, emit_offset((g->in_planes + 1) * in->plane_stride).text);
    }
    cw_line(w, alone ? "const vector t1 = x12 - x11;" : "const vector t1 = x12 - x11, t2 = x22 - t1;");
    static const char *const of_two[PRODUCTS] = {"x11", "x21", "t2", "x22 - x12", "t2 - x21", "t1", "x22"};
    static const char *const of_one[PRODUCTS] = {"x11", NULL, "-t1", "-x12", NULL, "t1", NULL};
    for (int n = 0, place = 0; n < PRODUCTS; ++n) {
        const char *result = (alone ? of_one : of_two)[n];
        if (!g->in_place || !is_original(n)) {
            CExpr at = cexpr_sum((Term[]){{"to", 1}, {"i", g->b}, {NULL, 0}}, place++ * g->v_stride);
            if (result != NULL) {
                cw_line(w, "vector_store(%s, %s);", at.text, result);
            }
        }
    }
    cw_close(w, "");
}

static void emit_input(const Strassen *g, CWriter *w)
{
    bool norm = g->kernel->prologue.kind == PROLOGUE_NORM, alone = g->lower_in_planes < g->in_planes;
    cw_comment(w, "The sums of the%s inputs of the halves from pixels `first` and `second` on, to V.%s",
               norm ? " normalised" : "", alone ? " The last plane has no other in the lower half: zeros." : "");
    cw_line(w, "static void " STR_FMT "_input(const float *x,%s float *v, int first, int second)",
            STR_ARG(g->kernel->name), norm ? " const float *norm," : "");
    cw_body(w);
    if (strassen_has_odd_lanes(g)) {
        emit_strassen_lanes(g, "last_exist", w);
    }
    cw_open(w, "for (%s plane = 0; plane < %" PRId64 "; ++plane)", g->index, g->lower_in_planes);
    emit_input_plane(g, false, w);
    cw_close(w, "");
    if (alone) {
        cw_line(w, "const %s plane = %" PRId64 ";", g->index, g->lower_in_planes);
        emit_input_plane(g, true, w);
    }
    cw_close(w, "");
    cw_blank(w);
}

/* --- outputs: chunks of `planes` planes, of which a vector of products holds one; twice, halves of two */

/* The sum of plane v: "sums[v * width + i]"; twice, where products have half the lanes of two planes, "sum", declared here. */
static const char *emit_sum(const Strassen *g, CWriter *w)
{
    if (!g->twice) {
        return "sums[v * width + i]";
    }
    cw_line(w, "const vector lower = lower_lanes[v / 2 * width + i], upper = upper_lanes[v / 2 * width + i];");
    StrBuf first = {0}, second = {0};
    emit_put_halves(g->b, 1, g->b, false, "lower, upper", &first);
    emit_put_halves(g->b, 1, g->b, true, "lower, upper", &second);
    cw_line(w, "const vector sum = v %% 2 == 0 ? %s : %s;", first.ptr, second.ptr);
    strbuf_free(&first);
    strbuf_free(&second);
    return "sum";
}

static void emit_output_loop(const Strassen *g, OutputPass pass, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    cw_open(w, "for (int i = %s; i < width; ++i)", strassen_skips(g) ? "skip > 0 ? skip : 0" : "0");
    cw_line(w, "const %s pixel = first + i;", g->index);
    cw_line(w, "float *const to = y + %s;", place_of(g, "pixel", &kernel->out, 1).text);
    if (e->residual) {
        cw_line(w, "const float *const add = residual + %s;", place_of(g, "pixel", &kernel->residual, 1).text);
    }
    cw_open(w, "for (int v = 0; v < planes; ++v)");
    StrBuf value = {0};
    strbuf_printf(&value, "%s", emit_sum(g, w));
    if (e->bias) {
        strbuf_printf(&value, " + vector_load(bias + v * %d)", g->b);
    }
    if (e->residual) {
        strbuf_printf(&value, " + vector_load(add + v * %" PRId64 ")", kernel->residual.plane_stride);
    }
    cw_line(w, "const vector value = %s;", value.ptr);
    strbuf_free(&value);
    cw_line(w, "vector_store(to + v * %" PRId64 ", %s);", kernel->out.plane_stride,
            emit_output_activation(&e->act, "value", pass).text);
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_output(const Strassen *g, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    const char *skipping = strassen_skips(g) ? ", without the first `skip`, if any" : "";
    const char *in_place = e->residual ? " residual may be y itself." : "";
    if (g->twice) {
        cw_comment(w,
                   "The lower and the upper lanes of planes, both [planes/2, rounded up][width], to y: planes from "
                   "`plane` on, pixels from `first` on%s.%s",
                   skipping, in_place);
    } else {
        cw_comment(w, "sums [planes][width] to y: planes from `plane` on, pixels from `first` on%s.%s", skipping,
                   in_place);
    }
    cw_line(w,
            "static void " STR_FMT
            "_output(const step_arguments *a, const vector *%s, %s plane, int first,%s int planes, int width)",
            STR_ARG(kernel->name), g->twice ? "lower_lanes, const vector *upper_lanes" : "sums", g->index,
            strassen_skips(g) ? " int skip," : "");
    cw_body(w);
    CExpr y =
        cexpr_sum((Term[]){{"a->y", 1}, {"plane", kernel->out.plane_stride}, {NULL, 0}}, emit_interior(&kernel->out));
    cw_line(w, "float *const y = %s;", y.text);
    if (e->residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1}, {"plane", kernel->residual.plane_stride}, {NULL, 0}},
                                   emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual = %s;", residual.text);
    }
    if (e->bias) {
        cw_line(w, "const float *const bias = a->bias + plane * %d;", g->b);
    }
    OutputPass pass = emit_first_pass(kernel->near, w);
    do {
        emit_output_loop(g, pass, w);
    } while (emit_next_pass(&pass, w));
    cw_close(w, "");
    cw_blank(w);
}

/* --- seven products */

void emit_strassen_either(const char *name, const char *condition, int64_t a, int64_t b, CWriter *w)
{
    if (a == b) {
        cw_line(w, "const int %s = %" PRId64 ";", name, a);
    } else {
        cw_line(w, "const int %s = %s ? %" PRId64 " : %" PRId64 ";", name, condition, a, b);
    }
}

/* What tells the tile `shape` from those after it: half vectors come first, and others need not ask for them. */
static void put_condition(const Strassen *g, const TileShape *shape, StrBuf *out)
{
    bool last_by_half = g->twice && g->half_vector;
    if (!last_by_half && g->last_vectors != g->vectors) {
        strbuf_printf(out, "vectors == %d", (int)shape->vectors);
    } else if (last_by_half && shape->half && g->sets > 1) {
        strbuf_printf(out, "planes == %d", (int)g->last_planes);
    }
    if (!g->twice && shape->half) {
        strbuf_printf(out, "%slower", out->len > 0 ? " && " : "");
    }
    if (g->wide < g->chunks) {
        strbuf_printf(out, "%swidth == %d", out->len > 0 ? " && " : "", (int)shape->cols);
    }
}

static void emit_calls(const Strassen *g, CWriter *w)
{
    TileShape shapes[MAX_TILE_SHAPES];
    int n = strassen_tiles(g->kernel, shapes);
    for (int k = n - 1; k >= 0; --k) { /* strassen_tiles puts half vectors last */
        StrBuf condition = {0};
        put_condition(g, &shapes[k], &condition);
        if (n > 1 && k == n - 1) {
            cw_open(w, "if (%s)", condition.ptr);
        } else if (k > 0) {
            cw_chain(w, "else if (%s)", condition.ptr);
        } else if (n > 1) {
            cw_chain(w, "else");
        }
        strbuf_free(&condition);
        cw_line(w, "%s(taps[n], from + i * %d, w,%s start, to);", emit_tile_name(&shapes[k]).text, g->b,
                shapes[k].prefetch > 0 ? " next," : "");
    }
    if (n > 1) {
        cw_close(w, "");
    }
}

void emit_strassen_start(const char *none, CWriter *w)
{
    cw_line(w, "const vector *const start = n == W11_X11 || n == S1_T1 ? %s : n == S3_T3 || n == S4_X22 ? u : u3;",
            none);
    cw_line(w, "vector *const to = n == S2_T2 ? u : n == W11_X11 || n == S3_T3 ? u3 : sums;");
}

void emit_strassen_open_end(const char *size, CWriter *w)
{
    cw_open(w, "if (to == sums)");
    cw_open(w, "if (n == S1_T1)");
    cw_open(w, "for (int k = 0; k < %s; ++k)", size);
    cw_line(w, "u[k] += sums[k];");
    cw_line(w, "sums[k] += u3[k];");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_strassen_open_chunks(const Strassen *g, CWriter *w)
{
    cw_open(w, "for (int i = 0; i < %d;)", g->run);
    emit_strassen_either("width", cexpr_format("i < %d", (int)(g->wide * g->chunk)).text, g->chunk,
                         g->wide < g->chunks ? g->chunk - 1 : g->chunk, w);
}

void emit_strassen_close_chunks(CWriter *w)
{
    cw_line(w, "i += width;");
    cw_close(w, "");
}

void emit_strassen_product(const Strassen *g, const char *output, CWriter *w)
{
    int32_t prefetch = prefetch_lines(g, g->vectors);
    int64_t floats = g->inputs * g->b;
    cw_line(w, "const float *const from = factors[n];");
    cw_line(w, "const float *const w = weights + n * %" PRId64 " * vectors;", floats);
    if (prefetch > 0) {
        cw_line(w, "const float *next = w + %" PRId64 " * vectors; /* the next product's */", floats);
    }
    if (!g->twice) {
        cw_line(w, "vector sums[%d]; /* [vectors][width] */", g->vectors * g->chunk);
    }
    emit_strassen_open_chunks(g, w);
    if (g->twice) {
        cw_line(w, "vector *const sums = result + quarter + i * vectors;");
    }
    cw_line(w, "vector *const u = (vector *)(sums_u + i * %d * vectors);", g->b);
    cw_line(w, "vector *const u3 = (vector *)(sums_u3 + i * %d * vectors);", g->b);
    emit_strassen_start("no_sums", w);
    emit_calls(g, w);
    if (prefetch > 0 && g->chunks > 1) {
        int64_t step = g->in_planes * g->rounds * CACHE_LINE;
        int64_t ahead = step * prefetch, last_ahead = step * prefetch_lines(g, g->last_vectors);
        CExpr either = cexpr_format("vectors == %d ? %" PRId64 " : %" PRId64, (int)g->vectors, ahead, last_ahead);
        cw_line(w, "next += %s;", ahead == last_ahead ? cexpr_int(ahead).text : either.text);
    }
    emit_strassen_open_end("width * vectors", w);
    cw_line(w, "%s", output);
    cw_close(w, "");
    emit_strassen_close_chunks(w);
}

/* --- the kernel */

/* "static const conv_taps name": `planes` of a factor with `plane` floats from one to the next. */
static void emit_factor_taps(const char *name, int64_t planes, int64_t plane, int32_t rounds, CWriter *w)
{
    cw_line(w, "static const conv_taps %s = {%" PRId64 ", 1, 1, %d, %" PRId64 ", 0, 0, 0};", name, planes, rounds,
            plane);
}

/* Of each of the products; "_short": those that end with the last input. */
static void emit_taps(const Strassen *g, CWriter *w)
{
    const int64_t v_plane = (int64_t)g->half * g->b, x_plane = g->kernel->in.plane_stride;
    emit_factor_taps("in_v", g->in_planes, v_plane, g->rounds, w);
    if (ends_early(g)) {
        emit_factor_taps("in_v_short", g->lower_in_planes, v_plane, g->last_rounds, w);
    }
    if (g->in_place) {
        emit_factor_taps("in_x", g->in_planes, x_plane, g->rounds, w);
    }
    if (g->in_place && ends_early(g)) {
        emit_factor_taps("in_x_short", g->lower_in_planes, x_plane, g->last_rounds, w);
    }
    StrBuf list = {0};
    for (int n = 0; n < PRODUCTS; ++n) {
        strbuf_printf(&list, "%s&in_%s%s", n > 0 ? ", " : "", g->in_place && is_original(n) ? "x" : "v",
                      ends_early(g) && strassen_ends_with_inputs(n) ? "_short" : "");
    }
    cw_line(w, "static const conv_taps *const taps[%d] = {%s};", PRODUCTS, list.ptr);
    strbuf_free(&list);
}

static void emit_head_comment(const Strassen *g, CWriter *w)
{
    const KernelSizes *s = g->s;
    const Epilogue *e = &g->kernel->epilogue;
    const Prologue *prologue = &g->kernel->prologue;
    bool norm = prologue->kind == PROLOGUE_NORM, act = norm && prologue->act.op != OP_IDENTITY;
    CExpr weights = g->twice ? cexpr_format("[7][%d/%d][7]", s->out_channels, 4 * g->vectors * g->b)
                             : cexpr_format("[%d/%d][7]", s->out_channels, 2 * g->vectors * g->b);
    cw_comment(w,
               "Convolution 1x1, stride %dx%d: %dx%dx%d -> %dx%dx%d%s, by Strassen's product%s.\n%s%s%s%sx, y "
               "[channels/%d][row][column][%d], weights %s[%" PRId64 "][%d][%d]; %d + %d pixels at a time.",
               s->stride_rows, s->stride_cols, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, emit_epilogue_text(e).text, g->twice ? " twice" : "",
               norm ? "First, of each input: x * scale + shift" : "", act ? ", " : "",
               act ? op_info(prologue->act.op)->name : "", norm ? ".\n" : "", g->b, g->b, weights.text, g->inputs,
               g->vectors, g->b, g->half, g->half);
}

void emit_strassen_halves(const Strassen *g, CWriter *w)
{
    cw_line(w, "const int first = %s;",
            cexpr_sum((Term[]){{"block", g->blocks > 1 ? 2 * g->half : 0}, {NULL, 0}}, 0).text);
    if (strassen_is_clamped(g)) {
        cw_line(w, "const int second = first < %" PRId64 " ? first + %d : %" PRId64 ", skip = first + %d - second;",
                g->pixels - 2 * g->half, g->half, g->pixels - g->half, g->half);
    } else {
        cw_line(w, "const int second = first + %d;", g->half);
    }
}

void emit_strassen_input_call(const Strassen *g, CWriter *w)
{
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {NULL, 0}}, emit_interior(&g->kernel->in));
    cw_line(w, STR_FMT "_input(%s,%s v, first, second);", STR_ARG(g->kernel->name), x.text,
            g->kernel->prologue.kind == PROLOGUE_NORM ? " a->norm," : "");
}

void emit_strassen_factors(const Strassen *g, CWriter *w)
{
    StrBuf list = {0};
    for (int n = 0, place = 0; n < PRODUCTS; ++n) {
        CExpr at;
        if (g->in_place && is_original(n)) {
            at = cexpr_format("x%d%s", n == S4_X22 ? 2 : 1,
                              emit_offset(n == W11_X11 ? 0 : g->in_planes * g->kernel->in.plane_stride).text);
        } else {
            at = cexpr_sum((Term[]){{"v", 1}, {NULL, 0}}, place++ * g->v_stride);
        }
        strbuf_printf(&list, "%s%s", n > 0 ? ", " : "", at.text);
    }
    if (g->in_place) {
        cw_line(w, "const float *const x1 = a->x[0] + first * %d, *const x2 = a->x[0] + second * %d;", g->b, g->b);
    }
    cw_line(w, "const float *const factors[%d] = {%s};", PRODUCTS, list.ptr);
    strbuf_free(&list);
}

void emit_strassen_quarter(const char *what, CWriter *w)
{
    cw_line(w, "const int lower = n == W22_T4 || n == S1_T1, right = n == S1_T1 || n == S4_X22; /* %s */", what);
}

void emit_strassen_place(const Strassen *g, CWriter *w)
{
    emit_strassen_quarter("halves of y", w);
    CExpr set = cexpr_sum((Term[]){{"set", g->sets > 1 ? g->planes : 0}, {"lower", g->out_planes}, {NULL, 0}}, 0);
    cw_line(w, "const %s plane = %s;", g->index, set.text);
    cw_line(w, "const int pixel = right ? second : first;");
}

const char *emit_strassen_existing(const Strassen *g, const char *planes, CWriter *w)
{
    if (g->lower_out_planes == g->out_planes) {
        return planes;
    }
    cw_line(w, "const int existing = %s - %s; /* the lower half has a plane less */", planes,
            g->sets > 1 ? cexpr_format("(lower && set == %" PRId64 ")", g->sets - 1).text : "lower");
    return "existing";
}

/* One job: the outputs of a set of channels and a block of pixels, product by product. */
static void emit_jobs(const Strassen *g, CWriter *w)
{
    cw_line(w, "float *const sums_u = v + %" PRId64 "; /* [%d pixels][%d][%d] in chunks */",
            strassen_factors_in_v(g) * g->v_stride, g->half, g->vectors, g->b);
    cw_line(w, "float *const sums_u3 = sums_u + %" PRId64 ";", g->sum_stride);
    emit_split(w, "job", g->blocks * g->sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    if (g->blocks > 1) {
        cw_line(w, "const int block = %s;", cexpr_div("job", g->sets).text);
    }
    emit_strassen_halves(g, w);
    if (g->sets > 1) {
        cw_line(w, "const %s set = %s;", g->index, g->blocks > 1 ? cexpr_mod("job", g->sets).text : "job");
        cw_open(w, "if (job == first_job || set == 0)");
    }
    emit_strassen_input_call(g, w);
    if (g->sets > 1) {
        cw_close(w, "");
    }
    emit_strassen_factors(g, w);
    emit_strassen_either("vectors", cexpr_format("set < %" PRId64, g->sets - 1).text, g->vectors, g->last_vectors, w);
    CExpr weights =
        cexpr_sum((Term[]){{"a->weights", 1}, {"set", g->sets > 1 ? PRODUCTS * g->product_floats : 0}, {NULL, 0}}, 0);
    cw_line(w, "const float *const weights = %s;", weights.text);
    cw_open(w, "for (int n = 0; n < %d; ++n)", PRODUCTS);
    emit_strassen_place(g, w);
    const char *planes = emit_strassen_existing(g, "vectors", w);
    emit_strassen_product(g,
                          cexpr_format(STR_FMT "_output(a, sums, plane, pixel + i,%s %s, width);",
                                       STR_ARG(g->kernel->name), strassen_is_clamped(g) ? " right ? skip - i : 0," : "",
                                       planes)
                              .text,
                          w);
    cw_close(w, "");
    cw_close(w, "");
}

void emit_strassen(const Kernel *kernel, CWriter *w)
{
    Strassen g = strassen_of(kernel);
    emit_input(&g, w);
    emit_output(&g, w);
    if (g.twice) {
        emit_strassen_inner(&g, w);
    }
    emit_head_comment(&g, w);
    emit_kernel_head(kernel, w);
    emit_taps(&g, w);
    cw_line(w, "float *const v = %s; /* [%" PRId64 "][%" PRId64 "][%d][%d], the first stride padded */",
            emit_scratch(kernel).text, strassen_factors_in_v(&g), g.in_planes, g.half, g.b);
    (g.twice ? emit_strassen_twice : emit_jobs)(&g, w);
    cw_close(w, "");
    cw_blank(w);
}
