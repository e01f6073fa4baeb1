/* test_issuer_ca.c - provider VaultyardCA: an authority of the vault that signs, renews and revokes. */
#include <openssl/ocsp.h>
#include "base/encode.h"
#include "crypto/certificates/cert.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/issuers/issuer_responder.h"

#define POLICY(issuer) "{\"policy\":{\"issuer\":{\"name\":\"" issuer "\"},\"secret_props\":{\"contentType\":\"application/x-pem-file\"},\"x509_props\":{\"subject\":\"CN=leaf\"," \
    "\"validity_months\":2},\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":5},\"action\":{\"action_type\":\"AutoRenew\"}}]}}"

static Answer issuer(const char *method, const char *name, const char *body) { return vault_call(method, text("/certificates/issuers/%s", name), body); }

/* As anybody, without a token. */
static HttpAnswer anybody(const char *method, const char *path, Str body)
{
    HttpCall request = { .method = method, .url = str_printf(fix.arena, "http://vlt.vault.vaultyard.localhost:%d%s", fix.site.names.port, path), .body = body };
    HttpAnswer answer;
    must(http_call(fix.client, fix.arena, &request, &answer, &fix_err));
    return answer;
}

static Bytes open_to_all(const char *path, const char *type)
{
    HttpAnswer answer = anybody("GET", path, STR_NONE);
    assert_int_equal(answer.status, 200);
    assert_str(http_answer_header(&answer, "Content-Type"), type);
    return bytes_of(answer.body);
}

static Bytes cer_of(const char *name)
{
    Bytes der;
    Answer answer = vault_call("GET", text("/certificates/%s", name), NULL);
    expect_status(&answer, 200);
    must(base64_decode(fix.arena, text_at(&answer, "cer"), &der, &fix_err));
    return der;
}

static size_t revocations(const char *list)
{
    /* Each entry holds its date as UTCTime: 0x17 0x0D; the list itself has two. */
    Bytes der = open_to_all(list, "application/pkix-crl");
    size_t dates = 0;
    for (size_t i = 0; i + 1 < der.len; i++)
        dates += der.ptr[i] == 0x17 && der.ptr[i + 1] == 0x0D;
    return dates - 2;
}

static void make_issued(const char *name)
{
    Answer answer = vault_call("POST", text("/certificates/%s/create", name), POLICY("team-ca"));
    expect_status(&answer, 202);
    assert_int_equal(run_due(WORK_ISSUE), 1);
    answer = vault_call("GET", text("/certificates/%s/pending", name), NULL);
    assert_str(text_at(&answer, "status"), "completed");
}

static void test_authority_is_made_once_and_signs_in_chain_order(void **state)
{
    (void)state;
    CertInfo info;
    Answer answer = issuer("PUT", "team-ca", "{\"provider\":\"VaultyardCA\",\"credentials\":{\"account_id\":\"CN=Team CA, O=Example\"}}");
    expect_status(&answer, 200);
    Bytes ca = open_to_all("/ca/team-ca", "application/pkix-cert");
    must(cert_read(fix.arena, ca, &info, &fix_err));
    assert_true(info.is_ca);
    assert_str(info.subject, "CN=Team CA, O=Example");
    answer = issuer("PUT", "team-ca", "{\"provider\":\"vaultyardca\"}");
    expect_status(&answer, 200);
    Bytes again = open_to_all("/ca/team-ca", "application/pkix-cert");
    assert_int_equal(ca.len, again.len);
    assert_memory_equal(ca.ptr, again.ptr, ca.len);

    make_issued("leaf");
    Bytes leaf = cer_of("leaf");
    assert_true(cert_is_issued_by(leaf, ca));
    Answer secret = vault_call("GET", "/secrets/leaf", NULL);
    Str value = text_at(&secret, "value"), of_leaf = base64_encode(fix.arena, leaf), of_ca = base64_encode(fix.arena, ca);
    size_t first = 0, second = 0;
    Str flat = STR("");
    for (Str rest = value, line; rest.ptr;) {
        line = str_cut(&rest, '\n');
        flat = str_printf(fix.arena, STR_FMT STR_FMT, STR_ARG(flat), STR_ARG(line));
    }
    assert_true(str_find(flat, of_leaf, &first) && str_find(flat, of_ca, &second));
    assert_true(first < second);
    Bytes list = open_to_all("/crl/team-ca", "application/pkix-crl");
    assert_true(list.len > 100);
    assert_int_equal(revocations("/crl/team-ca"), 0);
}

