/* The program: a list of kernel calls over buffers, what is left of a network when all choices are made.
 *
 * Made so that faster kernels are added, not rebuilt: a buffer has a layout, a kernel is a record of everything its
 * C text depends on, selection (select.c) is rules over shape and target, and packing weights into the order a kernel
 * reads them is a step of lowering (pack.c). The portable target uses block 1 and no halo.
 *
 * Vector targets: floats are computed b = Target.vector_floats at a time. Images lie in blocks of b channels, [C/b][rows
 * + halo][cols + halo][b]; each family below says which layouts it takes and gives. What has no kernel for blocks runs
 * as on the portable target, on plain values, with KERNEL_CONVERT before and after. */
#ifndef CNNC_LOWER_PROGRAM_H
#define CNNC_LOWER_PROGRAM_H

#include "ir/graph.h"
#include "support/map.h"

/* --- target: what lowering and emission need to know of the machine */
typedef struct Target {
    const char *name; /* "portable" */
    const char *doc;
    int vector_floats;     /* b: floats in a vector of the C text; 1: plain C99 */
    int channel_block;     /* block of Layout: vector_floats */
    int registers;         /* vector registers */
    int products;          /* vectors of products a cycle */
    double near_cost;      /* a vector of weights from a cache takes as long as so many vectors of products, .. */
    double stream_cost;    /* .. from memory */
    const char *condition; /* holds in C's preprocessor where flags fit: "defined(__AVX2__)"; NULL: nothing to check */
    const char *flags;     /* of gcc and clang: "-march=x86-64-v4"; NULL: none */
    const char *architecture; /* "x86-64"; NULL: any */
    int level;                /* x86-64-v4: 4; 1: of every processor of the architecture */
    const char *features;     /* what gcc and clang must be allowed to use, by their names: "avx,fma"; NULL: nothing */
    const char *tuned_for;    /* the processor whose timings clang goes by with these flags; NULL: says nothing */
} Target;
/* NULL where unknown. "native": the best of the list that the machine we run on can execute. */
const Target *target_find(Str name);
bool target_runs_here(const Target *target); /* this machine can execute its code */
extern const Target targets[];               /* name NULL ends it; "native" is not in it */
enum { TARGETS_MAX = 4 };                    /* in one file set: those of one architecture, and portable */

/* --- layout: how a [C,H,W] (or [C]) tensor lies in memory. Element (c, y, x) is at float
 *     ((c / block) * plane_stride + (y + halo_top) * row_stride + (x + halo_left) * block) + c % block
 * Portable: block 1, no halo, row_stride = W, plane_stride = H*W: plain NCHW.
 *
 * Blocked (block = b > 1): row_stride = (halo_left + cols + halo_right) * b, plane_stride = (halo_top + rows +
 * halo_bottom) * row_stride, ceil(channels / b) planes. Three things hold for every such buffer, and kernels rely on
 * and keep them:
 *   - the halo holds zeros (halos.c; a kernel writes the interior only, never the halo);
 *   - lanes of the last block past `channels` hold finite numbers, written by whoever writes the block (kernels write
 *     whole vectors: weights and biases of those lanes are zero); readers multiply them by zero weights or ignore them;
 *   - a pointer to it is aligned to 4 * b bytes.
 * Halos are as wide as the greediest reader needs (layout_assign.c), so a kernel takes halo and strides from its
 * record. Vectors (rows = cols = 1) are plain in every target, padded by nothing.
 * Planar (block 1 with halo): the same for the image that a first layer reads. */
typedef struct Layout {
    int32_t block;
    int32_t channels, rows, cols; /* logical; rank 1: rows = cols = 1 */
    int32_t halo_top, halo_left, halo_bottom, halo_right;
    int64_t row_stride, plane_stride; /* in elements; block included in row_stride */
} Layout;
Layout layout_blocked(TensorType type, int32_t block); /* no halo; block = channels is [H][W][C] */
Layout layout_plain(TensorType type);
Layout layout_of_input(TensorType type, bool hwc);
Layout layout_with_halo(Layout layout, int32_t top, int32_t left, int32_t bottom, int32_t right);
int64_t layout_elements(const Layout *layout);
bool layout_equal(const Layout *a, const Layout *b);
bool layout_has_halo(const Layout *layout);
bool layout_is_plain(const Layout *layout);
/* Rows and planes follow each other without gaps: the pixels of a plane are one run. True of no image, all zero. */
bool layout_is_dense(const Layout *layout);
Str layout_format(Arena *arena, const Layout *layout); /* "chw", "c16hw halo 1,1,1,1" */

/* --- buffers */
typedef enum BufferKind {
    BUFFER_ARENA, /* planned: has an offset */
    BUFFER_INPUT, /* the caller's memory, read only */
    BUFFER_OUTPUT /* the caller's memory */
} BufferKind;

typedef struct Buffer {
    uint32_t id;
    Str name; /* path of the node that fills it, or the port */
    BufferKind kind;
    uint32_t port; /* INPUT, OUTPUT: index */
    DType dtype;
    Layout layout;
    int64_t bytes;
    /* The buffer whose memory this one is (in-place result, view, part of a concat); NULL: has its own. Same kind; begins
     * parent_offset bytes into the parent's memory and ends within it. */
    struct Buffer *parent;
    int64_t parent_offset;
    bool is_interior;              /* of a BORDER's result, its parent: what lies around it is no halo of zeros */
    bool is_scratch;               /* of one step */
    int32_t first_step, last_step; /* live range, both included; of a parent: covers its children */
    int64_t offset;                /* in the arena, bytes, multiple of 64; by plan.c */
} Buffer;
/* The buffer whose memory this one is in the end. */
static inline Buffer *buffer_root(Buffer *buffer)
{
    while (buffer->parent != NULL) {
        buffer = buffer->parent;
    }
    return buffer;
}

