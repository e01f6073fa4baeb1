/* test_key_vectors.c - what the standards publish of RSA encryption and of ECDSA; and private keys in and out of PEM files. */
#include <openssl/bn.h>
#include "../cm.h"
#include "crypto/keys/key.h"
#include "keys.h"
#include "tool.h"
#include "vectors.h"

static Bytes number(Arena *arena, const BIGNUM *value)
{
    size_t len = (size_t)BN_num_bytes(value);
    uint8_t *bytes = arena_alloc(arena, len);
    assert_int_equal(BN_bn2bin(value, bytes), (int)len);
    return (Bytes){ bytes, len };
}

/* A recipient's key of the RFC, which gives its primes; the rest follows from them. */
static KeyRef *recipient(Arena *arena, const Vector *v)
{
    static const uint8_t e[] = { 1, 0, 1 };
    KeyPrivate parts = { .open = { .kind = KEY_RSA, .n = vector_base64url(arena, v, "n"), .e = { e, sizeof e } },
                         .d = vector_base64url(arena, v, "d"), .p = vector_base64url(arena, v, "p"), .q = vector_base64url(arena, v, "q") };
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *d = BN_bin2bn(parts.d.ptr, (int)parts.d.len, NULL), *p = BN_bin2bn(parts.p.ptr, (int)parts.p.len, NULL), *q = BN_bin2bn(parts.q.ptr, (int)parts.q.len, NULL);
    BIGNUM *less = BN_new(), *out = BN_new();
    assert_true(BN_sub(less, p, BN_value_one()) && BN_mod(out, d, less, ctx));
    parts.dp = number(arena, out);
    assert_true(BN_sub(less, q, BN_value_one()) && BN_mod(out, d, less, ctx));
    parts.dq = number(arena, out);
    assert_non_null(BN_mod_inverse(out, q, p, ctx));
    parts.qi = number(arena, out);
    BN_free(d), BN_free(p), BN_free(q), BN_free(less), BN_free(out);
    BN_CTX_free(ctx);
    KeyRef *key = NULL;
    Err err = { 0 };
    if (!key_from_private(&parts, &key, &err))
        fail_msg("%s", err.text);
    return key;
}

static void test_content_keys_of_rfc_7516_open(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "jwe-keys.rsp");
    Vector v;
    size_t seen = 0;
    for (; vectors_next(&vectors, &v); seen++) {
        AUTO(key_free_auto) KeyRef *key = recipient(arena, &v);
        AUTO(secret_free_auto) Secret *cek = NULL;
        Bytes expected = vector_hex(arena, &v, "Cek");
        WrapAlg alg;
        Err err = { 0 };
        assert_true(wrap_alg_parse(vector_text(&v, "Alg"), &alg));
        assert_true(key_unwrap(key, alg, vector_base64url(arena, &v, "Encrypted"), &cek, &err));
        assert_int_equal(secret_bytes(cek).len, expected.len);
        assert_memory_equal(secret_bytes(cek).ptr, expected.ptr, expected.len);
    }
    assert_int_equal(seen, 2);
}

static void test_signatures_of_rfc_6979_hold(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "rfc6979.rsp");
    static const KeyCurve curves[] = { CURVE_P256, CURVE_P384, CURVE_P521 };
    Vector v;
    size_t seen = 0;
    for (; vectors_next(&vectors, &v); seen++) {
        KeyPublic parts = { .kind = KEY_EC, .curve = curves[seen], .x = vector_hex(arena, &v, "x"), .y = vector_hex(arena, &v, "y") };
        Bytes r = vector_hex(arena, &v, "r"), s = vector_hex(arena, &v, "s");
        uint8_t raw[132];
        AUTO(key_free_auto) KeyRef *key = NULL;
        SignAlg alg;
        bool valid = false;
        Err err = { 0 };
        assert_true(sign_alg_parse(vector_text(&v, "Alg"), &alg));
        if (!key_from_public(&parts, &key, &err))
            fail_msg("%s", err.text);
        memcpy(raw, r.ptr, r.len);
        memcpy(raw + r.len, s.ptr, s.len);
        assert_true(key_verify(key, alg, bytes_of(STR("sample")), (Bytes){ raw, r.len + s.len }, &valid, &err) && valid);
        assert_true(key_verify(key, alg, bytes_of(STR("simple")), (Bytes){ raw, r.len + s.len }, &valid, &err) && !valid);
        raw[r.len] ^= 1;
        assert_true(key_verify(key, alg, bytes_of(STR("sample")), (Bytes){ raw, r.len + s.len }, &valid, &err) && !valid);
    }
    assert_int_equal(seen, COUNT_OF(curves));
}

/* As openssl writes them: PKCS#8 plain and encrypted, PKCS#1 and SEC1. */
static void test_private_keys_of_pem_files_are_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const char *const forms[] = { "", "-aes256 -passout pass:secret", "-traditional" };
    static const int kinds[] = { TEST_RSA2048, TEST_P384 };
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t i = 0; i < COUNT_OF(forms); i++) {
            AUTO(secret_free_auto) Secret *der = NULL;
            AUTO(key_free_auto) KeyRef *key = NULL;
            AUTO(key_free_auto) KeyRef *again = NULL;
            KeyRef *none = NULL;
            KeyPrivate parts;
            Str said;
            Err err = { 0 };
            assert_true(key_to_pkcs8(test_key(kinds[k]), &der, &err));
            tool_write("key.der", secret_bytes(der));
            assert_true(tool_openssl(arena, &said, "pkey -inform DER -in key.der %s -out key.pem", forms[i]));
            Str pem = str_of(tool_read(arena, "key.pem"));
            if (i == 1) {
                assert_false(key_from_pem(pem, STR_NONE, &none, &err));
                assert_string_equal(err.target, "password");
                assert_false(key_from_pem(pem, STR("wrong"), &none, &err));
                assert_string_equal(err.target, "password");
            }
            assert_true(key_from_pem(pem, i == 1 ? STR("secret") : STR_NONE, &key, &err) && key_same_public(key, test_key(kinds[k])));
            assert_true(key_private_parts(arena, key, &parts, &err) && key_from_private(&parts, &again, &err) && key_same_public(again, key));
            key_private_wipe(&parts);
            assert_int_equal(parts.d.ptr[0], 0);
        }
    static const char *const bad[] = { "", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no PEM" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        KeyRef *none = NULL;
        Err err = { 0 };
        assert_false(key_from_pem(str_from(bad[i]), STR_NONE, &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_keys_of_rfc_7516_open),
        cmocka_unit_test(test_signatures_of_rfc_6979_hold),
        cmocka_unit_test(test_private_keys_of_pem_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
