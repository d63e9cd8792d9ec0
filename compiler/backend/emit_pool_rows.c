/* Pools 2x2 of stride 2 over plain planes, for images of few channels (emit_rows.c): a vector is neighbouring pixels of a
 * row of the output. Two rows of the input become one, then its even and odd places.
 *
 * max_pool, avg_pool, subsample. The last vector of a row begins so far left that it ends with the row; rows shorter than
 * a vector are read and written in part. */
#include <inttypes.h>
#include <string.h>

#include "backend/emit_vector.h"

/* "vector_load_anywhere(upper + 2 * col + 16)", or its first `floats` where no more may be read. */
static CExpr half(const char *row, const char *col, int32_t offset, int32_t floats, int32_t b)
{
    CExpr at = cexpr_sum((Term[]){{row, 1}, {col, strcmp(col, "0") == 0 ? 0 : 2}, {NULL, 0}}, offset);
    return floats >= b ? cexpr_format("vector_load_anywhere(%s)", at.text)
                       : cexpr_format("vector_load_first(%s, %d)", at.text, (int)floats);
}

/* Lanes of 8 stay in their half of a vector until both are one, since only some instructions cross halves, and slowly. */
static int32_t lane_in_half(int32_t lane)
{
    static const int32_t order[] = {0, 1, 4, 5, 2, 3, 6, 7}; /* its own inverse */
    return order[lane];
}

void emit_pool_lanes(int32_t b, int32_t second, bool is_max, CWriter *w)
{
    bool halves = b == 8 && second == b;
    StrBuf lanes[3] = {{0}, {0}, {0}};
    for (int32_t k = 0; k < 2; ++k) {
        for (int32_t lane = 0; lane < b; ++lane) {
            int32_t place = 2 * (halves ? lane_in_half(lane) : lane) + k, behind = place - second;
            int32_t number = place < b ? place : behind < b ? b + behind : 0; /* 0: there is no such pixel */
            strbuf_printf(&lanes[k], ", %d", (int)number);
        }
    }
    cw_line(w, "const vector even = vector_shuffle(left, right%s);", lanes[0].ptr);
    cw_line(w, "const vector odd = vector_shuffle(left, right%s);", lanes[1].ptr);
    cw_line(w, "vector value = %s;", is_max ? "vector_max(even, odd)" : "even + odd");
    if (halves) {
        for (int32_t lane = 0; lane < b; ++lane) {
            strbuf_printf(&lanes[2], ", %d", (int)lane_in_half(lane));
        }
        cw_line(w, "value = vector_shuffle(value, value%s);", lanes[2].ptr);
    }
    for (int k = 0; k < 3; ++k) {
        strbuf_free(&lanes[k]);
    }
}

/* A row of less than a vector. Where rows follow each other, its last lanes go where the next rows are written after it;
 * but no further than this part writes. */
static void emit_short_store(const Layout *out, int32_t b, CWriter *w)
{
    bool follow = layout_is_dense(out);
    if (follow) {
        cw_open(w, "if (job < end_job - %d)", (b - 1) / (int)out->cols);
        cw_line(w, "vector_store_anywhere(y, value);");
        cw_chain(w, "else");
    }
    cw_line(w, "memcpy(y, &value, %d * sizeof(float));", (int)out->cols);
    if (follow) {
        cw_close(w, "");
    }
}

void emit_pool_rows(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Layout *in = &kernel->in, *out = &kernel->out;
    int32_t b = kernel->vector, cols = s->out_cols;
    bool is_max = kernel->family == KERNEL_MAX_POOL, scales = kernel->family == KERNEL_SUBSAMPLE;
    if (s->kernel_rows != 2 || s->kernel_cols != 2 || s->stride_rows != 2 || s->stride_cols != 2 || s->pad_top != 0 ||
        s->pad_left != 0 || 2 * s->out_rows > s->in_rows || 2 * cols > s->in_cols) {
        ICE("kernel '" STR_FMT "' is no pool of whole windows 2x2", STR_ARG(kernel->name));
    }
    cw_comment(w, "%s 2x2, stride 2x2: %dx%dx%d -> %dx%dx%d, a vector of pixels of a row at a time.",
               is_max   ? "Max pool"
               : scales ? "Sums scaled and shifted"
                        : "Average pool",
               s->in_channels, s->in_rows, s->in_cols, s->out_channels, s->out_rows, s->out_cols);
    emit_kernel_head(kernel, w);
    emit_split(w, "job", (int64_t)s->out_channels * s->out_rows);
    cw_blank(w);
    cw_open(w, "for (int job = first_job; job < end_job; ++job)");
    cw_line(w, "const int plane = %s;", cexpr_div("job", s->out_rows).text);
    cw_line(w, "const int row = %s;", cexpr_mod("job", s->out_rows).text);
    cw_line(w, "const float *const upper = %s;",
            cexpr_sum((Term[]){{"a->x[0]", 1}, {"plane", in->plane_stride}, {"row", 2 * in->row_stride}, {NULL, 0}},
                      emit_interior(in))
                .text);
    cw_line(w, "const float *const lower = upper + %" PRId64 ";", in->row_stride);
    cw_line(w, "float *const y = %s;",
            cexpr_sum((Term[]){{"a->y", 1}, {"plane", out->plane_stride}, {"row", out->row_stride}, {NULL, 0}},
                      emit_interior(out))
                .text);
    const char *col = "0";
    if (cols > b) {
        cw_open(w, "for (int first = 0; first < %d; first += %d)", cols, b);
        cw_line(w, "const int col = first < %d ? first : %d;", cols - b, cols - b);
        col = "col";
    }
    /* Two vectors of a row; the second one ends with the row. A row of less than one vector is in both. */
    int32_t second = 2 * cols >= 2 * b ? b : 2 * cols > b ? 2 * cols - b : 0;
    for (int k = 0; k < 2; ++k) {
        int32_t offset = k == 0 ? 0 : second;
        CExpr upper = half("upper", col, offset, 2 * cols, b), lower = half("lower", col, offset, 2 * cols, b);
        cw_line(w, "const vector %s = %s%s%s%s%s;", k == 0 ? "left" : "right", is_max ? "vector_max(" : "", upper.text,
                is_max ? ", " : " + ", lower.text, is_max ? ")" : "");
    }
    emit_pool_lanes(b, second, is_max, w);
    if (scales) {
        cw_line(w, "value = value * a->weights[plane] + a->bias[plane];");
    } else if (!is_max) {
        cw_line(w, "value = value * 0.25f;");
    }
    CExpr to = cexpr_sum((Term[]){{"y", 1}, {"col", cols > b}, {NULL, 0}}, 0);
    if (cols >= b) {
        cw_line(w, "vector_store_anywhere(%s, value);", to.text);
    } else {
        emit_short_store(out, b, w);
    }
    if (cols > b) {
        cw_close(w, "");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
