/* attestation.c - tokens of attestation authorities. */
#include "keyvault/keys/attestation.h"
#include "base/encode.h"
#include "base/wait.h"
#include "crypto/certificates/cert.h"
#include "keyvault/keys/release_policy.h"

static bool denied(Err *err, const char *why)
{
    return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByPolicy", "Target environment attestation statement cannot be verified: %s.", why);
}

bool attestation_read(Arena *arena, Str token, const JsonVal *rules, int64_t real_ms, Jwt *out, Str *authority, Err *err)
{
    Err why = { 0 };
    int64_t from_ms, until_ms;
    if (!jwt_parse(arena, token, out, &why))
        return arena_ok(arena) ? err_field(err, "target", "target is not an attestation token: %s", why.text) : err_too_big(err);
    *authority = json_str(json_get(out->claims, "iss"));
    if (!release_policy_trusts(rules, *authority))
        return denied(err, "its issuer is not an authority of the release policy");
    if (!jwt_time(json_get(out->claims, "exp"), &until_ms) || until_ms + ATTESTATION_LEEWAY_MS < real_ms)
        return denied(err, "it has expired");
    if (json_get(out->claims, "nbf") && (!jwt_time(json_get(out->claims, "nbf"), &from_ms) || from_ms - ATTESTATION_LEEWAY_MS > real_ms))
        return denied(err, "it is not yet valid");
    return true;
}

/* ---- the authority's keys ---- */

static bool ask(KeyVault *kv, Arena *arena, Str url, const JsonVal **out, Err *err)
{
    HttpHeader accept = { "Accept", STR("application/json") };
    HttpCall call = { .method = "GET", .url = url, .headers = &accept, .header_count = 1, .body = STR_NONE, .timeout_ms = ATTESTATION_TIMEOUT_MS };
    HttpAnswer answer;
    Err why = { 0 };
    if (!str_starts_nocase(url, STR("https://")))
        return denied(err, "its authority's keys are not at an https address");
    if (!kv->ask_authority(kv, arena, &call, &answer, &why))
        return err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "The attestation authority cannot be asked for its keys: %s", why.text);
    if (answer.status != 200)
        return err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "The attestation authority answers %d when asked for its keys.", answer.status);
    return json_parse(arena, answer.body, JSON_STRICT, out, &why) || (arena_ok(arena) ? denied(err, "its authority's keys are no JSON") : err_too_big(err));
}

static bool member(Arena *arena, const JsonVal *jwk, const char *name, Bytes *out)
{
    Err ignored;
    return base64url_decode(arena, json_str(json_get(jwk, name)), out, &ignored) && out->len;
}

/* false: it is none that we know. */
static bool key_of(Arena *arena, const JsonVal *jwk, KeyRef **out)
{
    Str kty = json_str(json_get(jwk, "kty")), certificate = json_str(json_at(json_get(jwk, "x5c"), 0));
    KeyPublic parts = { .kind = str_eq(kty, STR("EC")) ? KEY_EC : KEY_RSA, .curve = key_curve_parse(json_str(json_get(jwk, "crv"))) };
    Bytes der;
    Err ignored = { 0 };
    if (str_eq(kty, STR("RSA")) && member(arena, jwk, "n", &parts.n) && member(arena, jwk, "e", &parts.e))
        return key_from_public(&parts, out, &ignored);
    if (str_eq(kty, STR("EC")) && member(arena, jwk, "x", &parts.x) && member(arena, jwk, "y", &parts.y))
        return key_from_public(&parts, out, &ignored);
    return certificate.len && base64_decode(arena, certificate, &der, &ignored) && cert_public_key(der, out, &ignored);
}

/* One that signed it. A token that names its key is tried with that one alone. */
static bool signed_by_one_of(Arena *arena, const Jwt *token, const JsonVal *keys, Err *err)
{
    for (size_t i = 0; i < json_count(keys); i++) {
        const JsonVal *jwk = json_at(keys, i);
        AUTO(key_free_auto) KeyRef *key = NULL;
        Err why = { 0 };
        if (token->kid.ptr && !str_eq(json_str(json_get(jwk, "kid")), token->kid))
            continue;
        if (key_of(arena, jwk, &key) && jwt_check(token, key, &why))
            return true;
        if (!arena_ok(arena))
            return err_too_big(err);
    }
    return denied(err, "none of its authority's keys has signed it");
}

static bool check(KeyVault *kv, Arena *arena, const Jwt *token, Str authority, Err *err)
{
    const JsonVal *configuration, *list;
    while (str_ends(authority, STR("/")))
        authority.len--;
    Str url = str_printf(arena, STR_FMT "/.well-known/openid-configuration", STR_ARG(authority));
    return (arena_ok(arena) || err_too_big(err)) && ask(kv, arena, url, &configuration, err) && ask(kv, arena, json_str(json_get(configuration, "jwks_uri")), &list, err) &&
           signed_by_one_of(arena, token, json_get(list, "keys"), err);
}

bool attestation_check(KeyVault *kv, Arena *arena, const Jwt *token, Str authority, Err *err)
{
    bool is_free = atomic_fetch_add(&kv->authorities_asked, 1) < ATTESTATION_CALLS;
    bool good = is_free ? check(kv, arena, token, authority, err)
                        : err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "Other attestation authorities are being asked now; try again.");
    atomic_fetch_sub(&kv->authorities_asked, 1);
    return good;
}

bool attestation_call(KeyVault *kv, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    HttpClientConfig config = { .ca_file = kv->site->attestation_ca_file, .user_agent = "vaultyard-keyvault/1", .connect_timeout_ms = ATTESTATION_TIMEOUT_MS,
                                .timeout_ms = ATTESTATION_TIMEOUT_MS, .reply_max_bytes = ATTESTATION_REPLY_MAX };
    if (!http_client_new(&config, &client, err))
        return false;
    wait_begins();                      /* others may compute meanwhile */
    bool answered = http_call(client, arena, call, out, err);
    wait_ends();
    return answered;
}

/* ---- who is attested ---- */

static bool is_for_encryption(const JsonVal *jwk)
{
    const JsonVal *use = json_get(jwk, "use"), *key_use = json_get(jwk, "key_use"), *ops = json_get(jwk, "key_ops");
    if (use || key_use)
        return str_eq(json_str(use ? use : key_use), STR("enc"));
    for (size_t i = 0; i < json_count(ops); i++)
        if (str_eq(json_str(json_at(ops, i)), STR("encrypt")) || str_eq(json_str(json_at(ops, i)), STR("wrapKey")))
            return true;
    return !ops;
}

bool attestation_key(Arena *arena, const JsonVal *claims, KeyRef **out, Str *kid, Err *err)
{
    const JsonVal *keys = json_get(json_get(claims, "x-ms-runtime"), "keys");
    for (size_t i = 0; i < json_count(keys); i++) {
        const JsonVal *jwk = json_at(keys, i);
        if (!str_eq(json_str(json_get(jwk, "kty")), STR("RSA")) || !is_for_encryption(jwk) || !key_of(arena, jwk, out))
            continue;
        *kid = json_str(json_get(jwk, "kid"));
        return true;
    }
    return arena_ok(arena) ? denied(err, "x-ms-runtime.keys has no RSA key of 2048 bits or more for encryption") : err_too_big(err);
}
