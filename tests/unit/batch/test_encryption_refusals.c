#include "customer.h"

static World world;

#define NO_KEY_YET "SELECT COUNT(*) FROM scope_key WHERE wrapped_by <> 'root'"
#define ID_FIELD   "properties.encryption.keyVaultProperties.keyIdentifier"

static int set_up(void **state)
{
    (void)state;
    world.runs = true;
    world_open(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* Refused, naming field and reason, and nothing is other than before. */
static void refuses_key(Str kid, const char *code, const char *word)
{
    size_t at;
    Answer refused = set_key(&world, kid);
    expect_error(refused, 400, code);
    assert_str(answer_text(&refused, "error.target"), ID_FIELD);
    if (!str_find(answer_text(&refused, "error.message"), str_from(word), &at))
        fail_msg("no '%s' in " STR_FMT, word, STR_ARG(refused.body));
    Answer got = arm_call(&world, "GET", ACCOUNT_PATH, STR_NONE);
    assert_str(answer_text(&got, "properties.encryption.keySource"), "Microsoft.Batch");
    assert_int_equal(read_int(world.site.store, NO_KEY_YET), 0);
    expect_status(arm_call(&world, "POST", ACCOUNT_PATH "/listKeys", STR("")), 200);
}

static void test_keys_that_do_not_fit(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    refuses_key(make_key(&world, "kv1", "ec", "{\"kty\":\"EC\",\"crv\":\"P-256\"}"), "InvalidEncryptionKey", "RSA");
    refuses_key(make_key(&world, "kv1", "sign", "{\"kty\":\"RSA\",\"key_ops\":[\"sign\",\"verify\"]}"), "InvalidEncryptionKey", "unwrapKey");
    refuses_key(make_key(&world, "kv1", "wrap", "{\"kty\":\"RSA\",\"key_ops\":[\"wrapKey\"]}"), "InvalidEncryptionKey", "unwrapKey");
    refuses_key(make_key(&world, "kv1", "off", "{\"kty\":\"RSA\",\"attributes\":{\"enabled\":false}}"), "InvalidEncryptionKey", "disabled");
    refuses_key(make_key(&world, "kv1", "old", "{\"kty\":\"RSA\",\"attributes\":{\"exp\":1000000000}}"), "KeyVaultAccessDenied", "expired");
    Str kid = make_key(&world, "kv1", "good", RSA_KEY);
    refuses_key(str_printf(world.arena, STR_FMT "/00000000000000000000000000000000", STR_ARG(without_version(kid))), "InvalidEncryptionKey", "good");
    refuses_key(str_printf(world.arena, STR_FMT "x", STR_ARG(without_version(kid))), "InvalidEncryptionKey", "goodx");
    expect_status(vault_call(&world, "DELETE", "kv1", "/keys/good", STR_NONE), 200);
    refuses_key(kid, "InvalidEncryptionKey", "good");
}

static void test_a_vault_without_purge_protection(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", false, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    refuses_key(make_key(&world, "kv1", "k1", RSA_KEY), "InvalidEncryptionKey", "purge protection");
}

static void test_an_identity_without_access(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "");
    make_vault(&world, "kv2", true, principal, "\"get\"");
    make_vault(&world, "kv3", true, principal, "\"get\",\"wrapKey\"");
    make_vault(&world, "kv4", true, principal, "\"wrapKey\",\"unwrapKey\"");
    refuses_key(make_key(&world, "kv1", "k1", RSA_KEY), "KeyVaultAccessDenied", "keys get");
    refuses_key(make_key(&world, "kv2", "k1", RSA_KEY), "KeyVaultAccessDenied", "keys wrapKey");
    refuses_key(make_key(&world, "kv3", "k1", RSA_KEY), "KeyVaultAccessDenied", "keys unwrapKey");
    refuses_key(make_key(&world, "kv4", "k1", RSA_KEY), "KeyVaultAccessDenied", "keys get");
}

static void test_identifiers_that_are_none(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    (void)make_key(&world, "kv1", "k1", RSA_KEY);
    int calls = world.vault_calls;
    static const char *const bad[] = {
        "", "k1", "http://kv1.vault.vaultyard.localhost/keys/k1", "https://kv1.vault.azure.net/keys/k1", "https://vault.vaultyard.localhost/keys/k1",
        "https://kv1.vault.vaultyard.localhost.evil.example/keys/k1", "https://evil.example/keys/k1", "https://kv1.vault.vaultyard.localhost/secrets/k1",
        "https://kv1.vault.vaultyard.localhost/keys", "https://kv1.vault.vaultyard.localhost/keys/k1/v1", "https://kv1.vault.vaultyard.localhost/keys/k1?x=",
        "https://kv1.vault.vaultyard.localhost/keys/k1/../k2", "https://user@kv1.vault.vaultyard.localhost/keys/k1", "https://kv1.vault.vaultyard.localhost/keys/k%201",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refuses_key(str_from(bad[i]), "InvalidPropertyValue", "keyIdentifier");
    assert_int_equal(world.vault_calls, calls);             /* nobody was asked, so no token went anywhere */
}

static void test_bodies_that_contradict_themselves(void **state)
{
    (void)state;
    (void)make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    static const struct { const char *encryption, *code, *target; } cases[] = {
        { "{\"keySource\":\"Microsoft.Keyvualt\"}", "InvalidPropertyValue", "properties.encryption.keySource" },
        { "{\"keySource\":7}", "InvalidPropertyValue", "properties.encryption.keySource" },
        { "{\"keysource\":\"Microsoft.Batch\"}", "InvalidRequestBody", "properties.encryption.keysource" },
        { "{\"keySource\":\"Microsoft.KeyVault\"}", "InvalidPropertyValue", ID_FIELD },
        { "{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{}}", "InvalidPropertyValue", ID_FIELD },
        { "{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyIdentifier\":1}}", "InvalidPropertyValue", ID_FIELD },
        { "{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyId\":\"x\"}}", "InvalidRequestBody", "properties.encryption.keyVaultProperties.keyId" },
        { "{\"keySource\":\"Microsoft.Batch\",\"keyVaultProperties\":{\"keyIdentifier\":\"https://kv1.vault.vaultyard.localhost/keys/k1\"}}", "InvalidPropertyValue", ID_FIELD },
        { "{\"keyVaultProperties\":{\"keyIdentifier\":\"https://kv1.vault.vaultyard.localhost/keys/k1\"}}", "InvalidPropertyValue", "properties.encryption.keySource" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = arm_call(&world, "PATCH", ACCOUNT_PATH, str_printf(world.arena, "{\"tags\":{\"a\":\"b\"},\"properties\":{\"encryption\":%s}}", cases[i].encryption));
        expect_error(refused, 400, cases[i].code);
        assert_str(answer_text(&refused, "error.target"), cases[i].target);
    }
    Answer got = arm_call(&world, "GET", ACCOUNT_PATH, STR_NONE);
    assert_null(answer_text(&got, "tags.a").ptr);
    assert_int_equal(world.vault_calls, 0);
}

static void test_accounts_that_cannot_have_a_key(void **state)
{
    (void)state;
    size_t at;
    static const char *const kid = "https://kv1.vault.vaultyard.localhost/keys/k1";
    Str encryption = str_printf(world.arena, "\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyIdentifier\":\"%s\"}}}", kid);
    (void)arm_call(&world, "PUT", GROUP_PATH, STR("{\"location\":\"westus2\"}"));
    /* at creation: without an identity, or with one that is only being made */
    Answer refused = arm_call(&world, "PUT", ACCOUNT_PATH, str_printf(world.arena, "{\"location\":\"westus2\"," STR_FMT "}", STR_ARG(encryption)));
    expect_error(refused, 400, "InvalidPropertyValue");
    assert_str(answer_text(&refused, "error.target"), "identity.type");
    refused = arm_call(&world, "PUT", ACCOUNT_PATH, str_printf(world.arena, "{\"location\":\"westus2\",\"identity\":{\"type\":\"SystemAssigned\"}," STR_FMT "}", STR_ARG(encryption)));
    expect_error(refused, 400, "InvalidPropertyValue");
    assert_true(str_find(answer_text(&refused, "error.message"), STR("create the account with it"), &at));
    expect_error(arm_call(&world, "GET", ACCOUNT_PATH, STR_NONE), 404, "ResourceNotFound");
    /* made without an identity: not later either */
    make_account(&world, "acct");
    refused = set_key(&world, str_from(kid));
    expect_error(refused, 400, "InvalidPropertyValue");
    assert_true(str_find(answer_text(&refused, "error.message"), STR("created with an identity"), &at));
    Answer given = arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"identity\":{\"type\":\"SystemAssigned\"}}"));
    expect_status(given, 200);
    make_vault(&world, "kv1", true, answer_text(&given, "identity.principalId"), "\"get\",\"wrapKey\",\"unwrapKey\"");
    (void)make_key(&world, "kv1", "k1", RSA_KEY);
    expect_error(set_key(&world, str_from(kid)), 400, "InvalidPropertyValue");
    expect_error(set_key(&world, STR("https://other.vault.vaultyard.localhost/keys/k1")), 400, "InvalidPropertyValue");
    assert_int_equal(world.vault_calls, 0);
}

static void test_an_identity_that_was_taken_away(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    Str kid = make_key(&world, "kv1", "k1", RSA_KEY);
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"identity\":{\"type\":\"None\"}}")), 200);
    Answer refused = set_key(&world, kid);
    expect_error(refused, 400, "InvalidPropertyValue");
    assert_str(answer_text(&refused, "error.target"), "identity.type");
}

