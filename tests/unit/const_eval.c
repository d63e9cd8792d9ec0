/* Recipes of constants, carried out range by range: each kind against arithmetic written out here. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "weights_files.h"

typedef struct EvalBench {
    WeightsBench base;
    Weights *weights; /* formula */
    Arena *scratch;
} EvalBench;

static EvalBench eval_bench(const char *name)
{
    EvalBench bench = {.base = weights_bench_create(name), .scratch = arena_create()};
    bench.weights = weights_formula(bench.base.arena);
    return bench;
}

static void eval_done(EvalBench *bench)
{
    arena_destroy(bench->scratch);
    weights_bench_destroy(&bench->base);
}

/* The values of a whole weight, as doubles. */
static double *values_of(EvalBench *bench, const Node *weight)
{
    int64_t count = type_elements(weight->type);
    float *values = ARENA_ARRAY(bench->base.arena, float, count);
    double *wide = ARENA_ARRAY(bench->base.arena, double, count);
    formula_fill_weight(weight->attr.constant.name, weight->type, 0, count, values);
    for (int64_t i = 0; i < count; ++i) {
        wide[i] = (double)values[i];
    }
    return wide;
}

static Node *recipe(EvalBench *bench, ConstExpr expr, Node *a, Node *b, int32_t axis)
{
    return graph_add_recipe(bench->base.graph, (ConstAttr){.expr = expr, .axis = axis}, a, b, a->type);
}

/* The whole constant, and every kind of piece of it, is `want`: bit by bit. */
static void assert_values(EvalBench *bench, const Node *node, const double *want)
{
    int64_t count = type_elements(node->type);
    double *got = ARENA_ARRAY(bench->base.arena, double, count);
    const_eval_range(node, bench->weights, 0, count, got, bench->scratch);
    for (int64_t i = 0; i < count; ++i) {
        cr_assert(got[i] == want[i], "[%lld]: %.17g instead of %.17g", (long long)i, got[i], want[i]);
    }
    const int64_t sizes[] = {1, 2, 7, 64, 1000};
    for (int s = 0; s < 5; ++s) {
        for (int64_t first = 0; first < count; first += sizes[s]) {
            int64_t size = count - first < sizes[s] ? count - first : sizes[s];
            const_eval_range(node, bench->weights, first, size, got, bench->scratch);
            arena_reset(bench->scratch);
            cr_assert_eq(memcmp(got, want + first, (size_t)size * sizeof *got), 0, "%lld from %lld", (long long)size,
                         (long long)first);
        }
    }
    int32_t rows = node->type.dim[0];
    int64_t row = count / rows;
    for (int32_t r = 0; r < rows; r += 3) {
        int32_t size = rows - r < 3 ? rows - r : 3;
        const_eval_range(node, bench->weights, r * row, size * row, got, bench->scratch);
        cr_assert_eq(memcmp(got, want + r * row, (size_t)(size * row) * sizeof *got), 0, "rows from %d", (int)r);
    }
    arena_reset(bench->scratch);
}

static double apply(ConstExpr expr, double a, double b)
{
    return expr == CONST_ADD ? a + b : expr == CONST_SUB ? a - b : expr == CONST_MUL ? a * b : a / b;
}

static const ConstExpr binary_kinds[] = {CONST_ADD, CONST_SUB, CONST_MUL, CONST_DIV};

Test(const_eval, binary_with_a_vector_along_each_axis)
{
    EvalBench bench = eval_bench("const_eval-axes");
    const int32_t dims[] = {5, 3, 4, 2, 0};
    Node *a = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, dims);
    double *av = values_of(&bench, a), want[120];
    for (int axis = 0; axis < 4; ++axis) {
        Node *b = weights_bench_weight(&bench.base, "b.weight", ROLE_WEIGHT, (const int32_t[]){dims[axis], 0});
        double *bv = values_of(&bench, b);
        int inner = axis == 3 ? 1 : axis == 2 ? 2 : axis == 1 ? 8 : 24;
        for (int k = 0; k < 4; ++k) {
            for (int i = 0; i < 120; ++i) {
                want[i] = apply(binary_kinds[k], av[i], bv[i / inner % dims[axis]]);
            }
            assert_values(&bench, recipe(&bench, binary_kinds[k], a, b, axis), want);
        }
    }
    eval_done(&bench);
}

