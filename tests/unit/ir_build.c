/* Graphs for tests of ir/; see ir_build.h. */
#include "ir_build.h"

#include <criterion/criterion.h>
#include <stdlib.h>

IrBuild irbuild_start(void)
{
    IrBuild build = {.arena = arena_create()};
    Sources *sources = sources_create(build.arena);
    build.diag = diag_create(build.arena, sources);
    build.graph = graph_create(build.arena, STR("test"), sources);
    return build;
}

void irbuild_end(IrBuild *build)
{
    diag_destroy(build->diag);
    arena_destroy(build->arena);
}

TensorType irbuild_type(const char *text)
{
    TensorType type = {.dtype = text[0] == 'u' ? DT_U8 : text[0] == 'i' ? DT_I32 : DT_F32};
    const char *at = strchr(text, '[');
    cr_assert(at != NULL, "no type: '%s'", text);
    while (*at != ']') {
        char *end;
        cr_assert(type.rank < TYPE_MAX_RANK, "no type: '%s'", text);
        type.dim[type.rank++] = (int32_t)strtol(at + 1, &end, 10);
        cr_assert(*end == ',' || *end == ']', "no type: '%s'", text);
        at = end;
    }
    return type;
}

/* Numbers separated by commas, up to a blank, '/' or the end; returns how many, and where they end. */
static int32_t read_numbers(const char *text, double *numbers, int32_t limit, const char **end)
{
    int32_t count = 0;
    for (;;) {
        char *next;
        cr_assert(count < limit);
        numbers[count++] = strtod(text, &next);
        cr_assert(next != text, "no number: '%s'", text);
        text = next;
        if (*text != ',') {
            *end = text;
            return count;
        }
        ++text;
    }
}

static int32_t *to_ints(IrBuild *build, const double *numbers, int32_t count)
{
    int32_t *ints = ARENA_ARRAY(build->arena, int32_t, count + 1);
    for (int32_t i = 0; i < count; ++i) {
        ints[i] = (int32_t)numbers[i];
    }
    return ints;
}

static void set_table(IrBuild *build, IntTable *table, const char *text)
{
    enum { MAX = 1024 };
    int32_t *start = ARENA_ARRAY(build->arena, int32_t, MAX);
    int32_t *values = ARENA_ARRAY(build->arena, int32_t, MAX);
    double row[64];
    for (;;) {
        int32_t count = *text == '/' || *text == ' ' || *text == '\0' ? 0 : read_numbers(text, row, 64, &text);
        for (int32_t i = 0; i < count; ++i) {
            values[start[table->n_rows] + i] = (int32_t)row[i];
        }
        start[table->n_rows + 1] = start[table->n_rows] + count;
        ++table->n_rows;
        if (*text != '/') {
            break;
        }
        ++text;
    }
    table->start = start;
    table->values = values;
}

static int choice_of(ParamType type, const char *text)
{
    for (int i = 0; param_choice(type, i) != NULL; ++i) {
        size_t len = strlen(param_choice(type, i));
        if (strncmp(text, param_choice(type, i), len) == 0 && (text[len] == ' ' || text[len] == '\0')) {
            return i;
        }
    }
    return -1;
}

static void set_param(IrBuild *build, const OpParam *param, Attr *attr, const char *text)
{
    void *at = (char *)attr + param->offset;
    double numbers[64] = {0};
    const char *end;
    int choice = choice_of(param->type, text);
    switch (param->type) {
    case PARAM_INT:
        *(int32_t *)at = (int32_t)strtol(text, NULL, 10);
        return;
    case PARAM_FLOAT:
        *(double *)at = strtod(text, NULL);
        return;
    case PARAM_BOOL:
        *(bool *)at = *text == 't';
        return;
    case PARAM_PAIR: {
        int32_t count = read_numbers(text, numbers, 2, &end);
        ((int32_t *)at)[0] = (int32_t)numbers[0];
        ((int32_t *)at)[1] = (int32_t)numbers[count - 1];
        return;
    }
    case PARAM_PADS:
    case PARAM_PADS_SAME: {
        Pads *pads = at;
        pads->same = choice == 0;
        int32_t count = pads->same ? 1 : read_numbers(text, numbers, 4, &end);
        for (int32_t i = 0; i < 4; ++i) {
            pads->edge[i] = (int32_t)numbers[count == 4 ? i : count == 2 ? i % 2 : 0];
        }
        return;
    }
    case PARAM_PAD_MODE:
        *(PadMode *)at = (PadMode)choice;
        return;
    case PARAM_UPSAMPLE_MODE:
        *(UpsampleMode *)at = (UpsampleMode)choice;
        return;
    case PARAM_FLATTEN_ORDER:
        *(FlattenOrder *)at = (FlattenOrder)choice;
        return;
    case PARAM_INTS: {
        int32_t count = read_numbers(text, numbers, 64, &end);
        *(IntList *)at = (IntList){count, to_ints(build, numbers, count)};
        return;
    }
    case PARAM_FLOATS: {
        int32_t count = read_numbers(text, numbers, 64, &end);
        double *copy = ARENA_ARRAY(build->arena, double, count);
        memcpy(copy, numbers, (size_t)count * sizeof *copy);
        *(FloatList *)at = (FloatList){count, copy};
        return;
    }
    case PARAM_TABLE:
        set_table(build, at, text);
        return;
    }
}

Attr irbuild_attr(IrBuild *build, OpKind op, const char *params)
{
    Attr attr;
    op_attr_defaults(op, &attr);
    while (*params != '\0') {
        size_t name = strcspn(params, "=");
        const OpParam *param = op_param(op, (Str){params, name});
        cr_assert(param != NULL && params[name] == '=', "op %s: '%s'", op_info(op)->name, params);
        set_param(build, param, &attr, params + name + 1);
        params += strcspn(params, " ");
        params += strspn(params, " ");
    }
    op_attr_finish(op, &attr);
    return attr;
}

Node *irbuild_input(IrBuild *build, const char *type)
{
    Str name = arena_printf(build->arena, "in%d", build->n_names++);
    return graph_add_input(build->graph, name, irbuild_type(type), false, (Span){0, 0});
}

Node *irbuild_add(IrBuild *build, const char *path, const char *op_and_params, Node *const *data)
{
    OpKind op;
    size_t len = strcspn(op_and_params, " ");
    cr_assert(op_find((Str){op_and_params, len}, &op), "no op: '%s'", op_and_params);
    Attr attr = irbuild_attr(build, op, op_and_params + len + strspn(op_and_params + len, " "));
    uint32_t n_data = 0;
    while (data[n_data] != NULL) {
        ++n_data;
    }
    NodeSource source = {.path = str_from(path)};
    Node *node = graph_add(build->graph, op, &attr, data, n_data, source, build->diag);
    WeightRole roles[4];
    int n_roles = node == NULL ? 0 : op_weights(op, &node->attr, roles);
    for (int i = 0; i < n_roles; ++i) {
        Str name = arena_printf(build->arena, "%s.%s", path, role_name(roles[i]));
        TensorType type = shape_of_weight(node, roles[i]);
        graph_attach_weight(build->graph, node, graph_add_weight(build->graph, name, type, roles[i], source));
    }
    return node;
}

Node *irbuild_add1(IrBuild *build, const char *path, const char *op_and_params, Node *x)
{
    return irbuild_add(build, path, op_and_params, (Node *[]){x, NULL});
}

Node *irbuild_add2(IrBuild *build, const char *path, const char *op_and_params, Node *a, Node *b)
{
    return irbuild_add(build, path, op_and_params, (Node *[]){a, b, NULL});
}
