/* The verifier: a sound graph passes, and each invariant, broken on its own, is named. */
#include <criterion/criterion.h>

#include "ir_build.h"

static const Span nowhere = {0, 0};

/* The graph that the mutations break: every kind of node and constant that has an invariant of its own. */
typedef struct Sample {
    IrBuild build;
    Graph *graph;
    Node *x, *camera, *conv, *bn, *fused, *depthwise, *sub, *flat, *dense, *scaled;
    Node *mul, *dot, *rsqrt, *hwc, *reshaped, *joined, *literal;
} Sample;

static Node *recipe(Sample *s, ConstExpr expr, WeightRole role, Node *a, Node *b, TensorType type)
{
    return graph_add_recipe(s->graph, (ConstAttr){.expr = expr, .role = role, .eps = 1e-5, .hwc = {6, 6, 4}}, a, b,
                            type);
}

static Sample sample_start(void)
{
    Sample s = {.build = irbuild_start()};
    IrBuild *build = &s.build;
    Graph *graph = s.graph = build->graph;
    s.x = irbuild_input(build, "f32[4,8,8]");
    s.camera = graph_add_input(graph, STR("camera"), irbuild_type("u8[3,8,8]"), true, nowhere);
    s.conv = irbuild_add1(build, "conv", "conv channels=4 kernel=3", s.x);
    s.bn = irbuild_add1(build, "bn", "batch_norm", s.conv);
    s.fused = irbuild_add1(build, "fused", "conv channels=4 kernel=3 pad=1", s.bn);
    graph_set_data(graph, s.fused, (Node *[]){s.bn, s.conv}, 2);
    s.fused->adds_residual = true;
    s.fused->act.op = OP_LEAKY_RELU;
    s.fused->act.attr.a = 0.1;
    s.depthwise = irbuild_add1(build, "dw", "depthwise_conv kernel=3 pad=1 bias=false", s.fused);
    s.sub = irbuild_add1(build, "sub", "subsample", s.depthwise);
    s.flat = irbuild_add1(build, "flat", "flatten", s.depthwise);
    s.dense = irbuild_add1(build, "fc", "dense units=5", s.flat);
    double half = 0.5;
    s.literal = graph_add_values(graph, type_f32_1(1), &half, (NodeSource){.path = STR("half")});
    s.scaled = irbuild_add2(build, "scaled", "mul", s.dense, s.literal);
    /* Recipes: fused.weight * rsqrt(bn.var), dot(fused.weight, bn.mean), hwc(fc.weight), reshape, concat. */
    s.rsqrt = recipe(&s, CONST_RSQRT, ROLE_NONE, node_weight(s.bn, ROLE_RUNNING_VAR), NULL, type_f32_1(4));
    s.mul = recipe(&s, CONST_MUL, ROLE_WEIGHT, node_weight(s.fused, ROLE_WEIGHT), s.rsqrt, s.x->type);
    s.dot = recipe(&s, CONST_DOT, ROLE_NONE, node_weight(s.fused, ROLE_WEIGHT), node_weight(s.bn, ROLE_RUNNING_MEAN),
                   type_f32_1(4));
    s.reshaped = recipe(&s, CONST_RESHAPE, ROLE_BIAS, s.dot, NULL, type_f32_1(4));
    s.hwc = recipe(&s, CONST_HWC_TO_CHW, ROLE_WEIGHT, node_weight(s.dense, ROLE_WEIGHT), NULL, type_f32_1(1));
    s.joined = recipe(&s, CONST_CONCAT, ROLE_NONE, s.literal, s.dot, type_f32_1(5));
    Node *bias = recipe(&s, CONST_ADD, ROLE_BIAS, node_weight(s.dense, ROLE_BIAS), s.joined, type_f32_1(5));
    graph_set_weight(graph, s.dense, ROLE_BIAS, bias);
    graph_set_weight(graph, s.fused, ROLE_WEIGHT, s.mul);
    graph_set_weight(graph, s.fused, ROLE_BIAS, s.reshaped);
    graph_set_weight(graph, s.dense, ROLE_WEIGHT, s.hwc);
    Node *pixels = irbuild_add1(build, "pixels", "normalize mean=0 std=1", s.camera);
    graph_add_output(graph, STR("y"), s.scaled, nowhere);
    graph_add_output(graph, STR("z"), s.sub, nowhere);
    graph_add_output(graph, STR("p"), pixels, nowhere);
    graph_compact(graph);
    return s;
}

