#include "../cm.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/bundles/bundle.h"
#include "keys.h"
#include "tool.h"

/* root (P-384) -> middle (RSA) -> leaf (P-256), made once. */
static struct Chain { Arena *arena; Bytes root, middle, leaf, other; } chain;

static CertSpec spec_of(const char *subject, bool is_ca)
{
    int64_t now = real_now_ms();
    return (CertSpec){ .subject = str_from(subject), .is_ca = is_ca, .path_length = -1, .not_before_ms = now - 86400000, .not_after_ms = now + 86400000 };
}

static int make_chain(void **state)
{
    (void)state;
    CertSpec root = spec_of("CN=root", true), middle = spec_of("CN=middle", true), leaf = spec_of("CN=leaf", false), other = spec_of("CN=other", false);
    Err err;
    chain.arena = arena_new(1 << 20);
    return !(cert_self_sign(chain.arena, test_key(TEST_P384), &root, &chain.root, &err)
          && cert_issue(chain.arena, test_key(TEST_P384), chain.root, test_key(TEST_RSA2048), &middle, &chain.middle, &err)
          && cert_issue(chain.arena, test_key(TEST_RSA2048), chain.middle, test_key(TEST_P256), &leaf, &chain.leaf, &err)
          && cert_self_sign(chain.arena, test_key(TEST_P521), &other, &chain.other, &err));
}

static Bundle whole_chain(void)
{
    return (Bundle){ .key = test_key(TEST_P256), .certs = { chain.leaf, chain.middle, chain.root }, .count = 3 };
}

static void assert_cert(const Bundle *bundle, size_t at, Bytes wanted)
{
    assert_true(at < bundle->count);
    assert_int_equal(bundle->certs[at].len, wanted.len);
    assert_memory_equal(bundle->certs[at].ptr, wanted.ptr, wanted.len);
}

static void assert_whole_chain(const Bundle *bundle)
{
    assert_int_equal(bundle->count, 3);
    assert_cert(bundle, 0, chain.leaf);
    assert_cert(bundle, 1, chain.middle);
    assert_cert(bundle, 2, chain.root);
}

/* The chain and a certificate of nobody's in it, in orders that no reader may rely on; the first is the right one. */
enum { ORDERS = 7 };
static Bundle in_order(size_t which)
{
    const Bytes orders[ORDERS][4] = {
        { chain.leaf, chain.middle, chain.root, chain.other }, { chain.root, chain.middle, chain.leaf, chain.other },
        { chain.other, chain.root, chain.middle, chain.leaf }, { chain.other, chain.middle, chain.root, chain.leaf },
        { chain.leaf, chain.other, chain.root, chain.middle }, { chain.middle, chain.leaf, chain.other, chain.root },
        { chain.middle, chain.leaf, chain.root, chain.other },
    };
    Bundle bundle = { .key = test_key(TEST_P256), .count = 4 };
    memcpy(bundle.certs, orders[which], sizeof orders[which]);
    return bundle;
}

static bool reads_pfx(Arena *arena, Bytes pfx, const char *password, Bundle *out, Err *err)
{
    bool read = bundle_read_pfx(arena, pfx, str_from(password), out, err);
    if (!read && err->code != ERR_BAD_INPUT)
        fail_msg("refused with %d: %s", err->code, err->text);
    return read;
}

static void test_a_pfx_keeps_key_and_chain(void **state)
{
    (void)state;
    static const char *const passwords[] = { "", "secret", "p\xC3\xA4ssw\xC3\xB6rd \xE2\x82\xAC" };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bundle bundle = whole_chain();
    for (size_t i = 0; i < COUNT_OF(passwords); i++) {
        AUTO(secret_free_auto) Secret *pfx = NULL;
        AUTO(bundle_done_auto) Bundle back = { 0 };
        AUTO(bundle_done_auto) Bundle none = { 0 };
        Err err;
        assert_true(bundle_write_pfx(&bundle, str_from(passwords[i]), &pfx, &err));
        assert_true(reads_pfx(arena, secret_bytes(pfx), passwords[i], &back, &err));
        assert_whole_chain(&back);
        assert_true(key_is_private(back.key) && key_same_public(back.key, test_key(TEST_P256)));
        assert_false(reads_pfx(arena, secret_bytes(pfx), "wrong", &none, &err));
        assert_string_equal(err.target, "password");
        assert_null(none.key);
    }
}

