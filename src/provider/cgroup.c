/* cgroup.c - finding, killing, removing and entering control groups, whichever version the machine has. */
#include "provider/cgroup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

enum { PATH_BYTES = 4096, PROC_TEXT_MAX = 4 * 1024 * 1024, WORK_BYTES = 32 * 1024 * 1024, DEPTH_MAX = 32, BUSY_PAUSE_US = 1000 };

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static const char *mount_point_unescape(Arena *arena, Str field)
{
    char *out = arena_alloc(arena, field.len + 1);
    size_t len = 0;
    for (size_t i = 0; out && i < field.len; i++) {
        if (field.ptr[i] == '\\' && i + 3 < field.len) {
            out[len++] = (char)((field.ptr[i + 1] - '0') << 6 | (field.ptr[i + 2] - '0') << 3 | (field.ptr[i + 3] - '0'));
            i += 3;
        } else {
            out[len++] = field.ptr[i];
        }
    }
    return out;
}

/* "36 35 0:33 ROOT MOUNTPOINT OPTIONS [optional...] - TYPE SOURCE SUPEROPTIONS" */
static bool mount_line_parse(Arena *arena, Str line, CgroupTree *out)
{
    Str point = STR_NONE;
    size_t separator;
    if (!str_find(line, STR(" - "), &separator))
        return false;
    Str before = str_slice(line, 0, separator), after = str_slice(line, separator + 3, line.len);
    for (int i = 0; i < 5; i++)
        point = str_cut(&before, ' ');
    Str type = str_cut(&after, ' ');
    (void)str_cut(&after, ' ');                     /* the source's name says nothing */
    bool is_v2 = str_eq(type, STR("cgroup2"));
    if (!is_v2 && !str_eq(type, STR("cgroup")))
        return false;
    *out = (CgroupTree){ mount_point_unescape(arena, point), is_v2, is_v2 ? STR_NONE : str_dup(arena, after) };
    return true;
}

bool cgroup_trees_parse(Arena *arena, Str mountinfo, CgroupTree **out, size_t *count, Err *err)
{
    size_t lines = 1, found = 0;
    for (size_t i = 0; i < mountinfo.len; i++)
        lines += mountinfo.ptr[i] == '\n';
    CgroupTree *trees = ARENA_ARRAY(arena, CgroupTree, lines);
    if (!trees)
        return err_too_big(err);
    for (Str rest = mountinfo; rest.ptr;) {
        CgroupTree tree;
        if (!mount_line_parse(arena, str_cut(&rest, '\n'), &tree))
            continue;
        bool again = false;
        for (size_t i = 0; i < found && !again; i++)
            again = trees[i].is_v2 == tree.is_v2 && str_eq(trees[i].controllers, tree.controllers);
        if (!again)
            trees[found++] = tree;
    }
    *out = trees;
    *count = found;
    return arena_ok(arena) || err_too_big(err);
}

static bool cgroup_trees(Arena *arena, CgroupTree **out, size_t *count, Err *err)
{
    Str text;
    if (!file_read(arena, "/proc/self/mountinfo", PROC_TEXT_MAX, &text, err) || !cgroup_trees_parse(arena, text, out, count, err))
        return false;
    return *count > 0 || err_set(err, ERR_UNAVAILABLE, "no control group hierarchy is mounted on this machine, so nodes cannot be limited or found again");
}

static bool group_path(char out[PATH_BYTES], const char *mount, const char *relative, Err *err)
{
    int len = snprintf(out, PATH_BYTES, "%s/%s", mount, relative);
    return (len > 0 && len < PATH_BYTES) || err_set(err, ERR_BAD_INPUT, "the control group path %.40s... is too long", relative);
}

