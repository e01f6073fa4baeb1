#include "../cm.h"
#include "base/clock.h"
#include "crypto/certificates/cert.h"
#include "keys.h"
#include "tool.h"

#define NAMES(...) { (Str[]){ __VA_ARGS__ }, sizeof((Str[]){ __VA_ARGS__ }) / sizeof(Str) }
#define DAY_MS INT64_C(86400000)
#define START_MS INT64_C(1767225600000)     /* 2026-01-01T00:00:00Z */

static CertSpec plain_spec(const char *subject)
{
    return (CertSpec){ .subject = str_from(subject), .path_length = -1, .not_before_ms = START_MS, .not_after_ms = START_MS + 365 * DAY_MS };
}

static Bytes self_signed(Arena *arena, int which, const CertSpec *spec)
{
    Bytes der;
    Err err;
    if (!cert_self_sign(arena, test_key(which), spec, &der, &err))
        fail_msg("%s", err.text);
    return der;
}

static CertInfo info_of(Arena *arena, Bytes der)
{
    CertInfo info;
    Err err;
    if (!cert_read(arena, der, &info, &err))
        fail_msg("%s", err.text);
    return info;
}

static void assert_names(CertNames actual, CertNames wanted)
{
    assert_int_equal(actual.count, wanted.count);
    for (size_t i = 0; i < wanted.count; i++)
        if (!str_eq(actual.items[i], wanted.items[i]))
            fail_msg("got '" STR_FMT "', wanted '" STR_FMT "'", STR_ARG(actual.items[i]), STR_ARG(wanted.items[i]));
}

static void test_all_that_is_asked_for_is_read_back(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a.example, O=Example\\, Inc., C=DE");
    spec.dns = (CertNames)NAMES(STR("a.example"), STR("*.b.example"));
    spec.emails = (CertNames)NAMES(STR("ops@example.com"));
    spec.upns = (CertNames)NAMES(STR("j\xC3\xBCrgen@example.com"));
    spec.ips = (CertNames)NAMES(STR("192.0.2.7"), STR("2001:db8::1"));
    spec.uris = (CertNames)NAMES(STR("urn:uuid:1"), STR("https://a.example/x"));
    spec.ekus = (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.1"), STR("1.3.6.1.5.5.7.3.2"), STR("1.3.6.1.4.1.311.10.3.4"));
    spec.key_usage = (CertNames)NAMES(STR("DigitalSignature"), STR("keyEncipherment"), STR("decipherOnly"));
    for (int which = 0; which < TEST_KEYS; which++) {
        CertInfo info = info_of(arena, self_signed(arena, which, &spec));
        assert_str(info.subject, "CN=a.example, O=Example\\, Inc., C=DE");
        assert_str(info.issuer, "CN=a.example, O=Example\\, Inc., C=DE");
        assert_names(info.dns, spec.dns);
        assert_names(info.emails, spec.emails);
        assert_names(info.upns, spec.upns);
        assert_names(info.ips, spec.ips);
        assert_names(info.uris, spec.uris);
        assert_names(info.ekus, spec.ekus);
        assert_names(info.key_usage, (CertNames)NAMES(STR("digitalSignature"), STR("keyEncipherment"), STR("decipherOnly")));
        assert_int_equal(info.not_before_ms, spec.not_before_ms);
        assert_int_equal(info.not_after_ms, spec.not_after_ms);
        assert_true(info.is_self_issued);
        assert_false(info.is_ca);
        assert_int_equal(info.serial_hex.len, 32);
        assert_true(info.serial_hex.ptr[0] >= '4' && info.serial_hex.ptr[0] <= '7');     /* positive without a pad byte */
    }
}

static void test_openssl_agrees_on_every_part(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "Version: 3 (0x2)", "Signature Algorithm: sha256WithRSAEncryption", "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign", "X509v3 Extended Key Usage: \n                TLS Web Server Authentication",
        "DNS:a.example, email:ops@example.com, URI:urn:x:y, othername: UPN::u@example.com, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1",
        "Not Before: Jan  1 00:00:00 2026 GMT", "Not After : Jan  1 00:00:00 2027 GMT", "Subject: CN = a.example, O = Example",
        "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a.example, O=Example");
    spec.dns = (CertNames)NAMES(STR("a.example"));
    spec.emails = (CertNames)NAMES(STR("ops@example.com"));
    spec.upns = (CertNames)NAMES(STR("u@example.com"));
    spec.ips = (CertNames)NAMES(STR("192.0.2.7"), STR("2001:db8::1"));
    spec.uris = (CertNames)NAMES(STR("urn:x:y"));
    spec.ekus = (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.1"));
    spec.key_usage = (CertNames)NAMES(STR("keyCertSign"), STR("crlsign"));
    spec.is_ca = true;
    spec.path_length = 1;
    Str text;
    tool_write("c.der", self_signed(arena, TEST_RSA2048, &spec));
    assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -text"));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        size_t at;
        if (!str_find(text, str_from(lines[i]), &at))
            fail_msg("openssl does not print '%s' in\n" STR_FMT, lines[i], STR_ARG(text));
    }
    assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -fingerprint -sha256"));
    CertInfo info = info_of(arena, tool_read(arena, "c.der"));
    size_t at;
    Str print = STR("");
    for (size_t i = 0; i < sizeof info.sha256; i++)
        print = str_printf(arena, STR_FMT "%s%02X", STR_ARG(print), i ? ":" : "", info.sha256[i]);
    assert_true(str_find(text, print, &at));
    assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -serial"));
    assert_true(str_find(text, str_upper(arena, info.serial_hex), &at));
}