static void test_a_pfx_of_every_kind_of_key(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = spec_of("CN=x", false);
    for (int which = 0; which < TEST_KEYS; which++) {
        AUTO(secret_free_auto) Secret *pfx = NULL;
        AUTO(secret_free_auto) Secret *pem = NULL;
        AUTO(bundle_done_auto) Bundle back = { 0 };
        AUTO(bundle_done_auto) Bundle again = { 0 };
        Bundle bundle = { .key = test_key(which), .count = 1 };
        Err err;
        assert_true(cert_self_sign(arena, test_key(which), &spec, &bundle.certs[0], &err));
        assert_true(bundle_write_pfx(&bundle, STR(""), &pfx, &err));
        assert_true(reads_pfx(arena, secret_bytes(pfx), "", &back, &err));
        assert_true(key_same_public(back.key, test_key(which)));
        assert_true(bundle_write_pem(&back, true, &pem, &err));
        assert_true(bundle_read_pem(arena, str_of(secret_bytes(pem)), &again, &err));
        assert_true(key_same_public(again.key, test_key(which)));
    }
}

static void test_certificates_alone_make_a_bundle(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pfx = NULL;
    AUTO(secret_free_auto) Secret *pem = NULL;
    AUTO(bundle_done_auto) Bundle from_pfx = { 0 };
    AUTO(bundle_done_auto) Bundle from_pem = { 0 };
    Bundle bundle = { .certs = { chain.root, chain.leaf, chain.middle }, .count = 3 };
    Err err;
    assert_true(bundle_write_pfx(&bundle, STR("x"), &pfx, &err));
    assert_true(reads_pfx(arena, secret_bytes(pfx), "x", &from_pfx, &err));
    assert_null(from_pfx.key);
    assert_whole_chain(&from_pfx);
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    assert_true(bundle_read_pem(arena, str_of(secret_bytes(pem)), &from_pem, &err));
    assert_null(from_pem.key);
    assert_whole_chain(&from_pem);
}

static void test_any_order_comes_out_leaf_first(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    for (size_t i = 0; i < ORDERS; i++)
        for (int key_first = 0; key_first < 2; key_first++) {
            AUTO(secret_free_auto) Secret *pem = NULL;
            AUTO(bundle_done_auto) Bundle back = { 0 };
            Bundle bundle = in_order(i);
            Err err;
            assert_true(bundle_write_pem(&bundle, key_first, &pem, &err));
            assert_int_equal(str_starts(str_of(secret_bytes(pem)), STR("-----BEGIN PRIVATE KEY-----\n")), key_first);
            assert_int_equal(str_ends(str_of(secret_bytes(pem)), STR("-----END PRIVATE KEY-----\n")), !key_first);
            assert_true(bundle_read_pem(arena, str_of(secret_bytes(pem)), &back, &err));
            assert_int_equal(back.count, 4);
            assert_cert(&back, 0, chain.leaf);
            assert_cert(&back, 1, chain.middle);
            assert_cert(&back, 2, chain.root);
            assert_cert(&back, 3, chain.other);
        }
}

static void test_an_order_can_be_undone_and_written(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    for (size_t i = 0; i < ORDERS; i++)
        for (int with_key = 0; with_key < 2; with_key++) {
            AUTO(secret_free_auto) Secret *pfx = NULL;
            AUTO(bundle_done_auto) Bundle back = { 0 };
            Bundle bundle = in_order(i);
            Err err;
            assert_true(bundle_order(&bundle, "list", &err));
            assert_cert(&bundle, 0, chain.leaf);
            bundle_order_undo(&bundle);
            bundle.key = with_key ? bundle.key : NULL;
            assert_cert(&bundle, bundle.leaf, chain.leaf);
            assert_true(bundle_write_pfx(&bundle, STR(""), &pfx, &err));
            assert_true(reads_pfx(arena, secret_bytes(pfx), "", &back, &err));
            assert_int_equal(back.key != NULL, with_key);
            bundle_order_undo(&back);
            for (size_t c = 0; c < 4; c++)
                assert_cert(&back, c, in_order(i).certs[c]);
        }
}

static void test_a_certificate_given_twice_is_kept_once(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(bundle_done_auto) Bundle back = { 0 };
    Err err;
    Str leaf = pem_of_cert(arena, chain.leaf);
    assert_true(bundle_read_pem(arena, str_printf(arena, STR_FMT STR_FMT, STR_ARG(leaf), STR_ARG(leaf)), &back, &err));
    assert_int_equal(back.count, 1);
}

