/* What can be said about definitions without elaborating them: names given twice or reserved, statements in the wrong
 * place, names and calls that nothing can stand behind. So a block that is not called, or a branch that is not taken,
 * is checked, too. */
#include "frontend/elaborate.h"

typedef struct Resolver {
    Elaborator *el;
    const FileScope *scope;
    const Definition *definition;
    Map *variables; /* name -> NameRef of its first assignment: parameters, targets, loop variables, inputs */
    Map *outputs;   /* name -> NameRef */
    bool is_broken; /* something could not be parsed: names may be missing because of it */
} Resolver;

/* --- first walk: which names there are */

static void collect_body(Resolver *rs, const StmtList *body);

static void collect_name(Resolver *rs, const NameRef *name)
{
    if (!str_is_empty(name->name) && !map_has(rs->variables, name->name)) {
        map_put(rs->variables, name->name, (void *)name);
    }
}

static void collect_broken(Resolver *rs, const Stmt *stmt)
{
    NameList names;
    rs->is_broken |= !names_of_broken(rs->el, stmt, &names);
    for (size_t i = 0; i < names.count; ++i) {
        collect_name(rs, &names.items[i]);
    }
}

static void collect_stmt(Resolver *rs, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        for (size_t i = 0; i < stmt->as.assign.targets.count; ++i) {
            collect_name(rs, &stmt->as.assign.targets.items[i]);
        }
        return;
    case STMT_IF:
        collect_body(rs, &stmt->as.branch.then);
        collect_body(rs, &stmt->as.branch.otherwise);
        return;
    case STMT_FOR:
        collect_name(rs, &stmt->as.loop.variable);
        collect_body(rs, &stmt->as.loop.body);
        return;
    case STMT_INPUT:
        collect_name(rs, &stmt->as.input.name);
        return;
    case STMT_OUTPUT:
        map_put(rs->outputs, stmt->as.output.name.name, (void *)&stmt->as.output.name);
        return;
    case STMT_TRAINING:
        collect_body(rs, &stmt->as.training);
        return;
    case STMT_ERROR:
        collect_broken(rs, stmt);
        return;
    case STMT_EXPR:
    case STMT_RETURN:
        return;
    }
}

static void collect_body(Resolver *rs, const StmtList *body)
{
    for (size_t i = 0; i < body->count; ++i) {
        collect_stmt(rs, body->items[i]);
    }
}

/* --- second walk: is every name one of them? */

static void check_expr(Resolver *rs, const Expr *expr);

static bool is_known(const Resolver *rs, Str name)
{
    OpKind op;
    return map_has(rs->variables, name) || map_has(rs->scope->visible, name) || op_find(name, &op) ||
           builtin_find(name) != NULL;
}

static Suggest near_name(const Resolver *rs, Str name)
{
    Suggest suggest = suggest_start(name);
    for (size_t i = 0; i < map_count(rs->variables); ++i) {
        suggest_consider(&suggest, map_key_at(rs->variables, i));
    }
    names_suggest_calls(rs->scope, &suggest);
    return suggest;
}

/* Whether an unknown name is worth a report: not where what it stands for may be what could not be parsed. */
static bool is_news(const Resolver *rs, Suggest suggest)
{
    return !rs->is_broken && (!rs->el->had_errors || !str_is_empty(suggest.best));
}

static void check_name(Resolver *rs, Str name, Span span)
{
    if (is_known(rs, name)) {
        return;
    }
    Suggest suggest = near_name(rs, name);
    const NameRef *output = map_get(rs->outputs, name);
    if (!is_news(rs, suggest) ||
        !elaborate_error(rs->el, DIAG_UNKNOWN_NAME, span, "unknown name '" STR_FMT "'", STR_ARG(name))) {
        return;
    }
    if (output != NULL) {
        elaborate_note(rs->el, output->span, "an output is no variable");
        elaborate_help(rs->el, "assign `" STR_FMT " = ...` first, then write `output " STR_FMT "`", STR_ARG(name),
                       STR_ARG(name));
    } else {
        elaborate_suggest(rs->el, suggest);
    }
}