static void test_renewal_comes_from_the_authority_and_waits_for_it(void **state)
{
    (void)state;
    make_issued("renewed");
    int64_t now = object_now();
    Bytes before = cer_of("renewed");
    Answer answer = issuer("PATCH", "team-ca", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    set_object_time(now + 58 * 86400 * 1000LL);
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    int64_t again = 0;
    Err err = { 0 };
    RunnerJob job = { .kind = STR(WORK_RENEW), .key = str_printf(fix.arena, STR_FMT "/renewed", STR_ARG(vault_id_of("vlt"))), .due_ms = object_now(), .attempt = 1 };
    assert_false(certificate_renew_run(fix.kv, arena, &job, object_now(), &again, &err));
    assert_non_null(strstr(err.text, "team-ca"));
    answer = issuer("PATCH", "team-ca", "{\"attributes\":{\"enabled\":true}}");
    must(certificate_renew_run(fix.kv, arena, &job, object_now(), &again, &fix_err));
    Bytes after = cer_of("renewed");
    assert_false(before.len == after.len && memcmp(before.ptr, after.ptr, after.len) == 0);
    assert_true(cert_is_issued_by(after, open_to_all("/ca/team-ca", "application/pkix-cert")));
    set_object_time(now);
}

static void test_what_is_disabled_deleted_or_purged_is_revoked(void **state)
{
    (void)state;
    make_issued("revoked");
    size_t before = revocations("/crl/team-ca");
    Answer answer = vault_call("PATCH", "/certificates/revoked/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    assert_int_equal(revocations("/crl/team-ca"), before + 1);
    answer = vault_call("PATCH", "/certificates/revoked/", "{\"attributes\":{\"enabled\":true}}");
    assert_int_equal(revocations("/crl/team-ca"), before);
    answer = vault_call("DELETE", "/certificates/revoked", NULL);
    assert_int_equal(revocations("/crl/team-ca"), before + 1);
    answer = vault_call("DELETE", "/deletedcertificates/revoked", NULL);
    expect_status(&answer, 204);
    assert_int_equal(revocations("/crl/team-ca"), before + 1);
}

/* RFC 6960 section 4.2.1: OCSPResponse of status malformedRequest and nothing else. */
static void test_question_that_is_none_is_answered_as_malformed(void **state)
{
    (void)state;
    static const uint8_t malformed[] = { 0x30, 0x03, 0x0a, 0x01, 0x01 };
    make_issued("asked");
    HttpAnswer answers[] = { anybody("POST", "/ocsp/team-ca", STR("no request")), anybody("GET", "/ocsp/team-ca/AAAA", STR_NONE), anybody("GET", "/ocsp/team-ca/!", STR_NONE),
                             anybody("POST", "/ocsp/team-ca", STR("")) };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(answers[i].status, 200);
        assert_str(http_answer_header(&answers[i], "Content-Type"), "application/ocsp-response");
        assert_int_equal(answers[i].body.len, sizeof malformed);
        assert_memory_equal(answers[i].body.ptr, malformed, sizeof malformed);
    }
    assert_int_equal(anybody("POST", "/ocsp/nowhere", STR("x")).status, 404);
    assert_int_equal(anybody("GET", "/ocsp/team-ca", STR_NONE).status, 401);         /* no route, so nothing public */
    char *large = arena_alloc(fix.arena, 20000);
    memset(large, 0, 20000);
    assert_int_equal(anybody("POST", "/ocsp/team-ca", (Str){ large, 20000 }).status, 413);
}

/* ---- who signs the answers ---- */

static X509 *decoded(Bytes der)
{
    const unsigned char *at = der.ptr;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    assert_non_null(cert);
    return cert;
}

static HttpAnswer ask_standing(const char *authority, Bytes ca_der, Bytes leaf_der)
{
    X509 *ca = decoded(ca_der), *leaf = decoded(leaf_der);
    OCSP_REQUEST *question = OCSP_REQUEST_new();
    unsigned char *der = NULL;
    OCSP_CERTID *id = OCSP_cert_id_new(EVP_sha256(), X509_get_subject_name(ca), X509_get0_pubkey_bitstr(ca), X509_get0_serialNumber(leaf));
    assert_non_null(OCSP_request_add0_id(question, id));
    int len = i2d_OCSP_REQUEST(question, &der);
    assert_true(len > 0);
    HttpAnswer answer = anybody("POST", text("/ocsp/%s", authority), str_of((Bytes){ der, (size_t)len }));
    OPENSSL_free(der);
    OCSP_REQUEST_free(question);
    X509_free(leaf);
    X509_free(ca);
    return answer;
}

/* The serial number of the responder's certificate, after the answer was verified for this authority and says that the certificate stands so. */
static Str signer_of(const char *authority, Bytes ca_der, Bytes leaf_der, int standing)
{
    HttpAnswer answer = ask_standing(authority, ca_der, leaf_der);
    assert_int_equal(answer.status, 200);
    const unsigned char *at = (const unsigned char *)answer.body.ptr;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)answer.body.len);
    assert_non_null(response);
    assert_int_equal(OCSP_response_status(response), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    X509_STORE *trusted = X509_STORE_new();
    X509 *ca = decoded(ca_der), *signer = sk_X509_value(OCSP_resp_get0_certs(basic), 0);
    X509_STORE_add_cert(trusted, ca);
    X509_STORE_set_flags(trusted, X509_V_FLAG_NO_CHECK_TIME);       /* the object time of tests is not the machine's */
    assert_int_equal(OCSP_basic_verify(basic, NULL, trusted, 0), 1);
    assert_int_equal(sk_X509_num(OCSP_resp_get0_certs(basic)), 1);
    assert_true(X509_cmp(signer, ca) != 0 && X509_check_ca(signer) == 0 && X509_get_ext_by_NID(signer, NID_id_pkix_OCSP_noCheck, -1) >= 0);
    assert_true(X509_get_extended_key_usage(signer) == XKU_OCSP_SIGN);
    OCSP_SINGLERESP *one = OCSP_resp_get0(basic, 0);
    assert_int_equal(OCSP_single_get0_status(one, NULL, NULL, NULL, NULL), standing);
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(signer), NULL);
    char *hex = BN_bn2hex(number);
    Str serial = str_dup(fix.arena, str_from(hex));
    OPENSSL_free(hex);
    BN_free(number);
    X509_free(ca);
    X509_STORE_free(trusted);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return serial;
}

