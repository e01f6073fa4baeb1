/* test_vaults.c - vaults as resources of Resource Manager: life, refusals, access policies, deletion and the way back. */
#include "fixture.h"
#include "keyvault/vaults/vault_arm.h"

static void test_created_vault_is_shown_with_uri_and_port(void **state)
{
    (void)state;
    Answer made = make_vault("Batch-Vault", ",\"enabledForDeployment\":true");
    expect_status(&made, 201);
    assert_str(text_at(&made, "name"), "Batch-Vault");
    assert_str(text_at(&made, "type"), "Microsoft.KeyVault/vaults");
    assert_str(text_at(&made, "location"), "westus2");
    assert_str(text_at(&made, "properties.provisioningState"), "Succeeded");
    assert_int_equal(int_at(&made, "properties.softDeleteRetentionInDays"), 90);
    assert_true(json_bool(json_path(made.json, "properties.enabledForDeployment"), false));
    assert_true(json_bool(json_path(made.json, "properties.enableSoftDelete"), false));
    Str uri = str_printf(fix.arena, "https://batch-vault.vault.vaultyard.localhost:%d/", fix.site.names.port);
    assert_true(str_eq(text_at(&made, "properties.vaultUri"), uri));
    Answer again = make_vault("batch-vault", "");
    expect_status(&again, 200);
    assert_str(text_at(&again, "name"), "Batch-Vault");
    Answer got = arm_call("GET", VAULTS "BATCH-VAULT", NULL);
    expect_status(&got, 200);
    assert_int_equal(json_count(json_path(got.json, "properties.accessPolicies")), 1);
}

static void test_vaults_are_listed_in_pages(void **state)
{
    (void)state;
    Answer a = make_vault("list-a", ""), b = make_vault("list-b", "");
    expect_status(&a, 201);
    expect_status(&b, 201);
    Answer page = arm_call("GET", "/providers/Microsoft.KeyVault/vaults?$top=1", NULL);
    expect_status(&page, 200);
    assert_int_equal(json_count(json_get(page.json, "value")), 1);
    assert_non_null(text_at(&page, "nextLink").ptr);
    Answer all = arm_call("GET", "/resourceGroups/" GROUP "/providers/Microsoft.KeyVault/vaults", NULL);
    expect_status(&all, 200);
    assert_true(json_count(json_get(all.json, "value")) >= 3);
    assert_null(text_at(&all, "nextLink").ptr);
    Answer none = arm_call("GET", "/resourceGroups/nope/providers/Microsoft.KeyVault/vaults", NULL);
    expect_error(&none, 404, "ResourceGroupNotFound", NULL, "nope");
}

static void test_bad_vaults_are_refused_and_nothing_is_made(void **state)
{
    (void)state;
    int64_t before = count_of("SELECT count(*) FROM kv_vault"), scopes = count_of("SELECT count(*) FROM scope_key");
    Answer answer = make_vault("bad", ",\"enableRbacAuthorization\":1");
    expect_status(&answer, 400);
    answer = make_vault("1bad", "");
    expect_error(&answer, 400, "VaultNameNotValid", NULL, "'1bad'");
    answer = make_vault("bad--name", "");
    expect_error(&answer, 400, "VaultNameNotValid", NULL, "consecutive hyphens");
    answer = make_vault("bad", ",\"softDeleteRetentionInDays\":3");
    expect_error(&answer, 400, "BadRequest", NULL, "softDeleteRetentionInDays");
    answer = arm_call("PUT", VAULTS "bad", "{\"location\":\"x\",\"properties\":{\"tenantId\":\"aaaaaaaa-0000-4000-8000-000000000001\"}}");
    expect_error(&answer, 400, "BadRequest", NULL, "tenantId");
    answer = arm_call("PUT", VAULTS "bad", "{\"location\":");
    expect_status(&answer, 400);
    answer = arm_call("PUT", VAULTS "bad", NULL);
    expect_status(&answer, 400);
    answer = arm_call("PUT", "/resourceGroups/nope/providers/Microsoft.KeyVault/vaults/bad", "{\"location\":\"x\",\"properties\":{}}");
    expect_status(&answer, 400);
    assert_int_equal(count_of("SELECT count(*) FROM kv_vault"), before);
    assert_int_equal(count_of("SELECT count(*) FROM scope_key"), scopes);
    answer = arm_call("GET", VAULTS "bad", NULL);
    expect_error(&answer, 404, "ResourceNotFound", NULL, "Microsoft.KeyVault/vaults/bad");
}

