/* schema_tasks.c - tables of Batch jobs, tasks and their runs. How to add one: schema.h.
 *
 * Clear: ids, states, counts and times. Sealed under the account's scope: what people wrote (command lines, environments, names,
 * reasons). job_key and task_key are the ids in lower case: ids compare without case and keep theirs. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_tasks_1[] = {
    "CREATE TABLE batch_job ("
    "  account_id      TEXT    NOT NULL REFERENCES batch_account (id),"
    "  job_key         TEXT    NOT NULL,"
    "  id              TEXT    NOT NULL,"
    "  pool_key        TEXT    NOT NULL,"               /* the pool need not be there (yet) */
    "  state           INTEGER NOT NULL,"               /* JobState */
    "  state_ms        INTEGER NOT NULL,"
    "  previous        INTEGER NOT NULL,"               /* 0: none */
    "  previous_ms     INTEGER NOT NULL,"
    "  priority        INTEGER NOT NULL,"
    "  max_parallel    INTEGER NOT NULL,"               /* -1: no limit */
    "  on_all          INTEGER NOT NULL,"               /* OnAllTasks */
    "  prepares        INTEGER NOT NULL,"               /* 1: has a job preparation task; 2: tasks wait for its success */
    "  releases        INTEGER NOT NULL,"
    "  disable_tasks   INTEGER NOT NULL,"               /* DisableTasks of the disabling under way; 0: none */
    "  wall_until_ms   INTEGER NOT NULL,"               /* real time; 0: no limit */
    "  start_ms        INTEGER NOT NULL,"
    "  end_ms          INTEGER NOT NULL,"
    "  reason          BLOB,"                           /* sealed: terminateReason */
    "  next_seq        INTEGER NOT NULL,"
    "  body            BLOB    NOT NULL,"               /* sealed JSON (batch/jobs/task_shape.c) */
    "  etag            INTEGER NOT NULL,"
    "  created_ms      INTEGER NOT NULL,"
    "  changed_ms      INTEGER NOT NULL,"
    "  PRIMARY KEY (account_id, job_key)"
    ") STRICT",
    "CREATE INDEX batch_job_pool ON batch_job (account_id, pool_key, state, priority)",

    "CREATE TABLE batch_task ("
    "  account_id      TEXT    NOT NULL,"
    "  job_key         TEXT    NOT NULL,"
    "  task_key        TEXT    NOT NULL,"
    "  id              TEXT    NOT NULL,"
    "  seq             INTEGER NOT NULL,"               /* order of addition in its job */
    "  state           INTEGER NOT NULL,"               /* TaskState */
    "  state_ms        INTEGER NOT NULL,"
    "  previous        INTEGER NOT NULL,"
    "  previous_ms     INTEGER NOT NULL,"
    "  slots           INTEGER NOT NULL,"
    "  max_retries     INTEGER NOT NULL,"               /* -1: no limit; -2: the job's */
    "  affinity        TEXT    NOT NULL,"               /* a node id that is preferred, or '' */
    "  retention_ms    INTEGER NOT NULL,"
    "  retries         INTEGER NOT NULL,"
    "  retry_ms        INTEGER NOT NULL,"
    "  requeues        INTEGER NOT NULL,"
    "  requeue_ms      INTEGER NOT NULL,"
    "  open_run        TEXT    NOT NULL,"               /* a run that may still execute; '' : none, so another may begin */
    "  last_run        TEXT    NOT NULL,"               /* whose directory holds the task's files */
    "  node_id         TEXT    NOT NULL,"               /* of last_run */
    "  pool_key        TEXT    NOT NULL,"               /* of that node: its job may be moved to another pool afterwards */
    "  ends            INTEGER NOT NULL,"               /* TaskEnd asked for: what becomes of the task when its run has ended */
    "  start_ms        INTEGER NOT NULL,"
    "  end_ms          INTEGER NOT NULL,"
    "  exit_code       INTEGER,"
    "  result          INTEGER NOT NULL,"               /* 0: none; 1: success; 2: failure */
    "  failure         BLOB,"                           /* sealed JSON: failureInfo */
    "  drop_ms         INTEGER NOT NULL,"               /* object time its files are dropped; 0: not yet known, or done */
    "  body            BLOB    NOT NULL,"
    "  etag            INTEGER NOT NULL,"
    "  created_ms      INTEGER NOT NULL,"
    "  changed_ms      INTEGER NOT NULL,"
    "  PRIMARY KEY (account_id, job_key, task_key),"
    "  FOREIGN KEY (account_id, job_key) REFERENCES batch_job (account_id, job_key)"
    ") STRICT",
    "CREATE UNIQUE INDEX batch_task_order ON batch_task (account_id, job_key, seq)",
    "CREATE INDEX batch_task_queue ON batch_task (account_id, job_key, state, seq)",
    "CREATE INDEX batch_task_node ON batch_task (node_id, state_ms) WHERE node_id <> ''",
    "CREATE INDEX batch_task_drop ON batch_task (drop_ms) WHERE drop_ms <> 0",
    "CREATE INDEX batch_task_files ON batch_task (node_id) WHERE drop_ms <> 0",
    "CREATE INDEX batch_task_last_run ON batch_task (last_run) WHERE last_run <> ''",

    /* One execution on one node. Those of tasks go when they have ended; those of start, preparation and release tasks stay with their node. */
    "CREATE TABLE batch_run ("
    "  id              TEXT    NOT NULL PRIMARY KEY,"   /* 32 hex digits, never used again */
    "  node_id         TEXT    NOT NULL REFERENCES batch_node (id),"
    "  account_id      TEXT    NOT NULL,"
    "  pool_key        TEXT    NOT NULL,"
    "  kind            INTEGER NOT NULL,"               /* RunKind */
    "  job_key         TEXT    NOT NULL,"
    "  task_key        TEXT    NOT NULL,"
    "  state           INTEGER NOT NULL,"               /* RunState */
    "  seen_lease      INTEGER NOT NULL,"               /* leases of its node when that first told of it; 0: never */
    "  slots           INTEGER NOT NULL,"
    "  retries         INTEGER NOT NULL,"
    "  retry_ms        INTEGER NOT NULL,"
    "  boot_ms         INTEGER NOT NULL,"               /* of its node when it was made */
    "  start_ms        INTEGER NOT NULL,"
    "  end_ms          INTEGER NOT NULL,"
    "  exit_code       INTEGER,"
    "  result          INTEGER NOT NULL,"
    "  failure         BLOB,"
    "  created_ms      INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX batch_run_node ON batch_run (node_id, state)",
    "CREATE INDEX batch_run_job ON batch_run (account_id, job_key, kind, task_key)",
    "CREATE INDEX batch_run_pool ON batch_run (account_id, pool_key, state)",
    NULL
};
