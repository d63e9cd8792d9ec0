/* The driver: model.net -> AST -> graph -> passes -> program -> C, one function a station, in the order of the picture
 * in README.md. Nothing is written before everything has succeeded. */
#include "driver.h"

#include <stdlib.h>
#include <unistd.h>

#include "backend/emit.h"
#include "interp/interp.h"
#include "outputs.h"
#include "report/report.h"
#include "support/path.h"
#include "tune/tune.h"
#include "version.h"
#include "zoo.h"

/* One run of the compiler. */
typedef struct Driver {
    const Options *options;
    const Options *given; /* as on the command line: zoo:VARIANT stays so */
    Arena *arena;
    Sources *sources;
    Diag *diag;
    StrBuf *out, *log;
    Progress progress;
    Weights *weights; /* NULL: none given */
    Tuning tuning;    /* all empty: the rules decide */
} Driver;

/* Base name of outputs where -o names none. */
static Str output_stem(const Driver *d)
{
    return str_is_empty(d->options->stem) ? path_name(str_without_suffix(d->options->model, STR(".net")))
                                          : d->options->stem;
}

/* --- weights */

/* MODEL.safetensors beside MODEL.net, or NET.safetensors for another net of the file; empty where there is none. */
static Str weights_beside(Driver *d)
{
    Str stem = str_without_suffix(d->options->model, STR(".net"));
    Str net = str_is_empty(d->options->stem) ? d->options->frontend.net : d->options->stem;
    if (!str_is_empty(net) && !str_equal(net, path_name(stem))) {
        stem = arena_printf(d->arena, STR_FMT STR_FMT, (int)(stem.len - path_name(stem).len), stem.ptr, STR_ARG(net));
    }
    Str beside = arena_printf(d->arena, STR_FMT ".safetensors", STR_ARG(stem));
    return file_exists(beside.ptr) ? beside : STR("");
}

/* Opens what --weights says, or what lies beside the model where values are wanted. False after an error; no weights at
 * all is no error. */
static bool open_weights(Driver *d)
{
    const Options *options = d->options;
    bool wants_values = options->command == COMMAND_PACK || options->verify || options->emit == EMIT_ONNX ||
                        ((options->emit == EMIT_FILES || options->emit == EMIT_C) &&
                         (!options->summary || !str_is_empty(options->output)));
    Str source = options->weights;
    if (str_is_empty(source) && wants_values) {
        source = weights_beside(d);
    }
    if (str_is_empty(source)) {
        return true;
    }
    d->weights = weights_open(d->arena, d->diag, source);
    return d->weights != NULL;
}

/* --- passes */

typedef struct VerifyState {
    Driver *driver;
    InterpVerifier *verifier;
} VerifyState;

static bool verify_after_pass(void *user, const Graph *graph, const char *pass_name)
{
    VerifyState *state = user;
    progress_show(&state->driver->progress,
                  arena_printf(state->driver->arena, "verifying %s", pass_name == NULL ? "the net" : pass_name).ptr, 0,
                  0);
    return interp_verifier_check(state->verifier, graph, pass_name, state->driver->diag);
}

static bool run_passes(Driver *d, Graph *graph)
{
    const Options *options = d->options;
    VerifyState state = {.driver = d};
    PassRun run = {.arena = d->arena,
                   .diag = d->diag,
                   .off = options->pass_off,
                   .print_after = options->print_after,
                   .verify_ir = options->verify_ir || options->verify,
                   .time = options->time_passes,
                   .log = d->log};
    if (options->verify) {
        Weights *weights = d->weights != NULL ? d->weights : weights_formula(d->arena);
        state.verifier = interp_verifier_create(d->arena, weights);
        run.check = verify_after_pass;
        run.check_user = &state;
    }
    bool ok = state.verifier == NULL || verify_after_pass(&state, graph, NULL);
    ok = ok && passes_run(&run, graph);
    if (state.verifier != NULL) {
        interp_verifier_destroy(state.verifier);
        progress_end(&d->progress);
    }
    if (ok && options->verify) {
        strbuf_printf(d->log, "cnnc: verified: every pass keeps the results of '" STR_FMT "'\n", STR_ARG(graph->name));
    }
    return ok;
}

/* --- output files */

