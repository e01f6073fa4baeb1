/* queue.h - the table runner_work: its statements, and nothing of threads. Private to runner/. */
#pragma once
#include "runner/runner.h"

typedef struct QueueItem {
    Str kind, key;
    RunnerTime time;
    int64_t version;                  /* as it was when claimed */
    int64_t due_ms;
    int64_t failures;
} QueueItem;

/* The moment, in both times, and whose leases are ours. */
typedef struct QueueNow { int64_t real_ms, object_ms; Str owner; } QueueNow;

static inline int64_t queue_now(const QueueNow *now, RunnerTime time)
{
    return time == RUNNER_REAL_TIME ? now->real_ms : now->object_ms;
}

bool queue_put(Txn *txn, Str kind, Str key, RunnerTime time, int64_t due_ms, Err *err) MUST_CHECK;
bool queue_remove(Txn *txn, Str kind, Str key, Err *err) MUST_CHECK;

/* Called for each item of a kind that may run now, most overdue first; false: enough. The item's texts end with the call. */
typedef bool QueueTakeFn(void *ctx, const QueueItem *item);
/* *next_real_ms is lowered to when the next of this kind may be ready. */
bool queue_ready(Txn *txn, Str kind, RunnerTime time, const QueueNow *now, QueueTakeFn *take, void *ctx, int64_t *next_real_ms, Err *err) MUST_CHECK;
bool queue_leased_elsewhere(Txn *txn, Str kind, const QueueNow *now, int64_t *count, Err *err) MUST_CHECK;

bool queue_lease(Txn *txn, const QueueItem *item, const QueueNow *now, bool *got, Err *err) MUST_CHECK;
/* After a run: gives the lease back and, unless the item was scheduled or cancelled meanwhile, notes the outcome. */
bool queue_done(Txn *txn, const QueueItem *item, const QueueNow *now, int64_t again_ms, Err *err) MUST_CHECK;
bool queue_failed(Txn *txn, const QueueItem *item, const QueueNow *now, int64_t retry_after_ms, Str error, Err *err) MUST_CHECK;
int64_t queue_retry_after_ms(int64_t failures, int64_t most_ms);

/* Everything leased was interrupted by the end of the process that had it. */
bool queue_void_leases(Txn *txn, const QueueNow *now, Err *err) MUST_CHECK;

bool queue_stats(Store *store, RunnerStats *out, Err *err) MUST_CHECK;
