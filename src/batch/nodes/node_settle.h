/* node_settle.h - the state of a node that may be used: from what its lease says, its start task, and the tasks it has. */
#pragma once
#include "batch/jobs/run.h"

/* Its lease says that it is ready: begins the start task of a new boot, and moves the node to the state that follows. */
bool node_ready(Batch *batch, Txn *txn, Arena *arena, Node *node, const Pool *pool, int64_t now_ms, Err *err) MUST_CHECK;
/* Something of it changed: a run began or ended. A node that is not in use stays what it is. */
bool node_settle(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err) MUST_CHECK;
/* How often the pool's start task is tried again. */
bool start_task_retries(Batch *batch, Txn *txn, Arena *arena, const Node *node, int64_t *most, Err *err) MUST_CHECK;
