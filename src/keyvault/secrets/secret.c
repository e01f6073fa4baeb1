/* secret.c - set, get and update of secrets. A value never changes within a version. */
#include "keyvault/secrets/secret.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/bundles/bundle.h"
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/objects/feed.h"
#include "keyvault/secrets/secret_facts.h"

typedef struct SecretIn { Str value, content_type; } SecretIn;
static const JsonField secret_set_fields[] = {
    JSON_FIELD(SecretIn, value,        "value",       JSON_REQUIRED),
    JSON_FIELD(SecretIn, content_type, "contentType", JSON_OPTIONAL),
};
static const JsonField secret_update_fields[] = {
    JSON_FIELD(SecretIn, content_type, "contentType", JSON_OPTIONAL),
};

static bool content_type_check(Str content_type, Err *err)
{
    if (utf8_chars(content_type) <= CONTENT_TYPE_MAX_CHARS)
        return true;
    return err_field(err, "contentType", "contentType may have at most %d characters", CONTENT_TYPE_MAX_CHARS);
}

Str secret_doc(Arena *arena, Str content_type, Str tags_json)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 64 << 10);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "contentType", content_type);
    if (tags_json.ptr)
        json_put_raw(&w, "tags", tags_json);
    json_close(&w);
    Err ignored;                        /* only a full buffer can fail, which absent text says as well */
    return json_end(&w, &ignored) ? str_dup(arena, buf_str(&text)) : STR_NONE;
}

typedef struct SecretSet { Req *req; SecretIn in; VersionNew version; VersionRow row; ObjectRow object; } SecretSet;

static bool secret_set_txn(Txn *txn, void *ctx, Err *err)
{
    SecretSet *set = ctx;
    Req *req = set->req;
    const Vault *vault = req_vault(req);
    bool found;
    if (!object_require_usable(txn, req->arena, vault, KV_SECRET, req->params[0], &set->object, &found, err))
        return false;
    set->version.name = found ? set->object.name : req->params[0];
    return version_add(req->ctx, txn, req->arena, vault, &set->version, found ? &set->object : NULL, err) &&
           feed_add(txn, vault, KV_SECRET, set->version.name, set->version.version, FEED_NEW_VERSION, req->now_ms, err);
}

static bool reply_secret(Req *req, Reply *reply, const ObjectRow *object, const VersionRow *row, const Str *value, Err *err)
{
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    if (value)
        json_put_str(w, "value", *value);
    bundle_write(w, req->ctx, req->arena, req_vault(req), KV_SECRET, object, row, BUNDLE_WHOLE);
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool secret_set_reply(Req *req, Reply *reply, void *ctx, Err *err)
{
    SecretSet *set = ctx;
    ObjectRow object = { .name = set->version.name };
    bool replied = reply_secret(req, reply, &object, &set->row, &set->in.value, err);
    secret_wipe((void *)(uintptr_t)set->in.value.ptr, set->in.value.len);       /* the arena's copy; the server wipes body and reply */
    return replied;
}

bool secret_set(Req *req, Reply *reply, Err *err)
{
    Str name = req->params[0], tags = STR_NONE;
    const JsonVal *body;
    SecretIn in = { 0 };
    SecretSet *set = ARENA_NEW(req->arena, SecretSet);
    if (!set)
        return err_too_big(err);
    set->req = req;
    set->version = (VersionNew){ .kind = KV_SECRET, .name = name, .version = hex_id_new(req->arena, VERSION_DIGITS) };
    set->version.attributes = (Attributes){ .enabled = true, .created_ms = req->now_ms, .updated_ms = req->now_ms };
    if (!object_name_check(name, err) || !req_object(req, &body, err) ||
        !json_read(body, "", secret_set_fields, COUNT_OF(secret_set_fields), &in, err) ||
        !content_type_check(in.content_type, err) || !attributes_read(body, &set->version.attributes, err) ||
        !tags_read(req->arena, body, TAG_CHARS_OBJECT, &tags, err))
        return false;
    if (in.value.len > SECRET_VALUE_MAX_BYTES) {
        (void)err_field(err, "value", "Secret is beyond the maximum permitted length of %d characters.", SECRET_VALUE_MAX_BYTES);
        err->inner = "SecretTooLarge";
        return false;
    }
    set->in = in;
    set->version.value = bytes_of(in.value);
    set->version.doc_json = secret_doc(req->arena, in.content_type, tags);
    set->row = (VersionRow){ .version = set->version.version, .attributes = set->version.attributes };
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_SECRET, name, set->version.version);
    return json_parse(req->arena, set->version.doc_json, JSON_STRICT, &set->row.doc, err) &&
           plane_write_later(req, reply, url, 200, secret_set_txn, set, secret_set_reply, err);
}

