/* runspec.h - what a run is to do, as the command brought it (docs/node-protocol.md, "Tasks") and the journal keeps it. */
#pragma once
#include "json/write.h"

enum { RUN_ID_DIGITS = 32 };

typedef enum RunKind { RUN_TASK = 1, RUN_START_TASK, RUN_JOB_PREPARATION, RUN_JOB_RELEASE } RunKind;
typedef enum RunScope { SCOPE_TASK = 1, SCOPE_POOL, SCOPE_NAMED } RunScope;

typedef struct RunVariable { Str name, value; } RunVariable;
/* A file, or the blobs of a container whose names begin with blob_prefix. */
typedef struct RunResource {
    Str url;                            /* of the file; absent when it is a container */
    Str container_url, blob_prefix;
    Str file_path;                      /* of the file; a container's directory, "" is the working directory */
    unsigned mode;
    bool has_identity;
    Str client_id, resource_id;
} RunResource;

typedef struct RunSpec {
    Str run_id, job_id, task_id, directory, preparation_directory, command_line;
    RunKind kind;
    const RunVariable *environment; size_t environment_count;
    const RunResource *resources; size_t resource_count;
    RunScope scope;
    Str user_name;                      /* of SCOPE_NAMED */
    bool is_admin;
    int64_t max_wall_clock_ms;          /* 0: no limit */
} RunSpec;

bool run_id_is_good(Str run_id);
/* ERR_BAD_INPUT names the field. The texts lie where `run` lies. */
bool runspec_read(Arena *arena, const JsonVal *run, RunSpec *out, Err *err) MUST_CHECK;