/* "-D classes=10 --batch=4": what a reader must know to make the same code again; no paths. */
static Str settings_text(Driver *d, const Options *options)
{
    Str text = STR("");
    for (size_t i = 0; i < options->frontend.n_defines; ++i) {
        const Definement *define = &options->frontend.defines[i];
        text = arena_printf(d->arena, STR_FMT " -D " STR_FMT "=" STR_FMT, STR_ARG(text), STR_ARG(define->name),
                            STR_ARG(define->value));
    }
    if (options->frontend.with_training_outputs) {
        text = arena_printf(d->arena, STR_FMT " --with-training-outputs", STR_ARG(text));
    }
    if (options->batch != 1) {
        text = arena_printf(d->arena, STR_FMT " --batch=%d", STR_ARG(text), (int)options->batch);
    }
    for (int i = 0; i < options->n_targets; ++i) { /* always: the default is another one on another machine */
        text = arena_printf(d->arena, STR_FMT "%s%s", STR_ARG(text), i == 0 ? " --target=" : ",",
                            options->targets[i]->name);
    }
    if (options->no_winograd) {
        text = arena_printf(d->arena, STR_FMT " --no-winograd", STR_ARG(text));
    }
    if (options->no_fuse_projection) {
        text = arena_printf(d->arena, STR_FMT " --no-fuse-projection", STR_ARG(text));
    }
    if (options->no_fuse_prologue) {
        text = arena_printf(d->arena, STR_FMT " --no-fuse-prologue", STR_ARG(text));
    }
    if (options->dense_storage != STORE_F32) {
        text =
            arena_printf(d->arena, STR_FMT " --dense-storage=%s", STR_ARG(text), storage_name(options->dense_storage));
    }
    if (options->threads_max != 1) {
        text = arena_printf(d->arena, STR_FMT " --threads-max=%d", STR_ARG(text), (int)options->threads_max);
    }
    if (options->threads_max != 1 && options->split_from != SPLIT_FROM) {
        text = arena_printf(d->arena, STR_FMT " --split-from=%d", STR_ARG(text), (int)options->split_from);
    }
    for (size_t i = 0; pass_pipeline[i].name != NULL; ++i) {
        if (options->pass_off[i]) {
            text = arena_printf(d->arena, STR_FMT " --no-%s", STR_ARG(text), pass_pipeline[i].name);
        }
    }
    return text.len > 0 ? (Str){text.ptr + 1, text.len - 1} : text;
}

/* The same for generated code, which was made with these choices, wherever they are kept. */
static Str settings_of_code(Driver *d)
{
    Str text = settings_text(d, d->options);
    if (d->tuning.choices == NULL) {
        return text;
    }
    return arena_printf(d->arena, STR_FMT "%s--tuned (" STR_FMT ")", STR_ARG(text), text.len > 0 ? " " : "",
                        STR_ARG(d->tuning.note));
}

/* The contents of the blob without its header, as 64-byte aligned floats of the arena; NULL after an error. */
static const float *weights_in_memory(Driver *d, const Program *program)
{
    StrBuf blob = {0};
    float *values = NULL;
    if (outputs_blob_in_memory(d->diag, &d->progress, program, d->weights, &blob)) {
        size_t bytes = blob.len - BLOB_HEADER_BYTES;
        values = ARENA_ARRAY(d->arena, float, bytes / sizeof(float) + 1);
        memcpy(values, blob.ptr + BLOB_HEADER_BYTES, bytes);
    }
    strbuf_free(&blob);
    return values;
}

static bool decide_embedding(Driver *d, const Program *program, bool *embeds)
{
    enum { EMBED_BELOW_BYTES = 1 << 20 };
    if (d->options->embed == EMBED_YES && d->weights == NULL) {
        diag_error_in(d->diag, DIAG_USAGE, STR("cnnc"), "--embed-weights needs weights");
        diag_help(d->diag, "add --weights=FILE.safetensors");
        return false;
    }
    *embeds = d->options->embed == EMBED_YES ||
              (d->options->embed == EMBED_AUTO && d->weights != NULL && program->blob_bytes < EMBED_BELOW_BYTES);
    return true;
}

