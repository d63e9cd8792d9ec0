/* Random nets through random orders of passes: whatever stands next to whatever, no output moves, no second run changes
 * anything. A failing net is printed; its seed is in the message, and the same seed makes the same net. */
#include <criterion/criterion.h>
#include <math.h>

#include "net_builder.h"

enum { NETS = 400, MAX_OPS = 24, MAX_NODES = 96 };

typedef struct Random {
    uint64_t state;
} Random;

static uint32_t next(Random *random, uint32_t below)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random->state >> 33) % below;
}

typedef struct RandomNet {
    NetBuilder *nb;
    Random random;
    Node *nodes[MAX_NODES];
    uint32_t count;
    int names;
    struct {              /* the last convolution: now and then another one shares its weights */
        const char *path; /* NULL: none yet */
        OpKind op;
        ConvAttr attr;
        int32_t in_channels;
    } shared;
} RandomNet;

static bool chance(RandomNet *net, uint32_t one_in)
{
    return next(&net->random, one_in) == 0;
}

static const char *path(RandomNet *net, const char *stem)
{
    return arena_printf(net->nb->arena, "%s%d", stem, net->names++).ptr;
}

static Node *pick(RandomNet *net)
{
    /* Mostly the latest, so that nets grow long rather than wide. */
    return chance(net, 3) ? net->nodes[next(&net->random, net->count)] : net->nodes[net->count - 1];
}

static Node *random_conv(RandomNet *net, Node *x)
{
    static const OpKind ops[] = {OP_CONV, OP_CONV, OP_CONV, OP_DEPTHWISE_CONV, OP_CONV_TRANSPOSE};
    OpKind op = ops[next(&net->random, 5)];
    int32_t channels = type_channels(x->type),
            room = type_height(x->type) < type_width(x->type) ? type_height(x->type) : type_width(x->type);
    ConvAttr attr = {.channels = chance(net, 2) ? channels : 2 + 2 * (int32_t)next(&net->random, 3),
                     .bias = chance(net, 2)};
    attr.kernel[0] = attr.kernel[1] = room >= 3 ? 1 + 2 * (int32_t)next(&net->random, 2) : 1;
    attr.stride[0] = attr.stride[1] = room >= 4 && chance(net, 4) ? 2 : 1;
    if (attr.kernel[0] == 3 && chance(net, 2)) {
        for (int edge = 0; edge < 4; ++edge) {
            attr.pad.edge[edge] = 1;
        }
    }
    attr.groups = channels % 2 == 0 && attr.channels % 2 == 0 && chance(net, 4) ? 2 : 1;
    attr.multiplier = channels <= 4 ? 1 + (int32_t)next(&net->random, 2) : 1;
    if (op == OP_DEPTHWISE_CONV) {
        attr.groups = 1; /* shape inference sets it */
    }
    bool fits = net->shared.path != NULL && net->shared.in_channels == channels && room >= net->shared.attr.kernel[0];
    if (fits && chance(net, 2)) {
        return nb_conv(net->nb, net->shared.op, net->shared.path, net->shared.attr, x);
    }
    net->shared.path = path(net, "c");
    net->shared.op = op;
    net->shared.attr = attr;
    net->shared.in_channels = channels;
    return nb_conv(net->nb, op, net->shared.path, attr, x);
}

static Node *random_act(RandomNet *net, Node *x)
{
    static const OpKind ops[] = {OP_RELU,       OP_RELU6, OP_TANH,     OP_SIGMOID,
                                 OP_LEAKY_RELU, OP_GELU,  OP_SOFTPLUS, OP_IDENTITY};
    return nb_plain(net->nb, ops[next(&net->random, sizeof ops / sizeof ops[0])], x);
}

