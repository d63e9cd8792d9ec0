/* Tuning from the command line: --tune measures and keeps, --tuned uses; faults; and every kind of choice computes what the
 * rules' kernels compute. Nothing here depends on what a clock says. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "cnn.h"
#include "frontend/frontend.h"
#include "model.h"
#include "net_check.h"
#include "passes/pass.h"
#include "sandbox.h"
#include "support/file.h"
#include "tune/candidates.h"
#include "tune/database.h"

static const char net[] = "tests/run/nets/tuned.net";

/* --- every choice computes the same: k-th candidates of all stages at once */

enum { MIXES = 12, TARGETS = 3 };

typedef struct Mix {
    char target[16];
    int k;
} Mix;

static const char *const target_names[TARGETS] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};

ParameterizedTestParameters(tune, choices_keep_results)
{
    static Mix mixes[MIXES * TARGETS];
    size_t count = 0;
    for (int t = 0; t < TARGETS; ++t) {
        const int step = IS_SANITIZED ? 4 : t == 0 ? 1 : 2;
        for (int k = 0; k < MIXES && target_runs_here(target_find(str_from(target_names[t]))); k += step) {
            snprintf(mixes[count].target, sizeof mixes[count].target, "%s", target_names[t]);
            mixes[count++].k = k;
        }
    }
    return cr_make_param_array(Mix, mixes, count);
}

static ConvChoice pick(Arena *arena, TuneStage stage, const Target *target, const KernelSizes *sizes,
                       const ConvChoice *from, uint32_t k)
{
    Candidates found = tune_candidates(arena, stage, target, sizes, from);
    return found.items[k % found.count];
}

/* A database in which each convolution of the net has another mixture of candidates than in the last one. */
static Str mixed_database(Arena *arena, const Target *target, uint32_t k)
{
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    FrontendOptions frontend = {0};
    AstFile *file = frontend_parse(arena, sources, diag, str_from(net), &frontend);
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &frontend);
    cr_assert(graph != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    TuningDatabase *database = tuning_create(arena);
    TuningSection *section = tuning_add_section(database, str_from(target->name), STR("any"), STR("any"));
    int families[KERNEL_FAMILY_COUNT] = {0};
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        Str key = conv_key(arena, graph->nodes[i], target);
        if (str_is_empty(key) || map_has(section->choices, key)) {
            continue;
        }
        KernelSizes sizes = conv_node_sizes(graph->nodes[i]);
        Kernel rules = {.sizes = sizes};
        cr_assert(select_vector_conv(target, true, &rules));
        rules.in = layout_blocked(graph->nodes[i]->inputs[0]->type, target->channel_block);
        tiles_choose(target, &rules);
        ConvChoice choice = conv_choice_of(&rules);
        choice = pick(arena, STAGE_ALGORITHM, target, &sizes, &choice, k + i);
        choice = pick(arena, STAGE_TILE, target, &sizes, &choice, k);
        choice = pick(arena, STAGE_ORDER, target, &sizes, &choice, k + 2 * i);
        tuning_add(database, section, key, &choice, STR(""));
        ++families[choice.family];
    }
    cr_assert(families[KERNEL_DEPTHWISE] > 0 && families[KERNEL_GROUPED] > 0 && families[KERNEL_DIRECT] > 0 &&
              families[KERNEL_PLANAR] + families[KERNEL_WINOGRAD] > 0);
    StrBuf text = {0};
    tuning_text(database, &text);
    Str copy = arena_copy(arena, strbuf_view(&text));
    strbuf_free(&text);
    diag_destroy(diag);
    return copy;
}

