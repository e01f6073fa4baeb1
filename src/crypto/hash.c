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

void hmac_sha256(Bytes key, Bytes data, uint8_t out[SHA256_SIZE])
{
    static const uint8_t nothing[1];
    size_t len = 0;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(algorithms()->hmac_sha256);
    bool done = ctx
        && EVP_MAC_init(ctx, key.len ? key.ptr : nothing, key.len, NULL)      /* a NULL key would mean "the one before" */
        && EVP_MAC_update(ctx, data.len ? data.ptr : nothing, data.len)
        && EVP_MAC_final(ctx, out, &len, SHA256_SIZE)
        && len == SHA256_SIZE;
    EVP_MAC_CTX_free(ctx);
    if (!done)
        abort();
}