Test(ir_verify, a_sound_graph_passes)
{
    Sample s = sample_start();
    Str message = STR("");
    cr_expect(graph_verify(s.graph, s.build.arena, &message), STR_FMT, STR_ARG(message));
    irbuild_end(&s.build);
}

typedef void Mutate(Sample *s);

/* clang-format off */
static void wrong_id(Sample *s) { s->conv->id = 77; }
static void wrong_op(Sample *s) { s->conv->op = (OpKind)OP_COUNT; }
static void rank_zero(Sample *s) { s->conv->type.rank = 0; }
static void rank_four(Sample *s) { s->conv->type = irbuild_type("f32[1,4,6,6]"); }
static void dim_zero(Sample *s) { s->conv->type.dim[1] = 0; }
static void dim_beyond_rank(Sample *s) { s->flat->type.dim[2] = 1; }
static void too_many_elements(Sample *s) { s->x->type = irbuild_type("f32[65536,65536,1]"); }
static void wrong_type(Sample *s) { s->conv->type.dim[1] = 7; }
static void inputs_do_not_fit(Sample *s) { s->x->type = irbuild_type("f32[4,2,2]"); }
static void order_broken(Sample *s)
{
    Node *conv = s->conv, *bn = s->bn;
    uint32_t id = conv->id;
    s->graph->nodes[id] = bn;
    s->graph->nodes[bn->id] = conv;
    conv->id = bn->id;
    bn->id = id;
}
static void foreign_input(Sample *s)
{
    Node *copy = ARENA_NEW(s->build.arena, Node);
    *copy = *s->x;
    s->conv->inputs[0] = copy;
}
static void null_input(Sample *s) { s->conv->inputs[0] = NULL; }
static void more_data_than_inputs(Sample *s) { s->conv->n_data = 9; }
static void no_data(Sample *s)
{
    s->conv->inputs += 1;
    s->conv->n_inputs -= 1;
    s->conv->n_data = 0;
}
static void too_much_data(Sample *s) { s->fused->adds_residual = false; }
static void residual_on_pool(Sample *s) { s->sub->adds_residual = true; }
static void residual_of_another_type(Sample *s) { s->fused->inputs[1] = s->x; }
static void residual_without_data(Sample *s)
{
    s->fused->inputs += 2;
    s->fused->n_inputs -= 2;
    s->fused->n_data = 0;
}
static void activation_on_flatten(Sample *s) { s->flat->act.op = OP_RELU; }
static void activation_is_softmax(Sample *s) { s->conv->act.op = OP_SOFTMAX; }
static void activation_out_of_bounds(Sample *s) { s->fused->act.attr.a = 1e300; }
static void same_unresolved(Sample *s) { s->conv->attr.conv.pad.same = true; }
static void stride_zero(Sample *s) { s->conv->attr.conv.stride[1] = 0; }
static void pad_negative(Sample *s) { s->conv->attr.conv.pad.edge[2] = -1; }
static void eps_nan(Sample *s) { s->bn->attr.norm.eps = 0.0 / (s->graph->n_nodes == 0 ? 1.0 : 0.0); }
static void weight_missing(Sample *s) { graph_set_weight(s->graph, s->conv, ROLE_BIAS, NULL); }
static void weight_too_many(Sample *s) { s->conv->attr.conv.bias = false; }
static void weight_is_no_constant(Sample *s) { s->conv->inputs[1] = s->x; }
static void weights_swapped(Sample *s)
{
    Node *mean = s->bn->inputs[3];
    s->bn->inputs[3] = s->bn->inputs[4];
    s->bn->inputs[4] = mean;
}
static void weight_misshapen(Sample *s) { node_weight(s->conv, ROLE_WEIGHT)->type.dim[2] = 5; }
static void weight_as_data(Sample *s) { s->literal->attr.constant.role = ROLE_WEIGHT; }
static void depthwise_groups(Sample *s) { s->depthwise->attr.conv.groups = 1; }
static void subsample_stride(Sample *s) { s->sub->attr.pool.stride[0] = 1; }
static void input_without_port(Sample *s) { s->graph->n_inputs = 1; }
static void input_with_two_ports(Sample *s) { s->graph->inputs[1].node = s->x; }
static void input_of_indices(Sample *s) { s->camera->type.dtype = DT_I32; }
static void input_with_inputs(Sample *s)
{
    s->camera->inputs = ARENA_NEW(s->build.arena, Node *);
    s->camera->inputs[0] = s->x;
    s->camera->n_inputs = s->camera->n_data = 1;
}
static void hwc_vector(Sample *s) { s->camera->type = irbuild_type("u8[3]"); }
static void port_is_no_input(Sample *s)
{
    s->graph->inputs[s->graph->n_inputs++] = (Port){STR("extra"), s->conv, nowhere};
}
static void literal_without_values(Sample *s) { s->literal->attr.constant.values = NULL; }
static void weight_without_name(Sample *s) { node_weight(s->conv, ROLE_WEIGHT)->attr.constant.name = STR(""); }
static void one_name_two_shapes(Sample *s) { node_weight(s->conv, ROLE_BIAS)->attr.constant.name = STR("fc.bias"); }
static void constant_of_bytes(Sample *s) { s->literal->type.dtype = DT_U8; }
static void operand_is_no_constant(Sample *s) { s->rsqrt->inputs[0] = s->x; }
static void operand_missing(Sample *s) { s->mul->n_inputs = s->mul->n_data = 1; }
static void unknown_recipe(Sample *s) { s->rsqrt->attr.constant.expr = (ConstExpr)99; }
static void recipe_type(Sample *s) { s->mul->type = type_f32_1(4); }
static void recipe_axis(Sample *s) { s->mul->attr.constant.axis = 2; }
static void recipe_axis_negative(Sample *s) { s->mul->attr.constant.axis = -1; }
static void dot_type(Sample *s) { s->dot->type = type_f32_1(5); }
static void rsqrt_type(Sample *s) { s->rsqrt->type = type_f32_1(5); }
static void reshape_elements(Sample *s) { s->reshaped->type = type_f32_1(5); }
static void concat_type(Sample *s) { s->joined->type = type_f32_1(6); }
static void concat_axis(Sample *s) { s->joined->attr.constant.axis = 1; }
static void hwc_columns(Sample *s) { s->hwc->attr.constant.hwc[2] = 3; }
static void no_output(Sample *s) { s->graph->n_outputs = 0; }
static void output_twice(Sample *s) { s->graph->outputs[1].name = STR("y"); }
static void output_without_name(Sample *s) { s->graph->outputs[0].name = STR(""); }
static void output_elsewhere(Sample *s)
{
    Node *copy = ARENA_NEW(s->build.arena, Node);
    *copy = *s->scaled;
    s->graph->outputs[0].node = copy;
}
/* clang-format on */

