/* runtime.h - running the OCI runtime (runc or crun, by its command line) for nodes of this instance.
 *
 * The runtime's children die with the thread that waits for them, so a killed host leaves no half-done runtime behind;
 * containers it has started are detached and stay. Each call has a time limit. */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

typedef struct Runtime {
    char program[4096];                     /* absolute */
    char state_dir[256];                    /* --root: /run/vaultyard-<8 hex>/runc */
} Runtime;

typedef struct RuntimeContainer { Str id; pid_t pid; bool is_running; } RuntimeContainer;

/* setting: NULL (runc, else crun), a name, or an absolute path. ERR_BAD_INPUT when there is no such program. */
bool runtime_find(Runtime *runtime, const char *setting, const char *state_dir, Err *err) MUST_CHECK;

/* Makes and starts the container `id` of the bundle directory (config.json inside), detached; its output goes to
 * <bundle>/node.log, owned by log_owner so that the container may reopen it, the log before to node.log.1. */
bool runtime_start(const Runtime *runtime, const char *id, const char *bundle, uid_t log_owner, pid_t *pid, Err *err) MUST_CHECK;

bool runtime_delete(const Runtime *runtime, const char *id, Err *err) MUST_CHECK;    /* by force; fine if absent */
bool runtime_list(const Runtime *runtime, Arena *arena, RuntimeContainer **out, size_t *count, Err *err) MUST_CHECK;
