/* --emit=program: buffers, kernels, segments and steps as text for people and golden tests. */
#include <inttypes.h>

#include "lower/dump.h"

const char *dump_kind(const Buffer *buffer)
{
    switch (buffer->kind) {
    case BUFFER_ARENA:
        return buffer->is_scratch ? "scratch" : "arena";
    case BUFFER_INPUT:
        return "input";
    case BUFFER_OUTPUT:
        return "output";
    }
    ICE("no buffer kind %d", (int)buffer->kind);
}

bool *dump_written(const Program *program, Arena *scratch)
{
    bool *written = ARENA_ARRAY(scratch, bool, program->n_buffers);
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        written[program->steps[i].output->id] = true;
    }
    return written;
}

static void dump_shape(const Buffer *buffer, StrBuf *out)
{
    const Layout *layout = &buffer->layout;
    if (layout->rows == 1 && layout->cols == 1) {
        strbuf_printf(out, "%s[%d]", dtype_name(buffer->dtype), (int)layout->channels);
    } else {
        strbuf_printf(out, "%s[%d,%d,%d]", dtype_name(buffer->dtype), (int)layout->channels, (int)layout->rows,
                      (int)layout->cols);
    }
}

static void dump_buffer(const Buffer *buffer, bool is_result, Arena *scratch, StrBuf *out)
{
    strbuf_printf(out, "  b%" PRIu32 " %s ", buffer->id, dump_kind(buffer));
    if (buffer->is_scratch) {
        strbuf_printf(out, "%" PRId64 " bytes  ; " STR_FMT "\n", buffer->bytes, STR_ARG(buffer->name));
        return;
    }
    dump_shape(buffer, out);
    Str layout = layout_format(scratch, &buffer->layout);
    strbuf_printf(out, " " STR_FMT, STR_ARG(layout));
    if (buffer->parent != NULL) {
        bool is_part = buffer->layout.block > 1 && buffer->layout.channels != buffer->parent->layout.channels;
        strbuf_printf(out, " %s b%" PRIu32,
                      is_part     ? "part of"
                      : is_result ? "in place of"
                                  : "view of",
                      buffer->parent->id);
        if (buffer->parent_offset > 0) {
            strbuf_printf(out, "+%" PRId64, buffer->parent_offset);
        }
    }
    strbuf_printf(out, "  ; " STR_FMT "\n", STR_ARG(buffer->name));
}

/* "leaky_relu(slope=0.1)"; parameters that have their defaults are left out. */
static void dump_activation(const Activation *act, Arena *scratch, StrBuf *out)
{
    const OpInfo *info = op_info(act->op);
    strbuf_printf(out, "%s", info->name);
    const char *separator = "(";
    Attr attr = {.act = act->attr};
    for (const OpParam *param = info->params; param->name != NULL; ++param) {
        Str value;
        if (op_param_format(scratch, act->op, param, &attr, &value)) {
            strbuf_printf(out, "%s%s=" STR_FMT, separator, param->name, STR_ARG(value));
            separator = ", ";
        }
    }
    strbuf_printf(out, "%s", separator[0] == ',' ? ")" : "");
}

/* What tiles_vector.c chose. */
static void dump_vector_tiles(const Kernel *kernel, StrBuf *out)
{
    strbuf_printf(out, ", vectors of %d", (int)kernel->vector);
    if (kernel->tile_rows > 0) {
        strbuf_printf(out, ", tile %dx%d", (int)kernel->tile_rows, (int)kernel->tile_cols);
    }
    if (kernel->tile_round > 0) {
        strbuf_printf(out, " by %d", (int)kernel->tile_round);
    }
    if (kernel->winograd.rows > 0) {
        strbuf_printf(out, ", F(");
        winograd_tile_describe(kernel->winograd, out);
        strbuf_printf(out, "), %d tiles a block", (int)kernel->block_tiles);
    } else if (kernel->lines > 0) {
        strbuf_printf(out, ", F(%d) down columns", (int)kernel->lines);
    } else if (kernel->pixels_outer) {
        strbuf_printf(out, ", pixels outside, %d tiles a block", (int)kernel->block_tiles);
    }
    strbuf_printf(out, "%s%s%s%s", kernel->input_ahead ? ", inputs ahead" : "", kernel->tile_ends ? ", tiles end" : "",
                  kernel->near ? ", near first" : "", kernel->skips_zeros ? ", skips zeros" : "");
    if (kernel->prefetch_bytes > 0) {
        strbuf_printf(out, ", prefetch %d", (int)kernel->prefetch_bytes);
    }
}

