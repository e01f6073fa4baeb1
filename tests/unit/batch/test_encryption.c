#include "customer.h"

static World world;
static Str principal, kid;              /* of the account; of its key k1 in vault kv1, with version */

#define HANDED "SELECT COUNT(*) FROM scope_key WHERE wrapped_by LIKE 'handed:%'"
#define ACCESS "SELECT access FROM batch_encryption"
#define CUSTOMER_MAY "\"get\",\"wrapKey\",\"unwrapKey\""

static int set_up(void **state)
{
    (void)state;
    world.runs = true;
    world_open(&world);
    principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, CUSTOMER_MAY);
    kid = make_key(&world, "kv1", "k1", RSA_KEY);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static Answer account(void) { return arm_call(&world, "GET", ACCOUNT_PATH, STR_NONE); }

static Str version_now(void)
{
    Answer got = account();
    Str current = answer_text(&got, "properties.encryption.keyAccess.currentKeyIdentifier");
    return str_slice(current, current.len - 32, current.len);
}

static Str version_of(Str key) { return str_slice(key, key.len - 32, key.len); }

static void enable(Str key, bool enabled)
{
    Str path = str_slice(key, strlen("https://kv1.vault.vaultyard.localhost:"), key.len);
    (void)str_cut(&path, '/');
    expect_status(vault_call(&world, "PATCH", "kv1", str_printf(world.arena, "/" STR_FMT, STR_ARG(path)).ptr,
                             enabled ? STR("{\"attributes\":{\"enabled\":true}}") : STR("{\"attributes\":{\"enabled\":false}}")), 200);
}

static void is_open(void)
{
    Answer got = account();
    assert_str(answer_text(&got, "properties.encryption.keyAccess.state"), "Available");
    expect_status(arm_call(&world, "POST", ACCOUNT_PATH "/listKeys", STR("")), 200);
    expect_status(data_call(&world, "GET", "/pools", STR_NONE), 200);
}

static void is_disabled(void)
{
    static const struct { const char *method, *path, *body; } calls[] = {
        { "POST", ACCOUNT_PATH "/listKeys", "" },
        { "POST", ACCOUNT_PATH "/regenerateKeys", "{\"keyName\":\"Primary\"}" },
        { "GET", ACCOUNT_PATH "/pools", NULL },
        { "GET", ACCOUNT_PATH "/pools/p1", NULL },
        { "DELETE", ACCOUNT_PATH "/pools/p1", NULL },
        { "PATCH", ACCOUNT_PATH, "{\"tags\":{\"a\":\"b\"}}" },
        { "PATCH", ACCOUNT_PATH, "{\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.Batch\"}}}" },
        { "PUT", ACCOUNT_PATH, "{\"location\":\"westus2\"}" },
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        expect_error(arm_call(&world, calls[i].method, calls[i].path, str_from(calls[i].body)), 403, "AccountIsDisabled");
    expect_error(make_pool(&world, "p9", 1, "", STR_NONE), 403, "AccountIsDisabled");
    expect_error(set_key(&world, kid), 403, "AccountIsDisabled");
    Answer refused = data_call(&world, "GET", "/pools", STR_NONE);
    expect_error(refused, 403, "AccountIsDisabled");
    size_t at;
    assert_true(str_find(answer_text(&refused, "message.value"), without_version(kid), &at));
    assert_true(str_find(answer_text(&refused, "message.value"), STR("Recover or enable the key"), &at));
    expect_error(data_call(&world, "POST", "/pools", STR("{\"id\":\"p2\"}")), 403, "AccountIsDisabled");
    Answer got = account();
    expect_status(got, 200);
    assert_str(answer_text(&got, "properties.encryption.keyAccess.state"), "Lost");
    assert_non_null(answer_text(&got, "properties.encryption.keyAccess.lostAt").ptr);
    assert_true(answer_text(&got, "properties.encryption.keyAccess.reason").len > 0);
    got = arm_call(&world, "GET", GROUP_PATH "/providers/Microsoft.Batch/batchAccounts", STR_NONE);
    expect_status(got, 200);
}

static void test_a_key_is_taken_after_it_was_proved(void **state)
{
    (void)state;
    assert_int_equal(read_int(world.site.store, HANDED), 0);
    Answer set = set_key(&world, kid);
    expect_status(set, 200);
    assert_str(answer_text(&set, "properties.encryption.keySource"), "Microsoft.KeyVault");
    assert_true(str_eq(answer_text(&set, "properties.encryption.keyVaultProperties.keyIdentifier"), kid));
    assert_true(str_eq(answer_text(&set, "properties.encryption.keyAccess.currentKeyIdentifier"), kid));
    assert_str(answer_text(&set, "properties.encryption.keyAccess.algorithm"), "RSA-OAEP-256");
    assert_true(str_eq(answer_text(&set, "properties.encryption.keyAccess.principalId"), principal));
    assert_int_equal(answer_int(&set, "properties.encryption.keyAccess.checkPeriodSeconds"), 60);
    assert_int_equal(read_int(world.site.store, HANDED), 1);
    is_open();
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    assert_int_equal(read_int(world.site.store, "SELECT scrub FROM batch_encryption"), 0);
    /* what was read may be sent again */
    expect_status(arm_call(&world, "PUT", ACCOUNT_PATH, json_text(world.arena, set.json)), 200);
    is_open();
}

static void test_other_changes_leave_the_key_alone(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    int64_t revision = read_int(world.site.store, "SELECT revision FROM batch_encryption");
    int calls = world.vault_calls;
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"tags\":{\"a\":\"b\"}}")), 200);
    expect_status(arm_call(&world, "PUT", ACCOUNT_PATH, STR("{\"location\":\"westus2\"}")), 200);
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.KeyVault\"}}}")), 200);
    assert_int_equal(world.vault_calls, calls);
    assert_int_equal(read_int(world.site.store, "SELECT revision FROM batch_encryption"), revision);
    is_open();
}

