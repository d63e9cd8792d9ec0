/* fold_batch_norm: batch norm with fixed statistics is a scale and a shift per channel, which a linear layer absorbs.
 *
 *   before   %1 = conv %0 {channels=64, kernel=[3, 3], pad=1, bias=false} weight=@c.weight : f32[64,56,56]
 *            %2 = batch_norm %1 weight=@b.weight bias=@b.bias running_mean=@b.running_mean
 *                 running_var=@b.running_var : f32[64,56,56]
 *   after    %1 = conv %0 {channels=64, kernel=[3, 3], pad=1} weight=(@c.weight * s)
 *                 bias=(@b.bias - @b.running_mean * s) : f32[64,56,56]
 *            where s is (@b.weight * rsqrt(@b.running_var + 1e-05));
 *            of a conv with bias:   bias=((@c.bias - @b.running_mean) * s + @b.bias)
 *
 * After the layer: conv, depthwise_conv, conv_transpose, dense, whose value nobody else reads and which has no epilogue
 * yet. Before it: where nobody else reads the norm and no tap can meet padding. What is left becomes `affine`, one
 * multiplication and addition a value.
 *
 * requires          nothing; finds more before fuse_activation and fuse_add than after them
 * keeps             values up to rounding; shared weights: each layer gets recipes of its own
 * does not handle   across other ops (pooling, concat); groups of a conv_transpose, tables, and, before the layer,
 *                   groups of a conv: these norms become affine
 */
#include "passes/linear.h"
#include "passes/rewrite.h"

/* A norm as a query: always one scale a channel, and a shift. */
static const FoldQuery norm_query = {.has_vector_scale = true, .has_shift = true};

/* The layer before the norm that can take it; else NULL. */
static Node *match_layer_before(const Rewriter *rewriter, const Node *norm)
{
    Node *layer = norm->inputs[0];
    return rewriter_read_once(rewriter, layer) && linear_takes_output(layer, norm_query) ? layer : NULL;
}

/* The layer after the norm that can take it; else NULL. */
static Node *match_layer_after(const Rewriter *rewriter, const Node *norm)
{
    Node *layer = rewriter_only_reader(rewriter, norm);
    bool reads_as_input = layer != NULL && layer->n_data > 0 && layer->inputs[0] == norm;
    return reads_as_input && linear_takes_input(layer, norm_query) ? layer : NULL;
}

static ChannelAffine affine_of(Graph *graph, const Node *norm)
{
    Node *gamma = node_weight(norm, ROLE_WEIGHT);
    Node *scale = recipe_rsqrt(graph, node_weight(norm, ROLE_RUNNING_VAR), norm->attr.norm.eps);
    return (ChannelAffine){
        .minus = node_weight(norm, ROLE_RUNNING_MEAN),
        .scale = gamma != NULL ? recipe_binary(graph, CONST_MUL, gamma, scale, 0) : scale,
        .plus = node_weight(norm, ROLE_BIAS),
    };
}

static void rewrite_to_affine(Graph *graph, Node *norm)
{
    ChannelAffine affine = affine_of(graph, norm);
    int32_t channels = type_channels(norm->type);
    Node *weight = affine_weight(graph, &affine, channels, norm), *bias = affine_bias(graph, &affine, channels, norm);
    norm->op = OP_AFFINE;
    op_attr_defaults(OP_AFFINE, &norm->attr);
    norm->n_inputs = norm->n_data; /* without the norm's own weights */
    graph_set_weight(graph, norm, ROLE_WEIGHT, weight);
    graph_set_weight(graph, norm, ROLE_BIAS, bias);
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        if (node->op != OP_BATCH_NORM) {
            continue;
        }
        Node *before = match_layer_before(&rewriter, node);
        Node *after = before == NULL ? match_layer_after(&rewriter, node) : NULL;
        if (before == NULL && after == NULL) {
            continue;
        }
        ChannelAffine affine = affine_of(graph, node);
        if (before != NULL) {
            linear_fold_output(graph, before, &affine);
            rewriter_bypass(&rewriter, node, before);
        } else {
            linear_fold_input(graph, after, &affine);
            rewriter_bypass(&rewriter, node, node->inputs[0]);
        }
    }
    return rewriter_finish(&rewriter);
}

bool fold_batch_norm(PassContext *context, Graph *graph)
{
    bool changed = rewriter_repeat(walk, context, graph);
    bool has_left = false;
    uint32_t n_nodes = graph->n_nodes; /* rewriting adds constants */
    for (uint32_t i = 0; i < n_nodes; ++i) {
        if (graph->nodes[i]->op == OP_BATCH_NORM) {
            rewrite_to_affine(graph, graph->nodes[i]);
            has_left = true;
        }
    }
    if (has_left) {
        graph_compact(graph);
    }
    return changed || has_left;
}
