/* arm_secret.c - secrets as resources of their vault, by which templates set them. Their values go in and never come out.
 *
 * Who may do it is Resource Manager's matter (Microsoft.KeyVault/vaults/secrets/write), not the vault's permission model.
 * Source: Key Vault management REST documentation 2023-07-01, "Secrets". */
#include "base/id.h"
#include "keyvault/objects/arm_item.h"
#include "keyvault/objects/feed.h"
#include "keyvault/secrets/secret.h"
#include "keyvault/vaults/vault_arm.h"

enum { LIST_MAX = 1000 };
#define SECRET_TYPE "Microsoft.KeyVault/vaults/secrets"

typedef struct PropertiesIn { Str value, content_type; } PropertiesIn;
static const JsonField properties_fields[] = {
    JSON_FIELD(PropertiesIn, value,        "value",       JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, content_type, "contentType", JSON_OPTIONAL),
};

typedef struct Change {
    Req *req;
    const JsonVal *body, *properties;
    PropertiesIn in;
    bool is_patch, is_new;
    Vault vault;
    ObjectRow object;
    VersionRow row;
} Change;

/* ---- answers ---- */

static void write_secret(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object, const VersionRow *row)
{
    Str id = str_printf(arena, STR_FMT "/secrets/" STR_FMT, STR_ARG(vault->resource_id), STR_ARG(object->name));
    arm_item_begin(w, id, object->name, STR(SECRET_TYPE), vault, json_get(row->doc, "tags"));
    json_open(w, "properties");
    json_put_str(w, "contentType", json_str(json_get(row->doc, "contentType")));
    json_open(w, "attributes");
    arm_item_dates(w, &row->attributes);
    json_close(w);
    json_put_str(w, "secretUri", object_url(kv, arena, vault, KV_SECRET, object->name, STR("")));
    json_put_str(w, "secretUriWithVersion", object_url(kv, arena, vault, KV_SECRET, object->name, row->version));
    json_close(w);
    json_close(w);
}

static Str resource_id(const Req *req) { return arm_item_id(req, "secrets", req_param(req, "secretName")); }
static bool not_found(const Req *req, Err *err) { return arm_item_not_found(req, "secrets", req_param(req, "secretName"), err); }

/* ---- PUT and PATCH ---- */

/* A value makes a new version; what is not given stays as the version before has it when patched, and is as at birth when put. */
static bool put_value(Change *change, Txn *txn, const VersionRow *before, Err *err)
{
    Req *req = change->req;
    Arena *arena = req->arena;
    const JsonVal *tags_before = before ? json_get(before->doc, "tags") : NULL;
    Str tags = tags_before ? json_text(arena, tags_before) : STR_NONE;
    Str content_type = change->in.content_type.ptr || !before ? change->in.content_type : json_str(json_get(before->doc, "contentType"));
    VersionNew version = { .kind = KV_SECRET, .name = change->object.name, .version = hex_id_new(arena, VERSION_DIGITS), .value = bytes_of(change->in.value),
                           .attributes = before ? before->attributes : (Attributes){ .enabled = true } };
    version.attributes.created_ms = version.attributes.updated_ms = req->now_ms;
    if (!attributes_read(change->properties, &version.attributes, err) || !tags_read(arena, change->body, TAG_CHARS_KEY, &tags, err))
        return false;
    version.doc_json = secret_doc(arena, content_type, tags);
    change->row = (VersionRow){ .version = version.version, .attributes = version.attributes };
    return json_parse(arena, version.doc_json, JSON_STRICT, &change->row.doc, err) && version_put(req->ctx, txn, arena, &change->vault, &version, err) &&
           feed_add(txn, &change->vault, KV_SECRET, version.name, version.version, FEED_NEW_VERSION, req->now_ms, err);
}

static bool patch_version(Change *change, Txn *txn, Err *err)
{
    Req *req = change->req;
    VersionRow *row = &change->row;
    const JsonVal *tags_before = json_get(row->doc, "tags");
    Str tags = tags_before ? json_text(req->arena, tags_before) : STR_NONE;
    Str content_type = change->in.content_type.ptr ? change->in.content_type : json_str(json_get(row->doc, "contentType"));
    bool was_enabled = row->attributes.enabled;
    if (!attributes_read(change->properties, &row->attributes, err) || !tags_read(req->arena, change->body, TAG_CHARS_KEY, &tags, err))
        return false;
    row->attributes.updated_ms = req->now_ms;
    row->doc_json = secret_doc(req->arena, content_type, tags);
    return json_parse(req->arena, row->doc_json, JSON_STRICT, &row->doc, err) &&
           version_update(req->ctx, txn, req->arena, &change->vault, KV_SECRET, change->object.name, row, err) &&
           (row->attributes.enabled == was_enabled ||
            feed_add(txn, &change->vault, KV_SECRET, change->object.name, row->version, was_enabled ? FEED_DISABLED : FEED_ENABLED, req->now_ms, err));
}

