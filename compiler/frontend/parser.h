/* Inside the front end's parser: what scan.l, parse.y, parser.c, syntax_error.c and ast.c share. Others use
 * frontend.h. One Parser serves one file. */
#ifndef CNNC_FRONTEND_PARSER_H
#define CNNC_FRONTEND_PARSER_H

#include "frontend/ast.h"
#include "parse.h" /* token kinds and values, made by bison */

typedef struct Token {
    int kind;
    CNNC_YYSTYPE value;
    Span span;
    bool first;      /* on its line */
    uint32_t indent; /* columns before it, where it is the first on its line */
    uint32_t line;   /* global position of its line's first byte */
} Token;

typedef struct Bracket { /* an open one */
    int kind;            /* TOK_LPAREN, TOK_LBRACKET, TOK_LBRACE */
    Span span;
    bool is_call;    /* "(" of arguments or parameters; "[" of an index */
    bool is_params;  /* "(" of a block's or net's parameters */
    bool is_type;    /* "[" of an input's type */
    uint32_t indent; /* "{": columns before its first statement that begins a line; UINT32_MAX before that */
} Bracket;

typedef struct Parser {
    Arena *arena;
    Diag *diag;
    AstFile *file;
    /* scanner */
    void *scanner;
    uint32_t position;   /* global position of the next byte to scan */
    uint32_t line_start; /* global position of the current line's first byte */
    bool at_line_start;  /* no token on this line yet */
    int scanned;         /* kind of the token scanned last, and where it ended */
    uint32_t scanned_end;
    /* token stream */
    Token last, before; /* delivered last, and the accepted one before that */
    Token replay;       /* to be delivered again, where has_replay */
    bool has_replay;
    Bracket *brackets; /* open ones, innermost last */
    size_t n_brackets, bracket_capacity;
    bool in_type;          /* after the ":" of an input, before the "]" of its type */
    int header;            /* TOK_IF, TOK_FOR, TOK_BLOCK or TOK_NET before the "{" of its body; else 0 */
    uint32_t comment_slip; /* line of the last "//" or "/" "*", perhaps meant as a comment; 0: none */
    /* recovery */
    bool recovering;      /* from the error until its production is complete */
    bool skipping;        /* the refused token was asked for again */
    uint32_t reported_at; /* position of the last syntax error: one message a place */
    uint32_t synced_at;   /* position of the last token that recovery stopped at: never twice the same */
    size_t closers;       /* "}" still to be made up for bodies that were not closed */
    bool too_deep;        /* the depth error was given */
} Parser;

/* --- scan.l */
int scan_token(CNNC_YYSTYPE *value, Span *place, void *scanner);

/* --- parser.c */
int cnnc_yylex(CNNC_YYSTYPE *value, Span *place, Parser *ps);
void cnnc_yyerror(const Span *place, Parser *ps, const char *message); /* bison's stack is exhausted */
void parser_resume(Parser *ps);                                        /* an error production is complete */
void parser_too_deep(Parser *ps, Span span);                           /* reports it, once a file */
/* Parses a file that is in memory. Imports are listed, not loaded. Errors go to diag. */
AstFile *parser_run(Arena *arena, Diag *diag, const SourceFile *source);
Str parser_text(const Parser *ps, Span span); /* as written */

/* --- syntax_error.c */
/* Reports that ps->last is none of the expected tokens, and starts recovery. */
void parser_syntax_error(Parser *ps, const char *const *expected, size_t n_expected);

/* --- ast.c: constructors for the actions of parse.y */
Expr *ast_int(Parser *ps, Span span, int64_t value);
Expr *ast_float(Parser *ps, Span span, double value);
Expr *ast_string(Parser *ps, Span span, Str text);
Expr *ast_bool(Parser *ps, Span span, bool value);
Expr *ast_name(Parser *ps, Span span, Str name);
Expr *ast_bad(Parser *ps, Span span);
Expr *ast_list(Parser *ps, Span span, ExprList items);
Expr *ast_unary(Parser *ps, Span span, Operator op, Span op_span, Expr *operand);
Expr *ast_binary(Parser *ps, Span span, Operator op, Span op_span, Expr *left, Expr *right);
Expr *ast_conditional(Parser *ps, Span span, Expr *condition, Expr *yes, Expr *no);
Expr *ast_range(Parser *ps, Span span, Expr *from, Expr *to);
Expr *ast_attribute(Parser *ps, Span span, Expr *object, NameRef name);
Expr *ast_index(Parser *ps, Span span, Expr *object, Expr *index);
Expr *ast_call(Parser *ps, Span span, NameRef callee, ArgList args);
Expr *ast_stage(Parser *ps, Span span, NameRef callee);                   /* without parentheses */
Expr *ast_named(Parser *ps, Span span, Expr *call, const Naming *naming); /* writes into `call` */
Expr *ast_pipe(Parser *ps, Span span, Expr *value, Expr *stage);
const Naming *ast_naming(Parser *ps, Span span, bool is_shared, Naming path);

ExprList ast_exprs_add(Parser *ps, ExprList list, Expr *expr);
ArgList ast_args_add(Parser *ps, ArgList list, Arg arg);
NameList ast_names_add(Parser *ps, NameList list, NameRef name);
StmtList ast_stmts_add(Parser *ps, StmtList list, Stmt *stmt);
ParamList ast_params_add(Parser *ps, ParamList list, Param param);
StmtList ast_stmts_one(Parser *ps, Stmt *stmt);
Naming ast_path_add(Parser *ps, Naming path, PathPart part);
Naming ast_path_index(Parser *ps, Naming path, Span span, Expr *index); /* [index] */
TypeExpr ast_type(Span span, NameRef dtype, NameRef layout, ExprList dims);

Stmt *ast_assign(Parser *ps, Span span, NameList targets, Expr *value);
Stmt *ast_effect(Parser *ps, Span span, Expr *call);
Stmt *ast_if(Parser *ps, Span span, Expr *condition, StmtList then);
Stmt *ast_if_else(Parser *ps, Span span, Expr *condition, StmtList then, StmtList otherwise);
Stmt *ast_for(Parser *ps, Span span, NameRef variable, Expr *over, StmtList body);
Stmt *ast_return(Parser *ps, Span span, ExprList values);
Stmt *ast_input(Parser *ps, Span span, NameRef name, TypeExpr type);
Stmt *ast_output(Parser *ps, Span span, NameRef name, Expr *value);
Stmt *ast_training(Parser *ps, Span span, StmtList body);
Stmt *ast_bad_stmt(Parser *ps, Span span);

void ast_define(Parser *ps, bool is_net, NameRef name, ParamList params, StmtList body, Span span);
void ast_import(Parser *ps, Str path, Span span);

#endif
