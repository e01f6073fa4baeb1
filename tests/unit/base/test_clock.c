#include "../cm.h"
#include "base/arena.h"
#include "base/clock.h"

static void test_times_are_read_as_written(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ms; } cases[] = {
        { "1970-01-01T00:00:00Z", 0 }, { "2021-03-03T23:12:23Z", 1614813143000 }, { "2021-03-03T23:12:23.5Z", 1614813143500 },
        { "2021-03-04T00:12:23.0000000+01:00", 1614813143000 }, { "2000-02-29T00:00:00Z", 951782400000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms;
        Err err = { 0 };
        assert_true(time_parse(str_from(cases[i].text), &ms, &err));
        assert_int_equal(ms, cases[i].ms);
    }
    char text[48];
    time_format(1614813143005, 7, text, sizeof text);
    assert_string_equal(text, "2021-03-03T23:12:23.0050000Z");
    time_format(-1, 3, text, sizeof text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    static const struct { int64_t ms; const char *text; } whole[] = {
        { 0, "1970-01-01T00:00:00Z" }, { 951782400000, "2000-02-29T00:00:00Z" }, { 253402300799999, "9999-12-31T23:59:59Z" }, { 253402300800000, "9999-12-31T23:59:59Z" },
        { -62135596800000, "0001-01-01T00:00:00Z" }, { -62135596800001, "0001-01-01T00:00:00Z" }, { -59011459200000, "0100-01-01T00:00:00Z" },
        { INT64_MAX, "9999-12-31T23:59:59Z" }, { INT64_MIN, "0001-01-01T00:00:00Z" },
    };
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        time_format(whole[i].ms, 0, text, sizeof text);
        assert_string_equal(text, whole[i].text);
    }
}

static void test_bad_times_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "2021-03-03", "2021-13-01T00:00:00Z", "2021-00-01T00:00:00Z", "2021-01-32T00:00:00Z", "2021-01-01T24:00:00Z",
                                       "2021-01-01T00:00:00", "2021-01-01T00:00:00.Z", "2021-01-01T00:00:00Zx", "2021-01-01T00:00:00+1:00" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ms;
        Err err = { 0 };
        if (time_parse(str_from(bad[i]), &ms, &err))
            fail_msg("accepted %s", bad[i]);
    }
}

static void test_dates_of_headers(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    int64_t ms;
    Err err = { 0 };
    assert_str(http_date_str(arena, 1614813143000), "Wed, 03 Mar 2021 23:12:23 GMT");
    assert_true(http_date_parse(STR("Wed, 03 Mar 2021 23:12:23 GMT"), &ms, &err));
    assert_int_equal(ms, 1614813143000);
    static const char *const bad[] = { "", "Wednesday, 03-Mar-21 23:12:23 GMT", "Wed, 3 Mar 2021 23:12:23 GMT", "Wed, 03 Mar 2021 23:12:23 UTC",
                                       "Wed, 03 Mar 2021 24:12:23 GMT", "Wed, 03 Foo 2021 23:12:23 GMT", "Wed, 03 Mar 2021 23:12:23 GMT " };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (http_date_parse(str_from(bad[i]), &ms, &err))
            fail_msg("accepted %s", bad[i]);
}

static void test_durations(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ms; } cases[] = {
        { "PT15M", 900000 }, { "P90D", 90LL * 86400000 }, { "P1DT2H3M4.5S", 86400000LL + 7200000 + 180000 + 4500 }, { "P2W", 14LL * 86400000 }, { "PT0S", 0 },
        { "", -1 }, { "P", -1 }, { "PT", -1 }, { "P1DT", -1 }, { "15M", -1 }, { "PT15", -1 }, { "P1M", -1 }, { "P1Y", -1 }, { "PT1M1H", -1 }, { "PT1.5M", -1 }, { "PT-1M", -1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms;
        Err err = { 0 };
        bool sound = duration_parse_iso(str_from(cases[i].text), &ms, &err);
        if (sound != (cases[i].ms >= 0) || (sound && ms != cases[i].ms))
            fail_msg("%s", cases[i].text);
    }
}

static void test_durations_as_people_write_them(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ms; } cases[] = {
        { "90d", 90LL * 86400000 }, { "12h", 43200000 }, { "90m", 5400000 }, { "1s", 1000 }, { "P90D", 90LL * 86400000 }, { "PT0.5S", 500 }, { "100d", 100LL * 86400000 },
        { "", -1 }, { "d", -1 }, { "90", -1 }, { "0d", -1 }, { "-1d", -1 }, { "+1d", -1 }, { " 1d", -1 }, { "1d ", -1 }, { "1D", -1 }, { "1.5d", -1 }, { "1w", -1 }, { "1d2h", -1 },
        { "PT0S", -1 }, { "P1M", -1 }, { "101d", -1 }, { "P101D", -1 }, { "2401h", -1 }, { "9223372036854775807d", -1 }, { "99999999999999999999s", -1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = -1;
        bool sound = duration_parse(str_from(cases[i].text), 100LL * 86400000, &ms);
        if (sound != (cases[i].ms >= 0) || ms != cases[i].ms)
            fail_msg("%s", cases[i].text);
    }
}

static void test_object_time_is_real_time_plus_the_offset(void **state)
{
    (void)state;
    Clock *clock = clock_new(0);
    clock_set_offset(clock, 300LL * 86400000);
    int64_t ahead = clock_now_ms(clock) - real_now_ms();
    assert_true(ahead > 299LL * 86400000 && ahead <= 300LL * 86400000);
    clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_read_as_written),
        cmocka_unit_test(test_bad_times_are_refused),
        cmocka_unit_test(test_dates_of_headers),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_durations_as_people_write_them),
        cmocka_unit_test(test_object_time_is_real_time_plus_the_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
