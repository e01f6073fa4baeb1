/* test_cert_policy.c - certificate policies: defaults, what is refused and by what name, merging, lifetimes. */
#include "../cm.h"
#include "../parsed.h"
#include "base/clock.h"
#include "keyvault/certificates/cert_policy.h"

static Arena *arena;
static int set_up(void **state) { (void)state; return (arena = arena_new(1 << 20)) ? 0 : -1; }
static int tear_down(void **state) { (void)state; arena_free(arena); return 0; }

static const JsonVal *parsed(const char *text) { return json_of(arena, text); }

static CertPolicy read_policy(const char *text)
{
    CertPolicy policy = cert_policy_defaults();
    Err err = { 0 };
    if (!cert_policy_read(arena, parsed(text), "policy", &policy, &err))
        fail_msg("refused: %s", err.text);
    return policy;
}

static void refused(const char *text, ErrCode code, const char *field)
{
    CertPolicy policy = cert_policy_defaults();
    Err err = { 0 };
    if (cert_policy_read(arena, parsed(text), "policy", &policy, &err))
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, field) && !strstr(err.target, field))
        fail_msg("for %s: '%s' (%s) does not name %s", text, err.text, err.target, field);
}

static Str written(const CertPolicy *policy)
{
    Buf buf;
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 1 << 20);
    json_begin(&w, &buf);
    cert_policy_write(&w, NULL, policy, STR_NONE);
    assert_true(json_end(&w, &err));
    Str text = str_dup(arena, buf_str(&buf));
    buf_done(&buf);
    return text;
}

static int64_t at(const char *text)
{
    int64_t ms;
    Err err = { 0 };
    assert_true(time_parse(str_from(text), &ms, &err));
    return ms;
}

static void test_empty_property_objects_get_the_defaults(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{\"key_props\":{},\"secret_props\":{},\"x509_props\":{\"subject\":\"CN=js\",\"sans\":{}},\"issuer\":{\"name\":\"Self\"},\"attributes\":{}}");
    assert_str(written(&policy),
        "{\"key_props\":{\"exportable\":true,\"kty\":\"RSA\",\"key_size\":2048,\"reuse_key\":false},\"secret_props\":{\"contentType\":\"application/x-pkcs12\"},"
        "\"x509_props\":{\"subject\":\"CN=js\",\"sans\":{},\"ekus\":[\"1.3.6.1.5.5.7.3.1\",\"1.3.6.1.5.5.7.3.2\"],"
        "\"key_usage\":[\"digitalSignature\",\"keyEncipherment\"],\"validity_months\":12,\"basic_constraints\":{\"ca\":false}},"
        "\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80},\"action\":{\"action_type\":\"AutoRenew\"}}],"
        "\"issuer\":{\"name\":\"Self\"},\"attributes\":{\"enabled\":true}}");
}

static void test_issuer_unknown_is_the_default_and_only_mails(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{\"x509_props\":{\"sans\":{\"dns_names\":[\"a.example\"]}}}");
    int64_t due;
    assert_str(policy.issuer, "Unknown");
    assert_int_equal(policy.action_count, 1);
    assert_false(policy.actions[0].is_auto_renew);
    assert_false(cert_policy_due(&policy, 0, 1000, &due));
}

static void test_ec_keys_take_curve_or_nothing(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{\"key_props\":{\"kty\":\"EC\"},\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}");
    assert_str(policy.crv, "P-256");
    assert_int_equal(policy.key_size, 256);
    assert_int_equal(policy.key_usage.count, 1);
    policy = read_policy("{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-384\",\"key_size\":384},\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}");
    assert_str(policy.crv, "P-384");
    assert_str(cert_policy_key_ops(arena, &policy), "[\"sign\",\"verify\"]");
    refused("{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-384\",\"key_size\":256},\"x509_props\":{\"subject\":\"CN=a\"}}", ERR_BAD_INPUT, "key_size");
    refused("{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-999\"},\"x509_props\":{\"subject\":\"CN=a\"}}", ERR_BAD_INPUT, "crv");
}

