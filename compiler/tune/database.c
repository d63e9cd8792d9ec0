/* The tuning database: reading, writing, finding. What a line says is entry.c's. */
#include "tune/database.h"

#include "support/hash.h"
#include "tune/entry.h"

static const char first_line[] = "cnnc tuning 1";

/* --- building */

static void add_line(Arena *arena, TuningSection *section, Str text)
{
    TuningLine *line = ARENA_NEW(arena, TuningLine);
    line->text = text;
    if (section->last == NULL) {
        section->first = line;
    } else {
        section->last->next = line;
    }
    section->last = line;
}

static TuningSection *append_section(TuningDatabase *database, Str target, Str cpu, Str compiler, Str head)
{
    TuningSection *section = ARENA_NEW(database->arena, TuningSection);
    *section = (TuningSection){
        .target = target, .cpu = cpu, .compiler = compiler, .head = head, .choices = map_create(database->arena)};
    if (database->last == NULL) {
        database->first = section;
    } else {
        database->last->next = section;
    }
    database->last = section;
    return section;
}

TuningDatabase *tuning_create(Arena *arena)
{
    static const char *const head[] = {
        "# Which kernels are fastest, by target, processor and C compiler: measured by `cnnc --tune`, used by `cnnc "
        "--tuned`.",
        "# Lines may be removed (they are measured again) and copied from other files of this kind.",
    };
    TuningDatabase *database = ARENA_NEW(arena, TuningDatabase);
    database->arena = arena;
    TuningSection *preface = append_section(database, STR(""), STR(""), STR(""), STR(""));
    for (size_t i = 0; i < sizeof head / sizeof head[0]; ++i) {
        add_line(arena, preface, str_from(head[i]));
    }
    return database;
}

TuningSection *tuning_add_section(TuningDatabase *database, Str target, Str cpu, Str compiler)
{
    if (database->last->last == NULL || !str_is_empty(database->last->last->text)) {
        add_line(database->arena, database->last, STR(""));
    }
    Arena *arena = database->arena;
    Str head = arena_printf(arena, "[" STR_FMT " | " STR_FMT " | " STR_FMT "]", STR_ARG(target), STR_ARG(cpu),
                            STR_ARG(compiler));
    return append_section(database, arena_copy(arena, target), arena_copy(arena, cpu), arena_copy(arena, compiler),
                          head);
}

/* Empty lines at the end of a section stay at its end. */
static void insert_line(Arena *arena, TuningSection *section, Str text)
{
    TuningLine *after = NULL, *line = ARENA_NEW(arena, TuningLine);
    for (TuningLine *at = section->first; at != NULL; at = at->next) {
        after = str_is_empty(at->text) ? after : at;
    }
    line->text = text;
    line->next = after == NULL ? section->first : after->next;
    if (after == NULL) {
        section->first = line;
    } else {
        after->next = line;
    }
    section->last = line->next == NULL ? line : section->last;
}

void tuning_add(TuningDatabase *database, TuningSection *section, Str key, const ConvChoice *choice, Str comment)
{
    Arena *arena = database->arena;
    ConvChoice *copy = ARENA_NEW(arena, ConvChoice);
    *copy = *choice;
    key = arena_copy(arena, key);
    map_put(section->choices, key, copy);
    StrBuf text = {0};
    strbuf_printf(&text, STR_FMT " = ", STR_ARG(key));
    choice_format(choice, &text);
    strbuf_printf(&text, "%s" STR_FMT, str_is_empty(comment) ? "" : "  # ", STR_ARG(comment));
    insert_line(arena, section, arena_copy(arena, strbuf_view(&text)));
    strbuf_free(&text);
}

void tuning_text(const TuningDatabase *database, StrBuf *out)
{
    strbuf_printf(out, "%s\n", first_line);
    for (const TuningSection *section = database->first; section != NULL; section = section->next) {
        if (!str_is_empty(section->target)) {
            strbuf_printf(out, STR_FMT "\n", STR_ARG(section->head));
        }
        for (const TuningLine *line = section->first; line != NULL; line = line->next) {
            strbuf_printf(out, STR_FMT "\n", STR_ARG(line->text));
        }
    }
}

/* --- reading */

typedef struct Reader {
    TuningDatabase *database;
    Diag *diag;
    uint32_t base; /* global position of the text */
    const char *start;
    bool ok;
} Reader;

