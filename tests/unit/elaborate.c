/* The elaborator on good nets: what expressions are worth, which names weights get, what graph comes out. Faulty nets
 * are in golden/error/. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "frontend/frontend.h"

typedef struct Run {
    Arena *arena;
    Diag *diag;
    Graph *graph; /* NULL after an error */
} Run;

static Run run_with(const char *text, const FrontendOptions *options)
{
    Run run = {.arena = arena_create()};
    Sources *sources = sources_create(run.arena);
    run.diag = diag_create(run.arena, sources);
    AstFile *file = frontend_parse_text(run.arena, sources, run.diag, STR("test.net"), str_from(text), options);
    run.graph = frontend_elaborate(run.arena, sources, run.diag, file, options);
    Str message = STR("");
    cr_assert(run.graph == NULL || graph_verify(run.graph, run.arena, &message), STR_FMT "\n%s", STR_ARG(message),
              text);
    return run;
}

static Run run_good_with(const char *text, const FrontendOptions *options)
{
    Run run = run_with(text, options);
    cr_assert(run.graph != NULL, "%s\n" STR_FMT, text, STR_ARG(diag_text(run.diag)));
    return run;
}

static Run run_good(const char *text)
{
    FrontendOptions options = {.net = {"", 0}};
    return run_good_with(text, &options);
}

static void end_run(Run *run)
{
    diag_destroy(run->diag);
    arena_destroy(run->arena);
}

/* --- what an expression is worth: an int shows as the size of an input, a string as the name of a weight */

static void expect_int(const char *expr, int32_t expected)
{
    char text[2000];
    snprintf(text, sizeof text,
             "block two(x) { return x, x }\nnet n {\n    input v: f32[%s]\n    output y = relu(v)\n}\n", expr);
    Run run = run_good(text);
    cr_assert_eq(run.graph->inputs[0].node->type.dim[0], expected, "%s is %d, not %d", expr,
                 (int)run.graph->inputs[0].node->type.dim[0], (int)expected);
    end_run(&run);
}

static void expect_text(const char *expr, const char *expected)
{
    char text[2000];
    snprintf(text, sizeof text, "net n {\n    input v: f32[3]\n    output y = dense(v, 1, bias=false) as [%s]\n}\n",
             expr);
    Run run = run_good(text);
    Str path = run.graph->outputs[0].node->path;
    cr_assert(str_equal(path, str_from(expected)), "%s is " STR_FMT ", not %s", expr, STR_ARG(path), expected);
    end_run(&run);
}

static void expect_true(const char *expr)
{
    char text[1000];
    snprintf(text, sizeof text, "(%s) ? 1 : 2", expr);
    expect_int(text, 1);
    snprintf(text, sizeof text, "not (%s) ? 1 : 2", expr);
    expect_int(text, 2);
}

Test(elaborate, int_arithmetic)
{
    expect_int("2 + 3 * 4", 14);
    expect_int("(2 + 3) * 4", 20);
    expect_int("10 - 2 - 3", 5);
    expect_int("64 * 3 / 64", 3);
    expect_int("7 // 2", 3);
    expect_int("-7 // 2 + 10", 6);
    expect_int("7 // -2 + 10", 6);
    expect_int("-7 // -2", 3);
    expect_int("7 % 3", 1);
    expect_int("-7 % 3", 2);
    expect_int("7 % -3 + 10", 8);
    expect_int("-(-5)", 5);
    expect_int("- 2 * -3", 6);
    expect_int("-6 / -3", 2);
    expect_int("(-9223372036854775807 - 1) % -1 + 1", 1);
}

Test(elaborate, integer_identity_holds)
{
    for (int a = -7; a <= 7; ++a) {
        for (int b = -3; b <= 3; ++b) {
            if (b != 0) {
                char text[200];
                snprintf(text, sizeof text, "(%d // %d) * %d + %d %% %d == %d and abs(%d %% %d) < abs(%d)", a, b, b, a,
                         b, a, a, b, b);
                expect_true(text);
            }
        }
    }
}

Test(elaborate, float_arithmetic)
{
    expect_text("str(1 / 4.0)", "0.25");
    expect_text("str(2 * 0.75)", "1.5");
    expect_text("str(7.5 // 2)", "3.0");
    expect_text("str(0.0 - 7.5 // 2)", "-3.0");
    expect_text("str(7.5 % 2)", "1.5");
    expect_text("str(-7.5 % 2)", "0.5");
    expect_text("str(0.1 + 0.2)", "0.30000000000000004");
    expect_text("str(1e-5)", "1e-05");
    expect_text("str(-0.75)", "-0.75");
    expect_int("int(32 * 0.75)", 24);
}

