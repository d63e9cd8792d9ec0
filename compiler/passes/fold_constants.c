/* fold_constants: what can be computed now, or joined with its neighbour, is.
 *
 *   before   %3 = conv %2 {channels=256, kernel=[1, 1]} weight=@c.weight bias=@c.bias : f32[256,35,35]
 *            %4 = scale %3 {factor=0.17} : f32[256,35,35]
 *            %5 = mul %4, 1.0 : f32[256,35,35]
 *   after    %3 = conv %2 {channels=256, kernel=[1, 1]} weight=(@c.weight * 0.17)
 *                 bias=(@c.bias * 0.17) : f32[256,35,35]
 *
 * Literals: an op or a recipe whose operands are all literals becomes a literal.
 * Neutral: x*1, x+0, x-0, scale by 1 and identity go.
 * Chains: scales become one scale, additions of numbers one addition, and affine takes in either.
 * Layers: one of these directly after a conv, depthwise_conv, conv_transpose or dense that nobody else reads goes into
 * its weights; or into those of the one layer that reads it, where that is exact at padded borders.
 *
 * requires          nothing; after fold_batch_norm, whose left-over `affine` nodes it can join
 * keeps             values up to rounding (x+0 turns no -0 into +0 any more); no fold reads a trained weight's value
 * does not handle   0*x; literals as outputs of the net, which stay computed; DOT and HWC_TO_CHW over literals
 */
#include <math.h>

#include "passes/linear.h"
#include "passes/literal.h"
#include "passes/rewrite.h"

/* --- literals */

/* The values that the node has in every run, in scratch; else NULL. A literal must be finite: others stay computed. */
static const double *match_literal(const Rewriter *rewriter, const Node *node)
{
    bool is_output = node->id < rewriter->n_known && rewriter->uses.is_output[node->id];
    if (is_output || !literal_can_evaluate(node)) {
        return NULL;
    }
    const double *values = literal_evaluate(node, rewriter->scratch);
    for (int64_t i = 0; i < type_elements(node->type); ++i) {
        if (!isfinite(values[i])) {
            return NULL;
        }
    }
    return values;
}

/* The node itself becomes the literal: its readers need not be told. */
static void rewrite_literal(Rewriter *rewriter, Node *node, const double *values)
{
    size_t count = (size_t)type_elements(node->type);
    double *copy = ARENA_ARRAY(rewriter->graph->arena, double, count);
    memcpy(copy, values, count * sizeof *copy);
    WeightRole role = node->op == OP_CONST ? node->attr.constant.role : ROLE_NONE;
    node->op = OP_CONST;
    node->attr = (Attr){.constant = {.expr = CONST_VALUES, .role = role, .values = copy}};
    node->n_inputs = node->n_data = 0;
    rewriter->changed = true;
}

/* --- scale and shift: y = input * scale + plus with numbers, or y = input * weight[c] + bias[c] with constants */

typedef struct ScaleShift {
    Node *input;
    double scale, plus;
    Node *weight, *bias; /* of an affine; NULL: numbers */
} ScaleShift;

static bool is_number(const Node *node, double *number)
{
    if (!literal_is(node) || type_elements(node->type) != 1) {
        return false;
    }
    *number = node->attr.constant.values[0];
    return true;
}

static bool match_arithmetic(const Node *node, ScaleShift *match)
{
    double number;
    bool is_right = is_number(node->inputs[1], &number);
    if (!is_right && !is_number(node->inputs[0], &number)) {
        return false;
    }
    *match = (ScaleShift){.input = node->inputs[is_right ? 0 : 1], .scale = 1.0};
    if (node->op == OP_MUL) {
        match->scale = number;
    } else if (node->op == OP_ADD) {
        match->plus = number;
    } else { /* x - number, or number - x */
        match->scale = is_right ? 1.0 : -1.0;
        match->plus = is_right ? -number : number;
    }
    return type_equal(match->input->type, node->type) && !node_is_constant(match->input);
}

