/* key_release.c - who may have the key, and what is sent. */
#include "keyvault/keys/key_release.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/keys/key_transfer.h"
#include "keyvault/keys/attestation.h"
#include "keyvault/keys/key.h"
#include "keyvault/keys/release_policy.h"
#include "keyvault/objects/bundle_out.h"

enum { STATEMENT_MAX = 64 << 10, NONCE_MAX = 64, RANDOM_MAX = 128 };

typedef struct ReleaseIn { Str target, nonce, enc; } ReleaseIn;
static const JsonField release_fields[] = {
    JSON_FIELD(ReleaseIn, target, "target", JSON_REQUIRED),
    JSON_FIELD(ReleaseIn, nonce,  "nonce",  JSON_OPTIONAL),
    JSON_FIELD(ReleaseIn, enc,    "enc",    JSON_OPTIONAL),
};

typedef struct Release {
    Req        *req;
    ReleaseIn   in;
    TransferAlg alg;
    ObjectRow   object;
    VersionRow  row;
    Secret     *material;
    KeyRef     *receiver;
    Str         receiver_kid;
} Release;

static void release_done(Release *r)
{
    secret_free(TAKE(r->material));
    key_free(TAKE(r->receiver));
}

static bool release_read_txn(Txn *txn, void *ctx, Err *err)
{
    Release *r = ctx;
    Req *req = r->req;
    secret_free(TAKE(r->material));                       /* run again: of the snapshot before */
    if (!object_require(req->ctx, txn, req->arena, req_vault(req), KV_KEY, req->params[0], req_param(req, "version"), &r->object, &r->row, err))
        return false;
    if (!r->row.attributes.enabled)
        return err_named(err, ERR_DENIED, "Forbidden", "KeyDisabled", "Operation release is not allowed on a disabled key.");
    if (!json_bool(json_get(r->row.doc, "exportable"), false) || key_place_of_doc(r->row.doc) != PLACE_SOFTWARE)
        return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByPolicy", "The key " STR_FMT " is not exportable; only keys made with attributes.exportable and a "
                         "release_policy can be released.", STR_ARG(r->object.name));
    if (!version_value(req->ctx, txn, req->arena, req_vault(req), KV_KEY, r->object.name, r->row.version, &r->material, err))
        return false;
    return r->material || err_set(err, ERR_INTERNAL, "key " STR_FMT " has no private part", STR_ARG(r->object.name));
}

static bool attested(Release *r, Err *err)
{
    Req *req = r->req;
    const JsonVal *rules;
    Jwt token;
    Str authority;
    if (!release_policy_rules(req->arena, json_get(r->row.doc, "release_policy"), &rules, err) ||
        !attestation_read(req->arena, r->in.target, rules, real_now_ms(), &token, &authority, err) || !attestation_check(req->ctx, req->arena, &token, authority, err))
        return false;
    if (!release_policy_allows(rules, authority, token.claims))
        return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByPolicy", "Target environment attestation does not meet the conditions of the release policy of key " STR_FMT ".",
                         STR_ARG(r->object.name));
    return attestation_key(req->arena, token.claims, &r->receiver, &r->receiver_kid, err);
}

/* What "key_hsm" holds: the form that keys come in by as well ("Bring your own key specification", key transfer blob). */
static bool transfer_blob(const Release *r, Str *out, Err *err)
{
    Arena *arena = r->req->arena;
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Bytes sealed;
    if (!key_transfer_wrap(r->receiver, r->alg, r->material, arena, &sealed, err))
        return false;
    buf_init(&text, STATEMENT_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "schema_version", STR("1.0.0"));
    json_open(&w, "header");
    json_put_str(&w, "kid", r->receiver_kid);
    json_put_str(&w, "alg", STR("dir"));
    json_put_str(&w, "enc", transfer_alg_name(r->alg));
    json_close(&w);
    json_put_str(&w, "ciphertext", base64url_encode(arena, sealed));
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = base64url_encode(arena, buf_bytes(&text));
    return out->ptr || err_too_big(err);
}

static bool statement(const Release *r, Str *jws, Err *err)
{
    Req *req = r->req;
    KeyVault *kv = req->ctx;
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Str key_hsm;
    if (!transfer_blob(r, &key_hsm, err))
        return false;
    buf_init(&text, STATEMENT_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_open(&w, "request");
    json_put_str(&w, "api-version", req->api_version);
    json_put_str(&w, "enc", transfer_alg_name(r->alg));
    json_put_str(&w, "kid", object_url(kv, req->arena, req_vault(req), KV_KEY, r->object.name, r->row.version));
    json_put_str(&w, "nonce", r->in.nonce);
    json_close(&w);
    json_open(&w, "response");
    json_open(&w, "key");
    bundle_write_released(&w, kv, req->arena, req_vault(req), &r->object, &r->row, key_hsm);
    json_close(&w);
    json_close(&w);
    json_close(&w);
    return json_end(&w, err) && statement_sign(kv->identity, req->arena, buf_str(&text), jws, err);
}

bool key_release(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Release r = { .req = req, .in = { .enc = STR("CKM_RSA_AES_KEY_WRAP") } };
    const JsonVal *body;
    Str jws;
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err) || !json_read(body, "", release_fields, COUNT_OF(release_fields), &r.in, err))
        return false;
    if (!transfer_alg_parse(r.in.enc, &r.alg))
        return err_field(err, "enc", "enc must be CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384");
    if (r.in.nonce.len > NONCE_MAX)
        return err_field(err, "nonce", "nonce may have %d bytes", NONCE_MAX);
    bool good = store_read(kv->site->store, release_read_txn, &r, err) && attested(&r, err) && statement(&r, &jws, err);
    release_done(&r);
    if (!good)
        return false;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "value", jws);
    json_close(&reply->json);
    return true;
}

bool random_bytes(Req *req, Reply *reply, Err *err)
{
    const JsonVal *body;
    uint8_t bytes[RANDOM_MAX];
    if (!req_object(req, &body, err))
        return false;
    int64_t count = json_int(json_get(body, "count"), 0);
    if (count < 1 || count > RANDOM_MAX)
        return err_field(err, "count", "count must be a number of bytes from 1 to %d", RANDOM_MAX);
    random_fill(bytes, (size_t)count);
    Str text = base64url_encode(req->arena, (Bytes){ bytes, (size_t)count });
    secret_wipe(bytes, sizeof bytes);
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "value", text);
    json_close(&reply->json);
    if (text.ptr)
        secret_wipe((void *)(uintptr_t)text.ptr, text.len);
    return arena_ok(req->arena) || err_too_big(err);
}
