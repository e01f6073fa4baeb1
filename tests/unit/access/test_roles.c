/* test_roles.c - which built-in role may do what, and how action patterns match. */
#include "../cm.h"
#include "access/roles.h"
#include "base/id.h"

static void test_patterns_match_as_the_service_does(void **state)
{
    (void)state;
    static const struct { const char *pattern, *action; bool wanted; } cases[] = {
        { "*", "Microsoft.KeyVault/vaults/write", true },
        { "*/read", "Microsoft.KeyVault/vaults/read", true },
        { "*/read", "Microsoft.KeyVault/vaults/readAll/action", false },
        { "Microsoft.KeyVault/*", "microsoft.keyvault/VAULTS/delete", true },
        { "Microsoft.KeyVault/*", "Microsoft.KeyVaultX/vaults/delete", false },
        { "Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/read", true },
        { "Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", true },
        { "Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaultsread", false },
        { "a/*/assign/action", "a/assign/action", true },
        { "a/*/assign/action", "a/b/c/assign/action", true },
        { "a/*/assign/action", "a/assign/actions", false },
        { "Microsoft.Batch/batchAccounts/jobs/*", "Microsoft.Batch/batchAccounts/jobs", false },
        { "Microsoft.Batch/batchAccounts/read", "Microsoft.Batch/batchAccounts/read", true },
        { "", "x", false }, { "x", "", false }, { "", "", true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (action_matches(cases[i].pattern, str_from(cases[i].action)) != cases[i].wanted)
            fail_msg("'%s' should %smatch '%s'", cases[i].pattern, cases[i].wanted ? "" : "not ", cases[i].action);
}

static bool may(const char *role_name, const char *action, bool is_data)
{
    const Role *role;
    for (size_t i = 0; (role = role_at(i)); i++)
        if (strcmp(role->name, role_name) == 0)
            return role_allows(role, str_from(action), is_data);
    fail_msg("no role %s", role_name);
    return false;
}

static void test_roles_allow_what_their_names_promise(void **state)
{
    (void)state;
    static const struct { const char *role, *action; bool is_data, wanted; } cases[] = {
        { "Owner", "Microsoft.Authorization/roleAssignments/write", false, true },
        { "Owner", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, false },
        { "Contributor", "Microsoft.Batch/batchAccounts/write", false, true },
        { "Contributor", "Microsoft.Batch/batchAccounts/listKeys/action", false, true },
        { "Contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, true },
        { "Contributor", "Microsoft.Authorization/roleAssignments/write", false, false },
        { "Contributor", "Microsoft.Authorization/roleAssignments/delete", false, false },
        { "Contributor", "Microsoft.Authorization/roleAssignments/read", false, true },
        { "Reader", "Microsoft.KeyVault/vaults/read", false, true },
        { "Reader", "Microsoft.KeyVault/vaults/write", false, false },
        { "Reader", "Microsoft.Batch/batchAccounts/listKeys/action", false, false },
        { "User Access Administrator", "Microsoft.Authorization/roleAssignments/write", false, true },
        { "User Access Administrator", "Microsoft.KeyVault/vaults/write", false, false },
        { "Managed Identity Operator", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, true },
        { "Managed Identity Operator", "Microsoft.ManagedIdentity/userAssignedIdentities/read", false, true },
        { "Managed Identity Operator", "Microsoft.ManagedIdentity/userAssignedIdentities/write", false, false },
        { "Managed Identity Contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/write", false, true },
        { "Managed Identity Contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, false },
        { "Key Vault Contributor", "Microsoft.KeyVault/vaults/accessPolicies/write", false, true },
        { "Key Vault Contributor", "Microsoft.KeyVault/locations/deletedVaults/purge/action", false, false },
        { "Key Vault Contributor", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, false },
        { "Key Vault Administrator", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, true },
        { "Key Vault Secrets User", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, true },
        { "Key Vault Secrets User", "Microsoft.KeyVault/vaults/secrets/setSecret/action", true, false },
        { "Key Vault Reader", "Microsoft.KeyVault/vaults/secrets/readMetadata/action", true, true },
        { "Key Vault Reader", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, false },
        { "Key Vault Crypto Service Encryption User", "Microsoft.KeyVault/vaults/keys/unwrap/action", true, true },
        { "Key Vault Crypto Service Encryption User", "Microsoft.KeyVault/vaults/keys/sign/action", true, false },
        { "Key Vault Purge Operator", "Microsoft.KeyVault/locations/deletedVaults/purge/action", false, true },
        { "Azure Batch Job Submitter", "Microsoft.Batch/batchAccounts/jobs/write", true, true },
        { "Azure Batch Job Submitter", "Microsoft.Batch/batchAccounts/pools/write", false, false },
        { "Azure Batch Data Contributor", "Microsoft.Batch/batchAccounts/pools/write", false, true },
        { "Azure Batch Data Contributor", "Microsoft.Batch/batchAccounts/write", false, false },
        { "Azure Batch Account Reader", "Microsoft.Batch/batchAccounts/jobs/read", true, true },
        { "Azure Batch Account Reader", "Microsoft.Batch/batchAccounts/jobs/write", true, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (may(cases[i].role, cases[i].action, cases[i].is_data) != cases[i].wanted)
            fail_msg("%s should %sbe allowed %s", cases[i].role, cases[i].wanted ? "" : "not ", cases[i].action);
}

static void test_table_is_sound(void **state)
{
    (void)state;
    const Role *role, *other;
    for (size_t i = 0; (role = role_at(i)); i++) {
        assert_true(guid_is_valid(str_from(role->guid)));
        assert_true(role->name[0] && role->description[0]);
        assert_ptr_equal(role_find(str_from(role->guid)), role);
        assert_int_equal(role->permission_count, 1);
        assert_true(role->permissions->actions || role->permissions->data_actions);
        for (size_t j = 0; (other = role_at(j)); j++)
            assert_true(i == j || (strcmp(role->guid, other->guid) != 0 && strcmp(role->name, other->name) != 0));
        for (size_t a = 0; role->may_assign && role->may_assign[a]; a++)
            assert_non_null(role_find(str_from(role->may_assign[a])));
    }
    assert_null(role_find(STR("00000000-0000-0000-0000-000000000000")));
    assert_non_null(role_find(STR("8E3AF657-A8FF-443C-A75C-2FE8C4BCB635")));
}

static void test_vault_access_administrator_assigns_data_roles_only(void **state)
{
    (void)state;
    const Role *bound = role_find(STR("8b54135c-b56d-4d72-a534-26097cfdc8d8"));
    assert_true(role_may_assign(bound, STR("4633458b-17de-408a-b874-0445c86b69e6")));
    assert_false(role_may_assign(bound, STR("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")));
    assert_true(role_may_assign(role_find(STR("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9")), STR("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_match_as_the_service_does),
        cmocka_unit_test(test_roles_allow_what_their_names_promise),
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_vault_access_administrator_assigns_data_roles_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
