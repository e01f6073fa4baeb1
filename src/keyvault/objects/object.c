/* object.c - rows of objects and their versions. A sealed column is bound to vault, kind, name and version by its row key. */
#include "keyvault/objects/object.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/events/expiry.h"

static Str name_key_of(Arena *arena, Str name) { return str_lower(arena, name); }

static SealPlace version_place(Arena *arena, const Vault *vault, KvKind kind, Str name_key, Str version, const char *column)
{
    char digit[] = { (char)('0' + kind), '\0' };
    Str row = STR_CONCAT(arena, vault->id, STR("/"), str_from(digit), STR("/"), name_key, STR("/"), version);
    return (SealPlace){ vault->scope, "kv_version", row, column };
}

bool object_find(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, ObjectRow *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str name_key = name_key_of(arena, name);
    if (!txn_query(txn, &rows, err,
                   "SELECT name, current, version_count, managed, deleted_ms, purge_ms FROM kv_object"
                   " WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                   db_text(vault->id), db_int(kind), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    *out = (ObjectRow){ .name = str_dup(arena, row_text(rows, 0)), .name_key = name_key, .current = str_dup(arena, row_text(rows, 1)),
                        .version_count = row_int(rows, 2), .is_managed = row_int(rows, 3) != 0,
                        .deleted_ms = row_int(rows, 4), .purge_ms = row_int(rows, 5) };
    return arena_ok(arena) || err_too_big(err);
}

static OptInt seconds_of(Rows *rows, int column)
{
    if (row_is_null(rows, column))
        return (OptInt){ 0 };
    return (OptInt){ .set = true, .value = row_int(rows, column) / 1000 };
}

static DbVal db_seconds(OptInt seconds) { return seconds.set ? db_int(seconds.value * 1000) : db_null(); }

bool version_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Rows *rows, int first,
                    VersionRow *out, Err *err)
{
    VersionRow row = { .version = str_dup(arena, row_text(rows, first)), .ordinal = row_int(rows, first + 1),
                       .is_pending = row_int(rows, first + 2) != 0 };
    row.attributes = (Attributes){ .enabled = row_int(rows, first + 3) != 0,
                                   .nbf_s = seconds_of(rows, first + 4), .exp_s = seconds_of(rows, first + 5),
                                   .created_ms = row_int(rows, first + 6), .updated_ms = row_int(rows, first + 7) };
    SealPlace place = version_place(arena, vault, kind, name_key, row.version, "doc");
    if (!seal_get_text(kv->site->seal, txn, place, row_blob(rows, first + 8), arena, &row.doc_json, err) ||
        !json_parse(arena, row.doc_json, JSON_STRICT, &row.doc, err))
        return false;
    *out = row;
    return true;
}

/* With its sealed value, if that is asked for: the same row, so one look finds both. */
static bool version_read(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                         VersionRow *out, Bytes *sealed, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str name_key = name_key_of(arena, name);
    if (!txn_query(txn, &rows, err,
                   "SELECT " VERSION_COLUMNS ", value FROM kv_version WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4",
                   db_text(vault->id), db_int(kind), db_text(name_key), db_text(str_lower(arena, version))))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    if (!version_of_row(kv, txn, arena, vault, kind, name_key, rows, 0, out, err))
        return false;
    if (sealed)
        *sealed = row_is_null(rows, VERSION_COLUMN_COUNT) ? (Bytes){ 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, VERSION_COLUMN_COUNT))));
    return arena_ok(arena) || err_too_big(err);
}

bool version_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                  VersionRow *out, bool *found, Err *err)
{
    return version_read(kv, txn, arena, vault, kind, name, version, out, NULL, found, err);
}

bool version_open(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Str version, Bytes sealed,
                  Secret **out, Err *err)
{
    return seal_get(kv->site->seal, txn, version_place(arena, vault, kind, name_key, version, "value"), sealed, out, err);
}

bool version_open_kept(KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Str version, Bytes sealed, Secret **out)
{
    return seal_get_kept(kv->site->seal, version_place(arena, vault, kind, name_key, version, "value"), sealed, out);
}

bool version_value(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                   Secret **out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str name_key = name_key_of(arena, name);
    if (!txn_query(txn, &rows, err,
                   "SELECT value FROM kv_version WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4",
                   db_text(vault->id), db_int(kind), db_text(name_key), db_text(version)))
        return false;
    *err = (Err){ 0 };
    *out = NULL;
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    return row_is_null(rows, 0) || version_open(kv, txn, arena, vault, kind, name_key, version, row_blob(rows, 0), out, err);
}

