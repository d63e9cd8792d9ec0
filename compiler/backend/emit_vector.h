/* Kernels of vector targets: what their emitters share. The C text works on `vector`s of Kernel.vector floats, an
 * extension that gcc and clang have for every machine (embed/vector.c); no intrinsics, no assembly. */
#ifndef CNNC_BACKEND_EMIT_VECTOR_H
#define CNNC_BACKEND_EMIT_VECTOR_H

#include "backend/emit.h"

/* --- emit_vector.c */
/* What stands before the kernels: checks of the compiler, vector types and functions, tiles. `text` is the kernels' C
 * text: only what it uses is written. Nothing where the program has no vector kernel. */
void emit_vector_prologue(const Program *program, Str text, CWriter *w);

/* --- emit_vector_shared.c: of the embedded `texts` (NULL ends them) what `tiles` and `kernels`, C text both, use */
enum { MAX_SHARED_TEXTS = 10 };
void emit_vector_shared(const char *const *texts, Str tiles, Str kernels, CWriter *w);
void emit_vector_kernel(const Kernel *kernel, CWriter *w); /* kernel->vector > 1 */
/* "vector_relu(v)"; the variable itself for OP_IDENTITY. */
CExpr emit_vector_activation(const Activation *act, const char *variable);
/* The loop that writes a tile's outputs: written once, or twice where their silu is computed as if near 0 (Kernel.near), once
 * more where one was not.
 *     OutputPass pass = emit_first_pass(near, w);
 *     do { ... emit_output_activation(act, "value", pass) ... } while (emit_next_pass(&pass, w)); */
typedef enum OutputPass { OUTPUT_ONCE, OUTPUT_NEAR, OUTPUT_FAR } OutputPass;
OutputPass emit_first_pass(bool near, CWriter *w);
bool emit_next_pass(OutputPass *pass, CWriter *w);
CExpr emit_output_activation(const Activation *act, const char *variable, OutputPass pass);
/* An offset that is added to a pointer: " + 928", "" for 0. */
CExpr emit_offset(int64_t offset);
/* "for (int NAME = 0; NAME < n; ++NAME)", unrolled by the compiler; cw_close() ends it. */
void emit_open_unrolled(CWriter *w, const char *name, int32_t n);
/* "vector_shuffle(a, b, 0, 1, 8, 9)": of two vectors of b lanes, named in `vectors`, that hold `results` sums of `lanes`
 * lanes each, the lower or upper half of each sum's lanes. */
void emit_put_halves(int32_t b, int32_t results, int32_t lanes, bool upper, const char *vectors, StrBuf *out);
/* Prefetches of `floats` floats in each of `rows` rows from base + first on; `hint`: "" or ", 0, 2", to the second level. */
void emit_rows_ahead(CWriter *w, const char *base, int64_t first, int32_t rows, int64_t row_stride, int32_t floats,
                     const char *hint);
/* First float that the window of output (0, 0) reads: halo minus padding. */
int64_t emit_window_origin(const Kernel *kernel);
/* First float of element (0, 0, 0). */
int64_t emit_interior(const Layout *layout);

EmitKernel emit_direct, emit_rows, emit_lines, emit_winograd, emit_strassen, emit_conv_few, emit_depthwise_vector,
    emit_dense_vector, emit_dense_nonzero, emit_pool_vector, emit_global_pool_vector, emit_lrn_vector,
    emit_instance_norm_vector, emit_border_vector, emit_upsample_vector, emit_subsample_vector, emit_gram_vector,
    emit_softmax_vector, emit_elementwise_vector, emit_convert, emit_zero_halo, emit_space_to_depth, emit_pool_rows;
/* emit_lines: PLANAR and ROWS with lines; emit_direct: PLANAR too; emit_depthwise_vector: GROUPED too */

/* --- emit_dense_vector.c: what both dense kernels write. `vector`: the vector of outputs of totals[v], an expression of v. */
CExpr emit_dense_load(Storage storage); /* the function that loads a vector of weights */
/* The kernel's comment; `from`: what stands before the number of inputs, `more` after the epilogue. */
void emit_dense_comment(const Kernel *kernel, const char *from, const char *more, CWriter *w);
/* totals[0 .. count) begin with the bias, or 0. */
void emit_dense_start(const Kernel *kernel, const char *vector, const char *count, CWriter *w);
/* They go to the outputs, after residual and activation. */
void emit_dense_results(const Kernel *kernel, const char *vector, const char *count, CWriter *w);

