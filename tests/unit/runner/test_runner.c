/* test_runner.c - when work is due, and what a failure costs. */
#include "runner_fixture.h"

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
    assert_true(runner_settle(site.runner, 60000));
    schedule(&site, "plain", "later", START_MS + 1000);
    clock_set_offset(site.clock, 1000);
    assert_true(runner_settle(site.runner, 60000));
    assert_int_equal(site.run_count, 1);

    schedule(&site, "held", "a", START_MS);
    wait_for(&site.ran);
    wait_for(&site.ran);
    assert_false(runner_settle(site.runner, 20));
    (void)sem_post(&site.hold);
    assert_true(runner_settle(site.runner, 60000));
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

static void test_a_kind_may_have_a_longest_pause_of_its_own(void **state)
{
    (void)state;
    static const int64_t waits[] = { 1000, 2000, 4000, 5000, 5000 };
    Site site;
    site_make(&site);
    atomic_store(&site.failures_left, COUNT_OF(waits));
    runner_retry_within(site.runner, "flaky", 5000);
    must(runner_start(site.runner, 2, E));
    schedule(&site, "flaky", "a", START_MS);
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        wait_for(&site.ran);
        const RunnerEntry *entry = settled(&site, "flaky", "a");
        assert_int_equal(entry->retry_ms, site_now(&site) + waits[i]);
        move_time(&site, waits[i]);
    }
    wait_for(&site.ran);
    gone(&site, "flaky", "a");
    site_done(&site);
}

/* Its "flaky:a" has failed once, and would not again. */
static void make_with_a_failure(Site *site)
{
    site_make(site);
    atomic_store(&site->failures_left, 1);
    must(runner_start(site->runner, 1, E));
    schedule(site, "flaky", "a", START_MS);
    wait_for(&site->ran);
    assert_int_equal(settled(site, "flaky", "a")->failures, 1);
}

static void test_back_off_is_real_time(void **state)
{
    (void)state;
    Site site;
    make_with_a_failure(&site);
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
    make_with_a_failure(&site);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_work_runs_at_its_commit_and_is_removed),
        cmocka_unit_test(test_future_work_waits_for_its_time),
        cmocka_unit_test(test_clock_shift_moves_object_time_alone),
        cmocka_unit_test(test_settle_answers_when_nothing_is_due_or_running),
        cmocka_unit_test(test_most_overdue_runs_first),
        cmocka_unit_test(test_rolled_back_schedule_does_not_run),
        cmocka_unit_test(test_schedule_replaces_and_cancel_removes),
        cmocka_unit_test(test_again_runs_at_the_given_time),
        cmocka_unit_test(test_failure_backs_off_to_five_minutes_and_keeps_the_error),
        cmocka_unit_test(test_a_kind_may_have_a_longest_pause_of_its_own),
        cmocka_unit_test(test_back_off_is_real_time),
        cmocka_unit_test(test_schedule_after_a_failure_starts_afresh),
        cmocka_unit_test(test_state_shows_what_is_pending_and_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
