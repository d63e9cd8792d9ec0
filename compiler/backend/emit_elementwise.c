/* Elementwise kernels: unary (activations, prelu), binary (add, sub, mul with broadcasting) and channel_affine.
 *
 * The output may be the very memory of an operand or of the residual. So a block of results is computed into a small
 * local array first and copied out afterwards: both loops run over memory that cannot overlap, which compilers see, and
 * so both vectorise, in place or not. Blocks start at fixed elements: results do not depend on the number of parts. */
#include "backend/emit.h"
#include "support/ints.h"

#include <inttypes.h>

enum { BLOCK = 256 }; /* floats: 1 KiB of stack */

/* What an elementwise kernel computes. Expressions use `first` (element of the block's start), `i` and, where
 * by_channel, `channel`. */
typedef struct Elementwise {
    const Kernel *kernel;
    bool by_channel;
    StrBuf prelude; /* lines before the loop over elements, each ended by a newline */
    StrBuf value;   /* of element first + i, before the activation */
    const Activation *act;
} Elementwise;

static const Activation no_activation = {OP_IDENTITY, {0.0, 0.0}};

/* The two loops over one block, with `count` elements. */
static void emit_block(const Elementwise *e, const char *count, CWriter *w)
{
    cw_line(w, "float values[%d];", BLOCK);
    cw_open(w, "for (int i = 0; i < %s; ++i)", count);
    emit_store(w, e->act, "values[i]", e->value.ptr);
    cw_close(w, "");
    cw_open(w, "for (int i = 0; i < %s; ++i)", count);
    cw_line(w, "a->y[first + i] = values[i];");
    cw_close(w, "");
}

/* "count": elements of the block that starts at `start`, of `total`. Returns it as an expression. */
static CExpr emit_count(const char *start, int64_t total, CWriter *w)
{
    if (total <= BLOCK) {
        return cexpr_int(total);
    }
    if (total % BLOCK == 0) {
        return cexpr_int(BLOCK);
    }
    cw_line(w, "const int count = %s < %" PRId64 " ? %d : %" PRId64 ";", start, total / BLOCK * BLOCK, BLOCK,
            total % BLOCK);
    return (CExpr){"count"};
}

static void emit_prelude(const Elementwise *e, CWriter *w)
{
    size_t at = 0;
    while (at < e->prelude.len) {
        size_t end = at;
        while (e->prelude.ptr[end] != '\n') {
            ++end;
        }
        cw_line(w, "%.*s", (int)(end - at), e->prelude.ptr + at);
        at = end + 1;
    }
}

static void emit_by_channel(const Elementwise *e, int64_t channels, int64_t plane, const char *index, CWriter *w)
{
    emit_split(w, "channel", channels);
    cw_blank(w);
    cw_open(w, "for (%s channel = first_channel; channel < end_channel; ++channel)", index);
    emit_prelude(e, w);
    bool many = plane > BLOCK;
    if (many) {
        cw_open(w, "for (%s start = 0; start < %" PRId64 "; start += %d)", index, plane, BLOCK);
    }
    CExpr first = cexpr_sum((Term[]){{"channel", plane}, {"start", many}, {NULL, 0}}, 0);
    cw_line(w, "const %s first = %s;", index, first.text);
    CExpr count = emit_count("start", plane, w);
    emit_block(e, count.text, w);
    if (many) {
        cw_close(w, "");
    }
    cw_close(w, "");
}

static void emit_flat(const Elementwise *e, int64_t total, const char *index, CWriter *w)
{
    emit_split(w, "block", int_div_up(total, BLOCK));
    emit_prelude(e, w);
    cw_blank(w);
    cw_open(w, "for (%s block = first_block; block < end_block; ++block)", index);
    cw_line(w, "const %s first = block * %d;", index, BLOCK);
    CExpr count = emit_count("first", total, w);
    emit_block(e, count.text, w);
    cw_close(w, "");
}

