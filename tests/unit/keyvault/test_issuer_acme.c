/* test_issuer_acme.c - provider ACME: what an issuer may say and what may be asked of it. Issuance is tested against a real ACME server. */
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/issuers/acme_order.h"

/* Some of the sealed key as a number: a key that was made or sealed anew has another. */
#define KEY_MARK "SELECT unicode(substr(hex(key), 41, 1)) * 16777216 + unicode(substr(hex(key), 43, 1)) * 65536 + unicode(substr(hex(key), 45, 1)) * 256 +" \
    " unicode(substr(hex(key), 47, 1)) FROM kv_acme_account"
#define DIRECTORY "https://acme.example/dir"
static AcmeSettings settings = { .directories = { { DIRECTORY, sizeof DIRECTORY - 1 } }, .directory_count = 1, .serves_http = true };

static Answer issuer(const char *method, const char *name, const char *body) { return vault_call(method, text("/certificates/issuers/%s", name), body); }

static Answer create(const char *name, const char *of, const char *x509)
{
    return vault_call("POST", text("/certificates/%s/create", name), text("{\"policy\":{\"issuer\":{\"name\":\"%s\"},\"key_props\":{\"kty\":\"EC\"},\"x509_props\":%s}}", of, x509));
}

static int set_up(void **state)
{
    int failed = fixture_set_up(state);
    keyvault_use_acme(fix.kv, &settings);
    return failed;
}

static void test_site_without_acme_refuses(void **state)
{
    (void)state;
    keyvault_use_acme(fix.kv, NULL);
    Answer answer = issuer("PUT", "nothing", "{\"provider\":\"ACME\"}");
    expect_error(&answer, 501, "NotImplemented", NULL, "--acme-directory");
    answer = issuer("GET", "nothing", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "");
    keyvault_use_acme(fix.kv, &settings);
}

static void test_members_that_mean_nothing_are_named(void **state)
{
    (void)state;
    static const struct { const char *body, *word; } refused[] = {
        { "{\"provider\":\"ACME\",\"credentials\":{\"account_id\":\"https://internal.example/\"}}", "credentials.account_id" },
        { "{\"provider\":\"ACME\",\"credentials\":{\"account_id\":\"http://acme.example/dir\"}}", "may call" },
        { "{\"provider\":\"ACME\",\"credentials\":{\"pwd\":\"no-colon\"}}", "KEYID:KEY" },
        { "{\"provider\":\"ACME\",\"credentials\":{\"pwd\":\"id:not base64url!\"}}", "KEYID:KEY" },
        { "{\"provider\":\"ACME\",\"credentials\":{\"pwd\":\":AAAA\"}}", "KEYID:KEY" },
        { "{\"provider\":\"ACME\",\"org_details\":{\"id\":\"tls-alpn-01\"}}", "http-01 or dns-01" },
        { "{\"provider\":\"ACME\",\"org_details\":{\"id\":\"dns-01\"}}", "--acme-hook" },
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        Answer answer = issuer("PUT", "refused", refused[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, refused[i].word);
    }
    assert_int_equal(count_of("SELECT count(*) FROM kv_acme_account"), 0);
}

static void test_account_key_comes_and_goes_with_the_issuer(void **state)
{
    (void)state;
    Answer answer = issuer("PUT", "shop", "{\"provider\":\"acme\",\"credentials\":{\"account_id\":\"" DIRECTORY "\",\"pwd\":\"id:AAAA\"},\"org_details\":{\"admin_details\":[{\"email\":\"a@b.example\"}]}}");
    expect_status(&answer, 200);
    assert_null(json_path(answer.json, "credentials.pwd"));
    assert_int_equal(count_of("SELECT count(*) FROM kv_acme_account"), 1);
    int64_t kept = count_of(KEY_MARK);
    answer = issuer("PATCH", "shop", "{\"org_details\":{\"admin_details\":[]}}");
    expect_status(&answer, 200);
    assert_int_equal(count_of(KEY_MARK), kept);
    answer = issuer("DELETE", "shop", NULL);
    expect_status(&answer, 200);
    assert_int_equal(count_of("SELECT count(*) FROM kv_acme_account"), 0);
}

static void test_names_that_no_acme_server_certifies_are_refused(void **state)
{
    (void)state;
    static const struct { const char *x509, *word; } refused[] = {
        { "{\"subject\":\"CN=Not A Host\"}", "common name" },
        { "{\"subject\":\"CN=localhost\"}", "common name" },
        { "{\"subject\":\"O=Example\"}", "needs a DNS name" },
        { "{\"subject\":\"CN=a.example\",\"sans\":{\"emails\":[\"a@b.example\"]}}", "e-mail" },
        { "{\"subject\":\"CN=a.example\",\"sans\":{\"upns\":[\"a@b.example\"]}}", "UPN" },
        { "{\"subject\":\"CN=a.example\",\"sans\":{\"uris\":[\"urn:x\"]}}", "URI" },
        { "{\"subject\":\"CN=a.example\",\"sans\":{\"dns_names\":[\"*.a.example\"]}}", "dns-01" },
        { "{\"subject\":\"CN=a.example\",\"sans\":{\"dns_names\":[\"single\"]}}", "no DNS name" },
    };
    Answer answer = issuer("PUT", "names", "{\"provider\":\"ACME\"}");
    expect_status(&answer, 200);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        answer = create("refused", "names", refused[i].x509);
        expect_error(&answer, 400, "BadParameter", NULL, refused[i].word);
    }
    answer = vault_call("GET", "/certificates/refused", NULL);
    expect_error(&answer, 404, "CertificateNotFound", NULL, "");
    answer = create("asked", "names", "{\"subject\":\"CN=A.example, O=Example\",\"sans\":{\"dns_names\":[\"b.example\"],\"ipAddresses\":[\"192.0.2.1\"]}}");
    expect_status(&answer, 202);
    assert_str(text_at(&answer, "status"), "inProgress");
    assert_int_equal(run_due(WORK_ISSUE), 1);             /* it only begins the other work */
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.order'"), 1);
}