/* --- packed weights: one segment of the blob */
typedef enum PackKind {
    /* [ceil(rows/row_block)][ceil(cols/col_block)][row_block][col_block], zero filled past the edges; within a group of
     * rows where groups > 1 (each group is padded on its own). row = output channel, col = (input channel, ky, kx) flattened.
     * row_block = col_block = 1: as PyTorch stores it. row_block n, col_block 1: n outputs side by side, as dense wants. */
    PACK_ROWS,
    /* [groups][oc sets][ceil(I/in_block)][KH][KW][in_block][V][lanes]: what a vector kernel reads front to back.
     *   O, I = output and input channels of one group; KH, KW = window_rows, window_cols
     *   an oc set is V = `vectors` neighbouring blocks of `lanes` output channels; where ceil(O/lanes) is no multiple of
     *   `vectors`, the last set is narrower, V = what is left. So set number k begins at k * vectors * lanes *
     *   (round_up(I, in_block) * KH * KW), and a group has ceil(O/lanes) * lanes * round_up(I, in_block) * KH * KW floats.
     *   Zeros for channels that do not exist.
     *   direct: in_block = lanes. planar: in_block 1. depthwise: I = 1, vectors 1: [C/lanes][KH][KW][lanes]. grouped by
     *   shuffles: groups 1, I = in_block = channels of a group, vectors 1: [C/lanes][KH][KW][I][lanes].
     *   winograd_live: in_block and vectors 1: [O/lanes][I][3][3][lanes].
     *   few: lanes and vectors 1, in_block = the kernel's vector: [O][ceil(I/in_block)][KH][KW][in_block].
     *   dense: in_block 1, window 1x1: [oc sets][I][V][lanes]; from a blocked image: I, KH, KW, in_block of the image,
     *   which is the order in which the image lies in memory. */
    PACK_VECTORS,
    /* [groups][oc sets][Tr][Tc][round_up(I, in_block)][V][lanes]: G g G^T of each filter, worked out in double, for
     * m outputs at once along each axis, each with an m of its own: an axis of r taps has T = winograd_points(m, r) points
     * p, 0, 1, -1, 2, -2, 1/2, -1/2 as far as they are needed and infinity; nine points are 17/8, -17/8, 9/8, -9/8, 11/16,
     * -11/16, 1/4, -1/4 and infinity, whose errors are a fraction of those of the points above and any ninth one. With
     * N_i the product of p_i - p_k over the other finite points, j from 0 on:
     *   G [i][j] = p_i^j / N_i (r columns)   B^T[i] = coefficients of the product of x - p_k over k != i, lowest first
     *   A^T[j][i] = p_i^j (m rows)           at infinity: G = 0 .. 0 1, A^T = 0 .. 0 1 downwards, B^T of all points.
     * The row of point 0 is negated in G and B^T where N_0 < 0. An axis of one tap is left as it is: T = 1, and one output
     * at a time.
     *
     * phases = S > 1: a convolution of stride S as the sum of S x S convolutions of stride 1, one for each phase (qr, qc)
     * of the input; g is then the taps S * t + q of the window, r = ceil(window / S), and where a phase has one tap less a
     * zero stands for it. Inputs are [phase (qr, qc)][round_up(I, in_block)], all in one; at an infinite point of an axis
     * the phases that lack a tap have nothing to add and are left out (S = 2 and an odd window: phase 1).
     * phase_lanes: inputs are round_up(S * S * I, lanes), phase by phase without gaps, and none is left out. */
    PACK_WINOGRAD,
    /* [oc sets][7][I/2][V][lanes] for a 1x1 window and Winograd's variant of Strassen's product (backend/emit_strassen.c):
     * W11 = (first half of the outputs, first half of the inputs), W12 = (first, second), W21, W22 give
     * W11, W12, S2, S3, -W22, S1, S4 with S1 = W21 + W22, S2 = S1 - W11, S3 = W11 - W21, S4 = W12 - S2, in double. Halves
     * are of whole blocks of `lanes` channels, O/2 and I/2 above include the padding; sets divide a half of the outputs. */
    PACK_STRASSEN,
    /* [7][oc sets][7][I/4][V][lanes], the same once more of each of the seven, whose halves are the lower and the upper
     * lanes of each block (backend/emit_strassen_twice.c), L = lanes / 2: input L * p + l of a quarter is lane l of block p of
     * a half, or lane L + l; so are outputs, and of an odd number of blocks zeros come last. */
    PACK_STRASSEN_TWICE,
    /* [oc sets][T][I][KW][V][lanes]: each column of a window G g with the G of m = `winograd`.rows outputs and KH taps, as above;
     * along a row the taps are as they were. Padding as of VECTORS with in_block 1. */
    PACK_LINES
} PackKind;

/* What a number of the blob is. Kernels compute in f32 whatever the storage. */
typedef enum Storage {
    STORE_F32,
    STORE_F16, /* IEEE binary16, without infinities and NaN */
    STORE_BF16 /* the upper half of an f32 */
} Storage;
/* storage.c */
const char *storage_name(Storage storage); /* "f16" */
bool storage_find(Str name, Storage *storage);
int64_t storage_bytes(Storage storage);  /* of one number */
double storage_largest(Storage storage); /* finite number */
uint16_t storage_encode(Storage storage,
                        float value);                 /* F16, BF16: nearest, ties to even; |value| <= storage_largest */
float storage_decode(Storage storage, uint16_t bits); /* exact */

/* Outputs of a tile of Winograd's convolution down and across, m of each axis: 2 to 7, which an axis of one tap ignores. 0, 0:
 * none. */
typedef struct WinogradTile {
    int32_t rows, cols;
} WinogradTile;
static inline WinogradTile winograd_square(int32_t m)
{
    return (WinogradTile){m, m};
}
static inline bool winograd_tile_equal(WinogradTile a, WinogradTile b)
{
    return a.rows == b.rows && a.cols == b.cols;
}
void winograd_tile_describe(WinogradTile tile, StrBuf *out); /* "4", "4x2" */