Test(elaborate, comparison)
{
    const char *const truths[] = {"1 < 2",
                                  "2 <= 2",
                                  "3 > 2",
                                  "3 >= 3",
                                  "1 == 1.0",
                                  "1.5 != 1",
                                  "\"M\" == \"M\"",
                                  "\"M\" != 64",
                                  "64 != \"M\"",
                                  "not (1 == true)",
                                  "[1, 2] == [1, 2.0]",
                                  "[1] != [1, 2]",
                                  "[[1], \"a\"] == [[1], \"a\"]",
                                  "\"a\" < \"b\"",
                                  "\"a\" < \"ab\"",
                                  "\"b\" > \"ab\"",
                                  "0..3 == range(3)",
                                  "0..0 == 5..2",
                                  "0..3 != 0..4",
                                  "relu == relu",
                                  "relu != tanh",
                                  "two == two",
                                  "two != relu",
                                  "true == true",
                                  "true != false",
                                  "9223372036854775807 > 9223372036854775806"};
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; ++i) {
        expect_true(truths[i]);
    }
}

Test(elaborate, logic_needs_no_more_than_it_must)
{
    expect_true("true or 1 / 0 == 1");
    expect_true("not (false and 1 / 0 == 1)");
    expect_true("true and true");
    expect_true("false or true");
    expect_int("true ? 5 : 1 / 0", 5);
    expect_int("false ? 1 / 0 : 6", 6);
    expect_int("false ? 1 : false ? 2 : 3", 3);
    expect_true("not false and true");
    expect_true("1 + 1 == 2 and 2 * 2 == 4");
}

Test(elaborate, strings)
{
    expect_text("\"a\" + \"b\"", "ab");
    expect_text("\"conv\" + str(3) + \"_\" + str(1)", "conv3_1");
    expect_text("true ? \"yes\" : \"no\"", "yes");
    expect_text("str(true) + str(7)", "true7");
    expect_int("len(\"conv\")", 4);
    expect_int("len(str([1, \"M\", 2.5]))", 13); /* [1, "M", 2.5] */
    expect_int("len(\"\" + \"\") + 1", 1);
}

Test(elaborate, lists_and_ranges)
{
    expect_int("[4, 5, 6][1]", 5);
    expect_int("len([1, 2] + [3])", 3);
    expect_int("([1, 2] + [3])[2]", 3);
    expect_int("[[1, 2], [3, 4]][1][0]", 3);
    expect_int("len([]) + 1", 1);
    expect_int("[\"M\", 7][1]", 7);
    expect_int("len(2..7)", 5);
    expect_int("(2..7)[1]", 3);
    expect_int("len(range(7))", 7);
    expect_int("range(2, 9, 3)[2]", 8);
    expect_int("len(range(2, 9, 3))", 3);
    expect_int("len(range(9, 0, -2))", 5);
    expect_int("range(9, 0, -2)[4]", 1);
    expect_int("len(7..2) + 1", 1);
    expect_int("1 + 1..2 + 4 == 2..6 ? 1 : 2", 1);
    expect_true("len(-9223372036854775807..9223372036854775807) == 9223372036854775807");
}

Test(elaborate, functions)
{
    expect_int("min(3, 2, 4)", 2);
    expect_int("max([3, 2, 4])", 4);
    expect_text("str(max(1, 2.5))", "2.5");
    expect_text("str(min(1, 2.5))", "1");
    expect_int("abs(-3)", 3);
    expect_text("str(abs(-3.5))", "3.5");
    expect_int("floor(3.7)", 3);
    expect_int("floor(-3.2) + 10", 6);
    expect_int("ceil(3.2)", 4);
    expect_int("round(2.5)", 3);
    expect_int("round(-2.5) + 10", 7);
    expect_int("round(5)", 5);
    expect_int("int(3.9)", 3);
    expect_int("int(-3.9) + 10", 7);
    expect_int("int(\"42\")", 42);
    expect_int("int(true)", 1);
    expect_text("str(float(3))", "3.0");
    expect_text("str(float(\"2.5e-1\"))", "0.25");
    expect_text("str(sqrt(16))", "4.0");
    expect_text("str(log2(8))", "3.0");
}

/* Against the function of MobileNet v2's reference code: nearest multiple, not below 90 %. */
Test(elaborate, make_divisible)
{
    for (int v = 1; v < 200; ++v) {
        int d = 8, nearest = (int)((v + d / 2.0)) / d * d;
        nearest = nearest < d ? d : nearest;
        nearest += nearest < 0.9 * v ? d : 0;
        char text[60];
        snprintf(text, sizeof text, "make_divisible(%d, 8)", v);
        expect_int(text, nearest);
    }
    expect_int("make_divisible(32 * 1.4, 8)", 48);
}

/* --- variables and control */

