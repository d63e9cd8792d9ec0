/* drop_dropout: every dropout goes, whoever reads it. */
#include <criterion/criterion.h>

#include "net_builder.h"

static Node *dropout(NetBuilder *nb, Node *x)
{
    return nb_op(nb, OP_DROPOUT, NULL, (Attr){.misc = {.p = 0.5}}, x, NULL);
}

Test(pass_drop_dropout, several_in_a_row)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 6, 0, 0);
    x = nb_dense(&nb, "f1", 4, true, dropout(&nb, dropout(&nb, x)));
    nb_output(&nb, "y", nb_dense(&nb, "f2", 3, true, dropout(&nb, nb_plain(&nb, OP_RELU, x))));
    nb_check_pass(&nb, drop_dropout, true);
    cr_assert_eq(nb_count(&nb, OP_DROPOUT), 0);
    nb_destroy(&nb);
}

Test(pass_drop_dropout, tapped_by_outputs_and_read_twice)
{
    NetBuilder nb = nb_create();
    Node *x = nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4));
    Node *d = dropout(&nb, x);
    nb_output(&nb, "dropped", d);
    nb_output(&nb, "kept", x);
    nb_output(&nb, "sum", nb_op(&nb, OP_ADD, NULL, (Attr){.misc = {.p = 0}}, d, d));
    nb_check_pass(&nb, drop_dropout, true);
    cr_assert_eq(nb.graph->outputs[0].node, nb.graph->outputs[1].node);
    nb_destroy(&nb);
}

Test(pass_drop_dropout, dropout_of_the_input_as_output)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", dropout(&nb, nb_input(&nb, 3, 4, 4)));
    nb_check_pass(&nb, drop_dropout, true);
    cr_assert_eq(nb.graph->outputs[0].node->op, OP_INPUT);
    nb_destroy(&nb);
}

Test(pass_drop_dropout, very_many)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 3, 4, 4), *fan = x;
    for (int i = 0; i < 20000; ++i) {
        x = dropout(&nb, x);
        dropout(&nb, fan);
    }
    nb_output(&nb, "y", x);
    PassContext context = {arena_create(), nb.diag};
    cr_assert(drop_dropout(&context, nb.graph));
    cr_assert_eq(nb.graph->n_nodes, 1);
    arena_destroy(context.scratch);
    nb_destroy(&nb);
}

Test(pass_drop_dropout, nothing_to_do)
{
    NetBuilder nb = nb_create();
    nb_output(&nb, "y", nb_plain(&nb, OP_RELU, nb_input(&nb, 3, 4, 4)));
    nb_check_pass(&nb, drop_dropout, false);
    nb_destroy(&nb);
}
