/* Segments: which constants lie where in the weights blob, in the order in which the steps read them. Packing proper
 * is pack.c's; here it is decided. Constants with the same recipe, wanted in the same order, are one segment. */
#include <inttypes.h>

#include "lower/lowering.h"
#include "lower/pack_vector.h"
#include "support/hash.h"
#include "support/ints.h"

int64_t segment_elements(const Segment *segment)
{
    const PackFormat *format = &segment->format;
    int64_t group_rows = segment->rows / segment->groups;
    if (format->kind == PACK_ROWS) {
        int64_t rows = int_align_up(group_rows, format->row_block);
        int64_t cols = int_align_up(segment->cols, format->col_block);
        return segment->groups * rows * cols;
    }
    if (pack_is_strassen(format)) {
        return pack_strassen_size(format, segment->rows, segment->cols);
    }
    int64_t window = (int64_t)format->window_rows * format->window_cols;
    int32_t inputs = (int32_t)(segment->cols / window);
    int64_t outputs = int_align_up(group_rows, format->lanes);
    if (format->kind == PACK_LINES) {
        return segment->groups * pack_lines_size(format, (int32_t)group_rows, inputs);
    }
    int64_t products = format->kind == PACK_WINOGRAD ? pack_winograd_inputs(format, inputs)
                                                     : int_align_up(inputs, format->in_block) * window;
    return segment->groups * outputs * products;
}

/* " points 2.125 1.125 0.6875 0.25": of which the filters are values, where they are not the usual ones. */
static void describe_points(const PackFormat *format, StrBuf *out)
{
    int32_t stride = format->phases > 1 ? format->phases : 1;
    int32_t rows = winograd_points(format->winograd.rows, winograd_taps(format->window_rows, stride));
    int32_t cols = winograd_points(format->winograd.cols, winograd_taps(format->window_cols, stride));
    int32_t points = format->kind == PACK_LINES || rows > cols ? rows : cols;
    if (points > WINOGRAD_FEW_POINTS) {
        strbuf_printf(out, " points");
        for (int32_t i = 0; i < points - 1; i += 2) { /* the other of each pair is its negative */
            strbuf_printf(out, " %g", winograd_point(i, points));
        }
    }
}

/* "4x4", "vectors 2x16 inputs 16 window 3x3", "winograd 4 vectors 2x16", "16x1 f16" */
void pack_format_describe(const PackFormat *format, StrBuf *out)
{
    if (format->kind == PACK_ROWS) {
        strbuf_printf(out, "%dx%d", (int)format->row_block, (int)format->col_block);
    } else if (format->kind == PACK_WINOGRAD) {
        strbuf_printf(out, "winograd ");
        winograd_tile_describe(format->winograd, out);
        strbuf_printf(out, " window %dx%d vectors %dx%d", (int)format->window_rows, (int)format->window_cols,
                      (int)format->vectors, (int)format->lanes);
        if (format->phases > 1) {
            strbuf_printf(out, " phases %d%s", (int)format->phases, format->phase_lanes ? " in lanes" : "");
        }
        describe_points(format, out);
    } else if (format->kind == PACK_LINES) {
        strbuf_printf(out, "lines %d window %dx%d vectors %dx%d", (int)format->winograd.rows, (int)format->window_rows,
                      (int)format->window_cols, (int)format->vectors, (int)format->lanes);
        describe_points(format, out);
    } else if (pack_is_strassen(format)) {
        strbuf_printf(out, "strassen%s vectors %dx%d", format->kind == PACK_STRASSEN ? "" : " twice",
                      (int)format->vectors, (int)format->lanes);
    } else {
        strbuf_printf(out, "vectors %dx%d inputs %d window %dx%d", (int)format->vectors, (int)format->lanes,
                      (int)format->in_block, (int)format->window_rows, (int)format->window_cols);
    }
    if (format->storage != STORE_F32) {
        strbuf_printf(out, " %s", storage_name(format->storage));
    }
}

/* "pack 4x4 rows 64 cols 147 groups 1 = @conv1.weight * ...": all that the bytes of a segment depend on, but for the
 * values of the weights. */
