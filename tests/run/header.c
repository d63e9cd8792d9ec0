/* What the generated header says of inputs and outputs: names, types, shapes, layouts, ranges of values. The bounds are
 * checked against numbers too: what the interpreter gives must lie within them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/emit_parts.h"
#include "frontend/frontend.h"
#include "interp/interp.h"
#include "sandbox.h"

static const char net[] = "net ports(n = 5) {\n"
                          "    input photo: u8 hwc[6, 8, 3]       # as the camera delivers it\n"
                          "    input points: f32[3, 6, 8]\n"
                          "    input label: f32[n]   # \"#\" is no name\n"
                          "    x = photo |> normalize(mean=[0.5, 0.5, 0.25], std=0.5, scale=1.0 / 255.0)\n"
                          "    output prepared = x\n"
                          "    output stylised = tanh(conv(x, 2, kernel=1)) * 150.0\n"
                          "    output counts = relu6(points) - relu(points)\n"
                          "    output masks = concat(sigmoid(points), step(points) * -2.0)\n"
                          "    output pooled = avg_pool(clamp(points, 0.25, 0.5), 2, pad=1)\n"
                          "    output padded = pad(clamp(points, 0.25, 0.5), 1, value=-3.0)\n"
                          "    output pixels = argmax(points)\n"
                          "    output order = top_k(label, 2)\n"
                          "    output logs = log_softmax(label)\n"
                          "    output styles = gram(points)\n"
                          "    output loss = mse(label, label * 2.0)\n"
                          "    output gates = hard_swish(points)\n"
                          "    output doubt = softmax(label) + leaky_relu(relu(label))\n"
                          "    output scaled = scaled_tanh(label)\n"
                          "    output index = slice(label, 0, 1, 2)\n"
                          "}\n";

/* Lines of the header's first comments, in order. */
static const char *const expected[] = {
    "uint8_t photo[6][8][3]   rows, columns, channels; values 0 to 255\n",
    "        as the camera delivers it\n",
    "float points[3][6][8]   channels, rows, columns; any finite value\n",
    "float label[5]   any finite value; \"#\" is no name\n",
    "float prepared[3][6][8]   channels, rows, columns; values -1 to 1.5\n",
    "float stylised[2][6][8]   channels, rows, columns; values -150 to 150\n",
    "float counts[3][6][8]   channels, rows, columns; values up to 6\n",
    "float masks[6][6][8]   channels, rows, columns; values -2 to 1\n",
    "float pooled[3][4][5]   channels, rows, columns; values 0 to 0.5\n",
    "float padded[3][8][10]   channels, rows, columns; values -3 to 0.5\n",
    "int32_t pixels[1][6][8]   channels, rows, columns; values 0 to 2\n",
    "int32_t order[2]   values 0 to 4\n",
    "float logs[5]   values up to 0\n",
    "float styles[3][3]   any finite value\n",
    "float loss[1]   values from 0 up\n",
    "float gates[3][6][8]   channels, rows, columns; values from -0.375 up\n",
    "float doubt[5]   values from 0 up\n",
    "float scaled[5]   values -1.7159 to 1.7159\n",
    "float index_[1]   any finite value   ('index' in the net)\n",
};

typedef struct Made {
    Arena *arena;
    const char *folder;
    Str header;
} Made;

static Made make(const char *test, const char *arguments)
{
    Made made = {.arena = arena_create()};
    Arena *arena = made.arena;
    made.folder = sandbox_create(arena, arena_printf(arena, "header-%s", test).ptr);
    sandbox_write(arena, made.folder, "ports.net", str_from(net));
    sandbox_expect(arena, made.folder,
                   arena_printf(arena,
                                "'%s/cnnc' '%s/ports.net' --target=portable --weights=formula %s -o '%s/ports.c'",
                                sandbox_build(), made.folder, arguments, made.folder));
    made.header = sandbox_read(arena, made.folder, "ports.h");
    return made;
}

