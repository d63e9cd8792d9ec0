/* The graph: building, reading and rewriting. Types come from shape.c; nothing here knows what an op computes.
 *
 * Ids are dense indices into graph->nodes at all times: a new node takes the next one, graph_compact renumbers. So an
 * array of n_nodes items is the way to keep facts about nodes aside. */
#include "ir/graph.h"

Graph *graph_create(Arena *arena, Str name, const Sources *sources)
{
    Graph *graph = ARENA_NEW(arena, Graph);
    graph->arena = arena;
    graph->name = arena_copy(arena, name);
    graph->sources = sources;
    return graph;
}

/* --- building */

static Node *new_node(Graph *graph, OpKind op, NodeSource source)
{
    Node *node = ARENA_NEW(graph->arena, Node);
    node->op = op;
    node->act.op = OP_IDENTITY;
    node->path = source.path;
    node->span = source.span;
    node->site = source.site;
    return node;
}

static Node *append_node(Graph *graph, Node *node)
{
    if (graph->n_nodes == UINT32_MAX) {
        out_of_memory();
    }
    graph->nodes = arena_grow(graph->arena, graph->nodes, graph->n_nodes, &graph->node_capacity, sizeof(Node *));
    node->id = graph->n_nodes;
    graph->nodes[graph->n_nodes++] = node;
    return node;
}

static void set_inputs(Graph *graph, Node *node, Node *const *data, uint32_t n_data)
{
    node->inputs = ARENA_ARRAY(graph->arena, Node *, n_data);
    for (uint32_t i = 0; i < n_data; ++i) {
        node->inputs[i] = data[i];
    }
    node->n_inputs = node->n_data = n_data;
}

static void *copy_array(Arena *arena, const void *items, int32_t count, size_t item_bytes)
{
    if (count <= 0) {
        return NULL;
    }
    void *copy = arena_array(arena, (size_t)count, item_bytes);
    memcpy(copy, items, (size_t)count * item_bytes);
    return copy;
}

/* Lists of attributes go to the graph's arena, so that the caller's may live anywhere. */
static void own_lists(Arena *arena, OpKind op, Attr *attr)
{
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        void *at = (char *)attr + param->offset;
        if (param->type == PARAM_INTS) {
            IntList *list = at;
            list->values = copy_array(arena, list->values, list->count, sizeof *list->values);
        } else if (param->type == PARAM_FLOATS) {
            FloatList *list = at;
            list->values = copy_array(arena, list->values, list->count, sizeof *list->values);
        } else if (param->type == PARAM_TABLE) {
            IntTable *table = at;
            if (table->n_rows > 0) {
                table->start = copy_array(arena, table->start, table->n_rows + 1, sizeof *table->start);
                table->values = copy_array(arena, table->values, table->start[table->n_rows], sizeof *table->values);
            }
        }
    }
}

Node *graph_add(Graph *graph, OpKind op, const Attr *attr, Node *const *data, uint32_t n_data, NodeSource source,
                Diag *diag)
{
    const OpInfo *info = op_info(op);
    if ((int)n_data < info->min_inputs || (info->max_inputs != OP_ANY && (int)n_data > info->max_inputs)) {
        ICE("op %s with %u inputs", info->id, n_data); /* the elaborator counts arguments */
    }
    Node *node = new_node(graph, op, source);
    if (attr == NULL) {
        op_attr_defaults(op, &node->attr);
        op_attr_finish(op, &node->attr);
    } else {
        node->attr = *attr;
    }
    own_lists(graph->arena, op, &node->attr);
    set_inputs(graph, node, data, n_data);
    if (!shape_infer(node, diag)) {
        return NULL;
    }
    return append_node(graph, node);
}

Node *graph_add_input(Graph *graph, Str name, TensorType type, bool hwc, Span span)
{
    Node *node = new_node(graph, OP_INPUT, (NodeSource){.path = arena_copy(graph->arena, name), .span = span});
    node->attr.input.hwc = hwc;
    node->type = type;
    graph->inputs = arena_grow(graph->arena, graph->inputs, graph->n_inputs, &graph->input_capacity, sizeof(Port));
    graph->inputs[graph->n_inputs++] = (Port){node->path, node, span};
    return append_node(graph, node);
}

