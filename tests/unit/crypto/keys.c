/* keys.c - keys that tests share. */
#include "keys.h"
#include "../cm.h"

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

void test_keys_free(void)
{
    for (int i = 0; i < TEST_KEYS; i++) {
        key_free(keys[i]);
        keys[i] = NULL;
    }
}
