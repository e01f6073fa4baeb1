/* test_message.c - what is sent to an ACME server and what is believed of its answers. Calls: test_calls.c, and tests/system/test_acme.py, with a real one. */
#include "acme/message.h"
#include "acme_test.h"
#include "base/encode.h"
#include "crypto/hash.h"

static const JsonVal *json(Str text)
{
    const JsonVal *root = NULL;
    must(json_parse(arena, text, JSON_STRICT, &root, &err));
    return root;
}

static Str opened(const JsonVal *value)
{
    Bytes bytes;
    must(base64url_decode(arena, json_str(value), &bytes, &err));
    return str_of(bytes);
}

static Str signed_text(const JsonVal *jws)
{
    return str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(json_str(json_get(jws, "protected"))), STR_ARG(json_str(json_get(jws, "payload"))));
}

static void test_requests_are_signed_and_name_url_and_nonce(void **state)
{
    (void)state;
    Str text;
    bool valid = false;
    must(jws_make(arena, key, STR("https://a.example/account/1"), STR("n0nce"), STR("https://a.example/order"), STR("{}"), &text, &err));
    const JsonVal *jws = json(text), *header = json(opened(json_get(jws, "protected")));
    assert_str(json_str(json_get(header, "alg")), "ES256");
    assert_str(json_str(json_get(header, "kid")), "https://a.example/account/1");
    assert_str(json_str(json_get(header, "nonce")), "n0nce");
    assert_str(json_str(json_get(header, "url")), "https://a.example/order");
    assert_null(json_get(header, "jwk"));                 /* RFC 8555 section 6.2: one of both */
    assert_str(opened(json_get(jws, "payload")), "{}");
    must(key_verify(key, SIGN_ES256, bytes_of(signed_text(jws)), bytes_of(opened(json_get(jws, "signature"))), &valid, &err));
    assert_true(valid);

    must(jws_make(arena, key, STR_NONE, STR("n"), STR("https://a.example/account"), STR(""), &text, &err));
    jws = json(text);
    header = json(opened(json_get(jws, "protected")));
    assert_null(json_get(header, "kid"));
    assert_str(json_str(json_path(header, "jwk.kty")), "EC");
    assert_null(json_path(header, "jwk.d"));
    assert_str(json_str(json_get(jws, "payload")), "");
}

static void test_binding_is_a_mac_over_our_public_key(void **state)
{
    (void)state;
    static const uint8_t mac_key[] = { 1, 2, 3, 0xFB, 0xFF };
    AcmeAccount account = { .eab_id = STR("customer"), .eab_key = base64url_encode(arena, (Bytes){ mac_key, sizeof mac_key }) };
    uint8_t mac[SHA256_SIZE];
    Str text;
    must(jws_bind(arena, key, STR("https://a.example/account"), &account, &text, &err));
    const JsonVal *jws = json(text), *header = json(opened(json_get(jws, "protected")));
    assert_str(json_str(json_get(header, "alg")), "HS256");
    assert_str(json_str(json_get(header, "kid")), "customer");
    assert_null(json_get(header, "nonce"));
    assert_str(json_str(json_get(json(opened(json_get(jws, "payload"))), "crv")), "P-256");
    hmac_sha256((Bytes){ mac_key, sizeof mac_key }, bytes_of(signed_text(jws)), mac);
    Str signature = opened(json_get(jws, "signature"));
    assert_int_equal(signature.len, sizeof mac);
    assert_memory_equal(signature.ptr, mac, sizeof mac);
}

