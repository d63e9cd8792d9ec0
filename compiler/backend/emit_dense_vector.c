/* dense on vectors: several vectors of outputs are summed at once while the inputs pass by; the weights,
 * [inputs][vectors] [lanes], are read once, front to back, and asked for ahead of time: memory is what a dense layer
 * waits for.
 *
 * Sums of a few hundred products each are added up at the end of every chunk: that keeps rounding errors small.
 *
 * Where the layer reads the means of an image (PROLOGUE_MEAN), each part works them out first.
 *
 * Weights of 16 bits are widened as they are loaded (embed/vector_half.c): half the memory to wait for. */
#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_vector.h"
#include "support/ints.h"

enum { CHUNK = 512, ROUND = 4, LINE_BYTES = 64 };

static CExpr function_name(int32_t vectors, int32_t prefetch, Storage storage)
{
    CExpr name = cexpr_format("dense_sums_v%d", (int)vectors);
    if (storage != STORE_F32) {
        cexpr_append(&name, "_%s", storage_name(storage));
    }
    if (prefetch > 0) {
        cexpr_append(&name, "_p%d", (int)prefetch);
    }
    return name;
}

CExpr emit_dense_load(Storage storage)
{
    return storage == STORE_F32 ? (CExpr){"vector_load"} : cexpr_format("vector_load_%s", storage_name(storage));
}