Test(elaborate, assignment_changes_the_enclosing_variable)
{
    Run run = run_good("net n {\n"
                       "    size = 1\n"
                       "    for i in 0..3 {\n"
                       "        size = size * 2\n"
                       "        inner = i\n"
                       "        if inner == 2 { size = size + inner }\n"
                       "        i = 100\n" /* the loop's variable is new in each turn */
                       "    }\n"
                       "    i = 5\n"
                       "    for i in [7, 8] { size = size + i }\n"
                       "    size = size + i\n"
                       "    input v: f32[size]\n"
                       "    output y = relu(v)\n"
                       "}\n");
    cr_assert_eq(run.graph->inputs[0].node->type.dim[0], 8 + 2 + 15 + 5);
    end_run(&run);
}

Test(elaborate, a_block_changes_nothing_of_its_caller)
{
    Run run = run_good("block twice(x, n) {\n    n = n * 2\n    x = relu(x)\n    return n\n}\n"
                       "net n {\n    input a: f32[3]\n    n = 4\n    x = 1\n    m = twice(a, n)\n"
                       "    input v: f32[n * 100 + m + x]\n    output y = relu(v)\n    output z = relu(a)\n}\n");
    cr_assert_eq(run.graph->inputs[1].node->type.dim[0], 400 + 8 + 1);
    end_run(&run);
}

Test(elaborate, results_and_unpacking)
{
    Run run = run_good("block three(x) {\n    return relu(x), x.channels, \"name\"\n}\n"
                       "net n {\n    input a: f32[3, 8, 9]\n    r, c, s = three(a)\n    ch, h, w = r.shape\n"
                       "    three(a)\n" /* results may be dropped */
                       "    output y = conv(r, c + h * 10 + w * 100, kernel=1) as [s]\n}\n");
    cr_assert_eq(run.graph->outputs[0].node->attr.conv.channels, 3 + 80 + 900);
    cr_assert(str_equal(run.graph->outputs[0].node->path, STR("name")));
    end_run(&run);
}

Test(elaborate, return_in_the_branches_of_a_last_if)
{
    Run run = run_good("block choose(x, n) {\n    if n == 1 {\n        return relu(x)\n    } else if n == 2 {\n        "
                       "return tanh(x)\n"
                       "    } else {\n        y = silu(x)\n        return y\n    }\n}\n"
                       "net n {\n    input a: f32[3]\n    output x = choose(a, 1)\n    output y = choose(a, 2)\n    "
                       "output z = choose(a, 3)\n}\n");
    cr_assert_eq(run.graph->outputs[0].node->op, OP_RELU);
    cr_assert_eq(run.graph->outputs[1].node->op, OP_TANH);
    cr_assert_eq(run.graph->outputs[2].node->op, OP_SILU);
    end_run(&run);
}

Test(elaborate, blocks_and_ops_are_values)
{
    Run run = run_good("block unit(x, width) { return conv(x, width, kernel=1) as conv }\n"
                       "block repeat(x, f, act, widths) {\n"
                       "    for i in 0..len(widths) { x = x |> f(widths[i]) as [i] |> act }\n    return x\n}\n"
                       "net n(activation = relu6) {\n    input a: f32[3, 8, 8]\n    relu = tanh\n"
                       "    acts = [activation, relu]\n    act = acts[1]\n"
                       "    output y = a |> repeat(unit, activation, [4, 5]) as r |> act |> relu\n}\n");
    Node *node = run.graph->outputs[0].node;
    cr_assert_eq(node->op, OP_TANH); /* the variable, not the op of that name */
    cr_assert_eq(node->inputs[0]->op, OP_TANH);
    cr_assert_eq(node->inputs[0]->inputs[0]->op, OP_RELU6);
    cr_assert(str_equal(node->inputs[0]->inputs[0]->inputs[0]->path, STR("r.1.conv")));
    end_run(&run);
}

Test(elaborate, a_number_does_not_hide_the_op_of_its_name)
{
    Run run = run_good(
        "net n(scale = 2, pad = 1) {\n    input a: f32[3, 8, 8]\n    output y = a |> pad(pad) |> scale(scale)\n}\n");
    cr_assert_eq(run.graph->outputs[0].node->op, OP_SCALE);
    cr_assert_eq(run.graph->outputs[0].node->type.dim[1], 10);
    end_run(&run);
}

Test(elaborate, defaults_see_the_parameters_before_them)
{
    Run run =
        run_good("block unit(x, width, mid = width // 4, out = mid * 8) { return conv(x, out + mid, kernel=1) }\n"
                 "net n(size = 8, half = size // 2) {\n    input a: f32[3, size, half]\n    output y = unit(a, 16)\n"
                 "    output z = unit(a, 16, out=1)\n}\n");
    cr_assert_eq(run.graph->inputs[0].node->type.dim[2], 4);
    cr_assert_eq(run.graph->outputs[0].node->type.dim[0], 36);
    cr_assert_eq(run.graph->outputs[1].node->type.dim[0], 5);
    end_run(&run);
}

