/* dense that skips zeros: behind a relu many inputs are 0 (in trained AlexNet and VGG two thirds: Han and others, "EIE", 2016),
 * and what a large dense layer waits for is its weights, from memory. So those of inputs that are 0 are not read.
 *
 * Weights are [sets][inputs][R][lanes], where R vectors are DENSE_ROW bytes: long enough for the processor to fetch a row from memory as
 * fast as if all rows were read. Eight rows at a time are multiplied and added to R sums, in scratch, while the next eight are
 * asked for. The inputs that count are listed first, by each part for itself. A sum does not depend on which others are
 * computed with it: parts share out the vectors of outputs.
 *
 * Sums of a few hundred products each are added up at the end of every chunk: that keeps rounding errors small. */
#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_vector.h"
#include "support/ints.h"

enum { ROWS = 8, CHUNK = 512 };

typedef struct Rows {
    const Kernel *kernel;
    int32_t b, inputs;
    int32_t width;         /* vectors of a set: R */
    int64_t vectors, sets; /* of outputs, in all */
    int32_t last;          /* vectors of the last set */
    const char *type;      /* of a weight: "float" */
    CExpr load, name;      /* "vector_load", "dense_rows" */
} Rows;

static Rows rows_of(const Kernel *kernel)
{
    const PackFormat *f = &kernel->weight_format;
    bool f32 = f->storage == STORE_F32;
    Rows r = {.kernel = kernel, .b = kernel->vector, .inputs = kernel->sizes.in_channels, .width = f->vectors};
    r.vectors = int_div_up(kernel->sizes.out_channels, r.b);
    r.sets = int_div_up(r.vectors, r.width);
    r.last = (int32_t)(r.vectors - (r.sets - 1) * r.width);
    r.type = emit_weight_type(f->storage);
    r.load = emit_dense_load(f->storage);
    r.name = cexpr_format("dense_rows%s%s", f32 ? "" : "_", f32 ? "" : storage_name(f->storage));
    if (f->kind != PACK_VECTORS || f->lanes != r.b || kernel->scratch_bytes < dense_scratch_bytes(kernel)) {
        ICE("kernel '" STR_FMT "' is not a dense one that skips zeros", STR_ARG(kernel->name));
    }
    return r;
}

static void emit_list(CWriter *w)
{
    if (ctext_uses(strbuf_view(&w->text), "dense_list")) {
        return;
    }
    cw_comment(w, "An input that is not 0, and which.");
    cw_line(w, "typedef struct dense_input {");
    cw_line(w, "    int place;");
    cw_line(w, "    float value;");
    cw_line(w, "} __attribute__((may_alias)) dense_input;");
    cw_blank(w);
    cw_comment(
        w,
        "Lists the inputs that are not 0 and returns how many, a multiple of %d: the last of them with 0 for its value "
        "fills up the list, and %d more that are asked for, not used.",
        ROWS, ROWS);
    cw_line(w, "static int dense_list(const float *x, int inputs, dense_input *list)");
    cw_body(w);
    cw_line(w, "int count = 0;");
    cw_open(w, "for (int i = 0; i < inputs; ++i)");
    cw_line(w, "list[count].place = i;");
    cw_line(w, "list[count].value = x[i];");
    cw_line(w, "count += x[i] != 0.0f;");
    cw_close(w, "");
    cw_line(w, "const int last = count > 0 ? list[count - 1].place : 0, whole = (count + %d) / %d * %d;", ROWS - 1,
            ROWS, ROWS);
    cw_open(w, "for (int i = count; i < whole + %d; ++i)", ROWS);
    cw_line(w, "list[i].place = last;");
    cw_line(w, "list[i].value = 0.0f;");
    cw_close(w, "");
    cw_line(w, "return whole;");
    cw_close(w, "");
    cw_blank(w);
}

/* "const float *const row0 = w + list[0].place * stride;", row1 .. */
static void emit_row_pointers(const Rows *r, const char *stem, int first, CWriter *w)
{
    for (int k = 0; k < ROWS; ++k) {
        cw_line(w, "const %s *const %s%d = w + (ptrdiff_t)list[%d].place * stride;", r->type, stem, k, first + k);
    }
}

