/* fuse_add, and fuse_activation after or before it: the same result in either order. */
#include <criterion/criterion.h>

#include "net_builder.h"

static const Attr none = {.misc = {.p = 0}};
static const ConvAttr conv3x3 = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}, .bias = true};

static Node *conv(NetBuilder *nb, const char *path, Node *x)
{
    return nb_conv(nb, OP_CONV, path, conv3x3, x);
}

static Node *add(NetBuilder *nb, Node *a, Node *b)
{
    return nb_op(nb, OP_ADD, NULL, none, a, b);
}

Test(pass_fuse_add, residual_block)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 4, 5, 5));
    nb_output(&nb, "y", nb_plain(&nb, OP_RELU, add(&nb, conv(&nb, "c", x), x)));
    nb_check_pass(&nb, fuse_activation, true);
    nb_check_pass(&nb, fuse_add, true);
    cr_assert_eq(nb_count(&nb, OP_ADD), 0);
    const Node *fused = nb_find(&nb, OP_CONV, "c");
    cr_assert(fused->adds_residual);
    cr_assert_eq(fused->act.op, OP_RELU);
    cr_assert_eq(node_residual(fused)->op, OP_RELU);
    nb_destroy(&nb);
}

Test(pass_fuse_add, the_other_way_round_and_before_activations)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 4, 5, 5));
    nb_output(&nb, "y", nb_plain(&nb, OP_RELU, add(&nb, x, conv(&nb, "c", x))));
    nb_check_pass(&nb, fuse_add, true);
    nb_check_pass(&nb, fuse_activation, true);
    cr_assert_eq(nb.graph->outputs[0].node, nb_find(&nb, OP_CONV, "c"));
    cr_assert_eq(nb_count(&nb, OP_RELU), 1);
    nb_destroy(&nb);
}

Test(pass_fuse_add, every_layer)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 4, 5, 5));
    ConvAttr same = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}};
    x = add(&nb, nb_conv(&nb, OP_DEPTHWISE_CONV, "d", same, x), x);
    x = add(&nb, x, nb_conv(&nb, OP_CONV_TRANSPOSE, "t", same, x));
    Node *flat = nb_flatten(&nb, FLATTEN_CHW, x);
    nb_output(&nb, "y", add(&nb, nb_dense(&nb, "f", 100, false, flat), flat));
    nb_check_pass(&nb, fuse_add, true);
    cr_assert_eq(nb_count(&nb, OP_ADD), 0, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

/* ResNet's downsample: both operands could, the one computed last does. */
Test(pass_fuse_add, of_two_layers_the_later)
{
    for (int turn = 0; turn < 2; ++turn) {
        NetBuilder nb = nb_create();
        Node *x = nb_input(&nb, 3, 5, 5), *first = conv(&nb, "first", x), *second = conv(&nb, "second", x);
        nb_output(&nb, "y", turn == 0 ? add(&nb, first, second) : add(&nb, second, first));
        nb_check_pass(&nb, fuse_add, true);
        cr_assert(nb_find(&nb, OP_CONV, "second")->adds_residual);
        cr_assert_not(nb_find(&nb, OP_CONV, "first")->adds_residual);
        nb_destroy(&nb);
    }
}

/* Where only the earlier one can, it moves behind what it adds. */
Test(pass_fuse_add, of_a_layer_and_something_later)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 5, 5), *first = conv(&nb, "first", x);
    Node *later = nb_plain(&nb, OP_RELU, conv(&nb, "second", x));
    nb_output(&nb, "y", add(&nb, first, later));
    nb_check_pass(&nb, fuse_add, true);
    cr_assert(nb_find(&nb, OP_CONV, "first")->adds_residual);
    nb_destroy(&nb);
}

Test(pass_fuse_add, three_operands)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 5, 5);
    Node *sum = add(&nb, add(&nb, conv(&nb, "c1", x), conv(&nb, "c2", x)), conv(&nb, "c3", x));
    nb_output(&nb, "y", sum);
    nb_check_pass(&nb, fuse_add, true);
    cr_assert_eq(nb_count(&nb, OP_ADD), 0, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

/* The chain of additions hangs on one layer; it can take one of them. */
Test(pass_fuse_add, second_addition_to_one_layer_stays)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 4, 5, 5)), *y = nb_plain(&nb, OP_SIGMOID, x);
    nb_output(&nb, "y", add(&nb, add(&nb, conv(&nb, "c", x), x), y));
    nb_check_pass(&nb, fuse_add, true);
    cr_assert_eq(nb_count(&nb, OP_ADD), 1);
    nb_destroy(&nb);
}

Test(pass_fuse_add, must_not_fuse)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 4, 5, 5));
    Node *twice = conv(&nb, "twice", x), *tapped = conv(&nb, "tapped", x), *active = conv(&nb, "active", x);
    Node *pooled = nb_plain(&nb, OP_GLOBAL_AVG_POOL, x), *broadcast = conv(&nb, "broadcast", x);
    active->act.op = OP_RELU;
    nb_output(&nb, "a", add(&nb, twice, twice));
    nb_output(&nb, "b", add(&nb, tapped, x));
    nb_output(&nb, "tap", tapped);
    nb_output(&nb, "c", add(&nb, active, x));
    nb_output(&nb, "d", add(&nb, broadcast, pooled));
    nb_output(&nb, "e", nb_op(&nb, OP_SUB, NULL, none, conv(&nb, "minus", x), x));
    nb_output(&nb, "f", nb_op(&nb, OP_ADD, NULL, none, conv(&nb, "number", x), nb_literal(&nb, 2.0)));
    nb_check_pass(&nb, fuse_add, false);
    nb_destroy(&nb);
}

/* relu(conv) + x: the activation belongs to the conv, which then cannot take x. */
Test(pass_fuse_add, activation_before_the_addition)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 4, 5, 5));
    nb_output(&nb, "y", add(&nb, nb_plain(&nb, OP_RELU, conv(&nb, "c", x)), x));
    nb_check_pass(&nb, fuse_activation, true);
    nb_check_pass(&nb, fuse_add, false);
    nb_destroy(&nb);
}
