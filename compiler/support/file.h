/* Files: read whole, map read-only, and write all-or-nothing. */
#ifndef CNNC_SUPPORT_FILE_H
#define CNNC_SUPPORT_FILE_H

#include <stdint.h>

#include "support/arena.h"

/* Reads a regular file of at most max_bytes into the arena. On failure returns false and sets *reason
 * (a phrase such as "No such file or directory" or "is a directory" or "larger than 16 MiB"). */
bool file_read(Arena *arena, const char *path, uint64_t max_bytes, Str *text, Str *reason);
bool file_exists(const char *path);
bool file_is_larger(const char *path, uint64_t bytes); /* a regular file of more than so many bytes */

typedef struct FileMap {
    const unsigned char *bytes;
    uint64_t size;
} FileMap;
bool file_map(Arena *arena, const char *path, FileMap *map, Str *reason); /* read-only mmap */
void file_unmap(FileMap *map);

/* A set of output files that appear together or not at all: each is written to a temporary file beside
 * its target; file_outputs_commit flushes, checks and renames all; file_outputs_discard removes the
 * temporaries. An existing target keeps its mode; "-" is standard output; special files (/dev/null,
 * /dev/full, pipes) are written in place. */
typedef struct FileOutputs FileOutputs;
typedef struct FileOutput FileOutput;

FileOutputs *file_outputs_create(Arena *arena);
FileOutput *file_output_open(FileOutputs *outputs, Str path, Str *reason);  /* NULL on failure */
void file_output_write(FileOutput *output, const void *bytes, size_t size); /* errors are kept for commit */
/* Overwrites bytes written before, at `offset` from the start. A pipe or other special file cannot be patched: an error
 * kept for commit. */
void file_output_patch(FileOutput *output, uint64_t offset, const void *bytes, size_t size);
/* On failure says which one, and why; then nothing was renamed. */
bool file_outputs_commit(FileOutputs *outputs, Str *path, Str *reason);
void file_outputs_discard(FileOutputs *outputs); /* safe after commit too */

#endif
