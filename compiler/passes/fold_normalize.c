/* fold_normalize: the preparation of pixels, (x*scale - mean[c]) / std[c], goes into the weights of the first layer.
 *
 *   before   %1 = normalize %0 {mean=[1.0, 2.0, 3.0], std=[0.5, 1.0, 4.0]} : f32[3,224,224]
 *            %2 = conv %1 {channels=32, kernel=[3, 3]} weight=@c.weight bias=@c.bias : f32[32,222,222]
 *   after    %1 = conv %0 {channels=32, kernel=[3, 3]} weight=(@c.weight *{axis=1} [2.0, 1.0, 0.25])
 *                 bias=(@c.bias + dot(@c.weight, [-2.0, -2.0, -0.75])) : f32[32,222,222]
 *
 * requires          nothing
 * keeps             values up to rounding, at padded borders too: with a mean other than 0 the layer must have no
 *                   padding, because it pads the prepared image with 0, which is a pixel of value `mean`
 * does not handle   u8 inputs (normalize also converts to f32), several readers, a mean before groups or conv_transpose
 */
#include "passes/linear.h"
#include "passes/rewrite.h"

static double entry(const FloatList *list, int32_t channel)
{
    return list->values[list->count == 1 ? 0 : channel];
}

static bool has_mean(const Node *node)
{
    const FloatList *mean = &node->attr.misc.mean;
    for (int32_t i = 0; i < mean->count; ++i) {
        if (mean->values[i] != 0.0) {
            return true;
        }
    }
    return false;
}

/* The layer that can take the normalize node in; else NULL. */
static Node *match_normalize(const Rewriter *rewriter, const Node *node)
{
    if (node->op != OP_NORMALIZE || node->inputs[0]->type.dtype != DT_F32) {
        return NULL;
    }
    Node *layer = rewriter_only_reader(rewriter, node);
    FoldQuery query = {.has_vector_scale = node->attr.misc.std.count > 1, .has_shift = has_mean(node)};
    bool reads_as_input = layer != NULL && layer->n_data > 0 && layer->inputs[0] == node;
    return reads_as_input && linear_takes_input(layer, query) ? layer : NULL;
}

static void rewrite_normalize(Rewriter *rewriter, Node *node, Node *layer)
{
    const MiscAttr *attr = &node->attr.misc;
    int32_t channels = type_channels(node->type), n_scales = attr->std.count == 1 ? 1 : channels;
    NodeSource source = {node->path, node->span, node->site};
    double *scale = ARENA_ARRAY(rewriter->scratch, double, n_scales);
    double *shift = ARENA_ARRAY(rewriter->scratch, double, channels);
    for (int32_t c = 0; c < n_scales; ++c) {
        scale[c] = attr->scale / entry(&attr->std, c);
    }
    for (int32_t c = 0; c < channels; ++c) {
        shift[c] = -entry(&attr->mean, c) / entry(&attr->std, c);
    }
    Graph *graph = rewriter->graph;
    ChannelAffine affine = {.scale = graph_add_values(graph, type_f32_1(n_scales), scale, source)};
    if (has_mean(node)) {
        affine.plus = graph_add_values(graph, type_f32_1(channels), shift, source);
    }
    linear_fold_input(graph, layer, &affine);
    rewriter_bypass(rewriter, node, node->inputs[0]);
}

static bool walk(PassContext *context, Graph *graph)
{
    Rewriter rewriter = rewriter_start(context, graph);
    for (uint32_t i = 0; i < rewriter.n_known; ++i) {
        Node *node = rewriter_visit(&rewriter, i);
        Node *layer = match_normalize(&rewriter, node);
        if (layer != NULL) {
            rewrite_normalize(&rewriter, node, layer);
        }
    }
    return rewriter_finish(&rewriter);
}

bool fold_normalize(PassContext *context, Graph *graph)
{
    return rewriter_repeat(walk, context, graph);
}
