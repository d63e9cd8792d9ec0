/* The weights blob: header, checksum, and each packed element where PackFormat says it is. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "lower/program.h"
#include "weights_files.h"

typedef struct PackBench {
    WeightsBench base;
    Program program;
    size_t segment_capacity;
    /* what the sink got */
    unsigned char *bytes;
    size_t size, capacity;
    int patches;
} PackBench;

static PackBench pack_bench(const char *name)
{
    PackBench bench = {.base = weights_bench_create(name)};
    bench.program = (Program){.arena = bench.base.arena,
                              .graph = bench.base.graph,
                              .fingerprint = 0x0123456789ABCDEFu,
                              .blob_bytes = BLOB_HEADER_BYTES};
    return bench;
}

static void pack_done(PackBench *bench)
{
    free(bench->bytes);
    weights_bench_destroy(&bench->base);
}

/* Appends a segment to the program, as lowering does. */
static Segment *add_segment(PackBench *bench, const Node *source, PackFormat format, int32_t rows, int32_t cols,
                            int32_t groups)
{
    Program *program = &bench->program;
    Segment *segment = ARENA_NEW(bench->base.arena, Segment);
    *segment = (Segment){.id = program->n_segments,
                         .name = source->path,
                         .source = source,
                         .format = format,
                         .rows = rows,
                         .cols = cols,
                         .groups = groups};
    segment->bytes = storage_bytes(format.storage) * segment_elements(segment);
    segment->offset = program->blob_bytes - BLOB_HEADER_BYTES;
    program->blob_bytes += (segment->bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    program->segments = arena_grow(bench->base.arena, program->segments, program->n_segments, &bench->segment_capacity,
                                   sizeof *program->segments);
    program->segments[program->n_segments++] = segment;
    return segment;
}

static void sink_write(void *user, const void *bytes, size_t size)
{
    PackBench *bench = user;
    while (bench->size + size > bench->capacity) {
        bench->capacity = bench->capacity * 2 + 1024;
        bench->bytes = realloc(bench->bytes, bench->capacity);
    }
    if (size > 0) {
        memcpy(bench->bytes + bench->size, bytes, size);
    }
    bench->size += size;
}

static void sink_patch(void *user, uint64_t offset, const void *bytes, size_t size)
{
    PackBench *bench = user;
    cr_assert(offset + size <= bench->size);
    memcpy(bench->bytes + offset, bytes, size);
    ++bench->patches;
}

static bool pack(PackBench *bench, const Weights *weights)
{
    bench->size = 0;
    bench->patches = 0;
    return pack_blob(&bench->program, weights, bench->base.diag,
                     &(PackSink){.write = sink_write, .patch = sink_patch, .user = bench});
}

static uint64_t little_endian(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; --i) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* The checksum as documented, written down a second time: lane by lane. */
static uint32_t checksum_of(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t lane = 0; lane < 16; ++lane) {
        uint32_t hash = 2166136261u;
        for (size_t at = lane * 4; at < size; at += 64) {
            hash = (hash ^ (uint32_t)little_endian(bytes + at, 4)) * 16777619u;
        }
        sum = (sum ^ hash) * 16777619u;
    }
    return sum;
}

static void assert_header(const PackBench *bench)
{
    const unsigned char *bytes = bench->bytes;
    cr_assert_eq(bench->size, (size_t)bench->program.blob_bytes);
    cr_assert_eq(bench->size % BLOB_ALIGN, 0u);
    cr_assert_eq(bench->patches, 1);
    cr_assert_eq(memcmp(bytes, "CNNCWTS", 8), 0);
    cr_assert_eq(little_endian(bytes + 8, 4), 1u);
    cr_assert_eq(little_endian(bytes + 12, 4), checksum_of(bytes + 64, bench->size - 64));
    cr_assert_eq(little_endian(bytes + 16, 8), bench->size);
    cr_assert_eq(little_endian(bytes + 24, 8), 0x0123456789ABCDEFu);
    for (int i = 32; i < 64; ++i) {
        cr_assert_eq(bytes[i], 0);
    }
}

