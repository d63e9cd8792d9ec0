/* Tiles of vector kernels: accumulators, order of loops, prefetch, packing, scratch. The figures come from measurements
 * on AVX-512 with gcc 12 and clang 14 (bench/NOTES.md); with 16 registers a tile has a dozen accumulators at most. */
#include "lower/tiles.h"
#include "support/ints.h"

enum {
    PREFETCH_FROM = 200 * 1024,    /* bytes of weights below which the hardware fetches well enough */
    PIXELS_INPUT = 600 * 1024,     /* bytes: a larger input is read again and again from the third level */
    PIXELS_WEIGHTS = 600 * 1024,   /* bytes: as many weights stay in the second level */
    DEPTHWISE_INPUT = 1024 * 1024, /* bytes: a larger input has left the second level */
    PIXELS_BLOCK = 256 * 1024,     /* bytes of input that stay there beside them, where there are more weights */
    PROLOGUE_BLOCK = 112 * 1024,   /* bytes of input that are normalised at once */
    DENSE_AHEAD = 4 * 1024,
    DENSE_VECTORS = 8,
    DENSE_FAR = 2 * 1024 * 1024,      /* bytes of weights that come from beyond the second level */
    DENSE_OUTPUTS = 64,               /* fewer do not pay for a list of the inputs */
    WINOGRAD_TILES = 32,              /* transformed at once */
    WINOGRAD_ONE_BLOCK = 56,          /* up to here all at once */
    WINOGRAD_FEW_TILES = 8,           /* at least, where that keeps their transforms near the processor: */
    WINOGRAD_NEAR = 256 * 1024,       /* bytes of transforms */
    WINOGRAD_INPUT = 3 * 1024 * 1024, /* bytes of an input that has left the second level, so that asking for it pays */
    WINOGRAD_AGAIN = 6 * 1024 * 1024  /* bytes of weights that may be read again and again for few tiles each */
};

/* Tiles of up to `pixels` pixels: a stretch of a row, or several short rows. */
static void choose_tile(Kernel *kernel, int32_t pixels)
{
    int32_t rows = kernel->sizes.out_rows, cols = kernel->sizes.out_cols;
    kernel->tile_cols = even_piece(cols, pixels);
    kernel->tile_rows = kernel->tile_cols < cols ? 1 : pixels / cols;
    kernel->tile_rows = kernel->tile_rows > rows ? rows : kernel->tile_rows;
}

/* --- few registers (16): a dozen accumulators, fewer are limited by the latency of sums (8 are in flight). What is best
 * depends on how rows, columns and channels divide, and on what must come from the second-level cache. */

enum {
    ACCUMULATORS = 12,
    ONE_VECTOR = 8, /* pixels of a tile of one vector */
    MOST_TILE_ROWS = 3,
    IN_FLIGHT = 9,          /* sums that hide their latency */
    WEIGHTS_L1 = 25 * 1024, /* bytes of weights that stay in the first level while pixels pass by */
    NEAR_PIXELS = 4,        /* more pixels, each in lines of its own, are dearer .. */
    PIXEL_SHARE = 12,       /* .. by such a share of products for each */
    SHARES = 64             /* of half a cycle: unit of costs */
};

/* What a product of every accumulator costs is counted for all tiles of an image. */
typedef struct TileWork {
    int32_t vector, planes, rows, cols; /* planes: vectors of channels */
    int64_t depth;                      /* products of an output */
    int32_t taps;                       /* of the window: an input is read again by as many products */
    int32_t step;                       /* bytes from pixel to pixel */
} TileWork;

/* In half cycles / SHARES. Two products a cycle; 18 bytes a cycle from the second level, where weights of more than the
 * first level come from, and inputs but for those that a window shares; the lesser of both is hidden but for an eighth.
 * Three vectors by four pixels take 0.83 to 0.95 of the time of two by six where inputs come from the second level
 * (measured with one product a cycle, and with two), hence shares. */
