/* test_backup.c - backup and restore: what comes back, where it may go, and what is no backup. */
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"

static const char *backup_of(const char *path)
{
    Answer answer = vault_call("POST", text("%s/backup", path), NULL);
    expect_status(&answer, 200);
    return text(STR_FMT, STR_ARG(text_at(&answer, "value")));
}

static Answer at(const char *vault, const char *method, const char *path, const char *body)
{
    return call(method, text("%s.vault", vault), text("%s" API, path), fix.owner.vault_token, body);
}

static Answer restore(const char *vault, const char *kind, const char *blob) { return at(vault, "POST", text("/%s/restore", kind), text("{\"value\":\"%s\"}", blob)); }

static void remove_for_good(const char *kind, const char *name)
{
    Answer answer = vault_call("DELETE", text("/%s/%s", kind, name), NULL);
    expect_status(&answer, 200);
    answer = vault_call("DELETE", text("/deleted%s/%s", kind, name), NULL);
    expect_status(&answer, 204);
}

static void test_secret_comes_back_with_all_its_versions(void **state)
{
    (void)state;
    Answer first = vault_call("PUT", "/secrets/Saved", "{\"value\":\"one\",\"contentType\":\"text/a\",\"tags\":{\"a\":\"1\"},\"attributes\":{\"nbf\":1700000000,\"exp\":1900000000}}");
    Answer second = vault_call("PUT", "/secrets/Saved", "{\"value\":\"\"}"), third = vault_call("PUT", "/secrets/Saved", "{\"value\":\"gr\\u00fc\\u00df\"}");
    expect_status(&third, 200);
    const char *blob = backup_of("/secrets/saved");
    remove_for_good("secrets", "saved");
    Answer answer = restore("vlt", "secrets", blob);
    expect_status(&answer, 200);
    assert_true(str_eq(text_at(&answer, "id"), text_at(&third, "id")));
    assert_null(text_at(&answer, "value").ptr);
    const Answer *versions[] = { &first, &second, &third };
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        Str id = text_at(versions[i], "id");
        Answer got = vault_call("GET", text("/secrets/saved/" STR_FMT, STR_ARG(str_slice(id, id.len - 32, id.len))), NULL);
        assert_true(str_eq(got.body, versions[i]->body));
    }
    Answer list = vault_call("GET", "/secrets/saved/versions", NULL);
    assert_int_equal(json_count(json_get(list.json, "value")), 3);
    Answer fourth = vault_call("PUT", "/secrets/saved", "{\"value\":\"four\"}");
    expect_status(&fourth, 200);
}

static void test_a_taken_name_is_refused(void **state)
{
    (void)state;
    Answer answer = vault_call("PUT", "/secrets/taken", "{\"value\":\"v\"}");
    const char *blob = backup_of("/secrets/taken");
    answer = restore("vlt", "secrets", blob);
    expect_error(&answer, 409, "Conflict", NULL, "already exists");
    answer = vault_call("DELETE", "/secrets/taken", NULL);
    answer = restore("vlt", "secrets", blob);
    expect_error(&answer, 409, "Conflict", "ObjectIsDeletedButRecoverable", "taken");
    answer = vault_call("POST", "/keys/taken/create", "{\"kty\":\"EC\"}");
    expect_status(&answer, 200);
    answer = vault_call("DELETE", "/deletedsecrets/taken", NULL);
    expect_status(&answer, 204);
    answer = restore("vlt", "secrets", blob);                /* a key of that name is in nobody's way */
    expect_status(&answer, 200);
}

static void test_a_changed_blob_is_refused_and_nothing_is_made(void **state)
{
    (void)state;
    Answer answer = vault_call("PUT", "/secrets/tampered", "{\"value\":\"v\"}");
    expect_status(&answer, 200);
    const char *blob = backup_of("/secrets/tampered"), *of_key = NULL;
    remove_for_good("secrets", "tampered");
    size_t len = strlen(blob);
    for (size_t i = 0; i < len; i += len / 40 + 1) {
        char *changed = (char *)(uintptr_t)text("%s", blob);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        answer = restore("vlt", "secrets", changed);
        expect_error(&answer, 400, "BadParameter", NULL, "backup blob");
    }
    answer = restore("vlt", "secrets", text("%.*s", (int)(len / 2), blob));
    expect_error(&answer, 400, "BadParameter", NULL, "backup blob");
    answer = restore("vlt", "secrets", "not base64 at all!");
    expect_error(&answer, 400, "BadParameter", NULL, "backup blob");
    answer = restore("vlt", "secrets", "");
    expect_error(&answer, 400, "BadParameter", NULL, "value");
    answer = at("vlt", "POST", "/secrets/restore", "{\"value\":");
    expect_status(&answer, 400);
    answer = at("vlt", "POST", "/secrets/restore", "");
    expect_status(&answer, 400);
    answer = vault_call("POST", "/keys/of-key/create", "{\"kty\":\"EC\"}");
    of_key = backup_of("/keys/of-key");
    answer = restore("vlt", "secrets", of_key);
    expect_error(&answer, 400, "BadParameter", NULL, "another kind");
    answer = vault_call("GET", "/secrets/tampered", NULL);
    expect_error(&answer, 404, "SecretNotFound", NULL, "");
}

