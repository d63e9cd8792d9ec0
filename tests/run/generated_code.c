/* Generated code as text and as object files: warnings of four compilers, what it links, how much stack it takes,
 * headers together, names that are refused, the folder generated/, and the fixed texts compiled alone. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox.h"
#include "support/file.h"
#include "support/strbuf.h"

static const char warnings[] = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror";
static const char *const compilers[] = {"gcc -std=c99", "clang -std=c99", "g++ -std=c++11 -x c++",
                                        "clang++ -std=c++11 -x c++"};
enum { COMPILERS = sizeof compilers / sizeof compilers[0] };

typedef struct Place { /* a folder of its own for each test */
    Arena *arena;
    const char *folder, *build;
} Place;

static Place place_create(const char *test)
{
    Place place = {.arena = arena_create()};
    place.build = sandbox_build();
    place.folder = sandbox_create(place.arena, arena_printf(place.arena, "generated_code-%s", test).ptr);
    return place;
}

static int run_line(const Place *place, Str line, Str *output)
{
    return sandbox_run(place->arena, place->folder, line, output);
}

static Str expect_success(const Place *place, Str line)
{
    return sandbox_expect(place->arena, place->folder, line);
}

/* Portable C, where the arguments name no other target. */
static void cnnc(const Place *place, const char *arguments, const char *output)
{
    expect_success(place, arena_printf(place->arena, "'%s/cnnc' --target=portable %s -o '%s/%s.c'", place->build,
                                       arguments, place->folder, output));
}

static void write_text(const Place *place, const char *name, const char *text)
{
    sandbox_write(place->arena, place->folder, name, str_from(text));
}

static Str read_text(const Place *place, const char *path)
{
    Str text, reason;
    cr_assert(file_read(place->arena, path, 1 << 24, &text, &reason), "%s: " STR_FMT, path, STR_ARG(reason));
    return text;
}

/* --- warnings */

static void check_warnings(const char *test, const char *net, const char *arguments)
{
    Place place = place_create(test);
    cnnc(&place, arena_printf(place.arena, "%s --weights=formula %s", net, arguments).ptr, "net");
    for (int i = 0; i < COMPILERS; ++i) {
        expect_success(&place, arena_printf(place.arena, "cd '%s' && %s %s -O1 -c net.c -o net.o", place.folder,
                                            compilers[i], warnings));
    }
    arena_destroy(place.arena);
}

Test(generated_code, clean_conv)
{
    check_warnings("conv", "tests/run/nets/conv.net", "");
}

Test(generated_code, clean_conv_parallel)
{
    check_warnings("conv-parallel", "tests/run/nets/conv.net",
                   "--no-embed-weights --threads-max=4 --batch=2 --split-from=0");
}

Test(generated_code, clean_pool)
{
    check_warnings("pool", "tests/run/nets/pool.net", "--threads-max=4");
}

Test(generated_code, clean_elementwise)
{
    check_warnings("elementwise", "tests/run/nets/elementwise.net", "--no-embed-weights --batch=3");
}

Test(generated_code, clean_shape)
{
    check_warnings("shape", "tests/run/nets/shape.net", "");
}

Test(generated_code, clean_blocks)
{
    check_warnings("blocks", "tests/run/nets/blocks.net", "--threads-max=2");
}

Test(generated_code, clean_camera)
{
    check_warnings("camera", "tests/run/nets/camera.net", "");
}

Test(generated_code, ops_are_clean)
{
    check_warnings("ops-conv", "tests/run/nets/ops_conv.net", "--threads-max=4 --split-from=0");
    check_warnings("ops-norm", "tests/run/nets/ops_norm.net", "--no-embed-weights --batch=2");
    check_warnings("ops-resample", "tests/run/nets/ops_resample.net", "--threads-max=3 --batch=2");
    check_warnings("ops-ties", "tests/run/nets/ops_ties.net", "");
}

Test(generated_code, clean_dense_of_16_bits)
{
    check_warnings("dense-f16", "tests/run/nets/dense_storage.net", "--embed-weights --dense-storage=f16");
    check_warnings("dense-bf16", "tests/run/nets/dense_storage.net", "--no-embed-weights --dense-storage=bf16");
}

