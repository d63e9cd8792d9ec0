/* convert: the same image from one layout to another; zero_halo: the zeros around an image.
 *
 * Between plain planes and blocks a conversion transposes squares of as many pixels as a vector has lanes; what is left
 * of a row goes element by element. Rows of one layout are copied whole. */
#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_vector.h"
#include "support/ints.h"

static const char *index_of(const Kernel *kernel)
{
    int64_t out = layout_elements(&kernel->out);
    int64_t in = kernel->family == KERNEL_CONVERT ? layout_elements(&kernel->in) : out;
    return cexpr_index_type(in > out ? in : out);
}

/* Pointer to element (0, y, 0) of plane `plane`. */
static CExpr row_of(const char *array, const Layout *l, const char *plane)
{
    return cexpr_sum((Term[]){{array, 1}, {plane, l->plane_stride}, {"row", l->row_stride}, {NULL, 0}},
                     emit_interior(l));
}

/* Rows of one block size: each as it is. */
static void emit_whole_rows(const Kernel *kernel, CWriter *w)
{
    cw_line(w, "const float *const x = %s;", row_of("a->x[0]", &kernel->in, "plane").text);
    cw_line(w, "float *const y = %s;", row_of("a->y", &kernel->out, "plane").text);
    cw_line(w, "memcpy(y, x, %" PRId64 " * sizeof(float));", (int64_t)kernel->in.cols * kernel->in.block);
}

/* The transpose of a square, by log2 b rounds: lanes with a bit clear stay, those with it set change places. */
static void emit_transpose(int32_t b, CWriter *w)
{
    if (ctext_uses(strbuf_view(&w->text), "vector_transpose")) {
        return;
    }
    cw_comment(w, "Rows of a square of %d x %d become its columns.", b, b);
    cw_line(w, "CNN_INLINE void vector_transpose(vector *rows)");
    cw_body(w);
    for (int32_t half = b / 2; half >= 1; half /= 2) {
        emit_open_unrolled(w, "i", b / 2);
        cw_line(w, "const int low = i / %d * %d + i %% %d, high = low + %d;", half, 2 * half, half, half);
        cw_line(w, "const vector a = rows[low], b = rows[high];");
        StrBuf low = {0}, high = {0};
        for (int32_t lane = 0; lane < b; ++lane) {
            bool upper = lane / half % 2 == 1;
            strbuf_printf(&low, ", %d", upper ? b + lane - half : lane);
            strbuf_printf(&high, ", %d", upper ? b + lane : lane + half);
        }
        cw_line(w, "rows[low] = vector_shuffle(a, b%s);", low.ptr);
        cw_line(w, "rows[high] = vector_shuffle(a, b%s);", high.ptr);
        strbuf_free(&low);
        strbuf_free(&high);
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_blank(w);
}

/* The loop over squares: not where lanes are missing. */
static void emit_squares_head(bool may_lack, int64_t whole, int32_t b, CWriter *w)
{
    if (may_lack) {
        cw_line(w, "const int squares = channels == %d ? %" PRId64 " : 0;", b, whole);
        cw_open(w, "for (int col = 0; col < squares; col += %d)", b);
    } else {
        cw_open(w, "for (int col = 0; col < %" PRId64 "; col += %d)", whole, b);
    }
}

/* Planes to blocks, one row of one block: `channels` lanes exist, the others become zero. */
static void emit_to_blocks(const Kernel *kernel, CWriter *w)
{
    const Layout *in = &kernel->in, *out = &kernel->out;
    int32_t b = out->block, rest = in->channels % b;
    int64_t planes = int_div_up(in->channels, b),
            whole = in->channels / b > 0 && b == kernel->vector ? in->cols / b * b : 0;
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1}, {"plane", b * in->plane_stride}, {"row", in->row_stride}, {NULL, 0}},
                        emit_interior(in));
    cw_line(w, "const float *const x = %s;", x.text);
    cw_line(w, "float *const y = %s;", row_of("a->y", out, "plane").text);
    CExpr channels = cexpr_int(b);
    if (rest != 0) {
        cw_line(w, "const int channels = plane < %" PRId64 " ? %d : %d;", planes - 1, b, rest);
        channels = (CExpr){"channels"};
    }
    if (whole > 0) {
        emit_squares_head(rest != 0, whole, b, w);
        cw_line(w, "vector square[%d];", b);
        cw_open(w, "for (int lane = 0; lane < %d; ++lane)", b);
        cw_line(w, "square[lane] = vector_load_anywhere(x + lane * %" PRId64 " + col);", in->plane_stride);
        cw_close(w, "");
        cw_line(w, "vector_transpose(square);");
        cw_open(w, "for (int pixel = 0; pixel < %d; ++pixel)", b);
        cw_line(w, "vector_store(y + (col + pixel) * %d, square[pixel]);", b);
        cw_close(w, "");
        cw_close(w, "");
    }
    if (rest == 0 && whole == in->cols) {
        return;
    }
    CExpr first = whole > 0 && rest != 0 ? (CExpr){"squares"} : cexpr_int(whole);
    cw_open(w, "for (int col = %s; col < %d; ++col)", first.text, in->cols);
    cw_line(w, "vector pixel = vector_all(0.0f);");
    cw_open(w, "for (int lane = 0; lane < %s; ++lane)", channels.text);
    cw_line(w, "pixel[lane] = x[lane * %" PRId64 " + col];", in->plane_stride);
    cw_close(w, "");
    cw_line(w, "vector_store(y + col * %d, pixel);", b);
    cw_close(w, "");
}

