/* test_hsm_keys.c - keys of premium vaults live in the token: made, used, rotated, imported, transferred, backed up, and destroyed there. */
#include "hsm_vaults.h"
#include <openssl/core_names.h>
#include <openssl/x509.h>
#include "base/encode.h"
#include "crypto/keys/key_raw.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/vaults/vault_arm.h"

static void expect_unwraps(const char *vault, const char *key, const char *alg)
{
    Answer answer = at(vault, "POST", op(key, "wrapkey"), text("{\"alg\":\"%s\",\"value\":\"c2VjcmV0\"}", alg));
    expect_status(&answer, 200);
    answer = at(vault, "POST", op(key, "unwrapkey"), text("{\"alg\":\"%s\",\"value\":\"" STR_FMT "\"}", alg, STR_ARG(text_at(&answer, "value"))));
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "value"), "c2VjcmV0");
}

static void test_keys_are_made_and_used_in_the_token(void **state)
{
    (void)state;
    (void)created("prem", "r", "{\"kty\":\"RSA-HSM\"}");
    (void)created("prem", "e", "{\"kty\":\"EC-HSM\",\"crv\":\"P-384\"}");
    Answer answer = prem("GET", "/keys/r", NULL);
    assert_str(text_at(&answer, "key.kty"), "RSA-HSM");
    assert_null(text_at(&answer, "key.d").ptr);
    answer = prem("GET", "/keys/e", NULL);
    assert_str(text_at(&answer, "key.kty"), "EC-HSM");
    assert_str(text_at(&answer, "key.crv"), "P-384");
    expect_signs("prem", "r", "RS256", digest32);
    expect_signs("prem", "r", "PS256", digest32);
    expect_signs("prem", "e", "ES384", digest48);
    expect_unwraps("prem", "r", "RSA-OAEP");
    expect_unwraps("prem", "r", "RSA-OAEP-256");
    expect_unwraps("prem", "r", "RSA1_5");
    assert_true(softhsm_shows(TOKEN, "--list-objects --type privkey", "vaultyard prem"));
    expect_in_token(2);

    fixture_reopen();                           /* what was made is found again */
    expect_signs("prem", "r", "RS256", digest32);
    expect_in_token(2);
    remove_for_good("prem", "r");
    remove_for_good("prem", "e");
    expect_in_token(0);
}

static void test_bad_values_have_one_answer(void **state)
{
    (void)state;
    (void)created("prem", "b", "{\"kty\":\"RSA-HSM\"}");
    static const char *const algs[] = { "RSA-OAEP", "RSA-OAEP-256", "RSA1_5" };
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        for (size_t len = 300; len < 400; len += 42) {          /* too short, as long as the modulus, too long */
            AUTO(arena_free_auto) Arena *arena = arena_new(4096);
            Str zeros = base64url_encode(arena, (Bytes){ arena_alloc(arena, 1000), len * 3 / 4 });
            Answer answer = prem("POST", "/keys/b//unwrapkey", text("{\"alg\":\"%s\",\"value\":\"" STR_FMT "\"}", algs[i], STR_ARG(zeros)));
            expect_error(&answer, 400, "BadParameter", NULL, "value does not unwrap with this key and algorithm");
        }
    Answer answer = prem("POST", "/keys/b//sign", "{\"alg\":\"RS256\",\"value\":\"AAEC\"}");
    expect_error(&answer, 400, "BadParameter", NULL, "32 bytes");
    answer = prem("POST", "/keys/b//sign", text("{\"alg\":\"ES256\",\"value\":\"%s\"}", digest32));
    assert_int_equal(answer.status, 400);
    remove_for_good("prem", "b");
    expect_in_token(0);
}

