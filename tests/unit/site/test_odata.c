/* test_odata.c - the filters that az and the SDKs send, and refusal of everything half-understood. */
#include "../cm.h"
#include "site/odata.h"

/* One service principal: appId "A1", displayName "It's One", two names. */
static size_t get(void *row, Str path, const Str **values)
{
    (void)row;
    static const Str app_id[] = { { "A1", 2 } }, name[] = { { "It's One", 8 } };
    static const Str priority[] = { { "-5", 2 } }, created[] = { { "2026-11-22T07:00:00.5000000Z", 28 } };
    static const Str names[] = { { "A1", 2 }, { "https://batch.mydomain.com", 26 } };
    if (str_eq_nocase(path, STR("appId")))
        return *values = app_id, 1;
    if (str_eq_nocase(path, STR("displayName")))
        return *values = name, 1;
    if (str_eq_nocase(path, STR("priority")))
        return *values = priority, 1;
    if (str_eq_nocase(path, STR("creationTime")))
        return *values = created, 1;
    if (str_eq_nocase(path, STR("servicePrincipalNames")))
        return *values = names, 2;
    return 0;
}

static bool matches(const char *filter)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    const OData *expr;
    Err err = { 0 };
    if (!odata_parse(arena, str_from(filter), &expr, &err))
        fail_msg("'%s': %s", filter, err.text);
    return odata_matches(expr, get, NULL);
}