/* Arithmetic with a number, on either side. */
static Node *random_number(RandomNet *net, Node *x)
{
    static const OpKind ops[] = {OP_ADD, OP_SUB, OP_MUL};
    static const double numbers[] = {0.0, 1.0, -1.0, 0.5, 1.75, -0.3};
    OpKind op = ops[next(&net->random, 3)];
    Node *number = nb_literal(net->nb, numbers[(op == OP_MUL ? 1 : 0) + next(&net->random, 5)]);
    if (chance(net, 4)) {
        number = nb_scale(net->nb, 0.25, number);
    }
    bool left = chance(net, 2);
    return nb_op(net->nb, op, NULL, (Attr){.misc = {.p = 0}}, left ? number : x, left ? x : number);
}

static Node *random_binary(RandomNet *net, Node *x)
{
    static const OpKind ops[] = {OP_ADD, OP_ADD, OP_ADD, OP_SUB, OP_MUL};
    Node *other = pick(net);
    for (int tries = 0; tries < 8 && (!type_equal(other->type, x->type) || other == x); ++tries) {
        other = net->nodes[next(&net->random, net->count)];
    }
    if (!type_equal(other->type, x->type)) {
        return random_act(net, x);
    }
    bool left = chance(net, 2);
    return nb_op(net->nb, ops[next(&net->random, 5)], NULL, (Attr){.misc = {.p = 0}}, left ? other : x,
                 left ? x : other);
}

static Node *random_normalize(RandomNet *net, Node *x)
{
    double *mean = ARENA_ARRAY(net->nb->arena, double, type_channels(x->type)),
           *std = ARENA_ARRAY(net->nb->arena, double, type_channels(x->type));
    for (int32_t c = 0; c < type_channels(x->type); ++c) {
        mean[c] = 0.1 * c;
        std[c] = 0.5 + 0.25 * c;
    }
    bool per_channel = chance(net, 2);
    int32_t n = per_channel ? type_channels(x->type) : 1;
    MiscAttr attr = {.mean = {n, mean}, .std = {n, std}, .scale = 1.5};
    return nb_op(net->nb, OP_NORMALIZE, NULL, (Attr){.misc = attr}, x, NULL);
}

static Node *random_reshape(RandomNet *net, Node *x)
{
    int32_t *dims = ARENA_ARRAY(net->nb->arena, int32_t, 3);
    int32_t count = (int32_t)type_elements(x->type);
    bool image = chance(net, 2) && count % 4 == 0;
    dims[0] = image ? count / 4 : count;
    dims[1] = dims[2] = 2;
    return nb_op(net->nb, OP_RESHAPE, NULL, (Attr){.shape = {.shape = {image ? 3 : 1, dims}}}, x, NULL);
}

/* Ops that a vector takes as well as an image. */
static Node *random_either(RandomNet *net, Node *x)
{
    switch (next(&net->random, 9)) {
    case 0:
    case 1:
        return nb_norm(net->nb, path(net, "b"), x);
    case 2:
        return random_number(net, x);
    case 3:
        return nb_scale(net->nb, 0.17, x);
    case 4:
        return nb_op(net->nb, OP_AFFINE, path(net, "a"), (Attr){.misc = {.p = 0}}, x, NULL);
    case 5:
        return nb_op(net->nb, OP_DROPOUT, NULL, (Attr){.misc = {.p = 0.5}}, x, NULL);
    case 6:
        return random_binary(net, x);
    case 7:
        return random_normalize(net, x);
    default:
        return random_act(net, x);
    }
}