Test(generated_code, clean_names)
{
    check_warnings("names", "tests/run/nets/names.net", "--batch=2");
}

Test(generated_code, clean_bare)
{
    check_warnings("bare", "tests/run/nets/bare.net", "");
}

/* Older and newer standards than the two that the code is written for. */
Test(generated_code, clean_in_other_standards)
{
    static const char *const others[] = {
        "gcc -std=c11",          "gcc -std=c2x",          "clang -std=c17",           "clang -std=gnu2x",
        "g++ -std=c++17 -x c++", "g++ -std=c++20 -x c++", "clang++ -std=c++2b -x c++"};
    Place place = place_create("standards");
    cnnc(&place, "tests/run/nets/blocks.net --weights=formula --no-embed-weights --threads-max=2 --batch=2", "net");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
        expect_success(&place, arena_printf(place.arena, "cd '%s' && %s %s -fsyntax-only net.c", place.folder,
                                            others[i], warnings));
    }
    arena_destroy(place.arena);
}

Test(generated_code, clean_resnet50)
{
    Place place = place_create("resnet50");
    cnnc(&place, "dsl/zoo/resnet50.net --no-embed-weights", "resnet50");
    for (int i = 0; i < COMPILERS; ++i) {
        expect_success(&place, arena_printf(place.arena, "cd '%s' && %s %s -c resnet50.c -o net.o", place.folder,
                                            compilers[i], warnings));
    }
    Str source = read_text(&place, arena_printf(place.arena, "%s/resnet50.c", place.folder).ptr);
    size_t lines = 0;
    for (size_t i = 0; i < source.len; ++i) {
        lines += source.ptr[i] == '\n';
    }
    cr_assert_lt(lines, 10000u);
    arena_destroy(place.arena);
}

/* --- object files */

/* What a generated object may ask of other objects: mathematics, and the memory functions that compilers put in
 * themselves. */
static bool may_link(Str name)
{
    static const char *const allowed[] = {
        "memcpy", "memset", "memmove", "expf", "expm1f", "logf", "log1pf", "tanhf",
        "erff",   "sqrtf",  "powf",    "sqrt", "exp",    "log",  "pow",    "_GLOBAL_OFFSET_TABLE_"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; ++i) {
        if (str_equal(name, str_from(allowed[i]))) {
            return true;
        }
    }
    return false;
}

