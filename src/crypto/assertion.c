/* assertion.c - client assertions. */
#include "crypto/assertion.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/jwt.h"
#include "json/write.h"

enum { CLAIMS_MAX = 16 * 1024 };

static bool write_claims(Arena *arena, Str client_id, Str audience, int64_t now_s, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, CLAIMS_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "aud", audience);
    json_put_str(&w, "iss", client_id);
    json_put_str(&w, "sub", client_id);
    json_put_str(&w, "jti", guid_new(arena));
    json_put_int(&w, "nbf", now_s);
    json_put_int(&w, "exp", now_s + ASSERTION_S);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = str_dup(arena, buf_str(&buf));
    return out->ptr || err_too_big(err);
}

bool assertion_sign(Arena *arena, const Bundle *bundle, Str client_id, Str audience, int64_t now_ms, Str *out, Err *err)
{
    CertInfo leaf;
    Str claims;
    if (!bundle->key || bundle->count == 0)
        return err_set(err, ERR_BAD_INPUT, "both a certificate and its private key are needed");
    if (key_spec(bundle->key).kind != KEY_RSA)
        return err_set(err, ERR_BAD_INPUT, "the key is no RSA key, which client certificates need");
    if (!cert_read(arena, bundle->certs[0], &leaf, err) || !write_claims(arena, client_id, audience, now_ms / 1000, &claims, err))
        return false;
    Str header = str_printf(arena, "\"x5t\":\"" STR_FMT "\",\"x5t#S256\":\"" STR_FMT "\"", STR_ARG(base64url_encode(arena, (Bytes){ leaf.sha1, sizeof leaf.sha1 })),
                            STR_ARG(base64url_encode(arena, (Bytes){ leaf.sha256, sizeof leaf.sha256 })));
    return (arena_ok(arena) || err_too_big(err)) && jwt_sign(arena, bundle->key, SIGN_RS256, header, claims, out, err);
}