static float float_at(const PackBench *bench, int64_t index)
{
    uint32_t bits = (uint32_t)little_endian(bench->bytes + BLOB_HEADER_BYTES + 4 * index, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The same for PACK_VECTORS: [groups][sets][inputs / in_block][window][in_block][V][lanes], the last set narrower. */
static int64_t vectors_place_of(const Segment *s, int64_t row, int64_t col)
{
    const PackFormat *f = &s->format;
    int64_t start = s->offset / storage_bytes(f->storage);
    int64_t window = (int64_t)f->window_rows * f->window_cols, group_rows = s->rows / s->groups;
    int64_t inputs = (s->cols / window + f->in_block - 1) / f->in_block * f->in_block;
    int64_t blocks = (group_rows + f->lanes - 1) / f->lanes;
    int64_t group = row / group_rows, block = row % group_rows / f->lanes, lane = row % group_rows % f->lanes;
    int64_t set = block / f->vectors, width = blocks - set * f->vectors;
    width = width > f->vectors ? f->vectors : width;
    int64_t input = col / window, tap = col % window;
    int64_t step = ((input / f->in_block) * window + tap) * f->in_block + input % f->in_block;
    return start + (group * blocks + set * f->vectors) * f->lanes * inputs * window +
           (step * width + block % f->vectors) * f->lanes + lane;
}

/* Element (row, col) of a segment, row counted over all groups, where PackFormat puts it; in numbers of its size from
 * the header's end. */
static int64_t place_of(const Segment *s, int64_t row, int64_t col)
{
    if (s->format.kind == PACK_VECTORS) {
        return vectors_place_of(s, row, col);
    }
    int64_t group_rows = s->rows / s->groups, rb = s->format.row_block, cb = s->format.col_block;
    int64_t row_blocks = (group_rows + rb - 1) / rb, col_blocks = (s->cols + cb - 1) / cb;
    int64_t group = row / group_rows, r = row % group_rows, start = s->offset / storage_bytes(s->format.storage);
    return start + ((group * row_blocks + r / rb) * col_blocks + col / cb) * rb * cb + r % rb * cb + col % cb;
}

/* Every float of the blob is the element of `values` that belongs there, or zero. */
static void assert_contents(const PackBench *bench, const Segment *const *segments, const float *const *values,
                            int count)
{
    int64_t total = (bench->program.blob_bytes - BLOB_HEADER_BYTES) / 4;
    float *want = calloc((size_t)total, sizeof *want);
    for (int k = 0; k < count; ++k) {
        for (int64_t row = 0; row < segments[k]->rows; ++row) {
            for (int64_t col = 0; col < segments[k]->cols; ++col) {
                want[place_of(segments[k], row, col)] = values[k][row * segments[k]->cols + col];
            }
        }
    }
    for (int64_t i = 0; i < total; ++i) {
        cr_assert(float_at(bench, i) == want[i], "float %lld is %g instead of %g", (long long)i,
                  (double)float_at(bench, i), (double)want[i]);
    }
    free(want);
}

static float *formula_values(PackBench *bench, const Node *weight)
{
    int64_t count = type_elements(weight->type);
    float *values = ARENA_ARRAY(bench->base.arena, float, count);
    formula_fill_weight(weight->attr.constant.name, weight->type, 0, count, values);
    return values;
}

typedef struct FormatCase {
    PackFormat format;
    int32_t dims[5];
    int32_t groups;
} FormatCase;

Test(pack, every_element_is_where_its_format_says)
{
    static const FormatCase cases[] = {
        {{.row_block = 1, .col_block = 1}, {6, 1, 5, 5, 0}, 1},
        {{.row_block = 16, .col_block = 1}, {84, 120, 0}, 1},
        {{.row_block = 16, .col_block = 1}, {10, 84, 0}, 1},
        {{.row_block = 8, .col_block = 1}, {1, 1, 0}, 1},
        {{.row_block = 4, .col_block = 1}, {6, 2, 3, 3, 0}, 3},
        {{.row_block = 4, .col_block = 3}, {10, 7, 0}, 2},
        {{.row_block = 1, .col_block = 8}, {3, 21, 0}, 1},
        {{.row_block = 32, .col_block = 16}, {64, 64, 3, 3, 0}, 1},
        {{.row_block = 16, .col_block = 1}, {100, 0}, 1},
        {{.row_block = 4, .col_block = 1}, {12, 0}, 2},
        {{.row_block = 5, .col_block = 24}, {11, 50, 0}, 1},
        {{.row_block = 1, .col_block = 1}, {512, 1, 3, 3, 0}, 1},
        {{.row_block = 64, .col_block = 1}, {3000, 130, 0}, 1},
        {{.row_block = 3, .col_block = 2}, {30, 1, 3, 3, 0}, 30},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const FormatCase *c = &cases[i];
        PackBench bench = pack_bench("pack-formats");
        Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, c->dims);
        Node *bias = weights_bench_weight(&bench.base, "a.bias", ROLE_BIAS, (const int32_t[]){c->dims[0], 0});
        int32_t cols = (int32_t)(type_elements(weight->type) / c->dims[0]);
        const Segment *segments[] = {
            add_segment(&bench, weight, c->format, c->dims[0], cols, c->groups),
            add_segment(&bench, bias, pack_rows(c->format.row_block, 1), c->dims[0], 1, c->groups)};
        const float *values[] = {formula_values(&bench, weight), formula_values(&bench, bias)};
        cr_assert(pack(&bench, weights_formula(bench.base.arena)), "case %zu", i);
        assert_header(&bench);
        assert_contents(&bench, segments, values, 2);
        pack_done(&bench);
    }
}

static PackFormat vectors(int32_t vectors, int32_t lanes, int32_t in_block, int32_t rows, int32_t cols)
{
    return (PackFormat){.row_block = lanes,
                        .col_block = 1,
                        .kind = PACK_VECTORS,
                        .lanes = lanes,
                        .vectors = vectors,
                        .in_block = in_block,
                        .window_rows = rows,
                        .window_cols = cols};
}

Test(pack, every_element_is_where_vectors_read_it)
{
    const FormatCase cases[] = {
        {vectors(2, 16, 16, 3, 3), {64, 48, 3, 3, 0}, 1}, /* direct */
        {vectors(2, 16, 16, 3, 1), {40, 20, 3, 1, 0}, 1}, /* neither side fills its blocks; the last set is narrower */
        {vectors(2, 4, 4, 5, 5), {96, 8, 5, 5, 0}, 2},    /* of two groups */
        {vectors(2, 8, 1, 7, 7), {24, 3, 7, 7, 0}, 1},    /* planar */
        {vectors(1, 16, 1, 3, 3), {40, 1, 3, 3, 0}, 1},   /* depthwise */
        {vectors(1, 16, 4, 3, 3), {64, 4, 3, 3, 0}, 1},   /* by shuffles */
        {vectors(8, 16, 1, 1, 1), {300, 70000, 0}, 1},    /* dense, in stretches */
        {vectors(8, 8, 8, 6, 6), {70, 256 * 36, 0}, 1},   /* dense, of an image in blocks */
        {vectors(8, 4, 1, 1, 1), {3, 5, 0}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const FormatCase *c = &cases[i];
        PackBench bench = pack_bench("pack-vectors");
        Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, c->dims);
        int32_t cols = (int32_t)(type_elements(weight->type) / c->dims[0]);
        const Segment *segments[] = {add_segment(&bench, weight, c->format, c->dims[0], cols, c->groups)};
        const float *values[] = {formula_values(&bench, weight)};
        cr_assert(pack(&bench, weights_formula(bench.base.arena)), "case %zu", i);
        assert_header(&bench);
        assert_contents(&bench, segments, values, 1);
        pack_done(&bench);
    }
}

/* Halves lie as floats do, two in a word; what follows them begins on its own 64 bytes. */
Test(pack, halves_are_where_their_format_says)
{
    const FormatCase cases[] = {
        {{.row_block = 16, .col_block = 1}, {84, 121, 0}, 1},    {{.row_block = 64, .col_block = 1}, {3, 7, 0}, 1},
        {{.row_block = 64, .col_block = 1}, {130, 70000, 0}, 1}, {vectors(8, 16, 1, 1, 1), {300, 3001, 0}, 1},
        {vectors(8, 8, 8, 6, 6), {70, 256 * 36, 0}, 1},          {vectors(8, 4, 1, 1, 1), {3, 5, 0}, 1}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; ++i) {
        const FormatCase *c = &cases[i / 2];
        PackBench bench = pack_bench("pack-halves");
        PackFormat format = c->format;
        format.storage = i % 2 == 0 ? STORE_F16 : STORE_BF16;
        Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, c->dims);
        Node *bias = weights_bench_weight(&bench.base, "a.bias", ROLE_BIAS, (const int32_t[]){c->dims[0], 0});
        int32_t cols = (int32_t)(type_elements(weight->type) / c->dims[0]);
        const Segment *s = add_segment(&bench, weight, format, c->dims[0], cols, 1);
        const Segment *after = add_segment(&bench, bias, pack_rows(1, 1), c->dims[0], 1, 1);
        const float *values = formula_values(&bench, weight), *biases = formula_values(&bench, bias);
        cr_assert(pack(&bench, weights_formula(bench.base.arena)), "case %zu", i);
        assert_header(&bench);
        int64_t count = (after->offset - s->offset) / 2;
        uint16_t *want = calloc((size_t)count, sizeof *want);
        for (int64_t row = 0; row < s->rows; ++row) {
            for (int64_t col = 0; col < s->cols; ++col) {
                want[place_of(s, row, col)] = storage_encode(format.storage, values[row * s->cols + col]);
            }
        }
        for (int64_t k = 0; k < count; ++k) {
            cr_assert_eq(little_endian(bench.bytes + BLOB_HEADER_BYTES + 2 * k, 2), want[k], "case %zu, number %lld", i,
                         (long long)k);
        }
        for (int32_t k = 0; k < after->rows; ++k) {
            cr_assert(float_at(&bench, after->offset / 4 + k) == biases[k]);
        }
        free(want);
        pack_done(&bench);
    }
}

