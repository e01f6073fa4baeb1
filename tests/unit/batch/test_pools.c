#include "world.h"

static World world;

#define POOLS "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools"

/* The document's body, with the ids that its own text says to replace. */
static Str documented_body(Str identity_id)
{
    Str text, old = STR("/subscriptions/042998e4-36dc-4b7d-8ce3-a7a2c4877d33/resourceGroups/ACR/providers/Microsoft.ManagedIdentity/userAssignedIdentities/testumaforpools");
    size_t at;
    must(file_read(world.arena, TEST_DATA "/rotation-pool.json", 1 << 20, &text, E));
    assert_true(str_find(text, old, &at));
    return str_printf(world.arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_slice(text, 0, at)), STR_ARG(identity_id), STR_ARG(str_slice(text, at + old.len, text.len)));
}

static void test_the_documents_put_is_accepted_byte_for_byte(void **state)
{
    (void)state;
    Str client, id = make_identity(&world, "testumaforpools", &client), name;
    make_account(&world, "acct");
    Answer made = arm_call(&world, "PUT", POOLS "/test2", documented_body(id));
    expect_status(made, 200);
    assert_str(answer_text(&made, "name"), "test2");
    assert_str(answer_text(&made, "type"), "Microsoft.Batch/batchAccounts/pools");
    assert_str(answer_text(&made, "properties.provisioningState"), "Succeeded");
    assert_str(answer_text(&made, "properties.allocationState"), "Resizing");
    assert_str(answer_text(&made, "properties.taskSchedulingPolicy.nodeFillType"), "Pack");
    assert_str(answer_text(&made, "properties.interNodeCommunication"), "Disabled");
    assert_str(answer_text(&made, "properties.scaleSettings.fixedScale.resizeTimeout"), "PT15M");
    assert_int_equal(answer_int(&made, "properties.scaleSettings.fixedScale.targetDedicatedNodes"), 1);
    assert_int_equal(answer_int(&made, "properties.currentDedicatedNodes"), 0);
    const JsonVal *extension = json_at(json_path(made.json, "properties.deploymentConfiguration.virtualMachineConfiguration.extensions"), 0);
    assert_str(json_str(json_path(extension, "settings.secretsManagementSettings.pollingIntervalInS")), "300");
    assert_null(json_get(extension, "protectedSettings"));
    const JsonVal *given = json_member(json_path(made.json, "identity.userAssignedIdentities"), 0, &name);
    assert_true(str_eq(name, id));
    assert_true(str_eq(json_str(json_get(given, "clientId")), client));
    assert_int_equal(json_str(json_get(given, "principalId")).len, 36);
    assert_true(str_starts(answer_header(&made, "ETag"), STR("W/\"0x8D")));
    assert_true(str_eq(answer_header(&made, "ETag"), answer_text(&made, "etag")));

    /* Sent again it changes nothing. */
    Answer again = arm_call(&world, "PUT", POOLS "/test2", documented_body(id));
    expect_status(again, 200);
    assert_true(str_eq(answer_text(&again, "properties.creationTime"), answer_text(&made, "properties.creationTime")));

    world_work(&world);
    Answer steady = arm_call(&world, "GET", POOLS "/test2", STR_NONE);
    assert_str(answer_text(&steady, "properties.allocationState"), "Steady");
    assert_int_equal(answer_int(&steady, "properties.currentDedicatedNodes"), 1);
    assert_int_equal(world.machine_count, 1);
    assert_int_equal(strlen(world.machines[0].host_name), 38);
    assert_true(str_ends(str_from(world.machines[0].host_name), STR("000000")));
}

static void test_identities_must_exist_and_be_assignable(void **state)
{
    (void)state;
    Str id = make_identity(&world, "one", NULL);
    make_account(&world, "acct");
    Str missing = str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "x\":{}}}", STR_ARG(id));
    expect_error(make_pool(&world, "p", 1, "", missing), 400, "FailedIdentityOperation");
    expect_error(make_pool(&world, "p", 1, "", STR("{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"/subscriptions/x\":{}}}")), 400, "LinkedInvalidPropertyId");
    expect_error(make_pool(&world, "p", 1, "", STR("{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{}}")), 400, "InvalidPropertyValue");
    expect_error(make_pool(&world, "p", 1, "", STR("{\"type\":\"SystemAssigned\"}")), 400, "InvalidPropertyValue");
    Str vault = str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"/subscriptions/" STR_FMT
                           "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v\":{}}}", STR_ARG(world.subscription));
    expect_error(make_pool(&world, "p", 1, "", vault), 400, "InvalidPropertyValue");
    Str twice = str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{},\"" STR_FMT "\":{}}}", STR_ARG(id),
                           STR_ARG(str_upper(world.arena, id)));
    expect_error(make_pool(&world, "p", 1, "", twice), 400, "InvalidPropertyValue");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool"), 0);

    /* Contributor of the account, without "assign" on the identity. */
    Str account = str_printf(world.arena, "/subscriptions/" STR_FMT "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct", STR_ARG(world.subscription));
    Str assign = str_printf(world.arena, "management" STR_FMT "/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111?api-version=2022-04-01", STR_ARG(account));
    Str body = str_printf(world.arena, "{\"properties\":{\"roleDefinitionId\":\"/subscriptions/" STR_FMT "/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT
                          "\",\"principalId\":\"" STR_FMT "\"}}", STR_ARG(world.subscription), STR_ARG(ROLE_CONTRIBUTOR), STR_ARG(world.nobody.object_id));
    expect_status(world_call(&world, "PUT", world.admin_token, assign, body), 201);
    Str url = str_printf(world.arena, "management" STR_FMT "/pools/p?api-version=2021-01-01", STR_ARG(account));
    expect_error(world_call(&world, "PUT", world.nobody_token, url, documented_body(id)), 403, "LinkedAuthorizationFailed");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool"), 0);
}

