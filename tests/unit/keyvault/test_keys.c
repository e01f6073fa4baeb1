/* test_keys.c - keys: creation, attributes, and each operation with what it refuses. */
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/keys/key.h"
#include "fixture.h"

static Answer create(const char *name, const char *body)
{
    return vault_call("POST", text("/keys/%s/create", name), body);
}

static Answer op(const char *name, const char *what, const char *alg, Str value)
{
    return vault_call("POST", text("/keys/%s//%s", name, what), text("{\"alg\":\"%s\",\"value\":\"" STR_FMT "\"}", alg, STR_ARG(value)));
}

static void test_created_key_shows_its_public_part(void **state)
{
    (void)state;
    Answer rsa = create("rsa", "{\"kty\":\"RSA\",\"key_size\":2048,\"attributes\":{\"enabled\":true},\"tags\":{\"a\":\"b\"}}");
    expect_status(&rsa, 200);
    assert_str(text_at(&rsa, "key.kty"), "RSA");
    assert_str(text_at(&rsa, "key.e"), "AQAB");
    assert_int_equal(text_at(&rsa, "key.n").len, 342);      /* 256 bytes in base64url */
    assert_int_equal(json_count(json_path(rsa.json, "key.key_ops")), 6);
    assert_str(text_at(&rsa, "tags.a"), "b");
    static const char *const secret_parts[] = { "d", "p", "q", "dp", "dq", "qi", "k" };
    for (size_t i = 0; i < COUNT_OF(secret_parts); i++)
        assert_null(json_get(json_get(rsa.json, "key"), secret_parts[i]));
    Answer got = vault_call("GET", "/keys/rsa/", NULL);
    assert_true(str_eq(got.body, rsa.body));
    Answer ec = create("ec", "{\"kty\":\"EC\",\"crv\":\"P-384\"}");
    expect_status(&ec, 200);
    assert_str(text_at(&ec, "key.crv"), "P-384");
    assert_int_equal(text_at(&ec, "key.x").len, 64);
    assert_int_equal(json_count(json_path(ec.json, "key.key_ops")), 2);
}

/* No key here has an attestation: neither those in the database nor those in a token, whose module (PKCS#11) knows none. */
static void test_attestation_answers_the_key_without_one(void **state)
{
    (void)state;
    Answer made = create("attested", "{\"kty\":\"EC\"}");
    expect_status(&made, 200);
    Str kid = text_at(&made, "key.kid"), version = str_slice(kid, kid.len - 32, kid.len);
    const char *const paths[] = { text("/keys/attested/" STR_FMT "/attestation", STR_ARG(version)), "/keys/attested//attestation" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        Answer got = call("GET", "vlt.vault", text("%s?api-version=2025-07-01", paths[i]), fix.owner.vault_token, NULL);
        expect_status(&got, 200);
        assert_true(str_eq(text_at(&got, "key.kid"), kid));
        assert_null(json_path(got.json, "attributes.attestation"));
        Answer before = call("GET", "vlt.vault", text("%s?api-version=7.4", paths[i]), fix.owner.vault_token, NULL);
        assert_true(before.status >= 400 && before.status < 500);                   /* it came with 2025-07-01 */
        Answer nobody = call("GET", "vlt.vault", text("%s?api-version=2025-07-01", paths[i]), fix.nobody.vault_token, NULL);
        expect_status(&nobody, 403);
    }
    Answer none = call("GET", "vlt.vault", "/keys/unheard//attestation?api-version=2025-07-01", fix.owner.vault_token, NULL);
    expect_error(&none, 404, "KeyNotFound", NULL, "unheard");
    none = call("GET", "vlt.vault", "/keys/attested/00000000000000000000000000000000/attestation?api-version=2025-07-01", fix.owner.vault_token, NULL);
    expect_error(&none, 404, "KeyNotFound", NULL, "");
}

