#include "world.h"

static World world;

#define BATCH    "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts"
#define ACCOUNT  BATCH "/acct"

static void test_an_account_is_made_with_status_200(void **state)
{
    (void)state;
    (void)arm_call(&world, "PUT", "/resourceGroups/rg", STR("{\"location\":\"westus2\"}"));
    Answer made = arm_call(&world, "PUT", ACCOUNT, STR("{\"location\":\"West US 2\",\"tags\":{\"a\":\"b\"},\"identity\":{\"type\":\"SystemAssigned\"}}"));
    expect_status(made, 200);
    assert_str(answer_text(&made, "type"), "Microsoft.Batch/batchAccounts");
    assert_str(answer_text(&made, "location"), "westus2");
    assert_str(answer_text(&made, "tags.a"), "b");
    assert_str(answer_text(&made, "properties.provisioningState"), "Succeeded");
    assert_str(answer_text(&made, "properties.poolAllocationMode"), "BatchService");
    assert_str(answer_text(&made, "properties.encryption.keySource"), "Microsoft.Batch");
    assert_true(str_eq(answer_text(&made, "properties.accountEndpoint"),
                       str_printf(world.arena, "acct.westus2.batch.vaultyard.localhost:%d", world.site.names.port)));
    Str principal = answer_text(&made, "identity.principalId");
    assert_int_equal(principal.len, 36);
    Answer again = arm_call(&world, "PUT", ACCOUNT, STR("{\"location\":\"westus2\",\"identity\":{\"type\":\"SystemAssigned\"}}"));
    expect_status(again, 200);
    assert_true(str_eq(answer_text(&again, "identity.principalId"), principal));
    Answer got = arm_call(&world, "GET", ACCOUNT, STR_NONE);
    assert_true(str_eq(answer_text(&got, "id"), answer_text(&made, "id")));
}

static void test_names_are_checked_and_unique_in_the_site(void **state)
{
    (void)state;
    make_account(&world, "acct");
    static const char *const bad[] = { "ab", "Acct", "a-b-c", "abcdefghijklmnopqrstuvwxy", "acc.t" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char path[160];
        (void)snprintf(path, sizeof path, BATCH "/%s", bad[i]);
        Answer refused = arm_call(&world, "PUT", path, STR("{\"location\":\"westus2\"}"));
        if (i == 1) {       /* resource ids compare without case: this is acct itself */
            assert_true(refused.status == 400);
            continue;
        }
        expect_error(refused, 400, "InvalidAccountName");
    }
    (void)arm_call(&world, "PUT", "/resourceGroups/other", STR("{\"location\":\"westus2\"}"));
    expect_error(arm_call(&world, "PUT", "/resourceGroups/other/providers/Microsoft.Batch/batchAccounts/acct", STR("{\"location\":\"westus2\"}")), 409, "AccountAlreadyExists");
    Answer check = arm_call(&world, "POST", "/providers/Microsoft.Batch/locations/westus2/checkNameAvailability", STR("{\"name\":\"acct\",\"type\":\"Microsoft.Batch/batchAccounts\"}"));
    assert_str(answer_text(&check, "reason"), "AlreadyExists");
    check = arm_call(&world, "POST", "/providers/Microsoft.Batch/locations/westus2/checkNameAvailability", STR("{\"name\":\"A\",\"type\":\"Microsoft.Batch/batchAccounts\"}"));
    assert_str(answer_text(&check, "reason"), "Invalid");
    check = arm_call(&world, "POST", "/providers/Microsoft.Batch/locations/westus2/checkNameAvailability", STR("{\"name\":\"free\",\"type\":\"Microsoft.Batch/batchAccounts\"}"));
    assert_true(json_bool(json_get(check.json, "nameAvailable"), false));
}

