/* task_states.h - the states of jobs, tasks and runs, and every move between them. A move that is not listed is refused.
 *
 * Numbers are stored: never reuse one. */
#pragma once
#include "base/str.h"

typedef enum JobState { JOB_ACTIVE = 1, JOB_DISABLING, JOB_DISABLED, JOB_ENABLING, JOB_TERMINATING, JOB_COMPLETED, JOB_DELETING, JOB_STATE_COUNT } JobState;
typedef enum JobEvent {
    JOB_DISABLE = 1, JOB_IS_DISABLED, JOB_ENABLE, JOB_TERMINATE,
    JOB_IS_DONE,                /* nothing of it runs any more, release tasks included */
    JOB_DELETE, JOB_EVENT_COUNT
} JobEvent;
bool job_move(JobState from, JobEvent on, JobState *to);
const char *job_state_name(JobState state);               /* "active" */

typedef enum TaskState { TASK_ACTIVE = 1, TASK_PREPARING, TASK_RUNNING, TASK_COMPLETED, TASK_STATE_COUNT } TaskState;
typedef enum TaskEvent {
    TASK_PREPARES = 1,          /* it has a node, where its job's preparation task runs first */
    TASK_RUNS,
    TASK_ENDS,                  /* for good: success, final failure, terminated */
    TASK_WAITS,                 /* again in the queue: retry, requeue, its node or its run was lost */
    TASK_REACTIVATED,
    TASK_EVENT_COUNT
} TaskEvent;
bool task_move(TaskState from, TaskEvent on, TaskState *to);
const char *task_state_name(TaskState state);             /* "active" */

/* One execution on one node (docs/node-protocol.md, Tasks). */
typedef enum RunKind { RUN_START = 1, RUN_PREPARATION, RUN_RELEASE, RUN_TASK } RunKind;
typedef enum RunState {
    RUN_ASSIGNED = 1,           /* its node is told, and has not said anything of it */
    RUN_RUNNING,
    RUN_ENDED,
    RUN_REVOKED,                /* not wanted any more, but it may execute until its node says it does not, or the lease has ended */
    RUN_WAITING                 /* has its place on the node, where the job's preparation task comes first; the node does not know it */
} RunState;
const char *run_kind_name(RunKind kind);                  /* "starttask", "jobpreparation", "jobrelease", "task": the protocol's */

typedef enum DisableTasks { DISABLE_REQUEUE = 1, DISABLE_TERMINATE, DISABLE_WAIT } DisableTasks;
typedef enum TaskEnd { TASK_END_NONE = 0, TASK_END_TERMINATE, TASK_END_REQUEUE } TaskEnd;
typedef enum RunResult { RESULT_NONE = 0, RESULT_SUCCESS, RESULT_FAILURE } RunResult;
