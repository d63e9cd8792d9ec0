/* `cnnc --emit=onnx` as its users meet it: what it refuses, what it writes, how much memory it takes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

typedef struct Run {
    Arena *arena;
    const char *folder; /* of this test, made anew */
    Str log;            /* stdout and stderr of the last command */
} Run;

static Run run_start(const char *test)
{
    Run run = {.arena = arena_create()};
    run.folder = sandbox_create(run.arena, arena_printf(run.arena, "onnx_export-%s", test).ptr);
    return run;
}

/* Runs a shell command in which $CNNC and $OUT stand for the compiler and the folder; returns its exit status. */
static int run_command(Run *run, const char *command)
{
    Str line = arena_printf(run->arena, "export CNNC='%s/cnnc' OUT='%s'; %s", sandbox_build(), run->folder, command);
    return sandbox_run(run->arena, run->folder, line, &run->log);
}

static void run_ok(Run *run, const char *command)
{
    cr_assert_eq(run_command(run, command), 0, "%s: " STR_FMT, command, STR_ARG(run->log));
}

static void run_refused(Run *run, const char *command, int status, const char *message)
{
    cr_assert_eq(run_command(run, command), status, "%s: " STR_FMT, command, STR_ARG(run->log));
    cr_assert_not_null(strstr(run->log.ptr, message), "%s: " STR_FMT, command, STR_ARG(run->log));
}

Test(onnx_export, refuses_with_a_remedy)
{
    Run run = run_start("refuses");
    run_refused(&run, "$CNNC dsl/zoo/vgg16.net --emit=onnx --weights=formula", 2, "add -o MODEL.onnx");
    run_refused(&run, "$CNNC dsl/zoo/vgg16.net --emit=onnx -o $OUT/m.onnx", 2, "add --weights=FILE.safetensors");
    run_refused(&run, "$CNNC dsl/zoo/lenet5.net --emit=onnx --batch=2 -o $OUT/m.onnx", 2, "one image a run");
    run_refused(&run, "$CNNC dsl/zoo/lenet5.net --emit=onnx -o $OUT/none/m.onnx", 1, "cannot write");
    run_ok(&run, "test ! -e $OUT/m.onnx");
    arena_destroy(run.arena);
}

Test(onnx_export, writes_a_file_or_standard_output)
{
    Run run = run_start("writes");
    run_ok(&run, "$CNNC dsl/zoo/lenet5.net --emit=onnx -o $OUT/a.onnx"); /* with lenet5.safetensors beside the net */
    run_ok(&run, "$CNNC dsl/zoo/lenet5.net --emit=onnx -o - > $OUT/b.onnx");
    run_ok(&run, "cmp $OUT/a.onnx $OUT/b.onnx && test $(stat -c %s $OUT/a.onnx) -gt 246824"); /* 61,706 floats */
    run_ok(&run, "test ! -e $OUT/a.onnx.data");
    arena_destroy(run.arena);
}

/* In KiB. AddressSanitizer keeps what was freed for a while, up to 256 MiB of it. */
#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_LIMIT = 450 * 1024 };
#else
enum { MEMORY_LIMIT = 50 * 1024 };
#endif

/* VGG-16 has 553 MB of weights; they pass through in blocks. */
Test(onnx_export, memory_does_not_grow_with_the_weights)
{
    const char *build = getenv("CNNC_BUILD") == NULL ? "build" : getenv("CNNC_BUILD");
    Arena *arena = arena_create();
    const char *cnnc = arena_printf(arena, "%s/cnnc", build).ptr;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        execl(cnnc, cnnc, "dsl/zoo/vgg16.net", "--weights=formula", "--emit=onnx", "-o", "/dev/null", (char *)NULL);
        _exit(127);
    }
    int status;
    struct rusage usage;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(getrusage(RUSAGE_CHILDREN, &usage), 0); /* a test has a process of its own: this was its only child */
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_lt(usage.ru_maxrss, MEMORY_LIMIT, "%ld KiB", usage.ru_maxrss);
    arena_destroy(arena);
}

/* ONNX's own checker, with shape inference, where Debian's python3-onnx is installed. */
Test(onnx_export, the_checker_accepts_every_op)
{
    Run run = run_start("checker");
    if (run_command(&run, "/usr/bin/python3 -c 'import onnx'") != 0) {
        cr_skip_test("python3-onnx is not installed");
    }
    static const char *const nets[] = {"tests/golden/graph/every_op.net", "tests/golden/graph/loss.net",
                                       "tests/run/nets/camera.net",       "tests/run/nets/pool.net",
                                       "tests/run/nets/shape.net",        "tests/run/nets/bare.net",
                                       "dsl/zoo/mobilenet_v1.net"};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; ++i) {
        run_ok(&run, arena_printf(run.arena, "$CNNC %s --weights=formula --emit=onnx -o $OUT/m.onnx", nets[i]).ptr);
        run_ok(&run, "/usr/bin/python3 -c 'import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), "
                     "full_check=True)' $OUT/m.onnx");
    }
    arena_destroy(run.arena);
}
