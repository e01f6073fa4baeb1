/* test_hsm_certificates.c - certificates and authorities whose keys live in the token: made, renewed, brought, and destroyed with them. */
#include "hsm_vaults.h"
#include <openssl/x509.h>
#include "base/encode.h"
#include "keyvault/certificates/cert_issue.h"

static const char *cert_body(const char *issuer, const char *kty, bool reuses, const char *more)
{
    return text("{\"policy\":{\"issuer\":{\"name\":\"%s\"},\"key_props\":{\"kty\":\"%s\",\"reuse_key\":%s%s},\"x509_props\":{\"subject\":\"CN=hsm.example\",\"validity_months\":12},"
                "\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80},\"action\":{\"action_type\":\"%s\"}}]}}", issuer, kty, reuses ? "true" : "false", more,
                strcmp(issuer, "Self") == 0 ? "AutoRenew" : "EmailContacts");
}

static void test_certificates_have_their_keys_in_the_token(void **state)
{
    (void)state;
    static const char *const kinds[] = { "RSA-HSM", "EC-HSM" };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        Answer answer = prem("POST", "/certificates/c/create", cert_body("Self", kinds[i], false, ""));
        expect_status(&answer, 202);
        assert_int_equal(run_due(WORK_ISSUE), 1);
        answer = prem("GET", "/certificates/c/pending", NULL);
        assert_str(text_at(&answer, "status"), "completed");
        answer = prem("GET", "/certificates/c", NULL);
        expect_status(&answer, 200);
        assert_str(text_at(&answer, "policy.key_props.kty"), kinds[i]);
        assert_false(json_bool(json_path(answer.json, "policy.key_props.exportable"), true));
        AUTO(key_free_auto) KeyRef *certified = NULL;
        Bytes der;
        must(base64_decode(fix.arena, text_at(&answer, "cer"), &der, &fix_err));
        must(cert_public_key(der, &certified, &fix_err));
        assert_true(cert_is_issued_by(der, der));                           /* signed by the token */
        answer = prem("GET", "/secrets/c", NULL);
        expect_status(&answer, 200);
        AUTO(bundle_done_auto) Bundle bundle = { 0 };
        must(base64_decode(fix.arena, text_at(&answer, "value"), &der, &fix_err));
        must(bundle_read_pfx(fix.arena, der, STR(""), &bundle, &fix_err));
        assert_null(bundle.key);                                            /* the secret has the certificate alone */
        assert_int_equal(bundle.count, 1);
        answer = prem("GET", "/keys/c", NULL);
        assert_str(text_at(&answer, "key.kty"), kinds[i]);
        expect_signs("prem", "c", i == 0 ? "RS256" : "ES256", digest32);
        expect_in_token(1);

        set_object_time(object_now() + 300 * 86400000LL);                   /* 80 % of it */
        assert_int_equal(run_due(WORK_RENEW), 1);
        answer = prem("GET", "/certificates/c/versions", NULL);
        assert_int_equal(json_count(json_get(answer.json, "value")), 2);
        expect_signs("prem", "c", i == 0 ? "RS256" : "ES256", digest32);
        expect_in_token(2);
        answer = prem("POST", "/certificates/c/backup", NULL);
        expect_status(&answer, 200);
        const char *blob = text(STR_FMT, STR_ARG(text_at(&answer, "value")));
        answer = prem("DELETE", "/certificates/c", NULL);
        expect_in_token(2);
        answer = prem("DELETE", "/deletedcertificates/c", NULL);
        expect_status(&answer, 204);
        expect_in_token(0);
        answer = prem("POST", "/certificates/restore", text("{\"value\":\"%s\"}", blob));
        expect_status(&answer, 200);
        expect_signs("prem", "c", i == 0 ? "RS256" : "ES256", digest32);
        expect_in_token(2);
        answer = prem("DELETE", "/certificates/c", NULL);
        answer = prem("DELETE", "/deletedcertificates/c", NULL);
        expect_status(&answer, 204);
        expect_in_token(0);
    }
}

