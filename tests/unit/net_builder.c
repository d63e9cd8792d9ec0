/* Small nets for tests; see net_builder.h. */
#include "net_builder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

NetBuilder nb_create(void)
{
    NetBuilder nb = {.arena = arena_create()};
    nb.sources = sources_create(nb.arena);
    nb.diag = diag_create(nb.arena, nb.sources);
    nb.graph = graph_create(nb.arena, STR("test"), nb.sources);
    nb.weights = weights_formula(nb.arena);
    return nb;
}

void nb_destroy(NetBuilder *nb)
{
    weights_close(nb->weights);
    diag_destroy(nb->diag);
    arena_destroy(nb->arena);
}

Node *nb_input(NetBuilder *nb, int32_t c, int32_t h, int32_t w)
{
    TensorType type = h > 0 ? type_f32_3(c, h, w) : type_f32_1(c);
    Str name = arena_printf(nb->arena, "input%u", nb->graph->n_inputs);
    return graph_add_input(nb->graph, name, type, false, (Span){0, 0});
}

/* The weight of one name: the node that there is, or a new one. */
static Node *weight_node(NetBuilder *nb, Str name, TensorType type, WeightRole role, Str path)
{
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        Node *node = nb->graph->nodes[i];
        if (node_is_constant(node) && node->attr.constant.expr == CONST_WEIGHT &&
            str_equal(node->attr.constant.name, name)) {
            return node;
        }
    }
    return graph_add_weight(nb->graph, name, type, role, (NodeSource){.path = path});
}

/* Moves a node to the end of the list, behind the weights that it got after it was made. */
static void move_to_end(Graph *graph, Node *node)
{
    for (uint32_t i = node->id; i + 1 < graph->n_nodes; ++i) {
        graph->nodes[i] = graph->nodes[i + 1];
        graph->nodes[i]->id = i;
    }
    node->id = graph->n_nodes - 1;
    graph->nodes[node->id] = node;
}

static Node *add_node(NetBuilder *nb, OpKind op, const char *path, const Attr *attr, Node *const *data, uint32_t count)
{
    NodeSource source = {.path = path != NULL ? str_from(path) : STR("")};
    Node *node = graph_add(nb->graph, op, attr, data, count, source, nb->diag);
    cr_assert_not_null(node, "%.*s", (int)diag_text(nb->diag).len, diag_text(nb->diag).ptr);
    WeightRole roles[4];
    int n = op_weights(op, &node->attr, roles);
    for (int i = 0; i < n; ++i) {
        Str name = arena_printf(nb->arena, STR_FMT ".%s", STR_ARG(source.path), role_name(roles[i]));
        graph_attach_weight(nb->graph, node,
                            weight_node(nb, name, shape_of_weight(node, roles[i]), roles[i], source.path));
    }
    move_to_end(nb->graph, node);
    return node;
}

Node *nb_op(NetBuilder *nb, OpKind op, const char *path, Attr attr, Node *a, Node *b)
{
    Node *data[] = {a, b};
    return add_node(nb, op, path, &attr, data, b != NULL ? 2 : 1);
}

Node *nb_concat(NetBuilder *nb, Node *const *data, uint32_t count)
{
    return add_node(nb, OP_CONCAT, NULL, NULL, data, count);
}

static void one_if_zero(int32_t *value)
{
    *value = *value == 0 ? 1 : *value;
}

Node *nb_conv(NetBuilder *nb, OpKind op, const char *path, ConvAttr attr, Node *x)
{
    for (int axis = 0; axis < 2; ++axis) {
        one_if_zero(&attr.kernel[axis]);
        one_if_zero(&attr.stride[axis]);
        one_if_zero(&attr.dilation[axis]);
    }
    one_if_zero(&attr.groups);
    one_if_zero(&attr.multiplier);
    return nb_op(nb, op, path, (Attr){.conv = attr}, x, NULL);
}

Node *nb_dense(NetBuilder *nb, const char *path, int32_t units, bool bias, Node *x)
{
    return nb_op(nb, OP_DENSE, path, (Attr){.dense = {.units = units, .bias = bias}}, x, NULL);
}

Node *nb_norm(NetBuilder *nb, const char *path, Node *x)
{
    return nb_op(nb, OP_BATCH_NORM, path, (Attr){.norm = {.eps = 1e-3, .scale = true, .shift = true}}, x, NULL);
}

Node *nb_plain(NetBuilder *nb, OpKind op, Node *x)
{
    return add_node(nb, op, NULL, NULL, &x, 1);
}

Node *nb_scale(NetBuilder *nb, double factor, Node *x)
{
    return nb_op(nb, OP_SCALE, NULL, (Attr){.misc = {.scale = factor}}, x, NULL);
}

Node *nb_flatten(NetBuilder *nb, FlattenOrder order, Node *x)
{
    return nb_op(nb, OP_FLATTEN, NULL, (Attr){.shape = {.order = order}}, x, NULL);
}

