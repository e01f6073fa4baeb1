/* cert_merge.c - versions whose certificate comes from outside: merge of what an authority signed, import of a PFX or PEM. */
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/certificates/certificate.h"
#include "keyvault/objects/bundle_out.h"

typedef struct Arrival {
    Req       *req;
    const JsonVal *body;
    Attributes attributes;
    Str        tags_json;               /* absent: those of the operation */
    Bytes      chain[BUNDLE_CERTS_MAX];
    size_t     count, came_as[BUNDLE_CERTS_MAX];
    bool       keeps_order;             /* of an import; a merge keeps what its operation says */
    KeyRef    *key;
    KeyMade    made;                    /* an imported one that was taken into the token */
    CertPolicy policy;
    PendingRow pending;
    ObjectRow  object;
    Str        name;
    CertMaterial material;
} Arrival;

static void arrival_done(Arrival *arrival)
{
    key_free(arrival->key);
    key_made_done(&arrival->made);
    cert_material_done(&arrival->material);
}
DEFINE_AUTO_DONE(Arrival, arrival_done)

/* The bundle of the version that has just been published. */
static bool reply_version(Arrival *arrival, Reply *reply, Err *err)
{
    Req *req = arrival->req;
    const Vault *vault = req_vault(req);
    ObjectRow object = { .name = arrival->name };
    VersionRow row = { .version = arrival->material.version };
    row.attributes = (Attributes){ .enabled = arrival->pending.is_enabled, .nbf_s = { true, arrival->material.not_before_ms / 1000 },
                                   .exp_s = { true, arrival->material.not_after_ms / 1000 }, .created_ms = req->now_ms, .updated_ms = req->now_ms };
    if (!json_parse(req->arena, arrival->material.certificate_doc, JSON_STRICT, &row.doc, err))
        return false;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    bundle_write(w, req->ctx, req->arena, vault, KV_CERTIFICATE, &object, &row, BUNDLE_WHOLE);
    cert_policy_write(w, "policy", &arrival->policy, object_part_url(req->ctx, req->arena, vault, KV_CERTIFICATE, arrival->name, "policy"));
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

/* ---- merge ---- */

static bool read_chain(Arrival *arrival, Err *err)
{
    const JsonVal *x5c = json_get(arrival->body, "x5c");
    arrival->count = json_count(x5c);
    if (json_kind(x5c) != JSON_ARRAY || arrival->count == 0 || arrival->count > BUNDLE_CERTS_MAX)
        return err_field(err, "x5c", "x5c must be a list of 1 to %d certificates, base64 of DER: the one for this key and its issuers", BUNDLE_CERTS_MAX);
    for (size_t i = 0; i < arrival->count; i++) {
        CertInfo info;
        if (!base64_decode(arrival->req->arena, json_str(json_at(x5c, i)), &arrival->chain[i], err) ||
            !cert_read(arrival->req->arena, arrival->chain[i], &info, err))
            return err_field(err, "x5c", "x5c[%zu] is not one whole certificate in base64 of DER", i);
    }
    return true;
}

static bool merge_require(Arrival *arrival, Txn *txn, Err *err)
{
    Req *req = arrival->req;
    bool found;
    if (!object_find(txn, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], &arrival->object, &found, err))
        return false;
    if (!found || arrival->object.deleted_ms)
        return pending_not_found(err, req->params[0]);
    if (!pending_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], &arrival->pending, &found, err))
        return false;
    if (!found)
        return pending_not_found(err, req->params[0]);
    if (!pending_is_in_progress(&arrival->pending))
        return err_field(err, "pending", "The operation of certificate " STR_FMT " is no longer in progress; create a new one to merge into.",
                         STR_ARG(arrival->object.name));
    if (!str_eq(arrival->pending.issuer, ISSUER_UNKNOWN))
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "A certificate whose issuer works by itself takes no merge while its request is in progress.");
    return true;
}

static bool merge_read_txn(Txn *txn, void *ctx, Err *err)
{
    Arrival *arrival = ctx;
    Req *req = arrival->req;
    bool found;
    if (!merge_require(arrival, txn, err) ||
        !policy_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], &arrival->policy, &found, err))
        return false;
    key_free(TAKE(arrival->key));
    return pending_key(req->ctx, txn, req->arena, req_vault(req), req->params[0], &arrival->key, err);
}

static bool merge_write_txn(Txn *txn, void *ctx, Err *err)
{
    Arrival *arrival = ctx;
    Req *req = arrival->req;
    Str request_id = arrival->pending.request_id;
    if (!merge_require(arrival, txn, err))
        return false;
    if (!str_eq(request_id, arrival->pending.request_id))
        return err_named(err, ERR_CONFLICT, "Conflict", NULL, "The operation of certificate " STR_FMT " was replaced meanwhile.", STR_ARG(arrival->object.name));
    arrival->pending.status = PENDING_COMPLETED;
    arrival->pending.is_enabled = arrival->attributes.enabled;
    return pending_put(req->ctx, txn, req->arena, req_vault(req), arrival->object.name, &arrival->pending, (Bytes){ 0 }, err) &&
           certificate_publish(req->ctx, txn, req->arena, req_vault(req), arrival->object.name, &arrival->material, &arrival->policy,
                               arrival->attributes.enabled, req->now_ms, err);
}

