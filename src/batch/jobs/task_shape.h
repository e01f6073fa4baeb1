/* task_shape.h - the members of jobs, tasks and start tasks, and what the scheduler needs of them.
 *
 * Source: BatchService.json 2022-10-01.16.0 and 2024-07-01.20.0 (JobAddParameter, TaskAddParameter, StartTask), BatchManagement.json
 * for start tasks and user accounts of pools. Documents are kept as pools' are (shape.h). */
#pragma once
#include "batch/shape.h"

extern const ShapeField job_fields[], task_fields[], start_task_fields[], user_account_fields[];

enum { TASKS_A_CALL = 100, RELEASE_WALL_MAX_MS = 15 * 60 * 1000, PRIORITY_MAX = 1000, PARALLEL_MAX = 10000 };
#define DURATION_FOREVER "P10675199DT2H48M5.4775807S"       /* the service's text for "no limit" */
#define RETENTION_USUAL_MS (INT64_C(7) * 24 * 3600 * 1000)

typedef enum OnAllTasks { ON_ALL_NOTHING = 0, ON_ALL_TERMINATE = 1 } OnAllTasks;

typedef struct JobSpec {
    Str id, pool_id;
    int64_t priority, max_parallel, max_retries;    /* max_parallel and max_retries: -1 is no limit */
    int64_t wall_ms;                                /* 0: no limit */
    OnAllTasks on_all;
    bool has_preparation, has_release, prepares_first;  /* prepares_first: tasks wait for its success */
    Str preparation_id, release_id;                 /* lower case */
    int64_t preparation_wall_ms, release_wall_ms;   /* 0: no limit */
    int64_t preparation_retries;                    /* -1: no limit */
    bool reruns_preparation;                        /* after a restart of the node, though it succeeded before */
    Str body;
} JobSpec;

typedef struct TaskSpec {
    Str id;
    int64_t slots, max_retries, wall_ms, retention_ms;
    bool has_retries;                               /* else the job's count */
    Str affinity;                                   /* a node's affinity id, or empty */
    Str body;
} TaskSpec;

typedef enum JobChange { JOB_CREATE = 1, JOB_PUT, JOB_PATCH } JobChange;
/* PUT and PATCH take what can be changed; now is the job's document. ERR_BAD_INPUT names the property. */
bool job_read(Arena *arena, const JsonVal *object, JobChange change, Str now, JobSpec *out, Err *err) MUST_CHECK;
/* The same of a stored document. */
bool job_spec_of(Arena *arena, Str id, Str body, JobSpec *out, Err *err) MUST_CHECK;
void task_spec_of(const JsonVal *document, TaskSpec *out);     /* of a stored document; without id and body */
bool task_read(Arena *arena, const JsonVal *object, TaskSpec *out, Err *err) MUST_CHECK;
/* {"constraints": ...} of PUT: the task's document with others. */
bool task_read_constraints(Arena *arena, const JsonVal *object, Str now, TaskSpec *out, Err *err) MUST_CHECK;

/* After the shape: each resource file has one source and stays below the working directory; `where` prefixes names in messages. */
bool task_check_files(const JsonVal *task, const char *where, Err *err) MUST_CHECK;
bool user_accounts_check(const JsonVal *accounts, const char *where, Err *err) MUST_CHECK;     /* names unique and usable; uid and gid both or neither */

void job_write_document(Arena *arena, Str body, JsonWriter *w);
void task_write_document(Arena *arena, Str body, JsonWriter *w);
