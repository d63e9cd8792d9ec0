/* One argument of an op: a value of the language becomes a field of the op's attributes, as the op table's parameter
 * says: its type, its bounds, its choices. */
#include "frontend/elaborate.h"

typedef struct Slot { /* where a value goes, for messages */
    Elaborator *el;
    OpKind op;
    const OpParam *param;
    Span span;
} Slot;

static const char *wanted(ParamType type)
{
    switch (type) {
    case PARAM_INT:
        return "an int";
    case PARAM_FLOAT:
        return "a number";
    case PARAM_BOOL:
        return "true or false";
    case PARAM_PAIR:
        return "an int or [height, width]";
    case PARAM_PADS:
        return "an int, [height, width] or [top, left, bottom, right]";
    case PARAM_PADS_SAME:
        return "an int, [height, width], [top, left, bottom, right] or \"same\"";
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        return "a string";
    case PARAM_INTS:
        return "a list of ints";
    case PARAM_FLOATS:
        return "a number or a list of numbers";
    case PARAM_TABLE:
        return "a list of lists of ints";
    }
    ICE("parameter type %d", (int)type);
}

static bool wrong_kind(const Slot *slot, Value value)
{
    Elaborator *el = slot->el;
    if (value.kind != VAL_ERROR) {
        bool new = elaborate_error(el, DIAG_TYPE_MISMATCH, slot->span, "'%s' of %s must be %s, found " STR_FMT,
                                   slot->param->name, op_info(slot->op)->name, wanted(slot->param->type),
                                   STR_ARG(value_describe(el->arena, value)));
        if (new &&value.kind == VAL_FLOAT) {
            elaborate_help(el, "make an int of it: int(...) cuts off, round(...) rounds; `//` divides ints");
        }
    }
    return false;
}

static bool out_of_bounds(const Slot *slot, const char *found)
{
    const OpParam *param = slot->param;
    if (param->type == PARAM_FLOAT || param->type == PARAM_FLOATS) {
        elaborate_error(slot->el, DIAG_VALUE_RANGE, slot->span, "'%s' of %s must be from %g to %g, found %s",
                        param->name, op_info(slot->op)->name, param->lo, param->hi, found);
    } else {
        elaborate_error(slot->el, DIAG_VALUE_RANGE, slot->span, "'%s' of %s must be from %.0f to %.0f, found %s",
                        param->name, op_info(slot->op)->name, param->lo, param->hi, found);
    }
    return false;
}

/* --- numbers */

static bool read_int(const Slot *slot, Value value, int32_t *out)
{
    if (value.kind != VAL_INT) {
        return wrong_kind(slot, value);
    }
    int64_t number = value.as.integer;
    if ((double)number < slot->param->lo || (double)number > slot->param->hi || number < INT32_MIN ||
        number > INT32_MAX) {
        return out_of_bounds(slot, arena_printf(slot->el->arena, "%lld", (long long)number).ptr);
    }
    *out = (int32_t)number;
    return true;
}

static bool read_float(const Slot *slot, Value value, double *out)
{
    if (!value_is_number(value)) {
        return wrong_kind(slot, value);
    }
    double number = value_number(value);
    if (number < slot->param->lo || number > slot->param->hi) {
        return out_of_bounds(slot, arena_printf(slot->el->arena, "%g", number).ptr);
    }
    *out = number;
    return true;
}

/* --- lists. Items of a wrong kind are reported at the place of the whole argument. */

static bool read_ints(const Slot *slot, Value value, int32_t *out)
{
    for (size_t i = 0; i < value.as.list.count; ++i) {
        if (!read_int(slot, list_item(value, i), &out[i])) {
            return false;
        }
    }
    return true;
}

static bool wrong_length(const Slot *slot, Value value)
{
    elaborate_error(slot->el, DIAG_VALUE_RANGE, slot->span, "'%s' of %s must be %s, found " STR_FMT, slot->param->name,
                    op_info(slot->op)->name, wanted(slot->param->type),
                    STR_ARG(value_describe(slot->el->arena, value)));
    return false;
}

static bool set_pair(const Slot *slot, Value value, int32_t pair[2])
{
    if (value.kind == VAL_LIST) {
        return value.as.list.count == 2 ? read_ints(slot, value, pair) : wrong_length(slot, value);
    }
    bool ok = read_int(slot, value, &pair[0]);
    pair[1] = pair[0];
    return ok;
}

static bool is_choice(const Slot *slot, Str text, int *index)
{
    for (*index = 0; param_choice(slot->param->type, *index) != NULL; ++*index) {
        if (str_equal(text, str_from(param_choice(slot->param->type, *index)))) {
            return true;
        }
    }
    return false;
}

static bool no_choice(const Slot *slot, Value value)
{
    Elaborator *el = slot->el;
    StrBuf choices = {0};
    Suggest suggest = suggest_start(value.as.text);
    for (int i = 0; param_choice(slot->param->type, i) != NULL; ++i) {
        const char *next = param_choice(slot->param->type, i + 1);
        strbuf_printf(&choices, "%s\"%s\"",
                      i == 0         ? ""
                      : next == NULL ? " or "
                                     : ", ",
                      param_choice(slot->param->type, i));
        suggest_consider(&suggest, str_from(param_choice(slot->param->type, i)));
    }
    const char *numbers = slot->param->type == PARAM_PADS_SAME ? "a number, a list or " : "";
    elaborate_error(el, DIAG_VALUE_RANGE, slot->span, "'%s' of %s must be %s%s, found " STR_FMT, slot->param->name,
                    op_info(slot->op)->name, numbers, choices.ptr, STR_ARG(value_describe(el->arena, value)));
    elaborate_suggest(el, suggest);
    strbuf_free(&choices);
    return false;
}

