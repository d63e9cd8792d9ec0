/* Finds the shipped networks: beside the program (an installation: ../share/cnnc; a build tree: some folder up, dsl/),
 * or where the program was built to be installed. */
#include "zoo.h"

#include <unistd.h>

#include "support/file.h"
#include "support/path.h"
#include "support/suggest.h"

#ifndef CNNC_DATA_DIR
#define CNNC_DATA_DIR "/usr/local/share/cnnc"
#endif

enum { INDEX_MAX_BYTES = 1 << 20, PATH_START = 256, PARENTS = 3 };

typedef struct Entry {
    Str variant, file, net, settings; /* settings: "depth=50 v1=true" */
} Entry;

/* Folder of the running program; empty where the system does not tell. */
static Str program_folder(Arena *arena)
{
    for (size_t capacity = PATH_START; capacity < (1u << 20); capacity *= 2) {
        char *path = arena_alloc(arena, capacity);
        ssize_t length = readlink("/proc/self/exe", path, capacity);
        if (length < 0) {
            break;
        }
        if ((size_t)length < capacity) {
            return path_folder((Str){path, (size_t)length});
        }
    }
    return STR("");
}

/* The folder that holds zoo/index, without a slash at its end; empty where there is none. */
static Str data_folder(Arena *arena)
{
    Str here = program_folder(arena);
    Str candidates[PARENTS + 2] = {arena_printf(arena, STR_FMT "../share/cnnc", STR_ARG(here))};
    Str up = here;
    for (int i = 0; i < PARENTS; ++i) {
        up = arena_printf(arena, STR_FMT "../", STR_ARG(up));
        candidates[1 + i] = arena_printf(arena, STR_FMT "dsl", STR_ARG(up));
    }
    candidates[PARENTS + 1] = STR(CNNC_DATA_DIR);
    for (int i = 0; i < PARENTS + 2; ++i) {
        if (file_exists(arena_printf(arena, STR_FMT "/zoo/index", STR_ARG(candidates[i])).ptr)) {
            return candidates[i];
        }
    }
    return STR("");
}

static Str take_line(Str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    Str line = {text->ptr, end == NULL ? text->len : (size_t)(end - text->ptr)};
    size_t used = line.len + (end != NULL);
    *text = (Str){text->ptr + used, text->len - used};
    return line;
}

static void skip_blanks(Str *line)
{
    while (line->len > 0 && line->ptr[0] == ' ') {
        *line = (Str){line->ptr + 1, line->len - 1};
    }
}

static Str take_word(Str *line)
{
    skip_blanks(line);
    Str word = {line->ptr, 0};
    while (word.len < line->len && line->ptr[word.len] != ' ') {
        ++word.len;
    }
    *line = (Str){line->ptr + word.len, line->len - word.len};
    return word;
}

/* The next variant of the index's text; false at its end. */
static bool take_entry(Str *text, Entry *entry)
{
    while (text->len > 0) {
        Str line = take_line(text);
        Str variant = take_word(&line);
        if (variant.len == 0 || variant.ptr[0] == '#') {
            continue;
        }
        *entry = (Entry){.variant = variant, .file = take_word(&line), .net = take_word(&line)};
        skip_blanks(&line);
        entry->settings = line;
        return true;
    }
    return false;
}

static bool read_index(Arena *arena, Diag *diag, Str *folder, Str *text)
{
    Str reason;
    *folder = data_folder(arena);
    if (str_is_empty(*folder)) {
        diag_error_in(diag, DIAG_FILE_UNREADABLE, STR("zoo"),
                      "the shipped networks are not here: no zoo/index under " CNNC_DATA_DIR);
        diag_help(diag, "`make install` installs them; or name a .net file");
        return false;
    }
    Str path = arena_printf(arena, STR_FMT "/zoo/index", STR_ARG(*folder));
    if (!file_read(arena, path.ptr, INDEX_MAX_BYTES, text, &reason)) {
        diag_error_in(diag, DIAG_FILE_UNREADABLE, path, "cannot read: " STR_FMT, STR_ARG(reason));
        return false;
    }
    return true;
}

