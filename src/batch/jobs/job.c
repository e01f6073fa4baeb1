/* job.c - rows of batch_job and what happens to them. */
#include "batch/jobs/job.h"
#include "batch/parts.h"

enum { ERASED_AT_ONCE = 1000 };

#define JOB_COLUMNS \
    "account_id, job_key, id, pool_key, state, state_ms, previous, previous_ms, priority, max_parallel, on_all, prepares, releases, disable_tasks, " \
    "wall_until_ms, start_ms, end_ms, reason, next_seq, body, etag, created_ms, changed_ms"

static Bytes blob_of(Arena *arena, Rows *rows, int column)
{
    return row_is_null(rows, column) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, column))));
}

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Job *out = into;
    *out = (Job){
        .account_id = str_dup(arena, row_text(rows, 0)), .key = str_dup(arena, row_text(rows, 1)), .id = str_dup(arena, row_text(rows, 2)),
        .pool_key = str_dup(arena, row_text(rows, 3)), .state = (JobState)row_int(rows, 4), .state_ms = row_int(rows, 5),
        .previous = (JobState)row_int(rows, 6), .previous_ms = row_int(rows, 7), .priority = row_int(rows, 8), .max_parallel = row_int(rows, 9),
        .on_all = (OnAllTasks)row_int(rows, 10), .prepares = row_int(rows, 11) > 0, .prepares_first = row_int(rows, 11) == 2,
        .releases = row_int(rows, 12) != 0, .disable_tasks = (DisableTasks)row_int(rows, 13), .wall_until_ms = row_int(rows, 14),
        .start_ms = row_int(rows, 15), .end_ms = row_int(rows, 16), .reason = blob_of(arena, rows, 17), .next_seq = row_int(rows, 18),
        .body = blob_of(arena, rows, 19), .etag = row_int(rows, 20), .created_ms = row_int(rows, 21), .changed_ms = row_int(rows, 22),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool job_find(Txn *txn, Arena *arena, Str account_id, Str job_id, Job *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " JOB_COLUMNS " FROM batch_job WHERE account_id = ?1 AND job_key = ?2", db_text(account_id), db_text(str_lower(arena, job_id))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool job_require(Txn *txn, Arena *arena, Str account_id, Str job_id, Job *out, Err *err)
{
    bool found;
    if (!job_find(txn, arena, account_id, job_id, out, &found, err))
        return false;
    return found || err_named(err, ERR_NOT_FOUND, "JobNotFound", NULL, "The specified job does not exist: '" STR_FMT "'.", STR_ARG(str_slice(job_id, 0, 80)));
}

bool job_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, Job **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " JOB_COLUMNS " FROM batch_job WHERE account_id = ?1 AND job_key > ?2 ORDER BY job_key LIMIT ?3",
                     db_text(account_id), db_text(after.ptr ? after : STR("")), db_int(limit)) && rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

bool job_list_active(Txn *txn, Arena *arena, Str account_id, Str pool_key, int64_t limit, Job **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err,
                     "SELECT " JOB_COLUMNS " FROM batch_job WHERE account_id = ?1 AND pool_key = ?2 AND state = ?3 ORDER BY priority DESC, created_ms, job_key LIMIT ?4",
                     db_text(account_id), db_text(pool_key), db_int(JOB_ACTIVE), db_int(limit)) && rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

static SealPlace place(Arena *arena, Str account_id, Str job_key, const char *column)
{
    return (SealPlace){ .scope = account_scope(arena, account_id), .table = "batch_job", .row = pool_work_key(arena, account_id, job_key), .column = column };
}

bool job_body_open(const Site *site, Txn *txn, Arena *arena, const Job *job, Str *body, Err *err)
{
    return seal_get_text(site->seal, txn, place(arena, job->account_id, job->key, "body"), job->body, arena, body, err);
}

bool job_reason_open(const Site *site, Txn *txn, Arena *arena, const Job *job, Str *reason, Err *err)
{
    *reason = STR_NONE;
    return !job->reason.ptr || seal_get_text(site->seal, txn, place(arena, job->account_id, job->key, "reason"), job->reason, arena, reason, err);
}

bool job_schedule(Batch *batch, Txn *txn, Arena *arena, const Job *job, Err *err)
{
    return runner_schedule(batch->site->runner, txn, WORK_JOB, pool_work_key(arena, job->account_id, job->key), real_now_ms(), err);
}

bool queue_schedule(Batch *batch, Txn *txn, Arena *arena, Str account_id, Str pool_key, Err *err)
{
    return runner_schedule(batch->site->runner, txn, WORK_QUEUE, pool_work_key(arena, account_id, pool_key), real_now_ms(), err);
}

/* -- things that happen -- */

static bool check_quota(Txn *txn, Str account_id, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM batch_job WHERE account_id = ?1 AND state <> ?2 AND state <> ?3",
                   db_text(account_id), db_int(JOB_COMPLETED), db_int(JOB_DELETING)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err) || row_int(rows, 0) < ACCOUNT_JOB_QUOTA)
        return err->code == ERR_NONE;
    return err_named(err, ERR_CONFLICT, "ActiveJobAndScheduleQuotaReached", NULL, "The account has %d jobs already that are not completed, which is its quota.", ACCOUNT_JOB_QUOTA);
}

