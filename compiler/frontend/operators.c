/* Operators: arithmetic on 64-bit integers (checked) and doubles (finite), comparison, joining of strings and lists;
 * tensors hand over to elaborate_elementwise.
 *
 * `/` of two ints must be exact; `//` and `%` round towards minus infinity, so a == (a // b) * b + a % b and the
 * remainder has the sign of b. An int beside a float becomes a float. */
#include <math.h>

#include "frontend/elaborate.h"

static Value overflow(Elaborator *el, const Expr *expr, Value a, Value b)
{
    elaborate_error(el, DIAG_OVERFLOW, expr->span, "the result of " STR_FMT " %s " STR_FMT " is beyond 64 bits",
                    STR_ARG(value_describe(el->arena, a)), operator_text(expr->as.binary.op),
                    STR_ARG(value_describe(el->arena, b)));
    return value_error();
}

static Value finite(Elaborator *el, const Expr *expr, double number)
{
    if (isfinite(number)) {
        return value_float(number);
    }
    elaborate_error(el, DIAG_OVERFLOW, expr->span, "the result is beyond what a float can hold");
    return value_error();
}

static Value wrong_kinds(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    bool reported = elaborate_error(el, DIAG_TYPE_MISMATCH, expr->span, "'%s' cannot take " STR_FMT " and " STR_FMT,
                                    operator_text(op), STR_ARG(value_describe(el->arena, a)),
                                    STR_ARG(value_describe(el->arena, b)));
    bool has_string = a.kind == VAL_STRING || b.kind == VAL_STRING;
    if (reported && has_string && op == OPERATOR_ADD) {
        elaborate_help(el, "make a string of the other operand: str(...)");
    } else if (reported && (a.kind == VAL_LIST || b.kind == VAL_LIST) && op == OPERATOR_ADD) {
        elaborate_help(el, "a list joins with a list: `a + [b]`");
    } else if (reported && a.kind == VAL_TENSOR && op == OPERATOR_DIV) {
        elaborate_help(el, "a tensor can be multiplied by the reciprocal: `x * 0.5`");
    } else if (reported && (a.kind == VAL_TENSOR || b.kind == VAL_TENSOR)) {
        elaborate_help(el, "tensors know + - *; sizes are numbers: x.channels, x.height, x.width");
    }
    return value_error();
}

/* --- ints */

static bool is_zero(Elaborator *el, const Expr *expr, bool zero)
{
    if (zero) {
        elaborate_error(el, DIAG_DIVISION_BY_ZERO, expr->as.binary.right->span, "division by zero");
    }
    return zero;
}

static Value int_divide(Elaborator *el, Operator op, Value left, Value right, const Expr *expr)
{
    int64_t a = left.as.integer, b = right.as.integer;
    if (is_zero(el, expr, b == 0)) {
        return value_error();
    }
    if (a == INT64_MIN && b == -1) {
        return op == OPERATOR_MOD ? value_int(0) : overflow(el, expr, left, right);
    }
    int64_t quotient = a / b, remainder = a % b;
    bool round_down = remainder != 0 && (remainder < 0) != (b < 0);
    if (op == OPERATOR_MOD) {
        return value_int(round_down ? remainder + b : remainder);
    }
    if (op == OPERATOR_FLOOR_DIV) {
        return value_int(round_down ? quotient - 1 : quotient);
    }
    if (remainder != 0) {
        if (elaborate_error(el, DIAG_INEXACT_DIVISION, expr->span, "%lld / %lld leaves a remainder of %lld",
                            (long long)a, (long long)b, (long long)remainder)) {
            elaborate_help(el, "'//' rounds down; for a fraction make one operand a float: float(...)");
        }
        return value_error();
    }
    return value_int(quotient);
}

static Value int_arithmetic(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    int64_t result = 0;
    bool over = false;
    if (op == OPERATOR_ADD) {
        over = __builtin_add_overflow(a.as.integer, b.as.integer, &result);
    } else if (op == OPERATOR_SUB) {
        over = __builtin_sub_overflow(a.as.integer, b.as.integer, &result);
    } else if (op == OPERATOR_MUL) {
        over = __builtin_mul_overflow(a.as.integer, b.as.integer, &result);
    } else {
        return int_divide(el, op, a, b, expr);
    }
    return over ? overflow(el, expr, a, b) : value_int(result);
}

/* --- floats */

static Value float_arithmetic(Elaborator *el, Operator op, Value left, Value right, const Expr *expr)
{
    double a = value_number(left), b = value_number(right);
    if (op == OPERATOR_ADD) {
        return finite(el, expr, a + b);
    }
    if (op == OPERATOR_SUB) {
        return finite(el, expr, a - b);
    }
    if (op == OPERATOR_MUL) {
        return finite(el, expr, a * b);
    }
    if (is_zero(el, expr, b == 0.0)) {
        return value_error();
    }
    if (op == OPERATOR_DIV) {
        return finite(el, expr, a / b);
    }
    if (op == OPERATOR_FLOOR_DIV) {
        return finite(el, expr, floor(a / b));
    }
    double remainder = fmod(a, b);
    return finite(el, expr, remainder != 0.0 && (remainder < 0.0) != (b < 0.0) ? remainder + b : remainder);
}

/* --- joining */

static Value join_strings(Elaborator *el, Value a, Value b, const Expr *expr)
{
    size_t length = a.as.text.len + b.as.text.len;
    if (length > VALUE_MAX_TEXT) {
        elaborate_error(el, DIAG_VALUE_TOO_LARGE, expr->span, "a string of %zu bytes, at most %d are allowed", length,
                        VALUE_MAX_TEXT);
        return value_error();
    }
    if (!elaborate_memory(el, expr->span, length + 1)) {
        return value_error();
    }
    return value_string(arena_printf(el->arena, STR_FMT STR_FMT, STR_ARG(a.as.text), STR_ARG(b.as.text)));
}

