/* test_id.c - ids, locations, versions and names, as they are parsed and refused. */
#include "../cm.h"
#include "arm/parts.h"

#define SUB "11111111-2222-4333-8444-555555555555"

static void test_ids_are_taken_apart_without_case(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    ArmId id;
    Err err = { 0 };

    assert_true(arm_id_parse(arena, STR("/subscriptions/" SUB), &id, &err));
    assert_str(id.subscription, SUB);
    assert_null(id.group.ptr);
    assert_true(arm_id_parse(arena, STR("/Subscriptions/" SUB "/resourcegroups/G/PROVIDERS/Microsoft.Batch/batchAccounts/a/pools/p"), &id, &err));
    assert_str(id.group, "G");
    assert_str(id.provider, "Microsoft.Batch");
    assert_str(id.type, "batchAccounts");
    assert_str(id.name, "a");
    assert_str(id.sub_type, "pools");
    assert_str(id.sub_name, "p");
    assert_true(arm_id_parse(arena, STR("/subscriptions/" SUB "/resourceGroups/g/providers/M.K/v/n"), &id, &err));
    assert_null(id.sub_type.ptr);
}

static void test_ids_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {
        "", "/", "x", "/subscriptions", "/subscriptions/", "/subscriptions/abc", "subscriptions/" SUB, "//subscriptions/" SUB,
        "/subscriptions/" SUB "/", "/subscriptions/" SUB "/resourceGroups", "/subscriptions/" SUB "/resourceGroups/", "/subscriptions/" SUB "/groups/g",
        "/subscriptions/" SUB "/resourceGroups/g/providers", "/subscriptions/" SUB "/resourceGroups/g/providers/M", "/subscriptions/" SUB "/resourceGroups/g/providers/M/t",
        "/subscriptions/" SUB "/resourceGroups/g/providers/M/t/", "/subscriptions/" SUB "/resourceGroups/g/providers/M/t/n/s",
        "/subscriptions/" SUB "/resourceGroups/g/providers/M/t/n/s/m/x", "/subscriptions/" SUB "/resourceGroups/g/providers/M//n",
        "/providers/Microsoft.Batch", "/subscriptions/" SUB "\xff",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(65536);
        ArmId id = { .name = STR("untouched") };
        Err err = { 0 };
        if (arm_id_parse(arena, str_from(wrong[i]), &id, &err))
            fail_msg("'%s' was taken", wrong[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.name, "LinkedInvalidPropertyId");
        assert_str(id.name, "untouched");
    }
}