static void test_the_signature_digest_follows_the_curve(void **state)
{
    (void)state;
    static const struct { int which; const char *says; } rows[] = {
        { TEST_P256, "ecdsa-with-SHA256" }, { TEST_P384, "ecdsa-with-SHA384" }, { TEST_P521, "ecdsa-with-SHA512" }, { TEST_P256K, "ecdsa-with-SHA256" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=x");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Str text;
        size_t at;
        tool_write("c.der", self_signed(arena, rows[i].which, &spec));
        assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -text"));
        assert_true(str_find(text, str_from(rows[i].says), &at));
    }
    Str text;
    size_t at;
    spec.digest_bits = 384;                            /* a wish goes first */
    tool_write("c.der", self_signed(arena, TEST_RSA2048, &spec));
    assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -text"));
    assert_true(str_find(text, STR("sha384WithRSAEncryption"), &at));
}

static void test_a_chain_of_ours_verifies_and_a_foreign_one_does_not(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    int64_t now = real_now_ms();
    CertSpec root = plain_spec("CN=root"), middle = plain_spec("CN=middle"), leaf = plain_spec("CN=leaf");
    CertSpec *specs[] = { &root, &middle, &leaf };
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        specs[i]->not_before_ms = now - DAY_MS;
        specs[i]->not_after_ms = now + DAY_MS;
    }
    root.is_ca = middle.is_ca = true;
    middle.path_length = 0;
    root.key_usage = middle.key_usage = (CertNames)NAMES(STR("keyCertSign"));
    leaf.dns = (CertNames)NAMES(STR("leaf.example"));
    Bytes root_der = self_signed(arena, TEST_P384, &root), other_root = self_signed(arena, TEST_P384, &root), middle_der, leaf_der;
    Err err;
    assert_true(cert_issue(arena, test_key(TEST_P384), root_der, test_key(TEST_RSA2048), &middle, &middle_der, &err));
    assert_true(cert_issue(arena, test_key(TEST_RSA2048), middle_der, test_key(TEST_P256), &leaf, &leaf_der, &err));
    assert_str(info_of(arena, leaf_der).issuer, "CN=middle");
    assert_false(info_of(arena, leaf_der).is_self_issued);

    assert_true(cert_is_issued_by(root_der, root_der));
    assert_true(cert_is_issued_by(middle_der, root_der));
    assert_true(cert_is_issued_by(middle_der, other_root));              /* same name, same key */
    assert_true(cert_is_issued_by(leaf_der, middle_der));
    assert_false(cert_is_issued_by(leaf_der, root_der));
    assert_false(cert_is_issued_by(root_der, middle_der));
    Bytes impostor = self_signed(arena, TEST_P521, &middle);
    assert_false(cert_is_issued_by(leaf_der, impostor));                 /* the name fits, the signature does not */
    assert_false(cert_is_issued_by(bytes_of(STR("x")), root_der));

    tool_write("root.der", root_der);
    tool_write("middle.der", middle_der);
    tool_write("leaf.der", leaf_der);
    assert_true(tool_openssl(arena, NULL, "x509 -inform DER -in root.der -out root.pem"));
    assert_true(tool_openssl(arena, NULL, "x509 -inform DER -in middle.der -out middle.pem"));
    assert_true(tool_openssl(arena, NULL, "x509 -inform DER -in leaf.der -out leaf.pem"));
    assert_true(tool_openssl(arena, NULL, "verify -x509_strict -CAfile root.pem -untrusted middle.pem -verify_hostname leaf.example leaf.pem"));
}

