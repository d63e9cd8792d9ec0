/* Calls of blocks: which argument each parameter gets, and the frame in which the body is evaluated. In a file of its
 * own so that its large locals weigh only on nested calls, not on every nested expression. */
#include "frontend/elaborate.h"

/* --- arguments */

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

/* --- the call */

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

Value elaborate_block(Elaborator *el, Block *block, const CallArgs *args, const OpPlace *place, bool opens_scope)
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
