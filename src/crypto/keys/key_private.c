/* key_private.c - private keys from the members of a JWK (RFC 7518 sections 6.2.2 and 6.3.2), which come from outside and are checked. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include "crypto/keys/key_own.h"

typedef struct Builder { OSSL_PARAM_BLD *build; BIGNUM *numbers[8]; size_t count; bool failed; } Builder;

static void builder_done(Builder *b)
{
    for (size_t i = 0; i < b->count; i++)
        BN_clear_free(b->numbers[i]);
    OSSL_PARAM_BLD_free(b->build);
}

static void push(Builder *b, const char *name, Bytes bytes)
{
    BIGNUM *number = BN_secure_new();
    if (!number || !BN_bin2bn(bytes.ptr, (int)bytes.len, number) || !OSSL_PARAM_BLD_push_BN(b->build, name, number))
        b->failed = true;
    if (number)
        b->numbers[b->count++] = number;            /* the builder refers to it until it is used */
}

/* NULL: the numbers are not a key. All of them are checked against each other: primes, inverses, the point. */
static EVP_PKEY *made(Builder *b, const char *type)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = b->failed ? NULL : OSSL_PARAM_BLD_to_param(b->build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
    if (pkey && (!(check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)) || EVP_PKEY_check(check) != 1)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    openssl_forget();
    return pkey;
}

static EVP_PKEY *rsa_of(const KeyPrivate *parts)
{
    Builder b = { .build = OSSL_PARAM_BLD_new() };
    if (!b.build)
        return NULL;
    push(&b, OSSL_PKEY_PARAM_RSA_N, parts->open.n);
    push(&b, OSSL_PKEY_PARAM_RSA_E, parts->open.e);
    push(&b, OSSL_PKEY_PARAM_RSA_D, parts->d);
    push(&b, OSSL_PKEY_PARAM_RSA_FACTOR1, parts->p);
    push(&b, OSSL_PKEY_PARAM_RSA_FACTOR2, parts->q);
    push(&b, OSSL_PKEY_PARAM_RSA_EXPONENT1, parts->dp);
    push(&b, OSSL_PKEY_PARAM_RSA_EXPONENT2, parts->dq);
    push(&b, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, parts->qi);
    EVP_PKEY *pkey = made(&b, "RSA");
    builder_done(&b);
    return pkey;
}

static bool from_rsa(const KeyPrivate *parts, KeyRef **out, Err *err)
{
    const struct { const char *name; Bytes bytes; } members[] = {
        { "n", parts->open.n }, { "e", parts->open.e }, { "d", parts->d }, { "p", parts->p }, { "q", parts->q },
        { "dp", parts->dp }, { "dq", parts->dq }, { "qi", parts->qi },
    };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (!members[i].bytes.len)
            return err_field(err, members[i].name, "%s is missing; a private RSA key has n, e, d, p, q, dp, dq and qi", members[i].name);
        if (members[i].bytes.len > RSA_BITS_MAX / 8 + 1)
            return err_field(err, members[i].name, "%s is longer than a key of %d bits has it", members[i].name, RSA_BITS_MAX);
    }
    EVP_PKEY *pkey = rsa_of(parts);
    return pkey ? key_adopt(pkey, true, "the private key", out, err) : err_field(err, "n", "n, e, d, p, q, dp, dq and qi do not belong to one RSA key");
}

static bool from_ec(const KeyPrivate *parts, KeyRef **out, Err *err)
{
    size_t width = key_curve_bytes(parts->open.curve);
    if (!width)
        return err_field(err, "crv", "crv is missing or no known curve; use P-256, P-384, P-521 or P-256K");
    const struct { const char *name; Bytes bytes; } members[] = { { "x", parts->open.x }, { "y", parts->open.y }, { "d", parts->d } };
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (members[i].bytes.len != width)
            return err_field(err, members[i].name, "%s has %zu bytes; %s has %zu", members[i].name, members[i].bytes.len, key_curve_name(parts->open.curve).ptr, width);

    uint8_t point[1 + 2 * 66] = { POINT_CONVERSION_UNCOMPRESSED };
    memcpy(point + 1, parts->open.x.ptr, width);
    memcpy(point + 1 + width, parts->open.y.ptr, width);
    Builder b = { .build = OSSL_PARAM_BLD_new() };
    if (!b.build)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    b.failed = !OSSL_PARAM_BLD_push_utf8_string(b.build, OSSL_PKEY_PARAM_GROUP_NAME, key_curve_group(parts->open.curve), 0) ||
               !OSSL_PARAM_BLD_push_octet_string(b.build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * width);
    push(&b, OSSL_PKEY_PARAM_PRIV_KEY, parts->d);
    EVP_PKEY *pkey = made(&b, "EC");
    builder_done(&b);
    return pkey ? key_adopt(pkey, true, "the private key", out, err) : err_field(err, "d", "d does not belong to x and y on %s", key_curve_name(parts->open.curve).ptr);
}

bool key_from_private(const KeyPrivate *parts, KeyRef **out, Err *err)
{
    return parts->open.kind == KEY_RSA ? from_rsa(parts, out, err) : from_ec(parts, out, err);
}
