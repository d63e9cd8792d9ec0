/* The elaborator: evaluates a net at compile time and so builds its graph. This file has the entry (which net, its
 * parameters, what must hold of the whole) and what all other parts use: reports, bounds, the chain of calls. */
#include "frontend/elaborate.h"

#include <stdarg.h>

#include "support/path.h"

/* --- reports */

static bool was_reported(const Elaborator *el, DiagId id, Span span)
{
    for (size_t i = 0; i < el->n_reports; ++i) {
        if (el->reports[i].id == id && el->reports[i].span.lo == span.lo && el->reports[i].span.hi == span.hi) {
            return true;
        }
    }
    return false;
}

static void note_report(Elaborator *el, DiagId id, Span span)
{
    if (el->n_reports < sizeof el->reports / sizeof el->reports[0]) {
        el->reports[el->n_reports].id = id;
        el->reports[el->n_reports++].span = span;
    }
    el->halted |= diag_is_full(el->diag);
}

bool elaborate_has_failed(const Elaborator *el, Span span)
{
    return was_reported(el, DIAG_COUNT, span);
}

void elaborate_note_failure(Elaborator *el, Span span)
{
    note_report(el, DIAG_COUNT, span);
}

bool elaborate_error(Elaborator *el, DiagId id, Span span, const char *format, ...)
{
    el->reported = !el->halted && !was_reported(el, id, span);
    if (!el->reported) {
        return false;
    }
    StrBuf message = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    diag_error(el->diag, id, span, "%s", message.ptr);
    diag_chain(el->diag, elaborate_site(el));
    strbuf_free(&message);
    note_report(el, id, span);
    return true;
}

void elaborate_note(Elaborator *el, Span span, const char *format, ...)
{
    if (!el->reported) {
        return;
    }
    StrBuf message = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    diag_note(el->diag, span, "%s", message.ptr);
    strbuf_free(&message);
}

void elaborate_help(Elaborator *el, const char *format, ...)
{
    if (!el->reported) {
        return;
    }
    StrBuf message = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    diag_help(el->diag, "%s", message.ptr);
    strbuf_free(&message);
}

void elaborate_suggest(Elaborator *el, Suggest suggest)
{
    if (!str_is_empty(suggest.best)) {
        elaborate_help(el, "did you mean '" STR_FMT "'?", STR_ARG(suggest.best));
    }
}

/* --- bounds */

bool elaborate_step(Elaborator *el, Span span, int64_t count)
{
    el->steps += count;
    if (el->steps > ELABORATE_MAX_STEPS) {
        elaborate_error(el, DIAG_TOO_MANY_STATEMENTS, span,
                        "elaboration takes more than %d statements; this is the one too many", ELABORATE_MAX_STEPS);
        el->halted = true;
    }
    return !el->halted;
}

bool elaborate_memory(Elaborator *el, Span span, size_t bytes)
{
    el->bytes += bytes;
    if (el->bytes > ELABORATE_MAX_BYTES) {
        elaborate_error(el, DIAG_VALUE_TOO_LARGE, span, "the lists and strings of this net take more than %d MiB",
                        ELABORATE_MAX_BYTES / (1024 * 1024));
        el->halted = true;
    }
    return !el->halted;
}

bool elaborate_enter(Elaborator *el, Span span)
{
    if (el->halted) {
        return false;
    }
    if (el->depth >= ELABORATE_MAX_DEPTH) {
        elaborate_error(el, DIAG_CALL_DEPTH, span,
                        "expressions are nested too deep here (more than %d levels, blocks included)",
                        ELABORATE_MAX_DEPTH);
        el->halted = true;
        return false;
    }
    ++el->depth;
    return true;
}

void elaborate_leave(Elaborator *el)
{
    --el->depth;
}

/* Frames live on our stack; nodes need a chain that stays. It is copied on demand, the callers' links first. */
const CallSite *elaborate_site(Elaborator *el)
{
    for (;;) {
        Frame *outermost = NULL;
        for (Frame *frame = el->frame; frame != NULL && frame->caller != NULL && frame->kept == NULL;
             frame = frame->caller) {
            outermost = frame;
        }
        if (outermost == NULL) {
            return el->frame != NULL && el->frame->caller != NULL ? el->frame->kept : NULL;
        }
        CallSite *site = ARENA_NEW(el->arena, CallSite);
        *site = outermost->site;
        site->caller = outermost->caller->kept;
        outermost->kept = site;
    }
}

