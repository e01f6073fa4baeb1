/* key_pem.c - a private key of a PEM file (RFC 7468), also an encrypted one, and its numbers for who sends it elsewhere. */
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include "crypto/keys/key_own.h"

enum { PEM_MAX = 256 * 1024 };

static int give_password(char *buf, int size, int writing, void *ctx)
{
    const Str *password = ctx;
    (void)writing;
    if (password->len > (size_t)size)
        return -1;
    memcpy(buf, password->ptr, password->len);
    return (int)password->len;
}

bool key_from_pem(Str pem, Str password, KeyRef **out, Err *err)
{
    size_t at;
    bool is_encrypted = str_find(pem, STR("ENCRYPTED"), &at);
    Str given = password.ptr ? password : STR("");
    BIO *bio = pem.len && pem.len <= PEM_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, &given) : NULL;
    BIO_free(bio);
    openssl_forget();
    if (pkey)
        return key_adopt(pkey, true, "the private key", out, err);
    if (is_encrypted)
        return password.ptr ? err_field(err, "password", "the private key does not open with this password") : err_field(err, "password", "the private key is encrypted: its password is needed");
    return err_set(err, ERR_BAD_INPUT, "there is no private key in this PEM");
}

static bool number(Arena *arena, const KeyRef *key, const char *name, size_t width, Bytes *out, Err *err)
{
    BIGNUM *value = NULL;
    if (!EVP_PKEY_get_bn_param(key->pkey, name, &value))
        return openssl_failed(err, "reading a private key");
    size_t len = width ? width : (size_t)BN_num_bytes(value);
    uint8_t *bytes = arena_alloc(arena, len);
    bool fits = bytes && BN_bn2binpad(value, bytes, (int)len) == (int)len;
    BN_clear_free(value);
    if (fits)
        *out = (Bytes){ bytes, len };
    return fits || (bytes ? openssl_failed(err, "reading a private key") : err_too_big(err));
}

bool key_private_parts(Arena *arena, const KeyRef *key, KeyPrivate *out, Err *err)
{
    if (!key->is_private || key->doer || !key->pkey)
        return err_set(err, ERR_BAD_INPUT, "the private half of this key is not here");
    KeyPrivate parts = { 0 };
    bool good = key_public(arena, key, &parts.open, err);
    if (good && key->spec.kind == KEY_EC)
        good = number(arena, key, OSSL_PKEY_PARAM_PRIV_KEY, key_curve_bytes(key->spec.curve), &parts.d, err);
    else if (good)
        good = number(arena, key, OSSL_PKEY_PARAM_RSA_D, 0, &parts.d, err) && number(arena, key, OSSL_PKEY_PARAM_RSA_FACTOR1, 0, &parts.p, err) &&
               number(arena, key, OSSL_PKEY_PARAM_RSA_FACTOR2, 0, &parts.q, err) && number(arena, key, OSSL_PKEY_PARAM_RSA_EXPONENT1, 0, &parts.dp, err) &&
               number(arena, key, OSSL_PKEY_PARAM_RSA_EXPONENT2, 0, &parts.dq, err) && number(arena, key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, 0, &parts.qi, err);
    if (!good) {
        key_private_wipe(&parts);
        return false;
    }
    *out = parts;
    return true;
}

void key_private_wipe(const KeyPrivate *parts)
{
    const Bytes secrets[] = { parts->d, parts->p, parts->q, parts->dp, parts->dq, parts->qi };
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        if (secrets[i].ptr)
            secret_wipe((void *)(uintptr_t)secrets[i].ptr, secrets[i].len);
}
