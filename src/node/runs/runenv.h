/* runenv.h - the environment of a run: what "Azure Batch runtime environment variables" documents, and what the task was given. */
#pragma once
#include "node/runs/rundir.h"

/* What the node knows from its lease. */
typedef struct RunNode { Str node_id, account, account_url, pool; bool is_dedicated; } RunNode;

enum { RESERVED_DISK_BYTES = 1000000 };         /* free space below which a run is not started (DiskFull) */

/* "NAME=value" words, NULL at the end. ERR_BAD_INPUT: a variable holds a NUL. */
bool runenv_build(const NodePlaces *places, Arena *arena, const RunNode *node, const RunSpec *spec, const RunUser *user, const RunDir *dir,
                  char ***environment, Err *err) MUST_CHECK;
