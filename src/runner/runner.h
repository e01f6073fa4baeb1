/* runner.h - background work that survives restarts: a persistent queue of (kind, key, due time), leases, back-off.
 *
 * Due times are object time (base/clock.h) unless the kind is registered as real-time. A handler runs on a runner thread,
 * outside any transaction, and must be idempotent: after a crash it runs again. On failure it is retried after 1 s, 2 s, 4 s ...
 * up to 5 min (real time), with the error kept for display. Each kind runs one key at a time. */
#pragma once
#include "base/clock.h"
#include "store/store.h"

typedef struct Runner Runner;
typedef struct RunnerJob { Str kind; Str key; int64_t due_ms; int64_t attempt; } RunnerJob;   /* attempt counts from 1 */

/* true: done; set *again_ms to a due time to be called again (0: removed, unless it was scheduled anew meanwhile).
 * false: failed, will be retried. */
typedef bool RunnerFn(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err);
typedef enum RunnerTime { RUNNER_OBJECT_TIME = 1, RUNNER_REAL_TIME } RunnerTime;

bool runner_new(Store *store, Clock *clock, Runner **out, Err *err) MUST_CHECK;
void runner_register(Runner *runner, const char *kind, RunnerTime time, RunnerFn *fn, void *ctx);   /* before runner_start; kind is static */
bool runner_start(Runner *runner, int threads, Err *err) MUST_CHECK;
void runner_stop(Runner *runner);                                     /* lets running handlers end; frees */

bool runner_schedule(Runner *runner, Txn *txn, const char *kind, Str key, int64_t due_ms, Err *err) MUST_CHECK;   /* replaces the due time of the same kind and key, and resets its attempts */
bool runner_cancel(Runner *runner, Txn *txn, const char *kind, Str key, Err *err) MUST_CHECK;
void runner_wake(Runner *runner);                                     /* the clock was shifted */