static void test_new_version_leaves_the_old_one_usable(void **state)
{
    (void)state;
    Answer first = create("rolled", "{\"kty\":\"RSA\",\"key_ops\":[\"wrapKey\",\"unwrapKey\"]}"), wrapped = op("rolled", "wrapkey", "RSA-OAEP-256", STR("AQID"));
    expect_status(&wrapped, 200);
    assert_true(str_eq(text_at(&wrapped, "kid"), text_at(&first, "key.kid")));
    Answer second = create("rolled", "{\"kty\":\"RSA\"}");
    assert_false(str_eq(text_at(&first, "key.kid"), text_at(&second, "key.kid")));
    Str kid = text_at(&first, "key.kid");
    Answer plain = vault_call("POST", text("/keys/rolled/" STR_FMT "/unwrapkey", STR_ARG(str_slice(kid, kid.len - 32, kid.len))),
                              text("{\"alg\":\"RSA-OAEP-256\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&wrapped, "value"))));
    expect_status(&plain, 200);
    assert_str(text_at(&plain, "value"), "AQID");
    Answer wrong = op("rolled", "unwrapkey", "RSA-OAEP-256", text_at(&wrapped, "value"));
    expect_error(&wrong, 400, "BadParameter", NULL, "");
    Answer list = vault_call("GET", "/keys/rolled/versions", NULL);
    assert_int_equal(json_count(json_get(list.json, "value")), 2);
}

static void test_each_wrap_algorithm_comes_back(void **state)
{
    (void)state;
    static const char *const algs[] = { "RSA-OAEP-256", "RSA-OAEP", "RSA1_5" };
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        Answer wrapped = op("rsa", "wrapkey", algs[i], STR("AQIDBA")), encrypted = op("rsa", "encrypt", algs[i], STR("AQIDBA"));
        expect_status(&wrapped, 200);
        expect_status(&encrypted, 200);
        Answer plain = op("rsa", "unwrapkey", algs[i], text_at(&wrapped, "value"));
        assert_str(text_at(&plain, "value"), "AQIDBA");
        plain = op("rsa", "decrypt", algs[i], text_at(&encrypted, "value"));
        assert_str(text_at(&plain, "value"), "AQIDBA");
    }
}

static void test_signatures_hold_for_their_digest_only(void **state)
{
    (void)state;
    static const struct { const char *key, *alg; size_t digest; } rows[] = {
        { "rsa", "RS256", 32 }, { "rsa", "PS384", 48 }, { "rsa", "RS512", 64 }, { "ec", "ES384", 48 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[64] = { 1, 2, 3 };
        Str digest = base64url_encode(fix.arena, (Bytes){ bytes, rows[i].digest });
        bytes[0] ^= 1;
        Str other = base64url_encode(fix.arena, (Bytes){ bytes, rows[i].digest });
        Answer signature = op(rows[i].key, "sign", rows[i].alg, digest);
        expect_status(&signature, 200);
        Str value = text_at(&signature, "value");
        Answer good = vault_call("POST", text("/keys/%s//verify", rows[i].key), text("{\"alg\":\"%s\",\"digest\":\"" STR_FMT "\",\"value\":\"" STR_FMT "\"}", rows[i].alg, STR_ARG(digest), STR_ARG(value)));
        expect_status(&good, 200);
        assert_true(json_bool(json_get(good.json, "value"), false));
        Answer bad = vault_call("POST", text("/keys/%s//verify", rows[i].key), text("{\"alg\":\"%s\",\"digest\":\"" STR_FMT "\",\"value\":\"" STR_FMT "\"}", rows[i].alg, STR_ARG(other), STR_ARG(value)));
        expect_status(&bad, 200);
        assert_false(json_bool(json_get(bad.json, "value"), true));
    }
}

static void test_bad_operations_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *path, *body, *word; } cases[] = {
        { "/keys/rsa//sign",     "{\"alg\":\"RS256\",\"value\":\"AQID\"}",                                          "32 bytes" },
        { "/keys/rsa//sign",     "{\"alg\":\"HS256\",\"value\":\"AQID\"}",                                          "alg" },
        { "/keys/rsa//sign",     "{\"value\":\"AQID\"}",                                                            "alg" },
        { "/keys/rsa//sign",     "{\"alg\":\"RS256\"}",                                                             "value" },
        { "/keys/rsa//sign",     "{\"alg\":\"RS256\",\"value\":\"!\"}",                                             "value" },
        { "/keys/rsa//verify",   "{\"alg\":\"RS256\",\"value\":\"AQID\"}",                                          "digest" },
        { "/keys/rsa//wrapkey",  "{\"alg\":\"A256KW\",\"value\":\"AQID\"}",                                         "alg" },
        { "/keys/rsa//unwrapkey", "{\"alg\":\"RSA-OAEP\",\"value\":\"AQID\"}",                                      "" },
        { "/keys/ec//sign",      "{\"alg\":\"RS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",   "" },
        { "/keys/ec//sign",      "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",   "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = vault_call("POST", cases[i].path, cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    Answer denied = op("ec", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", NULL, "not permitted on this key");
    Answer missing = op("none-such", "sign", "RS256", STR("AQID"));
    expect_error(&missing, 404, "KeyNotFound", NULL, "A key with (name/id) none-such was not found");
}

/* Whatever is wrong with what is to be opened, the answer is the same to the byte: it tells nothing of the padding. None of the values can be well padded
 * by chance: what OAEP sealed is well padded for RSA1_5 once in 400 times. */
static void test_every_failure_to_open_has_one_answer(void **state)
{
    (void)state;
    static const char *const algs[] = { "RSA1_5", "RSA-OAEP", "RSA-OAEP-256" }, *const ops[] = { "decrypt", "unwrapkey" };
    enum { SIZE = 256 };
    uint8_t bytes[SIZE + 1] = { 0 };
    Str values[10];
    size_t count = 0;
    values[count++] = STR("");
    values[count++] = STR("AQID");
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE });       /* 0 */
    bytes[SIZE - 1] = 1;
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE });       /* 1: no padding at all */
    Answer key = vault_call("GET", "/keys/rsa/", NULL);
    Bytes modulus;
    Err err;
    assert_true(base64url_decode(fix.arena, text_at(&key, "key.n"), &modulus, &err));
    memcpy(bytes, modulus.ptr, SIZE);
    bytes[SIZE - 1] ^= 1;
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE });       /* n - 1, which opens to n - 1: the first byte is not 0 */
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE - 1 });
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE + 1 });
    memset(bytes, 0xff, sizeof bytes);
    values[count++] = base64url_encode(fix.arena, (Bytes){ bytes, SIZE });       /* larger than the modulus */
    Str answer = STR_NONE;
    for (size_t a = 0; a < COUNT_OF(algs); a++) {
        for (size_t other = 0; other < a; other++) {                             /* sealed for another algorithm */
            Answer sealed = op("rsa", "encrypt", algs[other], STR("AQID"));
            expect_status(&sealed, 200);
            values[count + other] = text_at(&sealed, "value");
        }
        for (size_t o = 0; o < COUNT_OF(ops); o++)
            for (size_t i = 0; i < count + a; i++) {
                Answer refused = op("rsa", ops[o], algs[a], values[i]);
                expect_status(&refused, 400);
                if (!answer.ptr)
                    answer = refused.body;
                assert_true(str_eq(refused.body, answer));
            }
    }
}

