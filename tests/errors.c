/* The corpus of faulty nets, golden/error/. Each x.net says in comments what must be reported where:
 *
 *     x = covn(image, 3)      # error: unknown-block
 *     input a: f32[3]         # warning: unused-input
 *     # options: -D size=7 --net=b --with-training-outputs -I DIR
 *     # nowhere: unknown-net                    an error that has no place in a source
 *
 * Exactly these must come, no others. Files in subfolders are imported by the cases; their comments count, too. Where
 * x.err stands beside x.net, the whole text must be equal, carets included (make bless rewrites it). */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "support/file.h"

#define FOLDER "tests/golden/error"

/* --- running one case */

typedef struct Case {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    FrontendOptions options;
    Definement defines[8];
    Str include_dirs[4];
    const AstFile *file;
} Case;

/* The rest of the line after `marker`, or an empty text. */
static Str after_marker(Str line, const char *marker)
{
    size_t length = strlen(marker);
    for (size_t i = 0; i + length <= line.len; ++i) {
        if (memcmp(line.ptr + i, marker, length) == 0) {
            return (Str){line.ptr + i + length, line.len - i - length};
        }
    }
    return STR("");
}

static bool next_word(Str *text, Str *word)
{
    size_t start = 0;
    while (start < text->len && strchr(" ,\r\n", text->ptr[start]) != NULL) {
        ++start;
    }
    size_t end = start;
    while (end < text->len && strchr(" ,\r\n", text->ptr[end]) == NULL) {
        ++end;
    }
    *word = (Str){text->ptr + start, end - start};
    *text = (Str){text->ptr + end, text->len - end};
    return word->len > 0;
}

static bool next_line(Str *text, Str *line)
{
    if (text->len == 0) {
        return false;
    }
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t length = end == NULL ? text->len : (size_t)(end - text->ptr);
    *line = (Str){text->ptr, length};
    size_t taken = end == NULL ? length : length + 1;
    *text = (Str){text->ptr + taken, text->len - taken};
    return true;
}

static void add_define(Case *c, Str word)
{
    const char *equals = memchr(word.ptr, '=', word.len);
    cr_assert(equals != NULL && c->options.n_defines < 8);
    size_t length = (size_t)(equals - word.ptr);
    c->defines[c->options.n_defines++] = (Definement){{word.ptr, length}, {equals + 1, word.len - length - 1}};
}

static void read_options(Case *c, Str options)
{
    Str word;
    c->options.defines = c->defines;
    c->options.include_dirs = c->include_dirs;
    while (next_word(&options, &word)) {
        if (str_equal(word, STR("-D"))) {
            cr_assert(next_word(&options, &word));
            add_define(c, word);
        } else if (str_equal(word, STR("-I"))) {
            cr_assert(next_word(&options, &c->include_dirs[c->options.n_include_dirs++]));
        } else if (!str_is_empty(after_marker(word, "--net="))) {
            c->options.net = after_marker(word, "--net=");
        } else if (str_equal(word, STR("--with-training-outputs"))) {
            c->options.with_training_outputs = true;
        } else {
            cr_assert_fail("unknown option " STR_FMT, STR_ARG(word));
        }
    }
}

static Case run_case(const char *path)
{
    Case c = {.arena = arena_create()};
    Str text, reason, line;
    cr_assert(file_read(c.arena, path, 1 << 24, &text, &reason), "%s: " STR_FMT, path, STR_ARG(reason));
    c.sources = sources_create(c.arena);
    c.diag = diag_create(c.arena, c.sources);
    while (next_line(&text, &line)) {
        read_options(&c, after_marker(line, "# options:"));
    }
    AstFile *file = frontend_parse(c.arena, c.sources, c.diag, str_from(path), &c.options);
    cr_assert(file != NULL, "%s cannot be read", path);
    Graph *graph = frontend_elaborate(c.arena, c.sources, c.diag, file, &c.options);
    cr_assert_eq(graph == NULL, diag_errors(c.diag) > 0, "%s: %zu errors, and %s graph", path, diag_errors(c.diag),
                 graph == NULL ? "no" : "a");
    c.file = file;
    return c;
}

static void end_case(Case *c)
{
    diag_destroy(c->diag);
    arena_destroy(c->arena);
}

/* --- what was expected, what was found: sorted lines of text "path:line: error: id" */

typedef struct Lines {
    Str *items;
    size_t count, capacity;
} Lines;

static void add_line(Arena *arena, Lines *lines, Str line)
{
    lines->items = arena_grow(arena, lines->items, lines->count, &lines->capacity, sizeof(Str));
    lines->items[lines->count++] = line;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const Str *)a)->ptr, ((const Str *)b)->ptr); /* made by arena_printf: NUL-terminated */
}

