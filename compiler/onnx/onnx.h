/* Export to ONNX (opset 17): the graph as elaborated, before any pass, so that an engine that runs the file shares no
 * folding with this compiler.
 *
 * Inputs and outputs keep names, order and element types and get a batch axis of 1 in front: f32[3,224,224] becomes
 * [1,3,224,224], an input declared hwc[h,w,c] stays interleaved, [1,h,w,c]; either is byte for byte what the generated
 * C takes. Weights become initializers of their own names and shapes (a conv with a connection table gets the full
 * weight, zeros where the table has no connection). ONNX nodes are called after the path of the layer; where one op
 * becomes several, the inner ones are called path/part. */
#ifndef CNNC_ONNX_ONNX_H
#define CNNC_ONNX_ONNX_H

#include "ir/graph.h"
#include "weights/weights.h"

enum { ONNX_OPSET = 17, ONNX_IR_VERSION = 8 };

/* Protobuf messages end at 2 GiB. Models with more than so many bytes of weights keep them in a file beside the model.
 */
#define ONNX_INLINE_LIMIT INT64_C(1900000000)

typedef struct OnnxModel OnnxModel;

/* Receives bytes in order. */
typedef struct OnnxSink {
    void (*write)(void *user, const void *bytes, size_t size);
    void *user;
} OnnxSink;

/* Maps a verified graph without fused epilogues to ONNX nodes. No weight is read; the model lives in `arena` and
 * borrows from the graph. */
OnnxModel *onnx_model_create(Arena *arena, const Graph *graph);

/* Bytes of all initializers. */
int64_t onnx_model_bytes(const OnnxModel *model);

/* Writes the model, weights in blocks as they are read, so that memory does not grow with them. `data` NULL: weights
 * inside; else weights of a page or more go there, and the model refers to them by `data_name`, a file name in its own
 * folder. False after an error in diag: a weight that is not finite. */
bool onnx_model_write(const OnnxModel *model, const Weights *weights, const OnnxSink *sink, const OnnxSink *data,
                      Str data_name, Diag *diag);

#endif
