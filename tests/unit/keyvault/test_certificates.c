/* test_certificates.c - certificates: creation, the backing key and secret, operations, policies, merge, import, deletion. */
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"

#define EC "\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"}"
#define SELF "\"issuer\":{\"name\":\"Self\"}"
#define POLICY(more) "{\"policy\":{" EC "," SELF ",\"x509_props\":{\"subject\":\"CN=a.example\",\"sans\":{\"dns_names\":[\"a.example\"]}}" more "}}"

static Answer create(const char *name, const char *body)
{
    return vault_call("POST", text("/certificates/%s/create", name), body);
}

/* Created and completed; the bundle. */
static Answer made(const char *name, const char *body)
{
    Answer operation = create(name, body);
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    Answer bundle = vault_call("GET", text("/certificates/%s/", name), NULL);
    expect_status(&bundle, 200);
    return bundle;
}

static Str version_of(Str id) { return str_slice(id, id.len - 32, id.len); }

static Bytes der_of(const Answer *bundle)
{
    Bytes der;
    must(base64_decode(fix.arena, text_at(bundle, "cer"), &der, &fix_err));
    return der;
}

/* The key of an EC P-256 request: its SPKI is found by its fixed head (RFC 5480 section 2). */
static KeyRef *csr_key(Str csr_base64)
{
    static const uint8_t head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
    Bytes csr;
    size_t at;
    KeyRef *key = NULL;
    must(base64_decode(fix.arena, csr_base64, &csr, &fix_err));
    assert_true(str_find(str_of(csr), (Str){ (const char *)head, sizeof head }, &at));
    must(key_from_spki((Bytes){ csr.ptr + at, 91 }, &key, &fix_err));
    return key;
}

/* ---- creation ---- */

static void test_create_answers_with_an_operation_that_completes(void **state)
{
    (void)state;
    Answer operation = create("made", POLICY(""));
    expect_status(&operation, 202);
    assert_str(text_at(&operation, "status"), "inProgress");
    assert_true(str_ends(text_at(&operation, "id"), STR("/certificates/made/pending")));
    assert_non_null(text_at(&operation, "csr").ptr);
    assert_str(text_at(&operation, "issuer.name"), "Self");
    Str request_id = text_at(&operation, "request_id"), location = header(&operation, "Location");
    assert_int_equal(request_id.len, 32);
    assert_true(str_starts(location, text_at(&operation, "id")));
    assert_true(str_ends(location, request_id));
    assert_non_null(header(&operation, "Retry-After").ptr);

    Answer early = vault_call("GET", "/certificates/made/", NULL);
    expect_status(&early, 200);
    assert_false(json_bool(json_path(early.json, "attributes.enabled"), true));
    assert_null(json_get(early.json, "cer"));
    Answer secret = vault_call("GET", "/secrets/made", NULL);
    expect_status(&secret, 404);

    assert_int_equal(run_due(WORK_ISSUE), 1);
    Answer done = vault_call("GET", "/certificates/made/pending", NULL);
    expect_status(&done, 200);
    assert_str(text_at(&done, "status"), "completed");
    assert_true(str_ends(text_at(&done, "target"), STR("/certificates/made")));
    assert_null(header(&done, "Retry-After").ptr);
    assert_true(str_eq(text_at(&done, "request_id"), request_id));
    Answer other = vault_call("GET", "/certificates/made/pending?request_id=00000000000000000000000000000000", NULL);
    expect_error(&other, 404, "PendingCertificateNotFound", NULL, "made");
}

