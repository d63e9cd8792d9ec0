/* The table of passes and its runner. */
#include <criterion/criterion.h>

#include "net_builder.h"
#include "support/file.h"

enum { MAX_PASSES = 32 };

/* image -> conv -> batch norm -> dropout -> + image -> relu -> y, and a head that nobody reads. */
static NetBuilder block(void)
{
    NetBuilder nb = nb_create();
    Node *image = nb_input(&nb, 4, 6, 6);
    ConvAttr attr = {.channels = 4, .kernel = {3, 3}, .pad = {.edge = {1, 1, 1, 1}}};
    Node *x = nb_norm(&nb, "b", nb_conv(&nb, OP_CONV, "c", attr, image));
    x = nb_op(&nb, OP_DROPOUT, NULL, (Attr){.misc = {.p = 0.5}}, x, NULL);
    nb_conv(&nb, OP_CONV, "aux", attr, x);
    nb_output(&nb, "y", nb_plain(&nb, OP_RELU, nb_op(&nb, OP_ADD, NULL, (Attr){.misc = {.p = 0}}, x, image)));
    return nb;
}

static size_t index_of(const char *name)
{
    const Pass *pass = pass_find(str_from(name));
    cr_assert_not_null(pass);
    return (size_t)(pass - pass_pipeline);
}

Test(pass_pipeline, a_residual_block_becomes_one_node)
{
    NetBuilder nb = block();
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .verify_ir = true};
    cr_assert(passes_run(&run, nb.graph));
    const Node *conv = nb_find(&nb, OP_CONV, "c");
    cr_assert_eq(nb.graph->outputs[0].node, conv);
    cr_assert(conv->adds_residual);
    cr_assert_eq(conv->act.op, OP_RELU);
    cr_assert_eq(nb_count(&nb, OP_CONV), 1);
    nb_destroy(&nb);
}

/* Conv, norm, scale, and the norm before a layer without padding: everything in two layers. */
Test(pass_pipeline, folds_reach_each_other)
{
    NetBuilder nb = nb_create();
    Node *x = nb_conv(&nb, OP_CONV, "c1", (ConvAttr){.channels = 4, .kernel = {3, 3}}, nb_input(&nb, 3, 8, 8));
    x = nb_plain(&nb, OP_RELU, nb_norm(&nb, "b2", nb_scale(&nb, 0.17, nb_norm(&nb, "b1", x))));
    x = nb_scale(&nb, 3.0, nb_norm(&nb, "b3", x));
    nb_output(&nb, "y", nb_conv(&nb, OP_CONV, "c2", (ConvAttr){.channels = 2}, x));
    double **before = nb_outputs(&nb);
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .verify_ir = true};
    cr_assert(passes_run(&run, nb.graph));
    double **after = nb_outputs(&nb);
    for (int i = 0; i < 2 * 6 * 6; ++i) {
        cr_assert_float_eq(before[0][i], after[0][i], 1e-12);
    }
    cr_assert_eq(nb_count(&nb, OP_AFFINE) + nb_count(&nb, OP_SCALE) + nb_count(&nb, OP_BATCH_NORM) +
                     nb_count(&nb, OP_RELU),
                 0, "%s", nb_dump(&nb));
    nb_destroy(&nb);
}

Test(pass_pipeline, switched_off)
{
    NetBuilder nb = block();
    bool off[MAX_PASSES] = {false};
    off[index_of("fold_batch_norm")] = off[index_of("drop_dropout")] = true;
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .off = off, .verify_ir = true};
    cr_assert(passes_run(&run, nb.graph));
    cr_assert_eq(nb_count(&nb, OP_BATCH_NORM), 1);
    cr_assert_eq(nb_count(&nb, OP_DROPOUT), 1);
    nb_destroy(&nb);
}

Test(pass_pipeline, prints_and_times)
{
    NetBuilder nb = block();
    bool print[MAX_PASSES] = {false};
    print[index_of("drop_dropout")] = print[index_of("fold_normalize")] = true;
    StrBuf log = {0};
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .print_after = print, .time = true, .log = &log};
    cr_assert(passes_run(&run, nb.graph));
    const char *text = arena_cstr(nb.arena, strbuf_view(&log));
    cr_assert_not_null(strstr(text, "after drop_dropout:\nnet test\n"), "%s", text);
    cr_assert_not_null(strstr(text, "after fold_normalize (unchanged)\n"), "%s", text);
    cr_assert_null(strstr(text, "after fuse_add"), "%s", text);
    for (size_t i = 0; pass_pipeline[i].name != NULL; ++i) {
        const char *line = strstr(text, arena_printf(nb.arena, "%-16s", pass_pipeline[i].name).ptr);
        cr_assert_not_null(line, "no time of %s", pass_pipeline[i].name);
    }
    strbuf_free(&log);
    nb_destroy(&nb);
}

typedef struct Checks {
    int count;
    const char *stop_at;
} Checks;

static bool note_check(void *user, const Graph *graph, const char *pass_name)
{
    Checks *checks = user;
    (void)graph;
    ++checks->count;
    return checks->stop_at == NULL || strcmp(checks->stop_at, pass_name) != 0;
}

Test(pass_pipeline, checks_after_passes_that_changed_something)
{
    NetBuilder nb = block();
    Checks checks = {0};
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .check = note_check, .check_user = &checks};
    cr_assert(passes_run(&run, nb.graph));
    cr_assert_eq(checks.count, 4); /* drop_dropout (and the head with it), fold_batch_norm, fuse_activation, fuse_add */
    cr_assert(passes_run(&run, nb.graph));
    cr_assert_eq(checks.count, 4, "the second time nothing changes");
    nb_destroy(&nb);
}

Test(pass_pipeline, a_failed_check_stops)
{
    NetBuilder nb = block();
    Checks checks = {.stop_at = "fold_batch_norm"};
    PassRun run = {.arena = nb.arena, .diag = nb.diag, .check = note_check, .check_user = &checks};
    cr_assert_not(passes_run(&run, nb.graph));
    cr_assert_eq(checks.count, 2);
    cr_assert_eq(nb_count(&nb, OP_RELU), 1, "fuse_activation did not run any more");
    nb_destroy(&nb);
}

Test(pass_pipeline, names)
{
    cr_assert_eq(pass_find(STR("fold_batch_norm")), pass_find(STR("fold-batch-norm")));
    cr_assert_not_null(pass_find(STR("dead_code")));
    cr_assert_null(pass_find(STR("dead")));
    cr_assert_null(pass_find(STR("dead_code_")));
    cr_assert_null(pass_find(STR("")));
    for (const Pass *pass = pass_pipeline; pass->name != NULL; ++pass) {
        cr_assert_eq(pass_find(str_from(pass->name)), pass);
    }
}

/* One file, one golden test and one numeric test a pass, under one name. */
Test(pass_pipeline, every_pass_has_its_files)
{
    Arena *arena = arena_create();
    for (const Pass *pass = pass_pipeline; pass->name != NULL; ++pass) {
        static const char *const places[] = {"compiler/passes/%s.c", "tests/golden/pass/%s.net",
                                             "tests/golden/pass/%s.pass", "tests/unit/pass_%s.c"};
        for (int i = 0; i < 4; ++i) {
            const char *mark = strstr(places[i], "%s");
            Str path = arena_printf(arena, "%.*s%s%s", (int)(mark - places[i]), places[i], pass->name, mark + 2);
            cr_expect(file_exists(path.ptr), "%s is missing", path.ptr);
        }
    }
    arena_destroy(arena);
}
