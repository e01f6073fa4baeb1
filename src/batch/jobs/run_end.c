/* run_end.c - what the end of a run means: success, another try, back to the queue, or failure.
 *
 * "Lost" is an end of which no exit code will ever be known: the task runs again, uncounted. A run that was revoked has no task of its own
 * any more: its end only says that another may begin. */
#include "batch/nodes/node_settle.h"
#include "base/log.h"
#include "batch/parts.h"

enum { RETRIES_SHOWN_MAX = INT32_MAX };

static bool is_success(const RunOutcome *outcome)
{
    return !outcome->is_lost && !outcome->failure_json.ptr && outcome->has_exit_code && outcome->exit_code == 0;
}

/* "retries for the Task executable due to a nonzero exit code": what could not start, ran out of time or was stopped is not one. */
static bool may_retry(const RunOutcome *outcome, int64_t retries, int64_t most)
{
    return outcome->has_exit_code && outcome->exit_code != 0 && !outcome->failure_json.ptr && (most < 0 || retries < most) && retries < RETRIES_SHOWN_MAX;
}

static Str failure_of(Arena *arena, const RunOutcome *outcome)
{
    if (outcome->failure_json.ptr || is_success(outcome))
        return outcome->failure_json;
    return failure_text(arena, "usererror", STR("FailureExitCode"), STR("The task exited with an exit code representing a failure"), "Message",
                        STR("The task exited with an exit code representing a failure"));
}

/* -- tasks -- */

static Str terminated_text(Arena *arena)
{
    return failure_text(arena, "usererror", STR("TaskEnded"), STR("Task Was Ended by User Request"), NULL, STR_NONE);
}

/* The job may have waited for it. */
static bool tell_job(Batch *batch, Txn *txn, Arena *arena, const Job *job, const Task *task, Err *err)
{
    if (job->state == JOB_ACTIVE && (job->on_all != ON_ALL_TERMINATE || task->state != TASK_COMPLETED))
        return true;
    return job_schedule(batch, txn, arena, job, err);
}

static bool complete(Batch *batch, Txn *txn, Arena *arena, const Job *job, Task *task, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    bool good = is_success(outcome), ended = task->ends == TASK_END_TERMINATE && !good;
    TaskOutcome out = {
        .start_ms = outcome->start_ms, .end_ms = outcome->end_ms, .has_exit_code = outcome->has_exit_code, .exit_code = outcome->exit_code,
        .result = good ? RESULT_SUCCESS : RESULT_FAILURE, .failure_json = ended ? terminated_text(arena) : failure_of(arena, outcome),
    };
    return task_complete(batch, txn, arena, task, &out, now_ms, err) && tell_job(batch, txn, arena, job, task, err);
}

static bool retries_of(Batch *batch, Txn *txn, Arena *arena, const Job *job, const Task *task, int64_t *most, Err *err)
{
    JobSpec spec;
    Str body;
    *most = task->max_retries;
    if (*most != RETRIES_OF_JOB)
        return true;
    if (!job_body_open(batch->site, txn, arena, job, &body, err) || !job_spec_of(arena, job->id, body, &spec, err))
        return false;
    *most = spec.max_retries;
    return true;
}

static bool task_run_ended(Batch *batch, Txn *txn, Arena *arena, const Job *job, Task *task, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    int64_t most;
    if (is_success(outcome) || task->ends == TASK_END_TERMINATE)
        return complete(batch, txn, arena, job, task, outcome, now_ms, err);
    if (task->ends == TASK_END_REQUEUE)
        return task_again(txn, task, AGAIN_REQUEUE, true, now_ms, err) && tell_job(batch, txn, arena, job, task, err);
    if (outcome->is_lost)
        return task_again(txn, task, AGAIN_RECOVERY, true, now_ms, err) && tell_job(batch, txn, arena, job, task, err);
    if (!retries_of(batch, txn, arena, job, task, &most, err))
        return false;
    if (may_retry(outcome, task->retries, most))
        return task_again(txn, task, AGAIN_RETRY, true, now_ms, err) && tell_job(batch, txn, arena, job, task, err);
    return complete(batch, txn, arena, job, task, outcome, now_ms, err);
}