static void say_how_to_pack(Driver *d, Str stem)
{
    Str model = d->given->model;
    strbuf_printf(d->log, "cnnc: no weights given: wrote the code only. To make its weights file:\n");
    strbuf_printf(d->log, "      cnnc pack " STR_FMT " --weights=W.safetensors -o " STR_FMT ".weights", STR_ARG(model),
                  STR_ARG(stem));
    Str settings = settings_text(d, d->given);
    strbuf_printf(d->log, "%s" STR_FMT, settings.len > 0 ? " " : "", STR_ARG(settings));
    if (!str_is_empty(d->given->tuned)) {
        strbuf_printf(d->log, " --tuned=" STR_FMT, STR_ARG(d->given->tuned));
    }
    if (!str_is_empty(d->given->tuned_for)) {
        strbuf_printf(d->log, " '--tuned-for=" STR_FMT "'", STR_ARG(d->given->tuned_for));
    }
    strbuf_char(d->log, '\n');
}

/* "resnet50_x86_64_v4.c": where the code of one target of several lies. */
static void write_target_files(Driver *d, Outputs *outputs, const ProgramSet *set, const EmitOptions *emit, Str stem)
{
    for (int i = 0; i < set->n_programs; ++i) {
        StrBuf source = {0};
        emit_target_source(set->programs[i], emit, &source);
        Str suffix = emit_target_suffix(d->arena, set->programs[i]->target);
        outputs_text(outputs, arena_printf(d->arena, STR_FMT STR_FMT ".c", STR_ARG(stem), STR_ARG(suffix)),
                     strbuf_view(&source));
        strbuf_free(&source);
    }
}

/* Writes MODEL.c, MODEL.h and, unless embedded or without weights, MODEL.weights; or prints the C for --emit=c. */
static bool write_code(Driver *d, const ProgramSet *set, Str prefix)
{
    const Program *program = set->whole;
    bool embeds = false;
    if (!decide_embedding(d, program, &embeds)) {
        return false;
    }
    Str model_stem = output_stem(d);
    bool prints = d->options->emit == EMIT_C;
    Str stem =
        !prints && !str_is_empty(d->options->output) ? str_without_suffix(d->options->output, STR(".c")) : model_stem;
    Str name = path_name(stem);
    const float *embedded = embeds ? weights_in_memory(d, program) : NULL;
    if (embeds && embedded == NULL) {
        return false;
    }
    EmitOptions emit = {.prefix = prefix,
                        .header_name = arena_printf(d->arena, STR_FMT ".h", STR_ARG(name)),
                        .weights_name = embeds ? STR("") : arena_printf(d->arena, STR_FMT ".weights", STR_ARG(name)),
                        .embedded = embedded,
                        .settings = settings_of_code(d),
                        .set = set->n_programs > 1 ? set : NULL};
    StrBuf source = {0}, header = {0};
    emit_source(program, &emit, &source);
    emit_header(program, &emit, &header);

    Outputs outputs = outputs_start(d->arena, d->diag, &d->progress);
    if (prints && str_is_empty(d->options->output)) {
        strbuf_append(d->out, strbuf_view(&source));
    } else if (prints) {
        outputs_text(&outputs, d->options->output, strbuf_view(&source));
    } else {
        outputs_text(&outputs, arena_printf(d->arena, STR_FMT ".c", STR_ARG(stem)), strbuf_view(&source));
        outputs_text(&outputs, arena_printf(d->arena, STR_FMT ".h", STR_ARG(stem)), strbuf_view(&header));
        if (emit.set != NULL) {
            write_target_files(d, &outputs, set, &emit, stem);
        }
        if (d->weights != NULL && !embeds && program->n_segments > 0) {
            outputs_blob(&outputs, arena_printf(d->arena, STR_FMT ".weights", STR_ARG(stem)), program, d->weights);
        }
    }
    strbuf_free(&source);
    strbuf_free(&header);
    bool ok = outputs_finish(&outputs);
    if (ok && !prints && d->weights == NULL && program->n_segments > 0) {
        say_how_to_pack(d, stem);
    }
    return ok;
}

static bool write_pack(Driver *d, const Program *program)
{
    if (d->weights == NULL) {
        diag_error_in(d->diag, DIAG_USAGE, STR("cnnc"), "pack needs weights");
        diag_help(d->diag, "add --weights=FILE.safetensors");
        return false;
    }
    Str path = d->options->output;
    if (str_is_empty(path)) {
        path = arena_printf(d->arena, STR_FMT ".weights", STR_ARG(output_stem(d)));
    }
    Outputs outputs = outputs_start(d->arena, d->diag, &d->progress);
    outputs_blob(&outputs, path, program, d->weights);
    return outputs_finish(&outputs);
}

