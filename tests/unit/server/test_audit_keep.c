/* test_audit_keep.c - how long `serve --audit-keep` keeps. */
#include "../cm.h"
#include "server/audit_keep.h"

static void test_a_time_to_keep_is_read(void **state)
{
    (void)state;
    static const struct { const char *text; bool is_dev; int64_t keep_ms; } cases[] = {
        { NULL, false, 0 }, { NULL, true, 0 }, { "1d", false, 86400000 }, { "P90D", false, 90LL * 86400000 }, { "36h", false, 36LL * 3600000 }, { "36500d", false, 36500LL * 86400000 },
        { "PT2S", true, 2000 }, { "1s", true, 1000 }, { "5m", true, 300000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AuditKeep keep = { .keep_ms = -1 };
        Err err = { 0 };
        if (!audit_keep_read(cases[i].text, cases[i].is_dev, &keep, &err))
            fail_msg("%s", err.text);
        assert_int_equal(keep.keep_ms, cases[i].keep_ms);
    }
}

static void test_a_time_that_is_none_or_too_short_is_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *text; bool is_dev; const char *word; } cases[] = {
        { "23h", false, "a day at least" }, { "1s", false, "--dev" }, { "PT23H59M59S", false, "a day at least" }, { "PT0.9S", true, "a second at least" },
        { "", false, "no time" }, { "90", false, "90d" }, { "0d", true, "no time" }, { "-90d", false, "no time" }, { "P3M", false, "no time" }, { "36501d", false, "at most 36500d" }, { "for ever", false, "'for ever'" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AuditKeep keep = { .keep_ms = -1 };
        Err err = { 0 };
        assert_false(audit_keep_read(cases[i].text, cases[i].is_dev, &keep, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_non_null(strstr(err.text, "--audit-keep"));
        if (!strstr(err.text, cases[i].word))
            fail_msg("'%s' does not say '%s'", err.text, cases[i].word);
        assert_int_equal(keep.keep_ms, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_time_to_keep_is_read), cmocka_unit_test(test_a_time_that_is_none_or_too_short_is_refused_by_name) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
