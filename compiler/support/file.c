/* Files in and out. Output goes to a temporary file in the target's own folder, so that the final rename cannot
 * cross file systems; a symbolic link is followed first, so that the link stays and its target is replaced. */
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/path.h"
#include "support/strbuf.h"

static Str errno_reason(Arena *arena, int error)
{
    return arena_copy(arena, str_from(strerror(error)));
}

/* --- reading */

/* Opens a regular file; -1 with a reason otherwise. O_NONBLOCK keeps a pipe without writer from blocking. */
static int open_regular(Arena *arena, const char *path, struct stat *status, Str *reason)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, status) != 0) {
        *reason = errno_reason(arena, errno);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    if (!S_ISREG(status->st_mode)) {
        *reason = S_ISDIR(status->st_mode) ? STR("is a directory") : STR("is not a regular file");
        close(fd);
        return -1;
    }
    return fd;
}

static Str size_reason(Arena *arena, uint64_t max_bytes)
{
    const uint64_t mebi = 1024 * 1024;
    if (max_bytes >= mebi && max_bytes % mebi == 0) {
        return arena_printf(arena, "larger than %llu MiB", (unsigned long long)(max_bytes / mebi));
    }
    return arena_printf(arena, "larger than %llu bytes", (unsigned long long)max_bytes);
}

bool file_read(Arena *arena, const char *path, uint64_t max_bytes, Str *text, Str *reason)
{
    struct stat status;
    int fd = open_regular(arena, path, &status, reason);
    if (fd < 0) {
        return false;
    }
    uint64_t size = (uint64_t)status.st_size;
    if (size > max_bytes || size >= SIZE_MAX) {
        *reason = size_reason(arena, max_bytes);
        close(fd);
        return false;
    }
    char *bytes = arena_alloc(arena, (size_t)size + 1);
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, bytes + have, (size_t)size - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            *reason = errno_reason(arena, errno);
            close(fd);
            return false;
        }
        if (got == 0) {
            break; /* became shorter meanwhile */
        }
        have += (size_t)got;
    }
    close(fd);
    *text = (Str){bytes, have};
    return true;
}

bool file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool file_is_larger(const char *path, uint64_t bytes)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > bytes;
}

bool file_map(Arena *arena, const char *path, FileMap *map, Str *reason)
{
    struct stat status;
    int fd = open_regular(arena, path, &status, reason);
    if (fd < 0) {
        return false;
    }
    *map = (FileMap){.bytes = (const unsigned char *)"", .size = 0};
    if (status.st_size > 0) {
        if ((uint64_t)status.st_size > SIZE_MAX) {
            *reason = STR("is too large for this machine's address space");
            close(fd);
            return false;
        }
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            *reason = errno_reason(arena, errno);
            close(fd);
            return false;
        }
        *map = (FileMap){.bytes = bytes, .size = (uint64_t)status.st_size};
    }
    close(fd);
    return true;
}

void file_unmap(FileMap *map)
{
    if (map->size > 0) {
        munmap((void *)(uintptr_t)map->bytes, (size_t)map->size);
    }
    *map = (FileMap){0};
}

/* --- outputs */

struct FileOutput {
    FileOutput *next;
    Arena *arena;
    Str path;              /* as the caller wrote it */
    const char *target;    /* links followed; NULL for standard output */
    const char *temporary; /* NULL: written in place */
    const char *backup;    /* a second name of the old target while the set is being renamed */
    FILE *file;            /* NULL for standard output, and once closed */
    StrBuf text;           /* standard output's, held back until commit */
    int error;             /* errno of the first failure */
    bool existed, renamed;
    dev_t device; /* of the target, where it existed */
    ino_t inode;
};

struct FileOutputs {
    Arena *arena;
    FileOutput *first, **end;
};

FileOutputs *file_outputs_create(Arena *arena)
{
    FileOutputs *outputs = ARENA_NEW(arena, FileOutputs);
    outputs->arena = arena;
    outputs->end = &outputs->first;
    return outputs;
}

