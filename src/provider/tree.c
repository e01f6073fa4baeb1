/* tree.c - writing below a directory that somebody hostile may have rearranged. */
#include "provider/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"

enum { COPY_DEPTH_MAX = 16, COPY_FILE_BYTES_MAX = 16 * 1024 * 1024, NAME_BYTES = 256 };

bool tree_open(Tree *tree, const char *root, uint32_t first_id, Err *err)
{
    *tree = (Tree){ .fd = open(root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), .first_id = first_id };
    return tree->fd >= 0 || err_errno(err, "cannot open %s", root);
}

void tree_close(Tree *tree)
{
    fd_close(&tree->fd);
}

static int open_below(const Tree *tree, const char *path, int flags)
{
    struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    return (int)syscall(SYS_openat2, tree->fd, path, &how, sizeof how);
}

/* The directory that holds path's last component. Only lookups are done through it. */
static bool open_parent(const Tree *tree, const char *path, int *dir_fd, const char **name, Err *err)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash ? snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path) : snprintf(parent, sizeof parent, ".");
    if (len <= 0 || (size_t)len >= sizeof parent)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", path);
    *dir_fd = open_below(tree, parent, O_PATH | O_DIRECTORY);
    if (*dir_fd < 0)
        return err_set(err, ERR_CONFLICT, "the node's /%s is not a plain directory (%s): remove the node and make it anew", parent, strerror(errno));
    *name = slash ? slash + 1 : path;
    return true;
}

static bool own(const Tree *tree, int dir_fd, const char *name, uid_t uid, gid_t gid)
{
    return fchownat(dir_fd, name, tree->first_id + uid, tree->first_id + gid, AT_SYMLINK_NOFOLLOW) == 0;
}

bool tree_dir(Tree *tree, const char *path, mode_t mode, Err *err)
{
    AUTO(fd_close) int dir_fd = -1;
    const char *name;
    if (!open_parent(tree, path, &dir_fd, &name, err))
        return false;
    if (mkdirat(dir_fd, name, 0700) < 0) {
        struct stat st;
        if (errno == EEXIST && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            return true;
        return err_set(err, ERR_CONFLICT, "cannot make the node's /%s: remove the node and make it anew", path);
    }
    AUTO(fd_close) int made = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0 || fchown(made, tree->first_id, tree->first_id) < 0 || fchmod(made, mode) < 0)
        return err_errno(err, "cannot set up the node's /%s", path);
    return true;
}

bool tree_link(Tree *tree, const char *path, const char *target, Err *err)
{
    AUTO(fd_close) int dir_fd = -1;
    const char *name;
    if (!open_parent(tree, path, &dir_fd, &name, err))
        return false;
    if (symlinkat(target, dir_fd, name) < 0)
        return errno == EEXIST || err_errno(err, "cannot make the node's link /%s", path);
    return own(tree, dir_fd, name, 0, 0) || err_errno(err, "cannot give the node its link /%s", path);
}

static bool write_all(int fd, Str content)
{
    while (content.len) {
        ssize_t done = write(fd, content.ptr, content.len);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0)
            content = str_slice(content, (size_t)done, content.len);
    }
    return true;
}

/* No fsync: after a power cut the node's disk is checked and these files are written again. */
bool tree_file(Tree *tree, const char *path, Str content, mode_t mode, uid_t uid, gid_t gid, Err *err)
{
    AUTO(fd_close) int dir_fd = -1;
    const char *name;
    char temporary[NAME_BYTES];
    uint32_t unique;
    if (!open_parent(tree, path, &dir_fd, &name, err))
        return false;
    random_fill(&unique, sizeof unique);
    (void)snprintf(temporary, sizeof temporary, ".%.200s.%08x", name, unique);
    AUTO(fd_close) int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "cannot write the node's /%s", path);
    if (!write_all(fd, content) || fchown(fd, tree->first_id + uid, tree->first_id + gid) < 0 || fchmod(fd, mode) < 0 ||
        renameat(dir_fd, temporary, dir_fd, name) < 0) {
        (void)err_errno(err, "cannot write the node's /%s", path);
        (void)unlinkat(dir_fd, temporary, 0);
        return false;
    }
    return true;
}

