/* The command line. getopt_long does the splitting. An option is a value of the enum, a row of the table, a case that
 * reads it and a line of --help, all in this file; one that changes the generated C is also named in its first comment
 * (settings_text, driver.c). Every fault is one DIAG_USAGE error that names the option, what it wants and the nearest
 * match. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "support/suggest.h"

const char options_help[] =
    "Usage: cnnc [OPTION]... MODEL.net [-o MODEL.c]\n"
    "       cnnc [OPTION]... zoo:VARIANT [-o MODEL.c]         a network that cnnc ships: see --list-zoo\n"
    "       cnnc pack MODEL.net --weights=SOURCE [-o MODEL.weights]\n"
    "\n"
    "Compiles a convolutional network to standalone C of fixed shapes: MODEL.c, MODEL.h and MODEL.weights.\n"
    "`pack` makes only the weights file, for code that is already compiled in; give it the same options.\n"
    "\n"
    "Input\n"
    "  -D NAME=VALUE            set a parameter of the net\n"
    "  -I DIR                   look for imports in DIR too\n"
    "      --net=NAME           choose among the nets of a file\n"
    "      --with-training-outputs\n"
    "                           keep what stands in `training { }`\n"
    "      --weights=SOURCE     FILE.safetensors, `formula` (reproducible numbers made from the names), or "
    "`random:SEED`;\n"
    "                           default: MODEL.safetensors beside MODEL.net, where it exists\n"
    "      --allow-extra-weights\n"
    "                           tolerate tensors that the net does not use\n"
    "\n"
    "Output\n"
    "  -o FILE                  where to write; default: MODEL.c in the current folder\n"
    "      --name=NAME          prefix of all C names; default: the net's name\n"
    "      --embed-weights, --no-embed-weights\n"
    "                           weights inside the C file or beside it; default: inside when under 1 MiB\n"
    "      --batch=N            images a run, back to back in every input and output; default 1\n"
    "      --threads-max=N      most threads one run can use; default 1\n"
    "      --split-from=N       split steps among threads that take N microseconds or more, estimated by size;\n"
    "                           default 5; none where they take less than 10 N in all; 0: all\n"
    "      --target=NAME        machine to write C for. native, the default: this machine; x86-64-v2, x86-64-v3,\n"
    "                           x86-64-v4, znver1, aarch64: for gcc or clang, with -march=NAME (aarch64: without)\n"
    "                           or, there, -march=native; portable: strict C99, any machine and compiler\n"
    "      --target=NAME,NAME   code for each, among which init chooses: see README.md; no -march\n"
    "      --no-winograd        direct sums only: less rounding error and smaller weights, more time\n"
    "      --dense-storage=TYPE how weights of dense layers are stored: f32 (default); f16 (3 digits, numbers up to\n"
    "                           65504) or bf16 (2 digits, the range of f32): half the bytes. Computed in f32\n"
    "      --tune[=FILE]        time kernels for each convolution here, with the compiler CC; add the fastest to the\n"
    "                           database FILE (default: cnnc.tune) and use it\n"
    "      --tuned[=FILE]       use the database, time nothing\n"
    "      --tuned-for=TEXT     its section whose processor or compiler has TEXT in its name; default: ours\n"
    "      --tune-runs=N        time each candidate N times; default 20\n"
    "      --no-fuse-projection a shortcut's 1x1 convolution as a step of its own\n"
    "      --no-fuse-prologue   norms, relus, means before layers as steps\n"
    "      --summary            print the table of layers; no files without -o\n"
    "      --emit=STAGE         stop after a stage and print it: ast, graph (after the passes), dot (the same as a\n"
    "                           picture for Graphviz), program, plan (memory), c\n"
    "      --emit=onnx          write the net with its weights as an ONNX model (opset 17) to -o FILE\n"
    "\n"
    "Looking inside\n"
    "      --print-after=PASS   print the graph after a pass, or after `all`\n"
    "      --no-PASS            leave a pass out\n"
    "      --verify             interpret the net in double precision before and after each pass and compare\n"
    "      --verify-ir          check the graph's invariants after each pass\n"
    "      --time-passes        print how long each pass took\n"
    "\n"
    "      --help, --help-ops, --help-passes, --list-zoo, --version\n"
    "\n"
    "Examples\n"
    "  cnnc --summary dsl/zoo/resnet50.net\n"
    "  cnnc dsl/zoo/resnet50.net --weights=resnet50.safetensors -o resnet50.c\n"
    "  cnnc -D alpha=0.75 -D size=192 dsl/zoo/mobilenet_v1.net --emit=plan\n"
    "  cnnc pack dsl/zoo/resnet50.net --weights=new_training.safetensors -o resnet50.weights\n"
    "\n"
    "Exit status: 0 success; 1 a fault in the network, the weights or a file; 2 a fault in the command line.\n";

enum OptionCode {
    CODE_NET = 256,
    CODE_TRAINING,
    CODE_WEIGHTS,
    CODE_ALLOW_EXTRA,
    CODE_NAME,
    CODE_EMBED,
    CODE_NO_EMBED,
    CODE_BATCH,
    CODE_THREADS,
    CODE_TARGET,
    CODE_NO_WINOGRAD,
    CODE_DENSE_STORAGE,
    CODE_SPLIT_FROM,
    CODE_TUNE,
    CODE_TUNED,
    CODE_TUNED_FOR,
    CODE_TUNE_RUNS,
    CODE_NO_FUSE_PROJECTION,
    CODE_NO_FUSE_PROLOGUE,
    CODE_SUMMARY,
    CODE_EMIT,
    CODE_PRINT_AFTER,
    CODE_VERIFY,
    CODE_VERIFY_IR,
    CODE_TIME,
    CODE_HELP,
    CODE_HELP_OPS,
    CODE_HELP_PASSES,
    CODE_VERSION,
    CODE_LIST_ZOO,
    CODE_NO_PASS /* + index of the pass; must be last */
};