/* Calls fn for each group below path, then for path itself. Absent: fine. */
static bool group_walk(const char *path, int depth, bool (*fn)(const char *path, void *ctx, Err *err), void *ctx, Err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT || err_errno(err, "cannot list control group %s", path);
    bool done = depth < DEPTH_MAX || err_set(err, ERR_INTERNAL, "control groups below %s are nested too deep", path);
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        char child[PATH_BYTES];
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        done = group_path(child, path, entry->d_name, err) && group_walk(child, depth + 1, fn, ctx, err);
    }
    (void)closedir(dir);
    return done && fn(path, ctx, err);
}

typedef struct Killing { Arena *arena; int *pidfds; size_t count, cap; } Killing;

/* The pidfd is opened before the signal, so it is the process that gets it, and its end can be waited for. */
static bool kill_one(Killing *killing, pid_t pid, Err *err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH || errno == EINVAL || err_errno(err, "cannot get hold of process %d", (int)pid);   /* EINVAL: a thread's id */
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
        (void)close(fd);
        return err_errno(err, "cannot kill process %d", (int)pid);
    }
    if (killing->count == killing->cap) {
        size_t cap = killing->cap ? killing->cap * 2 : 64;
        int *wider = realloc(killing->pidfds, cap * sizeof *wider);
        if (!wider) {
            (void)close(fd);
            return err_set(err, ERR_INTERNAL, "out of memory while killing a node's processes");
        }
        killing->pidfds = wider;
        killing->cap = cap;
    }
    killing->pidfds[killing->count++] = fd;
    return true;
}

static bool kill_group(const char *path, void *ctx, Err *err)
{
    Killing *killing = ctx;
    char file[PATH_BYTES];
    Str text;
    if (!group_path(file, path, "cgroup.procs", err))
        return false;
    if (!file_read(killing->arena, file, PROC_TEXT_MAX, &text, err))
        return err->code == ERR_NOT_FOUND;
    for (Str rest = text; rest.ptr;) {
        Str line = str_cut(&rest, '\n');
        int64_t pid;
        Err ignored;                                    /* 0 stands for a process of another pid namespace */
        if (!str_empty(line) && str_to_int64(line, 1, INT32_MAX, &pid, &ignored) && pid != getpid() && !kill_one(killing, (pid_t)pid, err))
            return false;
    }
    return true;
}

/* A process that died lingers in cgroup.procs until it is a zombie or gone; a pidfd is readable from then on. */
static bool killing_wait(Killing *killing, int64_t deadline_ms, Err *err)
{
    bool done = true;
    for (size_t i = 0; i < killing->count; i++) {
        struct pollfd polled = { .fd = killing->pidfds[i], .events = POLLIN };
        int ready;
        int64_t left_ms;
        do {
            left_ms = deadline_ms - mono_now_ms();
            ready = done ? poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0) : 0;
        } while (ready < 0 && errno == EINTR);
        if (done && ready <= 0)
            done = err_set(err, ERR_UNAVAILABLE, "a killed process did not end in time; it waits for a device");
        (void)close(killing->pidfds[i]);
    }
    killing->count = 0;
    return done;
}

bool cgroup_kill(const char *relative, int timeout_ms, int *killed, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    CgroupTree *trees;
    size_t count;
    if (!arena)
        return err_too_big(err);
    if (!cgroup_trees(arena, &trees, &count, err))
        return false;

    int64_t deadline_ms = mono_now_ms() + timeout_ms;
    Killing killing = { 0 };
    bool done = true;
    for (bool again = true; done && again;) {           /* a process may have forked between listing and signal */
        again = false;
        AUTO(arena_free_auto) Arena *round = arena_new(WORK_BYTES);
        killing.arena = round;
        done = round || err_too_big(err);
        for (size_t i = 0; done && i < count; i++) {
            char path[PATH_BYTES];
            done = group_path(path, trees[i].mount, relative, err) && group_walk(path, 0, kill_group, &killing, err);
            again = again || killing.count > 0;
            *killed += (int)killing.count;
            if (!killing_wait(&killing, deadline_ms, err))
                done = false;
        }
        if (done && again && mono_now_ms() > deadline_ms)
            done = err_set(err, ERR_UNAVAILABLE, "processes of %s appear faster than they can be killed", relative);
    }
    free(killing.pidfds);
    return done;
}