bool tree_file_once(Tree *tree, const char *path, Str content, mode_t mode, uid_t uid, gid_t gid, Err *err)
{
    AUTO(fd_close) int dir_fd = -1;
    const char *name;
    struct stat st;
    if (!open_parent(tree, path, &dir_fd, &name, err))
        return false;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_size > 0 || str_empty(content)))
        return true;
    return tree_file(tree, path, content, mode, uid, gid, err);
}

bool tree_empty(Tree *tree, const char *path, Err *err)
{
    AUTO(fd_close) int fd = open_below(tree, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return err_set(err, ERR_CONFLICT, "the node's /%s is not a plain directory (%s): remove the node and make it anew", path, strerror(errno));
    int listed = dup(fd);
    DIR *dir = listed < 0 ? NULL : fdopendir(listed);
    if (!dir) {
        fd_close(&listed);
        return err_errno(err, "cannot list the node's /%s", path);
    }
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        char child[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof child, "/proc/self/fd/%d/%s", fd, entry->d_name);
        done = dir_remove_tree(child, err);
    }
    (void)closedir(dir);
    return done;
}

static bool copy_entry(Tree *tree, const char *path, int source_dir, const char *name, const char *source, int depth, Err *err);

static bool copy_dir(Tree *tree, const char *path, int source_fd, const char *source, int depth, Err *err)
{
    if (depth >= COPY_DEPTH_MAX)
        return err_set(err, ERR_INTERNAL, "%s is nested too deep to be copied into a node", source);
    if (!tree_dir(tree, path, 0755, err))
        return false;
    int listed = dup(source_fd);
    DIR *dir = listed < 0 ? NULL : fdopendir(listed);
    if (!dir) {
        fd_close(&listed);
        return err_errno(err, "cannot list %s", source);
    }
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        char child[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= sizeof child)
            done = err_set(err, ERR_INTERNAL, "%s holds a path that is too long", source);
        else
            done = copy_entry(tree, child, source_fd, entry->d_name, source, depth + 1, err);
    }
    (void)closedir(dir);
    return done;
}

static bool copy_file(Tree *tree, const char *path, int fd, const struct stat *st, const char *source, Err *err)
{
    if (st->st_size > COPY_FILE_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s is too large to be copied into a node", source);
    AUTO(arena_free_auto) Arena *arena = arena_new(COPY_FILE_BYTES_MAX * 4);
    char from[64];
    Str content;
    (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    if (!arena)
        return err_too_big(err);
    return file_read(arena, from, COPY_FILE_BYTES_MAX, &content, err) && tree_file(tree, path, content, st->st_mode & 0755, 0, 0, err);
}

/* Neither sockets, devices nor what is not for everybody: it is of this machine, not of its nodes. */
static bool copy_entry(Tree *tree, const char *path, int source_dir, const char *name, const char *source, int depth, Err *err)
{
    struct stat st;
    if (fstatat(source_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_errno(err, "cannot look at %s", source);
    if (S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t len = readlinkat(source_dir, name, target, sizeof target - 1);
        if (len < 0)
            return err_errno(err, "cannot read link %s", source);
        target[len] = '\0';
        return tree_link(tree, path, target, err);
    }
    bool is_dir = S_ISDIR(st.st_mode);
    if ((!is_dir && !S_ISREG(st.st_mode)) || (st.st_mode & (is_dir ? 0005 : 0004)) != (is_dir ? 0005 : 0004))
        return true;
    AUTO(fd_close) int fd = openat(source_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0));
    if (fd < 0)
        return err_errno(err, "cannot open %s", source);
    return is_dir ? copy_dir(tree, path, fd, source, depth, err) : copy_file(tree, path, fd, &st, source, err);
}

bool tree_copy(Tree *tree, const char *path, const char *source, Err *err)
{
    return copy_entry(tree, path, AT_FDCWD, source, source, 0, err);
}
