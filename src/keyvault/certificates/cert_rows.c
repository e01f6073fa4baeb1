/* cert_rows.c - rows of kv_policy and kv_pending. */
#include "keyvault/certificates/cert_rows.h"
#include "keyvault/keys/hsm_key.h"

enum { DOC_MAX_BYTES = 1 << 20 };

static SealPlace place(Arena *arena, const Vault *vault, const char *table, Str name_key, const char *column)
{
    return (SealPlace){ vault->scope, table, str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), column };
}

bool policy_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, CertPolicy *out, bool *found, Err *err)
{
    Str name_key = str_lower(arena, name), text;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT created_ms, updated_ms, sealed FROM kv_policy WHERE vault = ?1 AND name_key = ?2",
                   db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;

    CertPolicy policy = cert_policy_defaults();
    const JsonVal *root;
    if (!seal_get_text(kv->site->seal, txn, place(arena, vault, "kv_policy", name_key, "sealed"), row_blob(rows, 2), arena, &text, err) ||
        !json_parse(arena, text, JSON_STRICT, &root, err) || !cert_policy_read(arena, root, "policy", &policy, err))
        return false;
    policy.created_ms = row_int(rows, 0);
    policy.updated_ms = row_int(rows, 1);
    *out = policy;
    return true;
}

bool policy_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy, Err *err)
{
    Str name_key = str_lower(arena, name);
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, DOC_MAX_BYTES);
    JsonWriter w;
    Bytes sealed;
    json_begin(&w, &text);
    cert_policy_write(&w, NULL, policy, STR_NONE);
    return json_end(&w, err) &&
           seal_put(kv->site->seal, txn, place(arena, vault, "kv_policy", name_key, "sealed"), buf_bytes(&text), arena, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO kv_policy (vault, name_key, created_ms, updated_ms, sealed) VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT (vault, name_key) DO UPDATE SET created_ms = excluded.created_ms, updated_ms = excluded.updated_ms,"
                    " sealed = excluded.sealed",
                    db_text(vault->id), db_text(name_key), db_int(policy->created_ms), db_int(policy->updated_ms), db_blob(sealed));
}

typedef struct PendingDoc { Str issuer, csr, error_code, error_text, details; bool cancellation_requested, is_enabled, keeps_order; const JsonVal *tags; } PendingDoc;
static const JsonField pending_fields[] = {
    JSON_FIELD(PendingDoc, issuer,                 "issuer",    JSON_REQUIRED),
    JSON_FIELD(PendingDoc, csr,                    "csr",       JSON_REQUIRED),
    JSON_FIELD(PendingDoc, cancellation_requested, "cancel",    JSON_REQUIRED),
    JSON_FIELD(PendingDoc, is_enabled,             "enabled",   JSON_REQUIRED),
    JSON_FIELD(PendingDoc, keeps_order,            "keepsOrder", JSON_OPTIONAL),
    JSON_FIELD(PendingDoc, tags,                   "tags",      JSON_OPTIONAL),
    JSON_FIELD(PendingDoc, error_code,             "errorCode", JSON_OPTIONAL),
    JSON_FIELD(PendingDoc, error_text,             "errorText", JSON_OPTIONAL),
    JSON_FIELD(PendingDoc, details,                "details",   JSON_OPTIONAL),
};

bool pending_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, PendingRow *out, bool *found, Err *err)
{
    Str name_key = str_lower(arena, name), text;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT request_id, version, status, started_ms, doc FROM kv_pending WHERE vault = ?1 AND name_key = ?2",
                   db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;

    const JsonVal *root;
    PendingDoc doc = { 0 };
    if (!seal_get_text(kv->site->seal, txn, place(arena, vault, "kv_pending", name_key, "doc"), row_blob(rows, 4), arena, &text, err) ||
        !json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "kv_pending", pending_fields, COUNT_OF(pending_fields), &doc, err))
        return false;
    *out = (PendingRow){ .request_id = str_dup(arena, row_text(rows, 0)), .version = str_dup(arena, row_text(rows, 1)),
                         .status = str_dup(arena, row_text(rows, 2)), .started_ms = row_int(rows, 3), .issuer = doc.issuer, .csr = doc.csr,
                         .cancellation_requested = doc.cancellation_requested, .is_enabled = doc.is_enabled, .keeps_order = doc.keeps_order,
                         .tags_json = doc.tags ? json_text(arena, doc.tags) : STR_NONE,
                         .error_code = doc.error_code, .error_text = doc.error_text, .details = doc.details };
    return arena_ok(arena) || err_too_big(err);
}

bool pending_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const PendingRow *row, Bytes key_kept, Err *err)
{
    Str name_key = str_lower(arena, name);
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, DOC_MAX_BYTES);
    JsonWriter w;
    Bytes doc, key = { 0 };
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "issuer", row->issuer);
    json_put_str(&w, "csr", row->csr);
    json_put_bool(&w, "cancel", row->cancellation_requested);
    json_put_bool(&w, "enabled", row->is_enabled);
    if (row->keeps_order)
        json_put_bool(&w, "keepsOrder", true);
    if (row->tags_json.ptr)
        json_put_raw(&w, "tags", row->tags_json);
    json_put_str(&w, "errorCode", row->error_code);
    json_put_str(&w, "errorText", row->error_text);
    json_put_str(&w, "details", row->details);
    json_close(&w);
    Seal *seal = kv->site->seal;
    if (!json_end(&w, err) || !seal_put(seal, txn, place(arena, vault, "kv_pending", name_key, "doc"), buf_bytes(&text), arena, &doc, err))
        return false;
    Str hsm_key = hsm_kept_id(arena, key_kept);
    if (key_kept.ptr && (!seal_put(seal, txn, place(arena, vault, "kv_pending", name_key, "key"), key_kept, arena, &key, err) || !hsm_name(txn, hsm_key, err)))
        return false;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO kv_pending (vault, name_key, request_id, version, status, started_ms, doc, key, hsm_key)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                    " ON CONFLICT (vault, name_key) DO UPDATE SET request_id = excluded.request_id, version = excluded.version,"
                    " status = excluded.status, started_ms = excluded.started_ms, doc = excluded.doc, key = excluded.key,"
                    " hsm_key = excluded.hsm_key",
                    db_text(vault->id), db_text(name_key), db_text(row->request_id), db_text(row->version), db_text(row->status),
                    db_int(row->started_ms), db_blob(doc), db_blob(key), hsm_key.ptr ? db_text(hsm_key) : db_null()) &&
           hsm_sweep(kv, txn, vault, err);          /* the key of the operation before */
}