ParameterizedTest(Mix *mix, tune, choices_keep_results)
{
    Arena *arena = arena_create();
    const Target *target = target_find(str_from(mix->target));
    const char *name = arena_printf(arena, "tune-%s-%d", mix->target, mix->k).ptr;
    const char *folder = sandbox_create(arena, name);
    sandbox_write(arena, folder, "mix.tune", mixed_database(arena, target, (uint32_t)mix->k));
    const char *options = arena_printf(arena, "--target=%s --tuned='%s/mix.tune'", target->name, folder).ptr;
    Str said = sandbox_expect(
        arena, folder,
        arena_printf(arena, "'%s/cnnc' '%s' %s --emit=c -o '%s/never.c'", sandbox_build(), net, options, folder));
    cr_assert_eq(said.len, 0u, "a choice does not fit: " STR_FMT, STR_ARG(said));
    net_check(&(NetCheck){.name = name, .file = net, .defines = options, .flags = target->flags, .parts = 3});
    arena_destroy(arena);
}

/* --- the command line */

typedef struct Cli {
    Arena *arena;
    const char *folder;
    Str said;
} Cli;

static const char tiny[] =
    "net tiny {\n    input image: f32[3, 12, 12]\n"
    "    logits = image |> conv(32, kernel=3, pad=1) |> relu |> conv(32, kernel=3, pad=1) |> conv(32, kernel=1)\n"
    "    output y = logits |> depthwise_conv(3, pad=1) |> flatten |> dense(4)\n}\n";

static Cli start(const char *test)
{
    Cli cli = {.arena = arena_create()};
    cli.folder = sandbox_create(cli.arena, arena_printf(cli.arena, "tune-%s", test).ptr);
    sandbox_write(cli.arena, cli.folder, "tiny.net", str_from(tiny));
    return cli;
}

/* Runs cnnc in the folder, with TMPDIR there too, so that scratch files would show. */
static int run(Cli *cli, const char *environment, const char *arguments)
{
    char *build = realpath(sandbox_build(), NULL);
    int status =
        sandbox_run(cli->arena, cli->folder,
                    arena_printf(cli->arena, "cd '%s' && mkdir -p scratch && TMPDIR=$PWD/scratch %s '%s/cnnc' %s",
                                 cli->folder, environment, build, arguments),
                    &cli->said);
    free(build);
    Str left = sandbox_expect(cli->arena, cli->folder, arena_printf(cli->arena, "ls -A '%s/scratch'", cli->folder));
    cr_assert_eq(left.len, 0u, "left behind: " STR_FMT, STR_ARG(left));
    return status;
}

static bool said(const Cli *cli, const char *text)
{
    return strstr(arena_cstr(cli->arena, cli->said), text) != NULL;
}

static bool exists(const Cli *cli, const char *name)
{
    return file_exists(arena_printf(cli->arena, "%s/%s", cli->folder, name).ptr);
}

static int count_of(Str text, const char *part)
{
    int count = 0;
    for (const char *at = strstr(text.ptr, part); at != NULL; at = strstr(at + 1, part)) {
        ++count;
    }
    return count;
}

static bool has_vectors(void)
{
    return target_find(STR("native"))->vector_floats > 1;
}