static void describe_packing(const Packing *packing, const Node *source, StrBuf *out)
{
    strbuf_append(out, STR("pack "));
    pack_format_describe(&packing->format, out);
    strbuf_printf(out, " rows %d cols %d groups %d%s", (int)packing->rows, (int)packing->cols, (int)packing->groups,
                  packing->transposed ? " transposed" : "");
    for (int32_t row = 0; row < packing->table.n_rows; ++row) {
        strbuf_printf(out, "%s", row == 0 ? " of inputs" : ";");
        for (int32_t k = packing->table.start[row]; k < packing->table.start[row + 1]; ++k) {
            strbuf_printf(out, " %d", (int)packing->table.values[k]);
        }
    }
    const TapPhase *phase = &packing->phase;
    if (phase->rows > 0) {
        strbuf_printf(out, " taps %d,%d by %d,%d of %dx%d", (int)phase->first[0], (int)phase->first[1],
                      (int)phase->step[0], (int)phase->step[1], (int)phase->rows, (int)phase->cols);
    }
    strbuf_printf(out, " = ");
    graph_format_constant(source, out);
}

static Str segment_name(Arena *arena, const Node *source, const Node *user, WeightRole role)
{
    if (source->attr.constant.expr == CONST_WEIGHT) {
        return source->attr.constant.name;
    }
    const char *op = op_info(user->op)->name;
    return str_is_empty(user->path) ? arena_printf(arena, "%s.%s", op, role_name(role))
                                    : arena_printf(arena, STR_FMT ".%s", STR_ARG(user->path), role_name(role));
}

const Segment *lower_segment(Lowering *l, const Node *source, Packing packing, const Node *user, WeightRole role)
{
    StrBuf text = {0};
    describe_packing(&packing, source, &text);
    Segment *segment = map_get(l->segments, strbuf_view(&text));
    if (segment == NULL) {
        Program *program = l->program;
        segment = ARENA_NEW(l->arena, Segment);
        *segment = (Segment){.id = program->n_segments,
                             .name = segment_name(l->arena, source, user, role),
                             .source = source,
                             .format = packing.format,
                             .rows = packing.rows,
                             .cols = packing.cols,
                             .groups = packing.groups,
                             .transposed = packing.transposed,
                             .table = packing.table,
                             .phase = packing.phase};
        segment->bytes =
            int_align_up(segment_elements(segment) * storage_bytes(packing.format.storage), (int64_t)sizeof(uint32_t));
        program->segments = arena_grow(l->arena, program->segments, program->n_segments, &l->segment_capacity,
                                       sizeof *program->segments);
        program->segments[program->n_segments++] = segment;
        map_put(l->segments, arena_copy(l->scratch, strbuf_view(&text)), segment);
    }
    strbuf_free(&text);
    return segment;
}

const Segment *lower_vector(Lowering *l, const Kernel *kernel, const Node *source, const Node *user, WeightRole role)
{
    Packing packing = {
        .format = pack_rows(kernel->vector, 1), .rows = (int32_t)type_elements(source->type), .cols = 1, .groups = 1};
    return lower_segment(l, source, packing, user, role);
}

/* --- recipes made by lowering. They are no part of the graph: only segments point to them. */

Node *lower_values(Lowering *l, int32_t count, const double *values)
{
    double *copy = ARENA_ARRAY(l->arena, double, count);
    memcpy(copy, values, (size_t)count * sizeof *copy);
    Node *node = ARENA_NEW(l->arena, Node);
    node->op = OP_CONST;
    node->act.op = OP_IDENTITY;
    node->type = type_f32_1(count);
    node->attr.constant.expr = CONST_VALUES;
    node->attr.constant.values = copy;
    return node;
}

Node *lower_recipe(Lowering *l, ConstExpr expr, const Node *a, const Node *b, double eps)
{
    Node *node = ARENA_NEW(l->arena, Node);
    node->op = OP_CONST;
    node->act.op = OP_IDENTITY;
    node->type = a->type;
    node->attr.constant.expr = expr;
    node->attr.constant.eps = eps;
    node->inputs = ARENA_ARRAY(l->arena, Node *, 2);
    node->inputs[0] = (Node *)a; /* a node's inputs are not const; nobody writes through these */
    node->inputs[1] = (Node *)b;
    node->n_inputs = node->n_data = b == NULL ? 1 : 2;
    return node;
}

/* --- the finished blob */

static void describe_ports(const char *role, Buffer *const *ports, uint32_t count, StrBuf *out)
{
    for (uint32_t i = 0; i < count; ++i) {
        const Layout *layout = &ports[i]->layout;
        strbuf_printf(out, "%s %s %dx%dx%d block %d\n", role, dtype_name(ports[i]->dtype), (int)layout->channels,
                      (int)layout->rows, (int)layout->cols, (int)layout->block);
    }
}

/* The same text for segments of the same bytes: of a vector (bias) only its padded length counts; of vectors the padded
 * outputs, all elements (so the padded inputs) and the outputs of a set, whatever its vectors are, and blocks of inputs where
 * there is a window between them. */