/* F(m x m, 3 x 3): the transformed filter times a transformed image must be the convolution. With B^T and A^T as
 * program.h gives them, for each output of a tile and each of nine unit images below it, the filter's tap comes out. */
static const double input2[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}};
static const double output2[2][4] = {{1, 1, 1, 0}, {0, 1, -1, 1}};
static const double input4[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                    {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const double output4[4][6] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

/* Nine points, from the definition. */
static const double points9[8] = {2.125, -2.125, 1.125, -1.125, 0.6875, -0.6875, 0.25, -0.25};

static double input9(int xi, int y)
{
    double row[9] = {1}; /* coefficients of the product of x - p, lowest first */
    for (int k = 0, n = 1; k < 8; ++k) {
        if (k != xi) {
            for (int i = n++; i >= 0; --i) {
                row[i] = (i > 0 ? row[i - 1] : 0) - points9[k] * row[i];
            }
        }
    }
    return row[y];
}

static double output9(int m, int i, int xi)
{
    return xi < 8 ? pow(points9[xi], i) : i == m - 1;
}

static double from_input(int m, int xi, int y)
{
    return m == 2 ? input2[xi][y] : m == 4 ? input4[xi][y] : input9(xi, y);
}

static double to_output(int m, int i, int xi)
{
    return m == 2 ? output2[i][xi] : m == 4 ? output4[i][xi] : output9(m, i, xi);
}

/* Output (i, j) of a tile whose only pixel that is not zero is (y, x). */
static double winograd_output(const PackBench *bench, int down, int across, int64_t first, int64_t step,
                              const int at[4])
{
    int rows = down + 2, cols = across + 2;
    double sum = 0;
    for (int u = 0; u < rows; ++u) {
        for (int v = 0; v < cols; ++v) {
            double pixel = from_input(down, u, at[2]) * from_input(across, v, at[3]);
            sum += to_output(down, at[0], u) * to_output(across, at[1], v) * pixel *
                   (double)float_at(bench, first + (u * cols + v) * step);
        }
    }
    return sum;
}

Test(pack, winograd_filters_convolve)
{
    enum { OUT = 21, IN = 5, LANES = 8, VECTORS = 2, PADDED_IN = 8, PADDED_OUT = 24 };
    static const int tiles[][2] = {{2, 2}, {4, 4}, {7, 7}, {2, 4}, {7, 2}};
    for (size_t n = 0; n < sizeof tiles / sizeof tiles[0]; ++n) {
        const int down = tiles[n][0], across = tiles[n][1];
        const double tolerance = down == 7 ? 1e-5 : 1e-6; /* of float filters times the largest coefficients */
        PackBench bench = pack_bench("pack-winograd");
        Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){OUT, IN, 3, 3, 0});
        PackFormat format = vectors(VECTORS, LANES, LANES, 3, 3);
        format.kind = PACK_WINOGRAD;
        format.winograd = (WinogradTile){down, across};
        const Segment *segment = add_segment(&bench, weight, format, OUT, IN * 9, 1);
        const float *values = formula_values(&bench, weight);
        cr_assert(pack(&bench, weights_formula(bench.base.arena)));
        assert_header(&bench);
        int rows = down + 2, cols = across + 2, area = rows * cols;
        cr_assert_eq(segment_elements(segment), (int64_t)area * PADDED_IN * PADDED_OUT);
        for (int o = 0; o < PADDED_OUT; ++o) {
            int set = o / (VECTORS * LANES), width = set == 0 ? VECTORS * LANES : LANES;
            for (int c = 0; c < PADDED_IN; ++c) {
                int64_t first = segment->offset / 4 + (int64_t)set * VECTORS * LANES * area * PADDED_IN +
                                (int64_t)c * width + o % (VECTORS * LANES);
                for (int k = 0; k < down * across * area; ++k) {
                    const int at[4] = {k / area / across, k / area % across, k % area / cols, k % cols};
                    int ky = at[2] - at[0], kx = at[3] - at[1];
                    bool inside = o < OUT && c < IN && ky >= 0 && ky < 3 && kx >= 0 && kx < 3;
                    double want = inside ? (double)values[((o * IN + c) * 3 + ky) * 3 + kx] : 0;
                    double got = winograd_output(&bench, down, across, first, (int64_t)PADDED_IN * width, at);
                    cr_assert_float_eq(got, want, tolerance,
                                       "F(%dx%d), output %d, input %d, tap %d,%d: %g instead of %g", down, across, o, c,
                                       ky, kx, got, want);
                }
            }
        }
        pack_done(&bench);
    }
}

