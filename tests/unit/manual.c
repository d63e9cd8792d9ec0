/* dsl/LANGUAGE.md keeps its word: every example marked `net` is compiled, its names exist, and what it says about
 * operators, functions and bounds is what the compiler has. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "frontend/elaborate.h"
#include "support/file.h"

#define MANUAL "dsl/LANGUAGE.md"

static Str read_manual(Arena *arena)
{
    Str text, reason;
    cr_assert(file_read(arena, MANUAL, 1 << 20, &text, &reason), STR_FMT, STR_ARG(reason));
    return text;
}

/* The next text between "```net\n" and "```"; false where there is none. */
static bool next_example(Arena *arena, const char **at, Str *example)
{
    const char *begin = strstr(*at, "```net\n");
    if (begin == NULL) {
        return false;
    }
    begin += strlen("```net\n");
    const char *end = strstr(begin, "```");
    cr_assert(end != NULL, "an example without end");
    *example = arena_copy(arena, (Str){begin, (size_t)(end - begin)});
    *at = end + 3;
    return true;
}

static Graph *compile_example(Arena *arena, Str example, const FrontendOptions *options)
{
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    AstFile *file = frontend_parse_text(arena, sources, diag, STR("dsl/example.net"), example, options);
    Graph *graph = frontend_elaborate(arena, sources, diag, file, options);
    cr_assert(graph != NULL && str_is_empty(diag_text(diag)), STR_FMT "\n" STR_FMT, STR_ARG(example),
              STR_ARG(diag_text(diag)));
    Str message;
    cr_assert(graph_verify(graph, arena, &message), STR_FMT, STR_ARG(message));
    diag_destroy(diag);
    return graph;
}

Test(manual, examples_compile)
{
    Arena *arena = arena_create();
    const char *at = read_manual(arena).ptr;
    Str example;
    int count = 0;
    for (; next_example(arena, &at, &example); ++count) {
        for (int training = 0; training < 2; ++training) {
            FrontendOptions options = {.net = {"", 0}, .with_training_outputs = training == 1};
            compile_example(arena, example, &options);
        }
    }
    cr_assert_geq(count, 10, "%d examples", count);
    arena_destroy(arena);
}

/* A comment "# a.weight, b.bias" of the example on names promises weights of these names. */
Test(manual, promised_weights_exist)
{
    Arena *arena = arena_create();
    const char *at = read_manual(arena).ptr;
    Str example = STR("");
    FrontendOptions options = {.net = {"", 0}};
    while (next_example(arena, &at, &example) && strstr(example.ptr, "net names") == NULL) {
    }
    const Graph *graph = compile_example(arena, example, &options);
    const char *const promised[] = {"stem.conv.weight", "blocks.0.conv.weight", "blocks.1.conv.weight",
                                    "head.1x1.weight", "stem.bn1.weight"};
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; ++i) {
        bool found = false;
        for (uint32_t n = 0; n < graph->n_nodes; ++n) {
            found |= graph->nodes[n]->op == OP_CONST &&
                     str_equal(graph->nodes[n]->attr.constant.name, str_from(promised[i]));
        }
        cr_assert(found, "no weight %s", promised[i]);
        cr_assert(i == 4 || strstr(example.ptr, promised[i]) != NULL, "%s is no longer promised", promised[i]);
    }
    arena_destroy(arena);
}

Test(manual, lists_every_function)
{
    Arena *arena = arena_create();
    Str manual = read_manual(arena);
    for (size_t i = 0; !str_is_empty(builtin_name_at(i)); ++i) {
        Str mention = arena_printf(arena, "`" STR_FMT "(", STR_ARG(builtin_name_at(i)));
        cr_assert(strstr(manual.ptr, mention.ptr) != NULL, STR_FMT "...) is missing", STR_ARG(mention));
    }
    arena_destroy(arena);
}

Test(manual, states_the_bounds)
{
    Arena *arena = arena_create();
    Str manual = read_manual(arena);
    cr_assert_eq(ELABORATE_MAX_NODES, 1000000);
    cr_assert_eq(ELABORATE_MAX_STEPS, 10000000);
    cr_assert_eq(ELABORATE_MAX_CALLS, 256);
    cr_assert_eq(ELABORATE_MAX_BYTES, 256 * 1024 * 1024);
    cr_assert_eq(ELABORATE_MAX_PATH, 1000);
    cr_assert_eq(AST_MAX_DEPTH, 1000);
    cr_assert_eq(ELABORATE_MAX_DEPTH, 2000);
    cr_assert_eq(VALUE_MAX_ITEMS, 1000000);
    cr_assert_eq(VALUE_MAX_TEXT, 1000000);
    cr_assert_eq(VALUE_MAX_DEPTH, 32);
    const char *const rows[] = {"| 1,000,000 | nodes",
                                "| 10,000,000 | statements",
                                "| 256 | calls",
                                "| 1,000 | levels",
                                "| 2,000 | levels",
                                "| 1,000,000 | items of a list, bytes of a string; 32 lists within each other; 256 MiB",
                                "| 1,000 | bytes of a weight"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        cr_assert(strstr(manual.ptr, rows[i]) != NULL, "the manual does not say \"%s\"", rows[i]);
    }
    arena_destroy(arena);
}
