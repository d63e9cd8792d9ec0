/* lower_set: what several targets have in common, and that each finds its weights in the blob they share. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "lower/program.h"
#include "passes/pass.h"
#include "support/strbuf.h"
#include "weights/weights.h"

typedef struct Bench {
    Arena *arena;
    Diag *diag;
    StrBuf log;
    Graph *graph;
} Bench;

static Bench bench_create(const char *path)
{
    Bench bench = {.arena = arena_create()};
    Sources *sources = sources_create(bench.arena);
    bench.diag = diag_create(bench.arena, sources);
    FrontendOptions frontend = {0};
    AstFile *file = frontend_parse(bench.arena, sources, bench.diag, str_from(path), &frontend);
    cr_assert_not_null(file);
    bench.graph = frontend_elaborate(bench.arena, sources, bench.diag, file, &frontend);
    cr_assert_not_null(bench.graph);
    PassRun run = {.arena = bench.arena, .diag = bench.diag, .log = &bench.log};
    cr_assert(passes_run(&run, bench.graph));
    return bench;
}

static void bench_release(Bench *bench)
{
    strbuf_free(&bench->log);
    diag_destroy(bench->diag);
    arena_destroy(bench->arena);
}

static ProgramSet *lower_for(Bench *bench, const char *const *names, int count)
{
    const Target *list[TARGETS_MAX];
    for (int i = 0; i < count; ++i) {
        list[i] = target_find(str_from(names[i]));
    }
    LowerOptions options = {.batch = 1, .parts = 2};
    ProgramSet *set = lower_set(bench->arena, bench->graph, &options, list, count, bench->diag);
    cr_assert_not_null(set);
    cr_assert_eq(set->n_programs, count);
    return set;
}

static void sink_write(void *user, const void *bytes, size_t size)
{
    strbuf_append(user, (Str){bytes, size});
}

static void sink_patch(void *user, uint64_t offset, const void *bytes, size_t size)
{
    memcpy(((StrBuf *)user)->ptr + offset, bytes, size);
}

static StrBuf pack(Bench *bench, const Program *program)
{
    StrBuf blob = {0};
    Weights *weights = weights_formula(bench->arena);
    PackSink sink = {.write = sink_write, .patch = sink_patch, .user = &blob};
    cr_assert(pack_blob(program, weights, bench->diag, &sink));
    cr_assert_eq((int64_t)blob.len, program->blob_bytes);
    weights_close(weights);
    return blob;
}

/* Every segment of every target holds in the shared blob what it holds in the blob of that target alone. */
static void check_contents(const char *path)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2", "portable"};
    Bench bench = bench_create(path);
    ProgramSet *set = lower_for(&bench, names, 4);
    StrBuf shared = pack(&bench, set->whole);
    int64_t sum = 0, largest = 0;
    for (int p = 0; p < 4; ++p) {
        const Program *alone = lower_for(&bench, &names[p], 1)->whole, *member = set->programs[p];
        StrBuf blob = pack(&bench, alone);
        cr_assert_eq(alone->n_segments, member->n_segments);
        cr_assert_neq(alone->fingerprint, set->whole->fingerprint);
        cr_assert_eq(member->fingerprint, set->whole->fingerprint);
        cr_assert_eq(member->blob_bytes, set->whole->blob_bytes);
        for (uint32_t i = 0; i < alone->n_segments; ++i) {
            const Segment *a = alone->segments[i], *b = member->segments[i];
            cr_assert(str_equal(a->name, b->name) && a->bytes == b->bytes);
            cr_assert_eq(b->offset % BLOB_ALIGN, 0);
            cr_assert_leq(BLOB_HEADER_BYTES + b->offset + b->bytes, (int64_t)shared.len);
            cr_assert_eq(memcmp(blob.ptr + BLOB_HEADER_BYTES + a->offset, shared.ptr + BLOB_HEADER_BYTES + b->offset,
                                (size_t)a->bytes),
                         0, "%s: segment " STR_FMT " of %s", path, STR_ARG(a->name), names[p]);
        }
        sum += alone->blob_bytes;
        largest = alone->arena_bytes > largest ? alone->arena_bytes : largest;
        strbuf_free(&blob);
    }
    cr_assert_lt(set->whole->blob_bytes, sum);
    cr_assert_eq(set->whole->arena_bytes, largest);
    strbuf_free(&shared);
    bench_release(&bench);
}