static void test_key_still_decrypts_in_another_vault_after_its_own_is_gone(void **state)
{
    (void)state;
    Answer made = make_vault("first-home", ""), other = make_vault("second-home", "");
    expect_status(&made, 201);
    expect_status(&other, 201);
    Answer key = at("first-home", "POST", "/keys/k/create", "{\"kty\":\"RSA\"}");
    expect_status(&key, 200);
    Answer wrapped = at("first-home", "POST", "/keys/k//wrapkey", "{\"alg\":\"RSA-OAEP-256\",\"value\":\"AQID\"}");
    Answer backup = at("first-home", "POST", "/keys/k/backup", NULL);
    expect_status(&backup, 200);
    Answer answer = arm_call("DELETE", VAULTS "first-home", NULL);
    answer = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/first-home/purge", NULL);
    expect_status(&answer, 200);
    answer = restore("second-home", "keys", text(STR_FMT, STR_ARG(text_at(&backup, "value"))));
    expect_status(&answer, 200);
    answer = at("second-home", "POST", "/keys/k//unwrapkey", text("{\"alg\":\"RSA-OAEP-256\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&wrapped, "value"))));
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "value"), "AQID");
}

static void test_certificate_brings_key_secret_policy_and_renewal(void **state)
{
    (void)state;
    Answer answer = vault_call("POST", "/certificates/whole/create", "{\"policy\":{\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=whole\",\"validity_months\":1},"
                               "\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":5},\"action\":{\"action_type\":\"AutoRenew\"}}]}}");
    expect_status(&answer, 202);
    assert_int_equal(run_due(WORK_ISSUE), 1);
    Answer certificate = vault_call("GET", "/certificates/whole", NULL), secret = vault_call("GET", "/secrets/whole", NULL);
    expect_status(&secret, 200);
    answer = vault_call("POST", "/secrets/whole/backup", NULL);
    expect_error(&answer, 403, "Forbidden", NULL, "belongs to the certificate");
    const char *blob = backup_of("/certificates/whole");
    answer = vault_call("DELETE", "/certificates/whole", NULL);
    answer = restore("vlt", "certificates", blob);
    expect_error(&answer, 409, "Conflict", "ObjectIsDeletedButRecoverable", "");
    answer = vault_call("DELETE", "/deletedcertificates/whole", NULL);
    expect_status(&answer, 204);
    answer = restore("vlt", "certificates", blob);
    expect_status(&answer, 200);
    assert_int_equal(int_at(&answer, "policy.x509_props.validity_months"), 1);
    answer = vault_call("GET", "/secrets/whole", NULL);
    assert_true(str_eq(answer.body, secret.body));
    answer = vault_call("GET", "/certificates/whole", NULL);
    assert_true(str_eq(text_at(&answer, "cer"), text_at(&certificate, "cer")));
    answer = vault_call("GET", "/keys/whole", NULL);
    expect_status(&answer, 200);
    int64_t now = object_now();
    set_object_time(now + 27 * 86400 * 1000LL);
    assert_int_equal(run_due(WORK_RENEW), 1);
    answer = vault_call("GET", "/certificates/whole/versions", NULL);
    assert_int_equal(json_count(json_get(answer.json, "value")), 2);
    set_object_time(now);
}

static void test_another_subscription_is_refused(void **state)
{
    (void)state;
    Answer answer = vault_call("PUT", "/secrets/foreign", "{\"value\":\"v\"}");
    const char *blob = backup_of("/secrets/foreign");
    Str home = fix.subscription;
    answer = call("PUT", "management", "/providers/Microsoft.Subscription/aliases/second?api-version=2021-10-01", fix.owner.arm_token, "{\"properties\":{\"displayName\":\"second\"}}");
    if (answer.status != 200 && answer.status != 201)
        fail_msg("no second subscription: " STR_FMT, STR_ARG(answer.body));
    fix.subscription = str_dup(fix.arena, text_at(&answer, "properties.subscriptionId"));
    answer = arm_call("PUT", "/resourcegroups/" GROUP, "{\"location\":\"westus2\"}");
    assert_in_range(answer.status, 200, 201);
    answer = make_vault("abroad", "");
    expect_status(&answer, 201);
    answer = restore("abroad", "secrets", blob);
    expect_error(&answer, 400, "BadParameter", NULL, "another subscription");
    fix.subscription = home;
}

static void test_a_missing_object_has_no_backup(void **state)
{
    (void)state;
    Answer answer = vault_call("POST", "/secrets/none/backup", NULL);
    expect_error(&answer, 404, "SecretNotFound", NULL, "none");
    answer = call("POST", "vlt.vault", "/secrets/none/backup" API, fix.nobody.vault_token, "");
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "backup");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_comes_back_with_all_its_versions),
        cmocka_unit_test(test_a_taken_name_is_refused),
        cmocka_unit_test(test_a_changed_blob_is_refused_and_nothing_is_made),
        cmocka_unit_test(test_key_still_decrypts_in_another_vault_after_its_own_is_gone),
        cmocka_unit_test(test_certificate_brings_key_secret_policy_and_renewal),
        cmocka_unit_test(test_another_subscription_is_refused),
        cmocka_unit_test(test_a_missing_object_has_no_backup),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