/* --- which net */

static Block *only_net(const FileScope *scope)
{
    Block *only = NULL;
    for (size_t i = 0; i < scope->file->n_definitions; ++i) {
        if (scope->blocks[i].definition->is_net) {
            if (only != NULL) {
                return NULL;
            }
            only = &scope->blocks[i];
        }
    }
    return only;
}

static Block *net_of_name(const FileScope *scope, Str name)
{
    for (size_t i = 0; i < scope->file->n_definitions; ++i) {
        if (scope->blocks[i].definition->is_net && str_equal(scope->blocks[i].definition->name, name)) {
            return &scope->blocks[i];
        }
    }
    return NULL;
}

/* "zoo/resnet50.net" -> "resnet50" */
static Str stem_of_path(Str path)
{
    Str name = path_name(path);
    for (size_t i = name.len; i > 0; --i) {
        if (name.ptr[i - 1] == '.') {
            return (Str){name.ptr, i - 1};
        }
    }
    return name;
}

static void report_no_net(Elaborator *el, const FileScope *scope, bool has_nets)
{
    Str wanted = el->options->net;
    Str path = scope->file->source->path;
    if (!str_is_empty(wanted)) {
        diag_error_in(el->diag, DIAG_UNKNOWN_NET, path, "no net '" STR_FMT "' in this file", STR_ARG(wanted));
        Suggest suggest = suggest_start(wanted);
        for (size_t i = 0; i < scope->file->n_definitions; ++i) {
            if (scope->file->definitions[i].is_net) {
                suggest_consider(&suggest, scope->file->definitions[i].name);
            }
        }
        el->reported = true;
        elaborate_suggest(el, suggest);
    } else if (has_nets) {
        diag_error_in(el->diag, DIAG_UNKNOWN_NET, path, "this file has several nets; say which with --net=NAME");
    } else {
        diag_error_in(el->diag, DIAG_UNKNOWN_NET, path, "this file has no net");
        diag_help(el->diag, "write `net NAME { ... }`; a file of blocks alone is for import");
        return;
    }
    for (size_t i = 0; i < scope->file->n_definitions; ++i) {
        const Definition *net = &scope->file->definitions[i];
        if (net->is_net) {
            diag_note(el->diag, net->name_span, "net '" STR_FMT "'", STR_ARG(net->name));
        }
    }
}

/* The net that the options name, the only one, or the one named like the file. NULL after an error. */
static Block *choose_net(Elaborator *el, const FileScope *scope)
{
    Block *net = NULL;
    bool has_nets = false;
    for (size_t i = 0; i < scope->file->n_definitions; ++i) {
        has_nets |= scope->file->definitions[i].is_net;
    }
    if (!str_is_empty(el->options->net)) {
        net = net_of_name(scope, el->options->net);
    } else {
        net = only_net(scope);
        if (net == NULL) {
            net = net_of_name(scope, stem_of_path(scope->file->source->path));
        }
    }
    if (net == NULL && !el->had_errors) { /* else it may be the net that could not be read */
        report_no_net(el, scope, has_nets);
    }
    return net;
}

/* --- parameters */

static const Definement *find_define(const Elaborator *el, Str name)
{
    const Definement *found = NULL; /* of several the last counts, as with a C compiler's -D */
    for (size_t i = 0; i < el->options->n_defines; ++i) {
        if (str_equal(el->options->defines[i].name, name)) {
            found = &el->options->defines[i];
        }
    }
    return found;
}