/* Follows symbolic links, also one whose target does not exist yet. NULL with errno set on failure. */
static const char *follow_links(Arena *arena, const char *path)
{
    for (int hops = 0; hops < 40; ++hops) {
        struct stat status;
        if (lstat(path, &status) != 0) {
            return errno == ENOENT ? path : NULL; /* a missing folder is found when the temporary is made */
        }
        if (!S_ISLNK(status.st_mode)) {
            return path;
        }
        size_t capacity = status.st_size > 0 ? (size_t)status.st_size + 1 : 4096; /* some links tell no size */
        char *link = arena_alloc(arena, capacity + 1);
        ssize_t length = readlink(path, link, capacity);
        if (length < 0) {
            return NULL;
        }
        Str folder = link[0] == '/' ? STR("") : path_folder(str_from(path));
        path = arena_printf(arena, STR_FMT "%s", STR_ARG(folder), link).ptr;
    }
    errno = ELOOP;
    return NULL;
}

/* A second output on the same file would silently win over the first. */
static bool is_taken(const FileOutputs *outputs, const FileOutput *wanted)
{
    for (const FileOutput *other = outputs->first; other != NULL; other = other->next) {
        if ((other->target == NULL) != (wanted->target == NULL)) {
            continue;
        }
        if (wanted->target == NULL || strcmp(other->target, wanted->target) == 0) {
            return true;
        }
        if (other->existed && wanted->existed && other->device == wanted->device && other->inode == wanted->inode) {
            return true;
        }
    }
    return false;
}

/* A new file beside the target, with the mode (and, as far as allowed, the owner) that the target has or would get. */
static FILE *open_temporary(FileOutput *output, const struct stat *old)
{
    Str folder = path_folder(str_from(output->target));
    char *name = (char *)(uintptr_t)arena_printf(output->arena, STR_FMT ".cnnc-XXXXXX", STR_ARG(folder)).ptr;
    int fd = mkstemp(name);
    if (fd < 0) {
        return NULL;
    }
    output->temporary = name;
    mode_t mode;
    if (old != NULL) {
        mode = old->st_mode & 07777;
        if ((old->st_uid != geteuid() || old->st_gid != getegid()) && fchown(fd, old->st_uid, old->st_gid) != 0) {
            mode &= 0777; /* not our file to give away: then no set-id bits either */
        }
    } else {
        mode_t mask = umask(0);
        umask(mask);
        mode = 0666 & ~mask;
    }
    FILE *file = fchmod(fd, mode) == 0 ? fdopen(fd, "wb") : NULL;
    if (file == NULL) {
        int error = errno;
        close(fd);
        unlink(name);
        output->temporary = NULL;
        errno = error;
    }
    return file;
}

static FILE *open_target(FileOutput *output)
{
    struct stat status;
    output->existed = stat(output->target, &status) == 0;
    if (!output->existed) {
        return errno == ENOENT ? open_temporary(output, NULL) : NULL;
    }
    output->device = status.st_dev;
    output->inode = status.st_ino;
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        int fd = open(output->target, O_WRONLY | O_CLOEXEC | (S_ISFIFO(status.st_mode) ? 0 : O_NOCTTY));
        return fd < 0 ? NULL : fdopen(fd, "wb");
    }
    if (access(output->target, W_OK) != 0) {
        return NULL; /* a rename would get past the write protection that the user set */
    }
    return open_temporary(output, &status);
}

FileOutput *file_output_open(FileOutputs *outputs, Str path, Str *reason)
{
    FileOutput *output = ARENA_NEW(outputs->arena, FileOutput);
    output->arena = outputs->arena;
    output->path = arena_copy(outputs->arena, path);
    if (path.len == 0) {
        *reason = STR("the name is empty");
        return NULL;
    }
    if (!str_equal(path, STR("-"))) {
        struct stat status;
        output->target = follow_links(outputs->arena, output->path.ptr);
        if (output->target == NULL) {
            *reason = errno_reason(outputs->arena, errno);
            return NULL;
        }
        if (stat(output->target, &status) == 0 && S_ISREG(status.st_mode)) {
            output->existed = true;
            output->device = status.st_dev;
            output->inode = status.st_ino;
        }
    }
    bool is_device = output->target != NULL && !output->existed && file_exists(output->target);
    if (!is_device && is_taken(outputs, output)) {
        *reason = STR("named as output twice");
        return NULL;
    }
    if (output->target != NULL) {
        output->file = open_target(output);
        if (output->file == NULL) {
            *reason = errno_reason(outputs->arena, errno);
            return NULL;
        }
    }
    *outputs->end = output;
    outputs->end = &output->next;
    return output;
}

