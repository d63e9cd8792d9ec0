/* Diagnostics as text: message line, source line with a gutter, carets under the span, notes indented below.
 *
 *     net.net:3:9: error: unknown op 'covn' [unknown-block]
 *         3 |     x = covn(x, 3)
 *           |         ^~~~
 *       help: did you mean 'conv'?
 *
 * Only DIAG_MAX_ERRORS errors (and as many warnings) are shown; a last line, always kept at the end of the text,
 * counts the others. Source bytes reach the terminal only as printable characters. */
#include "support/diag.h"

#include <stdio.h>

enum {
    GUTTER = 5, /* width of the line number */
    TAB_STOP = 8,
    LINE_WIDTH = 100,  /* columns of a source line that are shown */
    CONTEXT_LEFT = 30, /* of these, kept before the caret when a long line is clipped */
    CHAIN_INNER = 8,   /* calls shown of a long chain: the innermost ... */
    CHAIN_OUTER = 3    /* ... and the outermost */
};

struct Diag {
    const Sources *sources;
    StrBuf text;
    size_t tail; /* where the "not shown" line starts; equal to text.len while there is none */
    size_t errors, warnings;
    size_t fired[DIAG_COUNT];
    bool shown; /* whether the last error or warning is, and so its notes are */
};

static const char *const names[DIAG_COUNT] = {
#define DIAG(id, name, doc) [DIAG_##id] = name,
#include "support/diags.def"
#undef DIAG
};

const char *diag_name(DiagId id)
{
    return names[id];
}

Diag *diag_create(Arena *arena, const Sources *sources)
{
    Diag *diag = ARENA_NEW(arena, Diag);
    diag->sources = sources;
    return diag;
}

void diag_destroy(Diag *diag)
{
    if (diag != NULL) {
        strbuf_free(&diag->text);
    }
}

/* --- characters of a source line */

typedef struct Glyph {
    size_t bytes; /* taken from the text, at least 1 */
    size_t width; /* columns on a terminal */
    bool visible; /* false: invalid UTF-8, a control or a direction-changing character, shown as U+FFFD */
} Glyph;

static bool in_ranges(uint32_t c, const uint32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* Wide: the East Asian blocks and the emoji. Zero: combining marks and joiners. Hidden: what could reorder or hide
 * the text around it. Block-wise approximations are enough to place a caret. */
static const uint32_t wide_ranges[][2] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
static const uint32_t zero_ranges[][2] = {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x20D0, 0x20FF},
                                          {0x200B, 0x200D}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
static const uint32_t hidden_ranges[][2] = {{0x80, 0x9F},     {0x200E, 0x200F}, {0x2028, 0x202E},
                                            {0x2066, 0x2069}, {0xFEFF, 0xFEFF}, {0xD800, 0xDFFF}};
#define RANGES(table) (table), sizeof(table) / sizeof(table)[0]

static Glyph glyph_at(Str text, size_t at)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr + at;
    size_t left = text.len - at;
    Glyph broken = {.bytes = 1, .width = 1, .visible = false};
    if (bytes[0] < 0x80) {
        return (Glyph){.bytes = 1, .width = 1, .visible = bytes[0] >= 0x20 && bytes[0] != 0x7F};
    }
    size_t length = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4 || length > left) {
        return broken;
    }
    uint32_t code = bytes[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return broken;
        }
        code = code << 6 | (bytes[i] & 0x3F);
    }
    if (code < smallest[length] || code > 0x10FFFF) {
        return broken;
    }
    bool hidden = in_ranges(code, RANGES(hidden_ranges));
    size_t width = hidden ? 1 : in_ranges(code, RANGES(zero_ranges)) ? 0 : in_ranges(code, RANGES(wide_ranges)) ? 2 : 1;
    return (Glyph){.bytes = length, .width = width, .visible = !hidden};
}

/* Columns that text[0..end) takes, tabs expanded. */
static size_t display_width(Str text, size_t end)
{
    size_t column = 0;
    for (size_t i = 0; i < end && i < text.len;) {
        Glyph glyph = glyph_at(text, i);
        column += text.ptr[i] == '\t' ? TAB_STOP - column % TAB_STOP : glyph.width;
        i += glyph.bytes;
    }
    return column;
}

