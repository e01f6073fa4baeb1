/* test_key_import.c - keys made elsewhere: the key of RFC 7517 appendix A.2, keys of OpenSSL, and what is refused. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include "base/encode.h"
#include "fixture.h"

/* RFC 7517 appendix A.2. */
#define X "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
#define Y "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
#define D "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"
#define EC_KEY "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"d\":\"" D "\""

static Answer import(const char *name, const char *body) { return vault_call("PUT", text("/keys/%s", name), body); }

static const char *number(EVP_PKEY *pkey, const char *name)
{
    BIGNUM *bn = NULL;
    assert_true(EVP_PKEY_get_bn_param(pkey, name, &bn));
    uint8_t bytes[512];
    int len = BN_bn2bin(bn, bytes);
    BN_clear_free(bn);
    return text(STR_FMT, STR_ARG(base64url_encode(fix.arena, (Bytes){ bytes, (size_t)len })));
}

/* The members of an RSA JWK with the one called `wrong` (NULL: none) of another key. */
static const char *rsa_jwk(EVP_PKEY *pkey, EVP_PKEY *other, const char *wrong)
{
    static const struct { const char *jwk, *param; } members[] = {
        { "n", OSSL_PKEY_PARAM_RSA_N }, { "e", OSSL_PKEY_PARAM_RSA_E }, { "d", OSSL_PKEY_PARAM_RSA_D }, { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 }, { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },
        { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 }, { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
    };
    const char *all = "\"kty\":\"RSA\"";
    for (size_t i = 0; i < COUNT_OF(members); i++)
        all = text("%s,\"%s\":\"%s\"", all, members[i].jwk, number(wrong && strcmp(wrong, members[i].jwk) == 0 ? other : pkey, members[i].param));
    return all;
}

static void test_an_ec_key_signs_after_its_import(void **state)
{
    (void)state;
    Answer made = import("ec", "{\"key\":{" EC_KEY ",\"key_ops\":[\"sign\",\"verify\"]},\"tags\":{\"from\":\"rfc\"},\"attributes\":{\"exp\":4000000000}}");
    expect_status(&made, 200);
    assert_str(text_at(&made, "key.x"), X);
    assert_str(text_at(&made, "tags.from"), "rfc");
    assert_int_equal(int_at(&made, "attributes.exp"), 4000000000);
    assert_null(json_path(made.json, "key.d"));
    static const char digest[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    Answer signature = vault_call("POST", "/keys/ec//sign", text("{\"alg\":\"ES256\",\"value\":\"%s\"}", digest));
    expect_status(&signature, 200);
    Answer valid = vault_call("POST", "/keys/ec//verify", text("{\"alg\":\"ES256\",\"digest\":\"%s\",\"value\":\"" STR_FMT "\"}", digest, STR_ARG(text_at(&signature, "value"))));
    assert_true(json_bool(json_get(valid.json, "value"), false));
    Answer again = import("ec", "{\"key\":{" EC_KEY "},\"Hsm\":false}");             /* another version */
    expect_status(&again, 200);
    assert_false(str_eq(text_at(&again, "key.kid"), text_at(&made, "key.kid")));
    Answer rotated = vault_call("POST", "/keys/ec/rotate", "");
    expect_status(&rotated, 200);
    assert_false(str_eq(text_at(&rotated, "key.x"), STR(X)));
}

static void test_an_rsa_key_opens_what_was_wrapped_outside(void **state)
{
    (void)state;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048), *other = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    assert_non_null(pkey);
    assert_non_null(other);
    Answer made = import("rsa", text("{\"key\":{%s}}", rsa_jwk(pkey, other, NULL)));
    expect_status(&made, 200);
    assert_int_equal(json_count(json_path(made.json, "key.key_ops")), 6);
    uint8_t wrapped[256];
    size_t len = sizeof wrapped;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, (char *)(uintptr_t)OSSL_PKEY_RSA_PAD_MODE_OAEP, 0), OSSL_PARAM_construct_end() };
    assert_int_equal(EVP_PKEY_encrypt_init_ex(ctx, params), 1);
    assert_int_equal(EVP_PKEY_encrypt(ctx, wrapped, &len, (const uint8_t *)"abc", 3), 1);
    EVP_PKEY_CTX_free(ctx);
    Answer plain = vault_call("POST", "/keys/rsa//unwrapkey", text("{\"alg\":\"RSA-OAEP\",\"value\":\"" STR_FMT "\"}", STR_ARG(base64url_encode(fix.arena, (Bytes){ wrapped, len }))));
    expect_status(&plain, 200);
    assert_str(text_at(&plain, "value"), "YWJj");
    static const char *const members[] = { "n", "d", "p", "q", "dp", "dq", "qi" };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        Answer mixed = import("mixed", text("{\"key\":{%s}}", rsa_jwk(pkey, other, members[i])));
        expect_error(&mixed, 400, "BadParameter", NULL, "do not belong to one RSA key");
    }
    Answer missing = vault_call("GET", "/keys/mixed", NULL);
    expect_error(&missing, 404, "KeyNotFound", NULL, "mixed");
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(other);
}

static void test_bad_keys_are_refused_by_member(void **state)
{
    (void)state;
    static const struct { const char *body; int status; const char *code, *word; } cases[] = {
        { "{}",                                                                                           400, "BadParameter",   "key" },
        { "{\"key\":7}",                                                                                  400, "BadParameter",   "key" },
        { "{\"key\":{}}",                                                                                 400, "BadParameter",   "kty" },
        { "{\"key\":{\"kty\":\"RSB\"}}",                                                                  400, "BadParameter",   "RSB" },
        { "{\"key\":{\"kty\":\"RSA\",\"n\":\"AQAB\"}}",                                                   400, "BadParameter",   "e is missing" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}}",                 400, "BadParameter",   "d has 0 bytes" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\",\"d\":\"" D "\"}}", 400, "BadParameter",   "x has 32 bytes" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-9\",\"x\":\"" X "\",\"y\":\"" Y "\",\"d\":\"" D "\"}}",   400, "BadParameter",   "crv" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"d\":\"" X "\"}}", 400, "BadParameter",   "does not belong" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y "\",\"y\":\"" X "\",\"d\":\"" D "\"}}", 400, "BadParameter",   "" },
        { "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"!\",\"y\":\"" Y "\",\"d\":\"" D "\"}}",     400, "BadParameter",   "key.x" },
        { "{\"key\":{" EC_KEY ",\"key_ops\":[\"wrapKey\"]}}",                                             400, "BadParameter",   "key_ops" },
        { "{\"key\":{\"kty\":\"RSA-HSM\"}}",                                                              400, "BadParameter", "standard vault" },
        { "{\"key\":{" EC_KEY "},\"Hsm\":true}",                                                          400, "BadParameter", "standard vault" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = import("bad", cases[i].body);
        expect_error(&answer, cases[i].status, cases[i].code, NULL, cases[i].word);
    }
    Answer name = import("b_d", "{\"key\":{" EC_KEY "}}");
    expect_error(&name, 400, "BadParameter", NULL, "b_d");
    Answer missing = vault_call("GET", "/keys/bad", NULL);
    expect_error(&missing, 404, "KeyNotFound", NULL, "bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ec_key_signs_after_its_import),
        cmocka_unit_test(test_an_rsa_key_opens_what_was_wrapped_outside),
        cmocka_unit_test(test_bad_keys_are_refused_by_member),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
