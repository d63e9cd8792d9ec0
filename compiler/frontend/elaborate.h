/* What the parts of the elaborator share. The entry is frontend_elaborate (frontend.h); this header is for the files
 * elaborate*.c, operators.c, builtins.c, op_args.c,
 * names.c, paths.c, resolve.c and defines.c alone.
 *
 * Errors: a part that finds one calls elaborate_error and returns value_error(); whoever gets that value says nothing
 * more about it. Nothing stops at the first error, so one run reports all independent ones. Only when a bound is hit
 * or the list of errors is full is `halted` set; then every loop winds down without reports. */
#ifndef CNNC_FRONTEND_ELABORATE_H
#define CNNC_FRONTEND_ELABORATE_H

#include "frontend/frontend.h"
#include "frontend/value.h"
#include "support/map.h"
#include "support/suggest.h"

enum {
    ELABORATE_MAX_NODES = 1000000,
    ELABORATE_MAX_STEPS = 10000000, /* statements, loop turns, calls, items compared or copied */
    ELABORATE_MAX_CALLS = 256,      /* depth of block calls */
    ELABORATE_MAX_DEPTH = 2000,     /* of nested expressions and bodies, over all calls: bounds our own stack */
    ELABORATE_MAX_BYTES = 256 * 1024 * 1024, /* of all lists and strings together */
    ELABORATE_MAX_PATH = 1000                /* bytes of a weight's name without its role */
};

/* --- names of definitions */

typedef struct FileScope { /* one loaded file */
    const AstFile *file;
    struct Block *blocks; /* one for each definition, blocks and nets */
    Map *visible;         /* name -> Block: its own and its imports', theirs included */
} FileScope;

typedef struct Block { /* a definition and the file whose names it sees */
    const Definition *definition;
    const FileScope *home;
    bool active; /* being elaborated: another call is a recursion */
} Block;

/* --- variables */

typedef struct Variable Variable;
struct Variable {
    Value value;
    const struct Frame *frame;
    struct Symbol *symbol;
    Variable *hidden; /* the binding of the same name that this one hides: an outer frame's, or around a loop */
    Variable *older;  /* declared before this one in the same frame */
    uint32_t level;   /* of the body that declared it */
    Span declared;
};

typedef struct Symbol { /* a name; one for all frames */
    Str name;
    Variable *top;        /* innermost binding, or NULL */
    uint64_t ended_frame; /* serial of the frame in which a binding ended last, and where it was declared: for a hint */
    Span ended;
} Symbol;

/* --- scopes of weight names */

typedef struct NameScope {
    Str path;                   /* "layer1.0"; empty at the net's own level */
    bool is_shared;             /* opened by `as shared`, or within such a scope */
    uint32_t ordinal[OP_COUNT]; /* calls without `as` so far, by the first op of the same stem */
} NameScope;

typedef struct Frame { /* one call of a block, or the net */
    struct Frame *caller;
    Block *block;
    NameScope *scope;
    Variable *variables; /* newest first */
    uint32_t level;      /* of the innermost body */
    uint32_t depth;      /* number of callers */
    uint64_t serial;
    bool is_broken; /* a statement could not be parsed: unknown names are no news here */
    bool has_returned;
    Value result;
    CallSite site;        /* meaningless for the net */
    const CallSite *kept; /* its copy in the arena, once something refers to it */
} Frame;

typedef struct WeightEntry {
    Node *constant;
    Node *reader; /* the first one */
    bool is_shared;
} WeightEntry;

typedef struct Elaborator {
    Arena *arena;
    const Sources *sources;
    Diag *diag;
    const FrontendOptions *options;
    Graph *graph;
    bool had_errors; /* before elaboration: names and definitions may be missing because of them, so that an unknown
                        name is only reported where it is near to a known one */
    bool halted;
    bool reported; /* whether the last elaborate_error was new, and so its notes are */
    struct {
        DiagId id;
        Span span;
    } reports[2 * DIAG_MAX_ERRORS]; /* one place says one thing once, however often a loop comes by; DIAG_COUNT: see
                                       elaborate_has_failed */
    size_t n_reports;

    FileScope **files;
    size_t n_files, file_capacity;
    Map *symbols;
    Variable *free_variables;
    Map *weights;     /* full name -> WeightEntry */
    Map *ports;       /* inputs and outputs by name -> NameRef */
    size_t n_outputs; /* declared, also those whose value is an error */

    Frame *frame; /* NULL outside of the net */
    uint64_t n_frames;
    uint32_t depth;
    int64_t steps;
    size_t bytes; /* of lists and strings */
    Value *stack; /* evaluated arguments of the calls under way */
    size_t stack_count, stack_capacity;
} Elaborator;

/* --- elaborate.c: reports and bounds */
/* Reports with the chain of calls. False where it was reported before, or the elaboration has stopped. */
bool elaborate_error(Elaborator *el, DiagId id, Span span, const char *format, ...) PRINTF(4, 5);
/* These belong to the error just reported. */
void elaborate_note(Elaborator *el, Span span, const char *format, ...) PRINTF(3, 4);
void elaborate_help(Elaborator *el, const char *format, ...) PRINTF(2, 3);
void elaborate_suggest(Elaborator *el, Suggest suggest); /* "did you mean" where there is a near name */
/* A call whose fault is known already, so that nothing more is said of it: graph_add reported it, in an earlier turn of
 * a loop perhaps, or it repeats the names of weights. */
