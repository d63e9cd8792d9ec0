/* Values: lists, ranges, equality and text. Nothing here reports errors: who evaluates an expression knows its place.
 */
#include "frontend/value.h"

#include "frontend/elaborate.h"

double value_number(Value value)
{
    return value.kind == VAL_INT ? (double)value.as.integer : value.as.number;
}

/* --- ranges */

int64_t range_length(const Range *range)
{
    int64_t from = range->step > 0 ? range->from : range->to;
    int64_t to = range->step > 0 ? range->to : range->from;
    if (from >= to) {
        return 0;
    }
    /* The distance of two int64_t fits uint64_t; a range longer than INT64_MAX counts as that long. */
    uint64_t step = range->step > 0 ? (uint64_t)range->step : (uint64_t) - (int64_t)range->step;
    uint64_t length = ((uint64_t)to - (uint64_t)from - 1) / step + 1;
    return length > INT64_MAX ? INT64_MAX : (int64_t)length;
}

Value range_item(const Range *range, int64_t index)
{
    return value_int((int64_t)((uint64_t)range->from + (uint64_t)index * (uint64_t)(int64_t)range->step));
}

/* --- lists */

Value list_item(Value list, size_t index)
{
    return list.as.list.store->items[index];
}

uint32_t value_depth(Value value)
{
    return value.kind == VAL_LIST ? value.as.list.depth : 0;
}

static ListStore *new_store(Arena *arena, size_t capacity, size_t *bytes)
{
    ListStore *store = ARENA_NEW(arena, ListStore);
    store->items = ARENA_ARRAY(arena, Value, capacity);
    store->capacity = capacity;
    *bytes += sizeof *store + capacity * sizeof(Value);
    return store;
}

Value list_append(Arena *arena, Value left, const Value *items, size_t count, size_t *bytes)
{
    size_t before = left.as.list.count;
    ListStore *store = left.as.list.store;
    bool at_end = store != NULL && store->used == before && store->capacity - before >= count;
    if (!at_end && before + count > 0) {
        size_t capacity = before == 0 ? count : 2 * (before + count);
        ListStore *larger = new_store(arena, capacity, bytes);
        if (before > 0) {
            memcpy(larger->items, store->items, before * sizeof(Value));
        }
        store = larger;
    }
    uint32_t depth = before == 0 ? 1 : left.as.list.depth;
    for (size_t i = 0; i < count; ++i) {
        store->items[before + i] = items[i];
        uint32_t item_depth = value_depth(items[i]);
        depth = item_depth + 1 > depth ? item_depth + 1 : depth;
    }
    if (store != NULL) {
        store->used = before + count;
    }
    return (Value){.kind = VAL_LIST, .as.list = {store, (uint32_t)(before + count), depth}};
}

/* --- equality */

static bool lists_equal(Value a, Value b, int64_t *budget)
{
    if (a.as.list.count != b.as.list.count) {
        return false;
    }
    for (size_t i = 0; i < a.as.list.count; ++i) {
        if (!value_equal(list_item(a, i), list_item(b, i), budget)) {
            return false;
        }
    }
    return true;
}

static bool ranges_equal(const Range *a, const Range *b)
{
    int64_t length = range_length(a);
    if (length != range_length(b)) {
        return false;
    }
    return length == 0 || (a->from == b->from && (length == 1 || a->step == b->step));
}

bool value_equal(Value a, Value b, int64_t *budget)
{
    if (--*budget < 0) {
        return false;
    }
    if (value_is_number(a) && value_is_number(b)) {
        return a.kind == VAL_INT && b.kind == VAL_INT ? a.as.integer == b.as.integer
                                                      : value_number(a) == value_number(b);
    }
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case VAL_BOOL:
        return a.as.truth == b.as.truth;
    case VAL_STRING:
        *budget -= (int64_t)(a.as.text.len / 64);
        return str_equal(a.as.text, b.as.text);
    case VAL_LIST:
        return lists_equal(a, b, budget);
    case VAL_RANGE:
        return ranges_equal(a.as.range, b.as.range);
    case VAL_BLOCK:
        return a.as.block == b.as.block;
    case VAL_OP:
        return a.as.op == b.as.op;
    case VAL_TENSOR:
        return a.as.tensor == b.as.tensor;
    case VAL_ERROR:
    case VAL_INT:
    case VAL_FLOAT:
    case VAL_RESULTS:
        break;
    }
    return false;
}

/* --- text */

