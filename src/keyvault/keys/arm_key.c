/* arm_key.c - Microsoft.KeyVault/vaults/keys. Who may do it is Resource Manager's matter (vaults/keys/write), not the vault's permission model. */
#include "keyvault/keys/arm_key.h"
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/keys/key.h"
#include "keyvault/keys/key_policy.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/keys/release_policy.h"
#include "keyvault/objects/arm_item.h"
#include "keyvault/objects/feed.h"
#include "keyvault/vaults/vault_arm.h"

enum { LIST_MAX = 1000 };
#define KEY_TYPE "Microsoft.KeyVault/vaults/keys"

typedef struct PropertiesIn { Str kty, curve; int64_t size; const JsonVal *rotation; } PropertiesIn;
static const JsonField properties_fields[] = {
    JSON_FIELD(PropertiesIn, kty,      "kty",            JSON_REQUIRED),
    JSON_FIELD(PropertiesIn, curve,    "curveName",      JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, size,     "keySize",        JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, rotation, "rotationPolicy", JSON_OPTIONAL),
};

typedef struct ArmKey {
    Req *req;
    Vault vault;
    ObjectRow object;
    VersionRow row;
    RotationPolicy rotation;
    bool found, has_rotation;
    KeyMade made;
    VersionNew version;                 /* of PUT */
} ArmKey;

/* ---- answers ---- */

static void write_kind(JsonWriter *w, Arena *arena, const VersionRow *row)
{
    const JsonVal *jwk = json_get(row->doc, "jwk");
    Bytes n = { 0 };
    Err ignored;
    json_put_str(w, "kty", json_str(json_get(jwk, "kty")));
    json_put_value(w, "keyOps", json_get(row->doc, "key_ops"));
    if (json_get(jwk, "n") && base64url_decode(arena, json_str(json_get(jwk, "n")), &n, &ignored))
        json_put_int(w, "keySize", (int64_t)n.len * 8);
    json_put_str(w, "curveName", json_str(json_get(jwk, "crv")));
    if (json_get(row->doc, "release_policy"))
        json_put_value(w, "release_policy", json_get(row->doc, "release_policy"));
}

/* Items of lists tell what a key is called and when it is good; the rest is asked of the key itself. */
typedef enum Shown { SHOWN_KEY = 1, SHOWN_VERSION, SHOWN_KEY_ITEM, SHOWN_VERSION_ITEM } Shown;

static void write_key(JsonWriter *w, Req *req, const ArmKey *key, Shown shown)
{
    KeyVault *kv = req->ctx;
    Arena *arena = req->arena;
    const Vault *vault = &key->vault;
    bool is_version = shown == SHOWN_VERSION || shown == SHOWN_VERSION_ITEM;
    Str id = str_printf(arena, STR_FMT "/keys/" STR_FMT "%s" STR_FMT, STR_ARG(vault->resource_id), STR_ARG(key->object.name), is_version ? "/versions/" : "",
                        STR_ARG(is_version ? key->row.version : STR("")));
    arm_item_begin(w, id, is_version ? key->row.version : key->object.name, is_version ? STR(KEY_TYPE "/versions") : STR(KEY_TYPE), vault,
                   json_get(key->row.doc, "tags"));
    json_open(w, "properties");
    json_open(w, "attributes");
    arm_item_dates(w, &key->row.attributes);
    /* Resource Manager's list of levels knows no retention but the longest. */
    json_put_str(w, "recoveryLevel", vault->purge_protection ? STR("Recoverable") : STR("Recoverable+Purgeable"));
    json_put_bool(w, "exportable", json_bool(json_get(key->row.doc, "exportable"), false));
    json_close(w);
    if (shown == SHOWN_KEY || shown == SHOWN_VERSION)
        write_kind(w, arena, &key->row);
    if (key->has_rotation && shown == SHOWN_KEY)
        rotation_policy_write_arm(w, "rotationPolicy", &key->rotation);
    json_put_str(w, "keyUri", object_url(kv, arena, vault, KV_KEY, key->object.name, STR("")));
    if (shown != SHOWN_KEY_ITEM)
        json_put_str(w, "keyUriWithVersion", object_url(kv, arena, vault, KV_KEY, key->object.name, key->row.version));
    json_close(w);
    json_close(w);
}

static Str resource_id(const Req *req) { return arm_item_id(req, "keys", req_param(req, "keyName")); }
static bool not_found(const Req *req, Err *err) { return arm_item_not_found(req, "keys", req_param(req, "keyName"), err); }

/* ---- GET ---- */

