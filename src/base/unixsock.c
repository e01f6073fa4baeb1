/* unixsock.c - Unix sockets that servers listen on. */
#include "base/unixsock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"

/* A socket file nobody listens on is what a killed server left; one that answers belongs to a server that runs. */
static bool remove_stale(const char *path, const struct sockaddr_un *where, Err *err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT || err_errno(err, "cannot listen on %s", path);
    if (!S_ISSOCK(info.st_mode))
        return err_set(err, ERR_CONFLICT, "cannot listen on %s: a file that is no socket lies there", path);
    AUTO(fd_close) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return err_errno(err, "cannot listen on %s", path);
    if (connect(probe, (const struct sockaddr *)where, sizeof *where) == 0 || errno == EAGAIN)
        return err_set(err, ERR_CONFLICT, "cannot listen on %s: another server answers there", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove the old socket %s", path);
    return true;
}

bool unix_listen(const char *path, unsigned mode, UnixListener *out, Err *err)
{
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    struct stat info;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof where.sun_path)
        return err_set(err, ERR_BAD_INPUT, "the socket path '%s' must have 1 to %zu characters", path, sizeof where.sun_path - 1);
    memcpy(where.sun_path, path, len);
    if (!remove_stale(path, &where, err))
        return false;
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof where) < 0)
        return err_errno(err, "cannot listen on %s", path);
    char *kept = strdup(path);
    if (!kept || chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0 || lstat(path, &info) < 0) {
        (void)err_errno(err, "cannot listen on %s", path);
        (void)unlink(path);                     /* it is of no use to anyone */
        free(kept);
        return false;
    }
    *out = (UnixListener){ fd, kept, info.st_dev, info.st_ino };
    fd = -1;
    return true;
}

void unix_unlisten(UnixListener *listener)
{
    struct stat info;
    if (listener->path && lstat(listener->path, &info) == 0 && info.st_dev == listener->device && info.st_ino == listener->inode)
        (void)unlink(listener->path);           /* a stale socket file is removed by the next start */
    if (listener->path || listener->fd > 0)
        fd_close(&listener->fd);
    free(listener->path);
    *listener = (UnixListener){ .fd = -1 };
}
