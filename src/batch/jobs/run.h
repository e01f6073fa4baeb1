/* run.h - runs: each is one execution of a task on one node (docs/node-protocol.md, Tasks).
 *
 * A run of a task lives from its assignment until its end; those of start, preparation and release tasks stay, as ended, with their
 * node, since they say what has been done there. Nothing runs twice at once: a task gets a run only when none of its own may execute any
 * more, which its node says (ended, lost, or a lease that does not name it), or the end of the node's lease. */
#pragma once
#include "batch/jobs/task.h"
#include "batch/nodes/node.h"

enum { RUN_LEASE_GRACE_MS = 5 * 1000 };

typedef struct Run {
    Str id, node_id, account_id, pool_key;
    RunKind kind;
    Str job_key, task_key;                  /* "" where its kind has none */
    RunState state;
    int64_t seen_lease;                     /* leases of its node when that first told of it; 0: it never did */
    int64_t slots, retries, retry_ms, boot_ms;
    int64_t start_ms, end_ms;
    bool has_exit_code;
    int64_t exit_code;
    RunResult result;
    Bytes failure;                          /* sealed; none: NULL */
    int64_t created_ms;
} Run;

/* -- rows (run.c) -- */

bool run_find(Txn *txn, Arena *arena, Str run_id, Run *out, bool *found, Err *err) MUST_CHECK;
/* Of a start task (job_key ""), a preparation or a release: there is one of a kind for a node and job. */
bool run_of_node(Txn *txn, Arena *arena, RunKind kind, Str node_id, Str job_key, Run *out, bool *found, Err *err) MUST_CHECK;
/* A run of this task that may still execute; "" if there is none. */
bool run_open_of_task(Txn *txn, Arena *arena, Str account_id, Str job_key, Str task_key, Str *run_id, Err *err) MUST_CHECK;
bool run_list_job(Txn *txn, Arena *arena, Str account_id, Str job_key, RunKind kind, Run **out, size_t *count, Err *err) MUST_CHECK;     /* by node id */
bool run_list_node(Txn *txn, Arena *arena, Str node_id, Run **out, size_t *count, Err *err) MUST_CHECK;     /* all but those that have ended, oldest first */
bool run_count_tasks(Txn *txn, Str node_id, int64_t *count, int64_t *slots, Err *err) MUST_CHECK;           /* those of tasks on a node */
bool run_failure_open(const Site *site, Txn *txn, Arena *arena, const Run *run, Str *failure, Err *err) MUST_CHECK;      /* absent: none */

/* A new one, assigned (its node is told) or waiting for its job's preparation. `like` gives node, keys, kind, slots, retries; out has its id. */
bool run_begin(Batch *batch, Txn *txn, Arena *arena, const Node *node, const Run *like, RunState state, int64_t now_ms, Run *out, Err *err) MUST_CHECK;
bool run_release_waiting(Batch *batch, Txn *txn, Arena *arena, Run *run, Err *err) MUST_CHECK;       /* its job is prepared: its node is told */
bool run_note_running(Txn *txn, Run *run, int64_t start_ms, Err *err) MUST_CHECK;
bool run_note_seen(Txn *txn, Run *run, Err *err) MUST_CHECK;                           /* its node has told of it */
bool run_stop(Batch *batch, Txn *txn, Arena *arena, const Run *run, Err *err) MUST_CHECK;            /* its node is told to end it */
bool run_revoke(Txn *txn, Run *run, Err *err) MUST_CHECK;
typedef struct RunOutcome { bool is_lost; int64_t start_ms, end_ms; bool has_exit_code; int64_t exit_code; Str failure_json; } RunOutcome;     /* failure_json absent: none */
bool run_note_end(Batch *batch, Txn *txn, Arena *arena, Run *run, const RunOutcome *outcome, RunResult result, Err *err) MUST_CHECK;
bool run_remove(Txn *txn, const Run *run, Err *err) MUST_CHECK;                        /* with what its node was to be told of it */
/* Its node forgets it and removes its directory, after all that it was told before. A node that is gone has nothing. */
bool run_drop(Batch *batch, Txn *txn, Arena *arena, Str node_id, Str run_id, Err *err) MUST_CHECK;

/* -- what becomes of tasks (run_end.c) -- */

/* It has ended, as its node or the end of the node's lease says: its task is completed, tried again or waits again; a node goes on with
 * what its start or preparation task was for. */
bool run_ended(Batch *batch, Txn *txn, Arena *arena, Run *run, const RunOutcome *outcome, int64_t now_ms, Err *err) MUST_CHECK;

/* Its run is ended, if it has one; then, or at once, the task is completed or waits again. A task that terminates does not wait again. */
bool task_end_run(Batch *batch, Txn *txn, Arena *arena, Task *task, TaskEnd ends, int64_t now_ms, Err *err) MUST_CHECK;
/* The row goes at once; its run is ended and its files go. */
bool task_erase(Batch *batch, Txn *txn, Arena *arena, const Task *task, Err *err) MUST_CHECK;
