/* The grammar of .net files, LALR(1) without conflicts. Actions are one constructor call each (ast.c); everything that
 * needs more than the grammar is checked in check.c or by the elaborator.
 *
 * Statements have no terminator. After a syntax error the token stream (parser.c) skips to a place where a statement
 * can start and hands out the synthetic token SYNC: every error production ends with it, or, for the headers of
 * `if`, `for`, `block` and `net`, with the brace of their body, so that errors in there are found in the same run. */
%require "3.8"
%define api.pure full
%define api.prefix {cnnc_yy}
%define api.token.prefix {TOK_}
%define api.value.type union
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%lex-param   {struct Parser *ps}
%parse-param {struct Parser *ps}

%code requires {
#include "frontend/ast.h"
struct Parser;

/* A rule spans from its first to its last symbol; an empty one stands right after the symbol before it. */
#define YYLLOC_DEFAULT(current, rhs, n)                                                                                \
    do {                                                                                                               \
        (current).lo = (n) > 0 ? YYRHSLOC(rhs, 1).lo : YYRHSLOC(rhs, 0).hi;                                            \
        (current).hi = (n) > 0 ? YYRHSLOC(rhs, n).hi : YYRHSLOC(rhs, 0).hi;                                            \
    } while (0)
}

%code {
#include "frontend/parser.h"

static NameRef ref(Str name, Span span)
{
    return (NameRef){.name = name, .span = span};
}
}

%token END 0 "end of file"
%token <Str> NAME "name" STRING "string"
%token <int64_t> INT "integer"
%token <double> FLOAT "float"
%token BAD "malformed token"       /* reported by the scanner; stands for an expression */
%token SYNC "start of a statement" /* synthetic, see above */
%token NET "net" BLOCK "block" IMPORT "import" INPUT "input" OUTPUT "output" RETURN "return" FOR "for" IN "in"
%token IF "if" ELSE "else" AND "and" OR "or" NOT "not" AS "as" SHARED "shared" TRAINING "training"
%token TRUE "true" FALSE "false"
%token LPAREN "(" RPAREN ")" LBRACKET "[" RBRACKET "]" LBRACE "{" RBRACE "}"
%token COMMA "," DOT "." ASSIGN "=" COLON ":" QUESTION "?" PIPE "|>" RANGE ".."
%token EQ "==" NE "!=" LT "<" LE "<=" GT ">" GE ">="
%token PLUS "+" MINUS "-" STAR "*" SLASH "/" FLOOR "//" PERCENT "%"

/* loosest first */
%precedence PIPE
%right QUESTION COLON
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LT LE GT GE
%nonassoc RANGE
%left PLUS MINUS
%left STAR SLASH FLOOR PERCENT
%precedence NEGATION

%nterm <Expr *> expr postfix primary call stage effect fallback
%nterm <ExprList> exprs elements
%nterm <ArgList> args arguments
%nterm <Arg> arg
%nterm <const Naming *> naming
%nterm <Naming> path
%nterm <PathPart> part
%nterm <StmtList> body stmts
%nterm <Stmt *> stmt if_stmt
%nterm <Expr *> if_head
%nterm <NameList> targets
%nterm <TypeExpr> type
%nterm <ParamList> params parameters net_parameters
%nterm <Param> param

%%

file
    : %empty
    | file item
    ;

item
    : "import" STRING                               { ast_import(ps, $2, @2); }
    | "block" NAME "(" parameters ")" body          { ast_define(ps, false, ref($2, @2), $4, $6, @$); }
    | "net" NAME net_parameters body                { ast_define(ps, true, ref($2, @2), $3, $4, @$); }
    | bad_header body
    | "block" error SYNC                            { parser_resume(ps); yyerrok; }
    | "net" error SYNC                              { parser_resume(ps); yyerrok; }
    | error SYNC                                    { parser_resume(ps); yyerrok; }
    ;

bad_header
    : "block" error                                 { parser_resume(ps); yyerrok; }
    | "net" error                                   { parser_resume(ps); yyerrok; }
    ;

net_parameters
    : %empty                                        { $$ = (ParamList){0}; }
    | "(" parameters ")"                            { $$ = $2; }
    ;

parameters
    : %empty                                        { $$ = (ParamList){0}; }
    | params
    | params ","
    ;

params
    : param                                         { $$ = ast_params_add(ps, (ParamList){0}, $1); }
    | params "," param                              { $$ = ast_params_add(ps, $1, $3); }
    ;

