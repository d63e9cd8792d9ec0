/* fold_batch_norm keeps what nets compute, and folds wherever it says it does. */
#include <criterion/criterion.h>

#include "net_builder.h"

/* Folds to nothing but the layer. */
static void check_folds(NetBuilder *nb)
{
    nb_check_pass(nb, fold_batch_norm, true);
    cr_assert_eq(nb_count(nb, OP_BATCH_NORM), 0);
    cr_assert_eq(nb_count(nb, OP_AFFINE), 0, "%s", nb_dump(nb));
    nb_destroy(nb);
}

/* Cannot fold: becomes an affine. */
static void check_affine(NetBuilder *nb, int affines)
{
    nb_check_pass(nb, fold_batch_norm, true);
    cr_assert_eq(nb_count(nb, OP_BATCH_NORM), 0);
    cr_assert_eq(nb_count(nb, OP_AFFINE), affines, "%s", nb_dump(nb));
    nb_destroy(nb);
}

static const ConvAttr conv3x3 = {.channels = 6, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}};

Test(pass_fold_batch_norm, after_conv_without_bias)
{
    NetBuilder nb = nb_create();
    Node *x = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 7, 5));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, after_conv_with_bias_stride_dilation)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 4,
                     .kernel = {3, 2},
                     .stride = {2, 1},
                     .dilation = {1, 2},
                     .pad = {.edge = {1, 0, 2, 1}},
                     .bias = true};
    Node *x = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 3, 9, 8));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, recipe_of_the_weights)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = conv3x3;
    attr.bias = true;
    Node *x = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 3, 4, 4));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    nb_check_pass(&nb, fold_batch_norm, true);
    cr_assert_not_null(strstr(nb_dump(&nb), "@c.weight * (@b.weight * rsqrt(@b.running_var + 0.001))"), "%s",
                       nb_dump(&nb));
    cr_assert_not_null(
        strstr(nb_dump(&nb), "(@c.bias - @b.running_mean) * (@b.weight * rsqrt(@b.running_var + 0.001)) + @b.bias"),
        "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

Test(pass_fold_batch_norm, after_grouped_conv)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = conv3x3;
    attr.groups = 3;
    Node *x = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 6, 5, 5));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, after_depthwise_with_multiplier)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.kernel = {3, 3}, .pad = {.same = true}, .stride = {2, 2}, .multiplier = 3};
    Node *x = nb_conv(&nb, OP_DEPTHWISE_CONV, "c", attr, nb_input(&nb, 4, 6, 6));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, after_conv_transpose)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 5,
                     .kernel = {3, 3},
                     .stride = {2, 2},
                     .pad = {.edge = {1, 1, 1, 1}},
                     .output_pad = {1, 1},
                     .bias = true};
    Node *x = nb_conv(&nb, OP_CONV_TRANSPOSE, "c", attr, nb_input(&nb, 4, 4, 3));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, after_grouped_conv_transpose_stays_affine)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 6, .kernel = {2, 2}, .stride = {2, 2}, .groups = 2};
    Node *x = nb_conv(&nb, OP_CONV_TRANSPOSE, "c", attr, nb_input(&nb, 4, 4, 3));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, after_table_stays_affine)
{
    NetBuilder nb = nb_create();
    static const int32_t start[] = {0, 2, 3, 6}, values[] = {0, 1, 2, 0, 1, 2};
    ConvAttr attr = {
        .channels = 3, .kernel = {3, 3}, .table = {.n_rows = 3, .start = start, .values = values}, .bias = true};
    Node *x = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 3, 5, 5));
    nb_output(&nb, "y", nb_norm(&nb, "b", x));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, after_and_before_dense)
{
    NetBuilder nb = nb_create();
    Node *x = nb_dense(&nb, "f1", 6, true, nb_input(&nb, 8, 0, 0));
    x = nb_norm(&nb, "b1", x);
    x = nb_plain(&nb, OP_TANH, x);
    x = nb_norm(&nb, "b2", x);
    nb_output(&nb, "y", nb_dense(&nb, "f2", 4, false, x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, norms_without_scale_or_shift)
{
    for (int variant = 0; variant < 4; ++variant) {
        NetBuilder nb = nb_create();
        ConvAttr attr = conv3x3;
        attr.bias = variant % 2 == 0;
        Node *x = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 3, 4, 4));
        NormAttr norm = {.eps = 1e-5, .scale = variant >= 2, .shift = variant == 1};
        nb_output(&nb, "y", nb_op(&nb, OP_BATCH_NORM, "b", (Attr){.norm = norm}, x, NULL));
        check_folds(&nb);
    }
}

