/* Values of the .net language while it is elaborated. A Value is small and is passed by copy; lists share their
 * items, which never change once they are in a list. Everything lives in the arena of the compile. */
#ifndef CNNC_FRONTEND_VALUE_H
#define CNNC_FRONTEND_VALUE_H

#include "ir/graph.h"
#include "support/strbuf.h"

struct Block;

typedef enum ValueKind {
    VAL_ERROR, /* stands where an error was reported; whoever consumes it stays silent */
    VAL_INT,
    VAL_FLOAT, /* always finite */
    VAL_BOOL,
    VAL_STRING,
    VAL_LIST,
    VAL_RANGE,
    VAL_BLOCK,
    VAL_OP,
    VAL_TENSOR,
    VAL_RESULTS /* what a block returned, where that is not exactly one value; kept like a list */
} ValueKind;

typedef struct Value Value;

/* Items that several lists may share: each list sees the first `count` of them. Growing the list that sees them all
 * needs no copy, so building a list item by item costs linear time and memory. */
typedef struct ListStore {
    Value *items;
    size_t used, capacity;
} ListStore;

typedef struct Range { /* from, from + step, ... while before `to` */
    int64_t from, to;
    int32_t step; /* never 0 */
} Range;

struct Value {
    ValueKind kind;
    union {
        int64_t integer;
        double number;
        bool truth;
        Str text;
        struct {
            ListStore *store; /* NULL: empty */
            uint32_t count;
            uint32_t depth; /* 1 + that of the deepest item; at most VALUE_MAX_DEPTH */
        } list;
        const Range *range;
        struct Block *block;
        OpKind op;
        Node *tensor;
    } as;
};

enum {
    VALUE_MAX_ITEMS = 1000000, /* of one list */
    VALUE_MAX_TEXT = 1000000,  /* bytes of one string */
    VALUE_MAX_DEPTH = 32       /* lists in lists */
};

static inline Value value_error(void)
{
    return (Value){.kind = VAL_ERROR};
}
static inline Value value_int(int64_t integer)
{
    return (Value){.kind = VAL_INT, .as.integer = integer};
}
static inline Value value_float(double number)
{
    return (Value){.kind = VAL_FLOAT, .as.number = number};
}
static inline Value value_bool(bool truth)
{
    return (Value){.kind = VAL_BOOL, .as.truth = truth};
}
static inline Value value_string(Str text)
{
    return (Value){.kind = VAL_STRING, .as.text = text};
}
static inline Value value_tensor(Node *node)
{
    return (Value){.kind = VAL_TENSOR, .as.tensor = node};
}

static inline bool value_is_number(Value value)
{
    return value.kind == VAL_INT || value.kind == VAL_FLOAT;
}

double value_number(Value value); /* of an int or float */
int64_t range_length(const Range *range);
Value range_item(const Range *range, int64_t index); /* index within the length */
Value list_item(Value list, size_t index);           /* of a list or results; index within the count */

/* A list of `left`'s items followed by `count` more. The caller has checked VALUE_MAX_ITEMS and the depth (an item
 * of depth VALUE_MAX_DEPTH does not fit any list). *bytes grows by the memory taken. */
Value list_append(Arena *arena, Value left, const Value *items, size_t count, size_t *bytes);
uint32_t value_depth(Value value); /* 0 for all but lists */

/* Equality as `==` has it: numbers by value, int and float alike; lists item by item; values of different kinds are
 * unequal. Tensors are the caller's affair. *budget falls by the items looked at; when it is used up, the result is
 * false and means nothing. */
bool value_equal(Value a, Value b, int64_t *budget);

const char *value_kind_name(ValueKind kind); /* "int", "list" */
/* Text as str() gives it: strings without quotes, within lists with them. Stops soon after `limit` bytes. */
void value_format(StrBuf *out, Value value, size_t limit);
/* For messages: "int 3", "string \"same\"", "tensor f32[3,224,224]", "a list of 3 items". */
Str value_describe(Arena *arena, Value value);

#endif
