/* --target: several targets in one file set, against the code of each alone, bit for bit; the default; what the code
 * says where the compiler's flags do not fit; 64-bit ARM in an emulator, where there is one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cnn.h"
#include "lower/program.h"
#include "sandbox.h"
#include "support/strbuf.h"

typedef struct Place { /* a folder of its own for each test */
    Arena *arena;
    const char *folder, *build;
} Place;

static Place place_create(const char *test)
{
    Place place = {.arena = arena_create()};
    place.build = sandbox_build();
    place.folder = sandbox_create(place.arena, arena_printf(place.arena, "targets-%s", test).ptr);
    return place;
}

/* A command line in the test's folder that must succeed. */
static Str expect(const Place *place, Str line)
{
    return sandbox_expect(place->arena, place->folder,
                          arena_printf(place->arena, "cd '%s' && " STR_FMT, place->folder, STR_ARG(line)));
}

/* `cnnc ARGUMENTS -o FOLDER/NAME.c`, formula weights; NET is a path from the root of the tree. */
static void cnnc(const Place *place, const char *net, const char *arguments, const char *name)
{
    sandbox_expect(place->arena, place->folder,
                   arena_printf(place->arena, "'%s/cnnc' %s --weights=formula --name=model %s -o '%s/%s.c'",
                                place->build, net, arguments, place->folder, name));
}

/* --- a program around a network of one input, `image`, that writes its outputs to a file */

typedef struct Net {
    const char *file;
    const char *outputs[5]; /* NULL ends them */
} Net;
static const Net lenet5 = {"dsl/zoo/lenet5.net", {"probabilities"}};
static const Net blocks = {"tests/run/nets/vector_blocks.net", {"map", "part", "scores", "direct"}};

static const char program_head[] = "#include <stdio.h>\n"
                                   "#include HEADER\n"
                                   "static CNN_ALIGNED unsigned char memory[MODEL_ARENA_BYTES];\n"
                                   "static CNN_ALIGNED unsigned char weights[MODEL_WEIGHTS_BYTES + 1];\n"
                                   "static float image[MODEL_IMAGE_ELEMENTS];\n"
                                   "static void backwards(void *context, cnn_task *task, void *data, int count)\n"
                                   "{\n"
                                   "    (void)context;\n"
                                   "    while (count-- > 0)\n"
                                   "        task(data, count);\n"
                                   "}\n";

/* main OUTPUT WEIGHTS [parallel]; prints the level that init chose, and the status where it is not CNN_OK. */
static void write_program(const Place *place, const Net *net)
{
    StrBuf text = {0};
    strbuf_printf(&text, "%s", program_head);
    for (int i = 0; net->outputs[i] != NULL; ++i) {
        char upper[32];
        snprintf(upper, sizeof upper, "%s", net->outputs[i]);
        for (char *c = upper; *c != '\0'; ++c) {
            *c = (char)(*c - 'a' + 'A');
        }
        strbuf_printf(&text, "static float %s[MODEL_%s_ELEMENTS];\n", net->outputs[i], upper);
    }
    strbuf_printf(&text,
                  "int main(int argc, char **argv)\n"
                  "{\n"
                  "    static model net;\n"
                  "    FILE *file = fopen(argv[2], \"rb\");\n"
                  "    size_t size = file == NULL ? 0 : fread(weights, 1, sizeof weights, file);\n"
                  "    cnn_status status = model_init(&net, size > 0 ? weights : NULL, size, memory, sizeof memory);\n"
                  "#if defined(SEVERAL)\n"
                  "    printf(\"level %%d\\n\", net.level);\n"
                  "#endif\n"
                  "    for (int i = 0; i < MODEL_IMAGE_ELEMENTS; ++i)\n"
                  "        image[i] = (float)(i * 37 %% 101) / 50.0f - 1.0f;\n"
                  "    if (argc > 3)\n"
                  "        model_set_parallel(&net, backwards, NULL);\n"
                  "    cnn_status ran = model_run(&net, image");
    for (int i = 0; net->outputs[i] != NULL; ++i) {
        strbuf_printf(&text, ", %s", net->outputs[i]);
    }
    strbuf_printf(&text, ");\n"
                         "    if (ran != CNN_OK) {\n"
                         "        printf(\"init %%d run %%d\\n\", (int)status, (int)ran);\n"
                         "        return 3;\n"
                         "    }\n"
                         "    file = fopen(argv[1], \"wb\");\n");
    for (int i = 0; net->outputs[i] != NULL; ++i) {
        strbuf_printf(&text, "    fwrite(%s, 1, sizeof %s, file);\n", net->outputs[i], net->outputs[i]);
    }
    strbuf_printf(&text, "    return fclose(file);\n}\n");
    sandbox_write(place->arena, place->folder, "main.c", strbuf_view(&text));
    strbuf_free(&text);
}

