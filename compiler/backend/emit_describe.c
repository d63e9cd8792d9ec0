/* What the comment of a step says: what it is in the network, what it computes, shapes, work, and where in the .net
 * files it comes from. */
#include <inttypes.h>

#include "backend/emit_parts.h"
#include "support/path.h"

/* "3x3", or "s2", "s2x1": one number where both are the same. */
static void append_pair(StrBuf *out, const char *letter, int32_t rows, int32_t cols)
{
    strbuf_printf(out, " %s%d", letter, (int)rows);
    if (rows != cols) {
        strbuf_printf(out, "x%d", (int)cols);
    }
}

static void append_pads(StrBuf *out, const Pads *pads)
{
    const int32_t *edge = pads->edge;
    strbuf_printf(out, " p%d", (int)edge[PAD_TOP]);
    if (edge[PAD_LEFT] != edge[PAD_TOP] || edge[PAD_BOTTOM] != edge[PAD_TOP] || edge[PAD_RIGHT] != edge[PAD_TOP]) {
        strbuf_printf(out, ",%d,%d,%d", (int)edge[PAD_LEFT], (int)edge[PAD_BOTTOM], (int)edge[PAD_RIGHT]);
    }
}

static void append_conv(StrBuf *out, const ConvAttr *conv)
{
    strbuf_printf(out, " %dx%d", (int)conv->kernel[0], (int)conv->kernel[1]);
    append_pair(out, "s", conv->stride[0], conv->stride[1]);
    append_pads(out, &conv->pad);
    if (conv->dilation[0] != 1 || conv->dilation[1] != 1) {
        append_pair(out, "d", conv->dilation[0], conv->dilation[1]);
    }
}

static void append_pool(StrBuf *out, const PoolAttr *pool)
{
    strbuf_printf(out, " %dx%d", (int)pool->kernel[0], (int)pool->kernel[1]);
    append_pair(out, "s", pool->stride[0], pool->stride[1]);
    append_pads(out, &pool->pad);
}

static void append_operation(StrBuf *out, const Node *node)
{
    const char *name = op_info(node->op)->name;
    strbuf_append(out, str_from(name[0] != '\0' ? name : "copy"));
    if (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV) {
        append_conv(out, &node->attr.conv);
        if (node->op == OP_CONV && node->attr.conv.groups > 1) {
            strbuf_printf(out, " g%d", (int)node->attr.conv.groups);
        }
    } else if (node->op == OP_MAX_POOL || node->op == OP_AVG_POOL) {
        append_pool(out, &node->attr.pool);
    }
}

static void append_types(StrBuf *out, Arena *arena, const Step *step)
{
    const Node *node = step->node;
    uint32_t operands = node->n_data - (node->adds_residual ? 1 : 0);
    if (step->kernel->family == KERNEL_COPY && operands > 1) {
        const Layout *part = &step->inputs[0]->layout; /* one of several that are joined */
        strbuf_printf(out, "f32[%d,%d,%d]", (int)part->channels, (int)part->rows, (int)part->cols);
    } else {
        for (uint32_t i = 0; i < operands; ++i) {
            const Node *operand = i == 0 && step->before != NULL ? step->before->inputs[0] : node->inputs[i];
            strbuf_printf(out, "%s" STR_FMT, i > 0 ? ", " : "", STR_ARG(type_format(arena, operand->type)));
        }
        if (step->second != NULL) {
            strbuf_printf(out, ", " STR_FMT, STR_ARG(type_format(arena, step->second->inputs[0]->type)));
        }
    }
    strbuf_printf(out, "%s" STR_FMT, operands > 0 ? " -> " : "", STR_ARG(type_format(arena, node->type)));
}

/* Tenths in whole numbers: printf's point would follow the locale. */
static void append_macs(StrBuf *out, int64_t macs)
{
    enum { MEGA = 1000000, TENTH_OF_MEGA = MEGA / 10 };
    int64_t tenths = (macs + TENTH_OF_MEGA / 2) / TENTH_OF_MEGA;
    if (macs >= MEGA) {
        strbuf_printf(out, "%" PRId64 ".%" PRId64 " MMAC", tenths / 10, tenths % 10);
    } else if (macs > 0) {
        strbuf_printf(out, "%" PRId64 " MAC", macs);
    }
}

/* "residual.net:17": the file without its folder. */
static void append_place(StrBuf *out, const Sources *sources, Span span)
{
    SourceLocation place = sources_locate(sources, span.lo);
    if (place.file == NULL) {
        return;
    }
    strbuf_printf(out, STR_FMT ":%u", STR_ARG(path_name(place.file->name)), (unsigned)place.line);
}

/* Where the op stands, and, where that is in a block, which line of the net calls for it. */
static void append_origin(StrBuf *out, const Sources *sources, const Node *node)
{
    append_place(out, sources, node->span);
    const CallSite *site = node->site;
    if (site != NULL) {
        while (site->caller != NULL) {
            site = site->caller;
        }
        strbuf_append(out, STR(" via "));
        append_place(out, sources, site->span);
    }
}

/* Appends a field; on a new line where it would pass the margin, so that no field is torn apart. */
static void append_field(StrBuf *out, size_t *column, StrBuf *field)
{
    enum { MARGIN = 90 };
    if (field->len == 0) {
        return;
    }
    if (*column > 0 && *column + 3 + field->len > MARGIN) {
        strbuf_char(out, '\n');
        *column = 0;
    } else if (*column > 0) {
        strbuf_append(out, STR("   "));
        *column += 3;
    }
    strbuf_append(out, strbuf_view(field));
    *column += field->len;
    strbuf_clear(field);
}

Str step_describe(Arena *arena, const Program *program, const Step *step)
{
    StrBuf out = {0}, field = {0};
    size_t column = 0;
    strbuf_append(&field, step->title);
    append_field(&out, &column, &field);
    if (step->before != NULL) {
        append_operation(&field, step->before);
        strbuf_printf(&field, " + ");
    }
    append_operation(&field, step->node);
    if (step->second != NULL) {
        strbuf_printf(&field, " + ");
        append_operation(&field, step->second);
    }
    append_field(&out, &column, &field);
    append_types(&field, arena, step);
    append_field(&out, &column, &field);
    append_macs(&field, step->macs);
    append_field(&out, &column, &field);
    append_origin(&field, program->graph->sources, step->node);
    append_field(&out, &column, &field);
    Str text = arena_copy(arena, strbuf_view(&out));
    strbuf_free(&out);
    strbuf_free(&field);
    return text;
}
