#include "../cm.h"
#include <stdio.h>
#include "base/id.h"
#include "crypto/keys/key_raw.h"
#include "softhsm.h"

static P11Token *token;
static const KeySpec specs[] = { { .kind = KEY_RSA, .rsa_bits = 2048 }, { .kind = KEY_RSA, .rsa_bits = 3072 }, { .kind = KEY_RSA, .rsa_bits = 4096 },
                                 { .kind = KEY_EC, .curve = CURVE_P256 }, { .kind = KEY_EC, .curve = CURVE_P384 }, { .kind = KEY_EC, .curve = CURVE_P521 },
                                 { .kind = KEY_EC, .curve = CURVE_P256K } };
enum { SLOW_FROM = 1, SLOW_UNTIL = 2 };         /* large RSA keys: made once, that is enough of the waiting */
static const SignAlg sign_algs[] = { SIGN_RS256, SIGN_RS384, SIGN_RS512, SIGN_PS256, SIGN_PS384, SIGN_PS512, SIGN_ES256, SIGN_ES384, SIGN_ES512, SIGN_ES256K };

/* Every algorithm that fits signs, and the public half, which OpenSSL has, agrees. */
static void assert_signs(KeyRef *key)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    int fitting = 0;
    for (size_t i = 0; i < COUNT_OF(sign_algs); i++) {
        uint8_t digest[64];
        Bytes given = { digest, sign_alg_digest_size(sign_algs[i]) }, signature;
        bool valid = false;
        Err err = { 0 };
        if (!sign_alg_fits(sign_algs[i], key_spec(key)))
            continue;
        random_fill(digest, sizeof digest);
        if (!key_sign_digest(key, sign_algs[i], given, arena, &signature, &err))
            fail_msg(STR_FMT ": %s", STR_ARG(sign_alg_name(sign_algs[i])), err.text);
        assert_true(key_verify_digest(key, sign_algs[i], given, signature, &valid, &err));
        assert_true(valid);
        digest[0] ^= 1;
        assert_true(key_verify_digest(key, sign_algs[i], given, signature, &valid, &err));
        assert_false(valid);
        fitting++;
    }
    assert_int_equal(fitting, key_spec(key).kind == KEY_RSA ? 6 : 1);
}

static void assert_unwraps(KeyRef *key)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    static const WrapAlg algs[] = { WRAP_RSA1_5, WRAP_RSA_OAEP, WRAP_RSA_OAEP_256 };
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(secret_free_auto) Secret *plain = NULL;
        AUTO(secret_free_auto) Secret *none = NULL;
        Bytes wrapped;
        Err err = { 0 };
        assert_true(key_wrap(key, algs[i], bytes_of(STR("a content key")), arena, &wrapped, &err));
        if (!key_unwrap(key, algs[i], wrapped, &plain, &err))
            fail_msg("algorithm %d: %s", algs[i], err.text);
        assert_str(str_of(secret_bytes(plain)), "a content key");
        /* Whatever is wrong with a value, the answer is the same. 1 opens to 1; a value changed anyhow may, by chance, be well padded for RSA1_5. */
        uint8_t *bytes = (uint8_t *)(uintptr_t)wrapped.ptr;
        memset(bytes, 0, wrapped.len);
        bytes[wrapped.len - 1] = 1;
        for (size_t len = wrapped.len; len + 2 > wrapped.len; len--) {
            assert_false(key_unwrap(key, algs[i], (Bytes){ wrapped.ptr, len }, &none, &err));
            assert_int_equal(err.code, ERR_BAD_INPUT);
            assert_string_equal(err.text, "value does not unwrap with this key and algorithm");
            assert_string_equal(err.target, "value");
        }
        memset(bytes, 0xFF, wrapped.len);                   /* larger than the modulus */
        assert_false(key_unwrap(key, algs[i], wrapped, &none, &err));
        assert_string_equal(err.text, "value does not unwrap with this key and algorithm");
    }
}