static bool hide_key(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_issuer SET ca_key = CAST(x'00' || ca_key AS BLOB) WHERE name_key = 'asked-ca'");
}

static bool show_key(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_issuer SET ca_key = substr(ca_key, 2) WHERE name_key = 'asked-ca'");
}

static void test_a_responder_answers_and_the_clock_renews_it(void **state)
{
    (void)state;
    const int64_t day_ms = 24 * 3600 * 1000LL;
    Answer answer = issuer("PUT", "Asked-CA", "{\"provider\":\"VaultyardCA\"}");
    expect_status(&answer, 200);
    answer = vault_call("POST", "/certificates/stands/create", POLICY("asked-ca"));
    expect_status(&answer, 202);
    assert_int_equal(run_due(WORK_ISSUE), 1);
    Bytes ca = open_to_all("/ca/asked-ca", "application/pkix-cert"), leaf = cer_of("stands");
    int64_t begun_ms = object_now();
    Str first = signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_GOOD);
    assert_true(str_eq(first, signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_GOOD)));
    set_object_time(begun_ms + 4 * day_ms);
    assert_int_equal(run_due(WORK_RESPONDER), 0);
    assert_true(str_eq(first, signer_of("ASKED-ca", ca, leaf, V_OCSP_CERTSTATUS_GOOD)));
    set_object_time(begun_ms + 5 * day_ms);
    assert_int_equal(run_due(WORK_RESPONDER), 1);
    Str second = signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_GOOD);
    assert_false(str_eq(first, second));

    /* Without the authority's key answers go on, as long as the responder's certificate does. */
    must(store_write(fix.site.store, hide_key, NULL, &fix_err));
    assert_true(str_eq(second, signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_GOOD)));
    answer = vault_call("PATCH", "/certificates/stands/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    assert_true(str_eq(second, signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_REVOKED)));
    set_object_time(begun_ms + 12 * day_ms - 1);                     /* less than an answer's life is left */
    assert_int_equal(ask_standing("asked-ca", ca, leaf).status, 500);
    must(store_write(fix.site.store, show_key, NULL, &fix_err));
    assert_false(str_eq(second, signer_of("asked-ca", ca, leaf, V_OCSP_CERTSTATUS_REVOKED)));       /* who asks renews it as well */

    fixture_reopen();
    assert_int_equal(count_of("SELECT count(*) FROM kv_responder WHERE issuer_key = 'asked-ca'"), 1);
    answer = vault_call("DELETE", "/certificates/issuers/asked-ca", NULL);
    expect_status(&answer, 200);
    assert_int_equal(count_of("SELECT count(*) FROM kv_responder WHERE issuer_key = 'asked-ca'"), 0);
    assert_int_equal(ask_standing("asked-ca", ca, leaf).status, 404);
    set_object_time(object_now() + 5 * day_ms);
    assert_int_equal(run_due(WORK_RESPONDER), 1);                    /* finds nothing to do */
    assert_int_equal(count_of("SELECT count(*) FROM kv_responder WHERE issuer_key = 'asked-ca'"), 0);
    answer = issuer("PUT", "asked-ca", "{\"provider\":\"VaultyardCA\"}");
    expect_status(&answer, 200);
    Bytes other = open_to_all("/ca/asked-ca", "application/pkix-cert");
    assert_int_equal(ask_standing("asked-ca", other, leaf).status, 200);
    assert_false(str_eq(second, signer_of("asked-ca", other, leaf, V_OCSP_CERTSTATUS_UNKNOWN)));
}

