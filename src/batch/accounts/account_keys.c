/* account_keys.c - two 512-bit keys an account; whether a name is free; quotas of a location. */
#include "batch/accounts/account_keys.h"
#include "base/encode.h"
#include "base/id.h"
#include "batch/parts.h"

typedef struct Keys { Batch *batch; Req *req; Account account; Secret *keys; int which; } Keys;     /* which: -1, or the key to make anew */

static void write_keys(Arena *arena, const Keys *k, JsonWriter *w)
{
    Bytes both = secret_bytes(k->keys);
    json_open(w, NULL);
    json_put_str(w, "accountName", k->account.name);
    json_put_str(w, "primary", base64_encode(arena, (Bytes){ both.ptr, ACCOUNT_KEY_SIZE }));
    json_put_str(w, "secondary", base64_encode(arena, (Bytes){ both.ptr + ACCOUNT_KEY_SIZE, ACCOUNT_KEY_SIZE }));
    json_close(w);
}

static bool keys_txn(Txn *txn, void *ctx, Err *err)
{
    Keys *k = ctx;
    Arena *arena = k->req->arena;
    Bytes sealed;
    secret_free(k->keys);                               /* a second run begins anew */
    k->keys = NULL;
    if (!account_of_request(txn, k->req, &k->account, err))
        return false;
    if (!account_allows(&k->account, "SharedKey"))
        return err_named(err, ERR_BAD_INPUT, "InvalidRestAPIForAccountSetting", NULL,
                         "The account '" STR_FMT "' does not allow SharedKey authentication, so it has no use for keys.", STR_ARG(k->account.name));
    if (!account_keys_open(k->batch->site, txn, &k->account, &k->keys, err))
        return false;
    if (k->which >= 0) {
        random_fill(secret_ptr(k->keys) + k->which * ACCOUNT_KEY_SIZE, ACCOUNT_KEY_SIZE);
        if (!account_keys_seal(k->batch->site, txn, arena, k->account.id, k->keys, &sealed, err) ||
            !txn_exec(txn, NULL, err, "UPDATE batch_account SET keys = ?2, changed_ms = ?3 WHERE id = ?1", db_text(k->account.id), db_blob(sealed), db_int(k->req->now_ms)))
            return false;
    }
    return arm_audit(k->batch->arm, txn, k->req, k->account.arm_id, 200, err);
}

static bool reply_keys(Req *req, Reply *reply, int which, Err *err)
{
    AUTO(secret_free_auto) Secret *owned = NULL;
    Keys k = { .batch = req->ctx, .req = req, .which = which };
    bool done = store_write(k.batch->site->store, keys_txn, &k, err);
    owned = k.keys;
    if (!done)
        return false;
    req->audited = true;
    write_keys(req->arena, &k, &reply->json);
    reply_header(reply, STR("Cache-Control"), STR("no-store"));
    return json_end(&reply->json, err);
}

bool account_list_keys(Req *req, Reply *reply, Err *err) { return reply_keys(req, reply, -1, err); }

bool account_regenerate_keys(Req *req, Reply *reply, Err *err)
{
    const JsonVal *body;
    if (!req_object(req, &body, err))
        return false;
    Str name = json_str(json_get(body, "keyName"));
    if (str_eq_nocase(name, STR("Primary")))
        return reply_keys(req, reply, 0, err);
    if (str_eq_nocase(name, STR("Secondary")))
        return reply_keys(req, reply, 1, err);
    return err_field(err, "keyName", "keyName: must be Primary or Secondary");
}

/* -- names and quotas -- */

typedef struct NameCheck { Arena *arena; Str name; bool taken; } NameCheck;

static bool name_txn(Txn *txn, void *ctx, Err *err)
{
    NameCheck *check = ctx;
    Account account;
    return account_by_name(txn, check->arena, check->name, &account, &check->taken, err);
}

bool account_check_name(Req *req, Reply *reply, Err *err)
{
    typedef struct NameIn { Str name, type; } NameIn;
    static const JsonField fields[] = { JSON_FIELD(NameIn, name, "name", JSON_REQUIRED), JSON_FIELD(NameIn, type, "type", JSON_REQUIRED) };
    Batch *batch = req->ctx;
    const JsonVal *body;
    NameIn in = { 0 };
    Err invalid = { 0 };
    JsonWriter *w = &reply->json;
    if (!req_object(req, &body, err) || !json_read(body, "", fields, COUNT_OF(fields), &in, err))
        return false;
    if (!str_eq_nocase(in.type, ACCOUNT_TYPE))
        return err_field(err, "type", "type: must be Microsoft.Batch/batchAccounts");
    NameCheck check = { .arena = req->arena, .name = in.name };
    bool valid = account_name_check(in.name, &invalid);
    if (valid && !store_read(batch->site->store, name_txn, &check, err))
        return false;
    json_open(w, NULL);
    json_put_bool(w, "nameAvailable", valid && !check.taken);
    if (!valid) {
        json_put_str(w, "reason", STR("Invalid"));
        json_put_str(w, "message", str_from(invalid.text));
    } else if (check.taken) {
        json_put_str(w, "reason", STR("AlreadyExists"));
        json_put_str(w, "message", str_printf(req->arena, "An account named '" STR_FMT "' is already in use.", STR_ARG(in.name)));
    }
    json_close(w);
    return json_end(w, err);
}

bool account_location_quotas(Req *req, Reply *reply, Err *err)
{
    (void)req;
    json_open(&reply->json, NULL);
    json_put_int(&reply->json, "accountQuota", LOCATION_ACCOUNT_QUOTA);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}
