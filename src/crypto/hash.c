/* hash.c - digests and MACs. */
#include "crypto/hash.h"
#include <stdlib.h>
#include "crypto/openssl.h"

/* A digest of memory fails only when the machine is out of it. The callers have no answer to that and could not carry
 * on with a digest that is not one, so neither do we. */
static void digest(const EVP_MD *md, Bytes data, uint8_t *out)
{
    static const uint8_t nothing[1];
    if (EVP_Digest(data.len ? data.ptr : nothing, data.len, out, NULL, md, NULL) != 1)
        abort();
}

void sha1(Bytes data, uint8_t out[SHA1_SIZE]) { digest(algorithms()->sha1, data, out); }
void sha256(Bytes data, uint8_t out[SHA256_SIZE]) { digest(algorithms()->sha256, data, out); }
void sha384(Bytes data, uint8_t out[SHA384_SIZE]) { digest(algorithms()->sha384, data, out); }
void sha512(Bytes data, uint8_t out[SHA512_SIZE]) { digest(algorithms()->sha512, data, out); }

Hmac *hmac_sha256_new(Bytes key)
{
    static const uint8_t nothing[1];
    Hmac *hmac = EVP_MAC_CTX_dup(algorithms()->hmac_sha256);
    if (hmac && EVP_MAC_init(hmac, key.len ? key.ptr : nothing, key.len, NULL))
        return hmac;
    hmac_free(hmac);
    return NULL;
}

void hmac_free(Hmac *hmac) { EVP_MAC_CTX_free(hmac); }

void hmac_make(Hmac *hmac, Bytes data, uint8_t out[SHA256_SIZE])
{
    static const uint8_t nothing[1];
    size_t len = 0;
    bool done = hmac
        && EVP_MAC_init(hmac, NULL, 0, NULL)               /* a NULL key: the one it has */
        && EVP_MAC_update(hmac, data.len ? data.ptr : nothing, data.len)
        && EVP_MAC_final(hmac, out, &len, SHA256_SIZE)
        && len == SHA256_SIZE;
    if (!done)
        abort();
}

void hmac_sha256(Bytes key, Bytes data, uint8_t out[SHA256_SIZE])
{
    Hmac *hmac = hmac_sha256_new(key);
    hmac_make(hmac, data, out);
    hmac_free(hmac);
}