static void check_callee(Resolver *rs, Str name, Span span)
{
    if (is_known(rs, name)) {
        return;
    }
    Suggest suggest = near_name(rs, name);
    if (is_news(rs, suggest) &&
        elaborate_error(rs->el, DIAG_UNKNOWN_BLOCK, span, "no block or op is called '" STR_FMT "'", STR_ARG(name))) {
        elaborate_suggest(rs->el, suggest);
    }
}

static void check_exprs(Resolver *rs, const ExprList *list)
{
    for (size_t i = 0; i < list->count; ++i) {
        check_expr(rs, list->items[i]);
    }
}

static void check_call(Resolver *rs, const Expr *expr)
{
    const ArgList *args = &expr->as.call.args;
    bool is_named = false;
    check_callee(rs, expr->as.call.callee, expr->as.call.callee_span);
    for (size_t i = 0; i < args->count; ++i) {
        is_named |= !str_is_empty(args->items[i].name);
        if (is_named && str_is_empty(args->items[i].name)) {
            elaborate_error(rs->el, DIAG_SYNTAX, args->items[i].value->span, "a positional argument after a named one");
            continue;
        }
        check_expr(rs, args->items[i].value);
    }
    const Naming *naming = expr->as.call.naming;
    for (size_t i = 0; naming != NULL && i < naming->count; ++i) {
        if (naming->parts[i].index != NULL) {
            check_expr(rs, naming->parts[i].index);
        }
    }
}

static void check_expr(Resolver *rs, const Expr *expr)
{
    switch (expr->kind) {
    case EXPR_NAME:
        check_name(rs, expr->as.text, expr->span);
        return;
    case EXPR_LIST:
        check_exprs(rs, &expr->as.list);
        return;
    case EXPR_UNARY:
        check_expr(rs, expr->as.binary.left);
        return;
    case EXPR_BINARY:
        check_expr(rs, expr->as.binary.left);
        check_expr(rs, expr->as.binary.right);
        return;
    case EXPR_CONDITIONAL:
        check_expr(rs, expr->as.conditional.condition);
        check_expr(rs, expr->as.conditional.yes);
        check_expr(rs, expr->as.conditional.no);
        return;
    case EXPR_RANGE:
        check_expr(rs, expr->as.range.from);
        check_expr(rs, expr->as.range.to);
        return;
    case EXPR_ATTRIBUTE:
        check_expr(rs, expr->as.attribute.object);
        return;
    case EXPR_INDEX:
        check_expr(rs, expr->as.index.object);
        check_expr(rs, expr->as.index.index);
        return;
    case EXPR_CALL:
        check_call(rs, expr);
        return;
    case EXPR_PIPE:
        check_expr(rs, expr->as.pipe.value);
        check_expr(rs, expr->as.pipe.stage);
        return;
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_ERROR:
        return;
    }
}

/* --- places of statements. `is_tail`: nothing of the definition runs after this body. */

static void check_body(Resolver *rs, const StmtList *body, bool is_tail);

static void check_place(Resolver *rs, const Stmt *stmt, bool is_last)
{
    bool is_net = rs->definition->is_net;
    Span keyword = {stmt->span.lo, stmt->span.lo + (uint32_t)strlen("training")};
    Span span = stmt->kind == STMT_TRAINING ? keyword : stmt->span; /* not the whole section */
    const char *what = stmt->kind == STMT_INPUT    ? "an input"
                       : stmt->kind == STMT_OUTPUT ? "an output"
                                                   : "a training section";
    if (stmt->kind != STMT_RETURN && !is_net) {
        elaborate_error(rs->el, DIAG_MISPLACED_STATEMENT, span, "%s in a block; it belongs to a net", what);
        elaborate_help(rs->el, stmt->kind == STMT_INPUT    ? "a block takes tensors as parameters"
                               : stmt->kind == STMT_OUTPUT ? "a block gives its results with `return`"
                                                           : "a block may `return` what the training section needs");
    } else if (stmt->kind == STMT_RETURN && is_net) {
        elaborate_error(rs->el, DIAG_MISPLACED_STATEMENT, span, "a net does not return");
        elaborate_help(rs->el, "write `output NAME = ...`");
    } else if (stmt->kind == STMT_RETURN && !is_last && !rs->el->had_errors) { /* else braces may be missing */
        elaborate_error(rs->el, DIAG_MISPLACED_STATEMENT, span, "`return` must be the last statement of its block");
        elaborate_help(rs->el, "assign the result to a variable and return it at the end");
    }
}