static void test_every_kind_is_made_used_and_erased(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *key = NULL;
        AUTO(secret_free_auto) Secret *pkcs8 = NULL;
        P11New as = softhsm_new_key(arena);
        Bytes wrapped = { 0 }, signature;
        uint8_t digest[64] = { 1 };
        bool has = false;
        Err err = { 0 };
        if (!p11_make(token, &as, specs[i], &key, &wrapped, &err))
            fail_msg("kind %zu: %s", i, err.text);
        assert_true(wrapped.len > 0);
        assert_int_equal(key_spec(key).rsa_bits, specs[i].rsa_bits);
        assert_int_equal(key_spec(key).curve, specs[i].curve);
        assert_true(key_is_private(key) && key_is_elsewhere(key));
        assert_false(key_to_pkcs8(key, &pkcs8, &err));
        assert_signs(key);
        if (specs[i].kind == KEY_RSA)
            assert_unwraps(key);
        assert_true(p11_has(token, as.id, &has, &err) && has);
        assert_true(p11_erase(token, as.id, &err));
        assert_true(p11_has(token, as.id, &has, &err) && !has);
        assert_true(p11_erase(token, as.id, &err));           /* once more is fine */
        SignAlg alg = specs[i].kind == KEY_RSA ? SIGN_RS256 : specs[i].curve == CURVE_P256 ? SIGN_ES256 : specs[i].curve == CURVE_P384 ? SIGN_ES384 :
                      specs[i].curve == CURVE_P521 ? SIGN_ES512 : SIGN_ES256K;
        assert_false(key_sign_digest(key, alg, (Bytes){ digest, sign_alg_digest_size(alg) }, arena, &signature, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
    }
}

static void test_the_token_never_lets_a_key_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(specs); i += 3) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *key = NULL;
        P11New as = softhsm_new_key(arena);
        Bytes wrapped;
        char args[200];
        Err err = { 0 };
        assert_true(p11_make(token, &as, specs[i], &key, &wrapped, &err));
        (void)snprintf(args, sizeof args, "--list-objects --type privkey --id %s", softhsm_id_hex(as.id));
        assert_true(softhsm_shows("one", args, "sensitive"));
        assert_false(softhsm_shows("one", args, "extractable") && !softhsm_shows("one", args, "never extractable"));
        assert_true(softhsm_shows("one", args, "a test's key"));
        assert_true(p11_erase(token, as.id, &err));
    }
}

static void test_a_key_opens_again_by_its_id(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *made = NULL;
    AUTO(key_free_auto) KeyRef *opened = NULL;
    P11New as = softhsm_new_key(arena);
    KeyPublic open;
    Bytes wrapped;
    Err err = { 0 };
    assert_true(p11_make(token, &as, specs[0], &made, &wrapped, &err));
    assert_true(key_public(arena, made, &open, &err));
    assert_true(p11_key_open(token, as.id, &open, wrapped, &opened, &err));
    assert_signs(opened);
    assert_unwraps(opened);
    assert_true(p11_erase(token, as.id, &err));
}

static void test_a_key_of_this_process_is_taken_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(specs); i = i + 1 == SLOW_FROM ? SLOW_UNTIL + 1 : i + 1) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *software = NULL;
        AUTO(key_free_auto) KeyRef *key = NULL;
        P11New as = softhsm_new_key(arena);
        Bytes wrapped;
        Err err = { 0 };
        assert_true(key_generate(specs[i], &software, &err));
        if (!p11_take(token, &as, software, &key, &wrapped, &err))
            fail_msg("kind %zu: %s", i, err.text);
        assert_true(key_same_public(key, software) && key_is_elsewhere(key));
        assert_signs(key);
        assert_true(p11_erase(token, as.id, &err));
    }
}