static void test_a_version_in_the_identifier_pins(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    Str second = make_key(&world, "kv1", "k1", RSA_KEY);
    probe(&world);
    assert_true(str_eq(version_now(), version_of(kid)));
    /* the new one is set as the document does: by the identifier alone */
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, str_printf(world.arena, "{\"properties\":{\"encryption\":{\"keyVaultProperties\":{\"keyIdentifier\":\"" STR_FMT "\"}}}}",
                                                                     STR_ARG(second))), 200);
    assert_true(str_eq(version_now(), version_of(second)));
    enable(kid, false);                 /* the old one is not needed any more */
    probe(&world);
    is_open();
    enable(second, false);
    probe(&world);
    is_disabled();
}

static void test_an_identifier_without_version_is_followed(void **state)
{
    (void)state;
    expect_status(set_key(&world, without_version(kid)), 200);
    assert_true(str_eq(version_now(), version_of(kid)));
    int64_t revision = read_int(world.site.store, "SELECT revision FROM batch_encryption");
    probe(&world);
    assert_int_equal(read_int(world.site.store, "SELECT revision FROM batch_encryption"), revision);
    Str second = make_key(&world, "kv1", "k1", RSA_KEY);
    probe(&world);
    assert_true(str_eq(version_now(), version_of(second)));
    enable(kid, false);
    probe(&world);
    is_open();
    Answer got = account();
    assert_true(str_eq(answer_text(&got, "properties.encryption.keyVaultProperties.keyIdentifier"), without_version(kid)));
    /* rotated and the old one switched off at once: the data key is still in memory */
    Str third = make_key(&world, "kv1", "k1", RSA_KEY);
    enable(second, false);
    probe(&world);
    is_open();
    assert_true(str_eq(version_now(), version_of(third)));
}

static void test_a_newest_version_that_does_not_fit_is_said_and_not_followed(void **state)
{
    (void)state;
    expect_status(set_key(&world, without_version(kid)), 200);
    (void)make_key(&world, "kv1", "k1", "{\"kty\":\"RSA\",\"key_ops\":[\"sign\",\"verify\"]}");
    probe(&world);
    is_open();
    assert_true(str_eq(version_now(), version_of(kid)));
    size_t at;
    Answer got = account();
    assert_true(str_find(answer_text(&got, "properties.encryption.keyAccess.reason"), STR("not followed"), &at));
    Str good = make_key(&world, "kv1", "k1", RSA_KEY);
    probe(&world);
    assert_true(str_eq(version_now(), version_of(good)));
    got = account();
    assert_null(answer_text(&got, "properties.encryption.keyAccess.reason").ptr);
}

static void test_another_key_in_another_vault(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    make_vault(&world, "kv2", true, principal, CUSTOMER_MAY);
    Str other = make_key(&world, "kv2", "other", RSA_KEY);
    expect_status(set_key(&world, other), 200);
    expect_status(vault_call(&world, "DELETE", "kv1", "/keys/k1", STR_NONE), 200);
    probe(&world);
    is_open();
    world_restart(&world);
    probe(&world);
    is_open();
}

