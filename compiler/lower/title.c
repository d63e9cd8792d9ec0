/* Titles of steps: what a step does, in the network's own words, with everything that passes have fused into it. The
 * folded normalisation is found in the recipe of the weights, so that no pass has to leave a trace for us. */
#include "lower/lowering.h"

/* "layer1.0." of "layer1.0.conv1"; empty at the top. */
static Str scope_of(Str path)
{
    size_t end = path.len;
    while (end > 0 && path.ptr[end - 1] != '.') {
        --end;
    }
    return (Str){path.ptr, end};
}

/* As short as the reader can still place it: without the scope that it shares with the step, but never a bare number
 * ("downsample.1", not "1"). */
static Str relative_to(Str path, Str scope)
{
    while (scope.len > 0 && (path.len <= scope.len || memcmp(path.ptr, scope.ptr, scope.len) != 0 ||
                             (path.ptr[scope.len] >= '0' && path.ptr[scope.len] <= '9'))) {
        scope = scope_of((Str){scope.ptr, scope.len - 1});
    }
    return (Str){path.ptr + scope.len, path.len - scope.len};
}

/* Path of the first batch norm whose variance the recipe reads; empty where it reads none. */
static Str folded_norm(const Node *constant)
{
    const ConstAttr *recipe = &constant->attr.constant;
    if (recipe->expr == CONST_WEIGHT && recipe->role == ROLE_RUNNING_VAR) {
        Str scope = scope_of(recipe->name);
        return (Str){scope.ptr, scope.len > 0 ? scope.len - 1 : 0};
    }
    for (uint32_t i = 0; i < constant->n_inputs; ++i) {
        Str found = folded_norm(constant->inputs[i]);
        if (!str_is_empty(found)) {
            return found;
        }
    }
    return (Str){NULL, 0};
}

/* "conv3 + bn3" without the scope that the step has said already. */
static void append_layer(StrBuf *title, const Node *node, Str scope)
{
    if (str_is_empty(node->path)) {
        strbuf_append(title, str_from(op_name(node->op)));
    } else {
        strbuf_append(title, relative_to(node->path, scope));
    }
    const Node *weight = node_weight(node, ROLE_WEIGHT);
    if (weight != NULL) {
        Str norm = folded_norm(weight);
        if (!str_is_empty(norm) && !str_equal(norm, node->path)) {
            Str name = relative_to(norm, scope_of(node->path));
            strbuf_printf(title, " + " STR_FMT, STR_ARG(name));
        }
    }
}

static void append_epilogue(StrBuf *title, const Node *node, bool is_added)
{
    if (node->adds_residual && !is_added) {
        strbuf_printf(title, " + add");
    }
    if (node->act.op != OP_IDENTITY) {
        strbuf_printf(title, " + %s", op_info(node->act.op)->name);
    }
}

Str step_title(Arena *arena, const Node *node, const Node *second)
{
    StrBuf title = {0};
    append_layer(&title, node, (Str){NULL, 0});
    if (second != NULL) {
        strbuf_printf(&title, " + ");
        append_layer(&title, second, scope_of(node->path));
    }
    append_epilogue(&title, node, second != NULL);
    Str result = arena_copy(arena, strbuf_view(&title));
    strbuf_free(&title);
    return result;
}

Str step_title_of_prologue(Arena *arena, const Node *before, const Node *node)
{
    StrBuf title = {0};
    append_layer(&title, before, (Str){NULL, 0});
    append_epilogue(&title, before, false);
    strbuf_printf(&title, " + ");
    append_layer(&title, node, scope_of(before->path));
    append_epilogue(&title, node, false);
    Str result = arena_copy(arena, strbuf_view(&title));
    strbuf_free(&title);
    return result;
}
