/* From a path to syntax trees: reads a file, checks its bytes, parses it, and does the same, once each, with the
 * files that it imports. A file is known by its canonical path, whichever way an import spells it. */
#include "frontend/frontend.h"

#include <dirent.h>
#include <stdlib.h>

#include "frontend/parser.h"
#include "support/file.h"
#include "support/map.h"
#include "support/path.h"
#include "support/suggest.h"

static const uint64_t max_file_bytes = 16 * 1024 * 1024;
enum { MAX_IMPORT_DEPTH = 256 };

typedef struct Loading { /* a file whose imports are being loaded */
    const struct Loading *importer;
    Str key;
    const Import *import; /* the one at work */
} Loading;

typedef struct Loader {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    const FrontendOptions *options;
    Map *files; /* canonical path -> AstFile; absent while its imports are still being loaded */
} Loader;

static void load_imports(Loader *loader, AstFile *file, Str key, const Loading *importer, size_t depth);

/* --- paths */

/* Links and dots resolved; the path itself where there is no such file (texts that are only in memory). */
static Str canonical(Arena *arena, Str path)
{
    char *real = realpath(arena_cstr(arena, path), NULL);
    if (real == NULL) {
        return path;
    }
    Str copy = arena_copy(arena, str_from(real));
    free(real);
    return copy;
}

/* "zoo/../blocks/a.net" -> "blocks/a.net", "./a.net" -> "a.net": shorter in messages, where it is the same file. */
static Str tidy(Arena *arena, Str path)
{
    char *text = arena_alloc(arena, path.len + 1);
    size_t length = 0;
    for (size_t at = 0; at < path.len;) {
        size_t end = at;
        while (end < path.len && path.ptr[end] != '/') {
            ++end;
        }
        Str part = {path.ptr + at, end - at};
        bool is_last = end == path.len;
        Str before = path_folder((Str){text, length > 0 ? length - 1 : 0});
        Str parent = {text + before.len, length - before.len}; /* "zoo/" */
        bool removable = parent.len > 1 && !str_equal(parent, STR("../"));
        at = is_last ? end : end + 1;
        if (str_equal(part, STR(".")) && !is_last) {
            continue;
        }
        if (str_equal(part, STR("..")) && !is_last && removable) {
            length = before.len;
            continue;
        }
        memcpy(text + length, part.ptr, part.len);
        length += part.len;
        if (!is_last) {
            text[length++] = '/';
        }
    }
    Str tidied = {text, length};
    return str_equal(canonical(arena, tidied), canonical(arena, path)) ? tidied : path;
}

/* --- one file */

/* Offset of the first byte that is no part of valid UTF-8; text.len where all is well. */
static size_t valid_utf8(Str text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    for (size_t i = 0; i < text.len;) {
        if (bytes[i] < 0x80) {
            ++i;
            continue;
        }
        size_t length = bytes[i] >= 0xF0 ? 4 : bytes[i] >= 0xE0 ? 3 : 2;
        if (bytes[i] < 0xC2 || bytes[i] > 0xF4 || length > text.len - i) {
            return i;
        }
        /* Too long forms, surrogates and what lies beyond U+10FFFF show in the second byte. */
        unsigned char low = bytes[i] == 0xE0 ? 0xA0 : bytes[i] == 0xF0 ? 0x90 : 0x80;
        unsigned char high = bytes[i] == 0xED ? 0x9F : bytes[i] == 0xF4 ? 0x8F : 0xBF;
        if (bytes[i + 1] < low || bytes[i + 1] > high) {
            return i;
        }
        for (size_t k = 2; k < length; ++k) {
            if ((bytes[i + k] & 0xC0) != 0x80) {
                return i;
            }
        }
        i += length;
    }
    return text.len;
}

static bool check_utf8(Diag *diag, const SourceFile *source)
{
    Str text = source->text;
    size_t at = valid_utf8(text);
    if (at == text.len) {
        return true;
    }
    uint32_t place = source->base + (uint32_t)at;
    diag_error(diag, DIAG_INVALID_UTF8, (Span){place, place + 1}, "byte 0x%02X is not valid UTF-8",
               (unsigned char)text.ptr[at]);
    bool utf16 =
        at == 0 && text.len >= 2 && (memcmp(text.ptr, "\xFF\xFE", 2) == 0 || memcmp(text.ptr, "\xFE\xFF", 2) == 0);
    diag_help(diag, utf16 ? "the file seems to be UTF-16: save it as UTF-8" : "save the file as UTF-8");
    return false;
}

