/* Expressions: names, literals, attributes, indexing, pipes. Arithmetic is in operators.c, calls in elaborate_call.c.
 */
#include "frontend/elaborate.h"

/* --- names */

static void report_unknown_name(Elaborator *el, Str name, Span span)
{
    Span declared;
    const NameRef *port = map_get(el->ports, name);
    bool has_ended = names_ended(el, name, &declared);
    Suggest suggest = suggest_start(name);
    names_suggest_variables(el, &suggest);
    names_suggest_calls(el->frame->block->home, &suggest);
    bool is_lost = el->had_errors && str_is_empty(suggest.best);
    if (el->frame->is_broken || is_lost ||
        !elaborate_error(el, DIAG_UNKNOWN_NAME, span, "unknown name '" STR_FMT "'", STR_ARG(name))) {
        return;
    }
    if (has_ended) {
        elaborate_note(el, declared, "this '" STR_FMT "' ended with its body", STR_ARG(name));
        elaborate_help(el, "assign to '" STR_FMT "' before the body begins", STR_ARG(name));
    } else if (port != NULL) {
        elaborate_note(el, port->span, "an output is no variable");
        elaborate_help(el, "assign `" STR_FMT " = ...` first, then write `output " STR_FMT "`", STR_ARG(name),
                       STR_ARG(name));
    } else {
        elaborate_suggest(el, suggest);
    }
}

/* The value of a name, or an error with a suggestion. */
static Value eval_name(Elaborator *el, Str name, Span span)
{
    const Variable *variable = names_variable(el, name);
    if (variable != NULL) {
        return variable->value;
    }
    Block *block = names_block(el->frame->block->home, name);
    if (block != NULL && !block->definition->is_net) {
        return (Value){.kind = VAL_BLOCK, .as.block = block};
    }
    OpKind op;
    if (op_find(name, &op)) {
        return (Value){.kind = VAL_OP, .as.op = op};
    }
    if (builtin_find(name) != NULL) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, span,
                        "the compile-time function '" STR_FMT "' can be called, but is no value", STR_ARG(name));
        return value_error();
    }
    report_unknown_name(el, name, span);
    return value_error();
}

/* --- lists and ranges */

static Value eval_list(Elaborator *el, const Expr *expr)
{
    const ExprList *items = &expr->as.list;
    size_t first = el->stack_count;
    bool ok = true;
    for (size_t i = 0; i < items->count; ++i) {
        Value value = elaborate_expr(el, items->items[i]);
        ok &= value.kind != VAL_ERROR;
        if (value_depth(value) >= VALUE_MAX_DEPTH) {
            elaborate_error(el, DIAG_VALUE_TOO_LARGE, items->items[i]->span, "lists are nested more than %d deep",
                            VALUE_MAX_DEPTH);
            ok = false;
        }
        el->stack = arena_grow(el->arena, el->stack, el->stack_count, &el->stack_capacity, sizeof(Value));
        el->stack[el->stack_count++] = value;
    }
    Value list = value_error();
    if (items->count > VALUE_MAX_ITEMS) {
        elaborate_error(el, DIAG_VALUE_TOO_LARGE, expr->span, "a list of %zu items, at most %d are allowed",
                        items->count, VALUE_MAX_ITEMS);
    } else if (ok && elaborate_step(el, expr->span, (int64_t)(items->count / 16))) {
        list = list_append(el->arena, (Value){.kind = VAL_LIST}, el->stack + first, items->count, &el->bytes);
    }
    el->stack_count = first;
    return elaborate_memory(el, expr->span, 0) ? list : value_error();
}

static bool is_int(Elaborator *el, Value value, Span span, const char *what)
{
    if (value.kind != VAL_INT && value.kind != VAL_ERROR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, span, "%s must be an int, found " STR_FMT, what,
                        STR_ARG(value_describe(el->arena, value)));
    }
    return value.kind == VAL_INT;
}

static Value eval_range(Elaborator *el, const Expr *expr)
{
    Value from = elaborate_expr(el, expr->as.range.from);
    Value to = elaborate_expr(el, expr->as.range.to);
    bool ok = is_int(el, from, expr->as.range.from->span, "the begin of a range");
    ok &= is_int(el, to, expr->as.range.to->span, "the end of a range");
    if (!ok || !elaborate_memory(el, expr->span, sizeof(Range))) {
        return value_error();
    }
    Range *range = ARENA_NEW(el->arena, Range);
    *range = (Range){from.as.integer, to.as.integer, 1};
    return (Value){.kind = VAL_RANGE, .as.range = range};
}

