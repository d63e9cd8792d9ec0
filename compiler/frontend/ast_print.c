/* Prints a syntax tree as .net text. Parentheses stand only where the grammar needs them, so the print of what is
 * parsed from the print is the same text. A pipeline of several stages gets one line a stage. */
#include "frontend/ast.h"

#include <stdio.h>
#include <stdlib.h>

/* How tightly an expression holds together; the order of parse.y. */
typedef enum Level {
    LEVEL_PIPE,
    LEVEL_CONDITIONAL,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_RANGE,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_NEGATION,
    LEVEL_NAMED_CALL,
    LEVEL_POSTFIX
} Level;

enum { INDENT = 4 };

static void print_expr(StrBuf *out, const Expr *expr, Level needed);
static void print_stmts(StrBuf *out, StmtList list, size_t indent);

static Level binary_level(Operator op)
{
    switch (op) {
    case OPERATOR_OR:
        return LEVEL_OR;
    case OPERATOR_AND:
        return LEVEL_AND;
    case OPERATOR_EQ:
    case OPERATOR_NE:
    case OPERATOR_LT:
    case OPERATOR_LE:
    case OPERATOR_GT:
    case OPERATOR_GE:
        return LEVEL_COMPARE;
    case OPERATOR_ADD:
    case OPERATOR_SUB:
        return LEVEL_SUM;
    case OPERATOR_MUL:
    case OPERATOR_DIV:
    case OPERATOR_FLOOR_DIV:
    case OPERATOR_MOD:
        return LEVEL_PRODUCT;
    case OPERATOR_NOT:
        return LEVEL_NOT;
    case OPERATOR_NEG:
        return LEVEL_NEGATION;
    }
    ICE("operator %d", (int)op);
}

static Level level_of(const Expr *expr)
{
    switch (expr->kind) {
    case EXPR_PIPE:
        return LEVEL_PIPE;
    case EXPR_CONDITIONAL:
        return LEVEL_CONDITIONAL;
    case EXPR_UNARY:
    case EXPR_BINARY:
        return binary_level(expr->as.binary.op);
    case EXPR_RANGE:
        return LEVEL_RANGE;
    case EXPR_CALL:
        return expr->as.call.naming != NULL ? LEVEL_NAMED_CALL : LEVEL_POSTFIX;
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_NAME:
    case EXPR_LIST:
    case EXPR_ATTRIBUTE:
    case EXPR_INDEX:
    case EXPR_ERROR:
        return LEVEL_POSTFIX;
    }
    ICE("expression kind %d", (int)expr->kind);
}

/* The shortest decimal form that reads back as the same double, without an exponent between 1e-4 and 1e15; always
 * with a dot or an exponent. */
static void print_float(StrBuf *out, double value)
{
    char text[40];
    bool is_plain = value >= 1e-4 && value < 1e15; /* literals have no sign */
    for (int digits = 1; digits <= 17; ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value && (!is_plain || strchr(text, 'e') == NULL)) {
            break;
        }
    }
    strbuf_append(out, str_from(text));
    if (strpbrk(text, ".e") == NULL) {
        strbuf_append(out, STR(".0"));
    }
}

static void print_string(StrBuf *out, Str text)
{
    strbuf_char(out, '"');
    for (size_t i = 0; i < text.len; ++i) {
        switch (text.ptr[i]) {
        case '"':
            strbuf_append(out, STR("\\\""));
            break;
        case '\\':
            strbuf_append(out, STR("\\\\"));
            break;
        case '\n':
            strbuf_append(out, STR("\\n"));
            break;
        case '\t':
            strbuf_append(out, STR("\\t"));
            break;
        default:
            strbuf_char(out, text.ptr[i]);
        }
    }
    strbuf_char(out, '"');
}

static void print_exprs(StrBuf *out, ExprList list)
{
    for (size_t i = 0; i < list.count; ++i) {
        strbuf_append(out, i > 0 ? STR(", ") : STR(""));
        print_expr(out, list.items[i], LEVEL_PIPE);
    }
}

static void print_naming(StrBuf *out, const Naming *naming)
{
    strbuf_append(out, naming->is_shared ? STR(" as shared ") : STR(" as "));
    for (size_t i = 0; i < naming->count; ++i) {
        const PathPart *part = &naming->parts[i];
        if (part->index != NULL) {
            strbuf_char(out, '[');
            print_expr(out, part->index, LEVEL_PIPE);
            strbuf_char(out, ']');
            continue;
        }
        if (i > 0) {
            strbuf_char(out, '.');
        }
        if (part->quoted) {
            print_string(out, part->text);
        } else {
            strbuf_append(out, part->text);
        }
    }
}

