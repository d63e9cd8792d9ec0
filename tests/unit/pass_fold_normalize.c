/* fold_normalize: exact, or not at all. */
#include <criterion/criterion.h>

#include "net_builder.h"

static const double means[] = {0.485, 0.456, 0.406}, stds[] = {0.229, 0.224, 0.225}, zero[] = {0.0}, half[] = {0.5};

static Node *normalize(NetBuilder *nb, FloatList mean, FloatList std, double scale, Node *x)
{
    return nb_op(nb, OP_NORMALIZE, NULL, (Attr){.misc = {.mean = mean, .std = std, .scale = scale}}, x, NULL);
}

static void check(NetBuilder *nb, bool folds)
{
    nb_check_pass(nb, fold_normalize, folds);
    cr_assert_eq(nb_count(nb, OP_NORMALIZE), folds ? 0 : 1, "%s", nb_dump(nb));
    nb_destroy(nb);
}

Test(pass_fold_normalize, into_layers_without_padding)
{
    static const OpKind ops[] = {OP_CONV, OP_DEPTHWISE_CONV};
    for (int i = 0; i < 4; ++i) {
        NetBuilder nb = nb_create();
        Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){3, stds}, 1.0 / 255.0, nb_input(&nb, 3, 6, 6));
        ConvAttr attr = {.channels = 4, .kernel = {3, 3}, .stride = {2, 2}, .multiplier = 2, .bias = i >= 2};
        nb_output(&nb, "y", nb_conv(&nb, ops[i % 2], "c", attr, x));
        check(&nb, true);
    }
}

Test(pass_fold_normalize, one_mean_and_std_for_all)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){1, half}, (FloatList){1, half}, 1.0, nb_input(&nb, 3, 6, 6));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 4, .kernel = {2, 3}}, x));
    check(&nb, true);
}

Test(pass_fold_normalize, two_in_a_row)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){1, half}, (FloatList){3, stds}, 0.5, nb_input(&nb, 3, 6, 6));
    x = normalize(&nb, (FloatList){3, means}, (FloatList){1, half}, 1.0, x);
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 4}, x));
    check(&nb, true);
}

Test(pass_fold_normalize, into_dense)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){1, half}, 2.0, nb_input(&nb, 3, 0, 0));
    nb_output(&nb, "y", nb_dense(&nb, "f", 5, false, x));
    check(&nb, true);
}

Test(pass_fold_normalize, padding_keeps_a_mean)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){3, stds}, 1.0, nb_input(&nb, 3, 6, 6));
    ConvAttr attr = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}};
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", attr, x));
    check(&nb, false);
}

Test(pass_fold_normalize, padding_takes_a_std_alone)
{
    static const OpKind ops[] = {OP_CONV, OP_DEPTHWISE_CONV, OP_CONV_TRANSPOSE};
    for (int i = 0; i < 3; ++i) {
        NetBuilder nb = nb_create();
        Node *x = normalize(&nb, (FloatList){1, zero}, (FloatList){3, stds}, 1.0, nb_input(&nb, 3, 6, 6));
        ConvAttr attr = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}, .stride = {2, 2}};
        nb_output(&nb, "y", nb_conv(&nb, ops[i], "c", attr, x));
        check(&nb, true);
    }
}

Test(pass_fold_normalize, grouped_and_transposed_keep_a_mean)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){1, half}, 1.0, nb_input(&nb, 3, 6, 6));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 6, .kernel = {2, 2}, .groups = 3}, x));
    check(&nb, false);

    nb = nb_create();
    x = normalize(&nb, (FloatList){3, means}, (FloatList){1, half}, 1.0, nb_input(&nb, 3, 6, 6));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV_TRANSPOSE, "c", (ConvAttr){.channels = 6, .kernel = {2, 2}}, x));
    check(&nb, false);
}

Test(pass_fold_normalize, several_readers_keep_it)
{
    NetBuilder nb = nb_create();
    Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){3, stds}, 1.0, nb_input(&nb, 3, 6, 6));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 4}, x));
    nb_output(&nb, "tap", x);
    check(&nb, false);
}

Test(pass_fold_normalize, bytes_keep_it)
{
    NetBuilder nb = nb_create();
    TensorType type = type_f32_3(3, 6, 6);
    type.dtype = DT_U8;
    Node *image = graph_add_input(nb.graph, STR("image"), type, true, (Span){0, 0});
    Node *x = normalize(&nb, (FloatList){3, means}, (FloatList){3, stds}, 1.0 / 255.0, image);
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 4}, x));
    check(&nb, false);
}