Test(elaborate, an_import_sees_its_own_imports)
{
    FrontendOptions options = {.net = {"", 0}};
    Run run = run_good_with("import \"dsl/blocks/residual.net\"\nblock mine(x) { return basic(x, 3) }\n"
                            "net n {\n    input a: f32[3, 8, 8]\n    output y = mine(a) as b\n}\n",
                            &options);
    cr_assert(str_equal(run.graph->outputs[0].node->path, STR("b.relu2")));
    end_run(&run);
}

/* --- names of weights */

/* The names of all weights in the order of the graph, one a line. */
static void expect_weights(const char *text, const char *expected)
{
    Run run = run_good(text);
    StrBuf found = {0};
    for (uint32_t i = 0; i < run.graph->n_nodes; ++i) {
        const Node *node = run.graph->nodes[i];
        if (node->op == OP_CONST && node->attr.constant.expr == CONST_WEIGHT) {
            strbuf_printf(&found, STR_FMT " %s\n", STR_ARG(node->attr.constant.name), type_text(node->type).text);
        }
    }
    cr_assert(str_equal(strbuf_view(&found), str_from(expected)), "--- expected\n%s--- found\n" STR_FMT, expected,
              STR_ARG(strbuf_view(&found)));
    strbuf_free(&found);
    end_run(&run);
}

Test(elaborate, weights_are_named_by_scope_path_and_role)
{
    expect_weights(
        "block unit(x) {\n    x = x |> conv(4, kernel=3) as conv1 |> batch_norm as bn1\n"
        "    return x |> conv(4, kernel=1, bias=false) as down[0]\n}\n"
        "net n {\n    input a: f32[3, 8, 8]\n    output y = unit(a) as layer[2].\"1x1\"\n}\n",
        "layer.2.1x1.conv1.weight f32[4,3,3,3]\nlayer.2.1x1.conv1.bias f32[4]\nlayer.2.1x1.bn1.weight f32[4]\n"
        "layer.2.1x1.bn1.bias f32[4]\nlayer.2.1x1.bn1.running_mean f32[4]\nlayer.2.1x1.bn1.running_var f32[4]\n"
        "layer.2.1x1.down.0.weight f32[4,4,1,1]\n");
}

Test(elaborate, path_parts_take_values)
{
    expect_weights("net n {\n    input a: f32[3, 8, 8]\n    prefix = \"inception_3a\"\n"
                   "    output y = conv(a, 1, kernel=1, bias=false) as [prefix + \"_1x1\"][3 - 2].x.\"y\"\n}\n",
                   "inception_3a_1x1.1.x.y.weight f32[1,3,1,1]\n");
}

Test(elaborate, calls_without_as_are_numbered_by_stem_and_scope)
{
    expect_weights(
        "block unit(x) { return x |> conv(3, kernel=1, bias=false) |> depthwise_conv(kernel=1, bias=false) }\n"
        "net n {\n    input a: f32[3, 8, 8]\n"
        "    x = conv(a, 3, kernel=1, bias=false)\n"      /* conv1 */
        "    x = conv(x, 3, kernel=1, bias=false) as c\n" /* does not count */
        "    x = unit(x)\n"                               /* opens no scope: conv2, conv3 */
        "    x = unit(x) as scope\n"                      /* scope.conv1, scope.conv2 */
        "    x = conv(x, 3, kernel=1, bias=false)\n"      /* conv4 */
        "    output y = dense(flatten(x), 2, bias=false)\n}\n",
        "conv1.weight f32[3,3,1,1]\nc.weight f32[3,3,1,1]\nconv2.weight f32[3,3,1,1]\nconv3.weight f32[3,1,1,1]\n"
        "scope.conv1.weight f32[3,3,1,1]\nscope.conv2.weight f32[3,1,1,1]\nconv4.weight f32[3,3,1,1]\nfc1.weight "
        "f32[2,192]\n");
}

Test(elaborate, shared_weights_are_one_constant)
{
    expect_weights(
        "block features(x) {\n    x = conv(x, 3, kernel=1)\n    return conv(x, 3, kernel=1) as last\n}\n"
        "net n {\n    input a: f32[3, 8, 8]\n    input b: f32[3, 8, 8]\n"
        "    output y = mse(features(a) as shared vgg, features(b) as shared vgg)\n"
        "    output z = conv(a, 3, kernel=1) as shared vgg.last\n}\n",
        "vgg.conv1.weight f32[3,3,1,1]\nvgg.conv1.bias f32[3]\nvgg.last.weight f32[3,3,1,1]\nvgg.last.bias f32[3]\n");
}

