/* gram: the product of the channels with themselves, sums over pixels, in the micro-kernel of conv (emit_helpers.c).
 *
 * A stretch of pixels of a tile of channels is laid out as rows[pixel][channel], the same pixels of four channels as
 * w[pixel / 4][4 channels][4 pixels]. Sums of stretches start from zero, so that rounding errors do not grow with the
 * image. y[a][b] and y[b][a] add the same products in the same order: the result is symmetric to the last bit. */
#include "backend/emit.h"

#include <inttypes.h>

typedef struct Gram {
    int64_t channels, pixels; /* of the input */
    int64_t tile, stretch;    /* channels and pixels done at once */
    int64_t blocks;           /* of four channels */
    const char *index;
} Gram;

/* rows[i][c] = pixel first + i of channel start + c; zeros past the edges. */
static void emit_rows(const Gram *g, CWriter *w)
{
    bool zeros = g->channels % g->tile != 0 || g->pixels % 4 != 0;
    if (zeros) {
        cw_open(w, "for (int i = 0; i < %" PRId64 "; ++i)", g->stretch * g->tile);
        cw_line(w, "rows[i] = 0.0f;");
        cw_close(w, "");
    }
    cw_open(w, "for (int c = 0; c < count; ++c)");
    CExpr x = cexpr_sum(
        (Term[]){{"a->x[0]", 1}, {"(start + c)", g->pixels}, {"first", g->pixels > g->stretch}, {NULL, 0}}, 0);
    cw_line(w, "const float *const x = %s;", x.text);
    cw_open(w, "for (int i = 0; i < pixels; ++i)");
    cw_line(w, "rows[%s] = x[i];", cexpr_sum((Term[]){{"i", g->tile}, {"c", 1}, {NULL, 0}}, 0).text);
    cw_close(w, "");
    cw_close(w, "");
}

/* w: the same pixels of the four channels of a block. */
static void emit_four(const Gram *g, CWriter *w)
{
    cw_open(w, "for (int c = 0; c < 4; ++c)");
    bool odd = g->channels % 4 != 0;
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {odd ? "channel" : "(block * 4 + c)", g->pixels},
                                 {"first", g->pixels > g->stretch},
                                 {NULL, 0}},
                        0);
    if (odd) { /* what is multiplied past the last channel is not stored */
        cw_line(w, "const %s channel = block * 4 + c < %" PRId64 " ? block * 4 + c : %" PRId64 ";", g->index,
                g->channels, g->channels - 1);
    }
    cw_line(w, "const float *const x = %s;", x.text);
    cw_open(w, "for (int i = 0; i < taps; ++i)");
    if (g->pixels % 4 != 0) {
        cw_line(w, "w[i / 4 * 16 + c * 4 + i %% 4] = i < pixels ? x[i] : 0.0f;");
    } else {
        cw_line(w, "w[i / 4 * 16 + c * 4 + i %% 4] = x[i];");
    }
    cw_close(w, "");
    cw_close(w, "");
}

static void emit_gram_store(const Gram *g, CWriter *w)
{
    int64_t block = 4 * g->tile;
    cw_open(w, "for (%s block = first_block; block < end_block; ++block)", g->index);
    if (g->channels % 4 != 0) {
        cw_line(w, "const int channels = block < %" PRId64 " ? 4 : %" PRId64 ";", g->blocks - 1, g->channels % 4);
    }
    cw_open(w, "for (int r = 0; r < %s; ++r)", g->channels % 4 != 0 ? "channels" : "4");
    CExpr y = cexpr_sum((Term[]){{"a->y", 1}, {"(block * 4 + r)", g->channels}, {"start", 1}, {NULL, 0}}, 0);
    CExpr sums = cexpr_sum((Term[]){{"acc", 1}, {"block", block}, {"r", g->tile}, {NULL, 0}}, 0);
    cw_line(w, "float *const y = %s;", y.text);
    cw_line(w, "const float *const sums = %s;", sums.text);
    cw_open(w, "for (int c = 0; c < count; ++c)");
    cw_line(w, "y[c] = sums[c] / %s;", emit_float((double)(g->channels * g->pixels)).text);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
}

