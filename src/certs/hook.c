/* hook.c - one child, its output and its time. */
#include "certs/hook.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "certs/account.h"

enum { RETRY_FIRST_MS = 5000, RETRY_MAX_MS = 600 * 1000, KILL_AFTER_MS = 5000, GROUPS_MAX = 256, LOOKUP_BYTES = 16384, TEXT_MAX = 128 * 1024 };

void hook_init(HookRun *run) { *run = (HookRun){ .pid_fd = -1, .out_fd = -1 }; }

void hook_ask(HookRun *run, Str link)
{
    size_t used = strlen(run->changed);
    run->is_pending = true;
    run->failures = 0;
    run->due_ms = 0;
    if (link.ptr && used + link.len + 2 < sizeof run->changed)
        (void)snprintf(run->changed + used, sizeof run->changed - used, "%s" STR_FMT, used ? "\n" : "", STR_ARG(link));
}

/* Whose rights the command has. Looked up here: after fork only plain system calls are safe. */
typedef struct RunAs { bool is_other; uid_t uid; gid_t gid; gid_t groups[GROUPS_MAX]; int group_count; char home[512], name[128]; } RunAs;

static bool run_as(const Hook *hook, RunAs *out, Err *err)
{
    char room[LOOKUP_BYTES];
    struct passwd entry, *found = NULL;
    uid_t uid;
    if (!account_user(hook->user, &uid, err))
        return false;
    if (getpwuid_r(uid == (uid_t)-1 ? geteuid() : uid, &entry, room, sizeof room, &found) != 0 || !found)
        return err_set(err, ERR_NOT_FOUND, "this machine has no user " STR_FMT " to run the hook as", STR_ARG(hook->user));
    *out = (RunAs){ .is_other = entry.pw_uid != geteuid(), .uid = entry.pw_uid, .gid = entry.pw_gid, .group_count = GROUPS_MAX };
    (void)snprintf(out->home, sizeof out->home, "%s", entry.pw_dir);
    (void)snprintf(out->name, sizeof out->name, "%s", entry.pw_name);
    if (getgrouplist(entry.pw_name, entry.pw_gid, out->groups, &out->group_count) < 0)
        return err_set(err, ERR_INTERNAL, "user %s is in too many groups", out->name);
    return true;
}

static _Noreturn void child(const RunAs *as, int out, char *const argv[], char *const environment[])
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    bool ready = setpgid(0, 0) == 0 && null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0 &&
                 (!as->is_other || (setgroups((size_t)as->group_count, as->groups) == 0 && setresgid(as->gid, as->gid, as->gid) == 0 &&
                                    setresuid(as->uid, as->uid, as->uid) == 0)) && chdir("/") == 0;
    if (ready)
        (void)execve(argv[0], argv, environment);
    (void)dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool launch(HookRun *run, const Hook *hook, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(TEXT_MAX);
    RunAs as;
    char *argv[HOOK_WORDS_MAX + 1] = { 0 };
    int pipes[2];
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!run_as(hook, &as, err))
        return false;
    for (size_t i = 0; i < hook->word_count; i++)
        if (!(argv[i] = str_to_cstr(arena, hook->words[i], err)))
            return false;
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C.UTF-8";
    char *home = str_to_cstr(arena, str_printf(arena, "HOME=%s", as.home), err), *user = str_to_cstr(arena, str_printf(arena, "USER=%s", as.name), err);
    char *changed = str_to_cstr(arena, str_printf(arena, "VAULTYARD_CHANGED=%s", run->changed), err);
    if (!home || !user || !changed)
        return false;
    char *const environment[] = { path, lang, home, user, changed, NULL };
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_errno(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        child(&as, pipes[1], argv, environment);
    (void)close(pipes[1]);
    if (pid < 0) {
        (void)close(pipes[0]);
        return err_errno(err, "cannot start a process");
    }
    (void)setpgid(pid, pid);                            /* here too: whoever comes first, a kill of the group finds it */
    (void)fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    run->pid = pid;
    run->out_fd = pipes[0];
    run->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return true;
}

static void take_output(HookRun *run)
{
    char bytes[1024];
    for (ssize_t got; run->out_fd >= 0 && (got = read(run->out_fd, bytes, sizeof bytes)) != 0;) {
        if (got < 0)
            return;
        size_t len = (size_t)got, over = run->output_len + len > HOOK_OUTPUT_MAX ? run->output_len + len - HOOK_OUTPUT_MAX : 0;
        memmove(run->output, run->output + over, run->output_len - over);
        memcpy(run->output + run->output_len - over, bytes, len);
        run->output_len += len - over;
        run->output[run->output_len] = '\0';
    }
    fd_close(&run->out_fd);
}

