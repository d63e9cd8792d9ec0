/* The verifier: every invariant of a graph, checked after elaboration and after each pass. A violation is a bug of
 * cnnc, never of the user, and comes as one sentence: which node, which invariant. */
#include "ir/graph.h"

#include <stdarg.h>

#include "support/map.h"

typedef struct Verify {
    const Graph *graph;
    Arena *scratch;
    Str *message;
    Map *weights; /* name -> first CONST_WEIGHT node of that name */
    Diag *diag;   /* takes what inference says; read only where it fails */
} Verify;

static bool broken(Verify *v, const Node *node, const char *format, ...) PRINTF(3, 4);
static bool broken(Verify *v, const Node *node, const char *format, ...)
{
    StrBuf text = {0};
    if (node != NULL) {
        strbuf_printf(&text, "node %u, " STR_FMT ": ", node->id, STR_ARG(node_label(v->scratch, node)));
    }
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    *v->message = arena_copy(v->scratch, strbuf_view(&text));
    strbuf_free(&text);
    return false;
}

static bool in_list(const Graph *graph, const Node *node)
{
    return node != NULL && node->id < graph->n_nodes && graph->nodes[node->id] == node;
}

/* --- types and attributes */

static bool check_type(Verify *v, const Node *node)
{
    TensorType type = node->type;
    int max_rank = node->op == OP_CONST ? TYPE_MAX_RANK : 3;
    if (type.rank < 1 || type.rank > max_rank) {
        return broken(v, node, "its type has rank %d", type.rank);
    }
    int64_t dims[TYPE_MAX_RANK];
    for (int i = 0; i < TYPE_MAX_RANK; ++i) {
        dims[i] = type.dim[i];
        if (i < type.rank ? dims[i] < 1 : dims[i] != 0) {
            return broken(v, node, "dim %d of its type is %d", i, (int)dims[i]);
        }
    }
    if (type_count(type.rank, dims) < 0) {
        return broken(v, node, "its type %s has too many elements", type_text(type).text);
    }
    return true;
}

static bool in_bounds(const OpParam *param, const void *at)
{
    int count = 0;
    switch (param->type) {
    case PARAM_INT:
        count = 1;
        break;
    case PARAM_PAIR:
        count = 2;
        break;
    case PARAM_PADS:
    case PARAM_PADS_SAME:
        at = ((const Pads *)at)->edge;
        count = 4;
        break;
    case PARAM_FLOAT:
        return *(const double *)at >= param->lo && *(const double *)at <= param->hi; /* false for NaN */
    case PARAM_BOOL:
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
    case PARAM_INTS:
    case PARAM_FLOATS:
    case PARAM_TABLE:
        break; /* lists depend on the inputs: shape_infer checks them */
    }
    for (int i = 0; i < count; ++i) {
        if (((const int32_t *)at)[i] < param->lo || ((const int32_t *)at)[i] > param->hi) {
            return false;
        }
    }
    return true;
}

static bool check_params(Verify *v, const Node *node, OpKind op, const Attr *attr)
{
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        const void *at = (const char *)attr + param->offset;
        if (!in_bounds(param, at)) {
            return broken(v, node, "parameter '%s' of %s is out of bounds", param->name, op_info(op)->name);
        }
        if (param->type == PARAM_PADS_SAME && ((const Pads *)at)->same) {
            return broken(v, node, "\"same\" padding is not resolved");
        }
    }
    return true;
}

/* --- inputs and outputs of a node */

static bool check_inputs(Verify *v, const Node *node)
{
    if (node->n_data > node->n_inputs) {
        return broken(v, node, "%u of %u inputs are data", node->n_data, node->n_inputs);
    }
    for (uint32_t i = 0; i < node->n_inputs; ++i) {
        if (!in_list(v->graph, node->inputs[i])) {
            return broken(v, node, "input %u is not in the graph", i);
        }
        if (node->inputs[i]->id >= node->id) {
            return broken(v, node, "input %u comes after it: the order is not topological", i);
        }
    }
    return true;
}

