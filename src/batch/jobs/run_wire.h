/* run_wire.h - runs as they go over the wire to their node and back (docs/node-protocol.md, Tasks). */
#pragma once
#include "batch/jobs/run.h"

/* What the node is told to do: the value of "run". From the bodies of pool, job and task as they are now. */
bool run_compose(Batch *batch, Txn *txn, Arena *arena, const Run *run, Str *document, Err *err) MUST_CHECK;

/* A lease's part of it. Zeroed at first; texts lie in the request's arena. */
typedef struct RunsLease {
    bool tells;                             /* the request says which runs there are; an agent without tasks does not */
    int64_t after;                          /* the number of the lease whose answer it had before this request was written; 0: none */
    Str *named;
    size_t named_count;
    Str *ours;                              /* the answer */
    size_t our_count;
    int64_t number;
    const JsonVal *users;
    int64_t slots;
    bool dedicated;
} RunsLease;
bool runs_lease_read(Arena *arena, const JsonVal *body, RunsLease *out, Err *err) MUST_CHECK;
/* Runs that ought to be there and are not have ended. pool_body absent: it cannot be read just now, and the node has no run. */
bool runs_lease_take(Batch *batch, Txn *txn, Arena *arena, const Node *node, const Pool *pool, Str pool_body, int64_t now_ms, RunsLease *lease, Err *err) MUST_CHECK;
void runs_lease_write(const RunsLease *lease, JsonWriter *w);