#if defined(__x86_64__)
static const char warnings[] = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror";
static const char all_targets[] = "x86-64-v2,x86-64-v3,x86-64-v4,portable";

/* The level of this machine: 4 for x86-64-v4; 1 where it has no vector target. */
static int level_here(void)
{
    return target_find(STR("native"))->level;
}

/* Program NAME, of which NAME.c is compiled with `flags`; the files of targets are compiled already. */
static void build_front(const Place *place, const char *name, bool is_set, const char *cc, const char *flags)
{
    expect(place, arena_printf(place->arena, "%s %s -c %s.c -o %s.o", cc, flags, name, name));
    expect(place, arena_printf(place->arena, "cc -std=c99 -DHEADER='\"%s.h\"' %s main.c %s.o %s -o %s -lm", name,
                               is_set ? "-DSEVERAL" : "", name,
                               is_set ? arena_printf(place->arena, "%s_*.o", name).ptr : "", name));
}

/* Files of NET for one target, or several, and program NAME from them. */
static void build(const Place *place, const Net *net, const char *name, const char *arguments, const char *cc,
                  const char *flags)
{
    bool is_set = strchr(arguments, ',') != NULL;
    cnnc(place, net->file, arguments, name);
    if (is_set) {
        expect(place,
               arena_printf(place->arena, "for f in %s_*.c; do %s -c $f -o ${f%%.c}.o || exit 1; done", name, cc));
    }
    build_front(place, name, is_set, cc, flags);
}

/* What the set computes at each level that this machine has, against the code for that target alone. */
static void check_same_bits(const char *test, const Net *net, const char *arguments, const char *cc)
{
    Place place = place_create(test);
    write_program(&place, net);
    build(&place, net, "set", arena_printf(place.arena, "--target=%s %s", all_targets, arguments).ptr, cc, "");
    for (int level = 1; level <= level_here(); ++level) {
        const Target *target = &targets[0];
        while (target->level != level || (level > 1 && target->architecture == NULL)) {
            ++target;
        }
        build(&place, net, "alone", arena_printf(place.arena, "--target=%s %s", target->name, arguments).ptr,
              arena_printf(place.arena, "%s %s", cc, target->flags == NULL ? "" : target->flags).ptr, "");
        build_front(&place, "set", true, cc, arena_printf(place.arena, "-DCNN_X86_64_LEVEL_MAX=%d", level).ptr);
        expect(&place, STR("./alone alone.bin alone.weights"));
        Str said = expect(&place, STR("./set set.bin set.weights && cmp alone.bin set.bin"));
        cr_assert(str_equal(said, arena_printf(place.arena, "level %d\n", level)), "level %d: " STR_FMT, level,
                  STR_ARG(said));
        expect(&place, STR("./set parts.bin set.weights parallel && cmp alone.bin parts.bin"));
    }
    arena_destroy(place.arena);
}

Test(targets, several_compute_what_each_does_alone)
{
    check_same_bits("lenet5", &lenet5, "--embed-weights", "gcc -std=c99 -O1");
    check_same_bits("blocks", &blocks, "--no-embed-weights --threads-max=3", "gcc -std=c99 -O1");
}

Test(targets, several_compute_what_each_does_alone_clang)
{
    if (IS_SANITIZED) {
        cr_skip_test("the sanitizers' build looks at cnnc, not at what clang makes of its text");
    }
    check_same_bits("blocks-clang", &blocks, "--no-embed-weights --threads-max=3", "clang -std=c99 -O1");
}

