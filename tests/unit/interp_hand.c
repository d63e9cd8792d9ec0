/* The reference interpreter against values worked out by hand: small integers, so that every result is exact. Weights
 * are literals put in the place of trained ones. */
#include <criterion/criterion.h>
#include <math.h>

#include "net_builder.h"

/* The net's only input is 1, 2, 3, ... */
static void check(NetBuilder *nb, int64_t count, const double *expected)
{
    int64_t inputs = type_elements(nb->graph->inputs[0].node->type);
    double *x = ARENA_ARRAY(nb->arena, double, inputs);
    for (int64_t i = 0; i < inputs; ++i) {
        x[i] = (double)(i + 1);
    }
    const Node *output = nb->graph->outputs[0].node;
    cr_assert_eq(type_elements(output->type), count);
    InterpResult result = interp_run(nb->graph, nb->weights, (const double *const[]){x}, false, nb->arena);
    for (int64_t i = 0; i < count; ++i) {
        cr_assert_eq(result.values[output->id][i], expected[i], "element %d is %.17g, not %g", (int)i,
                     result.values[output->id][i], expected[i]);
    }
    nb_destroy(nb);
}

#define CHECK(nb, ...) check(nb, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

/* Gives a weight literal values in the place of the formula's. */
static void set_weight(NetBuilder *nb, Node *node, WeightRole role, const double *values)
{
    Node *literal = graph_add_values(nb->graph, shape_of_weight(node, role), values, (NodeSource){.path = STR("")});
    literal->attr.constant.role = role;
    graph_set_weight(nb->graph, node, role, literal);
}

Test(interp_hand, conv)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 2, .kernel = {2, 2}, .bias = true};
    Node *conv = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 1, 2, 3)); /* 1 2 3 / 4 5 6 */
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){1, 2, 3, 4, 0, 0, -1, 1});
    set_weight(&nb, conv, ROLE_BIAS, (double[]){10, 20});
    nb_output(&nb, "y", conv);
    /* 1*1 + 2*2 + 3*4 + 4*5 = 37, and one to the right 2 + 6 + 15 + 24 = 47: no flipping of the kernel */
    graph_compact(nb.graph);
    CHECK(&nb, 47, 57, 21, 21);
}

Test(interp_hand, conv_same_pads_bottom_and_right)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 1, .kernel = {2, 2}, .pad = {.same = true}};
    Node *conv = nb_conv(&nb, OP_CONV, "c", attr, nb_input(&nb, 1, 2, 2)); /* 1 2 / 3 4 */
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){1, 10, 100, 1000});
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    CHECK(&nb, 4321, 402, 43, 4);
}

Test(interp_hand, depthwise_channels_are_major)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_DEPTHWISE_CONV, "c", (ConvAttr){.multiplier = 2}, nb_input(&nb, 2, 1, 1));
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){1, 10, 100, 1000});
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    CHECK(&nb, 1, 10, 200, 2000);
}

Test(interp_hand, grouped_conv)
{
    NetBuilder nb = nb_create();
    Node *conv = nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 2, .groups = 2}, nb_input(&nb, 4, 1, 1));
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){1, 10, 100, 1000});
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    CHECK(&nb, 21, 4300);
}

Test(interp_hand, conv_transpose_scatters)
{
    NetBuilder nb = nb_create();
    ConvAttr attr = {.channels = 1, .kernel = {1, 3}, .stride = {1, 2}, .pad = {.edge = {0, 1, 0, 0}}};
    Node *conv = nb_conv(&nb, OP_CONV_TRANSPOSE, "c", attr, nb_input(&nb, 1, 1, 2)); /* 1 2 */
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){1, 10, 100});
    nb_output(&nb, "y", conv);
    /* 1 10 100 at column 0, 2 20 200 at column 2: 1 10 102 20 200, and the first column is cut off */
    graph_compact(nb.graph);
    CHECK(&nb, 10, 102, 20, 200);
}

Test(interp_hand, dense_and_rbf)
{
    NetBuilder nb = nb_create();
    Node *dense = nb_dense(&nb, "f", 2, true, nb_input(&nb, 3, 0, 0));
    set_weight(&nb, dense, ROLE_WEIGHT, (double[]){1, 10, 100, -1, 0, 1});
    set_weight(&nb, dense, ROLE_BIAS, (double[]){1000, 0.5});
    Node *rbf = nb_op(&nb, OP_RBF, "r", (Attr){.dense = {.units = 1}}, dense, NULL);
    set_weight(&nb, rbf, ROLE_WEIGHT, (double[]){1320, 0.5});
    nb_output(&nb, "y", rbf);
    graph_compact(nb.graph);
    CHECK(&nb, 5); /* dense gives 1321 and 2.5 */
}