static const struct option long_options[] = {
    {"net", required_argument, NULL, CODE_NET},
    {"with-training-outputs", no_argument, NULL, CODE_TRAINING},
    {"weights", required_argument, NULL, CODE_WEIGHTS},
    {"allow-extra-weights", no_argument, NULL, CODE_ALLOW_EXTRA},
    {"output", required_argument, NULL, 'o'},
    {"name", required_argument, NULL, CODE_NAME},
    {"embed-weights", no_argument, NULL, CODE_EMBED},
    {"no-embed-weights", no_argument, NULL, CODE_NO_EMBED},
    {"batch", required_argument, NULL, CODE_BATCH},
    {"threads-max", required_argument, NULL, CODE_THREADS},
    {"target", required_argument, NULL, CODE_TARGET},
    {"summary", no_argument, NULL, CODE_SUMMARY},
    {"emit", required_argument, NULL, CODE_EMIT},
    {"print-after", required_argument, NULL, CODE_PRINT_AFTER},
    {"verify", no_argument, NULL, CODE_VERIFY},
    {"verify-ir", no_argument, NULL, CODE_VERIFY_IR},
    {"time-passes", no_argument, NULL, CODE_TIME},
    {"help", no_argument, NULL, CODE_HELP},
    {"help-ops", no_argument, NULL, CODE_HELP_OPS},
    {"help-passes", no_argument, NULL, CODE_HELP_PASSES},
    {"version", no_argument, NULL, CODE_VERSION},
    {"list-zoo", no_argument, NULL, CODE_LIST_ZOO},
    {"no-winograd", no_argument, NULL, CODE_NO_WINOGRAD},
    {"dense-storage", required_argument, NULL, CODE_DENSE_STORAGE},
    {"split-from", required_argument, NULL, CODE_SPLIT_FROM},
    {"tune", optional_argument, NULL, CODE_TUNE},
    {"tuned", optional_argument, NULL, CODE_TUNED},
    {"tuned-for", required_argument, NULL, CODE_TUNED_FOR},
    {"tune-runs", required_argument, NULL, CODE_TUNE_RUNS},
    {"no-fuse-projection", no_argument, NULL, CODE_NO_FUSE_PROJECTION},
    {"no-fuse-prologue", no_argument, NULL, CODE_NO_FUSE_PROLOGUE},
};
enum { N_LONG_OPTIONS = sizeof long_options / sizeof long_options[0] };