bool object_require_sealed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                           ObjectRow *object, VersionRow *row, Bytes *sealed, Err *err)
{
    bool found;
    if (!object_name_check(name, err) || !object_find(txn, arena, vault, kind, name, object, &found, err))
        return false;
    Str wanted = str_empty(version) ? object->current : version;
    if (!found || object->deleted_ms || str_empty(wanted))
        return object_not_found(err, kind, name, version);
    if (!version_read(kv, txn, arena, vault, kind, name, wanted, row, sealed, &found, err))
        return false;
    return found || object_not_found(err, kind, name, version);
}

bool object_require(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                    ObjectRow *object, VersionRow *row, Err *err)
{
    return object_require_sealed(kv, txn, arena, vault, kind, name, version, object, row, NULL, err);
}

bool object_require_deleted(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name,
                            ObjectRow *object, VersionRow *row, Err *err)
{
    bool found;
    if (!object_name_check(name, err) || !object_find(txn, arena, vault, kind, name, object, &found, err))
        return false;
    if (!found || !object->deleted_ms)
        return deleted_not_found(err, kind, name);
    if (!version_find(kv, txn, arena, vault, kind, name, object->current, row, &found, err))
        return false;
    return found || err_set(err, ERR_INTERNAL, "%s " STR_FMT " has lost its current version", kind_word(kind), STR_ARG(name));
}

bool object_require_usable(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, ObjectRow *out, bool *found, Err *err)
{
    if (!object_find(txn, arena, vault, kind, name, out, found, err))
        return false;
    if (*found && out->deleted_ms)
        return object_is_deleted(err, kind, out->name);
    /* A certificate owns its name from its creation on, before its first version puts rows here. */
    ObjectRow certificate;
    bool is_owned = *found && out->is_managed;
    if (!*found && !object_find(txn, arena, vault, KV_CERTIFICATE, name, &certificate, &is_owned, err))
        return false;
    if (is_owned)
        return err_named(err, ERR_CONFLICT, "Conflict", NULL,
                         "The %s " STR_FMT " belongs to the certificate of the same name; create a new version of the certificate instead.",
                         kind_word(kind), STR_ARG(name));
    return true;
}