void emit_gram(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    Gram g = {.channels = s->in_channels,
              .pixels = (int64_t)s->in_rows * s->in_cols,
              .tile = kernel->tile_pixels,
              .stretch = kernel->tile_taps};
    g.blocks = (g.channels + 3) / 4;
    int64_t in = g.channels * g.pixels, out = 4 * g.blocks * g.channels;
    g.index = cexpr_index_type((in > out ? in : out) + 4 * g.pixels);
    if (g.tile <= 0 || g.stretch % 4 != 0 ||
        kernel->scratch_bytes < 4 * (g.stretch * (g.tile + 4) + 4 * g.blocks * g.tile)) {
        ICE("gram kernel '" STR_FMT "' has no tiles", STR_ARG(kernel->name));
    }
    cw_comment(w,
               "Gram matrix of %" PRId64 " channels, sums over %" PRId64
               " pixels. A matrix product in tiles of %" PRId64 " channels x %" PRId64 " pixels.",
               g.channels, g.pixels, g.tile, g.stretch);
    emit_kernel_head(kernel, w);
    CExpr slice = cexpr_sum((Term[]){{"a->scratch", 1}, {"part", kernel->scratch_bytes / 4}, {NULL, 0}}, 0);
    cw_line(w, "float *const rows = %s; /* [%" PRId64 " pixels][%" PRId64 " channels] */", slice.text, g.stretch,
            g.tile);
    cw_line(w, "float *const w = rows + %" PRId64 "; /* [%" PRId64 "][4][4] */", g.stretch * g.tile, g.stretch / 4);
    cw_line(w, "float *const acc = w + %" PRId64 "; /* [%" PRId64 " channels][%" PRId64 " channels] */", g.stretch * 4,
            4 * g.blocks, g.tile);
    emit_split(w, "block", g.blocks);
    cw_blank(w);
    cw_open(w, "for (%s start = 0; start < %" PRId64 "; start += %" PRId64 ")", g.index, g.channels, g.tile);
    if (g.channels % g.tile == 0) {
        cw_line(w, "const int count = %" PRId64 ";", g.tile);
    } else {
        cw_line(w, "const int count = start < %" PRId64 " ? %" PRId64 " : %" PRId64 ";", g.channels / g.tile * g.tile,
                g.tile, g.channels % g.tile);
    }
    cw_open(w, "for (%s i = first_block * %" PRId64 "; i < end_block * %" PRId64 "; ++i)", g.index, 4 * g.tile,
            4 * g.tile);
    cw_line(w, "acc[i] = 0.0f;");
    cw_close(w, "");
    bool many = g.pixels > g.stretch;
    if (many) {
        cw_open(w, "for (%s first = 0; first < %" PRId64 "; first += %" PRId64 ")", g.index, g.pixels, g.stretch);
    }
    if (many && g.pixels % g.stretch != 0) {
        cw_line(w, "const int pixels = first < %" PRId64 " ? %" PRId64 " : %" PRId64 ";",
                g.pixels / g.stretch * g.stretch, g.stretch, g.pixels % g.stretch);
    } else {
        cw_line(w, "const int pixels = %" PRId64 ";", many ? g.stretch : g.pixels);
    }
    cw_line(w, g.pixels % 4 == 0 ? "const int taps = pixels;" : "const int taps = (pixels + 3) / 4 * 4;");
    emit_rows(&g, w);
    cw_open(w, "for (%s block = first_block; block < end_block; ++block)", g.index);
    emit_four(&g, w);
    CExpr sums = cexpr_sum((Term[]){{"acc", 1}, {"block", 4 * g.tile}, {NULL, 0}}, 0);
    cw_line(w, "matrix_tile_%" PRId64 "(rows, w, taps, %s);", g.tile, sums.text);
    cw_close(w, "");
    if (many) {
        cw_close(w, "");
    }
    emit_gram_store(&g, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