typedef struct Removing { int removed; bool is_busy; } Removing;

static bool remove_group(const char *path, void *ctx, Err *err)
{
    Removing *removing = ctx;
    if (rmdir(path) == 0)
        removing->removed++;
    else if (errno == EBUSY)
        removing->is_busy = true;
    else if (errno != ENOENT)
        return err_errno(err, "cannot remove control group %s", path);
    return true;
}

bool cgroup_remove(const char *relative, int timeout_ms, int *removed, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    CgroupTree *trees;
    size_t count;
    Removing removing = { 0 };
    int killed = 0;
    int64_t deadline_ms = mono_now_ms() + timeout_ms;
    if (!arena)
        return err_too_big(err);
    if (!cgroup_trees(arena, &trees, &count, err))
        return false;
    for (;;) {
        removing.is_busy = false;
        for (size_t i = 0; i < count; i++) {
            char path[PATH_BYTES];
            if (!group_path(path, trees[i].mount, relative, err) || !group_walk(path, 0, remove_group, &removing, err))
                return false;
        }
        if (!removing.is_busy)
            break;
        if (mono_now_ms() >= deadline_ms)
            return err_set(err, ERR_UNAVAILABLE, "control group %s stays in use though all its processes were killed", relative);
        if (!cgroup_kill(relative, timeout_ms, &killed, err))
            return false;
        (void)usleep(BUSY_PAUSE_US);
    }
    *removed += removing.removed;
    return true;
}

static bool make_groups(const char *mount, const char *relative, char path[PATH_BYTES], Err *err)
{
    if (!group_path(path, mount, relative, err))
        return false;
    for (char *at = path + strlen(mount) + 1;; at++) {
        char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
        *at = c;
        if (!made)
            return err_errno(err, "cannot make control group %s", path);
        if (c == '\0')
            return true;
    }
}

bool cgroup_enter(const char *relative, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    CgroupTree *trees;
    size_t count;
    if (!arena)
        return err_too_big(err);
    if (!cgroup_trees(arena, &trees, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_BYTES], file[PATH_BYTES];
        size_t at;
        if (str_find(trees[i].controllers, STR("cpuset"), &at) || str_find(trees[i].controllers, STR("devices"), &at))
            continue;
        if (!make_groups(trees[i].mount, relative, path, err) || !group_path(file, path, "cgroup.procs", err))
            return false;
        AUTO(fd_close) int fd = open(file, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)           /* 0: the writer */
            return err_errno(err, "cannot enter control group %s", path);
    }
    return true;
}

bool cgroup_has_process(const char *relative, pid_t pid)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    char path[64];
    Str text;
    Err ignored;                                        /* gone: it is in no group */
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (!arena || !file_read(arena, path, 1 << 16, &text, &ignored))
        return false;
    while (text.ptr) {                                  /* "4:memory:/vaultyard-01234567/node1" */
        Str line = str_cut(&text, '\n');
        (void)str_cut(&line, ':');
        (void)str_cut(&line, ':');
        if (str_starts(line, STR("/")) && str_eq(str_slice(line, 1, line.len), str_from(relative)))
            return true;
    }
    return false;
}

bool cgroup_limits_swap(void)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    CgroupTree *trees;
    size_t count, at;
    Err ignored;                                        /* no answer: no swap limit is asked for */
    if (!arena || !cgroup_trees(arena, &trees, &count, &ignored))
        return false;
    bool has_v1_memory = false;
    for (size_t i = 0; i < count; i++) {
        char file[PATH_BYTES];
        if (trees[i].is_v2 || !str_find(trees[i].controllers, STR("memory"), &at))
            continue;
        has_v1_memory = true;
        if (group_path(file, trees[i].mount, "memory.memsw.limit_in_bytes", &ignored) && access(file, F_OK) == 0)
            return true;
    }
    return !has_v1_memory && access("/proc/swaps", F_OK) == 0;         /* absent without CONFIG_SWAP */
}
