/* test_policy.c - access policies: the names that are taken, what they grant, and how they are edited. */
#include "../cm.h"
#include "../parsed.h"
#include "access/policy.h"

#define TENANT "11111111-2222-4333-8444-555555555555"
#define ALICE  "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB    "bbbbbbbb-0000-4000-8000-000000000002"
#define APP    "cccccccc-0000-4000-8000-000000000003"
#define ENTRY(who, permissions) "{\"tenantId\":\"" TENANT "\",\"objectId\":\"" who "\",\"permissions\":{" permissions "}}"

static bool granted(const char *policies, const char *object_id, const char *app_id, const char *permission)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    return policy_grants(json_of(arena, policies), str_from(object_id), str_from(app_id), str_from(permission));
}

static void test_only_what_an_entry_lists_is_granted(void **state)
{
    (void)state;
    const char *policies = "[" ENTRY(ALICE, "\"secrets\":[\"Get\",\"list\"],\"keys\":[\"wrapKey\"]") "," ENTRY(BOB, "\"certificates\":[\"ALL\"]") "]";
    assert_true(granted(policies, ALICE, APP, "secrets/get"));
    assert_true(granted(policies, "AAAAAAAA-0000-4000-8000-000000000001", APP, "Secrets/LIST"));
    assert_true(granted(policies, ALICE, APP, "keys/wrapkey"));
    assert_false(granted(policies, ALICE, APP, "keys/unwrapKey"));
    assert_false(granted(policies, ALICE, APP, "certificates/get"));
    assert_false(granted(policies, ALICE, APP, "secrets/set"));
    assert_true(granted(policies, BOB, APP, "certificates/purge"));
    assert_false(granted(policies, BOB, APP, "secrets/get"));
    assert_false(granted(policies, "", APP, "secrets/get"));
    assert_false(granted(policies, ALICE, APP, "secrets"));
    assert_false(granted(policies, ALICE, APP, "/get"));
    assert_false(granted("[]", ALICE, APP, "secrets/get"));
    assert_false(granted("null", ALICE, APP, "secrets/get"));
}

static void test_application_id_narrows_an_entry(void **state)
{
    (void)state;
    const char *policies = "[{\"tenantId\":\"" TENANT "\",\"objectId\":\"" ALICE "\",\"applicationId\":\"" APP "\",\"permissions\":{\"secrets\":[\"get\"]}}]";
    assert_true(granted(policies, ALICE, APP, "secrets/get"));
    assert_false(granted(policies, ALICE, BOB, "secrets/get"));
    assert_false(granted(policies, ALICE, "", "secrets/get"));
}

static void test_every_permission_of_the_service_is_taken(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    Err err = { 0 };
    const JsonVal *all = json_of(arena, "[" ENTRY(ALICE,
        "\"keys\":[\"all\",\"encrypt\",\"decrypt\",\"wrapKey\",\"unwrapKey\",\"sign\",\"verify\",\"get\",\"list\",\"create\",\"update\",\"import\",\"delete\","
        "\"backup\",\"restore\",\"recover\",\"purge\",\"release\",\"rotate\",\"getrotationpolicy\",\"setrotationpolicy\"],"
        "\"secrets\":[\"all\",\"get\",\"list\",\"set\",\"delete\",\"backup\",\"restore\",\"recover\",\"purge\"],"
        "\"certificates\":[\"all\",\"get\",\"list\",\"delete\",\"create\",\"import\",\"update\",\"managecontacts\",\"getissuers\",\"listissuers\",\"setissuers\","
        "\"deleteissuers\",\"manageissuers\",\"recover\",\"purge\",\"backup\",\"restore\"],\"storage\":[\"regeneratekey\",\"getsas\"]") "]");
    if (!policy_check(all, STR(TENANT), &err))
        fail_msg("%s", err.text);
    assert_true(policy_check(json_of(arena, "[]"), STR(TENANT), &err));
}

static void test_wrong_entries_are_refused_by_field(void **state)
{
    (void)state;
    static const struct { const char *policies, *field; } cases[] = {
        { "{}", "properties.accessPolicies" },
        { "[1]", "properties.accessPolicies[0]" },
        { "[" ENTRY(ALICE, "") "," ENTRY(BOB, "\"secrets\":[\"get\",\"read\"]") "]", "properties.accessPolicies[1].permissions.secrets[1]" },
        { "[" ENTRY(ALICE, "\"keys\":[\"getissuers\"]") "]", "properties.accessPolicies[0].permissions.keys[0]" },
        { "[" ENTRY(ALICE, "\"keys\":\"get\"") "]", "properties.accessPolicies[0].permissions.keys" },
        { "[" ENTRY(ALICE, "\"certificates\":[1]") "]", "properties.accessPolicies[0].permissions.certificates[0]" },
        { "[" ENTRY("alice", "") "]", "properties.accessPolicies[0].objectId" },
        { "[{\"tenantId\":\"" TENANT "\",\"permissions\":{}}]", "properties.accessPolicies[0].objectId" },
        { "[{\"tenantId\":\"" TENANT "\",\"objectId\":\"" ALICE "\"}]", "properties.accessPolicies[0].permissions" },
        { "[{\"tenantId\":\"" BOB "\",\"objectId\":\"" ALICE "\",\"permissions\":{}}]", "properties.accessPolicies[0].tenantId" },
        { "[{\"objectId\":\"" ALICE "\",\"permissions\":{}}]", "properties.accessPolicies[0].tenantId" },
        { "[{\"tenantId\":\"" TENANT "\",\"objectId\":\"" ALICE "\",\"applicationId\":\"x\",\"permissions\":{}}]", "properties.accessPolicies[0].applicationId" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
        Err err = { 0 };
        if (policy_check(json_of(arena, cases[i].policies), STR(TENANT), &err))
            fail_msg("accepted %s", cases[i].policies);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, cases[i].field);
    }
}

