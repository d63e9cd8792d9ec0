/* The tuning database as text: what is read, what is refused and how, that rewriting changes nothing but what was added;
 * keys; names of machines; candidates. */
#include <criterion/criterion.h>

#include "lower_build.h"
#include "tune/candidates.h"
#include "tune/database.h"
#include "tune/entry.h"
#include "tune/machine.h"

typedef struct Read {
    Arena *arena;
    Diag *diag;
    TuningDatabase *database;
    Str said;
} Read;

static Read read_text(const char *text)
{
    Read read = {.arena = arena_create()};
    Sources *sources = sources_create(read.arena);
    read.diag = diag_create(read.arena, sources);
    read.database = tuning_parse(read.arena, sources, read.diag, STR("x.tune"), str_from(text));
    read.said = diag_text(read.diag);
    return read;
}

static void release(Read *read)
{
    diag_destroy(read->diag);
    arena_destroy(read->arena);
}

#define HEAD "cnnc tuning 1\n"
#define SECTION "[x86-64-v4 | A processor, family 1 model 2 | gcc 12.2.0 -O3]\n"
#define KEY "conv3x3 s1x1 p1x1 d1x1 g1 64x56x56 -> 64x56x56"
static const char good[] =
    "cnnc tuning 1\n# a comment\n\n" SECTION KEY " = winograd m=4 vectors=2 tile=14 block=28 prefetch=no  # 312.4 us\n"
    "  conv1x1 s2x1 p0x0 d1x1 g1 8x9x9 -> 80x5x9 = direct vectors=3 tile=9 order=pixels block=4\n"
    "conv1x1 s1x1 p0x0 d1x1 g1 8x9x9 -> 8x9x9 = direct vectors=1 tile=9 order=sets prefetch=yes\r\n"
    "conv3x3 s1x1 p1x1 d2x2 g64 64x56x56 -> 64x56x56 = depthwise rows=2 tile=7\n"
    "\n# the end\n\n[x86-64-v3 | A processor, family 1 model 2 | gcc 12.2.0 -O3] # other\n"
    "conv3x3 s1x1 p1x1 d1x1 g16 64x56x56 -> 64x56x56 = grouped tile=6\n"
    "conv7x7 s2x2 p3x3 d1x1 g1 3x224x224 -> 64x112x112 = planar vectors=2 tile=6\n"
    "conv3x3 s1x1 p1x1 d1x1 g1 512x7x7 -> 512x7x7 = winograd_live m=4 tile=2 block=4 prefetch=yes\n"
    "conv3x3 s1x1 p1x1 d1x1 g1 256x7x7 -> 256x7x7 = winograd m=2x4 vectors=2 tile=4 block=8 prefetch=yes\n";

Test(tune, reads_choices)
{
    Read read = read_text(good);
    cr_assert(read.database != NULL, STR_FMT, STR_ARG(read.said));
    TuningSection *v4 =
        tuning_find(read.database, STR("x86-64-v4"), STR("A processor, family 1 model 2"), STR("gcc 12.2.0 -O3"));
    cr_assert(v4 != NULL);
    cr_assert_eq(map_count(v4->choices), 4u);
    const ConvChoice *w = map_get(v4->choices, STR(KEY));
    cr_assert(w != NULL);
    cr_assert(w->family == KERNEL_WINOGRAD && winograd_tile_equal(w->winograd, winograd_square(4)) && w->vectors == 2 &&
              w->tile_cols == 14 && w->block_tiles == 28 && !w->prefetch && !w->pixels_outer && w->tile_rows == 0);
    const ConvChoice *d = map_get(v4->choices, STR("conv1x1 s2x1 p0x0 d1x1 g1 8x9x9 -> 80x5x9"));
    cr_assert(d != NULL);
    cr_assert(d->family == KERNEL_DIRECT && d->vectors == 3 && d->tile_cols == 9 && d->pixels_outer &&
              d->block_tiles == 4 && !d->prefetch);
    const ConvChoice *w3 = map_get(v4->choices, STR("conv3x3 s1x1 p1x1 d2x2 g64 64x56x56 -> 64x56x56"));
    cr_assert(w3 != NULL && w3->family == KERNEL_DEPTHWISE && w3->tile_rows == 2 && w3->tile_cols == 7);
    TuningSection *v3 =
        tuning_find(read.database, STR("x86-64-v3"), STR("A processor, family 1 model 2"), STR("gcc 12.2.0 -O3"));
    cr_assert(v3 != NULL && map_count(v3->choices) == 4);
    const ConvChoice *live = map_get(v3->choices, STR("conv3x3 s1x1 p1x1 d1x1 g1 512x7x7 -> 512x7x7"));
    cr_assert(live != NULL);
    cr_assert(live->family == KERNEL_WINOGRAD_LIVE && winograd_tile_equal(live->winograd, winograd_square(4)) &&
              live->vectors == 0 && live->tile_cols == 2 && live->block_tiles == 4 && live->prefetch);
    const ConvChoice *oblong = map_get(v3->choices, STR("conv3x3 s1x1 p1x1 d1x1 g1 256x7x7 -> 256x7x7"));
    cr_assert(oblong != NULL);
    cr_assert(oblong->family == KERNEL_WINOGRAD && oblong->winograd.rows == 2 && oblong->winograd.cols == 4);
    release(&read);
}

