/* host.c - the host process: checks, confinement, and answering requests until a signal ends it.
 *
 * One thread accepts; each connection has a thread of its own (serve asks a few questions at a time), so a slow start
 * of one node holds up no other. */
#include "provider/host.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "provider/frame.h"
#include "provider/hostlock.h"
#include "provider/message.h"
#include "provider/nodes.h"

enum { INSTANCE_ARENA_BYTES = 1 << 20, CALL_ARENA_BYTES = 16 * 1024 * 1024, CONNECTIONS_MAX = 64, IDLE_MS = 60000, REPLY_MS = 10000, TEND_MS = 60000, WAIT_MS = 20000 };

static const char *const default_command[] = { "/opt/vaultyard/bin/vaultyard-node", "init", NULL };

typedef struct Host {
    Arena          *arena;                  /* what the setup's texts lie in */
    NodesSetup      setup;
    Nodes          *nodes;
    int             listen_fd, signal_fd, stop_fd, lock_fd;     /* stop_fd: an eventfd that wakes idle connections */
    pthread_mutex_t lock;
    pthread_cond_t  one_ended;
    int             connections;
} Host;

typedef struct Connection { Host *host; int fd; } Connection;

static void request_answer(Host *host, Arena *arena, const HostRequest *request, HostReply *reply)
{
    int64_t began_ms = mono_now_ms();
    Str node_id = request->node.node_id.ptr ? request->node.node_id : request->node_id;
    const char *event = NULL;
    bool done = true;
    switch (request->op) {
    case HOST_OP_HELLO:
        reply->instance_id = host->setup.instance.id;
        reply->runtime = str_from(host->setup.runtime.program);
        break;
    case HOST_OP_NODE_START:
        event = "node.started";
        done = nodes_start(host->nodes, &request->node, &reply->error);
        break;
    case HOST_OP_NODE_STOP:
        event = "node.removed";
        done = nodes_stop(host->nodes, request->node_id, &reply->error);
        break;
    case HOST_OP_NODE_RESTART:
        event = "node.restarted";
        done = nodes_restart(host->nodes, &request->node, &reply->error);
        break;
    case HOST_OP_NODE_LIST:
        done = nodes_list(host->nodes, arena, &reply->nodes, &reply->node_count, &reply->error);
        break;
    case HOST_OP_NODE_WAIT:
        reply->ends = nodes_wait(host->nodes, request->after, host->stop_fd, WAIT_MS);
        done = true;
        break;
    case HOST_OP_UNDECLARED:
        done = err_set(&reply->error, ERR_BAD_INPUT, "no such request");
        break;
    }
    reply->failed = !done;
    if (!done)
        log_event(LOG_ERROR, "host.request_failed", log_str("node", node_id), log_cstr("reason", reply->error.text));
    else if (event)
        log_event(LOG_INFO, event, log_str("node", node_id), log_int("took_ms", mono_now_ms() - began_ms));
}

/* false: the connection is over. */
static bool connection_serve_one(Connection *connection)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CALL_ARENA_BYTES);
    AUTO(buf_done_auto) Buf answer = { 0 };
    HostRequest request = { 0 };
    HostReply reply = { 0 };
    Err err = { 0 };
    Str message;
    buf_init(&answer, HOST_REPLY_BYTES_MAX);
    if (!arena || !frame_receive(connection->fd, connection->host->stop_fd, arena, HOST_REQUEST_BYTES_MAX, mono_now_ms() + IDLE_MS, &message, &err) || !message.ptr)
        return false;
    if (host_request_parse(arena, message, &request, &reply.error)) {
        reply.id = request.id;
        request_answer(connection->host, arena, &request, &reply);
    } else {
        reply.failed = true;
        log_event(LOG_WARN, "host.request_refused", log_cstr("field", reply.error.target), log_cstr("reason", reply.error.text));
    }
    return host_reply_write(&reply, request.op, &answer, &err) && frame_send(connection->fd, buf_str(&answer), mono_now_ms() + REPLY_MS, &err);
}

static void *connection_run(void *arg)
{
    Connection connection = *(Connection *)arg;
    Host *host = connection.host;
    free(arg);
    while (connection_serve_one(&connection))
        ;
    fd_close(&connection.fd);
    (void)pthread_mutex_lock(&host->lock);
    host->connections--;
    (void)pthread_cond_signal(&host->one_ended);
    (void)pthread_mutex_unlock(&host->lock);
    return NULL;
}

static bool peer_may_ask(const Host *host, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == host->setup.instance.uid);
}

