/* key.c - create, get and update of keys. Private parts leave this service in no answer. */
#include "keyvault/keys/key.h"
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/objects/feed.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/keys/release_policy.h"
#include "keyvault/vaults/throttle.h"

static void put_bytes(JsonWriter *w, Arena *arena, const char *name, Bytes bytes)
{
    if (bytes.len)
        json_put_str(w, name, base64url_encode(arena, bytes));
}

bool key_doc_make(Arena *arena, const KeyRef *key, Str key_ops_json, Str tags_json, Str *doc, Err *err)
{
    return key_doc_make_exportable(arena, key, key_ops_json, tags_json, STR_NONE, doc, err);
}

static void put_release(JsonWriter *w, Str release_json)
{
    if (!release_json.ptr)
        return;
    json_put_bool(w, "exportable", true);
    json_put_raw(w, "release_policy", release_json);
}

bool key_doc_make_exportable(Arena *arena, const KeyRef *key, Str key_ops_json, Str tags_json, Str release_json, Str *doc, Err *err)
{
    static const char *const names[] = { [KEY_RSA] = "RSA", [KEY_EC] = "EC", [KEY_OCT] = "oct" };
    KeySpec spec = key_spec(key);
    KeyPublic parts = { 0 };
    if (spec.kind != KEY_OCT && !key_public(arena, key, &parts, err))
        return false;
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 64 << 10);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_open(&w, "jwk");
    json_put_str(&w, "kty", str_printf(arena, "%s%s", names[spec.kind], key_is_elsewhere(key) ? "-HSM" : ""));
    put_bytes(&w, arena, "n", parts.n);
    put_bytes(&w, arena, "e", parts.e);
    json_put_str(&w, "crv", key_curve_name(parts.curve));
    put_bytes(&w, arena, "x", parts.x);
    put_bytes(&w, arena, "y", parts.y);
    if (spec.kind == KEY_OCT)
        json_put_int(&w, "bits", spec.oct_bits);         /* ours: the next version has as many; no bundle shows it */
    json_close(&w);
    json_put_raw(&w, "key_ops", key_ops_json);
    if (tags_json.ptr)
        json_put_raw(&w, "tags", tags_json);
    put_release(&w, release_json);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *doc = str_dup(arena, buf_str(&text));
    return doc->ptr || err_too_big(err);
}

static const char *const key_op_names[] = { "encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export" };
enum { EC_OPS_FROM = 2, EC_OPS_UNTIL = 4, KEY_OPS_USABLE = 6 };      /* what EC keys can do; what a key gets that asks for nothing */

Str key_ops_default(Arena *arena, KeyKind kind)
{
    if (kind == KEY_OCT)
        return STR("[\"encrypt\",\"decrypt\",\"wrapKey\",\"unwrapKey\"]");
    return kind == KEY_EC ? STR("[\"sign\",\"verify\"]")
                          : str_printf(arena, "[\"encrypt\",\"decrypt\",\"sign\",\"verify\",\"wrapKey\",\"unwrapKey\"]");
}

bool key_ops_read(Arena *arena, const JsonVal *holder, const char *name, KeyKind kind, Str *ops_json, Err *err)
{
    const JsonVal *list = json_get(holder, name);
    if (!list || json_kind(list) == JSON_NULL)
        return true;
    if (json_kind(list) != JSON_ARRAY)
        return err_field(err, name, "%s must be a list of operation names", name);
    Str text = STR("");
    unsigned seen = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        Str word = json_str(json_at(list, i));
        size_t op = 0;
        while (op < COUNT_OF(key_op_names) && !str_eq_nocase(word, str_from(key_op_names[op])))
            op++;
        if (op == COUNT_OF(key_op_names) || (seen & 1u << op))
            return err_field(err, name, "%s[%zu] must be one of encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import, export, "
                             "each at most once", name, i);
        if (kind == KEY_EC && op < KEY_OPS_USABLE && (op < EC_OPS_FROM || op >= EC_OPS_UNTIL))
            return err_field(err, name, "%s[%zu]: an EC key can only sign and verify", name, i);
        seen |= 1u << op;
        text = str_printf(arena, STR_FMT "%s\"%s\"", STR_ARG(text), text.len ? "," : "", key_op_names[op]);
    }
    *ops_json = str_printf(arena, "[" STR_FMT "]", STR_ARG(text));
    return arena_ok(arena) || err_too_big(err);
}