Test(interp_hand, lrn_window_and_clipping)
{
    NetBuilder nb = nb_create();
    LrnAttr attr = {.size = 3, .alpha = 3, .beta = 1, .k = 1, .alpha_div_n = true};
    nb_output(&nb, "y", nb_op(&nb, OP_LRN, NULL, (Attr){.lrn = attr}, nb_input(&nb, 3, 1, 1), NULL)); /* 1 2 3 */
    CHECK(&nb, 1.0 / 6, 2.0 / 15, 3.0 / 14);
}

/* Even windows reach one further down than up. */
Test(interp_hand, lrn_even_window)
{
    NetBuilder nb = nb_create();
    LrnAttr attr = {.size = 2, .alpha = 1, .beta = 1, .k = 0, .alpha_div_n = false};
    nb_output(&nb, "y", nb_op(&nb, OP_LRN, NULL, (Attr){.lrn = attr}, nb_input(&nb, 3, 1, 1), NULL));
    CHECK(&nb, 1.0 / 1, 2.0 / 5, 3.0 / 13);
}

/* 14 -> 4 gives the windows [0,4) [3,7) [7,11) [10,14): columns 1 to 14 average to these. */
Test(interp_hand, adaptive_windows_overlap)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 1, 1, 14);
    nb_output(&nb, "y", nb_op(&nb, OP_ADAPTIVE_AVG_POOL, NULL, (Attr){.pool = {.size = {1, 4}}}, x, NULL));
    CHECK(&nb, 2.5, 5.5, 9.5, 12.5);
}

/* Window 2, stride 2, one column of padding on each side, ceil: the last window hangs over the padding, and what hangs
 * over never counts. */
Test(interp_hand, average_divisors)
{
    for (int count_pad = 0; count_pad < 2; ++count_pad) {
        NetBuilder nb = nb_create();
        PoolAttr attr = {.kernel = {1, 3},
                         .stride = {1, 3},
                         .pad = {.edge = {0, 1, 0, 1}},
                         .ceil = true,
                         .count_pad = count_pad == 1};
        Node *x = nb_input(&nb, 1, 1, 6); /* 1 .. 6: windows (pad,1,2) (3,4,5) (6,pad,out) */
        nb_output(&nb, "y", nb_op(&nb, OP_AVG_POOL, NULL, (Attr){.pool = attr}, x, NULL));
        if (count_pad) {
            CHECK(&nb, 1, 4, 3);
        } else {
            CHECK(&nb, 1.5, 4, 6);
        }
    }
}

Test(interp_hand, epilogue_adds_then_activates)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 2, 1, 1);
    Node *conv = nb_conv(&nb, OP_CONV, "c", (ConvAttr){.channels = 2}, x);
    set_weight(&nb, conv, ROLE_WEIGHT, (double[]){-3, 0, 1, 1});
    Node *data[] = {x, x};
    graph_set_data(nb.graph, conv, data, 2);
    conv->adds_residual = true;
    conv->act = (Activation){OP_LEAKY_RELU, {.a = 0.5}};
    nb_output(&nb, "y", conv);
    graph_compact(nb.graph);
    CHECK(&nb, -1, 5); /* -3 + 1 halved; 3 + 2 */
}

/* --- constants */

static Node *recipe(NetBuilder *nb, ConstAttr attr, Node *a, Node *b, TensorType type)
{
    return graph_add_recipe(nb->graph, attr, a, b, type);
}

static Node *literal(NetBuilder *nb, TensorType type, const double *values)
{
    return graph_add_values(nb->graph, type, values, (NodeSource){.path = STR("")});
}

static TensorType matrix(int32_t rows, int32_t columns)
{
    TensorType type = {.dtype = DT_F32, .rank = 2};
    type.dim[0] = rows;
    type.dim[1] = columns;
    return type;
}

static void check_constant(NetBuilder *nb, const Node *constant, int64_t count, const double *expected)
{
    cr_assert_eq(type_elements(constant->type), count);
    double *values = interp_constant_values(constant, nb->weights, nb->arena);
    for (int64_t i = 0; i < count; ++i) {
        cr_assert_eq(values[i], expected[i], "element %d is %.17g, not %g", (int)i, values[i], expected[i]);
    }
}

