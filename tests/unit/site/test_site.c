/* test_site.c - every URL carries the client-visible port, and vault URLs split without regard to case. */
#include "../cm.h"
#include "site/site.h"

static Site site_on(int port)
{
    return (Site){ .names = { .domain = STR("vaultyard.localhost"), .port = port, .location = STR("local") }, .tenant_id = STR("11111111-2222-4333-8444-555555555555") };
}

static void test_urls_carry_the_port(void **state)
{
    (void)state;
    Site site = site_on(8443);
    AUTO(arena_free_auto) Arena *arena = arena_new(8192);
    assert_str(site_url(&site, arena, STR("management")), "https://management.vaultyard.localhost:8443");
    assert_str(site_url(&site, arena, STR("")), "https://vaultyard.localhost:8443");
    assert_str(site_vault_url(&site, arena, STR("kv1")), "https://kv1.vault.vaultyard.localhost:8443");
    assert_str(site_vault_resource(&site, arena), "https://vault.vaultyard.localhost:8443");
    assert_str(site_batch_host(&site, arena, STR("acct"), STR("local")), "acct.local.batch.vaultyard.localhost:8443");
    assert_str(site_batch_resource(&site, arena), "https://batch.vaultyard.localhost:8443");
    assert_str(site_authority(&site, arena), "https://login.vaultyard.localhost:8443/11111111-2222-4333-8444-555555555555");
}

static void test_port_443_is_left_out(void **state)
{
    (void)state;
    Site site = site_on(443);
    AUTO(arena_free_auto) Arena *arena = arena_new(8192);
    assert_str(site_url(&site, arena, STR("login")), "https://login.vaultyard.localhost");
    assert_str(site_batch_host(&site, arena, STR("a"), STR("b")), "a.b.batch.vaultyard.localhost");
}