static void test_a_disabled_key_disables_the_account_until_it_is_back(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    expect_status(make_pool(&world, "p1", 0, "", STR_NONE), 200);
    enable(kid, false);
    probe(&world);
    is_disabled();
    probe(&world);
    is_disabled();
    enable(kid, true);
    is_disabled();                      /* until it is tried */
    probe(&world);
    is_open();
    Answer got = account();
    Str lost = answer_text(&got, "properties.encryption.keyAccess.lostAt"), back = answer_text(&got, "properties.encryption.keyAccess.restoredAt");
    assert_true(str_cmp(back, lost) >= 0);
    expect_status(arm_call(&world, "GET", ACCOUNT_PATH "/pools/p1", STR_NONE), 200);
}

static void test_a_policy_that_was_removed(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\"");
    probe(&world);
    is_disabled();
    make_vault(&world, "kv1", true, principal, "\"unwrapKey\"");
    probe(&world);
    is_open();
}

static void test_a_deleted_key_comes_back_by_recovery(void **state)
{
    (void)state;
    expect_status(set_key(&world, without_version(kid)), 200);
    expect_status(vault_call(&world, "DELETE", "kv1", "/keys/k1", STR_NONE), 200);
    probe(&world);
    is_disabled();
    expect_status(vault_call(&world, "DELETE", "kv1", "/deletedkeys/k1", STR_NONE), 403);      /* purge protection */
    expect_status(vault_call(&world, "POST", "kv1", "/deletedkeys/k1/recover", STR("")), 200);
    probe(&world);
    is_open();
}

static void test_a_deleted_vault_comes_back_by_recovery(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    expect_status(arm_call(&world, "DELETE", VAULT_PATH "kv1", STR_NONE), 200);
    probe(&world);
    is_disabled();
    Answer back = arm_call(&world, "PUT", VAULT_PATH "kv1", str_printf(world.arena, "{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT
                           "\",\"createMode\":\"recover\"}}", STR_ARG(world.site.tenant_id)));
    assert_true(back.status == 200 || back.status == 201);
    probe(&world);
    is_open();
}

static void test_an_identity_of_the_account_that_was_deleted(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str client_id, identity = make_identity(&world, "mine", &client_id);
    expect_status(arm_call(&world, "DELETE", ACCOUNT_PATH, STR_NONE), 202);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    Answer got = world_call(&world, "GET", world.admin_token, str_printf(world.arena, "management" STR_FMT "?api-version=2018-11-30", STR_ARG(identity)), STR_NONE);
    principal = answer_text(&got, "properties.principalId");
    make_vault(&world, "kv1", true, principal, CUSTOMER_MAY);
    /* with a user-assigned identity the key can be there from the beginning */
    Answer made = arm_call(&world, "PUT", ACCOUNT_PATH, str_printf(world.arena,
        "{\"location\":\"westus2\",\"identity\":{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}},\"properties\":{\"encryption\":"
        "{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyIdentifier\":\"" STR_FMT "\"}}}}", STR_ARG(identity), STR_ARG(kid)));
    expect_status(made, 200);
    assert_int_equal(read_int(world.site.store, HANDED), 1);
    is_open();
    got = world_call(&world, "DELETE", world.admin_token, str_printf(world.arena, "management" STR_FMT "?api-version=2018-11-30", STR_ARG(identity)), STR_NONE);
    assert_true(got.status == 200 || got.status == 204);
    probe(&world);
    is_disabled();
}

static void test_another_identity_has_to_prove_its_access(void **state)
{
    (void)state;
    Str identity = make_identity(&world, "mine", NULL);
    Str body = str_printf(world.arena, "{\"identity\":{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}}}", STR_ARG(identity));
    expect_status(set_key(&world, kid), 200);
    expect_error(arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"identity\":{\"type\":\"None\"}}")), 400, "InvalidPropertyValue");
    expect_error(arm_call(&world, "PATCH", ACCOUNT_PATH, body), 400, "KeyVaultAccessDenied");
    Answer got = account();
    assert_str(answer_text(&got, "identity.type"), "SystemAssigned");
    is_open();
    got = world_call(&world, "GET", world.admin_token, str_printf(world.arena, "management" STR_FMT "?api-version=2018-11-30", STR_ARG(identity)), STR_NONE);
    Str other = answer_text(&got, "properties.principalId");
    make_vault(&world, "kv1", true, other, CUSTOMER_MAY);
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, body), 200);
    probe(&world);
    is_open();
    got = account();
    assert_true(str_eq(answer_text(&got, "properties.encryption.keyAccess.principalId"), other));
    expect_status(arm_call(&world, "PATCH", ACCOUNT_PATH, STR("{\"identity\":{\"type\":\"None\"},\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.Batch\"}}}")), 200);
    assert_int_equal(read_int(world.site.store, HANDED), 0);
}