/* The same down the columns only: each tap of a window comes out in its own column. */
Test(pack, lines_convolve)
{
    enum { OUT = 21, IN = 3, LANES = 8, VECTORS = 2, PADDED_OUT = 24, KC = 5 };
    static const int tiles[][2] = {{2, 3}, {4, 3}, {5, 5}};
    for (int n = 0; n < 3; ++n) {
        const int m = tiles[n][0], taps = tiles[n][1];
        PackBench bench = pack_bench("pack-lines");
        Node *weight =
            weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){OUT, IN, taps, KC, 0});
        PackFormat format = vectors(VECTORS, LANES, 1, taps, KC);
        format.kind = PACK_LINES;
        format.winograd.rows = m;
        const Segment *segment = add_segment(&bench, weight, format, OUT, IN * taps * KC, 1);
        const float *values = formula_values(&bench, weight);
        cr_assert(pack(&bench, weights_formula(bench.base.arena)));
        assert_header(&bench);
        int t = m + taps - 1;
        cr_assert_eq(segment_elements(segment), (int64_t)t * IN * KC * PADDED_OUT);
        for (int k = 0; k < PADDED_OUT * IN * KC; ++k) {
            int o = k / (IN * KC), c = k / KC % IN, kx = k % KC;
            int set = o / (VECTORS * LANES), width = set == 0 ? VECTORS * LANES : LANES;
            int64_t first = segment->offset / 4 + (int64_t)set * VECTORS * LANES * t * IN * KC + (c * KC + kx) * width +
                            o % (VECTORS * LANES);
            for (int row = 0; row < m * t; ++row) {
                int i = row / t, y = row % t;
                double got = 0;
                for (int u = 0; u < t; ++u) {
                    got += to_output(m, i, u) * from_input(m, u, y) *
                           (double)float_at(&bench, first + (int64_t)u * IN * KC * width);
                }
                bool inside = o < OUT && y >= i && y - i < taps;
                double want = inside ? (double)values[((o * IN + c) * taps + y - i) * KC + kx] : 0;
                cr_assert_float_eq(got, want, 1e-6, "F(%d), output %d, input %d, tap %d,%d: %g instead of %g", m, o, c,
                                   y - i, kx, got, want);
            }
        }
        pack_done(&bench);
    }
}