static void check_type(Resolver *rs, const TypeExpr *type)
{
    check_exprs(rs, &type->dims);
}

static void check_stmt(Resolver *rs, const Stmt *stmt, bool is_last)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        check_expr(rs, stmt->as.assign.value);
        return;
    case STMT_EXPR:
        check_expr(rs, stmt->as.expr);
        return;
    case STMT_IF:
        check_expr(rs, stmt->as.branch.condition);
        check_body(rs, &stmt->as.branch.then, is_last);
        check_body(rs, &stmt->as.branch.otherwise, is_last);
        return;
    case STMT_FOR:
        check_expr(rs, stmt->as.loop.over);
        check_body(rs, &stmt->as.loop.body, false);
        return;
    case STMT_RETURN:
        check_place(rs, stmt, is_last);
        check_exprs(rs, &stmt->as.values);
        return;
    case STMT_INPUT:
        check_place(rs, stmt, is_last);
        check_type(rs, &stmt->as.input.type);
        return;
    case STMT_OUTPUT:
        check_place(rs, stmt, is_last);
        check_expr(rs, stmt->as.output.value);
        return;
    case STMT_TRAINING:
        check_place(rs, stmt, is_last);
        check_body(rs, &stmt->as.training, false);
        return;
    case STMT_ERROR:
        return;
    }
}

static void check_body(Resolver *rs, const StmtList *body, bool is_tail)
{
    size_t end = body->count; /* of what could be parsed */
    while (end > 0 && body->items[end - 1]->kind == STMT_ERROR) {
        --end;
    }
    for (size_t i = 0; i < body->count; ++i) {
        check_stmt(rs, body->items[i], is_tail && i + 1 >= end);
    }
}

/* --- heads of definitions */

static void check_reserved(Resolver *rs)
{
    Str name = rs->definition->name;
    OpKind op;
    bool is_op = op_find(name, &op);
    if (is_op || builtin_find(name) != NULL) {
        elaborate_error(rs->el, DIAG_RESERVED_NAME, rs->definition->name_span, "'" STR_FMT "' is the name of %s",
                        STR_ARG(name), is_op ? "an op" : "a compile-time function");
        elaborate_help(rs->el, "take another name, for example 'my_" STR_FMT "'", STR_ARG(name));
    }
}

static void check_params(Resolver *rs)
{
    const ParamList *params = &rs->definition->params;
    Map *seen = map_create(rs->el->arena);
    for (size_t i = 0; i < params->count; ++i) {
        const Param *param = &params->items[i];
        if (param->fallback != NULL) {
            check_expr(rs, param->fallback);
        }
        const Param *other = map_get(seen, param->name);
        if (other != NULL && elaborate_error(rs->el, DIAG_DUPLICATE_DEFINITION, param->span,
                                             "a second parameter '" STR_FMT "'", STR_ARG(param->name))) {
            elaborate_note(rs->el, other->span, "the first is here");
        }
        map_put(seen, param->name, (void *)param);
    }
}

static void collect_params(Resolver *rs)
{
    const ParamList *params = &rs->definition->params;
    for (size_t i = 0; i < params->count; ++i) {
        NameRef *name = ARENA_NEW(rs->el->arena, NameRef);
        *name = (NameRef){params->items[i].name, params->items[i].span};
        collect_name(rs, name);
    }
}

void resolve_file(Elaborator *el, const FileScope *scope)
{
    for (size_t i = 0; i < scope->file->n_definitions; ++i) {
        Resolver rs = {.el = el,
                       .scope = scope,
                       .definition = &scope->file->definitions[i],
                       .variables = map_create(el->arena),
                       .outputs = map_create(el->arena)};
        check_reserved(&rs);
        collect_params(&rs);
        check_params(&rs);
        collect_body(&rs, &rs.definition->body);
        check_body(&rs, &rs.definition->body, true);
    }
}