/* Appends the part of a line that falls into columns [from, to), in printable form. */
static void append_columns(StrBuf *out, Str text, size_t from, size_t to)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len && column < to;) {
        Glyph glyph = glyph_at(text, i);
        bool tab = text.ptr[i] == '\t';
        size_t width = tab ? TAB_STOP - column % TAB_STOP : glyph.width;
        if (tab || column < from || column + width > to) {
            /* Spaces for a tab, and for half a wide character at the edge of the window. */
            for (size_t k = column; k < column + width; ++k) {
                if (k >= from && k < to) {
                    strbuf_char(out, ' ');
                }
            }
        } else if (glyph.visible) {
            strbuf_append(out, (Str){text.ptr + i, glyph.bytes});
        } else {
            strbuf_append(out, STR("\xEF\xBF\xBD"));
        }
        column += width;
        i += glyph.bytes;
    }
}

/* A message may quote what the user wrote: its control characters and broken bytes become harmless too. */
static void append_message(StrBuf *out, Str text)
{
    for (size_t i = 0; i < text.len;) {
        Glyph glyph = glyph_at(text, i);
        if (glyph.visible) {
            strbuf_append(out, (Str){text.ptr + i, glyph.bytes});
        } else {
            for (size_t k = 0; k < glyph.bytes; ++k) {
                strbuf_printf(out, "\\x%02X", (unsigned char)text.ptr[i + k]);
            }
        }
        i += glyph.bytes;
    }
}

PRINTF(2, 0) static void append_format(StrBuf *out, const char *format, va_list args)
{
    StrBuf message = {0};
    strbuf_vprintf(&message, format, args);
    append_message(out, strbuf_view(&message));
    strbuf_free(&message);
}

/* --- the source line with its carets */

static void trim_end(StrBuf *out)
{
    while (out->len > 0 && out->ptr[out->len - 1] == ' ') {
        out->ptr[--out->len] = '\0';
    }
}

static void append_snippet(StrBuf *out, const SourceLocation *place, Span span, size_t indent)
{
    Str line = place->line_text;
    size_t first = place->line_offset;
    /* A span that goes on below is underlined up to the end of its first line. */
    size_t length = span.hi > span.lo ? span.hi - span.lo : 0;
    size_t last = length < line.len - first ? first + length : line.len;
    if (length > last - first) {
        while (last > first && (line.ptr[last - 1] == ' ' || line.ptr[last - 1] == '\t')) {
            --last;
        }
    }
    size_t from_column = display_width(line, first);
    size_t to_column = display_width(line, last);
    if (to_column <= from_column) {
        to_column = from_column + 1;
    }
    size_t whole = display_width(line, line.len);
    size_t window = 0, window_end = whole;
    if (whole > LINE_WIDTH) {
        window = from_column > LINE_WIDTH - CONTEXT_LEFT ? from_column - CONTEXT_LEFT : 0;
        if (whole - window < LINE_WIDTH) {
            window = whole - LINE_WIDTH;
        }
        window_end = window + LINE_WIDTH < whole ? window + LINE_WIDTH : whole;
        if (window_end < whole && to_column > window_end) {
            to_column = window_end;
        }
    }
    const char *left_mark = window > 0 ? "..." : "";
    strbuf_pad(out, indent, ' ');
    strbuf_printf(out, "%*u | %s", GUTTER, (unsigned)place->line, left_mark);
    append_columns(out, line, window, window_end);
    strbuf_append(out, window_end < whole ? STR("...") : STR(""));
    trim_end(out);
    strbuf_char(out, '\n');
    strbuf_pad(out, indent + GUTTER, ' ');
    strbuf_append(out, STR(" | "));
    strbuf_pad(out, strlen(left_mark) + from_column - window, ' ');
    strbuf_char(out, '^');
    strbuf_pad(out, to_column - from_column - 1, '~');
    strbuf_char(out, '\n');
}

static SourceLocation append_place(const Diag *diag, StrBuf *out, Span span)
{
    SourceLocation place = sources_locate(diag->sources, span.lo);
    if (place.file != NULL) {
        append_message(out, place.file->path);
        strbuf_printf(out, ":%u:%u: ", (unsigned)place.line, (unsigned)place.column);
    }
    return place;
}

/* --- the limit */

static void cut_tail(Diag *diag)
{
    if (diag->text.ptr != NULL) {
        diag->text.len = diag->tail;
        diag->text.ptr[diag->tail] = '\0';
    }
}

static void append_hidden(StrBuf *out, size_t count, const char *what)
{
    if (count > DIAG_MAX_ERRORS) {
        size_t hidden = count - DIAG_MAX_ERRORS;
        strbuf_printf(out, "cnnc: %zu more %s%s not shown\n", hidden, what, hidden == 1 ? "" : "s");
    }
}