static void emit_products(const Rows *r, CWriter *w)
{
    if (ctext_uses(strbuf_view(&w->text), r->name.text)) {
        return;
    }
    cw_comment(
        w,
        "totals[vectors] += w[place][vectors][%d] * value for each of the list, with sums of their own, in memory; "
        "rows of w are `stride` apart.",
        r->b);
    cw_line(w, "static void %s(const dense_input *list, int count, const %s *w, int stride, int vectors,", r->name.text,
            r->type);
    cw_line(w, "%*svector *sums, vector *totals)", (int)strlen("static void (") + (int)strlen(r->name.text), "");
    cw_body(w);
    cw_open(w, "for (int v = 0; v < vectors; ++v)");
    cw_line(w, "sums[v] = vector_all(0.0f);");
    cw_close(w, "");
    cw_open(w, "for (int i = 0; i < count; i += %d, list += %d)", ROWS, ROWS);
    emit_row_pointers(r, "row", 0, w);
    emit_row_pointers(r, "next", ROWS, w);
    for (int k = 0; k < ROWS; ++k) {
        cw_line(w, "const float value%d = list[%d].value;", k, k);
    }
    cw_open(w, "for (int v = 0; v < vectors; ++v)");
    for (int k = 0; k < ROWS; ++k) { /* to the second level: the first would push out the sums */
        cw_line(w, "__builtin_prefetch(next%d + v * %d, 0, 2);", k, r->b);
    }
    for (int k = 0; k < ROWS; ++k) {
        cw_line(w, "%s%s(row%d + v * %d) * value%d%s", k == 0 ? "sums[v] += " : "           ", r->load.text, k, r->b, k,
                k == ROWS - 1 ? ";" : " +");
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int v = 0; v < vectors; ++v)");
    cw_line(w, "totals[v] += sums[v];");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* `vectors` vectors of outputs from `first` on, which are of one set. */
static void emit_set(const Rows *r, CWriter *w)
{
    const PackFormat *f = &r->kernel->weight_format;
    int64_t set_weights = (int64_t)r->width * r->b * r->inputs;
    bool many = r->sets > 1;
    CExpr stride = cexpr_int((int64_t)r->width * r->b), at = {"first"};
    if (many) {
        at = cexpr_format("(%s)", cexpr_mod("first", r->width).text);
    } else {
        stride = cexpr_int((int64_t)r->last * r->b);
    }
    if (many && r->last != r->width) {
        cw_line(w, "const int stride = first < %" PRId64 " ? %s : %d;", (r->sets - 1) * r->width, stride.text,
                r->last * r->b);
        stride = (CExpr){"stride"};
    }
    StrBuf from = {0};
    strbuf_printf(&from, "%sa->weights", f->storage == STORE_F32 ? "" : "(const uint16_t *)");
    if (many) {
        strbuf_printf(&from, " + (ptrdiff_t)(%s) * %" PRId64, cexpr_div("first", r->width).text, set_weights);
    }
    cw_line(w, "const %s *const w = %s + %s * %d;", r->type, from.ptr, at.text, r->b);
    strbuf_free(&from);
    emit_dense_start(r->kernel, "first + v", "vectors", w);
    cw_open(w, "for (int i = 0; i < count; i += %d)", CHUNK);
    cw_line(w, "%s(list + i, count - i < %d ? count - i : %d, w, %s, vectors, sums, totals);", r->name.text, CHUNK,
            CHUNK, stride.text);
    cw_close(w, "");
    emit_dense_results(r->kernel, "first + v", "vectors", w);
}

void emit_dense_nonzero(const Kernel *kernel, CWriter *w)
{
    Rows r = rows_of(kernel);
    emit_list(w);
    emit_products(&r, w);
    emit_dense_comment(kernel, "", "; weights of inputs that are 0 are not read", w);
    emit_kernel_head(kernel, w);
    emit_split(w, "share", int_div_up(r.vectors, DENSE_SHARE));
    cw_open(w, "if (first_share == end_share)"); /* nothing to do, so no list */
    cw_line(w, "return;");
    cw_close(w, "");
    cw_line(w, "vector *const totals = (vector *)(%s), *const sums = totals + %d;", emit_scratch(kernel).text, r.width);
    cw_line(w, "dense_input *const list = (dense_input *)(sums + %d);", r.width);
    cw_line(w, "const int count = dense_list(a->x[0], %d, list);", r.inputs);
    if (r.vectors % DENSE_SHARE == 0) {
        cw_line(w, "const int end = end_share * %d;", DENSE_SHARE);
    } else {
        cw_line(w, "const int end = end_share * %d < %" PRId64 " ? end_share * %d : %" PRId64 ";", DENSE_SHARE,
                r.vectors, DENSE_SHARE, r.vectors);
    }
    cw_blank(w);
    if (r.sets > 1) {
        cw_open(w, "for (int first = first_share * %d, stop; first < end; first = stop)", DENSE_SHARE);
        cw_comment(w, "Vectors of one set, [first, stop).");
        cw_line(w, "stop = (%s + 1) * %d;", cexpr_div("first", r.width).text, r.width);
        cw_line(w, "stop = stop < end ? stop : end;");
        cw_line(w, "const int vectors = stop - first;");
        emit_set(&r, w);
        cw_close(w, "");
    } else {
        cw_line(w, "const int first = first_share * %d, vectors = end - first;", DENSE_SHARE);
        emit_set(&r, w);
    }
    cw_close(w, "");
    cw_blank(w);
}