static void ended(HookRun *run)
{
    run->ended_ms = real_now_ms();
    if (run->was_good) {
        run->failures = 0;
    } else {
        int64_t pause = RETRY_FIRST_MS;
        for (int i = 0; i < run->failures && pause < RETRY_MAX_MS; i++)
            pause *= 2;
        run->failures++;
        run->is_pending = true;
        run->due_ms = mono_now_ms() + (pause < RETRY_MAX_MS ? pause : RETRY_MAX_MS);
    }
    /* Other programs may print what is not UTF-8; the state file may not. */
    for (size_t i = 0; i < run->output_len; i++)
        if ((unsigned char)run->output[i] >= 0x7f || ((unsigned char)run->output[i] < ' ' && run->output[i] != '\n' && run->output[i] != '\t'))
            run->output[i] = '?';
    log_event(run->was_good ? LOG_INFO : LOG_ERROR, "certs.hook_ended", log_cstr("result", run->result), log_cstr("output", run->output + (run->output_len > 1000 ? run->output_len - 1000 : 0)));
}

static void begin(HookRun *run, const Hook *hook)
{
    Err err = { 0 };
    run->output_len = 0;
    run->output[0] = '\0';
    run->is_pending = run->is_killed = run->was_good = false;
    run->started_ms = real_now_ms();
    run->limit_ms = mono_now_ms() + hook->timeout_s * 1000;
    if (launch(run, hook, &err)) {
        (void)snprintf(run->result, sizeof run->result, "is running");
        return;
    }
    (void)snprintf(run->result, sizeof run->result, "%.190s", err.text);
    ended(run);
}

static void reap(HookRun *run, const Hook *hook)
{
    int status;
    if (waitpid(run->pid, &status, WNOHANG) != run->pid)
        return;
    take_output(run);
    fd_close(&run->out_fd);                             /* something it left behind may still hold the other end */
    fd_close(&run->pid_fd);
    run->pid = 0;
    run->was_good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !run->is_killed;
    if (run->is_killed)
        (void)snprintf(run->result, sizeof run->result, "was ended after %lld s", (long long)hook->timeout_s);
    else if (WIFEXITED(status))
        (void)snprintf(run->result, sizeof run->result, "exit %d", WEXITSTATUS(status));
    else
        (void)snprintf(run->result, sizeof run->result, "was ended by signal %d", WTERMSIG(status));
    if (run->was_good && !run->is_pending)
        run->changed[0] = '\0';
    ended(run);
}

int64_t hook_step(HookRun *run, const Hook *hook)
{
    int64_t now_ms = mono_now_ms();
    if (run->pid > 0) {
        take_output(run);
        reap(run, hook);
    }
    if (run->pid == 0) {
        if (!run->is_pending || hook->word_count == 0)
            return INT64_MAX;
        if (run->due_ms > now_ms)
            return run->due_ms;
        begin(run, hook);
        return run->pid ? run->limit_ms : run->due_ms;
    }
    if (now_ms >= run->limit_ms) {
        (void)kill(-run->pid, run->is_killed ? SIGKILL : SIGTERM);
        run->is_killed = true;
        run->limit_ms = now_ms + KILL_AFTER_MS;
    }
    /* A kernel without pidfd: look now and then. */
    return run->pid_fd >= 0 ? run->limit_ms : now_ms + 100 < run->limit_ms ? now_ms + 100 : run->limit_ms;
}

size_t hook_fds(const HookRun *run, struct pollfd fds[HOOK_FDS])
{
    size_t count = 0;
    if (run->pid_fd >= 0)
        fds[count++] = (struct pollfd){ .fd = run->pid_fd, .events = POLLIN };
    if (run->out_fd >= 0)
        fds[count++] = (struct pollfd){ .fd = run->out_fd, .events = POLLIN };
    return count;
}

void hook_stop(HookRun *run)
{
    if (run->pid > 0) {
        (void)kill(-run->pid, SIGKILL);
        while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        run->is_pending = true;
    }
    run->pid = 0;
    fd_close(&run->pid_fd);
    fd_close(&run->out_fd);
}
