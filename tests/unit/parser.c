/* The parser: what it takes, what it says about what it does not take, and that nothing can hang or crash it. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "frontend/frontend.h"
#include "support/file.h"

typedef struct Parsed {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    AstFile *file;
    StrBuf print;
} Parsed;

static const FrontendOptions no_options;

static Parsed parsed_start(void)
{
    Parsed parsed = {.arena = arena_create()};
    parsed.sources = sources_create(parsed.arena);
    parsed.diag = diag_create(parsed.arena, parsed.sources);
    return parsed;
}

static Parsed parse_str(Str text)
{
    Parsed parsed = parsed_start();
    parsed.file = frontend_parse_text(parsed.arena, parsed.sources, parsed.diag, STR("t.net"), text, &no_options);
    if (parsed.file != NULL) {
        ast_print(parsed.file, &parsed.print);
    }
    return parsed;
}

static Parsed parse_text(const char *text)
{
    return parse_str(str_from(text));
}

static void parsed_end(Parsed *parsed)
{
    strbuf_free(&parsed->print);
    diag_destroy(parsed->diag);
    arena_destroy(parsed->arena);
}

static const char *messages(const Parsed *parsed)
{
    return arena_cstr(parsed->arena, diag_text(parsed->diag));
}

static const char *printed(const Parsed *parsed)
{
    return arena_cstr(parsed->arena, strbuf_view(&parsed->print));
}

/* --- what it takes */

static int n_round_trips;

/* print(parse(file)) parses, and prints as itself. */
static int round_trip(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    size_t length = strlen(path);
    if (type != FTW_F || length < 4 || strcmp(path + length - 4, ".net") != 0) {
        return 0;
    }
    Parsed first = parsed_start();
    Str text, reason;
    cr_assert(file_read(first.arena, path, 1 << 24, &text, &reason), "%s", path);
    /* Under a name in the same folder, so that imports are found. */
    first.file = frontend_parse_text(first.arena, first.sources, first.diag, str_from(path), text, &no_options);
    if (diag_errors(first.diag) == 0) {
        ast_print(first.file, &first.print);
        Parsed second = parsed_start();
        second.file = frontend_parse_text(second.arena, second.sources, second.diag, str_from(path),
                                          strbuf_view(&first.print), &no_options);
        cr_assert_eq(diag_errors(second.diag), 0, "%s: its print does not parse: %s", path, messages(&second));
        ast_print(second.file, &second.print);
        cr_assert_str_eq(printed(&first), printed(&second), "%s", path);
        cr_assert_eq(first.file->n_definitions, second.file->n_definitions);
        parsed_end(&second);
        ++n_round_trips;
    } else {
        cr_assert(strncmp(path, "tests/", 6) == 0, "%s does not parse: %s", path, messages(&first));
    }
    parsed_end(&first);
    return 0;
}

Test(parser, round_trip_of_every_net)
{
    n_round_trips = 0;
    nftw("dsl", round_trip, 16, FTW_PHYS);
    nftw("tests", round_trip, 16, FTW_PHYS);
    cr_assert_geq(n_round_trips, 15, "only %d files", n_round_trips);
}

