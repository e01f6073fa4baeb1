/* test_certificate_refusals.c - how certificates are refused: status, code and inner code of each case of the service's failure table. */
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"

#define SELF "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=a.example\"}}}"
#define UNKNOWN "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Unknown\"},\"x509_props\":{\"subject\":\"CN=a.example\"}}}"

static void made(const char *name)
{
    Answer answer = vault_call("POST", text("/certificates/%s/create", name), SELF);
    expect_status(&answer, 202);
    (void)run_due(WORK_ISSUE);
    answer = vault_call("GET", text("/certificates/%s", name), NULL);
    assert_true(json_bool(json_path(answer.json, "attributes.enabled"), false));
}

static void test_bad_names_and_versions_are_400(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body; } cases[] = {
        { "POST", "/certificates/under_score/create", SELF }, { "POST", "/certificates/a%20b/create", SELF }, { "POST", "/certificates/d.ot/create", SELF },
        { "POST", "/certificates/under_score/import", "{\"value\":\"AAAA\"}" }, { "PATCH", "/certificates/under_score/policy", "{}" },
        { "GET", "/certificates/under_score/pending", NULL }, { "DELETE", "/certificates/under_score", NULL }, { "POST", "/deletedcertificates/under_score/recover", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = vault_call(cases[i].method, cases[i].path, cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, "");
    }
    char name[130];
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    Answer answer = vault_call("POST", text("/certificates/%s/create", name), SELF);
    expect_error(&answer, 400, "BadParameter", NULL, "127");
    answer = call("GET", "vlt.vault", "/certificates", fix.owner.vault_token, NULL);
    expect_error(&answer, 400, "BadParameter", NULL, "api-version");
}

static void test_tokens_that_are_none_are_401(void **state)
{
    (void)state;
    Answer answer = call("GET", "vlt.vault", "/certificates" API, STR_NONE, NULL);
    expect_error(&answer, 401, "Unauthorized", NULL, "AKV10000");
    answer = call("GET", "vlt.vault", "/certificates" API, fix.owner.arm_token, NULL);
    expect_error(&answer, 401, "Unauthorized", NULL, "AKV10022");
    answer = call("GET", "vlt.vault", "/certificates" API, STR("not.a.token"), NULL);
    expect_error(&answer, 401, "Unauthorized", NULL, "");
}

static void test_what_is_not_there_is_404(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body, *code, *word; } cases[] = {
        { "GET", "/certificates/never", NULL, "CertificateNotFound", "A certificate with (name/id) never was not found" },
        { "GET", "/certificates/never/policy", NULL, "CertificateNotFound", "never" },
        { "PATCH", "/certificates/never/", "{\"tags\":{}}", "CertificateNotFound", "never" },
        { "PATCH", "/certificates/never/policy", "{}", "CertificateNotFound", "never" },
        { "DELETE", "/certificates/never", NULL, "CertificateNotFound", "never" },
        { "POST", "/certificates/never/backup", "", "CertificateNotFound", "never" },
        { "GET", "/certificates/there/00000000000000000000000000000000", NULL, "CertificateNotFound", "00000000000000000000000000000000" },
        { "GET", "/deletedcertificates/never", NULL, "CertificateNotFound", "Deleted Certificate not found: never" },
        { "DELETE", "/deletedcertificates/never", NULL, "CertificateNotFound", "never" },
        { "POST", "/deletedcertificates/there/recover", "", "CertificateNotFound", "there" },
        { "GET", "/certificates/never/pending", NULL, "PendingCertificateNotFound", "never" },
        { "PATCH", "/certificates/never/pending", "{\"cancellation_requested\":true}", "PendingCertificateNotFound", "never" },
        { "DELETE", "/certificates/never/pending", NULL, "PendingCertificateNotFound", "never" },
        { "GET", "/certificates/there/pending?request_id=00000000000000000000000000000000", NULL, "PendingCertificateNotFound", "there" },
        { "GET", "/certificates/issuers/never", NULL, "CertificateIssuerNotFound", "never" },
        { "DELETE", "/certificates/issuers/never", NULL, "CertificateIssuerNotFound", "never" },
        { "GET", "/certificates/contacts", NULL, "ContactsNotFound", "" },
    };
    made("there");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = vault_call(cases[i].method, cases[i].path, cases[i].body);
        expect_error(&answer, 404, cases[i].code, NULL, cases[i].word);
    }
}

