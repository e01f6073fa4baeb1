/* openssl.h - private to crypto/: algorithms fetched once, and OpenSSL's error queue turned into one sentence.
 *
 * The queue is per thread and shared with whatever else uses libcrypto (libcurl does), so no call of ours leaves
 * anything in it: every failing path ends in one of the two functions below. */
#pragma once
#include <openssl/evp.h>
#include "base/err.h"

DEFINE_AUTO_FREE(BIO, BIO_vfree)
DEFINE_AUTO_FREE(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_AUTO_FREE(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_FREE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

typedef struct Algorithms {
    const EVP_MD *sha1, *sha256, *sha384, *sha512;
    const EVP_CIPHER *aes256gcm;
    const EVP_MAC_CTX *hmac_sha256;     /* a template: duplicated for each use, itself never changed */
} Algorithms;

/* Aborts when libcrypto lacks one of them: nothing could go on. */
const Algorithms *algorithms(void);

/* A library context of its own with the default and the legacy provider, for files that still use RC2, RC4 or single
 * DES. Nothing else may see those, so they are not loaded into the default context. NULL: this machine's OpenSSL has
 * no legacy provider. */
OSSL_LIB_CTX *legacy_context(void);

/* "<what> failed: <OpenSSL's reason>" as ERR_INTERNAL, which no client sees; empties the queue; always false. */
bool openssl_failed(Err *err, const char *what);

/* Empties the queue when the trouble is the input's and described in our own words. */
void openssl_forget(void);
