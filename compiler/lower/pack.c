/* Packing: carries out the recipe of every segment and writes the results in the order in which the kernels read them.
 *
 *     source of a segment  ->  tile of rows and columns, float32  ->  blocks of PackFormat  ->  stream: checksum, file
 *
 * Tiles are small, so memory does not grow with the network: a weights file is read through its mapping once, front to
 * back as far as the net reads it so, and the blob leaves in pieces. */
#include <math.h>

#include "lower/pack_fault.h"
#include "lower/pack_vector.h"
/* The algorithm that generated code checks a blob with; fixed C99 text, here compiled into the compiler itself. */
#include "backend/embed/cnn_blob.c"

enum {
    STREAM_WORDS = 64 * 1024,   /* a piece of the blob; multiple of CNN_CHECKSUM_LANES */
    TILE_ELEMENTS = 64 * 1024,  /* of several blocks of rows: fits a second-level cache */
    ROW_ELEMENTS = 1024 * 1024, /* of one block of rows, before its columns are split, too */
    COLUMN_STEP = CACHE_LINE,   /* floats of a row that are moved at once */
    WORDS_PER_ALIGN = BLOB_ALIGN / 4
};

/* --- the stream: words to checksum and sink */

typedef struct Stream {
    const PackSink *sink;
    uint32_t lanes[CNN_CHECKSUM_LANES];
    uint32_t *words; /* [STREAM_WORDS] */
    size_t n_words;
    int64_t total; /* words, flushed or not */
} Stream;

static void store_little_endian(uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; ++i) { /* compilers see that it changes nothing on little-endian hosts */
        uint32_t word = words[i];
        unsigned char bytes[4] = {(unsigned char)word, (unsigned char)(word >> 8), (unsigned char)(word >> 16),
                                  (unsigned char)(word >> 24)};
        memcpy(&words[i], bytes, sizeof bytes);
    }
}

static void stream_flush(Stream *stream)
{
    cnn_checksum_add(stream->lanes, stream->words, stream->n_words);
    store_little_endian(stream->words, stream->n_words);
    stream->sink->write(stream->sink->user, stream->words, stream->n_words * sizeof *stream->words);
    stream->n_words = 0;
}

/* Appends `count` words; `values` NULL: zeros. */
static void stream_put(Stream *stream, const void *values, int64_t count)
{
    const unsigned char *from = values;
    stream->total += count;
    while (count > 0) {
        size_t room = STREAM_WORDS - stream->n_words;
        size_t size = (uint64_t)count < room ? (size_t)count : room;
        if (from == NULL) {
            memset(stream->words + stream->n_words, 0, size * sizeof *stream->words);
        } else {
            memcpy(stream->words + stream->n_words, from, size * sizeof *stream->words);
            from += size * sizeof *stream->words;
        }
        stream->n_words += size;
        count -= (int64_t)size;
        if (stream->n_words == STREAM_WORDS) {
            stream_flush(stream);
        }
    }
}

/* --- tiles */

typedef struct Packer {
    const Weights *weights;
    Arena *arena, *scratch;
    Stream stream;
    PackFaults faults;
    float *tile, *packed, *moved; /* grown to the largest tile so far */
    double *wide;
    uint32_t *halves;
    int64_t halves_capacity;
    int64_t tile_capacity, packed_capacity, moved_capacity, wide_capacity;
    bool ok;
} Packer;

/* Rows [row, row + rows) within group `group` and columns [col, col + cols) of a segment. */
typedef struct Tile {
    const Segment *segment;
    int32_t group, row, rows, col, cols;
} Tile;

static float *float_room(Packer *packer, float **buffer, int64_t *capacity, int64_t count)
{
    if (count > *capacity) {
        *buffer = ARENA_ARRAY(packer->arena, float, count);
        *capacity = count;
    }
    return *buffer;
}