/* Writes the function, and frees the expressions. */
static void emit_elementwise(Elementwise *e, const char *what, CWriter *w)
{
    const KernelSizes *s = &e->kernel->sizes;
    int64_t plane = (int64_t)s->in_rows * s->in_cols, total = s->in_channels * plane;
    const char *index = cexpr_index_type(total + BLOCK);
    cw_comment(w, "%s, %dx%dx%d. y may be an operand itself: hence the detour over values.", what, s->in_channels,
               s->in_rows, s->in_cols);
    emit_kernel_head(e->kernel, w);
    if (e->by_channel) {
        emit_by_channel(e, s->in_channels, plane, index, w);
    } else {
        emit_flat(e, total, index, w);
    }
    cw_close(w, "");
    cw_blank(w);
    strbuf_free(&e->prelude);
    strbuf_free(&e->value);
}

void emit_unary(const Kernel *kernel, CWriter *w)
{
    Elementwise e = {.kernel = kernel, .act = &kernel->epilogue.act};
    if (kernel->epilogue.act.op == OP_PRELU) {
        e.by_channel = true;
        e.act = &no_activation;
        strbuf_append(&e.prelude, STR("const float slope = a->weights[channel];\n"));
        strbuf_append(&e.value, STR("a->x[0][first + i] >= 0.0f ? a->x[0][first + i] : slope * a->x[0][first + i]"));
    } else {
        strbuf_append(&e.value, STR("a->x[0][first + i]"));
    }
    emit_elementwise(&e, op_info(kernel->epilogue.act.op)->name, w);
}

void emit_channel_affine(const Kernel *kernel, CWriter *w)
{
    Elementwise e = {.kernel = kernel, .by_channel = true, .act = &kernel->epilogue.act};
    strbuf_append(&e.prelude, STR("const float scale = a->weights[channel];\n"));
    if (kernel->epilogue.bias) {
        strbuf_append(&e.prelude, STR("const float shift = a->bias[channel];\n"));
        strbuf_append(&e.value, STR("a->x[0][first + i] * scale + shift"));
    } else {
        strbuf_append(&e.value, STR("a->x[0][first + i] * scale"));
    }
    emit_elementwise(&e, kernel->epilogue.bias ? "Scale and shift of each channel" : "Scale of each channel", w);
}

/* One operand of a binary kernel: appends it to e->value, and what it needs to e->prelude. */
static void append_operand(Elementwise *e, int k, int *next_input)
{
    static const char *const names[] = {"left", "right"};
    const KernelSizes *s = &e->kernel->sizes;
    if (s->scalar_is_literal[k]) {
        CExpr literal = emit_float(s->scalar[k]);
        strbuf_printf(&e->value, s->scalar[k] < 0.0 ? "(%s)" : "%s", literal.text);
        return;
    }
    int input = (*next_input)++;
    switch (s->broadcast[k]) {
    case BROADCAST_NONE:
        strbuf_printf(&e->value, "a->x[%d][first + i]", input);
        return;
    case BROADCAST_CHANNEL:
        strbuf_printf(&e->prelude, "const float %s = a->x[%d][channel];\n", names[k], input);
        break;
    case BROADCAST_SCALAR:
        strbuf_printf(&e->prelude, "const float %s = a->x[%d][0];\n", names[k], input);
        break;
    }
    strbuf_append(&e->value, str_from(names[k]));
}

static const char *operator_of(OpKind op)
{
    return op == OP_ADD ? "+" : op == OP_SUB ? "-" : "*";
}

void emit_binary(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    if (s->op != OP_ADD && s->op != OP_SUB && s->op != OP_MUL) {
        ICE("binary kernel '" STR_FMT "' has op '%s'", STR_ARG(kernel->name), op_info(s->op)->name);
    }
    Elementwise e = {.kernel = kernel, .act = &kernel->epilogue.act};
    e.by_channel = (s->broadcast[0] == BROADCAST_CHANNEL && !s->scalar_is_literal[0]) ||
                   (s->broadcast[1] == BROADCAST_CHANNEL && !s->scalar_is_literal[1]);
    int next_input = 0;
    append_operand(&e, 0, &next_input);
    strbuf_printf(&e.value, " %s ", operator_of(s->op));
    append_operand(&e, 1, &next_input);
    if (kernel->epilogue.residual) {
        strbuf_append(&e.value, STR(" + a->residual[first + i]"));
    }
    emit_elementwise(&e, op_info(s->op)->name, w);
}