static void test_name_in_use_is_refused(void **state)
{
    (void)state;
    Answer group = arm_call("PUT", "/resourcegroups/rg2", "{\"location\":\"westus2\"}");
    assert_in_range(group.status, 200, 201);
    Str body = str_printf(fix.arena, "{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT "\",\"sku\":{\"family\":\"A\",\"name\":\"standard\"},\"accessPolicies\":[]}}%c",
                          STR_ARG(fix.site.tenant_id), '\0');
    Answer taken = arm_call("PUT", "/resourceGroups/rg2/providers/Microsoft.KeyVault/vaults/VLT", body.ptr);
    expect_error(&taken, 409, "VaultAlreadyExists", NULL, "'VLT'");
    Answer check = arm_call("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", "{\"name\":\"vlt\",\"type\":\"Microsoft.KeyVault/vaults\"}");
    expect_status(&check, 200);
    assert_false(json_bool(json_get(check.json, "nameAvailable"), true));
    assert_str(text_at(&check, "reason"), "AlreadyExists");
    check = arm_call("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", "{\"name\":\"a--b\",\"type\":\"Microsoft.KeyVault/vaults\"}");
    assert_str(text_at(&check, "reason"), "AccountNameInvalid");
    check = arm_call("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", "{\"name\":\"free-name\",\"type\":\"Microsoft.KeyVault/vaults\"}");
    assert_true(json_bool(json_get(check.json, "nameAvailable"), false));
}

static void test_patch_changes_what_it_names(void **state)
{
    (void)state;
    Answer made = make_vault("patched", ",\"softDeleteRetentionInDays\":7");
    expect_status(&made, 201);
    Answer changed = arm_call("PATCH", VAULTS "patched", "{\"tags\":{\"a\":\"b\"},\"properties\":{\"enabledForDeployment\":true,\"enablePurgeProtection\":true}}");
    expect_status(&changed, 200);
    assert_str(text_at(&changed, "tags.a"), "b");
    assert_true(json_bool(json_path(changed.json, "properties.enablePurgeProtection"), false));
    assert_int_equal(json_count(json_path(changed.json, "properties.accessPolicies")), 1);
    Answer refused = arm_call("PATCH", VAULTS "patched", "{\"properties\":{\"enablePurgeProtection\":false}}");
    expect_error(&refused, 400, "BadRequest", NULL, "enablePurgeProtection");
    refused = arm_call("PATCH", VAULTS "patched", "{\"properties\":{\"softDeleteRetentionInDays\":8}}");
    expect_error(&refused, 400, "BadRequest", NULL, "can't be modified");
    refused = arm_call("PATCH", VAULTS "no-such", "{\"tags\":{}}");
    expect_error(&refused, 404, "ResourceNotFound", NULL, "no-such");
}

static Str policy_body(const char *object_id, const char *permissions)
{
    return str_printf(fix.arena, "{\"properties\":{\"accessPolicies\":[{\"tenantId\":\"" STR_FMT "\",\"objectId\":\"%s\",\"permissions\":{%s}}]}}%c",
                      STR_ARG(fix.site.tenant_id), object_id, permissions, '\0');
}

