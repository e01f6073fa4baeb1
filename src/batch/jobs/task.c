/* task.c - rows of batch_task and the steps of a task's life. */
#include "batch/jobs/task.h"
#include "batch/parts.h"
#include "batch/jobs/run.h"

static const int64_t RETENTION_MOST_MS = INT64_C(100) * 366 * 24 * 3600 * 1000;

#define TASK_COLUMNS \
    "account_id, job_key, task_key, id, seq, state, state_ms, previous, previous_ms, slots, max_retries, affinity, retention_ms, retries, retry_ms, requeues, requeue_ms, " \
    "open_run, last_run, node_id, ends, start_ms, end_ms, exit_code, result, failure, body, etag, created_ms, changed_ms, drop_ms, pool_key"
#define WHERE_TASK " WHERE account_id = ?1 AND job_key = ?2 AND task_key = ?3"

static Bytes blob_of(Arena *arena, Rows *rows, int column)
{
    return row_is_null(rows, column) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, column))));
}

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Task *out = into;
    *out = (Task){
        .account_id = str_dup(arena, row_text(rows, 0)), .job_key = str_dup(arena, row_text(rows, 1)), .key = str_dup(arena, row_text(rows, 2)),
        .id = str_dup(arena, row_text(rows, 3)), .seq = row_int(rows, 4), .state = (TaskState)row_int(rows, 5), .state_ms = row_int(rows, 6),
        .previous = (TaskState)row_int(rows, 7), .previous_ms = row_int(rows, 8), .slots = row_int(rows, 9), .max_retries = row_int(rows, 10),
        .affinity = str_dup(arena, row_text(rows, 11)), .retention_ms = row_int(rows, 12), .retries = row_int(rows, 13), .retry_ms = row_int(rows, 14),
        .requeues = row_int(rows, 15), .requeue_ms = row_int(rows, 16), .open_run = str_dup(arena, row_text(rows, 17)),
        .last_run = str_dup(arena, row_text(rows, 18)), .node_id = str_dup(arena, row_text(rows, 19)), .ends = (TaskEnd)row_int(rows, 20),
        .start_ms = row_int(rows, 21), .end_ms = row_int(rows, 22), .has_exit_code = !row_is_null(rows, 23), .exit_code = row_int(rows, 23),
        .result = (RunResult)row_int(rows, 24), .failure = blob_of(arena, rows, 25), .body = blob_of(arena, rows, 26), .etag = row_int(rows, 27),
        .created_ms = row_int(rows, 28), .changed_ms = row_int(rows, 29), .drop_ms = row_int(rows, 30), .pool_key = str_dup(arena, row_text(rows, 31)),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool task_find(Txn *txn, Arena *arena, Str account_id, Str job_key, Str task_id, Task *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " TASK_COLUMNS " FROM batch_task" WHERE_TASK, db_text(account_id), db_text(job_key), db_text(str_lower(arena, task_id))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool task_require(Txn *txn, Arena *arena, const Job *job, Str task_id, Task *out, Err *err)
{
    bool found;
    if (!task_find(txn, arena, job->account_id, job->key, task_id, out, &found, err))
        return false;
    return found || err_named(err, ERR_NOT_FOUND, "TaskNotFound", NULL, "The specified task does not exist in the job '" STR_FMT "': '" STR_FMT "'.",
                              STR_ARG(job->id), STR_ARG(str_slice(task_id, 0, 80)));
}

bool task_of_last_run(Txn *txn, Arena *arena, Str run_id, Task *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " TASK_COLUMNS " FROM batch_task WHERE last_run = ?1 AND last_run <> ''", db_text(run_id)) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool task_list(Txn *txn, Arena *arena, Str account_id, Str job_key, Str after, int64_t limit, Task **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " TASK_COLUMNS " FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND task_key > ?3 ORDER BY task_key LIMIT ?4",
                     db_text(account_id), db_text(job_key), db_text(after.ptr ? after : STR("")), db_int(limit)) && rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

bool task_list_state(Txn *txn, Arena *arena, Str account_id, Str job_key, TaskState state, bool free_only, int64_t limit, Task **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err,
                     "SELECT " TASK_COLUMNS " FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND state = ?3 AND (?4 = 0 OR open_run = '') ORDER BY seq LIMIT ?5",
                     db_text(account_id), db_text(job_key), db_int(state), db_int(free_only), db_int(limit)) && rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

bool task_list_to_end(Txn *txn, Arena *arena, Str account_id, Str job_key, TaskEnd ends, bool with_waiting, int64_t limit, Task **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err,
                     "SELECT " TASK_COLUMNS " FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND (state = 2 OR state = 3 OR (state = 1 AND ?3 = 1))"
                     " AND ends <> ?4 AND ends <> ?5 LIMIT ?6",
                     db_text(account_id), db_text(job_key), db_int(with_waiting), db_int(ends), db_int(TASK_END_TERMINATE), db_int(limit)) &&
           rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

bool task_list_node(Txn *txn, Arena *arena, Str node_id, int64_t limit, Task **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " TASK_COLUMNS " FROM batch_task WHERE node_id = ?1 AND node_id <> '' ORDER BY state_ms DESC LIMIT ?2",
                     db_text(node_id), db_int(limit)) && rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

static SealPlace place(Arena *arena, const Task *task, const char *column)
{
    return (SealPlace){ .scope = account_scope(arena, task->account_id), .table = "batch_task",
                        .row = str_printf(arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(task->account_id), STR_ARG(task->job_key), STR_ARG(task->key)), .column = column };
}

bool task_body_open(const Site *site, Txn *txn, Arena *arena, const Task *task, Str *body, Err *err)
{
    return seal_get_text(site->seal, txn, place(arena, task, "body"), task->body, arena, body, err);
}

bool task_failure_open(const Site *site, Txn *txn, Arena *arena, const Task *task, Str *failure, Err *err)
{
    *failure = STR_NONE;
    return !task->failure.ptr || seal_get_text(site->seal, txn, place(arena, task, "failure"), task->failure, arena, failure, err);
}

Str task_directory(Arena *arena, const Job *job, Str task_id)
{
    return str_printf(arena, "workitems/" STR_FMT "/job-1/" STR_FMT, STR_ARG(job->id), STR_ARG(task_id));
}

Str failure_text(Arena *arena, const char *category, Str code, Str message, const char *detail, Str value)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err ignored = { 0 };
    buf_init(&buf, 16 * 1024);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "category", str_from(category));
    json_put_str(&w, "code", code);
    json_put_str(&w, "message", message);
    if (detail) {
        json_open_array(&w, "details");
        json_open(&w, NULL);
        json_put_str(&w, "name", str_from(detail));
        json_put_str(&w, "value", value);
        json_close(&w);
        json_close_array(&w);
    }
    json_close(&w);
    return json_end(&w, &ignored) ? str_dup(arena, buf_str(&buf)) : STR_NONE;
}

