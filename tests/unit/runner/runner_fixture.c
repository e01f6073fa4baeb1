/* runner_fixture.c - handlers that note their runs, and the calls of the tests. */
#include <errno.h>
#include <sched.h>
#include <time.h>
#include "runner_fixture.h"

int64_t site_now(void *ctx) { return atomic_load(&((Site *)ctx)->real_ms); }

static void note_run(Site *site, const RunnerJob *job, int64_t now_ms)
{
    (void)pthread_mutex_lock(&site->mutex);
    if (site->run_count < RUNS_MAX) {
        (void)snprintf(site->runs[site->run_count].name, sizeof site->runs[0].name, STR_FMT ":" STR_FMT, STR_ARG(job->kind), STR_ARG(job->key));
        site->runs[site->run_count].attempt = job->attempt;
        site->runs[site->run_count++].now_ms = now_ms;
    }
    (void)pthread_mutex_unlock(&site->mutex);
    (void)sem_post(&site->ran);
}

static bool plain(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    (void)arena, (void)again_ms, (void)err;
    note_run(ctx, job, now_ms);
    return true;
}

static bool flaky(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Site *site = ctx;
    (void)arena, (void)again_ms;
    note_run(site, job, now_ms);
    if (atomic_fetch_sub(&site->failures_left, 1) > 0)
        return err_set(err, ERR_UNAVAILABLE, "the issuer is away");
    return true;
}

static bool repeat_once(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Site *site = ctx;
    (void)arena, (void)err;
    *again_ms = site->again_ms;
    site->again_ms = 0;
    note_run(site, job, now_ms);
    return true;
}

void wait_for(sem_t *sem)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;               /* nothing waits this long but a test that fails */
    while (sem_timedwait(sem, &until) != 0)
        if (errno == ETIMEDOUT)
            fail_msg("nothing ran");
}

bool held(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Site *site = ctx;
    (void)arena, (void)err;
    int now_together = atomic_fetch_add(&site->together, 1) + 1;
    if (now_together > atomic_load(&site->most_together))
        atomic_store(&site->most_together, now_together);
    note_run(site, job, now_ms);
    while (sem_wait(&site->hold) != 0)
        continue;
    *again_ms = site->again_ms;
    atomic_fetch_sub(&site->together, 1);
    return true;
}

void site_runner(Site *site)
{
    must(runner_new(site->place.store, site->clock, &site->runner, E));
    runner_set_real_time(site->runner, site_now, site);
    runner_register(site->runner, "plain", RUNNER_OBJECT_TIME, plain, site);
    runner_register(site->runner, "wall", RUNNER_REAL_TIME, plain, site);
    runner_register(site->runner, "flaky", RUNNER_OBJECT_TIME, flaky, site);
    runner_register(site->runner, "again", RUNNER_OBJECT_TIME, repeat_once, site);
    runner_register(site->runner, "held", RUNNER_OBJECT_TIME, held, site);
    runner_register(site->runner, "many", RUNNER_OBJECT_TIME, held, site);
    runner_allow(site->runner, "many", 3);
}

void site_open(Site *site)
{
    place_open(&site->place);
    site->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_store(&site->real_ms, START_MS);
    assert_int_equal(sem_init(&site->ran, 0, 0), 0);
    assert_int_equal(sem_init(&site->hold, 0, 0), 0);
    site->clock = clock_new(0);
    assert_non_null(site->clock);
    site_runner(site);
}

void site_make(Site *site)
{
    memset(site, 0, sizeof *site);
    place_make(&site->place);
    site_open(site);
}

void site_done(Site *site)
{
    runner_stop(site->runner);
    clock_free(site->clock);
    (void)sem_destroy(&site->ran);
    (void)sem_destroy(&site->hold);
    place_done(&site->place);
}

void move_time(Site *site, int64_t by_ms)
{
    atomic_fetch_add(&site->real_ms, by_ms);
    runner_wake(site->runner);
}

bool do_schedule(Txn *txn, void *ctx, Err *err)
{
    Order *order = ctx;
    if (!runner_schedule(order->runner, txn, order->kind, str_from(order->key), order->due_ms, err))
        return false;
    return order->fails ? err_set(err, ERR_DENIED, "no") : true;
}

static bool do_cancel(Txn *txn, void *ctx, Err *err)
{
    Order *order = ctx;
    return runner_cancel(order->runner, txn, order->kind, str_from(order->key), err);
}

void schedule(Site *site, const char *kind, const char *key, int64_t due_ms)
{
    Order order = { .runner = site->runner, .kind = kind, .key = key, .due_ms = due_ms };
    must(store_write(site->place.store, do_schedule, &order, E));
}

void cancel(Site *site, const char *kind, const char *key)
{
    Order order = { .runner = site->runner, .kind = kind, .key = key };
    must(store_write(site->place.store, do_cancel, &order, E));
}

typedef struct Look { Runner *runner; const char *kind, *key; Arena *arena; const RunnerEntry *entry; } Look;

static bool do_look(Txn *txn, void *ctx, Err *err)
{
    Look *look = ctx;
    return runner_find(look->runner, txn, look->kind, str_from(look->key), look->arena, &look->entry, err);
}

const RunnerEntry *settled(Site *site, const char *kind, const char *key)
{
    static Arena *arena;
    for (;;) {
        arena_free(arena);
        arena = arena_new(1 << 16);
        Look look = { .runner = site->runner, .kind = kind, .key = key, .arena = arena };
        must(store_read(site->place.store, do_look, &look, E));
        if (!look.entry || !look.entry->is_running) {
            if (!look.entry) {
                arena_free(arena);
                arena = NULL;
            }
            return look.entry;
        }
        sched_yield();
    }
}

void gone(Site *site, const char *kind, const char *key)
{
    while (settled(site, kind, key))
        sched_yield();
}

void only_probe_runs(Site *site)
{
    static int number;
    char key[24], name[32];
    (void)snprintf(key, sizeof key, "probe%d", ++number);
    (void)snprintf(name, sizeof name, "wall:%s", key);
    int before = site->run_count;
    schedule(site, "wall", key, site_now(site));
    wait_for(&site->ran);
    gone(site, "wall", key);
    (void)pthread_mutex_lock(&site->mutex);
    assert_int_equal(site->run_count, before + 1);
    assert_string_equal(site->runs[before].name, name);
    site->run_count--;
    (void)pthread_mutex_unlock(&site->mutex);
}