static double *double_room(Packer *packer, int64_t count)
{
    if (count > packer->wide_capacity) {
        packer->wide = ARENA_ARRAY(packer->arena, double, count);
        packer->wide_capacity = count;
    }
    return packer->wide;
}

/* Appends numbers of a segment as it stores them: two of 16 bits make a word, the first in its lower half. Blocks of all
 * formats that are stored so have an even number of elements. */
static void put_values(Packer *packer, const Segment *segment, const float *values, int64_t count)
{
    Storage storage = segment->format.storage;
    if (storage == STORE_F32) {
        stream_put(&packer->stream, values, count);
        return;
    }
    if (count % 2 != 0) {
        ICE("segment '" STR_FMT "' has blocks of an odd number of elements", STR_ARG(segment->name));
    }
    if (count / 2 > packer->halves_capacity) {
        packer->halves = ARENA_ARRAY(packer->arena, uint32_t, count / 2);
        packer->halves_capacity = count / 2;
    }
    for (int64_t i = 0; i < count / 2; ++i) {
        packer->halves[i] =
            storage_encode(storage, values[2 * i]) | (uint32_t)storage_encode(storage, values[2 * i + 1]) << 16;
    }
    stream_put(&packer->stream, packer->halves, count / 2);
}

/* True where all are finite: no exponent is all ones. Adding one to an exponent of all ones carries into the sign. */
static bool all_finite(const float *values, int64_t count)
{
    uint32_t carry = 0;
    for (int64_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        carry |= (bits & 0x7FFFFFFFu) + 0x00800000u;
    }
    return carry >> 31 == 0;
}

/* What the storage cannot hold is an error; then it is 0, since encoding wants numbers within the limits. */
static void limit_range(Packer *packer, const Segment *segment, int64_t first, int64_t count, float *values)
{
    const float largest = (float)storage_largest(segment->format.storage);
    for (int64_t i = 0; i < count; ++i) {
        if (!(fabsf(values[i]) <= largest)) {
            packer->ok = false;
            pack_report_range(&packer->faults, segment, first + i, values[i]);
            values[i] = 0.0f;
        }
    }
}

/* Elements [first, first + count) of a segment's source. A tensor of the file needs no detour by double. */
static void load_range(Packer *packer, const Segment *segment, int64_t first, int64_t count, float *out)
{
    const Node *source = segment->source;
    if (source->attr.constant.expr == CONST_WEIGHT) {
        weights_read(packer->weights, source->attr.constant.name, source->type, first, count, out);
    } else {
        double *wide = double_room(packer, count);
        const_eval_range(source, packer->weights, first, count, wide, packer->scratch);
        arena_reset(packer->scratch);
        for (int64_t i = 0; i < count; ++i) {
            out[i] = (float)wide[i];
        }
    }
    if (!all_finite(out, count)) {
        packer->ok = false;
        for (int64_t i = 0; i < count; ++i) {
            if (!isfinite(out[i])) {
                pack_report_fault(&packer->faults, segment, first + i, out[i]);
                return;
            }
        }
    }
    if (segment->format.storage != STORE_F32) {
        limit_range(packer, segment, first, count, out);
    }
}

/* Loads a tile, row-major. */
static void load_tile(Packer *packer, const Tile *tile, float *out)
{
    const Segment *segment = tile->segment;
    int64_t cols = segment->cols, row = tile->group * (int64_t)(segment->rows / segment->groups) + tile->row;
    if (tile->cols == segment->cols) {
        load_range(packer, segment, row * cols, tile->rows * cols, out);
        return;
    }
    for (int32_t r = 0; r < tile->rows; ++r) {
        load_range(packer, segment, (row + r) * cols + tile->col, tile->cols, out + r * (int64_t)tile->cols);
    }
}

/* Loads a tile of whole rows whose source is [groups * inputs, rows of a group, window]: its columns are
 * (input, window). */
