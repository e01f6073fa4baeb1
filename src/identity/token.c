/* token.c - tokens made and checked.
 *
 * Claims are those of Entra's version 1.0 tokens for applications (Microsoft identity platform, "Access token claims reference").
 * A check goes: shape, key, signature, issuer and tenant, principal, times, audience. What passed is kept by its SHA-256, so the
 * next request with the same token costs a hash; times and audience are looked at every time. */
#include <stdlib.h>
#include "base/encode.h"
#include "base/id.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "identity/parts.h"

enum { TOKEN_MAX_BYTES = 16 * 1024, CLAIMS_MAX_BYTES = 8 * 1024, UTI_BYTES = 16 };

/* ---- making ---- */

static Str issuer_of(const Site *site, Arena *arena)
{
    Str authority = site_authority(site, arena);
    return str_printf(arena, STR_FMT "/", STR_ARG(authority));
}

static bool claims_text(const Site *site, Arena *arena, const Issue *issue, Buf *buf, Err *err)
{
    const Principal *p = issue->principal;
    uint8_t unique[UTI_BYTES];
    JsonWriter w;
    random_fill(unique, sizeof unique);
    Str issuer = issuer_of(site, arena), uti = base64url_encode(arena, (Bytes){ unique, sizeof unique });
    if (!arena_ok(arena))
        return err_too_big(err);

    json_begin(&w, buf);
    json_open(&w, NULL);
    json_put_str(&w, "aud", issue->audience);
    json_put_str(&w, "iss", issuer);
    json_put_int(&w, "iat", issue->now_ms / 1000);
    json_put_int(&w, "nbf", issue->now_ms / 1000);
    json_put_int(&w, "exp", issue->now_ms / 1000 + issue->life_s);
    json_put_str(&w, "appid", p->app_id);
    json_put_str(&w, "appidacr", issue->proof == PROOF_CERTIFICATE ? STR("2") : STR("1"));
    json_put_str(&w, "idp", issuer);
    json_put_str(&w, "idtyp", STR("app"));
    json_put_str(&w, "oid", p->object_id);
    json_put_str(&w, "sub", p->object_id);
    json_put_str(&w, "tid", site->tenant_id);
    json_put_str(&w, "uti", uti);
    json_put_str(&w, "ver", STR("1.0"));
    if (p->kind == PRINCIPAL_MANAGED_IDENTITY)
        json_put_str(&w, "xms_mirid", p->mirid);
    json_close(&w);
    return json_end(&w, err);
}

static bool sign_claims(Arena *arena, const SigningKey *key, Str claims, Str *token, Err *err)
{
    Str header = str_printf(arena, "\"x5t\":\"" STR_FMT "\",\"kid\":\"" STR_FMT "\"", STR_ARG(key->kid), STR_ARG(key->kid));   /* base64url needs no escapes */
    if (!header.ptr)
        return err_too_big(err);
    return jwt_sign(arena, key->key, SIGN_RS256, header, claims, token, err);
}

bool statement_sign(Identity *identity, Arena *arena, Str statement_json, Str *jws, Err *err)
{
    Ring *ring = signing_ring(identity);
    const SigningKey *key = signing_current(ring, real_now_ms());
    Str header = key ? str_printf(arena, "\"x5t\":\"" STR_FMT "\",\"kid\":\"" STR_FMT "\",\"x5c\":[\"" STR_FMT "\"]", STR_ARG(key->kid), STR_ARG(key->kid),
                                  STR_ARG(base64_encode(arena, key->certificate))) : STR_NONE;
    bool good = !key ? err_set(err, ERR_INTERNAL, "there is no signing key") : !header.ptr ? err_too_big(err)
                     : jwt_sign(arena, key->key, SIGN_RS256, header, statement_json, jws, err);
    signing_release(identity, ring);
    return good;
}

bool token_make(Identity *identity, Arena *arena, const Issue *issue, Str *token, Err *err)
{
    AUTO(buf_done_auto) Buf claims = { 0 };
    buf_init(&claims, CLAIMS_MAX_BYTES);
    if (!claims_text(identity->site, arena, issue, &claims, err))
        return false;
    Ring *ring = signing_ring(identity);
    const SigningKey *key = signing_current(ring, issue->now_ms);
    bool made = key ? sign_claims(arena, key, buf_str(&claims), token, err) : err_set(err, ERR_UNAVAILABLE, "no signing key is in use yet");
    signing_release(identity, ring);
    return made;
}

