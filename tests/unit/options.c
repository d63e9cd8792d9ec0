/* The command line: what is accepted, and every fault as one clear error with a remedy. */
#include <criterion/criterion.h>

#include "options.h"

enum { MAX_WORDS = 32 };

typedef struct Parsed {
    Arena *arena;
    Diag *diag;
    Options options;
    bool ok;
} Parsed;

/* Splits `line` at blanks and parses it as a command line; the first word is the program. */
static Parsed parse_line(const char *line)
{
    Parsed parsed = {.arena = arena_create()};
    parsed.diag = diag_create(parsed.arena, sources_create(parsed.arena));
    char *copy = (char *)arena_cstr(parsed.arena, str_from(line));
    char **words = ARENA_ARRAY(parsed.arena, char *, MAX_WORDS + 1);
    int count = 0;
    for (char *word = strtok(copy, " "); word != NULL && count < MAX_WORDS; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    parsed.ok = options_parse(parsed.arena, parsed.diag, count, words, &parsed.options);
    return parsed;
}

static void release(Parsed *parsed)
{
    diag_destroy(parsed->diag);
    arena_destroy(parsed->arena);
}

/* The line is refused with one DIAG_USAGE error that says `message`, and `remedy` where given. */
static void refuse(const char *line, const char *message, const char *remedy)
{
    Parsed parsed = parse_line(line);
    Str text = arena_copy(parsed.arena, diag_text(parsed.diag));
    cr_assert_not(parsed.ok, "accepted: %s", line);
    cr_assert_eq(diag_errors(parsed.diag), 1u, "%s: %s", line, text.ptr);
    cr_assert_eq(diag_fired(parsed.diag, DIAG_USAGE), 1u);
    cr_assert(strstr(text.ptr, message) != NULL, "%s: no '%s' in: %s", line, message, text.ptr);
    cr_assert(remedy == NULL || strstr(text.ptr, remedy) != NULL, "%s: no '%s' in: %s", line, remedy, text.ptr);
    release(&parsed);
}

Test(options, faults_are_named_with_a_remedy)
{
    refuse("cnnc", "no network given", "for example");
    refuse("cnnc a.net b.net", "'b.net' is the second", NULL);
    refuse("cnnc --sumary a.net", "unknown option '--sumary'", "did you mean '--summary'?");
    refuse("cnnc --no-fold-batchnorm a.net", "unknown option '--no-fold-batchnorm'",
           "did you mean '--no-fold-batch-norm'?");
    refuse("cnnc -x a.net", "unknown option '-x'", "--help");
    refuse("cnnc a.net --weights", "'--weights' needs a value", NULL);
    refuse("cnnc a.net -D", "'-D' needs a value", NULL);
    refuse("cnnc a.net --summary=yes", "'--summary=yes' takes no value", NULL);
    refuse("cnnc a.net -D classes", "-D wants NAME=VALUE", "-D classes=10");
    refuse("cnnc a.net -D =3", "-D wants NAME=VALUE", NULL);
    refuse("cnnc a.net -D n=1 -D n=2", "-D n is given twice", NULL);
    refuse("cnnc a.net --batch=0", "--batch wants a whole number from 1 to 65536, not '0'", NULL);
    refuse("cnnc a.net --batch=2x", "not '2x'", NULL);
    refuse("cnnc a.net --threads-max=99999999999999999999", "--threads-max wants a whole number", NULL);
    refuse("cnnc a.net --emit=grpah", "--emit wants ast, graph", "did you mean 'graph'?");
    refuse("cnnc a.net --print-after=dead_cod", "names no pass", "did you mean 'dead_code'?");
    refuse("cnnc a.net --target=z80", "unknown target 'z80'", "portable");
    refuse("cnnc a.net --target=", "unknown target ''", "portable");
    refuse("cnnc a.net --target=x86-64-v2,", "names between its commas, not 'x86-64-v2,'", "x86-64-v2,x86-64-v3");
    refuse("cnnc a.net --target=,", "names between its commas", "x86-64-v2,x86-64-v3");
    refuse("cnnc a.net --target=x86-64-v2,,portable", "names between its commas", "x86-64-v2,x86-64-v3");
    refuse("cnnc a.net --target=x86-64-v2,z80", "unknown target 'z80'", "portable");
    refuse("cnnc a.net --target=x86-64-v3,x86-64-v2,x86-64-v3", "names x86-64-v3 twice", "leave one");
    refuse("cnnc a.net --target=portable,portable", "names portable twice", "leave one");
    refuse("cnnc a.net --target=x86-64-v3,portable,aarch64", "x86-64-v3 and aarch64 are machines of different kinds",
           "run cnnc once for each");
    refuse("cnnc a.net --target=portable,aarch64", "nothing would choose portable", "--target=aarch64");
    refuse("cnnc a.net --target=aarch64,portable", "nothing would choose portable", "--target=aarch64");
    refuse("cnnc a.net --target=x86-64-v4,znver1,x86-64-v3", "znver1 and x86-64-v3 need the same of a processor",
           "leave one");
    refuse("cnnc a.net --target=x86-64-v3,native", "does not go with others", "name all of them: native is");
    refuse("cnnc a.net --target=x86-64-v3,x86-64-v2 --emit=c", "--emit=c prints one file", "-o MODEL.c");
    refuse("cnnc a.net --split-from=-1", "--split-from wants a whole number from 0 to 1000000, not '-1'", NULL);
    refuse("cnnc a.net --dense-storage=f64", "--dense-storage wants f32, f16 or bf16, not 'f64'", NULL);
    refuse("cnnc a.net --dense-storage=", "--dense-storage wants f32, f16 or bf16, not ''", NULL);
    refuse("cnnc a.net --weights=random", "wants a seed", "random:1");
    refuse("cnnc a.net --weights=random:-3", "wants a seed", NULL);
    refuse("cnnc a.net -o a.txt", "ends in .c", ".weights");
    refuse("cnnc a.net --emit=plan --summary", "one of them", NULL);
    refuse("cnnc pack a.net --emit=c", "pack writes a weights file only", NULL);
}

/* Sorted, the widest first; the last --target counts. */
Test(options, targets)
{
    Parsed parsed = parse_line("cnnc a.net");
    cr_assert(parsed.ok);
    cr_assert_eq(parsed.options.n_targets, 1);
    cr_assert_eq(parsed.options.targets[0], target_find(STR("native")));
    release(&parsed);
    parsed = parse_line("cnnc a.net --target=portable");
    cr_assert(parsed.ok);
    cr_assert_eq(parsed.options.n_targets, 1);
    cr_assert_eq(parsed.options.targets[0], target_find(STR("portable")));
    release(&parsed);
    parsed = parse_line("cnnc a.net --target=portable --target=x86-64-v3,portable,x86-64-v4,x86-64-v2");
    static const char *const sorted[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2", "portable"};
    cr_assert(parsed.ok);
    cr_assert_eq(parsed.options.n_targets, 4);
    for (int i = 0; i < 4; ++i) {
        cr_assert_str_eq(parsed.options.targets[i]->name, sorted[i]);
    }
    release(&parsed);
}

Test(options, faults_of_tuning)
{
    refuse("cnnc a.net --tune=", "--tune= wants a file", "cnnc.tune");
    refuse("cnnc a.net --tuned=", "--tuned= wants a file", "cnnc.tune");
    refuse("cnnc a.net --tune --tuned=x", "give one of them", NULL);
    refuse("cnnc a.net --tuned=y --tuned=x", "give one of them", NULL);
    refuse("cnnc a.net --tuned-for=Xeon", "--tuned-for says nothing without a database", "--tuned=FILE");
    refuse("cnnc a.net --tuned --tuned-for=", "--tuned-for wants a part", NULL);
    refuse("cnnc a.net --tune --tuned-for=Xeon", "--tuned-for does not go with it", "--tuned goes");
    refuse("cnnc a.net --tune --tune-runs=0", "--tune-runs wants a whole number", NULL);
    refuse("cnnc a.net --tune --no-winograd", "does not go with --no-winograd", "--tuned goes");
    refuse("cnnc a.net --tune --emit=graph", "this stage comes before them", "--emit=program");
    refuse("cnnc a.net --tuned --emit=ast", "--tuned chooses kernels", "--emit=program");
    refuse("cnnc a.net --tuned --emit=onnx -o a.onnx", "--tuned chooses kernels", "leave it out");
    refuse("cnnc a.net --tuned --target=x86-64-v4,portable", "--tuned goes with one target", "compile for one");
    refuse("cnnc pack a.net --tune", "does not go with pack", "--tuned=FILE");
}

Test(options, tuning_has_a_usual_database)
{
    Parsed parsed = parse_line("cnnc a.net --tune");
    cr_assert(parsed.ok && parsed.options.tunes);
    cr_assert(str_equal(parsed.options.tuned, STR("cnnc.tune")));
    cr_assert_eq(parsed.options.tune_runs, 20);
    release(&parsed);
    parsed = parse_line("cnnc a.net --tuned=my.tune --tuned-for=Xeon --no-winograd --emit=plan");
    cr_assert(parsed.ok && !parsed.options.tunes);
    cr_assert(str_equal(parsed.options.tuned, STR("my.tune")));
    cr_assert(str_equal(parsed.options.tuned_for, STR("Xeon")));
    release(&parsed);
    parsed = parse_line("cnnc a.net");
    cr_assert(parsed.ok && !parsed.options.tunes && parsed.options.tuned.len == 0);
    release(&parsed);
}

Test(options, several_faults_in_one_run)
{
    Parsed parsed = parse_line("cnnc --bacth=2 --batch=zero --emit=tree a.net");
    cr_assert_not(parsed.ok);
    cr_assert_eq(diag_errors(parsed.diag), 3u);
    release(&parsed);
}

Test(options, everything_is_understood)
{
    Parsed parsed =
        parse_line("cnnc -D alpha=0.5 -Dsize=128 -I blocks dsl/m.net --net=m --name=n --weights=random:7 -o out/m.c "
                   "--batch=4 --threads-max 2 --dense-storage=bf16 --split-from=0 --no-fuse_add --no-dead-code");
    const Options *options = &parsed.options;
    cr_assert(parsed.ok);
    cr_assert_eq(options->command, COMMAND_COMPILE);
    cr_assert(str_equal(options->model, STR("dsl/m.net")));
    cr_assert(str_equal(options->output, STR("out/m.c")));
    cr_assert_eq(options->frontend.n_defines, 2u);
    cr_assert(str_equal(options->frontend.defines[1].name, STR("size")));
    cr_assert(str_equal(options->frontend.defines[1].value, STR("128")));
    cr_assert_eq(options->frontend.n_include_dirs, 1u);
    cr_assert(str_equal(options->frontend.net, STR("m")));
    cr_assert(str_equal(options->name, STR("n")));
    cr_assert(str_equal(options->weights, STR("random:7")));
    cr_assert_eq(options->batch, 4);
    cr_assert_eq(options->threads_max, 2);
    cr_assert_eq(options->dense_storage, STORE_BF16);
    cr_assert_eq(options->split_from, 0);
    for (size_t i = 0; pass_pipeline[i].name != NULL; ++i) {
        bool is_off = strcmp(pass_pipeline[i].name, "fuse_add") == 0 || strcmp(pass_pipeline[i].name, "dead_code") == 0;
        cr_assert_eq(options->pass_off[i], is_off, "%s", pass_pipeline[i].name);
    }
    release(&parsed);
}

Test(options, help_names_every_option)
{
    static const char *const words[] = {"--net",
                                        "--weights",
                                        "--allow-extra-weights",
                                        "--name",
                                        "--embed-weights",
                                        "--no-embed-weights",
                                        "--batch",
                                        "--threads-max",
                                        "--target",
                                        "--no-winograd",
                                        "--dense-storage",
                                        "--split-from",
                                        "--tune[=FILE]",
                                        "--tuned[=FILE]",
                                        "--tuned-for",
                                        "--tune-runs",
                                        "--no-fuse-projection",
                                        "--no-fuse-prologue",
                                        "--summary",
                                        "--emit",
                                        "--print-after",
                                        "--no-PASS",
                                        "--verify",
                                        "--verify-ir",
                                        "--time-passes",
                                        "--help-ops",
                                        "--help-passes",
                                        "--version",
                                        "-D",
                                        "-I",
                                        "-o",
                                        "pack",
                                        "Exit status"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        cr_assert(strstr(options_help, words[i]) != NULL, "--help lacks %s", words[i]);
    }
    Parsed parsed = parse_line("cnnc --help");
    cr_assert(parsed.ok);
    cr_assert_eq(parsed.options.command, COMMAND_HELP);
    release(&parsed);
}