/* The certificate of our key comes first, then its issuers, in whatever order they were sent ("About certificates": the leaf is moved to index 0). */
static bool order_chain(Arrival *arrival, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { .key = key_share(arrival->key), .count = arrival->count };
    Err why = { 0 };
    for (size_t i = 0; i < arrival->count; i++)
        bundle.certs[i] = arrival->chain[i];
    if (!bundle_order(&bundle, "list", &why))
        return why.code == ERR_BAD_INPUT ? err_field(err, "x5c", "Public key from x5c does not match the private key of the pending request: it was made for another request.")
                                         : err_set(err, why.code, "%s", why.text);
    for (size_t i = 0; i < arrival->count; i++)
        arrival->chain[i] = bundle.certs[i];
    memcpy(arrival->came_as, bundle.came_as, sizeof arrival->came_as);
    return true;
}

bool certificate_pending_merge(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    AUTO(arrival_done_auto) Arrival arrival = { .req = req, .attributes = { .enabled = true } };
    if (!object_name_check(req->params[0], err) || !req_object(req, &arrival.body, err) || !read_chain(&arrival, err) ||
        !attributes_read(arrival.body, &arrival.attributes, err) || !tags_read(req->arena, arrival.body, TAG_CHARS_OBJECT, &arrival.tags_json, err) ||
        !store_read(kv->site->store, merge_read_txn, &arrival, err) || !order_chain(&arrival, err))
        return false;
    Str tags = arrival.tags_json.ptr ? arrival.tags_json : arrival.pending.tags_json;
    ChainOrder order = { .keeps = arrival.pending.keeps_order, .came_as = arrival.came_as };
    if (!cert_material_make(req->arena, arrival.key, arrival.chain, arrival.count, order, &arrival.policy, arrival.pending.version, tags, &arrival.material, err))
        return false;
    arrival.name = arrival.object.name;
    Str url = object_url(kv, req->arena, req_vault(req), KV_CERTIFICATE, arrival.name, arrival.material.version);
    if (!plane_write(req, url, 201, merge_write_txn, &arrival, err))
        return false;
    reply->status = 201;
    return reply_version(&arrival, reply, err);
}

/* ---- import ---- */

typedef struct ImportIn { Str value, pwd; } ImportIn;
static const JsonField import_fields[] = {
    JSON_FIELD(ImportIn, value, "value", JSON_REQUIRED),
    JSON_FIELD(ImportIn, pwd,   "pwd",   JSON_OPTIONAL),
};

/* PEM as it is (npm), base64 of PEM (Python), or base64 of a PFX. */
static bool read_bundle(Arrival *arrival, const ImportIn *in, Str *content_type, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Arena *arena = arrival->req->arena;
    Str pem = in->value;
    Bytes bytes;
    size_t at;
    bool is_pem = str_find(in->value, STR("-----BEGIN "), &at);
    if (!is_pem) {
        if (!base64_decode(arena, in->value, &bytes, err))
            return err_field(err, "value", "value must be a PFX in base64, or PEM as it is or in base64");
        pem = str_of(bytes);
        is_pem = str_find(pem, STR("-----BEGIN "), &at);
    }
    bool read = is_pem ? bundle_read_pem(arena, pem, &bundle, err) : bundle_read_pfx(arena, bytes, in->pwd, &bundle, err);
    secret_wipe((void *)(uintptr_t)pem.ptr, pem.len);                 /* the arena's copies of a private key and its password */
    secret_wipe((void *)(uintptr_t)in->value.ptr, in->value.len);
    secret_wipe((void *)(uintptr_t)in->pwd.ptr, in->pwd.len);
    if (!read) {
        Str why = str_dup(arena, str_from(err->text));
        return err->code == ERR_BAD_INPUT ? err_field(err, "value", "value cannot be imported: " STR_FMT, STR_ARG(why)) : false;
    }
    if (!bundle.key || bundle.count == 0)
        return err_field(err, "value", "value must hold a certificate with its private key");
    for (size_t i = 0; i < bundle.count; i++)
        arrival->chain[i] = bundle.certs[i];
    arrival->count = bundle.count;
    memcpy(arrival->came_as, bundle.came_as, sizeof arrival->came_as);
    arrival->key = TAKE(bundle.key);
    *content_type = is_pem ? CONTENT_PEM : CONTENT_PFX;
    return true;
}

