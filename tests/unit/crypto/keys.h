/* keys.h - keys that tests share: made once, since RSA takes its time. */
#pragma once
#include "crypto/keys/key.h"

enum { TEST_RSA2048, TEST_RSA3072, TEST_P256, TEST_P384, TEST_P521, TEST_P256K, TEST_KEYS };
KeyRef *test_key(int which);        /* not the caller's to free; test_keys_free does it */
int     test_keys_free(void **state);     /* the end of a group of tests */

/* The bare public or private operation of an RSA key, as a device offers it: of `in`, as long as the modulus, to as many bytes. */
void    test_key_bare(const KeyRef *key, bool is_private, Bytes in, uint8_t *out);