static void test_refusals_change_nothing(void **state)
{
    (void)state;
    make_account(&world, "acct");
    static const struct { const char *path, *body; int status; const char *code; } cases[] = {
        { "/bad.name", "{\"properties\":{}}", 400, "InvalidPropertyValue" },
        { "/p", "{}", 400, "MissingRequiredProperty" },
        { "/p", "{\"propertis\":{}}", 400, "InvalidRequestBody" },
        { "/p", "{\"properties\":{\"vmSize\":\"STANDARD_D1\",}}", 400, "MissingRequiredProperty" },
        { "/p", "{\"properties\":{\"vmSize\":\"STANDARD_D1\"}", 400, "InvalidRequestContent" },
        { "/p", "{\"properties\":{\"vmSize\":\"STANDARD_D1\",\"vmSize\":\"x\"}}", 400, "InvalidRequestContent" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, POOLS "%s", cases[i].path);
        Answer refused = arm_call(&world, "PUT", path, str_from(cases[i].body));
        if (refused.status != cases[i].status)
            fail_msg("%s: %d " STR_FMT, cases[i].body, refused.status, STR_ARG(refused.body));
        if (i != 4 && i != 5)
            expect_error(refused, cases[i].status, cases[i].code);
    }
    Str size = STR("{\"properties\":{\"vmSize\":\"GIANT_1\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
                   "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"}}}}");
    Answer refused = arm_call(&world, "PUT", POOLS "/p", size);
    expect_error(refused, 400, "InvalidPropertyValue");
    assert_str(answer_text(&refused, "error.target"), "properties.vmSize");
    Str slots = STR("{\"properties\":{\"taskSlotsPerNode\":9,\"vmSize\":\"STANDARD_D2\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
                    "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"}}}}");
    refused = arm_call(&world, "PUT", POOLS "/p", slots);
    assert_str(answer_text(&refused, "error.target"), "properties.taskSlotsPerNode");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool"), 0);
    expect_error(arm_call(&world, "PUT", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/none1/pools/p", STR("{\"properties\":{}}")), 404, "ResourceNotFound");
}

static void test_etags_guard_changes(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer made = make_pool(&world, "p", 0, "", STR_NONE);
    expect_status(made, 200);
    Str etag = answer_header(&made, "ETag"), path = str_printf(world.arena, "management/subscriptions/" STR_FMT POOLS "/p?api-version=2021-01-01", STR_ARG(world.subscription));
    Str body = STR("{\"properties\":{\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}]}}");
    HttpHeader match = { "If-Match", etag }, star = { "If-None-Match", STR("*") }, wrong = { "If-Match", STR("\"0x8D000000000\"") };
    expect_error(world_call_with(&world, "PATCH", world.admin_token, path, body, &wrong, 1), 412, "PreconditionFailed");
    Answer patched = world_call_with(&world, "PATCH", world.admin_token, path, body, &match, 1);
    expect_status(patched, 200);
    assert_false(str_eq(answer_header(&patched, "ETag"), etag));
    expect_error(world_call_with(&world, "PATCH", world.admin_token, path, body, &match, 1), 412, "PreconditionFailed");
    Answer other = make_pool(&world, "q", 0, "", STR_NONE);
    expect_status(other, 200);
    Str again = str_printf(world.arena, "management/subscriptions/" STR_FMT POOLS "/q?api-version=2021-01-01", STR_ARG(world.subscription));
    expect_error(world_call_with(&world, "PUT", world.admin_token, again, STR("{\"properties\":{}}"), &star, 1), 412, "PreconditionFailed");
    Str absent = str_printf(world.arena, "management/subscriptions/" STR_FMT POOLS "/r?api-version=2021-01-01", STR_ARG(world.subscription));
    expect_error(world_call_with(&world, "PUT", world.admin_token, absent, STR("{\"properties\":{}}"), &match, 1), 412, "PreconditionFailed");
}