static int64_t tile_cost(const TileWork *work, Split tile)
{
    enum { TILE_START = 60, TILE_STORE = 4, L2_HALF_CYCLE = 9, LINE = 4 * CACHE_LINE };
    int64_t accumulators = (int64_t)tile.vectors * tile.rows * tile.cols;
    int64_t products = SHARES * (accumulators > IN_FLIGHT ? accumulators : IN_FLIGHT);
    int32_t pixels = tile.rows * tile.cols;
    if (pixels > NEAR_PIXELS && work->step >= 4 * work->vector) {
        products += products * (pixels - NEAR_PIXELS) / PIXEL_SHARE;
    }
    int64_t weights = 4 * (int64_t)work->vector * tile.vectors;
    weights = weights * work->depth > WEIGHTS_L1 ? weights : 0;
    int64_t input = (int64_t)tile.rows * (tile.cols * work->step + LINE / 2);
    int64_t traffic = SHARES * (weights + input / (work->vector * work->taps)) / L2_HALF_CYCLE;
    int64_t greater = products > traffic ? products : traffic, lesser = products + traffic - greater;
    return work->depth * (greater + lesser / 8) + SHARES * (TILE_START + TILE_STORE * accumulators);
}

static int64_t split_cost(const TileWork *work, Split split)
{
    int32_t row_tiles = ceil_div(work->rows, split.rows);
    Pieces columns = pieces_of(work->cols, split.cols);
    int64_t total = 0;
    for (int last_set = 0; last_set < 2; ++last_set) {
        Split tile = {last_set ? work->planes % split.vectors : split.vectors, 0, 0};
        int64_t sets = last_set ? tile.vectors > 0 : work->planes / split.vectors;
        for (int last_row = 0; last_row < 2; ++last_row) {
            int64_t count = sets * (last_row ? 1 : row_tiles - 1);
            tile.rows = last_row ? work->rows - (row_tiles - 1) * split.rows : split.rows;
            tile.cols = (int32_t)columns.size;
            total += count * columns.wide * tile_cost(work, tile);
            tile.cols = (int32_t)columns.size - 1;
            total += count * (columns.count - columns.wide) * tile_cost(work, tile);
        }
    }
    return total;
}

/* The cheapest tile; of equals that of fewer vectors, which reads fewer weights for a pixel. */
static Split best_split(const TileWork *work)
{
    Split best = {0};
    int64_t best_cost = 0;
    for (int32_t vectors = work->planes > 1 ? 2 : 1; vectors <= 3 && vectors <= work->planes; ++vectors) {
        for (int32_t rows = 1; rows <= MOST_TILE_ROWS && rows <= work->rows; ++rows) {
            /* A tile of one vector of channels reads a float for each product: more pixels do not help. */
            int32_t most = (vectors == 1 ? ONE_VECTOR : ACCUMULATORS / vectors) / rows;
            for (int32_t cols = 1; cols <= most && cols <= work->cols; ++cols) {
                Split split = {vectors, rows, cols};
                int64_t cost = split_cost(work, split);
                if (best.vectors == 0 || cost < best_cost) {
                    best = split;
                    best_cost = cost;
                }
            }
        }
    }
    return best;
}

int32_t split_round(Split split)
{
    return split.vectors == 2 && split.rows * split.cols > NEAR_PIXELS ? 2 : 4;
}

/* Its vectors, for the weights' format. */
static int32_t choose_split(Kernel *kernel, Split split)
{
    kernel->tile_rows = split.rows;
    kernel->tile_cols = split.cols;
    kernel->tile_round = split_round(split);
    return split.vectors;
}

PackFormat vectors_format(const Kernel *kernel, int32_t vectors, int32_t in_block)
{
    const KernelSizes *s = &kernel->sizes;
    return (PackFormat){.kind = PACK_VECTORS,
                        .row_block = kernel->vector,
                        .col_block = 1,
                        .lanes = kernel->vector,
                        .vectors = vectors,
                        .in_block = in_block,
                        .window_rows = s->kernel_rows,
                        .window_cols = s->kernel_cols};
}

/* Windows of one pixel that take each input from beyond the second level and but once: blocks of tiles outside, or one set
 * of channels. */
static bool reads_ahead(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t planes = ceil_div(s->out_channels, kernel->vector);
    return s->kernel_rows * s->kernel_cols == 1 && s->groups == 1 && s->second_stride_rows == 0 &&
           (kernel->tile_rows == 1 || kernel->prologue.kind == PROLOGUE_NORM) &&
           (kernel->pixels_outer || planes <= kernel->weight_format.vectors) &&
           4 * layout_elements(&kernel->in) > PIXELS_INPUT;
}

