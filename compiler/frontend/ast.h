/* The syntax tree of .net files: what was written, nothing resolved. Lives in the arena of the compile. */
#ifndef CNNC_FRONTEND_AST_H
#define CNNC_FRONTEND_AST_H

#include "support/diag.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;

typedef enum ExprKind {
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_STRING,
    EXPR_BOOL,
    EXPR_NAME,
    EXPR_LIST,
    EXPR_UNARY,
    EXPR_BINARY,
    EXPR_CONDITIONAL,
    EXPR_RANGE,
    EXPR_ATTRIBUTE,
    EXPR_INDEX,
    EXPR_CALL,
    EXPR_PIPE,
    EXPR_ERROR /* stands where something could not be parsed; already reported */
} ExprKind;

typedef enum Operator {
    OPERATOR_ADD,
    OPERATOR_SUB,
    OPERATOR_MUL,
    OPERATOR_DIV,
    OPERATOR_FLOOR_DIV,
    OPERATOR_MOD,
    OPERATOR_EQ,
    OPERATOR_NE,
    OPERATOR_LT,
    OPERATOR_LE,
    OPERATOR_GT,
    OPERATOR_GE,
    OPERATOR_AND,
    OPERATOR_OR,
    OPERATOR_NOT,
    OPERATOR_NEG
} Operator;
const char *operator_text(Operator op); /* "//" */

typedef struct ExprList {
    Expr **items;
    size_t count, capacity;
} ExprList;

typedef struct Arg {
    Str name; /* empty: positional */
    Span name_span;
    Expr *value;
} Arg;

typedef struct ArgList {
    Arg *items;
    size_t count, capacity;
} ArgList;

typedef struct PathPart {
    Str text;    /* of a NAME or STRING part; empty where `index` is set */
    bool quoted; /* written as STRING */
    Expr *index; /* [e] */
    Span span;
} PathPart;

typedef struct Naming { /* as path, as shared path */
    bool is_shared;
    PathPart *parts;
    size_t count, capacity;
    Span span;
} Naming;

/* No Expr or Stmt is nested deeper than this (longer pipelines and sums count, too): the parser reports
 * it, so that everybody may walk the tree by plain recursion. */
enum { AST_MAX_DEPTH = 1000 };

struct Expr {
    ExprKind kind;
    uint32_t depth; /* 1 + the largest depth among its parts */
    Span span;
    union {
        int64_t integer;
        double number;
        Str text; /* STRING (unescaped), NAME */
        bool truth;
        ExprList list;
        struct {
            Operator op;
            Span op_span;
            Expr *left, *right;
        } binary; /* UNARY: left only */
        struct {
            Expr *condition, *yes, *no;
        } conditional;
        struct {
            Expr *from, *to;
        } range;
        struct {
            Expr *object;
            Str name;
            Span name_span;
        } attribute;
        struct {
            Expr *object, *index;
        } index;
        struct {
            Str callee;
            Span callee_span;
            ArgList args;
            const Naming *naming;
            bool bare;
        } call; /* bare: a stage written without parentheses */
        struct {
            Expr *value, *stage;
        } pipe; /* stage is an EXPR_CALL */
    } as;
};

typedef struct StmtList {
    Stmt **items;
    size_t count, capacity;
} StmtList;

typedef enum StmtKind {
    STMT_ASSIGN,
    STMT_EXPR,
    STMT_IF,
    STMT_FOR,
    STMT_RETURN,
    STMT_INPUT,
    STMT_OUTPUT,
    STMT_TRAINING,
    STMT_ERROR
} StmtKind;

typedef struct TypeExpr { /* f32[3, 224, 224], u8 hwc[h, w, 3] */
    Str dtype, layout;    /* layout: empty or "hwc" */
    Span dtype_span, layout_span, span;
    ExprList dims;
} TypeExpr;

typedef struct NameRef {
    Str name;
    Span span;
} NameRef;

typedef struct NameList {
    NameRef *items;
    size_t count, capacity;
} NameList;

struct Stmt {
    StmtKind kind;
    uint32_t depth; /* 1 + the largest depth among its parts */
    Span span;
    union {
        struct {
            NameList targets;
            Expr *value;
        } assign;
        Expr *expr;
        struct {
            Expr *condition;
            StmtList then, otherwise;
            bool has_else;
        } branch;
        struct {
            NameRef variable;
            Expr *over;
            StmtList body;
        } loop;
        ExprList values; /* RETURN */
        struct {
            NameRef name;
            TypeExpr type;
        } input;
        struct {
            NameRef name;
            Expr *value;
        } output; /* name.name empty: take the expression's own name */
        StmtList training;
    } as;
};

typedef struct Param {
    Str name;
    Span span;
    Expr *fallback; /* NULL: must be given */
} Param;

typedef struct ParamList {
    Param *items;
    size_t count, capacity;
} ParamList;

typedef struct Definition { /* a block or a net */
    bool is_net;
    Str name;
    Span name_span, span;
    ParamList params;
    StmtList body;
} Definition;

typedef struct Import {
    Str path; /* as written */
    Span span;
    const struct AstFile *file; /* NULL where it could not be loaded (reported) */
} Import;

typedef struct AstFile {
    const SourceFile *source;
    Import *imports;
    size_t n_imports, import_capacity;
    Definition *definitions;
    size_t n_definitions, definition_capacity;
} AstFile;

/* Prints in the language's own syntax; printing what is parsed from the print gives the same text. */
void ast_print(const AstFile *file, StrBuf *out);

#endif