static void test_what_reads_back_is_what_was_written(void **state)
{
    (void)state;
    CertPolicy policy = read_policy(
        "{\"key_props\":{\"exportable\":false,\"kty\":\"RSA\",\"key_size\":3072,\"reuse_key\":true},\"secret_props\":{\"contentType\":\"application/x-pem-file\"},"
        "\"x509_props\":{\"subject\":\"CN=a.example, O=E\",\"sans\":{\"emails\":[\"x@a.example\"],\"dns_names\":[\"a.example\",\"b.example\"],\"upns\":[\"u@a.example\"],"
        "\"uris\":[\"https://a.example\"],\"ipAddresses\":[\"10.0.0.1\"]},\"ekus\":[\"1.3.6.1.5.5.7.3.1\"],\"key_usage\":[\"digitalSignature\"],\"validity_months\":6},"
        "\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":30},\"action\":{\"action_type\":\"autorenew\"}},"
        "{\"trigger\":{\"lifetime_percentage\":50},\"action\":{\"action_type\":\"EmailContacts\"}}],\"issuer\":{\"name\":\"self\",\"cty\":\"DV\",\"cert_transparency\":true}}");
    Str first = written(&policy);
    CertPolicy again = cert_policy_defaults();
    Err err = { 0 };
    const JsonVal *root;
    assert_true(json_parse(arena, first, JSON_STRICT, &root, &err));
    assert_true(cert_policy_read(arena, root, "policy", &again, &err));
    assert_true(str_eq(first, written(&again)));
    assert_str(again.issuer, "Self");
    assert_int_equal(again.action_count, 2);
}

static void test_patch_keeps_what_it_does_not_name(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{\"key_props\":{\"kty\":\"RSA\",\"key_size\":4096},\"x509_props\":{\"subject\":\"CN=a\",\"validity_months\":3,\"sans\":{\"dns_names\":[\"a.example\"]}},\"issuer\":{\"name\":\"Self\"}}");
    Err err = { 0 };
    assert_true(cert_policy_read(arena, parsed("{\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":9},\"action\":{\"action_type\":\"AutoRenew\"}}],\"x509_props\":{\"sans\":{}}}"),
                                 "", &policy, &err));
    assert_int_equal(policy.key_size, 4096);
    assert_int_equal(policy.validity_months, 3);
    assert_int_equal(policy.dns_names.count, 1);
    assert_int_equal(policy.actions[0].days_before.value, 9);
    assert_true(cert_policy_read(arena, parsed("{\"key_props\":{\"kty\":\"EC\"}}"), "", &policy, &err));
    assert_str(policy.crv, "P-256");
    assert_true(cert_policy_read(arena, parsed("{\"lifetime_actions\":[]}"), "", &policy, &err));
    assert_int_equal(policy.action_count, 0);
}

static void test_refused_patch_changes_nothing(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}");
    Str before = written(&policy);
    Err err = { 0 };
    assert_false(cert_policy_read(arena, parsed("{\"x509_props\":{\"subject\":\"CN=b\",\"validity_months\":0}}"), "", &policy, &err));
    assert_true(str_eq(before, written(&policy)));
}

