/* See sandbox.h. */
#include "sandbox.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "cnn.h"
#include "support/file.h"

enum { MAX_FILE = 1 << 24 };

const char *sandbox_build(void)
{
    const char *build = getenv("CNNC_BUILD");
    return build == NULL ? "build" : build;
}

bool sandbox_has_program(const char *name)
{
    char line[128];
    int length = snprintf(line, sizeof line, "command -v '%s' > /dev/null 2>&1", name);
    cr_assert(length > 0 && (size_t)length < sizeof line, "%s: too long a name", name);
    return system(line) == 0;
}

const char *sandbox_create(Arena *arena, const char *name)
{
    const char *folder = arena_printf(arena, "%s/tmp/%s", sandbox_build(), name).ptr;
    cr_assert_eq(system(arena_printf(arena, "rm -rf '%s' && mkdir -p '%s'", folder, folder).ptr), 0);
    return folder;
}

int sandbox_run(Arena *arena, const char *folder, Str line, Str *output)
{
    int status = system(arena_printf(arena, "(" STR_FMT ") > '%s/log.txt' 2>&1", STR_ARG(line), folder).ptr);
    *output = sandbox_read(arena, folder, "log.txt");
    cr_assert(WIFEXITED(status), STR_FMT "\n" STR_FMT, STR_ARG(line), STR_ARG(*output));
    return WEXITSTATUS(status);
}

Str sandbox_expect(Arena *arena, const char *folder, Str line)
{
    Str output;
    int status = sandbox_run(arena, folder, line, &output);
    cr_assert_eq(status, 0, STR_FMT "\n" STR_FMT, STR_ARG(line), STR_ARG(output));
    return output;
}

void sandbox_write(Arena *arena, const char *folder, const char *name, Str text)
{
    FILE *file = fopen(arena_printf(arena, "%s/%s", folder, name).ptr, "w");
    cr_assert(file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len, "%s/%s", folder, name);
    cr_assert_eq(fclose(file), 0);
}

Str sandbox_read(Arena *arena, const char *folder, const char *name)
{
    Str text, reason;
    bool ok = file_read(arena, arena_printf(arena, "%s/%s", folder, name).ptr, MAX_FILE, &text, &reason);
    cr_assert(ok, "%s/%s: " STR_FMT, folder, name, STR_ARG(reason));
    return text;
}

void *sandbox_load(Arena *arena, const char *folder, const char *name)
{
    const char *path = arena_printf(arena, "%s%s/%s", folder[0] == '/' ? "" : "./", folder, name).ptr;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert(library != NULL, "%s", dlerror());
    return library;
}

void *sandbox_symbol(void *library, const char *name)
{
    void *address = dlsym(library, name);
    cr_assert(address != NULL, "%s is missing", name);
    return address;
}

void *sandbox_memory(size_t bytes, int fill)
{
    size_t size = bytes == 0 ? CNN_ALIGNMENT : (bytes + CNN_ALIGNMENT - 1) / CNN_ALIGNMENT * CNN_ALIGNMENT;
    void *memory = aligned_alloc(CNN_ALIGNMENT, size);
    cr_assert(memory != NULL);
    memset(memory, fill, size);
    return memory;
}