/* "x = WRITTEN" prints as "x = CANONICAL". */
Test(parser, precedence)
{
    static const struct {
        const char *written, *canonical;
    } cases[] = {
        {"a |> f |> g(1)", "a\n        |> f\n        |> g(1)"},
        {"(a + b) * c", "(a + b) * c"},
        {"(a * b) + c", "a * b + c"},
        {"a - (b - c)", "a - (b - c)"},
        {"(a - b) - c", "a - b - c"},
        {"a / (b * c)", "a / (b * c)"},
        {"a // b % c", "a // b % c"},
        {"-a.b[0]", "-a.b[0]"},
        {"(-a).b", "(-a).b"},
        {"-(a + b)", "-(a + b)"},
        {"-a * -b", "-a * -b"},
        {"(a .. b)", "a..b"},
        {"a + 1 .. b * 2", "a + 1..b * 2"},
        {"(a < b) == c", "(a < b) == c"},
        {"(not a) and b", "not a and b"},
        {"not (a and b)", "not (a and b)"},
        {"not (a == b)", "not a == b"},
        {"a or (b and c)", "a or b and c"},
        {"(a or b) and c", "(a or b) and c"},
        {"(a ? b : c) ? d : e", "(a ? b : c) ? d : e"},
        {"a ? b : (c ? d : e)", "a ? b : c ? d : e"},
        {"a ? (b |> f) : c", "a ? (b |> f) : c"},
        {"a + (b |> f)", "a + (b |> f)"},
        {"a + b |> f", "a + b |> f"},
        {"f(a |> g, k = b ? c : d)", "f(a |> g, k=b ? c : d)"},
        {"(f(a) as n).channels", "(f(a) as n).channels"},
        {"(f(a) as n) + b", "f(a) as n + b"},
        {"[]", "[]"},
        {"[1, 2.50, \"M\", [true, false,],]", "[1, 2.5, \"M\", [true, false]]"},
        {"a |> f as shared p.\"1x1\"[i + 1].q", "a |> f as shared p.\"1x1\"[i + 1].q"},
        {"a |> f() as net.for[0]", "a |> f() as net.for[0]"},
        {"1e-5 + 0.1 + 100.0 + 1E3", "1e-05 + 0.1 + 100.0 + 1000.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char text[256], expected[256];
        snprintf(text, sizeof text, "net n { x = %s }", cases[i].written);
        snprintf(expected, sizeof expected, "net n {\n    x = %s\n}\n", cases[i].canonical);
        Parsed parsed = parse_text(text);
        cr_assert_eq(diag_errors(parsed.diag), 0, "%s: %s", cases[i].written, messages(&parsed));
        cr_assert_str_eq(printed(&parsed), expected);
        parsed_end(&parsed);
    }
}

Test(parser, kinds_and_spans)
{
    const char *text = "net n {\n    y = x |> relu as r\n    y = relu(x)\n}\n";
    Parsed parsed = parse_text(text);
    const Definition *net = &parsed.file->definitions[0];
    const Expr *pipe = net->body.items[0]->as.assign.value;
    cr_assert_eq(pipe->kind, EXPR_PIPE);
    const Expr *stage = pipe->as.pipe.stage;
    cr_assert_eq(stage->kind, EXPR_CALL);
    cr_assert(stage->as.call.bare);
    cr_assert(str_equal(stage->as.call.naming->parts[0].text, STR("r")));
    Str cut = {text + pipe->span.lo - parsed.file->source->base, pipe->span.hi - pipe->span.lo};
    cr_assert(str_equal(cut, STR("x |> relu as r")), STR_FMT, STR_ARG(cut));
    const Expr *call = net->body.items[1]->as.assign.value;
    cr_assert_not(call->as.call.bare);
    cr_assert_eq(call->depth, 2);
    SourceLocation place = sources_locate(parsed.sources, call->span.lo);
    cr_assert_eq(place.line, 3);
    cr_assert_eq(place.column, 9);
    parsed_end(&parsed);
}

Test(parser, line_ends_and_byte_order_mark)
{
    Parsed parsed = parse_text("\xEF\xBB\xBF# head\r\nnet n {\r\n\tx = \"a\\\"\\\\\\n\\t\"\r\n\toutput x }");
    cr_assert_eq(diag_errors(parsed.diag), 0, "%s", messages(&parsed));
    cr_assert_str_eq(printed(&parsed), "net n {\n    x = \"a\\\"\\\\\\n\\t\"\n    output x\n}\n");
    parsed_end(&parsed);
}

Test(parser, largest_integer)
{
    Parsed parsed = parse_text("net n { x = 9223372036854775807 }");
    cr_assert_eq(diag_errors(parsed.diag), 0);
    cr_assert_eq(parsed.file->definitions[0].body.items[0]->as.assign.value->as.integer, INT64_MAX);
    parsed_end(&parsed);
    parsed = parse_text("net n { x = 9223372036854775808 }");
    cr_assert_eq(diag_fired(parsed.diag, DIAG_BAD_NUMBER), 1);
    parsed_end(&parsed);
}

/* --- what it says */

static const char seven_faults[] = "block one(x, width) {\n"                             /* 1 */
                                   "    y = x\n"                                         /* 2 */
                                   "        |> conv(width, kernel=3 as conv1\n"          /* 3: ')' missing */
                                   "        |> batch_norm\n"                             /* 4 */
                                   "        |> relu\n"                                   /* 5 */
                                   "    z = y |> conv(width, kernel=, pad=1) as conv2\n" /* 6: no value */
                                   "    return relu(y + z)\n"                            /* 7 */
                                   "}\n"                                                 /* 8 */
                                   "block two(x, width {\n"                              /* 9: ')' missing */
                                   "    a = x\n"                                         /* 10 */
                                   "        |> relu\n"                                   /* 11 */
                                   "        |>\n"                                        /* 12 */
                                   "        |> tanh\n"                                   /* 13: no stage */
                                   "    for i 0..3 {\n"                                  /* 14: no 'in' */
                                   "        a = a |> conv(3,\n"                          /* 15 */
                                   "            kernel=3,\n"                             /* 16 */
                                   "            pad=1)\n"                                /* 17 */
                                   "    }\n"                                             /* 18 */
                                   "    if width = 3 {\n"                                /* 19: '=' */
                                   "        a = a + * 2\n"                               /* 20: two operators */
                                   "    }\n"                                             /* 21 */
                                   "    return a\n"                                      /* 22 */
                                   "}\n";

Test(parser, seven_faults_seven_messages)
{
    static const int lines[] = {3, 6, 9, 13, 14, 19, 20};
    Parsed parsed = parse_text(seven_faults);
    const char *at = messages(&parsed);
    cr_assert_eq(diag_errors(parsed.diag), 7, "%s", at);
    for (size_t i = 0; i < 7; ++i) {
        char start[32];
        snprintf(start, sizeof start, "t.net:%d:", lines[i]);
        const char *found = strstr(at, start);
        cr_assert_not_null(found, "no message for line %d, or not in order:\n%s", lines[i], messages(&parsed));
        cr_assert_not_null(strstr(found, ": error: "));
        at = found + 1;
    }
    parsed_end(&parsed);
}

/* Each fault alone: the message, and the remedy where there is one; and never a second message. */
Test(parser, messages)
{
    static const struct {
        const char *body, *message, *help;
    } cases[] = {
        {"y = f(x {", "expected ',' or ')' after argument, found '{'", "'(' opened here"},
        {"y = [1, 2", "expected ',' or ']' after element, found '}'", "'[' opened here"},
        {"y = x[1", "expected ']' after index, found '}'", "'[' opened here"},
        {"input x: f32[3, 4", "expected ',' or ']' after dimension, found '}'", "'[' opened here"},
        {"y = ", "expected an expression after '=', found '}'", NULL},
        {"y = a +", "expected an expression after '+', found '}'", NULL},
        {"y = a |> 3", "expected the name of an op or block after '|>', found '3'", NULL},
        {"y = a ? b", "expected ':' after 'b', found '}'", NULL},
        {"y = 1;", "';' has no meaning here", "leave it out"},
        {"y := 1", "':=' has no meaning here", "assign with '='"},
        {"y += 1", "an assignment operator has no meaning here", "in full"},
        {"y == 1", "expected ',' or '=' after 'y', found '=='", "to assign, write '='"},
        {"if y = 1 { z = 1 }", "expected '{' after the condition, found '='", "to compare, write '=='"},
        {"for i in 3 = 4 { z = 1 }", "expected '{' after the range or list, found '='", NULL},
        {"y = x // the image itself", "expected ',' or '=' after 'image', found 'itself'", "a comment starts with '#'"},
        {"y = x /* copy */", "expected an expression after '/', found '*'", "a comment starts with '#'"},
        {"y = .5", "a float needs a digit before its dot", "write 0.5"},
        {"y = 5. + 1", "malformed float '5.'", "a digit on both sides"},
        {"y = 1.5f", "malformed float '1.5f'", "no suffix"},
        {"y = 0x10", "'0x10' is neither a number nor a name", NULL},
        {"y = 1e999", "beyond the range of a double", NULL},
        {"y = 1e-999", "too small for a double", NULL},
        {"y = 99999999999999999999", "does not fit into 64 bits", NULL},
        {"in = 3", "expected a statement or '}', found 'in'", "'in' is a keyword and cannot be a name"},
        {"for = 3", "expected a name after 'for', found '='", "'for' is a keyword and cannot be a name"},
        {"input = 3", "expected a name after 'input', found '='", "'input' is a keyword and cannot be a name"},
        {"y = f(as=3)", "expected an argument or ')' after '(', found 'as'", "'as' is a keyword"},
        {"y = x as z", "expected an operator or the next statement, found 'as'", "'as' names a call"},
        {"y = f(x) as 1x1", "a name starts with a letter", "quote it: \"1x1\""},
        {"y = f(x) as layer.0", "expected a name or a string after '.', found '0'", "[0]"},
        {"y = x |> f.channels", "expected an operator or the next statement, found '.'", "parentheses"},
        {"y = 1 < x < 3", "found '<'", "comparisons do not chain"},
        {"y = (1, 2)", "expected ')' after expression, found ','", "[a, b]"},
        {"y = 'same'", "a single quote has no meaning here", "double quotes"},
        {"y = \"abc", "string has no closing '\"' on its line", NULL},
        {"y = \"a\\q\"", "unknown escape in a string", "\\n \\t"},
        {"y = a && b", "'&&' has no meaning here", "write 'and'"},
        {"y = a || b", "'||' has no meaning here", "write 'or'"},
        {"y = !a", "'!' has no meaning here", "write 'not'"},
        {"y = a ** 2", "a power operator has no meaning here", "multiply"},
        {"y = a -> f", "an arrow has no meaning here", "'|>'"},
        {"y = a | f", "'|' has no meaning here", "'|>'"},
        {"y = 0...3", "a range operator of another language", "a..b"},
        {"let y = 3", "expected ',' or '=' after 'let', found 'y'", "made by its assignment"},
        {"if a { } elif b { }", "expected ',' or '=' after 'elif', found 'b'", "else if"},
        {"if a: y = 3", "expected '{' after the condition, found ':'", "in braces"},
        {"else { y = 3 }", "expected a statement or '}', found 'else'", "follows the '}' of an 'if'"},
        {"f", "expected ',' or '=' after 'f', found '}'", "an assignment, x = ..., or a call"},
        {"y, = 3", "expected a name after ',', found '='", NULL},
        {"größe = 3", "'größe' is no name", NULL},
        {"y = \xE2\x80\x9Csame\xE2\x80\x9D", "a typographic quote", "written with \""},
        {"y\xC2\xA0= 3", "'y\xC2\xA0' is no name", NULL},
        {"y = a \xE2\x88\x92 b", "a minus sign that is not '-'", "write '-'"},
        {"y = 3 @ 4", "'@' has no meaning here", NULL},
        {"y = 3 \x01 ", "control character 0x01", NULL},
        {"import \"x.net\"", "found 'import'", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char text[256];
        snprintf(text, sizeof text, "net n {\n    %s\n}\n", cases[i].body);
        Parsed parsed = parse_text(text);
        const char *all = messages(&parsed);
        cr_expect_not_null(strstr(all, cases[i].message), "%s\n  wants: %s\n  says: %s", text, cases[i].message, all);
        cr_expect(cases[i].help == NULL || strstr(all, cases[i].help) != NULL, "%s\n  wants: %s\n  says: %s", text,
                  cases[i].help, all);
        bool twice = strstr(cases[i].body, "@") != NULL || strstr(cases[i].body, "import") != NULL;
        cr_expect(diag_errors(parsed.diag) == 1 || twice, "%s\n  says: %s", text, all);
        parsed_end(&parsed);
    }
}

Test(parser, missing_brace_costs_one_message)
{
    Parsed parsed = parse_text("net a {\n    x = 1\n    if x {\n        x = 2\n}\n\nnet b {\n    x = 1\n}\n");
    cr_assert_eq(diag_errors(parsed.diag), 1, "%s", messages(&parsed));
    cr_assert_not_null(strstr(messages(&parsed), "t.net:7:1: error: expected '}' to end the body, found 'net'"));
    cr_assert_eq(parsed.file->n_definitions, 2, "what follows is still read");
    parsed_end(&parsed);
    parsed = parse_text("net a {\n    x = 1\n");
    cr_assert_eq(diag_errors(parsed.diag), 1, "%s", messages(&parsed));
    cr_assert_not_null(
        strstr(messages(&parsed), "t.net:2:10: error: expected '}' to end the body, found the end of the file"));
    parsed_end(&parsed);
}

Test(parser, definitions_after_a_faulty_header_are_read)
{
    Parsed parsed =
        parse_text("block (x) {\n    y = = 1\n    return x\n}\nimport 3\nnet b {\n    x = 1\n}\n}\nnet c { }\n");
    cr_assert_eq(diag_errors(parsed.diag), 4, "%s", messages(&parsed));
    cr_assert_eq(parsed.file->n_definitions, 2);
    parsed_end(&parsed);
}

/* --- what no input may do */

/* head, then `count` times the unit, then as often the end. */
static void check_depth(const char *head, const char *unit, int count, const char *middle, const char *end,
                        bool too_deep)
{
    StrBuf text = {0};
    strbuf_append(&text, str_from(head));
    for (int i = 0; i < count; ++i) {
        strbuf_append(&text, str_from(unit));
    }
    strbuf_append(&text, str_from(middle));
    for (int i = 0; i < count; ++i) {
        strbuf_append(&text, str_from(end));
    }
    strbuf_append(&text, STR("\n}"));
    Parsed parsed = parse_str(strbuf_view(&text));
    cr_assert_eq(diag_errors(parsed.diag), too_deep ? 1 : 0, "%d x %s: %.2000s", count, unit, messages(&parsed));
    cr_assert_eq(diag_fired(parsed.diag, DIAG_CALL_DEPTH), too_deep ? 1 : 0);
    parsed_end(&parsed);
    strbuf_free(&text);
}

Test(parser, deep_nesting)
{
    static const struct {
        const char *head, *unit, *middle, *end;
    } shapes[] = {
        {"net n { x = ", "(", "1", ")"},
        {"net n { x = ", "[", "1", "]"},
        {"net n { x = ", "f(1, k=", "1", ")"},
        {"net n { x = ", "-", "1", ""},
        {"net n { x = ", "not ", "1", ""},
        {"net n { x = ", "1 + ", "1", ""},
        {"net n { x = y", " |> relu", "", ""},
        {"net n { x = y", "[0]", "", ""},
        {"net n { x = y", ".shape", "", ""},
        {"net n { x = ", "a ? b : ", "c", ""},
        {"net n { ", "if x { ", "y = 1", "}"},
        {"net n { ", "for i in x { ", "y = 1", "}"},
        {"net n { if x { } ", "else if x { } ", "", ""},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
        check_depth(shapes[i].head, shapes[i].unit, 900, shapes[i].middle, shapes[i].end, false);
        check_depth(shapes[i].head, shapes[i].unit, 100000, shapes[i].middle, shapes[i].end, true);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

Test(parser, garbage_bytes)
{
    uint32_t state = 1;
    for (int round = 0; round < 300; ++round) {
        char bytes[700];
        size_t length = next_random(&state) % sizeof bytes;
        uint32_t range = round % 3 == 0 ? 256 : round % 3 == 1 ? 128 : 64;
        for (size_t i = 0; i < length; ++i) {
            bytes[i] = (char)(next_random(&state) % range);
        }
        Parsed parsed = parse_str((Str){bytes, length});
        cr_assert_not_null(parsed.file);
        parsed_end(&parsed);
    }
}

/* Tokens in any order, on any lines: recovery must always come to an end, and never say two things of one place. */
Test(parser, token_soups, .timeout = 120)
{
    static const char *const tokens[] = {"net",
                                         "block",
                                         "import",
                                         "input",
                                         "output",
                                         "return",
                                         "for",
                                         "in",
                                         "if",
                                         "else",
                                         "and",
                                         "or",
                                         "not",
                                         "as",
                                         "shared",
                                         "training",
                                         "true",
                                         "false",
                                         "x",
                                         "y",
                                         "conv",
                                         "3",
                                         "1.5",
                                         "\"s\"",
                                         "(",
                                         ")",
                                         "[",
                                         "]",
                                         "{",
                                         "}",
                                         "{",
                                         "}",
                                         "(",
                                         ")",
                                         ",",
                                         ".",
                                         "=",
                                         ":",
                                         "?",
                                         "|>",
                                         "..",
                                         "==",
                                         "<",
                                         "+",
                                         "-",
                                         "*",
                                         "/",
                                         "//",
                                         "%",
                                         ";",
                                         "\n",
                                         "\n    ",
                                         "\n        ",
                                         "\n",
                                         "\n    x = ",
                                         "\nnet n {\n    ",
                                         "\nblock b(x) {\n    ",
                                         ".5",
                                         "'q'",
                                         "\"open\n"};
    const size_t n_tokens = sizeof tokens / sizeof tokens[0];
    uint32_t state = 7;
    size_t clean = 0;
    for (int round = 0; round < 5000; ++round) {
        StrBuf text = {0};
        size_t length = next_random(&state) % 60;
        strbuf_append(&text, round % 2 == 0 ? STR("net n {\n    ") : STR(""));
        for (size_t i = 0; i < length; ++i) {
            strbuf_printf(&text, "%s ", tokens[next_random(&state) % n_tokens]);
        }
        Parsed parsed = parse_str(strbuf_view(&text));
        /* Each message has a place of its own: so there are never more of them than bytes. */
        cr_assert_leq(diag_errors(parsed.diag), text.len + 1);
        clean += diag_errors(parsed.diag) == 0;
        parsed_end(&parsed);
        strbuf_free(&text);
    }
    cr_assert_geq(clean, 20, "some soups are nets");
}

/* A good file with one token taken out, doubled or replaced: few messages, and no hang. */
Test(parser, one_token_wrong, .timeout = 120)
{
    Parsed good = parsed_start();
    Str text, reason;
    cr_assert(file_read(good.arena, "dsl/blocks/residual.net", 1 << 20, &text, &reason));
    static const char *const insertions[] = {"", "(", ")", "{", "}", "=", ",", "|>", "net", "if", "as", "3", "\n"};
    size_t worst = 0;
    uint32_t state = 3;
    for (size_t round = 0; round < 1500; ++round) {
        size_t at = next_random(&state) % text.len, cut = next_random(&state) % 3;
        cut = cut > text.len - at ? text.len - at : cut;
        const char *insertion = insertions[next_random(&state) % (sizeof insertions / sizeof insertions[0])];
        StrBuf changed = {0};
        strbuf_append(&changed, (Str){text.ptr, at});
        strbuf_append(&changed, str_from(insertion));
        strbuf_append(&changed, (Str){text.ptr + at + cut, text.len - at - cut});
        Parsed parsed = parse_str(strbuf_view(&changed));
        size_t errors = diag_errors(parsed.diag);
        cr_assert_leq(errors, 6, "one change at byte %zu (cut %zu, insert '%s') gives %zu messages:\n%s", at, cut,
                      insertion, errors, messages(&parsed));
        worst = errors > worst ? errors : worst;
        parsed_end(&parsed);
        strbuf_free(&changed);
    }
    cr_assert_gt(worst, 0);
    parsed_end(&good);
}

Test(parser, bytes_that_are_no_text)
{
    Parsed parsed = parse_str((Str){"net n { # caf\xE9\n}", 16});
    cr_assert_eq(diag_fired(parsed.diag, DIAG_INVALID_UTF8), 1, "%s", messages(&parsed));
    cr_assert_eq(diag_errors(parsed.diag), 1);
    cr_assert_not_null(strstr(messages(&parsed), "t.net:1:14: error: byte 0xE9"));
    parsed_end(&parsed);
    parsed = parse_str((Str){"\xFF\xFEn\0e\0t\0", 8});
    cr_assert_not_null(strstr(messages(&parsed), "UTF-16"));
    parsed_end(&parsed);
    parsed = parse_str((Str){"net n {\n\0\0\0 x = 1 }", 19});
    cr_assert_eq(diag_fired(parsed.diag, DIAG_BAD_CHARACTER), 1, "%s", messages(&parsed));
    cr_assert_eq(diag_errors(parsed.diag), 1);
    parsed_end(&parsed);
}

/* --- imports */

static char folder[512];

static void make_folder(const char *test)
{
    const char *build = getenv("CNNC_BUILD");
    snprintf(folder, sizeof folder, "%s", build == NULL ? "build" : build);
    mkdir(folder, 0777);
    strcat(folder, "/tmp");
    mkdir(folder, 0777);
    snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/parser-%s", test);
    mkdir(folder, 0777);
}

static const char *put(const char *name, const char *text)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
    return path;
}

static Parsed parse_path(const char *name, const FrontendOptions *options)
{
    Parsed parsed = parsed_start();
    Str path = arena_printf(parsed.arena, "%s/%s", folder, name);
    parsed.file = frontend_parse(parsed.arena, parsed.sources, parsed.diag, path, options);
    return parsed;
}

Test(parser, imports_are_loaded_once)
{
    make_folder("once");
    char sub[600];
    snprintf(sub, sizeof sub, "%s/sub", folder);
    mkdir(sub, 0777);
    put("a.net", "import \"sub/b.net\" import \"c.net\" import \"sub/../c.net\" net a { }");
    put("sub/b.net", "import \"../c.net\" block b() { }");
    put("c.net", "block c() { }");
    Parsed parsed = parse_path("a.net", &no_options);
    cr_assert_eq(diag_errors(parsed.diag), 0, "%s", messages(&parsed));
    const AstFile *a = parsed.file, *b = a->imports[0].file;
    cr_assert_not_null(b);
    cr_assert_not_null(b->imports[0].file);
    cr_assert_eq(b->imports[0].file, a->imports[1].file);
    cr_assert_eq(b->imports[0].file, a->imports[2].file);
    cr_assert(str_equal(b->source->name, STR("sub/b.net")));
    cr_assert(str_equal(a->source->name, STR("a.net")));
    parsed_end(&parsed);
}

Test(parser, imports_from_include_folders)
{
    make_folder("include");
    char near_folder[600], far_folder[600];
    snprintf(near_folder, sizeof near_folder, "%s/near", folder);
    snprintf(far_folder, sizeof far_folder, "%s/far", folder);
    mkdir(near_folder, 0777);
    mkdir(far_folder, 0777);
    put("a.net", "import \"own.net\" import \"both.net\" import \"far.net\"");
    put("own.net", "block own() { }");
    put("near/own.net", "block wrong() { }");
    put("near/both.net", "block near_one() { }");
    put("far/both.net", "block wrong() { }");
    put("far/far.net", "block far_one() { }");
    Str dirs[] = {str_from(near_folder), str_from(far_folder)};
    Parsed parsed = parse_path("a.net", &(FrontendOptions){.include_dirs = dirs, .n_include_dirs = 2});
    cr_assert_eq(diag_errors(parsed.diag), 0, "%s", messages(&parsed));
    static const char *const names[] = {"own", "near_one", "far_one"};
    for (size_t i = 0; i < 3; ++i) {
        Str name = parsed.file->imports[i].file->definitions[0].name;
        cr_assert(str_equal(name, str_from(names[i])), STR_FMT, STR_ARG(name));
    }
    parsed_end(&parsed);
}

Test(parser, import_cycles_show_the_chain)
{
    make_folder("cycle");
    put("a.net", "import \"b.net\"\n");
    put("b.net", "\nimport \"c.net\"\n");
    put("c.net", "\n\nimport \"a.net\"\n");
    Parsed parsed = parse_path("a.net", &no_options);
    const char *all = messages(&parsed);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_IMPORT_CYCLE), 1, "%s", all);
    cr_assert_eq(diag_errors(parsed.diag), 1);
    cr_assert_not_null(strstr(all, "c.net:3:8: error: \"a.net\" imports itself, by way of others"), "%s", all);
    const char *c = strstr(all, "b.net:2:8: note: \"c.net\" is imported here");
    const char *b = strstr(all, "a.net:1:8: note: \"b.net\" is imported here");
    cr_assert(c != NULL && b != NULL && c < b, "%s", all);
    parsed_end(&parsed);
    put("self.net", "import \"self.net\"\n");
    parsed = parse_path("self.net", &no_options);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_IMPORT_CYCLE), 1, "%s", messages(&parsed));
    parsed_end(&parsed);
}