static void test_parts_with_another_name_are_called_by_it(void **state)
{
    (void)state;
    static const HttpAlias aliases[] = { { { "vault", 5 }, { "vault.azure.net", 15 } }, { { "batch", 5 }, { "batch.azure.com", 15 } },
                                         { { "login", 5 }, { "login.microsoftonline.com", 25 } } };
    Site site = site_on(443);
    site.names.aliases = aliases;
    site.names.alias_count = COUNT_OF(aliases);
    AUTO(arena_free_auto) Arena *arena = arena_new(8192);
    assert_str(site_vault_url(&site, arena, STR("kv1")), "https://kv1.vault.azure.net");
    assert_str(site_vault_resource(&site, arena), "https://vault.azure.net");
    assert_str(site_batch_host(&site, arena, STR("acct"), STR("westus2")), "acct.westus2.batch.azure.com");
    assert_str(site_batch_resource(&site, arena), "https://batch.core.windows.net");
    assert_str(site_authority(&site, arena), "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555");
    assert_str(site_url(&site, arena, STR("management")), "https://management.vaultyard.localhost");
    site.names.port = 8443;
    assert_str(site_vault_url(&site, arena, STR("kv1")), "https://kv1.vault.azure.net:8443");

    static const char *const ours[] = { "https://kv1.vault.azure.net/secrets/s", "https://KV1.Vault.Azure.net/secrets/s/", "https://kv1.vault.vaultyard.localhost:9/secrets/s" };
    static const char *const foreign[] = { "https://kv1.vault.azure.com/secrets/s", "https://a.kv1.vault.azure.net/secrets/s", "https://.vault.azure.net/secrets/s" };
    Str vault, collection, name, version;
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        Err err = { 0 };
        assert_true(site_split_vault_url(&site, arena, str_from(ours[i]), &vault, &collection, &name, &version, &err));
        assert_str(vault, "kv1");
    }
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        Err err = { 0 };
        assert_false(site_split_vault_url(&site, arena, str_from(foreign[i]), &vault, &collection, &name, &version, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_vault_urls_split_without_regard_to_case(void **state)
{
    (void)state;
    Site site = site_on(8443);
    static const struct { const char *url, *vault, *collection, *name, *version; } cases[] = {
        { "https://kv1.vault.vaultyard.localhost:8443/secrets/Name/abc", "kv1", "secrets", "Name", "abc" },
        { "HTTPS://KV1.Vault.VAULTYARD.localhost:8443/Secrets/Name", "kv1", "secrets", "Name", NULL },
        { "https://kv1.vault.vaultyard.localhost:9999/keys/k/", "kv1", "keys", "k", NULL },
        { "https://kv1.vault.vaultyard.localhost/keys/k//", "kv1", "keys", "k", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(8192);
        Str vault, collection, name, version;
        Err err = { 0 };
        assert_true(site_split_vault_url(&site, arena, str_from(cases[i].url), &vault, &collection, &name, &version, &err));
        assert_str(vault, cases[i].vault);
        assert_str(collection, cases[i].collection);
        assert_str(name, cases[i].name);
        assert_int_equal(version.ptr != NULL, cases[i].version != NULL);
        if (cases[i].version)
            assert_str(version, cases[i].version);
    }
}

static void test_foreign_and_broken_vault_urls_are_refused(void **state)
{
    (void)state;
    Site site = site_on(8443);
    static const char *const cases[] = {
        "", "http://kv1.vault.vaultyard.localhost:8443/secrets/a", "https://kv1.vault.azure.net/secrets/a",
        "https://vault.vaultyard.localhost:8443/secrets/a", "https://a.b.vault.vaultyard.localhost:8443/secrets/a",
        "https://kv1.vault.vaultyard.localhost.evil.example/secrets/a", "https://kv1.vault.vaultyard.localhost:0/secrets/a",
        "https://kv1.vault.vaultyard.localhost:/secrets/a", "https://kv1.vault.vaultyard.localhost:8443",
        "https://kv1.vault.vaultyard.localhost:8443/secrets", "https://kv1.vault.vaultyard.localhost:8443/secrets/",
        "https://kv1.vault.vaultyard.localhost:8443/secrets//a", "https://kv1.vault.vaultyard.localhost:8443/secrets/a/b/c",
        "https://user@kv1.vault.vaultyard.localhost:8443/secrets/a/b/c",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(8192);
        Str vault, collection, name, version;
        Err err = { 0 };
        if (site_split_vault_url(&site, arena, str_from(cases[i]), &vault, &collection, &name, &version, &err))
            fail_msg("accepted '%s'", cases[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_split_says_so_when_the_arena_is_full(void **state)
{
    (void)state;
    Site site = site_on(8443);
    AUTO(arena_free_auto) Arena *arena = arena_new(0);
    Str vault, collection, name, version;
    Err err = { 0 };
    assert_false(site_split_vault_url(&site, arena, STR("https://kv.vault.vaultyard.localhost/secrets/a"), &vault, &collection, &name, &version, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void test_audit_record_tells_caller_and_address(void **state)
{
    (void)state;
    Site site = site_on(8443);
    AUTO(arena_free_auto) Arena *arena = arena_new(8192);
    Route route = { .operation = "SecretGet" };
    Caller caller = { .object_id = STR("oid"), .app_id = STR("app"), .tenant_id = STR("tid") };
    Req req = { .arena = arena, .route = &route, .caller = &caller, .host = STR("kv.vault.vaultyard.localhost:8443"), .path = STR("/secrets/a"),
                .query = STR("api-version=7.4"), .request_id = STR("ours"), .client_ip = STR("127.0.0.1") };
    AuditRecord record = site_audit_record(&site, &req, STR("/subscriptions/s"), 403, STR("Forbidden"));
    assert_str(record.operation, "SecretGet");
    assert_str(record.request_uri, "https://kv.vault.vaultyard.localhost:8443/secrets/a?api-version=7.4");
    assert_str(record.correlation_id, "ours");
    assert_str(record.caller_object_id, "oid");
    assert_int_equal(record.http_status, 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_carry_the_port),
        cmocka_unit_test(test_port_443_is_left_out),
        cmocka_unit_test(test_parts_with_another_name_are_called_by_it),
        cmocka_unit_test(test_vault_urls_split_without_regard_to_case),
        cmocka_unit_test(test_foreign_and_broken_vault_urls_are_refused),
        cmocka_unit_test(test_split_says_so_when_the_arena_is_full),
        cmocka_unit_test(test_audit_record_tells_caller_and_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
