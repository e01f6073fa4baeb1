/* test_firewall.c - network rules of vaults: which are taken, whom they let in, and what a refused caller hears. */
#include "fixture.h"
#include "../parsed.h"
#include "keyvault/vaults/firewall.h"

static const JsonVal *parsed(const char *text) { return json_of(fix.arena, text); }

static Firewall made(const char *json)
{
    const JsonVal *normal;
    Firewall firewall;
    must(firewall_acls_read(fix.arena, parsed(json), &normal, &fix_err));
    must(firewall_make(fix.arena, normal, false, &firewall, &fix_err));
    return firewall;
}

static void test_ranges_let_in_whom_they_cover(void **state)
{
    (void)state;
    Firewall firewall = made("{\"defaultAction\":\"Deny\",\"bypass\":\"None\",\"ipRules\":[{\"value\":\"10.1.2.0/23\"},{\"value\":\"192.168.7.9\"},{\"value\":\"2001:db8::/33\"}]}");
    static const struct { const char *address; bool enters; } cases[] = {
        { "10.1.2.0", true }, { "10.1.3.255", true }, { "10.1.4.0", false }, { "10.1.1.255", false }, { "192.168.7.9", true }, { "192.168.7.8", false },
        { "2001:db8::1", true }, { "2001:db8:7fff::", true }, { "2001:db8:8000::", false }, { "::ffff:10.1.2.5", true }, { "::ffff:10.1.9.5", false },
        { "::1", false }, { "unix", false }, { "", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (firewall_admits(&firewall, str_from(cases[i].address)) != cases[i].enters)
            fail_msg("%s should %s", cases[i].address, cases[i].enters ? "enter" : "not enter");
    Firewall all = made("{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"0.0.0.0/0\"}]}");
    assert_true(firewall_admits(&all, STR("203.0.113.5")));
    assert_false(firewall_admits(&all, STR("2001:db8::1")));
}

static void test_bypass_is_for_the_platform_alone(void **state)
{
    (void)state;
    Firewall trusting = made("{\"defaultAction\":\"Deny\"}"), strict = made("{\"defaultAction\":\"deny\",\"bypass\":\"none\"}"), open = made("{\"ipRules\":[{\"value\":\"10.0.0.1\"}]}");
    assert_true(firewall_admits(&trusting, STR("unix")));
    assert_false(firewall_admits(&trusting, STR("127.0.0.1")));
    assert_false(firewall_admits(&strict, STR("unix")));
    assert_true(firewall_admits(&open, STR("127.0.0.1")));
}

static void test_bad_rules_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *json, *field; } cases[] = {
        { "[]", "properties.networkAcls must" },
        { "{\"defaultAction\":\"Maybe\"}", "defaultAction" },
        { "{\"defaultAction\":1}", "defaultAction" },
        { "{\"bypass\":\"Everybody\"}", "bypass" },
        { "{\"ipRules\":{}}", "ipRules" },
        { "{\"ipRules\":[{\"value\":\"10.0.0.1\"},{\"value\":\"ten\"}]}", "ipRules[1].value" },
        { "{\"ipRules\":[{\"value\":\"10.0.0.1/33\"}]}", "ipRules[0].value" },
        { "{\"ipRules\":[{\"value\":\"10.0.0.1/24\"}]}", "ipRules[0].value" },
        { "{\"ipRules\":[{\"value\":\"10.0.0.1/\"}]}", "ipRules[0].value" },
        { "{\"ipRules\":[{\"value\":\"10.0.0\"}]}", "ipRules[0].value" },
        { "{\"ipRules\":[{}]}", "ipRules[0].value" },
        { "{\"ipRules\":[\"10.0.0.1\"]}", "ipRules[0].value" },
        { "{\"virtualNetworkRules\":[{\"id\":\"here\"}]}", "virtualNetworkRules[0].id" },
        { "{\"virtualNetworkRules\":7}", "virtualNetworkRules" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const JsonVal *normal;
        Err err = { 0 };
        if (firewall_acls_read(fix.arena, parsed(cases[i].json), &normal, &err))
            fail_msg("taken: %s", cases[i].json);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.name, "BadRequest");
        if (!strstr(err.text, cases[i].field))
            fail_msg("%s: '%s' does not name %s", cases[i].json, err.text, cases[i].field);
    }
}

