/* test_hsm_oct.c - symmetric keys of premium vaults live in the token: what test_key_oct.c says of software keys holds for them, and what
 * test_hsm_keys.c says of keys in the token. */
#include "base/encode.h"
#include "crypto/keys/key_raw.h"
#include "hsm_vaults.h"

#define K16 "AAECAwQFBgcICQoLDA0ODw"                        /* 000102..0f, the key of RFC 3394 section 4.1 */
#define K32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static Answer use(const char *key, const char *operation, const char *members) { return prem("POST", op(key, operation), text("{%s}", members)); }
static const char *member(const Answer *from, const char *name) { return text("\"%s\":\"" STR_FMT "\"", name, STR_ARG(text_at(from, name))); }

/* Encrypted by what `key` is now and opened by it: the members of a decryption. */
static const char *sealed_by(const char *key, const char *alg)
{
    Answer answer = use(key, "encrypt", text("\"alg\":\"%s\",\"value\":\"AQID\",\"aad\":\"BAUG\"", alg));
    expect_status(&answer, 200);
    assert_int_equal(text_at(&answer, "iv").len, 16);
    assert_int_equal(text_at(&answer, "tag").len, 22);
    assert_str(text_at(&answer, "aad"), "BAUG");
    return text("\"alg\":\"%s\",%s,%s,%s,%s", alg, member(&answer, "value"), member(&answer, "iv"), member(&answer, "tag"), member(&answer, "aad"));
}

static void expect_opens(const char *key, const char *members)
{
    Answer answer = use(key, "decrypt", members);
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "value"), "AQID");
    assert_int_equal(json_count(answer.json), 2);
}

static void test_keys_of_every_size_are_made_and_used_in_the_token(void **state)
{
    (void)state;
    static const int sizes[] = { 128, 192, 256 };
    const char *sealed[COUNT_OF(sizes)];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        const char *name = text("s%d", sizes[i]);
        Answer made = prem("POST", text("/keys/%s/create", name), text("{\"kty\":\"oct-HSM\",\"key_size\":%d}", sizes[i])), got;
        expect_status(&made, 200);
        assert_str(text_at(&made, "key.kty"), "oct-HSM");
        assert_int_equal(json_count(json_path(made.json, "key.key_ops")), 4);
        assert_int_equal(json_count(json_get(made.json, "key")), 3);      /* kid, kty, key_ops */
        got = prem("GET", text("/keys/%s", name), NULL);
        assert_true(str_eq(got.body, made.body));
        sealed[i] = text("%s", sealed_by(name, text("A%dGCM", sizes[i])));
        expect_opens(name, sealed[i]);
        Answer wrapped = use(name, "wrapkey", text("\"alg\":\"A%dKW\",\"value\":\"" K16 "\"", sizes[i]));
        expect_status(&wrapped, 200);
        Answer plain = use(name, "unwrapkey", text("\"alg\":\"A%dKW\",%s", sizes[i], member(&wrapped, "value")));
        assert_str(text_at(&plain, "value"), K16);
        Answer padded = use(name, "encrypt", text("\"alg\":\"A%dCBCPAD\",\"value\":\"AQID\"", sizes[i]));
        expect_status(&padded, 200);
        expect_opens(name, text("\"alg\":\"A%dCBCPAD\",%s,%s", sizes[i], member(&padded, "value"), member(&padded, "iv")));
    }
    Answer listed = prem("GET", "/keys", NULL);
    assert_int_equal(json_count(json_get(listed.json, "value")), COUNT_OF(sizes));
    expect_in_token(COUNT_OF(sizes));
    assert_int_equal(softhsm_secret_keys(TOKEN), COUNT_OF(sizes));
    assert_true(softhsm_shows(TOKEN, "--list-objects --type secrkey", "vaultyard prem"));
    fixture_reopen();                                       /* what was made is found again */
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        expect_opens(text("s%d", sizes[i]), sealed[i]);
        remove_for_good("prem", text("s%d", sizes[i]));
    }
    expect_in_token(0);
}