/* What becomes of inputs and of products, X11, X12, X21, X22 and Y11, Y12, Y21, Y22, in the order of the seven products. */
static const int strassen_of_x[7][4] = {{1, 0, 0, 0},   {0, 0, 1, 0},  {1, -1, 0, 1}, {0, -1, 0, 1},
                                        {1, -1, -1, 1}, {-1, 1, 0, 0}, {0, 0, 0, 1}};
static const int strassen_to_y[4][7] = {
    {1, 1, 0, 0, 0, 0, 0}, {1, 0, 1, 0, 0, 1, 1}, {1, 0, 1, 1, 1, 0, 0}, {1, 0, 1, 1, 0, 1, 0}};

/* Strassen's factors, multiplied with those of one input of one pixel and summed up, give the weight of each output. X22
 * is zero where there is no such input: then its own factor is too. */
static void check_strassen(int out, int in, int half_out, int half_in)
{
    enum { LANES = 8, VECTORS = 2 };
    PackBench bench = pack_bench("pack-strassen");
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){out, in, 1, 1, 0});
    PackFormat format = vectors(VECTORS, LANES, LANES, 1, 1);
    format.kind = PACK_STRASSEN;
    const Segment *segment = add_segment(&bench, weight, format, out, in, 1);
    const float *values = formula_values(&bench, weight);
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    assert_header(&bench);
    cr_assert_eq(segment_elements(segment), 7 * half_out * half_in);
    for (int o = 0; o < half_out; ++o) {
        int set = o / (VECTORS * LANES), left = half_out - set * VECTORS * LANES;
        int width = left < VECTORS * LANES ? left : VECTORS * LANES;
        for (int c = 0; c < half_in; ++c) {
            int64_t first = segment->offset / 4 + (int64_t)set * VECTORS * LANES * 7 * half_in + (int64_t)c * width +
                            o % (VECTORS * LANES);
            if (c + half_in >= in) {
                cr_assert_eq(float_at(&bench, first + (int64_t)6 * half_in * width), 0.0f);
            }
            for (int k = 0; k < 16; ++k) { /* output quarter k / 4 of an input that is 1 in quarter k % 4 */
                if (k % 4 == 3 && c + half_in >= in) {
                    continue;
                }
                double got = 0.0;
                for (int n = 0; n < 7; ++n) {
                    double factor = (double)float_at(&bench, first + (int64_t)n * half_in * width);
                    got += strassen_to_y[k / 4][n] * strassen_of_x[n][k % 4] * factor;
                }
                int row = o + k / 8 * half_out, input = c + k % 4 / 2 * half_in;
                bool same_pixels = k / 4 % 2 == k % 2, inside = row < out && input < in;
                double want = same_pixels && inside ? (double)values[row * in + input] : 0.0;
                cr_assert_float_eq(got, want, 1e-6, "output %d, input %d, quarters %d: %g instead of %g", row, input, k,
                                   got, want);
            }
        }
    }
    pack_done(&bench);
}

