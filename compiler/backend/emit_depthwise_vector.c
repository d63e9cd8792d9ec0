/* depthwise on vectors: each channel is filtered on its own, so a vector of channels is filtered by vectors of weights.
 * What tiles and kernels of grouped convolutions have in common with it, all but the products (emit_grouped.c), is here too.
 *
 * The sums of a tile of pixels stay in registers while the taps pass by; the image has its zeros around it, so there
 * are no tests for borders. Tile functions are shared by all layers of the same window, stride and tile, and of the same
 * epilogue where they apply it (Kernel.tile_ends): with 32 registers sums by way of the stack cost less than that. */
#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_vector.h"
#include "support/ints.h"

static CExpr tile_name(const DepthwiseTile *t)
{
    const KernelSizes *s = t->s;
    CExpr name = t->channels > 1 ? cexpr_format("grouped%d", (int)t->channels) : (CExpr){"depthwise"};
    cexpr_append(&name, "_%dx%d_k%dx%d_s%dx%d", (int)t->rows, (int)t->cols, (int)s->kernel_rows, (int)s->kernel_cols,
                 (int)s->stride_rows, (int)s->stride_cols);
    if (s->dilation_rows > 1 || s->dilation_cols > 1) {
        cexpr_append(&name, "_d%dx%d", (int)s->dilation_rows, (int)s->dilation_cols);
    }
    if (t->act->op != OP_IDENTITY) {
        cexpr_append(&name, "_%s", op_info(t->act->op)->name);
    }
    if (t->ends) {
        bool acts = t->ends->act.op != OP_IDENTITY;
        cexpr_append(&name, "_to%s%s%s%s%s", t->ends->bias ? "_bias" : "", t->ends->residual ? "_residual" : "",
                     acts ? "_" : "", acts ? op_info(t->ends->act.op)->name : "", t->near ? "_near" : "");
    }
    return name;
}

/* The same, whose outputs are computed with limits. */
static DepthwiseTile far_tile(const DepthwiseTile *t)
{
    DepthwiseTile far = *t;
    far.near = false;
    return far;
}

/* The sums s[cols] of a tile of one row, with what follows them, to y. Far from 0 all begins again, since sums that were
 * kept would have to be stored. */
static void emit_ends(const DepthwiseTile *t, CWriter *w)
{
    CExpr at = cexpr_sum((Term[]){{"p", t->b}, {NULL, 0}}, 0);
    DepthwiseTile far = far_tile(t);
    OutputPass pass = emit_first_pass(t->near, w);
    do {
        if (pass == OUTPUT_FAR) {
            cw_line(w, "%s(x, row_stride, w - %d, %sy);", tile_name(&far).text,
                    t->s->kernel_rows * t->s->kernel_cols * t->channels * t->b, t->ends->bias ? "bias, " : "");
            continue;
        }
        emit_open_unrolled(w, "p", t->cols);
        if (t->ends->residual) {
            cw_line(w, "s[p] += vector_load(residual + %s);", at.text);
        }
        cw_line(w, "vector_store(y + %s, %s);", at.text, emit_output_activation(&t->ends->act, "s[p]", pass).text);
        cw_close(w, "");
    } while (emit_next_pass(&pass, w));
}

static void emit_tile_head(const DepthwiseTile *t, CWriter *w)
{
    const KernelSizes *s = t->s;
    const Epilogue *e = t->ends;
    const char *before = t->act->op == OP_IDENTITY ? "" : op_info(t->act->op)->name;
    CExpr ends = e ? emit_epilogue_text(e) : (CExpr){""};
    CExpr group = {""};
    if (t->channels > 1) {
        group = cexpr_format(" and %d channels a group", (int)t->channels);
    }
    cw_comment(w,
               "%s[%d][%d]: a window of %dx%d taps%s on %d x %d pixels of one vector of channels%s; x points at the "
               "first tap of the first pixel, rows of the image lie row_stride floats apart.%s%s%s",
               e ? "y" : "sums", t->rows, t->cols, s->kernel_rows, s->kernel_cols, group.text, t->rows, t->cols,
               ends.text, *before ? " First, of each input: " : "", before, *before ? "." : "");
    cw_line(w, "static void %s(const float *x, ptrdiff_t row_stride, const float *w, %s%s%s)", tile_name(t).text,
            e && e->bias ? "vector bias, " : "", e && e->residual ? "const float *residual, " : "",
            e ? "float *y" : "vector *sums");
}