static void test_a_key_from_outside_does_what_the_software_key_does(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"key\":{\"kty\":\"oct-HSM\",\"k\":\"" K16 "\"}}", "{\"key\":{\"kty\":\"oct\",\"k\":\"" K16 "\"},\"Hsm\":true}" };
    static const char iv[] = "\"iv\":\"AAECAwQFBgcICQoLDA0ODw\"";
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        Answer answer = at("vlt", "PUT", "/keys/kek", bodies[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
        answer = prem("PUT", "/keys/kek", bodies[i]);
        expect_status(&answer, 200);
        assert_str(text_at(&answer, "key.kty"), "oct-HSM");
        size_t where;
        assert_false(str_find(answer.body, STR(K16), &where));
        Answer wrapped = use("kek", "wrapkey", "\"alg\":\"A128KW\",\"value\":\"ABEiM0RVZneImaq7zN3u_w\"");
        expect_status(&wrapped, 200);
        assert_str(text_at(&wrapped, "value"), "H6aLCoEStEeu80vY-1p7gp0-hiNx0s_l");       /* RFC 3394 section 4.1 */
        Answer plain = use("kek", "unwrapkey", text("\"alg\":\"CKM_AES_KEY_WRAP\",%s", member(&wrapped, "value")));
        assert_str(text_at(&plain, "value"), "ABEiM0RVZneImaq7zN3u_w");
        /* The same key in software agrees. */
        answer = prem("PUT", "/keys/soft", "{\"key\":{\"kty\":\"oct\",\"k\":\"" K16 "\"}}");
        expect_status(&answer, 200);
        Answer here = use("soft", "encrypt", text("\"alg\":\"A128CBC\",\"value\":\"" K16 "\",%s", iv)), there = use("kek", "encrypt", text("\"alg\":\"A128CBC\",\"value\":\"" K16 "\",%s", iv));
        expect_status(&there, 200);
        assert_true(str_eq(text_at(&here, "value"), text_at(&there, "value")));
        expect_opens("soft", sealed_by("kek", "A128GCM"));
        expect_opens("kek", sealed_by("soft", "A128GCM"));
        remove_for_good("prem", "soft");
        remove_for_good("prem", "kek");
        expect_in_token(0);
    }
    static const struct { const char *body, *word; } refused[] = {
        { "{\"key\":{\"kty\":\"oct-HSM\"}}", "key.k is missing" }, { "{\"key\":{\"kty\":\"oct-HSM\",\"k\":\"AQID\"}}", "3 bytes" }, { "{\"key\":{\"kty\":\"oct-HSM\",\"k\":\"!\"}}", "key.k" },
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        Answer answer = prem("PUT", "/keys/never", refused[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, refused[i].word);
    }
    expect_in_token(0);
}

static void test_the_token_authenticates_what_it_can_and_refuses_by_name(void **state)
{
    (void)state;
    Answer answer = prem("PUT", "/keys/mac", "{\"key\":{\"kty\":\"oct-HSM\",\"k\":\"" K32 "\",\"key_ops\":[\"sign\",\"verify\"]}}"), soft;
    expect_status(&answer, 200);
    soft = prem("PUT", "/keys/softmac", "{\"key\":{\"kty\":\"oct\",\"k\":\"" K32 "\",\"key_ops\":[\"sign\",\"verify\"]}}");
    expect_status(&soft, 200);
    Answer mac = use("mac", "sign", "\"alg\":\"HS256\",\"value\":\"" K32 "\"");
    expect_status(&mac, 200);
    for (int there = 0; there < 2; there++) {
        answer = use(there ? "mac" : "softmac", "verify", text("\"alg\":\"HS256\",\"digest\":\"" K32 "\",%s", member(&mac, "value")));
        assert_true(json_bool(json_get(answer.json, "value"), false));
        answer = use(there ? "mac" : "softmac", "verify", "\"alg\":\"HS256\",\"digest\":\"" K32 "\",\"value\":\"" K32 "\"");
        assert_false(json_bool(json_get(answer.json, "value"), true));
    }
    uint8_t zeros[64] = { 0 };
    answer = use("mac", "sign", text("\"alg\":\"HS512\",\"value\":\"" STR_FMT "\"", STR_ARG(base64url_encode(fix.arena, (Bytes){ zeros, 64 }))));
    expect_error(&answer, 400, "BadParameter", NULL, "does not do HS512");              /* SoftHSM2: keys as long as the digest */
    answer = use("mac", "encrypt", "\"alg\":\"A256GCM\",\"value\":\"AQID\"");
    expect_error(&answer, 403, "Forbidden", NULL, "not permitted on this key");
    remove_for_good("prem", "mac");
    remove_for_good("prem", "softmac");
    expect_in_token(0);
}

static void test_what_does_not_fit_is_refused_by_field(void **state)
{
    (void)state;
    (void)created("prem", "sym", "{\"kty\":\"oct-HSM\",\"key_size\":256}");
    const char *long_text = text(STR_FMT, STR_ARG(base64url_encode(fix.arena, (Bytes){ arena_alloc(fix.arena, AES_WRAP_MOST + 8), AES_WRAP_MOST + 8 })));
    const struct { const char *what, *members, *word; } cases[] = {
        { "encrypt",   "\"alg\":\"RSA-OAEP\",\"value\":\"AQID\"",                               "alg" },
        { "encrypt",   "\"alg\":\"A256KW\",\"value\":\"" K16 "\"",                              "alg" },
        { "wrapkey",   "\"alg\":\"A256GCM\",\"value\":\"" K16 "\"",                             "alg" },
        { "wrapkey",   "\"alg\":\"A128KW\",\"value\":\"" K16 "\"",                              "256 bits" },
        { "wrapkey",   "\"alg\":\"A256KW\",\"value\":\"AQID\"",                                 "multiple of 8" },
        { "wrapkey",   text("\"alg\":\"A256KW\",\"value\":\"%s\"", long_text),                    "4096 bytes" },
        { "decrypt",   "\"alg\":\"A256CBC\",\"value\":\"" K16 "\"",                             "iv of 16" },
        { "encrypt",   "\"alg\":\"A256CBC\",\"value\":\"AQID\",\"iv\":\"" K16 "\"",             "whole blocks" },
        { "encrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\",\"iv\":\"AAECAwQFBgcICQoL\"",     "iv must be left out" },
        { "decrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\"",                                "iv of 12" },
        { "unwrapkey", "\"alg\":\"A256KW\",\"value\":\"" K16 "\"",                              "does not decrypt" },
        { "unwrapkey", "\"alg\":\"A256KW\",\"value\":\"" K32 "\"",                              "does not decrypt" },
        { "decrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\",\"iv\":\"AAECAwQFBgcICQoL\",\"tag\":\"" K16 "\"", "does not decrypt" },
        { "sign",      "\"alg\":\"HS256\",\"value\":\"" K32 "\"",                               "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = use("sym", cases[i].what, cases[i].members);
        if (*cases[i].word)
            expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
        else
            expect_error(&answer, 403, "Forbidden", NULL, "not permitted on this key");
    }
    Answer answer = prem("POST", "/keys/never/create", "{\"kty\":\"oct-HSM\",\"key_size\":512}");
    expect_error(&answer, 400, "BadParameter", NULL, "key_size");
    remove_for_good("prem", "sym");
    expect_in_token(0);
}

static void test_versions_rotate_and_a_backup_brings_them_back(void **state)
{
    (void)state;
    const char *first = created("prem", "lived", "{\"kty\":\"oct-HSM\",\"key_size\":192}"), *sealed = text("%s", sealed_by("lived", "A192GCM"));
    Answer answer = prem("POST", "/keys/lived/rotate", NULL);
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "key.kty"), "oct-HSM");
    const char *second = text("%s", sealed_by("lived", "A192GCM"));         /* of the same size */
    answer = use("lived", "decrypt", sealed);
    expect_error(&answer, 400, "BadParameter", NULL, "does not decrypt");
    expect_opens(text("lived/%s", first), sealed);
    answer = prem("GET", "/keys/lived/versions", NULL);
    assert_int_equal(json_count(json_get(answer.json, "value")), 2);
    answer = prem("PATCH", text("/keys/lived/%s", first), "{\"attributes\":{\"enabled\":false},\"tags\":{\"a\":\"b\"}}");
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "key.kty"), "oct-HSM");
    answer = use(text("lived/%s", first), "decrypt", sealed);
    expect_error(&answer, 403, "Forbidden", "KeyDisabled", "disabled");
    answer = prem("PATCH", text("/keys/lived/%s", first), "{\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);

    answer = prem("DELETE", "/keys/lived", NULL);
    expect_status(&answer, 200);
    expect_in_token(2);
    answer = prem("POST", "/deletedkeys/lived/recover", NULL);
    expect_status(&answer, 200);
    expect_opens(text("lived/%s", first), sealed);

    answer = prem("POST", "/keys/lived/backup", NULL);
    expect_status(&answer, 200);
    const char *blob = member(&answer, "value");
    remove_for_good("prem", "lived");
    expect_in_token(0);
    answer = at("vlt", "POST", "/keys/restore", text("{%s}", blob));
    expect_error(&answer, 400, "BadParameter", NULL, "standard vault");
    answer = prem("POST", "/keys/restore", text("{%s}", blob));
    expect_status(&answer, 200);
    expect_opens("lived", second);
    expect_opens(text("lived/%s", first), sealed);
    fixture_reopen();
    expect_opens(text("lived/%s", first), sealed);
    remove_for_good("prem", "lived");
    expect_in_token(0);
}

