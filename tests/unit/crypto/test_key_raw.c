#include "../cm.h"
#include <openssl/rsa.h>
#include "base/clock.h"
#include "base/id.h"
#include "crypto/certificates/cert.h"
#include "crypto/certificates/crl.h"
#include "crypto/certificates/ocsp.h"
#include "crypto/hash.h"
#include "crypto/keys/key_oct.h"
#include "crypto/keys/key_own.h"
#include "crypto/keys/key_raw.h"
#include "keys.h"
#include "tool.h"
#include "vectors.h"

static void test_signatures_built_of_the_bare_operation_verify(void **state)
{
    (void)state;
    static const SignAlg algs[] = { SIGN_PS256, SIGN_PS384, SIGN_PS512 };
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        for (int which = TEST_RSA2048; which <= TEST_RSA3072; which++) {
            KeyRef *key = test_key(which);
            uint8_t digest[64] = { 7, 8, 9 }, padded[RSA_BYTES_MOST], signature[RSA_BYTES_MOST];
            size_t len = (size_t)key_spec(key).rsa_bits / 8;
            Bytes given = { digest, sign_alg_digest_size(algs[i]) };
            bool valid = false;
            Err err;
            assert_true(rsa_pad_pss(algs[i], given, key_spec(key).rsa_bits, padded, &err));
            test_key_bare(key, true, (Bytes){ padded, len }, signature);
            assert_true(key_verify_digest(key, algs[i], given, (Bytes){ signature, len }, &valid, &err));
            assert_true(valid);
        }
}

static void test_what_was_wrapped_comes_out_and_nothing_else_does(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const WrapAlg algs[] = { WRAP_RSA1_5, WRAP_RSA_OAEP, WRAP_RSA_OAEP_256 };
    KeyRef *key = test_key(TEST_RSA2048);
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(secret_free_auto) Secret *plain = NULL;
        AUTO(secret_free_auto) Secret *other = NULL;
        uint8_t padded[256];
        Bytes wrapped;
        Err err = { 0 };
        assert_true(key_wrap(key, algs[i], bytes_of(STR("a value")), arena, &wrapped, &err));
        test_key_bare(key, true, wrapped, padded);
        assert_true(rsa_unpad(algs[i], (Bytes){ padded, sizeof padded }, &plain, &err));
        assert_str(str_of(secret_bytes(plain)), "a value");
        padded[1] ^= 0x55;
        assert_false(rsa_unpad(algs[i], (Bytes){ padded, sizeof padded }, &other, &err));
        assert_string_equal(err.text, "value does not unwrap with this key and algorithm");
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_null(other);
    }
}

/* ---- key wraps ---- */

typedef struct Device { Bytes key; int fails_at, done; } Device;

