/* Embedded weights: the contents of the blob as one constant array of exact decimal literals, segment by segment. The
 * array stands at the end of the file, so that the code comes first for a reader; a function gives its address before
 * that. */
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

void emit_weights(const Program *program, const float *values, CWriter *w)
{
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
