/* The token stream between scanner and grammar: open brackets, keywords that stand for names, and recovery after
 * syntax errors; and the entry that parses one file.
 *
 * Bison asks for a token only once the one before has been taken, so what a token does to the state here (brackets,
 * headers) is done when the next one is asked for: a token that turned out wrong has then done nothing. */
#include "frontend/parser.h"

/* Flex's header, which no other file includes: it clashes with bison's names. */
#define YYSTYPE CNNC_YYSTYPE
#define YYLTYPE Span
#include "scan.h"

enum {
    MAX_BRACKETS = 1000, /* open at once; bison's own stack holds 10,000 symbols */
    TAB_STOP = 8
};

Str parser_text(const Parser *ps, Span span)
{
    const SourceFile *source = ps->file->source;
    return (Str){source->text.ptr + (span.lo - source->base), span.hi - span.lo};
}

/* --- tokens as written */

static uint32_t indentation(const Parser *ps, uint32_t position)
{
    Str blank = parser_text(ps, (Span){ps->line_start, position});
    uint32_t column = 0;
    for (size_t i = 0; i < blank.len; ++i) {
        column = blank.ptr[i] == '\t' ? (column / TAB_STOP + 1) * TAB_STOP : column + 1;
    }
    return column;
}

static bool is_keyword(int kind)
{
    return (kind >= TOK_NET && kind <= TOK_TRAINING) || kind == TOK_TRUE || kind == TOK_FALSE;
}

/* After `as` and `.` a keyword on the same line is a name like any other: `as output`. */
static bool stands_for_name(const Parser *ps, int previous, const Token *token)
{
    bool after_as = previous == TOK_AS && token->kind != TOK_SHARED;
    return is_keyword(token->kind) && !token->first && (after_as || previous == TOK_SHARED || previous == TOK_DOT) &&
           ps->has_replay == false;
}

static Token scan(Parser *ps)
{
    Token token = {0};
    int previous = ps->scanned;
    token.kind = scan_token(&token.value, &token.span, ps->scanner);
    if (token.kind == TOK_END) {
        token.span = (Span){ps->position, ps->position};
    }
    token.line = ps->line_start;
    token.first = ps->at_line_start;
    if (token.first) {
        token.indent = indentation(ps, token.span.lo);
    }
    if (stands_for_name(ps, previous, &token)) {
        token.kind = TOK_NAME;
        token.value.TOK_NAME = parser_text(ps, token.span);
    }
    if (token.kind == TOK_STAR && previous == TOK_SLASH) {
        ps->comment_slip = ps->line_start;
    }
    ps->at_line_start = false;
    ps->scanned = token.kind;
    ps->scanned_end = token.span.hi;
    return token;
}

static Token take(Parser *ps)
{
    if (ps->has_replay) {
        ps->has_replay = false;
        return ps->replay;
    }
    return scan(ps);
}

/* --- open brackets */

static Bracket *innermost(Parser *ps)
{
    return ps->n_brackets == 0 ? NULL : &ps->brackets[ps->n_brackets - 1];
}

static void open_bracket(Parser *ps, const Token *token)
{
    int before = ps->before.kind;
    Bracket bracket = {
        .kind = token->kind,
        .span = token->span,
        .is_call = before == TOK_NAME || before == TOK_RPAREN || before == TOK_RBRACKET,
        .is_params = ps->n_brackets == 0 && token->kind == TOK_LPAREN && before == TOK_NAME,
        .is_type = ps->in_type,
        .indent = UINT32_MAX,
    };
    ps->brackets = arena_grow(ps->arena, ps->brackets, ps->n_brackets, &ps->bracket_capacity, sizeof *ps->brackets);
    ps->brackets[ps->n_brackets++] = bracket;
}

static void close_bracket(Parser *ps, int opening)
{
    if (ps->n_brackets > 0 && innermost(ps)->kind == opening) {
        --ps->n_brackets;
    }
}

/* What the token delivered last does to the state, now that the grammar has taken it. */
static void settle(Parser *ps)
{
    const Token *token = &ps->last;
    switch (token->kind) {
    case TOK_LPAREN:
    case TOK_LBRACKET:
        open_bracket(ps, token);
        break;
    case TOK_LBRACE:
        ps->header = 0;
        open_bracket(ps, token);
        break;
    case TOK_RPAREN:
        close_bracket(ps, TOK_LPAREN);
        break;
    case TOK_RBRACKET:
        ps->in_type = false;
        close_bracket(ps, TOK_LBRACKET);
        break;
    case TOK_INPUT:
        ps->in_type = true;
        break;
    case TOK_RBRACE:
        close_bracket(ps, TOK_LBRACE);
        break;
    case TOK_BLOCK:
    case TOK_NET:
    case TOK_IF:
    case TOK_FOR:
        ps->header = token->kind;
        break;
    default:
        break;
    }
    if (token->kind != TOK_SYNC) {
        ps->before = *token;
    }
}

/* --- recovery */

static bool starts_statement(int kind)
{
    return kind == TOK_NAME || kind == TOK_IF || kind == TOK_FOR || kind == TOK_RETURN || kind == TOK_INPUT ||
           kind == TOK_OUTPUT || kind == TOK_TRAINING;
}

static bool starts_definition(int kind)
{
    return kind == TOK_NET || kind == TOK_BLOCK || kind == TOK_IMPORT;
}