Test(tune, rewriting_keeps_every_line)
{
    Read read = read_text(good);
    StrBuf text = {0};
    tuning_text(read.database, &text);
    StrBuf expected = {0};
    for (const char *at = good; *at != '\0'; ++at) {
        if (*at != '\r') {
            strbuf_char(&expected, *at);
        }
    }
    cr_assert(str_equal(strbuf_view(&text), strbuf_view(&expected)), "%s", text.ptr);
    strbuf_free(&text);
    strbuf_free(&expected);
    release(&read);
}

Test(tune, an_entry_goes_to_the_end_of_its_section)
{
    Read read = read_text(HEAD SECTION KEY " = direct vectors=2 tile=14 order=sets prefetch=no\n\n# more\n\n"
                                           "[aarch64 | B | clang 14.0.6 -O3]\n\n");
    TuningSection *first = read.database->first->next, *second = first->next;
    ConvChoice choice = {.family = KERNEL_PLANAR, .vectors = 2, .tile_cols = 8};
    tuning_add(read.database, first, STR("conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3"), &choice, STR("1 us"));
    tuning_add(read.database, second, STR("conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3"), &choice, STR(""));
    TuningSection *third = tuning_add_section(read.database, STR("x86-64-v2"), STR("C"), STR("cc"));
    tuning_add(read.database, third, STR("conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3"), &choice, STR(""));
    StrBuf text = {0};
    tuning_text(read.database, &text);
    cr_assert_str_eq(text.ptr,
                     HEAD SECTION KEY " = direct vectors=2 tile=14 order=sets prefetch=no\n\n# more\n"
                                      "conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3 = planar vectors=2 tile=8  # 1 us\n\n"
                                      "[aarch64 | B | clang 14.0.6 -O3]\n"
                                      "conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3 = planar vectors=2 tile=8\n\n"
                                      "[x86-64-v2 | C | cc]\n"
                                      "conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3 = planar vectors=2 tile=8\n");
    Arena *arena = arena_create(); /* and what was written can be read */
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    cr_assert(tuning_parse(arena, sources, diag, STR("y.tune"), strbuf_view(&text)) != NULL, STR_FMT,
              STR_ARG(diag_text(diag)));
    diag_destroy(diag);
    arena_destroy(arena);
    strbuf_free(&text);
    release(&read);
}

Test(tune, a_new_database_can_be_read)
{
    Arena *arena = arena_create();
    TuningDatabase *database = tuning_create(arena);
    tuning_add_section(database, STR("x86-64-v4"), STR("A"), STR("B"));
    StrBuf text = {0};
    tuning_text(database, &text);
    Read read = read_text(text.ptr);
    cr_assert(read.database != NULL, STR_FMT, STR_ARG(read.said));
    cr_assert(tuning_find(read.database, STR("x86-64-v4"), STR("A"), STR("B")) != NULL);
    release(&read);
    strbuf_free(&text);
    arena_destroy(arena);
}

/* The text is refused once, at "x.tune:LINE:COLUMN", with this message. */
static void refuse(const char *text, const char *place, const char *message)
{
    Read read = read_text(text);
    cr_assert(read.database == NULL, "accepted:\n%s", text);
    cr_assert_eq(diag_fired(read.diag, DIAG_TUNING_SYNTAX), 1u, STR_FMT, STR_ARG(read.said));
    cr_assert_eq(diag_errors(read.diag), 1u);
    cr_assert(str_starts_with(read.said, str_from(arena_printf(read.arena, "x.tune:%s: error: ", place).ptr)),
              "%s: " STR_FMT, place, STR_ARG(read.said));
    cr_assert(strstr(arena_cstr(read.arena, read.said), message) != NULL, "%s: " STR_FMT, message, STR_ARG(read.said));
    cr_assert(strstr(arena_cstr(read.arena, read.said), "  help: ") != NULL);
    release(&read);
}