static void load_transposed(Packer *packer, const Tile *tile, float *out)
{
    const Segment *segment = tile->segment;
    int64_t group_rows = segment->rows / segment->groups;
    int64_t inputs = segment->source->type.dim[0] / segment->groups, window = segment->cols / inputs;
    int64_t count = tile->rows * window;
    float *moved = float_room(packer, &packer->moved, &packer->moved_capacity, count);
    for (int64_t input = 0; input < inputs; ++input) {
        load_range(packer, segment, ((tile->group * inputs + input) * group_rows + tile->row) * window, count, moved);
        for (int32_t r = 0; r < tile->rows; ++r) {
            memcpy(out + (r * inputs + input) * window, moved + r * window, (size_t)window * sizeof *out);
        }
    }
}

/* The same of one phase: every step-th tap of the source's window, backwards. */
static void load_phase(Packer *packer, const Tile *tile, float *out)
{
    const Segment *segment = tile->segment;
    const TapPhase *phase = &segment->phase;
    int32_t rows = segment->format.window_rows, cols = segment->format.window_cols;
    int64_t window = (int64_t)rows * cols, inputs = segment->cols / window, all = (int64_t)phase->rows * phase->cols;
    float *moved = float_room(packer, &packer->moved, &packer->moved_capacity, tile->rows * all);
    for (int64_t input = 0; input < inputs; ++input) {
        load_range(packer, segment, (input * segment->rows + tile->row) * all, tile->rows * all, moved);
        for (int32_t r = 0; r < tile->rows; ++r) {
            float *to = out + (r * inputs + input) * window;
            for (int32_t u = 0; u < rows; ++u) {
                for (int32_t v = 0; v < cols; ++v) {
                    int64_t row = phase->first[0] + (rows - 1 - u) * phase->step[0];
                    int64_t col = phase->first[1] + (cols - 1 - v) * phase->step[1];
                    to[u * cols + v] = moved[r * all + row * phase->cols + col];
                }
            }
        }
    }
}

/* Loads a tile of a segment with a table: the windows of connections, zeros elsewhere. */
static void load_connections(Packer *packer, const Tile *tile, float *out)
{
    const Segment *segment = tile->segment;
    int32_t window = segment->format.window_rows * segment->format.window_cols;
    memset(out, 0, (size_t)tile->rows * (size_t)tile->cols * sizeof *out);
    for (int32_t r = 0; r < tile->rows; ++r) {
        const int32_t *start = segment->table.start + tile->row + r;
        for (int32_t k = start[0]; k < start[1]; ++k) {
            int32_t col = segment->table.values[k] * window - tile->col;
            if (col >= 0 && col < tile->cols) {
                load_range(packer, segment, (int64_t)k * window, window, out + r * (int64_t)tile->cols + col);
            }
        }
    }
}

/* One block of rows (of which `rows` exist) to [column blocks][row_block][col_block]; `out` is zero
 * where nothing comes. */
static void pack_block(const float *in, int32_t rows, int32_t cols, PackFormat format, float *out)
{
    int64_t block = (int64_t)format.row_block * format.col_block;
    int64_t step = (COLUMN_STEP + (int64_t)format.col_block - 1) / format.col_block * format.col_block;
    for (int64_t first = 0; first < cols; first += step) {
        int64_t last = cols - first < step ? cols : first + step;
        for (int32_t r = 0; r < rows; ++r) {
            const float *from = in + r * (int64_t)cols;
            float *to = out + first / format.col_block * block + r * (int64_t)format.col_block;
            int32_t lane = 0;
            for (int64_t c = first; c < last; ++c) {
                to[lane] = from[c];
                if (++lane == format.col_block) {
                    lane = 0;
                    to += block;
                }
            }
        }
    }
}

