/* Calls: finding what is called, evaluating the arguments, naming. Blocks are called in elaborate_block.c, ops in
 * elaborate_op.c, compile-time functions in builtins.c. */
#include "frontend/elaborate.h"

/* --- arguments */

Value args_value(const Elaborator *el, const CallArgs *args, size_t index)
{
    return el->stack[args->first + index];
}

static const Arg *written(const CallArgs *args, size_t index)
{
    return &args->call->as.call.args.items[index - (args->is_piped ? 1 : 0)];
}

Span args_span(const CallArgs *args, size_t index)
{
    return args->is_piped && index == 0 ? args->piped_span : written(args, index)->value->span;
}

Str args_name(const CallArgs *args, size_t index)
{
    return args->is_piped && index == 0 ? STR("") : written(args, index)->name;
}

Span args_name_span(const CallArgs *args, size_t index)
{
    return args->is_piped && index == 0 ? args->piped_span : written(args, index)->name_span;
}

static void push(Elaborator *el, Value value)
{
    el->stack = arena_grow(el->arena, el->stack, el->stack_count, &el->stack_capacity, sizeof(Value));
    el->stack[el->stack_count++] = value;
}

static void eval_args(Elaborator *el, const Expr *call, const Value *piped)
{
    if (piped != NULL) {
        push(el, *piped);
    }
    for (size_t i = 0; i < call->as.call.args.count; ++i) {
        Value value = elaborate_expr(el, call->as.call.args.items[i].value);
        push(el, value);
    }
}

/* A positional argument after a named one was reported by resolve.c: what it stands for is anybody's guess. */
static bool is_ordered(const CallArgs *args)
{
    bool named = false;
    for (size_t i = 0; i < args->count; ++i) {
        if (!str_is_empty(args_name(args, i))) {
            named = true;
        } else if (named) {
            return false;
        }
    }
    return true;
}

/* --- what is called */

typedef struct Callee {
    enum { CALLEE_UNKNOWN, CALLEE_BLOCK, CALLEE_OP, CALLEE_FUNCTION } kind;
    Block *block;
    OpKind op;
    const Builtin *builtin;
} Callee;

static void report_unknown_callee(Elaborator *el, const Expr *call, const Variable *variable)
{
    Str name = call->as.call.callee;
    Span span = call->as.call.callee_span;
    if (variable != NULL) {
        if (variable->value.kind != VAL_ERROR) {
            elaborate_error(el, DIAG_TYPE_MISMATCH, span, "'" STR_FMT "' is no block or op, found " STR_FMT,
                            STR_ARG(name), STR_ARG(value_describe(el->arena, variable->value)));
        }
        return;
    }
    const Block *net = names_block(el->frame->block->home, name);
    if (net != NULL) {
        elaborate_error(el, DIAG_UNKNOWN_BLOCK, span, "'" STR_FMT "' is a net, and nets cannot be called",
                        STR_ARG(name));
        elaborate_help(el, "move what both need into a block");
        return;
    }
    Suggest suggest = suggest_start(name);
    names_suggest_calls(el->frame->block->home, &suggest);
    bool is_lost = el->had_errors && str_is_empty(suggest.best);
    if (!el->frame->is_broken && !is_lost &&
        elaborate_error(el, DIAG_UNKNOWN_BLOCK, span, "no block or op is called '" STR_FMT "'", STR_ARG(name))) {
        elaborate_suggest(el, suggest);
    }
}

/* A call looks for a variable that holds a block or op, then for blocks, ops and functions. So `pad = 1` does not hide
 * the op `pad`. */
static Callee find_callee(Elaborator *el, const Expr *call)
{
    Str name = call->as.call.callee;
    const Variable *variable = names_variable(el, name);
    Callee callee = {.kind = CALLEE_UNKNOWN};
    if (variable != NULL && variable->value.kind == VAL_BLOCK) {
        callee.kind = CALLEE_BLOCK;
        callee.block = variable->value.as.block;
        return callee;
    }
    if (variable != NULL && variable->value.kind == VAL_OP) {
        callee.kind = CALLEE_OP;
        callee.op = variable->value.as.op;
        return callee;
    }
    callee.block = names_block(el->frame->block->home, name);
    callee.builtin = builtin_find(name);
    if (callee.block != NULL && !callee.block->definition->is_net) {
        callee.kind = CALLEE_BLOCK;
    } else if (op_find(name, &callee.op)) {
        callee.kind = CALLEE_OP;
    } else if (callee.builtin != NULL) {
        callee.kind = CALLEE_FUNCTION;
    } else {
        report_unknown_callee(el, call, variable);
    }
    return callee;
}

/* --- naming */

/* The call without its `as path`, and without the blanks before that. */
static Span span_without_naming(const Elaborator *el, const Expr *call)
{
    Span span = call->span;
    const Naming *naming = call->as.call.naming;
    const SourceFile *file = naming == NULL ? NULL : sources_locate(el->sources, span.lo).file;
    if (file == NULL || naming->span.lo < span.lo || naming->span.lo > span.hi) {
        return span;
    }
    span.hi = naming->span.lo;
    while (span.hi > span.lo + 1 && strchr(" \t\r\n", file->text.ptr[span.hi - 1 - file->base]) != NULL) {
        --span.hi;
    }
    return span;
}

/* Where the call makes its node, and under which name. */
static OpPlace place_of_call(Elaborator *el, const Expr *call, bool *is_named)
{
    const Naming *naming = call->as.call.naming;
    OpPlace place = {.span = span_without_naming(el, call), .path = STR(""), .is_shared = el->frame->scope->is_shared};
    *is_named = naming != NULL;
    if (naming != NULL) {
        place.is_failed = !path_of_naming(el, naming, &place.path);
        place.is_shared |= naming->is_shared;
    }
    return place;
}

Value elaborate_call(Elaborator *el, const Expr *call, const Value *piped, Span piped_span)
{
    size_t first = el->stack_count;
    bool is_named = false;
    Value result = value_error();
    Callee callee = find_callee(el, call);
    eval_args(el, call, piped);
    OpPlace place = place_of_call(el, call, &is_named);
    CallArgs args = {call, first, el->stack_count - first, piped != NULL, piped_span};
    if (is_ordered(&args) && elaborate_step(el, call->span, 1)) {
        if (callee.kind == CALLEE_BLOCK && !(is_named && place.is_failed)) {
            result = elaborate_block(el, callee.block, &args, &place, is_named);
        } else if (callee.kind == CALLEE_OP) {
            result = elaborate_op(el, callee.op, &args, place);
        } else if (callee.kind == CALLEE_FUNCTION && is_named) {
            elaborate_error(el, DIAG_TYPE_MISMATCH, call->as.call.naming->span,
                            "'" STR_FMT "' is a compile-time function: it has no weights to name",
                            STR_ARG(call->as.call.callee));
        } else if (callee.kind == CALLEE_FUNCTION) {
            result = builtin_call(el, callee.builtin, &args);
        }
    }
    el->stack_count = first;
    return result;
}