/* `object` is NULL when there is none. */
static bool object_upsert(Txn *txn, Arena *arena, const Vault *vault, const VersionNew *version, const ObjectRow *object, int64_t *ordinal, Err *err)
{
    Str name_key = name_key_of(arena, version->name);
    *ordinal = object ? object->version_count + 1 : 1;
    if (!object)
        return txn_exec(txn, NULL, err,
                        "INSERT INTO kv_object (vault, kind, name_key, name, current, version_count, managed, deleted_ms, purge_ms)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, 0, 0)",
                        db_text(vault->id), db_int(version->kind), db_text(name_key), db_text(version->name),
                        db_text(version->version), db_int(version->is_managed));
    Str current = version->is_pending && !str_empty(object->current) ? object->current : version->version;
    return txn_exec(txn, NULL, err,
                    "UPDATE kv_object SET current = ?4, version_count = ?5 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                    db_text(vault->id), db_int(version->kind), db_text(name_key), db_text(current), db_int(*ordinal));
}

/* The pending version of a certificate has its row already, which is filled in. *filled: it had one. */
static bool fill_in(Txn *txn, const Vault *vault, const VersionNew *version, Str name_key, Bytes doc, Bytes value, bool *filled, Err *err)
{
    const Attributes *attributes = &version->attributes;
    int64_t changed = 0;
    if (!txn_exec(txn, &changed, err,
                  "UPDATE kv_version SET pending = ?5, enabled = ?6, nbf_ms = ?7, exp_ms = ?8, created_ms = ?9, updated_ms = ?10,"
                  " doc = ?11, value = ?12 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4 AND pending = 1",
                  db_text(vault->id), db_int(version->kind), db_text(name_key), db_text(version->version),
                  db_int(version->is_pending), db_int(attributes->enabled), db_seconds(attributes->nbf_s),
                  db_seconds(attributes->exp_s), db_int(attributes->created_ms), db_int(attributes->updated_ms),
                  db_blob(doc), db_blob(value)))
        return false;
    *filled = changed > 0;
    return !*filled || txn_exec(txn, NULL, err, "UPDATE kv_object SET current = ?4 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                                db_text(vault->id), db_int(version->kind), db_text(name_key), db_text(version->version));
}

bool version_add(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const VersionNew *version, const ObjectRow *object, Err *err)
{
    Str name_key = name_key_of(arena, version->name);
    Seal *seal = kv->site->seal;
    Bytes doc, value = { 0 };
    Str hsm_key = version->kind == KV_KEY ? hsm_kept_id(arena, version->value) : STR_NONE;
    if (!hsm_name(txn, hsm_key, err) ||
        !seal_put(seal, txn, version_place(arena, vault, version->kind, name_key, version->version, "doc"),
                  bytes_of(version->doc_json), arena, &doc, err))
        return false;
    if (version->value.ptr &&
        !seal_put(seal, txn, version_place(arena, vault, version->kind, name_key, version->version, "value"),
                  version->value, arena, &value, err))
        return false;

    const Attributes *attributes = &version->attributes;
    bool may_expire = object || attributes->exp_s.set;          /* of a new object nothing is noted */
    if (may_expire && !version->is_pending && !expiry_note(kv, txn, vault, version->kind, name_key, version->version, attributes->exp_s, err))
        return false;
    bool filled = false;
    if (object && version->kind == KV_CERTIFICATE && !fill_in(txn, vault, version, name_key, doc, value, &filled, err))
        return false;

    int64_t ordinal;
    return filled ||
           (object_upsert(txn, arena, vault, version, object, &ordinal, err) &&
            txn_exec(txn, NULL, err,
                     "INSERT INTO kv_version (vault, kind, name_key, version, ordinal, pending, enabled, nbf_ms, exp_ms, created_ms,"
                     " updated_ms, doc, value, hsm_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                     db_text(vault->id), db_int(version->kind), db_text(name_key), db_text(version->version), db_int(ordinal),
                     db_int(version->is_pending), db_int(attributes->enabled), db_seconds(attributes->nbf_s),
                     db_seconds(attributes->exp_s), db_int(attributes->created_ms), db_int(attributes->updated_ms),
                     db_blob(doc), db_blob(value), db_text(hsm_key)));
}

bool version_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const VersionNew *version, Err *err)
{
    ObjectRow object;
    bool found;
    return object_find(txn, arena, vault, version->kind, version->name, &object, &found, err) &&
           version_add(kv, txn, arena, vault, version, found ? &object : NULL, err);
}

/* What clients change may be an old version, of whose expiry nobody is told. */
static bool note_if_current(KeyVault *kv, Txn *txn, const Vault *vault, KvKind kind, Str name_key, const VersionRow *row, Err *err)
{
    bool is_current;
    {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_object WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND current = ?4", db_text(vault->id),
                       db_int(kind), db_text(name_key), db_text(row->version)))
            return false;
        *err = (Err){ 0 };
        is_current = rows_next(rows, err);
        if (err->code != ERR_NONE)
            return false;
    }
    return !is_current || expiry_note(kv, txn, vault, kind, name_key, row->version, row->attributes.exp_s, err);
}

bool version_update(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, const VersionRow *row, Err *err)
{
    Str name_key = name_key_of(arena, name);
    Bytes doc;
    return seal_put(kv->site->seal, txn, version_place(arena, vault, kind, name_key, row->version, "doc"),
                    bytes_of(row->doc_json), arena, &doc, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE kv_version SET enabled = ?5, nbf_ms = ?6, exp_ms = ?7, updated_ms = ?8, doc = ?9"
                    " WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4",
                    db_text(vault->id), db_int(kind), db_text(name_key), db_text(row->version),
                    db_int(row->attributes.enabled), db_seconds(row->attributes.nbf_s), db_seconds(row->attributes.exp_s),
                    db_int(row->attributes.updated_ms), db_blob(doc)) &&
           note_if_current(kv, txn, vault, kind, name_key, row, err);
}

bool object_mark(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, int64_t deleted_ms, int64_t purge_ms, bool *existed, Err *err)
{
    int64_t changed;
    if (!txn_exec(txn, &changed, err,
                  "UPDATE kv_object SET deleted_ms = ?4, purge_ms = ?5 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                  db_text(vault->id), db_int(kind), db_text(name_key_of(arena, name)), db_int(deleted_ms), db_int(purge_ms)))
        return false;
    *existed = changed > 0;
    return true;
}

bool object_erase(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, bool *existed, Err *err)
{
    Str name_key = name_key_of(arena, name);
    int64_t changed;
    if (!expiry_forget(txn, vault, kind, name_key, err) ||
        !txn_exec(txn, NULL, err, "DELETE FROM kv_version WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                  db_text(vault->id), db_int(kind), db_text(name_key)) ||
        !txn_exec(txn, &changed, err, "DELETE FROM kv_object WHERE vault = ?1 AND kind = ?2 AND name_key = ?3",
                  db_text(vault->id), db_int(kind), db_text(name_key)))
        return false;
    *existed = changed > 0;
    return true;
}
