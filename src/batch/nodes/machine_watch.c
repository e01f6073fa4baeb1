/* machine_watch.c - hears from a provider that a machine ended, so that its node need not wait for the end of its lease; and that a provider which
 * was away is there again, so that what waits for it need not wait for its next try. */
#include "batch/parts.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"

enum { WATCH_ARENA = 4 * 1024 * 1024, AGAIN_MS = 1000 };

typedef struct Watcher { Batch *batch; Provider *provider; Arena *arena; int stop; pthread_t thread; bool runs; } Watcher;
struct MachineWatch { int stop; size_t count; Watcher watchers[]; };

static bool schedule_pools(Txn *txn, void *ctx, Err *err)
{
    Watcher *watcher = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT account_id, pool_key FROM batch_pool WHERE provider = ?1", db_text(str_from(watcher->provider->name))))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        if (!pool_schedule(watcher->batch, txn, watcher->arena, row_text(rows, 0), row_text(rows, 1), err))
            return false;
    return err->code == ERR_NONE;
}

/* And the nodes whose machine could not be started. */
static bool schedule_all(Txn *txn, void *ctx, Err *err)
{
    Watcher *watcher = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!schedule_pools(txn, ctx, err) ||
        !txn_query(txn, &rows, err, "SELECT n.id FROM batch_node n JOIN batch_pool p ON p.account_id = n.account_id AND p.pool_key = n.pool_key"
                                    " WHERE n.started = 0 AND n.state = ?1 AND p.provider = ?2", db_int(NODE_CREATING), db_text(str_from(watcher->provider->name))))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        if (!runner_schedule(watcher->batch->site->runner, txn, WORK_NODE, row_text(rows, 0), real_now_ms(), err))
            return false;
    return err->code == ERR_NONE;
}

/* Which machine it was is seen by the reconciler, in the provider's list. */
static void tell(Watcher *watcher, bool was_away)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WATCH_ARENA);
    Err err = { 0 };
    watcher->arena = arena;
    atomic_store(&watcher->batch->machine_ended_ms, real_now_ms());
    if (!arena || !store_write(watcher->batch->site->store, was_away ? schedule_all : schedule_pools, watcher, &err))
        log_event(LOG_WARN, "batch.end_not_told", log_cstr("provider", watcher->provider->name), log_cstr("error", err.text));     /* leases bring it */
}

static void *watch(void *arg)
{
    Watcher *watcher = arg;
    int64_t ends = 0;
    bool is_away = false;
    for (struct pollfd stop = { .fd = watcher->stop, .events = POLLIN }; poll(&stop, 1, 0) == 0;) {
        Err err = { 0 };
        int64_t before = ends;
        if (!watcher->provider->node_wait(watcher->provider->self, &ends, watcher->stop, &err)) {
            is_away = true;                             /* it is asked about its machines when it is needed */
            (void)poll(&stop, 1, AGAIN_MS);
            continue;
        }
        if (is_away || (before && ends != before))
            tell(watcher, is_away);
        is_away = false;
    }
    return NULL;
}

bool batch_watch_start(Batch *batch, Err *err)
{
    MachineWatch *all = calloc(1, sizeof *all + batch->provider_count * sizeof *all->watchers);
    if (!all)
        return err_set(err, ERR_INTERNAL, "out of memory");
    batch->machine_watch = all;
    all->count = batch->provider_count;
    all->stop = eventfd(0, EFD_CLOEXEC);
    if (all->stop < 0)
        return err_errno(err, "cannot watch machines");
    for (size_t i = 0; i < all->count; i++) {
        Watcher *watcher = &all->watchers[i];
        *watcher = (Watcher){ .batch = batch, .provider = batch->providers[i], .stop = all->stop };
        watcher->runs = watcher->provider->node_wait && pthread_create(&watcher->thread, NULL, watch, watcher) == 0;
        if (watcher->provider->node_wait && !watcher->runs)
            return err_errno(err, "cannot watch machines");
    }
    return true;
}

void batch_watch_stop(Batch *batch)
{
    uint64_t one = 1;
    MachineWatch *all = batch ? TAKE(batch->machine_watch) : NULL;
    if (!all)
        return;
    while (all->stop >= 0 && write(all->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    for (size_t i = 0; i < all->count; i++)
        if (all->watchers[i].runs)
            (void)pthread_join(all->watchers[i].thread, NULL);
    fd_close(&all->stop);
    free(all);
}