static void refuse_entry(const char *entry, int column, const char *message)
{
    Arena *arena = arena_create();
    refuse(arena_printf(arena, HEAD SECTION "%s\n", entry).ptr, arena_printf(arena, "3:%d", column).ptr, message);
    arena_destroy(arena);
}

Test(tune, faults_of_files)
{
    refuse("", "1:1", "not a tuning database");
    refuse("cnnc tuning 2\n", "1:1", "not a tuning database");
    refuse("conv3x3\n", "1:1", "not a tuning database");
    refuse(HEAD KEY " = grouped tile=4\n", "2:1", "an entry before any section");
    refuse(HEAD "[x86-64-v4 | A]\n", "2:1", "not complete");
    refuse(HEAD "[x86-64-v4 | A | B\n", "2:1", "not complete");
    refuse(HEAD "[x86-64-v4 | A | ]\n", "2:1", "not complete");
    refuse(HEAD "[x86-64-v4 | A | B | C]\n", "2:1", "not complete");
    refuse(HEAD "[\n", "2:1", "not complete");
    refuse(HEAD "[z80 | A | B]\n", "2:2", "no target that can be tuned");
    refuse(HEAD "[native | A | B]\n", "2:2", "no target that can be tuned");
    refuse(HEAD "[portable | A | B]\n", "2:2", "no target that can be tuned");
    refuse(HEAD SECTION "\n" SECTION, "4:1", "there already");
    refuse(HEAD SECTION KEY " = planar vectors=1 tile=2\n" KEY " = planar vectors=2 tile=2\n", "4:1",
           "has an entry in this section already");
}

Test(tune, faults_of_entries)
{
    refuse_entry("dense", 1, "'conv' is wanted here");
    refuse_entry("conv3x3", 8, "' s' is wanted here");
    refuse_entry("conv3", 6, "'x' is wanted here");
    refuse_entry("convx3 s1x1", 5, "a whole number from 1 to");
    refuse_entry("conv03x3 s1x1", 5, "a whole number from 1 to");
    refuse_entry("conv-3x3 s1x1", 5, "a whole number from 1 to");
    refuse_entry("conv0x3 s1x1", 5, "a whole number from 1 to");
    refuse_entry("conv99999999999999999999x3 s1x1", 5, "a whole number from 1 to");
    refuse_entry("conv3x3  s1x1", 8, "' s' is wanted here");
    refuse_entry(KEY, 47, "' = ' is wanted here");
    refuse_entry(KEY " =", 47, "' = ' is wanted here");
    refuse_entry(KEY " = fast", 50,
                 "direct, winograd, winograd_live, planar, depthwise, grouped or strassen is wanted");
    refuse_entry(KEY " = directed", 50,
                 "direct, winograd, winograd_live, planar, depthwise, grouped or strassen is wanted");
    refuse_entry(KEY " = direct", 56, "' vectors=' is wanted here");
    refuse_entry(KEY " = direct tile=4 vectors=2", 56, "' vectors=' is wanted here");
    refuse_entry(KEY " = direct vectors=9 tile=4 order=sets prefetch=no", 65, "from 1 to 8");
    refuse_entry(KEY " = direct vectors=2 tile=0 order=sets prefetch=no", 72, "from 1 to 64");
    refuse_entry(KEY " = direct vectors=2 tile=4 order=rows prefetch=no", 80, "'pixels' or 'sets'");
    refuse_entry(KEY " = direct vectors=2 tile=4 order=sets", 84, "' prefetch=' is wanted here");
    refuse_entry(KEY " = direct vectors=2 tile=4 order=sets prefetch=maybe", 94, "'yes' or 'no'");
    refuse_entry(KEY " = direct vectors=2 tile=4 order=pixels prefetch=no", 86, "' block=' is wanted here");
    refuse_entry(KEY " = grouped tile=4 tile=4", 64, "complete before this");
    refuse_entry(KEY " = winograd m=4", 62, "' vectors=' is wanted here");
    refuse_entry(KEY " = winograd m=4x vectors=2", 63, "a whole number from 2 to 7");
    refuse_entry(KEY " = winograd m=8 vectors=2", 61, "a whole number from 2 to 7");
    refuse_entry(KEY " = strassen tile=4", 58, "complete before this");
    refuse_entry(KEY " = winograd m=4x2x2", 64, "' vectors=' is wanted here");
}