static void test_version_has_certificate_key_and_secret_of_one_name(void **state)
{
    (void)state;
    int64_t now_s = object_now() / 1000;
    Answer bundle = made("whole", POLICY(",\"secret_props\":{\"contentType\":\"application/x-pem-file\"}"));
    Str version = version_of(text_at(&bundle, "id"));
    static const struct { const char *member, *collection; } ids[] = { { "id", "certificates" }, { "kid", "keys" }, { "sid", "secrets" } };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_str(text_at(&bundle, ids[i].member), text("https://vlt.vault.vaultyard.localhost:%d/%s/whole/" STR_FMT, fix.site.names.port, ids[i].collection, STR_ARG(version)));
    assert_in_range(int_at(&bundle, "attributes.nbf"), now_s - 600, object_now() / 1000 - 600);
    assert_true(int_at(&bundle, "attributes.exp") > now_s + 364 * 86400);
    assert_str(text_at(&bundle, "policy.x509_props.subject"), "CN=a.example");
    assert_str(text_at(&bundle, "contentType"), "application/x-pem-file");

    CertInfo info;
    must(cert_read(fix.arena, der_of(&bundle), &info, &fix_err));
    assert_true(str_eq(text_at(&bundle, "x5t"), base64url_encode(fix.arena, (Bytes){ info.sha1, 20 })));
    assert_int_equal(info.not_before_ms / 1000, int_at(&bundle, "attributes.nbf"));
    assert_int_equal(info.not_after_ms / 1000, int_at(&bundle, "attributes.exp"));

    Answer secret = vault_call("GET", "/secrets/whole", NULL);
    expect_status(&secret, 200);
    assert_true(json_bool(json_get(secret.json, "managed"), false));
    assert_true(str_eq(text_at(&secret, "kid"), text_at(&bundle, "kid")));
    assert_true(str_eq(text_at(&secret, "id"), text_at(&bundle, "sid")));
    AUTO(bundle_done_auto) Bundle pem = { 0 };
    must(bundle_read_pem(fix.arena, text_at(&secret, "value"), &pem, &fix_err));
    assert_int_equal(pem.count, 1);
    assert_true(str_eq(str_of(pem.certs[0]), str_of(der_of(&bundle))));
    assert_true(str_starts(text_at(&secret, "value"), STR("-----BEGIN PRIVATE KEY-----")));

    Answer key = vault_call("GET", text("/keys/whole/" STR_FMT, STR_ARG(version)), NULL);
    expect_status(&key, 200);
    assert_str(text_at(&key, "key.kty"), "EC");
    assert_true(json_bool(json_get(key.json, "managed"), false));
    KeyPublic parts;
    must(key_public(fix.arena, pem.key, &parts, &fix_err));
    assert_true(str_eq(text_at(&key, "key.x"), base64url_encode(fix.arena, parts.x)));
    assert_true(str_eq(text_at(&key, "key.y"), base64url_encode(fix.arena, parts.y)));
    assert_null(json_path(key.json, "key.d"));
}

static void test_pfx_secret_opens_without_password(void **state)
{
    (void)state;
    Answer bundle = made("pfx", "{\"policy\":{\"key_props\":{},\"secret_props\":{},\"x509_props\":{\"subject\":\"CN=js\",\"sans\":{}},\"issuer\":{\"name\":\"Self\"}},\"attributes\":{}}");
    assert_str(text_at(&bundle, "policy.key_props.kty"), "RSA");
    assert_int_equal(int_at(&bundle, "policy.key_props.key_size"), 2048);
    Answer secret = vault_call("GET", "/secrets/pfx", NULL);
    assert_str(text_at(&secret, "contentType"), "application/x-pkcs12");
    Bytes pfx;
    must(base64_decode(fix.arena, text_at(&secret, "value"), &pfx, &fix_err));
    AUTO(bundle_done_auto) Bundle content = { 0 };
    must(bundle_read_pfx(fix.arena, pfx, STR(""), &content, &fix_err));
    assert_non_null(content.key);
    assert_true(str_eq(str_of(content.certs[0]), str_of(der_of(&bundle))));
    Answer key = vault_call("GET", "/keys/pfx", NULL);
    assert_str(text_at(&key, "key.e"), "AQAB");
    assert_int_equal(json_count(json_path(key.json, "key.key_ops")), 4);
}

static void expect_names(CertNames names, const char *wanted)
{
    Str all = STR("");
    for (size_t i = 0; i < names.count; i++)
        all = str_printf(fix.arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "", STR_ARG(names.items[i]));
    assert_str(all, wanted);
}