static Node *random_op(RandomNet *net, Node *x)
{
    if (x->type.rank == 1) {
        uint32_t kind = next(&net->random, 8);
        if (kind < 3) {
            return nb_dense(net->nb, path(net, "f"), chance(net, 2) ? type_channels(x->type) : 5, chance(net, 2), x);
        }
        return kind == 3   ? random_reshape(net, x)
               : kind == 4 ? nb_flatten(net->nb, FLATTEN_CHW, x)
                           : random_either(net, x);
    }
    switch (next(&net->random, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return random_conv(net, x);
    case 4:
        return type_elements(x->type) > 400 ? nb_plain(net->nb, OP_GLOBAL_AVG_POOL, x)
                                            : nb_flatten(net->nb, chance(net, 2) ? FLATTEN_HWC : FLATTEN_CHW, x);
    case 5:
        return type_elements(x->type) > 400 ? nb_plain(net->nb, OP_SOFTMAX, x) : random_reshape(net, x);
    default:
        return random_either(net, x);
    }
}

static void random_net(RandomNet *net)
{
    net->nodes[net->count++] =
        nb_input(net->nb, 2 + 2 * (int32_t)next(&net->random, 2), 5 + (int32_t)next(&net->random, 3), 5);
    if (chance(net, 4)) {
        net->nodes[net->count++] = nb_input(net->nb, 6, 0, 0);
    }
    uint32_t ops = 4 + next(&net->random, MAX_OPS - 4);
    for (uint32_t i = 0; i < ops; ++i) {
        Node *node = random_op(net, pick(net));
        net->nodes[net->count++] = node;
        if (chance(net, 10)) {
            nb_output(net->nb, arena_printf(net->nb->arena, "tap%u", i).ptr, node);
        }
    }
    nb_output(net->nb, "last", net->nodes[net->count - 1]);
}

static void shuffle(Random *random, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        order[i] = i;
    }
    for (size_t i = count; i > 1; --i) {
        size_t k = next(random, (uint32_t)i), kept = order[k];
        order[k] = order[i - 1];
        order[i - 1] = kept;
    }
}

static void compare(NetBuilder *nb, double **before, double **after, const char *text, const char *pass, uint64_t seed)
{
    for (uint32_t i = 0; i < nb->graph->n_outputs; ++i) {
        int64_t count = type_elements(nb->graph->outputs[i].node->type);
        double max = 0.0;
        for (int64_t k = 0; k < count; ++k) {
            max = fmax(max, fabs(before[i][k]));
        }
        for (int64_t k = 0; k < count; ++k) {
            cr_assert(fabs(before[i][k] - after[i][k]) <= 1e-9 * max,
                      "seed %d, %s, output %u, element %d: %.17g and %.17g\n%s\n%s", (int)seed, pass, i, (int)k,
                      before[i][k], after[i][k], text, nb_dump(nb));
        }
    }
}

static void check_net(uint64_t seed)
{
    NetBuilder nb = nb_create();
    RandomNet net = {.nb = &nb, .random = {seed}};
    random_net(&net);
    size_t n_passes = 0, order[16];
    while (pass_pipeline[n_passes].name != NULL) {
        ++n_passes;
    }
    double **before = nb_outputs(&nb);
    PassContext context = {arena_create(), nb.diag};
    for (int round = 0; round < 2; ++round) {
        shuffle(&net.random, order, n_passes);
        for (size_t i = 0; i < n_passes; ++i) {
            const Pass *pass = &pass_pipeline[order[i]];
            const char *text = nb_dump(&nb);
            bool changed = pass->run(&context, nb.graph);
            cr_assert(changed || strcmp(text, nb_dump(&nb)) == 0, "seed %d: %s changed and said no", (int)seed,
                      pass->name);
            Str message = STR("");
            cr_assert(graph_verify(nb.graph, nb.arena, &message), "seed %d, %s: %.*s\n%s\n%s", (int)seed, pass->name,
                      (int)message.len, message.ptr, text, nb_dump(&nb));
            if (changed) {
                compare(&nb, before, nb_outputs(&nb), text, pass->name, seed);
                text = nb_dump(&nb);
                cr_assert_not(pass->run(&context, nb.graph), "seed %d: %s changed something again\n%s\n%s", (int)seed,
                              pass->name, text, nb_dump(&nb));
            }
        }
    }
    arena_destroy(context.scratch);
    nb_destroy(&nb);
}

Test(pass_random, nets)
{
    for (uint64_t seed = 1; seed <= NETS; ++seed) {
        check_net(seed);
    }
}