Test(tune, measures_once_and_uses_what_it_found)
{
    if (!has_vectors()) {
        cr_skip_test("this machine's target is portable");
    }
    Cli cli = start("once");
    sandbox_write(
        cli.arena, cli.folder, "my.tune",
        STR("cnnc tuning 1\n# mine\n[aarch64 | Some ARM | gcc 9 -O3]\n"
            "conv1x1 s1x1 p0x0 d1x1 g1 32x12x12 -> 32x12x12 = direct vectors=1 tile=3 order=sets prefetch=no\n"));
    static const char options[] = "tiny.net --target=native --weights=formula --no-embed-weights";
    cr_assert_eq(run(&cli, "CC=cc", arena_printf(cli.arena, "%s --tune=my.tune --tune-runs=1 -o a.c", options).ptr), 0,
                 STR_FMT, STR_ARG(cli.said));
    cr_assert(said(&cli, "timed 4 kinds of convolution"), STR_FMT, STR_ARG(cli.said));
    cr_assert(said(&cli, "cnnc: tuning, 0 %: algorithms: compiling")); /* no terminal: lines */
    Str database = sandbox_read(cli.arena, cli.folder, "my.tune");
    cr_assert(str_starts_with(database, STR("cnnc tuning 1\n# mine\n[aarch64 | Some ARM | gcc 9 -O3]\nconv1x1 ")));
    cr_assert_eq(count_of(database, " = "), 5, STR_FMT, STR_ARG(database));
    cr_assert_eq(count_of(database, "conv3x3 s1x1 p1x1 d1x1 g1 3x12x12 -> 32x12x12 = planar "), 1);
    cr_assert_eq(count_of(database, "conv3x3 s1x1 p1x1 d1x1 g32 32x12x12 -> 32x12x12 = depthwise "), 1);

    cr_assert_eq(run(&cli, "CC=cc", arena_printf(cli.arena, "%s --tune=my.tune -o b.c", options).ptr), 0);
    cr_assert(said(&cli, "has all convolutions of this network: nothing was timed"), STR_FMT, STR_ARG(cli.said));
    cr_assert(str_equal(sandbox_read(cli.arena, cli.folder, "my.tune"), database));
    /* --tuned: no compiler is asked, the same bytes */
    cr_assert_eq(run(&cli, "CC=/nowhere/cc", arena_printf(cli.arena, "%s --tuned=my.tune -o c/b.c", options).ptr), 1);
    cr_assert_eq(
        run(&cli, "CC=/nowhere/cc", arena_printf(cli.arena, "%s --tuned=my.tune --emit=c -o c.c", options).ptr), 0);
    cr_assert_eq(run(&cli, "", arena_printf(cli.arena, "%s --tune=my.tune --emit=c -o d.c", options).ptr), 0);
    cr_assert(str_equal(sandbox_read(cli.arena, cli.folder, "c.c"), sandbox_read(cli.arena, cli.folder, "d.c")));
    cr_assert(strstr(sandbox_read(cli.arena, cli.folder, "c.c").ptr, " --tuned (") != NULL);
    /* weights packed with the same choices are the same file */
    cr_assert_eq(run(&cli, "", "pack tiny.net --target=native --weights=formula --tuned=my.tune -o p.weights"), 0,
                 STR_FMT, STR_ARG(cli.said));
    sandbox_expect(cli.arena, cli.folder,
                   arena_printf(cli.arena, "cmp '%s/a.weights' '%s/p.weights'", cli.folder, cli.folder));
    /* a line that is taken out is measured again, the others stay */
    char *line = strstr((char *)arena_cstr(cli.arena, database), "conv3x3 s1x1 p1x1 d1x1 g32"),
         *end = strchr(line, '\n') + 1;
    const char *whole = strstr(database.ptr, "cnnc tuning");
    size_t before = (size_t)(strstr(database.ptr, "conv3x3 s1x1 p1x1 d1x1 g32") - whole);
    sandbox_write(cli.arena, cli.folder, "my.tune", arena_printf(cli.arena, "%.*s%s", (int)before, database.ptr, end));
    cr_assert_eq(run(&cli, "CC=cc", arena_printf(cli.arena, "%s --tune=my.tune --tune-runs=1 -o a.c", options).ptr), 0);
    cr_assert(said(&cli, "timed 1 kind of convolution"), STR_FMT, STR_ARG(cli.said));
    arena_destroy(cli.arena);
}

Test(tune, code_takes_only_weights_that_were_packed_with_its_choices)
{
    Cli cli = start("fits");
    sandbox_write(
        cli.arena, cli.folder, "a.tune",
        STR("cnnc tuning 1\n[x86-64-v2 | any | any]\n"
            "conv1x1 s1x1 p0x0 d1x1 g1 32x12x12 -> 32x12x12 = direct vectors=4 tile=3 order=sets prefetch=no\n"));
    cr_assert_eq(
        run(&cli, "", "tiny.net --target=x86-64-v2 --weights=formula --no-embed-weights --tuned=a.tune -o tuned.c"), 0);
    cr_assert_eq(run(&cli, "", "tiny.net --target=x86-64-v2 --weights=formula --no-embed-weights -o rules.c"), 0);
    const char *const names[] = {"tuned", "rules"};
    uint64_t fingerprints[2];
    for (int i = 0; i < 2; ++i) {
        Str blob = sandbox_read(cli.arena, cli.folder, arena_printf(cli.arena, "%s.weights", names[i]).ptr);
        memcpy(&fingerprints[i], blob.ptr + 24, sizeof fingerprints[i]); /* cnn_blob_header */
    }
    cr_assert_neq(fingerprints[0], fingerprints[1]);
    arena_destroy(cli.arena);
}