static void test_a_request_is_signed_by_the_token_and_its_key_goes_with_it(void **state)
{
    (void)state;
    Answer answer = prem("POST", "/certificates/req/create", cert_body("Unknown", "EC-HSM", true, ",\"crv\":\"P-256\""));
    expect_status(&answer, 202);
    expect_in_token(1);                                                     /* the pending operation names it */
    AUTO(key_free_auto) KeyRef *ca = NULL;
    AUTO(key_free_auto) KeyRef *asked = NULL;
    Bytes csr, root, leaf;
    must(base64_decode(fix.arena, text_at(&answer, "csr"), &csr, &fix_err));
    const unsigned char *der = csr.ptr;
    X509_REQ *request = d2i_X509_REQ(NULL, &der, (long)csr.len);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    unsigned char *spki = NULL;
    int spki_len = i2d_PUBKEY(X509_REQ_get0_pubkey(request), &spki);
    must(key_from_spki((Bytes){ spki, (size_t)spki_len }, &asked, &fix_err));
    OPENSSL_free(spki);
    X509_REQ_free(request);
    Str usage[] = { STR("keyCertSign") };
    CertSpec ca_spec = { .subject = STR("CN=ca"), .is_ca = true, .path_length = -1, .key_usage = { usage, 1 }, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000 };
    CertSpec spec = { .subject = STR("CN=hsm.example"), .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000 };
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &ca, &fix_err));
    must(cert_self_sign(fix.arena, ca, &ca_spec, &root, &fix_err));
    must(cert_issue(fix.arena, ca, root, asked, &spec, &leaf, &fix_err));
    answer = prem("POST", "/certificates/req/pending/merge", text("{\"x5c\":[\"" STR_FMT "\"]}", STR_ARG(base64_encode(fix.arena, leaf))));
    expect_status(&answer, 201);
    expect_signs("prem", "req", "ES256", digest32);
    expect_in_token(1);

    answer = prem("POST", "/certificates/req/create", cert_body("Unknown", "EC-HSM", true, ",\"crv\":\"P-256\""));     /* reuses the key */
    expect_status(&answer, 202);
    expect_in_token(1);
    answer = prem("DELETE", "/certificates/req/pending", NULL);
    expect_status(&answer, 200);
    expect_in_token(1);
    answer = prem("POST", "/certificates/req/create", cert_body("Unknown", "EC-HSM", false, ",\"crv\":\"P-384\""));
    expect_status(&answer, 202);
    expect_in_token(2);
    answer = prem("DELETE", "/certificates/req/pending", NULL);
    expect_status(&answer, 200);
    expect_in_token(1);                                                     /* nobody can have the other any more */

    answer = prem("POST", "/certificates/bad/create", cert_body("Self", "RSA-HSM", false, ",\"exportable\":true"));
    expect_error(&answer, 400, "BadParameter", NULL, "exportable must be false");
    answer = at("vlt", "POST", "/certificates/bad/create", cert_body("Self", "RSA-HSM", false, ""));
    expect_error(&answer, 400, "BadParameter", NULL, "standard vault");
    expect_in_token(1);
    answer = prem("DELETE", "/certificates/req", NULL);
    answer = prem("DELETE", "/deletedcertificates/req", NULL);
    expect_status(&answer, 204);
    expect_in_token(0);
}

static Bytes public_bytes(const char *path, const char *type)
{
    HttpCall request = { .method = "GET", .url = str_printf(fix.arena, "http://prem.vault.vaultyard.localhost:%d%s", fix.site.names.port, path) };
    HttpAnswer answer;
    must(http_call(fix.client, fix.arena, &request, &answer, &fix_err));
    assert_int_equal(answer.status, 200);
    assert_str(http_answer_header(&answer, "Content-Type"), type);
    return bytes_of(answer.body);
}

static Answer set_issuer(const char *vault, const char *name, const char *org)
{
    return at(vault, "PUT", text("/certificates/issuers/%s", name), text("{\"provider\":\"VaultyardCA\",\"credentials\":{\"account_id\":\"CN=Far CA\"},\"org_details\":{\"id\":\"%s\"}}", org));
}

static void test_an_authority_has_its_key_in_the_token(void **state)
{
    (void)state;
    static const char *const kinds[] = { "RSA-HSM", "EC-HSM" };
    Answer answer = set_issuer("vlt", "far", "EC-HSM");
    expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    answer = set_issuer("prem", "far", "oct-HSM");
    expect_error(&answer, 400, "BadParameter", NULL, "org_details.id");
    answer = prem("PUT", "/certificates/issuers/far", "{\"provider\":\"VaultyardCA\",\"credentials\":{\"account_id\":\"CN=a, no=name\"},\"org_details\":{\"id\":\"EC-HSM\"}}");
    expect_error(&answer, 400, "BadParameter", NULL, "account_id");
    answer = prem("GET", "/certificates/issuers/far", NULL);
    assert_int_equal(answer.status, 404);
    expect_in_token(0);                                                     /* what was refused left nothing */
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO(key_free_auto) KeyRef *root_key = NULL;
        answer = set_issuer("prem", "far", kinds[i]);
        expect_status(&answer, 200);
        expect_in_token(1);
        Bytes root = public_bytes("/ca/far", "application/pkix-cert"), leaf;
        must(cert_public_key(root, &root_key, &fix_err));
        assert_int_equal(key_spec(root_key).kind, i == 0 ? KEY_RSA : KEY_EC);
        answer = set_issuer("prem", "far", kinds[i]);                       /* made once */
        expect_status(&answer, 200);
        expect_in_token(1);
        assert_true(public_bytes("/ca/far", "application/pkix-cert").len == root.len);
        answer = prem("POST", "/certificates/c/create", text("{\"policy\":{\"issuer\":{\"name\":\"far\"},\"key_props\":{\"kty\":\"%s\"},\"x509_props\":{\"subject\":\"CN=c\",\"validity_months\":12},"
                                                      "\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80},\"action\":{\"action_type\":\"AutoRenew\"}}]}}", kinds[1 - i]));
        expect_status(&answer, 202);
        assert_int_equal(run_due(WORK_ISSUE), 1);
        answer = prem("GET", "/certificates/c", NULL);
        expect_status(&answer, 200);
        must(base64_decode(fix.arena, text_at(&answer, "cer"), &leaf, &fix_err));
        assert_true(cert_is_issued_by(leaf, root));
        expect_in_token(2);
        fixture_reopen();                                                   /* the next start destroys nothing of it */
        expect_in_token(2);
        assert_true(public_bytes("/crl/far", "application/pkix-crl").len > 100);
        set_object_time(object_now() + 300 * 86400000LL);
        assert_int_equal(run_due(WORK_RENEW), 1);
        answer = prem("GET", "/certificates/c", NULL);
        must(base64_decode(fix.arena, text_at(&answer, "cer"), &leaf, &fix_err));
        assert_true(cert_is_issued_by(leaf, root));
        expect_in_token(3);
        answer = prem("DELETE", "/certificates/c", NULL);
        answer = prem("DELETE", "/deletedcertificates/c", NULL);
        expect_status(&answer, 204);
        expect_in_token(1);
        fix.site.hsm = NULL;                                                /* without the token its certificate is still told */
        assert_true(public_bytes("/ca/far", "application/pkix-cert").len == root.len);
        fix.site.hsm = fixture_hsm;
        answer = prem("DELETE", "/certificates/issuers/far", NULL);
        expect_status(&answer, 200);
        expect_in_token(0);
    }
    answer = set_issuer("prem", "near", "Example Org");                     /* an organisation: the key is in software, and stays there */
    expect_status(&answer, 200);
    answer = set_issuer("prem", "near", "EC-HSM");
    expect_error(&answer, 400, "BadParameter", NULL, "delete it first");
    answer = prem("DELETE", "/certificates/issuers/near", NULL);
    expect_status(&answer, 200);
    expect_in_token(0);
}