Test(tune, all_faults_of_a_file_are_told)
{
    Read read = read_text(HEAD SECTION "conv3x3\n" KEY " = fast\n[z80 | A | B]\n" KEY " = grouped tile=4\n");
    cr_assert(read.database == NULL);
    cr_assert_eq(diag_errors(read.diag), 3u, STR_FMT, STR_ARG(read.said));
    release(&read);
}

/* --- which section */

static const char three[] = HEAD "[x86-64-v4 | Athlon | gcc 12 -O3]\n[x86-64-v4 | Xeon | gcc 12 -O3]\n"
                                 "[x86-64-v4 | Xeon | clang 14 -O3]\n[x86-64-v3 | Xeon | gcc 12 -O3]\n";

static void choose(const char *target, const char *wanted, const char *cpu, const char *expected_cpu,
                   const char *expected_compiler)
{
    Read read = read_text(three);
    TuningSection *section = tuning_choose_section(read.database, read.diag, STR("x.tune"), str_from(target),
                                                   str_from(wanted), str_from(cpu));
    Str said = diag_text(read.diag);
    if (expected_cpu == NULL) {
        cr_assert(section == NULL, "%s %s %s", target, wanted, cpu);
        cr_assert_eq(diag_fired(read.diag, DIAG_TUNING_MACHINE), 1u);
        cr_assert(strstr(arena_cstr(read.arena, said), "it has [x86-64-v4 | Athlon | gcc 12 -O3]") != NULL);
    } else {
        cr_assert(section != NULL, "%s %s %s: " STR_FMT, target, wanted, cpu, STR_ARG(said));
        cr_assert(str_equal(section->target, str_from(target)));
        cr_assert(str_equal(section->cpu, str_from(expected_cpu)));
        cr_assert(str_equal(section->compiler, str_from(expected_compiler)));
        cr_assert_eq(said.len, 0u);
    }
    release(&read);
}

Test(tune, the_section_to_compile_with)
{
    choose("x86-64-v3", "", "Athlon", "Xeon", "gcc 12 -O3"); /* the only one: the same on every machine */
    choose("x86-64-v4", "", "Athlon", "Athlon", "gcc 12 -O3");
    choose("x86-64-v4", "", "Xeon", NULL, NULL);
    choose("x86-64-v4", "", "Z80", NULL, NULL);
    choose("x86-64-v4", "gcc", "Xeon", "Xeon", "gcc 12 -O3");
    choose("x86-64-v4", "clang", "Z80", "Xeon", "clang 14 -O3");
    choose("x86-64-v4", "Xeon | gcc", "Z80", "Xeon", "gcc 12 -O3");
    choose("x86-64-v4", "icc", "Xeon", NULL, NULL);
    choose("aarch64", "", "Xeon", NULL, NULL);
}

/* --- keys and digests */

Test(tune, keys_tell_all_sizes)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 64, 30, 20);
    Node *conv = lower_build_conv(&b, "conv", x, 32, 3, 2, 1);
    Node *relu = lower_build_plain(&b, OP_RELU, "relu", conv);
    const Target *v4 = target_find(STR("x86-64-v4"));
    Str key = conv_key(b.arena, conv, v4);
    cr_assert(str_equal(key, STR("conv3x3 s2x2 p1x1 d1x1 g1 64x30x20 -> 32x15x10")), STR_FMT, STR_ARG(key));
    cr_assert_eq(conv_key(b.arena, relu, v4).len, 0u);
    cr_assert_eq(conv_key(b.arena, conv, target_find(STR("portable"))).len, 0u);
    lower_build_stop(&b);
}

Test(tune, digests_are_of_the_choices_that_a_network_uses)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 64, 56, 56);
    lower_build_conv(&b, "conv", x, 64, 3, 1, 1);
    const Target *v4 = target_find(STR("x86-64-v4"));
    static const char *const texts[] = {HEAD SECTION KEY " = direct vectors=2 tile=14 order=sets prefetch=no\n",
                                        HEAD SECTION "conv1x1 s1x1 p0x0 d1x1 g1 1x2x3 -> 4x2x3 = grouped tile=1\n" KEY
                                                     " = direct vectors=2 tile=14 order=sets prefetch=no # slow\n",
                                        HEAD SECTION KEY " = direct vectors=2 tile=12 order=sets prefetch=no\n",
                                        HEAD SECTION};
    uint64_t digests[4];
    for (int i = 0; i < 4; ++i) {
        Read read = read_text(texts[i]);
        cr_assert(read.database != NULL, STR_FMT, STR_ARG(read.said));
        digests[i] = tuning_digest(read.database->last, b.graph, v4);
        release(&read);
    }
    cr_assert_eq(digests[0], digests[1]);
    cr_assert_neq(digests[0], digests[2]);
    cr_assert_neq(digests[0], digests[3]);
    lower_build_stop(&b);
}