/* Blocks to planes, one row of one block. */
static void emit_to_planes(const Kernel *kernel, CWriter *w)
{
    const Layout *in = &kernel->in, *out = &kernel->out;
    int32_t b = in->block, rest = in->channels % b;
    int64_t planes = int_div_up(in->channels, b),
            whole = in->channels / b > 0 && b == kernel->vector ? in->cols / b * b : 0;
    cw_line(w, "const float *const x = %s;", row_of("a->x[0]", in, "plane").text);
    CExpr y = cexpr_sum((Term[]){{"a->y", 1}, {"plane", b * out->plane_stride}, {"row", out->row_stride}, {NULL, 0}},
                        emit_interior(out));
    cw_line(w, "float *const y = %s;", y.text);
    CExpr channels = cexpr_int(b);
    if (rest != 0) {
        cw_line(w, "const int channels = plane < %" PRId64 " ? %d : %d;", planes - 1, b, rest);
        channels = (CExpr){"channels"};
    }
    if (whole > 0) {
        emit_squares_head(rest != 0, whole, b, w);
        cw_line(w, "vector square[%d];", b);
        cw_open(w, "for (int pixel = 0; pixel < %d; ++pixel)", b);
        cw_line(w, "square[pixel] = vector_load(x + (col + pixel) * %d);", b);
        cw_close(w, "");
        cw_line(w, "vector_transpose(square);");
        cw_open(w, "for (int lane = 0; lane < %d; ++lane)", b);
        cw_line(w, "vector_store_anywhere(y + lane * %" PRId64 " + col, square[lane]);", out->plane_stride);
        cw_close(w, "");
        cw_close(w, "");
    }
    if (rest == 0 && whole == in->cols) {
        return;
    }
    CExpr first = whole > 0 && rest != 0 ? (CExpr){"squares"} : cexpr_int(whole);
    cw_open(w, "for (int col = %s; col < %d; ++col)", first.text, in->cols);
    cw_open(w, "for (int lane = 0; lane < %s; ++lane)", channels.text);
    cw_line(w, "y[lane * %" PRId64 " + col] = x[col * %d + lane];", out->plane_stride, b);
    cw_close(w, "");
    cw_close(w, "");
}