static void test_an_imported_certificate_has_its_key_in_the_token(void **state)
{
    (void)state;
    static const KeySpec specs[] = { { .kind = KEY_RSA, .rsa_bits = 2048 }, { .kind = KEY_EC, .curve = CURVE_P256 } };
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        AUTO(bundle_done_auto) Bundle bundle = { .count = 1 }, told = { 0 };
        AUTO(secret_free_auto) Secret *pfx = NULL;
        CertSpec spec = { .subject = STR("CN=brought"), .path_length = -1, .not_before_ms = object_now() - 1000, .not_after_ms = object_now() + 86400000 };
        Bytes der;
        must(key_generate(specs[i], &bundle.key, &fix_err));
        must(cert_self_sign(fix.arena, bundle.key, &spec, &bundle.certs[0], &fix_err));
        must(bundle_write_pfx(&bundle, STR("pass"), &pfx, &fix_err));
        const char *body = text("{\"value\":\"" STR_FMT "\",\"pwd\":\"pass\",\"policy\":{\"key_props\":{\"kty\":\"%s\",\"exportable\":false}}}",
                                STR_ARG(base64_encode(fix.arena, secret_bytes(pfx))), i == 0 ? "RSA-HSM" : "EC-HSM");
        Answer answer = at("vlt", "POST", "/certificates/brought/import", body);
        expect_error(&answer, 400, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
        answer = prem("POST", "/certificates/brought/import", body);
        expect_status(&answer, 200);
        assert_str(text_at(&answer, "policy.key_props.kty"), i == 0 ? "RSA-HSM" : "EC-HSM");
        expect_in_token(1);
        answer = prem("GET", "/keys/brought", NULL);
        assert_str(text_at(&answer, "key.kty"), i == 0 ? "RSA-HSM" : "EC-HSM");
        answer = prem("POST", op("brought", "sign"), text("{\"alg\":\"%s\",\"value\":\"%s\"}", i == 0 ? "RS256" : "ES256", digest32));
        expect_status(&answer, 200);
        Bytes signature, digest;
        bool is_valid = false;
        must(base64url_decode(fix.arena, text_at(&answer, "value"), &signature, &fix_err));
        must(base64url_decode(fix.arena, str_from(digest32), &digest, &fix_err));
        must(key_verify_digest(bundle.key, i == 0 ? SIGN_RS256 : SIGN_ES256, digest, signature, &is_valid, &fix_err));
        assert_true(is_valid);                                              /* it is the key of the file */
        answer = prem("GET", "/secrets/brought", NULL);
        must(base64_decode(fix.arena, text_at(&answer, "value"), &der, &fix_err));
        must(bundle_read_pfx(fix.arena, der, STR(""), &told, &fix_err));
        assert_null(told.key);
        answer = prem("DELETE", "/certificates/brought", NULL);
        answer = prem("DELETE", "/deletedcertificates/brought", NULL);
        expect_status(&answer, 204);
        expect_in_token(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates_have_their_keys_in_the_token),
        cmocka_unit_test(test_an_authority_has_its_key_in_the_token),
        cmocka_unit_test(test_an_imported_certificate_has_its_key_in_the_token),
        cmocka_unit_test(test_a_request_is_signed_by_the_token_and_its_key_goes_with_it),
    };
    return cmocka_run_group_tests(tests, hsm_set_up, hsm_tear_down);
}
