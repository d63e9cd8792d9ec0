/* fold_constants: literals, neutral ops, chains, and folding into layers. */
#include <criterion/criterion.h>
#include <math.h>

#include "net_builder.h"

static const Attr none = {.misc = {.p = 0}};
static const ConvAttr conv3x3 = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}};

static Node *affine(NetBuilder *nb, const char *path, Node *x)
{
    return nb_op(nb, OP_AFFINE, path, none, x, NULL);
}

/* After the pass only `op` is left between the input and the output. */
static void check_left(NetBuilder *nb, OpKind op)
{
    nb_check_pass(nb, fold_constants, true);
    int ops = 0;
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        OpKind kind = nb->graph->nodes[i]->op;
        ops += kind != OP_INPUT && kind != OP_CONST;
    }
    cr_assert_eq(ops, 1, "%s", nb_dump(nb));
    cr_assert_eq(nb_count(nb, op), 1, "%s", nb_dump(nb));
    nb_destroy(nb);
}

Test(pass_fold_constants, neutral_elements)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    x = nb_op(&nb, OP_MUL, NULL, none, x, nb_literal(&nb, 1.0));
    x = nb_op(&nb, OP_MUL, NULL, none, nb_literal(&nb, 1.0), x);
    x = nb_op(&nb, OP_ADD, NULL, none, nb_literal(&nb, 0.0), x);
    x = nb_op(&nb, OP_SUB, NULL, none, x, nb_literal(&nb, 0.0));
    x = nb_scale(&nb, 1.0, x);
    x = nb_plain(&nb, OP_IDENTITY, x);
    nb_output(&nb, "y", x);
    check_left(&nb, OP_RELU);
}

Test(pass_fold_constants, not_neutral)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    nb_output(&nb, "a", nb_op(&nb, OP_SUB, NULL, none, nb_literal(&nb, 0.0), x));
    nb_output(&nb, "b", nb_op(&nb, OP_MUL, NULL, none, x, nb_literal(&nb, 0.0)));
    nb_output(&nb, "c", nb_op(&nb, OP_ADD, NULL, none, x, nb_literal(&nb, 1.0)));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

Test(pass_fold_constants, chain_of_scales)
{
    NetBuilder nb = nb_create();
    Node *x = nb_scale(&nb, 3.0, nb_scale(&nb, 0.5, nb_input(&nb, 3, 4, 4)));
    nb_output(&nb, "y", nb_op(&nb, OP_MUL, NULL, none, nb_literal(&nb, -7.0), x));
    nb_check_pass(&nb, fold_constants, true);
    cr_assert_eq(nb_find(&nb, OP_SCALE, NULL)->attr.misc.scale, -10.5);
    cr_assert_eq(nb.graph->n_nodes, 2, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

Test(pass_fold_constants, chain_of_additions)
{
    NetBuilder nb = nb_create();
    Node *x = nb_op(&nb, OP_SUB, NULL, none, nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4)), nb_literal(&nb, 0.5));
    x = nb_op(&nb, OP_ADD, NULL, none, nb_literal(&nb, 2.0), x);
    nb_output(&nb, "y", x);
    nb_check_pass(&nb, fold_constants, true);
    cr_assert_eq(nb_count(&nb, OP_ADD), 1);
    cr_assert_eq(nb_count(&nb, OP_SUB), 0);
    nb_destroy(&nb);
}

/* One affine would do, but it would have weights, and the net has none. */
Test(pass_fold_constants, scale_and_addition_stay_two)
{
    NetBuilder nb = nb_create();
    Node *x = nb_scale(&nb, 2.0, nb_input(&nb, 3, 4, 4));
    nb_output(&nb, "y", nb_op(&nb, OP_SUB, NULL, none, x, nb_literal(&nb, 1.0)));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

Test(pass_fold_constants, additions_that_cancel)
{
    NetBuilder nb = nb_create();
    Node *x = nb_op(&nb, OP_SUB, NULL, none, nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4)), nb_literal(&nb, 0.5));
    nb_output(&nb, "y", nb_op(&nb, OP_ADD, NULL, none, nb_literal(&nb, 0.5), x));
    check_left(&nb, OP_RELU);
}