void file_output_write(FileOutput *output, const void *bytes, size_t size)
{
    if (output->target == NULL) {
        strbuf_append(&output->text, (Str){bytes, size});
    } else if (output->error == 0 && output->file != NULL && size > 0 && fwrite(bytes, 1, size, output->file) != size) {
        output->error = errno != 0 ? errno : EIO;
    }
}

void file_output_patch(FileOutput *output, uint64_t offset, const void *bytes, size_t size)
{
    if (output->target == NULL) {
        if (offset > output->text.len || size > output->text.len - offset) {
            ICE("patch of bytes that were not written");
        }
        memcpy(output->text.ptr + offset, bytes, size);
        return;
    }
    if (output->error != 0 || output->file == NULL || size == 0) {
        return;
    }
    errno = 0;
    if (fseeko(output->file, (off_t)offset, SEEK_SET) != 0 || fwrite(bytes, 1, size, output->file) != size ||
        fseeko(output->file, 0, SEEK_END) != 0) {
        output->error = errno != 0 ? errno : EIO;
    }
}

/* Everything that can still fail by itself: the last bytes, the close. */
static bool close_file(FileOutput *output)
{
    if (output->file != NULL && fclose(output->file) != 0 && output->error == 0) {
        output->error = errno != 0 ? errno : EIO;
    }
    output->file = NULL;
    return output->error == 0;
}

static bool write_stdout(FileOutput *output)
{
    if (output->target == NULL) {
        Str text = strbuf_view(&output->text);
        if (fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout) != 0) {
            output->error = errno != 0 ? errno : EIO;
        }
    }
    return output->error == 0;
}

/* Keeps the old target under a second name, so that a later failure can bring it back. File systems without hard
 * links do without: then only the renames themselves, which practically never fail, are unguarded. */
static void keep_backup(FileOutput *output)
{
    char *name = (char *)(uintptr_t)arena_printf(output->arena, "%s", output->temporary).ptr;
    memcpy(name + strlen(name) - 12, ".old-", 5);
    if (link(output->target, name) == 0) {
        output->backup = name;
    }
}

static bool rename_one(FileOutput *output)
{
    if (output->temporary == NULL) {
        return true;
    }
    if (output->existed) {
        keep_backup(output);
    }
    if (rename(output->temporary, output->target) != 0) {
        output->error = errno;
        return false;
    }
    output->temporary = NULL;
    output->renamed = true;
    return true;
}

static void undo_renames(FileOutputs *outputs)
{
    for (FileOutput *output = outputs->first; output != NULL; output = output->next) {
        if (!output->renamed) {
            continue;
        }
        if (output->backup != NULL && rename(output->backup, output->target) == 0) {
            output->backup = NULL;
        } else if (!output->existed) {
            unlink(output->target);
        }
        output->renamed = false;
    }
}

bool file_outputs_commit(FileOutputs *outputs, Str *path, Str *reason)
{
    bool (*const steps[])(FileOutput *) = {close_file, write_stdout, rename_one};
    for (size_t step = 0; step < sizeof steps / sizeof steps[0]; ++step) {
        for (FileOutput *output = outputs->first; output != NULL; output = output->next) {
            if (!steps[step](output)) {
                undo_renames(outputs);
                *path = output->path;
                *reason = errno_reason(outputs->arena, output->error);
                file_outputs_discard(outputs);
                return false;
            }
        }
    }
    file_outputs_discard(outputs);
    return true;
}

void file_outputs_discard(FileOutputs *outputs)
{
    for (FileOutput *output = outputs->first; output != NULL; output = output->next) {
        if (output->file != NULL) {
            fclose(output->file);
            output->file = NULL;
        }
        if (output->temporary != NULL) {
            unlink(output->temporary);
            output->temporary = NULL;
        }
        if (output->backup != NULL) {
            unlink(output->backup);
            output->backup = NULL;
        }
        strbuf_free(&output->text);
    }
    outputs->first = NULL;
    outputs->end = &outputs->first;
}