static void test_a_vault_that_is_silent(void **state)
{
    (void)state;
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    Str kid = make_key(&world, "kv1", "k1", RSA_KEY);
    world.vaults_are_silent = true;
    Answer refused = set_key(&world, kid);
    expect_status(refused, 503);
    assert_int_equal(read_int(world.site.store, NO_KEY_YET), 0);
    world.vaults_are_silent = false;
    expect_status(set_key(&world, kid), 200);
}

static void test_who_may_not_write_the_account_may_not_set_a_key(void **state)
{
    (void)state;
    (void)make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    Str path = str_printf(world.arena, "management/subscriptions/" STR_FMT ACCOUNT_PATH "?api-version=2021-01-01", STR_ARG(world.subscription));
    Str body = STR("{\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyIdentifier\":\"https://kv1.vault.vaultyard.localhost/keys/k1\"}}}}");
    expect_status(world_call(&world, "PATCH", STR_NONE, path, body), 401);
    expect_error(world_call(&world, "PATCH", world.reader_token, path, body), 403, "AuthorizationFailed");
    expect_error(world_call(&world, "PATCH", world.nobody_token, path, body), 403, "AuthorizationFailed");
    assert_int_equal(world.vault_calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_keys_that_do_not_fit),
        TEST(test_a_vault_without_purge_protection),
        TEST(test_an_identity_without_access),
        TEST(test_identifiers_that_are_none),
        TEST(test_bodies_that_contradict_themselves),
        TEST(test_accounts_that_cannot_have_a_key),
        TEST(test_an_identity_that_was_taken_away),
        TEST(test_a_vault_that_is_silent),
        TEST(test_who_may_not_write_the_account_may_not_set_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