static void describe_bytes(const Segment *segment, StrBuf *out)
{
    Packing packing = {segment->format,     segment->rows,  segment->cols, segment->groups,
                       segment->transposed, segment->table, segment->phase};
    PackFormat *f = &packing.format;
    int64_t elements = segment_elements(segment);
    if (f->kind == PACK_ROWS && packing.cols == 1 && f->col_block == 1) {
        packing.groups = elements == packing.rows ? 1 : packing.groups; /* they follow each other without gaps */
        f->row_block = 1;
        strbuf_printf(out, "padded to %" PRId64 " ", elements / packing.groups);
    } else if (f->kind == PACK_VECTORS || f->kind == PACK_WINOGRAD || f->kind == PACK_LINES) {
        int64_t outputs = int_align_up(packing.rows / packing.groups, f->lanes), set = (int64_t)f->vectors * f->lanes;
        strbuf_printf(out, "padded to %" PRId64 " of %" PRId64 " ", outputs, elements);
        f->vectors = (int32_t)(set < outputs ? set : outputs);
        f->in_block = f->kind == PACK_VECTORS && f->window_rows * f->window_cols > 1 ? f->in_block : 1;
        f->lanes = 1;
    }
    describe_packing(&packing, segment->source, out);
}

void segments_share(Program *const *programs, int n_programs, Program *whole)
{
    Arena *scratch = arena_create();
    Map *places = map_create(scratch); /* bytes, described -> the first segment that has them */
    StrBuf text = {0}, manifest = {0};
    uint32_t most = 0;
    for (int p = 0; p < n_programs; ++p) {
        most += programs[p]->n_segments;
    }
    whole->segments = ARENA_ARRAY(whole->arena, Segment *, most);
    whole->n_segments = 0;
    int64_t end = 0;
    strbuf_printf(&manifest, "cnnc weights of several targets\n");
    for (int p = 0; p < n_programs; ++p) {
        strbuf_printf(&manifest, "program %016" PRIx64 "\n", programs[p]->fingerprint);
        for (uint32_t i = 0; i < programs[p]->n_segments; ++i) {
            Segment *segment = programs[p]->segments[i];
            strbuf_clear(&text);
            describe_bytes(segment, &text);
            const Segment *same = map_get(places, strbuf_view(&text));
            segment->offset = same != NULL ? same->offset : end;
            if (same == NULL) {
                end = int_align_up(segment->offset + segment->bytes, BLOB_ALIGN);
                whole->segments[whole->n_segments++] = segment;
                map_put(places, arena_copy(scratch, strbuf_view(&text)), segment);
            }
            strbuf_printf(&manifest, "at %" PRId64 "\n", segment->offset);
        }
    }
    whole->blob_bytes = BLOB_HEADER_BYTES + end;
    whole->fingerprint = hash_fnv1a_64(strbuf_view(&manifest));
    for (int p = 0; p < n_programs; ++p) {
        programs[p]->blob_bytes = whole->blob_bytes;
        programs[p]->fingerprint = whole->fingerprint;
    }
    strbuf_free(&text);
    strbuf_free(&manifest);
    arena_destroy(scratch);
}

void segments_finish(Program *program)
{
    StrBuf manifest = {0};
    strbuf_printf(&manifest, "cnnc weights\ntarget %s\n", program->target->name);
    describe_ports("input", program->inputs, program->graph->n_inputs, &manifest);
    describe_ports("output", program->outputs, program->graph->n_outputs, &manifest);
    for (uint32_t i = 0; i < program->n_steps; ++i) { /* the same weights in other layers are another network */
        strbuf_printf(&manifest, "step " STR_FMT "\n", STR_ARG(program->steps[i].kernel->name));
    }
    int64_t end = 0;
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        Segment *segment = program->segments[i];
        segment->offset = end;
        end = int_align_up(segment->offset + segment->bytes, BLOB_ALIGN);
        Packing packing = {segment->format,     segment->rows,  segment->cols, segment->groups,
                           segment->transposed, segment->table, segment->phase};
        strbuf_printf(&manifest, "at %" PRId64 " bytes %" PRId64 " ", segment->offset, segment->bytes);
        describe_packing(&packing, segment->source, &manifest);
        strbuf_char(&manifest, '\n');
    }
    program->blob_bytes = BLOB_HEADER_BYTES + end;
    program->fingerprint = hash_fnv1a_64(strbuf_view(&manifest));
    strbuf_free(&manifest);
}
