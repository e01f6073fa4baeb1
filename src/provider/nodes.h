/* nodes.h - the nodes of this machine: what they are lies on disk, whether they run is asked of the kernel.
 *
 * DIR/host/nodes/<node id>/ (root, group = the node's root group, 0710) holds
 *   node.json   the spec and its id range; written last, durably: without it the node was half-made and goes
 *   config.json, pid, node.log   the container's bundle
 *   root/       the node's disk
 *   site/       where DIR/run/site is mounted while the container starts, seen by the host alone
 * Calls may come from several threads; those about one node wait for each other. */
#pragma once
#include "provider/host.h"
#include "provider/instance.h"
#include "provider/provider.h"
#include "provider/runtime.h"

typedef struct Nodes Nodes;

typedef struct NodesSetup {
    Instance    instance;                   /* its texts must live as long as the Nodes */
    Runtime     runtime;
    const char *image_dir, *bin_dir;
    const char *const *command;
} NodesSetup;

/* Finds the nodes of an earlier host again: running ones are kept, half-made ones removed, dead containers cleared away. */
Nodes *nodes_open(const NodesSetup *setup, Err *err);
void   nodes_close(Nodes *nodes);           /* leaves the nodes running; no call may be under way */
DEFINE_AUTO_FREE(Nodes, nodes_close)

/* Idempotent. A stopped node (its machine was rebooted, its first process ended) starts again on its own disk, with the
 * given join document. ERR_CONFLICT when a node of that id has another host name or size. */
bool nodes_start(Nodes *nodes, const NodeSpec *spec, Err *err) MUST_CHECK;
/* Ends what runs of it (its first process is asked to, and has RESTART_GRACE_MS), then as nodes_start. */
bool nodes_restart(Nodes *nodes, const NodeSpec *spec, Err *err) MUST_CHECK;
bool nodes_stop(Nodes *nodes, Str node_id, Err *err) MUST_CHECK;      /* and removes everything of it; fine if absent */
bool nodes_list(Nodes *nodes, Arena *arena, NodeStatus **out, size_t *count, Err *err) MUST_CHECK;
/* First processes that end are counted by whoever calls nodes_note_ends when the event is readable (and wakes those who wait); the count begins
 * anywhere, so that another host's is another, and ends that were asked for count as well. */
int nodes_ends_event(const Nodes *nodes);
void nodes_note_ends(Nodes *nodes);
/* Waits until the count is another than `after`, `stop_fd` was readable at a nodes_note_ends, or the time is up; answers the count. */
int64_t nodes_wait(Nodes *nodes, int64_t after, int stop_fd, int timeout_ms);
void nodes_tend(Nodes *nodes);              /* now and then: keeps logs within bounds */