#define CHECK_CONSTANT(nb, constant, ...)                                                                              \
    check_constant(nb, constant, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

Test(interp_hand, recipes)
{
    NetBuilder nb = nb_create();
    TensorType two_by_three = matrix(2, 3);
    Node *a = literal(&nb, two_by_three, (double[]){1, 2, 3, 4, 5, 6});
    Node *pair = literal(&nb, type_f32_1(2), (double[]){10, 100}),
         *triple = literal(&nb, type_f32_1(3), (double[]){2, 4, 8});
    Node *one = literal(&nb, type_f32_1(1), (double[]){7});
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_MUL, .axis = 0}, a, pair, two_by_three), 10, 20, 30, 400,
                   500, 600);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_MUL, .axis = 1}, a, triple, two_by_three), 2, 8, 24, 8,
                   20, 48);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_ADD}, a, one, two_by_three), 8, 9, 10, 11, 12, 13);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_SUB, .axis = 1}, a, triple, two_by_three), -1, -2, -5, 2,
                   1, -2);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_DIV}, a, a, two_by_three), 1, 1, 1, 1, 1, 1);
    CHECK_CONSTANT(&nb,
                   recipe(&nb, (ConstAttr){.expr = CONST_RSQRT, .eps = 0.25},
                          literal(&nb, type_f32_1(2), (double[]){0, 3.75}), NULL, type_f32_1(2)),
                   2, 0.5);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_DOT}, a, triple, type_f32_1(2)), 34, 76);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_RESHAPE}, a, NULL, matrix(3, 2)), 1, 2, 3, 4, 5, 6);
    Node *column = literal(&nb, matrix(2, 1), (double[]){-1, -2});
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_CONCAT, .axis = 1}, a, column, matrix(2, 4)), 1, 2, 3, -1,
                   4, 5, 6, -2);
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_CONCAT, .axis = 0}, pair, triple, type_f32_1(5)), 10, 100,
                   2, 4, 8);
    /* Rows of pixels (1,2)(3,4)(5,6)(7,8) become channels 1 3 5 7 and 2 4 6 8. */
    Node *rows = literal(&nb, matrix(1, 8), (double[]){1, 2, 3, 4, 5, 6, 7, 8});
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_HWC_TO_CHW, .hwc = {2, 2, 2}}, rows, NULL, matrix(1, 8)),
                   1, 3, 5, 7, 2, 4, 6, 8);
    nb_destroy(&nb);
}

/* A kernel of four dims: every tap of input channel i counts. */
Test(interp_hand, dot_over_taps)
{
    NetBuilder nb = nb_create();
    TensorType type = {.dtype = DT_F32, .rank = 4, .dim = {1, 2, 1, 2}};
    Node *a = literal(&nb, type, (double[]){1, 2, 3, 4}), *b = literal(&nb, type_f32_1(2), (double[]){10, 100});
    CHECK_CONSTANT(&nb, recipe(&nb, (ConstAttr){.expr = CONST_DOT}, a, b, type_f32_1(1)), 730);
    nb_destroy(&nb);
}

/* --- inputs, and what is kept */

Test(interp_hand, formula_inputs)
{
    NetBuilder nb = nb_create();
    TensorType bytes = type_f32_3(3, 5, 5);
    bytes.dtype = DT_U8;
    graph_add_input(nb.graph, STR("photo"), bytes, true, (Span){0, 0});
    double *one = interp_formula_inputs(nb.graph, nb.arena)[0];
    float expected[75];
    formula_fill_input(STR("input"), 75, expected);
    for (int i = 0; i < 75; ++i) {
        cr_assert_eq(one[i], floor(128.0 * (expected[i] + 1.0)), "none of these 75 is near a border of two bytes");
    }
    graph_add_input(nb.graph, STR("mask"), type_f32_1(4), false, (Span){0, 0});
    double **two = interp_formula_inputs(nb.graph, nb.arena);
    formula_fill_input(STR("mask"), 4, expected);
    for (int i = 0; i < 4; ++i) {
        cr_assert_eq(two[1][i], expected[i]);
    }
    nb_destroy(&nb);
}

Test(interp_hand, keeps_outputs_or_everything)
{
    NetBuilder nb = nb_create();
    Node *x = nb_input(&nb, 2, 3, 3), *a = nb_plain(&nb, OP_RELU, x), *b = nb_plain(&nb, OP_TANH, a),
         *c = nb_plain(&nb, OP_SIGMOID, b);
    nb_plain(&nb, OP_RELU, c); /* read by nobody */
    nb_output(&nb, "middle", b);
    nb_output(&nb, "end", c);
    double **inputs = interp_formula_inputs(nb.graph, nb.arena);
    InterpResult few = interp_run(nb.graph, nb.weights, (const double *const *)inputs, false, nb.arena);
    InterpResult all = interp_run(nb.graph, nb.weights, (const double *const *)inputs, true, nb.arena);
    for (uint32_t i = 0; i < nb.graph->n_nodes; ++i) {
        bool is_output = i == b->id || i == c->id;
        cr_assert_eq(few.values[i] != NULL, is_output);
        cr_assert_not_null(all.values[i]);
        cr_assert(!is_output || memcmp(few.values[i], all.values[i], 18 * sizeof(double)) == 0);
    }
    nb_destroy(&nb);
}
