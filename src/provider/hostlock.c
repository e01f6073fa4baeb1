/* hostlock.c - the lock file of the host process. */
#include "provider/hostlock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "json/read.h"

static bool lock_path(const char *host_dir, char out[PATH_MAX], Err *err)
{
    int len = snprintf(out, PATH_MAX, "%s/host.lock", host_dir);
    return (len > 0 && len < PATH_MAX) || err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", host_dir);
}

/* "pid (comm) S ppid ...": comm may hold anything, so fields are counted behind the last ')'. */
static bool process_start_ticks(pid_t pid, int64_t *ticks)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    char path[64];
    Str text, field = STR_NONE;
    Err ignored;                                        /* gone: no start time */
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!arena || !file_read(arena, path, 8192, &text, &ignored))
        return false;
    size_t behind = text.len;
    while (behind > 0 && text.ptr[behind - 1] != ')')
        behind--;
    Str rest = str_trim(str_slice(text, behind, text.len));
    for (int i = 3; i <= 22 && rest.ptr; i++)
        field = str_cut(&rest, ' ');
    return str_to_int64(field, 0, INT64_MAX, ticks, &ignored);
}

enum { LOOK_MS = 300, AGAIN_MS = 10 };                  /* host_lock_read holds it for an instant, on a busy machine for longer */

/* An flock on a file that was removed meanwhile protects nothing: then once more. */
static bool lock_open(const char *path, int *fd, bool *locked, Err *err)
{
    static const struct timespec pause = { .tv_nsec = AGAIN_MS * 1000000 };
    for (int waited_ms = 0;;) {
        AUTO(fd_close) int opened = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        struct stat ours, named;
        if (opened < 0)
            return err_errno(err, "cannot open %s", path);
        if (flock(opened, LOCK_EX | LOCK_NB) < 0) {
            if (errno != EWOULDBLOCK)
                return err_errno(err, "cannot lock %s", path);
            *locked = false;
            if (waited_ms >= LOOK_MS)
                return true;
            (void)nanosleep(&pause, NULL);
            waited_ms += AGAIN_MS;
            continue;
        }
        if (fstat(opened, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
            *fd = opened;
            opened = -1;
            *locked = true;
            return true;
        }
    }
}

static bool lock_write(int fd, pid_t pid, int64_t ticks, Str instance_id)
{
    char text[256];
    int len = snprintf(text, sizeof text, "{\"pid\":%d,\"startTicks\":%lld,\"instanceId\":\"" STR_FMT "\"}\n", (int)pid, (long long)ticks, STR_ARG(instance_id));
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

bool host_lock_take(const char *host_dir, Str instance_id, int *fd, Err *err)
{
    char path[PATH_MAX];
    int64_t ticks;
    bool locked;
    AUTO(fd_close) int lock = -1;
    if (!lock_path(host_dir, path, err) || !lock_open(path, &lock, &locked, err))
        return false;
    if (!locked)
        return err_set(err, ERR_CONFLICT, "another `vaultyard host` serves %s already", host_dir);
    if (!process_start_ticks(getpid(), &ticks))
        return err_set(err, ERR_INTERNAL, "cannot read /proc/%d/stat", (int)getpid());
    if (!lock_write(lock, getpid(), ticks, instance_id))
        return err_errno(err, "cannot write %s", path);
    *fd = lock;
    lock = -1;
    return true;
}

void host_lock_leave(Str instance_id, int *fd)
{
    if (*fd >= 0)
        (void)lock_write(*fd, 0, 0, instance_id);       /* on a full disk it looks killed */
    fd_close(fd);
}

typedef struct LockIn { int64_t pid, start_ticks; Str instance_id; } LockIn;
static const JsonField lock_fields[] = {
    JSON_FIELD(LockIn, pid,         "pid",        JSON_REQUIRED),
    JSON_FIELD(LockIn, start_ticks, "startTicks", JSON_REQUIRED),
    JSON_FIELD(LockIn, instance_id, "instanceId", JSON_REQUIRED),
};

bool host_lock_read(Arena *arena, const char *host_dir, HostLock *out, bool *is_held, Err *err)
{
    char path[PATH_MAX];
    Str text;
    const JsonVal *root;
    LockIn in = { 0 };
    int64_t ticks;
    if (!lock_path(host_dir, path, err) || !file_read(arena, path, 4096, &text, err) || !json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "", lock_fields, COUNT_OF(lock_fields), &in, err))
        return false;
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    *out = (HostLock){ (pid_t)in.pid, in.start_ticks, in.instance_id };
    *is_held = held && in.pid > 1 && in.pid <= INT_MAX && process_start_ticks((pid_t)in.pid, &ticks) && ticks == in.start_ticks;
    return true;
}

bool host_lock_seize(const char *host_dir, int *fd, Err *err)
{
    char path[PATH_MAX];
    bool locked;
    if (!lock_path(host_dir, path, err) || !lock_open(path, fd, &locked, err))
        return false;
    if (!locked)
        return err_set(err, ERR_CONFLICT, "a `vaultyard host` still serves %s", host_dir);
    return unlink(path) == 0 || err_errno(err, "cannot remove %s", path);
}