static bool set_pads(const Slot *slot, Value value, Pads *pads)
{
    int choice = 0;
    *pads = (Pads){.same = false};
    if (value.kind == VAL_STRING && slot->param->type == PARAM_PADS_SAME) {
        pads->same = is_choice(slot, value.as.text, &choice);
        return pads->same || no_choice(slot, value);
    }
    if (value.kind == VAL_LIST && value.as.list.count == 4) {
        return read_ints(slot, value, pads->edge);
    }
    int32_t pair[2] = {0, 0};
    if (!set_pair(slot, value, pair)) {
        return false;
    }
    pads->edge[PAD_TOP] = pads->edge[PAD_BOTTOM] = pair[0];
    pads->edge[PAD_LEFT] = pads->edge[PAD_RIGHT] = pair[1];
    return true;
}

enum { MOST_INTS = 16 }; /* shapes and orders of axes have a few; the op itself knows how many */

static bool set_int_list(const Slot *slot, Value value, IntList *list)
{
    if (value.kind != VAL_LIST) {
        return wrong_kind(slot, value);
    }
    if (value.as.list.count > MOST_INTS) {
        return wrong_length(slot, value);
    }
    int32_t *values = ARENA_ARRAY(slot->el->arena, int32_t, value.as.list.count);
    *list = (IntList){(int32_t)value.as.list.count, values};
    return elaborate_memory(slot->el, slot->span, value.as.list.count * sizeof *values) &&
           read_ints(slot, value, values);
}

static bool set_float_list(const Slot *slot, Value value, FloatList *list)
{
    size_t count = value.kind == VAL_LIST ? value.as.list.count : 1;
    double *values = ARENA_ARRAY(slot->el->arena, double, count);
    if (!elaborate_memory(slot->el, slot->span, count * sizeof *values)) {
        return false;
    }
    for (size_t i = 0; i < count; ++i) {
        if (!read_float(slot, value.kind == VAL_LIST ? list_item(value, i) : value, &values[i])) {
            return false;
        }
    }
    *list = (FloatList){(int32_t)count, values};
    return true;
}

static bool set_table(const Slot *slot, Value value, IntTable *table)
{
    if (value.kind != VAL_LIST) {
        return wrong_kind(slot, value);
    }
    size_t rows = value.as.list.count, total = 0;
    for (size_t r = 0; r < rows; ++r) {
        if (list_item(value, r).kind != VAL_LIST) {
            return wrong_kind(slot, list_item(value, r));
        }
        total += list_item(value, r).as.list.count;
    }
    if (total > VALUE_MAX_ITEMS) {
        elaborate_error(slot->el, DIAG_VALUE_TOO_LARGE, slot->span, "a table of %zu entries, at most %d are allowed",
                        total, VALUE_MAX_ITEMS);
        return false;
    }
    if (!elaborate_memory(slot->el, slot->span, (rows + 1 + total) * sizeof(int32_t))) {
        return false;
    }
    int32_t *start = ARENA_ARRAY(slot->el->arena, int32_t, rows + 1);
    int32_t *values = ARENA_ARRAY(slot->el->arena, int32_t, total);
    for (size_t r = 0; r < rows; ++r) {
        Value row = list_item(value, r);
        start[r + 1] = start[r] + (int32_t)row.as.list.count;
        if (!read_ints(slot, row, values + start[r])) {
            return false;
        }
    }
    *table = (IntTable){(int32_t)rows, start, values};
    return true;
}

static bool set_choice(const Slot *slot, Value value, void *at)
{
    int index = 0;
    if (value.kind != VAL_STRING) {
        return wrong_kind(slot, value);
    }
    if (!is_choice(slot, value.as.text, &index)) {
        return no_choice(slot, value);
    }
    if (slot->param->type == PARAM_PAD_MODE) {
        *(PadMode *)at = (PadMode)index;
    } else if (slot->param->type == PARAM_UPSAMPLE_MODE) {
        *(UpsampleMode *)at = (UpsampleMode)index;
    } else {
        *(FlattenOrder *)at = (FlattenOrder)index;
    }
    return true;
}

bool op_args_set(Elaborator *el, OpKind op, const OpParam *param, Value value, Span span, Attr *attr)
{
    Slot slot = {el, op, param, span};
    void *at = (char *)attr + param->offset;
    switch (param->type) {
    case PARAM_INT:
        return read_int(&slot, value, at);
    case PARAM_FLOAT:
        return read_float(&slot, value, at);
    case PARAM_BOOL:
        if (value.kind != VAL_BOOL) {
            return wrong_kind(&slot, value);
        }
        *(bool *)at = value.as.truth;
        return true;
    case PARAM_PAIR:
        return set_pair(&slot, value, at);
    case PARAM_PADS:
    case PARAM_PADS_SAME:
        return set_pads(&slot, value, at);
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        return set_choice(&slot, value, at);
    case PARAM_INTS:
        return set_int_list(&slot, value, at);
    case PARAM_FLOATS:
        return set_float_list(&slot, value, at);
    case PARAM_TABLE:
        return set_table(&slot, value, at);
    }
    ICE("parameter type %d", (int)param->type);
}
