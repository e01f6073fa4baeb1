/* test_p11_oct.c - symmetric keys in the token: the vectors of the software ones, the same refusals, and nothing of a key outside of the token. */
#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include "../crypto/oct_vectors.h"
#include "../crypto/vectors.h"
#include "base/id.h"
#include "crypto/keys/key_raw.h"
#include "pkcs11/p11_own.h"
#include "softhsm.h"

static P11Token *token;
static const int sizes[] = { 128, 192, 256 };

static KeyRef *made(Arena *arena, int bits, P11New *as, Bytes *wrapped)
{
    KeyRef *key = NULL;
    Err err = { 0 };
    *as = softhsm_new_key(arena);
    if (!p11_make(token, as, (KeySpec){ .kind = KEY_OCT, .oct_bits = bits }, &key, wrapped, &err))
        fail_msg("%d bits: %s", bits, err.text);
    return key;
}

static KeyRef *taken(Arena *arena, Bytes octets, P11New *as)
{
    AUTO(key_free_auto) KeyRef *software = NULL;
    KeyRef *key = NULL;
    Bytes wrapped;
    Err err = { 0 };
    *as = softhsm_new_key(arena);
    assert_true(key_oct_from_bytes(octets, &software, &err));
    if (!p11_take(token, as, software, &key, &wrapped, &err))
        fail_msg("%zu bytes: %s", octets.len, err.text);
    assert_int_equal(key_spec(key).oct_bits, 8 * octets.len);
    assert_true(key_is_elsewhere(key));
    return key;
}

static void erase(KeyRef *key, P11New as)
{
    bool has = true;
    Err err = { 0 };
    key_free(key);
    assert_true(p11_erase(token, as.id, &err));
    assert_true(p11_has(token, as.id, &has, &err) && !has);
}

static P11New taken_as;
static Arena *taken_arena;

static KeyRef *take(Bytes octets)
{
    taken_arena = arena_new(1 << 20);
    return taken(taken_arena, octets, &taken_as);
}

static void leave(KeyRef *key)
{
    erase(key, taken_as);
    arena_free(TAKE(taken_arena));
}

static const OctPlace in_token = { take, leave };

static void test_key_wraps_of_the_rfcs(void **state)
{
    (void)state;
    oct_wraps_as_published(&in_token);
}

static void test_cbc_of_sp800_38a(void **state)
{
    (void)state;
    oct_cbc_as_published(&in_token);
}

static void test_gcm_of_its_specification_and_of_cavp_opens(void **state)
{
    (void)state;
    oct_gcm_as_published(&in_token);
}

static void test_hs256_of_rfc_7520_and_what_the_token_has_not(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "rfc7520-hs256.rsp");
    Vector v;
    P11New as;
    Bytes mac, wrapped;
    Err err = { 0 };
    assert_true(vectors_next(&vectors, &v));
    KeyRef *key = taken(arena, vector_base64url(arena, &v, "k"), &as);
    if (!key_mac(key, MAC_HS256, bytes_of(vector_text(&v, "Input")), arena, &mac, &err))
        fail_msg("%s", err.text);
    same(mac, vector_base64url(arena, &v, "Mac"));
    /* SoftHSM2 authenticates with keys as long as the digest alone. */
    assert_false(key_mac(key, MAC_HS512, bytes_of(STR("x")), arena, &mac, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.target, "alg");
    assert_string_equal(err.text, "the token that holds this key does not do HS512 with it (CKR_KEY_SIZE_RANGE)");
    erase(key, as);
    key = made(arena, 128, &as, &wrapped);
    assert_false(key_mac(key, MAC_HS256, bytes_of(STR("x")), arena, &mac, &err));
    assert_string_equal(err.target, "alg");
    erase(key, as);
}

/* Every algorithm with keys made in the token, of lengths at and around its blocks. */
static void test_what_a_made_key_encrypts_it_decrypts(void **state)
{
    (void)state;
    static const char *const names[] = { "GCM", "CBC", "CBCPAD", "KW" };
    static const size_t lengths[] = { 0, 1, 15, 16, 17, 32, 100, 1024, AES_WRAP_MOST, AES_WRAP_MOST + 8, CIPHER_VALUE_MAX };
    uint8_t *data = malloc(CIPHER_VALUE_MAX);
    assert_non_null(data);
    random_fill(data, CIPHER_VALUE_MAX);
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(32 << 20);
        P11New as;
        Bytes wrapped;
        KeyRef *key = made(arena, sizes[s], &as, &wrapped);
        assert_true(wrapped.len > 0);
        for (size_t a = 0; a < COUNT_OF(names) + 1; a++)
            for (size_t l = 0; l < COUNT_OF(lengths); l++) {
                CipherAlg alg = a < COUNT_OF(names) ? alg_of(str_printf(arena, "A%d%s", sizes[s], names[a])) : CIPHER_CKM_AES_KEY_WRAP_PAD;
                Bytes plain = { data, lengths[l] }, aad = alg <= CIPHER_A256GCM ? (Bytes){ data, lengths[l] % 50 } : (Bytes){ 0 };
                bool fits = a == 0 || a == 2 || (a == 1 && plain.len % 16 == 0) || (a == 3 && plain.len >= 16 && plain.len % 8 == 0 && plain.len <= AES_WRAP_MOST) ||
                            (a == 4 && plain.len && plain.len <= AES_WRAP_MOST);
                CipherText text;
                Err err = { 0 };
                bool good = key_encrypt(key, alg, plain, (Bytes){ 0 }, aad, arena, &text, &err);
                if (good != fits)
                    fail_msg(STR_FMT " of %zu bytes: %s", STR_ARG(cipher_alg_name(alg)), plain.len, good ? "done" : err.text);
                if (good) {
                    opens(key, alg, &text, plain);
                    continue;
                }
                assert_int_equal(err.code, ERR_BAD_INPUT);
                assert_string_equal(err.target, "value");
            }
        erase(key, as);
    }
    free(data);
}

