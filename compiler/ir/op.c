/* Look-ups in the op table. ops.def is read twice: once for the parameters of each op, once for the ops; all that
 * others ask about an op or a parameter is answered from these two tables, so that a new row needs no edit here
 * unless its weights depend on its attributes (op_weights). */
#include "ir/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the tables. A parameter without name ends each list. */
#define OP(id, name, stem, member, min_in, max_in, flags, weights, doc, shapes, formula, example)                      \
    static const OpParam params_of_##id[] = {
#define PARAM(type, name, member, fallback, lo, hi, doc)                                                               \
    {PARAM_##type, name, offsetof(Attr, member), fallback, lo, hi, doc},
#define END                                                                                                            \
    {                                                                                                                  \
        PARAM_INT, NULL, 0, NULL, 0, 0, NULL                                                                           \
    }                                                                                                                  \
    }                                                                                                                  \
    ;
#include "ir/ops.def"
#undef OP
#undef PARAM
#undef END

#define W0()                                                                                                           \
    {                                                                                                                  \
        ROLE_NONE, ROLE_NONE, ROLE_NONE, ROLE_NONE                                                                     \
    }
#define W1(a)                                                                                                          \
    {                                                                                                                  \
        a, ROLE_NONE, ROLE_NONE, ROLE_NONE                                                                             \
    }
#define W2(a, b)                                                                                                       \
    {                                                                                                                  \
        a, b, ROLE_NONE, ROLE_NONE                                                                                     \
    }
#define W4(a, b, c, d)                                                                                                 \
    {                                                                                                                  \
        a, b, c, d                                                                                                     \
    }
static const OpInfo op_table[OP_COUNT] = {
#define OP(id, name, stem, member, min_in, max_in, flags, weights, doc, shapes, formula, example)                      \
    {#id, name, stem, min_in, max_in, flags, weights, doc, shapes, formula, example, params_of_##id},
#define PARAM(type, name, member, fallback, lo, hi, doc)
#define END
#include "ir/ops.def"
#undef OP
#undef PARAM
#undef END
};

const OpInfo *op_info(OpKind op)
{
    if ((unsigned)op >= OP_COUNT) {
        ICE("op number %d", (int)op);
    }
    return &op_table[op];
}

const char *op_name(OpKind op)
{
    const OpInfo *info = op_info(op);
    return info->name[0] != '\0' ? info->name : info->stem;
}

bool op_find(Str name, OpKind *op)
{
    if (str_is_empty(name)) {
        return false; /* internal ops have the empty name */
    }
    for (int i = 0; i < OP_COUNT; ++i) {
        if (str_equal(name, str_from(op_table[i].name))) {
            *op = (OpKind)i;
            return true;
        }
    }
    return false;
}

const char *role_name(WeightRole role)
{
    switch (role) {
    case ROLE_NONE:
        return "";
    case ROLE_WEIGHT:
        return "weight";
    case ROLE_BIAS:
        return "bias";
    case ROLE_RUNNING_MEAN:
        return "running_mean";
    case ROLE_RUNNING_VAR:
        return "running_var";
    case ROLE_COUNT:
        break;
    }
    ICE("weight role %d", (int)role);
}

const OpParam *op_param(OpKind op, Str name)
{
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        if (str_equal(name, str_from(param->name))) {
            return param;
        }
    }
    return NULL;
}

const char *param_choice(ParamType type, int index)
{
    static const char *const pad_modes[] = {"zero", "reflect", "edge", NULL};
    static const char *const upsample_modes[] = {"nearest", "bilinear", NULL};
    static const char *const flatten_orders[] = {"chw", "hwc", NULL};
    static const char *const pads_same[] = {"same", NULL};
    const char *const *names = NULL;
    switch (type) {
    case PARAM_PAD_MODE:
        names = pad_modes;
        break;
    case PARAM_UPSAMPLE_MODE:
        names = upsample_modes;
        break;
    case PARAM_FLATTEN_ORDER:
        names = flatten_orders;
        break;
    case PARAM_PADS_SAME:
        names = pads_same;
        break;
    case PARAM_INT:
    case PARAM_FLOAT:
    case PARAM_BOOL:
    case PARAM_PAIR:
    case PARAM_PADS:
    case PARAM_INTS:
    case PARAM_FLOATS:
    case PARAM_TABLE:
        return NULL;
    }
    for (int i = 0; names[i] != NULL; ++i) {
        if (i == index) {
            return names[i];
        }
    }
    return NULL;
}

