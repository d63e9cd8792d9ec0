/* direct, planar: convolution by the micro-kernel of emit_tile.c, without any rearrangement of the input.
 *
 * The output is cut into sets of a few vectors of channels (PackFormat), rows, and tiles of pixels of a row; a tile is
 * summed by one call, then bias, residual and activation follow while the sums are still in the first-level cache.
 * direct reads blocked images, products run over (kx, channel of the block); planar reads planes, products over kx: it
 * is for images of a few channels. Zeros around the input take the place of tests for borders.
 *
 * Order: sets outside, so that the weights of a set stay in the cache while the image passes by; or blocks of tiles
 * outside where the image is larger than the cache and the weights are not; the next block's inputs are asked for
 * meanwhile. Each tile is computed by one part, always in the same way. With a prologue the order is that of
 * emit_prologue.c, around the same tiles. */
#include "backend/emit_direct.h"

#include <inttypes.h>

#include "support/ints.h"

/* From a tile to the same of the next block: whole rows, or so many pixels where there is one row. */
static int64_t later_tile(const Direct *d)
{
    int64_t tiles = d->kernel->pixels_outer ? d->kernel->block_tiles : 1, rows = tiles / d->col_tiles;
    return rows * d->tile_rows * d->s->stride_rows * d->kernel->in.row_stride +
           tiles % d->col_tiles * d->cols * (int64_t)d->s->stride_cols * d->kernel->in.block;
}

enum { PLANAR_ROUND = 11, ROUND = 4 };

static bool is_one_pixel(const KernelSizes *s) /* the window */
{
    return s->kernel_rows * s->kernel_cols == 1;
}

/* Columns of a window are neighbours in memory. */
static bool folds_columns(const KernelSizes *s)
{
    return s->dilation_cols == 1 || s->kernel_cols == 1;
}

/* Neighbouring floats of the input: a row of the window, unless it is dilated. */
static int32_t run_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    return (folds_columns(s) ? s->kernel_cols : 1) * (kernel->family == KERNEL_PLANAR ? 1 : kernel->vector);
}

static int32_t round_of(const Kernel *kernel)
{
    if (kernel->tile_round > 0) {
        return kernel->tile_round;
    }
    int32_t run = run_of(kernel);
    return kernel->family != KERNEL_PLANAR ? ROUND : run <= PLANAR_ROUND ? run : 1;
}

static void check_record(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    int32_t b = kernel->vector, in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    bool planar = kernel->family == KERNEL_PLANAR, two = s->second_stride_cols > 0;
    bool plain = !planar && s->groups == 1 && is_one_pixel(s) && s->pad_top == 0 && s->pad_left == 0;
    bool whole = out_channels % b == 0 && (planar || in_channels % b == 0);
    REFUSE_IF(kernel, kernel->tile_cols <= 0, "has no tiles");
    REFUSE_IF(kernel, f->kind != PACK_VECTORS || f->lanes != b || f->vectors < 1, "has weights in another order");
    REFUSE_IF(kernel, b % ROUND != 0 || run_of(kernel) % round_of(kernel) != 0, "has no whole rounds");
    REFUSE_IF(kernel, s->groups > 1 && !whole, "has groups that are not whole vectors");
    REFUSE_IF(kernel, two && (!plain || in_channels % b != 0), "cannot sum up a second input");
    REFUSE_IF(kernel, kernel->input_ahead && (planar || !is_one_pixel(s)), "cannot ask for inputs ahead");
    REFUSE_IF(kernel, kernel->prologue.kind == PROLOGUE_NORM && (!plain || two), "cannot normalise its inputs");
}

static void check_scratch(const Direct *d)
{
    int64_t normed = d->slot > 0 ? 4 * d->slots * int_div_up(d->s->in_channels, d->b) : 0;
    REFUSE_IF(d->kernel, d->kernel->scratch_bytes < normed, "has too little scratch");
}

