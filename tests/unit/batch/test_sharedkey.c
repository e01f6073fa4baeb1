#include "../cm.h"
#include "base/encode.h"
#include "base/file.h"
#include "batch/accounts/sharedkey.h"
#include "json/read.h"

static Arena *arena;

/* Signed requests of az 2.45 and @azure/batch 10.2, recorded with the keys they were signed with. */
static const JsonVal *vectors(void)
{
    Str text;
    Err err = { 0 };
    const JsonVal *root;
    if (!file_read(arena, TEST_DATA "/sharedkey-vectors.json", 1 << 20, &text, &err) || !json_parse(arena, text, JSON_STRICT, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static SignedRequest request_of(const JsonVal *vector)
{
    const JsonVal *headers = json_get(vector, "headers");
    SignedHeader *list = ARENA_ARRAY(arena, SignedHeader, json_count(headers) + 1);
    SignedRequest request = {
        .method = json_str(json_get(vector, "method")), .path = json_str(json_get(vector, "path")), .query = json_str(json_get(vector, "query")),
        .account = json_str(json_get(vector, "account")), .headers = list,
    };
    JsonWalk walk = { .object = headers };
    const JsonVal *value;
    Str name;
    while (json_walk(&walk, &name, &value))
        list[request.header_count++] = (SignedHeader){ name, json_str(value) };
    return request;
}

static Bytes key_of(const JsonVal *vector)
{
    Bytes key;
    Err err = { 0 };
    assert_true(base64_decode(arena, json_str(json_get(vector, "key")), &key, &err));
    return key;
}

static void test_every_recorded_request_verifies(void **state)
{
    (void)state;
    const JsonVal *list = vectors();
    assert_int_equal(json_count(list), 20);
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *vector = json_at(list, i);
        SignedRequest request = request_of(vector);
        Str text, account;
        Bytes signature;
        Err err = { 0 };
        assert_true(sharedkey_text(arena, &request, &text, &err));
        assert_true(str_eq(text, json_str(json_get(vector, "string_to_sign"))));
        assert_true(sharedkey_parse(arena, json_str(json_get(vector, "authorization")), &account, &signature, &err));
        assert_true(str_eq(account, request.account));
        assert_true(sharedkey_verify(key_of(vector), text, signature));
    }
}

static void test_a_changed_request_does_not_verify(void **state)
{
    (void)state;
    const JsonVal *list = vectors();
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *vector = json_at(list, i);
        Bytes signature;
        Str text, account;
        Err err = { 0 };
        assert_true(sharedkey_parse(arena, json_str(json_get(vector, "authorization")), &account, &signature, &err));
        SignedRequest other_method = request_of(vector), other_path = other_method, other_query = other_method, other_date = other_method;
        other_method.method = STR("PATCH");
        other_path.path = str_printf(arena, STR_FMT "x", STR_ARG(other_path.path));
        other_query.query = str_printf(arena, STR_FMT "&recursive=true", STR_ARG(other_query.query));
        SignedHeader date = { STR("ocp-date"), STR("Sun, 22 Nov 2026 01:17:07 GMT") };
        other_date.headers = &date;
        other_date.header_count = 1;
        const SignedRequest changed[] = { other_method, other_path, other_query, other_date };
        for (size_t k = 0; k < COUNT_OF(changed); k++) {
            assert_true(sharedkey_text(arena, &changed[k], &text, &err));
            if (k == 3 && str_eq(text, json_str(json_get(vector, "string_to_sign"))))
                continue;
            assert_false(sharedkey_verify(key_of(vector), text, signature));
        }
        uint8_t flipped[32];
        memcpy(flipped, signature.ptr, sizeof flipped);
        flipped[31] ^= 1;
        assert_false(sharedkey_verify(key_of(vector), json_str(json_get(vector, "string_to_sign")), (Bytes){ flipped, sizeof flipped }));
    }
}

static void test_malformed_headers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "SharedKey", "SharedKey ", "SharedKey a", "SharedKey a:", "SharedKey :AAAA", "SharedKey a:AAAA", "SharedKey a:####",
                                       "SharedKeyLite a:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "Bearer x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Str account;
        Bytes signature;
        Err err = { 0 };
        if (sharedkey_parse(arena, str_from(bad[i]), &account, &signature, &err))
            fail_msg("accepted '%s'", bad[i]);
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    }
}

static void test_the_text_has_names_sorted_and_values_decoded(void **state)
{
    (void)state;
    SignedHeader headers[] = { { STR("OCP-Range"), STR("bytes=0-1") }, { STR("ocp-date"), STR("d") }, { STR("If-Match"), STR("e") } };
    SignedRequest request = { .method = STR("GET"), .path = STR("/pools/p"), .query = STR("timeout=30&%24select=id%2Cstate&api-version=1&x="), .account = STR("a"),
                              .headers = headers, .header_count = COUNT_OF(headers) };
    Str text;
    Err err = { 0 };
    assert_true(sharedkey_text(arena, &request, &text, &err));
    assert_str(text, "GET\n\n\n\n\n\n\n\ne\n\n\n\nocp-date:d\nocp-range:bytes=0-1\n/a/pools/p\n$select:id,state\napi-version:1\ntimeout:30\nx:");
    request.query = STR("a=%zz");
    assert_false(sharedkey_text(arena, &request, &text, &err));
}

static int setup(void **state) { (void)state; arena = arena_new(16 << 20); return arena ? 0 : -1; }
static int teardown(void **state) { (void)state; arena_free(arena); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_recorded_request_verifies),
        TEST(test_a_changed_request_does_not_verify),
        TEST(test_malformed_headers_are_refused),
        TEST(test_the_text_has_names_sorted_and_values_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