static void assert_edit(PolicyEdit edit, const char *now, const char *change, const char *wanted)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    AUTO(buf_done_auto) Buf buf = { 0 };
    buf_init(&buf, 64 * 1024);
    JsonWriter w;
    json_begin(&w, &buf);
    json_open(&w, NULL);
    Err err = { 0 };
    assert_true(policy_edit(&w, "p", json_of(arena, now), json_of(arena, change), edit, &err));
    json_close(&w);
    assert_true(json_end(&w, &err));
    Str whole = str_printf(arena, "{\"p\":%s}", wanted);
    if (!str_eq(buf_str(&buf), whole))
        fail_msg("got " STR_FMT "\nwanted " STR_FMT, STR_ARG(buf_str(&buf)), STR_ARG(whole));
}

#define FULL(who, keys, secrets, certificates) ENTRY(who, "\"keys\":[" keys "],\"secrets\":[" secrets "],\"certificates\":[" certificates "]")

static void test_add_unites_and_keeps_the_others(void **state)
{
    (void)state;
    const char *now = "[" ENTRY(ALICE, "\"secrets\":[\"get\"]") "," ENTRY(BOB, "\"keys\":[\"sign\"]") "]";
    assert_edit(POLICY_ADD, now, "[" ENTRY(ALICE, "\"secrets\":[\"GET\",\"list\",\"List\"],\"certificates\":[\"get\"]") "]",
                "[" FULL(ALICE, "", "\"get\",\"list\"", "\"get\"") "," ENTRY(BOB, "\"keys\":[\"sign\"]") "]");
    assert_edit(POLICY_ADD, "[]", "[" ENTRY(ALICE, "\"secrets\":[\"get\"]") "," ENTRY(ALICE, "\"secrets\":[\"get\",\"set\"]") "]",
                "[" FULL(ALICE, "", "\"get\",\"set\"", "") "]");
}

static void test_replace_exchanges_one_entry(void **state)
{
    (void)state;
    const char *now = "[" ENTRY(ALICE, "\"secrets\":[\"get\",\"set\"],\"keys\":[\"sign\"]") "]";
    assert_edit(POLICY_REPLACE, now, "[" ENTRY(ALICE, "\"secrets\":[\"list\"]") "]", "[" FULL(ALICE, "", "\"list\"", "") "]");
    assert_edit(POLICY_REPLACE, now, "[" ENTRY(BOB, "\"secrets\":[\"list\"]") "]",
                "[" ENTRY(ALICE, "\"secrets\":[\"get\",\"set\"],\"keys\":[\"sign\"]") "," FULL(BOB, "", "\"list\"", "") "]");
}

static void test_remove_takes_away_and_drops_empty_entries(void **state)
{
    (void)state;
    const char *now = "[" ENTRY(ALICE, "\"secrets\":[\"get\",\"set\"],\"keys\":[\"sign\"]") "]";
    assert_edit(POLICY_REMOVE, now, "[" ENTRY(ALICE, "\"secrets\":[\"SET\"]") "]", "[" FULL(ALICE, "\"sign\"", "\"get\"", "") "]");
    assert_edit(POLICY_REMOVE, now, "[" ENTRY(ALICE, "\"secrets\":[\"all\"],\"keys\":[\"sign\"]") "]", "[]");
    assert_edit(POLICY_REMOVE, now, "[" ENTRY(BOB, "\"secrets\":[\"get\"]") "]", now);
}

static void test_application_id_makes_another_entry(void **state)
{
    (void)state;
    const char *with_app = "{\"tenantId\":\"" TENANT "\",\"objectId\":\"" ALICE "\",\"applicationId\":\"" APP "\",\"permissions\":{\"secrets\":[\"set\"]}}";
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    Str change = str_printf(arena, "[%s]", with_app);
    assert_edit(POLICY_ADD, "[" ENTRY(ALICE, "\"secrets\":[\"get\"]") "]", change.ptr,
                "[" ENTRY(ALICE, "\"secrets\":[\"get\"]") ",{\"tenantId\":\"" TENANT "\",\"objectId\":\"" ALICE "\",\"applicationId\":\"" APP
                "\",\"permissions\":{\"keys\":[],\"secrets\":[\"set\"],\"certificates\":[]}}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_an_entry_lists_is_granted),
        cmocka_unit_test(test_application_id_narrows_an_entry),
        cmocka_unit_test(test_every_permission_of_the_service_is_taken),
        cmocka_unit_test(test_wrong_entries_are_refused_by_field),
        cmocka_unit_test(test_add_unites_and_keeps_the_others),
        cmocka_unit_test(test_replace_exchanges_one_entry),
        cmocka_unit_test(test_remove_takes_away_and_drops_empty_entries),
        cmocka_unit_test(test_application_id_makes_another_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