const char *value_kind_name(ValueKind kind)
{
    switch (kind) {
    case VAL_ERROR:
        return "error";
    case VAL_INT:
        return "int";
    case VAL_FLOAT:
        return "float";
    case VAL_BOOL:
        return "bool";
    case VAL_STRING:
        return "string";
    case VAL_LIST:
        return "list";
    case VAL_RANGE:
        return "range";
    case VAL_BLOCK:
        return "block";
    case VAL_OP:
        return "op";
    case VAL_TENSOR:
        return "tensor";
    case VAL_RESULTS:
        return "results";
    }
    ICE("value kind %d", (int)kind);
}

static void format_quoted(StrBuf *out, Str text, size_t limit)
{
    strbuf_char(out, '"');
    for (size_t i = 0; i < text.len && out->len <= limit; ++i) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\') {
            strbuf_char(out, '\\');
            strbuf_char(out, c);
        } else if (c == '\n' || c == '\t') {
            strbuf_append(out, c == '\n' ? STR("\\n") : STR("\\t"));
        } else {
            strbuf_char(out, c);
        }
    }
    strbuf_char(out, '"');
}

static void format_item(StrBuf *out, Value value, size_t limit)
{
    if (value.kind == VAL_STRING) {
        format_quoted(out, value.as.text, limit);
    } else {
        value_format(out, value, limit);
    }
}

void value_format(StrBuf *out, Value value, size_t limit)
{
    if (out->len > limit) {
        return;
    }
    switch (value.kind) {
    case VAL_ERROR:
        strbuf_append(out, STR("error"));
        return;
    case VAL_INT:
        strbuf_printf(out, "%lld", (long long)value.as.integer);
        return;
    case VAL_FLOAT:
        op_format_number(out, value.as.number);
        return;
    case VAL_BOOL:
        strbuf_append(out, value.as.truth ? STR("true") : STR("false"));
        return;
    case VAL_STRING:
        strbuf_append(out, value.as.text);
        return;
    case VAL_LIST:
    case VAL_RESULTS:
        strbuf_char(out, '[');
        for (size_t i = 0; i < value.as.list.count && out->len <= limit; ++i) {
            strbuf_append(out, i > 0 ? STR(", ") : STR(""));
            format_item(out, list_item(value, i), limit);
        }
        strbuf_char(out, ']');
        return;
    case VAL_RANGE:
        if (value.as.range->step == 1) {
            strbuf_printf(out, "%lld..%lld", (long long)value.as.range->from, (long long)value.as.range->to);
        } else {
            strbuf_printf(out, "range(%lld, %lld, %d)", (long long)value.as.range->from, (long long)value.as.range->to,
                          (int)value.as.range->step);
        }
        return;
    case VAL_BLOCK:
        strbuf_append(out, value.as.block->definition->name);
        return;
    case VAL_OP:
        strbuf_append(out, str_from(op_info(value.as.op)->name));
        return;
    case VAL_TENSOR:
        strbuf_append(out, str_from(type_text(value.as.tensor->type).text));
        return;
    }
    ICE("value kind %d", (int)value.kind);
}

Str value_describe(Arena *arena, Value value)
{
    enum { SHOWN = 40 };
    StrBuf out = {0};
    switch (value.kind) {
    case VAL_LIST:
        strbuf_printf(&out, "a list of %u item%s", (unsigned)value.as.list.count, value.as.list.count == 1 ? "" : "s");
        break;
    case VAL_RESULTS:
        strbuf_printf(&out, "%u results", (unsigned)value.as.list.count);
        break;
    case VAL_STRING:
        strbuf_append(&out, STR("string "));
        if (value.as.text.len > SHOWN) {
            strbuf_printf(&out, "of %zu bytes", value.as.text.len);
        } else {
            format_quoted(&out, value.as.text, 3 * SHOWN);
        }
        break;
    case VAL_BLOCK:
    case VAL_OP:
        strbuf_printf(&out, "%s '", value_kind_name(value.kind));
        value_format(&out, value, SHOWN);
        strbuf_char(&out, '\'');
        break;
    case VAL_ERROR:
    case VAL_INT:
    case VAL_FLOAT:
    case VAL_BOOL:
    case VAL_RANGE:
    case VAL_TENSOR:
        strbuf_printf(&out, "%s ", value_kind_name(value.kind));
        value_format(&out, value, SHOWN);
        break;
    }
    Str text = arena_copy(arena, strbuf_view(&out));
    strbuf_free(&out);
    return text;
}