Test(pass_fold_batch_norm, affine_of_norms_without_scale_or_shift)
{
    for (int variant = 0; variant < 4; ++variant) {
        NetBuilder nb = nb_create();
        Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
        NormAttr norm = {.eps = 1e-5, .scale = variant >= 2, .shift = variant % 2 == 1};
        nb_output(&nb, "y", nb_op(&nb, OP_BATCH_NORM, "b", (Attr){.norm = norm}, x, NULL));
        check_affine(&nb, 1);
    }
}

Test(pass_fold_batch_norm, before_conv_without_padding)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 5, 6, 7)));
    ConvAttr attr = {.channels = 4, .kernel = {3, 2}, .stride = {2, 1}, .bias = true};
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", attr, x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, before_conv_without_bias)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 5, 3, 3)));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 4}, x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, before_depthwise_with_multiplier)
{
    for (int32_t multiplier = 1; multiplier <= 3; ++multiplier) {
        NetBuilder nb = nb_create();
        Node *x = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 4, 6, 5)));
        ConvAttr attr = {.kernel = {3, 2}, .multiplier = multiplier, .bias = multiplier == 2};
        nb_output(&nb, "y", nb_conv(&nb, OP_DEPTHWISE_CONV, "c", attr, x));
        check_folds(&nb);
    }
}

Test(pass_fold_batch_norm, before_padded_conv_stays_affine)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 5, 6, 7)));
    ConvAttr attr = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {0, 0, 0, 1}}};
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", attr, x));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, before_grouped_conv_and_conv_transpose_stays_affine)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b1", nb_plain(&nb, OP_RELU, nb_input(&nb, 4, 6, 6)));
    x = nb_conv(&nb, OP_CONV, "c1", (ConvAttr){.channels = 4, .kernel = {2, 2}, .groups = 2}, x);
    x = nb_norm(&nb, "b2", nb_plain(&nb, OP_RELU, x));
    nb_output(&nb, "y",
              nb_conv(&nb, OP_CONV_TRANSPOSE, "c2", (ConvAttr){.channels = 2, .kernel = {3, 3}, .stride = {2, 2}}, x));
    check_affine(&nb, 2);
}

Test(pass_fold_batch_norm, before_table_stays_affine)
{
    NetBuilder nb = nb_create();
    static const int32_t start[] = {0, 1, 3}, values[] = {1, 0, 2};
    ConvAttr attr = {
        .channels = 2, .kernel = {2, 2}, .table = {.n_rows = 2, .start = start, .values = values}, .bias = true};
    Node *x = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", attr, x));
    check_affine(&nb, 1);
}

/* The layer is read by others, too: they must go on seeing it without the norm. */
Test(pass_fold_batch_norm, layer_with_two_readers)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    Node *norm = nb_norm(&nb, "b", conv);
    nb_output(&nb, "y", nb_op(&nb, OP_ADD, NULL, (Attr){.misc = {.p = 0}}, norm, conv));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, layer_tapped_by_an_output)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    nb_output(&nb, "tap", conv);
    nb_output(&nb, "y", nb_norm(&nb, "b", conv));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, norm_tapped_by_an_output)
{
    NetBuilder nb = nb_create();
    Node *norm = nb_norm(&nb, "b", nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "tap", norm);
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "d", (ConvAttr){.channels = 2}, norm));
    check_folds(&nb);
}

