/* A weights file in memory. On POSIX systems it is mapped: opening costs nothing, pages come in as they are read, and
 * all processes that map one file share them. cnn_weights_load reads it into memory of the process instead, in large
 * pages where the system has them, which spares the processor most of its work of finding pages. Elsewhere, or with
 * -DCNN_WEIGHTS_READ, both read it into memory with C's own library. In all cases whether the bytes are weights is for the network's init to say. */
#if !defined(_WIN32) && !defined(CNN_WEIGHTS_READ) && (defined(__unix__) || defined(__APPLE__))
#define CNN_WEIGHTS_MMAP 1
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1 /* madvise, anonymous memory */
#endif
#ifdef __APPLE__
#define _DARWIN_C_SOURCE 1
#endif
#endif

#include "cnn.h"

#ifdef CNN_WEIGHTS_MMAP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size of an ordinary file that is not empty. */
static cnn_status file_size(int file, size_t *size)
{
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        return CNN_ERROR_FILE_READ;
    }
    if (info.st_size == 0) {
        return CNN_ERROR_FILE_EMPTY;
    }
    if ((uintmax_t)info.st_size > SIZE_MAX) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    *size = (size_t)info.st_size;
    return CNN_OK;
}

static cnn_status map_file(int file, cnn_weights *weights)
{
    size_t size = 0;
    cnn_status status = file_size(file, &size);
    void *bytes = status == CNN_OK ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    if (bytes == MAP_FAILED) {
        return status == CNN_OK ? CNN_ERROR_OUT_OF_MEMORY : status;
    }
    weights->bytes = bytes;
    weights->size = size;
    weights->memory = bytes;
    return CNN_OK;
}

#ifdef MAP_ANONYMOUS
enum { LARGE_PAGE = 2 * 1024 * 1024 };

/* Anonymous memory of `size` bytes that begins with a large page; NULL where there is none. */
static unsigned char *large_pages(size_t size)
{
    size_t head, tail, page = (size_t)sysconf(_SC_PAGESIZE), used = (size + page - 1) / page * page;
    unsigned char *memory;
    if (size > SIZE_MAX - 2 * (size_t)LARGE_PAGE) {
        return NULL;
    }
    memory = (unsigned char *)mmap(NULL, used + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    head = (LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE) % LARGE_PAGE;
    tail = LARGE_PAGE - head;
    if (head > 0) {
        munmap(memory, head);
    }
    if (tail > 0) {
        munmap(memory + head + used, tail);
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(memory + head, used, MADV_HUGEPAGE); /* a wish: small pages serve as well */
#endif
    return memory + head;
}

static cnn_status load_file(int file, cnn_weights *weights)
{
    size_t size = 0, done = 0;
    cnn_status status = file_size(file, &size);
    unsigned char *memory = status == CNN_OK ? large_pages(size) : NULL;
    if (memory == NULL) {
        return status == CNN_OK ? CNN_ERROR_OUT_OF_MEMORY : status;
    }
    while (done < size) {
        ssize_t count = read(file, memory + done, size - done);
        if (count <= 0) {
            munmap(memory, size);
            return CNN_ERROR_FILE_READ;
        }
        done += (size_t)count;
    }
    weights->bytes = memory;
    weights->size = size;
    weights->memory = memory;
    return CNN_OK;
}
#else
#define load_file map_file
#endif

static cnn_status open_file(const char *path, cnn_weights *weights, cnn_status take(int file, cnn_weights *weights))
{
    cnn_status status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a named pipe fails instead of waiting */
    if (file < 0) {
        return CNN_ERROR_FILE_OPEN;
    }
    status = take(file, weights);
    close(file);
    return status;
}

static void release(cnn_weights *weights)
{
    munmap(weights->memory, weights->size);
}

#else

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads to the end in growing memory: the standard library has no portable way to ask for a size. */
static cnn_status read_file(FILE *file, cnn_weights *weights)
{
    size_t capacity = (size_t)1 << 20, size = 0;
    unsigned char *memory = (unsigned char *)malloc(capacity + CNN_ALIGNMENT), *larger, *aligned;
    while (memory != NULL) {
        size += fread(memory + size, 1, capacity - size, file);
        if (size < capacity) {
            break;
        }
        larger = capacity > SIZE_MAX / 4 ? NULL : (unsigned char *)realloc(memory, 2 * capacity + CNN_ALIGNMENT);
        if (larger == NULL) {
            free(memory);
        }
        memory = larger;
        capacity *= 2;
    }
    if (memory == NULL) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    if (ferror(file) || size == 0) {
        cnn_status status = ferror(file) ? CNN_ERROR_FILE_READ : CNN_ERROR_FILE_EMPTY;
        free(memory);
        return status;
    }
    aligned = memory + (CNN_ALIGNMENT - (uintptr_t)memory % CNN_ALIGNMENT) % CNN_ALIGNMENT;
    memmove(aligned, memory, size);
    weights->bytes = aligned;
    weights->size = size;
    weights->memory = memory;
    return CNN_OK;
}

static cnn_status open_file(const char *path, cnn_weights *weights, cnn_status take(FILE *file, cnn_weights *weights))
{
    cnn_status status;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return CNN_ERROR_FILE_OPEN;
    }
    status = take(file, weights);
    fclose(file);
    return status;
}

static void release(cnn_weights *weights)
{
    free(weights->memory);
}

#define map_file read_file
#define load_file read_file

#endif

static cnn_status clear(cnn_weights *weights, const char *path)
{
    if (weights == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    weights->bytes = NULL;
    weights->size = 0;
    weights->memory = NULL;
    return path == NULL ? CNN_ERROR_NULL_ARGUMENT : CNN_OK;
}

cnn_status cnn_weights_map(cnn_weights *weights, const char *path)
{
    cnn_status status = clear(weights, path);
    return status == CNN_OK ? open_file(path, weights, map_file) : status;
}

cnn_status cnn_weights_load(cnn_weights *weights, const char *path)
{
    cnn_status status = clear(weights, path);
    return status == CNN_OK ? open_file(path, weights, load_file) : status;
}

void cnn_weights_unmap(cnn_weights *weights)
{
    if (weights != NULL && weights->memory != NULL) {
        release(weights);
        weights->bytes = NULL;
        weights->size = 0;
        weights->memory = NULL;
    }
}