typedef struct PackFormat {
    int32_t row_block, col_block; /* ROWS; 0, 0: the kernel has no weights. Of the others lanes and 1 */
    PackKind kind;
    /* All but ROWS; in_block = lanes but in VECTORS and in plain C, and 1 in LINES. */
    int32_t lanes, vectors, in_block;
    int32_t window_rows, window_cols; /* all but ROWS: taps; (1, 1) in STRASSEN */
    WinogradTile winograd;            /* WINOGRAD, LINES (rows) */
    int32_t phases;                   /* WINOGRAD: S; 0 like 1: stride 1 */
    bool phase_lanes;                 /* WINOGRAD */
    Storage storage;                  /* of 16 bits in weights of DENSE only */
} PackFormat;
/* The bias of any but a ROWS weight is ROWS with row_block = lanes: [groups][ceil(O/lanes) * lanes], zeros past O. */

static inline PackFormat pack_rows(int32_t row_block, int32_t col_block)
{
    return (PackFormat){.row_block = row_block, .col_block = col_block};
}
static inline bool pack_is_strassen(const PackFormat *format)
{
    return format->kind == PACK_STRASSEN || format->kind == PACK_STRASSEN_TWICE;
}
bool pack_format_equal(const PackFormat *a, const PackFormat *b);
void pack_format_describe(const PackFormat *format, StrBuf *out); /* for dumps and fingerprints */

/* Along an axis of r taps: points of the transform, and outputs of a tile. */
static inline int32_t winograd_points(int32_t m, int32_t r)
{
    return r == 1 ? 1 : m + r - 1;
}
static inline int32_t winograd_outputs(int32_t m, int32_t r)
{
    return r == 1 ? 1 : m;
}
/* Up to so many points are 0, pairs and infinity; more are pairs and infinity. m goes as far as MOST_OUTPUTS. */
enum { WINOGRAD_FEW_POINTS = 8, WINOGRAD_MOST_POINTS = 9, WINOGRAD_MOST_OUTPUTS = 7 };
/* Finite point p_i of T, i < T - 1. (pack_vector.c) */
double winograd_point(int32_t i, int32_t points);
/* N_i of point i of T, |N_0| for point 0, 1 at infinity. (pack_vector.c) */
double winograd_divisor(int32_t i, int32_t points);
/* Taps of a phase of a window of `kernel` taps: what r is above. */
static inline int32_t winograd_taps(int32_t kernel, int32_t stride)
{
    return (kernel + stride - 1) / stride;
}
/* Phases of one axis that add to a point, of stride S: those with all taps at infinity, else all. */
static inline int32_t winograd_phases(int32_t kernel, int32_t stride, bool at_infinity)
{
    return at_infinity && kernel % stride != 0 ? kernel % stride : stride;
}

/* The products of Strassen's algorithm (backend/emit_strassen.c) in the order in which weights lie and are used. */
enum { W11_X11, W12_X21, S2_T2, S3_T3, W22_T4, S1_T1, S4_X22, STRASSEN_PRODUCTS };
/* Those whose weights are zeros past the last input: of the second half of the inputs alone. */
static inline bool strassen_ends_with_inputs(int product)
{
    return product == W12_X21 || product == W22_T4 || product == S4_X22;
}

/* One phase of a transposed convolution: its window is every step-th tap of the source's rows x cols, from `first` on,
 * backwards. rows 0: the whole window. */
typedef struct TapPhase {
    int32_t rows, cols;
    int32_t first[2], step[2];
} TapPhase;

typedef struct Segment {
    uint32_t id;
    Str name; /* "layer1.0.conv1.weight": for comments */
    /* A constant, whose recipe is carried out when packing. Lowering makes some itself: these are not in the graph. */
    const Node *source;
    PackFormat format;
    /* rows: of all groups together (a group has rows / groups), each of cols elements. A bias or any other vector has
     * cols = 1 and the row_block and groups of the weight it goes with, so that it is padded alike. */
    int32_t rows, cols, groups;
    bool transposed; /* source is [cols.., rows..] (conv_transpose): swap the first two axes */
    /* n_rows > 0: the source has windows of connections only, row after row: window k of row o is of input values[k]; the
     * other inputs' windows are zeros. VECTORS and WINOGRAD, groups 1. */
    IntTable table;
    TapPhase phase; /* transposed only */
    int64_t offset; /* bytes, multiple of 64, counted from the end of the blob's header (embedded weights have none) */
    int64_t bytes;  /* of segment_elements() numbers, whole words: without the gap up to the next segment */
} Segment;
/* Packed floats, padding included. */
int64_t segment_elements(const Segment *segment);
enum { BLOB_ALIGN = 64, BLOB_HEADER_BYTES = 64 };

