/* The graph as text, for people and golden tests: one line a node, constants inline, in the words of the .net language.
 *
 *     net tiny
 *     %0 = input image : f32[3,8,8]  ; image  tiny.net:2
 *     %1 = conv %0 {channels=4, kernel=[3, 3], bias=false} weight=@conv1.weight : f32[4,6,6]  ; conv1  tiny.net:3
 *     output y = %1
 *
 * Nodes are numbered as they are printed and constants have no number, so that a change in one place leaves the rest of
 * the text alone. Floats are exact; nothing depends on addresses, folders or time. */
#include "ir/graph.h"

/* --- constants: printed with an explicit stack, for a recipe can be as deep as a chain of layers is long */

/* How tightly a constant's text binds; an operand that binds less needs parentheses. */
enum { BIND_SUM, BIND_PRODUCT, BIND_ATOM };

static int binding(const Node *constant)
{
    switch (constant->attr.constant.expr) {
    case CONST_ADD:
    case CONST_SUB:
        return BIND_SUM;
    case CONST_MUL:
    case CONST_DIV:
        return BIND_PRODUCT;
    case CONST_WEIGHT:
    case CONST_VALUES:
    case CONST_RSQRT:
    case CONST_DOT:
    case CONST_HWC_TO_CHW:
    case CONST_RESHAPE:
    case CONST_CONCAT:
        break;
    }
    return BIND_ATOM;
}

/* What is still to be printed: a constant, the middle of one (after its first operand), or its end. */
typedef struct Pending {
    const Node *constant;
    enum { PRINT_START, PRINT_MIDDLE, PRINT_END } part;
    bool parens;
} Pending;

typedef struct Printer {
    StrBuf *out;
    Arena *scratch;
    Pending *stack;
    size_t depth, capacity;
} Printer;

static void pend(Printer *p, Pending item)
{
    p->stack = arena_grow(p->scratch, p->stack, p->depth, &p->capacity, sizeof *p->stack);
    p->stack[p->depth++] = item;
}

/* Names may hold any character that a quoted part of a path had; a line of text must stay one. */
static void append_name(StrBuf *out, Str name)
{
    for (size_t i = 0; i < name.len; ++i) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            strbuf_printf(out, "\\x%02x", c);
        } else {
            strbuf_char(out, (char)c);
        }
    }
}

static void print_values(StrBuf *out, const Node *constant)
{
    const double *values = constant->attr.constant.values;
    int64_t count = type_elements(constant->type);
    if (count == 1) {
        op_format_number(out, values[0]);
        return;
    }
    for (int64_t i = 0; i < count; ++i) {
        strbuf_append(out, i > 0 ? STR(", ") : STR("["));
        op_format_number(out, values[i]);
    }
    strbuf_char(out, ']');
}

static void print_operator(StrBuf *out, const Node *constant)
{
    static const char operators[] = {[CONST_ADD] = '+', [CONST_SUB] = '-', [CONST_MUL] = '*', [CONST_DIV] = '/'};
    const ConstAttr *attr = &constant->attr.constant;
    strbuf_char(out, ' ');
    strbuf_char(out, operators[attr->expr]);
    if (attr->axis != 0) {
        strbuf_printf(out, "{axis=%d}", (int)attr->axis);
    }
    strbuf_char(out, ' ');
}

/* Prints what comes before the first operand, and pends the rest. */
static void print_start(Printer *p, Pending item)
{
    const Node *node = item.constant;
    StrBuf *out = p->out;
    switch (node->attr.constant.expr) {
    case CONST_WEIGHT:
        strbuf_char(out, '@');
        append_name(out, node->attr.constant.name);
        return;
    case CONST_VALUES:
        print_values(out, node);
        return;
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
        if (item.parens) {
            strbuf_char(out, '(');
        }
        pend(p, (Pending){node, PRINT_MIDDLE, item.parens});
        pend(p, (Pending){node->inputs[0], PRINT_START, binding(node->inputs[0]) < binding(node)});
        return;
    case CONST_DOT:
        strbuf_append(out, STR("dot("));
        pend(p, (Pending){node, PRINT_MIDDLE, false});
        break;
    case CONST_CONCAT:
        strbuf_append(out, STR("concat("));
        pend(p, (Pending){node, PRINT_MIDDLE, false});
        break;
    case CONST_RSQRT:
        strbuf_append(out, STR("rsqrt("));
        pend(p, (Pending){node, PRINT_END, false});
        break;
    case CONST_HWC_TO_CHW:
        strbuf_append(out, STR("hwc_to_chw("));
        pend(p, (Pending){node, PRINT_END, false});
        break;
    case CONST_RESHAPE:
        strbuf_append(out, STR("reshape("));
        pend(p, (Pending){node, PRINT_END, false});
        break;
    }
    pend(p, (Pending){node->inputs[0], PRINT_START, false});
}

static void print_middle(Printer *p, Pending item)
{
    const Node *node = item.constant;
    pend(p, (Pending){node, PRINT_END, item.parens});
    if (node->attr.constant.expr == CONST_DOT || node->attr.constant.expr == CONST_CONCAT) {
        strbuf_append(p->out, STR(", "));
        pend(p, (Pending){node->inputs[1], PRINT_START, false});
    } else {
        print_operator(p->out, node);
        pend(p, (Pending){node->inputs[1], PRINT_START, binding(node->inputs[1]) <= binding(node)});
    }
}

