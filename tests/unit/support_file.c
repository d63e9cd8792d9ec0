/* Files: reading, and outputs that appear together or not at all. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/file.h"

typedef struct Place { /* an empty folder of this test, and what the calls under test need */
    Arena *arena;
    const char *folder;
    FileOutputs *outputs;
    Str path, reason; /* of the last failure */
} Place;

static void remove_all(const char *folder)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            remove(path);
        }
    }
    closedir(listing);
}

static Place start(const char *test)
{
    Place place = {.arena = arena_create()};
    const char *build = getenv("CNNC_BUILD") == NULL ? "build" : getenv("CNNC_BUILD");
    mkdir(build, 0777);
    mkdir(arena_printf(place.arena, "%s/tmp", build).ptr, 0777);
    place.folder = arena_printf(place.arena, "%s/tmp/support_file-%s", build, test).ptr;
    chmod(place.folder, 0777);
    remove_all(place.folder);
    mkdir(place.folder, 0777);
    place.outputs = file_outputs_create(place.arena);
    return place;
}

static void end(Place *place)
{
    file_outputs_discard(place->outputs);
    arena_destroy(place->arena);
}

static const char *in(const Place *place, const char *name)
{
    return arena_printf(place->arena, "%s/%s", place->folder, name).ptr;
}

static void put(const Place *place, const char *name, const char *text)
{
    FILE *file = fopen(in(place, name), "wb");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *get(const Place *place, const char *name)
{
    Str text, reason;
    return file_read(place->arena, in(place, name), 1 << 20, &text, &reason) ? text.ptr : "(none)";
}

/* Files in the folder, temporaries included. */
static int count_files(const Place *place)
{
    int count = -2; /* "." and ".." */
    DIR *listing = opendir(place->folder);
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        ++count;
    }
    closedir(listing);
    return count;
}

static FileOutput *open_in(Place *place, const char *name)
{
    return file_output_open(place->outputs, str_from(in(place, name)), &place->reason);
}

static void write_text(FileOutput *output, const char *text)
{
    cr_assert_not_null(output);
    file_output_write(output, text, strlen(text));
}

static bool commit(Place *place)
{
    return file_outputs_commit(place->outputs, &place->path, &place->reason);
}

/* --- reading */

Test(support_file, read_and_map)
{
    Place place = start("read");
    put(&place, "a", "hello");
    put(&place, "empty", "");
    Str text, reason;
    FileMap map;
    cr_assert(file_read(place.arena, in(&place, "a"), 5, &text, &reason));
    cr_assert(str_equal(text, STR("hello")));
    cr_assert_not(file_read(place.arena, in(&place, "a"), 4, &text, &reason));
    cr_assert(str_equal(reason, STR("larger than 4 bytes")), STR_FMT, STR_ARG(reason));
    cr_assert(file_is_larger(in(&place, "a"), 4));
    cr_assert_not(file_is_larger(in(&place, "a"), 5));
    cr_assert_not(file_read(place.arena, place.folder, 99, &text, &reason));
    cr_assert(str_equal(reason, STR("is a directory")));
    cr_assert_not(file_read(place.arena, in(&place, "none"), 99, &text, &reason));
    cr_assert(str_equal(reason, STR("No such file or directory")));
    cr_assert_not(file_read(place.arena, "/dev/zero", 99, &text, &reason));
    cr_assert(file_map(place.arena, in(&place, "a"), &map, &reason));
    cr_assert_eq(map.size, 5);
    cr_assert_eq(memcmp(map.bytes, "hello", 5), 0);
    file_unmap(&map);
    file_unmap(&map);
    cr_assert(file_map(place.arena, in(&place, "empty"), &map, &reason));
    cr_assert_eq(map.size, 0);
    file_unmap(&map);
    cr_assert_not(file_map(place.arena, place.folder, &map, &reason));
    end(&place);
}

Test(support_file, pipe_without_writer_is_refused_at_once, .timeout = 20)
{
    Place place = start("fifo");
    Str text, reason;
    cr_assert_eq(mkfifo(in(&place, "pipe"), 0600), 0);
    cr_assert_not(file_read(place.arena, in(&place, "pipe"), 99, &text, &reason));
    cr_assert(str_equal(reason, STR("is not a regular file")));
    end(&place);
}