static const struct {
    const char *name;
    EmitStage stage;
} emit_stages[] = {
    {"ast", EMIT_AST},   {"graph", EMIT_GRAPH}, {"dot", EMIT_DOT},   {"program", EMIT_PROGRAM},
    {"plan", EMIT_PLAN}, {"c", EMIT_C},         {"onnx", EMIT_ONNX},
};
enum { N_EMIT_STAGES = sizeof emit_stages / sizeof emit_stages[0] };

/* What parsing needs at hand. */
typedef struct Parse {
    Arena *arena;
    Diag *diag;
    Options *options;
    size_t include_capacity, define_capacity;
    struct option *table; /* long_options, then --no-PASS for every pass, then zeros */
    bool ok;
} Parse;

static const Str usage_place = {"cnnc", 4};

static size_t pass_count(void)
{
    size_t count = 0;
    while (pass_pipeline[count].name != NULL) {
        ++count;
    }
    return count;
}

/* "fold_batch_norm" -> "fold-batch-norm", as options are spelled. */
static const char *dashed(Arena *arena, const char *prefix, const char *name)
{
    Str text = arena_printf(arena, "%s%s", prefix, name);
    char *copy = ARENA_ARRAY(arena, char, text.len + 1);
    for (size_t i = 0; i < text.len; ++i) {
        copy[i] = text.ptr[i] == '_' ? '-' : text.ptr[i];
    }
    return copy;
}

static struct option *build_table(Arena *arena)
{
    size_t n_passes = pass_count();
    struct option *table = ARENA_ARRAY(arena, struct option, N_LONG_OPTIONS + 2 * n_passes + 1);
    memcpy(table, long_options, sizeof long_options);
    for (size_t i = 0; i < n_passes; ++i) { /* both spellings: --no-fold-batch-norm, --no-fold_batch_norm */
        struct option *entry = &table[N_LONG_OPTIONS + 2 * i];
        entry[0] =
            (struct option){dashed(arena, "no-", pass_pipeline[i].name), no_argument, NULL, CODE_NO_PASS + (int)i};
        entry[1] = (struct option){arena_printf(arena, "no-%s", pass_pipeline[i].name).ptr, no_argument, NULL,
                                   CODE_NO_PASS + (int)i};
    }
    return table;
}

static void fault_unknown_option(Parse *parse, const char *written)
{
    Str name = str_from(written);
    Str bare = name;
    for (size_t i = 0; i < bare.len; ++i) {
        if (bare.ptr[i] == '=') {
            bare.len = i;
        }
    }
    diag_error_in(parse->diag, DIAG_USAGE, usage_place, "unknown option '" STR_FMT "'", STR_ARG(bare));
    if (bare.len > 2 && bare.ptr[0] == '-' && bare.ptr[1] == '-') {
        Suggest suggest = suggest_start((Str){bare.ptr + 2, bare.len - 2});
        for (const struct option *entry = parse->table; entry->name != NULL; ++entry) {
            suggest_consider(&suggest, str_from(entry->name));
        }
        if (!str_is_empty(suggest.best)) {
            diag_help(parse->diag, "did you mean '--" STR_FMT "'?", STR_ARG(suggest.best));
            return;
        }
    }
    diag_help(parse->diag, "`cnnc --help` lists the options");
}

static bool parse_count(Parse *parse, const char *option, const char *text, int32_t least, int32_t limit,
                        int32_t *value)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > limit) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--%s wants a whole number from %d to %d, not '%s'", option,
                      (int)least, (int)limit, text);
        return false;
    }
    *value = (int32_t)number;
    return true;
}

