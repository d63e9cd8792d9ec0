/* CWriter: lines, braces, comments and blank lines of C text. Indentation follows the open scopes, four columns each;
 * preprocessor lines stand at the margin. A line is formatted straight into the text: there is no limit on its length.
 */
#include "backend/cwriter.h"

enum { INDENT_COLUMNS = 4, COMMENT_COLUMNS = 100 };

void cw_free(CWriter *w)
{
    strbuf_free(&w->text);
    w->depth = 0;
}

static void indent(CWriter *w)
{
    strbuf_pad(&w->text, (size_t)(w->depth * INDENT_COLUMNS), ' ');
}

static void line_body(CWriter *w, const char *format, va_list args) PRINTF(2, 0);
static void line_body(CWriter *w, const char *format, va_list args)
{
    if (format[0] != '#') {
        indent(w);
    }
    strbuf_vprintf(&w->text, format, args);
}

void cw_line(CWriter *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    line_body(w, format, args);
    va_end(args);
    strbuf_char(&w->text, '\n');
}

void cw_open(CWriter *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    line_body(w, format, args);
    va_end(args);
    strbuf_append(&w->text, STR(" {\n"));
    w->depth++;
}

void cw_body(CWriter *w)
{
    cw_line(w, "{");
    w->depth++;
}

/* True where the text ends with these bytes. */
static bool ends_with(const CWriter *w, Str tail)
{
    return str_ends_with(strbuf_view(&w->text), tail);
}

static void leave_scope(CWriter *w)
{
    if (w->depth == 0) {
        ICE("generated text closes a scope that is not open");
    }
    w->depth--;
    if (ends_with(w, STR("\n\n"))) {
        w->text.ptr[--w->text.len] = '\0'; /* no blank line before a closing brace */
    }
    indent(w);
}

void cw_close(CWriter *w, const char *suffix)
{
    leave_scope(w);
    strbuf_printf(&w->text, "}%s\n", suffix);
}

void cw_chain(CWriter *w, const char *format, ...)
{
    leave_scope(w);
    strbuf_append(&w->text, STR("} "));
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&w->text, format, args);
    va_end(args);
    strbuf_append(&w->text, STR(" {\n"));
    w->depth++;
}

/* Characters, not bytes, that `text` takes on the screen: UTF-8 continuation bytes do not count. */
static size_t columns_of(Str text)
{
    size_t columns = 0;
    for (size_t i = 0; i < text.len; ++i) {
        columns += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return columns;
}

/* True where a character that turns the direction of writing starts: compilers warn of it (-Wbidi-chars). */
static bool turns_direction(Str rest)
{
    if (rest.len < 3 || (unsigned char)rest.ptr[0] != 0xE2) {
        return false;
    }
    unsigned char second = (unsigned char)rest.ptr[1], third = (unsigned char)rest.ptr[2];
    return (second == 0x80 && ((third >= 0x8E && third <= 0x8F) || (third >= 0xAA && third <= 0xAE))) ||
           (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

/* The text of a comment, so that it cannot end it, nest (-Wcomment) or make a trigraph: such pairs get a blank in
 * between. Control characters and characters that turn the direction of writing become blanks. */
static void defuse(StrBuf *out, Str text)
{
    for (size_t i = 0; i < text.len; ++i) {
        char c = text.ptr[i];
        char last = out->len > 0 ? out->ptr[out->len - 1] : '\0';
        if ((last == '*' && c == '/') || (last == '/' && c == '*') || (last == '?' && c == '?')) {
            strbuf_char(out, ' ');
        }
        if (turns_direction((Str){text.ptr + i, text.len - i})) {
            c = ' ';
            i += 2;
        } else if (((unsigned char)c < ' ' && c != '\n') || c == 127) {
            c = ' ';
        }
        strbuf_char(out, c);
    }
}

void cw_comment(CWriter *w, const char *format, ...)
{
    StrBuf plain = {0}, text = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&plain, format, args);
    va_end(args);
    defuse(&text, strbuf_view(&plain));
    if (text.len > 0 && (text.ptr[text.len - 1] == '*' || text.ptr[text.len - 1] == '/')) {
        strbuf_char(&text, ' ');
    }

    /* Each line of the text is broken at blanks where it would pass the margin; runs of blanks inside a line stay. */
    size_t margin = COMMENT_COLUMNS - (size_t)(w->depth * INDENT_COLUMNS);
    indent(w);
    strbuf_append(&w->text, STR("/*"));
    size_t at = 0;
    bool first = true;
    while (first || at < text.len) {
        size_t end = at, column = 3, last_blank = 0;
        while (end < text.len && text.ptr[end] != '\n') {
            if (column + 3 > margin && last_blank > at) {
                end = last_blank;
                break;
            }
            if (text.ptr[end] == ' ' && end > at && text.ptr[end - 1] != ' ') {
                last_blank = end;
            }
            column += columns_of((Str){text.ptr + end, 1});
            end++;
        }
        if (!first) {
            strbuf_char(&w->text, '\n');
            indent(w);
            strbuf_append(&w->text, STR(" *"));
        }
        if (end > at) {
            strbuf_char(&w->text, ' ');
            strbuf_append(&w->text, (Str){text.ptr + at, end - at});
        }
        first = false;
        bool wrapped = end < text.len && text.ptr[end] != '\n';
        at = end < text.len ? end + 1 : end;
        while (wrapped && at < text.len && text.ptr[at] == ' ') {
            at++;
        }
    }
    strbuf_append(&w->text, STR(" */\n"));
    strbuf_free(&plain);
    strbuf_free(&text);
}

void cw_blank(CWriter *w)
{
    if (w->text.len > 0 && !ends_with(w, STR("\n\n")) && !ends_with(w, STR("{\n"))) {
        strbuf_char(&w->text, '\n');
    }
}

void cw_raw(CWriter *w, Str text)
{
    strbuf_append(&w->text, text);
}

void cw_join(CWriter *w, const CWriter *section)
{
    if (section->depth != 0) {
        ICE("a section of generated text ends with %d open scopes", section->depth);
    }
    strbuf_append(&w->text, strbuf_view(&section->text));
}
