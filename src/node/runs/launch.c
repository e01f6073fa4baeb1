/* launch.c - fork, become the user, exec. */
#include "node/runs/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"

/* A fork bomb of one user leaves room for the agent and the others within what a node may run (4,096 a core). */
enum { PROCESSES_MAX = 3072, OOM_SCORE_MAX = 1000, OOM_SCORE_ABOVE_US = 200 };

/* The steps of becoming the user, in order; the child reports the one that failed. */
typedef enum Step { STEP_STREAMS = 1, STEP_LIMITS, STEP_GROUPS, STEP_USER, STEP_CAPABILITIES, STEP_PRIVILEGES, STEP_PARENT, STEP_DIRECTORY, STEP_EXEC } Step;
static const char *const step_names[] = { "", "its streams", "its limits", "its groups", "its user", "its capabilities", "giving up privileges", "its parent", "its directory", "the program" };
typedef struct Failed { Step step; int error; } Failed;

static bool set_streams(const RunDir *dir)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(dir->out_fd, STDOUT_FILENO) >= 0 && dup2(dir->err_fd, STDERR_FILENO) >= 0;
}

/* When memory runs out a task goes before its keeper. Raising one's own score is always allowed; best effort. The file of a process that is
 * not dumpable belongs to the machine's root, whom a node does not have (proc_pid(5)). */
static void raise_oom_score(void)
{
    char text[32];
    (void)prctl(PR_SET_DUMPABLE, 1);
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), score = 0;
    ssize_t len = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (len > 0) {
        bool is_negative = text[0] == '-';
        for (ssize_t i = is_negative; i < len && text[i] >= '0' && text[i] <= '9'; i++)
            score = score * 10 + (text[i] - '0');
        score = (is_negative ? -score : score) + OOM_SCORE_ABOVE_US;
        len = snprintf(text, sizeof text, "%d", score > OOM_SCORE_MAX ? OOM_SCORE_MAX : score);
        if (pwrite(fd, text, (size_t)len, 0) != len)
            errno = 0;                  /* then it shares our score */
    }
    fd_close(&fd);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static bool set_limits(const RunUser *user)
{
    struct rlimit processes, no_core = { 0, 0 };
    raise_oom_score();
    (void)umask(027);
    if (setrlimit(RLIMIT_CORE, &no_core) < 0)
        return false;
    if (!user->switches || user->is_root)
        return true;
    if (getrlimit(RLIMIT_NPROC, &processes) < 0)
        return false;
    processes.rlim_max = processes.rlim_max < PROCESSES_MAX ? processes.rlim_max : PROCESSES_MAX;
    processes.rlim_cur = processes.rlim_max;
    return setrlimit(RLIMIT_NPROC, &processes) == 0;
}

static bool caps(unsigned call, struct __user_cap_data_struct data[2])
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    return syscall(call == SYS_capget ? SYS_capget : SYS_capset, &header, data) == 0;
}

/* Nothing to be gained by any program that is executed later (capabilities(7), "Transformation of capabilities during execve"). */
static bool empty_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return false;
    return true;
}

/* A named administrator's id is not 0: its capabilities are kept over setresuid and handed on as ambient ones. */
static bool make_ambient(void)
{
    struct __user_cap_data_struct data[2];
    if (!caps(SYS_capget, data))
        return false;
    for (int i = 0; i < 2; i++)
        data[i].inheritable = data[i].effective = data[i].permitted;
    if (!caps(SYS_capset, data))
        return false;
    for (unsigned cap = 0; cap < 64; cap++)
        if ((data[cap / 32].permitted >> (cap % 32) & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return false;
    return true;
}

static Step become_user(const RunUser *user)
{
    if (!user->switches)
        return 0;
    bool keeps = user->is_admin && !user->is_root;
    if (setgroups(user->group_count, user->groups) < 0)
        return STEP_GROUPS;
    if (!user->is_admin && !empty_bounding_set())
        return STEP_CAPABILITIES;
    if (keeps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return STEP_CAPABILITIES;
    if (setresgid(user->gid, user->gid, user->gid) < 0 || setresuid(user->uid, user->uid, user->uid) < 0)
        return STEP_USER;
    return keeps && !make_ambient() ? STEP_CAPABILITIES : 0;
}

/* As execvpe does, but with the PATH of the environment given, and a file that is no program is an error and not a shell script. */
static void exec_along_path(char *const argv[], char *const environment[])
{
    const char *path = "";
    int found = ENOENT;
    if (strchr(argv[0], '/')) {
        (void)execve(argv[0], argv, environment);
        return;
    }
    for (size_t i = 0; environment[i]; i++)
        if (strncmp(environment[i], "PATH=", 5) == 0)
            path = environment[i] + 5;
    for (const char *end; argv[0][0]; path = end + 1) {
        char file[PATH_MAX];
        end = strchrnul(path, ':');
        if ((size_t)snprintf(file, sizeof file, "%.*s%s%s", (int)(end - path), path, end == path ? "" : "/", argv[0]) < sizeof file)
            (void)execve(file, argv, environment);
        if (errno != ENOENT && errno != ENOTDIR)
            found = errno;
        if (!*end)
            break;
    }
    errno = found;
}

static Step become(char *const argv[], char *const environment[], const RunUser *user, const RunDir *dir, pid_t keeper)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        (void)signal(signal_number, SIG_DFL);
    (void)setsid();
    if (!set_streams(dir))
        return STEP_STREAMS;
    if (!set_limits(user))
        return STEP_LIMITS;
    if (fchdir(dir->wd_fd) < 0)
        return STEP_DIRECTORY;
    Step failed = become_user(user);
    if (failed)
        return failed;
    if (!user->is_admin && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return STEP_PRIVILEGES;
    /* After the change of user, which clears it (prctl(2), PR_SET_PDEATHSIG). */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
        return STEP_PARENT;
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return STEP_STREAMS;
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    exec_along_path(argv, environment);
    return STEP_EXEC;
}

static bool explain(const Failed *failed, const char *program, bool *program_missing, Err *err)
{
    *program_missing = failed->step == STEP_EXEC && (failed->error == ENOENT || failed->error == ENOTDIR);
    errno = failed->error;
    return failed->step == STEP_EXEC ? err_errno(err, "cannot run '%.200s'", program) : err_errno(err, "cannot run '%.200s': %s", program, step_names[failed->step]);
}

bool launch_run(char *const argv[], char *const environment[], const RunUser *user, const RunDir *dir, pid_t *out, bool *program_missing, Err *err)
{
    int ends[2];
    Failed failed;
    *program_missing = false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "cannot make a pipe");
    AUTO(fd_close) int from_child = ends[0];
    AUTO(fd_close) int to_parent = ends[1];
    pid_t keeper = getpid(), child = fork();
    if (child < 0)
        return err_errno(err, "cannot start a process");
    if (child == 0) {
        failed.step = become(argv, environment, user, dir, keeper);
        failed.error = errno;
        if (write(to_parent, &failed, sizeof failed) < 0) {
            /* The parent sees the exit code instead. */
        }
        _exit(127);
    }
    fd_close(&to_parent);
    ssize_t got;
    while ((got = read(from_child, &failed, sizeof failed)) < 0 && errno == EINTR)
        continue;
    if (got != sizeof failed) {                         /* the pipe closed with exec */
        *out = child;
        return true;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return explain(&failed, argv[0], program_missing, err);
}