static bool match_scale_shift(const Node *node, ScaleShift *match)
{
    if (node->adds_residual || node->act.op != OP_IDENTITY) {
        return false;
    }
    if (node->op == OP_SCALE || node->op == OP_IDENTITY) {
        *match = (ScaleShift){.input = node->inputs[0], .scale = node->op == OP_SCALE ? node->attr.misc.scale : 1.0};
        return true;
    }
    if (node->op == OP_AFFINE) {
        *match = (ScaleShift){
            .input = node->inputs[0], .weight = node_weight(node, ROLE_WEIGHT), .bias = node_weight(node, ROLE_BIAS)};
        return true;
    }
    bool is_arithmetic = node->op == OP_ADD || node->op == OP_SUB || node->op == OP_MUL;
    return is_arithmetic && match_arithmetic(node, match);
}

static bool is_neutral(const ScaleShift *match)
{
    return match->weight == NULL && match->scale == 1.0 && match->plus == 0.0;
}

static FoldQuery query_of(const ScaleShift *match)
{
    bool is_affine = match->weight != NULL;
    return (FoldQuery){.has_vector_scale = is_affine, .has_shift = is_affine || match->plus != 0.0};
}

/* As constants over `channels`. */
static ChannelAffine constants_of(Graph *graph, const ScaleShift *match, int32_t channels, const Node *origin)
{
    if (match->weight != NULL) {
        return (ChannelAffine){.scale = match->weight, .plus = match->bias};
    }
    ChannelAffine affine = {0};
    if (match->scale != 1.0) {
        affine.scale = recipe_values(graph, 1, match->scale, ROLE_NONE, origin);
    }
    if (match->plus != 0.0) {
        affine.plus = recipe_values(graph, channels, match->plus, ROLE_BIAS, origin);
    }
    return affine;
}

/* --- chains */

static bool has_room(const ScaleShift *match)
{
    return match->weight == NULL || (recipe_has_room(match->weight) && recipe_has_room(match->bias));
}

/* Two in a row that one op can do: the inner one is read by nobody else. Of two numbers, x*s + p needs constants of its
 * own; that it stays two ops spares a net without weights the file. */
static bool match_chain(const Rewriter *rewriter, const Node *node, const ScaleShift *outer, ScaleShift *inner)
{
    const Node *before = outer->input;
    if (!rewriter_read_once(rewriter, before) || !match_scale_shift(before, inner)) {
        return false;
    }
    if (outer->weight == NULL && inner->weight == NULL) {
        bool only_scales = outer->plus == 0.0 && inner->plus == 0.0;
        bool only_shifts = outer->scale == 1.0 && inner->scale == 1.0;
        const OpParam *factor = op_param(OP_SCALE, STR("factor"));
        double scale = inner->scale * outer->scale, plus = inner->plus + outer->plus;
        return (only_scales && scale >= factor->lo && scale <= factor->hi) || (only_shifts && isfinite(plus));
    }
    bool takes_affine = node->type.rank == 1 || node->type.rank == 3;
    return takes_affine && has_room(outer) && has_room(inner);
}

static void become(Rewriter *rewriter, Node *node, OpKind op, Node *const *data, uint32_t n_data)
{
    node->op = op;
    op_attr_defaults(op, &node->attr);
    node->n_inputs = node->n_data; /* without weights */
    graph_set_data(rewriter->graph, node, data, n_data);
}

static void rewrite_numbers(Rewriter *rewriter, Node *node, const ScaleShift *outer, const ScaleShift *inner)
{
    Node *data[] = {outer->input, NULL};
    if (outer->scale == 1.0 && inner->scale == 1.0) {
        data[1] = recipe_values(rewriter->graph, 1, inner->plus + outer->plus, ROLE_NONE, node);
        become(rewriter, node, OP_ADD, data, 2);
    } else {
        become(rewriter, node, OP_SCALE, data, 1);
        node->attr.misc.scale = inner->scale * outer->scale;
    }
}

