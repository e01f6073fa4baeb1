#include "../cm.h"
#include <openssl/rsa.h>
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"
#include "keys.h"
#include "tool.h"
#include "vectors.h"

static const struct { SignAlg alg; const char *name; int which; size_t digest, signature; } rows[] = {
    { SIGN_RS256, "RS256", TEST_RSA2048, 32, 256 }, { SIGN_RS384, "RS384", TEST_RSA2048, 48, 256 }, { SIGN_RS512, "RS512", TEST_RSA3072, 64, 384 },
    { SIGN_PS256, "PS256", TEST_RSA2048, 32, 256 }, { SIGN_PS384, "PS384", TEST_RSA2048, 48, 256 }, { SIGN_PS512, "PS512", TEST_RSA3072, 64, 384 },
    { SIGN_ES256, "ES256", TEST_P256, 32, 64 },     { SIGN_ES384, "ES384", TEST_P384, 48, 96 },     { SIGN_ES512, "ES512", TEST_P521, 64, 132 },
    { SIGN_ES256K, "ES256K", TEST_P256K, 32, 64 },
};

static bool verifies(const KeyRef *key, SignAlg alg, Bytes message, Bytes signature)
{
    bool valid = true;
    Err err;
    assert_true(key_verify(key, alg, message, signature, &valid, &err));
    return valid;
}

static void test_every_algorithm_has_its_name_and_sizes(void **state)
{
    (void)state;
    SignAlg alg;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(sign_alg_parse(str_from(rows[i].name), &alg));
        assert_int_equal(alg, rows[i].alg);
        assert_str(sign_alg_name(alg), rows[i].name);
        assert_int_equal(sign_alg_digest_size(alg), rows[i].digest);
    }
    static const char *const refused[] = { "none", "HS256", "rs256", "RSNULL", "EdDSA", "", "RS2560" };
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_false(sign_alg_parse(str_from(refused[i]), &alg));
}

