/* encryption.c - rows of batch_encryption, and who may use an account whose key is away. */
#include "batch/encryption/encryption.h"
#include <stdio.h>
#include "batch/parts.h"
#include "batch/shape.h"

#define COLUMNS "revision, identifier, vault, key_name, version, pinned, algorithm, principal_id, wrapped, access, reason, unwrapped_ms, lost_ms, restored_ms, scrub"

bool encryption_find(Txn *txn, Arena *arena, Str account_id, Encryption *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *out = (Encryption){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM batch_encryption WHERE account_id = ?1", db_text(account_id)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    out->exists = true;
    out->revision = row_int(rows, 0);
    if (row_is_null(rows, 1))
        return true;
    out->by_customer = true;
    out->identifier = row_text_kept(arena, rows, 1);
    out->key = (KeyName){ row_text_kept(arena, rows, 2), row_text_kept(arena, rows, 3), row_text_kept(arena, rows, 4) };
    out->pinned = row_int(rows, 5) != 0;
    out->algorithm = row_text_kept(arena, rows, 6);
    out->principal_id = row_text_kept(arena, rows, 7);
    out->wrapped = bytes_of(str_dup(arena, str_of(row_blob(rows, 8))));
    out->access = (KeyAccess)row_int(rows, 9);
    out->reason = row_text_kept(arena, rows, 10);
    out->unwrapped_ms = row_int(rows, 11);
    out->lost_ms = row_int(rows, 12);
    out->restored_ms = row_int(rows, 13);
    out->scrub = row_int(rows, 14) != 0;
    return arena_ok(arena) || err_too_big(err);
}

bool encryption_insert(Txn *txn, Str account_id, Err *err)
{
    return txn_exec(txn, NULL, err,
                    "INSERT INTO batch_encryption (account_id, revision, identifier, vault, key_name, version, pinned, algorithm, principal_id, wrapped, access,"
                    " reason, unwrapped_ms, lost_ms, restored_ms, scrub) VALUES (?1, 1, NULL, '', '', '', 0, '', '', NULL, ?2, '', 0, 0, 0, 0)",
                    db_text(account_id), db_int(KEY_OPEN));
}

bool encryption_remove(Batch *batch, Txn *txn, Str account_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_encryption WHERE account_id = ?1", db_text(account_id)) &&
           runner_cancel(batch->site->runner, txn, WORK_KEY, account_id, err);
}

bool encryption_set(Batch *batch, Txn *txn, Arena *arena, Str account_id, const WrappedKey *wrapped, int64_t real_ms, Err *err)
{
    return seal_scope_rewrap(batch->site->seal, txn, account_scope(arena, account_id), wrapped->data_key, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE batch_encryption SET revision = revision + 1, identifier = ?2, vault = ?3, key_name = ?4, version = ?5, pinned = ?6, algorithm = ?7,"
                    " principal_id = ?8, wrapped = ?9, access = ?10, reason = '', unwrapped_ms = ?11, scrub = 1 WHERE account_id = ?1",
                    db_text(account_id), db_text(wrapped->identifier), db_text(wrapped->key.vault), db_text(wrapped->key.name), db_text(wrapped->key.version),
                    db_int(wrapped->pinned), db_text(wrapped->algorithm), db_text(wrapped->principal_id), db_blob(wrapped->wrapped), db_int(KEY_OPEN), db_int(real_ms)) &&
           runner_schedule(batch->site->runner, txn, WORK_KEY, account_id, real_ms, err);
}

bool encryption_unset(Batch *batch, Txn *txn, Arena *arena, Str account_id, Err *err)
{
    return seal_scope_rewrap(batch->site->seal, txn, account_scope(arena, account_id), NULL, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE batch_encryption SET revision = revision + 1, identifier = NULL, vault = '', key_name = '', version = '', pinned = 0, algorithm = '',"
                    " principal_id = '', wrapped = NULL, access = ?2, reason = '', unwrapped_ms = 0, lost_ms = 0, restored_ms = 0, scrub = 0 WHERE account_id = ?1",
                    db_text(account_id), db_int(KEY_OPEN)) &&
           runner_cancel(batch->site->runner, txn, WORK_KEY, account_id, err);
}

bool batch_set_key_check(Batch *batch, int64_t ms, Err *err)
{
    if (ms < KEY_CHECK_LEAST_MS)
        return err_set(err, ERR_BAD_INPUT, "customer-managed keys are checked at most once a second");
    batch->key_check_ms = ms;
    return true;
}

/* -- who may use the account -- */

static bool hindrance_of(const Batch *batch, Txn *txn, Arena *arena, Str account_id, const Encryption *encryption, KeyHindrance *out, Err *err)
{
    bool locked = false;
    if (encryption->by_customer && encryption->access != KEY_LOST &&
        !seal_scope_is_locked(batch->site->seal, txn, account_scope(arena, account_id), &locked, err))
        return false;
    *out = !encryption->by_customer ? KEY_HINDERS_NOTHING : encryption->access == KEY_LOST ? KEY_IS_LOST : locked ? KEY_IS_OPENING : KEY_HINDERS_NOTHING;
    return true;
}

bool encryption_hindrance(const Batch *batch, Txn *txn, Arena *arena, Str account_id, KeyHindrance *out, Err *err)
{
    Encryption encryption;
    return encryption_find(txn, arena, account_id, &encryption, err) && hindrance_of(batch, txn, arena, account_id, &encryption, out, err);
}

static bool is_disabled(const Batch *batch, Arena *arena, const Account *account, const Encryption *encryption, Err *err)
{
    return err_named(err, ERR_DENIED, "AccountIsDisabled", NULL,
                     "The account '" STR_FMT "' is disabled since " STR_FMT ": its customer-managed key '" STR_FMT "' cannot be used. Recover or enable the key, and give the "
                     "account's identity " STR_FMT " the key permissions get, wrapKey and unwrapKey; the account is back within %lld s. Until then it can be read in "
                     "Resource Manager, or deleted. Reason: " STR_FMT,
                     STR_ARG(account->name), STR_ARG(time_str(arena, encryption->lost_ms, 0)), STR_ARG(str_slice(encryption->identifier, 0, 160)),
                     STR_ARG(encryption->principal_id), (long long)(batch->key_check_ms / 1000), STR_ARG(encryption->reason));
}

bool encryption_require_open(const Batch *batch, Txn *txn, Arena *arena, const Account *account, bool tells, Err *err)
{
    Encryption encryption;
    KeyHindrance hindrance;
    if (!encryption_find(txn, arena, account->id, &encryption, err) || !hindrance_of(batch, txn, arena, account->id, &encryption, &hindrance, err))
        return false;
    if (hindrance == KEY_IS_LOST && !tells)
        return err_named(err, ERR_DENIED, "AccountIsDisabled", NULL,
                         "The account is disabled: its customer-managed key cannot be used. The account in Resource Manager names the key and the reason.");
    if (hindrance == KEY_IS_LOST)
        return is_disabled(batch, arena, account, &encryption, err);
    return hindrance == KEY_HINDERS_NOTHING ||
           err_set(err, ERR_UNAVAILABLE, "The account '" STR_FMT "' is being opened with its customer-managed key; try again in a few seconds.", STR_ARG(account->name));
}

/* -- in and out -- */

static void put_time(JsonWriter *w, const char *name, int64_t ms)
{
    if (ms > 0)
        json_put_time(w, name, ms);
}

/* keyAccess is ours: the service does not tell. */
void encryption_write(const Batch *batch, Arena *arena, const Encryption *encryption, JsonWriter *w)
{
    json_open(w, "encryption");
    json_put_str(w, "keySource", encryption->by_customer ? STR("Microsoft.KeyVault") : STR("Microsoft.Batch"));
    if (encryption->by_customer) {
        json_open(w, "keyVaultProperties");
        json_put_str(w, "keyIdentifier", encryption->identifier);
        json_close(w);
        json_open(w, "keyAccess");
        json_put_str(w, "state", encryption->access == KEY_OPEN ? STR("Available") : STR("Lost"));
        json_put_str(w, "currentKeyIdentifier", str_printf(arena, STR_FMT "/keys/" STR_FMT "/" STR_FMT, STR_ARG(site_vault_url(batch->site, arena, encryption->key.vault)),
                                                           STR_ARG(encryption->key.name), STR_ARG(encryption->key.version)));
        json_put_str(w, "algorithm", encryption->algorithm);
        json_put_str(w, "principalId", encryption->principal_id);
        if (!str_empty(encryption->reason))
            json_put_str(w, "reason", encryption->reason);
        put_time(w, "lastUnwrapped", encryption->unwrapped_ms);
        put_time(w, "lostAt", encryption->lost_ms);
        put_time(w, "restoredAt", encryption->restored_ms);
        json_put_int(w, "checkPeriodSeconds", batch->key_check_ms / 1000);
        json_put_int(w, "documentedReturnSeconds", KEY_RETURN_DOCUMENTED_MS / 1000);
        json_close(w);
    }
    json_close(w);
}

#define SOURCE_FIELD     "properties.encryption.keySource"
#define IDENTIFIER_FIELD "properties.encryption.keyVaultProperties.keyIdentifier"

static const ShapeField vault_fields[] = {
    { "keyIdentifier", NULL, SHAPE_BY_HAND },
    { NULL }
};
static const ShapeField encryption_fields[] = {
    { "keySource",          NULL, SHAPE_BY_HAND },
    { "keyVaultProperties", NULL, SHAPE_OBJECT, .fields = vault_fields },
    { "keyAccess",          NULL, SHAPE_SHOWN },
    { NULL }
};

static bool refuse(Err *err, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool is_key_name(Str name)
{
    bool fits = name.len >= 1 && name.len <= 127;
    for (size_t i = 0; fits && i < name.len; i++)
        fits = (name.ptr[i] | 0x20) >= 'a' ? (name.ptr[i] | 0x20) <= 'z' : (name.ptr[i] >= '0' && name.ptr[i] <= '9') || name.ptr[i] == '-';
    return fits;
}

static bool is_key_version(Str version)
{
    bool fits = version.len == 32;
    for (size_t i = 0; fits && i < version.len; i++)
        fits = (version.ptr[i] >= '0' && version.ptr[i] <= '9') || (version.ptr[i] >= 'a' && version.ptr[i] <= 'f');
    return fits;
}

/* Vaults of other sites have other tenants, and the account's identity is unknown there; nor may its token be sent to them. */
static bool read_identifier(const Site *site, Arena *arena, Str text, KeyName *out, Err *err)
{
    KeyName key;
    Str collection;
    Err why = { 0 };
    if (!site_split_vault_url(site, arena, text, &key.vault, &collection, &key.name, &key.version, &why)) {
        if (why.code != ERR_BAD_INPUT)
            return *err = why, false;
        err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL,
                  IDENTIFIER_FIELD ": '" STR_FMT "' is no key in a vault of this tenant (" STR_FMT "). It reads " STR_FMT "/keys/<name>, with or without /<version>.",
                  STR_ARG(str_slice(text, 0, 200)), STR_ARG(site->tenant_id), STR_ARG(site_vault_url(site, arena, STR("<vault>"))));
        (void)snprintf(err->target, sizeof err->target, IDENTIFIER_FIELD);
        return false;
    }
    if (!str_eq(collection, STR("keys")))
        return refuse(err, IDENTIFIER_FIELD, "must be the identifier of a key; this is one of another kind of object");
    if (!is_key_name(key.vault) || !is_key_name(key.name) || (key.version.ptr && !is_key_version(key.version)))
        return refuse(err, IDENTIFIER_FIELD, "has a vault, name or version that no key has; copy the key identifier as the vault shows it");
    *out = key;
    return true;
}

bool encryption_read(const Site *site, Arena *arena, const JsonVal *properties, EncryptionIn *out, Err *err)
{
    AUTO(buf_done_auto) Buf ignored = { 0 };
    JsonWriter nowhere;
    const JsonVal *body = json_get(properties, "encryption"), *source = json_get(body, "keySource"), *identifier = json_path(body, "keyVaultProperties.keyIdentifier");
    *out = (EncryptionIn){ 0 };
    if (json_kind(body) <= JSON_NULL)
        return true;
    buf_init(&ignored, 64 * 1024);
    json_begin(&nowhere, &ignored);
    json_open(&nowhere, NULL);
    if (!shape_read(arena, encryption_fields, SPELL_ARM, body, NULL, "properties.encryption", &nowhere, err))
        return false;
    if (json_kind(source) > JSON_NULL && !str_eq_nocase(json_str(source), STR("Microsoft.KeyVault")) && !str_eq_nocase(json_str(source), STR("Microsoft.Batch")))
        return refuse(err, SOURCE_FIELD, "must be Microsoft.Batch or Microsoft.KeyVault");
    if (json_kind(identifier) > JSON_NULL && json_kind(identifier) != JSON_STR)
        return refuse(err, IDENTIFIER_FIELD, "must be the URL of a key");
    out->has_source = json_kind(source) > JSON_NULL;
    out->by_customer = str_eq_nocase(json_str(source), STR("Microsoft.KeyVault"));
    out->identifier = json_kind(identifier) == JSON_STR ? json_str(identifier) : STR_NONE;
    out->given = out->has_source || out->identifier.ptr;
    if (out->has_source && !out->by_customer && out->identifier.ptr)
        return refuse(err, IDENTIFIER_FIELD, "belongs to the key source Microsoft.KeyVault; leave it out with Microsoft.Batch");
    return !out->identifier.ptr || read_identifier(site, arena, out->identifier, &out->key, err);
}