Test(parser, import_not_found)
{
    make_folder("missing");
    put("a.net", "import \"residul.net\"\nimport \"\"\nnet a { x = = }\n");
    put("residual.net", "");
    Parsed parsed = parse_path("a.net", &no_options);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_IMPORT_NOT_FOUND), 2, "%s", messages(&parsed));
    cr_assert_eq(diag_fired(parsed.diag, DIAG_SYNTAX), 1);
    cr_assert_not_null(strstr(messages(&parsed), "did you mean \"residual.net\"?"), "%s", messages(&parsed));
    parsed_end(&parsed);
}

Test(parser, unreadable_files)
{
    make_folder("unreadable");
    char sub[600];
    snprintf(sub, sizeof sub, "%s/sub", folder);
    mkdir(sub, 0777);
    Parsed parsed = parse_path("none.net", &no_options);
    cr_assert_null(parsed.file);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_FILE_UNREADABLE), 1);
    cr_assert_not_null(strstr(messages(&parsed), "none.net: error: No such file or directory [file-unreadable]"));
    parsed_end(&parsed);
    parsed = parse_path("sub", &no_options);
    cr_assert_not_null(strstr(messages(&parsed), "is a directory"));
    parsed_end(&parsed);
    put("a.net", "import \"sub\" net a { }");
    parsed = parse_path("a.net", &no_options);
    cr_assert_not_null(parsed.file);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_FILE_UNREADABLE), 1, "%s", messages(&parsed));
    parsed_end(&parsed);
}

Test(parser, file_of_more_than_16_mebibytes)
{
    make_folder("large");
    const char *path = put("large.net", "");
    FILE *file = fopen(path, "wb");
    cr_assert_eq(fseek(file, 16 * 1024 * 1024, SEEK_SET), 0);
    fputc('\n', file);
    fclose(file);
    Parsed parsed = parse_path("large.net", &no_options);
    cr_assert_null(parsed.file);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_FILE_TOO_LARGE), 1, "%s", messages(&parsed));
    parsed_end(&parsed);
    remove(path);
}

Test(parser, long_chain_of_imports)
{
    make_folder("chain");
    for (int i = 0; i < 400; ++i) {
        char name[32], text[64];
        snprintf(name, sizeof name, "f%d.net", i);
        snprintf(text, sizeof text, "import \"f%d.net\"\n", i + 1);
        put(name, text);
    }
    Parsed parsed = parse_path("f0.net", &no_options);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_CALL_DEPTH), 1, "%s", messages(&parsed));
    cr_assert_eq(diag_errors(parsed.diag), 1);
    parsed_end(&parsed);
}