static void test_signatures_verify_and_nothing_else_does(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bytes message = bytes_of(STR("the message")), other = bytes_of(STR("the massage"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Bytes signature;
        Err err;
        KeyRef *key = test_key(rows[i].which);
        assert_true(key_sign(key, rows[i].alg, message, arena, &signature, &err));
        assert_int_equal(signature.len, rows[i].signature);
        assert_true(verifies(key, rows[i].alg, message, signature));
        assert_false(verifies(key, rows[i].alg, other, signature));

        uint8_t *changed = arena_alloc(arena, signature.len + 1);
        for (size_t at = 0; at < signature.len; at += 7) {
            memcpy(changed, signature.ptr, signature.len);
            changed[at] ^= 1;
            assert_false(verifies(key, rows[i].alg, message, (Bytes){ changed, signature.len }));
        }
        memcpy(changed, signature.ptr, signature.len);
        changed[signature.len] = 0;
        assert_false(verifies(key, rows[i].alg, message, (Bytes){ changed, signature.len + 1 }));
        assert_false(verifies(key, rows[i].alg, message, (Bytes){ changed, signature.len - 1 }));
        assert_false(verifies(key, rows[i].alg, message, (Bytes){ NULL, 0 }));
        memset(changed, 0, signature.len);                             /* r = s = 0 */
        assert_false(verifies(key, rows[i].alg, message, (Bytes){ changed, signature.len }));
        memset(changed, 0xFF, signature.len);
        assert_false(verifies(key, rows[i].alg, message, (Bytes){ changed, signature.len }));
    }
}

static void test_the_public_half_verifies_and_cannot_sign(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(key_free_auto) KeyRef *public = NULL;
        KeyPublic parts;
        Bytes signature;
        Err err;
        assert_true(key_public(arena, test_key(rows[i].which), &parts, &err));
        assert_true(key_from_public(&parts, &public, &err));
        assert_true(key_sign(test_key(rows[i].which), rows[i].alg, bytes_of(STR("m")), arena, &signature, &err));
        assert_true(verifies(public, rows[i].alg, bytes_of(STR("m")), signature));
        assert_false(key_sign(public, rows[i].alg, bytes_of(STR("m")), arena, &signature, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_an_algorithm_of_another_key_or_digest_length_names_the_field(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const struct { SignAlg alg; int which; } foreign[] = {
        { SIGN_ES256, TEST_RSA2048 }, { SIGN_RS256, TEST_P256 }, { SIGN_ES256, TEST_P384 }, { SIGN_ES256, TEST_P256K }, { SIGN_ES256K, TEST_P256 },
    };
    uint8_t digest[64] = { 0 };
    Bytes signature = { 0 };
    bool valid;
    Err err;
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        Bytes fitting = { digest, sign_alg_digest_size(foreign[i].alg) };
        assert_false(key_sign_digest(test_key(foreign[i].which), foreign[i].alg, fitting, arena, &signature, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "alg");
        assert_false(key_verify_digest(test_key(foreign[i].which), foreign[i].alg, fitting, signature, &valid, &err));
        assert_string_equal(err.target, "alg");
    }
    static const size_t lengths[] = { 0, 20, 31, 33, 48, 64 };
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_false(key_sign_digest(test_key(TEST_RSA2048), SIGN_RS256, (Bytes){ digest, lengths[i] }, arena, &signature, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "value");
    }
}

/* The openssl command checks ours: RSA as it is, PSS with salt = digest, EC after DER coding by the command's own tools. */
static void test_openssl_verifies_our_rsa_signatures(void **state)
{
    (void)state;
    static const struct { SignAlg alg; const char *digest, *options; } checks[] = {
        { SIGN_RS256, "sha256", "" }, { SIGN_RS384, "sha384", "" }, { SIGN_RS512, "sha512", "" },
        { SIGN_PS256, "sha256", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256" },
        { SIGN_PS384, "sha384", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48 -sigopt rsa_mgf1_md:sha384" },
        { SIGN_PS512, "sha512", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64 -sigopt rsa_mgf1_md:sha512" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Bytes spki, signature;
    Err err;
    assert_true(key_to_spki(arena, test_key(TEST_RSA2048), &spki, &err));
    tool_write("pub.der", spki);
    tool_write("message", bytes_of(STR("checked by another hand")));
    assert_true(tool_openssl(arena, NULL, "pkey -pubin -inform DER -in pub.der -pubout -out pub.pem"));
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        assert_true(key_sign(test_key(TEST_RSA2048), checks[i].alg, bytes_of(STR("checked by another hand")), arena, &signature, &err));
        tool_write("signature", signature);
        assert_true(tool_openssl(arena, NULL, "dgst -%s -verify pub.pem %s -signature signature message", checks[i].digest, checks[i].options));
    }
}

/* Published signatures (jws.rsp) verify: the part that tokens do not cover is in test_jwt.c. */
static void test_published_signatures_verify(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "jws.rsp");
    Vector v;
    size_t checked = 0;
    while (vectors_next(&vectors, &v)) {
        static const struct { const char *name; SignAlg alg; } algs[] = {
            { "RFC 7515 A.2", SIGN_RS256 }, { "RFC 7515 A.3", SIGN_ES256 }, { "RFC 7515 A.4", SIGN_ES512 }, { "RFC 7520 4.2", SIGN_PS384 },
        };
        AUTO(key_free_auto) KeyRef *key = NULL;
        bool rsa = vector_text(&v, "n").ptr;
        KeyPublic parts = { .kind = rsa ? KEY_RSA : KEY_EC, .curve = key_curve_parse(vector_text(&v, "crv")) };
        Str token = vector_text(&v, "Token");
        size_t dot = token.len;
        Bytes signature;
        Err err;
        if (rsa) {
            parts.n = vector_base64url(arena, &v, "n");
            parts.e = vector_base64url(arena, &v, "e");
        } else {
            parts.x = vector_base64url(arena, &v, "x");
            parts.y = vector_base64url(arena, &v, "y");
        }
        while (token.ptr[dot - 1] != '.')
            dot--;
        assert_true(key_from_public(&parts, &key, &err));
        assert_true(base64url_decode(arena, str_slice(token, dot, token.len), &signature, &err));
        for (size_t i = 0; i < COUNT_OF(algs); i++)
            if (str_eq(vector_text(&v, "Name"), str_from(algs[i].name))) {
                assert_true(verifies(key, algs[i].alg, bytes_of(str_slice(token, 0, dot - 1)), signature));
                checked++;
            }
    }
    assert_int_equal(checked, 4);
}

static const struct { WrapAlg alg; const char *name; size_t overhead; const char *options; } wraps[] = {
    { WRAP_RSA1_5, "RSA1_5", 11, "-pkeyopt rsa_padding_mode:pkcs1" },
    { WRAP_RSA_OAEP, "RSA-OAEP", 42, "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1" },
    { WRAP_RSA_OAEP_256, "RSA-OAEP-256", 66, "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256" },
};

static void test_what_is_wrapped_unwraps_up_to_the_limit(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    uint8_t value[512];
    memset(value, 0x5A, sizeof value);
    for (size_t i = 0; i < COUNT_OF(wraps); i++) {
        size_t most = 256 - wraps[i].overhead;
        size_t lengths[] = { 0, 1, 32, most };
        WrapAlg alg;
        Bytes wrapped;
        Err err;
        assert_true(wrap_alg_parse(str_from(wraps[i].name), &alg));
        assert_int_equal(alg, wraps[i].alg);
        for (size_t n = 0; n < COUNT_OF(lengths); n++) {
            AUTO(secret_free_auto) Secret *plain = NULL;
            assert_true(key_wrap(test_key(TEST_RSA2048), alg, (Bytes){ value, lengths[n] }, arena, &wrapped, &err));
            assert_int_equal(wrapped.len, 256);
            assert_true(key_unwrap(test_key(TEST_RSA2048), alg, wrapped, &plain, &err));
            assert_int_equal(secret_bytes(plain).len, lengths[n]);
            assert_memory_equal(secret_bytes(plain).ptr, value, lengths[n]);
        }
        assert_false(key_wrap(test_key(TEST_RSA2048), alg, (Bytes){ value, most + 1 }, arena, &wrapped, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "value");
    }
    WrapAlg alg;
    assert_false(wrap_alg_parse(STR("RSA-OAEP-512"), &alg));
    assert_false(wrap_alg_parse(STR("A256KW"), &alg));
}

/* One text for all causes: another key, another algorithm, a changed byte, a wrong length. */
static void test_every_refusal_to_unwrap_reads_the_same(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *other = NULL;
    AUTO(secret_free_auto) Secret *plain = NULL;
    Bytes wrapped;
    Err first = { 0 }, err = { 0 };
    assert_true(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &other, &err));
    assert_true(key_wrap(test_key(TEST_RSA2048), WRAP_RSA_OAEP_256, bytes_of(STR("k")), arena, &wrapped, &err));
    assert_false(key_unwrap(other, WRAP_RSA_OAEP_256, wrapped, &plain, &first));
    assert_int_equal(first.code, ERR_BAD_INPUT);

    assert_false(key_unwrap(test_key(TEST_RSA2048), WRAP_RSA_OAEP, wrapped, &plain, &err));
    assert_string_equal(err.text, first.text);
    assert_false(key_unwrap(test_key(TEST_RSA2048), WRAP_RSA_OAEP_256, (Bytes){ wrapped.ptr, 255 }, &plain, &err));
    assert_string_equal(err.text, first.text);
    assert_false(key_unwrap(test_key(TEST_RSA3072), WRAP_RSA_OAEP_256, wrapped, &plain, &err));
    assert_string_equal(err.text, first.text);
    assert_false(key_unwrap(test_key(TEST_RSA2048), WRAP_RSA_OAEP_256, (Bytes){ NULL, 0 }, &plain, &err));
    assert_string_equal(err.text, first.text);
    uint8_t changed[256];
    memcpy(changed, wrapped.ptr, sizeof changed);
    changed[17] ^= 1;
    assert_false(key_unwrap(test_key(TEST_RSA2048), WRAP_RSA_OAEP_256, (Bytes){ changed, sizeof changed }, &plain, &err));
    assert_string_equal(err.text, first.text);
    assert_null(plain);
}

/* RFC 8017 section 7.2.2 step 3. Some releases of OpenSSL make up a value instead of refusing (implicit rejection); the service refuses. */
static void test_blocks_of_the_wrong_form_do_not_unwrap(void **state)
{
    (void)state;
    static const struct { uint8_t first, second; size_t zero_at; bool is_good; } blocks[] = {
        { 0, 2, 10, true },             /* eight bytes of padding: the least */
        { 0, 2, 9, false }, { 0, 2, 2, false }, { 0, 2, 256, false }, { 0, 1, 10, false }, { 0, 0, 10, false }, { 1, 2, 10, false },
    };
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 12);
        AUTO(secret_free_auto) Secret *plain = NULL;
        uint8_t block[256 + 1], sealed[256];
        Err err = { 0 };
        memset(block, 0x11, sizeof block);
        block[0] = blocks[i].first;
        block[1] = blocks[i].second;
        block[blocks[i].zero_at] = 0;
        test_key_bare(test_key(TEST_RSA2048), false, (Bytes){ block, 256 }, sealed);
        assert_int_equal(key_unwrap(test_key(TEST_RSA2048), WRAP_RSA1_5, (Bytes){ sealed, sizeof sealed }, &plain, &err), blocks[i].is_good);
        if (blocks[i].is_good)
            assert_int_equal(secret_bytes(plain).len, 256 - 11);
        else
            assert_string_equal(err.text, "value does not unwrap with this key and algorithm");
    }
}

static void test_wrapping_needs_rsa_and_unwrapping_the_private_half(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *public = NULL;
    Secret *plain = NULL;
    KeyPublic parts;
    Bytes wrapped;
    Err err;
    assert_false(key_wrap(test_key(TEST_P256), WRAP_RSA_OAEP, bytes_of(STR("k")), arena, &wrapped, &err));
    assert_string_equal(err.target, "alg");
    assert_true(key_public(arena, test_key(TEST_RSA2048), &parts, &err));
    assert_true(key_from_public(&parts, &public, &err));
    assert_true(key_wrap(public, WRAP_RSA_OAEP, bytes_of(STR("k")), arena, &wrapped, &err));
    assert_false(key_unwrap(public, WRAP_RSA_OAEP, wrapped, &plain, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_null(plain);
}

static void test_openssl_unwraps_ours_and_we_unwrap_its(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Err err;
    assert_true(key_to_pkcs8(test_key(TEST_RSA2048), &pkcs8, &err));
    tool_write("k.der", secret_bytes(pkcs8));
    tool_write("value", bytes_of(STR("a content key")));
    for (size_t i = 0; i < COUNT_OF(wraps); i++) {
        AUTO(secret_free_auto) Secret *plain = NULL;
        Bytes wrapped;
        assert_true(key_wrap(test_key(TEST_RSA2048), wraps[i].alg, bytes_of(STR("a content key")), arena, &wrapped, &err));
        tool_write("ours", wrapped);
        assert_true(tool_openssl(arena, NULL, "pkeyutl -decrypt -keyform DER -inkey k.der %s -in ours -out back", wraps[i].options));
        assert_str(str_of(tool_read(arena, "back")), "a content key");
        assert_true(tool_openssl(arena, NULL, "pkeyutl -encrypt -keyform DER -inkey k.der %s -in value -out theirs", wraps[i].options));
        assert_true(key_unwrap(test_key(TEST_RSA2048), wraps[i].alg, tool_read(arena, "theirs"), &plain, &err));
        assert_str(str_of(secret_bytes(plain)), "a content key");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm_has_its_name_and_sizes),
        cmocka_unit_test(test_signatures_verify_and_nothing_else_does),
        cmocka_unit_test(test_the_public_half_verifies_and_cannot_sign),
        cmocka_unit_test(test_an_algorithm_of_another_key_or_digest_length_names_the_field),
        cmocka_unit_test(test_openssl_verifies_our_rsa_signatures),
        cmocka_unit_test(test_published_signatures_verify),
        cmocka_unit_test(test_what_is_wrapped_unwraps_up_to_the_limit),
        cmocka_unit_test(test_every_refusal_to_unwrap_reads_the_same),
        cmocka_unit_test(test_blocks_of_the_wrong_form_do_not_unwrap),
        cmocka_unit_test(test_wrapping_needs_rsa_and_unwrapping_the_private_half),
        cmocka_unit_test(test_openssl_unwraps_ours_and_we_unwrap_its),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