static bool end_task_run(Batch *batch, Txn *txn, Arena *arena, Run *run, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    Job job;
    Task task;
    bool has_job, has_task = false, revoked = run->state == RUN_REVOKED;
    if (!run_remove(txn, run, err) || !job_find(txn, arena, run->account_id, run->job_key, &job, &has_job, err) ||
        (has_job && !task_find(txn, arena, run->account_id, run->job_key, run->task_key, &task, &has_task, err)))
        return false;
    bool is_open = has_task && str_eq(task.open_run, run->id), has_files = has_task && str_eq(task.last_run, run->id);
    if (!has_files && !run_drop(batch, txn, arena, run->node_id, run->id, err))
        return false;
    if (is_open && revoked && (!task_run_is_over(txn, &task, err) || !tell_job(batch, txn, arena, &job, &task, err)))
        return false;
    if (is_open && !revoked && !outcome->is_lost &&
        !txn_exec(txn, NULL, err, "UPDATE batch_node SET tasks_run = tasks_run + 1, tasks_succeeded = tasks_succeeded + ?2 WHERE id = ?1", db_text(run->node_id),
                  db_int(is_success(outcome))))
        return false;
    if (is_open && !revoked && !task_run_ended(batch, txn, arena, &job, &task, outcome, now_ms, err))
        return false;
    return node_settle(batch, txn, arena, run->node_id, now_ms, err) && queue_schedule(batch, txn, arena, run->account_id, run->pool_key, err);
}

/* -- start, preparation and release tasks -- */

/* Another attempt of the same, in the same directory; the one before is forgotten after it was begun, so the directory stays. */
static bool try_again(Batch *batch, Txn *txn, Arena *arena, const Run *run, const Node *node, bool counts, int64_t now_ms, Err *err)
{
    Run like = *run, next;
    like.retries += counts;
    like.retry_ms = counts ? now_ms : like.retry_ms;
    return run_remove(txn, run, err) && run_begin(batch, txn, arena, node, &like, RUN_ASSIGNED, now_ms, &next, err) &&
           run_drop(batch, txn, arena, run->node_id, run->id, err);
}

static bool end_start_run(Batch *batch, Txn *txn, Arena *arena, Run *run, const Node *node, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    int64_t most;
    if (outcome->is_lost || run->state == RUN_REVOKED)      /* the node begins it anew when it is ready for it */
        return run_remove(txn, run, err) && run_drop(batch, txn, arena, run->node_id, run->id, err) &&
               txn_exec(txn, NULL, err, "UPDATE batch_node SET start_boot_ms = 0 WHERE id = ?1", db_text(node->id)) && node_settle(batch, txn, arena, node->id, now_ms, err);
    if (!start_task_retries(batch, txn, arena, node, &most, err))
        return false;
    if (may_retry(outcome, run->retries, most))
        return try_again(batch, txn, arena, run, node, true, now_ms, err);
    RunOutcome end = *outcome;
    end.failure_json = failure_of(arena, outcome);
    return run_note_end(batch, txn, arena, run, &end, is_success(outcome) ? RESULT_SUCCESS : RESULT_FAILURE, err) && node_settle(batch, txn, arena, node->id, now_ms, err);
}