static void test_whole_policy_is_in_the_certificate_and_in_the_next(void **state)
{
    (void)state;
    const char *policy = "{\"policy\":{\"key_props\":{\"kty\":\"RSA\",\"key_size\":3072,\"reuse_key\":true,\"exportable\":true}," SELF ",\"secret_props\":{\"contentType\":\"application/x-pem-file\"},"
        "\"x509_props\":{\"subject\":\"CN=all.example, O=Example\",\"validity_months\":7,\"ekus\":[\"1.3.6.1.5.5.7.3.4\"],\"key_usage\":[\"digitalSignature\",\"dataEncipherment\"],\"sans\":{"
        "\"dns_names\":[\"all.example\",\"*.all.example\"],\"emails\":[\"a@example.com\"],\"upns\":[\"u@example.com\"],\"uris\":[\"urn:x:1\"],\"ipAddresses\":[\"192.0.2.7\",\"2001:db8::7\"]}}}}";
    Answer first = made("all-of-it", policy), second = made("all-of-it", "{}");
    assert_false(str_eq(text_at(&first, "id"), text_at(&second, "id")));
    const Answer *versions[] = { &first, &second };
    KeyRef *keys[2] = { 0 };
    for (size_t i = 0; i < 2; i++) {
        CertInfo info;
        must(cert_read(fix.arena, der_of(versions[i]), &info, &fix_err));
        assert_str(info.subject, "CN=all.example, O=Example");
        expect_names(info.dns, "all.example *.all.example");
        expect_names(info.emails, "a@example.com");
        expect_names(info.upns, "u@example.com");
        expect_names(info.uris, "urn:x:1");
        expect_names(info.ips, "192.0.2.7 2001:db8::7");
        expect_names(info.ekus, "1.3.6.1.5.5.7.3.4");
        expect_names(info.key_usage, "digitalSignature dataEncipherment");
        assert_int_equal(info.not_after_ms, months_later(info.not_before_ms + NOT_BEFORE_LEAD_MS, 7));
        must(cert_public_key(der_of(versions[i]), &keys[i], &fix_err));
        assert_int_equal(key_spec(keys[i]).rsa_bits, 3072);
    }
    assert_true(key_same_public(keys[0], keys[1]));
    Answer key = vault_call("GET", "/keys/all-of-it", NULL);
    assert_int_equal(json_count(json_path(key.json, "key.key_ops")), 4);      /* sign, verify, encrypt, decrypt */
    key_free(keys[0]);
    key_free(keys[1]);
}

static void test_key_that_may_not_leave_is_not_in_the_secret(void **state)
{
    (void)state;
    Answer bundle = made("kept", "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"exportable\":false}," SELF ",\"x509_props\":{\"subject\":\"CN=a\"},\"secret_props\":{\"contentType\":\"application/x-pem-file\"}}}");
    expect_status(&bundle, 200);
    Answer secret = vault_call("GET", "/secrets/kept", NULL);
    size_t at;
    assert_false(str_find(text_at(&secret, "value"), STR("PRIVATE KEY"), &at));
    assert_true(str_find(text_at(&secret, "value"), STR("BEGIN CERTIFICATE"), &at));
}

