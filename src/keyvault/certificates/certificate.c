/* certificate.c - create, get and update of certificates and their policies.
 *
 * Create makes the key and the request at once, on a worker, and stores both with the operation; the certificate comes from
 * the background runner (issuer Self) or from a merge (Unknown). */
#include "keyvault/certificates/certificate.h"
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/objects/feed.h"
#include "keyvault/issuers/issuer_ca.h"
#include "keyvault/secrets/secret.h"

/* ---- create ---- */

typedef struct Create {
    Req       *req;
    const JsonVal *body;
    CertPolicy policy;
    bool       has_policy;
    CertUsable usable;
    CertSpec   spec;                    /* of the request */
    KeyRef    *reused;
    KeyMade    made;
    PendingRow pending;
} Create;

static bool create_read_txn(Txn *txn, void *ctx, Err *err)
{
    Create *create = ctx;
    Req *req = create->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    bool found;
    if (!certificate_require_usable(kv, txn, req->arena, vault, req->params[0], &create->usable, err))
        return false;
    if (!create->has_policy) {
        if (!policy_find(kv, txn, req->arena, vault, req->params[0], &create->policy, &found, err))
            return false;
        if (!found)
            return err_field(err, "policy", "policy is needed: certificate " STR_FMT " has none stored", STR_ARG(req->params[0]));
    }
    if (!issuer_check(kv, txn, req->arena, vault, &create->policy, req->now_ms, &create->spec, err))
        return false;
    if (!create->usable.exists || !create->policy.reuses_key)
        return true;
    key_free(TAKE(create->reused));
    return certificate_key_to_reuse(kv, txn, req->arena, vault, req->params[0], create->usable.object.current, &create->policy, &create->reused, err);
}

/* The current version decides when a certificate renews, and a changed policy counts at once. */
static bool reschedule_current(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy, Err *err)
{
    ObjectRow object;
    VersionRow current;
    return object_require(kv, txn, arena, vault, KV_CERTIFICATE, name, STR(""), &object, &current, err) &&
           (current.is_pending || certificate_schedule(kv, txn, arena, vault, name, policy, &current.attributes, err));
}

static bool create_write_txn(Txn *txn, void *ctx, Err *err)
{
    Create *create = ctx;
    Req *req = create->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    Arena *arena = req->arena;
    CertPolicy stored;
    bool found;
    if (!certificate_require_usable(kv, txn, arena, vault, req->params[0], &create->usable, err))
        return false;
    Str name = create->usable.exists ? create->usable.object.name : req->params[0];
    if (!create->usable.exists) {
        CertSpec spec = cert_policy_spec(&create->policy, req->now_ms);
        VersionNew version = { .kind = KV_CERTIFICATE, .name = name, .version = create->pending.version, .is_pending = true,
                               .doc_json = secret_doc(arena, STR_NONE, create->pending.tags_json) };
        version.attributes = (Attributes){ .enabled = false, .nbf_s = { true, spec.not_before_ms / 1000 },
                                           .exp_s = { true, spec.not_after_ms / 1000 }, .created_ms = req->now_ms, .updated_ms = req->now_ms };
        if (!version_put(kv, txn, arena, vault, &version, err))
            return false;
    }
    if (create->has_policy) {
        if (!policy_find(kv, txn, arena, vault, name, &stored, &found, err))
            return false;
        create->policy.created_ms = found ? stored.created_ms : req->now_ms;
        create->policy.updated_ms = req->now_ms;
        if (!policy_put(kv, txn, arena, vault, name, &create->policy, err) ||
            !reschedule_current(kv, txn, arena, vault, name, &create->policy, err))
            return false;
    }
    return pending_put(kv, txn, arena, vault, name, &create->pending, secret_bytes(create->made.kept), err) &&
           (str_eq(create->policy.issuer, ISSUER_UNKNOWN) ||
            runner_schedule(kv->site->runner, txn, WORK_ISSUE, certificate_work_key(arena, vault, name), req->now_ms, err));
}

static bool create_read_body(Create *create, Err *err)
{
    Req *req = create->req;
    Attributes attributes = { .enabled = true };
    if (!object_name_check(req->params[0], err) || !req_object(req, &create->body, err) ||
        !attributes_read(create->body, &attributes, err) ||
        !tags_read(req->arena, create->body, TAG_CHARS_OBJECT, &create->pending.tags_json, err) || !cert_order_read(req, create->body, &create->pending.keeps_order, err))
        return false;
    create->pending.is_enabled = attributes.enabled;
    const JsonVal *policy = json_get(create->body, "policy");
    create->has_policy = policy && json_kind(policy) != JSON_NULL;
    create->policy = cert_policy_defaults();
    return !create->has_policy || cert_policy_read(req->arena, policy, "policy", &create->policy, err);
}

