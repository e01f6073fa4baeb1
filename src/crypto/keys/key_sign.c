/* key_sign.c - JOSE signatures (RFC 7518 section 3). */
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"

static const struct { SignAlg alg; Str name; KeyKind kind; KeyCurve curve; bool pss; size_t digest_size; } algs[] = {
    { SIGN_RS256,  { "RS256", 5 },  KEY_RSA, CURVE_NONE,  false, SHA256_SIZE },
    { SIGN_RS384,  { "RS384", 5 },  KEY_RSA, CURVE_NONE,  false, SHA384_SIZE },
    { SIGN_RS512,  { "RS512", 5 },  KEY_RSA, CURVE_NONE,  false, SHA512_SIZE },
    { SIGN_PS256,  { "PS256", 5 },  KEY_RSA, CURVE_NONE,  true,  SHA256_SIZE },
    { SIGN_PS384,  { "PS384", 5 },  KEY_RSA, CURVE_NONE,  true,  SHA384_SIZE },
    { SIGN_PS512,  { "PS512", 5 },  KEY_RSA, CURVE_NONE,  true,  SHA512_SIZE },
    { SIGN_ES256,  { "ES256", 5 },  KEY_EC,  CURVE_P256,  false, SHA256_SIZE },
    { SIGN_ES384,  { "ES384", 5 },  KEY_EC,  CURVE_P384,  false, SHA384_SIZE },
    { SIGN_ES512,  { "ES512", 5 },  KEY_EC,  CURVE_P521,  false, SHA512_SIZE },
    { SIGN_ES256K, { "ES256K", 6 }, KEY_EC,  CURVE_P256K, false, SHA256_SIZE },
};

enum { RSA_BYTES_MAX = 512 };

bool sign_alg_parse(Str name, SignAlg *out)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (str_eq(name, algs[i].name)) {
            *out = algs[i].alg;
            return true;
        }
    return false;
}

static size_t row_of(SignAlg alg)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            return i;
    return 0;           /* not reached: the enumeration and the table agree, and a test walks both */
}

Str sign_alg_name(SignAlg alg) { return algs[row_of(alg)].name; }
size_t sign_alg_digest_size(SignAlg alg) { return algs[row_of(alg)].digest_size; }

bool sign_alg_fits(SignAlg alg, KeySpec spec)
{
    size_t row = row_of(alg);
    return algs[row].kind == spec.kind && (spec.kind == KEY_RSA || algs[row].curve == spec.curve);
}

static const EVP_MD *digest_of_size(size_t size)
{
    const Algorithms *fetched = algorithms();
    return size == SHA512_SIZE ? fetched->sha512 : size == SHA384_SIZE ? fetched->sha384 : fetched->sha256;
}

static bool check_use(const KeyRef *key, SignAlg alg, Bytes digest, Err *err)
{
    size_t row = row_of(alg);
    if (!sign_alg_fits(alg, key->spec))
        return err_field(err, "alg", "alg " STR_FMT " does not fit this key, which is %s" STR_FMT, STR_ARG(algs[row].name),
                         key->spec.kind == KEY_RSA ? "RSA" : key->spec.kind == KEY_OCT ? "symmetric" : "EC on ", STR_ARG(key_curve_name(key->spec.curve)));
    if (digest.len != algs[row].digest_size)
        return err_field(err, "value", "value must be a digest of %zu bytes for " STR_FMT "; it has %zu", algs[row].digest_size,
                         STR_ARG(algs[row].name), digest.len);
    return true;
}

/* The context for one use of the key, or NULL. */
static EVP_PKEY_CTX *context_for(const KeyRef *key, SignAlg alg, bool signing)
{
    size_t row = row_of(alg);
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (!ctx || (signing ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) != 1)
        return NULL;
    if (algs[row].kind == KEY_RSA && EVP_PKEY_CTX_set_rsa_padding(ctx, algs[row].pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1)
        return NULL;
    if (EVP_PKEY_CTX_set_signature_md(ctx, digest_of_size(algs[row].digest_size)) != 1)
        return NULL;
    /* RFC 7518 section 3.5: the salt is as long as the digest; the mask's hash follows the signature's. */
    if (algs[row].pss && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1)
        return NULL;
    return TAKE(ctx);
}

/* OpenSSL gives DER here; JWS wants r || s, each padded to the curve's width (RFC 7518 section 3.4). */
static bool der_to_raw(const uint8_t *der, size_t der_len, size_t width, uint8_t *raw)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    bool fits = pair
        && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, (int)width) == (int)width
        && BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + width, (int)width) == (int)width;
    ECDSA_SIG_free(pair);
    return fits;
}