bool elaborate_has_failed(const Elaborator *el, Span span);
void elaborate_note_failure(Elaborator *el, Span span);
/* Takes `count` steps from the bound; false, after an error, once it is used up. */
bool elaborate_step(Elaborator *el, Span span, int64_t count);
/* Takes memory of lists and strings from the bound. */
bool elaborate_memory(Elaborator *el, Span span, size_t bytes);
/* Enters and leaves a nested expression or body; enter reports and returns false where it is too deep. */
bool elaborate_enter(Elaborator *el, Span span);
void elaborate_leave(Elaborator *el);
/* The chain of calls at this point, NULL at the net's own level; lives in the arena. */
const CallSite *elaborate_site(Elaborator *el);

/* --- elaborate_expr.c */
Value elaborate_expr(Elaborator *el, const Expr *expr);    /* exactly one value, or an error */
Value elaborate_results(Elaborator *el, const Expr *expr); /* what several names may take: maybe VAL_RESULTS */

/* --- elaborate_stmt.c */
void elaborate_body(Elaborator *el, const StmtList *body);

/* --- elaborate_call.c */
typedef struct CallArgs { /* the evaluated arguments of one call; the piped value is the first */
    const Expr *call;
    size_t first; /* of el->stack */
    size_t count;
    bool is_piped;
    Span piped_span;
} CallArgs;
Value args_value(const Elaborator *el, const CallArgs *args, size_t index);
Span args_span(const CallArgs *args, size_t index);
Str args_name(const CallArgs *args, size_t index); /* empty: positional */
Span args_name_span(const CallArgs *args, size_t index);
/* `piped` is NULL for a call outside of a pipe. */
Value elaborate_call(Elaborator *el, const Expr *call, const Value *piped, Span piped_span);

/* --- elaborate_block.c, elaborate_op.c */
/* Where a call or operator makes its node, and under which name. */
typedef struct OpPlace {
    Span span;
    Str path; /* empty: an operator's result */
    bool is_shared;
    bool is_failed; /* the path had an error: no weights */
} OpPlace;
/* `opens_scope`: the call has a name, and the block's weights are named below it. */
Value elaborate_block(Elaborator *el, Block *block, const CallArgs *args, const OpPlace *place, bool opens_scope);
Value elaborate_op(Elaborator *el, OpKind op, const CallArgs *args, OpPlace place);
/* x + y, x - y, x * y with at least one tensor; the other may be a number. */
Value elaborate_elementwise(Elaborator *el, OpKind op, Value a, Value b, OpPlace place);

/* --- op_args.c */
/* Stores a value as one parameter of an op; false after an error. */
bool op_args_set(Elaborator *el, OpKind op, const OpParam *param, Value value, Span span, Attr *attr);

/* --- operators.c */
Value operator_binary(Elaborator *el, Operator op, Value a, Value b, const Expr *expr);
Value operator_unary(Elaborator *el, Operator op, Value a, const Expr *expr);

/* --- builtins.c: compile-time functions */
typedef struct Builtin Builtin;
const Builtin *builtin_find(Str name); /* NULL where there is none */
Value builtin_call(Elaborator *el, const Builtin *builtin, const CallArgs *args);
Str builtin_name_at(size_t index); /* empty past the last; for suggestions */

/* --- names.c: files, definitions and variables */
FileScope *names_load(Elaborator *el, const AstFile *file); /* the file and all it imports */
Block *names_block(const FileScope *scope, Str name);       /* NULL where none is visible */
Variable *names_variable(const Elaborator *el, Str name);   /* of the current frame; NULL where none is live */
/* Assigns to the nearest variable, or declares one in the current body. */
void names_assign(Elaborator *el, NameRef name, Value value);
void names_declare(Elaborator *el, NameRef name, Value value);
void names_open(Elaborator *el);                                  /* a body begins */
void names_close(Elaborator *el);                                 /* its variables end */
bool names_ended(const Elaborator *el, Str name, Span *declared); /* a variable of an inner body that has ended? */
void names_poison(Elaborator *el);                                /* every variable of the frame becomes an error */
/* The names that a statement which could not be parsed was about to assign, as far as its text begins with
 * `a, b =` or `input a:`; an empty list for `output`. False where it may be anything else. */
bool names_of_broken(Elaborator *el, const Stmt *stmt, NameList *names);
void names_suggest_variables(const Elaborator *el, Suggest *suggest);
void names_suggest_calls(const FileScope *scope, Suggest *suggest); /* blocks, ops, functions */

/* --- paths.c: names of weights */
/* The text of `as path` within the current scope. False after an error. */
bool path_of_naming(Elaborator *el, const Naming *naming, Str *path);
Str path_automatic(Elaborator *el, OpKind op); /* conv1, bn2, ... in the current scope */
/* Gives a node its weights, named path.role. */
void path_add_weights(Elaborator *el, Node *node, OpPlace place);

/* --- resolve.c: what can be said about definitions without elaborating them */
void resolve_file(Elaborator *el, const FileScope *scope);

/* --- defines.c: -D name=value */
/* Reads a literal (or, where `fallback` is a string, a bare word) of the kind that `fallback` has. */
Value define_value(Elaborator *el, const Definement *define, Value fallback, const FileScope *scope);
/* Reports the definements that name no parameter of the net. */
void define_check_names(Elaborator *el, const Definition *net);

#endif
