/* keeper.h - the agent's side of keepers: starting, watching, poking one (keep.h is the other side). */
#pragma once
#include "node/places.h"

/* Starts "<program> keep <runId> <below>" as a child of the node's first process. The lock is taken before there is a process and handed on,
 * so at no moment can two be started. ERR_CONFLICT: one lives already. */
bool keeper_start(const NodePlaces *places, const char *program, Str run_id, Err *err) MUST_CHECK;
/* Readable when the keeper tells something, hung up when it ended; open it before asking keeper_lives, and no end is missed. -1: errno. */
int  keeper_watch(const NodePlaces *places, Str run_id);
bool keeper_lives(const NodePlaces *places, Str run_id);        /* true also when that cannot be found out */
void keeper_poke(const NodePlaces *places, Str run_id);         /* look at stop.json and the lease; fine when there is none */