/* --- kernels */
typedef enum KernelFamily {
    KERNEL_CONV,      /* any 2-D convolution as a tiled matrix product; groups >= 1 */
    KERNEL_DEPTHWISE, /* output channel o reads input channel o / multiplier; weights as PyTorch stores them */
    KERNEL_DENSE,     /* in_channels inputs, out_channels outputs; rows = cols = 1 */
    KERNEL_MAX_POOL,
    KERNEL_AVG_POOL, /* adaptive too: sizes.adaptive */
    KERNEL_GLOBAL_POOL,
    KERNEL_UNARY,  /* one activation (epilogue.act) over a whole tensor; OP_PRELU: slope of channel c is weights[c] */
    KERNEL_BINARY, /* act(a op b [+ residual]): add, sub, mul, with broadcasting */
    KERNEL_CHANNEL_AFFINE, /* y = x * weights[c] + bias[c]: affine, normalize, batch norm left over */
    KERNEL_LRN,
    KERNEL_SOFTMAX,        /* and log_softmax; over channels, for each pixel */
    KERNEL_CONV_TRANSPOSE, /* sizes as the network says them; weight [output channel][(input channel, ky, kx)] */
    KERNEL_TABLE_CONV,    /* output channel o reads the channels in row o of sizes.table; weight [connection][ky][kx] */
    KERNEL_RBF,           /* y[o] = sum over i of (x[i] - weights[o][i])^2; weights as PyTorch stores them */
    KERNEL_SUBSAMPLE,     /* y = weights[c] * (sum of the window) + bias[c]; windows lie side by side */
    KERNEL_INSTANCE_NORM, /* epilogue.bias: has weights and bias, one a channel */
    KERNEL_L2_NORMALIZE,  /* over channels, for each pixel */
    KERNEL_BORDER,        /* padding: sizes.border; of a plain image only PAD_REFLECT and PAD_EDGE (else COPY) */
    KERNEL_UPSAMPLE,      /* by stride_rows x stride_cols; sizes.bilinear, else nearest */
    KERNEL_GRAM,          /* y[a][b] = sum over pixels of x[a] * x[b], divided by in_channels * in_rows * in_cols */
    KERNEL_REDUCE,        /* to one number: sizes.op is OP_SUM, OP_MEAN or OP_MSE (two operands) */
    KERNEL_ARGMAX,        /* over channels, for each pixel; i32 */
    KERNEL_TOP_K,         /* sizes.k largest of in_channels, falling; sizes.indices: i32, else the values */
    KERNEL_PIXELS,        /* y = x * weights[c] + bias[c] of u8 x, plain or interleaved, to plain f32 */
    KERNEL_COPY,          /* copy, concat part, slice, permute, flatten "hwc", zero padding: strided copy */
    /* Of vector targets only. */
    KERNEL_DIRECT, /* convolution, blocked -> blocked; groups > 1 where a group is whole blocks on both sides */
    KERNEL_PLANAR, /* convolution of few input channels, planar with halo -> blocked */
    KERNEL_ROWS,   /* convolution of few channels to few, planar with halo -> plain; vectors are pixels of a row */
    KERNEL_WINOGRAD, /* convolution of stride 1 or 2, blocked -> blocked; groups as in DIRECT. Also in plain C: PlainWinograd */
    KERNEL_WINOGRAD_LIVE, /* the same of 3x3 windows; filters lie as they are and are transformed where used */
    KERNEL_STRASSEN, /* convolution 1x1 of an even number of blocks of channels on both sides, blocked -> blocked */
    KERNEL_GROUPED,  /* convolution with groups of 2, 4, 8 .. channels (in = out, a divisor of b), blocked -> blocked */
    KERNEL_FEW,      /* convolution to a few output channels, blocked -> plain; lanes are input channels */
    KERNEL_CONVERT,  /* the same [C,H,W] from layout `in` to layout `out` (any two): interior, and zeros in pad lanes */
    KERNEL_SPACE_TO_DEPTH, /* plain or planar [C,H,W] -> blocked [S*S*C,..], see Kernel */
    KERNEL_ZERO_HALO,      /* writes zeros to the halo of `out`, nothing else */
    KERNEL_FAMILY_COUNT
} KernelFamily;
const char *kernel_family_name(KernelFamily family); /* "conv" */
static inline bool is_winograd(KernelFamily family)
{
    return family == KERNEL_WINOGRAD || family == KERNEL_WINOGRAD_LIVE;
}

typedef enum Broadcast { BROADCAST_NONE, BROADCAST_CHANNEL, BROADCAST_SCALAR } Broadcast;

/* All sizes of a kernel. Members that a family does not use stay zero, so that equal work has equal records.
 * in_* and out_* are logical sizes, as in the layouts. Elementwise families have out_* = in_*.
 * BINARY: in_* = out_* = the result's. Operand k is of that size (BROADCAST_NONE), one element a channel
 *   (BROADCAST_CHANNEL) or one element (BROADCAST_SCALAR); a literal operand has no entry in Step.inputs: the others
 *   follow each other there, so the first that is not literal is x[0].
 * COPY: loops c < in_channels, y < in_rows, x < in_cols over
 *     out[c * out_stride[0] + (y + pad_top) * out_stride[1] + (x + pad_left) * out_stride[2]]
 *       = in[c * in_stride[0] + y * in_stride[1] + x * in_stride[2]]
 *   after adding the step's input_offset and output_offset. Where out_rows, out_cols (= in + pads) are larger than
 *   in_rows, in_cols, every other element of the out_rows x out_cols planes is set to scalar[0]. Loops are merged and
 *   ordered beforehand: an all-contiguous copy has in_channels = in_rows = 1; the layouts of a COPY stay zero. */
typedef struct KernelSizes {
    int32_t in_channels, in_rows, in_cols;
    int32_t out_channels, out_rows, out_cols;
    int32_t kernel_rows, kernel_cols;
    int32_t stride_rows, stride_cols;
    int32_t dilation_rows, dilation_cols;
    int32_t pad_top, pad_left;     /* bottom and right follow from the sizes */
    int32_t pad_bottom, pad_right; /* avg_pool with count_pad needs them for the divisor */
    int32_t groups;
    /* DIRECT: a second 1x1 convolution without padding, of the image Kernel.in2 to the same outputs, goes into the same
     * sums; 0, 0: none. Then the first is one, too, and its channels are whole blocks. */
    int32_t second_stride_rows, second_stride_cols;
    int32_t multiplier;               /* depthwise */
    bool count_pad, adaptive, is_max; /* pools */
    bool is_log;                      /* log_softmax */
    OpKind op;              /* BINARY: OP_ADD, OP_SUB, OP_MUL; REDUCE; UNARY: none (epilogue.act says); COPY: none */
    Broadcast broadcast[2]; /* BINARY: of each operand */
    double scalar[2]; /* BINARY: a literal operand (BROADCAST_SCALAR from constant); COPY: scalar[0] fills the border */
    bool scalar_is_literal[2];
    LrnAttr lrn;
    double eps;                          /* INSTANCE_NORM, L2_NORMALIZE */
    PadMode border;                      /* BORDER; PAD_ZERO: scalar[0] all around (vector > 1 only) */
    bool frame;                          /* BORDER, vector > 1: the input is the interior of the output already */
    bool bilinear;                       /* UPSAMPLE */
    int32_t k;                           /* TOP_K */
    bool indices;                        /* TOP_K */
    IntTable table;                      /* TABLE_CONV; n_rows = 0: none */
    int64_t in_stride[3], out_stride[3]; /* COPY: strides in elements of the loops c, y, x */
} KernelSizes;

