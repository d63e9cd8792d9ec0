/* Names of the generated interface: the net's is checked, those of inputs and outputs are mapped. */
#include "backend/emit_parts.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool text_uses_name(Str text, Str name)
{
    size_t at = 0;
    while (at < text.len) {
        char c = text.ptr[at];
        if (c == '/' && at + 1 < text.len && text.ptr[at + 1] == '*') {
            at += 2;
            while (at + 1 < text.len && !(text.ptr[at] == '*' && text.ptr[at + 1] == '/')) {
                at++;
            }
            at += 2;
        } else if (c == '"' || c == '\'') {
            for (at++; at < text.len && text.ptr[at] != c; ++at) {
                at += text.ptr[at] == '\\';
            }
            at++;
        } else if (is_word(c)) {
            size_t start = at;
            while (at < text.len && is_word(text.ptr[at])) {
                at++;
            }
            if (str_equal((Str){text.ptr + start, at - start}, name)) {
                return true;
            }
        } else {
            at++;
        }
    }
    return false;
}

bool text_uses(Str text, const char *name)
{
    return text_uses_name(text, str_from(name));
}

static void take(CNames *names, Str name)
{
    map_put(names->taken, name, names->arena);
}

static Str with_prefix(Arena *arena, Str upper, const char *what)
{
    return arena_printf(arena, STR_FMT "_%s", STR_ARG(upper), what);
}

/* A scope inside a function of the interface: what the file's own names are is taken. */
static CNames function_scope(Arena *arena, const Program *program, Str prefix)
{
    CNames scope = cnames_create(arena);
    take(&scope, prefix);
    for (uint32_t i = 0; i < program->n_kernels; ++i) {
        take(&scope, program->kernels[i]->name);
    }
    for (unsigned i = 0; i < EMIT_STEP_FUNCTIONS; ++i) {
        take(&scope, emit_step_function_name(arena, i));
    }
    static const char *const types[] = {"step_kernel", "step_arguments", "parallel_step", "run_step", "built_in_weights"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i) {
        take(&scope, str_from(types[i]));
    }
    static const char *const constants[] = {"ARENA_BYTES", "WEIGHTS_BYTES", "BATCH", "THREADS_MAX", "READY"};
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; ++i) {
        take(&scope, with_prefix(arena, cname_upper(arena, prefix), constants[i]));
    }
    return scope;
}

static void pick_parameters(CNames *scope, const Port *ports, uint32_t count, PortName *names)
{
    for (uint32_t i = 0; i < count; ++i) {
        names[i].parameter = cname_pick(scope, ports[i].name);
    }
}

/* Parameters that differ in case only have upper-case names that differ too. */
static void pick_elements(CNames *scope, Str upper, uint32_t count, PortName *names)
{
    for (uint32_t i = 0; i < count; ++i) {
        Str role = cname_upper(scope->arena, names[i].parameter);
        const char *gap = role.ptr[role.len - 1] == '_' ? "" : "_";
        names[i].elements = cname_pick(scope, arena_printf(scope->arena, STR_FMT "_" STR_FMT "%sELEMENTS", STR_ARG(upper),
                                                           STR_ARG(role), gap));
    }
}

ApiNames api_names(Arena *arena, const Program *program, Str prefix)
{
    const Graph *graph = program->graph;
    ApiNames names = {.prefix = arena_copy(arena, prefix), .upper = cname_upper(arena, prefix)};

    CNames init = function_scope(arena, program, prefix);
    names.net = cname_pick(&init, STR("net"));
    names.weights = cname_pick(&init, STR("weights"));
    names.weights_bytes = cname_pick(&init, STR("weights_bytes"));
    names.arena = cname_pick(&init, STR("arena"));
    names.arena_bytes = cname_pick(&init, STR("arena_bytes"));
    names.run = cname_pick(&init, STR("run"));
    names.context = cname_pick(&init, STR("context"));

    /* The ports are picked before the locals of run: a caller sees their names, nobody sees those of the locals. */
    CNames run = function_scope(arena, program, prefix);
    take(&run, names.net);
    names.inputs = ARENA_ARRAY(arena, PortName, graph->n_inputs);
    names.outputs = ARENA_ARRAY(arena, PortName, graph->n_outputs);
    pick_parameters(&run, graph->inputs, graph->n_inputs, names.inputs);
    pick_parameters(&run, graph->outputs, graph->n_outputs, names.outputs);
    pick_elements(&run, names.upper, graph->n_inputs, names.inputs);
    pick_elements(&run, names.upper, graph->n_outputs, names.outputs);
    names.local_arena = cname_pick(&run, STR("arena"));
    names.local_weights = cname_pick(&run, STR("weights"));
    names.batch_index = cname_pick(&run, STR("batch_index"));
    return names;
}

/* Whether the source's own text uses the name: a type of that name would be hidden there, or hide a function. */
static bool used_inside(const Program *program, Str prefix)
{
    CWriter text = {0};
    emit_private(program, true, &text);
    bool used = text_uses_name(strbuf_view(&text.text), prefix) || text_uses_name(str_from(emit_run_words), prefix);
    cw_free(&text);
    return used;
}

bool emit_check_names(const Program *program, Str prefix, Diag *diag)
{
    if (!cname_is_identifier(prefix)) {
        diag_error_in(diag, DIAG_RESERVED_NAME, prefix, "the net's name cannot be a C identifier");
        diag_help(diag, "use letters, digits and underscores, a letter first: --name=NAME");
        return false;
    }
    if (cname_is_reserved(prefix)) {
        diag_error_in(diag, DIAG_RESERVED_NAME, prefix, "the net's name means something else in C or C++, or in their libraries");
        diag_help(diag, "rename the net, or choose a name for the generated code: --name=%s" STR_FMT "_net",
                  prefix.ptr[0] == '_' ? "my" : "", STR_ARG(prefix));
        return false;
    }
    if (used_inside(program, prefix)) {
        diag_error_in(diag, DIAG_RESERVED_NAME, prefix, "the net's name is also a name inside the generated code");
        diag_help(diag, "rename the net, or choose a name for the generated code: --name=" STR_FMT "_net", STR_ARG(prefix));
        return false;
    }
    return true;
}
