/* elide_flatten: no elements move for a dense layer, and views of views are one view. */
#include <criterion/criterion.h>

#include "net_builder.h"

static Node *reshape(NetBuilder *nb, const int32_t *dims, int32_t rank, Node *x)
{
    return nb_op(nb, OP_RESHAPE, NULL, (Attr){.shape = {.shape = {rank, dims}}}, x, NULL);
}

static int hwc_left(const NetBuilder *nb)
{
    int count = 0;
    for (uint32_t i = 0; i < nb->graph->n_nodes; ++i) {
        const Node *node = nb->graph->nodes[i];
        count += node->op == OP_FLATTEN && node->attr.shape.order == FLATTEN_HWC;
    }
    return count;
}

Test(pass_elide_flatten, hwc_before_dense)
{
    NetBuilder nb = nb_create();
    Node *x = nb_flatten(&nb, FLATTEN_HWC, nb_input(&nb, 3, 4, 5));
    nb_output(&nb, "y", nb_dense(&nb, "f", 7, true, x));
    nb_check_pass(&nb, elide_flatten, true);
    cr_assert_eq(hwc_left(&nb), 0);
    nb_destroy(&nb);
}

Test(pass_elide_flatten, hwc_before_several_layers_that_share_a_weight)
{
    NetBuilder nb = nb_create();
    Node *x = nb_flatten(&nb, FLATTEN_HWC, nb_input(&nb, 3, 4, 5)), *other = nb_input(&nb, 60, 0, 0);
    nb_output(&nb, "a", nb_dense(&nb, "f", 7, true, x));
    nb_output(&nb, "b", nb_dense(&nb, "f", 7, true, other));
    nb_output(&nb, "c", nb_op(&nb, OP_RBF, "r", (Attr){.dense = {.units = 4}}, x, NULL));
    nb_check_pass(&nb, elide_flatten, true);
    cr_assert_eq(hwc_left(&nb), 0);
    nb_destroy(&nb);
}

Test(pass_elide_flatten, hwc_with_other_readers_stays)
{
    NetBuilder nb = nb_create();
    Node *x = nb_flatten(&nb, FLATTEN_HWC, nb_input(&nb, 3, 4, 5)),
         *y = nb_flatten(&nb, FLATTEN_HWC, nb_input(&nb, 3, 4, 5));
    nb_output(&nb, "a", nb_dense(&nb, "f", 7, true, x));
    nb_output(&nb, "tap", x);
    nb_output(&nb, "b", nb_dense(&nb, "g", 7, true, y));
    nb_output(&nb, "c", nb_plain(&nb, OP_RELU, y));
    nb_check_pass(&nb, elide_flatten, false);
    nb_destroy(&nb);
}

/* The layer adds the flattened tensor as well: that would have to be in the old order. */
Test(pass_elide_flatten, hwc_as_residual_stays)
{
    NetBuilder nb = nb_create();
    Node *x = nb_flatten(&nb, FLATTEN_HWC, nb_input(&nb, 3, 4, 5));
    Node *dense = nb_dense(&nb, "f", 60, true, x);
    Node *data[] = {x, x};
    graph_set_data(nb.graph, dense, data, 2);
    dense->adds_residual = true;
    nb_output(&nb, "y", dense);
    nb_check_pass(&nb, elide_flatten, false);
    nb_destroy(&nb);
}

Test(pass_elide_flatten, orders_that_agree)
{
    static const int32_t shapes[][3] = {{6, 1, 1}, {1, 3, 4}, {5, 0, 0}};
    for (int i = 0; i < 3; ++i) {
        NetBuilder nb = nb_create();
        Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, shapes[i][0], shapes[i][1], shapes[i][2]));
        nb_output(&nb, "y", nb_flatten(&nb, FLATTEN_HWC, x));
        nb_check_pass(&nb, elide_flatten, true);
        cr_assert_eq(hwc_left(&nb), 0);
        nb_destroy(&nb);
    }
}

Test(pass_elide_flatten, views_of_views)
{
    NetBuilder nb = nb_create();
    static const int32_t image[] = {5, 4, 3}, matrix[] = {6, 10}, vector[] = {60};
    Node *x = nb_flatten(&nb, FLATTEN_CHW, nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 5)));
    x = reshape(&nb, image, 3, reshape(&nb, matrix, 2, x));
    nb_output(&nb, "tap", x);
    nb_output(&nb, "y", nb_flatten(&nb, FLATTEN_CHW, reshape(&nb, vector, 1, nb_flatten(&nb, FLATTEN_CHW, x))));
    nb_check_pass(&nb, elide_flatten, true);
    cr_assert_eq(nb_count(&nb, OP_RESHAPE) + nb_count(&nb, OP_FLATTEN), 2, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

Test(pass_elide_flatten, views_that_come_back)
{
    NetBuilder nb = nb_create();
    static const int32_t image[] = {3, 4, 5};
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 5));
    nb_output(&nb, "y", reshape(&nb, image, 3, nb_flatten(&nb, FLATTEN_CHW, x)));
    nb_check_pass(&nb, elide_flatten, true);
    cr_assert_eq(nb_count(&nb, OP_RESHAPE) + nb_count(&nb, OP_FLATTEN), 0, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

/* hwc is no view: what is around it must not be joined across it. */
Test(pass_elide_flatten, hwc_between_views)
{
    NetBuilder nb = nb_create();
    static const int32_t image[] = {5, 4, 3};
    Node *x = reshape(&nb, image, 3, nb_input(&nb, 3, 4, 5));
    x = reshape(&nb, image, 3, nb_flatten(&nb, FLATTEN_HWC, x));
    nb_output(&nb, "y", nb_flatten(&nb, FLATTEN_CHW, x));
    nb_check_pass(&nb, elide_flatten, true);
    cr_assert_eq(hwc_left(&nb), 1);
    nb_destroy(&nb);
}

Test(pass_elide_flatten, plain_flatten_stays)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", nb_dense(&nb, "f", 7, true, nb_flatten(&nb, FLATTEN_CHW, nb_input(&nb, 3, 4, 5))));
    nb_check_pass(&nb, elide_flatten, false);
    nb_destroy(&nb);
}