int64_t prologue_scratch_bytes(const Kernel *kernel)
{
    int64_t planes = ceil_div(kernel->sizes.in_channels, kernel->vector);
    int32_t cols = even_piece(kernel->sizes.out_cols, kernel->tile_cols);
    return 4 * planes * ((int64_t)kernel->block_tiles * kernel->tile_rows * cols * kernel->vector + SCRATCH_PAD);
}

/* Blocks of pixels outside, whose inputs stay near the processor once they are normalised. Shorter ones would ask for all
 * weights more often, and read short pieces of many planes. */
static void choose_prologue(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t tiles = (int64_t)ceil_div(s->out_rows, kernel->tile_rows) * ceil_div(s->out_cols, kernel->tile_cols);
    int64_t pixel_bytes = 4 * int_align_up(s->in_channels, kernel->vector);
    int64_t most = PROLOGUE_BLOCK / (pixel_bytes * kernel->tile_rows * kernel->tile_cols);
    most = most < 1 ? 1 : most;
    kernel->pixels_outer = true;
    kernel->block_tiles = even_piece(tiles, (int32_t)(most < tiles ? most : tiles));
    kernel->scratch_bytes = prologue_scratch_bytes(kernel);
}

static void choose_direct(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t in_channels = s->in_channels / s->groups, out_channels = s->out_channels / s->groups;
    int64_t taps = int_align_up(in_channels, kernel->vector) * s->kernel_rows * s->kernel_cols;
    taps += int_align_up(kernel->in2.channels, kernel->vector);
    int32_t planes = ceil_div(out_channels, kernel->vector), vectors = planes > 1 ? 2 : 1;
    if (target->registers >= MANY_REGISTERS) {
        choose_tile(kernel, MANY_PIXELS);
    } else {
        TileWork work = {kernel->vector,
                         planes,
                         s->out_rows,
                         s->out_cols,
                         taps,
                         s->kernel_rows * s->kernel_cols,
                         4 * kernel->vector * s->stride_cols};
        vectors = choose_split(kernel, best_split(&work));
    }
    kernel->weight_format = vectors_format(kernel, vectors, kernel->vector);
    int64_t weight_bytes = 4 * taps * int_align_up(out_channels, kernel->vector);
    int64_t input_bytes = 4 * layout_elements(&kernel->in);
    input_bytes += s->second_stride_rows > 0 ? 4 * layout_elements(&kernel->in2) : 0;
    bool again =
        s->kernel_rows * s->kernel_cols == 1 && s->groups == 1 && s->in_channels >= 64 && input_bytes > PIXELS_INPUT;
    if (again && weight_bytes <= PIXELS_WEIGHTS) {
        kernel->pixels_outer = true;
        kernel->block_tiles = 4;
    } else if (again && target->registers < MANY_REGISTERS) {
        int64_t tile_bytes = 4 * taps * kernel->tile_rows * kernel->tile_cols * s->stride_cols;
        kernel->pixels_outer = true;
        kernel->block_tiles = tile_bytes < PIXELS_BLOCK ? (int32_t)(PIXELS_BLOCK / tile_bytes) : 1;
    } else if (weight_bytes > PREFETCH_FROM) {
        kernel->prefetch_bytes = (int32_t)(4 * taps * vectors * kernel->vector);
    }
    if (kernel->prologue.kind == PROLOGUE_NORM) {
        choose_prologue(kernel);
        kernel->prefetch_bytes = weight_bytes > PREFETCH_FROM ? (int32_t)(4 * taps * vectors * kernel->vector) : 0;
    }
    kernel->input_ahead = reads_ahead(kernel);
}

/* With 8 lanes, where it was measured. The columns that the half reads are in the last vector of the input. */
bool lines_pairs(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t half = kernel->vector / 2;
    return kernel->family == KERNEL_ROWS && kernel->lines > 0 && kernel->vector == 8 && s->out_cols > kernel->vector &&
           s->out_cols % kernel->vector == half && s->kernel_cols - 1 <= half && s->out_channels % 2 == 0 &&
           kernel->weight_format.lanes % 2 == 0;
}

