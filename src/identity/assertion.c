/* assertion.c - client assertions: a JWT that the client signs with the key of a certificate registered for it (RFC 7523).
 *
 * az signs RS256, names the certificate by SHA-1 in x5t (base64url with padding) and writes its times as fractions; npm signs PS256
 * and names it by SHA-256 in x5t#S256. The window of the registered credential decides, not the certificate's own.
 *
 * An assertion is remembered until it ends. A second one with the same jti is refused, and so is the same one from another address.
 * From where it came first it may come again: MSAL signs once and presents that for some ten minutes, for every resource. */
#include "base/encode.h"
#include "crypto/certificates/cert.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "identity/parts.h"

enum { ASSERTION_MAX_BYTES = 32 * 1024, TIME_TEXT = 32 };

static const int64_t LIFE_MAX_MS = 24 * 3600 * (int64_t)1000;

typedef struct Check {
    Identity *identity;
    const Req *req;
    Str text, client_id;
    Jwt jwt;
    Bytes thumbprint;
    Credential credential;
    bool found;
    int64_t ends_ms;
} Check;

static bool malformed(Err *err, const char *why)
{
    return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "50027", "JWT token is invalid or malformed: %s.", why);
}

static bool bad_signature(const Check *c, Err *err, const char *reason)
{
    Str hex = hex_encode(c->req->arena, c->thumbprint);
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "700027",
                      "The certificate with identifier used to sign the client assertion is not registered on application, "
                      "or it did not sign it. [Reason - %s, Thumbprint of key used by client: '" STR_FMT "'] Configured keys: az ad app credential list --cert --id " STR_FMT ".",
                      reason, STR_ARG(hex), STR_ARG(str_slice(c->client_id, 0, 80)));
}

/* ---- whose, and which certificate ---- */

static bool read_thumbprint(Check *c, Err *err)
{
    bool is_sha256 = c->jwt.x5t_s256.len > 0;
    Str text = is_sha256 ? c->jwt.x5t_s256 : c->jwt.x5t;
    Err ignored = { 0 };
    if (str_empty(text))
        return malformed(err, "its header names no certificate (x5t or x5t#S256)");
    if (!base64url_decode(c->req->arena, text, &c->thumbprint, &ignored) || c->thumbprint.len != (is_sha256 ? SHA256_SIZE : SHA1_SIZE))
        return malformed(err, "x5t is no thumbprint in base64url");
    return true;
}

static bool find_certificate(Txn *txn, void *ctx, Err *err)
{
    Check *c = ctx;
    Str app_id = str_lower(c->req->arena, c->client_id);
    if (!app_id.ptr)
        return err_too_big(err);
    return credential_find_certificate(txn, c->req->arena, app_id, c->thumbprint, &c->credential, &c->found, err);
}

static bool check_key(Check *c, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    Err reason = { 0 };
    if (!store_read(c->identity->site->store, find_certificate, c, err))
        return false;
    if (!c->found)
        return bad_signature(c, err, "The key was not found.");
    if (!cert_public_key(c->credential.certificate, &key, err))
        return false;
    if (!jwt_check(&c->jwt, key, &reason))
        return reason.code == ERR_UNAUTHENTICATED ? bad_signature(c, err, "The key was found, but its signature does not hold.")
                                                  : (*err = reason, false);
    if (c->req->real_ms >= c->credential.end_ms)
        return bad_signature(c, err, "The key used is expired.");
    if (c->req->real_ms < c->credential.start_ms)
        return bad_signature(c, err, "The key used is not valid yet.");
    return true;
}

/* ---- what it says ---- */