/* --- names of machines */

static void cpu_is(const char *cpuinfo, const char *expected)
{
    Arena *arena = arena_create();
    Str name = machine_cpu_of_cpuinfo(arena, str_from(cpuinfo));
    cr_assert(str_equal(name, str_from(expected)), "'" STR_FMT "' instead of '%s'", STR_ARG(name), expected);
    arena_destroy(arena);
}

static void compiler_is(const char *version, const char *expected)
{
    Arena *arena = arena_create();
    Str name = machine_compiler_of(arena, str_from(version));
    cr_assert(str_equal(name, str_from(expected)), "'" STR_FMT "' instead of '%s'", STR_ARG(name), expected);
    arena_destroy(arena);
}

Test(tune, names_of_processors)
{
    cpu_is("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD  EPYC 9R14\n",
           "AMD EPYC 9R14, family 25 model 17");
    cpu_is("model name\t: A [1] | B # 2\n", "A 1 B 2");
    cpu_is("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "ARM implementer 0x41 part 0xd0c");
    cpu_is("", "unknown processor");
    cpu_is("model name", "unknown processor");
}

Test(tune, names_of_compilers)
{
    compiler_is("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright\n", "gcc 12.2.0");
    compiler_is("cc (GCC) 13.2.1 20230801\n", "gcc 13.2.1");
    compiler_is("aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0", "gcc 12.2.0");
    compiler_is("Debian clang version 14.0.6\nTarget: x\n", "clang 14.0.6");
    compiler_is("Apple clang version 15.0.0 (clang-1500.1.0.2.5)\n", "clang 15.0.0");
    compiler_is("tcc version 0.9.27 (x86_64 | Linux)\n", "tcc version 0.9.27 (x86_64 Linux)");
    compiler_is("", "unknown compiler");
}

/* --- candidates */

Test(tune, candidates_fit_and_can_be_written)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "znver1", "x86-64-v2", "aarch64"};
    const KernelSizes shapes[] = {lower_build_sizes(64, 14, 64, 3, 1), lower_build_sizes(64, 14, 256, 1, 1),
                                  lower_build_sizes(64, 14, 64, 3, 64), lower_build_sizes(64, 14, 64, 3, 32),
                                  lower_build_sizes(512, 14, 512, 1, 1) /* Strassen's product */};
    Arena *arena = arena_create();
    for (size_t n = 0; n < sizeof names / sizeof names[0]; ++n) {
        const Target *target = target_find(str_from(names[n]));
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
            Kernel rules = {.sizes = shapes[i]};
            cr_assert(select_vector_conv(target, true, &rules));
            rules.in = layout_blocked(type_f32_3(shapes[i].in_channels, 14, 14), target->channel_block);
            tiles_choose(target, &rules);
            ConvChoice best = conv_choice_of(&rules);
            size_t others = 0;
            for (int stage = 0; stage < STAGE_COUNT; ++stage) {
                Candidates found = tune_candidates(arena, (TuneStage)stage, target, &shapes[i], &best);
                cr_assert_geq(found.count, 1u);
                others += found.count - 1;
                for (uint32_t k = 0; k < found.count; ++k) {
                    cr_assert(conv_choice_fault(target, &shapes[i], &found.items[k]) == NULL);
                    StrBuf text = {0};
                    strbuf_printf(&text, STR_FMT " = ", STR_ARG(conv_key_of(arena, &shapes[i])));
                    choice_format(&found.items[k], &text);
                    Entry entry;
                    Str fault;
                    size_t at;
                    cr_assert(entry_parse(arena, strbuf_view(&text), &entry, &fault, &at), "%s: " STR_FMT, text.ptr,
                              STR_ARG(fault));
                    StrBuf again = {0};
                    strbuf_printf(&again, STR_FMT " = ", STR_ARG(entry.key));
                    choice_format(&entry.choice, &again);
                    cr_assert_str_eq(again.ptr, text.ptr);
                    strbuf_free(&again);
                    strbuf_free(&text);
                }
            }
            cr_assert_gt(others, best.family == KERNEL_STRASSEN ? 0u : 3u); /* direct sums; tiles are the rules' */
        }
    }
    arena_destroy(arena);
}