static void test_a_transfer_arrives_in_the_token(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *kek = NULL;
    AUTO(key_free_auto) KeyRef *software = NULL;
    static const uint8_t e[] = { 1, 0, 1 };
    KeyPublic open = { .kind = KEY_RSA, .e = { e, sizeof e } };
    CipherText cipher;
    Bytes blob;
    Answer answer = prem("POST", "/keys/kek/create", "{\"kty\":\"RSA-HSM\",\"key_size\":3072,\"key_ops\":[\"import\"]}");
    expect_status(&answer, 200);
    must(base64url_decode(fix.arena, text_at(&answer, "key.n"), &open.n, &fix_err));
    must(key_from_public(&open, &kek, &fix_err));
    must(key_oct_generate((KeySpec){ .kind = KEY_OCT, .oct_bits = 256 }, &software, &fix_err));
    must(key_to_transfer(software, kek, fix.arena, &blob, &fix_err));
    Str json = str_printf(fix.arena, "{\"schema_version\":\"1.0.0\",\"header\":{\"kid\":\"" STR_FMT "\",\"alg\":\"dir\",\"enc\":\"CKM_RSA_AES_KEY_WRAP\"},\"ciphertext\":\"" STR_FMT "\"}",
                          STR_ARG(text_at(&answer, "key.kid")), STR_ARG(base64url_encode(fix.arena, blob)));
    Str sent = base64url_encode(fix.arena, bytes_of(json));
    answer = prem("PUT", "/keys/sent", text("{\"key\":{\"kty\":\"EC-HSM\",\"key_hsm\":\"" STR_FMT "\"}}", STR_ARG(sent)));
    expect_error(&answer, 400, "BadParameter", NULL, "key_hsm");
    answer = prem("PUT", "/keys/sent", text("{\"key\":{\"kty\":\"oct-HSM\",\"key_hsm\":\"" STR_FMT "\"}}", STR_ARG(sent)));
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "key.kty"), "oct-HSM");
    must(key_encrypt(software, CIPHER_A256GCM, (Bytes){ (const uint8_t *)"\1\2\3", 3 }, (Bytes){ 0 }, (Bytes){ 0 }, fix.arena, &cipher, &fix_err));
    expect_opens("sent", text("\"alg\":\"A256GCM\",\"value\":\"" STR_FMT "\",\"iv\":\"" STR_FMT "\",\"tag\":\"" STR_FMT "\"", STR_ARG(base64url_encode(fix.arena, cipher.value)),
                              STR_ARG(base64url_encode(fix.arena, cipher.iv)), STR_ARG(base64url_encode(fix.arena, cipher.tag))));
    remove_for_good("prem", "sent");
    remove_for_good("prem", "kek");
    expect_in_token(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_every_size_are_made_and_used_in_the_token),
        cmocka_unit_test(test_a_key_from_outside_does_what_the_software_key_does),
        cmocka_unit_test(test_the_token_authenticates_what_it_can_and_refuses_by_name),
        cmocka_unit_test(test_what_does_not_fit_is_refused_by_field),
        cmocka_unit_test(test_versions_rotate_and_a_backup_brings_them_back),
        cmocka_unit_test(test_a_transfer_arrives_in_the_token),
    };
    return cmocka_run_group_tests(tests, hsm_set_up, hsm_tear_down);
}
