/* key.c - the life of a key handle, and keys in and out of DER. */
#include "crypto/keys/key_own.h"
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum { DER_MAX = 64 * 1024 };

static const struct { KeyCurve curve; Str name; const char *group; int bits; size_t bytes; } curves[] = {
    { CURVE_P256,  { "P-256", 5 },  "prime256v1", 256, 32 },
    { CURVE_P384,  { "P-384", 5 },  "secp384r1",  384, 48 },
    { CURVE_P521,  { "P-521", 5 },  "secp521r1",  521, 66 },
    { CURVE_P256K, { "P-256K", 6 }, "secp256k1",  256, 32 },
};

Str key_curve_name(KeyCurve curve)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++)
        if (curves[i].curve == curve)
            return curves[i].name;
    return STR_NONE;
}

KeyCurve key_curve_parse(Str name)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++)
        if (str_eq_nocase(name, curves[i].name) || str_eq_nocase(name, str_from(curves[i].group)))
            return curves[i].curve;
    return CURVE_NONE;
}

size_t key_curve_bytes(KeyCurve curve)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++)
        if (curves[i].curve == curve)
            return curves[i].bytes;
    return 0;
}

const char *key_curve_group(KeyCurve curve)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++)
        if (curves[i].curve == curve)
            return curves[i].group;
    return NULL;
}

static int curve_bits(KeyCurve curve)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++)
        if (curves[i].curve == curve)
            return curves[i].bits;
    return 0;
}

static bool spec_parse_ec(int64_t bits, Str crv, KeySpec *out, Err *err)
{
    KeyCurve curve = CURVE_P256;
    if (crv.ptr) {
        curve = key_curve_parse(crv);
        if (curve == CURVE_NONE)
            return err_field(err, "crv", "crv '" STR_FMT "' is not a known curve; use P-256, P-384, P-521 or P-256K", STR_ARG(crv));
    }
    if (bits && bits != curve_bits(curve))
        return err_field(err, "key_size", "key_size %lld does not fit curve " STR_FMT "; leave it out or use %d",
                         (long long)bits, STR_ARG(key_curve_name(curve)), curve_bits(curve));
    *out = (KeySpec){ .kind = KEY_EC, .curve = curve };
    return true;
}

bool key_spec_parse(Str kty, int64_t bits, Str crv, KeySpec *out, Err *err)
{
    if (str_eq_nocase(kty, STR("EC")))
        return spec_parse_ec(bits, crv, out, err);
    if (str_eq_nocase(kty, STR("RSA"))) {
        if (bits && bits != 2048 && bits != 3072 && bits != 4096)
            return err_field(err, "key_size", "key_size %lld is not supported for RSA; use 2048, 3072 or 4096", (long long)bits);
        *out = (KeySpec){ .kind = KEY_RSA, .rsa_bits = bits ? (int)bits : 2048 };
        return true;
    }
    if (str_eq_nocase(kty, STR("RSA-HSM")) || str_eq_nocase(kty, STR("EC-HSM"))) {
        err_field(err, "kty", "kty '" STR_FMT "' is not served here yet; use RSA or EC", STR_ARG(kty));
        err->code = ERR_NOT_BUILT;
        return false;
    }
    return err_field(err, "kty", "kty '" STR_FMT "' is not a known key type; use RSA or EC", STR_ARG(kty));
}

/* What this key is, as far as we serve it. */
static bool spec_of(const EVP_PKEY *pkey, const char *what, KeySpec *out, Err *err)
{
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        int bits = EVP_PKEY_get_bits(pkey);
        if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
            return err_set(err, ERR_BAD_INPUT, "%s is a %d-bit RSA key; %d to %d bits are supported", what, bits, RSA_BITS_MIN, RSA_BITS_MAX);
        *out = (KeySpec){ .kind = KEY_RSA, .rsa_bits = bits };
        return true;
    }
    if (EVP_PKEY_is_a(pkey, "EC")) {
        char group[64] = "";
        size_t len;
        KeyCurve curve = EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) ? key_curve_parse(str_from(group)) : CURVE_NONE;
        if (curve == CURVE_NONE)
            return err_set(err, ERR_BAD_INPUT, "%s lies on %s; the curves P-256, P-384, P-521 and P-256K are supported", what,
                           *group ? group : "a curve without a name");
        *out = (KeySpec){ .kind = KEY_EC, .curve = curve };
        return true;
    }
    const char *type = EVP_PKEY_get0_type_name(pkey);
    return err_set(err, ERR_BAD_INPUT, "%s is of type %s; RSA and EC are supported", what, type ? type : "unknown");
}

bool key_adopt(EVP_PKEY *pkey, bool is_private, const char *what, KeyRef **out, Err *err)
{
    AUTO(EVP_PKEY_free_auto) EVP_PKEY *owned = pkey;
    KeySpec spec;
    if (!spec_of(pkey, what, &spec, err)) {
        openssl_forget();
        return false;
    }
    KeyRef *key = calloc(1, sizeof *key);
    KeyReady *ready = key_ready_new();
    if (!key || !ready) {
        free(key);
        key_ready_free(ready);
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    }
    atomic_init(&key->users, 1);
    key->ready = ready;
    key->pkey = TAKE(owned);
    key->spec = spec;
    key->is_private = is_private;
    *out = key;
    return true;
}