static void connection_accept(Host *host)
{
    AUTO(fd_close) int fd = accept4(host->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;                                         /* it gave up meanwhile */
    if (!peer_may_ask(host, fd)) {
        log_event(LOG_WARN, "host.peer_refused");
        return;
    }
    (void)pthread_mutex_lock(&host->lock);
    bool has_room = host->connections < CONNECTIONS_MAX;
    host->connections += has_room;
    (void)pthread_mutex_unlock(&host->lock);
    Connection *connection = has_room ? malloc(sizeof *connection) : NULL;
    pthread_t thread;
    if (connection) {
        *connection = (Connection){ host, fd };
        if (pthread_create(&thread, NULL, connection_run, connection) == 0) {
            (void)pthread_detach(thread);
            fd = -1;                                    /* the thread's now */
            return;
        }
    }
    log_event(LOG_WARN, "host.connection_refused", log_int("connections", host->connections));
    free(connection);
    if (has_room) {
        (void)pthread_mutex_lock(&host->lock);
        host->connections--;
        (void)pthread_mutex_unlock(&host->lock);
    }
}

/* Nodes whose directory is gone are nobody's any more; a lock file without a name protects nothing. */
static bool still_in_place(const Host *host)
{
    struct stat lock;
    return fstat(host->lock_fd, &lock) < 0 || lock.st_nlink > 0;
}

static bool requests_accept(Host *host, Err *err)
{
    struct pollfd polled[] = { { .fd = host->listen_fd, .events = POLLIN }, { .fd = host->signal_fd, .events = POLLIN },
                               { .fd = nodes_ends_event(host->nodes), .events = POLLIN } };
    int64_t tended_ms = mono_now_ms();
    for (;;) {
        int ready = poll(polled, COUNT_OF(polled), TEND_MS);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, "cannot wait for requests");
        if (ready > 0 && polled[1].revents)
            return true;
        if (ready > 0 && polled[0].revents)
            connection_accept(host);
        if (ready > 0 && polled[2].revents)
            nodes_note_ends(host->nodes);
        if (mono_now_ms() - tended_ms < TEND_MS)
            continue;
        if (!still_in_place(host))
            return err_set(err, ERR_CONFLICT, "%s was removed under this host, which ends", host->setup.instance.host_dir);
        nodes_tend(host->nodes);
        tended_ms = mono_now_ms();
    }
}

/* Requests under way are finished, idle connections closed. */
static void connections_end(Host *host)
{
    uint64_t one = 1;
    (void)!write(host->stop_fd, &one, sizeof one);      /* cannot fail: its counter is far from full */
    nodes_note_ends(host->nodes);                       /* who waits for one looks at stop_fd */
    (void)pthread_mutex_lock(&host->lock);
    while (host->connections > 0)
        (void)pthread_cond_wait(&host->one_ended, &host->lock);
    (void)pthread_mutex_unlock(&host->lock);
}

static bool host_serve(Host *host, Err *err)
{
    printf("ready %s/host.sock\n", host->setup.instance.host_dir);
    (void)fflush(stdout);                               /* nobody may read it any more */
    bool served = requests_accept(host, err);
    connections_end(host);
    log_event(LOG_INFO, "host.stopped");
    return served;
}

/* What a process with these rights could do to the machine beyond making nodes, it gives up, for itself and the runtime. */
static bool give_up_capabilities(Err *err)
{
    static const unsigned unneeded[] = { CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_SYSLOG, CAP_WAKE_ALARM,
                                         CAP_MAC_ADMIN, CAP_MAC_OVERRIDE, CAP_AUDIT_CONTROL, CAP_AUDIT_READ };
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0)
        return err_errno(err, "cannot read this process's capabilities");
    for (size_t i = 0; i < COUNT_OF(unneeded); i++) {
        if (prctl(PR_CAPBSET_DROP, unneeded[i]) < 0 && errno != EINVAL)     /* EINVAL: this kernel has no such */
            return err_errno(err, "cannot give up a capability");
        uint32_t mask = ~(UINT32_C(1) << unneeded[i] % 32);
        sets[unneeded[i] / 32].effective &= mask;
        sets[unneeded[i] / 32].permitted &= mask;
        sets[unneeded[i] / 32].inheritable &= mask;
    }
    return syscall(SYS_capset, &header, sets) == 0 || err_errno(err, "cannot give up capabilities");
}

/* No network; mounts that it makes are seen by nobody else, while unmounts on the machine still reach it. */
static bool confine(Err *err)
{
    struct rlimit files;
    (void)umask(022);
    (void)setsid();                                     /* fails only for a leader, who has a session of its own already */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;                /* a descriptor a node, and what nodes may have themselves */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return err_errno(err, "cannot leave the machine's network and mount namespaces");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_errno(err, "cannot make mounts private");
    return give_up_capabilities(err);
}

static bool signals_open(Host *host, Err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return err_set(err, ERR_INTERNAL, "cannot block signals");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    host->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    host->stop_fd = eventfd(0, EFD_CLOEXEC);
    return (host->signal_fd >= 0 && host->stop_fd >= 0) || err_errno(err, "cannot receive signals");
}