static void plan_weights(Direct *d)
{
    const Kernel *kernel = d->kernel;
    const KernelSizes *s = d->s;
    bool planar = kernel->family == KERNEL_PLANAR;
    int64_t in_channels = s->in_channels / s->groups, vectors = kernel->weight_format.vectors;
    d->group_planes = int_div_up(s->out_channels / s->groups, d->b);
    d->vectors = (int32_t)int_min(vectors, d->group_planes);
    d->sets = int_div_up(d->group_planes, d->vectors);
    d->last_vectors = (int32_t)(d->group_planes - (d->sets - 1) * d->vectors);
    int64_t in_padded = planar ? in_channels : int_align_up(in_channels, d->b);
    d->depth = in_padded * s->kernel_rows * s->kernel_cols + int_align_up(kernel->in2.channels, d->b);
    d->set_floats = d->vectors * d->b * d->depth;
    d->group_floats = d->group_planes * d->b * d->depth;
    d->in_group = planar ? in_channels * kernel->in.plane_stride : in_channels / d->b * kernel->in.plane_stride;
}

static void plan_tiles(Direct *d)
{
    const Kernel *kernel = d->kernel;
    const KernelSizes *s = d->s;
    bool norm = kernel->prologue.kind == PROLOGUE_NORM;
    d->tile_rows = kernel->tile_rows > 0 && kernel->tile_rows < s->out_rows ? kernel->tile_rows : 1;
    d->row_tiles = int_div_up(s->out_rows, d->tile_rows);
    d->last_rows = (int32_t)(s->out_rows - (d->row_tiles - 1) * d->tile_rows);
    Pieces columns = pieces_of(s->out_cols, kernel->tile_cols);
    d->col_tiles = columns.count;
    d->cols = (int32_t)columns.size;
    d->wide_tiles = columns.wide;
    d->block = kernel->block_tiles > 0 ? kernel->block_tiles : 1;
    d->blocks = int_div_up(d->row_tiles * d->col_tiles, d->block);
    d->slot = norm ? (int64_t)d->tile_rows * d->cols * d->b : 0;
    d->slots = norm ? d->block * d->slot + SCRATCH_PAD : 0;
    d->step = norm ? d->b : s->stride_cols * kernel->in.block;
    d->out_pixel = (kernel->out_step > 1 ? kernel->out_step : 1) * d->b;
    d->second_step = s->second_stride_cols * kernel->in2.block;
    d->later = kernel->input_ahead ? later_tile(d) : 0;
}

static void plan_rounds(Direct *d)
{
    const Kernel *kernel = d->kernel;
    const KernelSizes *s = d->s;
    bool norm = kernel->prologue.kind == PROLOGUE_NORM;
    int32_t run = run_of(kernel);
    d->unroll = round_of(kernel);
    d->rounds = run / d->unroll;
    d->last_rounds = tile_last_rounds(s->in_channels / s->groups, d->b, d->unroll);
    d->kx_loop = folds_columns(s) ? 1 : s->kernel_cols;
    /* Sets are told apart by their number of vectors. */
    d->half = tile_takes_half(s->out_channels / s->groups, d->b) && (d->sets == 1 || d->last_vectors != d->vectors);
    if (kernel->prefetch_bytes > 0 && (!kernel->pixels_outer || norm) && d->sets * d->groups > 1 &&
        kernel->family != KERNEL_PLANAR) {
        int32_t products = d->unroll < ROUND ? run : d->unroll;
        int64_t lines = int_div_up((int64_t)products * d->vectors * d->b, CACHE_LINE);
        int32_t share = (int32_t)int_div_up(lines, norm ? d->block : d->row_tiles * d->col_tiles);
        d->prefetch = d->unroll < ROUND ? 0 : share;
        d->row_prefetch = d->unroll < ROUND ? share : 0;
    }
}

static const char *index_of(const Direct *d)
{
    const Kernel *kernel = d->kernel;
    int64_t in = int_div_up(d->s->in_channels, kernel->in.block) * kernel->in.plane_stride;
    int64_t in2 = d->second_step > 0 ? int_div_up(kernel->in2.channels, d->b) * kernel->in2.plane_stride : 0;
    int64_t out = int_div_up(d->s->out_channels, d->b) * kernel->out.plane_stride;
    return cexpr_index_type(2 * int_max(int_max(int_max(in, in2), out), d->groups * d->group_floats));
}