static Span span_of(const Reader *r, Str part)
{
    uint32_t lo = r->base + (uint32_t)(part.ptr - r->start);
    return (Span){lo, lo + (uint32_t)(part.len > 0 ? part.len : 1)};
}

static Str trimmed(Str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        ++text.ptr;
        --text.len;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        --text.len;
    }
    return text;
}

static Str before_comment(Str line)
{
    const char *hash = memchr(line.ptr, '#', line.len);
    return trimmed(hash == NULL ? line : (Str){line.ptr, (size_t)(hash - line.ptr)});
}

static void fault(Reader *r, Str part, Str message, const char *help)
{
    diag_error(r->diag, DIAG_TUNING_SYNTAX, span_of(r, part), STR_FMT, STR_ARG(message));
    diag_help(r->diag, "%s", help);
    r->ok = false;
}

/* Cuts off what stands before " | "; false where there is none. */
static bool cut(Str *rest, Str *part)
{
    for (size_t i = 0; i + 3 <= rest->len; ++i) {
        if (memcmp(rest->ptr + i, " | ", 3) == 0) {
            *part = (Str){rest->ptr, i};
            *rest = (Str){rest->ptr + i + 3, rest->len - i - 3};
            return true;
        }
    }
    return false;
}

static void read_head(Reader *r, Str line, Str written)
{
    static const char help[] = "a section begins with [TARGET | PROCESSOR | C COMPILER]";
    Str target, cpu, compiler = {line.ptr + 1, line.len > 1 ? line.len - 2 : 0};
    bool whole = line.len > 2 && line.ptr[line.len - 1] == ']' && cut(&compiler, &target) && cut(&compiler, &cpu) &&
                 target.len > 0 && cpu.len > 0 && compiler.len > 0 && memchr(compiler.ptr, '|', compiler.len) == NULL;
    if (!whole) {
        fault(r, line, STR("this head of a section is not complete"), help);
        return;
    }
    const Target *known = target_find(target);
    if (known == NULL || known->vector_floats == 1 || !str_equal(target, str_from(known->name))) {
        fault(r, target, STR("this is no target that can be tuned"),
              "`cnnc --help` lists targets; portable has nothing to tune");
    } else if (tuning_find(r->database, target, cpu, compiler) != NULL) {
        fault(r, line, STR("this section is there already"), "put its lines together, or remove one of them");
    }
    append_section(r->database, target, cpu, compiler, written);
}

static void read_entry(Reader *r, Str line)
{
    Arena *arena = r->database->arena;
    TuningSection *section = r->database->last;
    Entry entry;
    Str message;
    size_t at = 0;
    if (section == r->database->first) {
        fault(r, line, STR("an entry before any section"), "a section begins with [TARGET | PROCESSOR | C COMPILER]");
    } else if (!entry_parse(arena, line, &entry, &message, &at)) {
        fault(
            r, (Str){line.ptr + at, line.len - at}, message,
            "an entry is CONVOLUTION = CHOICE, as `cnnc --tune` writes it; remove the line to have it measured again");
    } else {
        ConvChoice *choice = ARENA_NEW(arena, ConvChoice);
        *choice = entry.choice;
        choice->span = span_of(r, line);
        if (map_has(section->choices, entry.key)) {
            fault(r, line, STR("this convolution has an entry in this section already"), "remove one of them");
        }
        map_put(section->choices, entry.key, choice);
    }
}

static void read_line(Reader *r, Str line)
{
    Str text = before_comment(line);
    if (text.len > 0 && text.ptr[0] == '[') {
        read_head(r, text, line);
        return;
    }
    if (text.len > 0) {
        read_entry(r, text);
    }
    add_line(r->database->arena, r->database->last, line);
}