static void test_an_id_beyond_the_arena_is_an_error_not_a_crash(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 160; limit += 16) {
        AUTO(arena_free_auto) Arena *arena = arena_new(limit);
        ArmId id;
        Err err = { 0 };
        if (!arm_id_parse(arena, STR("/subscriptions/" SUB "/resourceGroups/g/providers/M/t/n"), &id, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
    }
}

/* ---- scopes ---- */

static Str scope_of(Arena *arena, const char *path, const Route *route, Err *err)
{
    Req req = { .arena = arena, .path = str_from(path), .route = route };
    Str scope, subscription;

    if (route)
        req.params[req.param_count++] = STR("x");
    return arm_scope_of_request(&req, &scope, &subscription, err) ? scope : STR_NONE;
}

static void test_permission_is_asked_on_what_the_path_names(void **state)
{
    static const struct { const char *path, *scope; } cases[] = {
        { "/tenants", "/" },
        { "/subscriptions", "/" },
        { "/subscriptions/" SUB, "/subscriptions/" SUB },
        { "/subscriptions/" SUB "/resourcegroups", "/subscriptions/" SUB },
        { "/subscriptions/" SUB "/resourcegroups/g/", "/subscriptions/" SUB "/resourceGroups/g" },
        { "/subscriptions/" SUB "/providers/Microsoft.Batch", "/subscriptions/" SUB },
        { "/subscriptions/" SUB "/providers/Microsoft.Batch/register", "/subscriptions/" SUB },
        { "/subscriptions/" SUB "/providers/Microsoft.Batch/batchAccounts", "/subscriptions/" SUB },
        { "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults", "/subscriptions/" SUB "/resourceGroups/g" },
        { "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults/v", "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults/v" },
        { "/subscriptions/" SUB "//resourceGroups/g/providers/M.K/vaults/v%2d1/listKeys", "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults/v-1" },
        { "/subscriptions/" SUB "/resourceGroups/g/providers/M.B/a/x/pools/p", "/subscriptions/" SUB "/resourceGroups/g/providers/M.B/a/x/pools/p" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(65536);
        Err err = { 0 };
        assert_str(scope_of(arena, cases[i].path, NULL, &err), cases[i].scope);
    }
}

static void test_extensions_are_decided_where_they_hang(void **state)
{
    static const Route route = { .path = "/{scope...}/providers/Microsoft.Authorization/roleAssignments/{name}" };
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    Err err = { 0 };
    assert_str(scope_of(arena, "/subscriptions/" SUB "/providers/Microsoft.Authorization/roleAssignments/n", &route, &err), "/subscriptions/" SUB);
    assert_str(scope_of(arena, "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults/v/providers/Microsoft.Authorization/roleAssignments/n", &route, &err),
               "/subscriptions/" SUB "/resourceGroups/g/providers/M.K/vaults/v");
}

static void test_a_path_without_a_sound_subscription_is_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    Err err = { 0 };
    assert_null(scope_of(arena, "/subscriptions/abc/resourcegroups", NULL, &err).ptr);
    assert_string_equal(err.name, "InvalidSubscriptionId");
    err = (Err){ 0 };
    assert_null(scope_of(arena, "/subscriptions/" SUB "/resourceGroups/%00", NULL, &err).ptr);
    assert_int_equal(err.code, ERR_BAD_INPUT);
    err = (Err){ 0 };
    assert_null(scope_of(arena, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/1/2/3/4/5/6/7", NULL, &err).ptr);
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

/* ---- versions, names, locations ---- */

static void test_api_versions_are_dates(void **state)
{
    static const char *const good[] = { "2021-04-01", "2022-01-31-preview", "2018-01-01-preview", "2022-10-01-privatepreview.1" };
    static const char *const wrong[] = { "", "banana", "7.4", "2021-4-1", "2021-13-01", "2021-00-10", "2021-01-32", "2021-04-01-", "2021-04-01x", "2021/04/01",
                                         "2021-04-01-pre view", "20210401aa" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        Err err = { 0 };
        assert_true(arm_api_version_check(str_from(good[i]), &err));
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        Err err = { 0 };
        if (arm_api_version_check(str_from(wrong[i]), &err))
            fail_msg("'%s' was taken", wrong[i]);
        assert_string_equal(err.name, "InvalidApiVersionParameter");
    }
}

static void test_one_location_has_two_spellings(void **state)
{
    static const char *const wrong[] = { "", "   ", "west/us", "west.us", "-west", "west-", "w\xc3\xa9st", "a\n",
                                         "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijx" };
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    Str normal;
    Err err = { 0 };
    assert_true(arm_location_check(arena, STR("West US 2"), &normal, &err));
    assert_str(normal, "westus2");
    assert_true(arm_location_check(arena, STR("rack-7"), &normal, &err));
    assert_str(normal, "rack-7");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        err = (Err){ 0 };
        if (arm_location_check(arena, str_from(wrong[i]), &normal, &err))
            fail_msg("'%s' was taken", wrong[i]);
        assert_string_equal(err.name, i < 2 ? "LocationRequired" : "LocationNotAvailableForResourceType");
    }
}

static void test_group_names_follow_the_services_rule(void **state)
{
    static const char *const wrong[] = { "", "a b", "a.", "a/b", "a?", "\xc3\xa4" };
    char longest[92];
    (void)state;
    Err err = { 0 };
    assert_true(arm_group_name_check(STR("my_Group-1.(x)"), &err));
    memset(longest, 'g', sizeof longest);
    assert_true(arm_group_name_check((Str){ longest, 90 }, &err));
    assert_false(arm_group_name_check((Str){ longest, 91 }, &err));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        err = (Err){ 0 };
        assert_false(arm_group_name_check(str_from(wrong[i]), &err));
        assert_string_equal(err.name, "InvalidResourceGroup");
    }
}

/* ---- tags ---- */

static bool tags(Arena *arena, const char *json, Str *out, Err *err)
{
    const JsonVal *root;
    *err = (Err){ 0 };
    return json_parse(arena, str_from(json), JSON_STRICT, &root, err) && arm_tags_check(arena, root, out, err);
}

static void test_tags_are_strings_with_sound_names(void **state)
{
    static const char *const wrong[] = { "[]", "\"x\"", "{\"a\":1}", "{\"a\":null}", "{\"a\":{}}", "{\"\":\"x\"}", "{\"a?\":\"x\"}", "{\"a\":\"x\",\"A\":\"y\"}" };
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str out;
    Err err;
    assert_true(tags(arena, "{\"a\":\"1\",\"b\":\"\"}", &out, &err));
    assert_str(out, "{\"a\":\"1\",\"b\":\"\"}");
    assert_true(tags(arena, "null", &out, &err));
    assert_str(out, "{}");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (tags(arena, wrong[i], &out, &err))
            fail_msg("%s was taken", wrong[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_a_resource_has_at_most_50_tags(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(buf_done_auto) Buf json = { 0 };
    Str out;
    Err err;
    buf_init(&json, 1 << 16);
    for (int i = 0; i < 51; i++)
        buf_printf(&json, "%s\"t%d\":\"v\"%s", i ? "," : "{", i, i == 49 ? "" : "");
    buf_put_char(&json, '}');
    buf_put_char(&json, '\0');
    assert_false(tags(arena, json.ptr, &out, &err));
    assert_string_equal(err.name, "TooManyTags");
}

/* ---- $filter ---- */

static bool passes(const char *filter, const char *tags_json)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    FilterRow row = { .type = STR("Microsoft.Batch/batchAccounts"), .name = STR("acct"), .location = STR("westus2"), .group = STR("g1") };
    const OData *parsed;
    Err err = { 0 };

    if (!json_parse(arena, str_from(tags_json), JSON_STRICT, &row.tags, &err) || !filter_parse(arena, str_from(filter), &parsed, &err))
        fail_msg("%s: %s", filter, err.text);
    return filter_passes(parsed, &row);
}

static void test_filters_select(void **state)
{
    static const char *const yes[] = { "", "resourceType eq 'microsoft.batch/BatchAccounts'", "name eq 'ACCT' and resourceGroup eq 'g1'", "name ne 'x'",
                                       "resourceType eq 'x' or name eq 'acct'", "startswith(name,'ac')", "tagName eq 'env' and tagValue eq 'prod'" };
    static const char *const no[] = { "resourceType eq 'Microsoft.KeyVault/vaults'", "name eq 'acct' and location eq 'x'", "name ne 'acct'",
                                      "tagName eq 'env' and tagValue eq 'blue'", "tagName eq 'none'" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (!passes(yes[i], "{\"env\":\"prod\",\"colour\":\"blue\"}"))
            fail_msg("%s did not pass", yes[i]);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        if (passes(no[i], "{\"env\":\"prod\",\"colour\":\"blue\"}"))
            fail_msg("%s passed", no[i]);
    assert_false(passes("tagName eq 'env'", "{}"));
}

static void test_filters_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = { "name", "name eq", "name eq acct and", "name eq 'x", "colour eq 'x'", "name eq 'x' name eq 'y'", "(name eq 'x'", "atScope()",
                                         "identity/principalId eq 'x'" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(65536);
        const OData *parsed;
        Err err = { 0 };
        if (filter_parse(arena, str_from(wrong[i]), &parsed, &err))
            fail_msg("%s was taken", wrong[i]);
        assert_string_equal(err.name, "InvalidFilterInQueryString");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_taken_apart_without_case), cmocka_unit_test(test_ids_that_are_none_are_refused),
        cmocka_unit_test(test_an_id_beyond_the_arena_is_an_error_not_a_crash), cmocka_unit_test(test_permission_is_asked_on_what_the_path_names),
        cmocka_unit_test(test_extensions_are_decided_where_they_hang), cmocka_unit_test(test_a_path_without_a_sound_subscription_is_refused),
        cmocka_unit_test(test_api_versions_are_dates), cmocka_unit_test(test_one_location_has_two_spellings),
        cmocka_unit_test(test_group_names_follow_the_services_rule), cmocka_unit_test(test_tags_are_strings_with_sound_names),
        cmocka_unit_test(test_a_resource_has_at_most_50_tags), cmocka_unit_test(test_filters_select), cmocka_unit_test(test_filters_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
