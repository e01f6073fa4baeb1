/* test_dev_clock.c - the development clock moves forward, for owners, durably, and not outside development. */
#include "arm_fixture.h"

#define CLOCK "/providers/Vaultyard.Dev/clock"

static void test_without_dev_there_is_no_clock(void **state)
{
    World w;
    (void)state;
    world_open(&w, false);
    assert_refused(&w, ask(&w, "GET", CLOCK, NULL), 404, "InvalidResourceNamespace");
    assert_refused(&w, ask(&w, "POST", CLOCK "/advance", "{\"by\":\"1d\"}"), 404, "InvalidResourceNamespace");
    assert_int_equal(clock_offset_ms(w.site.clock), 0);
    world_close(&w);
}

static void test_only_owners_move_the_clock(void **state)
{
    World w;
    (void)state;
    world_open(&w, true);
    Str contributor = world_principal(&w, "contributor", ROLE_CONTRIBUTOR, "/subscriptions/@", NULL);
    assert_refused(&w, ask_as(&w, contributor, "POST", CLOCK "/advance", "{\"by\":\"1d\"}"), 403, "AuthorizationFailed");
    assert_refused(&w, ask_as(&w, contributor, "GET", CLOCK, NULL), 403, "AuthorizationFailed");
    assert_refused(&w, ask_as(&w, STR_NONE, "POST", CLOCK "/advance", "{\"by\":\"1d\"}"), 401, "AuthenticationFailed");
    assert_int_equal(clock_offset_ms(w.site.clock), 0);
    world_close(&w);
}

static void test_what_is_no_time_forward_is_refused(void **state)
{
    static const char *const wrong[] = { "{}", "{\"by\":\"\"}", "{\"by\":\"-1d\"}", "{\"by\":\"0d\"}", "{\"by\":\"5\"}", "{\"by\":\"d\"}", "{\"by\":\"1.5d\"}", "{\"by\":\"1w\"}",
                                         "{\"by\":\"40000d\"}", "{\"by\":300}", "{\"by\":\"1d\",\"to\":\"x\"}", "{\"by\":\"99999999999999999999d\"}", "[]" };
    World w;
    (void)state;
    world_open(&w, true);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_refused(&w, ask(&w, "POST", CLOCK "/advance", wrong[i]), 400, "InvalidRequestContent");
    assert_int_equal(clock_offset_ms(w.site.clock), 0);
    assert_int_equal(w.clock_moves, 0);
    world_close(&w);
}

static void test_moves_add_up_and_survive_a_restart(void **state)
{
    static const int64_t day = 86400000;
    World w;
    Err err = { 0 };
    (void)state;
    world_open(&w, true);
    HttpAnswer moved = ask(&w, "POST", CLOCK "/advance", "{\"by\":\"300d\"}");
    assert_int_equal(moved.status, 200);
    assert_int_equal(json_int(json_get(answer_json(&w, &moved), "offsetMs"), 0), 300 * day);
    assert_int_equal(ask(&w, "POST", CLOCK "/advance", "{\"by\":\"12h\"}").status, 200);
    assert_int_equal(ask(&w, "POST", CLOCK "/advance", "{\"by\":\"P1D\"}").status, 200);
    assert_int_equal(clock_offset_ms(w.site.clock), 301 * day + day / 2);
    assert_int_equal(w.clock_moves, 3);
    assert_int_equal(audit_count(&w, "DevClockAdvance"), 3);
    world_restart(&w, true);
    assert_int_equal(clock_offset_ms(w.site.clock), 301 * day + day / 2);
    assert_refused(&w, ask(&w, "POST", CLOCK "/advance", "{\"by\":\"36400d\"}"), 400, "InvalidRequestContent");
    assert_true(world_reopen_fails(&w, false, &err));          /* its objects were made in the future */
    assert_int_equal(err.code, ERR_CONFLICT);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_dev_there_is_no_clock), cmocka_unit_test(test_only_owners_move_the_clock),
        cmocka_unit_test(test_what_is_no_time_forward_is_refused), cmocka_unit_test(test_moves_add_up_and_survive_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
