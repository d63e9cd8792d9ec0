/* Names of weights: `as path` gives a call its name, a block call's path opens a scope, calls without `as` are
 * numbered by their op's stem. A weight is called scope.path.role, as in a PyTorch state_dict. */
#include "frontend/elaborate.h"

/* What may stand in a path. It ends up in weight files, comments of C code and dumps, so nothing that could end a
 * comment or confuse a terminal. */
static bool is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_-.:+", c) != NULL;
}

static bool check_text(Elaborator *el, Str text, Span span)
{
    if (str_is_empty(text)) {
        elaborate_error(el, DIAG_VALUE_RANGE, span, "a part of a weight's name is empty");
        return false;
    }
    for (size_t i = 0; i < text.len; ++i) {
        if (text.ptr[i] == '\0' || !is_path_char(text.ptr[i])) {
            elaborate_error(el, DIAG_VALUE_RANGE, span,
                            "a weight's name consists of letters, digits and _ - . : +, found \"" STR_FMT "\"",
                            (int)(text.len < 80 ? text.len : 80), text.ptr);
            return false;
        }
    }
    if (text.ptr[0] == '.' || text.ptr[text.len - 1] == '.') {
        elaborate_error(el, DIAG_VALUE_RANGE, span, "a part of a weight's name cannot begin or end with a dot");
        return false;
    }
    return true;
}

/* Appends one part; false after an error. */
static bool append_part(Elaborator *el, StrBuf *out, const PathPart *part)
{
    if (part->index == NULL) {
        strbuf_append(out, part->text);
        return check_text(el, part->text, part->span);
    }
    Value index = elaborate_expr(el, part->index);
    if (index.kind == VAL_ERROR) {
        return false;
    }
    if (index.kind == VAL_STRING) {
        if (index.as.text.len > ELABORATE_MAX_PATH) {
            elaborate_error(el, DIAG_VALUE_RANGE, part->index->span, "a weight's name of more than %d bytes",
                            ELABORATE_MAX_PATH);
            return false;
        }
        strbuf_append(out, index.as.text);
        return check_text(el, index.as.text, part->index->span);
    }
    if (index.kind != VAL_INT) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, part->index->span,
                        "a part of a weight's name must be an int or a string, found " STR_FMT,
                        STR_ARG(value_describe(el->arena, index)));
        return false;
    }
    if (index.as.integer < 0) {
        elaborate_error(el, DIAG_VALUE_RANGE, part->index->span,
                        "a part of a weight's name cannot be negative, found %lld", (long long)index.as.integer);
        return false;
    }
    strbuf_printf(out, "%lld", (long long)index.as.integer);
    return true;
}

bool path_of_naming(Elaborator *el, const Naming *naming, Str *path)
{
    StrBuf out = {0};
    bool ok = true;
    strbuf_append(&out, el->frame->scope->path);
    for (size_t i = 0; i < naming->count; ++i) {
        if (out.len > 0) {
            strbuf_char(&out, '.');
        }
        ok &= append_part(el, &out, &naming->parts[i]);
    }
    if (ok && out.len > ELABORATE_MAX_PATH) {
        elaborate_error(el, DIAG_VALUE_RANGE, naming->span, "a weight's name of %zu bytes, at most %d are allowed",
                        out.len, ELABORATE_MAX_PATH);
        ok = false;
    }
    ok = ok && elaborate_memory(el, naming->span, out.len);
    *path = ok ? arena_copy(el->arena, strbuf_view(&out)) : STR("");
    strbuf_free(&out);
    return ok;
}

/* The first op of the same stem: what calls are counted by. */
static OpKind stem_owner(OpKind op)
{
    for (int i = 0; i < (int)op; ++i) {
        if (strcmp(op_info((OpKind)i)->stem, op_info(op)->stem) == 0) {
            return (OpKind)i;
        }
    }
    return op;
}

Str path_automatic(Elaborator *el, OpKind op)
{
    NameScope *scope = el->frame->scope;
    uint32_t ordinal = ++scope->ordinal[stem_owner(op)];
    const char *dot = str_is_empty(scope->path) ? "" : ".";
    return arena_printf(el->arena, STR_FMT "%s%s%u", STR_ARG(scope->path), dot, op_info(op)->stem, (unsigned)ordinal);
}

/* --- weights */