/* -- added, changed, removed -- */

static bool require_open(const Job *job, Err *err)
{
    static const struct { JobState state; const char *code, *words; } closed[] = {
        { JOB_COMPLETED, "JobCompleted", "is completed" }, { JOB_DELETING, "JobBeingDeleted", "is being deleted" }, { JOB_TERMINATING, "JobBeingTerminated", "is being terminated" },
    };
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        if (job->state == closed[i].state)
            return err_named(err, ERR_CONFLICT, closed[i].code, NULL, "The job '" STR_FMT "' %s.", STR_ARG(job->id), closed[i].words);
    return true;
}

bool task_insert(Batch *batch, Txn *txn, Arena *arena, Job *job, const TaskSpec *spec, int64_t now_ms, Err *err)
{
    Task task = { .account_id = job->account_id, .job_key = job->key, .key = str_lower(arena, spec->id) };
    Str affinity = str_starts(spec->affinity, STR("TVM:")) ? str_slice(spec->affinity, 4, spec->affinity.len) : spec->affinity;
    Task other;
    Bytes body;
    Str before;                                         /* of a task of this id that was deleted: this one begins when that has ended */
    bool found;
    if (!require_open(job, err) || !task_find(txn, arena, job->account_id, job->key, spec->id, &other, &found, err))
        return false;
    if (found)
        return err_named(err, ERR_CONFLICT, "TaskExists", NULL, "The specified task already exists: '" STR_FMT "'.", STR_ARG(other.id));
    if (!run_open_of_task(txn, arena, job->account_id, job->key, task.key, &before, err) ||
        !seal_put(batch->site->seal, txn, place(arena, &task, "body"), bytes_of(spec->body), arena, &body, err))
        return false;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO batch_task (account_id, job_key, task_key, id, seq, state, state_ms, previous, previous_ms, slots, max_retries, affinity, retention_ms,"
                    " retries, retry_ms, requeues, requeue_ms, open_run, last_run, node_id, pool_key, ends, start_ms, end_ms, exit_code, result, failure, drop_ms, body, etag,"
                    " created_ms, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, ?9, ?10, ?11, 0, 0, 0, 0, ?14, '', '', '', 0, 0, 0, NULL, 0, NULL, 0, ?12, ?13, ?7, ?7)",
                    db_text(job->account_id), db_text(job->key), db_text(task.key), db_text(spec->id), db_int(job->next_seq++), db_int(TASK_ACTIVE), db_int(now_ms),
                    db_int(spec->slots), db_int(spec->has_retries ? spec->max_retries : RETRIES_OF_JOB), db_text(str_lower(arena, affinity)), db_int(spec->retention_ms),
                    db_blob(body), db_int(etag_next(now_ms, 0)), db_text(before)) &&
           txn_exec(txn, NULL, err, "UPDATE batch_job SET next_seq = ?3 WHERE account_id = ?1 AND job_key = ?2", db_text(job->account_id), db_text(job->key), db_int(job->next_seq));
}

