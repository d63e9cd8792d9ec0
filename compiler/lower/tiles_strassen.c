/* Tiles of Strassen's product (backend/emit_strassen.c): pixels of a half, one level or two, vectors of a tile, scratch. The
 * figures come from measurements on a Zen 4 with AVX-512, a Zen 1 and a Zen 3 with AVX2 (bench/NOTES.md). */
#include "lower/tiles.h"
#include "support/ints.h"

bool strassen_in_place(const Kernel *kernel)
{
    return kernel->sizes.stride_rows == 1 && kernel->prologue.kind == PROLOGUE_NONE && layout_is_dense(&kernel->in);
}

/* Runs of pixels in a half, and planes of a vector of products. */
static int32_t strassen_cuts(const PackFormat *format)
{
    return format->kind == PACK_STRASSEN_TWICE ? 2 : 1;
}

/* Of output channels: their halves' planes, cut into as many as the vectors of a product hold. */
static int32_t strassen_sets(const Kernel *kernel)
{
    const PackFormat *f = &kernel->weight_format;
    return ceil_div(ceil_div(kernel->sizes.out_channels, 2 * kernel->vector), strassen_cuts(f) * f->vectors);
}

int64_t strassen_scratch_bytes(const Kernel *kernel)
{
    enum { PAD = SCRATCH_PAD, SUMS = 2, QUARTERS = 2 };
    const KernelSizes *s = &kernel->sizes;
    const PackFormat *f = &kernel->weight_format;
    int64_t in_planes = ceil_div(s->in_channels, 2 * kernel->vector);
    int64_t factors = strassen_in_place(kernel) ? 4 : STRASSEN_PRODUCTS;
    int64_t half = kernel->block_tiles * (int64_t)kernel->vector;
    int64_t run = ceil_div(kernel->block_tiles, strassen_cuts(f)) * (int64_t)kernel->vector;
    int64_t floats = factors * (in_planes * half + PAD) + SUMS * (f->vectors * run + PAD);
    if (f->kind == PACK_STRASSEN_TWICE) {
        int64_t set = 4 * f->vectors * run;
        floats += QUARTERS * (in_planes * run + PAD) + SUMS * (strassen_sets(kernel) * set + PAD) + set;
    }
    return 4 * floats;
}

/* What the size of a half costs, fitted to measurements (bench/NOTES.md: "Strassen", "Larger blocks"). */
enum { KB = 1024 };
typedef struct StrassenCost {
    /* What a pixel of a half adds to what is used again and again, in bytes for each channel: of the inputs (one level: 4
     * factors in V and 3 in x of half the channels; two: a factor and the sums of its quarters), of the outputs (sums) */
    int32_t of_inputs, of_outputs;
    int64_t cache, far; /* bytes of it from which products take cache_cost and far_cost times as long */
    double cache_cost, far_cost;
    int64_t weights;  /* bytes of one level's weights from which a block that reads them again pays far_again */
    int32_t few_jobs; /* jobs, pieces of the work that threads share, of which fewer are too few: times few_cost */
} StrassenCost;
static const double few_cost = 1.025;
static const double tile_ends_cost = 0.5; /* what a tile does beside products, in pixels */

static const StrassenCost strassen_costs[2][2] = {
    /* 32 registers */
    {{.of_inputs = 14, /* one level */
      .cache = 700 * KB,
      .far = 3072 * KB,
      .cache_cost = 1.01,
      .far_cost = 1.03,
      .weights = 700 * KB},
     {.of_inputs = 4, /* two */
      .cache = 700 * KB,
      .far = 1536 * KB,
      .cache_cost = 1.01,
      .far_cost = 1.03,
      .weights = 700 * KB,
      .few_jobs = 8}},
    /* 16 registers */
    {{.of_inputs = 14,
      .cache = 200 * KB,
      .far = 1500 * KB,
      .cache_cost = 1.014,
      .far_cost = 1.1,
      .weights = 4096 * KB,
      .few_jobs = 6},
     {.of_inputs = 4,
      .of_outputs = 4,
      .cache = 400 * KB,
      .far = 1500 * KB,
      .cache_cost = 1.037,
      .far_cost = 1.1,
      .weights = 1200 * KB,
      .few_jobs = 8}},
};

/* A block that reads weights again, of fewer bytes than a table's, takes as much longer as the products of so many pixels. */
static const double near_again = 0.2;

/* The same of more bytes: twice as long on a Zen 1, whose third level is small, as on a Zen 3 and a Zen 4 (measured). */
static double far_again(const Target *target)
{
    return target->registers < MANY_REGISTERS && target->products == 1 ? 2.0 : 1.0;
}

/* Pixels of a half: such that the last block is nearly full and tiles are wide; weights are read again for each block, V
 * and x (twice: one factor and the sums of its quarters) for each set of channels, and had better come from the second
 * level of the cache. `most` pixels are a tile. */