static bool ecb(void *self, bool decrypts, const uint8_t in[16], uint8_t out[16], Err *err)
{
    Device *device = self;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;
    if (++device->done == device->fails_at) {
        EVP_CIPHER_CTX_free(ctx);
        return err_set(err, ERR_UNAVAILABLE, "unplugged");
    }
    const EVP_CIPHER *cipher = device->key.len == 16 ? EVP_aes_128_ecb() : device->key.len == 24 ? EVP_aes_192_ecb() : EVP_aes_256_ecb();
    assert_int_equal(EVP_CipherInit_ex2(ctx, cipher, device->key.ptr, NULL, !decrypts, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
    assert_int_equal(EVP_CipherUpdate(ctx, out, &len, in, 16), 1);
    assert_int_equal(len, 16);
    EVP_CIPHER_CTX_free(ctx);
    return true;
}

static void test_key_wraps_built_of_single_blocks_are_those_of_the_rfcs(void **state)
{
    (void)state;
    static const char *const files[] = { "rfc3394.rsp", "rfc5649.rsp" };
    for (int padded = 0; padded < 2; padded++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        Vectors vectors = vectors_open(arena, files[padded]);
        Vector v;
        size_t seen = 0;
        for (; vectors_next(&vectors, &v); seen++) {
            AUTO(secret_free_auto) Secret *plain = NULL;
            Device self = { .key = vector_hex(arena, &v, "KEK") };
            AesDevice device = { ecb, &self };
            Bytes data = vector_hex(arena, &v, "Data"), wrapped = vector_hex(arena, &v, "Wrapped");
            uint8_t out[AES_WRAP_MOST + AES_WRAP_ROOM];
            size_t len = 0;
            Err err = { 0 };
            assert_true(aes_wrap(&device, padded, data, out, &len, &err));
            assert_int_equal(len, wrapped.len);
            assert_memory_equal(out, wrapped.ptr, len);
            assert_true(aes_unwrap(&device, padded, wrapped, &plain, &err));
            assert_true(secret_equal(secret_bytes(plain), data));
            for (size_t i = 0; i < len; i++) {
                Secret *none = NULL;
                out[i] ^= 0x10;
                assert_false(aes_unwrap(&device, padded, (Bytes){ out, len }, &none, &err));
                assert_int_equal(err.code, ERR_BAD_INPUT);
                assert_string_equal(err.text, "value does not decrypt with this key and algorithm");
                out[i] ^= 0x10;
            }
        }
        assert_int_equal(seen, padded ? 2 : 6);
    }
}

static void test_key_wraps_built_of_single_blocks_and_openssls_open_each_other(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 64, 100, 1000, AES_WRAP_MOST - 1, AES_WRAP_MOST };
    uint8_t octets[32], data[AES_WRAP_MOST], out[AES_WRAP_MOST + AES_WRAP_ROOM];
    random_fill(octets, sizeof octets);
    random_fill(data, sizeof data);
    Device self = { .key = { octets, sizeof octets } };
    AesDevice device = { ecb, &self };
    AUTO(key_free_auto) KeyRef *key = NULL;
    Err err = { 0 };
    assert_true(key_oct_from_bytes(self.key, &key, &err));
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        for (int padded = 0; padded < 2; padded++) {
            AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
            AUTO(secret_free_auto) Secret *here = NULL;
            AUTO(secret_free_auto) Secret *there = NULL;
            CipherAlg alg = padded ? CIPHER_CKM_AES_KEY_WRAP_PAD : CIPHER_CKM_AES_KEY_WRAP;
            Bytes plain = { data, lengths[i] };
            CipherText theirs;
            size_t len = 0;
            if (!padded && (lengths[i] < 16 || lengths[i] % 8))
                continue;
            assert_true(aes_wrap(&device, padded, plain, out, &len, &err));
            assert_true(key_encrypt(key, alg, plain, (Bytes){ 0 }, (Bytes){ 0 }, arena, &theirs, &err));
            assert_int_equal(len, theirs.value.len);
            assert_memory_equal(out, theirs.value.ptr, len);
            assert_true(key_decrypt(key, alg, &(CipherText){ .value = { out, len } }, &there, &err));
            assert_true(aes_unwrap(&device, padded, theirs.value, &here, &err));
            assert_true(secret_equal(secret_bytes(here), plain) && secret_equal(secret_bytes(there), plain));
        }
}

/* The length that the padding states is checked from both sides, and so is the padding itself (RFC 5649 section 3). */
static void test_a_padded_wrap_that_states_another_length_is_refused(void **state)
{
    (void)state;
    static const struct { uint8_t stated, last; bool good; } cases[] = { { 12, 0, true }, { 9, 0, true }, { 8, 0, false }, { 0, 0, false }, { 16, 0, true }, { 17, 0, false }, { 12, 1, false }, { 16, 1, true } };
    uint8_t octets[16] = { 3 };
    Device self = { .key = { octets, sizeof octets } };
    AesDevice device = { ecb, &self };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        /* The rounds without the check: the wrap of RFC 3394 whose first block is chosen. */
        uint8_t text[24] = { 0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, cases[i].stated }, in[16], out[16];
        AUTO(secret_free_auto) Secret *plain = NULL;
        Err err = { 0 };
        text[23] = cases[i].last;
        for (uint8_t t = 1; t <= 12; t++) {
            uint8_t *r = text + 8 * (1 + (t - 1) % 2);
            memcpy(in, text, 8);
            memcpy(in + 8, r, 8);
            assert_true(ecb(&self, false, in, out, &err));
            memcpy(text, out, 8);
            text[7] ^= t;
            memcpy(r, out + 8, 8);
        }
        bool good = aes_unwrap(&device, true, (Bytes){ text, sizeof text }, &plain, &err);
        if (good != cases[i].good)
            fail_msg("case %zu", i);
        if (good)
            assert_int_equal(secret_bytes(plain).len, cases[i].stated);
    }
}

static void test_a_device_that_fails_is_heard(void **state)
{
    (void)state;
    uint8_t octets[16] = { 1 }, data[16] = { 2 }, out[16 + AES_WRAP_ROOM];
    for (int at = 1; at <= 12; at++)
        for (int opens = 0; opens < 2; opens++) {
            Device self = { .key = { octets, sizeof octets } };
            AesDevice device = { ecb, &self };
            Secret *none = NULL;
            size_t len;
            Err err = { 0 };
            assert_true(aes_wrap(&device, false, (Bytes){ data, 16 }, out, &len, &err));
            assert_int_equal(self.done, 12);
            self = (Device){ .key = self.key, .fails_at = at };
            assert_false(opens ? aes_unwrap(&device, false, (Bytes){ out, len }, &none, &err) : aes_wrap(&device, false, (Bytes){ data, 16 }, out, &len, &err));
            assert_int_equal(err.code, ERR_UNAVAILABLE);
            assert_int_equal(self.done, at);
        }
}