bool key_generate(KeySpec spec, KeyRef **out, Err *err)
{
    EVP_PKEY *pkey = spec.kind == KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)spec.rsa_bits)
                                          : EVP_PKEY_Q_keygen(NULL, NULL, "EC", key_curve_group(spec.curve));
    if (!pkey)
        return openssl_failed(err, "key generation");
    return key_adopt(pkey, true, "the generated key", out, err);
}

KeyRef *key_share(KeyRef *key)
{
    atomic_fetch_add_explicit(&key->users, 1, memory_order_relaxed);
    return key;
}

void key_free(KeyRef *key)
{
    if (!key || atomic_fetch_sub_explicit(&key->users, 1, memory_order_acq_rel) != 1)
        return;
    if (key->doer)
        key->doer->done(key->doer_self);
    key_ready_free(key->ready);
    EVP_PKEY_free(key->pkey);           /* libcrypto clears private numbers as it frees them */
    secret_free(key->octets);
    free(key);
}

KeySpec key_spec(const KeyRef *key) { return key->spec; }
bool key_is_private(const KeyRef *key) { return key->is_private; }
bool key_is_elsewhere(const KeyRef *key) { return key->doer; }

void *key_doer_self(const KeyRef *key, const KeyDoer *doer) { return key->doer == doer ? key->doer_self : NULL; }

bool key_from_doer(const KeyPublic *parts, const KeyDoer *doer, void *self, KeyRef **out, Err *err)
{
    KeyRef *key;
    if (!key_from_public(parts, &key, err)) {
        doer->done(self);
        return false;
    }
    key->doer = doer;
    key->doer_self = self;
    key->is_private = true;
    *out = key;
    return true;
}

bool key_same_public(const KeyRef *a, const KeyRef *b)
{
    bool same = a->pkey && b->pkey && EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    openssl_forget();                   /* keys of different kinds leave a report */
    return same;
}

/* The whole of `der` must be the key. A type that is known beforehand saves OpenSSL two thirds of the time. */

bool key_from_pkcs8(Bytes der, KeyRef **out, Err *err)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = der.ptr;
    PKCS8_PRIV_KEY_INFO *info = der.len && der.len <= DER_MAX ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len) : NULL;
    if (info && at == der.ptr + der.len)
        pkey = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    openssl_forget();
    if (!pkey)
        return err_set(err, ERR_BAD_INPUT, "the private key is not an unencrypted PKCS#8 key of a supported type");
    return key_adopt(pkey, true, "the private key", out, err);
}

bool key_from_traditional(KeyKind kind, Bytes der, KeyRef **out, Err *err)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = der.ptr;
    size_t left = der.len;
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(&pkey, "DER", "type-specific", kind == KEY_RSA ? "RSA" : "EC",
                                                          EVP_PKEY_KEYPAIR, NULL, NULL);
    bool whole = ctx && der.len && der.len <= DER_MAX && OSSL_DECODER_from_data(ctx, &at, &left) == 1 && left == 0;
    OSSL_DECODER_CTX_free(ctx);
    openssl_forget();
    if (whole && pkey)
        return key_adopt(pkey, true, "the private key", out, err);
    EVP_PKEY_free(pkey);
    return err_set(err, ERR_BAD_INPUT, "the private key is not a whole %s key", kind == KEY_RSA ? "PKCS#1 RSA" : "SEC1 EC");
}

bool key_from_spki(Bytes der, KeyRef **out, Err *err)
{
    const unsigned char *at = der.ptr;
    EVP_PKEY *pkey = der.len && der.len <= DER_MAX ? d2i_PUBKEY(NULL, &at, (long)der.len) : NULL;
    openssl_forget();
    if (pkey && at == der.ptr + der.len)
        return key_adopt(pkey, false, "the public key", out, err);
    EVP_PKEY_free(pkey);
    return err_set(err, ERR_BAD_INPUT, "the public key is not a SubjectPublicKeyInfo of a supported type");
}

bool key_to_pkcs8(const KeyRef *key, Secret **der, Err *err)
{
    if (!key->is_private || key->doer || !key->pkey)
        return err_set(err, ERR_BAD_INPUT, "only the public half of this key is here");
    unsigned char *data = NULL;
    size_t len = 0;
    OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(key->pkey, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo", NULL);
    bool encoded = ctx && OSSL_ENCODER_to_data(ctx, &data, &len) == 1;
    OSSL_ENCODER_CTX_free(ctx);
    if (!encoded)
        return openssl_failed(err, "writing a private key");
    Secret *copy = secret_copy((Bytes){ data, len });
    OPENSSL_clear_free(data, len);
    if (!copy)
        return err_set(err, ERR_INTERNAL, "out of memory for a private key");
    *der = copy;
    return true;
}

bool key_to_spki(Arena *arena, const KeyRef *key, Bytes *der, Err *err)
{
    if (!key->pkey)
        return err_set(err, ERR_BAD_INPUT, "a symmetric key has no public half");
    int len = i2d_PUBKEY(key->pkey, NULL);
    if (len <= 0)
        return openssl_failed(err, "writing a public key");
    uint8_t *bytes = arena_alloc(arena, (size_t)len);
    if (!bytes)
        return err_too_big(err);
    uint8_t *end = bytes;
    if (i2d_PUBKEY(key->pkey, &end) != len)
        return openssl_failed(err, "writing a public key");
    *der = (Bytes){ bytes, (size_t)len };
    return true;
}