/* Without the macro: the best that this machine has. */
Test(targets, init_takes_the_best)
{
    Place place = place_create("best");
    write_program(&place, &lenet5);
    build(&place, &lenet5, "set", arena_printf(place.arena, "--target=%s", all_targets).ptr, "gcc -O1", "");
    Str said = expect(&place, STR("./set set.bin set.weights"));
    cr_assert(str_equal(said, arena_printf(place.arena, "level %d\n", level_here())), STR_FMT, STR_ARG(said));
    /* A gap in the list: what is below it. */
    build(&place, &lenet5, "gap", "--target=portable,x86-64-v4", "gcc -O1", "-DCNN_X86_64_LEVEL_MAX=3");
    said = expect(&place, STR("./gap gap.bin gap.weights"));
    cr_assert(str_equal(said, STR("level 1\n")), STR_FMT, STR_ARG(said));
    arena_destroy(place.arena);
}

Test(targets, processors_below_the_set_are_refused)
{
    Place place = place_create("refused");
    write_program(&place, &lenet5);
    build(&place, &lenet5, "set", "--target=x86-64-v4,x86-64-v3", "gcc -O1", "-DCNN_X86_64_LEVEL_MAX=2");
    Str said;
    int status = sandbox_run(place.arena, place.folder,
                             arena_printf(place.arena, "cd '%s' && ./set set.bin set.weights", place.folder), &said);
    cr_assert_eq(status, 3);
    Str expected = arena_printf(place.arena, "level 0\ninit %d run %d\n", (int)CNN_ERROR_PROCESSOR,
                                (int)CNN_ERROR_NOT_INITIALISED);
    cr_assert(str_equal(said, expected), STR_FMT, STR_ARG(said));
    arena_destroy(place.arena);
}

/* --- weights of a set */

static void expect_init(const Place *place, const char *weights, cnn_status wanted)
{
    Str said;
    int status = sandbox_run(place->arena, place->folder,
                             arena_printf(place->arena, "cd '%s' && ./set set.bin %s", place->folder, weights), &said);
    Str init = arena_printf(place->arena, "init %d run %d\n", (int)wanted, (int)CNN_ERROR_NOT_INITIALISED);
    cr_assert_eq(status, 3, "%s: " STR_FMT, weights, STR_ARG(said));
    cr_assert(strstr(said.ptr, init.ptr) != NULL, "%s: " STR_FMT, weights, STR_ARG(said));
}

Test(targets, weights_of_a_set_are_one_checked_file)
{
    Place place = place_create("weights");
    write_program(&place, &lenet5);
    build(&place, &lenet5, "set", arena_printf(place.arena, "--no-embed-weights --target=%s", all_targets).ptr,
          "gcc -O1", "");
    expect(&place, STR("./set set.bin set.weights"));
    /* The order of the list does not matter, and pack makes the same file as the compilation. */
    sandbox_expect(place.arena, place.folder,
                   arena_printf(place.arena,
                                "'%s/cnnc' pack %s --weights=formula --target=x86-64-v4,portable,x86-64-v3,x86-64-v2 "
                                "-o '%s/packed.weights' && cmp '%s/packed.weights' '%s/set.weights'",
                                place.build, lenet5.file, place.folder, place.folder, place.folder));
    static const char *const others[] = {"x86-64-v4", "x86-64-v4,x86-64-v3", "x86-64-v2,x86-64-v3,x86-64-v4"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
        sandbox_expect(place.arena, place.folder,
                       arena_printf(place.arena,
                                    "'%s/cnnc' pack %s --weights=formula --target=%s -o '%s/other.weights'",
                                    place.build, lenet5.file, others[i], place.folder));
        expect_init(&place, "other.weights", CNN_ERROR_WEIGHTS_NETWORK);
    }
    /* Each byte counts, whichever target reads it. */
    expect(&place, STR("size=$(stat -c %s set.weights); for at in 64 $((size / 3)) $((size / 2)) $((size - 65)); do "
                       "cp set.weights damaged-$at.weights; printf '\\377\\377' | "
                       "dd of=damaged-$at.weights bs=1 seek=$at conv=notrunc 2> dd.txt; done; "
                       "head -c $((size - 64)) set.weights > short.weights; ls damaged-*.weights > damaged.txt"));
    Str list = sandbox_read(place.arena, place.folder, "damaged.txt");
    int count = 0;
    for (const char *at = list.ptr; *at != '\0'; ++count) {
        size_t length = strcspn(at, "\n");
        expect_init(&place, arena_printf(place.arena, "%.*s", (int)length, at).ptr, CNN_ERROR_WEIGHTS_DAMAGED);
        at += length + 1;
    }
    cr_assert_eq(count, 4);
    expect_init(&place, "short.weights", CNN_ERROR_WEIGHTS_TRUNCATED);
    arena_destroy(place.arena);
}

