/* Calls of ops: tensors first, then the parameters of the op table; the node, its weights and its name. */
#include "frontend/elaborate.h"

#include <math.h>

/* --- parameters */

static size_t param_index(OpKind op, const OpParam *param)
{
    return (size_t)(param - op_info(op)->params);
}

static size_t param_count(OpKind op)
{
    size_t count = 0;
    while (op_info(op)->params[count].name != NULL) {
        ++count;
    }
    return count;
}

static void report_unknown_param(Elaborator *el, OpKind op, Str name, Span span)
{
    if (!elaborate_error(el, DIAG_UNKNOWN_PARAMETER, span, "%s has no parameter '" STR_FMT "'", op_info(op)->name,
                         STR_ARG(name))) {
        return;
    }
    Suggest suggest = suggest_start(name);
    StrBuf list = {0};
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        suggest_consider(&suggest, str_from(param->name));
        strbuf_printf(&list, "%s%s", list.len == 0 ? "" : ", ", param->name);
    }
    elaborate_suggest(el, suggest);
    if (str_is_empty(suggest.best) && list.len > 0) {
        elaborate_help(el, "its parameters: %s", list.ptr);
    }
    strbuf_free(&list);
}

static void report_missing(Elaborator *el, OpKind op, const size_t *given, Span span)
{
    StrBuf list = {0};
    for (size_t p = 0; p < param_count(op); ++p) {
        const OpParam *param = &op_info(op)->params[p];
        if (given[p] == 0 && param->fallback == NULL) {
            strbuf_printf(&list, "%s'%s' (%s)", list.len == 0 ? "" : ", ", param->name, param->doc);
        }
    }
    elaborate_error(el, DIAG_MISSING_ARGUMENT, span, "%s needs %s", op_info(op)->name, list.ptr);
    elaborate_help(el, "for example: %s", op_info(op)->example);
    strbuf_free(&list);
}

/* Fills the attributes from the arguments after the first `n_data`. False after an error. Without `is_sure` the data
 * inputs are wrong, so that a missing parameter may just stand in a tensor's place: nothing is said about it. */
static bool read_params(Elaborator *el, OpKind op, const CallArgs *args, size_t n_data, bool is_sure, Attr *attr)
{
    enum { MOST_PARAMS = 32 };
    size_t given[MOST_PARAMS] = {0}; /* index of the argument + 1 */
    size_t count = param_count(op);
    if (count > MOST_PARAMS) {
        ICE("op %s has %zu parameters", op_info(op)->id, count);
    }
    bool ok = true, is_missing = false;
    op_attr_defaults(op, attr);
    for (size_t i = n_data; i < args->count; ++i) {
        Str name = args_name(args, i);
        const OpParam *param = str_is_empty(name) ? NULL : op_param(op, name);
        size_t at = str_is_empty(name) ? i - n_data : param == NULL ? count : param_index(op, param);
        if (at >= count && !str_is_empty(name)) {
            report_unknown_param(el, op, name, args_name_span(args, i));
            ok = is_sure = false; /* perhaps the missing one, misspelt */
        } else if (at >= count) {
            elaborate_error(el, DIAG_TOO_MANY_ARGUMENTS, args_span(args, i),
                            "%s takes %zu argument%s, this is number %zu", op_info(op)->name, n_data + count,
                            n_data + count == 1 ? "" : "s", i + 1);
            return false;
        } else if (given[at] != 0) {
            elaborate_error(el, DIAG_DUPLICATE_ARGUMENT, args_name_span(args, i), "'" STR_FMT "' is given twice",
                            STR_ARG(name));
            elaborate_note(el, args_span(args, given[at] - 1), "it has its value here already");
            ok = false;
        } else {
            given[at] = i + 1;
            ok &= op_args_set(el, op, &op_info(op)->params[at], args_value(el, args, i), args_span(args, i), attr);
        }
    }
    for (size_t p = 0; p < count; ++p) {
        is_missing |= given[p] == 0 && op_info(op)->params[p].fallback == NULL;
    }
    if (is_missing && is_sure) {
        report_missing(el, op, given, args->call->as.call.callee_span);
    }
    if (ok && !is_missing) {
        op_attr_finish(op, attr);
    }
    return ok && !is_missing;
}