Test(pack, strassen_factors_multiply)
{
    check_strassen(43, 29, 24, 16);
}

/* Lower halves of a block less. */
Test(pack, strassen_factors_of_an_odd_number_of_blocks_multiply)
{
    check_strassen(37, 24, 24, 16);
    check_strassen(40, 18, 24, 16);
    check_strassen(17, 40, 16, 24);
}

/* The same twice, where the second halves are of lanes: three blocks of outputs are one and a half vectors. Where there is no
 * such input of the second half, sums take X22 as zero: at the first level, and at the second of factors of that half. */
Test(pack, strassen_factors_multiply_twice)
{
    enum { OUT = 45, IN = 30, LANES = 8, HALF_OUT = 24, HALF_IN = 16, WIDTH = 16, PRODUCT = WIDTH * HALF_IN / 2 };
    PackBench bench = pack_bench("pack-strassen-twice");
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){OUT, IN, 1, 1, 0});
    PackFormat format = vectors(1, LANES, LANES, 1, 1);
    format.kind = PACK_STRASSEN_TWICE;
    const Segment *segment = add_segment(&bench, weight, format, OUT, IN, 1);
    const float *values = formula_values(&bench, weight);
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    assert_header(&bench);
    cr_assert_eq(segment_elements(segment), 49 * PRODUCT);
    for (int k = 0; k < WIDTH * HALF_IN / 2 * 256; ++k) {
        int o = k / 256 % WIDTH, c = k / 256 / WIDTH, outer = k % 16, inner = k / 16 % 16;
        int row = o / 4 * LANES + o % 4 + inner / 8 * 4 + outer / 8 * HALF_OUT;
        int input = c / 4 * LANES + c % 4 + inner % 4 / 2 * 4 + outer % 4 / 2 * HALF_IN;
        bool is_there = HALF_IN + c / 4 * LANES + c % 4 + inner % 4 / 2 * 4 < IN;
        double got = 0.0;
        for (int n = 0; n < 49; ++n) {
            int64_t at =
                n / 7 * 7 * PRODUCT + o / LANES * 7 * PRODUCT / 2 + n % 7 * PRODUCT / 2 + c * LANES + o % LANES;
            int x = strassen_of_x[n / 7][outer % 4] * strassen_of_x[n % 7][inner % 4];
            bool second_half = n / 7 == 1 || n / 7 == 4 || n / 7 == 6;
            if (!is_there && ((outer % 4 == 3 && n / 7 >= 2 && n / 7 <= 4) || (inner % 4 == 3 && second_half))) {
                continue;
            }
            int y = strassen_to_y[outer / 4][n / 7] * strassen_to_y[inner / 4][n % 7];
            got += x * y * (double)float_at(&bench, segment->offset / 4 + at);
        }
        bool same = outer / 4 % 2 == outer % 2 && inner / 4 % 2 == inner % 2;
        bool inside = o / 4 * LANES < HALF_OUT && row < OUT;
        double want = same && inside && input < IN ? (double)values[row * IN + input] : 0.0;
        cr_assert_float_eq(got, want, 2e-6, "output %d, input %d: %g instead of %g", row, input, got, want);
    }
    pack_done(&bench);
}

/* Rows so long that a block of them is cut at columns. */
Test(pack, very_long_rows)
{
    PackBench bench = pack_bench("pack-long");
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){3, 700001, 0});
    const Segment *segments[] = {add_segment(&bench, weight, pack_rows(2, 4), 3, 700001, 1),
                                 add_segment(&bench, weight, pack_rows(1, 1), 1, 2100003, 1)};
    const float *values[] = {formula_values(&bench, weight), formula_values(&bench, weight)};
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    assert_header(&bench);
    assert_contents(&bench, segments, values, 2);
    pack_done(&bench);
}

/* A recipe is carried out in double and rounded once. */
Test(pack, recipes_are_rounded_once)
{
    PackBench bench = pack_bench("pack-recipe");
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){300, 77, 3, 1, 0});
    Node *scale = weights_bench_weight(&bench.base, "b.weight", ROLE_WEIGHT, (const int32_t[]){300, 0});
    Node *product = graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_DIV}, weight, scale, weight->type);
    const Segment *segments[] = {add_segment(&bench, product, pack_rows(16, 1), 300, 231, 1)};
    float *w = formula_values(&bench, weight), *s = formula_values(&bench, scale);
    float *want = ARENA_ARRAY(bench.base.arena, float, 300 * 231);
    for (int i = 0; i < 300 * 231; ++i) {
        want[i] = (float)((double)w[i] / (double)s[i / 231]);
    }
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    assert_header(&bench);
    assert_contents(&bench, segments, (const float *const[]){want}, 1);
    pack_done(&bench);
}