static void print_call(StrBuf *out, const Expr *call)
{
    strbuf_append(out, call->as.call.callee);
    if (!call->as.call.bare) {
        strbuf_char(out, '(');
        for (size_t i = 0; i < call->as.call.args.count; ++i) {
            const Arg *arg = &call->as.call.args.items[i];
            strbuf_append(out, i > 0 ? STR(", ") : STR(""));
            if (!str_is_empty(arg->name)) {
                strbuf_printf(out, STR_FMT "=", STR_ARG(arg->name));
            }
            print_expr(out, arg->value, LEVEL_PIPE);
        }
        strbuf_char(out, ')');
    }
    if (call->as.call.naming != NULL) {
        print_naming(out, call->as.call.naming);
    }
}

static void print_binary(StrBuf *out, const Expr *expr)
{
    Level level = binary_level(expr->as.binary.op);
    Level left = level == LEVEL_COMPARE ? level + 1 : level; /* comparisons do not chain */
    print_expr(out, expr->as.binary.left, left);
    strbuf_printf(out, " %s ", operator_text(expr->as.binary.op));
    print_expr(out, expr->as.binary.right, level + 1);
}

static void print_unary(StrBuf *out, const Expr *expr)
{
    Operator op = expr->as.binary.op;
    strbuf_append(out, op == OPERATOR_NOT ? STR("not ") : STR("-"));
    print_expr(out, expr->as.binary.left, binary_level(op));
}

/* The value of a pipe. `(c ? a : b) |> f` needs no parentheses, but reads wrongly without. */
static void print_piped(StrBuf *out, const Expr *value)
{
    print_expr(out, value, value->kind == EXPR_CONDITIONAL ? LEVEL_OR : LEVEL_PIPE);
}

/* Without parentheses of its own. */
static void print_bare(StrBuf *out, const Expr *expr)
{
    switch (expr->kind) {
    case EXPR_INT:
        strbuf_printf(out, "%lld", (long long)expr->as.integer);
        break;
    case EXPR_FLOAT:
        print_float(out, expr->as.number);
        break;
    case EXPR_STRING:
        print_string(out, expr->as.text);
        break;
    case EXPR_BOOL:
        strbuf_append(out, expr->as.truth ? STR("true") : STR("false"));
        break;
    case EXPR_NAME:
        strbuf_append(out, expr->as.text);
        break;
    case EXPR_LIST:
        strbuf_char(out, '[');
        print_exprs(out, expr->as.list);
        strbuf_char(out, ']');
        break;
    case EXPR_UNARY:
        print_unary(out, expr);
        break;
    case EXPR_BINARY:
        print_binary(out, expr);
        break;
    case EXPR_CONDITIONAL:
        print_expr(out, expr->as.conditional.condition, LEVEL_OR);
        strbuf_append(out, STR(" ? "));
        print_expr(out, expr->as.conditional.yes, LEVEL_CONDITIONAL);
        strbuf_append(out, STR(" : "));
        print_expr(out, expr->as.conditional.no, LEVEL_CONDITIONAL);
        break;
    case EXPR_RANGE:
        print_expr(out, expr->as.range.from, LEVEL_SUM);
        strbuf_append(out, STR(".."));
        print_expr(out, expr->as.range.to, LEVEL_SUM);
        break;
    case EXPR_ATTRIBUTE:
        print_expr(out, expr->as.attribute.object, LEVEL_POSTFIX);
        strbuf_printf(out, "." STR_FMT, STR_ARG(expr->as.attribute.name));
        break;
    case EXPR_INDEX:
        print_expr(out, expr->as.index.object, LEVEL_POSTFIX);
        strbuf_char(out, '[');
        print_expr(out, expr->as.index.index, LEVEL_PIPE);
        strbuf_char(out, ']');
        break;
    case EXPR_CALL:
        print_call(out, expr);
        break;
    case EXPR_PIPE:
        print_piped(out, expr->as.pipe.value);
        strbuf_append(out, STR(" |> "));
        print_call(out, expr->as.pipe.stage);
        break;
    case EXPR_ERROR:
        strbuf_append(out, STR("<error>"));
        break;
    }
}

static void print_expr(StrBuf *out, const Expr *expr, Level needed)
{
    bool enclosed = level_of(expr) < needed;
    strbuf_append(out, enclosed ? STR("(") : STR(""));
    print_bare(out, expr);
    strbuf_append(out, enclosed ? STR(")") : STR(""));
}

static void print_stages(StrBuf *out, const Expr *pipe, size_t indent)
{
    const Expr *value = pipe->as.pipe.value;
    if (value->kind == EXPR_PIPE) {
        print_stages(out, value, indent);
    } else {
        print_piped(out, value);
    }
    strbuf_char(out, '\n');
    strbuf_pad(out, indent + INDENT, ' ');
    strbuf_append(out, STR("|> "));
    print_call(out, pipe->as.pipe.stage);
}

/* The value of a statement: a pipeline of two or more stages goes over several lines. */
static void print_value(StrBuf *out, const Expr *expr, size_t indent)
{
    if (expr->kind == EXPR_PIPE && expr->as.pipe.value->kind == EXPR_PIPE) {
        print_stages(out, expr, indent);
    } else {
        print_expr(out, expr, LEVEL_PIPE);
    }
}