static void test_the_token_shows_a_key_and_lets_none_out(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(secret_free_auto) Secret *octets = NULL;
        P11New as;
        Bytes wrapped;
        char args[200];
        Err err = { 0 };
        KeyRef *key = made(arena, sizes[s], &as, &wrapped);
        assert_false(key_oct_bytes(key, &octets, &err));
        (void)snprintf(args, sizeof args, "--list-objects --type secrkey --id %s", softhsm_id_hex(as.id));
        assert_true(softhsm_shows("one", args, "sensitive"));
        assert_true(softhsm_shows("one", args, "a test's key"));
        assert_true(softhsm_shows("one", args, "Usage:      encrypt, decrypt\n"));
        assert_false(softhsm_shows("one", args, "extractable") && !softhsm_shows("one", args, "never extractable"));
        assert_int_equal(softhsm_secret_keys("one"), 1);
        erase(key, as);
    }
    assert_int_equal(softhsm_secret_keys("one"), 0);
}

static void test_a_wrapping_restores_the_key_and_no_other_bytes_do(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    P11New as, again = softhsm_new_key(arena);
    Bytes wrapped;
    KeyRef *key = made(arena, 192, &as, &wrapped), *back = NULL, *none = NULL;
    const KeyPublic about = { .kind = KEY_OCT, .oct_bits = 192 };
    uint8_t changed[64];
    CipherText text;
    Err err = { 0 };
    assert_true(key_encrypt(key, CIPHER_A192GCM, bytes_of(STR("kept")), (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err));
    erase(key, as);
    if (!p11_restore(token, &again, &about, wrapped, &back, &err))
        fail_msg("%s", err.text);
    opens(back, CIPHER_A192GCM, &text, bytes_of(STR("kept")));
    erase(back, again);
    assert_in_range(wrapped.len, 24, sizeof changed);
    memcpy(changed, wrapped.ptr, wrapped.len);
    changed[3] ^= 1;
    assert_false(p11_restore(token, &again, &about, (Bytes){ changed, wrapped.len }, &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_int_equal(softhsm_secret_keys("one"), 0);
}

static void test_a_transfer_is_opened_in_the_token(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *kek = NULL;
    P11New kek_as = softhsm_new_key(arena);
    Bytes wrapped;
    Err err = { 0 };
    assert_true(p11_make(token, &kek_as, (KeySpec){ .kind = KEY_RSA, .rsa_bits = 3072 }, &kek, &wrapped, &err));
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        AUTO(key_free_auto) KeyRef *software = NULL;
        AUTO(key_free_auto) KeyRef *ec = NULL;
        P11New as = softhsm_new_key(arena);
        KeyRef *key = NULL, *none = NULL;
        CipherAlg alg = s == 0 ? CIPHER_A128GCM : s == 1 ? CIPHER_A192GCM : CIPHER_A256GCM;
        CipherText text;
        Bytes blob;
        assert_true(key_oct_generate((KeySpec){ .kind = KEY_OCT, .oct_bits = sizes[s] }, &software, &err));
        assert_true(key_to_transfer(software, kek, arena, &blob, &err));
        if (!p11_transfer(token, &as, kek_as.id, KEY_OCT, blob, &key, &wrapped, &err))
            fail_msg("%d bits: %s", sizes[s], err.text);
        assert_int_equal(key_spec(key).oct_bits, sizes[s]);
        assert_true(key_encrypt(software, alg, bytes_of(STR("both")), (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err));
        opens(key, alg, &text, bytes_of(STR("both")));
        erase(key, as);
        ((uint8_t *)(uintptr_t)blob.ptr)[blob.len - 1] ^= 1;
        assert_false(p11_transfer(token, &as, kek_as.id, KEY_OCT, blob, &none, &wrapped, &err));
        assert_string_equal(err.target, "key.key_hsm");
        assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &ec, &err));      /* bytes enough, but no AES key */
        assert_true(key_to_transfer(ec, kek, arena, &blob, &err));
        assert_false(p11_transfer(token, &as, kek_as.id, KEY_OCT, blob, &none, &wrapped, &err));
        assert_string_equal(err.target, "key.key_hsm");
        assert_int_equal(softhsm_secret_keys("one"), 0);
    }
    assert_true(p11_erase(token, kek_as.id, &err));
}

static int start(void **state)
{
    (void)state;
    softhsm_setup();
    softhsm_token("one");
    token = softhsm_open("one");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    p11_close(token);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_wraps_of_the_rfcs),
        cmocka_unit_test(test_cbc_of_sp800_38a),
        cmocka_unit_test(test_gcm_of_its_specification_and_of_cavp_opens),
        cmocka_unit_test(test_hs256_of_rfc_7520_and_what_the_token_has_not),
        cmocka_unit_test(test_what_a_made_key_encrypts_it_decrypts),
        cmocka_unit_test(test_the_token_shows_a_key_and_lets_none_out),
        cmocka_unit_test(test_a_wrapping_restores_the_key_and_no_other_bytes_do),
        cmocka_unit_test(test_a_transfer_is_opened_in_the_token),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