/* ---- what the openssl command makes of ours, and we of its ---- */

static void test_openssl_reads_our_files(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pfx = NULL;
    AUTO(secret_free_auto) Secret *empty = NULL;
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle bundle = whole_chain();
    Err err;
    Str text;
    size_t at;
    assert_true(bundle_write_pfx(&bundle, STR("secret"), &pfx, &err));
    assert_true(bundle_write_pfx(&bundle, STR(""), &empty, &err));
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    tool_write("a.pfx", secret_bytes(pfx));
    tool_write("empty.pfx", secret_bytes(empty));
    tool_write("a.pem", secret_bytes(pem));
    assert_true(tool_openssl(arena, &text, "pkcs12 -in a.pfx -passin pass:secret -info -nodes"));
    assert_true(str_find(text, STR("MAC: sha256"), &at));
    assert_true(str_find(text, STR("PBES2, PBKDF2, AES-256-CBC"), &at));
    assert_true(str_find(text, STR("PRF hmacWithSHA256"), &at));
    assert_true(str_find(text, STR("subject=CN = leaf"), &at));
    assert_false(tool_openssl(arena, NULL, "pkcs12 -in a.pfx -passin pass:other -noout"));
    assert_true(tool_openssl(arena, NULL, "pkcs12 -in empty.pfx -passin pass: -nodes -noout"));
    assert_true(tool_openssl(arena, NULL, "pkey -in a.pem -noout -check"));
    assert_true(tool_openssl(arena, &text, "crl2pkcs7 -nocrl -certfile a.pem -out /dev/null"));
}

static void test_pfx_files_of_openssl_old_and_new_are_read(void **state)
{
    (void)state;
    static const char *const options[] = {
        "-passout pass:secret", "-passout pass:secret -legacy", "-passout pass:secret -legacy -descert", "-passout pass:secret -keypbe NONE -certpbe NONE",
        "-passout pass:secret -keypbe PBE-SHA1-RC4-128 -certpbe PBE-SHA1-RC4-128 -legacy", "-passout pass:secret -nomac",
        "-passout pass:secret -certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha512", "-passout pass:secret -iter 1 -nomaciter",
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle bundle = whole_chain();
    Err err;
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    tool_write("a.pem", secret_bytes(pem));
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        AUTO(bundle_done_auto) Bundle back = { 0 };
        AUTO(bundle_done_auto) Bundle none = { 0 };
        assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -out b.pfx %s", options[i]));
        if (!reads_pfx(arena, tool_read(arena, "b.pfx"), "secret", &back, &err))
            fail_msg("%s: %s", options[i], err.text);
        assert_whole_chain(&back);
        assert_true(key_same_public(back.key, test_key(TEST_P256)));
        assert_false(reads_pfx(arena, tool_read(arena, "b.pfx"), "Secret", &none, &err));
        assert_string_equal(err.target, "password");
    }
    AUTO(bundle_done_auto) Bundle empty = { 0 };
    assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -out b.pfx -passout pass: -legacy"));
    assert_true(reads_pfx(arena, tool_read(arena, "b.pfx"), "", &empty, &err));
}

static void test_pfx_files_of_other_tools_are_read(void **state)
{
    (void)state;
    static const struct { const char *file, *password, *subject; } files[] = {
        { "java17.p12", "changeit", "CN=java" },          { "java-legacy-rc2.p12", "changeit", "CN=java legacy" }, { "python-none.p12", "", "CN=python" },
        { "python-best.p12", "p\xC3\xA4ssword", "CN=python" }, { "python-3des-sha1.p12", "secret", "CN=python" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(bundle_done_auto) Bundle bundle = { 0 };
        Str pfx;
        CertInfo info;
        Err err;
        assert_true(file_read(arena, str_printf(arena, "%s/pfx/%s", VECTORS_DIR, files[i].file).ptr, 1 << 16, &pfx, &err));
        if (!reads_pfx(arena, bytes_of(pfx), files[i].password, &bundle, &err))
            fail_msg("%s: %s", files[i].file, err.text);
        assert_non_null(bundle.key);
        assert_true(cert_read(arena, bundle.certs[0], &info, &err));
        assert_str(info.subject, files[i].subject);
    }
}

static bool rc2_is_refused_by_name(void)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bundle none = { 0 };
    Str pfx;
    Err err = { 0 };
    return file_read(arena, VECTORS_DIR "/pfx/java-legacy-rc2.p12", 1 << 16, &pfx, &err)
        && !bundle_read_pfx(arena, bytes_of(pfx), STR("changeit"), &none, &err)
        && err.code == ERR_BAD_INPUT && !err.target[0] && strstr(err.text, "RC2") && strstr(err.text, "AES-256");
}