Test(elaborate, every_role_of_every_op_has_its_shape)
{
    expect_weights("net n {\n    input a: f32[6, 8, 8]\n    x = a |> subsample as s |> affine as a |> prelu as p\n"
                   "    x = x |> instance_norm(affine=true) as i |> conv_transpose(4, kernel=3, groups=2) as t\n"
                   "    x = x |> conv(2, kernel=3, table=[[0, 1], [1, 2, 3]]) as c3 |> batch_norm(scale=false) as b\n"
                   "    output y = x |> flatten |> rbf(5) as r\n}\n",
                   "s.weight f32[6]\ns.bias f32[6]\na.weight f32[6]\na.bias f32[6]\np.weight f32[6]\ni.weight "
                   "f32[6]\ni.bias f32[6]\n"
                   "t.weight f32[6,2,3,3]\nt.bias f32[4]\nc3.weight f32[5,3,3]\nc3.bias f32[2]\nb.bias "
                   "f32[2]\nb.running_mean f32[2]\n"
                   "b.running_var f32[2]\nr.weight f32[5,32]\n");
}

/* --- graphs */

static void expect_dump(const char *text, const char *expected)
{
    Run run = run_good(text);
    StrBuf found = {0};
    graph_dump(run.graph, &found);
    cr_assert(str_equal(strbuf_view(&found), str_from(expected)), "--- expected\n%s--- found\n" STR_FMT, expected,
              STR_ARG(strbuf_view(&found)));
    strbuf_free(&found);
    end_run(&run);
}

Test(elaborate, operators_on_tensors)
{
    expect_dump("net n {\n"
                "    input a: f32[3, 8, 8]\n"
                "    gate = global_avg_pool(a)\n"
                "    x = 2 * a - 1\n"
                "    y = 1 - x\n"
                "    z = a * gate + -y\n"
                "    output r = mul(0.5, z)\n"
                "    output same = a\n"
                "}\n",
                "net n\n"
                "%0 = input a : f32[3,8,8]  ; a  test.net:2\n"
                "%1 = global_avg_pool %0 : f32[3,1,1]  ; pool1  test.net:3\n"
                "%2 = mul %0, 2.0 : f32[3,8,8]  ; test.net:4\n"
                "%3 = sub %2, 1.0 : f32[3,8,8]  ; test.net:4\n"
                "%4 = sub 1.0, %3 : f32[3,8,8]  ; test.net:5\n"
                "%5 = mul %0, %1 : f32[3,8,8]  ; test.net:6\n"
                "%6 = mul %4, -1.0 : f32[3,8,8]  ; test.net:6\n"
                "%7 = add %5, %6 : f32[3,8,8]  ; test.net:6\n"
                "%8 = mul %7, 0.5 : f32[3,8,8]  ; mul1  test.net:7\n"
                "output r = %8\n"
                "output same = %0\n");
}

Test(elaborate, parameters_take_all_their_forms)
{
    expect_dump("net n {\n"
                "    input a: u8 hwc[20, 30, 3]\n"
                "    x = normalize(a, mean=[1, 2.5, 3], std=2)\n"
                "    a1 = conv(x, 4, 3, 2, 1)\n"
                "    a2 = conv(x, 4, kernel=[3, 5], stride=[2, 1], pad=[1, 2])\n"
                "    a3 = conv(x, 4, kernel=3, pad=[0, 1, 2, 3], bias=1 == 2)\n"
                "    a4 = conv(x, 4, kernel=3, stride=2, pad=\"same\")\n"
                "    a5 = max_pool(x, 3)\n"
                "    a6 = x |> pad([1, 2], mode=\"reflect\") |> upsample(2, mode=\"bilinear\")\n"
                "    a7 = x |> flatten(order=\"hwc\") |> reshape([6, 10, 30]) |> permute(order=[1, 2, 0])\n"
                "    a8 = concat([x, x], x)\n"
                "    output y = a8\n"
                "}\n",
                "net n\n"
                "%0 = input a hwc : u8[3,20,30]  ; a  test.net:2\n"
                "%1 = normalize %0 {mean=[1.0, 2.5, 3.0], std=[2.0]} : f32[3,20,30]  ; normalize1  test.net:3\n"
                "%2 = conv %1 {channels=4, kernel=[3, 3], stride=[2, 2], pad=1} weight=@conv1.weight bias=@conv1.bias "
                ": f32[4,10,15]  ; conv1  test.net:4\n"
                "%3 = conv %1 {channels=4, kernel=[3, 5], stride=[2, 1], pad=[1, 2]} weight=@conv2.weight "
                "bias=@conv2.bias : f32[4,10,30]  ; conv2  test.net:5\n"
                "%4 = conv %1 {channels=4, kernel=[3, 3], pad=[0, 1, 2, 3], bias=false} weight=@conv3.weight : "
                "f32[4,20,32]  ; conv3  test.net:6\n"
                "%5 = conv %1 {channels=4, kernel=[3, 3], stride=[2, 2], pad=[0, 0, 1, 1]} weight=@conv4.weight "
                "bias=@conv4.bias : f32[4,10,15]  ; conv4  test.net:7\n"
                "%6 = max_pool %1 {kernel=[3, 3]} : f32[3,6,10]  ; pool1  test.net:8\n"
                "%7 = pad %1 {pads=[1, 2], mode=\"reflect\"} : f32[3,22,34]  ; pad1  test.net:9\n"
                "%8 = upsample %7 {scale=[2, 2], mode=\"bilinear\"} : f32[3,44,68]  ; upsample1  test.net:9\n"
                "%9 = flatten %1 {order=\"hwc\"} : f32[1800]  ; flatten1  test.net:10\n"
                "%10 = reshape %9 {shape=[6, 10, 30]} : f32[6,10,30]  ; reshape1  test.net:10\n"
                "%11 = permute %10 {order=[1, 2, 0]} : f32[10,30,6]  ; permute1  test.net:10\n"
                "%12 = concat %1, %1, %1 : f32[9,20,30]  ; concat1  test.net:11\n"
                "output y = %12\n");
}

