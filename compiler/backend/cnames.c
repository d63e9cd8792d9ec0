/* C identifiers: which names a network may not take, and different names for different texts in one scope.
 *
 * An identifier is reserved when a C or C++ compiler, or a header beside ours, may give it another meaning: the names
 * of reserved.def, everything of the runtime (cnn, cnn_*, in any case, because header guards are upper case), names
 * that start with an underscore or hold two in a row (C++ reserves those). */
#include "backend/cnames.h"

static const char *const reserved_names[] = {
#include "backend/reserved.def"
};

/* True where the blank-separated `list` holds `name`. */
static bool list_has(const char *list, Str name)
{
    while (*list != '\0') {
        size_t length = strcspn(list, " ");
        if (str_equal((Str){list, length}, name)) {
            return true;
        }
        list += length + (list[length] == ' ');
    }
    return false;
}

static char upper_char(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_of_runtime(Str name)
{
    return name.len >= 3 && upper_char(name.ptr[0]) == 'C' && upper_char(name.ptr[1]) == 'N' &&
           upper_char(name.ptr[2]) == 'N' && (name.len == 3 || name.ptr[3] == '_');
}

bool cname_is_reserved(Str name)
{
    if (is_of_runtime(name) || (name.len > 0 && name.ptr[0] == '_')) {
        return true;
    }
    for (size_t i = 1; i < name.len; ++i) {
        if (name.ptr[i] == '_' && name.ptr[i - 1] == '_') {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof reserved_names / sizeof reserved_names[0]; ++i) {
        if (list_has(reserved_names[i], name)) {
            return true;
        }
    }
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool cname_is_identifier(Str name)
{
    if (name.len == 0 || !(is_letter(name.ptr[0]) || name.ptr[0] == '_')) {
        return false;
    }
    for (size_t i = 1; i < name.len; ++i) {
        if (!is_letter(name.ptr[i]) && !is_digit(name.ptr[i]) && name.ptr[i] != '_') {
            return false;
        }
    }
    return true;
}

CNames cnames_create(Arena *arena)
{
    return (CNames){arena, map_create(arena)};
}

/* The identifier most like `wanted`: letters and digits kept, runs of all else made one '_', a letter in front. */
static Str sanitised(Arena *arena, Str wanted)
{
    char *text = arena_alloc(arena, wanted.len + 3);
    size_t length = 0;
    for (size_t i = 0; i < wanted.len; ++i) {
        char c = wanted.ptr[i];
        if (is_letter(c) || is_digit(c)) {
            if (length == 0 && is_digit(c)) {
                text[length++] = 'n';
            }
            text[length++] = c;
        } else if (length > 0 && text[length - 1] != '_') {
            text[length++] = '_';
        }
    }
    if (length == 0) {
        text[length++] = 'n';
    }
    return (Str){text, length};
}

Str cname_pick(CNames *names, Str wanted)
{
    Str base = sanitised(names->arena, wanted);
    const char *gap = base.ptr[base.len - 1] == '_' ? "" : "_"; /* never two underscores in a row */
    if (cname_is_reserved(base)) {
        base = is_of_runtime(base) ? arena_printf(names->arena, "n_" STR_FMT, STR_ARG(base))
                                   : arena_printf(names->arena, STR_FMT "%s", STR_ARG(base), gap);
        gap = "";
    }
    Str name = base;
    for (unsigned ordinal = 2; map_has(names->taken, name) || cname_is_reserved(name); ++ordinal) {
        name = arena_printf(names->arena, STR_FMT "%s%u", STR_ARG(base), gap, ordinal);
    }
    map_put(names->taken, name, names);
    return name;
}

Str cname_upper(Arena *arena, Str name)
{
    char *text = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; ++i) {
        text[i] = upper_char(name.ptr[i]);
    }
    return (Str){text, name.len};
}
