/* keep.h - the keeper: one small process a run, from its journal entry to the end of the last process of it.
 *
 * It is a child of the node's first process, not of the agent, and the reaper of all that the run starts. Nothing but the journal and three
 * descriptors tie it to an agent, so agents come and go. It ends its run by itself when the lease is over (lease_mark.h). */
#pragma once

/* Descriptors that a keeper is started with: the lock of the journal entry, and its two FIFOs open for reading and writing. */
enum { KEEP_LOCK_FD = 3, KEEP_POKE_FD, KEEP_ALIVE_FD, KEEP_FD_END };
enum { STOP_GRACE_MS = 5000, NODE_STOP_GRACE_MS = 2000 };

/* The keeper's whole life; the program's exit code. below: "" in a node (places.h). */
int node_keep(const char *run_id, const char *below);
