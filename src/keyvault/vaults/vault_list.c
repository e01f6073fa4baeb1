/* vault_list.c - vaults of a group and of a subscription, and whether a name is free. */
#include "keyvault/vaults/vault_arm.h"

enum { LIST_MAX = 1000 };

typedef struct List { Req *req; Reply *reply; ArmPage page; bool in_group; } List;

static const char group_sql[] =
    "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE subscription = ?1 AND group_key = ?2 AND name_key > ?3 AND deleted_ms = 0 ORDER BY name_key LIMIT ?4";
static const char subscription_sql[] =
    "SELECT " VAULT_COLUMNS " FROM kv_vault WHERE subscription = ?1 AND name_key > ?3 AND deleted_ms = 0 ORDER BY name_key LIMIT ?4";

static bool write_row(void *ctx, Txn *txn, Rows *rows, JsonWriter *w, Str *key, Err *err)
{
    Req *req = ctx;
    Vault vault;
    if (!vault_of_row(req->ctx, txn, req->arena, rows, &vault, err))
        return false;
    vault_write_resource(w, req->ctx, req->arena, &vault);
    *key = vault.name_key;
    return true;
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    Arena *arena = req->arena;
    Str group = req_param(req, "resourceGroupName");
    if (list->in_group && !arm_require_group(kv->arm, txn, arena, req_param(req, "subscriptionId"), group, &group, err))
        return false;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, list->in_group ? group_sql : subscription_sql, db_text(str_lower(arena, req_param(req, "subscriptionId"))),
                   db_text(str_lower(arena, group.ptr ? group : STR(""))), db_text(list->page.after.ptr ? list->page.after : STR("")),
                   db_int(list->page.limit + 1)))
        return false;
    return arm_page_write(kv->arm, req, &list->page, txn, rows, write_row, req, &list->reply->json, err);
}

static bool list_vaults(Req *req, Reply *reply, bool in_group, Err *err)
{
    KeyVault *kv = req->ctx;
    List list = { .req = req, .reply = reply, .in_group = in_group };
    return arm_page_read(req, LIST_MAX, &list.page, err) && store_read(kv->site->store, list_txn, &list, err) &&
           (arena_ok(req->arena) || err_too_big(err));
}

bool vault_list_in_group(Req *req, Reply *reply, Err *err) { return list_vaults(req, reply, true, err); }
bool vault_list_in_subscription(Req *req, Reply *reply, Err *err) { return list_vaults(req, reply, false, err); }

typedef struct NameCheck { Req *req; Str name; bool is_taken; } NameCheck;

static bool check_name_txn(Txn *txn, void *ctx, Err *err)
{
    NameCheck *check = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_vault WHERE name_key = ?1", db_text(str_lower(check->req->arena, check->name))))
        return false;
    *err = (Err){ 0 };
    check->is_taken = rows_next(rows, err);
    return err->code == ERR_NONE;
}

bool vault_check_name(Req *req, Reply *reply, Err *err)
{
    typedef struct NameIn { Str name, type; } NameIn;
    static const JsonField fields[] = {
        JSON_FIELD(NameIn, name, "name", JSON_REQUIRED),
        JSON_FIELD(NameIn, type, "type", JSON_REQUIRED),
    };
    KeyVault *kv = req->ctx;
    const JsonVal *body;
    NameIn in = { 0 };
    if (!req_object(req, &body, err) || !json_read(body, "", fields, COUNT_OF(fields), &in, err))
        return false;
    if (!str_eq_nocase(in.type, VAULT_TYPE))
        return err_field(err, "type", "type must be Microsoft.KeyVault/vaults");
    NameCheck check = { .req = req, .name = in.name };
    bool is_valid = vault_name_is_valid(in.name);
    if (is_valid && !store_read(kv->site->store, check_name_txn, &check, err))
        return false;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_bool(w, "nameAvailable", is_valid && !check.is_taken);
    if (!is_valid) {
        json_put_str(w, "reason", STR("AccountNameInvalid"));
        json_put_str(w, "message", STR("A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter "
                                       "or digit, and not contain consecutive hyphens."));
    } else if (check.is_taken) {
        json_put_str(w, "reason", STR("AlreadyExists"));
        json_put_str(w, "message", str_printf(req->arena, "The vault name '" STR_FMT "' is already in use, maybe by a deleted vault that was not purged.",
                                              STR_ARG(in.name)));
    }
    json_close(w);
    return true;
}
