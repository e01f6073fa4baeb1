/* key_jwk.c - public keys in and out of JWK members (RFC 7518 section 6), and their thumbprint (RFC 7638). */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"

/* One number of the key, big-endian; `width` 0 takes as many bytes as it needs. */
static bool number_of(Arena *arena, const KeyRef *key, const char *name, size_t width, Bytes *out, Err *err)
{
    BIGNUM *number = NULL;
    if (!EVP_PKEY_get_bn_param(key->pkey, name, &number))
        return openssl_failed(err, "reading a public key");
    size_t len = width ? width : (size_t)BN_num_bytes(number);
    uint8_t *bytes = arena_alloc(arena, len);
    bool fits = bytes && BN_bn2binpad(number, bytes, (int)len) == (int)len;
    BN_free(number);
    if (!bytes)
        return err_too_big(err);
    if (!fits)
        return openssl_failed(err, "reading a public key");
    *out = (Bytes){ bytes, len };
    return true;
}

bool key_public(Arena *arena, const KeyRef *key, KeyPublic *out, Err *err)
{
    KeyPublic parts = { .kind = key->spec.kind, .curve = key->spec.curve };
    if (!key->pkey)
        return err_set(err, ERR_BAD_INPUT, "a symmetric key has no public half");
    size_t width = key_curve_bytes(key->spec.curve);
    bool read = key->spec.kind == KEY_RSA
        ? number_of(arena, key, OSSL_PKEY_PARAM_RSA_N, 0, &parts.n, err) && number_of(arena, key, OSSL_PKEY_PARAM_RSA_E, 0, &parts.e, err)
        : number_of(arena, key, OSSL_PKEY_PARAM_EC_PUB_X, width, &parts.x, err) && number_of(arena, key, OSSL_PKEY_PARAM_EC_PUB_Y, width, &parts.y, err);
    if (read)
        *out = parts;
    return read;
}

/* NULL: OpenSSL refuses the numbers (a point off its curve) or is out of memory. */
static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    openssl_forget();
    return pkey;
}

static bool from_public_rsa(const KeyPublic *parts, KeyRef **out, Err *err)
{
    if (!parts->n.len || parts->n.len > RSA_BITS_MAX / 8 + 1)
        return err_field(err, "n", "n (the modulus) must have %d to %d bits", RSA_BITS_MIN, RSA_BITS_MAX);
    if (!parts->e.len || parts->e.len > 8 || !(parts->e.ptr[parts->e.len - 1] & 1))
        return err_field(err, "e", "e (the public exponent) must be an odd number of at most 8 bytes, usually AQAB");

    BIGNUM *n = BN_bin2bn(parts->n.ptr, (int)parts->n.len, NULL), *e = BN_bin2bn(parts->e.ptr, (int)parts->e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool usable = n && e && !BN_is_one(e) && BN_is_odd(n);
    EVP_PKEY *pkey = usable && build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e)
        ? from_params("RSA", build) : NULL;
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    if (!pkey)
        return err_field(err, "n", "n and e are not an RSA public key");
    return key_adopt(pkey, false, "the public key", out, err);
}

static bool from_public_ec(const KeyPublic *parts, KeyRef **out, Err *err)
{
    size_t width = key_curve_bytes(parts->curve);
    if (!width)
        return err_field(err, "crv", "crv is missing or no known curve; use P-256, P-384, P-521 or P-256K");
    if (parts->x.len != width)
        return err_field(err, "x", "x has %zu bytes; %s has %zu", parts->x.len, key_curve_name(parts->curve).ptr, width);
    if (parts->y.len != width)
        return err_field(err, "y", "y has %zu bytes; %s has %zu", parts->y.len, key_curve_name(parts->curve).ptr, width);

    uint8_t point[1 + 2 * 66] = { POINT_CONVERSION_UNCOMPRESSED };
    memcpy(point + 1, parts->x.ptr, width);
    memcpy(point + 1 + width, parts->y.ptr, width);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = build
        && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, key_curve_group(parts->curve), 0)
        && OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * width)
        ? from_params("EC", build) : NULL;
    OSSL_PARAM_BLD_free(build);
    if (!pkey)
        return err_field(err, "x", "x and y are not a point of %s", key_curve_name(parts->curve).ptr);
    return key_adopt(pkey, false, "the public key", out, err);
}

bool key_from_public(const KeyPublic *parts, KeyRef **out, Err *err)
{
    return parts->kind == KEY_RSA ? from_public_rsa(parts, out, err) : from_public_ec(parts, out, err);
}

bool key_thumbprint(const KeyRef *key, uint8_t out[SHA256_SIZE], Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024);
    KeyPublic parts;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory for a key's thumbprint");
    if (!key_public(arena, key, &parts, err))
        return false;
    /* RFC 7638 section 3: members in this order, no spaces, or the thumbprint differs. */
    Str json = parts.kind == KEY_RSA
        ? str_printf(arena, "{\"e\":\"" STR_FMT "\",\"kty\":\"RSA\",\"n\":\"" STR_FMT "\"}",
                     STR_ARG(base64url_encode(arena, parts.e)), STR_ARG(base64url_encode(arena, parts.n)))
        : str_printf(arena, "{\"crv\":\"" STR_FMT "\",\"kty\":\"EC\",\"x\":\"" STR_FMT "\",\"y\":\"" STR_FMT "\"}",
                     STR_ARG(key_curve_name(parts.curve)), STR_ARG(base64url_encode(arena, parts.x)), STR_ARG(base64url_encode(arena, parts.y)));
    if (!arena_ok(arena))
        return err_set(err, ERR_INTERNAL, "out of memory for a key's thumbprint");
    sha256(bytes_of(json), out);
    return true;
}