/* --- nodes */

/* Adds the node and its weights; an error value after a report. */
static Value add_node(Elaborator *el, OpKind op, const Attr *attr, Node *const *data, size_t n_data, OpPlace place)
{
    if (el->halted || elaborate_has_failed(el, place.span)) {
        return value_error();
    }
    if (el->graph->n_nodes >= ELABORATE_MAX_NODES) {
        elaborate_error(el, DIAG_TOO_MANY_NODES, place.span, "the net has more than %d nodes", ELABORATE_MAX_NODES);
        el->halted = true;
        return value_error();
    }
    NodeSource source = {.path = place.path, .span = place.span, .site = elaborate_site(el)};
    Node *node = graph_add(el->graph, op, attr, data, (uint32_t)n_data, source, el->diag);
    if (node == NULL) {
        elaborate_note_failure(el, place.span);
        return value_error();
    }
    path_add_weights(el, node, place);
    return value_tensor(node);
}

static Node *number_node(Elaborator *el, Value value, OpPlace place)
{
    double number = value_number(value);
    NodeSource source = {.path = STR(""), .span = place.span, .site = elaborate_site(el)};
    return graph_add_values(el->graph, type_f32_1(1), &number, source);
}

Value elaborate_elementwise(Elaborator *el, OpKind op, Value a, Value b, OpPlace place)
{
    /* Of the operands that may change places, the tensor comes first. */
    if (op != OP_SUB && a.kind != VAL_TENSOR) {
        Value swap = a;
        a = b;
        b = swap;
    }
    const Value *operands[2] = {&a, &b};
    Node *data[2];
    Attr attr;
    for (int i = 0; i < 2; ++i) {
        bool is_number = value_is_number(*operands[i]);
        if (is_number && fabs(value_number(*operands[i])) > 3.4028234663852886e38) {
            elaborate_error(el, DIAG_VALUE_RANGE, place.span, "the number %g is beyond what f32 can hold",
                            value_number(*operands[i]));
            return value_error();
        }
        data[i] = is_number ? number_node(el, *operands[i], place) : operands[i]->as.tensor;
    }
    op_attr_defaults(op, &attr);
    return add_node(el, op, &attr, data, 2, place);
}

/* --- data inputs */

static bool takes_numbers(OpKind op)
{
    return op == OP_ADD || op == OP_SUB || op == OP_MUL;
}

static void report_no_tensor(Elaborator *el, OpKind op, Value found, Span span, size_t index)
{
    const OpInfo *info = op_info(op);
    if (elaborate_error(el, DIAG_TYPE_MISMATCH, span, "argument %zu of %s must be a tensor, found " STR_FMT, index + 1,
                        info->name, STR_ARG(value_describe(el->arena, found)))) {
        elaborate_help(el, "for example: %s", info->example);
    }
}

static size_t count_positional(const CallArgs *args)
{
    size_t count = 0;
    while (count < args->count && str_is_empty(args_name(args, count))) {
        ++count;
    }
    return count;
}

/* How many of the arguments are data inputs: all positional ones where their number is open. False after an error. */
static bool count_data(Elaborator *el, OpKind op, const CallArgs *args, size_t *n_data)
{
    const OpInfo *info = op_info(op);
    size_t positional = count_positional(args);
    *n_data = info->max_inputs == OP_ANY ? positional : (size_t)info->max_inputs;
    if (positional < (size_t)info->min_inputs || *n_data > positional) {
        elaborate_error(el, DIAG_MISSING_ARGUMENT, args->call->as.call.callee_span, "%s needs %d tensor%s, found %zu",
                        info->name, info->min_inputs, info->min_inputs == 1 ? "" : "s", positional);
        elaborate_help(el, "for example: %s", info->example);
        *n_data = positional;
        return false;
    }
    return true;
}