static void test_a_transfer_is_opened_in_the_token(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *kek = NULL;
    P11New kek_as = softhsm_new_key(arena);
    Bytes wrapped;
    Err err = { 0 };
    assert_true(p11_make(token, &kek_as, specs[1], &kek, &wrapped, &err));
    for (size_t i = 0; i < COUNT_OF(specs); i = i + 1 == SLOW_FROM ? SLOW_UNTIL + 1 : i + 1) {
        AUTO(key_free_auto) KeyRef *software = NULL;
        AUTO(key_free_auto) KeyRef *key = NULL;
        AUTO(key_free_auto) KeyRef *none = NULL;
        P11New as = softhsm_new_key(arena);
        bool has = true;
        Bytes blob;
        assert_true(key_generate(specs[i], &software, &err));
        assert_true(key_to_transfer(software, kek, arena, &blob, &err));
        if (!p11_transfer(token, &as, kek_as.id, specs[i].kind, blob, &key, &wrapped, &err))
            fail_msg("kind %zu: %s", i, err.text);
        assert_true(key_same_public(key, software));                    /* of an EC key: found by what it signs */
        assert_true(wrapped.len > 0);
        assert_signs(key);
        assert_true(p11_erase(token, as.id, &err));

        /* Refusals: a byte changed in either part, cut off, another kind, another key exchange key. Nothing stays in the token. */
        uint8_t *changed = (uint8_t *)(uintptr_t)blob.ptr;
        const size_t at[] = { 0, blob.len / 2, blob.len - 1 };
        for (size_t a = 0; a < COUNT_OF(at); a++) {
            changed[at[a]] ^= 1;
            assert_false(p11_transfer(token, &as, kek_as.id, specs[i].kind, blob, &none, &wrapped, &err));
            assert_int_equal(err.code, ERR_BAD_INPUT);
            assert_string_equal(err.target, "key.key_hsm");
            changed[at[a]] ^= 1;
        }
        assert_false(p11_transfer(token, &as, kek_as.id, specs[i].kind, (Bytes){ blob.ptr, 3072 / 8 }, &none, &wrapped, &err));
        assert_false(p11_transfer(token, &as, kek_as.id, specs[i].kind, (Bytes){ blob.ptr, 0 }, &none, &wrapped, &err));
        assert_false(p11_transfer(token, &as, kek_as.id, specs[i].kind == KEY_RSA ? KEY_EC : KEY_RSA, blob, &none, &wrapped, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_false(p11_transfer(token, &as, p11_id_new(), specs[i].kind, blob, &none, &wrapped, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_true(p11_has(token, as.id, &has, &err) && !has);
    }
    assert_true(p11_erase(token, kek_as.id, &err));
}

static void test_a_wrapping_restores_the_key_here_and_nowhere_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(specs); i += 3) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *key = NULL;
        AUTO(key_free_auto) KeyRef *back = NULL;
        AUTO(key_free_auto) KeyRef *none = NULL;
        P11New as = softhsm_new_key(arena), again = softhsm_new_key(arena);
        KeyPublic open;
        Bytes wrapped;
        bool has = true;
        Err err = { 0 };
        assert_true(p11_make(token, &as, specs[i], &key, &wrapped, &err));
        assert_true(key_public(arena, key, &open, &err));
        assert_true(p11_erase(token, as.id, &err));
        assert_true(p11_restore(token, &again, &open, wrapped, &back, &err));
        assert_signs(back);
        assert_true(p11_erase(token, again.id, &err));

        key_free(TAKE(back));
        key_free(TAKE(key));
        p11_close(token);                     /* one module, one connection at a time */
        token = softhsm_open("two");
        assert_false(p11_restore(token, &again, &open, wrapped, &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_true(p11_has(token, again.id, &has, &err) && !has);
        p11_close(token);
        token = softhsm_open("one");

        ((uint8_t *)(uintptr_t)wrapped.ptr)[wrapped.len / 2] ^= 1;
        assert_false(p11_restore(token, &again, &open, wrapped, &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_sizes_that_no_token_makes_are_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    KeyRef *key = NULL;
    P11New as = softhsm_new_key(arena);
    Bytes wrapped;
    Err err = { 0 };
    assert_false(p11_make(token, &as, (KeySpec){ .kind = KEY_RSA, .rsa_bits = 64 }, &key, &wrapped, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.target, "key_size");
}

static int start(void **state)
{
    (void)state;
    softhsm_setup();
    softhsm_token("one");
    softhsm_token("two");
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
        cmocka_unit_test(test_every_kind_is_made_used_and_erased),
        cmocka_unit_test(test_the_token_never_lets_a_key_out),
        cmocka_unit_test(test_a_key_opens_again_by_its_id),
        cmocka_unit_test(test_a_key_of_this_process_is_taken_in),
        cmocka_unit_test(test_a_transfer_is_opened_in_the_token),
        cmocka_unit_test(test_a_wrapping_restores_the_key_here_and_nowhere_else),
        cmocka_unit_test(test_sizes_that_no_token_makes_are_refused),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