static void run_order(const char *name)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    RunnerJob job = { .kind = STR(WORK_ORDER), .key = str_printf(fix.arena, STR_FMT "/%s", STR_ARG(vault_id_of("vlt")), name), .attempt = 1 };
    int64_t again = 0;
    must(acme_order_run(fix.kv, arena, &job, real_now_ms(), &again, &fix_err));
    assert_int_equal(again, 0);
}

static void test_an_issuer_that_goes_meanwhile_fails_the_operation(void **state)
{
    (void)state;
    Answer answer = issuer("PUT", "brief", "{\"provider\":\"ACME\"}");
    answer = create("orphan", "brief", "{\"subject\":\"CN=orphan.example\"}");
    expect_status(&answer, 202);
    answer = issuer("DELETE", "brief", NULL);
    run_order("orphan");
    answer = vault_call("GET", "/certificates/orphan/pending", NULL);
    assert_str(text_at(&answer, "status"), "failed");
    assert_str(text_at(&answer, "error.code"), "CertificateRequestFailed");
    assert_non_null(strstr(str_to_cstr(fix.arena, text_at(&answer, "error.message"), &fix_err), "brief"));
    assert_int_equal(count_of("SELECT count(*) FROM kv_acme_order"), 0);
}

static void test_work_of_what_is_gone_ends(void **state)
{
    (void)state;
    run_order("never-there");
    Answer answer = create("deleted", "names", "{\"subject\":\"CN=deleted.example\"}");
    expect_status(&answer, 202);
    answer = vault_call("DELETE", "/certificates/deleted", NULL);
    expect_status(&answer, 200);
    run_order("deleted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_without_acme_refuses),
        cmocka_unit_test(test_members_that_mean_nothing_are_named),
        cmocka_unit_test(test_account_key_comes_and_goes_with_the_issuer),
        cmocka_unit_test(test_names_that_no_acme_server_certifies_are_refused),
        cmocka_unit_test(test_an_issuer_that_goes_meanwhile_fails_the_operation),
        cmocka_unit_test(test_work_of_what_is_gone_ends),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