/* Not into the layer after it: the output would lose the norm. */
Test(pass_fold_batch_norm, norm_before_a_layer_tapped_by_an_output)
{
    NetBuilder nb = nb_create();
    Node *norm = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "tap", norm);
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "d", (ConvAttr){.channels = 2}, norm));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, norm_with_two_readers_before_layers)
{
    NetBuilder nb = nb_create();
    Node *norm = nb_norm(&nb, "b", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "d", (ConvAttr){.channels = 2}, norm));
    nb_output(&nb, "z", nb_conv(&nb, OP_CONV, "e", (ConvAttr){.channels = 2}, norm));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, two_norms_after_one_layer)
{
    NetBuilder nb = nb_create();
    Node *x = nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5));
    nb_output(&nb, "y", nb_norm(&nb, "b2", nb_norm(&nb, "b1", x)));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, two_norms_before_one_layer)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b2", nb_norm(&nb, "b1", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 5, 5))));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 2, .kernel = {2, 2}}, x));
    check_folds(&nb);
}

/* Between two layers either could take it; the one before has the simpler recipe. */
Test(pass_fold_batch_norm, between_two_layers)
{
    NetBuilder nb = nb_create();
    Node *x = nb_norm(&nb, "b", nb_conv(&nb, OP_CONV, "c1", conv3x3, nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c2", (ConvAttr){.channels = 2}, x));
    nb_check_pass(&nb, fold_batch_norm, true);
    const Node *second = node_weight(nb_find(&nb, OP_CONV, "c2"), ROLE_WEIGHT);
    cr_assert_eq(second->attr.constant.expr, CONST_WEIGHT);
    nb_destroy(&nb);
}

/* One VGG three times: each layer has its own recipe over the shared weight. */
Test(pass_fold_batch_norm, shared_weights)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 5, 5), *other = nb_input(&nb, 3, 5, 5);
    nb_output(&nb, "a", nb_norm(&nb, "b1", nb_conv(&nb, OP_CONV, "c", conv3x3, x)));
    nb_output(&nb, "b", nb_norm(&nb, "b2", nb_conv(&nb, OP_CONV, "c", conv3x3, other)));
    nb_output(&nb, "c", nb_conv(&nb, OP_CONV, "c", conv3x3, x));
    check_folds(&nb);
}

Test(pass_fold_batch_norm, norm_of_an_input_and_of_a_vector)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "a", nb_norm(&nb, "b1", nb_input(&nb, 3, 5, 5)));
    nb_output(&nb, "b", nb_norm(&nb, "b2", nb_input(&nb, 7, 0, 0)));
    check_affine(&nb, 2);
}

/* A layer with an epilogue takes no norm after it, and goes on taking one before it. */
Test(pass_fold_batch_norm, layers_with_an_epilogue)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 6, 5, 5));
    Node *conv = nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 6}, nb_norm(&nb, "b1", x));
    Node *data[] = {conv->inputs[0], x};
    graph_set_data(nb.graph, conv, data, 2);
    conv->adds_residual = true;
    conv->act.op = OP_RELU;
    nb_output(&nb, "y", nb_norm(&nb, "b2", conv));
    check_affine(&nb, 1);
}

Test(pass_fold_batch_norm, norm_read_as_a_residual_stays)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_TANH, nb_input(&nb, 6, 5, 5));
    Node *conv = nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 6}, x);
    Node *data[] = {x, nb_norm(&nb, "b", x)};
    graph_set_data(nb.graph, conv, data, 2);
    conv->adds_residual = true;
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    check_affine(&nb, 1);
}

/* Long chains fold until the recipe is deep enough, then go on as affine: no recursion without end anywhere. */
Test(pass_fold_batch_norm, very_many_norms)
{
    NetBuilder nb = nb_create();
    Node *x = nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 2}, nb_input(&nb, 2, 2, 2));
    for (int i = 0; i < 3000; ++i) {
        x = nb_norm(&nb, "b", x);
    }
    nb_output(&nb, "y", x);
    PassContext context = {arena_create(), nb.diag};
    cr_assert(fold_batch_norm(&context, nb.graph));
    cr_assert_eq(nb_count(&nb, OP_BATCH_NORM), 0);
    cr_assert_not(fold_batch_norm(&context, nb.graph));
    arena_destroy(context.scratch);
    nb_destroy(&nb);
}

Test(pass_fold_batch_norm, nothing_to_do)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c", conv3x3, nb_input(&nb, 3, 5, 5)));
    nb_check_pass(&nb, fold_batch_norm, false);
    nb_destroy(&nb);
}
