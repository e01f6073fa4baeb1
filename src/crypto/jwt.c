/* jwt.c - compact JWS around JSON claims. */
#include "crypto/jwt.h"
#include "base/encode.h"

enum { TOKEN_MAX = 64 * 1024 };

/* ---- writing ---- */

bool jwt_sign(Arena *arena, const KeyRef *key, SignAlg alg, Str header_extra_json, Str claims_json, Str *out, Err *err)
{
    Str header = str_printf(arena, "{\"typ\":\"JWT\",\"alg\":\"" STR_FMT "\"%s" STR_FMT "}", STR_ARG(sign_alg_name(alg)),
                            header_extra_json.len ? "," : "", STR_ARG(header_extra_json));
    Str signed_part = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(base64url_encode(arena, bytes_of(header))),
                                 STR_ARG(base64url_encode(arena, bytes_of(claims_json))));
    Bytes signature;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!key_sign(key, alg, bytes_of(signed_part), arena, &signature, err))
        return false;
    Str token = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(signed_part), STR_ARG(base64url_encode(arena, signature)));
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = token;
    return true;
}

/* ---- reading ---- */

static bool refuse(Err *err, const char *what)
{
    return err_set(err, ERR_UNAUTHENTICATED, "the token %s", what);
}

/* One part as a JSON object. A full arena stays that, everything else is the token's fault. */
static bool part_object(Arena *arena, Str part, const char *trouble, const JsonVal **out, Err *err)
{
    Bytes text;
    bool read = base64url_decode(arena, part, &text, err) && json_parse(arena, str_of(text), JSON_STRICT, out, err) && json_kind(*out) == JSON_OBJECT;
    if (!arena_ok(arena))
        return err_too_big(err);
    return read || refuse(err, trouble);
}

/* A header member that is there must be text: an array in its place would mean "absent" to one reader and not to another. */
static bool header_text(const JsonVal *header, const char *name, Str *out)
{
    const JsonVal *value = json_get(header, name);
    *out = json_str(value);
    return !value || json_kind(value) == JSON_STR;
}

bool jwt_parse(Arena *arena, Str token, Jwt *out, Err *err)
{
    Jwt jwt = { 0 };
    Str alg, rest = token;
    if (token.len > TOKEN_MAX)
        return refuse(err, "is too long");
    Str header = str_cut(&rest, '.'), claims = str_cut(&rest, '.'), signature = rest;
    size_t dot;
    if (!signature.ptr || str_find(signature, STR("."), &dot))
        return refuse(err, "is not three parts joined by dots");
    jwt.signed_part = str_slice(token, 0, header.len + 1 + claims.len);

    if (!part_object(arena, header, "has a header that is not base64url of a JSON object", &jwt.header, err)
        || !part_object(arena, claims, "has claims that are not base64url of a JSON object", &jwt.claims, err))
        return false;
    if (!header_text(jwt.header, "alg", &alg) || !alg.ptr)
        return refuse(err, "names no signature algorithm");
    if (!sign_alg_parse(alg, &jwt.alg))                /* "none" and the HMACs are not in the table */
        return refuse(err, "has a signature algorithm that is not accepted; RS, PS and ES with 256, 384 or 512 are");
    /* RFC 7515 section 4.1.11: whoever does not understand a critical extension must refuse, and we understand none. */
    if (json_get(jwt.header, "crit"))
        return refuse(err, "has a critical header extension, which is not supported");
    if (json_get(jwt.header, "b64"))                   /* RFC 7797 changes what is signed */
        return refuse(err, "has an unencoded payload, which is not supported");
    if (!header_text(jwt.header, "kid", &jwt.kid) || !header_text(jwt.header, "x5t", &jwt.x5t) || !header_text(jwt.header, "x5t#S256", &jwt.x5t_s256))
        return refuse(err, "has a key identifier that is not text");
    if (!base64url_decode(arena, signature, &jwt.signature, err) || !jwt.signature.len)
        return arena_ok(arena) ? refuse(err, "has a signature that is not base64url") : err_too_big(err);
    *out = jwt;
    return true;
}

bool jwt_check(const Jwt *jwt, const KeyRef *key, Err *err)
{
    bool valid = false;
    if (!sign_alg_fits(jwt->alg, key_spec(key)))
        return refuse(err, "has a signature that does not verify");
    if (!key_verify(key, jwt->alg, bytes_of(jwt->signed_part), jwt->signature, &valid, err))
        return false;
    return valid || refuse(err, "has a signature that does not verify");
}

bool jwt_time(const JsonVal *claim, int64_t *ms)
{
    static const double limit_s = 9.0e12;              /* far beyond year 9999, and milliseconds of it fit a double exactly */
    JsonKind kind = json_kind(claim);
    if (kind != JSON_INT && kind != JSON_REAL)
        return false;
    double seconds = json_number(claim, 0);
    if (!(seconds >= -limit_s && seconds <= limit_s))
        return false;
    int64_t whole = (int64_t)(seconds * 1000);
    *ms = whole - ((double)whole > seconds * 1000);    /* down, also before 1970 */
    return true;
}
