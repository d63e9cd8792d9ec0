/* A weights file against a net: what is missing, of another shape or type, or too much; and what is offered instead. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "weights_files.h"

/* A net that wants conv1.weight [4,3,3,3], conv1.bias [4], fc.weight [5,4]. */
static WeightsBench tiny_net(const char *test)
{
    WeightsBench bench = weights_bench_create(test);
    weights_bench_weight(&bench, "conv1.weight", ROLE_WEIGHT, (const int32_t[]){4, 3, 3, 3, 0});
    weights_bench_weight(&bench, "conv1.bias", ROLE_BIAS, (const int32_t[]){4, 0});
    weights_bench_weight(&bench, "fc.weight", ROLE_WEIGHT, (const int32_t[]){5, 4, 0});
    return bench;
}

typedef struct FileTensor {
    const char *name, *dtype, *shape;
    size_t bytes;
} FileTensor;

/* Writes a file of these tensors (zeros), opens it and checks it; returns what weights_check returns. */
static bool check(WeightsBench *bench, bool allow_extra, const FileTensor *tensors, size_t count)
{
    StrBuf json = {0};
    size_t offset = 0;
    for (size_t i = 0; i < count; ++i) {
        strbuf_printf(&json, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", i == 0 ? "{" : ",",
                      tensors[i].name, tensors[i].dtype, tensors[i].shape, offset, offset + tensors[i].bytes);
        offset += tensors[i].bytes;
    }
    strbuf_char(&json, '}');
    const char *path = weights_bench_path(bench, "w.safetensors");
    weights_bench_write_file(path, json.ptr, NULL, offset);
    strbuf_free(&json);
    Weights *weights = weights_open_safetensors(bench->arena, bench->diag, str_from(path));
    cr_assert(weights != NULL, "%s", weights_bench_text(bench));
    bool ok = weights_check(weights, bench->graph, allow_extra, bench->diag);
    cr_assert_eq(ok, diag_errors(bench->diag) == 0);
    weights_close(weights);
    return ok;
}

#define COUNT(tensors) (sizeof(tensors) / sizeof((tensors)[0]))
#define CONV1                                                                                                          \
    {"conv1.weight", "F32", "[4,3,3,3]", 432},                                                                         \
    {                                                                                                                  \
        "conv1.bias", "F32", "[4]", 16                                                                                 \
    }
#define FC                                                                                                             \
    {                                                                                                                  \
        "fc.weight", "F32", "[5,4]", 80                                                                                \
    }

static void expect(WeightsBench *bench, DiagId id, size_t times, const char *message)
{
    const char *text = weights_bench_text(bench);
    cr_assert_eq(diag_fired(bench->diag, id), times, "%s:\n%s", message, text);
    cr_assert(strstr(text, message) != NULL, "no \"%s\" in:\n%s", message, text);
}

Test(weights_check, complete_files_pass)
{
    WeightsBench bench = tiny_net("weights_check-complete");
    const FileTensor f32[] = {CONV1, FC};
    cr_assert(check(&bench, false, f32, COUNT(f32)));
    const FileTensor halves[] = {
        {"fc.weight", "F16", "[5,4]", 40}, {"conv1.bias", "BF16", "[4]", 8}, {"conv1.weight", "F16", "[4,3,3,3]", 216}};
    cr_assert(check(&bench, false, halves, COUNT(halves)));
    const FileTensor counters[] = {
        CONV1, FC, {"bn1.num_batches_tracked", "I64", "[]", 8}, {"num_batches_tracked", "I64", "[]", 8}};
    cr_assert(check(&bench, false, counters, COUNT(counters)));
    cr_assert(weights_check(weights_formula(bench.arena), bench.graph, false, bench.diag));
    cr_assert(weights_check(weights_random(bench.arena, 3), bench.graph, false, bench.diag));
    weights_bench_destroy(&bench);
}

Test(weights_check, missing_with_the_nearest)
{
    WeightsBench bench = tiny_net("weights_check-near");
    const FileTensor spelled[] = {CONV1, {"fc.wieght", "F32", "[5,4]", 80}};
    cr_assert_not(check(&bench, true, spelled, COUNT(spelled)));
    expect(&bench, DIAG_WEIGHTS_MISSING, 1,
           "w.safetensors: error: fc.weight [5,4] is missing; the file has fc.wieght [5,4] [weights-missing]");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-near"); /* another name altogether, but the only one of this role and shape */
    const FileTensor renamed[] = {CONV1, {"classifier.weight", "F32", "[5,4]", 80}, {"fb.weight", "F32", "[2]", 8}};
    cr_assert_not(check(&bench, true, renamed, COUNT(renamed)));
    expect(&bench, DIAG_WEIGHTS_MISSING, 1, "fc.weight [5,4] is missing; the file has classifier.weight [5,4]");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-near"); /* saved from within another module */
    const FileTensor prefixed[] = {{"module.conv1.weight", "F32", "[4,3,3,3]", 432},
                                   {"module.conv1.bias", "F32", "[4]", 16},
                                   {"module.fc.weight", "F32", "[5,4]", 80}};
    cr_assert_not(check(&bench, true, prefixed, COUNT(prefixed)));
    expect(&bench, DIAG_WEIGHTS_MISSING, 3, "conv1.bias [4] is missing; the file has module.conv1.bias [4]");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-near"); /* another shape too, but a slip of the pen */
    const FileTensor slip[] = {CONV1, {"fc_weight", "F32", "[7]", 28}, {"fcc.weights", "F32", "[7]", 28}};
    cr_assert_not(check(&bench, true, slip, COUNT(slip)));
    expect(&bench, DIAG_WEIGHTS_MISSING, 1, "fc.weight [5,4] is missing; the file has fc_weight [7]");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-near");
    const FileTensor far[] = {CONV1, {"fb1x.weight", "F32", "[7]", 28}};
    cr_assert_not(check(&bench, true, far, COUNT(far)));
    expect(&bench, DIAG_WEIGHTS_MISSING, 1, "fc.weight [5,4] is missing [weights-missing]");
    weights_bench_destroy(&bench);
}

Test(weights_check, an_empty_file_misses_everything)
{
    WeightsBench bench = tiny_net("weights_check-empty");
    const char *path = weights_bench_path(&bench, "empty.safetensors");
    weights_bench_write_file(path, "{\"__metadata__\":{\"format\":\"pt\"}}", NULL, 0);
    Weights *weights = weights_open_safetensors(bench.arena, bench.diag, str_from(path));
    cr_assert(weights != NULL);
    cr_assert_not(weights_check(weights, bench.graph, false, bench.diag));
    expect(&bench, DIAG_WEIGHTS_MISSING, 3, "conv1.weight [4,3,3,3] is missing [weights-missing]");
    weights_close(weights);
    weights_bench_destroy(&bench);
}

Test(weights_check, other_shapes)
{
    WeightsBench bench = tiny_net("weights_check-shape");
    const FileTensor larger[] = {CONV1, {"fc.weight", "F32", "[1000,4]", 16000}};
    cr_assert_not(check(&bench, false, larger, COUNT(larger)));
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "fc.weight is [1000,4] in the file, the net wants [5,4]");
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "give -D PARAMETER=1000");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-shape");
    const FileTensor transposed[] = {CONV1, {"fc.weight", "F32", "[4,5]", 80}};
    cr_assert_not(check(&bench, false, transposed, COUNT(transposed)));
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "it looks transposed");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-shape");
    const FileTensor rank[] = {CONV1, {"fc.weight", "F32", "[5,4,1,1]", 80}};
    cr_assert_not(check(&bench, false, rank, COUNT(rank)));
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "fc.weight is [5,4,1,1] in the file, the net wants [5,4]");
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "as many elements as wanted");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-shape");
    const FileTensor scalar[] = {CONV1, {"fc.weight", "F32", "[]", 4}};
    cr_assert_not(check(&bench, false, scalar, COUNT(scalar)));
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "fc.weight is [] in the file");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-shape");
    const FileTensor nothing[] = {CONV1, {"fc.weight", "F32", "[5,0]", 0}};
    cr_assert_not(check(&bench, false, nothing, COUNT(nothing)));
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "fc.weight is [5,0] in the file");
    weights_bench_destroy(&bench);
}