static Direct direct_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    check_record(kernel);
    Direct d = {.kernel = kernel, .s = s, .b = kernel->vector, .groups = s->groups};
    plan_weights(&d);
    plan_tiles(&d);
    plan_rounds(&d);
    d.index = index_of(&d);
    check_scratch(&d);
    return d;
}

/* --- shapes of tiles: rows full or last, columns wide or one less, vectors full or last */

/* The channels leave some rounds of the last plane without work. */
static bool has_short_plane(const Direct *d)
{
    return is_one_pixel(d->s) && d->kernel->family == KERNEL_DIRECT && d->second_step == 0 &&
           d->last_rounds < d->rounds;
}

static TileShape shape_of(const Direct *d, int32_t rows, int32_t cols, int32_t vectors)
{
    return (TileShape){.rows = rows,
                       .cols = cols,
                       .vectors = vectors,
                       .step = d->step,
                       .second_step = d->second_step,
                       .unroll = d->unroll,
                       .rounds = is_one_pixel(d->s) ? d->rounds : 0,
                       .prefetch = d->prefetch,
                       .row_prefetch = d->row_prefetch,
                       .half = d->half && vectors == d->last_vectors,
                       .input_ahead = d->later > 0 && d->slot == 0,
                       .short_plane = has_short_plane(d)};
}

typedef struct Choices {
    int32_t values[2];
    int n;
} Choices;

static Choices choices(int32_t first, int32_t second)
{
    return (Choices){{first, second}, first != second ? 2 : 1};
}

static Choices row_choices(const Direct *d)
{
    return choices(d->tile_rows, d->last_rows);
}

static Choices col_choices(const Direct *d)
{
    return choices(d->cols, d->wide_tiles < d->col_tiles ? d->cols - 1 : d->cols);
}

static Choices vector_choices(const Direct *d)
{
    return d->sets > 1 ? choices(d->vectors, d->last_vectors) : choices(d->last_vectors, d->last_vectors);
}

int direct_tiles(const Kernel *kernel, TileShape *shapes)
{
    Direct d = direct_of(kernel);
    Choices rows = row_choices(&d), cols = col_choices(&d), vectors = vector_choices(&d);
    int n = 0;
    for (int r = 0; r < rows.n; ++r) {
        for (int c = 0; c < cols.n; ++c) {
            for (int v = 0; v < vectors.n; ++v) {
                shapes[n++] = shape_of(&d, rows.values[r], cols.values[c], vectors.values[v]);
            }
        }
    }
    return n;
}

/* --- the kernel's text */

static void emit_head_comment(const Direct *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    const Epilogue *e = &d->kernel->epilogue;
    StrBuf more = {0};
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        strbuf_printf(&more, ", dilation %dx%d", s->dilation_rows, s->dilation_cols);
    }
    if (s->groups > 1) {
        strbuf_printf(&more, ", %d groups", s->groups);
    }
    strbuf_printf(&more, ": %dx%dx%d -> %dx%dx%d%s.\n", s->in_channels, s->in_rows, s->in_cols, s->out_channels,
                  s->out_rows, s->out_cols, emit_epilogue_text(e).text);
    int32_t in_channels = s->in_channels / s->groups;
    if (d->second_step > 0) {
        const Layout *in2 = &d->kernel->in2;
        strbuf_printf(&more, "Into the same sums: a convolution 1x1, stride %dx%d, of x[1], %dx%dx%d.\n",
                      s->second_stride_rows, s->second_stride_cols, in2->channels, in2->rows, in2->cols);
        in_channels += in2->channels;
    }
    if (d->slot > 0) {
        const Activation *act = &d->kernel->prologue.act;
        strbuf_printf(&more, "First, of each input: x * scale + shift%s%s.\n", act->op == OP_IDENTITY ? "" : ", ",
                      act->op == OP_IDENTITY ? "" : op_info(act->op)->name);
    }
    bool planar = d->kernel->family == KERNEL_PLANAR;
    strbuf_printf(&more, "x [%d%s][row][column]%s, y [%d/%d][row][column][%d], weights ", s->in_channels,
                  planar ? "" : cexpr_div("", d->b).text, planar ? "" : cexpr_at("", cexpr_int(d->b)).text,
                  s->out_channels, d->b, d->b);
    strbuf_printf(&more, "[%d/%d][%d%s][%d][%d]%s[%d][%d].", s->out_channels, d->b * d->vectors, in_channels,
                  planar ? "" : cexpr_div("", d->b).text, s->kernel_rows, s->kernel_cols,
                  planar ? "" : cexpr_at("", cexpr_int(d->b)).text, d->vectors, d->b);
    cw_comment(w, "Convolution %dx%d, stride %dx%d, padding from top left %dx%d%s", s->kernel_rows, s->kernel_cols,
               s->stride_rows, s->stride_cols, s->pad_top, s->pad_left, more.ptr);
    strbuf_free(&more);
}