param
    : NAME fallback                                 { $$ = (Param){.name = $1, .span = @1, .fallback = $2}; }
    ;

fallback
    : %empty                                        { $$ = NULL; }
    | "=" expr                                      { $$ = $2; }
    ;

body
    : "{" stmts "}"                                 { $$ = $2; }
    ;

stmts
    : %empty                                        { $$ = (StmtList){0}; }
    | stmts stmt                                    { $$ = ast_stmts_add(ps, $1, $2); }
    ;

stmt
    : targets "=" expr                              { $$ = ast_assign(ps, @$, $1, $3); }
    | effect                                        { $$ = ast_effect(ps, @$, $1); }
    | if_stmt
    | "for" NAME "in" expr body                     { $$ = ast_for(ps, @$, ref($2, @2), $4, $5); }
    | "for" bad_loop body                           { $$ = ast_for(ps, @$, ref(STR(""), @1), ast_bad(ps, @2), $3); }
    | "for" error SYNC                              { $$ = ast_bad_stmt(ps, @$); parser_resume(ps); yyerrok; }
    | "return" exprs                                { $$ = ast_return(ps, @$, $2); }
    | "input" NAME ":" type                         { $$ = ast_input(ps, @$, ref($2, @2), $4); }
    | "output" NAME "=" expr                        { $$ = ast_output(ps, @$, ref($2, @2), $4); }
    | "output" expr                                 { $$ = ast_output(ps, @$, ref(STR(""), @2), $2); }
    | "training" body                               { $$ = ast_training(ps, @$, $2); }
    | error SYNC                                    { $$ = ast_bad_stmt(ps, @$); parser_resume(ps); yyerrok; }
    ;

bad_loop
    : error                                         { parser_resume(ps); yyerrok; }
    ;

targets
    : NAME                                          { $$ = ast_names_add(ps, (NameList){0}, ref($1, @1)); }
    | targets "," NAME                              { $$ = ast_names_add(ps, $1, ref($3, @3)); }
    ;

/* A call whose result is dropped. */
effect
    : call
    | call naming                                   { $$ = ast_named(ps, @$, $1, $2); }
    | NAME "|>" stage                               { $$ = ast_pipe(ps, @$, ast_name(ps, @1, $1), $3); }
    | effect "|>" stage                             { $$ = ast_pipe(ps, @$, $1, $3); }
    ;

if_stmt
    : if_head body                                  { $$ = ast_if(ps, @$, $1, $2); }
    | if_head body "else" body                      { $$ = ast_if_else(ps, @$, $1, $2, $4); }
    | if_head body "else" if_stmt                   { $$ = ast_if_else(ps, @$, $1, $2, ast_stmts_one(ps, $4)); }
    | "if" error SYNC                               { $$ = ast_bad_stmt(ps, @$); parser_resume(ps); yyerrok; }
    ;

if_head
    : "if" expr                                     { $$ = $2; }
    | "if" error                                    { $$ = ast_bad(ps, @2); parser_resume(ps); yyerrok; }
    ;

type
    : NAME "[" elements "]"                         { $$ = ast_type(@$, ref($1, @1), ref(STR(""), @1), $3); }
    | NAME NAME "[" elements "]"                    { $$ = ast_type(@$, ref($1, @1), ref($2, @2), $4); }
    ;

exprs
    : expr                                          { $$ = ast_exprs_add(ps, (ExprList){0}, $1); }
    | exprs "," expr                                { $$ = ast_exprs_add(ps, $1, $3); }
    ;

/* At least one, with an optional comma at the end. */
elements
    : exprs
    | exprs ","
    ;