static bool check_epilogue(Verify *v, const Node *node)
{
    bool may_fuse = (op_info(node->op)->flags & OPF_EPILOGUE) != 0;
    if (node->adds_residual && !may_fuse) {
        return broken(v, node, "its op cannot add a residual");
    }
    if ((unsigned)node->act.op >= OP_COUNT || (op_info(node->act.op)->flags & OPF_ACT) == 0) {
        return broken(v, node, "its fused activation is no activation");
    }
    bool may_act = may_fuse || (op_info(node->op)->flags & OPF_ACTIVATED) != 0;
    if (node->act.op != OP_IDENTITY && !may_act) {
        return broken(v, node, "its op cannot have a fused activation");
    }
    Attr attr = {.act = node->act.attr};
    return check_params(v, node, node->act.op, &attr);
}

static bool check_data(Verify *v, const Node *node)
{
    const OpInfo *info = op_info(node->op);
    if (node->adds_residual && node->n_data == 0) {
        return broken(v, node, "it adds a residual and has no data inputs");
    }
    int n = (int)node->n_data - (node->adds_residual ? 1 : 0);
    if (n < info->min_inputs || (info->max_inputs != OP_ANY && n > info->max_inputs)) {
        return broken(v, node, "it has %d data inputs", n);
    }
    for (uint32_t i = 0; i < node->n_data; ++i) {
        const Node *input = node->inputs[i];
        if (node_is_constant(input) && input->attr.constant.role != ROLE_NONE) {
            return broken(v, node, "data input %u is a weight", i);
        }
    }
    return true;
}

/* Exactly the weights that the op table and the attributes ask for, in the table's order. */
static bool check_weights(Verify *v, const Node *node)
{
    WeightRole roles[4];
    uint32_t count = (uint32_t)op_weights(node->op, &node->attr, roles);
    uint32_t n_weights = node->n_inputs - node->n_data;
    for (uint32_t i = 0; i < n_weights || i < count; ++i) {
        if (i >= n_weights) {
            return broken(v, node, "its %s is missing", role_name(roles[i]));
        }
        const Node *weight = node->inputs[node->n_data + i];
        if (!node_is_constant(weight)) {
            return broken(v, node, "weight input %u is no constant", i);
        }
        if (i >= count) {
            return broken(v, node, "it has a weight too many, '%s'", role_name(weight->attr.constant.role));
        }
        if (weight->attr.constant.role != roles[i]) {
            return broken(v, node, "weight input %u has role '%s' and should have '%s'", i,
                          role_name(weight->attr.constant.role), role_name(roles[i]));
        }
        TensorType wanted = shape_of_weight(node, roles[i]);
        if (!type_equal(weight->type, wanted)) {
            return broken(v, node, "its %s is %s and should be %s", role_name(roles[i]), type_text(weight->type).text,
                          type_text(wanted).text);
        }
    }
    return true;
}

/* The type and the attributes that inference derives are what it derives today. */
static bool check_inferred(Verify *v, const Node *node)
{
    Node copy = *node;
    if (!shape_infer(&copy, v->diag)) {
        Str text = diag_text(v->diag);
        const char *end = memchr(text.ptr, '\n', text.len);
        return broken(v, node, "its inputs do not fit: %.*s", end == NULL ? (int)text.len : (int)(end - text.ptr),
                      text.ptr);
    }
    if (!type_equal(copy.type, node->type)) {
        return broken(v, node, "its type is %s and should be %s", type_text(node->type).text,
                      type_text(copy.type).text);
    }
    if (node->op == OP_DEPTHWISE_CONV &&
        (copy.attr.conv.groups != node->attr.conv.groups || copy.attr.conv.channels != node->attr.conv.channels)) {
        return broken(v, node, "its channels or groups do not follow from its input");
    }
    if (node->op == OP_SUBSAMPLE && (copy.attr.pool.stride[0] != node->attr.pool.stride[0] ||
                                     copy.attr.pool.stride[1] != node->attr.pool.stride[1])) {
        return broken(v, node, "its stride is not its kernel");
    }
    return true;
}

/* --- constants */