TuningDatabase *tuning_parse(Arena *arena, Sources *sources, Diag *diag, Str path, Str text)
{
    const SourceFile *file = sources_add(sources, path, path, text);
    if (file == NULL) {
        diag_error_in(diag, DIAG_FILE_TOO_LARGE, path, "all files together have more than 4 GiB");
        return NULL;
    }
    Reader r = {.database = ARENA_NEW(arena, TuningDatabase),
                .diag = diag,
                .base = file->base,
                .start = file->text.ptr,
                .ok = true};
    r.database->arena = arena;
    append_section(r.database, STR(""), STR(""), STR(""), STR(""));
    Str rest = file->text;
    for (int number = 0; (rest.len > 0 || number == 0) && !diag_is_full(diag); ++number) {
        const char *end = rest.len == 0 ? NULL : memchr(rest.ptr, '\n', rest.len);
        Str line = {rest.ptr, end == NULL ? rest.len : (size_t)(end - rest.ptr)};
        size_t used = line.len + (end != NULL);
        rest = (Str){rest.ptr + used, rest.len - used};
        line = str_without_suffix(line, STR("\r"));
        line.len = str_equal(line, STR("\r")) ? 0 : line.len;
        if (number > 0) {
            read_line(&r, line);
        } else if (!str_equal(line, str_from(first_line))) {
            fault(&r, line, STR("this is not a tuning database of this version of cnnc"),
                  "its first line is `cnnc tuning 1`; remove the file and tune again with --tune");
            return NULL;
        }
    }
    return r.ok ? r.database : NULL;
}

/* --- finding */

TuningSection *tuning_find(const TuningDatabase *database, Str target, Str cpu, Str compiler)
{
    for (TuningSection *section = database->first; section != NULL; section = section->next) {
        if (str_equal(section->target, target) && str_equal(section->cpu, cpu) &&
            str_equal(section->compiler, compiler)) {
            return section;
        }
    }
    return NULL;
}

static bool contains(Str text, Str part)
{
    for (size_t i = 0; i + part.len <= text.len; ++i) {
        if (str_starts_with((Str){text.ptr + i, text.len - i}, part)) {
            return true;
        }
    }
    return false;
}

static void list_sections(const TuningDatabase *database, Diag *diag)
{
    for (const TuningSection *section = database->first; section != NULL; section = section->next) {
        if (!str_is_empty(section->target)) {
            diag_help(diag, "it has [" STR_FMT " | " STR_FMT " | " STR_FMT "]", STR_ARG(section->target),
                      STR_ARG(section->cpu), STR_ARG(section->compiler));
        }
    }
}

TuningSection *tuning_choose_section(const TuningDatabase *database, Diag *diag, Str path, Str target, Str wanted,
                                     Str cpu)
{
    TuningSection *any = NULL, *here = NULL;
    int n_any = 0, n_here = 0;
    for (TuningSection *section = database->first; section != NULL; section = section->next) {
        Str label =
            arena_printf(database->arena, STR_FMT " | " STR_FMT, STR_ARG(section->cpu), STR_ARG(section->compiler));
        if (str_equal(section->target, target) && contains(label, wanted)) {
            any = section;
            ++n_any;
            here = str_equal(section->cpu, cpu) ? section : here;
            n_here += str_equal(section->cpu, cpu);
        }
    }
    if (n_any == 1 || n_here == 1) {
        return n_any == 1 ? any : here;
    }
    if (n_any == 0) {
        diag_error_in(diag, DIAG_TUNING_MACHINE, path, "has no section for target " STR_FMT "%s" STR_FMT "%s",
                      STR_ARG(target), wanted.len > 0 ? " whose processor or compiler is '" : "", STR_ARG(wanted),
                      wanted.len > 0 ? "'" : "");
        diag_help(diag, "make one with --tune, or compile without --tuned");
    } else {
        diag_error_in(diag, DIAG_TUNING_MACHINE, path,
                      "has several sections for target " STR_FMT ", and this machine does not tell which one is wanted",
                      STR_ARG(target));
        diag_help(diag, "name it by a part of its processor or compiler: --tuned-for=TEXT");
    }
    list_sections(database, diag);
    return NULL;
}

uint64_t tuning_digest(const TuningSection *section, const Graph *graph, const Target *target)
{
    Arena *arena = arena_create();
    StrBuf text = {0};
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
        Str key = conv_key(arena, graph->nodes[i], target);
        const ConvChoice *choice = str_is_empty(key) ? NULL : map_get(section->choices, key);
        if (choice != NULL) {
            strbuf_printf(&text, STR_FMT " = ", STR_ARG(key));
            choice_format(choice, &text);
            strbuf_char(&text, '\n');
        }
    }
    uint64_t digest = hash_fnv1a_64(strbuf_view(&text));
    strbuf_free(&text);
    arena_destroy(arena);
    return digest;
}
