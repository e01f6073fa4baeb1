/* aead.c - AES-256-GCM. */
#include "crypto/aead.h"
#include <limits.h>
#include "base/id.h"
#include "crypto/openssl.h"

enum { CHUNK = 4096 };

/* OpenSSL counts in int; so that any length works, everything passes in pieces. */
enum { PIECE_MAX = 1 << 30 };
_Static_assert(PIECE_MAX <= INT_MAX, "a piece fits OpenSSL's int");

static EVP_CIPHER_CTX *start(const Secret *key, const uint8_t *nonce, Bytes aad, bool sealing)
{
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx || EVP_CipherInit_ex2(ctx, algorithms()->aes256gcm, secret_bytes(key).ptr, nonce, sealing, NULL) != 1)
        return NULL;
    while (aad.len) {
        int len = aad.len > PIECE_MAX ? PIECE_MAX : (int)aad.len, ignored;
        if (EVP_CipherUpdate(ctx, NULL, &ignored, aad.ptr, len) != 1)
            return NULL;
        aad = (Bytes){ aad.ptr + len, aad.len - (size_t)len };
    }
    return TAKE(ctx);
}

bool aead_seal(const Secret *key, Bytes aad, Bytes plain, Buf *out, Err *err)
{
    if (secret_bytes(key).len != AEAD_KEY_SIZE)
        return err_set(err, ERR_INTERNAL, "a sealing key has %zu bytes instead of %d", secret_bytes(key).len, AEAD_KEY_SIZE);
    uint8_t nonce[AEAD_NONCE_SIZE], tag[AEAD_TAG_SIZE], chunk[CHUNK];
    random_fill(nonce, sizeof nonce);
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = start(key, nonce, aad, true);
    if (!ctx)
        return openssl_failed(err, "AES-256-GCM");

    size_t before = out->len;
    buf_put(out, nonce, sizeof nonce);
    for (size_t at = 0; at < plain.len && !out->failed;) {
        int len = plain.len - at > CHUNK ? CHUNK : (int)(plain.len - at), made = 0;
        if (EVP_EncryptUpdate(ctx, chunk, &made, plain.ptr + at, len) != 1)
            goto undo;
        buf_put(out, chunk, (size_t)made);
        at += (size_t)len;
    }
    int rest = 0;
    if (EVP_EncryptFinal_ex(ctx, chunk, &rest) != 1 || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) != 1)
        goto undo;
    buf_put(out, tag, sizeof tag);
    if (out->failed)
        return err_set(err, ERR_INTERNAL, "sealed data is larger than its buffer may grow to (%zu bytes)", out->max);
    return true;

undo:
    out->len = before;
    return openssl_failed(err, "AES-256-GCM");
}

bool aead_open(const Secret *key, Bytes aad, Bytes sealed, Secret **plain, Err *err)
{
    /* One sentence for every cause: which it was would help only an attacker. */
    static const char refused[] = "sealed data does not open: it was changed, moved or belongs to another key";
    if (secret_bytes(key).len != AEAD_KEY_SIZE || sealed.len < AEAD_OVERHEAD)
        return err_set(err, ERR_INTERNAL, "%s", refused);

    size_t len = sealed.len - AEAD_OVERHEAD;
    const uint8_t *cipher = sealed.ptr + AEAD_NONCE_SIZE;
    AUTO(secret_free_auto) Secret *opened = secret_new(len);
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = start(key, sealed.ptr, aad, false);
    if (!opened)
        return err_set(err, ERR_INTERNAL, "out of memory for %zu bytes of opened data", len);
    if (!ctx)
        return openssl_failed(err, "AES-256-GCM");

    for (size_t at = 0; at < len;) {
        int piece = len - at > PIECE_MAX ? PIECE_MAX : (int)(len - at), made = 0;
        if (EVP_DecryptUpdate(ctx, secret_ptr(opened) + at, &made, cipher + at, piece) != 1)
            return openssl_failed(err, "AES-256-GCM");
        at += (size_t)piece;
    }
    uint8_t tag[AEAD_TAG_SIZE], none[16];
    memcpy(tag, cipher + len, sizeof tag);
    int rest = 0;
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1 || EVP_DecryptFinal_ex(ctx, none, &rest) != 1) {
        openssl_forget();
        return err_set(err, ERR_INTERNAL, "%s", refused);
    }
    *plain = TAKE(opened);
    return true;
}