/* --- ONNX */

static bool reads_weights(const Graph *graph)
{
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        if (node_is_constant(graph->nodes[i]) && graph->nodes[i]->attr.constant.expr == CONST_WEIGHT) {
            return true;
        }
    }
    return false;
}

/* -o, and, for large nets, the data file beside it. */
static bool write_onnx_files(Driver *d, const OnnxModel *model)
{
    Str path = d->options->output, data_path = arena_printf(d->arena, STR_FMT ".data", STR_ARG(path));
    bool is_large = onnx_model_bytes(model) > ONNX_INLINE_LIMIT;
    if (is_large && str_equal(path, STR("-"))) {
        diag_error_in(d->diag, DIAG_USAGE, STR("cnnc"),
                      "a model this large needs a data file beside it, so it cannot go to standard output");
        diag_help(d->diag, "name a file: -o MODEL.onnx");
        return false;
    }
    Outputs outputs = outputs_start(d->arena, d->diag, &d->progress);
    outputs_onnx(&outputs, path, data_path, model, d->weights);
    return outputs_finish(&outputs);
}

static bool write_onnx(Driver *d, const Graph *graph)
{
    if (d->weights == NULL && reads_weights(graph)) {
        diag_error_in(d->diag, DIAG_USAGE, STR("cnnc"), "--emit=onnx needs weights: they are part of the model");
        diag_help(d->diag, "add --weights=FILE.safetensors, or --weights=formula for made-up numbers");
        return false;
    }
    if (str_equal(d->options->output, STR("-")) && isatty(STDOUT_FILENO)) {
        diag_error_in(d->diag, DIAG_USAGE, STR("cnnc"), "an ONNX model is binary: it is not written to a terminal");
        diag_help(d->diag, "name a file: -o MODEL.onnx");
        return false;
    }
    return write_onnx_files(d, onnx_model_create(d->arena, graph));
}

/* Text of a stage: to -o, or to standard output. */
static bool write_stage(Driver *d, const StrBuf *text)
{
    if (str_is_empty(d->options->output)) {
        strbuf_append(d->out, strbuf_view(text));
        return true;
    }
    Outputs outputs = outputs_start(d->arena, d->diag, &d->progress);
    outputs_text(&outputs, d->options->output, strbuf_view(text));
    return outputs_finish(&outputs);
}

static bool finish_stage(Driver *d, StrBuf *text)
{
    bool ok = write_stage(d, text);
    strbuf_free(text);
    return ok;
}

/* The table is of the net as written, so it is elaborated once more: the passes have changed the graph. An op that the
 * backend lacks costs only the line about memory. */
static void print_summary(Driver *d, const AstFile *file, const Graph *graph, const LowerOptions *lower_options)
{
    Diag *silent = diag_create(d->arena, d->sources);
    Graph *written = frontend_elaborate(d->arena, d->sources, silent, file, &d->options->frontend);
    if (written != NULL) {
        const ProgramSet *set =
            lower_set(d->arena, graph, lower_options, d->options->targets, d->options->n_targets, silent);
        summary_print(written, set != NULL ? set->whole : NULL, d->out);
    }
    diag_destroy(silent);
}

/* --- choices of kernels */

static void report_tuning(void *user, const char *what, int64_t done, int64_t total)
{
    Driver *d = user;
    progress_bar(&d->progress, what, done, total);
}

/* What --tune or --tuned say; true where neither is given. */
static bool open_tuning(Driver *d, const Graph *graph, const Target *target)
{
    const Options *options = d->options;
    if (str_is_empty(options->tuned)) {
        return true;
    }
    TuneContext context = {
        .arena = d->arena, .sources = d->sources, .diag = d->diag, .log = d->log, .report = report_tuning, .user = d};
    TuneOptions tune = {
        .file = options->tuned, .measures = options->tunes, .wanted = options->tuned_for, .runs = options->tune_runs};
    bool ok = tune_choices(&context, &tune, graph, target, &d->tuning);
    progress_end(&d->progress);
    return ok;
}

/* --- the way of the data */

