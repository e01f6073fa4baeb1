/* vault_deleted.c - deleted vaults: list, get, recover, purge, and the purge at the end of the retention. */
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/vaults/vault_arm.h"

enum { LIST_MAX = 1000 };

static void write_deleted(JsonWriter *w, Arena *arena, const Vault *vault)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(arena, "/subscriptions/" STR_FMT "/providers/Microsoft.KeyVault/locations/" STR_FMT "/deletedVaults/" STR_FMT,
                                     STR_ARG(vault->subscription), STR_ARG(vault->location), STR_ARG(vault->name)));
    json_put_str(w, "name", vault->name);
    json_put_str(w, "type", STR("Microsoft.KeyVault/deletedVaults"));
    json_open(w, "properties");
    json_put_str(w, "vaultId", vault->resource_id);
    json_put_str(w, "location", vault->location);
    if (vault->tags)
        json_put_value(w, "tags", vault->tags);
    else
        json_put_raw(w, "tags", STR("{}"));
    json_put_str(w, "deletionDate", time_str(arena, vault->deleted_ms, 0));
    json_put_str(w, "scheduledPurgeDate", time_str(arena, vault->purge_ms, 0));
    if (vault->purge_protection)
        json_put_bool(w, "purgeProtectionEnabled", true);
    json_close(w);
    json_close(w);
}

typedef struct List { Req *req; Reply *reply; ArmPage page; } List;

static bool write_row(void *ctx, Txn *txn, Rows *rows, JsonWriter *w, Str *key, Err *err)
{
    Req *req = ctx;
    Vault vault;
    if (!vault_of_row(req->ctx, txn, req->arena, rows, &vault, err))
        return false;
    write_deleted(w, req->arena, &vault);
    *key = vault.name_key;
    return true;
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err,
                   "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE subscription = ?1 AND name_key > ?2 AND deleted_ms <> 0 ORDER BY name_key LIMIT ?3",
                   db_text(str_lower(req->arena, req_param(req, "subscriptionId"))),
                   db_text(list->page.after.ptr ? list->page.after : STR("")), db_int(list->page.limit + 1)))
        return false;
    return arm_page_write(kv->arm, req, &list->page, txn, rows, write_row, req, &list->reply->json, err);
}

bool vault_list_deleted(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    List list = { .req = req, .reply = reply };
    return arm_page_read(req, LIST_MAX, &list.page, err) && store_read(kv->site->store, list_txn, &list, err) &&
           (arena_ok(req->arena) || err_too_big(err));
}

typedef struct Deleted { Req *req; Vault vault; } Deleted;

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Deleted *deleted = ctx;
    Req *req = deleted->req;
    Str name = req_param(req, "vaultName");
    bool found;
    if (!vault_by_name(req->ctx, txn, req->arena, name, &deleted->vault, &found, err))
        return false;
    if (found && deleted->vault.deleted_ms && str_eq_nocase(deleted->vault.subscription, req_param(req, "subscriptionId")) &&
        str_eq(deleted->vault.location, arm_location_normal(req->arena, req_param(req, "location"))))
        return true;
    return err_named(err, ERR_NOT_FOUND, "DeletedVaultNotFound", NULL,
                     "The specified deleted vault '" STR_FMT "' does not exist. Follow this link for more information: "
                     "https://go.microsoft.com/fwlink/?linkid=2149745", STR_ARG(str_slice(name, 0, 100)));
}

bool vault_get_deleted(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Deleted deleted = { .req = req };
    if (!store_read(kv->site->store, find_txn, &deleted, err))
        return false;
    write_deleted(&reply->json, req->arena, &deleted.vault);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool purge_txn(Txn *txn, void *ctx, Err *err)
{
    Deleted *deleted = ctx;
    KeyVault *kv = deleted->req->ctx;
    if (!find_txn(txn, ctx, err))
        return false;
    if (deleted->vault.purge_protection)
        return err_named(err, ERR_BAD_INPUT, "MethodNotAllowed", NULL, "Operation 'DeletedVaultPurge' is not allowed: purge protection is enabled for vault '"
                         STR_FMT "'; it is purged after its retention, on " STR_FMT ".", STR_ARG(deleted->vault.name),
                         STR_ARG(time_str(deleted->req->arena, deleted->vault.purge_ms, 0)));
    return vault_erase(kv, txn, &deleted->vault, err) && runner_cancel(kv->site->runner, txn, WORK_VAULT_PURGE, deleted->vault.id, err);
}

bool vault_purge_deleted(Req *req, Reply *reply, Err *err)
{
    Deleted deleted = { .req = req };
    Str name = req_param(req, "vaultName");
    if (!vault_write_txn(req, str_printf(req->arena, "/subscriptions/" STR_FMT "/providers/Microsoft.KeyVault/locations/" STR_FMT "/deletedVaults/" STR_FMT,
                                         STR_ARG(req_param(req, "subscriptionId")), STR_ARG(req_param(req, "location")), STR_ARG(name)),
                         200, purge_txn, &deleted, err))
        return false;
    reply->status = 200;
    return true;
}

typedef struct PurgeWork { KeyVault *kv; Arena *arena; Str id; int64_t now_ms, again_ms; } PurgeWork;

static bool purge_work_txn(Txn *txn, void *ctx, Err *err)
{
    PurgeWork *work = ctx;
    Vault vault;
    bool found;
    work->again_ms = 0;
    if (!vault_by_id(work->kv, txn, work->arena, work->id, &vault, &found, err))
        return false;
    if (!found || !vault.deleted_ms)
        return true;
    if (vault.purge_ms > work->now_ms) {
        work->again_ms = vault.purge_ms;
        return true;
    }
    AuditRecord record = { .time_ms = real_now_ms(), .resource_id = vault.resource_id, .operation = STR("VaultPurge"), .category = STR("AuditEvent"),
                           .http_status = 200, .result_description = STR("end of retention"), .client_info = STR("vaultyard background work") };
    return vault_erase(work->kv, txn, &vault, err) && audit_write(work->kv->site->audit, txn, &record, err);
}

bool vault_purge_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    PurgeWork work = { .kv = kv, .arena = arena, .id = job->key, .now_ms = now_ms };
    if (!store_write(kv->site->store, purge_work_txn, &work, err))
        return false;
    *again_ms = work.again_ms;
    return true;
}

/* Work on the certificates and keys of a deleted vault was dropped when it came up. */
static bool resume_work(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT name, kind FROM kv_object WHERE vault = ?1 AND kind IN (?2, ?3) AND deleted_ms = 0", db_text(vault->id),
                   db_int(KV_CERTIFICATE), db_int(KV_KEY)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Str name = str_dup(arena, row_text(rows, 0));
        if (row_int(rows, 1) == KV_KEY ? !key_rotation_schedule(kv, txn, arena, vault, name, err) : !certificate_resume(kv, txn, arena, vault, name, err))
            return false;
    }
    return err->code == ERR_NONE;
}

bool vault_restore(KeyVault *kv, Txn *txn, Arena *arena, Vault *vault, Err *err)
{
    vault->deleted_ms = vault->purge_ms = 0;
    return vault_update(kv, txn, arena, vault, err) && runner_cancel(kv->site->runner, txn, WORK_VAULT_PURGE, vault->id, err) &&
           resume_work(kv, txn, arena, vault, err);
}
