/* Constructors of the syntax tree: one for each action of parse.y. Each knows the depth of its parts, so that
 * nothing deeper than AST_MAX_DEPTH is ever built: such a part is reported and becomes EXPR_ERROR or STMT_ERROR. */
#include "frontend/parser.h"

const char *operator_text(Operator op)
{
    switch (op) {
    case OPERATOR_ADD:
        return "+";
    case OPERATOR_SUB:
        return "-";
    case OPERATOR_MUL:
        return "*";
    case OPERATOR_DIV:
        return "/";
    case OPERATOR_FLOOR_DIV:
        return "//";
    case OPERATOR_MOD:
        return "%";
    case OPERATOR_EQ:
        return "==";
    case OPERATOR_NE:
        return "!=";
    case OPERATOR_LT:
        return "<";
    case OPERATOR_LE:
        return "<=";
    case OPERATOR_GT:
        return ">";
    case OPERATOR_GE:
        return ">=";
    case OPERATOR_AND:
        return "and";
    case OPERATOR_OR:
        return "or";
    case OPERATOR_NOT:
        return "not";
    case OPERATOR_NEG:
        return "-";
    }
    ICE("operator %d", (int)op);
}

/* --- depth */

static uint32_t deeper(uint32_t depth, const Expr *part)
{
    return part != NULL && part->depth > depth ? part->depth : depth;
}

static uint32_t deepest_expr(ExprList list)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < list.count; ++i) {
        depth = deeper(depth, list.items[i]);
    }
    return depth;
}

static uint32_t deepest_stmt(StmtList list)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < list.count; ++i) {
        depth = list.items[i]->depth > depth ? list.items[i]->depth : depth;
    }
    return depth;
}

/* --- expressions */

static Expr *new_expr(Parser *ps, ExprKind kind, Span span, uint32_t depth_of_parts)
{
    Expr *expr = ARENA_NEW(ps->arena, Expr);
    expr->kind = kind;
    expr->span = span;
    expr->depth = depth_of_parts + 1;
    return expr;
}

/* The last step of every constructor with parts. */
static Expr *bounded(Parser *ps, Expr *expr)
{
    if (expr->depth <= AST_MAX_DEPTH) {
        return expr;
    }
    parser_too_deep(ps, expr->span);
    return ast_bad(ps, expr->span);
}

Expr *ast_int(Parser *ps, Span span, int64_t value)
{
    Expr *expr = new_expr(ps, EXPR_INT, span, 0);
    expr->as.integer = value;
    return expr;
}

Expr *ast_float(Parser *ps, Span span, double value)
{
    Expr *expr = new_expr(ps, EXPR_FLOAT, span, 0);
    expr->as.number = value;
    return expr;
}

Expr *ast_string(Parser *ps, Span span, Str text)
{
    Expr *expr = new_expr(ps, EXPR_STRING, span, 0);
    expr->as.text = text;
    return expr;
}

Expr *ast_bool(Parser *ps, Span span, bool value)
{
    Expr *expr = new_expr(ps, EXPR_BOOL, span, 0);
    expr->as.truth = value;
    return expr;
}

Expr *ast_name(Parser *ps, Span span, Str name)
{
    Expr *expr = new_expr(ps, EXPR_NAME, span, 0);
    expr->as.text = name;
    return expr;
}

Expr *ast_bad(Parser *ps, Span span)
{
    return new_expr(ps, EXPR_ERROR, span, 0);
}

Expr *ast_list(Parser *ps, Span span, ExprList items)
{
    Expr *expr = new_expr(ps, EXPR_LIST, span, deepest_expr(items));
    expr->as.list = items;
    return bounded(ps, expr);
}

Expr *ast_unary(Parser *ps, Span span, Operator op, Span op_span, Expr *operand)
{
    Expr *expr = new_expr(ps, EXPR_UNARY, span, operand->depth);
    expr->as.binary.op = op;
    expr->as.binary.op_span = op_span;
    expr->as.binary.left = operand;
    return bounded(ps, expr);
}

Expr *ast_binary(Parser *ps, Span span, Operator op, Span op_span, Expr *left, Expr *right)
{
    Expr *expr = new_expr(ps, EXPR_BINARY, span, deeper(left->depth, right));
    expr->as.binary.op = op;
    expr->as.binary.op_span = op_span;
    expr->as.binary.left = left;
    expr->as.binary.right = right;
    return bounded(ps, expr);
}

