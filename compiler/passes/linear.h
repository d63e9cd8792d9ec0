/* Folding a scale and shift per channel into the weights of a layer that is linear in its input: conv, depthwise_conv,
 * conv_transpose, dense. Weights stay symbolic: what is made here are recipes (ir/attr.h, ConstExpr). A layer gets
 * recipes of its own, so weights that other layers share stay as they are. */
#ifndef CNNC_PASSES_LINEAR_H
#define CNNC_PASSES_LINEAR_H

#include "ir/graph.h"

/* y = (x - minus[c]) * scale[c] + plus[c]. Constants: vectors [C], `scale` also [1]; NULL: not there (0, 1, 0). */
typedef struct ChannelAffine {
    Node *minus, *scale, *plus;
} ChannelAffine;

/* --- recipes */
Node *recipe_binary(Graph *graph, ConstExpr expr, Node *a, Node *b, int32_t axis);
Node *recipe_rsqrt(Graph *graph, Node *a, double eps);
/* A literal [count], all equal, that is a weight of one role (ROLE_NONE: an operand), told to come from `origin`'s
 * place. */
Node *recipe_values(Graph *graph, int32_t count, double value, WeightRole role, const Node *origin);
/* The constant as a weight of one role: itself where it says so, else a recipe for it. */
Node *recipe_for_role(Graph *graph, Node *constant, WeightRole role);

/* False for a constant that is deep enough: recipes are evaluated and printed by recursion, so no pass may let one grow
 * with the length of the net. */
bool recipe_has_room(const Node *constant);

/* scale and plus - minus*scale of an affine as weights [channels], made where it has none: for a node of op affine. */
Node *affine_weight(Graph *graph, const ChannelAffine *affine, int32_t channels, const Node *origin);
Node *affine_bias(Graph *graph, const ChannelAffine *affine, int32_t channels, const Node *origin);

/* What is to be folded, as far as the question whether it can be: pure, nothing is built. */
typedef struct FoldQuery {
    bool has_vector_scale; /* one factor a channel, not one for all */
    bool has_shift;        /* adds anything but 0 */
} FoldQuery;

/* Can affine(layer(x)) become layer(x) with other weights? The caller makes sure that nobody else reads layer(x). */
bool linear_takes_output(const Node *layer, FoldQuery query);
void linear_fold_output(Graph *graph, Node *layer, const ChannelAffine *affine);

/* Can layer(affine(x)) become layer(x) with other weights? Exact at padded borders: there the layer sees 0, not
 * affine(0). */
bool linear_takes_input(const Node *layer, FoldQuery query);
void linear_fold_input(Graph *graph, Node *layer, const ChannelAffine *affine);

#endif
