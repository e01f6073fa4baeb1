#include "../cm.h"
#include <pthread.h>
#include "base/encode.h"
#include "crypto/keys/key_own.h"
#include "keys.h"
#include "tool.h"
#include "vectors.h"

static void test_every_kind_is_made_as_asked(void **state)
{
    (void)state;
    static const struct { int which; KeyKind kind; int bits; KeyCurve curve; } made[] = {
        { TEST_RSA2048, KEY_RSA, 2048, CURVE_NONE }, { TEST_RSA3072, KEY_RSA, 3072, CURVE_NONE }, { TEST_P256, KEY_EC, 0, CURVE_P256 },
        { TEST_P384, KEY_EC, 0, CURVE_P384 }, { TEST_P521, KEY_EC, 0, CURVE_P521 }, { TEST_P256K, KEY_EC, 0, CURVE_P256K },
    };
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        KeySpec spec = key_spec(test_key(made[i].which));
        assert_int_equal(spec.kind, made[i].kind);
        assert_int_equal(spec.rsa_bits, made[i].bits);
        assert_int_equal(spec.curve, made[i].curve);
        assert_true(key_is_private(test_key(made[i].which)));
    }
}

static void test_spec_takes_the_services_names_and_defaults(void **state)
{
    (void)state;
    static const struct { const char *kty; int64_t bits; const char *crv; KeySpec spec; } good[] = {
        { "RSA", 0, NULL, { KEY_RSA, 2048, CURVE_NONE } },      { "RSA", 3072, NULL, { KEY_RSA, 3072, CURVE_NONE } },
        { "rsa", 4096, NULL, { KEY_RSA, 4096, CURVE_NONE } },   { "EC", 0, NULL, { KEY_EC, 0, CURVE_P256 } },
        { "EC", 0, "P-384", { KEY_EC, 0, CURVE_P384 } },        { "EC", 521, "P-521", { KEY_EC, 0, CURVE_P521 } },
        { "EC", 0, "P-256K", { KEY_EC, 0, CURVE_P256K } },      { "EC", 0, "SECP256K1", { KEY_EC, 0, CURVE_P256K } },
    };
    static const struct { const char *kty; int64_t bits; const char *crv; ErrCode code; const char *field; } bad[] = {
        { "RSA", 1024, NULL, ERR_BAD_INPUT, "key_size" }, { "RSA", 2049, NULL, ERR_BAD_INPUT, "key_size" },
        { "RSA", -1, NULL, ERR_BAD_INPUT, "key_size" },   { "RSA", 1 << 30, NULL, ERR_BAD_INPUT, "key_size" },
        { "EC", 0, "P-224", ERR_BAD_INPUT, "crv" },       { "EC", 0, "", ERR_BAD_INPUT, "crv" },
        { "EC", 2048, "P-256", ERR_BAD_INPUT, "key_size" }, { "DSA", 0, NULL, ERR_BAD_INPUT, "kty" },
        { "", 0, NULL, ERR_BAD_INPUT, "kty" },            { "RSA-HSM", 0, NULL, ERR_NOT_BUILT, "kty" },
        { "EC-HSM", 0, NULL, ERR_NOT_BUILT, "kty" },      { "oct", 0, NULL, ERR_BAD_INPUT, "kty" },
    };
    KeySpec spec;
    Err err;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(key_spec_parse(str_from(good[i].kty), good[i].bits, str_from(good[i].crv), &spec, &err));
        assert_int_equal(spec.kind, good[i].spec.kind);
        assert_int_equal(spec.rsa_bits, good[i].spec.rsa_bits);
        assert_int_equal(spec.curve, good[i].spec.curve);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(key_spec_parse(str_from(bad[i].kty), bad[i].bits, str_from(bad[i].crv), &spec, &err));
        assert_int_equal(err.code, bad[i].code);
        assert_string_equal(err.target, bad[i].field);
    }
}