static const struct {
    const char *name;
    Mutate *mutate;
    const char *says;
} mutations[] = {
    {"wrong_id", wrong_id, "has another id"},
    {"wrong_op", wrong_op, "has op number"},
    {"rank_zero", rank_zero, "conv 'conv': its type has rank 0"},
    {"rank_four", rank_four, "its type has rank 4"},
    {"dim_zero", dim_zero, "dim 1 of its type is 0"},
    {"dim_beyond_rank", dim_beyond_rank, "flatten 'flat': dim 2 of its type is 1"},
    {"too_many_elements", too_many_elements, "too many elements"},
    {"wrong_type", wrong_type, "conv 'conv': its type is f32[4,7,6] and should be f32[4,6,6]"},
    {"inputs_do_not_fit", inputs_do_not_fit, "its inputs do not fit: "},
    {"order_broken", order_broken, "not topological"},
    {"foreign_input", foreign_input, "input 0 is not in the graph"},
    {"null_input", null_input, "input 0 is not in the graph"},
    {"more_data_than_inputs", more_data_than_inputs, "9 of 3 inputs are data"},
    {"no_data", no_data, "it has 0 data inputs"},
    {"too_much_data", too_much_data, "it has 2 data inputs"},
    {"residual_on_pool", residual_on_pool, "cannot add a residual"},
    {"residual_of_another_type", residual_of_another_type, "cannot add the residual f32[4,8,8]"},
    {"residual_without_data", residual_without_data, "adds a residual and has no data inputs"},
    {"activation_on_flatten", activation_on_flatten, "cannot have a fused activation"},
    {"activation_is_softmax", activation_is_softmax, "fused activation is no activation"},
    {"activation_out_of_bounds", activation_out_of_bounds, "parameter 'slope' of leaky_relu is out of bounds"},
    {"same_unresolved", same_unresolved, "\"same\" padding is not resolved"},
    {"stride_zero", stride_zero, "parameter 'stride' of conv is out of bounds"},
    {"pad_negative", pad_negative, "parameter 'pad' of conv is out of bounds"},
    {"eps_nan", eps_nan, "parameter 'eps' of batch_norm is out of bounds"},
    {"weight_missing", weight_missing, "conv 'conv': its bias is missing"},
    {"weight_too_many", weight_too_many, "a weight too many, 'bias'"},
    {"weight_is_no_constant", weight_is_no_constant, "weight input 0 is no constant"},
    {"weights_swapped", weights_swapped, "has role 'running_var' and should have 'running_mean'"},
    {"weight_misshapen", weight_misshapen, "its weight is f32[4,4,5,3] and should be f32[4,4,3,3]"},
    {"weight_as_data", weight_as_data, "mul 'scaled': data input 1 is a weight"},
    {"depthwise_groups", depthwise_groups, "channels or groups do not follow"},
    {"subsample_stride", subsample_stride, "its stride is not its kernel"},
    {"input_without_port", input_without_port, "input 'camera': it is read by 0 input ports"},
    {"input_with_two_ports", input_with_two_ports, "it is read by 2 input ports"},
    {"input_of_indices", input_of_indices, "an input of type i32[3,8,8]"},
    {"input_with_inputs", input_with_inputs, "an input that has inputs"},
    {"hwc_vector", hwc_vector, "hwc on type u8[3]"},
    {"port_is_no_input", port_is_no_input, "input port 2 is no input node"},
    {"literal_without_values", literal_without_values, "a literal without values"},
    {"weight_without_name", weight_without_name, "a weight without a name"},
    {"one_name_two_shapes", one_name_two_shapes, "weight 'fc.bias' is "},
    {"constant_of_bytes", constant_of_bytes, "a constant of type u8[1]"},
    {"operand_is_no_constant", operand_is_no_constant, "operand 0 of a constant is no constant"},
    {"operand_missing", operand_missing, "with 1 operands"},
    {"unknown_recipe", unknown_recipe, "a constant of unknown kind 99"},
    {"recipe_type", recipe_type, "a recipe of type f32[4] from a first operand f32[4,4,3,3]"},
    {"recipe_axis", recipe_axis, "does not lie along axis 2"},
    {"recipe_axis_negative", recipe_axis_negative, "does not lie along axis -1"},
    {"dot_type", dot_type, "cannot give f32[5]"},
    {"rsqrt_type", rsqrt_type, "rsqrt of another type"},
    {"reshape_elements", reshape_elements, "changes the number of elements"},
    {"concat_type", concat_type, "concat of f32[1] and f32[4] along axis 0 cannot give f32[6]"},
    {"concat_axis", concat_axis, "along axis 1 cannot give f32[5]"},
    {"hwc_columns", hwc_columns, "columns of f32[5,144] are no 6 x 6 x 3"},
    {"no_output", no_output, "the graph has no output"},
    {"output_twice", output_twice, "output port 1 has no name of its own"},
    {"output_without_name", output_without_name, "output port 0 has no name of its own"},
    {"output_elsewhere", output_elsewhere, "output port 0 reads a node that is not in the graph"},
};

Test(ir_verify, every_broken_invariant_is_named)
{
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; ++i) {
        Sample s = sample_start();
        mutations[i].mutate(&s);
        Str message = STR("");
        bool ok = graph_verify(s.graph, s.build.arena, &message);
        message = arena_copy(s.build.arena, message);
        cr_expect(!ok, "%s passes", mutations[i].name);
        cr_expect(strstr(message.ptr, mutations[i].says) != NULL, "%s: %s", mutations[i].name, message.ptr);
        irbuild_end(&s.build);
    }
}
