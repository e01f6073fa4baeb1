/* task_work.c - background work of tasks: files whose time is over. */
#include "batch/nodes/node_settle.h"
#include <stdatomic.h>
#include "batch/parts.h"

enum { DROPS_AT_ONCE = 200 };
#define WORK_RETENTION_KEY STR("all")

/* The work is queued for the first time that files go; only an earlier one needs to move it. */
bool retention_schedule(Batch *batch, Txn *txn, int64_t drop_ms, Err *err)
{
    int64_t due = atomic_load(&batch->retention_due_ms);
    if (drop_ms >= due)
        return true;
    atomic_store(&batch->retention_due_ms, drop_ms);        /* were this undone, it would only run too early */
    return runner_schedule(batch->site->runner, txn, WORK_RETENTION, WORK_RETENTION_KEY, drop_ms, err);
}

typedef struct Pass { Batch *batch; Arena *arena; int64_t now_ms; size_t count; } Pass;

/* Within the transaction, so no task completes between the look and the note of it. */
static bool schedule_next(Pass *pass, Txn *txn, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    int64_t next = INT64_MAX;
    if (!txn_query(txn, &rows, err, "SELECT MIN(drop_ms) FROM batch_task WHERE drop_ms <> 0"))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err) && !row_is_null(rows, 0))
        next = row_int(rows, 0);
    if (err->code != ERR_NONE)
        return false;
    atomic_store(&pass->batch->retention_due_ms, next);
    return next == INT64_MAX || runner_schedule(pass->batch->site->runner, txn, WORK_RETENTION, WORK_RETENTION_KEY, next, err);
}

static bool drop_some(Txn *txn, void *ctx, Err *err)
{
    Pass *pass = ctx;
    Task *tasks = ARENA_ARRAY(pass->arena, Task, DROPS_AT_ONCE);
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!tasks)
        return err_too_big(err);
    pass->count = 0;
    if (!txn_query(txn, &rows, err, "SELECT account_id, job_key, task_key, node_id, last_run FROM batch_task WHERE drop_ms <> 0 AND drop_ms <= ?1 ORDER BY drop_ms LIMIT ?2",
                   db_int(pass->now_ms), db_int(DROPS_AT_ONCE)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        tasks[pass->count++] = (Task){ .account_id = str_dup(pass->arena, row_text(rows, 0)), .job_key = str_dup(pass->arena, row_text(rows, 1)),
                                       .key = str_dup(pass->arena, row_text(rows, 2)), .node_id = str_dup(pass->arena, row_text(rows, 3)),
                                       .last_run = str_dup(pass->arena, row_text(rows, 4)) };
    if (err->code != ERR_NONE || !arena_ok(pass->arena))
        return err->code == ERR_NONE ? err_too_big(err) : false;
    for (size_t i = 0; i < pass->count; i++)
        if (!run_drop(pass->batch, txn, pass->arena, tasks[i].node_id, tasks[i].last_run, err) || !task_files_gone(txn, &tasks[i], err) ||
            !node_settle(pass->batch, txn, pass->arena, tasks[i].node_id, pass->now_ms, err))       /* it may wait for its files to go */
            return false;
    return schedule_next(pass, txn, err);
}

bool batch_retention_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Pass pass = { .batch = ctx, .arena = arena, .now_ms = now_ms, .count = DROPS_AT_ONCE };
    (void)job;
    while (pass.count == DROPS_AT_ONCE)
        if (!store_write(pass.batch->site->store, drop_some, &pass, err))
            return false;
    *again_ms = 0;
    return true;
}
