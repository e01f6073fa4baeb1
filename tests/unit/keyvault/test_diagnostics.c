/* test_diagnostics.c - bodies of diagnostic settings; which ids are of a storage account (a name becomes a directory). */
#include "../store/store_fixture.h"
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

typedef struct Hold { AuditPlace most; } Hold;

static bool hold_txn(Txn *txn, void *ctx, Err *err)
{
    return keyvault_hold_audit(NULL, txn, &((Hold *)ctx)->most, err);
}

static void holds(Place *place, AuditPlace most, int64_t writes, int64_t reads)
{
    Hold hold = { most };
    must(store_read(place->store, hold_txn, &hold, E));
    assert_int_equal(hold.most.writes, writes);
    assert_int_equal(hold.most.reads, reads);
}

static void test_what_is_not_delivered_yet_is_held_and_never_more_than_others_hold(void **state)
{
    (void)state;
    Place place;
    place_make(&place);
    place_open(&place);
    holds(&place, (AuditPlace){ .writes = 100, .reads = 200 }, 100, 200);
    write_sql(place.store, "INSERT INTO kv_diagnostic_place (id, writes, reads) VALUES (1, 7, 300)");
    holds(&place, (AuditPlace){ .writes = INT64_MAX, .reads = INT64_MAX }, 7, 300);
    holds(&place, (AuditPlace){ .writes = 100, .reads = 200 }, 7, 200);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_storage_account_names_a_directory),
        cmocka_unit_test(test_bodies_are_read_or_refused_by_name),
        cmocka_unit_test(test_what_is_not_delivered_yet_is_held_and_never_more_than_others_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
