/* build/cnnc as its users meet it: exit statuses, files all or nothing, the same bytes twice. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lower/program.h"
#include "support/arena.h"
#include "support/file.h"

typedef struct Cli {
    Arena *arena;
    const char *folder; /* of this test, empty at its start; absolute */
    const char *cnnc;   /* absolute */
    Str output;         /* stdout and stderr of the last command */
} Cli;

static Cli cli_start(const char *test)
{
    Cli cli = {.arena = arena_create()};
    const char *build = getenv("CNNC_BUILD");
    char *here = realpath(build == NULL ? "build" : build, NULL);
    cr_assert(here != NULL);
    cli.folder = arena_printf(cli.arena, "%s/tmp/cli-%s", here, test).ptr;
    cli.cnnc = arena_printf(cli.arena, "%s/cnnc", here).ptr;
    free(here);
    Str command = arena_printf(cli.arena, "rm -rf '%s' && mkdir -p '%s'", cli.folder, cli.folder);
    cr_assert_eq(system(command.ptr), 0);
    return cli;
}

/* Runs `cnnc ARGUMENTS` in the test's folder; returns the exit status. */
static int cli_run(Cli *cli, const char *arguments)
{
    Str command = arena_printf(cli->arena, "cd '%s' && '%s' %s > output.txt 2>&1", cli->folder, cli->cnnc, arguments);
    int status = system(command.ptr);
    Str reason;
    cr_assert(file_read(cli->arena, arena_printf(cli->arena, "%s/output.txt", cli->folder).ptr, 1 << 24, &cli->output,
                        &reason));
    cr_assert(WIFEXITED(status), "cnnc %s died: " STR_FMT, arguments, STR_ARG(cli->output));
    return WEXITSTATUS(status);
}

static bool cli_has(Cli *cli, const char *name)
{
    return file_exists(arena_printf(cli->arena, "%s/%s", cli->folder, name).ptr);
}

static Str cli_read(Cli *cli, const char *name)
{
    Str text, reason;
    cr_assert(file_read(cli->arena, arena_printf(cli->arena, "%s/%s", cli->folder, name).ptr, 1 << 24, &text, &reason),
              "%s: " STR_FMT, name, STR_ARG(reason));
    return text;
}

static void cli_write(Cli *cli, const char *name, const char *text)
{
    FILE *file = fopen(arena_printf(cli->arena, "%s/%s", cli->folder, name).ptr, "w");
    cr_assert(file != NULL);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static bool cli_said(Cli *cli, const char *text)
{
    return strstr(cli->output.ptr, text) != NULL;
}

static const char tiny_net[] =
    "net tiny(classes = 3) {\n"
    "    input image: f32[2, 6, 6]\n"
    "    output probabilities = image |> conv(4, kernel=3) |> relu |> flatten |> dense(classes) |> softmax\n"
    "}\n";

Test(cli, writes_three_files_and_says_nothing)
{
    Cli cli = cli_start("three");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=formula --no-embed-weights -o tiny.c"), 0, STR_FMT,
                 STR_ARG(cli.output));
    cr_assert_eq(cli.output.len, 0u, STR_FMT, STR_ARG(cli.output));
    cr_assert(cli_has(&cli, "tiny.c") && cli_has(&cli, "tiny.h") && cli_has(&cli, "tiny.weights"));
    arena_destroy(cli.arena);
}

Test(cli, embeds_small_weights_by_default)
{
    Cli cli = cli_start("embed");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=formula"), 0, STR_FMT, STR_ARG(cli.output));
    cr_assert(cli_has(&cli, "tiny.c") && cli_has(&cli, "tiny.h") && !cli_has(&cli, "tiny.weights"));
    cr_assert(strstr(cli_read(&cli, "tiny.h").ptr, "TINY_WEIGHTS_BYTES = 0") != NULL);
    arena_destroy(cli.arena);
}

Test(cli, without_weights_writes_code_and_says_how_to_pack)
{
    Cli cli = cli_start("pack");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(cli_run(&cli, "tiny.net -D classes=5 -o tiny.c"), 0, STR_FMT, STR_ARG(cli.output));
    cr_assert(cli_has(&cli, "tiny.c") && cli_has(&cli, "tiny.h") && !cli_has(&cli, "tiny.weights"));
    Str hint =
        arena_printf(cli.arena, "cnnc pack tiny.net --weights=W.safetensors -o tiny.weights -D classes=5 --target=%s\n",
                     target_find(STR("native"))->name);
    cr_assert(cli_said(&cli, hint.ptr), STR_FMT, STR_ARG(cli.output));
    /* The code is the one that weights are packed for, whatever they are. */
    Str code = cli_read(&cli, "tiny.c");
    cr_assert_eq(cli_run(&cli, "tiny.net -D classes=5 --weights=random:3 --no-embed-weights -o tiny.c"), 0);
    cr_assert(str_equal(code, cli_read(&cli, "tiny.c")));
    Str blob = cli_read(&cli, "tiny.weights");
    cr_assert_eq(cli_run(&cli, "pack tiny.net -D classes=5 --weights=random:3 -o packed.weights"), 0, STR_FMT,
                 STR_ARG(cli.output));
    cr_assert(str_equal(blob, cli_read(&cli, "packed.weights")));
    arena_destroy(cli.arena);
}

