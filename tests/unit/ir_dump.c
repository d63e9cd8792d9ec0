/* The textual dump and the drawing: full texts, so that a change of form is seen. */
#include <criterion/criterion.h>

#include "ir_build.h"

static const char net_text[] = "net small {\n"
                               "    input image: f32[3, 8, 8]\n"
                               "    x = conv(image, 4, kernel=3)\n"
                               "}\n";

static Span span_of_line(const SourceFile *file, int line)
{
    uint32_t at = 0;
    for (; line > 1; ++at) {
        line -= file->text.ptr[at] == '\n';
    }
    return (Span){file->base + at, file->base + at + 1};
}

/* Everything that the dump shows: parameters, recipes, residual, activation, literals, hwc, unnamed nodes, two outputs.
 */
static IrBuild small_graph(void)
{
    IrBuild build = {.arena = arena_create()};
    Sources *sources = sources_create(build.arena);
    const SourceFile *file = sources_add(sources, STR("/some/where/small.net"), STR("small.net"), str_from(net_text));
    build.diag = diag_create(build.arena, sources);
    build.graph = graph_create(build.arena, STR("small"), sources);
    Graph *graph = build.graph;
    Node *image = graph_add_input(graph, STR("image"), type_f32_3(3, 8, 8), false, span_of_line(file, 2));
    Node *camera = graph_add_input(graph, STR("camera"), irbuild_type("u8[3,8,8]"), true, (Span){0, 0});
    Node *conv = irbuild_add1(&build, "block.conv", "conv channels=4 kernel=3 pad=same stride=2,1", image);
    conv->span = span_of_line(file, 3);
    Node *bn = irbuild_add1(&build, "bn", "batch_norm eps=0.001", conv);
    Node *scale = graph_add_recipe(graph, (ConstAttr){.expr = CONST_RSQRT, .eps = 1e-3},
                                   node_weight(bn, ROLE_RUNNING_VAR), NULL, bn->type);
    scale = graph_add_recipe(graph, (ConstAttr){.expr = CONST_MUL}, node_weight(bn, ROLE_WEIGHT), scale, bn->type);
    Node *weight = graph_add_recipe(graph, (ConstAttr){.expr = CONST_MUL, .role = ROLE_WEIGHT},
                                    node_weight(conv, ROLE_WEIGHT), scale, bn->type);
    graph_set_weight(graph, conv, ROLE_WEIGHT, weight);
    conv->act.op = OP_LEAKY_RELU;
    conv->act.attr.a = 0.1;
    Node *second = irbuild_add1(&build, "second", "conv channels=4 kernel=1 bias=false", conv);
    graph_set_data(graph, second, (Node *[]){conv, conv}, 2);
    second->adds_residual = true;
    second->act.op = OP_RELU;
    double half = 0.5;
    Node *literal = graph_add_values(graph, type_f32_1(1), &half, (NodeSource){.path = STR("")});
    Node *scaled = irbuild_add2(&build, "", "mul", second, literal);
    scaled->span = span_of_line(file, 3);
    Node *pixels = irbuild_add1(&build, "normalize1", "normalize mean=0.5,0.25,0.125 std=2 scale=0.1", camera);
    graph_add_output(graph, STR("y"), scaled, (Span){0, 0});
    graph_add_output(graph, STR("pixels"), pixels, (Span){0, 0});
    graph_compact(graph);
    return build;
}

static void expect_text(const StrBuf *text, const char *expected)
{
    size_t line = 1;
    for (size_t i = 0; i <= strlen(expected); ++i) {
        cr_assert(i < text->len || expected[i] == '\0', "the text ends at line %zu:\n%s", line, text->ptr);
        cr_assert(text->ptr[i] == expected[i], "the text differs at line %zu:\n%s", line, text->ptr);
        line += expected[i] == '\n';
    }
}

