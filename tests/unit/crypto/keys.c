/* keys.c - keys that tests share. */
#include "keys.h"
#include <openssl/rsa.h>
#include "../cm.h"
#include "crypto/keys/key_own.h"

static KeyRef *keys[TEST_KEYS];

KeyRef *test_key(int which)
{
    static const KeySpec specs[TEST_KEYS] = {
        [TEST_RSA2048] = { .kind = KEY_RSA, .rsa_bits = 2048 }, [TEST_RSA3072] = { .kind = KEY_RSA, .rsa_bits = 3072 },
        [TEST_P256] = { .kind = KEY_EC, .curve = CURVE_P256 },  [TEST_P384] = { .kind = KEY_EC, .curve = CURVE_P384 },
        [TEST_P521] = { .kind = KEY_EC, .curve = CURVE_P521 },  [TEST_P256K] = { .kind = KEY_EC, .curve = CURVE_P256K },
    };
    Err err;
    if (!keys[which] && !key_generate(specs[which], &keys[which], &err))
        fail_msg("%s", err.text);
    return keys[which];
}

int test_keys_free(void **state)
{
    (void)state;
    for (int i = 0; i < TEST_KEYS; i++) {
        key_free(keys[i]);
        keys[i] = NULL;
    }
    return 0;
}

void test_key_bare(const KeyRef *key, bool is_private, Bytes in, uint8_t *out)
{
    size_t len = in.len;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    assert_int_equal(is_private ? EVP_PKEY_decrypt_init(ctx) : EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_equal(is_private ? EVP_PKEY_decrypt(ctx, out, &len, in.ptr, in.len) : EVP_PKEY_encrypt(ctx, out, &len, in.ptr, in.len), 1);
    assert_int_equal(len, in.len);
    EVP_PKEY_CTX_free(ctx);
}
