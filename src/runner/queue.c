/* queue.c - statements over runner_work. */
#include "base/id.h"
#include "runner/queue.h"

/* Random, so that an item that was cancelled and scheduled again during a run is not taken for the one that ran. */
static int64_t new_version(void)
{
    uint64_t bits;
    random_fill(&bits, sizeof bits);
    return (int64_t)(bits >> 1);
}

bool queue_put(Txn *txn, Str kind, Str key, RunnerTime time, int64_t due_ms, Err *err)
{
    return txn_exec(txn, NULL, err,
                    "INSERT INTO runner_work (kind, key, version, clock, due_ms, failures, retry_ms, failed_ms, lease_until_ms)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0)"
                    " ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, clock = excluded.clock, due_ms = excluded.due_ms,"
                    "  failures = 0, retry_ms = 0, failed_ms = 0, last_error = NULL",      /* a lease stays: the key may be running */
                    db_text(kind), db_text(key), db_int(new_version()), db_int(time), db_int(due_ms));
}

bool queue_remove(Txn *txn, Str kind, Str key, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM runner_work WHERE kind = ?1 AND key = ?2", db_text(kind), db_text(key));
}

static void lower(int64_t *least, int64_t value)
{
    if (value < *least)
        *least = value;
}

bool queue_ready(Txn *txn, Str kind, RunnerTime time, const QueueNow *now, QueueTakeFn *take, void *ctx, int64_t *next_real_ms, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    int64_t now_ms = queue_now(now, time);
    if (!txn_query(txn, &rows, err,
                   "SELECT key, version, due_ms, failures, retry_ms, lease_until_ms FROM runner_work WHERE kind = ?1 ORDER BY due_ms", db_text(kind)))
        return false;
    while (rows_next(rows, &failed)) {
        QueueItem item = { .kind = kind, .key = row_text(rows, 0), .time = time, .version = row_int(rows, 1), .due_ms = row_int(rows, 2), .failures = row_int(rows, 3) };
        int64_t retry_ms = row_int(rows, 4), lease_until_ms = row_int(rows, 5);
        if (item.due_ms > now_ms) {
            lower(next_real_ms, now->real_ms + (item.due_ms - now_ms));
            break;
        }
        if (retry_ms > now->real_ms || lease_until_ms > now->real_ms)
            lower(next_real_ms, retry_ms > lease_until_ms ? retry_ms : lease_until_ms);
        else if (!take(ctx, &item))
            break;
    }
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    return true;
}

bool queue_leased_elsewhere(Txn *txn, Str kind, const QueueNow *now, int64_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &rows, err,
                   "SELECT COUNT(*) FROM runner_work WHERE kind = ?1 AND lease_until_ms <> 0 AND lease_until_ms > ?2 AND lease_owner <> ?3",
                   db_text(kind), db_int(now->real_ms), db_text(now->owner)))
        return false;
    if (!rows_next(rows, &failed))
        return *err = failed, false;
    *count = row_int(rows, 0);
    return true;
}

bool queue_lease(Txn *txn, const QueueItem *item, const QueueNow *now, bool *got, Err *err)
{
    int64_t changed;
    if (!txn_exec(txn, &changed, err,
                  "UPDATE runner_work SET lease_owner = ?4, lease_until_ms = ?5 WHERE kind = ?1 AND key = ?2 AND version = ?3 AND lease_until_ms <= ?6",
                  db_text(item->kind), db_text(item->key), db_int(item->version), db_text(now->owner), db_int(now->real_ms + RUNNER_LEASE_MS), db_int(now->real_ms)))
        return false;
    *got = changed == 1;
    return true;
}

static bool release(Txn *txn, const QueueItem *item, const QueueNow *now, Err *err)
{
    return txn_exec(txn, NULL, err,
                    "UPDATE runner_work SET lease_owner = NULL, lease_until_ms = 0 WHERE kind = ?1 AND key = ?2 AND lease_owner = ?3",
                    db_text(item->kind), db_text(item->key), db_text(now->owner));
}

/* The version alone is not enough: after a lease ran out another server may be running the same version. */
bool queue_done(Txn *txn, const QueueItem *item, const QueueNow *now, int64_t again_ms, Err *err)
{
    bool good = again_ms == 0
        ? txn_exec(txn, NULL, err, "DELETE FROM runner_work WHERE kind = ?1 AND key = ?2 AND version = ?3 AND lease_owner = ?4",
                   db_text(item->kind), db_text(item->key), db_int(item->version), db_text(now->owner))
        : txn_exec(txn, NULL, err,
                   "UPDATE runner_work SET due_ms = ?5, failures = 0, retry_ms = 0, failed_ms = 0, last_error = NULL"
                   " WHERE kind = ?1 AND key = ?2 AND version = ?3 AND lease_owner = ?4",
                   db_text(item->kind), db_text(item->key), db_int(item->version), db_text(now->owner), db_int(again_ms));
    return good && release(txn, item, now, err);
}

int64_t queue_retry_after_ms(int64_t failures, int64_t most_ms)
{
    int64_t wait_ms = RUNNER_RETRY_FIRST_MS;
    for (int64_t i = 1; i < failures && wait_ms < most_ms; i++)
        wait_ms *= 2;
    return wait_ms < most_ms ? wait_ms : most_ms;
}