static void test_a_standard_vault_refuses_and_so_does_a_site_without_token(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"kty\":\"RSA-HSM\"}", "{\"kty\":\"EC-HSM\"}", "{\"kty\":\"oct-HSM\"}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        Answer answer = at("vlt", "POST", "/keys/x/create", bodies[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    }
    fix.site.hsm = NULL;
    Answer answer = prem("POST", "/keys/x/create", "{\"kty\":\"RSA-HSM\"}");
    expect_error(&answer, 501, "NotImplemented", NULL, "--hsm-module");
    answer = prem("POST", "/keys/x/create", "{\"kty\":\"oct-HSM\"}");
    expect_error(&answer, 501, "NotImplemented", NULL, "--hsm-module");
    fix.site.hsm = fixture_hsm;
    answer = prem("GET", "/keys/x", NULL);
    assert_int_equal(answer.status, 404);
    answer = prem("POST", "/keys/soft/create", "{\"kty\":\"EC\"}");           /* software keys as ever */
    expect_status(&answer, 200);
    answer = prem("POST", "/keys/x/create", "{\"kty\":\"RSA-HSM\",\"key_size\":1024}");
    expect_error(&answer, 400, "BadParameter", NULL, "key_size");
    answer = prem("POST", "/keys/x/create", "{\"kty\":\"DSA-HSM\"}");
    assert_int_equal(answer.status, 400);
    expect_in_token(0);
}

static void test_another_tier_takes_the_use_of_hardware_keys_and_gives_it_back(void **state)
{
    (void)state;
    Answer answer = put_vault("tier", "premium");
    expect_status(&answer, 201);
    (void)created("tier", "t", "{\"kty\":\"EC-HSM\"}");
    expect_signs("tier", "t", "ES256", digest32);
    answer = put_vault("tier", "standard");
    expect_status(&answer, 200);
    answer = at("tier", "GET", "/keys/t", NULL);
    expect_status(&answer, 200);
    answer = at("tier", "POST", "/keys/t//sign", text("{\"alg\":\"ES256\",\"value\":\"%s\"}", digest32));
    expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    answer = at("tier", "POST", "/keys/t/rotate", NULL);
    expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    answer = put_vault("tier", "premium");
    expect_status(&answer, 200);
    expect_signs("tier", "t", "ES256", digest32);
    remove_for_good("tier", "t");
    expect_in_token(0);
}

static void test_versions_rotate_in_the_token_and_go_together(void **state)
{
    (void)state;
    const char *first = created("prem", "v", "{\"kty\":\"EC-HSM\"}");
    Answer answer = prem("POST", "/keys/v/rotate", NULL);
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "key.kty"), "EC-HSM");
    expect_signs("prem", "v", "ES256", digest32);
    expect_signs("prem", text("v/%s", first), "ES256", digest32);
    expect_in_token(2);
    answer = prem("DELETE", "/keys/v", NULL);
    expect_status(&answer, 200);
    expect_in_token(2);                         /* deleted is not purged */
    answer = prem("POST", "/deletedkeys/v/recover", NULL);
    expect_status(&answer, 200);
    expect_signs("prem", text("v/%s", first), "ES256", digest32);
    remove_for_good("prem", "v");
    expect_in_token(0);
}

static void test_a_purged_vault_takes_its_keys_along(void **state)
{
    (void)state;
    Answer answer = put_vault("gone", "premium");
    expect_status(&answer, 201);
    (void)created("gone", "a", "{\"kty\":\"EC-HSM\"}");
    (void)created("gone", "b", "{\"kty\":\"EC-HSM\"}");
    expect_in_token(2);
    answer = arm_call("DELETE", VAULTS "gone", NULL);
    assert_in_range(answer.status, 200, 204);
    expect_in_token(2);
    answer = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/gone/purge", NULL);
    assert_in_range(answer.status, 200, 202);
    (void)run_due(WORK_VAULT_PURGE);
    expect_in_token(0);
}

/* ---- what a killed server leaves ---- */

static bool leave_txn(Txn *txn, void *ctx, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO kv_hsm_key (id, vault, state, made_ms) VALUES (?1, 'v', 0, 1)", db_text(*(Str *)ctx));
}