/* --- the text */

/* Of so many compilers that look at the text the sanitizers' build, whose text is the same, asks the first. */
static size_t asked(size_t n_compilers)
{
    return IS_SANITIZED ? 1 : n_compilers;
}

static void check_set_is_clean(const char *test, const char *net, const char *arguments)
{
    static const char *const compilers[] = {"gcc -std=c99", "clang -std=c99", "g++ -std=c++11 -x c++",
                                            "clang++ -std=c++11 -x c++"};
    Place place = place_create(test);
    cnnc(&place, net, arena_printf(place.arena, "--target=%s %s", all_targets, arguments).ptr, "net");
    for (size_t i = 0; i < asked(sizeof compilers / sizeof compilers[0]); ++i) {
        expect(&place, arena_printf(place.arena, "for f in net*.c; do %s %s -O1 -c $f -o net.o || exit 1; done",
                                    compilers[i], warnings));
    }
    arena_destroy(place.arena);
}

Test(targets, set_is_clean)
{
    check_set_is_clean("clean-blocks", "tests/run/nets/vector_blocks.net", "--no-embed-weights --threads-max=2");
    check_set_is_clean("clean-camera", "tests/run/nets/camera.net", "--batch=2");
    check_set_is_clean("clean-bare", "tests/run/nets/bare.net", "");
}

/* Nothing that changes, and no public names but the network's; of the compiler's library what asks the processor. */
Test(targets, objects_of_a_set)
{
    static const char *const compilers[] = {"gcc -std=c99 -O0", "gcc -std=c99 -O2", "clang -std=c99 -O0"};
    Place place = place_create("objects");
    cnnc(&place, "tests/run/nets/vector_blocks.net", "--target=x86-64-v2,x86-64-v3,x86-64-v4 --embed-weights", "net");
    for (size_t i = 0; i < asked(sizeof compilers / sizeof compilers[0]); ++i) {
        Str symbols = expect(&place, arena_printf(place.arena,
                                                  "rm -f *.o; for f in net*.c; do %s -c $f || exit 1; done; "
                                                  "nm -P -A net*.o | sed 's/^[^:]*: //'",
                                                  compilers[i]));
        int functions = 0;
        for (const char *at = symbols.ptr; *at != '\0';) {
            Str name = {at, strcspn(at, " ")};
            char kind = at[name.len + 1];
            cr_assert(strchr("UTtrR", kind) != NULL, "symbol " STR_FMT " is of kind %c", STR_ARG(name), kind);
            bool is_ours = str_starts_with(name, STR("model_"));
            cr_assert(kind != 'T' || is_ours, "public name " STR_FMT, STR_ARG(name));
            functions += kind == 'T';
            static const char *const allowed[] = {"memcpy",      "memset",
                                                  "memmove",     "expf",
                                                  "expm1f",      "logf",
                                                  "log1pf",      "tanhf",
                                                  "erff",        "sqrtf",
                                                  "powf",        "_GLOBAL_OFFSET_TABLE_",
                                                  "__cpu_model", "__cpu_indicator_init"};
            bool is_allowed = is_ours;
            for (size_t k = 0; k < sizeof allowed / sizeof allowed[0]; ++k) {
                is_allowed = is_allowed || str_equal(name, str_from(allowed[k]));
            }
            cr_assert(kind != 'U' || is_allowed, "the objects ask for " STR_FMT, STR_ARG(name));
            at += strcspn(at, "\n");
            at += *at == '\n';
        }
        cr_assert_eq(functions, 6, "init, run, set_parallel, and one for each target");
    }
    arena_destroy(place.arena);
}