static void pack_tile(Packer *packer, const Tile *tile)
{
    const Segment *segment = tile->segment;
    PackFormat format = segment->format;
    int64_t count = tile->rows * (int64_t)tile->cols;
    float *values = float_room(packer, &packer->tile, &packer->tile_capacity, count);
    if (segment->transposed) {
        load_transposed(packer, tile, values);
    } else {
        load_tile(packer, tile, values);
    }
    if (format.row_block == 1 && format.col_block == 1) {
        put_values(packer, segment, values, count);
        return;
    }
    int64_t size =
        (tile->cols + (int64_t)format.col_block - 1) / format.col_block * format.col_block * format.row_block;
    float *packed = float_room(packer, &packer->packed, &packer->packed_capacity, size);
    for (int32_t r = 0; r < tile->rows; r += format.row_block) {
        int32_t rows = tile->rows - r < format.row_block ? tile->rows - r : format.row_block;
        if (rows < format.row_block || tile->cols % format.col_block != 0) {
            memset(packed, 0, (size_t)size * sizeof *packed);
        }
        pack_block(values + r * (int64_t)tile->cols, rows, tile->cols, format, packed);
        put_values(packer, segment, packed, size);
    }
}

/* --- what vector kernels read: one set of output channels at a time */

/* Loads rows [first, first + rows) of a group, columns [col, col + cols), row-major. */
static const float *load_rows(Packer *packer, const Segment *segment, int32_t group, int32_t row, int32_t rows,
                              int32_t col, int32_t cols)
{
    Tile tile = {.segment = segment, .group = group, .row = row, .rows = rows, .col = col, .cols = cols};
    float *values = float_room(packer, &packer->tile, &packer->tile_capacity, rows * (int64_t)cols);
    if (segment->table.n_rows > 0) {
        load_connections(packer, &tile, values);
    } else if (segment->phase.rows > 0) {
        load_phase(packer, &tile, values);
    } else if (segment->transposed) {
        load_transposed(packer, &tile, values);
    } else {
        load_tile(packer, &tile, values);
    }
    return values;
}

/* A set in stretches of input blocks, so that long rows (dense layers) need no memory of their size. */
static void pack_vectors_set(Packer *packer, const Segment *segment, int32_t group, int32_t row, int32_t rows)
{
    const PackFormat *f = &segment->format;
    int32_t window = f->window_rows * f->window_cols, inputs = segment->cols / window;
    int64_t block = (int64_t)f->in_block * window * rows;
    int64_t blocks = TILE_ELEMENTS / block + 1;
    int64_t step = segment->transposed || blocks * f->in_block > inputs ? inputs : blocks * f->in_block;
    for (int64_t first = 0; first < inputs; first += step) {
        int32_t count = inputs - first < step ? (int32_t)(inputs - first) : (int32_t)step;
        const float *values = load_rows(packer, segment, group, row, rows, (int32_t)first * window, count * window);
        int64_t size = pack_vectors_size(f, rows, count);
        float *packed = float_room(packer, &packer->packed, &packer->packed_capacity, size);
        pack_vectors(f, values, rows, count, packed);
        put_values(packer, segment, packed, size);
    }
}

/* WINOGRAD, LINES: windows are transformed whole. */
static void pack_transformed_set(Packer *packer, const Segment *segment, int32_t group, int32_t row, int32_t rows)
{
    const PackFormat *f = &segment->format;
    bool lines = f->kind == PACK_LINES;
    int32_t inputs = segment->cols / (f->window_rows * f->window_cols);
    const float *values = load_rows(packer, segment, group, row, rows, 0, segment->cols);
    int64_t size = (lines ? pack_lines_size : pack_winograd_size)(f, rows, inputs);
    float *packed = float_room(packer, &packer->packed, &packer->packed_capacity, size);
    (lines ? pack_lines : pack_winograd)(f, values, rows, inputs, packed);
    put_values(packer, segment, packed, size);
}