bool pending_key(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, KeyRef **out, Err *err)
{
    Str name_key = str_lower(arena, name);
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT key FROM kv_pending WHERE vault = ?1 AND name_key = ?2 AND key IS NOT NULL",
                   db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code != ERR_NONE ? false
             : err_set(err, ERR_INTERNAL, "the operation of certificate " STR_FMT " has no key", STR_ARG(name_key));
    AUTO(secret_free_auto) Secret *kept = NULL;
    return seal_get(kv->site->seal, txn, place(arena, vault, "kv_pending", name_key, "key"), row_blob(rows, 0), &kept, err) &&
           key_from_kept(kv, vault, secret_bytes(kept), out, err);
}

bool pending_erase(Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_pending WHERE vault = ?1 AND name_key = ?2", db_text(vault->id),
                    db_text(str_lower(arena, name)));
}

bool pending_is_in_progress(const PendingRow *row) { return str_eq(row->status, PENDING_IN_PROGRESS); }

void pending_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, Str name, const PendingRow *row)
{
    bool is_unknown = str_eq(row->issuer, ISSUER_UNKNOWN);
    json_open(w, NULL);
    json_put_str(w, "id", object_part_url(kv, arena, vault, KV_CERTIFICATE, name, "pending"));
    json_open(w, "issuer");
    json_put_str(w, "name", row->issuer);
    json_close(w);
    json_put_str(w, "csr", row->csr);
    json_put_bool(w, "cancellation_requested", row->cancellation_requested);
    json_put_str(w, "status", row->status);
    if (pending_is_in_progress(row)) {
        Str text = is_unknown ? STR("Pending certificate created. Please Perform Merge to complete the request.")
                              : STR("Pending certificate created. Certificate request is in progress. This may take some time based on the "
                                    "issuer provider. Please check again later.");
        json_put_str(w, "status_details", row->details.ptr ? str_printf(arena, STR_FMT " " STR_FMT, STR_ARG(text), STR_ARG(row->details)) : text);
    }
    if (str_eq(row->status, PENDING_COMPLETED))
        json_put_str(w, "target", object_url(kv, arena, vault, KV_CERTIFICATE, name, STR("")));
    if (row->error_code.ptr) {
        json_open(w, "error");
        json_put_str(w, "code", row->error_code);
        json_put_str(w, "message", row->error_text);
        json_close(w);
    }
    json_put_str(w, "request_id", row->request_id);
    if (row->keeps_order)
        json_put_bool(w, "preserveCertOrder", true);
    json_close(w);
}

bool pending_not_found(Err *err, Str name)
{
    return err_named(err, ERR_NOT_FOUND, "PendingCertificateNotFound", NULL, "Pending certificate not found: " STR_FMT, STR_ARG(name));
}

typedef struct OrderIn { bool keeps; } OrderIn;
static const JsonField order_fields[] = { JSON_FIELD(OrderIn, keeps, "preserveCertOrder", JSON_OPTIONAL) };

bool cert_order_read(const Req *req, const JsonVal *body, bool *keeps, Err *err)
{
    Str version = req->api_version;
    OrderIn in = { 0 };
    *keeps = false;
    bool is_date = str_starts(version, STR("20"));
    if (is_date ? str_cmp(str_slice(version, 0, 10), STR("2025-07-01")) < 0 : !str_starts(version, STR("7.6")) || str_eq(version, STR("7.6-preview.1")))
        return true;
    if (!json_read(body, "", order_fields, COUNT_OF(order_fields), &in, err))
        return false;
    *keeps = in.keeps;
    return true;
}

static bool name_is_free(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Err *err)
{
    ObjectRow other;
    bool found;
    if (!object_find(txn, arena, vault, kind, name, &other, &found, err))
        return false;
    if (!found)
        return true;
    if (other.deleted_ms)
        return object_is_deleted(err, kind, other.name);
    return err_named(err, ERR_CONFLICT, "Conflict", NULL,
                     "A %s with the name " STR_FMT " exists already; a certificate needs its name among keys and secrets too. Choose another name.",
                     kind_word(kind), STR_ARG(other.name));
}

bool certificate_require_usable(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, CertUsable *out, Err *err)
{
    *out = (CertUsable){ 0 };
    if (!object_find(txn, arena, vault, KV_CERTIFICATE, name, &out->object, &out->exists, err))
        return false;
    if (out->exists && out->object.deleted_ms)
        return object_is_deleted(err, KV_CERTIFICATE, out->object.name);
    if (!out->exists)
        return name_is_free(txn, arena, vault, KV_KEY, name, err) && name_is_free(txn, arena, vault, KV_SECRET, name, err);
    if (!pending_find(kv, txn, arena, vault, name, &out->pending, &out->has_pending, err))
        return false;
    if (out->has_pending && pending_is_in_progress(&out->pending))
        return err_named(err, ERR_CONFLICT, "Forbidden", NULL,
                         "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress.");
    return true;
}