/* Adds the products of the window row at `in` to the tile's sums. */
static void emit_products(const DepthwiseTile *t, CWriter *w)
{
    enum { MAX_UNROLLED = 5 };
    const KernelSizes *s = t->s;
    bool acts = t->act->op != OP_IDENTITY;
    cw_line(w, s->kernel_cols <= MAX_UNROLLED ? "CNN_UNROLL(%d)" : "CNN_KEEP_LOOP", s->kernel_cols);
    cw_open(w, "for (int kx = 0; kx < %d; ++kx)", s->kernel_cols);
    cw_line(w, "const vector k = vector_load(w + kx * %d);", t->b);
    if (t->rows > 1) {
        emit_open_unrolled(w, "r", t->rows);
    }
    emit_open_unrolled(w, "p", t->cols);
    CExpr at = cexpr_sum((Term[]){{"in", 1},
                                  {"r * row_stride", t->rows > 1 ? s->stride_rows : 0},
                                  {"p", s->stride_cols * t->b},
                                  {"kx", s->dilation_cols * t->b},
                                  {NULL, 0}},
                         0);
    CExpr sum = cexpr_sum((Term[]){{"r", t->rows > 1 ? t->cols : 0}, {"p", 1}, {NULL, 0}}, 0);
    CExpr load = cexpr_format("vector_load(%s)", at.text);
    cw_line(w, "s[%s] += k * %s;", sum.text, acts ? emit_vector_activation(t->act, load.text).text : load.text);
    cw_close(w, "");
    if (t->rows > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

static void emit_tile_function(const DepthwiseTile *t, CWriter *w)
{
    const KernelSizes *s = t->s;
    int32_t pixels = t->rows * t->cols;
    if (ctext_uses(strbuf_view(&w->text), tile_name(t).text)) {
        return; /* an earlier layer has the same */
    }
    if (t->near) {
        DepthwiseTile far = far_tile(t);
        emit_tile_function(&far, w);
    }
    emit_tile_head(t, w);
    cw_body(w);
    cw_line(w, "vector s[%d];", pixels);
    emit_open_unrolled(w, "i", pixels);
    cw_line(w, "s[i] = %s;", t->ends && t->ends->bias ? "bias" : "vector_all(0.0f)");
    cw_close(w, "");
    cw_line(w, "CNN_KEEP_LOOP");
    cw_open(w, "for (int ky = 0; ky < %d; ++ky, w += %d)", s->kernel_rows, s->kernel_cols * t->channels * t->b);
    CExpr row = cexpr_sum((Term[]){{"ky", s->dilation_rows}, {NULL, 0}}, 0);
    cw_line(w, "const float *const in = x + %s * row_stride;", row.text);
    if (t->channels > 1) {
        emit_grouped_products(t, w);
    } else {
        emit_products(t, w);
    }
    cw_close(w, "");
    if (t->ends) {
        emit_ends(t, w);
    } else {
        emit_open_unrolled(w, "i", pixels);
        cw_line(w, "sums[i] = s[i];");
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}

/* --- the kernel */

static int32_t channels_of(const Kernel *kernel) /* of a group */
{
    return kernel->family == KERNEL_GROUPED ? kernel->sizes.in_channels / kernel->sizes.groups : 1;
}

typedef struct Grid {         /* of tiles */
    int64_t rows, cols, wide; /* tiles; the first `wide` of a row have tile_cols columns, the others one less */
    int32_t tile_rows, last_rows, tile_cols;
} Grid;

static Grid grid_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    Grid g = {.tile_rows = kernel->tile_rows > 1 && kernel->tile_rows <= s->out_rows ? kernel->tile_rows : 1};
    const ActAttr *attr = &kernel->epilogue.act.attr;
    REFUSE_IF(kernel, kernel->tile_cols <= 0, "has no tiles");
    REFUSE_IF(kernel, kernel->weight_format.kind != PACK_VECTORS, "has weights in another order");
    REFUSE_IF(kernel, s->multiplier > 1, "has a multiplier");
    REFUSE_IF(kernel, kernel->vector % channels_of(kernel) != 0, "has groups that do not divide a vector");
    REFUSE_IF(kernel, kernel->tile_ends && (g.tile_rows > 1 || attr->a != 0.0 || attr->b != 0.0),
              "has tiles that cannot end");
    REFUSE_IF(kernel, kernel->near && !kernel->tile_ends, "is near without tiles that end");
    g.rows = int_div_up(s->out_rows, g.tile_rows);
    g.last_rows = (int32_t)(s->out_rows - (g.rows - 1) * g.tile_rows);
    Pieces columns = pieces_of(s->out_cols, kernel->tile_cols);
    g.cols = columns.count;
    g.tile_cols = (int32_t)columns.size;
    g.wide = columns.wide;
    return g;
}

static DepthwiseTile tile_of(const Kernel *kernel, int32_t rows, int32_t cols)
{
    static const Activation none = {.op = OP_IDENTITY};
    return (DepthwiseTile){.s = &kernel->sizes,
                           .rows = rows,
                           .cols = cols,
                           .b = kernel->vector,
                           .channels = channels_of(kernel),
                           .act = kernel->prologue.kind == PROLOGUE_ACT ? &kernel->prologue.act : &none,
                           .ends = kernel->tile_ends ? &kernel->epilogue : NULL,
                           .near = kernel->near};
}

/* Calls the function of tiles of `rows` rows. */
static void emit_call(const Kernel *kernel, const Grid *g, int32_t rows, CWriter *w)
{
    bool narrow = g->wide < g->cols;
    const Epilogue *e = &kernel->epilogue;
    CExpr to = {"sums"};
    if (kernel->tile_ends) {
        to = cexpr_format("%s%sout", e->bias ? "bias, " : "", e->residual ? "residual, " : "");
    }
    CExpr row_stride = cexpr_int(kernel->in.row_stride);
    DepthwiseTile tile = tile_of(kernel, rows, g->tile_cols);
    if (narrow) {
        DepthwiseTile thin = tile_of(kernel, rows, g->tile_cols - 1);
        cw_open(w, "if (cols == %d)", g->tile_cols);
        cw_line(w, "%s(in, %s, weights, %s);", tile_name(&tile).text, row_stride.text, to.text);
        cw_chain(w, "else");
        cw_line(w, "%s(in, %s, weights, %s);", tile_name(&thin).text, row_stride.text, to.text);
        cw_close(w, "");
    } else {
        cw_line(w, "%s(in, %s, weights, %s);", tile_name(&tile).text, row_stride.text, to.text);
    }
}

static void emit_store_tile(const Kernel *kernel, const Grid *g, const char *rows, const char *cols, CWriter *w)
{
    const Epilogue *e = &kernel->epilogue;
    bool many = g->tile_rows > 1;
    if (many) {
        cw_open(w, "for (int r = 0; r < %s; ++r)", rows);
    }
    cw_open(w, "for (int p = 0; p < %s; ++p)", cols);
    StrBuf value = {0};
    if (many) {
        strbuf_printf(&value, "sums[r * %s + p]%s", cols, e->bias ? " + bias" : "");
    } else {
        strbuf_printf(&value, "sums[p]%s", e->bias ? " + bias" : "");
    }
    int32_t b = kernel->vector;
    if (e->residual) {
        CExpr add =
            cexpr_sum((Term[]){{"residual", 1}, {"r", many ? kernel->residual.row_stride : 0}, {"p", b}, {NULL, 0}}, 0);
        strbuf_printf(&value, " + vector_load(%s)", add.text);
    }
    CExpr y = cexpr_sum((Term[]){{"out", 1}, {"r", many ? kernel->out.row_stride : 0}, {"p", b}, {NULL, 0}}, 0);
    cw_line(w, "const vector value = %s;", value.ptr);
    cw_line(w, "vector_store(%s, %s);", y.text, emit_vector_activation(&e->act, "value").text);
    strbuf_free(&value);
    cw_close(w, "");
    if (many) {
        cw_close(w, "");
    }
}

/* Asks for the inputs that the row of tiles after the next one is the first to read. */
static void emit_inputs_ahead(const Kernel *kernel, const Grid *g, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t step = s->stride_rows * g->tile_rows, floats = g->tile_cols * s->stride_cols * kernel->vector;
    int64_t first = (int64_t)(s->kernel_rows - 1) * s->dilation_rows + 1 + step, row_stride = kernel->in.row_stride;
    emit_rows_ahead(w, "in", first * row_stride, step, row_stride, floats, "");
}

static void emit_columns(const Kernel *kernel, const Grid *g, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t b = kernel->vector;
    bool narrow = g->wide < g->cols;
    bool many = g->cols > 1;
    if (many) {
        cw_open(w, "for (int column = 0; column < %" PRId64 "; ++column)", g->cols);
    }
    CExpr cols = cexpr_int(g->tile_cols);
    if (narrow) {
        cw_line(w, "const int cols = column < %" PRId64 " ? %d : %d;", g->wide, g->tile_cols, g->tile_cols - 1);
        cw_line(w, "const int first = column * %d + (column < %" PRId64 " ? column : %" PRId64 ");", g->tile_cols - 1,
                g->wide, g->wide);
        cols = (CExpr){"cols"};
    } else if (many) {
        cw_line(w, "const int first = column * %d;", g->tile_cols);
    }
    CExpr in = cexpr_sum((Term[]){{"in_row", 1}, {"first", many ? s->stride_cols * b : 0}, {NULL, 0}}, 0);
    CExpr out = cexpr_sum((Term[]){{"out_row", 1}, {"first", many ? b : 0}, {NULL, 0}}, 0);
    cw_line(w, "const float *const in = %s;", in.text);
    cw_line(w, "float *const out = %s;", out.text);
    if (kernel->input_ahead) {
        emit_inputs_ahead(kernel, g, w);
    }
    if (!kernel->tile_ends) {
        cw_line(w, "vector sums[%d];", g->tile_rows * g->tile_cols);
    }
    if (kernel->epilogue.residual) {
        CExpr residual = cexpr_sum((Term[]){{"residual_row", 1}, {"first", many ? b : 0}, {NULL, 0}}, 0);
        cw_line(w, "const float *const residual = %s; /* may be out itself */", residual.text);
    }
    CExpr rows = cexpr_int(g->tile_rows);
    if (g->last_rows != g->tile_rows) {
        rows = (CExpr){"rows"};
        cw_open(w, "if (rows == %d)", g->tile_rows);
        emit_call(kernel, g, g->tile_rows, w);
        cw_chain(w, "else");
        emit_call(kernel, g, g->last_rows, w);
        cw_close(w, "");
    } else {
        emit_call(kernel, g, g->tile_rows, w);
    }
    if (!kernel->tile_ends) {
        emit_store_tile(kernel, g, rows.text, cols.text, w);
    }
    if (many) {
        cw_close(w, "");
    }
}

void emit_depthwise_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Epilogue *e = &kernel->epilogue;
    Grid g = grid_of(kernel);
    bool acts = kernel->prologue.kind == PROLOGUE_ACT;
    int32_t b = kernel->vector, taps = s->kernel_rows * s->kernel_cols * channels_of(kernel);
    int64_t planes = int_div_up(s->in_channels, b);
    for (int r = 0; r < (g.last_rows != g.tile_rows ? 2 : 1); ++r) {
        for (int c = 0; c < (g.wide < g.cols ? 2 : 1); ++c) {
            DepthwiseTile tile = tile_of(kernel, r == 0 ? g.tile_rows : g.last_rows, g.tile_cols - c);
            emit_tile_function(&tile, w);
        }
    }
    cw_comment(w,
               "%s convolution %dx%d, stride %dx%d, padding from top left %dx%d%s%s: %dx%dx%d -> %dx%dx%d%s.\n"
               "x, y [%d/%d][row][column][%d], weights [%d/%d][%d][%d][%d][%d].",
               kernel->family == KERNEL_GROUPED ? "Grouped" : "Depthwise", s->kernel_rows, s->kernel_cols,
               s->stride_rows, s->stride_cols, s->pad_top, s->pad_left, acts ? ", first " : "",
               acts ? op_info(kernel->prologue.act.op)->name : "", s->in_channels, s->in_rows, s->in_cols,
               s->out_channels, s->out_rows, s->out_cols, emit_epilogue_text(e).text, s->in_channels, b, b,
               s->in_channels, b, s->kernel_rows, s->kernel_cols, channels_of(kernel), b);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes * g.rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    int64_t in_total = planes * kernel->in.plane_stride, out_total = planes * kernel->out.plane_stride;
    const char *index = cexpr_index_type(in_total > out_total ? in_total : out_total);
    cw_line(w, "const %s plane = %s;", index, cexpr_div("job", g.rows).text);
    bool many = g.rows > 1;
    if (many) {
        CExpr row = cexpr_sum((Term[]){{cexpr_mod("job", g.rows).text, g.tile_rows}, {NULL, 0}}, 0);
        cw_line(w, "const int row = %s;", row.text);
    }
    if (g.last_rows != g.tile_rows) {
        cw_line(w, "const int rows = row < %" PRId64 " ? %d : %d;", (g.rows - 1) * g.tile_rows, g.tile_rows,
                g.last_rows);
    }
    cw_line(w, "const float *const weights = a->weights + plane * %d;", taps * b);
    if (e->bias) {
        cw_line(w, "const vector bias = vector_load(a->bias + plane * %d);", b);
    }
    CExpr in = cexpr_sum((Term[]){{"a->x[0]", 1},
                                  {"plane", kernel->in.plane_stride},
                                  {"row", many ? s->stride_rows * kernel->in.row_stride : 0},
                                  {NULL, 0}},
                         emit_window_origin(kernel));
    cw_line(w, "const float *const in_row = %s;", in.text);
    CExpr out = cexpr_sum(
        (Term[]){
            {"a->y", 1}, {"plane", kernel->out.plane_stride}, {"row", many ? kernel->out.row_stride : 0}, {NULL, 0}},
        emit_interior(&kernel->out));
    cw_line(w, "float *const out_row = %s;", out.text);
    if (e->residual) {
        CExpr residual = cexpr_sum((Term[]){{"a->residual", 1},
                                            {"plane", kernel->residual.plane_stride},
                                            {"row", many ? kernel->residual.row_stride : 0},
                                            {NULL, 0}},
                                   emit_interior(&kernel->residual));
        cw_line(w, "const float *const residual_row = %s;", residual.text);
    }
    emit_columns(kernel, &g, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
