/* Golden tests: tests/golden/KIND/x.net beside x.EXT, where EXT says which stage's text is expected (the table below).
 * A mismatch shows the first line that differs. CNNC_BLESS=1 (make bless) rewrites the expectations instead.
 *
 * (The texts of errors are in golden/error/, which errors.c runs.)
 *
 * A new kind of text is one function and one row in `modes`; a new case is two files, found by themselves. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "lower/program.h"
#include "passes/pass.h"
#include "support/file.h"
#include "support/path.h"
#include "tune/database.h"

typedef struct Golden { /* one net on its way */
    Arena *arena;
    Sources *sources;
    Diag *diag;
    FrontendOptions options;
    Str path;
    StrBuf text;
} Golden;

static AstFile *parse(Golden *golden)
{
    return frontend_parse(golden->arena, golden->sources, golden->diag, golden->path, &golden->options);
}

static Graph *elaborate(Golden *golden)
{
    AstFile *file = parse(golden);
    return file == NULL ? NULL
                        : frontend_elaborate(golden->arena, golden->sources, golden->diag, file, &golden->options);
}

static Program *lower_for(Golden *golden, const char *target, Storage dense_storage)
{
    Graph *graph = elaborate(golden);
    PassRun run = {.arena = golden->arena, .diag = golden->diag, .verify_ir = true, .log = &golden->text};
    LowerOptions options = {
        .target = target_find(str_from(target)), .batch = 1, .parts = 1, .dense_storage = dense_storage};
    return graph == NULL || !passes_run(&run, graph) ? NULL : lower(golden->arena, graph, &options, golden->diag);
}

static Program *lower_it(Golden *golden)
{
    return lower_for(golden, "portable", STORE_F32);
}

/* --- modes: each appends its text; diagnostics are added at the end for every mode */

static void ast_text(Golden *golden)
{
    AstFile *file = parse(golden);
    if (file != NULL) {
        ast_print(file, &golden->text);
    }
}

static void graph_text(Golden *golden)
{
    Graph *graph = elaborate(golden);
    if (graph != NULL) {
        graph_dump(graph, &golden->text);
    }
}

/* The graph before and after the one pass that the file is named after. */
static void pass_text(Golden *golden)
{
    const char *name = strrchr(golden->path.ptr, '/') + 1;
    const Pass *pass = pass_find((Str){name, strcspn(name, ".-")});
    Graph *graph = elaborate(golden);
    if (graph == NULL || pass == NULL) {
        strbuf_append(&golden->text, pass == NULL ? STR("no pass of this name\n") : STR(""));
        return;
    }
    graph_dump(graph, &golden->text);
    PassContext context = {.scratch = arena_create(), .diag = golden->diag};
    strbuf_printf(&golden->text, "\n--- after %s\n", pass->name);
    pass->run(&context, graph);
    arena_destroy(context.scratch);
    graph_dump(graph, &golden->text);
}

static void program_text(Golden *golden)
{
    Program *program = lower_it(golden);
    if (program != NULL) {
        program_dump(program, &golden->text);
    }
}

static void plan_text(Golden *golden)
{
    Program *program = lower_it(golden);
    if (program != NULL) {
        plan_dump(program, &golden->text);
    }
}

static void vector_program_text(Golden *golden)
{
    Program *program = lower_for(golden, "x86-64-v4", STORE_F32);
    if (program != NULL) {
        program_dump(program, &golden->text);
        plan_dump(program, &golden->text);
    }
}

/* Dense layers of 16 bits: plain and in vectors. */
static void half_program_text(Golden *golden)
{
    static const char *const names[] = {"portable", "x86-64-v4"};
    for (int i = 0; i < 2; ++i) {
        Program *program = lower_for(golden, names[i], i == 0 ? STORE_F16 : STORE_BF16);
        if (program != NULL) {
            program_dump(program, &golden->text);
        }
    }
}

/* With the choices of x.tune beside x.net. */
static void tuned_program_text(Golden *golden)
{
    Str path = arena_printf(golden->arena, STR_FMT ".tune", STR_ARG(str_without_suffix(golden->path, STR(".net"))));
    const Target *target = target_find(STR("x86-64-v4"));
    Str text, reason;
    Graph *graph = elaborate(golden);
    PassRun run = {.arena = golden->arena, .diag = golden->diag, .verify_ir = true, .log = &golden->text};
    if (graph == NULL || !passes_run(&run, graph) || !file_read(golden->arena, path.ptr, 1 << 20, &text, &reason)) {
        strbuf_append(&golden->text, STR("no graph, or no database beside it\n"));
        return;
    }
    TuningDatabase *database = tuning_parse(golden->arena, golden->sources, golden->diag, path_name(path), text);
    TuningSection *section = database == NULL ? NULL
                                              : tuning_choose_section(database, golden->diag, path_name(path),
                                                                      str_from(target->name), STR(""), STR(""));
    LowerOptions options = {
        .target = target, .batch = 1, .parts = 1, .choices = section == NULL ? NULL : section->choices};
    Program *program = lower(golden->arena, graph, &options, golden->diag);
    if (program != NULL) {
        program_dump(program, &golden->text);
    }
}