Expr *ast_conditional(Parser *ps, Span span, Expr *condition, Expr *yes, Expr *no)
{
    Expr *expr = new_expr(ps, EXPR_CONDITIONAL, span, deeper(deeper(condition->depth, yes), no));
    expr->as.conditional.condition = condition;
    expr->as.conditional.yes = yes;
    expr->as.conditional.no = no;
    return bounded(ps, expr);
}

Expr *ast_range(Parser *ps, Span span, Expr *from, Expr *to)
{
    Expr *expr = new_expr(ps, EXPR_RANGE, span, deeper(from->depth, to));
    expr->as.range.from = from;
    expr->as.range.to = to;
    return bounded(ps, expr);
}

Expr *ast_attribute(Parser *ps, Span span, Expr *object, NameRef name)
{
    Expr *expr = new_expr(ps, EXPR_ATTRIBUTE, span, object->depth);
    expr->as.attribute.object = object;
    expr->as.attribute.name = name.name;
    expr->as.attribute.name_span = name.span;
    return bounded(ps, expr);
}

Expr *ast_index(Parser *ps, Span span, Expr *object, Expr *index)
{
    Expr *expr = new_expr(ps, EXPR_INDEX, span, deeper(object->depth, index));
    expr->as.index.object = object;
    expr->as.index.index = index;
    return bounded(ps, expr);
}

Expr *ast_call(Parser *ps, Span span, NameRef callee, ArgList args)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < args.count; ++i) {
        depth = deeper(depth, args.items[i].value);
    }
    Expr *expr = new_expr(ps, EXPR_CALL, span, depth);
    expr->as.call.callee = callee.name;
    expr->as.call.callee_span = callee.span;
    expr->as.call.args = args;
    if (expr->depth > AST_MAX_DEPTH) { /* stays a call: the grammar wants one as a stage */
        parser_too_deep(ps, span);
        expr->depth = 1;
        expr->as.call.args = (ArgList){0};
    }
    return expr;
}

Expr *ast_stage(Parser *ps, Span span, NameRef callee)
{
    Expr *expr = ast_call(ps, span, callee, (ArgList){0});
    expr->as.call.bare = true;
    return expr;
}

Expr *ast_named(Parser *ps, Span span, Expr *call, const Naming *naming)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < naming->count; ++i) {
        depth = deeper(depth, naming->parts[i].index);
    }
    call->span = span;
    if (depth >= AST_MAX_DEPTH) {
        parser_too_deep(ps, naming->span);
        return call;
    }
    call->as.call.naming = naming;
    call->depth = depth + 1 > call->depth ? depth + 1 : call->depth;
    return call;
}

Expr *ast_pipe(Parser *ps, Span span, Expr *value, Expr *stage)
{
    Expr *expr = new_expr(ps, EXPR_PIPE, span, deeper(value->depth, stage));
    expr->as.pipe.value = value;
    expr->as.pipe.stage = stage;
    return bounded(ps, expr);
}

const Naming *ast_naming(Parser *ps, Span span, bool is_shared, Naming path)
{
    Naming *naming = ARENA_NEW(ps->arena, Naming);
    *naming = path;
    naming->is_shared = is_shared;
    naming->span = span;
    return naming;
}

/* --- lists: each returns the list with one more item */

#define ADD(list, item)                                                                                                \
    ((list).items = arena_grow(ps->arena, (list).items, (list).count, &(list).capacity, sizeof *(list).items),         \
     (list).items[(list).count++] = (item), (list))

ExprList ast_exprs_add(Parser *ps, ExprList list, Expr *expr)
{
    return ADD(list, expr);
}

ArgList ast_args_add(Parser *ps, ArgList list, Arg arg)
{
    return ADD(list, arg);
}

NameList ast_names_add(Parser *ps, NameList list, NameRef name)
{
    return ADD(list, name);
}

StmtList ast_stmts_add(Parser *ps, StmtList list, Stmt *stmt)
{
    return ADD(list, stmt);
}

ParamList ast_params_add(Parser *ps, ParamList list, Param param)
{
    return ADD(list, param);
}

Naming ast_path_add(Parser *ps, Naming path, PathPart part)
{
    path.parts = arena_grow(ps->arena, path.parts, path.count, &path.capacity, sizeof *path.parts);
    path.parts[path.count++] = part;
    return path;
}

StmtList ast_stmts_one(Parser *ps, Stmt *stmt)
{
    return ast_stmts_add(ps, (StmtList){0}, stmt);
}

Naming ast_path_index(Parser *ps, Naming path, Span span, Expr *index)
{
    return ast_path_add(ps, path, (PathPart){.index = index, .span = span});
}