static void test_operation_in_progress_stands_in_the_way(void **state)
{
    (void)state;
    Answer answer = vault_call("POST", "/certificates/waiting/create", UNKNOWN);
    expect_status(&answer, 202);
    const char *words = "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress.";
    answer = vault_call("POST", "/certificates/waiting/create", UNKNOWN);
    expect_error(&answer, 409, "Forbidden", NULL, words);
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *pem = NULL;
    CertSpec spec = { .subject = STR("CN=i.example"), .path_length = -1, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000LL * 90 };
    AUTO(bundle_done_auto) Bundle bundle = { .count = 1 };
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &fix_err));
    must(cert_self_sign(fix.arena, key, &spec, &bundle.certs[0], &fix_err));
    bundle.key = key_share(key);
    must(bundle_write_pem(&bundle, true, &pem, &fix_err));
    answer = vault_call("POST", "/certificates/waiting/import", text("{\"value\":\"" STR_FMT "\"}", STR_ARG(base64_encode(fix.arena, secret_bytes(pem)))));
    expect_error(&answer, 409, "Forbidden", NULL, words);

    /* Cancelled, it is over: it cannot be cancelled again, and the name is free for another. */
    answer = vault_call("PATCH", "/certificates/waiting/pending", "{\"cancellation_requested\":true}");
    expect_status(&answer, 200);
    answer = vault_call("PATCH", "/certificates/waiting/pending", "{\"cancellation_requested\":true}");
    expect_error(&answer, 400, "BadParameter", NULL, "no longer in progress");
    answer = vault_call("PATCH", "/certificates/waiting/pending", "{}");
    expect_error(&answer, 400, "BadParameter", NULL, "cancellation_requested");
    answer = vault_call("POST", "/certificates/waiting/create", UNKNOWN);
    expect_status(&answer, 202);
    answer = vault_call("DELETE", "/certificates/waiting/pending", NULL);
    expect_status(&answer, 200);
    answer = vault_call("POST", "/certificates/waiting/create", SELF);
    expect_status(&answer, 202);
    answer = vault_call("POST", "/certificates/waiting/pending/merge", text("{\"x5c\":[\"" STR_FMT "\"]}", STR_ARG(base64_encode(fix.arena, bundle.certs[0]))));
    expect_error(&answer, 403, "Forbidden", NULL, "no merge");
    (void)run_due(WORK_ISSUE);
    answer = vault_call("GET", "/certificates/waiting/pending", NULL);
    assert_str(text_at(&answer, "status"), "completed");
}

