/* test_retry.c - pauses between tries, as numbers. */
#include "../cm.h"
#include "certs/retry.h"

static const RetryRule hourly = { .poll_ms = 3600 * 1000, .initial_backoff_ms = 200, .is_synced = true, .chance = UINT32_MAX, .object_now_ms = 1000 };

static int64_t next(const RetryRule *rule, Tracked *tracked)
{
    tracked->tries++;
    return retry_pause_ms(rule, tracked, ERR_UNAVAILABLE);
}

static void test_it_begins_with_a_second_and_ends_with_a_quarter_of_an_hour(void **state)
{
    (void)state;
    Tracked tracked = { 0 };
    int64_t all_ms = 0;
    for (int64_t wanted = 1000; wanted < 15 * 60 * 1000; wanted *= 2) {
        assert_int_equal(next(&hourly, &tracked), wanted);
        all_ms += wanted;
    }
    assert_true(all_ms > 15 * 60 * 1000);                       /* few tries: a vault that refuses is not asked often */
    assert_int_equal(tracked.tries, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(next(&hourly, &tracked), 15 * 60 * 1000);
}

static void test_half_of_it_is_left_to_chance(void **state)
{
    (void)state;
    RetryRule least = hourly, middle = hourly;
    Tracked one = { 0 }, other = { 0 };
    least.chance = 0;
    middle.chance = UINT32_MAX / 2;
    assert_int_equal(next(&least, &one), 500);
    assert_int_equal(next(&least, &one), 1000);
    assert_in_range(next(&middle, &other), 748, 750);
}

static void test_no_pause_is_longer_than_the_poll_period(void **state)
{
    (void)state;
    RetryRule often = hourly;
    Tracked tracked = { 0 };
    often.poll_ms = 3000;
    assert_int_equal(next(&often, &tracked), 1000);
    assert_int_equal(next(&often, &tracked), 2000);
    assert_int_equal(next(&often, &tracked), 3000);
    assert_int_equal(next(&often, &tracked), 3000);
}

static void test_the_initial_sync_tries_25_times_and_then_ever_less_often(void **state)
{
    (void)state;
    RetryRule first = hourly;
    Tracked tracked = { 0 };
    int64_t before_ms = 0;
    first.is_synced = false;
    for (int i = 1; i < INITIAL_TRIES; i++) {
        int64_t pause_ms = next(&first, &tracked);
        assert_in_range(pause_ms, i == 1 ? 200 : before_ms, 10 * 1000);
        before_ms = pause_ms;
    }
    assert_int_equal(before_ms, 10 * 1000);
    assert_int_equal(next(&first, &tracked), 10 * 1000);
    assert_int_equal(next(&first, &tracked), 20 * 1000);
    first.is_synced = true;                                     /* all the others are there by now */
    assert_int_equal(next(&first, &tracked), 4 * 1000);
}

static void test_what_is_not_fit_waits_while_what_is_here_is(void **state)
{
    (void)state;
    Tracked tracked = { .not_after_ms = 1000 + 24 * 3600 * 1000 };
    assert_int_equal(retry_pause_ms(&hourly, &tracked, ERR_CONFLICT), 3600 * 1000);
    tracked.not_after_ms = 1000 + 60 * 1000;
    assert_int_equal(retry_pause_ms(&hourly, &tracked, ERR_CONFLICT), 60 * 1000);
    tracked.not_after_ms = 1000;                                /* it has ended: now it hurries */
    assert_int_equal(retry_pause_ms(&hourly, &tracked, ERR_CONFLICT), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_begins_with_a_second_and_ends_with_a_quarter_of_an_hour),
        cmocka_unit_test(test_half_of_it_is_left_to_chance),
        cmocka_unit_test(test_no_pause_is_longer_than_the_poll_period),
        cmocka_unit_test(test_the_initial_sync_tries_25_times_and_then_ever_less_often),
        cmocka_unit_test(test_what_is_not_fit_waits_while_what_is_here_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