static void test_bad_creations_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    int64_t before = count_of("SELECT count(*) FROM kv_object") + count_of("SELECT count(*) FROM kv_policy") + count_of("SELECT count(*) FROM kv_pending");
    static const struct { const char *name, *body, *word; } cases[] = {
        { "c_1", POLICY(""),                                                                         "invalid name" },
        { "bad", "{}",                                                                               "policy" },
        { "bad", NULL,                                                                               "" },
        { "bad", "{\"policy\":{" EC "," SELF "}}",                                                   "subject" },
        { "bad", "{\"policy\":{" EC ",\"issuer\":{\"name\":\"DigiCert\"},\"x509_props\":{\"subject\":\"CN=a\"}}}", "DigiCert" },
        { "bad", POLICY(",\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":100},\"action\":{\"action_type\":\"AutoRenew\"}}]"), "lifetime_percentage" },
        { "bad", POLICY(",\"secret_props\":{\"contentType\":\"text/plain\"}"),                       "contentType" },
        { "bad", "{\"policy\":7}",                                                                   "policy" },
        { "bad", "{\"policy\":{" EC "," SELF ",\"x509_props\":{\"subject\":\"CN=a\"}},\"tags\":[]}", "tags" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = create(cases[i].name, cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    Answer hsm = create("bad", "{\"policy\":{\"key_props\":{\"kty\":\"RSA-HSM\"}," SELF ",\"x509_props\":{\"subject\":\"CN=a\"}}}");
    expect_error(&hsm, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    assert_int_equal(count_of("SELECT count(*) FROM kv_object") + count_of("SELECT count(*) FROM kv_policy") + count_of("SELECT count(*) FROM kv_pending"), before);
    Answer none = vault_call("GET", "/certificates/bad/", NULL);
    expect_error(&none, 404, "CertificateNotFound", NULL, "A certificate with (name/id) bad was not found");
    none = vault_call("GET", "/certificates/bad/pending", NULL);
    expect_error(&none, 404, "PendingCertificateNotFound", NULL, "bad");
    none = vault_call("GET", "/certificates/bad/policy", NULL);
    expect_error(&none, 404, "CertificateNotFound", NULL, "bad");
}

static void test_name_belongs_to_one_owner(void **state)
{
    (void)state;
    Answer secret = vault_call("PUT", "/secrets/taken-s", "{\"value\":\"v\"}"), key = vault_call("POST", "/keys/taken-k/create", "{\"kty\":\"EC\"}");
    expect_status(&secret, 200);
    expect_status(&key, 200);
    Answer refused = create("taken-s", POLICY(""));
    expect_error(&refused, 409, "Conflict", NULL, "secret with the name taken-s exists");
    refused = create("taken-k", POLICY(""));
    expect_error(&refused, 409, "Conflict", NULL, "key with the name taken-k exists");
    Answer operation = create("owned", POLICY(""));
    expect_status(&operation, 202);
    refused = vault_call("PUT", "/secrets/owned", "{\"value\":\"v\"}");
    expect_error(&refused, 409, "Conflict", NULL, "belongs to the certificate");
    (void)run_due(WORK_ISSUE);
    refused = vault_call("PUT", "/secrets/owned", "{\"value\":\"v\"}");
    expect_error(&refused, 409, "Conflict", NULL, "belongs to the certificate");
    refused = vault_call("POST", "/keys/owned/create", "{\"kty\":\"EC\"}");
    expect_error(&refused, 409, "Conflict", NULL, "belongs to the certificate");
    refused = vault_call("PATCH", "/secrets/owned", "{\"contentType\":\"x\"}");
    expect_error(&refused, 403, "Forbidden", NULL, "certificate");
    refused = vault_call("DELETE", "/secrets/owned", NULL);
    expect_error(&refused, 403, "Forbidden", NULL, "certificate");
    refused = vault_call("DELETE", "/keys/owned", NULL);
    expect_error(&refused, 403, "Forbidden", NULL, "certificate");
}

static void test_second_create_waits_for_the_first(void **state)
{
    (void)state;
    Answer operation = create("twice", POLICY(""));
    expect_status(&operation, 202);
    Answer refused = create("twice", POLICY(""));
    expect_error(&refused, 409, "Forbidden", NULL, "status is inProgress");
    (void)run_due(WORK_ISSUE);
    Answer first = vault_call("GET", "/certificates/twice/", NULL);
    /* without a policy the stored one serves */
    operation = create("twice", "{}");
    expect_status(&operation, 202);
    Answer still = vault_call("GET", "/certificates/twice/", NULL);
    assert_true(str_eq(text_at(&still, "id"), text_at(&first, "id")));
    (void)run_due(WORK_ISSUE);
    Answer second = vault_call("GET", "/certificates/twice/", NULL);
    assert_false(str_eq(text_at(&second, "id"), text_at(&first, "id")));
    Answer versions = vault_call("GET", "/certificates/twice/versions", NULL);
    assert_int_equal(json_count(json_get(versions.json, "value")), 2);
    Answer old = vault_call("GET", text("/certificates/twice/" STR_FMT, STR_ARG(version_of(text_at(&first, "id")))), NULL);
    expect_status(&old, 200);
    assert_true(str_eq(text_at(&old, "cer"), text_at(&first, "cer")));
    Answer secrets = vault_call("GET", "/secrets/twice/versions", NULL);
    assert_int_equal(json_count(json_get(secrets.json, "value")), 2);
}

static void test_issue_job_runs_twice_and_makes_one_version(void **state)
{
    (void)state;
    Answer operation = create("killed", POLICY(""));
    expect_status(&operation, 202);
    fixture_reopen();                   /* killed before the job ran */
    (void)run_due(WORK_ISSUE);
    int64_t versions = count_of("SELECT count(*) FROM kv_version WHERE name_key = 'killed'");
    assert_int_equal(versions, 3);
    Answer bundle = vault_call("GET", "/certificates/killed/", NULL);
    expect_status(&bundle, 200);
    assert_true(json_bool(json_path(bundle.json, "attributes.enabled"), false));
}

/* ---- operations ---- */

static void test_cancelled_operation_makes_no_version(void **state)
{
    (void)state;
    Answer operation = create("cancel", POLICY(""));
    expect_status(&operation, 202);
    Answer wrong = vault_call("PATCH", "/certificates/cancel/pending", "{}");
    expect_error(&wrong, 400, "BadParameter", NULL, "cancellation_requested");
    Answer cancelled = vault_call("PATCH", "/certificates/cancel/pending", "{\"cancellation_requested\":true}");
    expect_status(&cancelled, 200);
    assert_true(json_bool(json_get(cancelled.json, "cancellation_requested"), false));
    assert_str(text_at(&cancelled, "status"), "cancelled");
    assert_int_equal(run_due(WORK_ISSUE), 0);
    Answer secret = vault_call("GET", "/secrets/cancel", NULL);
    expect_status(&secret, 404);
    wrong = vault_call("PATCH", "/certificates/cancel/pending", "{\"cancellation_requested\":true}");
    expect_error(&wrong, 400, "BadParameter", NULL, "no longer in progress");
    Answer deleted = vault_call("DELETE", "/certificates/cancel/pending", NULL);
    expect_status(&deleted, 200);
    deleted = vault_call("DELETE", "/certificates/cancel/pending", NULL);
    expect_error(&deleted, 404, "PendingCertificateNotFound", NULL, "cancel");
    /* the name can be used after all, and there is no key yet to reuse */
    operation = create("cancel", "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"reuse_key\":true}," SELF ",\"x509_props\":{\"subject\":\"CN=a\"}}}");
    expect_status(&operation, 202);
    assert_int_equal(run_due(WORK_ISSUE), 1);
    Answer bundle = vault_call("GET", "/certificates/cancel/", NULL);
    assert_non_null(json_get(bundle.json, "cer"));
}

static void test_unknown_issuer_waits_for_a_merge(void **state)
{
    (void)state;
    Answer operation = create("merged", "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"x509_props\":{\"subject\":\"CN=m.example\"},\"secret_props\":{\"contentType\":\"application/x-pem-file\"}},\"tags\":{\"t\":\"1\"}}");
    expect_status(&operation, 202);
    size_t at;
    assert_true(str_find(text_at(&operation, "status_details"), STR("Please Perform Merge"), &at));
    assert_int_equal(run_due(WORK_ISSUE), 0);

    AUTO(key_free_auto) KeyRef *ca_key = NULL;
    AUTO(key_free_auto) KeyRef *other = NULL;
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &ca_key, &fix_err));
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &other, &fix_err));
    CertSpec ca_spec = { .subject = STR("CN=ca"), .is_ca = true, .path_length = -1, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000LL * 90 };
    CertSpec leaf_spec = { .subject = STR("CN=m.example"), .path_length = -1, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000LL * 30 };
    Bytes ca, foreign;
    must(cert_self_sign(fix.arena, ca_key, &ca_spec, &ca, &fix_err));
    must(cert_issue(fix.arena, ca_key, ca, other, &leaf_spec, &foreign, &fix_err));
    Str body = str_printf(fix.arena, "{\"x5c\":[\"" STR_FMT "\"]}%c", STR_ARG(base64_encode(fix.arena, foreign)), '\0');
    Answer refused = vault_call("POST", "/certificates/merged/pending/merge", body.ptr);
    expect_error(&refused, 400, "BadParameter", NULL, "does not match the private key");
    refused = vault_call("POST", "/certificates/merged/pending/merge", "{\"x5c\":[\"AAAA\"]}");
    expect_error(&refused, 400, "BadParameter", NULL, "x5c[0]");
    refused = vault_call("POST", "/certificates/merged/pending/merge", "{\"x5c\":[]}");
    expect_error(&refused, 400, "BadParameter", NULL, "x5c");
    refused = vault_call("POST", "/certificates/never/pending/merge", body.ptr);
    expect_error(&refused, 404, "PendingCertificateNotFound", NULL, "never");

    AUTO(key_free_auto) KeyRef *asked = csr_key(text_at(&operation, "csr"));
    Bytes leaf;
    must(cert_issue(fix.arena, ca_key, ca, asked, &leaf_spec, &leaf, &fix_err));
    body = str_printf(fix.arena, "{\"x5c\":[\"" STR_FMT "\",\"" STR_FMT "\"]}%c", STR_ARG(base64_encode(fix.arena, ca)), STR_ARG(base64_encode(fix.arena, leaf)), '\0');      /* in the wrong order */
    Answer merged = vault_call("POST", "/certificates/merged/pending/merge", body.ptr);
    expect_status(&merged, 201);
    assert_true(str_eq(str_of(der_of(&merged)), str_of(leaf)));
    assert_str(text_at(&merged, "tags.t"), "1");
    Answer done = vault_call("GET", "/certificates/merged/pending", NULL);
    assert_str(text_at(&done, "status"), "completed");
    Answer secret = vault_call("GET", "/secrets/merged", NULL);
    AUTO(bundle_done_auto) Bundle pem = { 0 };
    must(bundle_read_pem(fix.arena, text_at(&secret, "value"), &pem, &fix_err));
    assert_int_equal(pem.count, 2);
    assert_true(key_same_public(pem.key, asked));
    size_t leaf_at = 0, ca_at = 0;
    Str value = text_at(&secret, "value");
    assert_true(str_find(value, pem_of_cert(fix.arena, leaf), &leaf_at) && str_find(value, pem_of_cert(fix.arena, ca), &ca_at) && leaf_at < ca_at);
    refused = vault_call("POST", "/certificates/merged/pending/merge", body.ptr);
    expect_error(&refused, 400, "BadParameter", NULL, "no longer in progress");
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/merged'"), 0);
}