Test(program_set, each_target_finds_its_weights)
{
    check_contents("tests/run/nets/vector_blocks.net");
    check_contents("tests/run/nets/vector_joins.net");
    check_contents("tests/run/nets/conv.net");
    check_contents("tests/run/nets/ops_norm.net");
    check_contents("tests/run/nets/vector_dense_nonzero.net");
    check_contents("dsl/zoo/lenet5.net");
}

/* Of one weight for several targets. */
static void check_nothing_twice(const char *path)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
    Bench bench = bench_create(path);
    const Program *whole = lower_for(&bench, names, 3)->whole;
    StrBuf blob = pack(&bench, whole);
    const char *bytes = blob.ptr + BLOB_HEADER_BYTES;
    for (uint32_t i = 0; i < whole->n_segments; ++i) {
        const Segment *a = whole->segments[i];
        for (uint32_t k = 0; k < i; ++k) {
            const Segment *b = whole->segments[k];
            bool same = a->bytes == b->bytes && memcmp(bytes + a->offset, bytes + b->offset, (size_t)a->bytes) == 0;
            cr_expect(!same || !str_equal(a->name, b->name), "%s: " STR_FMT " is there twice", path, STR_ARG(a->name));
        }
    }
    strbuf_free(&blob);
    bench_release(&bench);
}

Test(program_set, no_bytes_of_a_weight_are_stored_twice)
{
    check_nothing_twice("tests/run/nets/vector_dense_nonzero.net");
    check_nothing_twice("tests/run/nets/vector_blocks.net");
    check_nothing_twice("tests/run/nets/vector_joins.net");
    check_nothing_twice("dsl/zoo/lenet5.net");
}

/* No two segments of a blob have the same place or the same contents described. */
Test(program_set, nothing_is_stored_twice)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
    Bench bench = bench_create("dsl/zoo/lenet5.net");
    ProgramSet *set = lower_for(&bench, names, 3);
    const Program *whole = set->whole;
    int64_t end = 0;
    for (uint32_t i = 0; i < whole->n_segments; ++i) {
        cr_assert_eq(whole->segments[i]->offset, end, "gaps or overlaps before segment %u", i);
        end = (end + whole->segments[i]->bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    }
    cr_assert_eq(BLOB_HEADER_BYTES + end, whole->blob_bytes);
    /* LeNet's biases: 6 and 16, 120, 84, 10 values. 16 and 120 fill whole vectors of 16, 8 and 4 or of 8 and 4. */
    uint32_t of_conv2 = 0, of_conv1 = 0;
    for (uint32_t i = 0; i < whole->n_segments; ++i) {
        of_conv1 += str_equal(whole->segments[i]->name, STR("conv1.bias"));
        of_conv2 += str_equal(whole->segments[i]->name, STR("conv2.bias"));
    }
    cr_assert_eq(of_conv2, 1u, "16 values: the same bytes for all");
    cr_assert_eq(of_conv1, 2u, "6 values: padded to 16 for one target, to 8 for two");
    bench_release(&bench);
}

Test(program_set, the_fingerprint_is_of_the_whole_set)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "portable"};
    Bench bench = bench_create("dsl/zoo/lenet5.net");
    uint64_t pair = lower_for(&bench, names, 2)->whole->fingerprint;
    uint64_t three = lower_for(&bench, names, 3)->whole->fingerprint;
    uint64_t again = lower_for(&bench, names, 3)->whole->fingerprint;
    cr_assert_neq(pair, three);
    cr_assert_eq(three, again);
    ProgramSet *one = lower_for(&bench, names, 1);
    cr_assert_eq(one->whole, one->programs[0]);
    cr_assert_str_eq(lower_for(&bench, names, 3)->whole->target->name, "x86-64-v4,x86-64-v3,portable");
    bench_release(&bench);
}