/* What the certificate itself says fills what the caller's policy leaves open. */
static bool import_policy(Arrival *arrival, Str content_type, Err *err)
{
    Arena *arena = arrival->req->arena;
    CertInfo info;
    if (!cert_read(arena, arrival->chain[0], &info, err))
        return false;
    if (info.not_after_ms <= arrival->req->now_ms)
        return err_named(err, ERR_BAD_INPUT, "CertificateExpired", NULL, "The certificate in value has expired and cannot be imported.");
    KeySpec spec = key_spec(arrival->key);
    CertPolicy *policy = &arrival->policy;
    *policy = cert_policy_defaults();
    policy->content_type = content_type;
    policy->subject = info.subject;
    policy->emails = info.emails;
    policy->dns_names = info.dns;
    policy->upns = info.upns;
    policy->uris = info.uris;
    policy->ips = info.ips;
    policy->ekus = info.ekus;
    policy->key_usage = info.key_usage;
    policy->kty = spec.kind == KEY_RSA ? STR("RSA") : STR("EC");
    policy->key_size = spec.kind == KEY_RSA ? spec.rsa_bits : 0;
    policy->crv = spec.kind == KEY_RSA ? STR_NONE : key_curve_name(spec.curve);
    int64_t days = (info.not_after_ms - info.not_before_ms) / (86400 * 1000LL);
    policy->validity_months = days < 30 ? 1 : days / 30 < VALIDITY_MONTHS_MAX ? days / 30 : VALIDITY_MONTHS_MAX;
    policy->created_ms = policy->updated_ms = arrival->req->now_ms;
    const JsonVal *given = json_get(arrival->body, "policy");
    if (given && json_kind(given) != JSON_NULL)
        return cert_policy_read(arena, given, "policy", policy, err);
    const JsonVal *nothing;
    return json_parse(arena, STR("{}"), JSON_STRICT, &nothing, err) && cert_policy_read(arena, nothing, "policy", policy, err);
}

static bool import_txn(Txn *txn, void *ctx, Err *err)
{
    Arrival *arrival = ctx;
    Req *req = arrival->req;
    CertUsable usable;
    CertPolicy stored;
    bool found;
    if (!certificate_require_usable(req->ctx, txn, req->arena, req_vault(req), req->params[0], &usable, err))
        return false;
    arrival->name = usable.exists ? usable.object.name : req->params[0];
    if (!policy_find(req->ctx, txn, req->arena, req_vault(req), arrival->name, &stored, &found, err))
        return false;
    if (found)
        arrival->policy.created_ms = stored.created_ms;
    return policy_put(req->ctx, txn, req->arena, req_vault(req), arrival->name, &arrival->policy, err) &&
           certificate_publish(req->ctx, txn, req->arena, req_vault(req), arrival->name, &arrival->material, &arrival->policy,
                               arrival->attributes.enabled, req->now_ms, err);
}

/* The policy may want the key in the token. */
static bool import_key(Arrival *arrival, Err *err)
{
    Req *req = arrival->req;
    KeyPlace place;
    Str kind;
    if (!key_place_parse(req->ctx, req_vault(req), arrival->policy.kty, &place, &kind, err))
        return false;
    if (place != PLACE_TOKEN)
        return true;
    if (!key_made_of(req->ctx, req_vault(req), place, arrival->key, &arrival->made, err))
        return false;
    key_free(arrival->key);
    arrival->key = key_share(arrival->made.key);
    return true;
}

bool certificate_import(Req *req, Reply *reply, Err *err)
{
    AUTO(arrival_done_auto) Arrival arrival = { .req = req, .attributes = { .enabled = true } };
    ImportIn in = { 0 };
    Str content_type = STR_NONE;
    if (!object_name_check(req->params[0], err) || !req_object(req, &arrival.body, err) ||
        !json_read(arrival.body, "", import_fields, COUNT_OF(import_fields), &in, err) || !attributes_read(arrival.body, &arrival.attributes, err) ||
        !tags_read(req->arena, arrival.body, TAG_CHARS_OBJECT, &arrival.tags_json, err) || !cert_order_read(req, arrival.body, &arrival.keeps_order, err) || !read_bundle(&arrival, &in, &content_type, err) ||
        !import_policy(&arrival, content_type, err))
        return false;
    arrival.pending.is_enabled = arrival.attributes.enabled;
    ChainOrder order = { .keeps = arrival.keeps_order, .came_as = arrival.came_as };
    if (!import_key(&arrival, err) || !cert_material_make(req->arena, arrival.key, arrival.chain, arrival.count, order, &arrival.policy, hex_id_new(req->arena, VERSION_DIGITS),
                            arrival.tags_json, &arrival.material, err))
        return false;
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], arrival.material.version);
    if (!plane_write(req, url, 200, import_txn, &arrival, err))
        return false;
    arrival.made.is_stored = true;
    return reply_version(&arrival, reply, err);
}