static bool create_key(Create *create, Err *err)
{
    Arena *arena = create->req->arena;
    Bytes csr;
    if (!cert_key_make(create->req->ctx, req_vault(create->req), &create->policy, create->reused, &create->made, err) ||
        !cert_request(arena, create->made.key, &create->spec, &csr, err))
        return false;
    create->pending.csr = base64_encode(arena, csr);
    return arena_ok(arena) || err_too_big(err);
}

static bool create_run(Create *create, Reply *reply, Err *err)
{
    Req *req = create->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    if (!create_read_body(create, err) || !store_read(kv->site->store, create_read_txn, create, err) ||
        !create_key(create, err))
        return false;
    PendingRow *pending = &create->pending;
    pending->request_id = hex_id_new(req->arena, VERSION_DIGITS);
    pending->version = hex_id_new(req->arena, VERSION_DIGITS);
    pending->status = PENDING_IN_PROGRESS;
    pending->started_ms = req->now_ms;
    pending->issuer = create->policy.issuer;

    Str name = create->usable.exists ? create->usable.object.name : req->params[0];
    Str url = object_part_url(kv, req->arena, vault, KV_CERTIFICATE, name, "pending");
    if (!plane_write(req, url, 202, create_write_txn, create, err))
        return false;
    create->made.is_stored = true;
    reply->status = 202;
    reply_header(reply, STR("Location"), str_printf(req->arena, STR_FMT "?api-version=" STR_FMT "&request_id=" STR_FMT, STR_ARG(url),
                                                    STR_ARG(percent_encode(req->arena, req->api_version)), STR_ARG(pending->request_id)));
    reply_header(reply, STR("Retry-After"), STR("1"));
    pending_write(&reply->json, kv, req->arena, vault, name, pending);
    return true;
}

bool certificate_create(Req *req, Reply *reply, Err *err)
{
    Create create = { .req = req };
    bool good = create_run(&create, reply, err);
    key_free(create.reused);
    key_made_done(&create.made);
    return good;
}

/* ---- get and update ---- */

typedef struct View {
    Req       *req;
    const JsonVal *body;
    ObjectRow  object;
    VersionRow row;
    CertPolicy policy;
    bool       has_policy, has_pending;
} View;

static bool view_read(View *view, Txn *txn, Str version, Err *err)
{
    Req *req = view->req;
    PendingRow pending;
    return object_require(req->ctx, txn, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], version, &view->object, &view->row, err) &&
           policy_find(req->ctx, txn, req->arena, req_vault(req), view->object.name, &view->policy, &view->has_policy, err) &&
           pending_find(req->ctx, txn, req->arena, req_vault(req), view->object.name, &pending, &view->has_pending, err);
}

static bool view_read_txn(Txn *txn, void *ctx, Err *err)
{
    View *view = ctx;
    return view_read(view, txn, req_param(view->req, "version"), err);
}

static void view_write_policy(JsonWriter *w, const View *view, const char *name)
{
    Req *req = view->req;
    if (view->has_policy)
        cert_policy_write(w, name, &view->policy, object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, view->object.name, "policy"));
}

static bool view_reply(View *view, Reply *reply, Err *err)
{
    Req *req = view->req;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    bundle_write(w, req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, &view->object, &view->row, BUNDLE_WHOLE);
    view_write_policy(w, view, "policy");
    if (view->has_pending) {
        json_open(w, "pending");
        json_put_str(w, "id", object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, view->object.name, "pending"));
        json_close(w);
    }
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

bool certificate_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    View view = { .req = req };
    return store_read(kv->site->store, view_read_txn, &view, err) && view_reply(&view, reply, err);
}

bool certificate_policy_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    View view = { .req = req };
    if (!store_read(kv->site->store, view_read_txn, &view, err))
        return false;
    if (!view.has_policy)
        return err_named(err, ERR_NOT_FOUND, "CertificateNotFound", NULL, "Certificate " STR_FMT " has no policy.", STR_ARG(req->params[0]));
    view_write_policy(&reply->json, &view, NULL);
    return true;
}

static bool policy_merge(View *view, Txn *txn, const JsonVal *json, const char *where, Err *err)
{
    if (!view->has_policy) {
        view->policy = cert_policy_defaults();
        view->policy.created_ms = view->req->now_ms;
    }
    if (!cert_policy_read(view->req->arena, json, where, &view->policy, err) || !issuer_check(view->req->ctx, txn, view->req->arena, req_vault(view->req), &view->policy, view->req->now_ms, NULL, err))
        return false;
    view->policy.updated_ms = view->req->now_ms;
    view->has_policy = true;
    return true;
}

