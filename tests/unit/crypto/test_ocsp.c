#include "../cm.h"
#include "base/clock.h"
#include "crypto/certificates/ocsp.h"
#include "keys.h"
#include "tool.h"

#define DAY_MS INT64_C(86400000)

typedef struct Authority { Arena *arena; KeyRef *key, *responder_key; Bytes ca, leaf, responder, pretender; Str leaf_serial; int64_t now_ms; } Authority;
static Authority fix;
static Err fix_err;
#define must(call) do { fix_err = (Err){ 0 }; if (!(call)) fail_msg("%s: %s", #call, fix_err.text); } while (0)

static int set_up(void **state)
{
    (void)state;
    static Str usages[] = { { "keyCertSign", 11 }, { "cRLSign", 7 }, { "digitalSignature", 16 } };
    CertInfo info;
    fix.arena = arena_new(16 << 20);
    fix.now_ms = real_now_ms();
    CertSpec ca = { .subject = STR("CN=Team CA"), .is_ca = true, .path_length = 0, .key_usage = { usages, 3 }, .not_before_ms = fix.now_ms - DAY_MS, .not_after_ms = fix.now_ms + 100 * DAY_MS };
    CertSpec leaf = { .subject = STR("CN=leaf"), .path_length = -1, .not_before_ms = fix.now_ms - DAY_MS, .not_after_ms = fix.now_ms + DAY_MS,
                      .ocsp_url = STR("https://v.example/ocsp/team"), .issuer_url = STR("https://v.example/ca/team") };
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &fix.key, &fix_err));
    must(cert_self_sign(fix.arena, fix.key, &ca, &fix.ca, &fix_err));
    must(cert_issue(fix.arena, fix.key, fix.ca, fix.key, &leaf, &fix.leaf, &fix_err));
    Str purpose = STR("1.3.6.1.5.5.7.3.9");
    CertSpec responder = { .subject = STR("CN=responder"), .path_length = -1, .key_usage = { usages + 2, 1 }, .ekus = { &purpose, 1 }, .is_ocsp_unchecked = true,
                           .not_before_ms = fix.now_ms - DAY_MS, .not_after_ms = fix.now_ms + DAY_MS };
    CertSpec pretender = { .subject = STR("CN=responder"), .path_length = -1, .key_usage = { usages + 2, 1 }, .not_before_ms = fix.now_ms - DAY_MS, .not_after_ms = fix.now_ms + DAY_MS };
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &fix.responder_key, &fix_err));
    must(cert_issue(fix.arena, fix.key, fix.ca, fix.responder_key, &responder, &fix.responder, &fix_err));
    must(cert_issue(fix.arena, fix.key, fix.ca, fix.responder_key, &pretender, &fix.pretender, &fix_err));
    must(cert_read(fix.arena, fix.leaf, &info, &fix_err));
    fix.leaf_serial = info.serial_hex;
    tool_write("ca.der", fix.ca);
    tool_write("leaf.der", fix.leaf);
    assert_true(tool_openssl(fix.arena, NULL, "x509 -inform DER -in ca.der -out ca.pem"));
    assert_true(tool_openssl(fix.arena, NULL, "x509 -inform DER -in leaf.der -out leaf.pem"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_free(fix.key);
    key_free(fix.responder_key);
    arena_free(fix.arena);
    return 0;
}

static Bytes asked_by_openssl(const char *how)
{
    assert_true(tool_openssl(fix.arena, NULL, "ocsp -issuer ca.pem %s -cert leaf.pem -reqout req.der", how));
    return tool_read(fix.arena, "req.der");
}

static bool contains(Str text, const char *word)
{
    size_t at;
    return str_find(text, str_from(word), &at);
}

/* What openssl makes of our answer to its own question: with the question for the nonce, and by name for the verdict. */
static Str verdict(const char *how, CertStanding standing, int64_t answered_ms)
{
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    Bytes answer;
    Str out;
    must(ocsp_read(fix.arena, asked_by_openssl(how), fix.ca, &request, &fix_err));
    assert_int_equal(request.count, 1);
    assert_true(str_eq(request.asked[0].serial_hex, fix.leaf_serial));
    request.asked[0].standing = standing;
    request.asked[0].revoked_ms = fix.now_ms - DAY_MS / 2;
    for (int by_authority = 1; by_authority >= 0; by_authority--) {
        must(ocsp_answer(fix.arena, &request, by_authority ? fix.key : fix.responder_key, by_authority ? fix.ca : fix.responder, answered_ms, answered_ms + DAY_MS, &answer, &fix_err));
        tool_write("resp.der", answer);
        assert_true(tool_openssl(fix.arena, &out, "ocsp -issuer ca.pem -CAfile ca.pem -reqin req.der -respin resp.der"));
        assert_true(contains(out, "Response verify OK") && !contains(out, "onc"));
    }
    (void)tool_openssl(fix.arena, &out, "ocsp -issuer ca.pem %s -cert leaf.pem -no_nonce -CAfile ca.pem -respin resp.der", how);
    return out;
}

static void test_openssl_verifies_each_standing(void **state)
{
    (void)state;
    Str good = verdict("", STANDING_GOOD, fix.now_ms), revoked = verdict("-no_nonce", STANDING_REVOKED, fix.now_ms), unknown = verdict("-sha256", STANDING_UNKNOWN, fix.now_ms);
    assert_true(contains(good, "Response verify OK") && contains(good, "leaf.pem: good"));
    assert_true(contains(revoked, "Response verify OK") && contains(revoked, "leaf.pem: revoked") && contains(revoked, "Revocation Time"));
    assert_true(contains(unknown, "Response verify OK") && contains(unknown, "leaf.pem: unknown"));
}

static void test_responder_is_certified_for_that_and_nothing_else(void **state)
{
    (void)state;
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    Bytes answer;
    Str out;
    must(ocsp_read(fix.arena, asked_by_openssl(""), fix.ca, &request, &fix_err));
    request.asked[0].standing = STANDING_GOOD;
    must(ocsp_answer(fix.arena, &request, fix.responder_key, fix.pretender, fix.now_ms, fix.now_ms + DAY_MS, &answer, &fix_err));
    tool_write("resp.der", answer);
    (void)tool_openssl(fix.arena, &out, "ocsp -issuer ca.pem -CAfile ca.pem -reqin req.der -respin resp.der");
    assert_true(contains(out, "Response Verify Failure") && contains(out, "missing ocspsigning usage"));
    fix_err = (Err){ 0 };
    assert_false(ocsp_answer(fix.arena, &request, fix.key, fix.responder, fix.now_ms, fix.now_ms + DAY_MS, &answer, &fix_err));      /* not the certificate's key */
    tool_write("responder.der", fix.responder);
    assert_true(tool_openssl(fix.arena, &out, "x509 -inform DER -in responder.der -noout -text"));
    assert_true(contains(out, "OCSP Signing") && contains(out, "OCSP No Check") && contains(out, "CA:FALSE"));
}

static void test_answer_has_the_time_it_was_given(void **state)
{
    (void)state;
    Str out = verdict("", STANDING_GOOD, INT64_C(1767225600000));       /* 2026-01-01T00:00:00Z */
    assert_true(contains(out, "Status times invalid"));
    assert_true(tool_openssl(fix.arena, &out, "ocsp -respin resp.der -resp_text -noverify"));
    assert_true(contains(out, "Produced At: Jan  1 00:00:00 2026") && contains(out, "This Update: Jan  1 00:00:00 2026") && contains(out, "Next Update: Jan  2 00:00:00 2026"));
}

static void test_foreign_authority_is_unknown(void **state)
{
    (void)state;
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    AUTO(key_free_auto) KeyRef *other = NULL;
    Bytes other_ca;
    CertSpec spec = { .subject = STR("CN=Team CA"), .is_ca = true, .path_length = 0, .not_before_ms = fix.now_ms, .not_after_ms = fix.now_ms + DAY_MS };
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &other, &fix_err));
    must(cert_self_sign(fix.arena, other, &spec, &other_ca, &fix_err));
    must(ocsp_read(fix.arena, asked_by_openssl(""), other_ca, &request, &fix_err));        /* same name, another key */
    assert_null(request.asked[0].serial_hex.ptr);
}