/* Sets of one half of the rows, each with the same rows of the other half. */
static void pack_strassen_sets(Packer *packer, const Segment *segment)
{
    const PackFormat *f = &segment->format;
    int32_t half = (int32_t)pack_strassen_half(f, segment->rows), set_rows = f->vectors * f->lanes,
            inputs = segment->cols;
    for (int32_t row = 0; row < half; row += set_rows) {
        int32_t rows = half - row < set_rows ? half - row : set_rows, left = segment->rows - half - row;
        int32_t lower_rows = left < 0 ? 0 : left < rows ? left : rows;
        float *values = float_room(packer, &packer->tile, &packer->tile_capacity, 2 * rows * (int64_t)inputs);
        float *lower = values + rows * (int64_t)inputs;
        load_tile(packer, &(Tile){.segment = segment, .row = row, .rows = rows, .cols = inputs}, values);
        if (lower_rows > 0) {
            load_tile(packer, &(Tile){.segment = segment, .row = half + row, .rows = lower_rows, .cols = inputs},
                      lower);
        }
        int64_t size = STRASSEN_PRODUCTS * pack_strassen_half(f, inputs) * rows;
        float *packed = float_room(packer, &packer->packed, &packer->packed_capacity, size);
        pack_strassen(f, values, rows, lower, lower_rows, inputs, packed);
        stream_put(&packer->stream, packed, size);
    }
}

/* Products outside, sets inside: all rows at once. */
static void pack_strassen_whole(Packer *packer, const Segment *segment)
{
    const PackFormat *f = &segment->format;
    int64_t size = pack_strassen_size(f, segment->rows, segment->cols);
    float *values = float_room(packer, &packer->tile, &packer->tile_capacity, segment->rows * (int64_t)segment->cols);
    float *packed = float_room(packer, &packer->packed, &packer->packed_capacity, size);
    load_tile(packer, &(Tile){.segment = segment, .rows = segment->rows, .cols = segment->cols}, values);
    pack_strassen_twice(f, values, segment->rows, segment->cols, packed);
    stream_put(&packer->stream, packed, size);
}

static void pack_sets(Packer *packer, const Segment *segment)
{
    const PackFormat *f = &segment->format;
    if (f->kind == PACK_STRASSEN) {
        pack_strassen_sets(packer, segment);
        return;
    }
    if (f->kind == PACK_STRASSEN_TWICE) {
        pack_strassen_whole(packer, segment);
        return;
    }
    int32_t group_rows = segment->rows / segment->groups, set_rows = f->vectors * f->lanes;
    for (int32_t group = 0; group < segment->groups; ++group) {
        for (int32_t row = 0; row < group_rows; row += set_rows) {
            int32_t rows = group_rows - row < set_rows ? group_rows - row : set_rows;
            if (f->kind == PACK_WINOGRAD || f->kind == PACK_LINES) {
                pack_transformed_set(packer, segment, group, row, rows);
            } else {
                pack_vectors_set(packer, segment, group, row, rows);
            }
        }
    }
}

static int32_t least(int64_t a, int32_t b)
{
    return a < b ? (int32_t)a : b;
}

/* Cuts a segment into tiles: some blocks of whole rows; or, where rows are very long, a stretch of one block of
 * rows. */
