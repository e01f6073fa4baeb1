/* test_alias.c - more subscriptions in one tenant: who may make them, whose they are, that one alias is one subscription. */
#include "arm_fixture.h"

static World world;

static int setup(void **state)
{
    world_open(&world, false);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

#define VERSION "?api-version=2021-10-01"
#define ALIAS(name) "/providers/Microsoft.Subscription/aliases/" name VERSION

static size_t subscriptions_seen(World *w, Str token)
{
    HttpAnswer list = ask_as(w, token, "GET", "/subscriptions", NULL);
    assert_int_equal(list.status, 200);
    return json_count(json_get(answer_json(w, &list), "value"));
}

static void test_a_subscription_is_made_once_under_its_alias(void **state)
{
    World *w = *state;
    static const char body[] = "{\"properties\":{\"displayName\":\"Team B\",\"workload\":\"Production\",\"billingScope\":\"/billingAccounts/x\"}}";
    size_t before = subscriptions_seen(w, w->token);
    HttpAnswer made = ask(w, "PUT", ALIAS("team-b"), body), again = ask(w, "PUT", ALIAS("Team-B"), body);
    assert_int_equal(made.status, 201);
    assert_int_equal(again.status, 200);
    Str id = answer_text(w, &made, "properties.subscriptionId");
    assert_int_equal(id.len, 36);
    assert_true(str_eq(answer_text(w, &again, "properties.subscriptionId"), id));
    assert_true(str_eq(answer_text(w, &made, "properties.provisioningState"), STR("Succeeded")));
    assert_int_equal(subscriptions_seen(w, w->token), before + 1);
    HttpAnswer shown = ask(w, "GET", str_printf(w->arena, "/subscriptions/" STR_FMT, STR_ARG(id)).ptr, NULL);
    assert_int_equal(shown.status, 200);
    assert_true(str_eq(answer_text(w, &shown, "displayName"), STR("Team B")));
    assert_int_equal(audit_count(w, "AliasCreate"), 1);
    /* and its maker owns it */
    assert_int_equal(ask(w, "PUT", str_printf(w->arena, "/subscriptions/" STR_FMT "/resourcegroups/g", STR_ARG(id)).ptr, "{\"location\":\"local\"}").status, 201);
}

static void test_subscriptions_are_closed_to_each_other(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", ALIAS("apart"), "{\"properties\":{\"displayName\":\"Apart\"}}");
    Str id = answer_text(w, &made, "properties.subscriptionId");
    Str owner_of_first = world_principal(w, "first-owner", ROLE_OWNER, "/subscriptions/@", NULL);
    Str group = str_printf(w->arena, "/subscriptions/" STR_FMT "/resourcegroups/g", STR_ARG(id));
    assert_refused(w, ask_as(w, owner_of_first, "PUT", group.ptr, "{\"location\":\"local\"}"), 403, "AuthorizationFailed");
    assert_refused(w, ask_as(w, owner_of_first, "GET", str_printf(w->arena, "/subscriptions/" STR_FMT, STR_ARG(id)).ptr, NULL), 403, "AuthorizationFailed");
    assert_int_equal(subscriptions_seen(w, owner_of_first), 1);
    assert_refused(w, ask_as(w, owner_of_first, "GET", ALIAS("apart"), NULL), 404, "AliasNotFound");
    assert_refused(w, ask_as(w, owner_of_first, "PUT", ALIAS("apart"), "{\"properties\":{\"displayName\":\"Mine\"}}"), 409, "AliasExists");
    Str stolen = str_printf(w->arena, "{\"properties\":{\"subscriptionId\":\"" STR_FMT "\"}}", STR_ARG(id));
    assert_refused(w, ask_as(w, owner_of_first, "PUT", ALIAS("stolen"), stolen.ptr), 403, "AuthorizationFailed");
    Str rename = str_printf(w->arena, "/subscriptions/" STR_FMT "/providers/Microsoft.Subscription/rename", STR_ARG(id));
    assert_refused(w, ask_as(w, owner_of_first, "POST", rename.ptr, "{\"subscriptionName\":\"X\"}"), 403, "AuthorizationFailed");
    assert_int_equal(ask_as(w, owner_of_first, "DELETE", ALIAS("apart"), NULL).status, 204);
    assert_int_equal(ask(w, "GET", ALIAS("apart"), NULL).status, 200);
}

static void test_only_who_rules_a_subscription_makes_more(void **state)
{
    World *w = *state;
    static const char body[] = "{\"properties\":{\"displayName\":\"No\"}}";
    size_t before = subscriptions_seen(w, w->token);
    assert_int_equal(ask(w, "PUT", "/subscriptions/@/resourcegroups/corner", "{\"location\":\"local\"}").status, 201);
    Str askers[] = {
        world_principal(w, "nobody", STR_NONE, NULL, NULL), world_principal(w, "reader", ROLE_READER, "/subscriptions/@", NULL),
        world_principal(w, "contributor", ROLE_CONTRIBUTOR, "/subscriptions/@", NULL), world_principal(w, "group-owner", ROLE_OWNER, "/subscriptions/@/resourceGroups/corner", NULL),
    };
    for (size_t i = 0; i < COUNT_OF(askers); i++)
        assert_refused(w, ask_as(w, askers[i], "PUT", ALIAS("no"), body), 403, "UserNotAuthorized");
    assert_int_equal(subscriptions_seen(w, w->token), before);
}

static void test_bad_aliases_make_nothing(void **state)
{
    World *w = *state;
    static const struct { const char *body; int status; const char *code; } bad[] = {
        { "{}", 400, NULL }, { "{\"properties\":{}}", 400, NULL }, { "{\"properties\":{\"displayName\":\"\"}}", 400, NULL },
        { "{\"properties\":{\"displayNam\":\"x\"}}", 400, NULL }, { "{\"properties\":{\"displayName\":\"x\",\"workload\":\"Play\"}}", 400, NULL },
        { "{\"properties\":{\"subscriptionId\":\"abc\"}}", 400, "InvalidSubscriptionId" },
        { "{\"properties\":{\"displayName\":\"x\",\"additionalProperties\":{\"subscriptionTenantId\":\"00000000-0000-4000-8000-000000000000\"}}}", 400, NULL },
        { "{\"properties\":{\"displayName\":\"x\",\"additionalProperties\":{\"subscriptionOwnerId\":\"00000000-0000-4000-8000-000000000000\"}}}", 400, "PrincipalNotFound" },
        { "{\"properties\":{\"displayName\":\"x\",\"additionalProperties\":{\"managementGroupId\":\"/providers/Microsoft.Management/managementGroups/m\"}}}", 501, "NotImplemented" },
    };
    size_t before = subscriptions_seen(w, w->token);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        HttpAnswer answer = ask(w, "PUT", ALIAS("bad"), bad[i].body);
        assert_int_equal(answer.status, bad[i].status);
        if (bad[i].code)
            assert_refused(w, answer, bad[i].status, bad[i].code);
    }
    assert_refused(w, ask(w, "PUT", ALIAS("a%20b"), "{\"properties\":{\"displayName\":\"x\"}}"), 400, "InvalidAliasName");
    assert_int_equal(subscriptions_seen(w, w->token), before);
    assert_refused(w, ask(w, "GET", ALIAS("bad"), NULL), 404, "AliasNotFound");
}

