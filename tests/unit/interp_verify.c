/* The verifier of --verify: silent about what keeps results, and precise about what does not. */
#include <criterion/criterion.h>

#include "net_builder.h"

static const ConvAttr conv3x3 = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}, .bias = true};

/* image -> c1 -> b1 -> relu -> c2 -> b2 -> relu -> c3 -> y */
static NetBuilder chain(void)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 8, 8);
    x = nb_plain(&nb, OP_RELU, nb_norm(&nb, "b1", nb_conv(&nb, OP_CONV, "c1", conv3x3, x)));
    x = nb_plain(&nb, OP_RELU, nb_norm(&nb, "b2", nb_conv(&nb, OP_CONV, "c2", conv3x3, x)));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c3", conv3x3, x));
    return nb;
}

static void run_pass(NetBuilder *nb, PassFunction *pass)
{
    PassContext context = {arena_create(), nb->diag};
    cr_assert(pass(&context, nb->graph));
    arena_destroy(context.scratch);
}

static void check_says(NetBuilder *nb, InterpVerifier *verifier, const char *pass, const char *node)
{
    cr_assert_not(interp_verifier_check(verifier, nb->graph, pass, nb->diag));
    cr_assert_eq(diag_fired(nb->diag, DIAG_MISCOMPILED_PASS), 1);
    const char *text = arena_cstr(nb->arena, diag_text(nb->diag));
    cr_assert_not_null(strstr(text, pass), "%s", text);
    cr_assert_not_null(strstr(text, node), "%s", text);
}

Test(interp_verify, passes_that_keep_results)
{
    NetBuilder nb = chain();
    InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
    cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
    run_pass(&nb, fold_batch_norm);
    cr_assert(interp_verifier_check(verifier, nb.graph, "fold_batch_norm", nb.diag));
    run_pass(&nb, fuse_activation);
    cr_assert(interp_verifier_check(verifier, nb.graph, "fuse_activation", nb.diag));
    cr_assert_eq(diag_errors(nb.diag), 0);
    interp_verifier_destroy(verifier);
    nb_destroy(&nb);
}

/* A fold that forgets the running mean of the second norm: the second layer is named, though the first changed as well.
 */
Test(interp_verify, names_the_layer_that_was_folded_wrongly)
{
    NetBuilder nb = chain();
    InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
    cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
    run_pass(&nb, fold_batch_norm);
    Node *wrong = nb_find(&nb, OP_CONV, "c2");
    graph_set_weight(
        nb.graph, wrong, ROLE_BIAS,
        graph_add_weight(nb.graph, STR("b2.bias"), type_f32_1(4), ROLE_BIAS, (NodeSource){.path = STR("")}));
    graph_compact(nb.graph);
    check_says(&nb, verifier, "fold_batch_norm", "conv 'c2'");
    interp_verifier_destroy(verifier);
    nb_destroy(&nb);
}

/* One pixel in a corner: the padding of a single layer. */
Test(interp_verify, sees_a_wrong_border)
{
    NetBuilder nb = chain();
    InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
    cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
    ConvAttr *attr = &nb_find(&nb, OP_CONV, "c1")->attr.conv;
    attr->pad.edge[PAD_TOP] = 0;
    attr->pad.edge[PAD_BOTTOM] = 2;
    check_says(&nb, verifier, "test", "conv 'c1'");
    interp_verifier_destroy(verifier);
    nb_destroy(&nb);
}

/* All values are still there, but the output reads another one of the same type. */
Test(interp_verify, sees_an_output_that_reads_the_wrong_node)
{
    NetBuilder nb = chain();
    InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
    cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
    nb.graph->outputs[0].node = nb_find(&nb, OP_BATCH_NORM, "b2");
    check_says(&nb, verifier, "test", "output 'y'");
    interp_verifier_destroy(verifier);
    nb_destroy(&nb);
}

/* 1e-9 of the largest value is the border. */
Test(interp_verify, tolerance)
{
    static const double factors[] = {1.0 + 1e-10, 1.0 + 1e-8};
    for (int i = 0; i < 2; ++i) {
        NetBuilder nb = nb_create();
        Node *scale = nb_scale(&nb, 1.0, nb_input(&nb, 3, 8, 8));
        nb_output(&nb, "y", scale);
        InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
        cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
        scale->attr.misc.scale = factors[i];
        cr_assert_eq(interp_verifier_check(verifier, nb.graph, "test", nb.diag), i == 0);
        interp_verifier_destroy(verifier);
        nb_destroy(&nb);
    }
}

/* Infinity and NaN equal themselves and nothing else: a pass may not make a finite value infinite, nor hide that one
 * is. */
Test(interp_verify, values_that_are_not_finite)
{
    static const double before[] = {1e308, 1e308, 1.0}, after[] = {1e308, 1.0, 1e308};
    static const bool same[] = {true, false, false};
    for (int i = 0; i < 3; ++i) {
        NetBuilder nb = nb_create();
        Node *literal = nb_literal(&nb, 1e308);
        Node *scale = nb_op(&nb, OP_MUL, NULL, (Attr){.misc = {.p = 0}}, nb_literal(&nb, before[i]), literal);
        Node *sum = nb_op(&nb, OP_ADD, NULL, (Attr){.misc = {.p = 0}}, nb_input(&nb, 2, 2, 2), scale);
        nb_output(&nb, "y", sum);
        InterpVerifier *verifier = interp_verifier_create(nb.arena, nb.weights);
        cr_assert(interp_verifier_check(verifier, nb.graph, NULL, nb.diag));
        scale->inputs[0] = graph_add_values(nb.graph, type_f32_1(1), &after[i], (NodeSource){.path = STR("")});
        graph_compact(nb.graph);
        cr_assert_eq(interp_verifier_check(verifier, nb.graph, "test", nb.diag), same[i]);
        interp_verifier_destroy(verifier);
        nb_destroy(&nb);
    }
}
