/* Lowering and planning of real networks: the arena against its lower bound, and LeNet carried out from its records. */
#include "lower_exec.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "frontend/frontend.h"
#include "passes/pass.h"

typedef struct Net {
    Arena *arena;
    Diag *diag;
    StrBuf log;
    Program *program;
} Net;

static Net lower_net(const char *path, bool with_passes, int32_t parts)
{
    Net net = {.arena = arena_create()};
    Sources *sources = sources_create(net.arena);
    net.diag = diag_create(net.arena, sources);
    FrontendOptions frontend = {0};
    AstFile *file = frontend_parse(net.arena, sources, net.diag, str_from(path), &frontend);
    Graph *graph = file == NULL ? NULL : frontend_elaborate(net.arena, sources, net.diag, file, &frontend);
    Str text = diag_text(net.diag);
    cr_assert_not_null(graph, "%s: " STR_FMT, path, STR_ARG(text));
    PassRun run = {.arena = net.arena, .diag = net.diag, .log = &net.log};
    if (with_passes) {
        cr_assert(passes_run(&run, graph));
    }
    LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = parts};
    net.program = lower(net.arena, graph, &options, net.diag);
    cr_assert_not_null(net.program);
    return net;
}

static void release(Net *net)
{
    strbuf_free(&net->log);
    diag_destroy(net->diag);
    arena_destroy(net->arena);
}

Test(lower_zoo, arenas_are_within_5_percent_of_the_bound)
{
    static const char *const nets[] = {"lenet5",   "alexnet",   "vgg16",     "resnet18",    "resnet34",
                                       "resnet50", "resnet101", "resnet152", "mobilenet_v1"};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; ++i) {
        for (int32_t parts = 1; parts <= 8; parts *= 8) {
            char path[64];
            snprintf(path, sizeof path, "dsl/zoo/%s.net", nets[i]);
            Net net = lower_net(path, true, parts);
            int64_t bound = net.program->arena_lower_bound;
            cr_assert_gt(bound, 0);
            cr_assert_leq(net.program->arena_bytes * 100, bound * 105, "%s: %lld for %lld", path,
                          (long long)net.program->arena_bytes, (long long)bound);
            release(&net);
        }
    }
}

/* 53 convolutions with 27 different records; folded norms and sums leave no step of their own. */
Test(lower_zoo, resnet50_is_57_steps)
{
    Net net = lower_net("dsl/zoo/resnet50.net", true, 1);
    cr_assert_eq(net.program->n_steps, 53 + 4); /* max pool, average pool, dense, softmax */
    cr_assert_eq(net.program->n_segments, 2 * 54);
    cr_assert_eq(net.program->n_kernels, 27 + 4);
    int64_t macs = 0;
    for (uint32_t i = 0; i < net.program->n_steps; ++i) {
        macs += net.program->steps[i].macs;
    }
    cr_assert_eq(macs, 4089184256);
    release(&net);
}

Test(lower_zoo, lenet_from_its_records)
{
    for (int with_passes = 0; with_passes < 2; ++with_passes) {
        Net net = lower_net("dsl/zoo/lenet5.net", with_passes, 1);
        lower_exec_compare(net.program, "lenet5");
        release(&net);
    }
}

/* Residual blocks with and without passes: in place and not, folded norms and channel affine steps. */
Test(lower_zoo, residual_blocks_from_their_records)
{
    for (int with_passes = 0; with_passes < 2; ++with_passes) {
        Net net = lower_net("tests/golden/program/residual.net", with_passes, 3);
        lower_exec_compare(net.program, "residual");
        release(&net);
        net = lower_net("tests/golden/program/arithmetic.net", with_passes, 1);
        lower_exec_compare(net.program, "arithmetic");
        release(&net);
        net = lower_net("tests/golden/program/moves.net", with_passes, 1);
        lower_exec_compare(net.program, "moves");
        release(&net);
    }
}

/* Every step of a kernel family is alone, or none is. */
static void expect_family(const Program *program, KernelFamily family, bool alone)
{
    bool seen = false;
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        const Step *step = &program->steps[i];
        if (step->kernel->family == family) {
            cr_assert_eq(step->alone, alone, STR_FMT, STR_ARG(step->kernel->name));
            seen = true;
        }
    }
    cr_assert(seen);
}

Test(lower_zoo, small_steps_are_not_split)
{
    Net net = lower_net("dsl/zoo/resnet18.net", true, 2);
    expect_family(net.program, KERNEL_CONV, false); /* options of zero: all are split */
    expect_family(net.program, KERNEL_SOFTMAX, false);
    steps_decide_alone(net.program, SPLIT_FROM);
    expect_family(net.program, KERNEL_CONV, false);
    expect_family(net.program, KERNEL_MAX_POOL, false);
    expect_family(net.program, KERNEL_DENSE, false);
    expect_family(net.program, KERNEL_SOFTMAX, true);
    steps_decide_alone(net.program, 1000000);
    expect_family(net.program, KERNEL_CONV, true);
    release(&net);
    net = lower_net("dsl/zoo/lenet5.net", true, 2);
    steps_decide_alone(net.program, SPLIT_FROM);
    expect_family(net.program, KERNEL_CONV, false);
    for (uint32_t i = 0; i < net.program->n_steps; ++i) {
        const Step *step = &net.program->steps[i];
        cr_assert(step->alone || step->kernel->family == KERNEL_CONV || step->kernel->sizes.in_channels == 400, STR_FMT,
                  STR_ARG(step->kernel->name));
    }
    steps_decide_alone(net.program, 3 * SPLIT_FROM); /* a step is worth it, but all of them together are not */
    for (uint32_t i = 0; i < net.program->n_steps; ++i) {
        cr_assert(net.program->steps[i].alone, STR_FMT, STR_ARG(net.program->steps[i].kernel->name));
    }
    release(&net);
}
