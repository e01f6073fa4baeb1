/* places.h - where a node's files lie. In a node they are absolute; tests put them all below a directory of their own. */
#pragma once
#include "base/arena.h"

#define NODE_JOIN_FILE       "/run/vaultyard/join.json"
#define NODE_CLOCK_FILE      "/run/vaultyard/clock"
#define NODE_STATE_DIR       "/var/lib/vaultyard-node"
#define NODE_EGRESS_PORT     29877      /* the way out on the node's loopback; Batch keeps 29876 and 29877 of a node for itself */
#define NODE_TASKS_DIR       "/mnt/batch/tasks"

typedef struct NodePlaces {
    const char *below;                  /* "" in a node */
    const char *join_file;              /* the join document */
    const char *credential_file;
    const char *lease_file;             /* until when the lease holds (lease_mark.h) */
    const char *certificates_file;      /* the account certificates of this boot (certdir.h) */
    const char *state_dir, *runs_dir;   /* runs_dir: the journal (journal.h) */
    const char *tasks_dir;              /* AZ_BATCH_NODE_ROOT_DIR */
    const char *egress_socket;          /* SOCKS 5, where the site offers a way out */
    const char *etc_dir, *home_dir;     /* passwd, group, shadow; homes of named users */
} NodePlaces;

bool node_places(Arena *arena, const char *below, NodePlaces *out, Err *err) MUST_CHECK;