/* --- outputs */

Test(support_file, outputs_appear_at_commit)
{
    Place place = start("commit");
    put(&place, "old", "before");
    write_text(open_in(&place, "old"), "after");
    write_text(open_in(&place, "new"), "fresh");
    cr_assert_str_eq(get(&place, "old"), "before");
    cr_assert_not(file_exists(in(&place, "new")));
    cr_assert(commit(&place));
    cr_assert_str_eq(get(&place, "old"), "after");
    cr_assert_str_eq(get(&place, "new"), "fresh");
    cr_assert_eq(count_files(&place), 2, "no temporaries stay");
    file_outputs_discard(place.outputs);
    cr_assert_str_eq(get(&place, "new"), "fresh");
    end(&place);
}

Test(support_file, discard_leaves_everything_as_it_was)
{
    Place place = start("discard");
    put(&place, "old", "before");
    write_text(open_in(&place, "old"), "after");
    write_text(open_in(&place, "new"), "fresh");
    file_outputs_discard(place.outputs);
    cr_assert_str_eq(get(&place, "old"), "before");
    cr_assert_eq(count_files(&place), 1);
    end(&place);
}

Test(support_file, full_device_fails_the_whole_set)
{
    Place place = start("full");
    put(&place, "old", "before");
    write_text(open_in(&place, "old"), "after");
    write_text(open_in(&place, "new"), "fresh");
    write_text(file_output_open(place.outputs, STR("/dev/full"), &place.reason), "lost");
    cr_assert_not(commit(&place));
    cr_assert(str_equal(place.path, STR("/dev/full")));
    cr_assert(str_equal(place.reason, STR("No space left on device")), STR_FMT, STR_ARG(place.reason));
    cr_assert_str_eq(get(&place, "old"), "before");
    cr_assert_eq(count_files(&place), 1);
    struct stat status;
    cr_assert(stat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode), "a device is never replaced");
    end(&place);
}

