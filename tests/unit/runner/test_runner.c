#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../store/store_fixture.h"
#include "base/log.h"
#include "runner/runner.h"

/* A runner over a store of its own, with real time in the test's hand. */
enum { START_MS = 1000000000, RUNS_MAX = 64 };
typedef struct Site {
    Place place;
    Clock *clock;
    Runner *runner;
    _Atomic int64_t real_ms;

    pthread_mutex_t mutex;
    struct { char name[32]; int64_t attempt, now_ms; } runs[RUNS_MAX];
    int run_count;
    sem_t ran;                        /* once a run has begun */

    _Atomic int failures_left;        /* of handler `flaky` */
    int64_t again_ms;                 /* for handler `again`: set once */
    sem_t hold;                       /* handler `held` waits here */
    _Atomic int together, most_together;
} Site;

static int64_t site_now(void *ctx) { return atomic_load(&((Site *)ctx)->real_ms); }

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

static void wait_for(sem_t *sem)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;               /* nothing waits this long but a test that fails */
    while (sem_timedwait(sem, &until) != 0)
        if (errno == ETIMEDOUT)
            fail_msg("nothing ran");
}

static bool held(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
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

static void site_runner(Site *site)
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

static void site_open(Site *site)
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

static void site_make(Site *site)
{
    memset(site, 0, sizeof *site);
    place_make(&site->place);
    site_open(site);
}

static void site_done(Site *site)
{
    runner_stop(site->runner);
    clock_free(site->clock);
    (void)sem_destroy(&site->ran);
    (void)sem_destroy(&site->hold);
    place_done(&site->place);
}

static void move_time(Site *site, int64_t by_ms)
{
    atomic_fetch_add(&site->real_ms, by_ms);
    runner_wake(site->runner);
}

typedef struct Order { Runner *runner; const char *kind, *key; int64_t due_ms; bool fails; } Order;

static bool do_schedule(Txn *txn, void *ctx, Err *err)
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

static void schedule(Site *site, const char *kind, const char *key, int64_t due_ms)
{
    Order order = { .runner = site->runner, .kind = kind, .key = key, .due_ms = due_ms };
    must(store_write(site->place.store, do_schedule, &order, E));
}

static void cancel(Site *site, const char *kind, const char *key)
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

/* The entry once no run holds it; its text lives until the next call. NULL: not queued. */
static const RunnerEntry *settled(Site *site, const char *kind, const char *key)
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

static void gone(Site *site, const char *kind, const char *key)
{
    while (settled(site, kind, key))
        sched_yield();
}

/* Proof that nothing else was ready: something due now, scheduled last, is the next to run. */
static void only_probe_runs(Site *site)
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

/* ---- when ---- */

static void test_due_work_runs_at_its_commit_and_is_removed(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "plain", "a", START_MS - 5);
    wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "plain:a");
    assert_int_equal(site.runs[0].attempt, 1);
    assert_int_equal(site.runs[0].now_ms, START_MS);
    gone(&site, "plain", "a");
    site_done(&site);
}

static void test_future_work_waits_for_its_time(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "plain", "later", START_MS + 5000);
    only_probe_runs(&site);
    move_time(&site, 4999);
    only_probe_runs(&site);
    move_time(&site, 1);
    wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "plain:later");
    site_done(&site);
}

static void test_clock_shift_moves_object_time_alone(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    int64_t days_300 = INT64_C(300) * 24 * 3600 * 1000;
    schedule(&site, "plain", "certificate", START_MS + days_300);
    schedule(&site, "wall", "token", START_MS + days_300);
    only_probe_runs(&site);
    clock_set_offset(site.clock, days_300);
    runner_wake(site.runner);
    wait_for(&site.ran);
    gone(&site, "plain", "certificate");
    assert_string_equal(site.runs[0].name, "plain:certificate");
    assert_true(site.runs[0].now_ms == START_MS + days_300);
    only_probe_runs(&site);
    assert_non_null(settled(&site, "wall", "token"));
    site_done(&site);
}

/* What a shifted clock makes due has been done when settle answers; without work it answers at once, and it gives up in time. */
static void test_settle_answers_when_nothing_is_due_or_running(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 1, E));
    assert_true(runner_settle(site.runner, 10000));
    schedule(&site, "plain", "later", START_MS + 1000);
    clock_set_offset(site.clock, 1000);
    assert_true(runner_settle(site.runner, 10000));
    assert_int_equal(site.run_count, 1);

    schedule(&site, "held", "a", START_MS);
    wait_for(&site.ran);
    wait_for(&site.ran);
    assert_false(runner_settle(site.runner, 20));
    (void)sem_post(&site.hold);
    assert_true(runner_settle(site.runner, 10000));
    site_done(&site);
}

