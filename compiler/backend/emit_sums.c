/* Sums in double, and other lines that several kernel families share. */
#include "backend/emit_sums.h"

#include <inttypes.h>

#include "ir/op.h"
#include "support/ints.h"

enum { LANES = 8 };

static void emit_with_index(CWriter *w, const char *text, const char *index, const char *head)
{
    StrBuf line = {0};
    strbuf_append(&line, str_from(head));
    for (const char *c = text; *c != '\0'; ++c) {
        if (*c == '@') {
            strbuf_append(&line, str_from(index));
        } else {
            strbuf_char(&line, *c);
        }
    }
    strbuf_char(&line, ';');
    cw_line(w, "%s", line.ptr);
    strbuf_free(&line);
}

void emit_double_sum(CWriter *w, const char *name, int64_t count, const char *prelude, const char *value)
{
    int64_t whole = count / LANES * LANES;
    cw_line(w, "double %s_lane[%d] = {0.0};", name, LANES);
    if (whole > 0) {
        cw_open(w, "for (int i = 0; i < %" PRId64 "; i += %d)", whole, LANES);
        cw_open(w, "for (int j = 0; j < %d; ++j)", LANES);
        if (prelude != NULL) {
            emit_with_index(w, prelude, "i + j", "");
        }
        emit_with_index(w, value, "i + j", cexpr_format("%s_lane[j] += ", name).text);
        cw_close(w, "");
        cw_close(w, "");
    }
    if (whole < count) {
        cw_open(w, "for (int i = %" PRId64 "; i < %" PRId64 "; ++i)", whole, count);
        if (prelude != NULL) {
            emit_with_index(w, prelude, "i", "");
        }
        emit_with_index(w, value, "i", cexpr_format("%s_lane[0] += ", name).text);
        cw_close(w, "");
    }
    cw_line(w, "const double %s = ((%s_lane[0] + %s_lane[1]) + (%s_lane[2] + %s_lane[3]))", name, name, name, name,
            name);
    cw_line(w, "    + ((%s_lane[4] + %s_lane[5]) + (%s_lane[6] + %s_lane[7]));", name, name, name, name);
}

void emit_single_part(CWriter *w)
{
    cw_open(w, "if (part > 0)");
    cw_line(w, "return; /* too small to share out */");
    cw_close(w, "");
    cw_line(w, "(void)parts;");
}

CExpr emit_block_pixels(CWriter *w, int64_t total, int size)
{
    int64_t blocks = int_div_up(total, size);
    if (blocks == 1) {
        return cexpr_int(total);
    }
    if (total % size == 0) {
        return cexpr_int(size);
    }
    cw_line(w, "const int pixels = block < %" PRId64 " ? %d : %" PRId64 ";", blocks - 1, size, total % size);
    return (CExpr){"pixels"};
}

CExpr emit_double(double value)
{
    StrBuf text = {0};
    op_format_number(&text, value);
    CExpr expr = cexpr_format("%s", text.ptr);
    strbuf_free(&text);
    char *comma = strchr(expr.text, ','); /* the decimal point of some locales */
    if (comma != NULL) {
        *comma = '.';
    }
    return expr;
}
