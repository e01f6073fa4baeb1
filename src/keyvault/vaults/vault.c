/* vault.c - the rows of vaults. The document of a vault is one sealed JSON text; columns hold what is searched by. */
#include "keyvault/vaults/vault.h"
#include "base/buf.h"
#include "keyvault/keys/hsm_key.h"

typedef struct VaultDoc {
    Str resource_id, name, subscription, group, location, sku;
    int64_t retention_days;
    bool purge_protection, rbac, is_closed;
    OptBool for_deployment, for_disk_encryption, for_template_deployment;
    const JsonVal *policies, *network_acls, *tags;
    Str created_by, created_by_type, changed_by, changed_by_type;
    int64_t created_ms, changed_ms;
} VaultDoc;
static const JsonField vault_doc_fields[] = {
    JSON_FIELD(VaultDoc, resource_id,             "id",                           JSON_REQUIRED),
    JSON_FIELD(VaultDoc, name,                    "name",                         JSON_REQUIRED),
    JSON_FIELD(VaultDoc, subscription,            "subscription",                 JSON_REQUIRED),
    JSON_FIELD(VaultDoc, group,                   "group",                        JSON_REQUIRED),
    JSON_FIELD(VaultDoc, location,                "location",                     JSON_REQUIRED),
    JSON_FIELD(VaultDoc, sku,                     "sku",                          JSON_REQUIRED),
    JSON_FIELD(VaultDoc, retention_days,          "retentionDays",                JSON_REQUIRED),
    JSON_FIELD(VaultDoc, purge_protection,        "purgeProtection",              JSON_REQUIRED),
    JSON_FIELD(VaultDoc, rbac,                    "rbac",                         JSON_OPTIONAL),     /* this and the next: absent in older rows */
    JSON_FIELD(VaultDoc, is_closed,               "closed",                       JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, for_deployment,          "enabledForDeployment",         JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, for_disk_encryption,     "enabledForDiskEncryption",     JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, for_template_deployment, "enabledForTemplateDeployment", JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, policies,                "accessPolicies",               JSON_REQUIRED),
    JSON_FIELD(VaultDoc, network_acls,            "networkAcls",                  JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, tags,                    "tags",                         JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, created_by,              "createdBy",                    JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, created_by_type,         "createdByType",                JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, changed_by,              "changedBy",                    JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, changed_by_type,         "changedByType",                JSON_OPTIONAL),
    JSON_FIELD(VaultDoc, created_ms,              "createdMs",                    JSON_REQUIRED),
    JSON_FIELD(VaultDoc, changed_ms,              "changedMs",                    JSON_REQUIRED),
};

enum { VAULT_DOC_MAX_BYTES = 4 << 20 };

static void put_opt_bool(JsonWriter *w, const char *name, OptBool value)
{
    if (value.set)
        json_put_bool(w, name, value.value);
}

static bool vault_doc_seal(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Bytes *sealed, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, VAULT_DOC_MAX_BYTES);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "id", vault->resource_id);
    json_put_str(&w, "name", vault->name);
    json_put_str(&w, "subscription", vault->subscription);
    json_put_str(&w, "group", vault->group);
    json_put_str(&w, "location", vault->location);
    json_put_str(&w, "sku", vault->sku);
    json_put_int(&w, "retentionDays", vault->retention_days);
    json_put_bool(&w, "purgeProtection", vault->purge_protection);
    json_put_bool(&w, "rbac", vault->rbac);
    json_put_bool(&w, "closed", vault->is_closed);
    put_opt_bool(&w, "enabledForDeployment", vault->for_deployment);
    put_opt_bool(&w, "enabledForDiskEncryption", vault->for_disk_encryption);
    put_opt_bool(&w, "enabledForTemplateDeployment", vault->for_template_deployment);
    json_put_value(&w, "accessPolicies", vault->policies);
    json_put_value(&w, "networkAcls", vault->network_acls);
    json_put_value(&w, "tags", vault->tags);
    json_put_str(&w, "createdBy", vault->created_by);
    json_put_str(&w, "createdByType", vault->created_by_type);
    json_put_str(&w, "changedBy", vault->changed_by);
    json_put_str(&w, "changedByType", vault->changed_by_type);
    json_put_int(&w, "createdMs", vault->created_ms);
    json_put_int(&w, "changedMs", vault->changed_ms);
    json_close(&w);
    SealPlace place = { vault->scope, "kv_vault", vault->id, "sealed" };
    return json_end(&w, err) && seal_put(kv->site->seal, txn, place, buf_bytes(&text), arena, sealed, err);
}

Str vault_scope_of(Arena *arena, Str id) { return str_printf(arena, "vault:" STR_FMT, STR_ARG(id)); }