/* Between blocks of different sizes (an interleaved image): element by element, one row of one block of the output. */
static void emit_elements(const Kernel *kernel, CWriter *w)
{
    const Layout *in = &kernel->in, *out = &kernel->out;
    cw_line(w, "float *const y = %s;", row_of("a->y", out, "plane").text);
    cw_open(w, "for (int lane = 0; lane < %d; ++lane)", out->block);
    CExpr channel = cexpr_sum((Term[]){{"plane", out->block}, {"lane", 1}, {NULL, 0}}, 0);
    cw_line(w, "const %s channel = %s;", index_of(kernel), channel.text);
    CExpr x = cexpr_sum((Term[]){{"a->x[0]", 1},
                                 {cexpr_div("channel", in->block).text, in->plane_stride},
                                 {in->block > 1 ? cexpr_mod("channel", in->block).text : "0", in->block > 1},
                                 {"row", in->row_stride},
                                 {NULL, 0}},
                        emit_interior(in));
    cw_line(w, "const float *const x = %s;", x.text);
    cw_open(w, "for (int col = 0; col < %d; ++col)", in->cols);
    CExpr to = cexpr_sum((Term[]){{"col", out->block}, {"lane", 1}, {NULL, 0}}, 0);
    CExpr from = cexpr_sum((Term[]){{"col", in->block}, {NULL, 0}}, 0);
    if (in->channels % out->block != 0) {
        cw_line(w, "y[%s] = channel < %d ? x[%s] : 0.0f;", to.text, in->channels, from.text);
    } else {
        cw_line(w, "y[%s] = x[%s];", to.text, from.text);
    }
    cw_close(w, "");
    cw_close(w, "");
}

void emit_convert(const Kernel *kernel, CWriter *w)
{
    const Layout *in = &kernel->in, *out = &kernel->out;
    bool to_blocks = in->block == 1 && out->block == kernel->vector,
         to_planes = out->block == 1 && in->block == kernel->vector;
    int64_t planes = int_div_up(out->channels, to_planes ? in->block : out->block);
    if ((to_blocks || to_planes) && in->channels >= kernel->vector && in->cols >= kernel->vector) {
        emit_transpose(kernel->vector, w);
    }
    Arena *arena = arena_create();
    cw_comment(w, "%dx%dx%d from " STR_FMT " to " STR_FMT ".", in->channels, in->rows, in->cols,
               STR_ARG(layout_format(arena, in)), STR_ARG(layout_format(arena, out)));
    arena_destroy(arena);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", planes * in->rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const %s plane = %s;", index_of(kernel), cexpr_div("job", in->rows).text);
    cw_line(w, "const int row = %s;", cexpr_mod("job", in->rows).text);
    if (in->block == out->block) {
        emit_whole_rows(kernel, w);
    } else if (to_blocks) {
        emit_to_blocks(kernel, w);
    } else if (to_planes) {
        emit_to_planes(kernel, w);
    } else {
        emit_elements(kernel, w);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* "memset(y + 928, 0, 32 * sizeof(float));" */
static void emit_zeros(const char *from, int64_t count, CWriter *w)
{
    if (count > 0) {
        cw_line(w, "memset(%s, 0, %" PRId64 " * sizeof(float));", from, count);
    }
}

void emit_zero_halo(const Kernel *kernel, CWriter *w)
{
    const Layout *l = &kernel->out;
    int64_t b = l->block, left = l->halo_left * b, right = l->halo_right * b, inside = l->cols * b;
    int64_t head = l->halo_top * l->row_stride + left;
    int64_t last = (l->halo_top + l->rows) * l->row_stride; /* end of the last row, its right halo included */
    cw_comment(w, "Zeros around %dx%dx%d: %d rows above, %d below, %d columns on the left, %d on the right.",
               l->channels, l->rows, l->cols, l->halo_top, l->halo_bottom, l->halo_left, l->halo_right);
    emit_kernel_head(kernel, w);
    emit_split(w, "plane", int_div_up(l->channels, b));
    cw_blank(w);
    cw_open(w, "for (%s plane = first_plane; plane < end_plane; ++plane)", index_of(kernel));
    CExpr y = cexpr_sum((Term[]){{"a->y", 1}, {"plane", l->plane_stride}, {NULL, 0}}, 0);
    cw_line(w, "float *const y = %s;", y.text);
    emit_zeros("y", head, w);
    if (right + left > 0 && l->rows > 1) {
        cw_open(w, "for (int row = 0; row < %d; ++row)", l->rows - 1);
        CExpr gap = cexpr_sum((Term[]){{"y", 1}, {"row", l->row_stride}, {NULL, 0}}, head + inside);
        emit_zeros(gap.text, right + left, w);
        cw_close(w, "");
    }
    CExpr tail = cexpr_sum((Term[]){{"y", 1}, {NULL, 0}}, last - right);
    emit_zeros(tail.text, right + l->halo_bottom * l->row_stride, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