int64_t lines_width(const Kernel *kernel)
{
    int64_t width = int_align_up(kernel->sizes.out_cols + kernel->sizes.kernel_cols - 1, kernel->vector);
    return lines_pairs(kernel) ? width + 2 * kernel->vector : width;
}

/* Of V; a set of `vectors` vectors of `lanes` channels. */
static void choose_lines(Kernel *kernel, int32_t vectors, int32_t lanes)
{
    const KernelSizes *s = &kernel->sizes;
    kernel->weight_format = vectors_format(kernel, vectors, 1);
    kernel->weight_format.kind = PACK_LINES;
    kernel->weight_format.lanes = kernel->weight_format.row_block = lanes;
    kernel->weight_format.winograd = (WinogradTile){.rows = kernel->lines};
    kernel->scratch_bytes = 4 * winograd_points(kernel->lines, s->kernel_rows) * s->in_channels * lines_width(kernel);
}

/* Eight pixels of two vectors: each is broadcast from a plane of its own, and gcc spills above. */
static void choose_planar(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t planes = ceil_div(s->out_channels, kernel->vector), vectors = planes > 1 ? 2 : 1;
    if (target->registers >= MANY_REGISTERS) {
        choose_tile(kernel, vectors == 1 ? 14 : 8);
    } else {
        int64_t taps = (int64_t)s->in_channels * s->kernel_rows * s->kernel_cols;
        int32_t rows = kernel->lines > 0 ? 1 : s->out_rows; /* points are tiles of their own */
        TileWork work = {kernel->vector, planes, rows, s->out_cols, taps, (int32_t)taps, 4 * s->stride_cols};
        vectors = choose_split(kernel, best_split(&work));
        kernel->tile_round = 1; /* window rows are short and of any length */
    }
    kernel->weight_format = vectors_format(kernel, vectors, 1);
    if (kernel->lines > 0) {
        kernel->tile_rows = 1;
        choose_lines(kernel, vectors, kernel->vector);
    }
}

/* Sums of a pass over a row: some vectors of columns by some channels, of which each set has the same number if that
 * leaves no set much smaller than the registers allow. */
static void choose_rows(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t sums = target->registers >= MANY_REGISTERS ? 24 : 12, vectors = ceil_div(s->out_cols, kernel->vector);
    kernel->tile_rows = 1;
    kernel->tile_cols = kernel->vector * even_piece(vectors, 2);
    kernel->weight_format = pack_rows(even_piece(s->out_channels, sums / 2), 1);
    if (kernel->lines > 0) {
        choose_lines(kernel, 1, kernel->weight_format.row_block);
    }
}

/* Of both families: tiles of an image, points of a tile, vectors of inputs at a point, of all phases. */
static int64_t image_tiles(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t tap_rows = winograd_taps(s->kernel_rows, s->stride_rows);
    int32_t tap_cols = winograd_taps(s->kernel_cols, s->stride_rows);
    return (int64_t)ceil_div(s->out_rows, winograd_outputs(kernel->winograd.rows, tap_rows)) *
           ceil_div(s->out_cols, winograd_outputs(kernel->winograd.cols, tap_cols));
}

static int64_t tile_points(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    return (int64_t)winograd_points(kernel->winograd.rows, winograd_taps(s->kernel_rows, s->stride_rows)) *
           winograd_points(kernel->winograd.cols, winograd_taps(s->kernel_cols, s->stride_rows));
}

static int64_t point_planes(const Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    return (int64_t)s->stride_rows * s->stride_rows * ceil_div(s->in_channels / s->groups, kernel->vector);
}

/* V and M of a block. */
static int64_t winograd_scratch(const Kernel *kernel)
{
    int64_t vectors = point_planes(kernel) + kernel->weight_format.vectors;
    return 4 * tile_points(kernel) * (vectors * kernel->block_tiles * kernel->vector + 2 * SCRATCH_PAD) +
           winograd_quad_bytes(kernel);
}

/* Tiles of even blocks of no more than `most` (but a quad); quads stay whole. */
static int32_t winograd_even_block(const Kernel *kernel, int64_t tiles, int32_t most)
{
    return winograd_quads(kernel) ? 4 * even_piece(tiles / 4, most / 4 > 1 ? most / 4 : 1) : even_piece(tiles, most);
}

