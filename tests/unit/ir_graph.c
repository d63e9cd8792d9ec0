/* The graph: uses, replacing, compacting, weights by role. */
#include <criterion/criterion.h>

#include "ir_build.h"

static const Span nowhere = {0, 0};

static uint32_t count_op(const Graph *graph, OpKind op)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        count += graph->nodes[n]->op == op;
    }
    return count;
}

Test(ir_graph, uses_count_reads_and_outputs)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *relu = irbuild_add1(&build, "r", "relu", x);
    Node *twice = irbuild_add2(&build, "t", "mul", relu, relu);
    Node *sum = irbuild_add2(&build, "s", "add", twice, x);
    graph_add_output(build.graph, STR("a"), sum, nowhere);
    graph_add_output(build.graph, STR("b"), relu, nowhere);
    Uses uses = graph_uses(build.graph, build.arena);
    cr_expect(uses.count[x->id] == 2 && uses.user[x->id][0] == relu && uses.user[x->id][1] == sum);
    cr_expect(uses.count[relu->id] == 2 && uses.user[relu->id][0] == twice && uses.user[relu->id][1] == twice);
    cr_expect(uses.is_output[relu->id] && uses.is_output[sum->id] && !uses.is_output[twice->id]);
    cr_expect(uses_once(&uses, twice) && !uses_once(&uses, relu) && !uses_once(&uses, sum));
    irbuild_end(&build);
}

Test(ir_graph, replace_redirects_every_reader)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *old = irbuild_add1(&build, "o", "relu", x);
    Node *reader = irbuild_add2(&build, "r", "add", old, old);
    graph_add_output(build.graph, STR("y"), reader, nowhere);
    graph_add_output(build.graph, STR("z"), old, nowhere);
    Node *wrapper = irbuild_add1(&build, "w", "tanh", old); /* reads what it replaces */
    graph_replace(build.graph, old, wrapper);
    cr_expect(reader->inputs[0] == wrapper && reader->inputs[1] == wrapper);
    cr_expect(build.graph->outputs[1].node == wrapper && wrapper->inputs[0] == old);
    irbuild_end(&build);
}

Test(ir_graph, compact_drops_the_dead_and_sorts)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *unused = irbuild_input(&build, "f32[9]");
    Node *a = irbuild_add1(&build, "a", "relu", x);
    irbuild_add1(&build, "dead", "conv channels=3 kernel=1", a);
    Node *b = irbuild_add1(&build, "b", "relu", a);
    graph_add_output(build.graph, STR("y"), b, nowhere);
    Node *late = irbuild_add1(&build, "late", "tanh", x); /* stands behind its reader until compaction */
    graph_replace(build.graph, a, late);
    cr_expect(graph_compact(build.graph));
    cr_assert(build.graph->n_nodes == 4);
    Node *const expected[] = {x, unused, late, b};
    for (uint32_t i = 0; i < 4; ++i) {
        cr_expect(build.graph->nodes[i] == expected[i] && expected[i]->id == i, "place %u", i);
    }
    cr_expect(count_op(build.graph, OP_CONST) == 0);
    cr_expect(!graph_compact(build.graph), "nothing is left to drop");
    Str message;
    cr_expect(graph_verify(build.graph, build.arena, &message));
    irbuild_end(&build);
}

Test(ir_graph, compact_keeps_an_order_that_is_right)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *left = irbuild_add1(&build, "l", "conv channels=4 kernel=1", x);
    Node *right = irbuild_add1(&build, "r", "conv channels=4 kernel=1", x);
    Node *sum = irbuild_add2(&build, "s", "add", right, left); /* reads right first */
    graph_add_output(build.graph, STR("y"), sum, nowhere);
    graph_compact(build.graph);
    cr_expect(left->id < right->id && right->id < sum->id);
    irbuild_end(&build);
}

