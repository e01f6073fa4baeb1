#include "../cm.h"
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "keys.h"
#include "vectors.h"

static KeyRef *vector_key(Arena *arena, const Vector *v)
{
    KeyRef *key = NULL;
    Err err;
    bool rsa = vector_text(v, "n").ptr;
    KeyPublic parts = { .kind = rsa ? KEY_RSA : KEY_EC, .curve = key_curve_parse(vector_text(v, "crv")) };
    if (rsa) {
        parts.n = vector_base64url(arena, v, "n");
        parts.e = vector_base64url(arena, v, "e");
    } else {
        parts.x = vector_base64url(arena, v, "x");
        parts.y = vector_base64url(arena, v, "y");
    }
    if (!key_from_public(&parts, &key, &err))
        fail_msg("%s", err.text);
    return key;
}

/* Those whose payload is no JSON object are no JWTs and are refused before their signature is looked at. */
static void test_published_tokens_verify_and_no_changed_one_does(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    Vectors vectors = vectors_open(arena, "jws.rsp");
    Vector v;
    size_t tokens = 0, others = 0;
    while (vectors_next(&vectors, &v)) {
        AUTO(key_free_auto) KeyRef *key = vector_key(arena, &v);
        Str token = vector_text(&v, "Token");
        Jwt jwt;
        Err err = { 0 };
        if (str_eq(vector_text(&v, "Claims"), STR("no"))) {
            assert_false(jwt_parse(arena, token, &jwt, &err));
            assert_int_equal(err.code, ERR_UNAUTHENTICATED);
            others++;
            continue;
        }
        assert_true(jwt_parse(arena, token, &jwt, &err));
        assert_true(jwt_check(&jwt, key, &err));
        assert_str(json_str(json_get(jwt.claims, "iss")), "joe");
        tokens++;
        char *changed = arena_alloc(arena, token.len);
        for (size_t i = 0; i < token.len; i++) {
            memcpy(changed, token.ptr, token.len);
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            Jwt bad;
            if (jwt_parse(arena, (Str){ changed, token.len }, &bad, &err) && jwt_check(&bad, key, &err))
                fail_msg("a token with character %zu changed was accepted", i);
            assert_int_equal(err.code, ERR_UNAUTHENTICATED);
        }
    }
    assert_int_equal(tokens, 2);
    assert_int_equal(others, 2);
}

static const struct { SignAlg alg; int which; } algs[] = {
    { SIGN_RS256, TEST_RSA2048 }, { SIGN_RS384, TEST_RSA2048 }, { SIGN_RS512, TEST_RSA2048 }, { SIGN_PS256, TEST_RSA2048 }, { SIGN_PS384, TEST_RSA2048 },
    { SIGN_PS512, TEST_RSA2048 }, { SIGN_ES256, TEST_P256 },    { SIGN_ES384, TEST_P384 },    { SIGN_ES512, TEST_P521 },    { SIGN_ES256K, TEST_P256K },
};

static void test_what_is_signed_is_read_and_checked(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        Str token;
        Jwt jwt;
        Err err;
        assert_true(jwt_sign(arena, test_key(algs[i].which), algs[i].alg, STR("\"kid\":\"k1\",\"x5t\":\"dGh1bWI\",\"x5t#S256\":\"c2hh\""),
                             STR("{\"sub\":\"me\",\"exp\":1700000000.25}"), &token, &err));
        assert_true(jwt_parse(arena, token, &jwt, &err));
        assert_int_equal(jwt.alg, algs[i].alg);
        assert_str(jwt.kid, "k1");
        assert_str(jwt.x5t, "dGh1bWI");
        assert_str(jwt.x5t_s256, "c2hh");
        assert_str(json_str(json_get(jwt.header, "typ")), "JWT");
        assert_str(json_str(json_get(jwt.claims, "sub")), "me");
        assert_true(jwt_check(&jwt, test_key(algs[i].which), &err));
        for (int other = 0; other < TEST_KEYS; other++)
            if (other != algs[i].which) {
                assert_false(jwt_check(&jwt, test_key(other), &err));
                assert_int_equal(err.code, ERR_UNAUTHENTICATED);
            }
    }
}