static bool reschedule(View *view, Txn *txn, Err *err)
{
    Req *req = view->req;
    return !view->has_policy ||
           reschedule_current(req->ctx, txn, req->arena, req_vault(req), view->object.name, &view->policy, err);
}

static bool policy_update_txn(Txn *txn, void *ctx, Err *err)
{
    View *view = ctx;
    Req *req = view->req;
    return view_read(view, txn, STR(""), err) && policy_merge(view, txn, view->body, "", err) &&
           policy_put(req->ctx, txn, req->arena, req_vault(req), view->object.name, &view->policy, err) && reschedule(view, txn, err);
}

bool certificate_policy_update(Req *req, Reply *reply, Err *err)
{
    View view = { .req = req };
    if (!object_name_check(req->params[0], err) || !req_object(req, &view.body, err))
        return false;
    Str url = object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], "policy");
    if (!plane_write(req, url, 200, policy_update_txn, &view, err))
        return false;
    view_write_policy(&reply->json, &view, NULL);
    return true;
}

/* The document of a version with other tags. */
static bool doc_with_tags(Arena *arena, const JsonVal *doc, Str tags_json, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 1 << 20);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    for (size_t i = 0; i < json_count(doc); i++) {
        Str name;
        const JsonVal *value = json_member(doc, i, &name);
        if (!str_eq(name, STR("tags")))
            json_put_value_named(&w, name, value);
    }
    if (tags_json.ptr)
        json_put_raw(&w, "tags", tags_json);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = str_dup(arena, buf_str(&text));
    return out->ptr || err_too_big(err);
}

/* Key and secret of a version follow their certificate. */
static bool update_kind(View *view, Txn *txn, KvKind kind, VersionRow *row, const Attributes *attributes, Str tags_json, Err *err)
{
    Req *req = view->req;
    bool was_enabled = row->attributes.enabled;
    row->attributes.enabled = attributes->enabled;
    row->attributes.updated_ms = req->now_ms;
    return doc_with_tags(req->arena, row->doc, tags_json, &row->doc_json, err) &&
           json_parse(req->arena, row->doc_json, JSON_STRICT, &row->doc, err) &&
           version_update(req->ctx, txn, req->arena, req_vault(req), kind, view->object.name, row, err) &&
           (kind != KV_SECRET || row->attributes.enabled == was_enabled ||
            feed_add(txn, req_vault(req), kind, view->object.name, row->version, was_enabled ? FEED_DISABLED : FEED_ENABLED, req->now_ms, err));
}

static bool update_txn(Txn *txn, void *ctx, Err *err)
{
    View *view = ctx;
    Req *req = view->req;
    static const KvKind backing[] = { KV_KEY, KV_SECRET };
    if (!view_read(view, txn, req_param(req, "version"), err))
        return false;
    if (view->row.is_pending)
        return err_named(err, ERR_CONFLICT, "Conflict", NULL, "Certificate " STR_FMT " has no version yet; complete or delete its pending operation.",
                         STR_ARG(view->object.name));
    Attributes attributes = view->row.attributes;
    const JsonVal *tags_now = json_get(view->row.doc, "tags"), *policy = json_get(view->body, "policy");
    Str tags = tags_now ? json_text(req->arena, tags_now) : STR_NONE;
    if (!attributes_read(view->body, &attributes, err) || !tags_read(req->arena, view->body, TAG_CHARS_OBJECT, &tags, err) ||
        !update_kind(view, txn, KV_CERTIFICATE, &view->row, &attributes, tags, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(backing); i++) {
        VersionRow row;
        bool found;
        if (!version_find(req->ctx, txn, req->arena, req_vault(req), backing[i], view->object.name, view->row.version, &row, &found, err) ||
            (found && !update_kind(view, txn, backing[i], &row, &attributes, tags, err)))
            return false;
    }
    if (policy && json_kind(policy) != JSON_NULL &&
        (!policy_merge(view, txn, policy, "policy", err) ||
         !policy_put(req->ctx, txn, req->arena, req_vault(req), view->object.name, &view->policy, err)))
        return false;
    return reschedule(view, txn, err);
}

bool certificate_update(Req *req, Reply *reply, Err *err)
{
    View view = { .req = req };
    if (!object_name_check(req->params[0], err) || !req_object(req, &view.body, err))
        return false;
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], req_param(req, "version"));
    return plane_write(req, url, 200, update_txn, &view, err) && view_reply(&view, reply, err);
}
