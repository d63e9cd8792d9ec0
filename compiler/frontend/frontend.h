/* Front end: .net text -> AST -> graph. */
#ifndef CNNC_FRONTEND_FRONTEND_H
#define CNNC_FRONTEND_FRONTEND_H

#include "frontend/ast.h"
#include "ir/graph.h"

typedef struct Definement { /* -D name=value */
    Str name, value;        /* value as typed: an expression of literals, or a bare word taken as a string */
} Definement;

typedef struct FrontendOptions {
    const Str *include_dirs; /* -I, in order */
    size_t n_include_dirs;
    const Definement *defines;
    size_t n_defines;
    Str net; /* --net; empty: the file's only net, or the one named like the file */
    bool with_training_outputs;
} FrontendOptions;

/* Loads and parses a file and, once each, everything it imports (relative to the importing file, then the
 * include dirs). Reports to diag; NULL where the main file could not be read. The result may hold EXPR_ERROR and
 * STMT_ERROR nodes when diag has errors. */
AstFile *frontend_parse(Arena *arena, Sources *sources, Diag *diag, Str path, const FrontendOptions *options);

/* Parses a text that is already at hand (tests, fuzzers); imports resolve relative to `path`. */
AstFile *frontend_parse_text(Arena *arena, Sources *sources, Diag *diag, Str path, Str text,
                             const FrontendOptions *options);

/* Elaborates one net to a graph in `arena`; NULL where diag got an error. The graph passes graph_verify. */
Graph *frontend_elaborate(Arena *arena, const Sources *sources, Diag *diag, const AstFile *file,
                          const FrontendOptions *options);

#endif