static bool is_token_endpoint(const Check *c, Str base, Str audience)
{
    Str tenant = c->identity->site->tenant_id;
    static const char *const shapes[] = { "/%s/oauth2/v2.0/token", "/%s/oauth2/token", "/%s/v2.0", "/%s", "/adfs/t/%s/oauth2/token",
                                          "/adfs/t/%s/oauth2/v2.0/token", "/adfs/t/%s" };
    static const char *const plain[] = { "/adfs/oauth2/token", "/adfs/oauth2/v2.0/token", "/adfs" };
    if (!str_starts_nocase(audience, base))
        return false;
    Str path = str_slice(audience, base.len, audience.len);
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (audience_same(path, str_from(plain[i])))
            return true;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        Str rest = str_from(shapes[i]), before, after;
        size_t at;
        if (!str_find(rest, STR("%s"), &at))
            continue;
        before = str_slice(rest, 0, at);
        after = str_slice(rest, at + 2, rest.len);
        Str wanted = str_printf(c->req->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(before), STR_ARG(tenant), STR_ARG(after));
        if (wanted.ptr && audience_same(path, wanted))
            return true;
    }
    return false;
}

/* aud is text or a list of texts (RFC 7519 section 4.1.3); ours by its own name or as the request reached us. */
static bool check_audience(const Check *c, Err *err)
{
    const JsonVal *aud = json_get(c->jwt.claims, "aud");
    bool is_list = json_kind(aud) == JSON_ARRAY;
    Str bases[] = { site_url(c->identity->site, c->req->arena, STR("login")), str_printf(c->req->arena, "https://" STR_FMT, STR_ARG(c->req->host)) };
    for (size_t i = 0; i < (is_list ? json_count(aud) : 1); i++) {
        Str one = json_str(is_list ? json_at(aud, i) : aud);
        for (size_t b = 0; b < COUNT_OF(bases); b++)
            if (bases[b].len && one.len && is_token_endpoint(c, bases[b], one))
                return true;
    }
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "700023",
                      "Client assertion audience claim does not match Realm issuer [" STR_FMT "/" STR_FMT
                      "/oauth2/v2.0/token]. Review the documentation of your client: aud must be the token endpoint.", STR_ARG(bases[0]),
                      STR_ARG(c->identity->site->tenant_id));
}

bool assertion_is_timely(const Req *req, const Jwt *jwt, int64_t life_max_ms, int64_t *ends_ms, Err *err)
{
    int64_t now = req->real_ms, from = 0;
    char now_text[TIME_TEXT], from_text[TIME_TEXT], to_text[TIME_TEXT];
    if (!jwt_time(json_get(jwt->claims, "exp"), ends_ms))
        return malformed(err, "it has no exp");
    (void)(jwt_time(json_get(jwt->claims, "nbf"), &from) || jwt_time(json_get(jwt->claims, "iat"), &from));      /* both are optional */
    if (now <= *ends_ms + TOKEN_LEEWAY_MS && now >= from - TOKEN_LEEWAY_MS && (!life_max_ms || *ends_ms <= now + life_max_ms + TOKEN_LEEWAY_MS))
        return true;
    time_format(now, 0, now_text, sizeof now_text);
    time_format(from, 0, from_text, sizeof from_text);
    time_format(*ends_ms, 0, to_text, sizeof to_text);
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "700024",
                      "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time "
                      "of assertion %s.%s", now_text, from_text, to_text, life_max_ms ? " It may last 24 hours at most." : "");
}

static bool check_claims(Check *c, Err *err)
{
    Str issuer = json_str(json_get(c->jwt.claims, "iss")), subject = json_str(json_get(c->jwt.claims, "sub"));
    if (!str_eq_nocase(issuer, c->client_id) || !str_eq_nocase(subject, c->client_id))
        return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "700021",
                          "Client assertion application identifier doesn't match 'client_id' parameter: iss and sub must be '"
                          STR_FMT "'.", STR_ARG(str_slice(c->client_id, 0, 80)));
    return check_audience(c, err) && assertion_is_timely(c->req, &c->jwt, LIFE_MAX_MS, &c->ends_ms, err);
}

/* ---- never twice ---- */

/* Addresses of one machine: clients try ::1 and 127.0.0.1 in turn, and nodes come through a socket of their own. */
static Str origin_of(Str address)
{
    bool is_local = str_empty(address) || str_eq(address, STR("::1")) || str_starts(address, STR("127.")) ||
                    str_starts(address, STR("::ffff:127.")) ||
                    str_eq(address, STR("unix"));
    return is_local ? STR("local") : address;
}