static void test_access_policies_decide_at_once(void **state)
{
    (void)state;
    Answer made = make_vault("policies", "");
    expect_status(&made, 201);
    const char *who = str_to_cstr(fix.arena, fix.nobody.principal.object_id, &(Err){ 0 });
    Answer refused = call("GET", "policies.vault", "/secrets" API, fix.nobody.vault_token, NULL);
    expect_error(&refused, 403, "Forbidden", "AccessDenied", "does not have secrets list permission on key vault 'policies;location=westus2'");
    Answer added = arm_call("PUT", VAULTS "policies/accessPolicies/add", policy_body(who, "\"secrets\":[\"list\"]").ptr);
    expect_status(&added, 201);
    assert_int_equal(json_count(json_path(added.json, "properties.accessPolicies")), 2);
    Answer listed = call("GET", "policies.vault", "/secrets" API, fix.nobody.vault_token, NULL);
    expect_status(&listed, 200);
    refused = call("GET", "policies.vault", "/secrets/x" API, fix.nobody.vault_token, NULL);
    expect_error(&refused, 403, "Forbidden", "AccessDenied", "secrets get permission");
    Answer replaced = arm_call("PUT", VAULTS "policies/accessPolicies/replace", policy_body(who, "\"secrets\":[\"get\"]").ptr);
    expect_status(&replaced, 200);
    refused = call("GET", "policies.vault", "/secrets" API, fix.nobody.vault_token, NULL);
    expect_status(&refused, 403);
    Answer removed = arm_call("PUT", VAULTS "policies/accessPolicies/remove", policy_body(who, "\"secrets\":[\"get\"]").ptr);
    expect_status(&removed, 200);
    assert_int_equal(json_count(json_path(removed.json, "properties.accessPolicies")), 1);
    refused = arm_call("PUT", VAULTS "policies/accessPolicies/steal", policy_body(who, "").ptr);
    expect_error(&refused, 400, "BadRequest", NULL, "steal");
    refused = arm_call("PUT", VAULTS "policies/accessPolicies/add", policy_body(who, "\"secrets\":[\"fly\"]").ptr);
    expect_error(&refused, 400, "BadRequest", NULL, "fly");
    refused = arm_call("PUT", VAULTS "policies/accessPolicies/add", "{}");
    expect_error(&refused, 400, "BadRequest", NULL, "accessPolicies");
}

static void test_who_has_no_role_makes_no_vault(void **state)
{
    (void)state;
    Str path = str_printf(fix.arena, "/subscriptions/" STR_FMT VAULTS "mine" ARM_API "%c", STR_ARG(fix.subscription), '\0');
    Answer answer = call("PUT", "management", path.ptr, fix.nobody.arm_token, "{}");
    expect_error(&answer, 403, "AuthorizationFailed", NULL, "Microsoft.KeyVault/vaults/write");
    answer = call("DELETE", "management", path.ptr, fix.nobody.arm_token, NULL);
    expect_error(&answer, 403, "AuthorizationFailed", NULL, "Microsoft.KeyVault/vaults/delete");
}

