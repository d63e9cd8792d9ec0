/* Names: which definitions a file sees, and the variables of the frames.
 *
 * A name has one Symbol for the whole elaboration; its bindings form a stack. A frame sees a binding only if it made
 * it, for blocks see no variables of their callers. So looking up, declaring and ending cost constant time, and a loop
 * of millions of turns takes no memory: ended variables are used again. */
#include "frontend/elaborate.h"

/* --- files and definitions */

static FileScope *find_file(const Elaborator *el, const AstFile *file)
{
    for (size_t i = 0; i < el->n_files; ++i) {
        if (el->files[i]->file == file) {
            return el->files[i];
        }
    }
    return NULL;
}

/* Adds the blocks of `from` (not its nets: only a file's own nets can be compiled) to what `scope` sees. */
static void see_import(Elaborator *el, FileScope *scope, const FileScope *from, Span import)
{
    for (size_t i = 0; i < map_count(from->visible); ++i) {
        Block *block = map_value_at(from->visible, i);
        if (block->definition->is_net) {
            continue;
        }
        Block *other = map_get(scope->visible, block->definition->name);
        if (other == NULL) {
            map_put(scope->visible, block->definition->name, block);
        } else if (other != block) {
            if (elaborate_error(el, DIAG_DUPLICATE_DEFINITION, import,
                                "this import brings a second block '" STR_FMT "'", STR_ARG(block->definition->name))) {
                elaborate_note(el, other->definition->name_span, "the first is here");
                elaborate_note(el, block->definition->name_span, "the second is here");
            }
        }
    }
}

static void see_own(Elaborator *el, FileScope *scope)
{
    const AstFile *file = scope->file;
    scope->blocks = ARENA_ARRAY(el->arena, Block, file->n_definitions);
    for (size_t i = 0; i < file->n_definitions; ++i) {
        const Definition *definition = &file->definitions[i];
        Block *block = &scope->blocks[i];
        *block = (Block){.definition = definition, .home = scope};
        Block *other = map_get(scope->visible, definition->name);
        if (other == NULL) {
            map_put(scope->visible, definition->name, block);
        } else if (elaborate_error(el, DIAG_DUPLICATE_DEFINITION, definition->name_span,
                                   "'" STR_FMT "' is defined twice", STR_ARG(definition->name))) {
            elaborate_note(el, other->definition->name_span, "the first definition is here");
        }
    }
}

FileScope *names_load(Elaborator *el, const AstFile *file)
{
    FileScope *scope = find_file(el, file);
    if (scope != NULL) {
        return scope;
    }
    scope = ARENA_NEW(el->arena, FileScope);
    scope->file = file;
    scope->visible = map_create(el->arena);
    el->files = arena_grow(el->arena, el->files, el->n_files, &el->file_capacity, sizeof(FileScope *));
    el->files[el->n_files++] = scope;
    see_own(el, scope);
    for (size_t i = 0; i < file->n_imports; ++i) {
        const Import *import = &file->imports[i];
        if (import->file == NULL || !elaborate_enter(el, import->span)) {
            continue;
        }
        see_import(el, scope, names_load(el, import->file), import->span);
        elaborate_leave(el);
    }
    return scope;
}

Block *names_block(const FileScope *scope, Str name)
{
    return map_get(scope->visible, name);
}

/* --- variables */

static Symbol *find_symbol(Elaborator *el, Str name)
{
    Symbol *symbol = map_get(el->symbols, name);
    if (symbol == NULL) {
        symbol = ARENA_NEW(el->arena, Symbol);
        symbol->name = name; /* from the source text, or a parameter's: outlives the elaboration */
        map_put(el->symbols, name, symbol);
    }
    return symbol;
}

Variable *names_variable(const Elaborator *el, Str name)
{
    Symbol *symbol = map_get(el->symbols, name);
    bool is_live = symbol != NULL && symbol->top != NULL && symbol->top->frame == el->frame;
    return is_live ? symbol->top : NULL;
}

void names_declare(Elaborator *el, NameRef name, Value value)
{
    Symbol *symbol = find_symbol(el, name.name);
    Variable *variable = el->free_variables;
    if (variable != NULL) {
        el->free_variables = variable->older;
    } else {
        variable = ARENA_NEW(el->arena, Variable);
    }
    *variable = (Variable){.value = value,
                           .frame = el->frame,
                           .symbol = symbol,
                           .hidden = symbol->top,
                           .older = el->frame->variables,
                           .level = el->frame->level,
                           .declared = name.span};
    symbol->top = variable;
    el->frame->variables = variable;
}