/* Refused with status, this message and a remedy; no file is made or changed. */
static void refuse(const char *test, const char *environment, const char *arguments, int status, const char *message)
{
    Cli cli = start(test);
    sandbox_write(cli.arena, cli.folder, "old.tune", STR("cnnc tuning 1\n[aarch64 | A | B]\n"));
    int got = run(&cli, environment, arguments);
    cr_assert_eq(got, status, "%s: status %d: " STR_FMT, arguments, got, STR_ARG(cli.said));
    cr_assert(said(&cli, message), "%s: " STR_FMT, message, STR_ARG(cli.said));
    cr_assert(said(&cli, "help: "), STR_FMT, STR_ARG(cli.said));
    static const DiagId ids[] = {DIAG_USAGE, DIAG_FILE_UNREADABLE, DIAG_FILE_UNWRITABLE, DIAG_TUNING_MACHINE,
                                 DIAG_TUNING_FAILED};
    int errors = 0;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; ++i) {
        errors += count_of(cli.said, arena_printf(cli.arena, " [%s]", diag_name(ids[i])).ptr);
    }
    cr_assert_eq(errors, 1, STR_FMT, STR_ARG(cli.said));
    cr_assert(!exists(&cli, "new.tune") && !exists(&cli, "tiny.c"));
    cr_assert(str_equal(sandbox_read(cli.arena, cli.folder, "old.tune"), STR("cnnc tuning 1\n[aarch64 | A | B]\n")));
    arena_destroy(cli.arena);
}

Test(tune, faults_leave_everything_as_it_was)
{
    refuse("portable", "", "tiny.net --target=portable --tune=new.tune", 2, "target portable has nothing to tune");
    refuse("portable", "", "tiny.net --target=portable --tuned=old.tune", 2, "target portable has nothing to tune");
    refuse("no-file", "", "tiny.net --target=aarch64 --tuned=none.tune", 1, "cannot read the tuning database");
    refuse("no-section", "", "tiny.net --target=x86-64-v2 --tuned=old.tune", 1, "[tuning-machine]");
    if (has_vectors()) {
        const char *const other = target_runs_here(target_find(STR("aarch64"))) ? "x86-64-v2" : "aarch64";
        Arena *arena = arena_create();
        refuse("elsewhere", "", arena_printf(arena, "tiny.net --target=%s --tune=new.tune", other).ptr, 1,
               "this machine cannot run code for target");
        refuse("no-cc", "CC=/nowhere/cc", "tiny.net --target=native --tune=new.tune", 1,
               "cannot run this as C compiler");
        refuse("blank-cc", "CC=' '", "tiny.net --target=native --tune=old.tune", 1, "cannot run this as C compiler");
        refuse("bad-cc", "CC=false", "tiny.net --target=native --tune=new.tune", 1, "[tuning-failed]");
        refuse("flags", "CC='cc -fno-such-flag-at-all'", "tiny.net --target=native --tune=old.tune", 1, "no-such-flag");
        refuse("no-folder", "", "tiny.net --target=native --tune=none/new.tune", 1, "cannot write the tuning database");
        refuse("no-script", "CC='sh ./none.sh'", "tiny.net --target=native --tune=new.tune", 1, "[tuning-failed]");
        arena_destroy(arena);
    }
}