void graph_add_output(Graph *graph, Str name, Node *node, Span span)
{
    graph->outputs = arena_grow(graph->arena, graph->outputs, graph->n_outputs, &graph->output_capacity, sizeof(Port));
    graph->outputs[graph->n_outputs++] = (Port){arena_copy(graph->arena, name), node, span};
}

Node *graph_add_weight(Graph *graph, Str name, TensorType type, WeightRole role, NodeSource source)
{
    Node *node = new_node(graph, OP_CONST, source);
    node->attr.constant.expr = CONST_WEIGHT;
    node->attr.constant.role = role;
    node->attr.constant.name = arena_copy(graph->arena, name);
    node->type = type;
    return append_node(graph, node);
}

Node *graph_add_values(Graph *graph, TensorType type, const double *values, NodeSource source)
{
    Node *node = new_node(graph, OP_CONST, source);
    node->attr.constant.expr = CONST_VALUES;
    node->attr.constant.values = copy_array(graph->arena, values, (int32_t)type_elements(type), sizeof *values);
    node->type = type;
    return append_node(graph, node);
}

Node *graph_add_recipe(Graph *graph, ConstAttr recipe, Node *a, Node *b, TensorType type)
{
    Node *node = new_node(graph, OP_CONST, (NodeSource){.path = a->path, .span = a->span, .site = a->site});
    Node *operands[] = {a, b};
    node->attr.constant = recipe;
    set_inputs(graph, node, operands, b == NULL ? 1 : 2);
    bool has_own_type = recipe.expr == CONST_DOT || recipe.expr == CONST_RESHAPE || recipe.expr == CONST_CONCAT;
    node->type = has_own_type ? type : a->type;
    return append_node(graph, node);
}

void graph_attach_weight(Graph *graph, Node *node, Node *weight)
{
    Node **inputs = ARENA_ARRAY(graph->arena, Node *, node->n_inputs + 1);
    for (uint32_t i = 0; i < node->n_inputs; ++i) {
        inputs[i] = node->inputs[i];
    }
    inputs[node->n_inputs++] = weight;
    node->inputs = inputs;
}

/* --- reading */

bool node_is_constant(const Node *node)
{
    return node->op == OP_CONST;
}

Node *node_weight(const Node *node, WeightRole role)
{
    for (uint32_t i = node->n_data; i < node->n_inputs; ++i) {
        if (node_is_constant(node->inputs[i]) && node->inputs[i]->attr.constant.role == role) {
            return node->inputs[i];
        }
    }
    return NULL;
}

Node *node_residual(const Node *node)
{
    return node->adds_residual ? node->inputs[node->n_data - 1] : NULL;
}

Str node_label(Arena *arena, const Node *node)
{
    const char *name = op_name(node->op);
    if (str_is_empty(node->path)) {
        return str_from(name);
    }
    return arena_printf(arena, "%s '" STR_FMT "'", name, STR_ARG(node->path));
}

Uses graph_uses(const Graph *graph, Arena *scratch)
{
    Uses uses = {
        .count = ARENA_ARRAY(scratch, uint32_t, graph->n_nodes),
        .user = ARENA_ARRAY(scratch, Node **, graph->n_nodes),
        .is_output = ARENA_ARRAY(scratch, bool, graph->n_nodes),
    };
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        for (uint32_t i = 0; i < graph->nodes[n]->n_inputs; ++i) {
            ++uses.count[graph->nodes[n]->inputs[i]->id];
        }
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        uses.user[n] = ARENA_ARRAY(scratch, Node *, uses.count[n]);
        uses.count[n] = 0; /* counted again while the users are noted */
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        for (uint32_t i = 0; i < graph->nodes[n]->n_inputs; ++i) {
            uint32_t read = graph->nodes[n]->inputs[i]->id;
            uses.user[read][uses.count[read]++] = graph->nodes[n];
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        uses.is_output[graph->outputs[i].node->id] = true;
    }
    return uses;
}

bool uses_once(const Uses *uses, const Node *node)
{
    return uses->count[node->id] == 1 && !uses->is_output[node->id];
}

/* --- rewriting */

