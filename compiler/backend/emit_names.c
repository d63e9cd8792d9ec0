/* Names of the generated interface: the net's is checked, those of inputs and outputs are mapped. */
#include "backend/ctext.h"
#include "backend/emit_parts.h"

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
    static const char *const types[] = {"step_kernel", "step_arguments",   "parallel_step",
                                        "run_step",    "built_in_weights", "cnn_x86_64_level"};
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
        names[i].elements = cname_pick(
            scope, arena_printf(scope->arena, STR_FMT "_" STR_FMT "%sELEMENTS", STR_ARG(upper), STR_ARG(role), gap));
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
    names.entry = with_prefix(arena, names.prefix, "run");
    return names;
}

/* --- the net's name among the source's own: locals and types of kernels must not hide it, nor it a kernel. The text is
 * written with the net's name in disguise (bit 7 of each character set: as wide, and no other text has it); then the
 * names that are spelled like it get another spelling, and the disguise comes off. */

static Str disguised(Arena *arena, Str name)
{
    char *text = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; ++i) {
        text[i] = (char)((unsigned char)name.ptr[i] | 0x80);
    }
    return (Str){text, name.len};
}

ApiNames api_names_disguised(Arena *arena, const Program *program, Str prefix)
{
    ApiNames names = api_names(arena, program, prefix);
    names.prefix = disguised(arena, prefix);
    names.entry = with_prefix(arena, names.prefix, "run");
    return names;
}

/* `text` with every identifier `name` replaced, but for members of the public struct, NET->name. */
static void replace_name(Str text, Str name, Str replacement, Str net, StrBuf *out)
{
    size_t before = net.len + 2; /* "net->" */
    for (CToken token = ctext_first(text); token.text.len > 0; token = ctext_next(text, token)) {
        size_t at = (size_t)(token.text.ptr - text.ptr);
        const char *member = at > before ? token.text.ptr - before : NULL;
        bool is_member = member != NULL && memcmp(member, net.ptr, net.len) == 0 &&
                         memcmp(member + net.len, "->", 2) == 0 && !ctext_is_word(member[-1]);
        bool is_hit = token.kind == CTOKEN_WORD && !is_member && str_equal(token.text, name);
        strbuf_append(out, is_hit ? replacement : token.text);
    }
}

void api_undisguise(Arena *arena, Str text, Str prefix, Str net, StrBuf *out)
{
    Str other = arena_printf(arena, STR_FMT "_", STR_ARG(prefix));
    for (unsigned ordinal = 2; ctext_uses_name(text, other) || cname_is_reserved(other); ++ordinal) {
        other =
            arena_printf(arena, STR_FMT "%s%u", STR_ARG(prefix), prefix.ptr[prefix.len - 1] == '_' ? "" : "_", ordinal);
    }
    StrBuf renamed = {0};
    replace_name(text, prefix, other, net, &renamed);
    Str hidden = disguised(arena, prefix);
    Str view = strbuf_view(&renamed);
    for (size_t at = 0; at < view.len;) {
        bool found = view.len - at >= hidden.len && memcmp(view.ptr + at, hidden.ptr, hidden.len) == 0;
        strbuf_append(out, found ? prefix : (Str){view.ptr + at, 1});
        at += found ? hidden.len : 1;
    }
    strbuf_free(&renamed);
}

/* The place is where the name was written: in the .net file, else on the command line. */
static void report_name(Diag *diag, Str name, Span span, const char *fault)
{
    if (span.hi > 0) {
        diag_error(diag, DIAG_RESERVED_NAME, span, "'" STR_FMT "' %s", STR_ARG(name), fault);
    } else {
        diag_error_in(diag, DIAG_RESERVED_NAME, STR("--name"), "'" STR_FMT "' %s", STR_ARG(name), fault);
    }
}

bool emit_check_names(Str prefix, Span span, Diag *diag)
{
    if (!cname_is_identifier(prefix)) {
        report_name(diag, prefix, span, "cannot be a C identifier");
        diag_help(diag, "use letters, digits and underscores, a letter first: --name=NAME");
        return false;
    }
    if (cname_is_reserved(prefix)) {
        report_name(diag, prefix, span, "means something else in C or C++, or in their libraries");
        diag_help(diag, "rename the net, or choose a name for the generated code: --name=%s" STR_FMT "_net",
                  prefix.ptr[0] == '_' ? "my" : "", STR_ARG(prefix));
        return false;
    }
    return true;
}