static void emit_taps(const Direct *d, CWriter *w)
{
    const KernelSizes *s = d->s;
    const Layout *in = &d->kernel->in;
    int64_t planes =
        d->kernel->family == KERNEL_PLANAR ? s->in_channels / s->groups : int_div_up(s->in_channels / s->groups, d->b);
    if (d->slot > 0) {
        cw_line(w, "static const conv_taps taps = {%" PRId64 ", 1, 1, %d, %" PRId64 ", 0, 0, %d};", planes,
                has_short_plane(d) ? d->last_rounds : d->rounds, d->slots, d->cols * d->b);
        return;
    }
    cw_line(w, "static const conv_taps taps = {%" PRId64 ", %d, %d, %d, %" PRId64 ", %" PRId64 ", %d, %" PRId64 "};",
            planes, s->kernel_rows, d->kx_loop, has_short_plane(d) ? d->last_rounds : d->rounds, in->plane_stride,
            s->dilation_rows * in->row_stride, s->dilation_cols * in->block, s->stride_rows * in->row_stride);
    if (d->second_step > 0) {
        const Layout *in2 = &d->kernel->in2;
        cw_line(w, "static const conv_taps taps2 = {%" PRId64 ", 1, 1, %d, %" PRId64 ", 0, 0, %" PRId64 "};",
                int_div_up(in2->channels, d->b), d->rounds, in2->plane_stride, s->second_stride_rows * in2->row_stride);
    }
}

/* The call of one tile; shapes differ by what the variables rows, cols, vectors say. */
static void emit_calls(const Direct *d, CWriter *w)
{
    Choices rows = row_choices(d), cols = col_choices(d), vectors = vector_choices(d);
    const char *next = d->prefetch + d->row_prefetch > 0 ? " next," : "";
    const char *second = d->second_step > 0 ? " &taps2, in2," : "";
    CExpr later = {""};
    if (d->later > 0 && d->slot == 0) {
        later = cexpr_format(" in + %" PRId64 ",", d->later);
    }
    int total = rows.n * cols.n * vectors.n, n = 0;
    for (int r = 0; r < rows.n; ++r) {
        for (int c = 0; c < cols.n; ++c) {
            for (int v = 0; v < vectors.n; ++v, ++n) {
                TileShape shape = shape_of(d, rows.values[r], cols.values[c], vectors.values[v]);
                StrBuf condition = {0};
                const Choices *all[] = {&rows, &cols, &vectors};
                const int32_t mine[] = {shape.rows, shape.cols, shape.vectors};
                static const char *const names[] = {"rows", "cols", "vectors"};
                for (int k = 0; k < 3; ++k) {
                    if (all[k]->n > 1) {
                        strbuf_printf(&condition, "%s%s == %d", condition.len > 0 ? " && " : "", names[k], mine[k]);
                    }
                }
                if (total > 1 && n == 0) {
                    cw_open(w, "if (%s)", condition.ptr);
                } else if (total > 1 && n < total - 1) {
                    cw_chain(w, "else if (%s)", condition.ptr);
                } else if (total > 1) {
                    cw_chain(w, "else");
                }
                cw_line(w, "%s(&taps, in,%s%s weights,%s sums);", emit_tile_name(&shape).text, second, later.text,
                        next);
                strbuf_free(&condition);
            }
        }
    }
    if (total > 1) {
        cw_close(w, "");
    }
}