static void check_chain_of_everything(int32_t c, int32_t h, int32_t w)
{
    NetBuilder nb = nb_create();
    Node *x = nb_scale(&nb, 3.0, nb_input(&nb, c, h, w));
    x = nb_op(&nb, OP_SUB, NULL, none, nb_literal(&nb, 2.0), x);
    x = affine(&nb, "a1", x);
    x = nb_op(&nb, OP_SUB, NULL, none, x, nb_literal(&nb, 0.25));
    x = affine(&nb, "a2", x);
    x = nb_op(&nb, OP_ADD, NULL, none, x, nb_literal(&nb, 0.5));
    nb_output(&nb, "y", nb_scale(&nb, -0.1, x));
    check_left(&nb, OP_AFFINE);
}

Test(pass_fold_constants, chain_of_everything)
{
    check_chain_of_everything(3, 4, 4);
    check_chain_of_everything(1, 4, 4);
    check_chain_of_everything(5, 0, 0);
}

Test(pass_fold_constants, chain_that_cancels)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    nb_output(&nb, "y", nb_scale(&nb, 2.0, nb_scale(&nb, 0.5, x)));
    check_left(&nb, OP_RELU);
}

/* A factor has bounds (ops.def), and a literal is finite: what would leave them stays as it is. */
Test(pass_fold_constants, numbers_that_grow_without_end)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 1, 2, 2), *y = nb_literal(&nb, 1e200);
    for (int i = 0; i < 7; ++i) {
        x = nb_scale(&nb, 1e10, x);
    }
    y = nb_op(&nb, OP_MUL, NULL, none, y, nb_literal(&nb, 1e200));
    nb_output(&nb, "x", x);
    nb_output(&nb, "y", nb_op(&nb, OP_ADD, NULL, none, nb_input(&nb, 1, 1, 1), y));
    PassContext context = {arena_create(), nb.diag};
    cr_assert(fold_constants(&context, nb.graph));
    Str message = STR("");
    cr_assert(graph_verify(nb.graph, nb.arena, &message), "%.*s", (int)message.len, message.ptr);
    cr_assert_eq(nb_count(&nb, OP_SCALE), 3, "1e30, 1e30, 1e10:\n%s", nb_dump(&nb));
    cr_assert_eq(nb_count(&nb, OP_MUL), 1);
    arena_destroy(context.scratch);
    nb_destroy(&nb);
}

/* Recipes do not grow with the length of the net. */
Test(pass_fold_constants, very_many_affines)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 2, 2, 2);
    for (int i = 0; i < 1000; ++i) {
        x = nb_scale(&nb, 0.5, affine(&nb, "a", x));
    }
    nb_output(&nb, "y", x);
    PassContext context = {arena_create(), nb.diag};
    cr_assert(fold_constants(&context, nb.graph));
    cr_assert_not(fold_constants(&context, nb.graph));
    cr_assert_lt(nb_count(&nb, OP_AFFINE), 100);
    cr_assert_lt(strlen(nb_dump(&nb)), 200 * 1000, "the text of all recipes together");
    arena_destroy(context.scratch);
    nb_destroy(&nb);
}

Test(pass_fold_constants, chain_with_a_tapped_link)
{
    NetBuilder nb = nb_create();
    Node *x = nb_scale(&nb, 0.5, nb_input(&nb, 3, 4, 4));
    nb_output(&nb, "tap", x);
    nb_output(&nb, "y", nb_scale(&nb, 3.0, x));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

/* Inception-ResNet: x + 0.17 * conv(...). */
Test(pass_fold_constants, scale_after_layers)
{
    static const struct {
        OpKind op;
        ConvAttr attr;
    } layers[] = {
        {OP_CONV, {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}, .bias = true}},
        {OP_CONV, {.channels = 4, .kernel = {1, 1}, .groups = 2}},
        {OP_DEPTHWISE_CONV, {.kernel = {3, 3}, .multiplier = 2, .bias = true}},
        {OP_CONV_TRANSPOSE, {.channels = 6, .kernel = {3, 3}, .stride = {2, 2}, .groups = 2, .bias = true}},
    };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i) {
        NetBuilder nb = nb_create();
        Node *x = nb_conv(&nb, layers[i].op, "c", layers[i].attr, nb_input(&nb, 4, 5, 5));
        nb_output(&nb, "y", nb_scale(&nb, 0.17, x));
        check_left(&nb, layers[i].op);
    }
}

