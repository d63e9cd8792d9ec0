/* Child processes by posix_spawn. No handler is installed: signals are blocked and asked for, which needs no state. */
#include "tune/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

void interrupts_hold(Interrupts *interrupts)
{
    sigemptyset(&interrupts->held);
    sigaddset(&interrupts->held, SIGINT);
    sigaddset(&interrupts->held, SIGTERM);
    sigaddset(&interrupts->held, SIGHUP);
    sigprocmask(SIG_BLOCK, &interrupts->held, &interrupts->before);
}

bool interrupts_came(const Interrupts *interrupts)
{
    sigset_t pending;
    sigpending(&pending);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    bool came = false;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; ++i) {
        came = came || (sigismember(&pending, signals[i]) == 1 && sigismember(&interrupts->before, signals[i]) == 0);
    }
    return came;
}

void interrupts_release(const Interrupts *interrupts)
{
    sigprocmask(SIG_SETMASK, &interrupts->before, NULL);
}

pid_t process_start(const Interrupts *interrupts, const char *const *argv, const char *out, const char *errors,
                    Str *reason)
{
    enum { MODE = 0600, FLAGS = O_WRONLY | O_CREAT | O_TRUNC };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out, FLAGS, MODE);
    posix_spawn_file_actions_addopen(&files, 2, errors, FLAGS, MODE);
    posix_spawnattr_setsigmask(&attributes, &interrupts->before);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t process = 0;
    int error = posix_spawnp(&process, argv[0], &files, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    *reason = error == 0 ? STR("") : str_from(strerror(error));
    return error == 0 ? process : 0;
}

bool process_ended(pid_t process, int *status)
{
    return waitpid(process, status, WNOHANG) == process;
}

void process_stop(pid_t process)
{
    int status;
    kill(process, SIGKILL);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
}

void process_pause(void)
{
    const struct timespec moment = {0, 10 * 1000 * 1000};
    nanosleep(&moment, NULL);
}

Str process_fault(Arena *arena, int status)
{
    if (WIFSIGNALED(status)) {
        return arena_printf(arena, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    int code = WEXITSTATUS(status);
    return code == 0 ? STR("") : arena_printf(arena, "ended with status %d", code);
}

const char **process_words(Arena *arena, Str command, size_t more, size_t *count)
{
    const char **words = ARENA_ARRAY(arena, const char *, command.len / 2 + 1 + more + 1);
    *count = 0;
    for (size_t at = 0; at < command.len;) {
        size_t end = at;
        while (end < command.len && command.ptr[end] != ' ') {
            ++end;
        }
        if (end > at) {
            words[(*count)++] = arena_cstr(arena, (Str){command.ptr + at, end - at});
        }
        at = end + 1;
    }
    return words;
}