static void audit_object(const Place *place, const char *cc, const char *prefix)
{
    expect_success(place, arena_printf(place->arena, "cd '%s' && %s -c net.c -o net.o", place->folder, cc));
    Str symbols = expect_success(place, arena_printf(place->arena, "cd '%s' && nm -P net.o", place->folder));
    int functions = 0;
    for (const char *at = symbols.ptr; *at != '\0';) {
        Str name = {at, strcspn(at, " ")};
        char kind = at[name.len + 1];
        cr_assert(strchr("UTtrR", kind) != NULL, "symbol " STR_FMT " is of kind %c: writable data", STR_ARG(name),
                  kind);
        cr_assert(kind != 'U' || may_link(name), "the object asks for " STR_FMT, STR_ARG(name));
        if (kind == 'T') {
            cr_assert(name.len > strlen(prefix) && memcmp(name.ptr, prefix, strlen(prefix)) == 0,
                      "public name " STR_FMT, STR_ARG(name));
            functions++;
        }
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    cr_assert_eq(functions, 3, "init, run, set_parallel");
    Str sections = expect_success(place, arena_printf(place->arena, "cd '%s' && size -A net.o", place->folder));
    for (const char *section = sections.ptr; (section = strchr(section, '\n')) != NULL; ++section) {
        const char *name = section + 1;
        if (strncmp(name, ".data", 5) == 0 || strncmp(name, ".bss", 4) == 0 || strncmp(name, ".tdata", 6) == 0 ||
            strncmp(name, ".tbss", 5) == 0) {
            bool read_only = strncmp(name, ".data.rel.ro", 12) == 0;
            cr_assert(read_only || strtol(name + strcspn(name, " "), NULL, 10) == 0, "%.60s", name);
        }
    }
}

static void check_object(const char *test, const char *net, const char *arguments)
{
    Place place = place_create(test);
    cnnc(&place, arena_printf(place.arena, "%s --weights=formula --name=model %s", net, arguments).ptr, "net");
    audit_object(&place, "gcc -std=c99 -O0", "model_");
    audit_object(&place, "gcc -std=c99 -O3", "model_");
    audit_object(&place, "clang -std=c99 -O2", "model_");
    arena_destroy(place.arena);
}

Test(generated_code, object_of_conv)
{
    check_object("object-conv", "tests/run/nets/conv.net", "--embed-weights");
}

Test(generated_code, object_of_elementwise)
{
    check_object("object-elementwise", "tests/run/nets/elementwise.net", "--no-embed-weights --threads-max=4");
}

Test(generated_code, object_of_pool)
{
    check_object("object-pool", "tests/run/nets/pool.net", "--no-embed-weights --batch=2");
}

Test(generated_code, object_of_shape)
{
    check_object("object-shape", "tests/run/nets/shape.net", "--embed-weights");
}

/* Small systems have small stacks: no function takes more than 8 KiB, whatever the sizes of the network. */
static void check_stack(const char *test, const char *net, const char *arguments)
{
    enum { STACK_BYTES = 8192 };
    Place place = place_create(test);
    cnnc(&place, arena_printf(place.arena, "%s %s", net, arguments).ptr, "net");
    expect_success(
        &place, arena_printf(place.arena, "cd '%s' && gcc -std=c99 -O2 -fstack-usage -c net.c -o net.o", place.folder));
    Str usage = read_text(&place, arena_printf(place.arena, "%s/net.su", place.folder).ptr);
    int functions = 0;
    for (const char *at = usage.ptr; *at != '\0'; ++functions) {
        const char *end = at + strcspn(at, "\n");
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        cr_assert(tab != NULL);
        cr_assert_leq(strtol(tab, NULL, 10), STACK_BYTES, "%.*s", (int)(end - at), at);
        cr_assert(memchr(tab, 'd', (size_t)(end - tab)) == NULL, "stack of changing size: %.*s", (int)(end - at), at);
        at = end + (*end == '\n');
    }
    cr_assert_gt(functions, 3);
    arena_destroy(place.arena);
}

Test(generated_code, stack_of_conv)
{
    check_stack("stack-conv", "tests/run/nets/conv.net", "--threads-max=4");
}

Test(generated_code, stack_of_pool)
{
    check_stack("stack-pool", "tests/run/nets/pool.net", "");
}

Test(generated_code, stack_of_vgg16)
{
    check_stack("stack-vgg16", "dsl/zoo/vgg16.net", "--no-embed-weights");
}

/* --- headers */

static const char two_headers[] =
    "int main(void)\n"
    "{\n"
    "    static CNN_ALIGNED unsigned char memory[FIRST_ARENA_BYTES + SECOND_ARENA_BYTES];\n"
    "    first x;\n"
    "    second y;\n"
    "    cnn_status status = first_init(&x, NULL, 0, memory, FIRST_ARENA_BYTES);\n"
    "    if (status == CNN_OK) {\n"
    "        status = second_init(&y, NULL, 0, memory, 0);\n"
    "    }\n"
    "    return status == CNN_ERROR_ARENA_TOO_SMALL && cnn_status_text(status)[0] == 't' ? 0 : 1;\n"
    "}\n";

Test(generated_code, headers_go_together_in_any_order)
{
    static const char *const orders[] = {"#include \"a.h\"\n#include \"b.h\"\n#include \"cnn.h\"\n",
                                         "#include \"cnn.h\"\n#include \"b.h\"\n#include \"a.h\"\n",
                                         "#include \"b.h\"\n#include \"a.h\"\n#include \"b.h\"\n",
                                         "#include \"b.h\"\n#include \"cnn.h\"\n#include \"a.h\"\n"};
    Place place = place_create("headers");
    cnnc(&place, "tests/run/nets/camera.net --weights=formula --embed-weights --name=first", "a");
    cnnc(&place, "tests/run/nets/blocks.net --weights=formula --embed-weights --name=second --batch=2 --threads-max=3",
         "b");
    for (size_t order = 0; order < sizeof orders / sizeof orders[0]; ++order) {
        write_text(&place, "main.c", arena_printf(place.arena, "%s%s", orders[order], two_headers).ptr);
        for (int i = 0; i < COMPILERS; ++i) { /* C++ links the objects of C */
            expect_success(&place, arena_printf(place.arena,
                                                "cp runtime/cnn.h '%s' && cd '%s' && %s %s -O0 -c main.c -o main.o && "
                                                "gcc -std=c99 -O0 -c a.c b.c && "
                                                "gcc main.o a.o b.o -lm -lstdc++ -o main && ./main",
                                                place.folder, place.folder, compilers[i], warnings));
        }
    }
    arena_destroy(place.arena);
}

Test(generated_code, runtime_of_another_version_is_refused)
{
    Place place = place_create("version");
    cnnc(&place, "tests/run/nets/camera.net --weights=formula --name=first", "a");
    write_text(&place, "main.c",
               "#define CNN_H\n#define CNN_INTERFACE 99\n#include \"a.h\"\nint main(void) { return 0; }\n");
    Str output;
    cr_assert_neq(
        run_line(&place,
                 arena_printf(place.arena, "cd '%s' && gcc -std=c99 -fmax-errors=1 -c main.c -o main.o", place.folder),
                 &output),
        0);
    cr_assert(strstr(output.ptr, "come from versions of cnnc that do not fit each other") != NULL, STR_FMT,
              STR_ARG(output));
    arena_destroy(place.arena);
}

/* The lines after "Use" in the header's comment are a program: with a main around them they compile, link and run. */
Test(generated_code, the_use_in_the_header_works)
{
    static const char *const choices[] = {"--embed-weights", "--no-embed-weights"};
    Place place = place_create("use");
    for (size_t choice = 0; choice < 2; ++choice) {
        cnnc(&place,
             arena_printf(place.arena, "tests/run/nets/camera.net --weights=formula %s --name=camera", choices[choice])
                 .ptr,
             "camera");
        Str header = read_text(&place, arena_printf(place.arena, "%s/camera.h", place.folder).ptr);
        const char *at = strstr(header.ptr, "Use\n");
        cr_assert(at != NULL);
        at += 4;
        const char *end = strstr(at, "*/");
        StrBuf program = {0};
        strbuf_printf(&program, "#include <stdio.h>\n#include \"camera.h\"\nint main(void)\n{\n");
        while (at < end) {
            size_t length = strcspn(at, "\n");
            Str line = {at + 2, length < 2 ? 0 : length - 2};
            const char *remark = line.len > 0 ? memchr(line.ptr, '(', line.len) : NULL;
            if (remark != NULL && strncmp(remark, "(runtime/", 9) == 0) {
                line.len = (size_t)(remark - line.ptr);
            }
            const char *stop = at + length > end ? end : line.ptr + line.len;
            strbuf_append(&program, (Str){line.ptr, stop > line.ptr ? (size_t)(stop - line.ptr) : 0});
            strbuf_char(&program, '\n');
            at += length + 1;
        }
        strbuf_printf(&program, "    return status == CNN_OK ? 0 : 1;\n}\n");
        write_text(&place, "main.c", program.ptr);
        expect_success(
            &place,
            arena_printf(
                place.arena,
                "cp runtime/cnn.h runtime/cnn_weights.c '%s' && cd '%s' && gcc -std=c99 %s -c main.c -o main.o &&"
                " gcc main.o camera.c cnn_weights.c -lm -o main && ./main",
                place.folder, place.folder, warnings));
        strbuf_free(&program);
    }
    arena_destroy(place.arena);
}

/* --- names */

static void expect_name_refused(const Place *place, const char *net_name, const char *option, const char *advice)
{
    write_text(place, "n.net",
               arena_printf(place->arena,
                            "net %s() {\n    input x: f32[3, 5, 5]\n    output y = x |> conv(2, kernel=3) |> relu\n}\n",
                            net_name)
                   .ptr);
    Str output;
    int status =
        run_line(place,
                 arena_printf(place->arena, "'%s/cnnc' '%s/n.net' --target=portable --weights=formula %s -o '%s/n.c'",
                              place->build, place->folder, option, place->folder),
                 &output);
    cr_assert_eq(status, 1, "%s %s: status %d: " STR_FMT, net_name, option, status, STR_ARG(output));
    cr_assert(strstr(output.ptr, "[reserved-name]") != NULL && strstr(output.ptr, advice) != NULL, "%s %s: " STR_FMT,
              net_name, option, STR_ARG(output));
    const char *where = *option == '\0' ? "n.net:1:5: error: '" : "--name: error: '";
    cr_assert(strstr(output.ptr, where) != NULL, "%s %s: " STR_FMT, net_name, option, STR_ARG(output));
    cr_assert(!file_exists(arena_printf(place->arena, "%s/n.c", place->folder).ptr));
}

Test(generated_code, names_of_nets_that_c_cannot_have)
{
    static const char *const names[] = {"exp",     "index", "class", "namespace", "signal", "main",     "y0",
                                        "gamma",   "errno", "stdin", "printf",    "size_t", "co_await", "template",
                                        "cnn_net", "cnn",   "CNN_X", "restrict",  "bool"};
    Place place = place_create("refused");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        expect_name_refused(&place, names[i], "", arena_printf(place.arena, "--name=%s_net", names[i]).ptr);
    }
    expect_name_refused(&place, "_hidden", "", "--name=my_hidden_net");
    expect_name_refused(&place, "a__b", "", "--name=");
    arena_destroy(place.arena);
}