/* Rows (or columns) of the padded input that the windows of `out` outputs cover. */
static inline int64_t window_extent(int32_t out, int32_t kernel, int32_t stride, int32_t dilation)
{
    return (int64_t)(out - 1) * stride + (int64_t)(kernel - 1) * dilation + 1;
}

typedef struct Epilogue {
    bool bias, residual;
    Activation act; /* op OP_IDENTITY: none */
} Epilogue;

/* What becomes of each number of the input before it is multiplied. */
typedef enum PrologueKind {
    PROLOGUE_NONE,
    PROLOGUE_NORM, /* act(x * scale + shift), of which every channel has its own (Step.norm). DIRECT and STRASSEN of a 1x1
                      window without padding, one group, no second convolution */
    PROLOGUE_ACT, /* act(x), where act(0) = 0, so that zeros around x stay what they are. DEPTHWISE */
    PROLOGUE_MEAN /* the mean of each channel over the blocked image sizes.in_*. DENSE; weights as of a plain vector;
                      scratch of one part: the means, [ceil(I/b)][b] */
} PrologueKind;

typedef struct Prologue {
    PrologueKind kind;
    Activation act; /* op OP_IDENTITY: none. All zero where there is no prologue */
} Prologue;

/* A kernel: everything its C text depends on. Equal records are emitted once and called many times.
 *
 * vector = 1: plain C99 on plain layouts, all families above DIRECT, and WINOGRAD. vector = b: the C text works on vectors of
 * b floats, and families take and give:
 *   DIRECT, WINOGRAD, STRASSEN, GROUPED, DEPTHWISE (multiplier 1)   in, out, residual blocked. DIRECT with second_stride: a
 *                        shortcut's projection in the same sums; `in2` blocked, operand x[1]; the weight is that of one
 *                        convolution of the channels of both, first those of `in`
 *   PLANAR               in planar (sizes.in_channels planes of plane_stride floats), out, residual blocked
 *   FEW                  in blocked, out plain, maybe the caller's: aligned as floats only; no residual, no groups
 *   ROWS                 in planar, out plain, maybe the caller's: aligned as floats only; no residual; out_cols >= b. Weights
 *                        ROWS of row_block = channels of a set; tile_cols = columns of a pass
 *   DENSE                in plain vector, or blocked image without halo whose channels are whole blocks (weight_format says);
 *                        sizes.in_channels floats in a row either way. With PROLOGUE_MEAN any blocked image, and no
 *                        skips_zeros. out, residual plain vectors of any length, not padded and maybe the caller's: aligned as
 *                        floats only
 *   MAX_POOL, AVG_POOL   blocked -> blocked; windows in the padding are clipped by sizes, the halo is not read (max) or not
 *                        relied on to be as wide as the padding. adaptive too. Of whole windows 2x2 plain -> plain too
 *   GLOBAL_POOL          blocked -> plain vector, maybe the caller's
 *   SUBSAMPLE            blocked -> blocked; of whole windows 2x2 plain -> plain too, with weights as they are
 *   GRAM                 blocked -> plain, maybe the caller's
 *   SOFTMAX              plain vector -> plain vector, both maybe the caller's
 *   INSTANCE_NORM        blocked -> blocked, also in place; residual blocked
 *   UPSAMPLE             blocked -> blocked; bilinear by at most 8 columns
 *   BORDER               blocked -> blocked; sizes.frame: `in` is the interior of `out`, in the same memory
 *   LRN                  blocked -> blocked, not in place; at most b neighbours on either side
 *   UNARY, CHANNEL_AFFINE   blocked -> blocked; vectors of weights are padded to whole blocks (ROWS, row_block = b). UNARY,
 *                        but for prelu: plain -> plain too, both maybe the caller's
 *   BINARY               blocked -> blocked; `in` is of operand 0, `in2` of operand 1 (all zero of a literal). Of Broadcast
 *                        NONE an operand is blocked, of CHANNEL a plain vector, of SCALAR one plain number, aligned as floats
 *                        only and not padded
 *   CONVERT, ZERO_HALO   vector says what the target has, in or out may be plain and the caller's (unaligned)
 * A kernel writes the interior of out and no other element (but CONVERT's and others' pad lanes). All splitting into parts
 * is such that results do not depend on the number of parts. */
