/* account.c - rows of batch_account: found, checked, their keys. */
#include "batch/accounts/account.h"
#include <stdio.h>
#include "batch/encryption/encryption.h"

enum { NAME_MIN = 3, NAME_MAX_LEN = 24 };

#define ACCOUNT_COLUMNS "id, name, arm_id, subscription, group_name, location, state, settings, identity, keys, operation, created_ms, changed_ms"

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    *(Account *)into = (Account){
        .id = row_text_kept(arena, rows, 0), .name = row_text_kept(arena, rows, 1), .arm_id = row_text_kept(arena, rows, 2), .subscription = row_text_kept(arena, rows, 3),
        .group = row_text_kept(arena, rows, 4), .location = row_text_kept(arena, rows, 5), .state = (AccountState)row_int(rows, 6),
        .settings = row_text_kept(arena, rows, 7), .identity = row_text_kept(arena, rows, 8),
        .keys = bytes_of(str_dup(arena, str_of(row_blob(rows, 9)))),
        .operation = row_text_kept(arena, rows, 10), .created_ms = row_int(rows, 11), .changed_ms = row_int(rows, 12),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool account_by_id(Txn *txn, Arena *arena, Str id, Account *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " ACCOUNT_COLUMNS " FROM batch_account WHERE id = ?1", db_text(id)) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool account_by_name(Txn *txn, Arena *arena, Str name, Account *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " ACCOUNT_COLUMNS " FROM batch_account WHERE name = ?1", db_text(str_lower(arena, name))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool account_by_arm_id(Txn *txn, Arena *arena, Str arm_id, Account *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " ACCOUNT_COLUMNS " FROM batch_account WHERE arm_key = ?1", db_text(str_lower(arena, arm_id))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool account_of_request(Txn *txn, const Req *req, Account *out, Err *err)
{
    return account_of_request_even_disabled(txn, req, out, err) && encryption_require_open(req->ctx, txn, req->arena, out, true, err);
}

bool account_of_request_even_disabled(Txn *txn, const Req *req, Account *out, Err *err)
{
    Str name = req_param(req, "accountName"), id = arm_id_of_request(req, ACCOUNT_TYPE, name);
    bool found;
    if (!arena_ok(req->arena))
        return err_too_big(err);
    if (!account_by_arm_id(txn, req->arena, id, out, &found, err))
        return false;
    return found || err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL,
                              "The Resource 'Microsoft.Batch/batchAccounts/" STR_FMT "' under resource group '" STR_FMT "' was not found.",
                              STR_ARG(str_slice(name, 0, 60)), STR_ARG(str_slice(req_param(req, "resourceGroupName"), 0, 100)));
}

Str account_scope(Arena *arena, Str account_id)
{
    return str_printf(arena, "batch:" STR_FMT, STR_ARG(account_id));
}

bool account_name_check(Str name, Err *err)
{
    bool fits = name.len >= NAME_MIN && name.len <= NAME_MAX_LEN;
    for (size_t i = 0; fits && i < name.len; i++)
        fits = (name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || (name.ptr[i] >= '0' && name.ptr[i] <= '9');
    if (fits)
        return true;
    err_named(err, ERR_BAD_INPUT, "InvalidAccountName", NULL,
              "accountName: '" STR_FMT "' must be 3 to 24 characters long and have lower-case letters and digits only", STR_ARG(str_slice(name, 0, 60)));
    (void)snprintf(err->target, sizeof err->target, "accountName");
    return false;
}

static SealPlace keys_place(Arena *arena, Str account_id)
{
    return (SealPlace){ .scope = account_scope(arena, account_id), .table = "batch_account", .row = account_id, .column = "keys" };
}

bool account_keys_seal(const Site *site, Txn *txn, Arena *arena, Str account_id, const Secret *keys, Bytes *sealed, Err *err)
{
    return seal_put(site->seal, txn, keys_place(arena, account_id), secret_bytes(keys), arena, sealed, err);
}

bool account_keys_open(const Site *site, Txn *txn, const Account *account, Secret **keys, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    AUTO(secret_free_auto) Secret *opened = NULL;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!seal_get(site->seal, txn, keys_place(arena, account->id), account->keys, &opened, err))
        return false;
    if (secret_bytes(opened).len != 2 * (size_t)ACCOUNT_KEY_SIZE)
        return err_set(err, ERR_INTERNAL, "the keys of account '" STR_FMT "' have the wrong length", STR_ARG(account->name));
    *keys = TAKE(opened);
    return true;
}

bool account_allows(const Account *account, const char *mode)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    const JsonVal *settings;
    Err ignored = { 0 };
    if (!arena || !json_parse(arena, account->settings, JSON_STRICT, &settings, &ignored))
        return false;
    const JsonVal *modes = json_get(settings, "allowedAuthenticationModes");
    for (size_t i = 0; i < json_count(modes); i++)
        if (str_eq(json_str(json_at(modes, i)), str_from(mode)))
            return true;
    return false;
}
