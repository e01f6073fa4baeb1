/* job.h - rows of batch_job. */
#pragma once
#include "batch/jobs/task_shape.h"
#include "batch/jobs/task_states.h"
#include "batch/pools/pool.h"

typedef struct Job {
    Str account_id, key, id, pool_key;
    JobState state;
    int64_t state_ms;
    JobState previous;                      /* 0: none */
    int64_t previous_ms, priority, max_parallel;
    OnAllTasks on_all;
    bool prepares, prepares_first, releases;
    DisableTasks disable_tasks;             /* 0: none */
    int64_t wall_until_ms, start_ms, end_ms;
    Bytes reason;                           /* sealed; none: NULL */
    int64_t next_seq;
    Bytes body;                             /* sealed */
    int64_t etag, created_ms, changed_ms;
} Job;

bool job_find(Txn *txn, Arena *arena, Str account_id, Str job_id, Job *out, bool *found, Err *err) MUST_CHECK;       /* any case */
bool job_require(Txn *txn, Arena *arena, Str account_id, Str job_id, Job *out, Err *err) MUST_CHECK;                 /* ERR_NOT_FOUND JobNotFound */
bool job_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, Job **out, size_t *count, Err *err) MUST_CHECK;
/* Those of a pool that may run tasks, by priority and then by age. */
bool job_list_active(Txn *txn, Arena *arena, Str account_id, Str pool_key, int64_t limit, Job **out, size_t *count, Err *err) MUST_CHECK;

bool job_body_open(const Site *site, Txn *txn, Arena *arena, const Job *job, Str *body, Err *err) MUST_CHECK;
bool job_reason_open(const Site *site, Txn *txn, Arena *arena, const Job *job, Str *reason, Err *err) MUST_CHECK;    /* absent: none */

bool job_insert(Batch *batch, Txn *txn, Arena *arena, Str account_id, const JobSpec *spec, int64_t now_ms, Err *err) MUST_CHECK;     /* ERR_CONFLICT JobExists, ActiveJobAndScheduleQuotaReached */
bool job_change(Batch *batch, Txn *txn, Arena *arena, const Job *job, const JobSpec *spec, int64_t now_ms, Err *err) MUST_CHECK;
/* Moves by the table and wakes the job's work; ERR_CONFLICT in the service's words when the move is not listed. job is brought up to date. */
bool job_apply(Batch *batch, Txn *txn, Arena *arena, Job *job, JobEvent event, int64_t now_ms, Err *err) MUST_CHECK;
bool job_terminate(Batch *batch, Txn *txn, Arena *arena, Job *job, Str reason, int64_t now_ms, Err *err) MUST_CHECK;
bool job_remove(Txn *txn, const Job *job, Err *err) MUST_CHECK;             /* its tasks are gone */

/* All jobs, tasks and runs of an account that has no nodes any more, some at a time; *more: call again. */
bool jobs_erase(Txn *txn, Str account_id, bool *more, Err *err) MUST_CHECK;

/* Its own progress (ending, deleting, all tasks complete, out of time), and that of its pool's queue. */
bool job_schedule(Batch *batch, Txn *txn, Arena *arena, const Job *job, Err *err) MUST_CHECK;
bool queue_schedule(Batch *batch, Txn *txn, Arena *arena, Str account_id, Str pool_key, Err *err) MUST_CHECK;
bool retention_schedule(Batch *batch, Txn *txn, int64_t drop_ms, Err *err) MUST_CHECK;      /* files go then (task_work.c) */