typedef struct KeyIn { Str kty, crv; int64_t key_size; OptInt public_exponent; } KeyIn;
static const JsonField key_create_fields[] = {
    JSON_FIELD(KeyIn, kty,             "kty",             JSON_REQUIRED),
    JSON_FIELD(KeyIn, crv,             "crv",             JSON_OPTIONAL),
    JSON_FIELD(KeyIn, key_size,        "key_size",        JSON_OPTIONAL),
    JSON_FIELD(KeyIn, public_exponent, "public_exponent", JSON_OPTIONAL),
};

typedef struct Exportable { Req *req; bool was; Str release_json; } Exportable;

static bool exportable_txn(Txn *txn, void *ctx, Err *err)
{
    Exportable *e = ctx;
    Req *req = e->req;
    ObjectRow object;
    VersionRow row;
    bool found;
    e->was = false;
    if (!object_find(txn, req->arena, req_vault(req), KV_KEY, req->params[0], &object, &found, err))
        return false;
    if (!found || object.deleted_ms)
        return true;
    if (!version_find(req->ctx, txn, req->arena, req_vault(req), KV_KEY, object.name, object.current, &row, &found, err))
        return false;
    e->was = found && json_bool(json_get(row.doc, "exportable"), false);
    if (e->was)
        e->release_json = json_text(req->arena, json_get(row.doc, "release_policy"));
    return true;
}

bool key_release_read(Req *req, const JsonVal *body, KeyPlace place, Str *release_json, Err *err)
{
    KeyVault *kv = req->ctx;
    bool wanted = json_bool(json_path(body, "attributes.exportable"), false);
    Exportable current = { .req = req };
    if (!release_policy_read(req->arena, body, release_json, err))
        return false;
    if (!wanted)
        return !release_json->ptr || err_field(err, "release_policy", "release_policy is for exportable keys: attributes.exportable must be true");
    if (place != PLACE_SOFTWARE)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Exportable keys in an HSM are not implemented by this version of Vaultyard.");
    if (!store_read(kv->site->store, exportable_txn, &current, err))
        return false;
    if (!release_json->ptr)
        *release_json = current.release_json;
    return release_json->ptr || err_field(err, "release_policy", "release_policy must be given with the first version of an exportable key");
}

typedef struct KeyCreate { Req *req; VersionNew version; } KeyCreate;

static bool key_create_txn(Txn *txn, void *ctx, Err *err)
{
    KeyCreate *create = ctx;
    Req *req = create->req;
    const Vault *vault = req_vault(req);
    ObjectRow object;
    bool found;
    if (!object_require_usable(txn, req->arena, vault, KV_KEY, req->params[0], &object, &found, err))
        return false;
    create->version.name = found ? object.name : req->params[0];
    return version_add(req->ctx, txn, req->arena, vault, &create->version, found ? &object : NULL, err) &&
           feed_add(txn, vault, KV_KEY, create->version.name, create->version.version, FEED_NEW_VERSION, req->now_ms, err) &&
           key_rotation_schedule(req->ctx, txn, req->arena, vault, create->version.name, err);
}

bool key_reply(Req *req, Reply *reply, const ObjectRow *object, const VersionRow *row, Err *err)
{
    json_open(&reply->json, NULL);
    bundle_write(&reply->json, req->ctx, req->arena, req_vault(req), KV_KEY, object, row, BUNDLE_WHOLE);
    json_close(&reply->json);
    return arena_ok(req->arena) || err_too_big(err);
}

bool key_store_new(Req *req, Reply *reply, const KeyNew *in, Err *err)
{
    KeyCreate create = { .req = req };
    VersionNew *version = &create.version;
    *version = (VersionNew){ .kind = KV_KEY, .name = req->params[0], .version = hex_id_new(req->arena, VERSION_DIGITS), .attributes = in->attributes };
    version->value = secret_bytes(in->made->kept);
    if (!key_doc_make_exportable(req->arena, in->made->key, in->ops_json, in->tags_json, in->release_json, &version->doc_json, err))
        return false;

    VersionRow row = { .version = version->version, .attributes = version->attributes };
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_KEY, req->params[0], version->version);
    if (!json_parse(req->arena, version->doc_json, JSON_STRICT, &row.doc, err) || !plane_write(req, url, 200, key_create_txn, &create, err))
        return false;
    in->made->is_stored = true;
    ObjectRow object = { .name = version->name };
    return key_reply(req, reply, &object, &row, err);
}

