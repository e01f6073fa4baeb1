/* test_key_transfer.c - material sealed to another device's RSA key: opened again, opened by the openssl command, refused when changed. */
#include "../cm.h"
#include "crypto/keys/key_transfer.h"
#include "keys.h"
#include "tool.h"

static const struct { TransferAlg alg; const char *name, *digest; } rows[] = {
    { TRANSFER_CKM_RSA_AES_KEY_WRAP, "CKM_RSA_AES_KEY_WRAP", "sha1" },
    { TRANSFER_RSA_AES_KEY_WRAP_256, "RSA_AES_KEY_WRAP_256", "sha256" },
    { TRANSFER_RSA_AES_KEY_WRAP_384, "RSA_AES_KEY_WRAP_384", "sha384" },
};

static void test_material_of_each_kind_comes_back(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int kind = TEST_RSA2048; kind < TEST_KEYS; kind++) {
            AUTO(secret_free_auto) Secret *der = NULL;
            AUTO(secret_free_auto) Secret *back = NULL;
            AUTO(key_free_auto) KeyRef *key = NULL;
            TransferAlg alg;
            Bytes blob = { 0 };
            Err err = { 0 };
            assert_true(transfer_alg_parse(str_from(rows[i].name), &alg) && alg == rows[i].alg);
            assert_true(str_eq(transfer_alg_name(alg), str_from(rows[i].name)));
            assert_true(key_to_pkcs8(test_key(kind), &der, &err) && key_transfer_wrap(test_key(TEST_RSA3072), alg, der, arena, &blob, &err));
            assert_true(key_transfer_unwrap(test_key(TEST_RSA3072), alg, blob, &back, &err));
            assert_true(key_from_pkcs8(secret_bytes(back), &key, &err) && key_same_public(key, test_key(kind)));
        }
}

/* The other side, as the documentation describes it: the first modulus length of bytes is the AES key. */
static void test_openssl_opens_what_is_sealed_to_its_key(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *device = NULL;
    AUTO(secret_free_auto) Secret *material = secret_copy(bytes_of(STR("thirty-two bytes of key material")));
    Err err = { 0 };
    assert_true(key_to_pkcs8(test_key(TEST_RSA2048), &device, &err));
    tool_write("device.der", secret_bytes(device));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Bytes blob = { 0 };
        Str said;
        assert_true(key_transfer_wrap(test_key(TEST_RSA2048), rows[i].alg, material, arena, &blob, &err));
        assert_int_equal(blob.len, 256 + 40);
        tool_write("head", (Bytes){ blob.ptr, 256 });
        assert_true(tool_openssl(arena, &said, "pkeyutl -decrypt -inkey device.der -keyform DER -in head -out aes -pkeyopt rsa_padding_mode:oaep "
                                 "-pkeyopt rsa_oaep_md:%s -pkeyopt rsa_mgf1_md:%s", rows[i].digest, rows[i].digest));
        assert_int_equal(tool_read(arena, "aes").len, 32);
    }
}

static void refuse(TransferAlg alg, Bytes blob)
{
    Secret *none = NULL;
    Err err = { 0 };
    assert_false(key_transfer_unwrap(test_key(TEST_RSA2048), alg, blob, &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.text, "the transferred key does not unwrap with this key and algorithm");
}

static void test_changed_blobs_get_one_answer(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *material = secret_copy(bytes_of(STR("material")));
    Bytes blob = { 0 };
    Err err = { 0 };
    assert_true(key_transfer_wrap(test_key(TEST_RSA2048), TRANSFER_CKM_RSA_AES_KEY_WRAP, material, arena, &blob, &err));
    uint8_t *bytes = arena_alloc(arena, blob.len);
    static const size_t places[] = { 0, 1, 100, 255, 256, 260 };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        memcpy(bytes, blob.ptr, blob.len);
        bytes[places[i]] ^= 1;
        refuse(TRANSFER_CKM_RSA_AES_KEY_WRAP, (Bytes){ bytes, blob.len });
    }
    for (size_t len = 0; len < blob.len; len += 8)
        refuse(TRANSFER_CKM_RSA_AES_KEY_WRAP, (Bytes){ blob.ptr, len });
    refuse(TRANSFER_RSA_AES_KEY_WRAP_256, blob);            /* another hash */
    Secret *none = NULL;
    assert_false(key_transfer_unwrap(test_key(TEST_P256), TRANSFER_CKM_RSA_AES_KEY_WRAP, blob, &none, &err));
    assert_false(key_transfer_wrap(test_key(TEST_P256), TRANSFER_CKM_RSA_AES_KEY_WRAP, material, arena, &blob, &err));
    TransferAlg alg;
    assert_false(transfer_alg_parse(STR("RSA_AES_KEY_WRAP"), &alg) || transfer_alg_parse(STR(""), &alg));
    WrapAlg wrap;
    assert_false(wrap_alg_parse(STR(""), &wrap) || wrap_alg_parse(STR("RSA-OAEP-384"), &wrap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_material_of_each_kind_comes_back),
        cmocka_unit_test(test_openssl_opens_what_is_sealed_to_its_key),
        cmocka_unit_test(test_changed_blobs_get_one_answer),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
