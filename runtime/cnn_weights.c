/* A weights file in memory. On POSIX systems it is mapped: opening costs nothing, pages come in as they are read, and
 * all processes that map one file share them. Elsewhere, or with -DCNN_WEIGHTS_READ, it is read into memory with C's
 * own library. In both cases whether the bytes are weights is for the network's init to say. */
#if !defined(_WIN32) && !defined(CNN_WEIGHTS_READ) && (defined(__unix__) || defined(__APPLE__))
#define CNN_WEIGHTS_MMAP 1
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#endif

#include "cnn.h"

#ifdef CNN_WEIGHTS_MMAP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static cnn_status map_file(int file, cnn_weights *weights)
{
    struct stat info;
    void *bytes;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        return CNN_ERROR_FILE_READ;
    }
    if (info.st_size == 0) {
        return CNN_ERROR_FILE_EMPTY;
    }
    if ((uintmax_t)info.st_size > SIZE_MAX) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    weights->bytes = bytes;
    weights->size = (size_t)info.st_size;
    weights->memory = bytes;
    return CNN_OK;
}

static cnn_status open_and_map(const char *path, cnn_weights *weights)
{
    cnn_status status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a named pipe fails instead of waiting */
    if (file < 0) {
        return CNN_ERROR_FILE_OPEN;
    }
    status = map_file(file, weights);
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

static cnn_status open_and_map(const char *path, cnn_weights *weights)
{
    cnn_status status;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return CNN_ERROR_FILE_OPEN;
    }
    status = read_file(file, weights);
    fclose(file);
    return status;
}

static void release(cnn_weights *weights)
{
    free(weights->memory);
}

#endif

cnn_status cnn_weights_map(cnn_weights *weights, const char *path)
{
    if (weights == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    weights->bytes = NULL;
    weights->size = 0;
    weights->memory = NULL;
    return path == NULL ? CNN_ERROR_NULL_ARGUMENT : open_and_map(path, weights);
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