/* A deleted key keeps its name: nothing is made in its place. */
static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    ArmKey *key = ctx;
    Req *req = key->req;
    Str name = req_param(req, "keyName"), wanted = req_param(req, "keyVersion");
    if (!vault_require_live(req, txn, &key->vault, err) || !object_find(txn, req->arena, &key->vault, KV_KEY, name, &key->object, &key->found, err))
        return false;
    if (!key->found || key->object.deleted_ms)
        return true;
    return version_find(req->ctx, txn, req->arena, &key->vault, KV_KEY, key->object.name, str_empty(wanted) ? key->object.current : wanted, &key->row, &key->found, err) &&
           rotation_policy_find(req->ctx, txn, req->arena, &key->vault, key->object.name, &key->rotation, &key->has_rotation, err);
}

static bool get(Req *req, Reply *reply, Shown shown, Err *err)
{
    KeyVault *kv = req->ctx;
    ArmKey key = { .req = req };
    if (!object_name_check(req_param(req, "keyName"), err) || !store_read(kv->site->store, find_txn, &key, err))
        return false;
    if (!key.found || key.object.deleted_ms)
        return not_found(req, err);
    write_key(&reply->json, req, &key, shown);
    return arena_ok(req->arena) || err_too_big(err);
}

bool arm_key_get(Req *req, Reply *reply, Err *err) { return get(req, reply, SHOWN_KEY, err); }
bool arm_key_get_version(Req *req, Reply *reply, Err *err) { return get(req, reply, SHOWN_VERSION, err); }

/* ---- PUT ---- */

static bool make(ArmKey *key, const JsonVal *body, const JsonVal *properties, Err *err)
{
    Req *req = key->req;
    PropertiesIn in = { 0 };
    KeySpec spec;
    KeyPlace place;
    Str kty, tags = STR_NONE, release = STR_NONE;
    Attributes attributes = { .enabled = true, .created_ms = req->now_ms, .updated_ms = req->now_ms };
    if (!json_read(properties, "properties", properties_fields, COUNT_OF(properties_fields), &in, err) ||
        !key_place_parse(req->ctx, &key->vault, in.kty, &place, &kty, err))
        return false;
    if (!str_eq_nocase(kty, STR("RSA")) && !str_eq_nocase(kty, STR("EC")))
        return err_field(err, "properties.kty", "properties.kty must be RSA, EC, RSA-HSM or EC-HSM");
    if (!key_want_spec(kty, in.size, in.curve, &spec, err))
        return false;
    Str ops = key_ops_default(req->arena, spec.kind);
    if (!key_ops_read(req->arena, properties, "keyOps", spec.kind, &ops, err) || !attributes_read(properties, &attributes, err) ||
        !tags_read(req->arena, body, TAG_CHARS_KEY, &tags, err) || !release_policy_read(req->arena, properties, &release, err))
        return false;
    if (json_bool(json_path(properties, "attributes.exportable"), false) != (release.ptr != NULL))
        return err_field(err, "properties.release_policy", "properties.release_policy and attributes.exportable go together: both or neither");
    if (release.ptr && place != PLACE_SOFTWARE)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Exportable keys in an HSM are not implemented by this version of Vaultyard.");
    if (in.rotation && json_kind(in.rotation) != JSON_NULL) {
        if (!rotation_policy_read(in.rotation, req->now_ms, &key->rotation, err))
            return false;
        key->rotation.created_ms = key->rotation.updated_ms = req->now_ms;
        key->has_rotation = true;
        if (key->rotation.expiry.is_set && !attributes.exp_s.set)
            attributes.exp_s = (OptInt){ .set = true, .value = period_after(req->now_ms, key->rotation.expiry) / 1000 };
    }
    if (!key_made_new(req->ctx, &key->vault, place, spec, &key->made, err))
        return false;
    key->version = (VersionNew){ .kind = KV_KEY, .name = req_param(req, "keyName"), .version = hex_id_new(req->arena, VERSION_DIGITS), .attributes = attributes,
                                 .value = secret_bytes(key->made.kept) };
    return key_doc_make_exportable(req->arena, key->made.key, ops, tags, release, &key->version.doc_json, err);
}

static bool put_txn(Txn *txn, void *ctx, Err *err)
{
    ArmKey *key = ctx;
    Req *req = key->req;
    KeyVault *kv = req->ctx;
    RotationPolicy rotation = key->rotation;
    bool wants_rotation = key->has_rotation;
    if (!find_txn(txn, ctx, err))
        return false;
    if (key->found && !key->object.deleted_ms)
        return true;                    /* made meanwhile by somebody else: theirs stays */
    if (!object_require_usable(txn, req->arena, &key->vault, KV_KEY, key->version.name, &key->object, &key->found, err))
        return false;
    key->object = (ObjectRow){ .name = key->version.name };
    key->rotation = rotation;
    key->has_rotation = wants_rotation;
    key->row = (VersionRow){ .version = key->version.version, .attributes = key->version.attributes };
    return json_parse(req->arena, key->version.doc_json, JSON_STRICT, &key->row.doc, err) && version_put(kv, txn, req->arena, &key->vault, &key->version, err) &&
           feed_add(txn, &key->vault, KV_KEY, key->version.name, key->version.version, FEED_NEW_VERSION, req->now_ms, err) &&
           (!wants_rotation || rotation_policy_put(kv, txn, req->arena, &key->vault, key->version.name, &rotation, err)) &&
           key_rotation_schedule(kv, txn, req->arena, &key->vault, key->version.name, err);
}