Node *nb_literal(NetBuilder *nb, double value)
{
    return graph_add_values(nb->graph, type_f32_1(1), &value, (NodeSource){.path = STR("")});
}

void nb_output(NetBuilder *nb, const char *name, Node *node)
{
    graph_add_output(nb->graph, str_from(name), node, (Span){0, 0});
}

/* --- runs */

static double *constant_values(NetBuilder *nb, const Node *constant)
{
    double *values = ARENA_ARRAY(nb->arena, double, type_elements(constant->type));
    Arena *scratch = arena_create();
    const_eval_range(constant, nb->weights, 0, type_elements(constant->type), values, scratch);
    arena_destroy(scratch);
    return values;
}

double **nb_outputs(NetBuilder *nb)
{
    double **inputs = interp_formula_inputs(nb->graph, nb->arena);
    InterpResult result = interp_run(nb->graph, nb->weights, (const double *const *)inputs, false, nb->arena);
    double **outputs = ARENA_ARRAY(nb->arena, double *, nb->graph->n_outputs);
    for (uint32_t i = 0; i < nb->graph->n_outputs; ++i) {
        const Node *node = nb->graph->outputs[i].node;
        outputs[i] = node_is_constant(node) ? constant_values(nb, node) : result.values[node->id];
    }
    return outputs;
}

static double largest(const double *values, int64_t count)
{
    double max = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        max = fmax(max, fabs(values[i]));
    }
    return max;
}

static void check_values(const char *what, const double *before, const double *after, int64_t count, double tolerance)
{
    double bound = tolerance * largest(before, count);
    for (int64_t i = 0; i < count; ++i) {
        cr_assert(fabs(before[i] - after[i]) <= bound, "%s: element %d was %.17g and is %.17g", what, (int)i, before[i],
                  after[i]);
    }
}

static void check_graph(NetBuilder *nb)
{
    Str message = STR("");
    cr_assert(graph_verify(nb->graph, nb->arena, &message), "%.*s\n%s", (int)message.len, message.ptr, nb_dump(nb));
}

/* Two evaluators that share nothing must agree on every recipe. A single-node graph shows the interpreter's value. */
static void check_constants(NetBuilder *nb)
{
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        const Node *constant = nb->graph->nodes[i];
        if (!node_is_constant(constant)) {
            continue;
        }
        int64_t count = type_elements(constant->type);
        double *theirs = constant_values(nb, constant);
        double *ours = interp_constant_values(constant, nb->weights, nb->arena);
        check_values("constant", theirs, ours, count, 1e-12);
    }
}

void nb_check_pass(NetBuilder *nb, PassFunction *pass, bool changes)
{
    check_graph(nb);
    PassContext context = {arena_create(), nb->diag};
    InterpVerifier *verifier = interp_verifier_create(nb->arena, nb->weights);
    cr_assert(interp_verifier_check(verifier, nb->graph, NULL, nb->diag));
    const char *text_before = nb_dump(nb);
    double **before = nb_outputs(nb);
    cr_assert_eq(pass(&context, nb->graph), changes, "changed: %s\n%s\n%s", changes ? "no" : "yes", text_before,
                 nb_dump(nb));
    check_graph(nb);
    double **after = nb_outputs(nb);
    for (uint32_t i = 0; i < nb->graph->n_outputs; ++i) {
        const Port *port = &nb->graph->outputs[i];
        check_values(
            arena_printf(nb->arena, "%s\n%s\noutput " STR_FMT, text_before, nb_dump(nb), STR_ARG(port->name)).ptr,
            before[i], after[i], type_elements(port->node->type), 1e-9);
    }
    check_constants(nb);
    cr_assert(interp_verifier_check(verifier, nb->graph, "test", nb->diag), "%.*s", (int)diag_text(nb->diag).len,
              diag_text(nb->diag).ptr);
    interp_verifier_destroy(verifier);
    const char *text = nb_dump(nb);
    cr_assert_str_eq(changes ? "" : text_before, changes ? "" : text);
    cr_assert_not(pass(&context, nb->graph), "the second run changed something:\n%s\n%s", text, nb_dump(nb));
    check_graph(nb);
    cr_assert_str_eq(text, nb_dump(nb));
    arena_destroy(context.scratch);
}

/* --- looking at the result */

int nb_count(const NetBuilder *nb, OpKind op)
{
    int count = 0;
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        count += nb->graph->nodes[i]->op == op;
    }
    return count;
}

Node *nb_find(const NetBuilder *nb, OpKind op, const char *path)
{
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        Node *node = nb->graph->nodes[i];
        if (node->op == op && (path == NULL || str_equal(node->path, str_from(path)))) {
            return node;
        }
    }
    cr_assert_fail("no such node");
    return NULL;
}

const char *nb_dump(NetBuilder *nb)
{
    StrBuf text = {0};
    graph_dump(nb->graph, &text);
    const char *copy = arena_cstr(nb->arena, strbuf_view(&text));
    strbuf_free(&text);
    return copy;
}