Test(pass_fold_constants, arithmetic_and_affine_after_layers)
{
    NetBuilder nb = nb_create();
    Node *x = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    x = nb_op(&nb, OP_SUB, NULL, none, nb_literal(&nb, 1.5), x);
    nb_output(&nb, "y", affine(&nb, "a", x));
    check_left(&nb, OP_CONV);
}

Test(pass_fold_constants, affine_after_table_and_grouped_transposed_stays)
{
    NetBuilder nb = nb_create();
    static const int32_t start[] = {0, 1, 3}, values[] = {1, 0, 2};
    ConvAttr table = {.channels = 2, .kernel = {2, 2}, .table = {.n_rows = 2, .start = start, .values = values}};
    Node *x = nb_conv(&nb, OP_CONV, "c1", table, nb_input(&nb, 3, 5, 5));
    x = nb_plain(&nb, OP_RELU, affine(&nb, "a1", x));
    x = nb_conv(&nb, OP_CONV_TRANSPOSE, "c2", (ConvAttr){.channels = 4, .kernel = {2, 2}, .groups = 2}, x);
    nb_output(&nb, "y", affine(&nb, "a2", x));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

Test(pass_fold_constants, scale_after_table_folds)
{
    NetBuilder nb = nb_create();
    static const int32_t start[] = {0, 1, 3}, values[] = {1, 0, 2};
    ConvAttr table = {
        .channels = 2, .kernel = {2, 2}, .table = {.n_rows = 2, .start = start, .values = values}, .bias = true};
    Node *x = nb_conv(&nb, OP_CONV, "c", table, nb_input(&nb, 3, 5, 5));
    nb_output(&nb, "y", nb_scale(&nb, -2.0, x));
    check_left(&nb, OP_CONV);
}

/* A scale keeps zeros zero, so padding does not matter; a shift does. */
Test(pass_fold_constants, before_padded_layers)
{
    static const OpKind ops[] = {OP_CONV, OP_DEPTHWISE_CONV, OP_CONV_TRANSPOSE};
    for (int i = 0; i < 3; ++i) {
        NetBuilder nb = nb_create();
        ConvAttr attr = conv3x3;
        attr.multiplier = 2;
        Node *x = nb_scale(&nb, 0.25, nb_input(&nb, 2, 5, 5));
        nb_output(&nb, "y", nb_conv(&nb, ops[i], "c", attr, x));
        check_left(&nb, ops[i]);

        nb = nb_create();
        x = nb_op(&nb, OP_ADD, NULL, none, nb_input(&nb, 2, 5, 5), nb_literal(&nb, 0.25));
        nb_output(&nb, "y", nb_conv(&nb, ops[i], "c", attr, x));
        nb_check_pass(&nb, fold_constants, false);
        nb_destroy(&nb);
    }
}

Test(pass_fold_constants, before_layers_without_padding)
{
    static const OpKind ops[] = {OP_CONV, OP_DEPTHWISE_CONV};
    for (int i = 0; i < 4; ++i) {
        NetBuilder nb = nb_create();
        ConvAttr attr = {.channels = 4, .kernel = {3, 2}, .multiplier = 2, .bias = i >= 2};
        Node *x = nb_op(&nb, OP_ADD, NULL, none, nb_scale(&nb, 2.0, nb_input(&nb, 2, 5, 5)), nb_literal(&nb, 0.25));
        nb_output(&nb, "y", nb_conv(&nb, ops[i % 2], "c", attr, affine(&nb, "a", x)));
        check_left(&nb, ops[i % 2]);
    }
}

Test(pass_fold_constants, scale_before_grouped_layers)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = conv3x3;
    attr.groups = 2;
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", attr, nb_scale(&nb, 0.25, nb_input(&nb, 2, 5, 5))));
    check_left(&nb, OP_CONV);
}

Test(pass_fold_constants, layer_with_other_readers_stays)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    nb_output(&nb, "y", nb_scale(&nb, 0.17, conv));
    nb_output(&nb, "tap", conv);
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

