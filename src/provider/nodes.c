/* nodes.c - the table of nodes: one caller a node at a time, found again after a restart. */
#include "provider/nodes.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "provider/idrange.h"
#include "provider/message.h"
#include "provider/nodelog.h"
#include "provider/nodework.h"

enum { WORK_BYTES = 16 * 1024 * 1024, RESTART_GRACE_MS = 6000 };

typedef struct Node Node;
struct Node {
    Node    *next;
    char     id[72];
    bool     is_busy;                       /* a thread works on it; only that one touches what follows was_running */
    bool     was_running;                   /* when that thread took it: what others are told meanwhile */
    bool     is_made;                       /* its record is on disk */
    bool     has_range;                     /* false: another instance has its ids since the reboot, so its disk is no use */
    uint32_t first_id;
    int      pidfd;                         /* of its first process; -1: it does not run */
};

struct Nodes {
    NodesSetup      setup;
    pthread_mutex_t lock;                   /* the table and every is_busy */
    pthread_cond_t  released;
    Node           *first;
    int             ends_epoll;             /* every pidfd, each told once */
    int64_t         ends;
    pthread_cond_t  ended;
};

static bool is_running(const Node *node)
{
    struct pollfd polled = { .fd = node->pidfd, .events = POLLIN };     /* readable once the process has ended (pidfd_open(2)) */
    return node->pidfd >= 0 && poll(&polled, 1, 0) == 0;
}

/* A node whose first process is not watched is found when its lease ends. */
static void watch_end(const Nodes *nodes, const Node *node)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
    if (node->pidfd >= 0 && epoll_ctl(nodes->ends_epoll, EPOLL_CTL_ADD, node->pidfd, &event) < 0 && errno != EEXIST)
        log_event(LOG_WARN, "node.end_not_watched", log_cstr("node", node->id), log_int("errno", errno));
}

/* With the lock held. */
static Node *node_add(Nodes *nodes, Str node_id)
{
    Node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    *node = (Node){ .next = nodes->first, .pidfd = -1 };
    (void)snprintf(node->id, sizeof node->id, STR_FMT, STR_ARG(node_id));
    nodes->first = node;
    return node;
}

/* The node, marked busy: node_release it. NULL: absent (and not to be added), or out of memory. */
static Node *node_hold(Nodes *nodes, Str node_id, bool add)
{
    (void)pthread_mutex_lock(&nodes->lock);
    Node *node;
    for (;;) {
        for (node = nodes->first; node && !str_eq(str_from(node->id), node_id); node = node->next)
            ;
        if (!node || !node->is_busy)
            break;
        (void)pthread_cond_wait(&nodes->released, &nodes->lock);       /* it may be gone when we look again */
    }
    if (!node && add)
        node = node_add(nodes, node_id);
    if (node) {
        node->is_busy = true;
        node->was_running = is_running(node);
    }
    (void)pthread_mutex_unlock(&nodes->lock);
    return node;
}

static void node_release(Nodes *nodes, Node *node, bool is_gone)
{
    (void)pthread_mutex_lock(&nodes->lock);
    node->is_busy = false;
    if (is_gone) {
        Node **at = &nodes->first;
        while (*at != node)
            at = &(*at)->next;
        *at = node->next;
        fd_close(&node->pidfd);
        free(node);
    }
    (void)pthread_cond_broadcast(&nodes->released);
    (void)pthread_mutex_unlock(&nodes->lock);
}

/* A node that was made before: same node, perhaps to be woken. */
static bool start_again(Nodes *nodes, Node *node, const NodeSpec *spec, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    NodeRecord record;
    if (!arena)
        return err_too_big(err);
    if (!node_record_load(&nodes->setup, arena, spec->node_id, &record, err))
        return false;
    if (!str_eq(record.spec.host_name, spec->host_name) || !str_eq_nocase(record.spec.vm_size, spec->vm_size))
        return err_set(err, ERR_CONFLICT, "node '%s' exists as host '" STR_FMT "' of size " STR_FMT ": stop it first", node->id,
                       STR_ARG(record.spec.host_name), STR_ARG(record.spec.vm_size));
    if (is_running(node))
        return true;
    fd_close(&node->pidfd);
    if (!node_clear(&nodes->setup, spec->node_id, err))
        return false;
    record.spec = *spec;
    return node_refresh(&nodes->setup, &record, err) && node_launch(&nodes->setup, &record, &node->pidfd, err);
}