bool queue_failed(Txn *txn, const QueueItem *item, const QueueNow *now, int64_t retry_after_ms, Str error, Err *err)
{
    return txn_exec(txn, NULL, err,
                    "UPDATE runner_work SET failures = ?5, retry_ms = ?6, failed_ms = ?7, last_error = ?8"
                    " WHERE kind = ?1 AND key = ?2 AND version = ?3 AND lease_owner = ?4",
                    db_text(item->kind), db_text(item->key), db_int(item->version), db_text(now->owner),
                    db_int(item->failures + 1), db_int(now->real_ms + retry_after_ms), db_int(now->real_ms), db_text(error))
        && release(txn, item, now, err);
}

/* One at a time, since the update takes the row out of the index that finds it.
 * The first interruption is most often an ordinary end of the server: that work goes on at once. */
static bool void_one_lease(Txn *txn, const QueueNow *now, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &rows, err, "SELECT kind, key, failures FROM runner_work WHERE lease_until_ms <> 0 LIMIT 1"))
        return false;
    *found = rows_next(rows, &failed);
    if (!*found)
        return failed.code == ERR_NONE || (*err = failed, false);
    int64_t failures = row_int(rows, 2) + 1, wait_ms = failures == 1 ? 0 : queue_retry_after_ms(failures, RUNNER_RETRY_INTERRUPTED_MOST_MS);
    return txn_exec(txn, NULL, err,
                    "UPDATE runner_work SET failures = ?3, retry_ms = ?4, failed_ms = ?5, last_error = ?6, lease_owner = NULL, lease_until_ms = 0"
                    " WHERE kind = ?1 AND key = ?2",
                    db_text(row_text(rows, 0)), db_text(row_text(rows, 1)), db_int(failures),
                    db_int(wait_ms == 0 ? 0 : now->real_ms + wait_ms), db_int(now->real_ms),
                    db_text(STR("the server ended while this ran")));
}

bool queue_void_leases(Txn *txn, const QueueNow *now, Err *err)
{
    for (bool found = true; found;)
        if (!void_one_lease(txn, now, &found, err))
            return false;
    return true;
}

/* ---- display ---- */

static RunnerEntry entry_of(Rows *rows, Arena *arena)
{
    return (RunnerEntry){
        .kind = str_dup(arena, row_text(rows, 0)), .key = str_dup(arena, row_text(rows, 1)),
        .time = (RunnerTime)row_int(rows, 2), .due_ms = row_int(rows, 3), .is_running = row_int(rows, 4) != 0,
        .failures = row_int(rows, 5), .failed_ms = row_int(rows, 6), .retry_ms = row_int(rows, 7), .last_error = str_dup(arena, row_text(rows, 8)),
    };
}

bool runner_find(Runner *runner, Txn *txn, const char *kind, Str key, Arena *arena, const RunnerEntry **out, Err *err)
{
    (void)runner;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &rows, err,
                   "SELECT kind, key, clock, due_ms, lease_until_ms, failures, failed_ms, retry_ms, last_error FROM runner_work WHERE kind = ?1 AND key = ?2",
                   db_text(str_from(kind)), db_text(key)))
        return false;
    if (!rows_next(rows, &failed)) {
        if (failed.code != ERR_NONE)
            return *err = failed, false;
        *out = NULL;
        return true;
    }
    RunnerEntry *entry = ARENA_NEW(arena, RunnerEntry);
    if (entry)
        *entry = entry_of(rows, arena);
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = entry;
    return true;
}

bool runner_failing(Runner *runner, Txn *txn, size_t max, Arena *arena, RunnerEntry **out, size_t *count, Err *err)
{
    (void)runner;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    RunnerEntry *entries = ARENA_ARRAY(arena, RunnerEntry, max);
    if (!entries)
        return err_too_big(err);
    if (!txn_query(txn, &rows, err,
                   "SELECT kind, key, clock, due_ms, lease_until_ms, failures, failed_ms, retry_ms, last_error FROM runner_work"
                   " WHERE failures <> 0 ORDER BY failed_ms DESC, kind, key LIMIT ?1", db_int((int64_t)max)))
        return false;
    size_t found = 0;
    while (found < max && rows_next(rows, &failed))
        entries[found++] = entry_of(rows, arena);
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = entries;
    *count = found;
    return true;
}

static bool read_stats(Txn *txn, void *ctx, Err *err)
{
    RunnerStats *stats = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &rows, err,
                   "SELECT (SELECT COUNT(*) FROM runner_work), (SELECT COUNT(*) FROM runner_work WHERE lease_until_ms <> 0), (SELECT COUNT(*) FROM runner_work WHERE failures <> 0)"))
        return false;
    if (!rows_next(rows, &failed))
        return *err = failed, false;
    *stats = (RunnerStats){ .pending = row_int(rows, 0), .running = row_int(rows, 1), .failing = row_int(rows, 2) };
    return true;
}

bool queue_stats(Store *store, RunnerStats *out, Err *err)
{
    return store_read(store, read_stats, out, err);
}
