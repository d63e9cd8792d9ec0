/* Calls: finding what is called, evaluating the arguments, and calling a block. Ops are called in elaborate_op.c,
 * compile-time functions in builtins.c. */
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

/* --- blocks */

static size_t find_param(const ParamList *params, Str name)
{
    size_t index = 0;
    while (index < params->count && !str_equal(params->items[index].name, name)) {
        ++index;
    }
    return index;
}

static void report_unknown_param(Elaborator *el, const Definition *block, Str name, Span span)
{
    if (!elaborate_error(el, DIAG_UNKNOWN_PARAMETER, span, "block '" STR_FMT "' has no parameter '" STR_FMT "'",
                         STR_ARG(block->name), STR_ARG(name))) {
        return;
    }
    Suggest suggest = suggest_start(name);
    for (size_t i = 0; i < block->params.count; ++i) {
        suggest_consider(&suggest, block->params.items[i].name);
    }
    elaborate_suggest(el, suggest);
    elaborate_note(el, block->name_span, "block '" STR_FMT "' is defined here", STR_ARG(block->name));
}

/* Which argument each parameter gets: `given[p]` is its index + 1, or 0. False after an error. */
static bool match_args(Elaborator *el, const Definition *block, const CallArgs *args, size_t *given)
{
    const ParamList *params = &block->params;
    bool ok = true, is_misspelt = false;
    for (size_t i = 0; i < args->count; ++i) {
        Str name = args_name(args, i);
        size_t at = str_is_empty(name) ? i : find_param(params, name);
        if (at < params->count && given[at] == 0) {
            given[at] = i + 1;
            continue;
        }
        ok = false;
        if (at < params->count) {
            elaborate_error(el, DIAG_DUPLICATE_ARGUMENT, args_name_span(args, i), "'" STR_FMT "' is given twice",
                            STR_ARG(name));
            elaborate_note(el, args_span(args, given[at] - 1), "it has its value here already");
        } else if (!str_is_empty(name)) {
            report_unknown_param(el, block, name, args_name_span(args, i));
            is_misspelt = true; /* perhaps the one that is missing */
        } else {
            elaborate_error(el, DIAG_TOO_MANY_ARGUMENTS, args_span(args, i),
                            "block '" STR_FMT "' takes %zu argument%s, this is number %zu", STR_ARG(block->name),
                            params->count, params->count == 1 ? "" : "s", i + 1);
            elaborate_note(el, block->name_span, "block '" STR_FMT "' is defined here", STR_ARG(block->name));
            break;
        }
    }
    for (size_t p = 0; p < params->count && !is_misspelt; ++p) {
        if (given[p] == 0 && params->items[p].fallback == NULL) {
            ok = false;
            elaborate_error(el, DIAG_MISSING_ARGUMENT, args->call->as.call.callee_span,
                            "block '" STR_FMT "' needs '" STR_FMT "'", STR_ARG(block->name),
                            STR_ARG(params->items[p].name));
            elaborate_note(el, params->items[p].span, "the parameter has no default");
            break; /* one report a call: they would all stand at the same place */
        }
    }
    return ok;
}

static void report_recursion(Elaborator *el, const Block *block, Span span)
{
    elaborate_error(el, DIAG_RECURSION, span, "block '" STR_FMT "' calls itself", STR_ARG(block->definition->name));
    elaborate_help(el, "a network is finite: repeat with `for`");
}

static Value run_block(Elaborator *el, const CallArgs *args, const size_t *given)
{
    const Definition *definition = el->frame->block->definition;
    for (size_t p = 0; p < definition->params.count; ++p) {
        const Param *param = &definition->params.items[p];
        Value value = given[p] > 0 ? args_value(el, args, given[p] - 1) : elaborate_expr(el, param->fallback);
        names_declare(el, (NameRef){param->name, param->span}, value);
    }
    el->frame->result = (Value){.kind = VAL_RESULTS};
    elaborate_body(el, &definition->body);
    bool lost = el->had_errors && !el->frame->has_returned; /* perhaps the return could not be parsed */
    return lost || el->halted ? value_error() : el->frame->result;
}

static Value call_block(Elaborator *el, Block *block, const CallArgs *args, const OpPlace *place, bool opens_scope)
{
    size_t *given = NULL;
    size_t n_params = block->definition->params.count;
    size_t few[16] = {0};
    if (n_params <= sizeof few / sizeof few[0]) {
        given = few;
    } else if (elaborate_memory(el, args->call->span, n_params * sizeof *given)) {
        given = ARENA_ARRAY(el->arena, size_t, n_params);
    }
    if (given == NULL || !match_args(el, block->definition, args, given)) {
        return value_error();
    }
    if (block->active) {
        report_recursion(el, block, args->call->span);
        return value_error();
    }
    if (el->frame->depth >= ELABORATE_MAX_CALLS) {
        elaborate_error(el, DIAG_CALL_DEPTH, args->call->span, "blocks call each other more than %d deep",
                        ELABORATE_MAX_CALLS);
        return value_error();
    }
    NameScope opened = {.path = place->path, .is_shared = place->is_shared};
    Frame frame = {
        .caller = el->frame,
        .block = block,
        .scope = opens_scope ? &opened : el->frame->scope,
        .level = 1,
        .depth = el->frame->depth + 1,
        .serial = ++el->n_frames,
        .site = {.span = place->span, .block = block->definition->name, .path = opens_scope ? place->path : STR("")}};
    el->frame = &frame;
    block->active = true;
    Value result = run_block(el, args, given);
    names_close(el);
    block->active = false;
    el->frame = frame.caller;
    return result;
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
    names_suggest_calls(el, el->frame->block->home, &suggest);
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
            result = call_block(el, callee.block, &args, &place, is_named);
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