static void pack_segment(Packer *packer, const Segment *segment)
{
    PackFormat format = segment->format;
    int32_t group_rows = segment->rows / segment->groups;
    int64_t window = (int64_t)format.window_rows * format.window_cols,
            elements = segment->rows * (int64_t)segment->cols;
    if (segment->table.n_rows > 0) {
        elements = segment->table.start[segment->table.n_rows] * window;
    } else if (segment->phase.rows > 0) {
        elements = elements / window * segment->phase.rows * segment->phase.cols;
    }
    if (type_elements(segment->source->type) != elements) {
        ICE("segment '" STR_FMT "' is not of its source's size", STR_ARG(segment->name));
    }
    if (format.kind != PACK_ROWS) {
        pack_sets(packer, segment);
        return;
    }
    int64_t block = (int64_t)format.row_block * segment->cols;
    int32_t row_step = least((TILE_ELEMENTS / block + 1) * format.row_block, group_rows);
    int32_t col_step = segment->cols;
    if (block > ROW_ELEMENTS && !segment->transposed) {
        row_step = format.row_block;
        col_step =
            least((ROW_ELEMENTS / format.row_block / format.col_block + 1) * (int64_t)format.col_block, segment->cols);
    }
    for (int32_t group = 0; group < segment->groups; ++group) {
        for (int32_t row = 0; row < group_rows; row += least(row_step, group_rows - row)) {
            for (int32_t col = 0; col < segment->cols; col += least(col_step, segment->cols - col)) {
                pack_tile(packer, &(Tile){.segment = segment,
                                          .group = group,
                                          .row = row,
                                          .rows = least(row_step, group_rows - row),
                                          .col = col,
                                          .cols = least(col_step, segment->cols - col)});
            }
        }
    }
}

/* --- the blob */

static void store_bytes(unsigned char *to, uint64_t value, int count)
{
    for (int i = 0; i < count; ++i) {
        to[i] = (unsigned char)(value >> 8 * i);
    }
}

/* The header as bytes, little-endian on every host. */
static void make_header(const Program *program, uint32_t checksum, unsigned char header[BLOB_HEADER_BYTES])
{
    memset(header, 0, BLOB_HEADER_BYTES);
    memcpy(header + offsetof(cnn_blob_header, magic), "CNNCWTS", 8);
    store_bytes(header + offsetof(cnn_blob_header, version), CNN_BLOB_VERSION, 4);
    store_bytes(header + offsetof(cnn_blob_header, checksum), checksum, 4);
    store_bytes(header + offsetof(cnn_blob_header, bytes), (uint64_t)program->blob_bytes, 8);
    store_bytes(header + offsetof(cnn_blob_header, fingerprint), program->fingerprint, 8);
}

static void pack_segments(Packer *packer, const Program *program)
{
    Stream *stream = &packer->stream;
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        const Segment *segment = program->segments[i];
        if (segment->offset != 4 * stream->total) {
            ICE("segment '" STR_FMT "' is not where it should be", STR_ARG(segment->name));
        }
        pack_segment(packer, segment);
        if (segment->offset + segment->bytes != 4 * stream->total) {
            ICE("segment '" STR_FMT "' is not of its size", STR_ARG(segment->name));
        }
        stream_put(stream, NULL, (WORDS_PER_ALIGN - stream->total % WORDS_PER_ALIGN) % WORDS_PER_ALIGN);
    }
    if (program->blob_bytes != BLOB_HEADER_BYTES + 4 * stream->total) {
        ICE("the blob has %lld bytes instead of %lld", BLOB_HEADER_BYTES + 4LL * stream->total,
            (long long)program->blob_bytes);
    }
    stream_flush(stream);
}

bool pack_blob(const Program *program, const Weights *weights, Diag *diag, const PackSink *sink)
{
    Arena *arena = arena_create();
    Packer packer = {.weights = weights, .arena = arena, .scratch = arena_create(), .ok = true};
    packer.faults = (PackFaults){.weights = weights, .diag = diag, .arena = arena, .reported = map_create(arena)};
    packer.stream.sink = sink;
    packer.stream.words = ARENA_ARRAY(arena, uint32_t, STREAM_WORDS);
    cnn_checksum_start(packer.stream.lanes);

    unsigned char header[BLOB_HEADER_BYTES];
    make_header(program, 0, header);
    sink->write(sink->user, header, sizeof header);
    pack_segments(&packer, program);
    make_header(program, cnn_checksum_end(packer.stream.lanes), header);
    sink->patch(sink->user, 0, header, sizeof header);

    arena_destroy(packer.scratch);
    arena_destroy(arena);
    return packer.ok;
}
