/* job_work.c - a job's own progress: out of time, all tasks complete, being disabled, ended with its release tasks, deleted. Background
 * work, one run at a time for each job, woken when a task or a run that it may wait for has ended. */
#include "batch/jobs/run.h"
#include "base/log.h"
#include "batch/encryption/encryption.h"
#include "batch/parts.h"

enum { TASKS_A_STEP = 200, KEY_AGAIN_MS = 5000, SCRATCH_BYTES = 256 << 20 };

typedef struct Work { Batch *batch; Arena *arena; Str account_id, job_key; int64_t real_ms, object_ms, again_ms; bool goes_on; } Work;

static bool count_of(Txn *txn, const Job *job, const char *sql, int64_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *count = 0;
    if (!txn_query(txn, &rows, err, sql, db_text(job->account_id), db_text(job->key)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        *count = row_int(rows, 0);
    return err->code == ERR_NONE;
}

/* Some at a time; *left: tasks or runs of tasks that are not over. */
static bool end_tasks(Work *work, Txn *txn, Job *job, TaskEnd ends, bool with_waiting, int64_t *left, Err *err)
{
    Task *tasks;
    size_t count;
    int64_t runs;
    if (!task_list_to_end(txn, work->arena, job->account_id, job->key, ends, with_waiting, TASKS_A_STEP, &tasks, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!task_end_run(work->batch, txn, work->arena, &tasks[i], ends, work->object_ms, err))
            return false;
    work->goes_on = count == TASKS_A_STEP;
    if (!count_of(txn, job, with_waiting ? "SELECT COUNT(*) FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND (state = 1 OR state = 2 OR state = 3)"
                                         : "SELECT COUNT(*) FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND (state = 2 OR state = 3)", left, err) ||
        !count_of(txn, job, "SELECT COUNT(*) FROM batch_run WHERE account_id = ?1 AND job_key = ?2 AND kind = 4", &runs, err))
        return false;
    *left += runs;
    return true;
}

static bool disable(Work *work, Txn *txn, Job *job, Err *err)
{
    int64_t left = 0;
    if (job->disable_tasks == DISABLE_WAIT) {
        if (!count_of(txn, job, "SELECT COUNT(*) FROM batch_run WHERE account_id = ?1 AND job_key = ?2 AND kind = 4", &left, err))
            return false;
    } else if (!end_tasks(work, txn, job, job->disable_tasks == DISABLE_TERMINATE ? TASK_END_TERMINATE : TASK_END_REQUEUE, false, &left, err)) {
        return false;
    }
    return left > 0 || job_apply(work->batch, txn, work->arena, job, JOB_IS_DISABLED, work->object_ms, err);
}

/* Preparations that nothing waits for any more end, and leave nothing to release. */
static bool end_preparations(Work *work, Txn *txn, const Job *job, Run *preparations, size_t count, size_t *left, Err *err)
{
    *left = 0;
    for (size_t i = 0; i < count; i++) {
        Run *run = &preparations[i];
        if (run->state == RUN_ENDED)
            continue;
        ++*left;
        if (run->state != RUN_REVOKED && (!run_revoke(txn, run, err) || !run_stop(work->batch, txn, work->arena, run, err)))
            return false;
    }
    (void)job;
    return true;
}

/* On each node where the preparation ran to its end and that is still there. */
static bool release(Work *work, Txn *txn, const Job *job, const Run *preparations, size_t count, size_t *left, Err *err)
{
    *left = 0;
    for (size_t i = 0; job->releases && i < count; i++) {
        Run like = { .kind = RUN_RELEASE, .job_key = job->key, .task_key = STR("") }, run;
        Node node;
        bool found;
        if (!run_of_node(txn, work->arena, RUN_RELEASE, preparations[i].node_id, job->key, &run, &found, err))
            return false;
        *left += found && run.state != RUN_ENDED;
        if (found)
            continue;
        if (!node_find(txn, work->arena, preparations[i].node_id, &node, &found, err))
            return false;
        if (!found || !node_is_reachable(node.state))
            continue;
        ++*left;
        if (!run_begin(work->batch, txn, work->arena, &node, &like, RUN_ASSIGNED, work->object_ms, &run, err))
            return false;
    }
    return true;
}

static bool forget_runs(Work *work, Txn *txn, const Job *job, RunKind kind, Err *err)
{
    Run *runs;
    size_t count;
    if (!run_list_job(txn, work->arena, job->account_id, job->key, kind, &runs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!run_remove(txn, &runs[i], err) || !run_drop(work->batch, txn, work->arena, runs[i].node_id, runs[i].id, err))
            return false;
    return true;
}

static bool erase(Work *work, Txn *txn, Job *job, Err *err)
{
    Task *tasks;
    size_t count;
    if (!task_list(txn, work->arena, job->account_id, job->key, STR_NONE, TASKS_A_STEP, &tasks, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!task_erase(work->batch, txn, work->arena, &tasks[i], err))
            return false;
    work->goes_on = count == TASKS_A_STEP;
    return work->goes_on || (forget_runs(work, txn, job, RUN_PREPARATION, err) && forget_runs(work, txn, job, RUN_RELEASE, err) && job_remove(txn, job, err));
}

static bool finish(Work *work, Txn *txn, Job *job, Err *err)
{
    Run *preparations;
    size_t count, preparing, releasing;
    int64_t left = 0;
    if (!end_tasks(work, txn, job, TASK_END_TERMINATE, true, &left, err) || left > 0)
        return err->code == ERR_NONE;
    if (!run_list_job(txn, work->arena, job->account_id, job->key, RUN_PREPARATION, &preparations, &count, err) ||
        !end_preparations(work, txn, job, preparations, count, &preparing, err))
        return false;
    if (preparing > 0)
        return true;
    if (!release(work, txn, job, preparations, count, &releasing, err))
        return false;
    if (releasing > 0)
        return true;
    if (job->state == JOB_DELETING)
        return erase(work, txn, job, err);
    log_event(LOG_INFO, "batch.job_completed", log_str("job", job->id));
    return job_apply(work->batch, txn, work->arena, job, JOB_IS_DONE, work->object_ms, err);
}

/* "If the job contains no tasks, then all tasks are considered complete." (specification, OnAllTasksComplete) */
static bool all_are_complete(Txn *txn, const Job *job, bool *all, Err *err)
{
    int64_t open;
    *all = false;
    if (job->on_all != ON_ALL_TERMINATE)
        return true;
    if (!count_of(txn, job, "SELECT COUNT(*) FROM (SELECT 1 FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND (state = 1 OR state = 2 OR state = 3) LIMIT 1) AS some",
                  &open, err))
        return false;
    *all = open == 0;
    return true;
}

static bool watch(Work *work, Txn *txn, Job *job, Err *err)
{
    bool all;
    if (job->wall_until_ms && work->real_ms >= job->wall_until_ms)
        return job_terminate(work->batch, txn, work->arena, job, STR("MaxWallClockTimeExpiry"), work->object_ms, err);
    work->again_ms = job->wall_until_ms;
    if (job->state != JOB_ACTIVE)
        return true;
    if (!all_are_complete(txn, job, &all, err))
        return false;
    return !all || job_terminate(work->batch, txn, work->arena, job, STR("AllTasksComplete"), work->object_ms, err);
}

static bool step(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    KeyHindrance hindrance;
    Job job;
    bool found;
    work->goes_on = false;
    work->again_ms = 0;
    if (!job_find(txn, work->arena, work->account_id, work->job_key, &job, &found, err) || !found)
        return err->code == ERR_NONE;
    if (!encryption_hindrance(work->batch, txn, work->arena, work->account_id, &hindrance, err))
        return false;
    if (hindrance != KEY_HINDERS_NOTHING) {
        work->again_ms = hindrance == KEY_IS_OPENING ? work->real_ms + KEY_AGAIN_MS : 0;       /* the key's return wakes all jobs */
        return true;
    }
    switch (job.state) {
    case JOB_TERMINATING:
    case JOB_DELETING:  return finish(work, txn, &job, err);
    case JOB_DISABLING: return watch(work, txn, &job, err) && (job.state != JOB_DISABLING || disable(work, txn, &job, err));
    case JOB_ACTIVE:
    case JOB_DISABLED:  return watch(work, txn, &job, err);
    default:            return true;
    }
}

bool batch_job_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Work work = { .batch = ctx, .real_ms = now_ms, .goes_on = true };
    Str rest = str_dup(arena, job->key);
    work.account_id = str_cut(&rest, '/');
    work.job_key = rest;
    *again_ms = 0;
    while (work.goes_on) {
        AUTO(arena_free_auto) Arena *scratch = arena_new(SCRATCH_BYTES);       /* a job may have many tasks */
        if (!(work.arena = scratch))
            return err_set(err, ERR_INTERNAL, "out of memory");
        work.object_ms = clock_now_ms(work.batch->site->clock);
        if (!store_write(work.batch->site->store, step, &work, err))
            return false;
    }
    *again_ms = work.again_ms;
    return true;
}