Test(support_file, null_device_takes_everything)
{
    Place place = start("null");
    for (int i = 0; i < 2; ++i) { /* also twice: the code and the header */
        write_text(file_output_open(place.outputs, STR("/dev/null"), &place.reason), "gone");
    }
    cr_assert(commit(&place));
    struct stat status;
    cr_assert(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
    end(&place);
}

/* The second rename fails: the first is taken back. */
Test(support_file, failing_rename_is_undone)
{
    Place place = start("rename");
    put(&place, "old", "before");
    write_text(open_in(&place, "old"), "after");
    write_text(open_in(&place, "new"), "fresh");
    write_text(open_in(&place, "blocked"), "never");
    cr_assert_eq(mkdir(in(&place, "blocked"), 0777), 0);
    cr_assert_not(commit(&place));
    cr_assert_str_eq(place.path.ptr, in(&place, "blocked"));
    cr_assert_str_eq(get(&place, "old"), "before");
    cr_assert_not(file_exists(in(&place, "new")));
    cr_assert_eq(count_files(&place), 2);
    end(&place);
}

Test(support_file, modes)
{
    Place place = start("modes");
    struct stat status;
    put(&place, "old", "before");
    cr_assert_eq(chmod(in(&place, "old"), 0640), 0);
    mode_t mask = umask(027);
    write_text(open_in(&place, "old"), "after");
    write_text(open_in(&place, "new"), "fresh");
    cr_assert(commit(&place));
    umask(mask);
    cr_assert(stat(in(&place, "old"), &status) == 0 && (status.st_mode & 0777) == 0640);
    cr_assert(stat(in(&place, "new"), &status) == 0 && (status.st_mode & 0777) == 0640, "%o", status.st_mode);
    end(&place);
}

Test(support_file, symbolic_links_stay_links)
{
    Place place = start("links");
    struct stat status;
    put(&place, "target", "before");
    cr_assert_eq(symlink("target", in(&place, "link")), 0);
    cr_assert_eq(symlink("link", in(&place, "link2")), 0);
    cr_assert_eq(symlink("fresh", in(&place, "dangling")), 0);
    cr_assert_eq(symlink("loop", in(&place, "loop")), 0);
    write_text(open_in(&place, "link2"), "after");
    write_text(open_in(&place, "dangling"), "new");
    cr_assert_null(open_in(&place, "loop"));
    cr_assert(str_equal(place.reason, str_from(strerror(ELOOP))), STR_FMT, STR_ARG(place.reason));
    cr_assert(commit(&place));
    cr_assert(lstat(in(&place, "link2"), &status) == 0 && S_ISLNK(status.st_mode));
    cr_assert_str_eq(get(&place, "target"), "after");
    cr_assert_str_eq(get(&place, "fresh"), "new");
    end(&place);
}

Test(support_file, impossible_targets)
{
    Place place = start("targets");
    put(&place, "file", "x");
    cr_assert_null(open_in(&place, "no/such/folder"));
    cr_assert(str_equal(place.reason, STR("No such file or directory")));
    cr_assert_null(open_in(&place, "file/below"));
    cr_assert(str_equal(place.reason, STR("Not a directory")), STR_FMT, STR_ARG(place.reason));
    cr_assert_null(open_in(&place, "."));
    cr_assert(str_equal(place.reason, STR("Is a directory")));
    cr_assert_null(file_output_open(place.outputs, STR(""), &place.reason));
    end(&place);
}

Test(support_file, one_file_cannot_be_two_outputs)
{
    Place place = start("twice");
    put(&place, "old", "before");
    cr_assert_eq(link(in(&place, "old"), in(&place, "other")), 0);
    cr_assert_eq(symlink("new", in(&place, "link")), 0);
    cr_assert_not_null(open_in(&place, "old"));
    cr_assert_null(open_in(&place, "old"));
    cr_assert_null(open_in(&place, "other"), "another name of the same file");
    cr_assert(str_equal(place.reason, STR("named as output twice")));
    cr_assert_not_null(open_in(&place, "new"));
    cr_assert_null(open_in(&place, "link"));
    end(&place);
}

/* As a user without privileges, in a process of its own: root may write anywhere. */
Test(support_file, read_only_folders_and_files)
{
    Place place = start("readonly");
    put(&place, "old", "before");
    cr_assert_eq(chmod(in(&place, "old"), 0444), 0);
    cr_assert_eq(chmod(place.folder, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(0); /* not possible here: nothing to see */
        }
        if (access(place.folder, X_OK) != 0) {
            _exit(0); /* the folder is out of that user's reach */
        }
        bool refused = open_in(&place, "new") == NULL && str_equal(place.reason, STR("Permission denied"));
        bool kept = open_in(&place, "old") == NULL;
        _exit(refused && kept ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(chmod(place.folder, 0777), 0);
    cr_assert_str_eq(get(&place, "old"), "before");
    end(&place);
}

/* Standard output gets nothing before everything else is safely written. */
Test(support_file, standard_output)
{
    Place place = start("stdout");
    fflush(stdout);
    int keep = dup(STDOUT_FILENO);
    int to = open(in(&place, "captured"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    cr_assert(keep >= 0 && to >= 0 && dup2(to, STDOUT_FILENO) >= 0);
    write_text(file_output_open(place.outputs, STR("-"), &place.reason), "lost");
    write_text(file_output_open(place.outputs, STR("/dev/full"), &place.reason), "x");
    bool failed = !commit(&place);
    write_text(file_output_open(place.outputs, STR("-"), &place.reason), "text");
    bool done = commit(&place);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    close(to);
    cr_assert(failed);
    cr_assert(done);
    cr_assert_str_eq(get(&place, "captured"), "text");
    end(&place);
}

Test(support_file, patches)
{
    Place place = start("patch");
    FileOutput *output = open_in(&place, "blob");
    write_text(output, "....body");
    file_output_patch(output, 0, "head", 4);
    write_text(output, "+tail");
    cr_assert(commit(&place));
    cr_assert_str_eq(get(&place, "blob"), "headbody+tail");
    end(&place);
}

Test(support_file, large_output)
{
    Place place = start("large");
    FileOutput *output = open_in(&place, "large");
    char block[4096];
    memset(block, 'z', sizeof block);
    for (int i = 0; i < 700; ++i) {
        file_output_write(output, block, sizeof block);
    }
    cr_assert(commit(&place));
    struct stat status;
    cr_assert(stat(in(&place, "large"), &status) == 0 && status.st_size == 700 * 4096);
    remove(in(&place, "large"));
    end(&place);
}
