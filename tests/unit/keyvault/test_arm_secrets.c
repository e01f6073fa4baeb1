/* test_arm_secrets.c - secrets as resources of their vault. */
#include "fixture.h"

#define SECRETS VAULTS "vlt/secrets/"

static void test_put_makes_versions_whose_value_only_the_vault_tells(void **state)
{
    (void)state;
    Answer answer = arm_call("PUT", SECRETS "template", "{\"tags\":{\"a\":\"b\"},\"properties\":{\"value\":\"first\",\"contentType\":\"text/plain\",\"attributes\":{\"exp\":1900000000}}}");
    expect_status(&answer, 201);
    assert_str(text_at(&answer, "type"), "Microsoft.KeyVault/vaults/secrets");
    assert_str(text_at(&answer, "location"), "westus2");
    assert_int_equal(int_at(&answer, "properties.attributes.exp"), 1900000000);
    assert_null(text_at(&answer, "properties.value").ptr);
    Answer got = vault_call("GET", "/secrets/template", NULL);
    assert_str(text_at(&got, "value"), "first");
    assert_true(str_eq(text_at(&got, "id"), text_at(&answer, "properties.secretUriWithVersion")));
    answer = arm_call("PUT", SECRETS "template", "{\"properties\":{\"value\":\"second\"}}");
    expect_status(&answer, 200);
    got = vault_call("GET", "/secrets/template", NULL);
    assert_str(text_at(&got, "value"), "second");
    assert_null(text_at(&got, "contentType").ptr);
    answer = arm_call("GET", SECRETS "template", NULL);
    expect_status(&answer, 200);
    answer = arm_call("GET", VAULTS "vlt/secrets?$top=1", NULL);
    assert_int_equal(json_count(json_get(answer.json, "value")), 1);
}

static void test_patch_keeps_what_it_does_not_name(void **state)
{
    (void)state;
    Answer answer = arm_call("PUT", SECRETS "patched", "{\"tags\":{\"a\":\"b\"},\"properties\":{\"value\":\"v\",\"contentType\":\"text/plain\"}}");
    Str before = text_at(&answer, "properties.secretUriWithVersion");
    answer = arm_call("PATCH", SECRETS "patched", "{\"properties\":{\"attributes\":{\"enabled\":false}}}");
    expect_status(&answer, 200);
    assert_true(str_eq(text_at(&answer, "properties.secretUriWithVersion"), before));
    assert_str(text_at(&answer, "tags.a"), "b");
    assert_str(text_at(&answer, "properties.contentType"), "text/plain");
    answer = vault_call("GET", "/secrets/patched", NULL);
    expect_error(&answer, 403, "Forbidden", "SecretDisabled", "");
    answer = arm_call("PATCH", SECRETS "patched", "{\"properties\":{\"value\":\"w\",\"attributes\":{\"enabled\":true}}}");
    expect_status(&answer, 200);
    assert_false(str_eq(text_at(&answer, "properties.secretUriWithVersion"), before));
    assert_str(text_at(&answer, "tags.a"), "b");
}

static void test_disabling_and_enabling_is_told_to_who_waits_for_changes(void **state)
{
    (void)state;
    Answer answer = arm_call("PUT", SECRETS "told", "{\"properties\":{\"value\":\"v\"}}");
    expect_status(&answer, 201);
    Answer now = vault_call("GET", "/changes", NULL);
    static const char *const bodies[] = { "{\"properties\":{\"attributes\":{\"enabled\":false}}}", "{\"tags\":{\"a\":\"b\"}}", "{\"properties\":{\"attributes\":{\"enabled\":true}}}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        answer = arm_call("PATCH", SECRETS "told", bodies[i]);
        expect_status(&answer, 200);
    }
    Answer changes = vault_call("GET", text("/changes?after=" STR_FMT "&wait=0", STR_ARG(text_at(&now, "cursor"))), NULL);
    const JsonVal *list = json_get(changes.json, "value");
    assert_int_equal(json_count(list), 2);
    assert_str(json_str(json_get(json_at(list, 0), "change")), "disabled");
    assert_str(json_str(json_get(json_at(list, 1), "change")), "enabled");
}

static void test_bad_requests_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body; int status; const char *word; } cases[] = {
        { "PUT",   SECRETS "bad_name", "{\"properties\":{\"value\":\"v\"}}", 400, "name" },
        { "PUT",   SECRETS "bad",      "{}", 400, "properties" },
        { "PUT",   SECRETS "bad",      "{\"properties\":{}}", 400, "properties.value" },
        { "PUT",   SECRETS "bad",      "{\"properties\":{\"value\":5}}", 400, "value" },
        { "PUT",   SECRETS "bad",      "{\"properties\":{\"value\":\"v\",\"attributes\":{\"exp\":\"soon\"}}}", 400, "exp" },
        { "PATCH", SECRETS "bad",      "{\"properties\":{\"value\":\"v\"}}", 404, "bad" },
        { "GET",   SECRETS "bad",      NULL, 404, "bad" },
        { "PUT",   VAULTS "none/secrets/bad", "{\"properties\":{\"value\":\"v\"}}", 404, "none" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t at;
        Answer answer = arm_call(cases[i].method, cases[i].path, cases[i].body);
        if (answer.status != cases[i].status || !str_find(text_at(&answer, "error.message"), str_from(cases[i].word), &at))
            fail_msg("case %zu: %d " STR_FMT, i, answer.status, STR_ARG(answer.body));
    }
    Answer answer = vault_call("GET", "/secrets/bad", NULL);
    expect_status(&answer, 404);
    const char *path = text("/subscriptions/" STR_FMT SECRETS "bad" ARM_API, STR_ARG(fix.subscription));
    answer = call("PUT", "management", path, fix.nobody.arm_token, "{\"properties\":{\"value\":\"v\"}}");
    expect_error(&answer, 403, "AuthorizationFailed", NULL, "vaults/secrets/write");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_makes_versions_whose_value_only_the_vault_tells),
        cmocka_unit_test(test_patch_keeps_what_it_does_not_name),
        cmocka_unit_test(test_disabling_and_enabling_is_told_to_who_waits_for_changes),
        cmocka_unit_test(test_bad_requests_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
