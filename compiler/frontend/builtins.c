/* Compile-time functions: one row of the table each. They take values, never tensors, and have no named parameters. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "frontend/elaborate.h"

enum { ANY_COUNT = 1000000 };

struct Builtin {
    const char *name;
    size_t min_args, max_args;
    const char *usage;
    Value (*run)(Elaborator *el, const Builtin *self, const CallArgs *args);
};

/* --- arguments */

static Value wrong_argument(Elaborator *el, const Builtin *self, const CallArgs *args, size_t index, const char *wanted)
{
    Value value = args_value(el, args, index);
    elaborate_error(el, DIAG_TYPE_MISMATCH, args_span(args, index), "%s takes %s, found " STR_FMT, self->name, wanted,
                    STR_ARG(value_describe(el->arena, value)));
    return value_error();
}

static Value out_of_range(Elaborator *el, const Builtin *self, const CallArgs *args, size_t index, const char *wanted)
{
    Value value = args_value(el, args, index);
    elaborate_error(el, DIAG_VALUE_RANGE, args_span(args, index), "%s takes %s, found " STR_FMT, self->name, wanted,
                    STR_ARG(value_describe(el->arena, value)));
    return value_error();
}

static bool is_number_arg(Elaborator *el, const Builtin *self, const CallArgs *args, size_t index)
{
    if (!value_is_number(args_value(el, args, index))) {
        wrong_argument(el, self, args, index, "a number");
        return false;
    }
    return true;
}

static Value overflow(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    elaborate_error(el, DIAG_OVERFLOW, args->call->span, "the result of %s is beyond 64 bits", self->name);
    return value_error();
}

/* A whole double as an int; an error where it does not fit. */
static Value int_of(Elaborator *el, const Builtin *self, const CallArgs *args, double number)
{
    bool fits = number >= -9223372036854775808.0 && number < 9223372036854775808.0;
    return fits ? value_int((int64_t)number) : overflow(el, self, args);
}

/* --- min, max: over the arguments, or over one list */

static Value extreme(Elaborator *el, const Builtin *self, const CallArgs *args, bool want_larger)
{
    Value first = args_value(el, args, 0);
    bool is_list = args->count == 1 && first.kind == VAL_LIST;
    size_t count = is_list ? first.as.list.count : args->count;
    Value best = value_error();
    if (!elaborate_step(el, args->call->span, (int64_t)(count / 16))) {
        return best;
    }
    for (size_t i = 0; i < count; ++i) {
        Value value = is_list ? list_item(first, i) : args_value(el, args, i);
        if (!value_is_number(value)) {
            return wrong_argument(el, self, args, is_list ? 0 : i, "numbers, or one list of numbers");
        }
        bool both_int = value.kind == VAL_INT && best.kind == VAL_INT;
        bool is_larger =
            i > 0 && (both_int ? value.as.integer > best.as.integer : value_number(value) > value_number(best));
        bool is_smaller =
            i > 0 && (both_int ? value.as.integer < best.as.integer : value_number(value) < value_number(best));
        if (i == 0 || (want_larger ? is_larger : is_smaller)) {
            best = value;
        }
    }
    return count == 0 ? out_of_range(el, self, args, 0, "at least one number") : best;
}

static Value run_min(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    return extreme(el, self, args, false);
}

static Value run_max(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    return extreme(el, self, args, true);
}

/* --- rounding */

static Value run_abs(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    Value value = args_value(el, args, 0);
    if (value.kind == VAL_INT) {
        return value.as.integer == INT64_MIN ? overflow(el, self, args)
                                             : value_int(value.as.integer < 0 ? -value.as.integer : value.as.integer);
    }
    return is_number_arg(el, self, args, 0) ? value_float(fabs(value.as.number)) : value_error();
}

static Value rounded(Elaborator *el, const Builtin *self, const CallArgs *args, double (*how)(double))
{
    Value value = args_value(el, args, 0);
    if (value.kind == VAL_INT) {
        return value;
    }
    return is_number_arg(el, self, args, 0) ? int_of(el, self, args, how(value.as.number)) : value_error();
}

static Value run_floor(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    return rounded(el, self, args, floor);
}

static Value run_ceil(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    return rounded(el, self, args, ceil);
}

/* Halves go away from zero, as in C. */
static Value run_round(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    return rounded(el, self, args, round);
}