/* ---- policies and updates ---- */

static void test_policy_is_updated_alone(void **state)
{
    (void)state;
    Answer bundle = made("policy", POLICY(",\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80},\"action\":{\"action_type\":\"EmailContacts\"}}]"));
    expect_status(&bundle, 200);
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/policy'"), 0);
    Answer updated = vault_call("PATCH", "/certificates/policy/policy", "{\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":20},\"action\":{\"action_type\":\"AutoRenew\"}}]}");
    expect_status(&updated, 200);
    assert_true(str_ends(text_at(&updated, "id"), STR("/certificates/policy/policy")));
    assert_str(text_at(&updated, "x509_props.subject"), "CN=a.example");
    int64_t due = count_of("SELECT due_ms FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/policy'");
    assert_int_equal(due / 1000, int_at(&bundle, "attributes.exp") - 20 * 86400);
    Answer got = vault_call("GET", "/certificates/policy/policy", NULL);
    assert_true(str_eq(got.body, updated.body));
    Answer refused = vault_call("PATCH", "/certificates/policy/policy", "{\"x509_props\":{\"validity_months\":0}}");
    expect_error(&refused, 400, "BadParameter", NULL, "validity_months");
    refused = vault_call("PATCH", "/certificates/policy/policy", "{\"issuer\":{\"name\":\"DigiCert\"},\"lifetime_actions\":[]}");
    expect_error(&refused, 400, "BadParameter", NULL, "DigiCert");
}