void names_assign(Elaborator *el, NameRef name, Value value)
{
    Variable *variable = names_variable(el, name.name);
    if (variable != NULL) {
        variable->value = value;
    } else {
        names_declare(el, name, value);
    }
}

void names_open(Elaborator *el)
{
    ++el->frame->level;
}

void names_close(Elaborator *el)
{
    Frame *frame = el->frame;
    while (frame->variables != NULL && frame->variables->level == frame->level) {
        Variable *variable = frame->variables;
        frame->variables = variable->older;
        variable->symbol->top = variable->hidden;
        variable->symbol->ended_frame = frame->serial;
        variable->symbol->ended = variable->declared;
        variable->older = el->free_variables;
        el->free_variables = variable;
    }
    --frame->level;
}

bool names_ended(const Elaborator *el, Str name, Span *declared)
{
    Symbol *symbol = map_get(el->symbols, name);
    if (symbol == NULL || symbol->ended_frame != el->frame->serial) {
        return false;
    }
    *declared = symbol->ended;
    return true;
}

void names_poison(Elaborator *el)
{
    for (Variable *variable = el->frame->variables; variable != NULL; variable = variable->older) {
        variable->value = value_error();
    }
}

/* --- statements that could not be parsed */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t skip_blanks(Str text, size_t at)
{
    while (at < text.len && strchr(" \t\r\n", text.ptr[at]) != NULL) {
        ++at;
    }
    return at;
}

/* The word at `*at`, which moves behind it and the blanks that follow. */
static Str take_word(Str text, size_t *at)
{
    size_t end = *at;
    while (end < text.len &&
           (is_letter(text.ptr[end]) || (end > *at && text.ptr[end] >= '0' && text.ptr[end] <= '9'))) {
        ++end;
    }
    Str word = {text.ptr + *at, end - *at};
    *at = skip_blanks(text, end);
    return word;
}

static bool has_char(Str text, size_t at, char c)
{
    return at < text.len && text.ptr[at] == c;
}

bool names_of_broken(Elaborator *el, const Stmt *stmt, NameList *names)
{
    const SourceFile *file = sources_locate(el->sources, stmt->span.lo).file;
    *names = (NameList){0};
    if (file == NULL || stmt->span.hi - file->base > file->text.len) {
        return false;
    }
    Str text = {file->text.ptr + (stmt->span.lo - file->base), stmt->span.hi - stmt->span.lo};
    size_t at = 0;
    Str word = take_word(text, &at);
    if (str_equal(word, STR("output"))) {
        return true;
    }
    bool is_input = str_equal(word, STR("input"));
    if (is_input) {
        word = take_word(text, &at);
    }
    for (;;) {
        if (str_is_empty(word)) {
            return false;
        }
        uint32_t lo = file->base + (uint32_t)(word.ptr - file->text.ptr);
        names->items = arena_grow(el->arena, names->items, names->count, &names->capacity, sizeof(NameRef));
        names->items[names->count++] = (NameRef){word, {lo, lo + (uint32_t)word.len}};
        if (is_input || !has_char(text, at, ',')) {
            return is_input || (has_char(text, at, '=') && !has_char(text, at + 1, '='));
        }
        at = skip_blanks(text, at + 1);
        word = take_word(text, &at);
    }
}

/* --- suggestions */

void names_suggest_variables(const Elaborator *el, Suggest *suggest)
{
    for (const Variable *variable = el->frame->variables; variable != NULL; variable = variable->older) {
        suggest_consider(suggest, variable->symbol->name);
    }
}

void names_suggest_calls(const FileScope *scope, Suggest *suggest)
{
    for (size_t i = 0; i < map_count(scope->visible); ++i) {
        const Block *block = map_value_at(scope->visible, i);
        if (!block->definition->is_net) {
            suggest_consider(suggest, block->definition->name);
        }
    }
    for (int op = 0; op < OP_COUNT; ++op) {
        suggest_consider(suggest, str_from(op_info((OpKind)op)->name));
    }
    for (size_t i = 0; !str_is_empty(builtin_name_at(i)); ++i) {
        suggest_consider(suggest, builtin_name_at(i));
    }
}
