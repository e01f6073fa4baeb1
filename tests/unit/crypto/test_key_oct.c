/* test_key_oct.c - symmetric keys: published vectors, what each algorithm refuses, and the openssl command as a second opinion. */
#include "../cm.h"
#include "base/encode.h"
#include "oct_vectors.h"
#include "tool.h"
#include "vectors.h"

static KeyRef *key_of(Bytes octets)
{
    KeyRef *key = NULL;
    Err err = { 0 };
    if (!key_oct_from_bytes(octets, &key, &err))
        fail_msg("%s", err.text);
    return key;
}

static const OctPlace here = { key_of, key_free };

static void test_key_wraps_of_the_rfcs(void **state)
{
    (void)state;
    oct_wraps_as_published(&here);
}

static void test_cbc_of_sp800_38a(void **state)
{
    (void)state;
    oct_cbc_as_published(&here);
}

static void test_gcm_of_its_specification_and_of_cavp_opens(void **state)
{
    (void)state;
    oct_gcm_as_published(&here);
}

static void test_each_gcm_encryption_has_an_iv_of_its_own(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    uint8_t octets[32] = { 1 };
    for (size_t len = 16; len <= 32; len += 8) {
        AUTO(key_free_auto) KeyRef *key = key_of((Bytes){ octets, len });
        CipherAlg alg = len == 16 ? CIPHER_A128GCM : len == 24 ? CIPHER_A192GCM : CIPHER_A256GCM;
        AUTO(secret_free_auto) Secret *plain = NULL;
        CipherText a, b;
        Err err = { 0 };
        assert_true(key_encrypt(key, alg, bytes_of(STR("x")), (Bytes){ 0 }, bytes_of(STR("aad")), arena, &a, &err));
        assert_true(key_encrypt(key, alg, bytes_of(STR("x")), (Bytes){ 0 }, bytes_of(STR("aad")), arena, &b, &err));
        assert_int_equal(a.iv.len, CIPHER_GCM_IV);
        assert_memory_not_equal(a.iv.ptr, b.iv.ptr, CIPHER_GCM_IV);
        assert_true(key_decrypt(key, alg, &a, &plain, &err));
        same(secret_bytes(plain), bytes_of(STR("x")));
        same(a.aad, bytes_of(STR("aad")));
    }
}

static void test_hs256_of_rfc_7520(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "rfc7520-hs256.rsp");
    Vector v;
    Bytes mac;
    Err err = { 0 };
    assert_true(vectors_next(&vectors, &v));
    AUTO(key_free_auto) KeyRef *key = key_of(vector_base64url(arena, &v, "k"));
    assert_true(key_mac(key, MAC_HS256, bytes_of(vector_text(&v, "Input")), arena, &mac, &err));
    same(mac, vector_base64url(arena, &v, "Mac"));
}

static void test_openssl_makes_the_same_macs(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const struct { MacAlg alg; const char *name, *digest; } rows[] = { { MAC_HS256, "HS256", "sha256" }, { MAC_HS384, "HS384", "sha384" }, { MAC_HS512, "HS512", "sha512" } };
    uint8_t octets[24] = { 0xf0, 1, 2 };
    AUTO(key_free_auto) KeyRef *key = key_of((Bytes){ octets, sizeof octets });
    tool_write("message", bytes_of(STR("what is authenticated")));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        MacAlg alg;
        Bytes mac;
        Str said;
        Err err = { 0 };
        assert_true(mac_alg_parse(str_from(rows[i].name), &alg) && alg == rows[i].alg);
        assert_true(key_mac(key, alg, bytes_of(STR("what is authenticated")), arena, &mac, &err));
        assert_int_equal(mac.len, mac_alg_size(alg));
        assert_true(tool_openssl(arena, &said, "dgst -%s -mac HMAC -macopt hexkey:" STR_FMT " message", rows[i].digest,
                                 STR_ARG(hex_encode(arena, (Bytes){ octets, sizeof octets }))));
        size_t at;
        assert_true(str_find(said, hex_encode(arena, mac), &at));
    }
}