Test(cli, same_bytes_in_two_folders)
{
    Cli cli = cli_start("same");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(system(arena_printf(cli.arena, "mkdir -p '%s/other/deep' && cp '%s/tiny.net' '%s/other/deep'",
                                     cli.folder, cli.folder, cli.folder)
                            .ptr),
                 0);
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=formula --no-embed-weights"), 0);
    cr_assert_eq(cli_run(&cli, "other/deep/tiny.net --weights=formula --no-embed-weights -o other/tiny.c"), 0, STR_FMT,
                 STR_ARG(cli.output));
    cr_assert(str_equal(cli_read(&cli, "tiny.c"), cli_read(&cli, "other/tiny.c")));
    cr_assert(str_equal(cli_read(&cli, "tiny.h"), cli_read(&cli, "other/tiny.h")));
    cr_assert(str_equal(cli_read(&cli, "tiny.weights"), cli_read(&cli, "other/tiny.weights")));
    arena_destroy(cli.arena);
}

Test(cli, a_failing_run_touches_no_file)
{
    Cli cli = cli_start("untouched");
    cli_write(&cli, "bad.net", "net bad { input image: f32[1, 4, 4] output y = image |> cnov(2, kernel=3) }\n");
    cli_write(&cli, "bad.c", "old code");
    cli_write(&cli, "bad.h", "old header");
    cli_write(&cli, "bad.weights", "old weights");
    cr_assert_eq(cli_run(&cli, "bad.net --weights=formula -o bad.c"), 1);
    cr_assert(cli_said(&cli, "bad.net:1:") && cli_said(&cli, "did you mean 'conv'"), STR_FMT, STR_ARG(cli.output));
    cli_write(&cli, "tiny.net", tiny_net);
    cli_write(&cli, "w.safetensors", "garbage");
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=w.safetensors -o bad.c"), 1);
    cr_assert(cli_said(&cli, "w.safetensors: error:"), STR_FMT, STR_ARG(cli.output));
    cr_assert(str_equal(cli_read(&cli, "bad.c"), STR("old code")));
    cr_assert(str_equal(cli_read(&cli, "bad.h"), STR("old header")));
    cr_assert(str_equal(cli_read(&cli, "bad.weights"), STR("old weights")));
    Str listing = arena_printf(cli.arena, "test $(ls -A '%s' | wc -l) -eq 7", cli.folder); /* no temporary was left */
    cr_assert_eq(system(listing.ptr), 0);
    arena_destroy(cli.arena);
}

Test(cli, outputs_that_cannot_be_written)
{
    Cli cli = cli_start("unwritable");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=formula -o no/such/folder/tiny.c"), 1);
    cr_assert(cli_said(&cli, "no/such/folder/tiny.c: error: cannot write"), STR_FMT, STR_ARG(cli.output));
    cr_assert_eq(cli_run(&cli, "tiny.net --weights=formula --emit=c -o /dev/full"), 1);
    cr_assert(cli_said(&cli, "/dev/full: error: cannot write"), STR_FMT, STR_ARG(cli.output));
    cr_assert(cli_said(&cli, "[file-unwritable]"));
    cr_assert_eq(cli_run(&cli, "--help > /dev/full; echo status $?"), 0);
    cr_assert_eq(cli_run(&cli, "pack tiny.net --weights=formula -o /dev/full"), 1);
    arena_destroy(cli.arena);
}

Test(cli, exit_statuses)
{
    Cli cli = cli_start("status");
    cli_write(&cli, "tiny.net", tiny_net);
    cr_assert_eq(cli_run(&cli, "--version"), 0);
    cr_assert(cli_said(&cli, "cnnc "));
    cr_assert_eq(cli_run(&cli, "--help"), 0);
    cr_assert_eq(cli_run(&cli, "--help-ops"), 0);
    cr_assert(cli_said(&cli, "depthwise_conv"));
    cr_assert_eq(cli_run(&cli, "--help-passes"), 0);
    cr_assert(cli_said(&cli, "fold_batch_norm"));
    cr_assert_eq(cli_run(&cli, "--nonsense"), 2);
    cr_assert_eq(cli_run(&cli, "pack tiny.net"), 2);
    cr_assert(cli_said(&cli, "pack needs weights"));
    cr_assert_eq(cli_run(&cli, "tiny.net --embed-weights"), 2);
    cr_assert_eq(cli_run(&cli, "missing.net"), 1);
    cr_assert(cli_said(&cli, "missing.net: error:"), STR_FMT, STR_ARG(cli.output));
    cr_assert_eq(cli_run(&cli, "."), 1);
    cr_assert_eq(cli_run(&cli, "tiny.net -D clases=4"), 1);
    cr_assert(cli_said(&cli, "classes"), STR_FMT, STR_ARG(cli.output));
    arena_destroy(cli.arena);
}

Test(cli, every_stage_prints)
{
    Cli cli = cli_start("stages");
    cli_write(&cli, "tiny.net", tiny_net);
    static const struct {
        const char *arguments, *expected;
    } stages[] = {
        {"tiny.net --emit=ast", "net tiny(classes = 3)"},
        {"tiny.net --emit=graph", "= conv "},
        {"tiny.net --emit=dot", "digraph"},
        {"tiny.net --emit=program", "conv3x3"},
        {"tiny.net --emit=plan", "lower bound"},
        {"tiny.net --emit=c", "tiny_run("},
        {"tiny.net --summary", "total"},
        {"tiny.net --emit=c --print-after=fuse_activation", "after fuse_activation"},
        {"tiny.net --emit=c --time-passes", "fold_batch_norm"},
        {"tiny.net --emit=c --verify", "verified"},
    };
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; ++i) {
        cr_assert_eq(cli_run(&cli, stages[i].arguments), 0, "%s: " STR_FMT, stages[i].arguments, STR_ARG(cli.output));
        cr_assert(cli_said(&cli, stages[i].expected), "%s: no '%s' in " STR_FMT, stages[i].arguments,
                  stages[i].expected, STR_ARG(cli.output));
        cr_assert_not(cli_has(&cli, "tiny.c"), "%s wrote a file", stages[i].arguments);
    }
    arena_destroy(cli.arena);
}
