/* test_during_a_run.c - what happens to work while it runs: orders, parallel runs, leases, death. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "runner_fixture.h"

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

static void test_kinds_that_wait_hold_up_no_other(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    int threads = runner_runs_at_most(site.runner);
    assert_int_equal(threads, 5 + 3);                  /* a kind runs one key, "many" three */
    must(runner_start(site.runner, threads, E));
    static const char *const keys[] = { "a", "b", "c", "d" };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        schedule(&site, "held", keys[i], START_MS);
        schedule(&site, "many", keys[i], START_MS);
    }
    for (int runs = 0; runs < 1 + 3; runs++)
        wait_for(&site.ran);
    only_probe_runs(&site);                            /* all that may run of both is stuck */
    for (size_t i = 0; i < 2 * COUNT_OF(keys); i++)
        (void)sem_post(&site.hold);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        gone(&site, "held", keys[i]);
        gone(&site, "many", keys[i]);
    }
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

static void test_what_was_interrupted_often_waits_for_seconds_alone(void **state)
{
    (void)state;
    Site site;
    site_make(&site);
    schedule(&site, "plain", "a", START_MS - 1);
    write_sql(site.place.store, "UPDATE runner_work SET lease_owner = 'the process before', lease_until_ms = 1000000000 + 2000, failures = 20 WHERE key = 'a'");
    must(runner_start(site.runner, 2, E));
    move_time(&site, RUNNER_RETRY_INTERRUPTED_MOST_MS - 1);
    only_probe_runs(&site);
    move_time(&site, 1);
    wait_for(&site.ran);
    assert_string_equal(site.runs[site.run_count - 1].name, "plain:a");
    assert_int_equal(site.runs[site.run_count - 1].attempt, 22);
    gone(&site, "plain", "a");
    site_done(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_was_killed_runs_again),      /* first: it forks, while no other thread is there */
        cmocka_unit_test(test_schedule_during_a_run_is_not_lost),
        cmocka_unit_test(test_cancel_during_a_run_wins_over_again),
        cmocka_unit_test(test_cancelled_and_scheduled_during_a_run_runs_after_it),
        cmocka_unit_test(test_a_kind_runs_one_key_at_a_time_unless_allowed_more),
        cmocka_unit_test(test_kinds_that_wait_hold_up_no_other),
        cmocka_unit_test(test_drain_lets_runs_end_and_takes_schedules),
        cmocka_unit_test(test_thousands_of_keys_run_once_each),
        cmocka_unit_test(test_work_of_another_server_is_left_until_its_lease_ends),
        cmocka_unit_test(test_a_run_that_outlives_its_lease_does_not_run_twice_here),
        cmocka_unit_test(test_what_was_interrupted_often_waits_for_seconds_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
