/* node_settle.c - what state a node that may be used is in, and its start task.
 *
 * A start task runs once for each start of the machine, when the node is ready otherwise; start_boot_ms is the start it was seen to. With
 * waitForSuccess no task comes before it succeeded, and none at all once it failed for good. */
#include "batch/nodes/node_settle.h"
#include "batch/parts.h"

typedef struct StartTask { bool exists, waits; int64_t retries; } StartTask;

static bool start_task_of(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, StartTask *out, Err *err)
{
    const JsonVal *document, *start;
    Str body;
    if (!pool_body_open(batch->site, txn, arena, pool, &body, err) || !json_parse(arena, body, JSON_STRICT, &document, err))
        return false;
    start = json_get(document, "startTask");
    *out = (StartTask){ .exists = start != NULL, .waits = start && json_bool(json_get(start, "waitForSuccess"), true),
                        .retries = json_int(json_get(start, "maxTaskRetryCount"), 0) };
    return true;
}

static bool pool_of(Txn *txn, Arena *arena, const Node *node, Pool *out, Err *err)
{
    bool found;
    if (!pool_find(txn, arena, node->account_id, node->pool_key, out, &found, err))
        return false;
    return found || err_set(err, ERR_INTERNAL, "node " STR_FMT " has no pool", STR_ARG(node->id));
}

bool start_task_retries(Batch *batch, Txn *txn, Arena *arena, const Node *node, int64_t *most, Err *err)
{
    Pool pool;
    StartTask start;
    if (!pool_of(txn, arena, node, &pool, err) || !start_task_of(batch, txn, arena, &pool, &start, err))
        return false;
    *most = start.retries;
    return true;
}

static bool note_begun(Txn *txn, Node *node, Err *err)
{
    node->start_boot_ms = node->boot_ms;
    return txn_exec(txn, NULL, err, "UPDATE batch_node SET start_boot_ms = ?2 WHERE id = ?1", db_text(node->id), db_int(node->boot_ms));
}

/* For a new start of the machine. One of the start before that may still execute ends first: its end brings us here again. */
static bool begin(Batch *batch, Txn *txn, Arena *arena, Node *node, const StartTask *start, int64_t now_ms, Err *err)
{
    Run before, like = { .kind = RUN_START, .job_key = STR(""), .task_key = STR("") }, run;
    bool found;
    if (!run_of_node(txn, arena, RUN_START, node->id, STR(""), &before, &found, err))
        return false;
    if (found && before.state == RUN_REVOKED)
        return true;
    if (found && before.state != RUN_ENDED)
        return run_revoke(txn, &before, err) && run_stop(batch, txn, arena, &before, err);
    if (found && !run_remove(txn, &before, err))
        return false;
    return (!start->exists || run_begin(batch, txn, arena, node, &like, RUN_ASSIGNED, now_ms, &run, err)) &&
           (!found || run_drop(batch, txn, arena, node->id, before.id, err)) && note_begun(txn, node, err);
}

static bool event_of(Txn *txn, Arena *arena, const Node *node, const StartTask *start, NodeEvent *out, Err *err)
{
    Run run;
    bool found;
    int64_t count, slots;
    if (start->waits) {
        if (!run_of_node(txn, arena, RUN_START, node->id, STR(""), &run, &found, err))
            return false;
        if (node->start_boot_ms != node->boot_ms || (found && run.state != RUN_ENDED)) {
            *out = NODE_AWAITS_START;
            return true;
        }
        if (found && run.result != RESULT_SUCCESS) {
            *out = NODE_START_FAILED;
            return true;
        }
    }
    if (!run_count_tasks(txn, node->id, &count, &slots, err))
        return false;
    *out = count > 0 ? NODE_BUSY : NODE_READY;
    return true;
}

static bool apply(Batch *batch, Txn *txn, Arena *arena, Node *node, NodeEvent event, int64_t now_ms, Err *err)
{
    NodeState now;
    bool was_usable = node_takes_tasks(node->state), moved;
    if (!node_apply(txn, node, event, now_ms, &now, &moved, err))
        return false;
    node->state = now;
    return was_usable || !node_takes_tasks(now) || queue_schedule(batch, txn, arena, node->account_id, node->pool_key, err);
}

bool node_ready(Batch *batch, Txn *txn, Arena *arena, Node *node, const Pool *pool, int64_t now_ms, Err *err)
{
    StartTask start;
    NodeEvent event = NODE_READY;
    if (node->state == NODE_REBOOTING || node->state == NODE_LEAVING)
        return true;
    if (!start_task_of(batch, txn, arena, pool, &start, err) ||
        (node->start_boot_ms != node->boot_ms && !begin(batch, txn, arena, node, &start, now_ms, err)) || !event_of(txn, arena, node, &start, &event, err))
        return false;
    return apply(batch, txn, arena, node, event, now_ms, err);
}

bool node_settle(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err)
{
    Node node;
    Pool pool;
    int64_t count, slots;
    bool found;
    if (!node_find(txn, arena, node_id, &node, &found, err) || !found)
        return err->code == ERR_NONE;
    switch (node.state) {
    case NODE_WAITING_FOR_START_TASK:
    case NODE_START_TASK_FAILED:
        return pool_of(txn, arena, &node, &pool, err) && node_ready(batch, txn, arena, &node, &pool, now_ms, err);
    case NODE_IDLE:
    case NODE_RUNNING:
        if (node.start_boot_ms != node.boot_ms)         /* its start task was lost */
            return pool_of(txn, arena, &node, &pool, err) && node_ready(batch, txn, arena, &node, &pool, now_ms, err);
        return run_count_tasks(txn, node.id, &count, &slots, err) && apply(batch, txn, arena, &node, count > 0 ? NODE_BUSY : NODE_READY, now_ms, err);
    case NODE_REBOOTING:
    case NODE_LEAVING:                                  /* its machine may have waited for the last of its tasks */
        return run_count_tasks(txn, node.id, &count, &slots, err) &&
               (count > 0 || runner_schedule(batch->site->runner, txn, WORK_NODE, node.id, real_now_ms(), err));
    default:
        return true;
    }
}