static bool change_txn(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    Req *req = change->req;
    Str name = req_param(req, "secretName");
    bool found, has_version = false;
    if (!vault_require_live(req, txn, &change->vault, err) ||
        !object_require_usable(txn, req->arena, &change->vault, KV_SECRET, name, &change->object, &found, err))
        return false;
    change->is_new = !found;
    if (!found && change->is_patch)
        return not_found(req, err);
    if (!found)
        change->object = (ObjectRow){ .name = name };
    else if (!version_find(req->ctx, txn, req->arena, &change->vault, KV_SECRET, name, change->object.current, &change->row, &has_version, err))
        return false;
    if (change->in.value.ptr) {
        VersionRow before = change->row;
        return put_value(change, txn, change->is_patch && has_version ? &before : NULL, err);
    }
    return patch_version(change, txn, err);
}

static bool change_secret(Req *req, Reply *reply, bool is_patch, Err *err)
{
    KeyVault *kv = req->ctx;
    Change change = { .req = req, .is_patch = is_patch };
    if (!object_name_check(req_param(req, "secretName"), err) || !req_object(req, &change.body, err))
        return false;
    change.properties = json_get_nocase(change.body, "properties");
    bool has_properties = json_kind(change.properties) == JSON_OBJECT;
    if (!has_properties && (!is_patch || (json_kind(change.properties) != JSON_ABSENT && json_kind(change.properties) != JSON_NULL)))
        return err_field(err, "properties", "properties must be an object, with value");
    if (has_properties && !json_read(change.properties, "properties", properties_fields, COUNT_OF(properties_fields), &change.in, err))
        return false;
    if (!is_patch && !change.in.value.ptr)
        return err_field(err, "properties.value", "properties.value is needed: the text of the secret");
    if (change.in.value.len > SECRET_VALUE_MAX_BYTES)
        return err_field(err, "properties.value", "properties.value is longer than %d bytes", SECRET_VALUE_MAX_BYTES);
    if (utf8_chars(change.in.content_type) > CONTENT_TYPE_MAX_CHARS)
        return err_field(err, "properties.contentType", "properties.contentType may have at most %d characters", CONTENT_TYPE_MAX_CHARS);
    bool written = vault_write_txn(req, resource_id(req), 200, change_txn, &change, err);
    if (change.in.value.len)
        secret_wipe((void *)(uintptr_t)change.in.value.ptr, change.in.value.len);
    if (!written)
        return false;
    feed_wake(kv, &change.vault);
    reply->status = change.is_new ? 201 : 200;
    write_secret(&reply->json, kv, req->arena, &change.vault, &change.object, &change.row);
    return arena_ok(req->arena) || err_too_big(err);
}

bool arm_secret_put(Req *req, Reply *reply, Err *err) { return change_secret(req, reply, false, err); }
bool arm_secret_patch(Req *req, Reply *reply, Err *err) { return change_secret(req, reply, true, err); }

/* ---- GET and list ---- */

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    Req *req = change->req;
    bool found;
    if (!vault_require_live(req, txn, &change->vault, err) ||
        !object_find(txn, req->arena, &change->vault, KV_SECRET, req_param(req, "secretName"), &change->object, &found, err))
        return false;
    if (!found || change->object.deleted_ms)
        return not_found(req, err);
    if (!version_find(req->ctx, txn, req->arena, &change->vault, KV_SECRET, change->object.name, change->object.current, &change->row, &found, err))
        return false;
    return found || not_found(req, err);
}

bool arm_secret_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Change get = { .req = req };
    if (!object_name_check(req_param(req, "secretName"), err) || !store_read(kv->site->store, get_txn, &get, err))
        return false;
    write_secret(&reply->json, kv, req->arena, &get.vault, &get.object, &get.row);
    return arena_ok(req->arena) || err_too_big(err);
}

typedef struct List { Req *req; Reply *reply; ArmPage page; Vault vault; } List;

static const char list_sql[] =
    "SELECT o.name, o.name_key, v.version, v.ordinal, v.pending, v.enabled, v.nbf_ms, v.exp_ms, v.created_ms, v.updated_ms, v.doc"
    " FROM kv_object o JOIN kv_version v ON v.vault = o.vault AND v.kind = o.kind AND v.name_key = o.name_key AND v.version = o.current"
    " WHERE o.vault = ?1 AND o.kind = ?2 AND o.name_key > ?3 AND o.deleted_ms = 0 ORDER BY o.name_key LIMIT ?4";

static bool write_row(void *ctx, Txn *txn, Rows *rows, JsonWriter *w, Str *key, Err *err)
{
    const List *list = ctx;
    Arena *arena = list->req->arena;
    ObjectRow object = { .name = str_dup(arena, row_text(rows, 0)), .name_key = str_dup(arena, row_text(rows, 1)) };
    VersionRow row;
    if (!version_of_row(list->req->ctx, txn, arena, &list->vault, KV_SECRET, object.name_key, rows, 2, &row, err))
        return false;
    write_secret(w, list->req->ctx, arena, &list->vault, &object, &row);
    *key = object.name_key;
    return true;
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    return vault_require_live(req, txn, &list->vault, err) &&
           txn_query(txn, &rows, err, list_sql, db_text(list->vault.id), db_int(KV_SECRET), db_text(list->page.after.ptr ? list->page.after : STR("")),
                     db_int(list->page.limit + 1)) &&
           arm_page_write(kv->arm, req, &list->page, txn, rows, write_row, list, &list->reply->json, err);
}

bool arm_secret_list(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    List list = { .req = req, .reply = reply };
    return arm_page_read(req, LIST_MAX, &list.page, err) && store_read(kv->site->store, list_txn, &list, err) && (arena_ok(req->arena) || err_too_big(err));
}