static void test_deleted_vault_keeps_its_name_until_purged(void **state)
{
    (void)state;
    Answer made = make_vault("gone", ",\"softDeleteRetentionInDays\":7");
    expect_status(&made, 201);
    Answer secret = call("PUT", "gone.vault", "/secrets/s" API, fix.owner.vault_token, "{\"value\":\"x\"}");
    expect_status(&secret, 200);
    Answer deleted = arm_call("DELETE", VAULTS "gone", NULL);
    expect_status(&deleted, 200);
    deleted = arm_call("DELETE", VAULTS "gone", NULL);
    expect_status(&deleted, 204);
    Answer no_host = call("GET", "gone.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&no_host, 404);
    Answer got = arm_call("GET", VAULTS "gone", NULL);
    expect_status(&got, 404);
    Answer again = make_vault("gone", "");
    expect_error(&again, 409, "ConflictError", NULL, "deleted state");
    Answer list = arm_call("GET", "/providers/Microsoft.KeyVault/deletedVaults", NULL);
    expect_status(&list, 200);
    assert_int_equal(json_count(json_get(list.json, "value")), 1);
    Answer one = arm_call("GET", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/gone", NULL);
    expect_status(&one, 200);
    assert_str(text_at(&one, "type"), "Microsoft.KeyVault/deletedVaults");

    Answer back = make_vault("gone", ",\"createMode\":\"recover\"");
    expect_status(&back, 200);
    assert_int_equal(int_at(&back, "properties.softDeleteRetentionInDays"), 7);
    Answer value = call("GET", "gone.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&value, 200);
    assert_str(text_at(&value, "value"), "x");

    deleted = arm_call("DELETE", VAULTS "gone", NULL);
    expect_status(&deleted, 200);
    Answer purged = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/gone/purge", NULL);
    expect_status(&purged, 200);
    purged = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/gone/purge", NULL);
    expect_error(&purged, 404, "DeletedVaultNotFound", NULL, "gone");
    Answer fresh = make_vault("gone", "");
    expect_status(&fresh, 201);
    value = call("GET", "gone.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_error(&value, 404, "SecretNotFound", NULL, "s was not found");
}

static void test_purge_protection_and_retention_decide_the_purge(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer made = make_vault("safe", ",\"softDeleteRetentionInDays\":7,\"enablePurgeProtection\":true");
    expect_status(&made, 201);
    Answer deleted = arm_call("DELETE", VAULTS "safe", NULL);
    expect_status(&deleted, 200);
    Answer purged = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/safe/purge", NULL);
    expect_error(&purged, 400, "MethodNotAllowed", NULL, "purge protection");
    set_object_time(start + 6 * 86400000LL);
    assert_int_equal(run_due("keyvault.vault_purge"), 0);
    set_object_time(start + 8 * 86400000LL);
    assert_int_equal(run_due("keyvault.vault_purge"), 1);
    Answer one = arm_call("GET", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/safe", NULL);
    expect_error(&one, 404, "DeletedVaultNotFound", NULL, "safe");
    set_object_time(real_now_ms());
}

static void test_group_that_goes_takes_its_vaults_softly(void **state)
{
    (void)state;
    Answer made = make_vault("grouped", "");
    expect_status(&made, 201);
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str id = str_upper(arena, text_at(&made, "id"));
    for (int i = 0; i < 2; i++)                             /* the job may run again */
        must(vault_delete_resource(fix.kv, arena, id, &fix_err));
    must(vault_delete_resource(fix.kv, arena, STR("/subscriptions/x/resourceGroups/y/providers/Microsoft.KeyVault/vaults/never"), &fix_err));
    Answer got = arm_call("GET", VAULTS "grouped", NULL);
    expect_status(&got, 404);
    Answer one = arm_call("GET", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/grouped", NULL);
    expect_status(&one, 200);
    Answer back = make_vault("grouped", ",\"createMode\":\"recover\"");
    expect_status(&back, 200);
    Answer listed = arm_call("GET", "/resources?$filter=resourceType%20eq%20'Microsoft.KeyVault/vaults'", NULL);
    expect_status(&listed, 200);
    size_t at;
    assert_true(str_find(listed.body, STR("/vaults/grouped\""), &at));
}

static void test_managed_hsms_are_none(void **state)
{
    (void)state;
    static const char *const paths[] = { "/providers/Microsoft.KeyVault/managedHSMs", "/providers/Microsoft.KeyVault/deletedManagedHSMs" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        Answer answer = arm_call("GET", paths[i], NULL);
        expect_status(&answer, 200);
        assert_int_equal(json_kind(json_get(answer.json, "value")), JSON_ARRAY);
    }
    Answer answer = arm_call("PUT", "/resourceGroups/" GROUP "/providers/Microsoft.KeyVault/managedHSMs/h", "{}");
    expect_error(&answer, 501, "NotImplemented", NULL, "ManagedHsmPut");
}

static void test_vaults_survive_a_restart(void **state)
{
    (void)state;
    Answer made = make_vault("durable", "");
    expect_status(&made, 201);
    Answer secret = call("PUT", "durable.vault", "/secrets/s" API, fix.owner.vault_token, "{\"value\":\"kept\"}");
    expect_status(&secret, 200);
    fixture_reopen();
    Answer value = call("GET", "durable.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&value, 200);
    assert_str(text_at(&value, "value"), "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created_vault_is_shown_with_uri_and_port),
        cmocka_unit_test(test_vaults_are_listed_in_pages),
        cmocka_unit_test(test_bad_vaults_are_refused_and_nothing_is_made),
        cmocka_unit_test(test_name_in_use_is_refused),
        cmocka_unit_test(test_patch_changes_what_it_names),
        cmocka_unit_test(test_access_policies_decide_at_once),
        cmocka_unit_test(test_who_has_no_role_makes_no_vault),
        cmocka_unit_test(test_deleted_vault_keeps_its_name_until_purged),
        cmocka_unit_test(test_purge_protection_and_retention_decide_the_purge),
        cmocka_unit_test(test_group_that_goes_takes_its_vaults_softly),
        cmocka_unit_test(test_managed_hsms_are_none),
        cmocka_unit_test(test_vaults_survive_a_restart),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