TypeExpr ast_type(Span span, NameRef dtype, NameRef layout, ExprList dims)
{
    return (TypeExpr){.dtype = dtype.name,
                      .dtype_span = dtype.span,
                      .layout = layout.name,
                      .layout_span = layout.span,
                      .span = span,
                      .dims = dims};
}

/* --- statements */

static Stmt *new_stmt(Parser *ps, StmtKind kind, Span span, uint32_t depth_of_parts)
{
    Stmt *stmt = ARENA_NEW(ps->arena, Stmt);
    stmt->kind = kind;
    stmt->span = span;
    stmt->depth = depth_of_parts + 1;
    if (stmt->depth > AST_MAX_DEPTH) {
        parser_too_deep(ps, span);
        stmt->kind = STMT_ERROR;
        stmt->depth = 1;
    }
    return stmt;
}

Stmt *ast_assign(Parser *ps, Span span, NameList targets, Expr *value)
{
    Stmt *stmt = new_stmt(ps, STMT_ASSIGN, span, value->depth);
    stmt->as.assign.targets = targets;
    stmt->as.assign.value = value;
    return stmt;
}

Stmt *ast_effect(Parser *ps, Span span, Expr *call)
{
    Stmt *stmt = new_stmt(ps, STMT_EXPR, span, call->depth);
    stmt->as.expr = call;
    return stmt;
}

Stmt *ast_if(Parser *ps, Span span, Expr *condition, StmtList then)
{
    uint32_t depth = deepest_stmt(then);
    Stmt *stmt = new_stmt(ps, STMT_IF, span, deeper(depth, condition));
    stmt->as.branch.condition = condition;
    stmt->as.branch.then = then;
    return stmt;
}

Stmt *ast_if_else(Parser *ps, Span span, Expr *condition, StmtList then, StmtList otherwise)
{
    uint32_t depth = deepest_stmt(then);
    uint32_t depth_else = deepest_stmt(otherwise);
    Stmt *stmt = new_stmt(ps, STMT_IF, span, deeper(depth > depth_else ? depth : depth_else, condition));
    stmt->as.branch.condition = condition;
    stmt->as.branch.then = then;
    stmt->as.branch.otherwise = otherwise;
    stmt->as.branch.has_else = true;
    return stmt;
}

Stmt *ast_for(Parser *ps, Span span, NameRef variable, Expr *over, StmtList body)
{
    Stmt *stmt = new_stmt(ps, STMT_FOR, span, deeper(deepest_stmt(body), over));
    stmt->as.loop.variable = variable;
    stmt->as.loop.over = over;
    stmt->as.loop.body = body;
    return stmt;
}

Stmt *ast_return(Parser *ps, Span span, ExprList values)
{
    Stmt *stmt = new_stmt(ps, STMT_RETURN, span, deepest_expr(values));
    stmt->as.values = values;
    return stmt;
}

Stmt *ast_input(Parser *ps, Span span, NameRef name, TypeExpr type)
{
    Stmt *stmt = new_stmt(ps, STMT_INPUT, span, deepest_expr(type.dims));
    stmt->as.input.name = name;
    stmt->as.input.type = type;
    return stmt;
}

Stmt *ast_output(Parser *ps, Span span, NameRef name, Expr *value)
{
    Stmt *stmt = new_stmt(ps, STMT_OUTPUT, span, value->depth);
    stmt->as.output.name = name;
    stmt->as.output.value = value;
    return stmt;
}

Stmt *ast_training(Parser *ps, Span span, StmtList body)
{
    Stmt *stmt = new_stmt(ps, STMT_TRAINING, span, deepest_stmt(body));
    stmt->as.training = body;
    return stmt;
}

Stmt *ast_bad_stmt(Parser *ps, Span span)
{
    return new_stmt(ps, STMT_ERROR, span, 0);
}

/* --- definitions */

void ast_define(Parser *ps, bool is_net, NameRef name, ParamList params, StmtList body, Span span)
{
    AstFile *file = ps->file;
    file->definitions = arena_grow(ps->arena, file->definitions, file->n_definitions, &file->definition_capacity,
                                   sizeof *file->definitions);
    file->definitions[file->n_definitions++] = (Definition){
        .is_net = is_net, .name = name.name, .name_span = name.span, .span = span, .params = params, .body = body};
}

void ast_import(Parser *ps, Str path, Span span)
{
    AstFile *file = ps->file;
    file->imports =
        arena_grow(ps->arena, file->imports, file->n_imports, &file->import_capacity, sizeof *file->imports);
    file->imports[file->n_imports++] = (Import){.path = path, .span = span};
}