/* --- conversion */

static Value int_of_text(Elaborator *el, const Builtin *self, const CallArgs *args, Str text)
{
    const char *chars = arena_cstr(el->arena, text);
    char *end = NULL;
    errno = 0;
    long long number = strtoll(chars, &end, 10);
    bool is_whole = end != chars && *end == '\0' && strchr("+-0123456789", chars[0]) != NULL && end == chars + text.len;
    if (!is_whole || errno == ERANGE || text.len > 30) {
        return out_of_range(el, self, args, 0, "a number, a bool, or a string of decimal digits");
    }
    return value_int(number);
}

static Value run_int(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    Value value = args_value(el, args, 0);
    switch (value.kind) {
    case VAL_INT:
        return value;
    case VAL_FLOAT:
        return int_of(el, self, args, trunc(value.as.number));
    case VAL_BOOL:
        return value_int(value.as.truth ? 1 : 0);
    case VAL_STRING:
        return int_of_text(el, self, args, value.as.text);
    case VAL_ERROR:
    case VAL_LIST:
    case VAL_RANGE:
    case VAL_BLOCK:
    case VAL_OP:
    case VAL_TENSOR:
    case VAL_RESULTS:
        break;
    }
    return wrong_argument(el, self, args, 0, "a number, a bool, or a string of decimal digits");
}

static Value run_float(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    Value value = args_value(el, args, 0);
    if (value_is_number(value)) {
        return value_float(value_number(value));
    }
    if (value.kind != VAL_STRING) {
        return wrong_argument(el, self, args, 0, "a number or a string");
    }
    char *end = NULL;
    const char *chars = arena_cstr(el->arena, value.as.text);
    double number = strtod(chars, &end);
    bool is_decimal = strspn(chars, "+-.0123456789eE") == value.as.text.len; /* neither hex nor "inf" nor blanks */
    if (end == chars || *end != '\0' || !is_decimal || !isfinite(number)) {
        return out_of_range(el, self, args, 0, "a number, or a string that is one");
    }
    return value_float(number);
}

static Value run_str(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    Value value = args_value(el, args, 0);
    if (value.kind == VAL_TENSOR) {
        return wrong_argument(el, self, args, 0, "a value that is known at compile time (a tensor's sizes: x.shape)");
    }
    StrBuf text = {0};
    value_format(&text, value, VALUE_MAX_TEXT);
    Value result = value_error();
    if (text.len > VALUE_MAX_TEXT) {
        elaborate_error(el, DIAG_VALUE_TOO_LARGE, args->call->span, "a string of more than %d bytes", VALUE_MAX_TEXT);
    } else if (elaborate_step(el, args->call->span, (int64_t)(text.len / 64)) &&
               elaborate_memory(el, args->call->span, text.len + 1)) {
        result = value_string(arena_copy(el->arena, strbuf_view(&text)));
    }
    strbuf_free(&text);
    return result;
}

/* --- lists and ranges */

static Value run_len(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    Value value = args_value(el, args, 0);
    if (value.kind == VAL_LIST) {
        return value_int(value.as.list.count);
    }
    if (value.kind == VAL_STRING) {
        return value_int((int64_t)value.as.text.len);
    }
    return value.kind == VAL_RANGE ? value_int(range_length(value.as.range))
                                   : wrong_argument(el, self, args, 0, "a list, a range or a string");
}

static Value run_range(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    int64_t numbers[3] = {0, 0, 1};
    for (size_t i = 0; i < args->count; ++i) {
        Value value = args_value(el, args, i);
        if (value.kind != VAL_INT) {
            return wrong_argument(el, self, args, i, "ints");
        }
        numbers[args->count == 1 ? 1 : i] = value.as.integer;
    }
    if (numbers[2] == 0 || numbers[2] < -INT32_MAX || numbers[2] > INT32_MAX) {
        return out_of_range(el, self, args, 2, "a step of 32 bits other than 0");
    }
    if (!elaborate_memory(el, args->call->span, sizeof(Range))) {
        return value_error();
    }
    Range *range = ARENA_NEW(el->arena, Range);
    *range = (Range){numbers[0], numbers[1], (int32_t)numbers[2]};
    return (Value){.kind = VAL_RANGE, .as.range = range};
}

/* --- real functions */