/* --- one target and the compiler's flags */

Test(targets, wrong_flags_are_named)
{
    Place place = place_create("flags");
    for (const Target *target = targets; target->name != NULL; ++target) {
        if (target->flags == NULL) {
            continue;
        }
        cnnc(&place, lenet5.file, arena_printf(place.arena, "--target=%s", target->name).ptr, "net");
        static const char *const compilers[] = {"gcc", "clang"};
        for (size_t i = 0; i < 2; ++i) {
            Str said;
            int status = sandbox_run(
                place.arena, place.folder,
                arena_printf(place.arena, "cd '%s' && %s -c net.c -o net.o", place.folder, compilers[i]), &said);
            cr_assert_neq(status, 0, "%s without its flags", target->name);
            cr_assert(strstr(said.ptr, target->flags) != NULL && strstr(said.ptr, "--target=portable") != NULL, STR_FMT,
                      STR_ARG(said));
            expect(&place, arena_printf(place.arena, "%s %s -c net.c -o net.o", compilers[i], target->flags));
        }
        Str head = sandbox_read(place.arena, place.folder, "net.c");
        cr_assert_lt(strstr(head.ptr, target->flags), strstr(head.ptr, "*/"), "the head comment tells the flags");
    }
    arena_destroy(place.arena);
}

/* Processors that have a part of what a target needs: vectors would be emulated in silence. */
Test(targets, flags_for_a_part_are_named)
{
    static const struct {
        const char *target, *flags;
    } parts[] = {{"x86-64-v3", "-march=bdver2"},
                 {"x86-64-v3", "-march=x86-64-v2 -mfma"},
                 {"znver1", "-march=x86-64-v2 -mavx2"},
                 {"x86-64-v4", "-march=x86-64-v3 -mavx512f"},
                 {"x86-64-v4", "-march=knl"}};
    Place place = place_create("part");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        cnnc(&place, lenet5.file, arena_printf(place.arena, "--target=%s", parts[i].target).ptr, "net");
        Str said, line = arena_printf(place.arena, "cd '%s' && gcc %s -c net.c -o net.o", place.folder, parts[i].flags);
        cr_assert_neq(sandbox_run(place.arena, place.folder, line, &said), 0, "%s with %s", parts[i].target,
                      parts[i].flags);
        cr_assert(strstr(said.ptr, "#error") != NULL, STR_FMT, STR_ARG(said));
    }
    arena_destroy(place.arena);
}

/* Two builtins came with gcc 9 and 12. A gcc that says it is older must not meet them: here their names mean nothing. */
Test(targets, older_compilers_have_fallbacks)
{
    static const char *const networks[] = {"tests/golden/graph/every_op.net", "tests/run/nets/vector_blocks.net"};
    Place place = place_create("older");
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; ++i) {
        cnnc(&place, networks[i], "--target=x86-64-v3 --dense-storage=f16", "net");
        Str text = sandbox_read(place.arena, place.folder, "net.c");
        cr_assert(strstr(text.ptr, "vector_shuffle(") != NULL && strstr(text.ptr, "__builtin_convertvector") != NULL);
        expect(&place, STR("gcc -O0 -march=x86-64-v3 -U__GNUC__ -D__GNUC__=8 -D__builtin_convertvector=unknown "
                           "-D__builtin_shufflevector=unknown -c net.c -o net.o"));
    }
    arena_destroy(place.arena);
}

/* Tuned for some processors gcc would load a weight again for each pixel, as an operand of the multiply-add. The code
 * has as many of them tuned for any processor as tuned for none. */
