/* node_runs.h - what becomes of a node's runs when it leaves, restarts, or is lost, and of an account's when its key is. */
#pragma once
#include "batch/jobs/run.h"

/* It leaves its pool: option is a nodeDeallocationOption in any case ("" is requeue). Its machine is stopped when its tasks are as that says. */
bool node_leave(Batch *batch, Txn *txn, Arena *arena, Node *node, Str option, int64_t now_ms, Err *err) MUST_CHECK;
/* Its tasks as a nodeRebootOption or nodeDeallocationOption (lower case) says: requeued, terminated, or left alone. */
bool node_runs_end(Batch *batch, Txn *txn, Arena *arena, const Node *node, Str option, int64_t now_ms, Err *err) MUST_CHECK;
/* May its machine be stopped? *wait_ms: look again after so long at the latest; 0: when something of it ends. */
bool node_may_stop(Txn *txn, const Node *node, Str option, int64_t now_ms, bool *may, int64_t *wait_ms, Err *err) MUST_CHECK;

/* Nothing executes on it any more: its machine is gone, or its lease has ended long enough ago. */
bool node_runs_over(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err) MUST_CHECK;
/* The same, and what has ended goes as well: its row is deleted next. */
bool node_runs_forget(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err) MUST_CHECK;

/* Batch.on_key_access. */
bool runs_on_key_access(Batch *batch, Txn *txn, Arena *arena, Str account_id, bool is_back, Err *err) MUST_CHECK;