static Value run_sqrt(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    if (!is_number_arg(el, self, args, 0)) {
        return value_error();
    }
    double number = value_number(args_value(el, args, 0));
    return number < 0.0 ? out_of_range(el, self, args, 0, "a number of at least 0") : value_float(sqrt(number));
}

static Value run_log2(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    if (!is_number_arg(el, self, args, 0)) {
        return value_error();
    }
    double number = value_number(args_value(el, args, 0));
    return number <= 0.0 ? out_of_range(el, self, args, 0, "a number above 0") : value_float(log2(number));
}

/* The multiple of d nearest to v, at least d, and never more than 10 % below v: how MobileNets and EfficientNets scale
 * their widths. */
static Value run_make_divisible(Elaborator *el, const Builtin *self, const CallArgs *args)
{
    if (!is_number_arg(el, self, args, 0)) {
        return value_error();
    }
    Value divisor = args_value(el, args, 1);
    if (divisor.kind != VAL_INT) {
        return wrong_argument(el, self, args, 1, "an int as divisor");
    }
    double v = value_number(args_value(el, args, 0)), d = (double)divisor.as.integer;
    if (divisor.as.integer < 1 || divisor.as.integer > INT32_MAX) {
        return out_of_range(el, self, args, 1, "a divisor from 1 to 2147483647");
    }
    if (v < 0.0 || v > INT32_MAX) {
        return out_of_range(el, self, args, 0, "a number from 0 to 2147483647");
    }
    double nearest = fmax(d, floor((v + d / 2.0) / d) * d);
    return int_of(el, self, args, nearest < 0.9 * v ? nearest + d : nearest);
}

/* --- the table */

static const Builtin builtins[] = {
    {"min", 1, ANY_COUNT, "min(a, b, ...) or min(list)", run_min},
    {"max", 1, ANY_COUNT, "max(a, b, ...) or max(list)", run_max},
    {"abs", 1, 1, "abs(x)", run_abs},
    {"floor", 1, 1, "floor(x)", run_floor},
    {"ceil", 1, 1, "ceil(x)", run_ceil},
    {"round", 1, 1, "round(x)", run_round},
    {"int", 1, 1, "int(x)", run_int},
    {"float", 1, 1, "float(x)", run_float},
    {"str", 1, 1, "str(x)", run_str},
    {"len", 1, 1, "len(list)", run_len},
    {"range", 1, 3, "range(n), range(a, b) or range(a, b, step)", run_range},
    {"sqrt", 1, 1, "sqrt(x)", run_sqrt},
    {"log2", 1, 1, "log2(x)", run_log2},
    {"make_divisible", 2, 2, "make_divisible(v, d)", run_make_divisible},
};
enum { BUILTIN_COUNT = sizeof builtins / sizeof builtins[0] };

const Builtin *builtin_find(Str name)
{
    for (size_t i = 0; i < BUILTIN_COUNT; ++i) {
        if (str_equal(name, str_from(builtins[i].name))) {
            return &builtins[i];
        }
    }
    return NULL;
}

Str builtin_name_at(size_t index)
{
    return index < BUILTIN_COUNT ? str_from(builtins[index].name) : STR("");
}

Value builtin_call(Elaborator *el, const Builtin *builtin, const CallArgs *args)
{
    bool ok = true;
    for (size_t i = 0; i < args->count; ++i) {
        if (!str_is_empty(args_name(args, i))) {
            elaborate_error(el, DIAG_UNKNOWN_PARAMETER, args_name_span(args, i), "%s has no named parameters: %s",
                            builtin->name, builtin->usage);
            ok = false;
        }
        ok &= args_value(el, args, i).kind != VAL_ERROR;
    }
    if (args->count > builtin->max_args) {
        elaborate_error(el, DIAG_TOO_MANY_ARGUMENTS, args_span(args, builtin->max_args), "%s takes %zu argument%s: %s",
                        builtin->name, builtin->max_args, builtin->max_args == 1 ? "" : "s", builtin->usage);
        return value_error();
    }
    if (args->count < builtin->min_args) {
        elaborate_error(el, DIAG_MISSING_ARGUMENT, args->call->as.call.callee_span, "%s needs %zu argument%s: %s",
                        builtin->name, builtin->min_args, builtin->min_args == 1 ? "" : "s", builtin->usage);
        return value_error();
    }
    return ok ? builtin->run(el, builtin, args) : value_error();
}