/* Adds the products of `inputs` inputs to totals. */
static void emit_sums(int32_t vectors, int32_t b, int32_t prefetch, Storage storage, CWriter *w)
{
    CExpr name = function_name(vectors, prefetch, storage);
    if (ctext_uses(strbuf_view(&w->text), name.text)) {
        return;
    }
    int32_t weight_bytes = (int32_t)storage_bytes(storage), line = LINE_BYTES / weight_bytes;
    int32_t lines = vectors * b / line > 0 ? vectors * b / line : 1;
    cw_comment(w, "totals[%d] += w[inputs][%d][%d] * x[inputs], with sums of their own.", vectors, vectors, b);
    cw_line(w, "static void %s(const float *x, const %s *w, int inputs, vector *totals)", name.text,
            emit_weight_type(storage));
    cw_body(w);
    cw_line(w, "vector s[%d];", vectors);
    emit_open_unrolled(w, "v", vectors);
    cw_line(w, "s[v] = vector_all(0.0f);");
    cw_close(w, "");
    cw_line(w, "CNN_UNROLL(%d)", ROUND);
    cw_open(w, "for (int i = 0; i < inputs; ++i, w += %d)", vectors * b);
    if (prefetch > 0) { /* to the second level: the first would push out x */
        for (int32_t i = 0; i < lines; ++i) {
            cw_line(w, "__builtin_prefetch(w%s, 0, 2);", emit_offset(prefetch / weight_bytes + i * line).text);
        }
    }
    emit_open_unrolled(w, "v", vectors);
    cw_line(w, "s[v] += %s(w + v * %d) * x[i];", emit_dense_load(storage).text, b);
    cw_close(w, "");
    cw_close(w, "");
    emit_open_unrolled(w, "v", vectors);
    cw_line(w, "totals[v] += s[v];");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* Vector v of the totals to y, of whole vectors and of the last one, of `rest` outputs. */
static void emit_whole(const Epilogue *e, CWriter *w)
{
    cw_line(w, "const vector value = totals[v]%s;", e->residual ? " + vector_load_anywhere(a->residual + at)" : "");
    cw_line(w, "vector_store_anywhere(a->y + at, %s);", emit_vector_activation(&e->act, "value").text);
}

static void emit_rest(const Epilogue *e, int32_t rest, CWriter *w)
{
    cw_line(w, "const vector value = totals[v]%s;",
            e->residual ? cexpr_format(" + vector_load_first(a->residual + at, %d)", (int)rest).text : "");
    cw_line(w, "const vector result = %s;", emit_vector_activation(&e->act, "value").text);
    cw_line(w, "memcpy(a->y + at, &result, %d * sizeof(float));", rest);
}

void emit_dense_comment(const Kernel *kernel, const char *from, const char *more, CWriter *w)
{
    const Epilogue *e = &kernel->epilogue;
    const PackFormat *f = &kernel->weight_format;
    int32_t inputs = kernel->sizes.in_channels, outputs = kernel->sizes.out_channels, b = kernel->vector;
    int64_t blocks = int_div_up(outputs, b);
    int32_t vectors = f->vectors < blocks || kernel->skips_zeros ? f->vectors : (int32_t)blocks;
    cw_comment(w, "Dense: %s%d -> %d%s%s. weights %s%s[%d/%d][%d][%d][%d]; the last set may be narrower.", from, inputs,
               outputs, emit_epilogue_text(e).text, more, f->storage == STORE_F32 ? "" : storage_name(f->storage),
               f->storage == STORE_F32 ? "" : " ", outputs, vectors * b, inputs, vectors, b);
}

void emit_dense_start(const Kernel *kernel, const char *vector, const char *count, CWriter *w)
{
    cw_open(w, "for (int v = 0; v < %s; ++v)", count);
    if (kernel->epilogue.bias) {
        cw_line(w, "totals[v] = vector_load(a->bias + (%s) * %d);", vector, kernel->vector);
    } else {
        cw_line(w, "totals[v] = vector_all(0.0f);");
    }
    cw_close(w, "");
}

void emit_dense_results(const Kernel *kernel, const char *vector, const char *count, CWriter *w)
{
    const Epilogue *e = &kernel->epilogue;
    int32_t outputs = kernel->sizes.out_channels, b = kernel->vector, rest = outputs % b;
    cw_open(w, "for (int v = 0; v < %s; ++v)", count);
    cw_line(w, "const int at = (%s) * %d;", vector, b);
    if (rest == 0) {
        emit_whole(e, w);
    } else if (outputs > b) {
        cw_open(w, "if (at < %d)", outputs - rest);
        emit_whole(e, w);
        cw_chain(w, "else");
        emit_rest(e, rest, w);
        cw_close(w, "");
    } else {
        emit_rest(e, rest, w);
    }
    cw_close(w, "");
}

typedef struct Dense {
    const Kernel *kernel;
    int32_t b, inputs;
    int64_t sets;
    int32_t vectors, last; /* of a set, of the last one */
    bool mean;             /* the inputs are means, which each part works out */
    const char *index;
} Dense;

static Dense dense_of(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    Dense d = {.kernel = kernel, .b = kernel->vector, .inputs = s->in_channels};
    REFUSE_IF(kernel, f->kind != PACK_VECTORS || f->lanes != d.b || f->vectors < 1, "has weights in another order");
    int64_t blocks = int_div_up(s->out_channels, d.b);
    d.vectors = (int32_t)int_min(f->vectors, blocks);
    d.sets = int_div_up(blocks, d.vectors);
    d.last = (int32_t)(blocks - (d.sets - 1) * d.vectors);
    d.mean = kernel->prologue.kind == PROLOGUE_MEAN;
    d.index = cexpr_index_type(blocks * d.b * (int64_t)d.inputs);
    return d;
}

/* The functions that the kernel calls. */
static void emit_functions(const Dense *d, CWriter *w)
{
    const Kernel *kernel = d->kernel;
    emit_sums(d->vectors, d->b, kernel->prefetch_bytes, kernel->weight_format.storage, w);
    if (d->last != d->vectors) {
        emit_sums(d->last, d->b, kernel->prefetch_bytes, kernel->weight_format.storage, w);
    }
    if (d->mean) {
        emit_means_window(kernel, w);
    }
}

static void emit_own_means(const Dense *d, CWriter *w)
{
    cw_open(w, "if (first_set == end_set)"); /* nothing to do, so no means */
    cw_line(w, "return;");
    cw_close(w, "");
    cw_line(w, "float *const means = %s;", emit_scratch(d->kernel).text);
    emit_means(d->kernel, "means", w);
}

/* The call that adds the products of `n` inputs, for each width that a set may have. */
static void emit_calls(const Dense *d, const char *n, CWriter *w)
{
    const Kernel *kernel = d->kernel;
    bool chunks = d->inputs > CHUNK, widths = d->last != d->vectors;
    for (int k = 0; k < (widths ? 2 : 1); ++k) {
        int32_t width = k == 0 ? d->vectors : d->last;
        if (widths && k == 0) {
            cw_open(w, "if (vectors == %d)", d->vectors);
        } else if (widths) {
            cw_chain(w, "else");
        }
        CExpr x = cexpr_sum((Term[]){{d->mean ? "means" : "a->x[0]", 1}, {"i", chunks}, {NULL, 0}}, 0);
        CExpr from = cexpr_sum((Term[]){{"weights", 1}, {"i", chunks ? width * d->b : 0}, {NULL, 0}}, 0);
        CExpr name = function_name(width, kernel->prefetch_bytes, kernel->weight_format.storage);
        cw_line(w, "%s(%s, %s, %s, totals);", name.text, x.text, from.text, n);
    }
    if (widths) {
        cw_close(w, "");
    }
}

/* Those of all inputs, CHUNK of them at a time. */
static void emit_chunks(const Dense *d, CWriter *w)
{
    int32_t inputs = d->inputs, rest = inputs % CHUNK;
    if (inputs <= CHUNK) {
        emit_calls(d, cexpr_int(inputs).text, w);
        return;
    }
    cw_open(w, "for (%s i = 0; i < %d; i += %d)", d->index, inputs, CHUNK);
    if (rest > 0) {
        cw_line(w, "const int inputs = i < %d ? %d : %d;", inputs - rest, CHUNK, rest);
    }
    emit_calls(d, rest > 0 ? "inputs" : cexpr_int(CHUNK).text, w);
    cw_close(w, "");
}

static void emit_set(const Dense *d, CWriter *w)
{
    Storage storage = d->kernel->weight_format.storage;
    CExpr count = cexpr_int(d->vectors), vector = cexpr_format("set * %d + v", (int)d->vectors);
    if (d->last != d->vectors) {
        cw_line(w, "const int vectors = set < %" PRId64 " ? %d : %d;", d->sets - 1, d->vectors, d->last);
        count = (CExpr){"vectors"};
    }
    const char *cast = strcmp(d->index, "int") == 0 ? "" : "(ptrdiff_t)";
    cw_line(w, "const %s *const weights = %sa->weights + %sset * %" PRId64 ";", emit_weight_type(storage),
            storage == STORE_F32 ? "" : "(const uint16_t *)", cast, (int64_t)d->vectors * d->b * d->inputs);
    cw_line(w, "vector totals[%d];", d->vectors);
    emit_dense_start(d->kernel, vector.text, count.text, w);
    emit_chunks(d, w);
    emit_dense_results(d->kernel, vector.text, count.text, w);
}

void emit_dense_vector(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    Dense d = dense_of(kernel);
    emit_functions(&d, w);
    CExpr from_image =
        d.mean ? cexpr_format("means of %dx%dx%d = ", d.inputs, (int)s->in_rows, (int)s->in_cols) : (CExpr){""};
    emit_dense_comment(kernel, from_image.text, "", w);
    emit_kernel_head(kernel, w);
    emit_split(w, "set", d.sets);
    if (d.mean) {
        emit_own_means(&d, w);
    }
    cw_blank(w);
    cw_open(w, "for (int set = first_set; set < end_set; ++set)");
    emit_set(&d, w);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
