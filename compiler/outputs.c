/* Output files: between the stages that make bytes (pack_blob, onnx_model_write) and support/file.h, which writes them.
 */
#include "outputs.h"

#include "support/path.h"

/* Where a stage's bytes go, piece by piece. */
typedef struct Sink {
    Progress *progress;
    const char *what; /* shown while it takes long */
    int64_t *done, total;
    FileOutput *file;
    StrBuf *memory; /* instead of a file */
} Sink;

static void sink_write(void *user, const void *bytes, size_t size)
{
    Sink *sink = user;
    if (sink->file != NULL) {
        file_output_write(sink->file, bytes, size);
    } else {
        strbuf_append(sink->memory, (Str){bytes, size});
    }
    *sink->done += (int64_t)size;
    progress_show(sink->progress, sink->what, *sink->done, sink->total);
}

static void sink_patch(void *user, uint64_t offset, const void *bytes, size_t size)
{
    Sink *sink = user;
    if (sink->file != NULL) {
        file_output_patch(sink->file, offset, bytes, size);
    } else {
        memcpy(sink->memory->ptr + offset, bytes, size);
    }
}

static bool write_blob(Diag *diag, const Program *program, const Weights *weights, Sink *sink)
{
    bool ok = pack_blob(program, weights, diag, &(PackSink){.write = sink_write, .patch = sink_patch, .user = sink});
    progress_end(sink->progress);
    return ok;
}

Outputs outputs_start(Arena *arena, Diag *diag, Progress *progress)
{
    return (Outputs){
        .arena = arena, .diag = diag, .progress = progress, .files = file_outputs_create(arena), .ok = true};
}

static FileOutput *open_output(Outputs *outputs, Str path)
{
    Str reason;
    FileOutput *file = outputs->ok ? file_output_open(outputs->files, path, &reason) : NULL;
    if (outputs->ok && file == NULL) {
        diag_error_in(outputs->diag, DIAG_FILE_UNWRITABLE, path, "cannot write: " STR_FMT, STR_ARG(reason));
        outputs->ok = false;
    }
    return file;
}

void outputs_text(Outputs *outputs, Str path, Str text)
{
    FileOutput *file = open_output(outputs, path);
    if (file != NULL) {
        file_output_write(file, text.ptr, text.len);
    }
}

void outputs_blob(Outputs *outputs, Str path, const Program *program, const Weights *weights)
{
    FileOutput *file = open_output(outputs, path);
    if (file != NULL) {
        int64_t done = 0;
        Sink sink = {outputs->progress, "packing weights", &done, program->blob_bytes, file, NULL};
        outputs->ok = write_blob(outputs->diag, program, weights, &sink);
    }
}

bool outputs_blob_in_memory(Diag *diag, Progress *progress, const Program *program, const Weights *weights,
                            StrBuf *memory)
{
    int64_t done = 0;
    return write_blob(diag, program, weights,
                      &(Sink){progress, "packing weights", &done, program->blob_bytes, NULL, memory});
}

void outputs_onnx(Outputs *outputs, Str path, Str data_path, const OnnxModel *model, const Weights *weights)
{
    int64_t done = 0, total = onnx_model_bytes(model);
    bool has_data_file = total > ONNX_INLINE_LIMIT;
    Sink files[2] = {{outputs->progress, "writing the model", &done, total, open_output(outputs, path), NULL},
                     {outputs->progress, "writing the model", &done, total, NULL, NULL}};
    OnnxSink sink = {sink_write, &files[0]}, data = {sink_write, &files[1]};
    if (has_data_file) {
        files[1].file = open_output(outputs, data_path);
    }
    if (outputs->ok) {
        outputs->ok =
            onnx_model_write(model, weights, &sink, has_data_file ? &data : NULL, path_name(data_path), outputs->diag);
        progress_end(outputs->progress);
    }
}

bool outputs_finish(Outputs *outputs)
{
    Str path, reason;
    if (outputs->ok && !file_outputs_commit(outputs->files, &path, &reason)) {
        diag_error_in(outputs->diag, DIAG_FILE_UNWRITABLE, path, "cannot write: " STR_FMT, STR_ARG(reason));
        outputs->ok = false;
    }
    file_outputs_discard(outputs->files);
    outputs->files = NULL;
    return outputs->ok;
}
