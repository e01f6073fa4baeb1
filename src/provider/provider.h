/* provider.h - where nodes come from. A provider starts and stops machines; batch/ decides how many and keeps their states.
 *
 * Calls may take seconds (worker or runner threads only) and are idempotent: starting a node that runs, or stopping one that is
 * gone, succeeds. */
#pragma once
#include "base/arena.h"

typedef struct NodeSpec {
    Str node_id;                    /* "tvmps_<hex>_d"-like id of Batch; unique in the site; [A-Za-z0-9_-]{1,64} */
    Str host_name;                  /* 32 hex digits + 6 digits */
    Str account, pool;              /* for display */
    Str vm_size;                    /* "STANDARD_DS2_V2", limits come from the provider's table */
    Str join_json;                  /* what the agent needs to join (docs/node-protocol.md); holds the one-use token */
} NodeSpec;

typedef enum NodeRun { NODE_RUN_ABSENT = 1, NODE_RUN_RUNNING, NODE_RUN_STOPPED } NodeRun;
typedef struct NodeStatus { Str node_id; NodeRun run; } NodeStatus;

typedef struct Provider {
    const char *name;               /* "local", "slurm", "joined" */
    bool (*node_start)(void *self, const NodeSpec *spec, Err *err);
    bool (*node_stop)(void *self, Str node_id, Err *err);                     /* stops and removes everything of it */
    /* Ends the machine, keeping its disk, and starts it again with the spec's join document; one that does not run is started.
     * Its programs are asked to end first. Asked again it restarts again. */
    bool (*node_restart)(void *self, const NodeSpec *spec, Err *err);
    bool (*node_list)(void *self, Arena *arena, NodeStatus **out, size_t *count, Err *err);
    /* Waits until a machine has ended without being asked to, `stop_fd` is readable, or a while has passed. *ends is the provider's count of
     * ends, of this and whatever else it may mean: to be passed on as it was (0 at first); another value than before says that one ended. NULL:
     * this provider does not tell. */
    bool (*node_wait)(void *self, int64_t *ends, int stop_fd, Err *err);
    bool (*size_known)(void *self, Str vm_size, int *cores, int64_t *memory_bytes);   /* false: not a size of this provider */
    void *self;
} Provider;