static void print_body(StrBuf *out, StmtList body, size_t indent)
{
    strbuf_append(out, STR(" {\n"));
    print_stmts(out, body, indent + INDENT);
    strbuf_pad(out, indent, ' ');
    strbuf_char(out, '}');
}

static void print_if(StrBuf *out, const Stmt *stmt, size_t indent)
{
    strbuf_append(out, STR("if "));
    print_expr(out, stmt->as.branch.condition, LEVEL_PIPE);
    print_body(out, stmt->as.branch.then, indent);
    if (!stmt->as.branch.has_else) {
        return;
    }
    strbuf_append(out, STR(" else"));
    StmtList otherwise = stmt->as.branch.otherwise;
    if (otherwise.count == 1 && otherwise.items[0]->kind == STMT_IF) {
        strbuf_char(out, ' ');
        print_if(out, otherwise.items[0], indent);
    } else {
        print_body(out, otherwise, indent);
    }
}

static void print_stmt(StrBuf *out, const Stmt *stmt, size_t indent)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        for (size_t i = 0; i < stmt->as.assign.targets.count; ++i) {
            strbuf_append(out, i > 0 ? STR(", ") : STR(""));
            strbuf_append(out, stmt->as.assign.targets.items[i].name);
        }
        strbuf_append(out, STR(" = "));
        print_value(out, stmt->as.assign.value, indent);
        break;
    case STMT_EXPR:
        print_value(out, stmt->as.expr, indent);
        break;
    case STMT_IF:
        print_if(out, stmt, indent);
        break;
    case STMT_FOR:
        strbuf_printf(out, "for " STR_FMT " in ", STR_ARG(stmt->as.loop.variable.name));
        print_expr(out, stmt->as.loop.over, LEVEL_PIPE);
        print_body(out, stmt->as.loop.body, indent);
        break;
    case STMT_RETURN:
        strbuf_append(out, STR("return "));
        if (stmt->as.values.count == 1) {
            print_value(out, stmt->as.values.items[0], indent);
        } else {
            print_exprs(out, stmt->as.values);
        }
        break;
    case STMT_INPUT:
        strbuf_printf(out, "input " STR_FMT ": " STR_FMT, STR_ARG(stmt->as.input.name.name),
                      STR_ARG(stmt->as.input.type.dtype));
        if (!str_is_empty(stmt->as.input.type.layout)) {
            strbuf_printf(out, " " STR_FMT, STR_ARG(stmt->as.input.type.layout));
        }
        strbuf_char(out, '[');
        print_exprs(out, stmt->as.input.type.dims);
        strbuf_char(out, ']');
        break;
    case STMT_OUTPUT:
        strbuf_append(out, STR("output "));
        if (!str_is_empty(stmt->as.output.name.name)) {
            strbuf_printf(out, STR_FMT " = ", STR_ARG(stmt->as.output.name.name));
        }
        print_value(out, stmt->as.output.value, indent);
        break;
    case STMT_TRAINING:
        strbuf_append(out, STR("training"));
        print_body(out, stmt->as.training, indent);
        break;
    case STMT_ERROR:
        strbuf_append(out, STR("<error>"));
        break;
    }
}

static void print_stmts(StrBuf *out, StmtList list, size_t indent)
{
    for (size_t i = 0; i < list.count; ++i) {
        strbuf_pad(out, indent, ' ');
        print_stmt(out, list.items[i], indent);
        strbuf_char(out, '\n');
    }
}

static void print_definition(StrBuf *out, const Definition *definition)
{
    strbuf_printf(out, "%s " STR_FMT, definition->is_net ? "net" : "block", STR_ARG(definition->name));
    if (!definition->is_net || definition->params.count > 0) {
        strbuf_char(out, '(');
        for (size_t i = 0; i < definition->params.count; ++i) {
            const Param *param = &definition->params.items[i];
            strbuf_append(out, i > 0 ? STR(", ") : STR(""));
            strbuf_append(out, param->name);
            if (param->fallback != NULL) {
                strbuf_append(out, STR(" = "));
                print_expr(out, param->fallback, LEVEL_PIPE);
            }
        }
        strbuf_char(out, ')');
    }
    print_body(out, definition->body, 0);
    strbuf_char(out, '\n');
}

void ast_print(const AstFile *file, StrBuf *out)
{
    for (size_t i = 0; i < file->n_imports; ++i) {
        strbuf_append(out, STR("import "));
        print_string(out, file->imports[i].path);
        strbuf_char(out, '\n');
    }
    for (size_t i = 0; i < file->n_definitions; ++i) {
        strbuf_append(out, i > 0 || file->n_imports > 0 ? STR("\n") : STR(""));
        print_definition(out, &file->definitions[i]);
    }
}
