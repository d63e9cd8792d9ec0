/* strassen: convolution with a 1x1 window as a product of matrices with seven block products instead of eight, by
 * Winograd's variant of Strassen's algorithm. Of
 *     weights W = [channels out][channels in], input X = [channels in][pixels], output Y = [channels out][pixels]
 * the halves W11 (first outputs, first inputs), W12, W21, W22; X11 (first inputs, left pixels), X12, X21, X22 give
 *     S1 = W21 + W22, S2 = S1 - W11, S3 = W11 - W21, S4 = W12 - S2       packed beforehand: PACK_STRASSEN
 *     T1 = X12 - X11, T2 = X22 - T1, T3 = X22 - X12, T4 = T2 - X21
 *     P1 = W11 X11, P2 = W12 X21, P3 = S4 X22, P4 = W22 T4, P5 = S1 T1, P6 = S2 T2, P7 = S3 T3
 *     Y11 = P1 + P2, Y12 = P1 + P6 + P5 + P3, Y21 = P1 + P6 + P7 - P4, Y22 = P1 + P6 + P7 + P5
 * Pixels are cut into halves of equal width, two of which, left and right, are a block; where the width does not divide
 * the pixels, the last half begins earlier and what the one before it has computed too is not written again.
 *
 * For a block
 *     NAME_input     writes the sums V [T4, T1, T2, T3][planes/2][pixel of a half][b]; the three factors that are no
 *                    sums stand before them where they do not lie pixel by pixel in x, or where x is normalised
 *                    first, by the kernel's prologue;
 *     micro-kernel   for each set of output channels (of both halves of them) writes the seven products
 *                    M [P1 .. P7][chunk of pixels][vector][pixel of the chunk][b];
 *     NAME_output    sums them up, with bias, residual, activation.
 * A part that begins within a block works V out for itself: results are the same in every split.
 *
 * Halves of channels are whole vectors, and the last vector may be of few channels. For lanes past the last input W12, W22
 * and S4 are zeros, and NAME_input takes X22 as zeros in its sums, so P2, P3 and P4 end with the last input. Where no more
 * than half of the last output vector's channels exist, P4 and P5, whose weights are lower ones only, leave out the others. */
#include <inttypes.h>

#include "backend/emit_vector.h"

enum { PLANE_PAD = 16, PRODUCTS = STRASSEN_PRODUCTS, ORIGINALS = 3, UNROLL = 4 }; /* PLANE_PAD: floats */

typedef struct Strassen {
    const Kernel *kernel;
    const KernelSizes *s;
    int32_t b;
    int64_t in_planes, out_planes; /* of a half */
    int64_t pixels;
    int32_t half; /* pixels of a half */
    int64_t blocks, sets;
    int32_t vectors, last_vectors;
    int32_t chunks, chunk, wide; /* of a half: the first `wide` of the chunks have `chunk` pixels, others one less */
    bool in_place;               /* x is read as it lies */
    int32_t last_rounds;         /* of the last plane, in P2, P3, P4 */
    bool half_vector;            /* of the last set, in P4, P5 */
    int64_t v_stride, m_stride, product_floats;
    const char *index;
} Strassen;