expr
    : postfix
    | call naming                                   { $$ = ast_named(ps, @$, $1, $2); }
    | expr "|>" stage                               { $$ = ast_pipe(ps, @$, $1, $3); }
    | expr "?" expr ":" expr                        { $$ = ast_conditional(ps, @$, $1, $3, $5); }
    | expr "or" expr                                { $$ = ast_binary(ps, @$, OPERATOR_OR, @2, $1, $3); }
    | expr "and" expr                               { $$ = ast_binary(ps, @$, OPERATOR_AND, @2, $1, $3); }
    | "not" expr                                    { $$ = ast_unary(ps, @$, OPERATOR_NOT, @1, $2); }
    | expr "==" expr                                { $$ = ast_binary(ps, @$, OPERATOR_EQ, @2, $1, $3); }
    | expr "!=" expr                                { $$ = ast_binary(ps, @$, OPERATOR_NE, @2, $1, $3); }
    | expr "<" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_LT, @2, $1, $3); }
    | expr "<=" expr                                { $$ = ast_binary(ps, @$, OPERATOR_LE, @2, $1, $3); }
    | expr ">" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_GT, @2, $1, $3); }
    | expr ">=" expr                                { $$ = ast_binary(ps, @$, OPERATOR_GE, @2, $1, $3); }
    | expr ".." expr                                { $$ = ast_range(ps, @$, $1, $3); }
    | expr "+" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_ADD, @2, $1, $3); }
    | expr "-" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_SUB, @2, $1, $3); }
    | expr "*" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_MUL, @2, $1, $3); }
    | expr "/" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_DIV, @2, $1, $3); }
    | expr "//" expr                                { $$ = ast_binary(ps, @$, OPERATOR_FLOOR_DIV, @2, $1, $3); }
    | expr "%" expr                                 { $$ = ast_binary(ps, @$, OPERATOR_MOD, @2, $1, $3); }
    | "-" expr %prec NEGATION                       { $$ = ast_unary(ps, @$, OPERATOR_NEG, @1, $2); }
    ;

/* The piped value becomes the first argument. */
stage
    : NAME                                          { $$ = ast_stage(ps, @$, ref($1, @1)); }
    | NAME naming                                   { $$ = ast_named(ps, @$, ast_stage(ps, @1, ref($1, @1)), $2); }
    | call
    | call naming                                   { $$ = ast_named(ps, @$, $1, $2); }
    ;

naming
    : "as" path                                     { $$ = ast_naming(ps, @$, false, $2); }
    | "as" "shared" path                            { $$ = ast_naming(ps, @$, true, $3); }
    ;

path
    : part                                          { $$ = ast_path_add(ps, (Naming){0}, $1); }
    | "[" expr "]"                                  { $$ = ast_path_index(ps, (Naming){0}, @$, $2); }
    | path "." part                                 { $$ = ast_path_add(ps, $1, $3); }
    | path "[" expr "]"                             { $$ = ast_path_index(ps, $1, span_join(@2, @4), $3); }
    ;

part
    : NAME                                          { $$ = (PathPart){.text = $1, .span = @1}; }
    | STRING                                        { $$ = (PathPart){.text = $1, .quoted = true, .span = @1}; }
    ;

postfix
    : primary
    | postfix "." NAME                              { $$ = ast_attribute(ps, @$, $1, ref($3, @3)); }
    | postfix "[" expr "]"                          { $$ = ast_index(ps, @$, $1, $3); }
    ;

primary
    : INT                                           { $$ = ast_int(ps, @$, $1); }
    | FLOAT                                         { $$ = ast_float(ps, @$, $1); }
    | STRING                                        { $$ = ast_string(ps, @$, $1); }
    | "true"                                        { $$ = ast_bool(ps, @$, true); }
    | "false"                                       { $$ = ast_bool(ps, @$, false); }
    | NAME                                          { $$ = ast_name(ps, @$, $1); }
    | BAD                                           { $$ = ast_bad(ps, @$); }
    | call
    | "(" expr ")"                                  { $$ = $2; }
    | "[" "]"                                       { $$ = ast_list(ps, @$, (ExprList){0}); }
    | "[" elements "]"                              { $$ = ast_list(ps, @$, $2); }
    ;

call
    : NAME "(" arguments ")"                        { $$ = ast_call(ps, @$, ref($1, @1), $3); }
    ;

arguments
    : %empty                                        { $$ = (ArgList){0}; }
    | args
    | args ","
    ;

args
    : arg                                           { $$ = ast_args_add(ps, (ArgList){0}, $1); }
    | args "," arg                                  { $$ = ast_args_add(ps, $1, $3); }
    ;

arg
    : expr                                          { $$ = (Arg){.value = $1}; }
    | NAME "=" expr                                 { $$ = (Arg){.name = $1, .name_span = @1, .value = $3}; }
    ;

%%

/* Bison asks for the message: hand the expected tokens, by name, to syntax_error.c. */
static int yyreport_syntax_error(const yypcontext_t *context, struct Parser *ps)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; ++i) {
        names[i] = yysymbol_name(kinds[i]);
    }
    parser_syntax_error(ps, names, count > 0 ? (size_t)count : 0);
    return 0;
}
