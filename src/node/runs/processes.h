/* processes.h - which processes belong to a run, found in /proc and signalled.
 *
 * A run's keeper is the reaper of all its descendants (PR_SET_CHILD_SUBREAPER), so while it lives they are all below it. When it was
 * killed they are found by their mark: a supplementary group that only this run has, and that only root could have left (Grid Engine
 * tracks its jobs the same way). */
#pragma once
#include <sys/types.h>
#include "base/err.h"

typedef struct RunProcesses { pid_t above; gid_t mark; } RunProcesses;     /* above: everything below this process, without itself; 0, 0: none */

/* Sends `signal` to each of them; answers how many. false: /proc cannot be read. */
bool processes_signal(const RunProcesses *which, int signal, int *count, Err *err) MUST_CHECK;
/* SIGKILL for all, also for those that are born meanwhile: they are stopped first, until a look finds no new one. */
bool processes_kill(const RunProcesses *which, int *count, Err *err) MUST_CHECK;