/* Reports where the file stands as a whole: at the import that asked for it, or by its path. */
PRINTF(5, 6)
static void file_error(Loader *loader, DiagId id, Str path, const Import *import, const char *format, ...)
{
    StrBuf message = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    if (import == NULL) {
        diag_error_in(loader->diag, id, path, STR_FMT, STR_ARG(strbuf_view(&message)));
    } else {
        diag_error(loader->diag, id, import->span, "cannot import '" STR_FMT "': " STR_FMT, STR_ARG(path),
                   STR_ARG(strbuf_view(&message)));
    }
    strbuf_free(&message);
}

/* Parses a text and loads what it imports. NULL where it is too large. */
static AstFile *load_text(Loader *loader, Str path, Str name, Str text, const Import *import, const Loading *importer,
                          size_t depth)
{
    if (text.len > max_file_bytes) {
        file_error(loader, DIAG_FILE_TOO_LARGE, path, import, "larger than 16 MiB");
        return NULL;
    }
    const SourceFile *source = sources_add(loader->sources, path, name, text);
    if (source == NULL) {
        file_error(loader, DIAG_FILE_TOO_LARGE, path, import, "all files together have more than 4 GiB");
        return NULL;
    }
    AstFile *file;
    if (check_utf8(loader->diag, source)) {
        file = parser_run(loader->arena, loader->diag, source);
    } else {
        file = ARENA_NEW(loader->arena, AstFile);
        file->source = source;
    }
    Str key = canonical(loader->arena, path);
    load_imports(loader, file, key, importer, depth);
    map_put(loader->files, key, file);
    return file;
}

static AstFile *load_path(Loader *loader, Str path, Str name, const Import *import, const Loading *importer,
                          size_t depth)
{
    Str text, reason;
    const char *c_path = arena_cstr(loader->arena, path);
    if (!file_read(loader->arena, c_path, max_file_bytes, &text, &reason)) {
        DiagId id = file_is_larger(c_path, max_file_bytes) ? DIAG_FILE_TOO_LARGE : DIAG_FILE_UNREADABLE;
        file_error(loader, id, path, import, STR_FMT, STR_ARG(reason));
        return NULL;
    }
    return load_text(loader, path, name, text, import, importer, depth);
}

/* --- imports */

/* The nearest name among the files of the folder in which the import was sought. */
static void suggest_file(Loader *loader, Str folder, Str written)
{
    Str wanted = path_name(written), written_folder = path_folder(written);
    Str place = arena_printf(loader->arena, STR_FMT STR_FMT ".", STR_ARG(folder), STR_ARG(written_folder));
    DIR *listing = opendir(place.ptr);
    if (listing == NULL) {
        return;
    }
    Suggest suggest = suggest_start(wanted);
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        Str candidate = str_from(entry->d_name);
        bool is_net = candidate.len > 4 && strcmp(candidate.ptr + candidate.len - 4, ".net") == 0;
        size_t best = suggest.distance;
        Str kept = suggest.best;
        if (is_net) {
            suggest_consider(&suggest, candidate);
        }
        if (suggest.best.ptr == candidate.ptr) {
            /* The order of a folder is arbitrary: of equally near names the first in the alphabet is taken. */
            suggest.best = arena_copy(loader->arena, candidate);
        } else if (kept.len > 0 && is_net) {
            Suggest alone = suggest_start(wanted);
            suggest_consider(&alone, candidate);
            if (alone.best.len > 0 && alone.distance == best && strcmp(candidate.ptr, kept.ptr) < 0) {
                suggest.best = arena_copy(loader->arena, candidate);
            }
        }
    }
    closedir(listing);
    if (suggest.best.len > 0) {
        diag_help(loader->diag, "did you mean \"" STR_FMT STR_FMT "\"?", STR_ARG(written_folder),
                  STR_ARG(suggest.best));
    }
}

static Str candidate_path(Loader *loader, Str folder, Str written)
{
    bool needs_slash = folder.len > 0 && folder.ptr[folder.len - 1] != '/';
    return arena_printf(loader->arena, STR_FMT "%s" STR_FMT, STR_ARG(folder), needs_slash ? "/" : "", STR_ARG(written));
}

