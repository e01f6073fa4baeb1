/* test_issuer.c - what issuers answer; asking them is tested against a real one in tests/system/test_federation.py. */
#include "../cm.h"
#include "base/encode.h"
#include "identity/issuer.h"

static Arena *arena;

static int set_up(void **state) { (void)state; arena = arena_new(4 << 20); return arena ? 0 : -1; }
static int tear_down(void **state) { (void)state; arena_free(arena); return 0; }

/* A JWK of a fresh key; more: members to add, with a comma before. */
static Str jwk(KeySpec spec, const char *more, KeyRef **key)
{
    KeyPublic open;
    Err err = { 0 };
    assert_true(key_generate(spec, key, &err) && key_public(arena, *key, &open, &err));
    return spec.kind == KEY_RSA ? str_printf(arena, "{\"kty\":\"RSA\",\"n\":\"" STR_FMT "\",\"e\":\"" STR_FMT "\"%s}", STR_ARG(base64url_encode(arena, open.n)),
                                             STR_ARG(base64url_encode(arena, open.e)), more)
                                : str_printf(arena, "{\"kty\":\"EC\",\"crv\":\"" STR_FMT "\",\"x\":\"" STR_FMT "\",\"y\":\"" STR_FMT "\"%s}", STR_ARG(key_curve_name(open.curve)),
                                             STR_ARG(base64url_encode(arena, open.x)), STR_ARG(base64url_encode(arena, open.y)), more);
}

static void test_keys_for_signatures_are_taken_and_others_passed_over(void **state)
{
    (void)state;
    KeyRef *keys[4] = { 0 };
    IssuerKeys read;
    Err err = { 0 };
    KeySpec rsa = { .kind = KEY_RSA, .rsa_bits = 2048 }, p256 = { .kind = KEY_EC, .curve = CURVE_P256 }, p384 = { .kind = KEY_EC, .curve = CURVE_P384 };
    Str first = jwk(rsa, ",\"kid\":\"one\",\"use\":\"sig\"", &keys[0]), second = jwk(p256, "", &keys[1]), third = jwk(p384, ",\"kid\":\"three\"", &keys[2]),
        fourth = jwk(p256, ",\"kid\":\"four\",\"use\":\"enc\"", &keys[3]);
    Str text = str_printf(arena, "{\"keys\":[" STR_FMT "," STR_FMT "," STR_FMT "," STR_FMT ",{\"kty\":\"oct\",\"k\":\"AAAA\"},7,{}]}", STR_ARG(first), STR_ARG(second), STR_ARG(third), STR_ARG(fourth));
    assert_true(issuer_read_keys(arena, text, &read, &err));
    assert_int_equal(read.count, 2);
    assert_string_equal(read.items[0].kid, "one");
    assert_string_equal(read.items[1].kid, "");
    assert_true(key_same_public(read.items[0].key, keys[0]) && key_same_public(read.items[1].key, keys[1]));
    issuer_keys_done(&read);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        key_free(keys[i]);
}

static void test_a_set_without_a_usable_key_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"RSA\"}]}", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",          /* 17 bits */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",   /* not on the curve */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}", "{\"keys\":[{\"kty\":[\"RSA\"],\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "{\"keys\":[],\"keys\":[]}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        IssuerKeys read;
        Err err = { 0 };
        if (issuer_read_keys(arena, str_from(bad[i]), &read, &err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_int_equal(read.count, 0);
    }
}

static void test_a_configuration_speaks_for_its_own_issuer_only(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "{}", "{\"issuer\":\"https://i.example\"}", "{\"issuer\":\"https://i.example/\",\"jwks_uri\":\"https://i.example/k\"}", "{\"issuer\":\"https://I.example\",\"jwks_uri\":\"https://i.example/k\"}",
        "{\"issuer\":\"https://i.example\",\"jwks_uri\":\"http://i.example/k\"}", "{\"issuer\":\"https://i.example\",\"jwks_uri\":\"https://\"}",
        "{\"issuer\":\"https://i.example\",\"jwks_uri\":\"https://u:p@i.example/k\"}", "{\"issuer\":\"https://i.example\",\"jwks_uri\":\"https://i.example/a b\"}",
        "{\"issuer\":\"https://i.example\",\"jwks_uri\":[\"https://i.example/k\"]}",
    };
    Str uri;
    Err err = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (issuer_read_configuration(arena, str_from(bad[i]), STR("https://i.example"), &uri, &err))
            fail_msg("taken: %s", bad[i]);
    assert_true(issuer_read_configuration(arena, STR("{\"issuer\":\"https://i.example\",\"jwks_uri\":\"https://keys.example/k?v=1\"}"), STR("https://i.example"), &uri, &err));
    assert_str(uri, "https://keys.example/k?v=1");
}

static void test_an_issuer_nobody_answers_for_is_not_asked_for_ever(void **state)
{
    (void)state;
    Issuers *issuers = NULL;
    KeyRef *keys[ISSUER_KEYS_MAX];
    size_t count = 7;
    Err err = { 0 };
    assert_true(issuers_new(&issuers, &err));
    for (int i = 0; i < 12; i++) {
        err = (Err){ 0 };
        assert_false(issuers_keys(issuers, STR("https://127.0.0.1:1"), STR("k"), SIGN_RS256, keys, &count, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.text, "openid-configuration could not be had"));
        assert_int_equal(count, 0);
    }
    char longer[1000] = "https://";
    memset(longer + 8, 'a', sizeof longer - 9);
    longer[sizeof longer - 1] = '\0';
    assert_false(issuers_keys(issuers, str_from(longer), STR("k"), SIGN_RS256, keys, &count, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    issuers_free(issuers);
    issuers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_for_signatures_are_taken_and_others_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_set_without_a_usable_key_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_configuration_speaks_for_its_own_issuer_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_issuer_nobody_answers_for_is_not_asked_for_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