Test(header, ports_have_shapes_layouts_and_values)
{
    Made made = make("ports", "");
    const char *at = made.header.ptr;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; ++i) {
        const char *found = strstr(at, expected[i]);
        cr_assert_not_null(found, "no line, or in another order: %s" STR_FMT, expected[i], STR_ARG(made.header));
        at = found;
    }
    cr_assert_not_null(
        strstr(at, "cnn_status ports_run(ports *net, const uint8_t *photo, const float *points, const float *label,"));
    cr_assert_not_null(strstr(at, "int32_t *pixels"));
    cr_assert_not_null(strstr(at, "PORTS_STYLES_ELEMENTS = 3 * 3,"));
    cr_assert_not_null(strstr(at, "PORTS_PHOTO_ELEMENTS = 6 * 8 * 3,"));
    arena_destroy(made.arena);
}

Test(header, ports_of_a_batch)
{
    Made made = make("batch", "--batch=4");
    const char *const lines[] = {
        "uint8_t photo[4][6][8][3]   images, rows, columns, channels; values 0 to 255",
        "float label[4][5]   images; any finite value",
        "int32_t order[4][2]   images; values 0 to 4",
        "PORTS_PHOTO_ELEMENTS = 4 * 6 * 8 * 3,",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; ++i) {
        cr_assert_not_null(strstr(made.header.ptr, lines[i]), "%s\n" STR_FMT, lines[i], STR_ARG(made.header));
    }
    arena_destroy(made.arena);
}

static Graph *elaborate(Arena *arena, Sources *sources, Diag *diag, const char *path)
{
    FrontendOptions options = {0};
    AstFile *file = frontend_parse(arena, sources, diag, str_from(path), &options);
    cr_assert(file != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &options);
    cr_assert(graph != NULL, STR_FMT, STR_ARG(diag_text(diag)));
    return graph;
}

/* "values -1 to 1.5", "values from 0 up", "values up to 6", "any finite value" */
static void read_range(const char *text, double *lo, double *hi)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    if (sscanf(text, "values from %lf up", lo) != 1 && sscanf(text, "values up to %lf", hi) != 1) {
        sscanf(text, "values %lf to %lf", lo, hi);
    }
}

static int check_bounds(const char *path)
{
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    Graph *graph = elaborate(arena, sources, diag, path);
    Weights *weights = weights_formula(arena);
    double **inputs = interp_formula_inputs(graph, arena);
    InterpResult result = interp_run(graph, weights, (const double *const *)inputs, false, arena);
    int bounded = 0;
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        const Port *port = &graph->outputs[i];
        double lo, hi;
        read_range(emit_value_range(arena, graph, port->node).ptr, &lo, &hi);
        bounded += lo > -INFINITY || hi < INFINITY;
        double slack = 1e-6 * (fabs(lo) < INFINITY ? fabs(lo) + 1.0 : 1.0);
        for (int64_t k = 0; k < type_elements(port->node->type); ++k) {
            double value = result.values[port->node->id][k];
            cr_assert(value >= lo - slack && value <= hi + slack, "%s: " STR_FMT "[%ld] = %g is not in %g .. %g", path,
                      STR_ARG(port->name), (long)k, value, lo, hi);
        }
    }
    weights_close(weights);
    diag_destroy(diag);
    arena_destroy(arena);
    return bounded;
}

Test(header, bounds_hold_for_every_op)
{
    static const char *const nets[] = {"conv",     "pool",     "elementwise", "shape",       "blocks",
                                       "ops_conv", "ops_norm", "ops_ties",    "ops_resample"};
    int bounded = 0;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; ++i) {
        char path[128];
        snprintf(path, sizeof path, "tests/run/nets/%s.net", nets[i]);
        bounded += check_bounds(path);
    }
    cr_assert_gt(bounded, 50, "hardly any output has bounds");
}