static void assertion_id(const Check *c, uint8_t id[SHA256_SIZE], uint8_t digest[SHA256_SIZE])
{
    Str jti = json_str(json_get(c->jwt.claims, "jti"));
    sha256(bytes_of(c->text), digest);
    if (str_empty(jti))                             /* optional in RFC 7519: then the assertion is its own name */
        jti = (Str){ (const char *)digest, SHA256_SIZE };
    Str name = str_printf(c->req->arena, STR_FMT "\n", STR_ARG(c->client_id));
    uint8_t key[SHA256_SIZE];
    sha256(bytes_of(name), key);
    hmac_sha256((Bytes){ key, sizeof key }, bytes_of(jti), id);
}

static bool remember(Txn *txn, void *ctx, Err *err)
{
    Check *c = ctx;
    uint8_t id[SHA256_SIZE], digest[SHA256_SIZE];
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str origin = origin_of(c->req->client_ip);
    assertion_id(c, id, digest);
    *err = (Err){ 0 };
    if (!txn_exec(txn, NULL, err, "DELETE FROM identity_assertion WHERE ends_ms < ?1", db_int(c->req->real_ms)) ||
        !txn_query(txn, &rows, err, "SELECT digest, address FROM identity_assertion WHERE id = ?1", db_blob((Bytes){ id, sizeof id })))
        return false;
    if (rows_next(rows, err)) {
        bool same = secret_equal(row_blob(rows, 0), (Bytes){ digest, sizeof digest }) && str_eq(row_text(rows, 1), origin);
        return same ? true : sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "50027",
                                        "JWT token is invalid: its 'jti' has been used before, in another assertion or from "
                                        "another address. Sign a new assertion.");
    }
    return err->code == ERR_NONE &&
           txn_exec(txn, NULL, err, "INSERT INTO identity_assertion (id, digest, address, ends_ms) VALUES (?1, ?2, ?3, ?4)",
                    db_blob((Bytes){ id, sizeof id }),
                    db_blob((Bytes){ digest, sizeof digest }), db_text(origin), db_int(c->ends_ms + TOKEN_LEEWAY_MS));
}

/* What a client signs itself names itself in iss; other issuers are URLs. */
static bool is_external(const Check *c)
{
    return str_starts_nocase(json_str(json_get(c->jwt.claims, "iss")), STR("https://"));
}

static bool read_external(const Check *c, Str *client_id, Jwt *external, Err *err)
{
    if (str_empty(c->client_id))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "900144", "The request body must contain the following parameter: 'client_id'.");
    if (c->jwt.alg != SIGN_RS256 && c->jwt.alg != SIGN_PS256 && c->jwt.alg != SIGN_ES256)
        return malformed(err, "alg must be RS256, PS256 or ES256");
    *client_id = c->client_id;
    *external = c->jwt;
    return true;
}

bool assertion_check(Identity *identity, const Req *req, Str assertion, Str claimed_client_id, Str *client_id, Jwt *external, Err *err)
{
    Check c = { .identity = identity, .req = req, .text = assertion, .client_id = claimed_client_id };
    Err reason = { 0 };
    *external = (Jwt){ 0 };
    if (assertion.len > ASSERTION_MAX_BYTES)
        return malformed(err, "it is too long");
    if (!jwt_parse(req->arena, assertion, &c.jwt, &reason))
        return reason.code == ERR_UNAUTHENTICATED ? malformed(err, reason.text) : (*err = reason, false);
    if (is_external(&c))
        return read_external(&c, client_id, external, err);
    if (c.jwt.alg != SIGN_RS256 && c.jwt.alg != SIGN_PS256)
        return malformed(err, "alg must be RS256 or PS256");
    /* Not believed yet: it only says whose certificates to try. */
    if (str_empty(c.client_id))
        c.client_id = json_str(json_get(c.jwt.claims, "sub"));
    if (str_empty(c.client_id))
        return malformed(err, "it has no sub");
    if (!read_thumbprint(&c, err) || !check_key(&c, err) || !check_claims(&c, err) || !store_write(identity->site->store, remember, &c, err))
        return false;
    *client_id = c.client_id;
    return true;
}