Test(elaborate, tensor_attributes)
{
    Run run = run_good("net n {\n    input a: f32[3, 8, 9]\n    input v: f32[7]\n"
                       "    input w: f32[a.channels + 10 * a.height + 100 * a.width + 1000 * a.rank + 10000 * "
                       "a.shape[2] + a.size * 100000]\n"
                       "    input x: f32[v.channels + 10 * v.rank + 100 * v.size + 1000 * len(v.shape)]\n"
                       "    output y = a + 1\n    output z = v + 1\n    output o = w + 1\n    output p = x + 1\n}\n");
    cr_assert_eq(run.graph->inputs[2].node->type.dim[0], 3 + 80 + 900 + 3000 + 90000 + 21600000);
    cr_assert_eq(run.graph->inputs[3].node->type.dim[0], 7 + 10 + 700 + 1000);
    end_run(&run);
}

Test(elaborate, nodes_know_the_chain_of_calls)
{
    Run run = run_good("block inner(x) { return relu(x) as r }\nblock outer(x) { return inner(x) as [1] }\n"
                       "net n {\n    input a: f32[3]\n    output y = outer(a) as o\n}\n");
    const CallSite *site = run.graph->outputs[0].node->site;
    cr_assert(str_equal(run.graph->outputs[0].node->path, STR("o.1.r")));
    cr_assert(site != NULL && str_equal(site->block, STR("inner")) && str_equal(site->path, STR("o.1")));
    cr_assert(site->caller != NULL && str_equal(site->caller->block, STR("outer")) &&
              str_equal(site->caller->path, STR("o")));
    cr_assert(site->caller->caller == NULL);
    cr_assert(run.graph->inputs[0].node->site == NULL);
    end_run(&run);
}

/* --- options */

static const char parameterised[] =
    "net n(size = 8, alpha = 1.0, wide = false, mode = \"a\", plan = [1, 2], unit = relu) {\n"
    "    input v: f32[size + len(plan) * 100 + (wide ? 1000 : 0)]\n"
    "    output y = dense(v, int(10 * alpha), bias=false) as [mode] |> unit\n}\n";

static Run run_defined(const char *name, const char *value)
{
    Definement define = {str_from(name), str_from(value)};
    FrontendOptions options = {.net = {"", 0}, .defines = &define, .n_defines = 1};
    return run_with(parameterised, &options);
}

static void expect_defined(const char *name, const char *value, int size, int units, const char *path, OpKind op)
{
    Run run = run_defined(name, value);
    cr_assert(run.graph != NULL, "-D %s=%s\n" STR_FMT, name, value, STR_ARG(diag_text(run.diag)));
    const Node *last = run.graph->outputs[0].node;
    cr_assert_eq(run.graph->inputs[0].node->type.dim[0], size, "-D %s=%s", name, value);
    cr_assert_eq(last->type.dim[0], units, "-D %s=%s", name, value);
    cr_assert(str_equal(last->inputs[0]->path, str_from(path)), "-D %s=%s", name, value);
    cr_assert_eq(last->op, op);
    end_run(&run);
}