/* Programs are mounted into nodes one by one, and a node's root is nobody special here: everybody must be able to run them. */
static bool programs_check(const char *bin_dir, const char *const *command, Err *err)
{
    char path[PATH_MAX];
    struct stat st;
    if ((size_t)snprintf(path, sizeof path, "%s/vaultyard-node", bin_dir) >= sizeof path)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", bin_dir);
    if (stat(path, &st) < 0)
        return err_set(err, ERR_BAD_INPUT, "the node agent %s is not there: it must be installed beside this program", path);
    if (command == default_command && (st.st_mode & 0555) != 0555)
        return err_set(err, ERR_BAD_INPUT, "everybody must be able to read and run %s: `chmod a+rx %s`", path, path);
    return true;
}

static bool root_check(const char *data_dir, Err *err)
{
    struct stat st;
    if (geteuid() == 0)
        return true;
    if (stat(data_dir, &st) == 0 && st.st_uid != 0)
        return err_set(err, ERR_DENIED, "%s was made by an unprivileged user, and only root can make nodes on this machine: "
                       "run `vaultyard init` and `vaultyard host` as root", data_dir);
    return err_set(err, ERR_DENIED, "only root can make nodes on this machine: run `vaultyard host` as root");
}

static bool setup_read(Host *host, const HostConfig *config, Err *err)
{
    NodesSetup *setup = &host->setup;
    if (!root_check(config->data_dir, err) || !instance_read(host->arena, config->data_dir, &setup->instance, err) ||
        !instance_check_owner(&setup->instance, err) || !runtime_find(&setup->runtime, config->runtime, setup->instance.state_dir, err))
        return false;

    struct stat st;
    char image[PATH_MAX], bin[PATH_MAX], usr[PATH_MAX + 8];
    const char *image_dir = config->image_dir ? config->image_dir : "/";
    if (!realpath(image_dir, image))
        return err_set(err, ERR_BAD_INPUT, "the image directory %s cannot be reached: %s", image_dir, strerror(errno));
    (void)snprintf(usr, sizeof usr, "%s/usr", image);
    if (stat(usr, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_BAD_INPUT, "the image directory %s has no usr/ in it", image);
    if (config->bin_dir) {
        if (!realpath(config->bin_dir, bin))
            return err_set(err, ERR_BAD_INPUT, "the program directory %s cannot be reached: %s", config->bin_dir, strerror(errno));
    } else {
        ssize_t len = readlink("/proc/self/exe", bin, sizeof bin - 1);
        if (len <= 0)
            return err_errno(err, "cannot find this program's directory");
        bin[len] = '\0';
        *strrchr(bin, '/') = '\0';
    }
    setup->image_dir = str_printf(host->arena, "%s", image).ptr;
    setup->bin_dir = str_printf(host->arena, "%s", bin).ptr;
    setup->command = config->node_command ? config->node_command : default_command;
    if (!arena_ok(host->arena))
        return err_too_big(err);
    return programs_check(setup->bin_dir, setup->command, err);
}

static bool host_open(Host *host, const HostConfig *config, Err *err)
{
    const Instance *instance = &host->setup.instance;
    host->arena = arena_new(INSTANCE_ARENA_BYTES);
    if (!host->arena)
        return err_too_big(err);
    if (!setup_read(host, config, err) || !dir_make(instance->host_dir, 0711, err))
        return false;
    if (chown(instance->host_dir, 0, 0) < 0 || chmod(instance->host_dir, 0711) < 0)
        return err_errno(err, "cannot set up %s", instance->host_dir);
    if (!host_lock_take(instance->host_dir, instance->id, &host->lock_fd, err) || !instance_announce(instance, err) || !confine(err) || !signals_open(host, err))
        return false;
    host->nodes = nodes_open(&host->setup, err);
    return host->nodes && socket_listen(instance->host_dir, "host.sock", 0, instance->gid, 0660, &host->listen_fd, err);
}

static void host_close(Host *host)
{
    nodes_close(host->nodes);
    fd_close(&host->listen_fd);
    fd_close(&host->signal_fd);
    fd_close(&host->stop_fd);
    host_lock_leave(host->setup.instance.id, &host->lock_fd);           /* last: from here on another host may begin */
    (void)pthread_mutex_destroy(&host->lock);
    (void)pthread_cond_destroy(&host->one_ended);
    arena_free(host->arena);
}
DEFINE_AUTO_DONE(Host, host_close)

bool host_run(const HostConfig *config, Err *err)
{
    AUTO(host_close_auto) Host host = { .listen_fd = -1, .signal_fd = -1, .stop_fd = -1, .lock_fd = -1 };
    (void)pthread_mutex_init(&host.lock, NULL);
    (void)pthread_cond_init(&host.one_ended, NULL);
    return host_open(&host, config, err) && host_serve(&host, err);
}