bool job_insert(Batch *batch, Txn *txn, Arena *arena, Str account_id, const JobSpec *spec, int64_t now_ms, Err *err)
{
    Str key = str_lower(arena, spec->id);
    Bytes body;
    Job job;
    bool found;
    if (!job_find(txn, arena, account_id, key, &job, &found, err))
        return false;
    if (found)
        return err_named(err, ERR_CONFLICT, job.state == JOB_DELETING ? "JobBeingDeleted" : "JobExists", NULL, "The specified job already exists%s: '" STR_FMT "'.",
                         job.state == JOB_DELETING ? " and is being deleted" : "", STR_ARG(job.id));
    if (!check_quota(txn, account_id, err) ||
        !seal_put(batch->site->seal, txn, place(arena, account_id, key, "body"), bytes_of(spec->body), arena, &body, err) ||
        !txn_exec(txn, NULL, err,
                  "INSERT INTO batch_job (account_id, job_key, id, pool_key, state, state_ms, previous, previous_ms, priority, max_parallel, on_all, prepares, releases,"
                  " disable_tasks, wall_until_ms, start_ms, end_ms, reason, next_seq, body, etag, created_ms, changed_ms)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?6, 0, NULL, 1, ?13, ?14, ?6, ?6)",
                  db_text(account_id), db_text(key), db_text(spec->id), db_text(str_lower(arena, spec->pool_id)), db_int(JOB_ACTIVE), db_int(now_ms),
                  db_int(spec->priority), db_int(spec->max_parallel), db_int(spec->on_all), db_int(spec->has_preparation ? spec->prepares_first ? 2 : 1 : 0),
                  db_int(spec->has_release), db_int(spec->wall_ms ? real_now_ms() + spec->wall_ms : 0), db_blob(body), db_int(etag_next(now_ms, 0))))
        return false;
    job = (Job){ .account_id = account_id, .key = key };
    return job_schedule(batch, txn, arena, &job, err);
}

bool job_change(Batch *batch, Txn *txn, Arena *arena, const Job *job, const JobSpec *spec, int64_t now_ms, Err *err)
{
    Str pool_key = str_lower(arena, spec->pool_id);
    Bytes body;
    if (job->state == JOB_COMPLETED)
        return err_named(err, ERR_CONFLICT, "JobCompleted", NULL, "The job '" STR_FMT "' is completed.", STR_ARG(job->id));
    if (job->state == JOB_TERMINATING || job->state == JOB_DELETING)
        return err_named(err, ERR_CONFLICT, job->state == JOB_DELETING ? "JobBeingDeleted" : "JobBeingTerminated", NULL, "The job '" STR_FMT "' is %s.",
                         STR_ARG(job->id), job_state_name(job->state));
    /* "You may change the Pool for a Job only when the Job is disabled." (specification, JobPatchParameter) */
    if (!str_eq(pool_key, job->pool_key) && job->state != JOB_DISABLED)
        return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "poolInfo: the job must be disabled before it can move to another pool.");
    return seal_put(batch->site->seal, txn, place(arena, job->account_id, job->key, "body"), bytes_of(spec->body), arena, &body, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE batch_job SET pool_key = ?3, priority = ?4, max_parallel = ?5, on_all = ?6, wall_until_ms = ?7, body = ?8, etag = ?9, changed_ms = ?10"
                    " WHERE account_id = ?1 AND job_key = ?2",
                    db_text(job->account_id), db_text(job->key), db_text(pool_key), db_int(spec->priority), db_int(spec->max_parallel), db_int(spec->on_all),
                    db_int(spec->wall_ms ? job->created_ms - clock_offset_ms(batch->site->clock) + spec->wall_ms : 0), db_blob(body),
                    db_int(etag_next(now_ms, job->etag)), db_int(now_ms)) &&
           job_schedule(batch, txn, arena, job, err) && queue_schedule(batch, txn, arena, job->account_id, pool_key, err);
}