/* --- emit_pool_vector.c: PROLOGUE_MEAN */
void emit_means_window(const Kernel *kernel, CWriter *w); /* a function that emit_means calls; before the kernel */
/* A loop that writes the mean of each channel of x[0] to the vectors at `means`, the last of them whole. */
void emit_means(const Kernel *kernel, const char *means, CWriter *w);

/* --- emit_grouped.c: what is of grouped convolutions only */
typedef struct DepthwiseTile {
    const KernelSizes *s;
    int32_t rows, cols, b; /* pixels; lanes */
    int32_t channels;      /* of a group; 1: depthwise */
    const Activation *act; /* of each input, before it is multiplied; op OP_IDENTITY: none */
    const Epilogue *ends;  /* of each sum, which is then an output; NULL: the tile returns sums */
    bool near;             /* it ends, with Kernel.near */
} DepthwiseTile;
/* Adds the products of the window row at `in`, whose weights are at `w`, to the tile's sums s[rows * cols]. */
void emit_grouped_products(const DepthwiseTile *tile, CWriter *w);

/* --- emit_pool_rows.c: "value": even and odd places of a row, added or compared, of its vectors `left` and `right`, which
 * begins `second` floats behind the first */
void emit_pool_lanes(int32_t b, int32_t second, bool is_max, CWriter *w);

/* --- emit_winograd_live.c: its tile, called by emit_tile */
typedef struct TileShape TileShape;
CExpr emit_live_name(const TileShape *shape);
void emit_live_tile(const TileShape *shape, int32_t vector, CWriter *w);

/* --- emit_tile.c: the micro-kernel of all convolutions */
struct TileShape {
    int32_t rows, cols;   /* pixels */
    int32_t vectors;      /* of output channels */
    int32_t step;         /* floats from the input of a pixel to that of its neighbour in the row */
    int32_t unroll;       /* products of a round: neighbouring floats of the input */
    int32_t rounds;       /* of a window of one pixel: rounds of a plane; 0: what conv_taps says, windows of any size */
    int32_t prefetch;     /* cache lines of weights that a round asks for */
    int32_t row_prefetch; /* the same, of each window row: for rounds that use less than a line */
    int32_t second_step;  /* > 0: goes on over a second input, whose pixels are so far apart */
    bool input_ahead;     /* asks for the inputs of a later tile, plane by plane */
    bool plane_ahead;     /* of a window of one pixel: asks for the inputs of the next plane */
    bool half;            /* at most half of the last vector's channels exist; no products are made for the others */
    bool short_plane;     /* of a window of one pixel: the last plane has the rounds that conv_taps says */
    bool goes_on;         /* begins with the sums at `start`, not with zeros */
    int32_t chain;        /* > 0: planes of one chain of additions, whose sums are added up; of a window of one pixel */
    int32_t live;         /* > 0: a tile of WINOGRAD_LIVE: m. Then only this, cols (its 2-D tiles), step (the
                             stride) and ahead are used */
    int32_t ahead;        /* floats of weights that each channel asks for in each row of points */
};
enum { MAX_TILE_SHAPES = 8 };
/* Rounds of the last plane that some of `channels` have work for: fewer than of other planes want short_plane. */
int32_t tile_last_rounds(int64_t channels, int32_t b, int32_t unroll);
/* No more than half of the last vector of `channels` exist, and half a vector is faster than a whole one. */
bool tile_takes_half(int64_t channels, int32_t b);
CExpr emit_tile_name(const TileShape *shape);
void emit_tile(const TileShape *shape, int32_t vector, CWriter *w);
/* The shapes that a kernel calls: at most MAX_TILE_SHAPES, maybe some twice. 0 for families without tiles. */
int direct_tiles(const Kernel *kernel, TileShape *shapes);
int winograd_tiles(const Kernel *kernel, TileShape *shapes);
int lines_tiles(const Kernel *kernel, TileShape *shapes);
int strassen_tiles(const Kernel *kernel, TileShape *shapes);

#endif