Test(ir_graph, long_chains_need_no_stack)
{
    enum { LENGTH = 200000 };
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[1]");
    NodeSource source = {.path = STR("r")};
    for (int i = 0; i < LENGTH; ++i) {
        x = graph_add(build.graph, OP_RELU, NULL, &x, 1, source, build.diag);
    }
    graph_add_output(build.graph, STR("y"), x, nowhere);
    cr_expect(!graph_compact(build.graph) && build.graph->n_nodes == LENGTH + 1);
    /* A recipe of the same depth. */
    double one = 1;
    Node *recipe = graph_add_values(build.graph, type_f32_1(1), &one, source);
    for (int i = 0; i < LENGTH; ++i) {
        recipe = graph_add_recipe(build.graph, (ConstAttr){.expr = CONST_RSQRT}, recipe, NULL, recipe->type);
    }
    StrBuf text = {0};
    graph_format_constant(recipe, &text);
    cr_expect(text.len > LENGTH);
    strbuf_free(&text);
    irbuild_end(&build);
}

Test(ir_graph, weights_by_role_in_the_order_of_the_table)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *bn = irbuild_add1(&build, "bn", "batch_norm", x);
    cr_expect(node_weight(bn, ROLE_RUNNING_VAR) == bn->inputs[4] && node_weight(bn, ROLE_WEIGHT) == bn->inputs[1]);
    Node *mean = node_weight(bn, ROLE_RUNNING_MEAN);
    graph_set_weight(build.graph, bn, ROLE_BIAS, NULL);
    cr_expect(node_weight(bn, ROLE_BIAS) == NULL && bn->n_inputs == 4 && bn->inputs[2] == mean);
    Node *bias =
        graph_add_weight(build.graph, STR("new.bias"), type_f32_1(4), ROLE_BIAS, (NodeSource){.path = STR("bn")});
    graph_set_weight(build.graph, bn, ROLE_BIAS, bias);
    cr_expect(bn->n_inputs == 5 && bn->inputs[2] == bias && bn->inputs[3] == mean);
    Node *y = irbuild_add1(&build, "y", "relu", x);
    graph_set_data(build.graph, bn, (Node *[]){y}, 1);
    cr_expect(bn->inputs[0] == y && bn->inputs[2] == bias && bn->n_data == 1);
    irbuild_end(&build);
}

Test(ir_graph, residual_is_the_last_data_input)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    Node *conv = irbuild_add1(&build, "c", "conv channels=4 kernel=1", x);
    cr_expect(node_residual(conv) == NULL);
    Node *weight = node_weight(conv, ROLE_WEIGHT);
    Node *other = irbuild_add1(&build, "o", "relu", x);
    graph_set_data(build.graph, conv, (Node *[]){x, other}, 2);
    conv->adds_residual = true;
    cr_expect(node_residual(conv) == other && node_weight(conv, ROLE_WEIGHT) == weight);
    irbuild_end(&build);
}

Test(ir_graph, attributes_and_values_are_copied)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[2,3,4]");
    int32_t order[] = {2, 0, 1};
    Attr attr = {.shape.permutation = {3, order}};
    Node *node = graph_add(build.graph, OP_PERMUTE, &attr, &x, 1, (NodeSource){.path = STR("p")}, build.diag);
    double values[] = {1.5, 2.5};
    Node *literal = graph_add_values(build.graph, type_f32_1(2), values, (NodeSource){.path = STR("v")});
    order[0] = 0;
    values[0] = 0;
    cr_expect(node->attr.shape.permutation.values[0] == 2);
    cr_expect(literal->attr.constant.values[0] == 1.5);
    irbuild_end(&build);
}

Test(ir_graph, label)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,4,4]");
    cr_expect(str_equal(node_label(build.arena, x), STR("input 'in0'")));
    cr_expect(str_equal(node_label(build.arena, irbuild_add1(&build, "", "relu", x)), STR("relu")));
    cr_expect(str_equal(node_label(build.arena, irbuild_add1(&build, "a.b", "relu", x)), STR("relu 'a.b'")));
    irbuild_end(&build);
}
