/* cnnc: from argv to an exit status. Prints what the stages have collected, and decides nothing else. */
#include <stdio.h>

#include "driver.h"

/* Writes text to a stream; false where the stream refuses (a full disk, a closed pipe). */
static bool print(FILE *stream, Str text)
{
    return fwrite(text.ptr, 1, text.len, stream) == text.len && fflush(stream) == 0;
}

int main(int argc, char **argv)
{
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    StrBuf out = {0}, log = {0};
    Options options;

    int status = EXIT_USAGE;
    if (options_parse(arena, diag, argc, argv, &options)) {
        status = driver_run(&options, arena, sources, diag, &out, &log);
    }
    print(stderr, strbuf_view(&log));
    print(stderr, diag_text(diag));
    if (out.len > 0 && !print(stdout, strbuf_view(&out))) {
        perror("cnnc: cannot write to standard output");
        status = EXIT_INPUT;
    }
    strbuf_free(&out);
    strbuf_free(&log);
    diag_destroy(diag);
    arena_destroy(arena);
    return status;
}