static bool check_leaf(Verify *v, const Node *node)
{
    const ConstAttr *constant = &node->attr.constant;
    if (constant->expr == CONST_VALUES) {
        return constant->values != NULL || broken(v, node, "a literal without values");
    }
    if (str_is_empty(constant->name)) {
        return broken(v, node, "a weight without a name");
    }
    const Node *first = map_get(v->weights, constant->name);
    if (first == NULL) {
        map_put(v->weights, constant->name, (void *)node);
    } else if (!type_equal(first->type, node->type)) {
        return broken(v, node, "weight '" STR_FMT "' is %s here and %s in node %u", STR_ARG(constant->name),
                      type_text(node->type).text, type_text(first->type).text, first->id);
    }
    return true;
}

static bool check_binary(Verify *v, const Node *node)
{
    TensorType a = node->inputs[0]->type;
    TensorType b = node->inputs[1]->type;
    int32_t axis = node->attr.constant.axis;
    if (!type_equal(node->type, a)) {
        return broken(v, node, "a recipe of type %s from a first operand %s", type_text(node->type).text,
                      type_text(a).text);
    }
    if (type_equal(a, b) || (b.rank == 1 && b.dim[0] == 1)) {
        return true;
    }
    if (b.rank != 1 || axis < 0 || axis >= a.rank || a.dim[axis] != b.dim[0]) {
        return broken(v, node, "operand %s does not lie along axis %d of %s", type_text(b).text, (int)axis,
                      type_text(a).text);
    }
    return true;
}

static bool check_dot(Verify *v, const Node *node)
{
    TensorType a = node->inputs[0]->type;
    TensorType b = node->inputs[1]->type;
    if (a.rank < 2 || b.rank != 1 || a.dim[1] != b.dim[0] || node->type.rank != 1 || node->type.dim[0] != a.dim[0]) {
        return broken(v, node, "dot of %s and %s cannot give %s", type_text(a).text, type_text(b).text,
                      type_text(node->type).text);
    }
    return true;
}

static bool check_concat(Verify *v, const Node *node)
{
    TensorType a = node->inputs[0]->type, b = node->inputs[1]->type, whole = a;
    int32_t axis = node->attr.constant.axis;
    bool fits = axis >= 0 && axis < a.rank && axis < b.rank;
    if (fits) {
        whole.dim[axis] += b.dim[axis];
        b.dim[axis] = a.dim[axis];
    }
    if (!fits || !type_equal(a, b) || !type_equal(whole, node->type)) {
        return broken(v, node, "concat of %s and %s along axis %d cannot give %s", type_text(a).text,
                      type_text(node->inputs[1]->type).text, (int)axis, type_text(node->type).text);
    }
    return true;
}

static bool check_hwc_to_chw(Verify *v, const Node *node)
{
    TensorType a = node->inputs[0]->type;
    const int32_t *hwc = node->attr.constant.hwc;
    if (!type_equal(a, node->type) || a.rank != 2 || hwc[0] < 1 || hwc[1] < 1 || hwc[2] < 1 ||
        type_count(3, (const int64_t[]){hwc[0], hwc[1], hwc[2]}) != a.dim[1]) {
        return broken(v, node, "columns of %s are no %d x %d x %d", type_text(a).text, (int)hwc[0], (int)hwc[1],
                      (int)hwc[2]);
    }
    return true;
}

