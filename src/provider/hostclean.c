/* hostclean.c - `vaultyard clean`: what an instance left on this machine goes, whether its host runs, crashed or never came back.
 *
 * Needs no container runtime: all processes of nodes are in the instance's control groups, and the rest is files. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "provider/cgroup.h"
#include "provider/host.h"
#include "provider/hostlock.h"
#include "provider/instance.h"

enum { HOST_STOP_MS = 60000, OTHERS_MS = 10000, KILL_MS = 20000, MOUNTINFO_BYTES_MAX = 4 * 1024 * 1024, WORK_BYTES = 16 * 1024 * 1024 };

static bool process_end(int pidfd, int signal_number, int64_t wait_ms)
{
    struct pollfd polled = { .fd = pidfd, .events = POLLIN };
    int64_t deadline_ms = mono_now_ms() + wait_ms;
    if (syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0)
        return errno == ESRCH;
    for (;;) {
        int64_t left_ms = deadline_ms - mono_now_ms();
        int ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready >= 0 || errno != EINTR)
            return ready > 0;
    }
}

/* The lock proves which process it is: the pidfd is opened first, then the lock read again. */
static bool host_stop(Arena *arena, const char *host_dir, const HostLock *lock, int *removed, Err *err)
{
    HostLock again;
    bool is_held = false;
    Err ignored;                                        /* gone meanwhile: nothing to stop */
    AUTO(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, lock->pid, 0);
    if (pidfd < 0 || !host_lock_read(arena, host_dir, &again, &is_held, &ignored) || !is_held || again.pid != lock->pid)
        return true;
    if (!process_end(pidfd, SIGTERM, HOST_STOP_MS) && !process_end(pidfd, SIGKILL, KILL_MS))
        return err_set(err, ERR_UNAVAILABLE, "the host process %d does not end", (int)lock->pid);
    printf("stopped host process %d\n", (int)lock->pid);
    (*removed)++;
    return true;
}

/* The host is stopped, and each that takes its place meanwhile: a keeper may be about to start the one it lost. Then the lock is ours. */
static bool hosts_end(Arena *arena, const Instance *instance, int *lock_fd, int *removed, Err *err)
{
    int64_t deadline_ms = mono_now_ms() + OTHERS_MS;
    for (;;) {
        HostLock lock;
        bool is_held = false;
        Err ignored;                                    /* no lock file, no host */
        if (host_lock_read(arena, instance->host_dir, &lock, &is_held, &ignored) && is_held && !host_stop(arena, instance->host_dir, &lock, removed, err))
            return false;
        if (access(instance->host_dir, F_OK) < 0 || host_lock_seize(instance->host_dir, lock_fd, err))
            return true;
        if (err->code != ERR_CONFLICT || mono_now_ms() >= deadline_ms)
            return false;
    }
}

/* Mounts of this namespace at or below `dir`, the last first. The host makes its own where nobody else sees them; this is for surprises. */
static bool unmount_below(Arena *arena, const char *dir, int *removed, Err *err)
{
    Str text;
    if (!file_read(arena, "/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &text, err))
        return false;
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    Str *points = ARENA_ARRAY(arena, Str, lines);
    if (!points)
        return err_too_big(err);
    for (Str rest = text; rest.ptr;) {
        Str line = str_cut(&rest, '\n'), point = STR_NONE;
        for (int i = 0; i < 5; i++)
            point = str_cut(&line, ' ');
        if (str_starts(point, str_from(dir)) && (point.len == strlen(dir) || point.ptr[strlen(dir)] == '/'))
            points[count++] = point;
    }
    while (count-- > 0) {
        char *point = str_to_cstr(arena, points[count], err);
        if (!point)
            return false;
        if (umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
            return err_errno(err, "cannot unmount %s", point);
        printf("unmounted %s\n", point);
        (*removed)++;
    }
    return true;
}

static bool nodes_remove(const Instance *instance, int *removed, Err *err)
{
    DIR *dir = opendir(instance->nodes_dir);
    if (!dir)
        return errno == ENOENT || err_errno(err, "cannot list %s", instance->nodes_dir);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        char path[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        done = (size_t)snprintf(path, sizeof path, "%s/%s", instance->nodes_dir, entry->d_name) < sizeof path ||
               err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", instance->nodes_dir);
        if (!done || !dir_remove_tree(path, err)) {
            done = false;
            continue;
        }
        printf("removed node %s\n", entry->d_name);
        (*removed)++;
    }
    (void)closedir(dir);
    return done;
}

static bool tree_remove(const char *path, int *removed, Err *err)
{
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return true;
    if (!dir_remove_tree(path, err))
        return false;
    printf("removed %s\n", path);
    (*removed)++;
    return true;
}

static bool instance_remove(Arena *arena, const Instance *instance, int *removed, Err *err)
{
    int killed = 0, groups = 0;
    if (!cgroup_kill(instance->group, KILL_MS, &killed, err))
        return false;
    if (killed)
        printf("killed %d processes\n", killed);
    if (!cgroup_remove(instance->group, KILL_MS, &groups, err))
        return false;
    if (groups)
        printf("removed %d control groups\n", groups);
    *removed += killed + groups;
    return unmount_below(arena, instance->host_dir, removed, err) && unmount_below(arena, instance->state_dir, removed, err) &&
           nodes_remove(instance, removed, err) && tree_remove(instance->state_dir, removed, err) && tree_remove(instance->host_dir, removed, err);
}

bool host_clean(const char *data_dir, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    AUTO(fd_close) int lock_fd = -1;
    char host_dir[PATH_MAX];
    Instance instance;
    HostLock lock = { 0 };
    bool is_held = false;
    int removed = 0;
    Err ignored;                                        /* what one file does not tell, the next may */
    if (!arena)
        return err_too_big(err);
    if (geteuid() != 0)
        return err_set(err, ERR_DENIED, "only root can remove nodes from this machine: run `vaultyard clean` as root");
    if ((size_t)snprintf(host_dir, sizeof host_dir, "%s/host", data_dir) >= sizeof host_dir)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", data_dir);

    /* Whichever still tells which instance this is: its own file, its lock file, or its note in /run. */
    bool has_lock = host_lock_read(arena, host_dir, &lock, &is_held, &ignored);
    if (!instance_read(arena, data_dir, &instance, err) && !(has_lock && instance_named(arena, data_dir, lock.instance_id, &instance, &ignored)) &&
        (err->code != ERR_NOT_FOUND || !instance_lookup(arena, data_dir, &instance, err)))
        return false;
    bool has_dir = access(instance.data_dir, F_OK) == 0;
    if ((has_dir && !instance_check_owner(&instance, err)) || !hosts_end(arena, &instance, &lock_fd, &removed, err))
        return false;
    if (!instance_remove(arena, &instance, &removed, err))
        return false;
    if (!removed)
        printf("nothing of %s was left on this machine\n", instance.data_dir);
    return true;
}