/* Nets whose names look dangerous and are not; among them names that the generated code itself uses. */
Test(generated_code, names_of_nets_that_c_can_have)
{
    static const char *const names[] = {"x_net",
                                        "Exp",
                                        "net1",
                                        "image",
                                        "output_1",
                                        "RESNET",
                                        "o",
                                        "probabilities",
                                        "a",
                                        "x",
                                        "y",
                                        "p",
                                        "i",
                                        "part",
                                        "parts",
                                        "sums",
                                        "rows",
                                        "first",
                                        "net_",
                                        "step_arguments",
                                        "step_kernel",
                                        "step_xwby",
                                        "kernel",
                                        "bytes",
                                        "header",
                                        "lanes",
                                        "status",
                                        "ready",
                                        "arena",
                                        "weights",
                                        "run_step",
                                        "parallel_step",
                                        "softmax_2x3x3",
                                        "end",
                                        "y_"};
    Place place = place_create("accepted");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        write_text(&place, "n.net",
                   arena_printf(place.arena,
                                "net %s() {\n    input image: f32[3, 5, 5]\n    output probabilities = image |> "
                                "conv(2, kernel=3) |> softmax\n}\n",
                                names[i])
                       .ptr);
        cnnc(&place,
             arena_printf(place.arena, "'%s/n.net' --weights=formula --batch=2 --threads-max=2", place.folder).ptr,
             "n");
        for (int c = 0; c < COMPILERS; ++c) {
            expect_success(&place, arena_printf(place.arena, "cd '%s' && %s %s -fsyntax-only n.c", place.folder,
                                                compilers[c], warnings));
        }
    }
    arena_destroy(place.arena);
}

