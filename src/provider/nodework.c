/* nodework.c - the steps of making, starting and removing one node, in an order that a kill at any point can be mended from:
 * the directory is made first and goes last, the record stands for "its disk is whole", the kernel says whether it runs. */
#include "provider/nodework.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "provider/cgroup.h"
#include "provider/idrange.h"
#include "provider/oci.h"
#include "provider/rootfs.h"

enum { KILL_MS = 20000, CONFIG_BYTES_MAX = 256 * 1024 };

/* Where a node's things are. `id` is checked (node_id_check): it has neither slash nor dot. */
typedef struct NodePaths { char id[72], dir[PATH_MAX], record[PATH_MAX], config[PATH_MAX], root[PATH_MAX], site[PATH_MAX], group[128], state[PATH_MAX]; } NodePaths;

static bool paths_set(const NodesSetup *setup, Str node_id, NodePaths *paths, Err *err)
{
    const char *nodes = setup->instance.nodes_dir;
    int longest = snprintf(paths->config, sizeof paths->config, "%s/" STR_FMT "/config.json", nodes, STR_ARG(node_id));
    if (longest < 0 || (size_t)longest >= sizeof paths->config || node_id.len >= sizeof paths->id)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", nodes);
    (void)snprintf(paths->id, sizeof paths->id, STR_FMT, STR_ARG(node_id));
    (void)snprintf(paths->dir, sizeof paths->dir, "%s/%s", nodes, paths->id);
    (void)snprintf(paths->record, sizeof paths->record, "%s/%s/node.json", nodes, paths->id);
    (void)snprintf(paths->root, sizeof paths->root, "%s/%s/root", nodes, paths->id);
    (void)snprintf(paths->site, sizeof paths->site, "%s/%s/site", nodes, paths->id);
    (void)snprintf(paths->group, sizeof paths->group, "%s/%s", setup->instance.group, paths->id);
    (void)snprintf(paths->state, sizeof paths->state, "%s/%s", setup->runtime.state_dir, paths->id);
    return true;
}

static bool root_build(const NodesSetup *setup, const NodePaths *paths, const NodeRecord *record, Err *err)
{
    RootPlan plan = {
        .root = paths->root, .image_dir = setup->image_dir, .ca_path = setup->instance.ca_path, .first_id = record->first_id,
        .host_name = record->spec.host_name, .join_json = record->spec.join_json,
    };
    return rootfs_build(&plan, err);
}

bool node_make(const NodesSetup *setup, const NodeSpec *spec, NodeRecord *out, Err *err)
{
    NodePaths paths;
    NodeRecord record = { .spec = *spec };
    if (!paths_set(setup, spec->node_id, &paths, err) || !id_range_claim(setup->instance.state_dir, &record.first_id, err))
        return false;
    /* 0710: the node's root passes through to its disk; nobody else of this machine does. */
    if (mkdir(paths.dir, 0700) < 0 || chown(paths.dir, 0, record.first_id) < 0 || chmod(paths.dir, 0710) < 0 || mkdir(paths.site, 0700) < 0) {
        (void)err_errno(err, "cannot make %s", paths.dir);
        goto undo;
    }
    if (!root_build(setup, &paths, &record, err) || !node_record_write(paths.record, &record, err))
        goto undo;
    *out = record;
    return true;
undo:;
    Err later;                                          /* the first trouble is the one to tell; the next host tries again */
    if (!node_remove(setup, spec->node_id, record.first_id, &later))
        log_event(LOG_DEBUG, "node.undo_failed", log_str("node", spec->node_id), log_cstr("reason", later.text));
    return false;
}

bool node_refresh(const NodesSetup *setup, const NodeRecord *record, Err *err)
{
    NodePaths paths;
    return paths_set(setup, record->spec.node_id, &paths, err) && root_build(setup, &paths, record, err) &&
           node_record_write(paths.record, record, err);
}

/* DIR/run is the service's, so its entries may be anything: the directory is opened without following a link, and what
 * was opened is mounted where only root can rearrange things. The mount is in the host's own mount namespace. */
static bool site_mount(const NodesSetup *setup, const NodePaths *paths, Err *err)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    char source[64];
    struct stat st;
    AUTO(fd_close) int dir_fd = open(setup->instance.data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_close) int fd = dir_fd < 0 ? -1 : (int)syscall(SYS_openat2, dir_fd, "run/site", &how, sizeof how);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "the server has no directory %s yet: start `vaultyard serve` (%s)", setup->instance.site_dir, strerror(errno));
    if (fstat(fd, &st) < 0 || (st.st_uid != setup->instance.uid && st.st_uid != 0))
        return err_set(err, ERR_BAD_INPUT, "%s must belong to the service's user, %u", setup->instance.site_dir, (unsigned)setup->instance.uid);
    (void)snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    return mount(source, paths->site, NULL, MS_BIND, NULL) == 0 || err_errno(err, "cannot mount %s", setup->instance.site_dir);
}

