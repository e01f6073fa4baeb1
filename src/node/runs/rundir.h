/* rundir.h - the directories below the node's root directory, as "Files and directories in Azure Batch" names them.
 *
 *   applications fsmounts workitems    root, readable by all
 *   shared                             everybody who runs tasks reads and writes there, files of others too (a default ACL)
 *   startup, preparation directories   their run's user writes, everybody who runs tasks reads
 *   directories of tasks               nobody else reads
 *   volatile                           root only */
#pragma once
#include "node/runs/users.h"

typedef struct RunDir {
    const char *dir, *wd;               /* absolute */
    const char *certs;                  /* likewise, where this run has account certificates (certdir.h); NULL: none */
    int dir_fd, wd_fd, out_fd, err_fd;  /* -1: not open */
} RunDir;
#define RUN_DIR_CLOSED ((RunDir){ .dir_fd = -1, .wd_fd = -1, .out_fd = -1, .err_fd = -1 })

/* The tree that every node has; again is fine. */
bool rundir_lay_out(const NodePlaces *places, Err *err) MUST_CHECK;
/* The run's directory with wd, owned by its user, and new stdout.txt and stderr.txt. What is there already stays, links in these places go. */
bool rundir_prepare(const NodePlaces *places, Arena *arena, const RunSpec *spec, const RunUser *user, RunDir *out, Err *err) MUST_CHECK;
void rundir_done(RunDir *dir);          /* closes */
bool rundir_remove(const NodePlaces *places, Str directory, Err *err) MUST_CHECK;      /* of a task; fine if absent. Empty directories of its job above it go too */
