/* unixsock.h - listening on a Unix socket in the file system, and leaving no stale one behind. */
#pragma once
#include <sys/types.h>
#include "base/err.h"

typedef struct UnixListener {
    int fd;                     /* does not block; close-on-exec */
    char *path;
    dev_t device;
    ino_t inode;                /* of the socket we made: another server's is not removed */
} UnixListener;

/* A socket file that nobody listens on, as a killed server leaves it, is replaced. ERR_CONFLICT when a server answers there or the
 * file is no socket. */
bool unix_listen(const char *path, unsigned mode, UnixListener *out, Err *err) MUST_CHECK;
void unix_unlisten(UnixListener *listener);     /* closes, and removes the file if it is still ours; zeroed memory is fine */