bool vault_of_row(KeyVault *kv, Txn *txn, Arena *arena, Rows *rows, Vault *out, Err *err)
{
    Vault vault = { .id = str_dup(arena, row_text(rows, 0)), .revision = row_int(rows, 1), .deleted_ms = row_int(rows, 2),
                    .purge_ms = row_int(rows, 3), .arena = arena };
    vault.scope = vault_scope_of(arena, vault.id);
    Str text;
    SealPlace place = { vault.scope, "kv_vault", vault.id, "sealed" };
    if (!seal_get_text(kv->site->seal, txn, place, row_blob(rows, 4), arena, &text, err))
        return false;

    const JsonVal *root;
    VaultDoc doc = { 0 };
    if (!json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "kv_vault", vault_doc_fields, COUNT_OF(vault_doc_fields), &doc, err))
        return err_set(err, ERR_INTERNAL, "the document of vault " STR_FMT " cannot be read", STR_ARG(vault.id));
    vault.resource_id = doc.resource_id;
    vault.name = doc.name;
    vault.name_key = str_lower(arena, doc.name);
    vault.subscription = doc.subscription;
    vault.group = doc.group;
    vault.location = doc.location;
    vault.sku = doc.sku;
    vault.retention_days = doc.retention_days;
    vault.purge_protection = doc.purge_protection;
    vault.rbac = doc.rbac;
    vault.is_closed = doc.is_closed;
    vault.for_deployment = doc.for_deployment;
    vault.for_disk_encryption = doc.for_disk_encryption;
    vault.for_template_deployment = doc.for_template_deployment;
    vault.policies = doc.policies;
    vault.network_acls = doc.network_acls;
    vault.tags = doc.tags;
    vault.created_by = doc.created_by;
    vault.created_by_type = doc.created_by_type;
    vault.changed_by = doc.changed_by;
    vault.changed_by_type = doc.changed_by_type;
    vault.created_ms = doc.created_ms;
    vault.changed_ms = doc.changed_ms;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!firewall_make(arena, vault.network_acls, vault.is_closed, &vault.firewall, err))
        return false;
    *out = vault;
    return true;
}

static bool vault_of_query(KeyVault *kv, Txn *txn, Arena *arena, const char *sql, Str key, Vault *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, sql, db_text(key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    return vault_of_row(kv, txn, arena, rows, out, err);
}

bool vault_by_name(KeyVault *kv, Txn *txn, Arena *arena, Str name, Vault *out, bool *found, Err *err)
{
    return vault_of_query(kv, txn, arena, "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE name_key = ?1",
                          str_lower(arena, name), out, found, err);
}

bool vault_by_id(KeyVault *kv, Txn *txn, Arena *arena, Str id, Vault *out, bool *found, Err *err)
{
    return vault_of_query(kv, txn, arena, "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE id = ?1", id, out, found, err);
}

bool vault_by_resource(KeyVault *kv, Txn *txn, Arena *arena, Str resource_id, Vault *out, bool *found, Err *err)
{
    return vault_of_query(kv, txn, arena, "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE resource_key = ?1",
                          str_lower(arena, resource_id), out, found, err);
}

bool vault_insert(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err)
{
    Bytes sealed;
    return seal_scope_create(kv->site->seal, txn, vault->scope, err) && vault_doc_seal(kv, txn, arena, vault, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO kv_vault (id, name_key, resource_key, subscription, group_key, revision, deleted_ms,"
                    " purge_ms, sealed) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, ?6)",
                    db_text(vault->id), db_text(vault->name_key), db_text(str_lower(arena, vault->resource_id)),
                    db_text(str_lower(arena, vault->subscription)), db_text(str_lower(arena, vault->group)), db_blob(sealed));
}

bool vault_update(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err)
{
    Bytes sealed;
    return vault_doc_seal(kv, txn, arena, vault, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE kv_vault SET revision = revision + 1, deleted_ms = ?2, purge_ms = ?3, sealed = ?4 WHERE id = ?1",
                    db_text(vault->id), db_int(vault->deleted_ms), db_int(vault->purge_ms), db_blob(sealed));
}

bool vault_erase(KeyVault *kv, Txn *txn, const Vault *vault, Err *err)
{
    static const char *const statements[] = {
        "DELETE FROM kv_event_delivery WHERE subscription IN (SELECT id FROM kv_event_subscription WHERE vault = ?1)",
        "DELETE FROM kv_event_subscription WHERE vault = ?1",
        "DELETE FROM kv_diagnostic WHERE vault = ?1",
        "DELETE FROM kv_expiry WHERE vault = ?1",
        "DELETE FROM kv_feed WHERE vault = ?1",
        "DELETE FROM kv_acme_challenge WHERE vault = ?1",
        "DELETE FROM kv_acme_order WHERE vault = ?1",
        "DELETE FROM kv_acme_account WHERE vault = ?1",
        "DELETE FROM kv_mailed WHERE vault = ?1",
        "DELETE FROM kv_contacts WHERE vault = ?1",
        "DELETE FROM kv_responder WHERE vault = ?1",
        "DELETE FROM kv_issued WHERE vault = ?1",
        "DELETE FROM kv_issuer WHERE vault = ?1",
        "DELETE FROM kv_pending WHERE vault = ?1",
        "DELETE FROM kv_policy WHERE vault = ?1",
        "DELETE FROM kv_rotation WHERE vault = ?1",
        "DELETE FROM kv_version WHERE vault = ?1",
        "DELETE FROM kv_object WHERE vault = ?1",
        "DELETE FROM kv_vault WHERE id = ?1",
    };
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        if (!txn_exec(txn, NULL, err, statements[i], db_text(vault->id)))
            return false;
    return hsm_sweep(kv, txn, vault, err) && seal_scope_destroy(kv->site->seal, txn, vault->scope, err);
}

bool vault_is_live(Txn *txn, const Vault *vault, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_vault WHERE id = ?1 AND deleted_ms = 0", db_text(vault->id)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        return true;
    if (err->code != ERR_NONE)
        return false;
    return err_named(err, ERR_NOT_FOUND, "VaultNotFound", NULL, "The vault '" STR_FMT "' was deleted.", STR_ARG(vault->name));
}

/* 3-24 letters, digits and hyphens; a letter first, no hyphen last, no two in a row (Resource Manager's naming rules). */
bool vault_name_is_valid(Str name)
{
    if (name.len < VAULT_NAME_MIN || name.len > VAULT_NAME_MAX || name.ptr[name.len - 1] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && (i == 0 || (!is_digit && c != '-')))
            return false;
        if (c == '-' && name.ptr[i - 1] == '-')
            return false;
    }
    return true;
}