static void test_keys_survive_pkcs8_spki_and_jwk(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (int which = 0; which < TEST_KEYS; which++) {
        AUTO(secret_free_auto) Secret *pkcs8 = NULL;
        AUTO(key_free_auto) KeyRef *private = NULL;
        AUTO(key_free_auto) KeyRef *public = NULL;
        AUTO(key_free_auto) KeyRef *from_jwk = NULL;
        KeyPublic parts;
        Bytes spki;
        Err err;
        assert_true(key_to_pkcs8(test_key(which), &pkcs8, &err));
        assert_true(key_from_pkcs8(secret_bytes(pkcs8), &private, &err));
        assert_true(key_to_spki(arena, private, &spki, &err));
        assert_true(key_from_spki(spki, &public, &err));
        assert_true(key_public(arena, public, &parts, &err));
        assert_true(key_from_public(&parts, &from_jwk, &err));
        assert_true(key_same_public(test_key(which), private));
        assert_true(key_same_public(test_key(which), public));
        assert_true(key_same_public(test_key(which), from_jwk));
        assert_true(key_is_private(private) && key_is_consistent(private));
        assert_false(key_is_private(public) || key_is_private(from_jwk));
        assert_int_equal(key_spec(from_jwk).curve, key_spec(test_key(which)).curve);

        AUTO(secret_free_auto) Secret *none = NULL;
        assert_false(key_to_pkcs8(public, &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    assert_false(key_same_public(test_key(TEST_RSA2048), test_key(TEST_P256)));
    assert_false(key_same_public(test_key(TEST_P256), test_key(TEST_P256K)));
}

static void test_jwk_members_have_their_widths(void **state)
{
    (void)state;
    static const struct { int which; size_t width; } curves[] = { { TEST_P256, 32 }, { TEST_P384, 48 }, { TEST_P521, 66 }, { TEST_P256K, 32 } };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    KeyPublic parts;
    Err err;
    assert_true(key_public(arena, test_key(TEST_RSA2048), &parts, &err));
    assert_int_equal(parts.n.len, 256);
    assert_true(parts.n.ptr[0] & 0x80);
    assert_str(base64url_encode(arena, parts.e), "AQAB");
    for (size_t i = 0; i < COUNT_OF(curves); i++) {
        assert_true(key_public(arena, test_key(curves[i].which), &parts, &err));
        assert_int_equal(parts.x.len, curves[i].width);
        assert_int_equal(parts.y.len, curves[i].width);
    }
}

static void test_thumbprint_of_the_standard(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *key = NULL;
    Vectors vectors = vectors_open(arena, "rfc7638.rsp");
    Vector v;
    Err err;
    uint8_t out[32];
    assert_true(vectors_next(&vectors, &v));
    KeyPublic parts = { .kind = KEY_RSA, .n = vector_base64url(arena, &v, "n"), .e = vector_base64url(arena, &v, "e") };
    assert_true(key_from_public(&parts, &key, &err));
    assert_true(key_thumbprint(key, out, &err));
    assert_memory_equal(out, vector_base64url(arena, &v, "Thumbprint").ptr, sizeof out);
}

static void refuse_public(KeyPublic parts, const char *field)
{
    KeyRef *key = NULL;
    Err err = { 0 };
    assert_false(key_from_public(&parts, &key, &err));
    assert_null(key);
    assert_int_equal(err.code, ERR_BAD_INPUT);
    if (field)
        assert_string_equal(err.target, field);
}

static void test_broken_public_members_are_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    KeyPublic rsa, ec, bad;
    Err err;
    assert_true(key_public(arena, test_key(TEST_RSA2048), &rsa, &err));
    assert_true(key_public(arena, test_key(TEST_P256), &ec, &err));

    refuse_public((KeyPublic){ .kind = KEY_RSA, .e = rsa.e }, "n");
    refuse_public((KeyPublic){ .kind = KEY_RSA, .n = rsa.n }, "e");
    refuse_public((KeyPublic){ .kind = KEY_RSA, .n = rsa.n, .e = { (const uint8_t *)"\1", 1 } }, "n");
    refuse_public((KeyPublic){ .kind = KEY_RSA, .n = rsa.n, .e = { (const uint8_t *)"\4", 1 } }, "e");
    refuse_public((KeyPublic){ .kind = KEY_RSA, .n = { rsa.n.ptr, 128 }, .e = rsa.e }, NULL);      /* 1024 bits */
    refuse_public((KeyPublic){ .kind = KEY_RSA, .n = { arena_alloc(arena, 600), 600 }, .e = rsa.e }, "n");

    bad = ec;
    bad.curve = CURVE_NONE;
    refuse_public(bad, "crv");
    bad = ec;
    bad.curve = CURVE_P384;
    refuse_public(bad, "x");
    bad = ec;
    bad.y.len--;
    refuse_public(bad, "y");
    bad = ec;
    bad.y = bad.x;                                     /* not on the curve */
    refuse_public(bad, "x");
    bad = ec;
    bad.curve = CURVE_P256K;                           /* a point of another curve of the same width */
    refuse_public(bad, "x");
}

static void refuse_der(Bytes der)
{
    KeyRef *key = NULL;
    Err err = { 0 };
    assert_false(key_from_pkcs8(der, &key, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(key_from_spki(der, &key, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_null(key);
}

static void test_what_is_not_one_whole_key_is_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Bytes spki;
    Err err;
    assert_true(key_to_pkcs8(test_key(TEST_P256), &pkcs8, &err));
    assert_true(key_to_spki(arena, test_key(TEST_P256), &spki, &err));

    refuse_der((Bytes){ NULL, 0 });
    refuse_der(bytes_of(STR("not a key")));
    for (size_t len = 0; len < secret_bytes(pkcs8).len; len++)
        refuse_der((Bytes){ secret_bytes(pkcs8).ptr, len });
    for (size_t len = 0; len < spki.len; len++)
        refuse_der((Bytes){ spki.ptr, len });

    uint8_t *longer = arena_alloc(arena, spki.len + 1);
    memcpy(longer, spki.ptr, spki.len);
    refuse_der((Bytes){ longer, spki.len + 1 });
    longer = arena_alloc(arena, secret_bytes(pkcs8).len + 1);
    memcpy(longer, secret_bytes(pkcs8).ptr, secret_bytes(pkcs8).len);
    refuse_der((Bytes){ longer, secret_bytes(pkcs8).len + 1 });
}

/* Kinds that exist elsewhere and that we do not serve: the sentence says what is served. */
static void test_unsupported_kinds_say_what_is_supported(void **state)
{
    (void)state;
    static const struct { const char *args, *says; } kinds[] = {
        { "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "2048 to 4096" }, { "-algorithm ED25519", "RSA and EC" },
        { "-algorithm EC -pkeyopt ec_paramgen_curve:secp224r1", "P-256" }, { "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "RSA and EC" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        KeyRef *key = NULL;
        Err err = { 0 };
        assert_true(tool_openssl(arena, NULL, "genpkey %s -out k.pem", kinds[i].args));
        assert_true(tool_openssl(arena, NULL, "pkcs8 -topk8 -nocrypt -in k.pem -outform DER -out k.der"));
        assert_false(key_from_pkcs8(tool_read(arena, "k.der"), &key, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        if (!strstr(err.text, kinds[i].says))
            fail_msg("%s: %s", kinds[i].args, err.text);
    }
}

static void test_openssl_reads_our_keys_and_we_read_its(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (int which = 0; which < TEST_KEYS; which++) {
        AUTO(secret_free_auto) Secret *pkcs8 = NULL;
        AUTO(key_free_auto) KeyRef *read = NULL;
        AUTO(key_free_auto) KeyRef *public = NULL;
        AUTO(key_free_auto) KeyRef *traditional = NULL;
        KeyKind kind = key_spec(test_key(which)).kind;
        Err err;
        assert_true(key_to_pkcs8(test_key(which), &pkcs8, &err));
        tool_write("ours.der", secret_bytes(pkcs8));
        assert_true(tool_openssl(arena, NULL, "pkey -inform DER -in ours.der -check -noout"));
        assert_true(tool_openssl(arena, NULL, "pkey -inform DER -in ours.der -pubout -outform DER -out pub.der"));
        assert_true(tool_openssl(arena, NULL, "%s -inform DER -in ours.der -outform DER -out old.der %s", kind == KEY_RSA ? "rsa" : "ec",
                                 kind == KEY_RSA ? "-traditional" : ""));
        assert_true(key_from_spki(tool_read(arena, "pub.der"), &public, &err));
        assert_true(key_same_public(test_key(which), public));
        assert_true(key_from_traditional(kind, tool_read(arena, "old.der"), &traditional, &err));
        assert_true(key_same_public(test_key(which), traditional));
        assert_true(key_is_consistent(traditional));
        assert_false(key_from_traditional(kind == KEY_RSA ? KEY_EC : KEY_RSA, tool_read(arena, "old.der"), &read, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

/* A private half that is not the public one's: the DER is fine, the key is not. */
static void test_a_key_with_foreign_private_numbers_is_inconsistent(void **state)
{
    (void)state;
    AUTO(secret_free_auto) Secret *ours = NULL;
    AUTO(secret_free_auto) Secret *other = NULL;
    AUTO(key_free_auto) KeyRef *fresh = NULL;
    AUTO(key_free_auto) KeyRef *mixed = NULL;
    Err err;
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &fresh, &err));
    assert_true(key_to_pkcs8(test_key(TEST_P256), &ours, &err));
    assert_true(key_to_pkcs8(fresh, &other, &err));
    assert_int_equal(secret_bytes(ours).len, secret_bytes(other).len);
    memcpy(secret_ptr(ours) + secret_bytes(ours).len - 64, secret_bytes(other).ptr + secret_bytes(other).len - 64, 64);     /* the point closes the DER */
    if (key_from_pkcs8(secret_bytes(ours), &mixed, &err))
        assert_false(key_is_consistent(mixed));
    else
        assert_int_equal(err.code, ERR_BAD_INPUT);
}

static void *use_and_drop(void *arg)
{
    KeyRef *key = arg;
    Arena *arena = arena_new(1 << 16);
    Bytes signature;
    bool valid = false;
    Err err;
    uintptr_t good = 0;
    for (int i = 0; i < 20; i++)
        good += key_sign(key, SIGN_ES256, bytes_of(STR("m")), arena, &signature, &err)
             && key_verify(key, SIGN_ES256, bytes_of(STR("m")), signature, &valid, &err) && valid;
    key_free(key);
    arena_free(arena);
    return (void *)good;
}

static void test_threads_share_a_key_and_the_last_one_frees_it(void **state)
{
    (void)state;
    pthread_t threads[4];
    KeyRef *key = NULL;
    Err err;
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_drop, key_share(key)), 0);
    key_free(key);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_int_equal((uintptr_t)good, 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_made_as_asked),
        cmocka_unit_test(test_spec_takes_the_services_names_and_defaults),
        cmocka_unit_test(test_keys_survive_pkcs8_spki_and_jwk),
        cmocka_unit_test(test_jwk_members_have_their_widths),
        cmocka_unit_test(test_thumbprint_of_the_standard),
        cmocka_unit_test(test_broken_public_members_are_refused),
        cmocka_unit_test(test_what_is_not_one_whole_key_is_refused),
        cmocka_unit_test(test_unsupported_kinds_say_what_is_supported),
        cmocka_unit_test(test_openssl_reads_our_keys_and_we_read_its),
        cmocka_unit_test(test_a_key_with_foreign_private_numbers_is_inconsistent),
        cmocka_unit_test(test_threads_share_a_key_and_the_last_one_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
