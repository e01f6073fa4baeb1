/* keys.h - keys that tests share: made once, since RSA takes its time. */
#pragma once
#include "crypto/keys/key.h"

enum { TEST_RSA2048, TEST_RSA3072, TEST_P256, TEST_P384, TEST_P521, TEST_P256K, TEST_KEYS };
KeyRef *test_key(int which);        /* not the caller's to free; test_keys_free at the end */
void    test_keys_free(void);