static bool parse_define(Parse *parse, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0') {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "-D wants NAME=VALUE, not '%s'", text);
        diag_help(parse->diag, "for example: -D classes=10");
        return false;
    }
    FrontendOptions *frontend = &parse->options->frontend;
    Str name = {text, (size_t)(equals - text)};
    for (size_t i = 0; i < frontend->n_defines; ++i) {
        if (str_equal(frontend->defines[i].name, name)) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "-D " STR_FMT " is given twice", STR_ARG(name));
            return false;
        }
    }
    Definement *defines = arena_grow(parse->arena, (void *)frontend->defines, frontend->n_defines,
                                     &parse->define_capacity, sizeof *defines);
    defines[frontend->n_defines++] = (Definement){name, str_from(equals + 1)};
    frontend->defines = defines;
    return true;
}

static void parse_include(Parse *parse, const char *text)
{
    FrontendOptions *frontend = &parse->options->frontend;
    Str *dirs = arena_grow(parse->arena, (void *)frontend->include_dirs, frontend->n_include_dirs,
                           &parse->include_capacity, sizeof *dirs);
    dirs[frontend->n_include_dirs++] = str_from(text);
    frontend->include_dirs = dirs;
}

static bool parse_emit(Parse *parse, const char *text)
{
    Suggest suggest = suggest_start(str_from(text));
    for (size_t i = 0; i < N_EMIT_STAGES; ++i) {
        if (strcmp(text, emit_stages[i].name) == 0) {
            parse->options->emit = emit_stages[i].stage;
            return true;
        }
        suggest_consider(&suggest, str_from(emit_stages[i].name));
    }
    diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                  "--emit wants ast, graph, dot, program, plan, c or onnx, not '%s'", text);
    if (!str_is_empty(suggest.best)) {
        diag_help(parse->diag, "did you mean '" STR_FMT "'?", STR_ARG(suggest.best));
    }
    return false;
}

static bool parse_print_after(Parse *parse, const char *text)
{
    size_t n_passes = pass_count();
    if (strcmp(text, "all") == 0) {
        for (size_t i = 0; i < n_passes; ++i) {
            parse->options->print_after[i] = true;
        }
        return true;
    }
    const Pass *pass = pass_find(str_from(text));
    if (pass != NULL) {
        parse->options->print_after[pass - pass_pipeline] = true;
        return true;
    }
    diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--print-after names no pass: '%s'", text);
    Suggest suggest = suggest_start(str_from(text));
    for (size_t i = 0; i < n_passes; ++i) {
        suggest_consider(&suggest, str_from(pass_pipeline[i].name));
    }
    if (!str_is_empty(suggest.best)) {
        diag_help(parse->diag, "did you mean '" STR_FMT "'?", STR_ARG(suggest.best));
    } else {
        diag_help(parse->diag, "`cnnc --help-passes` lists the passes; `all` stands for every one");
    }
    return false;
}

static bool parse_tune(Parse *parse, bool tunes, const char *file)
{
    Options *options = parse->options;
    if (file != NULL && *file == '\0') {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--%s= wants a file", tunes ? "tune" : "tuned");
        diag_help(parse->diag, "without `=` it is cnnc.tune in the current folder");
        return false;
    }
    if (!str_is_empty(options->tuned)) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                      "--tune and --tuned each name the database: give one of them, once");
        return false;
    }
    options->tunes = tunes;
    options->tuned = file == NULL ? STR("cnnc.tune") : str_from(file);
    return true;
}

static bool parse_weights(Parse *parse, const char *text)
{
    if (*text == '\0') {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--weights wants FILE.safetensors, formula or random:SEED");
        return false;
    }
    if (strncmp(text, "random", 6) == 0 && (text[6] == '\0' || text[6] == ':')) {
        char *end = NULL;
        errno = 0;
        bool is_digit = text[6] == ':' && text[7] >= '0' && text[7] <= '9';
        if (is_digit) {
            (void)strtoull(text + 7, &end, 10);
        }
        if (!is_digit || errno != 0 || *end != '\0') {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                          "--weights=random wants a seed of at most 64 bits, not '%s'", text);
            diag_help(parse->diag, "for example: --weights=random:1");
            return false;
        }
    }
    parse->options->weights = str_from(text);
    return true;
}

/* --- targets */

