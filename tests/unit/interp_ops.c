/* Every op of the reference interpreter against PyTorch's float64 results: the cases of
 * tests/golden/numbers/interp_ops.txt, each a small net with formula inputs and weights (tools/golden/interp_ops.py
 * writes the file). */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "interp/interp.h"
#include "support/file.h"

static const char numbers_path[] = "tests/golden/numbers/interp_ops.txt";
static const double tolerance = 1e-12; /* of the largest value: both sides are double, sums may differ in order */

/* --- reading the file */

typedef struct Case {
    Str name, net, shape, values; /* lines; empty name: no more cases */
} Case;

static Str take_line(Str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);
    Str line = {text->ptr, len};
    text->ptr += end == NULL ? len : len + 1;
    text->len -= end == NULL ? len : len + 1;
    return line;
}

static bool starts_with(Str line, Str prefix)
{
    return line.len >= prefix.len && memcmp(line.ptr, prefix.ptr, prefix.len) == 0;
}

static Str after(Str line, Str prefix)
{
    cr_assert(starts_with(line, prefix), "%s: expected '%s...'", numbers_path, prefix.ptr);
    return (Str){line.ptr + prefix.len, line.len - prefix.len};
}

static Case next_case(Str *text)
{
    while (text->len > 0) {
        Str line = take_line(text);
        if (starts_with(line, STR("case "))) {
            Case found = {.name = after(line, STR("case "))};
            found.net = take_line(text);
            found.shape = after(take_line(text), STR("shape "));
            found.values = take_line(text);
            return found;
        }
    }
    return (Case){0};
}

static Str read_numbers(Arena *arena)
{
    Str text = STR(""), reason = STR("");
    cr_assert(file_read(arena, numbers_path, 16 << 20, &text, &reason), "%s: %.*s", numbers_path, (int)reason.len,
              reason.ptr);
    return text;
}

/* --- one case */

typedef struct Session {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    Weights *weights;
} Session;

static Session session_start(void)
{
    Session session = {.arena = arena_create()};
    session.sources = sources_create(session.arena);
    session.diag = diag_create(session.arena, session.sources);
    session.weights = weights_formula(session.arena);
    return session;
}

static void session_end(Session *session)
{
    weights_close(session->weights);
    diag_destroy(session->diag);
    arena_destroy(session->arena);
}

static Graph *elaborate(Session *session, Str net)
{
    FrontendOptions options = {0};
    AstFile *file =
        frontend_parse_text(session->arena, session->sources, session->diag, STR("case.net"), net, &options);
    Graph *graph =
        file == NULL ? NULL : frontend_elaborate(session->arena, session->sources, session->diag, file, &options);
    Str text = diag_text(session->diag);
    cr_assert_not_null(graph, "%.*s", (int)text.len, text.ptr);
    return graph;
}

static void check_shape(const Case *item, TensorType type)
{
    const char *at = item->shape.ptr;
    for (int i = 0; i < type.rank; ++i) {
        char *end;
        cr_assert_eq(strtol(at, &end, 10), type.dim[i], STR_FMT ": dim %d", STR_ARG(item->name), i);
        at = end;
    }
    cr_assert_eq(at, item->shape.ptr + item->shape.len, STR_FMT ": another rank", STR_ARG(item->name));
}

static void check_case(Session *session, const Case *item)
{
    const Graph *graph = elaborate(session, item->net);
    double **inputs = interp_formula_inputs(graph, session->arena);
    InterpResult result = interp_run(graph, session->weights, (const double *const *)inputs, false, session->arena);
    const Node *output = graph->outputs[0].node;
    check_shape(item, output->type);
    int64_t count = type_elements(output->type);
    double *expected = ARENA_ARRAY(session->arena, double, count);
    double max = 0.0;
    const char *at = item->values.ptr;
    for (int64_t i = 0; i < count; ++i) {
        char *end;
        expected[i] = strtod(at, &end);
        cr_assert_neq(end, at, STR_FMT ": %d values are missing", STR_ARG(item->name), (int)(count - i));
        at = end;
        max = fmax(max, fabs(expected[i]));
    }
    cr_assert_eq(at, item->values.ptr + item->values.len, STR_FMT ": too many values", STR_ARG(item->name));
    for (int64_t i = 0; i < count; ++i) {
        double value = result.values[output->id][i];
        cr_assert(fabs(value - expected[i]) <= tolerance * max, STR_FMT ": element %d is %.17g, PyTorch has %.17g",
                  STR_ARG(item->name), (int)i, value, expected[i]);
    }
}

/* --- tests: a few processes rather than one for each of the cases */

enum { SHARES = 8 };

ParameterizedTestParameters(interp_ops, as_pytorch)
{
    static int shares[SHARES];
    for (int i = 0; i < SHARES; ++i) {
        shares[i] = i;
    }
    return cr_make_param_array(int, shares, SHARES, NULL);
}

ParameterizedTest(int *share, interp_ops, as_pytorch)
{
    Arena *arena = arena_create();
    Str text = read_numbers(arena);
    int index = 0;
    for (Case item = next_case(&text); !str_is_empty(item.name); item = next_case(&text), ++index) {
        if (index % SHARES == *share) {
            Session session = session_start();
            check_case(&session, &item);
            session_end(&session);
        }
    }
    cr_assert_gt(index, 100);
    arena_destroy(arena);
}

Test(interp_ops, every_op_has_a_case)
{
    Arena *arena = arena_create();
    Str text = read_numbers(arena);
    bool seen[OP_COUNT] = {[OP_INPUT] = true, [OP_CONST] = true};
    for (Case item = next_case(&text); !str_is_empty(item.name); item = next_case(&text)) {
        Session session = session_start();
        const Graph *graph = elaborate(&session, item.net);
        for (uint32_t i = 0; i < graph->n_nodes; ++i) {
            seen[graph->nodes[i]->op] = true;
        }
        session_end(&session);
    }
    for (int op = 0; op < OP_COUNT; ++op) {
        cr_expect(seen[op], "no case for %s in tools/golden/interp_ops.py", op_info((OpKind)op)->name);
    }
    arena_destroy(arena);
}