Test(weights_check, other_element_types)
{
    WeightsBench bench = tiny_net("weights_check-dtype");
    const FileTensor doubles[] = {CONV1, {"fc.weight", "F64", "[5,4]", 160}};
    cr_assert_not(check(&bench, false, doubles, COUNT(doubles)));
    expect(&bench, DIAG_WEIGHTS_DTYPE, 1, "fc.weight has element type F64; weights are F32, F16 or BF16");
    expect(&bench, DIAG_WEIGHTS_DTYPE, 1, "tensor.float()");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-dtype");
    const FileTensor bytes[] = {CONV1, {"fc.weight", "I8", "[5,4]", 20}};
    cr_assert_not(check(&bench, false, bytes, COUNT(bytes)));
    expect(&bench, DIAG_WEIGHTS_DTYPE, 1, "fc.weight has element type I8");
    weights_bench_destroy(&bench);
}

Test(weights_check, extra_tensors)
{
    WeightsBench bench = tiny_net("weights_check-extra");
    const FileTensor extra[] = {CONV1, FC, {"aux.weight", "F32", "[2,2]", 16}, {"ids", "I64", "[1]", 8}};
    cr_assert_not(check(&bench, false, extra, COUNT(extra)));
    expect(&bench, DIAG_WEIGHTS_EXTRA, 2,
           "w.safetensors: error: aux.weight [2,2] is not used by the net 'tiny' [weights-extra]");
    expect(&bench, DIAG_WEIGHTS_EXTRA, 2, "--allow-extra-weights");
    weights_bench_destroy(&bench);

    bench = tiny_net("weights_check-extra");
    cr_assert(check(&bench, true, extra, COUNT(extra)));
    weights_bench_destroy(&bench);
}

Test(weights_check, all_faults_are_counted_twenty_are_shown)
{
    WeightsBench bench = tiny_net("weights_check-many");
    FileTensor many[60];
    char names[57][32];
    many[0] = (FileTensor){"conv1.weight", "F32", "[4,3,3,3]", 432};
    many[1] = (FileTensor){"conv1.bias", "F32", "[5]", 20};
    for (size_t i = 0; i < 57; ++i) {
        snprintf(names[i], sizeof names[i], "extra%zu.weight", i);
        many[2 + i] = (FileTensor){names[i], "F32", "[1]", 4};
    }
    cr_assert_not(check(&bench, false, many, 59));
    cr_assert_eq(diag_errors(bench.diag), 59u);
    expect(&bench, DIAG_WEIGHTS_EXTRA, 57, "39 more errors not shown");
    expect(&bench, DIAG_WEIGHTS_MISSING, 1, "fc.weight [5,4] is missing");
    expect(&bench, DIAG_WEIGHTS_SHAPE, 1, "conv1.bias is [5]");
    weights_bench_destroy(&bench);
}
