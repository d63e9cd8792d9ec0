/* The graph: SSA over tensors of logical shape. Everything lives in the graph's arena.
 *
 * A node's inputs are first its data inputs (n_data of them; with adds_residual the last of them is the
 * residual), then its weights: OP_CONST nodes that say their role. Constant nodes form recipes over
 * constants (see ConstExpr); they carry no values of trained weights. */
#ifndef CNNC_IR_GRAPH_H
#define CNNC_IR_GRAPH_H

#include "ir/op.h"
#include "support/diag.h"

/* A fused activation: OP_IDENTITY = none. */
typedef struct Activation {
    OpKind op; /* an op with OPF_ACT */
    ActAttr attr;
} Activation;

typedef struct Node Node;
struct Node {
    OpKind op;
    uint32_t id; /* dense index into graph->nodes, topological; changes with graph_compact */
    Node **inputs;
    uint32_t n_inputs, n_data;
    TensorType type;
    Attr attr;
    /* Epilogue, for ops with OPF_EPILOGUE: y = act(op(x, weights) + residual); with OPF_ACTIVATED: no residual. */
    bool adds_residual;
    Activation act;
    Str path; /* "layer1.0.conv1": scope and name; never empty but for unnamed elementwise results of operators */
    Span span;
    const CallSite *site;
};

typedef struct Port {
    Str name;
    Node *node;
    Span span;
} Port;

typedef struct Graph {
    Arena *arena;
    Str name;  /* of the net */
    Span span; /* of that name in its .net file; {0, 0}: it was written nowhere */
    const Sources *sources;
    Node **nodes; /* topological: inputs before users */
    uint32_t n_nodes;
    size_t node_capacity;
    Port *inputs, *outputs; /* in declared order */
    uint32_t n_inputs, n_outputs;
    size_t input_capacity, output_capacity;
} Graph;

Graph *graph_create(Arena *arena, Str name, const Sources *sources);

/* --- building. New nodes go to the end of the node list. graph_add copies inputs and attributes, infers the type and
 * resolves "same" padding; on a shape error it reports to `diag` and returns NULL. Weights are attached afterwards.
 * `attr` NULL: the op's defaults. */
typedef struct NodeSource { /* where a node comes from */
    Str path;
    Span span;
    const CallSite *site;
} NodeSource;

Node *graph_add(Graph *graph, OpKind op, const Attr *attr, Node *const *data, uint32_t n_data, NodeSource source,
                Diag *diag);
Node *graph_add_input(Graph *graph, Str name, TensorType type, bool hwc, Span span); /* also appends the port */
void graph_add_output(Graph *graph, Str name, Node *node, Span span);
Node *graph_add_weight(Graph *graph, Str name, TensorType type, WeightRole role, NodeSource source);
Node *graph_add_values(Graph *graph, TensorType type, const double *values, NodeSource source); /* copies values */
/* A recipe over constants; its type follows from the operands (CONST_DOT, CONST_RESHAPE, CONST_CONCAT: `type`). `b` may
 * be NULL. */
Node *graph_add_recipe(Graph *graph, ConstAttr recipe, Node *a, Node *b, TensorType type);
void graph_attach_weight(Graph *graph, Node *node, Node *weight); /* appends to node's inputs */

/* --- reading */
Node *node_weight(const Node *node, WeightRole role); /* NULL where it has none */
Node *node_residual(const Node *node);                /* NULL where it adds none */
bool node_is_constant(const Node *node);              /* OP_CONST */
Str node_label(Arena *arena, const Node *node);       /* "conv 'layer1.0.conv1'" for messages */
/* Uses of each node, by id: arrays in the scratch arena, outputs of the graph not included. */
typedef struct Uses {
    uint32_t *count; /* [n_nodes] reads by other nodes */
    Node ***user;    /* [n_nodes][count] */
    bool *is_output; /* [n_nodes] read by an output port */
} Uses;
Uses graph_uses(const Graph *graph, Arena *scratch);
/* True where `node` is read once, by another node, and is no output: it may be merged into its reader. */
bool uses_once(const Uses *uses, const Node *node);

/* --- rewriting. The node list may hold unreachable or out-of-order nodes until graph_compact. */
/* Every reader of `old` (nodes and output ports) but `replacement` itself reads `replacement` instead. ICE where the
 * types differ. */
void graph_replace(Graph *graph, Node *old, Node *replacement);
/* Sets one role's weight (adds it where absent, removes where NULL), keeps the order of roles in the op table. */
void graph_set_weight(Graph *graph, Node *node, WeightRole role, Node *weight);
void graph_set_data(Graph *graph, Node *node, Node *const *data, uint32_t n_data);
/* Drops nodes that no output reads (input ports stay), sorts topologically (stable), renumbers ids. True where any node
 * went. */
bool graph_compact(Graph *graph);

/* --- shape.c: types from inputs and attributes */
/* Sets node->type from node->inputs[0..n_data) and attributes; resolves "same" padding (edges are set, `same` becomes
 * false), sets channels and groups of depthwise_conv and stride of subsample.
 * Reports to diag (with the call chain) and returns false where the op cannot take these inputs. */
bool shape_infer(Node *node, Diag *diag);
/* Type of the weight of one role; valid after shape_infer. */
TensorType shape_of_weight(const Node *node, WeightRole role);
int64_t node_macs(const Node *node);   /* multiply-accumulates of a convolution or dense layer; else 0 */
int64_t node_params(const Node *node); /* trained scalars of its own weights (shared weights counted at each reader) */

/* --- verify.c */
/* Checks every invariant; on a violation writes one sentence naming node and invariant to *message. */
bool graph_verify(const Graph *graph, Arena *scratch, Str *message);

/* --- dump.c, dot.c: text for people and golden tests; deterministic, no addresses */
void graph_dump(const Graph *graph, StrBuf *out);
void graph_dot(const Graph *graph, StrBuf *out);
/* A constant's recipe, e.g. "@conv1.weight * (@bn1.weight * rsqrt(@bn1.running_var + 1e-05))": dumps and fingerprints.
 */
void graph_format_constant(const Node *constant, StrBuf *out);

#endif