static bool check_constant(Verify *v, const Node *node)
{
    ConstExpr expr = node->attr.constant.expr;
    uint32_t operands = 1;
    switch (expr) {
    case CONST_WEIGHT:
    case CONST_VALUES:
        operands = 0;
        break;
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
    case CONST_DOT:
    case CONST_CONCAT:
        operands = 2;
        break;
    case CONST_RSQRT:
    case CONST_HWC_TO_CHW:
    case CONST_RESHAPE:
        break;
    }
    if (node->n_data != operands || node->n_inputs != operands) {
        return broken(v, node, "a constant of kind %d with %u operands", (int)expr, node->n_inputs);
    }
    for (uint32_t i = 0; i < operands; ++i) {
        if (!node_is_constant(node->inputs[i])) {
            return broken(v, node, "operand %u of a constant is no constant", i);
        }
    }
    if (node->type.dtype != DT_F32) {
        return broken(v, node, "a constant of type %s", type_text(node->type).text);
    }
    switch (expr) {
    case CONST_WEIGHT:
    case CONST_VALUES:
        return check_leaf(v, node);
    case CONST_ADD:
    case CONST_SUB:
    case CONST_MUL:
    case CONST_DIV:
        return check_binary(v, node);
    case CONST_DOT:
        return check_dot(v, node);
    case CONST_HWC_TO_CHW:
        return check_hwc_to_chw(v, node);
    case CONST_CONCAT:
        return check_concat(v, node);
    case CONST_RSQRT:
        if (!type_equal(node->type, node->inputs[0]->type)) {
            return broken(v, node, "rsqrt of another type than its operand");
        }
        return true;
    case CONST_RESHAPE:
        if (type_elements(node->type) != type_elements(node->inputs[0]->type)) {
            return broken(v, node, "a reshape that changes the number of elements");
        }
        return true;
    }
    return broken(v, node, "a constant of unknown kind %d", (int)expr);
}

/* --- nodes and ports */

static bool check_input_node(Verify *v, const Node *node)
{
    uint32_t ports = 0;
    for (uint32_t i = 0; i < v->graph->n_inputs; ++i) {
        ports += v->graph->inputs[i].node == node;
    }
    if (ports != 1) {
        return broken(v, node, "it is read by %u input ports", ports);
    }
    if (node->n_inputs != 0) {
        return broken(v, node, "an input that has inputs");
    }
    if (node->type.dtype == DT_I32) {
        return broken(v, node, "an input of type %s", type_text(node->type).text);
    }
    if (node->attr.input.hwc && node->type.rank != 3) {
        return broken(v, node, "hwc on type %s", type_text(node->type).text);
    }
    return true;
}

static bool check_node(Verify *v, const Node *node)
{
    if ((unsigned)node->op >= OP_COUNT) {
        return broken(v, NULL, "node %u has op number %d", node->id, (int)node->op);
    }
    if (!check_type(v, node) || !check_inputs(v, node) || !check_epilogue(v, node)) {
        return false;
    }
    if (node->op == OP_INPUT) {
        return check_input_node(v, node);
    }
    if (node->op == OP_CONST) {
        return check_constant(v, node);
    }
    return check_params(v, node, node->op, &node->attr) && check_data(v, node) && check_inferred(v, node) &&
           check_weights(v, node);
}

static bool check_ports(Verify *v)
{
    const Graph *graph = v->graph;
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        if (!in_list(graph, graph->inputs[i].node) || graph->inputs[i].node->op != OP_INPUT) {
            return broken(v, NULL, "input port %u is no input node of the graph", i);
        }
    }
    Map *names = map_create(v->scratch);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        if (!in_list(graph, graph->outputs[i].node)) {
            return broken(v, NULL, "output port %u reads a node that is not in the graph", i);
        }
        if (str_is_empty(graph->outputs[i].name) || map_has(names, graph->outputs[i].name)) {
            return broken(v, NULL, "output port %u has no name of its own", i);
        }
        map_put(names, graph->outputs[i].name, graph->outputs[i].node);
    }
    if (graph->n_outputs == 0) {
        return broken(v, NULL, "the graph has no output");
    }
    return true;
}

static bool verify_all(Verify *v)
{
    const Graph *graph = v->graph;
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (graph->nodes[n] == NULL || graph->nodes[n]->id != n) {
            return broken(v, NULL, "the node at place %u has another id: the graph is not compact", n);
        }
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (!check_node(v, graph->nodes[n])) {
            return false;
        }
    }
    return check_ports(v);
}

bool graph_verify(const Graph *graph, Arena *scratch, Str *message)
{
    Verify v = {
        .graph = graph,
        .scratch = scratch,
        .message = message,
        .weights = map_create(scratch),
        .diag = diag_create(scratch, graph->sources),
    };
    bool ok = verify_all(&v);
    diag_destroy(v.diag);
    return ok;
}