/* conv_transpose: [in, out / groups, kh, kw] becomes rows of outputs with columns (in, kh, kw). */
Test(pack, transposed_sources)
{
    enum { IN = 6, OUT = 10, GROUPS = 2, WINDOW = 6 };
    PackBench bench = pack_bench("pack-transposed");
    Node *weight =
        weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){IN, OUT / GROUPS, 3, 2, 0});
    Segment *segment = add_segment(&bench, weight, pack_rows(4, 1), OUT, IN / GROUPS * WINDOW, GROUPS);
    segment->transposed = true;
    float *source = formula_values(&bench, weight), want[OUT * IN / GROUPS * WINDOW];
    for (int group = 0; group < GROUPS; ++group) {
        for (int i = 0; i < IN / GROUPS; ++i) {
            for (int o = 0; o < OUT / GROUPS; ++o) {
                for (int k = 0; k < WINDOW; ++k) {
                    want[((group * (OUT / GROUPS) + o) * (IN / GROUPS) + i) * WINDOW + k] =
                        source[((group * (IN / GROUPS) + i) * (OUT / GROUPS) + o) * WINDOW + k];
                }
            }
        }
    }
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    assert_header(&bench);
    assert_contents(&bench, (const Segment *const[]){segment}, (const float *const[]){want}, 1);
    pack_done(&bench);
}

Test(pack, a_program_without_weights_is_a_header)
{
    PackBench bench = pack_bench("pack-none");
    cr_assert(pack(&bench, weights_formula(bench.base.arena)));
    cr_assert_eq(bench.size, (size_t)BLOB_HEADER_BYTES);
    assert_header(&bench);
    pack_done(&bench);
}

/* --- values that may not be */

/* Packs a.weight [2,3] (F32, given as bits), and the same times the folded batch norm of bn (F16). */
static PackBench pack_values(const char *name, const uint32_t weight_bits[6], const uint16_t variance_bits[2], bool *ok)
{
    PackBench bench = pack_bench(name);
    const char *path = weights_bench_path(&bench.base, "values.safetensors");
    unsigned char data[28];
    for (int i = 0; i < 6; ++i) {
        for (int k = 0; k < 4; ++k) {
            data[4 * i + k] = (unsigned char)(weight_bits[i] >> 8 * k);
        }
    }
    for (int i = 0; i < 2; ++i) {
        data[24 + 2 * i] = (unsigned char)variance_bits[i];
        data[25 + 2 * i] = (unsigned char)(variance_bits[i] >> 8);
    }
    weights_bench_write_file(path,
                             "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                             "\"bn.running_var\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[24,28]}}",
                             data, sizeof data);
    Weights *weights = weights_open_safetensors(bench.base.arena, bench.base.diag, str_from(path));
    cr_assert(weights != NULL, "%s", weights_bench_text(&bench.base));
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){2, 3, 0});
    Node *variance = weights_bench_weight(&bench.base, "bn.running_var", ROLE_RUNNING_VAR, (const int32_t[]){2, 0});
    Node *root = graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_RSQRT, .eps = 1e-5}, variance, NULL,
                                  variance->type);
    Node *folded = graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_MUL}, weight, root, weight->type);
    cr_assert(weights_check(weights, bench.base.graph, false, bench.base.diag), "%s", weights_bench_text(&bench.base));
    add_segment(&bench, folded, pack_rows(1, 1), 2, 3, 1);
    add_segment(&bench, folded, pack_rows(2, 1), 2, 3, 1);
    *ok = pack(&bench, weights);
    weights_close(weights);
    return bench;
}

static void refuse(const char *name, const uint32_t weight_bits[6], const uint16_t variance_bits[2],
                   const char *message)
{
    bool ok;
    PackBench bench = pack_values(name, weight_bits, variance_bits, &ok);
    const char *text = weights_bench_text(&bench.base);
    cr_assert_not(ok);
    cr_assert_eq(diag_errors(bench.base.diag), 1u, "%s", text); /* two segments, one fault */
    cr_assert_eq(diag_fired(bench.base.diag, DIAG_WEIGHTS_VALUE), 1u);
    cr_assert(strstr(text, "values.safetensors: error: ") != NULL, "%s", text);
    cr_assert(strstr(text, message) != NULL, "no \"%s\" in:\n%s", message, text);
    pack_done(&bench);
}

#define ONE 0x3F800000u

