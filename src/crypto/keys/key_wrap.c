/* key_wrap.c - RSA encryption of short values, in Key Vault's words wrap and unwrap (RFC 7518 sections 4.2 and 4.3). */
#include <openssl/rsa.h>
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"

static const struct { WrapAlg alg; Str name; int padding; size_t hash_size, overhead; } algs[] = {
    { WRAP_RSA1_5,       { "RSA1_5", 6 },        RSA_PKCS1_PADDING,      0,           11 },
    { WRAP_RSA_OAEP,     { "RSA-OAEP", 8 },      RSA_PKCS1_OAEP_PADDING, SHA1_SIZE,   2 * SHA1_SIZE + 2 },
    { WRAP_RSA_OAEP_256, { "RSA-OAEP-256", 12 }, RSA_PKCS1_OAEP_PADDING, SHA256_SIZE, 2 * SHA256_SIZE + 2 },
    { WRAP_RSA_OAEP_384, { NULL, 0 },            RSA_PKCS1_OAEP_PADDING, SHA384_SIZE, 2 * SHA384_SIZE + 2 },
};

bool wrap_alg_parse(Str name, WrapAlg *out)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].name.ptr && str_eq(name, algs[i].name)) {
            *out = algs[i].alg;
            return true;
        }
    return false;
}

static size_t row_of(WrapAlg alg)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            return i;
    return 0;           /* not reached: the enumeration and the table agree */
}

static bool check_kind(const KeyRef *key, WrapAlg alg, Err *err)
{
    if (key->spec.kind == KEY_RSA)
        return true;
    return err_field(err, "alg", "alg " STR_FMT " needs an RSA key", STR_ARG(algs[row_of(alg)].name));
}

static EVP_PKEY_CTX *context_for(const KeyRef *key, WrapAlg alg, bool wrapping)
{
    /* OpenSSL 3.2, and Ubuntu's 3.0, would otherwise make up a value for what is badly padded, and the caller would use it. */
    static const char implicit_rejection[] = "implicit-rejection";
    size_t row = row_of(alg);
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (!ctx || (wrapping ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) != 1
        || EVP_PKEY_CTX_set_rsa_padding(ctx, algs[row].padding) != 1)
        return NULL;
    if (!wrapping && alg == WRAP_RSA1_5 && OSSL_PARAM_locate_const(EVP_PKEY_CTX_settable_params(ctx), implicit_rejection)) {
        unsigned int off = 0;
        OSSL_PARAM params[] = { OSSL_PARAM_construct_uint(implicit_rejection, &off), OSSL_PARAM_construct_end() };
        if (EVP_PKEY_CTX_set_params(ctx, params) != 1)
            return NULL;
    }
    if (algs[row].hash_size) {
        const EVP_MD *md = algs[row].hash_size == SHA1_SIZE ? algorithms()->sha1 : algs[row].hash_size == SHA256_SIZE ? algorithms()->sha256 : algorithms()->sha384;
        if (EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) != 1)
            return NULL;
    }
    return TAKE(ctx);
}

bool key_wrap(const KeyRef *key, WrapAlg alg, Bytes plain, Arena *arena, Bytes *wrapped, Err *err)
{
    static const uint8_t nothing[1];
    if (!check_kind(key, alg, err))
        return false;
    size_t len = (size_t)EVP_PKEY_get_size(key->pkey), most = len - algs[row_of(alg)].overhead;
    if (plain.len > most)
        return err_field(err, "value", "value has %zu bytes; " STR_FMT " with a %d-bit key takes at most %zu", plain.len,
                         STR_ARG(algs[row_of(alg)].name), key->spec.rsa_bits, most);

    uint8_t *out = arena_alloc(arena, len);
    if (!out)
        return err_too_big(err);
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = context_for(key, alg, true);
    if (!ctx || EVP_PKEY_encrypt(ctx, out, &len, plain.len ? plain.ptr : nothing, plain.len) != 1)
        return openssl_failed(err, "wrapping");
    *wrapped = (Bytes){ out, len };
    return true;
}

bool key_unwrap(const KeyRef *key, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err)
{
    if (!check_kind(key, alg, err))
        return false;
    if (!key->is_private)
        return err_set(err, ERR_BAD_INPUT, "this key has no private half, so it cannot unwrap");

    size_t len = (size_t)EVP_PKEY_get_size(key->pkey);
    if (key->doer && wrapped.len == len)
        return key->doer->unwrap(key->doer_self, alg, wrapped, plain, err);
    AUTO(secret_free_auto) Secret *opened = secret_new(len);
    if (!opened)
        return err_set(err, ERR_INTERNAL, "out of memory for an unwrapped value");
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = key_ready_take(key->ready, KEY_READY_UNWRAP + (int)alg);
    if (!ctx)
        ctx = context_for(key, alg, false);
    if (!ctx)
        return openssl_failed(err, "unwrapping");
    /* Which check failed is not told: that would answer questions about other people's ciphertexts. */
    if (wrapped.len != len || EVP_PKEY_decrypt(ctx, secret_ptr(opened), &len, wrapped.ptr, wrapped.len) != 1) {
        openssl_forget();
        return err_field(err, "value", "value does not unwrap with this key and algorithm");
    }
    key_ready_keep(key->ready, KEY_READY_UNWRAP + (int)alg, TAKE(ctx));
    secret_truncate(opened, len);
    *plain = TAKE(opened);
    return true;
}