static bool start_new(Nodes *nodes, Node *node, const NodeSpec *spec, Err *err)
{
    NodeRecord record;
    /* Leftovers of a removal that failed half-way. */
    if (!node_remove(&nodes->setup, spec->node_id, node->has_range ? node->first_id : 0, err))
        return false;
    node->is_made = node->has_range = false;
    if (!node_make(&nodes->setup, spec, &record, err))
        return false;
    node->first_id = record.first_id;
    node->is_made = node->has_range = true;
    if (node_launch(&nodes->setup, &record, &node->pidfd, err))
        return true;
    Err ignored;                                        /* a node that never ran is not kept; why it did not run is told */
    if (node_remove(&nodes->setup, spec->node_id, record.first_id, &ignored))
        node->is_made = node->has_range = false;
    return false;
}

/* Its first process ends the others before itself, and gives them a moment; whatever is left then is killed (node_clear). */
static bool end_machine(Nodes *nodes, Node *node, Err *err)
{
    struct pollfd polled = { .fd = node->pidfd, .events = POLLIN };
    if (!is_running(node))
        return true;
    if (syscall(SYS_pidfd_send_signal, node->pidfd, SIGTERM, NULL, 0) == 0)
        (void)poll(&polled, 1, RESTART_GRACE_MS);
    if (!node_clear(&nodes->setup, str_from(node->id), err))
        return false;
    fd_close(&node->pidfd);
    return true;
}

static bool start_held(Nodes *nodes, const NodeSpec *spec, bool again, Err *err)
{
    if (!node_spec_check(spec, err))
        return false;
    Node *node = node_hold(nodes, spec->node_id, true);
    if (!node)
        return err_set(err, ERR_INTERNAL, "out of memory");
    bool started = !again || end_machine(nodes, node, err);
    if (started)
        started = node->is_made && node->has_range ? start_again(nodes, node, spec, err) : start_new(nodes, node, spec, err);
    if (started)
        watch_end(nodes, node);
    node_release(nodes, node, !node->is_made);
    return started;
}

bool nodes_start(Nodes *nodes, const NodeSpec *spec, Err *err) { return start_held(nodes, spec, false, err); }
bool nodes_restart(Nodes *nodes, const NodeSpec *spec, Err *err) { return start_held(nodes, spec, true, err); }

bool nodes_stop(Nodes *nodes, Str node_id, Err *err)
{
    if (!node_id_check(node_id, err))
        return false;
    Node *node = node_hold(nodes, node_id, false);
    if (!node)
        return true;
    bool removed = node_remove(&nodes->setup, node_id, node->has_range ? node->first_id : 0, err);
    node_release(nodes, node, removed);
    return removed;
}

bool nodes_list(Nodes *nodes, Arena *arena, NodeStatus **out, size_t *count, Err *err)
{
    (void)pthread_mutex_lock(&nodes->lock);
    size_t found = 0, all = 0;
    for (const Node *node = nodes->first; node; node = node->next)
        all++;
    NodeStatus *list = ARENA_ARRAY(arena, NodeStatus, all ? all : 1);
    for (const Node *node = nodes->first; list && node; node = node->next) {
        bool runs = node->is_busy ? node->was_running : is_running(node);
        list[found++] = (NodeStatus){ .node_id = str_dup(arena, str_from(node->id)), .run = runs ? NODE_RUN_RUNNING : NODE_RUN_STOPPED };
    }
    (void)pthread_mutex_unlock(&nodes->lock);
    if (!list || !arena_ok(arena))
        return err_too_big(err);
    *out = list;
    *count = found;
    return true;
}

int nodes_ends_event(const Nodes *nodes) { return nodes->ends_epoll; }

void nodes_note_ends(Nodes *nodes)
{
    struct epoll_event events[64];
    (void)pthread_mutex_lock(&nodes->lock);
    int count = epoll_wait(nodes->ends_epoll, events, COUNT_OF(events), 0);
    nodes->ends += count > 0 ? count : 0;
    (void)pthread_cond_broadcast(&nodes->ended);
    (void)pthread_mutex_unlock(&nodes->lock);
}

