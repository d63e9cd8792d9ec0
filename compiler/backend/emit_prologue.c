/* direct with a prologue: a 1x1 convolution that normalises what it reads, act(x * scale + shift), for norms that no
 * convolution before them can take.
 *
 * NAME_input writes the inputs of a block of tiles, normalised, to scratch, where the tiles of emit_conv_direct.c read
 * them: [plane][tile][row of the tile][column][b]. A part that begins within a block does so for itself: results are the
 * same in every split. Strassen's product normalises as it sums up its inputs (emit_strassen.c). */
#include "backend/emit_direct.h"

#include <inttypes.h>

#include "support/ints.h"

/* The tiles of a block are one run of pixels, in x as in scratch. */
static bool is_run(const Direct *d)
{
    const KernelSizes *s = d->s;
    const Layout *in = &d->kernel->in;
    bool dense = s->stride_rows == 1 && s->stride_cols == 1 && in->row_stride == (int64_t)s->out_cols * d->b;
    return (dense || s->out_rows == 1) && s->stride_cols == 1 && d->wide_tiles == d->col_tiles &&
           (d->tile_rows == 1 || d->col_tiles == 1);
}

/* "from + p * 16", "from + r * 896 + p * 32" */
static CExpr pixel(const char *base, int64_t row, int64_t column)
{
    return cexpr_sum((Term[]){{base, 1}, {"r", row}, {"p", column}, {NULL, 0}}, 0);
}

static void emit_normed(const Direct *d, CExpr from, CExpr to, CWriter *w)
{
    cw_line(w, "const vector value = vector_load(%s) * scale + shift;", from.text);
    if (d->later > 0) {
        cw_line(w, "__builtin_prefetch(%s%s, 0, 2); /* the next block's */", from.text, emit_offset(d->later).text);
    }
    cw_line(w, "vector_store(%s, %s);", to.text, emit_vector_activation(&d->kernel->prologue.act, "value").text);
}

static void emit_normed_run(const Direct *d, CExpr plane_of_x, CWriter *w)
{
    cw_line(w, "const float *const from = %s;", plane_of_x.text);
    CExpr all = cexpr_int((int64_t)d->s->out_rows * d->s->out_cols);
    cw_open(w, "for (int p = 0; p < %s; ++p)", d->blocks > 1 ? "pixels" : all.text);
    emit_normed(d, pixel("from", 0, d->b), pixel("to", 0, d->b), w);
    cw_close(w, "");
}

static void emit_normed_tiles(const Direct *d, CExpr plane_of_x, CWriter *w)
{
    const Kernel *kernel = d->kernel;
    const KernelSizes *s = d->s;
    int64_t tiles = d->row_tiles * d->col_tiles, down = s->stride_rows * kernel->in.row_stride;
    if (tiles > 1) {
        CExpr count = cexpr_int(tiles);
        cw_open(w, "for (int tile = %s; tile < %s; ++tile, to += %" PRId64 ")", d->blocks > 1 ? "first_tile" : "0",
                d->blocks > 1 ? "end_tile" : count.text, d->slot);
    }
    Place place = emit_direct_place(d, w);
    CExpr from = cexpr_sum((Term[]){{plane_of_x.text, 1},
                                    {"row", d->row_tiles > 1 ? down : 0},
                                    {"first", d->col_tiles > 1 ? s->stride_cols * d->b : 0},
                                    {NULL, 0}},
                           0);
    cw_line(w, "const float *const from = %s;", from.text);
    bool many_rows = d->tile_rows > 1;
    if (many_rows) {
        cw_open(w, "for (int r = 0; r < %s; ++r)", place.rows.text);
    }
    cw_open(w, "for (int p = 0; p < %s; ++p)", place.cols.text);
    emit_normed(d, pixel("from", many_rows ? down : 0, (int64_t)s->stride_cols * d->b),
                pixel("to", many_rows ? (int64_t)d->cols * d->b : 0, d->b), w);
    cw_close(w, "");
    if (many_rows) {
        cw_close(w, "");
    }
    if (tiles > 1) {
        cw_close(w, "");
    }
}

