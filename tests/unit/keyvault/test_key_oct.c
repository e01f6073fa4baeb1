/* test_key_oct.c - symmetric keys of a vault: made, imported, used, kept to themselves. */
#include "base/encode.h"
#include "fixture.h"
#include "keyvault/keys/key_rotation.h"

#define K16 "AAECAwQFBgcICQoLDA0ODw"                        /* 000102..0f, the key of RFC 3394 section 4.1 */

static Answer create(const char *name, const char *more) { return vault_call("POST", text("/keys/%s/create", name), text("{\"kty\":\"oct\"%s}", more)); }
static Answer op(const char *name, const char *what, const char *members) { return vault_call("POST", text("/keys/%s//%s", name, what), text("{%s}", members)); }

static const char *member(const Answer *from, const char *name)
{
    return text("\"%s\":\"" STR_FMT "\"", name, STR_ARG(text_at(from, name)));
}

static void test_a_symmetric_key_never_shows_its_bytes(void **state)
{
    (void)state;
    Answer made = create("sym", ",\"key_size\":256");
    expect_status(&made, 200);
    assert_str(text_at(&made, "key.kty"), "oct");
    assert_int_equal(json_count(json_path(made.json, "key.key_ops")), 4);
    assert_int_equal(json_count(json_get(made.json, "key")), 3);      /* kid, kty, key_ops */
    Answer got = vault_call("GET", "/keys/sym", NULL), deleted, listed;
    assert_true(str_eq(got.body, made.body));
    Answer imported = vault_call("PUT", "/keys/own", "{\"key\":{\"kty\":\"oct\",\"k\":\"" K16 "\"}}");
    expect_status(&imported, 200);
    size_t at;
    assert_false(str_find(imported.body, STR(K16), &at));
    got = vault_call("GET", "/keys/own", NULL);
    listed = vault_call("GET", "/keys/own/versions", NULL);
    deleted = vault_call("DELETE", "/keys/own", NULL);
    assert_false(str_find(got.body, STR(K16), &at) || str_find(listed.body, STR(K16), &at) || str_find(deleted.body, STR(K16), &at));
}

static void test_wrapping_is_that_of_rfc_3394(void **state)
{
    (void)state;
    Answer imported = vault_call("PUT", "/keys/kek", "{\"key\":{\"kty\":\"oct\",\"k\":\"" K16 "\"}}");
    expect_status(&imported, 200);
    Answer wrapped = op("kek", "wrapkey", "\"alg\":\"A128KW\",\"value\":\"ABEiM0RVZneImaq7zN3u_w\"");
    expect_status(&wrapped, 200);
    assert_str(text_at(&wrapped, "value"), "H6aLCoEStEeu80vY-1p7gp0-hiNx0s_l");       /* 1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5 */
    assert_true(str_eq(text_at(&wrapped, "kid"), text_at(&imported, "key.kid")));
    assert_int_equal(json_count(wrapped.json), 2);
    Answer plain = op("kek", "unwrapkey", text("\"alg\":\"A128KW\",%s", member(&wrapped, "value")));
    assert_str(text_at(&plain, "value"), "ABEiM0RVZneImaq7zN3u_w");
    Answer padded = op("kek", "wrapkey", "\"alg\":\"CKM_AES_KEY_WRAP_PAD\",\"value\":\"AQID\"");
    plain = op("kek", "unwrapkey", text("\"alg\":\"CKM_AES_KEY_WRAP_PAD\",%s", member(&padded, "value")));
    assert_str(text_at(&plain, "value"), "AQID");
}

static void test_gcm_answers_what_opens_it(void **state)
{
    (void)state;
    static const struct { const char *size, *alg; } rows[] = { { "128", "A128GCM" }, { "192", "A192GCM" }, { "256", "A256GCM" } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = text("gcm%s", rows[i].size);
        Answer made = create(name, text(",\"key_size\":%s", rows[i].size));
        expect_status(&made, 200);
        Answer sealed = op(name, "encrypt", text("\"alg\":\"%s\",\"value\":\"AQID\",\"aad\":\"BAUG\"", rows[i].alg));
        expect_status(&sealed, 200);
        assert_int_equal(text_at(&sealed, "iv").len, 16);
        assert_int_equal(text_at(&sealed, "tag").len, 22);
        assert_str(text_at(&sealed, "aad"), "BAUG");
        const char *all = text("\"alg\":\"%s\",%s,%s,%s,\"aad\":\"BAUG\"", rows[i].alg, member(&sealed, "value"), member(&sealed, "iv"), member(&sealed, "tag"));
        Answer plain = op(name, "decrypt", all);
        expect_status(&plain, 200);
        assert_str(text_at(&plain, "value"), "AQID");
        assert_int_equal(json_count(plain.json), 2);
        Answer other = op(name, "decrypt", text("\"alg\":\"%s\",%s,%s,%s,\"aad\":\"BAUH\"", rows[i].alg, member(&sealed, "value"), member(&sealed, "iv"), member(&sealed, "tag")));
        expect_error(&other, 400, "BadParameter", NULL, "value does not decrypt");
    }
}