int64_t nodes_wait(Nodes *nodes, int64_t after, int stop_fd, int timeout_ms)
{
    int64_t until_ms = real_now_ms() + timeout_ms;
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
    (void)pthread_mutex_lock(&nodes->lock);
    while (nodes->ends == after && poll(&stop, 1, 0) == 0 && pthread_cond_timedwait(&nodes->ended, &nodes->lock, &until) == 0)
        continue;
    int64_t ends = nodes->ends;
    (void)pthread_mutex_unlock(&nodes->lock);
    return ends;
}

void nodes_tend(Nodes *nodes)
{
    (void)pthread_mutex_lock(&nodes->lock);
    for (const Node *node = nodes->first; node; node = node->next) {
        char bundle[PATH_MAX];
        Err err;
        if (node->is_busy || (size_t)snprintf(bundle, sizeof bundle, "%s/%s", nodes->setup.instance.nodes_dir, node->id) >= sizeof bundle)
            continue;
        if (!node_log_trim(bundle, &err))
            log_event(LOG_WARN, "node.log_not_trimmed", log_cstr("node", node->id), log_cstr("reason", err.text));
    }
    (void)pthread_mutex_unlock(&nodes->lock);
}

/* One entry of the nodes directory as an earlier host left it. */
static bool node_recover(Nodes *nodes, Arena *arena, Str node_id, const RuntimeContainer *containers, size_t count, Err *err)
{
    NodeRecord record;
    if (!node_record_load(&nodes->setup, arena, node_id, &record, err))
        return err->code == ERR_NOT_FOUND && node_remove(&nodes->setup, node_id, 0, err);    /* half-made: never acknowledged */
    if (!str_eq(record.spec.node_id, node_id))
        return err_set(err, ERR_CONFLICT, "%s/" STR_FMT "/node.json is about another node: run `vaultyard clean`", nodes->setup.instance.nodes_dir, STR_ARG(node_id));

    Node *node = node_add(nodes, node_id);
    if (!node)
        return err_set(err, ERR_INTERNAL, "out of memory");
    node->is_made = true;
    node->first_id = record.first_id;
    if (!id_range_reclaim(nodes->setup.instance.state_dir, record.first_id, &node->has_range, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq(containers[i].id, node_id) && containers[i].is_running)
            node_adopt(&nodes->setup, node_id, containers[i].pid, &node->pidfd);
    watch_end(nodes, node);
    return node->pidfd >= 0 || node_clear(&nodes->setup, node_id, err);
}

static bool nodes_recover(Nodes *nodes, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES * 8);
    const Instance *instance = &nodes->setup.instance;
    RuntimeContainer *containers = NULL;
    size_t count = 0;
    if (!arena)
        return err_too_big(err);
    if (!dir_make(instance->nodes_dir, 0711, err) || !dir_make(nodes->setup.runtime.state_dir, 0711, err) ||
        !runtime_list(&nodes->setup.runtime, arena, &containers, &count, err))
        return false;
    DIR *dir = opendir(instance->nodes_dir);
    if (!dir)
        return err_errno(err, "cannot list %s", instance->nodes_dir);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        Str name = str_from(entry->d_name);
        Err ignored;                                    /* "." and "..", and what is not ours */
        if (node_id_check(name, &ignored))
            done = node_recover(nodes, arena, name, containers, count, err);
    }
    (void)closedir(dir);
    return done;
}

Nodes *nodes_open(const NodesSetup *setup, Err *err)
{
    AUTO(nodes_close_auto) Nodes *nodes = calloc(1, sizeof *nodes);
    if (!nodes) {
        (void)err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    nodes->setup = *setup;
    (void)pthread_mutex_init(&nodes->lock, NULL);
    (void)pthread_cond_init(&nodes->released, NULL);
    (void)pthread_cond_init(&nodes->ended, NULL);
    nodes->ends = real_now_ms();
    nodes->ends_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (nodes->ends_epoll < 0) {
        (void)err_errno(err, "cannot watch nodes");
        return NULL;
    }
    return nodes_recover(nodes, err) ? TAKE(nodes) : NULL;
}

void nodes_close(Nodes *nodes)
{
    if (!nodes)
        return;
    while (nodes->first) {
        Node *node = nodes->first;
        nodes->first = node->next;
        fd_close(&node->pidfd);
        free(node);
    }
    fd_close(&nodes->ends_epoll);
    (void)pthread_mutex_destroy(&nodes->lock);
    (void)pthread_cond_destroy(&nodes->released);
    (void)pthread_cond_destroy(&nodes->ended);
    free(nodes);
}
