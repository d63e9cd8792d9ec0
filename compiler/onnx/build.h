/* What the files of onnx/ share, and nobody else includes: a model under construction, and the pieces it is made of.
 * Everything lives in the model's arena. Values (tensors that nodes pass on) are known by their names. */
#ifndef CNNC_ONNX_BUILD_H
#define CNNC_ONNX_BUILD_H

#include <onnx.pb-c.h>

#include "onnx/onnx.h"
#include "support/map.h"

enum { ONNX_MAX_RANK = TYPE_MAX_RANK + 1 };

/* An initializer. Its numbers come from a constant node of the graph (read when the model is written), or are at hand.
 */
typedef struct OnnxTensor {
    char *name;
    int32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    Onnx__TensorProto__DataType type;
    int64_t bytes;
    const Node *constant; /* NULL: `numbers` */
    const void *numbers;  /* float or int64_t, in the order of this machine */
    const Node *table_of; /* the conv whose connection table spreads `constant` over the dense weight; NULL: none */
} OnnxTensor;

struct OnnxModel {
    Arena *arena;
    const Graph *graph;
    Onnx__NodeProto **nodes;
    size_t n_nodes, node_capacity;
    Onnx__ValueInfoProto **inputs, **outputs, **values; /* values: results of the graph's nodes, with their shapes */
    size_t n_inputs, n_outputs, n_values, value_capacity;
    OnnxTensor *tensors;
    size_t n_tensors, tensor_capacity;
    Map *names; /* taken names of values; of nodes in node_names */
    Map *node_names;
    Map *weights;    /* name of a weight -> the initializer that holds it */
    char **value_of; /* by id of the graph's node: the value that holds its result; NULL while it has none */
};

/* One node of the graph on its way to ONNX. */
typedef struct Emit {
    OnnxModel *model;
    const Node *node;
    char *name;   /* of the ONNX node that gives the result */
    char *result; /* the value that it gives */
} Emit;

/* --- build.c. `part`: "scale" calls node and value "path/scale"; NULL: this ONNX node gives the result. */
char *onnx_name(OnnxModel *model, Map *taken, Str wanted); /* `wanted`, or wanted_2, ... where that is taken */
Onnx__ValueInfoProto *onnx_value_info(OnnxModel *model, char *name, TensorType type, bool hwc);

Onnx__NodeProto *onnx_node(const Emit *e, const char *op_type, const char *part, char *const *inputs, size_t n_inputs);
void onnx_attr_int(const Emit *e, Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_attr_ints(const Emit *e, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t count);
void onnx_attr_float(const Emit *e, Onnx__NodeProto *node, const char *name, double value);
void onnx_attr_text(const Emit *e, Onnx__NodeProto *node, const char *name, const char *text);
/* A node of one, of two inputs; returns the name of its value. */
char *onnx_unary(const Emit *e, const char *op_type, const char *part, char *x);
char *onnx_binary(const Emit *e, const char *op_type, const char *part, char *a, char *b);

/* Initializers of numbers at hand; `numbers` is copied. */
char *onnx_scalar(const Emit *e, const char *part, double value); /* rank 0 */
char *onnx_floats(const Emit *e, const char *part, const float *numbers, const int64_t *dims, int32_t rank);
char *onnx_ints(const Emit *e, const char *part, const int64_t *numbers, int64_t count); /* int64 [count] */
char *onnx_filled(const Emit *e, const char *part, float value, int64_t count);          /* [count] */
/* The initializer of a constant node, made at its first use. `is_operand`: it stands where a tensor of the net could
 * stand, so it gets the batch axis. */
char *onnx_constant(OnnxModel *model, const Node *constant, bool is_operand);

char *onnx_data(const Emit *e, uint32_t index);         /* the value of a data input */
TensorType onnx_data_of(const Emit *e, uint32_t index); /* its type */
char *onnx_weight(const Emit *e, WeightRole role);      /* NULL where the node has none */
/* A weight [C] as it meets the node's [1,C,H,W] or [1,C]: through an Unsqueeze to [C,1,1] where there are rows and
 * columns. */
char *onnx_channel_weight(const Emit *e, WeightRole role);
char *onnx_table_weight(const Emit *e, WeightRole role); /* conv with a connection table: the dense weight */

/* --- one function an op, or a family of ops */
void onnx_conv(const Emit *e); /* conv, depthwise_conv, conv_transpose */
void onnx_max_pool(const Emit *e);
void onnx_avg_pool(const Emit *e);
void onnx_global_pool(const Emit *e); /* average and maximum */
void onnx_adaptive_avg_pool(const Emit *e);
void onnx_subsample(const Emit *e);

void onnx_dense(const Emit *e);
void onnx_rbf(const Emit *e);
void onnx_gram(const Emit *e);
void onnx_mse(const Emit *e);
void onnx_total(const Emit *e); /* sum, mean */
void onnx_argmax(const Emit *e);
void onnx_top_k(const Emit *e);

void onnx_batch_norm(const Emit *e);
void onnx_instance_norm(const Emit *e);
void onnx_lrn(const Emit *e);
void onnx_l2_normalize(const Emit *e);
void onnx_affine(const Emit *e);
void onnx_normalize(const Emit *e);

void onnx_activation(const Emit *e); /* every op with OPF_ACT, softmax, log_softmax, dropout */
void onnx_prelu(const Emit *e);
void onnx_arithmetic(const Emit *e); /* add, sub, mul */
void onnx_scale(const Emit *e);

void onnx_concat(const Emit *e);
void onnx_flatten(const Emit *e);
void onnx_reshape(const Emit *e);
void onnx_permute(const Emit *e);
void onnx_slice(const Emit *e);
void onnx_crop(const Emit *e);
void onnx_channel_shuffle(const Emit *e);
void onnx_pad(const Emit *e);
void onnx_upsample(const Emit *e);

#endif