static void test_without_a_legacy_provider_the_refusal_names_the_cipher(void **state)
{
    (void)state;
    assert_true(tool_without_modules(rc2_is_refused_by_name));
}

static void refuse_pfx(Arena *arena, Bytes pfx, const char *password, const char *target, const char *says)
{
    AUTO(bundle_done_auto) Bundle none = { 0 };
    Err err = { 0 };
    assert_false(reads_pfx(arena, pfx, password, &none, &err));
    assert_string_equal(err.target, target);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    assert_null(none.key);
    assert_int_equal(none.count, 0);
}

static void test_a_pfx_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle bundle = whole_chain();
    Err err;
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    tool_write("a.pem", secret_bytes(pem));

    refuse_pfx(arena, (Bytes){ NULL, 0 }, "", "", "not one whole PFX");
    refuse_pfx(arena, bytes_of(STR("MIIKcQIBAzCCCjcGCSqGSIb3DQEHAaCCCigEggokMIIKIDCC")), "", "", "not one whole PFX");
    refuse_pfx(arena, chain.leaf, "", "", "not one whole PFX");

    assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -out b.pfx -passout pass:secret"));
    Bytes good = tool_read(arena, "b.pfx");
    refuse_pfx(arena, (Bytes){ good.ptr, good.len - 1 }, "secret", "", "not one whole PFX");
    refuse_pfx(arena, good, "", "password", "wrong");
    AUTO(bundle_done_auto) Bundle none = { 0 };
    assert_false(bundle_read_pfx(arena, good, (Str){ "secret\0x", 8 }, &none, &err));
    assert_string_equal(err.target, "password");

    assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -nokeys -out b.pfx -passout pass:secret"));     /* certificates alone are fine */
    AUTO(bundle_done_auto) Bundle certs = { 0 };
    assert_true(reads_pfx(arena, tool_read(arena, "b.pfx"), "secret", &certs, &err));

    assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -nocerts -out b.pfx -passout pass:secret"));
    refuse_pfx(arena, tool_read(arena, "b.pfx"), "secret", "", "no certificate");

    /* 65536 rounds patched into eight million: refused before any is done. */
    static const uint8_t rounds[] = { 0x02, 0x03, 0x01, 0x00, 0x00 };
    assert_true(tool_openssl(arena, NULL, "pkcs12 -export -in a.pem -out b.pfx -passout pass:secret -iter 65536"));
    Bytes many = tool_read(arena, "b.pfx");
    uint8_t *at = memmem(many.ptr, many.len, rounds, sizeof rounds);
    assert_non_null(at);
    for (; at; at = memmem(at, (size_t)(many.ptr + many.len - at), rounds, sizeof rounds))
        at[2] = 0x7F;
    refuse_pfx(arena, many, "secret", "", "rounds");
}

static void test_a_key_with_a_strangers_certificate_is_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    AUTO(bundle_done_auto) Bundle none = { 0 };
    Bundle bundle = { .key = test_key(TEST_P256), .certs = { chain.other, chain.root }, .count = 2 };
    Err err;
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    assert_false(bundle_read_pem(arena, str_of(secret_bytes(pem)), &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_non_null(strstr(err.text, "belongs to its private key"));
}

/* Bytes that say nothing (the version, empty parameters) may change; what is read never does. */
static void test_a_changed_byte_of_a_pfx_never_changes_what_is_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(secret_free_auto) Secret *pfx = NULL;
    Bundle bundle = { .key = test_key(TEST_P256), .certs = { chain.leaf }, .count = 1 };
    Err err;
    assert_true(bundle_write_pfx(&bundle, STR(""), &pfx, &err));
    uint8_t *bytes = secret_ptr(pfx);
    size_t unread = 0;
    for (size_t i = 0; i < secret_bytes(pfx).len; i += i < 100 ? 1 : 3) {
        AUTO(bundle_done_auto) Bundle back = { 0 };
        bytes[i] ^= 0x21;
        if (reads_pfx(arena, secret_bytes(pfx), "", &back, &err)) {
            assert_int_equal(back.count, 1);
            assert_cert(&back, 0, chain.leaf);
            assert_true(key_same_public(back.key, test_key(TEST_P256)));
            unread++;
        }
        bytes[i] ^= 0x21;
    }
    assert_in_range(unread, 0, 8);
}

