/* Emission: program -> C text. Takes const, changes nothing. */
#ifndef CNNC_BACKEND_EMIT_H
#define CNNC_BACKEND_EMIT_H

#include "backend/cexpr.h"
#include "backend/cwriter.h"
#include "lower/program.h"

typedef struct EmitOptions {
    Str prefix;            /* of every public name: "resnet50" */
    Str header_name;       /* for #include: "resnet50.h" */
    Str weights_name;      /* file name, for comments; empty where embedded */
    const float *embedded; /* contents of all segments (blob without header), NULL: weights come as a blob */
    bool marks;            /* a call of cnn_tune_mark(number of the step) before each step: see tune/ */
    Str settings;          /* options that matter, for the head comment: "-D classes=10 --batch 4"; may be empty */
    const ProgramSet *set; /* code for several targets: the program of source and header is set->whole; NULL: for one */
} EmitOptions;

/* Checks that the prefix can begin C identifiers and hides none of C's; reports to diag. `span`: where the net has its name,
 * {0, 0} where the prefix is the command line's. Names of inputs and outputs need no check: they are mapped. */
bool emit_check_names(Str prefix, Span span, Diag *diag);
void emit_source(const Program *program, const EmitOptions *options, StrBuf *out);
void emit_header(const Program *program, const EmitOptions *options, StrBuf *out);
/* Several targets: the source above has the interface and chooses; this is the code of one, a file of its own. */
void emit_target_source(const Program *program, const EmitOptions *options, StrBuf *out);
Str emit_target_suffix(Arena *arena, const Target *target); /* "_x86_64_v4": of its file and its function */

/* --- for the emit_<family>.c files: each writes one static function
 *         static void NAME(const step_arguments *a, int part, int parts)
 * to the kernels section. What `a` has stands in embed/step_types.c. */
typedef void EmitKernel(const Kernel *kernel, CWriter *w);
EmitKernel emit_conv, emit_winograd_plain, emit_depthwise, emit_dense, emit_max_pool, emit_avg_pool, emit_global_pool,
    emit_unary, emit_binary, emit_channel_affine, emit_lrn, emit_softmax, emit_copy, emit_conv_transpose,
    emit_table_conv, emit_rbf, emit_subsample, emit_instance_norm, emit_l2_normalize, emit_border, emit_upsample,
    emit_gram, emit_reduce, emit_argmax, emit_top_k, emit_bytes;
/* The functions that kernels share (conv's micro-kernel), only those that this program's kernels call; before the
 * kernels. The prologue, before this, gives: CNN_RESTRICT (restrict in C99, __restrict in GNU C++, else nothing),
 * step_arguments, and #include <math.h>, <stddef.h>, <stdint.h>, <string.h>. */
void emit_helpers(const Program *program, CWriter *w);
void emit_winograd_transforms(int32_t m, CWriter *w);      /* emit_winograd_plain.c: of tiles of m x m outputs */
CExpr emit_dense_add_name(int32_t units, Storage storage); /* "dense_add_64", "dense_add_64_f16" */
const char *emit_weight_type(Storage storage);             /* of the weights in C: "float", "uint16_t" */
/* --- emit_activation.c: what the families share */
/* Stops where a record is not what its emitter can write, a fault of lowering: "direct kernel 'conv1' has no tiles". */
#define REFUSE_IF(kernel, holds, fault) ((holds) ? emit_refuse(__FILE__, __LINE__, kernel, fault) : (void)0)
NORETURN void emit_refuse(const char *file, int line, const Kernel *kernel, const char *fault);
/* The activation of a variable as a C expression: "v < 0.0f ? 0.0f : v"; the variable itself for OP_IDENTITY. */
CExpr emit_activation(const Activation *act, const char *variable);
/* target = act(value): one line, or two with a temporary. */
void emit_store(CWriter *w, const Activation *act, const char *target, const char *value);
/* What follows the sums, for a kernel's comment: ", + bias, + residual, relu"; "" where nothing does. */
CExpr emit_epilogue_text(const Epilogue *epilogue);
void emit_kernel_head(const Kernel *kernel, CWriter *w); /* head and opening brace of the kernel's function */
CExpr emit_scratch(const Kernel *kernel);                /* start of this part's scratch memory */
/* "const int first_NAME = 49 * part / parts, end_NAME = 49 * (part + 1) / parts;": this part's share of `count` things.
 */
void emit_split(CWriter *w, const char *name, int64_t count);
CExpr emit_float(double value); /* as a float literal */

#endif