static void test_update_of_a_certificate_reaches_its_key_and_secret(void **state)
{
    (void)state;
    Answer bundle = made("switch", POLICY(""));
    expect_status(&bundle, 200);
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/switch'"), 1);
    Answer off = vault_call("PATCH", "/certificates/switch/", "{\"attributes\":{\"enabled\":false},\"tags\":{\"k\":\"v\"}}");
    expect_status(&off, 200);
    assert_false(json_bool(json_path(off.json, "attributes.enabled"), true));
    assert_str(text_at(&off, "tags.k"), "v");
    assert_int_equal(int_at(&off, "attributes.exp"), int_at(&bundle, "attributes.exp"));
    Answer secret = vault_call("GET", "/secrets/switch", NULL);
    expect_error(&secret, 403, "Forbidden", "SecretDisabled", "disabled");
    Answer key = vault_call("GET", "/keys/switch", NULL);
    assert_false(json_bool(json_path(key.json, "attributes.enabled"), true));
    assert_str(text_at(&key, "tags.k"), "v");
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/switch'"), 0);
    Answer on = vault_call("PATCH", text("/certificates/switch/" STR_FMT, STR_ARG(version_of(text_at(&bundle, "id")))), "{\"attributes\":{\"enabled\":true}}");
    expect_status(&on, 200);
    assert_str(text_at(&on, "tags.k"), "v");
    secret = vault_call("GET", "/secrets/switch", NULL);
    expect_status(&secret, 200);
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/switch'"), 1);
    Answer missing = vault_call("PATCH", "/certificates/none-such/", "{}");
    expect_error(&missing, 404, "CertificateNotFound", NULL, "none-such");
}

/* ---- import ---- */

