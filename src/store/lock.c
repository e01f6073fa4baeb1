/* lock.c - exclusive use of a database by one process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/file.h"
#include "store/lock.h"

/* The file is never removed: a second process could lock a file that has no name any more. */
bool store_lock(const char *database_path, int *out, Err *err)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s.lock", database_path) >= sizeof path)
        return err_set(err, ERR_BAD_INPUT, "the path of the database is too long");
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "cannot open '%s'", path);

    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, "cannot lock '%s'", path);
        char pid[24] = "";
        ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
        size_t digits = got > 0 ? strspn(pid, "0123456789") : 0;
        return err_set(err, ERR_CONFLICT, "the database '%s' is in use by %s%.*s: stop that process first",
                       database_path, digits ? "process " : "another process", (int)digits, pid);
    }
    char pid[24];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        return err_errno(err, "cannot write '%s'", path);
    *out = fd;
    fd = -1;
    return true;
}