static void test_what_was_fixed_at_creation_cannot_be_updated(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Str id = make_identity(&world, "testumaforpools", NULL);
    expect_status(arm_call(&world, "PUT", POOLS "/p", documented_body(id)), 200);
    Answer refused = arm_call(&world, "PATCH", POOLS "/p", STR("{\"properties\":{\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
                              "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\",\"version\":\"latest\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"}}}}"));
    expect_error(refused, 400, "PropertyCannotBeUpdated");
    assert_str(answer_text(&refused, "error.target"), "properties.deploymentConfiguration");
    expect_error(arm_call(&world, "PATCH", POOLS "/p", STR("{\"properties\":{\"vmSize\":\"STANDARD_D3\"}}")), 400, "PropertyCannotBeUpdated");
}

static void test_identities_can_be_exchanged(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Str one = make_identity(&world, "one", NULL), two = make_identity(&world, "two", NULL), name;
    expect_status(make_pool(&world, "p", 0, "", str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}}", STR_ARG(one))), 200);
    Answer patched = arm_call(&world, "PATCH", POOLS "/p", str_printf(world.arena,
        "{\"identity\":{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}}}", STR_ARG(str_upper(world.arena, two))));
    expect_status(patched, 200);
    (void)json_member(json_path(patched.json, "identity.userAssignedIdentities"), 0, &name);
    assert_true(str_eq(name, two));                     /* in its stored spelling */
}

static void test_pools_are_listed_in_pages(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(make_pool(&world, "Alpha", 0, "", STR_NONE), 200);
    expect_status(make_pool(&world, "beta", 0, "", STR_NONE), 200);
    expect_status(make_pool(&world, "Gamma", 0, "", STR_NONE), 200);
    Answer page = arm_call(&world, "GET", POOLS "?maxresults=2", STR_NONE);
    assert_int_equal(json_count(json_get(page.json, "value")), 2);
    Str next = answer_text(&page, "nextLink");
    size_t at;
    assert_true(str_find(next, STR("/subscriptions/"), &at));
    Answer rest = world_call(&world, "GET", world.admin_token, str_printf(world.arena, "management" STR_FMT, STR_ARG(str_slice(next, at, next.len))), STR_NONE);
    assert_int_equal(json_count(json_get(rest.json, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(rest.json, "value"), 0), "name")), "Gamma");
    expect_error(arm_call(&world, "GET", POOLS "?$filter=name%20eq%20'a'", STR_NONE), 501, "NotImplemented");
    Answer other_case = arm_call(&world, "GET", POOLS "/ALPHA", STR_NONE);
    assert_str(answer_text(&other_case, "name"), "Alpha");
}

static void test_a_pool_is_deleted_after_its_nodes(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 2, "", STR_NONE), 200);
    world_work(&world);
    Answer deleted = arm_call(&world, "DELETE", POOLS "/p", STR_NONE);
    expect_status(deleted, 202);
    Answer deleting = arm_call(&world, "GET", POOLS "/p", STR_NONE);
    assert_str(answer_text(&deleting, "properties.provisioningState"), "Deleting");
    expect_error(arm_call(&world, "PATCH", POOLS "/p", STR("{\"properties\":{}}")), 409, "PoolBeingDeleted");
    Answer again = arm_call(&world, "DELETE", POOLS "/p", STR_NONE);
    expect_status(again, 202);
    assert_true(str_eq(answer_header(&again, "Location"), answer_header(&deleted, "Location")));
    world_work(&world);
    expect_error(arm_call(&world, "GET", POOLS "/p", STR_NONE), 404, "PoolNotFound");
    expect_status(arm_call(&world, "DELETE", POOLS "/p", STR_NONE), 204);
    assert_int_equal(world.machines[0].run, NODE_RUN_ABSENT);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM arm_operation WHERE status = 200"), 1);
}

static void test_documents_are_sealed_at_rest(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 0, "", STR_NONE), 200);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool WHERE instr(CAST(body AS TEXT), 'imageReference') > 0"), 0);
    assert_int_equal(read_int(world.site.store, "SELECT length(keys) > 128 FROM batch_account"), 1);
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_documents_put_is_accepted_byte_for_byte),
        TEST(test_identities_must_exist_and_be_assignable),
        TEST(test_refusals_change_nothing),
        TEST(test_etags_guard_changes),
        TEST(test_what_was_fixed_at_creation_cannot_be_updated),
        TEST(test_identities_can_be_exchanged),
        TEST(test_pools_are_listed_in_pages),
        TEST(test_a_pool_is_deleted_after_its_nodes),
        TEST(test_documents_are_sealed_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