static void test_bad_values_are_refused_by_name(void **state)
{
    (void)state;
#define GOOD_X509 "\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}"
#define ACTIONS(trigger, action) "{" GOOD_X509 ",\"lifetime_actions\":[{\"trigger\":{" trigger "},\"action\":{" action "}}]}"
#define C50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RENEW "\"action_type\":\"AutoRenew\""
    static const struct { const char *text; ErrCode code; const char *field; } cases[] = {
        { "{\"issuer\":{\"name\":\"Self\"}}",                                                          ERR_BAD_INPUT, "subject" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"validity_months\":0},\"issuer\":{\"name\":\"Self\"}}", ERR_BAD_INPUT, "validity_months" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"validity_months\":1201}}",                          ERR_BAD_INPUT, "validity_months" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"validity_months\":\"12\"}}",                        ERR_BAD_INPUT, "validity_months" },
        { "{\"x509_props\":{\"subject\":\"not a name\"}}",                                             ERR_BAD_INPUT, "subject" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"ekus\":[\"server\"]}}",                             ERR_BAD_INPUT, "ekus" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"key_usage\":[\"everything\"]}}",                    ERR_BAD_INPUT, "key_usage" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"ekus\":\"1.2.3\"}}",                                ERR_BAD_INPUT, "ekus" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"sans\":{\"dns_names\":[7]}}}",                      ERR_BAD_INPUT, "dns_names" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"sans\":{\"ipAddresses\":[\"10.0.0\"]}}}",           ERR_BAD_INPUT, "ip" },
        { "{\"x509_props\":{\"subject\":\"CN=a\",\"sans\":[]}}",                                       ERR_BAD_INPUT, "sans" },
        { "{" GOOD_X509 ",\"key_props\":{\"kty\":\"DSA\"}}",                                           ERR_BAD_INPUT, "kty" },
        { "{" GOOD_X509 ",\"key_props\":{\"kty\":\"RSA\",\"key_size\":1024}}",                         ERR_BAD_INPUT, "key_size" },
        { "{" GOOD_X509 ",\"key_props\":{\"kty\":\"RSA-HSM\",\"exportable\":true}}",                   ERR_BAD_INPUT, "exportable must be false" },
        { "{" GOOD_X509 ",\"key_props\":7}",                                                           ERR_BAD_INPUT, "key_props" },
        { "{" GOOD_X509 ",\"secret_props\":{\"contentType\":\"text/plain\"}}",                         ERR_BAD_INPUT, "contentType" },
        { "{\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"\"}}",                        ERR_BAD_INPUT, "issuer" },
        { "{" GOOD_X509 ",\"lifetime_actions\":{}}",                                                   ERR_BAD_INPUT, "lifetime_actions" },
        { "{" GOOD_X509 ",\"lifetime_actions\":[7]}",                                                  ERR_BAD_INPUT, "lifetime_actions[0]" },
        { "{" GOOD_X509 ",\"lifetime_actions\":[{}]}",                                                 ERR_BAD_INPUT, "trigger" },
        { ACTIONS("", RENEW),                                                                          ERR_BAD_INPUT, "lifetime_percentage" },
        { ACTIONS("\"lifetime_percentage\":80,\"days_before_expiry\":9", RENEW),                       ERR_BAD_INPUT, "not both" },
        { ACTIONS("\"lifetime_percentage\":0", RENEW),                                                 ERR_BAD_INPUT, "lifetime_percentage" },
        { ACTIONS("\"lifetime_percentage\":100", RENEW),                                               ERR_BAD_INPUT, "lifetime_percentage" },
        { ACTIONS("\"days_before_expiry\":0", RENEW),                                                  ERR_BAD_INPUT, "days_before_expiry" },
        { ACTIONS("\"days_before_expiry\":325", RENEW),                                                ERR_BAD_INPUT, "324" },
        { ACTIONS("\"days_before_expiry\":9", "\"action_type\":\"Renew\""),                            ERR_BAD_INPUT, "action_type" },
        { ACTIONS("\"days_before_expiry\":9", ""),                                                     ERR_BAD_INPUT, "action_type" },
        { "{\"x509_props\":{\"subject\":\"CN=a\"},\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":9},\"action\":{" RENEW "}}]}", ERR_BAD_INPUT, "Unknown" },
        { "{" GOOD_X509 ",\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":9},\"action\":{" RENEW "}},{\"trigger\":{\"days_before_expiry\":8},\"action\":{" RENEW "}}]}",
          ERR_BAD_INPUT, "once" },
        { "{\"x509_props\":{\"subject\":\"CN=" C50 C50 C50 C50 "\"}}",                                   ERR_BAD_INPUT, "200" },
        { "[]",                                                                                        ERR_BAD_INPUT, "policy" },
        { "null",                                                                                      ERR_BAD_INPUT, "policy" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused(cases[i].text, cases[i].code, cases[i].field);
}

