/* Lowering's own parts, shared by the files of this folder only: the state of one run, and the few verbs by which
 * lower_<family>.c turn a node into steps. Other folders see program.h. */
#ifndef CNNC_LOWER_LOWERING_H
#define CNNC_LOWER_LOWERING_H

#include "lower/choices.h"
#include "lower/program.h"
#include "support/map.h"

/* How a node's value lies (layout_assign.c). By id of the value, lower_value_of(node). */
typedef struct NodeLayout {
    bool blocked;     /* its steps write it in blocks */
    bool vector_conv; /* a convolution with a vector kernel: */
    KernelFamily family;
    WinogradTile winograd;
    bool space_to_depth;  /* a first layer, whose phases lie in lanes */
    bool lines_take_pool; /* a first layer whose rows a pool can be made of at once */
    bool tiles_take_pool; /* one by Winograd, whose tiles a max pool can be made of */
    const Node *pool;     /* the pool that the convolution does too; NULL: none */
    const Node *second;   /* a 1x1 convolution that goes into this one's sums, where it would be the residual */
    bool is_second;       /* such a one: has no step and no memory */
    const Node *before;   /* what this step does to its input itself: a norm of a 1x1 convolution, an activation of a
                               depthwise one, the mean over the image of a dense layer */
    bool is_before;       /* such a one, or a view between it and the step: has no step and no memory */
    uint32_t leader;      /* of values that lie alike, one; its halo counts */
    int32_t halo[4], planar[4]; /* by PAD_..: of the blocked value, and of the planar one that a first layer reads */
    const Node *concat; /* written into this concat's memory, from channel concat_channel on; NULL: has its own */
    int32_t concat_channel;
    const Node *border; /* written into the interior of this pad's memory; NULL: has its own */
} NodeLayout;

/* The state of one lowering. The program grows in `arena`; maps and side arrays live in `scratch`. */
typedef struct Lowering {
    Arena *arena, *scratch;
    const Graph *graph;
    Program *program;
    Buffer **buffer_of; /* by node id: where a node's value lies, as its steps wrote it; NULL for constants */
    Buffer **plain_of, **blocked_of, **planar_of; /* by node id: the same value where a conversion made it */
    const Node **flat_of; /* by node id: what a flattened value that has no buffer yet is made of */
    NodeLayout *layouts;
    bool no_winograd, no_fuse_projection, no_fuse_prologue;
    Storage dense_storage;
    const Map *choices;           /* LowerOptions; NULL: none */
    const ConvChoice **choice_of; /* by node id: those that fit; NULL: the rules decide */
    Map *kernels;                 /* name without ordinal -> KernelGroup */
    Map *kernel_names;
    Map *segments; /* recipe and packing as text -> Segment */
    size_t step_capacity, kernel_capacity, buffer_capacity, segment_capacity;
} Lowering;

/* --- lowering.c: the verbs. Everything returned lives in the program's arena. */

/* The value of a data operand, plain; appends a conversion where it lies otherwise (an hwc input, blocks). */
Buffer *lower_operand(Lowering *l, const Node *node);
/* The same in blocks, with halo; planar with halo. */
Buffer *lower_blocked(Lowering *l, const Node *node);
Buffer *lower_planar(Lowering *l, const Node *node);
/* In blocks or plain, as it is asked for. */
Buffer *lower_operand_as(Lowering *l, const Node *node, bool blocked);
/* The caller's memory for one input or output. */
Buffer *lower_new_port(Lowering *l, BufferKind kind, uint32_t port, Str name, TensorType type, Layout layout);
/* A new arena buffer for the node's result, plain or blocked as assigned, and the node's value from now on. */
Buffer *lower_result(Lowering *l, const Node *node);
/* The buffer of a blocked concat (or border), made at the first call; the view of it where a part begins at `channel`. */
Buffer *lower_whole_result(Lowering *l, const Node *whole);
Buffer *lower_whole_part(Lowering *l, const Node *whole, const Node *part, int32_t channel);
/* The node's value is that of `same`, which is plain, element for element in the same order: no step. */
void lower_view(Lowering *l, const Node *node, Buffer *same);
/* A new arena buffer that is no node's value. */
Buffer *lower_temporary(Lowering *l, Str name, Layout layout);
/* The one record of the program that equals this one; the first of its kind is added. */
const Kernel *lower_intern(Lowering *l, const Kernel *record);
/* A record of one family with the logical sizes and layouts of operand and result. */
Kernel lower_kernel(KernelFamily family, const Buffer *in, const Buffer *out);
/* Sets epilogue.residual and epilogue.act from a node with OPF_EPILOGUE. */
void lower_epilogue(const Node *node, Kernel *kernel);
/* Appends a step: completes the record (tiles.c), interns it, adds the scratch buffer that it asks for. The caller
 * fills operands and weights before the next step is appended. */
Step *lower_step(Lowering *l, const Kernel *record, const Node *node, Buffer *output);
void step_add_input(Step *step, Buffer *buffer);

/* --- layout_assign.c */
void layouts_assign(Lowering *l);
/* layout_merge.c: which nodes have no step of their own. A part of layouts_assign. */
void layouts_merge(Lowering *l, const Uses *uses);
/* The node whose value this is: looks through identity and the like. */
const Node *lower_value_of(const Node *node);
bool lower_is_blocked(const Lowering *l, const Node *node); /* the node's steps write blocks */
Layout lower_blocked_layout(const Lowering *l, const Node *node);
Layout lower_planar_layout(const Lowering *l, const Node *node);