Test(const_eval, binary_with_a_scalar_and_with_the_same_shape)
{
    EvalBench bench = eval_bench("const_eval-same");
    Node *a = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){9, 4, 0});
    Node *b = weights_bench_weight(&bench.base, "b.weight", ROLE_WEIGHT, (const int32_t[]){9, 4, 0});
    const double three = 3.25;
    Node *scalar = graph_add_values(bench.base.graph, type_f32_1(1), &three, (NodeSource){.path = STR("three")});
    double *av = values_of(&bench, a), *bv = values_of(&bench, b), want[36];
    for (int k = 0; k < 4; ++k) {
        for (int i = 0; i < 36; ++i) {
            want[i] = apply(binary_kinds[k], av[i], bv[i]);
        }
        assert_values(&bench, recipe(&bench, binary_kinds[k], a, b, 0), want);
        for (int i = 0; i < 36; ++i) {
            want[i] = apply(binary_kinds[k], av[i], three);
        }
        assert_values(&bench, recipe(&bench, binary_kinds[k], a, scalar, 0), want);
    }
    eval_done(&bench);
}

/* weight * (gamma * rsqrt(var + eps)), as folding a batch norm makes it; larger than the blocks inside. */
Test(const_eval, a_folded_batch_norm)
{
    EvalBench bench = eval_bench("const_eval-bn");
    Node *weight = weights_bench_weight(&bench.base, "conv.weight", ROLE_WEIGHT, (const int32_t[]){40, 9, 3, 3, 0});
    Node *gamma = weights_bench_weight(&bench.base, "bn.weight", ROLE_WEIGHT, (const int32_t[]){40, 0});
    Node *variance = weights_bench_weight(&bench.base, "bn.running_var", ROLE_RUNNING_VAR, (const int32_t[]){40, 0});
    Node *root = graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_RSQRT, .eps = 1e-3}, variance, NULL,
                                  variance->type);
    Node *folded = recipe(&bench, CONST_MUL, weight, recipe(&bench, CONST_MUL, gamma, root, 0), 0);
    double *w = values_of(&bench, weight), *g = values_of(&bench, gamma), *v = values_of(&bench, variance);
    double *want = ARENA_ARRAY(bench.base.arena, double, 40 * 81);
    for (int i = 0; i < 40 * 81; ++i) {
        want[i] = w[i] * (g[i / 81] * (1.0 / sqrt(v[i / 81] + 1e-3)));
    }
    assert_values(&bench, folded, want);
    eval_done(&bench);
}

Test(const_eval, dot_sums_over_inputs_and_window)
{
    EvalBench bench = eval_bench("const_eval-dot");
    static const int32_t shapes[][5] = {
        {6, 4, 3, 3, 0}, {7, 5, 0, 0, 0}, {2, 3, 70, 60, 0}}; /* the last: rows larger than a block */
    for (int s = 0; s < 3; ++s) {
        Node *a = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, shapes[s]);
        Node *b = weights_bench_weight(&bench.base, "b.bias", ROLE_BIAS, (const int32_t[]){shapes[s][1], 0});
        int outputs = shapes[s][0], depth = shapes[s][1];
        int window = (int)(type_elements(a->type) / outputs / depth);
        Node *dot = graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_DOT}, a, b, type_f32_1(outputs));
        double *av = values_of(&bench, a), *bv = values_of(&bench, b), want[8];
        for (int o = 0; o < outputs; ++o) {
            want[o] = 0.0;
            for (int i = 0; i < depth; ++i) {
                for (int k = 0; k < window; ++k) {
                    want[o] += av[(o * depth + i) * window + k] * bv[i];
                }
            }
        }
        assert_values(&bench, dot, want);
    }
    eval_done(&bench);
}