static void rewrite_affines(Rewriter *rewriter, Node *node, const ScaleShift *outer, const ScaleShift *inner)
{
    Graph *graph = rewriter->graph;
    Node *before = outer->input;
    int32_t channels = type_channels(node->type);
    ChannelAffine first = constants_of(graph, inner, channels, before);
    ChannelAffine second = constants_of(graph, outer, channels, node);
    Node *weight = affine_weight(graph, &first, channels, node), *bias = affine_bias(graph, &first, channels, node);
    if (second.scale != NULL) {
        weight = recipe_for_role(graph, recipe_binary(graph, CONST_MUL, weight, second.scale, 0), ROLE_WEIGHT);
        bias = recipe_binary(graph, CONST_MUL, bias, second.scale, 0);
    }
    if (second.plus != NULL) {
        bias = recipe_binary(graph, CONST_ADD, bias, second.plus, 0);
    }
    become(rewriter, node, OP_AFFINE, &before, 1);
    graph_set_weight(graph, node, ROLE_WEIGHT, weight);
    graph_set_weight(graph, node, ROLE_BIAS, recipe_for_role(graph, bias, ROLE_BIAS));
}

/* (x*s1 + p1)*s2 + p2 = x*(s1*s2) + (p1*s2 + p2). The outer node does the work of both. */
static void rewrite_chain(Rewriter *rewriter, Node *node, const ScaleShift *outer, const ScaleShift *inner)
{
    if (outer->weight == NULL && inner->weight == NULL) {
        rewrite_numbers(rewriter, node, outer, inner);
    } else {
        rewrite_affines(rewriter, node, outer, inner);
    }
    rewriter_bypass(rewriter, outer->input, inner->input);
    rewriter_visit(rewriter, node->id); /* it now reads what the inner one read */
}

/* --- layers */

static bool match_layer_before(const Rewriter *rewriter, const ScaleShift *match)
{
    return rewriter_read_once(rewriter, match->input) && linear_takes_output(match->input, query_of(match));
}

static Node *match_layer_after(const Rewriter *rewriter, const Node *node, const ScaleShift *match)
{
    Node *layer = rewriter_only_reader(rewriter, node);
    bool reads_as_input = layer != NULL && layer->n_data > 0 && layer->inputs[0] == node;
    return reads_as_input && linear_takes_input(layer, query_of(match)) ? layer : NULL;
}

static void rewrite_scale_shift(Rewriter *rewriter, Node *node)
{
    Graph *graph = rewriter->graph;
    ScaleShift match, inner;
    while (match_scale_shift(node, &match) && !is_neutral(&match) && match_chain(rewriter, node, &match, &inner)) {
        rewrite_chain(rewriter, node, &match, &inner);
    }
    if (!match_scale_shift(node, &match)) {
        return;
    }
    Node *layer;
    int32_t channels = type_channels(node->type);
    if (is_neutral(&match)) {
        rewriter_bypass(rewriter, node, match.input);
    } else if (match_layer_before(rewriter, &match)) {
        ChannelAffine affine = constants_of(graph, &match, channels, node);
        linear_fold_output(graph, match.input, &affine);
        rewriter_bypass(rewriter, node, match.input);
    } else if ((layer = match_layer_after(rewriter, node, &match)) != NULL) {
        ChannelAffine affine = constants_of(graph, &match, channels, node);
        linear_fold_input(graph, layer, &affine);
        rewriter_bypass(rewriter, node, match.input);
    }
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        const double *literal = match_literal(&rewriter, node);
        if (literal != NULL) {
            rewrite_literal(&rewriter, node, literal);
        } else {
            rewrite_scale_shift(&rewriter, node);
        }
    }
    return rewriter_finish(&rewriter);
}

bool fold_constants(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