typedef struct SecretGet { Req *req; SecretFacts facts; Secret *value; } SecretGet;

static bool secret_get_txn(Txn *txn, void *ctx, Err *err)
{
    SecretGet *get = ctx;
    Req *req = get->req;
    const Vault *vault = req_vault(req);
    ObjectRow object;
    VersionRow row;
    Bytes sealed;
    secret_free(TAKE(get->value));                            /* run again: of the snapshot before */
    if (!object_require_sealed(req->ctx, txn, req->arena, vault, KV_SECRET, req->params[0], req_param(req, "version"), &object, &row, &sealed, err))
        return false;
    if (!row.attributes.enabled)
        return err_named(err, ERR_DENIED, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.");
    const JsonVal *tags = json_get(row.doc, "tags");
    get->facts = (SecretFacts){ .commits = get->facts.commits, .name = object.name, .version = row.version, .content_type = json_str(json_get(row.doc, "contentType")),
                                .tags_json = json_count(tags) ? json_text(req->arena, tags) : STR_NONE, .sealed = sealed, .is_managed = object.is_managed, .attributes = row.attributes };
    return version_open(req->ctx, txn, req->arena, vault, KV_SECRET, object.name_key, row.version, sealed, &get->value, err);
}

/* From memory when nothing was committed since it was read, or from the store. */
static bool secret_find(SecretGet *get, Err *err)
{
    Req *req = get->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    Str name = req->params[0], version = req_param(req, "version");
    SecretFacts *facts = &get->facts;
    if (secret_facts_look(kv, vault, req->arena, name, version, facts) &&
        version_open_kept(kv, req->arena, vault, KV_SECRET, str_lower(req->arena, facts->name), facts->version, facts->sealed, &get->value))
        return true;
    facts->commits = store_commits(kv->site->store);          /* before the look, so what comes in between is looked at again */
    if (!store_read(kv->site->store, secret_get_txn, get, err))
        return false;
    secret_facts_keep(kv, vault, req->arena, name, version, facts);
    return true;
}

/* The same key and certificates as PEM. What the PFX holds is in the arena for as long as this takes. */
static bool pfx_to_pem(Arena *arena, Bytes pfx_base64, Secret **out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Bytes pfx = { 0 };
    bool done = base64_decode(arena, str_of(pfx_base64), &pfx, err) && bundle_read_pfx(arena, pfx, STR(""), &bundle, err);
    if (done) {
        bundle_order_undo(&bundle);                        /* preserveCertOrder holds in either form */
        done = bundle_write_pem(&bundle, true, out, err);
    }
    secret_wipe((void *)(uintptr_t)pfx.ptr, pfx.len);
    return done;
}

/* Query outContentType, of api-version 2025-06-01-preview and later: the secret of a certificate in another form. Only PFX becomes PEM. */
static bool in_wanted_form(SecretGet *get, Err *err)
{
    Str wanted = req_query(get->req, "outContentType"), stored = get->facts.content_type;
    Secret *pem = NULL;
    if (!wanted.ptr || str_eq_nocase(wanted, stored))
        return true;
    if (!get->facts.is_managed || !str_eq(stored, CONTENT_PFX) || !str_eq_nocase(wanted, CONTENT_PEM))
        return err_field(err, "outContentType", "outContentType must be application/x-pem-file, and the secret that of a certificate in a PFX");
    if (!pfx_to_pem(get->req->arena, secret_bytes(get->value), &pem, err))
        return false;
    secret_free(get->value);
    get->value = pem;
    get->facts.content_type = CONTENT_PEM;
    return true;
}

bool secret_get(Req *req, Reply *reply, Err *err)
{
    SecretGet get = { .req = req };
    const SecretFacts *facts = &get.facts;
    if (req_query(req, "outContentType").ptr && reply_on_worker(req, reply))       /* a PFX derives keys for milliseconds, and for seconds if its maker wished so */
        return true;
    bool good = secret_find(&get, err) && in_wanted_form(&get, err);
    if (good) {
        ObjectRow object = { .name = facts->name, .is_managed = facts->is_managed };
        VersionRow row = { .version = facts->version, .attributes = facts->attributes };
        json_open(&reply->json, NULL);
        json_put_str(&reply->json, "value", str_of(secret_bytes(get.value)));
        bundle_write_secret(&reply->json, req->ctx, req->arena, req_vault(req), &object, &row, facts->content_type, facts->tags_json);
        json_close(&reply->json);
        good = arena_ok(req->arena) || err_too_big(err);
    }
    secret_free(get.value);
    return good;
}

typedef struct SecretUpdate { Req *req; const JsonVal *body; SecretIn in; ObjectRow object; VersionRow row; } SecretUpdate;

static bool secret_update_txn(Txn *txn, void *ctx, Err *err)
{
    SecretUpdate *update = ctx;
    Req *req = update->req;
    const Vault *vault = req_vault(req);
    VersionRow *row = &update->row;
    if (!object_require(req->ctx, txn, req->arena, vault, KV_SECRET, req->params[0], req_param(req, "version"), &update->object, row, err))
        return false;
    if (update->object.is_managed)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "Secret " STR_FMT " belongs to the certificate of the same name; change it by "
                         "way of the certificate.", STR_ARG(update->object.name));
    const JsonVal *tags_now = json_get(row->doc, "tags");
    Str tags = tags_now ? json_text(req->arena, tags_now) : STR_NONE;
    bool was_enabled = row->attributes.enabled;
    if (!attributes_read(update->body, &row->attributes, err) || !tags_read(req->arena, update->body, TAG_CHARS_OBJECT, &tags, err))
        return false;
    Str content_type = update->in.content_type.ptr ? update->in.content_type : json_str(json_get(row->doc, "contentType"));
    row->attributes.updated_ms = req->now_ms;
    row->doc_json = secret_doc(req->arena, content_type, tags);
    return json_parse(req->arena, row->doc_json, JSON_STRICT, &row->doc, err) &&
           version_update(req->ctx, txn, req->arena, vault, KV_SECRET, update->object.name, row, err) &&
           (row->attributes.enabled == was_enabled ||
            feed_add(txn, vault, KV_SECRET, update->object.name, row->version, was_enabled ? FEED_DISABLED : FEED_ENABLED, req->now_ms, err));
}

static bool secret_update_reply(Req *req, Reply *reply, void *ctx, Err *err)
{
    const SecretUpdate *update = ctx;
    return reply_secret(req, reply, &update->object, &update->row, NULL, err);
}

bool secret_update(Req *req, Reply *reply, Err *err)
{
    SecretUpdate *update = ARENA_NEW(req->arena, SecretUpdate);
    if (!update)
        return err_too_big(err);
    update->req = req;
    if (!object_name_check(req->params[0], err) || !req_object(req, &update->body, err) ||
        !json_read(update->body, "", secret_update_fields, COUNT_OF(secret_update_fields), &update->in, err) ||
        !content_type_check(update->in.content_type, err))
        return false;
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_SECRET, req->params[0], req_param(req, "version"));
    return plane_write_later(req, reply, url, 200, secret_update_txn, update, secret_update_reply, err);
}