static void test_most_overdue_runs_first(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    schedule(&site, "plain", "third", START_MS - 10);
    schedule(&site, "again", "first", START_MS - 30);
    schedule(&site, "wall", "second", START_MS - 20);
    schedule(&site, "plain", "fourth", START_MS - 5);
    must(runner_start(site.runner, 1, E));
    for (int i = 0; i < 4; i++)
        wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "again:first");
    assert_string_equal(site.runs[1].name, "wall:second");
    assert_string_equal(site.runs[2].name, "plain:third");
    assert_string_equal(site.runs[3].name, "plain:fourth");
    site_done(&site);
}

static void test_rolled_back_schedule_does_not_run(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 1, E));
    Order order = { .runner = site.runner, .kind = "plain", .key = "never", .due_ms = START_MS, .fails = true };
    Err err;
    assert_false(store_write(site.place.store, do_schedule, &order, &err));
    only_probe_runs(&site);
    assert_null(settled(&site, "plain", "never"));
    site_done(&site);
}

static void test_schedule_replaces_and_cancel_removes(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 1, E));
    schedule(&site, "plain", "a", START_MS + 1000);
    schedule(&site, "plain", "a", START_MS + 9000);
    schedule(&site, "plain", "b", START_MS + 1000);
    cancel(&site, "plain", "b");
    cancel(&site, "plain", "never was");
    move_time(&site, 8999);
    only_probe_runs(&site);
    move_time(&site, 1);
    wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "plain:a");
    gone(&site, "plain", "a");
    only_probe_runs(&site);
    site_done(&site);
}

static void test_again_runs_at_the_given_time(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    site.again_ms = START_MS + 700;
    must(runner_start(site.runner, 1, E));
    schedule(&site, "again", "a", START_MS);
    wait_for(&site.ran);
    assert_int_equal(settled(&site, "again", "a")->due_ms, START_MS + 700);
    only_probe_runs(&site);
    move_time(&site, 700);
    wait_for(&site.ran);
    gone(&site, "again", "a");
    assert_int_equal(site.runs[1].attempt, 1);
    site_done(&site);
}

/* ---- failure ---- */

static void test_failure_backs_off_to_five_minutes_and_keeps_the_error(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    enum { FAILURES = 12 };
    atomic_store(&site.failures_left, FAILURES);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "flaky", "a", START_MS);
    for (int i = 1; i <= FAILURES; i++) {
        int64_t wait_ms = i <= 9 ? 1000 << (i - 1) : 300000;
        wait_for(&site.ran);
        assert_int_equal(site.runs[i - 1].attempt, i);
        const RunnerEntry *entry = settled(&site, "flaky", "a");
        assert_int_equal(entry->failures, i);
        assert_int_equal(entry->failed_ms, site_now(&site));
        assert_int_equal(entry->retry_ms, site_now(&site) + wait_ms);
        assert_str(entry->last_error, "the issuer is away");
        move_time(&site, wait_ms - 1);
        only_probe_runs(&site);
        move_time(&site, 1);
    }
    wait_for(&site.ran);
    gone(&site, "flaky", "a");
    assert_int_equal(site.runs[FAILURES].attempt, FAILURES + 1);
    site_done(&site);
}

static void test_back_off_is_real_time(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    atomic_store(&site.failures_left, 1);
    must(runner_start(site.runner, 1, E));
    schedule(&site, "flaky", "a", START_MS);
    wait_for(&site.ran);
    assert_int_equal(settled(&site, "flaky", "a")->failures, 1);
    clock_set_offset(site.clock, INT64_C(300) * 24 * 3600 * 1000);
    runner_wake(site.runner);
    only_probe_runs(&site);
    move_time(&site, 1000);
    wait_for(&site.ran);
    site_done(&site);
}

static void test_schedule_after_a_failure_starts_afresh(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    atomic_store(&site.failures_left, 1);
    must(runner_start(site.runner, 1, E));
    schedule(&site, "flaky", "a", START_MS);
    wait_for(&site.ran);
    assert_int_equal(settled(&site, "flaky", "a")->failures, 1);
    schedule(&site, "flaky", "a", START_MS);
    wait_for(&site.ran);
    assert_int_equal(site.runs[1].attempt, 1);
    gone(&site, "flaky", "a");
    site_done(&site);
}

typedef struct Failing { Site *site; Arena *arena; RunnerEntry *entries; size_t count; } Failing;

static bool do_failing(Txn *txn, void *ctx, Err *err)
{
    Failing *failing = ctx;
    return runner_failing(failing->site->runner, txn, 10, failing->arena, &failing->entries, &failing->count, err);
}