/* All of few tiles; else the same, and with 32 registers, of up to a quarter (or a quad) fewer, those that leave the fewest
 * slots of the last block empty, whose products are made for nothing. With 16, chunks of six tiles matter more. */
static int32_t winograd_block(const Target *target, const Kernel *kernel, int64_t tiles, int32_t most)
{
    if (tiles <= WINOGRAD_ONE_BLOCK) {
        return (int32_t)tiles;
    }
    int32_t unit = winograd_quads(kernel) ? 4 : 1, largest = winograd_even_block(kernel, tiles, most), best = largest;
    int32_t fewer = largest / 4 > unit ? largest / 4 : unit;
    int32_t least = target->registers < MANY_REGISTERS ? largest : largest > fewer ? largest - fewer : unit;
    for (int32_t block = largest; block >= least; block -= unit) {
        best = int_align_up(tiles, block) < int_align_up(tiles, best) ? block : best;
    }
    return best;
}

/* --- winograd_live */

int32_t winograd_live_most(const Target *target, int32_t points)
{
    enum { SUMS = 25, FEW_SUMS = 12 }; /* beside them a filter's taps, an even and an odd part */
    int32_t tiles = (target->registers >= MANY_REGISTERS ? SUMS : FEW_SUMS) / points;
    return tiles > 1 ? tiles : 1;
}

/* A chunk costs its products, and transforms of filters like those of four fifths of a tile. */
int32_t winograd_live_chunk(const Target *target, int32_t points, int64_t tiles)
{
    int32_t best = 0;
    int64_t least = 0;
    for (int32_t chunk = winograd_live_most(target, points); chunk > 0; --chunk) {
        int64_t cost = int_div_up(tiles, chunk) * (5 * chunk + 4);
        if (best == 0 || cost < least) {
            best = chunk;
            least = cost;
        }
    }
    return best;
}

static int32_t live_points(const Kernel *kernel)
{
    return winograd_points(kernel->winograd.rows, winograd_taps(kernel->sizes.kernel_rows, kernel->sizes.stride_rows));
}

int64_t winograd_live_scratch(const Kernel *kernel)
{
    int64_t slots = int_align_up(kernel->block_tiles, kernel->tile_cols);
    return 4 * (point_planes(kernel) + 1) * slots * tile_points(kernel) * kernel->vector;
}

static void choose_winograd_live(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int64_t tiles = image_tiles(kernel), weights = 4 * 9 * (int64_t)s->in_channels * s->out_channels / s->groups;
    kernel->tile_rows = 1;
    kernel->tile_cols = winograd_live_chunk(target, live_points(kernel), tiles);
    kernel->block_tiles = winograd_block(target, kernel, tiles, WINOGRAD_TILES);
    kernel->tile_cols = even_piece(kernel->block_tiles, kernel->tile_cols);
    kernel->weight_format = vectors_format(kernel, 1, 1);
    kernel->prefetch_bytes = weights > STREAMED ? STREAM_AHEAD : 0;
    kernel->scratch_bytes = winograd_live_scratch(kernel);
}

/* --- winograd */

