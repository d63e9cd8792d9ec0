/* The command line: argv -> Options. No globals; every fault is one clear error. */
#ifndef CNNC_OPTIONS_H
#define CNNC_OPTIONS_H

#include "frontend/frontend.h"
#include "lower/program.h"
#include "passes/pass.h"

typedef enum Command {
    COMMAND_COMPILE, /* cnnc MODEL.net -o MODEL.c */
    COMMAND_PACK,    /* cnnc pack MODEL.net --weights=SOURCE -o MODEL.weights */
    COMMAND_HELP,
    COMMAND_HELP_OPS,
    COMMAND_HELP_PASSES,
    COMMAND_VERSION,
    COMMAND_LIST_ZOO
} Command;

typedef enum EmitStage {
    EMIT_FILES,
    EMIT_AST,
    EMIT_GRAPH,
    EMIT_PROGRAM,
    EMIT_PLAN,
    EMIT_DOT,
    EMIT_C,
    EMIT_ONNX
} EmitStage;
typedef enum EmbedChoice { EMBED_AUTO, EMBED_YES, EMBED_NO } EmbedChoice;

enum { EXIT_OK = 0, EXIT_INPUT = 1, EXIT_USAGE = 2 };

typedef struct Options {
    Command command;
    Str model;  /* path of the .net file, or zoo:VARIANT (see zoo.h) */
    Str stem;   /* base name of outputs; empty: the model's */
    Str output; /* -o; empty: MODEL.c in the current folder, or standard output with --emit */
    FrontendOptions frontend;
    Str name;    /* --name: prefix of all C names; empty: the net's name */
    Str weights; /* --weights; empty: MODEL.safetensors beside the model where it exists */
    bool allow_extra_weights;
    const Target *targets[TARGETS_MAX]; /* of --target, widest vectors first; default: native */
    int n_targets;
    int32_t batch, threads_max;
    bool no_winograd, no_fuse_projection, no_fuse_prologue;
    Storage dense_storage;
    int32_t split_from;
    bool tunes;    /* --tune: measure what the database lacks */
    Str tuned;     /* --tune, --tuned: the database; empty: the rules decide */
    Str tuned_for; /* --tuned-for; empty: this machine */
    int32_t tune_runs;
    EmitStage emit;
    EmbedChoice embed;
    bool summary, verify, verify_ir, time_passes;
    bool *pass_off, *print_after; /* by index in pass_pipeline */
} Options;

/* Fills *options; reports to diag (DIAG_USAGE) and returns false where the command line is wrong. */
bool options_parse(Arena *arena, Diag *diag, int argc, char **argv, Options *options);
extern const char options_help[]; /* text of --help */

#endif
