/* Embedded weights: the contents of the blob as one constant array of exact decimal literals, segment by segment. The
 * array stands at the end of the file, so that the code comes first for a reader; a function gives its address before
 * that. Where some weights have 16 bits, it is a struct instead, with one array a segment. */
#include <inttypes.h>

#include "backend/cliteral.h"
#include "backend/emit_parts.h"

enum { LINE_COLUMNS = 118, INDENT = 8 };

void emit_weights_declaration(CWriter *w)
{
    cw_comment(w, "The weights: at the end of this file.");
    cw_line(w, "static const float *built_in_weights(void);");
    cw_blank(w);
}

/* The literals of values[first .. end), as many on a line as it holds. */
static void emit_values(const float *values, int64_t first, int64_t end, CWriter *w)
{
    StrBuf line = {0};
    char literal[CLITERAL_MAX];
    for (int64_t i = first; i < end; ++i) {
        Str item = str_from(cliteral_float(values[i], literal));
        if (line.len > 0 && INDENT + line.len + item.len + 2 > LINE_COLUMNS) {
            cw_line(w, "%s", line.ptr);
            strbuf_clear(&line);
        }
        strbuf_printf(&line, "%s" STR_FMT ",", line.len > 0 ? " " : "", STR_ARG(item));
    }
    if (line.len > 0) {
        cw_line(w, "%s", line.ptr);
    }
    strbuf_free(&line);
}

/* The same of numbers of 16 bits, `count` of them. */
static void emit_halves(const void *values, int64_t count, CWriter *w)
{
    const unsigned char *bytes = values;
    StrBuf line = {0};
    for (int64_t i = 0; i < count; ++i) {
        if (INDENT + line.len + sizeof " 0x1234," > LINE_COLUMNS) {
            cw_line(w, "%s", line.ptr);
            strbuf_clear(&line);
        }
        uint16_t half;
        memcpy(&half, bytes + i * (int64_t)sizeof half, sizeof half);
        strbuf_printf(&line, "%s0x%04X,", line.len > 0 ? " " : "", (unsigned)half);
    }
    cw_line(w, "%s", line.ptr);
    strbuf_free(&line);
}

/* Arrays follow each other without gaps: each fills whole multiples of 64 bytes. */
static void emit_mixed_weights(const Program *program, const float *values, CWriter *w)
{
    int64_t count = (program->blob_bytes - BLOB_HEADER_BYTES) / FLOAT_BYTES;
    cw_line(w, "static const float *built_in_weights(void)");
    cw_body(w);
    cw_open(w, "static CNN_ALIGNED const struct");
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        const Segment *segment = program->segments[i];
        int64_t end = i + 1 < program->n_segments ? program->segments[i + 1]->offset : count * FLOAT_BYTES;
        cw_line(w, "%s w%" PRIu32 "[%" PRId64 "];", emit_weight_type(segment->format.storage), segment->id,
                (end - segment->offset) / storage_bytes(segment->format.storage));
    }
    cw_close(w, " values = {");
    w->depth++;
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        const Segment *segment = program->segments[i];
        int64_t first = segment->offset / FLOAT_BYTES;
        int64_t end = i + 1 < program->n_segments ? program->segments[i + 1]->offset / FLOAT_BYTES : count;
        cw_comment(w, "w%" PRIu32 ": " STR_FMT, segment->id, STR_ARG(segment->name));
        cw_line(w, "{");
        if (segment->format.storage == STORE_F32) {
            emit_values(values, first, end, w);
        } else {
            emit_halves(values + first, (end - first) * FLOAT_BYTES / storage_bytes(segment->format.storage), w);
        }
        cw_line(w, "},");
    }
    cw_close(w, ";");
    cw_line(w, "return (const float *)(const void *)&values;");
    cw_close(w, "");
}

void emit_weights(const Program *program, const float *values, CWriter *w)
{
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        if (program->segments[i]->format.storage != STORE_F32) {
            emit_mixed_weights(program, values, w);
            return;
        }
    }
    int64_t count = (program->blob_bytes - BLOB_HEADER_BYTES) / FLOAT_BYTES;
    cw_line(w, "static const float *built_in_weights(void)");
    cw_body(w);
    cw_line(w, "static CNN_ALIGNED const float values[%" PRId64 "] = {", count);
    w->depth++;
    for (uint32_t i = 0; i < program->n_segments; ++i) {
        const Segment *segment = program->segments[i];
        int64_t first = segment->offset / FLOAT_BYTES;
        int64_t end = first + segment->bytes / FLOAT_BYTES;
        int64_t next = i + 1 < program->n_segments ? program->segments[i + 1]->offset / FLOAT_BYTES : count;
        cw_comment(w, "%" PRId64 ": " STR_FMT, first, STR_ARG(segment->name));
        emit_values(values, first, end, w);
        emit_values(values, end, next, w); /* zeros up to the next multiple of 64 bytes */
    }
    cw_close(w, ";");
    cw_line(w, "return values;");
    cw_close(w, "");
}
