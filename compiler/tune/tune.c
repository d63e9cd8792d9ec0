/* Tuning for the driver: the database's file, the section, the search if wanted. */
#include "tune/tune.h"

#include <inttypes.h>
#include <stdlib.h>

#include "support/file.h"
#include "tune/database.h"
#include "tune/machine.h"
#include "tune/search.h"

typedef struct Tune {
    const TuneContext *context;
    const TuneOptions *options;
    const Graph *graph;
    const Target *target;
    TuningDatabase *database;
    TuningSection *section;
    Interrupts interrupts; /* held while there are files to be removed */
} Tune;

/* A new database where the file is missing and will be made. */
static bool read_database(Tune *tune)
{
    const TuneContext *c = tune->context;
    Str path = tune->options->file, text, reason;
    const char *name = arena_cstr(c->arena, path);
    if (tune->options->measures && !file_exists(name)) {
        tune->database = tuning_create(c->arena);
        return true;
    }
    if (!file_read(c->arena, name, TUNING_MOST_BYTES, &text, &reason)) {
        diag_error_in(c->diag, DIAG_FILE_UNREADABLE, path, "cannot read the tuning database: " STR_FMT,
                      STR_ARG(reason));
        if (file_exists(name)) {
            diag_help(c->diag, "give a file that can be read, or another name");
        } else {
            diag_help(c->diag, "--tune=" STR_FMT " makes it", STR_ARG(path));
        }
        return false;
    }
    tune->database = tuning_parse(c->arena, c->sources, c->diag, path, text);
    return tune->database != NULL;
}

static bool check_target(const Tune *tune)
{
    const TuneContext *c = tune->context;
    Str where = STR("cnnc");
    if (tune->target->vector_floats == 1) {
        diag_error_in(c->diag, DIAG_USAGE, where, "target %s has nothing to tune", tune->target->name);
        diag_help(c->diag, "choose a target of vectors, for example --target=native");
        return false;
    }
    if (tune->options->measures && !target_runs_here(tune->target)) {
        diag_error_in(c->diag, DIAG_TUNING_FAILED, where,
                      "this machine cannot run code for target %s, so it cannot time it", tune->target->name);
        diag_help(c->diag, "run --tune on a machine that can, and bring its database here for --tuned");
        return false;
    }
    return true;
}

/* --- measuring */

static void say_result(const Tune *tune, const TuneResult *result)
{
    StrBuf *log = tune->context->log;
    if (result->n_convs == 0) {
        strbuf_printf(log, "cnnc: " STR_FMT " has all convolutions of this network: nothing was timed\n",
                      STR_ARG(tune->options->file));
        return;
    }
    if (result->table.len > 0) {
        strbuf_printf(log, "cnnc: where the rules are slower, in microseconds:\n   rules    tuned\n" STR_FMT,
                      STR_ARG(strbuf_view(&result->table)));
    }
    strbuf_printf(
        log, "cnnc: timed %u kind%s of convolution: %.3f ms as tuned, %.3f ms by the rules; written to " STR_FMT "\n",
        result->n_convs, result->n_convs == 1 ? "" : "s", result->tuned, result->by_rules,
        STR_ARG(tune->options->file));
}

static bool measure(Tune *tune, FileOutput *file)
{
    const TuneContext *c = tune->context;
    const char *cc = getenv("CC");
    Timing timing = {.arena = c->arena,
                     .diag = c->diag,
                     .target = tune->target,
                     .cc = str_from(cc == NULL || *cc == '\0' ? "cc" : cc),
                     .rounds = tune->options->runs,
                     .interrupts = &tune->interrupts,
                     .report = c->report,
                     .user = c->user};
    Str version, target = str_from(tune->target->name), cpu = machine_cpu(c->arena);
    if (!timing_compiler_version(&timing, &version)) {
        return false;
    }
    Str compiler = arena_printf(c->arena, STR_FMT " -O3", STR_ARG(machine_compiler_of(c->arena, version)));
    tune->section = tuning_find(tune->database, target, cpu, compiler);
    if (tune->section == NULL) {
        tune->section = tuning_add_section(tune->database, target, cpu, compiler);
    }
    TuneResult result;
    bool ok = tune_search(&timing, tune->graph, tune->database, tune->section, &result);
    if (ok) {
        StrBuf text = {0};
        tuning_text(tune->database, &text);
        file_output_write(file, text.ptr, text.len);
        strbuf_free(&text);
        say_result(tune, &result);
    }
    strbuf_free(&result.table);
    return ok;
}

/* The file is opened before anything is timed: one that cannot be written shows at once. */
static bool measure_into_file(Tune *tune)
{
    const TuneContext *c = tune->context;
    Str path = tune->options->file, reason;
    interrupts_hold(&tune->interrupts);
    FileOutputs *files = file_outputs_create(c->arena);
    FileOutput *file = file_output_open(files, path, &reason);
    bool written = file != NULL, ok = written && measure(tune, file);
    if (ok) {
        written = ok = file_outputs_commit(files, &path, &reason);
    }
    if (!written) {
        diag_error_in(c->diag, DIAG_FILE_UNWRITABLE, path, "cannot write the tuning database: " STR_FMT,
                      STR_ARG(reason));
        diag_help(c->diag, "name a file that can be written: --tune=FILE");
    }
    file_outputs_discard(files);
    interrupts_release(&tune->interrupts);
    return ok;
}

bool tune_choices(const TuneContext *context, const TuneOptions *options, const Graph *graph, const Target *target,
                  Tuning *tuning)
{
    Tune tune = {.context = context, .options = options, .graph = graph, .target = target};
    Arena *arena = context->arena;
    if (!check_target(&tune) || !read_database(&tune)) {
        return false;
    }
    if (options->measures) {
        if (!measure_into_file(&tune)) {
            return false;
        }
    } else {
        tune.section = tuning_choose_section(tune.database, context->diag, options->file, str_from(target->name),
                                             options->wanted, machine_cpu(arena));
        if (tune.section == NULL) {
            return false;
        }
    }
    tuning->choices = tune.section->choices;
    tuning->note = arena_printf(arena, STR_FMT ", " STR_FMT ", choices %016" PRIx64, STR_ARG(tune.section->cpu),
                                STR_ARG(tune.section->compiler), tuning_digest(tune.section, graph, target));
    return true;
}
