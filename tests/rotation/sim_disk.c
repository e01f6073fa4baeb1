/* sim_disk.c - the system calls that change the disk, the clocks and the randomness of the machine that is simulated.
 *
 * The linker sends each call here (--wrap, see meson.build); a call that is let through goes on to the real one. */
#include "sim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Machine *sim;

/* One call that would change the disk: killed at it, refused by a fault of the disk, or let through. */
static bool is_let(bool needs_room)
{
    if (!sim)
        return true;
    if (!sim->is_dead && sim->kill_in_calls >= 0 && sim->kill_in_calls-- == 0) {
        sim->is_dead = true;
        sim->kills++;
    }
    if (sim->is_dead) {
        errno = EIO;
        return false;
    }
    sim->calls++;
    machine_count(sim, &sim->hour_calls, &sim->most_calls);
    errno = machine_suffers(sim, FAULT_READ_ONLY, -1, NULL) ? EROFS : machine_suffers(sim, FAULT_DENIED, -1, NULL) ? EACCES
            : needs_room && machine_suffers(sim, FAULT_FULL, -1, NULL) ? ENOSPC : 0;
    return errno == 0;
}

/* What readers may see is looked at after each call that names something in a store. */
static int after(int result, const char *path)
{
    int kept = errno;
    if (sim && !sim->is_dead && result == 0 && (!path || strstr(path, "/store")))
        machine_check_disk(sim);
    errno = kept;
    return result;
}

#define WRAP_2(name, needs_room, T1, T2) \
    int __real_##name(T1 a, T2 b); int __wrap_##name(T1 a, T2 b); \
    int __wrap_##name(T1 a, T2 b) { return is_let(needs_room) ? after(__real_##name(a, b), first_of(a, b)) : -1; }
#define WRAP_3(name, needs_room, T1, T2, T3) \
    int __real_##name(T1 a, T2 b, T3 c); int __wrap_##name(T1 a, T2 b, T3 c); \
    int __wrap_##name(T1 a, T2 b, T3 c) { return is_let(needs_room) ? after(__real_##name(a, b, c), NULL) : -1; }

/* The second path is where something appears. */
#define first_of(a, b) _Generic((b), const char *: (b), default: _Generic((a), const char *: (a), default: "no path"))

WRAP_2(rename, false, const char *, const char *)
WRAP_2(symlink, true, const char *, const char *)
WRAP_2(link, true, const char *, const char *)
WRAP_2(mkdir, true, const char *, mode_t)
WRAP_2(chmod, false, const char *, mode_t)
WRAP_2(fchmod, false, int, mode_t)
WRAP_3(chown, false, const char *, uid_t, gid_t)
int __real_fchown(int fd, uid_t uid, gid_t gid); int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid) { return is_let(false) ? __real_fchown(fd, uid, gid) : -1; }
WRAP_3(unlinkat, false, int, const char *, int)

int __real_unlink(const char *path); int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path) { return is_let(false) ? after(__real_unlink(path), path) : -1; }
int __real_rmdir(const char *path); int __wrap_rmdir(const char *path);
int __wrap_rmdir(const char *path) { return is_let(false) ? after(__real_rmdir(path), path) : -1; }
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) { (void)fd; return is_let(true) ? 0 : -1; }         /* the disk is memory: there is nothing to wait for */

int __real_renameat(int a, const char *b, int c, const char *d); int __wrap_renameat(int a, const char *b, int c, const char *d);
int __wrap_renameat(int a, const char *b, int c, const char *d) { return is_let(false) ? after(__real_renameat(a, b, c, d), NULL) : -1; }
int __real_renameat2(int a, const char *b, int c, const char *d, unsigned e); int __wrap_renameat2(int a, const char *b, int c, const char *d, unsigned e);
int __wrap_renameat2(int a, const char *b, int c, const char *d, unsigned e) { return is_let(false) ? after(__real_renameat2(a, b, c, d, e), NULL) : -1; }

int __real_open64(const char *path, int flags, ...); int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && !is_let(true))
        return -1;
    return __real_open64(path, flags, mode);
}

/* Half of a write may reach the disk before the kill or the end of the room: what is torn must have no name yet. */
ssize_t __real_write(int fd, const void *bytes, size_t size); ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (fd == STDERR_FILENO || fd == STDOUT_FILENO || is_let(true))
        return __real_write(fd, bytes, size);
    int kept = errno;
    if (size > 1 && (kept == ENOSPC || kept == EIO))
        (void)!__real_write(fd, bytes, size / 2);
    errno = kept;
    return -1;
}

/* A descriptor that tells nothing, since nobody else writes here: the kernel gives few of the real ones, and takes its time to have one back. */
int __wrap_inotify_init1(int flags);
int __wrap_inotify_init1(int flags) { return (void)flags, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask) { return (void)path, (void)mask, fd; }

int __real_clock_gettime(clockid_t id, struct timespec *out); int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    if (!sim)
        return __real_clock_gettime(id, out);
    const Window *wrong = NULL;
    int64_t ms = sim->now_ms;
    if (id == CLOCK_REALTIME && machine_suffers(sim, FAULT_CLOCK, -1, &wrong))
        ms += wrong->arg;
    *out = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
    return 0;
}

ssize_t __real_getrandom(void *out, size_t size, unsigned flags); ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    if (!sim)
        return __real_getrandom(out, size, flags);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)chance(&sim->agent_state);
    return (ssize_t)size;
}