bool task_change(Batch *batch, Txn *txn, Arena *arena, const Task *task, const TaskSpec *spec, int64_t now_ms, Err *err)
{
    Bytes body;
    return seal_put(batch->site->seal, txn, place(arena, task, "body"), bytes_of(spec->body), arena, &body, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_task SET body = ?4, max_retries = ?5, retention_ms = ?6, etag = ?7, changed_ms = ?8" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_blob(body), db_int(spec->has_retries ? spec->max_retries : RETRIES_OF_JOB),
                    db_int(spec->retention_ms), db_int(etag_next(now_ms, task->etag)), db_int(now_ms));
}

bool task_files_gone(Txn *txn, const Task *task, Err *err)
{
    return txn_exec(txn, NULL, err, "UPDATE batch_task SET drop_ms = 0" WHERE_TASK, db_text(task->account_id), db_text(task->job_key), db_text(task->key));
}

bool task_remove(Txn *txn, const Task *task, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_task" WHERE_TASK, db_text(task->account_id), db_text(task->job_key), db_text(task->key));
}

/* -- steps -- */

static bool move(Txn *txn, Task *task, TaskEvent event, int64_t now_ms, Err *err)
{
    TaskState to;
    if (!task_move(task->state, event, &to))
        return err_set(err, ERR_INTERNAL, "task '" STR_FMT "' of job '" STR_FMT "' cannot take event %d in state %s", STR_ARG(task->id), STR_ARG(task->job_key), event,
                       task_state_name(task->state));
    task->previous = task->state;
    task->previous_ms = task->state_ms;
    task->state = to;
    task->state_ms = now_ms;
    task->etag = etag_next(now_ms, task->etag);
    return txn_exec(txn, NULL, err, "UPDATE batch_task SET state = ?4, state_ms = ?5, previous = ?6, previous_ms = ?7, etag = ?8" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_int(to), db_int(now_ms), db_int(task->previous),
                    db_int(task->previous_ms), db_int(task->etag));
}

