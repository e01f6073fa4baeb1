/* test_operations.c - which actions a custom role may name. */
#include "../cm.h"
#include "access/operations.h"
#include "access/roles.h"

static void test_actions_are_known_as_the_service_knows_them(void **state)
{
    (void)state;
    static const struct { const char *action; bool is_data; ActionIs wanted; } cases[] = {
        { "Microsoft.KeyVault/vaults/read", false, ACTION_PUBLISHED },
        { "microsoft.keyvault/VAULTS/Read", false, ACTION_PUBLISHED },
        { "Microsoft.KeyVault/vaults/raed", false, ACTION_UNKNOWN },
        { "Microsoft.KeyVault/vaults", false, ACTION_UNKNOWN },
        { "Microsoft.KeyVault/vaults/*/read", false, ACTION_PUBLISHED },
        { "Microsoft.KeyVault/valts/*", false, ACTION_UNKNOWN },
        { "Microsoft.KeyVault", false, ACTION_UNKNOWN },
        { "Microsoft.KeyVualt/vaults/read", false, ACTION_OF_NO_PROVIDER },
        { "microsoft.directory/applications/createAsOwner", false, ACTION_OF_NO_PROVIDER },
        { "*", false, ACTION_PUBLISHED }, { "*/read", false, ACTION_PUBLISHED }, { "*/raed", false, ACTION_UNKNOWN }, { "", false, ACTION_OF_NO_PROVIDER },
        { "Microsoft.*/read", false, ACTION_PUBLISHED },
        { "Microsoft.Compute/virtualMachines/start/action", false, ACTION_PUBLISHED },      /* not here, and not ours to judge */
        { "Microsoft.Compute/*", false, ACTION_PUBLISHED }, { "Microsoft.Compute", false, ACTION_UNKNOWN }, { "Microsoft.Compute/", false, ACTION_UNKNOWN },
        { "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, ACTION_PUBLISHED },
        { "Microsoft.KeyVault/vaults/secrets/getSecret/action", false, ACTION_UNKNOWN },    /* a data action among the actions */
        { "Microsoft.KeyVault/vaults/write", true, ACTION_UNKNOWN },                        /* and the other way round */
        { "Microsoft.Batch/batchAccounts/jobs/*", true, ACTION_PUBLISHED }, { "Microsoft.Batch/batchAccounts/jobs/*", false, ACTION_UNKNOWN },
        { "Microsoft.Authorization/*/read", true, ACTION_WITHOUT_DATA }, { "Microsoft.ManagedIdentity/userAssignedIdentities/read", true, ACTION_WITHOUT_DATA },
        { "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true, ACTION_PUBLISHED },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (operation_match(cases[i].action, cases[i].is_data) != cases[i].wanted)
            fail_msg("'%s' (data: %d) is %d, not %d", cases[i].action, cases[i].is_data, operation_match(cases[i].action, cases[i].is_data), cases[i].wanted);
}

static void assert_published(const Role *role, const char *const *list, bool is_data)
{
    for (; list && *list; list++)
        if (operation_match(*list, is_data) != ACTION_PUBLISHED)
            fail_msg("%s names '%s', which is no operation", role->name, *list);
}

static void test_built_in_roles_name_operations_that_are_there(void **state)
{
    (void)state;
    const Role *role;
    for (size_t i = 0; (role = role_at(i)); i++)
        for (size_t k = 0; k < role->permission_count; k++) {
            assert_published(role, role->permissions[k].actions, false);
            assert_published(role, role->permissions[k].not_actions, false);
            assert_published(role, role->permissions[k].data_actions, true);
            assert_published(role, role->permissions[k].not_data_actions, true);
        }
}

static void test_the_table_has_each_operation_once(void **state)
{
    (void)state;
    const Operation *one, *other;
    for (size_t i = 0; (one = operation_at(i)); i++) {
        assert_true(one->name[0] && one->description[0] && !strchr(one->name, '*'));
        for (size_t k = 0; k < i && (other = operation_at(k)); k++)
            if (one->is_data == other->is_data && str_eq_nocase(str_from(one->name), str_from(other->name)))
                fail_msg("%s is there twice", one->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions_are_known_as_the_service_knows_them),
        cmocka_unit_test(test_built_in_roles_name_operations_that_are_there),
        cmocka_unit_test(test_the_table_has_each_operation_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
