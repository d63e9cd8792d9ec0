/* The table of --summary: a line a layer with its parameters and multiply-accumulates, and totals. Numbers count as
 * the literature does: parameters are trained scalars (shared ones once, running statistics apart), a MAC is one
 * multiply-accumulate of a convolution or a dense layer. */
#include "report/report.h"

#include "support/map.h"

enum { COL_LAYER, COL_OP, COL_SHAPE, COL_PARAMS, COL_MACS, COL_COUNT };

typedef struct Row {
    Str cell[COL_COUNT];
} Row;

typedef struct Totals {
    int64_t params, stats, macs; /* scalars, scalars, operations */
    int64_t values;              /* all scalars of the weights file */
    uint32_t tensors, norms;     /* distinct tensors; layers with running statistics */
} Totals;

typedef struct Summary {
    Arena *scratch;
    Map *counted; /* names of weights counted so far */
    Totals totals;
    Row *rows;
    size_t n_rows, capacity;
} Summary;

/* --- text */

/* "25,557,032" */
static Str format_count(Arena *arena, int64_t count)
{
    char digits[24]; /* of a 64-bit number */
    int n = 0;
    StrBuf text = {0};
    for (uint64_t rest = (uint64_t)count; rest > 0 || n == 0; rest /= 10) {
        digits[n++] = (char)('0' + rest % 10);
    }
    while (n > 0) {
        strbuf_char(&text, digits[--n]);
        if (n > 0 && n % 3 == 0) {
            strbuf_char(&text, ',');
        }
    }
    Str copy = arena_copy(arena, strbuf_view(&text));
    strbuf_free(&text);
    return copy;
}

/* Columns that a text takes: UTF-8 continuation bytes take none. */
static size_t width_of(Str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; ++i) {
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return width;
}

/* What tells one layer of an op from another: "conv 3x3 /2 g32". */
static Str describe_op(Arena *arena, const Node *node)
{
    const char *name = op_name(node->op);
    bool is_conv = node->op == OP_CONV || node->op == OP_DEPTHWISE_CONV || node->op == OP_CONV_TRANSPOSE;
    bool is_pool = node->op == OP_MAX_POOL || node->op == OP_AVG_POOL || node->op == OP_SUBSAMPLE;
    if (!is_conv && !is_pool) {
        return str_from(name);
    }
    const int32_t *kernel = is_conv ? node->attr.conv.kernel : node->attr.pool.kernel;
    const int32_t *stride = is_conv ? node->attr.conv.stride : node->attr.pool.stride;
    StrBuf text = {0};
    strbuf_printf(&text, "%s %dx%d", name, (int)kernel[0], (int)kernel[1]);
    if (stride[0] != stride[1]) {
        strbuf_printf(&text, " /%dx%d", (int)stride[0], (int)stride[1]);
    } else if (stride[0] != 1) {
        strbuf_printf(&text, " /%d", (int)stride[0]);
    }
    if (is_conv && node->op != OP_DEPTHWISE_CONV && node->attr.conv.groups != 1) {
        strbuf_printf(&text, " g%d", (int)node->attr.conv.groups);
    }
    if (is_conv && (node->attr.conv.dilation[0] != 1 || node->attr.conv.dilation[1] != 1)) {
        strbuf_printf(&text, " d%dx%d", (int)node->attr.conv.dilation[0], (int)node->attr.conv.dilation[1]);
    }
    Str copy = arena_copy(arena, strbuf_view(&text));
    strbuf_free(&text);
    return copy;
}

/* --- counting */

/* Counts the tensors of a node that no node before it has, and returns how many trained scalars they hold. */
static int64_t count_weights(Summary *summary, const Node *node)
{
    int64_t params = 0;
    bool has_stats = false;
    for (uint32_t i = node->n_data; i < node->n_inputs; ++i) {
        const Node *weight = node->inputs[i];
        const ConstAttr *constant = &weight->attr.constant;
        if (constant->expr != CONST_WEIGHT || !map_put(summary->counted, constant->name, summary)) {
            continue;
        }
        int64_t values = type_elements(weight->type);
        ++summary->totals.tensors;
        summary->totals.values += values;
        if (constant->role == ROLE_RUNNING_MEAN || constant->role == ROLE_RUNNING_VAR) {
            summary->totals.stats += values;
            has_stats = true;
        } else if (node->op != OP_RBF) { /* LeNet-5's bitmaps are fixed by hand */
            params += values;
        }
    }
    summary->totals.norms += has_stats;
    summary->totals.params += params;
    return params;
}

static void add_row(Summary *summary, Row row)
{
    summary->rows = arena_grow(summary->scratch, summary->rows, summary->n_rows, &summary->capacity, sizeof(Row));
    summary->rows[summary->n_rows++] = row;
}