static Strassen strassen_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    Strassen g = {.kernel = kernel, .s = s, .b = kernel->vector};
    int64_t in_planes = (s->in_channels + g.b - 1) / g.b, out_planes = (s->out_channels + g.b - 1) / g.b;
    g.pixels = (int64_t)s->out_rows * s->out_cols;
    g.half = kernel->block_tiles;
    g.blocks = g.half < 1 ? 0 : (g.pixels + 2 * (int64_t)g.half - 1) / (2 * (int64_t)g.half);
    if (f->kind != PACK_STRASSEN || f->vectors < 1 || kernel->tile_cols < 1 || g.half < 1 || in_planes % 2 != 0 ||
        out_planes % 2 != 0 || s->groups != 1 || s->kernel_rows != 1 || s->kernel_cols != 1 || s->pad_top != 0 ||
        s->pad_left != 0 || s->stride_rows != s->stride_cols || (2 * g.blocks - 1) * g.half >= g.pixels) {
        ICE("kernel '" STR_FMT "' is not one of Strassen's product", STR_ARG(kernel->name));
    }
    g.in_planes = in_planes / 2;
    g.out_planes = out_planes / 2;
    g.vectors = f->vectors < g.out_planes ? f->vectors : (int32_t)g.out_planes;
    g.sets = (g.out_planes + g.vectors - 1) / g.vectors;
    g.last_vectors = (int32_t)(g.out_planes - (g.sets - 1) * g.vectors);
    g.chunks = (g.half + kernel->tile_cols - 1) / kernel->tile_cols;
    g.chunk = (g.half + g.chunks - 1) / g.chunks;
    g.wide = g.half - (g.chunk - 1) * g.chunks;
    g.in_place = strassen_in_place(kernel);
    g.last_rounds = tile_last_rounds(s->in_channels, g.b, UNROLL);
    /* Sets are told apart by their number of vectors. */
    g.half_vector = tile_takes_half(s->out_channels, g.b) && (g.sets == 1 || g.last_vectors != g.vectors);
    g.v_stride = g.in_planes * g.half * g.b + PLANE_PAD;
    g.m_stride = (int64_t)g.vectors * g.half * g.b + PLANE_PAD;
    g.product_floats = g.in_planes * g.b * g.vectors * g.b;
    int64_t in = layout_elements(&kernel->in), out = layout_elements(&kernel->out);
    int64_t weights = PRODUCTS * g.in_planes * g.b * g.out_planes * g.b;
    g.index = cexpr_index_type(in > out ? in > weights ? in : weights : out > weights ? out : weights);
    if (kernel->scratch_bytes < strassen_scratch_bytes(kernel)) {
        ICE("strassen kernel '" STR_FMT "' has too little scratch", STR_ARG(kernel->name));
    }
    return g;
}

/* --- tiles: chunks wide or one less, vectors full or last; the weights of the next product are asked for meanwhile, each
 * chunk a slice of them, as in emit_winograd.c. */

static int32_t prefetch_lines(const Strassen *g, int32_t vectors)
{
    int32_t lines = (4 * vectors * g->b + 15) / 16;
    return g->kernel->prefetch_bytes == 0 ? 0 : (lines + g->chunks - 1) / g->chunks;
}

/* Lanes of the last plane are no channels. */
static bool has_odd_lanes(const Strassen *g)
{
    return g->s->in_channels % g->b != 0;
}

/* Some products end rounds before the last plane does. */
static bool is_short(const Strassen *g)
{
    return g->last_rounds < g->b / UNROLL;
}

/* `half`: of the last vector no more is there. */
static TileShape shape_of(const Strassen *g, bool narrow, int32_t vectors, bool half)
{
    return (TileShape){.rows = 1,
                       .cols = g->chunk - narrow,
                       .vectors = vectors,
                       .step = g->b,
                       .unroll = UNROLL,
                       .rounds = g->b / UNROLL,
                       .prefetch = prefetch_lines(g, vectors),
                       .half = half,
                       .short_plane = is_short(g)};
}

static int add_shapes(const Strassen *g, int32_t vectors, bool half, TileShape *shapes)
{
    shapes[0] = shape_of(g, false, vectors, half);
    shapes[1] = shape_of(g, true, vectors, half);
    return g->wide < g->chunks ? 2 : 1;
}

int strassen_tiles(const Kernel *kernel, TileShape *shapes)
{
    Strassen g = strassen_of(kernel);
    int n = add_shapes(&g, g.vectors, false, shapes);
    if (g.last_vectors != g.vectors) {
        n += add_shapes(&g, g.last_vectors, false, shapes + n);
    }
    if (g.half_vector) {
        n += add_shapes(&g, g.last_vectors, true, shapes + n);
    }
    return n;
}

/* --- sums of inputs */