static void test_lifetimes_are_counted_by_the_calendar(void **state)
{
    (void)state;
    assert_int_equal(months_later(at("2024-01-31T10:00:00Z"), 1), at("2024-02-29T10:00:00Z"));
    assert_int_equal(months_later(at("2023-01-31T10:00:00Z"), 1), at("2023-02-28T10:00:00Z"));
    assert_int_equal(months_later(at("2023-11-15T00:00:00Z"), 14), at("2025-01-15T00:00:00Z"));
    assert_int_equal(months_later(at("2024-02-29T00:00:00Z"), 12), at("2025-02-28T00:00:00Z"));
    CertPolicy policy = read_policy("{\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}");
    CertSpec spec = cert_policy_spec(&policy, at("2026-03-03T12:00:00Z") + 777);
    assert_int_equal(spec.not_before_ms, at("2026-03-03T11:50:00Z"));
    assert_int_equal(spec.not_after_ms, at("2027-03-03T12:00:00Z"));
}

static void test_due_times_follow_the_trigger(void **state)
{
    (void)state;
    const int64_t day = 86400000, from = at("2026-01-01T00:00:00Z"), until = from + 100 * day;
    int64_t due;
    CertPolicy policy = read_policy(ACTIONS("\"lifetime_percentage\":80", RENEW));
    assert_true(cert_policy_due(&policy, from, until, &due));
    assert_int_equal(due, from + 80 * day);
    policy = read_policy(ACTIONS("\"days_before_expiry\":30", RENEW));
    assert_true(cert_policy_due(&policy, from, until, &due));
    assert_int_equal(due, from + 70 * day);
    policy = read_policy(ACTIONS("\"days_before_expiry\":30", "\"action_type\":\"EmailContacts\""));
    assert_false(cert_policy_due(&policy, from, until, &due));
}

static void test_key_operations_come_from_the_usages(void **state)
{
    (void)state;
    CertPolicy policy = read_policy("{" GOOD_X509 "}");
    assert_str(cert_policy_key_ops(arena, &policy), "[\"sign\",\"verify\",\"wrapKey\",\"unwrapKey\"]");
    policy = read_policy("{\"x509_props\":{\"subject\":\"CN=a\",\"key_usage\":[\"dataEncipherment\"]},\"issuer\":{\"name\":\"Self\"}}");
    assert_str(cert_policy_key_ops(arena, &policy), "[\"encrypt\",\"decrypt\"]");
}

/* Each limit of the arena ends in a clean refusal or in the whole policy. */
static void test_a_full_arena_is_refused_cleanly(void **state)
{
    (void)state;
    const JsonVal *json = parsed("{\"x509_props\":{\"subject\":\"CN=a\",\"sans\":{\"dns_names\":[\"a.example\",\"b.example\"]}},\"issuer\":{\"name\":\"Self\"},"
                                 "\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":9},\"action\":{" RENEW "}}]}");
    bool succeeded = false;
    for (size_t limit = 0; limit < 16 << 10 && !succeeded; limit += 64) {
        AUTO(arena_free_auto) Arena *small = arena_new(limit);
        CertPolicy policy = cert_policy_defaults();
        Err err = { 0 };
        succeeded = cert_policy_read(small, json, "policy", &policy, &err);
        if (!succeeded)
            assert_int_equal(err.code, ERR_TOO_LARGE);
    }
    assert_true(succeeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_property_objects_get_the_defaults),
        cmocka_unit_test(test_issuer_unknown_is_the_default_and_only_mails),
        cmocka_unit_test(test_ec_keys_take_curve_or_nothing),
        cmocka_unit_test(test_what_reads_back_is_what_was_written),
        cmocka_unit_test(test_patch_keeps_what_it_does_not_name),
        cmocka_unit_test(test_refused_patch_changes_nothing),
        cmocka_unit_test(test_bad_values_are_refused_by_name),
        cmocka_unit_test(test_lifetimes_are_counted_by_the_calendar),
        cmocka_unit_test(test_due_times_follow_the_trigger),
        cmocka_unit_test(test_key_operations_come_from_the_usages),
        cmocka_unit_test(test_a_full_arena_is_refused_cleanly),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
