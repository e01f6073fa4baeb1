/* prepare.h - everything between a run's journal entry and its process: user, directories, resource files, environment, words. */
#pragma once
#include "node/runs/journal.h"
#include "node/runs/resource.h"

typedef struct Prepared {
    RunUser user;
    RunDir dir;
    char **argv, **environment;
} Prepared;

/* Takes as long as the downloads do. false: *failure says why in the service's words. The dir is the caller's to rundir_done either way. */
bool run_prepare(const NodePlaces *places, Arena *arena, const RunEntry *entry, Fetcher *fetcher, Prepared *out, RunFailure *failure) MUST_CHECK;
