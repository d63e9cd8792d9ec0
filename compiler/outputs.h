/* Output files of one command: they appear together, when everything has succeeded, or not at all. Faults go to diag,
 * long work shows its progress. A set that has failed takes no more: callers write all they have and ask once, at the
 * end. */
#ifndef CNNC_OUTPUTS_H
#define CNNC_OUTPUTS_H

#include "lower/program.h"
#include "onnx/onnx.h"
#include "progress.h"
#include "support/file.h"
#include "weights/weights.h"

typedef struct Outputs {
    Arena *arena;
    Diag *diag;
    Progress *progress;
    FileOutputs *files; /* NULL after outputs_finish */
    bool ok;
} Outputs;

/* Everything borrowed. outputs_finish must follow. */
Outputs outputs_start(Arena *arena, Diag *diag, Progress *progress);

/* Paths as file_output_open takes them: "-" is standard output. */
void outputs_text(Outputs *outputs, Str path, Str text);
void outputs_blob(Outputs *outputs, Str path, const Program *program, const Weights *weights); /* packed weights */
/* `data_path` gets the weights of a model beyond ONNX_INLINE_LIMIT, and is not opened for others. */
void outputs_onnx(Outputs *outputs, Str path, Str data_path, const OnnxModel *model, const Weights *weights);

/* Puts the files in their places, or removes what was begun. False after an error in diag, here or before. */
bool outputs_finish(Outputs *outputs);

/* The blob appended to `memory` instead of a file; false after an error in diag. */
bool outputs_blob_in_memory(Diag *diag, Progress *progress, const Program *program, const Weights *weights,
                            StrBuf *memory);

#endif