/* Forgets the brackets that were open inside the faulty statement. */
static void drop_to_body(Parser *ps)
{
    while (ps->n_brackets > 0 && innermost(ps)->kind != TOK_LBRACE) {
        --ps->n_brackets;
    }
}

/* A definition's keyword at the start of a line, left of every statement: a body before it was not closed. */
static bool ends_bodies(const Parser *ps, const Token *token)
{
    uint32_t outermost = ps->n_brackets == 0 ? UINT32_MAX : ps->brackets[0].indent;
    return token->kind == TOK_END || (starts_definition(token->kind) && token->first && token->indent < outermost) ||
           (starts_definition(token->kind) && ps->n_brackets == 0);
}

/* A statement of the body in which the fault is, told by its indentation; or the end of that body. */
static bool resumes_body(Parser *ps, const Token *token)
{
    uint32_t indent = innermost(ps)->indent;
    if (token->kind == TOK_RBRACE) {
        /* Where `if` lacks its "{", the "}" below it, as far to the right, is that one's partner. */
        bool of_header = (ps->header == TOK_IF || ps->header == TOK_FOR) && token->first && token->indent >= indent;
        return !of_header;
    }
    return starts_statement(token->kind) && token->first && token->indent <= indent;
}

static Token deliver_sync(Parser *ps, const Token *token)
{
    ps->header = 0;
    ps->in_type = false;
    ps->synced_at = token->span.lo;
    ps->replay = *token;
    ps->has_replay = true;
    Token sync = {.kind = TOK_SYNC, .span = {token->span.lo, token->span.lo}};
    return sync;
}

/* Drops tokens until one from which the grammar can go on, beginning with the one it refused. */
static Token recover(Parser *ps)
{
    size_t skipped_open = 0; /* braces among the dropped tokens */
    drop_to_body(ps);
    ps->skipping = true;
    for (;;) {
        Token token = take(ps);
        bool fresh = token.span.lo != ps->synced_at;
        if (fresh && ends_bodies(ps, &token)) {
            ps->closers = ps->n_brackets;
            return deliver_sync(ps, &token);
        }
        if (token.kind == TOK_END) {
            return token;
        }
        if (skipped_open == 0 && token.kind == TOK_LBRACE && ps->header != 0) {
            return token; /* the body of a faulty header: what is in there is looked at, too */
        }
        if (skipped_open == 0 && ps->n_brackets > 0 && fresh && resumes_body(ps, &token)) {
            return deliver_sync(ps, &token);
        }
        if (token.kind == TOK_LBRACE) {
            ++skipped_open;
        } else if (token.kind == TOK_RBRACE && skipped_open > 0) {
            --skipped_open;
        }
    }
}

void parser_resume(Parser *ps)
{
    if (!ps->skipping) { /* the refused token itself is the "{" that a faulty header goes on with */
        ps->has_replay = false;
        drop_to_body(ps);
    }
    ps->recovering = false;
}

void parser_too_deep(Parser *ps, Span span)
{
    if (!ps->too_deep) {
        diag_error(ps->diag, DIAG_CALL_DEPTH, span, "nested too deeply (more than %d levels)", AST_MAX_DEPTH);
        diag_help(ps->diag, "give a part of it a name, y = ..., or make a block of it");
    }
    ps->too_deep = true;
}

void cnnc_yyerror(const Span *place, Parser *ps, const char *message)
{
    (void)place;
    (void)message; /* syntax errors come through parser_syntax_error: this is an exhausted stack */
    parser_too_deep(ps, ps->last.span);
}

int cnnc_yylex(CNNC_YYSTYPE *value, Span *place, Parser *ps)
{
    Token token;
    if (ps->recovering) {
        token = recover(ps);
    } else {
        settle(ps);
        if (ps->closers > 0) {
            --ps->closers;
            token = (Token){.kind = TOK_RBRACE, .span = {ps->replay.span.lo, ps->replay.span.lo}};
        } else {
            token = take(ps);
        }
    }
    Bracket *body = innermost(ps);
    if (body != NULL && body->indent == UINT32_MAX && body->kind == TOK_LBRACE && token.first &&
        token.kind != TOK_RBRACE) {
        body->indent = token.indent;
    }
    if (ps->n_brackets >= MAX_BRACKETS && !ps->too_deep) {
        parser_too_deep(ps, token.span);
    }
    if (ps->n_brackets >= MAX_BRACKETS) {
        token.kind = TOK_END; /* nothing sensible follows */
    }
    ps->last = token;
    *value = token.value;
    *place = token.span;
    return token.kind;
}

/* --- entry */

AstFile *parser_run(Arena *arena, Diag *diag, const SourceFile *source)
{
    AstFile *file = ARENA_NEW(arena, AstFile);
    file->source = source;
    Parser ps = {.arena = arena, .diag = diag, .file = file};
    /* A byte order mark is no text. */
    uint32_t start = source->text.len >= 3 && memcmp(source->text.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    ps.position = ps.line_start = source->base + start;
    ps.at_line_start = true;
    ps.last = ps.before = (Token){.kind = TOK_SYNC, .span = {ps.position, ps.position}};
    if (scan_lex_init_extra(&ps, &ps.scanner) != 0) {
        out_of_memory();
    }
    /* Flex writes into the text it scans, so it gets a copy: diagnostics quote the file as it is. */
    scan__scan_bytes(source->text.ptr + start, (int)(source->text.len - start), ps.scanner);
    cnnc_yyparse(&ps);
    scan_lex_destroy(ps.scanner);
    return file;
}