static void test_what_is_no_request_is_refused(void **state)
{
    (void)state;
    Bytes whole = asked_by_openssl("");
    uint8_t *bytes = arena_alloc(fix.arena, OCSP_REQUEST_MAX + 1);
    memcpy(bytes, whole.ptr, whole.len);
    for (size_t len = 0; len <= whole.len + 1; len++) {
        AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
        bytes[whole.len] = 0;
        fix_err = (Err){ 0 };
        bool read = ocsp_read(fix.arena, (Bytes){ bytes, len }, fix.ca, &request, &fix_err);
        assert_int_equal(read, len == whole.len);
        assert_true(read || fix_err.code == ERR_BAD_INPUT);
    }
    OcspRequest none = { 0 };
    assert_false(ocsp_read(fix.arena, (Bytes){ bytes, OCSP_REQUEST_MAX + 1 }, fix.ca, &none, &fix_err));
    Bytes answer;
    Str out;
    must(ocsp_refuse(fix.arena, OCSP_MALFORMED, &answer, &fix_err));
    tool_write("resp.der", answer);
    (void)tool_openssl(fix.arena, &out, "ocsp -respin resp.der -noverify");
    assert_true(contains(out, "malformedrequest"));
    must(ocsp_refuse(fix.arena, OCSP_UNAUTHORIZED, &answer, &fix_err));
    tool_write("resp.der", answer);
    (void)tool_openssl(fix.arena, &out, "ocsp -respin resp.der -noverify");
    assert_true(contains(out, "unauthorized"));
}

