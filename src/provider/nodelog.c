/* nodelog.c - opening and trimming a node's log. */
#include "provider/nodelog.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

static bool log_paths(const char *bundle, char path[PATH_MAX], char older[PATH_MAX], Err *err)
{
    return (snprintf(path, PATH_MAX, "%s/node.log", bundle) < PATH_MAX && snprintf(older, PATH_MAX, "%s/node.log.1", bundle) < PATH_MAX) ||
           err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", bundle);
}

bool node_log_open(const char *bundle, uid_t owner, int *out_fd, Err *err)
{
    char path[PATH_MAX], older[PATH_MAX];
    if (!log_paths(bundle, path, older, err))
        return false;
    if (rename(path, older) < 0 && errno != ENOENT)
        return err_errno(err, "cannot put %s aside", path);
    /* Appending: it goes on at the start once the file was trimmed. */
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fchown(fd, owner, owner) < 0)
        return err_errno(err, "cannot make %s", path);
    *out_fd = fd;
    fd = -1;
    return true;
}

bool node_log_trim(const char *bundle, Err *err)
{
    char path[PATH_MAX], older[PATH_MAX];
    struct stat st;
    if (!log_paths(bundle, path, older, err))
        return false;
    AUTO(fd_close) int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || err_errno(err, "cannot open %s", path);
    if (fstat(fd, &st) < 0)
        return err_errno(err, "cannot look at %s", path);
    if (st.st_size <= NODE_LOG_BYTES_MAX)
        return true;
    AUTO(fd_close) int kept = open(older, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (kept < 0)
        return err_errno(err, "cannot open %s", older);
    off_t from = st.st_size - NODE_LOG_BYTES_KEPT;
    for (size_t left = NODE_LOG_BYTES_KEPT; left > 0;) {
        ssize_t copied = copy_file_range(fd, &from, kept, NULL, left, 0);
        if (copied < 0)
            return err_errno(err, "cannot copy the end of %s", path);
        if (copied == 0)
            break;
        left -= (size_t)copied;
    }
    return ftruncate(fd, 0) == 0 || err_errno(err, "cannot shorten %s", path);
}