Test(ir_dump, graph)
{
    IrBuild build = small_graph();
    StrBuf text = {0};
    graph_dump(build.graph, &text);
    expect_text(&text,
                "net small\n"
                "%0 = input image : f32[3,8,8]  ; image  small.net:2\n"
                "%1 = input camera hwc : u8[3,8,8]  ; camera\n"
                "%2 = conv %0 {channels=4, kernel=[3, 3], stride=[2, 1], pad=[0, 1, 1, 1]}"
                " weight=(@block.conv.weight * (@bn.weight * rsqrt(@bn.running_var + 0.001))) bias=@block.conv.bias"
                " | leaky_relu {slope=0.1} : f32[4,4,8]  ; block.conv  small.net:3\n"
                "%3 = conv %2 {channels=4, kernel=[1, 1], bias=false} weight=@second.weight + %2 | relu : f32[4,4,8]  "
                "; second\n"
                "%4 = mul %3, 0.5 : f32[4,4,8]  ; small.net:3\n"
                "%5 = normalize %1 {mean=[0.5, 0.25, 0.125], std=[2.0], scale=0.1} : f32[3,8,8]  ; normalize1\n"
                "output y = %4\n"
                "output pixels = %5\n");
    strbuf_free(&text);
    irbuild_end(&build);
}

/* A constant more in one place renumbers nothing elsewhere. */
Test(ir_dump, constants_take_no_numbers)
{
    IrBuild build = small_graph();
    StrBuf before = {0}, after = {0};
    graph_dump(build.graph, &before);
    Node *conv = build.graph->outputs[0].node->inputs[0]->inputs[0];
    Node *bias = graph_add_recipe(build.graph, (ConstAttr){.expr = CONST_ADD, .role = ROLE_BIAS},
                                  node_weight(conv, ROLE_BIAS), node_weight(conv, ROLE_BIAS), conv->type);
    graph_set_weight(build.graph, conv, ROLE_BIAS, bias);
    graph_compact(build.graph);
    graph_dump(build.graph, &after);
    const char *more = strstr(after.ptr, "bias=(@block.conv.bias + @block.conv.bias)");
    cr_assert(more != NULL, "%s", after.ptr);
    const char *rest_before = strstr(before.ptr, " | leaky"), *rest_after = strstr(after.ptr, " | leaky");
    cr_expect(strcmp(rest_before, rest_after) == 0);
    strbuf_free(&before);
    strbuf_free(&after);
    irbuild_end(&build);
}

static void expect_constant(const Node *constant, const char *expected)
{
    StrBuf text = {0};
    graph_format_constant(constant, &text);
    cr_expect(strcmp(text.ptr, expected) == 0, "%s, not %s", text.ptr, expected);
    strbuf_free(&text);
}

static Node *binary(IrBuild *build, ConstExpr expr, Node *a, Node *b)
{
    return graph_add_recipe(build->graph, (ConstAttr){.expr = expr}, a, b, a->type);
}