static void test_two_signatures_tell_the_public_half(void **state)
{
    (void)state;
    static const struct { int which; SignAlg alg; } rows[] = { { TEST_P256, SIGN_ES256 }, { TEST_P384, SIGN_ES384 }, { TEST_P521, SIGN_ES512 }, { TEST_P256K, SIGN_ES256K } };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(key_free_auto) KeyRef *found = NULL;
        uint8_t raw[2][64] = { { 1 }, { 2 } };
        size_t size = sign_alg_digest_size(rows[i].alg);
        Bytes digests[2] = { { raw[0], size }, { raw[1], size } }, signatures[2];
        KeyRef *key = test_key(rows[i].which);
        Err err = { 0 };
        for (size_t at = 0; at < 2; at++)
            assert_true(key_sign_digest(key, rows[i].alg, digests[at], arena, &signatures[at], &err));
        assert_true(ec_public_of_signatures(key_spec(key).curve, digests, signatures, &found, &err));
        assert_true(key_same_public(found, key));

        raw[1][0] ^= 1;                 /* signatures of different keys, as far as the digests say */
        assert_false(ec_public_of_signatures(key_spec(key).curve, digests, signatures, &found, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_the_digest_structure_is_openssls(void **state)
{
    (void)state;
    static const struct { SignAlg alg; size_t size; } rows[] = { { SIGN_RS256, 32 }, { SIGN_RS384, 48 }, { SIGN_RS512, 64 } };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    KeyRef *key = test_key(TEST_RSA2048);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t digest[64] = { 3 }, info[DIGEST_INFO_MAX], padded[256], made[256];
        Bytes signature;
        Err err;
        size_t len = rsa_digest_info((Bytes){ digest, rows[i].size }, info);
        memset(padded, 0xFF, sizeof padded);            /* RFC 8017 section 9.2 */
        padded[0] = 0;
        padded[1] = 1;
        padded[sizeof padded - len - 1] = 0;
        memcpy(padded + sizeof padded - len, info, len);
        test_key_bare(key, true, (Bytes){ padded, sizeof padded }, made);
        assert_true(key_sign_digest(key, rows[i].alg, (Bytes){ digest, rows[i].size }, arena, &signature, &err));
        assert_memory_equal(signature.ptr, made, sizeof made);
    }
}

/* ---- a key that is elsewhere ---- */

static bool far_sign(void *self, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err) { return key_sign_digest(self, alg, digest, arena, signature, err); }
static bool far_unwrap(void *self, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err) { return key_unwrap(self, alg, wrapped, plain, err); }
static void far_done(void *self) { key_free(self); }
static const KeyDoer far = { .sign = far_sign, .unwrap = far_unwrap, .done = far_done };

static void test_a_key_elsewhere_signs_certificates_and_requests(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (int which = 0; which < TEST_KEYS; which++) {
        AUTO(key_free_auto) KeyRef *key = NULL;
        KeyPublic parts;
        Err err = { 0 };
        Str dns[] = { STR("a.example") };
        CertSpec spec = { .subject = STR("CN=a.example"), .dns = { dns, 1 }, .not_before_ms = real_now_ms(), .not_after_ms = real_now_ms() + 86400000 };
        Bytes cert, request;
        assert_true(key_public(arena, test_key(which), &parts, &err));
        assert_true(key_from_doer(&parts, &far, key_share(test_key(which)), &key, &err));
        assert_true(cert_self_sign(arena, key, &spec, &cert, &err));
        assert_true(cert_request(arena, key, &spec, &request, &err));
        tool_write("a.der", cert);
        tool_write("a.csr", request);
        assert_true(tool_openssl(arena, NULL, "x509 -inform DER -in a.der -out a.pem"));
        assert_true(tool_openssl(arena, NULL, "verify -check_ss_sig -CAfile a.pem a.pem"));
        assert_true(tool_openssl(arena, NULL, "req -inform DER -in a.csr -noout -verify"));
    }
}

/* Issues, revokes and answers: openssl verifies the list and the answer, and believes neither when a byte of it is another. */
static void test_a_key_elsewhere_is_an_authoritys(void **state)
{
    (void)state;
    static Str usages[] = { { "keyCertSign", 11 }, { "cRLSign", 7 }, { "digitalSignature", 16 } };
    int64_t now_ms = real_now_ms();
    for (int which = 0; which < TEST_KEYS; which++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *key = NULL;
        AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
        KeyPublic parts;
        CertInfo info;
        Bytes root, leaf, list, answer;
        Str said;
        size_t at;
        Err err = { 0 };
        CertSpec ca = { .subject = STR("CN=Far CA"), .is_ca = true, .path_length = 0, .key_usage = { usages, 3 }, .not_before_ms = now_ms - 86400000, .not_after_ms = now_ms + 86400000 };
        CertSpec spec = { .subject = STR("CN=leaf"), .path_length = -1, .not_before_ms = now_ms - 86400000, .not_after_ms = now_ms + 86400000 };
        assert_true(key_public(arena, test_key(which), &parts, &err));
        assert_true(key_from_doer(&parts, &far, key_share(test_key(which)), &key, &err));
        assert_true(cert_self_sign(arena, key, &ca, &root, &err));
        assert_true(cert_issue(arena, key, root, test_key(TEST_P256), &spec, &leaf, &err));
        assert_true(cert_read(arena, leaf, &info, &err));
        CrlEntry revoked[] = { { info.serial_hex, now_ms - 3600000 } };
        CrlSpec wanted = { .number = 7, .now_ms = now_ms - 60000, .next_ms = now_ms + 3600000, .entries = revoked, .count = 1 };
        if (!crl_make(arena, key, root, &wanted, &list, &err))
            fail_msg("%d: %s", which, err.text);
        tool_write("root.der", root);
        tool_write("leaf.der", leaf);
        tool_write("list.der", list);
        assert_true(tool_openssl(arena, NULL, "x509 -inform DER -in root.der -out root.pem") && tool_openssl(arena, NULL, "x509 -inform DER -in leaf.der -out leaf.pem"));
        assert_true(tool_openssl(arena, NULL, "crl -inform DER -in list.der -out list.pem"));
        assert_true(tool_openssl(arena, &said, "crl -in list.pem -noout -CAfile root.pem -issuer -crlnumber"));
        assert_true(str_find(said, STR("verify OK"), &at) && str_find(said, STR("CN = Far CA"), &at) && str_find(said, STR("07"), &at));
        assert_true(tool_openssl(arena, NULL, "verify -CAfile root.pem leaf.pem"));
        assert_false(tool_openssl(arena, &said, "verify -crl_check -CAfile root.pem -CRLfile list.pem leaf.pem"));
        assert_true(str_find(said, STR("certificate revoked"), &at));

        assert_true(tool_openssl(arena, NULL, "ocsp -issuer root.pem -cert leaf.pem -reqout req.der"));
        assert_true(ocsp_read(arena, tool_read(arena, "req.der"), root, &request, &err));
        request.asked[0].standing = STANDING_GOOD;
        if (!ocsp_answer(arena, &request, key, root, now_ms - 60000, now_ms + 3600000, &answer, &err))
            fail_msg("%d: %s", which, err.text);
        tool_write("resp.der", answer);
        assert_true(tool_openssl(arena, &said, "ocsp -issuer root.pem -cert leaf.pem -no_nonce -CAfile root.pem -respin resp.der"));
        assert_true(str_find(said, STR("Response verify OK"), &at) && str_find(said, STR("leaf.pem: good"), &at));
        assert_true(tool_openssl(arena, NULL, "ocsp -issuer root.pem -CAfile root.pem -reqin req.der -respin resp.der"));        /* the nonce too */

        ((uint8_t *)(uintptr_t)list.ptr)[list.len - 1] ^= 1;
        tool_write("list.der", list);
        assert_true(tool_openssl(arena, &said, "crl -inform DER -in list.der -noout -CAfile root.pem") && !str_find(said, STR("verify OK"), &at));
        ((uint8_t *)(uintptr_t)answer.ptr)[answer.len - 1] ^= 1;
        tool_write("resp.der", answer);
        (void)tool_openssl(arena, &said, "ocsp -issuer root.pem -cert leaf.pem -no_nonce -CAfile root.pem -respin resp.der");
        assert_false(str_find(said, STR("Response verify OK"), &at));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_built_of_the_bare_operation_verify),
        cmocka_unit_test(test_what_was_wrapped_comes_out_and_nothing_else_does),
        cmocka_unit_test(test_key_wraps_built_of_single_blocks_are_those_of_the_rfcs),
        cmocka_unit_test(test_key_wraps_built_of_single_blocks_and_openssls_open_each_other),
        cmocka_unit_test(test_a_padded_wrap_that_states_another_length_is_refused),
        cmocka_unit_test(test_a_device_that_fails_is_heard),
        cmocka_unit_test(test_two_signatures_tell_the_public_half),
        cmocka_unit_test(test_the_digest_structure_is_openssls),
        cmocka_unit_test(test_a_key_elsewhere_signs_certificates_and_requests),
        cmocka_unit_test(test_a_key_elsewhere_is_an_authoritys),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
