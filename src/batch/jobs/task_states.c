/* task_states.c - the transition tables of jobs and tasks. */
#include "batch/jobs/task_states.h"

static const struct { JobState from; JobEvent on; JobState to; } job_moves[] = {
    { JOB_ACTIVE,      JOB_DISABLE,     JOB_DISABLING   },
    { JOB_ACTIVE,      JOB_TERMINATE,   JOB_TERMINATING },
    { JOB_ACTIVE,      JOB_DELETE,      JOB_DELETING    },

    { JOB_DISABLING,   JOB_IS_DISABLED, JOB_DISABLED    },
    { JOB_DISABLING,   JOB_ENABLE,      JOB_ACTIVE      },
    { JOB_DISABLING,   JOB_TERMINATE,   JOB_TERMINATING },
    { JOB_DISABLING,   JOB_DELETE,      JOB_DELETING    },

    { JOB_DISABLED,    JOB_ENABLE,      JOB_ACTIVE      },
    { JOB_DISABLED,    JOB_TERMINATE,   JOB_TERMINATING },
    { JOB_DISABLED,    JOB_DELETE,      JOB_DELETING    },

    { JOB_TERMINATING, JOB_IS_DONE,     JOB_COMPLETED   },
    { JOB_TERMINATING, JOB_DELETE,      JOB_DELETING    },

    { JOB_COMPLETED,   JOB_DELETE,      JOB_DELETING    },
};

bool job_move(JobState from, JobEvent on, JobState *to)
{
    for (size_t i = 0; i < COUNT_OF(job_moves); i++) {
        if (job_moves[i].from == from && job_moves[i].on == on) {
            *to = job_moves[i].to;
            return true;
        }
    }
    return false;
}

const char *job_state_name(JobState state)
{
    static const char *const names[JOB_STATE_COUNT] = { "", "active", "disabling", "disabled", "enabling", "terminating", "completed", "deleting" };
    return names[state];
}

static const struct { TaskState from; TaskEvent on; TaskState to; } task_moves[] = {
    { TASK_ACTIVE,    TASK_PREPARES,    TASK_PREPARING },
    { TASK_ACTIVE,    TASK_RUNS,        TASK_RUNNING   },
    { TASK_ACTIVE,    TASK_ENDS,        TASK_COMPLETED },       /* terminated before it ran */

    { TASK_PREPARING, TASK_RUNS,        TASK_RUNNING   },
    { TASK_PREPARING, TASK_ENDS,        TASK_COMPLETED },
    { TASK_PREPARING, TASK_WAITS,       TASK_ACTIVE    },       /* the preparation failed: another node is tried */

    { TASK_RUNNING,   TASK_ENDS,        TASK_COMPLETED },
    { TASK_RUNNING,   TASK_WAITS,       TASK_ACTIVE    },

    { TASK_COMPLETED, TASK_REACTIVATED, TASK_ACTIVE    },
};

bool task_move(TaskState from, TaskEvent on, TaskState *to)
{
    for (size_t i = 0; i < COUNT_OF(task_moves); i++) {
        if (task_moves[i].from == from && task_moves[i].on == on) {
            *to = task_moves[i].to;
            return true;
        }
    }
    return false;
}

const char *task_state_name(TaskState state)
{
    static const char *const names[TASK_STATE_COUNT] = { "", "active", "preparing", "running", "completed" };
    return names[state];
}

const char *run_kind_name(RunKind kind)
{
    return kind == RUN_START ? "starttask" : kind == RUN_PREPARATION ? "jobpreparation" : kind == RUN_RELEASE ? "jobrelease" : "task";
}