static void test_import_takes_pem_base64_pem_and_pfx(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *key = NULL;
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &fix_err));
    CertSpec spec = { .subject = STR("CN=i.example"), .path_length = -1, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000LL * 90 };
    Bytes der;
    must(cert_self_sign(fix.arena, key, &spec, &der, &fix_err));
    AUTO(bundle_done_auto) Bundle bundle = { .key = key_share(key), .certs = { der }, .count = 1 };
    AUTO(secret_free_auto) Secret *pem = NULL;
    AUTO(secret_free_auto) Secret *pfx = NULL;
    must(bundle_write_pem(&bundle, true, &pem, &fix_err));
    must(bundle_write_pfx(&bundle, STR("pw"), &pfx, &fix_err));
    Str pem_text = str_of(secret_bytes(pem)), base64_pem = base64_encode(fix.arena, secret_bytes(pem)), base64_pfx = base64_encode(fix.arena, secret_bytes(pfx));
    Buf body;
    buf_init(&body, 1 << 20);
    JsonWriter w;
    const struct { const char *name; Str value, pwd; const char *type; } cases[] = {
        { "imp-pem", pem_text, STR_NONE, "application/x-pem-file" }, { "imp-b64", base64_pem, STR_NONE, "application/x-pem-file" }, { "imp-pfx", base64_pfx, STR("pw"), "application/x-pkcs12" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&body);
        json_begin(&w, &body);
        json_open(&w, NULL);
        json_put_str(&w, "value", cases[i].value);
        json_put_str(&w, "pwd", cases[i].pwd);
        json_close(&w);
        must(json_end(&w, &fix_err));
        Answer imported = vault_call("POST", text("/certificates/%s/import", cases[i].name), str_to_cstr(fix.arena, buf_str(&body), &fix_err));
        expect_status(&imported, 200);
        assert_true(str_eq(str_of(der_of(&imported)), str_of(der)));
        assert_str(text_at(&imported, "contentType"), cases[i].type);
        assert_str(text_at(&imported, "policy.issuer.name"), "Unknown");
        Answer secret = vault_call("GET", text("/secrets/%s", cases[i].name), NULL);
        expect_status(&secret, 200);
        Answer got = vault_call("GET", text("/certificates/%s/", cases[i].name), NULL);
        assert_true(str_eq(text_at(&got, "id"), text_at(&imported, "id")));
    }
    buf_reset(&body);
    json_begin(&w, &body);
    json_open(&w, NULL);
    json_put_str(&w, "value", base64_pfx);
    json_put_str(&w, "pwd", STR("wrong"));
    json_close(&w);
    must(json_end(&w, &fix_err));
    Answer refused = vault_call("POST", "/certificates/imp-no/import", str_to_cstr(fix.arena, buf_str(&body), &fix_err));
    expect_error(&refused, 400, "BadParameter", NULL, "value cannot be imported");
    buf_done(&body);
    refused = vault_call("POST", "/certificates/imp-no/import", "{\"value\":\"AAAA\"}");
    expect_error(&refused, 400, "BadParameter", NULL, "value");
    refused = vault_call("POST", "/certificates/imp-no/import", "{\"value\":\"!\"}");
    expect_error(&refused, 400, "BadParameter", NULL, "value");
    refused = vault_call("POST", "/certificates/imp-no/import", "{}");
    expect_error(&refused, 400, "BadParameter", NULL, "value");
    refused = vault_call("GET", "/certificates/imp-no/", NULL);
    expect_status(&refused, 404);
}

static void test_expired_certificate_is_not_imported(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *key = NULL;
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &fix_err));
    CertSpec spec = { .subject = STR("CN=i.example"), .path_length = -1, .not_before_ms = object_now() - 86400000LL, .not_after_ms = object_now() - 1000 };
    Bytes der;
    must(cert_self_sign(fix.arena, key, &spec, &der, &fix_err));
    AUTO(bundle_done_auto) Bundle bundle = { .key = key_share(key), .certs = { der }, .count = 1 };
    AUTO(secret_free_auto) Secret *pem = NULL;
    must(bundle_write_pem(&bundle, true, &pem, &fix_err));
    Str body = str_printf(fix.arena, "{\"value\":\"" STR_FMT "\"}%c", STR_ARG(base64_encode(fix.arena, secret_bytes(pem))), '\0');
    Answer refused = vault_call("POST", "/certificates/imp-old/import", body.ptr);
    expect_error(&refused, 400, "CertificateExpired", NULL, "expired");
}

/* ---- deletion ---- */