static void choose_winograd(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    int32_t stride = s->stride_rows, out_channels = s->out_channels / s->groups;
    int32_t planes = ceil_div(out_channels, kernel->vector), vectors = planes > 1 ? 2 : 1;
    int64_t tiles = image_tiles(kernel), area = tile_points(kernel), in_blocks = point_planes(kernel);
    int64_t stream = 4 * area * in_blocks * kernel->vector * int_align_up(out_channels, kernel->vector);
    bool many = target->registers >= MANY_REGISTERS; /* V and M are to stay near; with 16, V alone does better */
    int64_t near = WINOGRAD_NEAR / (4 * area * (in_blocks + (many ? vectors : 0)) * kernel->vector);
    int64_t most = WINOGRAD_TILES;
    if (stream <= WINOGRAD_AGAIN && near < WINOGRAD_TILES) {
        most = near < WINOGRAD_FEW_TILES ? WINOGRAD_FEW_TILES : near;
    }
    kernel->block_tiles = winograd_block(target, kernel, tiles, (int32_t)most);
    if (many) {
        kernel->tile_rows = 1;
        kernel->tile_cols = even_piece(kernel->block_tiles, MANY_PIXELS);
    } else {
        TileWork work = {.vector = kernel->vector,
                         .planes = planes,
                         .rows = 1,
                         .cols = kernel->block_tiles,
                         .depth = in_blocks * kernel->vector,
                         .taps = 1,
                         .step = 4 * kernel->vector};
        vectors = choose_split(kernel, best_split(&work));
    }
    kernel->weight_format = vectors_format(kernel, vectors, kernel->vector);
    kernel->weight_format.kind = PACK_WINOGRAD;
    kernel->weight_format.winograd = kernel->winograd;
    kernel->weight_format.phases = stride > 1 ? stride : 0;
    if (kernel->lane_phases > 0) {
        kernel->weight_format.window_rows = kernel->lane_rows;
        kernel->weight_format.window_cols = kernel->lane_cols;
        kernel->weight_format.phases = kernel->lane_phases;
        kernel->weight_format.phase_lanes = true;
    }
    kernel->prefetch_bytes = stream > STREAMED ? STREAM_AHEAD : 0;
    kernel->input_ahead = !many && stride == 1 && 4 * layout_elements(&kernel->in) > WINOGRAD_INPUT;
    kernel->scratch_bytes = winograd_scratch(kernel);
}

/* DEPTHWISE, GROUPED: whether tiles write outputs. They are functions that layers share by name, which does not tell
 * parameters of activations. With many registers sums by way of the stack cost less (measured), unless nothing follows. */
static void settle_ends(const Target *target, Kernel *kernel)
{
    const Epilogue *e = &kernel->epilogue;
    bool sums_only = !e->bias && !e->residual && e->act.op == OP_IDENTITY;
    kernel->tile_ends = kernel->tile_rows == 1 && e->act.attr.a == 0.0 && e->act.attr.b == 0.0 &&
                        (sums_only || target->registers < MANY_REGISTERS);
    kernel->near = kernel->near && kernel->tile_ends;
}

static void choose_grouped(const Target *target, Kernel *kernel)
{
    kernel->weight_format = vectors_format(kernel, 1, kernel->sizes.in_channels / kernel->sizes.groups);
    choose_tile(kernel, target->registers >= MANY_REGISTERS ? 14 : 6);
    settle_ends(target, kernel);
}

/* Two dozen sums in registers, one a pixel and output channel; a power of two, so that their lanes can be added in pairs. */
static void choose_few(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    kernel->weight_format = vectors_format(kernel, 1, kernel->vector);
    kernel->weight_format.lanes = kernel->weight_format.row_block = 1;
    int32_t sums = target->registers >= 32 ? 24 : 12;
    kernel->tile_rows = kernel->tile_cols = 1;
    while (2 * kernel->tile_cols * s->out_channels <= sums && 2 * kernel->tile_cols <= kernel->vector &&
           2 * kernel->tile_cols <= s->out_cols) {
        kernel->tile_cols *= 2;
    }
}

/* One row: of two, gcc keeps the inputs that they share in registers that are not there. Long ones where windows are wide
 * and neighbours share them. */
static void choose_depthwise(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    kernel->weight_format = vectors_format(kernel, 1, 1);
    kernel->tile_rows = 1;
    bool many = target->registers >= MANY_REGISTERS;
    kernel->tile_cols = even_piece(s->out_cols, many && s->stride_cols == 1 && s->kernel_cols > 3 ? 14 : 7);
    settle_ends(target, kernel);
    /* With strides the processor is sometimes slower for being asked (measured). */
    kernel->input_ahead = s->stride_rows == 1 && 4 * layout_elements(&kernel->in) > DEPTHWISE_INPUT;
}

int64_t dense_scratch_bytes(const Kernel *kernel)
{
    enum { PLACE_AND_VALUE = 8 };
    return 2 * 4 * (int64_t)kernel->weight_format.vectors * kernel->vector +
           PLACE_AND_VALUE * ((int64_t)kernel->sizes.in_channels + DENSE_LIST_MORE);
}