/* The call at which two chains of calls part, seen from the net: what must be named to keep the weights apart. Where
 * they do not part (a loop), the outermost call; NULL where there is none. */
static const CallSite *parting_call(const CallSite *chain, const CallSite *other)
{
    enum { MOST = ELABORATE_MAX_CALLS };
    const CallSite *left[MOST], *right[MOST];
    size_t n_left = 0, n_right = 0;
    for (; chain != NULL && n_left < MOST; chain = chain->caller) {
        left[n_left++] = chain;
    }
    for (; other != NULL && n_right < MOST; other = other->caller) {
        right[n_right++] = other;
    }
    for (size_t i = 1; i <= n_left; ++i) {
        const CallSite *call = left[n_left - i];
        if (i > n_right || call->span.lo != right[n_right - i]->span.lo) {
            return call;
        }
    }
    return n_left == 0 ? NULL : left[n_left - 1];
}

/* One cause, one report: a block that is called twice without a name repeats all its weights. */
static void report_duplicate(Elaborator *el, Str name, const WeightEntry *first, OpPlace place)
{
    const CallSite *call = parting_call(elaborate_site(el), first->reader->site);
    Span cause = call == NULL ? place.span : call->span;
    if (el->had_errors || elaborate_has_failed(el, cause)) {
        return; /* had_errors: a name may be among what could not be parsed */
    }
    if (!elaborate_error(el, DIAG_DUPLICATE_WEIGHT, place.span, "a second weight '" STR_FMT "'", STR_ARG(name))) {
        return;
    }
    elaborate_note(el, first->reader->span, "the first is here");
    diag_chain(el->diag, first->reader->site);
    if (first->is_shared || place.is_shared) {
        elaborate_help(el, "to use one weight twice, both calls must say `as shared ...`; only one of them does");
    } else if (call != NULL && str_is_empty(call->path)) {
        elaborate_help(
            el, "name the calls of block '" STR_FMT "' with `as`, each differently: so each gets a scope of its own",
            STR_ARG(call->block));
    } else {
        elaborate_help(el, "give the calls different names with `as`, or the same weight to both with `as shared ...`");
    }
    elaborate_note_failure(el, cause);
}

/* The constant of a weight that was named before; NULL after an error. */
static Node *share_weight(Elaborator *el, Str name, const WeightEntry *entry, TensorType type, WeightRole role,
                          OpPlace place)
{
    if (!entry->is_shared || !place.is_shared) {
        report_duplicate(el, name, entry, place);
        return NULL;
    }
    if (entry->constant->attr.constant.role != role || !type_equal(entry->constant->type, type)) {
        if (elaborate_error(el, DIAG_SHARED_SHAPE, place.span,
                            "the shared weight '" STR_FMT "' is wanted as %s here, and as %s elsewhere", STR_ARG(name),
                            type_text(type).text, type_text(entry->constant->type).text)) {
            elaborate_note(el, entry->reader->span, "it got its shape here");
            diag_chain(el->diag, entry->reader->site);
        }
        return NULL;
    }
    return entry->constant;
}

static Node *new_weight(Elaborator *el, Str name, Node *node, TensorType type, WeightRole role, bool is_shared)
{
    NodeSource source = {.path = node->path, .span = node->span, .site = node->site};
    WeightEntry *entry = ARENA_NEW(el->arena, WeightEntry);
    entry->constant = graph_add_weight(el->graph, name, type, role, source);
    entry->reader = node;
    entry->is_shared = is_shared;
    map_put(el->weights, entry->constant->attr.constant.name, entry);
    return entry->constant;
}

void path_add_weights(Elaborator *el, Node *node, OpPlace place)
{
    WeightRole roles[4];
    int count = op_weights(node->op, &node->attr, roles);
    if (place.is_failed) {
        return;
    }
    for (int i = 0; i < count; ++i) {
        Str name = arena_printf(el->arena, STR_FMT ".%s", STR_ARG(node->path), role_name(roles[i]));
        TensorType type = shape_of_weight(node, roles[i]);
        const WeightEntry *entry = map_get(el->weights, name);
        Node *weight = entry == NULL ? new_weight(el, name, node, type, roles[i], place.is_shared)
                                     : share_weight(el, name, entry, type, roles[i], place);
        if (weight == NULL) {
            return; /* one report a node; the graph is given up */
        }
        graph_attach_weight(el->graph, node, weight);
    }
}