static bool fault_unknown_target(Parse *parse, Str name)
{
    StrBuf known = {0};
    for (const Target *target = targets; target->name != NULL; ++target) {
        strbuf_printf(&known, "%s, ", target->name);
    }
    strbuf_printf(&known, "native");
    diag_error_in(parse->diag, DIAG_USAGE, usage_place, "unknown target '" STR_FMT "'", STR_ARG(name));
    diag_help(parse->diag, "targets: " STR_FMT, STR_ARG(strbuf_view(&known)));
    strbuf_free(&known);
    return false;
}

/* Whether `target` can stand beside those that are in the list already. */
static bool check_beside(Parse *parse, const Target *target)
{
    const Options *options = parse->options;
    for (int i = 0; i < options->n_targets; ++i) {
        const Target *other = options->targets[i];
        if (other == target) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--target names %s twice", target->name);
            diag_help(parse->diag, "leave one of them out");
            return false;
        }
        bool both = other->architecture != NULL && target->architecture != NULL;
        if (both && strcmp(other->architecture, target->architecture) != 0) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--target: %s and %s are machines of different kinds",
                          other->name, target->name);
            diag_help(parse->diag, "run cnnc once for each kind, with another -o");
            return false;
        }
        if (both && other->level == target->level) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                          "--target: %s and %s need the same of a processor, so nothing would choose between them",
                          other->name, target->name);
            diag_help(parse->diag, "leave one of them out");
            return false;
        }
        const Target *vector = other->architecture != NULL ? other : target;
        if (vector->level == 1) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                          "--target: every machine for %s runs its code, so nothing would choose portable",
                          vector->name);
            diag_help(parse->diag, "give one of them: --target=%s", vector->name);
            return false;
        }
    }
    return true;
}

/* NAME, or NAMES of one file set: sorted, so that the same set makes the same files. */
static bool parse_target(Parse *parse, const char *text)
{
    Options *options = parse->options;
    bool is_list = strchr(text, ',') != NULL;
    options->n_targets = 0;
    for (const char *at = text; at != NULL; at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL) {
        Str name = {at, strcspn(at, ",")};
        if (is_list && str_is_empty(name)) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--target wants names between its commas, not '%s'",
                          text);
            diag_help(parse->diag, "for example: --target=x86-64-v2,x86-64-v3,x86-64-v4");
            return false;
        }
        if (is_list && str_equal(name, STR("native"))) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                          "--target=native is one machine: it does not go with others");
            diag_help(parse->diag, "name all of them: native is %s here", target_find(name)->name);
            return false;
        }
        const Target *target = target_find(name);
        if (target == NULL) {
            return fault_unknown_target(parse, name);
        }
        if (!check_beside(parse, target)) {
            return false;
        }
        int place = options->n_targets++; /* there are TARGETS_MAX that go together */
        for (; place > 0 && options->targets[place - 1]->level < target->level; --place) {
            options->targets[place] = options->targets[place - 1];
        }
        options->targets[place] = target;
    }
    return true;
}