static void bind_parameters(Elaborator *el, const Block *net)
{
    const ParamList *params = &net->definition->params;
    for (size_t i = 0; i < params->count; ++i) {
        const Param *param = &params->items[i];
        Value value = value_error();
        if (param->fallback == NULL) {
            if (elaborate_error(el, DIAG_PARAMETER_NEEDS_DEFAULT, param->span,
                                "parameter '" STR_FMT "' of a net needs a default", STR_ARG(param->name))) {
                elaborate_help(el, "write '" STR_FMT " = ...'; -D " STR_FMT "=... can change it", STR_ARG(param->name),
                               STR_ARG(param->name));
            }
        } else {
            value = elaborate_expr(el, param->fallback);
        }
        const Definement *define = find_define(el, param->name);
        if (define != NULL) {
            value = define_value(el, define, value, net->home);
        }
        names_declare(el, (NameRef){param->name, param->span}, value);
    }
    define_check_names(el, net->definition);
}

/* --- the whole */

/* A node comes before the weights that were made for it; the graph wants inputs before their readers. */
static void sort_weights(Graph *graph, Arena *scratch)
{
    Node **sorted = ARENA_ARRAY(scratch, Node *, graph->n_nodes);
    bool *placed = ARENA_ARRAY(scratch, bool, graph->n_nodes);
    uint32_t count = 0;
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        Node *node = graph->nodes[n];
        for (uint32_t i = 0; i < node->n_inputs; ++i) {
            Node *input = node->inputs[i];
            if (!placed[input->id]) {
                placed[input->id] = true;
                sorted[count++] = input;
            }
        }
        if (!placed[n]) {
            placed[n] = true;
            sorted[count++] = node;
        }
    }
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        graph->nodes[n] = sorted[n];
        graph->nodes[n]->id = n;
    }
}

static void warn_unused_inputs(Elaborator *el, Arena *scratch)
{
    const Graph *graph = el->graph;
    bool *needed = ARENA_ARRAY(scratch, bool, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        needed[graph->outputs[i].node->id] = true;
    }
    for (uint32_t n = graph->n_nodes; n > 0; --n) { /* inputs come before their readers */
        const Node *node = graph->nodes[n - 1];
        for (uint32_t i = 0; needed[n - 1] && i < node->n_inputs; ++i) {
            needed[node->inputs[i]->id] = true;
        }
    }
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        if (!needed[graph->inputs[i].node->id]) {
            diag_warning(el->diag, DIAG_UNUSED_INPUT, graph->inputs[i].span, "no output depends on input '" STR_FMT "'",
                         STR_ARG(graph->inputs[i].name));
        }
    }
}

static void elaborate_net(Elaborator *el, Block *net)
{
    NameScope scope = {.path = STR("")};
    Frame frame = {.block = net, .scope = &scope, .serial = ++el->n_frames, .level = 1};
    el->graph = graph_create(el->arena, net->definition->name, el->sources);
    el->graph->span = net->definition->name_span;
    el->frame = &frame;
    net->active = true;
    bind_parameters(el, net);
    elaborate_body(el, &net->definition->body);
    if (el->n_outputs == 0 && !frame.is_broken && !el->halted &&
        elaborate_error(el, DIAG_NO_OUTPUT, net->definition->name_span, "net '" STR_FMT "' has no output",
                        STR_ARG(net->definition->name))) {
        elaborate_help(el, "end it with `output NAME = ...`");
    }
    names_close(el);
    net->active = false;
    el->frame = NULL;
}

Graph *frontend_elaborate(Arena *arena, const Sources *sources, Diag *diag, const AstFile *file,
                          const FrontendOptions *options)
{
    Elaborator el = {.arena = arena,
                     .sources = sources,
                     .diag = diag,
                     .options = options,
                     .had_errors = diag_errors(diag) > 0,
                     .halted = diag_is_full(diag),
                     .symbols = map_create(arena),
                     .weights = map_create(arena),
                     .ports = map_create(arena)};
    const FileScope *main_scope = names_load(&el, file);
    for (size_t i = 0; i < el.n_files; ++i) {
        resolve_file(&el, el.files[i]);
    }
    Block *net = choose_net(&el, main_scope);
    if (net != NULL) {
        elaborate_net(&el, net);
    }
    if (net == NULL || diag_errors(diag) > 0) {
        return NULL;
    }
    Arena *scratch = arena_create();
    sort_weights(el.graph, scratch);
    warn_unused_inputs(&el, scratch);
    arena_destroy(scratch);
    return el.graph;
}
