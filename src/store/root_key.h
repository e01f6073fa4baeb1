/* root_key.h - the file that holds the root key, and the two keys made from it. Private to store/. */
#pragma once
#include "base/secret.h"

typedef struct RootKey {
    Secret *wrap;                     /* AES-256 key that wraps scope keys */
    uint8_t check[32];                /* tells whether a store was made with this root key, and nothing about it */
} RootKey;

bool root_key_read(const char *path, RootKey *out, Err *err) MUST_CHECK;
void root_key_done(RootKey *root);