/* --- fields of the attribute union, by offset */

static void *field(Attr *attr, const OpParam *param)
{
    return (char *)attr + param->offset;
}

static const void *const_field(const Attr *attr, const OpParam *param)
{
    return (const char *)attr + param->offset;
}

/* The three enums of string parameters are read and written through their own types: their sizes are the compiler's. */
static int choice_get(const Attr *attr, const OpParam *param)
{
    const void *at = const_field(attr, param);
    if (param->type == PARAM_PAD_MODE) {
        return (int)*(const PadMode *)at;
    }
    if (param->type == PARAM_UPSAMPLE_MODE) {
        return (int)*(const UpsampleMode *)at;
    }
    return (int)*(const FlattenOrder *)at;
}

static void choice_set(Attr *attr, const OpParam *param, int value)
{
    void *at = field(attr, param);
    if (param->type == PARAM_PAD_MODE) {
        *(PadMode *)at = (PadMode)value;
    } else if (param->type == PARAM_UPSAMPLE_MODE) {
        *(UpsampleMode *)at = (UpsampleMode)value;
    } else {
        *(FlattenOrder *)at = (FlattenOrder)value;
    }
}

/* The parameter that `param` takes its default from ("stride" from "kernel"), or NULL where the default is a literal.
 */
static const OpParam *fallback_param(OpKind op, const OpParam *param)
{
    return param->fallback == NULL ? NULL : op_param(op, str_from(param->fallback));
}

static void set_default(OpKind op, const OpParam *param, Attr *attr)
{
    const char *text = param->fallback;
    if (text == NULL || fallback_param(op, param) != NULL) {
        return;
    }
    switch (param->type) {
    case PARAM_INT:
        *(int32_t *)field(attr, param) = (int32_t)strtol(text, NULL, 10);
        return;
    case PARAM_FLOAT:
        *(double *)field(attr, param) = strtod(text, NULL);
        return;
    case PARAM_BOOL:
        *(bool *)field(attr, param) = strcmp(text, "true") == 0;
        return;
    case PARAM_PAIR: {
        int32_t *pair = field(attr, param);
        pair[0] = pair[1] = (int32_t)strtol(text, NULL, 10);
        return;
    }
    case PARAM_PADS:
    case PARAM_PADS_SAME: {
        Pads *pads = field(attr, param);
        for (int i = 0; i < 4; ++i) {
            pads->edge[i] = (int32_t)strtol(text, NULL, 10);
        }
        return;
    }
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        for (int i = 0; param_choice(param->type, i) != NULL; ++i) {
            const char *choice = param_choice(param->type, i);
            /* the table quotes strings as .net does */
            if (strncmp(text + 1, choice, strlen(choice)) == 0 && text[1 + strlen(choice)] == '"') {
                choice_set(attr, param, i);
                return;
            }
        }
        ICE("op %s: default of '%s' is no choice", op_info(op)->id, param->name);
    case PARAM_INTS:
    case PARAM_FLOATS:
    case PARAM_TABLE:
        return; /* the only list default is [] */
    }
    ICE("parameter type %d", (int)param->type);
}

void op_attr_defaults(OpKind op, Attr *attr)
{
    memset(attr, 0, sizeof *attr);
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        set_default(op, param, attr);
    }
}

