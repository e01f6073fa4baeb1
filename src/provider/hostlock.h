/* hostlock.h - one host process a data directory: DIR/host/host.lock, held by flock(2), tells which process and instance. */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

typedef struct HostLock { pid_t pid; int64_t start_ticks; Str instance_id; } HostLock;   /* start_ticks: field 22 of proc_pid_stat(5) */

/* Takes the lock and writes this process into it. *fd holds it until closed. ERR_CONFLICT when another process has it. */
bool host_lock_take(const char *host_dir, Str instance_id, int *fd, Err *err) MUST_CHECK;

/* Lets it go, saying that the host ended in order and was not killed: host_lock_read then tells of pid 0. *fd -1: nothing to do. */
void host_lock_leave(Str instance_id, int *fd);

/* What the last holder wrote. *is_held: it holds it still; then pid is proven to be that process by its start time.
 * ERR_NOT_FOUND when there never was one. */
bool host_lock_read(Arena *arena, const char *host_dir, HostLock *out, bool *is_held, Err *err) MUST_CHECK;

/* Takes the lock without writing into it (for `clean`), making the file if absent; then removes the file. */
bool host_lock_seize(const char *host_dir, int *fd, Err *err) MUST_CHECK;