static void renew_tail(Diag *diag)
{
    diag->tail = diag->text.len;
    append_hidden(&diag->text, diag->warnings, "warning");
    append_hidden(&diag->text, diag->errors, "error");
}

/* Counts a new error or warning; true where it is to be shown. Every report ends with renew_tail. */
static bool begin(Diag *diag, DiagId id, size_t *counter)
{
    cut_tail(diag);
    ++diag->fired[id];
    diag->shown = ++*counter <= DIAG_MAX_ERRORS;
    return diag->shown;
}

/* --- reports */

PRINTF(6, 0)
static void report(Diag *diag, size_t *counter, DiagId id, Span span, const char *severity, const char *format,
                   va_list args)
{
    if (begin(diag, id, counter)) {
        StrBuf *out = &diag->text;
        SourceLocation place = append_place(diag, out, span);
        strbuf_printf(out, "%s%s: ", place.file == NULL ? "cnnc: " : "", severity);
        append_format(out, format, args);
        strbuf_printf(out, " [%s]\n", names[id]);
        if (place.file != NULL) {
            append_snippet(out, &place, span, 0);
        }
    }
    renew_tail(diag);
}

void diag_error(Diag *diag, DiagId id, Span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(diag, &diag->errors, id, span, "error", format, args);
    va_end(args);
}

void diag_error_in(Diag *diag, DiagId id, Str where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (begin(diag, id, &diag->errors)) {
        append_message(&diag->text, where);
        strbuf_printf(&diag->text, ": error: ");
        append_format(&diag->text, format, args);
        strbuf_printf(&diag->text, " [%s]\n", names[id]);
    }
    renew_tail(diag);
    va_end(args);
}

void diag_warning(Diag *diag, DiagId id, Span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(diag, &diag->warnings, id, span, "warning", format, args);
    va_end(args);
}

/* "  file:line:col: note: message", followed by the source line where `snippet`. */
PRINTF(4, 0)
static void note(Diag *diag, Span span, bool snippet, const char *format, va_list args)
{
    if (!diag->shown) {
        return;
    }
    cut_tail(diag);
    StrBuf *out = &diag->text;
    strbuf_append(out, STR("  "));
    SourceLocation place = append_place(diag, out, span);
    strbuf_append(out, STR("note: "));
    append_format(out, format, args);
    strbuf_char(out, '\n');
    if (snippet && place.file != NULL) {
        append_snippet(out, &place, span, 2);
    }
    renew_tail(diag);
}

void diag_note(Diag *diag, Span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(diag, span, true, format, args);
    va_end(args);
}

PRINTF(3, 4) static void short_note(Diag *diag, Span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(diag, span, false, format, args);
    va_end(args);
}

void diag_help(Diag *diag, const char *format, ...)
{
    if (!diag->shown) {
        return;
    }
    cut_tail(diag);
    va_list args;
    va_start(args, format);
    strbuf_append(&diag->text, STR("  help: "));
    append_format(&diag->text, format, args);
    strbuf_char(&diag->text, '\n');
    va_end(args);
    renew_tail(diag);
}

void diag_chain(Diag *diag, const CallSite *site)
{
    size_t length = 0;
    for (const CallSite *s = site; s != NULL; s = s->caller) {
        ++length;
    }
    size_t index = 0;
    for (const CallSite *s = site; s != NULL; s = s->caller, ++index) {
        if (index >= CHAIN_INNER && index + CHAIN_OUTER < length) {
            if (index == CHAIN_INNER) {
                short_note(diag, (Span){0, 0}, "... %zu more calls ...", length - CHAIN_INNER - CHAIN_OUTER);
            }
        } else if (str_is_empty(s->path)) {
            short_note(diag, s->span, "in block '" STR_FMT "'", STR_ARG(s->block));
        } else {
            short_note(diag, s->span, "in block '" STR_FMT "' as '" STR_FMT "'", STR_ARG(s->block), STR_ARG(s->path));
        }
    }
}

size_t diag_errors(const Diag *diag)
{
    return diag->errors;
}

size_t diag_fired(const Diag *diag, DiagId id)
{
    return diag->fired[id];
}

bool diag_is_full(const Diag *diag)
{
    return diag->errors >= DIAG_MAX_ERRORS;
}

Str diag_text(const Diag *diag)
{
    return strbuf_view(&diag->text);
}

const Sources *diag_sources(const Diag *diag)
{
    return diag->sources;
}