static void test_what_a_killed_server_left_is_destroyed_at_the_next_start(void **state)
{
    (void)state;
    KeyRef *key;
    P11New as = { .id = p11_id_new(), .label = STR("left"), .arena = fix.arena }, before = { .id = p11_id_new() };
    Str ids[2] = { hex_encode(fix.arena, (Bytes){ as.id.bytes, P11_ID_BYTES }), hex_encode(fix.arena, (Bytes){ before.id.bytes, P11_ID_BYTES }) };
    Bytes wrapped;
    (void)created("prem", "stays", "{\"kty\":\"EC-HSM\"}");
    for (size_t i = 0; i < 2; i++)                              /* killed before the token made the key, and after it */
        must(store_write(fix.site.store, leave_txn, &ids[i], &fix_err));
    must(p11_make(fixture_hsm, &as, (KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &wrapped, &fix_err));
    key_free(key);
    (void)run_due(WORK_HSM);
    assert_int_equal(softhsm_private_keys(TOKEN), 2);           /* to this process they are being made */
    fixture_reopen();
    expect_in_token(1);
    expect_signs("prem", "stays", "ES256", digest32);
    remove_for_good("prem", "stays");
    expect_in_token(0);
}

static void test_a_token_that_is_away_keeps_what_it_must_destroy(void **state)
{
    (void)state;
    (void)created("prem", "away", "{\"kty\":\"EC-HSM\"}");
    remove_for_good("prem", "away");
    fix.site.hsm = NULL;                        /* the work is done with nothing: the next start with a token has it again */
    (void)run_due(WORK_HSM);
    assert_int_equal(count_of("SELECT count(*) FROM kv_hsm_key"), 1);
    fix.site.hsm = fixture_hsm;
    fixture_reopen();
    expect_in_token(0);
}

/* ---- import ---- */

static const char *jwk_of(const KeyRef *key, const char *kty)
{
    static const struct { const char *name, *param; } rsa[] = { { "n", "n" }, { "e", "e" }, { "d", "d" }, { "p", "rsa-factor1" }, { "q", "rsa-factor2" },
        { "dp", "rsa-exponent1" }, { "dq", "rsa-exponent2" }, { "qi", "rsa-coefficient1" } }, ec[] = { { "x", "qx" }, { "y", "qy" }, { "d", "priv" } };
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    bool is_rsa = key_spec(key).kind == KEY_RSA;
    must(key_to_pkcs8(key, &pkcs8, &fix_err));
    const unsigned char *der = secret_bytes(pkcs8).ptr;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &der, (long)secret_bytes(pkcs8).len);
    assert_non_null(pkey);
    const char *json = text("{\"kty\":\"%s\"%s", kty, is_rsa ? "" : ",\"crv\":\"P-256\"");
    for (size_t i = 0; i < (is_rsa ? COUNT_OF(rsa) : COUNT_OF(ec)); i++) {
        BIGNUM *number = NULL;
        uint8_t bytes[512];
        assert_int_equal(EVP_PKEY_get_bn_param(pkey, is_rsa ? rsa[i].param : ec[i].param, &number), 1);
        int len = is_rsa ? BN_num_bytes(number) : 32;
        assert_int_equal(BN_bn2binpad(number, bytes, len), len);
        json = text("%s,\"%s\":\"" STR_FMT "\"", json, is_rsa ? rsa[i].name : ec[i].name, STR_ARG(base64url_encode(fix.arena, (Bytes){ bytes, (size_t)len })));
        BN_clear_free(number);
    }
    EVP_PKEY_free(pkey);
    return text("%s}", json);
}

static void test_a_key_from_outside_is_taken_into_the_token(void **state)
{
    (void)state;
    static const KeySpec specs[] = { { .kind = KEY_RSA, .rsa_bits = 2048 }, { .kind = KEY_EC, .curve = CURVE_P256 } };
    for (size_t i = 0; i < COUNT_OF(specs); i++)
        for (int by_type = 0; by_type < 2; by_type++) {
            AUTO(key_free_auto) KeyRef *key = NULL;
            const char *names[] = { "RSA", "EC" };
            must(key_generate(specs[i], &key, &fix_err));
            const char *jwk = jwk_of(key, text("%s%s", names[i], by_type ? "-HSM" : "")), *body = text("{\"key\":%s%s}", jwk, by_type ? "" : ",\"Hsm\":true");
            Answer answer = at("vlt", "PUT", "/keys/taken", body);
            expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
            answer = prem("PUT", "/keys/taken", body);
            expect_status(&answer, 200);
            assert_str(text_at(&answer, "key.kty"), i == 0 ? "RSA-HSM" : "EC-HSM");
            expect_signs("prem", "taken", i == 0 ? "RS512" : "ES256", i == 0 ? digest64 : digest32);
            assert_int_equal(count_of("SELECT count(*) FROM kv_hsm_key"), 1);
            remove_for_good("prem", "taken");
            expect_in_token(0);
        }
}