static const struct Mode {
    const char *extension;
    void (*append_text)(Golden *);
} modes[] = {{"ast", ast_text},           {"graph", graph_text},        {"pass", pass_text},
             {"program", program_text},   {"plan", plan_text},          {"v4", vector_program_text},
             {"half", half_program_text}, {"tuned", tuned_program_text}};

/* --- runner */

typedef struct Case { /* parameters cross a process border: values, not pointers */
    char net[256], expectation[256];
    int mode;
} Case;

static int mode_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (int i = 0; i < (int)(sizeof modes / sizeof modes[0]); ++i) {
        if (dot != NULL && strcmp(dot + 1, modes[i].extension) == 0) {
            return i;
        }
    }
    return -1;
}

static size_t find_cases(Case *cases, size_t capacity)
{
    glob_t found;
    size_t count = 0;
    if (glob("tests/golden/*/*.*", 0, NULL, &found) != 0) {
        return 0;
    }
    for (size_t i = 0; i < found.gl_pathc; ++i) {
        const char *path = found.gl_pathv[i];
        int mode = mode_of(path);
        size_t stem = (size_t)(strrchr(path, '.') - path);
        if (mode >= 0 && count < capacity && strlen(path) < sizeof cases->net - 4) {
            Case *item = &cases[count++];
            *item = (Case){.mode = mode};
            snprintf(item->expectation, sizeof item->expectation, "%s", path);
            snprintf(item->net, sizeof item->net, "%.*s.net", (int)stem, path);
        }
    }
    globfree(&found);
    return count;
}

static Str line_at(Str text, size_t offset)
{
    const char *end = memchr(text.ptr + offset, '\n', text.len - offset);
    return (Str){text.ptr + offset, end == NULL ? text.len - offset : (size_t)(end - text.ptr) - offset};
}

static void compare(const Case *item, Str expected, Str actual)
{
    size_t line = 1, start = 0, at = 0;
    for (; at < expected.len && at < actual.len && expected.ptr[at] == actual.ptr[at]; ++at) {
        if (expected.ptr[at] == '\n') {
            ++line;
            start = at + 1;
        }
    }
    Str wanted = line_at(expected, start), found = line_at(actual, start);
    cr_assert(at == expected.len && at == actual.len,
              "%s:%zu differs\n  expected: " STR_FMT "\n  is now:   " STR_FMT "\n  (make bless rewrites it)",
              item->expectation, line, STR_ARG(wanted), STR_ARG(found));
}

static void bless(const char *path, Str text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "cannot write %s", path);
    cr_assert_eq(fwrite(text.ptr, 1, text.len, file), text.len);
    cr_assert_eq(fclose(file), 0);
}

ParameterizedTestParameters(golden, texts)
{
    static Case cases[500];
    return cr_make_param_array(Case, cases, find_cases(cases, sizeof cases / sizeof cases[0]), NULL);
}

ParameterizedTest(Case *item, golden, texts)
{
    Golden golden = {.arena = arena_create(), .path = str_from(item->net)};
    golden.sources = sources_create(golden.arena);
    golden.diag = diag_create(golden.arena, golden.sources);
    modes[item->mode].append_text(&golden);
    strbuf_append(&golden.text, diag_text(golden.diag));
    Str actual = strbuf_view(&golden.text), expected, reason;
    if (getenv("CNNC_BLESS") != NULL) {
        bless(item->expectation, actual);
    } else {
        cr_assert(file_read(golden.arena, item->expectation, 16 << 20, &expected, &reason), "%s: " STR_FMT,
                  item->expectation, STR_ARG(reason));
        compare(item, expected, actual);
    }
    strbuf_free(&golden.text);
    diag_destroy(golden.diag);
    arena_destroy(golden.arena);
}

/* The runner must find something, or a moved folder would pass unseen. */
Test(golden, there_are_cases)
{
    static Case cases[500];
    cr_assert_gt(find_cases(cases, sizeof cases / sizeof cases[0]), 3);
}