static void test_filters_of_the_clients_select_rows(void **state)
{
    (void)state;
    static const struct { const char *filter; bool wanted; } cases[] = {
        { "appId eq 'a1'", true },                                  { "appId eq 'a2'", false },
        { "appId ne 'a2'", true },                                  { "displayName eq 'It''s One'", true },
        { "startswith(displayName,'it''')", true },                 { "startswith(displayName, 'one')", false },
        { "servicePrincipalNames/any(c:c eq 'https://BATCH.mydomain.com')", true },
        { "servicePrincipalNames/any(c:c eq 'https://batch')", false },
        { "servicePrincipalNames/any(c:startswith(c,'https://batch'))", true },
        { "servicePrincipalNames/any(c: c in ('x', 'A1'))", true },
        { "appId in ('x','A1')", true },                            { "appId in ('x','y')", false },
        { "appId eq 'x' or appId eq 'A1'", true },                  { "appId eq 'x' or appId eq 'y' and appId eq 'A1'", false },
        { "(appId eq 'A1' or appId eq 'x') and displayName eq 'x'", false },
        { "not (appId eq 'x')", true },                             { "not startswith(appId,'A')", false },
        { "homepage eq null", true },                               { "homepage ne null", false },
        { "priority lt 10", true },                                 { "priority gt -10", true },
        { "priority ge -5 and priority le -5", true },              { "priority lt -5", false },
        { "creationTime gt DateTime'2026-11-22T06:59:59Z'", true }, { "creationTime lt datetime'2026-11-22T08:00:00+01:00'", false },
        { "creationTime ge 2026-11-22T07:00:00.500Z", true },       { "creationTime eq DateTime'2026-11-22T07:00:00.5Z'", true },
        { "appId gt 'A0'", false },                                 { "homepage lt 5", false },
        { "appId eq null", false },                                 { "atScope()", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (matches(cases[i].filter) != cases[i].wanted)
            fail_msg("'%s' should %smatch", cases[i].filter, cases[i].wanted ? "" : "not ");
}

static void test_broken_filters_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", " ", "appId", "appId eq", "appId eq 'x", "appId eq 'x' and", "appId eq 'x' appId", "eq 'x'", "appId gt", "appId gte 'x'", "appId gt Color'x'", "names/any(c:c gt 'x')",
        "startswith(appId)", "startswith(appId,'x'", "startswith(,'x')", "names/any(c:d eq 'x')", "names/any(c:c eq 'x'", "names/any(:c eq 'x')",
        "names/any(c:c ne 'x')", "names/all(c:c eq 'x')", "(appId eq 'x'", "appId eq 'x')", "appId in ()", "appId in ('x'", "not", "atScope(", "a/ eq 'x'",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
        const OData *expr;
        Err err = { 0 };
        if (odata_parse(arena, str_from(cases[i]), &expr, &err))
            fail_msg("accepted '%s'", cases[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_nesting_and_length_are_bounded(void **state)
{
    (void)state;
    char deep[2000];
    memset(deep, '(', sizeof deep);
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const OData *expr;
    Err err = { 0 };
    assert_false(odata_parse(arena, (Str){ deep, sizeof deep }, &expr, &err));
    for (size_t i = 0; i + 4 <= sizeof deep; i += 4)
        memcpy(deep + i, "not ", 4);
    assert_false(odata_parse(arena, (Str){ deep, sizeof deep }, &expr, &err));
    static char longer[ODATA_TEXT_MAX + 1];
    memset(longer, 'a', sizeof longer);
    assert_false(odata_parse(arena, (Str){ longer, sizeof longer }, &expr, &err));
}

static void test_small_arena_is_an_error_not_a_crash(void **state)
{
    (void)state;
    Str text = STR("startswith(displayName,'x') and servicePrincipalNames/any(c:c in ('a','b'))");
    bool done = false;
    for (size_t limit = 0; !done && limit < 8192; limit += 64) {
        AUTO(arena_free_auto) Arena *arena = arena_new(limit);
        const OData *expr;
        Err err = { 0 };
        done = odata_parse(arena, text, &expr, &err);
        assert_true(done || err.code == ERR_TOO_LARGE);
    }
    assert_true(done);
}

static void test_pin_is_found_only_where_it_must_hold(void **state)
{
    (void)state;
    static const struct { const char *filter; const char *pin; } cases[] = {
        { "appId eq 'A1'", "A1" }, { "displayName eq 'x' and appId eq 'A1'", "A1" }, { "appId eq 'A1' or appId eq 'A2'", NULL },
        { "not (appId eq 'A1')", NULL }, { "appId ne 'A1'", NULL }, { "appId in ('A1','A2')", NULL }, { "startswith(appId,'A')", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
        const OData *expr;
        Err err = { 0 };
        assert_true(odata_parse(arena, str_from(cases[i].filter), &expr, &err));
        Str pin = odata_pinned(expr, "appid");
        assert_true(cases[i].pin ? str_eq(pin, str_from(cases[i].pin)) : !pin.ptr);
    }
}

static void test_conjuncts_and_calls(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    const OData *expr, *parts[4];
    size_t count;
    Err err = { 0 };
    assert_true(odata_parse(arena, STR("atScope() and assignedTo('p1') and principalId eq 'p2'"), &expr, &err));
    assert_true(odata_conjuncts(expr, parts, COUNT_OF(parts), &count));
    assert_int_equal(count, 3);
    assert_int_equal(parts[0]->kind, ODATA_CALL);
    assert_int_equal(parts[0]->value_count, 0);
    assert_true(str_eq(parts[1]->path, STR("assignedTo")) && str_eq(parts[1]->values[0], STR("p1")));
    assert_int_equal(parts[2]->kind, ODATA_EQ);
    assert_false(odata_conjuncts(expr, parts, 2, &count));
}

static void test_unknown_properties_are_named(void **state)
{
    (void)state;
    static const char *const known[] = { "appId", "displayName" };
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    const OData *expr;
    Err err = { 0 };
    assert_true(odata_parse(arena, STR("appId eq 'x' or not startswith(nickname,'y')"), &expr, &err));
    assert_false(odata_check(expr, known, COUNT_OF(known), &err));
    assert_non_null(strstr(err.text, "nickname"));
    assert_true(odata_parse(arena, STR("appid eq 'x' and displayName ne 'y'"), &expr, &err));
    assert_true(odata_check(expr, known, COUNT_OF(known), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_of_the_clients_select_rows),
        cmocka_unit_test(test_broken_filters_are_refused),
        cmocka_unit_test(test_nesting_and_length_are_bounded),
        cmocka_unit_test(test_small_arena_is_an_error_not_a_crash),
        cmocka_unit_test(test_pin_is_found_only_where_it_must_hold),
        cmocka_unit_test(test_conjuncts_and_calls),
        cmocka_unit_test(test_unknown_properties_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
