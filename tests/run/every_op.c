/* Every op of the table as generated code. The nets ops_*.net hold all forms of the ops that no other net of nets/ has,
 * with shapes that no network of the zoo has: they are compiled for one to eight parts, whose bits must agree. A last
 * test walks the op table: no op is without a net here. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "frontend/frontend.h"
#include "net_check.h"

#if defined(__SANITIZE_ADDRESS__)
static const int parts[] = {1, 3, 8}; /* sanitised code takes long to compile */
#else
static const int parts[] = {1, 2, 3, 4, 5, 6, 7, 8};
#endif

static void check_in_parts(const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "tests/run/nets/%s.net", name);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        char folder[64];
        snprintf(folder, sizeof folder, "%s-%d", name, parts[i]);
        net_check(&(NetCheck){.name = folder, .file = file, .parts = parts[i]});
    }
}

Test(every_op, convolutions)
{
    check_in_parts("ops_conv");
}

Test(every_op, normalisations_and_reductions)
{
    check_in_parts("ops_norm");
}

Test(every_op, equal_numbers)
{
    check_in_parts("ops_ties");
}

Test(every_op, other_sizes_and_bytes)
{
    check_in_parts("ops_resample");
}

/* The other nets of nets/, which generated.c compares with the interpreter. */
static const char *const nets[] = {"conv",     "pool",     "elementwise", "shape",
                                   "ops_conv", "ops_norm", "ops_ties",    "ops_resample"};

static void count_ops(const char *net, unsigned *count)
{
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    FrontendOptions options = {0};
    Str path = arena_printf(arena, "tests/run/nets/%s.net", net);
    AstFile *file = frontend_parse(arena, sources, diag, path, &options);
    cr_assert(file != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &options);
    cr_assert(graph != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        count[graph->nodes[i]->op]++;
    }
    diag_destroy(diag);
    arena_destroy(arena);
}

Test(every_op, none_is_without_a_net)
{
    unsigned count[OP_COUNT] = {0};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; ++i) {
        count_ops(nets[i], count);
    }
    for (int op = 0; op < OP_COUNT; ++op) {
        cr_assert_gt(count[op], 0, "no net of tests/run/nets has the op %s", op_info((OpKind)op)->id);
    }
}