/* clang-format off */
typedef struct Kernel {
    uint32_t id;
    KernelFamily family;
    int32_t vector;              /* floats in a vector of this kernel's text; 1: plain C99 */
    KernelSizes sizes;
    Layout in, out;
    Layout in2;                  /* BINARY with vector > 1, DIRECT of two images: of operand 1; else all zero */
    Layout residual;             /* vector > 1 and epilogue.residual; else all zero */
    Epilogue epilogue;
    Prologue prologue;           /* with one a DIRECT kernel has blocks of pixels outside, whatever its weights */
    PackFormat weight_format;
    /* CONV, CONV_TRANSPOSE: output pixels (a multiple of 16; of 4 where conv_is_wide) and taps (of 4) gathered at once. GRAM:
     * channels, pixels. WINOGRAD in plain C: tile_taps input channels (of 4) multiplied at once. */
    int32_t tile_pixels, tile_taps;
    /* FEW: tile_cols pixels of a row, a power of two of at most b and out_cols. Vector convolutions (DIRECT, PLANAR,
     * WINOGRAD, STRASSEN, GROUPED, DEPTHWISE): accumulators of one tile are tile_rows x tile_cols pixels by
     * weight_format.vectors. Tiles of tile_cols columns cover a row of out; where cols is no multiple of it, split the
     * row into ceil(cols / tile_cols) tiles of equal width +-1; the last rows may be fewer than tile_rows. WINOGRAD:
     * tile_cols of the block's 2-D tiles are one chunk of the product, STRASSEN: tile_cols of the pixels of a half
     * (twice: of half a half), WINOGRAD_LIVE: 2-D tiles, of which a row of T points each is in registers at once. A 1x1
     * of stride 1 without halo on either side (and residual) has in_rows = out_rows = 1 already: one row of all pixels. */
    int32_t tile_rows, tile_cols;
    int32_t tile_round;          /* DIRECT, PLANAR, WINOGRAD, STRASSEN: products of each accumulator in the body of the
                                    inner loop: 1, 2, 4; 0: four, of PLANAR a whole window row where that is short. Few
                                    registers want few */
    bool pixels_outer;           /* order: blocks of block_tiles tiles outside, oc sets inside; false: oc sets outside */
    int32_t block_tiles;         /* pixels_outer: tiles of a block. Both WINOGRADs: 2-D tiles transformed at once (NT; of
                                    quads whole fours). STRASSEN: pixels of a half; all halves but the last are
                                    fewer than the pixels */
    bool input_ahead;            /* DIRECT, window 1x1: inputs of the next block (tile, where tiles are not in blocks) are
                                    asked for while this one's are summed up, or go through the prologue. MAX_POOL,
                                    AVG_POOL: those of the next row of windows. DEPTHWISE: of the row of tiles after the
                                    next one. STRASSEN: of the next plane. WINOGRAD: of a tile two further */
    bool tile_ends;              /* DEPTHWISE, GROUPED: tiles, of one row, apply the epilogue, whose activation has no
                                    parameters, to sums in registers; else the kernel does to what tiles return */
    bool near;                   /* DIRECT, PLANAR, STRASSEN, DEPTHWISE whose tiles end: a tile's outputs go through a silu
                                    without limits, and once more through one with limits if an output was beyond them */
    int32_t prefetch_bytes;      /* 0: none. DENSE: how far ahead in the weights. DIRECT: the size of one oc set's weights,
                                    to be spread over the tiles of the set before. WINOGRAD, STRASSEN: not 0 where the
                                    weights of the next point or product are asked for, spread over the chunks of this
                                    one; WINOGRAD_LIVE: those of the next plane */
    WinogradTile winograd;       /* Both WINOGRADs: of LIVE square, of stride 1 at most 6. The halo of `in` covers whole
                                    tiles: winograd_reach() rows from -pad_top are inside buffer and halo, columns alike */
    int32_t lane_phases;         /* WINOGRAD of a first layer: its stride S, whose phases lie in the lanes of `in` */
    int32_t lane_rows, lane_cols; /* and its window; sizes are those of the convolution of stride 1 over S * S * C
                                    channels; else 0 */
    int32_t lines;               /* PLANAR, ROWS: m of Winograd's F(m, rows of the window) down the columns, over m rows of
                                    out at once; weights are LINES, of ROWS with lanes = channels of a set. Stride and
                                    dilation 1, no residual, out.rows >= m, at least lines_width() / 2 columns are read.
                                    0: direct */
    int32_t out_step;            /* DIRECT: from a pixel of out to the next of its row, in pixels; 0: they are neighbours */
    bool max_pool, avg_pool;     /* both WINOGRADs (max only, winograd_takes_pool), ROWS with lines (lines_take_pool): out is
                                    the 2x2 pool of stride 2 of the result; sizes.out_* are the convolution's, out.rows and
                                    out.cols the pool's (floor) */
    bool skips_zeros;            /* DENSE with vector > 1: weights of inputs that are 0 are not read. Sets are rows of
                                    DENSE_ROW bytes or, of all outputs, less */
    int64_t scratch_bytes;       /* of one part of a parallel run; multiple of 64 */
    Str name;                    /* "conv3x3_s1p1_64x56x56_to_64x56x56_relu": from the record, unique in the program */
} Kernel;
/* clang-format on */
/* Floats of a cache line, 64 bytes on all processors of the targets: what a prefetch brings. And floats that arrays in
 * scratch are padded by where a kernel goes through several at a time: strides of 4 KiB would fight for the same sets
 * of the first level. Tiles (tiles_*.c) count what the emitters' strides take. */
enum { CACHE_LINE = 16, SCRATCH_PAD = CACHE_LINE };
/* CONV, CONV_TRANSPOSE: channels (wide: pixels) and taps of the micro-kernel. */
enum { CONV_ROWS = 4, CONV_COLS = 4 };
/* CONV: whether rows of sums are weight_format.row_block channels of a pixel, not tile_pixels pixels of a channel. Scratch of one
 * part: gathered inputs [tile_taps][tile_pixels]; the same as rows of the micro-kernel's weights where it is wide; sums, of a
 * set of channels where all taps are gathered at once, else of all. */
static inline bool conv_is_wide(const Kernel *kernel)
{
    return kernel->family == KERNEL_CONV && kernel->vector == 1 && kernel->weight_format.col_block == 1;
}
/* DENSE with skips_zeros: parts share out so many vectors of outputs at a time; bytes of a row of weights; and scratch of one
 * part: totals [vectors][b], sums [vectors][b], a list of the inputs (place and value), and DENSE_LIST_MORE entries. */
enum { DENSE_SHARE = 8, DENSE_ROW = 4096, DENSE_LIST_MORE = 16 };
int64_t dense_scratch_bytes(const Kernel *kernel);
/* WINOGRAD of vector targets, scratch of one part: V [T*T][S*S*ceil(I/b)][NT][b], then M [T*T][vectors][NT][b], each [T*T] stride padded
 * by SCRATCH_PAD: 4 * T*T * ((S*S*ceil(I/b) + vectors) * NT * b + 2 * SCRATCH_PAD) bytes; then winograd_quad_bytes().
 */

/* Whether a kernel is WINOGRAD in plain C: stride 1, 3x3, no groups, whole fours of input channels. */
static inline bool winograd_is_plain(const Kernel *kernel)
{
    return kernel->family == KERNEL_WINOGRAD && kernel->vector == 1;
}
/* Its sizes: a block of whole rows of tiles is done at a time; weights are WINOGRAD with lanes = channels of a set. */
typedef struct PlainWinograd {
    int32_t m, points;            /* of an axis: outputs of a tile, T = m + 2 */
    int32_t tile_rows, tile_cols; /* of the image */
    int32_t block_rows;           /* rows of tiles of a block; the last one may have fewer */
    int32_t slots;                /* tiles of a block, and up to three more: whole fours */
    int32_t width;                /* columns of the input that a row of tiles reads, padding included */
    int64_t pixels;               /* of the output, of a block */
    /* Floats of scratch: inputs V [T*T][slots/4][I/4][4 tiles][4]; products M [T*T][slots][channels of a set], which begin as
     * rows of four input channels and the same transformed down, [2][T][width][4]; outputs [CHANNELS][pixels]. */
    int64_t v, products, outputs;
} PlainWinograd;
enum { PLAIN_WINOGRAD_CHANNELS = 16 }; /* outputs transformed at once; divides the channels of a set */
/* Of a kernel whose block_tiles and weight_format are known. */
PlainWinograd plain_winograd(const Kernel *kernel);