static void test_more_certificates_than_the_limit_are_refused(void **state)
{
    (void)state;
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    Str ask = STR("");
    for (int i = 0; i < OCSP_ASKED_MAX; i++)
        ask = str_printf(fix.arena, STR_FMT " -serial %d", STR_ARG(ask), i + 1);
    const char *less = str_to_cstr(fix.arena, ask, &fix_err);
    assert_true(tool_openssl(fix.arena, NULL, "ocsp -issuer ca.pem %s -reqout req.der", less));
    must(ocsp_read(fix.arena, tool_read(fix.arena, "req.der"), fix.ca, &request, &fix_err));
    assert_int_equal(request.count, OCSP_ASKED_MAX);
    assert_str(request.asked[1].serial_hex, "02");
    assert_true(tool_openssl(fix.arena, NULL, "ocsp -issuer ca.pem %s -serial 99 -reqout req.der", less));
    OcspRequest none = { 0 };
    assert_false(ocsp_read(fix.arena, tool_read(fix.arena, "req.der"), fix.ca, &none, &fix_err));
}

static void test_certificate_says_where_to_ask(void **state)
{
    (void)state;
    Str out;
    assert_true(tool_openssl(fix.arena, &out, "x509 -in leaf.pem -noout -ext authorityInfoAccess"));
    assert_true(contains(out, "OCSP - URI:https://v.example/ocsp/team") && contains(out, "CA Issuers - URI:https://v.example/ca/team"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openssl_verifies_each_standing),
        cmocka_unit_test(test_responder_is_certified_for_that_and_nothing_else),
        cmocka_unit_test(test_answer_has_the_time_it_was_given),
        cmocka_unit_test(test_foreign_authority_is_unknown),
        cmocka_unit_test(test_what_is_no_request_is_refused),
        cmocka_unit_test(test_more_certificates_than_the_limit_are_refused),
        cmocka_unit_test(test_certificate_says_where_to_ask),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