/* --- the same bytes everywhere */

Test(generated_code, same_bytes_in_two_folders)
{
    Place place = place_create("twice");
    Str line = arena_printf(
        place.arena,
        "cnnc=$(realpath '%s/cnnc') && nets=$(realpath tests/run/nets) && mkdir -p '%s/one' '%s/a longer name/two' && "
        "(cd '%s/one' && \"$cnnc\" \"$nets/blocks.net\" --weights=formula --no-embed-weights -o m.c) && "
        "(cd '%s/a longer name/two' && cp \"$nets/blocks.net\" . && LC_ALL=C.UTF-8 \"$cnnc\" blocks.net "
        "--weights=formula --no-embed-weights -o m.c) && "
        "for end in c h weights; do cmp '%s/one/'m.$end '%s/a longer name/two/'m.$end || exit 1; done",
        place.build, place.folder, place.folder, place.folder, place.folder, place.folder, place.folder);
    expect_success(&place, line);
    arena_destroy(place.arena);
}

/* --- fixed texts and the runtime, alone */

Test(generated_code, embedded_texts_compile_alone)
{
    Place place = place_create("embed");
    static const char *const texts[] = {
        "compiler/backend/embed/cnn_blob.c",
        "compiler/backend/embed/step_types.c",
#if defined(__x86_64__)
        "compiler/backend/embed/cnn_x86_64_level.c",
#endif
        "compiler/backend/embed/cnn_blob.c compiler/backend/embed/cnn_check_weights.c",
        "compiler/backend/embed/half_f16.c compiler/backend/embed/half_bf16.c"
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        for (int c = 0; c < COMPILERS; ++c) {
            expect_success(
                &place,
                arena_printf(place.arena,
                             "(echo '#include \"cnn.h\"'; echo '#include <string.h>'; cat %s) > '%s/text.c' && %s %s "
                             "-Wno-unused-function -Iruntime -c '%s/text.c' -o '%s/text.o'",
                             texts[i], place.folder, compilers[c], warnings, place.folder, place.folder));
        }
    }
    arena_destroy(place.arena);
}