Test(elaborate, definements)
{
    expect_defined("size", "8", 208, 10, "a", OP_RELU);
    expect_defined("size", "16", 216, 10, "a", OP_RELU);
    expect_defined("alpha", "0.5", 208, 5, "a", OP_RELU);
    expect_defined("alpha", "2", 208, 20, "a", OP_RELU);
    expect_defined("alpha", "1e-1", 208, 1, "a", OP_RELU);
    expect_defined("wide", "true", 1208, 10, "a", OP_RELU);
    expect_defined("mode", "b", 208, 10, "b", OP_RELU);
    expect_defined("mode", "\"b\"", 208, 10, "b", OP_RELU);
    expect_defined("mode", "17", 208, 10, "17", OP_RELU);
    expect_defined("plan", "[1, [2, M], \"x\", -3.5]", 408, 10, "a", OP_RELU);
    expect_defined("plan", "[]", 8, 10, "a", OP_RELU);
    expect_defined("unit", "tanh", 208, 10, "a", OP_TANH);
}

Test(elaborate, definements_of_a_wrong_kind)
{
    const char *const wrong[][2] = {{"size", "1.5"},
                                    {"size", "x"},
                                    {"size", "[1]"},
                                    {"size", ""},
                                    {"size", "99999999999999999999"},
                                    {"size", "1 2"},
                                    {"alpha", "true"},
                                    {"alpha", "1e999"},
                                    {"wide", "1"},
                                    {"wide", "yes"},
                                    {"plan", "1"},
                                    {"plan", "[1"},
                                    {"plan", "[1] x"},
                                    {"plan", "[1,,2]"},
                                    {"mode", "\"open"},
                                    {"mode", "\"a\\q\""},
                                    {"unit", "rleu"},
                                    {"size", "0x10"},
                                    {"plan", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        Run run = run_defined(wrong[i][0], wrong[i][1]);
        cr_assert(run.graph == NULL, "-D %s=%s is accepted", wrong[i][0], wrong[i][1]);
        cr_assert_eq(diag_errors(run.diag), 1, "-D %s=%s\n" STR_FMT, wrong[i][0], wrong[i][1],
                     STR_ARG(diag_text(run.diag)));
        cr_assert_eq(diag_fired(run.diag, DIAG_TYPE_MISMATCH), 1);
        end_run(&run);
    }
}

static void expect_net(const char *path, const char *choice, const char *expected)
{
    static const char text[] = "net a {\n    input v: f32[3]\n    output y = relu(v)\n}\n"
                               "net b {\n    input v: f32[3]\n    output y = relu(v)\n}\n";
    Run run = {.arena = arena_create()};
    Sources *sources = sources_create(run.arena);
    FrontendOptions options = {.net = str_from(choice)};
    run.diag = diag_create(run.arena, sources);
    AstFile *file = frontend_parse_text(run.arena, sources, run.diag, str_from(path), str_from(text), &options);
    run.graph = frontend_elaborate(run.arena, sources, run.diag, file, &options);
    if (expected == NULL) {
        cr_assert(run.graph == NULL && diag_fired(run.diag, DIAG_UNKNOWN_NET) == 1, "%s %s", path, choice);
    } else {
        cr_assert(run.graph != NULL && str_equal(run.graph->name, str_from(expected)), "%s %s", path, choice);
    }
    end_run(&run);
}

Test(elaborate, choice_of_the_net)
{
    expect_net("x.net", "", NULL);
    expect_net("a.net", "", "a");
    expect_net("some.where/b.net", "", "b");
    expect_net("b", "", "b");
    expect_net("a.net", "b", "b");
    expect_net("a.net", "c", NULL);
}

Test(elaborate, training_outputs_on_demand)
{
    static const char text[] = "net n {\n    input v: f32[3]\n    output y = relu(v)\n"
                               "    training {\n        aux = dense(v, 2) as aux\n        output aux\n    }\n}\n";
    FrontendOptions options = {.net = {"", 0}};
    Run run = run_good_with(text, &options);
    cr_assert_eq(run.graph->n_outputs, 1);
    cr_assert_eq(run.graph->n_nodes, 2);
    end_run(&run);
    options.with_training_outputs = true;
    run = run_good_with(text, &options);
    cr_assert_eq(run.graph->n_outputs, 2);
    cr_assert(str_equal(run.graph->outputs[1].name, STR("aux")));
    end_run(&run);
}

Test(elaborate, unused_inputs_are_warned_of)
{
    Run run =
        run_good("net n {\n    input v: f32[3]\n    input w: f32[3]\n    x = relu(w)\n    output y = relu(v)\n}\n");
    cr_assert_eq(diag_fired(run.diag, DIAG_UNUSED_INPUT), 1);
    cr_assert_eq(run.graph->n_inputs, 2);
    end_run(&run);
}

/* --- bounds: what is just within them passes */

Test(elaborate, calls_256_deep)
{
    StrBuf text = {0};
    strbuf_append(&text, STR("block b0(x) { return relu(x) }\n"));
    for (int i = 1; i < 256; ++i) {
        strbuf_printf(&text, "block b%d(x) { if true { return (b%d(x) |> tanh) + 1 } }\n", i, i - 1);
    }
    strbuf_append(&text, STR("net n {\n    input v: f32[3]\n    output y = b255(v)\n}\n"));
    Run run = run_good(text.ptr);
    cr_assert_eq(run.graph->n_nodes, 2 + 255 * 3);
    strbuf_free(&text);
    end_run(&run);
}

/* Expressions and bodies nested as deep as the parser allows, in blocks that call each other: an error before our own
 * stack is exhausted, with sanitizers, too. */
static void expect_too_deep(const char *begin, const char *open, const char *close, const char *end)
{
    StrBuf text = {0};
    strbuf_append(&text, STR("block b0(x) { return x }\n"));
    for (int i = 1; i < 6; ++i) {
        strbuf_printf(&text, "block b%d(x) { %s", i, begin);
        for (int k = 0; k < 900; ++k) {
            strbuf_append(&text, str_from(open));
        }
        strbuf_printf(&text, "%sb%d(x)", open[0] == 'i' ? "x = " : "", i - 1);
        for (int k = 0; k < 900; ++k) {
            strbuf_append(&text, str_from(close));
        }
        strbuf_printf(&text, "%s }\n", end);
    }
    strbuf_append(&text, STR("net n {\n    input v: f32[3]\n    output y = b5(v)\n    output z = v + 1\n}\n"));
    FrontendOptions options = {.net = {"", 0}};
    Run run = run_with(text.ptr, &options);
    cr_assert(run.graph == NULL);
    cr_assert_eq(diag_errors(run.diag), 1, STR_FMT, STR_ARG(diag_text(run.diag)));
    cr_assert_eq(diag_fired(run.diag, DIAG_CALL_DEPTH), 1);
    strbuf_free(&text);
    end_run(&run);
}

Test(elaborate, depth_is_bounded_over_all_calls)
{
    expect_too_deep("x = ", "relu(", ")", " return x");
    expect_too_deep("", "if true {", "}", " return x");
}

Test(elaborate, long_lists_grow_in_linear_time)
{
    Run run = run_good("net n {\n    a = []\n    for i in 0..900000 { a = a + [i] }\n    b = a + [1]\n    c = a + [2]\n"
                       "    input v: f32[a[899999] + b[900000] + c[900000] + len(a)]\n    output y = relu(v)\n}\n");
    cr_assert_eq(run.graph->inputs[0].node->type.dim[0], 899999 + 1 + 2 + 900000);
    end_run(&run);
}

/* Nothing here may take longer than the bounds allow, or more memory: each is one error, found in a moment. */
Test(elaborate, bombs_are_defused)
{
    const char *const bombs[] = {
        "a = 1\n for i in 0..9000000000000000000 { a = i }\n",
        "for i in 0..100000 { for j in 0..100000 {} }\n",
        "a = [1]\n for i in 0..30 { a = [a, a] }\n for i in 0..1000000 { b = a == a }\n",
        "a = [1]\n for i in 0..30 { a = [a, a] }\n s = str(a)\n",
        "a = range(500000)\n l = []\n for i in a { l = l + [i] }\n for i in a { m = l + l  k = max(m) }\n",
        "s = \"0123456789\"\n for i in 0..16 { s = s + s }\n for i in 0..1000000 { t = s + \"x\" }\n",
        "x = v\n for i in 0..9999999 { x = e(e(e(e(x)))) }\n",
        "x = v\n for i in 0..9999999 { x = x + 1 }\n",
        "x = v\n for i in 0..9999999 { x = dense(x, 3) as shared [str(i)] }\n",
        "l = []\n for i in 0..100000 { l = l + [v] }\n for i in 0..900000 { x = concat(l) }\n",
        "l = []\n for i in 0..100000 { l = l + [i] }\n for i in 0..900000 { x = reshape(v, l) }\n",
        "x = b20(v)\n",
    };
    StrBuf blocks = {0};
    strbuf_append(&blocks, STR("block e(x) { return x }\nblock b0(x) { x = e(x) }\n"));
    for (int i = 1; i <= 20; ++i) {
        strbuf_printf(&blocks, "block b%d(x) { b%d(x) b%d(x) b%d(x) }\n", i, i - 1, i - 1, i - 1);
    }
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; ++i) {
        StrBuf text = {0};
        strbuf_printf(&text, "%snet n {\n    input v: f32[3]\n    output y = v + 1\n %s}\n", blocks.ptr, bombs[i]);
        FrontendOptions options = {.net = {"", 0}};
        Run run = run_with(text.ptr, &options);
        cr_assert(run.graph == NULL, "%s", bombs[i]);
        cr_assert_eq(diag_errors(run.diag), 1, "%s\n" STR_FMT, bombs[i], STR_ARG(diag_text(run.diag)));
        strbuf_free(&text);
        end_run(&run);
    }
    strbuf_free(&blocks);
}
