/* The worked example of compiler/README.md stays true: every quoted line must occur in what cnnc says of ResNet-50
 * today. Numbers that stand alone may differ (offsets and tiles move), names may not; "..." stands for anything. */
#include <criterion/criterion.h>
#include <ctype.h>

#include "backend/emit.h"
#include "frontend/frontend.h"
#include "passes/pass.h"
#include "support/file.h"

typedef struct Stage {
    const char *language; /* of the fenced block */
    StrBuf text;
} Stage;

enum { NET, ELABORATED, GRAPH, PROGRAM, PLAN, C, STAGES };

/* Digits become one '#' a run but in names, white space one blank: what is left is structure. */
static void simplify(Str text, StrBuf *out)
{
    char last = '\0';
    bool is_name = false;
    for (size_t i = 0; i < text.len; ++i) {
        unsigned char c = (unsigned char)text.ptr[i];
        is_name = isalpha(c) || c == '_' || (is_name && isdigit(c));
        char simple = isdigit(c) && !is_name ? '#' : isspace(c) ? ' ' : (char)c;
        if (!((simple == '#' || simple == ' ') && simple == last)) {
            strbuf_char(out, simple);
        }
        last = simple;
    }
}

static void append_file(Arena *arena, const char *path, StrBuf *out)
{
    Str text, reason;
    cr_assert(file_read(arena, path, 16 << 20, &text, &reason), "%s: " STR_FMT, path, STR_ARG(reason));
    strbuf_append(out, text);
}

static void fill_stages(Stage stages[STAGES], Arena *arena)
{
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    FrontendOptions frontend = {0};
    AstFile *file = frontend_parse(arena, sources, diag, STR("dsl/zoo/resnet50.net"), &frontend);
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &frontend);
    cr_assert_not_null(graph);
    append_file(arena, "dsl/blocks/residual.net", &stages[NET].text);
    graph_dump(graph, &stages[ELABORATED].text);
    StrBuf log = {0};
    PassRun run = {.arena = arena, .diag = diag, .log = &log};
    cr_assert(passes_run(&run, graph));
    graph_dump(graph, &stages[GRAPH].text);
    LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = 1, .no_winograd = true};
    const Program *program = lower(arena, graph, &options, diag);
    program_dump(program, &stages[PROGRAM].text);
    plan_dump(program, &stages[PLAN].text);
    EmitOptions emit = {
        .prefix = STR("resnet50"), .header_name = STR("resnet50.h"), .weights_name = STR("resnet50.weights")};
    emit_source(program, &emit, &stages[C].text);
    strbuf_free(&log);
    diag_destroy(diag);
}

/* Checks the parts of a quoted line between "..." one by one. */
static void check_line(Stage *stage, Arena *arena, Str line)
{
    StrBuf simple = {0};
    simplify(line, &simple);
    char *rest = simple.ptr;
    while (rest != NULL && *rest != '\0') {
        char *end = strstr(rest, "...");
        if (end != NULL) {
            *end = '\0';
        }
        while (*rest == ' ') {
            ++rest;
        }
        for (size_t len = strlen(rest); len > 0 && rest[len - 1] == ' '; --len) {
            rest[len - 1] = '\0';
        }
        cr_expect_not_null(strstr(stage->text.ptr, rest),
                           "compiler/README.md quotes a line of %s that is not there: %s", stage->language,
                           arena_cstr(arena, line));
        rest = end == NULL ? NULL : end + 3;
    }
    strbuf_free(&simple);
}

Test(compiler_readme, quotes_are_true)
{
    Arena *arena = arena_create();
    Stage stages[STAGES] = {{"net", {0}},     {"elaborated", {0}}, {"graph", {0}},
                            {"program", {0}}, {"plan", {0}},       {"c", {0}}};
    fill_stages(stages, arena);
    for (int i = 0; i < STAGES; ++i) {
        StrBuf simple = {0};
        simplify(strbuf_view(&stages[i].text), &simple);
        strbuf_free(&stages[i].text);
        stages[i].text = simple;
    }
    StrBuf readme = {0};
    append_file(arena, "compiler/README.md", &readme);
    Stage *open = NULL;
    bool inside = false;
    size_t checked = 0;
    for (char *line = readme.ptr; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
        const char *text = line + strspn(line, " ");
        size_t text_len = len - (size_t)(text - line);
        if (strncmp(text, "```", 3) == 0) {
            inside = !inside;
            open = NULL;
            for (int i = 0; i < STAGES && inside; ++i) {
                bool same = text_len - 3 == strlen(stages[i].language);
                open = same && memcmp(text + 3, stages[i].language, text_len - 3) == 0 ? &stages[i] : open;
            }
            cr_expect(!inside || open != NULL, "a fenced block of no known stage: %.*s", (int)text_len, text);
        } else if (open != NULL && text_len > 0) {
            check_line(open, arena, (Str){text, text_len});
            ++checked;
        }
        line = end == NULL ? NULL : end + 1;
    }
    cr_assert_gt(checked, 10);
    strbuf_free(&readme);
    for (int i = 0; i < STAGES; ++i) {
        strbuf_free(&stages[i].text);
    }
    arena_destroy(arena);
}