Test(generated_code, runtime_compiles_everywhere)
{
    Place place = place_create("runtime");
    for (int c = 0; c < COMPILERS; ++c) {
        write_text(&place, "header.c",
                   "#include \"cnn.h\"\n#include \"cnn.h\"\nint f(void);\nint f(void) { return "
                   "cnn_status_text(CNN_OK)[0]; }\n");
        expect_success(&place, arena_printf(place.arena, "%s %s -Iruntime -c '%s/header.c' -o '%s/header.o'",
                                            compilers[c], warnings, place.folder, place.folder));
        expect_success(&place, arena_printf(place.arena, "%s %s -Iruntime -c runtime/cnn_weights.c -o '%s/w.o'",
                                            compilers[c], warnings, place.folder));
        expect_success(&place, arena_printf(place.arena,
                                            "%s %s -Iruntime -DCNN_WEIGHTS_READ -c runtime/cnn_weights.c -o '%s/w.o'",
                                            compilers[c], warnings, place.folder));
        expect_success(&place, arena_printf(place.arena, "%s %s -Iruntime -c runtime/cnn_arena.c -o '%s/a.o'",
                                            compilers[c], warnings, place.folder));
        expect_success(&place, arena_printf(place.arena,
                                            "%s %s -Iruntime -DCNN_ARENA_MALLOC -c runtime/cnn_arena.c -o '%s/a.o'",
                                            compilers[c], warnings, place.folder));
    }
    expect_success(&place, arena_printf(place.arena, "gcc -std=c11 %s -Iruntime -c runtime/cnn_threads.c -o '%s/t.o'",
                                        warnings, place.folder));
    expect_success(&place, arena_printf(place.arena, "clang -std=c11 %s -Iruntime -c runtime/cnn_threads.c -o '%s/t.o'",
                                        warnings, place.folder));
    arena_destroy(place.arena);
}