static Str join_sorted(Arena *arena, Lines *lines)
{
    StrBuf text = {0};
    if (lines->count > 0) {
        qsort(lines->items, lines->count, sizeof(Str), compare_lines);
    }
    for (size_t i = 0; i < lines->count; ++i) {
        strbuf_printf(&text, STR_FMT "\n", STR_ARG(lines->items[i]));
    }
    Str joined = arena_copy(arena, strbuf_view(&text));
    strbuf_free(&text);
    return joined;
}

static void expect_of_file(Arena *arena, Lines *lines, const AstFile *file)
{
    Str text = file->source->text, line, id;
    for (unsigned number = 1; next_line(&text, &line); ++number) {
        Str errors = after_marker(line, "# error:"), warnings = after_marker(line, "# warning:");
        Str nowhere = after_marker(line, "# nowhere:");
        while (next_word(&errors, &id)) {
            add_line(
                arena, lines,
                arena_printf(arena, STR_FMT ":%u: error: " STR_FMT, STR_ARG(file->source->path), number, STR_ARG(id)));
        }
        while (next_word(&warnings, &id)) {
            add_line(arena, lines,
                     arena_printf(arena, STR_FMT ":%u: warning: " STR_FMT, STR_ARG(file->source->path), number,
                                  STR_ARG(id)));
        }
        while (next_word(&nowhere, &id)) {
            add_line(arena, lines, arena_printf(arena, "nowhere: error: " STR_FMT, STR_ARG(id)));
        }
    }
    for (size_t i = 0; i < file->n_imports; ++i) {
        if (file->imports[i].file != NULL) {
            expect_of_file(arena, lines, file->imports[i].file);
        }
    }
}

/* Message lines begin at the margin and end in "[id]"; "path:line:column: error: ...". */
static void add_found(Arena *arena, Lines *lines, Str line)
{
    size_t open = line.len;
    while (open > 0 && line.ptr[open - 1] != '[') {
        --open;
    }
    if (line.len == 0 || line.ptr[0] == ' ' || line.ptr[line.len - 1] != ']' || open == 0) {
        return;
    }
    const char *severity = str_is_empty(after_marker(line, ": error: ")) ? "warning" : "error";
    Str id = {line.ptr + open, line.len - open - 1};
    const char *colon = memchr(line.ptr, ':', line.len);
    char *end = NULL;
    unsigned long number = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (number > 0 && *end == ':') {
        Str path = {line.ptr, (size_t)(colon - line.ptr)};
        add_line(arena, lines,
                 arena_printf(arena, STR_FMT ":%lu: %s: " STR_FMT, STR_ARG(path), number, severity, STR_ARG(id)));
    } else {
        add_line(arena, lines, arena_printf(arena, "nowhere: %s: " STR_FMT, severity, STR_ARG(id)));
    }
}

static void check_ids(const Case *c, const char *path)
{
    Lines expected = {0}, found = {0};
    Str text = diag_text(c->diag), line;
    expect_of_file(c->arena, &expected, c->file);
    while (next_line(&text, &line)) {
        add_found(c->arena, &found, line);
    }
    cr_assert(expected.count > 0, "%s expects nothing", path);
    Str wanted = join_sorted(c->arena, &expected), got = join_sorted(c->arena, &found);
    cr_assert(str_equal(wanted, got), "%s\n--- expected\n" STR_FMT "--- found\n" STR_FMT "--- in full\n" STR_FMT, path,
              STR_ARG(wanted), STR_ARG(got), STR_ARG(diag_text(c->diag)));
}

static void check_text(const Case *c, const char *path)
{
    Str golden = arena_printf(c->arena, "%.*s.err", (int)(strlen(path) - strlen(".net")), path);
    Str wanted, reason;
    if (!file_exists(golden.ptr)) {
        return;
    }
    if (getenv("CNNC_BLESS") != NULL) {
        FILE *out = fopen(golden.ptr, "w");
        cr_assert(out != NULL &&
                  fwrite(diag_text(c->diag).ptr, 1, diag_text(c->diag).len, out) == diag_text(c->diag).len);
        cr_assert_eq(fclose(out), 0);
        return;
    }
    cr_assert(file_read(c->arena, golden.ptr, 1 << 20, &wanted, &reason), STR_FMT, STR_ARG(reason));
    cr_assert(str_equal(wanted, diag_text(c->diag)), "%s\n--- expected\n" STR_FMT "--- found\n" STR_FMT, golden.ptr,
              STR_ARG(wanted), STR_ARG(diag_text(c->diag)));
}

/* --- all cases */

typedef struct CasePath {
    char path[256];
} CasePath;

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const CasePath *)a)->path, ((const CasePath *)b)->path);
}

