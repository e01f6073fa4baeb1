/* list.c - lists in pages. A name without versions gives an empty list, not 404: the real service does so. */
#include "keyvault/objects/list.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/objects/page.h"

typedef struct List {
    Req   *req;
    Reply *reply;
    KvKind kind;
    bool   of_deleted;
    Page   page;
} List;

/* One row more than the page tells whether there is another page. */
static const char live_sql[] =
    "SELECT o.name, o.name_key, o.managed, o.deleted_ms, o.purge_ms, v.version, v.ordinal, v.pending, v.enabled, v.nbf_ms, v.exp_ms,"
    " v.created_ms, v.updated_ms, v.doc"
    " FROM kv_object o JOIN kv_version v ON v.vault = o.vault AND v.kind = o.kind AND v.name_key = o.name_key AND v.version = o.current"
    " WHERE o.vault = ?1 AND o.kind = ?2 AND o.name_key > ?3 AND o.deleted_ms = 0 AND v.pending <= ?4"
    " ORDER BY o.name_key LIMIT ?5";
static const char deleted_sql[] =
    "SELECT o.name, o.name_key, o.managed, o.deleted_ms, o.purge_ms, v.version, v.ordinal, v.pending, v.enabled, v.nbf_ms, v.exp_ms,"
    " v.created_ms, v.updated_ms, v.doc"
    " FROM kv_object o JOIN kv_version v ON v.vault = o.vault AND v.kind = o.kind AND v.name_key = o.name_key AND v.version = o.current"
    " WHERE o.vault = ?1 AND o.kind = ?2 AND o.name_key > ?3 AND o.deleted_ms <> 0 AND v.pending <= ?4"
    " ORDER BY o.name_key LIMIT ?5";
static const char versions_sql[] =
    "SELECT " VERSION_COLUMNS " FROM kv_version"
    " WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND ordinal > ?4 AND pending <= ?5 ORDER BY ordinal LIMIT ?6";

static bool list_objects_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, list->of_deleted ? deleted_sql : live_sql, db_text(vault->id), db_int(list->kind),
                   db_text(list->page.after), db_int(list->of_deleted || list->page.asks_pending), db_int(list->page.limit + 1)))
        return false;

    JsonWriter *w = &list->reply->json;
    Str last = STR("");
    int64_t count = 0;
    bool more = false;
    json_open(w, NULL);
    json_open_array(w, "value");
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (count++ == list->page.limit) {
            more = true;
            break;
        }
        ObjectRow object = { .name = str_dup(req->arena, row_text(rows, 0)), .name_key = str_dup(req->arena, row_text(rows, 1)),
                             .is_managed = row_int(rows, 2) != 0, .deleted_ms = row_int(rows, 3), .purge_ms = row_int(rows, 4) };
        VersionRow row;
        if (!version_of_row(kv, txn, req->arena, vault, list->kind, object.name_key, rows, 5, &row, err))
            return false;
        json_open(w, NULL);
        bundle_write(w, kv, req->arena, vault, list->kind, &object, &row, BUNDLE_ITEM);
        if (list->of_deleted)
            bundle_write_deleted(w, kv, req->arena, vault, list->kind, &object);
        json_close(w);
        last = object.name_key;
    }
    json_close_array(w);
    page_write_next(req, kv, w, &list->page, more, last);
    json_close(w);
    return err->code == ERR_NONE;
}

static bool list_objects(Req *req, Reply *reply, KvKind kind, bool of_deleted, Err *err)
{
    List list = { .req = req, .reply = reply, .kind = kind, .of_deleted = of_deleted };
    KeyVault *kv = req->ctx;
    return page_read(req, kind == KV_CERTIFICATE, &list.page, err) && store_read(kv->site->store, list_objects_txn, &list, err) &&
           (arena_ok(req->arena) || err_too_big(err));
}

static bool list_versions_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    JsonWriter *w = &list->reply->json;
    ObjectRow object;
    bool found, more = false;
    int64_t after = 0, count = 0, last = 0;
    if (!str_empty(list->page.after) && !str_to_int64(list->page.after, 0, INT64_MAX, &after, err))
        return err_field(err, "$skiptoken", "$skiptoken is not one that this service gave; follow nextLink as it is");
    if (!object_find(txn, req->arena, vault, list->kind, req->params[0], &object, &found, err))
        return false;
    json_open(w, NULL);
    json_open_array(w, "value");
    if (found && !object.deleted_ms) {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, versions_sql, db_text(vault->id), db_int(list->kind), db_text(object.name_key), db_int(after),
                       db_int(list->page.asks_pending), db_int(list->page.limit + 1)))
            return false;
        *err = (Err){ 0 };
        while (rows_next(rows, err)) {
            if (count++ == list->page.limit) {
                more = true;
                break;
            }
            VersionRow row;
            if (!version_of_row(kv, txn, req->arena, vault, list->kind, object.name_key, rows, 0, &row, err))
                return false;
            json_open(w, NULL);
            bundle_write(w, kv, req->arena, vault, list->kind, &object, &row, BUNDLE_VERSION_ITEM);
            json_close(w);
            last = row.ordinal;
        }
        if (err->code != ERR_NONE)
            return false;
    }
    json_close_array(w);
    page_write_next(req, kv, w, &list->page, more, str_printf(req->arena, "%lld", (long long)last));
    json_close(w);
    return true;
}

static bool list_versions(Req *req, Reply *reply, KvKind kind, Err *err)
{
    List list = { .req = req, .reply = reply, .kind = kind };
    KeyVault *kv = req->ctx;
    return object_name_check(req->params[0], err) && page_read(req, kind == KV_CERTIFICATE, &list.page, err) &&
           store_read(kv->site->store, list_versions_txn, &list, err) && (arena_ok(req->arena) || err_too_big(err));
}

bool secret_list(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_SECRET, false, err); }
bool key_list(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_KEY, false, err); }
bool certificate_list(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_CERTIFICATE, false, err); }
bool secret_list_versions(Req *req, Reply *reply, Err *err) { return list_versions(req, reply, KV_SECRET, err); }
bool key_list_versions(Req *req, Reply *reply, Err *err) { return list_versions(req, reply, KV_KEY, err); }
bool certificate_list_versions(Req *req, Reply *reply, Err *err) { return list_versions(req, reply, KV_CERTIFICATE, err); }
bool secret_list_deleted(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_SECRET, true, err); }
bool key_list_deleted(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_KEY, true, err); }
bool certificate_list_deleted(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, KV_CERTIFICATE, true, err); }
