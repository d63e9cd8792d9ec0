/* runtime/cnn.h and cnn_weights.c: status texts, files good and bad, in memory by mmap and by plain reading. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../../runtime/cnn_weights.c"

/* The variant for systems without mmap, compiled into the same program under other names. */
#define CNN_WEIGHTS_READ
#undef CNN_WEIGHTS_MMAP
#define cnn_weights_map read_weights_map
#define cnn_weights_load read_weights_load
#define cnn_weights_unmap read_weights_unmap
#define clear read_clear
#define open_file read_open_file
#undef load_file
#define release read_release
cnn_status read_weights_map(cnn_weights *weights, const char *path);
cnn_status read_weights_load(cnn_weights *weights, const char *path);
void read_weights_unmap(cnn_weights *weights);
#include "../../runtime/cnn_weights.c"
#undef cnn_weights_map
#undef cnn_weights_load
#undef cnn_weights_unmap

Test(runtime, every_status_has_a_text_of_its_own)
{
    for (int i = 0; i <= (int)CNN_ERROR_PROCESSOR; ++i) {
        const char *text = cnn_status_text((cnn_status)i);
        cr_assert(text != NULL && strlen(text) > 5);
        cr_assert(strcmp(text, "unknown status") != 0, "status %d has no text", i);
        for (int j = 0; j < i; ++j) {
            cr_assert(strcmp(text, cnn_status_text((cnn_status)j)) != 0, "statuses %d and %d have one text", i, j);
        }
    }
    cr_assert_str_eq(cnn_status_text((cnn_status)12345), "unknown status");
}

static const char *test_folder(const char *test)
{
    static char folder[512];
    const char *build = getenv("CNNC_BUILD") == NULL ? "build" : getenv("CNNC_BUILD");
    char command[1200];
    snprintf(folder, sizeof folder, "%s/tmp/runtime-%s", build, test);
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", folder, folder);
    cr_assert_eq(system(command), 0);
    return folder;
}

static void write_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL);
    for (size_t i = 0; i < bytes; ++i) {
        fputc((int)(i * 31 % 251), file);
    }
    cr_assert_eq(fclose(file), 0);
}

typedef cnn_status Mapper(cnn_weights *weights, const char *path);
typedef void Unmapper(cnn_weights *weights);

static void check_mapper(const char *test, Mapper *map, Unmapper *unmap)
{
    const char *folder = test_folder(test);
    char path[600];
    cnn_weights weights;
    static const size_t sizes[] = {1, 64, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        snprintf(path, sizeof path, "%s/good", folder);
        write_file(path, sizes[i]);
        memset(&weights, 0xFF, sizeof weights);
        cr_assert_eq(map(&weights, path), CNN_OK);
        cr_assert_eq(weights.size, sizes[i]);
        cr_assert_eq((uintptr_t)weights.bytes % CNN_ALIGNMENT, 0u);
        for (size_t k = 0; k < weights.size; ++k) {
            cr_assert_eq(((const unsigned char *)weights.bytes)[k], (unsigned char)(k * 31 % 251));
        }
        unmap(&weights);
        cr_assert(weights.bytes == NULL && weights.size == 0 && weights.memory == NULL);
        unmap(&weights); /* a second time does no harm */
    }

    snprintf(path, sizeof path, "%s/absent", folder);
    memset(&weights, 0xFF, sizeof weights);
    cr_assert_eq(map(&weights, path), CNN_ERROR_FILE_OPEN);
    cr_assert(weights.bytes == NULL && weights.size == 0 && weights.memory == NULL);
    snprintf(path, sizeof path, "%s/empty", folder);
    write_file(path, 0);
    cr_assert_eq(map(&weights, path), CNN_ERROR_FILE_EMPTY);
    cr_assert_eq(map(&weights, folder), CNN_ERROR_FILE_READ, "a folder");
    cr_assert_eq(map(NULL, path), CNN_ERROR_NULL_ARGUMENT);
    cr_assert_eq(map(&weights, NULL), CNN_ERROR_NULL_ARGUMENT);
    unmap(NULL);
    cnn_weights zero = {0};
    unmap(&zero);
}

Test(runtime, weights_mapped)
{
    check_mapper("mapped", cnn_weights_map, cnn_weights_unmap);
}

Test(runtime, weights_loaded)
{
    check_mapper("loaded", cnn_weights_load, cnn_weights_unmap);
}

Test(runtime, weights_read)
{
    check_mapper("read-load", read_weights_load, read_weights_unmap);
    check_mapper("read", read_weights_map, read_weights_unmap);
}

Test(runtime, a_pipe_is_no_weights_file)
{
    char path[600];
    cnn_weights weights;
    snprintf(path, sizeof path, "%s/pipe", test_folder("pipe"));
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(cnn_weights_map(&weights, path), CNN_ERROR_FILE_READ); /* and does not wait for a writer */
    cr_assert_eq(cnn_weights_load(&weights, path), CNN_ERROR_FILE_READ);
}