static void test_cbc_takes_the_callers_iv(void **state)
{
    (void)state;
    static const char iv[] = "\"iv\":\"AAECAwQFBgcICQoLDA0ODw\"";
    Answer sealed = op("sym", "encrypt", text("\"alg\":\"A256CBCPAD\",\"value\":\"AQID\",%s", iv));
    expect_status(&sealed, 200);
    assert_str(text_at(&sealed, "iv"), "AAECAwQFBgcICQoLDA0ODw");
    Answer plain = op("sym", "decrypt", text("\"alg\":\"A256CBCPAD\",%s,%s", iv, member(&sealed, "value")));
    assert_str(text_at(&plain, "value"), "AQID");
    sealed = op("sym", "encrypt", "\"alg\":\"A256CBCPAD\",\"value\":\"AQID\"");      /* none given: one is made */
    expect_status(&sealed, 200);
    assert_int_equal(text_at(&sealed, "iv").len, 22);
    plain = op("sym", "decrypt", text("\"alg\":\"A256CBCPAD\",%s,%s", member(&sealed, "iv"), member(&sealed, "value")));
    assert_str(text_at(&plain, "value"), "AQID");
    sealed = op("sym", "encrypt", text("\"alg\":\"A256CBC\",\"value\":\"" K16 "\",%s", iv));
    plain = op("sym", "decrypt", text("\"alg\":\"A256CBC\",%s,%s", iv, member(&sealed, "value")));
    assert_str(text_at(&plain, "value"), K16);
}

static void test_hmac_signs_a_digest_and_verifies_it(void **state)
{
    (void)state;
    Answer made = create("mac", ",\"key_ops\":[\"sign\",\"verify\"]");
    expect_status(&made, 200);
    static const struct { const char *alg; size_t digest; } rows[] = { { "HS256", 32 }, { "HS384", 48 }, { "HS512", 64 } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[64] = { 9 };
        Str digest = base64url_encode(fix.arena, (Bytes){ bytes, rows[i].digest }), shorter = base64url_encode(fix.arena, (Bytes){ bytes, rows[i].digest - 1 });
        Answer mac = op("mac", "sign", text("\"alg\":\"%s\",\"value\":\"" STR_FMT "\"", rows[i].alg, STR_ARG(digest)));
        expect_status(&mac, 200);
        Answer good = op("mac", "verify", text("\"alg\":\"%s\",\"digest\":\"" STR_FMT "\",%s", rows[i].alg, STR_ARG(digest), member(&mac, "value")));
        expect_status(&good, 200);
        assert_true(json_bool(json_get(good.json, "value"), false));
        Answer bad = op("mac", "verify", text("\"alg\":\"%s\",\"digest\":\"" STR_FMT "\",\"value\":\"" STR_FMT "\"", rows[i].alg, STR_ARG(digest), STR_ARG(digest)));
        assert_false(json_bool(json_get(bad.json, "value"), true));
        Answer refused = op("mac", "sign", text("\"alg\":\"%s\",\"value\":\"" STR_FMT "\"", rows[i].alg, STR_ARG(shorter)));
        expect_error(&refused, 400, "BadParameter", NULL, "must have");
    }
    Answer denied = op("mac", "encrypt", "\"alg\":\"A256GCM\",\"value\":\"AQID\"");
    expect_error(&denied, 403, "Forbidden", NULL, "not permitted on this key");
}