bool arm_key_put(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    ArmKey key = { .req = req };
    const JsonVal *body;
    if (!object_name_check(req_param(req, "keyName"), err) || !req_object(req, &body, err))
        return false;
    const JsonVal *properties = json_get_nocase(body, "properties");
    if (json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties must be an object, with kty");
    if (!store_read(kv->site->store, find_txn, &key, err))
        return false;
    bool good = key.found && !key.object.deleted_ms;        /* it is there: answered, not changed */
    if (!good) {
        key.has_rotation = false;
        key.rotation = (RotationPolicy){ 0 };
        good = make(&key, body, properties, err) && vault_write_txn(req, resource_id(req), 200, put_txn, &key, err);
        key.made.is_stored = good && str_eq(key.row.version, key.version.version);
        if (good)
            feed_wake(kv, &key.vault);
    }
    if (good)
        write_key(&reply->json, req, &key, SHOWN_KEY);
    key_made_done(&key.made);
    return good && (arena_ok(req->arena) || err_too_big(err));
}

/* ---- lists ---- */

typedef struct List { Req *req; Reply *reply; ArmPage page; bool of_versions; ArmKey of; } List;

static const char keys_sql[] =
    "SELECT o.name, o.name_key, v.version, v.ordinal, v.pending, v.enabled, v.nbf_ms, v.exp_ms, v.created_ms, v.updated_ms, v.doc"
    " FROM kv_object o JOIN kv_version v ON v.vault = o.vault AND v.kind = o.kind AND v.name_key = o.name_key AND v.version = o.current"
    " WHERE o.vault = ?1 AND o.kind = ?2 AND o.name_key > ?3 AND o.deleted_ms = 0 ORDER BY o.name_key LIMIT ?4";
static const char versions_sql[] =
    "SELECT ?5, name_key, version, ordinal, pending, enabled, nbf_ms, exp_ms, created_ms, updated_ms, doc FROM kv_version"
    " WHERE vault = ?1 AND kind = ?2 AND name_key = ?6 AND version > ?3 AND pending = 0 ORDER BY version LIMIT ?4";

static bool query(const List *list, Txn *txn, Rows **rows, Err *err)
{
    const ArmKey *of = &list->of;
    Str after = list->page.after.ptr ? list->page.after : STR("");
    return list->of_versions ? txn_query(txn, rows, err, versions_sql, db_text(of->vault.id), db_int(KV_KEY), db_text(after), db_int(list->page.limit + 1), db_text(of->object.name),
                                         db_text(of->object.name_key))
                             : txn_query(txn, rows, err, keys_sql, db_text(of->vault.id), db_int(KV_KEY), db_text(after), db_int(list->page.limit + 1));
}

static bool write_row(void *ctx, Txn *txn, Rows *rows, JsonWriter *w, Str *key, Err *err)
{
    const List *list = ctx;
    Req *req = list->req;
    ArmKey item = { .req = req, .vault = list->of.vault, .object = { .name = str_dup(req->arena, row_text(rows, 0)), .name_key = str_dup(req->arena, row_text(rows, 1)) } };
    if (!version_of_row(req->ctx, txn, req->arena, &item.vault, KV_KEY, item.object.name_key, rows, 2, &item.row, err))
        return false;
    write_key(w, req, &item, list->of_versions ? SHOWN_VERSION_ITEM : SHOWN_KEY_ITEM);
    *key = list->of_versions ? item.row.version : item.object.name_key;
    return true;
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    ArmKey *of = &list->of;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (list->of_versions ? !find_txn(txn, of, err) : !vault_require_live(req, txn, &of->vault, err))
        return false;
    if (list->of_versions && (!of->found || of->object.deleted_ms))
        return not_found(req, err);
    return query(list, txn, &rows, err) && arm_page_write(kv->arm, req, &list->page, txn, rows, write_row, list, &list->reply->json, err);
}

static bool list_all(Req *req, Reply *reply, bool of_versions, Err *err)
{
    KeyVault *kv = req->ctx;
    List list = { .req = req, .reply = reply, .of_versions = of_versions, .of = { .req = req } };
    return (!of_versions || object_name_check(req_param(req, "keyName"), err)) && arm_page_read(req, LIST_MAX, &list.page, err) &&
           store_read(kv->site->store, list_txn, &list, err) && (arena_ok(req->arena) || err_too_big(err));
}

bool arm_key_list(Req *req, Reply *reply, Err *err) { return list_all(req, reply, false, err); }
bool arm_key_list_versions(Req *req, Reply *reply, Err *err) { return list_all(req, reply, true, err); }