static Str part(Arena *arena, const char *text, bool padded)
{
    Str coded = base64url_encode(arena, bytes_of(str_from(text)));
    static const char *const tails[] = { "", "", "==", "=" };
    return padded ? str_printf(arena, STR_FMT "%s", STR_ARG(coded), tails[coded.len % 4]) : coded;
}

/* Signed by hand, so that header and coding can be anything. */
static Str token_of(Arena *arena, const char *header, const char *claims, bool padded)
{
    Bytes signature;
    Err err;
    Str head = part(arena, header, padded), body = part(arena, claims, padded);
    Str signed_part = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(head), STR_ARG(body));
    assert_true(key_sign(test_key(TEST_P256), SIGN_ES256, bytes_of(signed_part), arena, &signature, &err));
    Str coded = base64url_encode(arena, signature);
    return str_printf(arena, STR_FMT "." STR_FMT "%s", STR_ARG(signed_part), STR_ARG(coded), padded ? "==" : "");
}

static void test_padded_parts_are_taken_as_they_were_signed(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Jwt jwt;
    Err err;
    for (int padded = 0; padded < 2; padded++) {
        assert_true(jwt_parse(arena, token_of(arena, "{\"alg\":\"ES256\"}", "{\"a\":1}", padded), &jwt, &err));
        assert_true(jwt_check(&jwt, test_key(TEST_P256), &err));
        assert_null(jwt.kid.ptr);
        assert_null(jwt.x5t.ptr);
    }
}

static void refuse(Arena *arena, Str token, const char *says)
{
    Jwt jwt;
    Err err = { 0 };
    if (jwt_parse(arena, token, &jwt, &err))
        fail_msg("accepted: " STR_FMT, STR_ARG(token));
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void test_headers_that_must_be_refused(void **state)
{
    (void)state;
    static const struct { const char *header, *says; } rows[] = {
        { "{\"alg\":\"none\"}", "algorithm" },      { "{\"alg\":\"None\"}", "algorithm" },   { "{\"alg\":\"HS256\"}", "algorithm" },
        { "{\"alg\":\"HS512\"}", "algorithm" },     { "{\"alg\":\"es256\"}", "algorithm" },  { "{\"alg\":\"\"}", "algorithm" },
        { "{}", "algorithm" },                      { "{\"alg\":null}", "algorithm" },       { "{\"alg\":[\"ES256\"]}", "algorithm" },
        { "{\"alg\":\"EdDSA\"}", "algorithm" },     { "{\"alg\":\"ES256\",\"crit\":[\"exp\"]}", "critical" },
        { "{\"alg\":\"ES256\",\"crit\":[]}", "critical" },                  { "{\"alg\":\"ES256\",\"crit\":null}", "critical" },
        { "{\"alg\":\"ES256\",\"b64\":false}", "unencoded" },               { "{\"alg\":\"ES256\",\"kid\":1}", "identifier" },
        { "{\"alg\":\"ES256\",\"x5t\":{}}", "identifier" },                 { "{\"alg\":\"ES256\",\"x5t#S256\":[]}", "identifier" },
        { "{\"alg\":\"ES256\",\"alg\":\"none\"}", "header" },               { "[\"ES256\"]", "header" }, { "ES256", "header" }, { "", "header" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        refuse(arena, token_of(arena, rows[i].header, "{}", false), rows[i].says);
}

static void test_shapes_that_must_be_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    Str good = token_of(arena, "{\"alg\":\"ES256\"}", "{\"a\":1}", false);
    size_t dot = 0;
    assert_true(str_find(good, STR("."), &dot));
    static const char *const bodies[] = { "", "[]", "1", "\"x\"", "null", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "{\"a\":\"\xFF\"}", "{\"a\":\"\\u0000\"}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        refuse(arena, token_of(arena, "{\"alg\":\"ES256\"}", bodies[i], false), "claims");
    refuse(arena, STR(""), "three parts");
    refuse(arena, STR("a"), "three parts");
    refuse(arena, STR("a.b"), "three parts");
    refuse(arena, STR(".."), "header");
    refuse(arena, str_printf(arena, STR_FMT ".x", STR_ARG(good)), "three parts");
    refuse(arena, str_printf(arena, STR_FMT ".", STR_ARG(good)), "three parts");
    refuse(arena, str_printf(arena, " " STR_FMT, STR_ARG(good)), "header");
    refuse(arena, str_printf(arena, STR_FMT "\n", STR_ARG(good)), "signature");
    refuse(arena, str_slice(good, 0, good.len - 1), "signature");
    for (size_t len = 0; len < good.len - 86; len++)
        refuse(arena, str_slice(good, 0, len), "");
    refuse(arena, str_printf(arena, STR_FMT ".", STR_ARG(str_slice(good, 0, good.len - 87))), "signature");

    char *large = arena_alloc(arena, 70000);
    memset(large, 'a', 70000);
    refuse(arena, (Str){ large, 70000 }, "too long");
}

/* The public key as an HMAC secret, the classic confusion: there is no HMAC to confuse. */
static void test_a_public_key_is_no_hmac_secret(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bytes spki;
    uint8_t mac[SHA256_SIZE];
    Err err;
    assert_true(key_to_spki(arena, test_key(TEST_RSA2048), &spki, &err));
    Str signed_part = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(part(arena, "{\"alg\":\"HS256\"}", false)), STR_ARG(part(arena, "{\"a\":1}", false)));
    hmac_sha256(spki, bytes_of(signed_part), mac);
    refuse(arena, str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(signed_part), STR_ARG(base64url_encode(arena, (Bytes){ mac, sizeof mac }))), "algorithm");
}