void op_attr_finish(OpKind op, Attr *attr)
{
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        const OpParam *from = fallback_param(op, param);
        if (from == NULL) {
            continue;
        }
        if (param->type != PARAM_PAIR || from->type != PARAM_PAIR) {
            ICE("op %s: default of '%s': only pairs take another parameter's value", op_info(op)->id, param->name);
        }
        int32_t *to = field(attr, param);
        const int32_t *value = const_field(attr, from);
        if (to[0] == 0 && to[1] == 0) { /* not given: a given one is at least 1 */
            to[0] = value[0];
            to[1] = value[1];
        }
    }
}

/* --- comparing */

static bool pads_equal(const Pads *a, const Pads *b)
{
    return a->same == b->same && memcmp(a->edge, b->edge, sizeof a->edge) == 0;
}

static bool ints_equal(int32_t count, const int32_t *a, const int32_t *b)
{
    for (int32_t i = 0; i < count; ++i) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

static bool tables_equal(const IntTable *a, const IntTable *b)
{
    return a->n_rows == b->n_rows && (a->n_rows == 0 || (ints_equal(a->n_rows + 1, a->start, b->start) &&
                                                         ints_equal(a->start[a->n_rows], a->values, b->values)));
}

/* Numbers are compared by bits: -0.0 is not 0.0, for they divide differently. */
static bool numbers_equal(int32_t count, const double *a, const double *b)
{
    return count == 0 || memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

static bool param_equal(const OpParam *param, const Attr *a, const Attr *b)
{
    const void *x = const_field(a, param);
    const void *y = const_field(b, param);
    switch (param->type) {
    case PARAM_INT:
        return *(const int32_t *)x == *(const int32_t *)y;
    case PARAM_FLOAT:
        return numbers_equal(1, x, y);
    case PARAM_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case PARAM_PAIR:
        return ints_equal(2, x, y);
    case PARAM_PADS:
    case PARAM_PADS_SAME:
        return pads_equal(x, y);
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        return choice_get(a, param) == choice_get(b, param);
    case PARAM_INTS: {
        const IntList *p = x;
        const IntList *q = y;
        return p->count == q->count && ints_equal(p->count, p->values, q->values);
    }
    case PARAM_FLOATS: {
        const FloatList *p = x;
        const FloatList *q = y;
        return p->count == q->count && numbers_equal(p->count, p->values, q->values);
    }
    case PARAM_TABLE:
        return tables_equal(x, y);
    }
    ICE("parameter type %d", (int)param->type);
}

bool op_attr_equal(OpKind op, const Attr *a, const Attr *b)
{
    if (op == OP_INPUT) {
        return a->input.hwc == b->input.hwc;
    }
    if (op == OP_CONST) {
        const ConstAttr *p = &a->constant;
        const ConstAttr *q = &b->constant;
        return p->expr == q->expr && p->role == q->role && str_equal(p->name, q->name) && p->values == q->values &&
               p->axis == q->axis && numbers_equal(1, &p->eps, &q->eps) && ints_equal(3, p->hwc, q->hwc);
    }
    for (const OpParam *param = op_info(op)->params; param->name != NULL; ++param) {
        if (!param_equal(param, a, b)) {
            return false;
        }
    }
    return true;
}

/* --- printing */

void op_format_number(StrBuf *out, double value)
{
    char text[40];
    if (fabs(value) < 1e15 && value == floor(value)) {
        snprintf(text, sizeof text, "%.0f", value); /* "150", where %g would give "1.5e+02" */
    } else {
        for (int digits = 1; digits <= 17; ++digits) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value) {
                break;
            }
        }
    }
    strbuf_append(out, str_from(text));
    if (isfinite(value) && strpbrk(text, ".e") == NULL) {
        strbuf_append(out, STR(".0")); /* a float stays a float when read back */
    }
}

static void format_ints(StrBuf *out, int32_t count, const int32_t *values)
{
    strbuf_char(out, '[');
    for (int32_t i = 0; i < count; ++i) {
        strbuf_printf(out, "%s%d", i > 0 ? ", " : "", (int)values[i]);
    }
    strbuf_char(out, ']');
}