static void test_a_vault_keeps_and_follows_its_rules(void **state)
{
    (void)state;
    Answer vault = make_vault("walled", ",\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"203.0.113.9\"}]}");
    expect_status(&vault, 201);
    assert_str(text_at(&vault, "properties.networkAcls.bypass"), "AzureServices");
    assert_str(json_str(json_get(json_at(json_path(vault.json, "properties.networkAcls.ipRules"), 0), "value")), "203.0.113.9/32");
    Answer answer = call("GET", "walled.vault", "/secrets" API, fix.owner.vault_token, NULL);
    expect_error(&answer, 403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.");
    answer = call("GET", "walled.vault", "/secrets" API, STR_NONE, NULL);
    expect_status(&answer, 401);                             /* who asks is known first */
    answer = arm_call("PATCH", VAULTS "walled", "{\"properties\":{\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"127.0.0.0/8\"},{\"value\":\"::1\"}]}}}");
    expect_status(&answer, 200);
    answer = call("GET", "walled.vault", "/secrets" API, fix.owner.vault_token, NULL);
    expect_status(&answer, 200);
    answer = arm_call("PATCH", VAULTS "walled", "{\"properties\":{\"publicNetworkAccess\":\"disabled\"}}");
    assert_str(text_at(&answer, "properties.publicNetworkAccess"), "Disabled");
    answer = call("GET", "walled.vault", "/secrets" API, fix.owner.vault_token, NULL);
    expect_error(&answer, 403, "Forbidden", "ForbiddenByConnection", "Public network access is disabled");
    answer = arm_call("PATCH", VAULTS "walled", "{\"properties\":{\"publicNetworkAccess\":\"Enabled\",\"networkAcls\":{\"defaultAction\":\"Allow\"}}}");
    expect_status(&answer, 200);
    answer = call("GET", "walled.vault", "/secrets" API, fix.owner.vault_token, NULL);
    expect_status(&answer, 200);
}

/* A vault of roles has the same wall: it is asked before the roles are, and lets nobody in who has none. */
static void test_rules_hold_for_vaults_of_roles_too(void **state)
{
    (void)state;
    Answer vault = make_vault("walled-roles", ",\"enableRbacAuthorization\":true,\"networkAcls\":{\"defaultAction\":\"Deny\",\"bypass\":\"None\",\"ipRules\":[{\"value\":\"203.0.113.9\"}]}");
    expect_status(&vault, 201);
    Answer role = call("PUT", "management", text(STR_FMT "/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000042?api-version=2022-04-01", STR_ARG(text_at(&vault, "id"))),
                       fix.owner.arm_token, text("{\"properties\":{\"roleDefinitionId\":\"/subscriptions/" STR_FMT "/providers/Microsoft.Authorization/roleDefinitions/b86a8fe4-44ce-4948-aee5-eccb2c155cd7\","
                       "\"principalId\":\"" STR_FMT "\"}}", STR_ARG(fix.subscription), STR_ARG(fix.owner.principal.object_id)));
    expect_status(&role, 201);
    Str tokens[] = { fix.owner.vault_token, fix.nobody.vault_token };
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        Answer answer = call("PUT", "walled-roles.vault", "/secrets/s" API, tokens[i], "{\"value\":\"v\"}");
        expect_error(&answer, 403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized");
    }
    Answer answer = arm_call("PATCH", VAULTS "walled-roles", "{\"properties\":{\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"127.0.0.0/8\"},{\"value\":\"::1\"}]}}}");
    expect_status(&answer, 200);
    answer = call("GET", "walled-roles.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_error(&answer, 404, "SecretNotFound", NULL, "s was not found");                   /* and was not made from outside */
    answer = call("GET", "walled-roles.vault", "/secrets/s" API, fix.nobody.vault_token, NULL);
    expect_error(&answer, 403, "Forbidden", "ForbiddenByRbac", "");
}

static void test_bad_rules_change_nothing(void **state)
{
    (void)state;
    Answer vault = make_vault("wall-kept", ",\"networkAcls\":{\"defaultAction\":\"Deny\"}");
    expect_status(&vault, 201);
    Answer answer = arm_call("PATCH", VAULTS "wall-kept", "{\"properties\":{\"networkAcls\":{\"defaultAction\":\"Allow\",\"ipRules\":[{\"value\":\"x\"}]}}}");
    expect_error(&answer, 400, "BadRequest", NULL, "ipRules[0].value");
    answer = arm_call("GET", VAULTS "wall-kept", NULL);
    assert_str(text_at(&answer, "properties.networkAcls.defaultAction"), "Deny");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_let_in_whom_they_cover),
        cmocka_unit_test(test_bypass_is_for_the_platform_alone),
        cmocka_unit_test(test_bad_rules_are_refused_by_name),
        cmocka_unit_test(test_a_vault_keeps_and_follows_its_rules),
        cmocka_unit_test(test_rules_hold_for_vaults_of_roles_too),
        cmocka_unit_test(test_bad_rules_change_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