/* What the data inputs are worth. */
typedef enum DataState {
    DATA_GOOD,
    DATA_UNKNOWN /* an error, reported elsewhere */,
    DATA_WRONG /* reported here */
} DataState;

static DataState judge(Elaborator *el, OpKind op, Value value, Span span, size_t index)
{
    if (value.kind == VAL_TENSOR || value.kind == VAL_ERROR) {
        return value.kind == VAL_TENSOR ? DATA_GOOD : DATA_UNKNOWN;
    }
    report_no_tensor(el, op, value, span, index);
    return DATA_WRONG;
}

static DataState push_tensor(Elaborator *el, OpKind op, Value value, Span span, size_t index)
{
    el->stack = arena_grow(el->arena, el->stack, el->stack_count, &el->stack_capacity, sizeof(Value));
    el->stack[el->stack_count++] = value;
    return judge(el, op, value, span, index);
}

static DataState worse(DataState a, DataState b)
{
    return a > b ? a : b;
}

/* Puts the data inputs on the stack; a list stands for its items where their number is open. */
static DataState push_data(Elaborator *el, OpKind op, const CallArgs *args, size_t n_data)
{
    DataState state = DATA_GOOD;
    bool is_open = op_info(op)->max_inputs == OP_ANY;
    for (size_t i = 0; i < n_data; ++i) {
        Value value = args_value(el, args, i);
        size_t items = is_open && value.kind == VAL_LIST ? value.as.list.count : 1;
        for (size_t k = 0; k < items; ++k) {
            bool is_item = is_open && value.kind == VAL_LIST;
            state = worse(state, push_tensor(el, op, is_item ? list_item(value, k) : value, args_span(args, i), i));
        }
    }
    return state;
}

/* add, sub and mul take a number for one of their tensors. */
static DataState push_operands(Elaborator *el, OpKind op, const CallArgs *args)
{
    DataState state = DATA_GOOD;
    for (size_t i = 0; i < 2; ++i) {
        Value other = args_value(el, args, 1 - i);
        bool may_be_number = other.kind == VAL_TENSOR || other.kind == VAL_ERROR;
        if (!may_be_number || !value_is_number(args_value(el, args, i))) {
            state = worse(state, judge(el, op, args_value(el, args, i), args_span(args, i), i));
        }
    }
    return state;
}

static Value add_general(Elaborator *el, OpKind op, size_t first, const Attr *attr, const Expr *call, OpPlace place)
{
    size_t count = el->stack_count - first;
    if (count < (size_t)op_info(op)->min_inputs) {
        elaborate_error(el, DIAG_MISSING_ARGUMENT, call->span, "%s of an empty list", op_info(op)->name);
        return value_error();
    }
    if (!elaborate_memory(el, place.span, count > 16 ? count * sizeof(Node *) : 0)) {
        return value_error();
    }
    Node **data = ARENA_ARRAY(el->arena, Node *, count);
    for (size_t i = 0; i < count; ++i) {
        data[i] = el->stack[first + i].as.tensor;
    }
    return add_node(el, op, attr, data, count, place);
}

Value elaborate_op(Elaborator *el, OpKind op, const CallArgs *args, OpPlace place)
{
    Attr attr;
    size_t n_data = 0, first = el->stack_count;
    if (args->call->as.call.naming == NULL) {
        place.path = path_automatic(el, op); /* counts also where the call fails: the names of the others stay */
    }
    if (!count_data(el, op, args, &n_data)) {
        return value_error();
    }
    DataState data = takes_numbers(op) ? push_operands(el, op, args) : push_data(el, op, args, n_data);
    bool ok = read_params(el, op, args, n_data, data != DATA_WRONG, &attr);
    Value result = value_error();
    if (ok && data == DATA_GOOD) {
        result = takes_numbers(op)
                     ? elaborate_elementwise(el, op, args_value(el, args, 0), args_value(el, args, 1), place)
                     : add_general(el, op, first, &attr, args->call, place);
    }
    el->stack_count = first;
    return result;
}