/* The last half begins earlier than the ones before it say. */
static bool is_clamped(const Strassen *g)
{
    return 2 * g->blocks * g->half != g->pixels;
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

/* 1 for channels of the last plane, 0 for lanes that are none. */
static void emit_last_exist(const Strassen *g, CWriter *w)
{
    StrBuf lanes = {0};
    for (int32_t lane = 0; lane < g->b; ++lane) {
        strbuf_printf(&lanes, "%s%d", lane > 0 ? ", " : "", lane <= (g->s->in_channels - 1) % g->b);
    }
    cw_line(w, "static const float last_exist[%d] = {%s};", g->b, lanes.ptr);
    strbuf_free(&lanes);
}

static void emit_input(const Strassen *g, CWriter *w)
{
    const Layout *in = &g->kernel->in;
    const Prologue *prologue = &g->kernel->prologue;
    cw_comment(w, "The sums of the%s inputs of the halves from pixels `first` and `second` on, to V.",
               prologue->kind == PROLOGUE_NORM ? " normalised" : "");
    cw_line(w, "static void " STR_FMT "_input(const float *x,%s float *v, int first, int second)",
            STR_ARG(g->kernel->name), prologue->kind == PROLOGUE_NORM ? " const float *norm," : "");
    cw_body(w);
    if (has_odd_lanes(g)) {
        emit_last_exist(g, w);
    }
    cw_open(w, "for (%s plane = 0; plane < %" PRId64 "; ++plane)", g->index, g->in_planes);
    if (has_odd_lanes(g)) {
        cw_line(w, "const vector exist = plane < %" PRId64 " ? vector_all(1.0f) : vector_load(last_exist);",
                g->in_planes - 1);
    }
    cw_line(w, "const float *const from = x + plane * %" PRId64 ";", in->plane_stride);
    cw_line(w, "float *const to = v + plane * %d;", g->half * g->b);
    for (int k = 1; prologue->kind == PROLOGUE_NORM && k <= 2; ++k) { /* of the plane in either half of the channels */
        int64_t half = (k - 1) * g->in_planes * g->b, all = 2 * g->in_planes * g->b;
        cw_line(w, "const vector scale%d = vector_load(norm + plane * %d%s);", k, g->b, emit_offset(half).text);
        cw_line(w, "const vector shift%d = vector_load(norm + plane * %d%s);", k, g->b, emit_offset(half + all).text);
    }
    cw_open(w, "for (int i = 0; i < %d; ++i)", g->half);
    cw_line(w, "const %s left = first + i, right = second + i;", g->index);
    cw_line(w, "const float *const x1 = from + %s;", place_of(g, "left", in, g->s->stride_cols).text);
    cw_line(w, "const float *const x2 = from + %s;", place_of(g, "right", in, g->s->stride_cols).text);
    CExpr second = emit_offset(g->in_planes * in->plane_stride);
    emit_load(prologue, "x11", "x1", 1, w);
    emit_load(prologue, "x21", cexpr_format("x1%s", second.text).text, 2, w);
    emit_load(prologue, "x12", "x2", 1, w);
    emit_load(prologue, has_odd_lanes(g) ? "c22" : "x22", cexpr_format("x2%s", second.text).text, 2, w);
    if (has_odd_lanes(g)) {
        cw_line(w, "const vector x22 = c22 * exist;");
    }
    for (int k = 1; k <= 2; ++k) { /* the next planes' */
        cw_line(w, "__builtin_prefetch(x%d%s);", k, emit_offset(in->plane_stride).text);
        cw_line(w, "__builtin_prefetch(x%d%s);", k, emit_offset((g->in_planes + 1) * in->plane_stride).text);
    }
    cw_line(w, "const vector t1 = x12 - x11, t2 = x22 - t1;");
    static const char *const results[PRODUCTS] = {"x11", "x21", "x22", "t2 - x21", "t1", "t2", "x22 - x12"};
    int first = g->in_place ? ORIGINALS : 0;
    for (int n = first; n < PRODUCTS; ++n) {
        CExpr at = cexpr_sum((Term[]){{"to", 1}, {"i", g->b}, {NULL, 0}}, (n - first) * g->v_stride);
        cw_line(w, "vector_store(%s, %s);", at.text, results[n]);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- outputs */

static void emit_result(const Strassen *g, const char *name, const char *sum, bool lower, bool right, CWriter *w)
{
    const Epilogue *e = &g->kernel->epilogue;
    StrBuf value = {0};
    strbuf_printf(&value, "%s", sum);
    if (e->bias) {
        strbuf_printf(&value, " + %s", lower ? "lower_bias" : "upper_bias");
    }
    if (e->residual) {
        CExpr more = emit_offset(lower ? g->out_planes * g->kernel->residual.plane_stride : 0);
        strbuf_printf(&value, " + vector_load(residual%d%s)", right ? 2 : 1, more.text);
    }
    cw_line(w, "const vector %s = %s;", name, value.ptr);
    strbuf_free(&value);
}

static void emit_store_result(const Strassen *g, const char *name, bool lower, bool right, CWriter *w)
{
    CExpr more = emit_offset(lower ? g->out_planes * g->kernel->out.plane_stride : 0);
    cw_line(w, "vector_store(y%d%s, %s);", right ? 2 : 1, more.text,
            emit_vector_activation(&g->kernel->epilogue.act, name).text);
}

static void emit_output(const Strassen *g, CWriter *w)
{
    const Kernel *kernel = g->kernel;
    const Epilogue *e = &kernel->epilogue;
    bool clamped = is_clamped(g);
    cw_comment(w,
               "From M to y: vector `plane` of either half of the channels, `width` pixels of either half of the "
               "pixels, from `first` and `second` on.%s%s",
               clamped ? " The first `skip` of the second are not written." : "",
               e->residual ? " residual may be y itself." : "");
    cw_line(w,
            "static void " STR_FMT
            "_output(const step_arguments *a, const float *m, %s plane, int first, int second,%s int width)",
            STR_ARG(kernel->name), g->index, clamped ? " int skip," : "");
    cw_body(w);
    if (e->bias) {
        cw_line(w, "const vector upper_bias = vector_load(a->bias + plane * %d);", g->b);
        cw_line(w, "const vector lower_bias = vector_load(a->bias + plane * %d%s);", g->b,
                emit_offset(g->out_planes * g->b).text);
    }
    CExpr to =
        cexpr_sum((Term[]){{"a->y", 1}, {"plane", kernel->out.plane_stride}, {NULL, 0}}, emit_interior(&kernel->out));
    cw_line(w, "float *const y = %s;", to.text);
    if (e->residual) {
        CExpr add = cexpr_sum((Term[]){{"a->residual", 1}, {"plane", kernel->residual.plane_stride}, {NULL, 0}},
                              emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual = %s;", add.text);
    }
    cw_open(w, "for (int i = 0; i < width; ++i)");
    cw_line(w, "const float *const from = m + i * %d;", g->b);
    for (int n = 0; n < PRODUCTS; ++n) {
        cw_line(w, "const vector p%d = vector_load(from%s);", n + 1, emit_offset(n * g->m_stride).text);
    }
    cw_line(w, "const vector u2 = p1 + p6, u3 = u2 + p7;");
    cw_line(w, "const %s left = first + i, right = second + i;", g->index);
    for (int k = 1; k <= 2; ++k) {
        const char *pixel = k == 1 ? "left" : "right";
        cw_line(w, "float *const y%d = y + %s;", k, place_of(g, pixel, &kernel->out, 1).text);
        if (e->residual) {
            cw_line(w, "const float *const residual%d = residual + %s;", k,
                    place_of(g, pixel, &kernel->residual, 1).text);
        }
    }
    emit_result(g, "y11", "p1 + p2", false, false, w);
    emit_result(g, "y12", "u2 + p5 + p3", false, true, w);
    emit_result(g, "y21", "u3 - p4", true, false, w);
    emit_result(g, "y22", "u3 + p5", true, true, w);
    emit_store_result(g, "y11", false, false, w);
    emit_store_result(g, "y21", true, false, w);
    if (clamped) {
        cw_open(w, "if (i >= skip)");
    }
    emit_store_result(g, "y12", false, true, w);
    emit_store_result(g, "y22", true, true, w);
    if (clamped) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* --- the kernel */

static void open_chunks(const Strassen *g, bool narrow, CWriter *w)
{
    int32_t edge = g->wide * g->chunk;
    cw_open(w, "for (int i = %d; i < %d; i += %d)", narrow ? edge : 0, narrow ? g->half : edge, g->chunk - narrow);
}

static void emit_some_chunks(const Strassen *g, bool narrow, int32_t vectors, bool half, CWriter *w)
{
    TileShape shape = shape_of(g, narrow, vectors, half);
    open_chunks(g, narrow, w);
    cw_line(w, "%s(taps[n], from + i * %d, u,%s (vector *)(to + i * %d));", emit_tile_name(&shape).text, g->b,
            shape.prefetch > 0 ? " next," : "", vectors * g->b);
    if (shape.prefetch > 0 && g->chunks > 1) {
        cw_line(w, "next += %" PRId64 ";", g->in_planes * shape.rounds * shape.prefetch * 16);
    }
    cw_close(w, "");
}

static void emit_chunks(const Strassen *g, int32_t vectors, bool half, CWriter *w)
{
    emit_some_chunks(g, false, vectors, half, w);
    if (g->wide < g->chunks) {
        emit_some_chunks(g, true, vectors, half, w);
    }
}

static void emit_chunk_outputs(const Strassen *g, bool narrow, int32_t vectors, CWriter *w)
{
    open_chunks(g, narrow, w);
    cw_open(w, "for (int k = 0; k < %d; ++k)", vectors);
    CExpr plane = cexpr_sum((Term[]){{"set", g->sets > 1 ? g->vectors : 0}, {"k", 1}, {NULL, 0}}, 0);
    int32_t width = g->chunk - narrow;
    cw_line(w, STR_FMT "_output(a, m + i * %d + k * %d, %s, first + i, second + i,%s %d);", STR_ARG(g->kernel->name),
            vectors * g->b, width * g->b, plane.text, is_clamped(g) ? " skip - i," : "", width);
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_set(const Strassen *g, int32_t vectors, CWriter *w)
{
    int64_t floats = g->in_planes * g->b * vectors * g->b;
    cw_open(w, "for (int n = 0; n < %d; ++n)", PRODUCTS);
    if (g->in_place) {
        cw_line(w, "const float *const from = factors[n];");
    } else {
        cw_line(w, "const float *const from = v + n * %" PRId64 ";", g->v_stride);
    }
    cw_line(w, "const float *const u = weights + n * %" PRId64 ";", floats);
    cw_line(w, "float *const to = m + n * %" PRId64 ";", g->m_stride);
    if (prefetch_lines(g, vectors) > 0) {
        cw_line(w, "const float *next = u + %" PRId64 "; /* the next product's */", floats);
    }
    if (g->half_vector && vectors == g->last_vectors) {
        cw_comment(w, "P4 and P5 are of the lower outputs, of which half a vector exists.");
        cw_open(w, "if (n == 3 || n == 4)");
        emit_chunks(g, vectors, true, w);
        cw_chain(w, "else");
        emit_chunks(g, vectors, false, w);
        cw_close(w, "");
    } else {
        emit_chunks(g, vectors, false, w);
    }
    cw_close(w, "");
    emit_chunk_outputs(g, false, vectors, w);
    if (g->wide < g->chunks) {
        emit_chunk_outputs(g, true, vectors, w);
    }
}

static void emit_one_taps(const Strassen *g, const char *name, int64_t plane, int32_t rounds, CWriter *w)
{
    cw_line(w, "static const conv_taps %s = {%" PRId64 ", 1, 1, %d, %" PRId64 ", 0, 0, 0};", name, g->in_planes, rounds,
            plane);
}

/* Of each of the products; "_short": those that end with the last input. */
static void emit_taps(const Strassen *g, CWriter *w)
{
    int32_t rounds = g->b / UNROLL;
    emit_one_taps(g, "in_v", g->half * g->b, rounds, w);
    if (is_short(g)) {
        emit_one_taps(g, "in_v_short", g->half * g->b, g->last_rounds, w);
    }
    if (g->in_place) {
        emit_one_taps(g, "in_x", g->kernel->in.plane_stride, rounds, w);
    }
    if (g->in_place && is_short(g)) {
        emit_one_taps(g, "in_x_short", g->kernel->in.plane_stride, g->last_rounds, w);
    }
    static const char *const ends[2] = {"", "_short"};
    const char *x = g->in_place ? "x" : "v", *end = ends[is_short(g)];
    cw_line(w, "const conv_taps *const taps[%d] = {&in_%s, &in_%s%s, &in_%s%s, &in_v%s, &in_v, &in_v, &in_v};",
            PRODUCTS, x, x, end, x, end, end);
}

static void emit_head_comment(const Strassen *g, CWriter *w)
{
    const KernelSizes *s = g->s;
    const Epilogue *e = &g->kernel->epilogue;
    const Prologue *prologue = &g->kernel->prologue;
    bool norm = prologue->kind == PROLOGUE_NORM, act = norm && prologue->act.op != OP_IDENTITY;
    cw_comment(w,
               "Convolution 1x1, stride %dx%d: %dx%dx%d -> %dx%dx%d%s%s%s%s, by Strassen's product.\n%s%s%s%sx, y "
               "[channels/%d][row][column][%d], weights [%d/%d][7][%" PRId64 "][%d][%d][%d]; %d + %d pixels at a time.",
               s->stride_rows, s->stride_cols, s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows,
               s->out_cols, e->bias ? ", + bias" : "", e->residual ? ", + residual" : "",
               e->act.op == OP_IDENTITY ? "" : ", ", e->act.op == OP_IDENTITY ? "" : op_info(e->act.op)->name,
               norm ? "First, of each input: x * scale + shift" : "", act ? ", " : "",
               act ? op_info(prologue->act.op)->name : "", norm ? ".\n" : "", g->b, g->b, s->out_channels,
               2 * g->vectors * g->b, g->in_planes, g->b, g->vectors, g->b, g->half, g->half);
}

/* "const int first = .., second = ..", and the inputs' sums where they are not there yet. */
static void emit_block(const Strassen *g, CWriter *w)
{
    const Layout *in = &g->kernel->in;
    bool many_blocks = g->blocks > 1;
    if (many_blocks) {
        cw_line(w, "const int block = %s;", cexpr_div("job", g->sets).text);
    }
    cw_line(w, "const int first = %s;",
            cexpr_sum((Term[]){{"block", many_blocks ? 2 * g->half : 0}, {NULL, 0}}, 0).text);
    if (is_clamped(g)) {
        cw_line(w, "const int second = first < %" PRId64 " ? first + %d : %" PRId64 ", skip = first + %d - second;",
                g->pixels - 2 * g->half, g->half, g->pixels - g->half, g->half);
    } else {
        cw_line(w, "const int second = first + %d;", g->half);
    }
    if (g->sets > 1) {
        cw_line(w, "const %s set = %s;", g->index, many_blocks ? cexpr_mod("job", g->sets).text : "job");
    }
    if (g->sets > 1) {
        cw_open(w, "if (job == first_job || set == 0)");
    }
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {NULL, 0}}, emit_interior(in));
    cw_line(w, STR_FMT "_input(%s,%s v, first, second);", STR_ARG(g->kernel->name), x.text,
            g->kernel->prologue.kind == PROLOGUE_NORM ? " a->norm," : "");
    if (g->sets > 1) {
        cw_close(w, "");
    }
    if (g->in_place) {
        cw_line(w, "const float *const x1 = a->x[0] + first * %d, *const x2 = a->x[0] + second * %d;", g->b, g->b);
        CExpr offset = emit_offset(g->in_planes * in->plane_stride);
        cw_line(w,
                "const float *const factors[%d] = {x1, x1%s, x2%s, v, v + %" PRId64 ", v + %" PRId64 ", v + %" PRId64
                "};",
                PRODUCTS, offset.text, offset.text, g->v_stride, 2 * g->v_stride, 3 * g->v_stride);
    }
}

void emit_strassen(const Kernel *kernel, CWriter *w)
{
    Strassen g = strassen_of(kernel);
    emit_input(&g, w);
    emit_output(&g, w);
    emit_head_comment(&g, w);
    emit_kernel_head(kernel, w);
    emit_taps(&g, w);
    int64_t factors = g.in_place ? PRODUCTS - ORIGINALS : PRODUCTS;
    cw_line(w, "float *const v = %s; /* [%" PRId64 "][%" PRId64 "][%d][%d], the first stride padded */",
            emit_scratch(kernel).text, factors, g.in_planes, g.half, g.b);
    cw_line(w, "float *const m = v + %" PRId64 "; /* [%d][%d pixels][%d][%d] in chunks */", factors * g.v_stride,
            PRODUCTS, g.half, g.vectors, g.b);
    emit_split(w, "job", g.blocks * g.sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    emit_block(&g, w);
    CExpr weights =
        cexpr_sum((Term[]){{"a->weights", 1}, {"set", g.sets > 1 ? PRODUCTS * g.product_floats : 0}, {NULL, 0}}, 0);
    cw_line(w, "const float *const weights = %s;", weights.text);
    if (g.last_vectors != g.vectors) {
        cw_open(w, "if (set < %" PRId64 ")", g.sets - 1);
        emit_set(&g, g.vectors, w);
        cw_chain(w, "else");
        emit_set(&g, g.last_vectors, w);
        cw_close(w, "");
    } else {
        emit_set(&g, g.vectors, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