/* The last responder ends with its authority, and then nobody may answer. */
static void test_nobody_answers_for_an_expired_authority(void **state)
{
    (void)state;
    static const uint8_t unauthorized[] = { 0x30, 0x03, 0x0a, 0x01, 0x06 };
    CertInfo info;
    Answer answer = issuer("PUT", "ends-ca", "{\"provider\":\"VaultyardCA\"}");
    expect_status(&answer, 200);
    Bytes ca = open_to_all("/ca/ends-ca", "application/pkix-cert"), leaf = cer_of("leaf");
    must(cert_read(fix.arena, ca, &info, &fix_err));
    set_object_time(info.not_after_ms - 60 * 1000);
    Str last = signer_of("ends-ca", ca, leaf, V_OCSP_CERTSTATUS_UNKNOWN);
    assert_true(str_eq(last, signer_of("ends-ca", ca, leaf, V_OCSP_CERTSTATUS_UNKNOWN)));
    set_object_time(info.not_after_ms);
    HttpAnswer none = ask_standing("ends-ca", ca, leaf);
    assert_int_equal(none.status, 200);
    assert_int_equal(none.body.len, sizeof unauthorized);
    assert_memory_equal(none.body.ptr, unauthorized, sizeof unauthorized);
}

static void test_disabled_authority_still_answers_for_what_it_issued(void **state)
{
    (void)state;
    make_issued("issued-before");
    Answer answer = issuer("PATCH", "team-ca", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    assert_true(open_to_all("/crl/team-ca", "application/pkix-crl").len > 0);
    assert_int_equal(anybody("POST", "/ocsp/team-ca", STR("x")).status, 200);
    answer = vault_call("POST", "/certificates/issued-after/create", POLICY("team-ca"));
    expect_error(&answer, 403, "Forbidden", NULL, "disabled");
    answer = issuer("PATCH", "team-ca", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);
}

static void test_what_cannot_issue_is_refused(void **state)
{
    (void)state;
    Answer answer = vault_call("POST", "/certificates/refused/create", POLICY("nowhere"));
    expect_error(&answer, 400, "BadParameter", NULL, "nowhere");
    answer = issuer("PUT", "foreign", "{\"provider\":\"DigiCert\"}");
    answer = vault_call("POST", "/certificates/refused/create", POLICY("foreign"));
    expect_error(&answer, 501, "NotImplemented", NULL, "DigiCert");
    answer = issuer("PUT", "asleep", "{\"provider\":\"VaultyardCA\",\"attributes\":{\"enabled\":false}}");
    answer = vault_call("POST", "/certificates/refused/create", POLICY("asleep"));
    expect_error(&answer, 403, "Forbidden", NULL, "disabled");
    answer = issuer("PUT", "bad-subject", "{\"provider\":\"VaultyardCA\",\"credentials\":{\"account_id\":\"NOSUCH=x\"}}");
    expect_error(&answer, 400, "BadParameter", NULL, "account_id");
    answer = issuer("GET", "bad-subject", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "");
    answer = issuer("PATCH", "team-ca", "{\"provider\":\"DigiCert\"}");
    expect_error(&answer, 400, "BadParameter", NULL, "authority");
    answer = vault_call("GET", "/certificates/refused", NULL);
    expect_error(&answer, 404, "CertificateNotFound", NULL, "");
    answer = vault_call("GET", "/crl/foreign", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "");
    answer = vault_call("GET", "/ca/none", NULL);
    expect_error(&answer, 404, "CertificateIssuerNotFound", NULL, "");
}

static void test_an_issuer_that_goes_meanwhile_fails_the_operation(void **state)
{
    (void)state;
    Answer answer = issuer("PUT", "short-lived", "{\"provider\":\"VaultyardCA\"}");
    expect_status(&answer, 200);
    answer = vault_call("POST", "/certificates/orphan/create", POLICY("short-lived"));
    expect_status(&answer, 202);
    answer = issuer("DELETE", "short-lived", NULL);
    expect_status(&answer, 200);
    assert_int_equal(run_due(WORK_ISSUE), 1);
    answer = vault_call("GET", "/certificates/orphan/pending", NULL);
    assert_str(text_at(&answer, "status"), "failed");
    assert_non_null(text_at(&answer, "error.message").ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authority_is_made_once_and_signs_in_chain_order),
        cmocka_unit_test(test_renewal_comes_from_the_authority_and_waits_for_it),
        cmocka_unit_test(test_what_is_disabled_deleted_or_purged_is_revoked),
        cmocka_unit_test(test_question_that_is_none_is_answered_as_malformed),
        cmocka_unit_test(test_disabled_authority_still_answers_for_what_it_issued),
        cmocka_unit_test(test_what_cannot_issue_is_refused),
        cmocka_unit_test(test_an_issuer_that_goes_meanwhile_fails_the_operation),
        cmocka_unit_test(test_a_responder_answers_and_the_clock_renews_it),
        cmocka_unit_test(test_nobody_answers_for_an_expired_authority),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
