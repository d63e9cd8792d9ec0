/* dead_code: what no output reads goes, and nothing else. */
#include <criterion/criterion.h>

#include "net_builder.h"

Test(pass_dead_code, auxiliary_head)
{
    NetBuilder nb = nb_create();
    Node *unread = nb_input(&nb, 2, 2, 2);
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    Node *head = nb_conv(&nb, OP_CONV, "aux", (ConvAttr){.channels = 5, .kernel = {4, 4}, .bias = true}, x);
    nb_plain(&nb, OP_SOFTMAX, head);
    nb_output(&nb, "y", x);
    uint32_t before = nb.graph->n_nodes;
    nb_check_pass(&nb, dead_code, true);
    cr_assert_eq(nb.graph->n_nodes, before - 4); /* conv, its weight and bias, softmax */
    cr_assert_eq(nb.graph->nodes[unread->id], unread, "an input port stays, read or not");
    nb_destroy(&nb);
}

Test(pass_dead_code, nothing_to_do)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4)));
    nb_check_pass(&nb, dead_code, false);
    nb_destroy(&nb);
}
