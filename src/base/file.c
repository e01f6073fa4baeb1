/* file.c - whole files in and out, safely. */
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/id.h"

enum { PATH_BYTES = 4096, TREE_DEPTH_MAX = 128 };

void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

bool file_read(Arena *arena, const char *path, size_t max_bytes, Str *out, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "cannot open %s", path);
    if (st.st_size < 0 || (uintmax_t)st.st_size > max_bytes)
        return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max_bytes);

    /* Files of /proc say size 0, so the size is only a first guess. */
    size_t cap = (size_t)st.st_size + 1 > 4096 ? (size_t)st.st_size + 1 : 4096, len = 0;
    char *text = arena_alloc(arena, cap + 1);
    for (;;) {
        if (!text)
            return err_too_big(err);
        ssize_t got = read(fd, text + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "cannot read %s", path);
        if (got == 0)
            break;
        len += (size_t)got;
        if (len > max_bytes)
            return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max_bytes);
        if (len == cap) {
            char *wider = arena_alloc(arena, cap * 2 + 1);
            if (wider)
                memcpy(wider, text, len);
            text = wider;
            cap *= 2;
        }
    }
    text[len] = '\0';
    *out = (Str){ text, len };
    return true;
}

static bool write_all(int fd, Bytes content)
{
    while (content.len) {
        ssize_t done = write(fd, content.ptr, content.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        content = (Bytes){ content.ptr + done, content.len - (size_t)done };
    }
    return true;
}

bool dir_sync(const char *path, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_errno(err, "cannot sync directory %s", path);
    return true;
}

static bool sync_parent(const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_BYTES];
    int len = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    (void)snprintf(parent, sizeof parent, "%.*s", len ? len : 1, len ? path : ".");
    return dir_sync(parent, err);
}

/* The content in a file beside `path`, on disk; its name is the caller's to rename or unlink. */
static bool write_beside(const char *path, Bytes content, mode_t mode, uid_t uid, gid_t gid, char temporary[PATH_BYTES], Err *err)
{
    uint32_t unique;
    random_fill(&unique, sizeof unique);
    if ((size_t)snprintf(temporary, PATH_BYTES, "%s.%08x.tmp", path, unique) >= PATH_BYTES)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", path);

    AUTO(fd_close) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "cannot create %s", temporary);
    bool owned = (uid == (uid_t)-1 && gid == (gid_t)-1) || fchown(fd, uid, gid) == 0;
    if (owned && write_all(fd, content) && fchmod(fd, mode) == 0 && fsync(fd) == 0)
        return true;
    (void)err_errno(err, "cannot write %s", path);
    (void)unlink(temporary);
    return false;
}

bool file_replace(const char *path, Bytes content, mode_t mode, uid_t uid, gid_t gid, Err *err)
{
    char temporary[PATH_BYTES];
    if (!write_beside(path, content, mode, uid, gid, temporary, err))
        return false;
    if (rename(temporary, path) == 0)
        return sync_parent(path, err);
    (void)err_errno(err, "cannot put %s in place", path);
    (void)unlink(temporary);
    return false;
}

/* Some file systems cannot rename without replacing; a second link, which never replaces, does it there. */
static bool rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (link(from, to) < 0)
        return false;
    (void)unlink(from);
    return true;
}

bool file_create(const char *path, Bytes content, mode_t mode, Err *err)
{
    char temporary[PATH_BYTES];
    if (!write_beside(path, content, mode, (uid_t)-1, (gid_t)-1, temporary, err))
        return false;
    if (rename_new(temporary, path))
        return sync_parent(path, err);
    (void)(errno == EEXIST ? err_set(err, ERR_CONFLICT, "%s exists already", path) : err_errno(err, "cannot put %s in place", path));
    (void)unlink(temporary);
    return false;
}

bool dir_make(const char *path, mode_t mode, Err *err)
{
    char part[PATH_BYTES];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", path);
    for (char *at = part + 1;; at++) {
        char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return err_errno(err, "cannot create directory %s", part);
        *at = c;
        if (c == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFLICT, "%s exists and is not a directory", path);
    return true;
}

/* One removal: where directories that lie too deep are moved to, so that neither stack nor descriptors run out on a
 * tree that somebody hostile made. */
typedef struct Removal { int top_fd; bool moved; } Removal;

static bool remove_entries(int dir_fd, Removal *removal, int depth, Err *err);

/* A child directory, but neither what a link points to nor what is mounted there. */
static int open_child(int dir_fd, const char *name)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
}

static bool remove_entry(int dir_fd, const char *name, Removal *removal, int depth, Err *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return err_errno(err, "cannot remove %s", name);
    if (depth >= TREE_DEPTH_MAX) {
        uint64_t unique;
        char higher[32];
        random_fill(&unique, sizeof unique);
        (void)snprintf(higher, sizeof higher, ".%016llx", (unsigned long long)unique);
        removal->moved = true;
        return renameat(dir_fd, name, removal->top_fd, higher) == 0 || err_errno(err, "cannot move the deep directory %s", name);
    }
    int child = open_child(dir_fd, name);
    if (child < 0 && errno == EXDEV)
        return err_set(err, ERR_CONFLICT, "the directory %s is not removed: something is mounted there", name);
    if (child < 0)
        return err_errno(err, "cannot open %s", name);
    if (!remove_entries(child, removal, depth + 1, err))        /* closes child */
        return false;
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove directory %s", name);
    return true;
}

static bool remove_entries(int dir_fd, Removal *removal, int depth, Err *err)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        (void)close(dir_fd);
        return err_errno(err, "cannot list a directory");
    }
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            done = remove_entry(dir_fd, entry->d_name, removal, depth, err);
    (void)closedir(dir);
    return done;
}

bool dir_remove_tree(const char *path, Err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return err_errno(err, "cannot remove %s", path);
    AUTO(fd_close) int top_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top_fd < 0)
        return err_errno(err, "cannot open %s", path);
    Removal removal = { .top_fd = top_fd };
    do {
        removal.moved = false;
        int listed = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (listed < 0)
            return err_errno(err, "cannot list %s", path);
        if (!remove_entries(listed, &removal, 0, err))          /* closes listed */
            return false;
    } while (removal.moved);
    return rmdir(path) == 0 || errno == ENOENT || err_errno(err, "cannot remove directory %s", path);
}