bool token_issue(Identity *identity, Arena *arena, const Principal *principal, Str audience, Str *token, int64_t *expires_ms, Err *err)
{
    if (!audience_require(identity, arena, audience, err))
        return false;
    bool is_identity = principal->kind == PRINCIPAL_MANAGED_IDENTITY;
    Issue issue = { .principal = principal, .audience = audience, .proof = is_identity ? PROOF_CERTIFICATE : PROOF_SECRET, .now_ms = real_now_ms(),
                    .life_s = is_identity ? TOKEN_IDENTITY_LIFE_S : TOKEN_APP_LIFE_S };
    if (!token_make(identity, arena, &issue, token, err))
        return false;
    *expires_ms = (issue.now_ms / 1000 + issue.life_s) * 1000;
    return true;
}

/* ---- what a checked token says ---- */

typedef struct Verified { Caller caller; Str audience; int64_t not_before_ms; } Verified;

#define TEXTS_OF(v) { &(v)->caller.object_id, &(v)->caller.app_id, &(v)->caller.tenant_id, &(v)->caller.id_type, &(v)->caller.name, &(v)->caller.issuer, \
                      &(v)->caller.mirid, &(v)->audience }

static size_t packed_size(Verified *v)
{
    Str *texts[] = TEXTS_OF(v);
    return sizeof *v + str_pack_size(texts, COUNT_OF(texts));
}

/* `block` has packed_size bytes: the struct and behind it its texts. */
static void pack_into(void *block, const Verified *from)
{
    Verified *v = block;
    Str *texts[] = TEXTS_OF(v);
    *v = *from;
    str_pack(texts, COUNT_OF(texts), (char *)(v + 1));
}

typedef struct CopyOut { Arena *arena; Verified *copy; } CopyOut;

static void copy_out(const void *block, void *ctx)
{
    CopyOut *out = ctx;
    Verified found = *(const Verified *)block;
    out->copy = arena_alloc(out->arena, packed_size(&found));
    if (out->copy)
        pack_into(out->copy, block);
}

/* ---- checking ---- */

static bool refuse(Err *err, const char *name, const char *why) { return err_named(err, ERR_UNAUTHENTICATED, name, NULL, "%s", why); }

static bool check_signature(Identity *identity, const Jwt *jwt, Err *err)
{
    Err reason = { 0 };
    bool found = false, good = false;
    if (jwt->alg != SIGN_RS256)
        return refuse(err, "invalid", "The token is not signed with RS256.");
    Ring *ring = signing_ring(identity);
    for (size_t i = 0; i < ring->count && !found; i++) {
        found = str_eq(ring->keys[i].kid, jwt->kid);
        good = found && jwt_check(jwt, ring->keys[i].key, &reason);
    }
    signing_release(identity, ring);
    if (!found)
        return refuse(err, "invalid", "The token is signed with a key that this tenant does not have.");
    return good ? true : refuse(err, "invalid", "The signature of the token is not valid.");
}

typedef struct FindPrincipal { Identity *identity; Arena *arena; Str object_id; Principal principal; bool found; } FindPrincipal;

static bool find_principal(Txn *txn, void *ctx, Err *err)
{
    FindPrincipal *find = ctx;
    return principal_by_object_id(find->identity, txn, find->arena, find->object_id, &find->principal, &find->found, err);
}

