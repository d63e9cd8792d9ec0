/* fuse_activation: every activation, every op that can take one, and where it must not. */
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

Test(pass_fuse_activation, every_activation)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        if ((op_info((OpKind)op)->flags & OPF_ACT) == 0 || op == OP_IDENTITY) {
            continue;
        }
        NetBuilder nb = nb_create();
        Attr attr;
        op_attr_defaults((OpKind)op, &attr);
        if (op == OP_CLAMP) {
            attr.act = (ActAttr){-0.25, 0.5};
        }
        nb_output(&nb, "y", nb_op(&nb, (OpKind)op, NULL, attr, conv(&nb, "c", nb_input(&nb, 3, 5, 5)), NULL));
        nb_check_pass(&nb, fuse_activation, true);
        const Node *fused = nb_find(&nb, OP_CONV, "c");
        cr_assert_eq(fused->act.op, (OpKind)op);
        cr_assert_eq(fused->act.attr.a, attr.act.a);
        cr_assert_eq(fused->act.attr.b, attr.act.b);
        nb_destroy(&nb);
    }
}

Test(pass_fuse_activation, every_op_with_an_epilogue)
{
    NetBuilder nb = nb_create();
    Node *image = nb_input(&nb, 4, 5, 5);
    Node *x = nb_plain(&nb, OP_TANH, nb_conv(&nb, OP_DEPTHWISE_CONV, "d", (ConvAttr){.kernel = {3, 3}}, image));
    x = nb_plain(&nb, OP_RELU, nb_conv(&nb, OP_CONV_TRANSPOSE, "t", (ConvAttr){.channels = 4, .kernel = {3, 3}}, x));
    x = nb_plain(&nb, OP_SIGMOID, add(&nb, x, image));
    x = nb_plain(&nb, OP_RELU6, nb_op(&nb, OP_SUB, NULL, none, x, image));
    x = nb_plain(&nb, OP_SILU, nb_op(&nb, OP_MUL, NULL, none, x, image));
    x = nb_plain(&nb, OP_RELU, nb_op(&nb, OP_AFFINE, "a", none, x, NULL));
    x = nb_plain(&nb, OP_GELU, nb_dense(&nb, "f", 7, true, nb_flatten(&nb, FLATTEN_CHW, x)));
    nb_output(&nb, "y", x);
    nb_check_pass(&nb, fuse_activation, true);
    for (uint32_t i = 0; i < nb.graph->n_nodes; ++i) {
        cr_assert_eq(op_info(nb.graph->nodes[i]->op)->flags & OPF_ACT, 0, "%s", nb_dump(&nb));
    }
    nb_destroy(&nb);
}

Test(pass_fuse_activation, second_activation_stays)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", nb_plain(&nb, OP_TANH, nb_plain(&nb, OP_RELU, conv(&nb, "c", nb_input(&nb, 3, 5, 5)))));
    nb_check_pass(&nb, fuse_activation, true);
    cr_assert_eq(nb_count(&nb, OP_TANH), 1);
    cr_assert_eq(nb_find(&nb, OP_CONV, "c")->act.op, OP_RELU);
    nb_destroy(&nb);
}

Test(pass_fuse_activation, readers_that_want_the_layer_itself)
{
    NetBuilder nb = nb_create();
    Node *c = conv(&nb, "c", nb_input(&nb, 3, 5, 5)), *d = conv(&nb, "d", c);
    nb_output(&nb, "y", add(&nb, nb_plain(&nb, OP_RELU, c), d));
    nb_output(&nb, "tap", d);
    nb_output(&nb, "z", nb_plain(&nb, OP_RELU, d));
    nb_check_pass(&nb, fuse_activation, false);
    nb_destroy(&nb);
}

Test(pass_fuse_activation, prelu_softmax_and_identity_stay)
{
    NetBuilder nb = nb_create();
    Node *x = nb_op(&nb, OP_PRELU, "p", none, conv(&nb, "c1", nb_input(&nb, 3, 5, 5)), NULL);
    x = nb_plain(&nb, OP_IDENTITY, conv(&nb, "c2", x));
    nb_output(&nb, "y", nb_plain(&nb, OP_SOFTMAX, conv(&nb, "c3", x)));
    nb_check_pass(&nb, fuse_activation, false);
    nb_destroy(&nb);
}