static bool refuse_move(const Job *job, JobEvent event, Err *err)
{
    static const struct { JobState state; const char *code, *words; } refusals[] = {
        { JOB_COMPLETED, "JobCompleted", "is completed" }, { JOB_DELETING, "JobBeingDeleted", "is being deleted" },
        { JOB_TERMINATING, "JobBeingTerminated", "is being terminated" }, { JOB_DISABLED, "JobDisabled", "is disabled" },
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].state == job->state)
            return err_named(err, ERR_CONFLICT, refusals[i].code, NULL, "The job '" STR_FMT "' %s.", STR_ARG(job->id), refusals[i].words);
    return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The job '" STR_FMT "' is %s%s.", STR_ARG(job->id), job_state_name(job->state),
                     event == JOB_ENABLE ? "; only a disabled job can be enabled" : "");
}

bool job_apply(Batch *batch, Txn *txn, Arena *arena, Job *job, JobEvent event, int64_t now_ms, Err *err)
{
    JobState to;
    if (!job_move(job->state, event, &to))
        return refuse_move(job, event, err);
    job->previous = job->state;
    job->previous_ms = job->state_ms;
    job->state = to;
    job->state_ms = now_ms;
    job->end_ms = to == JOB_COMPLETED ? now_ms : job->end_ms;
    job->etag = etag_next(now_ms, job->etag);
    job->changed_ms = now_ms;
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_job SET state = ?3, state_ms = ?4, previous = ?5, previous_ms = ?6, end_ms = ?7, etag = ?8, changed_ms = ?4 WHERE account_id = ?1 AND job_key = ?2",
                    db_text(job->account_id), db_text(job->key), db_int(to), db_int(now_ms), db_int(job->previous), db_int(job->previous_ms), db_int(job->end_ms), db_int(job->etag)) &&
           job_schedule(batch, txn, arena, job, err) && queue_schedule(batch, txn, arena, job->account_id, job->pool_key, err);
}

bool job_terminate(Batch *batch, Txn *txn, Arena *arena, Job *job, Str reason, int64_t now_ms, Err *err)
{
    if (!job_apply(batch, txn, arena, job, JOB_TERMINATE, now_ms, err) ||
        !seal_put(batch->site->seal, txn, place(arena, job->account_id, job->key, "reason"), bytes_of(reason), arena, &job->reason, err))
        return false;
    return txn_exec(txn, NULL, err, "UPDATE batch_job SET reason = ?3 WHERE account_id = ?1 AND job_key = ?2", db_text(job->account_id), db_text(job->key), db_blob(job->reason));
}

bool job_remove(Txn *txn, const Job *job, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_job WHERE account_id = ?1 AND job_key = ?2", db_text(job->account_id), db_text(job->key));
}

bool jobs_erase(Txn *txn, Str account_id, bool *more, Err *err)
{
    static const char *const steps[] = {
        "DELETE FROM batch_run WHERE id IN (SELECT id FROM batch_run WHERE account_id = ?1 LIMIT ?2)",
        "DELETE FROM batch_task WHERE rowid IN (SELECT rowid FROM batch_task WHERE account_id = ?1 LIMIT ?2)",
        "DELETE FROM batch_job WHERE rowid IN (SELECT rowid FROM batch_job WHERE account_id = ?1 LIMIT ?2)",
    };
    *more = false;
    for (size_t i = 0; i < COUNT_OF(steps) && !*more; i++) {
        int64_t changed;
        if (!txn_exec(txn, &changed, err, steps[i], db_text(account_id), db_int(ERASED_AT_ONCE)))
            return false;
        *more = changed == ERASED_AT_ONCE;
    }
    return true;
}