/* ---- PEM ---- */

static void test_pem_of_other_tools_is_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle ec = whole_chain(), rsa = { .key = test_key(TEST_RSA2048), .certs = { chain.middle }, .count = 1 };
    const struct { const Bundle *bundle; const char *command; } rows[] = {
        { &ec, "ec -in in.pem -out key.pem" },                              /* SEC1 */
        { &rsa, "rsa -traditional -in in.pem -out key.pem" },               /* PKCS#1 */
        { &rsa, "rsa -in in.pem -out key.pem" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(secret_free_auto) Secret *text = NULL;
        AUTO(bundle_done_auto) Bundle back = { 0 };
        Err err;
        assert_true(bundle_write_pem(rows[i].bundle, true, &text, &err));
        tool_write("in.pem", secret_bytes(text));
        assert_true(tool_openssl(arena, NULL, "%s", rows[i].command));
        Str key = str_of(tool_read(arena, "key.pem")), cert = pem_of_cert(arena, rows[i].bundle->certs[0]);
        /* With text around the blocks, a curve's parameters, carriage returns and no last line end. */
        Str mixed = str_printf(arena, "Bag Attributes\r\n  friendlyName: x\r\n" STR_FMT "-----BEGIN EC PARAMETERS-----\r\nBggqhkjOPQMBBw==\r\n-----END EC PARAMETERS-----\r\n" STR_FMT,
                               STR_ARG(cert), STR_ARG(str_trim(key)));
        if (!bundle_read_pem(arena, mixed, &back, &err))
            fail_msg("%s", err.text);
        assert_true(key_same_public(back.key, rows[i].bundle->key));
    }
}

