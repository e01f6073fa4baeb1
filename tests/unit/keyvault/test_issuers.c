/* test_issuers.c - issuers and contacts of a vault. */
#include "fixture.h"

static Answer issuer(const char *method, const char *name, const char *body) { return vault_call(method, text("/certificates/issuers/%s", name), body); }

static void test_issuer_is_kept_and_its_password_never_told(void **state)
{
    (void)state;
    Answer answer = issuer("PUT", "Authority1", "{\"provider\":\"DigiCert\",\"credentials\":{\"account_id\":\"acc\",\"pwd\":\"hush-hush\"},\"org_details\":{\"id\":\"org\","
                           "\"admin_details\":[{\"first_name\":\"A\",\"last_name\":\"B\",\"email\":\"a@example.com\",\"phone\":\"1\"}]},\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);
    size_t at;
    assert_false(str_find(answer.body, STR("hush"), &at));
    assert_false(str_find(answer.body, STR("pwd"), &at));
    assert_str(text_at(&answer, "credentials.account_id"), "acc");
    assert_str(json_str(json_get(json_at(json_path(answer.json, "org_details.admin_details"), 0), "email")), "a@example.com");
    Answer got = issuer("GET", "authority1", NULL);
    assert_true(str_eq(got.body, answer.body));
    assert_true(str_ends_nocase(text_at(&got, "id"), STR("/certificates/issuers/Authority1")));
}

static void test_update_keeps_what_it_does_not_name_and_set_does_not(void **state)
{
    (void)state;
    Answer answer = issuer("PUT", "changing", "{\"provider\":\"DigiCert\",\"credentials\":{\"account_id\":\"acc\",\"pwd\":\"x\"}}");
    expect_status(&answer, 200);
    answer = issuer("PATCH", "changing", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "credentials.account_id"), "acc");
    assert_false(json_bool(json_path(answer.json, "attributes.enabled"), true));
    answer = issuer("PATCH", "changing", "{\"provider\":\"GlobalSign\"}");
    assert_str(text_at(&answer, "provider"), "GlobalSign");
    answer = issuer("PUT", "changing", "{\"provider\":\"Other\"}");
    assert_null(json_get(answer.json, "credentials"));
    assert_true(json_bool(json_path(answer.json, "attributes.enabled"), false));
}

static void test_issuers_are_listed_in_pages_and_deleted(void **state)
{
    (void)state;
    Answer answer;
    for (int i = 0; i < 5; i++) {
        answer = issuer("PUT", text("listed-%d", i), "{\"provider\":\"DigiCert\"}");
        expect_status(&answer, 200);
    }
    answer = vault_call("GET", "/certificates/issuers?maxresults=2", NULL);
    assert_int_equal(json_count(json_get(answer.json, "value")), 2);
    assert_non_null(text_at(&answer, "nextLink").ptr);
    answer = issuer("DELETE", "listed-0", NULL);
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "provider"), "DigiCert");
    answer = issuer("GET", "listed-0", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "listed-0");
    answer = issuer("DELETE", "listed-0", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "listed-0");
    answer = issuer("PATCH", "listed-0", "{}");
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "listed-0");
}

