/* runner.h - background work that survives restarts: a persistent queue of (kind, key, due time), leases, back-off.
 *
 * Due times are object time (base/clock.h) unless the kind is registered as real-time. A handler runs on a runner thread,
 * outside any transaction, and must be idempotent: after a crash it runs again. On failure it is retried after 1 s, 2 s, 4 s ...
 * up to 5 min (real time; runner_retry_within: less), with the error kept for display. Each kind runs one key at a time unless
 * runner_allow says more, and one key never runs twice at once. What is most overdue runs first.
 *
 * A run holds a lease of RUNNER_LEASE_MS in the queue; there is no heartbeat, so a handler ends well within it. When several
 * servers share the store, another takes the work over once the lease has run out. A store that only one process can open
 * (store.h, SQLite) needs no such wait: at runner_start the leases of the process before are void, and its interrupted
 * runs count as a failed attempt (so a handler that kills the server is backed off as well), but wait 8 s at most: where a
 * machine loses power again and again, what ran each time must not be left for minutes. */
#pragma once
#include "base/clock.h"
#include "store/store.h"

enum {
    RUNNER_RETRY_FIRST_MS = 1000,
    RUNNER_RETRY_MOST_MS = 5 * 60 * 1000,
    RUNNER_RETRY_INTERRUPTED_MOST_MS = 8 * 1000,
    RUNNER_LEASE_MS = 15 * 60 * 1000
};

typedef struct Runner Runner;
typedef struct RunnerJob { Str kind; Str key; int64_t due_ms; int64_t attempt; } RunnerJob;   /* attempt counts from 1 */

/* true: done; set *again_ms to a due time to be called again (0: removed, unless it was scheduled anew meanwhile).
 * false: failed, will be retried. Work that was scheduled or cancelled during the run stays as that call left it.
 * The arena takes up to 64 MiB and is gone after the run. */
typedef bool RunnerFn(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err);
typedef enum RunnerTime { RUNNER_OBJECT_TIME = 1, RUNNER_REAL_TIME } RunnerTime;

bool runner_new(Store *store, Clock *clock, Runner **out, Err *err) MUST_CHECK;
void runner_register(Runner *runner, const char *kind, RunnerTime time, RunnerFn *fn, void *ctx);   /* before runner_start; kind is static */
void runner_allow(Runner *runner, const char *kind, int keys_at_once);                              /* before runner_start, for a handler that may run for several keys at once */
void runner_retry_within(Runner *runner, const char *kind, int64_t most_ms);                        /* before runner_start: the longest pause after failures, where what is asked is near and others wait for it */
int  runner_runs_at_most(const Runner *runner);                       /* by the limits of the kinds: with so many threads none waits for another */
bool runner_start(Runner *runner, int threads, Err *err) MUST_CHECK;
void runner_drain(Runner *runner);                                    /* lets running handlers end; nothing runs afterwards, scheduling still works (requests may go on for a moment) */
void runner_stop(Runner *runner);                                     /* drains and frees: after everything that schedules, before store_close. NULL is fine */

/* The kind must be registered. A runner that is started wakes at the commit if this is due sooner than what it waits for. */
bool runner_schedule(Runner *runner, Txn *txn, const char *kind, Str key, int64_t due_ms, Err *err) MUST_CHECK;   /* replaces the due time of the same kind and key, and resets its attempts */
bool runner_cancel(Runner *runner, Txn *txn, const char *kind, Str key, Err *err) MUST_CHECK;                     /* fine if there is none */
void runner_wake(Runner *runner);                                     /* the clock was shifted */

/* Does this thread run background work now? For what must not hold up a request. */
bool runner_is_working_here(void);

/* Waits until nothing is due and nothing runs (what failed waits for its retry and does not count), at most wait_ms. false: time was up. */
bool runner_settle(Runner *runner, int64_t wait_ms);

/* For display and /metrics. Times but due_ms are real time. */
typedef struct RunnerEntry {
    Str kind, key;
    RunnerTime time;
    int64_t due_ms;
    bool is_running;
    int64_t failures;                 /* in a row; 0: the rest is 0 and absent */
    int64_t failed_ms, retry_ms;
    Str last_error;
} RunnerEntry;

typedef struct RunnerStats { int64_t pending, running, failing; } RunnerStats;   /* pending: all that is queued, due or not, running or not */

bool runner_stats(Runner *runner, RunnerStats *out, Err *err) MUST_CHECK;
bool runner_find(Runner *runner, Txn *txn, const char *kind, Str key, Arena *arena, const RunnerEntry **out, Err *err) MUST_CHECK;   /* NULL: not queued */
bool runner_failing(Runner *runner, Txn *txn, size_t max, Arena *arena, RunnerEntry **out, size_t *count, Err *err) MUST_CHECK;    /* the latest failures first */

/* Tests: real time is read from here instead (object time: this plus the clock's offset). Call runner_wake when it moved. */
void runner_set_real_time(Runner *runner, int64_t (*real_now_ms)(void *ctx), void *ctx);      /* before runner_start */