static void test_uses_that_do_not_fit_are_refused_by_field(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const uint8_t zeros[64];
    AUTO(key_free_auto) KeyRef *key = key_of((Bytes){ zeros, 32 });
    static const struct { CipherAlg alg; size_t plain, iv, aad; const char *field; } encrypts[] = {
        { CIPHER_A128GCM, 16, 0, 0, "alg" },    { CIPHER_A192CBC, 16, 16, 0, "alg" },      { CIPHER_A128KW, 16, 0, 0, "alg" },
        { CIPHER_A256GCM, 16, 12, 0, "iv" },    { CIPHER_A256CBC, 16, 8, 0, "iv" },        { CIPHER_A256CBCPAD, 16, 12, 0, "iv" },
        { CIPHER_A256CBC, 15, 16, 0, "value" }, { CIPHER_A256CBC, 16, 16, 1, "aad" },      { CIPHER_A256KW, 8, 0, 0, "value" },
        { CIPHER_A256KW, 17, 0, 0, "value" },   { CIPHER_CKM_AES_KEY_WRAP_PAD, 0, 0, 0, "value" }, { CIPHER_A256KW, 16, 16, 0, "iv" },
    };
    for (size_t i = 0; i < COUNT_OF(encrypts); i++) {
        CipherText text;
        Err err = { 0 };
        assert_false(key_encrypt(key, encrypts[i].alg, (Bytes){ zeros, encrypts[i].plain }, (Bytes){ zeros, encrypts[i].iv },
                                 (Bytes){ zeros, encrypts[i].aad }, arena, &text, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, encrypts[i].field);
    }
    static const struct { CipherAlg alg; size_t value, iv, tag, aad; const char *field; } decrypts[] = {
        { CIPHER_A256CBC, 16, 0, 0, 0, "iv" },
        { CIPHER_A256GCM, 16, 16, 16, 0, "iv" },   { CIPHER_A256GCM, 16, 12, 12, 0, "tag" },   { CIPHER_A256CBC, 16, 16, 16, 0, "tag" },
        { CIPHER_A256CBC, 16, 16, 0, 3, "aad" },   { CIPHER_A256CBC, 17, 16, 0, 0, "value" },  { CIPHER_A256CBCPAD, 0, 16, 0, 0, "value" },
        { CIPHER_A256KW, 16, 0, 0, 0, "value" },   { CIPHER_A256KW, 0, 0, 0, 0, "value" },     { CIPHER_CKM_AES_KEY_WRAP_PAD, 8, 0, 0, 0, "value" },
    };
    for (size_t i = 0; i < COUNT_OF(decrypts); i++) {
        CipherText text = { { zeros, decrypts[i].value }, { zeros, decrypts[i].iv }, { zeros, decrypts[i].tag }, { zeros, decrypts[i].aad } };
        Secret *plain = NULL;
        Err err = { 0 };
        assert_false(key_decrypt(key, decrypts[i].alg, &text, &plain, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, decrypts[i].field);
    }
    static const size_t lengths[] = { 0, 8, 15, 17, 31, 33, 64 };
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        KeyRef *none;
        Err err = { 0 };
        assert_false(key_oct_from_bytes((Bytes){ zeros, lengths[i] }, &none, &err));
        assert_string_equal(err.target, "k");
    }
    KeySpec spec;
    Err err = { 0 };
    assert_false(key_oct_spec(512, &spec, &err));
    assert_true(key_oct_spec(0, &spec, &err));
    assert_int_equal(spec.oct_bits, 256);
}

/* Padding makes the longest value longer. */
static void test_the_longest_value_comes_back(void **state)
{
    (void)state;
    static const CipherAlg algs[] = { CIPHER_A128GCM, CIPHER_A128CBC, CIPHER_A128CBCPAD, CIPHER_A128KW, CIPHER_CKM_AES_KEY_WRAP_PAD };
    AUTO(arena_free_auto) Arena *arena = arena_new(32 << 20);
    AUTO(key_free_auto) KeyRef *key = key_of((Bytes){ (const uint8_t *)"0123456789abcdef", 16 });
    Bytes longest = { arena_alloc(arena, CIPHER_VALUE_MAX + 1), CIPHER_VALUE_MAX };
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(secret_free_auto) Secret *plain = NULL;
        CipherText text;
        Err err = { 0 };
        assert_true(key_encrypt(key, algs[i], longest, (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err));
        if (!key_decrypt(key, algs[i], &text, &plain, &err))
            fail_msg("algorithm %zu: %s", i, err.text);
        same(secret_bytes(plain), longest);
        assert_false(key_encrypt(key, algs[i], (Bytes){ longest.ptr, longest.len + 1 }, (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err));
        assert_string_equal(err.target, "value");
    }
}

/* A symmetric key asked for what only others can, and another key asked for what only it can. */
static void test_kinds_do_not_mix(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const uint8_t zeros[32];
    AUTO(key_free_auto) KeyRef *oct = key_of((Bytes){ zeros, 32 });
    AUTO(key_free_auto) KeyRef *ec = NULL;
    AUTO(secret_free_auto) Secret *der = NULL;
    Err err = { 0 };
    Bytes out;
    CipherText text;
    KeyPublic parts;
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &ec, &err));
    assert_false(key_sign_digest(oct, SIGN_ES256, (Bytes){ zeros, 32 }, arena, &out, &err));
    assert_false(key_wrap(oct, WRAP_RSA_OAEP, (Bytes){ zeros, 32 }, arena, &out, &err));
    assert_false(key_unwrap(oct, WRAP_RSA_OAEP, (Bytes){ zeros, 32 }, &der, &err));
    assert_false(key_to_pkcs8(oct, &der, &err));
    assert_false(key_to_spki(arena, oct, &out, &err));
    assert_false(key_public(arena, oct, &parts, &err));
    assert_false(key_same_public(oct, oct));
    assert_false(key_encrypt(ec, CIPHER_A256KW, (Bytes){ zeros, 32 }, (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err));
    assert_false(key_mac(ec, MAC_HS256, (Bytes){ zeros, 32 }, arena, &out, &err));
    assert_false(key_oct_bytes(ec, &der, &err));
}

/* ---- keys whose private half is elsewhere ---- */

typedef struct Elsewhere { KeyRef *inner; int done; } Elsewhere;
static bool away_sign(void *self, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err) { return key_sign_digest(((Elsewhere *)self)->inner, alg, digest, arena, signature, err); }
static bool away_unwrap(void *self, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err) { return key_unwrap(((Elsewhere *)self)->inner, alg, wrapped, plain, err); }
static bool away_mac(void *self, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err) { return key_mac(((Elsewhere *)self)->inner, alg, data, arena, mac, err); }
static void away_done(void *self) { ((Elsewhere *)self)->done++; }
static const KeyDoer away = { .sign = away_sign, .unwrap = away_unwrap, .mac = away_mac, .done = away_done };

static void test_a_doer_does_the_private_operations(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const uint8_t zeros[32];
    AUTO(key_free_auto) KeyRef *rsa = NULL;
    AUTO(key_free_auto) KeyRef *oct = key_of((Bytes){ zeros, 32 });
    AUTO(secret_free_auto) Secret *plain = NULL;
    Elsewhere place = { 0 }, oct_place = { .inner = oct };
    KeyRef *key, *oct_key;
    KeyPublic parts;
    Bytes out, mac = { 0 }, expected = { 0 };
    bool valid = false;
    Err err = { 0 };
    assert_true(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &rsa, &err) && key_public(arena, rsa, &parts, &err));
    place.inner = rsa;
    assert_true(key_from_doer(&parts, &away, &place, &key, &err));
    assert_true(key_is_private(key) && key_is_elsewhere(key) && !key_is_elsewhere(rsa));
    assert_true(key_sign_digest(key, SIGN_PS256, (Bytes){ zeros, 32 }, arena, &out, &err));
    assert_true(key_verify_digest(key, SIGN_PS256, (Bytes){ zeros, 32 }, out, &valid, &err) && valid);
    assert_true(key_wrap(key, WRAP_RSA_OAEP_256, (Bytes){ zeros, 32 }, arena, &out, &err) && key_unwrap(key, WRAP_RSA_OAEP_256, out, &plain, &err));
    same(secret_bytes(plain), (Bytes){ zeros, 32 });
    Secret *none = NULL;
    assert_false(key_to_pkcs8(key, &none, &err));
    key_free(key_share(key));
    assert_int_equal(place.done, 0);
    key_free(key);
    assert_int_equal(place.done, 1);

    assert_true(key_oct_from_doer(256, &away, &oct_place, &oct_key, &err));
    assert_true(key_mac(oct_key, MAC_HS512, (Bytes){ zeros, 3 }, arena, &mac, &err) && key_mac(oct, MAC_HS512, (Bytes){ zeros, 3 }, arena, &expected, &err));
    same(mac, expected);
    assert_false(key_oct_bytes(oct_key, &none, &err));
    key_free(oct_key);
    assert_int_equal(oct_place.done, 1);

    parts.n.len = 1;                                        /* no key: self is let go all the same */
    assert_false(key_from_doer(&parts, &away, &place, &key, &err));
    assert_int_equal(place.done, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_wraps_of_the_rfcs),
        cmocka_unit_test(test_cbc_of_sp800_38a),
        cmocka_unit_test(test_gcm_of_its_specification_and_of_cavp_opens),
        cmocka_unit_test(test_each_gcm_encryption_has_an_iv_of_its_own),
        cmocka_unit_test(test_hs256_of_rfc_7520),
        cmocka_unit_test(test_openssl_makes_the_same_macs),
        cmocka_unit_test(test_uses_that_do_not_fit_are_refused_by_field),
        cmocka_unit_test(test_the_longest_value_comes_back),
        cmocka_unit_test(test_kinds_do_not_mix),
        cmocka_unit_test(test_a_doer_does_the_private_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
