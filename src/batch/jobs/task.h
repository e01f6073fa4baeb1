/* task.h - rows of batch_task. */
#pragma once
#include "batch/jobs/job.h"
#include "batch/nodes/node.h"

enum { RETRIES_OF_JOB = -2 };               /* max_retries of a task that says nothing of it */

typedef struct Task {
    Str account_id, job_key, key, id;
    int64_t seq;
    TaskState state;
    int64_t state_ms;
    TaskState previous;                     /* 0: none */
    int64_t previous_ms, slots, max_retries;        /* max_retries: -1 no limit, or RETRIES_OF_JOB */
    Str affinity;
    int64_t retention_ms, retries, retry_ms, requeues, requeue_ms;
    Str open_run, last_run, node_id, pool_key;      /* "" if none; the pool is the node's */
    TaskEnd ends;
    int64_t start_ms, end_ms;
    bool has_exit_code;
    int64_t exit_code;
    RunResult result;
    Bytes failure;                          /* sealed; none: NULL */
    int64_t drop_ms;                        /* object time its files go; 0: it has none any more, or none yet */
    Bytes body;                             /* sealed */
    int64_t etag, created_ms, changed_ms;
} Task;

bool task_find(Txn *txn, Arena *arena, Str account_id, Str job_key, Str task_id, Task *out, bool *found, Err *err) MUST_CHECK;      /* any case */
bool task_require(Txn *txn, Arena *arena, const Job *job, Str task_id, Task *out, Err *err) MUST_CHECK;                            /* ERR_NOT_FOUND TaskNotFound */
/* The task whose files are this run's. */
bool task_of_last_run(Txn *txn, Arena *arena, Str run_id, Task *out, bool *found, Err *err) MUST_CHECK;
/* By key, after `after` (absent: from the first). */
bool task_list(Txn *txn, Arena *arena, Str account_id, Str job_key, Str after, int64_t limit, Task **out, size_t *count, Err *err) MUST_CHECK;
/* Those in a state, oldest first; free_only: no run of theirs may still execute. */
bool task_list_state(Txn *txn, Arena *arena, Str account_id, Str job_key, TaskState state, bool free_only, int64_t limit, Task **out, size_t *count, Err *err) MUST_CHECK;
/* Those of a job that are to end so and were not asked to yet; with_waiting: also those that wait in the queue. */
bool task_list_to_end(Txn *txn, Arena *arena, Str account_id, Str job_key, TaskEnd ends, bool with_waiting, int64_t limit, Task **out, size_t *count, Err *err) MUST_CHECK;

/* Those that a node has or had, the one whose state changed last first. */
bool task_list_node(Txn *txn, Arena *arena, Str node_id, int64_t limit, Task **out, size_t *count, Err *err) MUST_CHECK;

bool task_body_open(const Site *site, Txn *txn, Arena *arena, const Task *task, Str *body, Err *err) MUST_CHECK;
bool task_failure_open(const Site *site, Txn *txn, Arena *arena, const Task *task, Str *failure, Err *err) MUST_CHECK;      /* absent: none */

/* ERR_CONFLICT TaskExists, JobCompleted ...; job->next_seq rises. The queue is scheduled by the caller, once. */
bool task_insert(Batch *batch, Txn *txn, Arena *arena, Job *job, const TaskSpec *spec, int64_t now_ms, Err *err) MUST_CHECK;
bool task_change(Batch *batch, Txn *txn, Arena *arena, const Task *task, const TaskSpec *spec, int64_t now_ms, Err *err) MUST_CHECK;

/* -- steps of its life: each moves by the table (ERR_INTERNAL when it is not listed) and brings the struct up to date -- */

/* On a node, by this run; before a preparation task the run comes later (run_id ""). */
bool task_assign(Txn *txn, Task *task, TaskEvent event, const Node *node, Str run_id, int64_t now_ms, Err *err) MUST_CHECK;
typedef struct TaskOutcome { int64_t start_ms, end_ms; bool has_exit_code; int64_t exit_code; RunResult result; Str failure_json; } TaskOutcome;   /* failure_json absent: none */
bool task_complete(Batch *batch, Txn *txn, Arena *arena, Task *task, const TaskOutcome *outcome, int64_t now_ms, Err *err) MUST_CHECK;
typedef enum TaskAgain { AGAIN_RETRY = 1, AGAIN_REQUEUE, AGAIN_RECOVERY } TaskAgain;       /* counted as a retry; as a requeue; not at all */
bool task_again(Txn *txn, Task *task, TaskAgain why, bool run_is_over, int64_t now_ms, Err *err) MUST_CHECK;
bool task_run_is_over(Txn *txn, const Task *task, Err *err) MUST_CHECK;                    /* another may begin */
/* ends is noted; what happens then is task_end_run's (run.h). */
bool task_ask_end(Txn *txn, Task *task, TaskEnd ends, Err *err) MUST_CHECK;
bool task_reactivate(Txn *txn, Task *task, int64_t now_ms, Err *err) MUST_CHECK;
bool task_files_gone(Txn *txn, const Task *task, Err *err) MUST_CHECK;
bool task_remove(Txn *txn, const Task *task, Err *err) MUST_CHECK;

/* Where a task of the job, or its preparation or release task, has its files: below the node's root directory. */
Str  task_directory(Arena *arena, const Job *job, Str task_id);
/* failureInfo: {"category","code","message"} and, unless absent, the name and value of one detail. */
Str  failure_text(Arena *arena, const char *category, Str code, Str message, const char *detail, Str value);