static int32_t strassen_half(const Target *target, const Kernel *kernel, int32_t most, int64_t weight_bytes)
{
    bool twice = kernel->weight_format.kind == PACK_STRASSEN_TWICE;
    int64_t pixels = (int64_t)kernel->sizes.out_rows * kernel->sizes.out_cols;
    const StrassenCost *c = &strassen_costs[target->registers < MANY_REGISTERS][twice];
    int64_t pixel_bytes = (int64_t)c->of_inputs * kernel->sizes.in_channels;
    pixel_bytes += (int64_t)c->of_outputs * kernel->sizes.out_channels;
    int32_t runs = strassen_cuts(&kernel->weight_format), sets = strassen_sets(kernel);
    double read_again = weight_bytes > c->weights ? far_again(target) : near_again;
    int32_t best = ceil_div(pixels, 2);
    double least = 0.0;
    for (int32_t blocks = 1; blocks == 1 || (2 * blocks - 1) * (int64_t)most < pixels; ++blocks) {
        int32_t half = ceil_div(pixels, 2 * blocks);
        if ((2 * blocks - 1) * (int64_t)half >= pixels) {
            continue;
        }
        int32_t run = ceil_div(half, runs);
        double cost = blocks * runs * (run + tile_ends_cost * ceil_div(run, most)) * (1.0 + read_again / half);
        int64_t bytes = half * pixel_bytes;
        cost *= bytes > c->far ? c->far_cost : bytes > c->cache ? c->cache_cost : 1.0;
        cost *= blocks * sets < c->few_jobs ? few_cost : 1.0;
        if (blocks == 1 || cost < least) {
            best = half;
            least = cost;
        }
    }
    return best;
}

/* Whether each of the seven products is made by seven again. What it saves is an eighth of the products; what a vector of
 * inputs or outputs costs more was fitted to measurements of 25 layers (bench/NOTES.md), with 32 registers and half vectors
 * that take as long as whole ones; outputs less with 16, on a Zen 1, where they take half, and a Zen 3, where they do not.
 * Few channels leave tiles too little to do between their ends; images of few pixels wait for weights, of which there are
 * three times the filter's. */
static bool strassen_twice_pays(const Target *target, const KernelSizes *s)
{
    enum { LEAST_PIXELS = 96, LEAST_LANES = 8 };
    static const double worth = 0.985;
    bool few = target->registers < MANY_REGISTERS;
    double cost_of_input = 24.0, cost_of_output = few ? 16.0 : 24.0;
    int32_t b = target->channel_block, least_channels = few ? 256 : 512;
    double pixels = s->out_rows * (double)s->out_cols;
    double in_planes = ceil_div(s->in_channels, b), out_planes = ceil_div(s->out_channels, b);
    if (b < LEAST_LANES || pixels < LEAST_PIXELS || in_planes * b < least_channels || out_planes * b < least_channels) {
        return false;
    }
    double products = pixels * in_planes * b * out_planes * 7.0 / 8.0; /* of seven */
    double sums = pixels * (cost_of_input * in_planes + cost_of_output * out_planes);
    return products * 7.0 / 8.0 + sums < worth * products;
}

/* Vectors and pixels of a tile: 28 sums of 32 registers; of 16 a dozen. Where sets of three vectors would leave one over,
 * two by four pixels are best, but too few to hide the latency of sums where two products are made in a cycle. Few shapes,
 * which the layers of a network share. */
static Split strassen_split(const Target *target, const KernelSizes *s, int32_t b, bool twice)
{
    enum { FEW_PIXELS = 4, MORE_PIXELS = 6 };
    int32_t planes = ceil_div(s->out_channels, 2 * b), all = twice ? ceil_div(planes, 2) : planes;
    int32_t vectors = planes > 1 ? 2 : 1;
    if (target->registers >= MANY_REGISTERS) {
        return (Split){vectors, 1, MANY_PIXELS};
    }
    if (all > 2 && all % 3 != 1) {
        return (Split){3, 1, FEW_PIXELS};
    }
    return (Split){vectors, 1, target->products > 1 ? MORE_PIXELS : FEW_PIXELS};
}

void tiles_choose_strassen(const Target *target, Kernel *kernel)
{
    const KernelSizes *s = &kernel->sizes;
    bool twice = strassen_twice_pays(target, s);
    Split split = strassen_split(target, s, kernel->vector, twice);
    kernel->weight_format = vectors_format(kernel, split.vectors, kernel->vector);
    kernel->weight_format.kind = twice ? PACK_STRASSEN_TWICE : PACK_STRASSEN;
    int64_t weights =
        STRASSEN_PRODUCTS * int_align_up(s->in_channels, 2 * kernel->vector) *
        int_align_up(s->out_channels, 2 * kernel->vector); /* bytes: 7 x 4 x a half x a half; twice: 7/4 */
    kernel->block_tiles = strassen_half(target, kernel, split.cols, weights);
    int32_t run = ceil_div(kernel->block_tiles, strassen_cuts(&kernel->weight_format));
    kernel->tile_rows = 1;
    kernel->tile_cols = even_piece(run, split.cols);
    if (target->registers < MANY_REGISTERS) {
        kernel->tile_round = split_round(split);
        kernel->input_ahead = true;
    }
    kernel->prefetch_bytes = weights > STREAMED ? STREAM_AHEAD : 0;
    kernel->scratch_bytes = strassen_scratch_bytes(kernel);
}