static void refuse_pem(Arena *arena, Str pem, const char *says)
{
    AUTO(bundle_done_auto) Bundle none = { 0 };
    Err err = { 0 };
    assert_false(bundle_read_pem(arena, pem, &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    assert_null(none.key);
}

static void test_a_pem_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle bundle = { .key = test_key(TEST_P256), .certs = { chain.leaf }, .count = 1 };
    Err err;
    assert_true(bundle_write_pem(&bundle, true, &pem, &err));
    tool_write("a.pem", secret_bytes(pem));
    Str cert = pem_of_cert(arena, chain.leaf), both = str_of(secret_bytes(pem));

    refuse_pem(arena, STR(""), "no certificate");
    refuse_pem(arena, STR("hello"), "no certificate");
    refuse_pem(arena, str_slice(both, 0, both.len - cert.len), "no certificate");
    refuse_pem(arena, str_slice(both, 0, both.len - 40), "damaged");
    refuse_pem(arena, str_printf(arena, STR_FMT STR_FMT, STR_ARG(both), STR_ARG(both)), "more than one private key");
    refuse_pem(arena, STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "not a whole X.509");
    refuse_pem(arena, STR("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), "damaged");
    refuse_pem(arena, STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "PKCS#8");
    refuse_pem(arena, STR("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n"), "not supported");

    assert_true(tool_openssl(arena, NULL, "pkey -in a.pem -aes256 -passout pass:x -out enc.pem"));
    refuse_pem(arena, str_of(tool_read(arena, "enc.pem")), "encrypted");
    assert_true(tool_openssl(arena, NULL, "ec -in a.pem -aes256 -passout pass:x -out enc.pem"));       /* Proc-Type: 4,ENCRYPTED */
    refuse_pem(arena, str_of(tool_read(arena, "enc.pem")), "encrypted");

    Str many = STR("");
    for (int i = 0; i <= BUNDLE_CERTS_MAX; i++) {
        CertSpec spec = spec_of("CN=one of many", false);
        Bytes der;
        assert_true(cert_self_sign(arena, test_key(TEST_P256), &spec, &der, &err));
        many = str_printf(arena, STR_FMT STR_FMT, STR_ARG(many), STR_ARG(pem_of_cert(arena, der)));
    }
    refuse_pem(arena, many, "more than 20");
}

static void test_one_certificate_goes_to_pem_and_back(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bytes der;
    Err err;
    Str pem = pem_of_cert(arena, chain.leaf);
    assert_true(pem_to_cert(arena, pem, &der, &err));
    assert_int_equal(der.len, chain.leaf.len);
    assert_memory_equal(der.ptr, chain.leaf.ptr, der.len);
    while (pem.len) {
        Str line = str_cut(&pem, '\n');
        assert_true(line.len <= 64);
    }
    assert_false(pem_to_cert(arena, STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), &der, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(pem_to_cert(arena, STR(""), &der, &err));
}

static void test_certificate_files_of_every_form_are_read(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "x509 -inform PEM -in leaf.pem -outform DER -out c", "x509 -inform PEM -in leaf.pem -out c",
        "crl2pkcs7 -nocrl -certfile all.pem -outform DER -out c", "crl2pkcs7 -nocrl -certfile all.pem -out c",
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bundle certs = { .certs = { chain.root, chain.middle, chain.leaf }, .count = 3 }, keyed = whole_chain();
    Err err;
    assert_true(bundle_write_pem(&certs, true, &pem, &err));
    tool_write("all.pem", secret_bytes(pem));
    tool_write("leaf.pem", bytes_of(pem_of_cert(arena, chain.leaf)));
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        AUTO(bundle_done_auto) Bundle back = { 0 };
        assert_true(tool_openssl(arena, NULL, "%s", commands[i]));
        if (!bundle_read_certs(arena, tool_read(arena, "c"), &back, &err))
            fail_msg("%s: %s", commands[i], err.text);
        assert_int_equal(back.count, i < 2 ? 1 : 3);
        assert_cert(&back, 0, chain.leaf);
        assert_null(back.key);
    }
    AUTO(secret_free_auto) Secret *with_key = NULL;
    AUTO(bundle_done_auto) Bundle back = { 0 };
    assert_true(bundle_write_pem(&keyed, true, &with_key, &err));
    assert_true(bundle_read_certs(arena, secret_bytes(with_key), &back, &err));
    assert_null(back.key);
    assert_whole_chain(&back);

    const Bytes bad[] = { { NULL, 0 }, bytes_of(STR("x")), bytes_of(STR("0123")), { chain.leaf.ptr, chain.leaf.len - 1 },
                          bytes_of(STR("-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n")) };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(bundle_done_auto) Bundle none = { 0 };
        assert_false(bundle_read_certs(arena, bad[i], &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_a_bundle_with_half_a_key_is_not_written(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *public = NULL;
    Secret *out = NULL;
    Err err;
    assert_true(cert_public_key(chain.leaf, &public, &err));
    Bundle bundle = { .key = public, .certs = { chain.leaf }, .count = 1 };
    assert_false(bundle_write_pfx(&bundle, STR(""), &out, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(bundle_write_pem(&bundle, true, &out, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_null(out);
}

static int finish(void **state)
{
    (void)state;
    arena_free(chain.arena);
    return test_keys_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_legacy_provider_the_refusal_names_the_cipher),     /* first: see tool.h */
        cmocka_unit_test(test_a_pfx_keeps_key_and_chain),
        cmocka_unit_test(test_a_pfx_of_every_kind_of_key),
        cmocka_unit_test(test_certificates_alone_make_a_bundle),
        cmocka_unit_test(test_any_order_comes_out_leaf_first), cmocka_unit_test(test_an_order_can_be_undone_and_written),
        cmocka_unit_test(test_a_certificate_given_twice_is_kept_once),
        cmocka_unit_test(test_openssl_reads_our_files),
        cmocka_unit_test(test_pfx_files_of_openssl_old_and_new_are_read),
        cmocka_unit_test(test_pfx_files_of_other_tools_are_read),
        cmocka_unit_test(test_a_pfx_that_cannot_be_read_says_why),
        cmocka_unit_test(test_a_key_with_a_strangers_certificate_is_refused),
        cmocka_unit_test(test_a_changed_byte_of_a_pfx_never_changes_what_is_read),
        cmocka_unit_test(test_pem_of_other_tools_is_read),
        cmocka_unit_test(test_a_pem_that_cannot_be_read_says_why),
        cmocka_unit_test(test_one_certificate_goes_to_pem_and_back),
        cmocka_unit_test(test_certificate_files_of_every_form_are_read),
        cmocka_unit_test(test_a_bundle_with_half_a_key_is_not_written),
    };
    return cmocka_run_group_tests(tests, make_chain, finish);
}