static void add_node(Summary *summary, const Node *node)
{
    int64_t params = count_weights(summary, node);
    int64_t macs = node_macs(node);
    summary->totals.macs += macs;
    bool is_shared = params == 0 && node_params(node) > 0; /* its weights stand in a line above */
    add_row(summary, (Row){{
                         node->path,
                         describe_op(summary->scratch, node),
                         type_format(summary->scratch, node->type),
                         is_shared    ? STR("shared")
                         : params > 0 ? format_count(summary->scratch, params)
                                      : STR(""),
                         macs > 0 ? format_count(summary->scratch, macs) : STR(""),
                     }});
}

/* --- printing */

static void print_row(StrBuf *out, const Row *row, const size_t width[COL_COUNT])
{
    for (int col = 0; col < COL_COUNT; ++col) {
        bool to_right = col >= COL_PARAMS;
        bool is_last = col == COL_COUNT - 1;
        size_t pad = width[col] - width_of(row->cell[col]);
        strbuf_pad(out, to_right ? pad : 0, ' ');
        strbuf_append(out, row->cell[col]);
        strbuf_pad(out, (to_right ? 0 : pad) + (is_last ? 0 : 2), ' ');
    }
    while (out->len > 0 && out->ptr[out->len - 1] == ' ') {
        out->ptr[--out->len] = '\0'; /* empty cells leave no blanks at the end of a line */
    }
    strbuf_char(out, '\n');
}

static void print_table(StrBuf *out, const Summary *summary)
{
    const Row head = {{STR("layer"), STR("op"), STR("output"), STR("parameters"), STR("MACs")}};
    const Row total = {{
        STR("total"),
        STR(""),
        STR(""),
        format_count(summary->scratch, summary->totals.params),
        format_count(summary->scratch, summary->totals.macs),
    }};
    size_t width[COL_COUNT];
    size_t line = 2 * (COL_COUNT - 1);
    for (int col = 0; col < COL_COUNT; ++col) {
        width[col] = width_of(head.cell[col]);
        width[col] = width_of(total.cell[col]) > width[col] ? width_of(total.cell[col]) : width[col];
        for (size_t row = 0; row < summary->n_rows; ++row) {
            size_t cell = width_of(summary->rows[row].cell[col]);
            width[col] = cell > width[col] ? cell : width[col];
        }
        line += width[col];
    }
    print_row(out, &head, width);
    strbuf_pad(out, line, '-');
    strbuf_char(out, '\n');
    for (size_t row = 0; row < summary->n_rows; ++row) {
        print_row(out, &summary->rows[row], width);
    }
    strbuf_pad(out, line, '-');
    strbuf_char(out, '\n');
    print_row(out, &total, width);
}

static double mebibytes(int64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

static void print_fact(StrBuf *out, const char *name, Str value)
{
    strbuf_printf(out, "%-22s " STR_FMT "\n", name, STR_ARG(value));
}

static void print_totals(StrBuf *out, const Summary *summary, const Program *program)
{
    Arena *scratch = summary->scratch;
    const Totals *totals = &summary->totals;
    print_fact(out, "parameters", format_count(scratch, totals->params));
    if (totals->norms > 0) {
        print_fact(out, "running statistics",
                   arena_printf(scratch, STR_FMT " in %u batch norm%s", STR_ARG(format_count(scratch, totals->stats)),
                                totals->norms, totals->norms == 1 ? "" : "s"));
    }
    print_fact(out, "MACs", format_count(scratch, totals->macs));
    print_fact(out, "weights",
               arena_printf(scratch, "%.2f MiB as f32 in %u tensor%s", mebibytes(4 * totals->values), totals->tensors,
                            totals->tensors == 1 ? "" : "s"));
    if (program == NULL) {
        print_fact(out, "activation memory", STR("unknown: the backend cannot lower this net"));
        return;
    }
    print_fact(out, "target", str_from(program->target->name));
    Str batch = program->batch > 1 ? arena_printf(scratch, " for %d images", (int)program->batch) : STR("");
    print_fact(out, "activation memory",
               arena_printf(scratch, "%.2f MiB (arena, " STR_FMT " bytes)" STR_FMT, mebibytes(program->arena_bytes),
                            STR_ARG(format_count(scratch, program->arena_bytes)), STR_ARG(batch)));
    print_fact(out, "packed weights",
               arena_printf(scratch, "%.2f MiB (" STR_FMT " bytes)%s%s", mebibytes(program->blob_bytes),
                            STR_ARG(format_count(scratch, program->blob_bytes)),
                            program->dense_storage == STORE_F32 ? "" : ", of dense layers in ",
                            program->dense_storage == STORE_F32 ? "" : storage_name(program->dense_storage)));
}

void summary_print(const Graph *graph, const Program *program, StrBuf *out)
{
    Arena *scratch = arena_create();
    Summary summary = {.scratch = scratch, .counted = map_create(scratch)};
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        if (!node_is_constant(graph->nodes[n])) {
            add_node(&summary, graph->nodes[n]);
        }
    }
    strbuf_printf(out, "net " STR_FMT "\n\n", STR_ARG(graph->name));
    print_table(out, &summary);
    strbuf_char(out, '\n');
    print_totals(out, &summary, program);
    arena_destroy(scratch);
}