/* One option that getopt has recognised; false after an error. */
static bool take_option(Parse *parse, int code, const char *value)
{
    Options *options = parse->options;
    switch (code) {
    case 'D':
        return parse_define(parse, value);
    case 'I':
        parse_include(parse, value);
        return true;
    case 'o':
        if (*value == '\0') {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "-o wants the name of the file to write");
            diag_help(parse->diag, "for example: -o lenet5.c");
            return false;
        }
        options->output = str_from(value);
        return true;
    case 'h':
    case CODE_HELP:
        options->command = COMMAND_HELP;
        return true;
    case CODE_HELP_OPS:
        options->command = COMMAND_HELP_OPS;
        return true;
    case CODE_HELP_PASSES:
        options->command = COMMAND_HELP_PASSES;
        return true;
    case CODE_VERSION:
        options->command = COMMAND_VERSION;
        return true;
    case CODE_LIST_ZOO:
        options->command = COMMAND_LIST_ZOO;
        return true;
    case CODE_NET:
        options->frontend.net = str_from(value);
        return true;
    case CODE_TRAINING:
        options->frontend.with_training_outputs = true;
        return true;
    case CODE_WEIGHTS:
        return parse_weights(parse, value);
    case CODE_ALLOW_EXTRA:
        options->allow_extra_weights = true;
        return true;
    case CODE_NAME:
        if (*value == '\0') {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--name wants a name for the generated code");
            return false;
        }
        options->name = str_from(value);
        return true;
    case CODE_EMBED:
        options->embed = EMBED_YES;
        return true;
    case CODE_NO_EMBED:
        options->embed = EMBED_NO;
        return true;
    case CODE_BATCH:
        return parse_count(parse, "batch", value, 1, 65536, &options->batch);
    case CODE_THREADS:
        return parse_count(parse, "threads-max", value, 1, 1024, &options->threads_max);
    case CODE_TARGET:
        return parse_target(parse, value);
    case CODE_NO_WINOGRAD:
        options->no_winograd = true;
        return true;
    case CODE_SPLIT_FROM:
        return parse_count(parse, "split-from", value, 0, 1000000, &options->split_from);
    case CODE_DENSE_STORAGE:
        if (!storage_find(str_from(value), &options->dense_storage)) {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--dense-storage wants f32, f16 or bf16, not '%s'",
                          value);
            return false;
        }
        return true;
    case CODE_TUNE:
    case CODE_TUNED:
        return parse_tune(parse, code == CODE_TUNE, value);
    case CODE_TUNED_FOR:
        if (*value == '\0') {
            diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                          "--tuned-for wants a part of a processor's or compiler's name");
            return false;
        }
        options->tuned_for = str_from(value);
        return true;
    case CODE_TUNE_RUNS:
        return parse_count(parse, "tune-runs", value, 1, 100000, &options->tune_runs);
    case CODE_NO_FUSE_PROJECTION:
        options->no_fuse_projection = true;
        return true;
    case CODE_NO_FUSE_PROLOGUE:
        options->no_fuse_prologue = true;
        return true;
    case CODE_SUMMARY:
        options->summary = true;
        return true;
    case CODE_EMIT:
        return parse_emit(parse, value);
    case CODE_PRINT_AFTER:
        return parse_print_after(parse, value);
    case CODE_VERIFY:
        options->verify = true;
        return true;
    case CODE_VERIFY_IR:
        options->verify_ir = true;
        return true;
    case CODE_TIME:
        options->time_passes = true;
        return true;
    }
    options->pass_off[code - CODE_NO_PASS] = true;
    return true;
}

static bool check_tuning(Parse *parse)
{
    const Options *options = parse->options;
    bool lowers = options->emit == EMIT_FILES || options->emit == EMIT_PROGRAM || options->emit == EMIT_PLAN ||
                  options->emit == EMIT_C;
    const char *name = options->tunes ? "--tune" : "--tuned", *fault = NULL, *help = NULL;
    if (str_is_empty(options->tuned)) {
        fault = str_is_empty(options->tuned_for) ? NULL : "-for says nothing without a database";
        help = "add --tuned=FILE";
    } else if (!lowers) {
        fault = " chooses kernels, and this stage comes before them";
        help = "leave it out, or ask for --emit=program, plan or c";
    } else if (options->n_targets > 1) {
        fault = " goes with one target: a database's choices are of one";
        help = "compile for one target, or without choices";
    } else if (options->tunes && options->no_winograd) {
        fault = " times Winograd's convolutions too: it does not go with --no-winograd";
        help = "--tuned goes with --no-winograd: what the database says of other kernels is used";
    } else if (options->tunes && options->command == COMMAND_PACK) {
        fault = " does not go with pack, which must choose as the code did";
        help = "use the database that the code was made with: --tuned=FILE";
    } else if (options->tunes && !str_is_empty(options->tuned_for)) {
        fault = " measures this machine: --tuned-for does not go with it";
        help = "--tuned goes with --tuned-for";
    }
    if (fault != NULL) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "%s%s", name, fault);
        diag_help(parse->diag, "%s", help);
    }
    return fault == NULL;
}

