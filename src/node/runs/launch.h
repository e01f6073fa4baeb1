/* launch.h - from a prepared run to a running process of its user. */
#pragma once
#include "node/runs/rundir.h"

/* The run's first process: a session of its own, streams to the files, /dev/null to read, wd as its directory, umask 027, no capabilities and
 * no_new_privs unless it is an administrator's. It dies with the calling thread. false: it did not start; *program_missing tells that
 * there is no such program, else the text says what stood against it. */
bool launch_run(char *const argv[], char *const environment[], const RunUser *user, const RunDir *dir, pid_t *out, bool *program_missing, Err *err) MUST_CHECK;