/* Zeros are skipped where that saves reading from far, and enough for each input. */
static void choose_dense_nonzero(Kernel *kernel)
{
    PackFormat *f = &kernel->weight_format;
    int64_t weight_bytes = storage_bytes(f->storage), outputs = int_align_up(kernel->sizes.out_channels, f->lanes);
    kernel->skips_zeros = kernel->skips_zeros && kernel->sizes.out_channels >= DENSE_OUTPUTS &&
                          weight_bytes * kernel->sizes.in_channels * outputs >= DENSE_FAR;
    if (kernel->skips_zeros) {
        f->vectors = (int32_t)(DENSE_ROW / (weight_bytes * f->lanes));
        kernel->prefetch_bytes = 0;
        kernel->scratch_bytes = dense_scratch_bytes(kernel);
    }
}

static void choose_dense(Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    bool mean = kernel->prologue.kind == PROLOGUE_MEAN, image = kernel->in.block > 1 && !mean;
    kernel->weight_format = (PackFormat){.kind = PACK_VECTORS,
                                         .row_block = kernel->vector,
                                         .col_block = 1,
                                         .lanes = kernel->vector,
                                         .vectors = DENSE_VECTORS,
                                         .storage = kernel->weight_format.storage,
                                         .in_block = image ? kernel->vector : 1,
                                         .window_rows = image ? kernel->in.rows : 1,
                                         .window_cols = image ? kernel->in.cols : 1};
    int64_t weight_bytes = 4 * (int64_t)s->in_channels * int_align_up(s->out_channels, kernel->vector);
    kernel->prefetch_bytes = weight_bytes > PREFETCH_FROM ? DENSE_AHEAD : 0;
    kernel->scratch_bytes = mean ? 4 * int_align_up(s->in_channels, kernel->vector) : 0;
    choose_dense_nonzero(kernel);
}

/* A residual may lie where the outputs go, so that they cannot be computed twice. Measured with 8 lanes and multiply-adds. */
static bool ends_near(const Target *target, const Kernel *kernel)
{
    enum { LANES = 8 };
    bool takes = kernel->family == KERNEL_DIRECT || kernel->family == KERNEL_STRASSEN ||
                 kernel->family == KERNEL_DEPTHWISE || (kernel->family == KERNEL_PLANAR && kernel->lines == 0);
    return takes && target->vector_floats == LANES && kernel->epilogue.act.op == OP_SILU && !kernel->epilogue.residual;
}

void tiles_choose_vector(const Target *target, Kernel *kernel)
{
    kernel->near = ends_near(target, kernel);
    switch (kernel->family) {
    case KERNEL_DIRECT:
        choose_direct(target, kernel);
        return;
    case KERNEL_PLANAR:
        choose_planar(target, kernel);
        return;
    case KERNEL_ROWS:
        choose_rows(target, kernel);
        return;
    case KERNEL_WINOGRAD:
        choose_winograd(target, kernel);
        return;
    case KERNEL_WINOGRAD_LIVE:
        choose_winograd_live(target, kernel);
        return;
    case KERNEL_STRASSEN:
        tiles_choose_strassen(target, kernel);
        return;
    case KERNEL_GROUPED:
        choose_grouped(target, kernel);
        return;
    case KERNEL_FEW:
        choose_few(target, kernel);
        return;
    case KERNEL_DEPTHWISE:
        choose_depthwise(target, kernel);
        return;
    case KERNEL_DENSE:
        choose_dense(kernel);
        return;
    case KERNEL_UNARY:
        if (kernel->epilogue.act.op == OP_PRELU) {
            kernel->weight_format = pack_rows(kernel->vector, 1);
        }
        return;
    case KERNEL_CHANNEL_AFFINE:
    case KERNEL_SUBSAMPLE:
        kernel->weight_format = pack_rows(kernel->vector, 1);
        return;
    case KERNEL_INSTANCE_NORM:
        if (kernel->epilogue.bias) {
            kernel->weight_format = pack_rows(kernel->vector, 1);
        }
        return;
    case KERNEL_MAX_POOL:
    case KERNEL_AVG_POOL:
        /* With a stride of 1, windows below each other share rows, and the processor is no faster for being asked. */
        kernel->input_ahead = kernel->sizes.stride_rows > 1 && 4 * layout_elements(&kernel->in) > PIXELS_INPUT;
        return;
    case KERNEL_GLOBAL_POOL:
    case KERNEL_BINARY:
    case KERNEL_LRN:
    case KERNEL_GRAM:
    case KERNEL_SOFTMAX:
    case KERNEL_BORDER:
    case KERNEL_UPSAMPLE:
    case KERNEL_CONVERT:
    case KERNEL_SPACE_TO_DEPTH:
    case KERNEL_ZERO_HALO:
        return;
    case KERNEL_CONV:
    case KERNEL_COPY:
    case KERNEL_CONV_TRANSPOSE:
    case KERNEL_TABLE_CONV:
    case KERNEL_RBF:
    case KERNEL_L2_NORMALIZE:
    case KERNEL_REDUCE:
    case KERNEL_ARGMAX:
    case KERNEL_TOP_K:
    case KERNEL_PIXELS:
    case KERNEL_FAMILY_COUNT:
        break;
    }
    ICE("%s has no vector kernel", kernel_family_name(kernel->family));
}