static void probe_at(int64_t now_ms)
{
    FirstAccount first = { .arena = world.arena };
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    int64_t again_ms;
    must(store_read(world.site.store, first_account_txn, &first, E));
    RunnerJob job = { .key = first.id, .attempt = 1 };
    must(batch_key_run(world.batch, arena, &job, now_ms, &again_ms, E));
    assert_true(again_ms <= now_ms + KEY_RETRY_MS);
}

static void test_silence_is_no_loss_for_a_while(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    world.vaults_are_silent = true;
    probe_at(real_now_ms());
    probe_at(real_now_ms() + KEY_SILENCE_MS - 60 * 1000);
    is_open();
    probe_at(real_now_ms() + KEY_SILENCE_MS + 60 * 1000);
    is_disabled();
    world.vaults_are_silent = false;
    probe(&world);
    is_open();
}

static void test_after_a_start_the_key_is_asked_for_first(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    world.vaults_are_silent = true;
    world_restart(&world);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    expect_error(data_call(&world, "GET", "/pools", STR_NONE), 503, "ServerBusy");      /* neither open nor disabled */
    expect_status(arm_call(&world, "POST", ACCOUNT_PATH "/listKeys", STR("")), 503);
    expect_status(account(), 200);
    world.vaults_are_silent = false;
    probe(&world);
    is_open();
}

static void test_a_key_lost_while_the_server_was_down(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    enable(kid, false);
    world_restart(&world);
    probe(&world);
    is_disabled();
    world_restart(&world);
    probe(&world);
    is_disabled();
    enable(kid, true);
    probe(&world);
    is_open();
}

static void test_back_to_the_service_the_key_may_go(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    Answer back = unset_key(&world);
    expect_status(back, 200);
    assert_str(answer_text(&back, "properties.encryption.keySource"), "Microsoft.Batch");
    assert_null(json_path(back.json, "properties.encryption.keyVaultProperties"));
    assert_int_equal(read_int(world.site.store, HANDED), 0);
    expect_status(vault_call(&world, "DELETE", "kv1", "/keys/k1", STR_NONE), 200);
    probe(&world);
    world_restart(&world);
    expect_status(arm_call(&world, "POST", ACCOUNT_PATH "/listKeys", STR("")), 200);
    expect_status(unset_key(&world), 200);                  /* again is fine */
    expect_status(vault_call(&world, "POST", "kv1", "/deletedkeys/k1/recover", STR("")), 200);
    expect_status(set_key(&world, kid), 200);               /* and there again */
    is_open();
}

static void test_deletion_needs_no_key(void **state)
{
    (void)state;
    expect_status(set_key(&world, kid), 200);
    expect_status(make_pool(&world, "p1", 2, "", STR_NONE), 200);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    enable(kid, false);
    probe(&world);
    expect_status(arm_call(&world, "DELETE", ACCOUNT_PATH, STR_NONE), 202);
    for (int i = 0; i < 200 && read_int(world.site.store, "SELECT COUNT(*) FROM batch_account") > 0; i++)
        assert_true(runner_settle(world.site.runner, WAIT_MS));
    expect_error(account(), 404, "ResourceNotFound");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_encryption"), 0);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM scope_key WHERE scope LIKE 'batch:%'"), 0);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM runner_work WHERE kind = 'batch.key'"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_is_taken_after_it_was_proved),
        TEST(test_other_changes_leave_the_key_alone),
        TEST(test_a_version_in_the_identifier_pins),
        TEST(test_an_identifier_without_version_is_followed),
        TEST(test_a_newest_version_that_does_not_fit_is_said_and_not_followed),
        TEST(test_another_key_in_another_vault),
        TEST(test_a_disabled_key_disables_the_account_until_it_is_back),
        TEST(test_a_policy_that_was_removed),
        TEST(test_a_deleted_key_comes_back_by_recovery),
        TEST(test_a_deleted_vault_comes_back_by_recovery),
        TEST(test_an_identity_of_the_account_that_was_deleted),
        TEST(test_another_identity_has_to_prove_its_access),
        TEST(test_silence_is_no_loss_for_a_while),
        TEST(test_after_a_start_the_key_is_asked_for_first),
        TEST(test_a_key_lost_while_the_server_was_down),
        TEST(test_back_to_the_service_the_key_may_go),
        TEST(test_deletion_needs_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
