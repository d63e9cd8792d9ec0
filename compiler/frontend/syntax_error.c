/* Messages of syntax errors: what was expected, in the user's words, after what, and what was found instead; then
 * a note where the open bracket is, and the remedy for slips that people make who come from other languages. */
#include "frontend/parser.h"

typedef struct Expected { /* the tokens that bison would have taken, by their names in parse.y */
    const char *const *names;
    size_t count;
    bool operand;    /* an expression may start */
    bool operation;  /* the expression before may go on */
    bool statement;  /* a statement may start */
    bool definition; /* a block or a net may start */
} Expected;

static bool expects(const Expected *expected, const char *name)
{
    for (size_t i = 0; i < expected->count; ++i) {
        if (strcmp(expected->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(const char *name, const char *const *set)
{
    for (; *set != NULL; ++set) {
        if (strcmp(name, *set) == 0) {
            return true;
        }
    }
    return false;
}

/* Names that go without saying once "an operator", "an expression" or "a statement" has been said. */
static bool is_covered(const Expected *expected, const char *name)
{
    static const char *const never[] = {"malformed token", "start of a statement", "end of file", NULL};
    static const char *const operands[] = {"string", "integer", "float", "true", "false", "(",
                                           "[",      "-",       "not",   "name", NULL};
    static const char *const operations[] = {"|>", "?", "or", "and", "==", "!=", "<", "<=", ">", ">=", "..",
                                             "+",  "-", "*",  "/",   "//", "%",  ".", "[",  "(", "as", NULL};
    static const char *const statements[] = {"name", "if", "for", "return", "input", "output", "training", "}", NULL};
    if (strcmp(name, "=") == 0 && expects(expected, ",") && expects(expected, ")")) {
        return true; /* true of every name among arguments, and never what is missing */
    }
    return is_one_of(name, never) || (expected->operand && is_one_of(name, operands)) ||
           (expected->operation && is_one_of(name, operations)) || (expected->statement && is_one_of(name, statements));
}

/* --- text */

static void append_name(StrBuf *out, const char *name)
{
    if (strcmp(name, "name") == 0) {
        strbuf_append(out, STR("a name"));
    } else if (strcmp(name, "string") == 0) {
        strbuf_append(out, STR("a string"));
    } else {
        strbuf_printf(out, "'%s'", name);
    }
}

/* Joins alternatives: "a", "a or b", "a, b or c". `index` counts from 0 of `total`. */
static void append_joint(StrBuf *out, size_t index, size_t total)
{
    if (index > 0) {
        strbuf_append(out, index + 1 == total ? STR(" or ") : STR(", "));
    }
}

static void append_token(StrBuf *out, const Parser *ps, const Token *token)
{
    enum { LONGEST = 40 };
    Str text = parser_text(ps, token->span);
    bool is_long = text.len > LONGEST;
    if (token->kind == TOK_END) {
        strbuf_append(out, STR("the end of the file"));
        return;
    }
    if (is_long) {
        text.len = LONGEST;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) {
            --text.len; /* never half a character */
        }
    }
    bool quoted = text.len > 0 && text.ptr[0] == '"';
    strbuf_printf(out, quoted ? STR_FMT "%s" : "'" STR_FMT "%s'", STR_ARG(text), is_long ? "..." : "");
}

static const Bracket *innermost(const Parser *ps)
{
    return ps->n_brackets == 0 ? NULL : &ps->brackets[ps->n_brackets - 1];
}

/* What a comma or closing bracket would come after. */
static const char *element_name(const Bracket *bracket)
{
    if (bracket == NULL || bracket->kind == TOK_LBRACE) {
        return NULL;
    }
    if (bracket->kind == TOK_LPAREN) {
        return bracket->is_params ? "parameter" : bracket->is_call ? "argument" : "expression";
    }
    return bracket->is_type ? "dimension" : bracket->is_call ? "index" : "element";
}

static const char *closer_of(const Bracket *bracket)
{
    return bracket->kind == TOK_LPAREN ? ")" : bracket->kind == TOK_LBRACKET ? "]" : "}";
}

static const char *opener_of(const Bracket *bracket)
{
    return bracket->kind == TOK_LPAREN ? "(" : bracket->kind == TOK_LBRACKET ? "[" : "{";
}

/* A body is open, and what was found can only follow its end. */
static bool lacks_brace(const Parser *ps, const Expected *expected)
{
    int found = ps->last.kind;
    bool ends_body = found == TOK_END || found == TOK_NET || found == TOK_BLOCK || found == TOK_IMPORT;
    return ends_body && ps->n_brackets > 0 && innermost(ps)->kind == TOK_LBRACE && expects(expected, "}");
}

static void append_expected(StrBuf *out, const Parser *ps, const Expected *expected)
{
    const Bracket *bracket = innermost(ps);
    if (lacks_brace(ps, expected)) {
        strbuf_append(out, STR("expected '}' to end the body"));
        return;
    }
    size_t literal = 0, total = 0;
    for (size_t i = 0; i < expected->count; ++i) {
        literal += !is_covered(expected, expected->names[i]);
    }
    /* An operator may always follow an expression: worth saying only where nothing else may. */
    bool say_operator = expected->operation && literal == 0;
    bool say_statement = expected->statement;
    bool say_closing = expected->statement && !expected->operation && expects(expected, "}");
    total = literal + expected->operand + say_operator + say_statement + say_closing;
    if (total == 0) {
        strbuf_append(out, STR("expected the end of the file"));
        return;
    }
    size_t index = 0;
    strbuf_append(out, STR("expected "));
    if (ps->before.kind == TOK_PIPE) {
        strbuf_append(out, STR("the name of an op or block"));
        return;
    }
    if (expected->operand) {
        append_joint(out, index++, total);
        const char *element = expects(expected, ")") || expects(expected, "]") ? element_name(bracket) : NULL;
        strbuf_printf(out, "an %s", element == NULL || strcmp(element, "parameter") == 0 ? "expression" : element);
    }
    if (say_operator) {
        append_joint(out, index++, total);
        strbuf_append(out, STR("an operator"));
    }
    if (!is_covered(expected, ",") && expects(expected, ",")) { /* reads best before the closing bracket */
        append_joint(out, index++, total);
        append_name(out, ",");
    }
    for (size_t i = 0; i < expected->count; ++i) {
        if (!is_covered(expected, expected->names[i]) && strcmp(expected->names[i], ",") != 0) {
            append_joint(out, index++, total);
            append_name(out, expected->names[i]);
        }
    }
    if (say_statement) {
        append_joint(out, index++, total);
        strbuf_append(out, say_operator ? STR("the next statement") : STR("a statement"));
    }
    if (say_closing) {
        append_joint(out, index++, total);
        strbuf_append(out, STR("'}'"));
    }
}

static void append_context(StrBuf *out, const Parser *ps, const Expected *expected)
{
    const Bracket *bracket = innermost(ps);
    const char *element = element_name(bracket);
    bool after_element = expected->operation && element != NULL && expects(expected, closer_of(bracket));
    if (after_element) {
        strbuf_printf(out, " after %s", element);
    } else if (expected->statement || ps->before.kind == TOK_SYNC) {
        return; /* the token before belongs to another statement */
    } else if (expected->operation && expects(expected, "{")) {
        strbuf_append(out, ps->header == TOK_FOR ? STR(" after the range or list") : STR(" after the condition"));
    } else {
        strbuf_append(out, STR(" after "));
        append_token(out, ps, &ps->before);
    }
}

/* --- remedies */

static bool is_keyword(int kind)
{
    return (kind >= TOK_NET && kind <= TOK_TRAINING) || kind == TOK_TRUE || kind == TOK_FALSE;
}

/* The first byte after the token that is no blank; 0 at the end. */
static char next_byte(const Parser *ps, const Token *token)
{
    Str text = ps->file->source->text;
    for (size_t at = token->span.hi - ps->file->source->base; at < text.len; ++at) {
        if (strchr(" \t\r\n", text.ptr[at]) == NULL || text.ptr[at] == '\0') {
            return text.ptr[at];
        }
    }
    return '\0';
}

static bool text_is(const Parser *ps, const Token *token, const char *word)
{
    return str_equal(parser_text(ps, token->span), str_from(word));
}

/* Words that other languages begin a declaration or a branch with. */
static bool help_foreign_word(Parser *ps, const Token *word)
{
    static const struct {
        const char *word, *remedy;
    } words[] = {
        {"elif", "write 'else if'"},
        {"elsif", "write 'else if'"},
        {"let", "a variable is made by its assignment: x = ..."},
        {"var", "a variable is made by its assignment: x = ..."},
        {"const", "a variable is made by its assignment: x = ..."},
        {"def", "a reusable part is a 'block', a network a 'net'"},
        {"fn", "a reusable part is a 'block', a network a 'net'"},
        {"func", "a reusable part is a 'block', a network a 'net'"},
        {"function", "a reusable part is a 'block', a network a 'net'"},
        {"class", "a reusable part is a 'block', a network a 'net'"},
        {"network", "a network starts with 'net'"},
        {"model", "a network starts with 'net'"},
        {"include", "another file is read with: import \"file.net\""},
        {"from", "another file is read with: import \"file.net\""},
        {"while", "there is only 'for NAME in a..b { ... }': every loop ends at compile time"},
        {"then", "no 'then': if condition { ... }"},
        {"do", "no 'do': a body is written { ... }"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        if (text_is(ps, word, words[i].word)) {
            diag_help(ps->diag, "%s", words[i].remedy);
            return true;
        }
    }
    return false;
}

static void help(Parser *ps, const Expected *expected)
{
    const Token *found = &ps->last, *before = &ps->before;
    bool same_line = !found->first;
    if (ps->comment_slip != 0 && (ps->comment_slip == found->line || ps->comment_slip == before->line)) {
        diag_help(ps->diag, "a comment starts with '#'; '//' is floor division");
    } else if (is_keyword(found->kind) &&
               (next_byte(ps, found) == '=' || (same_line && !expected->statement && expects(expected, "name")))) {
        diag_help(ps->diag, "'" STR_FMT "' is a keyword and cannot be a name", STR_ARG(parser_text(ps, found->span)));
    } else if (found->kind == TOK_ASSIGN && is_keyword(before->kind)) {
        diag_help(ps->diag, "'" STR_FMT "' is a keyword and cannot be a name", STR_ARG(parser_text(ps, before->span)));
    } else if (found->kind == TOK_ASSIGN && expected->operation && (ps->header == TOK_IF || ps->header == TOK_FOR)) {
        diag_help(ps->diag, "to compare, write '=='");
    } else if (found->kind == TOK_EQ && expects(expected, "=")) {
        diag_help(ps->diag, "to assign, write '='");
    } else if (found->kind == TOK_INT && before->kind == TOK_DOT) {
        diag_help(ps->diag, "a number in a path is written as an index: [" STR_FMT "]",
                  STR_ARG(parser_text(ps, found->span)));
    } else if (found->kind == TOK_AS && expected->statement) {
        diag_help(ps->diag, "'as' names a call: relu(x) as r, or x |> relu as r");
    } else if (found->kind == TOK_ELSE) {
        diag_help(ps->diag, "'else' follows the '}' of an 'if'");
    } else if (found->kind == TOK_RBRACE && ps->n_brackets == 0) {
        diag_help(ps->diag, "there is one '}' too many, or a '{' is missing above");
    } else if ((found->kind == TOK_DOT || found->kind == TOK_LBRACKET) && expected->operation) {
        diag_help(ps->diag, "put what comes before into parentheses: (x |> f as a).channels");
    } else if (found->kind >= TOK_EQ && found->kind <= TOK_GE && expected->operation) {
        diag_help(ps->diag, "comparisons do not chain: write a < b and b < c");
    } else if (found->kind == TOK_RANGE && expected->operation) {
        diag_help(ps->diag, "a range has two ends: a..b");
    } else if (found->kind == TOK_COLON && ps->header != 0) {
        diag_help(ps->diag, "a body is written in braces: { ... }");
    } else if (found->kind == TOK_NAME && help_foreign_word(ps, found)) {
        return;
    } else if (before->kind == TOK_NAME && same_line && help_foreign_word(ps, before)) {
        return;
    } else if (found->kind == TOK_COMMA && expected->operation && expects(expected, ")")) {
        diag_help(ps->diag, "a list is written in brackets: [a, b]");
    } else if (expects(expected, "=") && expects(expected, "|>") && innermost(ps)->kind == TOK_LBRACE) {
        diag_help(ps->diag, "a statement is an assignment, x = ..., or a call, f(...)");
    }
}

static void note_open_bracket(Parser *ps, const Expected *expected)
{
    const Bracket *bracket = innermost(ps);
    if (bracket == NULL) {
        return;
    }
    bool is_wanted = bracket->kind != TOK_LBRACE && expects(expected, closer_of(bracket));
    if (is_wanted || lacks_brace(ps, expected)) {
        diag_note(ps->diag, bracket->span, "'%s' opened here", opener_of(bracket));
    }
}

/* --- entry */

void parser_syntax_error(Parser *ps, const char *const *names, size_t n_names)
{
    Token found = ps->last;
    ps->replay = found;
    ps->has_replay = true;
    ps->recovering = true;
    ps->skipping = false;
    if (found.span.lo == ps->reported_at || ps->too_deep) {
        return; /* one message a place; and what follows a cut is no news */
    }
    ps->reported_at = found.span.lo;
    Expected expected = {.names = names, .count = n_names};
    expected.operand = expects(&expected, "integer");
    expected.operation = expects(&expected, "|>") || expects(&expected, "+");
    expected.statement = expects(&expected, "return");
    expected.definition = expects(&expected, "import");

    StrBuf message = {0};
    append_expected(&message, ps, &expected);
    append_context(&message, ps, &expected);
    strbuf_append(&message, STR(", found "));
    append_token(&message, ps, &found);
    /* At the end of the file the place to look at is where the text stops. */
    Span place = found.kind == TOK_END ? (Span){ps->before.span.hi, ps->before.span.hi} : found.span;
    diag_error(ps->diag, DIAG_SYNTAX, place, STR_FMT, STR_ARG(strbuf_view(&message)));
    strbuf_free(&message);
    note_open_bracket(ps, &expected);
    help(ps, &expected);
}