/* "const int NAME = i < n - 1 ? a : b;" or nothing where there is one choice; its text for later use. */
static CExpr emit_choice(const char *name, const char *condition, Choices choice, CWriter *w)
{
    if (choice.n == 1) {
        return cexpr_int(choice.values[0]);
    }
    cw_line(w, "const int %s = %s ? %d : %d;", name, condition, choice.values[0], choice.values[1]);
    return cexpr_sum((Term[]){{name, 1}, {NULL, 0}}, 0);
}

/* What stands outside of all its loops is there when the pass is the second. */
static void emit_store_loop(const Direct *d, const char *rows, const char *cols, const char *vectors, OutputPass pass,
                            CWriter *w)
{
    const Kernel *kernel = d->kernel;
    const Epilogue *e = &kernel->epilogue;
    bool many_rows = d->tile_rows > 1, many_vectors = d->vectors > 1, again = pass == OUTPUT_FAR;
    if (many_vectors) {
        cw_open(w, "for (int v = 0; v < %s; ++v)", vectors);
    }
    if (e->bias && (many_vectors || !again)) {
        CExpr bias = cexpr_sum((Term[]){{"a->bias", 1}, {"plane", d->b}, {"v", many_vectors ? d->b : 0}, {NULL, 0}}, 0);
        cw_line(w, "const vector bias = vector_load(%s);", bias.text);
    }
    if (many_rows) {
        cw_open(w, "for (int r = 0; r < %s; ++r)", rows);
    }
    CExpr y = cexpr_sum((Term[]){{"out", 1},
                                 {"v", many_vectors ? kernel->out.plane_stride : 0},
                                 {"r", many_rows ? kernel->out.row_stride : 0},
                                 {NULL, 0}},
                        0);
    if (many_vectors || many_rows || !again) {
        cw_line(w, "float *const y = %s;", y.text);
    }
    if (e->residual) {
        CExpr residual = cexpr_sum((Term[]){{"residual", 1},
                                            {"v", many_vectors ? kernel->residual.plane_stride : 0},
                                            {"r", many_rows ? kernel->residual.row_stride : 0},
                                            {NULL, 0}},
                                   0);
        cw_line(w, "const float *const add = %s; /* may be y itself */", residual.text);
    }
    cw_open(w, "for (int p = 0; p < %s; ++p)", cols);
    StrBuf value = {0};
    strbuf_printf(&value, "sums[");
    if (many_rows && many_vectors) {
        strbuf_printf(&value, "(v * %s + r) * %s + ", rows, cols);
    } else if (many_rows || many_vectors) {
        strbuf_printf(&value, "%s * %s + ", many_rows ? "r" : "v", cols);
    }
    strbuf_printf(&value, "p]%s", e->bias ? " + bias" : "");
    if (e->residual) {
        strbuf_printf(&value, " + vector_load(add + p * %d)", d->b);
    }
    if (e->act.op == OP_IDENTITY) {
        cw_line(w, "vector_store(y + p * %d, %s);", d->out_pixel, value.ptr);
    } else {
        cw_line(w, "const vector value = %s;", value.ptr);
        cw_line(w, "vector_store(y + p * %d, %s);", d->out_pixel, emit_output_activation(&e->act, "value", pass).text);
    }
    strbuf_free(&value);
    cw_close(w, "");
    if (many_rows) {
        cw_close(w, "");
    }
    if (many_vectors) {
        cw_close(w, "");
    }
}