Test(targets, weights_are_loaded_once_on_every_processor)
{
    Place place = place_create("tuning");
    cnnc(&place, blocks.file, "--target=x86-64-v3", "net");
    static const char *const processors[] = {"generic", "znver3", "haswell", "znver2", "alderlake"};
    long wanted = 0;
    const size_t n_asked = IS_SANITIZED ? 2 : sizeof processors / sizeof processors[0]; /* two to compare */
    for (size_t i = 0; i < n_asked; ++i) {
        Str count = expect(
            &place, arena_printf(place.arena,
                                 "gcc -O3 -march=x86-64-v3 -mtune=%s -S net.c -o net.s && grep -c 'vfmadd.*(' net.s",
                                 processors[i]));
        long found = strtol(count.ptr, NULL, 10);
        cr_assert_gt(found, 100, STR_FMT, STR_ARG(count));
        wanted = i == 0 ? found : wanted;
        cr_assert_eq(found, wanted, "%s: %ld, generic: %ld", processors[i], found, wanted);
    }
    arena_destroy(place.arena);
}
#endif

/* As README.md says it: no --target, and -march=native. */
Test(targets, the_default_is_for_this_machine)
{
    Place place = place_create("default");
    cnnc(&place, lenet5.file, "", "net");
    cnnc(&place, lenet5.file, "--target=native", "native");
    expect(&place, STR("sed 's/native\\./net./' native.h | cmp - net.h"));
    Str head = sandbox_read(place.arena, place.folder, "net.c");
    Str named = arena_printf(place.arena, "Options  --target=%s\n", target_find(STR("native"))->name);
    cr_assert(strstr(head.ptr, named.ptr) != NULL);
    expect(&place, STR("gcc -O1 -march=native -c net.c && clang -O1 -march=native -c net.c"));
    arena_destroy(place.arena);
}

/* --- 64-bit ARM, where the machine can emulate it */

/* Floats that a program has written. */
static const float *read_floats(const Place *place, const char *name, size_t *count)
{
    Str bytes = sandbox_read(place->arena, place->folder, name);
    *count = bytes.len / sizeof(float);
    float *values = ARENA_ARRAY(place->arena, float, *count);
    memcpy(values, bytes.ptr, bytes.len);
    return values;
}

/* Equal up to 1e-5 of the largest, as tests against the interpreter ask. */
static void check_close(const Place *place, const char *expected_name, const char *name)
{
    size_t count, n_expected;
    const float *expected = read_floats(place, expected_name, &n_expected), *got = read_floats(place, name, &count);
    cr_assert_eq(count, n_expected);
    cr_assert_gt(count, 0u);
    float largest = 0.0f, error = 0.0f;
    for (size_t i = 0; i < count; ++i) {
        largest = fmaxf(largest, fabsf(expected[i]));
        cr_assert(isfinite(got[i]));
        error = fmaxf(error, fabsf(expected[i] - got[i]));
    }
    cr_assert(error <= 1e-5f * largest, "%s: error %g, largest value %g", name, (double)error, (double)largest);
}

static void check_emulated(const char *test, const Net *net, const char *cc)
{
    Place place = place_create(test);
    write_program(&place, net);
    static const char *const names[] = {"portable", "aarch64"};
    for (int i = 0; i < 2; ++i) {
        cnnc(&place, net->file,
             arena_printf(place.arena, "--target=%s --no-embed-weights --threads-max=3", names[i]).ptr, names[i]);
        expect(&place, arena_printf(place.arena, "%s -std=c99 -O2 -static -DHEADER='\"%s.h\"' main.c %s.c -o %s -lm",
                                    i == 0 ? "cc" : cc, names[i], names[i], names[i]));
    }
    expect(&place, STR("./portable portable.bin portable.weights && qemu-aarch64 ./aarch64 aarch64.bin aarch64.weights "
                       "&& qemu-aarch64 ./aarch64 parts.bin aarch64.weights parallel && cmp aarch64.bin parts.bin"));
    check_close(&place, "portable.bin", "aarch64.bin");
    arena_destroy(place.arena);
}

Test(targets, aarch64_in_an_emulator)
{
    static const char gcc[] = "aarch64-linux-gnu-gcc";
    if (!sandbox_has_program("qemu-aarch64") || !sandbox_has_program(gcc)) {
        cr_skip_test("no qemu-aarch64 or no aarch64-linux-gnu-gcc (Debian: qemu-user, gcc-aarch64-linux-gnu)");
    }
    check_emulated("aarch64-lenet5", &lenet5, gcc);
    check_emulated("aarch64-blocks", &blocks, gcc);
}
