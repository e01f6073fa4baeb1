/* runtime.c - running runc or crun. */
#include "provider/runtime.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "json/read.h"
#include "provider/nodelog.h"

enum { CALL_MS = 30000, OUTPUT_BYTES_MAX = 8 * 1024 * 1024, WORK_BYTES = 64 * 1024 * 1024, ARGS_MAX = 24 };

bool runtime_find(Runtime *runtime, const char *setting, const char *state_dir, Err *err)
{
    static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
    const char *const wanted[] = { setting ? setting : "runc", setting ? NULL : "crun" };
    if ((size_t)snprintf(runtime->state_dir, sizeof runtime->state_dir, "%s/runc", state_dir) >= sizeof runtime->state_dir)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", state_dir);
    for (size_t w = 0; w < COUNT_OF(wanted) && wanted[w]; w++)
        for (size_t d = 0; d < COUNT_OF(dirs); d++) {
            const char *name = wanted[w];
            int len = name[0] == '/' ? snprintf(runtime->program, sizeof runtime->program, "%s", name)
                                     : snprintf(runtime->program, sizeof runtime->program, "%s/%s", dirs[d], name);
            if (len > 0 && (size_t)len < sizeof runtime->program && access(runtime->program, X_OK) == 0)
                return true;
        }
    return err_set(err, ERR_BAD_INPUT, "the container runtime %s is not installed: install the package runc (or crun), or name the program with --runtime",
                   setting ? setting : "runc");
}

/* Between fork and exec of a program with threads: only calls that signal-safety(7) allows. */
static _Noreturn void child_exec(const char *const *args, int output_fd, int error_fd, pid_t parent)
{
    static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL };
    sigset_t none;
    (void)sigemptyset(&none);
    int null_fd = open("/dev/null", O_RDONLY);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null_fd < 0 ||
        dup2(null_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(error_fd, 2) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(127);
    (void)syscall(SYS_close_range, 3, ~0U, 0);          /* all of ours are close-on-exec; this is for libraries' */
    (void)execve(args[0], (char *const *)(uintptr_t)args, (char *const *)(uintptr_t)environment);
    _exit(127);
}

/* *status: as of waitpid(2). */
static bool child_wait(pid_t pid, int64_t deadline_ms, const char *what, int *status, Err *err)
{
    AUTO(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd polled = { .fd = pidfd, .events = POLLIN };
    int ready = 0;
    bool has_polled = pidfd >= 0;
    while (has_polled) {
        int64_t left_ms = deadline_ms - mono_now_ms();
        ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready >= 0 || errno != EINTR)
            break;
    }
    if (ready <= 0)
        (void)kill(pid, SIGKILL);                       /* our child, not yet waited for: the id is still its own */
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "cannot wait for %s", what);
    return ready > 0 || err_set(err, ERR_UNAVAILABLE, "%s did not finish within %d s", what, CALL_MS / 1000);
}

/* What it said on its error output is the runtime's reason: its last line. */
static bool runtime_failed(int error_fd, const char *what, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    char path[64];
    Str text, last = STR_NONE;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", error_fd);
    if (!arena || !file_read(arena, path, OUTPUT_BYTES_MAX, &text, err))
        return err_set(err, ERR_INTERNAL, "%s failed", what);
    while (text.ptr) {
        Str line = str_trim(str_cut(&text, '\n'));
        if (!str_empty(line))
            last = line;
    }
    return err_set(err, ERR_INTERNAL, "%s failed: %.*s", what, (int)(last.len < 400 ? last.len : 400), last.len ? last.ptr : "without a word");
}

/* output_fd -1: not wanted. The error output always goes to a file in memory. */
static bool runtime_call(const Runtime *runtime, const char *const *call, int output_fd, bool errors_to_output, Err *err)
{
    const char *args[ARGS_MAX] = { runtime->program, "--root", runtime->state_dir };
    size_t count = 3;
    char what[64];
    int status;
    for (size_t i = 0; call[i] && count < ARGS_MAX - 1; i++)
        args[count++] = call[i];
    (void)snprintf(what, sizeof what, "the container runtime's %s", call[0]);

    AUTO(fd_close) int memory_fd = memfd_create("runtime", MFD_CLOEXEC);
    if (memory_fd < 0)
        return err_errno(err, "cannot make a file in memory");
    int64_t deadline_ms = mono_now_ms() + CALL_MS;
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_errno(err, "cannot start the container runtime");
    if (pid == 0)
        child_exec(args, output_fd >= 0 ? output_fd : memory_fd, errors_to_output ? output_fd : memory_fd, parent);
    if (!child_wait(pid, deadline_ms, what, &status, err))
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(err, ERR_INTERNAL, "cannot run %.200s", runtime->program);
    return runtime_failed(errors_to_output ? output_fd : memory_fd, what, err);
}

bool runtime_start(const Runtime *runtime, const char *id, const char *bundle, uid_t log_owner, pid_t *pid, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    AUTO(fd_close) int log_fd = -1;
    char pid_path[PATH_MAX];
    Str text;
    int64_t number;
    if (!arena)
        return err_too_big(err);
    if ((size_t)snprintf(pid_path, sizeof pid_path, "%s/pid", bundle) >= sizeof pid_path)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", bundle);
    if (unlink(pid_path) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove %s", pid_path);
    const char *const call[] = { "run", "--detach", "--bundle", bundle, "--pid-file", pid_path, id, NULL };
    if (!node_log_open(bundle, log_owner, &log_fd, err) || !runtime_call(runtime, call, log_fd, true, err) ||
        !file_read(arena, pid_path, 64, &text, err))
        return false;
    if (!str_to_int64(str_trim(text), 2, INT_MAX, &number, err))
        return err_set(err, ERR_INTERNAL, "the container runtime wrote no process id into %s", pid_path);
    *pid = (pid_t)number;
    return true;
}

bool runtime_delete(const Runtime *runtime, const char *id, Err *err)
{
    const char *const call[] = { "delete", "--force", id, NULL };
    return runtime_call(runtime, call, -1, false, err);
}

typedef struct ContainerIn { Str id, status; int64_t pid; } ContainerIn;
static const JsonField container_fields[] = {
    JSON_FIELD(ContainerIn, id,     "id",     JSON_REQUIRED),
    JSON_FIELD(ContainerIn, status, "status", JSON_REQUIRED),
    JSON_FIELD(ContainerIn, pid,    "pid",    JSON_OPTIONAL),
};

bool runtime_list(const Runtime *runtime, Arena *arena, RuntimeContainer **out, size_t *count, Err *err)
{
    const char *const call[] = { "list", "--format", "json", NULL };
    char path[64];
    Str text;
    const JsonVal *root;
    AUTO(fd_close) int fd = memfd_create("list", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "cannot make a file in memory");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!runtime_call(runtime, call, fd, false, err) || !file_read(arena, path, OUTPUT_BYTES_MAX, &text, err) ||
        !json_parse(arena, text, JSON_STRICT, &root, err))
        return false;
    size_t listed = json_count(root);                   /* null when there are none */
    RuntimeContainer *containers = ARENA_ARRAY(arena, RuntimeContainer, listed ? listed : 1);
    if (!containers)
        return err_too_big(err);
    for (size_t i = 0; i < listed; i++) {
        ContainerIn in = { 0 };
        if (!json_read(json_at(root, i), "", container_fields, COUNT_OF(container_fields), &in, err))
            return false;
        containers[i] = (RuntimeContainer){ in.id, (pid_t)in.pid, str_eq(in.status, STR("running")) };
    }
    *out = containers;
    *count = listed;
    return true;
}