Test(tune, a_program_that_dies_is_told)
{
    if (!has_vectors()) {
        cr_skip_test("this machine's target is portable");
    }
    Cli cli = start("dies");
    /* Compiles in earnest, but links a program that ends by a signal. */
    sandbox_write(cli.arena, cli.folder, "fake.sh",
                  STR("for last; do :; done\nif [ \"$last\" = -lm ]; then\n"
                      "  for word; do if [ \"$previous\" = -o ]; then out=$word; fi; previous=$word; done\n"
                      "  printf '#!/bin/sh\\nkill -SEGV $$\\n' > \"$out\"; chmod +x \"$out\"\nelse cc \"$@\"\nfi\n"));
    cr_assert_eq(run(&cli, "CC='sh fake.sh'", "tiny.net --target=native --tune=new.tune"), 1, STR_FMT,
                 STR_ARG(cli.said));
    cr_assert(said(&cli, "was ended by signal 11"), STR_FMT, STR_ARG(cli.said));
    cr_assert(!exists(&cli, "new.tune"));
    arena_destroy(cli.arena);
}

Test(tune, an_interrupt_leaves_nothing_behind)
{
    if (!has_vectors()) {
        cr_skip_test("this machine's target is portable");
    }
    Cli cli = start("interrupt");
    /* A compiler that ends cnnc, its parent, and then takes its time. SIGINT might be ignored where tests run. */
    sandbox_write(cli.arena, cli.folder, "fake.sh",
                  STR("case \"$1\" in --version) cc --version;; *) kill -TERM $PPID; sleep 30;; esac\n"));
    Str output;
    char *build = realpath(sandbox_build(), NULL);
    int status =
        sandbox_run(cli.arena, cli.folder,
                    arena_printf(cli.arena,
                                 "cd '%s' && mkdir scratch && (TMPDIR=$PWD/scratch CC='sh fake.sh' '%s/cnnc' tiny.net "
                                 "--target=native --tune=new.tune; echo status $?)",
                                 cli.folder, build),
                    &output);
    free(build);
    cr_assert_eq(status, 0);
    cr_assert(strstr(output.ptr, "status 143") != NULL, STR_FMT, STR_ARG(output));
    cr_assert(!exists(&cli, "new.tune") && !exists(&cli, "tiny.c"));
    Str left = sandbox_expect(cli.arena, cli.folder, arena_printf(cli.arena, "ls -A '%s/scratch'", cli.folder));
    cr_assert_eq(left.len, 0u, "left behind: " STR_FMT, STR_ARG(left));
    left = sandbox_expect(cli.arena, cli.folder, arena_printf(cli.arena, "ls -A '%s'", cli.folder));
    cr_assert(strstr(left.ptr, "new.tune") == NULL, STR_FMT, STR_ARG(left));
    arena_destroy(cli.arena);
}

Test(tune, choices_that_do_not_fit_are_a_warning)
{
    Cli cli = start("unfit");
    sandbox_write(
        cli.arena, cli.folder, "a.tune",
        STR("cnnc tuning 1\n[x86-64-v4 | any | any]\n"
            "conv1x1 s1x1 p0x0 d1x1 g1 32x12x12 -> 32x12x12 = winograd m=2 vectors=1 tile=3 block=3 prefetch=no\n"
            "conv3x3 s1x1 p1x1 d1x1 g1 32x12x12 -> 32x12x12 = direct vectors=8 tile=64 order=sets prefetch=no\n"
            "conv3x3 s1x1 p1x1 d1x1 g32 32x12x12 -> 32x12x12 = planar vectors=1 tile=3\n"));
    cr_assert_eq(run(&cli, "", "tiny.net --target=x86-64-v4 --emit=program --tuned=a.tune -o a.txt"), 0);
    cr_assert_eq(count_of(cli.said, "[tuning-unfit]"), 3, STR_FMT, STR_ARG(cli.said));
    cr_assert(said(&cli, "a.tune:3:1: warning: ") && said(&cli, "a.tune:4:1: warning: ") &&
              said(&cli, "a.tune:5:1: warning: "));
    cr_assert_eq(run(&cli, "", "tiny.net --target=x86-64-v4 --emit=program -o b.txt"), 0);
    cr_assert(str_equal(sandbox_read(cli.arena, cli.folder, "a.txt"), sandbox_read(cli.arena, cli.folder, "b.txt")));
    arena_destroy(cli.arena);
}
