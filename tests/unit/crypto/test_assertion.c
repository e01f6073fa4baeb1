#include "../cm.h"
#include "base/clock.h"
#include "crypto/assertion.h"
#include "crypto/jwt.h"
#include "keys.h"

#define AUDIENCE "https://login.example/tenant/oauth2/v2.0/token"

static bool sign(Arena *arena, int key, Jwt *out, Err *err)
{
    int64_t now = real_now_ms();
    CertSpec spec = { .subject = STR("CN=a"), .path_length = -1, .not_before_ms = now, .not_after_ms = now + 86400000 };
    Bundle bundle = { .key = test_key(key), .count = 1 };
    Str text;
    assert_true(cert_self_sign(arena, bundle.key, &spec, &bundle.certs[0], err));
    return assertion_sign(arena, &bundle, STR("it's \"me\""), STR(AUDIENCE), now, &text, err) && jwt_parse(arena, text, out, err);
}

static void test_an_assertion_names_its_certificate_and_holds_ten_minutes(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Jwt jwt, again;
    Err err = { 0 };
    assert_true(sign(arena, TEST_RSA2048, &jwt, &err));
    assert_true(jwt_check(&jwt, test_key(TEST_RSA2048), &err));
    assert_false(jwt_check(&jwt, test_key(TEST_RSA3072), &err));
    assert_int_equal(jwt.x5t.len, 27);                              /* 20 bytes in base64url */
    assert_int_equal(jwt.x5t_s256.len, 43);
    assert_str(json_str(json_get(jwt.claims, "aud")), AUDIENCE);
    assert_str(json_str(json_get(jwt.claims, "iss")), "it's \"me\"");
    assert_str(json_str(json_get(jwt.claims, "sub")), "it's \"me\"");
    assert_int_equal(json_int(json_get(jwt.claims, "exp"), 0) - json_int(json_get(jwt.claims, "nbf"), 0), 600);
    assert_true(sign(arena, TEST_RSA2048, &again, &err));
    assert_false(str_eq(json_str(json_get(jwt.claims, "jti")), json_str(json_get(again.claims, "jti"))));
}

static void test_other_keys_and_halves_are_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Jwt jwt;
    Str text;
    Err err = { 0 };
    assert_false(sign(arena, TEST_P256, &jwt, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(assertion_sign(arena, &(Bundle){ .key = test_key(TEST_RSA2048) }, STR("me"), STR(AUDIENCE), 0, &text, &err));
    assert_false(assertion_sign(arena, &(Bundle){ .count = 0 }, STR("me"), STR(AUDIENCE), 0, &text, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_assertion_names_its_certificate_and_holds_ten_minutes), cmocka_unit_test(test_other_keys_and_halves_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