Place emit_direct_place(const Direct *d, CWriter *w)
{
    Place place;
    if (d->row_tiles > 1) {
        CExpr row = cexpr_sum((Term[]){{cexpr_div("tile", d->col_tiles).text, d->tile_rows}, {NULL, 0}}, 0);
        cw_line(w, "const int row = %s;", row.text);
    }
    if (d->col_tiles > 1) {
        cw_line(w, "const int column = %s;", d->row_tiles > 1 ? cexpr_mod("tile", d->col_tiles).text : "tile");
    }
    CExpr full_row = cexpr_format("row < %" PRId64, (d->row_tiles - 1) * d->tile_rows);
    place.rows = emit_choice("rows", full_row.text, row_choices(d), w);
    CExpr wide = cexpr_format("column < %" PRId64, d->wide_tiles);
    place.cols = emit_choice("cols", wide.text, col_choices(d), w);
    if (d->col_tiles > 1) {
        if (col_choices(d).n > 1) {
            cw_line(w, "const int first = column * %d + (column < %" PRId64 " ? column : %" PRId64 ");", d->cols - 1,
                    d->wide_tiles, d->wide_tiles);
        } else {
            cw_line(w, "const int first = column * %d;", d->cols);
        }
    }
    return place;
}

CExpr emit_direct_vectors(const Direct *d, CWriter *w)
{
    return emit_choice("vectors", cexpr_format("set < %" PRId64, d->sets - 1).text, vector_choices(d), w);
}

void emit_direct_sums(const Direct *d, const Place *place, const char *vectors, CWriter *w)
{
    const Kernel *kernel = d->kernel;
    const KernelSizes *s = d->s;
    int64_t tiles = d->row_tiles * d->col_tiles;
    bool many_sets = d->sets > 1, many_groups = d->groups > 1;
    const char *number = d->slot > 0 && d->blocks > 1 ? "(tile - first_tile)" : "tile"; /* of the block */
    CExpr plane = cexpr_sum(
        (Term[]){{"group", many_groups ? d->group_planes : 0}, {"set", many_sets ? d->vectors : 0}, {NULL, 0}}, 0);
    cw_line(w, "const %s plane = %s;", d->index, plane.text);
    CExpr in = cexpr_sum((Term[]){{"a->x[0]", 1},
                                  {"group", many_groups ? d->in_group : 0},
                                  {"row", d->row_tiles > 1 ? s->stride_rows * kernel->in.row_stride : 0},
                                  {"first", d->col_tiles > 1 ? d->step : 0},
                                  {NULL, 0}},
                         emit_window_origin(kernel));
    if (d->slot > 0) {
        in = cexpr_sum((Term[]){{"normed", 1}, {number, tiles > 1 ? d->slot : 0}, {NULL, 0}}, 0);
    }
    cw_line(w, "const float *const in = %s;", in.text);
    if (d->second_step > 0) {
        CExpr in2 = cexpr_sum((Term[]){{"a->x[1]", 1},
                                       {"row", d->row_tiles > 1 ? s->second_stride_rows * kernel->in2.row_stride : 0},
                                       {"first", d->col_tiles > 1 ? d->second_step : 0},
                                       {NULL, 0}},
                              emit_interior(&kernel->in2));
        cw_line(w, "const float *const in2 = %s;", in2.text);
    }
    CExpr weights = cexpr_sum((Term[]){{"a->weights", 1},
                                       {"group", many_groups ? d->group_floats : 0},
                                       {"set", many_sets ? d->set_floats : 0},
                                       {NULL, 0}},
                              0);
    cw_line(w, "const float *const weights = %s;", weights.text);
    if (d->prefetch > 0) {
        int64_t rounds = int_div_up(d->depth, d->unroll);
        CExpr next =
            cexpr_sum((Term[]){{"weights", 1}, {number, tiles > 1 ? rounds * d->prefetch * CACHE_LINE : 0}, {NULL, 0}},
                      d->set_floats);
        cw_line(w, "const float *const next = %s; /* a slice of the next set's */", next.text);
    } else if (d->row_prefetch > 0) {
        int64_t row_floats = (int64_t)d->rounds * d->unroll * d->vectors * d->b;
        CExpr slice = cexpr_mod("tile", int_div_up(row_floats, d->row_prefetch * CACHE_LINE));
        CExpr next =
            cexpr_sum((Term[]){{"weights", 1}, {slice.text, tiles > 1 ? d->row_prefetch * CACHE_LINE : 0}, {NULL, 0}},
                      d->set_floats);
        cw_line(w, "const float *const next = %s; /* of the next set: a slice of what each window row reads */",
                next.text);
    }
    cw_line(w, "vector sums[%d];", d->vectors * d->tile_rows * d->cols);
    emit_calls(d, w);
    CExpr out = cexpr_sum((Term[]){{"a->y", 1},
                                   {"plane", kernel->out.plane_stride},
                                   {"row", d->row_tiles > 1 ? kernel->out.row_stride : 0},
                                   {"first", d->col_tiles > 1 ? d->out_pixel : 0},
                                   {NULL, 0}},
                          emit_interior(&kernel->out));
    cw_line(w, "float *const out = %s;", out.text);
    if (kernel->epilogue.residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1},
                                            {"plane", kernel->residual.plane_stride},
                                            {"row", d->row_tiles > 1 ? kernel->residual.row_stride : 0},
                                            {"first", d->col_tiles > 1 ? d->b : 0},
                                            {NULL, 0}},
                                   emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual = %s;", residual.text);
    }
    OutputPass pass = emit_first_pass(kernel->near, w);
    do {
        emit_store_loop(d, place->rows.text, place->cols.text, vectors, pass, w);
    } while (emit_next_pass(&pass, w));
}