bool key_create(Req *req, Reply *reply, Err *err)
{
    AUTO(key_made_done) KeyMade made = { 0 };
    const JsonVal *body;
    KeyIn in = { 0 };
    KeySpec spec;
    KeyPlace place;
    Str kty;
    KeyNew new = { .made = &made, .tags_json = STR_NONE, .attributes = { .enabled = true, .created_ms = req->now_ms, .updated_ms = req->now_ms } };
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err) ||
        !json_read(body, "", key_create_fields, COUNT_OF(key_create_fields), &in, err) ||
        !key_place_parse(req->ctx, req_vault(req), in.kty, &place, &kty, err) ||
        !key_want_spec(kty, in.key_size, in.crv, &spec, err))
        return false;
    if (in.public_exponent.set && in.public_exponent.value != 65537)
        return err_field(err, "public_exponent", "public_exponent must be 65537");
    new.ops_json = key_ops_default(req->arena, spec.kind);
    if (!key_ops_read(req->arena, body, "key_ops", spec.kind, &new.ops_json, err) || !attributes_read(body, &new.attributes, err) ||
        !tags_read(req->arena, body, TAG_CHARS_KEY, &new.tags_json, err) || !key_release_read(req, body, place, &new.release_json, err) ||
        !throttle_key_create(req, req_vault(req), place == PLACE_TOKEN, err) || !key_made_new(req->ctx, req_vault(req), place, spec, &made, err))
        return false;
    return key_store_new(req, reply, &new, err);
}

typedef struct KeyView { Req *req; const JsonVal *body; ObjectRow object; VersionRow row; } KeyView;

static bool key_get_txn(Txn *txn, void *ctx, Err *err)
{
    KeyView *view = ctx;
    Req *req = view->req;
    return object_require(req->ctx, txn, req->arena, req_vault(req), KV_KEY, req->params[0], req_param(req, "version"), &view->object, &view->row, err);
}

bool key_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    KeyView view = { .req = req };
    return store_read(kv->site->store, key_get_txn, &view, err) && key_reply(req, reply, &view.object, &view.row, err);
}

static bool key_update_txn(Txn *txn, void *ctx, Err *err)
{
    KeyView *view = ctx;
    Req *req = view->req;
    VersionRow *row = &view->row;
    if (!key_get_txn(txn, ctx, err))
        return false;
    if (view->object.is_managed)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "Key " STR_FMT " belongs to the certificate of the same name; change it by way of the "
                         "certificate.", STR_ARG(view->object.name));
    const JsonVal *jwk = json_get(row->doc, "jwk"), *tags_now = json_get(row->doc, "tags"), *policy = json_get(row->doc, "release_policy");
    const JsonVal *exportable = json_path(view->body, "attributes.exportable");
    Str release = policy ? json_text(req->arena, policy) : STR_NONE, release_now = release;
    Str tags = tags_now ? json_text(req->arena, tags_now) : STR_NONE, ops = json_text(req->arena, json_get(row->doc, "key_ops"));
    if (!attributes_read(view->body, &row->attributes, err) || !tags_read(req->arena, view->body, TAG_CHARS_KEY, &tags, err) ||
        !key_ops_read(req->arena, view->body, "key_ops", key_kind_of_doc(row->doc), &ops, err) ||
        !release_policy_read(req->arena, view->body, &release, err))
        return false;
    if (json_kind(exportable) == JSON_BOOL && json_bool(exportable, false) != (policy != NULL))
        return err_field(err, "attributes.exportable", "attributes.exportable is decided when a key is made");
    if (release.ptr != release_now.ptr && (policy ? !release_policy_may_change(req->arena, policy, release, err)
                                                  : !err_field(err, "release_policy", "release_policy is for exportable keys, and this one is not")))
        return false;
    row->attributes.updated_ms = req->now_ms;
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 64 << 10);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_value(&w, "jwk", jwk);
    json_put_raw(&w, "key_ops", ops);
    if (tags.ptr)
        json_put_raw(&w, "tags", tags);
    put_release(&w, release);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    row->doc_json = str_dup(req->arena, buf_str(&text));
    return json_parse(req->arena, row->doc_json, JSON_STRICT, &row->doc, err) &&
           version_update(req->ctx, txn, req->arena, req_vault(req), KV_KEY, view->object.name, row, err) &&
           key_rotation_schedule(req->ctx, txn, req->arena, req_vault(req), view->object.name, err);       /* its expiry may be another */
}

bool key_update(Req *req, Reply *reply, Err *err)
{
    KeyView view = { .req = req };
    if (!object_name_check(req->params[0], err) || !req_object(req, &view.body, err))
        return false;
    Str url = object_url(req->ctx, req->arena, req_vault(req), KV_KEY, req->params[0], req_param(req, "version"));
    return plane_write(req, url, 200, key_update_txn, &view, err) && key_reply(req, reply, &view.object, &view.row, err);
}
