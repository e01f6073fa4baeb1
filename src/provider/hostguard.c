/* hostguard.c - serve's child that starts the host again when it and its keeper were killed. Serve itself gave up the rights to.
 *
 * Its standard input is a pipe whose other end only serve has, and which ends with it. (A signal at the death of the parent, PR_SET_PDEATHSIG,
 * would come from one that may not send any to root.) */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "provider/host.h"
#include "provider/hostlock.h"
#include "provider/instance.h"

enum { LOOK_MS = 1000, OTHERS_MS = 3000, PAUSE_MOST_MS = 60000, WORK_BYTES = 1 << 20 };

typedef enum HostIs { HOST_RUNS = 1, HOST_ENDED, HOST_WAS_KILLED } HostIs;

/* *pidfd: of one that runs; readable once it ends. -1: it ended meanwhile. */
static HostIs look(const char *host_dir, int *pidfd)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    HostLock lock, again;
    bool is_held, is_held_again;
    Err why = { 0 }, ignored;
    *pidfd = -1;
    /* Without a file there never was one, or `clean` removed it; half a file is one that begins. */
    if (!arena || !host_lock_read(arena, host_dir, &lock, &is_held, &why))
        return why.code == ERR_NOT_FOUND ? HOST_ENDED : HOST_WAS_KILLED;
    if (!is_held)
        return lock.pid == 0 ? HOST_ENDED : HOST_WAS_KILLED;
    *pidfd = (int)syscall(SYS_pidfd_open, lock.pid, 0);
    /* Asked again once the descriptor is ours: the number may be another process's by now. */
    if (*pidfd >= 0 && (!host_lock_read(arena, host_dir, &again, &is_held_again, &ignored) || !is_held_again || again.pid != lock.pid))
        fd_close(pidfd);
    return HOST_RUNS;
}

/* Until the time is over (-1: none), a host ended (-1: none is watched), or serve did: then false. */
static bool wait_for(int64_t ms, int pidfd)
{
    struct pollfd polled[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
    while (poll(polled, COUNT_OF(polled), (int)ms) < 0 && errno == EINTR)
        continue;
    return polled[0].revents == 0;
}

/* Its keeper, or the machine's service manager, comes first. */
static bool look_for_another(const char *host_dir, int *pidfd, HostIs *is)
{
    int64_t until_ms = mono_now_ms() + OTHERS_MS;
    while ((*is = look(host_dir, pidfd)) == HOST_WAS_KILLED && mono_now_ms() < until_ms)
        if (!wait_for(LOOK_MS / 4, -1))
            return false;
    return true;
}

bool host_guard(const char *data_dir, const char *const *host_argv, Err *err)
{
    char host_dir[PATH_MAX];
    if ((size_t)snprintf(host_dir, sizeof host_dir, "%s/host", data_dir) >= sizeof host_dir)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", data_dir);
    int64_t pause_ms = LOOK_MS;
    for (bool serves = true; serves;) {
        AUTO(fd_close) int pidfd = -1;
        HostIs is;
        serves = look_for_another(host_dir, &pidfd, &is);
        if (!serves)
            break;
        if (is == HOST_RUNS) {
            serves = wait_for(pidfd >= 0 ? -1 : LOOK_MS, pidfd);
            pause_ms = LOOK_MS;
        } else if (is == HOST_ENDED) {
            serves = wait_for(-1, -1);                  /* who starts a host by hand looks after it */
        } else if (host_launch(data_dir, host_argv, err)) {
            log_event(LOG_WARN, "host.started_again", log_cstr("why", "it was killed, and nobody else started another"));
        } else {
            log_event(LOG_ERROR, "host.not_started", log_cstr("reason", err->text), log_int("again_in_ms", pause_ms));
            serves = wait_for(pause_ms, -1);
            pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
        }
    }
    return true;
}

bool host_guard_start(const char *const *argv, int *lives_fd, Err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "cannot make a pipe");
    AUTO(fd_close) int read_fd = ends[0];
    AUTO(fd_close) int write_fd = ends[1];
    pid_t child = fork();
    if (child < 0)
        return err_errno(err, "cannot start `vaultyard host-guard`");
    if (child > 0) {                                    /* it ends after us and is nobody's to wait for */
        *lives_fd = write_fd;
        write_fd = -1;
        return true;
    }
    sigset_t none;
    (void)sigemptyset(&none);
    if (dup2(read_fd, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(127);
    (void)setsid();                                     /* a terminal's signals are serve's */
    (void)syscall(SYS_close_range, 3, ~0U, 0);          /* not least the lock on the data directory */
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}