/* WINOGRAD_LIVE scratch of one part: V [ceil(I/b)][slots/t][S*S][T*T][t][b] for t = tile_cols, slots = NT rounded up to whole t,
 * then M [slots/t][T*T][t][b]. */
int64_t winograd_live_scratch(const Kernel *kernel);
/* WINOGRAD with a max pool and tiles odd either way: they come by 2 x 2 neighbours, whose pixels [2 rows][2 columns][b] lie in
 * scratch behind M until they are pooled. */
static inline bool winograd_quads(const Kernel *kernel)
{
    return kernel->max_pool && (kernel->winograd.rows % 2 != 0 || kernel->winograd.cols % 2 != 0);
}
static inline int64_t winograd_quad_bytes(const Kernel *kernel)
{
    WinogradTile tile = kernel->winograd;
    return winograd_quads(kernel) ? 16 * (int64_t)tile.rows * tile.cols * kernel->vector : 0;
}
/* PLANAR, ROWS with lines: floats of a row of the transformed input, V [T][in_channels][lines_width]. */
int64_t lines_width(const Kernel *kernel);
/* ROWS with lines of a row that ends with half a vector: that half of two channels is computed at once. V's rows then end
 * with its last b columns, each of them twice. */
bool lines_pairs(const Kernel *kernel);
/* Whether such a kernel can do the 2x2 pool of its result: it has pairs of rows, and more than one vector of columns. */
static inline bool lines_take_pool(const Kernel *kernel)
{
    int32_t rows = kernel->sizes.out_rows / 2 * 2, cols = kernel->sizes.out_cols / 2 * 2;
    return kernel->family == KERNEL_ROWS && kernel->lines > 0 && kernel->lines % 2 == 0 && rows >= kernel->lines &&
           cols > kernel->vector;
}
/* Whether such a kernel can do the 2x2 max pool of its result: its tiles are even, or those of the image are an even number
 * each way (winograd_quads). */
static inline bool winograd_takes_pool(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    WinogradTile m = kernel->winograd;
    bool window = is_winograd(kernel->family) && winograd_taps(s->kernel_rows, s->stride_rows) > 1 &&
                  winograd_taps(s->kernel_cols, s->stride_cols) > 1;
    bool even = m.rows % 2 == 0 && m.cols % 2 == 0;
    return window && (even || (kernel->family == KERNEL_WINOGRAD && (s->out_rows + m.rows - 1) / m.rows % 2 == 0 &&
                               (s->out_cols + m.cols - 1) / m.cols % 2 == 0));
}
/* STRASSEN: pixels of x follow each other without gaps and are multiplied as they are, so that the factors that are no
 * sums are read where they lie. */
bool strassen_in_place(const Kernel *kernel);
/* DIRECT with a prologue, scratch of one part: the inputs of a block's tiles as they are multiplied,
 * [ceil(I/b)][tiles of a block][rows of a tile][columns of a tile][b], the first stride padded by SCRATCH_PAD. */
int64_t prologue_scratch_bytes(const Kernel *kernel);
/* STRASSEN scratch of one part: V [4, or 7 where not in place][ceil(I/b)/2][block_tiles][b], then
 * sums [2][vectors][block_tiles][b]. Twice: V, sums of quarters [2][ceil(I/b)/2][run][b] for run = block_tiles/2 rounded up,
 * U, U3 [sets][2 halves of lanes][2 runs][run][vectors][b], sums [2][vectors][run][b], the result of a set as U. The first
 * strides padded by SCRATCH_PAD. */
int64_t strassen_scratch_bytes(const Kernel *kernel);
/* Rows (or columns) of the input, from the first padding one, that the tiles of `out` rows read. */
static inline int32_t winograd_reach(int32_t out, int32_t kernel, int32_t stride, int32_t m)
{
    int32_t taps = winograd_taps(kernel, stride), outputs = winograd_outputs(m, taps);
    int32_t points = winograd_points(m, taps), tiles = (out + outputs - 1) / outputs;
    int32_t last = kernel % stride == 0 ? stride : kernel % stride; /* phases that read the last point */
    return stride * ((tiles - 1) * outputs + points - 1) + last;
}
/* SPACE_TO_DEPTH (a first layer of stride S = stride_rows = stride_cols): channel (qr * S + qc) * C + c of the result, row i,
 * column j is channel c, row S * i + qr - pad_top, column S * j + qc - pad_left of the input, zero outside it. */
bool kernel_equal(const Kernel *a, const Kernel *b); /* all but id and name */

/* --- steps
 * What may overlap: the output of UNARY, BINARY, CHANNEL_AFFINE and INSTANCE_NORM may be the very memory of an operand
 * that is not broadcast, and the output of any family that of its residual (the element that is written is the one just
 * read). So y and residual, and in elementwise families y and x, are not `restrict`. Everything else is disjoint. */
