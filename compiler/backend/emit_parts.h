/* Emission's own parts, shared only by the files that write the frame around kernels: emit.c, emit_header.c,
 * emit_run.c, emit_weights.c, emit_names.c, emit_describe.c, emit_range.c and emit_targets.c. */
#ifndef CNNC_BACKEND_EMIT_PARTS_H
#define CNNC_BACKEND_EMIT_PARTS_H

#include "backend/cnames.h"
#include "backend/embedded.h"
#include "backend/emit.h"

/* --- emit_names.c: the identifiers of the public interface; the same for source and header. */
typedef struct PortName {
    Str parameter; /* of run: "image" */
    Str elements;  /* enumerator: "RESNET50_IMAGE_ELEMENTS" */
} PortName;

typedef struct ApiNames {
    Str prefix, upper;                                   /* "resnet50", "RESNET50" */
    Str net, weights, weights_bytes, arena, arena_bytes; /* parameters of init; the first of run too */
    Str run, context;                                    /* parameters of set_parallel */
    PortName *inputs, *outputs;                          /* by port */
    Str local_arena, local_weights, batch_index;         /* locals of run */
    Str entry;                                           /* the function that computes: "resnet50_run" */
} ApiNames;
ApiNames api_names(Arena *arena, const Program *program, Str prefix);
/* The same with the prefix in disguise, and what turns text written with that into C: a net may be called like a
 * variable of a kernel, which then gets another name. */
ApiNames api_names_disguised(Arena *arena, const Program *program, Str prefix);
void api_undisguise(Arena *arena, Str text, Str prefix, Str net, StrBuf *out);

/* --- what all parts ask of a program */
static inline bool emit_has_blob(const Program *program, const EmitOptions *options)
{
    return options->embedded == NULL && program->n_segments > 0;
}
static inline bool emit_has_weights(const Program *program)
{
    return program->n_segments > 0;
}
/* The struct knows where the weights are: a blob, or an array in another file than the kernels. */
static inline bool emit_keeps_weights(const Program *program, const EmitOptions *options)
{
    return emit_has_blob(program, options) || (options->set != NULL && emit_has_weights(program));
}
const char *emit_c_type(DType dtype); /* "float" */
enum { FLOAT_BYTES = 4 };

/* The head comment of a generated file: who wrote it, from what, and whose it is. `file` is its name, `role` what it
 * holds. */
void emit_head(const Program *program, const EmitOptions *options, Str file, const char *role, CWriter *w);

/* Appends "head(item, item, ...)" + tail, broken before column 120 and aligned with the first item. */
typedef struct ItemList {
    Arena *arena;
    Str *items;
    size_t count, capacity;
} ItemList;
void items_add(ItemList *list, const char *format, ...) PRINTF(2, 3);
void emit_items(CWriter *w, const char *head, const ItemList *list, const char *tail);

/* --- emit_targets.c: several targets in one file set. MODEL.c has the interface, the weights and the choice; the code of
 * each target is in a file of its own, MODEL_x86_64_v4.c, which asks the compiler for that processor's instructions. */
void emit_target_prototypes(const EmitOptions *options, const ApiNames *names, CWriter *w);
void emit_target_probe(const ProgramSet *set, CWriter *w);                         /* before init */
void emit_target_choice(const ProgramSet *set, const ApiNames *names, CWriter *w); /* in init */
void emit_target_run(const EmitOptions *options, const ApiNames *names, CWriter *w);

/* --- emit.c: what stands between the includes and the functions that know the net's name: types, shared functions,
 * kernels. Depends on the program alone. */
void emit_private(const Program *program, bool has_blob, CWriter *w);
void emit_includes(const CWriter *body, const EmitOptions *options, CWriter *w); /* that the text needs */
void emit_init_prototype(const ApiNames *names, const char *tail, CWriter *w);   /* tail: ";" or "" */
void emit_set_parallel_prototype(const ApiNames *names, const char *tail, CWriter *w);

/* --- emit_run.c: the functions that know the net's name */
enum { EMIT_STEP_FUNCTIONS = 512 };
/* True where a step reads bytes, writes indices or begins with a norm: then its arguments have members for them. */
bool emit_is_mixed(const Program *program);
Str emit_step_function_name(Arena *arena, unsigned operands); /* of each set of operands: "step_xwby" */
void emit_step_functions(const Program *program, const ApiNames *names, CWriter *w); /* step_xwby .. */
void emit_run(const Program *program, const ApiNames *names, const EmitOptions *options, CWriter *w);
void emit_run_prototype(const Program *program, const ApiNames *names, const char *tail, CWriter *w);
void emit_run_checks(const Program *program, const ApiNames *names, CWriter *w); /* of its arguments */

/* --- emit_describe.c: "layer1.0.conv1 + bn1 + relu   conv 3x3 s1 p1   f32[64,56,56] -> f32[64,56,56]   115.6 MMAC
 * resnet50.net:31" */
Str step_describe(Arena *arena, const Program *program, const Step *step);

/* --- emit_weights.c: embedded weights. The array stands at the end of the file, behind a function. */
void emit_weights_declaration(CWriter *w);
void emit_weights(const Program *program, const float *values, CWriter *w);

/* --- emit_range.c: "values 0 to 1", "values from 0 up", "any finite value": what the ops tell of a node's result */
Str emit_value_range(Arena *arena, const Graph *graph, const Node *node);

#endif