static void test_answers_to_challenges_hold_token_and_thumbprint(void **state)
{
    (void)state;
    uint8_t thumbprint[32];
    Str answer;
    must(acme_key_authorization(arena, key, STR("token"), &answer, &err));
    must(key_thumbprint(key, thumbprint, &err));
    assert_true(str_eq(answer, str_printf(arena, "token." STR_FMT, STR_ARG(base64url_encode(arena, (Bytes){ thumbprint, 32 })))));
    assert_str(acme_dns_value(arena, STR("abc")), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");     /* FIPS 180-4: SHA-256 of "abc" */
}

#define AUTHORIZATION(status, type, name, token, url) "{\"status\":\"" status "\",\"identifier\":{\"type\":\"" type "\",\"value\":\"" name "\"},\"challenges\":[" \
    "{\"type\":\"http-01\",\"status\":\"pending\",\"token\":\"" token "\",\"url\":\"" url "\"}]}"

static void test_authorization_is_read(void **state)
{
    (void)state;
    AcmeAuthorization out;
    Str body = STR(AUTHORIZATION("pending", "dns", "A.example", "tok-_1", "https://a.example/c"));
    must(authorization_read(arena, body, STR("http-01"), &out, &err));
    assert_int_equal(out.state, ACME_PENDING);
    assert_str(out.name.text, "a.example");
    assert_str(out.token, "tok-_1");
    assert_str(out.challenge_url, "https://a.example/c");
    must(authorization_read(arena, body, STR("dns-01"), &out, &err));
    assert_null(out.token.ptr);
    must(authorization_read(arena, STR(AUTHORIZATION("expired", "ip", "2001:db8::1", "t", "https://a.example/c")), STR("dns-01"), &out, &err));
    assert_int_equal(out.state, ACME_INVALID);
    assert_true(out.name.is_ip);
}

static void test_what_could_mislead_a_hook_or_a_path_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        AUTHORIZATION("pending", "dns", "a.example", "../etc", "https://a.example/c"),
        AUTHORIZATION("pending", "dns", "a.example", "", "https://a.example/c"),
        AUTHORIZATION("pending", "dns", "a.example", "a b", "https://a.example/c"),
        AUTHORIZATION("pending", "dns", "a.example", "t", "http://a.example/c"),
        AUTHORIZATION("pending", "dns", "a.example", "t", "file:///c"),
        AUTHORIZATION("pending", "dns", "--flag", "t", "https://a.example/c"),
        AUTHORIZATION("pending", "dns", "a;b", "t", "https://a.example/c"),
        AUTHORIZATION("pending", "dns", "", "t", "https://a.example/c"),
        AUTHORIZATION("pending", "ip", "a.example", "t", "https://a.example/c"),
        AUTHORIZATION("pending", "email", "a.example", "t", "https://a.example/c"),
        AUTHORIZATION("who knows", "dns", "a.example", "t", "https://a.example/c"),
        "[]", "", "{", "{}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        AcmeAuthorization out;
        err = (Err){ 0 };
        assert_false(authorization_read(arena, str_from(bodies[i]), STR("http-01"), &out, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
    }
}

static void test_orders_and_directories_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const orders[] = {
        "{\"status\":\"valid\",\"authorizations\":[],\"finalize\":\"https://a/f\"}",
        "{\"status\":\"pending\",\"authorizations\":[\"http://a/1\"],\"finalize\":\"https://a/f\"}",
        "{\"status\":\"pending\",\"authorizations\":{},\"finalize\":\"https://a/f\"}",
        "{\"status\":\"pending\",\"authorizations\":[]}",
        "{\"status\":\"odd\",\"authorizations\":[],\"finalize\":\"https://a/f\"}",
    };
    AcmeOrder order;
    Directory directory;
    for (size_t i = 0; i < COUNT_OF(orders); i++)
        assert_false(order_read(arena, str_from(orders[i]), &order, &err));
    must(order_read(arena, STR("{\"status\":\"processing\",\"authorizations\":[\"https://a/1\"],\"finalize\":\"https://a/f\"}"), &order, &err));
    assert_int_equal(order.count, 1);
    assert_false(directory_read(arena, STR("{\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\"}"), &directory, &err));
    assert_false(directory_read(arena, STR("<html>"), &directory, &err));
}

static void test_problems_become_one_plain_sentence(void **state)
{
    (void)state;
    Problem problem = problem_read(arena, STR("{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"not\\nyou\"}"), 403);
    assert_str(problem.type, "unauthorized");
    assert_str(problem.text, "not you (unauthorized)");
    problem = problem_read(arena, STR("<html>busy</html>"), 502);
    assert_str(problem.type, "");
    assert_str(problem.text, "status 502");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_signed_and_name_url_and_nonce),
        cmocka_unit_test(test_binding_is_a_mac_over_our_public_key),
        cmocka_unit_test(test_answers_to_challenges_hold_token_and_thumbprint),
        cmocka_unit_test(test_authorization_is_read),
        cmocka_unit_test(test_what_could_mislead_a_hook_or_a_path_is_refused),
        cmocka_unit_test(test_orders_and_directories_that_are_none_are_refused),
        cmocka_unit_test(test_problems_become_one_plain_sentence),
    };
    return cmocka_run_group_tests(tests, acme_test_set_up, acme_test_tear_down);
}