static void test_an_owner_can_be_named(void **state)
{
    World *w = *state;
    Principal other;
    Str token = world_principal(w, "other-owner", STR_NONE, NULL, &other);
    Str body = str_printf(w->arena, "{\"properties\":{\"displayName\":\"Theirs\",\"additionalProperties\":{\"subscriptionOwnerId\":\"" STR_FMT "\"}}}", STR_ARG(other.object_id));
    HttpAnswer made = ask(w, "PUT", ALIAS("theirs"), body.ptr);
    assert_int_equal(made.status, 201);
    assert_int_equal(subscriptions_seen(w, token), 1);
    Str id = answer_text(w, &made, "properties.subscriptionId");
    assert_refused(w, ask(w, "GET", str_printf(w->arena, "/subscriptions/" STR_FMT, STR_ARG(id)).ptr, NULL), 403, "AuthorizationFailed");
}

static void test_renamed_listed_and_the_alias_let_go(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", ALIAS("short"), "{\"properties\":{\"displayName\":\"Long\"}}");
    Str id = answer_text(w, &made, "properties.subscriptionId");
    const char *rename = str_printf(w->arena, "/subscriptions/" STR_FMT "/providers/Microsoft.Subscription/rename", STR_ARG(id)).ptr;
    assert_int_equal(ask(w, "POST", rename, "{\"subscriptionName\":\"\"}").status, 400);
    assert_int_equal(ask(w, "POST", rename, "{\"subscriptionName\":\"Longer\"}").status, 200);
    HttpAnswer alias = ask(w, "GET", ALIAS("short"), NULL);
    assert_true(str_eq(answer_text(w, &alias, "properties.displayName"), STR("Longer")));
    HttpAnswer list = ask(w, "GET", "/providers/Microsoft.Subscription/aliases" VERSION, NULL);
    size_t count = json_count(json_get(answer_json(w, &list), "value"));
    assert_true(count >= 1);
    assert_int_equal(ask(w, "DELETE", ALIAS("short"), NULL).status, 200);
    assert_int_equal(ask(w, "DELETE", ALIAS("short"), NULL).status, 204);
    list = ask(w, "GET", "/providers/Microsoft.Subscription/aliases" VERSION, NULL);
    assert_int_equal(json_count(json_get(answer_json(w, &list), "value")), count - 1);
    assert_int_equal(ask(w, "GET", str_printf(w->arena, "/subscriptions/" STR_FMT, STR_ARG(id)).ptr, NULL).status, 200);
}

static void test_they_survive_a_restart(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", ALIAS("lasting"), "{\"properties\":{\"displayName\":\"Lasting\"}}");
    Str id = answer_text(w, &made, "properties.subscriptionId");
    world_restart(w, false);
    HttpAnswer alias = ask(w, "GET", ALIAS("lasting"), NULL);
    assert_true(str_eq(answer_text(w, &alias, "properties.subscriptionId"), id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subscription_is_made_once_under_its_alias), cmocka_unit_test(test_subscriptions_are_closed_to_each_other),
        cmocka_unit_test(test_only_who_rules_a_subscription_makes_more),    cmocka_unit_test(test_bad_aliases_make_nothing),
        cmocka_unit_test(test_an_owner_can_be_named),                       cmocka_unit_test(test_renamed_listed_and_the_alias_let_go),
        cmocka_unit_test(test_they_survive_a_restart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
