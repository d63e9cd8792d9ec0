/* Index expressions: constant folding at the moment of printing. */
#include "backend/cexpr.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static void append(CExpr *expr, size_t *length, const char *format, ...) PRINTF(3, 4);
static void append(CExpr *expr, size_t *length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int written = vsnprintf(expr->text + *length, sizeof expr->text - *length, format, args);
    va_end(args);
    if (written < 0 || (size_t)written >= sizeof expr->text - *length) {
        ICE("an index expression is longer than %d characters", CEXPR_MAX - 1);
    }
    *length += (size_t)written;
}

CExpr cexpr_format(const char *format, ...)
{
    CExpr expr;
    va_list args;
    va_start(args, format);
    int written = vsnprintf(expr.text, sizeof expr.text, format, args);
    va_end(args);
    if (written < 0 || (size_t)written >= sizeof expr.text) {
        ICE("an expression is longer than %d characters", CEXPR_MAX - 1);
    }
    return expr;
}

CExpr cexpr_sum(const Term *terms, int64_t constant)
{
    CExpr expr = {""};
    size_t length = 0;
    for (const Term *term = terms; term->name != NULL; ++term) {
        if (term->factor == 0) {
            continue;
        }
        bool minus = term->factor < 0;
        int64_t factor = minus ? -term->factor : term->factor;
        append(&expr, &length, "%s%s", length == 0 ? (minus ? "-" : "") : (minus ? " - " : " + "), term->name);
        if (factor != 1) {
            append(&expr, &length, " * %" PRId64, factor);
        }
    }
    if (length == 0) {
        append(&expr, &length, "%" PRId64, constant);
    } else if (constant != 0) {
        append(&expr, &length, " %c %" PRId64, constant < 0 ? '-' : '+', constant < 0 ? -constant : constant);
    }
    return expr;
}

CExpr cexpr_div(const char *name, int64_t divisor)
{
    CExpr expr = {""};
    size_t length = 0;
    append(&expr, &length, "%s", name);
    if (divisor != 1) {
        append(&expr, &length, " / %" PRId64, divisor);
    }
    return expr;
}

CExpr cexpr_mod(const char *name, int64_t divisor)
{
    CExpr expr = {""};
    size_t length = 0;
    if (divisor == 1) {
        append(&expr, &length, "0");
    } else {
        append(&expr, &length, "%s %% %" PRId64, name, divisor);
    }
    return expr;
}

CExpr cexpr_int(int64_t value)
{
    CExpr expr = {""};
    size_t length = 0;
    append(&expr, &length, "%" PRId64, value);
    return expr;
}

CExpr cexpr_at(const char *array, CExpr index)
{
    CExpr expr = {""};
    size_t length = 0;
    append(&expr, &length, "%s[%s]", array, index.text);
    return expr;
}

const char *cexpr_index_type(int64_t largest)
{
    return largest <= INT32_MAX ? "int" : "ptrdiff_t";
}
