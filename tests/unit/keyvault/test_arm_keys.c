/* test_arm_keys.c - keys as resources: made once, read, listed; refusals. */
#include "fixture.h"

#define KEYS VAULTS "vlt/keys/"

static Answer put(const char *name, const char *properties) { return arm_call("PUT", text(KEYS "%s", name), text("{\"properties\":{%s},\"tags\":{\"a\":\"b\"}}", properties)); }

static void test_put_makes_a_key_once(void **state)
{
    (void)state;
    Answer made = put("first", "\"kty\":\"RSA\",\"keySize\":3072,\"keyOps\":[\"sign\",\"verify\"],\"attributes\":{\"exp\":4000000000}");
    expect_status(&made, 200);
    assert_str(text_at(&made, "name"), "first");
    assert_str(text_at(&made, "type"), "Microsoft.KeyVault/vaults/keys");
    assert_str(text_at(&made, "tags.a"), "b");
    assert_str(text_at(&made, "properties.kty"), "RSA");
    assert_int_equal(int_at(&made, "properties.keySize"), 3072);
    assert_int_equal(int_at(&made, "properties.attributes.exp"), 4000000000);
    assert_int_equal(json_count(json_path(made.json, "properties.keyOps")), 2);
    Answer of_vault = vault_call("GET", "/keys/first", NULL);
    assert_true(str_eq(text_at(&of_vault, "key.kid"), text_at(&made, "properties.keyUriWithVersion")));
    Answer again = put("first", "\"kty\":\"EC\"");
    expect_status(&again, 200);
    assert_true(str_eq(again.body, made.body));
    Answer got = arm_call("GET", KEYS "first", NULL);
    assert_true(str_eq(got.body, made.body));
    Answer signed_by_it = vault_call("POST", "/keys/first//sign", "{\"alg\":\"RS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    expect_status(&signed_by_it, 200);
}

static void test_a_rotation_policy_comes_with_it(void **state)
{
    (void)state;
    Answer made = put("rolling", "\"kty\":\"EC\",\"curveName\":\"P-384\",\"rotationPolicy\":{\"attributes\":{\"expiryTime\":\"P90D\"},\"lifetimeActions\":["
                      "{\"trigger\":{\"timeAfterCreate\":\"P60D\"},\"action\":{\"type\":\"rotate\"}},{\"trigger\":{\"timeBeforeExpiry\":\"P7D\"},\"action\":{\"type\":\"notify\"}}]}");
    expect_status(&made, 200);
    assert_str(text_at(&made, "properties.curveName"), "P-384");
    assert_str(text_at(&made, "properties.rotationPolicy.attributes.expiryTime"), "P90D");
    const JsonVal *actions = json_path(made.json, "properties.rotationPolicy.lifetimeActions");
    assert_int_equal(json_count(actions), 2);
    assert_str(json_str(json_path(json_at(actions, 0), "action.type")), "rotate");
    assert_str(json_str(json_path(json_at(actions, 1), "action.type")), "notify");
    Answer policy = vault_call("GET", "/keys/rolling/rotationpolicy", NULL);
    assert_str(text_at(&policy, "attributes.expiryTime"), "P90D");
    assert_true(int_at(&made, "properties.attributes.exp") > 0);
}

static void test_lists_name_keys_and_versions(void **state)
{
    (void)state;
    Answer made = put("listed", "\"kty\":\"EC\""), second = vault_call("POST", "/keys/listed/rotate", NULL);
    expect_status(&made, 200);
    expect_status(&second, 200);
    Answer versions = arm_call("GET", KEYS "listed/versions", NULL);
    expect_status(&versions, 200);
    const JsonVal *value = json_get(versions.json, "value");
    assert_int_equal(json_count(value), 2);
    assert_str(json_str(json_get(json_at(value, 0), "type")), "Microsoft.KeyVault/vaults/keys/versions");
    Str first = json_str(json_get(json_at(value, 0), "name"));
    assert_int_equal(first.len, 32);
    Answer version = arm_call("GET", text(KEYS "listed/versions/" STR_FMT, STR_ARG(first)), NULL);
    expect_status(&version, 200);
    assert_true(str_eq(text_at(&version, "name"), first));
    assert_str(text_at(&version, "properties.kty"), "EC");
    Answer all = arm_call("GET", VAULTS "vlt/keys", NULL);
    expect_status(&all, 200);
    bool seen = false;
    for (size_t i = 0; i < json_count(json_get(all.json, "value")); i++)
        seen = seen || str_eq(json_str(json_get(json_at(json_get(all.json, "value"), i), "name")), STR("listed"));
    assert_true(seen);
}

static void test_bad_keys_are_refused_and_make_nothing(void **state)
{
    (void)state;
    static const struct { const char *properties; int status; const char *word; } cases[] = {
        { "",                                                     400, "kty" },      { "\"kty\":\"DSA\"",                               400, "kty" },
        { "\"kty\":\"oct\"",                                      400, "kty" },      { "\"kty\":\"RSA\",\"keySize\":1024",              400, "1024" },
        { "\"kty\":\"EC\",\"curveName\":\"P-1\"",                 400, "P-1" },      { "\"kty\":\"EC\",\"keyOps\":[\"encrypt\"]",       400, "keyOps" },
        { "\"kty\":\"EC\",\"attributes\":{\"exp\":\"soon\"}",     400, "exp" },      { "\"kty\":\"EC\",\"attributes\":{\"exportable\":true}", 400, "release_policy" },
        { "\"kty\":\"EC\",\"rotationPolicy\":{\"attributes\":{\"expiryTime\":\"P1D\"}}", 400, "expiryTime" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t at;
        Answer answer = put("bad", cases[i].properties);
        if (answer.status != cases[i].status || !str_find(text_at(&answer, "error.message"), str_from(cases[i].word), &at))
            fail_msg("case %zu: %d " STR_FMT, i, answer.status, STR_ARG(answer.body));
    }
    Answer none = arm_call("GET", KEYS "bad", NULL), versions = arm_call("GET", KEYS "bad/versions", NULL), vault = arm_call("GET", VAULTS "none/keys/x", NULL);
    expect_error(&none, 404, "ResourceNotFound", NULL, "bad");
    expect_error(&versions, 404, "ResourceNotFound", NULL, "bad");
    expect_status(&vault, 404);
    Answer name = arm_call("PUT", KEYS "b_d", "{\"properties\":{\"kty\":\"EC\"}}"), no_version = arm_call("GET", KEYS "first/versions/00000000000000000000000000000000", NULL);
    expect_status(&name, 400);
    expect_status(&no_version, 404);

    Answer made = put("gone", "\"kty\":\"EC\""), deleted = vault_call("DELETE", "/keys/gone", NULL), again = put("gone", "\"kty\":\"EC\"");
    expect_status(&made, 200);
    expect_status(&deleted, 200);
    expect_status(&again, 409);
    Answer gone = arm_call("GET", KEYS "gone", NULL);
    expect_status(&gone, 404);

    const char *path = text("/subscriptions/" STR_FMT KEYS "mine" ARM_API, STR_ARG(fix.subscription));
    Answer denied = call("PUT", "management", path, fix.nobody.arm_token, "{\"properties\":{\"kty\":\"EC\"}}");
    expect_error(&denied, 403, "AuthorizationFailed", NULL, "vaults/keys/write");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_makes_a_key_once),
        cmocka_unit_test(test_a_rotation_policy_comes_with_it),
        cmocka_unit_test(test_lists_name_keys_and_versions),
        cmocka_unit_test(test_bad_keys_are_refused_and_make_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