static void test_state_shows_what_is_pending_and_failing(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    atomic_store(&site.failures_left, 2);
    must(runner_start(site.runner, 1, E));
    schedule(&site, "plain", "later", START_MS + 1000000);
    schedule(&site, "flaky", "a", START_MS);
    wait_for(&site.ran);
    assert_non_null(settled(&site, "flaky", "a"));
    atomic_fetch_add(&site.real_ms, 10);
    schedule(&site, "flaky", "b", START_MS);
    wait_for(&site.ran);
    assert_non_null(settled(&site, "flaky", "b"));

    RunnerStats stats;
    must(runner_stats(site.runner, &stats, E));
    assert_int_equal(stats.pending, 3);
    assert_int_equal(stats.failing, 2);
    assert_int_equal(stats.running, 0);
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Failing failing = { .site = &site, .arena = arena };
    must(store_read(site.place.store, do_failing, &failing, E));
    assert_int_equal(failing.count, 2);
    assert_str(failing.entries[0].key, "b");
    assert_str(failing.entries[1].key, "a");
    assert_str(failing.entries[1].last_error, "the issuer is away");
    site_done(&site);
}

/* ---- during a run ---- */

static void test_schedule_during_a_run_is_not_lost(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "held", "a", START_MS);
    wait_for(&site.ran);
    schedule(&site, "held", "a", START_MS);            /* its run has perhaps read the old state already */
    only_probe_runs(&site);                            /* not beside the first run */
    (void)sem_post(&site.hold);
    wait_for(&site.ran);
    assert_string_equal(site.runs[1].name, "held:a");
    (void)sem_post(&site.hold);
    gone(&site, "held", "a");
    assert_int_equal(site.most_together, 1);
    site_done(&site);
}

static void test_cancel_during_a_run_wins_over_again(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    site.again_ms = START_MS + 1;
    must(runner_start(site.runner, 1, E));
    schedule(&site, "held", "a", START_MS);
    wait_for(&site.ran);
    cancel(&site, "held", "a");
    (void)sem_post(&site.hold);
    move_time(&site, 10);
    only_probe_runs(&site);
    assert_null(settled(&site, "held", "a"));
    site_done(&site);
}

static void test_cancelled_and_scheduled_during_a_run_runs_after_it(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 3, E));
    schedule(&site, "many", "a", START_MS);
    wait_for(&site.ran);
    cancel(&site, "many", "a");
    schedule(&site, "many", "a", START_MS);            /* a new row, without the lease */
    only_probe_runs(&site);
    (void)sem_post(&site.hold);
    wait_for(&site.ran);
    assert_int_equal(site.most_together, 1);
    (void)sem_post(&site.hold);
    gone(&site, "many", "a");
    site_done(&site);
}

static void test_a_kind_runs_one_key_at_a_time_unless_allowed_more(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 6, E));
    schedule(&site, "held", "a", START_MS);
    schedule(&site, "held", "b", START_MS);
    wait_for(&site.ran);
    only_probe_runs(&site);                            /* threads are idle, b waits nevertheless */
    (void)sem_post(&site.hold);
    wait_for(&site.ran);
    (void)sem_post(&site.hold);
    gone(&site, "held", "a");
    gone(&site, "held", "b");
    assert_int_equal(site.most_together, 1);

    static const char *const keys[] = { "a", "b", "c", "d" };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        schedule(&site, "many", keys[i], START_MS);
    for (int i = 0; i < 3; i++)
        wait_for(&site.ran);
    only_probe_runs(&site);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        (void)sem_post(&site.hold);
    wait_for(&site.ran);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        gone(&site, "many", keys[i]);
    assert_int_equal(site.most_together, 3);
    site_done(&site);
}

static void test_drain_lets_runs_end_and_takes_schedules(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "held", "a", START_MS);
    wait_for(&site.ran);
    (void)sem_post(&site.hold);
    runner_drain(site.runner);
    assert_null(settled(&site, "held", "a"));          /* its outcome was noted */
    schedule(&site, "plain", "b", START_MS);
    assert_int_equal(site.run_count, 1);

    runner_stop(site.runner);
    site_runner(&site);
    must(runner_start(site.runner, 1, E));
    wait_for(&site.ran);
    assert_string_equal(site.runs[1].name, "plain:b");
    site_done(&site);
}