bool task_assign(Txn *txn, Task *task, TaskEvent event, const Node *node, Str run_id, int64_t now_ms, Err *err)
{
    task->node_id = node->id;
    task->pool_key = node->pool_key;
    task->open_run = run_id;
    task->last_run = str_empty(run_id) ? task->last_run : run_id;
    return move(txn, task, event, now_ms, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_task SET node_id = ?4, open_run = ?5, last_run = ?6, start_ms = ?7, pool_key = ?8, ends = 0, drop_ms = 0" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_text(node->id), db_text(run_id), db_text(task->last_run), db_int(now_ms),
                    db_text(node->pool_key));
}

bool task_complete(Batch *batch, Txn *txn, Arena *arena, Task *task, const TaskOutcome *outcome, int64_t now_ms, Err *err)
{
    Bytes failure = { 0 };
    if (outcome->failure_json.ptr &&
        !seal_put(batch->site->seal, txn, place(arena, task, "failure"), bytes_of(outcome->failure_json), arena, &failure, err))
        return false;
    Str open;                                           /* revoked and not over: counts when the task is tried again */
    if (!run_open_of_task(txn, arena, task->account_id, task->job_key, task->key, &open, err))
        return false;
    task->result = outcome->result;
    task->open_run = open;
    task->drop_ms = now_ms + (task->retention_ms < RETENTION_MOST_MS ? task->retention_ms : RETENTION_MOST_MS);
    return move(txn, task, TASK_ENDS, now_ms, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE batch_task SET open_run = ?10, ends = 0, start_ms = ?4, end_ms = ?5, exit_code = ?6, result = ?7, failure = ?8, drop_ms = ?9" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_int(outcome->start_ms ? outcome->start_ms : task->start_ms),
                    db_int(outcome->end_ms ? outcome->end_ms : now_ms), outcome->has_exit_code ? db_int(outcome->exit_code) : db_null(), db_int(outcome->result),
                    db_blob(failure), db_int(str_empty(task->last_run) ? 0 : task->drop_ms), db_text(open)) &&
           (str_empty(task->last_run) || retention_schedule(batch, txn, task->drop_ms, err));
}

bool task_again(Txn *txn, Task *task, TaskAgain why, bool run_is_over, int64_t now_ms, Err *err)
{
    task->retries += why == AGAIN_RETRY;
    task->retry_ms = why == AGAIN_RETRY ? now_ms : task->retry_ms;
    task->requeues += why == AGAIN_REQUEUE;
    task->requeue_ms = why == AGAIN_REQUEUE ? now_ms : task->requeue_ms;
    task->open_run = run_is_over ? STR("") : task->open_run;
    return move(txn, task, TASK_WAITS, now_ms, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_task SET retries = ?4, retry_ms = ?5, requeues = ?6, requeue_ms = ?7, open_run = ?8, ends = 0" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_int(task->retries), db_int(task->retry_ms), db_int(task->requeues),
                    db_int(task->requeue_ms), db_text(task->open_run));
}

bool task_run_is_over(Txn *txn, const Task *task, Err *err)
{
    return txn_exec(txn, NULL, err, "UPDATE batch_task SET open_run = ''" WHERE_TASK, db_text(task->account_id), db_text(task->job_key), db_text(task->key));
}

bool task_ask_end(Txn *txn, Task *task, TaskEnd ends, Err *err)
{
    task->ends = ends;
    return txn_exec(txn, NULL, err, "UPDATE batch_task SET ends = ?4" WHERE_TASK, db_text(task->account_id), db_text(task->job_key), db_text(task->key), db_int(ends));
}

bool task_reactivate(Txn *txn, Task *task, int64_t now_ms, Err *err)
{
    return move(txn, task, TASK_REACTIVATED, now_ms, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_task SET retries = 0, retry_ms = 0, start_ms = 0, end_ms = 0, exit_code = NULL, result = 0, failure = NULL, drop_ms = 0" WHERE_TASK,
                    db_text(task->account_id), db_text(task->job_key), db_text(task->key));
}
