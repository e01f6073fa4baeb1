/* rundir.c - the directories below the node's root directory. Everything under a directory that a task owns is reached by descriptors
 * and without following links: tasks run beside us. */
#include "node/runs/rundir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "node/commands/files.h"

enum { ENTER_TRIES = 4 };

static const struct { const char *name; mode_t mode; bool is_common; } tree[] = {
    { "applications", 0755, false }, { "fsmounts", 0755, false }, { "shared", 02770, true }, { "startup", 02750, true },
    { "volatile", 0700, false }, { "workitems", 0755, false },
};

/* acl(5) as it lies in the attribute: version 2, then {tag, permissions, id}: user and group rwx, others nothing. So what one task makes in
 * `shared` the others may change, whatever its umask. A file system without ACLs leaves it at the directory itself. */
static void open_to_group(int fd, const char *path)
{
    static const uint8_t acl[] = { 2, 0, 0, 0,
        0x01, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,      /* ACL_USER_OBJ */
        0x04, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,      /* ACL_GROUP_OBJ */
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };    /* ACL_OTHER */
    if (fsetxattr(fd, "system.posix_acl_default", acl, sizeof acl, 0) < 0)
        log_event(LOG_WARN, "node.shared_without_acl", log_cstr("path", path), log_cstr("error", strerror(errno)));
}

bool rundir_lay_out(const NodePlaces *places, Err *err)
{
    if (!dir_make(places->tasks_dir, 0755, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(tree); i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", places->tasks_dir, tree[i].name);
        if (mkdir(path, tree[i].mode) < 0) {
            if (errno == EEXIST)
                continue;
            return err_errno(err, "cannot make %s", path);
        }
        AUTO(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || (tree[i].is_common && geteuid() == 0 && fchown(fd, 0, users_common_group()) < 0) || fchmod(fd, tree[i].mode) < 0)
            return err_errno(err, "cannot set up %s", path);
        if (strcmp(tree[i].name, "shared") == 0)
            open_to_group(fd, path);
    }
    return true;
}

/* A directory in `parent`; what else has its name, a link for one, goes. */
static bool enter(int parent, const char *name, mode_t mode, int *out, Err *err)
{
    for (int tries = 0; tries < 2; tries++) {
        if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
            break;
        *out = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*out >= 0)
            return true;
        if ((errno != ENOTDIR && errno != ELOOP) || unlinkat(parent, name, 0) < 0)
            break;
    }
    return err_errno(err, "cannot make the directory '%s'", name);
}

static bool hand_over(int fd, const char *name, uid_t uid, gid_t gid, mode_t mode, const RunUser *user, Err *err)
{
    if ((user->switches && fchown(fd, uid, gid) < 0) || fchmod(fd, mode) < 0)
        return err_errno(err, "cannot hand over '%s'", name);
    return true;
}

/* New, whoever made the old one whatever it was. Appending, so that several processes of a task do not write over each other. */
static bool new_stream(int dir, const char *name, const RunUser *user, int *out, Err *err)
{
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return err_errno(err, "cannot begin '%s' anew", name);
    *out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    return *out < 0 ? err_errno(err, "cannot make '%s'", name) : hand_over(*out, name, user->uid, user->gid, 0640, user, err);
}

/* The segments above the last one belong to root: jobs, and what else is between. */
static bool open_parent(int root, Str directory, char *last, size_t last_size, int *out, Err *err)
{
    AUTO(fd_close) int at = dup(root);
    for (Str rest = directory; rest.ptr;) {
        Str segment = str_cut(&rest, '/');
        (void)snprintf(last, last_size, STR_FMT, STR_ARG(segment));
        if (!rest.ptr)
            break;
        int next = -1;
        if (!enter(at, last, 0755, &next, err))
            return false;
        fd_close(&at);
        at = next;
    }
    *out = at;
    at = -1;
    return true;
}

static bool fill_dir(int dir, const RunSpec *spec, const RunUser *user, RunDir *made, Err *err)
{
    /* Preparation and start task make things for others; a set-group-id bit keeps the group for what they make. */
    bool is_for_all = spec->kind == RUN_START_TASK || spec->kind == RUN_JOB_PREPARATION;
    gid_t gid = is_for_all ? users_common_group() : user->gid;
    mode_t mode = is_for_all ? 02750 : 0750;
    return hand_over(dir, "the task's directory", user->uid, gid, mode, user, err) && enter(dir, "wd", 0700, &made->wd_fd, err) &&
           hand_over(made->wd_fd, "wd", user->uid, gid, mode, user, err) &&
           new_stream(dir, "stdout.txt", user, &made->out_fd, err) && new_stream(dir, "stderr.txt", user, &made->err_fd, err);
}

bool rundir_prepare(const NodePlaces *places, Arena *arena, const RunSpec *spec, const RunUser *user, RunDir *out, Err *err)
{
    char last[256];
    RunDir made = RUN_DIR_CLOSED;
    AUTO(fd_close) int root = open(places->tasks_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_close) int parent = -1;
    made.dir = str_printf(arena, "%s/" STR_FMT, places->tasks_dir, STR_ARG(spec->directory)).ptr;
    made.wd = str_printf(arena, "%s/wd", made.dir ? made.dir : "").ptr;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (root < 0)
        return err_errno(err, "cannot open %s", places->tasks_dir);
    /* Again when rundir_remove takes an empty directory away between two steps. */
    for (int tries = 0; made.dir_fd < 0 && tries < ENTER_TRIES; tries++) {
        *err = (Err){ 0 };
        fd_close(&parent);
        if (open_parent(root, spec->directory, last, sizeof last, &parent, err) && !enter(parent, last, 0700, &made.dir_fd, err))
            made.dir_fd = -1;
    }
    if (made.dir_fd < 0 || !fill_dir(made.dir_fd, spec, user, &made, err)) {
        rundir_done(&made);
        return false;
    }
    *out = made;
    return true;
}

void rundir_done(RunDir *dir)
{
    fd_close(&dir->dir_fd);
    fd_close(&dir->wd_fd);
    fd_close(&dir->out_fd);
    fd_close(&dir->err_fd);
}

bool rundir_remove(const NodePlaces *places, Str directory, Err *err)
{
    char path[4096 + FILES_PATH_MAX];
    if (!files_path_is_good(directory) || !str_starts(directory, STR("workitems/")))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is no directory of a task", STR_ARG(str_slice(directory, 0, 200)));
    (void)snprintf(path, sizeof path, "%s/" STR_FMT, places->tasks_dir, STR_ARG(directory));
    if (!dir_remove_tree(path, err))
        return false;
    for (char *slash; (slash = strrchr(path, '/')) && str_starts(str_from(path), str_from(places->tasks_dir));) {
        *slash = '\0';
        if (str_ends(str_from(path), STR("/workitems")) || rmdir(path) < 0)
            break;
    }
    return true;
}