static void test_refusals_name_the_property(void **state)
{
    (void)state;
    (void)arm_call(&world, "PUT", "/resourceGroups/rg", STR("{\"location\":\"westus2\"}"));
    static const struct { const char *body; int status; const char *code, *target; } cases[] = {
        { "{\"location\":\"westus2\",\"properties\":{\"poolAllocationMode\":\"UserSubscription\"}}", 400, "MissingRequiredProperty", "properties.keyVaultReference" },
        { "{\"location\":\"westus2\",\"properties\":{\"poolAllocationMode\":\"UserSubscription\",\"keyVaultReference\":{\"id\":\"x\"}}}", 400, "MissingRequiredProperty", "properties.keyVaultReference.url" },
        { "{\"location\":\"westus2\",\"properties\":{\"poolAllocationMode\":\"UserSubscription\",\"keyVaultReference\":{\"id\":\"x\",\"url\":\"y\"}}}", 400, "InvalidKeyVaultReference", "properties.keyVaultReference" },
        { "{\"location\":\"westus2\",\"properties\":{\"keyVaultReference\":{\"id\":\"x\",\"url\":\"y\"}}}", 400, "InvalidPropertyValue", "properties.keyVaultReference" },
        { "{\"location\":\"westus2\",\"properties\":{\"poolAllocationMode\":\"Mine\"}}", 400, "InvalidPropertyValue", "properties.poolAllocationMode" },
        { "{\"location\":\"westus2\",\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.KeyVault\"}}}", 400, "InvalidPropertyValue", "properties.encryption.keyVaultProperties.keyIdentifier" },
        { "{\"location\":\"westus2\",\"properties\":{\"publicNetworkAccess\":\"Disabled\"}}", 501, "NotImplemented", "properties.publicNetworkAccess" },
        { "{\"location\":\"westus2\",\"properties\":{\"autoStorage\":{\"storageAccountId\":\"x\"}}}", 501, "NotImplemented", "properties.autoStorage" },
        { "{\"location\":\"westus2\",\"properties\":{\"poolAllocationmode\":\"BatchService\"}}", 400, "InvalidRequestBody", "properties.poolAllocationmode" },
        { "{\"location\":\"westus2\",\"properties\":{\"allowedAuthenticationModes\":[\"Password\"]}}", 400, "InvalidPropertyValue", "properties.allowedAuthenticationModes" },
        { "{\"location\":\"westus2\",\"identity\":{\"type\":\"System\"}}", 400, "InvalidPropertyValue", "identity.type" },
        { "{\"location\":\"westus2\",\"identity\":{\"type\":\"UserAssigned\"}}", 400, "InvalidPropertyValue", "identity.userAssignedIdentities" },
        { "{\"location\":\"westus2\",\"identity\":{\"typ\":\"None\"}}", 400, "InvalidRequestBody", "identity.typ" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = arm_call(&world, "PUT", ACCOUNT, str_from(cases[i].body));
        expect_error(refused, cases[i].status, cases[i].code);
        assert_str(answer_text(&refused, "error.target"), cases[i].target);
    }
    expect_error(arm_call(&world, "GET", ACCOUNT, STR_NONE), 404, "ResourceNotFound");
    expect_error(arm_call(&world, "PUT", ACCOUNT, STR("{}")), 400, "LocationRequired");
    expect_error(arm_call(&world, "PUT", "/resourceGroups/none/providers/Microsoft.Batch/batchAccounts/acct", STR("{\"location\":\"westus2\"}")), 404, "ResourceGroupNotFound");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_account"), 0);
}

static void test_others_may_not(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Str path = str_printf(world.arena, "management/subscriptions/" STR_FMT ACCOUNT "?api-version=2022-10-01", STR_ARG(world.subscription));
    expect_error(world_call(&world, "GET", world.nobody_token, path, STR_NONE), 403, "AuthorizationFailed");
    expect_status(world_call(&world, "GET", world.reader_token, path, STR_NONE), 200);
    expect_error(world_call(&world, "PUT", world.reader_token, path, STR("{\"location\":\"westus2\"}")), 403, "AuthorizationFailed");
    expect_error(world_call(&world, "DELETE", world.reader_token, path, STR_NONE), 403, "AuthorizationFailed");
    Str keys = str_printf(world.arena, "management/subscriptions/" STR_FMT ACCOUNT "/listKeys?api-version=2022-10-01", STR_ARG(world.subscription));
    expect_error(world_call(&world, "POST", world.reader_token, keys, STR_NONE), 403, "AuthorizationFailed");
    expect_status(world_call(&world, "GET", STR_NONE, path, STR_NONE), 401);
}

static void test_keys_are_two_and_change_one_at_a_time(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer first = arm_call(&world, "POST", ACCOUNT "/listKeys", STR(""));
    expect_status(first, 200);
    assert_int_equal(answer_text(&first, "primary").len, 88);
    assert_false(str_eq(answer_text(&first, "primary"), answer_text(&first, "secondary")));
    Answer second = arm_call(&world, "POST", ACCOUNT "/regenerateKeys", STR("{\"keyName\":\"Secondary\"}"));
    expect_status(second, 200);
    assert_true(str_eq(answer_text(&first, "primary"), answer_text(&second, "primary")));
    assert_false(str_eq(answer_text(&first, "secondary"), answer_text(&second, "secondary")));
    Answer third = arm_call(&world, "POST", ACCOUNT "/listKeys", STR(""));
    assert_true(str_eq(answer_text(&second, "secondary"), answer_text(&third, "secondary")));
    expect_status(arm_call(&world, "POST", ACCOUNT "/regenerateKeys", STR("{\"keyName\":\"Third\"}")), 400);
    expect_status(arm_call(&world, "PATCH", ACCOUNT, STR("{\"properties\":{\"allowedAuthenticationModes\":[\"AAD\"]}}")), 200);
    expect_error(arm_call(&world, "POST", ACCOUNT "/listKeys", STR("")), 400, "InvalidRestAPIForAccountSetting");
}

static void test_patch_keeps_what_is_not_given(void **state)
{
    (void)state;
    (void)arm_call(&world, "PUT", "/resourceGroups/rg", STR("{\"location\":\"westus2\"}"));
    expect_status(arm_call(&world, "PUT", ACCOUNT, STR("{\"location\":\"westus2\",\"tags\":{\"a\":\"b\"},\"identity\":{\"type\":\"SystemAssigned\"}}")), 200);
    Answer patched = arm_call(&world, "PATCH", ACCOUNT, STR("{\"properties\":{\"publicNetworkAccess\":\"Enabled\"}}"));
    expect_status(patched, 200);
    assert_str(answer_text(&patched, "tags.a"), "b");
    assert_str(answer_text(&patched, "identity.type"), "SystemAssigned");
    Str principal = answer_text(&patched, "identity.principalId");
    patched = arm_call(&world, "PATCH", ACCOUNT, STR("{\"tags\":{\"c\":\"d\"},\"identity\":{\"type\":\"None\"}}"));
    expect_status(patched, 200);
    assert_false(answer_text(&patched, "tags.a").ptr);
    assert_str(answer_text(&patched, "identity.type"), "None");
    assert_int_equal(principal.len, 36);
    expect_error(arm_call(&world, "PATCH", BATCH "/none1", STR("{}")), 404, "ResourceNotFound");
    expect_error(arm_call(&world, "PUT", ACCOUNT, STR("{\"location\":\"eastus\"}")), 409, "InvalidResourceLocation");
}

static void test_a_user_assigned_identity_must_exist_and_be_assignable(void **state)
{
    (void)state;
    Str client, id = make_identity(&world, "uami", &client);
    Str body = str_printf(world.arena, "{\"location\":\"westus2\",\"identity\":{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}}}", STR_ARG(id));
    Answer made = arm_call(&world, "PUT", ACCOUNT, body);
    expect_status(made, 200);
    const JsonVal *map = json_path(made.json, "identity.userAssignedIdentities");
    Str name;
    assert_true(str_eq(json_str(json_get(json_member(map, 0, &name), "clientId")), client));
    Str missing = str_printf(world.arena, "{\"location\":\"westus2\",\"identity\":{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "x\":{}}}}", STR_ARG(id));
    expect_error(arm_call(&world, "PUT", BATCH "/other", missing), 400, "FailedIdentityOperation");
}

static void test_lists_cover_group_and_subscription(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_account(&world, "bcct");
    Answer all = arm_call(&world, "GET", "/providers/Microsoft.Batch/batchAccounts", STR_NONE);
    assert_int_equal(json_count(json_get(all.json, "value")), 2);
    Answer first = arm_call(&world, "GET", BATCH "?$top=1", STR_NONE);
    assert_int_equal(json_count(json_get(first.json, "value")), 1);
    assert_true(answer_text(&first, "nextLink").len > 0);
}

static void test_an_account_is_deleted_with_its_pools(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p1", 2, "", STR_NONE), 200);
    world_work(&world);
    assert_int_equal(world.machine_count, 2);
    Answer deleted = arm_call(&world, "DELETE", ACCOUNT, STR_NONE);
    expect_status(deleted, 202);
    Str location = answer_header(&deleted, "Location");
    size_t at;
    assert_true(str_find(location, STR("/subscriptions/"), &at));
    Str poll = str_printf(world.arena, "management" STR_FMT, STR_ARG(str_slice(location, at, location.len)));
    expect_status(world_call(&world, "GET", world.admin_token, poll, STR_NONE), 202);
    expect_error(make_pool(&world, "p2", 0, "", STR_NONE), 409, "AccountBeingDeleted");
    world_work(&world);
    expect_status(world_call(&world, "GET", world.admin_token, poll, STR_NONE), 200);
    assert_int_equal(world.machines[0].run, NODE_RUN_ABSENT);
    assert_int_equal(world.machines[1].run, NODE_RUN_ABSENT);
    expect_error(arm_call(&world, "GET", ACCOUNT, STR_NONE), 404, "ResourceNotFound");
    expect_status(arm_call(&world, "DELETE", ACCOUNT, STR_NONE), 204);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_node"), 0);
    make_account(&world, "acct");           /* the name is free again */
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_account_is_made_with_status_200),
        TEST(test_names_are_checked_and_unique_in_the_site),
        TEST(test_refusals_name_the_property),
        TEST(test_others_may_not),
        TEST(test_keys_are_two_and_change_one_at_a_time),
        TEST(test_patch_keeps_what_is_not_given),
        TEST(test_a_user_assigned_identity_must_exist_and_be_assignable),
        TEST(test_lists_cover_group_and_subscription),
        TEST(test_an_account_is_deleted_with_its_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