Test(pack, values_that_are_not_finite_are_refused)
{
    const uint32_t good[6] = {ONE, ONE, ONE, ONE, ONE, ONE};
    const uint16_t ones[2] = {0x3C00, 0x3C00};
    bool ok;
    PackBench bench = pack_values("pack-values", good, ones, &ok);
    cr_assert(ok, "%s", weights_bench_text(&bench.base));
    assert_header(&bench);
    pack_done(&bench);
    refuse("pack-nan", (const uint32_t[6]){ONE, ONE, ONE, ONE, 0x7FC00000u, ONE}, ones,
           "a.weight[1,1] is not a number (NaN)");
    refuse("pack-nan", (const uint32_t[6]){0xFFFFFFFFu, ONE, ONE, ONE, ONE, ONE}, ones,
           "a.weight[0,0] is not a number (NaN)");
    refuse("pack-inf", (const uint32_t[6]){ONE, ONE, 0x7F800000u, ONE, ONE, ONE}, ones, "a.weight[0,2] is infinite");
    refuse("pack-inf", (const uint32_t[6]){ONE, ONE, ONE, ONE, ONE, 0xFF800000u}, ones,
           "a.weight[1,2] is minus infinity");
    refuse("pack-half", good, (const uint16_t[2]){0x3C00, 0x7C00 | 1}, "bn.running_var[1] is not a number (NaN)");
    refuse("pack-variance", good, (const uint16_t[2]){0xBC00, 0x3C00},
           "bn.running_var[0] is -1: a variance plus eps must be above zero");
    /* 3.4e38 / sqrt(2^-24 + 1e-5) is beyond float32 */
    refuse("pack-overflow", (const uint32_t[6]){ONE, ONE, ONE, 0x7F7FFFFFu, ONE, ONE},
           (const uint16_t[2]){0x3C00, 0x0001}, "a.weight[1,0] becomes infinite by folding: @a.weight");
}

/* Packs a.weight [2,3] with 16 bits; the text of diag. */
static void store_halves(const uint32_t bits[6], Storage storage, const char *message, const char *remedy)
{
    PackBench bench = pack_bench("pack-range");
    const char *path = weights_bench_path(&bench.base, "values.safetensors");
    weights_bench_write_file(path, "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", bits,
                             24);
    Weights *weights = weights_open_safetensors(bench.base.arena, bench.base.diag, str_from(path));
    cr_assert(weights != NULL);
    PackFormat format = pack_rows(16, 1);
    format.storage = storage;
    Node *weight = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){2, 3, 0});
    add_segment(&bench, weight, format, 2, 3, 1);
    bool ok = pack(&bench, weights);
    const char *text = weights_bench_text(&bench.base);
    cr_assert_eq(ok, message == NULL, "%s", text);
    if (message != NULL) {
        cr_assert_eq(diag_errors(bench.base.diag), 1u, "%s", text); /* two elements, one tensor */
        cr_assert(strstr(text, message) != NULL, "no \"%s\" in:\n%s", message, text);
        cr_assert(strstr(text, remedy) != NULL, "no \"%s\" in:\n%s", remedy, text);
    }
    weights_close(weights);
    pack_done(&bench);
}

Test(pack, what_16_bits_cannot_hold_is_refused)
{
    const uint32_t largest[6] = {ONE, 0x477FE000u, 0xC77FE000u, 0, 1, 0x33000000u}; /* 65504, and what becomes zero */
    const uint32_t above[6] = {ONE, ONE, ONE, ONE, 0x477FE001u, 0xFF7FFFFFu};
    store_halves(largest, STORE_F16, NULL, NULL);
    store_halves(above, STORE_F16, "a.weight[1,1] is 65504.0039: f16 holds numbers up to 65504",
                 "--dense-storage=bf16");
    store_halves(above, STORE_BF16, "a.weight[1,2] is -3.40282347e+38: bf16 holds", "--dense-storage=f32");
    store_halves((const uint32_t[6]){0x47C35000u, 0, 0, 0, 0, 0}, STORE_F16, "a.weight[0,0] is 100000", "bf16");
    store_halves((const uint32_t[6]){0x47C35000u, 0, 0, 0, 0, 0x7F7F0000u}, STORE_BF16, NULL, NULL);
}

/* --- the checksum that generated code verifies */

#include "backend/embed/cnn_blob.c"

Test(pack, checksum_in_pieces_and_every_changed_bit)
{
    enum { WORDS = 160 };
    uint32_t words[WORDS];
    for (uint32_t i = 0; i < WORDS; ++i) {
        words[i] = i * 2654435761u;
    }
    uint32_t whole = cnn_checksum(words, WORDS), lanes[CNN_CHECKSUM_LANES];
    cnn_checksum_start(lanes);
    cnn_checksum_add(lanes, words, 48);
    cnn_checksum_add(lanes, words + 48, 0);
    cnn_checksum_add(lanes, words + 48, WORDS - 48);
    cr_assert_eq(cnn_checksum_end(lanes), whole);
    for (int i = 0; i < WORDS * 32; ++i) {
        words[i / 32] ^= 1u << i % 32;
        cr_assert_neq(cnn_checksum(words, WORDS), whole, "bit %d", i);
        words[i / 32] ^= 1u << i % 32;
    }
    cr_assert_eq(cnn_checksum(words, WORDS), whole);
    cr_assert_eq(sizeof(cnn_blob_header), 64u);
}