static void test_what_does_not_fit_is_refused_by_field(void **state)
{
    (void)state;
    static const struct { const char *what, *members, *word; } cases[] = {
        { "encrypt",   "\"alg\":\"RSA-OAEP\",\"value\":\"AQID\"",                               "alg" },
        { "encrypt",   "\"alg\":\"A256KW\",\"value\":\"" K16 "\"",                              "alg" },
        { "wrapkey",   "\"alg\":\"A256GCM\",\"value\":\"" K16 "\"",                             "alg" },
        { "wrapkey",   "\"alg\":\"A128KW\",\"value\":\"" K16 "\"",                              "256 bits" },
        { "wrapkey",   "\"alg\":\"A256KW\",\"value\":\"AQID\"",                                 "multiple of 8" },
        { "decrypt",   "\"alg\":\"A256CBC\",\"value\":\"" K16 "\"",                             "iv of 16" },
        { "encrypt",   "\"alg\":\"A256CBC\",\"value\":\"AQID\",\"iv\":\"" K16 "\"",             "whole blocks" },
        { "encrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\",\"iv\":\"AAECAwQFBgcICQoL\"",     "iv must be left out" },
        { "encrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\",\"aad\":\"!\"",                  "aad" },
        { "decrypt",   "\"alg\":\"A256GCM\",\"value\":\"AQID\"",                                "iv of 12" },
        { "unwrapkey", "\"alg\":\"A256KW\",\"value\":\"" K16 "\"",                              "does not decrypt" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = op("sym", cases[i].what, cases[i].members);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    static const struct { const char *body, *word; } imports[] = {
        { "{\"key\":{\"kty\":\"oct\"}}", "key.k is missing" }, { "{\"key\":{\"kty\":\"oct\",\"k\":\"AQID\"}}", "3 bytes" }, { "{\"key\":{\"kty\":\"oct\",\"k\":\"!\"}}", "key.k" },
    };
    for (size_t i = 0; i < COUNT_OF(imports); i++) {
        Answer answer = vault_call("PUT", "/keys/never", imports[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, imports[i].word);
    }
    Answer size = create("never", ",\"key_size\":512");
    expect_error(&size, 400, "BadParameter", NULL, "key_size");
    Answer none = vault_call("GET", "/keys/never", NULL);
    expect_error(&none, 404, "KeyNotFound", NULL, "never");
}

/* Old versions decrypt, the next one has the same size, and what a backup brings back is the same key. */
static void test_rotation_and_backup_keep_what_was_encrypted(void **state)
{
    (void)state;
    Answer made = create("lived", ",\"key_size\":192"), sealed = op("lived", "wrapkey", "\"alg\":\"A192KW\",\"value\":\"" K16 "\"");
    expect_status(&sealed, 200);
    Str kid = text_at(&made, "key.kid"), version = str_slice(kid, kid.len - 32, kid.len);
    Answer rotated = vault_call("POST", "/keys/lived/rotate", NULL);
    expect_status(&rotated, 200);
    assert_str(text_at(&rotated, "key.kty"), "oct");
    Answer anew = op("lived", "wrapkey", "\"alg\":\"A192KW\",\"value\":\"" K16 "\"");
    expect_status(&anew, 200);
    assert_false(str_eq(text_at(&anew, "value"), text_at(&sealed, "value")));
    Answer backup = vault_call("POST", "/keys/lived/backup", "{}");
    expect_status(&backup, 200);
    expect_status(&(Answer){ .status = vault_call("DELETE", "/keys/lived", NULL).status }, 200);
    expect_status(&(Answer){ .status = vault_call("DELETE", "/deletedkeys/lived", NULL).status }, 204);
    Answer restored = vault_call("POST", "/keys/restore", text("{%s}", member(&backup, "value")));
    expect_status(&restored, 200);
    Answer plain = vault_call("POST", text("/keys/lived/" STR_FMT "/unwrapkey", STR_ARG(version)), text("{\"alg\":\"A192KW\",%s}", member(&sealed, "value")));
    assert_str(text_at(&plain, "value"), K16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_symmetric_key_never_shows_its_bytes),
        cmocka_unit_test(test_wrapping_is_that_of_rfc_3394),
        cmocka_unit_test(test_gcm_answers_what_opens_it),
        cmocka_unit_test(test_cbc_takes_the_callers_iv),
        cmocka_unit_test(test_hmac_signs_a_digest_and_verifies_it),
        cmocka_unit_test(test_what_does_not_fit_is_refused_by_field),
        cmocka_unit_test(test_rotation_and_backup_keep_what_was_encrypted),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