static void test_disabled_version_gives_neither_secret_nor_signature(void **state)
{
    (void)state;
    made("off");
    Answer before = vault_call("GET", "/certificates/off", NULL), answer = vault_call("PATCH", "/certificates/off/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    answer = vault_call("GET", "/secrets/off", NULL);
    expect_error(&answer, 403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.");
    answer = vault_call("POST", "/keys/off//sign", "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    expect_error(&answer, 403, "Forbidden", "KeyDisabled", "");
    answer = vault_call("GET", "/certificates/off", NULL);
    expect_status(&answer, 200);
    assert_true(str_eq(text_at(&answer, "cer"), text_at(&before, "cer")));
    /* A new version is enabled, and the old one stays as it is. */
    made("off");
    answer = vault_call("GET", "/secrets/off", NULL);
    expect_status(&answer, 200);
    Str old = text_at(&before, "id");
    answer = vault_call("GET", text("/certificates/off/" STR_FMT, STR_ARG(str_slice(old, old.len - 32, old.len))), NULL);
    assert_false(json_bool(json_path(answer.json, "attributes.enabled"), true));
}

static void test_key_and_secret_of_a_certificate_are_changed_by_it_alone(void **state)
{
    (void)state;
    made("owner");
    static const struct { const char *method, *path, *body; } cases[] = {
        { "PUT", "/secrets/owner", "{\"value\":\"x\"}" }, { "POST", "/keys/owner/create", "{\"kty\":\"EC\"}" }, { "DELETE", "/secrets/owner", NULL }, { "DELETE", "/keys/owner", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = vault_call(cases[i].method, cases[i].path, cases[i].body);
        assert_true(answer.status == 403 || answer.status == 409);
    }
    Answer answer = vault_call("PUT", "/secrets/taken-by-secret", "{\"value\":\"x\"}");
    expect_status(&answer, 200);
    answer = vault_call("POST", "/certificates/taken-by-secret/create", SELF);
    expect_error(&answer, 409, "Conflict", NULL, "taken-by-secret");
}

static void test_deleted_name_is_neither_used_nor_restored_onto(void **state)
{
    (void)state;
    made("gone");
    Answer backup = vault_call("POST", "/certificates/gone/backup", "");
    expect_status(&backup, 200);
    const char *blob = text("{\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&backup, "value")));
    Answer answer = vault_call("POST", "/certificates/restore", blob);
    expect_error(&answer, 409, "Conflict", NULL, "gone");
    answer = vault_call("DELETE", "/certificates/gone", NULL);
    expect_status(&answer, 200);
    assert_true(str_ends(text_at(&answer, "recoveryId"), STR("/deletedcertificates/gone")));
    answer = vault_call("POST", "/certificates/gone/create", SELF);
    expect_error(&answer, 409, "Conflict", "ObjectIsDeletedButRecoverable", "deleted but recoverable state");
    answer = vault_call("POST", "/certificates/restore", blob);
    expect_error(&answer, 409, "Conflict", "ObjectIsDeletedButRecoverable", "gone");
    answer = vault_call("PUT", "/secrets/gone", "{\"value\":\"x\"}");
    expect_error(&answer, 409, "Conflict", "ObjectIsDeletedButRecoverable", "gone");
    answer = vault_call("GET", "/certificates/gone", NULL);
    expect_error(&answer, 404, "CertificateNotFound", NULL, "");

    char *changed = text(STR_FMT, STR_ARG(text_at(&backup, "value")));
    size_t middle = strlen(changed) / 2;
    changed[middle] = changed[middle] == 'A' ? 'B' : 'A';
    answer = vault_call("DELETE", "/deletedcertificates/gone", NULL);
    expect_status(&answer, 204);
    answer = vault_call("POST", "/certificates/restore", text("{\"value\":\"%s\"}", changed));
    expect_error(&answer, 400, "BadParameter", NULL, "");
    answer = vault_call("GET", "/certificates/gone", NULL);
    expect_status(&answer, 404);
    answer = vault_call("POST", "/certificates/restore", blob);
    expect_status(&answer, 200);
}

static void test_purge_protection_keeps_certificates(void **state)
{
    (void)state;
    Answer answer = make_vault("guarded", ",\"enablePurgeProtection\":true");
    assert_in_range(answer.status, 200, 201);
    answer = call("POST", "guarded.vault", "/certificates/kept/create" API, fix.owner.vault_token, SELF);
    expect_status(&answer, 202);
    (void)run_due(WORK_ISSUE);
    answer = call("DELETE", "guarded.vault", "/certificates/kept" API, fix.owner.vault_token, NULL);
    expect_status(&answer, 200);
    assert_str(text_at(&answer, "attributes.recoveryLevel"), "Recoverable");
    answer = call("DELETE", "guarded.vault", "/deletedcertificates/kept" API, fix.owner.vault_token, NULL);
    assert_int_equal(answer.status, 403);
    answer = call("POST", "guarded.vault", "/deletedcertificates/kept/recover" API, fix.owner.vault_token, "");
    expect_status(&answer, 200);
    answer = call("GET", "guarded.vault", "/secrets/kept" API, fix.owner.vault_token, NULL);
    expect_status(&answer, 200);
}

static void test_pages_and_versions_have_their_limits(void **state)
{
    (void)state;
    static const char *const paths[] = { "/certificates?maxresults=26", "/certificates?maxresults=0", "/certificates?maxresults=x", "/certificates/issuers?maxresults=26",
                                         "/certificates?$skiptoken=nonsense" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        Answer answer = vault_call("GET", paths[i], NULL);
        expect_error(&answer, 400, "BadParameter", NULL, "");
    }
}

/* How often a list, followed over all its pages, has this name. */
static int times_listed(const char *list, const char *name)
{
    int seen = 0;
    for (const char *path = list; path;) {
        Answer page = vault_call("GET", path, NULL);
        expect_status(&page, 200);
        const JsonVal *items = json_get(page.json, "value");
        for (size_t i = 0; i < json_count(items); i++)
            seen += str_ends(json_str(json_get(json_at(items, i), "id")), str_from(text("/certificates/%s", name)));
        Str next = text_at(&page, "nextLink"), version = STR("api-version=7.4");
        size_t at;
        path = NULL;
        if (next.ptr && str_find(next, STR("/certificates?"), &at)) {
            Str rest = str_slice(next, at, next.len);           /* vault_call adds the api-version */
            assert_true(str_find(rest, version, &at));
            path = text(STR_FMT STR_FMT, STR_ARG(str_slice(rest, 0, at)), STR_ARG(str_slice(rest, at + version.len + (at + version.len < rest.len), rest.len)));
        }
    }
    return seen;
}

static void test_pending_certificates_are_listed_when_asked_for(void **state)
{
    (void)state;
    Answer operation = vault_call("POST", "/certificates/pended/create", UNKNOWN);
    expect_status(&operation, 202);
    assert_int_equal(times_listed("/certificates", "pended"), 0);
    assert_int_equal(times_listed("/certificates?includePending=false", "pended"), 0);
    assert_int_equal(times_listed("/certificates?includePending=true&maxresults=2", "pended"), 1);
    assert_int_equal(times_listed("/certificates?includePending=TRUE&maxresults=1", "pended"), 1);
    assert_int_equal(times_listed("/certificates?includePending=", "pended"), 0);
    assert_int_equal(times_listed("/certificates?maxresults=2", "there"), 1);
}

/* Of certificates; for others it is no parameter, and passed over as any that is unknown. */
static void test_a_boolean_parameter_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = { "maybe", "1", "yes", "true%20false" };
    static const char *const paths[] = { "/certificates", "/deletedcertificates", "/certificates/there/versions" }, *const without[] = { "/secrets", "/deletedkeys", "/keys/k/versions" };
    for (size_t w = 0; w < COUNT_OF(words); w++) {
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
            Answer refused = vault_call("GET", text("%s?includePending=%s", paths[i], words[w]), NULL);
            expect_error(&refused, 400, "BadParameter", NULL, "includePending must be true or false");
        }
        for (size_t i = 0; i < COUNT_OF(without); i++) {
            Answer listed = vault_call("GET", text("%s?includePending=%s", without[i], words[w]), NULL);
            expect_status(&listed, 200);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_names_and_versions_are_400),
        cmocka_unit_test(test_tokens_that_are_none_are_401),
        cmocka_unit_test(test_what_is_not_there_is_404),
        cmocka_unit_test(test_operation_in_progress_stands_in_the_way),
        cmocka_unit_test(test_disabled_version_gives_neither_secret_nor_signature),
        cmocka_unit_test(test_key_and_secret_of_a_certificate_are_changed_by_it_alone),
        cmocka_unit_test(test_deleted_name_is_neither_used_nor_restored_onto),
        cmocka_unit_test(test_purge_protection_keeps_certificates),
        cmocka_unit_test(test_pages_and_versions_have_their_limits),
        cmocka_unit_test(test_pending_certificates_are_listed_when_asked_for),
        cmocka_unit_test(test_a_boolean_parameter_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