static void test_only_a_ca_with_its_key_issues(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec leaf = plain_spec("CN=leaf"), ca = plain_spec("CN=ca");
    AUTO(key_free_auto) KeyRef *public = NULL;
    ca.is_ca = true;
    Bytes no_ca = self_signed(arena, TEST_P256, &leaf), ca_der = self_signed(arena, TEST_P256, &ca), der = { 0 };
    Err err = { 0 };
    assert_false(cert_issue(arena, test_key(TEST_P256), no_ca, test_key(TEST_P256), &leaf, &der, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(cert_issue(arena, test_key(TEST_P384), ca_der, test_key(TEST_P256), &leaf, &der, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(cert_issue(arena, test_key(TEST_P256), bytes_of(STR("no certificate")), test_key(TEST_P256), &leaf, &der, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_true(cert_public_key(ca_der, &public, &err));
    assert_false(cert_issue(arena, public, ca_der, test_key(TEST_P256), &leaf, &der, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(cert_self_sign(arena, public, &leaf, &der, &err));
    assert_false(cert_request(arena, public, &leaf, &der, &err));
    assert_null(der.ptr);
    assert_true(cert_issue(arena, test_key(TEST_P256), ca_der, public, &leaf, &der, &err));     /* the subject's public half is enough */
}

static void test_a_request_carries_name_key_and_wishes(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a.example");
    spec.dns = (CertNames)NAMES(STR("a.example"));
    spec.ekus = (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.1"));
    spec.key_usage = (CertNames)NAMES(STR("digitalSignature"));
    for (int which = 0; which < TEST_KEYS; which++) {
        Bytes der;
        Err err;
        Str text;
        size_t at;
        assert_true(cert_request(arena, test_key(which), &spec, &der, &err));
        tool_write("r.der", der);
        assert_true(tool_openssl(arena, &text, "req -inform DER -in r.der -noout -verify -text"));
        assert_true(str_find(text, STR("verify OK"), &at));
        assert_true(str_find(text, STR("Subject: CN = a.example"), &at));
        assert_true(str_find(text, STR("DNS:a.example"), &at));
        assert_true(str_find(text, STR("TLS Web Server Authentication"), &at));
        assert_true(str_find(text, STR("Digital Signature"), &at));
    }
}

static void test_subjects_in_every_spelling(void **state)
{
    (void)state;
    static const struct { const char *typed, *printed; } rows[] = {
        { "CN=a.example", "CN=a.example" },
        { " cn = a.example , o = Example ", "CN=a.example, O=Example" },
        { "/CN=a.example/O=Example", "CN=a.example, O=Example" },
        { "/C=DE/O=A, B/CN=x", "C=DE, O=A\\, B, CN=x" },
        { "/O=a\\/b/CN=x", "O=a/b, CN=x" },
        { "O=Example; CN=a", "O=Example, CN=a" },
        { "CN=\"A, B\", O=x", "CN=A\\, B, O=x" },
        { "CN=\"say \"\"hi\"\"\"", "CN=say \\\"hi\\\"" },
        { "CN=A\\, B\\+C", "CN=A\\, B\\+C" },
        { "CN=caf\\C3\\A9", "CN=caf\xC3\xA9" },
        { "CN=caf\xC3\xA9", "CN=caf\xC3\xA9" },
        { "CN=a+OU=b, O=c", "CN=a + OU=b, O=c" },
        { "CN=x\\ ", "CN=x\\ " },
        { "CN=\" x\"", "CN=\\ x" },
        { "CN=a=b", "CN=a=b" },
        { "CN=\\#1", "CN=\\#1" },
        { "E=a@b.c, S=WA, ST=OR, G=Ann, SN=Lee", "emailAddress=a@b.c, ST=WA, ST=OR, GN=Ann, SN=Lee" },
        { "commonName=a, organizationName=b", "CN=a, O=b" },
        { "OID.2.5.4.3=a, 2.5.4.10=b", "CN=a, O=b" },
        { "1.2.3.4.5=x", "1.2.3.4.5=x" },
        { "DC=contoso,DC=com", "DC=contoso, DC=com" },
        { "CN=batch.cert.mydomain.org", "CN=batch.cert.mydomain.org" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CertSpec spec = plain_spec(rows[i].typed), again = spec;
        again.subject = info_of(arena, self_signed(arena, TEST_P256, &spec)).subject;
        assert_str(again.subject, rows[i].printed);
        assert_str(info_of(arena, self_signed(arena, TEST_P256, &again)).subject, rows[i].printed);
    }
}

static void refuse(const CertSpec *spec, const char *field)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bytes der = { 0 };
    Err err = { 0 };
    if (cert_spec_check(spec, &err))
        fail_msg("a bad %s was accepted (subject '" STR_FMT "')", field, STR_ARG(spec->subject));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.target, field);
    assert_false(cert_self_sign(arena, test_key(TEST_P256), spec, &der, &err));
    assert_false(cert_request(arena, test_key(TEST_P256), spec, &der, &err));
    assert_null(der.ptr);
}

static void test_broken_subjects_are_refused(void **state)
{
    (void)state;
    static const char *const subjects[] = {
        "a.example", "CN=", "CN=a,", "CN=a,,O=b", "CN=a, b", "=a", "XX=a", "CN=\"a", "CN=\"a\"b", "CN=a\"b", "CN=a\\", "CN=#0401", "CN=a+",
        "CN=a\nO=b", "CN=a\\00b", "CN=\xFF", "CN=a\\FF", "C=DEU", "C=D", "9.9.9=a", "1..2=a", "/CN=a/b", "/CN=a/", ",", "CN=\x1B[31m",
        "CN=12345678901234567890123456789012345678901234567890123456789012345",       /* 65: X.520's limit is 64 */
    };
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        CertSpec spec = plain_spec(subjects[i]);
        refuse(&spec, "subject");
    }
    static char lengthy[1100] = "O=";
    memset(lengthy + 2, 'a', sizeof lengthy - 3);
    CertSpec spec = plain_spec(lengthy);
    refuse(&spec, "subject");
    spec = plain_spec("");
    refuse(&spec, "subject");
    spec = plain_spec("CN=a\0b");
    spec.subject.len = 6;
    refuse(&spec, "subject");
}

static void test_broken_names_and_usages_are_refused(void **state)
{
    (void)state;
    static const struct { size_t offset; const char *field, *value; } rows[] = {
        { offsetof(CertSpec, dns), "sans.dns_names", "" },              { offsetof(CertSpec, dns), "sans.dns_names", "a b" },
        { offsetof(CertSpec, dns), "sans.dns_names", "a..b" },          { offsetof(CertSpec, dns), "sans.dns_names", "-a.b" },
        { offsetof(CertSpec, dns), "sans.dns_names", "a.*.b" },         { offsetof(CertSpec, dns), "sans.dns_names", "*." },
        { offsetof(CertSpec, dns), "sans.dns_names", "b\xC3\xBC.de" },  { offsetof(CertSpec, dns), "sans.dns_names", "a.b." },
        { offsetof(CertSpec, emails), "sans.emails", "a" },             { offsetof(CertSpec, emails), "sans.emails", "@b" },
        { offsetof(CertSpec, emails), "sans.emails", "a@" },            { offsetof(CertSpec, emails), "sans.emails", "a@b@c" },
        { offsetof(CertSpec, upns), "sans.upns", "user" },              { offsetof(CertSpec, upns), "sans.upns", "a\x01@b" },
        { offsetof(CertSpec, upns), "sans.upns", "\xFF@b" },            { offsetof(CertSpec, ips), "sans.ipAddresses", "1.2.3" },
        { offsetof(CertSpec, ips), "sans.ipAddresses", "1.2.3.256" },   { offsetof(CertSpec, ips), "sans.ipAddresses", "::1%lo" },
        { offsetof(CertSpec, ips), "sans.ipAddresses", "10.0.0.0/8" },  { offsetof(CertSpec, uris), "sans.uris", "a" },
        { offsetof(CertSpec, uris), "sans.uris", ":a" },                { offsetof(CertSpec, uris), "sans.uris", "http://a b" },
        { offsetof(CertSpec, ekus), "ekus", "serverAuth" },             { offsetof(CertSpec, ekus), "ekus", "1" },
        { offsetof(CertSpec, ekus), "ekus", "1..3" },                   { offsetof(CertSpec, ekus), "ekus", "3.1.1" },
        { offsetof(CertSpec, ekus), "ekus", "1.40.1" },                 { offsetof(CertSpec, ekus), "ekus", "1.3.6." },
        { offsetof(CertSpec, key_usage), "key_usage", "sign" },         { offsetof(CertSpec, key_usage), "key_usage", "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CertSpec spec = plain_spec("CN=a");
        Str item = str_from(rows[i].value);
        *(CertNames *)((char *)&spec + rows[i].offset) = (CertNames){ &item, 1 };
        refuse(&spec, rows[i].field);
    }
    static Str many[300];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = STR("a.example");
    CertSpec spec = plain_spec("CN=a");
    spec.dns = (CertNames){ many, COUNT_OF(many) };
    refuse(&spec, "sans.dns_names");
    spec = plain_spec("CN=a");
    spec.not_after_ms = INT64_C(253402300800000);
    refuse(&spec, "not_after");
    spec = plain_spec("CN=a");
    spec.not_before_ms = INT64_MIN;
    refuse(&spec, "not_before");
    spec = plain_spec("CN=a");
    spec.is_ca = true;
    spec.path_length = -2;
    refuse(&spec, "path_length");
    spec = plain_spec("CN=a");
    spec.digest_bits = 160;
    refuse(&spec, "digest");
}

static void test_times_are_cut_to_seconds_in_both_encodings(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a");
    spec.not_before_ms = -1;                                           /* 1969-12-31T23:59:59Z, UTCTime */
    spec.not_after_ms = INT64_C(253402300799999);                      /* 9999-12-31T23:59:59Z, GeneralizedTime */
    CertInfo info = info_of(arena, self_signed(arena, TEST_P256, &spec));
    assert_int_equal(info.not_before_ms, -1000);
    assert_int_equal(info.not_after_ms, INT64_C(253402300799000));
}

static void test_without_a_subject_the_alternative_name_is_critical(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("");
    spec.dns = (CertNames)NAMES(STR("a.example"));
    Str text;
    size_t at;
    tool_write("c.der", self_signed(arena, TEST_P256, &spec));
    assert_str(info_of(arena, tool_read(arena, "c.der")).subject, "");
    assert_true(tool_openssl(arena, &text, "x509 -inform DER -in c.der -noout -text"));
    assert_true(str_find(text, STR("X509v3 Subject Alternative Name: critical"), &at));
}

static void test_a_serial_never_comes_twice(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a");
    CertInfo a = info_of(arena, self_signed(arena, TEST_P256, &spec)), b = info_of(arena, self_signed(arena, TEST_P256, &spec));
    assert_false(str_eq(a.serial_hex, b.serial_hex));
}

static void test_truncated_longer_and_changed_certificates_are_no_trouble(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    CertSpec spec = plain_spec("CN=a");
    spec.dns = (CertNames)NAMES(STR("a.example"));
    spec.ekus = (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.1"));
    Bytes der = self_signed(arena, TEST_P256, &spec);
    uint8_t *changed = arena_alloc(arena, der.len + 1);
    CertInfo info;
    KeyRef *key = NULL;
    Err err;
    memcpy(changed, der.ptr, der.len);
    for (size_t len = 0; len < der.len; len++) {
        assert_false(cert_read(arena, (Bytes){ changed, len }, &info, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_false(cert_public_key((Bytes){ changed, len }, &key, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    assert_false(cert_read(arena, (Bytes){ changed, der.len + 1 }, &info, &err));
    for (size_t i = 0; i < der.len; i++) {
        changed[i] ^= 0x15;
        if (!cert_read(arena, (Bytes){ changed, der.len }, &info, &err))
            assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_false(cert_is_issued_by((Bytes){ changed, der.len }, der));     /* any changed byte breaks name or signature */
        changed[i] ^= 0x15;
    }
}

static void test_a_full_arena_is_a_clean_refusal(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *big = arena_new(1 << 20);
    CertSpec spec = plain_spec("CN=a, O=b");
    spec.dns = (CertNames)NAMES(STR("a.example"), STR("b.example"));
    spec.ekus = (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.1"));
    spec.key_usage = (CertNames)NAMES(STR("digitalSignature"));
    Bytes der = self_signed(big, TEST_P256, &spec);
    for (size_t limit = 0; limit < 512; limit += 8) {
        AUTO(arena_free_auto) Arena *arena = arena_new(limit);
        CertInfo info;
        Bytes made;
        Err err = { 0 };
        if (!cert_read(arena, der, &info, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
        AUTO(arena_free_auto) Arena *other = arena_new(limit);
        if (!cert_self_sign(other, test_key(TEST_P256), &spec, &made, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
    }
}

/* Made by the openssl command with what we do not make ourselves. */
static void test_foreign_certificates_are_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *key = NULL;
    Err err;
    CertInfo info;
    tool_write("req.cnf", bytes_of(STR("[req]\ndistinguished_name=d\n[d]\n[dn]\nCN=dir\n[e]\nextendedKeyUsage=codeSigning\n"
                                    "subjectAltName=DNS:a.example,dirName:dn,RID:1.2.3,otherName:1.2.3;UTF8:no,email:a@b.c\n")));
    assert_true(tool_openssl(arena, NULL, "req -x509 -newkey rsa:2048 -nodes -keyout k.pem -days 2 -set_serial 5 -utf8 -subj '/C=DE/O=Caf\xC3\xA9/CN=x' "
                                          "-extensions e -config req.cnf -outform DER -out f.der"));
    assert_true(cert_read(arena, tool_read(arena, "f.der"), &info, &err));
    assert_str(info.subject, "C=DE, O=Caf\xC3\xA9, CN=x");
    assert_str(info.serial_hex, "05");
    assert_names(info.dns, (CertNames)NAMES(STR("a.example")));
    assert_names(info.emails, (CertNames)NAMES(STR("a@b.c")));
    assert_int_equal(info.upns.count, 0);
    assert_names(info.ekus, (CertNames)NAMES(STR("1.3.6.1.5.5.7.3.3")));
    assert_true(cert_public_key(tool_read(arena, "f.der"), &key, &err));
    assert_int_equal(key_spec(key).rsa_bits, 2048);

    KeyRef *none = NULL;
    assert_true(tool_openssl(arena, NULL, "req -x509 -newkey ed25519 -nodes -keyout k.pem -days 2 -subj /CN=x -outform DER -out f.der"));
    assert_true(cert_read(arena, tool_read(arena, "f.der"), &info, &err));
    assert_false(cert_public_key(tool_read(arena, "f.der"), &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_is_asked_for_is_read_back),
        cmocka_unit_test(test_openssl_agrees_on_every_part),
        cmocka_unit_test(test_the_signature_digest_follows_the_curve),
        cmocka_unit_test(test_a_chain_of_ours_verifies_and_a_foreign_one_does_not),
        cmocka_unit_test(test_only_a_ca_with_its_key_issues),
        cmocka_unit_test(test_a_request_carries_name_key_and_wishes),
        cmocka_unit_test(test_subjects_in_every_spelling),
        cmocka_unit_test(test_broken_subjects_are_refused),
        cmocka_unit_test(test_broken_names_and_usages_are_refused),
        cmocka_unit_test(test_times_are_cut_to_seconds_in_both_encodings),
        cmocka_unit_test(test_without_a_subject_the_alternative_name_is_critical),
        cmocka_unit_test(test_a_serial_never_comes_twice),
        cmocka_unit_test(test_truncated_longer_and_changed_certificates_are_no_trouble),
        cmocka_unit_test(test_a_full_arena_is_a_clean_refusal),
        cmocka_unit_test(test_foreign_certificates_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
