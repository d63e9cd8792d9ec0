/* Names of processors and compilers, reduced to what makes timings differ, and to text that a section's head can hold. */
#include "tune/machine.h"

#include <stdio.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

/* Without the characters that have a meaning in a section's head, without blanks at the ends or in a row. */
static Str plain(Arena *arena, Str text)
{
    enum { MOST = 100 };
    char *copy = ARENA_ARRAY(arena, char, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < MOST; ++i) {
        char c = text.ptr[i];
        c = c < ' ' || c > '~' || strchr("[]|#", c) != NULL ? ' ' : c;
        if (c != ' ' || (len > 0 && copy[len - 1] != ' ')) {
            copy[len++] = c;
        }
    }
    len -= len > 0 && copy[len - 1] == ' ';
    return (Str){copy, len};
}

/* Of "key<tabs>: value" the value, at its first line; empty where there is none. */
static Str field(Str cpuinfo, Str key)
{
    for (size_t at = 0; at < cpuinfo.len;) {
        const char *line = cpuinfo.ptr + at, *end = memchr(line, '\n', cpuinfo.len - at);
        size_t len = end == NULL ? cpuinfo.len - at : (size_t)(end - line);
        const char *colon = memchr(line, ':', len);
        if (colon != NULL && str_starts_with((Str){line, len}, key)) {
            size_t name = (size_t)(colon - line);
            while (name > 0 && (line[name - 1] == '\t' || line[name - 1] == ' ')) {
                --name;
            }
            if (name == key.len) {
                size_t skip = (size_t)(colon - line) + 1;
                return (Str){line + skip, len - skip};
            }
        }
        at += len + 1;
    }
    return STR("");
}

Str machine_cpu_of_cpuinfo(Arena *arena, Str cpuinfo)
{
    Str name = plain(arena, field(cpuinfo, STR("model name")));
    Str family = plain(arena, field(cpuinfo, STR("cpu family"))), model = plain(arena, field(cpuinfo, STR("model")));
    Str implementer = plain(arena, field(cpuinfo, STR("CPU implementer")));
    Str part = plain(arena, field(cpuinfo, STR("CPU part")));
    if (name.len > 0 && family.len > 0 && model.len > 0) {
        return arena_printf(arena, STR_FMT ", family " STR_FMT " model " STR_FMT, STR_ARG(name), STR_ARG(family),
                            STR_ARG(model));
    }
    if (name.len > 0) {
        return name;
    }
    if (implementer.len > 0 && part.len > 0) {
        return arena_printf(arena, "ARM implementer " STR_FMT " part " STR_FMT, STR_ARG(implementer), STR_ARG(part));
    }
    return STR("unknown processor");
}

Str machine_cpu(Arena *arena)
{
#ifdef __APPLE__
    char name[128];
    size_t size = sizeof name - 1;
    if (sysctlbyname("machdep.cpu.brand_string", name, &size, NULL, 0) == 0) {
        return plain(arena, (Str){name, strnlen(name, size)});
    }
#endif
    enum { ENOUGH = 1 << 14 }; /* the first of the processors, which are all alike to us */
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) {
        return machine_cpu_of_cpuinfo(arena, STR(""));
    }
    char *text = ARENA_ARRAY(arena, char, ENOUGH);
    size_t len = fread(text, 1, ENOUGH, file);
    fclose(file);
    return machine_cpu_of_cpuinfo(arena, (Str){text, len});
}

static bool is_version(Str word)
{
    return word.len > 0 && word.ptr[0] >= '0' && word.ptr[0] <= '9' && memchr(word.ptr, '.', word.len) != NULL;
}

Str machine_compiler_of(Arena *arena, Str version)
{
    const char *end = version.len == 0 ? NULL : memchr(version.ptr, '\n', version.len);
    Str line = plain(arena, (Str){version.ptr, end == NULL ? version.len : (size_t)(end - version.ptr)});
    Str last = STR("");
    bool is_clang = false, is_gcc = false;
    for (size_t from = 0; from < line.len;) {
        const char *blank = memchr(line.ptr + from, ' ', line.len - from);
        Str word = {line.ptr + from, blank == NULL ? line.len - from : (size_t)(blank - line.ptr) - from};
        is_clang = is_clang || str_equal(word, STR("clang"));
        is_gcc = is_gcc || str_ends_with(word, STR("gcc")) || str_equal(word, STR("cc")) ||
                 str_starts_with(word, STR("gcc-"));
        last = is_version(word) && (is_gcc || str_is_empty(last)) ? word : last;
        from += word.len + 1;
    }
    if ((is_clang || is_gcc) && last.len > 0) {
        return arena_printf(arena, "%s " STR_FMT, is_clang ? "clang" : "gcc", STR_ARG(last));
    }
    return line.len > 0 ? line : STR("unknown compiler");
}
