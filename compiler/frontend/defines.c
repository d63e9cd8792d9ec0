/* -D name=value: the text becomes a value of the kind that the parameter's default has. The text holds literals only:
 * numbers, true, false, strings (the quotes may be left away, for shells eat them) and lists of these. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "frontend/elaborate.h"

typedef struct Reader {
    Elaborator *el;
    const char *at; /* NUL-terminated */
    bool ok;
} Reader;

static void skip_blanks(Reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t') {
        ++reader->at;
    }
}

static Value failed(Reader *reader)
{
    reader->ok = false;
    return value_error();
}

/* --- literals */

static bool is_word_char(char c)
{
    return c != '\0' && strchr(" \t,[]\"", c) == NULL;
}

static bool is_decimal(Str word)
{
    size_t digits = 0;
    for (size_t i = 0; i < word.len; ++i) {
        digits += word.ptr[i] >= '0' && word.ptr[i] <= '9';
        if (memchr("+-.eE0123456789", word.ptr[i], 15) == NULL) {
            return false;
        }
    }
    return digits > 0;
}

static Value number_of(Reader *reader, Str word)
{
    const char *text = arena_cstr(reader->el->arena, word);
    char *end = NULL;
    errno = 0;
    if (strpbrk(text, ".eE") == NULL) {
        long long integer = strtoll(text, &end, 10);
        return *end == '\0' && errno == 0 ? value_int(integer) : failed(reader);
    }
    double number = strtod(text, &end);
    return *end == '\0' && isfinite(number) ? value_float(number) : failed(reader);
}

static Value read_word(Reader *reader)
{
    Str word = {reader->at, 0};
    while (is_word_char(*reader->at)) {
        ++reader->at;
        ++word.len;
    }
    if (word.len == 0) {
        return failed(reader);
    }
    if (str_equal(word, STR("true")) || str_equal(word, STR("false"))) {
        return value_bool(word.len == 4);
    }
    return is_decimal(word) ? number_of(reader, word) : value_string(word);
}

static Value read_string(Reader *reader)
{
    StrBuf text = {0};
    ++reader->at;
    while (*reader->at != '"' && *reader->at != '\0') {
        char c = *reader->at++;
        if (c == '\\') {
            c = *reader->at == '\0' ? '\0' : *reader->at++;
            reader->ok &= c != '\0' && strchr("\"\\nt", c) != NULL;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        strbuf_char(&text, c);
    }
    Value value = value_string(arena_copy(reader->el->arena, strbuf_view(&text)));
    strbuf_free(&text);
    if (*reader->at != '"') {
        return failed(reader);
    }
    ++reader->at;
    return value;
}

static Value read_value(Reader *reader, int depth);

static Value read_list(Reader *reader, int depth)
{
    Value list = {.kind = VAL_LIST};
    ++reader->at;
    skip_blanks(reader);
    while (reader->ok && *reader->at != ']') {
        Value item = read_value(reader, depth + 1);
        list = list_append(reader->el->arena, list, &item, 1, &reader->el->bytes);
        skip_blanks(reader);
        if (*reader->at == ',') {
            ++reader->at;
            skip_blanks(reader);
        } else if (*reader->at != ']') {
            return failed(reader);
        }
    }
    ++reader->at;
    return list;
}

static Value read_value(Reader *reader, int depth)
{
    skip_blanks(reader);
    if (depth >= VALUE_MAX_DEPTH) {
        return failed(reader);
    }
    if (*reader->at == '[') {
        return read_list(reader, depth);
    }
    return *reader->at == '"' ? read_string(reader) : read_word(reader);
}

/* The whole text as one literal, or an error value. */
static Value read_literal(Elaborator *el, Str text)
{
    Reader reader = {.el = el, .at = arena_cstr(el->arena, text), .ok = true};
    Value value = read_value(&reader, 0);
    if (reader.ok) {
        skip_blanks(&reader);
    }
    return reader.ok && *reader.at == '\0' ? value : value_error();
}

/* --- kinds */

static Str where(Elaborator *el, const Definement *define)
{
    return arena_printf(el->arena, "-D " STR_FMT "=" STR_FMT, STR_ARG(define->name), STR_ARG(define->value));
}

static Value wrong_kind(Elaborator *el, const Definement *define, Value fallback)
{
    diag_error_in(el->diag, DIAG_TYPE_MISMATCH, where(el, define),
                  "parameter '" STR_FMT "' is %s %s, by its default: " STR_FMT, STR_ARG(define->name),
                  fallback.kind == VAL_INT || fallback.kind == VAL_OP ? "an" : "a", value_kind_name(fallback.kind),
                  STR_ARG(value_describe(el->arena, fallback)));
    return value_error();
}

/* The name of a block or op, for a parameter like `unit = bottleneck`. */
static Value callable(Elaborator *el, const Definement *define, Value fallback, const FileScope *scope)
{
    Block *block = names_block(scope, define->value);
    OpKind op;
    if (block != NULL && !block->definition->is_net) {
        return (Value){.kind = VAL_BLOCK, .as.block = block};
    }
    if (op_find(define->value, &op)) {
        return (Value){.kind = VAL_OP, .as.op = op};
    }
    Suggest suggest = suggest_start(define->value);
    names_suggest_calls(scope, &suggest);
    Value error = wrong_kind(el, define, fallback);
    el->reported = true;
    elaborate_suggest(el, suggest);
    return error;
}

Value define_value(Elaborator *el, const Definement *define, Value fallback, const FileScope *scope)
{
    if (fallback.kind == VAL_BLOCK || fallback.kind == VAL_OP) {
        return callable(el, define, fallback, scope);
    }
    Value value = read_literal(el, define->value);
    if (fallback.kind == VAL_STRING) {
        bool is_quoted = define->value.len > 0 && define->value.ptr[0] == '"';
        if (!is_quoted) {
            return value_string(define->value); /* as typed, even if it looks like a number */
        }
    }
    if (fallback.kind == VAL_FLOAT && value.kind == VAL_INT) {
        return value_float(value_number(value));
    }
    if (value.kind == VAL_ERROR || (fallback.kind != VAL_ERROR && value.kind != fallback.kind)) {
        return wrong_kind(el, define, fallback);
    }
    return value;
}

void define_check_names(Elaborator *el, const Definition *net)
{
    for (size_t i = 0; i < el->options->n_defines; ++i) {
        const Definement *define = &el->options->defines[i];
        Suggest suggest = suggest_start(define->name);
        bool found = false;
        StrBuf list = {0};
        for (size_t p = 0; p < net->params.count; ++p) {
            found |= str_equal(net->params.items[p].name, define->name);
            suggest_consider(&suggest, net->params.items[p].name);
            strbuf_printf(&list, "%s" STR_FMT, p == 0 ? "" : ", ", STR_ARG(net->params.items[p].name));
        }
        if (!found) {
            diag_error_in(el->diag, DIAG_UNKNOWN_PARAMETER, where(el, define),
                          "net '" STR_FMT "' has no parameter '" STR_FMT "'", STR_ARG(net->name),
                          STR_ARG(define->name));
            el->reported = true;
            elaborate_suggest(el, suggest);
            if (str_is_empty(suggest.best)) {
                elaborate_help(el, "its parameters: %s", list.len == 0 ? "none" : list.ptr);
            }
        }
        strbuf_free(&list);
    }
}