Test(const_eval, columns_from_hwc_to_chw_and_reshape)
{
    EvalBench bench = eval_bench("const_eval-hwc");
    enum { H = 3, W = 2, C = 4, OUTPUTS = 5, ROW = H * W * C };
    Node *a = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, (const int32_t[]){OUTPUTS, ROW, 0});
    Node *moved =
        graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_HWC_TO_CHW, .hwc = {H, W, C}}, a, NULL, a->type);
    double *av = values_of(&bench, a), want[OUTPUTS * ROW];
    for (int o = 0; o < OUTPUTS; ++o) {
        for (int y = 0; y < H; ++y) {
            for (int x = 0; x < W; ++x) {
                for (int c = 0; c < C; ++c) {
                    want[o * ROW + (c * H + y) * W + x] = av[o * ROW + (y * W + x) * C + c];
                }
            }
        }
    }
    assert_values(&bench, moved, want);
    Node *shaped =
        graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_RESHAPE}, moved, NULL, type_f32_3(20, 3, 2));
    assert_values(&bench, shaped, want);
    eval_done(&bench);
}

/* Along each axis; operands that are recipes themselves, and one larger than the blocks inside. */
Test(const_eval, concat_along_any_axis)
{
    EvalBench bench = eval_bench("const_eval-concat");
    static const int32_t shapes[][2][4] = {{{2, 3, 4, 0}, {5, 3, 4, 0}},
                                           {{3, 2, 4, 0}, {3, 7, 4, 0}},
                                           {{3, 4, 1, 0}, {3, 4, 6, 0}},
                                           {{40, 70, 1, 0}, {40, 9, 1, 0}}};
    static const int axes[] = {0, 1, 2, 1};
    for (int s = 0; s < 4; ++s) {
        int axis = axes[s];
        Node *a = weights_bench_weight(&bench.base, "a.weight", ROLE_WEIGHT, shapes[s][0]);
        Node *b = weights_bench_weight(&bench.base, "b.weight", ROLE_WEIGHT, shapes[s][1]);
        Node *scaled = recipe(&bench, CONST_MUL, b, b, 0);
        TensorType type = a->type;
        type.dim[axis] += b->type.dim[axis];
        Node *both =
            graph_add_recipe(bench.base.graph, (ConstAttr){.expr = CONST_CONCAT, .axis = axis}, a, scaled, type);
        double *av = values_of(&bench, a), *bv = values_of(&bench, b);
        double *want = ARENA_ARRAY(bench.base.arena, double, type_elements(type));
        const int32_t *da = a->type.dim, *db = b->type.dim;
        int at = 0;
        for (int i = 0; i < type.dim[0]; ++i) {
            for (int j = 0; j < type.dim[1]; ++j) {
                for (int k = 0; k < type.dim[2]; ++k, ++at) {
                    bool first = (axis == 0 ? i : axis == 1 ? j : k) < da[axis];
                    int y = i - (!first && axis == 0 ? da[0] : 0), x = j - (!first && axis == 1 ? da[1] : 0);
                    int z = k - (!first && axis == 2 ? da[2] : 0);
                    double value = first ? av[(y * da[1] + x) * da[2] + z] : bv[(y * db[1] + x) * db[2] + z];
                    want[at] = first ? value : value * value;
                }
            }
        }
        assert_values(&bench, both, want);
    }
    eval_done(&bench);
}

/* A net may have very many foldable layers in a row: no stack may depend on how many. */
Test(const_eval, a_chain_of_200000_steps)
{
    EvalBench bench = eval_bench("const_eval-chain");
    const double zero[] = {0.0, 0.0}, step[] = {1.0, 0.25};
    Node *node = graph_add_values(bench.base.graph, type_f32_1(2), zero, (NodeSource){.path = STR("zero")});
    Node *b = graph_add_values(bench.base.graph, type_f32_1(2), step, (NodeSource){.path = STR("step")});
    for (int i = 0; i < 200000; ++i) {
        node = recipe(&bench, CONST_ADD, node, b, 0);
    }
    double out[2];
    const_eval_range(node, bench.weights, 0, 2, out, bench.scratch);
    cr_assert(out[0] == 200000.0 && out[1] == 50000.0);
    eval_done(&bench);
}