static void test_thousands_of_keys_run_once_each(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    enum { KEYS = 3000 };
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        schedule(&site, i % 2 ? "plain" : "wall", key, START_MS - i);
    }
    must(runner_start(site.runner, 4, E));
    for (int i = 0; i < KEYS; i++)
        wait_for(&site.ran);
    RunnerStats stats;
    do {
        must(runner_stats(site.runner, &stats, E));
        sched_yield();
    } while (stats.pending > 0);
    assert_int_not_equal(sem_trywait(&site.ran), 0);
    site_done(&site);
}

/* ---- leases ---- */

static void test_work_of_another_server_is_left_until_its_lease_ends(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "many", "a", START_MS + 5);
    write_sql(site.place.store, "UPDATE runner_work SET lease_owner = 'another server', lease_until_ms = 1000000000 + 2000 WHERE key = 'a'");
    move_time(&site, 1999);
    only_probe_runs(&site);
    move_time(&site, 1);
    wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "many:a");
    assert_int_equal(site.runs[0].attempt, 1);
    (void)sem_post(&site.hold);
    gone(&site, "many", "a");
    site_done(&site);
}

static void test_a_run_that_outlives_its_lease_does_not_run_twice_here(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    must(runner_start(site.runner, 3, E));
    schedule(&site, "many", "a", START_MS);
    wait_for(&site.ran);
    move_time(&site, RUNNER_LEASE_MS + 1);
    only_probe_runs(&site);
    (void)sem_post(&site.hold);
    gone(&site, "many", "a");
    assert_int_equal(site.run_count, 1);
    site_done(&site);
}

static _Noreturn void run_until_killed(const char *path, int tell)
{
    Store *store;
    Runner *runner;
    static Site site;
    Err err;
    site.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    Clock *clock = clock_new(0);
    if (!clock || sem_init(&site.ran, 0, 0) != 0 || sem_init(&site.hold, 0, 0) != 0
        || !store_open(path, &store, &err) || !runner_new(store, clock, &runner, &err))
        abort();
    runner_register(runner, "held", RUNNER_OBJECT_TIME, held, &site);
    Order order = { .runner = runner, .kind = "held", .key = "a", .due_ms = 1 };
    if (!store_write(store, do_schedule, &order, &err) || !runner_start(runner, 1, &err))
        abort();
    while (sem_wait(&site.ran) != 0)
        continue;
    if (write(tell, "r", 1) != 1)
        abort();
    for (;;)
        (void)pause();
}

static void test_a_run_that_was_killed_runs_again(void **state)
{
    (void)state;
    Site site = { 0 };
    place_make(&site.place);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_until_killed(site.place.path, ends[1]);
    (void)close(ends[1]);
    char told;
    assert_int_equal(read(ends[0], &told, 1), 1);      /* the handler is running */
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);

    site_open(&site);
    must(runner_start(site.runner, 1, E));
    wait_for(&site.ran);
    assert_string_equal(site.runs[0].name, "held:a");
    assert_int_equal(site.runs[0].attempt, 2);
    (void)sem_post(&site.hold);
    gone(&site, "held", "a");
    site_done(&site);
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_KEY_VALUE, "test_runner");      /* the failures here are wanted */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_was_killed_runs_again),      /* first: it forks, while no other thread is there */
        cmocka_unit_test(test_due_work_runs_at_its_commit_and_is_removed),
        cmocka_unit_test(test_future_work_waits_for_its_time),
        cmocka_unit_test(test_clock_shift_moves_object_time_alone),
        cmocka_unit_test(test_settle_answers_when_nothing_is_due_or_running),
        cmocka_unit_test(test_most_overdue_runs_first),
        cmocka_unit_test(test_rolled_back_schedule_does_not_run),
        cmocka_unit_test(test_schedule_replaces_and_cancel_removes),
        cmocka_unit_test(test_again_runs_at_the_given_time),
        cmocka_unit_test(test_failure_backs_off_to_five_minutes_and_keeps_the_error),
        cmocka_unit_test(test_back_off_is_real_time),
        cmocka_unit_test(test_schedule_after_a_failure_starts_afresh),
        cmocka_unit_test(test_state_shows_what_is_pending_and_failing),
        cmocka_unit_test(test_schedule_during_a_run_is_not_lost),
        cmocka_unit_test(test_cancel_during_a_run_wins_over_again),
        cmocka_unit_test(test_cancelled_and_scheduled_during_a_run_runs_after_it),
        cmocka_unit_test(test_a_kind_runs_one_key_at_a_time_unless_allowed_more),
        cmocka_unit_test(test_drain_lets_runs_end_and_takes_schedules),
        cmocka_unit_test(test_thousands_of_keys_run_once_each),
        cmocka_unit_test(test_work_of_another_server_is_left_until_its_lease_ends),
        cmocka_unit_test(test_a_run_that_outlives_its_lease_does_not_run_twice_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