static Value eval_index(Elaborator *el, const Expr *expr)
{
    const Expr *index_expr = expr->as.index.index;
    Value object = elaborate_expr(el, expr->as.index.object);
    Value index = elaborate_expr(el, index_expr);
    if (object.kind == VAL_ERROR) {
        return value_error();
    }
    if (object.kind != VAL_LIST && object.kind != VAL_RANGE) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, expr->as.index.object->span,
                        "only lists and ranges have an index, found " STR_FMT,
                        STR_ARG(value_describe(el->arena, object)));
        if (object.kind == VAL_TENSOR) {
            elaborate_help(el, "a part of a tensor: slice(x, axis, begin, end)");
        }
        return value_error();
    }
    if (!is_int(el, index, index_expr->span, "an index")) {
        return value_error();
    }
    int64_t count = object.kind == VAL_LIST ? (int64_t)object.as.list.count : range_length(object.as.range);
    int64_t at = index.as.integer;
    if (at < 0 || at >= count) {
        elaborate_error(el, DIAG_INDEX_RANGE, index_expr->span, "index %lld is outside of " STR_FMT, (long long)at,
                        STR_ARG(value_describe(el->arena, object)));
        if (at < 0 && -count <= at) {
            elaborate_help(el, "an index counts from 0; the last item is at len(...) - 1");
        }
        return value_error();
    }
    return object.kind == VAL_LIST ? list_item(object, (size_t)at) : range_item(object.as.range, at);
}

/* --- attributes */

typedef enum TensorAttribute {
    ATTRIBUTE_SHAPE,
    ATTRIBUTE_RANK,
    ATTRIBUTE_CHANNELS,
    ATTRIBUTE_HEIGHT,
    ATTRIBUTE_WIDTH,
    ATTRIBUTE_SIZE,
    ATTRIBUTE_COUNT
} TensorAttribute;
static const char *const attribute_names[ATTRIBUTE_COUNT] = {"shape", "rank", "channels", "height", "width", "size"};

static TensorAttribute find_attribute(Str name)
{
    for (int i = 0; i < ATTRIBUTE_COUNT; ++i) {
        if (str_equal(name, str_from(attribute_names[i]))) {
            return (TensorAttribute)i;
        }
    }
    return ATTRIBUTE_COUNT;
}

static Value shape_list(Elaborator *el, TensorType type)
{
    Value dims[TYPE_MAX_RANK];
    for (int i = 0; i < type.rank; ++i) {
        dims[i] = value_int(type.dim[i]);
    }
    return list_append(el->arena, (Value){.kind = VAL_LIST}, dims, type.rank, &el->bytes);
}

static Value eval_attribute(Elaborator *el, const Expr *expr)
{
    Value object = elaborate_expr(el, expr->as.attribute.object);
    Str name = expr->as.attribute.name;
    Span span = expr->as.attribute.name_span;
    if (object.kind == VAL_ERROR) {
        return object;
    }
    if (object.kind != VAL_TENSOR) {
        elaborate_error(el, DIAG_UNKNOWN_ATTRIBUTE, span,
                        STR_FMT " has no attribute '" STR_FMT "'; only tensors have attributes",
                        STR_ARG(value_describe(el->arena, object)), STR_ARG(name));
        if (object.kind == VAL_LIST) {
            elaborate_help(el, "the length of a list: len(...)");
        }
        return value_error();
    }
    TensorType type = object.as.tensor->type;
    switch (find_attribute(name)) {
    case ATTRIBUTE_SHAPE: {
        Value shape = shape_list(el, type);
        return elaborate_memory(el, expr->span, 0) ? shape : value_error();
    }
    case ATTRIBUTE_RANK:
        return value_int(type.rank);
    case ATTRIBUTE_CHANNELS:
        return value_int(type_channels(type));
    case ATTRIBUTE_SIZE:
        return value_int(type_elements(type));
    case ATTRIBUTE_HEIGHT:
    case ATTRIBUTE_WIDTH:
        if (type.rank == 3) {
            return value_int(find_attribute(name) == ATTRIBUTE_HEIGHT ? type.dim[1] : type.dim[2]);
        }
        elaborate_error(el, DIAG_UNKNOWN_ATTRIBUTE, span,
                        "%s has no " STR_FMT "; only [channels, height, width] has one", type_text(type).text,
                        STR_ARG(name));
        return value_error();
    case ATTRIBUTE_COUNT:
        break;
    }
    if (elaborate_error(el, DIAG_UNKNOWN_ATTRIBUTE, span, "a tensor has no attribute '" STR_FMT "'", STR_ARG(name))) {
        Suggest suggest = suggest_start(name);
        for (int i = 0; i < ATTRIBUTE_COUNT; ++i) {
            suggest_consider(&suggest, str_from(attribute_names[i]));
        }
        if (str_is_empty(suggest.best)) {
            elaborate_help(el, "there are: shape, rank, channels, height, width, size");
        }
        elaborate_suggest(el, suggest);
    }
    return value_error();
}

/* --- logic and choice: what is not needed is not evaluated */

