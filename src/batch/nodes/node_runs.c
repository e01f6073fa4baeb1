/* node_runs.c - what becomes of a node's runs when it leaves, restarts, or is lost, and of an account's when its key is. */
#include "batch/nodes/node_runs.h"
#include "batch/parts.h"

enum { END_WAIT_MS = 8 * 1000 };        /* a task that is ended has five seconds, and its node has to say so */

static bool waits_for_tasks(Str option) { return str_eq(option, STR("taskcompletion")) || str_eq(option, STR("retaineddata")); }

bool node_runs_end(Batch *batch, Txn *txn, Arena *arena, const Node *node, Str option, int64_t now_ms, Err *err)
{
    TaskEnd ends = str_eq(option, STR("terminate")) ? TASK_END_TERMINATE : TASK_END_REQUEUE;
    Run *runs;
    size_t count;
    if (waits_for_tasks(option))
        return true;
    if (!run_list_node(txn, arena, node->id, &runs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        Task task;
        bool found;
        if (runs[i].kind != RUN_TASK || runs[i].state == RUN_REVOKED)
            continue;
        if (!task_find(txn, arena, runs[i].account_id, runs[i].job_key, runs[i].task_key, &task, &found, err) ||
            (found && str_eq(task.open_run, runs[i].id) && !task_end_run(batch, txn, arena, &task, ends, now_ms, err)))
            return false;
    }
    return true;
}

bool node_leave(Batch *batch, Txn *txn, Arena *arena, Node *node, Str option, int64_t now_ms, Err *err)
{
    Str lower = str_empty(option) ? STR("requeue") : str_lower(arena, option);
    NodeState now;
    bool moved;
    if (node->state == NODE_LEAVING)
        return true;
    if (!node_apply(txn, node, NODE_REMOVED, now_ms, &now, &moved, err))
        return false;
    node->state = now;
    node->leaves = lower;
    return txn_exec(txn, NULL, err, "UPDATE batch_node SET leaves = ?2 WHERE id = ?1", db_text(node->id), db_text(lower)) &&
           node_runs_end(batch, txn, arena, node, lower, now_ms, err) && runner_schedule(batch->site->runner, txn, WORK_NODE, node->id, real_now_ms(), err);
}

static bool has_files(Txn *txn, const Node *node, bool *has, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM batch_task WHERE node_id = ?1 AND drop_ms <> 0 LIMIT 1", db_text(node->id)))
        return false;
    *err = (Err){ 0 };
    *has = rows_next(rows, err);
    return err->code == ERR_NONE;
}

bool node_may_stop(Txn *txn, const Node *node, Str option, int64_t now_ms, bool *may, int64_t *wait_ms, Err *err)
{
    int64_t count, slots;
    bool files = false;
    *wait_ms = 0;
    if (!run_count_tasks(txn, node->id, &count, &slots, err) || (str_eq(option, STR("retaineddata")) && !has_files(txn, node, &files, err)))
        return false;
    *may = count == 0 && !files;
    if (*may || waits_for_tasks(option))
        return true;
    int64_t left = node->state_ms + END_WAIT_MS - now_ms;
    *may = left <= 0;
    *wait_ms = left;
    return true;
}

bool node_runs_over(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err)
{
    Run *runs, run;
    size_t count;
    bool found;
    if (!run_list_node(txn, arena, node_id, &runs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!run_find(txn, arena, runs[i].id, &run, &found, err))           /* the end of one may have taken others with it */
            return false;
        RunOutcome lost = { .is_lost = true, .start_ms = run.start_ms, .end_ms = now_ms };
        if (found && !run_ended(batch, txn, arena, &run, &lost, now_ms, err))
            return false;
    }
    return true;
}

bool node_runs_forget(Batch *batch, Txn *txn, Arena *arena, Str node_id, int64_t now_ms, Err *err)
{
    return node_runs_over(batch, txn, arena, node_id, now_ms, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM batch_run WHERE node_id = ?1", db_text(node_id)) &&
           txn_exec(txn, NULL, err, "UPDATE batch_task SET drop_ms = 0 WHERE node_id = ?1 AND drop_ms <> 0", db_text(node_id));
}

/* -- the account's key -- */

typedef struct KeyChange { Batch *batch; Txn *txn; Arena *arena; Str account_id; bool locked; int64_t now_ms; } KeyChange;

/* The task of a run that is taken back. One that was to be ended is completed; why cannot be written any more when the key is gone. */
static bool take_back(KeyChange *c, Run *run, Err *err)
{
    TaskOutcome ended = { .end_ms = c->now_ms, .result = RESULT_FAILURE };
    bool found = false, executes = run->state != RUN_WAITING;
    Task task;
    if (run->kind == RUN_TASK && !task_find(c->txn, c->arena, run->account_id, run->job_key, run->task_key, &task, &found, err))
        return false;
    if (!(executes ? run_revoke(c->txn, run, err) && run_stop(c->batch, c->txn, c->arena, run, err) : run_remove(c->txn, run, err)))
        return false;
    if (!found || !str_eq(task.open_run, run->id))
        return true;
    if (task.ends != TASK_END_TERMINATE)
        return task_again(c->txn, &task, AGAIN_RECOVERY, !executes, c->now_ms, err);
    if (!c->locked)
        ended.failure_json = failure_text(c->arena, "usererror", STR("TaskEnded"), STR("Task Was Ended by User Request"), NULL, STR_NONE);
    return task_complete(c->batch, c->txn, c->arena, &task, &ended, c->now_ms, err);
}

static bool take_all_back(KeyChange *c, Err *err)
{
    Pool *pools;
    Node *nodes;
    Run *runs;
    size_t pool_count, node_count, count;
    if (!pool_list(c->txn, c->arena, c->account_id, STR_NONE, ACCOUNT_POOL_QUOTA, &pools, &pool_count, err))
        return false;
    for (size_t i = 0; i < pool_count; i++) {
        if (!node_list(c->txn, c->arena, c->account_id, pools[i].key, -1, INT16_MAX, &nodes, &node_count, err))
            return false;
        for (size_t j = 0; j < node_count; j++) {
            if (!run_list_node(c->txn, c->arena, nodes[j].id, &runs, &count, err))
                return false;
            for (size_t k = 0; k < count; k++)
                if (runs[k].state != RUN_REVOKED && !take_back(c, &runs[k], err))
                    return false;
        }
    }
    return true;
}

static bool wake_all(KeyChange *c, Err *err)
{
    Pool *pools;
    Job *jobs;
    size_t count, job_count = 1;
    Str after = STR_NONE;
    if (!pool_list(c->txn, c->arena, c->account_id, STR_NONE, ACCOUNT_POOL_QUOTA, &pools, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!queue_schedule(c->batch, c->txn, c->arena, c->account_id, pools[i].key, err))
            return false;
    while (job_count > 0) {
        if (!job_list(c->txn, c->arena, c->account_id, after, 100, &jobs, &job_count, err))
            return false;
        for (size_t i = 0; i < job_count; i++)
            if (jobs[i].state != JOB_COMPLETED && !job_schedule(c->batch, c->txn, c->arena, &jobs[i], err))
                return false;
        after = job_count > 0 ? jobs[job_count - 1].key : after;
    }
    return true;
}

bool runs_on_key_access(Batch *batch, Txn *txn, Arena *arena, Str account_id, bool is_back, Err *err)
{
    KeyChange c = { .batch = batch, .txn = txn, .arena = arena, .account_id = account_id, .now_ms = clock_now_ms(batch->site->clock) };
    if (is_back)
        return wake_all(&c, err);
    return seal_scope_is_locked(batch->site->seal, txn, account_scope(arena, account_id), &c.locked, err) && take_all_back(&c, err);
}