Test(ir_dump, constants_and_their_parentheses)
{
    IrBuild build = irbuild_start();
    NodeSource source = {.path = STR("x")};
    Node *a = graph_add_weight(build.graph, STR("a"), irbuild_type("f32[4,4,1,1]"), ROLE_WEIGHT, source);
    Node *b = graph_add_weight(build.graph, STR("b"), type_f32_1(4), ROLE_BIAS, source);
    double values[] = {1, -0.5, 1e-5, 0};
    Node *v = graph_add_values(build.graph, type_f32_1(4), values, source);
    expect_constant(a, "@a");
    expect_constant(v, "[1.0, -0.5, 1e-05, 0.0]");
    expect_constant(binary(&build, CONST_SUB, b, binary(&build, CONST_SUB, b, v)),
                    "@b - (@b - [1.0, -0.5, 1e-05, 0.0])");
    expect_constant(binary(&build, CONST_SUB, binary(&build, CONST_SUB, b, b), b), "@b - @b - @b");
    expect_constant(binary(&build, CONST_MUL, binary(&build, CONST_ADD, b, b), b), "(@b + @b) * @b");
    expect_constant(binary(&build, CONST_ADD, binary(&build, CONST_MUL, b, b), b), "@b * @b + @b");
    expect_constant(binary(&build, CONST_ADD, b, binary(&build, CONST_DIV, b, b)), "@b + @b / @b");
    expect_constant(binary(&build, CONST_DIV, b, binary(&build, CONST_MUL, b, b)), "@b / (@b * @b)");
    ConstAttr along = {.expr = CONST_MUL, .axis = 1};
    expect_constant(graph_add_recipe(build.graph, along, a, b, a->type), "@a *{axis=1} @b");
    ConstAttr dot = {.expr = CONST_DOT}, reshape = {.expr = CONST_RESHAPE};
    ConstAttr hwc = {.expr = CONST_HWC_TO_CHW, .hwc = {1, 2, 3}}, rsqrt = {.expr = CONST_RSQRT, .eps = 1e-5};
    expect_constant(graph_add_recipe(build.graph, dot, a, binary(&build, CONST_ADD, b, b), b->type),
                    "dot(@a, @b + @b)");
    expect_constant(graph_add_recipe(build.graph, reshape, a, NULL, type_f32_1(16)), "reshape(@a, f32[16])");
    expect_constant(graph_add_recipe(build.graph, hwc, a, NULL, a->type), "hwc_to_chw(@a, 1, 2, 3)");
    ConstAttr concat = {.expr = CONST_CONCAT, .axis = 1};
    expect_constant(graph_add_recipe(build.graph, concat, a, binary(&build, CONST_MUL, a, b), a->type),
                    "concat(@a, @a * @b, axis 1)");
    expect_constant(graph_add_recipe(build.graph, rsqrt, b, NULL, b->type), "rsqrt(@b + 1e-05)");
    irbuild_end(&build);
}

/* Quoted parts of paths may hold anything; a node stays one line. */
Test(ir_dump, odd_names_stay_on_their_line)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[2]");
    Node *y = irbuild_add1(&build, "a\nb\"c\\", "relu", x);
    graph_add_output(build.graph, STR("y"), y, (Span){0, 0});
    StrBuf text = {0};
    graph_dump(build.graph, &text);
    expect_text(&text,
                "net test\n%0 = input in0 : f32[2]  ; in0\n%1 = relu %0 : f32[2]  ; a\\x0ab\"c\\\noutput y = %1\n");
    strbuf_clear(&text);
    graph_dot(build.graph, &text);
    cr_expect(strstr(text.ptr, "a b\\\"c\\\\") != NULL, "%s", text.ptr);
    strbuf_free(&text);
    irbuild_end(&build);
}

Test(ir_dump, dot)
{
    IrBuild build = small_graph();
    StrBuf text = {0};
    graph_dot(build.graph, &text);
    expect_text(&text, "digraph \"small\" {\n"
                       "    node [shape=box, fontname=\"Helvetica\", fontsize=10];\n"
                       "    n0 [label=\"input\\nimage\\nf32[3,8,8]\", shape=ellipse];\n"
                       "    n1 [label=\"input\\ncamera\\nu8[3,8,8]\", shape=ellipse];\n"
                       "    n2 [label=\"conv 3x3 /2x1 | leaky_relu\\nblock.conv\\nf32[4,4,8]\"];\n"
                       "    n0 -> n2;\n"
                       "    n3 [label=\"conv 1x1 + residual | relu\\nsecond\\nf32[4,4,8]\"];\n"
                       "    n2 -> n3;\n"
                       "    n2 -> n3 [style=dashed];\n"
                       "    n4 [label=\"mul\\nf32[4,4,8]\"];\n"
                       "    n3 -> n4;\n"
                       "    n5 [label=\"normalize\\nnormalize1\\nf32[3,8,8]\"];\n"
                       "    n1 -> n5;\n"
                       "    out0 [shape=ellipse, label=\"y\"];\n"
                       "    n4 -> out0;\n"
                       "    out1 [shape=ellipse, label=\"pixels\"];\n"
                       "    n5 -> out1;\n"
                       "}\n");
    strbuf_free(&text);
    irbuild_end(&build);
}