/* The tasks that waited for it here go on, or back to the queue. */
static bool prepared(Batch *batch, Txn *txn, Arena *arena, const Job *job, const Node *node, bool goes_on, int64_t now_ms, Err *err)
{
    Run *runs;
    size_t count;
    if (!run_list_node(txn, arena, node->id, &runs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        Task task;
        bool found;
        if (runs[i].state != RUN_WAITING || !str_eq(runs[i].job_key, job->key) || !str_eq(runs[i].account_id, job->account_id))
            continue;
        if (!task_find(txn, arena, job->account_id, job->key, runs[i].task_key, &task, &found, err))
            return false;
        found = found && str_eq(task.open_run, runs[i].id);
        if (found && goes_on) {
            if (!task_assign(txn, &task, TASK_RUNS, node, runs[i].id, now_ms, err) || !run_release_waiting(batch, txn, arena, &runs[i], err))
                return false;
        } else if (!run_remove(txn, &runs[i], err) || (found && !task_again(txn, &task, AGAIN_RECOVERY, true, now_ms, err))) {
            return false;
        }
    }
    return goes_on || (node_settle(batch, txn, arena, node->id, now_ms, err) && queue_schedule(batch, txn, arena, node->account_id, node->pool_key, err));
}

static bool end_preparation_run(Batch *batch, Txn *txn, Arena *arena, Run *run, const Node *node, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    Job job;
    JobSpec spec;
    Str body;
    bool found;
    if (!job_find(txn, arena, run->account_id, run->job_key, &job, &found, err))
        return false;
    if (!found || run->state == RUN_REVOKED)
        return run_remove(txn, run, err) && run_drop(batch, txn, arena, run->node_id, run->id, err) &&
               (!found || (prepared(batch, txn, arena, &job, node, false, now_ms, err) && job_schedule(batch, txn, arena, &job, err)));
    if (outcome->is_lost && node_is_reachable(node->state) && (job.state == JOB_ACTIVE || job.state == JOB_DISABLING))
        return try_again(batch, txn, arena, run, node, false, now_ms, err);
    if (outcome->is_lost)
        return run_remove(txn, run, err) && run_drop(batch, txn, arena, run->node_id, run->id, err) && prepared(batch, txn, arena, &job, node, false, now_ms, err) &&
               job_schedule(batch, txn, arena, &job, err);
    if (!job_body_open(batch->site, txn, arena, &job, &body, err) || !job_spec_of(arena, job.id, body, &spec, err))
        return false;
    bool stopping = job.state == JOB_TERMINATING || job.state == JOB_DELETING;
    if (!stopping && may_retry(outcome, run->retries, spec.preparation_retries))
        return try_again(batch, txn, arena, run, node, true, now_ms, err);
    RunOutcome end = *outcome;
    bool good = is_success(outcome);
    end.failure_json = failure_of(arena, outcome);
    if (!good)
        log_event(LOG_WARN, "batch.preparation_failed", log_str("job", job.id), log_str("node", node->id));
    return run_note_end(batch, txn, arena, run, &end, good ? RESULT_SUCCESS : RESULT_FAILURE, err) &&
           prepared(batch, txn, arena, &job, node, (good || !spec.prepares_first) && !stopping, now_ms, err) &&
           (job.state == JOB_ACTIVE || job_schedule(batch, txn, arena, &job, err));
}

static bool end_release_run(Batch *batch, Txn *txn, Arena *arena, Run *run, const Node *node, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    Job job = { .account_id = run->account_id, .key = run->job_key };
    RunOutcome end = *outcome;
    if (outcome->is_lost || run->state == RUN_REVOKED)
        return (node_is_reachable(node->state) ? try_again(batch, txn, arena, run, node, false, now_ms, err)
                                               : run_remove(txn, run, err) && run_drop(batch, txn, arena, run->node_id, run->id, err)) &&
               job_schedule(batch, txn, arena, &job, err);
    end.failure_json = failure_of(arena, outcome);
    return run_note_end(batch, txn, arena, run, &end, is_success(outcome) ? RESULT_SUCCESS : RESULT_FAILURE, err) && job_schedule(batch, txn, arena, &job, err);
}

bool run_ended(Batch *batch, Txn *txn, Arena *arena, Run *run, const RunOutcome *outcome, int64_t now_ms, Err *err)
{
    Node node;
    bool found;
    if (run->kind == RUN_TASK)
        return end_task_run(batch, txn, arena, run, outcome, now_ms, err);
    if (!node_find(txn, arena, run->node_id, &node, &found, err))
        return false;
    if (!found)
        return run_remove(txn, run, err);
    switch (run->kind) {
    case RUN_START:       return end_start_run(batch, txn, arena, run, &node, outcome, now_ms, err);
    case RUN_PREPARATION: return end_preparation_run(batch, txn, arena, run, &node, outcome, now_ms, err);
    default:              return end_release_run(batch, txn, arena, run, &node, outcome, now_ms, err);
    }
}

/* -- asked to end -- */

bool task_end_run(Batch *batch, Txn *txn, Arena *arena, Task *task, TaskEnd ends, int64_t now_ms, Err *err)
{
    TaskOutcome outcome = { .end_ms = now_ms, .result = RESULT_FAILURE, .failure_json = terminated_text(arena) };
    Run run = { 0 };
    bool found = false;
    if (task->state == TASK_COMPLETED)
        return true;
    if (task->state == TASK_ACTIVE)
        return ends != TASK_END_TERMINATE || task_complete(batch, txn, arena, task, &outcome, now_ms, err);
    if (!run_find(txn, arena, task->open_run, &run, &found, err))
        return false;
    if (found && run.state != RUN_WAITING) {
        if (task->ends == TASK_END_NONE && !run_stop(batch, txn, arena, &run, err))
            return false;
        return task->ends == TASK_END_TERMINATE || task->ends == ends || task_ask_end(txn, task, ends, err);
    }
    if (found && (!run_remove(txn, &run, err) || !node_settle(batch, txn, arena, run.node_id, now_ms, err)))
        return false;
    return ends == TASK_END_TERMINATE ? task_complete(batch, txn, arena, task, &outcome, now_ms, err) : task_again(txn, task, AGAIN_REQUEUE, true, now_ms, err);
}

bool task_erase(Batch *batch, Txn *txn, Arena *arena, const Task *task, Err *err)
{
    Run run;
    bool found;
    if (!run_find(txn, arena, task->open_run, &run, &found, err))
        return false;
    if (found && run.state == RUN_WAITING && !run_remove(txn, &run, err))
        return false;
    if (found && run.state != RUN_WAITING && run.state != RUN_REVOKED && (!run_revoke(txn, &run, err) || !run_stop(batch, txn, arena, &run, err)))
        return false;
    bool files_wait = found && str_eq(run.id, task->last_run);        /* they go when it has ended */
    return (files_wait || run_drop(batch, txn, arena, task->node_id, task->last_run, err)) && task_remove(txn, task, err);
}