static bool check_claims(Identity *identity, Arena *arena, const JsonVal *claims, Verified *out, Err *err)
{
    Str issuer = issuer_of(identity->site, arena);
    FindPrincipal find = { .identity = identity, .arena = arena, .object_id = json_str(json_get(claims, "oid")) };
    Str app_id = json_str(json_get(claims, "appid"));
    if (!str_eq(json_str(json_get(claims, "iss")), issuer))
        return refuse(err, "invalid", "The token was issued by somebody else.");
    if (!str_eq_nocase(json_str(json_get(claims, "tid")), identity->site->tenant_id))
        return refuse(err, "invalid", "The token is of another tenant.");
    if (str_empty(find.object_id) || str_empty(app_id) || !jwt_time(json_get(claims, "nbf"), &out->not_before_ms) ||
        !jwt_time(json_get(claims, "exp"), &out->caller.expires_ms))
        return refuse(err, "invalid", "The token lacks one of the claims oid, appid, nbf and exp.");
    if (!store_read(identity->site->store, find_principal, &find, err))
        return false;
    if (!find.found || !find.principal.enabled || !str_eq_nocase(find.principal.app_id, app_id))
        return refuse(err, "invalid", "The principal of the token does not exist any more or is disabled.");
    out->audience = json_str(json_get(claims, "aud"));
    out->caller.object_id = find.principal.object_id;
    out->caller.app_id = find.principal.app_id;
    out->caller.tenant_id = identity->site->tenant_id;
    out->caller.id_type = STR("app");
    out->caller.name = find.principal.display_name;
    out->caller.issuer = issuer;
    out->caller.mirid = find.principal.mirid;
    return true;
}

static bool verify_anew(Identity *identity, Arena *arena, Str token, const uint8_t digest[SHA256_SIZE], Verified **out, Err *err)
{
    Jwt jwt;
    Verified found = { 0 };
    uint64_t generation = cache_generation(identity->tokens);        /* before anything is read: a change meanwhile wins */
    if (!jwt_parse(arena, token, &jwt, err)) {
        if (err->code != ERR_UNAUTHENTICATED)
            return false;
        err->name = "invalid";
        return false;
    }
    if (!check_signature(identity, &jwt, err) || !check_claims(identity, arena, jwt.claims, &found, err))
        return false;

    size_t size = packed_size(&found);
    *out = arena_alloc(arena, size);
    if (!*out)
        return err_too_big(err);
    pack_into(*out, &found);
    void *kept = malloc(size);                                       /* without memory it is verified again next time */
    if (kept) {
        pack_into(kept, &found);
        cache_put(identity->tokens, digest, generation, kept);
    }
    return true;
}

static bool check_times(const Verified *v, int64_t now_ms, Err *err)
{
    if (now_ms < v->not_before_ms - TOKEN_LEEWAY_MS)
        return refuse(err, "invalid", "The token is not valid yet.");
    if (now_ms > v->caller.expires_ms + TOKEN_LEEWAY_MS)
        return refuse(err, "expired", "The token has expired.");
    return true;
}

static bool check_audience(const Verified *v, const Str *audiences, size_t count, Err *err)
{
    for (size_t i = 0; i < count; i++)
        if (v->audience.len && audience_same(v->audience, audiences[i]))
            return true;
    return err_named(err, ERR_UNAUTHENTICATED, "audience", NULL, "The token is for '" STR_FMT "'; this service takes tokens for '" STR_FMT "'.",
                     STR_ARG(v->audience), STR_ARG(count ? audiences[0] : STR("")));
}

bool token_check(Identity *identity, Arena *arena, Str token, const Str *audiences, size_t count, int64_t now_ms, const Caller **out, Err *err)
{
    if (token.len > TOKEN_MAX_BYTES)
        return refuse(err, "invalid", "The token is longer than any of ours.");
    uint8_t digest[SHA256_SIZE];
    sha256(bytes_of(token), digest);
    CopyOut copy = { .arena = arena };
    Verified *verified;
    if (cache_look(identity->tokens, digest, copy_out, &copy)) {
        if (!copy.copy)
            return err_too_big(err);
        verified = copy.copy;
    } else if (!verify_anew(identity, arena, token, digest, &verified, err)) {
        return false;
    }
    if (!check_times(verified, now_ms, err) || !check_audience(verified, audiences, count, err))
        return false;
    *out = &verified->caller;
    return true;
}

bool token_verify(Identity *identity, const Req *req, const Str *audiences, size_t count, const Caller **out, Err *err)
{
    Str header = str_trim(req_header(req, "Authorization"));
    if (str_empty(header))
        return refuse(err, "missing", "The request has no Authorization header.");
    Str token = header;
    Str scheme = str_cut(&token, ' ');
    if (!str_eq_nocase(scheme, STR("Bearer")))
        return refuse(err, "missing", "The Authorization header has no bearer token.");
    token = str_trim(token);
    if (str_empty(token))
        return refuse(err, "missing", "The bearer token is empty.");
    return token_check(identity, req->arena, token, audiences, count, req->real_ms, out, err);
}
