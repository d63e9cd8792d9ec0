/* Index expressions: constant folding at the moment of printing. */
#include "backend/cexpr.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void append_list(CExpr *expr, const char *format, va_list args)
{
    size_t length = strlen(expr->text), room = sizeof expr->text - length;
    int written = vsnprintf(expr->text + length, room, format, args);
    if (written < 0 || (size_t)written >= room) {
        ICE("an expression is longer than %d characters", CEXPR_MAX - 1);
    }
}

void cexpr_append(CExpr *expr, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_list(expr, format, args);
    va_end(args);
}

CExpr cexpr_format(const char *format, ...)
{
    CExpr expr;
    expr.text[0] = '\0';
    va_list args;
    va_start(args, format);
    append_list(&expr, format, args);
    va_end(args);
    return expr;
}

CExpr cexpr_sum(const Term *terms, int64_t constant)
{
    CExpr expr;
    expr.text[0] = '\0';
    for (const Term *term = terms; term->name != NULL; ++term) {
        if (term->factor == 0) {
            continue;
        }
        bool minus = term->factor < 0, is_first = expr.text[0] == '\0';
        int64_t factor = minus ? -term->factor : term->factor;
        cexpr_append(&expr, "%s%s", is_first ? (minus ? "-" : "") : (minus ? " - " : " + "), term->name);
        if (factor != 1) {
            cexpr_append(&expr, " * %" PRId64, factor);
        }
    }
    if (expr.text[0] == '\0') {
        cexpr_append(&expr, "%" PRId64, constant);
    } else if (constant != 0) {
        cexpr_append(&expr, " %c %" PRId64, constant < 0 ? '-' : '+', constant < 0 ? -constant : constant);
    }
    return expr;
}

CExpr cexpr_div(const char *name, int64_t divisor)
{
    return divisor == 1 ? cexpr_format("%s", name) : cexpr_format("%s / %" PRId64, name, divisor);
}

CExpr cexpr_mod(const char *name, int64_t divisor)
{
    return divisor == 1 ? cexpr_int(0) : cexpr_format("%s %% %" PRId64, name, divisor);
}

CExpr cexpr_int(int64_t value)
{
    return cexpr_format("%" PRId64, value);
}

CExpr cexpr_at(const char *array, CExpr index)
{
    return cexpr_format("%s[%s]", array, index.text);
}

const char *cexpr_index_type(int64_t largest)
{
    return largest <= INT32_MAX ? "int" : "ptrdiff_t";
}