/* The folder of the importing file first, then the include folders. False (reported) where there is no such file. */
static bool find_import(Loader *loader, const AstFile *file, const Import *import, Str *path)
{
    Str own = path_folder(file->source->path);
    bool absolute = import->path.len > 0 && import->path.ptr[0] == '/';
    size_t n_include = absolute || loader->options == NULL ? 0 : loader->options->n_include_dirs;
    for (size_t i = 0; import->path.len > 0 && i <= n_include; ++i) {
        Str folder = absolute ? STR("") : i == 0 ? own : loader->options->include_dirs[i - 1];
        *path = candidate_path(loader, folder, import->path);
        if (file_exists(arena_cstr(loader->arena, *path))) {
            return true;
        }
    }
    diag_error(loader->diag, DIAG_IMPORT_NOT_FOUND, import->span, "cannot find \"" STR_FMT "\"", STR_ARG(import->path));
    if (import->path.len > 0) {
        StrBuf sought = {0};
        for (size_t i = 0; i <= n_include; ++i) {
            Str folder = absolute ? path_folder(import->path) : i == 0 ? own : loader->options->include_dirs[i - 1];
            strbuf_printf(&sought, "%s'" STR_FMT "'", i > 0 ? ", " : "", STR_ARG(folder.len > 0 ? folder : STR(".")));
        }
        diag_help(loader->diag, "sought in " STR_FMT "; other folders are named with -I",
                  STR_ARG(strbuf_view(&sought)));
        strbuf_free(&sought);
        suggest_file(loader, absolute ? STR("") : own, import->path);
    }
    return false;
}

static void report_cycle(Loader *loader, const Import *import, const Loading *innermost, Str key)
{
    diag_error(loader->diag, DIAG_IMPORT_CYCLE, import->span, "\"" STR_FMT "\" imports itself%s", STR_ARG(import->path),
               str_equal(innermost->key, key) ? "" : ", by way of others");
    for (const Loading *l = innermost; !str_equal(l->key, key); l = l->importer) {
        const Import *by = l->importer->import;
        diag_note(loader->diag, by->span, "\"" STR_FMT "\" is imported here", STR_ARG(by->path));
    }
    diag_help(loader->diag, "move what both files need into a third one");
}

static void load_imports(Loader *loader, AstFile *file, Str key, const Loading *importer, size_t depth)
{
    Loading loading = {.importer = importer, .key = key};
    for (size_t i = 0; i < file->n_imports; ++i) {
        Import *import = &file->imports[i];
        loading.import = import;
        Str path;
        if (!find_import(loader, file, import, &path)) {
            continue;
        }
        Str import_key = canonical(loader->arena, path);
        const Loading *open = &loading;
        while (open != NULL && !str_equal(open->key, import_key)) {
            open = open->importer;
        }
        if (open != NULL) {
            report_cycle(loader, import, &loading, import_key);
        } else if (map_has(loader->files, import_key)) {
            import->file = map_get(loader->files, import_key); /* NULL: was reported at its first import */
        } else if (depth >= MAX_IMPORT_DEPTH) {
            diag_error(loader->diag, DIAG_CALL_DEPTH, import->span, "imports are nested more than %d deep",
                       MAX_IMPORT_DEPTH);
        } else {
            AstFile *imported = load_path(loader, tidy(loader->arena, path), import->path, import, &loading, depth + 1);
            import->file = imported;
            map_put(loader->files, import_key, imported);
        }
    }
}

/* --- entry */

static Loader loader_make(Arena *arena, Sources *sources, Diag *diag, const FrontendOptions *options)
{
    return (Loader){.arena = arena, .sources = sources, .diag = diag, .options = options, .files = map_create(arena)};
}

AstFile *frontend_parse(Arena *arena, Sources *sources, Diag *diag, Str path, const FrontendOptions *options)
{
    Loader loader = loader_make(arena, sources, diag, options);
    return load_path(&loader, path, path_name(path), NULL, NULL, 0);
}

AstFile *frontend_parse_text(Arena *arena, Sources *sources, Diag *diag, Str path, Str text,
                             const FrontendOptions *options)
{
    Loader loader = loader_make(arena, sources, diag, options);
    return load_text(&loader, path, path_name(path), text, NULL, NULL, 0);
}
