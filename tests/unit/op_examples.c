/* The examples of the op table are nets: they parse, elaborate and verify. */
#include <criterion/criterion.h>

#include "frontend/frontend.h"

/* Elaborates `example` with x, a and b of one type; false where that type does not suit the op. */
static bool elaborates(const char *example, const char *type)
{
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    FrontendOptions options = {0};
    Str text = arena_printf(arena,
                            "net example {\n    input x: %s\n    input a: %s\n    input b: %s\n    %s\n"
                            "    output y\n    output x2 = identity(x)\n    output s = a + b\n}\n",
                            type, type, type, example);
    AstFile *file = frontend_parse_text(arena, sources, diag, STR("example.net"), text, &options);
    cr_assert(file != NULL && diag_errors(diag) == 0, "%s: " STR_FMT, example, STR_ARG(diag_text(diag)));
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &options);
    Str message = STR("");
    bool ok = graph != NULL && graph_verify(graph, arena, &message);
    cr_expect(graph == NULL || ok, "%s: " STR_FMT, example, STR_ARG(message));
    diag_destroy(diag);
    arena_destroy(arena);
    return ok;
}

Test(op_examples, every_example_is_a_net)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        bool ok = info->name[0] == '\0' || elaborates(info->example, "f32[3, 16, 16]") ||
                  elaborates(info->example, "f32[256]") || elaborates(info->example, "f32[16, 16, 16]");
        cr_expect(ok, "%s: no type suits its example: %s", info->name, info->example);
    }
}