/* --- choices from outside */

static void take_direct(Kernel *kernel, const ConvChoice *choice)
{
    const KernelSizes *s = &kernel->sizes;
    choose_tile(kernel, choice->tile_cols);
    kernel->tile_rows = kernel->lines > 0 ? 1 : kernel->tile_rows;
    kernel->pixels_outer = choice->pixels_outer;
    kernel->block_tiles = choice->pixels_outer ? choice->block_tiles : 0;
    int64_t taps = int_align_up(s->in_channels / s->groups, kernel->vector) * s->kernel_rows * s->kernel_cols;
    bool prefetch = choice->prefetch && (!choice->pixels_outer || kernel->prologue.kind == PROLOGUE_NORM) &&
                    kernel->family == KERNEL_DIRECT;
    kernel->prefetch_bytes = prefetch ? (int32_t)(4 * taps * kernel->weight_format.vectors * kernel->vector) : 0;
    if (kernel->prologue.kind == PROLOGUE_NORM) {
        choose_prologue(kernel);
        kernel->scratch_bytes = int_align_up(kernel->scratch_bytes, BLOB_ALIGN);
    }
    kernel->input_ahead = kernel->family == KERNEL_DIRECT && reads_ahead(kernel);
}

static void take_winograd(Kernel *kernel, const ConvChoice *choice)
{
    kernel->block_tiles = winograd_even_block(kernel, image_tiles(kernel), choice->block_tiles);
    kernel->tile_cols = even_piece(kernel->block_tiles, choice->tile_cols);
    kernel->prefetch_bytes = choice->prefetch ? STREAM_AHEAD : 0;
    kernel->scratch_bytes = int_align_up(winograd_scratch(kernel), BLOB_ALIGN);
}

void tiles_take_choice(const Target *target, Kernel *kernel, const ConvChoice *choice)
{
    const KernelSizes *s = &kernel->sizes;
    if (kernel->family == KERNEL_STRASSEN) {
        return;
    }
    if (choice->vectors > 0) {
        kernel->weight_format.vectors =
            (int32_t)int_min(choice->vectors, ceil_div(s->out_channels / s->groups, kernel->vector));
    }
    if (kernel->family == KERNEL_DIRECT || kernel->family == KERNEL_PLANAR) {
        take_direct(kernel, choice);
    } else if (kernel->family == KERNEL_WINOGRAD) {
        take_winograd(kernel, choice);
    } else if (kernel->family == KERNEL_WINOGRAD_LIVE) {
        kernel->block_tiles = even_piece(image_tiles(kernel), choice->block_tiles);
        kernel->tile_cols = even_piece(kernel->block_tiles, choice->tile_cols);
        kernel->prefetch_bytes = choice->prefetch ? STREAM_AHEAD : 0;
        kernel->scratch_bytes = int_align_up(winograd_live_scratch(kernel), BLOB_ALIGN);
    } else if (kernel->family == KERNEL_GROUPED) {
        choose_tile(kernel, choice->tile_cols);
        settle_ends(target, kernel);
    } else if (kernel->family == KERNEL_DEPTHWISE) {
        kernel->tile_rows = (int32_t)int_min(choice->tile_rows, s->out_rows);
        kernel->tile_cols = even_piece(s->out_cols, choice->tile_cols);
        settle_ends(target, kernel);
    } else {
        ICE("kernels of %s take no choice", kernel_family_name(kernel->family));
    }
}
