/* The summary as full text, and the op reference against the committed file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir_build.h"
#include "report/report.h"
#include "support/file.h"

static const Span nowhere = {0, 0};

static void expect_same(const char *text, const char *expected)
{
    size_t line = 1;
    for (size_t i = 0; text[i] == expected[i] && expected[i] != '\0'; ++i) {
        line += expected[i] == '\n';
    }
    cr_expect(strcmp(text, expected) == 0, "they differ first at line %zu:\n%s\nshould be\n%s", line, text, expected);
}

Test(report, summary_counts_shared_weights_once_and_statistics_apart)
{
    IrBuild build = irbuild_start();
    Graph *graph = build.graph;
    Node *x = irbuild_input(&build, "f32[3,32,32]");
    Node *conv = irbuild_add1(&build, "layer1.0.conv1", "conv channels=64 kernel=3 stride=2 pad=1 bias=false", x);
    Node *bn = irbuild_add1(&build, "layer1.0.bn1", "batch_norm", conv);
    Node *twice = irbuild_add2(&build, "", "add", bn, conv);
    Node *pooled = irbuild_add1(&build, "pool1", "max_pool kernel=2,1 stride=2,1", twice);
    Node *grouped = irbuild_add1(&build, "g\xc3\xa9", "conv channels=64 kernel=1 groups=64", pooled);
    Node *shared = irbuild_add1(&build, "g\xc3\xa9", "conv channels=64 kernel=1 groups=64", grouped);
    Node *flat = irbuild_add1(&build, "flatten1", "flatten", shared);
    Node *dense = irbuild_add1(&build, "fc", "dense units=1000", flat);
    Node *rbf = irbuild_add1(&build, "rbf", "rbf units=10", dense);
    graph_add_output(graph, STR("y"), rbf, nowhere);
    StrBuf text = {0};
    summary_print(graph, NULL, &text);
    expect_same(text.ptr, "net test\n"
                          "\n"
                          "layer           op                 output         parameters       MACs\n"
                          "-----------------------------------------------------------------------\n"
                          "in0             input              f32[3,32,32]\n"
                          "layer1.0.conv1  conv 3x3 /2        f32[64,16,16]       1,728    442,368\n"
                          "layer1.0.bn1    batch_norm         f32[64,16,16]         128\n"
                          "                add                f32[64,16,16]\n"
                          "pool1           max_pool 2x1 /2x1  f32[64,8,16]\n"
                          "g\xc3\xa9              conv 1x1 g64       f32[64,8,16]          128      8,192\n"
                          "g\xc3\xa9              conv 1x1 g64       f32[64,8,16]       shared      8,192\n"
                          "flatten1        flatten            f32[8192]\n"
                          "fc              dense              f32[1000]       8,193,000  8,192,000\n"
                          "rbf             rbf                f32[10]\n"
                          "-----------------------------------------------------------------------\n"
                          "total                                              8,194,984  8,650,752\n"
                          "\n"
                          "parameters             8,194,984\n"
                          "running statistics     128 in 1 batch norm\n"
                          "MACs                   8,650,752\n"
                          "weights                31.30 MiB as f32 in 10 tensors\n"
                          "activation memory      unknown: the backend cannot lower this net\n");
    strbuf_free(&text);
    irbuild_end(&build);
}

/* A program's memory, in bytes and per batch; a net without weights. */
Test(report, summary_of_a_lowered_net)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[2,3,4]");
    graph_add_output(build.graph, STR("y"), irbuild_add1(&build, "relu1", "relu", x), nowhere);
    Program program = {.target = target_find(STR("portable")), .batch = 2, .arena_bytes = 1572864, .blob_bytes = 64};
    StrBuf text = {0};
    summary_print(build.graph, &program, &text);
    expect_same(text.ptr, "net test\n"
                          "\n"
                          "layer  op     output      parameters  MACs\n"
                          "------------------------------------------\n"
                          "in0    input  f32[2,3,4]\n"
                          "relu1  relu   f32[2,3,4]\n"
                          "------------------------------------------\n"
                          "total                              0     0\n"
                          "\n"
                          "parameters             0\n"
                          "MACs                   0\n"
                          "weights                0.00 MiB as f32 in 0 tensors\n"
                          "target                 portable\n"
                          "activation memory      1.50 MiB (arena, 1,572,864 bytes) for 2 images\n"
                          "packed weights         0.00 MiB (64 bytes)\n");
    strbuf_free(&text);
    irbuild_end(&build);
}

Test(report, help_lists_every_op_within_a_screen_width)
{
    StrBuf text = {0};
    ops_help(&text);
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        StrBuf call = {0};
        strbuf_printf(&call, "\n%s(", info->name);
        cr_expect(info->name[0] == '\0' || strstr(text.ptr, call.ptr) != NULL, "%s", info->name);
        strbuf_free(&call);
        for (const OpParam *param = info->params; param->name != NULL; ++param) {
            cr_expect(strstr(text.ptr, param->doc) != NULL || strlen(param->doc) > 60, "%s.%s", info->name,
                      param->name);
        }
    }
    size_t column = 0;
    for (size_t i = 0; i < text.len; ++i) {
        column = text.ptr[i] == '\n' ? 0 : column + 1;
        cr_assert(column <= 100, "a line of %zu columns at byte %zu", column, i);
    }
    strbuf_free(&text);
}

/* dsl/OPS.md is what the table says today; `make bless` writes it again. */
Test(golden_ops, reference_is_fresh)
{
    Arena *arena = arena_create();
    StrBuf text = {0};
    ops_markdown(&text);
    if (getenv("CNNC_BLESS") != NULL) {
        FILE *file = fopen("dsl/OPS.md", "w");
        cr_assert(file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0);
    }
    Str committed, reason;
    cr_assert(file_read(arena, "dsl/OPS.md", 1u << 24, &committed, &reason), STR_FMT, STR_ARG(reason));
    expect_same(arena_cstr(arena, committed), text.ptr);
    strbuf_free(&text);
    arena_destroy(arena);
}