/* A network on a pool, and the pool by itself, under the thread sanitizer. */
Test(generated_code, threads_are_free_of_races)
{
    Place place = place_create("tsan");
    cnnc(&place, "tests/run/nets/blocks.net --weights=formula --embed-weights --threads-max=4 --name=model", "model");
    write_text(
        &place, "main.c",
        "#include <pthread.h>\n"
        "#include \"model.h\"\n"
        "static CNN_ALIGNED unsigned char memory[2][MODEL_ARENA_BYTES];\n"
        "static float image[MODEL_IMAGE_ELEMENTS], features[2][MODEL_FEATURES_ELEMENTS], logits[2][10], "
        "probabilities[2][10];\n"
        "static cnn_threads *pool;\n"
        "static void *serve(void *argument)\n"
        "{\n"
        "    int which = *(int *)argument;\n"
        "    model net;\n"
        "    if (model_init(&net, NULL, 0, memory[which], sizeof memory[which]) != CNN_OK) {\n"
        "        return NULL;\n"
        "    }\n"
        "    model_set_parallel(&net, cnn_threads_run, pool);\n"
        "    for (int i = 0; i < 30; ++i) {\n"
        "        if (model_run(&net, image, features[which], logits[which], probabilities[which]) != CNN_OK) {\n"
        "            return NULL;\n"
        "        }\n"
        "    }\n"
        "    return argument;\n"
        "}\n"
        "int main(void)\n"
        "{\n"
        "    int which[2] = {0, 1};\n"
        "    pthread_t thread;\n"
        "    void *first, *second;\n"
        "    if (cnn_threads_create(&pool, 4) != CNN_OK || pthread_create(&thread, NULL, serve, &which[1]) != 0) {\n"
        "        return 2;\n"
        "    }\n"
        "    first = serve(&which[0]);\n"
        "    pthread_join(thread, &second);\n"
        "    cnn_threads_destroy(pool);\n"
        "    return first == NULL || second == NULL;\n"
        "}\n");
    expect_success(&place, arena_printf(place.arena,
                                        "cp runtime/cnn.h runtime/cnn_threads.c '%s' && cd '%s' && gcc -std=gnu11 -O1 "
                                        "-g -fsanitize=thread main.c model.c cnn_threads.c "
                                        "-o main -lm -pthread && TSAN_OPTIONS=halt_on_error=1 ./main",
                                        place.folder, place.folder));
    arena_destroy(place.arena);
}

/* --- generated/ */

typedef struct Committed {
    const char *name, *arguments;
} Committed;
static const Committed committed[] = {
    {"lenet5", "dsl/zoo/lenet5.net --no-embed-weights"},
    {"tiny_mlp", "generated/tiny_mlp.net --weights=formula"},
    {"tiny_residual", "generated/tiny_residual.net --no-embed-weights --batch=2 --threads-max=4"},
};

static void check_fresh(const Place *place, const char *name, const char *end)
{
    const char *kept = arena_printf(place->arena, "generated/%s.%s", name, end).ptr;
    const char *now = arena_printf(place->arena, "%s/%s.%s", place->folder, name, end).ptr;
    if (getenv("CNNC_BLESS") != NULL) {
        expect_success(place, arena_printf(place->arena, "cp '%s' '%s'", now, kept));
    }
    Str expected = read_text(place, kept), got = read_text(place, now);
    if (!str_equal(expected, got)) {
        Str difference;
        run_line(place, arena_printf(place->arena, "diff '%s' '%s' | head -20", kept, now), &difference);
        cr_assert_fail("%s is not what cnnc writes today (make bless):\n" STR_FMT, kept, STR_ARG(difference));
    }
}

Test(golden_generated, committed_code_is_fresh)
{
    Place place = place_create("fresh");
    for (size_t i = 0; i < sizeof committed / sizeof committed[0]; ++i) {
        cnnc(&place, committed[i].arguments, committed[i].name);
        check_fresh(&place, committed[i].name, "c");
        check_fresh(&place, committed[i].name, "h");
    }
    arena_destroy(place.arena);
}

Test(generated_code, committed_code_is_clean)
{
    Place place = place_create("committed");
    for (size_t i = 0; i < sizeof committed / sizeof committed[0]; ++i) {
        for (int c = 0; c < COMPILERS; ++c) {
            expect_success(&place, arena_printf(place.arena, "%s %s -O1 -c 'generated/%s.c' -o '%s/net.o'",
                                                compilers[c], warnings, committed[i].name, place.folder));
        }
    }
    arena_destroy(place.arena);
}