static Value join_lists(Elaborator *el, Value a, Value b, const Expr *expr)
{
    size_t count = (size_t)a.as.list.count + b.as.list.count;
    if (count > VALUE_MAX_ITEMS) {
        elaborate_error(el, DIAG_VALUE_TOO_LARGE, expr->span, "a list of %zu items, at most %d are allowed", count,
                        VALUE_MAX_ITEMS);
        return value_error();
    }
    if (!elaborate_step(el, expr->span, b.as.list.count / 16)) {
        return value_error();
    }
    const Value *items = b.as.list.count == 0 ? NULL : b.as.list.store->items;
    Value list = list_append(el->arena, a, items, b.as.list.count, &el->bytes);
    return elaborate_memory(el, expr->span, 0) ? list : value_error();
}

/* --- comparison */

static Value order(Operator op, int sign)
{
    bool truth = op == OPERATOR_LT   ? sign < 0
                 : op == OPERATOR_LE ? sign <= 0
                 : op == OPERATOR_GT ? sign > 0
                                     : sign >= 0;
    return value_bool(truth);
}

static int compare_text(Str a, Str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int sign = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    return sign != 0 ? sign : (a.len > b.len) - (a.len < b.len);
}

static Value compare(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    if (a.kind == VAL_TENSOR || b.kind == VAL_TENSOR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, expr->span,
                        "tensors have no value at compile time, so they cannot be compared");
        elaborate_help(el, "their sizes can: x.channels, x.height, x.width, x.shape");
        return value_error();
    }
    if (op == OPERATOR_EQ || op == OPERATOR_NE) {
        int64_t budget = ELABORATE_MAX_STEPS, before = budget;
        bool equal = value_equal(a, b, &budget);
        return elaborate_step(el, expr->span, (before - budget) / 16) ? value_bool(equal == (op == OPERATOR_EQ))
                                                                      : value_error();
    }
    if (a.kind == VAL_INT && b.kind == VAL_INT) {
        return order(op, (a.as.integer > b.as.integer) - (a.as.integer < b.as.integer));
    }
    if (value_is_number(a) && value_is_number(b)) {
        return order(op, (value_number(a) > value_number(b)) - (value_number(a) < value_number(b)));
    }
    if (a.kind == VAL_STRING && b.kind == VAL_STRING) {
        return order(op, compare_text(a.as.text, b.as.text));
    }
    return wrong_kinds(el, op, a, b, expr);
}

/* --- tensors */

static Value tensor_arithmetic(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    OpPlace place = {.span = expr->span, .path = STR("")};
    if (op == OPERATOR_ADD) {
        return elaborate_elementwise(el, OP_ADD, a, b, place);
    }
    if (op == OPERATOR_SUB) {
        return elaborate_elementwise(el, OP_SUB, a, b, place);
    }
    if (op == OPERATOR_MUL) {
        return elaborate_elementwise(el, OP_MUL, a, b, place);
    }
    return wrong_kinds(el, op, a, b, expr);
}

static bool is_operand(Value value)
{
    return value.kind == VAL_TENSOR || value_is_number(value);
}

static Value arithmetic(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    if (a.kind == VAL_INT && b.kind == VAL_INT) {
        return int_arithmetic(el, op, a, b, expr);
    }
    if (value_is_number(a) && value_is_number(b)) {
        return float_arithmetic(el, op, a, b, expr);
    }
    if (is_operand(a) && is_operand(b)) {
        return tensor_arithmetic(el, op, a, b, expr);
    }
    if (op == OPERATOR_ADD && a.kind == VAL_STRING && b.kind == VAL_STRING) {
        return join_strings(el, a, b, expr);
    }
    if (op == OPERATOR_ADD && a.kind == VAL_LIST && b.kind == VAL_LIST) {
        return join_lists(el, a, b, expr);
    }
    return wrong_kinds(el, op, a, b, expr);
}

Value operator_binary(Elaborator *el, Operator op, Value a, Value b, const Expr *expr)
{
    switch (op) {
    case OPERATOR_ADD:
    case OPERATOR_SUB:
    case OPERATOR_MUL:
    case OPERATOR_DIV:
    case OPERATOR_FLOOR_DIV:
    case OPERATOR_MOD:
        return arithmetic(el, op, a, b, expr);
    case OPERATOR_EQ:
    case OPERATOR_NE:
    case OPERATOR_LT:
    case OPERATOR_LE:
    case OPERATOR_GT:
    case OPERATOR_GE:
        return compare(el, op, a, b, expr);
    case OPERATOR_AND:
    case OPERATOR_OR:
    case OPERATOR_NOT:
    case OPERATOR_NEG:
        break;
    }
    ICE("operator %d is not binary", (int)op);
}

Value operator_unary(Elaborator *el, Operator op, Value a, const Expr *expr)
{
    if (op != OPERATOR_NEG) {
        ICE("operator %d is not unary", (int)op);
    }
    if (a.kind == VAL_INT) {
        if (a.as.integer == INT64_MIN) {
            elaborate_error(el, DIAG_OVERFLOW, expr->span, "the result is beyond 64 bits");
            return value_error();
        }
        return value_int(-a.as.integer);
    }
    if (a.kind == VAL_FLOAT) {
        return value_float(-a.as.number);
    }
    if (a.kind == VAL_TENSOR) {
        return elaborate_elementwise(el, OP_MUL, a, value_int(-1), (OpPlace){.span = expr->span, .path = STR("")});
    }
    elaborate_error(el, DIAG_TYPE_MISMATCH, expr->span, "'-' cannot take " STR_FMT,
                    STR_ARG(value_describe(el->arena, a)));
    return value_error();
}