static void test_deletion_takes_key_and_secret_along(void **state)
{
    (void)state;
    Answer bundle = made("leaving", POLICY(""));
    Answer deleted = vault_call("DELETE", "/certificates/leaving", NULL);
    expect_status(&deleted, 200);
    assert_true(str_ends(text_at(&deleted, "recoveryId"), STR("/deletedcertificates/leaving")));
    assert_true(str_eq(text_at(&deleted, "id"), text_at(&bundle, "id")));
    assert_str(text_at(&deleted, "policy.issuer.name"), "Self");
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/leaving'"), 0);
    static const char *const gone[] = { "/certificates/leaving/", "/keys/leaving", "/secrets/leaving" };
    for (size_t i = 0; i < COUNT_OF(gone); i++) {
        Answer answer = vault_call("GET", gone[i], NULL);
        expect_status(&answer, 404);
    }
    Answer refused = create("leaving", POLICY(""));
    expect_error(&refused, 409, "Conflict", "ObjectIsDeletedButRecoverable", "leaving is currently in a deleted but recoverable state");
    refused = vault_call("PUT", "/secrets/leaving", "{\"value\":\"v\"}");
    expect_error(&refused, 409, "Conflict", "ObjectIsDeletedButRecoverable", "leaving");
    refused = vault_call("POST", "/deletedsecrets/leaving/recover", NULL);
    expect_error(&refused, 403, "Forbidden", NULL, "certificate");
    refused = vault_call("DELETE", "/deletedkeys/leaving", NULL);
    expect_error(&refused, 403, "Forbidden", NULL, "certificate");
    Answer seen = vault_call("GET", "/deletedcertificates/leaving", NULL);
    expect_status(&seen, 200);

    Answer back = vault_call("POST", "/deletedcertificates/leaving/recover", NULL);
    expect_status(&back, 200);
    for (size_t i = 0; i < COUNT_OF(gone); i++) {
        Answer answer = vault_call("GET", gone[i], NULL);
        expect_status(&answer, 200);
    }
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/leaving'"), 1);

    deleted = vault_call("DELETE", "/certificates/leaving", NULL);
    expect_status(&deleted, 200);
    Answer purged = vault_call("DELETE", "/deletedcertificates/leaving", NULL);
    expect_status(&purged, 204);
    assert_int_equal(count_of("SELECT (SELECT count(*) FROM kv_object WHERE name_key = 'leaving') + (SELECT count(*) FROM kv_version WHERE name_key = 'leaving')"
                              " + (SELECT count(*) FROM kv_policy WHERE name_key = 'leaving') + (SELECT count(*) FROM kv_pending WHERE name_key = 'leaving')"), 0);
    Answer secret = vault_call("PUT", "/secrets/leaving", "{\"value\":\"v\"}");
    expect_status(&secret, 200);
}

static void test_permission_of_each_operation_is_asked(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *word; } cases[] = {
        { "POST", "/certificates/x/create" API,        "certificates create" }, { "GET", "/certificates" API,             "certificates list" },
        { "GET", "/certificates/x/" API,               "certificates get" },    { "PATCH", "/certificates/x/policy" API,  "certificates update" },
        { "DELETE", "/certificates/x" API,             "certificates delete" }, { "POST", "/certificates/x/import" API,   "certificates import" },
        { "POST", "/keys/x/create" API,                "keys create" },         { "POST", "/keys/x/1/wrapkey" API,        "keys wrapKey" },
        { "POST", "/deletedsecrets/x/recover" API,     "secrets recover" },     { "DELETE", "/deletedkeys/x" API,         "keys purge" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = call(cases[i].method, "vlt.vault", cases[i].path, fix.nobody.vault_token, NULL);
        expect_error(&answer, 403, "Forbidden", "AccessDenied", cases[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_answers_with_an_operation_that_completes),
        cmocka_unit_test(test_version_has_certificate_key_and_secret_of_one_name),
        cmocka_unit_test(test_pfx_secret_opens_without_password),
        cmocka_unit_test(test_whole_policy_is_in_the_certificate_and_in_the_next),
        cmocka_unit_test(test_key_that_may_not_leave_is_not_in_the_secret),
        cmocka_unit_test(test_bad_creations_are_refused_and_leave_nothing),
        cmocka_unit_test(test_name_belongs_to_one_owner),
        cmocka_unit_test(test_second_create_waits_for_the_first),
        cmocka_unit_test(test_issue_job_runs_twice_and_makes_one_version),
        cmocka_unit_test(test_cancelled_operation_makes_no_version),
        cmocka_unit_test(test_unknown_issuer_waits_for_a_merge),
        cmocka_unit_test(test_policy_is_updated_alone),
        cmocka_unit_test(test_update_of_a_certificate_reaches_its_key_and_secret),
        cmocka_unit_test(test_import_takes_pem_base64_pem_and_pfx),
        cmocka_unit_test(test_expired_certificate_is_not_imported),
        cmocka_unit_test(test_deletion_takes_key_and_secret_along),
        cmocka_unit_test(test_permission_of_each_operation_is_asked),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
