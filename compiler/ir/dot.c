/* The graph as a Graphviz drawing (`cnnc --emit=dot net.net | dot -Tsvg`): a box a node, an arrow a tensor, the
 * weights left out. */
#include "ir/graph.h"

/* Text within a double-quoted DOT string; a backslash there would start an escape. */
static void append_escaped(StrBuf *out, Str text)
{
    for (size_t i = 0; i < text.len; ++i) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\') {
            strbuf_char(out, '\\');
        }
        strbuf_char(out, (unsigned char)c < 0x20 ? ' ' : c);
    }
}

static void append_pair(StrBuf *out, const char *before, const int32_t pair[2])
{
    strbuf_printf(out, "%s%dx%d", before, (int)pair[0], (int)pair[1]);
}

/* What one wants to see of a window at a glance: "3x3 /2". */
static void append_window(StrBuf *out, const int32_t kernel[2], const int32_t stride[2])
{
    append_pair(out, " ", kernel);
    if (stride[0] != stride[1]) {
        append_pair(out, " /", stride);
    } else if (stride[0] != 1) {
        strbuf_printf(out, " /%d", (int)stride[0]);
    }
}

static void append_op(StrBuf *out, const Node *node)
{
    strbuf_append(out, str_from(op_name(node->op)));
    if (node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV || node->op == OP_CONV_TRANSPOSE) {
        append_window(out, node->attr.conv.kernel, node->attr.conv.stride);
    } else if (node->op == OP_MAX_POOL || node->op == OP_AVG_POOL || node->op == OP_SUBSAMPLE) {
        append_window(out, node->attr.pool.kernel, node->attr.pool.stride);
    }
    if (node->adds_residual) {
        strbuf_append(out, STR(" + residual"));
    }
    if (node->act.op != OP_IDENTITY) {
        strbuf_printf(out, " | %s", op_info(node->act.op)->name);
    }
}

/* Nodes are numbered as in the textual dump: constants, which are not drawn, take no numbers. */
static void dot_node(StrBuf *out, const Node *node, const uint32_t *numbers)
{
    strbuf_printf(out, "    n%u [label=\"", numbers[node->id]);
    append_op(out, node);
    if (!str_is_empty(node->path)) {
        strbuf_append(out, STR("\\n"));
        append_escaped(out, node->path);
    }
    strbuf_printf(out, "\\n%s\"%s];\n", type_text(node->type).text, node->op == OP_INPUT ? ", shape=ellipse" : "");
    for (uint32_t i = 0; i < node->n_data; ++i) {
        if (!node_is_constant(node->inputs[i])) {
            bool is_residual = node->adds_residual && i + 1 == node->n_data;
            strbuf_printf(out, "    n%u -> n%u%s;\n", numbers[node->inputs[i]->id], numbers[node->id],
                          is_residual ? " [style=dashed]" : "");
        }
    }
}

void graph_dot(const Graph *graph, StrBuf *out)
{
    strbuf_append(out, STR("digraph \""));
    append_escaped(out, graph->name);
    strbuf_append(out, STR("\" {\n    node [shape=box, fontname=\"Helvetica\", fontsize=10];\n"));
    Arena *scratch = arena_create();
    uint32_t *numbers = ARENA_ARRAY(scratch, uint32_t, graph->n_nodes);
    uint32_t next = 0;
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (!node_is_constant(graph->nodes[n])) {
            numbers[n] = next++;
            dot_node(out, graph->nodes[n], numbers);
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        strbuf_printf(out, "    out%u [shape=ellipse, label=\"", i);
        append_escaped(out, graph->outputs[i].name);
        strbuf_printf(out, "\"];\n    n%u -> out%u;\n", numbers[graph->outputs[i].node->id], i);
    }
    strbuf_append(out, STR("}\n"));
    arena_destroy(scratch);
}
