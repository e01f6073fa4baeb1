/* test_diagnostics.c - bodies of diagnostic settings; which ids are of a storage account (a name becomes a directory). */
#include "../cm.h"
#include "keyvault/vaults/diagnostics.h"

#define ACCOUNTS "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/"
#define LOGS "\"logs\":[{\"category\":\"AuditEvent\",\"enabled\":true}]"

static void test_only_a_storage_account_names_a_directory(void **state)
{
    (void)state;
    assert_str(diagnostic_account(STR(ACCOUNTS "logs1")), "logs1");
    assert_str(diagnostic_account(STR("/SUBSCRIPTIONS/s/resourcegroups/g/PROVIDERS/microsoft.storage/storageaccounts/abc")), "abc");
    static const char *const bad[] = {
        "", "/", "logs", ACCOUNTS, ACCOUNTS "ab", ACCOUNTS "Upper", ACCOUNTS "..", ACCOUNTS "a/b", ACCOUNTS "a.b.c", ACCOUNTS "abc/", ACCOUNTS "abc/blobServices/default",
        ACCOUNTS "aaaaaaaaaaaaaaaaaaaaaaaaa", "/subscriptions//resourceGroups/g/providers/Microsoft.Storage/storageAccounts/abc",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/abc",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (diagnostic_account(str_from(bad[i])).ptr)
            fail_msg("'%s' was taken", bad[i]);
    assert_null(diagnostic_account(STR_NONE).ptr);
}

static void test_bodies_are_read_or_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *body; ErrCode code; const char *word; } cases[] = {
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\"," LOGS "}", ERR_NONE, "" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\",\"workspaceId\":null,\"eventHubName\":\"\",\"metrics\":[{\"enabled\":false}],\"logs\":[{\"categoryGroup\":\"allLogs\",\"enabled\":true}]}", ERR_NONE, "" },
        { "[]", ERR_BAD_INPUT, "properties" },
        { "{" LOGS "}", ERR_BAD_INPUT, "storageAccountId" },
        { "{\"storageAccountId\":7," LOGS "}", ERR_BAD_INPUT, "storageAccountId" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\"}", ERR_BAD_INPUT, "AuditEvent" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\",\"logs\":{}}", ERR_BAD_INPUT, "list" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\",\"logs\":[7]}", ERR_BAD_INPUT, "categories" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\",\"logs\":[{\"category\":\"AuditEvent\"}]}", ERR_BAD_INPUT, "enabled" },
        { "{\"storageAccountId\":\"" ACCOUNTS "abc\",\"workspaceId\":\"/x\"," LOGS "}", ERR_NOT_BUILT, "workspaceId" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const JsonVal *json;
        Diagnostic out;
        Err err = { 0 };
        size_t at;
        assert_true(json_parse(arena, str_from(cases[i].body), JSON_STRICT, &json, &err));
        bool good = diagnostic_read(json, &out, &err);
        if (good != (cases[i].code == ERR_NONE) || err.code != cases[i].code || (cases[i].word[0] && !str_find(str_from(err.text), str_from(cases[i].word), &at)))
            fail_msg("%s: %d %s", cases[i].body, (int)err.code, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_storage_account_names_a_directory),
        cmocka_unit_test(test_bodies_are_read_or_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