/* --- choices.c */
void choices_resolve(Lowering *l, Diag *diag); /* warns of choices that do not fit */
/* select_vector_conv, and the choice for this node where there is one. */
bool lower_select(const Lowering *l, const Node *node, Kernel *kernel);
/* tiles_choose, and the choice for this node where the record is the one that it is for. */
void lower_tiles(const Lowering *l, const Node *node, Kernel *kernel);

/* --- halos.c: after the plan */
void halos_zero(Lowering *l);

/* --- segments.c */
typedef struct Packing { /* how one constant lies in the blob */
    PackFormat format;
    int32_t rows, cols, groups;
    bool transposed;
    IntTable table; /* Segment.table */
    TapPhase phase; /* Segment.phase */
} Packing;
/* The segment of a constant; one for all steps that want the same recipe packed the same way. */
const Segment *lower_segment(Lowering *l, const Node *source, Packing packing, const Node *user, WeightRole role);
/* One value a channel, padded to whole vectors of the kernel. */
const Segment *lower_vector(Lowering *l, const Kernel *kernel, const Node *source, const Node *user, WeightRole role);
/* Recipes made here: for nodes that have no constant of their own. Shapes as CONST_* demand; no checks of their own. */
Node *lower_values(Lowering *l, int32_t count, const double *values);
Node *lower_recipe(Lowering *l, ConstExpr expr, const Node *a, const Node *b, double eps);
/* Offsets of all segments, blob size, fingerprint. */
void segments_finish(Program *program);
/* The same again for programs that share a blob: what is packed to the same bytes lies there once. Sets segments,
 * blob_bytes and fingerprint of `whole` too. */
void segments_share(Program *const *programs, int n_programs, Program *whole);

/* --- kernel.c, title.c */
/* Name of a record without ordinal: "conv3x3_s1p1_64x56x56_to_64x56x56_relu". */
Str kernel_base_name(Arena *arena, const Kernel *kernel);
/* What a step does in terms of the network: "layer1.0.conv1 + bn1 + relu". */
/* `second`: the other of two convolutions that the step sums; NULL: none. */
Str step_title(Arena *arena, const Node *node, const Node *second);
/* Of a convolution that begins with a norm: "layer1.0.norm1 + relu + conv1 + norm2 + relu". */
Str step_title_of_prologue(Arena *arena, const Node *before, const Node *node);

/* --- one file a family of ops; each appends the node's steps and sets its buffer */
Kernel lower_conv_record(const Node *node); /* sizes and epilogue; no family, no layouts */
/* The record of a vector kernel; false where none fits. *expands: weights are to be filled up with zeros to those of a
 * convolution of one group, which has a kernel where this one (a table of connections, odd groups) has none. */
bool lower_vector_conv_record(const Lowering *l, const Node *node, Kernel *kernel, bool *expands);
void lower_conv(Lowering *l, const Node *node); /* conv, depthwise_conv */
/* A transposed convolution by stride s is s * s convolutions of stride 1, each for the outputs that see the same taps.
 * The record of phase (row, col) without layouts; false where it is not of that kind. */
bool lower_transposed_phase(const Node *node, int32_t row, int32_t col, Kernel *kernel, TapPhase *phase);
bool lower_transposed_fits(const Lowering *l, const Node *node); /* all phases have vector kernels */
void lower_conv_transpose(Lowering *l, const Node *node);
void lower_dense(Lowering *l, const Node *node);
bool lower_halves_rows(const Kernel *kernel);          /* a pool that vectors of pixels can do on plain planes */
void lower_window_pool(Lowering *l, const Node *node); /* max_pool, avg_pool */
void lower_global_pool(Lowering *l, const Node *node);
void lower_adaptive_pool(Lowering *l, const Node *node);
void lower_unary(Lowering *l, const Node *node);  /* activations and prelu */
void lower_binary(Lowering *l, const Node *node); /* add, sub, mul */
void lower_scale(Lowering *l, const Node *node);
bool lower_reshapes(const Node *node); /* the same numbers in another shape, maybe in another order */
bool lower_is_norm(const Node *node);  /* x * scale + shift of each channel: batch_norm, affine, normalize */
void lower_scale_and_shift(Lowering *l, const Node *node); /* such a one */
/* Its scales and shifts: constants, one number a channel. */
void lower_norm_recipe(Lowering *l, const Node *node, const Node **scale, const Node **shift);
void lower_lrn(Lowering *l, const Node *node);
void lower_softmax(Lowering *l, const Node *node);
void lower_instance_norm(Lowering *l, const Node *node);
void lower_l2_normalize(Lowering *l, const Node *node);
void lower_border(Lowering *l, const Node *node); /* pad, modes reflect and edge */
void lower_upsample(Lowering *l, const Node *node);
void lower_subsample(Lowering *l, const Node *node);
void lower_rbf(Lowering *l, const Node *node);
void lower_gram(Lowering *l, const Node *node);
void lower_reduce(Lowering *l, const Node *node); /* sum, mean, mse */
void lower_argmax(Lowering *l, const Node *node);
void lower_top_k(Lowering *l, const Node *node);
void lower_concat(Lowering *l, const Node *node);
void lower_reshape(Lowering *l, const Node *node);
void lower_flatten(Lowering *l, const Node *node);
void lower_permute(Lowering *l, const Node *node);
void lower_slice(Lowering *l, const Node *node);
void lower_crop(Lowering *l, const Node *node);
void lower_channel_shuffle(Lowering *l, const Node *node);
void lower_pad(Lowering *l, const Node *node);
/* A copy of a whole value into another buffer, from one layout to another; into a channel range of its own (a view). */
void lower_copy(Lowering *l, const Node *node, Buffer *from, Buffer *to);

/* True for a literal number as an operand: `x * 2.0`. */
bool lower_is_literal(const Node *node, double *value);

#endif