static void print_end(StrBuf *out, Pending item)
{
    const ConstAttr *attr = &item.constant->attr.constant;
    switch (attr->expr) {
    case CONST_WEIGHT:
    case CONST_VALUES:
        return;
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
        if (!item.parens) {
            return;
        }
        break;
    case CONST_DOT:
        break;
    case CONST_CONCAT:
        strbuf_printf(out, ", axis %d", (int)attr->axis);
        break;
    case CONST_RSQRT:
        strbuf_append(out, STR(" + "));
        op_format_number(out, attr->eps);
        break;
    case CONST_HWC_TO_CHW:
        strbuf_printf(out, ", %d, %d, %d", (int)attr->hwc[0], (int)attr->hwc[1], (int)attr->hwc[2]);
        break;
    case CONST_RESHAPE:
        strbuf_printf(out, ", %s", type_text(item.constant->type).text);
        break;
    }
    strbuf_char(out, ')');
}

void graph_format_constant(const Node *constant, StrBuf *out)
{
    Printer printer = {.out = out, .scratch = arena_create()};
    pend(&printer, (Pending){constant, PRINT_START, false});
    while (printer.depth > 0) {
        Pending item = printer.stack[--printer.depth];
        if (item.part == PRINT_START) {
            print_start(&printer, item);
        } else if (item.part == PRINT_MIDDLE) {
            print_middle(&printer, item);
        } else {
            print_end(out, item);
        }
    }
    arena_destroy(printer.scratch);
}

/* --- nodes */

/* " {channels=64, kernel=[3, 3]}", defaults omitted; nothing where all have their defaults. */
static void dump_params(StrBuf *out, Arena *scratch, OpKind op, const Attr *attr)
{
    const char *before = " {";
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        Str text;
        if (op_param_format(scratch, op, param, attr, &text)) {
            strbuf_printf(out, "%s%s=" STR_FMT, before, param->name, STR_ARG(text));
            before = ", ";
        }
    }
    if (before[0] == ',') {
        strbuf_char(out, '}');
    }
}

static void dump_constant(StrBuf *out, const Node *constant)
{
    bool parens = binding(constant) != BIND_ATOM;
    strbuf_append(out, parens ? STR("(") : STR(""));
    graph_format_constant(constant, out);
    strbuf_append(out, parens ? STR(")") : STR(""));
}

static void dump_operand(StrBuf *out, const Node *node, const uint32_t *numbers)
{
    if (node_is_constant(node)) {
        dump_constant(out, node);
    } else {
        strbuf_printf(out, "%%%u", numbers[node->id]);
    }
}

static void dump_origin(StrBuf *out, const Graph *graph, const Node *node)
{
    SourceLocation place = {0};
    if (graph->sources != NULL && node->span.lo != 0) {
        place = sources_locate(graph->sources, node->span.lo);
    }
    const char *before = "  ; ";
    if (!str_is_empty(node->path)) {
        strbuf_append(out, str_from(before));
        append_name(out, node->path);
        before = "  ";
    }
    if (place.file != NULL) {
        strbuf_append(out, str_from(before));
        append_name(out, place.file->name);
        strbuf_printf(out, ":%u", place.line);
    }
}

static void dump_node(StrBuf *out, Arena *scratch, const Graph *graph, const Node *node, const uint32_t *numbers)
{
    strbuf_printf(out, "%%%u = %s", numbers[node->id], op_name(node->op));
    if (node->op == OP_INPUT) {
        strbuf_char(out, ' ');
        append_name(out, node->path);
        strbuf_append(out, node->attr.input.hwc ? STR(" hwc") : STR(""));
    }
    uint32_t n_operands = node->n_data - (node->adds_residual ? 1 : 0);
    for (uint32_t i = 0; i < n_operands; ++i) {
        strbuf_append(out, i > 0 ? STR(", ") : STR(" "));
        dump_operand(out, node->inputs[i], numbers);
    }
    dump_params(out, scratch, node->op, &node->attr);
    for (uint32_t i = node->n_data; i < node->n_inputs; ++i) {
        strbuf_printf(out, " %s=", role_name(node->inputs[i]->attr.constant.role));
        dump_constant(out, node->inputs[i]);
    }
    if (node->adds_residual) {
        strbuf_append(out, STR(" + "));
        dump_operand(out, node_residual(node), numbers);
    }
    if (node->act.op != OP_IDENTITY) {
        strbuf_printf(out, " | %s", op_info(node->act.op)->name);
        Attr attr = {.act = node->act.attr};
        dump_params(out, scratch, node->act.op, &attr);
    }
    strbuf_printf(out, " : %s", type_text(node->type).text);
    dump_origin(out, graph, node);
    strbuf_char(out, '\n');
}

void graph_dump(const Graph *graph, StrBuf *out)
{
    Arena *scratch = arena_create();
    uint32_t *numbers = ARENA_ARRAY(scratch, uint32_t, graph->n_nodes);
    uint32_t next = 0;
    strbuf_printf(out, "net " STR_FMT "\n", STR_ARG(graph->name));
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        numbers[n] = node_is_constant(graph->nodes[n]) ? 0 : next++;
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (!node_is_constant(graph->nodes[n])) {
            dump_node(out, scratch, graph, graph->nodes[n], numbers);
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        strbuf_append(out, STR("output "));
        append_name(out, graph->outputs[i].name);
        strbuf_append(out, STR(" = "));
        dump_operand(out, graph->outputs[i].node, numbers);
        strbuf_char(out, '\n');
    }
    arena_destroy(scratch);
}