static void dump_kernel(const Kernel *kernel, Arena *scratch, StrBuf *out)
{
    strbuf_printf(out, "  " STR_FMT "  ; %s", STR_ARG(kernel->name), kernel_family_name(kernel->family));
    if (kernel->prologue.kind != PROLOGUE_NONE) {
        bool norm = kernel->prologue.kind == PROLOGUE_NORM, mean = kernel->prologue.kind == PROLOGUE_MEAN;
        bool act = kernel->prologue.act.op != OP_IDENTITY;
        strbuf_printf(out, ", %s%s", norm ? "norm" : mean ? "mean" : "", norm && act ? " and " : "");
        if (act) {
            dump_activation(&kernel->prologue.act, scratch, out);
        }
        strbuf_printf(out, " before");
    }
    if (kernel->epilogue.bias) {
        strbuf_printf(out, ", bias");
    }
    if (kernel->epilogue.residual) {
        strbuf_printf(out, ", residual");
    }
    if (kernel->epilogue.act.op != OP_IDENTITY) {
        strbuf_printf(out, ", ");
        dump_activation(&kernel->epilogue.act, scratch, out);
    }
    if (kernel->vector > 1) {
        dump_vector_tiles(kernel, out);
    }
    if (kernel->tile_pixels > 0) {
        strbuf_printf(out, ", tile of %d pixels x %d taps", (int)kernel->tile_pixels, (int)kernel->tile_taps);
    }
    if (winograd_is_plain(kernel)) {
        strbuf_printf(out, ", %d tiles x %d channels a block, %d inputs at once", (int)kernel->block_tiles,
                      (int)kernel->weight_format.lanes, (int)kernel->tile_taps);
    }
    if (kernel->scratch_bytes > 0) {
        strbuf_printf(out, ", scratch %" PRId64, kernel->scratch_bytes);
    }
    strbuf_char(out, '\n');
}

static void dump_segment(const Segment *segment, StrBuf *out)
{
    strbuf_printf(out, "  w%" PRIu32 " at %" PRId64 " %" PRId64 " bytes %dx%d", segment->id, segment->offset,
                  segment->bytes, (int)segment->rows, (int)segment->cols);
    if (segment->groups > 1) {
        strbuf_printf(out, " groups %d", (int)segment->groups);
    }
    strbuf_printf(out, " packed ");
    pack_format_describe(&segment->format, out);
    strbuf_printf(out, "%s%s = ", segment->transposed ? " transposed" : "",
                  segment->table.n_rows > 0 ? " of connections" : "");
    graph_format_constant(segment->source, out);
    strbuf_printf(out, "  ; " STR_FMT "\n", STR_ARG(segment->name));
}

static void dump_operand(const Buffer *buffer, int64_t offset, StrBuf *out)
{
    strbuf_printf(out, "b%" PRIu32, buffer->id);
    if (offset != 0) {
        strbuf_printf(out, "+%" PRId64, offset);
    }
}

static void dump_place(const Program *program, const Step *step, StrBuf *out)
{
    if (program->graph->sources == NULL || step->node->span.lo == 0) {
        return;
    }
    SourceLocation place = sources_locate(program->graph->sources, step->node->span.lo);
    if (place.file != NULL) {
        strbuf_printf(out, ", " STR_FMT ":%" PRIu32, STR_ARG(place.file->name), place.line);
    }
}

static void dump_step(const Program *program, uint32_t index, StrBuf *out)
{
    const Step *step = &program->steps[index];
    strbuf_printf(out, "  %" PRIu32 ": ", index);
    if (step->zero_halo != NULL) {
        strbuf_printf(out, STR_FMT "(b%" PRIu32 "), then ", STR_ARG(step->zero_halo->name), step->halo_of->id);
    }
    dump_operand(step->output, step->output_offset, out);
    strbuf_printf(out, " = " STR_FMT "(", STR_ARG(step->kernel->name));
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        strbuf_printf(out, "%s", i > 0 ? ", " : "");
        dump_operand(step->inputs[i], step->input_offset[i], out);
    }
    if (step->residual != NULL) {
        strbuf_printf(out, ", residual b%" PRIu32, step->residual->id);
    }
    if (step->norm != NULL) {
        strbuf_printf(out, ", norm w%" PRIu32, step->norm->id);
    }
    if (step->weight != NULL) {
        strbuf_printf(out, ", w%" PRIu32, step->weight->id);
    }
    if (step->bias != NULL) {
        strbuf_printf(out, ", w%" PRIu32, step->bias->id);
    }
    if (step->scratch != NULL) {
        strbuf_printf(out, ", scratch b%" PRIu32, step->scratch->id);
    }
    strbuf_printf(out, ")  ; " STR_FMT, STR_ARG(step->title));
    if (step->macs > 0) {
        strbuf_printf(out, ", %" PRId64 " MACs", step->macs);
    }
    if (program->parts > 1 && step->alone) {
        strbuf_printf(out, ", not split");
    }
    dump_place(program, step, out);
    strbuf_char(out, '\n');
}

void program_dump(const Program *program, StrBuf *out)
{
    Arena *scratch = arena_create();
    const bool *written = dump_written(program, scratch);
    strbuf_printf(out, "program " STR_FMT ": target %s, batch %d, parts %d\n", STR_ARG(program->graph->name),
                  program->target->name, (int)program->batch, (int)program->parts);
    strbuf_printf(out, "buffers\n");
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        dump_buffer(program->buffers[i], written[i], scratch, out);
    }
    strbuf_printf(out, "kernels\n");
    for (uint32_t i = 0; i < program->n_kernels; ++i) {
        dump_kernel(program->kernels[i], scratch, out);
    }
    strbuf_printf(out, "segments  ; blob of %" PRId64 " bytes, fingerprint %016" PRIx64 "\n", program->blob_bytes,
                  program->fingerprint);
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        dump_segment(program->segments[i], out);
    }
    strbuf_printf(out, "steps\n");
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        dump_step(program, i, out);
    }
    arena_destroy(scratch);
}