/* What a layer adds is not what it multiplies. */
Test(pass_fold_constants, scale_read_as_a_residual_stays)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 4, 5, 5);
    Node *conv = nb_conv(&nb, OP_CONV, "c", conv3x3, x), *data[] = {x, nb_scale(&nb, 0.5, x)};
    graph_set_data(nb.graph, conv, data, 2);
    conv->adds_residual = true;
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

Test(pass_fold_constants, shared_weights)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 5, 5);
    nb_output(&nb, "a", nb_scale(&nb, 0.17, nb_conv(&nb, OP_CONV, "c", conv3x3, x)));
    nb_output(&nb, "b", nb_scale(&nb, 5.0, nb_conv(&nb, OP_CONV, "c", conv3x3, x)));
    nb_output(&nb, "c", nb_conv(&nb, OP_CONV, "c", conv3x3, x));
    nb_check_pass(&nb, fold_constants, true);
    cr_assert_eq(nb_count(&nb, OP_SCALE), 0);
    nb_destroy(&nb);
}

Test(pass_fold_constants, epilogue_between_stays)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    conv->act.op = OP_TANH;
    Node *sum = nb_op(&nb, OP_ADD, NULL, none, conv, nb_literal(&nb, 0.0));
    sum->act.op = OP_RELU; /* not neutral any more */
    nb_output(&nb, "y", nb_scale(&nb, 0.5, sum));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}

Test(pass_fold_constants, activations_of_literals)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    static const double points[] = {-7.0, -1.25, 0.0, 0.5, 2.75, 8.0};
    for (int op = 0; op < OP_COUNT; ++op) {
        if ((op_info((OpKind)op)->flags & OPF_ACT) == 0) {
            continue;
        }
        for (size_t i = 0; i < sizeof points / sizeof points[0]; ++i) {
            Attr attr;
            op_attr_defaults((OpKind)op, &attr);
            if (op_info((OpKind)op)->params->name != NULL) {
                attr.act = (ActAttr){-1.25, 2.0}; /* other than any default */
            }
            Node *literal = nb_op(&nb, (OpKind)op, NULL, attr, nb_literal(&nb, points[i]), NULL);
            x = nb_op(&nb, OP_ADD, NULL, none, nb_plain(&nb, OP_TANH, x), literal);
        }
    }
    nb_output(&nb, "y", nb_plain(&nb, OP_TANH, x));
    nb_check_pass(&nb, fold_constants, true);
    for (uint32_t i = 0; i < nb.graph->n_nodes; ++i) {
        const Node *node = nb.graph->nodes[i];
        cr_assert(node->op == OP_INPUT || node->op == OP_CONST || node->op == OP_RELU || node->op == OP_TANH ||
                      node->op == OP_ADD,
                  "%s", nb_dump(&nb));
    }
    nb_destroy(&nb);
}

Test(pass_fold_constants, arithmetic_of_literals)
{
    NetBuilder nb = nb_create();
    double values[] = {1.0, -2.0, 3.0, 0.5, 0.25, 4.0};
    Node *vector = graph_add_values(nb.graph, type_f32_3(3, 2, 1), values, (NodeSource){.path = STR("")});
    Node *x = nb_op(&nb, OP_SUB, NULL, none, nb_literal(&nb, 2.0), vector);
    x = nb_op(&nb, OP_MUL, NULL, none, x,
              graph_add_values(nb.graph, type_f32_1(3), values, (NodeSource){.path = STR("")}));
    x = nb_scale(&nb, 3.0, nb_flatten(&nb, FLATTEN_CHW, x));
    nb_output(&nb, "y", nb_op(&nb, OP_ADD, NULL, none, nb_input(&nb, 6, 0, 0), x));
    check_left(&nb, OP_ADD);
}

Test(pass_fold_constants, literal_as_output_stays)
{
    NetBuilder nb = nb_create();
    nb_input(&nb, 1, 1, 1);
    nb_output(&nb, "y", nb_scale(&nb, 3.0, nb_literal(&nb, 2.0)));
    nb_check_pass(&nb, fold_constants, false);
    nb_destroy(&nb);
}
