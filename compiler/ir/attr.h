/* Attributes of nodes: one small struct a family of ops. ops.def says which member each parameter sets. */
#ifndef CNNC_IR_ATTR_H
#define CNNC_IR_ATTR_H

#include <stdint.h>

#include "support/str.h"

/* Padding: top, left, bottom, right. `same` (TensorFlow's) is resolved into edges by shape inference. */
typedef struct Pads {
    int32_t edge[4];
    bool same;
} Pads;
enum { PAD_TOP, PAD_LEFT, PAD_BOTTOM, PAD_RIGHT };

/* A list of lists of ints, e.g. LeNet-5's connection table. Row r is values[start[r] .. start[r+1]). */
typedef struct IntTable {
    int32_t n_rows;
    const int32_t *start; /* n_rows + 1 entries */
    const int32_t *values;
} IntTable;

typedef struct IntList {
    int32_t count;
    const int32_t *values;
} IntList;

typedef struct FloatList {
    int32_t count;
    const double *values;
} FloatList;

typedef enum PadMode { PAD_ZERO, PAD_REFLECT, PAD_EDGE } PadMode;
typedef enum UpsampleMode { UPSAMPLE_NEAREST, UPSAMPLE_BILINEAR } UpsampleMode;
typedef enum FlattenOrder { FLATTEN_CHW, FLATTEN_HWC } FlattenOrder;

/* What weights an op reads. The name is the last part of the weight's name. */
typedef enum WeightRole {
    ROLE_NONE,         /* a constant that is an operand, not a weight */
    ROLE_WEIGHT,       /* "weight" */
    ROLE_BIAS,         /* "bias" */
    ROLE_RUNNING_MEAN, /* "running_mean" */
    ROLE_RUNNING_VAR,  /* "running_var" */
    ROLE_COUNT
} WeightRole;

/* How a constant gets its value. Values are never in the graph (code must not depend on them), except
 * literals of the .net file; the rest is a recipe that weights/const_eval.c carries out when packing and
 * interp/ carries out on its own. Binary kinds: operand 1 has the shape of operand 0, or is a vector along
 * `axis` of operand 0, or is [1]. */
typedef enum ConstExpr {
    CONST_WEIGHT, /* leaf: the tensor `name` of the weights file */
    CONST_VALUES, /* leaf: literal `values` */
    CONST_ADD,
    CONST_SUB,
    CONST_MUL,
    CONST_DIV,
    CONST_RSQRT, /* 1 / sqrt(a + eps) */
    CONST_DOT,   /* a = weight [O, I, kh, kw], b = vector [I]: result [O] = sum over i,ky,kx of a[o,i,ky,kx] * b[i] */
    CONST_HWC_TO_CHW, /* a = dense weight [O, H*W*C] in HWC column order -> CHW column order; hwc = {H, W, C} */
    CONST_RESHAPE,    /* a with another shape of as many elements */
    CONST_CONCAT      /* a, then b, along `axis`; along the others they are of one size */
} ConstExpr;

typedef struct InputAttr {
    bool hwc; /* declared hwc[h,w,c]: memory is interleaved; the node's type is still [c,h,w] */
} InputAttr;

typedef struct ConstAttr {
    ConstExpr expr;
    WeightRole role;
    Str name;             /* CONST_WEIGHT: full weight name */
    const double *values; /* CONST_VALUES: type_elements() of them */
    int32_t axis;         /* binary kinds with a vector operand, CONST_CONCAT */
    double eps;           /* CONST_RSQRT */
    int32_t hwc[3];       /* CONST_HWC_TO_CHW */
} ConstAttr;

typedef struct ConvAttr { /* conv, depthwise_conv, conv_transpose */
    int32_t channels;     /* output channels; depthwise_conv: set by shape inference to C * multiplier */
    int32_t kernel[2], stride[2], dilation[2], output_pad[2]; /* [h, w] */
    Pads pad;
    int32_t groups;     /* depthwise_conv: set by shape inference to C */
    int32_t multiplier; /* depthwise_conv only */
    bool bias;
    IntTable table; /* n_rows = 0: none */
} ConvAttr;

typedef struct DenseAttr { /* dense, rbf */
    int32_t units;
    bool bias;
} DenseAttr;

typedef struct NormAttr { /* batch_norm, instance_norm, l2_normalize */
    double eps;
    bool scale, shift; /* batch_norm */
    bool affine;       /* instance_norm */
} NormAttr;

typedef struct LrnAttr {
    int32_t size;
    double alpha, beta, k;
    bool alpha_div_n;
} LrnAttr;

typedef struct PoolAttr { /* max_pool, avg_pool, subsample, global pools (keep), adaptive_avg_pool (size) */
    int32_t kernel[2], stride[2];
    Pads pad;
    bool ceil, count_pad;
    bool keep;
    int32_t size[2];
} PoolAttr;

typedef struct ActAttr { /* leaky_relu slope = a; elu alpha = a; scaled_tanh a, b; clamp lo = a, hi = b */
    double a, b;
} ActAttr;

typedef struct ShapeAttr { /* flatten, reshape, permute, slice, crop, channel_shuffle, pad, upsample */
    FlattenOrder order;
    IntList shape;       /* reshape */
    IntList permutation; /* permute */
    int32_t axis, begin, end;
    int32_t crop[2]; /* pixels taken off each side: [h, w] */
    int32_t groups;  /* channel_shuffle */
    Pads pads;
    PadMode pad_mode;
    double pad_value;
    int32_t scale[2];
    UpsampleMode upsample_mode;
} ShapeAttr;

typedef struct MiscAttr {
    double p;            /* dropout */
    FloatList mean, std; /* normalize */
    double scale;        /* normalize, scale(factor) */
    int32_t k;           /* top_k */
    bool indices;        /* top_k: i32 indices instead of f32 values */
} MiscAttr;

typedef union Attr {
    InputAttr input;
    ConstAttr constant;
    ConvAttr conv;
    DenseAttr dense;
    NormAttr norm;
    LrnAttr lrn;
    PoolAttr pool;
    ActAttr act;
    ShapeAttr shape;
    MiscAttr misc;
} Attr;

#endif