static bool compile(Driver *d)
{
    const Options *options = d->options;
    StrBuf text = {0};

    AstFile *file = frontend_parse(d->arena, d->sources, d->diag, options->model, &options->frontend);
    if (file == NULL || (options->emit == EMIT_AST && diag_errors(d->diag) > 0)) {
        return false;
    }
    if (options->emit == EMIT_AST) {
        ast_print(file, &text);
        return finish_stage(d, &text);
    }

    /* After syntax errors, too: one run shows the other faults of the file. */
    Graph *graph = frontend_elaborate(d->arena, d->sources, d->diag, file, &options->frontend);
    if (graph == NULL || !open_weights(d)) {
        return false;
    }
    if (d->weights != NULL && !weights_check(d->weights, graph, options->allow_extra_weights, d->diag)) {
        return false;
    }
    if (options->emit == EMIT_ONNX) {
        return write_onnx(d, graph);
    }
    if (!run_passes(d, graph)) {
        return false;
    }
    if (options->emit == EMIT_GRAPH || options->emit == EMIT_DOT) {
        if (options->emit == EMIT_GRAPH) {
            graph_dump(graph, &text);
        } else {
            graph_dot(graph, &text);
        }
        return finish_stage(d, &text);
    }

    LowerOptions lower_options = {.batch = options->batch,
                                  .parts = options->threads_max,
                                  .no_winograd = options->no_winograd,
                                  .no_fuse_projection = options->no_fuse_projection,
                                  .no_fuse_prologue = options->no_fuse_prologue,
                                  .split_from = options->split_from,
                                  .dense_storage = options->dense_storage};
    if (!open_tuning(d, graph, options->targets[0])) { /* one target: options.c sees to it */
        return false;
    }
    lower_options.choices = d->tuning.choices;
    if (options->summary) {
        print_summary(d, file, graph, &lower_options);
        if (str_is_empty(options->output)) {
            return diag_errors(d->diag) == 0;
        }
    }
    const ProgramSet *set = lower_set(d->arena, graph, &lower_options, options->targets, options->n_targets, d->diag);
    if (set == NULL) {
        return false;
    }
    if (options->emit == EMIT_PROGRAM || options->emit == EMIT_PLAN) {
        for (int i = 0; i < set->n_programs; ++i) {
            strbuf_append(&text, i > 0 ? STR("\n") : STR(""));
            if (options->emit == EMIT_PROGRAM) {
                program_dump(set->programs[i], &text);
            } else {
                plan_dump(set->programs[i], &text);
            }
        }
        return finish_stage(d, &text);
    }
    bool named_by_net = str_is_empty(options->name);
    Str prefix = named_by_net ? graph->name : options->name;
    if (!emit_check_names(prefix, named_by_net ? graph->span : (Span){0}, d->diag)) {
        return false;
    }
    return options->command == COMMAND_PACK ? write_pack(d, set->whole) : write_code(d, set, prefix);
}

static void print_passes(StrBuf *out)
{
    for (const Pass *pass = pass_pipeline; pass->name != NULL; ++pass) {
        strbuf_printf(out, "%-18s %s\n", pass->name, pass->doc);
    }
}

int driver_run(const Options *options, Arena *arena, Sources *sources, Diag *diag, StrBuf *out, StrBuf *log)
{
    Options resolved = *options;
    Driver driver = {.options = &resolved,
                     .given = options,
                     .arena = arena,
                     .sources = sources,
                     .diag = diag,
                     .out = out,
                     .log = log};
    bool ok = true;
    progress_start(&driver.progress);
    switch (options->command) {
    case COMMAND_HELP:
        strbuf_append(out, str_from(options_help));
        break;
    case COMMAND_HELP_OPS:
        ops_help(out);
        break;
    case COMMAND_HELP_PASSES:
        print_passes(out);
        break;
    case COMMAND_VERSION:
        strbuf_printf(out, "cnnc %s\n", CNNC_VERSION);
        break;
    case COMMAND_LIST_ZOO:
        ok = zoo_list(arena, diag, out);
        break;
    case COMMAND_COMPILE:
    case COMMAND_PACK:
        ok = zoo_resolve(&resolved, arena, diag) && compile(&driver);
        break;
    }
    weights_close(driver.weights);
    return ok ? EXIT_OK : diag_fired(diag, DIAG_USAGE) > 0 ? EXIT_USAGE : EXIT_INPUT;
}