static void format_pads(StrBuf *out, const Pads *pads)
{
    const int32_t *edge = pads->edge;
    if (pads->same) {
        strbuf_append(out, STR("\"same\""));
    } else if (edge[PAD_TOP] != edge[PAD_BOTTOM] || edge[PAD_LEFT] != edge[PAD_RIGHT]) {
        format_ints(out, 4, edge);
    } else if (edge[PAD_TOP] != edge[PAD_LEFT]) {
        format_ints(out, 2, edge);
    } else {
        strbuf_printf(out, "%d", (int)edge[PAD_TOP]);
    }
}

static void format_param(StrBuf *out, const OpParam *param, const Attr *attr)
{
    const void *at = const_field(attr, param);
    switch (param->type) {
    case PARAM_INT:
        strbuf_printf(out, "%d", (int)*(const int32_t *)at);
        return;
    case PARAM_FLOAT:
        op_format_number(out, *(const double *)at);
        return;
    case PARAM_BOOL:
        strbuf_append(out, *(const bool *)at ? STR("true") : STR("false"));
        return;
    case PARAM_PAIR:
        format_ints(out, 2, at);
        return;
    case PARAM_PADS:
    case PARAM_PADS_SAME:
        format_pads(out, at);
        return;
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        strbuf_printf(out, "\"%s\"", param_choice(param->type, choice_get(attr, param)));
        return;
    case PARAM_INTS: {
        const IntList *list = at;
        format_ints(out, list->count, list->values);
        return;
    }
    case PARAM_FLOATS: {
        const FloatList *list = at;
        strbuf_char(out, '[');
        for (int32_t i = 0; i < list->count; ++i) {
            strbuf_append(out, i > 0 ? STR(", ") : STR(""));
            op_format_number(out, list->values[i]);
        }
        strbuf_char(out, ']');
        return;
    }
    case PARAM_TABLE: {
        const IntTable *table = at;
        strbuf_char(out, '[');
        for (int32_t row = 0; row < table->n_rows; ++row) {
            strbuf_append(out, row > 0 ? STR(", ") : STR(""));
            format_ints(out, table->start[row + 1] - table->start[row], table->values + table->start[row]);
        }
        strbuf_char(out, ']');
        return;
    }
    }
    ICE("parameter type %d", (int)param->type);
}

bool op_param_format(Arena *arena, OpKind op, const OpParam *param, const Attr *attr, Str *text)
{
    StrBuf buf = {0};
    format_param(&buf, param, attr);
    *text = arena_copy(arena, strbuf_view(&buf));
    strbuf_free(&buf);
    if (param->fallback == NULL) {
        return true;
    }
    const OpParam *from = fallback_param(op, param);
    if (from != NULL) {
        return !ints_equal(2, const_field(attr, param), const_field(attr, from));
    }
    Attr defaults;
    op_attr_defaults(op, &defaults);
    return !param_equal(param, attr, &defaults);
}

/* --- weights */

/* Whether a node of this op and these attributes has the weight of that role; the table says that it may. */
static bool has_weight(OpKind op, const Attr *attr, WeightRole role)
{
    if (op == OP_CONV || op == OP_DEPTHWISE_CONV || op == OP_CONV_TRANSPOSE) {
        return role != ROLE_BIAS || attr->conv.bias;
    }
    if (op == OP_DENSE) {
        return role != ROLE_BIAS || attr->dense.bias;
    }
    if (op == OP_BATCH_NORM) {
        return (role != ROLE_WEIGHT || attr->norm.scale) && (role != ROLE_BIAS || attr->norm.shift);
    }
    if (op == OP_INSTANCE_NORM) {
        return attr->norm.affine;
    }
    return true;
}

int op_weights(OpKind op, const Attr *attr, WeightRole roles[4])
{
    const OpInfo *info = op_info(op);
    int count = 0;
    for (int i = 0; i < 4 && info->weights[i] != ROLE_NONE; ++i) {
        if (has_weight(op, attr, info->weights[i])) {
            roles[count++] = info->weights[i];
        }
    }
    return count;
}
