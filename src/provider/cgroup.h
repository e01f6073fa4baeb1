/* cgroup.h - control groups, version 1, 2 or both at once: one relative path below the root of every hierarchy.
 *
 * Sources: docs.kernel.org/admin-guide/cgroup-v1 and cgroup-v2. Paths are relative, as "vaultyard-01234567/node1". */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

typedef struct CgroupTree { const char *mount; bool is_v2; Str controllers; } CgroupTree;   /* controllers: v1's mount options */

/* The hierarchies in a mountinfo text (proc_pid_mountinfo(5)); a hierarchy mounted twice is given once. */
bool cgroup_trees_parse(Arena *arena, Str mountinfo, CgroupTree **out, size_t *count, Err *err) MUST_CHECK;

/* SIGKILLs every process in the group and below, in each hierarchy, and waits until they have gone. *killed is raised by their number. */
bool cgroup_kill(const char *relative, int timeout_ms, int *killed, Err *err) MUST_CHECK;

/* Removes the group and those below in each hierarchy, killing what still appears there; *removed is raised by their number.
 * Fine if absent. A group stays busy for a moment after its last process ended, and version 1 has no event for that: it is tried again. */
bool cgroup_remove(const char *relative, int timeout_ms, int *removed, Err *err) MUST_CHECK;

/* Moves this process into the group, made if need be, so that killing the caller's group spares it.
 * v1's cpuset and devices stay: they limit only what is asked for. */
bool cgroup_enter(const char *relative, Err *err) MUST_CHECK;

bool cgroup_has_process(const char *relative, pid_t pid);       /* by /proc/<pid>/cgroup */
bool cgroup_limits_swap(void);                                  /* v2, or v1 with swap accounting */