static bool is_defined(const FrontendOptions *frontend, Str name)
{
    for (size_t i = 0; i < frontend->n_defines; ++i) {
        if (str_equal(frontend->defines[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The index's settings before the user's own, which win. */
static void add_settings(Arena *arena, FrontendOptions *frontend, Str settings)
{
    size_t capacity = frontend->n_defines + settings.len;
    Definement *defines = ARENA_ARRAY(arena, Definement, capacity + 1);
    size_t count = 0;
    for (Str word = take_word(&settings); word.len > 0; word = take_word(&settings)) {
        const char *equals = memchr(word.ptr, '=', word.len);
        if (equals == NULL) {
            continue;
        }
        Str name = {word.ptr, (size_t)(equals - word.ptr)};
        if (!is_defined(frontend, name)) {
            defines[count++] = (Definement){name, {equals + 1, word.len - name.len - 1}};
        }
    }
    for (size_t i = 0; i < frontend->n_defines; ++i) {
        defines[count++] = frontend->defines[i];
    }
    frontend->defines = defines;
    frontend->n_defines = count;
}

/* "googlenet_tv+aux" -> "googlenet_tv_aux": a name for files and C. */
static Str plain_name(Arena *arena, Str variant)
{
    char *name = (char *)(uintptr_t)arena_cstr(arena, variant);
    for (size_t i = 0; i < variant.len; ++i) {
        name[i] = name[i] == '+' ? '_' : name[i];
    }
    return (Str){name, variant.len};
}

bool zoo_resolve(Options *options, Arena *arena, Diag *diag)
{
    Str prefix = STR("zoo:");
    if (!str_starts_with(options->model, prefix)) {
        return true;
    }
    Str wanted = {options->model.ptr + prefix.len, options->model.len - prefix.len}, folder, text;
    if (!read_index(arena, diag, &folder, &text)) {
        return false;
    }
    Suggest suggest = suggest_start(wanted);
    for (Entry entry; take_entry(&text, &entry);) {
        if (!str_equal(entry.variant, wanted)) {
            suggest_consider(&suggest, entry.variant);
            continue;
        }
        options->model = arena_printf(arena, STR_FMT "/zoo/" STR_FMT, STR_ARG(folder), STR_ARG(entry.file));
        options->stem = plain_name(arena, entry.variant);
        options->name = str_is_empty(options->name) ? options->stem : options->name;
        options->frontend.net = str_is_empty(options->frontend.net) ? entry.net : options->frontend.net;
        options->frontend.with_training_outputs |= str_ends_with(entry.variant, STR("+aux"));
        add_settings(arena, &options->frontend, entry.settings);
        return true;
    }
    diag_error_in(diag, DIAG_UNKNOWN_NET, options->model, "the zoo has no network of this name");
    if (str_is_empty(suggest.best)) {
        diag_help(diag, "`cnnc --list-zoo` lists them");
    } else {
        diag_help(diag, "did you mean 'zoo:" STR_FMT "'?", STR_ARG(suggest.best));
    }
    return false;
}

bool zoo_list(Arena *arena, Diag *diag, StrBuf *out)
{
    Str folder, text;
    if (!read_index(arena, diag, &folder, &text)) {
        return false;
    }
    for (Entry entry; take_entry(&text, &entry);) {
        strbuf_printf(out, "%-36.*s  %-20.*s  " STR_FMT, STR_ARG(entry.variant), STR_ARG(entry.file),
                      STR_ARG(entry.net));
        for (Str word = take_word(&entry.settings); word.len > 0; word = take_word(&entry.settings)) {
            strbuf_printf(out, " -D " STR_FMT, STR_ARG(word));
        }
        strbuf_char(out, '\n');
    }
    return true;
}
