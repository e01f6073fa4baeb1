/* node.h - rows of batch_node, and the steps of a node's life. */
#pragma once
#include "batch/nodes/node_states.h"
#include "batch/pools/pool.h"

enum { LEASE_MS = 30 * 1000, CREDENTIAL_SIZE = 32 };

typedef struct Node {
    Str id, account_id, pool_key;
    int64_t number;
    Str host_name;
    bool dedicated;
    NodeState state;
    int64_t state_ms, created_ms;
    bool started;                           /* its machine was started; it counts in currentDedicatedNodes */
    Str start_error;
    Str boot_id;
    int64_t boot_ms, start_boot_ms, lease_until_ms, leases;
    Str agent_version;
    int64_t agent_ms;
    Str ip_address;
    Bytes join_hash, credential_hash, credential_new;
    int64_t next_command;
    Str reboot;                             /* a nodeRebootOption while its machine is to be restarted; else empty */
    Str leaves;                             /* a nodeDeallocationOption, lower case, while it leaves; else empty */
    int64_t tasks_run, tasks_succeeded;     /* since it was made */
    Bytes report;                           /* sealed */
} Node;

bool node_find(Txn *txn, Arena *arena, Str node_id, Node *out, bool *found, Err *err) MUST_CHECK;
/* The node of this pool: ERR_NOT_FOUND NodeNotFound. */
bool node_require(Txn *txn, Arena *arena, const Pool *pool, Str node_id, Node *out, Err *err) MUST_CHECK;
/* At most `limit` nodes of the pool with a number above `after` (-1: from the first). */
bool node_list(Txn *txn, Arena *arena, Str account_id, Str pool_key, int64_t after, int64_t limit, Node **out, size_t *count, Err *err) MUST_CHECK;

/* A new row in state creating, numbered by the pool; *node_id is its id. */
bool node_insert(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, int64_t number, bool dedicated, int64_t now_ms, Str *node_id, Err *err) MUST_CHECK;
/* Moves by the table; ERR_INTERNAL when the move is not listed. *moved: the state is another now. */
bool node_apply(Txn *txn, const Node *node, NodeEvent event, int64_t now_ms, NodeState *now, bool *moved, Err *err) MUST_CHECK;
bool node_delete(Txn *txn, Str node_id, Err *err) MUST_CHECK;               /* with its commands */

bool node_report_seal(const Site *site, Txn *txn, Arena *arena, const Node *node, Str report, Bytes *sealed, Err *err) MUST_CHECK;
bool node_report_open(const Site *site, Txn *txn, Arena *arena, const Node *node, Str *report, Err *err) MUST_CHECK;   /* "{}" when there is none */