enum { STEP_MAX_INPUTS = 2 };
typedef struct Step {
    const Kernel *kernel;
    Buffer *inputs[STEP_MAX_INPUTS];       /* data; BINARY, DIRECT: 1 or 2 */
    int64_t input_offset[STEP_MAX_INPUTS]; /* elements into the buffer (slices) */
    uint32_t n_inputs;
    Buffer *residual;             /* may be the output's own memory: y = act(conv + y) */
    const Segment *weight, *bias; /* NULL where the kernel has none */
    const Segment *norm;          /* of the prologue, [2][ceil(I/b) * b]: scales, then shifts; NULL: none */
    Buffer *output;
    int64_t output_offset;   /* elements into the buffer (concat) */
    Buffer *scratch;         /* NULL where none; parts * kernel->scratch_bytes */
    const Kernel *zero_halo; /* a ZERO_HALO to be run on halo_of before the kernel; NULL: none */
    Buffer *halo_of;
    bool alone, halo_alone; /* the kernel, zero_halo: too small to be split, run by the calling thread (alone.c) */
    const Node *node;       /* comments: path, types, span */
    const Node *second;     /* the other of two convolutions that one step sums; NULL: none */
    const Node *before;     /* the norm, activation or pool that is the kernel's prologue; NULL: none */
    Str title;              /* "layer1.0.conv1 + bn1 + relu" */
    int64_t macs;
} Step;

typedef struct Program {
    Arena *arena;
    const Graph *graph;
    const Target *target;
    Step *steps;
    uint32_t n_steps;
    Kernel **kernels; /* distinct, in order of first use */
    uint32_t n_kernels;
    Buffer **buffers; /* in order of creation */
    uint32_t n_buffers;
    Segment **segments; /* in execution order */
    uint32_t n_segments;
    Buffer **inputs, **outputs; /* by port */
    int32_t batch;              /* images a run */
    int32_t parts;              /* most parts a step is split into (--threads-max) */
    Storage dense_storage;      /* of the weights of DENSE kernels */
    int64_t arena_bytes;        /* by plan.c */
    int64_t arena_lower_bound;  /* largest sum of live bytes at any step */
    int32_t peak_step;
    int64_t blob_bytes;   /* header + segments */
    uint64_t fingerprint; /* of the kernels, the segments' layout and their recipes: ties a blob to the code */
} Program;

typedef struct LowerOptions {
    const Target *target;
    int32_t batch, parts;
    bool no_winograd;
    Storage dense_storage;
    int32_t split_from;      /* microseconds: steps that are estimated shorter are not split; 0: all are */
    const Map *choices;      /* conv_key() -> ConvChoice (choices.h), asked before the rules; NULL: none */
    bool no_fuse_projection; /* every convolution is a step of its own */
    bool no_fuse_prologue;   /* so is every norm, activation and mean that a prologue could be */
} LowerOptions;

/* Lowers a graph: reports ops that the backend does not support (all of them), then returns NULL. Plans memory too. */
Program *lower(Arena *arena, const Graph *graph, const LowerOptions *options, Diag *diag);

/* program_set.c: one network for several targets in one file set. The programs have ports, batch and parts in common, and
 * the blob, which holds each distinct packing once; so their segments' offsets, blob_bytes and fingerprint are those of the
 * set. For one target the set is that program alone. */
typedef struct ProgramSet {
    Program **programs; /* one a target, in the order given */
    int n_programs;
    /* What they have in common: every distinct segment, the largest arena, all kernels (for their names), a target that is
     * called after all of them; no steps. Of a single program that program. */
    const Program *whole;
} ProgramSet;
/* `options->target` is not looked at. NULL after an error. */
ProgramSet *lower_set(Arena *arena, const Graph *graph, const LowerOptions *options, const Target *const *targets,
                      int n_targets, Diag *diag);

/* select.c: chooses the kernel family for a conv on plain values and completes the record; shape and target decide, and
 * whether Winograd's convolution is wanted, nothing else. */
void select_conv(const Target *target, bool winograd, Kernel *kernel);

/* The same for vector targets: sets vector, family, winograd, multiplier; false where no vector kernel fits (then select_conv
 * on plain values). Layouts and tiles are the caller's. */
bool select_vector_conv(const Target *target, bool winograd, Kernel *kernel);
/* Whether a family (WINOGRAD: with this m) could carry out a convolution at all: what a choice from outside may be. */
bool vector_conv_fits(const Target *target, KernelFamily family, WinogradTile winograd, const KernelSizes *sizes);
/* Replaces what select_vector_conv decided by a family that fits. */
void vector_conv_take(const Target *target, KernelFamily family, WinogradTile winograd, Kernel *kernel);

/* tiles.c: completes a record of any family whose sizes, layouts, epilogue and weight_format.storage are filled: the rest of
 * weight_format, tile_pixels,
 * tile_taps, scratch_bytes. What it sets is what the emitters expect, so lowering calls it for every kernel. */
void tiles_choose(const Target *target, Kernel *kernel);

/* The most taps of one axis (0 rows, 1 columns) that an output element of a CONV_TRANSPOSE sees; at least 1. */
int32_t transposed_taps(const KernelSizes *sizes, int axis);
/* One axis of CONV_TRANSPOSE: output i sees tap t, at input (i + pad - t * dilation) / stride, where that is whole. */
typedef struct TransposedAxis {
    int32_t in, out, kernel, stride, dilation, pad;
} TransposedAxis;
TransposedAxis transposed_axis(const KernelSizes *sizes, int axis);
bool transposed_sees(const TransposedAxis *axis, int32_t i, int32_t tap); /* inside the input or not */

/* plan.c: lifetimes, in-place, views, offsets, peak and lower bound. */
void plan_buffers(Program *program, Arena *scratch);

/* alone.c: sets Step.alone and halo_alone. Results do not depend on them. */
enum { SPLIT_FROM = 5 }; /* microseconds: handing out and waiting take about one, and the data change their cores */
void steps_decide_alone(Program *program, int32_t split_from);

/* program_dump.c */
void program_dump(const Program *program, StrBuf *out);
void plan_dump(const Program *program, StrBuf *out);

/* pack.c: the blob. `write` receives consecutive pieces, first a provisional header; at the end `patch` overwrites the
 * header (at offset 0) with the real one, whose checksum needed all contents. Contents are produced once and never held
 * whole. Reports a non-finite weight to diag and returns false. */
typedef struct PackSink {
    void (*write)(void *user, const void *bytes, size_t size);
    void (*patch)(void *user, uint64_t offset, const void *bytes, size_t size);
    void *user;
} PackSink;
typedef struct Weights Weights;
bool pack_blob(const Program *program, const Weights *weights, Diag *diag, const PackSink *sink);

#endif