static void test_key_ops_and_attributes_bind(void **state)
{
    (void)state;
    Answer made = create("bound", "{\"kty\":\"RSA\",\"key_ops\":[\"wrapkey\"]}");
    expect_status(&made, 200);
    Answer wrapped = op("bound", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_status(&wrapped, 200);
    Answer denied = op("bound", "unwrapkey", "RSA-OAEP", text_at(&wrapped, "value"));
    expect_error(&denied, 403, "Forbidden", NULL, "unwrapKey is not permitted");
    Answer changed = vault_call("PATCH", "/keys/bound/", "{\"key_ops\":[\"wrapKey\",\"unwrapKey\"],\"attributes\":{\"exp\":1000000000},\"tags\":{\"x\":\"y\"}}");
    expect_status(&changed, 200);
    assert_str(text_at(&changed, "tags.x"), "y");
    Answer plain = op("bound", "unwrapkey", "RSA-OAEP", text_at(&wrapped, "value"));
    expect_status(&plain, 200);                             /* expired keys still open old data */
    denied = op("bound", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", "KeyExpired", "expired");
    changed = vault_call("PATCH", "/keys/bound/", "{\"attributes\":{\"nbf\":4000000000,\"exp\":4000000001}}");
    expect_status(&changed, 200);
    denied = op("bound", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", "KeyNotYetValid", "not yet valid");
    changed = vault_call("PATCH", "/keys/bound/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&changed, 200);
    denied = op("bound", "unwrapkey", "RSA-OAEP", text_at(&wrapped, "value"));
    expect_error(&denied, 403, "Forbidden", "KeyDisabled", "disabled key");
}

/* What is outside its time opens and verifies what there is, and makes nothing new. */
static void test_outside_its_time_a_key_opens_and_verifies_and_does_nothing_else(void **state)
{
    (void)state;
    static const char digest[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    Answer rsa = create("timed", "{\"kty\":\"RSA\"}"), oct = create("timed-oct", "{\"kty\":\"oct\"}");
    expect_status(&rsa, 200);
    expect_status(&oct, 200);
    Answer sealed = op("timed", "encrypt", "RSA-OAEP", STR("AQID")), wrapped = op("timed", "wrapkey", "RSA-OAEP", STR("AQID")), made = op("timed", "sign", "PS256", str_from(digest));
    Answer sealed_oct = op("timed-oct", "encrypt", "A256GCM", STR("AQID")), wrapped_oct = op("timed-oct", "wrapkey", "A256KW", STR("AAAAAAAAAAAAAAAAAAAAAA"));
    expect_status(&sealed_oct, 200);
    const struct { const char *key, *what, *body; bool makes_new; } cases[] = {
        { "timed", "encrypt", "{\"alg\":\"RSA-OAEP\",\"value\":\"AQID\"}", true },
        { "timed", "wrapkey", "{\"alg\":\"RSA-OAEP\",\"value\":\"AQID\"}", true },
        { "timed", "sign", text("{\"alg\":\"PS256\",\"value\":\"%s\"}", digest), true },
        { "timed", "decrypt", text("{\"alg\":\"RSA-OAEP\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&sealed, "value"))), false },
        { "timed", "unwrapkey", text("{\"alg\":\"RSA-OAEP\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&wrapped, "value"))), false },
        { "timed", "verify", text("{\"alg\":\"PS256\",\"digest\":\"%s\",\"value\":\"" STR_FMT "\"}", digest, STR_ARG(text_at(&made, "value"))), false },
        { "timed-oct", "encrypt", "{\"alg\":\"A256GCM\",\"value\":\"AQID\"}", true },
        { "timed-oct", "wrapkey", "{\"alg\":\"A256KW\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", true },
        { "timed-oct", "decrypt", text("{\"alg\":\"A256GCM\",\"value\":\"" STR_FMT "\",\"iv\":\"" STR_FMT "\",\"tag\":\"" STR_FMT "\"}", STR_ARG(text_at(&sealed_oct, "value")),
                                         STR_ARG(text_at(&sealed_oct, "iv")), STR_ARG(text_at(&sealed_oct, "tag"))), false },
        { "timed-oct", "unwrapkey", text("{\"alg\":\"A256KW\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&wrapped_oct, "value"))), false },
    };
    static const struct { const char *attributes, *inner; } times[] = {
        { "{\"nbf\":null,\"exp\":1000000000}", "KeyExpired" }, { "{\"nbf\":4000000000,\"exp\":4000000001}", "KeyNotYetValid" }, { "{\"nbf\":1000000000,\"exp\":4000000001}", NULL },
    };
    for (size_t t = 0; t < COUNT_OF(times); t++) {
        rsa = vault_call("PATCH", "/keys/timed/", text("{\"attributes\":%s}", times[t].attributes));
        oct = vault_call("PATCH", "/keys/timed-oct/", text("{\"attributes\":%s}", times[t].attributes));
        expect_status(&rsa, 200);
        expect_status(&oct, 200);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            Answer answer = vault_call("POST", text("/keys/%s//%s", cases[i].key, cases[i].what), cases[i].body);
            if (cases[i].makes_new && times[t].inner)
                expect_error(&answer, 403, "Forbidden", times[t].inner, "");
            else
                expect_status(&answer, 200);
        }
        rsa = vault_call("GET", "/keys/timed/", NULL);
        expect_status(&rsa, 200);
    }
}

/* Used twice, a key is in memory with what it may do. */
static Answer used_twice(const char *name)
{
    Answer wrapped = op(name, "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_status(&wrapped, 200);
    wrapped = op(name, "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_status(&wrapped, 200);
    return wrapped;
}

static void test_each_change_counts_with_the_next_use_of_a_key_that_is_in_memory(void **state)
{
    (void)state;
    Answer first = create("fast", "{\"kty\":\"RSA\"}"), wrapped = used_twice("fast");
    assert_true(str_eq(text_at(&wrapped, "kid"), text_at(&first, "key.kid")));
    Answer changed = vault_call("PATCH", "/keys/fast/", "{\"key_ops\":[\"unwrapKey\"]}");
    expect_status(&changed, 200);
    Answer denied = op("fast", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", NULL, "wrapKey is not permitted");
    denied = op("FAST", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", NULL, "wrapKey is not permitted");
    Answer second = create("fast", "{\"kty\":\"RSA\"}");
    wrapped = used_twice("fast");
    assert_true(str_eq(text_at(&wrapped, "kid"), text_at(&second, "key.kid")));
    changed = vault_call("PATCH", "/keys/fast/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&changed, 200);
    denied = op("fast", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", "KeyDisabled", "disabled key");
    changed = vault_call("PATCH", "/keys/fast/", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&changed, 200);
    (void)used_twice("fast");
    Answer gone = vault_call("DELETE", "/keys/fast", NULL);
    expect_status(&gone, 200);
    denied = op("fast", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 404, "KeyNotFound", NULL, "was not found");
}

/* The clock is no commit. */
static void test_an_expiry_counts_for_a_key_that_is_in_memory(void **state)
{
    (void)state;
    int64_t expires_s = clock_now_ms(fix.site.clock) / 1000 + 3600;
    Answer made = create("brief", text("{\"kty\":\"RSA\",\"attributes\":{\"exp\":%lld}}", (long long)expires_s));
    expect_status(&made, 200);
    (void)used_twice("brief");
    clock_set_offset(fix.site.clock, clock_offset_ms(fix.site.clock) + 3600 * 1000);
    Answer denied = op("brief", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_error(&denied, 403, "Forbidden", "KeyExpired", "expired");
}

static void test_bad_keys_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *body, *word; } cases[] = {
        { "{}", "kty" },                                     { "{\"kty\":\"DSA\"}", "kty" },
        { "{\"kty\":\"RSA\",\"key_size\":1024}", "key_size" }, { "{\"kty\":\"EC\",\"crv\":\"P-1\"}", "crv" },
        { "{\"kty\":\"RSA\",\"key_ops\":[\"fly\"]}", "key_ops" }, { "{\"kty\":\"RSA\",\"key_ops\":[\"sign\",\"SIGN\"]}", "key_ops" },
        { "{\"kty\":\"EC\",\"key_ops\":[\"wrapKey\"]}", "EC key" }, { "{\"kty\":\"RSA\",\"public_exponent\":3}", "public_exponent" },
        { "{\"kty\":\"RSA\",\"tags\":[]}", "tags" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = create("bad", cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    static const char *const hardware[] = { "{\"kty\":\"RSA-HSM\"}", "{\"kty\":\"EC-HSM\"}" };
    for (size_t i = 0; i < COUNT_OF(hardware); i++) {
        Answer answer = create("bad", hardware[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    }
    Answer none = vault_call("GET", "/keys/bad", NULL);
    expect_error(&none, 404, "KeyNotFound", NULL, "bad");
}

static void test_deleted_key_comes_back_with_its_versions(void **state)
{
    (void)state;
    Answer made = create("lost", "{\"kty\":\"RSA\"}"), wrapped = op("lost", "wrapkey", "RSA-OAEP", STR("AQID"));
    expect_status(&wrapped, 200);
    Answer deleted = vault_call("DELETE", "/keys/lost", NULL);
    expect_status(&deleted, 200);
    assert_true(str_eq(text_at(&deleted, "key.kid"), text_at(&made, "key.kid")));
    Answer gone = op("lost", "unwrapkey", "RSA-OAEP", text_at(&wrapped, "value"));
    expect_error(&gone, 404, "KeyNotFound", NULL, "lost");
    Answer refused = create("lost", "{\"kty\":\"RSA\"}");
    expect_error(&refused, 409, "Conflict", "ObjectIsDeletedButRecoverable", "Key lost is currently in a deleted but recoverable state");
    Answer back = vault_call("POST", "/deletedkeys/lost/recover", NULL);
    expect_status(&back, 200);
    Answer plain = op("lost", "unwrapkey", "RSA-OAEP", text_at(&wrapped, "value"));
    expect_status(&plain, 200);
    assert_str(text_at(&plain, "value"), "AQID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created_key_shows_its_public_part),
        cmocka_unit_test(test_attestation_answers_the_key_without_one),
        cmocka_unit_test(test_new_version_leaves_the_old_one_usable),
        cmocka_unit_test(test_each_wrap_algorithm_comes_back),
        cmocka_unit_test(test_signatures_hold_for_their_digest_only),
        cmocka_unit_test(test_bad_operations_are_refused_by_name),
        cmocka_unit_test(test_every_failure_to_open_has_one_answer),
        cmocka_unit_test(test_key_ops_and_attributes_bind),
        cmocka_unit_test(test_outside_its_time_a_key_opens_and_verifies_and_does_nothing_else),
        cmocka_unit_test(test_each_change_counts_with_the_next_use_of_a_key_that_is_in_memory),
        cmocka_unit_test(test_an_expiry_counts_for_a_key_that_is_in_memory),
        cmocka_unit_test(test_bad_keys_are_refused_by_name),
        cmocka_unit_test(test_deleted_key_comes_back_with_its_versions),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