static bool is_bool(Elaborator *el, Value value, Span span, const char *what)
{
    if (value.kind != VAL_BOOL && value.kind != VAL_ERROR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, span, "%s must be a bool, found " STR_FMT, what,
                        STR_ARG(value_describe(el->arena, value)));
    }
    return value.kind == VAL_BOOL;
}

static Value eval_logic(Elaborator *el, const Expr *expr)
{
    bool is_and = expr->as.binary.op == OPERATOR_AND;
    const char *what = is_and ? "an operand of `and`" : "an operand of `or`";
    Value left = elaborate_expr(el, expr->as.binary.left);
    if (!is_bool(el, left, expr->as.binary.left->span, what)) {
        return value_error();
    }
    if (left.as.truth != is_and) {
        return left;
    }
    Value right = elaborate_expr(el, expr->as.binary.right);
    return is_bool(el, right, expr->as.binary.right->span, what) ? right : value_error();
}

static Value eval_conditional(Elaborator *el, const Expr *expr)
{
    Value condition = elaborate_expr(el, expr->as.conditional.condition);
    if (!is_bool(el, condition, expr->as.conditional.condition->span, "a condition")) {
        return value_error();
    }
    return elaborate_expr(el, condition.as.truth ? expr->as.conditional.yes : expr->as.conditional.no);
}

static Value eval_binary(Elaborator *el, const Expr *expr)
{
    if (expr->as.binary.op == OPERATOR_AND || expr->as.binary.op == OPERATOR_OR) {
        return eval_logic(el, expr);
    }
    Value left = elaborate_expr(el, expr->as.binary.left);
    Value right = elaborate_expr(el, expr->as.binary.right);
    if (left.kind == VAL_ERROR || right.kind == VAL_ERROR || el->halted) {
        return value_error();
    }
    return operator_binary(el, expr->as.binary.op, left, right, expr);
}

static Value eval_unary(Elaborator *el, const Expr *expr)
{
    Value value = elaborate_expr(el, expr->as.binary.left);
    if (expr->as.binary.op == OPERATOR_NOT) {
        bool ok = is_bool(el, value, expr->as.binary.left->span, "the operand of `not`");
        return ok ? value_bool(!value.as.truth) : value_error();
    }
    return value.kind == VAL_ERROR ? value : operator_unary(el, expr->as.binary.op, value, expr);
}

static Value eval_pipe(Elaborator *el, const Expr *expr)
{
    Value piped = elaborate_expr(el, expr->as.pipe.value);
    if (expr->as.pipe.stage->kind != EXPR_CALL) {
        return value_error(); /* could not be parsed */
    }
    return elaborate_call(el, expr->as.pipe.stage, &piped, expr->as.pipe.value->span);
}

static Value eval(Elaborator *el, const Expr *expr)
{
    switch (expr->kind) {
    case EXPR_INT:
        return value_int(expr->as.integer);
    case EXPR_FLOAT:
        return value_float(expr->as.number);
    case EXPR_STRING:
        return value_string(expr->as.text);
    case EXPR_BOOL:
        return value_bool(expr->as.truth);
    case EXPR_NAME:
        return eval_name(el, expr->as.text, expr->span);
    case EXPR_LIST:
        return eval_list(el, expr);
    case EXPR_UNARY:
        return eval_unary(el, expr);
    case EXPR_BINARY:
        return eval_binary(el, expr);
    case EXPR_CONDITIONAL:
        return eval_conditional(el, expr);
    case EXPR_RANGE:
        return eval_range(el, expr);
    case EXPR_ATTRIBUTE:
        return eval_attribute(el, expr);
    case EXPR_INDEX:
        return eval_index(el, expr);
    case EXPR_CALL:
        return elaborate_call(el, expr, NULL, (Span){0, 0});
    case EXPR_PIPE:
        return eval_pipe(el, expr);
    case EXPR_ERROR:
        return value_error();
    }
    ICE("expression kind %d", (int)expr->kind);
}

Value elaborate_results(Elaborator *el, const Expr *expr)
{
    if (!elaborate_enter(el, expr->span)) {
        return value_error();
    }
    Value value = eval(el, expr);
    elaborate_leave(el);
    return el->halted ? value_error() : value;
}

Value elaborate_expr(Elaborator *el, const Expr *expr)
{
    Value value = elaborate_results(el, expr);
    if (value.kind != VAL_RESULTS) {
        return value;
    }
    if (value.as.list.count == 0) {
        elaborate_error(el, DIAG_RESULT_COUNT, expr->span, "this block returns nothing, but a value is wanted");
    } else if (elaborate_error(el, DIAG_RESULT_COUNT, expr->span,
                               "this block returns %u results, but one value is wanted",
                               (unsigned)value.as.list.count)) {
        elaborate_help(el, "give each a name: `a, b = ...`");
    }
    return value_error();
}
