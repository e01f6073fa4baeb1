/* exec.c - fork, exec, two pipes, a deadline. */
#include "base/exec.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

void exec_result_done(ExecResult *result)
{
    buf_done(&result->out);
    buf_done(&result->err);
}

static void become(char *const argv[], char *const environment[], int out, int errors, int report)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0);
    int nothing = open("/dev/null", O_RDONLY);
    bool is_ready = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0 && chdir("/") == 0;
    (void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);     /* libraries open some without it */
    if (is_ready)
        execvpe(argv[0], argv, environment);
    int number = errno;
    if (write(report, &number, sizeof number) < 0) {
        /* The parent sees the exit code instead. */
    }
    _exit(127);
}

static bool make_pipe(int ends[2], Err *err)
{
    return pipe2(ends, O_CLOEXEC) == 0 || err_errno(err, "cannot make a pipe");
}

/* Reads what is there; false at the end of the stream. */
static bool keep(int fd, Buf *stream, bool *truncated)
{
    char piece[16 * 1024];
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0)
        return false;
    size_t room = stream->max - stream->len, taken = (size_t)got < room ? (size_t)got : room;
    buf_put(stream, piece, taken);
    *truncated = *truncated || taken < (size_t)got;
    return true;
}

/* Until both streams end; or, once the command itself has ended, until they are quiet: what it left running may hold them open for ever. */
static void collect(pid_t child, int out, int errors, int64_t deadline_ms, ExecResult *result)
{
    enum { QUIET_MS = 500 };
    AUTO(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, child, 0);      /* readable once it has ended; -1: the deadline alone counts */
    struct pollfd fds[3] = { { .fd = out, .events = POLLIN }, { .fd = errors, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
    bool has_ended = false;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = deadline_ms - mono_now_ms();
        if (left <= 0 && !result->timed_out) {
            result->timed_out = true;
            (void)kill(-child, SIGKILL);
            deadline_ms = mono_now_ms() + 2000;              /* for what is still in the pipes; a stray child may hold them open */
            continue;
        }
        if (left <= 0)
            return;
        int most_ms = has_ended ? QUIET_MS : 60000;
        int ready = poll(fds, COUNT_OF(fds), left > most_ms ? most_ms : (int)left);
        if ((ready < 0 && errno != EINTR) || (ready == 0 && has_ended))
            return;
        if (ready <= 0)
            continue;
        if (fds[2].revents) {
            has_ended = true;
            fds[2].fd = -1;
        }
        if (fds[0].revents && !keep(out, &result->out, &result->truncated))
            fds[0].fd = -1;
        if (fds[1].revents && !keep(errors, &result->err, &result->truncated))
            fds[1].fd = -1;
    }
}

bool exec_run(char *const argv[], char *const environment[], int64_t timeout_ms, ExecResult *out, Err *err)
{
    AUTO(fd_close) int out_read = -1;
    AUTO(fd_close) int err_read = -1;
    AUTO(fd_close) int report_read = -1;
    int o[2], e[2], r[2];
    if (!make_pipe(o, err))
        return false;
    out_read = o[0];
    AUTO(fd_close) int out_write = o[1];
    if (!make_pipe(e, err))
        return false;
    err_read = e[0];
    AUTO(fd_close) int err_write = e[1];
    if (!make_pipe(r, err))
        return false;
    report_read = r[0];
    AUTO(fd_close) int report_write = r[1];

    pid_t child = fork();
    if (child < 0)
        return err_errno(err, "cannot start a process");
    if (child == 0)
        become(argv, environment, out_write, err_write, report_write);
    (void)setpgid(child, child);
    fd_close(&out_write);
    fd_close(&err_write);
    fd_close(&report_write);

    *out = (ExecResult){ 0 };
    buf_init(&out->out, EXEC_STREAM_MAX);
    buf_init(&out->err, EXEC_STREAM_MAX);
    int number = 0, status = 0;
    bool failed = read(report_read, &number, sizeof number) == sizeof number;      /* ends with exec */
    if (!failed)
        collect(child, out_read, err_read, mono_now_ms() + timeout_ms, out);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (failed) {
        exec_result_done(out);
        errno = number;
        return err_errno(err, "cannot run '%s'", argv[0]);
    }
    out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + out->signal;
    return true;
}