static void test_a_full_arena_is_told_from_a_bad_token(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *big = arena_new(1 << 20);
    Str good = token_of(big, "{\"alg\":\"ES256\",\"kid\":\"x\"}", "{\"a\":1}", false);
    bool parsed = false;
    for (size_t limit = 0; limit < 4096 && !parsed; limit += 16) {
        AUTO(arena_free_auto) Arena *arena = arena_new(limit);
        Jwt jwt;
        Err err = { 0 };
        parsed = jwt_parse(arena, good, &jwt, &err);
        if (!parsed)
            assert_int_equal(err.code, ERR_TOO_LARGE);
        Str out;
        AUTO(arena_free_auto) Arena *other = arena_new(limit);
        if (!jwt_sign(other, test_key(TEST_P256), SIGN_ES256, STR(""), STR("{}"), &out, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
    }
    assert_true(parsed);
}

static void test_numeric_dates(void **state)
{
    (void)state;
    static const struct { const char *text; bool good; int64_t ms; } rows[] = {
        { "1700000000", true, INT64_C(1700000000000) },   { "1700000000.25", true, INT64_C(1700000000250) }, { "1700000000.9999", true, INT64_C(1700000000999) },
        { "0", true, 0 },                                 { "-1.5", true, -1500 },                            { "-0.0001", true, -1 },
        { "1.7e9", true, INT64_C(1700000000000) },        { "9e12", true, INT64_C(9000000000000000) },        { "1e13", false, 0 },
        { "9223372036854775807", false, 0 },              { "1e300", false, 0 },                              { "\"1700000000\"", false, 0 },
        { "null", false, 0 },                             { "true", false, 0 },                               { "[1]", false, 0 },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const JsonVal *root;
        int64_t ms = 7;
        Err err;
        assert_true(json_parse(arena, str_printf(arena, "{\"exp\":%s}", rows[i].text), JSON_STRICT, &root, &err));
        assert_int_equal(jwt_time(json_get(root, "exp"), &ms), rows[i].good);
        assert_int_equal(ms, rows[i].good ? rows[i].ms : 7);
    }
    int64_t ms = 7;
    assert_false(jwt_time(NULL, &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_tokens_verify_and_no_changed_one_does),
        cmocka_unit_test(test_what_is_signed_is_read_and_checked),
        cmocka_unit_test(test_padded_parts_are_taken_as_they_were_signed),
        cmocka_unit_test(test_headers_that_must_be_refused),
        cmocka_unit_test(test_shapes_that_must_be_refused),
        cmocka_unit_test(test_a_public_key_is_no_hmac_secret),
        cmocka_unit_test(test_a_full_arena_is_told_from_a_bad_token),
        cmocka_unit_test(test_numeric_dates),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