static bool has_program(const NodesSetup *setup, const char *name)
{
    char path[PATH_MAX];
    return (size_t)snprintf(path, sizeof path, "%s/%s", setup->bin_dir, name) < sizeof path && access(path, F_OK) == 0;
}

static bool config_write(const NodesSetup *setup, const NodePaths *paths, const NodeRecord *record, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    struct rlimit files;
    OciPlan plan = {
        .host_name = record->spec.host_name, .root = paths->root, .image_dir = setup->image_dir, .site_mount = paths->site,
        .bin_dir = setup->bin_dir, .command = setup->command, .first_id = record->first_id, .group = paths->group, .limits_swap = cgroup_limits_swap(),
    };
    buf_init(&text, CONFIG_BYTES_MAX);
    if (!vm_size_find(record->spec.vm_size, &plan.size))
        return err_field(err, "vmSize", "'vmSize' '" STR_FMT "' is not a size that local nodes can have", STR_ARG(record->spec.vm_size));
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return err_errno(err, "cannot read this process's limits");
    plan.open_files_max = files.rlim_max;
    plan.has_certs = has_program(setup, "vaultyard-certs");
    plan.has_vy = has_program(setup, "vy");
    return oci_write(&plan, &text, err) && file_replace(paths->config, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

void node_adopt(const NodesSetup *setup, Str node_id, pid_t pid, int *pidfd)
{
    NodePaths paths;
    Err ignored;                                        /* a path too long has no container */
    *pidfd = -1;
    if (pid <= 1 || !paths_set(setup, node_id, &paths, &ignored))
        return;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    /* Asked after the descriptor is ours: a process id that was given again meanwhile is in another group. */
    if (fd >= 0 && cgroup_has_process(paths.group, pid))
        *pidfd = fd;
    else if (fd >= 0)
        (void)close(fd);
}

bool node_launch(const NodesSetup *setup, const NodeRecord *record, int *pidfd, Err *err)
{
    NodePaths paths;
    pid_t pid;
    if (!paths_set(setup, record->spec.node_id, &paths, err) || !config_write(setup, &paths, record, err) || !site_mount(setup, &paths, err))
        return false;
    bool started = runtime_start(&setup->runtime, paths.id, paths.dir, record->first_id, &pid, err);
    (void)umount2(paths.site, MNT_DETACH);              /* the container has its own copy */
    if (started) {
        node_adopt(setup, record->spec.node_id, pid, pidfd);
        if (*pidfd >= 0)
            return true;
        (void)err_set(err, ERR_UNAVAILABLE, "the node's first process ended at once; %s/node.log may tell why", paths.dir);
    }
    Err later;                                          /* why it did not start is what counts */
    if (!node_clear(setup, record->spec.node_id, &later))
        log_event(LOG_DEBUG, "node.undo_failed", log_str("node", record->spec.node_id), log_cstr("reason", later.text));
    return false;
}

bool node_clear(const NodesSetup *setup, Str node_id, Err *err)
{
    NodePaths paths;
    int killed = 0, removed = 0;
    if (!paths_set(setup, node_id, &paths, err) || !cgroup_kill(paths.group, KILL_MS, &killed, err))
        return false;
    if (access(paths.state, F_OK) == 0 && !runtime_delete(&setup->runtime, paths.id, err))
        return false;
    return cgroup_remove(paths.group, KILL_MS, &removed, err);
}

bool node_remove(const NodesSetup *setup, Str node_id, uint32_t first_id, Err *err)
{
    NodePaths paths;
    if (!paths_set(setup, node_id, &paths, err) || !node_clear(setup, node_id, err))
        return false;
    (void)umount2(paths.site, MNT_DETACH);              /* not mounted, mostly */
    if (unlink(paths.record) < 0 && errno != ENOENT && errno != ENOTDIR)
        return err_errno(err, "cannot remove %s", paths.record);
    if (!dir_remove_tree(paths.dir, err))
        return false;
    if (first_id)
        id_range_release(setup->instance.state_dir, first_id);
    return true;
}

bool node_record_load(const NodesSetup *setup, Arena *arena, Str node_id, NodeRecord *out, Err *err)
{
    NodePaths paths;
    return paths_set(setup, node_id, &paths, err) && node_record_read(arena, paths.record, out, err);
}
