/* hostlaunch.c - starting a host process that outlives its starter, its session and its service's control group. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "provider/cgroup.h"
#include "provider/host.h"
#include "provider/hostlock.h"
#include "provider/instance.h"

enum { START_MS = 30000, LOG_BYTES_MAX = 64 * 1024 * 1024, ANSWER_BYTES = 512 };

/* In the child of the child; what it writes to ready_fd before "ready" is why it failed. */
static _Noreturn void launched(const char *group, const char *const *argv, int ready_fd, int log_fd)
{
    Err err = { 0 };
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    int null_fd = open("/dev/null", O_RDONLY);
    if (!cgroup_enter(group, &err))
        dprintf(ready_fd, "%s", err.text);
    else if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(ready_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        dprintf(ready_fd, "cannot set up its input and output");
    else {
        (void)syscall(SYS_close_range, 3, ~0U, 0);
        (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        dprintf(1, "cannot run %s: %s", argv[0], strerror(errno));
    }
    _exit(127);
}

/* The text up to the first newline or the end; "ready ..." when it went well. */
static bool answer_read(int fd, char answer[ANSWER_BYTES], Err *err)
{
    int64_t deadline_ms = mono_now_ms() + START_MS;
    size_t len = 0;
    while (len < ANSWER_BYTES - 1 && !memchr(answer, '\n', len)) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };
        int64_t left_ms = deadline_ms - mono_now_ms();
        if (left_ms <= 0)
            return err_set(err, ERR_UNAVAILABLE, "`vaultyard host` was not ready within %d s", START_MS / 1000);
        if (poll(&polled, 1, (int)left_ms) < 0 && errno != EINTR)
            return err_errno(err, "cannot wait for `vaultyard host`");
        ssize_t got = polled.revents ? read(fd, answer + len, ANSWER_BYTES - 1 - len) : -1;
        if (got == 0)
            break;
        if (got > 0)
            len += (size_t)got;
    }
    answer[len] = '\0';
    return true;
}

static bool log_open(const char *host_dir, char path[PATH_MAX], int *out_fd, Err *err)
{
    char older[PATH_MAX];
    struct stat st;
    int len = snprintf(path, PATH_MAX, "%s/host.log", host_dir);
    if (len < 0 || len >= PATH_MAX || (size_t)snprintf(older, sizeof older, "%s/host.log.1", host_dir) >= sizeof older)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", host_dir);
    if (stat(path, &st) == 0 && st.st_size > LOG_BYTES_MAX / 16 && rename(path, older) < 0)
        return err_errno(err, "cannot put %s aside", path);
    *out_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *out_fd >= 0 || err_errno(err, "cannot open %s", path);
}

static bool launch(const Instance *instance, const char *const *argv, Err *err)
{
    char group[128], log_path[PATH_MAX], answer[ANSWER_BYTES];
    int ends[2], status;
    AUTO(fd_close) int log_fd = -1;
    if (!log_open(instance->host_dir, log_path, &log_fd, err))
        return false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "cannot make a pipe");
    AUTO(fd_close) int read_fd = ends[0];
    AUTO(fd_close) int write_fd = ends[1];
    (void)snprintf(group, sizeof group, "%s/_host", instance->group);   /* no node id begins with '_' */

    pid_t child = fork();                                /* twice, so that the host is nobody's child to wait for */
    if (child < 0)
        return err_errno(err, "cannot start `vaultyard host`");
    if (child == 0) {
        pid_t host = fork();
        if (host == 0)
            launched(group, argv, write_fd, log_fd);
        _exit(host < 0);
    }
    fd_close(&write_fd);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!answer_read(read_fd, answer, err))
        return false;
    Str said = str_trim(str_from(answer));
    return str_starts(said, STR("ready ")) ||
           err_set(err, ERR_UNAVAILABLE, "`vaultyard host` did not start: " STR_FMT "%s%s", STR_ARG(said), said.len ? "; see " : "see ", log_path);
}

static bool host_runs(const Instance *instance, Arena *arena)
{
    HostLock lock;
    bool is_held = false;
    Err ignored;                                        /* no lock file, no host */
    return host_lock_read(arena, instance->host_dir, &lock, &is_held, &ignored) && is_held;
}

/* A host that was killed is started again by its keeper (hostkeep.c), maybe while we start one: the lock decides, and the other one will do.
 * It writes who it is just after it took the lock. */
static bool another_was_quicker(const Instance *instance, Arena *arena)
{
    static const struct timespec pause = { .tv_nsec = 20 * 1000000 };
    for (int tries = 0; tries < 50; tries++) {
        if (host_runs(instance, arena))
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

bool host_launch(const char *data_dir, const char *const *argv, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Instance instance;
    if (!arena)
        return err_too_big(err);
    if (!instance_read(arena, data_dir, &instance, err) || !instance_check_owner(&instance, err) || !dir_make(instance.host_dir, 0711, err))
        return false;
    return host_runs(&instance, arena) || launch(&instance, argv, err) || another_was_quicker(&instance, arena);
}