/* Options that do not go together, and what must be there. */
static bool check_options(Parse *parse)
{
    Options *options = parse->options;
    if (options->command != COMMAND_COMPILE && options->command != COMMAND_PACK) {
        return true;
    }
    if (str_is_empty(options->model)) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "no network given");
        diag_help(parse->diag, "for example: cnnc dsl/zoo/lenet5.net -o lenet5.c");
        return false;
    }
    bool ok = true;
    if (options->command == COMMAND_PACK &&
        (options->emit != EMIT_FILES || options->summary || options->embed != EMBED_AUTO)) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                      "pack writes a weights file only: --emit, --summary and --embed-weights do not go with it");
        ok = false;
    }
    if (options->emit != EMIT_FILES && options->summary) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                      "--emit and --summary each print something: give one of them");
        ok = false;
    }
    if (options->emit == EMIT_ONNX && str_is_empty(options->output)) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "--emit=onnx writes a binary file and wants its name");
        diag_help(parse->diag, "add -o MODEL.onnx; -o - is standard output");
        ok = false;
    }
    if (options->emit == EMIT_ONNX && options->batch != 1) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                      "--emit=onnx writes a model of one image a run: leave out --batch");
        ok = false;
    }
    if (options->emit == EMIT_C && options->n_targets > 1) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place,
                      "--emit=c prints one file, and code for several targets is several");
        diag_help(parse->diag, "leave out --emit=c and name the first file: -o MODEL.c");
        ok = false;
    }
    ok = check_tuning(parse) && ok;
    bool writes_c = options->command == COMMAND_COMPILE && options->emit == EMIT_FILES;
    bool ends_in_c = str_without_suffix(options->output, STR(".c")).len < options->output.len;
    if (writes_c && !str_is_empty(options->output) && !ends_in_c) {
        diag_error_in(parse->diag, DIAG_USAGE, usage_place, "-o wants a name that ends in .c, not '" STR_FMT "'",
                      STR_ARG(options->output));
        diag_help(parse->diag, "header and weights are written beside it, as .h and .weights; --emit=c prints the C");
        ok = false;
    }
    return ok;
}

bool options_parse(Arena *arena, Diag *diag, int argc, char **argv, Options *options)
{
    size_t n_passes = pass_count();
    *options = (Options){.batch = 1,
                         .threads_max = 1,
                         .tune_runs = 20,
                         .split_from = SPLIT_FROM,
                         .targets = {target_find(STR("native"))},
                         .n_targets = 1};
    options->pass_off = ARENA_ARRAY(arena, bool, n_passes + 1);
    options->print_after = ARENA_ARRAY(arena, bool, n_passes + 1);
    Parse parse = {.arena = arena, .diag = diag, .options = options, .table = build_table(arena), .ok = true};
    if (argc > 1 && strcmp(argv[1], "pack") == 0) {
        options->command = COMMAND_PACK;
        ++argv;
        --argc;
    }
    opterr = 0;
    optind = 0; /* start afresh: tests parse many command lines */
    int code;
    while ((code = getopt_long(argc, argv, ":hD:I:o:", parse.table, NULL)) != -1) {
        if (code == '?' || code == ':') {
            const char *written = argv[optind - 1];
            bool is_long = written[0] == '-' && written[1] == '-';
            if (code == ':') {
                diag_error_in(diag, DIAG_USAGE, usage_place, "option '%s' needs a value", written);
            } else if (is_long && strchr(written, '=') != NULL && optopt != 0) {
                diag_error_in(diag, DIAG_USAGE, usage_place, "option '%s' takes no value", written);
            } else {
                fault_unknown_option(&parse, is_long ? written : arena_printf(arena, "-%c", optopt).ptr);
            }
            parse.ok = false;
        } else if (!take_option(&parse, code, optarg)) {
            parse.ok = false;
        }
    }
    for (int i = optind; i < argc; ++i) {
        if (str_is_empty(options->model)) {
            options->model = str_from(argv[i]);
        } else {
            diag_error_in(diag, DIAG_USAGE, usage_place, "one network at a time: '%s' is the second", argv[i]);
            parse.ok = false;
        }
    }
    if (parse.ok) {
        parse.ok = check_options(&parse);
    }
    return parse.ok;
}