void graph_replace(Graph *graph, Node *old, Node *replacement)
{
    if (!type_equal(old->type, replacement->type)) {
        ICE("replacing %s by %s of another type", type_text(old->type).text, type_text(replacement->type).text);
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        Node *reader = graph->nodes[n];
        if (reader == replacement) {
            continue; /* a replacement that wraps `old` goes on reading it */
        }
        for (uint32_t i = 0; i < reader->n_inputs; ++i) {
            if (reader->inputs[i] == old) {
                reader->inputs[i] = replacement;
            }
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        if (graph->outputs[i].node == old) {
            graph->outputs[i].node = replacement;
        }
    }
}

void graph_set_weight(Graph *graph, Node *node, WeightRole role, Node *weight)
{
    const OpInfo *info = op_info(node->op);
    Node **inputs = ARENA_ARRAY(graph->arena, Node *, node->n_inputs + 1);
    uint32_t count = 0;
    for (; count < node->n_data; ++count) {
        inputs[count] = node->inputs[count];
    }
    for (int i = 0; i < 4 && info->weights[i] != ROLE_NONE; ++i) {
        Node *kept = info->weights[i] == role ? weight : node_weight(node, info->weights[i]);
        if (kept != NULL) {
            inputs[count++] = kept;
        }
    }
    node->inputs = inputs;
    node->n_inputs = count;
}

void graph_set_data(Graph *graph, Node *node, Node *const *data, uint32_t n_data)
{
    uint32_t n_weights = node->n_inputs - node->n_data;
    Node **inputs = ARENA_ARRAY(graph->arena, Node *, n_data + n_weights);
    for (uint32_t i = 0; i < n_data; ++i) {
        inputs[i] = data[i];
    }
    for (uint32_t i = 0; i < n_weights; ++i) {
        inputs[n_data + i] = node->inputs[node->n_data + i];
    }
    node->inputs = inputs;
    node->n_data = n_data;
    node->n_inputs = n_data + n_weights;
}

/* A depth-first walk with its own stack: a chain of a million nodes must not overflow the machine's. */
typedef struct Walk {
    bool *seen; /* by id: on the stack or done */
    struct {
        Node *node;
        uint32_t next; /* input to look at next */
    } * stack;
    uint32_t depth;
    Node **order; /* inputs before their readers */
    uint32_t n_order;
} Walk;

static void push(Walk *walk, Node *node)
{
    if (!walk->seen[node->id]) {
        walk->seen[node->id] = true;
        walk->stack[walk->depth].node = node;
        walk->stack[walk->depth].next = 0;
        ++walk->depth;
    }
}

static void visit(Walk *walk, Node *root)
{
    push(walk, root);
    while (walk->depth > 0) {
        Node *node = walk->stack[walk->depth - 1].node;
        uint32_t next = walk->stack[walk->depth - 1].next++;
        if (next < node->n_inputs) {
            push(walk, node->inputs[next]);
        } else {
            walk->order[walk->n_order++] = node;
            --walk->depth;
        }
    }
}

static Walk walk_start(const Graph *graph, Arena *scratch)
{
    Walk walk = {.seen = ARENA_ARRAY(scratch, bool, graph->n_nodes),
                 .order = ARENA_ARRAY(scratch, Node *, graph->n_nodes)};
    walk.stack = arena_array(scratch, graph->n_nodes, sizeof *walk.stack);
    return walk;
}

bool graph_compact(Graph *graph)
{
    Arena *scratch = arena_create();
    Walk live = walk_start(graph, scratch);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        visit(&live, graph->outputs[i].node);
    }
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        visit(&live, graph->inputs[i].node); /* input ports stay: they are part of the interface */
    }
    /* Walking again in the present order keeps it wherever it is a topological one. */
    Walk sorted = walk_start(graph, scratch);
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (live.seen[n]) {
            visit(&sorted, graph->nodes[n]);
        }
    }
    bool dropped = sorted.n_order < graph->n_nodes;
    graph->n_nodes = sorted.n_order;
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        graph->nodes[n] = sorted.order[n];
        graph->nodes[n]->id = n;
    }
    arena_destroy(scratch);
    return dropped;
}
