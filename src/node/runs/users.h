/* users.h - the accounts that runs use, kept in the node's own /etc (passwd(5), group(5), shadow(5)).
 *
 *   _azbatchgrp              group of everybody who runs tasks: what `shared`, `startup` and preparation directories are open to
 *   _azbatch                 the pool's user that is no administrator
 *   _azbatchtask_<n>         users of one task each: slot n of a range above what useradd gives out; slot 0 is _azbatchtask_start
 *   root                     administrators: of this node, and of nothing else
 *   <name>                   named accounts of the pool
 *
 * The names are those that real nodes have. Each user has a group of its own first, so that what one task writes no other reads; the group of
 * a run's slot is also the mark by which its processes are found (processes.h). An agent that is not root runs everything as itself. */
#pragma once
#include <sys/types.h>
#include "node/places.h"
#include "node/runs/runspec.h"

enum { USER_SLOTS = 4800, USER_GROUPS_MAX = 64 };

typedef struct RunUser {
    const char *name, *home;            /* home NULL: the working directory */
    uid_t uid;
    gid_t gid, mark;
    gid_t groups[USER_GROUPS_MAX];
    size_t group_count;
    bool is_root;
    bool is_admin;                      /* a named administrator keeps its own id and gets the capabilities of the node's root */
    bool switches;                      /* false: the agent is not root, nothing is switched */
} RunUser;

/* Group and pool user; again is fine. */
bool users_set_up(const NodePlaces *places, Err *err) MUST_CHECK;
/* The lease's "users": accounts and homes are made, none is removed. ERR_CONFLICT when a name or id belongs to somebody else. */
bool users_apply(const NodePlaces *places, const JsonVal *list, Err *err) MUST_CHECK;
/* The account of a run with this slot; made when it is not there. ERR_NOT_FOUND: no such named account on this node. */
bool users_of_run(const NodePlaces *places, Arena *arena, const RunSpec *spec, int slot, RunUser *out, Err *err) MUST_CHECK;
/* One of the lease's "users", outside of any run. ERR_NOT_FOUND: no such named account on this node. */
bool users_named(const NodePlaces *places, Arena *arena, Str name, RunUser *out, Err *err) MUST_CHECK;
gid_t users_mark(int slot);
gid_t users_common_group(void);         /* _azbatchgrp */
