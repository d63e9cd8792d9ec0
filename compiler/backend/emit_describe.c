/* One line about a step, for its comment: what it is in the network, what it computes, shapes, work, and where in the
 * .net file it comes from. */
#include <inttypes.h>

#include "backend/emit_parts.h"

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
            strbuf_printf(out, "%s" STR_FMT, i > 0 ? ", " : "", STR_ARG(type_format(arena, node->inputs[i]->type)));
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
        strbuf_printf(out, "   %" PRId64 ".%" PRId64 " MMAC", tenths / 10, tenths % 10);
    } else if (macs > 0) {
        strbuf_printf(out, "   %" PRId64 " MAC", macs);
    }
}

Str step_describe(Arena *arena, const Program *program, const Step *step)
{
    StrBuf out = {0};
    strbuf_append(&out, step->title);
    strbuf_append(&out, STR("   "));
    append_operation(&out, step->node);
    strbuf_append(&out, STR("   "));
    append_types(&out, arena, step);
    append_macs(&out, step->macs);
    SourceLocation place = sources_locate(program->graph->sources, step->node->span.lo);
    if (place.file != NULL) {
        strbuf_printf(&out, "   " STR_FMT ":%u", STR_ARG(place.file->name), (unsigned)place.line);
    }
    Str text = arena_copy(arena, strbuf_view(&out));
    strbuf_free(&out);
    return text;
}
