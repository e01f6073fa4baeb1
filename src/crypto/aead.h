/* aead.h - AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce: nonce || ciphertext || 128-bit tag. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/secret.h"

enum { AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16, AEAD_OVERHEAD = 28 };

bool aead_seal(const Secret *key, Bytes aad, Bytes plain, Buf *out, Err *err) MUST_CHECK;            /* appends */
bool aead_open(const Secret *key, Bytes aad, Bytes sealed, Secret **plain, Err *err) MUST_CHECK;     /* ERR_INTERNAL: wrong key, aad or a changed byte; never says which */