static const char *transfer(const KeyRef *key, const char *kek_kid, const char *kek_n, const char *alg, const char *enc)
{
    AUTO(key_free_auto) KeyRef *kek = NULL;
    static const uint8_t e[] = { 1, 0, 1 };
    KeyPublic open = { .kind = KEY_RSA, .e = { e, sizeof e } };
    Bytes blob;
    must(base64url_decode(fix.arena, str_from(kek_n), &open.n, &fix_err));
    must(key_from_public(&open, &kek, &fix_err));
    must(key_to_transfer(key, kek, fix.arena, &blob, &fix_err));
    Str json = str_printf(fix.arena, "{\"schema_version\":\"1.0.0\",\"header\":{\"kid\":\"%s\",\"alg\":\"%s\",\"enc\":\"%s\"},\"ciphertext\":\"" STR_FMT "\",\"generator\":\"a test\"}", kek_kid,
                          alg, enc, STR_ARG(base64url_encode(fix.arena, blob)));
    return text(STR_FMT, STR_ARG(base64url_encode(fix.arena, bytes_of(json))));
}

static void test_a_transfer_arrives_in_the_token(void **state)
{
    (void)state;
    static const char dir[] = "dir", wrap[] = "CKM_RSA_AES_KEY_WRAP";
    AUTO(key_free_auto) KeyRef *rsa = NULL;
    AUTO(key_free_auto) KeyRef *ec = NULL;
    must(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &rsa, &fix_err));
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P521 }, &ec, &fix_err));
    Answer answer = prem("POST", "/keys/kek/create", "{\"kty\":\"RSA-HSM\",\"key_size\":3072,\"key_ops\":[\"import\"]}");
    expect_status(&answer, 200);
    const char *kid = text(STR_FMT, STR_ARG(text_at(&answer, "key.kid"))), *n = text(STR_FMT, STR_ARG(text_at(&answer, "key.n")));
    answer = prem("POST", "/keys/kek//unwrapkey", "{\"alg\":\"RSA-OAEP\",\"value\":\"AAAA\"}");
    assert_int_equal(answer.status, 403);                       /* it does nothing else */

    answer = prem("PUT", "/keys/sent", text("{\"key\":{\"kty\":\"RSA-HSM\",\"key_hsm\":\"%s\"}}", transfer(rsa, kid, n, dir, wrap)));
    expect_status(&answer, 200);
    expect_signs("prem", "sent", "PS256", digest32);
    expect_unwraps("prem", "sent", "RSA-OAEP-256");
    answer = prem("PUT", "/keys/sentec", text("{\"key\":{\"kty\":\"EC-HSM\",\"crv\":\"P-521\",\"key_hsm\":\"%s\"}}", transfer(ec, kid, n, dir, wrap)));
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "key.crv"), "P-521");
    expect_in_token(3);

    /* Refusals leave nothing. */
    (void)created("prem", "plain", "{\"kty\":\"RSA-HSM\"}");
    const struct { const char *vault, *kty, *blob, *more; int status; const char *word; } refused[] = {
        { "prem", "RSA",     transfer(rsa, kid, n, dir, wrap), "", 400, "key.kty must be RSA-HSM" },
        { "prem", "EC-HSM",  transfer(rsa, kid, n, dir, wrap), "", 400, "key_hsm" },
        { "prem", "EC-HSM",  transfer(ec, kid, n, dir, wrap), ",\"crv\":\"P-256\"", 400, "key.crv" },
        { "prem", "RSA-HSM", transfer(rsa, kid, n, "A256KW", wrap), "", 400, "header.alg must be dir" },
        { "prem", "RSA-HSM", transfer(rsa, kid, n, dir, "A256GCM"), "", 400, "header.enc" },
        { "prem", "RSA-HSM", transfer(rsa, "https://elsewhere.example/keys/kek", n, dir, wrap), "", 400, "header.kid" },
        { "prem", "RSA-HSM", transfer(rsa, text("%.*skeys/plain", (int)(strlen(kid) - 32 - 1 - 8), kid), n, dir, wrap), "", 403, "no key exchange key" },
        { "prem", "RSA-HSM", transfer(rsa, text("%.*s%032d", (int)strlen(kid) - 32, kid, 0), n, dir, wrap), "", 404, "was not found" },
        { "prem", "RSA-HSM", "bm8ganNvbg", "", 400, "no JSON document" },
        { "prem", "RSA-HSM", "e30", "", 400, "schema_version" },
        { "prem", "RSA-HSM", "***", "", 400, "base64url" },
        { "vlt",  "RSA-HSM", transfer(rsa, kid, n, dir, wrap), "", 400, "standard vault" },
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        answer = at(refused[i].vault, "PUT", "/keys/refused", text("{\"key\":{\"kty\":\"%s\",\"key_hsm\":\"%s\"%s}}", refused[i].kty, refused[i].blob, refused[i].more));
        size_t where;
        if (answer.status != refused[i].status || !str_find(answer.body, str_from(refused[i].word), &where))
            fail_msg("%zu: %d " STR_FMT, i, answer.status, STR_ARG(answer.body));
    }
    expect_in_token(4);
    answer = prem("PATCH", "/keys/kek", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    answer = prem("PUT", "/keys/refused", text("{\"key\":{\"kty\":\"RSA-HSM\",\"key_hsm\":\"%s\"}}", transfer(rsa, kid, n, dir, wrap)));
    expect_error(&answer, 403, "Forbidden", "KeyDisabled", "disabled");
    static const char *const names[] = { "kek", "sent", "sentec", "plain" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        remove_for_good("prem", names[i]);
    expect_in_token(0);
}

/* ---- backup ---- */

static const char *backup_of(const char *vault, const char *name)
{
    Answer answer = at(vault, "POST", text("/keys/%s/backup", name), NULL);
    expect_status(&answer, 200);
    return text(STR_FMT, STR_ARG(text_at(&answer, "value")));
}

static Answer restore(const char *vault, const char *blob) { return at(vault, "POST", "/keys/restore", text("{\"value\":\"%s\"}", blob)); }

static void test_a_backup_holds_what_the_token_wrapped(void **state)
{
    (void)state;
    const char *first = created("prem", "saved", "{\"kty\":\"RSA-HSM\"}"), *second = created("prem", "saved", "{\"kty\":\"EC-HSM\"}");
    Answer signed_before = prem("POST", text("/keys/saved/%s/sign", first), text("{\"alg\":\"RS256\",\"value\":\"%s\"}", digest32));
    const char *blob = backup_of("prem", "saved");
    Answer answer = restore("prem", blob);
    expect_error(&answer, 409, "Conflict", NULL, "already exists");
    expect_in_token(2);                                         /* nothing came into the token for it */
    answer = restore("vlt", blob);
    expect_error(&answer, 400, "BadParameter", NULL, "standard vault");
    expect_in_token(2);

    answer = put_vault("second", "premium");
    expect_status(&answer, 201);
    answer = restore("second", blob);                           /* the copy is independent */
    expect_status(&answer, 200);
    expect_in_token(4);
    remove_for_good("prem", "saved");
    expect_in_token(2);
    expect_signs("second", text("saved/%s", second), "ES256", digest32);
    answer = at("second", "POST", text("/keys/saved/%s/sign", first), text("{\"alg\":\"RS256\",\"value\":\"%s\"}", digest32));
    assert_true(str_eq(text_at(&answer, "value"), text_at(&signed_before, "value")));           /* the very key: PKCS#1 v1.5 is deterministic */
    answer = restore("prem", blob);
    expect_status(&answer, 200);
    fixture_reopen();
    expect_signs("prem", text("saved/%s", first), "RS256", digest32);
    remove_for_good("prem", "saved");
    remove_for_good("second", "saved");
    expect_in_token(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_made_and_used_in_the_token),
        cmocka_unit_test(test_bad_values_have_one_answer),
        cmocka_unit_test(test_a_standard_vault_refuses_and_so_does_a_site_without_token),
        cmocka_unit_test(test_another_tier_takes_the_use_of_hardware_keys_and_gives_it_back),
        cmocka_unit_test(test_versions_rotate_in_the_token_and_go_together),
        cmocka_unit_test(test_a_purged_vault_takes_its_keys_along),
        cmocka_unit_test(test_what_a_killed_server_left_is_destroyed_at_the_next_start),
        cmocka_unit_test(test_a_token_that_is_away_keeps_what_it_must_destroy),
        cmocka_unit_test(test_a_key_from_outside_is_taken_into_the_token),
        cmocka_unit_test(test_a_transfer_arrives_in_the_token),
        cmocka_unit_test(test_a_backup_holds_what_the_token_wrapped),
    };
    return cmocka_run_group_tests(tests, hsm_set_up, hsm_tear_down);
}
