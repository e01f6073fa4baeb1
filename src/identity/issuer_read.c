/* issuer_read.c - the documents of an issuer: OpenID Connect Discovery 1.0 section 3, RFC 7517 (JWK sets). */
#include "base/encode.h"
#include "identity/issuer.h"
#include "json/read.h"

enum { JWKS_URI_MAX = 1000, MODULUS_MIN_BYTES = 256, MODULUS_MAX_BYTES = 1024, EXPONENT_MAX_BYTES = 8, SEEN_MAX = 200 };

bool issuer_read_configuration(Arena *arena, Str text, Str issuer, Str *jwks_uri, Err *err)
{
    const JsonVal *root;
    Err why = { 0 };
    if (!json_parse(arena, text, JSON_STRICT, &root, &why) || json_kind(root) != JSON_OBJECT)
        return err_set(err, ERR_BAD_INPUT, "its openid-configuration is no JSON object");
    Str named = json_str(json_get(root, "issuer")), uri = json_str(json_get(root, "jwks_uri"));
    if (!str_eq(named, issuer))
        return err_set(err, ERR_BAD_INPUT, "its openid-configuration is that of '" STR_FMT "'", STR_ARG(str_slice(named, 0, 120)));
    bool sound = str_starts(uri, STR("https://")) && uri.len > 8 && uri.len <= JWKS_URI_MAX;
    for (size_t i = 0; i < uri.len && sound; i++)
        sound = (unsigned char)uri.ptr[i] > ' ' && (unsigned char)uri.ptr[i] < 0x7f && uri.ptr[i] != '@';
    if (!sound)
        return err_set(err, ERR_BAD_INPUT, "its openid-configuration names no jwks_uri with https");
    *jwks_uri = uri;
    return true;
}

static bool member(Arena *arena, const JsonVal *jwk, const char *name, Bytes *out)
{
    Err ignored = { 0 };
    Str text = json_str(json_get(jwk, name));
    return text.len > 0 && base64url_decode(arena, text, out, &ignored);
}

static Bytes without_zeros(Bytes number)
{
    while (number.len > 0 && number.ptr[0] == 0) {
        number.ptr++;
        number.len--;
    }
    return number;
}

/* NULL: not a key that we check signatures with. */
static KeyRef *key_of(Arena *arena, const JsonVal *jwk)
{
    KeyPublic parts = { 0 };
    KeyRef *key = NULL;
    Err ignored = { 0 };
    Str kty = json_str(json_get(jwk, "kty")), use = json_str(json_get(jwk, "use"));
    if (use.ptr && !str_eq(use, STR("sig")))
        return NULL;
    if (str_eq(kty, STR("RSA"))) {
        parts.kind = KEY_RSA;
        if (!member(arena, jwk, "n", &parts.n) || !member(arena, jwk, "e", &parts.e))
            return NULL;
        parts.n = without_zeros(parts.n);
        parts.e = without_zeros(parts.e);
        if (parts.n.len < MODULUS_MIN_BYTES || parts.n.len > MODULUS_MAX_BYTES || parts.e.len == 0 || parts.e.len > EXPONENT_MAX_BYTES)
            return NULL;
    } else if (str_eq(kty, STR("EC")) && str_eq(json_str(json_get(jwk, "crv")), STR("P-256"))) {
        parts.kind = KEY_EC;
        parts.curve = CURVE_P256;
        if (!member(arena, jwk, "x", &parts.x) || !member(arena, jwk, "y", &parts.y) || parts.x.len != 32 || parts.y.len != 32)
            return NULL;
    } else {
        return NULL;
    }
    return key_from_public(&parts, &key, &ignored) ? key : NULL;
}

bool issuer_read_keys(Arena *arena, Str text, IssuerKeys *out, Err *err)
{
    const JsonVal *root, *list;
    Err why = { 0 };
    *out = (IssuerKeys){ 0 };
    if (!json_parse(arena, text, JSON_STRICT, &root, &why) || json_kind(list = json_get(root, "keys")) != JSON_ARRAY)
        return err_set(err, ERR_BAD_INPUT, "its keys are no JSON Web Key Set");
    for (size_t i = 0; i < json_count(list) && i < SEEN_MAX && out->count < ISSUER_KEYS_MAX; i++) {
        const JsonVal *jwk = json_at(list, i);
        Str kid = json_str(json_get(jwk, "kid"));
        KeyRef *key = json_kind(jwk) == JSON_OBJECT && kid.len <= ISSUER_KID_MAX ? key_of(arena, jwk) : NULL;
        if (!key)
            continue;
        IssuerKey *added = &out->items[out->count++];
        if (kid.len)
            memcpy(added->kid, kid.ptr, kid.len);
        added->kid[kid.len] = '\0';
        added->key = key;
    }
    return out->count > 0 || err_set(err, ERR_BAD_INPUT, "it has no key for signatures with RS256 or ES256");
}

void issuer_keys_done(IssuerKeys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        key_free(keys->items[i].key);
    keys->count = 0;
}