/* One tile, from the variables set (of all groups) and tile (of an image). */
static void emit_one(const Direct *d, CWriter *w)
{
    Place place = emit_direct_place(d, w);
    CExpr vectors = emit_direct_vectors(d, w);
    emit_direct_sums(d, &place, vectors.text, w);
}

/* "const int set = ..., group = ...;" from the number of a set among those of all groups. */
static void emit_set(const Direct *d, const char *number, CWriter *w)
{
    if (d->groups > 1) {
        cw_line(w, "const %s group = %s;", d->index, cexpr_div(number, d->sets).text);
        if (d->sets > 1) {
            cw_line(w, "const %s set = %s;", d->index, cexpr_mod(number, d->sets).text);
        }
    } else if (d->sets > 1) {
        cw_line(w, "const %s set = %s;", d->index, number);
    }
}

static void emit_sets_outer(const Direct *d, CWriter *w)
{
    int64_t tiles = d->row_tiles * d->col_tiles, sets = d->groups * d->sets;
    emit_split(w, "job", sets * tiles);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    emit_set(d, cexpr_div("job", tiles).text, w);
    if (tiles > 1) {
        cw_line(w, "const int tile = %s;", sets > 1 ? cexpr_mod("job", tiles).text : "job");
    }
    emit_one(d, w);
    cw_close(w, "");
}

static void emit_pixels_outer(const Direct *d, CWriter *w)
{
    int64_t tiles = d->row_tiles * d->col_tiles, sets = d->groups * d->sets;
    int64_t block = d->block, blocks = d->blocks;
    emit_split(w, "block", blocks);
    cw_blank(w);
    cw_open(w, "for (int block = first_block; block < end_block; ++block)");
    if (tiles % block == 0) {
        cw_line(w, "const int end = block * %" PRId64 " + %" PRId64 ";", block, block);
    } else {
        cw_line(w, "const int end = block < %" PRId64 " ? block * %" PRId64 " + %" PRId64 " : %" PRId64 ";", blocks - 1,
                block, block, tiles);
    }
    cw_open(w, "for (int number = 0; number < %" PRId64 "; ++number)", sets);
    emit_set(d, "number", w);
    cw_open(w, "for (int tile = block * %" PRId64 "; tile < end; ++tile)", block);
    emit_one(d, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_direct(const Kernel *kernel, CWriter *w)
{
    Direct d = direct_of(kernel);
    if (d.slot > 0) {
        emit_prologue_input(&d, w);
    }
    emit_head_comment(&d, w);
    emit_kernel_head(kernel, w);
    emit_taps(&d, w);
    if (d.slot > 0) {
        emit_prologue_blocks(&d, w);
    } else if (kernel->pixels_outer && d.groups * d.sets > 1 && d.row_tiles * d.col_tiles > 1) {
        emit_pixels_outer(&d, w);
    } else {
        emit_sets_outer(&d, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