/* Fills at most `most` paths; returns how many cases there are. */
static size_t list_cases(CasePath *paths, size_t most)
{
    size_t count = 0;
    DIR *folder = opendir(FOLDER);
    for (const struct dirent *entry = folder == NULL ? NULL : readdir(folder); entry != NULL; entry = readdir(folder)) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".net") == 0) {
            if (count < most) {
                snprintf(paths[count].path, sizeof paths[count].path, FOLDER "/%.200s", entry->d_name);
            }
            ++count;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    qsort(paths, count < most ? count : most, sizeof *paths, compare_paths);
    return count;
}

enum { MOST_CASES = 400 };

ParameterizedTestParameters(golden_error, net)
{
    static CasePath paths[MOST_CASES];
    size_t count = list_cases(paths, MOST_CASES);
    return cr_make_param_array(CasePath, paths, count);
}

ParameterizedTest(CasePath *param, golden_error, net)
{
    Case c = run_case(param->path);
    check_ids(&c, param->path);
    check_text(&c, param->path);
    end_case(&c);
}

Test(golden_error, corpus_is_large)
{
    static CasePath paths[MOST_CASES];
    size_t count = list_cases(paths, MOST_CASES), full = 0;
    cr_assert_geq(count, 60);
    cr_assert_leq(count, MOST_CASES);
    for (size_t i = 0; i < count; ++i) {
        char golden[300];
        snprintf(golden, sizeof golden, "%.*s.err", (int)(strlen(paths[i].path) - 4), paths[i].path);
        full += file_exists(golden) ? 1 : 0;
    }
    cr_assert_geq(full, 12, "%zu full texts", full);
}

/* --- every diagnostic is fired somewhere */

typedef struct Elsewhere { /* a diagnostic that no .net file can fire, and the test that does */
    DiagId id;
    const char *test;
} Elsewhere;

static const Elsewhere elsewhere[] = {
    {DIAG_FILE_TOO_LARGE, "tests/unit/parser.c"},
    {DIAG_FILE_UNWRITABLE, "tests/run/cli.c"},
    {DIAG_WEIGHTS_HEADER, "tests/unit/weights_faults.c"},
    {DIAG_WEIGHTS_DTYPE, "tests/unit/weights_faults.c"},
    {DIAG_WEIGHTS_OFFSETS, "tests/unit/weights_faults.c"},
    {DIAG_WEIGHTS_MISSING, "tests/unit/weights_check.c"},
    {DIAG_WEIGHTS_SHAPE, "tests/unit/weights_check.c"},
    {DIAG_WEIGHTS_EXTRA, "tests/unit/weights_check.c"},
    {DIAG_WEIGHTS_VALUE, "tests/unit/pack.c"},
    {DIAG_UNSUPPORTED_OP, "tests/unit/lower.c"},
    {DIAG_MISCOMPILED_PASS, "tests/unit/interp_verify.c"},
    {DIAG_TUNING_SYNTAX, "tests/unit/tune.c"},
    {DIAG_TUNING_MACHINE, "tests/unit/tune.c"},
    {DIAG_TUNING_UNFIT, "tests/run/tune.c"},
    {DIAG_TUNING_FAILED, "tests/run/tune.c"},
    {DIAG_USAGE, "tests/unit/options.c"},
};

/* The test names the id as an enum value or as its text. */
static bool mentions(const char *path, DiagId id)
{
    static const char *const enum_names[DIAG_COUNT] = {
#define DIAG(id, name, doc) [DIAG_##id] = "DIAG_" #id,
#include "support/diags.def"
#undef DIAG
    };
    Arena *arena = arena_create();
    Str text, reason;
    cr_assert(file_read(arena, path, 1 << 22, &text, &reason), "%s: " STR_FMT, path, STR_ARG(reason));
    bool found = !str_is_empty(after_marker(text, enum_names[id])) || !str_is_empty(after_marker(text, diag_name(id)));
    arena_destroy(arena);
    return found;
}

Test(golden_error, every_diagnostic_is_fired)
{
    static CasePath paths[MOST_CASES];
    size_t fired[DIAG_COUNT] = {0};
    size_t count = list_cases(paths, MOST_CASES);
    for (size_t i = 0; i < count; ++i) {
        Case c = run_case(paths[i].path);
        for (int id = 0; id < DIAG_COUNT; ++id) {
            fired[id] += diag_fired(c.diag, (DiagId)id);
        }
        end_case(&c);
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; ++i) {
        DiagId id = elsewhere[i].id;
        cr_expect_eq(fired[id], 0, "%s is fired here by now: take it off the list", diag_name(id));
        cr_expect(mentions(elsewhere[i].test, id), "%s does not mention %s", elsewhere[i].test, diag_name(id));
        ++fired[id];
    }
    for (int id = 0; id < DIAG_COUNT; ++id) {
        cr_expect(fired[id] > 0, "no test fires %s", diag_name((DiagId)id));
    }
}
