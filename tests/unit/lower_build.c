/* See lower_build.h. */
#include "lower_build.h"

#include "../run/kernel_reference.h"

#include <criterion/criterion.h>

LowerBuild lower_build_start(void)
{
    LowerBuild b = {.arena = arena_create()};
    const Sources *sources = sources_create(b.arena);
    b.diag = diag_create(b.arena, sources);
    b.graph = graph_create(b.arena, STR("net"), sources);
    return b;
}

void lower_build_stop(LowerBuild *b)
{
    diag_destroy(b->diag);
    arena_destroy(b->arena);
}

Node *lower_build_input(LowerBuild *b, const char *name, int32_t c, int32_t h, int32_t w)
{
    TensorType type = h == 0 ? type_f32_1(c) : type_f32_3(c, h, w);
    return graph_add_input(b->graph, str_from(name), type, false, (Span){0, 0});
}

Node *lower_build_many(LowerBuild *b, OpKind op, const Attr *attr, const char *path, Node *const *data, uint32_t count)
{
    NodeSource source = {.path = arena_copy(b->arena, str_from(path))};
    Node *node = graph_add(b->graph, op, attr, data, count, source, b->diag);
    Str text = diag_text(b->diag);
    cr_assert_not_null(node, "%s '%s': " STR_FMT, op_info(op)->name, path, STR_ARG(text));
    WeightRole roles[4];
    int n_roles = op_weights(op, &node->attr, roles);
    for (int i = 0; i < n_roles; ++i) {
        Str name = arena_printf(b->arena, "%s.%s", path, role_name(roles[i]));
        graph_attach_weight(b->graph, node,
                            graph_add_weight(b->graph, name, shape_of_weight(node, roles[i]), roles[i], source));
    }
    return node;
}

Node *lower_build_op(LowerBuild *b, OpKind op, const Attr *attr, const char *path, Node *first, Node *second)
{
    Node *const data[] = {first, second};
    return lower_build_many(b, op, attr, path, data, second == NULL ? 1 : 2);
}

Node *lower_build_plain(LowerBuild *b, OpKind op, const char *path, Node *first)
{
    Attr attr;
    op_attr_defaults(op, &attr);
    return lower_build_op(b, op, &attr, path, first, NULL);
}

Node *lower_build_conv(LowerBuild *b, const char *path, Node *x, int32_t channels, int32_t kernel, int32_t stride,
                       int32_t pad)
{
    Attr attr;
    op_attr_defaults(OP_CONV, &attr);
    attr.conv.channels = channels;
    attr.conv.kernel[0] = attr.conv.kernel[1] = kernel;
    attr.conv.stride[0] = attr.conv.stride[1] = stride;
    for (int i = 0; i < 4; ++i) {
        attr.conv.pad.edge[i] = pad;
    }
    return lower_build_op(b, OP_CONV, &attr, path, x, NULL);
}

Node *lower_build_add_residual(LowerBuild *b, Node *node, Node *residual)
{
    Node *data[3];
    for (uint32_t i = 0; i < node->n_data; ++i) {
        data[i] = node->inputs[i];
    }
    data[node->n_data] = residual;
    graph_set_data(b->graph, node, data, node->n_data + 1);
    node->adds_residual = true;
    return node;
}

Program *lower_build_finish_parts(LowerBuild *b, int32_t parts)
{
    graph_compact(b->graph); /* weights were attached after their readers */
    Str message;
    cr_assert(graph_verify(b->graph, b->arena, &message), STR_FMT, STR_ARG(message));
    LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = parts};
    Program *program = lower(b->arena, b->graph, &options, b->diag);
    Str text = diag_text(b->diag);
    cr_assert_not_null(program, STR_FMT, STR_ARG(text));
    return program;
}

Program *lower_build_finish(LowerBuild *b)
{
    return lower_build_finish_parts(b, 1);
}

KernelSizes lower_build_sizes(int32_t in_channels, int32_t side, int32_t out_channels, int32_t window, int32_t groups)
{
    KernelSizes sizes = reference_sizes(in_channels, side, side, out_channels, window, 1, window / 2, 0);
    sizes.groups = groups;
    return sizes;
}