void emit_prologue_input(const Direct *d, CWriter *w)
{
    const Kernel *kernel = d->kernel;
    int64_t planes = int_div_up(d->s->in_channels, d->b);
    bool run = is_run(d), many = d->blocks > 1;
    cw_comment(w, "The inputs of %s, normalised: [%" PRId64 "][tiles][%d][%d][%d].",
               !many ? "the image"
               : run ? "a block of pixels from `first` on"
                     : "tiles first_tile to end_tile",
               planes, d->tile_rows, d->cols, d->b);
    cw_line(w, "static void " STR_FMT "_input(const step_arguments *a, float *normed%s)", STR_ARG(kernel->name),
            !many ? ""
            : run ? ", int first, int pixels"
                  : ", int first_tile, int end_tile");
    cw_body(w);
    cw_open(w, "for (%s plane = 0; plane < %" PRId64 "; ++plane)", d->index, planes);
    cw_line(w, "const vector scale = vector_load(a->norm + plane * %d);", d->b);
    cw_line(w, "const vector shift = vector_load(a->norm + plane * %d%s);", d->b, emit_offset(planes * d->b).text);
    CExpr from = cexpr_sum((Term[]){{"a->x[0]", 1},
                                    {"plane", planes > 1 ? kernel->in.plane_stride : 0},
                                    {"first", many && run ? d->b : 0},
                                    {NULL, 0}},
                           emit_window_origin(kernel));
    CExpr to = cexpr_sum((Term[]){{"normed", 1}, {"plane", planes > 1 ? d->slots : 0}, {NULL, 0}}, 0);
    bool moves = !run && d->row_tiles * d->col_tiles > 1;
    cw_line(w, "float *%sto = %s;", moves ? "" : "const ", to.text);
    if (run) {
        emit_normed_run(d, from, w);
    } else {
        emit_normed_tiles(d, from, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_input_call(const Direct *d, CWriter *w)
{
    Str name = d->kernel->name;
    int64_t pixels = (int64_t)d->s->out_rows * d->s->out_cols, tile = (int64_t)d->tile_rows * d->cols;
    if (d->blocks == 1) {
        cw_line(w, STR_FMT "_input(a, normed);", STR_ARG(name));
    } else if (!is_run(d)) {
        cw_line(w, STR_FMT "_input(a, normed, first_tile, end_tile);", STR_ARG(name));
    } else if (pixels % tile == 0) {
        cw_line(w, STR_FMT "_input(a, normed, first_tile * %" PRId64 ", (end_tile - first_tile) * %" PRId64 ");",
                STR_ARG(name), tile, tile);
    } else {
        cw_line(w, "const int first = first_tile * %" PRId64 ", end = end_tile * %" PRId64 ";", tile, tile);
        cw_line(w, STR_FMT "_input(a, normed, first, (end < %" PRId64 " ? end : %" PRId64 ") - first);", STR_ARG(name),
                pixels, pixels);
    }
}

/* A job: a set of a block. */
void emit_prologue_blocks(const Direct *d, CWriter *w)
{
    int64_t tiles = d->row_tiles * d->col_tiles;
    cw_line(w, "float *const normed = %s;", emit_scratch(d->kernel).text);
    emit_split(w, "job", d->blocks * d->sets);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    if (d->blocks > 1) {
        CExpr first = cexpr_sum((Term[]){{cexpr_div("job", d->sets).text, d->block}, {NULL, 0}}, 0);
        cw_line(w, "const int first_tile = %s;", first.text);
        if (tiles % d->block == 0) {
            cw_line(w, "const int end_tile = first_tile + %" PRId64 ";", d->block);
        } else {
            cw_line(w, "const int end_tile = first_tile < %" PRId64 " ? first_tile + %" PRId64 " : %" PRId64 ";",
                    tiles - d->block, d->block, tiles);
        }
    }
    if (d->sets > 1) {
        cw_line(w, "const %s set = %s;", d->index, d->blocks > 1 ? cexpr_mod("job", d->sets).text : "job");
    }
    CExpr vectors = emit_direct_vectors(d, w); /* gcc warns of sums without a value where each tile chooses */
    if (d->sets > 1) {
        cw_open(w, "if (job == first_job || set == 0)");
    }
    emit_input_call(d, w);
    if (d->sets > 1) {
        cw_close(w, "");
    }
    if (d->blocks > 1) {
        cw_open(w, "for (int tile = first_tile; tile < end_tile; ++tile)");
    } else if (tiles > 1) {
        cw_open(w, "for (int tile = 0; tile < %" PRId64 "; ++tile)", tiles);
    }
    Place place = emit_direct_place(d, w);
    emit_direct_sums(d, &place, vectors.text, w);
    if (tiles > 1) {
        cw_close(w, "");
    }
    cw_close(w, "");
}