size_t ec_raw_to_der(const uint8_t *raw, size_t width, uint8_t der[DER_EC_MAX])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)width, NULL), *s = BN_bin2bn(raw + width, (int)width, NULL);
    int len = 0;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;                                    /* the pair's now */
        len = i2d_ECDSA_SIG(pair, NULL);
        uint8_t *at = der;
        len = len > 0 && len <= DER_EC_MAX ? i2d_ECDSA_SIG(pair, &at) : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

bool key_sign_digest(const KeyRef *key, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err)
{
    if (!check_use(key, alg, digest, err))
        return false;
    if (!key->is_private)
        return err_set(err, ERR_BAD_INPUT, "this key has no private half, so it cannot sign");
    if (key->doer)
        return key->doer->sign(key->doer_self, alg, digest, arena, signature, err);

    uint8_t made[RSA_BYTES_MAX];
    size_t len = sizeof made, width = key_curve_bytes(key->spec.curve);
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = key_ready_take(key->ready, (int)alg);
    if (!ctx)
        ctx = context_for(key, alg, true);
    if (!ctx || EVP_PKEY_sign(ctx, made, &len, digest.ptr, digest.len) != 1)
        return openssl_failed(err, "signing");
    key_ready_keep(key->ready, (int)alg, TAKE(ctx));

    uint8_t *out = arena_alloc(arena, width ? 2 * width : len);
    if (!out)
        return err_too_big(err);
    if (!width) {
        memcpy(out, made, len);
        *signature = (Bytes){ out, len };
        return true;
    }
    if (!der_to_raw(made, len, width, out))
        return openssl_failed(err, "signing");
    *signature = (Bytes){ out, 2 * width };
    return true;
}

bool key_verify_digest(const KeyRef *key, SignAlg alg, Bytes digest, Bytes signature, bool *valid, Err *err)
{
    if (!check_use(key, alg, digest, err))
        return false;

    uint8_t der[DER_EC_MAX];
    size_t width = key_curve_bytes(key->spec.curve);
    size_t expected = width ? 2 * width : (size_t)EVP_PKEY_get_size(key->pkey);
    if (signature.len != expected) {
        *valid = false;
        return true;
    }
    if (width) {
        size_t len = ec_raw_to_der(signature.ptr, width, der);
        if (!len)
            return openssl_failed(err, "checking a signature");
        signature = (Bytes){ der, len };
    }
    AUTO(EVP_PKEY_CTX_free_auto) EVP_PKEY_CTX *ctx = context_for(key, alg, false);
    if (!ctx)
        return openssl_failed(err, "checking a signature");
    *valid = EVP_PKEY_verify(ctx, signature.ptr, signature.len, digest.ptr, digest.len) == 1;
    openssl_forget();
    return true;
}

static Bytes digest_message(SignAlg alg, Bytes message, uint8_t out[SHA512_SIZE])
{
    size_t size = sign_alg_digest_size(alg);
    if (size == SHA512_SIZE)
        sha512(message, out);
    else if (size == SHA384_SIZE)
        sha384(message, out);
    else
        sha256(message, out);
    return (Bytes){ out, size };
}

bool key_sign(const KeyRef *key, SignAlg alg, Bytes message, Arena *arena, Bytes *signature, Err *err)
{
    uint8_t digest[SHA512_SIZE];
    return key_sign_digest(key, alg, digest_message(alg, message, digest), arena, signature, err);
}

bool key_verify(const KeyRef *key, SignAlg alg, Bytes message, Bytes signature, bool *valid, Err *err)
{
    uint8_t digest[SHA512_SIZE];
    return key_verify_digest(key, alg, digest_message(alg, message, digest), signature, valid, err);
}

bool key_is_consistent(const KeyRef *key)
{
    static const uint8_t message[] = "a key from outside";
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    SignAlg alg = SIGN_RS256;
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (sign_alg_fits(algs[i].alg, key->spec) && !algs[i].pss)
            alg = algs[i].alg;
    Bytes signature;
    bool valid = false;
    Err ignored;
    return arena && key_sign(key, alg, (Bytes){ message, sizeof message }, arena, &signature, &ignored)
        && key_verify(key, alg, (Bytes){ message, sizeof message }, signature, &valid, &ignored) && valid;
}