static void test_bad_issuers_are_refused(void **state)
{
    (void)state;
    static const struct { const char *name, *body, *word; } cases[] = {
        { "bad", "{}", "provider" }, { "bad", "{\"provider\":\"\"}", "provider" }, { "bad", "{\"provider\":7}", "provider" },
        { "bad", "{\"provider\":\"p\",\"credentials\":[]}", "credentials" }, { "bad", "{\"provider\":\"p\",\"credentials\":{\"pwd\":1}}", "pwd" },
        { "bad", "{\"provider\":\"p\",\"org_details\":{\"admin_details\":{}}}", "admin_details" },
        { "bad", "{\"provider\":\"p\",\"org_details\":{\"admin_details\":[{\"email\":1}]}}", "admin_details[0].email" },
        { "bad", "{\"provider\":\"p\",\"attributes\":{\"enabled\":\"yes\"}}", "enabled" },
        { "Self", "{\"provider\":\"p\"}", "reserved" }, { "unknown", "{\"provider\":\"p\"}", "reserved" }, { "bad_name", "{\"provider\":\"p\"}", "name" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = issuer("PUT", cases[i].name, cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    Answer answer = issuer("GET", "bad", NULL);
    expect_status(&answer, 404);
    answer = call("PUT", "vlt.vault", "/certificates/issuers/bad" API, fix.nobody.vault_token, "{\"provider\":\"p\"}");
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "setissuers");
}

static void test_contacts_are_one_list(void **state)
{
    (void)state;
    Answer answer = vault_call("GET", "/certificates/contacts", NULL);
    expect_error(&answer, 404, "ContactsNotFound", NULL, "");
    answer = vault_call("PUT", "/certificates/contacts", "{\"contacts\":[{\"email\":\"a@example.com\",\"name\":\"A\",\"phone\":\"1\"},{\"email\":\"b@example.com\"}]}");
    expect_status(&answer, 200);
    assert_true(str_ends_nocase(text_at(&answer, "id"), STR("/certificates/contacts")));
    Answer got = vault_call("GET", "/certificates/contacts", NULL);
    assert_true(str_eq(got.body, answer.body));
    answer = vault_call("PUT", "/certificates/contacts", "{\"contacts\":[{\"email\":\"c@example.com\"}]}");
    assert_int_equal(json_count(json_get(answer.json, "contacts")), 1);
    static const char *const bad[] = { "{}", "{\"contacts\":[]}", "{\"contacts\":{}}", "{\"contacts\":[{\"name\":\"x\"}]}", "{\"contacts\":[{\"email\":\"nobody\"}]}",
                                       "{\"contacts\":[{\"email\":\"a@b@c\"}]}", "{\"contacts\":[{\"email\":\"a@b\",\"phone\":5}]}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        answer = vault_call("PUT", "/certificates/contacts", bad[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "contacts");
    }
    answer = vault_call("DELETE", "/certificates/contacts", NULL);
    expect_status(&answer, 200);
    assert_str(json_str(json_get(json_at(json_get(answer.json, "contacts"), 0), "email")), "c@example.com");
    answer = vault_call("DELETE", "/certificates/contacts", NULL);
    expect_error(&answer, 404, "ContactsNotFound", NULL, "");
}

static void test_issuers_go_with_their_vault(void **state)
{
    (void)state;
    Answer answer = make_vault("issuing", "");
    expect_status(&answer, 201);
    answer = call("PUT", "issuing.vault", "/certificates/issuers/i" API, fix.owner.vault_token, "{\"provider\":\"p\"}");
    expect_status(&answer, 200);
    answer = call("PUT", "issuing.vault", "/certificates/contacts" API, fix.owner.vault_token, "{\"contacts\":[{\"email\":\"c@example.com\"}]}");
    expect_status(&answer, 200);
    int64_t issuers = count_of("SELECT count(*) FROM kv_issuer"), contacts = count_of("SELECT count(*) FROM kv_contacts");
    answer = arm_call("DELETE", VAULTS "issuing", NULL);
    answer = arm_call("POST", "/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/issuing/purge", NULL);
    expect_status(&answer, 200);
    assert_int_equal(count_of("SELECT count(*) FROM kv_issuer"), issuers - 1);
    assert_int_equal(count_of("SELECT count(*) FROM kv_contacts"), contacts - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuer_is_kept_and_its_password_never_told),
        cmocka_unit_test(test_update_keeps_what_it_does_not_name_and_set_does_not),
        cmocka_unit_test(test_issuers_are_listed_in_pages_and_deleted),
        cmocka_unit_test(test_bad_issuers_are_refused),
        cmocka_unit_test(test_contacts_are_one_list),
        cmocka_unit_test(test_issuers_go_with_their_vault),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
